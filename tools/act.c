/*
 * act - hold, release, rm, due: one change of every message selected.
 *
 * Several messages are worked on at once, each under its own lock, so that a file system that
 * takes its time takes it for many; never more than the library allows (QF_TAKEN_MAX of take.h).
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "out.h"
#include "say.h"
#include "select.h"
#include "signals.h"
#include "source.h"
#include "status.h"

#define JOBS_MAX 16u

enum format { FORMAT_TEXT, FORMAT_JSON };
static const char *const format_words[] = {"table", "json", NULL};

static struct {
	bool yes, dry_run, no_journal, purge;
	const char *reason, *note, *journal;
	int64_t keep, wait;
	int format;
} given = {.keep = 7 * 86400, .wait = 0};

static const struct opt act_rows[] = {
	{OPT_FLAG, "yes", 0, &given.yes, NULL, "do not ask (a filter needs it off a terminal)",
	 NULL},
	{OPT_FLAG, "dry-run", 'n', &given.dry_run, NULL, "show what would be done, do nothing",
	 NULL},
	{OPT_STRING, "note", 0, &given.note, "TEXT", "why, for the journal", NULL},
	{OPT_SPAN, "wait", 0, &given.wait, "TIME", "wait so long for messages in delivery", NULL},
	{OPT_STRING, "journal", 0, &given.journal, "DIR",
	 "folder of the journal (default: $QF_STATE, else .qf/journal)", NULL},
	{OPT_FLAG, "no-journal", 0, &given.no_journal, NULL, "work without a journal, and undo",
	 NULL},
	{OPT_WORD, "format", 0, &given.format, "FORMAT", "table (text) or json", format_words},
	{OPT_SPAN, "keep", 0, &given.keep, "TIME", "how long the trash keeps messages (7d)", NULL},
	{.kind = OPT_END},
};
#define ACT_BLOCK {.kind = OPT_BLOCK, .target = (void *)act_rows, .help = "Options of changes:"}

const struct opt hold_options[] = {
	{OPT_STRING, "reason", 0, &given.reason, "TEXT", "why it is held; required", NULL},
	ACT_BLOCK,
	SOURCE_BLOCK,
	{.kind = OPT_END},
};
const struct opt release_options[] = {ACT_BLOCK, SOURCE_BLOCK, {.kind = OPT_END}};
const struct opt due_options[] = {ACT_BLOCK, SOURCE_BLOCK, {.kind = OPT_END}};
const struct opt rm_options[] = {
	{OPT_FLAG, "purge", 0, &given.purge, NULL, "destroy at once, not into the trash", NULL},
	ACT_BLOCK,
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

#define SELECTION_TEXT                                                                             \
	"\n\nA selection is ids (a path of a control file serves too; - reads them from standard\n"   \
	"input), a filter, or ALL. A filter asks first on a terminal and needs --yes elsewhere."

const char hold_description[] =
	"Quarantine messages as sendmail -Q does: no queue run takes them until they are\n"
	"released." SELECTION_TEXT;
const char release_description[] =
	"Let held messages go. Those past their return time are named: the next run tries them\n"
	"once and then returns them." SELECTION_TEXT;
const char due_description[] =
	"Make messages eligible at the next queue run, however young the last try is." SELECTION_TEXT;
const char rm_description[] =
	"Take messages out of the queue into its trash (.qf/trash), where they stay for --keep."
	SELECTION_TEXT;

struct act {
	struct source source;
	struct selection selection;
	struct qf_txn *txn;
	struct qf_change change;
	const char *command;
	int64_t give_up;       /* monotonic seconds */
	atomic_size_t next;
	pthread_mutex_t mutex; /* of what follows and of output */
	size_t counts[QF_RESULT_COUNT];
};

static int64_t
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static void
put_json(const struct act *act, const struct selected *s, const struct qf_outcome *outcome)
{
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.action/1");
	qf_json_key(&json, "command");
	qf_json_string(&json, act->command);
	qf_json_key(&json, "id");
	qf_json_string(&json, s->id);
	qf_json_key(&json, "queue");
	qf_json_string(&json, s->queue);
	qf_json_key(&json, "result");
	qf_json_string(&json, qf_result_name(outcome->result));
	qf_json_key(&json, "why");
	qf_json_string(&json, outcome->why[0] ? outcome->why : NULL);
	qf_json_key(&json, "entry");
	qf_json_string(&json, outcome->entry[0] ? outcome->entry : NULL);
	qf_json_close(&json, '}');
	qf_buf_addc(&line, '\n');
	out_add(line.p, line.n);
	qf_buf_release(&line);
}

/* One line of result; with the mutex held. Messages not done are named on standard error. */
static void
put_result(struct act *act, const struct selected *s, const struct qf_outcome *outcome)
{
	struct qf_buf line = {0};

	act->counts[outcome->result]++;
	if (given.format == FORMAT_JSON)
		put_json(act, s, outcome);
	else if (outcome->result == QF_RESULT_DONE || outcome->result == QF_RESULT_PLANNED) {
		qf_escape_terminal(&line, (struct qf_slice){s->id, strlen(s->id)}, term_utf8());
		qf_buf_addf(&line, " %s%s%s\n", qf_result_name(outcome->result),
			    outcome->why[0] ? ": " : "", outcome->why);
		out_add(line.p, line.n);
	}
	if (outcome->result != QF_RESULT_DONE && outcome->result != QF_RESULT_PLANNED)
		say_error("%s: %s: %s", s->id, qf_result_name(outcome->result), outcome->why);
	qf_buf_release(&line);
}

struct turn {
	struct act *act;
	struct qf_outcome *outcome;
	bool expired;
};

static bool
change_found(void *ctx, struct qf_msg *msg)
{
	struct turn *turn = ctx;
	struct act *act = turn->act;
	struct qf_row row;

	qf_row_init(&row, msg, act->source.queue, &act->source.policy, act->source.now);
	turn->expired = row.outlook.expired;
	if (given.dry_run) {
		*turn->outcome = (struct qf_outcome){.result = QF_RESULT_PLANNED};
		return false;
	}
	for (;;) {
		struct timespec pause = {.tv_nsec = 200000000};

		qf_txn_apply(act->txn, msg, &act->change, turn->outcome);
		if (turn->outcome->result != QF_RESULT_BUSY || monotonic() >= act->give_up ||
		    signals_caught())
			break;
		nanosleep(&pause, NULL);
	}
	return false;
}

static void
change_one(struct act *act, const struct selected *s)
{
	struct qf_outcome outcome = {0};
	struct turn turn = {.act = act, .outcome = &outcome};
	struct qf_err err;
	enum qf_code code = qf_queue_find(act->source.queue, s->path, QF_NEED_HEADERS,
					  change_found, &turn, &err);

	if (code) {
		outcome.result = code == QF_E_NOT_FOUND ? QF_RESULT_GONE : QF_RESULT_FAILED;
		snprintf(outcome.why, sizeof(outcome.why), "%.255s", err.why);
	} else if (outcome.result == QF_RESULT_DONE && turn.expired &&
		   act->change.kind == QF_CHANGE_RELEASE) {
		snprintf(outcome.why, sizeof(outcome.why),
			 "past its return time: the next run that cannot deliver it returns it");
	}
	pthread_mutex_lock(&act->mutex);
	put_result(act, s, &outcome);
	pthread_mutex_unlock(&act->mutex);
}

static void *
work(void *arg)
{
	struct act *act = arg;
	size_t i;

	while (!signals_caught() && (i = atomic_fetch_add(&act->next, 1)) < act->selection.n)
		change_one(act, &act->selection.messages[i]);
	return NULL;
}

static void
change_all(struct act *act)
{
	unsigned wanted = act->source.jobs ? act->source.jobs : JOBS_MAX, started = 0;
	pthread_t threads[JOBS_MAX];

	if (wanted > JOBS_MAX)
		wanted = JOBS_MAX;
	if (wanted > act->selection.n)
		wanted = (unsigned)act->selection.n;
	while (started < wanted && pthread_create(&threads[started], NULL, work, act) == 0)
		started++;
	if (started == 0)
		work(act);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

static void
put_tally(const struct act *act)
{
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};
	size_t sum = 0;

	for (size_t i = 0; i < QF_RESULT_COUNT; i++)
		sum += act->counts[i];
	if (given.format == FORMAT_JSON) {
		qf_json_open(&json, '{');
		qf_json_key(&json, "schema");
		qf_json_string(&json, "qf.tally/1");
		qf_json_key(&json, "command");
		qf_json_string(&json, act->command);
		qf_json_key(&json, "selected");
		qf_json_int(&json, (int64_t)sum);
		for (size_t i = 0; i < QF_RESULT_COUNT; i++) {
			qf_json_key(&json, qf_result_name((enum qf_result)i));
			qf_json_int(&json, (int64_t)act->counts[i]);
		}
		qf_json_close(&json, '}');
		qf_buf_addc(&line, '\n');
		out_add(line.p, line.n);
	} else {
		for (size_t i = 0; i < QF_RESULT_COUNT; i++)
			if (act->counts[i])
				qf_buf_addf(&line, "%s%zu %s", line.n ? ", " : "", act->counts[i],
					    qf_result_name((enum qf_result)i));
		say_note("%zu selected: %.*s", sum, (int)line.n, line.p ? line.p : "");
	}
	qf_buf_release(&line);
}

/* A selection made by a filter asks on a terminal and needs --yes elsewhere. */
static int
confirm(const struct act *act)
{
	char answer[16] = "";

	if (!act->selection.by_filter || given.yes || given.dry_run || act->selection.n == 0)
		return STATUS_OK;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
		say_error("%zu selected by a filter: needs --yes; -n shows what would be done",
			  act->selection.n);
		return STATUS_USAGE;
	}
	fprintf(stderr, "qf: %s: %zu message%s. Go on? [y/N] ", act->command, act->selection.n,
		act->selection.n == 1 ? "" : "s");
	if (!fgets(answer, sizeof(answer), stdin) || (*answer != 'y' && *answer != 'Y')) {
		say_error("nothing was done");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

static int
status_of_act(const struct act *act)
{
	if (signals_caught())
		return STATUS_SIGNAL + signals_caught();
	if (act->selection.incomplete || act->counts[QF_RESULT_BUSY] ||
	    act->counts[QF_RESULT_CHANGED] || act->counts[QF_RESULT_DENIED] ||
	    act->counts[QF_RESULT_FAILED])
		return STATUS_INCOMPLETE;
	if (act->selection.missing || act->counts[QF_RESULT_GONE] || act->selection.n == 0)
		return STATUS_FINDINGS;
	return STATUS_OK;
}

static int
run(const char *command, enum qf_change_kind kind, char **operands, size_t n)
{
	struct act act = {.command = command, .change = {.kind = kind, .reason = given.reason}};
	const char *state = getenv("QF_STATE");
	struct qf_txn_options options = {
		.command = command,
		.note = given.note,
		.journal = given.journal ? given.journal : state && *state ? state : NULL,
		.no_journal = given.no_journal,
		.keep = given.keep,
	};
	struct qf_err err;
	int status = source_open(&act.source);

	pthread_mutex_init(&act.mutex, NULL);
	if (!status)
		status = select_messages(&act.source, operands, n, &act.selection);
	if (!status)
		status = confirm(&act);
	act.give_up = monotonic() + given.wait;
	options.now = act.source.now;
	if (!status && !given.dry_run && act.selection.n &&
	    qf_txn_new(act.source.queue, &options, &act.txn, &err))
		status = say_failure(&err);
	if (!status) {
		change_all(&act);
		put_tally(&act);
		status = status_of_act(&act);
	}
	qf_txn_free(act.txn);
	selection_release(&act.selection);
	source_close(&act.source);
	pthread_mutex_destroy(&act.mutex);
	return out_finish(status);
}

int
hold_run(char **operands, size_t n)
{
	if (!given.reason || !*given.reason) {
		say_error("--reason=TEXT is needed: whoever finds it held will ask why");
		return STATUS_USAGE;
	}
	return run("hold", QF_CHANGE_HOLD, operands, n);
}

int
release_run(char **operands, size_t n)
{
	return run("release", QF_CHANGE_RELEASE, operands, n);
}

int
due_run(char **operands, size_t n)
{
	return run("due", QF_CHANGE_DUE, operands, n);
}

int
rm_run(char **operands, size_t n)
{
	return run("rm", given.purge ? QF_CHANGE_PURGE : QF_CHANGE_REMOVE, operands, n);
}
