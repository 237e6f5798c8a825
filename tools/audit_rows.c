/*
 * audit_rows - the rows of a snapshot that are no message's: its queues, which messages it has, how
 * it ended; and those that tell of an unfinished run.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "audit_index.h"

/* ------------------------------------------------------------------ rows of the beginning */

enum qf_code
audit_queue_rows(struct audit_snapshot *snapshot, struct qf_err *err)
{
	struct qf_queue *queue = snapshot->source.queue;
	struct store_statement *insert, *find;
	enum qf_code code = store_cached(snapshot->store,
					 "INSERT INTO queues (path, kind) VALUES (?1, ?2)"
					 " ON CONFLICT DO NOTHING",
					 &insert, err);

	if (code == QF_OK)
		code = store_cached(snapshot->store, "SELECT id FROM queues WHERE path = ?1", &find,
				    err);
	for (size_t i = 0; i < qf_queue_ndirs(queue) && code == QF_OK; i++) {
		const struct qf_dir *dir = qf_queue_dir(queue, i);
		const char *kind = audit_queue_kind(dir->path);
		bool row;

		snapshot->restored |= strcmp(kind, "live") != 0;
		snapshot->dirs[i].complete = dir->trouble == QF_OK;
		if (dir->trouble)
			snprintf(snapshot->dirs[i].why, sizeof(snapshot->dirs[i].why), "%.200s",
				 dir->err.why);
		store_bind_string(insert, 1, dir->path);
		store_bind_string(insert, 2, kind);
		code = store_run(insert, err);
		if (code != QF_OK)
			break;
		store_bind_string(find, 1, dir->path);
		code = store_step(find, &row, err);
		if (code == QF_OK && row)
			snapshot->dirs[i].queue = store_int(find, 0);
		store_reset(find);
	}
	return code;
}

enum qf_code
audit_load_known(struct audit_snapshot *snapshot, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_prepare(snapshot->store, "SELECT key FROM messages", &s, err);

	if (code != QF_OK)
		return code;
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice key = store_text(s, 0);
		uint64_t half;

		if (key.n < sizeof(half))
			continue;
		memcpy(&half, key.p, sizeof(half));
		if (!audit_set_add(&snapshot->known, half)) {
			code = store_no_memory(err);
			break;
		}
	}
	store_finalize(s);
	if (code != QF_OK)
		return code;
	code = store_prepare(snapshot->store, "SELECT max(message) FROM presence", &s, err);
	if (code == QF_OK) {
		code = store_step(s, &row, err);
		snapshot->boundary = code == QF_OK && row ? store_int(s, 0) : 0;
		store_finalize(s);
	}
	return code;
}

/* This run is under way: until its end, whoever finds the row knows that one was interrupted. */
enum qf_code
audit_note_run(struct audit_snapshot *snapshot, bool *left_over, struct qf_err *err)
{
	struct store_statement *s;
	char host[256] = "";
	bool row;
	enum qf_code code = store_prepare(snapshot->store, "SELECT count(*) FROM runs", &s, err);

	if (code != QF_OK)
		return code;
	code = store_step(s, &row, err);
	*left_over = code == QF_OK && row && store_int(s, 0) > 0;
	store_finalize(s);
	if (code == QF_OK)
		code = store_prepare(snapshot->store,
				     "INSERT INTO runs (host, pid, started) VALUES (?1, ?2, ?3)",
				     &s, err);
	if (code != QF_OK)
		return code;
	gethostname(host, sizeof(host) - 1);
	store_bind_string(s, 1, host);
	store_bind_int(s, 2, getpid());
	store_bind_int(s, 3, snapshot->source.now);
	code = store_run(s, err);
	store_finalize(s);
	return code;
}

/* ------------------------------------------------------------------ the snapshot itself */

bool
audit_is_complete(const struct audit_snapshot *snapshot, const char **why)
{
	for (size_t i = 0; i < qf_queue_ndirs(snapshot->source.queue); i++) {
		if (!snapshot->dirs[i].complete) {
			*why = snapshot->dirs[i].why;
			return false;
		}
	}
	return true;
}

enum qf_code
audit_snapshot_row(struct audit_snapshot *snapshot, int64_t *number, struct qf_err *err)
{
	struct store_statement *s;
	struct passwd *user = getpwuid(geteuid());
	char host[256] = "";
	enum qf_code code = store_prepare(snapshot->store,
					  "INSERT INTO snapshots (label, started, finished, host, "
					  "user, version, complete, why,"
					  " restored, messages, unchanged, moving, unreadable, "
					  "seconds) VALUES (?1, ?2, ?2, ?3,"
					  " ?4, ?5, 0, NULL, ?6, ?7, ?8, 0, ?9, 0)",
					  &s, err);

	if (code != QF_OK)
		return code;
	gethostname(host, sizeof(host) - 1);
	store_bind_string(s, 1, audit_given.label);
	store_bind_int(s, 2, snapshot->source.now);
	store_bind_string(s, 3, host);
	store_bind_string(s, 4, user ? user->pw_name : NULL);
	store_bind_string(s, 5, QF_VERSION);
	store_bind_int(s, 6, snapshot->restored);
	store_bind_int(s, 7, (int64_t)snapshot->n);
	store_bind_int(s, 8, (int64_t)snapshot->unchanged);
	store_bind_int(s, 9, (int64_t)snapshot->unreadable);
	code = store_run(s, err);
	store_finalize(s);
	*number = store_last_id(snapshot->store);
	return code;
}

static int
by_message(const void *a, const void *b)
{
	const struct audit_present *x = a, *y = b;

	return (x->message > y->message) - (x->message < y->message);
}

enum qf_code
audit_presence_rows(struct audit_snapshot *snapshot, int64_t number, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code = store_cached(snapshot->store,
					 "INSERT INTO presence VALUES (?1, ?2, ?3, ?4)"
					 " ON CONFLICT DO NOTHING",
					 &s, err);

	/* In the order of the table, which is then only appended to. */
	if (snapshot->n)
		qsort(snapshot->present, snapshot->n, sizeof(*snapshot->present), by_message);
	for (size_t i = 0; i < snapshot->n && code == QF_OK; i++) {
		store_bind_int(s, 1, number);
		store_bind_int(s, 2, snapshot->present[i].message);
		store_bind_int(s, 3, snapshot->present[i].seen);
		store_bind_null(s, 4);
		code = store_run(s, err);
	}
	return code;
}

enum qf_code
audit_moving_rows(struct audit_snapshot *snapshot, int64_t number, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code = store_cached(
		snapshot->store,
		"UPDATE presence SET moving = ?3 WHERE snapshot = ?1 AND message = ?2", &s, err);

	for (size_t i = 0; i < snapshot->n && code == QF_OK; i++) {
		if (snapshot->present[i].moving == AUDIT_STILL)
			continue;
		store_bind_int(s, 1, number);
		store_bind_int(s, 2, snapshot->present[i].message);
		store_bind_string(s, 3, audit_moving[snapshot->present[i].moving]);
		code = store_run(s, err);
	}
	return code;
}

enum qf_code
audit_final_rows(struct audit_snapshot *snapshot, int64_t number, double seconds,
		 struct qf_err *err)
{
	struct store_statement *s;
	const char *why = NULL;
	enum qf_code code = store_cached(snapshot->store,
					 "INSERT INTO snapshot_queues VALUES (?1, ?2, ?3, ?4, ?5)"
					 " ON CONFLICT DO NOTHING",
					 &s, err);

	for (size_t i = 0; i < qf_queue_ndirs(snapshot->source.queue) && code == QF_OK; i++) {
		store_bind_int(s, 1, number);
		store_bind_int(s, 2, snapshot->dirs[i].queue);
		store_bind_int(s, 3, snapshot->dirs[i].complete);
		store_bind_string(s, 4, snapshot->dirs[i].complete ? NULL : snapshot->dirs[i].why);
		store_bind_int(s, 5, snapshot->dirs[i].messages);
		code = store_run(s, err);
	}
	if (code == QF_OK)
		code = store_cached(snapshot->store,
				    "UPDATE snapshots SET finished = ?2, complete = ?3, why = ?4,"
				    " moving = ?5, seconds = ?6 WHERE id = ?1",
				    &s, err);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, number);
	store_bind_int(s, 2, snapshot->source.now + (int64_t)seconds);
	store_bind_int(s, 3, audit_is_complete(snapshot, &why));
	store_bind_string(s, 4, why);
	store_bind_int(s, 5, (int64_t)snapshot->moving);
	store_bind_real(s, 6, seconds);
	code = store_run(s, err);
	return code == QF_OK ? store_execute(snapshot->store, "DELETE FROM runs", err) : code;
}

/* What interrupted runs stored, and is in no snapshot. */
enum qf_code
audit_tidy(struct store *store, struct qf_err *err)
{
	/* References are not followed in bulk work: each table by itself. */
	return store_execute(store,
			     "DELETE FROM messages WHERE NOT EXISTS"
			     " (SELECT 1 FROM presence WHERE message = messages.id);"
			     "DELETE FROM findings WHERE NOT EXISTS"
			     " (SELECT 1 FROM messages WHERE id = findings.message);"
			     "DELETE FROM contents WHERE NOT EXISTS"
			     " (SELECT 1 FROM messages WHERE content = contents.id);"
			     "DELETE FROM recipients WHERE NOT EXISTS"
			     " (SELECT 1 FROM contents WHERE id = recipients.content);"
			     "DELETE FROM headers WHERE NOT EXISTS"
			     " (SELECT 1 FROM contents WHERE id = headers.content);",
			     err);
}
