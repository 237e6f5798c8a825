/*
 * audit_reconcile - qf audit reconcile: the proof that nothing was lost between two snapshots.
 *
 * What was owed: each recipient of each message of A, and of each message that the log says was
 * accepted, or made as a report, after A began and before B did. What became of it: it is in B, or
 * the log, the journal or a mailbox says that it was delivered, returned or removed. What none of
 * these says is missing, however likely it was delivered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_cover.h"
#include "audit_fate.h"
#include "audit_recipients.h"
#include "changes.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "table.h"

enum outcome { QUEUED, DELIVERED, RETURNED, REMOVED, MISSING, OUTCOMES };
static const char *const words[] = {"queued", "delivered", "returned", "removed", "missing"};

struct reconcile {
	struct source source;
	struct store *store;
	struct store_snapshot a, b;
	struct audit_journal journal;
	struct audit_cover cover;
	struct audit_fate fate;
	struct audit_recipients owed, there; /* of the message; what B has of it */
	struct qf_buf out, seen;
	uint64_t messages, recipients, counts[OUTCOMES], doubled, too_close, again, shown;
	int64_t contention; /* -1: not known */
	bool has_mail;
};

/* The message in hand. */
struct owed {
	struct qf_slice id, queue, sender, message_id;
	int64_t created, content, seen; /* content 0: known from the log only */
	int64_t nrcpts;			/* that the log says it had; -1 */
};

/* ------------------------------------------------------------------ what is said */

static void
put_evidence(struct reconcile *r, const struct audit_verdict *verdict, bool there,
	     struct qf_json *json)
{
	qf_json_open(json, '[');
	if (there) {
		qf_json_open(json, '{');
		qf_json_key(json, "kind");
		qf_json_string(json, "snapshot");
		qf_json_key(json, "where");
		qf_json_text(json, (struct qf_slice){r->seen.p, r->seen.n});
		qf_json_key(json, "time");
		qf_json_time(json, r->there.seen);
		qf_json_key(json, "text");
		qf_json_string(json, "in the queue");
		qf_json_close(json, '}');
	}
	audit_fate_evidence(&r->fate, verdict->proof, verdict->nproof, json);
	qf_json_close(json, ']');
}

static void
put_json(struct reconcile *r, const struct owed *owed, struct qf_slice recipient,
	 enum outcome outcome, const struct audit_verdict *verdict)
{
	struct qf_json json = {.out = &r->out};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.audit.reconcile/1");
	qf_json_key(&json, "id");
	qf_json_text(&json, owed->id);
	qf_json_key(&json, "queue");
	qf_json_text(&json, owed->queue);
	qf_json_key(&json, "recipient");
	qf_json_text(&json, recipient);
	qf_json_key(&json, "outcome");
	qf_json_string(&json, words[outcome]);
	qf_json_key(&json, "doubled");
	qf_json_bool(&json, verdict->sent > 1);
	qf_json_key(&json, "evidence");
	put_evidence(r, verdict, outcome == QUEUED, &json);
	qf_json_key(&json, "why");
	qf_json_string(&json, *verdict->why ? verdict->why : NULL);
	qf_json_key(&json, "sender");
	qf_json_text(&json, owed->sender);
	qf_json_key(&json, "created");
	qf_json_time(&json, owed->created);
	qf_json_close(&json, '}');
	qf_buf_addc(&r->out, '\n');
}

static void
put_csv(struct reconcile *r, const struct owed *owed, struct qf_slice recipient,
	enum outcome outcome, const struct audit_verdict *verdict)
{
	struct qf_buf evidence = {0};
	struct qf_json json = {.out = &evidence};

	if (!r->shown)
		qf_buf_adds(&r->out, "id,queue,recipient,outcome,doubled,evidence,why\r\n");
	qf_escape_csv(&r->out, owed->id);
	qf_buf_addc(&r->out, ',');
	qf_escape_csv(&r->out, owed->queue);
	qf_buf_addc(&r->out, ',');
	if (recipient.p)
		qf_escape_csv(&r->out, recipient);
	qf_buf_addf(&r->out, ",%s,%s,", words[outcome], verdict->sent > 1 ? "true" : "false");
	put_evidence(r, verdict, outcome == QUEUED, &json);
	qf_escape_csv(&r->out, (struct qf_slice){evidence.p, evidence.n});
	qf_buf_addc(&r->out, ',');
	qf_escape_csv(&r->out, (struct qf_slice){verdict->why, strlen(verdict->why)});
	qf_buf_adds(&r->out, "\r\n");
	qf_buf_release(&evidence);
}

static void
put_text(struct reconcile *r, const struct owed *owed, struct qf_slice recipient,
	 enum outcome outcome, const struct audit_verdict *verdict)
{
	qf_buf_addf(&r->out, "%-9s ", verdict->sent > 1 ? "doubled" : words[outcome]);
	table_cell(owed->id, 0, false, term_utf8(), &r->out);
	qf_buf_addc(&r->out, ' ');
	table_cell(recipient.p ? recipient : (struct qf_slice){"(unknown recipient)", 19}, 0, false,
		   term_utf8(), &r->out);
	if (verdict->sent > 1)
		qf_buf_addf(&r->out, ": sent %zu times", verdict->sent);
	if (*verdict->why) {
		qf_buf_adds(&r->out, ": ");
		table_cell((struct qf_slice){verdict->why, strlen(verdict->why)}, 0, false,
			   term_utf8(), &r->out);
	}
	qf_buf_addc(&r->out, '\n');
	for (size_t i = 0; i < verdict->nproof; i++) {
		const struct audit_fact *fact = &r->fate.facts[verdict->proof[i]];
		char when[QF_TIME_TEXT] = "-";

		if (fact->time != QF_TIME_NONE)
			qf_time_format(fact->time, when);
		qf_buf_addf(&r->out, "          %s ", when);
		table_cell(audit_fate_text(&r->fate, fact->where), 0, false, term_utf8(), &r->out);
		qf_buf_adds(&r->out, ": ");
		table_cell(audit_fate_text(&r->fate, fact->text), 0, false, term_utf8(), &r->out);
		qf_buf_addc(&r->out, '\n');
	}
}

static void
put(struct reconcile *r, const struct owed *owed, struct qf_slice recipient, enum outcome outcome,
    const struct audit_verdict *verdict)
{
	struct qf_buf hidden = {0};

	r->recipients++;
	r->counts[outcome]++;
	r->doubled += verdict->sent > 1;
	if (outcome != MISSING && verdict->sent < 2 && say_verbosity() < 1)
		return;
	if (r->source.redactor && recipient.p) {
		qf_redact_address(r->source.redactor, recipient, &hidden);
		recipient = (struct qf_slice){hidden.p, hidden.n};
	}
	qf_buf_clear(&r->out);
	if (audit_given.format == AUDIT_JSON)
		put_json(r, owed, recipient, outcome, verdict);
	else if (audit_given.format == AUDIT_CSV)
		put_csv(r, owed, recipient, outcome, verdict);
	else
		put_text(r, owed, recipient, outcome, verdict);
	out_add_buf(&r->out);
	r->shown++;
	qf_buf_release(&hidden);
}

/* ------------------------------------------------------------------ one message */

static void
settle_recipient(struct reconcile *r, const struct owed *owed, const struct audit_recipient *rcpt)
{
	struct audit_verdict verdict;
	enum outcome outcome = MISSING;

	audit_fate_judge(&r->fate, rcpt->bare, r->owed.n == 1, &verdict);
	if (audit_recipients_have(&r->there, rcpt->bare)) {
		/* As long as sendmail has it, it is owed, whatever a line says. */
		if (verdict.end == AUDIT_END_DELIVERED) {
			snprintf(verdict.why, sizeof(verdict.why),
				 "sent, and still in the queue: it will be sent again");
			r->again++;
		} else {
			verdict.nproof = 0;
			verdict.why[0] = '\0';
		}
		outcome = QUEUED;
	} else if (verdict.end == AUDIT_END_DELIVERED) {
		outcome = DELIVERED;
	} else if (verdict.end == AUDIT_END_RETURNED) {
		outcome = RETURNED;
	} else if (verdict.end == AUDIT_END_REMOVED) {
		outcome = REMOVED;
	}
	put(r, owed, rcpt->address, outcome, &verdict);
}

/* Of a message known from the log: whoever it or B names. */
static enum qf_code
recipients_of_log(struct reconcile *r, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	for (size_t i = 0; i < r->there.n && code == QF_OK; i++)
		code = audit_recipients_add(&r->owed, r->there.all[i].address, r->there.all[i].bare,
					    err);
	for (size_t i = 0; i < r->fate.nnamed && code == QF_OK; i++) {
		struct qf_slice bare = audit_fate_text(&r->fate, r->fate.named[i].bare);

		code = audit_recipients_add(&r->owed, bare, bare, err);
	}
	audit_recipients_sort(&r->owed);
	return code;
}

/* Who was put in the place of another one is owed too. */
static enum qf_code
added_by_hand(struct reconcile *r, struct qf_err *err)
{
	enum qf_code code = QF_OK;
	bool any = false;

	for (size_t i = 0; i < r->fate.nnamed && code == QF_OK; i++) {
		struct qf_slice bare = audit_fate_text(&r->fate, r->fate.named[i].bare);

		if (r->fate.facts[r->fate.named[i].fact].says != AUDIT_SAYS_ADDED)
			continue;
		any = true;
		code = audit_recipients_add(&r->owed, bare, bare, err);
	}
	if (any)
		audit_recipients_sort(&r->owed);
	return code;
}

static enum qf_code
settle(struct reconcile *r, const struct owed *owed, struct qf_err *err)
{
	bool edited = false;
	enum qf_code code;

	/* What was removed before, and was there again when A saw it, has gone in another way. */
	r->fate.since = owed->content ? owed->seen : 0;
	r->fate.queue = owed->queue;
	code = audit_fate_load(&r->fate, r->store, &r->journal, owed->id, err);
	for (size_t i = 0; i < r->fate.nfacts; i++)
		edited |= r->fate.facts[i].says == AUDIT_SAYS_EDITED ||
			  r->fate.facts[i].says == AUDIT_SAYS_STRUCK;
	if (owed->content && !edited)
		audit_fate_of(&r->fate, owed->sender, owed->message_id);
	r->fate.level = r->cover.least;
	audit_recipients_clear(&r->there);
	for (size_t i = 0; i < r->fate.nids && code == QF_OK; i++) {
		/* An id is never used twice; but what two hosts did with one is told by the rest.
		 */
		bool any = i > 0 || edited || !owed->content;

		code = audit_recipients_in(&r->there, r->store, r->b.id,
					   audit_fate_text(&r->fate, r->fate.ids[i]),
					   any ? QF_TIME_NONE : owed->created,
					   any ? (struct qf_slice){0} : owed->sender, err);
	}
	audit_recipients_clear(&r->owed);
	if (code == QF_OK && owed->content)
		code = audit_recipients_of(&r->owed, r->store, owed->content, err);
	else if (code == QF_OK)
		code = recipients_of_log(r, err);
	if (code == QF_OK)
		code = added_by_hand(r, err);
	if (code == QF_OK && r->has_mail)
		code = audit_fate_mailboxes(&r->fate, r->store, owed->content, owed->id,
					    owed->message_id, &r->owed, err);
	if (code != QF_OK)
		return code;
	qf_buf_clear(&r->seen);
	qf_buf_addf(&r->seen, "snapshot %lld", (long long)r->b.id);
	r->messages++;
	r->too_close += audit_fate_too_close(&r->fate, r->source.policy.min_queue_age);
	for (size_t i = 0; i < r->owed.n; i++)
		settle_recipient(r, owed, &r->owed.all[i]);
	if (owed->content || r->owed.n)
		return QF_OK;
	/* Accepted, and never heard of again. */
	struct audit_verdict verdict = {0};

	audit_fate_judge(&r->fate, (struct qf_slice){0}, false, &verdict);
	put(r, owed, (struct qf_slice){0},
	    verdict.end == AUDIT_END_REMOVED	? REMOVED
	    : verdict.end == AUDIT_END_RETURNED ? RETURNED
						: MISSING,
	    &verdict);
	return QF_OK;
}

/* ------------------------------------------------------------------ what was owed */

static const char of_a[] =
	"SELECT m.queue_id, q.path, c.sender, c.created, m.content, p.seen, -1, c.message_id"
	" FROM presence p"
	" JOIN messages m ON m.id = p.message JOIN contents c ON c.id = m.content"
	" JOIN queues q ON q.id = m.queue WHERE p.snapshot = ?1 ORDER BY p.message";

#define NOT_IN_A                                                                                   \
	" AND NOT EXISTS (SELECT 1 FROM messages m CROSS JOIN presence p ON p.message = m.id"      \
	" AND p.snapshot = ?1 WHERE m.queue_id = "

/* Each id once: the first line of it. */
static const char of_log[] =
	"SELECT e.queue_id, NULL, e.sender, e.time, 0, NULL, e.nrcpts, e.message_id FROM events e"
	" WHERE e.kind = 'accepted' AND e.time >= ?2 AND e.time < ?3" NOT_IN_A "e.queue_id)"
	" AND NOT EXISTS (SELECT 1 FROM events o WHERE o.queue_id = e.queue_id"
	"  AND o.kind = 'accepted' AND o.time >= ?2 AND (o.time < e.time OR (o.time = e.time"
	"  AND o.id < e.id))) ORDER BY e.time, e.id";

static const char of_reports[] =
	"SELECT DISTINCT h.queue_id, NULL, NULL, e.time, 0, NULL, -1, NULL FROM events e"
	" CROSS JOIN event_children h ON h.event = e.id"
	" WHERE e.kind = 'report' AND e.time >= ?2 AND e.time < ?3" NOT_IN_A "h.queue_id)"
	" ORDER BY e.time, e.id";

/* Never accepted after all, or for nobody. */
static enum qf_code
is_owed(struct reconcile *r, const struct owed *owed, bool *yes, struct qf_err *err)
{
	enum qf_code code = audit_fate_load(&r->fate, r->store, NULL, owed->id, err);

	*yes = owed->nrcpts != 0;
	for (size_t i = 0; i < r->fate.nfacts && code == QF_OK; i++)
		if (r->fate.facts[i].says == AUDIT_SAYS_REFUSED && r->fate.nnamed == 0)
			*yes = false;
	return code;
}

static enum qf_code
settle_all(struct reconcile *r, const char *sql, struct qf_err *err)
{
	struct store_statement *s;
	bool row, yes = true;
	enum qf_code code = store_prepare(r->store, sql, &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, r->a.id);
	if (sql != of_a) {
		store_bind_int(s, 2, r->a.started);
		store_bind_int(s, 3, r->b.started);
	}
	while ((code = store_step(s, &row, err)) == QF_OK && row && !out_failed() &&
	       !signals_caught()) {
		const struct owed owed = {
			.id = store_text(s, 0),
			.queue = store_text(s, 1),
			.sender = store_text(s, 2),
			.created = store_time(s, 3),
			.content = store_int(s, 4),
			.seen = store_time(s, 5),
			.nrcpts = store_is_null(s, 6) ? -1 : store_int(s, 6),
			.message_id = store_text(s, 7),
		};

		if (sql != of_a)
			code = is_owed(r, &owed, &yes, err);
		if (code == QF_OK && yes)
			code = settle(r, &owed, err);
		if (code != QF_OK)
			break;
	}
	store_finalize(s);
	return code;
}

/* Lines of lock contention stand in logs above LogLevel 19 only: elsewhere none is no answer. */
static enum qf_code
count_contention(struct reconcile *r, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(r->store,
					 "SELECT count(*) FROM events WHERE kind IN ('locked',"
					 " 'changed', 'cannot-flock') AND time BETWEEN ?1 AND ?2",
					 &s, err);

	r->contention = -1;
	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, r->a.started);
	store_bind_int(s, 2, r->b.finished);
	code = store_step(s, &row, err);
	if (code == QF_OK && row && (store_int(s, 0) > 0 || r->cover.level > 19))
		r->contention = store_int(s, 0);
	store_reset(s);
	return code;
}

static enum qf_code
reconcile(struct reconcile *r, struct qf_err *err)
{
	enum qf_code code;

	if (!audit_journal_load(&r->journal, r->store, r->a.id) ||
	    !audit_journal_load(&r->journal, r->store, r->b.id)) {
		*err = (struct qf_err){.code = QF_E_NOMEM, .why = "out of memory"};
		return QF_E_NOMEM;
	}
	audit_journal_sort(&r->journal);
	code = audit_has_mail(r->store, &r->has_mail, err);
	if (code == QF_OK)
		code = audit_cover_load(&r->cover, r->store, r->a.started, r->b.finished, err);
	if (code == QF_OK)
		code = audit_cover_gaps(&r->cover, r->store, &r->a, &r->b, err);
	if (code == QF_OK)
		code = settle_all(r, of_a, err);
	if (code == QF_OK)
		code = settle_all(r, of_log, err);
	if (code == QF_OK)
		code = settle_all(r, of_reports, err);
	return code == QF_OK ? count_contention(r, err) : code;
}

/* ------------------------------------------------------------------ what it came to */

static void
put_total_json(struct reconcile *r, bool accounted)
{
	struct qf_json json = {.out = &r->out};
	const struct {
		const char *key;
		uint64_t value;
	} counts[] = {{"messages", r->messages},	 {"recipients", r->recipients},
		      {"queued", r->counts[QUEUED]},	 {"delivered", r->counts[DELIVERED]},
		      {"returned", r->counts[RETURNED]}, {"removed", r->counts[REMOVED]},
		      {"missing", r->counts[MISSING]},	 {"doubled", r->doubled},
		      {"too_close", r->too_close}};

	qf_json_open(&json, '{');
	qf_json_key(&json, "schema");
	qf_json_string(&json, "qf.audit.reconcile.total/1");
	qf_json_key(&json, "a");
	qf_json_int(&json, r->a.id);
	qf_json_key(&json, "b");
	qf_json_int(&json, r->b.id);
	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
		qf_json_key(&json, counts[i].key);
		qf_json_int(&json, (int64_t)counts[i].value);
	}
	qf_json_key(&json, "contention");
	if (r->contention < 0)
		qf_json_null(&json);
	else
		qf_json_int(&json, r->contention);
	qf_json_key(&json, "accounted");
	qf_json_bool(&json, accounted);
	qf_json_key(&json, "gaps");
	qf_json_open(&json, '[');
	for (size_t i = 0; i < r->cover.ngaps; i++)
		qf_json_string(&json, r->cover.gaps[i]);
	qf_json_close(&json, ']');
	qf_json_close(&json, '}');
	qf_buf_addc(&r->out, '\n');
}

static void
put_total_text(struct reconcile *r, bool accounted)
{
	qf_buf_addf(&r->out, "%llu messages, %llu recipients:", (unsigned long long)r->messages,
		    (unsigned long long)r->recipients);
	for (int i = 0; i < OUTCOMES; i++)
		qf_buf_addf(&r->out, " %llu %s%s", (unsigned long long)r->counts[i], words[i],
			    i + 1 < OUTCOMES ? "," : "");
	qf_buf_addf(&r->out, "; %llu doubled, %llu tried again too soon, ",
		    (unsigned long long)r->doubled, (unsigned long long)r->too_close);
	if (r->contention < 0)
		qf_buf_adds(&r->out, "lock contention unknown (logs say it above LogLevel 19)\n");
	else
		qf_buf_addf(&r->out, "%lld lines of lock contention\n", (long long)r->contention);
	for (size_t i = 0; i < r->cover.ngaps; i++) {
		qf_buf_adds(&r->out, "not proven: ");
		table_cell((struct qf_slice){r->cover.gaps[i], strlen(r->cover.gaps[i])}, 0, false,
			   term_utf8(), &r->out);
		qf_buf_addc(&r->out, '\n');
	}
	qf_buf_adds(&r->out, accounted ? "everything is accounted for\n"
				       : "NOT everything is accounted for\n");
}

static int
finish(struct reconcile *r)
{
	bool accounted = !r->counts[MISSING] && !r->cover.ngaps;

	qf_buf_clear(&r->out);
	if (audit_given.format == AUDIT_JSON)
		put_total_json(r, accounted);
	else if (audit_given.format == AUDIT_TABLE)
		put_total_text(r, accounted);
	else
		for (size_t i = 0; i < r->cover.ngaps; i++)
			say_note("not proven: %s", r->cover.gaps[i]);
	out_add_buf(&r->out);
	if (r->again)
		say_note("%llu %s sent, and still in the queue: sendmail will send them again",
			 (unsigned long long)r->again, r->again == 1 ? "was" : "were");
	return accounted && !r->doubled ? STATUS_OK : STATUS_FINDINGS;
}

int
audit_reconcile(char **operands, size_t n)
{
	struct reconcile r = {0};
	struct qf_err err;
	int status;

	if (n != 2) {
		say_error("which snapshots? two are compared, the older first");
		return STATUS_USAGE;
	}
	status = audit_open(STORE_READ, &r.store);
	if (!status)
		status = audit_pair(r.store, operands, &r.a, &r.b);
	/* Bad names have been said before anything is written. */
	if (!status && audit_given.logs.n) {
		store_close(r.store);
		r.store = NULL;
		status = audit_log_read(audit_given.logs.values, audit_given.logs.n);
		if (!status)
			status = audit_open(STORE_READ, &r.store);
	}
	if (!status)
		status = source_begin(&r.source);
	if (!status && reconcile(&r, &err) != QF_OK)
		status = say_failure(&err);
	if (!status && signals_caught())
		status = STATUS_SIGNAL + signals_caught();
	if (!status)
		status = finish(&r);
	audit_fate_release(&r.fate);
	audit_recipients_release(&r.owed);
	audit_recipients_release(&r.there);
	audit_journal_release(&r.journal);
	audit_cover_release(&r.cover);
	qf_buf_release(&r.out);
	qf_buf_release(&r.seen);
	store_close(r.store);
	source_close(&r.source);
	return out_finish(status);
}
