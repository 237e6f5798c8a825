/*
 * audit_plan - what qf audit report would have done with the messages of a restored queue: as
 * commands of the toolkit, and carried out.
 */
#ifndef QF_TOOLS_AUDIT_PLAN_H
#define QF_TOOLS_AUDIT_PLAN_H

#include "audit_classify.h"

struct audit_step {
	char *id, *queue, *file, *filter; /* filter: of the recipients to strike, or NULL */
	enum audit_class class;
	enum audit_action action;
	bool staged; /* qf orphans comes first: a change would lose what the tf tells */
};

struct audit_plan {
	struct audit_step *steps; /* those that do something, in the order of the report */
	size_t n, room;
};

/* Can a filter tell those who are to be struck from those who are open? */
bool audit_plan_can_strike(const struct audit_case *of);
/* The message of a case, where something is to be done. False: memory is out. */
bool audit_plan_add(struct audit_plan *plan, const struct audit_case *of);
void audit_plan_release(struct audit_plan *plan);
/* The command of a step, ready to run; of an edit with a hold, two. */
void audit_plan_command(const struct audit_step *step, struct qf_buf *out);
/* All of them, one a line, messages that are treated alike together. */
void audit_plan_commands(const struct audit_plan *plan, struct qf_buf *out);

/*
 * audit_plan_apply - carry it out, through the journal. Only on the queue of the snapshot, and only
 * if that has not changed since: otherwise nothing is done, and it is said. Returns an exit status.
 */
int audit_plan_apply(const struct audit_plan *plan, struct store *store, struct source *source,
		     const struct store_snapshot *snapshot);

#endif
