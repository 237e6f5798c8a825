/*
 * save - a file written whole or not at all: whoever reads it sees the old one or the new one.
 */
#ifndef QF_TOOLS_SAVE_H
#define QF_TOOLS_SAVE_H

#include <libqf/qf.h>

/*
 * save_file - under a name of its own in the same directory, synced, then renamed. Readable by all,
 * within the umask: who collects metrics is another user. What is no regular file (a FIFO,
 * /dev/stdout) is written to as it is.
 * Returns QF_OK; QF_E_DENIED, QF_E_NOT_FOUND (no such directory), QF_E_SYS.
 */
enum qf_code save_file(const char *path, const void *bytes, size_t n, struct qf_err *err);

/* The same with what next adds, piece by piece, until it returns false. */
enum qf_code save_pieces(const char *path, bool (*next)(void *ctx, struct qf_buf *out), void *ctx,
			 struct qf_err *err);

#endif
