/*
 * show_text - how qf show presents a message, to people and as JSON.
 */
#ifndef QF_TOOLS_SHOW_TEXT_H
#define QF_TOOLS_SHOW_TEXT_H

#include "source.h"

/* Write the whole message as text. limit: bytes of the body to look at;
   body: show it, and the transcript. Returns an exit status. */
int show_text(const struct source *source, const struct qf_row *row, size_t limit, bool body);
/* The same as a qf.message/1 object with more members: headers, text, transcript, next, holder. */
int show_json(const struct source *source, const struct qf_row *row, size_t limit, bool body);
/* The body as UTF-8 text. Where it cannot be decoded (built without), the bytes as they are. */
enum qf_code show_body_text(const struct source *source, struct qf_msg *msg, size_t limit,
			    struct qf_buf *out, struct qf_err *err);

#endif
