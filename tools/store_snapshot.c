/*
 * store_snapshot - which snapshot is meant.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_parts.h"

#define COLUMNS "SELECT id, label, started, finished, complete, restored, messages FROM snapshots "

static void
fill(const struct store_statement *statement, struct store_snapshot *out)
{
	struct qf_slice label = store_text(statement, 1);

	*out = (struct store_snapshot){.id = store_int(statement, 0)};
	snprintf(out->label, sizeof(out->label), "%.*s", (int)label.n, label.p ? label.p : "");
	out->started = store_int(statement, 2);
	out->finished = store_int(statement, 3);
	out->complete = store_int(statement, 4) != 0;
	out->restored = store_int(statement, 5) != 0;
	out->messages = store_int(statement, 6);
}

/* Which there are, the newest first, as many as fit. */
static void
list(struct store *store, struct qf_err *err)
{
	struct store_statement *statement;
	struct qf_err ignored;
	struct store_snapshot snapshot;
	size_t used = 0;
	bool row;

	if (store_prepare(store, COLUMNS "ORDER BY id DESC", &statement, &ignored) != QF_OK)
		return;
	while (store_step(statement, &row, &ignored) == QF_OK && row && used < 200) {
		fill(statement, &snapshot);
		used += (size_t)snprintf(
			err->hint + used, sizeof(err->hint) - used, "%s%lld%s%.40s%s",
			used ? ", " : "there are: ", (long long)snapshot.id,
			*snapshot.label ? " (" : "", snapshot.label, *snapshot.label ? ")" : "");
	}
	store_finalize(statement);
	if (!used)
		snprintf(err->hint, sizeof(err->hint), "there is none: qf audit index makes one");
}

enum qf_code
store_snapshot_find(struct store *store, const char *name, struct store_snapshot *out,
		    struct qf_err *err)
{
	struct store_statement *statement;
	const char *sql = COLUMNS "WHERE label = ?1 ORDER BY id DESC LIMIT 1";
	char *end;
	long long number = strtoll(name, &end, 10);
	bool is_number = *name && !*end, found = false;
	enum qf_code code;

	/* A label that is a word of ours, or a number, is found as such first. */
	if (is_number)
		sql = COLUMNS "WHERE id = ?2 OR label = ?1 ORDER BY id = ?2 DESC, id DESC LIMIT 1";
	else if (strcmp(name, "first") == 0)
		sql = COLUMNS "ORDER BY id LIMIT 1";
	else if (strcmp(name, "latest") == 0)
		sql = COLUMNS "ORDER BY id DESC LIMIT 1";
	code = store_prepare(store, sql, &statement, err);
	if (code != QF_OK)
		return code;
	if (strchr(sql, '?'))
		store_bind_string(statement, 1, name);
	if (is_number)
		store_bind_int(statement, 2, number);
	code = store_step(statement, &found, err);
	if (code == QF_OK && found)
		fill(statement, out);
	store_finalize(statement);
	if (code != QF_OK || found)
		return code;
	*err = (struct qf_err){.code = QF_E_NOT_FOUND};
	snprintf(err->what, sizeof(err->what), "%s", name);
	snprintf(err->why, sizeof(err->why), "no such snapshot");
	list(store, err);
	return QF_E_NOT_FOUND;
}
