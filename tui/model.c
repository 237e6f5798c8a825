/*
 * model - all that the TUI knows, and the one door through which it changes.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "view.h"

/* Reading the queue takes a share of the time like this one at most: where it takes long, it is looked at
   less often. */
#define SHARE 4

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
				    .queue = config->queues[3],
				    .clock = clock,
				    .now = config->now != QF_TIME_NONE ? config->now : clock,
				    .key_at = clock,
				    .opened_at = clock,
				    .sort = qf_field_find("age", NULL),
				    .read_at = QF_TIME_NONE,
				    .interval_ms = (uint64_t)config->refresh * 1000,
				    .minute = clock / 60,
				    .error_at = SIZE_MAX,
				    .lines = 24,
				    .columns = 80};
	model->happened = calloc(TUI_HAPPENED, sizeof(*model->happened));
	code = tui_keymap_init(&model->keymap, config->keys, config->nkeys, err);
	if (!code && config->columns)
		code = tui_columns_parse(config->columns, &model->chosen, err);
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
		free(model->lists[i].on_name);
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
	tui_orphans_release(&model->orphans);
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
	case TUI_VIEW_6:
		return tui_show_view(model, (enum tui_view)(action - TUI_VIEW_1));
	case TUI_NEXT_VIEW:
		if (model->text.kind == TUI_TEXT_MESSAGE)
			return tui_text_action(model, TUI_RIGHT);
		return tui_show_view(model, (model->view + 1) % TUI_VIEWS);
	case TUI_PREVIOUS_VIEW:
		if (model->text.kind == TUI_TEXT_MESSAGE)
			return tui_text_action(model, TUI_LEFT);
		return tui_show_view(model, (model->view + TUI_VIEWS - 1) % TUI_VIEWS);
	case TUI_FIND:
	case TUI_FIND_TEXT:
		tui_ask(model, TUI_ASK_FIND, "");
		return TUI_DRAW;
	case TUI_FIND_NEXT:
	case TUI_FIND_PREVIOUS:
		if (!in_text)
			return tui_list_find(model, action == TUI_FIND_NEXT ? 1 : -1);
		tui_text_find(model, action == TUI_FIND_NEXT ? 1 : -1, false);
		return TUI_DRAW;
	case TUI_HOLD:
	case TUI_RELEASE:
	case TUI_REMOVE:
	case TUI_DUE:
	case TUI_DELIVER:
	case TUI_BOUNCE:
	case TUI_EDIT:
	case TUI_MOVE:
	case TUI_EXPORT:
	case TUI_FIX:
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
		return TUI_DRAW | TUI_READ | (model->view == TUI_JOURNAL ? TUI_READ_JOURNAL : 0) |
		       (model->view == TUI_ORPHANS ? TUI_LOOK_FOR_ORPHANS : 0);
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
		return in_text ? tui_text_action(model, action) : tui_list_action(model, action);
	}
}

static unsigned
take_key(struct tui_model *model, const struct tui_event *event)
{
	enum tui_action action;

	model->key_at = model->clock;
	if (model->prompt != TUI_NO_PROMPT) {
		unsigned effects = tui_prompt_key(model, event->key);

		if (!model->prompt && model->text.plan && !model->text.running)
			tui_planned(model);
		return effects;
	}
	action = tui_keymap_find(&model->keymap, event->key,
				 model->text.kind != TUI_TEXT_NONE ? TUI_IN_TEXT : TUI_IN_LIST);
	if (event->key == TUI_KEY_PRESS)
		return action ? tui_list_click(model, event->line, event->column) : 0;
	if (action != TUI_NONE) {
		model->note[0] = '\0';
		model->undo_wanted = false;
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
	model->misplaced = picture->misplaced;
	/* Of what could not be read what is shown is as old as it was. */
	if (picture->whole)
		model->read_at = picture->at;
	if (picture->complete) {
		model->read_seconds = picture->seconds;
		model->interval_ms = (uint64_t)model->config->refresh * 1000;
		if ((uint64_t)(picture->seconds * 1000 * SHARE) > model->interval_ms)
			model->interval_ms = (uint64_t)(picture->seconds * 1000 * SHARE);
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
	tui_marks_look(&model->marks, picture);
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
	tui_journal_release(&model->journal);
	model->journal = *journal;
	tui_list_again(model, TUI_JOURNAL);
	if (model->undo_wanted) {
		model->undo_wanted = false;
		return tui_undo_last(model);
	}
	return model->view == TUI_JOURNAL ? TUI_DRAW : 0;
}

static unsigned
take_orphans(struct tui_model *model, struct tui_orphans *orphans)
{
	tui_orphans_release(&model->orphans);
	model->orphans = *orphans;
	tui_list_again(model, TUI_ORPHANS);
	return model->view == TUI_ORPHANS ? TUI_DRAW : 0;
}

size_t
tui_job_undone(const struct tui_job *job)
{
	size_t silent = job->total > job->done ? job->total - job->done : 0;

	return job->failed + (job->alive ? 0 : silent);
}

/* What came of the job that ended last. */
static void
tell_end(struct tui_model *model)
{
	const struct tui_job *job = model->jobs.n ? &model->jobs.jobs[0] : NULL;
	const char *colon;
	size_t done, not;

	if (!job)
		return;
	colon = job->last[0] ? ": " : "";
	done = job->done - job->failed;
	not = tui_job_undone(job);
	if (!job->ended)
		tui_note(model, "%s: ended early, %zu done or more%s%s", job->what, done, colon, job->last);
	else if (not)
		tui_note(model, "%s: %zu done, %zu not%s%s", job->what, done, not, colon, job->last);
	else if (!done)
		tui_note(model, "%s: ended%s%s", job->what, colon, job->last);
	else
		tui_note(model, "%s: done%s", job->what,
			 strcmp(job->name, model->last_job) ? "" : "; u takes it back");
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
	if (!was || is)
		return TUI_DRAW;
	return TUI_DRAW | TUI_READ | TUI_READ_JOURNAL |
	       (model->view == TUI_ORPHANS ? TUI_LOOK_FOR_ORPHANS : 0);
}

static unsigned
take_size(struct tui_model *model, size_t lines, size_t columns)
{
	struct tui_list *list = tui_current_list(model);

	model->lines = lines ? lines : 1;
	model->columns = columns ? columns : 1;
	tui_scroll(&list->top, list->cursor, tui_length(model), tui_body_lines(model));
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
		return tui_take_order(model, event->order);
	case TUI_EVENT_TEXT:
		tui_text_add(&model->text, event->bytes);
		if (model->text.follow && model->text.n > tui_body_lines(model))
			model->text.top = model->text.n - tui_body_lines(model);
		return TUI_DRAW;
	case TUI_EVENT_TEXT_END:
		model->text.running = false;
		model->text.status = event->status;
		/* Not in the middle of what is being typed: a y of that would be the answer. */
		if (model->text.plan && !model->prompt)
			tui_planned(model);
		return TUI_DRAW;
	case TUI_EVENT_JOURNAL:
		return take_journal(model, event->journal);
	case TUI_EVENT_ORPHANS:
		return take_orphans(model, event->orphans);
	case TUI_EVENT_JOBS:
		return take_jobs(model, event->jobs);
	case TUI_EVENT_NOTE:
		tui_note(model, "%.*s", (int)(event->bytes.n < 200 ? event->bytes.n : 200),
			 event->bytes.p);
		return TUI_DRAW;
	}
	return 0;
}
