/*
 * What is asserted here of values was seen on sendmail 8.17.1.9 (Debian), run with the same lines:
 * return and warning spans by what a queue run wrote into its report for a message of that class
 * ("could not be delivered for 1 day, 12 hours", "still undelivered after 4 hours"), ages by the
 * '-' marks of mailq, SuperSafe by its fsync calls, QueueFileMode by the mode of a new file,
 * QueueSortOrder, MaxQueueRunSize and groups by mailq. ERROR stands for what sendmail complains
 * about, or does not start with.
 */
#include <criterion/criterion.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cf.h"
#include "qf.h"

#define ERROR INT64_MIN
#define V "V10/Berkeley\n"
#define HOUR ((int64_t)3600)
#define DAY (24 * HOUR)
#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static enum qf_code
parse_bytes(const char *bytes, size_t n, struct qf_cf **cf, struct qf_err *err)
{
	*cf = NULL;
	return qf_cf_parse((struct qf_slice){bytes, n}, "test.cf", cf, err);
}

static enum qf_code
parse(const char *text, struct qf_cf **cf, struct qf_err *err)
{
	return parse_bytes(text, strlen(text), cf, err);
}

static struct qf_cf *
parsed(const char *text)
{
	struct qf_cf *cf;
	struct qf_err err = {0};
	enum qf_code code = parse(text, &cf, &err);

	cr_assert_eq(code, QF_OK, "%s\n%u:%u: %s", text, err.line, err.column, err.why);
	return cf;
}

static struct qf_policy
policy_of(const char *text)
{
	struct qf_cf *cf = parsed(text);
	struct qf_policy policy = *qf_cf_policy(cf);

	qf_cf_free(cf);
	return policy;
}

/* A line "BEFORE VALUE" and what one field of the policy is then. */
struct value {
	const char *text;
	int64_t wanted;
};

static void
check_values(const char *before, const struct value *values, size_t n,
	     int64_t (*field)(const struct qf_policy *policy))
{
	for (size_t i = 0; i < n; i++) {
		char text[256];
		struct qf_cf *cf;
		enum qf_code code;
		int64_t got = ERROR;

		snprintf(text, sizeof(text), V "%s%s\n", before, values[i].text);
		code = parse(text, &cf, NULL);
		cr_assert(code == QF_OK || code == QF_E_CONFIG, "%s", text);
		if (!code)
			got = field(qf_cf_policy(cf));
		cr_expect_eq(got, values[i].wanted, "%s%s: got %lld, want %lld", before,
			     values[i].text, (long long)got, (long long)values[i].wanted);
		qf_cf_free(cf);
	}
}

static int64_t
normal_return(const struct qf_policy *policy)
{
	return policy->queue_return[QF_CLASS_NORMAL];
}

static int64_t
normal_warn(const struct qf_policy *policy)
{
	return policy->queue_warn[QF_CLASS_NORMAL];
}

static int64_t
min_age(const struct qf_policy *policy)
{
	return policy->min_queue_age;
}

static int64_t
max_age(const struct qf_policy *policy)
{
	return policy->max_queue_age;
}

static int64_t
file_mode(const struct qf_policy *policy)
{
	return policy->queue_file_mode;
}

static int64_t
super_safe(const struct qf_policy *policy)
{
	return policy->super_safe;
}

static int64_t
sort_order(const struct qf_policy *policy)
{
	return policy->sort_order;
}

static int64_t
run_size(const struct qf_policy *policy)
{
	return policy->max_queue_run_size;
}

static int64_t
trusted_uid(const struct qf_policy *policy)
{
	return policy->trusted_uid;
}

Test(cf, defaults)
{
	struct qf_policy policy = policy_of("");

	/* An empty configuration but for a mailer: 5 days for every class, no warning, no marks. */
	for (int c = 0; c < QF_CLASS_COUNT; c++) {
		cr_expect_eq(policy.queue_return[c], 5 * DAY);
		cr_expect_eq(policy.queue_warn[c], 0);
	}
	cr_expect_eq(policy.min_queue_age, 0);
	cr_expect_eq(policy.max_queue_age, 0);
	cr_expect_eq(policy.queue_file_mode, 0600);
	cr_expect_eq(policy.trusted_uid, 0);
	cr_expect_eq(policy.max_queue_run_size, 0);
	cr_expect_eq(policy.super_safe, QF_SAFE_TRUE);
	cr_expect_eq(policy.sort_order, QF_ORDER_PRIORITY);
}

Test(cf, return_spans)
{
	static const struct value values[] = {
		{"4", 4 * DAY}, /* "4 days": a number alone is in days */
		{"4d", 4 * DAY},
		{"1d12h", 36 * HOUR},
		{"2w3d4h5m6s", 17 * DAY + 4 * HOUR + 5 * 60 + 6},
		{"4d5", 9 * DAY},	   /* "1 week, 2 days" */
		{"1h30", 30 * DAY + HOUR}, /* "4 weeks, 2 days, 1 hour" */
		{"4dd", 4 * DAY},
		{"90000s", 25 * HOUR},
		{"7m", 420},
		{"9000w", 9000 * 7 * DAY},
		{"  3d", 3 * DAY},
		{"3d  # why", 3 * DAY},
		{"3d\r", 3 * DAY},
		{"now", QF_SPAN_NOW}, /* "for too long" */
		{"NOW", QF_SPAN_NOW},
		{"0", 0}, /* "for zero seconds" */
		{"", 0},
		{"d", 0},
		{"-3d", 0}, /* "for " */
		{"5x", ERROR},
		{"4D", ERROR},
		{"1.5d", ERROR},
		{"4d 12h", ERROR},
		{"4d;", ERROR},
		{"never", ERROR}, /* complains of each letter and returns at once */
		{"$x", ERROR},
		{"${span}", ERROR},
		{"$?x3d$|4d$.", ERROR},
		{"6$$d", ERROR},
		{"3d\\#x", ERROR},
		{"3d\\", ERROR},
		/* Taken modulo the size of a number without a word; a typing error here. */
		{"99999999999999999999d", ERROR},
		{"9223372036854775807s", ERROR},
		{"900000000000000s", 900000000000000},
		{"900000000000000s900000000000000s", ERROR},
	};

	check_values("O Timeout.queuereturn=", values, COUNT(values), normal_return);
}

Test(cf, warning_spans)
{
	static const struct value values[] = {
		{"4", 4 * HOUR}, /* "4 hours": a number alone is in hours */
		{"30m", 1800},
		{"2d", 2 * DAY},
		{"1d12h", 36 * HOUR},
		/* No warning was sent with any of these. */
		{"0", 0},
		{"", 0},
		{"now", 0},
		{"-1h", 0},
		{"never", QF_SPAN_NEVER}, /* with complaints, but to this effect */
		{"4x", ERROR},
	};

	check_values("O Timeout.queuewarn=", values, COUNT(values), normal_warn);
}

Test(cf, ages)
{
	/* mailq marked messages younger than these, and none older. */
	static const struct value values[] = {
		{"30", 1800}, /* a number alone is in minutes */
		{"30m", 1800}, {"90s", 90}, {"2h", 2 * HOUR}, {"1d", DAY},
		{"now", 0},    {"-5m", 0},  {"", 0},	      {"30x", ERROR},
	};

	check_values("O MinQueueAge=", values, COUNT(values), min_age);
	check_values("O MaxQueueAge=", values, COUNT(values), max_age);
}

Test(cf, file_modes)
{
	static const struct value values[] = {
		{"0600", 0600}, {"640", 0640}, {"0660", 0660}, {"x", 0},     {"", 0},
		{"888", 0},	{"0x1ff", 0},  {"1777", 0777}, {"06 40", 6}, {"7777777", 0777},
	};

	check_values("O QueueFileMode=", values, COUNT(values), file_mode);
}

Test(cf, super_safe_words)
{
	static const struct value values[] = {
		{"True", QF_SAFE_TRUE},
		{"t", QF_SAFE_TRUE},
		{"Yes", QF_SAFE_TRUE},
		{"", QF_SAFE_TRUE},
		{"interactive", QF_SAFE_INTERACTIVE},
		{"I", QF_SAFE_INTERACTIVE},
		{"PostMilter", QF_SAFE_POSTMILTER},
		{"p", QF_SAFE_POSTMILTER},
		{"false", QF_SAFE_FALSE},
		{"no", QF_SAFE_FALSE},
		/* No fsync at all: these are not among the words for true. */
		{"1", QF_SAFE_FALSE},
		{"on", QF_SAFE_FALSE},
		{"x", QF_SAFE_FALSE},
	};

	check_values("O SuperSafe=", values, COUNT(values), super_safe);
	check_values("Os", values, COUNT(values), super_safe);
	cr_expect_eq(policy_of(V "O SuperSafe=false\nO SuperSafe\n").super_safe, QF_SAFE_TRUE);
}

Test(cf, sort_orders)
{
	static const struct value values[] = {
		{"priority", QF_ORDER_PRIORITY},
		{"P", QF_ORDER_PRIORITY},
		{"host", QF_ORDER_HOST},
		{"Time", QF_ORDER_TIME},
		{"filename", QF_ORDER_FILENAME},
		{"modification", QF_ORDER_MODIFICATION},
		{"random", QF_ORDER_RANDOM},
		{"shuffle", QF_ORDER_SHUFFLE},
		{"None", QF_ORDER_NONE},
		{"xyz", ERROR}, /* exit 70 */
		{"", ERROR},
	};

	check_values("O QueueSortOrder=", values, COUNT(values), sort_order);
}

Test(cf, run_sizes)
{
	static const struct value values[] = {
		{"2", 2}, /* "3 requests, only 2 printed" */
		{"2x", 2}, {"0", 0}, {"-1", 0}, {"x", 0}, {"", 0}, {"99999999999", 1215752191},
	};

	check_values("O MaxQueueRunSize=", values, COUNT(values), run_size);
}

Test(cf, trusted_users)
{
	static const struct value values[] = {
		{"65534", 65534},
		{"12x", 12},
		{"root", 0},
		/* sendmail does not start; here the queue may be another machine's. */
		{"nobody-of-this-name", 0},
		{"", 0},
		{"-1", 0},
	};
	struct passwd *nobody = getpwnam("nobody");
	char text[64];

	check_values("O TrustedUser=", values, COUNT(values), trusted_uid);
	cr_expect_eq(policy_of(V "O TrustedUser=5\nO TrustedUser=no-such-user\n").trusted_uid, 0);
	if (nobody) {
		snprintf(text, sizeof(text), V "O TrustedUser=%s\n", nobody->pw_name);
		cr_expect_eq(policy_of(text).trusted_uid, nobody->pw_uid);
	}
}

/* Lines, and the days of return for each class: normal, urgent, non-urgent, dsn. */
struct classes {
	const char *lines;
	int days[4];
};

Test(cf, classes_and_their_order)
{
	static const struct classes cases[] = {
		{"O Timeout.queuereturn=3d\nO Timeout.queuereturn.urgent=1d\n", {3, 1, 3, 3}},
		/* The one for all sets them all again. */
		{"O Timeout.queuereturn.urgent=1d\nO Timeout.queuereturn=3d\n", {3, 3, 3, 3}},
		{"O Timeout.queuereturn.normal=2d\n", {2, 5, 5, 5}},
		{"O Timeout.queuereturn.dsn=2d\nO Timeout.queuereturn.non-urgent=6d\n",
		 {5, 5, 6, 2}},
		{"O Timeout.queuereturn.*=2d\n", {2, 2, 2, 2}},
		{"O Timeout.queuereturn=6d\nO Timeout.queuereturn=2\n", {2, 2, 2, 2}},
		/* Old forms. */
		{"OT3d/2h\n", {3, 3, 3, 3}},
		{"OT3\n", {3, 3, 3, 3}},
		{"OT3d/\n", {3, 3, 3, 3}},
		{"OT/4h\n", {0, 0, 0, 0}},
		{"OT\n", {0, 0, 0, 0}},
		{"O QueueTimeout=3d/2h\n", {3, 3, 3, 3}},
		{"O QueueT=2d/1h\n", {2, 2, 2, 2}},
		{"OT3d\nO Timeout.queuereturn.dsn=1d\n", {3, 3, 3, 1}},
		{"O Timeout.queuereturn.dsn=1d\nOT3d\n", {3, 3, 3, 3}},
		{"O Timeout=queuereturn=3d,queuewarn=2h\n", {3, 3, 3, 3}},
		{"Orqueuereturn=3d, queuewarn=2h\n", {3, 3, 3, 3}},
		{"Or1h,queuereturn:3d\n", {3, 3, 3, 3}},
		{"O Timeout=queuereturn.urgent=3d\n", {5, 3, 5, 5}},
		{"O Timeout=,queuereturn=3d,\n", {3, 3, 3, 3}},
		{"O Timeout=QUEUERETURN=3d\n", {3, 3, 3, 3}},
		{"O Timeout=queuereturn\n", {5, 5, 5, 5}},
		{"O Timeout=4d\n", {5, 5, 5, 5}},
		/* Names. */
		{"O TIMEOUT.QUEUERETURN=3d\n", {3, 3, 3, 3}},
		{"O Timeout.queuereturn.URGENT=3d\n", {5, 3, 5, 5}},
		{"O Timeout.queuereturn  =   3d  \n", {3, 3, 3, 3}},
		{"O Timeo.queuereturn=3d\n", {3, 3, 3, 3}}, /* "used as abbreviation" */
		{"O Timeout.queuereturn\n", {0, 0, 0, 0}},
		/* Not options at all. */
		{"#O Timeout.queuereturn=3d\n", {5, 5, 5, 5}},
		{"# comment\n O Timeout.queuereturn=3d\n", {5, 5, 5, 5}},
		{"Mprog, P=/bin/false, A=false\n O Timeout.queuereturn=3d\n", {5, 5, 5, 5}},
		{" O Timeout.queuereturn=3d\n", {5, 5, 5, 5}},
		{"o Timeout.queuereturn=3d\n", {5, 5, 5, 5}},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[256];
		struct qf_policy policy;

		snprintf(text, sizeof(text), V "%s", cases[i].lines);
		policy = policy_of(text);
		for (int c = 0; c < QF_CLASS_COUNT; c++)
			cr_expect_eq(policy.queue_return[c], cases[i].days[c] * DAY,
				     "%s%s: got %lld, want %d days", cases[i].lines,
				     qf_timeout_class_name((enum qf_timeout_class)c),
				     (long long)policy.queue_return[c], cases[i].days[c]);
	}
}

Test(cf, warnings_of_the_old_form)
{
	struct qf_policy policy = policy_of(V "OT9000w/2\n");

	/* "still undelivered after 2 hours" for normal, urgent and dsn. */
	for (int c = 0; c < QF_CLASS_COUNT; c++)
		cr_expect_eq(policy.queue_warn[c], 2 * HOUR);
	/* Without the second part what was there stays. */
	policy = policy_of(V "O Timeout.queuewarn=4h\nOT5d\n");
	cr_expect_eq(policy.queue_warn[QF_CLASS_NORMAL], 4 * HOUR);
	policy = policy_of(V "O Timeout.queuewarn=4h\nOT5d/now\n");
	cr_expect_eq(policy.queue_warn[QF_CLASS_NORMAL], 0);
	policy = policy_of(V "O Timeout.queuewarn.dsn=3d\n");
	cr_expect_eq(policy.queue_warn[QF_CLASS_NORMAL], 0);
	cr_expect_eq(policy.queue_warn[QF_CLASS_DSN], 3 * DAY);
}

/* What sendmail complains about or refuses; and where this says it is. */
struct refused {
	const char *lines;
	unsigned line, column;
	const char *why;
};

Test(cf, refused_lines)
{
	static const struct refused cases[] = {
		{"O Timeout.queuereturn=5x\n", 2, 24, "Timeout.queuereturn=5x"},
		{"\n\nO MinQueueAge =  3 m\n", 4, 19, "MinQueueAge=3 m"},
		{"O Timeout.queuereturn=6d\nO Timeout.queuereturn=5x\n", 3, 24, "5x"},
		{"OT3d/4x\n", 2, 7, "QueueTimeout=4x"},
		{"OT3d / 2h\n", 2, 7, "QueueTimeout= 2h"},
		{"OT 3d\n", 2, 3, "QueueTimeout= 3d"},
		{"OTimeout.queuereturn=3d\n", 2, 3, "QueueTimeout=imeout"},
		/* A line that goes on: the line end and the blank are part of the value. */
		{"O Timeout.queuereturn=3d\n 4h\n", 2, 25, "3d? 4h"},
		{"O Timeout.queuereturn=\n\t3d\n", 2, 23, "no time"},
		{"O Timeout=mail=1h,\n\tqueuereturn=5x\n", 3, 15, "5x"},
		{"O Timeout=queuereturn:3d=4h\n", 2, 25, "3d=4h"},
		{"O QueueSortOrder=xyz # z\n", 2, 18, "QueueSortOrder=xyz: no such order"},
		/* Names of timeouts. */
		{"O Timeout.queueretur=3d\n", 2, 11, "Timeout.queueretur: no such timeout"},
		{"O Timeout.queuereturn 3d\n", 2, 11, "no such timeout"},
		{"O Timeout.queuereturn. urgent=3d\n", 2, 11, "no such timeout"},
		{"O Timeout.queuereturn.nonurgent=3d\n", 2, 11, "no such timeout"},
		{"O Timeout.queuereturn\n =3d\n", 2, 11, "no such timeout"},
		{"O Timeout= queuereturn = 3d\n", 2, 12, "no such timeout"},
		{"O Timeout=queuereturn=3d:4h\n", 2, 11, "no such timeout"},
		/* Blanks in the wrong place: "unknown option name". */
		{"O  Timeout.queuereturn=3d\n", 2, 4, "Timeout: sendmail does not know it"},
		{"O\tTimeout.queuereturn=3d\n", 2, 3, "Timeout: sendmail does not know it"},
		{"O Timeout .queuereturn=3d\n", 2, 3, "Timeout: sendmail does not know it"},
		{"O QueueSortOrder\t=h\n", 2, 3, "QueueSortOrder: sendmail does not"},
		{"O  QueueDirectory=/var/spool/mqueue\n", 2, 4, "QueueDirectory: sendmail"},
		/* Macros: "can not chdir". */
		{"O QueueDirectory=${base}/q1\n", 2, 18, "macros are not expanded"},
		{"O QueueDirectory=/q\nQg,F=f,P=/q/$x\n", 3, 13, "macros are not expanded"},
		/* Queue groups. */
		{"Qgold, F=f\nO QueueDirectory=/q\n", 2, 1, "before QueueDirectory is set"},
		{"O QueueDirectory=/q\nQ\n", 3, 1, "without a name"},
		{"O QueueDirectory=/q\nQgold, P\n", 3, 9, "= expected"},
		{"O QueueDirectory=/q\nQgold, P=/q/g,\n\tI,F=f\n", 4, 3, "= expected"},
		{"O QueueDirectory=/q\nQgold, P=/q/g,\n", 3, 15, "= expected"},
		{"O QueueDirectory=/q\nQ g, P=/q/g\n", 3, 4, "= expected"},
		{"O QueueDirectory=/q\nQgold, P=\n", 3, 10, "empty path"},
		{"O QueueDirectory=/q\nQgold, I=30x\n", 3, 12, "Interval=30x"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[256];
		struct qf_err err = {0};
		struct qf_cf *cf;

		snprintf(text, sizeof(text), V "%s", cases[i].lines);
		cr_expect_eq(parse(text, &cf, &err), QF_E_CONFIG, "%s", cases[i].lines);
		cr_expect_null(cf);
		cr_expect_eq(err.code, QF_E_CONFIG);
		cr_expect_str_eq(err.what, "test.cf");
		cr_expect(err.line == cases[i].line && err.column == cases[i].column,
			  "%s: got %u:%u, want %u:%u", cases[i].lines, err.line, err.column,
			  cases[i].line, cases[i].column);
		cr_expect_not_null(strstr(err.why, cases[i].why), "%s: %s", cases[i].lines,
				   err.why);
	}
}

Test(cf, never_is_explained)
{
	struct qf_err err = {0};
	struct qf_cf *cf;

	cr_expect_eq(parse(V "O Timeout.queuereturn=never\n", &cf, &err), QF_E_CONFIG);
	cr_expect_not_null(strstr(err.hint, "takes it for 0"), "%s", err.hint);
	cr_expect_eq(parse(V "O Timeout.queuereturn=nevermore\n", &cf, &err), QF_E_CONFIG);
	cr_expect_null(strstr(err.hint, "takes it for 0"), "%s", err.hint);
}

Test(cf, bytes_of_a_value_stay_out_of_the_message)
{
	struct qf_err err = {0};
	struct qf_cf *cf;

	cr_expect_eq(parse(V "O Timeout.queuereturn=\033[2J\377\n", &cf, &err), QF_E_CONFIG);
	for (const char *p = err.why; *p; p++)
		cr_expect(*p >= ' ' && *p <= '~');
}

Test(cf, comments_begin_with_level_3)
{
	struct qf_cf *cf;

	/* "Invalid time unit" without a V line and with V2; taken as 30m with V3 and V10. */
	cr_expect_eq(parse("O MinQueueAge=30 # c\n", &cf, NULL), QF_E_CONFIG);
	cr_expect_eq(parse("V2\nO MinQueueAge=30 # c\n", &cf, NULL), QF_E_CONFIG);
	cr_expect_eq(parse("Vx\nO MinQueueAge=30 # c\n", &cf, NULL), QF_E_CONFIG);
	cr_expect_eq(policy_of("V3\nO MinQueueAge=30 # c\n").min_queue_age, 1800);
	cr_expect_eq(policy_of("V 10 \nO MinQueueAge=30# c\n").min_queue_age, 1800);
	/* It counts from its line on. */
	cr_expect_eq(parse("O MinQueueAge=30 # c\nV10\n", &cf, NULL), QF_E_CONFIG);
	cr_expect_eq(policy_of("O MaxQueueRunSize=2 # c\n").max_queue_run_size, 2);
}

/* Lines and the text of QueueDirectory. */
Test(cf, text_as_sendmail_sees_it)
{
	static const struct {
		const char *lines, *wanted;
	} cases[] = {
		{V "O QueueDirectory=/q\n", "/q"},
		{V "OQ/q\n", "/q"},
		{V "O QueueDirectory=/q/\n", "/q/"},
		{V "O QueueDirectory=/with sp\n", "/with sp"},
		{V "O QueueDirectory=\"/q\"\n", "\"/q\""},
		{V "O QueueDirectory=/a#b\n", "/a"},
		{V "O QueueDirectory=/a\\#b\n", "/a#b"},
		{V "O QueueDirectory=/a\\\\#b\n", "/a\\#b"},
		{V "O QueueDirectory=/q$$1\n", "/q$1"},
		{V "O QueueDirectory=/q$$#1\n", "/q$"},
		{V "O QueueDirectory=/q$\n", "/q$"},
		{V "O QueueDirectory=/q \t # c\n\t# d\n", "/q"},
		{V "O QueueDirectory=/q1\n\t/x\n", "/q1\n\t/x"},
		{V "O QueueDirectory=/q # c\n\tx # d\n", "/q\n\tx"},
		{V "O QueueDirectory=/q\n\t# c\n\tx\n", "/q\n\n\tx"},
		{V "O QueueDirectory=/q\r\n", "/q"},
		{V "O QueueDirectory=/q\r\n\tx\r\n", "/q\n\tx"},
		{V "O QueueDirectory=/q\rx\n", "/q\rx"},
		{V "O QueueDirectory=\t/q\n", "\t/q"},
		{V "OQ /q\n", " /q"},
		{V "O QueueDirectory=\n", "mqueue"},
		{V "O QueueDirectory\n", "mqueue"},
		{V "O QueueDirectory=/q", "/q"},
		{V "O QueueDirectory=/q1\nO QueueDirectory=/q2\n", "/q2"},
		{"O QueueDirectory=/a#b\n", "/a#b"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct qf_cf *cf = parsed(cases[i].lines);

		cr_expect_str_eq(qf_cf_queue_directory(cf, NULL), cases[i].wanted, "%s: got %s",
				 cases[i].lines, qf_cf_queue_directory(cf, NULL));
		qf_cf_free(cf);
	}
}

Test(cf, a_nul_ends_the_line)
{
	static const char text[] = V "O Timeout.queuereturn=3d\0 4x\n\tno\nO MinQueueAge=5\0x\n\0O "
				     "MaxQueueAge=5\nO MaxQueueRunSize=3\n";
	struct qf_cf *cf;

	cr_assert_eq(parse_bytes(text, sizeof(text) - 1, &cf, NULL), QF_OK);
	cr_expect_eq(qf_cf_policy(cf)->queue_return[0], 3 * DAY);
	cr_expect_eq(qf_cf_policy(cf)->min_queue_age, 300);
	cr_expect_eq(qf_cf_policy(cf)->max_queue_age, 0);
	cr_expect_eq(qf_cf_policy(cf)->max_queue_run_size, 3);
	qf_cf_free(cf);
}

Test(cf, abbreviations)
{
	struct qf_cf *cf;

	cr_expect_eq(policy_of(V "O MinQ=30\n").min_queue_age, 1800);
	/* A sub-option where there are none is passed over. */
	cr_expect_eq(policy_of(V "O MinQueueAge.foo=30\n").min_queue_age, 1800);
	/* "ambiguous option name Queue (matches QueueFactor and QueueDirectory)" */
	cf = parsed(V "O Queue=/x\nO T.queuereturn=1d\n");
	cr_expect_null(qf_cf_queue_directory(cf, NULL));
	cr_expect_eq(qf_cf_policy(cf)->queue_return[0], 5 * DAY);
	qf_cf_free(cf);
	cr_expect_eq(policy_of(V "O Queue=0666\n").queue_file_mode, 0600);
	/* A whole name is no abbreviation of a longer one. */
	cf = parsed(V "O SSLEngine=a\n");
	cr_expect_str_eq(qf_cf_option(cf, "SSLEngine", NULL), "a");
	cr_expect_null(qf_cf_option(cf, "SSLEnginePath", NULL));
	qf_cf_free(cf);
}

Test(cf, every_letter)
{
	/* As sendmail -d37.1 names them. */
	static const struct {
		char letter;
		const char *name;
	} letters[] = {
		{'7', "SevenBitInput"},
		{'8', "EightBitMode"},
		{'A', "AliasFile"},
		{'a', "AliasWait"},
		{'B', "BlankSub"},
		{'b', "MinFreeBlocks"},
		{'C', "CheckpointInterval"},
		{'c', "HoldExpensive"},
		{'d', "DeliveryMode"},
		{'E', "ErrorHeader"},
		{'e', "ErrorMode"},
		{'F', "TempFileMode"},
		{'f', "SaveFromLine"},
		{'G', "MatchGECOS"},
		{'H', "HelpFile"},
		{'h', "MaxHopCount"},
		{'I', "ResolverOptions"},
		{'i', "IgnoreDots"},
		{'J', "ForwardPath"},
		{'j', "SendMimeErrors"},
		{'K', "ConnectionCacheTimeout"},
		{'k', "ConnectionCacheSize"},
		{'l', "UseErrorsTo"},
		{'L', "LogLevel"},
		{'m', "MeToo"},
		{'n', "CheckAliases"},
		{'o', "OldStyleHeaders"},
		{'O', "DaemonPortOptions"},
		{'p', "PrivacyOptions"},
		{'P', "PostmasterCopy"},
		{'q', "QueueFactor"},
		{'Q', "QueueDirectory"},
		{'R', "DontPruneRoutes"},
		{'r', "Timeout"},
		{'S', "StatusFile"},
		{'s', "SuperSafe"},
		{'T', "QueueTimeout"},
		{'t', "TimeZoneSpec"},
		{'U', "UserDatabaseSpec"},
		{'u', "DefaultUser"},
		{'V', "FallbackMXhost"},
		{'v', "Verbose"},
		{'w', "TryNullMXList"},
		{'x', "QueueLA"},
		{'X', "RefuseLA"},
		{'y', "RecipientFactor"},
		{'Y', "ForkEachJob"},
		{'z', "ClassFactor"},
		{'Z', "RetryFactor"},
	};

	for (size_t i = 0; i < COUNT(letters); i++) {
		char text[32];
		struct qf_cf *cf;
		const char *value;

		snprintf(text, sizeof(text), "\nO%c1\n", letters[i].letter);
		cf = parsed(text);
		value = qf_cf_option(cf, letters[i].name, NULL);
		cr_expect(value && strcmp(value, "1") == 0, "%c: no %s", letters[i].letter,
			  letters[i].name);
		cr_expect_eq(qf_cf_line(cf, letters[i].name), 2);
		qf_cf_free(cf);
	}
}

/* As sendmail -bp answers a stranger with the same line: 8.17.1.9. */
Test(cf, who_may_look)
{
	static const struct {
		const char *lines;
		bool restricted;
	} cases[] = {
		{"O PrivacyOptions=restrictmailq\n", true},
		{"O PrivacyOptions=goaway\n", false},
		{"O PrivacyOptions=goaway,restrictmailq\n", true},
		{"O PrivacyOptions=restrictmailq\nO PrivacyOptions=authwarnings\n", true},
		{"O PrivacyOptions=restrictmailq,public\n", true},
		{"O PrivacyOptions=authwarnings;restrictmailq\n", true},
		{"O PrivacyOptions=authwarnings|RestrictMailq\n", true},
		{"O PrivacyOptions=authwarnings,\n\trestrictmailq\n", true},
		{"Oprestrictmailq\n", true},
		{"O PrivacyOptions=public\n", false},
		{"O PrivacyOptions=restrictmailqx, restrictmail\n", false},
		{"O PrivacyOptions=\n", false},
	};
	char text[128];

	for (size_t i = 0; i < COUNT(cases); i++) {
		snprintf(text, sizeof(text), V "%s", cases[i].lines);
		cr_expect_eq(policy_of(text).restrict_mailq, cases[i].restricted, "%s",
			     cases[i].lines);
	}
}

Test(cf, options_as_text)
{
	struct qf_cf *cf = parsed(V "O PrivacyOptions=goaway\n"
				    "O privacyoptions = authwarnings,\n"
				    "\trestrictqrun   # comment\n"
				    "Ob100/5000\n"
				    "O Timeout.queuereturn.*=4d\n"
				    "O Timeout.queuereturn.URGENT=1d\n"
				    "OT6d/2h\n"
				    "O Timeout=ident=5s,queuewarn.dsn:never\n"
				    "O SmtpGreetingMessage=$j $?{x}a$|b$. $$1\n"
				    "O HelpFile=\n"
				    "O Milter.macros.connect=j\n");
	unsigned line = 99;

	cr_expect_str_eq(qf_cf_option(cf, "PrivacyOptions", &line),
			 "authwarnings,\n\trestrictqrun");
	cr_expect_eq(line, 3);
	cr_expect_str_eq(qf_cf_option(cf, "PRIVACYOPTIONS", NULL), "authwarnings,\n\trestrictqrun");
	cr_expect_str_eq(qf_cf_option(cf, "MinFreeBlocks", NULL), "100/5000");
	cr_expect_str_eq(qf_cf_option(cf, "MaxMessageSize", &line), "5000");
	cr_expect_eq(line, 5);
	/* The one-letter form names both timeouts. */
	cr_expect_str_eq(qf_cf_option(cf, "Timeout.queuereturn", &line), "6d");
	cr_expect_eq(line, 8);
	cr_expect_str_eq(qf_cf_option(cf, "Timeout.queuereturn.urgent", &line), "1d");
	cr_expect_eq(line, 7);
	cr_expect_str_eq(qf_cf_option(cf, "QueueTimeout", NULL), "6d/2h");
	cr_expect_str_eq(qf_cf_option(cf, "Timeout.queuewarn", NULL), "2h");
	cr_expect_null(qf_cf_option(cf, "Milter", NULL));
	cr_expect_str_eq(qf_cf_option(cf, "Timeout.ident", NULL), "5s");
	cr_expect_str_eq(qf_cf_option(cf, "Timeout.queuewarn.dsn", NULL), "never");
	cr_expect_str_eq(qf_cf_option(cf, "SmtpGreetingMessage", NULL), "$j $?{x}a$|b$. $1");
	cr_expect_str_eq(qf_cf_option(cf, "HelpFile", NULL), "");
	cr_expect_null(qf_cf_option(cf, "SuperSafe", &line));
	cr_expect_eq(line, 0);
	cr_expect_null(qf_cf_option(cf, "Timeout.queuereturn.dsn", NULL));
	cr_expect_null(qf_cf_option(cf, "Timeout.nonsense", NULL));
	cr_expect_null(qf_cf_option(cf, "nonsense", NULL));
	cr_expect_null(qf_cf_option(cf, "", NULL));
	qf_cf_free(cf);
}

Test(cf, line_that_set_a_value)
{
	struct qf_cf *cf = parsed(V "O Timeout.queuereturn.urgent=1d\n"
				    "O Timeout.queuereturn=3d\n"
				    "O Timeout.queuereturn.dsn=2d\n"
				    "O Timeout.queuewarn.normal=4h\n"
				    "OT5d\n"
				    "O Timeout.queuereturn.normal=3d\n");

	cr_expect_eq(qf_cf_line(cf, "Timeout.queuereturn.urgent"), 6);
	cr_expect_eq(qf_cf_line(cf, "Timeout.queuereturn.dsn"), 6);
	cr_expect_eq(qf_cf_line(cf, "Timeout.queuereturn.normal"), 7);
	cr_expect_eq(qf_cf_line(cf, "Timeout.queuereturn"), 7);
	cr_expect_eq(qf_cf_line(cf, "Timeout.queuewarn.normal"), 5);
	cr_expect_eq(qf_cf_line(cf, "Timeout.queuewarn.urgent"), 0);
	cr_expect_eq(qf_cf_line(cf, "MinQueueAge"), 0);
	cr_expect_eq(qf_cf_line(cf, "nonsense"), 0);
	qf_cf_free(cf);
}

/* One line a group: "name path flags interval recipients line". */
static void
check_groups(const char *text, const char *wanted)
{
	struct qf_cf *cf = parsed(text);
	const struct qf_group *groups;
	struct qf_buf got = {0};
	size_t n;

	groups = qf_cf_groups(cf, &n);
	for (size_t i = 0; i < n; i++)
		qf_buf_addf(&got, "%s %s %s %lld %ld %u\n", groups[i].name, groups[i].path,
			    groups[i].flags, (long long)groups[i].interval,
			    groups[i].max_recipients, groups[i].line);
	qf_buf_addc(&got, '\0');
	cr_expect_str_eq(got.p, wanted, "%s: got\n%s", text, got.p);
	qf_buf_release(&got);
	qf_cf_free(cf);
}

Test(cf, queue_groups)
{
	/* mailq listed the directories of the groups in this order. */
	check_groups("", "mqueue /var/spool/mqueue  0 0 0\n");
	check_groups(V "O QueueDirectory=/q/q*\nQgold, P=/q/gold*, F=f, I=15m, R=2, r=20\n",
		     "mqueue /q/q*  0 0 2\ngold /q/gold* f 900 20 3\n");
	/* The default one is first wherever it is set. */
	check_groups(V "Qgold, P=/q/gold*\nO QueueDirectory=/q/q*\n",
		     "mqueue /q/q*  0 0 3\ngold /q/gold*  0 0 2\n");
	/* Without a path: QueueDirectory as it is then. */
	check_groups(V "OQ/q/1\nQgold\nOQ/q/2\n", "mqueue /q/2  0 0 4\ngold /q/1  0 0 3\n");
	/* A name again, in any case, takes the other's place; that of the default one too. */
	check_groups(V "OQ/q/q*\nQgold, P=/q/gold1, r=5\nQother,P=/q/sub\nQGold, P=/q/x\n",
		     "mqueue /q/q*  0 0 2\nGold /q/x  0 0 5\nother /q/sub  0 0 4\n");
	check_groups(V "OQ/q/q*\nQMQueue, P=/q/gold1\nQother,P=/q/sub\n",
		     "MQueue /q/gold1  0 0 3\nother /q/sub  0 0 4\n");
	check_groups(V "Qmqueue, P=/q/gold1\nOQ/q/q*\n", "mqueue /q/gold1  0 0 2\n");
	/* Only the first letter of a field counts: Recipients is R, the number of runners. */
	check_groups(V "OQ/q\nQg Path=/q/g, Flags=f x, Interval=15, Recipients=3, recipients=5x\n",
		     "mqueue /q  0 0 2\ng /q/g fx 900 5 3\n");
	/* Quotes and backslashes. */
	check_groups(V "OQ/q\nQa,P=\"/q/a,b c\"\nQb,P=/q/go\"ld\"1\nQc,P=/q/with\\ s\\tp\n"
		       "Qd,P=/q/x\\\nQe,P=\"/q/e, F=f\n",
		     "mqueue /q  0 0 2\na /q/a,b c  0 0 3\nb /q/gold1  0 0 4\n"
		     "c /q/with stp  0 0 5\nd /q/x  0 0 6\ne /q/e, F=f  0 0 7\n");
	/* Blanks before a comma are part of the value; a comment is not. */
	check_groups(V "OQ/q\nQg P= /q/g , F=f\nQh,P=/q/h # x\n",
		     "mqueue /q  0 0 2\ng /q/g  f 0 0 3\nh /q/h  0 0 4\n");
	/* Of fields of other versions no notice is taken. */
	check_groups(V "OQ/q\nQg,P=/q/g,X=1,S=h,I=-5,r=-1\nQ,P=/q/e\n",
		     "mqueue /q  0 0 2\ng /q/g  0 0 3\n /q/e  0 0 4\n");
}

Test(cf, fifty_groups_and_no_more)
{
	/* "too many queue groups defined (50 max)" with the 50th beside mqueue. */
	struct qf_buf text = {0};
	struct qf_cf *cf;
	size_t n;

	qf_buf_adds(&text, V "OQ/q\n");
	for (int i = 1; i <= 49; i++)
		qf_buf_addf(&text, "Qg%d\n", i);
	cr_assert_eq(parse_bytes(text.p, text.n, &cf, NULL), QF_OK);
	qf_cf_groups(cf, &n);
	cr_expect_eq(n, 50);
	qf_cf_free(cf);
	qf_buf_adds(&text, "Qg49, F=f\n");
	cr_expect_eq(parse_bytes(text.p, text.n, &cf, NULL), QF_OK);
	qf_cf_free(cf);
	qf_buf_adds(&text, "Qg50\n");
	cr_expect_eq(parse_bytes(text.p, text.n, &cf, NULL), QF_E_CONFIG);
	qf_buf_release(&text);
}

Test(cf, class_names)
{
	cr_expect_str_eq(qf_timeout_class_name(QF_CLASS_NORMAL), "normal");
	cr_expect_str_eq(qf_timeout_class_name(QF_CLASS_URGENT), "urgent");
	cr_expect_str_eq(qf_timeout_class_name(QF_CLASS_NONURGENT), "non-urgent");
	cr_expect_str_eq(qf_timeout_class_name(QF_CLASS_DSN), "dsn");
}

/* ---------------------------------------------------------------- files */

#define FIXTURES "test-fixtures/cf/"

static struct qf_cf *
read_file(const char *path)
{
	struct qf_cf *cf = NULL;
	struct qf_err err = {0};

	cr_assert_eq(qf_cf_read(path, &cf, &err), QF_OK, "%s:%u:%u: %s", err.what, err.line,
		     err.column, err.why);
	cr_expect_str_eq(qf_cf_name(cf), path);
	return cf;
}

Test(cf, file_with_long_names)
{
	struct qf_cf *cf = read_file(FIXTURES "long.cf");
	struct qf_policy policy = *qf_cf_policy(cf);
	unsigned line;

	cr_expect_eq(policy.min_queue_age, 1800);
	cr_expect_eq(policy.max_queue_age, 4 * HOUR);
	cr_expect_eq(policy.queue_return[QF_CLASS_NORMAL], 4 * DAY);
	cr_expect_eq(policy.queue_return[QF_CLASS_URGENT], 36 * HOUR);
	cr_expect_eq(policy.queue_return[QF_CLASS_NONURGENT], 4 * DAY);
	cr_expect_eq(policy.queue_return[QF_CLASS_DSN], 2 * DAY);
	cr_expect_eq(policy.queue_warn[QF_CLASS_NORMAL], 4 * HOUR);
	cr_expect_eq(policy.queue_warn[QF_CLASS_NONURGENT], DAY);
	cr_expect_eq(policy.queue_file_mode, 0640);
	cr_expect_eq(policy.super_safe, QF_SAFE_POSTMILTER);
	cr_expect_eq(policy.sort_order, QF_ORDER_HOST);
	cr_expect_eq(policy.max_queue_run_size, 5000);
	cr_expect_str_eq(qf_cf_option(cf, "LogLevel", &line), "9");
	cr_expect_eq(line, 10);
	cr_expect_str_eq(qf_cf_queue_directory(cf, &line), "/var/spool/mqueue");
	cr_expect_eq(line, 11);
	qf_cf_free(cf);
}

Test(cf, file_of_letters)
{
	struct qf_cf *cf = read_file(FIXTURES "letters.cf");
	struct qf_policy policy = *qf_cf_policy(cf);

	cr_expect_str_eq(qf_cf_queue_directory(cf, NULL), "/usr/spool/mqueue");
	cr_expect_eq(policy.queue_return[QF_CLASS_NORMAL], 3 * DAY);
	cr_expect_eq(policy.queue_return[QF_CLASS_URGENT], 36 * HOUR);
	cr_expect_eq(policy.queue_warn[QF_CLASS_DSN], 2 * HOUR);
	cr_expect_eq(policy.super_safe, QF_SAFE_FALSE);
	cr_expect_str_eq(qf_cf_option(cf, "MaxMessageSize", NULL), "1000000");
	cr_expect_str_eq(qf_cf_option(cf, "PrivacyOptions", NULL), "authwarnings");
	qf_cf_free(cf);
}

Test(cf, file_with_groups)
{
	struct qf_cf *cf = read_file(FIXTURES "groups.cf");
	const struct qf_group *groups;
	size_t n;

	groups = qf_cf_groups(cf, &n);
	cr_assert_eq(n, 4);
	cr_expect_str_eq(groups[0].path, "/srv/spool/mqueue/def*");
	cr_expect_str_eq(groups[1].name, "bulk");
	cr_expect_eq(groups[1].max_recipients, 5);
	cr_expect_str_eq(groups[2].path, "/srv/spool/mqueue/gold*");
	cr_expect_str_eq(groups[2].flags, "f");
	cr_expect_eq(groups[2].interval, 900);
	cr_expect_str_eq(groups[3].path, groups[0].path);
	qf_cf_free(cf);
}

Test(cf, file_with_lines_of_no_concern)
{
	struct qf_cf *cf = read_file(FIXTURES "junk.cf");

	cr_expect_eq(qf_cf_policy(cf)->min_queue_age, 300);
	cr_expect_str_eq(qf_cf_queue_directory(cf, NULL), "/var/spool/mqueue");
	cr_expect_str_eq(qf_cf_option(cf, "QueueFactor", NULL), "$?x1$|2$.");
	cr_expect_null(qf_cf_option(cf, "LogLevel", NULL));
	qf_cf_free(cf);
}

Test(cf, file_refused)
{
	struct qf_cf *cf = NULL;
	struct qf_err err = {0};

	cr_expect_eq(qf_cf_read(FIXTURES "refused.cf", &cf, &err), QF_E_CONFIG);
	cr_expect_str_eq(err.what, FIXTURES "refused.cf");
	cr_expect_eq(err.line, 5);
	cr_expect_eq(err.column, 28);
	cr_expect(err.hint[0]);
}

Test(cf, what_is_no_file)
{
	char fifo[] = "/tmp/qf-cf-XXXXXX";
	struct qf_cf *cf = NULL;
	struct qf_err err = {0};

	cr_expect_eq(qf_cf_read("/nonexistent/sendmail.cf", &cf, &err), QF_E_NOT_FOUND);
	cr_expect_str_eq(err.what, "/nonexistent/sendmail.cf");
	/* "not a plain file" */
	cr_expect_eq(qf_cf_read("/", &cf, &err), QF_E_CONFIG);
	cr_expect_eq(qf_cf_read("/dev/zero", &cf, &err), QF_E_CONFIG);
	cr_assert_not_null(mkdtemp(fifo));
	cr_assert_eq(rmdir(fifo), 0);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	cr_expect_eq(qf_cf_read(fifo, &cf, &err), QF_E_CONFIG);
	unlink(fifo);
	cr_expect_null(cf);
}

Test(cf, file_without_permission)
{
	char path[] = "/tmp/qf-cf-XXXXXX";
	struct qf_cf *cf = NULL;
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	close(fd);
	cr_assert_eq(chmod(path, 0), 0);
	if (geteuid() == 0)
		cr_assert_eq(seteuid(65534), 0); /* root may read all */
	cr_expect_eq(qf_cf_read(path, &cf, NULL), QF_E_DENIED);
	if (getuid() == 0)
		cr_assert_eq(seteuid(0), 0);
	unlink(path);
}

Test(cf, an_empty_file_is_one)
{
	char path[] = "/tmp/qf-cf-XXXXXX";
	int fd = mkstemp(path);

	cr_assert(fd >= 0);
	close(fd);
	qf_cf_free(read_file(path));
	unlink(path);
	qf_cf_free(NULL);
}

/* ---------------------------------------------------------------- hostile input */

Test(cf, larger_than_the_limit)
{
	char *text = malloc(QF_CF_MAX + 1);
	struct qf_cf *cf;

	cr_assert_not_null(text);
	memset(text, '\n', QF_CF_MAX + 1);
	cr_expect_eq(parse_bytes(text, QF_CF_MAX + 1, &cf, NULL), QF_E_CONFIG);
	/* One line of all of it. */
	memset(text, 'x', QF_CF_MAX);
	memcpy(text, "O LogLevel=", 11);
	cr_expect_eq(parse_bytes(text, QF_CF_MAX, &cf, NULL), QF_OK);
	cr_expect_eq(strlen(qf_cf_option(cf, "LogLevel", NULL)), QF_CF_MAX - 11);
	qf_cf_free(cf);
	memset(text + 1, '9', QF_CF_MAX - 1);
	text[1] = 'T';
	cr_expect_eq(parse_bytes(text, QF_CF_MAX, &cf, NULL), QF_E_CONFIG);
	memset(text, 'Q', QF_CF_MAX);
	cr_expect_eq(parse_bytes(text, QF_CF_MAX, &cf, NULL), QF_E_CONFIG);
	/* As many fields, or lines, as there is room for. */
	for (size_t i = 2; i + 3 <= QF_CF_MAX; i += 3)
		memcpy(text + i, "F=,", 3);
	cr_expect_eq(parse_bytes(text, QF_CF_MAX, &cf, NULL), QF_E_CONFIG);
	for (size_t i = 0; i + 4 <= QF_CF_MAX; i += 4)
		memcpy(text + i, "OQ/\n", 4);
	cr_expect_eq(parse_bytes(text, QF_CF_MAX, &cf, NULL), QF_OK);
	qf_cf_free(cf);
	for (size_t i = 0; i + 4 <= QF_CF_MAX; i += 4)
		memcpy(text + i, "\n\tO ", 4);
	cr_expect_eq(parse_bytes(text, QF_CF_MAX, &cf, NULL), QF_OK);
	qf_cf_free(cf);
	free(text);
}

Test(cf, every_beginning_and_every_byte)
{
	static const char text[] = V
		"O QueueDirectory=/q/*\nOT3d/4h # c\\#\nO Timeout=ident=0,queuereturn:2d\n\t,x=1\n"
		"Qg, P=\"/q/g\\\"\", I=15m, r=5\r\nO  MinQ = 5\nO SuperSafe=$?{x}$|a$.$$\n"
		"O TrustedUser=0\nO QueueSortOrder=time\nO QueueFileMode=0600\nO T";
	static const char bytes[] = {'\0', '\n', '\r', ' ', '\t', '#', '$', '\\', '"',	     '=',
				     '.',  ',',	 '*',  'O', 'Q',  '{', '-', '9',  (char)0xff};
	struct qf_cf *cf;

	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n ? n : 1); /* so that a byte beyond is noticed */

		memcpy(copy, text, n);
		parse_bytes(copy, n, &cf, NULL);
		qf_cf_free(cf);
		for (size_t k = 0; n > 0 && k < sizeof(bytes); k++) {
			copy[n - 1] = bytes[k];
			parse_bytes(copy, n, &cf, NULL);
			qf_cf_free(cf);
		}
		free(copy);
	}
}

Test(cf, random_lines)
{
	static const char *const pieces[] = {
		"O ",	"OT", "Or",	     "OQ",	"Q",	"V",  "Timeout", ".queuereturn",
		"=",	" ",  "\t",	     "\n",	"\n ",	"4d", "12",	 ",",
		"P=/q", "g",  "$x",	     "$$",	"#",	"\\", "\"",	 "now",
		"*",	"10", "MinQueueAge", ".urgent", "\r\n", "/"};
	struct qf_buf text = {0};

	srand(1);
	for (int i = 0; i < 20000; i++) {
		struct qf_cf *cf;

		qf_buf_clear(&text);
		for (int k = rand() % 24; k >= 0; k--)
			qf_buf_adds(&text, pieces[(size_t)rand() % COUNT(pieces)]);
		parse_bytes(text.p, text.n, &cf, NULL);
		qf_cf_free(cf);
	}
	qf_buf_release(&text);
}
