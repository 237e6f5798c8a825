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
/* Bytes of lines that are kept before they are written. */
#define LINES_MAX 262144
#define MARK_SCHEMA "qf.salvage.mark/1"
/* How each mark begins, as qf_mark_write() makes it. */
#define MARK_BEGIN "{\"schema\":\"" MARK_SCHEMA "\""

struct qf_manifest {
	struct qf_io *io;
	int fd;
	struct qf_buf lines;
	bool unsynced;
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
	qf_json_key(&json, "lane");
	qf_json_int(&json, mark->lane);
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
	uint8_t lane;
	bool voided;
	uint16_t number, dir; /* dir: of qf_marks.dirs */
	uint32_t rest;        /* of qf_marks.rests, and one; 0: brief */
};

struct rest {
	uint8_t control[32], data[32];
	char name[QF_NAME_MAX];
};

struct qf_marks {
	struct kept *kept; /* the one that counts of each claim */
	size_t n, cap;
	struct rest *rests;
	size_t nrests, rests_cap;
	uint32_t *slots;   /* by the beginning of its key: index and one; 0: free */
	size_t nslots;     /* a power of two, or 0 */
	char (*dirs)[33];  /* identities of directories, as they came */
	size_t ndirs;
	bool nomem;
	enum qf_mark_wish (*wanted)(void *ctx, const char *key);
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

/* Its index; SIZE_MAX when memory is out. */
static size_t
dir_index(struct qf_marks *marks, const char *identity)
{
	char (*more)[33];

	for (size_t i = marks->ndirs; i-- > 0;)
		if (strcmp(marks->dirs[i], identity) == 0)
			return i;
	more = marks->ndirs < UINT16_MAX
		       ? realloc(marks->dirs, (marks->ndirs + 1) * sizeof(*more))
		       : NULL;
	if (!more)
		return SIZE_MAX;
	marks->dirs = more;
	strcpy(more[marks->ndirs], identity);
	return marks->ndirs++;
}

static uint32_t *
slot_of(const struct qf_marks *marks, const uint8_t key[16])
{
	uint64_t at;

	memcpy(&at, key, sizeof(at));
	for (at &= marks->nslots - 1;
	     marks->slots[at] && memcmp(marks->kept[marks->slots[at] - 1].key, key, 16) != 0;)
		at = (at + 1) & (marks->nslots - 1);
	return &marks->slots[at];
}

/* Room for one more in a list of so many. */
static bool
has_room(void **list, size_t size, size_t n, size_t *cap)
{
	size_t wanted = *cap + *cap / 16 + 64;
	void *more;

	if (n < *cap)
		return true;
	more = wanted < UINT32_MAX ? realloc(*list, wanted * size) : NULL;
	if (!more)
		return false;
	*list = more;
	*cap = wanted;
	return true;
}

static bool
make_room(struct qf_marks *marks)
{
	void *kept = marks->kept;
	bool room = has_room(&kept, sizeof(*marks->kept), marks->n, &marks->cap);

	marks->kept = kept;
	if (!room)
		return false;
	if (marks->n >= marks->nslots / 4 * 3) {
		size_t n = marks->nslots ? marks->nslots * 2 : 256;
		uint32_t *slots = calloc(n, sizeof(*slots));

		if (!slots)
			return false;
		free(marks->slots);
		marks->slots = slots;
		marks->nslots = n;
		for (size_t i = 0; i < marks->n; i++)
			*slot_of(marks, marks->kept[i].key) = (uint32_t)i + 1;
	}
	return true;
}

/* Of several of a claim the one with the highest number counts; void or not, the one that says void. */
static bool
keep(struct qf_marks *marks, const struct kept *mark, const struct rest *rest)
{
	void *rests = marks->rests;
	struct kept *there;
	uint32_t *slot, place;

	if (!make_room(marks))
		return false;
	slot = slot_of(marks, mark->key);
	if (!*slot) {
		marks->kept[marks->n++] = *mark;
		*slot = (uint32_t)marks->n;
		place = 0;
	} else {
		there = &marks->kept[*slot - 1];
		if (mark->number < there->number ||
		    (mark->number == there->number && (!mark->voided || there->voided)))
			return true;
		place = there->rest;
		*there = *mark;
	}
	if (!rest)
		return true;
	there = &marks->kept[*slot - 1];
	if (!place) {
		if (!has_room(&rests, sizeof(*marks->rests), marks->nrests, &marks->rests_cap))
			return false;
		marks->rests = rests;
		place = (uint32_t)++marks->nrests;
	}
	there->rest = place;
	marks->rests[place - 1] = *rest;
	return true;
}

static bool
take_mark(struct qf_marks *marks, const json_t *json)
{
	const char *key = json_string_value(json_object_get(json, "claim"));
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *identity = json_string_value(json_object_get(json, "directory"));
	json_int_t number = json_integer_value(json_object_get(json, "number"));
	/* Marks that were written before there were lanes: the first. */
	json_int_t lane = json_integer_value(json_object_get(json, "lane"));
	struct kept kept = {.lane = (uint8_t)lane,
			    .voided = json_is_true(json_object_get(json, "void"))};
	enum qf_mark_wish wish = QF_MARK_WHOLE;
	struct rest rest;
	uint8_t id[16];
	size_t dir;

	if (!key || !name || strlen(name) >= QF_NAME_MAX || number < 1 || number > UINT16_MAX ||
	    lane < 0 || lane >= QF_LANES_MAX || !qf_hex_read(identity, id, sizeof(id)) ||
	    !qf_hex_read(json_string_value(json_object_get(json, "control")), rest.control, 32) ||
	    !qf_hex_read(json_string_value(json_object_get(json, "data")), rest.data, 32))
		return true;
	if (marks->wanted)
		wish = marks->wanted(marks->ctx, key);
	if (wish == QF_MARK_UNWANTED)
		return true;
	dir = dir_index(marks, identity);
	if (dir == SIZE_MAX)
		return false;
	hash_key(key, kept.key);
	strcpy(rest.name, name);
	kept.number = (uint16_t)number;
	kept.dir = (uint16_t)dir;
	return keep(marks, &kept, wish == QF_MARK_WHOLE ? &rest : NULL);
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

enum qf_code
qf_marks_read(struct qf_io *io, int folder,
	      enum qf_mark_wish (*wanted)(void *ctx, const char *key), void *ctx,
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
	*out = marks;
	return QF_OK;
}

bool
qf_marks_find(const struct qf_marks *marks, const char *key, struct qf_mark *mark)
{
	const struct kept *kept;
	uint8_t hash[16];
	uint32_t slot;

	hash_key(key, hash);
	slot = marks->nslots ? *slot_of(marks, hash) : 0;
	if (!slot)
		return false;
	kept = &marks->kept[slot - 1];
	*mark = (struct qf_mark){
		.number = kept->number, .lane = kept->lane, .voided = kept->voided,
		.brief = !kept->rest};
	snprintf(mark->key, sizeof(mark->key), "%s", key);
	strcpy(mark->dir, marks->dirs[kept->dir]);
	if (kept->rest) {
		const struct rest *rest = &marks->rests[kept->rest - 1];

		strcpy(mark->name, rest->name);
		qf_sha_text(rest->control, mark->sha_control);
		qf_sha_text(rest->data, mark->sha_data);
	}
	return true;
}

void
qf_marks_free(struct qf_marks *marks)
{
	if (marks) {
		free(marks->kept);
		free(marks->rests);
		free(marks->slots);
		free(marks->dirs);
	}
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
