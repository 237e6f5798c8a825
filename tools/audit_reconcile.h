/*
 * audit_reconcile - qf audit reconcile: what its parts share. audit_reconcile.c: what was owed, and
 * what became of it; audit_account.c: how that is said.
 */
#ifndef QF_TOOLS_AUDIT_RECONCILE_H
#define QF_TOOLS_AUDIT_RECONCILE_H

#include "audit_cover.h"
#include "audit_fate.h"
#include "audit_recipients.h"
#include "source.h"

enum outcome { QUEUED, DELIVERED, RETURNED, REMOVED, MISSING, OUTCOMES };

struct reconcile {
	struct source source;
	struct store *store;
	struct store_snapshot a, b;
	struct audit_journal journal;
	struct audit_cover cover;
	struct audit_fate fate;
	struct audit_recipients owed, there; /* of the message; what B has of it */
	struct qf_buf out, seen;
	uint64_t messages, recipients, counts[OUTCOMES], doubled, too_close, again, shown;
	int64_t contention; /* -1: not known */
	bool has_mail;
};

/* The message in hand. */
struct owed {
	struct qf_slice id, queue, sender, message_id, logged_id;
	int64_t created, content, seen; /* content 0: known from the log only */
	int64_t message;		/* its row, or 0 */
	int64_t nrcpts;			/* that the log says it had; -1 */
};

/* One recipient, counted, and told where it is missing, doubled, or all are asked for. */
void audit_account_put(struct reconcile *r, const struct owed *owed, struct qf_slice recipient,
		       enum outcome outcome, const struct audit_verdict *verdict);
/* The total. accounted: nothing is missing, and the logs are all there are. */
void audit_account_total(struct reconcile *r, bool accounted);

#endif
