/*
 * audit_recall - messages of the database as the library knows messages, for filters and renderers.
 */
#ifndef QF_TOOLS_AUDIT_RECALL_H
#define QF_TOOLS_AUDIT_RECALL_H

#include "audit.h"

/* Of contents c: the Message-ID that logs have of it, the last where there are two. */
#define AUDIT_LOGGED_ID                                                                            \
	"(SELECT h.value FROM headers h WHERE h.content = c.id AND h.name = 'message-id'"          \
	" COLLATE NOCASE ORDER BY h.n DESC LIMIT 1)"

/* The columns that audit_recall() reads, from messages m, contents c and queues q. */
#define AUDIT_RECALL_COLUMNS                                                                       \
	"m.id, m.content, m.file, m.queue_id, m.state, q.path, m.mode, m.uid, m.gid, m.inode,"     \
	" m.mtime, m.ctime, m.data_size, c.created, c.last_try, c.tries, c.priority, c.sender,"    \
	" c.status, c.quarantine, c.envid, c.auth, c.body_type, c.flags, c.size, c.raw,"           \
	" c.deliver_by, c.deliver_by_flag"
#define AUDIT_RECALL_N 28

/* Findings of a file as a whole; there are fewer kinds. */
#define AUDIT_RECALL_FOUND 16

/* Working memory; zero-initialise. */
struct audit_recall {
	struct qf_buf bytes, text;
	struct qf_recipient *recipients;
	struct qf_header *headers;
	size_t room_recipients, room_headers;
	struct qf_files files;
	struct qf_diagnostic found[AUDIT_RECALL_FOUND];
	size_t nfound;
	struct qf_buf details;
};
void audit_recall_release(struct audit_recall *recall);

/* The message of a row. Lives until the statement steps on; the caller's, freed with qf_msg_free().
 */
enum qf_code audit_recall(struct audit_recall *recall, struct store *store,
			  const struct store_statement *row, struct qf_msg **out,
			  struct qf_err *err);

#endif
