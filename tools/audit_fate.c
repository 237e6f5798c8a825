/*
 * audit_fate - facts about one message, from where they are stored; audit_judge.c concludes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_fate.h"
#include "store_address.h"

/* A message that was split goes on under other ids, and those may be split; so many are followed.
 */
#define FAMILY_MAX 4096

void
audit_fate_release(struct audit_fate *fate)
{
	qf_buf_release(&fate->text);
	free(fate->facts);
	free(fate->named);
	free(fate->ids);
	*fate = (struct audit_fate){0};
}

struct qf_slice
audit_fate_text(const struct audit_fate *fate, struct audit_text text)
{
	return text.there ? (struct qf_slice){fate->text.p ? fate->text.p + text.at : "", text.n}
			  : (struct qf_slice){NULL, 0};
}

int
audit_compare(struct qf_slice a, struct qf_slice b)
{
	size_t least = a.n < b.n ? a.n : b.n;
	int order = least ? memcmp(a.p, b.p, least) : 0;

	return order ? order : a.n < b.n ? -1 : a.n > b.n;
}

static void
add_slice(struct qf_buf *out, struct qf_slice slice)
{
	if (slice.p)
		qf_buf_add(out, slice.p, slice.n);
}

static struct audit_text
keep(struct audit_fate *fate, struct qf_slice text)
{
	struct audit_text kept = {.at = fate->text.n, .n = text.n, .there = text.p != NULL};

	qf_buf_add(&fate->text, text.p ? text.p : "", text.n);
	return kept;
}

static bool
is(struct qf_slice text, const char *word)
{
	return text.n == strlen(word) && memcmp(text.p, word, text.n) == 0;
}

/* ------------------------------------------------------------------ the log */

static enum audit_says
says_of(struct qf_slice kind, struct qf_slice outcome, struct qf_slice report)
{
	static const struct {
		enum qf_log_outcome outcome;
		enum audit_says says;
	} outcomes[] = {
		{QF_LOG_IS_SENT, AUDIT_SAYS_SENT},
		{QF_LOG_IS_DEFERRED, AUDIT_SAYS_DEFERRED},
		{QF_LOG_IS_FAILED, AUDIT_SAYS_FAILED},
		{QF_LOG_IS_DISCARDED, AUDIT_SAYS_DISCARDED},
		{QF_LOG_IS_UNKNOWN, AUDIT_SAYS_UNCLEAR},
	};

	if (is(kind, qf_log_kind_name(QF_LOG_DELIVERY))) {
		for (size_t i = 0; i < sizeof(outcomes) / sizeof(*outcomes); i++)
			if (is(outcome, qf_log_outcome_name(outcomes[i].outcome)))
				return outcomes[i].says;
		return AUDIT_SAYS_OTHER;
	}
	if (is(kind, qf_log_kind_name(QF_LOG_ACCEPTED)))
		return AUDIT_SAYS_ACCEPTED;
	if (is(kind, qf_log_kind_name(QF_LOG_ABORTED)) || is(kind, qf_log_kind_name(QF_LOG_REJECT)))
		return AUDIT_SAYS_REFUSED;
	if (is(kind, qf_log_kind_name(QF_LOG_DISCARD)))
		return AUDIT_SAYS_DISCARDED;
	if (is(kind, qf_log_kind_name(QF_LOG_CLONE)) || is(kind, qf_log_kind_name(QF_LOG_SPLIT)))
		return AUDIT_SAYS_PARTED;
	if (is(kind, qf_log_kind_name(QF_LOG_DONE)))
		return AUDIT_SAYS_DONE;
	if (is(report, qf_log_report_name(QF_LOG_REPORT_FAILURE)))
		return AUDIT_SAYS_REPORT;
	return is(report, qf_log_report_name(QF_LOG_REPORT_EXPIRED)) ? AUDIT_SAYS_EXPIRED
								     : AUDIT_SAYS_OTHER;
}

/* The line in short: what it says, without what is a column of its own. */
static struct audit_text
describe(struct audit_fate *fate, const struct store_statement *s)
{
	static const struct {
		int column;
		const char *before;
	} parts[] = {{3, ""}, {4, ""}, {7, ", relay="}, {8, ", dsn="}, {9, ", stat="}, {10, ": "}};
	struct audit_text text = {.at = fate->text.n, .there = true};

	/* Of a delivery the outcome is the word for it, of a report the report. */
	if (store_is_null(s, 3) && store_is_null(s, 4))
		add_slice(&fate->text, store_text(s, 2));
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		struct qf_slice part = store_text(s, parts[i].column);

		if (!part.p || !part.n)
			continue;
		qf_buf_adds(&fate->text, parts[i].before);
		add_slice(&fate->text, part);
	}
	text.n = fate->text.n - text.at;
	return text;
}

static enum qf_code
load_named(struct audit_fate *fate, struct store *store, int64_t event, struct qf_err *err)
{
	struct store_statement *s;
	struct qf_slice address;
	bool row;
	enum qf_code code = store_cached(
		store, "SELECT bare, address FROM event_recipients WHERE event = ?1 ORDER BY n", &s,
		err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, event);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		if (!store_room((void **)&fate->named, &fate->room_named, fate->nnamed,
			      sizeof(*fate->named))) {
			store_reset(s);
			return store_no_memory(err);
		}
		address = store_text(s, 1);
		fate->facts[fate->nfacts - 1].names = true;
		fate->named[fate->nnamed++] = (struct audit_named){
			.bare = keep(fate, store_text(s, 0)),
			.written = keep(fate, address),
			.fact = fate->nfacts - 1,
		};
	}
	return code;
}

static bool
add_id(struct audit_fate *fate, struct qf_slice id)
{
	for (size_t i = 0; i < fate->nids; i++)
		if (audit_compare(audit_fate_text(fate, fate->ids[i]), id) == 0)
			return true;
	if (fate->nids == FAMILY_MAX)
		return true;
	if (!store_room((void **)&fate->ids, &fate->room_ids, fate->nids, sizeof(*fate->ids)))
		return false;
	fate->ids[fate->nids] = keep(fate, id);
	fate->nids++;
	return true;
}

static enum qf_code
load_children(struct audit_fate *fate, struct store *store, int64_t event, struct qf_err *err)
{
	struct store_statement *s;
	bool row;
	enum qf_code code = store_cached(
		store, "SELECT queue_id FROM event_children WHERE event = ?1 ORDER BY n", &s, err);

	if (code != QF_OK)
		return code;
	store_bind_int(s, 1, event);
	while ((code = store_step(s, &row, err)) == QF_OK && row) {
		if (!add_id(fate, store_text(s, 0))) {
			store_reset(s);
			return store_no_memory(err);
		}
	}
	return code;
}

static enum qf_code
add_event(struct audit_fate *fate, struct store *store, const struct store_statement *s,
	  size_t member, struct qf_err *err)
{
	struct audit_fact *fact;
	struct qf_buf where = {0};
	struct qf_slice kind = store_text(s, 2), relay = store_text(s, 7);
	int64_t event = store_int(s, 0);
	enum qf_code code = QF_OK;

	if (!store_room((void **)&fate->facts, &fate->room_facts, fate->nfacts, sizeof(*fate->facts)))
		return store_no_memory(err);
	add_slice(&where, store_text(s, 11));
	qf_buf_addf(&where, ":%lld", (long long)store_int(s, 12));
	fact = &fate->facts[fate->nfacts++];
	*fact = (struct audit_fact){
		.says = says_of(kind, store_text(s, 3), store_text(s, 4)),
		.kind = "log",
		.time = store_time(s, 1),
		.pid = store_int(s, 6),
		.nrcpts = store_is_null(s, 15) ? -1 : store_int(s, 15),
		.size = store_is_null(s, 16) ? -1 : store_int(s, 16),
		.mail_class = store_int(s, 18),
		.priority = store_is_null(s, 19) ? -1 : store_int(s, 19),
		.waited = store_is_null(s, 20) ? -1 : store_int(s, 20),
		.member = member,
		.host = keep(fate, store_text(s, 5)),
		.where = keep(fate, (struct qf_slice){where.p, where.n}),
		.text = describe(fate, s),
		.sender = keep(fate, store_text(s, 13)),
		.message_id = keep(fate, store_text(s, 14)),
		.controller = keep(fate, store_text(s, 17)),
		/* Of a program that runs sendmail there is no address of a host. */
		.smtp = relay.n && memchr(relay.p, '[', relay.n),
	};
	qf_buf_release(&where);
	if (is(kind, qf_log_kind_name(QF_LOG_DELIVERY)))
		code = load_named(fate, store, event, err);
	fate->split |= is(kind, qf_log_kind_name(QF_LOG_SPLIT));
	if (fact->says == AUDIT_SAYS_PARTED)
		code = load_children(fate, store, event, err);
	return code;
}

static enum qf_code
load_events(struct audit_fate *fate, struct store *store, size_t member, struct qf_err *err)
{
	struct qf_slice id = audit_fate_text(fate, fate->ids[member]);
	struct store_statement *s;
	char copy[QF_NAME_MAX];
	bool row;
	enum qf_code code = store_cached(
		store,
		"SELECT e.id, e.time, e.kind, e.outcome, e.report, e.host, e.pid, e.relay, e.dsn,"
		" e.stat, e.reason, l.path, e.line, e.sender, e.message_id, e.nrcpts, e.size, "
		"e.controller, e.class, e.priority, e.delay - e.xdelay"
		" FROM events e JOIN log_files l ON l.id = e.file WHERE e.queue_id = ?1"
		" ORDER BY e.time, e.file, e.line",
		&s, err);

	if (code != QF_OK)
		return code;
	if (id.n >= sizeof(copy))
		return QF_OK;
	/* The fate's own bytes move while it is loaded. */
	memcpy(copy, id.p, id.n);
	store_bind_text(s, 1, (struct qf_slice){copy, id.n});
	while ((code = store_step(s, &row, err)) == QF_OK && row)
		if ((code = add_event(fate, store, s, member, err)) != QF_OK)
			break;
	store_reset(s);
	return code;
}

/* ------------------------------------------------------------------ the journal */

/* Of the last fact. */
static bool
add_named(struct audit_fate *fate, struct qf_slice address)
{
	struct qf_buf scratch = {0};
	bool room = store_room((void **)&fate->named, &fate->room_named, fate->nnamed,
			     sizeof(*fate->named));

	if (room) {
		fate->facts[fate->nfacts - 1].names = true;
		fate->named[fate->nnamed++] =
			(struct audit_named){.bare = keep(fate, store_address(address, &scratch)),
					     .fact = fate->nfacts - 1};
	}
	qf_buf_release(&scratch);
	return room;
}

/* The fact in hand is an edit that says whom it took out, and whom it put there. */
static bool
add_struck(struct audit_fate *fate, const struct audit_entry *e)
{
	struct audit_fact added = fate->facts[fate->nfacts - 1];

	fate->facts[fate->nfacts - 1].says = AUDIT_SAYS_STRUCK;
	for (const char *at = e->gone; *at;) {
		size_t n = strcspn(at, "\n");

		if (!add_named(fate, (struct qf_slice){at, n}))
			return false;
		at += n + (at[n] != '\0');
	}
	if (!e->added)
		return true;
	if (!store_room((void **)&fate->facts, &fate->room_facts, fate->nfacts, sizeof(*fate->facts)))
		return false;
	added.says = AUDIT_SAYS_ADDED;
	added.names = false;
	fate->facts[fate->nfacts++] = added;
	return add_named(fate, (struct qf_slice){e->added, strlen(e->added)});
}

/* Before the message was seen, or of another queue's message of this id: then it explains nothing.
 */
static bool
is_answer(const struct audit_fate *fate, const struct audit_entry *e)
{
	return e->time >= fate->since && (!fate->queue.p || !e->own || is(fate->queue, e->queue));
}

static enum qf_code
add_entries(struct audit_fate *fate, const struct audit_journal *journal, size_t member,
	    struct qf_err *err)
{
	static const struct {
		const char *command;
		enum audit_says says;
	} changes[] = {{"rm", AUDIT_SAYS_REMOVED},
		       {"purge", AUDIT_SAYS_REMOVED},
		       {"bounce", AUDIT_SAYS_BOUNCED},
		       {"edit", AUDIT_SAYS_EDITED}};
	size_t n;
	const struct audit_entry *e =
		audit_journal_of(journal, audit_fate_text(fate, fate->ids[member]), &n);

	for (size_t i = 0; i < n; i++) {
		enum audit_says says = AUDIT_SAYS_OTHER;

		if (!is_answer(fate, &e[i]))
			continue;
		for (size_t k = 0; k < sizeof(changes) / sizeof(*changes); k++)
			if (strcmp(e[i].command, changes[k].command) == 0)
				says = changes[k].says;
		if (!store_room((void **)&fate->facts, &fate->room_facts, fate->nfacts,
			      sizeof(*fate->facts)))
			return store_no_memory(err);
		fate->facts[fate->nfacts++] = (struct audit_fact){
			.says = says,
			.kind = "journal",
			.time = e[i].time,
			.nrcpts = -1,
			.size = -1,
			.priority = -1,
			.member = member,
			.where = keep(fate, (struct qf_slice){e[i].entry, strlen(e[i].entry)}),
			.text = keep(fate, (struct qf_slice){e[i].text, strlen(e[i].text)}),
		};
		if (says == AUDIT_SAYS_EDITED && e[i].gone && !add_struck(fate, &e[i]))
			return store_no_memory(err);
	}
	return QF_OK;
}

/* ------------------------------------------------------------------ all of it */

static int
by_address(const void *a, const void *b, void *ctx)
{
	const struct audit_fate *fate = ctx;
	const struct audit_named *x = a, *y = b;
	int order = audit_compare(audit_fate_text(fate, x->bare), audit_fate_text(fate, y->bare));

	return order ? order : x->fact < y->fact ? -1 : x->fact > y->fact;
}

void
audit_fate_sort(struct audit_fate *fate)
{
	if (fate->nnamed > 1)
		qsort_r(fate->named, fate->nnamed, sizeof(*fate->named), by_address, fate);
}

/* Nor is it a delivery of this message where that is not of its time; but something it was. */
static bool
is_too_old(const struct audit_fate *fate, const struct audit_fact *fact)
{
	return fate->born && fact->says == AUDIT_SAYS_SENT &&
	       (fact->time == QF_TIME_NONE || fact->time < fate->born - AUDIT_SLACK);
}

/* The null sender has more than one name, and is nobody to tell messages by. */
static struct qf_slice
known_sender(struct qf_slice sender, struct qf_buf *scratch)
{
	struct qf_slice bare = sender.p ? store_address(sender, scratch) : sender;

	return is(bare, "MAILER-DAEMON") ? (struct qf_slice){NULL, 0} : bare;
}

static bool
is_nobody(struct qf_slice sender)
{
	struct qf_buf scratch = {0};
	bool yes = sender.p && !known_sender(sender, &scratch).n;

	qf_buf_release(&scratch);
	return yes;
}

/* What was refused before it was accepted were single recipients, or commands; what came after is
   about all of it. */
static void
settle(struct audit_fate *fate)
{
	const struct audit_fact *accepted = NULL;

	fate->ambiguous = fate->nobody = false;
	for (size_t i = 0; i < fate->nfacts; i++) {
		struct audit_fact *fact = &fate->facts[i];

		if (is_too_old(fate, fact))
			fact->says = AUDIT_SAYS_UNCLEAR;
		if (fact->member != 0)
			continue;
		if (fact->says == AUDIT_SAYS_REFUSED && !accepted && fact->text.n >= 8 &&
		    memcmp(audit_fate_text(fate, fact->text).p, "rejected", 8) == 0)
			fact->says = AUDIT_SAYS_OTHER;
		if (fact->says != AUDIT_SAYS_ACCEPTED)
			continue;
		fate->ambiguous |=
			accepted && (audit_compare(audit_fate_text(fate, accepted->sender),
						   audit_fate_text(fate, fact->sender)) != 0 ||
				     audit_compare(audit_fate_text(fate, accepted->message_id),
						   audit_fate_text(fate, fact->message_id)) != 0);
		fate->nobody |= is_nobody(audit_fate_text(fate, fact->sender));
		accepted = fact;
	}
}

/* Logs shorten what is long. */
#define TELLING 60

static bool
differ(struct qf_slice a, struct qf_slice b)
{
	if (!a.n || !b.n)
		return false;
	return audit_compare((struct qf_slice){a.p, a.n < TELLING ? a.n : TELLING},
			     (struct qf_slice){b.p, b.n < TELLING ? b.n : TELLING}) != 0;
}

void
audit_fate_of(struct audit_fate *fate, struct qf_slice sender, struct qf_slice message_id)
{
	struct qf_buf scratch = {0}, other = {0};
	struct qf_slice from = known_sender(sender, &scratch);

	fate->nobody |= is_nobody(sender);
	for (size_t i = 0; i < fate->nfacts; i++) {
		struct audit_fact *fact = &fate->facts[i];

		/* A local sender controls what it sends; that is no alias. */
		if (from.p && audit_fate_is_as(fate, fact, from))
			fact->controller.there = false;
		if (fact->says != AUDIT_SAYS_ACCEPTED || fact->member != 0)
			continue;
		fate->ambiguous |=
			differ(audit_fate_text(fate, fact->message_id), message_id) ||
			differ(known_sender(audit_fate_text(fate, fact->sender), &other), from);
	}
	qf_buf_release(&scratch);
	qf_buf_release(&other);
}

enum qf_code
audit_fate_load(struct audit_fate *fate, struct store *store, const struct audit_journal *journal,
		struct qf_slice id, struct qf_err *err)
{
	enum qf_code code = QF_OK;

	qf_buf_clear(&fate->text);
	fate->nfacts = fate->nnamed = fate->nids = 0;
	fate->split = fate->known = false;
	if (!add_id(fate, id))
		return store_no_memory(err);
	for (size_t i = 0; i < fate->nids && code == QF_OK; i++)
		code = load_events(fate, store, i, err);
	for (size_t i = 0; i < fate->nids && code == QF_OK && journal; i++)
		code = add_entries(fate, journal, i, err);
	if (code != QF_OK)
		return code;
	if (fate->text.failed)
		return store_no_memory(err);
	settle(fate);
	audit_fate_sort(fate);
	return QF_OK;
}

enum qf_code
audit_fate_add(struct audit_fate *fate, const char *kind, struct qf_slice where, int64_t when,
	       struct qf_slice text, struct qf_slice bare, struct qf_err *err)
{
	if (!store_room((void **)&fate->facts, &fate->room_facts, fate->nfacts,
		      sizeof(*fate->facts)) ||
	    !store_room((void **)&fate->named, &fate->room_named, fate->nnamed, sizeof(*fate->named)))
		return store_no_memory(err);
	fate->facts[fate->nfacts++] = (struct audit_fact){
		.says = AUDIT_SAYS_SENT,
		.kind = kind,
		.time = when,
		.nrcpts = -1,
		.size = -1,
		.priority = -1,
		.names = true,
		.where = keep(fate, where),
		.text = keep(fate, text),
	};
	fate->named[fate->nnamed++] =
		(struct audit_named){.bare = keep(fate, bare), .fact = fate->nfacts - 1};
	return fate->text.failed ? store_no_memory(err) : QF_OK;
}
