/*
 * when - times, spans, sizes and ages as text.
 *
 * The arithmetic is our own: gmtime() takes an int for the year, and what a T line says is any
 * number; and a listing formats some five times for each message.
 */
#include <string.h>

#include "when.h"

#define DAY ((int64_t)86400)
/* Days of 400 years, after which the calendar repeats. */
#define CYCLE_DAYS ((int64_t)146097)
/* From 0000-03-01 to 1970-01-01. Years are reckoned from March, so that a leap day ends its year
   and the lengths of the months before it are always the same. */
#define MARCH_ZERO_DAYS ((int64_t)719468)

struct date {
	int64_t year;
	unsigned month, day; /* from 1 */
};

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days before the month that is m months after March. */
static unsigned
days_before(unsigned m)
{
	return (153 * m + 2) / 5;
}

static struct date
date_of(int64_t days)
{
	int64_t since = days + MARCH_ZERO_DAYS;
	int64_t cycle = floor_div(since, CYCLE_DAYS);
	unsigned rest = (unsigned)(since - cycle * CYCLE_DAYS);
	/* The last century of a cycle and the last year of four are a day longer: counting in
	   quarters, from three quarters on, makes the divisions come out. */
	unsigned century = (4 * rest + 3) / 146097;
	unsigned in_century = rest - century * 146097 / 4;
	unsigned year = (4 * in_century + 3) / 1461;
	unsigned in_year = in_century - year * 1461 / 4;
	unsigned m = (5 * in_year + 2) / 153;
	struct date date;

	date.day = in_year - days_before(m) + 1;
	date.month = m < 10 ? m + 3 : m - 9;
	date.year = cycle * 400 + century * 100 + year + (m >= 10);
	return date;
}

int64_t
qf_when_days(int64_t year, unsigned month, unsigned day)
{
	int64_t from_march = month > 2 ? year : year - 1;
	unsigned m = month > 2 ? month - 3 : month + 9;
	int64_t cycle = floor_div(from_march, 400);
	unsigned y = (unsigned)(from_march - cycle * 400);

	return cycle * CYCLE_DAYS + y * 365 + y / 4 - y / 100 + days_before(m) + day - 1 -
	       MARCH_ZERO_DAYS;
}

unsigned
qf_when_month_days(int64_t year, unsigned month)
{
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

int64_t
qf_when_year(int64_t when)
{
	return date_of(floor_div(when, DAY)).year;
}

static char *
put2(char *p, unsigned number)
{
	static const char pairs[] = "00010203040506070809101112131415161718192021222324"
				    "25262728293031323334353637383940414243444546474849"
				    "50515253545556575859606162636465666768697071727374"
				    "75767778798081828384858687888990919293949596979899";

	memcpy(p, pairs + 2 * number, 2);
	return p + 2;
}

/* Digits of a number, at least as many as wanted. */
static char *
put(char *p, uint64_t number, int least)
{
	char digits[20];
	int n = 0;

	do
		digits[n++] = (char)('0' + number % 10);
	while (number /= 10);
	while (n < least)
		digits[n++] = '0';
	while (n > 0)
		*p++ = digits[--n];
	return p;
}

int64_t
qf_time_between(int64_t from, int64_t to)
{
	int64_t span;

	if (__builtin_sub_overflow(to, from, &span))
		return from < to ? INT64_MAX : INT64_MIN;
	return span;
}

size_t
qf_time_format(int64_t when, char text[QF_TIME_TEXT])
{
	int64_t days = when / DAY;
	int64_t second = when % DAY;
	struct date date;
	char *p = text;

	if (when == QF_TIME_NONE) {
		text[0] = '\0';
		return 0;
	}
	if (second < 0) {
		second += DAY;
		days--;
	}
	date = date_of(days);
	if (date.year < 0)
		*p++ = '-';
	if (date.year >= 0 && date.year <= 9999) {
		p = put2(p, (unsigned)date.year / 100);
		p = put2(p, (unsigned)date.year % 100);
	} else {
		p = put(p, (uint64_t)(date.year < 0 ? -date.year : date.year), 4);
	}
	*p++ = '-';
	p = put2(p, date.month);
	*p++ = '-';
	p = put2(p, date.day);
	*p++ = 'T';
	p = put2(p, (unsigned)second / 3600);
	*p++ = ':';
	p = put2(p, (unsigned)second / 60 % 60);
	*p++ = ':';
	p = put2(p, (unsigned)second % 60);
	*p++ = 'Z';
	*p = '\0';
	return (size_t)(p - text);
}

/* What is left of a text being read. */
struct cursor {
	const char *p;
	const char *end;
};

static struct cursor
cursor_of(struct qf_slice text)
{
	struct cursor at = {text.p, text.p};

	if (text.n)
		at.end += text.n;
	return at;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
take(struct cursor *at, char c)
{
	if (at->p == at->end || *at->p != c)
		return false;
	at->p++;
	return true;
}

static bool
take_any(struct cursor *at, const char *chars)
{
	if (at->p == at->end || *at->p == '\0' || !strchr(chars, *at->p))
		return false;
	at->p++;
	return true;
}

/* Exactly n digits, their value in low..high. */
static bool
take_fixed(struct cursor *at, int n, unsigned low, unsigned high, unsigned *number)
{
	*number = 0;
	for (; n > 0; n--) {
		if (at->p == at->end || !is_digit(*at->p))
			return false;
		*number = *number * 10 + (unsigned)(*at->p++ - '0');
	}
	return *number >= low && *number <= high;
}

/* One or more digits, any number of them that fits. */
static bool
take_number(struct cursor *at, int64_t *number)
{
	if (at->p == at->end || !is_digit(*at->p))
		return false;
	*number = 0;
	while (at->p < at->end && is_digit(*at->p)) {
		if (__builtin_mul_overflow(*number, 10, number) ||
		    __builtin_add_overflow(*number, *at->p - '0', number))
			return false;
		at->p++;
	}
	return true;
}

/* Z or +hh:mm, as seconds to take off. */
static bool
take_offset(struct cursor *at, int64_t *offset)
{
	unsigned hour, minute;
	bool west;

	*offset = 0;
	if (take_any(at, "Zz"))
		return true;
	west = take(at, '-');
	if (!west && !take(at, '+'))
		return false;
	if (!take_fixed(at, 2, 0, 23, &hour) || !take(at, ':') ||
	    !take_fixed(at, 2, 0, 59, &minute))
		return false;
	*offset = hour * 3600 + minute * 60;
	if (west)
		*offset = -*offset;
	return true;
}

static bool
parse_epoch(struct cursor at, int64_t *when)
{
	bool negative = take(&at, '-');
	int64_t number;

	if (!take_number(&at, &number) || at.p != at.end)
		return false;
	*when = negative ? -number : number;
	return true;
}

bool
qf_time_parse(struct qf_slice text, int64_t *when)
{
	struct cursor at = cursor_of(text);
	unsigned year, month, day, hour, minute, second;
	int64_t t, offset;

	if (take(&at, '@'))
		return parse_epoch(at, when);
	if (!take_fixed(&at, 4, 0, 9999, &year) || !take(&at, '-') ||
	    !take_fixed(&at, 2, 1, 12, &month) || !take(&at, '-') ||
	    !take_fixed(&at, 2, 1, qf_when_month_days(year, month), &day))
		return false;
	t = qf_when_days(year, month, day) * DAY;
	if (at.p == at.end) {
		*when = t;
		return true;
	}
	/* RFC 3339 section 5.6 allows a blank for the T. */
	if (!take_any(&at, "Tt ") || !take_fixed(&at, 2, 0, 23, &hour) || !take(&at, ':') ||
	    !take_fixed(&at, 2, 0, 59, &minute) || !take(&at, ':') ||
	    !take_fixed(&at, 2, 0, 60, &second))
		return false;
	if (take(&at, '.')) {
		if (at.p == at.end || !is_digit(*at.p))
			return false;
		while (at.p < at.end && is_digit(*at.p))
			at.p++;
	}
	if (!take_offset(&at, &offset) || at.p != at.end)
		return false;
	t += hour * 3600 + minute * 60 + second - offset;
	/* A leap second ends a day in UTC and nowhere else; it is taken as the second after it. */
	if (second == 60 && t % DAY != 0)
		return false;
	*when = t;
	return true;
}

static int64_t
unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return DAY;
	case 'w':
		return 7 * DAY;
	default:
		return 0;
	}
}

bool
qf_span_parse(struct qf_slice text, int64_t *seconds)
{
	struct cursor at = cursor_of(text);
	int64_t sum = 0, number, unit;

	if (!take_number(&at, &number))
		return false;
	if (at.p == at.end) {
		*seconds = number;
		return true;
	}
	for (;;) {
		/* After a first unit each number needs its own: "1d12" could mean anything. */
		unit = at.p == at.end ? 0 : unit_seconds(*at.p++);
		if (unit == 0 || __builtin_mul_overflow(number, unit, &number) ||
		    __builtin_add_overflow(sum, number, &sum))
			return false;
		if (at.p == at.end)
			break;
		if (!take_number(&at, &number))
			return false;
	}
	*seconds = sum;
	return true;
}

bool
qf_size_parse(struct qf_slice text, int64_t *bytes)
{
	static const char units[] = "kMGT";
	struct cursor at = cursor_of(text);
	int64_t number;

	if (!take_number(&at, &number))
		return false;
	if (at.p < at.end) {
		char c = *at.p++;
		const char *unit;

		if (c == 'K' || c == 'm' || c == 'g' || c == 't')
			c ^= 'a' ^ 'A';
		unit = c ? strchr(units, c) : NULL;
		if (!unit || at.p != at.end ||
		    __builtin_mul_overflow(number, (int64_t)1 << (10 * (unit - units + 1)),
					   &number))
			return false;
	}
	*bytes = number;
	return true;
}

size_t
qf_age_format(int64_t seconds, char text[QF_TIME_TEXT])
{
	uint64_t age = seconds < 0 ? 0 - (uint64_t)seconds : (uint64_t)seconds;
	char *p = text;

	if (seconds == QF_TIME_NONE) {
		text[0] = '\0';
		return 0;
	}
	if (seconds < 0)
		*p++ = '-';
	if (age < 60) {
		p = put(p, age, 1);
		*p++ = 's';
	} else if (age < 3600) {
		p = put(p, age / 60, 1);
		*p++ = 'm';
	} else if (age < 86400) {
		p = put(p, age / 3600, 1);
		*p++ = 'h';
	} else {
		p = put(p, age / 86400, 1);
		*p++ = 'd';
		/* In the life of mail of months, hours are of no account. */
		if (age < 100 * 86400 && age % 86400 >= 3600) {
			p = put(p, age % 86400 / 3600, 1);
			*p++ = 'h';
		}
	}
	*p = '\0';
	return (size_t)(p - text);
}
