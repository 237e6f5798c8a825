/*
 * escape_parts - what the files escape*.c share:
 *	escape.c         for terminals: what is shown, and how wide it is
 *	escape_data.c    for what is stored: JSON, CSV, base64
 */
#ifndef QF_LIBQF_ESCAPE_PARTS_H
#define QF_LIBQF_ESCAPE_PARTS_H

#include <string.h>

#include "buf.h"

/*
 * One character of UTF-8, well-formed as Unicode's table 3-7 has it: no overlong forms, no
 * surrogates, nothing beyond U+10FFFF. Returns the bytes it takes. For what is none, *c is -1,
 * and the bytes are the longest beginning of a character, or one.
 */
static inline size_t
qf_utf8_next(const char *text, size_t n, int32_t *c)
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
static inline size_t
qf_ascii_run(struct qf_slice text)
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

static const char qf_hex_digits[] = "0123456789abcdef";

/* Printable ASCII that is written as it is, wherever. */
static inline bool
qf_is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '\\';
}

#endif
