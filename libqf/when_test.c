#include <criterion/criterion.h>
#include <string.h>
#include <time.h>

#include "when.h"

#define DAY ((int64_t)86400)

static struct qf_slice
slice(const char *text)
{
	return (struct qf_slice){.p = text, .n = strlen(text)};
}

/* A repeatable stream of numbers. */
static uint64_t
next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

struct time_case {
	int64_t when;
	const char *text;
};

static const struct time_case known_times[] = {
	{0, "1970-01-01T00:00:00Z"},
	{-1, "1969-12-31T23:59:59Z"},
	{1795332063, "2026-11-22T07:21:03Z"},
	{951782399, "2000-02-28T23:59:59Z"},
	{951782400, "2000-02-29T00:00:00Z"},
	{951868800, "2000-03-01T00:00:00Z"},
	{4107542400, "2100-03-01T00:00:00Z"},
	{4107456000, "2100-02-28T00:00:00Z"},
	{253402300799, "9999-12-31T23:59:59Z"},
	{253402300800, "10000-01-01T00:00:00Z"},
	{-62135596800, "0001-01-01T00:00:00Z"},
	{-62167219200, "0000-01-01T00:00:00Z"},
	{-62167219201, "-0001-12-31T23:59:59Z"},
	{INT64_MAX, "292277026596-12-04T15:30:07Z"},
	{INT64_MIN + 1, "-292277022657-01-27T08:29:53Z"},
	{QF_TIME_NONE, ""},
};

Test(when, formats_any_second_there_is)
{
	for (size_t i = 0; i < sizeof(known_times) / sizeof(known_times[0]); i++) {
		char text[QF_TIME_TEXT];
		size_t n = qf_time_format(known_times[i].when, text);

		cr_expect_str_eq(text, known_times[i].text, "%s for %lld", text,
				 (long long)known_times[i].when);
		cr_expect_eq(n, strlen(known_times[i].text));
	}
}

Test(when, formats_as_the_c_library_does)
{
	uint64_t state = 88172645463325252u;

	for (int i = 0; i < 200000; i++) {
		/* Years -99999 to 99999, and every third one near now. */
		int64_t when = (int64_t)(next_random(&state) % 6300000000000) - 3150000000000;
		char text[QF_TIME_TEXT], wanted[80];
		time_t t;
		struct tm tm;
		long year;

		if (i % 3 == 0)
			when %= 4102444800;
		t = (time_t)when;
		cr_assert(gmtime_r(&t, &tm));
		year = tm.tm_year + 1900L;
		snprintf(wanted, sizeof(wanted), "%s%04ld-%02d-%02dT%02d:%02d:%02dZ",
			 year < 0 ? "-" : "", year < 0 ? -year : year, tm.tm_mon + 1, tm.tm_mday,
			 tm.tm_hour, tm.tm_min, tm.tm_sec);
		qf_time_format(when, text);
		cr_assert_str_eq(text, wanted);
		cr_assert_eq(qf_when_year(when), year);
		cr_assert_eq(qf_when_days(year, (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday),
			     (when - ((when % DAY) + DAY) % DAY) / DAY);
	}
}

Test(when, parses_back_what_it_formats)
{
	uint64_t state = 1442695040888963407u;

	for (int i = 0; i < 100000; i++) {
		/* Years 0 to 9999: what RFC 3339 can say. */
		int64_t when = (int64_t)(next_random(&state) % 315569520000) - 62167219200;
		int64_t back = 0;
		char text[QF_TIME_TEXT];

		qf_time_format(when, text);
		cr_assert(qf_time_parse(slice(text), &back), "%s", text);
		cr_assert_eq(back, when, "%s", text);
	}
}

static const struct time_case good_times[] = {
	{0, "@0"},
	{1795332063, "@1795332063"},
	{-5, "@-5"},
	{INT64_MAX, "@9223372036854775807"},
	{INT64_MIN + 1, "@-9223372036854775807"},
	{1795332063, "@0000000000000000000000000001795332063"},
	{1795332063, "2026-11-22T07:21:03Z"},
	{1795332063, "2026-11-22t07:21:03z"},
	{1795332063, "2026-11-22 07:21:03Z"},
	{1795332063, "2026-11-22T07:21:03.999999999999999999999Z"},
	{1795332063, "2026-11-22T08:51:03+01:30"},
	{1795332063, "2026-11-21T19:21:03-12:00"},
	{1795332063, "2026-11-22T07:21:03-00:00"},
	{1795332063, "2026-11-23T06:20:03+22:59"},
	{1795305600, "2026-11-22"},
	{1483228800, "2016-12-31T23:59:60Z"},
	{1483228800, "2016-12-31T15:59:60.5-08:00"},
	{-62167219200, "0000-01-01"},
	{1709164800, "2024-02-29"},
};

Test(when, parses_epoch_and_rfc_3339)
{
	for (size_t i = 0; i < sizeof(good_times) / sizeof(good_times[0]); i++) {
		int64_t when = 77;

		cr_expect(qf_time_parse(slice(good_times[i].text), &when), "%s",
			  good_times[i].text);
		cr_expect_eq(when, good_times[i].when, "%s: %lld", good_times[i].text,
			     (long long)when);
	}
}

Test(when, refuses_what_is_no_time)
{
	static const char *const bad[] = {
		"",
		"@",
		"@-",
		"@+5",
		"@ 5",
		"@5 ",
		"@5s",
		"@9223372036854775808",
		"@-9223372036854775808",
		"@99999999999999999999999",
		"1795332063",
		"now",
		"2026",
		"2026-11",
		"2026-11-",
		"2026-11-2",
		"2026-1-22",
		"26-11-22",
		"+2026-11-22",
		"-2026-11-22",
		"12026-11-22",
		"2026-00-22",
		"2026-13-22",
		"2026-11-00",
		"2026-11-31",
		"2026-02-29",
		"2100-02-29",
		"2026-11-22T",
		"2026-11-22T07",
		"2026-11-22T07:21",
		"2026-11-22T07:21Z",
		"2026-11-22T07:21:03",
		"2026-11-22T24:00:00Z",
		"2026-11-22T07:60:03Z",
		"2026-11-22T07:21:61Z",
		"2026-11-22T07:21:60Z",
		"2016-12-31T23:59:60+01:00",
		"2026-11-22T07:21:03.Z",
		"2026-11-22T07:21:03,5Z",
		"2026-11-22T07:21:03ZZ",
		"2026-11-22T07:21:03Z ",
		" 2026-11-22T07:21:03Z",
		"2026-11-22T07:21:03+1:00",
		"2026-11-22T07:21:03+0100",
		"2026-11-22T07:21:03+24:00",
		"2026-11-22T07:21:03+01:60",
		"2026-11-22T07:21:03+01",
		"2026-11-22_07:21:03Z",
		"20261122T072103Z",
		"2026/11/22",
		"\xd9\xa2\xd9\xa0-11-22",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t when = 77;

		cr_expect_not(qf_time_parse(slice(bad[i]), &when), "\"%s\" taken as %lld", bad[i],
			      (long long)when);
		cr_expect_eq(when, 77, "%s", bad[i]);
	}
	cr_expect_not(qf_time_parse((struct qf_slice){.p = NULL, .n = 0}, &(int64_t){0}));
	cr_expect_not(qf_time_parse((struct qf_slice){.p = "@5\0", .n = 3}, &(int64_t){0}));
	cr_expect_not(
		qf_time_parse((struct qf_slice){.p = "2026-11-22\0", .n = 11}, &(int64_t){0}));
}

Test(when, reads_no_byte_beyond_the_text)
{
	static const char *const whole[] = {"2026-11-22T07:21:03.25+01:30", "@-1795332063"};

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
		/* Each beginning in a block of its own size, for the address sanitizer. */
		for (size_t n = 0; n < strlen(whole[i]); n++) {
			char *copy = malloc(n + !n);
			int64_t when;

			memcpy(copy, whole[i], n);
			qf_time_parse((struct qf_slice){.p = copy, .n = n}, &when);
			qf_span_parse((struct qf_slice){.p = copy, .n = n}, &when);
			qf_size_parse((struct qf_slice){.p = copy, .n = n}, &when);
			free(copy);
		}
	}
}

struct number_case {
	const char *text;
	int64_t number;
};

Test(when, parses_spans)
{
	static const struct number_case good[] = {
		{"0", 0},
		{"90", 90},
		{"90s", 90},
		{"5m", 300},
		{"2h", 7200},
		{"4d", 345600},
		{"1w", 604800},
		{"1d12h", 129600},
		{"1w2d3h4m5s", 788645},
		{"3h1d", 97200},
		{"1h1h", 7200},
		{"0s", 0},
		{"9223372036854775807", INT64_MAX},
		{"106751991167300d15h30m7s", INT64_MAX},
	};
	static const char *const bad[] = {
		"",
		"s",
		"-5",
		"+5",
		" 5",
		"5 ",
		"5 m",
		"5M",
		"5D",
		"1.5h",
		"1d12",
		"1d12h ",
		"5ms",
		"5min",
		"never",
		"now",
		"9223372036854775808",
		"106751991167300d15h30m8s",
		"106751991167301d",
		"15250284452472w",
		"99999999999999999999999999999d",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t seconds = 77;

		cr_expect(qf_span_parse(slice(good[i].text), &seconds), "%s", good[i].text);
		cr_expect_eq(seconds, good[i].number, "%s: %lld", good[i].text, (long long)seconds);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t seconds = 77;

		cr_expect_not(qf_span_parse(slice(bad[i]), &seconds), "%s", bad[i]);
		cr_expect_eq(seconds, 77, "%s", bad[i]);
	}
	cr_expect_not(qf_span_parse((struct qf_slice){.p = "5\0", .n = 2}, &(int64_t){0}));
}

Test(when, parses_sizes)
{
	static const struct number_case good[] = {
		{"0", 0},
		{"512", 512},
		{"10k", 10240},
		{"10K", 10240},
		{"5M", 5242880},
		{"5m", 5242880},
		{"2G", 2147483648},
		{"1t", 1099511627776},
		{"9223372036854775807", INT64_MAX},
		{"8388607T", 9223370937343148032},
	};
	static const char *const bad[] = {
		"",	 "k",	 "-1",	  "1.5M",     "10 k", "10kb",
		"10kk",	 "10x",	 "1k1",	  "8388608T", "0x10", "9223372036854775808",
		"10k\n", " 10k", "10KiB", "1P",
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int64_t bytes = 77;

		cr_expect(qf_size_parse(slice(good[i].text), &bytes), "%s", good[i].text);
		cr_expect_eq(bytes, good[i].number, "%s: %lld", good[i].text, (long long)bytes);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int64_t bytes = 77;

		cr_expect_not(qf_size_parse(slice(bad[i]), &bytes), "%s", bad[i]);
		cr_expect_eq(bytes, 77, "%s", bad[i]);
	}
	cr_expect_not(qf_size_parse((struct qf_slice){.p = "5\0", .n = 2}, &(int64_t){0}));
}

Test(when, formats_ages_for_people)
{
	static const struct number_case cases[] = {
		{"0s", 0},
		{"42s", 42},
		{"59s", 59},
		{"1m", 60},
		{"17m", 17 * 60 + 59},
		{"59m", 3599},
		{"1h", 3600},
		{"23h", 86399},
		{"1d", 86400},
		{"1d", 86400 + 3599},
		{"1d1h", 86400 + 3600},
		{"3d12h", 302400},
		{"99d23h", 100 * DAY - 1},
		{"100d", 100 * DAY},
		{"412d", 413 * DAY - 1},
		{"-1s", -1},
		{"-2h", -7201},
		{"106751991167300d", INT64_MAX},
		{"-106751991167300d", INT64_MIN + 1},
		{"", QF_TIME_NONE},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[QF_TIME_TEXT];
		size_t n = qf_age_format(cases[i].number, text);

		cr_expect_str_eq(text, cases[i].text);
		cr_expect_eq(n, strlen(text));
	}
}

Test(when, time_between_saturates)
{
	cr_assert_eq(qf_time_between(10, 13), 3);
	cr_assert_eq(qf_time_between(13, 10), -3);
	cr_assert_eq(qf_time_between(-INT64_MAX, 10), INT64_MAX);
	cr_assert_eq(qf_time_between(10, -INT64_MAX), INT64_MIN);
}
