/*
 * view_frame - what is around every view: status line, names of views, what there is to say, keys.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "view.h"

static const char *const view_names[TUI_VIEWS] = {"messages", "groups", "held", "orphans",
						  "activity", "journal"};

/* Seconds until the session is cut, told in its last quarter; -1: not to be told. */
static int64_t
idle_left(const struct tui_model *model)
{
	int64_t limit = model->config->idle_limit;
	int64_t idle = qf_time_between(model->key_at, model->clock);

	if (limit <= 0 || idle < limit - limit / 4)
		return -1;
	return idle < limit ? limit - idle : 0;
}

/* How old the picture is, where it is older than it should be; else -1. */
static int64_t
staleness(const struct tui_model *model)
{
	int64_t age;

	if (model->read_at == QF_TIME_NONE)
		return -1;
	age = qf_time_between(model->read_at, model->clock);
	return age > 3 * (int64_t)(model->interval_ms / 1000) + 5 + (int64_t)(2 * model->read_seconds) ? age : -1;
}

bool
tui_status_ticks(const struct tui_model *model)
{
	int64_t left = idle_left(model);

	return staleness(model) >= 0 || (left >= 0 && (left <= 60 || left % 60 == 0 ||
						       (model->clock - model->key_at) % 15 == 0));
}

/* An age that is told in steps, so that telling it sends little. */
static void
coarse_age(int64_t seconds, char text[QF_TIME_TEXT])
{
	qf_age_format(seconds < 60 ? seconds / 10 * 10 : seconds / 60 * 60, text);
}

static void
add_number(struct qf_buf *out, size_t number)
{
	char digits[32];
	size_t n = (size_t)snprintf(digits, sizeof(digits), "%zu", number);

	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			qf_buf_addc(out, ',');
		qf_buf_addc(out, digits[i]);
	}
}

static void
draw_status(struct tui_model *model, struct tui_grid *grid)
{
	const struct qf_dir *dir = qf_queue_dir(model->queue, 0);
	size_t ndirs = qf_queue_ndirs(model->queue), column = 0;
	struct qf_buf text = {0}, right = {0};
	char age[QF_TIME_TEXT];
	int64_t first;

	if (model->config->read_only)
		qf_buf_adds(&right, " read-only");
	if (model->config->redactor)
		qf_buf_adds(&right, " redacted");
	if (staleness(model) >= 0) {
		coarse_age(staleness(model), age);
		qf_buf_addf(&right, " as of %s ago", age);
	}
	if (idle_left(model) >= 0) {
		coarse_age(idle_left(model) + (idle_left(model) > 60 ? 59 : 9), age);
		qf_buf_addf(&right, " idle: cut off in %s", age);
	}
	if (model->picture) {
		add_number(&text, model->picture->n);
		qf_buf_adds(&text, model->picture->n == 1 ? " message" : " messages");
		if (!model->picture->complete)
			qf_buf_adds(&text, ", reading");
		if (model->picture->unreadable) {
			qf_buf_adds(&text, ", ");
			add_number(&text, model->picture->unreadable);
			qf_buf_adds(&text, " unreadable");
		}
		first = model->picture->oldest;
		if (first != QF_TIME_NONE) {
			qf_age_format(qf_time_between(first, model->now), age);
			qf_buf_addf(&text, ", oldest %s", age);
		}
		if (model->marks.n > model->marks.gone) {
			qf_buf_adds(&text, ", ");
			add_number(&text, model->marks.n - model->marks.gone);
			qf_buf_adds(&text, " marked");
		}
	} else {
		qf_buf_adds(&text, "reading");
	}
	/* What the queue is called may be cut; how much is in it may not. */
	tui_grid_style(grid, 0, 0, grid->columns, TUI_REVERSE);
	column = grid->columns > text.n + right.n + 6 ? grid->columns - text.n - right.n - 6 : 8;
	qf_buf_clear(&model->scratch_cell);
	qf_buf_addf(&model->scratch_cell, "%s", dir->path);
	if (ndirs > 1)
		qf_buf_addf(&model->scratch_cell, " +%zu", ndirs - 1);
	column = 1 + tui_grid_put_raw(grid, 0, 1, column,
				      (struct qf_slice){model->scratch_cell.p, model->scratch_cell.n},
				      TUI_REVERSE | TUI_BOLD);
	tui_grid_put(grid, 0, column + 2, grid->columns, (struct qf_slice){text.p, text.n},
		     TUI_REVERSE);
	if (right.n && grid->columns > right.n + 1)
		tui_grid_put(grid, 0, grid->columns - right.n - 1, right.n,
			     (struct qf_slice){right.p, right.n}, TUI_REVERSE | TUI_BOLD);
	qf_buf_release(&text);
	qf_buf_release(&right);
}

static void
draw_views(struct tui_model *model, struct tui_grid *grid)
{
	const struct tui_list *list = &model->lists[model->view];
	const struct tui_order *order = list->order;
	size_t column = 0;
	struct qf_buf text = {0};
	bool chosen = list->filter.n || (model->view == TUI_MESSAGES && model->inside);

	for (size_t i = 0; i < TUI_VIEWS; i++) {
		char name[32];
		/* Where there is no room for all, only the one that is shown is named. */
		bool named = grid->columns >= (chosen ? 110 : 76) || i == model->view;

		snprintf(name, sizeof(name), " %zu%s%s ", i + 1, named ? " " : "",
			 named ? view_names[i] : "");
		column += tui_grid_puts(grid, 1, column, grid->columns, name,
					i == model->view ? TUI_REVERSE : 0);
	}
	if (order && chosen) {
		qf_buf_adds(&text, " (");
		add_number(&text, order->grouped ? order->ngroups : order->n);
		qf_buf_addc(&text, ')');
	}
	if (model->view == TUI_MESSAGES && model->inside)
		qf_buf_addf(&text, " %s = %.*s", model->inside->name, (int)model->key_n, model->key);
	if (list->filter.n)
		qf_buf_addf(&text, " /%.*s", (int)list->filter.n, list->filter.text);
	if (text.n)
		tui_grid_put_raw(grid, 1, column + 1, grid->columns - column - 1,
				 (struct qf_slice){text.p, text.n}, TUI_YELLOW);
	qf_buf_release(&text);
}

/* The last line: the keys F1 to F12, as the keymap has them. */
static void
draw_keys(struct tui_model *model, struct tui_grid *grid)
{
	size_t column = 0;

	for (uint32_t key = TUI_KEY_F1; key <= TUI_KEY_F12; key++) {
		enum tui_action action = tui_keymap_find(
			&model->keymap, key, model->text.kind ? TUI_IN_TEXT : TUI_IN_LIST);
		struct qf_buf name = {0};

		if (!action || column + 12 > grid->columns) {
			if (action)
				break;
			continue;
		}
		tui_key_name(key, &name);
		column += tui_grid_put(grid, grid->lines - 1, column, grid->columns,
				       (struct qf_slice){name.p, name.n}, TUI_BOLD);
		column += tui_grid_puts(grid, grid->lines - 1, column, grid->columns,
					tui_action_row(action)->name, TUI_REVERSE) + 1;
		qf_buf_release(&name);
	}
}

/* A line being typed; what does not fit is off to the left. */
static void
draw_input(struct tui_model *model, struct tui_grid *grid, const char *label)
{
	const struct tui_line *in = &model->input;
	size_t line = grid->lines - TUI_BOTTOM, from = 0;
	size_t column = tui_grid_puts(grid, line, 0, grid->columns, label, TUI_BOLD);
	size_t room = grid->columns > column + 1 ? grid->columns - column - 1 : 1;

	/* Input holds no control characters: prompt.c lets none in. */
	while (qf_text_width((struct qf_slice){in->text + from, in->at - from}) > room) {
		from++;
		while (from < in->n && ((unsigned char)in->text[from] & 0xc0) == 0x80)
			from++;
	}
	tui_grid_put(grid, line, column, room,
		     (struct qf_slice){in->text + from, in->n - from}, 0);
	grid->cursor_line = line;
	grid->cursor_column = column + qf_text_width((struct qf_slice){in->text + from,
								      in->at - from});
	if (!model->error[0])
		return;
	/* The place is marked in the text, and the words stand above it. */
	if (model->error_at >= from)
		tui_grid_style(grid, line,
			       column + qf_text_width((struct qf_slice){
						in->text + from,
						(model->error_at < in->n ? model->error_at : in->n) -
							from}),
			       1, TUI_RED | TUI_REVERSE);
	tui_grid_style(grid, line - 1, 0, grid->columns, 0);
	for (size_t i = 0; i < grid->columns; i++)
		grid->cells[(line - 1) * grid->columns + i] =
			(struct tui_cell){.text = {' '}, .width = 1};
	tui_grid_put_raw(grid, line - 1, 0, grid->columns,
			 (struct qf_slice){model->error, strlen(model->error)}, TUI_RED);
}

static void
blank(struct tui_grid *grid, size_t line)
{
	for (size_t i = 0; i < grid->columns; i++)
		grid->cells[line * grid->columns + i] = (struct tui_cell){.text = {' '}, .width = 1};
}

/* Words over as many lines as they need, from a line upwards. Returns the lines used. */
static size_t
draw_question(struct tui_model *model, struct tui_grid *grid)
{
	size_t lines = 0, at, width = grid->columns;
	struct qf_buf all = {0};

	for (size_t i = 0; i < 4; i++) {
		struct qf_buf safe = {0};

		if (!model->question[i][0])
			continue;
		qf_escape_terminal(&safe, (struct qf_slice){model->question[i],
							    strlen(model->question[i])},
				   grid->utf8);
		qf_buf_add(&all, safe.p, safe.n);
		qf_buf_addc(&all, '\n');
		lines += 1 + (safe.n ? (safe.n - 1) / width : 0);
		qf_buf_release(&safe);
	}
	qf_buf_adds(&all, "y yes, any other key no\n");
	lines++;
	if (lines > grid->lines - 2)
		lines = grid->lines - 2;
	at = grid->lines - 1 - lines;
	for (size_t k = 0, from = 0; k < lines; k++) {
		const char *lf = memchr(all.p + from, '\n', all.n - from);
		size_t n = lf ? (size_t)(lf - all.p) - from : all.n - from;
		size_t used;

		blank(grid, at + k);
		used = tui_grid_put(grid, at + k, 0, width, (struct qf_slice){all.p + from, n},
				    k == 0 || k + 1 == lines ? TUI_BOLD | TUI_YELLOW : 0);
		from += n > width ? (used ? width : n) : n + 1;
		if (from >= all.n)
			break;
	}
	grid->cursor_line = at + lines - 1;
	grid->cursor_column = grid->columns > 24 ? 24 : 0;
	qf_buf_release(&all);
	return lines;
}

/* A job at work, with a bar. */
static bool
draw_job(struct tui_model *model, struct tui_grid *grid)
{
	for (size_t i = 0; i < model->jobs.n; i++) {
		const struct tui_job *job = &model->jobs.jobs[i];
		size_t line = grid->lines - TUI_BOTTOM, column, room, filled;
		char text[256];

		if (!job->alive)
			continue;
		snprintf(text, sizeof(text), "%s: %zu of %zu ", job->what, job->done, job->total);
		column = tui_grid_puts(grid, line, 0, grid->columns, text, TUI_CYAN);
		room = grid->columns > column + 2 ? grid->columns - column - 2 : 0;
		if (room > 40)
			room = 40;
		filled = job->total ? room * job->done / job->total : 0;
		for (size_t k = 0; k < room; k++)
			tui_grid_puts(grid, line, column + k, 1, k < filled ? "=" : ".", TUI_CYAN);
		return true;
	}
	return false;
}

/* What the message under the cursor said last, whole: its column may be cut. */
static void
draw_detail(struct tui_model *model, struct tui_grid *grid)
{
	struct tui_row *row = model->text.kind ? NULL : tui_current_row(model);
	static const char *const names[] = {"reason", "status", "subject"};
	size_t line = grid->lines - TUI_BOTTOM;
	struct qf_row r;

	if (!row || !tui_recall(model, row, &r))
		return;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct qf_slice text = tui_field_text(model, qf_field_find(names[i], NULL), &r);

		if (!text.n)
			continue;
		tui_grid_put_raw(grid, line, 1, grid->columns < 161 ? grid->columns - 2 : 160, text,
				 TUI_CYAN);
		return;
	}
}

static void
draw_bottom(struct tui_model *model, struct tui_grid *grid)
{
	static const char *const labels[] = {"", "/", "find: ", "mark: ", "reason to hold: ",
					     "which recipients: ", "replace by (nothing: strike): ",
					     "columns: ", "fix this one (recover,rescue,guard,clean or all): ",
					     "move to queue: ", "export to (FILE.mbox, FILE.tar): ",
					     ":"};
	size_t line = grid->lines - TUI_BOTTOM;

	draw_keys(model, grid);
	if (model->prompt == TUI_ASK_YES)
		draw_question(model, grid);
	else if (model->prompt != TUI_NO_PROMPT)
		draw_input(model, grid, labels[model->prompt]);
	else if (model->note[0])
		tui_grid_put_raw(grid, line, 0, grid->columns,
				 (struct qf_slice){model->note, strlen(model->note)}, TUI_BOLD);
	else if (model->trouble[0])
		tui_grid_put_raw(grid, line, 0, grid->columns,
				 (struct qf_slice){model->trouble, strlen(model->trouble)},
				 TUI_RED | TUI_BOLD);
	else if (!draw_job(model, grid))
		draw_detail(model, grid);
}

void
tui_draw_found(const struct tui_model *model, struct tui_grid *grid, size_t line)
{
	const struct tui_cell *cells = &grid->cells[line * grid->columns];
	size_t n = strlen(model->find);
	struct qf_buf ascii = {0};

	if (!n || line >= grid->lines)
		return;
	/* Cells, not bytes: what is not ASCII is matched where it stands in one cell alone. */
	for (size_t i = 0; i < grid->columns; i++)
		qf_buf_addc(&ascii, cells[i].width && cells[i].text[0] < 0x80 && !cells[i].text[1]
					    ? (char)cells[i].text[0] : '\1');
	for (size_t i = 0; !ascii.failed && i + n <= ascii.n; i++)
		if (strncasecmp(ascii.p + i, model->find, n) == 0)
			tui_grid_style(grid, line, i, n, TUI_YELLOW | TUI_REVERSE);
	qf_buf_release(&ascii);
}

void
tui_draw(struct tui_model *model, struct tui_grid *grid)
{
	char text[80];

	if (!tui_grid_reset(grid, model->lines, model->columns))
		return;
	if (model->lines < TUI_LEAST_LINES || model->columns < TUI_LEAST_COLUMNS) {
		snprintf(text, sizeof(text), "%zux%zu is too small: %dx%d or more, please",
			 model->columns, model->lines, TUI_LEAST_COLUMNS, TUI_LEAST_LINES);
		for (size_t i = 0, n = strlen(text); i < grid->lines && i * grid->columns < n; i++)
			tui_grid_puts(grid, i, 0, grid->columns, text + i * grid->columns, 0);
		return;
	}
	draw_status(model, grid);
	draw_views(model, grid);
	if (model->text.kind != TUI_TEXT_NONE)
		tui_draw_text(model, grid);
	else if (model->view == TUI_GROUPS)
		tui_draw_groups(model, grid);
	else if (model->view == TUI_ACTIVITY)
		tui_draw_activity(model, grid);
	else if (model->view == TUI_JOURNAL)
		tui_draw_journal(model, grid);
	else if (model->view == TUI_ORPHANS)
		tui_draw_orphans(model, grid);
	else
		tui_draw_messages(model, grid, TUI_TOP, tui_body_lines(model));
	draw_bottom(model, grid);
}
