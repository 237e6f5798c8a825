/*
 * text - what is looked at in lines: a message, the output of a command, help, jobs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "view.h"

/* More than this of a command's output is not kept: this is a screen, not a file. */
#define TEXT_MOST ((size_t)8 << 20)

void
tui_text_close(struct tui_model *model)
{
	struct tui_text *text = &model->text;
	struct qf_buf bytes = text->bytes;
	size_t *starts = text->starts, cap = text->cap;

	tui_row_drop(text->row);
	qf_buf_clear(&bytes);
	*text = (struct tui_text){.bytes = bytes, .starts = starts, .cap = cap, .found = SIZE_MAX};
}

void
tui_text_open(struct tui_model *model, int kind, const char *title)
{
	tui_text_close(model);
	model->text.kind = kind;
	snprintf(model->text.title, sizeof(model->text.title), "%s", title);
}

static void
clear_lines(struct tui_text *text)
{
	qf_buf_clear(&text->bytes);
	text->n = text->scanned = text->top = 0;
	text->found = SIZE_MAX;
	text->cut = false;
}

void
tui_text_add(struct tui_text *text, struct qf_slice bytes)
{
	if (text->kind == TUI_TEXT_NONE)
		return;
	if (text->bytes.n + bytes.n > TEXT_MOST) {
		bytes.n = TEXT_MOST - text->bytes.n;
		text->cut = true;
	}
	qf_buf_add(&text->bytes, bytes.p, bytes.n);
	while (text->scanned < text->bytes.n) {
		const char *from = text->bytes.p + text->scanned;
		const char *lf = memchr(from, '\n', text->bytes.n - text->scanned);
		bool begins = text->scanned == 0 || text->bytes.p[text->scanned - 1] == '\n';

		if (begins && text->n == text->cap) {
			size_t cap = text->cap ? text->cap * 2 : 256;
			size_t *more = realloc(text->starts, cap * sizeof(*more));

			if (!more)
				return;
			text->starts = more;
			text->cap = cap;
		}
		if (begins)
			text->starts[text->n++] = text->scanned;
		text->scanned = lf ? (size_t)(lf + 1 - text->bytes.p) : text->bytes.n;
	}
}

struct qf_slice
tui_text_line(const struct tui_text *text, size_t i)
{
	size_t from = text->starts[i];
	size_t to = i + 1 < text->n ? text->starts[i + 1] : text->bytes.n;

	if (to > from && text->bytes.p[to - 1] == '\n')
		to--;
	if (to > from && text->bytes.p[to - 1] == '\r')
		to--;
	return (struct qf_slice){text->bytes.p + from, to - from};
}

/* ------------------------------------------------------------------ one message */

static void
add_time(struct tui_text *text, const char *what, int64_t when, int64_t now)
{
	char time[QF_TIME_TEXT] = "-", age[QF_TIME_TEXT] = "", line[160];

	if (when != QF_TIME_NONE) {
		qf_time_format(when, time);
		qf_age_format(when > now ? qf_time_between(now, when) : qf_time_between(when, now),
			      age);
	}
	snprintf(line, sizeof(line), "%-22s %s%s%s%s\n", time, what, *age ? ", " : "",
		 !*age ? "" : when > now ? "in " : age, !*age ? "" : when > now ? age : " ago");
	tui_text_add(text, (struct qf_slice){line, strlen(line)});
}

static void
add_words(struct tui_text *text, const char *words)
{
	tui_text_add(text, (struct qf_slice){words, strlen(words)});
}

static void
timeline(struct tui_model *model)
{
	struct qf_buf words = {0};
	const struct qf_envelope *env;
	char line[128];
	struct qf_row row;

	if (!tui_recall(model, model->text.row, &row))
		return;
	env = qf_msg_envelope(row.msg);
	add_time(&model->text, "accepted", env->created, row.now);
	snprintf(line, sizeof(line), "last try of %lld", (long long)env->tries);
	add_time(&model->text, env->last_try == QF_TIME_NONE ? "never tried" : line, env->last_try,
		 row.now);
	add_time(&model->text, "next try, at the earliest", row.outlook.due, row.now);
	if (row.outlook.warned)
		add_time(&model->text, "warning: was sent to the sender", QF_TIME_NONE, row.now);
	else
		add_time(&model->text, "warning to the sender", row.outlook.warn_at, row.now);
	add_time(&model->text, "return to the sender, by the first try after that",
		 row.outlook.bounce_at, row.now);
	add_words(&model->text, "\n");
	qf_outlook_describe(&row, &words);
	tui_text_add(&model->text, (struct qf_slice){words.p, words.n});
	qf_buf_release(&words);
}

/* Path of the control file: the id alone may be that of several messages. */
bool
tui_row_path(const struct tui_model *model, const struct tui_row *row, struct qf_buf *out)
{
	const struct qf_dir *dir = qf_queue_dir(model->queue, row->dir);

	qf_buf_addf(out, "%s%s/%.*s", dir->path, dir->split_qf ? "/qf" : "", (int)row->name_n,
		    row->name);
	return !out->failed;
}

unsigned
tui_show_part(struct tui_model *model, enum tui_part part)
{
	static const char *const options[TUI_PARTS] = {NULL, "--part=qf", "--part=xf", NULL};
	struct tui_text *text = &model->text;
	struct qf_buf path = {0};
	bool ok;

	clear_lines(text);
	text->part = part;
	text->status = 0;
	if (part == TUI_TIMELINE) {
		text->running = false;
		timeline(model);
		return TUI_DRAW | TUI_END_RUN;
	}
	tui_run_clear(&model->run);
	ok = tui_run_add(&model->run, "show") && tui_row_path(model, text->row, &path);
	qf_buf_addc(&path, '\0');
	if (part == TUI_SUMMARY && !model->bodies)
		ok = ok && tui_run_add(&model->run, "--no-body");
	if (options[part])
		ok = ok && tui_run_add(&model->run, options[part]);
	ok = ok && !path.failed && tui_run_add(&model->run, "--") && tui_run_add(&model->run, path.p);
	qf_buf_release(&path);
	text->running = ok;
	return TUI_DRAW | (ok ? TUI_RUN : 0);
}

/* ------------------------------------------------------------------ moving about */

bool
tui_text_find(struct tui_model *model, int direction, bool stay)
{
	struct tui_text *text = &model->text;
	size_t n = text->n, at = text->found != SIZE_MAX ? text->found : text->top;

	for (size_t i = stay ? 0 : 1; model->find[0] && i <= n && n; i++) {
		size_t k = direction > 0 ? (at + i) % n : (at + n - i % n) % n;
		struct qf_slice line = tui_text_line(text, k);
		char *copy = strndup(line.p, line.n);
		bool found = copy && strcasestr(copy, model->find);

		free(copy);
		if (!found)
			continue;
		text->found = k;
		text->top = k > tui_body_lines(model) / 3 ? k - tui_body_lines(model) / 3 : 0;
		return true;
	}
	tui_note(model, model->find[0] ? "not found: %s" : "nothing was looked for yet", model->find);
	return false;
}

unsigned
tui_text_action(struct tui_model *model, enum tui_action action)
{
	struct tui_text *text = &model->text;
	size_t page = tui_body_lines(model);
	size_t last = text->n > page ? text->n - page : 0, to = text->top;

	text->follow = false;
	switch (action) {
	case TUI_UP:
		to = to ? to - 1 : 0;
		break;
	case TUI_DOWN:
		to++;
		break;
	case TUI_PAGE_UP:
		to = to > page ? to - page : 0;
		break;
	case TUI_PAGE_DOWN:
		to += page;
		break;
	case TUI_HALF_UP:
		to = to > page / 2 ? to - page / 2 : 0;
		break;
	case TUI_HALF_DOWN:
		to += page / 2;
		break;
	case TUI_FIRST:
		to = 0;
		break;
	case TUI_LAST:
		to = last;
		text->follow = text->running;
		break;
	case TUI_LEFT:
	case TUI_RIGHT:
		if (text->kind != TUI_TEXT_MESSAGE)
			return 0;
		return tui_show_part(model, (text->part + (action == TUI_RIGHT ? 1 : TUI_PARTS - 1)) %
						    TUI_PARTS);
	case TUI_BACK:
		tui_text_close(model);
		return TUI_DRAW | TUI_END_RUN;
	default:
		return 0;
	}
	/* Long lines are broken, so that the last line may have to go up further than a page says. */
	if (to >= text->n)
		to = text->n ? text->n - 1 : 0;
	if (text->top < last && to > last)
		to = last;
	text->top = to;
	text->found = SIZE_MAX;
	return TUI_DRAW;
}

/* ------------------------------------------------------------------ help and jobs */

void
tui_help(struct tui_model *model)
{
	struct qf_buf line = {0};

	tui_text_open(model, TUI_TEXT_HELP, "keys");
	for (int i = TUI_NONE + 1; i < TUI_ACTION_COUNT; i++) {
		const struct tui_action_row *row = tui_action_row((enum tui_action)i);
		size_t keys;

		qf_buf_clear(&line);
		qf_buf_addc(&line, ' ');
		tui_keymap_names(&model->keymap, (enum tui_action)i, &line);
		keys = line.n;
		qf_buf_addf(&line, "%*s %-14s %s%s\n", keys < 18 ? (int)(18 - keys) : 0, "", row->name,
			    row->help,
			    row->flags & TUI_WRITES && model->config->read_only ? " (read-only)" : "");
		tui_text_add(&model->text, (struct qf_slice){line.p, line.n});
	}
	add_words(&model->text,
		  "\n Changes are for the marked messages, or for the one under the cursor. Each asks\n"
		  " once. Keys can be set in qf.conf, section [tui]: key = ACTION=KEY KEY\n");
	qf_buf_release(&line);
}

void
tui_jobs_text(struct tui_model *model)
{
	size_t top = model->text.kind == TUI_TEXT_JOBS ? model->text.top : 0;

	tui_text_open(model, TUI_TEXT_JOBS, "jobs");
	for (size_t i = 0; i < model->jobs.n; i++) {
		const struct tui_job *job = &model->jobs.jobs[i];
		char line[512], time[QF_TIME_TEXT];

		qf_time_format(job->time, time);
		/* What was killed may not have got to say all that it did. */
		snprintf(line, sizeof(line), "%s  %s: %zu%s of %zu%s", time, job->what, job->done,
			 job->alive || job->ended ? "" : " or more", job->total ? job->total : job->done,
			 job->alive ? ", at work" : job->ended ? ", ended" : ", INTERRUPTED");
		add_words(&model->text, line);
		if (tui_job_undone(job)) {
			snprintf(line, sizeof(line), job->alive || job->ended ? "; %zu not done"
									       : "; up to %zu not done",
				 tui_job_undone(job));
			add_words(&model->text, line);
		}
		add_words(&model->text, "\n");
		if (job->last[0]) {
			snprintf(line, sizeof(line), "    %s\n", job->last);
			add_words(&model->text, line);
		}
	}
	if (model->jobs.failure[0]) {
		add_words(&model->text, model->jobs.failure);
		add_words(&model->text, ": which jobs there are is not known\n");
	} else if (!model->jobs.n) {
		add_words(&model->text, "no jobs: changes that were asked for here are listed here\n");
	}
	model->text.top = top < model->text.n ? top : 0;
}

static void
add_field(struct tui_text *text, const char *label, const char *words)
{
	char line[24];

	if (!words || !*words)
		return;
	snprintf(line, sizeof(line), "%-13s", label);
	add_words(text, line);
	add_words(text, words);
	add_words(text, "\n");
}

void
tui_orphan_text(struct tui_model *model, size_t i)
{
	const struct tui_orphan *o = i < model->orphans.n ? &model->orphans.found[i] : NULL;
	char when[QF_TIME_TEXT];

	if (!o)
		return;
	tui_text_open(model, TUI_TEXT_OUTPUT, o->path);
	add_field(&model->text, "Verdict", o->verdict);
	add_field(&model->text, "Cause", o->cause);
	add_field(&model->text, "", o->text);
	add_field(&model->text, "Why", o->why);
	add_field(&model->text, "Harm", o->harm);
	if (o->deadline != QF_TIME_NONE) {
		qf_time_format(o->deadline, when);
		add_field(&model->text, "From", when);
	}
	qf_age_format(o->age, when);
	add_field(&model->text, "Changed", when);
	add_field(&model->text, "Remedy", o->fix);
	add_words(&model->text, o->more);
}
