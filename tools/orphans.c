/*
 * orphans - files that belong to no whole message: each with its cause and a verdict.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "orphans_report.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "source.h"
#include "status.h"
#include "term.h"

static const char *const format_words[] = {"table", "json", "csv", "nagios", "prometheus", NULL};

#define GRACE 600

static struct {
	int format;
	int64_t grace;
	bool deep;
	unsigned warn, crit;
} given = {.grace = GRACE};

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
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

const char orphans_description[] =
	"List the files that belong to no whole message: why each is there, what it is worth, which\n"
	"harm it does and from when on. Says nothing, with status 0, when there are none. Files in\n"
	"the making are left out: candidates are looked at twice, a second apart (60 s on a network\n"
	"file system), and are told when nobody holds a lock and nothing changed for --grace.\n"
	"Takes no lock and changes nothing.";

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

/* One look. Returns an exit status. */
static int
look(struct source *source)
{
	const struct qf_orphans_options options = {
		.deep = given.deep,
		.ignored = say_verbosity() > 0,
		.grace = given.grace,
		.now = source->now,
		.pause = -1,
		.jobs = source->jobs,
		.max_ops = source->max_ops,
		.cf = source->cf,
		.cancel = signals_flag(),
	};
	struct orphans_report report = {.source = source,
					.format = (enum orphans_format)given.format,
					.width = term_is_tty() ? term_columns() : 0,
					.utf8 = term_utf8(),
					.safe = term_is_tty(),
					.verbose = say_verbosity() > 0,
					.warn = given.warn,
					.crit = given.crit};
	struct qf_orphans *orphans = NULL;
	struct qf_buf text = {0};
	struct qf_err err;
	int status;

	if (qf_orphans_find(source->queue, &options, &orphans, &err)) {
		if (signals_caught())
			return STATUS_SIGNAL + signals_caught();
		return say_failure(&err);
	}
	report.orphans = orphans;
	report.incomplete = say_troubles(orphans);
	orphans_put(&report, &text);
	out_add_buf(&text);
	if (given.format == ORPHANS_NAGIOS)
		status = orphans_nagios(&report);
	else if (report.incomplete)
		status = STATUS_INCOMPLETE;
	else
		status = orphans_count(&report, NULL) ? STATUS_FINDINGS : STATUS_OK;
	qf_buf_release(&text);
	qf_orphans_free(orphans);
	return status;
}

/* A monitoring plugin that failed knows nothing, and says so in its one line. */
static int
nagios_failure(int status)
{
	if (given.format != ORPHANS_NAGIOS || status <= 3)
		return status;
	out_adds("QF ORPHANS UNKNOWN - the queue could not be looked at\n");
	return 3;
}

int
orphans_run(char **operands, size_t n)
{
	struct source source = {0};
	int status;

	if (n) {
		say_error("%s: no operands here; -Q names a queue", operands[0]);
		return nagios_failure(STATUS_USAGE);
	}
	status = source_open(&source);
	if (!status)
		status = look(&source);
	source_close(&source);
	return out_finish(nagios_failure(status));
}
