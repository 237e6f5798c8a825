/*
 * change - from an action to a question that says exactly what will happen, and from the yes to the
 * command that does it. Nothing is changed here: qf itself does it, in a process of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "view.h"

/* The commands behind the actions. */
static const struct {
	enum tui_action action;
	const char *command, *question, *after;
	bool no_way_back;
} commands[] = {
	{TUI_HOLD, "hold", "Hold %s: no queue run takes %s until released?", "R releases", false},
	{TUI_RELEASE, "release", "Release %s: the next queue run may take %s?", "u takes it back",
	 false},
	{TUI_REMOVE, "rm", "Remove %s: out of the queue, into its trash, where %s for 7 days?",
	 "u takes it back", false},
	{TUI_DUE, "due", "Make %s due: the next queue run tries %s?", "u takes it back", false},
	{TUI_DELIVER, "deliver", "Deliver %s: sendmail tries %s now?",
	 "There is no way back from it", true},
	{TUI_BOUNCE, "bounce", "Bounce %s: sendmail returns %s to the sender now?",
	 "There is no way back from it", true},
	/* What it asks comes of its plan. */
	{TUI_EDIT, "edit", "", "", false},
	{TUI_MOVE, "salvage", "", "", false},
	{TUI_EXPORT, "salvage", "", "", false},
};

bool
tui_is_readable(const char *place)
{
	static const char *const ends[] = {".mbox", ".eml/", ".maildir/"};
	size_t n = strlen(place);

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (n > strlen(ends[i]) && strcmp(place + n - strlen(ends[i]), ends[i]) == 0)
			return true;
	return false;
}

bool
tui_can_undo(const struct tui_run *run)
{
	bool known = false;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		known |= run->argc && !commands[i].no_way_back &&
			 strcmp(commands[i].command, run->argv[0]) == 0;
	if (run->argc && strcmp(run->argv[0], "salvage") == 0 &&
	    (!run->place[0] || tui_is_readable(run->place)))
		return false;
	/* What is destroyed, or not written down, has no way back. */
	for (size_t i = 1; i < run->argc; i++)
		if (strcmp(run->argv[i], "--purge") == 0 || strcmp(run->argv[i], "--no-journal") == 0)
			return false;
	return known;
}

void
tui_run_clear(struct tui_run *run)
{
	for (size_t i = 0; i < run->argc; i++)
		free(run->argv[i]);
	free(run->argv);
	qf_buf_release(&run->input);
	*run = (struct tui_run){0};
}

bool
tui_run_add(struct tui_run *run, const char *argument)
{
	char **more = realloc(run->argv, (run->argc + 2) * sizeof(*more));

	if (!more)
		return false;
	run->argv = more;
	run->argv[run->argc] = strdup(argument);
	run->argv[run->argc + 1] = NULL;
	return run->argv[run->argc] && ++run->argc;
}

bool
tui_run_add_option(struct tui_run *run, const char *option, const char *value)
{
	struct qf_buf text = {0};
	bool ok;

	qf_buf_addf(&text, "%s=%s", option, value);
	qf_buf_addc(&text, '\0');
	ok = !text.failed && tui_run_add(run, text.p);
	qf_buf_release(&text);
	return ok;
}

/* ------------------------------------------------------------------ which messages */

struct targets {
	size_t n, busy, held, hidden;
	int64_t size, oldest;
	char id[QF_NAME_MAX];
	bool failed;
};

static bool
add_input(struct tui_model *model, const struct tui_row *row)
{
	struct qf_buf path = {0};
	bool ok = tui_row_path(model, row, &path);
	/* Ids are read up to a blank; a path with one in it cannot be said so. */
	bool plain = ok && !memchr(path.p, ' ', path.n) && !memchr(path.p, '\t', path.n) &&
		     !memchr(path.p, '\n', path.n);
	struct qf_slice id = tui_row_id(row);

	qf_buf_add(&model->run.input, plain ? path.p : id.p, plain ? path.n : id.n);
	qf_buf_addc(&model->run.input, '\n');
	qf_buf_release(&path);
	return ok && !model->run.input.failed;
}

static void
add_target(struct tui_model *model, struct targets *t, const struct tui_row *row)
{
	struct qf_slice id = tui_row_id(row);

	if (t->n++ == 0)
		memcpy(t->id, id.p, id.n < sizeof(t->id) ? id.n : sizeof(t->id) - 1);
	t->busy += row->busy == QF_YES;
	t->held += row->state == QF_STATE_HELD;
	t->size += row->data_size > 0 ? row->data_size : 0;
	if (row->created != QF_TIME_NONE && (t->oldest == QF_TIME_NONE || row->created < t->oldest))
		t->oldest = row->created;
	t->failed |= !add_input(model, row);
}

/* How many of the marked are in the list as it is shown. */
static size_t
shown_marked(struct tui_model *model)
{
	const struct tui_order *order = tui_current_list(model)->order;
	size_t n = 0;

	for (size_t i = 0; order && !order->grouped && i < order->n; i++)
		n += tui_is_marked(&model->marks, order->picture->rows[order->index[i]]);
	return n;
}

/* The marked ones that are still there, or the one under the cursor. */
static struct targets
find_targets(struct tui_model *model)
{
	struct targets t = {.oldest = QF_TIME_NONE};
	struct tui_row *row = tui_current_row(model);
	size_t shown;

	if (model->text.kind == TUI_TEXT_MESSAGE && row) {
		add_target(model, &t, row);
		return t;
	}
	for (size_t i = 0; model->picture && model->marks.n && i < model->picture->n; i++)
		if (tui_is_marked(&model->marks, model->picture->rows[i]))
			add_target(model, &t, model->picture->rows[i]);
	shown = t.n ? shown_marked(model) : 0;
	t.hidden = t.n > shown ? t.n - shown : 0;
	if (!t.n && !model->marks.n && row)
		add_target(model, &t, row);
	return t;
}

/* ------------------------------------------------------------------ questions */

void
tui_ask_yes(struct tui_model *model, enum tui_action action)
{
	model->asked = action;
	model->prompt = TUI_ASK_YES;
}

/* What ages in questions are reckoned from; as those of the list, but to the second. */
static int64_t
asked_at(const struct tui_model *model)
{
	return model->config->now != QF_TIME_NONE ? model->config->now : model->clock;
}

static void
ask(struct tui_model *model, enum tui_action action, const struct targets *t)
{
	char what[64], age[QF_TIME_TEXT] = "", more[160] = "";
	struct qf_buf size = {0};
	const struct qf_field *field = qf_field_find("size", NULL);
	size_t c = 0, used = 0;

	while (commands[c].action != action)
		c++;
	if (t->n == 1)
		snprintf(what, sizeof(what), "the message %s", t->id);
	else
		snprintf(what, sizeof(what), "%zu messages", t->n);
	if (action == TUI_REMOVE)
		snprintf(model->question[0], sizeof(model->question[0]), commands[c].question, what,
			 t->n == 1 ? "it stays" : "they stay");
	else
		snprintf(model->question[0], sizeof(model->question[0]), commands[c].question, what,
			 t->n == 1 ? "it" : "them");
	qf_field_format(field, (struct qf_value){.present = true, .number = t->size}, &size);
	if (t->oldest != QF_TIME_NONE)
		qf_age_format(qf_time_between(t->oldest, asked_at(model)), age);
	if (t->hidden)
		used += (size_t)snprintf(more + used, sizeof(more) - used,
					 "; %zu of them are not in this list", t->hidden);
	if (t->busy)
		used += (size_t)snprintf(more + used, sizeof(more) - used,
					 "; %zu in delivery: left alone", t->busy);
	if (action == TUI_RELEASE && t->held < t->n)
		snprintf(more + used, sizeof(more) - used, "; %zu not held: left alone",
			 t->n - t->held);
	snprintf(model->question[1], sizeof(model->question[1]), "%.*s in all, the oldest %s%s. %s.",
		 (int)size.n, size.n ? size.p : "", *age ? age : "of unknown age", more,
		 commands[c].after);
	qf_buf_release(&size);
	tui_ask_yes(model, action);
}

/* The command with its messages; the reason is still to come where one is needed. */
static unsigned
begin(struct tui_model *model, enum tui_action action)
{
	struct targets t;
	size_t c = 0;

	while (commands[c].action != action)
		c++;
	tui_run_clear(&model->run);
	t = find_targets(model);
	if (t.failed) {
		tui_note(model, "memory: none left");
		return TUI_DRAW;
	}
	if (t.n == 0) {
		tui_note(model, model->marks.n ? "none of the marked messages is there any more"
					       : "no message here");
		return TUI_DRAW;
	}
	model->run.total = t.n;
	model->run.is_job = true;
	if (action == TUI_MOVE || action == TUI_EXPORT) {
		tui_ask(model, action == TUI_MOVE ? TUI_ASK_TARGET : TUI_ASK_FILE, "");
		return TUI_DRAW;
	}
	if (!tui_run_add(&model->run, commands[c].command) || !tui_run_add(&model->run, "-") ||
	    (action != TUI_EDIT && !tui_run_add(&model->run, "--format=json"))) {
		tui_note(model, "memory: none left");
		return TUI_DRAW;
	}
	if (action == TUI_EDIT) {
		tui_ask(model, TUI_ASK_RCPT, "rcpt:");
		return TUI_DRAW;
	}
	ask(model, action, &t);
	if (action == TUI_HOLD) {
		tui_ask(model, TUI_ASK_REASON, "");
		model->asked = action;
	}
	return TUI_DRAW;
}

static unsigned
undo_entry(struct tui_model *model, const struct tui_entry *e)
{
	char age[QF_TIME_TEXT];

	if (e->undo != QF_UNDO_POSSIBLE) {
		tui_note(model, "%s of %s cannot be taken back%s%s", e->command, e->id,
			 e->why ? ": " : e->undo == QF_UNDO_DONE ? ": it was already" : "",
			 e->why ? e->why : "");
		return TUI_DRAW;
	}
	tui_run_clear(&model->run);
	if (!tui_run_add(&model->run, "undo") || !tui_run_add(&model->run, "--format=json") ||
	    !tui_run_add(&model->run, "-"))
		return TUI_DRAW;
	qf_buf_addf(&model->run.input, "%s\n", e->entry);
	snprintf(model->run.takes_back, sizeof(model->run.takes_back), "%s", e->entry);
	model->run.total = 1;
	model->run.is_job = true;
	qf_age_format(qf_time_between(e->time, asked_at(model)), age);
	snprintf(model->question[0], sizeof(model->question[0]), "Take back: %s of %s?", e->command,
		 e->id ? e->id : "?");
	snprintf(model->question[1], sizeof(model->question[1]), "It was made %s ago by %s.", age,
		 e->user ? e->user : "?");
	tui_ask_yes(model, TUI_UNDO);
	return TUI_DRAW;
}

/* From a move: those that are still there, brought back. From an export: its claims, put back. */
static unsigned
undo_salvage(struct tui_model *model, const struct tui_job *job)
{
	struct tui_run *run = &model->run;
	bool moved = strncmp(job->what, "move", 4) == 0, ok;

	tui_run_clear(run);
	ok = tui_run_add(run, "salvage") && tui_run_add(run, moved ? "run" : "export");
	ok = ok && (!moved || tui_run_add_option(run, "--from", job->place));
	for (size_t i = 0; ok && i < qf_queue_ndirs(model->queue); i++)
		ok = tui_run_add_option(run, moved ? "--to" : "--from",
					qf_queue_dir(model->queue, i)->path);
	/* As they were: what that run has held there for being past its return time is let go. */
	ok = ok && (!moved || !job->run[0] || tui_run_add_option(run, "--unhold", job->run));
	ok = ok && (moved ? tui_run_add(run, "--expired=move") && tui_run_add(run, "-")
			  : tui_run_add_option(run, "--abort", job->run));
	if (!ok || !tui_run_add(run, "--format=json")) {
		tui_note(model, "memory: none left");
		return TUI_DRAW;
	}
	snprintf(run->takes_back, sizeof(run->takes_back), "%s", job->name);
	run->feeds = moved;
	run->total = job->done - job->failed;
	run->is_job = true;
	snprintf(model->question[0], sizeof(model->question[0]), "%s: %s (%zu %s)?",
		 moved ? "Bring back" : "Put back", job->what, run->total,
		 run->total == 1 ? "was done" : "were done");
	snprintf(model->question[1], sizeof(model->question[1]), moved
			? "From %.300s, as they were here. What has gone on there stays, and is named."
			: "%.300s stays; it must not be imported any more.",
		 job->place);
	tui_ask_yes(model, TUI_UNDO);
	return TUI_DRAW;
}

/* Of a job by its name, of a change by its entry: it was, or cannot be. */
static bool
is_taken_back(const struct tui_jobs *jobs, const char *name)
{
	for (size_t i = 0; i < jobs->n; i++)
		if (strcmp(jobs->jobs[i].takes_back, name) == 0)
			return true;
	return false;
}

/* Is there anything that taking it back would be about? Of an export that was made, also claims that it has
   no line of. */
static bool
has_done(const struct tui_job *job)
{
	bool exported = strcmp(job->command, "salvage") == 0 && strncmp(job->what, "move", 4);

	return job->alive || job->done > job->failed || (exported && job->run[0]);
}

/* The newest job that can be taken back, and was not yet. Of earlier sessions only what was moved and
   exported: the journal does not have it, but all else, also what others changed since. NULL: there is
   none. */
static const struct tui_job *
job_to_undo(const struct tui_model *model)
{
	for (size_t i = 0; i < model->jobs.n; i++) {
		const struct tui_job *job = &model->jobs.jobs[i];

		if (job->can_undo && has_done(job) && !is_taken_back(&model->jobs, job->name) &&
		    (job->time >= model->opened_at || strcmp(job->command, "salvage") == 0))
			return job;
	}
	return NULL;
}

/* The newest change in the journal that can be taken back, and was not tried in vain; NULL: there is
   none. */
static const struct tui_entry *
entry_to_undo(const struct tui_model *model)
{
	for (size_t i = 0; i < model->journal.n; i++) {
		const struct tui_entry *e = &model->journal.entries[i];

		if (e->undo == QF_UNDO_POSSIBLE && !is_taken_back(&model->jobs, e->entry))
			return e;
	}
	return NULL;
}

/* Of a job that was killed the journal knows more than what it got to say: how many of its changes there
   are to take back, into the input of the run. */
static size_t
feed_from_journal(struct tui_model *model, const struct tui_job *job)
{
	size_t n = strlen(job->entries), found = 0;

	for (size_t i = 0; n && i < model->journal.n; i++) {
		const struct tui_entry *e = &model->journal.entries[i];

		if (e->undo != QF_UNDO_POSSIBLE || strncmp(e->entry, job->entries, n) != 0)
			continue;
		qf_buf_addf(&model->run.input, "%s\n", e->entry);
		found++;
	}
	return found;
}

static unsigned
undo_job(struct tui_model *model, const struct tui_job *job)
{
	size_t known = 0;

	char age[QF_TIME_TEXT];

	if (job->alive) {
		tui_note(model, "%s: still at work", job->what);
		return TUI_DRAW;
	}
	if (strcmp(job->command, "salvage") == 0)
		return undo_salvage(model, job);
	tui_run_clear(&model->run);
	if (!tui_run_add(&model->run, "undo") || !tui_run_add(&model->run, "--format=json") ||
	    !tui_run_add(&model->run, "-"))
		return TUI_DRAW;
	snprintf(model->run.takes_back, sizeof(model->run.takes_back), "%s", job->name);
	if (!job->ended)
		known = feed_from_journal(model, job);
	model->run.feeds = known == 0;
	model->run.total = known ? known : job->done - job->failed;
	model->run.is_job = true;
	snprintf(model->question[0], sizeof(model->question[0]), "Take back: %s (%zu %s)?", job->what,
		 model->run.total, model->run.total == 1 ? "was done" : "were done");
	qf_age_format(qf_time_between(job->time, model->clock), age);
	snprintf(model->question[1], sizeof(model->question[1]),
		 "It was begun %s ago. Each that has gone on since stays as it is, and is named.", age);
	tui_ask_yes(model, TUI_UNDO);
	return TUI_DRAW;
}

/* The job that made this entry, if it is known and has not been taken back. */
static const struct tui_job *
job_of_entry(const struct tui_model *model, const struct tui_entry *entry)
{
	for (size_t i = 0; i < model->jobs.n; i++) {
		const struct tui_job *job = &model->jobs.jobs[i];
		size_t n = strlen(job->entries);

		if (n && strncmp(entry->entry, job->entries, n) == 0)
			return job->can_undo && !is_taken_back(&model->jobs, job->name) ? job : NULL;
	}
	return NULL;
}

/* Of a job that was killed before it said a word, how its entries in the journal begin. */
static void
find_entries(const struct tui_model *model, struct tui_job *job)
{
	char process[32];

	snprintf(process, sizeof(process), "-%ld-", job->pid);
	for (size_t i = 0; i < model->journal.n && !job->entries[0]; i++) {
		const struct tui_entry *e = &model->journal.entries[i];
		const char *number = strrchr(e->entry, '-'), *at = strstr(e->entry, process);

		if (at && number == at + strlen(process) - 1 && strcmp(e->command, job->command) == 0 &&
		    e->time >= job->time && e->time - job->time < 60)
			snprintf(job->entries, sizeof(job->entries), "%.*s",
				 (int)(number + 1 - e->entry), e->entry);
	}
}

unsigned
tui_undo_last(struct tui_model *model)
{
	const struct tui_job *job = job_to_undo(model), *of;
	const struct tui_entry *entry = entry_to_undo(model);

	for (size_t i = 0; i < model->jobs.n; i++)
		if (model->jobs.jobs[i].pid && !model->jobs.jobs[i].entries[0])
			find_entries(model, &model->jobs.jobs[i]);
	of = entry ? job_of_entry(model, entry) : NULL;
	/* What is in no journal, or has not got there yet, is as old as its job. */
	if (job && (job->alive || !entry || job->time >= (of ? of->time : entry->time)))
		return undo_job(model, job);
	if (entry)
		return of ? undo_job(model, of) : undo_entry(model, entry);
	tui_note(model, "%s", model->journal.failure[0] ? model->journal.failure
						: "the journal has nothing that can be taken back");
	return TUI_DRAW;
}

static unsigned
undo(struct tui_model *model)
{
	if (model->text.kind == TUI_TEXT_NONE && model->view == TUI_JOURNAL) {
		size_t i = tui_current_list(model)->cursor;

		return i < model->journal.n ? undo_entry(model, &model->journal.entries[i]) : 0;
	}
	/* Others may have changed something since it was read. */
	model->undo_wanted = true;
	tui_note(model, "reading the journal");
	return TUI_DRAW | TUI_READ_JOURNAL;
}

bool
tui_is_kept_from_changing(struct tui_model *model)
{
	if (model->config->read_only)
		tui_note(model, "read-only: nothing is changed");
	else if (model->misplaced)
		tui_note(model, "nothing is changed: %.200s", model->trouble);
	return model->config->read_only || model->misplaced;
}

unsigned
tui_change(struct tui_model *model, enum tui_action action)
{
	model->question[0][0] = model->question[1][0] = '\0';
	if (tui_is_kept_from_changing(model))
		return TUI_DRAW;
	/* Its question comes when it is there, and is to be about what is to be run. */
	if (model->text.plan) {
		tui_note(model, "first what is planned here: Esc gives it up");
		return TUI_DRAW;
	}
	if (action == TUI_FIX)
		return tui_fix(model);
	return action == TUI_UNDO ? undo(model) : begin(model, action);
}

unsigned
tui_change_typed(struct tui_model *model, const char *text)
{
	struct qf_buf option = {0};
	bool ok;

	if (!text[strspn(text, " ")]) {
		tui_run_clear(&model->run);
		tui_note(model, "not held: whoever finds it held will ask why");
		return TUI_DRAW;
	}
	qf_buf_addf(&option, "--reason=%s", text);
	qf_buf_addc(&option, '\0');
	ok = !option.failed && tui_run_add(&model->run, option.p);
	qf_buf_release(&option);
	if (!ok)
		return TUI_DRAW;
	snprintf(model->question[2], sizeof(model->question[2]), "Reason: %.180s", text);
	tui_ask_yes(model, model->asked);
	return TUI_DRAW;
}

unsigned
tui_answered(struct tui_model *model, bool yes)
{
	model->prompt = TUI_NO_PROMPT;
	memset(model->question, 0, sizeof(model->question));
	/* A plan that was asked for with a key leads back to the list. */
	if ((model->asked == TUI_EDIT || model->asked == TUI_MOVE || model->asked == TUI_EXPORT) &&
	    model->text.kind == TUI_TEXT_OUTPUT)
		tui_text_close(model);
	/* It may have been asked before that was so. */
	if (!yes || tui_is_kept_from_changing(model)) {
		tui_run_clear(&model->run);
		if (!yes)
			tui_note(model, "nothing was done");
		return TUI_DRAW;
	}
	/* What is acted on is marked no more: the next action is for others. */
	if (model->asked != TUI_UNDO && model->asked != TUI_COMMAND)
		tui_marks_clear(&model->marks);
	return TUI_DRAW | TUI_START_JOB;
}
