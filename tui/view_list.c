/*
 * view_list - messages, groups, activity and journal as lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

/* Columns the cursor's highlight goes over: enough to be seen, little to send. */
static size_t
highlight(const struct tui_column *columns, size_t n)
{
	size_t width = 3;

	for (size_t i = 0; i < n && i < 4; i++)
		width += columns[i].width + 1;
	return width < 48 ? width : 48;
}

static void
draw_headings(const struct tui_model *model, struct tui_grid *grid, size_t line,
	      const struct tui_column *columns, size_t n)
{
	size_t at = 3;

	for (size_t i = 0; i < n; i++) {
		const struct qf_field *field = columns[i].field;
		bool sorted = model->sort == field || (strcmp(model->sort->name, "domain") == 0 &&
						       strcmp(field->name, "rcpt") == 0);
		size_t w = strlen(field->title), pad = 0;

		if (columns[i].right && w < columns[i].width)
			pad = columns[i].width - w;
		tui_grid_puts(grid, line, at + pad, columns[i].width - pad,
			      model->view == TUI_ACTIVITY && i + 1 == n ? "LOCKED BY" : field->title,
			      TUI_BOLD | (sorted ? TUI_UNDERLINE : 0));
		at += columns[i].width + 1;
	}
}

/* The marks of qf ls: in delivery, lost, damaged, held, young. */
static unsigned
color_of(char mark)
{
	switch (mark) {
	case '*':
		return TUI_GREEN;
	case '?':
	case '!':
		return TUI_RED;
	case 'h':
		return TUI_MAGENTA;
	default:
		return 0;
	}
}

static void
draw_row(struct tui_model *model, struct tui_grid *grid, size_t line, const struct tui_row *row,
	 const struct tui_column *columns, size_t n)
{
	struct qf_row r;
	struct qf_slice text;
	size_t at = 3;

	if (tui_is_marked(&model->marks, row))
		tui_grid_puts(grid, line, 0, 1, "+", TUI_BOLD | TUI_YELLOW);
	if (!tui_recall(model, row, &r))
		return;
	text = tui_field_text(model, qf_field_find("mark", NULL), &r);
	tui_grid_put(grid, line, 1, 1, text, color_of(text.n ? *text.p : ' '));
	for (size_t i = 0; i < n; i++) {
		size_t pad = 0;

		text = tui_field_text(model, columns[i].field, &r);
		if (columns[i].right && text.n < columns[i].width)
			pad = columns[i].width - text.n;
		tui_grid_put_raw(grid, line, at + pad, columns[i].width - pad, text,
				 columns[i].color);
		at += columns[i].width + 1;
	}
}

/* In the last column: who works on it. */
static void
draw_holder(struct tui_model *model, struct tui_grid *grid, size_t line, size_t at,
	    const struct tui_column *columns, size_t n)
{
	const struct tui_order *order = tui_current_list(model)->order;
	const char *holder = at < order->nholders ? order->holders[at] : NULL;
	struct qf_buf text = {0};
	size_t from = 3;

	for (size_t i = 0; i + 1 < n; i++)
		from += columns[i].width + 1;
	for (size_t i = from; i < grid->columns; i++)
		tui_grid_puts(grid, line, i, 1, " ", 0);
	if (!holder)
		holder = "a process of another host or container";
	if (model->config->redactor)
		qf_redact_text(model->config->redactor, (struct qf_slice){holder, strlen(holder)},
			       &text);
	else
		qf_buf_adds(&text, holder);
	tui_grid_put_raw(grid, line, from, columns[n - 1].width, (struct qf_slice){text.p, text.n},
			 TUI_GREEN);
	qf_buf_release(&text);
}

/* What cannot be told, in a line of its own behind those of the list; over its last one where there is no
   other. */
static void
draw_unknown(struct tui_grid *grid, size_t first, size_t at, size_t lines, const char *text)
{
	size_t line = first + (at < lines ? at : lines - 1);

	for (size_t i = 0; i < grid->columns; i++)
		tui_grid_puts(grid, line, i, 1, " ", 0);
	tui_grid_put_raw(grid, line, 3, grid->columns - 3, (struct qf_slice){text, strlen(text)}, TUI_RED);
}

/* Whether something is in delivery can be unknown; then that nothing is would be too much said. */
static void
draw_untold(const struct tui_model *model, struct tui_grid *grid, size_t first, size_t at, size_t lines)
{
	size_t n = model->picture ? model->picture->untold : 0;
	char text[120];

	snprintf(text, sizeof(text), "nothing tells of %zu %s whether %s in delivery", n,
		 n == 1 ? "message" : "messages", n == 1 ? "it is" : "they are");
	if (n && at < lines)
		draw_unknown(grid, first, at, lines, text);
}

void
tui_draw_messages(struct tui_model *model, struct tui_grid *grid, size_t first, size_t lines)
{
	const struct tui_list *list = tui_current_list(model);
	const struct tui_order *order = list->order;
	struct tui_column columns[TUI_COLUMNS_MOST + 1];
	bool more;
	size_t n = tui_columns_for(model, grid->columns, columns, &more);

	draw_headings(model, grid, first - 1, columns, n);
	/* Not all that were chosen have room. */
	if (more)
		tui_grid_puts(grid, first - 1, grid->columns - 1, 1, ">", TUI_BOLD | TUI_YELLOW);
	for (size_t i = 0; order && i < lines && list->top + i < order->n; i++) {
		size_t at = list->top + i;

		draw_row(model, grid, first + i, order->picture->rows[order->index[at]], columns, n);
		if (model->view == TUI_ACTIVITY)
			draw_holder(model, grid, first + i, at, columns, n);
		tui_draw_found(model, grid, first + i);
		if (at == list->cursor)
			tui_grid_style(grid, first + i, 0, highlight(columns, n), TUI_REVERSE);
	}
	if (order && order->failure[0])
		tui_grid_put_raw(grid, first, 3, grid->columns,
				 (struct qf_slice){order->failure, strlen(order->failure)}, TUI_RED);
	else if (order && order->n == 0 && order->picture->complete)
		tui_grid_puts(grid, first, 3, grid->columns,
			      list->filter.n || model->inside ? "no message matches"
			      : model->view == TUI_HELD	      ? "nothing is held or lost"
			      : model->view == TUI_ACTIVITY   ? "nothing is in delivery"
							      : "the queue is empty", 0);
	if (model->view == TUI_ACTIVITY && !list->filter.n && order && !order->failure[0])
		draw_untold(model, grid, first, order->n - (order->n ? list->top : 0), lines);
}

/* ------------------------------------------------------------------ groups */

static const unsigned age_colors[TUI_AGES + 1] = {TUI_GREEN, TUI_CYAN, TUI_BLUE,
						  TUI_YELLOW, TUI_MAGENTA, TUI_RED};
/* The same without colours. */
static const char age_letters[] = ".:-=%#";

/* A bar as long as its share of the largest, made of its ages, youngest first. */
static void
draw_bar(struct tui_grid *grid, size_t line, size_t column, size_t width,
	 const struct tui_group *group, uint64_t largest)
{
	uint64_t sum = 0;
	size_t at = 0;

	for (size_t k = 0; k <= TUI_AGES; k++) {
		char letter[2] = {age_letters[k]};
		size_t to;

		sum += group->ages[k];
		to = largest ? (size_t)((sum * width + largest - 1) / largest) : 0;
		for (; at < to && at < width; at++)
			tui_grid_puts(grid, line, column + at, 1, letter, age_colors[k]);
	}
}

void
tui_draw_groups(struct tui_model *model, struct tui_grid *grid)
{
	const struct tui_list *list = tui_current_list(model);
	const struct tui_order *order = list->order;
	size_t lines = tui_body_lines(model), key = grid->columns * 2 / 5, at;
	uint64_t largest = 0;

	tui_grid_puts(grid, TUI_TOP - 1, 1, key, qf_field_find(tui_bys[model->by], NULL)->title,
		      TUI_BOLD | TUI_UNDERLINE);
	tui_grid_puts(grid, TUI_TOP - 1, key + 1, 16, "MESSAGES  OLDEST", TUI_BOLD);
	at = key + 19;
	/* What the colours and letters of the bars mean. */
	for (size_t k = 0; k <= TUI_AGES; k++) {
		char text[16];

		snprintf(text, sizeof(text), "%c%s", age_letters[k], tui_age_names[k]);
		if (at + strlen(text) < grid->columns)
			at += tui_grid_puts(grid, TUI_TOP - 1, at, 16, text, age_colors[k]) + 1;
	}
	for (size_t i = 0; order && order->grouped && i < order->ngroups; i++)
		if (order->groups[i].messages > largest)
			largest = order->groups[i].messages;
	for (size_t i = 0; order && order->grouped && i < lines && list->top + i < order->ngroups;
	     i++) {
		const struct tui_group *group = &order->groups[list->top + i];
		char number[32], age[QF_TIME_TEXT] = "";
		struct qf_buf shown = {0};
		const char *by = tui_bys[model->by];

		if (model->config->redactor && strcmp(by, "from") == 0)
			qf_redact_address(model->config->redactor,
					  (struct qf_slice){group->key, group->key_n}, &shown);
		else if (model->config->redactor && strcmp(by, "status") == 0)
			qf_redact_text(model->config->redactor,
				       (struct qf_slice){group->key, group->key_n}, &shown);
		else
			qf_buf_add(&shown, group->key, group->key_n);
		if (!shown.n)
			qf_buf_adds(&shown, "(none)");
		tui_grid_put_raw(grid, TUI_TOP + i, 1, key - 1, (struct qf_slice){shown.p, shown.n},
				 0);
		qf_buf_release(&shown);
		snprintf(number, sizeof(number), "%8llu", (unsigned long long)group->messages);
		tui_grid_puts(grid, TUI_TOP + i, key + 1, 8, number, TUI_BOLD);
		if (group->oldest != QF_TIME_NONE)
			qf_age_format(qf_time_between(group->oldest, model->now), age);
		tui_grid_puts(grid, TUI_TOP + i, key + 11, 7, age, TUI_CYAN);
		if (grid->columns > key + 20)
			draw_bar(grid, TUI_TOP + i, key + 19, grid->columns - key - 20, group,
				 largest);
		tui_draw_found(model, grid, TUI_TOP + i);
		if (list->top + i == list->cursor)
			tui_grid_style(grid, TUI_TOP + i, 0, key < 48 ? key : 48, TUI_REVERSE);
	}
	if (order && order->grouped && !order->ngroups)
		tui_grid_puts(grid, TUI_TOP, 3, grid->columns, "no messages", 0);
}

/* ------------------------------------------------------------------ activity */

size_t
tui_activity_busy_lines(const struct tui_model *model)
{
	size_t body = tui_body_lines(model), half = (body - TUI_ACTIVITY_HEAD) / 2;

	return half ? half : 1;
}

/* Messages a minute over the last so many whole minutes. */
static double
rate(const size_t minutes[60], int64_t minute, int over)
{
	size_t sum = 0;

	for (int i = 1; i <= over; i++)
		sum += minutes[(minute - i + 120) % 60];
	return (double)sum / over;
}

void
tui_draw_activity(struct tui_model *model, struct tui_grid *grid)
{
	size_t busy = tui_activity_busy_lines(model), line, end = grid->lines - TUI_BOTTOM;
	char text[200], age[QF_TIME_TEXT];

	tui_draw_messages(model, grid, TUI_TOP, busy);
	line = TUI_TOP + busy;
	qf_age_format(qf_time_between(model->opened_at, model->clock) / 60 * 60, age);
	snprintf(text, sizeof(text),
		 "since %s: %zu came, %zu went; a minute: %.1f came, %.1f went (last 5: %.1f, %.1f)",
		 age, model->came, model->went, rate(model->minute_came, model->minute, 1),
		 rate(model->minute_went, model->minute, 1), rate(model->minute_came, model->minute, 5),
		 rate(model->minute_went, model->minute, 5));
	tui_grid_puts(grid, line++, 1, grid->columns - 1, text, TUI_BOLD);
	for (size_t i = 0; line < end && i < model->nhappened && i < TUI_HAPPENED; i++, line++) {
		const struct tui_happened *h =
			&model->happened[(model->nhappened - 1 - i) % TUI_HAPPENED];
		char time[QF_TIME_TEXT];
		size_t at;

		qf_time_format(h->time, time);
		/* The time of day is enough for what happened since. */
		at = 1 + tui_grid_put(grid, line, 1, 8, (struct qf_slice){time + 11, 8}, 0);
		at += 1 + tui_grid_puts(grid, line, at + 1, 6, h->came ? "came" : "went",
					h->came ? TUI_YELLOW : TUI_GREEN);
		at += 2 + tui_grid_put_raw(grid, line, at + 2, 20,
					   (struct qf_slice){h->id, strlen(h->id)}, 0);
		tui_grid_put_raw(grid, line, at + 2, grid->columns - at - 2,
				 (struct qf_slice){h->text, strlen(h->text)}, 0);
	}
}

/* ------------------------------------------------------------------ journal */

/* Whoever wrote it may have named an address. */
static const char *
note_of(struct tui_model *model, const struct tui_entry *e)
{
	struct qf_buf *out = &model->scratch_cell;

	if (!e->note || !model->config->redactor)
		return e->note;
	qf_buf_clear(out);
	qf_redact_text(model->config->redactor, (struct qf_slice){e->note, strlen(e->note)}, out);
	qf_buf_add(out, "", 1);
	return out->failed ? NULL : out->p;
}

void
tui_draw_journal(struct tui_model *model, struct tui_grid *grid)
{
	const struct tui_journal *journal = &model->journal;
	const struct tui_list *list = tui_current_list(model);
	size_t lines = tui_body_lines(model);

	tui_grid_puts(grid, TUI_TOP - 1, 1, grid->columns,
		      "WHEN                 WHAT      ID              RESULT   UNDO       WHO",
		      TUI_BOLD);
	for (size_t i = 0; i < lines && list->top + i < journal->n; i++) {
		const struct tui_entry *e = &journal->entries[list->top + i];
		const char *cells[] = {e->command, e->id, e->result ? e->result : "?",
				       qf_undo_name(e->undo), e->user, note_of(model, e)};
		static const size_t at[] = {22, 32, 48, 57, 68, 80}, width[] = {9, 15, 8, 10, 11, 80};
		char time[QF_TIME_TEXT];

		qf_time_format(e->time, time);
		tui_grid_puts(grid, TUI_TOP + i, 1, 20, time, TUI_CYAN);
		for (size_t k = 0; k < sizeof(cells) / sizeof(*cells); k++)
			if (cells[k] && at[k] < grid->columns)
				tui_grid_put_raw(grid, TUI_TOP + i, at[k], width[k],
						 (struct qf_slice){cells[k], strlen(cells[k])},
						 k == 3 && e->undo == QF_UNDO_POSSIBLE ? TUI_GREEN : 0);
		tui_draw_found(model, grid, TUI_TOP + i);
		if (list->top + i == list->cursor)
			tui_grid_style(grid, TUI_TOP + i, 0, 47, TUI_REVERSE);
	}
	if (journal->failure[0])
		tui_grid_put_raw(grid, TUI_TOP, 3, grid->columns,
				 (struct qf_slice){journal->failure, strlen(journal->failure)},
				 TUI_RED);
	else if (!journal->n)
		tui_grid_puts(grid, TUI_TOP, 3, grid->columns,
			      journal->known ? "no changes were made" : "reading", 0);
}

/* ------------------------------------------------------------------ orphans */

static unsigned
verdict_color(const char *verdict)
{
	return strcmp(verdict, "hazard") == 0		? TUI_RED | TUI_BOLD
	       : strcmp(verdict, "recoverable") == 0 ? TUI_GREEN
	       : strcmp(verdict, "partial") == 0	? TUI_YELLOW
						      : 0;
}

void
tui_draw_orphans(struct tui_model *model, struct tui_grid *grid)
{
	const struct tui_orphans *orphans = &model->orphans;
	const struct tui_list *list = tui_current_list(model);
	size_t lines = tui_body_lines(model);

	tui_grid_puts(grid, TUI_TOP - 1, 1, grid->columns,
		      "VERDICT     CAUSE           FILE               AGE  WHY", TUI_BOLD);
	for (size_t i = 0; i < lines && list->top + i < orphans->n; i++) {
		const struct tui_orphan *o = &orphans->found[list->top + i];
		char age[QF_TIME_TEXT];
		const char *name = strrchr(o->path, '/');
		size_t at = TUI_TOP + i;

		name = name ? name + 1 : o->path;
		qf_age_format(o->age, age);
		tui_grid_puts(grid, at, 1, 11, o->verdict, verdict_color(o->verdict));
		tui_grid_puts(grid, at, 13, 15, o->cause, 0);
		tui_grid_put_raw(grid, at, 29, 16, (struct qf_slice){name, strlen(name)}, 0);
		tui_grid_puts(grid, at, 46, 6, age, TUI_CYAN);
		if (grid->columns > 54)
			tui_grid_put_raw(grid, at, 53, grid->columns - 53,
					 (struct qf_slice){o->why, strlen(o->why)}, 0);
		tui_draw_found(model, grid, at);
		if (list->top + i == list->cursor)
			tui_grid_style(grid, at, 0, 45, TUI_REVERSE);
	}
	if (orphans->failure[0]) {
		draw_unknown(grid, TUI_TOP, orphans->n - list->top, lines, orphans->failure);
	} else if (orphans->known && model->picture && model->picture->unreadable &&
		   orphans->n - list->top < lines) {
		char text[120];

		snprintf(text, sizeof(text),
			 "%zu control files cannot be read: whether their messages are whole is not known",
			 model->picture->unreadable);
		draw_unknown(grid, TUI_TOP, orphans->n - list->top, lines, text);
	} else if (!orphans->n) {
		tui_grid_puts(grid, TUI_TOP, 3, grid->columns - 3,
			      orphans->known ? "every file belongs to a whole message"
					     : "looking, twice: this takes a second, on NFS a minute", 0);
	}
}
