/*
 * maillog_fields - what sendmail says in a line: QUEUEID: TEXT.
 */
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "maillog_text.h"

/* Undo the escapes of syslog lines: \t, \n, \374, \\. */
static struct qf_slice
unescape(struct qf_slice text, struct qf_buf *plain)
{
	static const char letters[] = "abfnrtv", means[] = "\a\b\f\n\r\t\v";

	qf_buf_clear(plain);
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		const char *letter;

		if (c != '\\' || i + 1 == text.n) {
			qf_buf_addc(plain, c);
			continue;
		}
		c = text.p[++i];
		letter = c ? strchr(letters, c) : NULL;
		if (letter) {
			qf_buf_addc(plain, means[letter - letters]);
		} else if (i + 2 < text.n && c >= '0' && c <= '3' && text.p[i + 1] >= '0' &&
			   text.p[i + 1] <= '7' && text.p[i + 2] >= '0' && text.p[i + 2] <= '7') {
			qf_buf_addc(plain, (char)((c - '0') * 64 + (text.p[i + 1] - '0') * 8 +
						  (text.p[i + 2] - '0')));
			i += 2;
		} else {
			if (c != '\\')
				qf_buf_addc(plain, '\\');
			qf_buf_addc(plain, c);
		}
	}
	return (struct qf_slice){plain->p, plain->n};
}

static bool
add_child(struct qf_log_fields *fields, struct qf_log_event *event, struct qf_slice id, bool *nomem)
{
	size_t room = event->nchildren;
	struct qf_slice *own = qf_arena_array(&fields->arena, room + 1, sizeof(*own));

	if (!own) {
		*nomem = true;
		return false;
	}
	if (room > 0)
		memcpy(own, event->children, room * sizeof(*own));
	own[event->nchildren++] = id;
	event->children = own;
	return true;
}

/* split: [...,] count=N, id=NEW or ids=A; B */
static void
read_split(struct qf_log_fields *fields, struct qf_slice text, struct qf_log_event *event,
	   bool *nomem)
{
	size_t at = qf_text_find(text, ", id");
	struct qf_slice rest;

	event->kind = QF_LOG_SPLIT;
	if (at == text.n)
		return;
	rest = qf_text_from(text, at);
	at = qf_text_find(rest, "=");
	rest = at < rest.n ? qf_text_from(rest, at + 1) : (struct qf_slice){rest.p, 0};
	while (rest.n > 0) {
		size_t n = 0;

		while (n < rest.n && rest.p[n] != ';' && rest.p[n] != ' ' && rest.p[n] != ',')
			n++;
		if (n > 0 && !add_child(fields, event, (struct qf_slice){rest.p, n}, nomem))
			return;
		rest = qf_text_from(rest, n < rest.n ? n + 1 : n);
	}
}

static void
read_report(struct qf_slice text, struct qf_log_event *event)
{
	size_t colon = qf_text_find(text, ": ");
	struct qf_slice what = colon < text.n ? qf_text_from(text, colon + 2) : text;

	event->kind = QF_LOG_REPORT;
	event->reason = what;
	if (qf_text_starts(what, "Warning: could not send message for past"))
		event->report = QF_LOG_REPORT_WARNING;
	else if (qf_text_starts(what, "Cannot send message for"))
		event->report = QF_LOG_REPORT_EXPIRED;
	else if (qf_text_starts(what, "Return receipt"))
		event->report = QF_LOG_REPORT_RECEIPT;
	else
		event->report = QF_LOG_REPORT_FAILURE;
}

/* ruleset=..., milter=...: what it led to. */
static bool
read_verdict(struct qf_slice text, struct qf_log_event *event)
{
	static const struct {
		const char *word;
		enum qf_log_kind kind;
	} verdicts[] = {
		{", reject=", QF_LOG_REJECT},
		{", quarantine=", QF_LOG_QUARANTINE},
		{", discard", QF_LOG_DISCARD},
	};

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(*verdicts); i++) {
		size_t at = qf_text_find(text, verdicts[i].word);

		if (at == text.n)
			continue;
		event->kind = verdicts[i].kind;
		event->reason = qf_text_from(text, at + strlen(verdicts[i].word));
		return true;
	}
	return false;
}

/* The id in a path of a control file: "./qf6AQ8...: why". */
static void
id_of_path(struct qf_slice text, struct qf_log_event *event)
{
	for (size_t i = 0; i + 2 < text.n; i++)
		if ((text.p[i] == 'q' || text.p[i] == 'Q' || text.p[i] == 'h') &&
		    text.p[i + 1] == 'f' && (i == 0 || text.p[i - 1] == '/') &&
		    (qf_log_id(qf_text_from(text, i + 2), &event->id)))
			return;
}

/* Lines that begin with a word. X: with a queue id, or without. */
static bool
read_word(struct qf_slice text, struct qf_log_event *event)
{
	static const struct {
		const char *word;
		enum qf_log_kind kind;
	} words[] = {
		{"done; delay=", QF_LOG_DONE},
		{"quarantine=", QF_LOG_QUARANTINE},
		{"unquarantine", QF_LOG_UNQUARANTINE},
		{"discarded", QF_LOG_DISCARD},
		{"locked", QF_LOG_LOCKED},
		{"changed", QF_LOG_CHANGED},
		{"too young", QF_LOG_YOUNG},
		{"Losing ", QF_LOG_LOSING},
		{"bogus queue file", QF_LOG_LOSING},
		{"collect: premature EOM", QF_LOG_ABORTED},
		{"collect: unexpected close", QF_LOG_ABORTED},
		{"lost input channel", QF_LOG_ABORTED},
		{"runqueue: ", QF_LOG_RUN},
		{"starting daemon", QF_LOG_DAEMON},
		{"restarting ", QF_LOG_DAEMON},
		{"stopping daemon", QF_LOG_DAEMON},
	};
	struct qf_slice body = qf_text_starts(text, "queueup: ") ? qf_text_from(text, 9) : text;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (!qf_text_starts(body, words[i].word))
			continue;
		event->kind = words[i].kind;
		if (event->kind == QF_LOG_QUARANTINE)
			event->reason = qf_text_from(body, strlen("quarantine="));
		if (event->kind == QF_LOG_LOSING) {
			event->reason = body;
			id_of_path(body, event);
		}
		if (event->kind == QF_LOG_DONE) {
			size_t tries = qf_text_find(body, "ntries=");
			struct qf_slice delay;

			delay = qf_text_from(body, strlen(words[i].word));
			delay.n = qf_text_find(delay, ",");
			event->delay = qf_log_span(delay);
			if (tries < body.n)
				event->tries = qf_log_number(qf_text_from(body, tries + 7));
		}
		return true;
	}
	return false;
}

static void
read_error(struct qf_slice text, struct qf_log_event *event)
{
	size_t at = qf_text_find(text, "Losing ");

	event->kind = qf_text_has(text, "cannot flock(") || qf_text_has(text, "cannot lockf(")
			      ? QF_LOG_NO_LOCK
			      : QF_LOG_ERROR;
	event->reason = text;
	if (at < text.n || qf_text_has(text, "bogus queue file")) {
		event->kind = QF_LOG_LOSING;
		if (!event->id.p)
			id_of_path(at < text.n ? qf_text_from(text, at) : text, event);
	}
}

/* ------------------------------------------------------------------ a line */

bool
qf_log_id(struct qf_slice text, struct qf_slice *id)
{
	size_t n = 0;

	/* All forms of an id end with a pid of five digits or more. */
	while (n < text.n && n < QF_NAME_MAX &&
	       ((text.p[n] >= '0' && text.p[n] <= '9') || (text.p[n] >= 'a' && text.p[n] <= 'z') ||
		(text.p[n] >= 'A' && text.p[n] <= 'Z')))
		n++;
	if (n < 8 || n >= text.n || (text.p[n] != ':' && text.p[n] != '[' && text.p[n] != ','))
		return false;
	for (size_t i = n - 5; i < n; i++)
		if (!qf_text_digit(text.p[i]))
			return false;
	*id = (struct qf_slice){text.p, n};
	return true;
}

/* The programs of sendmail, whatever they are about. */
static bool
is_sendmail(struct qf_slice ident)
{
	static const char *const names[] = {"sendmail", "sm-"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (ident.n >= strlen(names[i]) &&
		    strncasecmp(ident.p, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

bool
qf_log_fields_read(struct qf_log_fields *fields, const struct qf_log_head *head,
		   struct qf_log_event *event, bool *nomem)
{
	struct qf_slice text = head->text, child;
	struct qf_log_event given = *event;
	bool named = is_sendmail(head->ident);

	memset(event, 0, sizeof(*event));
	event->line = given.line;
	event->lines = given.lines;
	event->offset = given.offset;
	event->cut = given.cut;
	event->time = QF_TIME_NONE;
	event->host = head->host;
	event->ident = head->ident;
	event->pid = head->pid;
	event->size = event->nrcpts = event->tries = -1;
	event->delay = event->xdelay = event->priority = -1;
	if (text.n > 0 && memchr(text.p, '\\', text.n)) {
		text = unescape(text, &fields->plain);
		if (fields->plain.failed) {
			*nomem = true;
			return false;
		}
	}
	qf_arena_clear(&fields->arena);
	if (qf_log_id(text, &event->id) && text.p[event->id.n] == ':' && text.n > event->id.n + 1 &&
	    text.p[event->id.n + 1] == ' ') {
		text = qf_text_from(text, event->id.n + 2);
	} else {
		event->id = (struct qf_slice){NULL, 0};
		if (qf_text_starts(text, "NOQUEUE: "))
			text = qf_text_from(text, 9);
	}
	event->text = text;
	if (event->id.p) {
		if (qf_text_starts(text, "to="))
			return qf_log_delivery(fields, text, event, nomem);
		if (qf_text_starts(text, "from="))
			return qf_log_accepted(text, event) || (!*nomem && named);
		if (qf_text_starts(text, "split: ")) {
			read_split(fields, text, event, nomem);
			return !*nomem;
		}
		if (qf_log_id(text, &child) && qf_text_starts(qf_text_from(text, child.n), ": ")) {
			struct qf_slice rest = qf_text_from(text, child.n + 2);

			if (!add_child(fields, event, child, nomem))
				return false;
			if (qf_text_starts(rest, "clone: ")) {
				event->kind = QF_LOG_CLONE;
				if (qf_text_starts(rest, "clone: owner="))
					event->sender = qf_text_from(rest, 13);
			} else {
				read_report(rest, event);
			}
			return true;
		}
	}
	if (qf_text_starts(text, "SYSERR(")) {
		read_error(text, event);
		return event->id.p || named;
	}
	if (qf_text_starts(text, "ruleset=") || qf_text_starts(text, "milter=") ||
	    qf_text_starts(text, "Milter: "))
		return read_verdict(text, event) || named;
	if (read_word(text, event))
		return event->id.p || named;
	if (!named)
		return false;
	if (event->id.p && qf_text_has(text, "... ") &&
	    (qf_text_starts(text, "<") || qf_text_find(text, "@") < qf_text_find(text, " "))) {
		event->kind = QF_LOG_REJECT;
		event->reason = qf_text_from(text, qf_text_find(text, "... ") + 4);
	}
	return true;
}
