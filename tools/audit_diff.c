/*
 * audit_diff - qf audit diff: what came, went and changed from one snapshot to another, of one
 * queue or of two mounts of it. A message is the same by its id, creation time and sender, wherever
 * it lies.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "table.h"

struct diff {
	struct store *store;
	struct store_snapshot a, b;
	struct qf_buf out, fields;
	uint64_t found;
};

/* Fields that are compared: name, and its column in the statement below. */
static const char *const names[] = {"state", "tries",	   "last_try", "status", "priority",
				    "size",  "quarantine", "flags",    "queue"};
#define FIELDS (sizeof(names) / sizeof(*names))

#define SIDE(x)                                                                                    \
	x "m.state, " x "c.tries, " x "c.last_try, " x "c.status, " x "c.priority, " x             \
	  "m.data_size, " x "c.quarantine, " x "c.flags, " x "q.path"

/* A message of snapshot ?2 that is the same as m1. CROSS JOIN: by its id, not through the snapshot.
 */
#define OTHER                                                                                      \
	"SELECT m.id FROM messages m CROSS JOIN presence p ON p.message = m.id AND p.snapshot = "  \
	"?2"                                                                                       \
	" JOIN contents c ON c.id = m.content WHERE m.queue_id = m1.queue_id"                      \
	" AND c.created IS c1.created AND c.sender IS c1.sender"

/*
 * Pairs of rows of which one is not in the other snapshot. Where an id is there more than once (in
 * two queues, held and queued), each pairs with the one of the same place, if there is one.
 */
static const char changed[] =
	"SELECT am.queue_id, bq.path, am.content, bm.content, am.data_digest IS NOT NULL AND"
	" bm.data_digest IS NOT NULL AND am.data_digest <> bm.data_digest,"
	" " SIDE("a") ", " SIDE(
		"b") " FROM (SELECT p1.message AS a, coalesce((" OTHER
		     "  AND m.queue = m1.queue AND m.file = m1.file LIMIT 1), (" OTHER
		     "  AND m.file = m1.file LIMIT 1), (" OTHER " LIMIT 1)) AS b"
		     "  FROM presence p1 JOIN messages m1 ON m1.id = p1.message"
		     "  JOIN contents c1 ON c1.id = m1.content WHERE p1.snapshot = ?1) pair"
		     " JOIN messages am ON am.id = pair.a JOIN contents ac ON ac.id = am.content"
		     " JOIN queues aq ON aq.id = am.queue"
		     " JOIN messages bm ON bm.id = pair.b JOIN contents bc ON bc.id = bm.content"
		     " JOIN queues bq ON bq.id = bm.queue"
		     " WHERE am.id <> bm.id ORDER BY am.queue_id, am.file";

/* Messages of snapshot ?1 that snapshot ?2 does not have. */
static const char only[] =
	"SELECT m.queue_id, q.path FROM presence p JOIN messages m ON m.id = p.message"
	" JOIN contents c ON c.id = m.content JOIN queues q ON q.id = m.queue"
	" WHERE p.snapshot = ?1 AND NOT EXISTS (SELECT 1 FROM messages o"
	"  CROSS JOIN presence op ON op.message = o.id AND op.snapshot = ?2"
	"  JOIN contents oc ON oc.id = o.content"
	"  WHERE o.queue_id = m.queue_id AND oc.created IS c.created AND oc.sender IS c.sender)"
	" ORDER BY m.queue_id, m.file";

/* ------------------------------------------------------------------ what is said */

/* fields: an object of JSON, or NULL. */
static void
put(struct diff *diff, struct qf_slice id, struct qf_slice queue, const char *change,
    const struct qf_buf *fields)
{
	struct qf_buf *out = &diff->out;
	struct qf_json json = {.out = out};

	qf_buf_clear(out);
	if (audit_given.format == AUDIT_JSON) {
		qf_json_open(&json, '{');
		qf_json_key(&json, "schema");
		qf_json_string(&json, "qf.audit.diff/1");
		qf_json_key(&json, "id");
		qf_json_text(&json, id);
		qf_json_key(&json, "queue");
		qf_json_text(&json, queue);
		qf_json_key(&json, "change");
		qf_json_string(&json, change);
		qf_json_key(&json, "fields");
		if (fields)
			qf_buf_add(out, fields->p, fields->n);
		else
			qf_json_null(&json);
		json.comma = true;
		qf_json_close(&json, '}');
		qf_buf_addc(out, '\n');
	} else if (audit_given.format == AUDIT_CSV) {
		if (!diff->found)
			qf_buf_adds(out, "id,queue,change,fields\r\n");
		qf_escape_csv(out, id);
		qf_buf_addc(out, ',');
		qf_escape_csv(out, queue);
		qf_buf_addf(out, ",%s,", change);
		if (fields)
			qf_escape_csv(out, (struct qf_slice){fields->p, fields->n});
		qf_buf_adds(out, "\r\n");
	} else {
		qf_buf_addf(out, "%-8s", change);
		table_cell(id, 0, false, term_utf8(), out);
		qf_buf_addc(out, ' ');
		table_cell(queue, 0, false, term_utf8(), out);
		if (fields) {
			qf_buf_addc(out, ' ');
			table_cell((struct qf_slice){fields->p, fields->n}, 0, false, term_utf8(),
				   out);
		}
		qf_buf_addc(out, '\n');
	}
	out_add_buf(out);
	diff->found++;
}

static enum qf_code
put_only(struct diff *diff, int64_t in, int64_t not_in, const char *change, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(diff->store, only, &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, in);
	store_bind_int(s, 2, not_in);
	while ((code = store_step(s, &row, err)) == QF_OK && row && !out_failed() &&
	       !signals_caught())
		put(diff, store_text(s, 0), store_text(s, 1), change, NULL);
	store_reset(s);
	return code;
}

/* ------------------------------------------------------------------ what changed */

static bool
same(const struct store_statement *s, int a, int b)
{
	struct qf_slice x, y;

	if (store_type(s, a) == STORE_INT && store_type(s, b) == STORE_INT)
		return store_int(s, a) == store_int(s, b);
	x = store_text(s, a);
	y = store_text(s, b);
	return !x.p == !y.p && x.n == y.n && (!x.p || memcmp(x.p, y.p, x.n) == 0);
}

static void
put_value(struct qf_json *json, const struct store_statement *s, int column, size_t field)
{
	if (strcmp(names[field], "last_try") == 0)
		qf_json_time(json, store_time(s, column));
	else if (strcmp(names[field], "size") == 0 && store_int(s, column) < 0)
		qf_json_null(json);
	else
		audit_json_column(json, s, column);
}

/* Recipients of one content that another one does not have, as an array. Returns how many. */
static enum qf_code
put_recipients(struct diff *diff, int64_t has, int64_t has_not, struct qf_json *json, size_t *n,
	       struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code =
		store_cached(diff->store,
			     "SELECT address FROM recipients r WHERE content = ?1 AND NOT"
			     " EXISTS (SELECT 1 FROM recipients o WHERE o.content = ?2 AND"
			     " o.bare = r.bare) ORDER BY n",
			     &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, has);
	store_bind_int(s, 2, has_not);
	qf_json_open(json, '[');
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		qf_json_text(json, store_text(s, 0));
		++*n;
	}
	qf_json_close(json, ']');
	return code;
}

static enum qf_code
put_changed(struct diff *diff, const struct store_statement *s, struct qf_err *err)
{
	struct qf_json json = {.out = &diff->fields};
	int64_t before = store_int(s, 2), after = store_int(s, 3);
	enum qf_code code = QF_OK;
	size_t changes = 0, at;
	bool comma;

	qf_buf_clear(&diff->fields);
	qf_json_open(&json, '{');
	for (size_t i = 0; i < FIELDS; i++) {
		int a = 5 + (int)i, b = a + (int)FIELDS;

		/* Another path is no change: the other mount has one. */
		if (same(s, a, b) || strcmp(names[i], "queue") == 0)
			continue;
		qf_json_key(&json, names[i]);
		qf_json_open(&json, '[');
		put_value(&json, s, a, i);
		put_value(&json, s, b, i);
		qf_json_close(&json, ']');
		changes++;
	}
	if (store_int(s, 4)) {
		qf_json_key(&json, "data");
		qf_json_string(&json, "changed");
		changes++;
	}
	if (before != after) {
		size_t n = 0;

		at = diff->fields.n;
		comma = json.comma;
		qf_json_key(&json, "recipients");
		qf_json_open(&json, '[');
		code = put_recipients(diff, before, after, &json, &n, err);
		if (code == QF_OK)
			code = put_recipients(diff, after, before, &json, &n, err);
		qf_json_close(&json, ']');
		changes += n > 0;
		if (n == 0) {
			diff->fields.n = at;
			json.comma = comma;
		}
	}
	qf_json_close(&json, '}');
	if (code == QF_OK && changes)
		put(diff, store_text(s, 0), store_text(s, 1), "changed", &diff->fields);
	return code;
}

static enum qf_code
compare(struct diff *diff, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = put_only(diff, diff->a.id, diff->b.id, "went", err);

	if (code == QF_OK)
		code = put_only(diff, diff->b.id, diff->a.id, "came", err);
	if (code == QF_OK)
		code = store_prepare(diff->store, changed, &s, err);
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, diff->a.id);
	store_bind_int(s, 2, diff->b.id);
	while ((code = store_step(s, &row, err)) == QF_OK && row && !out_failed() &&
	       !signals_caught())
		if ((code = put_changed(diff, s, err)) != QF_OK)
			break;
	store_finalize(s);
	return code;
}

/* ------------------------------------------------------------------ the command */

int
audit_pair(struct store *store, char **operands, struct store_snapshot *a, struct store_snapshot *b)
{
	struct qf_err err;

	if (store_snapshot_find(store, operands[0], a, &err) != QF_OK ||
	    store_snapshot_find(store, operands[1], b, &err) != QF_OK)
		return say_failure(&err);
	/* By their time, not by their number: one may have been made with --now. */
	if (a->started > b->started || (a->started == b->started && a->id > b->id)) {
		say_error("%s is newer than %s: snapshot %lld, then snapshot %lld", operands[0],
			  operands[1], (long long)b->id, (long long)a->id);
		return STATUS_USAGE;
	}
	return STATUS_OK;
}

int
audit_diff(char **operands, size_t n)
{
	struct diff diff = {0};
	struct qf_err err;
	int status;

	if (n != 2) {
		say_error("which snapshots? two are compared, the older first");
		return STATUS_USAGE;
	}
	status = audit_open(STORE_READ, &diff.store);
	if (!status)
		status = audit_pair(diff.store, operands, &diff.a, &diff.b);
	if (!status && !(diff.a.complete && diff.b.complete))
		say_note("snapshot %lld is incomplete: what it does not have may have been there",
			 (long long)(diff.a.complete ? diff.b.id : diff.a.id));
	if (!status && compare(&diff, &err) != QF_OK)
		status = say_failure(&err);
	if (!status && signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	if (!status && diff.found)
		status = STATUS_FINDINGS;
	qf_buf_release(&diff.out);
	qf_buf_release(&diff.fields);
	store_close(diff.store);
	return out_finish(status);
}
