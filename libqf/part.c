/*
 * part - the files of a message, opened for reading.
 *
 * Always below the queue's open directories, never through a path; nothing but regular files: a
 * device is not even opened.
 * BUGS: between the look at a name and its opening it can come to mean something else; O_NONBLOCK
 * keeps that from hanging.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "sys.h"

#define CHUNK ((size_t)65536)

/* Directory and name of a part; false where it has no place (a d line that names no directory). */
static bool
place(struct qf_queue *queue, const struct qf_msg *msg, enum qf_part part, int *dir_fd,
      char name[3 + QF_NAME_MAX])
{
	const struct qf_files *files = qf_msg_files(msg);
	struct qf_slice elsewhere = qf_msg_envelope(msg)->data_dir;
	size_t dir = files->dir;

	if (files->id.n > QF_NAME_MAX || files->name.n > QF_NAME_MAX)
		return false;
	if (part == QF_PART_DATA && elsewhere.p)
		dir = qf_queue_data_dir(queue, dir, elsewhere);
	if (dir >= qf_queue_ndirs(queue) || qf_queue_dir(queue, dir)->trouble)
		return false;
	switch (part) {
	case QF_PART_CONTROL:
		snprintf(name, 3 + QF_NAME_MAX, "%.*s", (int)files->name.n, files->name.p);
		*dir_fd = qf_queue_dir(queue, dir)->control_fd;
		break;
	case QF_PART_DATA:
		snprintf(name, 3 + QF_NAME_MAX, "df%.*s", (int)files->id.n, files->id.p);
		*dir_fd = qf_queue_dir(queue, dir)->data_fd;
		break;
	case QF_PART_TRANSCRIPT:
		snprintf(name, 3 + QF_NAME_MAX, "xf%.*s", (int)files->id.n, files->id.p);
		*dir_fd = qf_queue_dir(queue, dir)->transcript_fd;
		break;
	}
	return true;
}

enum qf_code
qf_part_open(struct qf_queue *queue, const struct qf_msg *msg, enum qf_part part, int *fd,
	     struct qf_err *err)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	struct qf_io *io = qf_queue_io(queue);
	char name[3 + QF_NAME_MAX];
	struct stat st;
	int dir = -1;

	if (!place(queue, msg, part, &dir, name))
		return qf_err_set(err, QF_E_NOT_FOUND, "data file",
				  "its directory is none of this queue's");
	if (qf_io_stat(io, dir, name, &st, 0) == 0 ? !S_ISREG(st.st_mode) : errno == ELOOP)
		return qf_err_set(err, QF_E_DATA, name, "not a regular file");
	*fd = qf_io_open(io, dir, name, flags | O_NOATIME);
	if (*fd < 0 && errno == EPERM)
		*fd = qf_io_open(io, dir, name, flags);
	if (*fd < 0)
		return qf_err_sys(err, errno, name, "cannot open");
	return QF_OK;
}

enum qf_code
qf_part_read(struct qf_queue *queue, const struct qf_msg *msg, enum qf_part part, size_t most,
	     struct qf_buf *out, bool *whole, struct qf_err *err)
{
	struct qf_io *io = qf_queue_io(queue);
	enum qf_code code;
	size_t left = most;
	ssize_t n = 0;
	int fd, failure = 0;
	char beyond;

	code = qf_part_open(queue, msg, part, &fd, err);
	if (code)
		return code;
	while (left > 0) {
		size_t want = left < CHUNK ? left : CHUNK;
		char *room = qf_buf_room(out, want);

		n = room ? qf_io_read(io, fd, room, want) : 0;
		if (n <= 0)
			break;
		out->n += (size_t)n;
		left -= (size_t)n;
	}
	if (n < 0)
		failure = errno;
	if (whole)
		*whole = left > 0 || qf_io_read(io, fd, &beyond, 1) <= 0;
	qf_io_close(io, fd);
	if (failure)
		return qf_err_sys(err, failure, "data file", "cannot read");
	return out->failed ? qf_err_nomem(err) : QF_OK;
}
