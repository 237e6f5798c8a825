/*
 * audit_cover - what the logs of a database can say of a span of time, and where they cannot.
 */
#ifndef QF_TOOLS_AUDIT_COVER_H
#define QF_TOOLS_AUDIT_COVER_H

#include "audit.h"

#define AUDIT_GAPS 8

/* A time of which a log does not say all there was. */
struct audit_hole {
	enum audit_hole_kind {
		AUDIT_LOG_BEGINS, /* within the span: what was before it is not there */
		AUDIT_LOG_BETWEEN,
		AUDIT_LOG_ENDS,
		AUDIT_LOG_LOST, /* lines, as it shows itself */
	} kind;
	int64_t from, to;
	char log[160]; /* which; BETWEEN: the file before it */
	char why[64];  /* LOST */
};

struct audit_cover {
	unsigned level, high; /* as qf_log_level(), of all logs of that time */
	unsigned least;	      /* the same of the host and start of a daemon that says least */
	char weakest[256];    /* that one: the file, the host, and since when */
	int64_t first;	      /* event */
	bool begins;	      /* nothing is known of before the first, which starts a daemon */
	size_t files;
	struct audit_hole *holes;
	size_t nholes;
	char gaps[AUDIT_GAPS][400]; /* why what is not there proves nothing */
	size_t ngaps;
};

/* Of the logs that reach into [from, to]. */
enum qf_code audit_cover_load(struct audit_cover *cover, struct store *store, int64_t from,
			      int64_t to, struct qf_err *err);
void audit_cover_release(struct audit_cover *cover);
/* The first hole that reaches into [from, to]; NULL. */
const struct audit_hole *audit_cover_hole(const struct audit_cover *cover, int64_t from,
					  int64_t to);
/* The gaps between two snapshots, of the logs and of the snapshots themselves. */
enum qf_code audit_cover_gaps(struct audit_cover *cover, struct store *store,
			      const struct store_snapshot *a, const struct store_snapshot *b,
			      struct qf_err *err);

#endif
