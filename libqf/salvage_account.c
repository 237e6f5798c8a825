/*
 * salvage_account - what manifests say of each message.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "err.h"
#include "layout.h"
#include "salvage.h"
#include "salvage_account.h"

#define NONE UINT32_MAX

struct qf_accounts {
	struct qf_account *accounts;
	size_t n, cap;
	uint32_t *table;            /* by hash of the id; NONE */
	size_t table_size;          /* a power of two */
	char **paths;               /* and names of exports; the first is "" */
	size_t npaths, last;        /* last: the one that was asked for */
	struct pair {
		uint16_t a, b;
	} * apart;                  /* paths that end alike, of one list */
	size_t napart;
	struct qf_target *target;
	/* Of the manifest in hand. */
	uint16_t run;
	uint16_t only;              /* its one directory at the source; 0: it has several */
	int64_t at;                 /* when its run was begun: it was planned later */
	bool ours, copies;
	bool nomem, wrong_target;
};

struct qf_accounts *
qf_accounts_new(void)
{
	return calloc(1, sizeof(struct qf_accounts));
}

void
qf_accounts_free(struct qf_accounts *accounts)
{
	if (!accounts)
		return;
	for (size_t i = 0; i < accounts->n; i++)
		free(accounts->accounts[i].key);
	for (size_t i = 0; i < accounts->npaths; i++)
		free(accounts->paths[i]);
	free(accounts->paths);
	free(accounts->apart);
	free(accounts->table);
	free(accounts->accounts);
	free(accounts);
}

/* ------------------------------------------------------------------ paths */

static bool
path_known(const struct qf_accounts *accounts, const char *path, size_t *at)
{
	for (size_t i = 0; i < accounts->npaths; i++)
		if (strcmp(accounts->paths[i], path) == 0) {
			*at = i;
			return true;
		}
	return false;
}

static uint16_t
path_index(struct qf_accounts *accounts, const char *path)
{
	size_t at = accounts->last;
	char **more;

	/* Most lines say what the one before said. */
	if (at < accounts->npaths && strcmp(accounts->paths[at], path) == 0)
		return (uint16_t)at;
	if (!path_known(accounts, path, &at)) {
		at = accounts->npaths;
		more = at < UINT16_MAX ? realloc(accounts->paths, (at + 1) * sizeof(*more)) : NULL;
		if (more)
			accounts->paths = more;
		if (!more || !(more[at] = strdup(path))) {
			accounts->nomem = true;
			return 0;
		}
		accounts->npaths++;
	}
	accounts->last = at;
	return (uint16_t)at;
}

static bool
is_apart(const struct qf_accounts *accounts, size_t a, size_t b)
{
	for (size_t i = 0; i < accounts->napart; i++)
		if ((accounts->apart[i].a == a && accounts->apart[i].b == b) ||
		    (accounts->apart[i].a == b && accounts->apart[i].b == a))
			return true;
	return false;
}

static bool
ends_alike(const struct qf_accounts *accounts, size_t a, size_t b)
{
	return strcmp(qf_path_last(accounts->paths[a]), qf_path_last(accounts->paths[b])) == 0;
}

/* Of one list: two directories, also where they are called the same. */
static void
set_apart(struct qf_accounts *accounts, uint16_t a, uint16_t b)
{
	struct pair *more;

	if (a == b || !ends_alike(accounts, a, b) || is_apart(accounts, a, b))
		return;
	more = realloc(accounts->apart, (accounts->napart + 1) * sizeof(*more));
	if (!more) {
		accounts->nomem = true;
		return;
	}
	accounts->apart = more;
	more[accounts->napart++] = (struct pair){a, b};
}

bool
qf_accounts_list(struct qf_accounts *accounts, struct qf_queue *queue)
{
	path_index(accounts, "");
	for (size_t i = 0; i < qf_queue_ndirs(queue); i++) {
		uint16_t at = path_index(accounts, qf_queue_dir(queue, i)->path);

		for (size_t k = 0; k < i; k++)
			set_apart(accounts, at,
				  path_index(accounts, qf_queue_dir(queue, k)->path));
	}
	return !accounts->nomem;
}

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
grow_table(struct qf_accounts *accounts)
{
	size_t size = accounts->table_size ? accounts->table_size * 2 : 1024;
	uint32_t *table = realloc(accounts->table, size * sizeof(*table));

	if (!table)
		return false;
	accounts->table = table;
	accounts->table_size = size;
	for (size_t i = 0; i < size; i++)
		table[i] = NONE;
	for (size_t i = 0; i < accounts->n; i++) {
		size_t at = (size_t)(hash(accounts->accounts[i].id) & (size - 1));

		accounts->accounts[i].next = table[at];
		table[at] = (uint32_t)i;
	}
	return true;
}

static bool
grow(struct qf_accounts *accounts)
{
	if (accounts->n == accounts->cap) {
		size_t cap = accounts->cap + accounts->cap / 16 + 256;
		struct qf_account *more =
			cap < NONE ? realloc(accounts->accounts, cap * sizeof(*more)) : NULL;

		if (!more)
			return false;
		accounts->accounts = more;
		accounts->cap = cap;
	}
	return accounts->n < accounts->table_size || grow_table(accounts);
}

static uint32_t
first_of(const struct qf_accounts *accounts, const char *id)
{
	return accounts->table_size ? accounts->table[hash(id) & (accounts->table_size - 1)] : NONE;
}

/* What a line says of a message. */
struct line {
	const char *id;
	uint16_t from, run;
	bool planned;           /* it is at the source, to be moved */
	const uint8_t *data;    /* sum of its body; NULL: not said */
};

/* Of that id, from another path that may be the same directory: can it be the same message? */
static bool
may_be(const struct qf_accounts *accounts, const struct qf_account *a, const struct line *line)
{
	if (a->run || line->run || !ends_alike(accounts, a->from, line->from) ||
	    is_apart(accounts, a->from, line->from))
		return false;
	/* What was moved is not to be moved. */
	if (a->moved && line->planned)
		return false;
	return !line->data || !a->name[0] || memcmp(a->data, line->data, 32) == 0;
}

/* NULL: none, or several of which it is not known which. */
static struct qf_account *
find(const struct qf_accounts *accounts, const struct line *line)
{
	struct qf_account *found = NULL;
	size_t others = 0;

	for (uint32_t i = first_of(accounts, line->id); i != NONE; i = accounts->accounts[i].next) {
		struct qf_account *a = &accounts->accounts[i];

		if (strcmp(a->id, line->id) != 0)
			continue;
		if (a->run == line->run && (line->run || a->from == line->from))
			return a;
		if (may_be(accounts, a, line)) {
			found = a;
			others++;
		}
	}
	return others == 1 ? found : NULL;
}

static struct qf_account *
account_of(struct qf_accounts *accounts, const struct line *line)
{
	struct qf_account *a;
	size_t at;

	if (!*line->id || strlen(line->id) >= QF_NAME_MAX - 2)
		return NULL;
	a = find(accounts, line);
	if (a)
		return a;
	if (!grow(accounts)) {
		accounts->nomem = true;
		return NULL;
	}
	at = (size_t)(hash(line->id) & (accounts->table_size - 1));
	a = &accounts->accounts[accounts->n];
	*a = (struct qf_account){.outcome = QF_SALVAGE_SKIP, .from = line->from, .run = line->run,
				 .dir = UINT16_MAX, .next = accounts->table[at]};
	strcpy(a->id, line->id);
	accounts->table[at] = (uint32_t)accounts->n++;
	return a;
}

/* ------------------------------------------------------------------ lines of manifests */

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
take_moved(struct qf_accounts *accounts, struct qf_account *a, const json_t *json,
	   const uint8_t data[32])
{
	const char *as = text_of(json, "as"), *new_id = text_of(json, "new_id");

	a->moved = true;
	a->copied = accounts->copies;
	snprintf(a->name, sizeof(a->name), "%sf%.18s", *as == 'h' ? "h" : *as == 'l' ? "Q" : "q",
		 *new_id ? new_id : a->id);
	a->to = path_index(accounts, text_of(json, "to"));
	a->expired = json_is_true(json_object_get(json, "expired"));
	a->has_origin = qf_hex_read(text_of(json, "origin"), a->origin, sizeof(a->origin));
	qf_hex_read(text_of(json_object_get(json, "sha256"), "control"), a->control, 32);
	memcpy(a->data, data, 32);
	free(a->key);
	a->key = NULL;
}

static void
take_record(struct qf_accounts *accounts, const json_t *json)
{
	const char *outcome = text_of(json, "outcome");
	bool moved = strcmp(outcome, "moved") == 0 || strcmp(outcome, "copied") == 0;
	uint8_t data[32] = {0};
	struct line line = {.id = text_of(json, "id"),
			    .from = path_index(accounts, text_of(json, "from")),
			    .run = accounts->run,
			    .planned = strcmp(outcome, "move") == 0 ||
				       strcmp(outcome, "copy") == 0};
	struct qf_account *a;

	if (!line.from)
		return;
	if (moved && qf_hex_read(text_of(json_object_get(json, "sha256"), "data"), data, 32))
		line.data = data;
	a = account_of(accounts, &line);
	if (!a)
		return;
	if (moved) {
		take_moved(accounts, a, json, data);
	} else if (!a->moved && (strcmp(outcome, "skip") == 0 || strcmp(outcome, "skipped") == 0 ||
				 strcmp(outcome, "failed") == 0)) {
		/* What was not to be moved is left, also where the run was killed before it said so. */
		a->outcome = *outcome == 's' ? QF_SALVAGE_SKIPPED : QF_SALVAGE_FAILED;
		a->why = why_of(text_of(json, "why"));
	} else if (!a->moved && line.planned) {
		a->outcome = QF_SALVAGE_SKIP;
		a->why = QF_SALVAGE_WHY_NONE;
		a->at = accounts->at;
	}
}

/* Marks that were written before they named the directory. */
static struct qf_account *
account_of_old_mark(struct qf_accounts *accounts, const char *id)
{
	struct qf_account *found = NULL;

	for (uint32_t i = first_of(accounts, id); i != NONE; i = accounts->accounts[i].next) {
		struct qf_account *a = &accounts->accounts[i];

		if (strcmp(a->id, id) != 0 || a->run != accounts->run)
			continue;
		if (found && !found->moved && !a->moved)
			return NULL;
		if (!found || found->moved)
			found = a;
	}
	return found;
}

static void
take_mark(struct qf_accounts *accounts, const json_t *json)
{
	const char *key = text_of(json, "claim"), *name = text_of(json, "name"),
		   *from = text_of(json, "from"), *slash = strrchr(key, '/');
	unsigned number = (unsigned)json_integer_value(json_object_get(json, "number"));
	json_int_t lane = json_integer_value(json_object_get(json, "lane"));
	uint64_t key_hash = hash(key);
	uint8_t data[32] = {0};
	struct line line = {.run = accounts->run, .data = data};
	struct qf_account *a;
	size_t dir;

	if (!slash || strlen(slash) <= 3 || strlen(name) >= QF_NAME_MAX || strlen(name) < 3 ||
	    lane < 0 || lane >= QF_LANES_MAX ||
	    !qf_hex_read(text_of(json, "data"), data, sizeof(data)))
		return;
	line.id = slash + 3;
	line.from = *from ? path_index(accounts, from) : accounts->only;
	a = line.from || line.run ? account_of(accounts, &line)
				  : account_of_old_mark(accounts, line.id);
	/* Of marks of one claim the last one counts; those of another claim are for another journey. */
	if (!a || (a->mark && a->key_hash == key_hash && (a->moved || number < a->mark)))
		return;
	free(a->key);
	a->key = strdup(key);
	accounts->nomem |= !a->key;
	a->key_hash = key_hash;
	a->moved = false;
	a->has_origin = qf_hex_read(text_of(json, "message"), a->origin, sizeof(a->origin));
	a->mark = number;
	a->at = json_integer_value(json_object_get(json, "at"));
	a->lane = (uint8_t)lane;
	a->voided = json_is_true(json_object_get(json, "void"));
	a->copied = accounts->copies;
	dir = qf_target_dir_of(accounts->target, text_of(json, "directory"));
	a->dir = dir < UINT16_MAX ? (uint16_t)dir : UINT16_MAX;
	strcpy(a->name, name);
	qf_hex_read(text_of(json, "control"), a->control, 32);
	memcpy(a->data, data, 32);
}

static void
take_head(struct qf_accounts *accounts, const json_t *json)
{
	const json_t *from = json_object_get(json, "from");
	const char *run = text_of(json, "export");
	size_t n = json_array_size(from);

	accounts->ours = strcmp(text_of(json, "target"), qf_target_identity(accounts->target)) == 0;
	accounts->wrong_target |= !accounts->ours;
	accounts->copies = json_is_true(json_object_get(json, "copy"));
	accounts->run = *run ? path_index(accounts, run) : 0;
	accounts->only = 0;
	accounts->at = json_integer_value(json_object_get(json, "at"));
	for (size_t i = 0; i < n && accounts->ours; i++) {
		const char *path = json_string_value(json_array_get(from, i));
		uint16_t at = path_index(accounts, path ? path : "");

		accounts->only = n == 1 ? at : 0;
		for (size_t k = 0; k < i; k++) {
			path = json_string_value(json_array_get(from, k));
			set_apart(accounts, at, path_index(accounts, path ? path : ""));
		}
	}
}

static bool
take_line(void *ctx, char *text, size_t n)
{
	struct qf_accounts *accounts = ctx;
	json_t *json = json_loadb(text, n, 0, NULL);
	const char *schema = text_of(json, "schema");

	if (strcmp(schema, "qf.salvage.run/1") == 0)
		take_head(accounts, json);
	else if (!accounts->ours)
		;
	else if (strcmp(schema, "qf.salvage/1") == 0)
		take_record(accounts, json);
	else if (strcmp(schema, "qf.salvage.mark/1") == 0)
		take_mark(accounts, json);
	json_decref(json);
	return !accounts->nomem;
}

/* ------------------------------------------------------------------ manifests */

static bool
begin(struct qf_accounts *accounts, struct qf_target *target)
{
	accounts->target = target;
	path_index(accounts, "");
	return !accounts->nomem;
}

static enum qf_code
read_one(struct qf_accounts *accounts, struct qf_io *io, int folder, const char *name,
	 struct qf_err *err)
{
	accounts->ours = false;
	if (!qf_manifest_each(io, folder, name, take_line, accounts))
		return qf_err_sys(err, errno, name, "cannot read the manifest");
	return accounts->nomem ? qf_err_nomem(err) : QF_OK;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

enum qf_code
qf_accounts_read(struct qf_accounts *accounts, struct qf_target *target, struct qf_err *err)
{
	struct qf_buf names = {0};
	char **sorted = NULL;
	size_t n = 0;
	enum qf_code code = begin(accounts, target) ? QF_OK : qf_err_nomem(err);

	if (!code && target->manifests < 0)
		return QF_OK;
	if (!code)
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
	for (size_t i = 0; !code && i < n; i++)
		code = read_one(accounts, target->io, target->manifests, sorted[i], err);
	free(sorted);
	qf_buf_release(&names);
	return code;
}

enum qf_code
qf_accounts_read_file(struct qf_accounts *accounts, struct qf_target *target, const char *path,
		      struct qf_err *err)
{
	enum qf_code code = begin(accounts, target) ? QF_OK : qf_err_nomem(err);

	if (!code)
		code = read_one(accounts, target->io, AT_FDCWD, path, err);
	if (!code && accounts->wrong_target)
		code = qf_err_set(err, QF_E_DATA, path, "is the manifest of another target");
	if (!code && !accounts->n)
		code = qf_err_set(err, QF_E_DATA, path, "no manifest of a salvage");
	return code;
}

/* ------------------------------------------------------------------ asked */

size_t
qf_accounts_n(const struct qf_accounts *accounts)
{
	return accounts->n;
}

const struct qf_account *
qf_accounts_at(const struct qf_accounts *accounts, size_t i)
{
	return &accounts->accounts[i];
}

const char *
qf_accounts_path(const struct qf_accounts *accounts, size_t index)
{
	return accounts->paths[index];
}

bool
qf_account_is_from(const struct qf_accounts *accounts, const struct qf_account *account,
		   const char *path)
{
	size_t at;

	if (account->run)
		return false;
	if (path_known(accounts, path, &at))
		return at == account->from ||
		       (ends_alike(accounts, at, account->from) &&
			!is_apart(accounts, at, account->from));
	return strcmp(qf_path_last(path), qf_path_last(accounts->paths[account->from])) == 0;
}
