/*
 * rewrite - a control file with one thing changed, and every other byte as it was.
 */
#ifndef QF_LIBQF_REWRITE_H
#define QF_LIBQF_REWRITE_H

#include "qf.h"

/* With a quarantine reason, in place of any it had. Line ends in the reason become blanks. */
void qf_rewrite_hold(const struct qf_msg *msg, const char *reason, struct qf_buf *out);
/* Without a quarantine reason. */
void qf_rewrite_release(const struct qf_msg *msg, struct qf_buf *out);
/* With this time of the last try. False where there is no such line to change. */
bool qf_rewrite_last_try(const struct qf_msg *msg, int64_t last_try, struct qf_buf *out);

/* What a message may need when it goes to another queue. All zero: nothing is changed. */
struct qf_rewrite_move {
	bool data_beside;    /* no d line: the data file lies with the control file */
	const char *reason;  /* quarantined, for this reason; or NULL */
	bool refresh;        /* created at this time: */
	int64_t created;
	bool unhold;         /* quarantined no more */
	bool due;            /* as if never tried */
};
/* True where anything is different. What is not named stays byte for byte. */
bool qf_rewrite_move(const struct qf_msg *msg, const struct qf_rewrite_move *move,
		     struct qf_buf *out);

#endif
