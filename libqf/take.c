/*
 * take - sendmail's own lock on a control file, taken.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "err.h"
#include "take.h"

#define OPEN_FLAGS (O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)

/* Lock an open file. 0, or errno: EAGAIN for "someone has it". */
static int
lock_file(struct qf_io *io, int fd, unsigned kinds)
{
	bool shared = kinds & QF_TAKE_SHARED;
	struct flock whole = {.l_type = shared ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

	/* flock first: the one that Debian's and Red Hat's sendmail use. */
	if ((kinds & QF_TAKE_FLOCK) && qf_io_flock(io, fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? EAGAIN : errno;
	if ((kinds & QF_TAKE_FCNTL) && qf_io_setlk(io, fd, &whole) != 0)
		return errno == EACCES ? EAGAIN : errno;
	return 0;
}

/* Two descriptions of one file: does a lock of one kind keep the other kind out? */
static enum qf_code
try_kinds(struct qf_io *io, int first, int second, const char *name, unsigned *kinds,
	  struct qf_err *err)
{
	int failure = lock_file(io, first, QF_TAKE_FLOCK);

	if (failure)
		return qf_err_sys(err, failure, name, "cannot lock (flock)");
	failure = lock_file(io, second, QF_TAKE_FCNTL);
	if (failure && failure != EAGAIN)
		return qf_err_sys(err, failure, name, "cannot lock (fcntl)");
	*kinds = failure ? QF_TAKE_FCNTL : QF_TAKE_FLOCK | QF_TAKE_FCNTL;
	return QF_OK;
}

enum qf_code
qf_take_kinds(struct qf_io *io, int dir, unsigned *kinds, struct qf_err *err)
{
	enum qf_code code;
	char name[32];
	int first, second;

	snprintf(name, sizeof(name), "locktrial.%ld", (long)getpid());
	first = qf_io_create(io, dir, name, OPEN_FLAGS | O_EXCL, 0600);
	if (first < 0 && errno == EEXIST) {
		/* Left by a process of the same number that was killed here, or on another host. */
		qf_io_unlink(io, dir, name, 0);
		first = qf_io_create(io, dir, name, OPEN_FLAGS | O_EXCL, 0600);
	}
	if (first < 0)
		return qf_err_sys(err, errno, name, "cannot create the file that locks are tried on");
	second = qf_io_open(io, dir, name, OPEN_FLAGS);
	code = second < 0 ? qf_err_sys(err, errno, name, "cannot open")
			  : try_kinds(io, first, second, name, kinds, err);
	qf_io_unlink(io, dir, name, 0);
	qf_io_close(io, first);
	if (second >= 0)
		qf_io_close(io, second);
	return code;
}

enum qf_code
qf_take_new(struct qf_io *io, int fd, unsigned kinds, const char *name, struct qf_err *err)
{
	int failure = lock_file(io, fd, kinds);

	if (failure == EAGAIN)
		return qf_err_set(err, QF_E_BUSY, name, "locked by another process");
	return failure ? qf_err_sys(err, failure, name, "cannot lock") : QF_OK;
}

enum qf_code
qf_take_check(struct qf_io *io, int dir, const char *name, struct qf_taken *taken,
	      struct qf_err *err)
{
	struct stat named;

	if (qf_io_fstat(io, taken->fd, &taken->st) != 0)
		return qf_err_sys(err, errno, name, "cannot stat");
	if (qf_io_stat(io, dir, name, &named, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno == ENOENT || errno == ESTALE)
			return qf_err_set(err, QF_E_GONE, name, "is gone");
		return qf_err_sys(err, errno, name, "cannot stat");
	}
	if (named.st_dev != taken->st.st_dev || named.st_ino != taken->st.st_ino ||
	    named.st_nlink != taken->st.st_nlink || named.st_uid != taken->st.st_uid ||
	    named.st_gid != taken->st.st_gid || named.st_size != taken->st.st_size)
		return qf_err_set(err, QF_E_CHANGED, name, "changed while it was being locked");
	return QF_OK;
}

/* What we are willing to work on. */
static enum qf_code
check_file(const char *name, const struct stat *st, struct qf_err *err)
{
	if (!S_ISREG(st->st_mode))
		return qf_err_set(err, QF_E_DATA, name, "not a regular file");
	if (st->st_nlink == 0)
		return qf_err_set(err, QF_E_GONE, name, "is gone");
	if (st->st_nlink > 1) {
		qf_err_set(err, QF_E_DATA, name, "has a second name");
		qf_err_hint(err, "find it with: find QUEUE -inum %llu",
			    (unsigned long long)st->st_ino);
		return QF_E_DATA;
	}
	return QF_OK;
}

enum qf_code
qf_take(struct qf_io *io, int dir, const char *name, unsigned kinds, struct qf_taken *taken,
	struct qf_err *err)
{
	struct stat before;
	enum qf_code code;

	taken->kinds = kinds;
	taken->fd = qf_io_open(io, dir, name, OPEN_FLAGS);
	if (taken->fd < 0) {
		if (errno == ENOENT || errno == ESTALE)
			return qf_err_set(err, QF_E_GONE, name, "is gone");
		if (errno == ELOOP)
			return qf_err_set(err, QF_E_DATA, name, "a symbolic link");
		if (errno == EISDIR || errno == ENXIO)
			return qf_err_set(err, QF_E_DATA, name, "not a regular file");
		return qf_err_sys(err, errno, name, "cannot open");
	}
	/* What is no file of ours is not locked either: a lock on a device may mean something. */
	if (qf_io_fstat(io, taken->fd, &before) != 0)
		code = qf_err_sys(err, errno, name, "cannot stat");
	else
		code = check_file(name, &before, err);
	if (!code)
		code = qf_take_new(io, taken->fd, kinds, name, err);
	if (!code)
		code = qf_take_check(io, dir, name, taken, err);
	if (!code)
		code = check_file(name, &taken->st, err);
	if (code)
		qf_take_release(io, taken);
	return code;
}

void
qf_take_release(struct qf_io *io, struct qf_taken *taken)
{
	struct flock whole = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	/* Said, not left to closing: the threads of a scan may have a copy of the descriptor, with
	   which the locks would live on. */
	if (taken->fd >= 0) {
		if (taken->kinds & QF_TAKE_FLOCK)
			qf_io_flock(io, taken->fd, LOCK_UN);
		if (taken->kinds & QF_TAKE_FCNTL)
			qf_io_setlk(io, taken->fd, &whole);
		qf_io_close(io, taken->fd);
	}
	taken->fd = -1;
}
