/*
 * audit_log - events of the mail log as rows.
 */
#ifndef QF_TOOLS_AUDIT_LOG_H
#define QF_TOOLS_AUDIT_LOG_H

#include "audit.h"

/* Keys seen within one second of a file, so that lines that are alike are counted. */
struct audit_log_keys {
	uint64_t *slots; /* halves of keys; 0: free */
	uint32_t *counts;
	size_t n, room;
	int64_t time;
};
void audit_log_keys_clear(struct audit_log_keys *keys);
void audit_log_keys_release(struct audit_log_keys *keys);

/* The key of the next event of a file. False: memory is out. */
bool audit_log_key(struct audit_log_keys *keys, const struct qf_log_event *event, unsigned char key[16]);

/* Store an event of a file. *is_new false: it is there, from this file or another one. */
enum qf_code audit_store_event(struct store *store, const unsigned char key[16], int64_t file,
			       const struct qf_log_event *event, bool *is_new, struct qf_err *err);

/* What was read, of all files together. */
struct audit_log_sum {
	uint64_t files, lines, events, unparsed, foreign, pieces, known;
	unsigned saw; /* QF_LOG_SAW_* */
	int64_t first, last;
	enum qf_log_by year_by, zone_by; /* the worst of all lines */
	int zone;
};
/* For people, or as a qf.audit.log/1 object. */
void audit_log_tell(const struct audit_log_sum *sum);

#endif
