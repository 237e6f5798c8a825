/*
 * status_kind - the kind of a status text: the text without what differs between two messages of
 * the same fate, so that like falls to like.
 */
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "status.h"

/* Texts that are alike so far are of one kind. */
#define KIND_MAX 240

/* Ends a word: nothing that may stand in an address, a path or an id. */
static bool
ends_word(char c)
{
	switch (c) {
	case '<':
	case '>':
	case '(':
	case ')':
	case '[':
	case ']':
	case '{':
	case '}':
	case '"':
	case '\'':
	case ',':
	case ';':
	case ':':
	case '|':
		return true;
	default:
		return qf_text_is_blank(c);
	}
}

static size_t
skip_word(struct qf_slice text, size_t at)
{
	while (at < text.n && !ends_word(text.p[at]))
		at++;
	return at;
}

/* What is quoted is not longer. */
#define QUOTED_MAX 1024

/* Where the closing character of a quotation at text[at] stands, or 0. */
static size_t
find_closing(struct qf_slice text, size_t at, char closing, bool blanks)
{
	for (size_t i = at + 1; i < text.n && i - at < QUOTED_MAX; i++) {
		if (text.p[i] == closing)
			return i;
		if (!blanks && qf_text_is_blank(text.p[i]))
			return 0;
	}
	return 0;
}

/* Length of an IP address at text[at], or 0. */
static size_t
ip_length(struct qf_slice text, size_t at)
{
	const char *p = text.p + at;
	size_t left = text.n - at;
	size_t n = 0;
	unsigned dots = 0, colons = 0;
	bool hex = false, digit = false, gap = false;

	for (; n < left && n < 46; n++) {
		if (p[n] == ':') {
			colons++;
			gap = gap || (n > 0 && p[n - 1] == ':');
		} else if (p[n] == '.' && n + 1 < left && qf_text_is_digit(p[n + 1])) {
			dots++;
		} else if ((p[n] >= 'a' && p[n] <= 'f') || (p[n] >= 'A' && p[n] <= 'F')) {
			hex = true;
		} else if (qf_text_is_digit(p[n])) {
			digit = true;
		} else {
			break;
		}
	}
	/* The colon behind it is not its own. */
	if (n > 1 && p[n - 1] == ':' && p[n - 2] != ':') {
		n--;
		colons--;
	}
	if (n < left && (qf_text_is_alnum(p[n]) || p[n] == '-' || p[n] == '_' || p[n] == '@'))
		return 0;
	if (colons == 0)
		return !hex && dots == 3 ? n : 0;
	return digit && (gap || colons == 7) ? n : 0;
}

/* What a part of a word stands for, NULL where it stands for itself. */
static const char *
part_meaning(const char *p, size_t n)
{
	size_t digits = 0, letters = 0, label = 0, labels = 1, last_digits = 0;
	bool empty_label = n == 0 || p[0] == '.';

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '.') {
			empty_label = empty_label || i == label;
			label = i + 1;
			labels++;
			last_digits = 0;
		} else if (qf_text_is_digit(p[i])) {
			digits++;
			last_digits++;
		} else if (qf_text_is_letter(p[i])) {
			letters++;
		}
	}
	if (labels > 1 && !empty_label && n - label >= 2 &&
	    (last_digits == 0 || (n - label > 4 && memcmp(p + label, "xn--", 4) == 0)))
		return "HOST";
	if (digits > 0 && letters > 0 && ((digits >= 2 && n >= 6) || n >= 10))
		return "ID";
	return NULL;
}

/* Past a number, with what groups its digits (1,234.5 and 12:30:00). */
static size_t
skip_number(struct qf_slice text, size_t at)
{
	for (; at < text.n; at++) {
		char c = text.p[at];

		if (qf_text_is_digit(c))
			continue;
		if ((c != ',' && c != '.' && c != ':') || at + 1 == text.n ||
		    !qf_text_is_digit(text.p[at + 1]))
			break;
	}
	return at;
}

/* A part of a word without @: letters, digits, dots, hyphens. Returns where it ends. */
static size_t
add_part(struct qf_slice text, size_t at, size_t end, struct qf_buf *out, size_t limit)
{
	const char *meaning;
	size_t n;

	/* A reply code that an enhanced code follows, and that code. */
	n = qf_status_code_length(text, at);
	if (n && at + n + 1 < text.n && qf_status_dsn_length(text, at + n + 1))
		n += 1 + qf_status_dsn_length(text, at + n + 1);
	else
		n = qf_status_dsn_length(text, at);
	if (n) {
		for (size_t i = 0; i < n; i++)
			qf_buf_addc(out, i == 3 && text.p[at + i] == '-' ? ' ' : text.p[at + i]);
		return at + n;
	}
	for (n = at; n < end && qf_text_is_name(text.p[n]);)
		n++;
	while (n > at && (text.p[n - 1] == '-' || text.p[n - 1] == '.'))
		n--;
	if (n == at) {
		qf_buf_addc(out, text.p[at]);
		return at + 1;
	}
	meaning = part_meaning(text.p + at, n - at);
	if (meaning) {
		qf_buf_adds(out, meaning);
		return n;
	}
	while (at < n && out->n < limit) {
		if (qf_text_is_digit(text.p[at])) {
			qf_buf_addc(out, 'N');
			at = skip_number(text, at);
		} else {
			qf_buf_addc(out, text.p[at++]);
		}
	}
	return at;
}

/* A word: up to the next blank, bracket or mark. Returns where it ends. */
static size_t
add_word(struct qf_slice text, size_t at, struct qf_buf *out, size_t limit)
{
	size_t end = skip_word(text, at);
	const char *sign = memchr(text.p + at, '@', end - at);

	if (text.n - end > 3 && memcmp(text.p + end, "://", 3) == 0) {
		qf_buf_adds(out, "URL");
		for (end += 3; end < text.n && (!ends_word(text.p[end]) || text.p[end] == ':');)
			end++;
		return end;
	}
	if (sign && sign > text.p + at && sign + 1 < text.p + end) {
		while (text.p[end - 1] == '.')
			end--;
		qf_buf_adds(out, "ADDRESS");
		return end;
	}
	while (at < end && out->n < limit)
		at = add_part(text, at, end, out, limit);
	return at;
}

/* Brackets and quotation marks. Returns where it ends, at itself when text[at] is none. */
static size_t
add_quoted(struct qf_slice text, size_t at, struct qf_buf *out)
{
	char before = at > 0 ? text.p[at - 1] : ' ';
	size_t end;

	switch (text.p[at]) {
	case '<':
		end = find_closing(text, at, '>', false);
		if (!end || end == at + 1)
			return at;
		qf_buf_adds(out, "<ADDRESS>");
		return end + 1;
	case '[':
		end = find_closing(text, at, ']', false);
		if (!end || end - at < 6 || strncasecmp(text.p + at + 1, "IPv6:", 5) != 0)
			return at;
		qf_buf_adds(out, "[IP]");
		return end + 1;
	case '"':
		end = find_closing(text, at, '"', true);
		if (!end)
			return at;
		qf_buf_adds(out, "\"TEXT\"");
		return end + 1;
	case '\'':
		/* An apostrophe is no quotation mark. */
		end = qf_text_is_alnum(before) ? 0 : find_closing(text, at, '\'', true);
		if (!end || (end + 1 < text.n && qf_text_is_alnum(text.p[end + 1])))
			return at;
		qf_buf_adds(out, "'TEXT'");
		return end + 1;
	default:
		return at;
	}
}

void
qf_status_kind(struct qf_slice status, struct qf_buf *out)
{
	struct qf_status_head head = qf_status_read_head(status);
	struct qf_status_host relay = {.start = SIZE_MAX};
	size_t start = out->n, limit = out->n + KIND_MAX;
	size_t at = head.rest;

	if (!qf_status_find_host(status, &head, &relay))
		relay.start = SIZE_MAX;
	if (head.deferred)
		qf_buf_adds(out, "Deferred: ");
	if (head.code.p) {
		qf_buf_add_slice(out, head.code);
		qf_buf_addc(out, ' ');
	}
	if (head.dsn.p) {
		qf_buf_add_slice(out, head.dsn);
		qf_buf_addc(out, ' ');
	}
	while (at < status.n && out->n < limit && !out->failed) {
		char c = status.p[at];
		bool inside = at > 0 && qf_text_is_alnum(status.p[at - 1]);
		size_t next, n;

		if (at == relay.start) {
			qf_buf_adds(out, "HOST");
			at = relay.end;
			continue;
		}
		if (qf_text_is_blank(c)) {
			at = qf_text_skip_blanks(status, at);
			qf_buf_addc(out, ' ');
			continue;
		}
		next = add_quoted(status, at, out);
		if (next > at) {
			at = next;
			continue;
		}
		n = inside ? 0 : ip_length(status, at);
		if (n) {
			qf_buf_adds(out, "IP");
			at += n;
		} else if (ends_word(c)) {
			qf_buf_addc(out, c);
			at++;
		} else {
			at = add_word(status, at, out, limit);
		}
	}
	if (at < status.n && out->n >= limit) {
		/* Not within a character. */
		while (out->n > start && ((unsigned char)out->p[out->n - 1] & 0xc0) == 0x80)
			out->n--;
		if (out->n > start && (unsigned char)out->p[out->n - 1] >= 0xc0)
			out->n--;
		qf_buf_adds(out, "...");
	}
	while (out->n > start && out->p[out->n - 1] == ' ')
		out->n--;
}
