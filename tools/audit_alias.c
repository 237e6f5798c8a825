/*
 * audit_alias - recipients that stand in the log under other names: what was accepted for an alias
 * was sent to its members. Their lines have the alias as ctladdr=, where it is a user, or a list
 * that has an owner; or nothing but the way an address is written tells. How many they were, no
 * line says, unless one says that the message is done.
 */
#include <stdio.h>
#include <string.h>

#include "audit_fate.h"

static bool
is_log(const struct audit_fact *fact)
{
	return strcmp(fact->kind, "log") == 0;
}

static struct qf_slice
local_of(struct qf_slice bare, bool *whole)
{
	const char *at = bare.n ? memrchr(bare.p, '@', bare.n) : NULL;

	*whole = !at;
	return at ? (struct qf_slice){bare.p, (size_t)(at - bare.p)} : bare;
}

bool
audit_is_same(struct qf_slice a, struct qf_slice b)
{
	bool whole_a, whole_b;
	struct qf_slice local_a = local_of(a, &whole_a), local_b = local_of(b, &whole_b);

	return audit_compare(a, b) == 0 ||
	       ((whole_a || whole_b) && audit_compare(local_a, local_b) == 0);
}

bool
audit_fate_is_as(const struct audit_fate *fate, const struct audit_fact *fact, struct qf_slice bare)
{
	return fact->controller.there && audit_is_same(audit_fate_text(fate, fact->controller), bare);
}

/* What the log says of how it was accepted; NULL. */
static const struct audit_fact *
acceptance(const struct audit_fate *fate)
{
	for (size_t i = 0; i < fate->nfacts; i++)
		if (fate->facts[i].says == AUDIT_SAYS_ACCEPTED && fate->facts[i].member == 0)
			return &fate->facts[i];
	return NULL;
}

void
audit_fate_known(struct audit_fate *fate, const struct audit_recipients *list)
{
	size_t first, n;

	fate->known = true;
	for (size_t i = 0; i < fate->nnamed; i++)
		fate->named[i].stranger =
			fate->facts[fate->named[i].fact].time >= fate->since - AUDIT_SLACK;
	for (size_t i = 0; i < list->n; i++) {
		n = audit_fate_named(fate, list->all[i].bare, &first);
		for (size_t k = first; k < first + n; k++)
			fate->named[k].stranger = false;
	}
}

bool
audit_fate_is_own(const struct audit_fate *fate, size_t named)
{
	const struct audit_fact *fact = &fate->facts[fate->named[named].fact];
	const struct audit_fact *accepted = acceptance(fate);
	struct qf_slice written;

	if (!is_log(fact))
		return false;
	if (fate->named[named].stranger)
		return false;
	if (fact->controller.there)
		return audit_fate_is_as(fate, fact, audit_fate_text(fate, fate->named[named].bare));
	written = audit_fate_text(fate, fate->named[named].written);
	return !written.n || written.p[0] == '<' || !accepted || !accepted->smtp;
}

bool
audit_fate_is_done(const struct audit_fate *fate, size_t *proof)
{
	if (fate->nobody)
		return false;
	for (size_t member = 0; member < fate->nids; member++) {
		bool done = false, parted = false, names = false;

		for (size_t i = 0; i < fate->nfacts; i++) {
			const struct audit_fact *fact = &fate->facts[i];

			if (fact->member != member)
				continue;
			parted |= fact->says == AUDIT_SAYS_PARTED;
			names |= fact->names;
			if (fact->says != AUDIT_SAYS_DONE ||
			    (fate->since && fact->time < fate->since - AUDIT_SLACK))
				continue;
			done = true;
			*proof = i;
		}
		/* Of one whose recipients all went to others no line says that it is gone. */
		if (!done && (!parted || names || fate->nids == 1))
			return false;
	}
	return true;
}

static bool
is_listed(const struct audit_recipients *list, struct qf_slice bare)
{
	for (size_t i = 0; i < list->n; i++)
		if (audit_compare(list->all[i].bare, bare) == 0)
			return true;
	return false;
}

/* Is the controller one of the list by its very name, and another than this one? */
static bool
is_of_another(const struct audit_fate *fate, const struct audit_fact *fact,
	      const struct audit_recipients *list, struct qf_slice bare)
{
	return fact->controller.there && !audit_fate_is_as(fate, fact, bare) &&
	       is_listed(list, audit_fate_text(fate, fact->controller));
}

bool
audit_fate_alias(const struct audit_fate *fate, const struct audit_recipients *list,
		 struct qf_slice bare)
{
	struct qf_slice before = {NULL, 0};
	const struct audit_fact *accepted = acceptance(fate);
	int64_t nrcpts = accepted ? accepted->nrcpts : -1, strangers = 0, itself = QF_TIME_NONE;
	size_t first, n = audit_fate_named(fate, bare, &first);

	for (size_t i = first; i < first + n; i++) {
		const struct audit_fact *fact = &fate->facts[fate->named[i].fact];

		if (fact->says == AUDIT_SAYS_SENT && is_log(fact))
			return false;
		if (fact->says == AUDIT_SAYS_DEFERRED && fact->time > itself)
			itself = fact->time;
	}
	for (size_t i = 0; i < fate->nnamed; i++) {
		const struct audit_fact *fact = &fate->facts[fate->named[i].fact];
		struct qf_slice named = audit_fate_text(fate, fate->named[i].bare);

		/* As long as it is tried under its own name, it was not looked up. */
		if ((fact->says != AUDIT_SAYS_SENT && fact->says != AUDIT_SAYS_FAILED) || !is_log(fact) ||
		    fact->time <= itself)
			continue;
		if (is_listed(list, named) || is_of_another(fate, fact, list, bare))
			continue;
		if (!audit_fate_is_own(fate, i))
			return true;
		/* By address: each of them once. */
		strangers += !before.p || audit_compare(before, named) != 0;
		before = named;
	}
	/* Who was served before it was seen is a stranger, too, and counted among those it was
	   accepted for. */
	return strangers && (nrcpts < 0 || strangers + (int64_t)list->n > nrcpts);
}

/* The first of those sent as the same alias; all of which no line says as what they were are of
   one. */
static bool
is_first_as(const struct audit_fate *fate, size_t named)
{
	const struct audit_fact *fact = &fate->facts[fate->named[named].fact];
	struct qf_slice controller = audit_fate_text(fate, fact->controller);

	for (size_t i = 0; i < named; i++) {
		const struct audit_fact *other = &fate->facts[fate->named[i].fact];

		if (!is_log(other) || audit_fate_is_own(fate, i))
			continue;
		if (controller.p ? audit_fate_is_as(fate, other, controller)
				 : !other->controller.there)
			return false;
	}
	return true;
}

/* In how many ways the log writes who has this address under his own name; sendmail tells domains
   apart by the case of their letters, and counts each. */
static size_t
count_own(const struct audit_fate *fate, struct qf_slice bare)
{
	size_t first, n = audit_fate_named(fate, bare, &first), own = n == 0;

	for (size_t i = first; i < first + n; i++) {
		struct qf_slice written = audit_fate_text(fate, fate->named[i].written);
		bool is_new = audit_fate_is_own(fate, i);

		for (size_t k = first; k < i && is_new; k++)
			is_new = !audit_fate_is_own(fate, k) ||
				 audit_compare(audit_fate_text(fate, fate->named[k].written),
					       written) != 0;
		own += is_new;
	}
	return own;
}

/*
 * A message has the priority size - class * ClassFactor + recipients * RecipientFactor when it is
 * accepted. Where aliases are looked up at once, it is reckoned anew, with their members in the place
 * of the aliases, and with the length of the header besides: which leaves a rest. What is tried out
 * of the queue has RetryFactor more for each time, and no rest, where the aliases stand there yet
 * (observed, 8.17).
 */
bool
audit_fate_expanded(const struct audit_fate *fate, size_t *n)
{
	const struct audit_fact *accepted = acceptance(fate), *first = NULL;
	int64_t more;

	/* Above class 0 a priority would be negative, and is not logged as it is (observed). */
	if (!fate->factor || !accepted || !accepted->smtp || accepted->size < 0 ||
	    accepted->mail_class > 0 || accepted->mail_class < -1000 || fate->split)
		return false;
	/* A priority only grows; and the later tries of a message wait. */
	for (size_t i = 0; i < fate->nfacts; i++) {
		const struct audit_fact *fact = &fate->facts[i];

		if (fact->priority >= 0 &&
		    (!first || fact->priority < first->priority ||
		     (fact->priority == first->priority && fact->waited < first->waited)))
			first = fact;
	}
	if (!first || first->waited < 0 || first->waited > 1)
		return false;
	more = first->priority - accepted->size + accepted->mail_class * fate->class_factor;
	*n = more > 0 ? (size_t)(more / fate->factor) : 0;
	return *n && (int64_t)*n >= accepted->nrcpts && more % fate->factor != 0;
}

size_t
audit_fate_rest(const struct audit_fate *fate, const struct audit_recipients *list, int64_t nrcpts,
		bool left, char why[256])
{
	size_t own = 0, aliases = 0, proof, known, all;
	bool expanded = audit_fate_expanded(fate, &all);

	*why = '\0';
	if (audit_fate_is_done(fate, &proof) || (expanded && list->n >= all))
		return 0;
	if (expanded && !left) {
		snprintf(why, 256,
			 "by its priority it was for %zu, aliases looked up, and the log names %zu of them",
			 all, list->n);
		return all - list->n;
	}
	for (size_t i = 0; i < list->n; i++)
		own += count_own(fate, list->all[i].bare);
	for (size_t i = 0; i < fate->nnamed; i++) {
		const struct audit_fact *fact = &fate->facts[fate->named[i].fact];

		aliases += is_log(fact) && !audit_fate_is_own(fate, i) && is_first_as(fate, i) &&
			   !(fact->controller.there &&
			     is_listed(list, audit_fate_text(fate, fact->controller)));
	}
	known = own + aliases;
	if (nrcpts > (int64_t)known) {
		snprintf(why, 256, "it was accepted for %lld, and the log names %zu of them",
			 (long long)nrcpts, known);
		return (size_t)nrcpts - known;
	}
	/* Nor are more names than that, in whatever form, those of who it was accepted for. */
	if (!aliases && nrcpts >= 0 && own > (size_t)nrcpts)
		aliases = 1;
	if (!aliases || left)
		return 0;
	snprintf(why, 256,
		 "sent to members of an alias; whether to all of them, no line says ('done' of "
		 "LogLevel 10 does)");
	return aliases;
}
