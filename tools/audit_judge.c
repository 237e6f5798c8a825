/*
 * audit_judge - what facts prove of one recipient.
 *
 * delivered   a line says that the next server took it.
 * returned    refused for good, and a report to the sender was made; or all that was left was
 *             returned, and this recipient was left: the log has sent mail, too, and says of this
 *             one that it was not; or there was no other.
 * removed     by hand, or by a rule that throws away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit_fate.h"

/* The facts that name a recipient: [*first, *first + returned). */
static size_t
find_named(const struct audit_fate *fate, struct qf_slice bare, size_t *first)
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

/* One line may name an address twice; two lines of one id are two deliveries. */
static size_t
count_sent(const struct audit_fate *fate, size_t first, size_t n)
{
	size_t most = 0;

	for (size_t i = first; i < first + n; i++) {
		const struct audit_fact *fact = &fate->facts[fate->named[i].fact];
		size_t same = 0;

		if (fact->says != AUDIT_SAYS_SENT || strcmp(fact->kind, "log") != 0)
			continue;
		for (size_t k = first; k < first + n; k++) {
			const struct audit_fact *other = &fate->facts[fate->named[k].fact];

			same += other->says == AUDIT_SAYS_SENT && other->member == fact->member &&
				strcmp(other->kind, "log") == 0 &&
				(k == first || fate->named[k].fact != fate->named[k - 1].fact);
		}
		most = same > most ? same : most;
	}
	return most;
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

/* A fact about the whole message; member SIZE_MAX: of whichever id. */
static size_t
whole(const struct audit_fate *fate, enum audit_says says, size_t member)
{
	for (size_t i = 0; i < fate->nfacts; i++)
		if (fate->facts[i].says == says &&
		    (member == SIZE_MAX || fate->facts[i].member == member))
			return i;
	return SIZE_MAX;
}

/* Struck by hand, and not put there again. */
static size_t
struck(const struct audit_fate *fate, size_t first, size_t n)
{
	size_t gone = last_of(fate, first, n, AUDIT_SAYS_STRUCK);
	size_t added = last_of(fate, first, n, AUDIT_SAYS_ADDED);

	return gone != SIZE_MAX && added != SIZE_MAX && added > gone ? SIZE_MAX : gone;
}

/* Discarded as a whole: the fact names nobody. */
static size_t
discarded(const struct audit_fate *fate)
{
	for (size_t i = 0; i < fate->nfacts; i++) {
		size_t k = 0;

		if (fate->facts[i].says != AUDIT_SAYS_DISCARDED)
			continue;
		while (k < fate->nnamed && fate->named[k].fact != i)
			k++;
		if (k == fate->nnamed)
			return i;
	}
	return SIZE_MAX;
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
	size_t unclear = last_of(fate, first, n, AUDIT_SAYS_UNCLEAR);
	size_t edited = whole(fate, AUDIT_SAYS_EDITED, SIZE_MAX);
	char when[QF_TIME_TEXT] = "an unknown time";
	size_t last = failed != SIZE_MAX     ? failed
		      : unclear != SIZE_MAX  ? unclear
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
	else if (edited != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "edited by hand; whether this recipient was struck then is not known");
	else if (deferred != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "deferred at %s, and no line after that says what became of it", when);
	else if (fate->level < 8)
		snprintf(out->why, sizeof(out->why),
			 "no evidence: a log of LogLevel %u, as it seems, has no line for what was "
			 "sent; %s",
			 fate->level, fate->level < 7 ? "nor for what was refused" : "level 9 has");
	else if (whole(fate, AUDIT_SAYS_EXPIRED, SIZE_MAX) != SIZE_MAX)
		snprintf(out->why, sizeof(out->why),
			 "the message was returned for those left; no line says that this one was");
	else if (!in_log(fate))
		snprintf(out->why, sizeof(out->why), "the log does not name the message");
	else
		snprintf(out->why, sizeof(out->why),
			 "the log names the message, but not this recipient");
}

void
audit_fate_judge(const struct audit_fate *fate, struct qf_slice bare, bool alone,
		 struct audit_verdict *out)
{
	size_t first = 0, n = bare.p ? find_named(fate, bare, &first) : 0, fact, expired;

	*out = (struct audit_verdict){0};
	if (fate->ambiguous) {
		snprintf(out->why, sizeof(out->why),
			 "two messages had this id: the log cannot tell them apart, or is about "
			 "another");
		return;
	}
	out->sent = count_sent(fate, first, n);
	for (size_t i = first; i < first + n; i++)
		if (fate->facts[fate->named[i].fact].says == AUDIT_SAYS_SENT)
			add_proof(out, fate->named[i].fact);
	if (out->nproof) {
		out->end = AUDIT_END_DELIVERED;
		return;
	}
	fact = last_of(fate, first, n, AUDIT_SAYS_FAILED);
	if (fact != SIZE_MAX) {
		size_t report = whole(fate, AUDIT_SAYS_REPORT, fate->facts[fact].member);

		if (report != SIZE_MAX) {
			add_proof(out, fact);
			add_proof(out, report);
			out->end = AUDIT_END_RETURNED;
			return;
		}
	}
	/* qf bounce has seen it return what was left. */
	expired = whole(fate, AUDIT_SAYS_BOUNCED, SIZE_MAX);
	if (expired == SIZE_MAX)
		expired = whole(fate, AUDIT_SAYS_EXPIRED, SIZE_MAX);
	if (expired != SIZE_MAX && (alone || fate->level >= 8)) {
		add_proof(out, expired);
		out->end = AUDIT_END_RETURNED;
		return;
	}
	fact = last_of(fate, first, n, AUDIT_SAYS_DISCARDED);
	if (fact == SIZE_MAX)
		fact = discarded(fate);
	if (fact == SIZE_MAX)
		fact = whole(fate, AUDIT_SAYS_REMOVED, SIZE_MAX);
	if (fact == SIZE_MAX)
		fact = struck(fate, first, n);
	if (fact != SIZE_MAX) {
		add_proof(out, fact);
		out->end = AUDIT_END_REMOVED;
		return;
	}
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
		if (begin && begin->member == fact->member && begin->pid == fact->pid &&
		    audit_compare(audit_fate_text(fate, begin->host),
				  audit_fate_text(fate, fact->host)) == 0)
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
