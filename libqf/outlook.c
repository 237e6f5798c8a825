/*
 * outlook - what sendmail will do with a message, and when.
 *
 * Origin: sendmail/queue.c gatherq() and readqf() for "too young", sendmail/envelope.c
 * dropenvelope() for warning and return, and the reference's chapter 5 for what was seen of the
 * running program.
 */
#include <string.h>
#include <strings.h>

#include "qf.h"

static bool
is_word(struct qf_slice text, const char *word)
{
	while (text.n && (text.p[text.n - 1] == ' ' || text.p[text.n - 1] == '\t'))
		text.n--;
	return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

/* "multipart/report; ... report-type=delivery-status", blanks and line ends allowed. */
static bool
is_report(struct qf_slice type)
{
	static const char multipart[] = "multipart/report";
	static const char parameter[] = "report-type=delivery-status";

	if (type.n < sizeof(multipart) - 1 ||
	    strncasecmp(type.p, multipart, sizeof(multipart) - 1))
		return false;
	for (size_t i = sizeof(multipart) - 1; i + sizeof(parameter) - 1 <= type.n; i++)
		if (strncasecmp(type.p + i, parameter, sizeof(parameter) - 1) == 0)
			return true;
	return false;
}

/* Precedence: of a message, by the values of the stock configuration. */
static int
precedence(struct qf_slice value)
{
	if (is_word(value, "special-delivery"))
		return 100;
	if (is_word(value, "list"))
		return -30;
	if (is_word(value, "bulk"))
		return -60;
	if (is_word(value, "junk"))
		return -100;
	return 0;
}

/* The headers that decide, first of each name; found in one pass, for this runs for every message. */
struct deciding {
	struct qf_slice precedence, priority, content_type;
};

static void
note_header(struct qf_msg *msg, const struct qf_header *header, const char *name,
	    struct qf_slice *value)
{
	if (!value->p && strncasecmp(header->name.p, name, header->name.n) == 0)
		*value = qf_header_text(msg, header);
}

static struct deciding
deciding_headers(struct qf_msg *msg)
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	struct deciding found = {0};

	for (size_t i = 0; i < env->nheaders; i++) {
		switch (env->headers[i].name.n) {
		case sizeof("Priority") - 1:
			note_header(msg, &env->headers[i], "Priority", &found.priority);
			break;
		case sizeof("Precedence") - 1:
			note_header(msg, &env->headers[i], "Precedence", &found.precedence);
			break;
		case sizeof("Content-Type") - 1:
			note_header(msg, &env->headers[i], "Content-Type", &found.content_type);
			break;
		}
	}
	return found;
}

/* Later rules override earlier ones, as in the reference, 5.6. */
static enum qf_timeout_class
timeout_class(struct qf_msg *msg, int *message_precedence)
{
	const struct deciding headers = deciding_headers(msg);
	enum qf_timeout_class class = QF_CLASS_NORMAL;

	*message_precedence = precedence(headers.precedence);
	if (*message_precedence != 0)
		class = *message_precedence < 0 ? QF_CLASS_NONURGENT : QF_CLASS_URGENT;
	if (is_report(headers.content_type))
		class = QF_CLASS_DSN;
	if (is_word(headers.priority, "urgent"))
		class = QF_CLASS_URGENT;
	else if (is_word(headers.priority, "normal"))
		class = QF_CLASS_NORMAL;
	else if (is_word(headers.priority, "non-urgent"))
		class = QF_CLASS_NONURGENT;
	else if (qf_msg_envelope(msg)->flags & QF_FLAG(RESPONSE))
		class = QF_CLASS_DSN;
	return class;
}

/* Saturates, short of QF_TIME_NONE: both may come from strangers. */
static int64_t
add(int64_t when, int64_t span)
{
	int64_t sum;

	if (__builtin_add_overflow(when, span, &sum))
		return span < 0 ? QF_TIME_NONE + 1 : INT64_MAX;
	return sum == QF_TIME_NONE ? QF_TIME_NONE + 1 : sum;
}

/* From when on a try is allowed; QF_TIME_NONE for what no run tries. */
static int64_t
next_try(const struct qf_msg *msg, const struct qf_policy *policy, int64_t now)
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	int64_t due, doubled;
	enum qf_fate fate = qf_msg_fate(msg);

	if (qf_msg_state(msg) != QF_STATE_QUEUED || env->quarantine.p ||
	    (fate != QF_FATE_IGNORED && fate != QF_FATE_EMPTY_MESSAGE))
		return QF_TIME_NONE;
	/* Never tried, or by the clock of a host that runs ahead of ours (now - K < 0 is not "too
	   young" to sendmail): at once. */
	if (env->tries <= 0 || env->last_try == QF_TIME_NONE || env->last_try > now)
		return env->created != QF_TIME_NONE ? env->created : now;
	due = add(env->last_try, policy->min_queue_age);
	/* The wait doubles with MaxQueueAge: as long again as the message had waited by then. */
	if (policy->max_queue_age > 0 && env->created != QF_TIME_NONE) {
		doubled = qf_time_between(env->created, env->last_try);
		if (doubled > policy->max_queue_age)
			doubled = policy->max_queue_age;
		if (doubled > 0 && add(env->last_try, doubled) > due)
			due = add(env->last_try, doubled);
	}
	return due;
}

/* Deliver-by in mode "return" (not "notify") sets a return time of its own. */
static int64_t
return_time(const struct qf_envelope *env, const struct qf_policy *policy,
	    enum qf_timeout_class class)
{
	int64_t span = policy->queue_return[class];
	int64_t when = QF_TIME_NONE;

	if (env->created == QF_TIME_NONE)
		return QF_TIME_NONE;
	if (span == QF_SPAN_NOW && !(env->flags & QF_FLAG(RESPONSE)))
		when = env->created;
	else if (span != QF_SPAN_NEVER)
		when = add(env->created, span == QF_SPAN_NOW ? 0 : span);
	if (env->deliver_by.present && (env->deliver_by.flag & 0x02) &&
	    !(env->flags & QF_FLAG(RESPONSE))) {
		int64_t by = add(env->created, env->deliver_by.seconds);

		if (when == QF_TIME_NONE || by < when)
			when = by;
	}
	return when;
}

static bool
starts_with(struct qf_slice text, const char *word)
{
	size_t n = strlen(word);

	return text.n >= n && strncasecmp(text.p, word, n) == 0;
}

/* Null senders, list owners and "-request" addresses get no warning. */
static bool
sender_wants_warning(struct qf_slice sender)
{
	struct qf_slice local = sender;
	const char *at;

	if (local.n && local.p[0] == '<') {
		local.p++;
		local.n--;
	}
	at = local.n ? memchr(local.p, '@', local.n) : NULL;
	if (at)
		local.n = (size_t)(at - local.p);
	else if (local.n && local.p[local.n - 1] == '>')
		local.n--;
	if (local.n == 0 || starts_with(local, "owner-"))
		return false;
	return local.n < 8 || strncasecmp(local.p + local.n - 8, "-request", 8) != 0;
}

static int64_t
warning_time(const struct qf_envelope *env, const struct qf_policy *policy,
	     enum qf_timeout_class class, int message_precedence)
{
	int64_t span = policy->queue_warn[class];
	int64_t when = QF_TIME_NONE;
	bool wanted = false;

	if (env->created == QF_TIME_NONE || (env->flags & (QF_FLAG(WARNED) | QF_FLAG(RESPONSE))) ||
	    message_precedence < 0 || !sender_wants_warning(env->sender))
		return QF_TIME_NONE;
	for (size_t i = 0; i < env->nrecipients && !wanted; i++)
		wanted = env->recipients[i].flags & QF_RCPT(DELAY);
	if (!wanted)
		return QF_TIME_NONE;
	if (span > 0 && span != QF_SPAN_NEVER)
		when = add(env->created, span);
	if (env->deliver_by.present && (env->deliver_by.flag & 0x01)) {
		int64_t by = add(env->created, env->deliver_by.seconds);

		if (when == QF_TIME_NONE || by < when)
			when = by;
	}
	return when;
}

void
qf_outlook_of(struct qf_msg *msg, const struct qf_policy *policy, int64_t now,
	      struct qf_outlook *out)
{
	const struct qf_envelope *env = qf_msg_envelope(msg);
	int message_precedence;

	out->timeout_class = timeout_class(msg, &message_precedence);
	out->due = next_try(msg, policy, now);
	out->warn_at = warning_time(env, policy, out->timeout_class, message_precedence);
	out->bounce_at = return_time(env, policy, out->timeout_class);
	out->young = env->tries > 0 && out->due != QF_TIME_NONE && out->due > now;
	out->expired = out->bounce_at != QF_TIME_NONE && out->bounce_at <= now;
	out->warned = env->flags & QF_FLAG(WARNED);
}
