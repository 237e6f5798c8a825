/*
 * audit - qf audit: one of its subcommands.
 */
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "changes.h"
#include "commands.h"
#include "confine.h"
#include "every.h"
#include "out.h"
#include "say.h"
#include "status.h"

struct audit_options audit_given;

static const char *const formats[] = {"table", "json", "csv", NULL};

static const struct audit_command subcommands[] = {
	{"index", "", "a snapshot of the queue into the database", audit_index},
	{"log", "LOGFILE...", "the mail log into the database", audit_log},
	{"mailstore", "DIR...", "headers of delivered mail into the database", audit_mailstore},
	{"report", "", "which messages of a restored queue may run, and what makes it safe",
	 audit_report},
	{"diff", "A B", "what came, went and changed between two snapshots", audit_diff},
	{"reconcile", "A B", "what became of all that was owed between two snapshots",
	 audit_reconcile},
	{"search", "[FILTER]", "messages of all snapshots", audit_search},
	{"sql", "STATEMENT", "ask the database, read-only", audit_sql},
	{.name = NULL},
};

const struct opt audit_options[] = {
	{.kind = OPT_STRING,
	 .name = "db",
	 .target = &audit_given.db,
	 .argument = "FILE",
	 .help = "the database; made by index and log where it is not there"},
	{.kind = OPT_STRING,
	 .name = "label",
	 .target = &audit_given.label,
	 .argument = "NAME",
	 .help = "index: a name for the snapshot"},
	{.kind = OPT_FLAG,
	 .name = "bodies",
	 .target = &audit_given.bodies,
	 .help = "index: the text of bodies too, for full-text search"},
	{.kind = OPT_FLAG,
	 .name = "digest",
	 .target = &audit_given.digest,
	 .help = "index: hash every data file, of whatever size, known or not"},
	{.kind = OPT_LIST,
	 .name = "log",
	 .target = &audit_given.logs,
	 .argument = "FILE",
	 .help = "reconcile: read this log into the database first; repeatable"},
	{.kind = OPT_STRING,
	 .name = "zone",
	 .target = &audit_given.zone,
	 .argument = "ZONE",
	 .help = "log: of times without one, as +01:00 (default: found by queue ids)"},
	{.kind = OPT_NUMBER,
	 .name = "year",
	 .target = &audit_given.year,
	 .argument = "YEAR",
	 .help = "log: of the first line, where times have none"},
	{.kind = OPT_WORD,
	 .name = "format",
	 .target = &audit_given.format,
	 .argument = "FORM",
	 .words = formats,
	 .help = "table, json or csv"},
	{.kind = OPT_STRING,
	 .name = "snapshot",
	 .target = &audit_given.snapshot,
	 .argument = "S",
	 .help = "report: the restored queue's (default: the newest restored); search: only this"},
	{.kind = OPT_STRING,
	 .name = "against",
	 .target = &audit_given.against,
	 .argument = "S",
	 .help = "report: the live queue's snapshot"},
	{.kind = OPT_STRING,
	 .name = "html",
	 .target = &audit_given.html,
	 .argument = "FILE",
	 .help = "report: a page for a browser, too, which loads nothing from anywhere"},
	{.kind = OPT_FLAG,
	 .name = "apply",
	 .target = &audit_given.apply,
	 .help = "report: carry the plan out, on the queue of the snapshot"},
	{.kind = OPT_STRING,
	 .name = "text",
	 .target = &audit_given.text,
	 .argument = "WORDS",
	 .help = "search: bodies that have these words (SQLite FTS5)"},
	EVERY_ROW(&audit_given.every),
	CHANGES_BARE_BLOCK("Options of report --apply:"),
	SOURCE_BLOCK,
	{.kind = OPT_END},
};

const char audit_description[] =
	"Answer from a database what was in a queue and what happened to it.\n\n"
	"  index                 make a snapshot of the queue (-Q), or of the queues below a\n"
	"                        restored tree (aws-backup-restore_*)\n"
	"  log LOGFILE...        read sendmail's mail log: plain, compressed, or of CloudWatch\n"
	"  mailstore DIR...      read the headers of Maildirs: a queue id there proves delivery\n"
	"  report                what would happen if the queue of --snapshot, a restored one, were\n"
	"                        run: each message in one class, the evidence, and the plan that\n"
	"                        makes it safe; --apply carries that out\n"
	"  diff A B              what came, went and changed from snapshot A to snapshot B\n"
	"  reconcile A B         what became of each recipient of A, and of what the log says was\n"
	"                        accepted from then to B: status 0 proves that nothing was lost\n"
	"  search [FILTER]       messages of all snapshots, each version once; --text looks into\n"
	"                        bodies that were indexed with --bodies\n"
	"  sql STATEMENT         ask it yourself, read-only (docs/audit-schema.md)\n"
	"\n"
	"A snapshot is named by its number, its label (the newest so called), first or latest.";

int
audit_open(enum store_mode mode, struct store **out)
{
	struct qf_err err;

	if (store_open(audit_given.db, mode, out, &err) == QF_OK)
		return STATUS_OK;
	return say_failure(&err);
}

bool
audit_json_column(struct qf_json *json, const struct store_statement *row, int i)
{
	struct qf_buf number = {0};
	bool exact = true;

	switch (store_type(row, i)) {
	case STORE_NULL:
		qf_json_null(json);
		break;
	case STORE_INT:
		qf_json_int(json, store_int(row, i));
		break;
	case STORE_REAL:
		qf_json_int(json, 0);
		/* JSON's numbers of this library are whole; a fraction is written over it. */
		json->out->n--;
		qf_buf_addf(&number, "%.6g", store_real(row, i));
		if (number.n && (number.p[number.n - 1] == 'f' || number.p[number.n - 1] == 'n'))
			qf_buf_adds(json->out, "null");
		else
			qf_buf_add(json->out, number.p, number.n);
		qf_buf_release(&number);
		break;
	case STORE_TEXT:
	case STORE_BLOB:
		exact = qf_json_text(json, store_text(row, i));
		break;
	}
	return exact;
}

static void
say_subcommands(void)
{
	struct qf_buf names = {0};

	for (const struct audit_command *c = subcommands; c->name; c++)
		qf_buf_addf(&names, "%s%s", names.n ? ", " : "", c->name);
	say_error("no such subcommand; there are: %.*s", (int)names.n, names.p ? names.p : "");
	qf_buf_release(&names);
}

/* Mail, logs and what others have put into a database are read; written is the database, and a page.
   What changes the queue confines itself when it comes to that (audit_apply.c). */
static void
confine(void)
{
	const struct confine keeper = {.how = CONFINE_KEEPER,
				       .may_write = {audit_given.db, audit_given.html}};

	if (!audit_given.apply)
		confine_self(&keeper);
}

int
audit_run(char **operands, size_t n)
{
	const struct audit_command *command = subcommands;
	char name[32];

	while (n && command->name && strcmp(command->name, operands[0]))
		command++;
	if (!n || !command->name) {
		say_subcommands();
		return STATUS_USAGE;
	}
	snprintf(name, sizeof(name), "audit %s", command->name);
	say_command(name);
	/* What only parses needs none. */
	if (!audit_given.db && !(command->run == audit_log && changes_given()->dry_run)) {
		say_error("which database? --db=FILE");
		return STATUS_USAGE;
	}
	confine();
	return command->run(operands + 1, n - 1);
}
