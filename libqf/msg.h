/*
 * msg - the model of one message: what the modules that fill it need to see.
 */
#ifndef QF_LIBQF_MSG_H
#define QF_LIBQF_MSG_H

#include "arena.h"
#include "qf.h"

/* Everything reachable from a message lives in its arena; text is the visitor's buffer. */
struct qf_msg {
	struct qf_arena arena;
	struct qf_slice bytes;
	struct qf_envelope envelope;
	struct qf_files files;
	struct qf_record *records;
	size_t nrecords;
	struct qf_diagnostic *diagnostics;
	size_t ndiagnostics, cap_diagnostics;
	enum qf_fate fate; /* the worst of them, listed or not */
	bool ended; /* has its end line */
	bool nomem; /* something did not fit into memory */
	struct qf_buf text;
};

struct qf_msg *qf_msg_new(void);
/* Ready for another one; keeps memory for reuse. */
void qf_msg_clear(struct qf_msg *msg);
/* Understand bytes, which live in msg->arena already. files.kind must be set. */
enum qf_code qf_msg_interpret(struct qf_msg *msg, struct qf_slice bytes, bool skip_headers,
			      struct qf_err *err);
void qf_msg_find(struct qf_msg *msg, enum qf_finding finding, unsigned line, unsigned column);
/* The same with words of its own; detail is copied. */
void qf_msg_find_detail(struct qf_msg *msg, enum qf_finding finding, unsigned line,
			unsigned column, const char *detail);

/* Are these two versions of one message: created at the same time, for the same sender? NULL: no. */
bool qf_msg_is_same(const struct qf_msg *a, const struct qf_msg *b);

#endif
