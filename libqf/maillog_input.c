/*
 * maillog_input - the bytes of a log, decompressed, through one window that moves over them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef QF_WITH_ARCHIVE
#include <pthread.h>

#include <archive.h>
#include <archive_entry.h>
#endif

#include "buf.h"
#include "err.h"
#include "late.h"
#include "maillog.h"

/* Asked of the file system at once. */
#define BLOCK ((size_t)256 << 10)

#ifdef QF_WITH_ARCHIVE
/* What is used of libarchive, loaded with the first log that is compressed. */
#define FUNCTIONS(X) \
	X(archive_error_string) \
	X(archive_errno) \
	X(archive_read_new) \
	X(archive_read_support_filter_gzip) \
	X(archive_read_support_filter_bzip2) \
	X(archive_read_support_filter_zstd) \
	X(archive_read_support_filter_xz) \
	X(archive_read_support_format_raw) \
	X(archive_read_support_format_empty) \
	X(archive_read_open) \
	X(archive_read_next_header) \
	X(archive_read_data_block) \
	X(archive_read_free)

static struct {
#define X(name) __typeof__(&name) name;
	FUNCTIONS(X)
#undef X
	bool loaded;
	char why_not[128];
} lib;

static void
load_archive(void)
{
	static const struct qf_late_function functions[] = {
#define X(name) {&lib.name, #name},
		FUNCTIONS(X)
#undef X
	};

	lib.loaded = qf_late_load("libarchive.so.13", functions,
				  sizeof(functions) / sizeof(*functions), lib.why_not);
}
#endif

struct qf_log_input {
	struct qf_io io;
	int fd; /* -1: memory */
	int64_t mtime;
	char *name;
	struct qf_slice memory; /* what is left of it */
	char *window;		/* of which from..to are not taken */
	size_t from, to, room;
	uint64_t offset; /* of window[from] */
	bool ended, cut;
#ifdef QF_WITH_ARCHIVE
	struct archive *archive; /* NULL: not compressed */
	struct qf_slice block;   /* of it: decompressed, not yet taken */
	char *raw;		 /* its input */
	size_t first;		 /* bytes in raw that were read to find out what it is */
	int failed;		 /* errno of reading the file */
#endif
};

bool
qf_log_compression(void)
{
#ifdef QF_WITH_ARCHIVE
	return true;
#else
	return false;
#endif
}

/* True for what compressors begin with. */
static bool
is_compressed(const char *p, size_t n)
{
	static const struct {
		const char *magic;
		size_t n;
	} kinds[] = {{"\x1f\x8b", 2},
		     {"\x28\xb5\x2f\xfd", 4},
		     {"\xfd"
		      "7zXZ",
		      5},
		     {"BZh", 3}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (n >= kinds[i].n && memcmp(p, kinds[i].magic, kinds[i].n) == 0)
			return true;
	return false;
}

#ifdef QF_WITH_ARCHIVE
static ssize_t
feed(struct archive *archive, void *ctx, const void **bytes)
{
	struct qf_log_input *input = ctx;
	ssize_t n = (ssize_t)input->first;

	(void)archive;
	*bytes = input->raw;
	input->first = 0;
	if (n == 0)
		n = qf_io_read(&input->io, input->fd, input->raw, BLOCK);
	if (n < 0)
		input->failed = errno;
	return n;
}

/* Data that are damaged, or end too early: the first are an error, the second are said. */
static enum qf_code
damaged(struct qf_log_input *input, struct qf_err *err)
{
	const char *why = lib.archive_error_string(input->archive);

	if (input->failed)
		return qf_err_sys(err, input->failed, input->name, "read");
	if (why && (strstr(why, "runcated") || strstr(why, "remature end"))) {
		input->cut = input->ended = true;
		return QF_OK;
	}
	if (lib.archive_errno(input->archive) == ENOMEM)
		return qf_err_nomem(err);
	return qf_err_set(err, QF_E_DATA, input->name, "compressed data are damaged: %s",
			  why ? why : "of no known form");
}

static enum qf_code
open_archive(struct qf_log_input *input, struct qf_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct archive_entry *entry;

	pthread_once(&once, load_archive);
	if (!lib.loaded)
		return qf_err_set(err, QF_E_UNAVAILABLE, input->name, "is compressed: %s",
				  lib.why_not);
	input->archive = lib.archive_read_new();
	if (!input->archive)
		return qf_err_nomem(err);
	lib.archive_read_support_filter_gzip(input->archive);
	lib.archive_read_support_filter_zstd(input->archive);
	lib.archive_read_support_filter_xz(input->archive);
	lib.archive_read_support_filter_bzip2(input->archive);
	lib.archive_read_support_format_raw(input->archive);
	lib.archive_read_support_format_empty(input->archive);
	if (lib.archive_read_open(input->archive, input, NULL, feed, NULL) != ARCHIVE_OK)
		return damaged(input, err);
	switch (lib.archive_read_next_header(input->archive, &entry)) {
	case ARCHIVE_OK:
	case ARCHIVE_WARN:
		return QF_OK;
	case ARCHIVE_EOF:
		input->ended = true;
		return QF_OK;
	default:
		return damaged(input, err);
	}
}
#endif

static enum qf_code
new_input(const char *name, struct qf_log_input **out, struct qf_err *err)
{
	struct qf_log_input *input = calloc(1, sizeof(*input));

	if (!input || !(input->name = strdup(name))) {
		free(input);
		return qf_err_nomem(err);
	}
	input->fd = -1;
	input->mtime = QF_TIME_NONE;
	*out = input;
	return QF_OK;
}

/* Bytes at the end of the window; *n 0 at the end of the input. */
static enum qf_code
read_some(struct qf_log_input *input, char *to, size_t room, size_t *n, struct qf_err *err)
{
	ssize_t got;

#ifdef QF_WITH_ARCHIVE
	/* By blocks: archive_read_data() forgets what it has where the end is missing. */
	if (input->archive) {
		while (input->block.n == 0) {
			const void *block;
			size_t size;
			int64_t offset;
			int result = lib.archive_read_data_block(input->archive, &block, &size, &offset);

			*n = 0;
			if (result == ARCHIVE_EOF)
				return QF_OK;
			if (result < ARCHIVE_WARN)
				return damaged(input, err);
			input->block = (struct qf_slice){block, size};
		}
		*n = input->block.n < room ? input->block.n : room;
		memcpy(to, input->block.p, *n);
		input->block.p += *n;
		input->block.n -= *n;
		return QF_OK;
	}
#endif
	got = qf_io_read(&input->io, input->fd, to, room);
	if (got < 0)
		return qf_err_sys(err, errno, input->name, "read");
	*n = (size_t)got;
	return QF_OK;
}

static enum qf_code
look_at_start(struct qf_log_input *input, struct qf_err *err)
{
	bool more;
	enum qf_code code = qf_log_input_more(input, &more, err);

	if (code != QF_OK || !is_compressed(input->window + input->from, input->to - input->from))
		return code;
#ifdef QF_WITH_ARCHIVE
	/* What was read is its beginning. */
	input->raw = malloc(BLOCK);
	if (!input->raw)
		return qf_err_nomem(err);
	input->first = input->to - input->from;
	memcpy(input->raw, input->window + input->from, input->first);
	input->from = input->to = 0;
	return open_archive(input, err);
#else
	qf_err_set(err, QF_E_UNAVAILABLE, input->name,
		   "compressed, and this is built without libarchive");
	qf_err_hint(err, "zcat %s | ... -", input->name);
	return QF_E_UNAVAILABLE;
#endif
}

enum qf_code
qf_log_input_open(const char *path, unsigned max_ops, struct qf_log_input **out, struct qf_err *err)
{
	struct qf_log_input *input = NULL;
	struct stat st;
	enum qf_code code = new_input(path, &input, err);

	if (code != QF_OK)
		return code;
	qf_io_init(&input->io, NULL, max_ops);
	if (strcmp(path, "-") == 0)
		input->fd = STDIN_FILENO;
	else
		input->fd = qf_io_open(&input->io, AT_FDCWD, path,
				       O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (input->fd < 0)
		code = qf_err_sys(err, errno, path, "open");
	else if (qf_io_fstat(&input->io, input->fd, &st) < 0)
		code = qf_err_sys(err, errno, path, "stat");
	else if (S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		code = qf_err_set(err, QF_E_DATA, path, "is no file");
	else if (S_ISREG(st.st_mode))
		input->mtime = st.st_mtime;
	else if (input->fd != STDIN_FILENO)
		/* A FIFO: wait for what is written into it. */
		fcntl(input->fd, F_SETFL, fcntl(input->fd, F_GETFL) & ~O_NONBLOCK);
	if (code == QF_OK)
		code = look_at_start(input, err);
	if (code != QF_OK) {
		qf_log_input_free(input);
		return code;
	}
	*out = input;
	return QF_OK;
}

enum qf_code
qf_log_input_memory(struct qf_slice bytes, struct qf_log_input **out, struct qf_err *err)
{
	enum qf_code code = new_input("memory", out, err);

	if (code == QF_OK)
		(*out)->memory = bytes;
	return code;
}

void
qf_log_input_free(struct qf_log_input *input)
{
	if (!input)
		return;
#ifdef QF_WITH_ARCHIVE
	if (input->archive)
		lib.archive_read_free(input->archive);
	free(input->raw);
#endif
	if (input->fd > STDIN_FILENO)
		qf_io_close(&input->io, input->fd);
	free(input->window);
	free(input->name);
	free(input);
}

int64_t
qf_log_input_mtime(const struct qf_log_input *input)
{
	return input->mtime;
}

enum qf_code
qf_log_input_more(struct qf_log_input *input, bool *more, struct qf_err *err)
{
	enum qf_code code;
	size_t n = 0;

	*more = false;
	if (input->fd < 0) {
		/* Memory needs no window: it is there at once. */
		*more = !input->ended && input->memory.n > 0;
		input->ended = true;
		return QF_OK;
	}
	if (input->ended)
		return QF_OK;
	if (input->from > 0) {
		memmove(input->window, input->window + input->from, input->to - input->from);
		input->to -= input->from;
		input->from = 0;
	}
	if (input->room - input->to < BLOCK) {
		size_t room = input->room ? input->room * 2 : 2 * BLOCK;
		char *window = realloc(input->window, room);

		if (!window)
			return qf_err_nomem(err);
		input->window = window;
		input->room = room;
	}
	code = read_some(input, input->window + input->to, BLOCK, &n, err);
	if (code != QF_OK)
		return code;
	input->to += n;
	if (n == 0)
		input->ended = true;
	*more = n > 0;
	return QF_OK;
}

struct qf_slice
qf_log_input_bytes(const struct qf_log_input *input)
{
	if (input->fd < 0)
		return input->ended ? input->memory : (struct qf_slice){"", 0};
	return (struct qf_slice){input->window + input->from, input->to - input->from};
}

void
qf_log_input_take(struct qf_log_input *input, size_t n)
{
	input->offset += n;
	if (input->fd < 0)
		input->memory = (struct qf_slice){input->memory.p + n, input->memory.n - n};
	else
		input->from += n;
}

enum qf_code
qf_log_input_skip(struct qf_log_input *input, uint64_t offset, struct qf_err *err)
{
	/* Through what was read: a file that can be sought is read at gigabytes a second, too. */
	while (input->offset < offset) {
		struct qf_slice bytes = qf_log_input_bytes(input);
		uint64_t want = offset - input->offset;
		bool more;
		enum qf_code code;

		qf_log_input_take(input, bytes.n < want ? bytes.n : (size_t)want);
		if (input->offset == offset)
			break;
		code = qf_log_input_more(input, &more, err);
		if (code != QF_OK)
			return code;
		if (!more)
			return qf_err_set(err, QF_E_CHANGED, input->name, "is shorter than it was");
	}
	return QF_OK;
}

uint64_t
qf_log_input_offset(const struct qf_log_input *input)
{
	return input->offset;
}

bool
qf_log_input_cut(const struct qf_log_input *input)
{
	return input->cut;
}
