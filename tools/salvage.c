/*
 * salvage - bring a stranded queue's mail to another queue, every message once.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "confine.h"
#include "log_note.h"
#include "out.h"
#include "salvage_audit.h"
#include "salvage_import.h"
#include "salvage_readable.h"
#include "salvage_report.h"
#include "salvage_resubmit.h"
#include "say.h"
#include "select.h"
#include "signals.h"
#include "source.h"
#include "status.h"
#include "words.h"

static const char *const expired_words[] = {"hold", "refresh", "move", "skip", NULL};
static const char *const progress_words[] = {"text", "json", NULL};
static const char *const format_words[] = {"table", "json", NULL};

static struct {
	struct opt_list from, to, logs;
	const char *audit;
	const char *plan, *save, *manifest, *rate, *commit, *abort, *receipt, *unhold;
	int expired, progress, format;
	bool copy, hold, due, retarget;
	unsigned limit;
	int64_t lease;
	struct resubmit smtp;
} given = {.lease = 60};

const struct opt salvage_options[] = {
	{OPT_LIST, "from", 0, &given.from, "QUEUE",
	 "the source: a directory, or a pattern such as mqueue/q*; repeatable", NULL},
	{OPT_LIST, "to", 0, &given.to, "QUEUE",
	 "the target; repeatable; of export: FILE.tar.zst (.tar, .tar.gz, .tar.xz), DIR/, -; for "
	 "people to read: FILE.mbox, DIR.eml/, DIR.maildir/",
	 NULL},
	{OPT_STRING, "plan", 0, &given.plan, "FILE",
	 "run: do what this saved plan says, and nothing else", NULL},
	{OPT_STRING, "save", 0, &given.save, "FILE", "plan: save it for run --plan", NULL},
	{OPT_STRING, "manifest", 0, &given.manifest, "FILE",
	 "verify: against this manifest (default: all of the target)", NULL},
	{OPT_STRING, "commit", 0, &given.commit, "RECEIPT",
	 "export: remove what this receipt of an import names", NULL},
	{OPT_STRING, "abort", 0, &given.abort, "RUN",
	 "export: put back what is still claimed by that export", NULL},
	{OPT_STRING, "smtp", 0, &given.smtp.server, "HOST:PORT",
	 "resubmit: the server; port 465 (or smtps://HOST:PORT) is TLS from the start, else "
	 "STARTTLS where "
	 "it is offered",
	 NULL},
	{OPT_STRING, "user", 0, &given.smtp.user, "NAME",
	 "resubmit: authenticate, never without TLS and a certificate that is trusted", NULL},
	{OPT_STRING, "password-file", 0, &given.smtp.password_file, "FILE",
	 "resubmit: the password, on its first line", NULL},
	{OPT_STRING, "receipt", 0, &given.receipt, "FILE",
	 "import: write there what has arrived, for export --commit", NULL},
	{OPT_LIST, "log", 0, &given.logs, "FILE",
	 "a mail log, compressed or not: what it shows delivered or returned to all is skipped; "
	 "repeatable",
	 NULL},
	{OPT_STRING, "audit", 0, &given.audit, "DB",
	 "a database of qf audit, with logs or mailboxes read into it: what it shows delivered or returned "
	 "to all is skipped",
	 NULL},
	{OPT_WORD, "expired", 0, &given.expired, "WHAT",
	 "what is done with messages past their return time: hold (default), refresh, move or skip; of "
	 "export and resubmit, which leave them as they are, move or skip",
	 expired_words},
	{OPT_FLAG, "copy", 0, &given.copy, NULL,
	 "leave the source as it is; nothing is copied to a target twice", NULL},
	{OPT_FLAG, "hold", 0, &given.hold, NULL, "all are held at the target", NULL},
	{OPT_STRING, "unhold", 0, &given.unhold, "RUN",
	 "plan, run: what RUN has held for being past its return time is let go at the target: a move back",
	 NULL},
	{OPT_FLAG, "due", 0, &given.due, NULL, "all are eligible at the target's next queue run",
	 NULL},
	{OPT_NUMBER, "limit", 0, &given.limit, "N", "at most N messages", NULL},
	{OPT_STRING, "rate", 0, &given.rate, "N/s", "run, resume, import: at most N messages a second", NULL},
	{OPT_SPAN, "lease", 0, &given.lease, "TIME",
	 "resume, export --abort: how long a claim whose lock is free is left to an owner that is not known "
	 "to have ended (60s)",
	 NULL},
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
	"  verify --from=QUEUE --to=QUEUE            account for every message\n"
	"  export --from=QUEUE --to=FILE|DIR/|- [FILTER]   into a bundle that can be carried\n"
	"  import FILE|DIR|- --to=QUEUE --receipt=FILE     out of it, into another queue\n"
	"  export --from=QUEUE --to=FILE.mbox [FILTER]     for people to read; the queue stays as "
	"it is\n"
	"  export --from=QUEUE --commit=RECEIPT      release what has arrived\n"
	"  export --from=QUEUE --abort=RUN           put back what has not\n"
	"  resubmit --from=QUEUE --smtp=HOST:PORT [FILTER]  hand them to a server by SMTP\n\n"
	"Each message is claimed at the source under sendmail's own lock, copied, synced, read "
	"back\n"
	"and made visible at the target, and only then removed from the source. Whatever\n"
	"interrupts it, resume tells from the two queues alone what is left to be done. Held and\n"
	"lost messages stay so; damaged ones are left and named. Exported messages stay claimed, "
	"run by\n"
	"nobody, until a receipt releases them or they are put back.\n\n"
	"- in the place of FILTER reads ids, or paths of control files, from standard input.";

enum verb { PLAN, RUN, RESUME, VERIFY, EXPORT, IMPORT, RESUBMIT };
static const char *const verbs[] = {"plan",   "run",	"resume",  "verify",
				    "export", "import", "resubmit"};

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
		{given.unhold != NULL, "unhold", 1u << PLAN | 1u << RUN},
		{given.logs.n != 0, "log", 1u << PLAN | 1u << RUN | 1u << EXPORT | 1u << RESUBMIT},
		{given.audit != NULL, "audit", 1u << PLAN | 1u << RUN | 1u << EXPORT},
		{given.commit != NULL, "commit", 1u << EXPORT},
		{given.abort != NULL, "abort", 1u << EXPORT},
		{given.receipt != NULL, "receipt", 1u << IMPORT},
		{given.smtp.server != NULL, "smtp", 1u << RESUBMIT},
		{given.smtp.user != NULL, "user", 1u << RESUBMIT},
		{given.smtp.password_file != NULL, "password-file", 1u << RESUBMIT},
		{given.to.n != 0, "to", ~(1u << RESUBMIT)},
		{given.from.n != 0, "from", ~(1u << IMPORT)},
		{given.copy, "copy", 1u << PLAN | 1u << RUN},
		{given.hold, "hold", 1u << PLAN | 1u << RUN | 1u << IMPORT},
		{given.due, "due", 1u << PLAN | 1u << RUN | 1u << IMPORT},
		{given.limit != 0, "limit", 1u << PLAN | 1u << RUN | 1u << EXPORT | 1u << RESUBMIT},
		{opt_was_given(&given.rate), "rate", 1u << RUN | 1u << RESUME | 1u << IMPORT},
		{opt_was_given(&given.expired), "expired",
		 ~(1u << RESUME | 1u << VERIFY)},
	};
	int ends = (given.commit != NULL) + (given.abort != NULL);

	if (opt_was_given(&given.limit) && !given.limit) {
		say_error("--limit=0: nothing would be done; without --limit there is no limit");
		return STATUS_USAGE;
	}
	if ((verb == EXPORT || verb == RESUBMIT) && opt_was_given(&given.expired) &&
	    given.expired != QF_EXPIRED_MOVE && given.expired != QF_EXPIRED_SKIP) {
		say_error("--expired=%s: %s leaves messages as they are: move or skip",
			  expired_words[given.expired], verbs[verb]);
		return STATUS_USAGE;
	}
	if (given.unhold && (!*given.unhold || strchr(given.unhold, '/'))) {
		say_error("--unhold=%s: the name of a run is wanted", given.unhold);
		return STATUS_USAGE;
	}
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		if (rules[i].is_given && !(rules[i].verbs & 1u << verb)) {
			say_error("--%s: not with %s", rules[i].name, verbs[verb]);
			return STATUS_USAGE;
		}
	}
	if (verb == EXPORT && (ends > 1 || (ends && given.to.n) || given.to.n > 1)) {
		say_error("export: one of --to, --commit and --abort");
		return STATUS_USAGE;
	}
	if (verb == RESUBMIT && (!given.from.n || !given.smtp.server)) {
		say_error("resubmit: needs --from=QUEUE and --smtp=HOST:PORT");
		return STATUS_USAGE;
	}
	if (verb == RESUBMIT)
		return STATUS_OK;
	if (verb == IMPORT ? !given.to.n
			   : !given.from.n || (!given.to.n && verb != PLAN && !ends)) {
		say_error("which queues? %s needs %s%s", verbs[verb],
			  verb == IMPORT ? "--to=QUEUE" : "--from=QUEUE",
			  verb == PLAN || verb == IMPORT ? ""
			  : verb == EXPORT ? " and --to=FILE|DIR/|-, --commit or --abort"
					   : " and --to=QUEUE");
		return STATUS_USAGE;
	}
	if (given.save && !given.to.n) {
		say_error("--save: a plan that is to be run needs --to=QUEUE");
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

static int
open_queues(enum verb verb, struct source *source, struct qf_queue **from, struct qf_queue **to)
{
	int status = verb == IMPORT ? STATUS_OK
				    : source_open_queue(source, given.from.values, given.from.n);

	*from = source->queue;
	source->queue = NULL;
	*to = NULL;
	if (status || !given.to.n || verb == EXPORT)
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
	case EXPORT:
		if (given.commit)
			return qf_salvage_commit(salvage, given.commit, err);
		if (given.abort)
			return qf_salvage_abort(salvage, given.abort, err);
		report->quiet = true;
		code = qf_salvage_look(salvage, err);
		/* Standard output is the bundle's. */
		report->quiet = strcmp(given.to.values[0], "-") == 0;
		if (!code)
			code = qf_salvage_export(salvage, given.to.values[0], err);
		break;
	case IMPORT:
	case RESUBMIT:
		break; /* salvage_import(), salvage_resubmit() */
	}
	return code;
}

/* What keeps them from being run, until somebody says that they have arrived. */
static void
say_claimed(const struct qf_salvage *salvage, bool failed)
{
	struct qf_salvage_totals totals;
	uint64_t stuck = 0;

	qf_salvage_totals(salvage, &totals);
	for (size_t i = 0; i < QF_SALVAGE_WHY_COUNT; i++)
		stuck += totals.failed[i];
	if (failed && stuck)
		say_error("%" PRIu64
			  " are still claimed: --commit=RECEIPT releases what has arrived, "
			  "--abort=%s puts the rest back",
			  stuck, totals.run);
	else if (failed)
		say_note("all of it was put back");
	else if (totals.moved)
		say_note("%" PRIu64
			 " in the bundle, claimed until --commit=RECEIPT releases them or "
			 "--abort=%s puts them back",
			 totals.moved, totals.run);
}

static struct qf_salvage_options
options_for(enum verb verb, const struct source *source, const struct qf_query *query,
	    unsigned rate, struct report *report)
{
	return (struct qf_salvage_options){
		.command = verbs[verb],
		.query = query,
		.policy = &source->policy,
		.expired = (enum qf_salvage_expired)given.expired,
		.copy = given.copy,
		.hold = given.hold,
		.unhold = given.unhold,
		.due = given.due,
		.says = {opt_was_given(&given.expired), opt_was_given(&given.copy),
			 opt_was_given(&given.hold), opt_was_given(&given.due)},
		.retarget = given.retarget,
		.lease = given.lease,
		.limit = given.limit,
		.logs = given.logs.values,
		.nlogs = given.logs.n,
		.rate = rate,
		.jobs = source->jobs,
		.max_ops = source->max_ops,
		.now = source->now,
		.two_looks = verb == PLAN || given.copy,
		.counts_returns = verb == PLAN,
		.cancel = signals_flag(),
		.report = report_message,
		.progress = report_progress,
		.ctx = report,
	};
}

static int
compare_paths(const void *left, const void *right)
{
	const struct selected *a = left, *b = right;

	return strcmp(a->path, b->path);
}

/* One of those that were named on standard input? */
static bool
is_named(void *ctx, const struct qf_msg *msg)
{
	const struct selection *named = ctx;
	struct qf_slice path = qf_msg_files(msg)->path;
	struct selected key = {.queue = NULL};

	if (path.n >= sizeof(key.path))
		return false;
	memcpy(key.path, path.p, path.n);
	return bsearch(&key, named->messages, named->n, sizeof(key), compare_paths) != NULL;
}

/* Ids from standard input, of messages of the source. */
static int
read_named(struct source *source, struct qf_queue *from, struct selection *named)
{
	static char *input[] = {(char *)"-"};
	int status;

	source->queue = from;
	status = select_messages(source, input, 1, named);
	source->queue = NULL;
	if (!status && !named->n) {
		say_note("no message is named: nothing is done");
		return STATUS_FINDINGS;
	}
	if (named->n)
		qsort(named->messages, named->n, sizeof(*named->messages), compare_paths);
	return status;
}

static int
carry_out(enum verb verb, struct source *source, struct qf_queue *from, struct qf_queue *to,
	  const struct qf_query *query, struct selection *named, unsigned rate)
{
	struct report report = {.command = verbs[verb],
				.json = given.format == 1,
				.json_progress = given.progress == 1,
				.redactor = source->redactor};
	struct qf_salvage_options options = options_for(verb, source, query, rate, &report);
	const bool looks = verb == PLAN || verb == VERIFY;
	const struct confine confine = {.how = looks ? CONFINE_LOOKER : CONFINE_CHANGER,
					.queue = from,
					.network = verb == RESUBMIT};
	struct qf_salvage *salvage = NULL;
	struct salvage_audit *audit = NULL;
	struct qf_err err;
	enum qf_code code;
	int status = STATUS_OK;

	if (named) {
		options.wanted = is_named;
		options.wanted_ctx = named;
	}
	confine_self(&confine);
	if (verb == EXPORT && given.to.n && salvage_is_readable(given.to.values[0]) &&
	    (given.logs.n || given.audit)) {
		say_error("--log, --audit: what is for people to read has all there is");
		return STATUS_USAGE;
	}
	if (verb == EXPORT && given.to.n && salvage_is_readable(given.to.values[0]))
		return salvage_readable(source, from, given.to.values[0], &options, &report);
	if (verb == RESUBMIT)
		return salvage_resubmit(source, from, &given.smtp, &options, &report);
	if (verb == EXPORT && given.to.n && source->redactor) {
		say_error("--redact: what is to be imported cannot be redacted; an .mbox, .eml/ or .maildir/ can");
		return STATUS_USAGE;
	}
	if (given.audit) {
		status = salvage_audit_open(given.audit, &audit);
		if (status)
			return status;
		options.finished = salvage_audit_is_finished;
		options.finished_ctx = audit;
	}
	code = qf_salvage_new(from, to, &options, &salvage, &err);
	if (!code)
		code = work(verb, salvage, &report, &err);
	if (code && code != QF_E_INTERRUPTED)
		status = say_failure(&err);
	if (salvage && !code)
		log_note(qf_salvage_log(salvage));
	/* What was done is accounted for, also where it ended early. */
	if (salvage && (!code || report.told) && !(verb == EXPORT && report.quiet))
		report_end(&report, salvage, verb == PLAN);
	if (salvage && verb == EXPORT && !given.commit && !given.abort)
		say_claimed(salvage, code != QF_OK);
	if (!status)
		status = report_status(&report, salvage, verb == VERIFY);
	if (signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	qf_salvage_free(salvage);
	salvage_audit_close(audit);
	return status;
}

static int
bring_in(struct source *source, struct qf_queue *to, const char *from, unsigned rate)
{
	struct report report = {.command = "import",
				.json = given.format == 1,
				.json_progress = given.progress == 1,
				.redactor = source->redactor};
	struct qf_salvage_options options = options_for(IMPORT, source, NULL, rate, &report);
	const struct confine changer = {.how = CONFINE_CHANGER, .queue = to};

	confine_self(&changer);
	return salvage_import(source, to, from, given.receipt, &options, &report);
}

int
salvage_run(char **operands, size_t n)
{
	struct source source = {0};
	struct qf_queue *from = NULL, *to = NULL;
	struct qf_query *query = NULL;
	struct selection named = {0};
	char *filter = NULL;
	bool by_name = false;
	struct qf_err err;
	size_t verb = 0;
	unsigned rate;
	int status;

	signal(SIGPIPE, SIG_IGN); /* who reads an export from a pipe may go away */
	while (n && verb < sizeof(verbs) / sizeof(*verbs) && strcmp(operands[0], verbs[verb]) != 0)
		verb++;
	if (n == 0 || verb == sizeof(verbs) / sizeof(*verbs)) {
		say_error("%s: plan, run, resume, verify, export, import or resubmit",
			  n ? operands[0] : "which");
		return STATUS_USAGE;
	}
	if (verb == IMPORT && n != 2) {
		say_error("import: which bundle? FILE, DIR, or - for standard input");
		return STATUS_USAGE;
	}
	if (n > 1 && verb != IMPORT &&
	    ((verb > RUN && verb != EXPORT && verb != RESUBMIT) || given.plan || given.commit ||
	     given.abort)) {
		say_error("%s: a filter is for plan, run, export and resubmit, and not with "
			  "--plan, --commit, --abort",
			  operands[1]);
		return STATUS_USAGE;
	}
	status = check_options((enum verb)verb);
	if (!status)
		status = parse_rate(&rate);
	if (!status)
		status = source_begin(&source);
	by_name = n == 2 && verb != IMPORT && strcmp(operands[1], "-") == 0;
	if (!status && n > 1 && verb != IMPORT && !by_name) {
		filter = words_join(operands + 1, n - 1);
		if (!filter || qf_query_parse(filter, source.now, &query, &err))
			status = filter ? say_failure(&err) : STATUS_OS;
	}
	if (!status)
		status = open_queues((enum verb)verb, &source, &from, &to);
	if (!status)
		status = check_whole(from);
	if (!status)
		status = check_whole(to);
	if (!status && verb == IMPORT)
		status = bring_in(&source, to, operands[1], rate);
	else if (!status && !(by_name && (status = read_named(&source, from, &named))))
		status = carry_out((enum verb)verb, &source, from, to, query,
				   by_name ? &named : NULL, rate);
	if (!status && named.missing)
		status = STATUS_FINDINGS;
	selection_release(&named);
	qf_query_free(query);
	free(filter);
	qf_queue_free(from);
	qf_queue_free(to);
	source_close(&source);
	return out_finish(status);
}
