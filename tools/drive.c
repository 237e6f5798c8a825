/*
 * drive - deliver, bounce: the real sendmail, run for exactly the messages selected.
 */
#include <stdio.h>
#include <string.h>

#include "act.h"
#include "changes.h"
#include "commands.h"
#include "runner.h"
#include "sendmail.h"
#include "source.h"
#include "status.h"

/* Each is a sendmail process, and up to nine locks (EFS grants a mount 256). */
#define RUNS_MAX 3u

static struct {
	const char *sendmail;
} given;

/* Set before the threads start. */
static struct sendmail executable;

#define DRIVE_OPTIONS                                                                              \
	{                                                                                          \
		{OPT_STRING, "sendmail", 0, &given.sendmail, "PATH",                               \
		 "the sendmail to run (/usr/sbin/sendmail)", NULL},                                \
			CHANGES_BLOCK, SOURCE_BLOCK,                                               \
			{.kind = OPT_END}                                                          \
	}
const struct opt deliver_options[] = DRIVE_OPTIONS;
const struct opt bounce_options[] = DRIVE_OPTIONS;

#define DRIVE_TEXT                                                                                 \
	"Each message has a run of its own, and no other message is in it. What became of it is\n"    \
	"told from what is on disk then and what sendmail said. It cannot be taken back.\n"            \
	"\n"                                                                                       \
	"The process is called 25: a restart of the daemon with pkill -x sendmail passes it over.\n"   \
	"\n"                                                                                       \
	"A selection is ids (a path of a control file serves too; - reads them from standard\n"        \
	"input), a filter, or ALL. A filter asks first on a terminal and needs --yes elsewhere."

const char deliver_description[] =
	"Have sendmail try messages now, however young the last try is.\n"
	"\n" DRIVE_TEXT;
const char bounce_description[] =
	"Have sendmail return messages to their senders now: nothing more is tried. A report, which\n"
	"sendmail would send instead of returning it, is left alone; so is a message nobody wants to\n"
	"be told of (NOTIFY=NEVER), which it would drop.\n"
	"\n" DRIVE_TEXT;

static void
skip(struct qf_outcome *outcome, const char *why)
{
	*outcome = (struct qf_outcome){.result = QF_RESULT_SKIPPED};
	snprintf(outcome->why, sizeof(outcome->why), "%s", why);
}

static void
carry(struct qf_txn *txn, const struct qf_row *row, const struct qf_change *change,
      struct qf_outcome *outcome)
{
	const struct qf_files *files = qf_msg_files(row->msg);
	const char *obstacle = qf_drive_obstacle(row, change->kind);
	struct qf_drive *drive = NULL;
	struct qf_buf output = {0};
	char why[128] = "";
	bool ran;

	if (obstacle)
		skip(outcome, obstacle);
	else
		drive = qf_drive_begin(txn, row->msg, change, outcome);
	if (!drive)
		return;
	ran = runner_run(files->dir, files->id, &output, why);
	qf_drive_end(drive, (struct qf_slice){output.p, output.n}, ran ? NULL : why, outcome);
	qf_buf_release(&output);
}

/* Those that run it are forked, and this process gives up starting programs. */
static int
ready(const struct source *source, const struct qf_change *change)
{
	static const char *options[8];
	struct runner_terms terms = {.sendmail = &executable,
				     .queue = source->queue,
				     .options = options,
				     .name_queue = source_is_named()};
	size_t n = 0;

	if (source_config()) {
		options[n++] = "-C";
		options[n++] = source_config();
	}
	options[n++] = "-v";
	/* A run that takes so many and no more would not come to this one. */
	options[n++] = "-OMaxQueueRunSize=0";
	if (change->kind == QF_CHANGE_BOUNCE) {
		options[n++] = "-OTimeout.queuereturn=now";
		/* Not of the report itself, which waits in the queue where it has to. */
		options[n++] = "-OTimeout.queuereturn.dsn=5d";
	}
	return runner_begin(&terms, RUNS_MAX);
}

/* A dry run says what would not be done. */
static void
plan(const struct qf_change *change, const struct qf_row *row, const struct qf_redactor *redactor,
     struct qf_outcome *outcome)
{
	const char *obstacle = qf_drive_obstacle(row, change->kind);

	(void)redactor;
	if (obstacle)
		skip(outcome, obstacle);
}

static int
run(const char *command, enum qf_change_kind kind, char **operands, size_t n)
{
	const struct qf_change change = {.kind = kind};
	const struct act_ways ways = {
		.ready = ready, .plan = plan, .carry = carry, .needs = QF_NEED_DATA, .jobs = RUNS_MAX};
	int status = sendmail_open(&executable, given.sendmail);

	if (!status)
		status = act_run(command, &change, &ways, operands, n);
	runner_end();
	sendmail_close(&executable);
	return status;
}

int
deliver_run(char **operands, size_t n)
{
	return run("deliver", QF_CHANGE_DELIVER, operands, n);
}

int
bounce_run(char **operands, size_t n)
{
	return run("bounce", QF_CHANGE_BOUNCE, operands, n);
}
