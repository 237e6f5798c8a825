/*
 * salvage_again - a saved plan held against both sides as they are now.
 *
 * A plan may be old. So what it names is looked at once more, as if it were planned now: what has
 * arrived by another way, or is finished by the logs given, is skipped; an id that is taken there
 * meanwhile gets a new one. Nothing is added to the plan.
 */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "layout.h"
#include "salvage.h"

struct again {
	struct qf_salvage *salvage;
	struct qf_salvage_item *plan;
	size_t n, cap;
	struct qf_salvage_item **order; /* of the plan, by directory and name */
	bool (*wanted)(void *ctx, const struct qf_msg *msg);
	void *wanted_ctx;
};

static int
compare(const void *a, const void *b)
{
	const struct qf_salvage_item *x = *(struct qf_salvage_item *const *)a,
				     *y = *(struct qf_salvage_item *const *)b;

	return x->dir != y->dir ? (x->dir < y->dir ? -1 : 1) : strcmp(x->name, y->name);
}

static struct qf_salvage_item *
find(const struct again *again, size_t dir, const char *name, size_t n)
{
	struct qf_salvage_item key = {.dir = (uint16_t)dir}, *pointer = &key, **found;

	if (n >= sizeof(key.name))
		return NULL;
	memcpy(key.name, name, n);
	found = again->n ? bsearch(&pointer, again->order, again->n, sizeof(pointer), compare)
			 : NULL;
	return found ? *found : NULL;
}

static bool
is_planned(void *ctx, const struct qf_msg *msg)
{
	const struct again *again = ctx;
	const struct qf_files *files = qf_msg_files(msg);
	const struct qf_salvage_item *item = find(again, files->dir, files->name.p, files->name.n);

	return item && qf_salvage_is_to_move(item) &&
	       (!again->wanted || again->wanted(again->wanted_ctx, msg));
}

/* What was planned for it is kept as far as it still can be done. Its sum is the plan's: what has
   changed since is not moved. */
static void
bring_up_to_date(struct qf_salvage *salvage, struct qf_salvage_item *item,
		 const struct qf_salvage_item *now)
{
	bool planned = item->outcome != QF_SALVAGE_SKIP;
	const char *new_id = qf_salvage_item_new_id(salvage, item);

	item->bounce_at = now->bounce_at;
	if (now->outcome == QF_SALVAGE_SKIP || !planned) {
		item->outcome = now->outcome;
		item->why = now->why;
		item->detail = now->detail;
	}
	if (!planned)
		item->to_dir = now->to_dir;
	/* Where that cannot be told, it is as good as taken. */
	if (!new_id || qf_target_names(&salvage->target, NULL) ||
	    qf_names_find(salvage->target.names, new_id))
		item->new_id = now->new_id;
}

/* Without those beyond the limit. */
static void
keep_limit(struct again *again)
{
	uint64_t limit = again->salvage->options.limit, moving = 0;
	size_t kept = 0;

	for (size_t i = 0; i < again->n; i++) {
		moving += qf_salvage_is_to_move(&again->plan[i]);
		if (!limit || moving <= limit || !qf_salvage_is_to_move(&again->plan[i]))
			again->plan[kept++] = again->plan[i];
	}
	again->n = kept;
}

/* In order. No message may be there twice: only one of them would be brought up to date. */
static enum qf_code
sort(struct again *again, struct qf_err *err)
{
	for (size_t i = 0; i < again->n; i++)
		again->order[i] = &again->plan[i];
	qsort(again->order, again->n, sizeof(*again->order), compare);
	for (size_t i = 1; i < again->n; i++)
		if (compare(&again->order[i - 1], &again->order[i]) == 0)
			return qf_err_set(err, QF_E_DATA, again->order[i]->name,
					  "is twice in the plan");
	return QF_OK;
}

static enum qf_code
look(struct again *again, struct qf_err *err)
{
	struct qf_salvage *salvage = again->salvage;
	struct qf_salvage_options *options = &salvage->options;
	const struct qf_salvage_options given = *options;
	enum qf_code code;

	options->wanted = is_planned;
	options->wanted_ctx = again;
	options->limit = 0;
	options->report = NULL;
	options->two_looks = false;
	code = qf_salvage_look(salvage, err);
	*options = given;
	return code;
}

enum qf_code
qf_salvage_look_again(struct qf_salvage *salvage, struct qf_err *err)
{
	struct again again = {.salvage = salvage,
			      .plan = salvage->items,
			      .n = salvage->n,
			      .cap = salvage->cap,
			      .order = calloc(salvage->n + 1, sizeof(*again.order)),
			      .wanted = salvage->options.wanted,
			      .wanted_ctx = salvage->options.wanted_ctx};
	enum qf_code code;

	if (!again.order)
		return qf_err_nomem(err);
	salvage->items = NULL;
	salvage->n = salvage->cap = 0;
	code = sort(&again, err);
	if (!code)
		code = look(&again, err);
	/* Those that were not found are gone: that is told when their turn comes. */
	for (size_t i = 0; i < salvage->n && !code; i++) {
		const struct qf_salvage_item *now = &salvage->items[i];

		bring_up_to_date(salvage, find(&again, now->dir, now->name, strlen(now->name)),
				 now);
	}
	keep_limit(&again);
	free(again.order);
	free(salvage->items);
	salvage->items = again.plan;
	salvage->n = again.n;
	salvage->cap = again.cap;
	return code;
}
