/*
 * zone.h - between times and what the clock on the wall shows.
 *
 * A wall time is counted in seconds as if the wall were in UTC. It belongs to
 * the first instant at which the wall shows it or more: in a skipped hour the
 * end of the skip, in an hour that comes twice the first of the two.
 */
#ifndef SLED_CALENDAR_ZONE_H
#define SLED_CALENDAR_ZONE_H

#include "mailsled/calendar.h"

#define SLED_ZONE_DAY 86400

/* What the zone does around some wall times; at most one change of it. */
struct sled_zone {
	int64_t before, after; /* seconds east of UTC */
	int64_t change;        /* the instant of it, when the two differ */
};

/* Days since 1970 of the local date at NOW. */
int64_t sled_zone_date(int64_t now);
/* The zone around the wall times from WALL to WALL + SPAN_S. */
struct sled_zone sled_zone_around(int64_t wall, int64_t span_s);
int64_t sled_zone_instant(const struct sled_zone *zone, int64_t wall);

#endif
