/*
 * marks - of messages brought to a target: written, and found again.
 */
#include <errno.h>
#include <jansson.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "err.h"
#include "marks.h"

#define MARK_SCHEMA "qf.salvage.mark/1"
/* How each mark begins, as qf_mark_write() makes it. */
#define MARK_BEGIN "{\"schema\":\"" MARK_SCHEMA "\""

void
qf_mark_write(const struct qf_mark *mark, struct qf_buf *out)
{
	struct qf_json json = {.out = out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, MARK_SCHEMA);
	qf_json_key(&json, "claim");
	qf_json_string(&json, mark->key);
	qf_json_key(&json, "message");
	qf_json_string(&json, mark->message);
	qf_json_key(&json, "number");
	qf_json_int(&json, mark->number);
	qf_json_key(&json, "at");
	qf_json_int(&json, mark->at);
	qf_json_key(&json, "void");
	qf_json_bool(&json, mark->voided);
	qf_json_key(&json, "left");
	qf_json_bool(&json, mark->left);
	qf_json_key(&json, "name");
	qf_json_string(&json, mark->name);
	qf_json_key(&json, "directory");
	qf_json_string(&json, mark->dir);
	qf_json_key(&json, "from");
	qf_json_string(&json, mark->from);
	qf_json_key(&json, "lane");
	qf_json_int(&json, mark->lane);
	qf_json_key(&json, "control");
	qf_json_string(&json, mark->sha_control);
	qf_json_key(&json, "data");
	qf_json_string(&json, mark->sha_data);
	qf_json_close(&json, '}');
	qf_buf_addc(out, '\n');
}

int64_t
qf_mark_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* A mark as it is kept: small, for there are as many as messages were ever brought. */
struct kept {
	uint64_t index;       /* beginning of the SHA-256 of what it is found under */
	uint64_t claim;       /* of that of its key */
	uint8_t data[16];
	int64_t at : 56;      /* microseconds, for two thousand years */
	unsigned lane : 4;
	unsigned voided : 1, left : 1;
	uint32_t rest;        /* of qf_marks.rests, and one; 0: brief */
	uint16_t number, dir; /* dir: of qf_marks.dirs */
};
_Static_assert(sizeof(struct kept) <= 48 && QF_LANES_MAX <= 16, "a kept mark");

struct rest {
	uint8_t control[32], data[32];
	char name[QF_NAME_MAX];
};

struct qf_marks {
	struct kept *kept; /* the one that counts of each claim */
	size_t n, cap;
	struct rest *rests;
	size_t nrests, rests_cap;
	uint32_t *slots;   /* by the beginning of its index: place and one; 0: free */
	size_t nslots;     /* a power of two, or 0 */
	char (*dirs)[33];  /* identities of directories, as they came */
	size_t ndirs;
	bool nomem;
	enum qf_mark_wish (*wanted)(void *ctx, const struct qf_mark *mark,
				    char index[QF_CLAIM_KEY_MAX]);
	void *ctx;
};

static uint64_t
hash(const char *text, bool left)
{
	struct sha256_ctx ctx;
	uint64_t sum;

	sha256_init(&ctx);
	sha256_update(&ctx, strlen(text), (const uint8_t *)text);
	/* The claim that brought it, and one of the same name that took it away, are two. */
	if (left)
		sha256_update(&ctx, 5, (const uint8_t *)"\0left");
	sha256_digest(&ctx, sizeof(sum), (uint8_t *)&sum);
	return sum;
}

/* Its place; SIZE_MAX when memory is out. */
static size_t
dir_place(struct qf_marks *marks, const char *identity)
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

/* Where the search for what is found under index begins. */
static size_t
first_slot(const struct qf_marks *marks, uint64_t index)
{
	return index & (marks->nslots - 1);
}

/* That of the claim, or a free one. */
static uint32_t *
slot_of(const struct qf_marks *marks, uint64_t index, uint64_t claim)
{
	size_t at = first_slot(marks, index);

	for (; marks->slots[at]; at = (at + 1) & (marks->nslots - 1)) {
		const struct kept *kept = &marks->kept[marks->slots[at] - 1];

		if (kept->index == index && kept->claim == claim)
			break;
	}
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
	if (marks->n >= marks->nslots / 5 * 4) {
		size_t n = marks->nslots ? marks->nslots * 2 : 256;
		uint32_t *slots = calloc(n, sizeof(*slots));

		if (!slots)
			return false;
		free(marks->slots);
		marks->slots = slots;
		marks->nslots = n;
		for (size_t i = 0; i < marks->n; i++)
			*slot_of(marks, marks->kept[i].index, marks->kept[i].claim) = (uint32_t)i + 1;
	}
	return true;
}

/* Of several of a claim the one with the highest number counts; void or not, the one that says void. */
static bool
keep(struct qf_marks *marks, const struct kept *mark, const struct rest *rest)
{
	void *rests = marks->rests;
	struct kept *there;
	uint32_t *slot, place = 0;

	if (!make_room(marks))
		return false;
	slot = slot_of(marks, mark->index, mark->claim);
	if (!*slot) {
		marks->kept[marks->n++] = *mark;
		*slot = (uint32_t)marks->n;
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

/* ------------------------------------------------------------------ reading */

static bool
copy_text(const json_t *json, const char *key, char *text, size_t size)
{
	const char *value = json_string_value(json_object_get(json, key));

	if (!value || strlen(value) >= size)
		return false;
	strcpy(text, value);
	return true;
}

/* As it was written; what a mark that is older lacks is empty. */
static bool
parse(const json_t *json, struct qf_mark *mark, struct rest *rest)
{
	json_int_t number = json_integer_value(json_object_get(json, "number"));
	/* Marks that were written before there were lanes: the first. */
	json_int_t lane = json_integer_value(json_object_get(json, "lane"));
	uint8_t id[16];

	*mark = (struct qf_mark){.number = (unsigned)number,
				 .lane = (unsigned)lane,
				 .at = json_integer_value(json_object_get(json, "at")),
				 .voided = json_is_true(json_object_get(json, "void")),
				 .left = json_is_true(json_object_get(json, "left"))};
	if (!copy_text(json, "message", mark->message, sizeof(mark->message)))
		mark->message[0] = '\0';
	return copy_text(json, "claim", mark->key, sizeof(mark->key)) &&
	       copy_text(json, "name", mark->name, sizeof(mark->name)) &&
	       copy_text(json, "directory", mark->dir, sizeof(mark->dir)) &&
	       copy_text(json, "control", mark->sha_control, sizeof(mark->sha_control)) &&
	       copy_text(json, "data", mark->sha_data, sizeof(mark->sha_data)) && number >= 1 &&
	       number <= UINT16_MAX && lane >= 0 && lane < QF_LANES_MAX &&
	       qf_hex_read(mark->dir, id, sizeof(id)) &&
	       qf_hex_read(mark->sha_control, rest->control, sizeof(rest->control)) &&
	       qf_hex_read(mark->sha_data, rest->data, sizeof(rest->data));
}

static bool
take_mark(struct qf_marks *marks, const json_t *json)
{
	enum qf_mark_wish wish = QF_MARK_WHOLE;
	char index[QF_CLAIM_KEY_MAX];
	struct qf_mark mark;
	struct rest rest;
	struct kept kept;
	size_t dir;

	if (!parse(json, &mark, &rest))
		return true;
	strcpy(index, mark.key);
	if (marks->wanted)
		wish = marks->wanted(marks->ctx, &mark, index);
	if (wish == QF_MARK_UNWANTED)
		return true;
	dir = dir_place(marks, mark.dir);
	if (dir == SIZE_MAX)
		return false;
	kept = (struct kept){.index = hash(index, false),
			     .claim = hash(mark.key, mark.left),
			     .at = mark.at,
			     .lane = mark.lane & 15,
			     .voided = mark.voided,
			     .left = mark.left,
			     .number = (uint16_t)mark.number,
			     .dir = (uint16_t)dir};
	memcpy(kept.data, rest.data, sizeof(kept.data));
	strcpy(rest.name, mark.name);
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

static enum qf_code
read_folder(struct qf_marks *marks, struct qf_io *io, int folder, const char *suffix,
	    struct qf_err *err)
{
	struct qf_buf names = {0};
	enum qf_code code = qf_manifest_names(io, folder, suffix, &names, err);

	for (size_t at = 0; !code && at < names.n; at += strlen(names.p + at) + 1) {
		if (!qf_manifest_each(io, folder, names.p + at, take_line, marks))
			code = qf_err_sys(err, errno, names.p + at, "cannot read the manifest");
		else if (marks->nomem)
			code = qf_err_nomem(err);
	}
	qf_buf_release(&names);
	return code;
}

enum qf_code
qf_marks_read(struct qf_io *io, const int *folders, size_t n, bool left,
	      enum qf_mark_wish (*wanted)(void *ctx, const struct qf_mark *mark,
					  char index[QF_CLAIM_KEY_MAX]),
	      void *ctx, struct qf_marks **out, struct qf_err *err)
{
	struct qf_marks *marks = calloc(1, sizeof(*marks));
	enum qf_code code = QF_OK;

	if (!marks)
		return qf_err_nomem(err);
	marks->wanted = wanted;
	marks->ctx = ctx;
	for (size_t i = 0; i < n && !code; i++) {
		if (folders[i] < 0)
			continue;
		code = read_folder(marks, io, folders[i], QF_MANIFEST, err);
		if (!code && left)
			code = read_folder(marks, io, folders[i], QF_MANIFEST_LEFT, err);
	}
	if (code) {
		qf_marks_free(marks);
		return code;
	}
	*out = marks;
	return QF_OK;
}

/* ------------------------------------------------------------------ finding */

static void
fill(const struct qf_marks *marks, const struct kept *kept, struct qf_mark *mark)
{
	*mark = (struct qf_mark){.number = kept->number,
				 .at = kept->at,
				 .lane = kept->lane,
				 .voided = kept->voided,
				 .left = kept->left,
				 .brief = !kept->rest};
	strcpy(mark->dir, marks->dirs[kept->dir]);
	for (size_t i = 0; i < sizeof(kept->data); i++)
		snprintf(mark->sha_data + 2 * i, 3, "%02x", kept->data[i]);
	if (kept->rest) {
		const struct rest *rest = &marks->rests[kept->rest - 1];

		strcpy(mark->name, rest->name);
		qf_sha_text(rest->control, mark->sha_control);
		qf_sha_text(rest->data, mark->sha_data);
	}
}

bool
qf_marks_find(const struct qf_marks *marks, const char *index, const char *key,
	      struct qf_mark *mark)
{
	uint32_t slot = marks->nslots ? *slot_of(marks, hash(index, false), hash(key, false)) : 0;

	if (!slot)
		return false;
	fill(marks, &marks->kept[slot - 1], mark);
	strcpy(mark->key, key);
	return true;
}

void
qf_marks_each(const struct qf_marks *marks, const char *index,
	      void (*each)(void *ctx, const struct qf_mark *mark), void *ctx)
{
	uint64_t place = hash(index, false);
	struct qf_mark mark;
	size_t at;

	for (at = marks->nslots ? first_slot(marks, place) : 0; marks->nslots && marks->slots[at];
	     at = (at + 1) & (marks->nslots - 1)) {
		const struct kept *kept = &marks->kept[marks->slots[at] - 1];

		if (kept->index != place)
			continue;
		fill(marks, kept, &mark);
		each(ctx, &mark);
	}
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
