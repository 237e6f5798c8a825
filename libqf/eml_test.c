#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

/* The lines of a control file before and after what a case is about. */
#define HEAD "V8\nT1795332063\nK0\nN0\nP30119\n"
#define ENVELOPE "$_localhost [127.0.0.1]\n$rESMTP\n$s\n${daemon_flags}\nS<ann@src.example>\n"
#define RCPT "RPFD:<bob@dst.example>\n"

/* The header lines of a message whose control file has these lines in these places. */
static struct qf_buf
headers_of(const char *envelope, const char *headers, size_t n)
{
	struct qf_buf file = {0}, out = {0};
	struct qf_msg *msg = NULL;

	qf_buf_adds(&file, HEAD);
	qf_buf_adds(&file, envelope);
	qf_buf_adds(&file, RCPT);
	qf_buf_add(&file, headers, n);
	qf_buf_adds(&file, ".\n");
	cr_assert_eq(qf_msg_parse((struct qf_slice){file.p, file.n}, &(struct qf_parse_options){0},
				  &msg, NULL),
		     QF_OK);
	qf_headers_write(msg, &out);
	cr_assert(!out.failed);
	qf_msg_free(msg);
	qf_buf_release(&file);
	return out;
}

struct eml_case {
	const char *headers, *wanted;
};

static void
check(const char *envelope, const struct eml_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct qf_buf got =
			headers_of(envelope, cases[i].headers, strlen(cases[i].headers));

		cr_expect(got.n == strlen(cases[i].wanted) &&
				  (!got.n || !memcmp(got.p, cases[i].wanted, got.n)),
			  "%s: \"%.*s\", not \"%s\"", cases[i].headers, (int)got.n, got.p,
			  cases[i].wanted);
		qf_buf_release(&got);
	}
}

#define CHECK(envelope, cases) check(envelope, cases, sizeof(cases) / sizeof((cases)[0]))

/* All that follows was seen on the wire when sendmail 8.17 delivered such files. */

Test(eml, conditions_of_mailer_flags)
{
	static const struct eml_case cases[] = {
		{"H??A: b\n", "A: b\n"},	{"HA: b\n", "A: b\n"},
		{"H?D?Date: d\n", "Date: d\n"}, {"H?M?Message-Id: d\n", "Message-Id: d\n"},
		{"H?F?From: d\n", "From: d\n"}, {"H?P?X-P: d\n", ""},
		{"H?x?X-x: d\n", ""},		{"H?zX?X-any: d\n", "X-any: d\n"},
		{"H?d?X-case: d\n", ""},	{"H?D\xe9?X-bad: d\n", ""},
		{"H?D\nH??A: b\n", "A: b\n"},
	};

	CHECK(ENVELOPE, cases);
}

Test(eml, conditions_of_macros)
{
	static const struct eml_case cases[] = {
		{"H?$r?X: set\n", "X: set\n"},
		{"H?\x81r?X: internal form\n", "X: internal form\n"},
		{"H?$s?X: empty\n", ""},
		{"H?${daemon_flags}?X: empty\n", ""},
		{"H?${client_name}?X: not there\n", ""},
		{"H?$q?X: not there\n", ""},
		{"H?$j?X: always\n", "X: always\n"},
		{"H?${msg_size}?X: always\n", "X: always\n"},
		{"H?$f?X: sender\n", "X: sender\n"},
		{"H?${dsn_envid}?X: no Z\n", ""},
		{"H?$x?X: no name\n", ""},
		{"H?$x?X: name\nH?x?Full-Name: A\n", "X: name\n"},
		/* Syntax errors: the line is dropped. */
		{"H?$?X: nothing\n", ""},
		{"H?$rr?X: too much\n", ""},
		{"H?${r}?X: one letter\n", ""},
		{"H?${client_name?X: open\n", ""},
		{"H?${client_name}x?X: too much\n", ""},
		{"H?\x81?X: nothing\n", ""},
		{"H?\x81rr?X: too much\n", ""},
	};

	CHECK(ENVELOPE, cases);
}

Test(eml, conditions_of_macros_made_from_other_records)
{
	static const struct eml_case cases[] = {
		{"H?${dsn_envid}?X: Z\n", "X: Z\n"},
		{"H?${envid}?X: Z\n", "X: Z\n"},
		{"H?${dsn_ret}?X: F\n", "X: F\n"},
		{"H?${bodytype}?X: B\n", "X: B\n"},
		{"H?${quarantine}?X: q\n", "X: q\n"},
		{"H?${client_name}?X: $\n", "X: $\n"},
		{"H?$f?X: null sender\n", ""},
		{"H?$g?X: null sender\n", ""},
		{"H?$r?X: the last counts\n", ""},
		{"H?$_?X: from the runner\n", "X: from the runner\n"},
	};

	CHECK("B7BIT\nqreason\nFd\n$rESMTP\n$r\n${client_name}c\nS<>\nZe\n", cases);
}

Test(eml, only_return_path_has_macros_expanded)
{
	static const struct eml_case cases[] = {
		{"H?P?Return-Path: <\x81g>\n", ""},
		{"H??Return-Path: <\x81g>\n", ""},
		{"H?D?Return-Path: <\x81g>\n", "Return-Path: <ann@src.example>\n"},
		{"H?$r?return-path: \x81"
		 "f \x81r \x81s\x81q \x81_\n",
		 "return-path: ann@src.example ESMTP  localhost [127.0.0.1]\n"},
		{"H?D?Return-Path: a\x81\n c\x81\n", "Return-Path: a c\n"},
		{"H?D?Return-Path: \x81"
		 "a\nH??Date: today\n",
		 "Return-Path: today\nDate: today\n"},
		{"H??X: <\x81g>\n", "X: <\x81g>\n"},
	};

	CHECK(ENVELOPE, cases);
}

Test(eml, return_path_of_the_null_sender)
{
	static const struct eml_case cases[] = {
		{"H?D?Return-Path: <\x81g>\n", "Return-Path: <>\n"},
	};

	CHECK("S<>\n", cases);
	CHECK("S\n", cases);
}

Test(eml, fields_that_need_a_condition)
{
	static const struct eml_case cases[] = {
		{"H??Full-Name: A\n", ""},
		{"H?D?Full-Name: A\n", "Full-Name: A\n"},
		{"H??Content-Length: 5\n", ""},
		{"H??CONTENT-LENGTH: 5\n", ""},
		{"H??Content-Lengthy: 5\n", "Content-Lengthy: 5\n"},
	};

	CHECK(ENVELOPE, cases);
}

Test(eml, fields_that_end_a_header_are_not_read)
{
	struct qf_buf file = {0};
	static const struct eml_case cases[] = {
		{"H??Text: a\nH??Message: b\nH??texts: c\n", "texts: c\n"},
	};

	CHECK(ENVELOPE, cases);
	for (size_t n = 100; n <= 101; n++) {
		struct qf_buf got;

		qf_buf_clear(&file);
		qf_buf_adds(&file, "H??");
		for (size_t i = 0; i < n; i++)
			qf_buf_addc(&file, 'a');
		qf_buf_adds(&file, ": x\n");
		got = headers_of(ENVELOPE, file.p, file.n);
		cr_expect_eq(got.n, n == 100 ? 104 : 0, "name of %zu bytes", n);
		qf_buf_release(&got);
	}
	qf_buf_release(&file);
}

Test(eml, bcc_goes_or_is_emptied)
{
	static const struct eml_case emptied[] = {
		{"H??Bcc: a@b.example,\n\tc@d.example\nH??To: x\n", "Bcc:\nTo: x\n"},
		{"H??RESENT-BCC: a\n", "RESENT-BCC:\n"},
	};
	static const struct eml_case gone[] = {
		{"H??Bcc: a\nH??Resent-Bcc: a\nH??To: x\n", "To: x\n"},
	};

	CHECK(ENVELOPE, emptied);
	CHECK("Fb\n" ENVELOPE, gone);
}

Test(eml, values_keep_their_bytes)
{
	static const struct eml_case cases[] = {
		{"H??A:\n", "A:\n"},
		{"H??A: \n", "A: \n"},
		{"H??A:b\n", "A:b\n"},
		{"H??A :b\n", "A:b\n"},
		{"H??A\t : b\n", "A: b\n"},
		{"H??A:\t\tb\n", "A:\t\tb\n"},
		{"H??A: one\n\ttwo\n  \n three \t\n", "A: one\n\ttwo\n  \n three \t\n"},
		{"H??A:\n b\n", "A:\n b\n"},
		{"H??A: a\r\n b\r\n", "A: a\n b\n"},
		{"H??A: a\rb\n", "A: a\rb\n"},
		{"H??A: gr\xc3\xbc\xff\x9f"
		 "e\n",
		 "A: gr\xc3\xbc\x9f"
		 "e\n"},
		{"H??A: \xff\x81g \xff\xff \xff\n", "A: \x81g \xff \n"},
		{"H??A: b\xff\n c\xff\xff\n", "A: b\n c\xff\n"},
		{"H??no colon\nH??: b\nH??a b: c\nH??A: b\n", "A: b\n"},
	};
	struct qf_buf nul = headers_of(ENVELOPE, "H??A: b\0c\n d\nH??E: f\n", 21);

	CHECK(ENVELOPE, cases);
	cr_expect(nul.n == 10 && !memcmp(nul.p, "A: b\nE: f\n", 10), "\"%.*s\"", (int)nul.n, nul.p);
	qf_buf_release(&nul);
}

/* Bytes of c, or words of nine letters and a blank. */
static void
add_many(struct qf_buf *out, char c, size_t n)
{
	for (size_t i = 0; i < n; i++)
		qf_buf_addc(out, c || i % 10 != 9 ? (c ? c : 'w') : ' ');
}

static size_t
longest_line(struct qf_buf text)
{
	size_t longest = 0, start = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '\n')
			continue;
		longest = i - start > longest ? i - start : longest;
		start = i + 1;
	}
	cr_assert_eq(start, text.n, "the last line has no end");
	return longest;
}

/* RFC 5322 allows 998 bytes; sendmail breaks words with "!" to keep to it. */
Test(eml, long_lines_are_folded_at_blanks)
{
	struct qf_buf line = {0}, got;
	size_t n = 0;

	qf_buf_adds(&line, "H??Subject: ");
	add_many(&line, 0, 5000);
	qf_buf_adds(&line, "end\n\tmore ");
	add_many(&line, 0, 3000);
	qf_buf_adds(&line, "end\n");
	got = headers_of(ENVELOPE, line.p, line.n);
	cr_expect_leq(longest_line(got), 998);
	cr_expect_gt(longest_line(got), 900);
	/* Unfolding gives back what there was. */
	for (size_t i = 0; i < got.n; i++)
		if (got.p[i] != '\n' || (i + 1 < got.n && got.p[i + 1] == '\t'))
			got.p[n++] = got.p[i];
	cr_expect(n == line.n - 4 && !memcmp(got.p, line.p + 3, n));
	qf_buf_release(&line);
	qf_buf_release(&got);
}

Test(eml, long_words_stay_whole)
{
	static const struct {
		const char *before;
		size_t word;
		const char *after;
		size_t folds;
	} cases[] = {
		{"A: ", 3000, "", 0},	     {"A: ", 3000, " z", 1},
		{"A: b ", 3000, "", 1},	     {"A: b ", 3000, " z", 2},
		{"A: ", 995, "", 0},	     {"A: ", 993, "  ", 0},
		{"A: ", 994, " z", 1},	     {"A: ", 3000, "   ", 0},
		{"A:", 998, "", 0},	     {"A:          ", 3000, "", 0},
		{"A: b\n\t  ", 3000, "", 0}, {"A: b\n\t  ", 3000, "\t \tz", 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf line = {0}, got;
		size_t ends = 0, wanted = 1 + cases[i].folds;

		qf_buf_adds(&line, "H??");
		qf_buf_adds(&line, cases[i].before);
		add_many(&line, 'y', cases[i].word);
		qf_buf_adds(&line, cases[i].after);
		qf_buf_addc(&line, '\n');
		wanted += strchr(cases[i].before, '\n') != NULL;
		got = headers_of(ENVELOPE, line.p, line.n);
		for (size_t at = 0; at < got.n; at++)
			ends += got.p[at] == '\n';
		cr_expect_eq(ends, wanted, "case %zu: %zu lines, not %zu", i, ends, wanted);
		cr_expect_eq(got.n, line.n - 3 + cases[i].folds, "case %zu: %zu bytes", i, got.n);
		/* No line of blanks alone, and no blanks lost. */
		cr_expect(!memmem(got.p, got.n, "\n \n", 3) && !memmem(got.p, got.n, "\n\n", 2),
			  "case %zu", i);
		qf_buf_release(&line);
		qf_buf_release(&got);
	}
}

Test(eml, folding_is_linear, .timeout = 20)
{
	struct qf_buf line = {0}, got;

	qf_buf_adds(&line, "H??A: ");
	while (line.n < 8000000)
		qf_buf_adds(&line, "a \t");
	qf_buf_adds(&line, "b\n");
	got = headers_of(ENVELOPE, line.p, line.n);
	cr_expect_leq(longest_line(got), 998);
	qf_buf_release(&line);
	qf_buf_release(&got);
}

Test(eml, the_body_stays_as_it_is)
{
	static const char file[] = HEAD ENVELOPE RCPT "H??A: b\n.\n";
	static const char wanted[] = "A: b\n\n\nFrom x\r\n.\n\0\xff no end";
	struct qf_slice body = {wanted + 6, sizeof(wanted) - 7};
	struct qf_buf out = {0};
	struct qf_msg *msg = NULL;

	cr_assert_eq(qf_msg_parse((struct qf_slice){file, sizeof(file) - 1},
				  &(struct qf_parse_options){0}, &msg, NULL),
		     QF_OK);
	qf_eml_write(msg, body, &out);
	cr_expect(out.n == sizeof(wanted) - 1 && !memcmp(out.p, wanted, out.n));
	qf_buf_clear(&out);
	qf_eml_write(msg, (struct qf_slice){NULL, 0}, &out);
	cr_expect(out.n == 6 && !memcmp(out.p, "A: b\n\n", 6));
	qf_buf_release(&out);
	qf_msg_free(msg);
}
