/*
 * layout_open - one directory, opened with its qf, df and xf.
 */
#include <errno.h>
#include <string.h>

#include "err.h"
#include "layout_parts.h"

int
qf_layout_open(struct qf_queue *queue, int at, const char *name)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC, fd;

	if (!queue->noatime)
		return qf_io_open(&queue->io, at, name, flags);
	fd = qf_io_open(&queue->io, at, name, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM) {
		queue->noatime = false;
		fd = qf_io_open(&queue->io, at, name, flags);
	}
	return fd;
}

/* The same, but what may be entered and not listed is opened as a mere handle (*blind): files in
   it can be reached by name. */
static int
open_place(struct qf_queue *queue, int at, const char *name, bool *blind)
{
	int fd = qf_layout_open(queue, at, name);

	*blind = false;
	if (fd >= 0 || errno != EACCES)
		return fd;
	fd = qf_io_open(&queue->io, at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		errno = EACCES;
	*blind = true;
	return fd;
}

void
qf_layout_close(struct qf_queue *queue, struct qf_dir *dir)
{
	if (dir->control_fd >= 0)
		qf_io_close(&queue->io, dir->control_fd);
	if (dir->data_fd >= 0 && dir->data_fd != dir->control_fd)
		qf_io_close(&queue->io, dir->data_fd);
	if (dir->transcript_fd >= 0 && dir->transcript_fd != dir->control_fd &&
	    dir->transcript_fd != dir->data_fd)
		qf_io_close(&queue->io, dir->transcript_fd);
	dir->control_fd = dir->data_fd = dir->transcript_fd = -1;
}

/* Open sub-directory name of top into *fd, or let *fd be top where there is none. */
static int
open_part(struct qf_queue *queue, int top, bool top_blind, const char *name, int *fd, bool *found,
	  bool *blind)
{
	*fd = open_place(queue, top, name, blind);
	*found = *fd >= 0;
	if (*found)
		return 0;
	if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
		return errno;
	*fd = top;
	*blind = top_blind;
	return 0;
}

/*
 * Origin: sendmail/queue.c multiqueue_cache(), chkqdir(): a sub-directory counts when it is a
 * directory or a link to one.
 */
int
qf_layout_open_parts(struct qf_queue *queue, int at, const char *name, struct qf_dir *dir,
		     struct qf_layout_id *id)
{
	bool blind, part_blind, ignored;
	struct stat st;
	int top = open_place(queue, at, name, &blind), failure;

	dir->control_fd = dir->data_fd = dir->transcript_fd = -1;
	if (top < 0)
		return errno;
	if (qf_io_fstat(&queue->io, top, &st) < 0) {
		failure = errno;
		qf_io_close(&queue->io, top);
		return failure;
	}
	*id = (struct qf_layout_id){st.st_dev, st.st_ino};
	failure = open_part(queue, top, blind, "qf", &dir->control_fd, &dir->split_qf, &part_blind);
	if (!failure && part_blind)
		failure = EACCES;
	if (!failure)
		failure =
			open_part(queue, top, blind, "df", &dir->data_fd, &dir->split_df, &ignored);
	if (!failure)
		failure = open_part(queue, top, blind, "xf", &dir->transcript_fd, &dir->split_xf,
				    &ignored);
	if (!failure && dir->split_qf && qf_io_fstat(&queue->io, dir->control_fd, &st) < 0)
		failure = errno;
	dir->device = st.st_dev;
	if (failure || (dir->split_qf && dir->split_df && dir->split_xf)) {
		/* Closed here, so that nobody closes it again. */
		if (dir->control_fd == top)
			dir->control_fd = -1;
		if (dir->data_fd == top)
			dir->data_fd = -1;
		if (dir->transcript_fd == top)
			dir->transcript_fd = -1;
		qf_io_close(&queue->io, top);
	}
	if (failure)
		qf_layout_close(queue, dir);
	return failure;
}

enum qf_code
qf_queue_in_place(struct qf_queue *queue, size_t i, struct qf_err *err)
{
	const struct qf_dir *dir = qf_queue_dir(queue, i);
	struct qf_buf path = {0};
	struct stat open, named;
	enum qf_code code = QF_OK;

	if (dir->trouble)
		return QF_OK;
	qf_buf_addf(&path, "%s%s", dir->path, dir->split_qf ? "/qf" : "");
	qf_buf_addc(&path, '\0');
	if (path.failed)
		code = qf_err_nomem(err);
	else if (qf_io_fstat(&queue->io, dir->control_fd, &open) != 0)
		code = qf_err_sys(err, errno, dir->path, "cannot stat");
	else if (qf_io_stat(&queue->io, AT_FDCWD, path.p, &named, 0) != 0)
		code = qf_err_sys(err, errno, dir->path, errno == ENOENT ? "is not there any more" : "cannot stat");
	else if (open.st_dev != named.st_dev || open.st_ino != named.st_ino)
		code = qf_err_set(err, QF_E_DATA, dir->path, "another directory is there now than was opened");
	qf_buf_release(&path);
	return code;
}
