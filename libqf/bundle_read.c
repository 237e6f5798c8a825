/*
 * bundle_read - a bundle unpacked into a folder of ours.
 *
 * What comes may come from anywhere. The manifest is first, and says which names there are and the
 * sum of each; nothing else is taken: no other name, no link, no device, nothing twice. A stream
 * that ends too early is no failure: what came whole is there, and right.
 */
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef QF_WITH_ARCHIVE
#include <archive.h>
#include <archive_entry.h>
#endif

#include "buf.h"
#include "bundle.h"
#include "err.h"
#include "late.h"
#include "layout.h"

/* Of the manifest and the sums: a line for each of a million messages. */
#define TEXT_MAX_SIZE ((int64_t)1 << 30)
#define BLOCK ((size_t)256 << 10)

struct reading {
	struct qf_io *io;
	const char *from;
	const struct qf_patience *patience;
	int folder, queue; /* queue/ of the folder */
	struct qf_bundle_in *in;
	bool manifest, sums; /* were there */
	/* The entry in hand. */
	char name[QF_BUNDLE_NAME_MAX];
	int fd; /* of a queue file, or -1: text */
	struct qf_buf text; /* of the manifest, what is no whole line yet */
	size_t room;        /* for items */
	int64_t size;
	struct sha256_ctx ctx;
#ifdef QF_WITH_ARCHIVE
	int input, failure;
	char block[BLOCK];
#endif
};

static enum qf_code
refuse(struct reading *reading, struct qf_err *err, const char *what, const char *name)
{
	qf_err_set(err, QF_E_DATA, reading->from, "%s: %s", name, what);
	return qf_err_hint(err, "nothing of it is used"), QF_E_DATA;
}

/* ------------------------------------------------------------------ the manifest */

static const char *
text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int
compare_items(const void *a, const void *b)
{
	const struct qf_bundle_item *x = a, *y = b;

	return strcmp(x->name + 2, y->name + 2);
}

/* By the id: a control file and a data file have one. */
static struct qf_bundle_item *
find(const struct reading *reading, const char *name)
{
	struct qf_bundle_item key = {.control = false};

	snprintf(key.name, sizeof(key.name), "%s", name);
	return reading->in->n ? bsearch(&key, reading->in->items, reading->in->n, sizeof(key),
					compare_items)
			      : NULL;
}

/* Its index, or SIZE_MAX when memory is out. Beyond what an index can say all are of the last. */
static size_t
from_index(struct qf_bundle_in *in, const char *path)
{
	char **more;

	for (size_t i = 0; i < in->nfrom; i++)
		if (strcmp(in->from[i], path) == 0)
			return i;
	if (in->nfrom == UINT16_MAX)
		return in->nfrom - 1;
	more = realloc(in->from, (in->nfrom + 1) * sizeof(*more));
	if (!more)
		return SIZE_MAX;
	in->from = more;
	more[in->nfrom] = strdup(path);
	return more[in->nfrom] ? in->nfrom++ : SIZE_MAX;
}

/* Of what was exported. NULL for other lines. */
static bool
take_line(struct reading *reading, const json_t *line, size_t *cap)
{
	const char *schema = text_of(line, "schema"), *file = text_of(line, "file");
	const char *outcome = text_of(line, "outcome"), *run = text_of(line, "run");
	const json_t *sums = json_object_get(line, "sha256");
	const char *control = text_of(sums, "control"), *data = text_of(sums, "data");
	const char *from = text_of(line, "from");
	size_t index;
	struct qf_bundle_item item = {.control = false};
	struct qf_bundle_in *in = reading->in;

	if (schema && strcmp(schema, "qf.salvage.total/1") == 0 && run &&
	    strlen(run) < sizeof(in->run) && !strchr(run, '/'))
		strcpy(in->run, run);
	if (!schema || strcmp(schema, "qf.salvage/1") || !outcome || strcmp(outcome, "copied"))
		return true;
	if (!file || strlen(file) >= QF_NAME_MAX || strchr(file, '/') ||
	    !qf_kind_is_control(qf_name_kind(file, strlen(file))) ||
	    !qf_hex_read(control, item.sha_control, sizeof(item.sha_control)) ||
	    !qf_hex_read(data, item.sha_data, sizeof(item.sha_data)))
		return false;
	index = from_index(in, from ? from : "");
	if (index == SIZE_MAX)
		return false;
	item.from = (uint16_t)index;
	if (in->n == *cap) {
		size_t more = *cap + *cap / 16 + 64;
		struct qf_bundle_item *items = realloc(in->items, more * sizeof(*items));

		if (!items)
			return false;
		in->items = items;
		*cap = more;
	}
	strcpy(item.name, file);
	in->items[in->n++] = item;
	return true;
}

/* Whole lines of it, as they come: all of it would be large. False: it is none. */
static bool
take_lines(struct reading *reading)
{
	char *at = reading->text.p, *end = at + reading->text.n, *line_end;
	bool ok = true;

	for (; ok && at < end && (line_end = memchr(at, '\n', (size_t)(end - at)));
	     at = line_end + 1) {
		json_t *line = json_loadb(at, (size_t)(line_end - at), JSON_ALLOW_NUL, NULL);

		ok = line && take_line(reading, line, &reading->room);
		json_decref(line);
	}
	if (at > reading->text.p) {
		memmove(reading->text.p, at, (size_t)(end - at));
		reading->text.n = (size_t)(end - at);
	}
	return ok;
}

/* It came to its end. */
static bool
take_manifest(struct reading *reading)
{
	struct qf_bundle_in *in = reading->in;
	bool ok = true;

	if (in->n)
		qsort(in->items, in->n, sizeof(*in->items), compare_items);
	for (size_t i = 1; i < in->n; i++)
		ok &= strcmp(in->items[i - 1].name + 2, in->items[i].name + 2) != 0;
	reading->manifest = ok && in->run[0];
	return reading->manifest;
}

/* ------------------------------------------------------------------ one file of it */

/* May it be there? Then it is made. */
static enum qf_code
begin_file(struct reading *reading, const char *name, struct qf_err *err)
{
	struct qf_bundle_item *item;
	const char *file;
	size_t n;

	reading->fd = -1;
	reading->size = 0;
	reading->text.n = 0;
	sha256_init(&reading->ctx);
	if (strlen(name) >= sizeof(reading->name))
		return refuse(reading, err, "no name of a bundle", "a file of it");
	strcpy(reading->name, name);
	if (!reading->manifest && strcmp(name, QF_BUNDLE_MANIFEST) != 0)
		return refuse(reading, err,
			      "comes before " QF_BUNDLE_MANIFEST
			      "; of what was packed anew give the unpacked folder",
			      name);
	if (strcmp(name, QF_BUNDLE_MANIFEST) == 0 || strcmp(name, QF_BUNDLE_SUMS) == 0)
		return reading->sums || (*name == 'm' && reading->manifest)
			       ? refuse(reading, err, "is there twice, or behind the end", name)
			       : QF_OK;
	file = name + strlen(QF_BUNDLE_QUEUE "/");
	n = strlen(file);
	if (strncmp(name, QF_BUNDLE_QUEUE "/", strlen(QF_BUNDLE_QUEUE "/")) != 0 ||
	    n >= QF_NAME_MAX || strchr(file, '/') || n < 3)
		return refuse(reading, err, "no name of a bundle", name);
	item = find(reading, file);
	if (!item || reading->sums ||
	    (strcmp(file, item->name) != 0 && qf_name_kind(file, n) != QF_KIND_DATA))
		return refuse(reading, err, "is not in the manifest", name);
	reading->fd = qf_io_create(reading->io, reading->queue, file,
				   O_WRONLY | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (reading->fd < 0 && errno == EEXIST)
		return refuse(reading, err, "is there twice", name);
	return reading->fd < 0 ? qf_err_sys(err, errno, name, "cannot create") : QF_OK;
}

static enum qf_code
take_piece(struct reading *reading, const char *piece, size_t n, struct qf_err *err)
{
	reading->size += (int64_t)n;
	if (!reading->patience->go_on(reading->patience->ctx))
		return qf_err_set(err, QF_E_INTERRUPTED, reading->from, "interrupted");
	if (reading->fd >= 0) {
		sha256_update(&reading->ctx, n, (const uint8_t *)piece);
		return qf_io_write(reading->io, reading->fd, piece, n) == 0
			       ? QF_OK
			       : qf_err_sys(err, errno, reading->name, "cannot write");
	}
	if (reading->size > TEXT_MAX_SIZE)
		return refuse(reading, err, "too large", reading->name);
	/* The sums are for people: each file has been compared with its own. */
	if (*reading->name != 'm')
		return QF_OK;
	qf_buf_add(&reading->text, piece, n);
	if (reading->text.failed)
		return qf_err_nomem(err);
	return take_lines(reading) ? QF_OK
				   : refuse(reading, err, "no manifest of an export", reading->name);
}

/* It came whole. */
static enum qf_code
end_file(struct reading *reading, struct qf_err *err)
{
	const char *file = reading->name + strlen(QF_BUNDLE_QUEUE "/");
	struct qf_bundle_item *item;
	uint8_t binary[SHA256_DIGEST_SIZE];
	bool data, synced;

	if (reading->fd < 0 && *reading->name == 'm')
		return take_manifest(reading)
			       ? QF_OK
			       : refuse(reading, err, "no manifest of an export", reading->name);
	if (reading->fd < 0) {
		reading->sums = true;
		return QF_OK;
	}
	synced = qf_io_fsync(reading->io, reading->fd) == 0;
	qf_io_close(reading->io, reading->fd);
	reading->fd = -1;
	if (!synced)
		return qf_err_sys(err, errno, reading->name, "cannot sync");
	sha256_digest(&reading->ctx, sizeof(binary), binary);
	item = find(reading, file);
	data = strcmp(file, item->name) != 0;
	if (memcmp(binary, data ? item->sha_data : item->sha_control, sizeof(binary)) != 0)
		return refuse(reading, err, "is not what the manifest says (its SHA-256)",
			      reading->name);
	*(data ? &item->data : &item->control) = true;
	return QF_OK;
}

static void
cut_short(struct reading *reading, const char *why)
{
	reading->in->cut = true;
	snprintf(reading->in->why, sizeof(reading->in->why), "%s", why);
	if (reading->fd >= 0)
		qf_io_close(reading->io, reading->fd);
	reading->fd = -1;
}

/* ------------------------------------------------------------------ a folder */

static enum qf_code
read_file(struct reading *reading, int dir, const char *file, const char *name, struct qf_err *err)
{
	char piece[65536];
	struct stat st;
	enum qf_code code;
	ssize_t n = 0;
	int fd = qf_io_open(reading->io, dir, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT) {
		cut_short(reading, "files of it are not there");
		return QF_OK;
	}
	if (fd < 0)
		return errno == ELOOP ? refuse(reading, err, "is a link", name)
				      : qf_err_sys(err, errno, name, "cannot open");
	if (qf_io_fstat(reading->io, fd, &st) != 0 || !S_ISREG(st.st_mode))
		code = refuse(reading, err, "no regular file", name);
	else
		code = begin_file(reading, name, err);
	while (!code && (n = qf_io_read(reading->io, fd, piece, sizeof(piece))) > 0)
		code = take_piece(reading, piece, (size_t)n, err);
	if (!code && n < 0)
		code = qf_err_sys(err, errno, name, "cannot read");
	qf_io_close(reading->io, fd);
	return code ? code : end_file(reading, err);
}

/* What is in a folder has to be what the manifest names. */
static enum qf_code
check_names(struct reading *reading, int dir, struct qf_err *err)
{
	int fd = qf_io_open(reading->io, dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd >= 0 ? fdopendir(fd) : NULL;
	enum qf_code code = QF_OK;
	struct dirent *entry;

	if (!names) {
		code = qf_err_sys(err, errno, reading->from, "cannot list");
		if (fd >= 0)
			qf_io_close(reading->io, fd);
		return code;
	}
	while (!code && (entry = readdir(names))) {
		const struct qf_bundle_item *item = find(reading, entry->d_name);
		size_t n = strlen(entry->d_name);

		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") &&
		    (!item || n >= QF_NAME_MAX ||
		     (strcmp(entry->d_name, item->name) &&
		      qf_name_kind(entry->d_name, n) != QF_KIND_DATA)))
			code = refuse(reading, err, "is not in the manifest", entry->d_name);
	}
	closedir(names);
	return code;
}

static enum qf_code
read_folder(struct reading *reading, int dir, struct qf_err *err)
{
	int queue = qf_io_open(reading->io, dir, QF_BUNDLE_QUEUE,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	enum qf_code code;

	if (queue < 0)
		return refuse(reading, err, strerror(errno), QF_BUNDLE_QUEUE);
	code = read_file(reading, dir, QF_BUNDLE_MANIFEST, QF_BUNDLE_MANIFEST, err);
	if (!code && !reading->manifest)
		code = refuse(reading, err, "is not there", QF_BUNDLE_MANIFEST);
	if (!code)
		code = check_names(reading, queue, err);
	for (size_t i = 0; i < reading->in->n && !code; i++) {
		const char *name = reading->in->items[i].name;
		char data[QF_NAME_MAX], path[QF_BUNDLE_NAME_MAX];

		snprintf(data, sizeof(data), "df%s", name + 2);
		snprintf(path, sizeof(path), QF_BUNDLE_QUEUE "/%s", data);
		code = read_file(reading, queue, data, path, err);
		snprintf(path, sizeof(path), QF_BUNDLE_QUEUE "/%s", name);
		if (!code)
			code = read_file(reading, queue, name, path, err);
	}
	if (!code)
		code = read_file(reading, dir, QF_BUNDLE_SUMS, QF_BUNDLE_SUMS, err);
	qf_io_close(reading->io, queue);
	return code;
}

/* ------------------------------------------------------------------ a tar */

#ifdef QF_WITH_ARCHIVE
#define FUNCTIONS(X)                                                                               \
	X(archive_error_string)                                                                    \
	X(archive_read_new)                                                                        \
	X(archive_read_support_filter_gzip)                                                        \
	X(archive_read_support_filter_zstd)                                                        \
	X(archive_read_support_filter_xz)                                                          \
	X(archive_read_support_format_tar)                                                         \
	X(archive_read_open)                                                                       \
	X(archive_read_next_header)                                                                \
	X(archive_read_data_block)                                                                 \
	X(archive_read_free)                                                                       \
	X(archive_entry_pathname)                                                                  \
	X(archive_entry_filetype)                                                                  \
	X(archive_entry_hardlink)

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

	if (lib.archive_read_new || qf_late_load("libarchive.so.13", functions,
						 sizeof(functions) / sizeof(*functions), why))
		return QF_OK;
	return qf_err_set(err, QF_E_UNAVAILABLE, "libarchive", "%s; unpack it, and give the folder",
			  why);
}

static la_ssize_t
feed(struct archive *archive, void *ctx, const void **bytes)
{
	struct reading *reading = ctx;
	ssize_t n = qf_io_read_stream(reading->io, reading->input, reading->block,
				      sizeof(reading->block), reading->patience);

	(void)archive;
	if (n < 0)
		reading->failure = errno;
	*bytes = reading->block;
	return n;
}

static enum qf_code
read_entry(struct reading *reading, struct archive *archive, struct archive_entry *entry,
	   struct qf_err *err)
{
	const char *name = lib.archive_entry_pathname(entry);
	enum qf_code code;
	const void *block;
	la_int64_t at;
	size_t n;
	int result = ARCHIVE_OK;

	if (!name || lib.archive_entry_filetype(entry) != AE_IFREG ||
	    lib.archive_entry_hardlink(entry))
		return refuse(reading, err, "a link, a device, or a folder",
			      name ? name : "a name");
	code = begin_file(reading, name, err);
	while (!code &&
	       (result = lib.archive_read_data_block(archive, &block, &n, &at)) == ARCHIVE_OK) {
		/* A hole would be read as other bytes than were summed. */
		if (at != reading->size)
			code = refuse(reading, err, "has holes", name);
		else
			code = take_piece(reading, block, n, err);
	}
	if (code)
		return code;
	if (result != ARCHIVE_EOF) {
		cut_short(reading, lib.archive_error_string(archive));
		return QF_OK;
	}
	return end_file(reading, err);
}

static enum qf_code
read_tar(struct reading *reading, struct qf_err *err)
{
	struct archive *archive = lib.archive_read_new();
	struct archive_entry *entry;
	enum qf_code code = QF_OK;
	int result;

	if (!archive)
		return qf_err_nomem(err);
	lib.archive_read_support_filter_gzip(archive);
	lib.archive_read_support_filter_zstd(archive);
	lib.archive_read_support_filter_xz(archive);
	lib.archive_read_support_format_tar(archive);
	result = lib.archive_read_open(archive, reading, NULL, feed, NULL);
	while (!code && !reading->in->cut && (result == ARCHIVE_OK || result == ARCHIVE_WARN)) {
		result = lib.archive_read_next_header(archive, &entry);
		if (result == ARCHIVE_OK || result == ARCHIVE_WARN)
			code = read_entry(reading, archive, entry, err);
	}
	if (!code && reading->failure == EINTR)
		code = qf_err_set(err, QF_E_INTERRUPTED, reading->from, "interrupted");
	if (!code && reading->failure)
		code = qf_err_sys(err, reading->failure, reading->from, "cannot read");
	if (!code && result != ARCHIVE_EOF && !reading->in->cut)
		cut_short(reading, lib.archive_error_string(archive));
	if (!code && !reading->manifest)
		code = qf_err_set(err, QF_E_DATA, reading->from,
				  "no bundle of qf salvage export, or "
				  "cut off in its manifest");
	lib.archive_read_free(archive);
	return code;
}
#endif

/* ------------------------------------------------------------------ the whole */

static enum qf_code
read_any(struct reading *reading, struct qf_err *err)
{
	bool standard = strcmp(reading->from, "-") == 0;
	enum qf_code code = QF_OK;
	struct stat st;
	/* Of a named pipe the writer is waited for as its bytes are. */
	int fd = standard ? STDIN_FILENO
			  : qf_io_open(reading->io, AT_FDCWD, reading->from,
				       O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || qf_io_fstat(reading->io, fd, &st) != 0)
		code = qf_err_sys(err, errno, reading->from, "cannot open");
	else if (S_ISDIR(st.st_mode))
		code = read_folder(reading, fd, err);
#ifdef QF_WITH_ARCHIVE
	else if (!(code = load(err))) {
		reading->input = fd;
		code = read_tar(reading, err);
	}
#else
	else
		code = qf_err_set(err, QF_E_UNAVAILABLE, reading->from,
				  "built without libarchive; unpack it, and give the folder");
#endif
	if (fd >= 0 && !standard)
		qf_io_close(reading->io, fd);
	return code;
}

/* Away with the half of a message. */
static void
drop_halves(struct reading *reading)
{
	struct qf_bundle_in *in = reading->in;
	char data[QF_NAME_MAX];

	for (size_t i = 0; i < in->n; i++) {
		if (in->items[i].control && in->items[i].data)
			continue;
		in->cut = true;
		snprintf(data, sizeof(data), "df%s", in->items[i].name + 2);
		qf_io_unlink(reading->io, reading->queue, in->items[i].name, 0);
		qf_io_unlink(reading->io, reading->queue, data, 0);
	}
	if (!reading->sums)
		in->cut = true;
	if (in->cut && !in->why[0])
		snprintf(in->why, sizeof(in->why), "it ends too early");
}

enum qf_code
qf_bundle_read(struct qf_io *io, const char *from, int folder, const struct qf_patience *patience,
	       struct qf_bundle_in *in, struct qf_err *err)
{
	struct reading *reading = calloc(1, sizeof(*reading));
	enum qf_code code = QF_OK;

	*in = (struct qf_bundle_in){.n = 0};
	if (!reading)
		return qf_err_nomem(err);
	*reading = (struct reading){
		.io = io, .from = from, .patience = patience, .folder = folder, .in = in, .fd = -1};
	if (qf_io_mkdir(io, folder, QF_BUNDLE_QUEUE, 0700) != 0 ||
	    (reading->queue = qf_io_open(io, folder, QF_BUNDLE_QUEUE,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0) {
		code = qf_err_sys(err, errno, QF_BUNDLE_QUEUE, "cannot create");
		free(reading);
		return code;
	}
	code = read_any(reading, err);
	if (reading->fd >= 0)
		qf_io_close(io, reading->fd);
	if (!code)
		drop_halves(reading);
	if (!code && qf_io_fsync(io, reading->queue) != 0)
		code = qf_err_sys(err, errno, QF_BUNDLE_QUEUE, "cannot sync");
	qf_io_close(io, reading->queue);
	qf_buf_release(&reading->text);
	free(reading);
	if (code)
		qf_bundle_in_release(in);
	return code;
}

void
qf_bundle_in_release(struct qf_bundle_in *in)
{
	for (size_t i = 0; i < in->nfrom; i++)
		free(in->from[i]);
	free(in->from);
	free(in->items);
	*in = (struct qf_bundle_in){.n = 0};
}
