/*
 * mailq_store - the entries of one directory: kept, sorted, forgotten.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mailq.h"

/* Text is kept in blocks of this size, which are never copied. */
#define BLOCK ((size_t)1 << 20)

struct qf_mailq_block {
	struct qf_mailq_block *next;
	size_t used;
	char bytes[];
};

/* A block for at least n bytes, in front of the others or behind the first one. */
static struct qf_mailq_block *
add_block(struct qf_mailq_store *store, size_t n, bool front)
{
	struct qf_mailq_block *block = malloc(sizeof(*block) + n);
	struct qf_mailq_block **at =
		front || !store->blocks ? &store->blocks : &store->blocks->next;

	if (!block)
		return NULL;
	block->used = 0;
	block->next = *at;
	*at = block;
	return block;
}

/* A copy that lives as long as the entries; NULL when memory is out. */
static char *
keep(struct qf_mailq_store *store, const char *bytes, size_t n)
{
	struct qf_mailq_block *block = store->blocks;
	char *copy;

	/* A large text has a block of its own: the one in use is filled further. */
	if (n > BLOCK / 8) {
		block = add_block(store, n, false);
		if (!block)
			return NULL;
		block->used = BLOCK;
		return memcpy(block->bytes, bytes, n);
	}
	if (!block || BLOCK - block->used < n)
		block = add_block(store, BLOCK, true);
	if (!block)
		return NULL;
	copy = block->bytes + block->used;
	block->used += n;
	return memcpy(copy, bytes, n);
}

bool
qf_mailq_store_add(struct qf_mailq_store *store, const struct qf_mailq_head *head, const char *text)
{
	struct qf_mailq_item *item;

	if (store->n == store->cap) {
		size_t cap = store->cap ? store->cap * 2 : 256;
		struct qf_mailq_item *more = realloc(store->items, cap * sizeof(*more));

		if (!more)
			return false;
		store->items = more;
		store->cap = cap;
	}
	item = &store->items[store->n];
	item->key = head->key;
	item->text_n = head->text_n;
	item->word_n = head->word_n;
	item->mark = head->mark;
	item->locked = head->locked;
	item->text = keep(store, text, (size_t)head->text_n + head->word_n);
	if (!item->text)
		return false;
	store->n++;
	return true;
}

void
qf_mailq_store_clear(struct qf_mailq_store *store)
{
	while (store->blocks) {
		struct qf_mailq_block *next = store->blocks->next;

		free(store->blocks);
		store->blocks = next;
	}
	store->n = 0;
}

void
qf_mailq_store_release(struct qf_mailq_store *store)
{
	qf_mailq_store_clear(store);
	free(store->items);
	*store = (struct qf_mailq_store){0};
}

typedef int compare_fn(const struct qf_mailq_item *a, const struct qf_mailq_item *b);

static int
compare_keys(const struct qf_mailq_item *a, const struct qf_mailq_item *b)
{
	return (a->key > b->key) - (a->key < b->key);
}

static int
compare_names(const struct qf_mailq_item *a, const struct qf_mailq_item *b)
{
	size_t n = a->word_n < b->word_n ? a->word_n : b->word_n;
	int order = memcmp(a->text + a->text_n, b->text + b->text_n, n);

	return order ? order : (a->word_n > b->word_n) - (a->word_n < b->word_n);
}

static int
compare_hosts(const struct qf_mailq_item *a, const struct qf_mailq_item *b)
{
	size_t n = a->word_n < b->word_n ? a->word_n : b->word_n;
	int order = strncasecmp(a->text + a->text_n, b->text + b->text_n, n);

	return order ? order : (a->word_n > b->word_n) - (a->word_n < b->word_n);
}

static int
compare_locked_first(const struct qf_mailq_item *a, const struct qf_mailq_item *b)
{
	int order = compare_hosts(a, b);

	if (order == 0)
		order = b->locked - a->locked;
	return order ? order : compare_keys(a, b);
}

static int
compare_locked_last(const struct qf_mailq_item *a, const struct qf_mailq_item *b)
{
	int order = a->locked - b->locked;

	if (order == 0)
		order = compare_hosts(a, b);
	return order ? order : compare_keys(a, b);
}

/* Stable, which qsort() need not be. False when memory is out. */
static bool
sort_items(struct qf_mailq_item *items, size_t n, compare_fn *compare)
{
	struct qf_mailq_item *from = items, *to, *other;
	size_t sorted = 1;

	while (sorted < n && compare(&items[sorted - 1], &items[sorted]) <= 0)
		sorted++;
	if (sorted >= n)
		return true;
	other = malloc(n * sizeof(*other));
	if (!other)
		return false;
	to = other;
	for (size_t run = 1; run < n; run *= 2) {
		struct qf_mailq_item *done = to;

		for (size_t at = 0; at < n; at += 2 * run) {
			size_t left = at, middle = n - at < run ? n : at + run;
			size_t right = middle, end = n - middle < run ? n : middle + run;

			while (left < middle && right < end)
				*to++ = compare(&from[left], &from[right]) <= 0 ? from[left++]
										: from[right++];
			memcpy(to, from + left, (middle - left) * sizeof(*to));
			to += middle - left;
			memcpy(to, from + right, (end - right) * sizeof(*to));
			to += end - right;
		}
		to = from;
		from = done;
	}
	if (from != items)
		memcpy(items, from, n * sizeof(*items));
	free(other);
	return true;
}

/* A host that one message is locked for is busy: all others for it count as locked, and wait. */
static bool
sort_by_host(struct qf_mailq_store *store)
{
	struct qf_mailq_item *items = store->items;

	if (!sort_items(items, store->n, compare_locked_first))
		return false;
	for (size_t i = 1; i < store->n; i++) {
		if (items[i].locked || !items[i - 1].locked ||
		    compare_hosts(&items[i - 1], &items[i]) != 0)
			continue;
		items[i].locked = true;
		if (items[i].mark != QF_MAILQ_NO_MARK)
			items[i].text[items[i].mark] = '*';
	}
	return sort_items(items, store->n, compare_locked_last);
}

bool
qf_mailq_store_sort(struct qf_mailq_store *store, enum qf_sort_order order)
{
	switch (order) {
	case QF_ORDER_PRIORITY:
	case QF_ORDER_TIME:
	case QF_ORDER_MODIFICATION:
		return sort_items(store->items, store->n, compare_keys);
	case QF_ORDER_FILENAME:
		return sort_items(store->items, store->n, compare_names);
	case QF_ORDER_HOST:
	case QF_ORDER_SHUFFLE:
		return sort_by_host(store);
	case QF_ORDER_RANDOM:
	case QF_ORDER_NONE:
		break;
	}
	return true;
}
