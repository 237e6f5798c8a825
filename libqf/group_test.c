#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qf.h"

#define NOW ((int64_t)1795332063)

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

/* A message of an age, with the lines of its envelope. */
static void
add(struct qf_groups *groups, int64_t age, const char *lines)
{
	char text[1024];
	struct qf_row row;

	snprintf(text, sizeof(text), "V8\nT%lld\n%s.\n", (long long)(NOW - age), lines);
	row = parse(text);
	cr_assert_eq(qf_groups_add(groups, &row), QF_OK);
	qf_msg_free(row.msg);
}

static struct qf_groups *
groups_by(const char *name)
{
	const char *argument;
	const struct qf_field *field = qf_field_find(name, &argument);
	struct qf_groups *groups = qf_groups_new(field, argument, NULL, 0);

	cr_assert_not_null(groups);
	return groups;
}

/* "key=messages key=messages", "-" for no key. */
static void
expect_groups(struct qf_groups *groups, const char *want)
{
	char text[1024] = "";
	size_t n, used = 0;
	const struct qf_group_row *rows = qf_groups_rows(groups, &n);

	for (size_t i = 0; i < n && used < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%.*s=%llu",
					 i ? " " : "", rows[i].key.p ? (int)rows[i].key.n : 1,
					 rows[i].key.p ? rows[i].key.p : "-",
					 (unsigned long long)rows[i].messages);
	cr_expect_str_eq(text, want);
}

Test(group, most_messages_come_first_then_the_key)
{
	struct qf_groups *groups = groups_by("from-domain");

	add(groups, 0, "Sa@b.example\n");
	add(groups, 0, "Sa@c.example\n");
	add(groups, 0, "S<a@C.Example>\n");
	add(groups, 0, "Sa@a.example\n");
	add(groups, 0, "Sa@a.example.org\n");
	expect_groups(groups, "c.example=2 a.example=1 a.example.org=1 b.example=1");
	cr_expect_eq(qf_groups_total(groups)->messages, 5u);
	cr_expect_eq(memcmp(qf_groups_total(groups)->key.p, "TOTAL", 5), 0);
	qf_groups_free(groups);
}

Test(group, reading_does_not_end_the_counting)
{
	struct qf_groups *groups = groups_by("from-domain");

	add(groups, 0, "Sa@b.example\n");
	add(groups, 0, "Sa@a.example\n");
	expect_groups(groups, "a.example=1 b.example=1");
	add(groups, 0, "Sa@b.example\n");
	add(groups, 0, "Sa@c.example\n");
	expect_groups(groups, "b.example=2 a.example=1 c.example=1");
	add(groups, 0, "Sa@c.example\n");
	add(groups, 0, "Sa@c.example\n");
	expect_groups(groups, "c.example=3 b.example=2 a.example=1");
	qf_groups_free(groups);
}

Test(group, a_message_counts_once_in_each_group_of_its_recipients)
{
	struct qf_groups *groups = groups_by("rcpt-domain");

	add(groups, 0, "S<>\nRPFD:a@x.example\nRPFD:b@x.example\nRPFD:c@Y.example\n");
	add(groups, 0, "S<>\nRPFD:<d@x.example>\n");
	expect_groups(groups, "x.example=2 y.example=1");
	cr_expect_eq(qf_groups_total(groups)->messages, 2u);
	qf_groups_free(groups);
}

Test(group, what_has_no_value_has_a_group_too)
{
	struct qf_groups *groups = groups_by("domain");

	add(groups, 0, "S<>\nRPFD:root\n");
	add(groups, 0, "S<>\n");
	expect_groups(groups, "-=1 (local)=1");
	qf_groups_free(groups);

	groups = groups_by("from-domain");
	add(groups, 0, "S<>\n");
	add(groups, 0, "SMAILER-DAEMON\n");
	add(groups, 0, "Sroot\n");
	add(groups, 0, "RPFD:a\n");
	expect_groups(groups, "MAILER-DAEMON=2 -=1 (local)=1");
	qf_groups_free(groups);

	groups = groups_by("from");
	add(groups, 0, "S<>\n");
	add(groups, 0, "SMAILER-DAEMON\n");
	add(groups, 0, "Sa@b.example\n");
	add(groups, 0, "S<a@b.example>\n");
	add(groups, 0, "Sroot\n");
	expect_groups(groups, "<>=2 a@b.example=2 root=1");
	qf_groups_free(groups);
}

Test(group, statuses_fall_together_by_their_kind)
{
	struct qf_groups *groups = groups_by("status");

	add(groups, 0,
	    "MDeferred: 450 4.2.0 <a@x.example>: Greylisted\nS<>\n"
	    "MDeferred: 450 4.2.0 <a@x.example>: Greylisted\nRPFD:a@x.example\n");
	add(groups, 0, "MDeferred: 450 4.2.0 <b@y.example>: Greylisted\nS<>\nRPFD:b@y.example\n");
	/* Two answers of one kind, and one that has none but the message's. */
	add(groups, 0,
	    "MDeferred: 450 4.2.0 <c@y.example>: Greylisted\nS<>\n"
	    "MDeferred: Connection refused by mx1.example.net.\nRPFD:a@x.example\n"
	    "MDeferred: Connection refused by mx2.example.org.\nRPFD:a@x.example\n"
	    "RPFD:c@y.example\n");
	add(groups, 0, "S<>\nRPFD:d@y.example\n");
	expect_groups(groups, "Deferred: 450 4.2.0 <ADDRESS>: Greylisted=3 -=1 "
			      "Deferred: Connection refused by HOST=1");
	qf_groups_free(groups);
}

Test(group, codes_and_relays_are_those_of_recipients)
{
	static const char lines[] = "MDeferred: 450 4.2.0 no\nS<>\n"
				    "MDeferred: Connection refused by mx1.example.net.\nRPFD:a\n"
				    "MDeferred: 452 4.2.2 full\nRPFD:b\n"
				    "RPFD:c\n";
	struct qf_groups *groups = groups_by("dsn");

	add(groups, 0, lines);
	expect_groups(groups, "-=1 4.2.0=1 4.2.2=1");
	qf_groups_free(groups);
	groups = groups_by("relay");
	add(groups, 0, lines);
	expect_groups(groups, "-=1 mx1.example.net=1");
	qf_groups_free(groups);
}

Test(group, any_field_can_be_grouped_by)
{
	struct qf_groups *groups = groups_by("tries");

	add(groups, 0, "N3\nS<>\n");
	add(groups, 0, "N12\nS<>\n");
	add(groups, 0, "N3\nS<>\n");
	expect_groups(groups, "3=2 12=1");
	qf_groups_free(groups);

	groups = groups_by("header.list-id");
	add(groups, 0, "S<>\nH??List-Id: <one.example>\n");
	add(groups, 0, "S<>\nH??list-ID:   <one.example>\n");
	add(groups, 0, "S<>\n");
	expect_groups(groups, "<one.example>=2 -=1");
	qf_groups_free(groups);

	for (const struct qf_field *field = qf_fields(); field->name; field++) {
		groups = qf_groups_new(field, NULL, NULL, 0);
		add(groups, 60, "N3\nS<>\nRPFD:a@b.example\n");
		cr_expect_eq(qf_groups_total(groups)->messages, 1u, "%s", field->name);
		qf_groups_free(groups);
	}
}

Test(group, messages_lie_in_the_bucket_their_age_does_not_exceed)
{
	static const int64_t limits[] = {300, 600, 1200};
	static const struct {
		int64_t age;
		size_t bucket;
	} cases[] = {
		{-5, 0},  {0, 0},   {299, 0},  {300, 0},  {301, 1},
		{600, 1}, {601, 2}, {1200, 2}, {1201, 3}, {1000000, 3},
	};
	struct qf_groups *groups = qf_groups_new(qf_field_find("from", NULL), NULL, limits, 3);
	uint64_t want[4] = {0};
	const struct qf_group_row *rows;
	struct qf_row row;
	size_t n;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		add(groups, cases[i].age, "Sa@b.example\n");
		want[cases[i].bucket]++;
	}
	/* Without a creation time it is new. */
	row = parse("V8\nSa@b.example\n.\n");
	cr_assert_eq(qf_groups_add(groups, &row), QF_OK);
	qf_msg_free(row.msg);
	want[0]++;
	rows = qf_groups_rows(groups, &n);
	cr_assert_eq(n, 1u);
	for (size_t i = 0; i < 4; i++) {
		cr_expect_eq(rows[0].counts[i], want[i], "%zu: %llu", i,
			     (unsigned long long)rows[0].counts[i]);
		cr_expect_eq(qf_groups_total(groups)->counts[i], want[i]);
	}
	cr_expect_eq(rows[0].oldest, NOW - 1000000);
	cr_expect_eq(qf_groups_total(groups)->oldest, NOW - 1000000);
	qf_groups_free(groups);
}

Test(group, sizes_are_summed_and_the_oldest_kept)
{
	struct qf_groups *groups = groups_by("from");
	static const int64_t sizes[] = {1000, -1, -2, 234};
	const struct qf_group_row *rows;
	size_t n;

	for (size_t i = 0; i < 4; i++) {
		struct qf_row row = parse("V8\nSa\n.\n");

		((struct qf_files *)qf_msg_files(row.msg))->data_size = sizes[i];
		cr_assert_eq(qf_groups_add(groups, &row), QF_OK);
		qf_msg_free(row.msg);
	}
	rows = qf_groups_rows(groups, &n);
	cr_expect_eq(rows[0].size, 1234u);
	cr_expect_eq(rows[0].oldest, QF_TIME_NONE);
	cr_expect_eq(qf_groups_total(groups)->size, 1234u);
	qf_groups_free(groups);
}

Test(group, keys_of_the_caller_count_each_time_but_the_message_once)
{
	struct qf_groups *groups = qf_groups_new(qf_field_find("domain", NULL), NULL, NULL, 0);
	struct qf_row first = parse("V8\nS<>\n.\n");
	struct qf_row second = parse("V8\nS<>\n.\n");
	struct qf_slice below = {"a.example", 9}, above = {"example", 7};

	cr_assert_eq(qf_groups_add_key(groups, below, &first), QF_OK);
	cr_assert_eq(qf_groups_add_key(groups, above, &first), QF_OK);
	cr_assert_eq(qf_groups_add_key(groups, above, &first), QF_OK);
	cr_assert_eq(qf_groups_add_key(groups, below, &second), QF_OK);
	expect_groups(groups, "a.example=2 example=2");
	cr_expect_eq(qf_groups_total(groups)->messages, 2u);
	qf_msg_free(first.msg);
	qf_msg_free(second.msg);
	qf_groups_free(groups);
}

Test(group, keys_are_bytes_and_empty_is_not_absent)
{
	struct qf_groups *groups = groups_by("domain");
	struct qf_row row = parse("V8\nS<>\n.\n");
	struct qf_slice keys[] = {{NULL, 0},  {"", 0},	   {"a", 1},
				  {"a\0", 2}, {"a\0b", 3}, {"\xff", 1}};
	const struct qf_group_row *rows;
	size_t n;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		cr_assert_eq(qf_groups_add_key(groups, keys[i], &row), QF_OK);
	rows = qf_groups_rows(groups, &n);
	cr_assert_eq(n, sizeof(keys) / sizeof(keys[0]));
	for (size_t i = 0; i < n; i++) {
		cr_expect_eq(rows[i].key.n, keys[i].n);
		cr_expect_eq(rows[i].key.p == NULL, keys[i].p == NULL);
		cr_expect(keys[i].n == 0 || memcmp(rows[i].key.p, keys[i].p, keys[i].n) == 0);
	}
	qf_msg_free(row.msg);
	qf_groups_free(groups);
}

Test(group, a_million_keys_are_counted)
{
	struct qf_groups *groups = groups_by("domain");
	struct qf_row row = parse("V8\nS<>\n.\n");
	const struct qf_group_row *rows;
	char key[32];
	size_t n;

	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 1000000; i++) {
			struct qf_slice slice = {key, 0};

			slice.n = (size_t)snprintf(key, sizeof(key), "host%u.example", i);
			if (qf_groups_add_key(groups, slice, &row) != QF_OK)
				cr_assert_fail("memory");
		}
	}
	rows = qf_groups_rows(groups, &n);
	cr_assert_eq(n, 1000000u);
	for (size_t i = 0; i < n; i++)
		if (rows[i].messages != 2)
			cr_assert_fail("%zu", i);
	cr_expect_eq(rows[0].key.n, strlen("host0.example"));
	cr_expect_eq(qf_groups_total(groups)->messages, 1u);
	qf_msg_free(row.msg);
	qf_groups_free(groups);
}
