/*
 * manifest - what a run brought to a target: written, and read back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "manifest.h"
#include "names.h"

/* Bytes of lines that are kept before they are written. */
#define LINES_MAX 262144

struct qf_manifest {
	struct qf_io *io;
	int fd;
	struct qf_buf lines;
	bool unsynced;
	int failure; /* errno */
};

enum qf_code
qf_manifest_create(struct qf_io *io, int folder, const char *run, const char *suffix,
		   struct qf_manifest **out, struct qf_err *err)
{
	struct qf_manifest *manifest = calloc(1, sizeof(*manifest));
	char name[QF_RUN_MAX + 16];

	if (!manifest)
		return qf_err_nomem(err);
	snprintf(name, sizeof(name), "%s%s", run, suffix);
	manifest->io = io;
	manifest->fd = qf_io_create(io, folder, name,
				    O_WRONLY | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (manifest->fd < 0 || qf_io_fsync(io, folder) != 0) {
		int failure = errno;

		qf_manifest_close(manifest);
		return qf_err_sys(err, failure, name, "cannot create the manifest");
	}
	*out = manifest;
	return QF_OK;
}

void
qf_manifest_close(struct qf_manifest *manifest)
{
	if (!manifest)
		return;
	if (manifest->fd >= 0)
		qf_io_close(manifest->io, manifest->fd);
	qf_buf_release(&manifest->lines);
	free(manifest);
}

struct qf_buf *
qf_manifest_lines(struct qf_manifest *manifest)
{
	return &manifest->lines;
}

static void
write_lines(struct qf_manifest *manifest)
{
	if (!manifest->failure && manifest->lines.failed)
		manifest->failure = ENOMEM;
	if (!manifest->failure && manifest->lines.n &&
	    qf_io_write(manifest->io, manifest->fd, manifest->lines.p, manifest->lines.n) != 0)
		manifest->failure = errno;
	manifest->unsynced |= manifest->lines.n > 0;
	qf_buf_clear(&manifest->lines);
}

void
qf_manifest_relieve(struct qf_manifest *manifest)
{
	if (manifest->lines.n >= LINES_MAX)
		write_lines(manifest);
}

enum qf_code
qf_manifest_sync(struct qf_manifest *manifest, struct qf_err *err)
{
	write_lines(manifest);
	if (!manifest->failure && manifest->unsynced &&
	    qf_io_fsync(manifest->io, manifest->fd) != 0)
		manifest->failure = errno;
	manifest->unsynced = false;
	if (manifest->failure)
		return qf_err_sys(err, manifest->failure, "manifest", "cannot write");
	return QF_OK;
}

/* ------------------------------------------------------------------ reading */

bool
qf_manifest_each(struct qf_io *io, int folder, const char *name,
		 bool (*line)(void *ctx, char *text, size_t n), void *ctx)
{
	int fd = qf_io_open(io, folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;
	bool good;

	if (!file) {
		if (fd >= 0)
			qf_io_close(io, fd);
		return false;
	}
	errno = 0;
	while ((n = getline(&text, &size, file)) > 0)
		/* One without its end is torn. */
		if (text[n - 1] == '\n' && !line(ctx, text, (size_t)n))
			break;
	good = !ferror(file);
	free(text);
	fclose(file);
	return good;
}

enum qf_code
qf_manifest_names(struct qf_io *io, int folder, const char *suffix, struct qf_buf *names,
		  struct qf_err *err)
{
	size_t end = strlen(suffix);
	struct qf_buf all = {0};
	enum qf_code code = qf_names_in(io, folder, ".qf/manifests", &all, err);

	for (size_t at = 0, n; !code && at < all.n; at += n + 1) {
		n = strlen(all.p + at);
		if (n > end && all.p[at] != '.' && strcmp(all.p + at + n - end, suffix) == 0)
			qf_buf_add(names, all.p + at, n + 1);
	}
	qf_buf_release(&all);
	return !code && names->failed ? qf_err_nomem(err) : code;
}
