/*
 * home - the folder .qf/ at a queue directory.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "home.h"
#include "layout.h"

#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* Give a new folder to the owner of the one above: a root command in a queue of another user. */
static enum qf_code
adopt(struct qf_io *io, int parent, int fd, const char *name, struct qf_err *err)
{
	struct stat above, st;

	if (qf_io_fstat(io, parent, &above) != 0 || qf_io_fstat(io, fd, &st) != 0)
		return qf_err_sys(err, errno, name, "cannot stat");
	if ((st.st_uid != above.st_uid || st.st_gid != above.st_gid) &&
	    qf_io_fchown(io, fd, above.st_uid, above.st_gid) != 0) {
		enum qf_code code = qf_err_sys(err, errno, name,
					       "cannot give it to the owner of the queue");

		qf_err_hint(err, "uid %u, gid %u: that needs CAP_CHOWN, or to be that user",
			    (unsigned)above.st_uid, (unsigned)above.st_gid);
		return code;
	}
	return QF_OK;
}

enum qf_code
qf_home_new_folder(struct qf_io *io, int parent, const char *name, int *fd, struct qf_err *err)
{
	enum qf_code code;

	if (qf_io_mkdir(io, parent, name, 0700) != 0)
		return qf_err_sys(err, errno, name, "cannot create the folder");
	*fd = qf_io_open(io, parent, name, OPEN_FLAGS);
	if (*fd < 0)
		return qf_err_sys(err, errno, name, "cannot open");
	code = adopt(io, parent, *fd, name, err);
	if (!code && qf_io_fsync(io, parent) != 0)
		code = qf_err_sys(err, errno, name, "cannot sync the folder above");
	if (code) {
		qf_io_close(io, *fd);
		*fd = -1;
	}
	return code;
}

enum qf_code
qf_home_folder(struct qf_io *io, int parent, const char *name, bool create, int *fd,
	       struct qf_err *err)
{
	enum qf_code code = QF_OK;
	bool made = false;
	struct stat st, above;

	*fd = qf_io_open(io, parent, name, OPEN_FLAGS);
	if (*fd < 0 && errno == ENOENT && create) {
		if (qf_io_mkdir(io, parent, name, 0700) != 0 && errno != EEXIST)
			return qf_err_sys(err, errno, name, "cannot create the folder");
		made = true;
		*fd = qf_io_open(io, parent, name, OPEN_FLAGS);
	}
	if (*fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return qf_err_set(err, QF_E_DATA, name, "not a folder");
	if (*fd < 0)
		return qf_err_sys(err, errno, name, "cannot open");
	if (made) {
		code = adopt(io, parent, *fd, name, err);
		if (!code && qf_io_fsync(io, parent) != 0)
			code = qf_err_sys(err, errno, name, "cannot sync the folder above");
		if (code == QF_E_DENIED)
			qf_io_unlink(io, parent, name, AT_REMOVEDIR);
	}
	if (!code && qf_io_fstat(io, *fd, &st) != 0)
		code = qf_err_sys(err, errno, name, "cannot stat");
	if (!code && qf_io_fstat(io, parent, &above) != 0)
		code = qf_err_sys(err, errno, name, "cannot stat the folder above");
	/* Whoever may write here decides what comes back into the queue. */
	if (!code && st.st_uid != above.st_uid && st.st_uid != geteuid() && st.st_uid != 0)
		code = qf_err_set(err, QF_E_DATA, name, "belongs to another user");
	if (!code && (st.st_mode & (S_IWGRP | S_IWOTH))) {
		code = qf_err_set(err, QF_E_DATA, name, "writable by group or others");
		qf_err_hint(err, "chmod go-w it once you know who did that");
	}
	if (code) {
		qf_io_close(io, *fd);
		*fd = -1;
	}
	return code;
}

enum qf_code
qf_home_open(struct qf_queue *queue, size_t dir, bool create, int *fd, struct qf_err *err)
{
	const struct qf_dir *d = qf_queue_dir(queue, dir);
	struct qf_io *io = qf_queue_io(queue);
	enum qf_code code;
	int parent = d->control_fd;

	if (d->trouble) {
		if (err)
			*err = d->err;
		return d->trouble;
	}
	if (d->split_qf) {
		parent = qf_io_open(io, d->control_fd, "..", OPEN_FLAGS);
		if (parent < 0)
			return qf_err_sys(err, errno, d->path, "cannot open");
	}
	code = qf_home_folder(io, parent, ".qf", create, fd, err);
	if (parent != d->control_fd)
		qf_io_close(io, parent);
	if (code && err) {
		char what[sizeof(err->what)];

		snprintf(what, sizeof(what), "%s/.qf", d->path);
		memcpy(err->what, what, sizeof(what));
	}
	return code;
}

enum qf_code
qf_home_open_folder(struct qf_queue *queue, size_t dir, const char *name, bool create, int *fd,
		    struct qf_err *err)
{
	struct qf_io *io = qf_queue_io(queue);
	int home;
	enum qf_code code = qf_home_open(queue, dir, create, &home, err);

	*fd = -1;
	if (code)
		return code;
	code = qf_home_folder(io, home, name, create, fd, err);
	qf_io_close(io, home);
	return code;
}
