/*
 * undo - journal: what was changed; undo: take it back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "changes.h"
#include "confine.h"
#include "commands.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "source.h"
#include "status.h"
#include "table.h"
#include "term.h"

const struct opt undo_options[] = {CHANGES_BLOCK, SOURCE_BLOCK, {.kind = OPT_END}};
const struct opt journal_options[] = {CHANGES_BLOCK, SOURCE_BLOCK, {.kind = OPT_END}};

const char undo_description[] =
	"Take changes back: those of the entries given (qf journal lists them; - reads them from\n"
	"standard input), else the last one that can be. It is done only where it does no harm;\n"
	"otherwise it says why not. Changes of every host that uses the queue are in its journal,\n"
	"and any of them can take them back.";
const char journal_description[] =
	"List the changes made to a queue, oldest first: when, by whom, from which host, what, why,\n"
	"with which result, and whether it can be taken back.";

/* What people wrote may name an address: with --redact, hidden, in scratch. */
static const char *
shown(const struct qf_redactor *redactor, const char *text, struct qf_buf *scratch)
{
	if (!redactor || !text)
		return text;
	qf_buf_clear(scratch);
	qf_redact_text(redactor, (struct qf_slice){text, strlen(text)}, scratch);
	qf_buf_add(scratch, "", 1);
	return scratch->failed ? NULL : scratch->p;
}

/* Of what was done and cannot be taken back, why not; else what its result says of itself. */
static const char *
why_of(const struct qf_journal_entry *e)
{
	bool stays = e->undo == QF_UNDO_IMPOSSIBLE && e->result && strcmp(e->result, "done") == 0;

	return e->undo_why && (stays || !e->why) ? e->undo_why : e->why;
}

static void
put_json(const struct qf_journal_entry *e, const struct qf_redactor *redactor)
{
	struct qf_buf line = {0}, note = {0}, why = {0};
	struct qf_json json = {.out = &line};
	const struct {
		const char *key, *value;
	} members[] = {
		{"user", e->user}, {"host", e->host},     {"command", e->command},
		{"queue", e->queue}, {"id", e->id},       {"note", shown(redactor, e->note, &note)},
		{"result", e->result}, {"undo", qf_undo_name(e->undo)},
		{"why", shown(redactor, why_of(e), &why)},
	};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.journal/1");
	qf_json_key(&json, "entry");
	qf_json_string(&json, e->entry);
	qf_json_key(&json, "time");
	qf_json_time(&json, e->time);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
		qf_json_key(&json, members[i].key);
		qf_json_string(&json, members[i].value);
	}
	qf_json_close(&json, '}');
	qf_buf_addc(&line, '\n');
	out_add_buf(&line);
	qf_buf_release(&line);
	qf_buf_release(&note);
	qf_buf_release(&why);
}

static void
put_cell(struct qf_buf *line, const char *text)
{
	if (!text)
		return;
	if (line->n)
		qf_buf_addc(line, ' ');
	table_cell((struct qf_slice){text, strlen(text)}, 0, false, term_utf8(), line);
}

struct listing {
	const struct qf_redactor *redactor; /* or NULL */
	bool any;
};

static bool
list_entry(void *ctx, const struct qf_journal_entry *e)
{
	struct listing *listing = ctx;
	struct qf_buf line = {0}, note = {0};

	listing->any = true;
	if (changes_given()->json) {
		put_json(e, listing->redactor);
		return !out_failed();
	}
	put_cell(&line, e->entry);
	put_cell(&line, e->user);
	put_cell(&line, e->command);
	put_cell(&line, e->id);
	put_cell(&line, qf_journal_result(e));
	qf_buf_addf(&line, " (undo: %s)", qf_undo_name(e->undo));
	put_cell(&line, shown(listing->redactor, e->note, &note));
	qf_buf_addc(&line, '\n');
	out_add_buf(&line);
	qf_buf_release(&line);
	qf_buf_release(&note);
	return !out_failed();
}

static void
say_strange(size_t strange)
{
	if (strange)
		say_note("%zu %s of the journal cannot be read", strange,
			 strange == 1 ? "line" : "lines");
}

int
journal_run(char **operands, size_t n)
{
	struct source source = {0};
	struct listing listing = {0};
	struct qf_err err;
	size_t strange = 0;
	int status;

	(void)operands;
	if (n) {
		say_error("%s: takes no arguments", operands[0]);
		return STATUS_USAGE;
	}
	status = source_open(&source);
	if (!status) {
		/* Its folder may lie elsewhere. */
		const struct confine looker = {.how = CONFINE_LOOKER, .queue = source.queue};

		confine_self(&looker);
		listing.redactor = source.redactor;
	}
	if (!status && qf_journal_read(source.queue, changes_journal(), list_entry, &listing,
				       &strange, &err)) {
		status = say_failure(&err);
		if (listing.any && err.code != QF_E_NOMEM)
			status = STATUS_INCOMPLETE;
	}
	say_strange(strange);
	source_close(&source);
	return out_finish(status);
}

/* An entry that is to be taken back. */
struct wanted {
	char *entry;
	bool found;
};

/* Undo in two readings: the first finds the last entry that can be taken back. */
struct undo {
	struct source source;
	struct qf_txn *txn;
	struct tally tally;
	char last[QF_ENTRY_MAX];
	size_t others;    /* of the same command as the last, that can be taken back too */
	char passed[300]; /* what was done after the last, and cannot be; or empty */
	const char *wanted;
	bool found;
	struct wanted *many; /* those of standard input, in the order of their names */
	size_t nmany;
};

static bool
note_last(void *ctx, const struct qf_journal_entry *e)
{
	struct undo *undo = ctx;

	const char *number = strrchr(e->entry, '-');
	size_t n = number ? (size_t)(number + 1 - e->entry) : 0;

	/* Not one that was interrupted: it may never have been done. Its name can be given. */
	if (e->undo == QF_UNDO_POSSIBLE && e->result) {
		undo->others = n && strncmp(undo->last, e->entry, n) == 0 ? undo->others + 1 : 0;
		snprintf(undo->last, sizeof(undo->last), "%s", e->entry);
		undo->passed[0] = '\0';
	} else if (e->undo == QF_UNDO_IMPOSSIBLE && !e->undoes && e->result &&
		   strcmp(e->result, "done") == 0) {
		snprintf(undo->passed, sizeof(undo->passed), "%.20s of %.40s, %.80s: %.140s", e->command,
			 e->id ? e->id : "?", e->entry, e->undo_why ? e->undo_why : "it has no way back");
	}
	return true;
}

static bool
take_back(void *ctx, const struct qf_journal_entry *e)
{
	struct undo *undo = ctx;
	struct qf_outcome outcome = {.result = QF_RESULT_PLANNED};

	if (strcmp(e->entry, undo->wanted))
		return true;
	undo->found = true;
	if (changes_given()->dry_run && e->undo != QF_UNDO_POSSIBLE)
		outcome.result = QF_RESULT_SKIPPED;
	else if (!changes_given()->dry_run)
		qf_txn_undo(undo->txn, e, &outcome);
	tally_add(&undo->tally, e->id ? e->id : "?", e->queue, &outcome);
	return false;
}

static int
compare_wanted(const void *a, const void *b)
{
	return strcmp(((const struct wanted *)a)->entry, ((const struct wanted *)b)->entry);
}

static bool
take_back_many(void *ctx, const struct qf_journal_entry *e)
{
	struct undo *undo = ctx;
	struct wanted key = {.entry = (char *)e->entry};
	struct wanted *w = bsearch(&key, undo->many, undo->nmany, sizeof(key), compare_wanted);

	if (w && !w->found && !signals_caught()) {
		undo->wanted = e->entry;
		take_back(undo, e);
		w->found = true;
	}
	return !signals_caught();
}

/* Entries from standard input, in one reading of the journal however many they are. A message that
   was changed by two of them is taken back in the order of the changes. */
static int
undo_input(struct undo *undo)
{
	char *line = NULL;
	size_t size = 0;
	struct qf_err err;
	int status = STATUS_OK;

	while (getline(&line, &size, stdin) > 0) {
		struct wanted *more;
		char *entry = line + strspn(line, " \t");

		entry[strcspn(entry, " \t\r\n")] = '\0';
		if (!*entry)
			continue;
		more = realloc(undo->many, (undo->nmany + 1) * sizeof(*more));
		if (more)
			undo->many = more;
		entry = more ? strdup(entry) : NULL;
		if (!entry) {
			say_error("memory: none left");
			free(line);
			return STATUS_OS;
		}
		undo->many[undo->nmany++] = (struct wanted){.entry = entry};
	}
	free(line);
	if (!undo->nmany)
		return STATUS_FINDINGS;
	qsort(undo->many, undo->nmany, sizeof(*undo->many), compare_wanted);
	/* Those that were found are taken back, whatever another journal has. */
	if (qf_journal_read(undo->source.queue, changes_journal(), take_back_many, undo, NULL, &err))
		status = say_failure(&err);
	for (size_t i = 0; i < undo->nmany && !signals_caught(); i++) {
		if (undo->many[i].found || (i && !compare_wanted(&undo->many[i], &undo->many[i - 1])))
			continue;
		say_error("%s: no such entry in the journal", undo->many[i].entry);
		status = status ? status : STATUS_FINDINGS;
	}
	return signals_caught() ? STATUS_SIGNAL + signals_caught() : status;
}

static int
undo_entry(struct undo *undo, const char *entry)
{
	struct qf_err err;

	undo->wanted = entry;
	undo->found = false;
	if (qf_journal_read(undo->source.queue, changes_journal(), take_back, undo, NULL, &err) &&
	    !undo->found)
		return say_failure(&err);
	if (undo->found)
		return STATUS_OK;
	say_error("%s: no such entry in the journal", entry);
	return STATUS_FINDINGS;
}

int
undo_run(char **operands, size_t n)
{
	struct undo undo = {.tally = {.command = "undo"}};
	struct qf_txn_options options;
	struct qf_err err;
	char *last = undo.last, *trash = NULL;
	int status = changes_trash(&trash), one;

	if (!status)
		status = source_open(&undo.source);

	options = changes_txn_options("undo", &undo.source);
	options.trash = trash;
	/* What is to be brought back must not be cleared away first as too old. */
	options.keep = -1;
	if (!status) {
		const struct confine changer = {.how = CONFINE_CHANGER, .queue = undo.source.queue};

		confine_self(&changer);
	}
	if (!status && n == 0) {
		if (qf_journal_read(undo.source.queue, changes_journal(), note_last, &undo, NULL,
				    &err))
			status = say_failure(&err);
		operands = &last;
		n = 1;
		if (*undo.passed)
			say_note("passed over: %s", undo.passed);
		if (undo.others)
			say_note("%zu more of the same command stay; their entries, as qf journal has them, can "
				 "be given", undo.others);
		if (!status && !*last) {
			say_error("the journal has nothing that can be taken back");
			status = STATUS_FINDINGS;
		}
	}
	if (!status && !changes_given()->dry_run &&
	    qf_txn_new(undo.source.queue, &options, &undo.txn, &err))
		status = say_failure(&err);
	if (!status) {
		for (size_t i = 0; i < n && status < STATUS_USAGE; i++) {
			one = n == 1 && strcmp(operands[i], "-") == 0 ? undo_input(&undo)
								      : undo_entry(&undo, operands[i]);
			status = one > status ? one : status;
		}
		tally_put(&undo.tally);
		one = tally_status(&undo.tally);
		/* What could not be taken back is not done, however good the reason. */
		if (!one && undo.tally.counts[QF_RESULT_SKIPPED])
			one = STATUS_INCOMPLETE;
		status = one > status ? one : status;
	}
	for (size_t i = 0; i < undo.nmany; i++)
		free(undo.many[i].entry);
	free(undo.many);
	qf_txn_free(undo.txn);
	free(trash);
	source_close(&undo.source);
	return out_finish(status);
}
