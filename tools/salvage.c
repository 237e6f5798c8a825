/*
 * salvage - bring a stranded queue's mail to another queue, every message once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "out.h"
#include "salvage_report.h"
#include "say.h"
#include "signals.h"
#include "source.h"
#include "status.h"
#include "words.h"

static const char *const expired_words[] = {"hold", "refresh", "move", "skip", NULL};
static const char *const progress_words[] = {"text", "json", NULL};
static const char *const format_words[] = {"table", "json", NULL};

static struct {
	struct opt_list from, to;
	const char *plan, *save, *manifest, *rate;
	int expired, progress, format;
	bool copy, hold, due, retarget;
	unsigned limit;
	int64_t lease;
} given = {.lease = 60};

const struct opt salvage_options[] = {
	{OPT_LIST, "from", 0, &given.from, "QUEUE",
	 "the source: a directory, or a pattern such as mqueue/q*; repeatable", NULL},
	{OPT_LIST, "to", 0, &given.to, "QUEUE", "the target; repeatable", NULL},
	{OPT_STRING, "plan", 0, &given.plan, "FILE",
	 "run: do what this saved plan says, and nothing else", NULL},
	{OPT_STRING, "save", 0, &given.save, "FILE", "plan: save it for run --plan", NULL},
	{OPT_STRING, "manifest", 0, &given.manifest, "FILE",
	 "verify: against this manifest (default: all of the target)", NULL},
	{OPT_WORD, "expired", 0, &given.expired, "WHAT",
	 "what is done with messages past their return time: hold (default), refresh, move or skip",
	 expired_words},
	{OPT_FLAG, "copy", 0, &given.copy, NULL,
	 "leave the source as it is; nothing is copied to a target twice", NULL},
	{OPT_FLAG, "hold", 0, &given.hold, NULL, "all are held at the target", NULL},
	{OPT_FLAG, "due", 0, &given.due, NULL, "all are eligible at the target's next queue run",
	 NULL},
	{OPT_NUMBER, "limit", 0, &given.limit, "N", "at most N messages", NULL},
	{OPT_STRING, "rate", 0, &given.rate, "N/s", "at most N messages a second", NULL},
	{OPT_SPAN, "lease", 0, &given.lease, "TIME",
	 "resume: how long a claim whose lock is free is left to its owner (60s)", NULL},
	{OPT_FLAG, "retarget", 0, &given.retarget, NULL,
	 "resume: finish claims that were made for another target too", NULL},
	{OPT_WORD, "progress", 0, &given.progress, "FORMAT",
	 "lines on standard error every few seconds: text or json", progress_words},
	{OPT_WORD, "format", 0, &given.format, "FORMAT", "table (text) or json", format_words},
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

const char salvage_description[] =
	"Bring messages from one queue into another one, which its sendmail may be running.\n\n"
	"  plan --from=QUEUE [--to=QUEUE] [FILTER]   what would become of each message, and why\n"
	"  run --from=QUEUE --to=QUEUE [FILTER]      do it\n"
	"  resume --from=QUEUE --to=QUEUE            finish what an interrupted run left\n"
	"  verify --from=QUEUE --to=QUEUE            account for every message\n\n"
	"Each message is claimed at the source under sendmail's own lock, copied, synced, read back\n"
	"and made visible at the target, and only then removed from the source. Whatever\n"
	"interrupts it, resume tells from the two queues alone what is left to be done. Held and\n"
	"lost messages stay so; damaged ones are left and named.";

enum verb { PLAN, RUN, RESUME, VERIFY };
static const char *const verbs[] = {"plan", "run", "resume", "verify"};

static int
parse_rate(unsigned *rate)
{
	char *end;
	unsigned long n;

	*rate = 0;
	if (!given.rate)
		return STATUS_OK;
	n = strtoul(given.rate, &end, 10);
	if (end == given.rate || n == 0 || n > 1000000 || (*end && strcmp(end, "/s") != 0)) {
		say_error("--rate=%s: a number of messages a second, as 50/s", given.rate);
		return STATUS_USAGE;
	}
	*rate = (unsigned)n;
	return STATUS_OK;
}

/* Options that belong to another verb are refused, not ignored. */
static int
check_options(enum verb verb)
{
	const struct {
		bool is_given;
		const char *name;
		unsigned verbs; /* that it is for */
	} rules[] = {
		{given.plan != NULL, "plan", 1u << RUN},
		{given.save != NULL, "save", 1u << PLAN},
		{given.manifest != NULL, "manifest", 1u << VERIFY},
		{given.retarget, "retarget", 1u << RESUME},
		{given.copy, "copy", 1u << PLAN | 1u << RUN},
		{given.hold, "hold", 1u << PLAN | 1u << RUN},
		{given.due, "due", 1u << PLAN | 1u << RUN},
		{given.limit != 0, "limit", 1u << PLAN | 1u << RUN},
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (rules[i].is_given && !(rules[i].verbs & 1u << verb)) {
			say_error("--%s: not with %s", rules[i].name, verbs[verb]);
			return STATUS_USAGE;
		}
	}
	if (!given.from.n || (!given.to.n && verb != PLAN)) {
		say_error("which queues? %s needs --from=QUEUE%s", verbs[verb],
			  verb == PLAN ? "" : " and --to=QUEUE");
		return STATUS_USAGE;
	}
	if (given.save && !given.to.n) {
		say_error("--save: a plan that is to be run needs --to=QUEUE");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

static int
open_queues(struct source *source, struct qf_queue **from, struct qf_queue **to)
{
	int status = source_open_queue(source, given.from.values, given.from.n);

	*from = source->queue;
	source->queue = NULL;
	*to = NULL;
	if (status || !given.to.n)
		return status;
	status = source_open_queue(source, given.to.values, given.to.n);
	*to = source->queue;
	source->queue = NULL;
	return status;
}

/* Without a directory there is less than was asked for, and less than can be accounted for. */
static int
check_whole(struct qf_queue *queue)
{
	for (size_t i = 0; queue && i < qf_queue_ndirs(queue); i++)
		if (qf_queue_dir(queue, i)->trouble)
			return say_failure(&qf_queue_dir(queue, i)->err);
	return STATUS_OK;
}

static enum qf_code
work(enum verb verb, struct qf_salvage *salvage, struct report *report, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	switch (verb) {
	case PLAN:
		code = qf_salvage_look(salvage, err);
		if (!code && given.save)
			code = qf_salvage_save(salvage, given.save, err);
		break;
	case RUN:
		report->quiet = true;
		code = given.plan ? qf_salvage_load(salvage, given.plan, err)
				  : qf_salvage_look(salvage, err);
		report->quiet = false;
		if (!code)
			code = qf_salvage_run(salvage, err);
		break;
	case RESUME:
		code = qf_salvage_resume(salvage, err);
		break;
	case VERIFY:
		code = qf_salvage_verify(salvage, given.manifest, err);
		break;
	}
	return code;
}

static int
carry_out(enum verb verb, struct source *source, struct qf_queue *from, struct qf_queue *to,
	  const struct qf_query *query, unsigned rate)
{
	struct report report = {.command = verbs[verb],
				.json = given.format == 1,
				.json_progress = given.progress == 1,
				.redactor = source->redactor};
	struct qf_salvage_options options = {
		.command = verbs[verb],
		.query = query,
		.policy = &source->policy,
		.expired = (enum qf_salvage_expired)given.expired,
		.copy = given.copy,
		.hold = given.hold,
		.due = given.due,
		.retarget = given.retarget,
		.lease = given.lease,
		.limit = given.limit,
		.rate = rate,
		.jobs = source->jobs,
		.max_ops = source->max_ops,
		.now = source->now,
		.two_looks = verb == PLAN || given.copy,
		.cancel = signals_flag(),
		.report = report_message,
		.progress = report_progress,
		.ctx = &report,
	};
	struct qf_salvage *salvage = NULL;
	struct qf_err err;
	enum qf_code code = qf_salvage_new(from, to, &options, &salvage, &err);
	int status = STATUS_OK;

	if (!code)
		code = work(verb, salvage, &report, &err);
	if (code && code != QF_E_INTERRUPTED)
		status = say_failure(&err);
	/* What was done is accounted for, also where it ended early. */
	if (salvage && (!code || report.told))
		report_end(&report, salvage, verb == PLAN);
	if (!status)
		status = report_status(&report, salvage, verb == VERIFY);
	if (signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	qf_salvage_free(salvage);
	return status;
}

int
salvage_run(char **operands, size_t n)
{
	struct source source = {0};
	struct qf_queue *from = NULL, *to = NULL;
	struct qf_query *query = NULL;
	char *filter = NULL;
	struct qf_err err;
	size_t verb = 0;
	unsigned rate;
	int status;

	while (n && verb < sizeof(verbs) / sizeof(*verbs) && strcmp(operands[0], verbs[verb]) != 0)
		verb++;
	if (n == 0 || verb == sizeof(verbs) / sizeof(*verbs)) {
		say_error("%s: plan, run, resume or verify", n ? operands[0] : "which");
		return STATUS_USAGE;
	}
	if (n > 1 && (verb > RUN || given.plan)) {
		say_error("%s: a filter is for plan and run, and not with --plan", operands[1]);
		return STATUS_USAGE;
	}
	status = check_options((enum verb)verb);
	if (!status)
		status = parse_rate(&rate);
	if (!status)
		status = source_begin(&source);
	if (!status && n > 1) {
		filter = words_join(operands + 1, n - 1);
		if (!filter || qf_query_parse(filter, source.now, &query, &err))
			status = filter ? say_failure(&err) : STATUS_OS;
	}
	if (!status)
		status = open_queues(&source, &from, &to);
	if (!status)
		status = check_whole(from);
	if (!status)
		status = check_whole(to);
	if (!status)
		status = carry_out((enum verb)verb, &source, from, to, query, rate);
	qf_query_free(query);
	free(filter);
	qf_queue_free(from);
	qf_queue_free(to);
	source_close(&source);
	return out_finish(status);
}
