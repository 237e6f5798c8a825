/*
 * orphans_fix - qf orphans --fix: the plan, the question, and each finding dealt with.
 */
#ifndef QF_TOOLS_ORPHANS_FIX_H
#define QF_TOOLS_ORPHANS_FIX_H

#include "orphans_report.h"

struct orphans_fix {
	const char *fixes; /* "recover,clean", "all"; NULL: none are wanted */
	unsigned asked;	   /* QF_FIX_*, once they are read */
	bool release;
	const char *lost_found; /* or NULL */
	int64_t body_age;	/* as in struct qf_fix */
	bool silent;		/* no lines on standard output */
	char **names;		/* findings that are meant: ids, names or paths of their files; none: all */
	size_t nnames;
};

/* Read fixes. STATUS_OK, or STATUS_USAGE, said. */
int orphans_fix_read(struct orphans_fix *fix);
/*
 * Deal with what is in the report. total takes the qf.tally/1 object.
 * Returns  STATUS_OK when nothing is left, STATUS_FINDINGS when something is, STATUS_INCOMPLETE
 * when something could not be seen (then nothing is done) or not be done; a failure, said.
 */
int orphans_fix_run(const struct orphans_fix *fix, const struct orphans_report *report,
		    struct qf_buf *total);

#endif
