/*
 * salvage_log - messages that the mail log shows delivered or returned to all their recipients:
 * they are not brought anywhere.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fate.h"
#include "salvage.h"

struct reading {
	struct qf_salvage *salvage;
	size_t *order;		  /* of the items, by id */
	struct qf_logged **fates; /* in that order */
};

/* For qsort(), which has no context. Only one plan is made at a time in a thread. */
static _Thread_local const struct qf_salvage_item *items_in_hand;

static int
compare(const void *a, const void *b)
{
	return strcmp(items_in_hand[*(const size_t *)a].name + 2,
		      items_in_hand[*(const size_t *)b].name + 2);
}

static size_t
place(void *ctx, struct qf_slice id)
{
	const struct reading *reading = ctx;
	size_t low = 0, high = reading->salvage->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const char *other = reading->salvage->items[reading->order[middle]].name + 2;
		size_t n = strlen(other);
		int order = memcmp(id.p, other, id.n < n ? id.n : n);

		if (order == 0 && id.n == n)
			return middle;
		if (order < 0 || (order == 0 && id.n < n))
			high = middle;
		else
			low = middle + 1;
	}
	return SIZE_MAX;
}

struct asked {
	const struct qf_logged *fate;
	const char *name;
	size_t dir;
	bool finished;
};

static bool
ask(void *ctx, struct qf_msg *msg)
{
	struct asked *asked = ctx;
	const struct qf_files *files = qf_msg_files(msg);

	if (files->dir != asked->dir || files->name.n != strlen(asked->name) ||
	    memcmp(files->name.p, asked->name, files->name.n) != 0)
		return true;
	asked->finished = qf_logged_is_finished(asked->fate, msg);
	return false;
}

static void
judge(struct qf_salvage *salvage, struct qf_salvage_item *item, const struct qf_logged *fate)
{
	struct asked asked = {.fate = fate,
			      .name = item->name,
			      .dir = item->dir,
			      .finished = fate->ended || fate->expired};

	if (!asked.finished && fate->nrcpt)
		qf_queue_find(salvage->from, item->name + 2, 0, ask, &asked, NULL);
	if (!asked.finished)
		return;
	qf_salvage_skip(salvage, item, QF_SALVAGE_WHY_DELIVERED,
			"the log shows that nobody is owed it any more");
}

enum qf_code
qf_salvage_read_logs(struct qf_salvage *salvage, struct qf_err *err)
{
	const struct qf_salvage_options *options = &salvage->options;
	struct qf_arena arena = {0};
	struct reading reading = {.salvage = salvage,
				  .order = calloc(salvage->n + 1, sizeof(*reading.order)),
				  .fates = calloc(salvage->n + 1, sizeof(*reading.fates))};
	struct qf_fates fates = {.arena = &arena,
				 .fates = reading.fates,
				 .place = place,
				 .ctx = &reading,
				 .max_ops = options->max_ops,
				 .cancel = options->cancel,
				 .log = &salvage->log};
	enum qf_code code = reading.order && reading.fates ? QF_OK : qf_err_nomem(err);

	for (size_t i = 0; !code && i < salvage->n; i++)
		reading.order[i] = i;
	items_in_hand = salvage->items;
	if (!code && salvage->n)
		qsort(reading.order, salvage->n, sizeof(*reading.order), compare);
	if (!code)
		code = qf_fates_read(&fates, options->logs, options->nlogs, err);
	for (size_t i = 0; !code && i < salvage->n; i++) {
		struct qf_salvage_item *item = &salvage->items[reading.order[i]];
		/* Of several of one id the log may mean any: none of them is judged. */
		const struct qf_logged *fate = reading.fates[i];

		if (fate && item->outcome != QF_SALVAGE_SKIP)
			judge(salvage, item, fate);
	}
	qf_arena_release(&arena);
	free(reading.order);
	free(reading.fates);
	return code;
}
