#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "qf.h"

#define BYTES(text) ((struct qf_slice){.p = (text), .n = sizeof(text) - 1})

static const struct qf_slice absent = {.p = NULL, .n = 0};

static void
expect_bytes(const struct qf_buf *is, struct qf_slice wanted, const char *what)
{
	cr_expect(is->n == wanted.n && (is->n == 0 || memcmp(is->p, wanted.p, is->n) == 0),
		  "%s: \"%.*s\" instead of \"%.*s\"", what, (int)is->n, is->p ? is->p : "",
		  (int)wanted.n, wanted.p);
}

static uint64_t
next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* Bytes such as strangers send: pieces of text, of escapes and of UTF-8, whole and broken. */
static struct qf_slice
random_bytes(uint64_t *state, char *bytes, size_t size)
{
	static const struct qf_slice pieces[] = {
		BYTES("a"),
		BYTES("\\"),
		BYTES("n"),
		BYTES("x1b"),
		BYTES("u{e9}"),
		BYTES("\n"),
		BYTES("\033[2J"),
		BYTES("\0"),
		BYTES("\x7f"),
		BYTES("\""),
		BYTES("\xc3\xa9"),
		BYTES("\xc3"),
		BYTES("\xe2\x80\xae"),
		BYTES("\xe2\x80"),
		BYTES("\xcc\x81"),
		BYTES("\xf0\x9f\x98\x80"),
		BYTES("\xed\xa0\x80"),
		BYTES("\xff"),
		BYTES("\xc2\x9b"),
		BYTES("plain words of more than eight bytes"),
	};
	size_t wanted = next_random(state) % size;
	size_t n = 0;

	while (n < wanted) {
		struct qf_slice piece =
			pieces[next_random(state) % (sizeof(pieces) / sizeof(pieces[0]))];

		if (piece.n > wanted - n)
			piece.n = wanted - n;
		memcpy(bytes + n, piece.p, piece.n);
		n += piece.n;
	}
	return (struct qf_slice){.p = bytes, .n = n};
}

/* ---------------------------------------------------------------- UTF-8 */

Test(escape, utf8_is_strict)
{
	static const struct qf_slice good[] = {
		BYTES(""),
		BYTES("plain ASCII of more than eight bytes"),
		BYTES("\0\x7f"),
		BYTES("\xc2\x80"),
		BYTES("\xdf\xbf"),
		BYTES("\xe0\xa0\x80"),
		BYTES("\xed\x9f\xbf"),
		BYTES("\xee\x80\x80"),
		BYTES("\xef\xbf\xbf"),
		BYTES("\xf0\x90\x80\x80"),
		BYTES("\xf4\x8f\xbf\xbf"),
		BYTES("gr\xc3\xbc\xc3\x9f"
		      "e \xe4\xb8\xad \xf0\x9f\x98\x80 and so on"),
	};
	static const struct qf_slice bad[] = {
		BYTES("\x80"),
		BYTES("\xbf"),
		BYTES("\xc0\x80"),
		BYTES("\xc1\xbf"),
		BYTES("\xc3"),
		BYTES("\xc3("),
		BYTES("\xe0\x9f\xbf"),
		BYTES("\xed\xa0\x80"),
		BYTES("\xed\xbf\xbf"),
		BYTES("\xe2\x82"),
		BYTES("\xf0\x8f\xbf\xbf"),
		BYTES("\xf4\x90\x80\x80"),
		BYTES("\xf5\x80\x80\x80"),
		BYTES("\xf0\x9f\x98"),
		BYTES("\xff"),
		BYTES("\xfe"),
		BYTES("seven b\xff and more"),
		BYTES("eight by\xff and more"),
		BYTES("\xc3\xa9\xa9"),
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(qf_utf8_valid(good[i]), "number %zu", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(qf_utf8_valid(bad[i]), "number %zu", i);
	cr_expect(qf_utf8_valid(absent));
}

/* Against another decoder: all sequences of three bytes and the borders of four. */
Test(escape, utf8_is_what_utf8proc_takes)
{
	unsigned char bytes[4];

	for (uint32_t i = 0; i < 1u << 24; i++) {
		utf8proc_int32_t c;
		bool whole;

		bytes[0] = (unsigned char)(i >> 16);
		bytes[1] = (unsigned char)(i >> 8);
		bytes[2] = (unsigned char)i;
		if (bytes[0] < 0xc0)
			continue;
		/* One character of three bytes, or of two and an ASCII one. */
		whole = utf8proc_iterate(bytes, 3, &c) == 3 ||
			(utf8proc_iterate(bytes, 3, &c) == 2 && bytes[2] < 0x80);
		if (qf_utf8_valid((struct qf_slice){.p = (char *)bytes, .n = 3}) != whole)
			cr_assert_fail("%02x %02x %02x", bytes[0], bytes[1], bytes[2]);
	}
	for (uint32_t i = 0; i < 1u << 16; i++) {
		static const unsigned char ends[] = {0x7f, 0x80, 0xbf, 0xc0};

		for (int k = 0; k < 16; k++) {
			utf8proc_int32_t c;

			bytes[0] = (unsigned char)(0xf0 | (i >> 8 & 15));
			bytes[1] = (unsigned char)i;
			bytes[2] = ends[k / 4];
			bytes[3] = ends[k % 4];
			if (qf_utf8_valid((struct qf_slice){.p = (char *)bytes, .n = 4}) !=
			    (utf8proc_iterate(bytes, 4, &c) == 4))
				cr_assert_fail("%02x %02x %02x %02x", bytes[0], bytes[1], bytes[2],
					       bytes[3]);
		}
	}
}

/* ---------------------------------------------------------------- terminals */

struct text_case {
	struct qf_slice in;
	struct qf_slice out;
};

Test(escape, terminal_shows_what_is_printable_and_escapes_the_rest)
{
	static const struct text_case cases[] = {
		{BYTES(""), BYTES("")},
		{BYTES("Deferred: 421 4.3.2 try ~ again!"),
		 BYTES("Deferred: 421 4.3.2 try ~ again!")},
		{BYTES("gr\xc3\xbc\xc3\x9f"
		       "e \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80"),
		 BYTES("gr\xc3\xbc\xc3\x9f"
		       "e \xe4\xb8\xad\xe6\x96\x87 \xf0\x9f\x98\x80")},
		/* control characters */
		{BYTES("a\nb\tc\rd"), BYTES("a\\nb\\tc\\rd")},
		{BYTES("\033[2J\033]0;owned\007"), BYTES("\\x1b[2J\\x1b]0;owned\\x07")},
		{BYTES("\0a\x7f"), BYTES("\\x00a\\x7f")},
		{BYTES("\x9b"
		       "2J"),
		 BYTES("\\x9b2J")},
		{BYTES("\xc2\x9b"
		       "2J"),
		 BYTES("\\u{9b}2J")},
		{BYTES("\xc2\x80\xc2\x85\xc2\x9f"), BYTES("\\u{80}\\u{85}\\u{9f}")},
		/* direction */
		{BYTES("\xe2\x80\xae"
		       "exe.fdp"),
		 BYTES("\\u{202e}exe.fdp")},
		{BYTES("\xe2\x80\xaa\xe2\x80\xac\xe2\x81\xa6\xe2\x81\xa9"),
		 BYTES("\\u{202a}\\u{202c}\\u{2066}\\u{2069}")},
		{BYTES("\xe2\x80\x8e\xe2\x80\x8f\xd8\x9c"), BYTES("\\u{200e}\\u{200f}\\u{61c}")},
		/* what cannot be seen */
		{BYTES("a\xe2\x80\x8b"
		       "b"),
		 BYTES("a\\u{200b}b")},
		{BYTES("a\xe2\x80\x8d"
		       "b\xe2\x80\x8c"),
		 BYTES("a\\u{200d}b\\u{200c}")},
		{BYTES("soft\xc2\xad"), BYTES("soft\\u{ad}")},
		{BYTES("\xef\xbb\xbf"), BYTES("\\u{feff}")},
		{BYTES("\xe3\x85\xa4"), BYTES("\\u{3164}")},
		{BYTES("a\xef\xb8\x8f"), BYTES("a\\u{fe0f}")},
		{BYTES("a\xcd\x8f"), BYTES("a\\u{34f}")},
		{BYTES("\xf3\xa0\x81\xa1"), BYTES("\\u{e0061}")},
		/* line and paragraph separators */
		{BYTES("\xe2\x80\xa8\xe2\x80\xa9"), BYTES("\\u{2028}\\u{2029}")},
		{BYTES("a\xe2\x80\xa8"
		       "b\xe2\x80\xa9"),
		 BYTES("a\\u{2028}b\\u{2029}")},
		/* private, unassigned, no characters */
		{BYTES("\xee\x80\x80"), BYTES("\\u{e000}")},
		{BYTES("\xf4\x80\x80\x80"), BYTES("\\u{100000}")},
		{BYTES("\xcd\xb8"), BYTES("\\u{378}")},
		{BYTES("\xef\xbf\xbf\xef\xb7\x90"), BYTES("\\u{ffff}\\u{fdd0}")},
		/* invalid bytes, one by one */
		{BYTES("\xff\xfe"), BYTES("\\xff\\xfe")},
		{BYTES("caf\xe9"), BYTES("caf\\xe9")},
		{BYTES("\xe2\x82"), BYTES("\\xe2\\x82")},
		{BYTES("\xc0\xaf"), BYTES("\\xc0\\xaf")},
		{BYTES("\xed\xa0\x80"), BYTES("\\xed\\xa0\\x80")},
		/* a backslash is doubled where it could be misread */
		{BYTES("\"a\\\"b\"@c.example"), BYTES("\"a\\\"b\"@c.example")},
		{BYTES("DOMAIN\\alice"), BYTES("DOMAIN\\alice")},
		{BYTES("DOMAIN\\nora"), BYTES("DOMAIN\\\\nora")},
		{BYTES("\\x1b \\u{e9} \\t \\r"), BYTES("\\\\x1b \\\\u{e9} \\\\t \\\\r")},
		{BYTES("\\\\"), BYTES("\\\\\\\\")},
		{BYTES("\\\n"), BYTES("\\\\\\n")},
		{BYTES("\\\xff"), BYTES("\\\\\\xff")},
		{BYTES("\\\xc3\xa9"), BYTES("\\\\\xc3\xa9")},
		{BYTES("end\\"), BYTES("end\\\\")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};

		qf_escape_terminal(&out, cases[i].in, true);
		expect_bytes(&out, cases[i].out, "utf8");
		qf_buf_release(&out);
	}
}

Test(escape, terminal_without_utf8_gets_ascii)
{
	static const struct text_case cases[] = {
		{BYTES("plain \\ text"), BYTES("plain \\ text")},
		{BYTES("gr\xc3\xbc\xc3\x9f"
		       "e"),
		 BYTES("gr\\u{fc}\\u{df}e")},
		{BYTES("\xf0\x9f\x98\x80\xff"), BYTES("\\u{1f600}\\xff")},
		{BYTES("a\xcc\x81"), BYTES("a\\u{301}")},
		{BYTES("\033\n"), BYTES("\\x1b\\n")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};

		qf_escape_terminal(&out, cases[i].in, false);
		expect_bytes(&out, cases[i].out, "ascii");
		qf_buf_release(&out);
	}
}

#define ACUTE "\xcc\x81"
#define ACUTE4 ACUTE ACUTE ACUTE ACUTE

Test(escape, marks_stand_on_a_base_and_not_too_high)
{
	static const struct text_case cases[] = {
		{BYTES("e" ACUTE), BYTES("e" ACUTE)},
		{BYTES("\xc3\xa9" ACUTE " " ACUTE), BYTES("\xc3\xa9" ACUTE " " ACUTE)},
		{BYTES("e" ACUTE4 ACUTE4), BYTES("e" ACUTE4 ACUTE4)},
		{BYTES("e" ACUTE4 ACUTE4 ACUTE "x"), BYTES("e" ACUTE4 ACUTE4 "\\u{301}x")},
		{BYTES("e" ACUTE4 ACUTE4 ACUTE ACUTE "x" ACUTE),
		 BYTES("e" ACUTE4 ACUTE4 "\\u{301}\\u{301}x" ACUTE)},
		{BYTES(ACUTE "e"), BYTES("\\u{301}e")},
		{BYTES("\n" ACUTE), BYTES("\\n\\u{301}")},
		{BYTES("\xff" ACUTE), BYTES("\\xff\\u{301}")},
		{BYTES("\xe2\x80\x8b" ACUTE), BYTES("\\u{200b}\\u{301}")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};

		qf_escape_terminal(&out, cases[i].in, true);
		expect_bytes(&out, cases[i].out, "marks");
		qf_buf_release(&out);
	}
}

/* The bytes that an escaped text stands for, read as the head of escape.c says. */
static void
unescape(struct qf_buf *out, struct qf_slice text)
{
	for (size_t i = 0; i < text.n;) {
		const char *p = text.p + i;

		if (*p != '\\' || i + 1 == text.n || !strchr("\\ntrxu", p[1])) {
			qf_buf_addc(out, *p);
			i++;
			continue;
		}
		i += 2;
		switch (p[1]) {
		case '\\':
			qf_buf_addc(out, '\\');
			break;
		case 'n':
			qf_buf_addc(out, '\n');
			break;
		case 't':
			qf_buf_addc(out, '\t');
			break;
		case 'r':
			qf_buf_addc(out, '\r');
			break;
		case 'x': {
			char digits[3] = {p[2], p[3], '\0'};

			qf_buf_addc(out, (char)strtoul(digits, NULL, 16));
			i += 2;
			break;
		}
		default: {
			unsigned char utf8[4];
			char *end;
			long c = strtol(p + 3, &end, 16);

			cr_assert(p[2] == '{' && *end == '}');
			qf_buf_add(out, utf8,
				   (size_t)utf8proc_encode_char((utf8proc_int32_t)c, utf8));
			i = (size_t)(end - text.p) + 1;
			break;
		}
		}
	}
}

Test(escape, terminal_text_is_harmless_and_tells_the_bytes)
{
	uint64_t state = 88172645463325252u;
	struct qf_buf out = {0}, back = {0};
	char bytes[200];

	for (int i = 0; i < 20000; i++) {
		struct qf_slice in = random_bytes(&state, bytes, sizeof(bytes));
		bool utf8 = i % 2;
		struct qf_slice shown;

		qf_buf_clear(&out);
		qf_buf_clear(&back);
		qf_escape_terminal(&out, in, utf8);
		shown = (struct qf_slice){.p = out.p, .n = out.n};
		cr_assert(qf_utf8_valid(shown));
		for (size_t k = 0; k < out.n; k++) {
			unsigned char c = (unsigned char)out.p[k];

			cr_assert(c >= 0x20 && c != 0x7f && (utf8 || c < 0x80));
			cr_assert_not(c == 0xc2 && (unsigned char)out.p[k + 1] < 0xa0);
		}
		/* A text of C, for strtol() in unescape(). */
		qf_buf_addc(&out, '\0');
		unescape(&back, (struct qf_slice){.p = out.p, .n = out.n - 1});
		cr_assert_eq(back.n, in.n);
		cr_assert(in.n == 0 || memcmp(back.p, in.p, in.n) == 0);
	}
	qf_buf_release(&out);
	qf_buf_release(&back);
}

Test(escape, every_character_is_shown_in_a_known_width_or_escaped)
{
	struct qf_buf out = {0};

	for (int32_t c = 0x80; c <= 0x10ffff; c++) {
		unsigned char utf8[5] = "x";
		size_t n = 1 + (size_t)utf8proc_encode_char(c, utf8 + 1);
		struct qf_slice shown;

		if (c >= 0xd800 && c < 0xe000)
			continue;
		qf_buf_clear(&out);
		qf_escape_terminal(&out, (struct qf_slice){.p = (char *)utf8, .n = n}, true);
		shown = (struct qf_slice){.p = out.p, .n = out.n};
		if (out.n == n) {
			cr_assert_neq(utf8proc_category(c), UTF8PROC_CATEGORY_CF);
			cr_assert_neq(utf8proc_category(c), UTF8PROC_CATEGORY_CN);
			cr_assert(qf_text_width(shown) <= 3);
		} else {
			cr_assert_eq(qf_text_width(shown), out.n);
		}
	}
	qf_buf_release(&out);
}

/* ---------------------------------------------------------------- widths */

Test(escape, width_is_in_columns)
{
	static const struct {
		struct qf_slice text;
		size_t width;
	} cases[] = {
		{BYTES(""), 0},
		{BYTES("plain ASCII, long enough"), 24},
		{BYTES("gr\xc3\xbc\xc3\x9f"
		       "e"),
		 5},
		{BYTES("\xe4\xb8\xad\xe6\x96\x87"), 4},
		{BYTES("\xf0\x9f\x98\x80!"), 3},
		{BYTES("e" ACUTE4 "x"), 2},
		{BYTES("\xef\xbc\xa1"), 2},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(qf_text_width(cases[i].text), cases[i].width, "%s: %zu",
			     cases[i].text.p, qf_text_width(cases[i].text));
	cr_expect_eq(qf_text_width(absent), 0u);
}

#define DOTS "\xe2\x80\xa6"
#define FLAG "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa"

Test(escape, text_is_cut_to_a_width_at_whole_characters)
{
	static const struct {
		struct qf_slice text;
		size_t width;
		bool utf8;
		struct qf_slice cut;
		size_t used;
	} cases[] = {
		{BYTES("someone@example"), 15, true, BYTES("someone@example"), 15},
		{BYTES("someone@example"), 16, true, BYTES("someone@example"), 15},
		{BYTES("someone@example"), 14, true, BYTES("someone@examp" DOTS), 14},
		{BYTES("someone@example"), 14, false, BYTES("someone@examp~"), 14},
		{BYTES("someone@example"), 1, true, BYTES(DOTS), 1},
		{BYTES("someone@example"), 0, true, BYTES(""), 0},
		{BYTES(""), 0, true, BYTES(""), 0},
		{BYTES(""), 5, true, BYTES(""), 0},
		{BYTES("\xc3\xbc"), 1, true, BYTES("\xc3\xbc"), 1},
		/* a wide one that would stand half in */
		{BYTES("\xe4\xb8\xad\xe6\x96\x87"), 4, true, BYTES("\xe4\xb8\xad\xe6\x96\x87"), 4},
		{BYTES("\xe4\xb8\xad\xe6\x96\x87"), 3, true, BYTES("\xe4\xb8\xad" DOTS), 3},
		{BYTES("\xe4\xb8\xad\xe6\x96\x87"), 2, true, BYTES(DOTS), 1},
		{BYTES("\xe4\xb8\xad\xe6\x96\x87"), 1, true, BYTES(DOTS), 1},
		/* marks go with their base */
		{BYTES("ae" ACUTE), 2, true, BYTES("ae" ACUTE), 2},
		{BYTES("ae" ACUTE "x"), 2, true, BYTES("a" DOTS), 2},
		{BYTES("ae" ACUTE "xy"), 3, true, BYTES("ae" ACUTE DOTS), 3},
		/* a flag is two characters and one thing */
		{BYTES("a" FLAG FLAG), 4, true, BYTES("a" FLAG DOTS), 4},
		{BYTES("a" FLAG FLAG), 3, true, BYTES("a" DOTS), 2},
		{BYTES("a" FLAG FLAG), 5, true, BYTES("a" FLAG FLAG), 5},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};
		size_t used = qf_text_fit(&out, cases[i].text, cases[i].width, cases[i].utf8);

		expect_bytes(&out, cases[i].cut, cases[i].text.p);
		cr_expect_eq(used, cases[i].used, "%s in %zu: %zu", cases[i].text.p, cases[i].width,
			     used);
		qf_buf_release(&out);
	}
}

Test(escape, cut_text_never_takes_more_than_its_width)
{
	uint64_t state = 88172645463325252u;
	struct qf_buf safe = {0}, out = {0};
	char bytes[100];

	for (int i = 0; i < 20000; i++) {
		struct qf_slice in = random_bytes(&state, bytes, sizeof(bytes));
		size_t width = next_random(&state) % 40;
		struct qf_slice text, cut;
		size_t used;

		qf_buf_clear(&safe);
		qf_buf_clear(&out);
		qf_escape_terminal(&safe, in, true);
		text = (struct qf_slice){.p = safe.p, .n = safe.n};
		used = qf_text_fit(&out, text, width, true);
		cut = (struct qf_slice){.p = out.p, .n = out.n};
		cr_assert(qf_utf8_valid(cut));
		cr_assert_eq(qf_text_width(cut), used);
		cr_assert(used <= width);
		if (qf_text_width(text) <= width)
			cr_assert_eq(used, qf_text_width(text));
		else
			cr_assert(used + 2 >= width, "only what cannot be halved is left out");
	}
	qf_buf_release(&safe);
	qf_buf_release(&out);
}

/* ---------------------------------------------------------------- JSON */

Test(escape, json_strings)
{
	static const struct {
		struct qf_slice in;
		struct qf_slice out;
		bool exact;
	} cases[] = {
		{BYTES(""), BYTES("\"\""), true},
		{BYTES("a"), BYTES("\"a\""), true},
		{BYTES("plain words of more than eight"),
		 BYTES("\"plain words of more than eight\""), true},
		{BYTES("say \"hi\" \\ / bye"), BYTES("\"say \\\"hi\\\" \\\\ / bye\""), true},
		{BYTES("a\n\tb\rc"), BYTES("\"a\\n\\tb\\rc\""), true},
		{BYTES("\0\b\f\033\x1f\x7f"),
		 BYTES("\"\\u0000\\u0008\\u000c\\u001b\\u001f\\u007f\""), true},
		{BYTES("gr\xc3\xbc\xc3\x9f"
		       "e \xf0\x9f\x98\x80"),
		 BYTES("\"gr\xc3\xbc\xc3\x9f"
		       "e \xf0\x9f\x98\x80\""),
		 true},
		{BYTES("\xef\xbf\xbe\xef\xb7\x90"), BYTES("\"\xef\xbf\xbe\xef\xb7\x90\""), true},
		/* same text, harmless on a terminal and one line for every reader of lines */
		{BYTES("\xc2\x85\xc2\x9b"), BYTES("\"\\u0085\\u009b\""), true},
		{BYTES("\xe2\x80\xa8\xe2\x80\xae"), BYTES("\"\\u2028\\u202e\""), true},
		{BYTES("\xd8\x9c\xe2\x80\x8e\xe2\x81\xa9"), BYTES("\"\\u061c\\u200e\\u2069\""),
		 true},
		{BYTES("\xc2\xa0"), BYTES("\"\xc2\xa0\""), true},
		/* U+FFFD for each longest beginning of a character */
		{BYTES("caf\xe9"), BYTES("\"caf\xef\xbf\xbd\""), false},
		{BYTES("\xe2\x82"), BYTES("\"\xef\xbf\xbd\""), false},
		{BYTES("\xe2\x82x"), BYTES("\"\xef\xbf\xbdx\""), false},
		{BYTES("\xf0\x9f\x98\xff"), BYTES("\"\xef\xbf\xbd\xef\xbf\xbd\""), false},
		{BYTES("\xc0\xaf"), BYTES("\"\xef\xbf\xbd\xef\xbf\xbd\""), false},
		{BYTES("\xed\xa0\x80"), BYTES("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""), false},
		{BYTES("\xf4\x90\x80\x80"),
		 BYTES("\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""), false},
		{BYTES("\xef\xbf\xbd"), BYTES("\"\xef\xbf\xbd\""), true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};

		cr_expect_eq(qf_escape_json(&out, cases[i].in), cases[i].exact, "%s",
			     cases[i].in.p);
		expect_bytes(&out, cases[i].out, "json");
		qf_buf_release(&out);
	}
}

/* Each byte at each place of strings up to three words long: the fast way and the slow way say
   the same. */
Test(escape, json_strings_of_all_lengths)
{
	for (size_t n = 1; n < 26; n++) {
		for (size_t at = 0; at < n; at++) {
			for (int c = 0; c < 256; c++) {
				char in[26], wanted[40];
				struct qf_buf out = {0};
				int length;
				bool exact;

				memset(in, 'a', n);
				in[at] = (char)c;
				exact = qf_escape_json(&out, (struct qf_slice){.p = in, .n = n});
				if (c == '"' || c == '\\')
					length = snprintf(wanted, sizeof(wanted), "\\%c", c);
				else if (c == '\n' || c == '\r' || c == '\t')
					length = snprintf(wanted, sizeof(wanted), "\\%c",
							  c == '\n'   ? 'n'
							  : c == '\r' ? 'r'
								      : 't');
				else if (c < 0x20 || c == 0x7f)
					length = snprintf(wanted, sizeof(wanted), "\\u%04x", c);
				else if (c >= 0x80)
					length = snprintf(wanted, sizeof(wanted), "\xef\xbf\xbd");
				else
					length = snprintf(wanted, sizeof(wanted), "%c", c);
				cr_assert_eq(exact, c < 0x80);
				cr_assert_eq(out.n, n + 1 + (size_t)length);
				cr_assert(out.p[0] == '"' && out.p[out.n - 1] == '"');
				for (size_t k = 0; k < at; k++)
					cr_assert_eq(out.p[1 + k], 'a');
				cr_assert_eq(memcmp(out.p + 1 + at, wanted, (size_t)length), 0,
					     "byte %d at %zu of %zu", c, at, n);
				for (size_t k = 1 + at + (size_t)length; k < out.n - 1; k++)
					cr_assert_eq(out.p[k], 'a');
				qf_buf_release(&out);
			}
		}
	}
}

Test(escape, json_appends_and_takes_absent_text)
{
	struct qf_buf out = {0};

	qf_buf_adds(&out, "x:");
	cr_expect(qf_escape_json(&out, absent));
	expect_bytes(&out, BYTES("x:\"\""), "absent");
	qf_buf_release(&out);
}

/* ---------------------------------------------------------------- CSV, base64 */

Test(escape, csv_quotes_where_it_must)
{
	static const struct text_case cases[] = {
		{BYTES(""), BYTES("")},
		{BYTES("plain; text = +1"), BYTES("plain; text = +1")},
		{BYTES(" blanks "), BYTES(" blanks ")},
		{BYTES("a,b"), BYTES("\"a,b\"")},
		{BYTES("a\nb"), BYTES("\"a\nb\"")},
		{BYTES("a\rb"), BYTES("\"a\rb\"")},
		{BYTES("\""), BYTES("\"\"\"\"")},
		{BYTES("say \"hi\""), BYTES("\"say \"\"hi\"\"\"")},
		{BYTES("\"\",\"\""), BYTES("\"\"\"\"\",\"\"\"\"\"")},
		{BYTES("\xff\0\033"), BYTES("\xff\0\033")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};

		qf_escape_csv(&out, cases[i].in);
		expect_bytes(&out, cases[i].out, "csv");
		qf_buf_release(&out);
	}
}

Test(escape, base64_of_rfc_4648)
{
	static const struct text_case cases[] = {
		{BYTES(""), BYTES("")},
		{BYTES("f"), BYTES("Zg==")},
		{BYTES("fo"), BYTES("Zm8=")},
		{BYTES("foo"), BYTES("Zm9v")},
		{BYTES("foob"), BYTES("Zm9vYg==")},
		{BYTES("fooba"), BYTES("Zm9vYmE=")},
		{BYTES("foobar"), BYTES("Zm9vYmFy")},
		{BYTES("\0\xff\xfe\xfb"), BYTES("AP/++w==")},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};

		qf_base64(&out, cases[i].in);
		expect_bytes(&out, cases[i].out, "base64");
		qf_buf_release(&out);
	}
}

Test(escape, a_failed_buffer_takes_no_more)
{
	struct qf_buf out = {.failed = true};

	qf_escape_terminal(&out, BYTES("a\n\xc3\xa9"), true);
	cr_expect_not(qf_escape_json(&out, BYTES("a\xff")));
	cr_expect(qf_escape_json(&out, BYTES("a")));
	qf_escape_csv(&out, BYTES("a,b"));
	qf_base64(&out, BYTES("abc"));
	qf_text_fit(&out, BYTES("abc"), 2, true);
	cr_expect_eq(out.n, 0u);
	cr_expect_null(out.p);
}
