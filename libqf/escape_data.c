/*
 * escape_data - the bytes of messages as they are stored: in JSON, CSV and base64.
 */
#include <string.h>

#include "escape_parts.h"

/* ---------------------------------------------------------------- JSON */

/* Bytes of a word that are no printable ASCII, a quote or a backslash: the top bit of each, with
   false ones only above a true one. */
static uint64_t
special_bytes(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101u;
	const uint64_t tops = 0x8080808080808080u;
	uint64_t quote = word ^ ones * '"';
	uint64_t backslash = word ^ ones * '\\';

	return ((word - ones * 0x20) | (quote - ones) | (backslash - ones) | (word + ones) | word) &
	       tops;
}

/* Characters that JSON may hold as they are, but a terminal or a reader of lines had better not
   see: C1 controls, controls of direction, line and paragraph separators. */
static bool
json_unwelcome(int32_t c)
{
	return c < 0xa0 || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

static void
add_json_escape(struct qf_buf *out, int32_t c)
{
	char text[6] = {'\\',
			'u',
			qf_hex_digits[c >> 12 & 15],
			qf_hex_digits[c >> 8 & 15],
			qf_hex_digits[c >> 4 & 15],
			qf_hex_digits[c & 15]};

	qf_buf_add(out, text, sizeof(text));
}

static void
add_json_ascii(struct qf_buf *out, char c)
{
	char text[2] = {'\\', c};

	switch (c) {
	case '"':
	case '\\':
		break;
	case '\n':
		text[1] = 'n';
		break;
	case '\t':
		text[1] = 't';
		break;
	case '\r':
		text[1] = 'r';
		break;
	default:
		add_json_escape(out, c);
		return;
	}
	qf_buf_add(out, text, sizeof(text));
}

static bool
json_plain(unsigned char c)
{
	return qf_is_plain(c) && c != '"';
}

/* The rest of a string, from its first byte that cannot be copied. */
static bool
add_json_rest(struct qf_buf *out, struct qf_slice text)
{
	bool exact = true;

	for (size_t i = 0; i < text.n;) {
		size_t start = i;
		size_t n;
		int32_t c;

		while (i < text.n && json_plain((unsigned char)text.p[i]))
			i++;
		if (i > start) {
			qf_buf_add(out, text.p + start, i - start);
			continue;
		}
		n = qf_utf8_next(text.p + i, text.n - i, &c);
		if (c < 0) {
			qf_buf_add(out, "\xef\xbf\xbd", 3);
			exact = false;
		} else if (c < 0x80) {
			add_json_ascii(out, (char)c);
		} else if (json_unwelcome(c)) {
			add_json_escape(out, c);
		} else {
			qf_buf_add(out, text.p + i, n);
		}
		i += n;
	}
	return exact;
}

/* Sixteen bytes at once: two thirds of all bytes of a listing pass through here. */
typedef unsigned char bytes16 __attribute__((vector_size(16)));

/* Copy sixteen bytes, or none where one of them needs an escape. */
static inline bool
copy_plain16(char *to, const char *from)
{
	bytes16 bytes;
	uint64_t bad[2];

	memcpy(&bytes, from, sizeof(bytes));
	{
		/* As json_plain(). */
		const bytes16 found = (bytes16)(bytes < 0x20) | (bytes16)(bytes > 0x7e) |
				      (bytes16)(bytes == '"') | (bytes16)(bytes == '\\');

		memcpy(bad, &found, sizeof(bad));
	}
	if (bad[0] | bad[1])
		return false;
	memcpy(to, &bytes, sizeof(bytes));
	return true;
}

static inline bool
copy_plain8(char *to, const char *from)
{
	uint64_t word;

	memcpy(&word, from, sizeof(word));
	if (special_bytes(word))
		return false;
	memcpy(to, &word, sizeof(word));
	return true;
}

/* Copy what leads the text and needs no escape; to has room for all of it. Returns how much. */
static size_t
copy_json_plain(char *to, struct qf_slice text)
{
	size_t i = 0;

	while (text.n - i >= 16 && copy_plain16(to + i, text.p + i))
		i += 16;
	/* What is left of less than a piece: the last piece of the text, of which a part is done. */
	if (text.n - i < 16) {
		if (i == text.n)
			return i;
		if (text.n >= 16 && copy_plain16(to + text.n - 16, text.p + text.n - 16))
			return text.n;
		if (text.n >= 8 && text.n < 16 && copy_plain8(to, text.p) &&
		    copy_plain8(to + text.n - 8, text.p + text.n - 8))
			return text.n;
	}
	while (i < text.n && json_plain((unsigned char)text.p[i])) {
		to[i] = text.p[i];
		i++;
	}
	return i;
}

bool
qf_escape_json(struct qf_buf *out, struct qf_slice text)
{
	/* Room for all of it and both quotes: nearly every string is copied as it is. */
	char *p = qf_buf_room(out, text.n + 2);
	bool exact;
	size_t n;

	if (!p)
		return qf_utf8_valid(text);
	p[0] = '"';
	n = copy_json_plain(p + 1, text);
	if (n == text.n) {
		p[n + 1] = '"';
		out->n += n + 2;
		return true;
	}
	out->n += n + 1;
	text.p += n;
	text.n -= n;
	exact = add_json_rest(out, text);
	qf_buf_addc(out, '"');
	return exact;
}

/* ---------------------------------------------------------------- CSV, base64 */

void
qf_escape_csv(struct qf_buf *out, struct qf_slice text)
{
	size_t start = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.n && !quoted; i++) {
		char c = text.p[i];

		quoted = c == '"' || c == ',' || c == '\r' || c == '\n';
	}
	if (!quoted) {
		qf_buf_add_slice(out, text);
		return;
	}
	qf_buf_addc(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '"')
			continue;
		/* The quote goes out with what is before it, and again as the start of the rest. */
		qf_buf_add(out, text.p + start, i + 1 - start);
		start = i;
	}
	qf_buf_add(out, text.p + start, text.n - start);
	qf_buf_addc(out, '"');
}

void
qf_base64(struct qf_buf *out, struct qf_slice bytes)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t groups = bytes.n / 3 + (bytes.n % 3 != 0);
	const unsigned char *from = (const unsigned char *)bytes.p;
	char *to;

	if (groups == 0)
		return;
	/* SIZE_MAX makes the buffer fail as any other size that is not to be had. */
	to = qf_buf_room(out, groups > SIZE_MAX / 4 ? SIZE_MAX : groups * 4);
	if (!to)
		return;
	for (size_t i = 0; i < bytes.n; i += 3) {
		size_t n = bytes.n - i;
		uint32_t bits = (uint32_t)from[i] << 16;

		if (n > 1)
			bits |= (uint32_t)from[i + 1] << 8;
		if (n > 2)
			bits |= from[i + 2];
		*to++ = digits[bits >> 18];
		*to++ = digits[bits >> 12 & 63];
		*to++ = n > 1 ? digits[bits >> 6 & 63] : '=';
		*to++ = n > 2 ? digits[bits & 63] : '=';
	}
	out->n += groups * 4;
}
