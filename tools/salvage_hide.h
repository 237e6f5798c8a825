/*
 * salvage_hide - headers of which nobody can tell who wrote to whom, about what.
 */
#ifndef QF_TOOLS_SALVAGE_HIDE_H
#define QF_TOOLS_SALVAGE_HIDE_H

#include <libqf/qf.h>

/*
 * Header lines, as qf_headers_write() gives them, appended without anything that people have
 * written: of fields that name addresses the hashes of those, of a few that have no text of
 * people's their words, of all others the name alone.
 */
void salvage_hide_headers(const struct qf_redactor *redactor, struct qf_slice headers,
			  struct qf_buf *out);

#endif
