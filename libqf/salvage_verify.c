/*
 * salvage_verify - every message of one or more runs accounted for: from the manifests, both queues
 * and the claims at the source. Nothing is changed and no lock taken.
 *
 * For each message the manifests say what was planned and what became of it; where a run was
 * killed before it said so, its marks do. Then it is looked for: at the target under the name it
 * got there, and at the source.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "msg.h"
#include "salvage.h"

/* One message, as the manifests have it. */
struct account {
	char id[QF_NAME_MAX];
	char name[QF_NAME_MAX];     /* at the target, qfNEW; empty: it did not get there */
	bool has_origin;
	uint8_t origin[16];
	uint8_t control[32], data[32];
	uint8_t outcome, why;       /* SKIP: planned, and nothing is said of it */
	bool moved, copied, expired, voided;
	uint16_t from, to;          /* indices of paths */
	unsigned mark;              /* number of the mark that counts; 0: none */
	uint32_t next;              /* with the same hash; NONE */
};
#define NONE UINT32_MAX

struct verify {
	struct qf_salvage *salvage;
	struct account *accounts;
	size_t n, cap;
	uint32_t *table;            /* by hash of the id; NONE */
	size_t table_size;          /* a power of two */
	char **paths;
	size_t npaths;
	struct qf_names *at_source, *claimed;
	const char *manifest;
	bool marks;                 /* of two rounds the second: they are for what is planned */
	bool ours, nomem, wrong_target;
};

/* ------------------------------------------------------------------ accounts */

static uint64_t
hash(const char *text)
{
	uint64_t sum = 14695981039346656037u;

	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * 1099511628211u;
	return sum;
}

static bool
grow_table(struct verify *v)
{
	size_t size = v->table_size ? v->table_size * 2 : 1024;
	uint32_t *table = realloc(v->table, size * sizeof(*table));

	if (!table)
		return false;
	v->table = table;
	v->table_size = size;
	for (size_t i = 0; i < size; i++)
		table[i] = NONE;
	for (size_t i = 0; i < v->n; i++) {
		size_t at = (size_t)(hash(v->accounts[i].id) & (size - 1));

		v->accounts[i].next = table[at];
		table[at] = (uint32_t)i;
	}
	return true;
}

static bool
grow(struct verify *v)
{
	if (v->n == v->cap) {
		size_t cap = v->cap + v->cap / 16 + 256;
		struct account *more =
			cap < NONE ? realloc(v->accounts, cap * sizeof(*more)) : NULL;

		if (!more)
			return false;
		v->accounts = more;
		v->cap = cap;
	}
	return v->n < v->table_size || grow_table(v);
}

static size_t
path_index(struct verify *v, const char *path)
{
	char **more;

	for (size_t i = 0; i < v->npaths; i++)
		if (strcmp(v->paths[i], path) == 0)
			return i;
	more = realloc(v->paths, (v->npaths + 1) * sizeof(*more));
	if (!more)
		return 0;
	v->paths = more;
	more[v->npaths] = strdup(path);
	if (!more[v->npaths]) {
		v->nomem = true;
		return 0;
	}
	return v->npaths++;
}

static struct account *
account_of(struct verify *v, const char *id, const char *from)
{
	struct account *a;
	size_t at;

	if (strlen(id) >= QF_NAME_MAX)
		return NULL;
	if (!grow(v)) {
		v->nomem = true;
		return NULL;
	}
	at = (size_t)(hash(id) & (v->table_size - 1));
	for (uint32_t i = v->table[at]; i != NONE; i = v->accounts[i].next)
		if (strcmp(v->accounts[i].id, id) == 0 &&
		    (!from || strcmp(qf_path_last(v->paths[v->accounts[i].from]),
				     qf_path_last(from)) == 0))
			return &v->accounts[i];
	if (!from)
		return NULL;
	a = &v->accounts[v->n];
	*a = (struct account){.outcome = QF_SALVAGE_SKIP, .next = v->table[at]};
	strcpy(a->id, id);
	a->from = (uint16_t)path_index(v, from);
	v->table[at] = (uint32_t)v->n++;
	return a;
}

/* ------------------------------------------------------------------ manifests */

static const char *
text_of(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static uint8_t
why_of(const char *word)
{
	for (size_t i = 0; i < QF_SALVAGE_WHY_COUNT; i++)
		if (strcmp(qf_salvage_why_name((enum qf_salvage_why)i), word) == 0)
			return (uint8_t)i;
	return QF_SALVAGE_WHY_ERROR;
}

static void
take_record(struct verify *v, const json_t *json)
{
	const char *outcome = text_of(json, "outcome"), *as = text_of(json, "as"),
		   *new_id = text_of(json, "new_id"), *id = text_of(json, "id");
	struct account *a = account_of(v, id, text_of(json, "from"));
	const json_t *sha = json_object_get(json, "sha256");

	if (!a)
		return;
	if (strcmp(outcome, "moved") == 0 || strcmp(outcome, "copied") == 0) {
		a->moved = true;
		a->copied = *outcome == 'c';
		snprintf(a->name, sizeof(a->name), "%sf%.18s",
			 *as == 'h' ? "h" : *as == 'l' ? "Q" : "q", *new_id ? new_id : id);
		a->to = (uint16_t)path_index(v, text_of(json, "to"));
		a->expired = json_is_true(json_object_get(json, "expired"));
		a->has_origin = qf_hex_read(text_of(json, "origin"), a->origin, sizeof(a->origin));
		qf_hex_read(text_of(sha, "control"), a->control, 32);
		qf_hex_read(text_of(sha, "data"), a->data, 32);
	} else if (!a->moved && (strcmp(outcome, "skipped") == 0 ||
				 strcmp(outcome, "failed") == 0)) {
		a->outcome = *outcome == 's' ? QF_SALVAGE_SKIPPED : QF_SALVAGE_FAILED;
		a->why = why_of(text_of(json, "why"));
	}
}

static void
take_mark(struct verify *v, const json_t *json)
{
	const char *key = text_of(json, "claim"), *name = text_of(json, "name");
	const char *slash = strrchr(key, '/');
	struct account *a = slash && strlen(slash) > 3 ? account_of(v, slash + 3, NULL) : NULL;
	unsigned number = (unsigned)json_integer_value(json_object_get(json, "number"));
	bool voided = json_is_true(json_object_get(json, "void"));

	if (!a || a->moved || strlen(name) >= QF_NAME_MAX || number < a->mark)
		return;
	a->mark = number;
	a->voided = voided;
	strcpy(a->name, name);
	a->copied = strncmp(key, "copy.", 5) == 0;
	qf_hex_read(text_of(json, "control"), a->control, 32);
	qf_hex_read(text_of(json, "data"), a->data, 32);
}

static void
take_head(struct verify *v, const json_t *json)
{
	const char *target = qf_target_identity(&v->salvage->target);

	v->ours = strcmp(text_of(json, "target"), target) == 0;
	v->wrong_target |= !v->ours;
}

static bool
take_line(void *ctx, char *text, size_t n)
{
	struct verify *v = ctx;
	json_t *json = json_loadb(text, n, 0, NULL);
	const char *schema = text_of(json, "schema");

	if (strcmp(schema, "qf.salvage.run/1") == 0)
		take_head(v, json);
	else if (!v->ours)
		;
	else if (!v->marks && strcmp(schema, "qf.salvage/1") == 0)
		take_record(v, json);
	else if (v->marks && strcmp(schema, "qf.salvage.mark/1") == 0)
		take_mark(v, json);
	json_decref(json);
	return !v->nomem;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum qf_code
read_manifests(struct verify *v, struct qf_err *err)
{
	const struct qf_target *target = &v->salvage->target;
	struct qf_buf names = {0};
	char **sorted = NULL;
	size_t n = 0;
	enum qf_code code;

	if (target->manifests < 0)
		return qf_err_set(err, QF_E_NOT_FOUND, "manifest",
				  "the target has none: nothing was ever brought there");
	code = qf_manifest_names(target->io, target->manifests, QF_MANIFEST, &names, err);
	for (size_t at = 0; !code && at < names.n; at += strlen(names.p + at) + 1)
		n++;
	sorted = calloc(n ? n : 1, sizeof(*sorted));
	if (!code && !sorted)
		code = qf_err_nomem(err);
	n = 0;
	for (size_t at = 0; !code && at < names.n; at += strlen(names.p + at) + 1)
		sorted[n++] = names.p + at;
	/* They begin with the time of the run. */
	if (n)
		qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; !code && i < 2 * n; i++) {
		v->marks = i >= n;
		if (!qf_manifest_each(target->io, target->manifests, sorted[i % n], take_line, v))
			code = qf_err_sys(err, errno, sorted[i % n], "cannot read");
	}
	free(sorted);
	qf_buf_release(&names);
	return code;
}

/* ------------------------------------------------------------------ one message */

struct seen {
	struct verify *v;
	const struct account *account;
	bool there, same;           /* at the target; at the source, the same message */
	bool altered;
	const char *detail;
	const char *as;
};

static void
compare_data(struct seen *seen, const struct qf_msg *msg)
{
	struct qf_io *io = qf_queue_io(seen->v->salvage->to);
	char sha[QF_SHA_TEXT], wanted[QF_SHA_TEXT];
	int fd, failure;

	if (qf_part_open(seen->v->salvage->to, msg, QF_PART_DATA, &fd, NULL)) {
		seen->altered = true;
		seen->detail = "its data file is not there";
		return;
	}
	failure = qf_sha_read(io, fd, sha, NULL, seen->v->salvage->options.cancel);
	qf_io_close(io, fd);
	qf_sha_text(seen->account->data, wanted);
	if (failure || strcmp(sha, wanted) != 0) {
		seen->altered = true;
		seen->detail = failure ? strerror(failure) : "its body is another one";
	}
}

/* By who sent it, and when. */
static bool
may_be(const struct account *a, const struct qf_msg *msg)
{
	char origin[33];
	uint8_t bytes[16];

	qf_salvage_origin(msg, qf_msg_envelope(msg)->created, origin);
	return !a->has_origin || (qf_hex_read(origin, bytes, sizeof(bytes)) &&
				  memcmp(bytes, a->origin, sizeof(bytes)) == 0);
}

static bool
see_target(void *ctx, struct qf_msg *msg)
{
	struct seen *seen = ctx;
	const struct account *a = seen->account;
	enum qf_kind kind = qf_msg_files(msg)->kind;
	uint8_t sha[32];

	qf_sha_bytes(qf_msg_bytes(msg), sha);
	seen->there = true;
	seen->as = kind == QF_KIND_HELD ? "held" : kind == QF_KIND_LOST ? "lost" : "queued";
	if (memcmp(sha, a->control, sizeof(sha)) != 0) {
		/* Every try rewrites it; who sent it, and when, stays. */
		seen->detail = "changed since by its sendmail, or by hand";
		if (!may_be(a, msg)) {
			seen->altered = true;
			seen->detail = "another message has its name";
		}
	}
	compare_data(seen, msg);
	return !seen->altered;
}

static bool
see_source(void *ctx, struct qf_msg *msg)
{
	struct seen *seen = ctx;

	seen->same |= may_be(seen->account, msg);
	return !seen->same;
}

static void
look_at_target(struct verify *v, struct seen *seen)
{
	const struct account *a = seen->account;

	qf_queue_find(v->salvage->to, a->name + 2, 0, see_target, seen, NULL);
	/* Removal takes the data file first: look again at what was on its way out. */
	if (seen->altered && seen->detail && strcmp(seen->detail, "its data file is not there") == 0) {
		*seen = (struct seen){.v = v, .account = a};
		qf_queue_find(v->salvage->to, a->name + 2, 0, see_target, seen, NULL);
	}
}

/* Is what a mark announces still in incoming/? */
static bool
is_on_its_way(const struct verify *v, const struct account *a)
{
	return a->mark && !a->moved && qf_names_find(v->claimed, a->id) != 0;
}

static void
judge(struct verify *v, const struct account *a, struct qf_salvage_record *record,
      struct seen *seen)
{
	bool arrived = a->moved || (a->mark && !a->voided && !is_on_its_way(v, a));

	record->outcome = (enum qf_salvage_outcome)a->outcome;
	record->why = (enum qf_salvage_why)a->why;
	if (qf_names_find(v->at_source, a->id) && !a->copied)
		qf_queue_find(v->salvage->from, a->id, 0, see_source, seen, NULL);
	if (arrived)
		look_at_target(v, seen);
	record->detail = seen->detail;
	if (arrived && seen->same) {
		record->outcome = QF_SALVAGE_DOUBLED;
		record->why = QF_SALVAGE_WHY_DOUBLED;
		record->detail = "brought to the target, and in the source again";
	} else if (arrived && seen->altered) {
		record->outcome = QF_SALVAGE_ALTERED;
		record->why = QF_SALVAGE_WHY_ALTERED;
	} else if (arrived) {
		record->outcome = seen->there ? QF_SALVAGE_THERE : QF_SALVAGE_GONE;
		record->why = QF_SALVAGE_WHY_NONE;
		record->as = seen->as;
	} else if (qf_names_find(v->claimed, a->id)) {
		record->outcome = QF_SALVAGE_LEFT;
		record->why = QF_SALVAGE_WHY_CLAIMED;
		record->detail = "claimed: qf salvage resume finishes it";
	} else if (seen->same || (a->copied && qf_names_find(v->at_source, a->id))) {
		record->outcome = QF_SALVAGE_LEFT;
		if (a->outcome == QF_SALVAGE_SKIP)
			record->why = QF_SALVAGE_WHY_STOPPED;
	} else if (a->outcome == QF_SALVAGE_SKIP) {
		record->outcome = QF_SALVAGE_MISSING;
		record->why = QF_SALVAGE_WHY_MISSING;
		record->detail = "planned; neither moved nor at the source any more";
	} else if (a->outcome == QF_SALVAGE_FAILED && a->why != QF_SALVAGE_WHY_PRESENT) {
		record->outcome = QF_SALVAGE_MISSING;
		record->why = QF_SALVAGE_WHY_MISSING;
		record->detail = "could not be moved, and is not at the source any more";
	}
	/* What was skipped and has left the source since was finished by the source's sendmail. */
}

static void
verify_one(struct verify *v, const struct account *a)
{
	struct seen seen = {.v = v, .account = a};
	char control[QF_SHA_TEXT], data[QF_SHA_TEXT];
	bool has_sha = a->moved || a->mark;
	struct qf_salvage_record record = {
		.id = a->id,
		.new_id = a->name[0] && strcmp(a->name + 2, a->id) != 0 ? a->name + 2 : NULL,
		.from = v->paths[a->from],
		.to = a->moved ? v->paths[a->to] : NULL,
		.expired = a->expired,
		.bounce_at = QF_TIME_NONE,
		.bytes = -1,
		.sha_control = has_sha ? control : NULL,
		.sha_data = has_sha ? data : NULL,
	};

	qf_sha_text(a->control, control);
	qf_sha_text(a->data, data);
	judge(v, a, &record, &seen);
	qf_salvage_tell(v->salvage, &record);
}

/* ------------------------------------------------------------------ the whole */

static bool
note_claim(void *ctx, const struct qf_claim_found *claim)
{
	struct verify *v = ctx;

	if (claim->name && !qf_names_add(v->claimed, claim->name + 2, QF_KIND_QUEUED))
		v->nomem = true;
	return !v->nomem;
}

static enum qf_code
read_file(struct verify *v, const char *path, struct qf_err *err)
{
	for (int round = 0; round < 2; round++) {
		v->marks = round > 0;
		if (!qf_manifest_each(v->salvage->io, AT_FDCWD, path, take_line, v))
			return qf_err_sys(err, errno, path, "cannot read the manifest");
	}
	if (v->wrong_target)
		return qf_err_set(err, QF_E_DATA, path, "is the manifest of another target");
	return v->n ? QF_OK : qf_err_set(err, QF_E_DATA, path, "no manifest of a salvage");
}

enum qf_code
qf_salvage_verify(struct qf_salvage *salvage, const char *manifest, struct qf_err *err)
{
	struct verify v = {.salvage = salvage, .at_source = qf_names_new(),
			   .claimed = qf_names_new()};
	enum qf_code code = v.at_source && v.claimed ? QF_OK : qf_err_nomem(err);

	if (!code && !salvage->has_target) {
		code = qf_target_open(salvage->to, true, &salvage->target, err);
		salvage->has_target = code == QF_OK;
	}
	/* The source first: what moves while we look is seen twice rather than nowhere. */
	if (!code)
		code = manifest ? read_file(&v, manifest, err) : read_manifests(&v, err);
	if (!code)
		code = qf_names_add_queue(v.at_source, salvage->from, err);
	if (!code)
		code = qf_claims_look(salvage->from, note_claim, &v, err);
	if (!code && v.nomem)
		code = qf_err_nomem(err);
	for (size_t i = 0; !code && i < v.n; i++) {
		if (qf_salvage_cancelled(salvage))
			code = qf_err_set(err, QF_E_INTERRUPTED, "verify", "interrupted");
		else
			verify_one(&v, &v.accounts[i]);
		qf_salvage_progress(salvage, v.n);
	}
	for (size_t i = 0; i < v.npaths; i++)
		free(v.paths[i]);
	free(v.paths);
	free(v.table);
	free(v.accounts);
	qf_names_free(v.at_source);
	qf_names_free(v.claimed);
	return code;
}
