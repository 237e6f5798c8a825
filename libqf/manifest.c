/*
 * manifest - what a run brought to a target: written, and read back.
 */
#include <errno.h>
#include <jansson.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "manifest.h"
#include "names.h"

#define SUFFIX ".jsonl"
#define MARK_SCHEMA "qf.salvage.mark/1"
/* How each mark begins, as qf_mark_write() makes it. */
#define MARK_BEGIN "{\"schema\":\"" MARK_SCHEMA "\""

struct qf_manifest {
	struct qf_io *io;
	int fd;
	struct qf_buf lines;
	int failure; /* errno */
};

enum qf_code
qf_manifest_create(struct qf_io *io, int folder, const char *run, struct qf_manifest **out,
		   struct qf_err *err)
{
	struct qf_manifest *manifest = calloc(1, sizeof(*manifest));
	char name[QF_RUN_MAX + sizeof(SUFFIX)];

	if (!manifest)
		return qf_err_nomem(err);
	snprintf(name, sizeof(name), "%s" SUFFIX, run);
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

enum qf_code
qf_manifest_sync(struct qf_manifest *manifest, struct qf_err *err)
{
	if (!manifest->failure && manifest->lines.failed)
		manifest->failure = ENOMEM;
	if (!manifest->failure && manifest->lines.n &&
	    (qf_io_write(manifest->io, manifest->fd, manifest->lines.p, manifest->lines.n) != 0 ||
	     qf_io_fsync(manifest->io, manifest->fd) != 0))
		manifest->failure = errno;
	qf_buf_clear(&manifest->lines);
	if (manifest->failure)
		return qf_err_sys(err, manifest->failure, "manifest", "cannot write");
	return QF_OK;
}

/* ------------------------------------------------------------------ marks */

void
qf_mark_write(const struct qf_mark *mark, struct qf_buf *out)
{
	struct qf_json json = {.out = out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, MARK_SCHEMA);
	qf_json_key(&json, "claim");
	qf_json_string(&json, mark->key);
	qf_json_key(&json, "number");
	qf_json_int(&json, mark->number);
	qf_json_key(&json, "void");
	qf_json_bool(&json, mark->voided);
	qf_json_key(&json, "name");
	qf_json_string(&json, mark->name);
	qf_json_key(&json, "directory");
	qf_json_string(&json, mark->dir);
	qf_json_key(&json, "control");
	qf_json_string(&json, mark->sha_control);
	qf_json_key(&json, "data");
	qf_json_string(&json, mark->sha_data);
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}

/* A mark as it is kept: there may be as many as messages were ever copied. */
struct kept {
	uint8_t key[16]; /* of the SHA-256 of its text */
	uint8_t control[32], data[32], dir[16];
	char name[QF_NAME_MAX];
	bool voided;
	uint16_t number;
};

struct qf_marks {
	struct kept *kept;
	size_t n, cap;
	bool nomem;
	bool (*wanted)(void *ctx, const char *key);
	void *ctx;
};

static void
hash_key(const char *key, uint8_t hash[16])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(key), (const uint8_t *)key);
	sha256_digest(&ctx, 16, hash);
}

static bool
from_hex(const char *text, uint8_t *bytes, size_t n)
{
	if (!text || strlen(text) != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		unsigned byte;
		int used = 0;

		if (sscanf(text + 2 * i, "%2x%n", &byte, &used) != 1 || used != 2)
			return false;
		bytes[i] = (uint8_t)byte;
	}
	return true;
}

static void
to_hex(const uint8_t *bytes, size_t n, char *text)
{
	for (size_t i = 0; i < n; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

static bool
take_mark(struct qf_marks *marks, const json_t *json)
{
	const char *key = json_string_value(json_object_get(json, "claim"));
	const char *name = json_string_value(json_object_get(json, "name"));
	json_int_t number = json_integer_value(json_object_get(json, "number"));
	struct kept kept = {.voided = json_is_true(json_object_get(json, "void"))};

	if (!key || !name || strlen(name) >= QF_NAME_MAX || number < 1 || number > UINT16_MAX ||
	    !from_hex(json_string_value(json_object_get(json, "directory")), kept.dir, 16) ||
	    !from_hex(json_string_value(json_object_get(json, "control")), kept.control, 32) ||
	    !from_hex(json_string_value(json_object_get(json, "data")), kept.data, 32))
		return true;
	if (marks->wanted && !marks->wanted(marks->ctx, key))
		return true;
	if (marks->n == marks->cap) {
		size_t cap = marks->cap ? marks->cap * 2 : 64;
		struct kept *more = realloc(marks->kept, cap * sizeof(*more));

		if (!more)
			return false;
		marks->kept = more;
		marks->cap = cap;
	}
	hash_key(key, kept.key);
	strcpy(kept.name, name);
	kept.number = (uint16_t)number;
	marks->kept[marks->n++] = kept;
	return true;
}

static bool
take_line(void *ctx, char *text, size_t n)
{
	struct qf_marks *marks = ctx;
	json_t *json;

	if (strncmp(text, MARK_BEGIN, sizeof(MARK_BEGIN) - 1) != 0)
		return true;
	json = json_loadb(text, n, 0, NULL);
	if (json && !take_mark(marks, json))
		marks->nomem = true;
	json_decref(json);
	return !marks->nomem;
}

/* By key, and of one key the one that counts first. */
static int
by_key(const void *a, const void *b)
{
	const struct kept *x = a, *y = b;
	int order = memcmp(x->key, y->key, sizeof(x->key));

	if (!order)
		order = (x->number < y->number) - (x->number > y->number);
	return order ? order : y->voided - x->voided;
}

enum qf_code
qf_marks_read(struct qf_io *io, int folder, bool (*wanted)(void *ctx, const char *key), void *ctx,
	      struct qf_marks **out, struct qf_err *err)
{
	struct qf_marks *marks = calloc(1, sizeof(*marks));
	struct qf_buf names = {0};
	enum qf_code code;

	if (!marks)
		return qf_err_nomem(err);
	marks->wanted = wanted;
	marks->ctx = ctx;
	code = folder < 0 ? QF_OK : qf_manifest_names(io, folder, &names, err);
	for (size_t at = 0; !code && at < names.n; at += strlen(names.p + at) + 1) {
		if (!qf_manifest_each(io, folder, names.p + at, take_line, marks))
			code = qf_err_sys(err, errno, names.p + at, "cannot read the manifest");
		else if (marks->nomem)
			code = qf_err_nomem(err);
	}
	qf_buf_release(&names);
	if (code) {
		qf_marks_free(marks);
		return code;
	}
	if (marks->n)
		qsort(marks->kept, marks->n, sizeof(*marks->kept), by_key);
	*out = marks;
	return QF_OK;
}

bool
qf_marks_find(const struct qf_marks *marks, const char *key, struct qf_mark *mark)
{
	size_t low = 0, high = marks->n;
	uint8_t hash[16];

	hash_key(key, hash);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (memcmp(marks->kept[middle].key, hash, sizeof(hash)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == marks->n || memcmp(marks->kept[low].key, hash, sizeof(hash)) != 0)
		return false;
	*mark = (struct qf_mark){.number = marks->kept[low].number,
				 .voided = marks->kept[low].voided};
	snprintf(mark->key, sizeof(mark->key), "%s", key);
	strcpy(mark->name, marks->kept[low].name);
	to_hex(marks->kept[low].dir, 16, mark->dir);
	to_hex(marks->kept[low].control, 32, mark->sha_control);
	to_hex(marks->kept[low].data, 32, mark->sha_data);
	return true;
}

void
qf_marks_free(struct qf_marks *marks)
{
	if (marks)
		free(marks->kept);
	free(marks);
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
qf_manifest_names(struct qf_io *io, int folder, struct qf_buf *names, struct qf_err *err)
{
	struct qf_buf all = {0};
	enum qf_code code = qf_names_in(io, folder, ".qf/manifests", &all, err);

	for (size_t at = 0, n; !code && at < all.n; at += n + 1) {
		n = strlen(all.p + at);
		if (n > sizeof(SUFFIX) - 1 && all.p[at] != '.' &&
		    strcmp(all.p + at + n - (sizeof(SUFFIX) - 1), SUFFIX) == 0)
			qf_buf_add(names, all.p + at, n + 1);
	}
	qf_buf_release(&all);
	return !code && names->failed ? qf_err_nomem(err) : code;
}
