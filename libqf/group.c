/*
 * group - counting messages by the value of a field, and by age.
 *
 * A hash table of indices into an array of rows; keys and counts lie in an arena. So memory is in
 * proportion to the number of groups, whatever the number of messages.
 */
#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "buf.h"
#include "field.h"
#include "status.h"
#include "sys.h"

/* What the table holds for "nothing here". */
#define FREE UINT32_MAX

/* Who was added last, to tell another message from another recipient of the same one. */
struct last {
	const struct qf_msg *msg;
	uint64_t path;
};

struct qf_groups {
	const struct qf_field *field;
	char *argument;
	enum qf_nature nature;
	int64_t *limits;
	size_t nlimits;
	uint64_t seed;

	struct qf_group_row *rows;
	size_t nrows, cap_rows;
	uint32_t *table; /* indices into rows; its size is a power of two */
	size_t cap_table;
	bool sorted; /* rows have moved since the table was made */

	struct qf_group_row total;
	uint64_t serial; /* of the message being added */
	struct last last;
	struct qf_arena arena; /* keys, and counts with a serial before them */
	struct qf_buf scratch, key;
};

/* Of a message without creation time sendmail says that it is new. */
static int64_t
age_of(const struct qf_row *row)
{
	int64_t created = qf_msg_envelope(row->msg)->created;

	return created == QF_TIME_NONE ? 0 : qf_time_between(created, row->now);
}

static size_t
bucket_of(const struct qf_groups *groups, const struct qf_row *row)
{
	int64_t age = age_of(row);
	size_t i = 0;

	while (i < groups->nlimits && age > groups->limits[i])
		i++;
	return i;
}

/* ------------------------------------------------------------------ rows of groups */

/* Counts have the serial of the last message before them. */
static uint64_t *
new_counts(struct qf_groups *groups)
{
	uint64_t *counts = qf_arena_array(&groups->arena, groups->nlimits + 2, sizeof(*counts));

	if (!counts)
		return NULL;
	memset(counts, 0, (groups->nlimits + 2) * sizeof(*counts));
	return counts + 1;
}

/* They are ours, and const for readers alone. */
static uint64_t *
counts_of(const struct qf_group_row *group)
{
	return (uint64_t *)group->counts;
}

static void
count(const struct qf_groups *groups, struct qf_group_row *group, const struct qf_row *row)
{
	int64_t size = qf_msg_files(row->msg)->data_size;
	int64_t created = qf_msg_envelope(row->msg)->created;

	group->messages++;
	counts_of(group)[bucket_of(groups, row)]++;
	if (size > 0)
		group->size += (uint64_t)size;
	if (created != QF_TIME_NONE && (group->oldest == QF_TIME_NONE || created < group->oldest))
		group->oldest = created;
}

/* ------------------------------------------------------------------ the table */

/* Keys come from strangers: the seed keeps them from choosing ones that fall together. */
static uint64_t
hash(uint64_t seed, struct qf_slice key)
{
	uint64_t h = seed ^ key.n;
	uint64_t word;

	while (key.n) {
		size_t n = key.n < 8 ? key.n : 8;

		word = 0;
		memcpy(&word, key.p, n);
		key.p += n;
		key.n -= n;
		h = (h ^ word) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
		h = (h + seed) * 0xbf58476d1ce4e5b9u;
		h ^= h >> 32;
	}
	return h;
}

static bool
same_key(struct qf_slice a, struct qf_slice b)
{
	if (!a.p || !b.p)
		return a.p == b.p;
	return a.n == b.n && memcmp(a.p, b.p, a.n) == 0;
}

/* Where the key stands in the table, or the free place for it. */
static size_t
place_of(const struct qf_groups *groups, struct qf_slice key)
{
	size_t mask = groups->cap_table - 1;
	size_t i = hash(groups->seed, key) & mask;

	while (groups->table[i] != FREE && !same_key(groups->rows[groups->table[i]].key, key))
		i = (i + 1) & mask;
	return i;
}

/* A table of that size for the rows there are. */
static bool
make_table(struct qf_groups *groups, size_t cap)
{
	if (cap != groups->cap_table) {
		uint32_t *table = reallocarray(groups->table, cap, sizeof(*table));

		if (!table)
			return false;
		groups->table = table;
		groups->cap_table = cap;
	}
	memset(groups->table, 0xff, cap * sizeof(*groups->table));
	for (size_t i = 0; i < groups->nrows; i++)
		groups->table[place_of(groups, groups->rows[i].key)] = (uint32_t)i;
	groups->sorted = false;
	return true;
}

/* The group of a key, made where there is none; NULL when memory is out. */
static struct qf_group_row *
group_of(struct qf_groups *groups, struct qf_slice key)
{
	size_t cap = groups->cap_table;
	struct qf_group_row *group;
	size_t place;

	/* At least a third stays free. */
	if (groups->nrows + 1 > cap / 3 * 2)
		cap *= 2;
	if ((groups->sorted || cap != groups->cap_table) && !make_table(groups, cap))
		return NULL;
	place = place_of(groups, key);
	if (groups->table[place] != FREE)
		return &groups->rows[groups->table[place]];
	if (groups->nrows == FREE - 1)
		return NULL;
	if (groups->nrows == groups->cap_rows) {
		size_t more = groups->cap_rows ? groups->cap_rows * 2 : 64;

		group = reallocarray(groups->rows, more, sizeof(*group));
		if (!group)
			return NULL;
		groups->rows = group;
		groups->cap_rows = more;
	}
	group = &groups->rows[groups->nrows];
	*group = (struct qf_group_row){.oldest = QF_TIME_NONE, .counts = new_counts(groups)};
	if (key.p)
		group->key = qf_arena_copy(&groups->arena, key);
	if (!group->counts || (key.p && !group->key.p))
		return NULL;
	groups->table[place] = (uint32_t)groups->nrows++;
	return group;
}

/* ------------------------------------------------------------------ adding */

struct qf_groups *
qf_groups_new(const struct qf_field *field, const char *argument, const int64_t *limits,
	      size_t nlimits)
{
	struct qf_groups *groups = calloc(1, sizeof(*groups));

	if (!groups)
		return NULL;
	groups->field = field;
	groups->nature = field ? qf_field_nature(field) : QF_NATURE_PLAIN;
	groups->nlimits = nlimits;
	groups->seed = (qf_clock_ns() ^ (uintptr_t)groups) * 0x9e3779b97f4a7c15u | 1;
	groups->argument = argument ? strdup(argument) : NULL;
	groups->limits = reallocarray(NULL, nlimits + 1, sizeof(*groups->limits));
	groups->total = (struct qf_group_row){
		.key = {"TOTAL", 5}, .oldest = QF_TIME_NONE, .counts = new_counts(groups)};
	if ((argument && !groups->argument) || !groups->limits || !groups->total.counts ||
	    !make_table(groups, 256)) {
		qf_groups_free(groups);
		return NULL;
	}
	if (nlimits)
		memcpy(groups->limits, limits, nlimits * sizeof(*limits));
	return groups;
}

void
qf_groups_free(struct qf_groups *groups)
{
	if (!groups)
		return;
	qf_arena_release(&groups->arena);
	qf_buf_release(&groups->scratch);
	qf_buf_release(&groups->key);
	free(groups->argument);
	free(groups->limits);
	free(groups->rows);
	free(groups->table);
	free(groups);
}

/* Count the row in the total, where it is another one than last time. Memory of messages is used
   again, so the name is looked at too. */
static void
add_to_total(struct qf_groups *groups, const struct qf_row *row)
{
	struct last last = {row->msg, hash(groups->seed, qf_msg_files(row->msg)->path)};

	if (groups->serial && last.msg == groups->last.msg && last.path == groups->last.path)
		return;
	groups->last = last;
	groups->serial++;
	count(groups, &groups->total, row);
}

enum qf_code
qf_groups_add_key(struct qf_groups *groups, struct qf_slice key, const struct qf_row *row)
{
	struct qf_group_row *group = group_of(groups, key);

	if (!group)
		return QF_E_NOMEM;
	add_to_total(groups, row);
	counts_of(group)[-1] = groups->serial;
	count(groups, group, row);
	return QF_OK;
}

/* The same, but once for a message. */
static enum qf_code
add_once(struct qf_groups *groups, struct qf_slice key, const struct qf_row *row)
{
	struct qf_group_row *group = group_of(groups, key);

	if (!group || groups->key.failed || groups->scratch.failed)
		return QF_E_NOMEM;
	if (counts_of(group)[-1] == groups->serial)
		return QF_OK;
	counts_of(group)[-1] = groups->serial;
	count(groups, group, row);
	return QF_OK;
}

/* What a value is counted under: a status under its kind, an address without brackets; nothing
   has words of its own. */
static struct qf_slice
key_of(struct qf_groups *groups, struct qf_value value)
{
	static const char nobody[] = "<>", local[] = "(local)";
	struct qf_slice bare;

	if (!value.present)
		return (struct qf_slice){0};
	qf_buf_clear(&groups->key);
	if (groups->field->type != QF_FIELD_TEXT) {
		qf_field_format(groups->field, value, &groups->key);
		return (struct qf_slice){groups->key.p, groups->key.n};
	}
	switch (groups->nature) {
	case QF_NATURE_ADDRESS:
		bare = qf_address_bare(value.text);
		return bare.n ? bare : (struct qf_slice){nobody, sizeof(nobody) - 1};
	case QF_NATURE_DOMAIN:
		return value.text.n ? value.text : (struct qf_slice){local, sizeof(local) - 1};
	case QF_NATURE_STATUS:
		if (strcmp(groups->field->name, "status") != 0)
			return value.text;
		qf_status_kind(value.text, &groups->key);
		return (struct qf_slice){groups->key.n ? groups->key.p : "", groups->key.n};
	default:
		return value.text;
	}
}

/* The answers for a message are those for its recipients. */
static size_t
values_of(const struct qf_groups *groups, const struct qf_row *row)
{
	if (groups->nature == QF_NATURE_STATUS)
		return qf_msg_envelope(row->msg)->nrecipients;
	return qf_field_count(groups->field, row);
}

static struct qf_value
value_of(struct qf_groups *groups, const struct qf_row *row, size_t i)
{
	if (groups->nature == QF_NATURE_STATUS)
		return qf_field_of_status(groups->field, qf_row_recipient_status(row, i));
	return groups->field->get(row, i, groups->argument, &groups->scratch);
}

enum qf_code
qf_groups_add(struct qf_groups *groups, const struct qf_row *row)
{
	size_t n = values_of(groups, row);
	enum qf_code code = QF_OK;

	/* Added by its field, a row is always another one. */
	groups->last = (struct last){row->msg, hash(groups->seed, qf_msg_files(row->msg)->path)};
	groups->serial++;
	count(groups, &groups->total, row);
	/* One that has no recipient left counts too, under what can be said of it. */
	for (size_t i = 0; i < (n ? n : 1) && code == QF_OK; i++) {
		struct qf_value value = value_of(groups, row, i);
		struct qf_slice key = key_of(groups, value);

		if (groups->nature == QF_NATURE_ADDRESS && !groups->field->per_recipient &&
		    qf_row_null_sender(row))
			key = (struct qf_slice)QF_LITERAL("<>");
		code = add_once(groups, key, row);
	}
	return code;
}

/* ------------------------------------------------------------------ reading */

/* Most messages first, then by key; what has no key before all that have one. */
static int
compare(const void *left, const void *right)
{
	const struct qf_group_row *a = left, *b = right;
	size_t n = a->key.n < b->key.n ? a->key.n : b->key.n;
	int order;

	if (a->messages != b->messages)
		return a->messages > b->messages ? -1 : 1;
	if (!a->key.p || !b->key.p)
		return (a->key.p != NULL) - (b->key.p != NULL);
	order = n ? memcmp(a->key.p, b->key.p, n) : 0;
	return order ? order : (a->key.n > b->key.n) - (a->key.n < b->key.n);
}

const struct qf_group_row *
qf_groups_rows(struct qf_groups *groups, size_t *n)
{
	*n = groups->nrows;
	if (groups->nrows)
		qsort(groups->rows, groups->nrows, sizeof(*groups->rows), compare);
	groups->sorted = true;
	return groups->rows;
}

const struct qf_group_row *
qf_groups_total(struct qf_groups *groups)
{
	return &groups->total;
}
