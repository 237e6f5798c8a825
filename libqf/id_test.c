#include <criterion/criterion.h>
#include <limits.h>
#include <string.h>
#include <time.h>

#include "id.h"
#include "when.h"

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){.p = text, .n = strlen(text)};
}

struct id_case {
	const char *id;
	int64_t near;
	struct qf_id is;
};

#define NOW 1795332063 /* 2026-11-22T07:21:03Z */
#define V812(t, p, s)                                                                              \
	{                                                                                          \
		.form = QF_ID_V812, .time = (t), .hour = -1, .pid = (p), .sequence = (s)           \
	}
#define V810(t, p, s)                                                                              \
	{                                                                                          \
		.form = QF_ID_V810, .time = (t), .hour = -1, .pid = (p), .sequence = (s)           \
	}
#define V86(h, p, s)                                                                               \
	{                                                                                          \
		.form = QF_ID_V86, .time = QF_TIME_NONE, .hour = (h), .pid = (p), .sequence = (s)  \
	}

static const struct id_case good_ids[] = {
	/* 8.12 on */
	{"6AM77wPF020610", NOW, V812(1795331278, 20610, 25 * 60 + 15)},
	{"6AM77w00000001", NOW, V812(1795331278, 1, 0)},
	{"6AM77wxx020610", NOW, V812(1795331278, 20610, 3599)},
	{"6AM77wPF4194304", NOW, V812(1795331278, 4194304, 1515)},
	{"6AM77wPF2147483647", NOW, V812(1795331278, 2147483647, 1515)},
	{"60100000000042", NOW, V812(1767225600, 42, 0)},
	{"5BVNxx00000042", NOW, V812(1767225599, 42, 0)},
	/* seconds 60 and 61 */
	{"5BVNxy00000042", NOW, V812(1767225600, 42, 0)},
	{"5BVNxz00000042", NOW, V812(1767225601, 42, 0)},
	/* the year is the one nearest to the T line */
	{"e1T00000000042", NOW, V812(951782400, 42, 0)},
	{"e1T00000000042", 951782400, V812(951782400, 42, 0)},
	{"e1T00000000042", 2800000000, V812(2845238400, 42, 0)},
	{"6AM77wPF020610", 3700000000, V812(3688787278, 20610, 1515)},
	{"6AM77wPF020610", 951782400, V812(1795331278, 20610, 1515)},
	/* a T line from before there were such ids, or from beyond all calendars */
	{"6AM77wPF020610", 0, V812(1795331278, 20610, 1515)},
	{"6AM77wPF020610", INT64_MIN + 1, V812(1795331278, 20610, 1515)},
	{"d0100000000042", 0, V812(915148800, 42, 0)},
	/* 8.10, 8.11 */
	{"e9TFF8A12345", NOW, V810(972832508, 12345, 10)},
	{"e9TFF8A123456", NOW, V810(972832508, 123456, 10)},
	{"e9TFF8A00007", NOW, V810(972832508, 7, 10)},
	/* 8.6 to 8.9 */
	{"HAA12345", NOW, V86(7, 12345, 0)},
	{"AAB00042", NOW, V86(0, 42, 1)},
	{"X~Z99999", NOW, V86(23, 99999, 61 * 26 + 25)},
};

Test(id, decodes_the_three_forms)
{
	for (size_t i = 0; i < sizeof(good_ids) / sizeof(good_ids[0]); i++) {
		const struct id_case *c = &good_ids[i];
		struct qf_id id;

		cr_expect(qf_id_decode(slice(c->id), c->near, &id), "%s", c->id);
		cr_expect_eq(id.form, c->is.form, "%s: form %d", c->id, (int)id.form);
		cr_expect_eq(id.time, c->is.time, "%s: time %lld", c->id, (long long)id.time);
		cr_expect_eq(id.hour, c->is.hour, "%s: hour %d", c->id, id.hour);
		cr_expect_eq(id.pid, c->is.pid, "%s: pid %ld", c->id, id.pid);
		cr_expect_eq(id.sequence, c->is.sequence, "%s: sequence %d", c->id, id.sequence);
	}
}

static void
expect_opaque(struct qf_slice text)
{
	struct qf_id id;

	memset(&id, 1, sizeof(id));
	cr_expect_not(qf_id_decode(text, NOW, &id), "%.*s", (int)text.n, text.p);
	cr_expect_eq(id.form, QF_ID_OPAQUE);
	cr_expect_eq(id.time, QF_TIME_NONE);
	cr_expect_eq(id.hour, -1);
	cr_expect_eq(id.pid, -1);
	cr_expect_eq(id.sequence, -1);
}

Test(id, other_names_are_opaque)
{
	static const char *const opaque[] = {
		"",
		"hello.bak",
		"6AM77wPF020610.bak",
		"6AM77wPF020610~",
		"6AM77wPF02061",   /* pid of one digit too few */
		"6AM77wPF0020610", /* a leading zero that no pid needs */
		"6AM77wPF2147483648",
		"6AM77wPF99999999999999999999",
		"6CM77wPF020610", /* month 13 */
		"6A077wPF020610", /* day 0 */
		"6AW77wPF020610", /* day 32 */
		"6AV77wPF020610", /* 31 November */
		"61T77wPF020610", /* 29 February 2026 */
		"6AMO7wPF020610", /* hour 24 */
		"6AM7ywPF020610", /* minute 60 */
		"yAM77wPF020610", /* year 60 */
		"6AM77wyF020610", /* sequence */
		"6AM77wPy020610",
		"6AM77w/F020610", /* as before 8.14.4 */
		"6AM77wP\200020610",
		"HARDLINK00000001",
		"YAA12345", /* hour 24 */
		"H@A12345",
		"HAa12345",
		"HAA1234",
		"HAA1234x",
		"12345678",
	};

	for (size_t i = 0; i < sizeof(opaque) / sizeof(opaque[0]); i++)
		expect_opaque(slice(opaque[i]));
	expect_opaque((struct qf_slice){.p = NULL, .n = 0});
	expect_opaque((struct qf_slice){.p = "6AM77wPF02061\0", .n = 14});
	expect_opaque((struct qf_slice){.p = "6AM77wPF020610", .n = 11});
}

Test(id, without_a_near_time_takes_the_clock)
{
	static const char alphabet[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	time_t now = time(NULL);
	char text[] = "00100000000042";
	struct tm tm;
	struct qf_id id;

	cr_assert(gmtime_r(&now, &tm));
	text[0] = alphabet[tm.tm_year % 60];
	text[1] = alphabet[tm.tm_mon];
	text[2] = alphabet[tm.tm_mday];
	cr_assert(qf_id_decode(slice(text), QF_TIME_NONE, &id));
	cr_expect_eq(id.time, (int64_t)now - (int64_t)now % 86400);
}

/* Every second of an id comes back, whatever the year, when the T line is near. */
Test(id, time_comes_back_for_all_years)
{
	static const char alphabet[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

	for (int64_t t = 631152000; t < 16725225600; t += 1234567) { /* 1990 to 2500 */
		time_t when = (time_t)t;
		char text[] = "........00000042";
		struct tm tm;
		struct qf_id id;

		cr_assert(gmtime_r(&when, &tm));
		text[0] = alphabet[tm.tm_year % 60];
		text[1] = alphabet[tm.tm_mon];
		text[2] = alphabet[tm.tm_mday];
		text[3] = alphabet[tm.tm_hour];
		text[4] = alphabet[tm.tm_min];
		text[5] = alphabet[tm.tm_sec];
		text[6] = text[7] = '0';
		text[14] = '\0';
		cr_assert(qf_id_decode(slice(text), t + 86400 * 365, &id));
		cr_assert_eq(id.time, t, "%s", text);
	}
}

/* Any bytes and any near time: an answer, and never one outside what the form allows. */
Test(id, takes_any_bytes)
{
	static const char likely[] = "0123456789ABNOVWXYZaxyz~./\0\xff";
	uint64_t state = 88172645463325252u;

	for (int i = 0; i < 200000; i++) {
		char text[24];
		struct qf_id id;
		size_t n;

		state = state * 6364136223846793005u + 1442695040888963407u;
		n = (size_t)(state >> 33) % sizeof(text);
		for (size_t k = 0; k < n; k++) {
			state = state * 6364136223846793005u + 1442695040888963407u;
			text[k] = likely[(state >> 33) % (k < 8 ? sizeof(likely) - 1 : 10)];
		}
		if (!qf_id_decode((struct qf_slice){.p = text, .n = n}, (int64_t)state, &id))
			continue;
		cr_assert(id.pid >= 0 && id.pid <= INT32_MAX);
		cr_assert(id.sequence >= 0 && id.sequence < 3600);
		cr_assert_eq(id.time == QF_TIME_NONE, id.form == QF_ID_V86);
		cr_assert_eq(id.hour == -1, id.form != QF_ID_V86);
	}
}

/* What is made is read again as what it was made of; and an id that sendmail made. */
Test(id, made_ids_are_sendmails)
{
	char text[QF_NAME_MAX];
	struct qf_id id;

	cr_assert_eq(qf_id_make(1795331278, 20610, 25 * 60 + 15, text, sizeof(text)), 14);
	cr_assert_str_eq(text, "6AM77wPF020610");
	for (unsigned i = 0; i < QF_ID_SEQUENCES; i += 119) {
		int64_t when = 1700000000 + (int64_t)i * 86413;
		size_t n = qf_id_make(when, 4000000 + (long)i, i, text, sizeof(text));

		cr_assert_eq(n, 15);
		cr_assert(qf_id_decode((struct qf_slice){text, n}, when, &id));
		cr_assert_eq(id.form, QF_ID_V812);
		cr_assert_eq(id.time, when);
		cr_assert_eq(id.pid, 4000000 + (long)i);
		cr_assert_eq(id.sequence, (int)i);
	}
	cr_assert_eq(qf_id_make(0, 1, 0, text, 14), 0);
}
