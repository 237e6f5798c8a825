/*
 * audit_cover - what the logs of a database can say of a span of time, and where they cannot.
 */
#ifndef QF_TOOLS_AUDIT_COVER_H
#define QF_TOOLS_AUDIT_COVER_H

#include "audit.h"

#define AUDIT_GAPS 8

struct audit_cover {
	unsigned level, high; /* as qf_log_level(), of all logs of that time */
	unsigned least;	      /* the same of the log that says least, and its name */
	char weakest[160];
	int64_t first, last; /* events */
	int64_t reach;	     /* up to when they say all there is */
	size_t files;
	struct audit_hole {
		int64_t from, to;
		char after[160]; /* the log before it */
	} holes[AUDIT_GAPS];	 /* the last AUDIT_GAPS of them */
	size_t nholes;
	char gaps[AUDIT_GAPS][256]; /* why what is not there proves nothing */
	size_t ngaps;
};

/* Of the logs that reach into [from, to]. */
enum qf_code audit_cover_load(struct audit_cover *cover, struct store *store, int64_t from,
			      int64_t to, struct qf_err *err);
/* The last hole between one log and the next that reaches into [from, to]; NULL. */
const struct audit_hole *audit_cover_hole(const struct audit_cover *cover, int64_t from,
					  int64_t to);
/* The gaps between two snapshots, of the logs and of the snapshots themselves. */
enum qf_code audit_cover_gaps(struct audit_cover *cover, struct store *store,
			      const struct store_snapshot *a, const struct store_snapshot *b,
			      struct qf_err *err);

#endif
