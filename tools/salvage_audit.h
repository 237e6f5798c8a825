/*
 * salvage_audit - what a database of qf audit knows of messages that are to be moved: logs that were
 * read into it, mailboxes, what qf itself did.
 */
#ifndef QF_TOOLS_SALVAGE_AUDIT_H
#define QF_TOOLS_SALVAGE_AUDIT_H

#include <libqf/qf.h>

struct salvage_audit;

/* The failure is said. Returns 0 or an exit status. */
int salvage_audit_open(const char *path, struct salvage_audit **out);
void salvage_audit_close(struct salvage_audit *audit);
/*
 * For qf_salvage_options.finished: does it show that each recipient the message still has was served or
 * returned? The message must have its headers. What cannot be looked up is not finished.
 */
bool salvage_audit_is_finished(void *ctx, struct qf_msg *msg);

#endif
