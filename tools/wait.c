/*
 * wait - until no message is in delivery, or none is left, or the time is over.
 *
 * Made for a container's stop hook: it ends in time even when the file system does not answer. A
 * process that waits for one may not be to be killed until it is answered (FUSE): so a child looks,
 * and the parent, which touches no file, waits for the child and leaves it behind when the time is
 * over. Where it cannot be told whether a message is in delivery, it is not called idle.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "confine.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "source.h"
#include "status.h"
#include "words.h"

enum goal { GOAL_IDLE, GOAL_EMPTY };
static const char *const goal_words[] = {"idle", "empty", NULL};
static const char *const format_words[] = {"table", "json", NULL};

static struct {
	int goal, format;
	int64_t timeout;
} given = {.timeout = 110};

const struct opt wait_options[] = {
	{OPT_WORD, "for", 0, &given.goal, "WHAT",
	 "idle: none in delivery; empty: none left", goal_words},
	{OPT_SPAN, "timeout", 0, &given.timeout, "TIME", "at most so long (default 110s)", NULL},
	{OPT_WORD, "format", 0, &given.format, "FORMAT", "table (text) or json", format_words},
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

const char wait_description[] =
	"Wait until no message of the selection (default: all) is in delivery, or none is left.\n"
	"Changes nothing and takes no lock. One line of status for each change of the picture; at\n"
	"the end what is still in flight is named. Ends in time whatever the file system does:\n"
	"status 0 when it is so, 2 when the time is over.";

/* Ids named in one line of status. */
#define NAMED 20

struct picture {
	size_t busy, left;
	bool unknown, incomplete;
	char ids[NAMED][QF_NAME_MAX];
	size_t nids;
};

static double
monotonic(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
nap(void)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	nanosleep(&pause, NULL);
}

/* The parent's part: the status of the child, or that of the time that is over. */
static int
watch(pid_t child, double until)
{
	double give_up = 0;
	int status;

	for (;;) {
		pid_t ended = waitpid(child, &status, WNOHANG);

		if (ended == child)
			return WIFEXITED(status) ? WEXITSTATUS(status)
						 : STATUS_SIGNAL + WTERMSIG(status);
		if (signals_caught() && !give_up) {
			kill(child, signals_caught());
			give_up = monotonic() + 1;
		}
		if (give_up && monotonic() >= give_up) {
			kill(child, SIGKILL);
			return STATUS_SIGNAL + signals_caught();
		}
		if (monotonic() >= until) {
			say_error("the time is over and the file system does not answer");
			kill(child, SIGKILL);
			return STATUS_INCOMPLETE;
		}
		nap();
	}
}

static int
look(struct source *source, struct qf_matcher *matcher, unsigned needs, struct picture *picture)
{
	struct qf_scan_options options = {.needs = needs | QF_NEED_BUSY,
					  .jobs = source->jobs,
					  .max_ops = source->max_ops,
					  .cancel = signals_flag()};
	struct qf_scan *scan = NULL;
	struct qf_msg *msg = NULL;
	struct qf_err err;
	enum qf_code code = qf_scan_new(source->queue, &options, &scan, &err);

	*picture = (struct picture){0};
	while (!code && !(code = qf_scan_next(scan, &msg, &err)) && msg) {
		const struct qf_files *files = qf_msg_files(msg);
		struct qf_row row;
		bool matched = false;

		qf_row_init(&row, msg, source->queue, &source->policy, source->now);
		code = qf_matcher_match(matcher, &row, &matched, &err);
		if (code || !matched)
			continue;
		picture->left++;
		if (files->busy == QF_NO)
			continue;
		picture->busy++;
		picture->unknown |= files->busy == QF_UNKNOWN;
		if (picture->nids < NAMED && files->id.n < QF_NAME_MAX)
			memcpy(picture->ids[picture->nids++], files->id.p, files->id.n);
	}
	picture->incomplete = scan && source_say_troubles(scan);
	qf_scan_free(scan);
	return code ? say_failure(&err) : STATUS_OK;
}

static bool
is_reached(const struct picture *picture)
{
	if (picture->incomplete)
		return false;
	return given.goal == GOAL_IDLE ? picture->busy == 0 : picture->left == 0;
}

static void
put_picture(const struct picture *picture, bool reached)
{
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};

	if (given.format == 1) {
		qf_json_open(&json, '{');
		qf_json_key(&json, "schema");
		qf_json_string(&json, "qf.wait/1");
		qf_json_key(&json, "time");
		qf_json_time(&json, (int64_t)time(NULL));
		qf_json_key(&json, "busy");
		qf_json_int(&json, (int64_t)picture->busy);
		qf_json_key(&json, "left");
		qf_json_int(&json, (int64_t)picture->left);
		qf_json_key(&json, "ids");
		qf_json_open(&json, '[');
		for (size_t i = 0; i < picture->nids; i++)
			qf_json_string(&json, picture->ids[i]);
		qf_json_close(&json, ']');
		qf_json_key(&json, "reached");
		qf_json_bool(&json, reached);
		qf_json_close(&json, '}');
		qf_buf_addc(&line, '\n');
	} else {
		qf_buf_addf(&line, "%zu in delivery%s, %zu left", picture->busy,
			    picture->unknown ? " or not to be told" : "", picture->left);
		for (size_t i = 0; i < picture->nids; i++) {
			struct qf_slice id = {picture->ids[i], strlen(picture->ids[i])};

			qf_buf_adds(&line, i ? " " : ": ");
			qf_escape_terminal(&line, id, term_utf8());
		}
		if (picture->busy > picture->nids)
			qf_buf_adds(&line, " ...");
		qf_buf_addc(&line, '\n');
	}
	out_add_buf(&line);
	out_flush();
	qf_buf_release(&line);
}

static bool
differs(const struct picture *a, const struct picture *b)
{
	return a->busy != b->busy || a->left != b->left || a->nids != b->nids ||
	       memcmp(a->ids, b->ids, sizeof(a->ids));
}

static int
wait_for(struct source *source, const struct qf_query *query, double until)
{
	struct qf_matcher *matcher = qf_matcher_new(query);
	struct picture now, before = {.left = SIZE_MAX};
	struct timespec pause = {.tv_nsec = 500000000};
	int status = matcher ? STATUS_OK : STATUS_OS;

	while (!status) {
		bool reached;

		status = look(source, matcher, qf_query_needs(query), &now);
		if (status)
			break;
		reached = is_reached(&now);
		if (reached || differs(&now, &before))
			put_picture(&now, reached);
		before = now;
		if (reached)
			break;
		if (monotonic() + 0.5 >= until) {
			say_error("the time is over: %zu in delivery, %zu left", now.busy, now.left);
			status = STATUS_INCOMPLETE;
		} else {
			nanosleep(&pause, NULL);
			source_refresh(source);
		}
		if (signals_caught())
			status = STATUS_SIGNAL + signals_caught();
	}
	qf_matcher_free(matcher);
	return status;
}

/* The child's part. */
static int
look_until(char **operands, size_t n, double until)
{
	struct qf_query *query = NULL;
	struct source source = {0};
	struct qf_err err;
	struct qf_buf ids = {0};
	char *filter;
	int status = source_open(&source);

	filter = words_join(operands, n);
	for (size_t i = 0; i < n && filter && !strpbrk(filter, ":=<>() "); i++)
		qf_buf_addf(&ids, "%sid=\"%s\"", i ? " or " : "", operands[i]);
	qf_buf_addc(&ids, '\0');
	if (!status && (!filter || ids.failed))
		status = STATUS_OS;
	if (!status && qf_query_parse(ids.n > 1 ? ids.p : strcmp(filter, "ALL") ? filter : "",
				      source.now, &query, &err))
		status = say_failure(&err);
	/* The watchdog, which started earlier, only ever ends the process. */
	if (!status)
		confine_reader(source.queue);
	if (!status)
		status = wait_for(&source, query, until);
	free(filter);
	qf_buf_release(&ids);
	qf_query_free(query);
	source_close(&source);
	return out_finish(status);
}

int
wait_run(char **operands, size_t n)
{
	double until = monotonic() + (given.timeout > 0 && given.timeout < 1000000000
					      ? (double)given.timeout
					      : 1e9);
	pid_t child = fork();

	if (child > 0)
		return watch(child, until);
	if (child < 0)
		say_note("no second process: if the file system hangs, so does this");
	else
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	return look_until(operands, n, until);
}
