/*
 * body - the bytes of a message's data file, for filters.
 */
#include <errno.h>
#include <stdio.h>

#include "body.h"
#include "buf.h"
#include "layout.h"
#include "sys.h"

/* Read at once; most bodies are smaller. */
#define CHUNK ((size_t)65536)

static int
open_data(struct qf_io *io, int dir, const char *name)
{
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	/* Looking leaves no trace, where the system lets us. */
	int fd = qf_io_open(io, dir, name, flags | O_NOATIME);

	return fd < 0 && errno == EPERM ? qf_io_open(io, dir, name, flags) : fd;
}

bool
qf_body_read(struct qf_queue *queue, const struct qf_msg *msg, struct qf_buf *out)
{
	const struct qf_files *files = qf_msg_files(msg);
	struct qf_slice elsewhere = qf_msg_envelope(msg)->data_dir;
	char name[3 + QF_NAME_MAX];
	size_t dir = files->dir;
	struct qf_io *io;
	struct stat st;
	ssize_t n = 0;
	int fd;

	qf_buf_clear(out);
	if (!queue || !files->id.n || files->id.n > QF_NAME_MAX)
		return false;
	if (elsewhere.p)
		dir = qf_queue_data_dir(queue, dir, elsewhere);
	if (dir >= qf_queue_ndirs(queue))
		return false;
	io = qf_queue_io(queue);
	snprintf(name, sizeof(name), "df%.*s", (int)files->id.n, files->id.p);
	fd = open_data(io, qf_queue_dir(queue, dir)->data_fd, name);
	if (fd < 0)
		return false;
	if (qf_io_fstat(io, fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		qf_io_close(io, fd);
		return false;
	}
	while (out->n < QF_BODY_MAX) {
		size_t want = QF_BODY_MAX - out->n < CHUNK ? QF_BODY_MAX - out->n : CHUNK;
		char *room = qf_buf_room(out, want);

		n = room ? qf_io_read(io, fd, room, want) : 0;
		if (n <= 0)
			break;
		out->n += (size_t)n;
		/* A short read of a file is its end: no second one to see that. */
		if ((size_t)n < want && (off_t)out->n >= st.st_size)
			break;
	}
	qf_io_close(io, fd);
	return n >= 0 && !out->failed;
}
