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
} commands[] = {
	{TUI_HOLD, "hold", "Hold %s: no queue run takes %s until released?", "R releases"},
	{TUI_RELEASE, "release", "Release %s: the next queue run may take %s?", "u takes it back"},
	{TUI_REMOVE, "rm", "Remove %s: out of the queue, into its trash, where %s for 7 days?",
	 "u takes it back"},
	{TUI_DUE, "due", "Make %s due: the next queue run tries %s?", "u takes it back"},
};

bool
tui_can_undo(const struct tui_run *run)
{
	bool known = false;

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		known |= run->argc && strcmp(commands[i].command, run->argv[0]) == 0;
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

static void
ask_yes(struct tui_model *model, enum tui_action action)
{
	model->asked = action;
	model->prompt = TUI_ASK_YES;
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
		qf_age_format(qf_time_between(t->oldest, model->clock), age);
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
	ask_yes(model, action);
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
	if (!tui_run_add(&model->run, commands[c].command) ||
	    !tui_run_add(&model->run, "--format=json") || !tui_run_add(&model->run, "-")) {
		tui_note(model, "memory: none left");
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
	model->run.total = 1;
	model->run.is_job = true;
	qf_age_format(qf_time_between(e->time, model->clock), age);
	snprintf(model->question[0], sizeof(model->question[0]), "Take back: %s of %s?", e->command,
		 e->id ? e->id : "?");
	snprintf(model->question[1], sizeof(model->question[1]), "It was made %s ago by %s.", age,
		 e->user ? e->user : "?");
	ask_yes(model, TUI_UNDO);
	return TUI_DRAW;
}

/* The newest job of ours that did something and was not taken back yet. */
static unsigned
undo_job(struct tui_model *model)
{
	for (size_t i = 0; i < model->jobs.n; i++) {
		const struct tui_job *job = &model->jobs.jobs[i];

		if (strcmp(job->name, model->last_job))
			continue;
		if (job->alive) {
			tui_note(model, "%s: still at work", job->what);
			return TUI_DRAW;
		}
		tui_run_clear(&model->run);
		if (!tui_run_add(&model->run, "undo") || !tui_run_add(&model->run, "--format=json") ||
		    !tui_run_add(&model->run, "-"))
			return TUI_DRAW;
		snprintf(model->run.undoes, sizeof(model->run.undoes), "%s", job->name);
		model->run.total = job->done - job->failed;
		model->run.is_job = true;
		snprintf(model->question[0], sizeof(model->question[0]), "Take back: %s (%zu %s)?",
			 job->what, model->run.total,
			 model->run.total == 1 ? "was done" : "were done");
		snprintf(model->question[1], sizeof(model->question[1]),
			 "Each that has gone on since stays as it is, and is named.");
		ask_yes(model, TUI_UNDO);
		return TUI_DRAW;
	}
	return 0;
}

static unsigned
undo(struct tui_model *model)
{
	if (model->text.kind == TUI_TEXT_NONE && model->view == TUI_JOURNAL) {
		size_t i = tui_current_list(model)->cursor;

		return i < model->journal.n ? undo_entry(model, &model->journal.entries[i]) : 0;
	}
	if (model->last_job[0]) {
		unsigned effects = undo_job(model);

		if (effects)
			return effects;
	}
	if (!model->journal.known) {
		tui_note(model, "reading the journal; once more to take its last change back");
		return TUI_DRAW | TUI_READ_JOURNAL;
	}
	for (size_t i = 0; i < model->journal.n; i++)
		if (model->journal.entries[i].undo == QF_UNDO_POSSIBLE)
			return undo_entry(model, &model->journal.entries[i]);
	tui_note(model, "the journal has nothing that can be taken back");
	return TUI_DRAW;
}

unsigned
tui_change(struct tui_model *model, enum tui_action action)
{
	model->question[0][0] = model->question[1][0] = '\0';
	if (model->config->read_only) {
		tui_note(model, "read-only: nothing is changed");
		return TUI_DRAW;
	}
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
	ask_yes(model, model->asked);
	return TUI_DRAW;
}

unsigned
tui_answered(struct tui_model *model, bool yes)
{
	model->prompt = TUI_NO_PROMPT;
	memset(model->question, 0, sizeof(model->question));
	if (!yes) {
		tui_run_clear(&model->run);
		tui_note(model, "nothing was done");
		return TUI_DRAW;
	}
	/* What is acted on is marked no more: the next action is for others. */
	if (model->asked != TUI_UNDO && model->asked != TUI_COMMAND)
		tui_marks_clear(&model->marks);
	return TUI_DRAW | TUI_START_JOB;
}

/* ------------------------------------------------------------------ any command line */

/* The next word of a command line, quotes and backslashes undone. False: there is none. */
static bool
next_word(const char **at, char *word, size_t size, bool *open)
{
	const char *p = *at + strspn(*at, " \t");
	char quote = '\0';
	size_t n = 0;

	if (!*p)
		return false;
	for (; *p && (quote || (*p != ' ' && *p != '\t')); p++) {
		if (*p == quote) {
			quote = '\0';
			continue;
		}
		if (!quote && (*p == '"' || *p == '\'')) {
			quote = *p;
			continue;
		}
		if (*p == '\\' && quote != '\'' && p[1])
			p++;
		if (n + 1 < size)
			word[n++] = *p;
	}
	word[n] = '\0';
	*open = quote != '\0';
	*at = p;
	return true;
}

/* Messages of a plan: lines "ID planned"; what is said beside begins with "qf: ". */
static size_t
count_planned(const struct tui_text *text)
{
	static const char word[] = " planned";
	size_t n = 0;

	for (size_t i = 0; i < text->n; i++) {
		struct qf_slice line = tui_text_line(text, i);

		n += line.n > sizeof(word) - 1 && memmem(line.p, line.n, word, sizeof(word) - 1) &&
		     memcmp(line.p, "qf: ", 4) != 0;
	}
	return n;
}

/* The command line is to be run as a job, without asking again; this asks. */
static unsigned
ask_to_run(struct tui_model *model, unsigned kind, const char *question)
{
	if ((kind & TUI_COMMAND_YES && !tui_run_add(&model->run, "--yes")) ||
	    (kind & TUI_COMMAND_JSON && !tui_run_add(&model->run, "--format=json")))
		return TUI_DRAW;
	model->run.is_job = true;
	model->run.total = count_planned(&model->text);
	if (model->run.total)
		snprintf(model->question[0], sizeof(model->question[0]), "%zu %s. %s", model->run.total,
			 model->run.total == 1 ? "message" : "messages", question);
	else
		snprintf(model->question[0], sizeof(model->question[0]), "%s", question);
	snprintf(model->question[1], sizeof(model->question[1]), "%.190s", model->text.title);
	ask_yes(model, TUI_COMMAND);
	return TUI_DRAW;
}

unsigned
tui_command_typed(struct tui_model *model, const char *text)
{
	const char *at = text;
	char word[512], title[240];
	unsigned kind;
	bool open = false;

	tui_run_clear(&model->run);
	while (next_word(&at, word, sizeof(word), &open)) {
		if (model->run.argc == 0 && strcmp(word, "qf") == 0)
			continue;
		if (!tui_run_add(&model->run, word))
			return TUI_DRAW;
	}
	if (model->run.argc == 0)
		return TUI_DRAW;
	kind = model->config->command_kind(model->run.argv, model->run.argc);
	if (open || !kind || kind & TUI_COMMAND_NOT_HERE) {
		tui_note(model, "%s: %s", model->run.argv[0],
			 open	   ? "a quote is open"
			 : !kind ? "no such command; :help lists them"
				 : "not from in here");
		return TUI_DRAW;
	}
	if (kind & TUI_COMMAND_CHANGES && model->config->read_only) {
		tui_note(model, "read-only: nothing is changed");
		return TUI_DRAW;
	}
	snprintf(title, sizeof(title), "qf %.200s", text);
	tui_text_open(model, TUI_TEXT_OUTPUT, title);
	model->text.running = true;
	if (kind & TUI_COMMAND_CHANGES && !(kind & TUI_COMMAND_PLANS)) {
		model->text.running = false;
		return ask_to_run(model, kind, "It cannot tell beforehand what it will do. Run it?");
	}
	/* First what it would do; the question comes behind that. */
	model->text.plan = kind & TUI_COMMAND_CHANGES;
	if (model->text.plan && !tui_run_add(&model->run, "--dry-run"))
		return TUI_DRAW;
	return TUI_DRAW | TUI_RUN;
}

/* The plan of a changing command is there: ask whether to go on. */
void
tui_planned(struct tui_model *model)
{
	struct tui_run *run = &model->run;

	model->text.plan = false;
	if (model->text.status >= 64 || run->argc < 2) {
		tui_note(model, "it was not run");
		return;
	}
	/* The same words, but for the --dry-run at the end. */
	free(run->argv[--run->argc]);
	run->argv[run->argc] = NULL;
	ask_to_run(model, model->config->command_kind(run->argv, run->argc),
		   "Run it? Above is what it will do.");
}
