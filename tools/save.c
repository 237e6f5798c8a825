/*
 * save - a file written whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "save.h"

static enum qf_code
failed(struct qf_err *err, const char *path, const char *doing)
{
	int failure = errno;

	*err = (struct qf_err){.sys = failure};
	err->code = failure == EACCES || failure == EPERM || failure == EROFS ? QF_E_DENIED
		    : failure == ENOENT                                       ? QF_E_NOT_FOUND
									      : QF_E_SYS;
	snprintf(err->what, sizeof(err->what), "%s", path);
	snprintf(err->why, sizeof(err->why), "%s: %s", doing, strerror(failure));
	return err->code;
}

static bool
write_all(int fd, const char *bytes, size_t n)
{
	while (n) {
		ssize_t written = write(fd, bytes, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
			return false;
		bytes += written;
		n -= (size_t)written;
	}
	return true;
}

struct pieces {
	bool (*next)(void *ctx, struct qf_buf *out);
	void *ctx;
};

static bool
write_pieces(int fd, const struct pieces *pieces)
{
	struct qf_buf piece = {0};
	bool ok = true;

	while (ok && pieces->next(pieces->ctx, &piece)) {
		errno = ENOMEM;
		ok = !piece.failed && write_all(fd, piece.p, piece.n);
		qf_buf_clear(&piece);
	}
	qf_buf_release(&piece);
	return ok;
}

/* To what is there and no regular file. */
static enum qf_code
write_through(const char *path, const struct pieces *pieces, struct qf_err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	bool ok = fd >= 0 && write_pieces(fd, pieces);

	if (!ok)
		failed(err, path, "cannot write");
	if (fd >= 0)
		close(fd);
	return ok ? QF_OK : err->code;
}

enum qf_code
save_pieces(const char *path, bool (*next)(void *ctx, struct qf_buf *out), void *ctx,
	    struct qf_err *err)
{
	const struct pieces pieces = {next, ctx};
	const char *slash = strrchr(path, '/');
	size_t top = slash ? (size_t)(slash - path) + 1 : 0;
	char *name;
	struct stat st;
	int fd, folder;
	bool ok;

	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return write_through(path, &pieces, err);
	/* A collector that looks into the directory meanwhile takes no such name for its own. */
	if (asprintf(&name, "%.*s.qf-%ld.tmp", (int)top, path, (long)getpid()) < 0)
		return failed(err, path, "cannot write");
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	ok = fd >= 0 && write_pieces(fd, &pieces) && fsync(fd) == 0 && rename(name, path) == 0;
	if (!ok)
		failed(err, path, "cannot write");
	if (fd >= 0)
		close(fd);
	if (fd >= 0 && !ok)
		unlink(name);
	if (ok) {
		name[top] = '\0';
		folder = open(top ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (folder >= 0) {
			fsync(folder);
			close(folder);
		}
	}
	free(name);
	return ok ? QF_OK : err->code;
}

static bool
next_of_bytes(void *ctx, struct qf_buf *out)
{
	struct qf_slice *bytes = ctx;
	bool some = bytes->n > 0;

	qf_buf_add(out, bytes->p, bytes->n);
	bytes->n = 0;
	return some;
}

enum qf_code
save_file(const char *path, const void *bytes, size_t n, struct qf_err *err)
{
	struct qf_slice slice = {bytes, n};

	return save_pieces(path, next_of_bytes, &slice, err);
}
