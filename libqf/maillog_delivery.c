/*
 * maillog_delivery - the lines whose fields count: to= (what became of recipients) and from=.
 *
 * Values are not quoted, and strangers write into them: senders choose addresses and message ids,
 * servers their replies. Seen at LogLevel 9, for a server that answers "450 4.1.1 hm, stat=Sent
 * (ok)":
 *
 *	to=<a@b>, ..., dsn=4.2.0, reply=450 4.1.1 hm, stat=Sent (ok), stat=Deferred: 450 4.1.1 hm,
 *...
 *
 * So addresses are read with their quotes and brackets, keys are expected in the order sendmail
 * writes them in, and stat= has to agree with reply= and dsn=; where it does not, nothing is
 * claimed. A to= line of which that much cannot be read is an event all the same, of nobody and
 * unknown: something became of somebody.
 */
#include <string.h>

#include "buf.h"
#include "maillog_text.h"

/* ------------------------------------------------------------------ values */

int64_t
qf_log_number(struct qf_slice s)
{
	int64_t value = 0;
	size_t i = 0;

	for (; i < s.n && i < 18 && qf_text_digit(s.p[i]); i++)
		value = value * 10 + (s.p[i] - '0');
	return i > 0 ? value : -1;
}

int64_t
qf_log_span(struct qf_slice s)
{
	int64_t days = 0;
	size_t plus = qf_text_find(s, "+");

	if (plus < s.n) {
		days = qf_log_number(s);
		s = qf_text_from(s, plus + 1);
		if (days < 0 || days > 1000000)
			return -1;
	}
	if (s.n != 8 || s.p[2] != ':' || s.p[5] != ':')
		return -1;
	for (size_t i = 0; i < 8; i++)
		if (i != 2 && i != 5 && !qf_text_digit(s.p[i]))
			return -1;
	return days * 86400 + qf_log_number(qf_text_from(s, 0)) * 3600 +
	       qf_log_number(qf_text_from(s, 3)) * 60 + qf_log_number(qf_text_from(s, 6));
}

/* Length of an address at the front: up to a comma, or the end, outside of quotes, brackets and
   comments. False where one of those is not closed. */
static bool
address_length(struct qf_slice s, size_t *length)
{
	bool quoted = false;
	int angle = 0, comment = 0;
	size_t i = 0;

	for (; i < s.n; i++) {
		char c = s.p[i];

		if (c == '\\' && i + 1 < s.n) {
			i++;
		} else if (c == '"') {
			quoted = !quoted;
		} else if (quoted) {
			continue;
		} else if (c == '(') {
			comment++;
		} else if (c == ')') {
			comment -= comment > 0;
		} else if (comment) {
			continue;
		} else if (c == '<') {
			angle++;
		} else if (c == '>') {
			angle -= angle > 0;
		} else if (c == ',' && angle == 0) {
			break;
		}
	}
	*length = i;
	return !quoted && angle == 0 && comment == 0;
}

/* ------------------------------------------------------------------ keys in their order */

/* A line's keys as sendmail orders them; each may be missing. */
enum key {
	KEY_CTLADDR,
	KEY_DELAY,
	KEY_XDELAY,
	KEY_MAILER,
	KEY_PRI,
	KEY_RELAY,
	KEY_QUARANTINE,
	KEY_DSN,
	KEY_NTRIES,
	KEY_STAGE,
	KEY_REPLY,
	KEY_STAT, /* of to= */
	KEY_SIZE,
	KEY_CLASS,
	KEY_NRCPTS,
	KEY_MSGID,
	KEY_BODYTYPE,
	KEY_PROTO,
	KEY_DAEMON,
	KEY_TLS,
	KEY_AUTH,
	KEY_FROM_RELAY, /* of from= */
	KEYS
};
static const struct {
	const char *name;
	size_t n;
} keys[KEYS] = {
#define KEY(text)                                                                                  \
	{                                                                                          \
		text "=", sizeof(text)                                                             \
	}
	KEY("ctladdr"), KEY("delay"),	   KEY("xdelay"), KEY("mailer"), KEY("pri"),
	KEY("relay"),	KEY("quarantine"), KEY("dsn"),	  KEY("ntries"), KEY("stage"),
	KEY("reply"),	KEY("stat"),	   KEY("size"),	  KEY("class"),	 KEY("nrcpts"),
	KEY("msgid"),	KEY("bodytype"),   KEY("proto"),  KEY("daemon"), KEY("tls_verify"),
	KEY("auth"),	KEY("relay"),
};

/* The key that s begins with, of those from first to last; last + 1 for none. */
static unsigned
key_at(struct qf_slice s, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		if (s.n >= keys[i].n && s.p[0] == keys[i].name[0] &&
		    memcmp(s.p, keys[i].name, keys[i].n) == 0)
			return i;
	return last + 1;
}

/* Values from s, which begins with ", KEY=" or is empty. False where it does not. */
static bool
read_keys(struct qf_slice s, unsigned first, unsigned last, struct qf_slice values[KEYS])
{
	while (s.n > 0) {
		unsigned key;
		size_t end = 0;

		if (!qf_text_starts(s, ", "))
			return false;
		s = qf_text_from(s, 2);
		key = key_at(s, first, last);
		if (key > last)
			return false;
		s = qf_text_from(s, keys[key].n);
		first = key + 1;
		/* The last one takes the rest; so does reply=, whose end is found with stat=. */
		if (key == last || key == KEY_REPLY) {
			values[key] = s;
			return true;
		}
		for (;;) {
			const char *comma = memchr(s.p + end, ',', s.n - end);

			if (!comma) {
				end = s.n;
				break;
			}
			end = (size_t)(comma - s.p);
			if (end + 2 < s.n && s.p[end + 1] == ' ' &&
			    key_at(qf_text_from(s, end + 2), first, last) <= last)
				break;
			end++;
		}
		values[key] = (struct qf_slice){s.p, end};
		s = qf_text_from(s, end);
	}
	return true;
}

/* ------------------------------------------------------------------ to= */

/* What stat= says, as far as it can be believed beside dsn= and reply=. */
static enum qf_log_outcome
outcome_of(struct qf_slice stat, struct qf_slice dsn, struct qf_slice reply)
{
	char class = !dsn.p ? 0 : dsn.n > 0 && qf_text_digit(dsn.p[0]) ? dsn.p[0] : '?';
	char answer = reply.n > 0 && qf_text_digit(reply.p[0]) ? reply.p[0] : 0;

	if (qf_text_starts(stat, "Sent"))
		return (!class || class == '2') && (!answer || answer == '2') ? QF_LOG_IS_SENT
									      : QF_LOG_IS_UNKNOWN;
	if (qf_text_starts(stat, "Deferred"))
		return class == '2' || class == '5' ? QF_LOG_IS_UNKNOWN : QF_LOG_IS_DEFERRED;
	if (qf_text_starts(stat, "queued"))
		return QF_LOG_IS_QUEUED;
	if (qf_text_starts(stat, "quarantined"))
		return QF_LOG_IS_QUARANTINED;
	if (qf_text_starts(stat, "discarded"))
		return QF_LOG_IS_DISCARDED;
	return class == '5' ? QF_LOG_IS_FAILED : QF_LOG_IS_UNKNOWN;
}

/*
 * reply=TEXT, stat=TEXT, where either text may hold ", stat=". sendmail quotes the reply in stat=,
 * so a false one in the reply stands in both. The first that agrees with dsn= and reply= counts.
 */
static void
split_reply(struct qf_log_event *event, struct qf_slice both)
{
	static const char word[] = ", stat=";
	const size_t n = sizeof(word) - 1;
	bool found = false;

	for (size_t at = 0; at < both.n; at += n) {
		struct qf_slice reply, stat;
		enum qf_log_outcome outcome;

		at += qf_text_find(qf_text_from(both, at), word);
		if (at >= both.n)
			break;
		reply = (struct qf_slice){both.p, at};
		stat = qf_text_from(both, at + n);
		outcome = outcome_of(stat, event->dsn, reply);
		if (!found || outcome != QF_LOG_IS_UNKNOWN) {
			event->reply = reply;
			event->stat = stat;
			event->outcome = outcome;
			found = true;
		}
		if (outcome != QF_LOG_IS_UNKNOWN)
			break;
	}
}

static bool
add_recipient(struct qf_log_fields *fields, struct qf_log_event *event, struct qf_slice address,
	      size_t *room)
{
	struct qf_slice *own = (struct qf_slice *)event->recipients;

	if (event->nrecipients == *room) {
		size_t more = *room ? *room * 2 : 8;
		struct qf_slice *grown = qf_arena_array(&fields->arena, more, sizeof(*grown));

		if (!grown)
			return false;
		if (own)
			memcpy(grown, own, event->nrecipients * sizeof(*grown));
		event->recipients = own = grown;
		*room = more;
	}
	own[event->nrecipients++] = address;
	return true;
}

/* The addresses, up to the keys. False where one of them, or all, are not to be read. */
static bool
read_recipients(struct qf_log_fields *fields, struct qf_slice *rest, struct qf_log_event *event,
		bool *nomem)
{
	size_t room = 0, n;

	for (;;) {
		if (!address_length(*rest, &n) || !n)
			return false;
		if (!add_recipient(fields, event, (struct qf_slice){rest->p, n}, &room)) {
			*nomem = true;
			return false;
		}
		*rest = qf_text_from(*rest, n);
		if (rest->n < 2 || rest->p[1] == ' ')
			return true;
		*rest = qf_text_from(*rest, 1);
	}
}

/* What Postfix and others write has to= and delay= too, but never these. */
static bool
is_whole(const struct qf_log_event *event)
{
	return event->stat.p && event->delay >= 0;
}

bool
qf_log_delivery(struct qf_log_fields *fields, struct qf_slice text, struct qf_log_event *event,
		bool *nomem)
{
	struct qf_slice rest = qf_text_from(text, 3), values[KEYS] = {0};
	bool sound = read_recipients(fields, &rest, event, nomem);

	if (*nomem)
		return false;
	if (sound) {
		if (qf_text_starts(rest, ", [more]"))
			rest = qf_text_from(rest, 8);
		sound = read_keys(rest, KEY_CTLADDR, KEY_STAT, values);
	}
	event->kind = QF_LOG_DELIVERY;
	if (sound) {
		event->controller = values[KEY_CTLADDR];
		event->delay = qf_log_span(values[KEY_DELAY]);
		event->xdelay = qf_log_span(values[KEY_XDELAY]);
		event->priority = qf_log_number(values[KEY_PRI]);
		event->mailer = values[KEY_MAILER];
		event->relay = values[KEY_RELAY];
		event->dsn = values[KEY_DSN];
		event->tries = qf_log_number(values[KEY_NTRIES]);
		event->reason = values[KEY_QUARANTINE];
		if (values[KEY_REPLY].p) {
			split_reply(event, values[KEY_REPLY]);
		} else if (values[KEY_STAT].p) {
			event->stat = values[KEY_STAT];
			event->outcome = outcome_of(event->stat, event->dsn, event->reply);
		}
		if (is_whole(event))
			return true;
	}
	/* An address that was shortened in its quotes, a line that was cut: what became of whom is
	   not known, and it may be anybody. */
	event->recipients = NULL;
	event->nrecipients = 0;
	event->outcome = QF_LOG_IS_UNKNOWN;
	return !qf_text_has(text, ", status=");
}

/* ------------------------------------------------------------------ from= */

bool
qf_log_accepted(struct qf_slice text, struct qf_log_event *event)
{
	struct qf_slice rest = qf_text_from(text, 5), values[KEYS] = {0};
	size_t n;

	if (!address_length(rest, &n)) {
		/* A sender that was shortened in its quotes. */
		n = qf_text_find(rest, ", size=");
		if (n == rest.n)
			return false;
	}
	event->sender = (struct qf_slice){rest.p, n};
	if (!read_keys(qf_text_from(rest, n), KEY_SIZE, KEY_FROM_RELAY, values) ||
	    !values[KEY_SIZE].p)
		return false;
	event->kind = QF_LOG_ACCEPTED;
	event->size = qf_log_number(values[KEY_SIZE]);
	event->nrcpts = qf_log_number(values[KEY_NRCPTS]);
	if (qf_text_starts(values[KEY_CLASS], "-"))
		event->mail_class = -qf_log_number(qf_text_from(values[KEY_CLASS], 1));
	else if (values[KEY_CLASS].n)
		event->mail_class = qf_log_number(values[KEY_CLASS]);
	event->message_id = values[KEY_MSGID];
	event->relay = values[KEY_FROM_RELAY];
	return true;
}
