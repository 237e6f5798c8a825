/*
 * audit_mailstore - what delivered mail says of where it came from: its header, nothing else.
 */
#ifndef QF_TOOLS_AUDIT_MAILSTORE_H
#define QF_TOOLS_AUDIT_MAILSTORE_H

#include "audit.h"

#define AUDIT_HOPS 32

/* One Received line of a sendmail: its queue id, who wrote it, for whom. */
struct audit_hop {
	struct qf_slice id, host, recipient;
};

/* Slices into the header, unfolded in its place. */
struct audit_mail {
	struct qf_slice message_id, delivered_to;
	struct audit_hop hops[AUDIT_HOPS];
	size_t nhops;
};

/*
 * audit_mail_read - the fields of a header block; it is changed. Of each host only the first line
 * counts: what stands below it was there when the message came, and may say anything.
 */
void audit_mail_read(char *header, size_t n, struct audit_mail *out);

#endif
