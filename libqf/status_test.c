#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "qf.h"

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){text, strlen(text)};
}

static void
expect_text(struct qf_slice got, const char *want, const char *of)
{
	if (!want) {
		cr_expect_null(got.p, "%s: \"%.*s\"", of, (int)got.n, got.p);
		return;
	}
	cr_expect(got.p && got.n == strlen(want) && memcmp(got.p, want, got.n) == 0,
		  "%s: got \"%.*s\", not \"%s\"", of, (int)got.n, got.p ? got.p : "", want);
}

Test(status, dsn_is_the_enhanced_code_of_the_answer)
{
	static const struct {
		const char *status, *dsn;
	} cases[] = {
		{"Deferred: 450 4.2.1 Mailbox temporarily unavailable", "4.2.1"},
		{"Deferred: 450-4.7.1 first line of several", "4.7.1"},
		{"451 4.4.1 reply: read error from mx.example.net.", "4.4.1"},
		{"4.2.1", "4.2.1"},
		{"Deferred: 432 4.7.12 A password transition is needed", "4.7.12"},
		{"Deferred: 450 5.7.1 codes that disagree", "5.7.1"},
		{"250 2.0.0 accepted", "2.0.0"},
		{"host said: 550 5.1.1 <x@y.example>: User unknown", "5.1.1"},
		{"something (#4.7.1) in brackets", "4.7.1"},
		{"ends with 4.2.2.", "4.2.2"},
		{"Deferred: 450", NULL},
		{"Deferred: Connection refused by mx.example.net.", NULL},
		{"refused from 4.2.1.7", NULL},
		{"version 4.1.2-p3 of 4.1.2beta", NULL},
		{"see http://x.example/4.1.2/", NULL},
		{"4.2", NULL},
		{"4.2.", NULL},
		{"4.2000.1", NULL},
		{"3.2.1 no such class", NULL},
		{"it took 2.0.1 of something", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_text(qf_status_dsn(slice(cases[i].status)), cases[i].dsn, cases[i].status);
	cr_expect_null(qf_status_dsn((struct qf_slice){0}).p);
}

Test(status, relay_is_the_host_in_sendmails_own_words)
{
	static const struct {
		const char *status, *relay;
	} cases[] = {
		{"Deferred: Connection refused by mx1.example.net.", "mx1.example.net"},
		{"Deferred: Connection refused by [127.0.0.1]", "[127.0.0.1]"},
		{"Deferred: Connection refused by localhost", "localhost"},
		{"Deferred: Connection reset by mx1.example.net.", "mx1.example.net"},
		{"Deferred: Connection timed out with mx1.example.net.", "mx1.example.net"},
		{"Deferred: Operation timed out with mx1.example.net.", "mx1.example.net"},
		{"Deferred: Name server: a.example.: host name lookup failure", "a.example"},
		{"Deferred: Host mx1.example.net is down", "mx1.example.net"},
		{"reply: read error from mx1.example.net.", "mx1.example.net"},
		{"451 4.4.1 reply: read error from mx1.example.net.", "mx1.example.net"},
		{"timeout waiting for input from mx1.example.net. during client greeting",
		 "mx1.example.net"},
		{"host map: lookup (b.example): deferred", "b.example"},
		{"Deferred: DNS failure: CNAME loop for c.example", "c.example"},
		{"Deferred: 421 4.7.0 mx3.example.org Too many connections", "mx3.example.org"},
		{"Deferred: 421 mx3.example.org: closing", "mx3.example.org"},
		{"Deferred: 421 4.3.2 Service not available", NULL},
		{"Deferred: 450 4.7.1 Connection refused by policy", NULL},
		{"Deferred: 450 4.7.1 mx3.example.org says no", NULL},
		{"Deferred: Host name is too long", NULL},
		{"Deferred: Connection refused by ", NULL},
		{"Deferred: Connection refused by [127.0.0.1", NULL},
		{"User unknown", NULL},
		{"", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_text(qf_status_relay(slice(cases[i].status)), cases[i].relay,
			    cases[i].status);
	cr_expect_null(qf_status_relay((struct qf_slice){0}).p);
}

static void
expect_kind(const char *status, size_t n, const char *want)
{
	struct qf_buf out = {0};

	qf_buf_adds(&out, "before|");
	qf_status_kind((struct qf_slice){status, n}, &out);
	cr_expect(out.n == strlen(want) + 7 && memcmp(out.p + 7, want, out.n - 7) == 0,
		  "%s:\n got \"%.*s\"\n not \"%s\"", status, (int)(out.n - 7), out.p + 7, want);
	qf_buf_release(&out);
}

Test(status, like_falls_to_like)
{
	static const struct {
		const char *status, *kind;
	} cases[] = {
		{"Deferred: Connection refused by mx1.example.net.",
		 "Deferred: Connection refused by HOST"},
		{"Deferred: Connection refused by [127.0.0.1]",
		 "Deferred: Connection refused by HOST"},
		{"Deferred: Connection refused by localhost",
		 "Deferred: Connection refused by HOST"},
		{"Deferred: Name server: a.example.: host name lookup failure",
		 "Deferred: Name server: HOST: host name lookup failure"},
		{"host map: lookup (b.example): deferred", "host map: lookup (HOST): deferred"},
		{"Deferred: 450 4.2.1 Mailbox temporarily unavailable\r",
		 "Deferred: 450 4.2.1 Mailbox temporarily unavailable"},
		{"Deferred: 450-4.2.1  Mailbox\ttemporarily unavailable ",
		 "Deferred: 450 4.2.1 Mailbox temporarily unavailable"},
		{"Deferred: 452 4.2.2 <vera-yates@cedar.example>: mailbox full",
		 "Deferred: 452 4.2.2 <ADDRESS>: mailbox full"},
		{"Deferred: 452 4.2.2 <yates>: mailbox full",
		 "Deferred: 452 4.2.2 <ADDRESS>: mailbox full"},
		{"452 4.2.2 bob@example.com... Mailbox full (12,345 of 10000 kB)",
		 "452 4.2.2 ADDRESS... Mailbox full (N of N kB)"},
		{"Deferred: 450 4.7.1 Greylisted, try again in 300 seconds",
		 "Deferred: 450 4.7.1 Greylisted, try again in N seconds"},
		{"Deferred: 450 4.7.1 Greylisted until 12:30:45",
		 "Deferred: 450 4.7.1 Greylisted until N"},
		{"readqf: cannot open ./df6AM7ErYX002084: No such file or directory",
		 "readqf: cannot open ./ID: No such file or directory"},
		{"Deferred: prog mailer (/bin/sh) exited with EX_TEMPFAIL",
		 "Deferred: prog mailer (/bin/sh) exited with EX_TEMPFAIL"},
		{"421-4.7.28 [2607:f8b0:4864:20::12f      15] unusual rate",
		 "421 4.7.28 [IP N] unusual rate"},
		{"450 4.7.1 cannot find [203.0.113.7] nor [IPv6:2001:db8::1]",
		 "450 4.7.1 cannot find [IP] nor [IP]"},
		{"try later [host DM6.prod.outlook.example 08DC69F2A1B3]",
		 "try later [host HOST ID]"},
		{"550 5.1.1 <a@b.example>: unknown in table 'virtual', don't ask",
		 "550 5.1.1 <ADDRESS>: unknown in table 'TEXT', don't ask"},
		{"host said: 450-4.1.1 <a@b.example> unknown",
		 "host said: 450 4.1.1 <ADDRESS> unknown"},
		{"4.3.0 See https://x.example/?p=1 d9443c01a7336-2447si1234567ad.45",
		 "4.3.0 See URL ID"},
		{"hash map \"Alias0\": missing", "hash map \"TEXT\": missing"},
		{"Can't create output", "Can't create output"},
		{"an open \" quote and <bracket here", "an open \" quote and <bracket here"},
		{"Deferred: 450", "Deferred: 450"},
		{"Deferred: ", "Deferred:"},
		{"", ""},
		{" \t ", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_kind(cases[i].status, strlen(cases[i].status), cases[i].kind);
	expect_kind("a\0b", 3, "a b");
}

Test(status, an_absent_text_has_an_empty_kind)
{
	struct qf_buf out = {0};

	qf_status_kind((struct qf_slice){0}, &out);
	cr_expect_eq(out.n, 0u);
	qf_address_domain((struct qf_slice){0}, &out);
	cr_expect_eq(out.n, 0u);
	qf_buf_release(&out);
}

/* Whatever differs between two answers of one kind, the reply codes do not. */
Test(status, codes_keep_kinds_apart)
{
	struct qf_buf a = {0}, b = {0};

	qf_status_kind(slice("Deferred: 450 4.2.1 no"), &a);
	qf_status_kind(slice("Deferred: 451 4.2.1 no"), &b);
	cr_expect(a.n != b.n || memcmp(a.p, b.p, a.n) != 0);
	qf_buf_clear(&b);
	qf_status_kind(slice("Deferred: 450 4.2.2 no"), &b);
	cr_expect(a.n != b.n || memcmp(a.p, b.p, a.n) != 0);
	qf_buf_release(&a);
	qf_buf_release(&b);
}

Test(status, a_kind_is_short_whatever_the_text_is)
{
	static const char *const units[] = {
		"x",	"<",	"\"",		"'",  "9",	"a.",	  "1:", "::", "@", "[",
		"a@b ", "\xff", "\xe2\x82\xac", "a9", "[IPv6:", "4.2.1 ", " "};
	size_t n = (size_t)1 << 20;
	char *text = malloc(n);

	cr_assert_not_null(text);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t unit = strlen(units[i]);
		struct qf_buf out = {0};

		for (size_t k = 0; k < n; k++)
			text[k] = units[i][k % unit];
		qf_status_kind((struct qf_slice){text, n}, &out);
		cr_expect_leq(out.n, 300u, "%s: %zu", units[i], out.n);
		if (unit == 3 && out.n > 3)
			cr_expect(qf_utf8_valid((struct qf_slice){out.p, out.n}), "cut within %s",
				  units[i]);
		qf_status_dsn((struct qf_slice){text, n});
		qf_status_relay((struct qf_slice){text, n});
		qf_buf_release(&out);
	}
	free(text);
}

Test(status, domain_is_behind_the_last_at_sign)
{
	static const struct {
		const char *address, *domain;
	} cases[] = {
		{"a@B.Example", "b.example"},
		{"<a@b.example>", "b.example"},
		{"<a@b.example.>", "b.example"},
		{"a@b@c.example", "c.example"},
		{"<@relay.example,@other.example:a@b.example>", "b.example"},
		{"\"a@b\"@c.example", "c.example"},
		{"\"a@b.example\"", ""},
		{"\"a\\\"@b.example\"", ""},
		{"\"a@b.example", "b.example"},
		{"a\"@b.example", "b.example"},
		{"a@\"b.example", "\"b.example"},
		{"a@[192.0.2.1]", "[192.0.2.1]"},
		{"MAILER-DAEMON", ""},
		{"root", ""},
		{"a@", ""},
		{"@", ""},
		{"<>", ""},
		{"", ""},
		{"<a@b.example", "b.example"},
		{"a@b.example>", "b.example>"},
		{"a@...", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};

		qf_buf_adds(&out, "=");
		qf_address_domain(slice(cases[i].address), &out);
		qf_buf_addc(&out, '\0');
		cr_expect_str_eq(out.p + 1, cases[i].domain, "%s: %s", cases[i].address, out.p);
		qf_buf_release(&out);
	}
}
