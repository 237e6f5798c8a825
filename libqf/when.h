/*
 * when - the calendar: proleptic Gregorian, UTC, without the C library's time zone state.
 */
#ifndef QF_LIBQF_WHEN_H
#define QF_LIBQF_WHEN_H

#include "qf.h"

/* Days from 1970-01-01 to a date. month is 1..12; a day beyond its month runs into the next.
   Exact for years within +-300,000,000,000. */
int64_t qf_when_days(int64_t year, unsigned month, unsigned day);
/* Days of a month, 1..12. */
unsigned qf_when_month_days(int64_t year, unsigned month);
/* The year a time lies in. */
int64_t qf_when_year(int64_t when);

#endif
