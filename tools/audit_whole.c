/*
 * audit_whole - classes of a restored message that need no log: what is damaged, does not fit
 * together, is there twice, or is in the live queue.
 */
#include <stdio.h>
#include <string.h>

#include "audit_whole.h"

/* ------------------------------------------------------------------ evidence */

static void
add_evidence(struct audit_case *out, const char *kind, struct qf_slice where, int64_t when,
	     const char *text)
{
	struct qf_json json = {.out = &out->evidence};

	qf_json_open(&json, '{');
	qf_json_key(&json, "kind");
	qf_json_string(&json, kind);
	qf_json_key(&json, "where");
	qf_json_text(&json, where);
	qf_json_key(&json, "time");
	qf_json_time(&json, when);
	qf_json_key(&json, "text");
	qf_json_string(&json, text);
	qf_json_close(&json, '}');
}

/* About the message; the only one, or the first of several in a row. */
void
audit_case_evidence(struct audit_case *out, const char *kind, struct qf_slice where, int64_t when,
		    const char *text)
{
	if (out->nown)
		qf_buf_addc(&out->evidence, ',');
	else
		out->own = out->evidence.n;
	add_evidence(out, kind, where, when, text);
	out->nown = out->evidence.n - out->own;
}

/* What its own file says. */
void
audit_file_evidence(struct audit_case *out, int64_t when, const char *text)
{
	struct qf_buf where = {0};

	qf_buf_add(&where, out->queue.p ? out->queue.p : "", out->queue.n);
	qf_buf_addc(&where, '/');
	qf_buf_add(&where, out->file.p ? out->file.p : "", out->file.n);
	audit_case_evidence(out, "file", (struct qf_slice){where.p, where.n}, when, text);
	qf_buf_release(&where);
}

static void
snapshot_evidence(struct audit_case *out, int64_t snapshot, struct qf_slice queue, int64_t when,
		  const char *text)
{
	struct qf_buf where = {0};

	qf_buf_addf(&where, "snapshot %lld: ", (long long)snapshot);
	qf_buf_add(&where, queue.p ? queue.p : "", queue.n);
	audit_case_evidence(out, "snapshot", (struct qf_slice){where.p, where.n}, when, text);
	qf_buf_release(&where);
}

/* ------------------------------------------------------------------ whole messages */

/* What sendmail will not deliver, or worse. */
enum qf_code
audit_is_damaged(struct audit_classifier *c, struct audit_case *out, struct qf_slice state,
		 bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		c->store,
		"SELECT code, fate, line FROM findings WHERE message = ?1 AND fate NOT IN"
		" ('ignored', 'empty-message') ORDER BY n LIMIT 1",
		&s, err);

	*yes = false;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, out->message);
	code = store_step(s, &row, err);
	if (code != QF_OK)
		return code;
	if (row) {
		struct qf_slice word = store_text(s, 0), fate = store_text(s, 1);

		*yes = true;
		snprintf(out->why, sizeof(out->why), "%.*s, line %lld: sendmail's answer: %.*s",
			 (int)word.n, word.p, (long long)store_int(s, 2), (int)fate.n, fate.p);
	} else if ((state.n == 4 && memcmp(state.p, "lost", 4) == 0) ||
		   (state.n == 10 && memcmp(state.p, "incomplete", 10) == 0)) {
		*yes = true;
		snprintf(out->why, sizeof(out->why), "%.*s: no queue run takes it", (int)state.n,
			 state.p);
	}
	store_reset(s);
	if (*yes)
		audit_file_evidence(out, QF_TIME_NONE, out->why);
	return QF_OK;
}

/* As the view v_torn, by message; what has no data file at all; what lies there twice. */
enum qf_code
audit_is_torn(struct audit_classifier *c, struct audit_case *out, bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		c->store,
		"SELECT m.data_size, o.data_size, m.data_digest <> o.data_digest,"
		" (SELECT min(snapshot) FROM presence p WHERE p.message = o.id)"
		" FROM messages m JOIN contents mc ON mc.id = m.content"
		" CROSS JOIN messages o ON o.queue_id = m.queue_id AND o.id <> m.id"
		" JOIN contents oc ON oc.id = o.content AND oc.created IS mc.created"
		" WHERE m.id = ?1 AND (m.data_size < o.data_size OR (m.data_size = o.data_size"
		" AND m.data_digest <> o.data_digest)) LIMIT 1",
		&s, err);

	*yes = false;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, out->message);
	code = store_step(s, &row, err);
	if (code != QF_OK)
		return code;
	if (row) {
		int64_t size = store_int(s, 0), other = store_int(s, 1);

		*yes = true;
		if (size < 0)
			snprintf(out->why, sizeof(out->why),
				 "no data file, where one of %lld bytes was", (long long)other);
		else if (size < other)
			snprintf(out->why, sizeof(out->why),
				 "data file of %lld bytes, where it had %lld", (long long)size,
				 (long long)other);
		else
			snprintf(out->why, sizeof(out->why), "data file of other content");
		snapshot_evidence(out, store_int(s, 3), (struct qf_slice){0}, QF_TIME_NONE,
				  out->why);
	}
	store_reset(s);
	if (*yes || out->data_size != -1)
		return QF_OK;
	*yes = true;
	snprintf(out->why, sizeof(out->why),
		 "no data file: the recipients would get an empty message");
	audit_file_evidence(out, QF_TIME_NONE, out->why);
	return QF_OK;
}

enum qf_code
audit_is_short(struct audit_classifier *c, struct audit_case *out, struct qf_err *err)
{
	struct store_statement *s;
	int64_t size = -1, header = 0;
	bool row;
	enum qf_code code = store_cached(
		c->store,
		"SELECT sum(length(CAST(name AS BLOB)) + coalesce(length(CAST(value AS BLOB)), 0)"
		" + 3) FROM headers WHERE content = ?1",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, out->content);
	code = store_step(s, &row, err);
	if (code == QF_OK && row && !store_is_null(s, 0))
		header = store_int(s, 0);
	store_reset(s);
	for (size_t i = 0; i < c->fate.nfacts && size < 0; i++)
		if (c->fate.facts[i].says == AUDIT_SAYS_ACCEPTED && c->fate.facts[i].member == 0)
			size = c->fate.facts[i].size;
	/* Fields that sendmail added are no part of that size; the blank line is. */
	if (!*out->missing && out->data_size >= 0 && size > header + 1 + out->data_size)
		snprintf(out->missing, sizeof(out->missing),
			 "whether its body is whole: it came with %lld bytes, by the log, and has "
			 "%lld with its header",
			 (long long)size, (long long)(header + 1 + out->data_size));
	return code;
}

/* The second of two in one snapshot: a backup may have a message twice. */
enum qf_code
audit_is_twice(struct audit_classifier *c, struct audit_case *out, bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code =
		store_cached(c->store,
			     "SELECT q.path FROM messages m JOIN contents mc ON mc.id = m.content"
			     " CROSS JOIN messages o ON o.queue_id = m.queue_id AND o.id < m.id"
			     " CROSS JOIN presence p ON p.message = o.id AND p.snapshot = ?2"
			     " JOIN contents oc ON oc.id = o.content AND oc.created IS mc.created "
			     "AND oc.sender IS"
			     " mc.sender JOIN queues q ON q.id = o.queue WHERE m.id = ?1 LIMIT 1",
			     &s, err);

	*yes = false;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, out->message);
	store_bind_int(s, 2, c->snapshot.id);
	code = store_step(s, &row, err);
	if (code == QF_OK && row) {
		*yes = true;
		snprintf(out->why, sizeof(out->why), "the same message lies in the queue twice");
		snapshot_evidence(out, c->snapshot.id, store_text(s, 0), QF_TIME_NONE, out->why);
	}
	store_reset(s);
	return code;
}

/* Whole, in a state in which sendmail will deliver it or a person decides: not what is damaged,
   nor what left the queue while it was looked at. What the restored queue has itself is no live
   copy, where the other snapshot has that queue, too. */
#define LIVE                                                                                       \
	" CROSS JOIN presence p ON p.message = o.id AND p.snapshot = ?2 AND p.moving IS NOT "      \
	"'gone'"                                                                                   \
	" JOIN contents oc ON oc.id = o.content JOIN queues q ON q.id = o.queue"
#define IS_WHOLE                                                                                   \
	" AND o.queue <> m.queue"                                                                  \
	" AND o.state IN ('queued', 'held') AND o.data_size >= m.data_size AND o.data_size >= 0"   \
	" AND NOT EXISTS (SELECT 1 FROM findings f WHERE f.message = o.id AND f.fate <> "          \
	"'ignored')"

static const char same_id[] =
	"SELECT o.content, q.path, p.seen, o.queue_id, q.kind = 'live', o.inode = m.inode"
	" AND o.mtime = m.mtime FROM messages m JOIN contents mc ON mc.id = m.content"
	" CROSS JOIN messages o ON o.queue_id = m.queue_id" LIVE
	" WHERE m.id = ?1 AND oc.created IS mc.created AND oc.sender IS mc.sender" IS_WHOLE;
/* Under another id: Message-ID, sender and body tell. */
static const char other_id[] =
	"SELECT o.content, q.path, p.seen, o.queue_id, q.kind = 'live', o.inode = m.inode"
	" AND o.mtime = m.mtime, o.data_digest = m.data_digest"
	" FROM messages m JOIN contents mc ON mc.id = m.content"
	" CROSS JOIN contents oc0 ON oc0.message_id = mc.message_id"
	" CROSS JOIN messages o ON o.content = oc0.id AND o.queue_id <> m.queue_id" LIVE
	" WHERE m.id = ?1 AND mc.message_id IS NOT NULL AND oc.sender IS mc.sender"
	" AND o.data_size = m.data_size AND coalesce(o.data_digest = m.data_digest, 1)" IS_WHOLE;

/* How many of its recipients the live copy has. */
static size_t
count_there(struct audit_classifier *c, struct audit_case *out)
{
	size_t n = 0;

	for (size_t i = 0; i < out->recipients.n; i++) {
		out->standing[i].live =
			audit_recipients_have(&c->live, out->recipients.all[i].bare);
		n += out->standing[i].live;
	}
	return n;
}

/* Under another id it is the same only for the same recipients and the same body; for some of them,
   or with a body nobody read, it may be, as where the others were served under that id. */
static bool
is_same(struct audit_case *out, const struct store_statement *s, size_t there)
{
	struct qf_slice id = store_text(s, 3);
	bool all = there == out->recipients.n, read = store_int(s, 6) == 1;

	if (all && read)
		return true;
	snprintf(out->doubt, sizeof(out->doubt),
		 "whether %.*s in the live queue, of the same Message-ID and sender, %s, is this "
		 "message",
		 (int)(id.n < 40 ? id.n : 40), id.p,
		 all ? "whose body was not read (--digest)" : "for some of its recipients");
	return false;
}

/* The same file by another path, or what another restored tree has, tells nothing either way:
   does a row of these show a live copy? Else the doubt says why not. */
static bool
is_proof(struct audit_case *out, const struct store_statement *s, int64_t from)
{
	char seen[QF_TIME_TEXT], last[QF_TIME_TEXT];

	if (store_time(s, 2) < from) {
		qf_time_format(store_time(s, 2), seen);
		qf_time_format(from, last);
		snprintf(out->doubt, sizeof(out->doubt),
			 "a later snapshot: it was in the live queue at %s, before the last that the "
			 "copies say of themselves, of %s",
			 seen, last);
	} else if (!store_int(s, 4)) {
		snprintf(out->doubt, sizeof(out->doubt),
			 "a snapshot of the live queue: what has it there is a restored one, too");
	} else if (store_int(s, 5)) {
		snprintf(out->doubt, sizeof(out->doubt),
			 "another copy: what is there seems to be the same file, by another path");
	} else {
		return true;
	}
	return false;
}

static enum qf_code
is_live(struct audit_classifier *c, struct audit_case *out, const char *sql, int64_t from,
	bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(c->store, sql, &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, out->message);
	store_bind_int(s, 2, c->against.id);
	while (!*yes && (code = store_step(s, &row, err)) == QF_OK && row) {
		size_t there;

		audit_recipients_clear(&c->live);
		code = audit_recipients_of(&c->live, c->store, store_int(s, 0), err);
		audit_recipients_sort(&c->live);
		if (code != QF_OK)
			break;
		there = count_there(c, out);
		if (sql == other_id && !there)
			continue;
		if (!is_proof(out, s, from) || (sql == other_id && !is_same(out, s, there))) {
			for (size_t i = 0; i < out->recipients.n; i++)
				out->standing[i].live = false;
			continue;
		}
		*yes = true;
		if (sql == same_id && there < out->recipients.n) {
			snprintf(out->why, sizeof(out->why),
				 "in the live queue, for %zu of its %zu recipients", there,
				 out->recipients.n);
		} else if (sql == same_id) {
			snprintf(out->why, sizeof(out->why), "still in the live queue");
		} else {
			struct qf_slice id = store_text(s, 3);

			snprintf(out->why, sizeof(out->why),
				 "still in the live queue as %.*s: same Message-ID, sender, "
				 "recipients and body",
				 (int)id.n, id.p);
		}
		snapshot_evidence(out, c->against.id, store_text(s, 1), store_time(s, 2), out->why);
	}
	store_reset(s);
	return code;
}

enum qf_code
audit_is_live(struct audit_classifier *c, struct audit_case *out, int64_t from, bool *yes,
	      struct qf_err *err)
{
	enum qf_code code;

	/* What was live before the copy was made may have been lost between. */
	from = from < c->copied ? c->copied : from;
	code = is_live(c, out, same_id, from, yes, err);

	return code == QF_OK && !*yes ? is_live(c, out, other_id, from, yes, err) : code;
}

/* ------------------------------------------------------------------ beside it */

enum qf_code
audit_is_staged(const struct audit_classifier *c, int64_t message, bool *yes, struct qf_err *err)
{
	struct store_statement *s;
	enum qf_code code = store_cached(
		c->store,
		message ? "SELECT 1 FROM files f JOIN messages m ON m.id = f.message WHERE f.message = ?2"
			  " AND f.snapshot = ?1 AND f.kind = 'staged' AND f.mtime >= m.mtime LIMIT 1"
			: "SELECT 1 FROM files WHERE snapshot = ?1 AND kind = 'staged' LIMIT 1",
		&s, err);

	*yes = false;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, c->snapshot.id);
	if (message)
		store_bind_int(s, 2, message);
	code = store_step(s, yes, err);
	store_reset(s);
	return code;
}
