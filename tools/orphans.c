/*
 * orphans - files that belong to no whole message: each with its cause and a verdict.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "commands.h"
#include "confine.h"
#include "every.h"
#include "log_note.h"
#include "orphans_fix.h"
#include "orphans_report.h"
#include "orphans_since.h"
#include "out.h"
#include "ping.h"
#include "save.h"
#include "say.h"
#include "signals.h"
#include "source.h"
#include "status.h"
#include "term.h"

static const char *const format_words[] = {"table", "json", "csv", "nagios", "prometheus", NULL};

#define GRACE 600
/* A lone body younger than this is not cleaned away, unless --grace says something. */
#define BODY_AGE 86400

static struct {
	int format;
	int64_t grace;
	bool deep;
	unsigned warn, crit;
	const char *since, *output, *ping;
	struct opt_list logs;
	int64_t every;
	struct orphans_fix fix;
} given = {.grace = -1};

const struct opt orphans_options[] = {
	{OPT_WORD, "format", 0, &given.format, "FORMAT",
	 "table, json, csv, nagios (a monitoring plugin's line), or prometheus (for node_exporter)",
	 format_words},
	{OPT_FLAG, "deep", 0, &given.deep, NULL,
	 "read every control file too: cut, refused, without sender, without recipients", NULL},
	{OPT_SPAN, "grace", 0, &given.grace, "TIME",
	 "what changed since is in the making and not told, but for hazards (default 10m)", NULL},
	{OPT_NUMBER, "warn", 0, &given.warn, "N", "nagios: so many findings warn (default 1)", NULL},
	{OPT_NUMBER, "crit", 0, &given.crit, "N",
	 "nagios: so many findings are critical (default: any hazard is)", NULL},
	{OPT_LIST, "log", 0, &given.logs, "FILE",
	 "a mail log, compressed or not: who lone files were for, and what became of them; "
	 "repeatable", NULL},
	{OPT_STRING, "since", 0, &given.since, "FILE",
	 "report only what is new since the last run with this file, which is written", NULL},
	{OPT_STRING, "output", 0, &given.output, "FILE",
	 "the report there, whole or not at all, and nothing on standard output", NULL},
	{OPT_STRING, "fix", 0, &given.fix.fixes, "LIST",
	 "deal with them: recover what is whole, rescue what can be saved, guard against harm, clean "
	 "debris into the trash; several with commas, or all", NULL},
	{OPT_FLAG, "release", 0, &given.fix.release, NULL,
	 "what is recovered comes back queued, not held", NULL},
	{OPT_STRING, "lost-found", 0, &given.fix.lost_found, "DIR",
	 "another folder than .qf/lost+found for what is rescued, on any file system", NULL},
	EVERY_ROW(&given.every),
	{OPT_STRING, "ping", 0, &given.ping, "URL",
	 "tell a monitoring service: URL/start, then URL, or URL/fail when there is something to "
	 "report", NULL},
	CHANGES_BARE_BLOCK("Options of --fix:"),
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

const char orphans_description[] =
	"List the files that belong to no whole message: why each is there, what it is worth, which\n"
	"harm it does and from when on. Says nothing, with status 0, when there are none. Files in\n"
	"the making are left out: candidates are looked at twice, a second apart (60 s on a network\n"
	"file system), and are told when nobody holds a lock and nothing changed for --grace.\n"
	"Takes no lock and changes nothing in the queue, but with --fix: then the plan is shown first, and\n"
	"what is done goes through the journal, as with qf rm. Operands are findings that are meant, by id,\n"
	"name or path of a file of theirs; without any, all are.";

/* Name what could not be read. */
static bool
say_troubles(const struct qf_orphans *orphans)
{
	const struct qf_err *trouble;
	size_t i = 0;

	while ((trouble = qf_orphans_trouble(orphans, i)))
		i += say_failure(trouble) != STATUS_OK;
	if (qf_orphans_total(orphans)->unreadable > i)
		say_error("%llu control files could not be read",
			  (unsigned long long)(qf_orphans_total(orphans)->unreadable - i));
	if (!i && qf_orphans_unseen(orphans))
		say_note("%s: lone files are not judged", qf_orphans_unseen(orphans));
	return qf_orphans_total(orphans)->unreadable > 0;
}

/* What was told before is not told again. False, said, when memory is out. */
static bool
hide_told(const struct since *since, const struct qf_orphans *orphans, bool **hidden)
{
	size_t n = qf_orphans_n(orphans);

	*hidden = calloc(n ? n : 1, sizeof(**hidden));
	if (!*hidden) {
		say_error("out of memory");
		return false;
	}
	for (size_t i = 0; i < n; i++)
		(*hidden)[i] = since_has(since, qf_orphans_get(orphans, i));
	return true;
}

/* The report to where it is wanted. Returns status, or that of the failure, said. */
static int
deliver(const struct qf_buf *text, int status)
{
	struct qf_err err;

	if (text->failed) {
		say_error("out of memory");
		return STATUS_OS;
	}
	if (given.output) {
		if (save_file(given.output, text->p ? text->p : "", text->n, &err)) {
			say_failure(&err);
			return STATUS_CANNOT_CREATE;
		}
	} else if (!given.every) {
		out_add_buf(text);
		if (!out_flush())
			return STATUS_IO;
	}
	return status;
}

static int
status_of_report(const struct orphans_report *report)
{
	if (report->format == ORPHANS_NAGIOS)
		return orphans_nagios(report);
	if (report->incomplete)
		return STATUS_INCOMPLETE;
	return orphans_count(report, NULL) ? STATUS_FINDINGS : STATUS_OK;
}

/* Report what was found, or deal with it. */
static int
report_on(const struct source *source, const struct qf_orphans *orphans, struct qf_buf *text,
	  struct qf_buf *total)
{
	bool terminal = term_is_tty() && !given.output && !given.every, *hidden = NULL;
	struct since *since = given.since ? since_read(given.since) : NULL;
	struct orphans_report report = {.source = source,
					.orphans = orphans,
					.format = (enum orphans_format)given.format,
					.width = terminal ? term_columns() : 0,
					.utf8 = term_utf8(),
					.safe = terminal,
					.verbose = say_verbosity() > 0,
					.warn = given.warn,
					.crit = given.crit};
	struct qf_err err;
	int status = STATUS_OK;

	report.incomplete = say_troubles(orphans);
	log_note(qf_orphans_log(orphans));
	if (given.fix.fixes)
		return orphans_fix_run(&given.fix, &report, total);
	orphans_put_total(orphans, total);
	if (given.since && (!since || !hide_told(since, orphans, &hidden)))
		status = STATUS_OS;
	if (!status) {
		report.hidden = hidden;
		orphans_put(&report, text);
		status = deliver(text, status_of_report(&report));
		/* Only what was told is known: a report that got lost is made again. */
		if (since && status <= 3 &&
		    since_write(since, given.since, orphans, report.incomplete, &err)) {
			say_failure(&err);
			status = STATUS_CANNOT_CREATE;
		}
	}
	free(hidden);
	since_free(since);
	return status;
}

/* One look. */
static int
look(struct source *source, struct qf_buf *text, struct qf_buf *total)
{
	const struct qf_orphans_options options = {
		.deep = given.deep,
		.ignored = say_verbosity() > 0,
		.grace = given.grace < 0 ? GRACE : given.grace,
		.now = source->now,
		.pause = -1,
		.jobs = source->jobs,
		.max_ops = source->max_ops,
		.cf = source->cf,
		.logs = given.logs.values,
		.nlogs = given.logs.n,
		.cancel = signals_flag(),
	};
	struct qf_orphans *orphans = NULL;
	struct qf_err err;
	int status;

	if (qf_orphans_find(source->queue, &options, &orphans, &err))
		return say_failure(&err);
	status = report_on(source, orphans, text, total);
	qf_orphans_free(orphans);
	return status;
}

static void
confine(const struct source *source)
{
	/* Further directories, that the configuration names, are looked at where they matter. Each
	   round reads the configuration and opens the queue anew, and may ask the system for users
	   over a socket. */
	const struct confine looker = {.how = given.fix.fixes ? CONFINE_CHANGER : CONFINE_LOOKER,
				       .queue = source->queue,
				       .network = given.every || given.ping};

	confine_once(&looker);
}

/* A look with all that goes with it. Returns an exit status. */
static int
do_round(void *ctx, struct qf_buf *total)
{
	struct source source = {0};
	struct qf_buf text = {0};
	int status;

	(void)ctx;
	ping_send(given.ping, PING_START, NULL);
	status = source_open(&source);
	if (!status)
		confine(&source);
	if (!status)
		status = look(&source, &text, total);
	source_close(&source);
	if (signals_caught()) {
		qf_buf_release(&text);
		return STATUS_SIGNAL + signals_caught();
	}
	if (!text.n && status && say_last())
		qf_buf_adds(&text, say_last());
	ping_send(given.ping, status ? PING_FAILURE : PING_SUCCESS, &text);
	qf_buf_release(&text);
	return status;
}

/* A monitoring plugin that failed knows nothing, and says so in its one line. */
static int
nagios_failure(int status)
{
	if (given.format != ORPHANS_NAGIOS || given.every || status <= 3)
		return status;
	out_adds("QF ORPHANS UNKNOWN - the queue could not be looked at\n");
	return 3;
}

/* --fix has something to say for itself, and nothing else. */
static int
prepare_fix(void)
{
	struct orphans_fix *fix = &given.fix;
	int status = fix->fixes ? orphans_fix_read(fix) : STATUS_OK;

	fix->body_age = given.grace < 0 ? BODY_AGE : given.grace;
	fix->silent = given.every;
	if (status)
		return status;
	if (!fix->fixes && (fix->release || fix->lost_found || changes_given()->dry_run))
		say_error("--release, --lost-found and -n are for --fix");
	else if (fix->fixes && (given.since || given.output || given.format > ORPHANS_JSON))
		say_error("--fix: with --format=table or json, and without --since or --output");
	else if (fix->fixes && given.every && !changes_given()->yes)
		say_error("--fix with --every: needs --yes, since nobody is there to be asked");
	else
		return STATUS_OK;
	return STATUS_USAGE;
}

int
orphans_run(char **operands, size_t n)
{
	struct qf_buf total = {0};
	int status;

	if (n && !given.fix.fixes) {
		say_error("%s: operands name findings for --fix; -Q names a queue", operands[0]);
		return out_finish(nagios_failure(STATUS_USAGE));
	}
	given.fix.names = operands;
	given.fix.nnames = n;
	status = prepare_fix();
	if (status)
		return out_finish(nagios_failure(status));
	if (given.every)
		return every_run("orphans", given.every, do_round, NULL);
	status = do_round(NULL, &total);
	qf_buf_release(&total);
	return out_finish(nagios_failure(status));
}
