/*
 * maillog_level - the LogLevel a log seems to have been written at.
 *
 * What a level adds, as seen on sendmail 8.17.1.9 at each of 0, 2, 5, 7, 8, 9, 10, 14 to 20 and 30
 * with the same mail (deferred, sent, returned, a list with an owner, quarantined):
 *
 *	5	from=, clone
 *	6	reports (DSN)
 *	7	to= of failures for good
 *	8	to=, stat=Sent
 *	9	to= of deferrals, of what is only queued or quarantined
 *	10	done; "started as" and "stopping daemon"; and "connect from" for every client
 *	15	the SMTP dialogue, "<-- "
 *	20	locked, changed, too young
 *
 * quarantine= of sendmail -Q, SYSERR and the start of a daemon are there at every level.
 */
#include <string.h>

#include "maillog.h"

const char *
qf_log_kind_name(enum qf_log_kind kind)
{
	static const char *const names[] = {
#define X(id, word) word,
		QF_LOG_KINDS(X)
#undef X
	};

	return kind < QF_LOG_KIND_COUNT ? names[kind] : "";
}

const char *
qf_log_outcome_name(enum qf_log_outcome outcome)
{
	static const char *const names[] = {
#define X(id, word) word,
		QF_LOG_OUTCOMES(X)
#undef X
	};

	return outcome < QF_LOG_OUTCOME_COUNT ? names[outcome] : "";
}

const char *
qf_log_report_name(enum qf_log_report report)
{
	static const char *const names[] = {"", "failure", "expired", "warning", "receipt"};

	return report <= QF_LOG_REPORT_RECEIPT ? names[report] : "";
}

const char *
qf_log_by_name(enum qf_log_by by)
{
	static const char *const names[] = {
		"the lines", "the export", "the caller", "queue ids", "the file's last change",
		"nothing"};

	return by <= QF_LOG_BY_NOTHING ? names[by] : "";
}

const char *
qf_log_proof_name(enum qf_log_proof proof)
{
	static const char *const names[] = {
#define X(id, word, above) word,
		QF_LOG_PROOFS(X)
#undef X
	};

	return proof < QF_LOG_PROOF_COUNT ? names[proof] : "";
}

static bool
begins(const struct qf_log_event *event, const char *word)
{
	return event->text.n >= strlen(word) && memcmp(event->text.p, word, strlen(word)) == 0;
}

unsigned
qf_log_saw(const struct qf_log_event *event)
{
	unsigned saw = QF_LOG_SAW_ANY;

	switch (event->kind) {
	case QF_LOG_ACCEPTED:
	case QF_LOG_CLONE:
		return saw | QF_LOG_SAW_ACCEPTED;
	case QF_LOG_REPORT:
		return saw | QF_LOG_SAW_REPORT;
	case QF_LOG_SPLIT:
		return saw | QF_LOG_SAW_DEFERRED;
	case QF_LOG_DONE:
		return saw | QF_LOG_SAW_DONE;
	case QF_LOG_LOCKED:
	case QF_LOG_CHANGED:
	case QF_LOG_YOUNG:
		return saw | QF_LOG_SAW_LOCKED;
	case QF_LOG_DELIVERY:
		if (event->outcome == QF_LOG_IS_SENT)
			return saw | QF_LOG_SAW_SENT;
		if (event->outcome == QF_LOG_IS_FAILED)
			return saw | QF_LOG_SAW_FAILED;
		if (event->outcome == QF_LOG_IS_DEFERRED || event->outcome == QF_LOG_IS_QUEUED ||
		    event->outcome == QF_LOG_IS_QUARANTINED)
			return saw | QF_LOG_SAW_DEFERRED;
		return saw;
	case QF_LOG_DAEMON:
		return begins(event, "stopping daemon") ? saw | QF_LOG_SAW_STARTED : saw;
	case QF_LOG_OTHER:
		if (!event->id.p && begins(event, "started as: "))
			return saw | QF_LOG_SAW_STARTED;
		if (event->id.p && begins(event, "<-- "))
			return saw | QF_LOG_SAW_COMMANDS;
		if (!event->id.p && begins(event, "connect from "))
			return saw | QF_LOG_SAW_CONNECT;
		return saw;
	default:
		return saw;
	}
}

void
qf_log_level(unsigned saw, struct qf_log_level *out)
{
	static const struct {
		unsigned saw;
		int level;
	} least[] = {
		{QF_LOG_SAW_LOCKED, 20},
		{QF_LOG_SAW_COMMANDS, 15},
		{QF_LOG_SAW_DONE | QF_LOG_SAW_CONNECT | QF_LOG_SAW_STARTED, 10},
		{QF_LOG_SAW_DEFERRED, 9},
		{QF_LOG_SAW_SENT, 8},
		{QF_LOG_SAW_FAILED, 7},
		{QF_LOG_SAW_REPORT, 6},
		{QF_LOG_SAW_ACCEPTED, 5},
	};
	static const int above[] = {
#define X(id, word, level) level,
		QF_LOG_PROOFS(X)
#undef X
	};

	out->low = 0;
	for (size_t i = 0; i < sizeof(least) / sizeof(*least) && out->low == 0; i++)
		if (saw & least[i].saw)
			out->low = least[i].level;
	/* Every message has its from=, every client its connect, every command its line, and a
	   message that came in is sent, deferred or queued. */
	if (saw & QF_LOG_SAW_COMMANDS || out->low >= 15)
		out->high = 98;
	else if (saw & (QF_LOG_SAW_CONNECT | QF_LOG_SAW_DONE))
		out->high = 14;
	else if (saw & (QF_LOG_SAW_SENT | QF_LOG_SAW_DEFERRED))
		out->high = 9;
	else if (saw & (QF_LOG_SAW_ACCEPTED | QF_LOG_SAW_REPORT | QF_LOG_SAW_FAILED))
		out->high = 7;
	else
		out->high = 4;
	if (out->high < out->low)
		out->high = 98;
	out->cannot_prove = 0;
	for (unsigned i = 0; i < QF_LOG_PROOF_COUNT; i++)
		if (out->low <= above[i])
			out->cannot_prove |= 1u << i;
}
