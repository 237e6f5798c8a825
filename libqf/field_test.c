#include <criterion/criterion.h>
#include <string.h>

#include "buf.h"
#include "field.h"
#include "qf.h"

#define NOW ((int64_t)1795332063)

static const char file[] = "V8\n"
			   "T1795324863\n" /* two hours before NOW */
			   "K1795331763\n" /* five minutes before NOW */
			   "N3\n"
			   "P120443\n"
			   "Fw8\n"
			   "MDeferred: 450 4.2.1 busy\n"
			   "S<alice@Example.COM>\n"
			   "ZQQ314159\n"
			   "MDeferred: Connection refused by mx.example.net.\n"
			   "RPFD:<bob@example.net>\n"
			   "RPFD:carol@Lists.Example.org\n"
			   "RPFD:root\n"
			   "H??Subject: Minutes of\n\tthe meeting\n"
			   "H??Message-ID: <1@example.com>\n"
			   "H??X-Tag: one\n"
			   "H??X-Tag: two\n"
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

/* The i-th value of a field as text for people, "-" where there is none. */
static const char *
value_of(const struct qf_row *row, const char *name, size_t i)
{
	static char text[256];
	struct qf_buf scratch = {0}, out = {0};
	const char *argument;
	const struct qf_field *field = qf_field_find(name, &argument);
	struct qf_value value;

	cr_assert_not_null(field, "%s", name);
	value = field->get(row, i, argument, &scratch);
	qf_field_format(field, value, &out);
	snprintf(text, sizeof(text), "%.*s", value.present ? (int)out.n : 1,
		 value.present ? (out.p ? out.p : "") : "-");
	qf_buf_release(&scratch);
	qf_buf_release(&out);
	return text;
}

Test(field, values_are_what_the_message_says)
{
	static const struct {
		const char *name;
		size_t i;
		const char *value;
	} cases[] = {
		{"state", 0, "queued"},
		{"from", 0, "<alice@Example.COM>"},
		{"sender", 0, "<alice@Example.COM>"},
		{"from-domain", 0, "example.com"},
		{"rcpt", 0, "<bob@example.net>"},
		{"to", 1, "carol@Lists.Example.org"},
		{"recipient", 2, "root"},
		{"rcpt", 3, "-"},
		{"domain", 0, "example.net"},
		{"rcpt-domain", 1, "lists.example.org"},
		{"domain", 2, ""},
		{"domain", 3, "-"},
		{"subject", 0, "Minutes of the meeting"},
		{"message_id", 0, "<1@example.com>"},
		{"header.x-tag", 0, "one"},
		{"header.X-None", 0, "-"},
		{"status", 0, "Deferred: 450 4.2.1 busy"},
		{"dsn", 0, "4.2.1"},
		{"relay", 0, "-"},
		{"body", 0, "-"},
		{"envid", 0, "QQ314159"},
		{"reason", 0, "-"},
		{"quarantine", 0, "-"},
		{"flags", 0, "warned 8bit"},
		{"age", 0, "2h"},
		{"idle", 0, "5m"},
		{"tries", 0, "3"},
		{"size", 0, "-"},
		{"priority", 0, "120443"},
		{"nrcpt", 0, "3"},
		{"created", 0, "2026-11-22T05:21:03Z"},
		{"last_try", 0, "2026-11-22T07:16:03Z"},
		{"busy", 0, "-"},
	};
	struct qf_row row = parse(file);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_str_eq(value_of(&row, cases[i].name, cases[i].i), cases[i].value, "%s",
				 cases[i].name);
	qf_msg_free(row.msg);
}

Test(field, what_is_not_there_has_no_value)
{
	static const char *const names[] = {
		"from",	  "from-domain", "rcpt",     "domain",	"subject",  "message_id",
		"status", "dsn",	 "relay",    "envid",	"reason",   "flags",
		"age",	  "idle",	 "priority", "created", "last_try", "bounce_at"};
	struct qf_row row = parse("V8\n.\n");

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		cr_expect_str_eq(value_of(&row, names[i], 0), "-", "%s", names[i]);
	qf_msg_free(row.msg);
}

Test(field, times_of_any_value_do_not_overflow)
{
	struct qf_row row = parse("V8\nT-9223372036854775807\nK9223372036854775807\nN1\nS<>\n.\n");
	struct qf_buf scratch = {0};
	const struct qf_field *age = qf_field_find("age", NULL);
	const struct qf_field *idle = qf_field_find("idle", NULL);

	cr_expect_eq(age->get(&row, 0, NULL, &scratch).number, INT64_MAX);
	cr_expect_eq(idle->get(&row, 0, NULL, &scratch).number, NOW - INT64_MAX);
	qf_buf_release(&scratch);
	qf_msg_free(row.msg);
}

Test(field, null_sender_is_called_mailer_daemon)
{
	static const char *const senders[] = {"V8\nS<>\n.\n", "V8\nSMAILER-DAEMON\n.\n",
					      "V8\nS<Mailer-Daemon>\n.\n"};

	for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
		struct qf_row row = parse(senders[i]);

		cr_expect(qf_row_null_sender(&row), "%zu", i);
		cr_expect_str_eq(value_of(&row, "from-domain", 0), "MAILER-DAEMON");
		qf_msg_free(row.msg);
	}
}

Test(field, every_name_and_alias_is_found_in_either_case)
{
	static const char *const aliases[][2] = {
		{"sender", "from"},	   {"to", "rcpt"},
		{"recipient", "rcpt"},	   {"recipients", "rcpt"},
		{"RCPT-Domain", "domain"}, {"quarantine", "reason"},
		{"bounce", "bounce_at"},   {"Message-ID", "message_id"}};
	const char *argument = "unset";

	for (const struct qf_field *field = qf_fields(); field->name; field++) {
		cr_expect(field->title && field->get && field->help[0], "%s", field->name);
		if (strcmp(field->name, "header") != 0)
			cr_expect_eq(qf_field_find(field->name, &argument), field, "%s",
				     field->name);
		cr_expect_null(field->name[0] == 'h' ? NULL : argument);
	}
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		cr_expect_eq(qf_field_find(aliases[i][0], NULL), qf_field_find(aliases[i][1], NULL),
			     "%s", aliases[i][0]);
	cr_expect_str_eq(qf_field_find("header.List-Id", &argument)->name, "header");
	cr_expect_str_eq(argument, "List-Id");
	cr_expect_null(qf_field_find("header", NULL));
	cr_expect_null(qf_field_find("header.", NULL));
	cr_expect_null(qf_field_find("", NULL));
	cr_expect_null(qf_field_find("nonsense", NULL));
}

Test(field, files_are_asked_for_only_where_they_tell)
{
	static const struct {
		const char *name;
		unsigned needs;
	} cases[] = {
		{"id", 0},
		{"from", 0},
		{"rcpt", 0},
		{"domain", 0},
		{"status", 0},
		{"age", 0},
		{"state", 0},
		{"nrcpt", 0},
		{"size", QF_NEED_DATA},
		{"busy", QF_NEED_BUSY},
		{"subject", QF_NEED_HEADERS},
		{"header.to", QF_NEED_HEADERS},
		{"body", QF_NEED_BODY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(qf_field_find(cases[i].name, NULL)->needs, cases[i].needs, "%s",
			     cases[i].name);
}

Test(field, sizes_are_short_for_people)
{
	static const struct {
		int64_t bytes;
		const char *text;
	} cases[] = {
		{0, "0"},
		{1023, "1023"},
		{1024, "1.0k"},
		{2311, "2.3k"},
		{10188, "9.9k"},
		{10190, "10k"},
		{10240, "10k"},
		{1023 * 1024, "1023k"},
		{1024 * 1024 - 1, "1.0M"},
		{1024 * 1024, "1.0M"},
		{(int64_t)5 << 30, "5.0G"},
		{INT64_MAX, "8.0E"},
		{-2048, "-2.0k"},
	};
	const struct qf_field *size = qf_field_find("size", NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct qf_buf out = {0};

		qf_field_format(size, (struct qf_value){.present = true, .number = cases[i].bytes},
				&out);
		qf_buf_addc(&out, '\0');
		cr_expect_str_eq(out.p, cases[i].text);
		qf_buf_release(&out);
	}
}

Test(field, a_value_that_is_none_is_shown_as_nothing)
{
	struct qf_buf out = {0};

	qf_field_format(qf_field_find("age", NULL), (struct qf_value){0}, &out);
	qf_field_format(qf_field_find("from", NULL), (struct qf_value){0}, &out);
	cr_expect_eq(out.n, 0u);
}

Test(field, wrong_names_have_a_nearest)
{
	static const struct {
		const char *name, *nearest;
	} cases[] = {
		{"sbuject", "subject"}, {"form", "from"},   {"Reciepient", "recipient"},
		{"szie", "size"},	{"rcp", "rcpt"},    {"domian", "domain"},
		{"xyz", NULL},		{"nonsense", NULL}, {"", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *got = qf_field_nearest(cases[i].name, strlen(cases[i].name));

		if (!cases[i].nearest)
			cr_expect_null(got, "%s: %s", cases[i].name, got);
		else
			cr_expect(got && strcmp(got, cases[i].nearest) == 0, "%s: %s",
				  cases[i].name, got ? got : "none");
	}
}

static bool
is(const struct qf_row *row, const char *state)
{
	bool known, yes = qf_row_is(row, state, strlen(state), &known);

	cr_expect(known, "%s", state);
	return yes;
}

Test(field, states_follow_the_message)
{
	struct qf_row row = parse(file);
	bool known = true;

	cr_expect(is(&row, "queued"));
	cr_expect_not(is(&row, "held"));
	cr_expect_not(is(&row, "lost"));
	cr_expect_not(is(&row, "incomplete"));
	cr_expect_not(is(&row, "busy"));
	cr_expect_not(is(&row, "damaged"));
	cr_expect(is(&row, "WARNED"));
	row.outlook.due = NOW;
	cr_expect(is(&row, "due"));
	row.outlook.due = NOW + 1;
	cr_expect_not(is(&row, "due"));
	row.outlook.due = QF_TIME_NONE;
	cr_expect_not(is(&row, "due"));
	row.outlook.young = true;
	cr_expect(is(&row, "young"));
	row.outlook.expired = true;
	cr_expect(is(&row, "expired"));
	cr_expect_not(qf_row_is(&row, "sleepy", 6, &known));
	cr_expect_not(known);
	cr_expect_not(qf_row_is(&row, "que", 3, &known));
	cr_expect_not(known);
	qf_msg_free(row.msg);
	row = parse("V8\nS<>\nRPFD:a\n");
	cr_expect(is(&row, "incomplete"));
	cr_expect(is(&row, "damaged"));
	cr_expect_not(is(&row, "queued"));
	qf_msg_free(row.msg);
}

Test(field, every_state_is_known)
{
	size_t n = 0;

	for (const char *const *state = qf_row_states(); *state; state++, n++) {
		struct qf_row row = parse(file);

		is(&row, *state);
		qf_msg_free(row.msg);
	}
	cr_expect_eq(n, 10u);
	cr_expect_eq(qf_row_state_needs("held", 4), 0u);
	cr_expect(qf_row_state_needs("busy", 4) & QF_NEED_BUSY);
	cr_expect(qf_row_state_needs("due", 3) & QF_NEED_BUSY);
	cr_expect(qf_row_state_needs("damaged", 7) & QF_NEED_DATA);
}
