/*
 * plan - what is first planned, then asked, then run: command lines that are typed, and edits. The
 * plan is that of qf itself (--dry-run), from the files as they are then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

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

/* What a plan comes to. */
struct sum {
	size_t messages, recipients, removed;
};

/* The number behind a word, 0 where it is not there. */
static size_t
number_behind(struct qf_slice line, const char *word)
{
	const char *at = memmem(line.p, line.n, word, strlen(word)), *end = line.p + line.n;
	size_t n = 0;

	for (at = at ? at + strlen(word) : end; at < end && *at >= '0' && *at <= '9'; at++)
		n = n * 10 + (size_t)(*at - '0');
	return n;
}

/* Messages of a plan: lines "ID planned"; what is said beside begins with "qf: ". Of an edit also
   how many recipients, which the line says before any address, and who has none left. */
static struct sum
sum_up(const struct tui_text *text)
{
	static const char word[] = " planned", nobody[] = "; nobody is left: remove";
	struct sum sum = {0};

	for (size_t i = 0; i < text->n; i++) {
		struct qf_slice line = tui_text_line(text, i);

		if (line.n < sizeof(word) || memcmp(line.p, "qf: ", 4) == 0 ||
		    !memmem(line.p, line.n, word, sizeof(word) - 1))
			continue;
		sum.messages++;
		sum.recipients += number_behind(line, " planned: strike ") +
				  number_behind(line, " planned: replace ");
		sum.removed += line.n >= sizeof(nobody) &&
			       !memcmp(line.p + line.n - (sizeof(nobody) - 1), nobody,
				       sizeof(nobody) - 1);
	}
	return sum;
}

const char *
tui_things(const char *command, size_t n)
{
	if (strcmp(command, "orphans") == 0)
		return n == 1 ? "finding" : "findings";
	if (strcmp(command, "undo") == 0)
		return n == 1 ? "change" : "changes";
	return n == 1 ? "message" : "messages";
}

/* The command line is to be run as a job, without asking again; this asks. */
static unsigned
ask_to_run(struct tui_model *model, enum tui_action action, unsigned kind, const char *question)
{
	if ((kind & TUI_COMMAND_YES && !tui_run_add(&model->run, "--yes")) ||
	    (kind & TUI_COMMAND_JSON && !tui_run_add(&model->run, "--format=json")))
		return TUI_DRAW;
	model->run.is_job = true;
	model->run.total = sum_up(&model->text).messages;
	if (model->run.total)
		snprintf(model->question[0], sizeof(model->question[0]), "%s%zu %s. %s",
			 model->text.cut ? "At least " : "", model->run.total,
			 tui_things(model->run.argv[0], model->run.total), question);
	else
		snprintf(model->question[0], sizeof(model->question[0]), "%s", question);
	snprintf(model->question[1], sizeof(model->question[1]), "%.190s", model->text.title);
	tui_ask_yes(model, action);
	return TUI_DRAW;
}

/* The words of model->run: what they would do is shown first, where they can tell. */
static unsigned
run_words(struct tui_model *model, const char *title)
{
	unsigned kind = model->config->command_kind(model->run.argv, model->run.argc);

	model->asked = TUI_COMMAND;
	if (!kind || kind & TUI_COMMAND_NOT_HERE) {
		tui_note(model, "%s: %s", model->run.argv[0],
			 kind ? "not from in here" : "no such command; :help lists them");
		return TUI_DRAW;
	}
	if (kind & TUI_COMMAND_CHANGES && tui_is_kept_from_changing(model))
		return TUI_DRAW;
	tui_text_open(model, TUI_TEXT_OUTPUT, title);
	model->text.running = true;
	if (kind & TUI_COMMAND_CHANGES && !(kind & TUI_COMMAND_PLANS)) {
		model->text.running = false;
		return ask_to_run(model, TUI_COMMAND, kind, "It cannot tell beforehand what it will do. Run it?");
	}
	/* First what it would do; the question comes behind that. */
	model->text.plan = kind & TUI_COMMAND_CHANGES;
	if (model->text.plan && !tui_run_add(&model->run, "--dry-run"))
		return TUI_DRAW;
	return TUI_DRAW | TUI_RUN;
}

unsigned
tui_command_typed(struct tui_model *model, const char *text)
{
	const char *at = text;
	char word[512], title[240];
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
	if (open) {
		tui_note(model, "%s: a quote is open", model->run.argv[0]);
		return TUI_DRAW;
	}
	snprintf(title, sizeof(title), "qf %.200s", text);
	return run_words(model, title);
}

/* ------------------------------------------------------------------ edits */

unsigned
tui_rcpt_typed(struct tui_model *model, const char *text)
{
	snprintf(model->saved, sizeof(model->saved), "%s", text);
	tui_ask(model, TUI_ASK_ADDRESS, "");
	return TUI_DRAW;
}

unsigned
tui_address_typed(struct tui_model *model, const char *text)
{
	struct tui_run *run = &model->run;
	bool strikes = !*text, ok;
	char title[240];

	if (strikes)
		ok = tui_run_add_option(run, "--drop-rcpt", model->saved);
	else
		ok = tui_run_add_option(run, "--rcpt", model->saved) && tui_run_add_option(run, "--set-rcpt", text);
	if (!ok || !tui_run_add(run, "--dry-run")) {
		tui_note(model, "memory: none left");
		return TUI_DRAW;
	}
	if (strikes)
		snprintf(title, sizeof(title), "edit: strike the recipients %.180s", model->saved);
	else
		snprintf(title, sizeof(title), "edit: replace the recipients %.120s by %.60s",
			 model->saved, text);
	tui_text_open(model, TUI_TEXT_OUTPUT, title);
	model->asked = TUI_EDIT;
	model->text.running = model->text.plan = true;
	return TUI_DRAW | TUI_RUN;
}

/* The plan of an edit is there. */
static unsigned
ask_to_edit(struct tui_model *model, unsigned kind)
{
	struct sum sum = sum_up(&model->text);
	bool strikes = strncmp(model->text.title, "edit: strike", 12) == 0;
	char question[200], left[80] = "";

	if (!sum.messages) {
		tui_note(model, "no message has such a recipient: nothing was done");
		model->asked = TUI_NONE;
		return TUI_DRAW;
	}
	if (sum.removed)
		snprintf(left, sizeof(left), " %zu of them %s nobody left and %s into the trash.",
			 sum.removed, sum.removed == 1 ? "has" : "have",
			 sum.removed == 1 ? "goes" : "go");
	snprintf(question, sizeof(question), "%s %s%zu %s?%s Above is who; u takes it back.",
		 strikes ? "Strike" : "Replace", model->text.cut ? "at least " : "", sum.recipients,
		 sum.recipients == 1 ? "recipient" : "recipients", left);
	return ask_to_run(model, TUI_EDIT, kind, question);
}

/* ------------------------------------------------------------------ to another place */

/* A mailbox, a bundle or a folder: it says itself which. Standard output is the job's. */
static bool
is_export(const char *name)
{
	static const char *const ends[] = {".mbox", ".tar", ".tar.zst", ".tar.gz", ".tar.xz", "/"};
	size_t n = strlen(name);

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (n > strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
			return true;
	return false;
}

unsigned
tui_target_typed(struct tui_model *model, enum tui_action action, const char *text)
{
	struct tui_run *run = &model->run;
	bool ok = tui_run_add(run, "salvage") && tui_run_add(run, "plan");
	char title[240];

	if (!text[strspn(text, " ")]) {
		tui_run_clear(run);
		tui_note(model, "nothing was done");
		return TUI_DRAW;
	}
	if (action == TUI_EXPORT && !is_export(text)) {
		tui_run_clear(run);
		tui_note(model,
			 "FILE.mbox, DIR.eml/, DIR.maildir/, FILE.tar (.zst, .gz, .xz) or DIR/: nothing was done");
		return TUI_DRAW;
	}
	for (size_t i = 0; ok && i < qf_queue_ndirs(model->queue); i++)
		ok = tui_run_add_option(run, "--from", qf_queue_dir(model->queue, i)->path);
	/* A file takes what there is: only a queue may have it already. */
	ok = ok && (action == TUI_EXPORT || tui_run_add_option(run, "--to", text)) && tui_run_add(run, "-");
	if (!ok) {
		tui_note(model, "memory: none left");
		return TUI_DRAW;
	}
	snprintf(model->saved, sizeof(model->saved), "%s", text);
	snprintf(title, sizeof(title), "%s %.200s", action == TUI_MOVE ? "move to" : "export to", text);
	tui_text_open(model, TUI_TEXT_OUTPUT, title);
	model->asked = action;
	model->text.running = model->text.plan = true;
	return TUI_DRAW | TUI_RUN;
}

/* The sum at the end: "5 planned = 4 to be moved + 1 skipped ...". */
static size_t
number_to_move(const struct tui_text *text)
{
	for (size_t i = text->n; i-- > 0;) {
		struct qf_slice line = tui_text_line(text, i);

		if (memmem(line.p, line.n, " planned = ", 11))
			return number_behind(line, " planned = ");
	}
	return 0;
}

/* Of those how many would be held, for being past their return time: "qf: salvage: 2 past their ...". */
static size_t
number_to_hold(const struct tui_text *text)
{
	static const char words[] = " past their return time, the oldest of ";

	for (size_t i = text->n; i-- > 0;) {
		struct qf_slice line = tui_text_line(text, i);

		if (line.n > 13 && !memcmp(line.p, "qf: salvage: ", 13) &&
		    memmem(line.p, line.n, words, sizeof(words) - 1))
			return number_behind(line, "qf: salvage: ");
	}
	return 0;
}

/* The plan of a move or an export is there. */
static unsigned
ask_to_move(struct tui_model *model)
{
	struct tui_run *run = &model->run;
	enum tui_action action = model->asked;
	size_t n = number_to_move(&model->text);
	size_t held = action == TUI_MOVE ? number_to_hold(&model->text) : 0;
	bool ok;
	char *verb = strdup(action == TUI_MOVE ? "run" : "export");

	if (!n || !verb) {
		free(verb);
		tui_note(model, "there is nothing that could go there");
		model->asked = TUI_NONE;
		return TUI_DRAW;
	}
	free(run->argv[1]);
	run->argv[1] = verb;
	ok = action == TUI_MOVE || tui_run_add_option(run, "--to", model->saved);
	if (!ok || !tui_run_add(run, "--format=json"))
		return TUI_DRAW;
	run->is_job = true;
	run->total = n;
	snprintf(run->place, sizeof(run->place), "%s", model->saved);
	snprintf(model->question[0], sizeof(model->question[0]), "%s %zu %s %s %.200s?",
		 action == TUI_MOVE ? "Move" : "Export", n, tui_things("salvage", n),
		 action == TUI_MOVE ? "to the queue" : "into", model->saved);
	snprintf(model->question[1], sizeof(model->question[1]), "Above is which. %s",
		 action == TUI_MOVE ? "u brings back what has not gone on there."
		 : tui_is_readable(model->saved) ? "For people to read: this queue stays as it is."
			: "They stay claimed here, run by nobody, until qf salvage export --commit "
			  "lets them go; u puts them back.");
	if (held)
		snprintf(model->question[2], sizeof(model->question[2]),
			 "%zu of them %s past %s return time: held there, or the next run would return %s; "
			 "u lets %s go here again.",
			 held, held == 1 ? "is" : "are", held == 1 ? "its" : "their", held == 1 ? "it" : "them",
			 held == 1 ? "it" : "them");
	tui_ask_yes(model, action);
	return TUI_DRAW;
}

/* ------------------------------------------------------------------ orphans */

unsigned
tui_fix(struct tui_model *model)
{
	size_t at = tui_current_list(model)->cursor;
	bool there = model->view == TUI_ORPHANS && at < model->orphans.n;
	const char *fix = there ? model->orphans.found[at].fix : "";
	char fixes[64];
	size_t n = 0;

	if (model->view != TUI_ORPHANS) {
		tui_note(model, "orphans are fixed in their view");
		return TUI_DRAW;
	}
	/* Those of the one under the cursor, "guard, rescue" as it is typed. */
	for (; *fix && n + 1 < sizeof(fixes); fix++)
		if (*fix != ' ')
			fixes[n++] = *fix;
	fixes[n] = '\0';
	tui_ask(model, TUI_ASK_FIX, fixes);
	return TUI_DRAW;
}

unsigned
tui_fix_typed(struct tui_model *model, const char *text)
{
	size_t at = tui_current_list(model)->cursor;
	struct tui_run *run = &model->run;
	const char *path;
	char title[240];

	if (!text[strspn(text, " ")]) {
		tui_note(model, "nothing was done");
		return TUI_DRAW;
	}
	if (at >= model->orphans.n) {
		tui_note(model, "it is not there any more: nothing was done");
		return TUI_DRAW;
	}
	path = model->orphans.found[at].path;
	tui_run_clear(run);
	if (!tui_run_add(run, "orphans") || !tui_run_add_option(run, "--fix", text) ||
	    !tui_run_add(run, path)) {
		tui_note(model, "memory: none left");
		return TUI_DRAW;
	}
	snprintf(title, sizeof(title), "qf orphans --fix=%.60s %.150s", text, path);
	return run_words(model, title);
}

/* ------------------------------------------------------------------ the plan is there */

void
tui_planned(struct tui_model *model)
{
	struct tui_run *run = &model->run;
	unsigned kind;

	model->text.plan = false;
	if ((model->asked == TUI_MOVE || model->asked == TUI_EXPORT) && model->text.status < 64 &&
	    run->argc > 2) {
		ask_to_move(model);
		return;
	}
	if (model->text.status >= 64 || run->argc < 2 || strcmp(run->argv[run->argc - 1], "--dry-run")) {
		tui_note(model, "it was not run");
		return;
	}
	/* The same words, but for the --dry-run at the end. */
	free(run->argv[--run->argc]);
	run->argv[run->argc] = NULL;
	kind = model->config->command_kind(run->argv, run->argc);
	if (model->asked == TUI_EDIT)
		ask_to_edit(model, kind);
	else
		ask_to_run(model, TUI_COMMAND, kind, "Run it? Above is what it will do.");
}
