#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "qf.h"
#include "query.h"

#define NOW ((int64_t)1795332063)

/* Created two hours before NOW, last tried five minutes before. */
static const char file[] = "V8\n"
			   "T1795324863\n"
			   "K1795331763\n"
			   "N3\n"
			   "P120443\n"
			   "Fw8\n"
			   "MDeferred: 450 4.2.1 busy\n"
			   "S<Alice.Smith@News.Example.COM>\n"
			   "ZQQ314159\n"
			   "MDeferred: Connection refused by MX.example.net.\n"
			   "RPFD:<bob@example.net>\n"
			   "RPFD:carol@lists.example.net\n"
			   "MDeferred: 452 4.2.2 mailbox full\n"
			   "RPFD:<dave@example.org>\n"
			   "H??Subject: The (monthly) report: \"numbers\" and \\more\n"
			   "H??X-Tag: first\n"
			   "H??X-Tag: second\n"
			   "H??X-Name: J\xc3\x9cRGEN \xff\n"
			   ".\n";

static struct qf_row
parse(const char *text)
{
	struct qf_slice bytes = {text, strlen(text)};
	struct qf_policy policy;
	struct qf_row row;
	struct qf_msg *msg;

	cr_assert_eq(qf_msg_parse(bytes, NULL, &msg, NULL), QF_OK);
	qf_policy_default(&policy);
	qf_row_init(&row, msg, NULL, &policy, NOW);
	return row;
}

static struct qf_query *
compile(const char *text)
{
	struct qf_query *query = NULL;
	struct qf_err err = {0};

	cr_assert_eq(qf_query_parse(text, NOW, &query, &err), QF_OK, "%s: %s at %u", text, err.why,
		     err.column);
	return query;
}

#define ALL SIZE_MAX

static bool
matches_recipient(const char *text, const struct qf_row *row, size_t recipient)
{
	struct qf_query *query = compile(text);
	struct qf_matcher *matcher = qf_matcher_new(query);
	struct qf_err err = {0};
	bool matched = false;
	enum qf_code code;

	cr_assert_not_null(matcher);
	code = recipient == ALL
		       ? qf_matcher_match(matcher, row, &matched, &err)
		       : qf_matcher_match_recipient(matcher, row, recipient, &matched, &err);
	cr_expect_eq(code, QF_OK, "%s: %s", text, err.why);
	qf_matcher_free(matcher);
	qf_query_free(query);
	return matched;
}

static bool
matches(const char *text, const struct qf_row *row)
{
	return matches_recipient(text, row, ALL);
}

struct match_case {
	const char *text;
	bool matches;
};

static void
check(const char *message, const struct match_case *cases, size_t n)
{
	struct qf_row row = parse(message);

	for (size_t i = 0; i < n; i++)
		cr_expect_eq(matches(cases[i].text, &row), cases[i].matches, "%s", cases[i].text);
	qf_msg_free(row.msg);
}

#define CHECK(message, cases) check(message, cases, sizeof(cases) / sizeof((cases)[0]))

/* ------------------------------------------------------------------ the grammar */

Test(query, an_empty_filter_matches_everything)
{
	static const struct match_case cases[] = {{"", true}, {" \t\n ", true}};

	CHECK(file, cases);
}

Test(query, and_binds_tighter_than_or)
{
	/* t is true, f is false. */
	static const struct match_case cases[] = {
		{"tries=3", true},
		{"tries=4", false},
		{"tries=3 or tries=3 and tries=4", true},
		{"tries=3 or tries=3 tries=4", true},
		{"(tries=3 or tries=3) and tries=4", false},
		{"tries=4 and tries=3 or tries=3", true},
		{"tries=4 tries=3 or tries=3", true},
		{"tries=4 and (tries=3 or tries=3)", false},
		{"tries=3 tries=3", true},
		{"tries=3 tries=4", false},
		{"tries=4 or tries=5 or tries=3", true},
		{"tries=4 OR tries=3", true},
		{"tries=3 AND tries=3", true},
		{"NOT tries=4", true},
		{"not tries=4 tries=3", true},
		{"not tries=3 or tries=3", true},
		{"not (tries=4 or tries=3)", false},
		{"not not tries=3", true},
		{"not(tries=4)", true},
		{"(tries=3)(tries=3)", true},
		{"((((tries=3))))", true},
		{"tries=3 not tries=4", true},
		{"tries=3 and not tries=3", false},
		{" ( tries=3\tand\n tries=3 ) ", true},
	};

	CHECK(file, cases);
}

Test(query, quotes_and_backslashes_make_a_value_of_anything)
{
	static const struct match_case cases[] = {
		{"subject:\"(monthly) report\"", true},
		{"subject:\\(monthly\\)\\ report", true},
		{"subject:\"(month\"ly\")\"", true},
		{"subject:\"\\\"numbers\\\"\"", true},
		{"subject:\"\\\\more\"", true},
		{"subject:\\\\more", true},
		{"subject:\\m\\o\\r\\e", true},
		{"\"and\"", true},
		{"\\and", true},
		{"subject:and", true},
		{"subject:\"\"", true},
		{"reason:\"\"", false},
		{"\"report: \"", true},
	};

	CHECK(file, cases);
}

Test(query, mistakes_are_pointed_at)
{
	static const struct {
		const char *text;
		unsigned column;
		const char *why, *hint;
	} cases[] = {
		{"sbuject:x", 1, "unknown field \"sbuject\"", "did you mean \"subject\"?"},
		{"tries=3 and xyz:x", 13, "unknown field \"xyz\"", "quote it"},
		{"each.form:x", 6, "unknown field \"form\"", "did you mean \"from\"?"},
		{"header:x", 1, "unknown field \"header\"", "header.list-id"},
		{"each.from:x", 1, "each. goes with recipients", ""},
		{"each.age>3", 1, "each. goes with recipients", ""},
		{"is:sleepy", 4, "no such state: \"sleepy\"; states are queued held lost", ""},
		{"is:hold", 4, "no such state", "did you mean is:held?"},
		{"is>held", 3, "is is text", ""},
		{"from>3", 5, "from is text", ""},
		{"age>2hours", 5, "\"2hours\" is not an age", ""},
		{"size>big", 6, "\"big\" is not a size", ""},
		{"created<yesterday", 9, "\"yesterday\" is not a time", ""},
		{"tries=many", 7, "\"many\" is not a number", ""},
		{"tries=99999999999999999999", 7, "is not a number", ""},
		{"tries=--3", 7, "is not a number", ""},
		{"tries=", 7, "a value is missing after tries=", ""},
		{"subject: x", 9, "a value is missing after subject:", ""},
		{"age > 2h", 5, "a field is missing before \">\"", "no blanks"},
		{"tries!=3", 6, "there is no !=", "not tries="},
		{"age:/2h/", 5, "\"/2h/\" is not an age", ""},
		{"subject:/x", 9, "pattern has no closing /", ""},
		{"subject:/x\\/", 9, "pattern has no closing /", ""},
		{"subject:/a(b/", 13, "bad pattern: ", ""},
		{"subject:/a[/", 12, "bad pattern: ", ""},
		{"tries=3 subject:/*a/", 18, "bad pattern: ", ""},
		{"subject:/\\C/", 12, "bad pattern: ", ""},
		{"subject:/x/q", 12, "only i may stand", "in quotes"},
		{"queue:/var/spool", 12, "only i may stand", "in quotes"},
		{"report:x", 1, "unknown field \"report\"", ""},
		{"subject:\"x", 9, "quote is not closed", ""},
		{"subject:x\\", 10, "nothing follows the backslash", ""},
		{"(tries=3", 1, "\"(\" is not closed", ""},
		{"tries=3 (tries=3", 9, "\"(\" is not closed", ""},
		{"tries=3)", 8, "\")\" without \"(\"", ""},
		{"()", 2, "a term is missing before \")\"", ""},
		{"and tries=3", 1, "a term is missing before \"and\"", ""},
		{"tries=3 or", 11, "a term is missing at the end", ""},
		{"tries=3 and", 12, "a term is missing at the end", ""},
		{"tries=3 and or tries=3", 13, "a term is missing before \"or\"", ""},
		{"not", 4, "a term is missing at the end", ""},
		{"not and", 5, "a term is missing before \"and\"", ""},
		{"=x", 1, "a field is missing before \"=\"", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_query *query = NULL;
		struct qf_err err = {0};
		enum qf_code code = qf_query_parse(cases[i].text, NOW, &query, &err);

		cr_expect_eq(code, QF_E_USAGE, "%s: %d", cases[i].text, code);
		cr_expect_null(query);
		if (code == QF_OK) {
			qf_query_free(query);
			continue;
		}
		cr_expect_eq(err.code, QF_E_USAGE);
		cr_expect_eq(err.column, cases[i].column, "%s: column %u", cases[i].text,
			     err.column);
		cr_expect(strstr(err.why, cases[i].why), "%s: %s", cases[i].text, err.why);
		cr_expect(strstr(err.hint, cases[i].hint), "%s: hint %s", cases[i].text, err.hint);
		cr_expect_eq(qf_query_parse(cases[i].text, NOW, &query, NULL), QF_E_USAGE);
	}
}

/* Repeat a text n times, with another one around. */
static char *
repeated(const char *before, const char *text, size_t n, const char *after)
{
	struct qf_buf out = {0};

	qf_buf_adds(&out, before);
	for (size_t i = 0; i < n; i++)
		qf_buf_adds(&out, text);
	qf_buf_adds(&out, after);
	qf_buf_addc(&out, '\0');
	cr_assert_not(out.failed);
	return out.p;
}

Test(query, depth_length_and_patterns_are_bounded)
{
	char *texts[] = {
		repeated("", "(", 100000, "x"),		repeated("", "not ", 100000, "x"),
		repeated("", "subject:/x/ ", 1001, ""), repeated("", "x ", 3000000, ""),
		repeated("subject:/", "x", 70000, "/"),
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct qf_query *query;
		struct qf_err err = {0};

		cr_expect_eq(qf_query_parse(texts[i], NOW, &query, &err), QF_E_USAGE, "%zu", i);
		cr_expect_geq(err.column, 1u);
		free(texts[i]);
	}
}

Test(query, many_terms_are_no_trouble)
{
	char *text = repeated("tries=3", " or id=6AM77wPF020610", 100000, "");
	struct qf_query *query = compile(text);

	qf_query_free(query);
	free(text);
	text = repeated("", "(tries=3 and not ", 50, "tries=4");
	for (size_t i = 0; i < 50; i++) {
		char *closed = repeated(text, ")", 1, "");

		free(text);
		text = closed;
	}
	qf_query_free(compile(text));
	free(text);
}

/* ------------------------------------------------------------------ terms */

Test(query, text_is_contained_in_either_case_and_equal_in_its_own)
{
	static const struct match_case cases[] = {
		{"envid:qq31", true},
		{"envid:QQ314159", true},
		{"envid:QQ3141590", false},
		{"envid=QQ314159", true},
		{"envid=qq314159", false},
		{"envid=QQ31", false},
		{"state:QUEUE", true},
		{"state=queued", true},
		{"ENVID=QQ314159", true},
		{"subject:MONTHLY", true},
		{"subject:weekly", false},
		{"flags:warn", true},
		{"header.x-tag:first", true},
		{"header.X-TAG:second", true},
		{"header.x-tag=second", true},
		{"header.x-tag:third", false},
		{"header.x-none:\"\"", false},
		{"header.x-name:jürgen", true},
		{"header.x-name:JÜRGEN", true},
		{"header.x-name:jurgen", false},
		{"header.x-name:\"Jürgen \xff\"", false},
	};

	CHECK(file, cases);
}

Test(query, bytes_that_are_no_text_are_compared_as_bytes)
{
	static const struct match_case cases[] = {
		{"header.x-name:\xff", true},
		{"header.x-name:\xfe", false},
		{"header.x-name:/J.rgen/i", true},
		{"header.x-name:/rgen ./i", false},
	};

	CHECK(file, cases);
}

Test(query, patterns_match_text)
{
	static const struct match_case cases[] = {
		{"envid:/^QQ\\d+$/", true},
		{"envid:/^qq\\d+$/", false},
		{"envid:/^qq\\d+$/i", true},
		{"envid:/(?x)Q Q 3/", true},
		{"subject:/\\(monthly\\) report/", true},
		{"subject:/a\\/b|report/", true},
		{"from:/^alice/i", true},
		{"from:/^<alice/i", true},
		{"from:/com$/i", true},
		{"from:/com>$/i", true},
		{"rcpt:/^carol@/", true},
		{"rcpt:/^<carol@/", true},
		{"from-domain:/^news\\.example\\.com$/", true},
		{"from-domain:/COM/", false},
		{"status:/4\\.2\\.2/", true},
		{"envid:/x/", false},
		{"reason:/.*/", false},
	};

	CHECK(file, cases);
}

Test(query, addresses_are_compared_with_and_without_brackets)
{
	static const struct match_case cases[] = {
		{"from:alice", true},
		{"from:<alice", true},
		{"from:com>", true},
		{"from=alice.smith@news.example.com", true},
		{"from=<alice.smith@news.example.com>", true},
		{"sender=alice.smith@news.example.com", true},
		{"from=alice", false},
		{"from=<>", false},
		{"from:<>", false},
		{"rcpt=carol@lists.example.net", true},
		{"rcpt=<carol@lists.example.net>", true},
		{"rcpt:<carol", true},
		{"rcpt:<arol", false},
		{"rcpt=BOB@EXAMPLE.NET", true},
		{"rcpt=bob", false},
	};

	CHECK(file, cases);
}

Test(query, the_null_sender_has_two_names)
{
	static const struct match_case cases[] = {
		{"from=<>", true},
		{"from=\"\"", true},
		{"from-domain=MAILER-DAEMON", true},
		{"from-domain:mailer-daemon", true},
		{"not from=<>", false},
		{"from:alice", false},
	};

	CHECK("V8\nS<>\nRPFD:a\n.\n", cases);
	CHECK("V8\nSMAILER-DAEMON\nRPFD:a\n.\n", cases);
}

Test(query, a_domain_covers_what_lies_below)
{
	static const struct match_case cases[] = {
		{"domain:example.net", true},
		{"domain:EXAMPLE.NET", true},
		{"domain:example.net.", true},
		{"domain:.example.net", true},
		{"domain:lists.example.net", true},
		{"domain:net", true},
		{"domain:xample.net", false},
		{"domain:mail.example.net", false},
		{"domain:example", false},
		{"domain=example.net", true},
		{"domain=net", false},
		{"domain:com", false},
		{"rcpt-domain:org", true},
		{"from-domain:example.com", true},
		{"from-domain=example.com", false},
		{"from-domain=news.example.com", true},
		{"domain:\"\"", false},
	};
	static const struct match_case local[] = {
		{"domain:\"\"", true},
		{"domain=\"\"", true},
		{"domain:net", false},
	};

	CHECK(file, cases);
	CHECK("V8\nSroot\nRPFD:root\n.\n", local);
}

Test(query, numbers_ages_sizes_and_times_are_compared)
{
	static const struct match_case cases[] = {
		{"age>1h59m", true},
		{"age>2h", false},
		{"age>=2h", true},
		{"age<2h", false},
		{"age<=2h", true},
		{"age=2h", true},
		{"age:2h", true},
		{"age=7200", true},
		{"idle<6m", true},
		{"idle>6m", false},
		{"tries=3", true},
		{"tries:3", true},
		{"tries=+3", true},
		{"tries>-1", true},
		{"nrcpt=3", true},
		{"nrcpt>10", false},
		{"priority>100000", true},
		{"priority>-9223372036854775808", true},
		{"priority<9223372036854775807", true},
		{"created<2026-11-23", true},
		{"created<2026-11-22", false},
		{"created>@1795324862", true},
		{"created=@1795324863", true},
		{"created>=2026-11-22T05:21:03Z", true},
		{"created>2026-11-22T05:21:03Z", false},
		{"size>0", false},
		{"size<10k", false},
	};

	CHECK(file, cases);
}

Test(query, sizes_are_those_of_the_data_file)
{
	struct qf_row row = parse(file);
	struct qf_files *files = (struct qf_files *)qf_msg_files(row.msg);

	files->data_size = 10240;
	cr_expect(matches("size=10k", &row));
	cr_expect(matches("size>=10k size<5M size>10000", &row));
	cr_expect_not(matches("size>10k", &row));
	files->data_size = -1;
	cr_expect_not(matches("size>=0", &row));
	cr_expect(matches("not size>=0", &row));
	qf_msg_free(row.msg);
}

Test(query, what_is_missing_matches_nothing_but_not)
{
	static const struct match_case cases[] = {
		{"age>0", false},
		{"not age>0", true},
		{"age<99999d", false},
		{"idle>0", false},
		{"not idle<1d", true},
		{"created>1970-01-01", false},
		{"priority>=0", false},
		{"envid:\"\"", false},
		{"not envid:x", true},
		{"from:\"\"", false},
		{"from=\"\"", false},
		{"from-domain:\"\"", false},
		{"rcpt:\"\"", false},
		{"each.rcpt:\"\"", false},
		{"not each.rcpt:x", true},
		{"status:\"\"", false},
		{"each.status:\"\"", false},
		{"dsn:4", false},
		{"relay:\"\"", false},
		{"subject:\"\"", false},
		{"body:\"\"", false},
		{"bounce_at>1970-01-01", false},
	};

	CHECK("V8\n.\n", cases);
}

Test(query, a_bare_word_is_found_in_four_fields)
{
	static const struct match_case cases[] = {
		{"alice", true},	  {"lists.example", true},
		{"REPORT", true},	  {"refused", true},
		{"busy", true},		  {"QQ314159", false},
		{"first", false},	  {"<carol@lists.example.net>", true},
		{"<carol@lists>", false}, {"a+b=c", false},
		{"@example.org", true},	  {"andy", false},
		{"more", true},		  {"\"busy\"", true},
	};

	CHECK(file, cases);
}

Test(query, states_are_asked_of_the_row)
{
	static const struct match_case cases[] = {
		{"is:queued", true},   {"is=queued", true}, {"IS:Queued", true},
		{"is:held", false},    {"is:warned", true}, {"is:damaged", false},
		{"not is:busy", true},
	};
	static const struct match_case cut[] = {
		{"is:incomplete", true},
		{"is:damaged", true},
		{"is:queued", false},
	};

	CHECK(file, cases);
	CHECK("V8\nS<>\nRPFD:a\n", cut);
}

/* ------------------------------------------------------------------ recipients */

Test(query, any_recipient_or_each)
{
	static const struct match_case cases[] = {
		{"rcpt:bob", true},
		{"each.rcpt:bob", false},
		{"each.rcpt:example", true},
		{"EACH.rcpt:example", true},
		{"each.rcpt:/@(lists\\.)?example\\.(net|org)$/", true},
		{"domain:example.net", true},
		{"each.domain:example.net", false},
		{"not each.domain:example.net", true},
		{"each.domain:/example/", true},
		{"domain:example.net not each.domain:example.net", true},
	};

	CHECK(file, cases);
}

/* bob has an answer of his own, carol has the message's, dave has one that differs from it. */
Test(query, statuses_are_of_the_message_and_of_recipients)
{
	static const struct match_case cases[] = {
		{"status:busy", true},
		{"status:full", true},
		{"status:refused", true},
		{"each.status:deferred", true},
		{"each.status:busy", false},
		{"dsn=4.2.1", true},
		{"dsn=4.2.2", true},
		{"dsn:4.2", true},
		{"each.dsn:4.2", false},
		{"relay=mx.example.net", true},
		{"relay=MX.EXAMPLE.NET", true},
		{"relay:example", true},
		{"each.relay:example", false},
	};

	CHECK(file, cases);
}

Test(query, one_recipient_is_looked_at_alone)
{
	static const struct {
		const char *text;
		bool matches[4];
	} cases[] = {
		{"rcpt:bob", {true, false, false, false}},
		{"each.rcpt:bob", {true, false, false, false}},
		{"not rcpt:bob", {false, true, true, true}},
		{"domain:example.net", {true, true, false, false}},
		{"status:refused", {true, false, false, false}},
		{"status:busy", {false, true, false, false}},
		{"dsn=4.2.2", {false, false, true, false}},
		{"bob", {true, false, false, false}},
		{"alice", {true, true, true, true}},
		{"tries=3", {true, true, true, true}},
	};
	struct qf_row row = parse(file);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t k = 0; k < 4; k++)
			cr_expect_eq(matches_recipient(cases[i].text, &row, k), cases[i].matches[k],
				     "%s %zu", cases[i].text, k);
	qf_msg_free(row.msg);
}

/* ------------------------------------------------------------------ limits */

Test(query, a_pattern_that_runs_wild_is_an_error)
{
	char *text = repeated("V8\nS<>\nRPFD:a\nZ", "a", 60, "!\n.\n");
	struct qf_row row = parse(text);
	struct qf_query *query = compile("tries=0 envid:/^(a+a+)+$/");
	struct qf_matcher *matcher = qf_matcher_new(query);
	struct qf_err err = {0};
	bool matched = true;

	cr_expect_eq(qf_matcher_match(matcher, &row, &matched, &err), QF_E_LIMIT);
	cr_expect_eq(err.code, QF_E_LIMIT);
	cr_expect_eq(err.column, 9u);
	cr_expect_not(matched);
	cr_expect(strstr(err.what, "envid:/^(a+a+)+$/"), "%s", err.what);
	/* A failure is not carried over to the next message. */
	qf_msg_free(row.msg);
	row = parse(file);
	cr_expect_eq(qf_matcher_match(matcher, &row, &matched, &err), QF_OK);
	qf_msg_free(row.msg);
	qf_matcher_free(matcher);
	qf_query_free(query);
	free(text);
}

Test(query, not_does_not_turn_a_failure_into_a_match)
{
	char *text = repeated("V8\nS<>\nRPFD:a\nZ", "a", 60, "!\n.\n");
	struct qf_row row = parse(text);
	struct qf_query *query = compile("not envid:/^(a+a+)+$/");
	struct qf_matcher *matcher = qf_matcher_new(query);
	bool matched = true;

	cr_expect_eq(qf_matcher_match(matcher, &row, &matched, NULL), QF_E_LIMIT);
	cr_expect_not(matched);
	qf_matcher_free(matcher);
	qf_query_free(query);
	qf_msg_free(row.msg);
	free(text);
}

/* ------------------------------------------------------------------ what is asked of a query */

Test(query, needs_are_those_of_its_terms)
{
	static const struct {
		const char *text;
		unsigned needs;
	} cases[] = {
		{"", 0},
		{"from:x age>3 is:held", 0},
		{"size>3", QF_NEED_DATA},
		{"tries=1 or not (from:x size>3)", QF_NEED_DATA},
		{"word", QF_NEED_HEADERS},
		{"body:x subject:y", QF_NEED_BODY | QF_NEED_HEADERS},
		{"is:busy", QF_NEED_BUSY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_query *query = compile(cases[i].text);

		cr_expect_eq(qf_query_needs(query), cases[i].needs, "%s", cases[i].text);
		qf_query_free(query);
	}
}

Test(query, a_state_is_required_where_nothing_else_can_match)
{
	static const struct {
		const char *text;
		bool requires;
	} cases[] = {
		{"is:held", true},
		{"IS:HELD", true},
		{"is:held and from:x", true},
		{"from:x is:held", true},
		{"from:x (tries=1 is:held)", true},
		{"is:held from:x or is:held", true},
		{"is:held or from:x", false},
		{"not is:held", false},
		{"not not is:held", false},
		{"is:lost", false},
		{"from:x", false},
		{"", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_query *query = compile(cases[i].text);

		cr_expect_eq(qf_query_requires_state(query, "held"), cases[i].requires, "%s",
			     cases[i].text);
		qf_query_free(query);
	}
}

static void
expect_explanation(const char *text, const struct qf_row *row, const char *want)
{
	struct qf_query *query = compile(text);
	struct qf_matcher *matcher = qf_matcher_new(query);
	struct qf_buf out = {0};

	qf_matcher_explain(matcher, row, &out);
	qf_buf_addc(&out, '\0');
	cr_expect_str_eq(out.p, want, "%s: %s", text, out.p);
	qf_buf_release(&out);
	qf_matcher_free(matcher);
	qf_query_free(query);
}

Test(query, explanations_name_what_matched)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", ""},
		{"tries=3", "tries=3: tries is 3\n"},
		{"tries=4", ""},
		{"age>1h from:alice", "age>1h: age is 2h\n"
				      "from:alice: from is Alice.Smith@News.Example.COM\n"},
		{"tries=4 or rcpt:carol", "rcpt:carol: rcpt is carol@lists.example.net\n"},
		{"tries=3 or rcpt:carol", "tries=3: tries is 3\n"
					  "rcpt:carol: rcpt is carol@lists.example.net\n"},
		{"not tries=4", "not tries=4: tries is 3\n"},
		{"not (tries=4 or reason:x)", "not tries=4: tries is 3\n"
					      "not reason:x: reason is not there\n"},
		{"not not tries=3", "tries=3: tries is 3\n"},
		{"mailbox", "mailbox: status is Deferred: 452 4.2.2 mailbox full\n"},
		{"header.x-tag:second", "header.x-tag:second: header.x-tag is second\n"},
		{"is:warned", "is:warned: state is warned\n"},
		{"header.x-name:rgen",
		 "header.x-name:rgen: header.x-name is J\xc3\x9cRGEN \\xff\n"},
	};
	struct qf_row row = parse(file);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_explanation(cases[i].text, &row, cases[i].want);
	qf_msg_free(row.msg);
}

Test(query, explanations_show_the_place_in_a_long_text)
{
	char *message = repeated("V8\nS<>\nRPFD:a\nZ", "0123456789", 1000, "needle\xc3\xa9\n.\n");
	struct qf_row row = parse(message);

	expect_explanation("envid:needle", &row,
			   "envid:needle: envid is ..."
			   "0123456789012345678901234567890123456789needle\xc3\xa9\n");
	qf_msg_free(row.msg);
	free(message);
}

Test(query, explanations_of_what_is_no_text_end_too)
{
	/* Bytes that continue a character which never began: there is no better place to cut. */
	char *message = repeated("V8\nS<>\nRPFD:a\nZ", "\x80", 300, "\n.\n");
	char *shown = repeated("envid:\"\": envid is ", "\\x80", 120, "...\n");
	struct qf_row row = parse(message);

	expect_explanation("envid:\"\"", &row, shown);
	qf_msg_free(row.msg);
	free(message);
	free(shown);
}
