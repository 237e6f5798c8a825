/*
 * salvage_readable - the messages of a queue for people to read: FILE.mbox, DIR.eml/, DIR.maildir/.
 */
#ifndef QF_TOOLS_SALVAGE_READABLE_H
#define QF_TOOLS_SALVAGE_READABLE_H

#include "salvage_report.h"
#include "source.h"

/* Is that the name of one? */
bool salvage_is_readable(const char *to);
/*
 * Write what options select to a file or folder that gets its name when it is whole. The queue is only read,
 * and nothing is claimed. With a redactor bodies are left out, and headers hidden (salvage_hide.h). Returns an
 * exit status.
 */
int salvage_readable(struct source *source, struct qf_queue *from, const char *to,
		     const struct qf_salvage_options *options, struct report *report);

#endif
