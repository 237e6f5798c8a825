/*
 * status - what a status text (an M line) and an address name.
 *
 * A status text is either sendmail's own, or the first line of what the other server answered,
 * both often behind "Deferred: ". Origin: sendmail/deliver.c giveresponse(), logdelivery();
 * sendmail/usersmtp.c reply(); sendmail/conf.c and libsm/errstring.c sm_errstring().
 */
#include <string.h>

#include "buf.h"
#include "status.h"

/* ------------------------------------------------------------------ what a text begins with */

size_t
qf_status_code_length(struct qf_slice text, size_t at)
{
	const char *p = text.p + at;

	if (text.n - at < 3 || p[0] < '2' || p[0] > '5' || !qf_text_is_digit(p[1]) ||
	    !qf_text_is_digit(p[2]))
		return 0;
	return text.n - at == 3 || p[3] == '-' || qf_text_is_blank(p[3]) ? 3 : 0;
}

/* Its parts have one to three digits. */
size_t
qf_status_dsn_length(struct qf_slice text, size_t at)
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
		for (n = start; n < left && n < start + 3 && qf_text_is_digit(p[n]);)
			n++;
		if (n == start)
			return 0;
	}
	/* Not the beginning of a longer number, an IP address or a version. */
	if (n < left && (qf_text_is_alnum(p[n]) || p[n] == '@' || p[n] == '/'))
		return 0;
	if (n + 1 < left && (p[n] == '.' || p[n] == '-') && qf_text_is_alnum(p[n + 1]))
		return 0;
	return n;
}

size_t
qf_text_skip_blanks(struct qf_slice text, size_t at)
{
	while (at < text.n && qf_text_is_blank(text.p[at]))
		at++;
	return at;
}

struct qf_status_head
qf_status_read_head(struct qf_slice text)
{
	static const char deferred[] = "Deferred:";
	struct qf_status_head head = {0};
	size_t at = qf_text_skip_blanks(text, 0);
	size_t n;

	if (!text.n)
		return head;
	if (text.n - at >= sizeof(deferred) - 1 &&
	    memcmp(text.p + at, deferred, sizeof(deferred) - 1) == 0) {
		head.deferred = true;
		at = qf_text_skip_blanks(text, at + sizeof(deferred) - 1);
	}
	n = qf_status_code_length(text, at);
	if (n) {
		head.code = (struct qf_slice){text.p + at, n};
		at += n;
		/* The hyphen of an answer of several lines. */
		if (at < text.n && text.p[at] == '-')
			at++;
		at = qf_text_skip_blanks(text, at);
	}
	n = qf_status_dsn_length(text, at);
	if (n) {
		head.dsn = (struct qf_slice){text.p + at, n};
		at = qf_text_skip_blanks(text, at + n);
	}
	head.rest = at;
	return head;
}

struct qf_slice
qf_status_dsn(struct qf_slice status)
{
	struct qf_status_head head = qf_status_read_head(status);

	if (head.dsn.p)
		return head.dsn;
	/* Further on only where it cannot be anything else. */
	for (size_t i = head.rest; i < status.n; i++) {
		size_t n;

		if (status.p[i] != '4' && status.p[i] != '5')
			continue;
		if (i > 0 && !qf_text_is_blank(status.p[i - 1]) &&
		    !strchr("([#<\"':;,=", status.p[i - 1]))
			continue;
		n = qf_status_dsn_length(status, i);
		if (n)
			return (struct qf_slice){status.p + i, n};
	}
	return (struct qf_slice){0};
}

/* ------------------------------------------------------------------ the server it names */

/* A host name or [address] at text[at]. dotted: only one that cannot be a common word. */
static bool
read_host(struct qf_slice text, size_t at, bool dotted, struct qf_status_host *out)
{
	size_t end = at;
	size_t last = at; /* where the last label begins */

	if (at < text.n && text.p[at] == '[') {
		while (end < text.n && text.p[end] != ']' && !qf_text_is_blank(text.p[end]))
			end++;
		if (end == text.n || text.p[end] != ']' || end == at + 1)
			return false;
		*out = (struct qf_status_host){{text.p + at, end + 1 - at}, at, end + 1};
		return true;
	}
	while (end < text.n && qf_text_is_name(text.p[end]))
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
	if (dotted && (last == at || end - last < 2 || !qf_text_is_letter(text.p[last])))
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

bool
qf_status_find_host(struct qf_slice text, const struct qf_status_head *head,
		    struct qf_status_host *out)
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
	struct qf_status_head head = qf_status_read_head(status);
	struct qf_status_host relay = {0};

	return qf_status_find_host(status, &head, &relay) ? relay.name : (struct qf_slice){0};
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
