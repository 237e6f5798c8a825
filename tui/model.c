/*
 * model - all that the TUI knows, and the one door through which it changes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "view.h"

const char *const tui_sorts[] = {"age", "idle", "size", "tries", "from", "domain", "status", "id",
				 NULL};
const char *const tui_bys[] = {"domain", "from-domain", "status", "dsn", "age", "from", NULL};

/* What each view lists whatever the filter says. */
static const char *const bases[TUI_VIEWS] = {"", "", "is:held or is:lost", "is:busy", ""};

/* A picture older than this many intervals is told to be old. */
#define STALE 3

void
tui_note(struct tui_model *model, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(model->note, sizeof(model->note), format, args);
	va_end(args);
	model->note_at = model->clock;
}

enum qf_code
tui_model_init(struct tui_model *model, const struct tui_config *config, int64_t clock,
	       struct qf_err *err)
{
	enum qf_code code;

	*model = (struct tui_model){.config = config,
				    .queue = config->queues[2],
				    .clock = clock,
				    .now = config->now != QF_TIME_NONE ? config->now : clock,
				    .key_at = clock,
				    .opened_at = clock,
				    .read_at = QF_TIME_NONE,
				    .interval = config->refresh,
				    .minute = clock / 60,
				    .error_at = SIZE_MAX,
				    .lines = 24,
				    .columns = 80};
	model->happened = calloc(TUI_HAPPENED, sizeof(*model->happened));
	code = tui_keymap_init(&model->keymap, config->keys, config->nkeys, err);
	if (!code && !model->happened) {
		*err = (struct qf_err){.code = QF_E_NOMEM, .what = "memory", .why = "none left"};
		code = QF_E_NOMEM;
	}
	if (code)
		tui_model_release(model);
	return code;
}

void
tui_jobs_release(struct tui_jobs *jobs)
{
	free(jobs->jobs);
	*jobs = (struct tui_jobs){0};
}

void
tui_model_release(struct tui_model *model)
{
	tui_keymap_release(&model->keymap);
	tui_picture_drop(model->picture);
	for (size_t i = 0; i < TUI_VIEWS; i++) {
		tui_order_free(model->lists[i].order);
		free(model->lists[i].on_group);
	}
	free(model->key);
	tui_marks_clear(&model->marks);
	tui_text_close(model);
	qf_buf_release(&model->text.bytes);
	free(model->text.starts);
	for (size_t i = 0; i <= TUI_ASK_COMMAND; i++)
		for (size_t k = 0; k < model->histories[i].n; k++)
			free(model->histories[i].lines[k]);
	tui_run_clear(&model->run);
	tui_journal_release(&model->journal);
	tui_jobs_release(&model->jobs);
	free(model->happened);
	qf_msg_free(model->scratch);
	qf_buf_release(&model->scratch_text);
	qf_buf_release(&model->scratch_cell);
	*model = (struct tui_model){0};
}

/* ------------------------------------------------------------------ rows and their fields */

bool
tui_recall(struct tui_model *model, const struct tui_row *row, struct qf_row *out)
{
	if (qf_msg_recall(model->queue, row->dir, (struct qf_slice){row->name, row->name_n},
			  (struct qf_slice){row->kept, row->n}, &model->scratch, NULL))
		return false;
	qf_row_init(out, model->scratch, model->queue, model->config->policy, model->now);
	return true;
}

static void
redact(const struct tui_model *model, const struct qf_field *field, struct qf_slice text,
       struct qf_buf *out)
{
	bool address = strcmp(field->name, "from") == 0 || strcmp(field->name, "rcpt") == 0;

	if (!model->config->redactor || field->domain)
		qf_buf_add(out, text.p, text.n);
	else if (address)
		qf_redact_address(model->config->redactor, text, out);
	else if (strcmp(field->name, "subject") && strcmp(field->name, "message_id"))
		qf_redact_text(model->config->redactor, text, out);
}

struct qf_slice
tui_field_text(struct tui_model *model, const struct qf_field *field, const struct qf_row *row)
{
	struct qf_buf *out = &model->scratch_cell;
	size_t n = qf_field_count(field, row);
	struct qf_value value = {0};
	bool address = strcmp(field->name, "from") == 0 || strcmp(field->name, "rcpt") == 0;

	qf_buf_clear(out);
	if (n)
		value = field->get(row, 0, NULL, &model->scratch_text);
	if (value.present && field->type == QF_FIELD_TEXT) {
		/* Read more easily without brackets; the null sender is nothing without. */
		if (address && value.text.n > 2 && value.text.p[0] == '<' &&
		    value.text.p[value.text.n - 1] == '>') {
			value.text.p++;
			value.text.n -= 2;
		}
		redact(model, field, value.text, out);
	} else if (value.present) {
		qf_field_format(field, value, out);
	}
	if (n > 1)
		qf_buf_addf(out, " +%zu", n - 1);
	return (struct qf_slice){out->n ? out->p : "", out->n};
}

/* ------------------------------------------------------------------ lists */

struct tui_list *
tui_current_list(struct tui_model *model)
{
	return &model->lists[model->view];
}

size_t
tui_body_lines(const struct tui_model *model)
{
	return model->lines > TUI_TOP + TUI_BOTTOM ? model->lines - TUI_TOP - TUI_BOTTOM : 1;
}

/* Entries of the list in view. */
static size_t
length(const struct tui_model *model)
{
	const struct tui_order *order = model->lists[model->view].order;

	if (model->view == TUI_JOURNAL)
		return model->journal.n;
	return !order ? 0 : model->view == TUI_GROUPS ? order->ngroups : order->n;
}

struct tui_row *
tui_current_row(const struct tui_model *model)
{
	const struct tui_list *list = &model->lists[model->view];

	if (model->text.kind == TUI_TEXT_MESSAGE)
		return model->text.row;
	if (model->text.kind != TUI_TEXT_NONE || model->view == TUI_JOURNAL ||
	    model->view == TUI_GROUPS || !list->order || list->cursor >= list->order->n)
		return NULL;
	return list->order->picture->rows[list->order->index[list->cursor]];
}

/* Remember what the cursor is on. */
static void
remember(struct tui_model *model, struct tui_list *list)
{
	const struct tui_order *order = list->order;
	size_t i = list->cursor;

	if (!order)
		return;
	if (order->grouped && i < order->ngroups) {
		free(list->on_group);
		list->on_group = strdup(order->groups[i].key);
	} else if (!order->grouped && i < order->n) {
		const struct tui_row *row = order->picture->rows[order->index[i]];

		list->on.dir = row->dir;
		memcpy(list->on.name, row->name, sizeof(list->on.name));
	}
	(void)model;
}

static void
scroll(size_t *top, size_t cursor, size_t n, size_t body)
{
	if (cursor < *top)
		*top = cursor;
	if (cursor >= *top + body)
		*top = cursor - body + 1;
	if (*top + body > n)
		*top = n > body ? n - body : 0;
}

static void
go(struct tui_model *model, size_t to)
{
	size_t n = length(model), body = tui_body_lines(model);
	struct tui_list *list = tui_current_list(model);
	size_t *cursor = model->view == TUI_JOURNAL ? &model->journal.cursor : &list->cursor;
	size_t *top = model->view == TUI_JOURNAL ? &model->journal.top : &list->top;

	if (model->view == TUI_ACTIVITY && body > TUI_ACTIVITY_HEAD)
		body = tui_activity_busy_lines(model);
	*cursor = n == 0 ? 0 : to < n ? to : n - 1;
	scroll(top, *cursor, n, body ? body : 1);
	remember(model, list);
	list->moved = *cursor != 0;
}

/* Where the message that the cursor was on is now; where it has gone, the place stays. */
static size_t
find_again(const struct tui_list *list, const struct tui_order *order)
{
	size_t other = SIZE_MAX;

	for (size_t i = 0; order->grouped && list->on_group && i < order->ngroups; i++)
		if (strcmp(order->groups[i].key, list->on_group) == 0)
			return i;
	for (size_t i = 0; !order->grouped && i < order->n; i++) {
		const struct tui_row *row = order->picture->rows[order->index[i]];

		if (row->dir != list->on.dir || strncmp(row->name + 2, list->on.name + 2,
							sizeof(row->name) - 2))
			continue;
		if (row->name[0] == list->on.name[0])
			return i;
		other = i; /* held or released meanwhile: the same message */
	}
	return other != SIZE_MAX ? other : list->cursor;
}

static unsigned
take_order(struct tui_model *model, struct tui_order *order)
{
	struct tui_list *list = &model->lists[order->list < TUI_VIEWS ? order->list : 0];
	size_t n, line, body = tui_body_lines(model);

	/* One that was asked for before the filter changed. */
	if (order->serial < list->serial) {
		tui_order_free(order);
		return 0;
	}
	n = order->grouped ? order->ngroups : order->n;
	line = list->cursor - list->top;
	if (list->moved)
		list->cursor = find_again(list, order);
	if (list->cursor >= n)
		list->cursor = n ? n - 1 : 0;
	list->top = list->cursor > line ? list->cursor - line : 0;
	tui_order_free(list->order);
	list->order = order;
	scroll(&list->top, list->cursor, n, body);
	remember(model, list);
	return TUI_DRAW;
}

bool
tui_model_request(struct tui_model *model, struct tui_request *request)
{
	struct tui_list *list = tui_current_list(model);

	if (!model->picture || model->view == TUI_JOURNAL)
		return false;
	*request = (struct tui_request){
		.list = model->view,
		.serial = list->serial,
		.picture = tui_picture_share(model->picture),
		.base = bases[model->view],
		.filter = list->filter.n ? strndup(list->filter.text, list->filter.n) : NULL,
		.by = model->view == TUI_GROUPS ? qf_field_find(tui_bys[model->by], NULL) : NULL,
		/* The oldest first, which is what sorting by age is for. */
		.sort = qf_field_find(model->sort == 0 ? "created" : tui_sorts[model->sort], NULL),
		.now = model->now,
	};
	/* What is large comes first; of texts and ages the other way round. */
	request->descending = model->reversed ^
			      (model->sort > 0 && request->sort->type != QF_FIELD_TEXT);
	if (model->view == TUI_MESSAGES && model->inside) {
		request->inside = model->inside;
		request->key = malloc(model->key_n + 1);
		if (request->key)
			memcpy(request->key, model->key, model->key_n);
		request->key_n = request->key ? model->key_n : 0;
	}
	return true;
}

/* The list has to be made anew, of other rows. */
static unsigned
sort_urgently(struct tui_model *model)
{
	tui_current_list(model)->serial = ++model->serial;
	return TUI_DRAW | TUI_SORT_AGAIN | TUI_SORT_URGENT;
}

static unsigned
show_view(struct tui_model *model, enum tui_view view)
{
	unsigned effects = 0;

	if (model->text.kind != TUI_TEXT_NONE) {
		tui_text_close(model);
		effects |= TUI_END_RUN;
	}
	model->view = view;
	if (view == TUI_JOURNAL)
		return effects | TUI_DRAW | TUI_READ_JOURNAL;
	return effects | TUI_DRAW | TUI_SORT_AGAIN;
}

/* ------------------------------------------------------------------ actions in lists */

static unsigned
open_current(struct tui_model *model)
{
	struct tui_list *list = tui_current_list(model);
	struct tui_row *row = tui_current_row(model);

	if (model->view == TUI_GROUPS && list->order && list->cursor < list->order->ngroups) {
		const struct tui_group *group = &list->order->groups[list->cursor];
		struct tui_list *messages = &model->lists[TUI_MESSAGES];

		free(model->key);
		model->key = malloc(group->key_n + 1);
		if (!model->key)
			return 0;
		memcpy(model->key, group->key, group->key_n + 1);
		model->key_n = group->key_n;
		model->inside = qf_field_find(tui_bys[model->by], NULL);
		messages->filter = list->filter;
		messages->cursor = messages->top = 0;
		messages->moved = false;
		tui_order_free(messages->order);
		messages->order = NULL;
		model->back_to = TUI_GROUPS;
		model->view = TUI_MESSAGES;
		return sort_urgently(model);
	}
	if (model->view == TUI_JOURNAL && model->journal.cursor < model->journal.n) {
		const struct tui_entry *e = &model->journal.entries[model->journal.cursor];

		tui_note(model, "%s%s%s", e->entry, e->why ? ": " : "", e->why ? e->why : "");
		return TUI_DRAW;
	}
	if (!row)
		return 0;
	tui_text_open(model, TUI_TEXT_MESSAGE, "");
	model->text.row = tui_row_share(row);
	return tui_show_part(model, TUI_SUMMARY);
}

/* Out of a group, or out of a filter. */
static unsigned
back(struct tui_model *model)
{
	struct tui_list *list = tui_current_list(model);

	if (model->view == TUI_MESSAGES && model->inside) {
		model->inside = NULL;
		tui_order_free(list->order);
		list->order = NULL;
		list->filter = (struct tui_line){0};
		list->serial = ++model->serial;
		list->moved = false;
		list->cursor = list->top = 0;
		model->view = model->back_to;
		return TUI_DRAW | TUI_SORT_AGAIN | TUI_SORT_URGENT;
	}
	if (list->filter.n && model->view != TUI_JOURNAL) {
		list->filter = (struct tui_line){0};
		return sort_urgently(model);
	}
	return model->view != TUI_MESSAGES ? show_view(model, TUI_MESSAGES) : 0;
}

static unsigned
mark_current(struct tui_model *model)
{
	struct tui_row *row = tui_current_row(model);

	if (!row)
		return 0;
	if (!tui_mark(&model->marks, row, !tui_is_marked(&model->marks, row)))
		tui_note(model, "memory: none left");
	go(model, tui_current_list(model)->cursor + 1);
	return TUI_DRAW;
}

static unsigned
mark_all(struct tui_model *model)
{
	const struct tui_order *order = tui_current_list(model)->order;

	for (size_t i = 0; order && i < order->n && model->view != TUI_JOURNAL; i++)
		if (!tui_mark(&model->marks, order->picture->rows[order->index[i]], true))
			break;
	tui_note(model, "%zu marked", model->marks.n);
	return TUI_DRAW;
}

static unsigned
next_sort(struct tui_model *model)
{
	if (model->view == TUI_GROUPS) {
		model->by = tui_bys[model->by + 1] ? model->by + 1 : 0;
		tui_current_list(model)->moved = false;
		tui_current_list(model)->cursor = 0;
	} else {
		model->sort = tui_sorts[model->sort + 1] ? model->sort + 1 : 0;
		tui_note(model, "sorted by %s", tui_sorts[model->sort]);
	}
	return sort_urgently(model);
}

static unsigned
list_action(struct tui_model *model, enum tui_action action)
{
	struct tui_list *list = tui_current_list(model);
	size_t page = tui_body_lines(model), n = length(model);
	size_t at = model->view == TUI_JOURNAL ? model->journal.cursor : list->cursor;

	switch (action) {
	case TUI_UP:
		go(model, at ? at - 1 : 0);
		return TUI_DRAW;
	case TUI_DOWN:
		go(model, at + 1);
		return TUI_DRAW;
	case TUI_PAGE_UP:
		go(model, at > page ? at - page : 0);
		return TUI_DRAW;
	case TUI_PAGE_DOWN:
		go(model, at + page);
		return TUI_DRAW;
	case TUI_HALF_UP:
		go(model, at > page / 2 ? at - page / 2 : 0);
		return TUI_DRAW;
	case TUI_HALF_DOWN:
		go(model, at + page / 2);
		return TUI_DRAW;
	case TUI_FIRST:
		go(model, 0);
		return TUI_DRAW;
	case TUI_LAST:
		go(model, n ? n - 1 : 0);
		return TUI_DRAW;
	case TUI_OPEN:
		return open_current(model);
	case TUI_BACK:
		return back(model);
	case TUI_FILTER:
		if (model->view == TUI_JOURNAL)
			return 0;
		snprintf(model->saved, sizeof(model->saved), "%s", list->filter.text);
		tui_ask(model, TUI_ASK_FILTER, list->filter.text);
		return TUI_DRAW;
	case TUI_SORT:
		return model->view == TUI_JOURNAL ? 0 : next_sort(model);
	case TUI_SORT_REVERSE:
		model->reversed = !model->reversed;
		return model->view == TUI_JOURNAL ? 0 : sort_urgently(model);
	case TUI_MARK:
		return mark_current(model);
	case TUI_MARK_ALL:
		return mark_all(model);
	case TUI_MARK_FILTER:
		tui_ask(model, TUI_ASK_MARK, "");
		return TUI_DRAW;
	case TUI_UNMARK_ALL:
		tui_marks_clear(&model->marks);
		tui_note(model, "no marks");
		return TUI_DRAW;
	default:
		return 0;
	}
}

/* The text of a row where find looks. */
static bool
row_has(struct tui_model *model, size_t at, const char *text)
{
	const struct tui_order *order = tui_current_list(model)->order;
	static const char *const names[] = {"id", "from", "rcpt", "status", "subject"};
	struct qf_row row;

	if (model->view == TUI_JOURNAL) {
		const struct tui_entry *e = &model->journal.entries[at];

		return (e->id && strcasestr(e->id, text)) || (e->note && strcasestr(e->note, text)) ||
		       (e->user && strcasestr(e->user, text));
	}
	if (model->view == TUI_GROUPS)
		return strcasestr(order->groups[at].key, text) != NULL;
	if (!tui_recall(model, order->picture->rows[order->index[at]], &row))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct qf_slice cell = tui_field_text(model, qf_field_find(names[i], NULL), &row);

		qf_buf_addc(&model->scratch_cell, '\0');
		if (cell.n && !model->scratch_cell.failed &&
		    strcasestr(model->scratch_cell.p, text))
			return true;
	}
	return false;
}

static unsigned
find_next(struct tui_model *model, int direction)
{
	size_t n = length(model);
	size_t at = model->view == TUI_JOURNAL ? model->journal.cursor
					       : tui_current_list(model)->cursor;

	if (!model->find[0]) {
		tui_note(model, "nothing was looked for yet");
		return TUI_DRAW;
	}
	/* Rows are made of kept bytes, a few microseconds each: so many are no wait to be felt. */
	for (size_t i = 1; i <= n && i <= 20000; i++) {
		size_t k = direction > 0 ? (at + i) % n : (at + n - i % n) % n;

		if (row_has(model, k, model->find)) {
			go(model, k);
			return TUI_DRAW;
		}
	}
	tui_note(model, "not found: %s", model->find);
	return TUI_DRAW;
}

/* ------------------------------------------------------------------ actions everywhere */

static unsigned
act(struct tui_model *model, enum tui_action action)
{
	bool in_text = model->text.kind != TUI_TEXT_NONE;

	switch (action) {
	case TUI_VIEW_1:
	case TUI_VIEW_2:
	case TUI_VIEW_3:
	case TUI_VIEW_4:
	case TUI_VIEW_5:
		return show_view(model, (enum tui_view)(action - TUI_VIEW_1));
	case TUI_NEXT_VIEW:
		if (model->text.kind == TUI_TEXT_MESSAGE)
			return tui_text_action(model, TUI_RIGHT);
		return show_view(model, (model->view + 1) % TUI_VIEWS);
	case TUI_PREVIOUS_VIEW:
		if (model->text.kind == TUI_TEXT_MESSAGE)
			return tui_text_action(model, TUI_LEFT);
		return show_view(model, (model->view + TUI_VIEWS - 1) % TUI_VIEWS);
	case TUI_FIND:
	case TUI_FIND_TEXT:
		tui_ask(model, TUI_ASK_FIND, "");
		return TUI_DRAW;
	case TUI_FIND_NEXT:
	case TUI_FIND_PREVIOUS:
		if (!in_text)
			return find_next(model, action == TUI_FIND_NEXT ? 1 : -1);
		tui_text_find(model, action == TUI_FIND_NEXT ? 1 : -1, false);
		return TUI_DRAW;
	case TUI_HOLD:
	case TUI_RELEASE:
	case TUI_REMOVE:
	case TUI_DUE:
	case TUI_UNDO:
		return tui_change(model, action);
	case TUI_BODY:
		model->bodies = !model->bodies && !model->config->redactor;
		tui_note(model, model->config->redactor ? "redacted: bodies are not shown"
				: model->bodies ? "bodies are shown from now on"
						: "bodies are not shown");
		return model->text.kind == TUI_TEXT_MESSAGE && model->text.part == TUI_SUMMARY
			       ? tui_show_part(model, TUI_SUMMARY)
			       : TUI_DRAW;
	case TUI_JOBS:
		tui_jobs_text(model);
		return TUI_DRAW | TUI_READ_JOBS | TUI_END_RUN;
	case TUI_COMMAND:
		tui_ask(model, TUI_ASK_COMMAND, "");
		return TUI_DRAW;
	case TUI_REFRESH:
		tui_note(model, "reading");
		return TUI_DRAW | TUI_READ | (model->view == TUI_JOURNAL ? TUI_READ_JOURNAL : 0);
	case TUI_REDRAW:
		return TUI_DRAW | TUI_REPAINT;
	case TUI_HELP:
		tui_help(model);
		return TUI_DRAW | TUI_END_RUN;
	case TUI_SUSPEND:
		return TUI_STOP;
	case TUI_QUIT:
		if (!in_text)
			return TUI_LEAVE;
		tui_text_close(model);
		return TUI_DRAW | TUI_END_RUN;
	default:
		return in_text ? tui_text_action(model, action) : list_action(model, action);
	}
}

/* A click on a line of a list goes there; on the line the cursor is on, in. */
static unsigned
click(struct tui_model *model, size_t line)
{
	struct tui_list *list = tui_current_list(model);
	size_t at = line - TUI_TOP + (model->view == TUI_JOURNAL ? model->journal.top : list->top);

	if (model->text.kind != TUI_TEXT_NONE || line < TUI_TOP || at >= length(model) ||
	    line >= model->lines - TUI_BOTTOM || model->view == TUI_ACTIVITY)
		return 0;
	if (at == (model->view == TUI_JOURNAL ? model->journal.cursor : list->cursor))
		return list_action(model, TUI_OPEN);
	go(model, at);
	return TUI_DRAW;
}

static unsigned
take_key(struct tui_model *model, const struct tui_event *event)
{
	enum tui_action action;

	model->key_at = model->clock;
	if (model->prompt != TUI_NO_PROMPT)
		return tui_prompt_key(model, event->key);
	action = tui_keymap_find(&model->keymap, event->key,
				 model->text.kind != TUI_TEXT_NONE ? TUI_IN_TEXT : TUI_IN_LIST);
	if (event->key == TUI_KEY_PRESS)
		return action ? click(model, event->line) : 0;
	if (action != TUI_NONE) {
		model->note[0] = '\0';
		return act(model, action) | TUI_DRAW;
	}
	return 0;
}

/* ------------------------------------------------------------------ what comes from outside */

static void
happen(struct tui_model *model, const struct tui_row *row, bool came)
{
	struct tui_happened *h = &model->happened[model->nhappened++ % TUI_HAPPENED];
	struct qf_slice id = tui_row_id(row), cell;
	struct qf_row r;

	*h = (struct tui_happened){.time = model->clock, .came = came};
	memcpy(h->id, id.p, id.n < sizeof(h->id) ? id.n : sizeof(h->id) - 1);
	if (!tui_recall(model, row, &r))
		return;
	cell = tui_field_text(model, qf_field_find("rcpt", NULL), &r);
	snprintf(h->text, sizeof(h->text), "%.*s", (int)(cell.n < 100 ? cell.n : 100), cell.p);
}

/* Minutes without anything are minutes too. */
static void
turn_minutes(struct tui_model *model)
{
	int64_t minute = model->clock / 60;

	for (int i = 0; model->minute < minute && i < 60; i++) {
		model->minute++;
		model->minute_came[model->minute % 60] = model->minute_went[model->minute % 60] = 0;
	}
	model->minute = minute;
}

static unsigned
take_picture(struct tui_model *model, struct tui_picture *picture)
{
	bool told = picture->trouble[0] || model->trouble[0];

	snprintf(model->trouble, sizeof(model->trouble), "%s", picture->trouble);
	if (picture->complete) {
		model->read_at = picture->at;
		model->read_seconds = picture->seconds;
	}
	if (picture->same) {
		tui_picture_drop(picture);
		return told ? TUI_DRAW : 0;
	}
	turn_minutes(model);
	for (size_t i = 0; i < picture->came.n && i < TUI_CHANGES_SHOWN; i++)
		happen(model, picture->came.rows[i], true);
	for (size_t i = 0; i < picture->went.n && i < TUI_CHANGES_SHOWN; i++)
		happen(model, picture->went.rows[i], false);
	model->came += picture->came.n;
	model->went += picture->went.n;
	model->minute_came[model->minute % 60] += picture->came.n;
	model->minute_went[model->minute % 60] += picture->went.n;
	tui_picture_drop(model->picture);
	model->picture = picture;
	if (model->config->now == QF_TIME_NONE)
		model->now = model->clock;
	return TUI_DRAW | TUI_SORT_AGAIN;
}

static unsigned
take_clock(struct tui_model *model, int64_t clock)
{
	struct tui_list *list = tui_current_list(model);
	unsigned effects = 0;

	model->clock = clock;
	turn_minutes(model);
	/* Ages turn once a minute; what is told of seconds is drawn when it is told. */
	if (model->config->now == QF_TIME_NONE && qf_time_between(model->now, clock) >= 60) {
		model->now = clock;
		effects |= TUI_DRAW;
		if (list->filter.n || model->view == TUI_GROUPS)
			effects |= TUI_SORT_AGAIN;
	}
	if (model->note[0] && qf_time_between(model->note_at, clock) > 30) {
		model->note[0] = '\0';
		effects |= TUI_DRAW;
	}
	return effects | (tui_status_ticks(model) ? TUI_DRAW : 0);
}

static unsigned
take_journal(struct tui_model *model, struct tui_journal *journal)
{
	size_t cursor = model->journal.cursor, top = model->journal.top;

	tui_journal_release(&model->journal);
	model->journal = *journal;
	model->journal.cursor = cursor < journal->n ? cursor : journal->n ? journal->n - 1 : 0;
	model->journal.top = top;
	scroll(&model->journal.top, model->journal.cursor, journal->n, tui_body_lines(model));
	return model->view == TUI_JOURNAL ? TUI_DRAW : 0;
}

/* What came of the job that ended last. */
static void
tell_end(struct tui_model *model)
{
	const struct tui_job *job = model->jobs.n ? &model->jobs.jobs[0] : NULL;

	if (!job)
		return;
	if (!job->ended)
		tui_note(model, "%s: ended early, %zu done%s%s", job->what, job->done - job->failed,
			 job->last[0] ? ": " : "", job->last);
	else if (job->failed)
		tui_note(model, "%s: %zu done, %zu not: %s", job->what, job->done - job->failed,
			 job->failed, job->last);
	else
		tui_note(model, "%s: done; u takes it back", job->what);
}

static unsigned
take_jobs(struct tui_model *model, struct tui_jobs *jobs)
{
	bool was = model->job_alive, is = false;

	tui_jobs_release(&model->jobs);
	model->jobs = *jobs;
	for (size_t i = 0; i < model->jobs.n; i++)
		is |= model->jobs.jobs[i].alive;
	model->job_alive = is;
	if (was && !is)
		tell_end(model);
	if (model->text.kind == TUI_TEXT_JOBS)
		tui_jobs_text(model);
	/* What a job did is to be seen at once. */
	return TUI_DRAW | (was && !is ? TUI_READ | TUI_READ_JOURNAL : 0);
}

static unsigned
take_size(struct tui_model *model, size_t lines, size_t columns)
{
	struct tui_list *list = tui_current_list(model);

	model->lines = lines ? lines : 1;
	model->columns = columns ? columns : 1;
	if (model->view == TUI_JOURNAL)
		scroll(&model->journal.top, model->journal.cursor, model->journal.n,
		       tui_body_lines(model));
	else
		scroll(&list->top, list->cursor, length(model), tui_body_lines(model));
	return TUI_DRAW;
}

unsigned
tui_apply(struct tui_model *model, const struct tui_event *event)
{
	switch (event->kind) {
	case TUI_EVENT_KEY:
		return take_key(model, event);
	case TUI_EVENT_ACTION:
		return act(model, event->action);
	case TUI_EVENT_CLOCK:
		return take_clock(model, event->clock);
	case TUI_EVENT_SIZE:
		return take_size(model, event->lines, event->columns);
	case TUI_EVENT_PICTURE:
		return take_picture(model, event->picture);
	case TUI_EVENT_ORDER:
		return take_order(model, event->order);
	case TUI_EVENT_TEXT:
		tui_text_add(&model->text, event->bytes);
		if (model->text.follow && model->text.n > tui_body_lines(model))
			model->text.top = model->text.n - tui_body_lines(model);
		return TUI_DRAW;
	case TUI_EVENT_TEXT_END:
		model->text.running = false;
		model->text.status = event->status;
		if (model->text.plan)
			tui_planned(model);
		return TUI_DRAW;
	case TUI_EVENT_JOURNAL:
		return take_journal(model, event->journal);
	case TUI_EVENT_JOBS:
		return take_jobs(model, event->jobs);
	case TUI_EVENT_NOTE:
		tui_note(model, "%.*s", (int)(event->bytes.n < 200 ? event->bytes.n : 200),
			 event->bytes.p);
		return TUI_DRAW;
	}
	return 0;
}
