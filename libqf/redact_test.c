#include <criterion/criterion.h>
#include <string.h>

#include "buf.h"

static struct qf_redactor *redactor;

static void
set_up(void)
{
	redactor = qf_redactor_new("key", 3);
	cr_assert_not_null(redactor);
}

static void
tear_down(void)
{
	qf_redactor_free(redactor);
}

TestSuite(redact, .init = set_up, .fini = tear_down);

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){text, strlen(text)};
}

/* What becomes of text as an address, or as running text, with its NUL; the caller frees it. */
static char *
redacted(const struct qf_redactor *with, const char *text, bool address)
{
	struct qf_buf out = {0};

	if (address)
		qf_redact_address(with, slice(text), &out);
	else
		qf_redact_text(with, slice(text), &out);
	qf_buf_addc(&out, '\0');
	cr_assert(!out.failed);
	return out.p;
}

/* printf 'a@b.example' | openssl dgst -sha256 -hmac key */
Test(redact, the_name_is_hmac_sha256_of_the_address)
{
	char *name = redacted(redactor, "a@b.example", true);

	cr_assert_str_eq(name, "r-7a3ad9332288@redacted");
	free(name);
}

Test(redact, addresses)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"a@b.example", "a@B.eXample", true},  /* domains have no case */
		{"a@b.example", "A@b.example", false}, /* local parts do */
		{"a@b.example", "a@c.example", false},
		{"a@b.example", "a@b.example ", false},
		{"bob", "bob", true},
		{"@", "@", true},
		{"MAILER-DAEMON", "mailer-daemon", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *a = redacted(redactor, cases[i].a, true);
		char *b = redacted(redactor, cases[i].b, true);

		cr_expect_eq(strlen(a), strlen("r-0123456789ab@redacted"), "%s: %s", cases[i].a, a);
		cr_expect_eq(!strcmp(a, b), cases[i].same, "%s, %s: %s, %s", cases[i].a, cases[i].b,
			     a, b);
		free(a);
		free(b);
	}
}

Test(redact, brackets_stay_and_count_for_nothing)
{
	char *plain = redacted(redactor, "a@b.example", true);
	char *angled = redacted(redactor, "<a@b.example>", true);

	cr_expect_eq(angled[0], '<');
	cr_expect_str_eq(angled + strlen(angled) - 1, ">");
	cr_expect(!strncmp(angled + 1, plain, strlen(plain)));
	free(plain);
	free(angled);
}

Test(redact, nobody_stays_nobody)
{
	char *empty = redacted(redactor, "", true);
	char *null = redacted(redactor, "<>", true);

	cr_expect_str_eq(empty, "");
	cr_expect_str_eq(null, "<>");
	free(empty);
	free(null);
}

Test(redact, another_key_gives_another_name)
{
	struct qf_redactor *other = qf_redactor_new("kez", 3);
	char *a = redacted(redactor, "a@b.example", true);
	char *b = redacted(other, "a@b.example", true);

	cr_expect_str_neq(a, b);
	free(a);
	free(b);
	qf_redactor_free(other);
}

Test(redact, without_a_key_each_redactor_is_its_own)
{
	struct qf_redactor *one = qf_redactor_new(NULL, 0);
	struct qf_redactor *two = qf_redactor_new(NULL, 0);
	char *a = redacted(one, "a@b.example", true);
	char *again = redacted(one, "a@b.example", true);
	char *b = redacted(two, "a@b.example", true);

	cr_expect_str_eq(a, again);
	cr_expect_str_neq(a, b);
	free(a);
	free(again);
	free(b);
	qf_redactor_free(one);
	qf_redactor_free(two);
}

Test(redact, free_takes_null)
{
	qf_redactor_free(NULL);
}

/* In wanted each {ADDRESS} stands for the name of that address. */
Test(redact, text)
{
	static const struct {
		const char *text, *wanted;
	} cases[] = {
		{"", ""},
		{"nothing here", "nothing here"},
		{"Deferred: 450 4.2.0 <bob@x.example>... busy",
		 "Deferred: 450 4.2.0 <{bob@x.example}>... busy"},
		{"a@b.example", "{a@b.example}"},
		{"write to a@b.example.", "write to {a@b.example}."},
		{"(a@b.example,c@d.example)", "({a@b.example},{c@d.example})"},
		{"a@b.example:c@d.example", "{a@b.example}:{c@d.example}"},
		{"'a@b.example'", "'{a@b.example}'"},
		{"to=a@b.example", "{to=a@b.example}"},
		{"x=<a+tag@b.example>;", "x=<{a+tag@b.example}>;"},
		{"\"a b\"@c.example", "{\"a b\"@c.example}"},
		{"say \"a \\\" b\"@c.example", "say {\"a \\\" b\"@c.example}"},
		{"x \"@c.example", "x \"{@c.example}"},
		{"u@[192.0.2.1] and u@[IPv6:::1].", "{u@[192.0.2.1]} and {u@[IPv6:::1]}."},
		{"u@[192.0.2.1", "{u@}[192.0.2.1"},
		{"<@r1.example,@r2.example:u@x.example>",
		 "<{@r1.example},{@r2.example}:{u@x.example}>"},
		{"a\\@b@c.example", "{a\\@b@c.example}"},
		{"u%h@x.example h!u@x.example", "{u%h@x.example} {h!u@x.example}"},
		{"<bob>... User unknown", "<{bob}>... User unknown"},
		{"<https://x.example/y>", "<https://x.example/y>"},
		{"<> < > <", "<> < > <"},
		{"a @ b", "a @ b"},
		{"@", "@"},
		{"\xc3\xbc@\xc3\xbc.example", "{\xc3\xbc@\xc3\xbc.example}"},
		{"mx.example refused", "mx.example refused"},
		{"see http://x.example/?m=a%40b.example.", "see http://x.example/?m={a@b.example}."},
		{"<https://x/?m=a.c%2540b.example&r=1>", "<https://x/?m={a.c@b.example}&r=1>"},
		{"100%40 a%40, %4 %2540", "100%40 a%40, %4 %2540"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *got = redacted(redactor, cases[i].text, false);
		struct qf_buf wanted = {0};

		for (const char *p = cases[i].wanted; *p; p++) {
			const char *end = strchr(p, '}');

			if (*p != '{') {
				qf_buf_addc(&wanted, *p);
				continue;
			}
			qf_redact_address(redactor, (struct qf_slice){p + 1, (size_t)(end - p) - 1},
					  &wanted);
			p = end;
		}
		qf_buf_addc(&wanted, '\0');
		cr_expect_str_eq(got, wanted.p, "%s: %s, not %s", cases[i].text, got, wanted.p);
		qf_buf_release(&wanted);
		free(got);
	}
}

Test(redact, text_may_hold_any_bytes)
{
	struct qf_buf out = {0};

	qf_redact_text(redactor, QF_LITERAL("a\0b@c.example\0\xff@"), &out);
	cr_expect_eq(out.n, strlen("a") + 1 + strlen("r-0123456789ab@redacted") + 1 +
				    strlen("r-0123456789ab@redacted"));
	cr_expect(!memmem(out.p, out.n, "c.example", 9));
	qf_buf_clear(&out);
	qf_redact_text(redactor, (struct qf_slice){NULL, 0}, &out);
	cr_expect_eq(out.n, 0);
	qf_buf_release(&out);
}

/* Text that a careless search goes through again for each "@": that would take minutes. */
Test(redact, hostile_text_takes_linear_time, .timeout = 20)
{
	static const char *const units[] = {"@[", "\\\"@ ", "<a", "\"@", "@", "a@b", "<a@", "@.",
					    "%40", "a%40", "a%40b", "%25", "%40."};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct qf_buf text = {0}, out = {0};

		while (text.n < 500000)
			qf_buf_adds(&text, units[i]);
		qf_redact_text(redactor, (struct qf_slice){text.p, text.n}, &out);
		cr_expect(!out.failed, "%s", units[i]);
		qf_buf_release(&text);
		qf_buf_release(&out);
	}
}
