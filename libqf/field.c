/*
 * field - the field table: the one place that columns, sort keys, filters and groups know
 * fields from.
 */
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "field.h"
#include "near.h"
#include "status.h"

/* ------------------------------------------------------------------ values */

static const struct qf_value none;

static struct qf_value
text_value(struct qf_slice text)
{
	return text.p ? (struct qf_value){.present = true, .text = text} : none;
}

static struct qf_value
made_value(const struct qf_buf *made)
{
	struct qf_slice text = {made->n ? made->p : "", made->n};

	return text_value(text);
}

static struct qf_value
number_value(int64_t number)
{
	return (struct qf_value){.present = true, .number = number};
}

static struct qf_value
time_value(int64_t when)
{
	return when == QF_TIME_NONE ? none : number_value(when);
}

static struct qf_value
since(int64_t now, int64_t when)
{
	return when == QF_TIME_NONE ? none : number_value(qf_time_between(when, now));
}

static const struct qf_envelope *
envelope_of(const struct qf_row *row)
{
	return qf_msg_envelope(row->msg);
}

/* ------------------------------------------------------------------ getters */

#define MAYBE __attribute__((unused))
#define GETTER(name)                                                                               \
	static struct qf_value get_##name(const struct qf_row *row, MAYBE size_t i,                \
					  MAYBE const char *argument,                              \
					  MAYBE struct qf_buf *scratch)
#define SIMPLE_GETTER(name, expression)                                                            \
	GETTER(name)                                                                               \
	{                                                                                          \
		return expression;                                                                 \
	}

SIMPLE_GETTER(id, text_value(qf_msg_files(row->msg)->id))
SIMPLE_GETTER(queue, text_value(qf_msg_files(row->msg)->queue))
SIMPLE_GETTER(file, text_value(qf_msg_files(row->msg)->name))
SIMPLE_GETTER(path, text_value(qf_msg_files(row->msg)->path))
SIMPLE_GETTER(data, text_value(qf_msg_files(row->msg)->data_path))
SIMPLE_GETTER(from, text_value(envelope_of(row)->sender))
SIMPLE_GETTER(envid, text_value(envelope_of(row)->envid))
SIMPLE_GETTER(reason, text_value(envelope_of(row)->quarantine))
SIMPLE_GETTER(age, since(row->now, envelope_of(row)->created))
SIMPLE_GETTER(idle, since(row->now, envelope_of(row)->last_try))
SIMPLE_GETTER(tries, number_value(envelope_of(row)->tries))
SIMPLE_GETTER(nrcpt, number_value((int64_t)envelope_of(row)->nrecipients))
SIMPLE_GETTER(created, time_value(envelope_of(row)->created))
SIMPLE_GETTER(last_try, time_value(envelope_of(row)->last_try))
SIMPLE_GETTER(due, time_value(row->outlook.due))
SIMPLE_GETTER(warn_at, time_value(row->outlook.warn_at))
SIMPLE_GETTER(bounce_at, time_value(row->outlook.bounce_at))
SIMPLE_GETTER(status, text_value(envelope_of(row)->status))
SIMPLE_GETTER(dsn, text_value(qf_status_dsn(envelope_of(row)->status)))
SIMPLE_GETTER(relay, text_value(qf_status_relay(envelope_of(row)->status)))

GETTER(state)
{
	const char *name = qf_state_name(qf_msg_state(row->msg));

	return text_value((struct qf_slice){name, strlen(name)});
}

GETTER(busy)
{
	const struct qf_files *files = qf_msg_files(row->msg);

	if (!files->have_busy || files->busy == QF_UNKNOWN)
		return none;
	return text_value(files->busy == QF_YES ? QF_LITERAL("true") : QF_LITERAL("false"));
}

/* The marks of mailq, and two for what it does not list. */
GETTER(mark)
{
	enum qf_state state = qf_msg_state(row->msg);

	if (qf_msg_files(row->msg)->busy == QF_YES)
		return text_value(QF_LITERAL("*"));
	if (state == QF_STATE_LOST)
		return text_value(QF_LITERAL("?"));
	if (qf_msg_fate(row->msg) != QF_FATE_IGNORED)
		return text_value(QF_LITERAL("!"));
	if (state == QF_STATE_HELD)
		return text_value(QF_LITERAL("h"));
	return row->outlook.young ? text_value(QF_LITERAL("-")) : none;
}

GETTER(flags)
{
	static const char *const names[] = {
#define X(flag, letter, name, help) name,
		QF_FLAGS(X)
#undef X
	};
	unsigned flags = envelope_of(row)->flags;

	qf_buf_clear(scratch);
	for (size_t bit = 0; bit < sizeof(names) / sizeof(names[0]); bit++) {
		if (!(flags & 1u << bit))
			continue;
		if (scratch->n)
			qf_buf_addc(scratch, ' ');
		qf_buf_adds(scratch, names[bit]);
	}
	return scratch->n ? made_value(scratch) : none;
}

GETTER(priority)
{
	const struct qf_envelope *env = envelope_of(row);

	return env->has_priority ? number_value(env->priority) : none;
}

GETTER(size)
{
	int64_t size = qf_msg_files(row->msg)->data_size;

	return size >= 0 ? number_value(size) : none;
}

GETTER(rcpt)
{
	const struct qf_envelope *env = envelope_of(row);

	return i < env->nrecipients ? text_value(env->recipients[i].address) : none;
}

GETTER(domain)
{
	const struct qf_envelope *env = envelope_of(row);

	if (i >= env->nrecipients)
		return none;
	qf_buf_clear(scratch);
	qf_address_domain(env->recipients[i].address, scratch);
	return made_value(scratch);
}

static const struct qf_slice daemon_name = QF_DAEMON_NAME;

GETTER(from_domain)
{
	if (!envelope_of(row)->sender.p)
		return none;
	if (qf_row_null_sender(row))
		return text_value(daemon_name);
	qf_buf_clear(scratch);
	qf_address_domain(envelope_of(row)->sender, scratch);
	return made_value(scratch);
}

GETTER(header)
{
	const struct qf_envelope *env = envelope_of(row);
	size_t n = argument ? strlen(argument) : 0;

	for (size_t k = 0; n && k < env->nheaders; k++) {
		const struct qf_header *header = &env->headers[k];

		if (header->name.n == n && strncasecmp(header->name.p, argument, n) == 0)
			return text_value(qf_row_header_text(row, header, scratch));
	}
	return none;
}

GETTER(subject)
{
	return get_header(row, i, "Subject", scratch);
}

GETTER(message_id)
{
	return get_header(row, i, "Message-ID", scratch);
}

GETTER(body)
{
	return qf_row_body(row, scratch);
}

/* ------------------------------------------------------------------ the table */

#define TEXT QF_FIELD_TEXT
#define NUMBER QF_FIELD_NUMBER
#define SIZE QF_FIELD_SIZE
#define AGE QF_FIELD_AGE
#define TIME QF_FIELD_TIME
#define HEADERS QF_NEED_HEADERS

/* Timeouts depend on the Priority: and other headers, the next try on what the file's mode is. */
static const struct qf_field table[] = {
	{"mark", "", TEXT, 1, false, false, QF_NEED_BUSY | QF_NEED_STAT | QF_NEED_DATA, get_mark,
	 "* in delivery, ? lost, ! damaged, h held, - too young to be tried"},
	{"id", "ID", TEXT, 16, false, false, 0, get_id, "queue id"},
	{"queue", "QUEUE", TEXT, 0, false, false, 0, get_queue, "queue directory"},
	{"state", "STATE", TEXT, 10, false, false, 0, get_state,
	 "queued, held, lost or incomplete"},
	{"busy", "BUSY", TEXT, 5, false, false, QF_NEED_BUSY, get_busy,
	 "true while it is being delivered"},
	{"from", "FROM", TEXT, 0, false, false, 0, get_from, "envelope sender"},
	{"from-domain", "FROM-DOMAIN", TEXT, 0, false, true, 0, get_from_domain,
	 "domain of the sender; MAILER-DAEMON for the null sender"},
	{"rcpt", "RCPT", TEXT, 0, true, false, 0, get_rcpt, "envelope recipients"},
	{"domain", "DOMAIN", TEXT, 0, true, true, 0, get_domain, "domains of the recipients"},
	{"subject", "SUBJECT", TEXT, 0, false, false, HEADERS, get_subject,
	 "subject header, decoded"},
	{"message_id", "MESSAGE-ID", TEXT, 0, false, false, HEADERS, get_message_id,
	 "Message-ID header"},
	{"header", "HEADER", TEXT, 0, false, false, HEADERS, get_header,
	 "header.NAME: a header by its name, decoded"},
	{"status", "STATUS", TEXT, 0, false, false, 0, get_status,
	 "what the last try said; in groups its kind"},
	{"dsn", "DSN", TEXT, 8, false, false, 0, get_dsn, "enhanced status code in the status"},
	{"relay", "RELAY", TEXT, 0, false, false, 0, get_relay, "server named in the status"},
	{"body", "BODY", TEXT, 0, false, false, QF_NEED_BODY, get_body,
	 "data file as stored, its first MiB"},
	{"envid", "ENVID", TEXT, 0, false, false, 0, get_envid, "ENVID the sender gave"},
	{"reason", "REASON", TEXT, 0, false, false, 0, get_reason, "why it is quarantined"},
	{"flags", "FLAGS", TEXT, 0, false, false, 0, get_flags, "envelope flags"},
	{"age", "AGE", AGE, 6, false, false, 0, get_age, "time since it was created"},
	{"idle", "IDLE", AGE, 6, false, false, 0, get_idle, "time since the last try"},
	{"tries", "TRIES", NUMBER, 5, false, false, 0, get_tries, "delivery attempts"},
	{"size", "SIZE", SIZE, 6, false, false, QF_NEED_DATA, get_size, "bytes of the data file"},
	{"priority", "PRIORITY", NUMBER, 9, false, false, 0, get_priority, "larger is tried later"},
	{"nrcpt", "NRCPT", NUMBER, 5, false, false, 0, get_nrcpt, "number of recipients"},
	{"created", "CREATED", TIME, 20, false, false, 0, get_created, "when it was accepted"},
	{"last_try", "LAST-TRY", TIME, 20, false, false, 0, get_last_try, "when it was last tried"},
	{"due", "DUE", TIME, 20, false, false, QF_NEED_STAT, get_due,
	 "earliest time of the next try"},
	{"warn_at", "WARN-AT", TIME, 20, false, false, HEADERS, get_warn_at,
	 "when the sender is warned"},
	{"bounce_at", "BOUNCE-AT", TIME, 20, false, false, HEADERS, get_bounce_at,
	 "when it is returned"},
	{"file", "FILE", TEXT, 18, false, false, 0, get_file, "name of the control file"},
	{"path", "PATH", TEXT, 0, false, false, 0, get_path, "full name of the control file"},
	{"data", "DATA", TEXT, 0, false, false, 0, get_data, "full name of the data file"},
	{NULL, NULL, TEXT, 0, false, false, 0, NULL, NULL},
};

static const struct alias {
	const char *alias;
	const char *name;
} aliases[] = {
	{"sender", "from"},	      {"to", "rcpt"},
	{"recipient", "rcpt"},	      {"recipients", "rcpt"},
	{"rcpt-domain", "domain"},    {"sender-domain", "from-domain"},
	{"quarantine", "reason"},     {"bounce", "bounce_at"},
	{"message-id", "message_id"}, {"last-try", "last_try"},
	{"warn", "warn_at"},
};
#define NALIASES (sizeof(aliases) / sizeof(aliases[0]))

const struct qf_field *
qf_fields(void)
{
	return table;
}

const struct qf_field *
qf_field_find(const char *name, const char **argument)
{
	static const char prefix[] = "header.";
	const struct qf_field *field;

	if (argument)
		*argument = NULL;
	for (size_t i = 0; i < NALIASES; i++)
		if (strcasecmp(name, aliases[i].alias) == 0)
			name = aliases[i].name;
	for (field = table; field->name; field++) {
		if (field->get == get_header) {
			/* Without a name it is no field. */
			if (strncasecmp(name, prefix, sizeof(prefix) - 1) != 0 ||
			    !name[sizeof(prefix) - 1])
				continue;
			if (argument)
				*argument = name + sizeof(prefix) - 1;
			return field;
		}
		if (strcasecmp(name, field->name) == 0)
			return field;
	}
	return NULL;
}

const char *
qf_field_nearest(const char *name, size_t n)
{
	/* A short word is near to everything. */
	size_t best = n < 4 ? 2 : 3;
	const char *nearest = NULL;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]) - 1 + NALIASES; i++) {
		const char *other = i < NALIASES ? aliases[i].alias : table[i - NALIASES].name;
		size_t distance = qf_word_distance(name, n, other, strlen(other), 2);

		if (distance < best) {
			best = distance;
			nearest = other;
		}
	}
	return nearest;
}

size_t
qf_field_count(const struct qf_field *field, const struct qf_row *row)
{
	return field->per_recipient ? envelope_of(row)->nrecipients : 1;
}

enum qf_nature
qf_field_nature(const struct qf_field *field)
{
	if (field->domain)
		return QF_NATURE_DOMAIN;
	if (field->get == get_from || field->get == get_rcpt)
		return QF_NATURE_ADDRESS;
	if (field->get == get_status || field->get == get_dsn || field->get == get_relay)
		return QF_NATURE_STATUS;
	if (field->get == get_header)
		return QF_NATURE_HEADER;
	return field->get == get_body ? QF_NATURE_BODY : QF_NATURE_PLAIN;
}

/* ------------------------------------------------------------------ more than get() tells */

struct qf_value
qf_field_of_status(const struct qf_field *field, struct qf_slice status)
{
	if (field->get == get_dsn)
		return text_value(qf_status_dsn(status));
	if (field->get == get_relay)
		return text_value(qf_status_relay(status));
	return text_value(status);
}

struct qf_slice
qf_field_domain(const struct qf_field *field, const struct qf_row *row, size_t i)
{
	const struct qf_envelope *env = envelope_of(row);

	if (field->get == get_from_domain) {
		if (!env->sender.p)
			return (struct qf_slice){0};
		return qf_row_null_sender(row) ? daemon_name : qf_address_tail(env->sender);
	}
	return i < env->nrecipients ? qf_address_tail(env->recipients[i].address)
				    : (struct qf_slice){0};
}
