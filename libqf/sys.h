/*
 * sys - the thin table of system calls: every file operation of the library goes through here,
 * so that it can be counted, paced (--max-ops) and, in tests, made to fail.
 */
#ifndef QF_LIBQF_SYS_H
#define QF_LIBQF_SYS_H

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "qf.h"

/* The calls. qf_sys_real is the operating system; tests bring their own. */
struct qf_sys {
	int (*openat)(int dir, const char *name, int flags, mode_t mode);
	ssize_t (*read)(int fd, void *bytes, size_t n);
	int (*close)(int fd);
	int (*fstat)(int fd, struct stat *st);
	int (*fstatat)(int dir, const char *name, struct stat *st, int flags);
	int (*getlk)(int fd, struct flock *lock); /* F_OFD_GETLK */
	ssize_t (*getdents)(int fd, void *bytes, size_t n);
};
extern const struct qf_sys qf_sys_real;

enum qf_op { QF_OP_OPEN, QF_OP_READ, QF_OP_STAT, QF_OP_LOCK, QF_OP_LIST, QF_OP_COUNT };

/* What one caller does with the file system. May be shared by threads; those that work hard have
   one each (qf_io_share()), so that counting does not bounce a cache line between them. */
struct qf_io {
	const struct qf_sys *sys;
	atomic_uint_fast64_t ops[QF_OP_COUNT];
	unsigned max_ops;                  /* a second, of all that share; 0: no limit */
	struct qf_io *pace;                /* whose next_slot counts: its own, or the parent's */
	atomic_uint_fast64_t next_slot;    /* ns of the monotonic clock when the next may start */
};

/* sys NULL: the operating system. */
void qf_io_init(struct qf_io *io, const struct qf_sys *sys, unsigned max_ops);
/* Counts of its own, within the parent's limit. The parent must outlive it. */
void qf_io_share(struct qf_io *io, struct qf_io *parent);
/* Add the counts of one to another. */
void qf_io_add(struct qf_io *to, const struct qf_io *from);

/* As the system calls: -1 and errno on failure. EINTR is retried. Closing is not counted. */
int qf_io_open(struct qf_io *io, int dir, const char *name, int flags);
ssize_t qf_io_read(struct qf_io *io, int fd, void *bytes, size_t n);
void qf_io_close(struct qf_io *io, int fd);
int qf_io_fstat(struct qf_io *io, int fd, struct stat *st);
int qf_io_stat(struct qf_io *io, int dir, const char *name, struct stat *st, int flags);
int qf_io_getlk(struct qf_io *io, int fd, struct flock *lock);
ssize_t qf_io_list(struct qf_io *io, int fd, void *bytes, size_t n);

/* Monotonic clock in ns. */
uint64_t qf_clock_ns(void);

#endif
