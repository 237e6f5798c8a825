/*
 * audit_sink - events of the mail log on their way into the database.
 */
#ifndef QF_TOOLS_AUDIT_SINK_H
#define QF_TOOLS_AUDIT_SINK_H

#include "audit_log.h"

struct audit_sink;

/* For a store that is bulk-loaded. NULL: out of memory. */
struct audit_sink *audit_sink_new(struct store *store);
/* What was not drained is stored, if it can be. */
void audit_sink_free(struct audit_sink *sink);
/* Another file: lines that are alike are counted anew. Only when drained. */
void audit_sink_begin(struct audit_sink *sink);
/* The event is copied. From here on the store is not the caller's, until the sink is drained. */
enum qf_code audit_sink_put(struct audit_sink *sink, int64_t file, const struct qf_log_event *event,
			    struct qf_err *err);
/* All that was put is stored; adds how many events were new, and how many there before. The first
   failure to store one; after that nothing more is stored. */
enum qf_code audit_sink_drain(struct audit_sink *sink, uint64_t *stored, uint64_t *known, struct qf_err *err);

#endif
