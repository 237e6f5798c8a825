/*
 * list - the lists: of messages, groups, orphans, changes; where the user is in them, and what keys
 * do there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "view.h"

const char *const tui_bys[] = {"domain", "from-domain", "status", "dsn", "age", "from", NULL};

/* What each view lists whatever the filter says. */
static const char *const bases[TUI_VIEWS] = {
	[TUI_MESSAGES] = "", [TUI_GROUPS] = "", [TUI_HELD] = "is:held or is:lost",
	[TUI_ACTIVITY] = "is:busy", [TUI_ORPHANS] = "", [TUI_JOURNAL] = "",
};

bool
tui_lists_messages(const struct tui_model *model)
{
	return model->view != TUI_JOURNAL && model->view != TUI_ORPHANS && model->view != TUI_GROUPS;
}

/* Does the sorter make it? */
static bool
is_sorted(const struct tui_model *model)
{
	return model->view != TUI_JOURNAL && model->view != TUI_ORPHANS;
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

size_t
tui_length(const struct tui_model *model)
{
	const struct tui_order *order = model->lists[model->view].order;

	if (model->view == TUI_JOURNAL)
		return model->journal.n;
	if (model->view == TUI_ORPHANS)
		return model->orphans.n;
	return !order ? 0 : model->view == TUI_GROUPS ? order->ngroups : order->n;
}

struct tui_row *
tui_current_row(const struct tui_model *model)
{
	const struct tui_list *list = &model->lists[model->view];

	if (model->text.kind == TUI_TEXT_MESSAGE)
		return model->text.row;
	if (model->text.kind != TUI_TEXT_NONE || !tui_lists_messages(model) || !list->order ||
	    list->cursor >= list->order->n)
		return NULL;
	return list->order->picture->rows[list->order->index[list->cursor]];
}

static void
remember_name(struct tui_list *list, const char *name)
{
	free(list->on_name);
	list->on_name = name ? strdup(name) : NULL;
}

/* Remember what the cursor is on. */
static void
remember(struct tui_model *model, enum tui_view view)
{
	struct tui_list *list = &model->lists[view];
	const struct tui_order *order = list->order;
	size_t i = list->cursor;

	if (view == TUI_JOURNAL) {
		remember_name(list, i < model->journal.n ? model->journal.entries[i].entry : NULL);
	} else if (view == TUI_ORPHANS) {
		remember_name(list, i < model->orphans.n ? model->orphans.found[i].path : NULL);
	} else if (order && order->grouped && i < order->ngroups) {
		remember_name(list, order->groups[i].key);
	} else if (order && !order->grouped && i < order->n) {
		const struct tui_row *row = order->picture->rows[order->index[i]];

		list->on.dir = row->dir;
		memcpy(list->on.name, row->name, sizeof(list->on.name));
	}
}

void
tui_scroll(size_t *top, size_t cursor, size_t n, size_t body)
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
	size_t n = tui_length(model), body = tui_body_lines(model);
	struct tui_list *list = tui_current_list(model);

	if (model->view == TUI_ACTIVITY)
		body = tui_activity_busy_lines(model);
	list->cursor = n == 0 ? 0 : to < n ? to : n - 1;
	tui_scroll(&list->top, list->cursor, n, body);
	remember(model, model->view);
	list->moved = list->cursor != 0;
}

void
tui_list_again(struct tui_model *model, enum tui_view view)
{
	struct tui_list *list = &model->lists[view];
	size_t n = view == TUI_JOURNAL ? model->journal.n : model->orphans.n;

	for (size_t i = 0; list->moved && list->on_name && i < n; i++) {
		const char *name = view == TUI_JOURNAL ? model->journal.entries[i].entry
						       : model->orphans.found[i].path;

		if (name && strcmp(name, list->on_name) == 0) {
			list->cursor = i;
			break;
		}
	}
	if (list->cursor >= n)
		list->cursor = n ? n - 1 : 0;
	tui_scroll(&list->top, list->cursor, n, tui_body_lines(model));
	remember(model, view);
}

/* Where the message that the cursor was on is now; where it has gone, the place stays. */
static size_t
find_again(const struct tui_list *list, const struct tui_order *order)
{
	size_t other = SIZE_MAX;

	for (size_t i = 0; order->grouped && list->on_name && i < order->ngroups; i++)
		if (strcmp(order->groups[i].key, list->on_name) == 0)
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

unsigned
tui_take_order(struct tui_model *model, struct tui_order *order)
{
	enum tui_view view = order->list < TUI_VIEWS ? (enum tui_view)order->list : TUI_MESSAGES;
	struct tui_list *list = &model->lists[view];
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
	/* The cursor's line stays, but that nothing is scrolled off that was not before. */
	if (list->top > 0 || list->cursor >= body)
		list->top = list->cursor > line ? list->cursor - line : 0;
	tui_order_free(list->order);
	list->order = order;
	tui_scroll(&list->top, list->cursor, n, body);
	remember(model, view);
	return TUI_DRAW;
}

bool
tui_model_request(struct tui_model *model, struct tui_request *request)
{
	struct tui_list *list = tui_current_list(model);
	bool by_age = strcmp(model->sort->name, "age") == 0;

	if (!model->picture || !is_sorted(model))
		return false;
	*request = (struct tui_request){
		.list = model->view,
		.serial = list->serial,
		.picture = tui_picture_share(model->picture),
		.base = bases[model->view],
		.filter = list->filter.n ? strndup(list->filter.text, list->filter.n) : NULL,
		.by = model->view == TUI_GROUPS ? qf_field_find(tui_bys[model->by], NULL) : NULL,
		/* The oldest first, which is what sorting by age is for. */
		.sort = by_age ? qf_field_find("created", NULL) : model->sort,
		.now = model->now,
		.holders = model->view == TUI_ACTIVITY,
	};
	/* What is large comes first; of texts and ages the other way round. */
	request->descending = model->reversed ^
			      (!by_age && request->sort->type != QF_FIELD_TEXT);
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

unsigned
tui_show_view(struct tui_model *model, enum tui_view view)
{
	unsigned effects = 0;

	if (model->text.kind != TUI_TEXT_NONE) {
		tui_text_close(model);
		effects |= TUI_END_RUN;
	}
	model->view = view;
	if (view == TUI_JOURNAL)
		return effects | TUI_DRAW | TUI_READ_JOURNAL;
	if (view == TUI_ORPHANS)
		return effects | TUI_DRAW | TUI_LOOK_FOR_ORPHANS;
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
	if (model->view == TUI_ORPHANS) {
		tui_orphan_text(model, list->cursor);
		return TUI_DRAW;
	}
	if (model->view == TUI_JOURNAL && list->cursor < model->journal.n) {
		const struct tui_entry *e = &model->journal.entries[list->cursor];

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
	if (list->filter.n) {
		list->filter = (struct tui_line){0};
		return sort_urgently(model);
	}
	return model->view != TUI_MESSAGES ? tui_show_view(model, TUI_MESSAGES) : 0;
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

	for (size_t i = 0; order && i < order->n && tui_lists_messages(model); i++)
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
		model->sort = qf_field_find(tui_next_sort(model), NULL);
		tui_note(model, "sorted by %s", model->sort->name);
	}
	return sort_urgently(model);
}

unsigned
tui_list_action(struct tui_model *model, enum tui_action action)
{
	struct tui_list *list = tui_current_list(model);
	size_t page = tui_body_lines(model), n = tui_length(model), at = list->cursor;

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
		if (!is_sorted(model))
			return 0;
		snprintf(model->saved, sizeof(model->saved), "%s", list->filter.text);
		tui_ask(model, TUI_ASK_FILTER, list->filter.text);
		return TUI_DRAW;
	case TUI_SORT:
		return is_sorted(model) ? next_sort(model) : 0;
	case TUI_COLUMNS: {
		char text[sizeof(model->input.text)];

		tui_columns_text(&model->chosen, text, sizeof(text));
		tui_ask(model, TUI_ASK_COLUMNS, text);
		return TUI_DRAW;
	}
	case TUI_SORT_REVERSE:
		model->reversed = !model->reversed;
		return is_sorted(model) ? sort_urgently(model) : 0;
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
	if (model->view == TUI_ORPHANS) {
		const struct tui_orphan *o = &model->orphans.found[at];

		return strcasestr(o->path, text) || strcasestr(o->cause, text) ||
		       strcasestr(o->why, text) || strcasestr(o->verdict, text);
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

unsigned
tui_list_find(struct tui_model *model, int direction)
{
	size_t n = tui_length(model), at = tui_current_list(model)->cursor;

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

unsigned
tui_columns_typed(struct tui_model *model, const char *text)
{
	struct qf_err err;

	if (tui_columns_parse(text, &model->chosen, &err))
		tui_note(model, "%s: %s", err.what, err.why);
	return TUI_DRAW;
}

/* A click on a heading sorts by it; once more, the other way round. */
static unsigned
sort_by_column(struct tui_model *model, size_t column)
{
	const struct qf_field *field = tui_column_at(model, column);

	if (!field)
		return 0;
	model->reversed = field == model->sort && !model->reversed;
	model->sort = field;
	tui_note(model, "sorted by %s%s", field->name, model->reversed ? ", the other way round" : "");
	return sort_urgently(model);
}

/* A click on a line goes there; on the line the cursor is on, in. */
unsigned
tui_list_click(struct tui_model *model, size_t line, size_t column)
{
	struct tui_list *list = tui_current_list(model);
	size_t at = line - TUI_TOP + list->top;

	if (model->text.kind == TUI_TEXT_NONE && line == TUI_TOP - 1 && tui_lists_messages(model))
		return sort_by_column(model, column);
	if (model->text.kind != TUI_TEXT_NONE || line < TUI_TOP || at >= tui_length(model) ||
	    line >= model->lines - TUI_BOTTOM || model->view == TUI_ACTIVITY)
		return 0;
	if (at == list->cursor)
		return tui_list_action(model, TUI_OPEN);
	go(model, at);
	return TUI_DRAW;
}
