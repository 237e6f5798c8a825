/*
 * sorted - rows kept with a sort key until all are there.
 */
#include <stdlib.h>
#include <string.h>

#include "sorted.h"

#define CHUNK ((size_t)1 << 20)

/* Text of the row, behind it the key where keys are text. */
struct row {
	const char *text;
	int64_t number;
	uint32_t length;
	uint32_t key_length;
	uint32_t sequence;
	bool present;
};

struct chunk {
	struct chunk *next;
	size_t used, size;
	char bytes[];
};

struct sorted {
	struct chunk *chunks;
	struct row *rows;
	size_t n, cap;
	bool text_keys, descending;
};

struct sorted *
sorted_new(bool text_keys, bool descending)
{
	struct sorted *sorted = calloc(1, sizeof(*sorted));

	if (sorted) {
		sorted->text_keys = text_keys;
		sorted->descending = descending;
	}
	return sorted;
}

void
sorted_free(struct sorted *sorted)
{
	if (!sorted)
		return;
	while (sorted->chunks) {
		struct chunk *next = sorted->chunks->next;

		free(sorted->chunks);
		sorted->chunks = next;
	}
	free(sorted->rows);
	free(sorted);
}

static char *
room(struct sorted *sorted, size_t n)
{
	struct chunk *chunk = sorted->chunks;

	if (!chunk || chunk->size - chunk->used < n) {
		size_t size = n > CHUNK ? n : CHUNK;

		chunk = malloc(sizeof(*chunk) + size);
		if (!chunk)
			return NULL;
		chunk->next = sorted->chunks;
		chunk->used = 0;
		chunk->size = size;
		sorted->chunks = chunk;
	}
	chunk->used += n;
	return chunk->bytes + chunk->used - n;
}

bool
sorted_add(struct sorted *sorted, struct qf_value key, struct qf_slice text)
{
	size_t key_length = sorted->text_keys && key.present ? key.text.n : 0;
	struct row *row;
	char *bytes;

	if (text.n > UINT32_MAX || key_length > UINT32_MAX || sorted->n == UINT32_MAX)
		return false;
	if (sorted->n == sorted->cap) {
		/* By halves: doubling would waste up to as much again at a million rows. */
		size_t cap = sorted->cap ? sorted->cap + sorted->cap / 2 : 1024;
		struct row *more = realloc(sorted->rows, cap * sizeof(*more));

		if (!more)
			return false;
		sorted->rows = more;
		sorted->cap = cap;
	}
	bytes = room(sorted, text.n + key_length);
	if (!bytes)
		return false;
	if (text.n)
		memcpy(bytes, text.p, text.n);
	if (key_length)
		memcpy(bytes + text.n, key.text.p, key_length);
	row = &sorted->rows[sorted->n];
	*row = (struct row){.text = bytes,
			    .number = key.number,
			    .length = (uint32_t)text.n,
			    .key_length = (uint32_t)key_length,
			    .sequence = (uint32_t)sorted->n,
			    .present = key.present};
	sorted->n++;
	return true;
}

static int
compare(const void *x, const void *y, void *ctx)
{
	const struct sorted *sorted = ctx;
	const struct row *a = x, *b = y;
	int order = 0;

	if (a->present != b->present)
		return a->present ? -1 : 1;
	if (sorted->text_keys) {
		size_t n = a->key_length < b->key_length ? a->key_length : b->key_length;

		order = n ? memcmp(a->text + a->length, b->text + b->length, n) : 0;
		if (!order)
			order = (a->key_length > b->key_length) - (a->key_length < b->key_length);
	} else {
		order = (a->number > b->number) - (a->number < b->number);
	}
	if (order)
		return sorted->descending ? -order : order;
	return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

void
sorted_sort(struct sorted *sorted)
{
	if (sorted->n)
		qsort_r(sorted->rows, sorted->n, sizeof(*sorted->rows), compare, sorted);
}

struct qf_slice
sorted_text(const struct sorted *sorted, size_t i)
{
	return (struct qf_slice){sorted->rows[i].text, sorted->rows[i].length};
}
