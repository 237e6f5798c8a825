/*
 * sys - the thin table of system calls.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "sys.h"

static int
real_openat(int dir, const char *name, int flags, mode_t mode)
{
	return openat(dir, name, flags, mode);
}

static int
real_getlk(int fd, struct flock *lock)
{
	return fcntl(fd, F_OFD_GETLK, lock);
}

/* The C library's readdir() reads 32 kB at a time and hides errors in errno; lists of a million
   names over NFS want larger pieces and a clear end. */
static ssize_t
real_getdents(int fd, void *bytes, size_t n)
{
	return syscall(SYS_getdents64, fd, bytes, n);
}

static int
real_setlk(int fd, struct flock *lock)
{
	return fcntl(fd, F_OFD_SETLK, lock);
}

static int
real_renameat2(int from, const char *name, int to, const char *new_name, unsigned flags)
{
	return renameat2(from, name, to, new_name, flags);
}

static ssize_t
real_copy_range(int from, int to, size_t n)
{
	return copy_file_range(from, NULL, to, NULL, n, 0);
}

static int
real_touch(int fd)
{
	return futimens(fd, NULL);
}

const struct qf_sys qf_sys_real = {
	.openat = real_openat,
	.read = read,
	.close = close,
	.fstat = fstat,
	.fstatat = fstatat,
	.getlk = real_getlk,
	.getdents = real_getdents,
	.flock = flock,
	.setlk = real_setlk,
	.write = write,
	.fsync = fsync,
	.fchmod = fchmod,
	.fchown = fchown,
	.mkdirat = mkdirat,
	.renameat2 = real_renameat2,
	.unlinkat = unlinkat,
	.copy_range = real_copy_range,
	.touch = real_touch,
	.space = fstatvfs,
};

/* Magic numbers of statfs(2). */
#define FS_NFS 0x6969u
#define FS_SMB2 0xfe534d42u
#define FS_CIFS 0xff534d42u
#define FS_FUSE 0x65735546u
#define FS_OVERLAY 0x794c7630u
#define FS_TMPFS 0x01021994u
#define FS_RAMFS 0x858458f6u

enum qf_fs
qf_fs_of(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) != 0)
		return QF_FS_LOCAL;
	switch ((uint32_t)fs.f_type) {
	case FS_NFS:
	case FS_SMB2:
	case FS_CIFS:
		return QF_FS_NETWORK;
	case FS_FUSE:
		return QF_FS_FUSE;
	case FS_OVERLAY:
		return QF_FS_OVERLAY;
	}
	return QF_FS_LOCAL;
}

bool
qf_fs_is_fleeting(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 &&
	       ((uint32_t)fs.f_type == FS_OVERLAY || (uint32_t)fs.f_type == FS_TMPFS ||
		(uint32_t)fs.f_type == FS_RAMFS);
}

uint64_t
qf_clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void
qf_io_init(struct qf_io *io, const struct qf_sys *sys, unsigned max_ops)
{
	io->sys = sys ? sys : &qf_sys_real;
	for (int i = 0; i < QF_OP_COUNT; i++)
		atomic_init(&io->ops[i], 0);
	io->max_ops = max_ops;
	io->pace = io;
	io->hasty = false;
	atomic_init(&io->next_slot, 0);
}

void
qf_io_share(struct qf_io *io, struct qf_io *parent)
{
	qf_io_init(io, parent->sys, parent->max_ops);
	io->pace = parent->pace;
	io->hasty = parent->hasty;
}

void
qf_io_add(struct qf_io *to, const struct qf_io *from)
{
	for (int i = 0; i < QF_OP_COUNT; i++)
		atomic_fetch_add(&to->ops[i], atomic_load(&from->ops[i]));
}

/* Count an operation, and wait for its turn where they are limited: each takes the next slot on
   an even grid, so that a burst is never larger than one. */
static void
account(struct qf_io *io, enum qf_op op)
{
	uint64_t step, now, slot, next;

	/* Nearly always a thread's own: a plain sum, which may miss one where it is shared. */
	atomic_store_explicit(&io->ops[op],
			      atomic_load_explicit(&io->ops[op], memory_order_relaxed) + 1,
			      memory_order_relaxed);
	if (io->max_ops == 0)
		return;
	step = 1000000000u / io->max_ops;
	now = qf_clock_ns();
	slot = atomic_load(&io->pace->next_slot);
	do
		next = (slot > now ? slot : now) + step;
	while (!atomic_compare_exchange_weak(&io->pace->next_slot, &slot, next));
	if (slot > now && !io->hasty) {
		struct timespec until = {.tv_sec = (time_t)(slot / 1000000000u),
					 .tv_nsec = (long)(slot % 1000000000u)};

		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
			;
	}
}

int
qf_io_open(struct qf_io *io, int dir, const char *name, int flags)
{
	int fd;

	account(io, QF_OP_OPEN);
	do
		fd = io->sys->openat(dir, name, flags, 0);
	while (fd < 0 && errno == EINTR);
	return fd;
}

ssize_t
qf_io_read(struct qf_io *io, int fd, void *bytes, size_t n)
{
	ssize_t got;

	account(io, QF_OP_READ);
	do
		got = io->sys->read(fd, bytes, n);
	while (got < 0 && errno == EINTR);
	return got;
}

void
qf_io_close(struct qf_io *io, int fd)
{
	io->sys->close(fd);
}

int
qf_io_fstat(struct qf_io *io, int fd, struct stat *st)
{
	account(io, QF_OP_STAT);
	return io->sys->fstat(fd, st);
}

int
qf_io_stat(struct qf_io *io, int dir, const char *name, struct stat *st, int flags)
{
	account(io, QF_OP_STAT);
	return io->sys->fstatat(dir, name, st, flags);
}

int
qf_io_getlk(struct qf_io *io, int fd, struct flock *lock)
{
	account(io, QF_OP_LOCK);
	return io->sys->getlk(fd, lock);
}

ssize_t
qf_io_list(struct qf_io *io, int fd, void *bytes, size_t n)
{
	account(io, QF_OP_LIST);
	return io->sys->getdents(fd, bytes, n);
}

int
qf_io_space(struct qf_io *io, int fd, struct statvfs *space)
{
	account(io, QF_OP_STAT);
	return io->sys->space(fd, space);
}

ssize_t
qf_io_copy(struct qf_io *io, int from, int to, size_t n)
{
	ssize_t copied;

	account(io, QF_OP_CHANGE);
	do
		copied = io->sys->copy_range(from, to, n);
	while (copied < 0 && errno == EINTR);
	return copied;
}

int
qf_io_touch(struct qf_io *io, int fd)
{
	account(io, QF_OP_CHANGE);
	return io->sys->touch(fd);
}

int
qf_io_create(struct qf_io *io, int dir, const char *name, int flags, mode_t mode)
{
	int fd;

	account(io, QF_OP_CHANGE);
	do
		fd = io->sys->openat(dir, name, flags | O_CREAT, mode);
	while (fd < 0 && errno == EINTR);
	return fd;
}

int
qf_io_flock(struct qf_io *io, int fd, int how)
{
	account(io, QF_OP_LOCK);
	return io->sys->flock(fd, how);
}

int
qf_io_setlk(struct qf_io *io, int fd, struct flock *lock)
{
	account(io, QF_OP_LOCK);
	return io->sys->setlk(fd, lock);
}

int
qf_io_write(struct qf_io *io, int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n) {
		ssize_t written;

		account(io, QF_OP_CHANGE);
		written = io->sys->write(fd, at, n);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -1;
		/* Nothing written and no error: no use in trying for ever. */
		if (written == 0) {
			errno = EIO;
			return -1;
		}
		at += written;
		n -= (size_t)written;
	}
	return 0;
}

/* ms between two questions whether to go on. */
#define PATIENCE 400

/* Until it can be read from, or written to; false where it is not to go on. */
static bool
wait_for(int fd, short what, const struct qf_patience *patience)
{
	struct pollfd pollfd = {.fd = fd, .events = what};
	int ready;

	do {
		if (!patience->go_on(patience->ctx)) {
			errno = EINTR;
			return false;
		}
		ready = poll(&pollfd, 1, PATIENCE);
	} while (ready == 0 || (ready < 0 && errno == EINTR));
	return true; /* what is wrong with it the call itself will tell */
}

ssize_t
qf_io_read_stream(struct qf_io *io, int fd, void *bytes, size_t n,
		  const struct qf_patience *patience)
{
	ssize_t got;

	account(io, QF_OP_READ);
	do
		got = wait_for(fd, POLLIN, patience) ? io->sys->read(fd, bytes, n) : -2;
	while (got == -1 && (errno == EINTR || errno == EAGAIN));
	return got < 0 ? -1 : got;
}

/* A pipe that is said to be writable takes so much without stalling; a signal ends other waits. */
int
qf_io_write_stream(struct qf_io *io, int fd, const void *bytes, size_t n,
		   const struct qf_patience *patience)
{
	const char *at = bytes;

	account(io, QF_OP_CHANGE);
	while (n) {
		ssize_t written;

		if (!wait_for(fd, POLLOUT, patience))
			return -1;
		written = io->sys->write(fd, at, n < PIPE_BUF ? n : PIPE_BUF);
		if (written < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (written < 0)
			return -1;
		if (written == 0) {
			errno = EIO;
			return -1;
		}
		at += written;
		n -= (size_t)written;
	}
	return 0;
}

int
qf_io_fsync(struct qf_io *io, int fd)
{
	int result;

	account(io, QF_OP_SYNC);
	do
		result = io->sys->fsync(fd);
	while (result < 0 && errno == EINTR);
	return result;
}

int
qf_io_fchmod(struct qf_io *io, int fd, mode_t mode)
{
	account(io, QF_OP_CHANGE);
	return io->sys->fchmod(fd, mode);
}

int
qf_io_fchown(struct qf_io *io, int fd, uid_t uid, gid_t gid)
{
	account(io, QF_OP_CHANGE);
	return io->sys->fchown(fd, uid, gid);
}

int
qf_io_mkdir(struct qf_io *io, int dir, const char *name, mode_t mode)
{
	account(io, QF_OP_CHANGE);
	return io->sys->mkdirat(dir, name, mode);
}

int
qf_io_unlink(struct qf_io *io, int dir, const char *name, int flags)
{
	account(io, QF_OP_CHANGE);
	return io->sys->unlinkat(dir, name, flags);
}

int
qf_io_rename(struct qf_io *io, int from, const char *name, int to, const char *new_name)
{
	account(io, QF_OP_CHANGE);
	return io->sys->renameat2(from, name, to, new_name, 0);
}

int
qf_io_rename_new(struct qf_io *io, int from, const char *name, int to, const char *new_name)
{
	struct stat st;

	account(io, QF_OP_CHANGE);
	if (io->sys->renameat2(from, name, to, new_name, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (qf_io_stat(io, to, new_name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return errno == ENOENT ? qf_io_rename(io, from, name, to, new_name) : -1;
}

bool
qf_is_newer(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec != b->st_mtim.tv_sec ? a->st_mtim.tv_sec > b->st_mtim.tv_sec
						      : a->st_mtim.tv_nsec >= b->st_mtim.tv_nsec;
}
