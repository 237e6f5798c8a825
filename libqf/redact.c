/*
 * redact - addresses replaced by a keyed hash.
 *
 * A name is HMAC-SHA256 of the address under the redactor's key, cut to 48 bits: like falls to
 * like within one run (or wherever the key is known), and without the key an address cannot be
 * found by trying candidates. The domain counts without regard to case, as domains do; brackets
 * are no part of an address.
 *
 * What looks like an address in running text: whatever stands around an "@" (also nothing, as in
 * source routes) or around a "%40" of a URL, and a single word in angle brackets ("<bob>... User
 * unknown"). Names that do not look like one stay, hosts among them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <nettle/hmac.h>

#include "buf.h"

#define KEY_SIZE 32
#define NAME_BYTES 6

/* How far a quoted local part or a domain literal is looked for. sendmail's addresses end at 256;
   without an end to it, hostile text would be gone through once for every "@". */
#define PART_MAX 1024

struct qf_redactor {
	struct hmac_sha256_ctx keyed; /* copied for each address, so that threads may share it */
};

static bool
random_bytes(unsigned char *bytes, size_t n)
{
	while (n) {
		ssize_t got = getrandom(bytes, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		bytes += got;
		n -= (size_t)got;
	}
	return true;
}

struct qf_redactor *
qf_redactor_new(const void *key, size_t n)
{
	struct qf_redactor *redactor = malloc(sizeof(*redactor));
	unsigned char made[KEY_SIZE];

	if (!redactor)
		return NULL;
	if (!key) {
		if (!random_bytes(made, sizeof(made))) {
			free(redactor);
			return NULL;
		}
		key = made;
		n = sizeof(made);
	}
	hmac_sha256_set_key(&redactor->keyed, n, key);
	explicit_bzero(made, sizeof(made));
	return redactor;
}

void
qf_redactor_free(struct qf_redactor *redactor)
{
	if (redactor)
		explicit_bzero(redactor, sizeof(*redactor));
	free(redactor);
}

static const char *
last_at(struct qf_slice address)
{
	return address.n ? memrchr(address.p, '@', address.n) : NULL;
}

/* The name of an address that is neither empty nor in brackets. */
static void
add_name(const struct qf_redactor *redactor, struct qf_slice address, struct qf_buf *out)
{
	struct hmac_sha256_ctx hmac = redactor->keyed;
	uint8_t digest[NAME_BYTES];
	const char *at = last_at(address);
	size_t local = at ? (size_t)(at - address.p) : address.n;

	hmac_sha256_update(&hmac, local, (const uint8_t *)address.p);
	for (size_t i = local; i < address.n; i++) {
		uint8_t c = (uint8_t)address.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (uint8_t)(c - 'A' + 'a');
		hmac_sha256_update(&hmac, 1, &c);
	}
	hmac_sha256_digest(&hmac, sizeof(digest), digest);
	qf_buf_adds(out, "r-");
	for (size_t i = 0; i < sizeof(digest); i++) {
		qf_buf_addc(out, "0123456789abcdef"[digest[i] >> 4]);
		qf_buf_addc(out, "0123456789abcdef"[digest[i] & 15]);
	}
	qf_buf_adds(out, "@redacted");
}

void
qf_redact_address(const struct qf_redactor *redactor, struct qf_slice address, struct qf_buf *out)
{
	bool brackets = address.n >= 2 && address.p[0] == '<' && address.p[address.n - 1] == '>';

	if (brackets) {
		address.p++;
		address.n -= 2;
		qf_buf_addc(out, '<');
	}
	if (address.n)
		add_name(redactor, address, out);
	if (brackets)
		qf_buf_addc(out, '>');
}

/* ---------------------------------------------------------------- addresses in running text */

/* RFC 5322 atext, the dot, the backslash of quoted pairs, and all that is not ASCII (RFC 6532). */
static bool
is_local(char c)
{
	return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || (c && strchr("!#$%&'*+-/=?^_`{|}~.\\", c));
}

static bool
is_domain(char c)
{
	return (unsigned char)c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
}

/* Where the local part before text[at] begins; not before from. */
static size_t
local_start(const char *text, size_t from, size_t at)
{
	size_t start = at;

	if (at > from && text[at - 1] == '"') {
		if (at - from > PART_MAX)
			from = at - PART_MAX;
		for (size_t i = at - 1; i > from; i--)
			if (text[i - 1] == '"' && (i - 1 == from || text[i - 2] != '\\'))
				return i - 1;
		return at;
	}
	while (start > from && is_local(text[start - 1]))
		start--;
	/* Quotation marks of the text around it. */
	while (start < at && strchr("'`{|*=", text[start]))
		start++;
	return start;
}

/* Where the domain behind text[at], an "@", ends; a dot that ends a sentence is not taken. */
static size_t
domain_end(struct qf_slice text, size_t at)
{
	size_t end = at;

	/* More than once: "a\@b@c", "u@h@relay". */
	while (end < text.n && text.p[end] == '@') {
		size_t start = ++end;

		if (end < text.n && text.p[end] == '[') {
			size_t n = text.n - end < PART_MAX ? text.n - end : PART_MAX;
			const char *close = memchr(text.p + end, ']', n);

			if (close && !memchr(text.p + end, ' ', (size_t)(close - text.p) - end))
				end = (size_t)(close - text.p) + 1;
			continue;
		}
		while (end < text.n && is_domain(text.p[end]))
			end++;
		while (end > start && text.p[end - 1] == '.')
			end--;
	}
	return end;
}

/* Length of an "@" as URLs have it at the beginning of text, encoded once or more often; else 0. */
static size_t
encoded_at(struct qf_slice text)
{
	size_t n = 1;

	if (!text.n || text.p[0] != '%')
		return 0;
	while (n + 2 <= text.n && memcmp(text.p + n, "25", 2) == 0)
		n += 2;
	return n + 2 <= text.n && memcmp(text.p + n, "40", 2) == 0 ? n + 2 : 0;
}

/* The address around an encoded "@" at text[at] of that length: where it begins, where it ends. It is
   named as if it were written plainly. False: none. */
static bool
take_encoded(const struct qf_redactor *redactor, struct qf_slice text, size_t done, size_t at, size_t n,
	     size_t *start, size_t *end, struct qf_buf *name)
{
	struct qf_buf plain = {0};

	*start = at;
	*end = at + n;
	while (*end < text.n && is_domain(text.p[*end]))
		++*end;
	while (*end > at + n && text.p[*end - 1] == '.')
		--*end;
	if (*end == at + n)
		return false;
	while (*start > done && is_local(text.p[*start - 1]) && !strchr("/=?&", text.p[*start - 1]))
		--*start;
	qf_buf_add(&plain, text.p + *start, at - *start);
	qf_buf_addc(&plain, '@');
	qf_buf_add(&plain, text.p + at + n, *end - at - n);
	if (plain.failed)
		name->failed = true;
	else
		add_name(redactor, (struct qf_slice){plain.p, plain.n}, name);
	qf_buf_release(&plain);
	return true;
}

/* Length of "<word>" at the beginning of text, 0 where there is none. URLs are no addresses. */
static size_t
bracketed_word(struct qf_slice text)
{
	size_t i = 1;

	while (i < text.n && is_local(text.p[i]))
		i++;
	return i > 1 && i < text.n && text.p[i] == '>' ? i + 1 : 0;
}

void
qf_redact_text(const struct qf_redactor *redactor, struct qf_slice text, struct qf_buf *out)
{
	size_t done = 0, i = 0, n;

	while (i < text.n) {
		size_t start = i, end = i;

		n = encoded_at((struct qf_slice){text.p + i, text.n - i});
		if (n) {
			struct qf_buf name = {0};

			if (take_encoded(redactor, text, done, i, n, &start, &end, &name)) {
				qf_buf_add(out, text.p + done, start - done);
				qf_buf_add(out, name.p, name.n);
				out->failed |= name.failed;
				done = i = end;
			} else {
				i += n;
			}
			qf_buf_release(&name);
			continue;
		}
		if (text.p[i] == '<') {
			end = i + bracketed_word((struct qf_slice){text.p + i, text.n - i});
		} else if (text.p[i] == '@') {
			start = local_start(text.p, done, i);
			end = domain_end(text, i);
			if (end == i + 1 && start == i)
				end = start; /* an "@" by itself */
		}
		if (end == start) {
			i++;
			continue;
		}
		qf_buf_add(out, text.p + done, start - done);
		qf_redact_address(redactor, (struct qf_slice){text.p + start, end - start}, out);
		done = i = end;
	}
	qf_buf_add(out, text.p ? text.p + done : NULL, text.n - done);
}
