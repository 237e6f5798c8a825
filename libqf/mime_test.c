#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){text, strlen(text)};
}

static void
check_text(const char *name, struct qf_buf *got, const char *wanted)
{
	qf_buf_addc(got, '\0');
	cr_expect(!got->failed);
	cr_expect_str_eq(got->p, wanted, "%s: \"%s\", not \"%s\"", name, got->p, wanted);
	qf_buf_release(got);
}

static void
check_decoded(const char *value, const char *wanted)
{
	struct qf_buf got = {0};

	qf_header_decode(slice(value), &got);
	check_text(value, &got, wanted);
}

/* In every build. */
Test(mime, header_text_without_words_is_copied)
{
	static const char *const cases[][2] = {
		{"", ""},
		{"plain", "plain"},
		{" kept  blanks ", " kept  blanks "},
		{"one\n two", "one two"},
		{"one\r\n\t  two\n three", "one two three"},
		{"a,\n        b", "a, b"},
		{"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
		{"invalid \xff\xfc stays", "invalid \xff\xfc stays"},
		{"a\rb", "a\rb"},
		{"=?", "=?"},
		{"1 =? 2", "1 =? 2"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_decoded(cases[i][0], cases[i][1]);
}

#ifndef QF_WITH_GMIME

Test(mime, without_gmime_words_stay)
{
	check_decoded("a\n =?utf-8?q?b?=", "a =?utf-8?q?b?=");
}

Test(mime, without_gmime_it_says_so)
{
	struct qf_buf out = {0};
	struct qf_err err = {0};

	cr_expect_not(qf_mime_available());
	cr_expect_eq(qf_mime_text(slice(""), slice("x"), 10, &out, &err), QF_E_UNAVAILABLE);
	cr_expect_eq(err.code, QF_E_UNAVAILABLE);
	cr_expect_neq(err.hint[0], '\0');
	cr_expect_eq(out.n, 0);
}

#else

Test(mime, encoded_words)
{
	static const char *const cases[][2] = {
		{"=?utf-8?q?gr=C3=BC=C3=9Fe?=", "gr\u00fc\u00dfe"},
		{"=?UTF-8?B?Z3LDvMOfZQ==?=", "gr\u00fc\u00dfe"},
		{"=?iso-8859-1?q?caf=E9_x?=", "caf\u00e9 x"},
		{"=?iso-8859-15?q?=A4?=", "\u20ac"},
		{"=?windows-1252?q?=80?=", "\u20ac"},
		{"=?iso-2022-jp?b?GyRCRnxLXBsoQg==?=", "\u65e5\u672c"},
		{"=?gb2312?b?1tC5+g==?=", "\u4e2d\u56fd"},
		{"=?koi8-r?q?=ED=C9=D2?=", "\u041c\u0438\u0440"},
		{"=?utf-8*en?q?lang?=", "lang"},
		{"a =?utf-8?q?b?= c", "a b c"},
		/* Blanks between words are no text, and a character may be cut by them. */
		{"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"},
		{"=?utf-8?q?a?=\n =?utf-8?q?b?=", "ab"},
		{"=?utf-8?q?=C3?= =?utf-8?q?=BC?=", "\u00fc"},
		{"=?utf-8?q?a?= x =?utf-8?q?b?=", "a x b"},
		{"\"=?utf-8?q?J=C3=B6rg?=\" <a@b.example>", "\"J\u00f6rg\" <a@b.example>"},
		/* Bytes outside of words stay, also invalid ones. */
		{"\xff =?utf-8?q?=C3=BC?= \xe9", "\xff \u00fc \xe9"},
		/* What is no word, or of no known charset, stays. */
		{"=?x-unknown?q?a?=", "=?x-unknown?q?a?="},
		{"=?utf-8//TRANSLIT?q?a?=", "=?utf-8//TRANSLIT?q?a?="},
		{"=?utf-8?x?a?=", "=?utf-8?x?a?="},
		{"=?utf-8?q?a", "=?utf-8?q?a"},
		{"=?utf-8?q?a?b?=", "=?utf-8?q?a?b?="},
		{"=?=?utf-8?q?a?=", "=?a"},
		{"=?utf-8?q?\?=", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_decoded(cases[i][0], cases[i][1]);
}

Test(mime, words_of_huge_values_stay)
{
	struct qf_buf value = {0}, out = {0};

	while (value.n <= 65536)
		qf_buf_adds(&value, "=?utf-8?q?a?= ");
	qf_header_decode((struct qf_slice){value.p, value.n}, &out);
	cr_expect(out.n == value.n && !memcmp(out.p, value.p, out.n));
	qf_buf_release(&value);
	qf_buf_release(&out);
}

static void *
decode_often(void *arg)
{
	size_t *wrong = arg;

	for (int i = 0; i < 300; i++) {
		struct qf_buf out = {0};

		qf_header_decode(slice("=?iso-8859-1?q?caf=E9?= =?utf-8?b?w7w=?="), &out);
		*wrong += out.n != 7 || memcmp(out.p, "caf\u00e9\u00fc", 7);
		qf_buf_clear(&out);
		qf_mime_text(slice("Content-Type: multipart/mixed; boundary=\"b\"\n"),
			     slice("--b\nContent-Disposition: attachment; filename*=utf-8''%C3%BC\n"
				   "\nx\n--b--\n"),
			     1000, &out, NULL);
		*wrong += !memmem(out.p, out.n, "\"\u00fc\"", 4);
		qf_buf_release(&out);
	}
	return NULL;
}

/* All of them meet at the first use of gmime. */
Test(mime, threads_may_decode_at_once)
{
	pthread_t threads[8];
	size_t wrong[8] = {0};

	for (size_t i = 0; i < 8; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, decode_often, &wrong[i]), 0);
	for (size_t i = 0; i < 8; i++) {
		pthread_join(threads[i], NULL);
		cr_expect_eq(wrong[i], 0);
	}
}

Test(mime, signals_stay_as_they_were)
{
	struct sigaction action;

	signal(SIGPIPE, SIG_DFL);
	check_decoded("=?utf-8?q?a?=", "a");
	sigaction(SIGPIPE, NULL, &action);
	cr_expect_eq(action.sa_handler, SIG_DFL);
}

/* ---------------------------------------------------------------- bodies */

static void
check_body(const char *headers, const char *body, const char *wanted)
{
	struct qf_buf got = {0};
	struct qf_err err;

	cr_expect_eq(qf_mime_text(slice(headers), slice(body), SIZE_MAX, &got, &err), QF_OK);
	cr_expect(qf_utf8_valid((struct qf_slice){got.p, got.n}), "%s", headers);
	check_text(headers, &got, wanted);
}

struct body_case {
	const char *headers, *body, *wanted;
};

static void
check_bodies(const struct body_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		check_body(cases[i].headers, cases[i].body, cases[i].wanted);
}

#define CHECK(cases) check_bodies(cases, sizeof(cases) / sizeof((cases)[0]))

Test(mime, text)
{
	static const struct body_case cases[] = {
		{"", "hello\n", "hello\n"},
		{"", "no end", "no end\n"},
		{"", "", ""},
		{"Subject: x\nContent-Type: text/plain\n", "hello\n", "hello\n"},
		{"Content-Type: garbage\n", "hello\n", "hello\n"},
		{"Content-Type:\n", "hello\n", "hello\n"},
		{"content-TYPE:TEXT/PLAIN;\n\tcharset=\"UTF-8\"\n", "gr\u00fc\n", "gr\u00fc\n"},
		{"Content-Type: text/plain; charset=iso-8859-1\n", "gr\xfc\n", "gr\u00fc\n"},
		{"Content-Type: text/plain; charset=utf-8\n", "gr\xfc\n", "gr\ufffd\n"},
		{"Content-Type: text/plain; charset=utf-16be\n", "\xd8\x34\xdd\x1e\xd8\x34",
		 "\U0001d11e\ufffd\n"},
		{"Content-Type: text/plain; charset=iso-2022-jp\n", "\x1b$BF|K\\\x1b(B\n",
		 "\u65e5\u672c\n"},
		{"Content-Type: text/plain; charset=windows-1258\n", "e", "e\n"},
		/* Nothing said, or what cannot be: UTF-8 if it can be that. */
		{"", "gr\u00fc\n", "gr\u00fc\n"},
		{"", "gr\xfc \x80\n", "gr\u00fc \u20ac\n"},
		{"", "\u00fc cut off \xe2\x82", "\u00fc cut off \ufffd\ufffd\n"},
		{"", "caf\xe9", "caf\u00e9\n"},
		{"Content-Type: text/plain; charset=us-ascii\n", "gr\u00fc\n", "gr\u00fc\n"},
		{"Content-Type: text/plain; charset=x-nope\n", "gr\xfc\n",
		 "[text/plain, 4 bytes, of no known character set: a guess]\n\ngr\u00fc\n"},
		{"Content-Type: text/x-diff\n", "-a\n", "[text/x-diff, 3 bytes]\n\n-a\n"},
		{"Content-Type: text/plain; name=\"a\x1b[2J\n\tb\"\n", "x\n",
		 "[text/plain \"a [2J b\", 2 bytes]\n\nx\n"},
	};

	CHECK(cases);
}

Test(mime, transfer_encodings)
{
#define BASE64 "Content-Transfer-Encoding: base64\n"
#define QUOTED "Content-Transfer-Encoding: quoted-printable\n"
	static const struct body_case cases[] = {
		{BASE64, "aGVsbG8NCnlvdQ==\n", "hello\nyou\n"},
		{BASE64, "aGVs\nbG8=", "hello\n"},
		{BASE64, "!!aGVs**bG8=", "hello\n"},
		{BASE64, "", ""},
		{BASE64, "=", ""},
		{QUOTED, "gr=C3=BC =\n100 =3D=3d\n", "gr\u00fc 100 ==\n"},
		{QUOTED, "bad =ZZ =\n", "bad =ZZ \n"},
		{"Content-Transfer-Encoding: 8bit\n", "gr\u00fc", "gr\u00fc\n"},
		{"Content-Transfer-Encoding: x-uuencode\n", "begin 644 a\n#86)C\n`\nend\n",
		 "abc\n"},
		{"Content-Transfer-Encoding: rot13\n", "uryyb\n",
		 "[text/plain, 6 bytes, of no known transfer encoding: as it is]\n\nuryyb\n"},
	};

	CHECK(cases);
}

#define MIXED "Content-Type: multipart/mixed; boundary=\"=b=\"\n"

Test(mime, parts)
{
	static const struct body_case cases[] = {
		{MIXED, "preamble\n--=b=\n\none\n--=b=\n\ntwo\n--=b=--\nepilogue\n",
		 "one\n\ntwo\n"},
		{MIXED, "--=b=\r\n\r\none\r\n--=b=  \r\n\r\ntwo\r\n--=b=--\r\n", "one\n\ntwo\n"},
		{MIXED, "--=b=\n\nno end", "no end\n"},
		{MIXED, "--=b=\n\n--=b=c\n--=b=- -\n--=b=--", "--=b=c\n--=b=- -\n"},
		{MIXED, "--=b=", ""},
		{MIXED, "--=b=\nContent-Type: text/html",
		 "[text/html, 0 bytes, without its markup]\n"},
		{MIXED, "--=b=\nno header\n--=b=--", "no header\n"},
		{MIXED,
		 "--=b=\nContent-Type: application/pdf\n"
		 "Content-Disposition: attachment; filename=\"a b.pdf\"\n"
		 "Content-Transfer-Encoding: base64\n\naGVsbG8=\n"
		 "--=b=\nContent-Type: image/png; name*0*=utf-8''gr%C3%BC; name*1=\".png\"\n\nx\n"
		 "--=b=\nContent-Disposition: attachment\n\nx\n"
		 "--=b=\n\nbye\n--=b=--\n",
		 "[application/pdf \"a b.pdf\", 5 bytes]\n[image/png \"gr\u00fc.png\", 1 bytes]\n"
		 "[text/plain, 1 bytes]\n\nbye\n"},
		{MIXED,
		 "--=b=\nContent-Type: multipart/mixed; boundary=in\n\n"
		 "--in\n\nin, not closed\n--=b=\n\nout\n--=b=--\n",
		 "in, not closed\n\nout\n"},
		{MIXED, "no boundary\n",
		 "[multipart/mixed, 12 bytes, without any part: as it is]\n\nno boundary\n"},
		{MIXED, "--=b=--\n",
		 "[multipart/mixed, 8 bytes, without any part: as it is]\n\n--=b=--\n"},
		{"Content-Type: multipart/mixed\n", "--\n\nx\n",
		 "[multipart/mixed, 6 bytes, without any part: as it is]\n\n--\n\nx\n"},
	};

	CHECK(cases);
}

Test(mime, alternatives)
{
#define ALTERNATIVE "Content-Type: multipart/alternative; boundary=b\n"
#define PLAIN "--b\nContent-Type: text/plain\n\nplain\n"
#define HTML "--b\nContent-Type: text/html\n\n<p>html</p>\n"
#define OTHER "--b\nContent-Type: application/x\n\nx\n"
	static const struct body_case cases[] = {
		{ALTERNATIVE, PLAIN HTML "--b--\n",
		 "plain\n\n[text/html, 11 bytes, an alternative not shown]\n"},
		{ALTERNATIVE, HTML PLAIN "--b--\n",
		 "[text/html, 11 bytes, an alternative not shown]\n\nplain\n"},
		{ALTERNATIVE, HTML OTHER "--b--\n",
		 "[text/html, 11 bytes, without its markup]\n\nhtml\n\n"
		 "[application/x, 1 bytes, an alternative not shown]\n"},
		{ALTERNATIVE, OTHER "--b--\n", "[application/x, 1 bytes]\n"},
		{ALTERNATIVE,
		 "--b\nContent-Type: multipart/related; boundary=c\n\n"
		 "--c\nContent-Type: text/html\n\n<b>in</b>\n--c--\n--b--\n",
		 "[text/html, 9 bytes, without its markup]\n\nin\n"},
	};

	CHECK(cases);
}

Test(mime, messages_in_messages)
{
	static const struct body_case cases[] = {
		{"Content-Type: message/rfc822\n",
		 "Received: x\nSubject: =?utf-8?q?gr=C3=BC?=\nFrom: a@b\n c\n\nbody\n",
		 "[message/rfc822, 61 bytes]\n\nFrom: a@b c\nSubject: gr\u00fc\n\nbody\n\n"
		 "[end of that message]\n"},
		{"Content-Type: multipart/digest; boundary=b\n",
		 "--b\n\nSubject: x\n\nbody\n--b--\n",
		 "[message/rfc822, 16 bytes]\n\nSubject: x\n\nbody\n\n[end of that message]\n"},
		{"Content-Type: message/delivery-status\n", "Action: failed\n",
		 "[message/delivery-status, 15 bytes]\n\nAction: failed\n"},
		{"Content-Type: message/partial\n", "x", "[message/partial, 1 bytes]\n"},
		/* A line break in an encoded word must not look like a field. */
		{"Content-Type: message/rfc822\n", "To: =?utf-8?q?a=0ASubject:_b?=\n\n",
		 "[message/rfc822, 32 bytes]\n\nTo: a Subject: b\n\n[end of that message]\n"},
	};

	CHECK(cases);
}

Test(mime, html)
{
	static const char *const cases[][2] = {
		{"a<br>b", "a\nb\n"},
		{"<p>a</p><p>b", "a\n\nb\n"},
		{"  a  \n\t b ", "a b\n"},
		{"a <b>c</b>d", "a cd\n"},
		{"<ul><li>a<li>b</ul>c", "- a\n- b\nc\n"},
		{"<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc\n"},
		{"x<pre>  a\n b</pre>  y", "x\n  a\n b\ny\n"},
		{"<title>t</title><style>s<p></style><SCRIPT>x('</p>')</Script >a", "a\n"},
		{"<script>never closed", ""},
		{"a<!-- <p> -- > -->b", "ab\n"},
		{"a<!-- open <b>c</b>", "ac\n"},
		{"<a title=\"x > y\" href='>'>z</a>", "z\n"},
		{"<!DOCTYPE html><?xml ?>a</nothing>", "a\n"},
		{"1 < 2 <3 <", "1 < 2 <3 <\n"},
		{"a <b", "a <b\n"},
		{"&amp;&lt;&gt;&quot;&apos;&eacute;&Auml;&yuml;&nbsp;&euro;&rsquo;",
		 "&<>\"'\u00e9\u00c4\u00ff \u20ac\u2019\n"},
		{"&#65;&#x42;&#X43;&#8364;&#0;&#xd800;&#x110000;&#99999999;",
		 "ABC\u20ac\ufffd\ufffd\ufffd\ufffd\n"},
		{"&;&#;&#x;&unknown;&amp &x y;", "&;&#;\ufffd&unknown;&amp &x y;\n"},
		{"a&shy;b&zwnj;c&#8203;", "abc\u200b\n"},
		{"a<hr>b", "a\n----\nb\n"},
		{"", ""},
		{"<p> </p>", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf got = {0};
		const char *head;

		cr_assert_eq(qf_mime_text(slice("Content-Type: text/html\n"), slice(cases[i][0]),
					  SIZE_MAX, &got, NULL),
			     QF_OK);
		qf_buf_addc(&got, '\0');
		head = strchr(got.p, '\n');
		head += head[1] == '\n' ? 2 : 1;
		cr_expect_str_eq(head, cases[i][1], "%s: \"%s\", not \"%s\"", cases[i][0], head,
				 cases[i][1]);
		qf_buf_release(&got);
	}
}

/* ---------------------------------------------------------------- limits */

Test(mime, a_body_over_the_limit_is_cut_and_that_is_said)
{
	struct qf_buf got = {0};

	cr_expect_eq(qf_mime_text(slice(""), slice("hello\nworld"), 6, &got, NULL), QF_OK);
	check_text("limit", &got, "hello\n\n[6 bytes of 11 looked at]\n");
	cr_expect_eq(qf_mime_text(slice(""), slice("\u00fc\u00fc"), 3, &got, NULL), QF_OK);
	check_text("cut in a character", &got, "\u00fc\ufffd\n\n[3 bytes of 4 looked at]\n");
	cr_expect_eq(qf_mime_text(slice(""), slice("x"), 0, &got, NULL), QF_OK);
	check_text("nothing", &got, "[0 bytes of 1 looked at]\n");
}

Test(mime, nul_is_a_character)
{
	struct qf_buf got = {0};

	qf_mime_text(slice(""), QF_LITERAL("a\0b\xff"), SIZE_MAX, &got, NULL);
	cr_expect(got.n == 6 && !memcmp(got.p, "a\0b\xc3\xbf\n", 6));
	qf_buf_clear(&got);
	qf_mime_text(QF_LITERAL("Content-Type: text/plain; charset=\"a\0b\"\nX\0: y\n"),
		     QF_LITERAL("x"), SIZE_MAX, &got, NULL);
	cr_expect(got.n > 0 && qf_utf8_valid((struct qf_slice){got.p, got.n}));
	qf_buf_release(&got);
}

/* n times what a printf format with one %zu gives. */
static struct qf_buf
repeat(const char *format, size_t n)
{
	struct qf_buf text = {0};

	for (size_t i = 0; i < n; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		qf_buf_addf(&text, format, i, i);
#pragma GCC diagnostic pop
	}
	return text;
}

/*
 * Each would take minutes, gigabytes or the whole stack where time or memory grew with more than
 * the size of the body.
 */
Test(mime, hostile_bodies_cost_what_their_size_costs, .timeout = 60)
{
	static const struct {
		const char *name, *headers, *unit;
		size_t times;
	} cases[] = {
		{"nested multiparts", MIXED,
		 "--=b=\nContent-Type: multipart/mixed; boundary=\"=b=\"\n\n", 10000},
		{"nested multiparts, each its boundary",
		 "Content-Type: multipart/mixed; boundary=b0\n",
		 "--b%zu\nContent-Type: multipart/mixed; boundary=b%zu\n\n", 10000},
		{"nested messages", "Content-Type: message/rfc822\n",
		 "Content-Type: message/rfc822\n\n", 10000},
		{"nested alternatives", "Content-Type: multipart/alternative; boundary=b\n",
		 "--b\nContent-Type: multipart/alternative; boundary=\"b\"\n\n--b\n\n", 10000},
		{"small parts", MIXED, "--=b=\n", 200000},
		{"small alternatives", "Content-Type: multipart/alternative; boundary=b\n", "--b\n",
		 200000},
		{"small fields", MIXED, "--=b=\na:\n", 200000},
		{"one field of many lines", "Content-Type: message/rfc822\n", "To:x\n", 200000},
		{"one long field", "Content-Type: message/rfc822\n",
		 "Subject:=?utf-8?q?a?=\n =?\n ", 100000},
		{"not base64", "Content-Transfer-Encoding: base64\n", "=*\xff\n", 500000},
		{"not characters", "Content-Type: text/plain; charset=gb18030\n", "\x81\xff",
		 500000},
		{"open tags", "Content-Type: text/html\n", "<a \"'", 300000},
		{"open comments", "Content-Type: text/html\n", "<!--", 300000},
		{"open scripts", "Content-Type: text/html\n", "<script></scrip", 100000},
		{"open entities", "Content-Type: text/html\n", "&#12345678", 200000},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf body = repeat(cases[i].unit, cases[i].times), got = {0};

		cr_expect_eq(qf_mime_text(slice(cases[i].headers),
					  (struct qf_slice){body.p, body.n}, SIZE_MAX, &got, NULL),
			     QF_OK, "%s", cases[i].name);
		cr_expect_leq(got.n, 4 * body.n + 500 * 512, "%s: %zu bytes of %zu", cases[i].name,
			      got.n, body.n);
		cr_expect(qf_utf8_valid((struct qf_slice){got.p, got.n}), "%s", cases[i].name);
		qf_buf_release(&body);
		qf_buf_release(&got);
	}
}

Test(mime, what_lies_beyond_the_limits_is_said)
{
	struct qf_buf body = repeat("--=b=\n\npart %zu\n", 1000), got = {0};

	qf_mime_text(slice(MIXED), (struct qf_slice){body.p, body.n}, SIZE_MAX, &got, NULL);
	qf_buf_addc(&got, '\0');
	cr_expect_not_null(strstr(got.p, "part 499\n"));
	cr_expect_null(strstr(got.p, "part 500\n"));
	cr_expect_not_null(strstr(got.p, "no more parts are looked at]"));
	qf_buf_release(&body);
	qf_buf_clear(&got);
	for (size_t depth = 0; depth < 30; depth++)
		qf_buf_addf(&body, "--b%zu\nContent-Type: multipart/mixed; boundary=b%zu\n\n",
			    depth, depth + 1);
	qf_mime_text(slice("Content-Type: multipart/mixed; boundary=b0\n"),
		     (struct qf_slice){body.p, body.n}, SIZE_MAX, &got, NULL);
	qf_buf_addc(&got, '\0');
	cr_expect_not_null(strstr(got.p, "nested too deeply to be shown]"), "%s", got.p);
	qf_buf_release(&body);
	qf_buf_release(&got);
}

#endif
