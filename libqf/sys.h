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
#include <sys/statvfs.h>

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
	/* What changes something; none of these is used by what only reads. */
	int (*flock)(int fd, int how);
	int (*setlk)(int fd, struct flock *lock); /* F_OFD_SETLK */
	ssize_t (*write)(int fd, const void *bytes, size_t n);
	int (*fsync)(int fd);
	int (*fchmod)(int fd, mode_t mode);
	int (*fchown)(int fd, uid_t uid, gid_t gid);
	int (*mkdirat)(int dir, const char *name, mode_t mode);
	int (*renameat2)(int from, const char *name, int to, const char *new_name, unsigned flags);
	int (*unlinkat)(int dir, const char *name, int flags);
	ssize_t (*copy_range)(int from, int to, size_t n); /* copy_file_range, at both offsets */
	int (*touch)(int fd);                              /* futimens: now */
	int (*space)(int fd, struct statvfs *space);       /* fstatvfs; changes nothing */
};
extern const struct qf_sys qf_sys_real;

/* One name as getdents() lays it out: getdents64(2). */
struct qf_sys_entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length; /* of the whole entry */
	unsigned char type;    /* DT_... */
	char name[];
};

enum qf_op { QF_OP_OPEN, QF_OP_READ, QF_OP_STAT, QF_OP_LOCK, QF_OP_LIST, QF_OP_CHANGE, QF_OP_SYNC,
	     QF_OP_COUNT };

/* What one caller does with the file system. May be shared by threads; those that work hard have
   one each (qf_io_share()), so that counting does not bounce a cache line between them. */
struct qf_io {
	const struct qf_sys *sys;
	atomic_uint_fast64_t ops[QF_OP_COUNT];
	unsigned max_ops;                  /* a second, of all that share; 0: no limit */
	struct qf_io *pace;                /* whose next_slot counts: its own, or the parent's */
	bool hasty;                        /* takes slots, but does not wait for them */
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
int qf_io_space(struct qf_io *io, int fd, struct statvfs *space);

/* Asked at least twice a second while a stream keeps us waiting; false: no longer. */
struct qf_patience {
	bool (*go_on)(void *ctx);
	void *ctx;
};
/* As qf_io_read() and qf_io_write(), of what may stall: a pipe, a socket, a terminal. EINTR where it
   was not to go on; of what was to be written, some may have been. */
ssize_t qf_io_read_stream(struct qf_io *io, int fd, void *bytes, size_t n,
			  const struct qf_patience *patience);
int qf_io_write_stream(struct qf_io *io, int fd, const void *bytes, size_t n,
		       const struct qf_patience *patience);

/* What changes something. As above; qf_io_write() writes all or fails. */
int qf_io_create(struct qf_io *io, int dir, const char *name, int flags, mode_t mode);
int qf_io_flock(struct qf_io *io, int fd, int how);
int qf_io_setlk(struct qf_io *io, int fd, struct flock *lock);
int qf_io_write(struct qf_io *io, int fd, const void *bytes, size_t n);
int qf_io_fsync(struct qf_io *io, int fd);
int qf_io_fchmod(struct qf_io *io, int fd, mode_t mode);
int qf_io_fchown(struct qf_io *io, int fd, uid_t uid, gid_t gid);
int qf_io_mkdir(struct qf_io *io, int dir, const char *name, mode_t mode);
int qf_io_unlink(struct qf_io *io, int dir, const char *name, int flags);
/* Copies within the kernel, from and to where both files stand: how many bytes, 0 at the end. Where
   the file systems cannot, EXDEV, EINVAL, ENOSYS or EOPNOTSUPP, and nothing was copied. */
ssize_t qf_io_copy(struct qf_io *io, int from, int to, size_t n);
/* The time of the last change of a file of ours is now, by the clock of its file system. */
int qf_io_touch(struct qf_io *io, int fd);
/* Over whatever has the new name. */
int qf_io_rename(struct qf_io *io, int from, const char *name, int to, const char *new_name);
/*
 * Only where nothing has the new name (EEXIST). File systems without such a rename (NFS) are asked
 * first, which leaves a moment for a name to come up: hold the lock that keeps others from it.
 */
int qf_io_rename_new(struct qf_io *io, int from, const char *name, int to, const char *new_name);

/* What a directory lies on, as far as it decides about locks and about how long answers take. */
enum qf_fs {
	QF_FS_LOCAL,
	QF_FS_OVERLAY, /* a container's own */
	QF_FS_FUSE,
	QF_FS_NETWORK, /* NFS, SMB: flock is a byte-range lock of the server */
};
enum qf_fs qf_fs_of(int fd);

/* Does what lies there end with the container, or at a reboot: a container's own layer, memory. */
bool qf_fs_is_fleeting(int fd);

/* Was what a is of written when b was, or later? */
bool qf_is_newer(const struct stat *a, const struct stat *b);

/* Monotonic clock in ns. */
uint64_t qf_clock_ns(void);

#endif
