/*
 * bundle_write - a bundle written: as a tar, or as a folder.
 */
#include <errno.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef QF_WITH_ARCHIVE
#include <archive.h>
#include <archive_entry.h>
#endif

#include "buf.h"
#include "bundle.h"
#include "err.h"
#include "late.h"
#include "names.h"

#define PART ".part"
#define PIECE ((size_t)256 << 10)

#ifdef QF_WITH_ARCHIVE
#define FUNCTIONS(X)                                                                               \
	X(archive_error_string)                                                                    \
	X(archive_write_new)                                                                       \
	X(archive_write_set_format_pax)                                                            \
	X(archive_write_add_filter_none)                                                           \
	X(archive_write_add_filter_gzip)                                                           \
	X(archive_write_add_filter_zstd)                                                           \
	X(archive_write_add_filter_xz)                                                             \
	X(archive_write_set_bytes_in_last_block)                                                   \
	X(archive_write_open)                                                                      \
	X(archive_write_header)                                                                    \
	X(archive_write_data)                                                                      \
	X(archive_write_finish_entry)                                                              \
	X(archive_write_close)                                                                     \
	X(archive_write_free)                                                                      \
	X(archive_entry_new)                                                                       \
	X(archive_entry_free)                                                                      \
	X(archive_entry_set_pathname)                                                              \
	X(archive_entry_set_size)                                                                  \
	X(archive_entry_set_filetype)                                                              \
	X(archive_entry_set_perm)                                                                  \
	X(archive_entry_set_mtime)

static struct {
#define X(name) __typeof__(&name) name;
	FUNCTIONS(X)
#undef X
} lib;

static enum qf_code
load(struct qf_err *err)
{
	static const struct qf_late_function functions[] = {
#define X(name) {&lib.name, #name},
		FUNCTIONS(X)
#undef X
	};
	char why[128];

	if (lib.archive_write_new || qf_late_load("libarchive.so.13", functions,
						  sizeof(functions) / sizeof(*functions), why))
		return QF_OK;
	return qf_err_set(err, QF_E_UNAVAILABLE, "libarchive",
			  "%s; a folder (--to=DIR/) needs none", why);
}
#endif

struct qf_bundle_out {
	struct qf_io *io;
	const struct qf_patience *patience;
	char *name, *part; /* of the file or folder; NULL: standard output */
	int fd;		   /* of the file, standard output, or the folder */
	int queue;	   /* of a folder: queue/ */
	bool folder, ended;
#ifdef QF_WITH_ARCHIVE
	struct archive *archive;
	int failure; /* errno of the last write: nothing is written behind it */
#endif
	char piece[PIECE];
};

/* ------------------------------------------------------------------ a tar */

#ifdef QF_WITH_ARCHIVE
static la_ssize_t
put(struct archive *archive, void *ctx, const void *bytes, size_t n)
{
	struct qf_bundle_out *bundle = ctx;

	(void)archive;
	if (!bundle->failure &&
	    (bundle->name ? qf_io_write(bundle->io, bundle->fd, bytes, n)
			  : qf_io_write_stream(bundle->io, bundle->fd, bytes, n,
					       bundle->patience)) == 0)
		return (la_ssize_t)n;
	if (!bundle->failure)
		bundle->failure = errno;
	return -1;
}

static enum qf_code
fail_tar(struct qf_bundle_out *bundle, struct qf_err *err)
{
	const char *to = bundle->name ? bundle->name : "standard output";

	if (bundle->failure == EINTR)
		return qf_err_set(err, QF_E_INTERRUPTED, to, "interrupted");
	if (bundle->failure)
		return qf_err_sys(err, bundle->failure, to, "cannot write");
	return qf_err_set(err, QF_E_SYS, to, "%s", lib.archive_error_string(bundle->archive));
}

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);

	return n >= k && strcmp(name + n - k, end) == 0;
}

static enum qf_code
begin_tar(struct qf_bundle_out *bundle, const char *to, struct qf_err *err)
{
	bool ok;

	bundle->archive = lib.archive_write_new();
	if (!bundle->archive)
		return qf_err_nomem(err);
	lib.archive_write_set_format_pax(bundle->archive);
	if (ends_with(to, ".zst"))
		ok = lib.archive_write_add_filter_zstd(bundle->archive) == ARCHIVE_OK;
	else if (ends_with(to, ".gz") || ends_with(to, ".tgz"))
		ok = lib.archive_write_add_filter_gzip(bundle->archive) == ARCHIVE_OK;
	else if (ends_with(to, ".xz"))
		ok = lib.archive_write_add_filter_xz(bundle->archive) == ARCHIVE_OK;
	else
		ok = lib.archive_write_add_filter_none(bundle->archive) == ARCHIVE_OK;
	lib.archive_write_set_bytes_in_last_block(bundle->archive, 1);
	ok = ok && lib.archive_write_open(bundle->archive, bundle, NULL, put, NULL) == ARCHIVE_OK;
	return ok ? QF_OK : fail_tar(bundle, err);
}

static enum qf_code
begin_entry(struct qf_bundle_out *bundle, const char *name, int64_t size, int64_t mtime,
	    struct qf_err *err)
{
	struct archive_entry *entry = lib.archive_entry_new();
	int result;

	if (!entry)
		return qf_err_nomem(err);
	lib.archive_entry_set_pathname(entry, name);
	lib.archive_entry_set_size(entry, size);
	lib.archive_entry_set_filetype(entry, AE_IFREG);
	lib.archive_entry_set_perm(entry, 0600);
	lib.archive_entry_set_mtime(entry, (time_t)mtime, 0);
	result = lib.archive_write_header(bundle->archive, entry);
	lib.archive_entry_free(entry);
	return result == ARCHIVE_OK ? QF_OK : fail_tar(bundle, err);
}
#endif

/* ------------------------------------------------------------------ beginning */

static bool
is_a_tar(const char *to)
{
	static const char *const ends[] = {".tar", ".tar.zst", ".tar.gz", ".tar.xz", ".tgz"};
	size_t n = strlen(to);

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (n > strlen(ends[i]) && strcmp(to + n - strlen(ends[i]), ends[i]) == 0)
			return true;
	return strcmp(to, "-") == 0;
}

static enum qf_code
begin_folder(struct qf_bundle_out *bundle, struct qf_err *err)
{
	struct qf_io *io = bundle->io;

	if (qf_io_mkdir(io, AT_FDCWD, bundle->part, 0700) != 0)
		return qf_err_sys(err, errno, bundle->part, "cannot create");
	bundle->fd = qf_io_open(io, AT_FDCWD, bundle->part, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bundle->fd < 0 || qf_io_mkdir(io, bundle->fd, QF_BUNDLE_QUEUE, 0700) != 0)
		return qf_err_sys(err, errno, bundle->part, "cannot create");
	bundle->queue =
		qf_io_open(io, bundle->fd, QF_BUNDLE_QUEUE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return bundle->queue < 0 ? qf_err_sys(err, errno, bundle->part, "cannot open") : QF_OK;
}

/* Both names of what is written to, without the slash at its end. */
static enum qf_code
name_it(struct qf_bundle_out *bundle, const char *to, struct qf_err *err)
{
	size_t n = strlen(to);

	while (n > 1 && to[n - 1] == '/')
		n--;
	bundle->name = strndup(to, n);
	bundle->part = malloc(n + sizeof(PART));
	if (!bundle->name || !bundle->part)
		return qf_err_nomem(err);
	snprintf(bundle->part, n + sizeof(PART), "%s" PART, bundle->name);
	return QF_OK;
}

static enum qf_code
begin(struct qf_bundle_out *bundle, const char *to, struct qf_err *err)
{
	struct stat st;
	enum qf_code code;

	if (strcmp(to, "-") == 0) {
		bundle->fd = STDOUT_FILENO;
	} else {
		code = name_it(bundle, to, err);
		if (code)
			return code;
		if (bundle->folder)
			return begin_folder(bundle, err);
		if (qf_io_stat(bundle->io, AT_FDCWD, bundle->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return qf_err_set(err, QF_E_USAGE, bundle->name, "is there already");
		bundle->fd = qf_io_create(bundle->io, AT_FDCWD, bundle->part,
					  O_WRONLY | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (bundle->fd < 0)
			return qf_err_sys(err, errno, bundle->part, "cannot create");
	}
#ifdef QF_WITH_ARCHIVE
	return begin_tar(bundle, to, err);
#else
	return QF_OK;
#endif
}

enum qf_code
qf_bundle_create(struct qf_io *io, const char *to, const struct qf_patience *patience,
		 struct qf_bundle_out **out, struct qf_err *err)
{
	bool folder = *to && to[strlen(to) - 1] == '/';
	struct qf_bundle_out *bundle;
	enum qf_code code = QF_OK;

	if (!folder && !is_a_tar(to))
		return qf_err_set(err, QF_E_USAGE, to,
				  "none of FILE.tar, FILE.tar.zst (.gz, .xz), DIR/, -");
#ifdef QF_WITH_ARCHIVE
	if (!folder)
		code = load(err);
#else
	if (!folder)
		code = qf_err_set(err, QF_E_UNAVAILABLE, to,
				  "built without libarchive; a folder (--to=DIR/) needs none");
#endif
	if (code)
		return code;
	bundle = calloc(1, sizeof(*bundle));
	if (!bundle)
		return qf_err_nomem(err);
	bundle->io = io;
	bundle->patience = patience;
	bundle->folder = folder;
	bundle->fd = bundle->queue = -1;
	code = begin(bundle, to, err);
	if (code)
		qf_bundle_free(bundle);
	else
		*out = bundle;
	return code;
}

/* ------------------------------------------------------------------ files */

/* The bytes of an entry that has begun: of a descriptor, of memory, or made piece by piece. */
struct content {
	int fd;
	struct qf_slice bytes;
	const struct qf_bundle_text *text;
	struct qf_buf made;
};

static ssize_t
next_piece(struct qf_bundle_out *bundle, struct content *content, const char **piece)
{
	size_t n = content->bytes.n;

	if (content->fd >= 0) {
		*piece = bundle->piece;
		return qf_io_read(bundle->io, content->fd, bundle->piece, PIECE);
	}
	if (content->text) {
		qf_buf_clear(&content->made);
		if (!content->text->next(content->text->ctx, &content->made))
			return 0;
		errno = ENOMEM;
		*piece = content->made.p;
		return content->made.failed ? -1 : (ssize_t)content->made.n;
	}
	*piece = content->bytes.p;
	content->bytes.n = 0;
	return (ssize_t)n;
}

static enum qf_code
write_piece(struct qf_bundle_out *bundle, int to, const char *name, const char *piece, size_t n,
	    struct qf_err *err)
{
	if (bundle->folder)
		return qf_io_write(bundle->io, to, piece, n) == 0
			       ? QF_OK
			       : qf_err_sys(err, errno, name, "cannot write");
#ifdef QF_WITH_ARCHIVE
	if (lib.archive_write_data(bundle->archive, piece, n) != (la_ssize_t)n)
		return fail_tar(bundle, err);
#endif
	return QF_OK;
}

static enum qf_code
pour(struct qf_bundle_out *bundle, int to, const char *name, struct content *content, int64_t size,
     char sha[QF_SHA_TEXT], struct qf_err *err)
{
	uint8_t binary[SHA256_DIGEST_SIZE];
	struct sha256_ctx ctx;
	enum qf_code code = QF_OK;
	const char *piece;
	int64_t left = size;
	ssize_t n = 0;

	sha256_init(&ctx);
	while (!code && (n = next_piece(bundle, content, &piece)) > 0) {
		left -= n;
		if (left < 0)
			break;
		sha256_update(&ctx, (size_t)n, (const uint8_t *)piece);
		code = bundle->patience->go_on(bundle->patience->ctx)
			       ? write_piece(bundle, to, name, piece, (size_t)n, err)
			       : qf_err_set(err, QF_E_INTERRUPTED, name, "interrupted");
	}
	if (!code && n < 0)
		code = qf_err_sys(err, errno, name, "cannot read");
	if (!code && left != 0)
		code = qf_err_set(err, QF_E_CHANGED, name, "its size changes");
	sha256_digest(&ctx, sizeof(binary), binary);
	qf_sha_text(binary, sha);
	return code;
}

static enum qf_code
add(struct qf_bundle_out *bundle, const char *name, struct content *content, int64_t size,
    int64_t mtime, char sha[QF_SHA_TEXT], struct qf_err *err)
{
	const char *slash = strchr(name, '/');
	struct qf_io *io = bundle->io;
	enum qf_code code = QF_OK;
	int to = -1;

	if (bundle->folder) {
		to = qf_io_create(io, slash ? bundle->queue : bundle->fd, slash ? slash + 1 : name,
				  O_WRONLY | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (to < 0)
			code = qf_err_sys(err, errno, name, "cannot create");
	} else {
#ifdef QF_WITH_ARCHIVE
		code = begin_entry(bundle, name, size, mtime, err);
#endif
	}
	(void)mtime;
	if (!code)
		code = pour(bundle, to, name, content, size, sha, err);
	if (!code && to >= 0 && qf_io_fsync(io, to) != 0)
		code = qf_err_sys(err, errno, name, "cannot sync");
	if (to >= 0)
		qf_io_close(io, to);
#ifdef QF_WITH_ARCHIVE
	if (!code && !bundle->folder &&
	    lib.archive_write_finish_entry(bundle->archive) != ARCHIVE_OK)
		code = fail_tar(bundle, err);
#endif
	return code;
}

enum qf_code
qf_bundle_add(struct qf_bundle_out *bundle, const char *name, int fd, int64_t size, int64_t mtime,
	      char sha[QF_SHA_TEXT], struct qf_err *err)
{
	struct content content = {.fd = fd};

	return add(bundle, name, &content, size, mtime, sha, err);
}

enum qf_code
qf_bundle_add_bytes(struct qf_bundle_out *bundle, const char *name, struct qf_slice bytes,
		    int64_t mtime, struct qf_err *err)
{
	struct content content = {.fd = -1, .bytes = bytes};
	char sha[QF_SHA_TEXT];

	return add(bundle, name, &content, (int64_t)bytes.n, mtime, sha, err);
}

enum qf_code
qf_bundle_add_text(struct qf_bundle_out *bundle, const char *name, const struct qf_bundle_text *text,
		   int64_t mtime, char sha[QF_SHA_TEXT], struct qf_err *err)
{
	struct content content = {.fd = -1, .text = text};
	enum qf_code code = QF_OK;
	const char *piece;
	int64_t size = 0;
	ssize_t n;

	text->begin(text->ctx);
	while ((n = next_piece(bundle, &content, &piece)) > 0)
		size += n;
	text->begin(text->ctx);
	code = n < 0 ? qf_err_nomem(err) : add(bundle, name, &content, size, mtime, sha, err);
	qf_buf_release(&content.made);
	return code;
}

/* ------------------------------------------------------------------ the end */

/* The folder above what has got its name. */
static enum qf_code
sync_above(struct qf_bundle_out *bundle, struct qf_err *err)
{
	char *slash = strrchr(bundle->name, '/');
	enum qf_code code = QF_OK;
	int fd;

	if (slash && slash != bundle->name)
		*slash = '\0';
	fd = qf_io_open(bundle->io, AT_FDCWD,
			!slash			? "."
			: slash == bundle->name ? "/"
						: bundle->name,
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || qf_io_fsync(bundle->io, fd) != 0)
		code = qf_err_sys(err, errno, bundle->name, "cannot sync");
	if (fd >= 0)
		qf_io_close(bundle->io, fd);
	if (slash && slash != bundle->name)
		*slash = '/';
	return code;
}

enum qf_code
qf_bundle_end(struct qf_bundle_out *bundle, const struct qf_bundle_text *sums, struct qf_err *err)
{
	struct qf_io *io = bundle->io;
	char sha[QF_SHA_TEXT];
	enum qf_code code =
		qf_bundle_add_text(bundle, QF_BUNDLE_SUMS, sums, (int64_t)time(NULL), sha, err);

#ifdef QF_WITH_ARCHIVE
	if (!code && bundle->archive && lib.archive_write_close(bundle->archive) != ARCHIVE_OK)
		code = fail_tar(bundle, err);
#endif
	if (code || !bundle->name) {
		bundle->ended = !code;
		return code;
	}
	if ((bundle->folder && qf_io_fsync(io, bundle->queue) != 0) ||
	    qf_io_fsync(io, bundle->fd) != 0)
		return qf_err_sys(err, errno, bundle->part, "cannot sync");
	/* An empty folder of that name is replaced. */
	if ((bundle->folder
		     ? qf_io_rename(io, AT_FDCWD, bundle->part, AT_FDCWD, bundle->name)
		     : qf_io_rename_new(io, AT_FDCWD, bundle->part, AT_FDCWD, bundle->name)) != 0)
		return qf_err_sys(err, errno, bundle->name, "cannot get its name");
	bundle->ended = true;
	return sync_above(bundle, err);
}

/* What is in a folder that did not come to its end. */
static void
remove_folder(struct qf_bundle_out *bundle)
{
	struct qf_io *io = bundle->io;
	struct qf_buf names = {0};

	/* The folder was made by us, and what is in it too. */
	if (bundle->queue >= 0)
		qf_names_in(io, bundle->queue, QF_BUNDLE_QUEUE, &names, NULL);
	for (size_t at = 0; at < names.n; at += strlen(names.p + at) + 1)
		qf_io_unlink(io, bundle->queue, names.p + at, 0);
	qf_buf_release(&names);
	qf_io_unlink(io, bundle->fd, QF_BUNDLE_MANIFEST, 0);
	qf_io_unlink(io, bundle->fd, QF_BUNDLE_SUMS, 0);
	qf_io_unlink(io, bundle->fd, QF_BUNDLE_QUEUE, AT_REMOVEDIR);
	qf_io_unlink(io, AT_FDCWD, bundle->part, AT_REMOVEDIR);
}

void
qf_bundle_free(struct qf_bundle_out *bundle)
{
	if (!bundle)
		return;
#ifdef QF_WITH_ARCHIVE
	/* It would be brought to an end, the file in hand filled up with zeros. */
	if (!bundle->ended)
		bundle->failure = EINTR;
	if (bundle->archive)
		lib.archive_write_free(bundle->archive);
#endif
	if (!bundle->ended && bundle->part && bundle->fd >= 0) {
		if (bundle->folder)
			remove_folder(bundle);
		else
			qf_io_unlink(bundle->io, AT_FDCWD, bundle->part, 0);
	}
	if (bundle->queue >= 0)
		qf_io_close(bundle->io, bundle->queue);
	if (bundle->fd >= 0 && bundle->name)
		qf_io_close(bundle->io, bundle->fd);
	free(bundle->name);
	free(bundle->part);
	free(bundle);
}
