/*
 * act - one change of every message selected; hold, release, rm, due.
 *
 * Several messages are worked on at once, each under its own lock, so that a file system that
 * takes its time takes it for many; never more than the library allows (QF_TAKEN_MAX of take.h).
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "act.h"
#include "ask.h"
#include "changes.h"
#include "confine.h"
#include "commands.h"
#include "out.h"
#include "progress.h"
#include "say.h"
#include "select.h"
#include "signals.h"
#include "source.h"
#include "status.h"

#define JOBS_MAX 16u
/* About as many operations as one change of a message takes. */
#define OPS_PER_JOB 20u

static struct {
	bool purge;
	const char *reason;
} given;

const struct opt hold_options[] = {
	{OPT_STRING, "reason", 0, &given.reason, "TEXT", "why it is held; required", NULL},
	CHANGES_BLOCK,
	SOURCE_BLOCK,
	{.kind = OPT_END},
};
const struct opt release_options[] = {CHANGES_BLOCK, SOURCE_BLOCK, {.kind = OPT_END}};
const struct opt due_options[] = {CHANGES_BLOCK, SOURCE_BLOCK, {.kind = OPT_END}};
const struct opt rm_options[] = {
	{OPT_FLAG, "purge", 0, &given.purge, NULL, "destroy at once, not into the trash", NULL},
	CHANGES_BLOCK,
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
	"Take messages out of the queue into its trash (.qf/trash, or --trash), where they stay for\n"
	"--keep."
	SELECTION_TEXT;

struct act {
	struct source source;
	struct selection selection;
	struct qf_txn *txn;
	struct qf_change change;
	struct act_ways ways;
	int64_t give_up;       /* monotonic seconds */
	atomic_size_t next;
	pthread_mutex_t mutex; /* of what follows and of output */
	struct tally tally;
	size_t done;
};

static int64_t
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
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
	if (changes_given()->dry_run) {
		*turn->outcome = (struct qf_outcome){.result = QF_RESULT_PLANNED};
		if (act->ways.plan)
			act->ways.plan(&act->change, &row, act->source.redactor, turn->outcome);
		return false;
	}
	for (;;) {
		struct timespec pause = {.tv_nsec = 200000000};

		if (act->ways.carry)
			act->ways.carry(act->txn, &row, &act->change, turn->outcome);
		else
			qf_txn_apply(act->txn, msg, &act->change, turn->outcome);
		if (turn->outcome->result != QF_RESULT_BUSY || monotonic() >= act->give_up ||
		    signals_caught())
			break;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* What sendmail or a configuration says may have addresses in it. */
static void
redact(const struct qf_redactor *redactor, struct qf_outcome *outcome)
{
	struct qf_buf text = {0};

	qf_redact_text(redactor, (struct qf_slice){outcome->why, strlen(outcome->why)}, &text);
	snprintf(outcome->why, sizeof(outcome->why), "%.*s", (int)text.n, text.n ? text.p : "");
	qf_buf_release(&text);
}

static void
change_one(struct act *act, const struct selected *s)
{
	struct qf_outcome outcome = {0};
	struct turn turn = {.act = act, .outcome = &outcome};
	struct qf_err err;
	enum qf_code code = qf_queue_find(act->source.queue, s->path,
					  QF_NEED_HEADERS | act->ways.needs, change_found, &turn,
					  &err);

	if (code) {
		outcome.result = code == QF_E_NOT_FOUND ? QF_RESULT_GONE : QF_RESULT_FAILED;
		snprintf(outcome.why, sizeof(outcome.why), "%.255s", err.why);
	} else if (outcome.result == QF_RESULT_DONE && turn.expired &&
		   act->change.kind == QF_CHANGE_RELEASE) {
		snprintf(outcome.why, sizeof(outcome.why),
			 "past its return time: the next run that cannot deliver it returns it");
	}
	if (act->source.redactor)
		redact(act->source.redactor, &outcome);
	pthread_mutex_lock(&act->mutex);
	progress_hide();
	tally_add(&act->tally, s->id, s->queue, &outcome);
	/* Lines and bar take turns on the terminal. */
	if (progress_is_shown())
		out_flush();
	progress_at(++act->done);
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
	unsigned most = act->ways.jobs ? act->ways.jobs : JOBS_MAX;
	unsigned wanted = act->source.jobs ? act->source.jobs : most, started = 0;
	pthread_t threads[JOBS_MAX];

	/* Where operations are limited, many at once would only keep their messages locked longer. */
	if (act->source.max_ops && wanted > 1 + act->source.max_ops / OPS_PER_JOB)
		wanted = 1 + act->source.max_ops / OPS_PER_JOB;
	if (wanted > most)
		wanted = most;
	if (wanted > act->selection.n)
		wanted = (unsigned)act->selection.n;
	while (started < wanted && pthread_create(&threads[started], NULL, work, act) == 0)
		started++;
	if (started == 0)
		work(act);
	while (started > 0)
		pthread_join(threads[--started], NULL);
}

/* A selection made by a filter asks on a terminal and needs --yes elsewhere. */
static int
confirm(const struct act *act)
{
	if (!act->selection.by_filter || changes_given()->dry_run || act->selection.n == 0)
		return STATUS_OK;
	return ask_go_on(changes_given()->yes, act->selection.n,
			 act->selection.n == 1 ? "message selected by a filter"
					       : "messages selected by a filter",
			 "-n shows what would be done");
}

static int
status_of_act(const struct act *act)
{
	int status;

	if (signals_caught())
		return STATUS_SIGNAL + signals_caught();
	if (act->selection.incomplete)
		return STATUS_INCOMPLETE;
	status = tally_status(&act->tally);
	return !status && (act->selection.missing || act->selection.n == 0) ? STATUS_FINDINGS
									    : status;
}

int
act_run(const char *command, const struct qf_change *change, const struct act_ways *ways,
	char **operands, size_t n)
{
	struct act act = {.tally = {.command = command}, .change = *change};
	struct qf_txn_options options;
	struct qf_err err;
	char *trash = NULL;
	int status = changes_trash(&trash);

	if (!status)
		status = source_open(&act.source);
	if (ways)
		act.ways = *ways;
	pthread_mutex_init(&act.mutex, NULL);
	/* What is destroyed has no way back, and the journal is to say so. */
	options = changes_txn_options(change->kind == QF_CHANGE_PURGE ? "purge" : command,
				      &act.source);
	options.trash = trash;
	if (!status && act.ways.ready && !changes_given()->dry_run)
		status = act.ways.ready(&act.source, change);
	if (!status) {
		const struct confine changer = {.how = CONFINE_CHANGER, .queue = act.source.queue};

		confine_self(&changer);
		status = select_messages(&act.source, operands, n, &act.selection);
	}
	if (!status)
		status = confirm(&act);
	/* Seconds are cut off: one more, so that it is not less than was asked for. */
	if (changes_given()->wait > 0)
		act.give_up = monotonic() + changes_given()->wait + 1;
	if (!status && !changes_given()->dry_run && act.selection.n &&
	    qf_txn_new(act.source.queue, &options, &act.txn, &err))
		status = say_failure(&err);
	if (!status) {
		progress_begin(command, act.selection.n);
		change_all(&act);
		progress_end();
		tally_put(&act.tally);
		status = status_of_act(&act);
	}
	qf_txn_free(act.txn);
	selection_release(&act.selection);
	source_close(&act.source);
	free(trash);
	pthread_mutex_destroy(&act.mutex);
	return out_finish(status);
}

static int
run(const char *command, enum qf_change_kind kind, char **operands, size_t n)
{
	const struct qf_change change = {.kind = kind, .reason = given.reason};

	return act_run(command, &change, NULL, operands, n);
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
	const struct qf_change change = {.kind = given.purge ? QF_CHANGE_PURGE : QF_CHANGE_REMOVE};

	if (given.purge && changes_given()->trash) {
		say_error("--purge: destroys; --trash keeps: leave one of them out");
		return STATUS_USAGE;
	}
	return act_run("rm", &change, NULL, operands, n);
}
