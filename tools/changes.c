/*
 * changes - what commands that change a queue have in common.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "changes.h"
#include "out.h"
#include "say.h"
#include "status.h"
#include "term.h"

static const char *const format_words[] = {"table", "json", NULL};
static struct changes_options given = {.keep = 7 * 86400};
static int format;

#define FIRST_ROWS                                                                                 \
	{OPT_FLAG, "yes", 0, &given.yes, NULL, "do not ask (a filter needs it off a terminal)",    \
	 NULL},                                                                                    \
	{OPT_FLAG, "dry-run", 'n', &given.dry_run, NULL, "show what would be done, do nothing",    \
	 NULL},                                                                                    \
	{OPT_STRING, "note", 0, &given.note, "TEXT", "why, for the journal", NULL},                \
	{OPT_SPAN, "wait", 0, &given.wait, "TIME", "wait so long for messages in delivery", NULL}, \
	{OPT_STRING, "journal", 0, &given.journal, "DIR",                                          \
	 "folder of the journal (default: $QF_STATE, else .qf/journal)", NULL},                    \
	{OPT_FLAG, "no-journal", 0, &given.no_journal, NULL, "work without a journal, and undo",   \
	 NULL}
#define LAST_ROWS                                                                                  \
	{OPT_SPAN, "keep", 0, &given.keep, "TIME", "how long the trash keeps messages (7d)", NULL},\
	{.kind = OPT_END}

const struct opt changes_rows[] = {
	FIRST_ROWS,
	{OPT_STRING, "trash", 0, &given.trash, "DIR",
	 "another trash, on any file system (default: .qf/trash)", NULL},
	{OPT_WORD, "format", 0, &format, "FORMAT", "table (text) or json", format_words},
	LAST_ROWS,
};
const struct opt changes_bare_rows[] = {FIRST_ROWS, LAST_ROWS};

const struct changes_options *
changes_given(void)
{
	given.json = format == 1;
	return &given;
}

const char *
changes_journal(void)
{
	const char *state = getenv("QF_STATE");

	return given.journal ? given.journal : state && *state ? state : NULL;
}

int
changes_trash(char **trash)
{
	*trash = given.trash ? realpath(given.trash, NULL) : NULL;
	if (!given.trash || *trash)
		return STATUS_OK;
	say_error("--trash: %s: %s", given.trash, strerror(errno));
	return errno == ENOENT || errno == ENOTDIR ? STATUS_NO_INPUT : STATUS_DENIED;
}

struct qf_txn_options
changes_txn_options(const char *command, const struct source *source)
{
	const char *login = getenv("SUDO_USER");
	static char name[64];
	struct passwd *pw;

	/* Looked up here, for a directory service is asked over a socket, and those who change a
	   queue have given up sockets by the time the name is wanted. */
	if (!*name && (!login || !*login) && (pw = getpwuid(geteuid())))
		snprintf(name, sizeof(name), "%s", pw->pw_name);
	/* Who it was counts, not what sudo made of them. */
	return (struct qf_txn_options){.command = command,
				       .note = given.note,
				       .user = login && *login ? login : *name ? name : NULL,
				       .journal = changes_journal(),
				       .no_journal = given.no_journal,
				       .keep = given.keep,
				       .now = source->now};
}

static void
put_json(const struct tally *tally, const char *id, const char *queue,
	 const struct qf_outcome *outcome)
{
	struct qf_buf line = {0};
	struct qf_json json = {.out = &line};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.action/1");
	qf_json_key(&json, "command");
	qf_json_string(&json, tally->command);
	qf_json_key(&json, "id");
	qf_json_string(&json, id);
	qf_json_key(&json, "queue");
	qf_json_string(&json, queue);
	qf_json_key(&json, "result");
	qf_json_string(&json, qf_result_name(outcome->result));
	qf_json_key(&json, "why");
	qf_json_string(&json, outcome->why[0] ? outcome->why : NULL);
	qf_json_key(&json, "entry");
	qf_json_string(&json, outcome->entry[0] ? outcome->entry : NULL);
	qf_json_close(&json, '}');
	qf_buf_addc(&line, '\n');
	out_add_buf(&line);
	qf_buf_release(&line);
}

static bool
is_json(const struct tally *tally)
{
	return tally->json || format == 1;
}

void
tally_add(struct tally *tally, const char *id, const char *queue,
	  const struct qf_outcome *outcome)
{
	bool good = outcome->result == QF_RESULT_DONE || outcome->result == QF_RESULT_PLANNED;
	struct qf_buf line = {0};

	tally->counts[outcome->result]++;
	if (tally->silent) {
		;
	} else if (is_json(tally)) {
		put_json(tally, id, queue, outcome);
	} else if (good) {
		qf_escape_terminal(&line, (struct qf_slice){id, strlen(id)}, term_utf8());
		qf_buf_addf(&line, " %s%s", qf_result_name(outcome->result),
			    outcome->why[0] ? ": " : "");
		qf_escape_terminal(&line, (struct qf_slice){outcome->why, strlen(outcome->why)},
				   term_utf8());
		qf_buf_addc(&line, '\n');
		out_add_buf(&line);
	}
	if (!good)
		say_error("%s: %s: %s", id, qf_result_name(outcome->result), outcome->why);
	qf_buf_release(&line);
}

void
tally_json(const struct tally *tally, struct qf_buf *out)
{
	struct qf_json json = {.out = out};
	size_t sum = 0;

	for (size_t i = 0; i < QF_RESULT_COUNT; i++)
		sum += tally->counts[i];
	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.tally/1");
	qf_json_key(&json, "command");
	qf_json_string(&json, tally->command);
	qf_json_key(&json, "selected");
	qf_json_int(&json, (int64_t)sum);
	for (size_t i = 0; i < QF_RESULT_COUNT; i++) {
		qf_json_key(&json, qf_result_name((enum qf_result)i));
		qf_json_int(&json, (int64_t)tally->counts[i]);
	}
	qf_json_close(&json, '}');
}

void
tally_put(const struct tally *tally)
{
	struct qf_buf line = {0};
	size_t sum = 0;

	if (tally->silent)
		return;
	if (is_json(tally)) {
		tally_json(tally, &line);
		qf_buf_addc(&line, '\n');
		out_add_buf(&line);
	} else {
		for (size_t i = 0; i < QF_RESULT_COUNT; i++) {
			sum += tally->counts[i];
			if (tally->counts[i])
				qf_buf_addf(&line, "%s%zu %s", line.n ? ", " : "",
					    tally->counts[i], qf_result_name((enum qf_result)i));
		}
		say_note("%zu selected%s%.*s", sum, line.n ? ": " : "", (int)line.n,
			 line.p ? line.p : "");
	}
	qf_buf_release(&line);
}

int
tally_status(const struct tally *tally)
{
	if (tally->counts[QF_RESULT_BUSY] || tally->counts[QF_RESULT_CHANGED] ||
	    tally->counts[QF_RESULT_DENIED] || tally->counts[QF_RESULT_FAILED])
		return STATUS_INCOMPLETE;
	return tally->counts[QF_RESULT_GONE] ? STATUS_FINDINGS : STATUS_OK;
}
