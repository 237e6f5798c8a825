/*
 * salvage_hide - headers of which nobody can tell who wrote to whom, about what.
 *
 * A header may hold anything: a subject, a name in an encoded word, an address in a parameter of a
 * URL. So only what is known to be harmless is let through.
 */
#include <string.h>
#include <strings.h>

#include "salvage_hide.h"

#define LEFT_OUT "(left out)"

enum keeps {
	NOTHING,
	ADDRESSES, /* those alone, hashed: names beside them are people's */
	WORDS,	   /* addresses hashed; without words that are encoded, or may be */
	FIRST,	   /* the word before the first semicolon */
};

static const struct {
	const char *name;
	enum keeps keeps;
} fields[] = {
	{"From", ADDRESSES},	     {"To", ADDRESSES},
	{"Cc", ADDRESSES},	     {"Bcc", ADDRESSES},
	{"Sender", ADDRESSES},	     {"Reply-To", ADDRESSES},
	{"Return-Path", ADDRESSES},  {"Resent-From", ADDRESSES},
	{"Resent-To", ADDRESSES},    {"Resent-Cc", ADDRESSES},
	{"Resent-Bcc", ADDRESSES},   {"Resent-Sender", ADDRESSES},
	{"Message-ID", ADDRESSES},   {"Resent-Message-ID", ADDRESSES},
	{"References", ADDRESSES},   {"In-Reply-To", ADDRESSES},
	{"Delivered-To", ADDRESSES}, {"X-Original-To", ADDRESSES},
	{"Received", WORDS},	     {"Date", WORDS},
	{"Resent-Date", WORDS},	     {"MIME-Version", WORDS},
	{"Content-Type", FIRST},     {"Content-Transfer-Encoding", FIRST},
	{"Auto-Submitted", FIRST},   {"Precedence", FIRST},
};

static enum keeps
what_is_kept(struct qf_slice name)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		if (strlen(fields[i].name) == name.n &&
		    strncasecmp(fields[i].name, name.p, name.n) == 0)
			return fields[i].keeps;
	return NOTHING;
}

/* Length of what qf_redact_address() makes, at the beginning of text; 0: none is there. */
static size_t
hashed(struct qf_slice text)
{
	static const char end[] = "@redacted";
	size_t n = 2;

	if (text.n < 2 || memcmp(text.p, "r-", 2) != 0)
		return 0;
	while (n < text.n && n < 14 && strchr("0123456789abcdef", text.p[n]) && text.p[n])
		n++;
	return n == 14 && text.n - n >= sizeof(end) - 1 &&
			       memcmp(text.p + n, end, sizeof(end) - 1) == 0
		       ? n + sizeof(end) - 1
		       : 0;
}

static void
keep_addresses(struct qf_slice value, struct qf_buf *out)
{
	const char *between = " ";
	size_t n;

	for (size_t i = 0; i < value.n; i += n ? n : 1) {
		n = hashed((struct qf_slice){value.p + i, value.n - i});
		if (!n)
			continue;
		qf_buf_addf(out, "%s<%.*s>", between, (int)n, value.p + i);
		between = ",\n\t";
	}
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* The blanks between them as they are: they fold the line. */
static void
keep_words(struct qf_slice value, struct qf_buf *out)
{
	for (size_t i = 0, end; i < value.n; i = end) {
		end = i + 1;
		if (is_blank(value.p[i])) {
			qf_buf_addc(out, value.p[i]);
			continue;
		}
		while (end < value.n && !is_blank(value.p[end]))
			end++;
		if (memchr(value.p + i, '%', end - i) || memmem(value.p + i, end - i, "=?", 2))
			qf_buf_adds(out, LEFT_OUT);
		else
			qf_buf_add(out, value.p + i, end - i);
	}
}

/* Of letters, digits and hyphens, as names of fields are that people do not make up. */
static bool
is_plain(struct qf_slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!(name.p[i] >= '0' && name.p[i] <= '9') &&
		    !(name.p[i] >= 'A' && name.p[i] <= 'Z') &&
		    !(name.p[i] >= 'a' && name.p[i] <= 'z') && name.p[i] != '-')
			return false;
	return name.n > 0;
}

/* One field, with the lines it goes on in; without the last line end. */
static void
hide_field(const struct qf_redactor *redactor, struct qf_slice field, struct qf_buf *out)
{
	const char *colon = memchr(field.p, ':', field.n);
	struct qf_slice name = {field.p, colon ? (size_t)(colon - field.p) : 0}, value;
	const char *semicolon;
	struct qf_buf text = {0};

	if (!is_plain(name)) {
		qf_buf_adds(out, "X-Field: " LEFT_OUT);
		return;
	}
	qf_buf_add(out, name.p, name.n + 1);
	qf_redact_text(redactor, (struct qf_slice){colon + 1, field.n - name.n - 1}, &text);
	value = (struct qf_slice){text.p ? text.p : "", text.n};
	switch (what_is_kept(name)) {
	case ADDRESSES:
		keep_addresses(value, out);
		break;
	case FIRST:
		semicolon = memchr(value.p, ';', value.n);
		if (semicolon)
			value.n = (size_t)(semicolon - value.p);
		keep_words(value, out);
		break;
	case WORDS:
		keep_words(value, out);
		break;
	case NOTHING:
		qf_buf_adds(out, " " LEFT_OUT);
	}
	out->failed |= text.failed;
	qf_buf_release(&text);
}

void
salvage_hide_headers(const struct qf_redactor *redactor, struct qf_slice headers,
		     struct qf_buf *out)
{
	size_t end;

	for (size_t at = 0; at < headers.n; at = end + 1) {
		end = at;
		do {
			const char *line_end = memchr(headers.p + end, '\n', headers.n - end);

			end = line_end ? (size_t)(line_end - headers.p) + 1 : headers.n;
		} while (end < headers.n && (headers.p[end] == ' ' || headers.p[end] == '\t'));
		end -= end > at && headers.p[end - 1] == '\n';
		hide_field(redactor, (struct qf_slice){headers.p + at, end - at}, out);
		qf_buf_addc(out, '\n');
	}
}
