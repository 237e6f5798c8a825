/*
 * id - what a queue id says about its making.
 *
 * Origin: sendmail/queue.c assign_queueid() of the releases named in enum qf_id_form.
 */
#include <stdio.h>
#include <time.h>

#include "id.h"
#include "when.h"

/* Ids with a date came with 8.10, in 2000; no clock of that time was ten years slow. The rule
   keeps a message with a nonsense T line ("T0") from moving its id into the sixties. */
#define FIRST_YEAR 1990
/* A T line beyond says nothing about the id either. */
#define LAST_YEAR 9999
/* The year character counts modulo this. */
#define YEAR_CYCLE 60

/* Value of a character of the id alphabet 0-9 A-Z a-z, or -1. */
static int
digit62(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 36;
	return -1;
}

/* A process id printed by %0<width>d: more digits only where they are needed. */
static bool
read_pid(struct qf_slice id, size_t at, size_t width, long *pid)
{
	size_t n = id.n - at;
	int64_t number = 0;

	if (n < width || n > 10 || (n > width && id.p[at] == '0'))
		return false;
	for (; at < id.n; at++) {
		if (id.p[at] < '0' || id.p[at] > '9')
			return false;
		number = number * 10 + (id.p[at] - '0');
	}
	if (number > INT32_MAX)
		return false;
	*pid = (long)number;
	return true;
}

static int64_t
time_in(int64_t year, const int v[6])
{
	return qf_when_days(year, (unsigned)v[1] + 1, (unsigned)v[2]) * 86400 + v[3] * 3600 +
	       v[4] * 60 + v[5];
}

static uint64_t
distance(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* The first six characters: year, month, day, hour, minute, second in UTC. */
static bool
read_time(struct qf_slice id, int64_t near, int64_t *when)
{
	static const int low[] = {0, 0, 1, 0, 0, 0};
	static const int high[] = {59, 11, 31, 23, 59, 61};
	int64_t year, near_year;
	int v[6];

	for (int i = 0; i < 6; i++) {
		v[i] = digit62(id.p[i]);
		if (v[i] < low[i] || v[i] > high[i])
			return false;
	}
	if (near == QF_TIME_NONE)
		near = (int64_t)time(NULL);
	near_year = qf_when_year(near);
	if (near_year > LAST_YEAR)
		near_year = LAST_YEAR;
	/* The first candidate not before FIRST_YEAR, then steps of a cycle towards near. */
	year = 1900 + v[0];
	while (year < FIRST_YEAR)
		year += YEAR_CYCLE;
	if (near_year > year)
		year += (near_year - year) / YEAR_CYCLE * YEAR_CYCLE;
	if (distance(time_in(year + YEAR_CYCLE, v), near) < distance(time_in(year, v), near))
		year += YEAR_CYCLE;
	if (v[2] > (int)qf_when_month_days(year, (unsigned)v[1] + 1))
		return false;
	*when = time_in(year, v);
	return true;
}

static bool
decode_v812(struct qf_slice id, int64_t near, struct qf_id *out)
{
	int high, low;

	if (id.n < 14 || !read_pid(id, 8, 6, &out->pid) || !read_time(id, near, &out->time))
		return false;
	high = digit62(id.p[6]);
	low = digit62(id.p[7]);
	if (high < 0 || high > 59 || low < 0 || low > 59)
		return false;
	out->sequence = high * 60 + low;
	out->form = QF_ID_V812;
	return true;
}

static bool
decode_v810(struct qf_slice id, int64_t near, struct qf_id *out)
{
	if (id.n < 12 || !read_pid(id, 7, 5, &out->pid) || !read_time(id, near, &out->time))
		return false;
	out->sequence = digit62(id.p[6]);
	if (out->sequence < 0)
		return false;
	out->form = QF_ID_V810;
	return true;
}

static bool
decode_v86(struct qf_slice id, struct qf_id *out)
{
	if (id.n < 8 || id.p[0] < 'A' || id.p[0] > 'X' || id.p[1] < 'A' || id.p[1] > '~' ||
	    id.p[2] < 'A' || id.p[2] > 'Z' || !read_pid(id, 3, 5, &out->pid))
		return false;
	out->hour = id.p[0] - 'A';
	out->sequence = (id.p[1] - 'A') * 26 + (id.p[2] - 'A');
	out->form = QF_ID_V86;
	return true;
}

bool
qf_id_decode(struct qf_slice id, int64_t near, struct qf_id *out)
{
	static const struct qf_id opaque = {
		.form = QF_ID_OPAQUE, .time = QF_TIME_NONE, .hour = -1, .pid = -1, .sequence = -1};

	/* The newest form first: an id of 14 characters could also be one of 8.10 with a seven
	   digit pid, which no system of its time gave out. */
	*out = opaque;
	if (decode_v812(id, near, out))
		return true;
	*out = opaque;
	if (decode_v810(id, near, out))
		return true;
	*out = opaque;
	if (decode_v86(id, out))
		return true;
	*out = opaque;
	return false;
}

size_t
qf_id_make(int64_t when, long pid, unsigned sequence, char *id, size_t size)
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	time_t seconds = (time_t)when;
	struct tm tm;
	int n;

	if (!gmtime_r(&seconds, &tm) || tm.tm_year < 0 || pid < 0)
		return 0;
	n = snprintf(id, size, "%c%c%c%c%c%c%c%c%06ld", digits[tm.tm_year % YEAR_CYCLE],
		     digits[tm.tm_mon], digits[tm.tm_mday], digits[tm.tm_hour], digits[tm.tm_min],
		     digits[tm.tm_sec], digits[sequence / 60 % 60], digits[sequence % 60], pid);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}
