/*
 * audit_classify - each message of a restored queue into exactly one class.
 *
 * That a message was never delivered is proven by logs that have a line for all that is sent
 * (LogLevel 8), each of them, over the whole time from the last that the restored copy tells of
 * itself to the other snapshot (or to this one, where no other is given), and no line says so.
 * Less is no evidence.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_plan.h"
#include "audit_whole.h"
#include "say.h"

static const char *const class_words[] = {
#define X(id, word) word,
	AUDIT_CLASSES(X)
#undef X
};

const char *audit_class_name(enum audit_class class)
{
	return class_words[class];
}

const char *
audit_action_name(enum audit_action action)
{
	static const char *const words[] = {"leave", "hold", "rm", "edit", "hold, edit"};

	return words[action];
}

const char *
audit_state_name(enum audit_state state)
{
	static const char *const words[] = {"open", "delivered", "returned"};

	return words[state];
}

/* ------------------------------------------------------------------ recipients */

static bool
room_for(struct audit_case *out)
{
	struct audit_standing *more;

	if (out->recipients.n <= out->room)
		return true;
	more = realloc(out->standing, out->recipients.n * sizeof(*more));
	if (!more)
		return false;
	out->standing = more;
	out->room = out->recipients.n;
	return true;
}

static void
take_verdict(struct audit_case *out, size_t i, const struct audit_fate *fate,
	     const struct audit_verdict *verdict)
{
	struct audit_standing *standing = &out->standing[i];
	struct qf_json json = {.out = &out->evidence};

	*standing = (struct audit_standing){
		.live = standing->live,
		.state = verdict->end == AUDIT_END_DELIVERED  ? AUDIT_DELIVERED
			 : verdict->end == AUDIT_END_RETURNED ? AUDIT_RETURNED
							      : AUDIT_OPEN,
		.evidence = out->evidence.n,
		.text = out->text.n,
	};
	audit_fate_evidence(fate, verdict->proof, verdict->nproof, &json);
	for (size_t k = 0; k < verdict->nproof; k++) {
		const struct audit_fact *fact = &fate->facts[verdict->proof[k]];
		struct qf_slice where = audit_fate_text(fate, fact->where);
		struct qf_slice text = audit_fate_text(fate, fact->text);
		char when[QF_TIME_TEXT] = "-";

		if (fact->time != QF_TIME_NONE)
			qf_time_format(fact->time, when);
		qf_buf_addf(&out->text, "%s%s ", k ? "; " : "", when);
		qf_buf_add(&out->text, where.p ? where.p : "", where.n);
		qf_buf_adds(&out->text, ": ");
		qf_buf_add(&out->text, text.p ? text.p : "", text.n);
	}
	standing->nevidence = out->evidence.n - standing->evidence;
	standing->ntext = out->text.n - standing->text;
}

/*
 * The same message may have gone out under another id: the log says of both the Message-ID, the
 * sender, the size and for how many. Where it does not say all of it, that is a doubt and no proof.
 */
static enum qf_code
elsewhere(struct audit_classifier *c, struct audit_case *out, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		c->store,
		"SELECT DISTINCT e.queue_id, EXISTS (SELECT 1 FROM events o WHERE o.queue_id ="
		"  m.queue_id AND o.kind = 'accepted' AND o.size = e.size AND o.nrcpts = e.nrcpts)"
		" FROM messages m JOIN contents mc ON mc.id = m.content"
		" CROSS JOIN events e ON e.message_id = ?2"
		" WHERE m.id = ?1 AND e.kind = 'accepted'"
		" AND e.queue_id <> m.queue_id AND qf_address(e.sender) IS qf_address(mc.sender)",
		&s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, out->message);
	store_bind_text(s, 2, out->logged_id);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		struct qf_slice id = store_text(s, 0);
		bool same = store_int(s, 1) != 0;

		code = audit_fate_load(&c->other, c->store, NULL, id, err);
		c->other.level = 0;
		for (size_t i = 0; i < out->recipients.n && code == QF_OK; i++) {
			struct audit_verdict verdict;

			if (out->standing[i].state != AUDIT_OPEN)
				continue;
			audit_fate_judge(&c->other, &out->recipients.all[i], false, &verdict);
			if (verdict.end != AUDIT_END_DELIVERED)
				continue;
			if (same)
				take_verdict(out, i, &c->other, &verdict);
			else
				snprintf(out->doubt, sizeof(out->doubt),
					 "whether %.*s, of the same Message-ID, which "
					 "was delivered, is this message",
					 (int)(id.n < 40 ? id.n : 40), id.p);
		}
		if (code != QF_OK)
			break;
	}
	store_reset(s);
	return code;
}

/* Of two hosts, clocks differ by less. */
#define CLOCKS 60

static void
say_hole(const struct audit_hole *hole, const char *end, char *missing, size_t room)
{
	switch (hole->kind) {
	case AUDIT_LOG_BEGINS:
		snprintf(missing, room, "the log before its first line: %s", hole->log);
		break;
	case AUDIT_LOG_BETWEEN:
		snprintf(missing, room, "the log between %s and the next one", hole->log);
		break;
	case AUDIT_LOG_ENDS:
		snprintf(missing, room, "the log after its last line, up to %s: %s", end,
			 hole->log);
		break;
	case AUDIT_LOG_LOST:
		snprintf(missing, room, "all of the log: %s: %s", hole->why, hole->log);
	}
}

/* What the silence of the logs proves of this message; empty *missing: that it was never sent. */
static void
look_for_gaps(const struct audit_classifier *c, const struct audit_case *out, int64_t from)
{
	const struct audit_cover *cover = &c->cover;
	const struct audit_hole *hole;
	char *missing = (char *)out->missing, begin[QF_TIME_TEXT], end[QF_TIME_TEXT];
	size_t room = sizeof(out->missing);
	int64_t since = from, accepted = INT64_MAX;
	bool born = false, removed = false;

	for (size_t i = 0; i < c->fate.nfacts; i++) {
		const struct audit_fact *fact = &c->fate.facts[i];

		if (fact->says == AUDIT_SAYS_ACCEPTED) {
			born = true;
			accepted = fact->time < accepted ? fact->time : accepted;
		}
		removed |= fact->says == AUDIT_SAYS_REMOVED || fact->says == AUDIT_SAYS_DISCARDED;
	}
	/* Nothing was sent of it before it was accepted. */
	if (born && accepted > since)
		since = accepted;
	hole = audit_cover_hole(cover, since, c->until);
	*missing = '\0';
	qf_time_format(from, begin);
	qf_time_format(c->until, end);
	if (removed)
		snprintf(missing, room,
			 "it was removed from the live queue by hand: somebody has "
			 "to say whether that still holds");
	else if (c->fate.ambiguous)
		snprintf(missing, room,
			 "two messages had this id: the log cannot tell them apart, or is about "
			 "another");
	else if (c->until < from)
		snprintf(
			missing, room,
			"a later snapshot: this one, of %s, was taken before what the copy says of "
			"itself, of %s",
			end, begin);
	else if (c->against.id && !c->against.complete)
		snprintf(missing, room,
			 "a complete snapshot of the live queue: it may still be in what %lld does "
			 "not "
			 "have",
			 (long long)c->against.id);
	else if (!cover->files)
		snprintf(missing, room,
			 "no log: one of LogLevel 8 or above from %s to %s (qf audit log), or "
			 "mailboxes (qf audit mailstore)",
			 begin, end);
	else if (cover->least < 8)
		snprintf(missing, room,
			 "a log of LogLevel 8 or above: what there is of %s to %s seems to be of "
			 "%u, where nothing is said of what was sent: %s",
			 begin, end, cover->least, cover->weakest);
	else if (cover->first > from && !born)
		snprintf(missing, room, "the log before its first line, from %s on", begin);
	else if (!born && cover->first + CLOCKS < out->created)
		snprintf(missing, room,
			 "the log of the host that accepted it: what there is begins before it "
			 "came, and does not say so");
	else if (hole)
		say_hole(hole, end, missing, room);
}

static enum qf_code
judge(struct audit_classifier *c, struct audit_case *out, int64_t from, size_t *open,
      size_t *delivered, bool *proven, struct qf_err *err)
{
	enum qf_code code;
	char ended[256];

	c->fate.born = out->created != QF_TIME_NONE ? out->created : 0;
	c->fate.written = out->made_due ? INT64_MAX / 2 : from != QF_TIME_NONE ? from : 0;
	code = audit_fate_load(&c->fate, c->store, &c->journal, out->id, err);

	*open = *delivered = 0;
	if (code != QF_OK)
		return code;
	audit_fate_of(&c->fate, out->sender, out->logged_id);
	if (c->has_mail)
		code = audit_fate_mailboxes(&c->fate, c->store, out->content, out->id,
					    out->message_id, &out->recipients, err);
	if (code != QF_OK)
		return code;
	c->fate.level = c->cover.least;
	for (size_t i = 0; i < out->recipients.n; i++) {
		struct audit_verdict verdict;

		audit_fate_judge(&c->fate, &out->recipients.all[i], out->recipients.n == 1,
				 &verdict);
		take_verdict(out, i, &c->fate, &verdict);
	}
	for (size_t i = 0; i < out->recipients.n; i++)
		*open += out->standing[i].state == AUDIT_OPEN;
	if (*open)
		code = elsewhere(c, out, err);
	*open = 0;
	for (size_t i = 0; i < out->recipients.n; i++) {
		*open += out->standing[i].state == AUDIT_OPEN;
		*delivered += out->standing[i].state == AUDIT_DELIVERED;
	}
	look_for_gaps(c, out, from);
	if (code == QF_OK)
		code = audit_is_short(c, out, err);
	if (*out->doubt && !*out->missing)
		snprintf(out->missing, sizeof(out->missing), "%s", out->doubt);
	if (*open && !*out->missing && audit_fate_ended(&c->fate, from, ended))
		snprintf(out->missing, sizeof(out->missing), "%s", ended);
	/* Refused for good, or told in two ways, is no proof that it was not sent. */
	for (size_t i = 0; i < out->recipients.n && !*out->missing; i++) {
		struct audit_verdict verdict;

		if (out->standing[i].state != AUDIT_OPEN)
			continue;
		if (audit_fate_alias(&c->fate, &out->recipients, out->recipients.all[i].bare)) {
			snprintf(out->missing, sizeof(out->missing),
				 "whether it was served as an alias: the log does not name it, and "
				 "says that the message was sent to others than its recipients");
			break;
		}
		audit_fate_judge(&c->fate, &out->recipients.all[i], false, &verdict);
		for (size_t k = 0; k < verdict.nproof; k++) {
			enum audit_says says = c->fate.facts[verdict.proof[k]].says;

			if (says != AUDIT_SAYS_DEFERRED)
				snprintf(out->missing, sizeof(out->missing), "%s", verdict.why);
		}
		if (verdict.nproof && !*verdict.why && !*out->missing)
			snprintf(out->missing, sizeof(out->missing),
				 "it was struck or removed by hand: somebody has to say whether "
				 "that "
				 "still holds");
	}
	*proven = !*out->missing;
	return code;
}

/* ------------------------------------------------------------------ classes */

static void
decide(struct audit_case *out, enum audit_class class, enum audit_action action)
{
	out->class = class;
	out->action = action;
}

static void
by_recipients(struct audit_case *out, size_t open, size_t delivered, bool proven)
{
	size_t n = out->recipients.n;

	if (open == 0 && delivered > 0) {
		decide(out, AUDIT_IS_DELIVERED, AUDIT_REMOVE);
		snprintf(out->why, sizeof(out->why), "%zu of %zu delivered%s", delivered, n,
			 delivered < n ? ", the others returned" : "");
	} else if (open == 0) {
		decide(out, AUDIT_IS_RETURNED, AUDIT_REMOVE);
		snprintf(out->why, sizeof(out->why), "returned to the sender");
	} else {
		/* What is left must not run either where nothing is known of it, or where the next
		   run would return it. */
		decide(out, AUDIT_IS_PARTLY,
		       proven && !out->expired ? AUDIT_DROP : AUDIT_DROP_HOLD);
		snprintf(out->why, sizeof(out->why), "%zu of %zu are open%s", open, n,
			 out->expired ? ", and would be returned at once"
			 : proven     ? ""
				      : "; nothing proves that they were not served");
		if (!audit_plan_can_strike(out))
			out->action = AUDIT_HOLD;
	}
}

/* Who is not in the live copy any more has to have been served or returned: then that copy is all
   that is owed. Where one is open, somebody has to look: both copies are owed in part. */
static enum qf_code
by_live(struct audit_classifier *c, struct audit_case *out, int64_t from, bool held,
	struct qf_err *err)
{
	size_t there = 0, gone = 0, open, delivered;
	bool proven;
	enum qf_code code;

	for (size_t i = 0; i < out->recipients.n; i++)
		there += out->standing[i].live;
	decide(out, AUDIT_IS_STILL_LIVE, AUDIT_REMOVE);
	if (there == out->recipients.n)
		return QF_OK;
	code = judge(c, out, from, &open, &delivered, &proven, err);
	for (size_t i = 0; i < out->recipients.n; i++)
		gone += !out->standing[i].live && out->standing[i].state == AUDIT_OPEN;
	if (gone) {
		decide(out, AUDIT_IS_UNDECIDED, held ? AUDIT_LEAVE : AUDIT_HOLD);
		snprintf(out->missing, sizeof(out->missing),
			 "what became of %zu recipients that the live copy has no more", gone);
		snprintf(out->why, sizeof(out->why),
			 "in the live queue for %zu of its %zu recipients; missing: %.300s", there,
			 out->recipients.n, out->missing);
		return code;
	}
	out->missing[0] = '\0';
	snprintf(out->why, sizeof(out->why),
		 "still in the live queue for %zu of its %zu recipients; the others were served",
		 there, out->recipients.n);
	return code;
}

static enum qf_code
classify(struct audit_classifier *c, struct audit_case *out, struct qf_slice state, int64_t from,
	 bool will_warn, struct qf_slice reason, struct qf_err *err)
{
	bool yes = false, proven = false, held = state.n == 4 && memcmp(state.p, "held", 4) == 0;
	size_t open, delivered;
	char when[QF_TIME_TEXT] = "";
	enum qf_code code = audit_is_damaged(c, out, state, &yes, err);

	if (code == QF_OK && yes) {
		decide(out, AUDIT_IS_DAMAGED, AUDIT_LEAVE);
		return QF_OK;
	}
	if (code == QF_OK)
		code = audit_is_torn(c, out, &yes, err);
	if (code == QF_OK && !yes)
		code = audit_is_twice(c, out, &yes, err);
	if (code == QF_OK && yes) {
		decide(out, AUDIT_IS_TORN, held ? AUDIT_LEAVE : AUDIT_HOLD);
		return QF_OK;
	}
	if (code == QF_OK && c->against.id)
		code = audit_is_live(c, out, from, &yes, err);
	if (code == QF_OK && yes)
		return by_live(c, out, from, held, err);
	if (code == QF_OK)
		code = judge(c, out, from, &open, &delivered, &proven, err);
	if (code != QF_OK)
		return code;
	if (out->return_at != QF_TIME_NONE)
		qf_time_format(out->return_at, when);
	if (open < out->recipients.n) {
		by_recipients(out, open, delivered, proven);
		if (held && out->action == AUDIT_DROP_HOLD)
			out->action = AUDIT_DROP;
		else if (held && out->action == AUDIT_HOLD)
			out->action = AUDIT_LEAVE;
		if (out->class != AUDIT_IS_PARTLY)
			out->missing[0] = '\0';
		return QF_OK;
	}
	if (held) {
		decide(out, AUDIT_IS_QUARANTINED, AUDIT_LEAVE);
		snprintf(out->why, sizeof(out->why), "held: %.*s",
			 (int)(reason.n < 200 ? reason.n : 200), reason.p ? reason.p : "");
		audit_file_evidence(out, QF_TIME_NONE, out->why);
	} else if (out->expired) {
		decide(out, AUDIT_IS_EXPIRED, AUDIT_HOLD);
		snprintf(out->why, sizeof(out->why),
			 "past its return time, %s: the next run would return it", when);
		audit_file_evidence(out, out->created, out->why);
	} else if (!proven) {
		decide(out, AUDIT_IS_UNDECIDED, AUDIT_HOLD);
		snprintf(out->why, sizeof(out->why), "no evidence either way; missing: %.400s",
			 out->missing);
		audit_file_evidence(out, from, "what it says of itself, last");
		return QF_OK;
	} else {
		char begin[QF_TIME_TEXT], end[QF_TIME_TEXT];

		decide(out, will_warn ? AUDIT_IS_WILL_WARN : AUDIT_IS_SAFE, AUDIT_LEAVE);
		qf_time_format(from, begin);
		qf_time_format(c->until, end);
		snprintf(out->why, sizeof(out->why),
			 "no line from %s to %s, of logs of LogLevel %u, says that it was sent or "
			 "returned",
			 begin, end, c->cover.least);
		audit_case_evidence(out, "log", (struct qf_slice){"(all)", 5}, c->until, out->why);
		if (will_warn)
			snprintf(out->why, sizeof(out->why),
				 "the next run would send a delay warning");
	}
	if (proven)
		out->missing[0] = '\0';
	return QF_OK;
}

/* ------------------------------------------------------------------ one after another */

static const char all_messages[] =
	"SELECT " AUDIT_RECALL_COLUMNS
	", c.subject, c.message_id, " AUDIT_LOGGED_ID " FROM presence p JOIN messages m ON m.id ="
	" p.message JOIN contents c ON c.id = m.content JOIN queues q ON q.id = m.queue"
	" WHERE p.snapshot = ?1 ORDER BY p.message";

enum qf_code
audit_classify_begin(struct audit_classifier *c, struct qf_err *err)
{
	struct store_statement *s;
	int64_t from = c->snapshot.started;
	bool row;
	enum qf_code code = store_cached(
		c->store,
		"SELECT min(c.created), max(max(c.created, ifnull(c.last_try, 0)))"
		" FILTER (WHERE max(c.created, ifnull(c.last_try, 0)) <= ?2)"
		" FROM presence p JOIN messages m ON m.id = p.message"
		" JOIN contents c ON c.id = m.content WHERE p.snapshot = ?1",
		&s, err);

	/* What left the live queue while it was looked at is in no snapshot: the log has to say it.
	 */
	c->until = c->against.id ? c->against.finished : c->snapshot.started;
	if (code == QF_OK) {
		store_bind_int(s, 1, c->snapshot.id);
		store_bind_int(s, 2, c->snapshot.started);
		code = store_step(s, &row, err);
		if (code == QF_OK && row && !store_is_null(s, 0))
			from = store_int(s, 0);
		if (code == QF_OK && row)
			c->copied = store_int(s, 1);
		store_reset(s);
	}
	if (code == QF_OK)
		code = audit_cover_load(&c->cover, c->store, from, c->until, err);
	if (code == QF_OK && c->against.id &&
	    !audit_journal_load(&c->journal, c->store, c->against.id)) {
		code = store_no_memory(err);
	}
	audit_journal_sort(&c->journal);
	if (code == QF_OK)
		code = audit_has_mail(c->store, &c->has_mail, err);
	if (code == QF_OK)
		code = audit_is_staged(c, 0, &c->has_staged, err);
	if (code == QF_OK)
		code = store_prepare(c->store, all_messages, &c->messages, err);
	if (code == QF_OK)
		store_bind_int(c->messages, 1, c->snapshot.id);
	return code;
}

static void
clear(struct audit_case *out)
{
	audit_recipients_clear(&out->recipients);
	qf_buf_clear(&out->evidence);
	qf_buf_clear(&out->text);
	out->own = out->nown = 0;
	out->why[0] = out->doubt[0] = out->missing[0] = '\0';
}

enum qf_code
audit_classify(struct audit_classifier *c, struct audit_case *out, bool *more, struct qf_err *err)
{
	const struct store_statement *s = c->messages;
	struct qf_outlook outlook;
	struct qf_slice state, reason;
	struct qf_msg *msg;
	struct qf_row row;
	int64_t from;
	enum qf_code code = store_step(c->messages, more, err);

	if (code != QF_OK || !*more)
		return code;
	clear(out);
	code = audit_recall(&c->recall, c->store, s, &msg, err);
	if (code != QF_OK)
		return code;
	qf_row_init(&row, msg, NULL, &c->source->policy, c->source->now);
	outlook = row.outlook;
	qf_msg_free(msg);
	out->message = store_int(s, 0);
	out->file = store_text(s, 2);
	out->id = store_text(s, 3);
	state = store_text(s, 4);
	out->queue = store_text(s, 5);
	out->data_size = store_is_null(s, 12) ? -2 : store_int(s, 12);
	out->created = store_time(s, 13);
	from = store_time(s, 14) != QF_TIME_NONE && store_time(s, 14) > out->created
		       ? store_time(s, 14)
		       : out->created;
	out->made_due = store_int(s, 15) > 0 && (store_time(s, 14) == QF_TIME_NONE || store_time(s, 14) <= 0);
	out->sender = store_text(s, 17);
	reason = store_text(s, 19);
	out->subject = store_text(s, AUDIT_RECALL_N);
	out->message_id = audit_trim(store_text(s, AUDIT_RECALL_N + 1));
	out->logged_id = audit_trim(store_text(s, AUDIT_RECALL_N + 2));
	out->content = store_int(s, 1);
	out->return_at = outlook.bounce_at;
	out->warn_at = outlook.warned ? QF_TIME_NONE : outlook.warn_at;
	out->expired = outlook.expired;
	code = audit_recipients_of(&out->recipients, c->store, out->content, err);
	if (code == QF_OK && !room_for(out)) {
		return store_no_memory(err);
	}
	out->staged = false;
	if (code == QF_OK && c->has_staged)
		code = audit_is_staged(c, out->message, &out->staged, err);
	for (size_t i = 0; i < out->recipients.n; i++)
		out->standing[i] = (struct audit_standing){0};
	if (code == QF_OK)
		code = classify(c, out, state, from,
				out->warn_at != QF_TIME_NONE && out->warn_at <= c->source->now,
				reason, err);
	return code;
}

void
audit_classify_end(struct audit_classifier *c)
{
	audit_fate_release(&c->fate);
	audit_fate_release(&c->other);
	audit_recipients_release(&c->live);
	audit_journal_release(&c->journal);
	audit_cover_release(&c->cover);
	audit_recall_release(&c->recall);
	qf_buf_release(&c->scratch);
	store_finalize(c->messages);
	c->messages = NULL;
}

void
audit_case_release(struct audit_case *out)
{
	audit_recipients_release(&out->recipients);
	qf_buf_release(&out->evidence);
	qf_buf_release(&out->text);
	free(out->standing);
	*out = (struct audit_case){0};
}
