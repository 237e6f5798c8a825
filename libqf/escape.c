/*
 * escape - making the bytes of messages safe to show.
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

#include "escape_parts.h"

/* Marks that may stand on one base. Real writing needs up to four or so. */
#define MARKS_MAX 8

bool
qf_utf8_valid(struct qf_slice text)
{
	while (text.n) {
		size_t n = qf_ascii_run(text);
		int32_t c;

		if (n == 0) {
			n = qf_utf8_next(text.p, text.n, &c);
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

static void
add_byte_escape(struct qf_buf *out, unsigned char byte)
{
	char text[4] = {'\\', 'x', qf_hex_digits[byte >> 4], qf_hex_digits[byte & 15]};

	qf_buf_add(out, text, sizeof(text));
}

static void
add_char_escape(struct qf_buf *out, int32_t c)
{
	char text[12];
	size_t at = sizeof(text);

	text[--at] = '}';
	do
		text[--at] = qf_hex_digits[c & 15];
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

/* Would a single backslash before this text be read as the start of an escape? What follows the
   text is not known: another text may be put behind it. */
static bool
must_double(struct qf_slice rest)
{
	/* All else that is shown as an escape begins with a backslash; of non-ASCII that is not
	   known yet, and two backslashes are right before anything. */
	return rest.n == 0 || !qf_is_plain((unsigned char)rest.p[0]) || strchr("ntrxu", rest.p[0]);
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

		while (i < text.n && qf_is_plain((unsigned char)text.p[i]))
			i++;
		if (i > start) {
			qf_buf_add(out, text.p + start, i - start);
			marks = 0;
			continue;
		}
		n = qf_utf8_next(text.p + i, text.n - i, &c);
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
		size_t n = qf_ascii_run(text);
		int32_t c;

		if (n > 0) {
			width += n;
		} else {
			n = qf_utf8_next(text.p, text.n, &c);
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
	size_t ascii = qf_ascii_run(text);
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
		n = qf_utf8_next(text.p + i, text.n - i, &c);
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
