/* bins.c - days, weeks and months. */
#include <time.h>

#include "internal.h"

#define DAY_S 86400
#define MOST  93 /* bins of days or weeks */
#define LEAST 7  /* days: fewer look lost */
#define WEEK  7

int64_t
sled_charts_day(int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm = { .tm_mday = 1 };

	if (localtime_r(&t, &tm) == NULL)
		return when / DAY_S;
	return (int64_t)timegm(&(struct tm){ .tm_year = tm.tm_year,
	                                     .tm_mon = tm.tm_mon,
	                                     .tm_mday = tm.tm_mday }) /
	       DAY_S;
}

int64_t
sled_charts_month(int64_t day)
{
	time_t t = (time_t)(day * DAY_S);
	struct tm tm = { .tm_mday = 1 };

	if (gmtime_r(&t, &tm) == NULL)
		return 0;
	return 12 * ((int64_t)tm.tm_year + 1900) + tm.tm_mon;
}

struct sled_bins
sled_bins_months(int64_t first, int64_t last)
{
	if (first > last)
		first = last;
	return (struct sled_bins){ true, first, 1, (size_t)(last - first) + 1,
		                   "month" };
}

struct sled_bins
sled_bins_make(int64_t first, int64_t last)
{
	int64_t monday;

	if (first > last - LEAST + 1)
		first = last - LEAST + 1;
	if (last - first < MOST)
		return (struct sled_bins){ false, first, 1,
			                   (size_t)(last - first) + 1, "day" };
	/* 1970-01-05 was a Monday. */
	monday = first - (first - 4) % WEEK;
	if (last - monday < (int64_t)MOST * WEEK)
		return (struct sled_bins){ false, monday, WEEK,
			                   (size_t)((last - monday) / WEEK) + 1,
			                   "week" };
	return sled_bins_months(sled_charts_month(first),
	                        sled_charts_month(last));
}

struct sled_bins
sled_bins_of(const struct sled_charts *charts)
{
	const struct sled_history *history = charts->history;
	int64_t first = charts->since;

	/* Newest first: nothing is shown of the time before the first. */
	if (history->len > 0 &&
	    history->list[history->len - 1].row.began > first)
		first = history->list[history->len - 1].row.began;
	return sled_bins_make(sled_charts_day(first),
	                      sled_charts_day(charts->now));
}

size_t
sled_bins_at(const struct sled_bins *bins, int64_t at)
{
	at -= bins->from;
	if (at < 0)
		return 0;
	at /= bins->step;
	return (size_t)at < bins->len ? (size_t)at : bins->len - 1;
}

size_t
sled_bins_when(const struct sled_bins *bins, int64_t when)
{
	int64_t day = sled_charts_day(when);

	return sled_bins_at(bins, bins->months ? sled_charts_month(day) : day);
}
