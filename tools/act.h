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

/*
 * act_run - select, ask where it has to be asked, change each, tell each, the tally at the end.
 * Returns an exit status, output finished.
 */
int act_run(const char *command, const struct qf_change *change, act_plan *plan, char **operands,
	    size_t n);

#endif
