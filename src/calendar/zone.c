/* zone.c - local time by localtime_r() alone. */
#include "calendar/zone.h"

#include <time.h>

#define FAR (INT64_C(26) * 3600) /* no zone lies farther from UTC */

/* Days from 1970 to a date of the Gregorian calendar; MONTH from 0. The year
 * is counted from March, so that a leap day is its last. */
static int64_t
days_of(int64_t year, int64_t month, int64_t day)
{
	int64_t era, of_era, of_year;

	year -= month < 2;
	era = (year >= 0 ? year : year - 399) / 400;
	of_era = year - era * 400;
	of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - 719468;
}

/* A time beyond every calendar counts as UTC. */
static int64_t
wall_at(int64_t now)
{
	time_t at = (time_t)now;
	struct tm tm;

	if (localtime_r(&at, &tm) == NULL)
		return now;
	return days_of((int64_t)tm.tm_year + 1900, tm.tm_mon, tm.tm_mday) *
	           SLED_ZONE_DAY +
	       (int64_t)tm.tm_hour * 3600 + (int64_t)tm.tm_min * 60 + tm.tm_sec;
}

static int64_t
east_at(int64_t now)
{
	return wall_at(now) - now;
}

int64_t
sled_zone_date(int64_t now)
{
	int64_t wall = wall_at(now);

	return (wall >= 0 ? wall : wall - (SLED_ZONE_DAY - 1)) / SLED_ZONE_DAY;
}

struct sled_zone
sled_zone_around(int64_t wall, int64_t span_s)
{
	int64_t low = wall - FAR, high = wall + span_s + FAR;
	struct sled_zone zone = { .before = east_at(low),
		                  .after = east_at(high) };

	if (zone.before == zone.after)
		return zone;
	while (high - low > 1) {
		int64_t middle = low + (high - low) / 2;

		if (east_at(middle) == zone.before)
			low = middle;
		else
			high = middle;
	}
	zone.change = high;
	return zone;
}

int64_t
sled_zone_instant(const struct sled_zone *zone, int64_t wall)
{
	int64_t early = wall - zone->before, late = wall - zone->after;

	if (zone->before == zone->after || early < zone->change)
		return early;
	return late > zone->change ? late : zone->change;
}
