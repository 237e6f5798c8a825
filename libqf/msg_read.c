/*
 * msg_read - from records to the envelope of one message.
 *
 * Origin: sendmail/queue.c readqf() for what each record means and which are refused;
 * sendmail/queue.c queueup() for what is written. What sendmail refuses is kept and said
 * (qf_msg_find()), and reading goes on.
 *
 * Two passes: the first cuts the bytes into records and counts them, so that the second can
 * allocate recipients, headers and macros once.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "err.h"
#include "lex.h"
#include "msg.h"
#include "rec.h"

/* State of the second pass: values that wait for the record they belong to. */
struct reader {
	struct qf_msg *msg;
	struct qf_envelope *env;
	struct qf_recipient *recipients;
	struct qf_header *headers;
	struct qf_macro *macros;
	struct qf_slice status, original, final, controller;
	bool has_time, has_version;
	bool stop; /* the end line was seen */
	bool skip_headers;
};

/* The value without the CRs that precede inner line ends. */
static struct qf_slice
drop_folded_cr(struct qf_msg *msg, struct qf_slice value)
{
	char *copy = qf_arena_alloc(&msg->arena, value.n + 1);
	size_t n = 0;

	if (!copy) {
		msg->nomem = true;
		return value;
	}
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r' || i + 1 == value.n || value.p[i + 1] != '\n')
			copy[n++] = value.p[i];
	return (struct qf_slice){copy, n};
}

/* More records than the limit: a file of line ends alone would cost fifty times its size. */
static void
keep_rest(struct qf_msg *msg, struct qf_record *record)
{
	record->letter = 0;
	record->raw.n = msg->bytes.n - (size_t)(record->raw.p - msg->bytes.p);
	record->value = (struct qf_slice){record->raw.p, 0};
	qf_msg_find(msg, QF_F_TOO_LARGE, record->line, 1);
	msg->nrecords++;
}

/* How many records there are of what is allocated at once. */
struct counts {
	size_t recipients, headers, macros;
};

/* First pass: the records, and how many there are of some letters. */
static enum qf_code
cut(struct qf_msg *msg, struct counts *counts, struct qf_err *err)
{
	struct qf_lexer lexer;
	struct qf_lex_note note;
	struct qf_record *record;
	size_t cap = msg->bytes.n / 40 + 8;
	bool after_end = false;

	msg->records = qf_arena_array(&msg->arena, cap, sizeof(*record));
	if (!msg->records)
		return qf_err_nomem(err);
	qf_lex_init(&lexer, msg->bytes);
	/* Each is cut in its place: copying them took a tenth of the time of reading a queue. */
	while (qf_lex_next(&lexer, record = &msg->records[msg->nrecords], &note)) {
		if (msg->nrecords == QF_RECORDS_MAX - 1) {
			keep_rest(msg, record);
			break;
		}
		if (note.folded_crlf)
			record->value = drop_folded_cr(msg, record->value);
		if (note.nul != SIZE_MAX && !after_end && note.nul < UINT32_MAX)
			qf_msg_find(msg, QF_F_NUL_BYTE, record->line, (unsigned)note.nul + 1);
		after_end |= record->letter == '.';
		counts->recipients += record->letter == 'R';
		counts->headers += record->letter == 'H';
		counts->macros += record->letter == '$';
		/* There is always room for one more, since the next is cut before it is counted. */
		if (++msg->nrecords == cap) {
			struct qf_record *more =
				qf_arena_array(&msg->arena, cap * 2, sizeof(*record));

			if (!more)
				return qf_err_nomem(err);
			memcpy(more, msg->records, cap * sizeof(*record));
			msg->records = more;
			cap *= 2;
		}
	}
	return QF_OK;
}

/* As atol(): blanks, a sign, digits; what follows is not looked at, and said. Saturates. */
static int64_t
number(struct reader *r, const struct qf_record *record)
{
	struct qf_slice v = record->value;
	size_t i = 0;
	bool negative = false;
	int64_t n = 0;

	while (i < v.n && (v.p[i] == ' ' || (v.p[i] >= '\t' && v.p[i] <= '\r')))
		i++;
	if (i < v.n && (v.p[i] == '-' || v.p[i] == '+'))
		negative = v.p[i++] == '-';
	if (i == v.n || v.p[i] < '0' || v.p[i] > '9')
		qf_msg_find(r->msg, QF_F_BAD_NUMBER, record->line, 2);
	for (; i < v.n && v.p[i] >= '0' && v.p[i] <= '9'; i++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, v.p[i] - '0', &n))
			n = INT64_MAX;
	}
	if (i > 0 && i < v.n && v.p[i - 1] >= '0' && v.p[i - 1] <= '9')
		qf_msg_find(r->msg, QF_F_BAD_NUMBER, record->line, (unsigned)(i + 2));
	return negative ? -n : n;
}

/* Origin: RFC 3461 xtext as sendmail/util.c xtextok() has it: no "=", "+" and two hex digits,
   capitals only. */
static bool
is_xtext(struct qf_slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (c < '!' || c > '~' || c == '=')
			return false;
		if (c != '+')
			continue;
		for (int digit = 0; digit < 2; digit++) {
			if (++i == text.n)
				return false;
			c = text.p[i];
			if ((c < '0' || c > '9') && (c < 'A' || c > 'F'))
				return false;
		}
	}
	return true;
}

static bool
equals_word(struct qf_slice value, const char *word)
{
	return value.n == strlen(word) && strncasecmp(value.p, word, value.n) == 0;
}

static unsigned
flags_of(struct qf_slice letters)
{
	unsigned flags = 0;

	for (size_t i = 0; i < letters.n; i++) {
		switch (letters.p[i]) {
#define X(id, letter, name, help)                                                                  \
	case letter:                                                                               \
		flags |= QF_FLAG(id);                                                              \
		break;
			QF_FLAGS(X)
#undef X
		}
	}
	return flags;
}

static unsigned
recipient_flags_of(struct qf_slice letters)
{
	unsigned flags = 0;

	for (size_t i = 0; i < letters.n; i++) {
		switch (letters.p[i]) {
#define X(id, letter, help)                                                                        \
	case letter:                                                                               \
		flags |= QF_RCPT(id);                                                              \
		break;
			QF_RCPT_FLAGS(X)
#undef X
		}
	}
	return flags;
}

/* "x" value or "{name}" value. */
static void
read_macro(struct reader *r, const struct qf_record *record)
{
	struct qf_slice v = record->value;
	size_t name = 1;

	if (v.n == 0) {
		qf_msg_find(r->msg, QF_F_BAD_MACRO, record->line, 2);
		return;
	}
	if (v.p[0] == '{') {
		const char *close = memchr(v.p, '}', v.n);

		if (!close) {
			qf_msg_find(r->msg, QF_F_BAD_MACRO, record->line, 2);
			return;
		}
		name = (size_t)(close - v.p) + 1;
	}
	r->macros[r->env->nmacros++] = (struct qf_macro){
		.name = {v.p, name}, .value = {v.p + name, v.n - name}};
}

/* "flags:address" since version 1, the address alone before; dropped where sendmail drops it. */
static void
read_recipient(struct reader *r, const struct qf_record *record, size_t index)
{
	struct qf_slice v = record->value;
	/* Before version 1: what sendmail makes of it when it rewrites the file (observed). */
	struct qf_recipient rcpt = {.flags = QF_RCPT(PRIMARY) | QF_RCPT(FAILURE) | QF_RCPT(DELAY),
				    .original = r->original,
				    .final = r->final,
				    .status = r->status,
				    .controller = r->controller,
				    .record = index};

	r->status = r->original = r->final = (struct qf_slice){0};
	rcpt.address = v;
	if (r->env->version > 0) {
		const char *colon = v.n ? memchr(v.p, ':', v.n) : NULL;

		if (!colon) {
			qf_msg_find(r->msg, QF_F_BAD_RECIPIENT, record->line, 2);
			return;
		}
		rcpt.flags = recipient_flags_of((struct qf_slice){v.p, (size_t)(colon - v.p)});
		rcpt.address.p = colon + 1;
		rcpt.address.n = v.n - (size_t)(colon + 1 - v.p);
	}
	if (rcpt.address.n == 0) {
		qf_msg_find(r->msg, QF_F_BAD_RECIPIENT, record->line,
			    (unsigned)record->value.n + 2);
		return;
	}
	r->recipients[r->env->nrecipients++] = rcpt;
}

static const bool in_field_name[256] = {
	['!' ... ':' - 1] = true,
	[':' + 1 ... '~'] = true,
};

/*
 * "[?condition?]Field:value".
 * Origin: sendmail/headers.c chompheader(): the field is printable ASCII without blanks; blanks
 * may stand between it and the colon.
 */
static void
read_header(struct reader *r, const struct qf_record *record, size_t index)
{
	struct qf_slice v = record->value;
	struct qf_header header = {.condition = {"", 0}, .record = index};
	size_t at = 0, start;

	if (v.n && v.p[0] == '?') {
		const char *close = memchr(v.p + 1, '?', v.n - 1);

		if (!close)
			goto bad;
		header.condition.p = v.p + 1;
		header.condition.n = (size_t)(close - v.p) - 1;
		at = (size_t)(close - v.p) + 1;
	}
	start = at;
	while (at < v.n && in_field_name[(unsigned char)v.p[at]])
		at++;
	header.name.p = v.p + start;
	header.name.n = at - start;
	while (at < v.n && (v.p[at] == ' ' || v.p[at] == '\t'))
		at++;
	if (header.name.n == 0 || at == v.n || v.p[at] != ':')
		goto bad;
	header.value.p = v.p + at + 1;
	header.value.n = v.n - at - 1;
	r->headers[r->env->nheaders++] = header;
	return;
bad:
	qf_msg_find(r->msg, QF_F_BAD_HEADER, record->line, (unsigned)at + 2);
}

/* A raw byte of flags, a blank, seconds. Origin: queueup() writes the byte of the bit set. */
static void
read_deliver_by(struct reader *r, const struct qf_record *record)
{
	struct qf_slice v = record->value;
	struct qf_record seconds = *record;

	r->env->deliver_by.present = true;
	r->env->deliver_by.flag = v.n ? (unsigned char)v.p[0] : 0;
	if (v.n < 2) {
		qf_msg_find(r->msg, QF_F_BAD_NUMBER, record->line, 2);
		return;
	}
	seconds.value.p = v.p + 2;
	seconds.value.n = v.n - 2;
	r->env->deliver_by.seconds = number(r, &seconds);
}

/* One record into the envelope. */
static void
read_record(struct reader *r, const struct qf_record *record, size_t index)
{
	struct qf_envelope *env = r->env;
	struct qf_slice value = record->value;
	struct qf_msg *msg = r->msg;

	switch (record->letter) {
	case 0:
		if (memchr(record->raw.p, '\0', record->raw.n))
			qf_msg_find(msg, QF_F_UNKNOWN_LINE, record->line, 1);
		else
			qf_msg_find(msg, QF_F_EMPTY_LINE, record->line, 1);
		break;
	case 'V':
		env->version = (int)number(r, record);
		r->has_version = true;
		if (env->version > QF_FORMAT_VERSION)
			qf_msg_find(msg, QF_F_BAD_VERSION, record->line, 2);
		break;
	case 'T':
		env->created = number(r, record);
		r->has_time = true;
		break;
	case 'K':
		env->last_try = number(r, record);
		if (env->last_try == 0)
			env->last_try = QF_TIME_NONE;
		break;
	case 'N':
		env->tries = number(r, record);
		break;
	case 'P':
		env->priority = number(r, record);
		env->has_priority = true;
		break;
	case 'd':
		env->data_dir = value;
		break;
	case 'I':
		env->inode = value;
		break;
	case 'B':
		env->body_type = value;
		if (!equals_word(value, "7bit") && !equals_word(value, "8bitmime"))
			qf_msg_find(msg, QF_F_BAD_BODY_TYPE, record->line, 2);
		break;
	case 'q':
		env->quarantine = value;
		/* The scanner skips such a file before it knows that it has to be renamed to hf. */
		if (msg->files.kind == QF_KIND_QUEUED && !(r->has_time && env->has_priority))
			qf_msg_find(msg, QF_F_EARLY_QUARANTINE, record->line, 1);
		break;
	case 'M':
		if (env->sender.p)
			r->status = value;
		else
			env->status = value;
		break;
	case 'F':
		if (value.n >= 4 && memcmp(value.p, "rom ", 4) == 0)
			qf_msg_find(msg, QF_F_FROM_LINE, record->line, 1);
		else
			env->flags |= flags_of(value);
		break;
	case '$':
		read_macro(r, record);
		break;
	case 'S':
		env->sender = value;
		break;
	case 'Z':
		env->envid = value;
		break;
	case 'A':
		env->auth = value;
		if (!is_xtext(value))
			qf_msg_find(msg, QF_F_BAD_AUTH, record->line, 2);
		break;
	case '!':
		read_deliver_by(r, record);
		break;
	case 'C':
		r->controller = value.n ? value : (struct qf_slice){0};
		break;
	case 'Q':
		r->original = value;
		break;
	case 'r':
		r->final = value;
		break;
	case 'R':
		read_recipient(r, record, index);
		break;
	case 'H':
		if (!r->skip_headers)
			read_header(r, record, index);
		break;
	case '.':
		r->stop = msg->ended = true;
		break;
	default:
		if (!qf_record_type((char)record->letter))
			qf_msg_find(msg, QF_F_UNKNOWN_LINE, record->line, 1);
		break;
	}
}

/* What is missing from a file that has all its lines. */
static void
find_missing(struct reader *r)
{
	struct qf_msg *msg = r->msg;
	const struct qf_record *last = msg->nrecords ? &msg->records[msg->nrecords - 1] : NULL;

	if (msg->bytes.n == 0) {
		qf_msg_find(msg, QF_F_EMPTY, 0, 0);
		return;
	}
	if (!msg->ended) {
		qf_msg_find(msg, QF_F_NO_TERMINATOR, last->line + last->lines, 1);
		return;
	}
	/* A file that is lost at a line is never asked for what comes after. */
	if (qf_msg_fate(msg) == QF_FATE_LOST)
		return;
	if (!r->env->sender.p)
		qf_msg_find(msg, QF_F_NO_SENDER, 0, 0);
	if (r->env->nrecipients == 0)
		qf_msg_find(msg, QF_F_NO_RECIPIENT, 0, 0);
	if (!r->has_time)
		qf_msg_find(msg, QF_F_NO_CREATION_TIME, 0, 0);
}

enum qf_code
qf_msg_interpret(struct qf_msg *msg, struct qf_slice bytes, bool skip_headers, struct qf_err *err)
{
	struct counts counts = {0};
	struct reader r = {.msg = msg, .env = &msg->envelope, .skip_headers = skip_headers};
	enum qf_code code;

	msg->bytes = bytes;
	code = cut(msg, &counts, err);
	if (code)
		return code;
	r.recipients = qf_arena_array(&msg->arena, counts.recipients, sizeof(*r.recipients));
	r.headers = qf_arena_array(&msg->arena, counts.headers, sizeof(*r.headers));
	r.macros = qf_arena_array(&msg->arena, counts.macros, sizeof(*r.macros));
	if (!r.recipients || !r.headers || !r.macros)
		return qf_err_nomem(err);
	msg->envelope.recipients = r.recipients;
	msg->envelope.headers = r.headers;
	msg->envelope.macros = r.macros;
	for (size_t i = 0; i < msg->nrecords && i < QF_RECORDS_MAX - 1; i++) {
		if (r.stop) {
			qf_msg_find(msg, QF_F_DATA_AFTER_END, msg->records[i].line, 1);
			break;
		}
		read_record(&r, &msg->records[i], i);
	}
	find_missing(&r);
	return msg->nomem ? qf_err_nomem(err) : QF_OK;
}
