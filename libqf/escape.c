/*
 * escape - making the bytes of messages safe to show and to store.
 *
 * The form for terminals
 *	A character is shown as it is when it is printable: a letter, mark, number, punctuation,
 *	symbol or blank that Unicode has assigned and that can be seen. All else is shown as
 *		\n \t \r	line feed, tab, carriage return
 *		\xNN		another control character of ASCII, or a byte that is no UTF-8
 *		\u{N}		any other character: C1 controls, controls of direction, format and
 *				invisible characters, line and paragraph separators, private use
 *				and unassigned ones
 *		\\		a backslash, but only where a single one could be taken for the
 *				start of one of these; so "a\"b"@c.example stays as it is
 *	from which the bytes can be told exactly. A combining mark without a base of its own would
 *	change what is shown before it, and a tower of them covers other lines: such are escaped.
 *
 * Built with QF_NO_UTF8PROC there are no tables of Unicode, and a terminal gets ASCII alone.
 */
#include <string.h>
#ifndef QF_NO_UTF8PROC
#include <utf8proc.h>
#endif

#include "buf.h"

/* Marks that may stand on one base. Real writing needs up to four or so. */
#define MARKS_MAX 8

/*
 * One character of UTF-8, well-formed as Unicode's table 3-7 has it: no overlong forms, no
 * surrogates, nothing beyond U+10FFFF. Returns the bytes it takes. For what is none, *c is -1,
 * and the bytes are the longest beginning of a character, or one.
 */
static size_t
utf8_next(const char *text, size_t n, int32_t *c)
{
	const unsigned char *p = (const unsigned char *)text;
	unsigned char low = 0x80, high = 0xbf;
	size_t length;
	int32_t value;

	*c = -1;
	if (p[0] < 0x80) {
		*c = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 1;
	if (p[0] < 0xe0) {
		length = 2;
		value = p[0] & 0x1f;
	} else if (p[0] < 0xf0) {
		length = 3;
		value = p[0] & 0x0f;
		if (p[0] == 0xe0)
			low = 0xa0;
		else if (p[0] == 0xed)
			high = 0x9f;
	} else {
		length = 4;
		value = p[0] & 0x07;
		if (p[0] == 0xf0)
			low = 0x90;
		else if (p[0] == 0xf4)
			high = 0x8f;
	}
	for (size_t i = 1; i < length; i++) {
		if (i == n || p[i] < low || p[i] > high)
			return i;
		value = value << 6 | (p[i] & 0x3f);
		low = 0x80;
		high = 0xbf;
	}
	*c = value;
	return length;
}

/* Bytes of ASCII that lead the text. */
static size_t
ascii_run(struct qf_slice text)
{
	size_t i = 0;

	for (; text.n - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, text.p + i, sizeof(word));
		if (word & 0x8080808080808080u)
			break;
	}
	while (i < text.n && (unsigned char)text.p[i] < 0x80)
		i++;
	return i;
}

bool
qf_utf8_valid(struct qf_slice text)
{
	while (text.n) {
		size_t n = ascii_run(text);
		int32_t c;

		if (n == 0) {
			n = utf8_next(text.p, text.n, &c);
			if (c < 0)
				return false;
		}
		text.p += n;
		text.n -= n;
	}
	return true;
}

/* ---------------------------------------------------------------- terminals */

/* What can be done with a character on a terminal. */
enum show { SHOW_PLAIN, SHOW_MARK, SHOW_ESCAPED };

#ifndef QF_NO_UTF8PROC

static enum show
show_of(int32_t c)
{
	const utf8proc_property_t *property = utf8proc_get_property(c);

	/* Fillers, joiners, variation selectors: nothing is seen of them, whatever their class. */
	if (property->ignorable)
		return SHOW_ESCAPED;
	switch (property->category) {
	case UTF8PROC_CATEGORY_CN:
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP:
		return SHOW_ESCAPED;
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ME:
		return SHOW_MARK;
	default:
		return utf8proc_charwidth(c) > 0 ? SHOW_PLAIN : SHOW_MARK;
	}
}

static size_t
width_of(int32_t c)
{
	int width = utf8proc_charwidth(c);

	return width > 0 ? (size_t)width : 0;
}

/* May the text be cut between these two? */
static bool
may_cut(int32_t before, int32_t after, int32_t *state)
{
	return utf8proc_grapheme_break_stateful(before, after, state);
}

#else

static enum show
show_of(int32_t c)
{
	(void)c;
	return SHOW_ESCAPED;
}

static size_t
width_of(int32_t c)
{
	(void)c;
	return 1;
}

static bool
may_cut(int32_t before, int32_t after, int32_t *state)
{
	(void)before;
	(void)after;
	(void)state;
	return true;
}

#endif

static const char hex_digits[] = "0123456789abcdef";

static void
add_byte_escape(struct qf_buf *out, unsigned char byte)
{
	char text[4] = {'\\', 'x', hex_digits[byte >> 4], hex_digits[byte & 15]};

	qf_buf_add(out, text, sizeof(text));
}

static void
add_char_escape(struct qf_buf *out, int32_t c)
{
	char text[12];
	size_t at = sizeof(text);

	text[--at] = '}';
	do
		text[--at] = hex_digits[c & 15];
	while (c >>= 4);
	text[--at] = '{';
	text[--at] = 'u';
	text[--at] = '\\';
	qf_buf_add(out, text + at, sizeof(text) - at);
}

/* ASCII that is no printable character. */
static void
add_control(struct qf_buf *out, unsigned char c)
{
	switch (c) {
	case '\n':
		qf_buf_add(out, "\\n", 2);
		break;
	case '\t':
		qf_buf_add(out, "\\t", 2);
		break;
	case '\r':
		qf_buf_add(out, "\\r", 2);
		break;
	default:
		add_byte_escape(out, c);
		break;
	}
}

static bool
is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '\\';
}

/* Would a single backslash before this text be read as the start of an escape? What follows the
   text is not known: another text may be put behind it. */
static bool
must_double(struct qf_slice rest)
{
	/* All else that is shown as an escape begins with a backslash; of non-ASCII that is not
	   known yet, and two backslashes are right before anything. */
	return rest.n == 0 || !is_plain((unsigned char)rest.p[0]) || strchr("ntrxu", rest.p[0]);
}

void
qf_escape_terminal(struct qf_buf *out, struct qf_slice text, bool utf8)
{
	unsigned marks = MARKS_MAX; /* on the last base; at the start there is none */
	size_t i = 0;

	while (i < text.n) {
		size_t start = i;
		size_t n;
		int32_t c;

		while (i < text.n && is_plain((unsigned char)text.p[i]))
			i++;
		if (i > start) {
			qf_buf_add(out, text.p + start, i - start);
			marks = 0;
			continue;
		}
		n = utf8_next(text.p + i, text.n - i, &c);
		if (c == '\\') {
			struct qf_slice rest = {text.p + i + 1, text.n - i - 1};

			qf_buf_add(out, "\\\\", must_double(rest) ? 2 : 1);
			marks = 0;
		} else if (c < 0) {
			for (size_t k = 0; k < n; k++)
				add_byte_escape(out, (unsigned char)text.p[i + k]);
			marks = MARKS_MAX;
		} else if (c < 0x80) {
			add_control(out, (unsigned char)c);
			marks = MARKS_MAX;
		} else {
			enum show show = utf8 ? show_of(c) : SHOW_ESCAPED;

			if (show == SHOW_MARK && marks == MARKS_MAX)
				show = SHOW_ESCAPED;
			if (show == SHOW_ESCAPED) {
				add_char_escape(out, c);
				marks = MARKS_MAX;
			} else {
				qf_buf_add(out, text.p + i, n);
				marks = show == SHOW_MARK ? marks + 1 : 0;
			}
		}
		i += n;
	}
}

size_t
qf_text_width(struct qf_slice text)
{
	size_t width = 0;

	while (text.n) {
		size_t n = ascii_run(text);
		int32_t c;

		if (n > 0) {
			width += n;
		} else {
			n = utf8_next(text.p, text.n, &c);
			width += c < 0 ? 1 : width_of(c);
		}
		text.p += n;
		text.n -= n;
	}
	return width;
}

static void
add_cut(struct qf_buf *out, struct qf_slice text, size_t n, bool utf8)
{
	qf_buf_add(out, text.p, n);
	qf_buf_adds(out, utf8 ? "\u2026" : "~");
}

size_t
qf_text_fit(struct qf_buf *out, struct qf_slice text, size_t width, bool utf8)
{
	size_t ascii = ascii_run(text);
	/* Columns so far, and the last place where the text may end and an ellipsis follow. */
	size_t used = 0, cut = 0, cut_used = 0;
	size_t n;
	int32_t before = 'x', state = 0, c;

	if (width == 0)
		return 0;
	/* The usual cases first: ASCII is a column each and joins with nothing before it. */
	if (ascii == text.n && ascii <= width) {
		qf_buf_add(out, text.p, text.n);
		return ascii;
	}
	if (ascii > width) {
		add_cut(out, text, width - 1, utf8);
		return width;
	}
	for (size_t i = 0; i < text.n; i += n) {
		n = utf8_next(text.p + i, text.n - i, &c);
		if (used < width && ((before < 0x80 && c < 0x80) || may_cut(before, c, &state))) {
			cut = i;
			cut_used = used;
		}
		used += c < 0x80 ? 1 : width_of(c);
		if (used > width) {
			add_cut(out, text, cut, utf8);
			return cut_used + 1;
		}
		before = c < 0 ? 'x' : c;
	}
	qf_buf_add(out, text.p, text.n);
	return used;
}

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
			hex_digits[c >> 12 & 15],
			hex_digits[c >> 8 & 15],
			hex_digits[c >> 4 & 15],
			hex_digits[c & 15]};

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
	return is_plain(c) && c != '"';
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
		n = utf8_next(text.p + i, text.n - i, &c);
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

/* Copy what leads the text and needs no escape; to has room for all of it. Returns how much. */
static size_t
copy_json_plain(char *to, struct qf_slice text)
{
	size_t i = 0;
	uint64_t word;

	for (; text.n - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, text.p + i, sizeof(word));
		if (special_bytes(word))
			break;
		memcpy(to + i, &word, sizeof(word));
	}
	/* What is left of less than a word: the last word of the text, of which a part is done. */
	if (i > 0 && i < text.n && text.n - i < sizeof(word)) {
		memcpy(&word, text.p + text.n - sizeof(word), sizeof(word));
		if (!special_bytes(word)) {
			memcpy(to + text.n - sizeof(word), &word, sizeof(word));
			return text.n;
		}
	}
	for (; i < text.n && json_plain((unsigned char)text.p[i]); i++)
		to[i] = text.p[i];
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
