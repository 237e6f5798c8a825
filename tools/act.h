/*
 * act - one change of every message selected: what hold, release, rm, due and edit have in common.
 */
#ifndef QF_TOOLS_ACT_H
#define QF_TOOLS_ACT_H

#include <libqf/qf.h>

/* A dry run: what the change would do with this message, into outcome->why; or another result.
   redactor is NULL without --redact. */
typedef void act_plan(const struct qf_change *change, const struct qf_row *row,
		      const struct qf_redactor *redactor, struct qf_outcome *outcome);

/* Carry the change out for one message, instead of qf_txn_apply(). Called by several threads. */
typedef void act_carry(struct qf_txn *txn, const struct qf_row *row, const struct qf_change *change,
		       struct qf_outcome *outcome);

struct source;
/* Before the first message is read; threads are not started yet. Returns an exit status. */
typedef int act_ready(const struct source *source, const struct qf_change *change);

/* What a command has of its own; NULL and 0 for what is usual. */
struct act_ways {
	act_ready *ready; /* not called for a dry run */
	act_plan *plan;
	act_carry *carry;
	unsigned needs; /* QF_NEED_*, beside headers */
	unsigned jobs;  /* at most so many at once */
};

/*
 * act_run - select, ask where it has to be asked, change each, tell each, the tally at the end.
 * Returns an exit status, output finished.
 */
int act_run(const char *command, const struct qf_change *change, const struct act_ways *ways,
	    char **operands, size_t n);

#endif
