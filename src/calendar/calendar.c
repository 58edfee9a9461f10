/* calendar.c - openings in their order, day by day; see mailsled/calendar.h. */
#include "mailsled/calendar.h"

#include <time.h>

#include "calendar/zone.h"

#define BACK_DAYS  16 /* a week that is not all open closes within it */
#define AHEAD_DAYS 400
/* Longer ones never close: of the week, a change of the clock can swallow one
 * break between two windows, not two in a row. */
#define ENDLESS_S (15 * (int64_t)SLED_ZONE_DAY)

/* The windows of one date, from the earliest to the latest. */
struct walk {
	const struct sled_conf_schedule *schedule;
	struct sled_zone zone;
	int64_t date;
	uint8_t day; /* its bit in sled_conf_window.days; 0: no such date */
	size_t last; /* index of the window handed out; windows_len: none */
};

/* A date that the zone skips has no instant of its own. */
static struct walk
begin_date(const struct sled_conf_schedule *schedule, int64_t date)
{
	int64_t wall = date * SLED_ZONE_DAY;
	struct walk walk = { .schedule = schedule,
		             .zone = sled_zone_around(wall, INT64_C(2) *
		                                                SLED_ZONE_DAY),
		             .date = date,
		             .last = schedule->windows_len };

	/* 1 January 1970 was a Thursday, which is bit 3. */
	if (sled_zone_instant(&walk.zone, wall) <
	    sled_zone_instant(&walk.zone, wall + SLED_ZONE_DAY))
		walk.day = (uint8_t)(1U << (((date + 3) % 7 + 7) % 7));
	return walk;
}

static bool
is_before(const struct walk *walk, size_t a, size_t b)
{
	unsigned from_a = walk->schedule->windows[a].from_min;
	unsigned from_b = walk->schedule->windows[b].from_min;

	return from_a < from_b || (from_a == from_b && a < b);
}

/* One that lies wholly in a skipped hour keeps its length behind it. */
static struct sled_opening
place(const struct walk *walk, const struct sled_conf_window *window)
{
	int64_t wall = walk->date * SLED_ZONE_DAY;
	int64_t from = wall + (int64_t)window->from_min * 60;
	int64_t until = wall + (int64_t)window->to_min * 60;
	struct sled_opening out;

	if (window->to_min <= window->from_min)
		until += SLED_ZONE_DAY;
	out.from = sled_zone_instant(&walk->zone, from);
	out.until = sled_zone_instant(&walk->zone, until);
	if (out.until <= out.from)
		out.until = out.from + (until - from);
	return out;
}

static bool
next_window(struct walk *walk, struct sled_opening *out)
{
	const struct sled_conf_schedule *schedule = walk->schedule;
	size_t none = schedule->windows_len, best = none;

	for (size_t i = 0; i < schedule->windows_len; i++) {
		if ((schedule->windows[i].days & walk->day) == 0 ||
		    (walk->last != none && !is_before(walk, walk->last, i)))
			continue;
		if (best == none || is_before(walk, i, best))
			best = i;
	}
	if (best == none)
		return false;
	walk->last = best;
	*out = place(walk, &schedule->windows[best]);
	return true;
}

/* Adds WINDOW to OUT where the two meet; false when OUT is complete, and is
 * what was looked for. */
static bool
join(struct sled_opening *out, const struct sled_opening *window, int64_t now)
{
	if (window->from > out->until) {
		if (out->until > now)
			return false;
		*out = *window;
	} else if (window->until > out->until) {
		out->until = window->until;
	}
	if (out->until <= now || out->until - out->from <= ENDLESS_S)
		return true;
	out->until = SLED_CALENDAR_ALWAYS;
	return false;
}

bool
sled_calendar_next(const struct sled_conf_schedule *schedule, int64_t now,
                   struct sled_opening *out)
{
	struct sled_opening found = { INT64_MIN / 2, INT64_MIN / 2 };
	struct sled_opening window;
	int64_t today = sled_zone_date(now);

	*out = (struct sled_opening){ now, SLED_CALENDAR_ALWAYS };
	if (schedule->windows_len == 0)
		return true;
	for (int64_t date = today - BACK_DAYS; date <= today + AHEAD_DAYS;
	     date++) {
		struct walk walk = begin_date(schedule, date);

		while (next_window(&walk, &window))
			if (!join(&found, &window, now)) {
				*out = found;
				return true;
			}
	}
	*out = found;
	return found.until > now;
}

void
sled_calendar_reread(void)
{
	tzset();
}

static int64_t
day_start(int64_t date)
{
	int64_t wall = date * SLED_ZONE_DAY;
	struct sled_zone zone = sled_zone_around(wall, 0);

	return sled_zone_instant(&zone, wall);
}

/* The last date that began at NOW or before it. A clock put back over midnight
 * shows the date before once more: the day that began goes on. */
static int64_t
date_of(int64_t now)
{
	int64_t date = sled_zone_date(now);

	while (day_start(date + 1) <= now)
		date++;
	return date;
}

int64_t
sled_calendar_day(int64_t now)
{
	return day_start(date_of(now));
}

int64_t
sled_calendar_day_end(int64_t now)
{
	return day_start(date_of(now) + 1);
}

/* The day of the month that DATE, in days since 1970, is; *length: of that
 * month. */
static int64_t
month_day(int64_t date, int64_t *length)
{
	static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30,
		                           31, 31, 30, 31, 30, 31 };
	time_t midnight = (time_t)(date * SLED_ZONE_DAY);
	struct tm tm;

	*length = 30;
	if (gmtime_r(&midnight, &tm) == NULL)
		return 1;
	*length = lengths[tm.tm_mon];
	if (tm.tm_mon == 1 && tm.tm_year % 4 == 0 &&
	    (tm.tm_year % 100 != 0 || tm.tm_year % 400 == 100))
		*length = 29;
	return tm.tm_mday;
}

int64_t
sled_calendar_month(int64_t now)
{
	int64_t date = date_of(now), length;

	return day_start(date - month_day(date, &length) + 1);
}

int64_t
sled_calendar_month_end(int64_t now)
{
	int64_t date = date_of(now), length;
	int64_t day = month_day(date, &length);

	return day_start(date - day + 1 + length);
}
