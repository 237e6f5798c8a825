/*
 * mailq_clock - local time as ctime() prints it, without asking the C library for every message:
 * localtime_r() takes a lock that all threads share.
 *
 * Local time runs evenly through nearly every hour. Where it does, found out at both ends of the
 * hour, the rest is arithmetic; the hour of a change, and one with a leap second, is not even.
 */
#include <limits.h>
#include <string.h>
#include <time.h>

#include "mailq.h"

#define HOUR 3600
#define DAY 86400
/* Beyond (some 30,000 years) every time is looked up. */
#define CLOCK_LIMIT ((int64_t)1 << 40)

/* A date, in the calendar that begins on 1 March of the year 0. */
#define DAYS_400Y 146097
#define DAYS_TO_EPOCH 719468

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since the epoch of a date. */
static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = floor_div(y, 400), of_era = y - era * 400;
	int64_t from_march = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * DAYS_400Y + of_era * 365 + of_era / 4 - of_era / 100 + from_march -
	       DAYS_TO_EPOCH;
}

/* Month (0..11) and day of month of a day since the epoch. */
static void
date_of(int64_t days, int *month, int *day)
{
	int64_t shifted = days + DAYS_TO_EPOCH;
	int64_t of_era = shifted - floor_div(shifted, DAYS_400Y) * DAYS_400Y;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t m = (5 * of_year + 2) / 153;

	*day = (int)(of_year - (153 * m + 2) / 5 + 1);
	*month = (int)(m < 10 ? m + 2 : m - 10);
}

/* Seconds that local time is ahead at an instant. */
static bool
offset_at(int64_t when, int64_t *offset)
{
	time_t t = when;
	struct tm tm;

	if (!localtime_r(&t, &tm))
		return false;
	*offset = days_of(tm.tm_year + 1900LL, tm.tm_mon + 1, tm.tm_mday) * DAY +
		  tm.tm_hour * HOUR + tm.tm_min * 60 + tm.tm_sec - when;
	return true;
}

static bool
hour_is_even(struct qf_mailq_clock *clock, int64_t when, int64_t *offset)
{
	int64_t hour = floor_div(when, HOUR), first, last;
	size_t i = (size_t)hour % QF_MAILQ_CLOCK_SLOTS;

	if (!clock->slots[i].known || clock->slots[i].hour != hour) {
		if (!offset_at(hour * HOUR, &first) || !offset_at(hour * HOUR + HOUR - 1, &last) ||
		    first != last)
			return false;
		clock->slots[i].hour = hour;
		clock->slots[i].offset = first;
		clock->slots[i].known = true;
	}
	*offset = clock->slots[i].offset;
	return true;
}

static char *
put_two(char *at, int number, char filler)
{
	*at++ = number < 10 ? filler : (char)('0' + number / 10);
	*at++ = (char)('0' + number % 10);
	return at;
}

static void
put_date(char text[16], int weekday, int month, int day, int hour, int minute)
{
	static const char weekdays[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char *at = text;

	memcpy(at, &weekdays[3 * weekday], 3);
	at[3] = ' ';
	memcpy(at + 4, &months[3 * month], 3);
	at[7] = ' ';
	at = put_two(at + 8, day, ' ');
	*at++ = ' ';
	at = put_two(at, hour, '0');
	*at++ = ':';
	put_two(at, minute, '0');
}

bool
qf_mailq_time(struct qf_mailq_clock *clock, int64_t when, char text[16])
{
	time_t t = when;
	int64_t offset;
	struct tm tm;

	if (when > -CLOCK_LIMIT && when < CLOCK_LIMIT && hour_is_even(clock, when, &offset)) {
		int64_t days = floor_div(when + offset, DAY);
		int second = (int)(when + offset - days * DAY);
		int month, day;

		date_of(days, &month, &day);
		put_date(text, (int)((days % 7 + 11) % 7), month, day, second / HOUR,
			 second / 60 % 60);
		return true;
	}
	/* asctime() counts years in an int. */
	if (!localtime_r(&t, &tm) || tm.tm_year > INT_MAX - 1900)
		return false;
	put_date(text, tm.tm_wday, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min);
	return true;
}
