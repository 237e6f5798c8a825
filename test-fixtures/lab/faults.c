/*
 * faults - what changes files is counted, recorded, and at one call ended (LD_PRELOAD).
 *
 *	FAULTS_AT=N       at the N-th call (from 1) before it is done:
 *	FAULTS_DO=kill    the process is killed (the default)
 *	FAULTS_DO=stop    it is stopped, until somebody lets it go on
 *	FAULTS_DO=NUMBER  the call fails with this errno
 *	FAULTS_PAUSE=N    before each such call, and before each lock, up to N microseconds pass: what two
 *	                  processes do to each other between two calls of one of them, they do then
 *	FAULTS_HASTE=1    nanosleep() takes no time, and the monotonic clock says it had
 *	FAULTS_LOG=FILE   each call that was done is a line there, tabs between: what, path, second path,
 *	                  number (mode of a new file), bytes written in hex
 *
 * Counted are: creating a file, writing to a regular file, rename, link, symlink, unlink, mkdir,
 * rmdir, chmod, chown, truncate, fsync, fdatasync, copy_file_range, futimens (not recorded).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static atomic_int calls;
static int at, failure;
static const char *log_name;
static unsigned longest_pause;
static int end_by = SIGKILL;
static int hasty;
static _Atomic int64_t slept; /* ns that were not waited */

__attribute__((constructor)) static void
take_environment(void)
{
	const char *number = getenv("FAULTS_AT"), *what = getenv("FAULTS_DO"),
		   *log = getenv("FAULTS_LOG"), *pause = getenv("FAULTS_PAUSE");

	hasty = getenv("FAULTS_HASTE") != NULL;
	at = number ? atoi(number) : 0;
	longest_pause = pause ? (unsigned)atoi(pause) : 0;
	if (what && strcmp(what, "stop") == 0)
		end_by = SIGSTOP;
	else if (what && strcmp(what, "kill") != 0)
		failure = atoi(what);
	log_name = log ? strdup(log) : NULL;
}

static void
pause_a_while(void)
{
	static atomic_uint turn;
	unsigned seed;

	if (!longest_pause)
		return;
	seed = (unsigned)getpid() * 2654435761u + atomic_fetch_add(&turn, 1);
	usleep((useconds_t)rand_r(&seed) % longest_pause);
}

/* Is this the call? Then it is to fail, or this never returns. */
static int
is_hit(void)
{
	pause_a_while();
	if (atomic_fetch_add(&calls, 1) + 1 != at)
		return 0;
	if (failure) {
		errno = failure;
		return 1;
	}
	kill(getpid(), end_by);
	/* The signal may take a moment to arrive. */
	for (int i = 0; end_by == SIGKILL && i < 1000; i++)
		usleep(1000);
	return 0;
}

static void
path_of_fd(int fd, char out[PATH_MAX])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, out, PATH_MAX - 1);
	out[n < 0 ? 0 : n] = '\0';
}

static void
path_of(int dir, const char *name, char out[PATH_MAX])
{
	char folder[PATH_MAX];

	if (*name == '/') {
		snprintf(out, PATH_MAX, "%s", name);
		return;
	}
	if (dir == AT_FDCWD) {
		if (!getcwd(folder, sizeof(folder)))
			*folder = '\0';
	} else {
		path_of_fd(dir, folder);
	}
	if ((size_t)snprintf(out, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX)
		*out = '\0';
}

static void
record(const char *what, const char *path, const char *second, unsigned number, const void *bytes,
       size_t n)
{
	size_t room = strlen(path) + strlen(second) + 2 * n + 64;
	int kept = errno;
	char *line = malloc(room), *to = line;

	if (log_name && line) {
		/* Opened each time: a daemon closes what it has not opened itself. */
		long fd = syscall(SYS_openat, AT_FDCWD, log_name,
				  O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

		to += snprintf(line, room, "%s\t%s\t%s\t%u\t", what, path, second, number);
		for (size_t i = 0; i < n; i++)
			to += sprintf(to, "%02x", ((const unsigned char *)bytes)[i]);
		*to++ = '\n';
		if (fd >= 0) {
			syscall(SYS_write, fd, line, (size_t)(to - line));
			syscall(SYS_close, fd);
		}
	}
	free(line);
	errno = kept;
}

static int
open_any(int dir, const char *name, int flags, mode_t mode)
{
	char path[PATH_MAX];
	struct stat st;
	int fd, creates = (flags & O_CREAT) != 0, there;

	if (creates && is_hit())
		return -1;
	there = creates && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	fd = (int)syscall(SYS_openat, dir, name, flags, mode);
	if (fd >= 0 && creates) {
		path_of(dir, name, path);
		record(there ? "open" : "create", path, "", mode, NULL, 0);
	}
	return fd;
}

#define MODE_OF(flags, mode)                                                                       \
	do {                                                                                       \
		if ((flags) & (O_CREAT | __O_TMPFILE)) {                                           \
			va_list args;                                                              \
			va_start(args, flags);                                                     \
			mode = va_arg(args, mode_t);                                               \
			va_end(args);                                                              \
		}                                                                                  \
	} while (0)

int
openat(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_any(dir, name, flags, mode);
}

int
openat64(int dir, const char *name, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_any(dir, name, flags, mode);
}

int
open(const char *name, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_any(AT_FDCWD, name, flags, mode);
}

int
open64(const char *name, int flags, ...)
{
	mode_t mode = 0;

	MODE_OF(flags, mode);
	return open_any(AT_FDCWD, name, flags, mode);
}

ssize_t
write(int fd, const void *bytes, size_t n)
{
	char path[PATH_MAX];
	struct stat st;
	ssize_t written;
	int counts = fd > 2 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);

	if (counts && is_hit())
		return -1;
	written = syscall(SYS_write, fd, bytes, n);
	if (counts && written > 0) {
		path_of_fd(fd, path);
		record("write", path, "", 0, bytes, (size_t)written);
	}
	return written;
}

/* What is done by one call with up to two names. */
static int
names(const char *what, int from, const char *name, int to, const char *new_name, long result)
{
	char path[PATH_MAX], second[PATH_MAX] = "";

	if (result == 0) {
		path_of(from, name, path);
		if (new_name)
			path_of(to, new_name, second);
		record(what, path, second, 0, NULL, 0);
	}
	return (int)result;
}

int
renameat2(int from, const char *name, int to, const char *new_name, unsigned flags)
{
	if (is_hit())
		return -1;
	return names("rename", from, name, to, new_name,
		     syscall(SYS_renameat2, from, name, to, new_name, flags));
}

int
renameat(int from, const char *name, int to, const char *new_name)
{
	return renameat2(from, name, to, new_name, 0);
}

int
rename(const char *name, const char *new_name)
{
	return renameat2(AT_FDCWD, name, AT_FDCWD, new_name, 0);
}

int
linkat(int from, const char *name, int to, const char *new_name, int flags)
{
	if (is_hit())
		return -1;
	return names("link", from, name, to, new_name,
		     syscall(SYS_linkat, from, name, to, new_name, flags));
}

int
symlinkat(const char *target, int dir, const char *name)
{
	if (is_hit())
		return -1;
	return names("symlink", dir, name, dir, NULL, syscall(SYS_symlinkat, target, dir, name));
}

int
unlinkat(int dir, const char *name, int flags)
{
	if (is_hit())
		return -1;
	return names(flags & AT_REMOVEDIR ? "rmdir" : "unlink", dir, name, dir, NULL,
		     syscall(SYS_unlinkat, dir, name, flags));
}

int
unlink(const char *name)
{
	return unlinkat(AT_FDCWD, name, 0);
}

int
rmdir(const char *name)
{
	return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int
mkdirat(int dir, const char *name, mode_t mode)
{
	char path[PATH_MAX];
	int result;

	if (is_hit())
		return -1;
	result = (int)syscall(SYS_mkdirat, dir, name, mode);
	if (result == 0) {
		path_of(dir, name, path);
		record("mkdir", path, "", mode, NULL, 0);
	}
	return result;
}

int
mkdir(const char *name, mode_t mode)
{
	return mkdirat(AT_FDCWD, name, mode);
}

/* What is done to an open file. */
static int
file(const char *what, int fd, unsigned number, long result)
{
	char path[PATH_MAX];

	if (result == 0) {
		path_of_fd(fd, path);
		record(what, path, "", number, NULL, 0);
	}
	return (int)result;
}

int
fchmod(int fd, mode_t mode)
{
	return is_hit() ? -1 : file("chmod", fd, mode, syscall(SYS_fchmod, fd, mode));
}

int
fchown(int fd, uid_t uid, gid_t gid)
{
	return is_hit() ? -1 : file("chown", fd, uid, syscall(SYS_fchown, fd, uid, gid));
}

int
ftruncate(int fd, off_t size)
{
	return is_hit() ? -1 : file("truncate", fd, (unsigned)size,
				    syscall(SYS_ftruncate, fd, size));
}

int
fsync(int fd)
{
	return is_hit() ? -1 : file("fsync", fd, 0, syscall(SYS_fsync, fd));
}

int
fdatasync(int fd)
{
	return is_hit() ? -1 : file("fsync", fd, 0, syscall(SYS_fdatasync, fd));
}

/* Locks change no file and are not counted. */
int
flock(int fd, int how)
{
	pause_a_while();
	return (int)syscall(SYS_flock, fd, how);
}

static int
fcntl_any(int fd, int what, void *arg)
{
	if (what == F_OFD_SETLK || what == F_SETLK)
		pause_a_while();
	return (int)syscall(SYS_fcntl, fd, what, arg);
}

#define ARG(what, arg)                                                                             \
	do {                                                                                       \
		va_list args;                                                                      \
		va_start(args, what);                                                              \
		arg = va_arg(args, void *);                                                        \
		va_end(args);                                                                      \
	} while (0)

int
fcntl(int fd, int what, ...)
{
	void *arg;

	ARG(what, arg);
	return fcntl_any(fd, what, arg);
}

int
fcntl64(int fd, int what, ...)
{
	void *arg;

	ARG(what, arg);
	return fcntl_any(fd, what, arg);
}

/* Into the log as a write of what was copied. */
ssize_t
copy_file_range(int from, off_t *from_at, int to, off_t *to_at, size_t n, unsigned flags)
{
	char path[PATH_MAX], *bytes;
	off_t at = lseek(to, 0, SEEK_CUR);
	ssize_t copied;

	if (is_hit())
		return -1;
	copied = syscall(SYS_copy_file_range, from, from_at, to, to_at, n, flags);
	if (copied <= 0 || !log_name)
		return copied;
	bytes = malloc((size_t)copied);
	if (bytes && pread(to, bytes, (size_t)copied, at) == copied) {
		path_of_fd(to, path);
		record("write", path, "", 0, bytes, (size_t)copied);
	}
	free(bytes);
	return copied;
}

int
futimens(int fd, const struct timespec times[2])
{
	return is_hit() ? -1 : (int)syscall(SYS_utimensat, fd, NULL, times, 0);
}

/* ------------------------------------------------------------------ FAULTS_HASTE: pauses take no time */

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, now);

	if (result == 0 && hasty && clock == CLOCK_MONOTONIC) {
		int64_t ns = now->tv_nsec + atomic_load(&slept);

		now->tv_sec += ns / 1000000000;
		now->tv_nsec = ns % 1000000000;
	}
	return result;
}

int
nanosleep(const struct timespec *length, struct timespec *rest)
{
	if (!hasty)
		return (int)syscall(SYS_nanosleep, length, rest);
	atomic_fetch_add(&slept, length->tv_sec * 1000000000 + length->tv_nsec);
	return 0;
}
