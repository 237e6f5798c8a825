#include <criterion/criterion.h>
#include <string.h>

#include "qf.h"

#define T 1000000
#define HOUR 3600
#define DAY 86400

static struct qf_policy
platform(void)
{
	struct qf_policy policy = {.min_queue_age = 300, .queue_file_mode = 0600};

	for (int i = 0; i < QF_CLASS_COUNT; i++) {
		policy.queue_return[i] = (4 + i) * DAY;
		policy.queue_warn[i] = (4 + i) * HOUR;
	}
	return policy;
}

static struct qf_outlook
look_as(const char *text, enum qf_kind kind, const struct qf_policy *policy, int64_t now)
{
	struct qf_parse_options options = {.kind = kind};
	struct qf_msg *msg = NULL;
	struct qf_outlook outlook;

	cr_assert_eq(qf_msg_parse((struct qf_slice){text, strlen(text)}, &options, &msg, NULL),
		     QF_OK);
	qf_outlook_of(msg, policy, now, &outlook);
	qf_msg_free(msg);
	return outlook;
}

static struct qf_outlook
look(const char *text, int64_t now)
{
	struct qf_policy policy = platform();

	return look_as(text, QF_KIND_QUEUED, &policy, now);
}

#define REST "S<a@b>\nRPFD:<x@y>\n.\n"

Test(outlook, when_it_is_tried_next)
{
	static const struct {
		const char *name, *text;
		enum qf_kind kind;
		int64_t now, due;
		bool young;
	} cases[] = {
		{"never tried", "V8\nT1000000\nK0\nN0\nP1\n" REST, QF_KIND_QUEUED, T + 9, T, false},
		{"just tried", "V8\nT1000000\nK1000100\nN1\nP1\n" REST, QF_KIND_QUEUED, T + 101,
		 T + 400, true},
		{"old enough at the second", "V8\nT1000000\nK1000100\nN1\nP1\n" REST,
		 QF_KIND_QUEUED, T + 400, T + 400, false},
		{"tried in the future, by another host's clock",
		 "V8\nT1000000\nK1000500\nN1\nP1\n" REST, QF_KIND_QUEUED, T + 400, T, false},
		{"held", "V8\nT1000000\nK0\nN0\nP1\nqno\n" REST, QF_KIND_HELD, T, QF_TIME_NONE,
		 false},
		{"lost", "V8\nT1000000\nK0\nN0\nP1\n" REST, QF_KIND_LOST, T, QF_TIME_NONE, false},
		{"incomplete", "V8\nT1000000\nK0\nN0\nP1\nS<a@b>\n", QF_KIND_QUEUED, T,
		 QF_TIME_NONE, false},
		{"about to be held", "V8\nT1000000\nK0\nN0\nP1\nqno\n" REST, QF_KIND_QUEUED, T,
		 QF_TIME_NONE, false},
		{"about to be lost", "V8\nT1000000\nK0\nN0\nP1\nXx\n" REST, QF_KIND_QUEUED, T,
		 QF_TIME_NONE, false},
	};
	struct qf_policy policy = platform();

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct qf_outlook o =
			look_as(cases[i].text, cases[i].kind, &policy, cases[i].now);

		cr_assert_eq(o.due, cases[i].due, "%s: due %lld", cases[i].name,
			     (long long)o.due);
		cr_assert_eq(o.young, cases[i].young, "%s: young", cases[i].name);
	}
}

Test(outlook, the_wait_doubles_up_to_max_queue_age)
{
	struct qf_policy policy = platform();

	policy.max_queue_age = HOUR;
	cr_assert_eq(look_as("V8\nT1000000\nK1001000\nN2\nP1\n" REST, QF_KIND_QUEUED, &policy,
			     T + 1001).due, T + 2000);
	cr_assert_eq(look_as("V8\nT1000000\nK1009000\nN2\nP1\n" REST, QF_KIND_QUEUED, &policy,
			     T + 9001).due, T + 9000 + HOUR);
	/* MinQueueAge still holds when the file is read (reference, 5.1). */
	cr_assert_eq(look_as("V8\nT1000000\nK1000010\nN1\nP1\n" REST, QF_KIND_QUEUED, &policy,
			     T + 11).due, T + 310);
}

Test(outlook, times_beyond_all_bounds_saturate)
{
	struct qf_policy policy = platform();
	struct qf_outlook o;

	policy.max_queue_age = HOUR;
	o = look_as("V8\nT9223372036854775807\nK-9223372036854775807\nN1\nP1\n" REST, QF_KIND_QUEUED,
		    &policy, T);
	cr_assert_eq(o.due, -INT64_MAX + 300);
	cr_assert_eq(o.bounce_at, INT64_MAX);
	o = look_as("V8\nT-9223372036854775807\nK0\nN0\nP1\n!\x02 -5\n" REST, QF_KIND_QUEUED,
		    &policy, T);
	cr_assert_eq(o.bounce_at, -INT64_MAX);
}

Test(outlook, classes)
{
	static const struct {
		const char *header, *flags;
		enum qf_timeout_class class;
	} cases[] = {
		{"", "", QF_CLASS_NORMAL},
		{"H??Precedence: bulk\n", "", QF_CLASS_NONURGENT},
		{"H??Precedence: special-delivery\n", "", QF_CLASS_URGENT},
		{"H??Priority: urgent\n", "", QF_CLASS_URGENT},
		{"H??Priority: Non-Urgent\n", "", QF_CLASS_NONURGENT},
		{"H??Precedence: bulk\nH??Priority: normal\n", "", QF_CLASS_NORMAL},
		{"H??Content-Type: multipart/report; report-type=delivery-status;\n\tx=y\n", "",
		 QF_CLASS_DSN},
		{"H??Content-Type: multipart/report; report-type=disposition-notification\n", "",
		 QF_CLASS_NORMAL},
		{"", "Fr\n", QF_CLASS_DSN},
		{"H??Priority: urgent\n", "Fr\n", QF_CLASS_URGENT},
		{"H??Priority: high\n", "Fr\n", QF_CLASS_DSN},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512];
		struct qf_outlook o;

		snprintf(text, sizeof(text), "V8\nT1000000\nK0\nN0\nP1\n%sS<a@b>\nRPFD:<x@y>\n%s.\n",
			 cases[i].flags, cases[i].header);
		o = look(text, T);
		cr_assert_eq(o.timeout_class, cases[i].class, "case %zu: %s", i,
			     qf_timeout_class_name(o.timeout_class));
		cr_assert_eq(o.bounce_at, T + (4 + (int)cases[i].class) * DAY, "case %zu", i);
	}
}

Test(outlook, warnings)
{
	static const struct {
		const char *name, *text;
		int64_t warn_at;
	} cases[] = {
		{"plain", "V8\nT1000000\nP1\nS<a@b>\nRPFD:<x@y>\n.\n", T + 4 * HOUR},
		{"warned", "V8\nT1000000\nP1\nFw\nS<a@b>\nRPFD:<x@y>\n.\n", QF_TIME_NONE},
		{"report", "V8\nT1000000\nP1\nFr\nS<a@b>\nRPFD:<x@y>\n.\n", QF_TIME_NONE},
		{"nobody wants it", "V8\nT1000000\nP1\nS<a@b>\nRPNF:<x@y>\n.\n", QF_TIME_NONE},
		{"null sender", "V8\nT1000000\nP1\nS<>\nRPFD:<x@y>\n.\n", QF_TIME_NONE},
		{"list owner", "V8\nT1000000\nP1\nS<owner-l@b>\nRPFD:<x@y>\n.\n", QF_TIME_NONE},
		{"list request", "V8\nT1000000\nP1\nSl-request@b\nRPFD:<x@y>\n.\n", QF_TIME_NONE},
		{"bulk", "V8\nT1000000\nP1\nS<a@b>\nRPFD:<x@y>\nH??Precedence: bulk\n.\n",
		 QF_TIME_NONE},
		{"deliver by, notify", "V8\nT1000000\nP1\nS<a@b>\n!\x01 60\nRPFD:<x@y>\n.\n",
		 T + 60},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_eq(look(cases[i].text, T).warn_at, cases[i].warn_at, "%s",
			     cases[i].name);
}

Test(outlook, returns)
{
	struct qf_policy policy = platform();
	const char *plain = "V8\nT1000000\nP1\nS<a@b>\nRPFD:<x@y>\n.\n";

	cr_assert_not(look(plain, T + 4 * DAY - 1).expired);
	cr_assert(look(plain, T + 4 * DAY).expired);
	cr_assert_eq(look("V8\nT1000000\nP1\nS<a@b>\n!\x02 60\nRPFD:<x@y>\n.\n", T).bounce_at,
		     T + 60);
	cr_assert_eq(look("V8\nP1\nS<a@b>\nRPFD:<x@y>\n.\n", T).bounce_at, QF_TIME_NONE);
	policy.queue_return[QF_CLASS_NORMAL] = QF_SPAN_NEVER;
	cr_assert_eq(look_as(plain, QF_KIND_QUEUED, &policy, T).bounce_at, QF_TIME_NONE);
	policy.queue_return[QF_CLASS_NORMAL] = QF_SPAN_NOW;
	cr_assert(look_as(plain, QF_KIND_QUEUED, &policy, T).expired);
	policy.queue_warn[QF_CLASS_NORMAL] = 0;
	cr_assert_eq(look_as(plain, QF_KIND_QUEUED, &policy, T).warn_at, QF_TIME_NONE);
}

Test(outlook, no_sum_overflows)
{
	struct qf_outlook o = look("V8\nT9223372036854775807\nK9223372036854775800\nN1\nP1\n" REST,
				   INT64_MAX);

	cr_assert_eq(o.bounce_at, INT64_MAX);
	cr_assert_eq(o.due, INT64_MAX);
}
