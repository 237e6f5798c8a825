/*
 * metrics - figures of a queue for monitoring: what is counted, and how it is written.
 */
#ifndef QF_TOOLS_METRICS_H
#define QF_TOOLS_METRICS_H

#include "source.h"

#define METRICS_STATES 4
#define METRICS_BUCKETS 10

/* A histogram: how many values are at most each limit, all of them, and their sum. */
struct metrics_histogram {
	uint64_t counts[METRICS_BUCKETS]; /* each value in the first bucket that takes it */
	uint64_t all;
	double sum;
};
extern const int64_t metrics_age_limits[METRICS_BUCKETS];
extern const int64_t metrics_tries_limits[METRICS_BUCKETS];

/* One queue directory. A negative figure is not known, and is not written: absent, never zero. Of a
   message that could not be read nothing is counted but that; sums are then at least so many. */
struct metrics_queue {
	const char *queue;
	bool up;
	uint64_t messages[METRICS_STATES]; /* by enum qf_state */
	uint64_t unreadable;               /* and those of which it is not known */
	int64_t busy, due, expired, warned;
	double oldest, longest_busy;
	int64_t control_bytes, data_bytes;
	struct qf_groups *domains;         /* NULL: not counted */
	int64_t orphans[QF_VERDICT_COUNT];
	struct metrics_histogram age, tries;
};

struct metrics {
	struct metrics_queue *queues;
	size_t n;
	unsigned top;                      /* domains written; the rest as (other) */
	double seconds;                    /* of the scan */
	uint64_t operations, errors;
	int64_t last_success;              /* QF_TIME_NONE: none yet */
	int64_t now;
};

/* Prometheus text format 0.0.4. */
void metrics_put_prometheus(const struct metrics *metrics, struct qf_buf *out);
/* CloudWatch embedded metric format: a line of JSON for each queue directory. */
void metrics_put_emf(const struct metrics *metrics, struct qf_buf *out);

#endif
