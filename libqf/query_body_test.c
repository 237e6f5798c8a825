#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "field.h"
#include "qf.h"

static char root[] = "/tmp/qf-query-test-XXXXXX";
static struct qf_queue *queue;

static void
write_file(const char *name, const char *bytes, size_t n)
{
	char path[sizeof(root) + 64];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "w");
	cr_assert_not_null(file, "%s", path);
	cr_assert_eq(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

static void
set_up(void)
{
	static const char control[] = "V8\nT1795324863\nS<>\nRPFD:a@b.example\n.\n";
	const char *paths[] = {root};
	struct qf_queue_options options = {.paths = paths, .npaths = 1};
	char path[sizeof(root) + 64];
	struct qf_err err;

	cr_assert_not_null(mkdtemp(root));
	write_file("qf6AM77wPF020610", control, sizeof(control) - 1);
	write_file("qf6AM77wPG020610", control, sizeof(control) - 1);
	write_file("qf6AM77wPH020610", control, sizeof(control) - 1);
	write_file("df6AM77wPF020610", "Please pay\0 the INVOICE\n", 24);
	snprintf(path, sizeof(path), "%s/df6AM77wPH020610", root);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(qf_queue_open(&options, &queue, &err), QF_OK, "%s: %s", err.what, err.why);
}

static void
tear_down(void)
{
	static const char *const names[] = {"qf6AM77wPF020610", "df6AM77wPF020610",
					    "qf6AM77wPG020610", "qf6AM77wPH020610",
					    "df6AM77wPH020610"};
	char path[sizeof(root) + 64];

	qf_queue_free(queue);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, names[i]);
		unlink(path);
	}
	rmdir(root);
}

TestSuite(query_body, .init = set_up, .fini = tear_down);

struct seen {
	struct qf_query *query;
	bool matched;
	enum qf_code code;
	struct qf_buf scratch;
	struct qf_value body;
};

static bool
look(void *ctx, struct qf_msg *msg)
{
	struct seen *seen = ctx;
	struct qf_matcher *matcher = qf_matcher_new(seen->query);
	struct qf_policy policy;
	struct qf_row row;

	qf_policy_default(&policy);
	qf_row_init(&row, msg, queue, &policy, 1795332063);
	seen->code = qf_matcher_match(matcher, &row, &seen->matched, NULL);
	seen->body = qf_row_body(&row, &seen->scratch);
	qf_matcher_free(matcher);
	return true;
}

static struct seen
look_at(const char *id, const char *filter)
{
	struct seen seen = {0};
	struct qf_err err = {0};

	cr_assert_eq(qf_query_parse(filter, 1795332063, &seen.query, &err), QF_OK, "%s", err.why);
	cr_assert_eq(qf_queue_find(queue, id, qf_query_needs(seen.query), look, &seen, &err), QF_OK,
		     "%s: %s", err.what, err.why);
	qf_query_free(seen.query);
	return seen;
}

Test(query_body, a_filter_reads_it)
{
	static const struct {
		const char *filter;
		bool matches;
	} cases[] = {
		{"body:invoice", true},
		{"body:receipt", false},
		{"body:/^please/i", true},
		{"body:/pay\\x00 the/", true},
		{"not body:receipt", true},
		{"body:receipt or body:invoice", true},
		{"body:invoice from=<> is:queued", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen seen = look_at("6AM77wPF020610", cases[i].filter);

		cr_expect_eq(seen.code, QF_OK);
		cr_expect_eq(seen.matched, cases[i].matches, "%s", cases[i].filter);
		cr_expect(seen.body.present);
		cr_expect_eq(seen.body.text.n, 24u);
		qf_buf_release(&seen.scratch);
	}
}

Test(query_body, one_that_is_missing_or_no_file_matches_nothing)
{
	static const char *const ids[] = {"6AM77wPG020610", "6AM77wPH020610"};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct seen seen = look_at(ids[i], "body:\"\"");

		cr_expect_not(seen.matched, "%s", ids[i]);
		cr_expect_not(seen.body.present);
		qf_buf_release(&seen.scratch);
		cr_expect(look_at(ids[i], "not body:x").matched);
	}
}

Test(query_body, only_its_first_mebibyte_is_looked_at)
{
	size_t n = QF_BODY_MAX + 20;
	char *bytes = malloc(n);
	struct seen seen;

	cr_assert_not_null(bytes);
	memset(bytes, 'x', n);
	memcpy(bytes + QF_BODY_MAX - 6, "inside", 6);
	memcpy(bytes + QF_BODY_MAX, "beyond", 6);
	write_file("df6AM77wPF020610", bytes, n);
	free(bytes);
	seen = look_at("6AM77wPF020610", "body:inside");
	cr_expect(seen.matched);
	cr_expect_eq(seen.body.text.n, QF_BODY_MAX);
	qf_buf_release(&seen.scratch);
	seen = look_at("6AM77wPF020610", "body:beyond");
	cr_expect_not(seen.matched);
	qf_buf_release(&seen.scratch);
}
