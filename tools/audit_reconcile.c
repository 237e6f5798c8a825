/*
 * audit_reconcile - qf audit reconcile: the proof that nothing was lost between two snapshots.
 *
 * What was owed: each recipient of each message of A, and of each message that the log says was
 * accepted, made as a report, or tried and not sent, after A began and before B did. Clocks differ:
 * what the log has of up to AUDIT_SLACK seconds before or after is owed, too. What became of it: it
 * is in B as whole as it was, or the log, the journal or a mailbox says that it was delivered,
 * returned or removed. What none of these says is missing, however likely it was delivered.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_recall.h"
#include "audit_reconcile.h"
#include "changes.h"
#include "out.h"
#include "say.h"
#include "signals.h"
#include "status.h"
#include "table.h"

/* ------------------------------------------------------------------ one message */

/* Known from the log alone, and by its clock from before A or after B. */
static bool
is_outside(const struct reconcile *r, const struct owed *owed)
{
	return !owed->content && (owed->created < r->a.started || owed->created >= r->b.started);
}

/* Is it in B as it was before the log ever named this recipient, who was deferred and no more? Then
   he was tried as one of those it names, an alias, by somebody who was killed before he wrote it down. */
static bool
is_of_those_before(const struct reconcile *r, const struct audit_recipient *rcpt)
{
	size_t first, n = audit_fate_named(&r->fate, rcpt->bare, &first), unused;
	bool alias = false;

	if (r->there.found != 1 || r->there.tried == QF_TIME_NONE)
		return false;
	/* The log names members, and not the alias. */
	for (size_t i = 0; i < r->there.n && !alias; i++)
		alias = audit_fate_named(&r->fate, r->there.all[i].bare, &unused) == 0;
	for (size_t i = first; i < first + n; i++) {
		const struct audit_fact *fact = &r->fate.facts[r->fate.named[i].fact];

		if (fact->says != AUDIT_SAYS_DEFERRED || fact->time == QF_TIME_NONE ||
		    fact->time <= r->there.tried)
			return false;
	}
	return alias && n > 0;
}

/* rcpt NULL: one of those nobody names; why: of these. */
static enum outcome
outcome_of(const struct reconcile *r, const struct owed *owed, const struct audit_recipient *rcpt,
	   size_t rest, const char *why, struct audit_verdict *verdict)
{
	static const enum outcome ends[] = {
		[AUDIT_END_UNKNOWN] = MISSING,
		[AUDIT_END_DELIVERED] = DELIVERED,
		[AUDIT_END_RETURNED] = RETURNED,
		[AUDIT_END_REMOVED] = REMOVED,
	};

	audit_fate_judge(&r->fate, rcpt, r->owed.n + rest == 1 && (rcpt || owed->nrcpts == 1),
			 verdict);
	/* As long as sendmail has it, it is owed, whatever a line says. */
	if (rcpt && audit_recipients_have(&r->there, rcpt->bare))
		return QUEUED;
	if (rcpt && (audit_recipients_as(&r->there, rcpt->bare) || is_of_those_before(r, rcpt))) {
		verdict->end = AUDIT_END_UNKNOWN;
		return QUEUED;
	}
	if (verdict->end != AUDIT_END_UNKNOWN)
		return ends[verdict->end];
	if (*r->there.not )
		snprintf(verdict->why, sizeof(verdict->why), "it is in the queue, but %s",
			 r->there.not );
	else if (is_outside(r, owed) && owed->created >= r->b.started)
		snprintf(verdict->why, sizeof(verdict->why),
			 "accepted less than %d s after the second snapshot began, if the clock of "
			 "the log is right; a later snapshot shows it",
			 AUDIT_SLACK);
	else if (*why)
		snprintf(verdict->why, sizeof(verdict->why), "%s", why);
	return MISSING;
}

static void
settle_recipient(struct reconcile *r, const struct owed *owed, const struct audit_recipient *rcpt,
		 size_t rest)
{
	struct audit_verdict verdict;
	enum outcome outcome = outcome_of(r, owed, rcpt, rest, "", &verdict);

	if (outcome == QUEUED && verdict.end == AUDIT_END_DELIVERED) {
		snprintf(verdict.why, sizeof(verdict.why),
			 "sent, and still in the queue: it will be sent again");
		r->again++;
	} else if (outcome == QUEUED) {
		verdict.nproof = 0;
		verdict.why[0] = '\0';
	}
	audit_account_put(r, owed, rcpt->address, outcome, &verdict);
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

/* In B under an id that A had not, of the same creation time, sender, Message-ID and size: nothing
   that came later is that; it was moved, as qf salvage does where the id is taken. */
static const char moved[] =
	"SELECT o.queue_id FROM messages m JOIN contents c ON c.id = m.content"
	" CROSS JOIN contents oc ON oc.message_id = c.message_id"
	" CROSS JOIN messages o ON o.content = oc.id AND o.queue_id <> m.queue_id"
	" CROSS JOIN presence p ON p.message = o.id AND p.snapshot = ?3"
	" WHERE m.id = ?1 AND c.message_id IS NOT NULL AND oc.created = c.created"
	" AND oc.sender IS c.sender AND o.data_size = m.data_size"
	/* Which of two it is could not be told. */
	" AND NOT EXISTS (SELECT 1 FROM contents tc CROSS JOIN messages t ON t.content = tc.id"
	"  CROSS JOIN presence tp ON tp.message = t.id AND tp.snapshot = ?2"
	"  WHERE tc.message_id = c.message_id AND (t.queue_id = o.queue_id OR"
	"  (t.id <> m.id AND tc.created = c.created))) LIMIT 1";

static enum qf_code
look_for_moved(struct reconcile *r, const struct owed *owed, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(r->store, moved, &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, owed->message);
	store_bind_int(s, 2, r->a.id);
	store_bind_int(s, 3, r->b.id);
	code = store_step(s, &row, err);
	if (code == QF_OK && row) {
		const struct audit_wanted wanted = {
			.snapshot = r->b.id,
			.id = store_text(s, 0),
			.message = owed->message,
			.before = r->a.id,
			.created = owed->created,
			.sender = owed->sender,
		};

		code = audit_recipients_in(&r->there, r->store, &wanted, err);
		if (r->there.found) {
			qf_buf_adds(&r->seen, ": as ");
			qf_buf_add(&r->seen, wanted.id.p, wanted.id.n);
		}
	}
	store_reset(s);
	return code;
}

/* What B has of it. */
static enum qf_code
look_in_b(struct reconcile *r, const struct owed *owed, bool edited, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	qf_buf_clear(&r->seen);
	qf_buf_addf(&r->seen, "snapshot %lld", (long long)r->b.id);
	audit_recipients_clear(&r->there);
	for (size_t i = 0; i < r->fate.nids && code == QF_OK; i++) {
		/* An id is never used twice; but what two hosts did with one is told by the rest.
		 */
		bool any = i > 0 || edited || !owed->content;
		const struct audit_wanted wanted = {
			.snapshot = r->b.id,
			.id = audit_fate_text(&r->fate, r->fate.ids[i]),
			.message = owed->message,
			.before = r->a.id,
			.created = any ? QF_TIME_NONE : owed->created,
			.sender = any ? (struct qf_slice){0} : owed->sender,
		};

		code = audit_recipients_in(&r->there, r->store, &wanted, err);
	}
	if (code == QF_OK && owed->message && !r->there.found)
		code = look_for_moved(r, owed, err);
	return code;
}

/* Those of whom the log does not say who they are; it says at least that it was accepted. */
static size_t
count_rest(const struct reconcile *r, const struct owed *owed, char why[256])
{
	size_t n;

	*why = '\0';
	if (owed->content)
		return 0;
	n = audit_fate_rest(&r->fate, &r->owed, owed->nrcpts, r->there.found > 0, why);
	return n || r->owed.n ? n : 1;
}

static bool
is_missing(const struct reconcile *r, const struct owed *owed, size_t rest, const char *why)
{
	struct audit_verdict verdict;

	for (size_t i = 0; i < r->owed.n; i++)
		if (outcome_of(r, owed, &r->owed.all[i], rest, "", &verdict) == MISSING)
			return true;
	return rest && outcome_of(r, owed, NULL, rest, why, &verdict) == MISSING;
}

static void
settle_all_of(struct reconcile *r, const struct owed *owed)
{
	struct audit_verdict verdict;
	char why[256];
	size_t rest = count_rest(r, owed, why);

	/* Not of this span of time, unless the clock of the log is wrong: then it may be lost. */
	if (is_outside(r, owed) && !is_missing(r, owed, rest, why))
		return;
	r->messages++;
	r->too_close += audit_fate_too_close(&r->fate, r->source.policy.min_queue_age);
	for (size_t i = 0; i < r->owed.n; i++)
		settle_recipient(r, owed, &r->owed.all[i], rest);
	for (size_t i = 0; i < rest; i++) {
		enum outcome outcome = outcome_of(r, owed, NULL, rest, why, &verdict);

		audit_account_put(r, owed, (struct qf_slice){0}, outcome, &verdict);
	}
}

static enum qf_code
settle(struct reconcile *r, const struct owed *owed, struct qf_err *err)
{
	bool edited = false;
	enum qf_code code;

	/* What was removed before, and was there again when A saw it, has gone in another way. */
	r->fate.since = r->fate.written = owed->content ? owed->seen : 0;
	r->fate.born = owed->content && owed->created != QF_TIME_NONE ? owed->created : 0;
	r->fate.queue = owed->queue;
	code = audit_fate_load(&r->fate, r->store, &r->journal, owed->id, err);
	for (size_t i = 0; i < r->fate.nfacts; i++)
		edited |= r->fate.facts[i].says == AUDIT_SAYS_EDITED ||
			  r->fate.facts[i].says == AUDIT_SAYS_STRUCK;
	/* Of one known from the log alone these are its own; who sent it locally controls it. */
	if (!owed->content || !edited)
		audit_fate_of(&r->fate, owed->sender, owed->logged_id);
	r->fate.level = r->cover.least;
	if (code == QF_OK)
		code = look_in_b(r, owed, edited, err);
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
	if (owed->content)
		audit_fate_known(&r->fate, &r->owed);
	r->fate.outlived = owed->content && r->there.found > 0;
	settle_all_of(r, owed);
	return QF_OK;
}

/* ------------------------------------------------------------------ what was owed */

static const char of_a[] =
	"SELECT m.queue_id, q.path, c.sender, c.created, m.content, p.seen, -1, c.message_id,"
	" m.id, " AUDIT_LOGGED_ID " FROM presence p"
	" JOIN messages m ON m.id = p.message JOIN contents c ON c.id = m.content"
	" JOIN queues q ON q.id = m.queue WHERE p.snapshot = ?1 ORDER BY p.message";

#define NOT_IN_A                                                                                   \
	" AND NOT EXISTS (SELECT 1 FROM messages m CROSS JOIN presence p ON p.message = m.id"      \
	" AND p.snapshot = ?1 WHERE m.queue_id = "

/* Each id once: the first line of it. What an earlier snapshot had came before A, by any clock. */
static const char of_log[] =
	"SELECT e.queue_id, NULL, e.sender, e.time, 0, NULL, e.nrcpts, e.message_id, 0,"
	" e.message_id"
	" FROM events e"
	" WHERE e.kind = 'accepted' AND e.time >= ?2 AND e.time < ?3" NOT_IN_A "e.queue_id)"
	" AND NOT EXISTS (SELECT 1 FROM events o WHERE o.queue_id = e.queue_id"
	"  AND o.kind = 'accepted' AND o.time >= ?2 AND (o.time < e.time OR (o.time = e.time"
	"  AND o.id < e.id)))"
	" AND (e.time >= ?4 OR NOT EXISTS (SELECT 1 FROM messages m CROSS JOIN presence p"
	"  ON p.message = m.id JOIN snapshots s ON s.id = p.snapshot WHERE m.queue_id = e.queue_id"
	"  AND s.finished <= ?4)) ORDER BY e.time, e.id";

static const char of_reports[] =
	"SELECT DISTINCT h.queue_id, NULL, NULL, e.time, 0, NULL, -1, NULL, 0, NULL FROM events e"
	" CROSS JOIN event_children h ON h.event = e.id"
	" WHERE e.kind = 'report' AND e.time >= ?2 AND e.time < ?3" NOT_IN_A "h.queue_id)"
	" ORDER BY e.time, e.id";

/* Tried after A, not in it, and not of what was accepted or made in that time: it was there. */
static const char of_tries[] =
	"SELECT e.queue_id, NULL, NULL, e.time, 0, NULL, -1, NULL, 0, NULL FROM events e"
	" WHERE e.key >= ?4 AND e.key < ?5 AND e.kind = 'delivery'"
	" AND e.outcome IN ('deferred', 'failed', 'unknown')" NOT_IN_A "e.queue_id)"
	" AND NOT EXISTS (SELECT 1 FROM event_children h JOIN events o ON o.id = h.event"
	"  WHERE h.queue_id = e.queue_id AND o.time >= ?2)"
	" AND NOT EXISTS (SELECT 1 FROM events o WHERE o.queue_id = e.queue_id"
	"  AND ((o.kind = 'accepted' AND o.time >= ?2 AND o.time < ?3)"
	"  OR (o.kind = 'delivery' AND o.key >= ?4 AND o.key < e.key"
	"  AND o.outcome IN ('deferred', 'failed', 'unknown')))) ORDER BY e.key";

/* Seconds, as the keys of events begin with them; key lives as long as the statement runs. */
static void
bind_key(struct store_statement *s, int i, int64_t time, unsigned char key[6])
{
	for (int k = 0; k < 6; k++)
		key[k] = (unsigned char)((uint64_t)time >> (40 - 8 * k));
	store_bind_blob(s, i, key, 6);
}

/* Never accepted after all, or for nobody; or it came about when B began, and was there later. */
static enum qf_code
is_owed(struct reconcile *r, const struct owed *owed, bool *yes, struct qf_err *err)
{
	enum qf_code code;

	r->fate.since = r->fate.written = r->fate.born = 0;
	code = audit_fate_load(&r->fate, r->store, NULL, owed->id, err);
	*yes = owed->nrcpts != 0;
	for (size_t i = 0; i < r->fate.nfacts && code == QF_OK; i++) {
		const struct audit_fact *fact = &r->fate.facts[i];

		if ((fact->says == AUDIT_SAYS_REFUSED && r->fate.nnamed == 0) ||
		    (owed->created >= r->b.started && fact->time > r->b.finished + AUDIT_SLACK))
			*yes = false;
	}
	return code;
}

static enum qf_code
settle_all(struct reconcile *r, const char *sql, struct qf_err *err)
{
	struct store_statement *s;
	unsigned char from[6], to[6];
	bool row, yes = true;
	enum qf_code code = store_prepare(r->store, sql, &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, r->a.id);
	if (sql != of_a) {
		store_bind_int(s, 2, r->a.started - AUDIT_SLACK);
		store_bind_int(s, 3, r->b.started + AUDIT_SLACK);
	}
	if (sql == of_log)
		store_bind_int(s, 4, r->a.started);
	if (sql == of_tries) {
		bind_key(s, 4, r->a.started, from);
		bind_key(s, 5, r->b.started, to);
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
			.message_id = audit_trim(store_text(s, 7)),
			.message = store_int(s, 8),
			.logged_id = audit_trim(store_text(s, 9)),
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

/* -1: none that a site would have. */
static int64_t
factor(const struct qf_cf *cf, const char *name, int64_t usual)
{
	const char *text = cf ? qf_cf_option(cf, name, NULL) : NULL;
	int64_t value = text ? strtoll(text, NULL, 10) : usual;

	return value < 0 || value > 1000000000 ? -1 : value;
}

/* What a priority is made of. Where tries could be taken for recipients, it tells nothing. */
static void
read_factors(struct audit_fate *fate, const struct qf_cf *cf)
{
	int64_t recipient = factor(cf, "RecipientFactor", 30000);
	int64_t again = factor(cf, "RetryFactor", 90000);

	fate->class_factor = factor(cf, "ClassFactor", 1800);
	fate->factor = recipient > 0 && again >= 0 && again % recipient == 0 && fate->class_factor >= 0 ? recipient : 0;
}

static enum qf_code
reconcile(struct reconcile *r, struct qf_err *err)
{
	enum qf_code code;

	if (!audit_journal_load(&r->journal, r->store, r->a.id) ||
	    !audit_journal_load(&r->journal, r->store, r->b.id)) {
		return store_no_memory(err);
	}
	audit_journal_sort(&r->journal);
	read_factors(&r->fate, r->source.cf);
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
	if (code == QF_OK)
		code = settle_all(r, of_tries, err);
	return code == QF_OK ? count_contention(r, err) : code;
}

/* ------------------------------------------------------------------ the command */

static int
finish(struct reconcile *r)
{
	bool accounted = !r->counts[MISSING] && !r->cover.ngaps;

	audit_account_total(r, accounted);
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
