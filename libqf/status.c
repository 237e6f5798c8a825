/*
 * status - what a status text (an M line) and an address name.
 *
 * A status text is either sendmail's own, or the first line of what the other server answered,
 * both often behind "Deferred: ". Origin: sendmail/deliver.c giveresponse(), logdelivery();
 * sendmail/usersmtp.c reply(); sendmail/conf.c and libsm/errstring.c sm_errstring().
 */
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "status.h"

/* The C library's classes depend on the locale; these do not. */
static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_alnum(char c)
{
	return is_digit(c) || is_letter(c);
}

/* May stand in the name of a host. */
static bool
is_name(char c)
{
	return is_alnum(c) || c == '-' || c == '.' || c == '_';
}

/* Blanks, and control characters, which say nothing more. */
static bool
is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

/* ------------------------------------------------------------------ what a text begins with */

struct head {
	bool deferred;
	struct qf_slice code; /* "450" */
	struct qf_slice dsn;  /* "4.2.1" */
	size_t rest;	      /* where the words begin */
};

/* Length of an SMTP reply code at text[at], or 0. */
static size_t
code_length(struct qf_slice text, size_t at)
{
	const char *p = text.p + at;

	if (text.n - at < 3 || p[0] < '2' || p[0] > '5' || !is_digit(p[1]) || !is_digit(p[2]))
		return 0;
	return text.n - at == 3 || p[3] == '-' || is_blank(p[3]) ? 3 : 0;
}

/* Length of an enhanced status code at text[at], or 0. Its parts have one to three digits. */
static size_t
dsn_length(struct qf_slice text, size_t at)
{
	const char *p = text.p + at;
	size_t left = text.n - at;
	size_t n = 1;

	if (left < 5 || (p[0] != '2' && p[0] != '4' && p[0] != '5'))
		return 0;
	for (int part = 0; part < 2; part++) {
		size_t start = n + 1;

		if (n == left || p[n] != '.')
			return 0;
		for (n = start; n < left && n < start + 3 && is_digit(p[n]);)
			n++;
		if (n == start)
			return 0;
	}
	/* Not the beginning of a longer number, an IP address or a version. */
	if (n < left && (is_alnum(p[n]) || p[n] == '@' || p[n] == '/'))
		return 0;
	if (n + 1 < left && (p[n] == '.' || p[n] == '-') && is_alnum(p[n + 1]))
		return 0;
	return n;
}

static size_t
skip_blanks(struct qf_slice text, size_t at)
{
	while (at < text.n && is_blank(text.p[at]))
		at++;
	return at;
}

static struct head
read_head(struct qf_slice text)
{
	static const char deferred[] = "Deferred:";
	struct head head = {0};
	size_t at = skip_blanks(text, 0);
	size_t n;

	if (!text.n)
		return head;
	if (text.n - at >= sizeof(deferred) - 1 &&
	    memcmp(text.p + at, deferred, sizeof(deferred) - 1) == 0) {
		head.deferred = true;
		at = skip_blanks(text, at + sizeof(deferred) - 1);
	}
	n = code_length(text, at);
	if (n) {
		head.code = (struct qf_slice){text.p + at, n};
		at += n;
		/* The hyphen of an answer of several lines. */
		if (at < text.n && text.p[at] == '-')
			at++;
		at = skip_blanks(text, at);
	}
	n = dsn_length(text, at);
	if (n) {
		head.dsn = (struct qf_slice){text.p + at, n};
		at = skip_blanks(text, at + n);
	}
	head.rest = at;
	return head;
}

struct qf_slice
qf_status_dsn(struct qf_slice status)
{
	struct head head = read_head(status);

	if (head.dsn.p)
		return head.dsn;
	/* Further on only where it cannot be anything else. */
	for (size_t i = head.rest; i < status.n; i++) {
		size_t n;

		if (status.p[i] != '4' && status.p[i] != '5')
			continue;
		if (i > 0 && !is_blank(status.p[i - 1]) && !strchr("([#<\"':;,=", status.p[i - 1]))
			continue;
		n = dsn_length(status, i);
		if (n)
			return (struct qf_slice){status.p + i, n};
	}
	return (struct qf_slice){0};
}

/* ------------------------------------------------------------------ the server it names */

struct relay {
	struct qf_slice name;
	size_t start, end; /* of the name with its trailing dot */
};

/* A host name or [address] at text[at]. dotted: only one that cannot be a common word. */
static bool
read_host(struct qf_slice text, size_t at, bool dotted, struct relay *out)
{
	size_t end = at;
	size_t last = at; /* where the last label begins */

	if (at < text.n && text.p[at] == '[') {
		while (end < text.n && text.p[end] != ']' && !is_blank(text.p[end]))
			end++;
		if (end == text.n || text.p[end] != ']' || end == at + 1)
			return false;
		*out = (struct relay){{text.p + at, end + 1 - at}, at, end + 1};
		return true;
	}
	while (end < text.n && is_name(text.p[end]))
		end++;
	out->start = at;
	out->end = end;
	while (end > at && text.p[end - 1] == '.')
		end--;
	for (size_t i = at; i < end; i++)
		if (text.p[i] == '.')
			last = i + 1;
	if (end == at || text.p[at] == '.')
		return false;
	if (dotted && (last == at || end - last < 2 || !is_letter(text.p[last])))
		return false;
	out->name = (struct qf_slice){text.p + at, end - at};
	return true;
}

/* Words of sendmail's own that a host follows. */
static const char *const before_host[] = {
	"Connection refused by ",
	"Connection reset by ",
	"Connection timed out with ",
	"Operation timed out with ",
	"reply: read error from ",
	"timeout waiting for input from ",
	"timeout writing message to ",
	"Name server: ",
	"host map: lookup (",
	"DNS failure: CNAME loop for ",
	"Host ",
};

static bool
find_relay(struct qf_slice text, const struct head *head, struct relay *out)
{
	static const char down[] = " is down";
	size_t left = text.n - head->rest;

	for (size_t i = 0; i < sizeof(before_host) / sizeof(before_host[0]); i++) {
		size_t n = strlen(before_host[i]);

		if (left <= n || memcmp(text.p + head->rest, before_host[i], n) != 0)
			continue;
		/* Behind a reply code these may be another server's words: "refused by policy". */
		if (!read_host(text, head->rest + n, head->code.p != NULL, out))
			return false;
		if (before_host[i][0] == 'H' && (text.n - out->end < sizeof(down) - 1 ||
						 memcmp(text.p + out->end, down, sizeof(down) - 1)))
			return false;
		return true;
	}
	/* A server that closes the connection gives its name first (RFC 5321, 4.2.2). */
	if (head->code.p && memcmp(head->code.p, "421", 3) == 0)
		return read_host(text, head->rest, true, out);
	return false;
}

struct qf_slice
qf_status_relay(struct qf_slice status)
{
	struct head head = read_head(status);
	struct relay relay = {0};

	return find_relay(status, &head, &relay) ? relay.name : (struct qf_slice){0};
}

/* ------------------------------------------------------------------ its kind */

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
		return is_blank(c);
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
		if (!blanks && is_blank(text.p[i]))
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
		} else if (p[n] == '.' && n + 1 < left && is_digit(p[n + 1])) {
			dots++;
		} else if ((p[n] >= 'a' && p[n] <= 'f') || (p[n] >= 'A' && p[n] <= 'F')) {
			hex = true;
		} else if (is_digit(p[n])) {
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
	if (n < left && (is_alnum(p[n]) || p[n] == '-' || p[n] == '_' || p[n] == '@'))
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
		} else if (is_digit(p[i])) {
			digits++;
			last_digits++;
		} else if (is_letter(p[i])) {
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

		if (is_digit(c))
			continue;
		if ((c != ',' && c != '.' && c != ':') || at + 1 == text.n ||
		    !is_digit(text.p[at + 1]))
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
	n = code_length(text, at);
	if (n && at + n + 1 < text.n && dsn_length(text, at + n + 1))
		n += 1 + dsn_length(text, at + n + 1);
	else
		n = dsn_length(text, at);
	if (n) {
		for (size_t i = 0; i < n; i++)
			qf_buf_addc(out, i == 3 && text.p[at + i] == '-' ? ' ' : text.p[at + i]);
		return at + n;
	}
	for (n = at; n < end && is_name(text.p[n]);)
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
		if (is_digit(text.p[at])) {
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
		end = is_alnum(before) ? 0 : find_closing(text, at, '\'', true);
		if (!end || (end + 1 < text.n && is_alnum(text.p[end + 1])))
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
	struct head head = read_head(status);
	struct relay relay = {.start = SIZE_MAX};
	size_t start = out->n, limit = out->n + KIND_MAX;
	size_t at = head.rest;

	if (!find_relay(status, &head, &relay))
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
		bool inside = at > 0 && is_alnum(status.p[at - 1]);
		size_t next, n;

		if (at == relay.start) {
			qf_buf_adds(out, "HOST");
			at = relay.end;
			continue;
		}
		if (is_blank(c)) {
			at = skip_blanks(status, at);
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

/* ------------------------------------------------------------------ addresses */

struct qf_slice
qf_address_bare(struct qf_slice address)
{
	if (address.n >= 2 && address.p[0] == '<' && address.p[address.n - 1] == '>')
		return (struct qf_slice){address.p + 1, address.n - 2};
	return address;
}

struct qf_slice
qf_address_tail(struct qf_slice address)
{
	struct qf_slice bare = qf_address_bare(address);
	const char *sign, *end;
	bool quoted = false;

	if (!bare.n)
		return (struct qf_slice){"", 0};
	sign = memrchr(bare.p, '@', bare.n);
	end = bare.p + bare.n;

	/* "a@b" in quotes is a local part; quotes that do not close are none. */
	if (sign && memchr(sign, '"', (size_t)(end - sign))) {
		const char *outside = NULL;
		const char *p;

		for (p = bare.p; p < end; p++) {
			if (*p == '\\' && p + 1 < end)
				p++;
			else if (*p == '"')
				quoted = !quoted;
			else if (*p == '@' && !quoted)
				outside = p;
		}
		if (!quoted)
			sign = outside;
	}
	if (!sign)
		return (struct qf_slice){end, 0};
	while (end > sign + 1 && end[-1] == '.')
		end--;
	return (struct qf_slice){sign + 1, (size_t)(end - sign - 1)};
}

void
qf_address_domain(struct qf_slice address, struct qf_buf *out)
{
	struct qf_slice tail = qf_address_tail(address);
	char *to = tail.n ? qf_buf_room(out, tail.n) : NULL;

	if (!to)
		return;
	for (size_t i = 0; i < tail.n; i++)
		to[i] = tail.p[i] >= 'A' && tail.p[i] <= 'Z' ? (char)(tail.p[i] | 0x20) : tail.p[i];
	out->n += tail.n;
}
