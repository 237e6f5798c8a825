/*
 * audit_span - the files of logs, as spans of time, for audit_cover only.
 */
#ifndef QF_TOOLS_AUDIT_SPAN_H
#define QF_TOOLS_AUDIT_SPAN_H

#include "audit_name.h"

/* One file. */
struct audit_span {
	int64_t id;
	int64_t first, last; /* events: surely there, where their zone is in doubt */
	int64_t doubt;	     /* by so much first is too late, and last and reach too early */
	int64_t reach;	     /* up to when it says all there is; INT64_MAX: it is still written */
	int64_t offset;
	bool damaged;
	bool grown;  /* since it was read */
	bool begins; /* its first line is that a daemon starts */
	uint8_t head[SHA256_DIGEST_SIZE];
	char *path;
	struct audit_name name;
};

/* What a host wrote from one start of a daemon to the next, whatever files have it. */
struct audit_host {
	struct qf_buf name;
	bool starts;
	int64_t first, reach;
	int64_t doubt; /* of first */
	unsigned saw;
	size_t span; /* one that has it */
	bool broken; /* its daemon took a message that it does not name */
};

struct audit_spans {
	struct audit_span *all; /* a log's files together, each in the order of time */
	size_t n, room;
	struct audit_host *hosts; /* by name, in the order of time */
	size_t nhosts, hosts_room;
	/* Which hosts a file has, by their first row in hosts, and what it has of them. */
	struct audit_member {
		size_t span, host;
		int64_t first, last;
		unsigned saw;
	} * members;
	size_t nmembers, members_room;
};

enum qf_code audit_spans_load(struct audit_spans *spans, struct store *store, struct qf_err *err);
void audit_spans_release(struct audit_spans *spans);
/*
 * Is the time between two files of a log (n: there is none) known from others, for each host that
 * they have? Those others say what was accepted and delivered, and know what the files know.
 */
bool audit_spans_elsewhere(const struct audit_spans *spans, size_t before, size_t after,
			   int64_t from, int64_t to);
/* Does each host of a file say that its daemon stops, and nothing of another one after it? */
bool audit_spans_stopped(const struct audit_spans *spans, size_t span);

#endif
