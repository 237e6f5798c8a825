/*
 * maillog_clock - when a line was written, where it does not say all of it.
 *
 * The year, and the zone, that RFC 3164 leaves out are found from the queue ids of accepted
 * messages: sendmail makes an id from the UTC time, seconds before it logs from=. The id is never
 * later than the line, so the smallest difference of several is the zone. Where that changes by
 * just an hour, summer time began or ended: between two such lines, there where local time leaps.
 * Without ids: the year in which the first line is not after the last change of the file, and UTC.
 */
#include <string.h>
#include <time.h>

#include "buf.h"
#include "maillog.h"
#include "when.h"

#define DAY ((int64_t)86400)
#define HALF_YEAR (183 * DAY)
/* Zones are a multiple of a quarter of an hour. */
#define STEP 900
#define ZONE_MAX (14 * 3600)
/* A clock that was set back under a sendmail may have ids that are a little in the future. */
#define SLACK 3
/* So many messages in a row have to agree on a zone further east: one may have taken long. */
#define AGREE 8
/* Summer time, to be told from a message that took long by how soon its line was written. */
#define SUMMER 3600
#define PROMPT 120
/* Lines of several hosts are that much out of order. */
#define DISORDER 60

void
qf_log_clock_init(struct qf_log_clock *clock, const struct qf_log_options *options, int64_t mtime)
{
	memset(clock, 0, sizeof(*clock));
	clock->reference = mtime;
	clock->previous = clock->before = QF_TIME_NONE;
	if (options) {
		if (options->reference != QF_TIME_NONE)
			clock->reference = options->reference;
		clock->year = options->year;
		clock->given_year = options->year != 0;
		clock->zone = options->zone;
		clock->given_zone = options->have_zone;
		clock->by_ids = options->learned && !options->have_zone;
	}
	if (clock->reference == QF_TIME_NONE) {
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		clock->reference = now.tv_sec;
	}
	if (!clock->given_zone && !clock->by_ids)
		clock->zone = 0;
	clock->next = clock->zone;
	if (options && options->last != QF_TIME_NONE && options->offset > 0) {
		/* As if the line before had just been read. */
		clock->year = (int)qf_when_year(options->last + clock->zone);
		clock->previous = clock->before = options->last + clock->zone;
	}
}

static int64_t
in_year(const struct qf_log_head *head, int64_t year)
{
	return qf_when_days(year, head->month, head->day) * DAY + head->second_of_day;
}

static void
worse(enum qf_log_by *by, enum qf_log_by other)
{
	if (other > *by)
		*by = other;
}

/* The year of a time without one, given a time it must be near to. */
static int64_t
year_near(const struct qf_log_head *head, int64_t near)
{
	int64_t year = qf_when_year(near), best = year;

	for (int64_t y = year - 1; y <= year + 1; y++) {
		int64_t one = qf_time_between(near, in_year(head, y));
		int64_t other = qf_time_between(near, in_year(head, best));

		if ((one < 0 ? -one : one) < (other < 0 ? -other : other))
			best = y;
	}
	return best;
}

static int64_t
local_time(struct qf_log_clock *clock, const struct qf_log_head *head)
{
	int64_t local;

	if (head->has_year)
		return head->local;
	if (clock->year == 0) {
		/* A day of grace: of the zone nothing is known. */
		int64_t year = qf_when_year(clock->reference + DAY);

		if (in_year(head, year) > clock->reference + DAY)
			year--;
		clock->year = (int)year;
	}
	local = in_year(head, clock->year);
	if (clock->previous != QF_TIME_NONE) {
		if (local < clock->previous - HALF_YEAR) {
			clock->year++;
			local = in_year(head, clock->year);
		} else if (local > clock->previous + HALF_YEAR) {
			/* Lines of several hosts are not quite in order at New Year. */
			return in_year(head, clock->year - 1);
		}
	}
	clock->previous = local;
	return local;
}

/* Between two messages that tell different zones: is it at this line that the clock was changed? */
static void
change_at_leap(struct qf_log_clock *clock, int64_t local)
{
	if (clock->next != clock->zone && clock->before != QF_TIME_NONE &&
	    (clock->next > clock->zone ? local >= clock->change : local < clock->before - DISORDER))
		clock->zone = clock->next;
	clock->before = local;
}

int64_t
qf_log_clock_time(struct qf_log_clock *clock, const struct qf_log_head *head, int64_t export_time)
{
	int64_t local;

	if (!head->dated || (export_time != QF_TIME_NONE && !(head->has_year && head->has_zone))) {
		if (export_time != QF_TIME_NONE) {
			worse(&clock->year_by, QF_LOG_BY_EXPORT);
			worse(&clock->zone_by, QF_LOG_BY_EXPORT);
		}
		return export_time;
	}
	local = local_time(clock, head);
	if (!head->has_year)
		worse(&clock->year_by, clock->given_year ? QF_LOG_BY_CALLER
				       : clock->by_ids	 ? QF_LOG_BY_IDS
							 : QF_LOG_BY_FILE);
	if (head->has_zone)
		return local - head->zone;
	worse(&clock->zone_by, clock->given_zone ? QF_LOG_BY_CALLER
			       : clock->by_ids	 ? QF_LOG_BY_IDS
						 : QF_LOG_BY_NOTHING);
	change_at_leap(clock, local);
	return local - clock->zone;
}

static int
zone_of(int64_t difference)
{
	int64_t up = difference + SLACK + ZONE_MAX;

	return (int)(up - up % STEP - ZONE_MAX);
}

/* The zone an accepted message tells, and how long after its id was made the line was written. */
static bool
zone_told(struct qf_log_clock *clock, const struct qf_log_head *head, struct qf_slice id, int *zone,
	  int64_t *rest)
{
	struct qf_id decoded;
	int64_t local, difference;

	if (!head->dated || head->has_zone || (clock->given_zone && clock->given_year))
		return false;
	if (!qf_id_decode(id, clock->reference, &decoded) || decoded.time == QF_TIME_NONE)
		return false;
	if ((!clock->by_ids || clock->year == 0) && !head->has_year && !clock->given_year &&
	    clock->previous == QF_TIME_NONE)
		clock->year = (int)year_near(head, decoded.time);
	local = head->has_year ? head->local : in_year(head, clock->year);
	difference = qf_time_between(decoded.time, local);
	/* A message that was long in coming, or an id of another clock, tells nothing. */
	if (difference < -ZONE_MAX || difference > ZONE_MAX)
		return false;
	*zone = zone_of(difference);
	*rest = difference - *zone;
	return true;
}

static void
take_zone(struct qf_log_clock *clock, int zone, int64_t rest)
{
	clock->zone = clock->next = zone;
	clock->rest = rest;
	clock->later = 0;
}

bool
qf_log_clock_summer(struct qf_log_clock *clock, const struct qf_log_head *head, struct qf_slice id,
		    int *zone)
{
	int64_t rest;

	return clock->by_ids && !clock->given_zone && zone_told(clock, head, id, zone, &rest) &&
	       *zone == clock->zone + SUMMER && rest <= PROMPT;
}

bool
qf_log_clock_denies(struct qf_log_clock *clock, const struct qf_log_head *head, struct qf_slice id,
		    int zone)
{
	int64_t rest;
	int told;

	return zone_told(clock, head, id, &told, &rest) && told < zone;
}

void
qf_log_clock_learn(struct qf_log_clock *clock, const struct qf_log_head *head, struct qf_slice id)
{
	int64_t rest;
	int zone;

	if (!zone_told(clock, head, id, &zone, &rest))
		return;
	if (!clock->given_zone) {
		if (!clock->by_ids || zone < clock->zone ||
		    (zone == clock->zone + SUMMER && rest <= PROMPT))
			take_zone(clock, zone, rest);
		else if (zone < clock->zone + SUMMER)
			clock->later = 0;
		else if (++clock->later == AGREE)
			take_zone(clock, zone, rest);
	}
	clock->by_ids = true;
}

bool
qf_log_clock_sample(struct qf_log_clock *clock, const struct qf_log_head *head, struct qf_slice id)
{
	int64_t rest;
	int zone;

	if (!zone_told(clock, head, id, &zone, &rest))
		return true;
	if (!clock->given_zone) {
		/* Not that the first message took an hour: summer time ended after it. */
		if (clock->by_ids && zone == clock->zone - SUMMER && rest <= PROMPT &&
		    clock->rest <= PROMPT)
			return false;
		if (!clock->by_ids || zone < clock->zone)
			take_zone(clock, zone, rest);
	}
	clock->by_ids = true;
	return true;
}

bool
qf_log_clock_expect(struct qf_log_clock *clock, const struct qf_log_head *head, struct qf_slice id)
{
	int64_t rest;
	int zone;

	clock->next = clock->zone;
	clock->leap = clock->change = INT64_MAX;
	if (clock->by_ids && !clock->given_zone && zone_told(clock, head, id, &zone, &rest) &&
	    rest <= PROMPT && (zone == clock->zone + SUMMER || zone == clock->zone - SUMMER))
		clock->next = zone;
	return clock->next > clock->zone;
}

/* No line is of the hour that was left out. Of several such pauses, the shortest is no other. */
void
qf_log_clock_between(struct qf_log_clock *clock, const struct qf_log_head *head, int64_t *local)
{
	int64_t now = head->has_year ? head->local : in_year(head, clock->year);

	if (*local != QF_TIME_NONE && now - *local >= SUMMER && now - *local < clock->leap) {
		clock->leap = now - *local;
		clock->change = now;
	}
	*local = now;
}
