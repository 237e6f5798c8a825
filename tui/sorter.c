/*
 * sorter - filters, sorts and counts rows in a thread of its own.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sorter.h"

const int64_t tui_ages[TUI_AGES] = {900, 3600, 4 * 3600, 86400, 3 * 86400};
const char *const tui_age_names[TUI_AGES + 1] = {"15m", "1h", "4h", "1d", "3d", "older"};

struct tui_sorter {
	struct qf_queue *queue;
	const struct qf_policy *policy;
	void (*post)(void *ctx, struct tui_order *order);
	void *ctx;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct tui_request next;
	bool asked, journal_asked, end;
	const char *journal;
	void (*post_journal)(void *ctx, struct tui_journal *journal);
	volatile int cancel;
};

/* A row's place: a number, or a text in the common buffer. */
struct key {
	int64_t number;
	uint32_t row;
	uint32_t text_n;
};

/* One sort at work. */
struct work {
	struct qf_queue *queue;
	const struct qf_policy *policy;
	const struct tui_request *request;
	struct tui_order *order;
	struct qf_query *base, *filter;
	struct qf_matcher *base_matcher, *matcher;
	struct qf_msg *msg;
	struct qf_buf scratch, texts;
	struct qf_groups *groups;
	bool look;       /* rows have to be recalled */
	bool from_file;  /* the filter asks for headers that are not kept */
	bool failed;
};

static bool
fail(struct work *w, const struct qf_err *err)
{
	snprintf(w->order->failure, sizeof(w->order->failure), "%.90s: %.90s", err->what, err->why);
	w->failed = true;
	return false;
}

static bool
matches(struct work *w, struct qf_matcher *matcher, const struct qf_row *row)
{
	bool matched = false;
	struct qf_err err;

	if (qf_matcher_match(matcher, row, &matched, &err))
		return fail(w, &err);
	return matched;
}

/* Is it in the group: does its value say so, counted as groups are? */
static bool
is_inside(struct work *w, const struct qf_row *row)
{
	const struct tui_request *request = w->request;
	struct qf_groups *groups = qf_groups_new(request->inside, NULL, tui_ages, 0);
	const struct qf_group_row *rows;
	bool found = false;
	size_t n = 0;

	if (!groups)
		return false;
	if (qf_groups_add(groups, row) == QF_OK) {
		rows = qf_groups_rows(groups, &n);
		for (size_t i = 0; i < n && !found; i++)
			found = rows[i].key.n == request->key_n &&
				!memcmp(rows[i].key.p, request->key, request->key_n);
	}
	qf_groups_free(groups);
	return found;
}

static size_t
age_of(int64_t created, int64_t now)
{
	size_t i = 0;

	while (i < TUI_AGES && qf_time_between(created, now) > tui_ages[i])
		i++;
	return i;
}

struct header_search {
	struct work *w;
	bool matched;
};

static bool
match_file(void *ctx, struct qf_msg *msg)
{
	struct header_search *search = ctx;
	struct qf_row row;

	qf_row_init(&row, msg, search->w->queue, search->w->policy, search->w->request->now);
	search->matched = matches(search->w, search->w->matcher, &row);
	return false;
}

/* Ask the control file itself: of the headers only some are kept. */
static bool
file_matches(struct work *w, const struct qf_row *row)
{
	struct header_search search = {.w = w};
	char path[4096];
	struct qf_slice p = qf_msg_files(row->msg)->path;

	if (p.n >= sizeof(path))
		return false;
	memcpy(path, p.p, p.n);
	path[p.n] = '\0';
	/* One that has gone meanwhile matches nothing. */
	qf_queue_find(w->queue, path,
		      QF_NEED_STAT | QF_NEED_BUSY | QF_NEED_DATA | QF_NEED_HEADERS, match_file,
		      &search, NULL);
	return search.matched;
}

static void
take_key(struct work *w, struct key *key, const struct qf_row *row)
{
	const struct qf_field *field = w->request->sort;
	struct qf_value value = {0};

	key->number = INT64_MIN;
	if (qf_field_count(field, row))
		value = field->get(row, 0, NULL, &w->scratch);
	if (field->type != QF_FIELD_TEXT) {
		key->number = value.present ? value.number : INT64_MIN;
	} else {
		key->number = (int64_t)w->texts.n;
		key->text_n = value.present && value.text.n < 4096 ? (uint32_t)value.text.n : 0;
		qf_buf_add(&w->texts, value.text.p, key->text_n);
	}
}

/* One row: is it in, what is its key, which group does it count in. */
static bool
take(struct work *w, uint32_t at, struct key *key)
{
	const struct tui_request *request = w->request;
	const struct tui_row *r = request->picture->rows[at];
	struct qf_row row;
	struct qf_err err;

	*key = (struct key){.row = at, .number = r->created};
	if (!w->look)
		return true;
	if (qf_msg_recall(w->queue, r->dir, (struct qf_slice){r->name, r->name_n},
			  (struct qf_slice){r->kept, r->n}, &w->msg, &err))
		return fail(w, &err);
	qf_row_init(&row, w->msg, w->queue, w->policy, request->now);
	if ((w->base && !matches(w, w->base_matcher, &row)) || w->failed)
		return false;
	if (w->filter && !(w->from_file ? file_matches(w, &row) : matches(w, w->matcher, &row)))
		return false;
	if (request->inside && !is_inside(w, &row))
		return false;
	if (!request->by)
		take_key(w, key, &row);
	else if (strcmp(request->by->name, "age") == 0)
		qf_groups_add_key(w->groups, (struct qf_slice){
			tui_age_names[age_of(r->created, request->now)],
			strlen(tui_age_names[age_of(r->created, request->now)])}, &row);
	else
		qf_groups_add(w->groups, &row);
	return !w->failed;
}

static int
compare_names(const struct tui_row *a, const struct tui_row *b)
{
	int order = a->dir < b->dir ? -1 : a->dir > b->dir;

	return order ? order : strncmp(a->name, b->name, QF_NAME_MAX);
}

static int
compare(const void *left, const void *right, void *arg)
{
	const struct work *w = arg;
	const struct key *a = left, *b = right;
	struct tui_row *const *rows = w->request->picture->rows;
	int order = 0;

	if (w->look && w->request->sort->type == QF_FIELD_TEXT) {
		size_t n = a->text_n < b->text_n ? a->text_n : b->text_n;

		order = n ? strncasecmp(w->texts.p + a->number, w->texts.p + b->number, n) : 0;
		if (!order)
			order = a->text_n < b->text_n ? -1 : a->text_n > b->text_n;
		/* What has no text comes last. */
		if (!a->text_n != !b->text_n)
			return a->text_n ? -1 : 1;
	} else {
		order = a->number < b->number ? -1 : a->number > b->number;
	}
	if (w->request->descending)
		order = -order;
	return order ? order : compare_names(rows[a->row], rows[b->row]);
}

/* So many are named: as many as a screen has. */
#define HOLDERS_MOST 100

static bool
name_holder(void *ctx, struct qf_msg *msg)
{
	char **holder = ctx;
	struct qf_buf title = {0};
	pid_t pid = qf_lock_holder(msg, &title);

	if (pid && asprintf(holder, "%ld %.*s", (long)pid, (int)title.n, title.n ? title.p : "") < 0)
		*holder = NULL;
	qf_buf_release(&title);
	return false;
}

/* Who holds the locks of the first rows. */
static void
name_holders(struct work *w)
{
	struct tui_order *order = w->order;
	size_t n = order->n < HOLDERS_MOST ? order->n : HOLDERS_MOST;

	order->holders = calloc(n ? n : 1, sizeof(*order->holders));
	for (size_t i = 0; order->holders && i < n; i++, order->nholders++) {
		const struct tui_row *row = order->picture->rows[order->index[i]];
		const struct qf_dir *dir = qf_queue_dir(w->queue, row->dir);
		char *path = NULL;

		if (asprintf(&path, "%s%s/%.*s", dir->path, dir->split_qf ? "/qf" : "",
			     (int)row->name_n, row->name) < 0)
			continue;
		qf_queue_find(w->queue, path, QF_NEED_STAT, name_holder, &order->holders[i], NULL);
		free(path);
	}
}

/* The groups as plain data, largest first; by age in the order of ages. */
static void
copy_groups(struct work *w)
{
	size_t n;
	const struct qf_group_row *rows = qf_groups_rows(w->groups, &n);
	struct tui_order *order = w->order;

	order->grouped = true;
	order->groups = calloc(n ? n : 1, sizeof(*order->groups));
	for (size_t i = 0; order->groups && i < n; i++) {
		struct tui_group *group = &order->groups[order->ngroups];

		group->key = malloc(rows[i].key.n + 1);
		if (!group->key)
			break;
		memcpy(group->key, rows[i].key.n ? rows[i].key.p : "", rows[i].key.n);
		group->key[rows[i].key.n] = '\0';
		group->key_n = rows[i].key.n;
		group->messages = rows[i].messages;
		group->size = rows[i].size;
		group->oldest = rows[i].oldest;
		for (size_t k = 0; k <= TUI_AGES; k++)
			group->ages[k] = rows[i].counts[k];
		order->ngroups++;
	}
}

static bool
begin(struct work *w)
{
	const struct tui_request *request = w->request;
	struct qf_err err;

	if (*request->base && qf_query_parse(request->base, request->now, &w->base, &err))
		return fail(w, &err);
	if (request->filter && *request->filter) {
		if (qf_query_parse(request->filter, request->now, &w->filter, &err))
			return fail(w, &err);
		w->from_file = strcasestr(request->filter, "header.") != NULL;
	}
	w->base_matcher = w->base ? qf_matcher_new(w->base) : NULL;
	w->matcher = w->filter ? qf_matcher_new(w->filter) : NULL;
	if (request->by)
		w->groups = qf_groups_new(request->by, NULL, tui_ages, TUI_AGES);
	/* By age and all of them: rows know that themselves. */
	w->look = w->base || w->filter || request->inside || request->by ||
		  strcmp(request->sort->name, "created") != 0;
	return !request->by || w->groups;
}

struct tui_order *
tui_sort(struct qf_queue *queue, const struct qf_policy *policy, const struct tui_request *request,
	 const volatile int *cancel)
{
	struct tui_picture *picture = request->picture;
	struct tui_order *order = calloc(1, sizeof(*order));
	struct key *keys = malloc((picture->n ? picture->n : 1) * sizeof(*keys));
	struct work w = {.queue = queue, .policy = policy, .request = request, .order = order};
	bool cancelled = false;
	size_t n = 0;

	if (!order || !keys) {
		free(order);
		free(keys);
		return NULL;
	}
	order->list = request->list;
	order->serial = request->serial;
	order->picture = tui_picture_share(picture);
	if (begin(&w)) {
		for (size_t i = 0; i < picture->n && !w.failed && !cancelled; i++) {
			n += take(&w, (uint32_t)i, &keys[n]);
			cancelled = i % 64 == 0 && cancel && *cancel;
		}
	}
	if (!cancelled && w.groups) {
		copy_groups(&w);
	} else if (!cancelled) {
		if (n)
			qsort_r(keys, n, sizeof(*keys), compare, &w);
		order->index = malloc((n ? n : 1) * sizeof(*order->index));
		for (size_t i = 0; order->index && i < n; i++)
			order->index[i] = keys[i].row;
		order->n = order->index ? n : 0;
		if (request->holders)
			name_holders(&w);
	}
	free(keys);
	qf_matcher_free(w.base_matcher);
	qf_matcher_free(w.matcher);
	qf_query_free(w.base);
	qf_query_free(w.filter);
	qf_groups_free(w.groups);
	qf_msg_free(w.msg);
	qf_buf_release(&w.scratch);
	qf_buf_release(&w.texts);
	if (cancelled) {
		tui_order_free(order);
		return NULL;
	}
	return order;
}

void
tui_order_free(struct tui_order *order)
{
	if (!order)
		return;
	for (size_t i = 0; i < order->ngroups; i++)
		free(order->groups[i].key);
	for (size_t i = 0; i < order->nholders; i++)
		free(order->holders[i]);
	free(order->holders);
	free(order->groups);
	free(order->index);
	tui_picture_drop(order->picture);
	free(order);
}

void
tui_request_release(struct tui_request *request)
{
	tui_picture_drop(request->picture);
	free(request->filter);
	free(request->key);
	*request = (struct tui_request){0};
}

/* ------------------------------------------------------------------ the journal */

void
tui_journal_release(struct tui_journal *journal)
{
	for (size_t i = 0; i < journal->n; i++) {
		struct tui_entry *e = &journal->entries[i];

		free(e->entry);
		free(e->user);
		free(e->command);
		free(e->id);
		free(e->result);
		free(e->note);
		free(e->why);
	}
	free(journal->entries);
	*journal = (struct tui_journal){0};
}

static char *
copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* More of them than anybody looks through; what comes behind them is not shown. */
#define ENTRIES_MOST 200000

static bool
take_entry(void *ctx, const struct qf_journal_entry *e)
{
	struct tui_journal *journal = ctx;
	struct tui_entry *entry;

	if (journal->n >= ENTRIES_MOST)
		return false;
	if ((journal->n & (journal->n - 1)) == 0) {
		size_t cap = journal->n ? journal->n * 2 : 1;
		struct tui_entry *more = realloc(journal->entries, cap * sizeof(*more));

		if (!more)
			return false;
		journal->entries = more;
	}
	entry = &journal->entries[journal->n++];
	*entry = (struct tui_entry){.entry = copy(e->entry),
				    .user = copy(e->user),
				    .command = copy(e->command),
				    .id = copy(e->id),
				    .result = copy(qf_journal_result(e)),
				    .note = copy(e->note ? e->note : e->was_reason),
				    .why = copy(e->undo_why ? e->undo_why : e->why),
				    .time = e->time,
				    .undo = e->undo};
	return true;
}

static void
read_journal(struct tui_sorter *s)
{
	struct tui_journal *journal = calloc(1, sizeof(*journal));
	struct qf_err err;

	if (!journal)
		return;
	if (qf_journal_read(s->queue, s->journal, take_entry, journal, NULL, &err))
		snprintf(journal->failure, sizeof(journal->failure), "%.90s: %.90s", err.what, err.why);
	for (size_t i = 0; i < journal->n / 2; i++) {
		struct tui_entry other = journal->entries[i];

		journal->entries[i] = journal->entries[journal->n - 1 - i];
		journal->entries[journal->n - 1 - i] = other;
	}
	journal->known = true;
	s->post_journal(s->ctx, journal);
}

static void *
run(void *arg)
{
	struct tui_sorter *s = arg;

	pthread_mutex_lock(&s->mutex);
	while (!s->end) {
		struct tui_request request;
		struct tui_order *order;

		if (!s->asked && s->journal_asked) {
			s->journal_asked = false;
			pthread_mutex_unlock(&s->mutex);
			read_journal(s);
			pthread_mutex_lock(&s->mutex);
			continue;
		}
		if (!s->asked) {
			pthread_cond_wait(&s->wake, &s->mutex);
			continue;
		}
		request = s->next;
		s->next = (struct tui_request){0};
		s->asked = false;
		s->cancel = 0;
		pthread_mutex_unlock(&s->mutex);
		order = tui_sort(s->queue, s->policy, &request, &s->cancel);
		tui_request_release(&request);
		if (order)
			s->post(s->ctx, order);
		pthread_mutex_lock(&s->mutex);
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

struct tui_sorter *
tui_sorter_new(struct qf_queue *queue, const struct qf_policy *policy,
	       const char *journal, void (*post)(void *ctx, struct tui_order *order),
	       void (*post_journal)(void *ctx, struct tui_journal *journal), void *ctx)
{
	struct tui_sorter *s = calloc(1, sizeof(*s));
	sigset_t all, before;
	int failed;

	if (!s)
		return NULL;
	s->queue = queue;
	s->policy = policy;
	s->journal = journal;
	s->post = post;
	s->post_journal = post_journal;
	s->ctx = ctx;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	failed = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		free(s);
		return NULL;
	}
	return s;
}

void
tui_sorter_ask(struct tui_sorter *s, struct tui_request *request, bool urgent)
{
	pthread_mutex_lock(&s->mutex);
	tui_request_release(&s->next);
	s->next = *request;
	*request = (struct tui_request){0};
	s->asked = true;
	if (urgent)
		s->cancel = 1;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->mutex);
}

void
tui_sorter_ask_journal(struct tui_sorter *s)
{
	pthread_mutex_lock(&s->mutex);
	s->journal_asked = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->mutex);
}

void
tui_sorter_free(struct tui_sorter *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->end = true;
	s->cancel = 1;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->mutex);
	pthread_join(s->thread, NULL);
	tui_request_release(&s->next);
	pthread_cond_destroy(&s->wake);
	pthread_mutex_destroy(&s->mutex);
	free(s);
}
