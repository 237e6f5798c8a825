/*
 * audit_judge - what facts prove of one recipient.
 *
 * delivered   a line says that the next server took it.
 * returned    refused for good, and a report to the sender was made after that, or the sender wants
 *             none (NOTIFY without FAILURE; or no report was made, and the message is done); or all
 *             that was left under the id was returned, and this recipient was left: the log has
 *             sent mail, too, and says of this one that it was not; or there was no other. Some
 *             failures are those of the message, and are told to the sender without a line about
 *             any recipient (too many hops, an alias without end: observed, 8.17).
 *             An alias is what its members are.
 * removed     by hand, or by a rule that throws away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_fate.h"

size_t
audit_fate_named(const struct audit_fate *fate, struct qf_slice bare, size_t *first)
{
	size_t low = 0, high = fate->nnamed, n = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (audit_compare(audit_fate_text(fate, fate->named[middle].bare), bare) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*first = low;
	while (low + n < fate->nnamed &&
	       audit_compare(audit_fate_text(fate, fate->named[low + n].bare), bare) == 0)
		n++;
	return n;
}

static void
add_proof(struct audit_verdict *out, size_t fact)
{
	if (out->nproof == sizeof(out->proof) / sizeof(*out->proof))
		out->nproof--;
	out->proof[out->nproof++] = fact;
}

/* Seconds between a line's own time and when it came to who collects lines of many hosts. */
#define COLLECTED 2

/* The name of a log stream in the place of a host's. */
static bool
is_stream(struct qf_slice host)
{
	return host.n && memchr(host.p, '/', host.n);
}

/* Not all who collect logs keep the name of the host: then it may be any. */
static bool
is_one_process(const struct audit_fate *fate, const struct audit_fact *a, const struct audit_fact *b)
{
	struct qf_slice host_a = audit_fate_text(fate, a->host), host_b = audit_fate_text(fate, b->host);

	return a->pid == b->pid && (!host_a.n || !host_b.n || is_stream(host_a) != is_stream(host_b) ||
				    audit_compare(host_a, host_b) == 0);
}

/* One line in two files, whose times are of two clocks: what one process said once. */
static bool
is_one_line(const struct audit_fate *fate, const struct audit_fact *a, const struct audit_fact *b)
{
	struct qf_slice where_a = audit_fate_text(fate, a->where), where_b = audit_fate_text(fate, b->where);
	const char *line_a = memrchr(where_a.p, ':', where_a.n), *line_b = memrchr(where_b.p, ':', where_b.n);
	int64_t apart = a->time > b->time ? a->time - b->time : b->time - a->time;


	if (a->pid <= 0 || !is_one_process(fate, a, b) || a->member != b->member || apart > COLLECTED ||
	    !line_a || !line_b)
		return false;
	where_a.n = (size_t)(line_a - where_a.p);
	where_b.n = (size_t)(line_b - where_b.p);
	return audit_compare(where_a, where_b) != 0 &&
	       audit_compare(audit_fate_text(fate, a->text), audit_fate_text(fate, b->text)) == 0;
}

/* One line may name an address twice; two lines are two deliveries, be it of two ids. */
static size_t
count_sent(const struct audit_fate *fate, size_t first, size_t n)
{
	size_t sent = 0;

	for (size_t i = first; i < first + n; i++) {
		const struct audit_fact *fact = &fate->facts[fate->named[i].fact];
		bool counts = fact->says == AUDIT_SAYS_SENT && strcmp(fact->kind, "log") == 0;

		for (size_t k = first; k < i && counts; k++) {
			const struct audit_fact *other = &fate->facts[fate->named[k].fact];

			counts = other != fact && !(other->says == AUDIT_SAYS_SENT &&
						    strcmp(other->kind, "log") == 0 && is_one_line(fate, fact, other));
		}
		sent += counts;
	}
	return sent;
}

/* The last of the named facts that says this; SIZE_MAX. */
static size_t
last_of(const struct audit_fate *fate, size_t first, size_t n, enum audit_says says)
{
	for (size_t i = first + n; i-- > first;)
		if (fate->facts[fate->named[i].fact].says == says)
			return fate->named[i].fact;
	return SIZE_MAX;
}

/* Any fact that says this; SIZE_MAX. */
static size_t
any_of(const struct audit_fate *fate, enum audit_says says)
{
	for (size_t i = 0; i < fate->nfacts; i++)
		if (fate->facts[i].says == says)
			return i;
	return SIZE_MAX;
}

/* A line about somebody, of which it cannot be read about whom. */
static size_t
unread(const struct audit_fate *fate)
{
	for (size_t i = 0; i < fate->nfacts; i++)
		if (fate->facts[i].says == AUDIT_SAYS_UNCLEAR && !fate->facts[i].names)
			return i;
	return SIZE_MAX;
}

/* The end of one of the ids that a message went on under is that of its own recipients: whose line
   was the last that names this one; and where none does, the first id, unless it was parted. */
static bool
is_of(const struct audit_fate *fate, size_t member, size_t last)
{
	if (last != SIZE_MAX)
		return fate->facts[last].member == member;
	for (size_t i = 0; i < fate->nfacts; i++)
		if (fate->facts[i].says == AUDIT_SAYS_PARTED && fate->facts[i].member == 0 &&
		    (!fate->since || fate->facts[i].time >= fate->since - AUDIT_SLACK))
			return false;
	return member == 0;
}

/* An end that names nobody, of whoever was left then; SIZE_MAX. What is said of this recipient
   after that shows that it was not the end; what ended before it was seen was not either. */
static size_t
end_of_all(const struct audit_fate *fate, size_t first, size_t n, enum audit_says says)
{
	size_t last = SIZE_MAX;

	for (size_t i = first; i < first + n; i++) {
		size_t at = fate->named[i].fact;

		if (strcmp(fate->facts[at].kind, "log") == 0 &&
		    (last == SIZE_MAX || fate->facts[at].time >= fate->facts[last].time))
			last = at;
	}
	for (size_t i = fate->nfacts; i-- > 0;) {
		const struct audit_fact *fact = &fate->facts[i];

		if (fact->says != says || fact->names ||
		    (fate->since && fact->time < fate->since - AUDIT_SLACK) ||
		    (last != SIZE_MAX && fact->time < fate->facts[last].time - AUDIT_SLACK) ||
		    !is_of(fate, fact->member, last))
			continue;
		return i;
	}
	return SIZE_MAX;
}

/* The report about this failure: made after it, and since the message was seen. */
static size_t
report_of(const struct audit_fate *fate, const struct audit_fact *failed)
{
	for (size_t i = 0; i < fate->nfacts; i++) {
		const struct audit_fact *fact = &fate->facts[i];

		if (fact->says == AUDIT_SAYS_REPORT && fact->member == failed->member &&
		    fact->time >= failed->time &&
		    (!fate->since || fact->time >= fate->since - AUDIT_SLACK))
			return i;
	}
	return SIZE_MAX;
}

/* Is there a line about a recipient that the report is about? */
static bool
is_explained(const struct audit_fate *fate, size_t report)
{
	for (size_t i = report; i-- > 0;) {
		const struct audit_fact *fact = &fate->facts[i];

		if (fact->member != fate->facts[report].member)
			continue;
		if (fact->says == AUDIT_SAYS_FAILED)
			return true;
		if (fact->says == AUDIT_SAYS_REPORT && fact->pid != fate->facts[report].pid)
			return false;
	}
	return false;
}

static bool
is_since(const struct audit_fact *fact, int64_t since)
{
	return !since || fact->time >= since - AUDIT_SLACK;
}

/* May the report be about who is named[first] and so on: nobody was served, and he was not tried
   with it or later; where nothing says that the message is done, nor was anybody else. */
static bool
is_about(const struct audit_fate *fate, const struct audit_fact *report, bool done, size_t first, size_t n)
{
	for (size_t i = 0; i < fate->nnamed; i++) {
		const struct audit_fact *fact = &fate->facts[fate->named[i].fact];
		bool own = i >= first && i < first + n;

		if (fact->says == AUDIT_SAYS_OTHER)
			continue;
		if (fact->says != AUDIT_SAYS_DEFERRED || (!own && !done))
			return false;
		if (own && (fact->time > report->time || fact->pid == report->pid))
			return false;
	}
	return true;
}

/* Where the log has no line about who is refused, a report may be about one who was there before: then it
   has to be later than that by any clock. */
static bool
is_of_those_left(const struct audit_fate *fate, const struct audit_fact *report)
{
	if (fate->level >= 8 || !fate->written)
		return is_since(report, fate->since);
	return report->time >= fate->written + AUDIT_SLACK;
}

/* The report that the message as such could not be delivered; SIZE_MAX. */
static size_t
report_of_all(const struct audit_fate *fate, bool alone, size_t first, size_t n)
{
	size_t proof;
	bool done = audit_fate_is_done(fate, &proof);

	for (size_t i = fate->nfacts; i-- > 0 && (alone || done);)
		if (fate->facts[i].says == AUDIT_SAYS_REPORT && fate->facts[i].member == 0 &&
		    is_of_those_left(fate, &fate->facts[i]) && !is_explained(fate, i) &&
		    is_about(fate, &fate->facts[i], done, first, n))
			return i;
	return SIZE_MAX;
}

bool
audit_fate_ended(const struct audit_fate *fate, int64_t since, char why[256])
{
	size_t proof;
	bool done = audit_fate_is_done(fate, &proof);

	for (size_t i = 0; i < fate->nfacts; i++) {
		const struct audit_fact *fact = &fate->facts[i];
		bool report = is_since(fact, since) &&
			      (fact->says == AUDIT_SAYS_EXPIRED ||
			       (fact->says == AUDIT_SAYS_REPORT && !is_explained(fate, i)));
		char when[QF_TIME_TEXT] = "an unknown time";

		if (!report && !(fact->says == AUDIT_SAYS_DONE && (done || fact->member == 0)))
			continue;
		if (fact->time != QF_TIME_NONE)
			qf_time_format(fact->time, when);
		snprintf(why, 256, "for whom it ended: the line of %s says that %s", when,
			 report ? "it was reported to its sender as failed" : "it left the queue");
		return true;
	}
	return false;
}

/* Struck by hand, and not put there again. */
static size_t
struck(const struct audit_fate *fate, size_t first, size_t n)
{
	size_t gone = last_of(fate, first, n, AUDIT_SAYS_STRUCK);
	size_t added = last_of(fate, first, n, AUDIT_SAYS_ADDED);

	return gone != SIZE_MAX && added != SIZE_MAX && added > gone ? SIZE_MAX : gone;
}

static bool
in_log(const struct audit_fate *fate)
{
	for (size_t i = 0; i < fate->nfacts; i++)
		if (strcmp(fate->facts[i].kind, "log") == 0)
			return true;
	return false;
}

static void
say_why(const struct audit_fate *fate, size_t first, size_t n, struct audit_verdict *out)
{
	size_t deferred = last_of(fate, first, n, AUDIT_SAYS_DEFERRED);
	size_t failed = last_of(fate, first, n, AUDIT_SAYS_FAILED);
	size_t unclear = last_of(fate, first, n, AUDIT_SAYS_UNCLEAR), cut = unread(fate);
	size_t edited = any_of(fate, AUDIT_SAYS_EDITED);
	char when[QF_TIME_TEXT] = "an unknown time", ended[256];
	size_t last = failed != SIZE_MAX     ? failed
		      : unclear != SIZE_MAX  ? unclear
		      : cut != SIZE_MAX	     ? cut
		      : deferred != SIZE_MAX ? deferred
					     : SIZE_MAX;

	if (last != SIZE_MAX) {
		add_proof(out, last);
		if (fate->facts[last].time != QF_TIME_NONE)
			qf_time_format(fate->facts[last].time, when);
	}
	if (edited != SIZE_MAX)
		add_proof(out, edited);
	if (failed != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "refused for good at %s, and no report to the sender is in the log", when);
	else if (unclear != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "the line of %s can be read in two ways, and proves nothing", when);
	else if (cut != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "of the line of %s it cannot be read whose it is, and what it says", when);
	else if (edited != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "edited by hand; whether this recipient was struck then is not known");
	else if (deferred != SIZE_MAX && audit_fate_ended(fate, fate->facts[deferred].time, ended))
		snprintf(out->why, sizeof(out->why), "deferred at %s, and not said is %.200s", when, ended);
	else if (deferred != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "deferred at %s, and no line after that says what became of it", when);
	else if (fate->level < 8)
		snprintf(out->why, sizeof(out->why),
			 "no evidence: a log of LogLevel %u, as it seems, has no line for what was "
			 "sent; %s",
			 fate->level, fate->level < 7 ? "nor for what was refused" : "level 9 has");
	else if (any_of(fate, AUDIT_SAYS_EXPIRED) != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "the message was returned for those left; no line says that this one was");
	else if (!in_log(fate))
		snprintf(out->why, sizeof(out->why), "the log does not name the message");
	else
		snprintf(out->why, sizeof(out->why),
			 "the log names the message, but not this recipient");
}

/* None was wanted: a message is done after its reports are made. Where others were served in place of
   its recipients, that is of those. */
static bool
is_unreported(const struct audit_fate *fate, size_t failed, size_t *done)
{
	for (size_t i = 0; i < fate->nnamed; i++)
		if (fate->facts[fate->named[i].fact].says == AUDIT_SAYS_SENT &&
		    !audit_fate_is_own(fate, i))
			return false;
	return audit_fate_is_done(fate, done) &&
	       fate->facts[*done].time >= fate->facts[failed].time;
}

/* By its lines: some server has it, or it was refused, and the sender was told as far as he asked
   for that. */
static bool
by_lines(const struct audit_fate *fate, const struct audit_recipient *rcpt, size_t first, size_t n,
	 struct audit_verdict *out)
{
	size_t failed, report, done = SIZE_MAX;

	for (size_t i = first; i < first + n; i++)
		if (fate->facts[fate->named[i].fact].says == AUDIT_SAYS_SENT)
			add_proof(out, fate->named[i].fact);
	out->end = AUDIT_END_DELIVERED;
	if (out->nproof)
		return true;
	failed = last_of(fate, first, n, AUDIT_SAYS_FAILED);
	if (failed == SIZE_MAX)
		return false;
	report = report_of(fate, &fate->facts[failed]);
	if (report == SIZE_MAX && !rcpt->never && !is_unreported(fate, failed, &done))
		return false;
	add_proof(out, failed);
	if (report != SIZE_MAX || done != SIZE_MAX)
		add_proof(out, report != SIZE_MAX ? report : done);
	out->end = AUDIT_END_RETURNED;
	return true;
}

/* With whoever was left. */
static bool
by_end(const struct audit_fate *fate, bool alone, size_t first, size_t n, struct audit_verdict *out)
{
	/* qf bounce has seen it return what was left. */
	size_t end = end_of_all(fate, first, n, AUDIT_SAYS_BOUNCED);

	if (end == SIZE_MAX)
		end = end_of_all(fate, first, n, AUDIT_SAYS_EXPIRED);
	if (end != SIZE_MAX && !alone && fate->level < 8)
		end = SIZE_MAX;
	if (end == SIZE_MAX)
		end = report_of_all(fate, alone, first, n);
	out->end = AUDIT_END_RETURNED;
	if (end == SIZE_MAX) {
		out->end = AUDIT_END_REMOVED;
		end = last_of(fate, first, n, AUDIT_SAYS_DISCARDED);
	}
	if (end == SIZE_MAX)
		end = end_of_all(fate, first, n, AUDIT_SAYS_DISCARDED);
	if (end == SIZE_MAX)
		end = end_of_all(fate, first, n, AUDIT_SAYS_REMOVED);
	if (end == SIZE_MAX)
		end = struck(fate, first, n);
	if (end == SIZE_MAX)
		return false;
	add_proof(out, end);
	return true;
}

/* May what a line says of somebody be of a member of this recipient, an alias? Of a message that is
   done, of which nobody is left, of anybody who is not known for another one. Who was tried under his own name is no
   alias, unless the log says after that that somebody was served as him. */
static bool
is_of_member(const struct audit_fate *fate, size_t named, const struct audit_recipient *rcpt, size_t tried,
	     bool is_done)
{
	const struct audit_fact *fact = &fate->facts[fate->named[named].fact];
	bool as = audit_fate_is_as(fate, fact, rcpt->bare);

	if (tried != SIZE_MAX && (fact->time <= fate->facts[tried].time || (is_done && !as)))
		return false;
	if (is_done)
		return as || !fate->known || fate->named[named].stranger;
	return (as || !fact->controller.there) && !audit_fate_is_own(fate, named);
}

/* Dealt with under other names: as an alias, whose members have all been where the message is done,
   or where it was seen later, with none of them. */
static bool
by_members(const struct audit_fate *fate, size_t first, size_t n,
	   const struct audit_recipient *rcpt, struct audit_verdict *out)
{
	size_t tried = last_of(fate, first, n, AUDIT_SAYS_DEFERRED), refused = SIZE_MAX, members = 0, done;
	bool is_done = audit_fate_is_done(fate, &done) && !rcpt->never;
	bool outlived = fate->outlived && !fate->nobody && !rcpt->never, since = false;

	if (last_of(fate, first, n, AUDIT_SAYS_FAILED) != SIZE_MAX ||
	    last_of(fate, first, n, AUDIT_SAYS_UNCLEAR) != SIZE_MAX ||
	    any_of(fate, AUDIT_SAYS_EXPIRED) != SIZE_MAX)
		return false;
	for (size_t i = 0; i < fate->nnamed; i++) {
		size_t at = fate->named[i].fact;
		const struct audit_fact *fact = &fate->facts[at];

		if ((fact->says != AUDIT_SAYS_SENT && fact->says != AUDIT_SAYS_FAILED) ||
		    !is_of_member(fate, i, rcpt, tried, is_done))
			continue;
		if (fact->says == AUDIT_SAYS_FAILED) {
			if (report_of(fate, fact) != SIZE_MAX && fact->time >= fate->since)
				refused = at;
			continue;
		}
		since |= fact->time >= fate->since;
		members++;
		if (members < sizeof(out->proof) / sizeof(*out->proof) &&
		    (!out->nproof || out->proof[out->nproof - 1] != at))
			add_proof(out, at);
	}
	if (members && (is_done || (outlived && since))) {
		if (is_done)
			add_proof(out, done);
		out->end = AUDIT_END_DELIVERED;
		return true;
	}
	if (!members && refused != SIZE_MAX && (is_done || outlived)) {
		add_proof(out, refused);
		add_proof(out, report_of(fate, &fate->facts[refused]));
		out->end = AUDIT_END_RETURNED;
		return true;
	}
	if (members)
		snprintf(out->why, sizeof(out->why),
			 "sent to %zu others, as to members of an alias; whether to all, no line "
			 "says ('done' of LogLevel 10 does)",
			 members);
	return members > 0;
}

void
audit_fate_judge(const struct audit_fate *fate, const struct audit_recipient *rcpt, bool alone,
		 struct audit_verdict *out)
{
	size_t first = 0, n = rcpt ? audit_fate_named(fate, rcpt->bare, &first) : 0;

	*out = (struct audit_verdict){0};
	if (fate->ambiguous) {
		snprintf(out->why, sizeof(out->why),
			 "two messages had this id: the log cannot tell them apart, or is about "
			 "another");
		return;
	}
	out->sent = count_sent(fate, first, n);
	if (by_lines(fate, rcpt, first, n, out) || by_end(fate, alone, first, n, out))
		return;
	out->end = AUDIT_END_UNKNOWN;
	if (!rcpt || !by_members(fate, first, n, rcpt, out))
		say_why(fate, first, n, out);
}

/* ------------------------------------------------------------------ attempts */

static bool
is_attempt(enum audit_says says)
{
	return says == AUDIT_SAYS_SENT || says == AUDIT_SAYS_DEFERRED ||
	       says == AUDIT_SAYS_FAILED || says == AUDIT_SAYS_UNCLEAR;
}

size_t
audit_fate_too_close(const struct audit_fate *fate, int64_t seconds)
{
	const struct audit_fact *begin = NULL;
	size_t n = 0;

	if (seconds <= 0)
		return 0;
	/* One process is one attempt; its first line stands for it. */
	for (size_t i = 0; i < fate->nfacts; i++) {
		const struct audit_fact *fact = &fate->facts[i];

		if (!is_attempt(fact->says) || fact->time == QF_TIME_NONE ||
		    strcmp(fact->kind, "log") != 0)
			continue;
		if (begin && begin->member == fact->member && is_one_process(fate, begin, fact))
			continue;
		n += begin && begin->member == fact->member && fact->time - begin->time < seconds;
		begin = fact;
	}
	return n;
}

/* ------------------------------------------------------------------ as JSON */

void
audit_fate_evidence(const struct audit_fate *fate, const size_t *facts, size_t n,
		    struct qf_json *json)
{
	for (size_t i = 0; i < n; i++) {
		const struct audit_fact *fact = &fate->facts[facts[i]];

		qf_json_open(json, '{');
		qf_json_key(json, "kind");
		qf_json_string(json, fact->kind);
		qf_json_key(json, "where");
		qf_json_text(json, audit_fate_text(fate, fact->where));
		qf_json_key(json, "time");
		qf_json_time(json, fact->time);
		qf_json_key(json, "text");
		qf_json_text(json, audit_fate_text(fate, fact->text));
		qf_json_close(json, '}');
	}
}
