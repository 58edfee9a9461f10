/* test_calendar_openings.c - openings and days, in zones with odd clocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "mailsled/calendar.h"

#define MINUTE 60
#define HOUR   3600
#define DAY    86400
#define MON    0x01
#define FRI    0x10
#define SUN    0x40
#define ALL    0x7f

/* Rules written out: no tzdata is needed for these. */
#define BERLIN    "CET-1CEST,M3.5.0,M10.5.0/3"
#define NEW_YORK  "EST5EDT,M3.2.0,M11.1.0"
#define LORD_HOWE "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"
#define KATHMANDU "<+0545>-5:45"
/* Skips and doubles the hour around midnight. */
#define MIDNIGHT "AAA5BBB,M4.1.0/0,M10.5.0/0:30"

static void
use_zone(const char *zone)
{
	assert_int_equal(setenv("TZ", zone, 1), 0);
	tzset();
}

/* 2026-03-29 is written 20260329, 06:30 is 630. */
static int64_t
utc(int date, int clock)
{
	struct tm tm = { .tm_year = date / 10000 - 1900,
		         .tm_mon = date / 100 % 100 - 1,
		         .tm_mday = date % 100,
		         .tm_hour = clock / 100,
		         .tm_min = clock % 100 };

	return timegm(&tm);
}

static struct sled_conf_window
window(uint8_t days, int from, int to)
{
	return (struct sled_conf_window){
		.days = days,
		.from_min = (uint16_t)(from / 100 * 60 + from % 100),
		.to_min = (uint16_t)(to / 100 * 60 + to % 100),
	};
}

static struct sled_conf_schedule
schedule_of(struct sled_conf_window *windows, size_t count)
{
	return (struct sled_conf_schedule){ .windows = windows,
		                            .windows_len = count };
}

static void
expect_next(struct sled_conf_window *windows, size_t count, int64_t now,
            int64_t from, int64_t until)
{
	struct sled_conf_schedule schedule = schedule_of(windows, count);
	struct sled_opening out;

	assert_true(sled_calendar_next(&schedule, now, &out));
	assert_int_equal(out.from, from);
	assert_int_equal(out.until, until);
}

static void
without_windows_it_is_always_open(void **state)
{
	(void)state;
	use_zone("UTC0");
	expect_next(NULL, 0, 12345, 12345, SLED_CALENDAR_ALWAYS);
}

static void
a_window_is_found_before_within_and_after(void **state)
{
	struct sled_conf_window w = window(MON | FRI, 600, 620);
	int64_t mon = utc(20260105, 600), fri = utc(20260109, 600);

	(void)state;
	use_zone("UTC0");
	expect_next(&w, 1, mon - 2 * DAY, mon, mon + 20 * MINUTE);
	expect_next(&w, 1, mon, mon, mon + 20 * MINUTE);
	expect_next(&w, 1, mon + 20 * MINUTE - 1, mon, mon + 20 * MINUTE);
	expect_next(&w, 1, mon + 20 * MINUTE, fri, fri + 20 * MINUTE);
}

static void
overlapping_and_touching_windows_are_one(void **state)
{
	struct sled_conf_window w[] = { window(ALL, 800, 900),
		                        window(ALL, 600, 700),
		                        window(ALL, 630, 645),
		                        window(ALL, 700, 730) };
	int64_t six = utc(20260105, 600);

	(void)state;
	use_zone("UTC0");
	expect_next(w, 4, six + HOUR, six, six + HOUR + 30 * MINUTE);
	expect_next(w, 4, six + 90 * MINUTE, six + 2 * HOUR, six + 3 * HOUR);
}

static void
a_window_goes_over_midnight_and_meets_the_next_day(void **state)
{
	struct sled_conf_window w[] = { window(SUN, 2300, 200),
		                        window(MON, 200, 300) };
	int64_t late = utc(20260104, 2300);

	(void)state;
	use_zone("UTC0");
	expect_next(w, 2, late + 3 * HOUR, late, late + 4 * HOUR);
	expect_next(w, 1, late + 3 * HOUR, late + 7 * DAY,
	            late + 7 * DAY + 3 * HOUR);
}

static void
a_week_that_is_all_open_never_closes(void **state)
{
	struct sled_conf_window all = window(ALL, 0, 2400);
	struct sled_conf_window work = window(0x1f, 0, 2400);
	struct sled_conf_window halves[] = { window(ALL, 1800, 300),
		                             window(ALL, 300, 1800) };
	struct sled_conf_schedule schedule = schedule_of(&all, 1);
	struct sled_opening out;

	(void)state;
	use_zone(BERLIN);
	for (int i = 0; i < 2; i++) {
		int64_t now = utc(20260329, 30) + i * 3 * HOUR;

		schedule =
		    i == 0 ? schedule_of(&all, 1) : schedule_of(halves, 2);
		assert_true(sled_calendar_next(&schedule, now, &out));
		assert_true(out.from <= now);
		assert_true(out.until == SLED_CALENDAR_ALWAYS);
	}
	use_zone("UTC0");
	expect_next(&work, 1, utc(20260108, 1200), utc(20260105, 0),
	            utc(20260110, 0));
}

static void
windows_on_no_day_never_open(void **state)
{
	struct sled_conf_window w = window(0, 600, 700);
	struct sled_conf_schedule schedule = schedule_of(&w, 1);
	struct sled_opening out;

	(void)state;
	use_zone("UTC0");
	assert_false(sled_calendar_next(&schedule, 0, &out));
}

static void
a_window_in_a_skipped_hour_opens_behind_it(void **state)
{
	struct sled_conf_window begins = window(ALL, 230, 400);
	struct sled_conf_window whole = window(ALL, 210, 240);
	struct sled_conf_window ends = window(ALL, 130, 230);
	int64_t change = utc(20260329, 100);

	(void)state;
	use_zone(BERLIN);
	expect_next(&begins, 1, change - HOUR, change, change + HOUR);
	expect_next(&whole, 1, change - HOUR, change, change + 30 * MINUTE);
	expect_next(&ends, 1, change - HOUR, change - 30 * MINUTE, change);
}

static void
a_window_in_a_doubled_hour_opens_once(void **state)
{
	struct sled_conf_window w = window(ALL, 215, 245);
	struct sled_conf_window over = window(ALL, 230, 330);
	int64_t two = utc(20261025, 0);

	(void)state;
	use_zone(BERLIN);
	expect_next(&w, 1, two, two + 15 * MINUTE, two + 45 * MINUTE);
	/* The next is tomorrow's, an hour later by UTC. */
	expect_next(&w, 1, two + 45 * MINUTE, two + 25 * HOUR + 15 * MINUTE,
	            two + 25 * HOUR + 45 * MINUTE);
	expect_next(&over, 1, two, two + 30 * MINUTE,
	            two + 2 * HOUR + 30 * MINUTE);
}

static void
half_an_hour_of_summer_is_kept(void **state)
{
	struct sled_conf_window w = window(ALL, 200, 300);
	int64_t change = utc(20261003, 1530);

	(void)state;
	use_zone(LORD_HOWE);
	expect_next(&w, 1, change - HOUR, change, change + 30 * MINUTE);
}

static void
a_date_that_the_zone_skips_has_no_windows(void **state)
{
	struct sled_conf_window fri = window(FRI, 800, 900);
	struct sled_conf_window late = window(0x08, 2200, 200);
	int64_t change = utc(20111230, 1000);

	(void)state;
	use_zone("Pacific/Apia");
	if (sled_calendar_day_end(change - HOUR) != change)
		skip();
	expect_next(&fri, 1, change - HOUR, change + 6 * DAY + 8 * HOUR,
	            change + 6 * DAY + 9 * HOUR);
	expect_next(&late, 1, change - HOUR, change - 2 * HOUR, change);
	assert_int_equal(sled_calendar_day(change), change);
	assert_int_equal(sled_calendar_month_end(change), change + DAY);
}

/* The oracle: minute by minute, by the wall clock's highest mark so far. */
struct mark {
	int64_t high;      /* in minutes since 1970, as if UTC */
	int64_t held[256]; /* ends of what a skip swallowed */
};

static int64_t
wall_minute(int64_t now)
{
	time_t at = now;
	struct tm tm;

	assert_non_null(localtime_r(&at, &tm));
	tm.tm_isdst = 0;
	return timegm(&tm) / MINUTE;
}

static bool
slow_is_open(const struct sled_conf_schedule *s, struct mark *mark, int64_t now)
{
	int64_t was = mark->high, wall = wall_minute(now);
	bool open = false;

	mark->high = wall > was ? wall : was;
	for (int64_t back = 0; back <= 1; back++)
		for (size_t i = 0; i < s->windows_len; i++) {
			const struct sled_conf_window *w = &s->windows[i];
			int64_t date = mark->high / 1440 - back;
			int64_t from = date * 1440 + w->from_min;
			int64_t until = date * 1440 + w->to_min;

			if ((w->days >> (date + 3) % 7 & 1) == 0)
				continue;
			if (until <= from)
				until += 1440;
			if (was < from && mark->high >= until)
				mark->held[i] = now / MINUTE + until - from;
			open |= from <= mark->high && mark->high < until;
		}
	for (size_t i = 0; i < s->windows_len; i++)
		open |= now / MINUTE < mark->held[i];
	return open;
}

static struct sled_conf_window
random_window(void)
{
	struct sled_conf_window w;

	w.days = (uint8_t)(rand() % ALL + 1);
	w.from_min = (uint16_t)(rand() % 1440);
	/* Many near the hours at which clocks change. */
	if (rand() % 2 == 0)
		w.from_min = (uint16_t)(rand() % 240);
	w.to_min = (uint16_t)(rand() % 1440 + 1);
	if (rand() % 2 == 0)
		w.to_min = (uint16_t)((w.from_min + rand() % 50) % 1440 + 1);
	if (w.to_min == w.from_min)
		w.to_min = (uint16_t)(w.to_min % 1440 + 1);
	return w;
}

/* Walk a year; what sled_calendar_next() says at a minute must be so for as
 * long as it reaches. Asked anew at random minutes too. */
static void
walk_year(const struct sled_conf_schedule *schedule, int64_t start)
{
	struct mark mark = { .high = wall_minute(start - 2 * DAY) };
	struct sled_opening out = { 0, 0 };
	size_t opened = 0;

	for (int64_t now = start - 2 * DAY; now < start + 366 * DAY;
	     now += MINUTE) {
		bool open = slow_is_open(schedule, &mark, now);

		if (now < start)
			continue;
		if (now >= out.until || rand() % 5000 == 0) {
			assert_true(sled_calendar_next(schedule, now, &out));
			assert_true(out.until > now);
			opened++;
		}
		if (open != sled_opening_has(&out, now))
			fail_msg("%s, %lld: %sopen", getenv("TZ"),
			         (long long)now, open ? "" : "not ");
	}
	assert_true(opened > 2);
}

static void
a_year_is_as_the_slow_oracle_says(void **state)
{
	static const char *const zones[] = { "UTC0",    BERLIN,   NEW_YORK,
		                             LORD_HOWE, MIDNIGHT, KATHMANDU };

	(void)state;
	for (unsigned seed = 0; seed < 18; seed++) {
		struct sled_conf_window windows[6];
		struct sled_conf_schedule schedule;

		use_zone(zones[seed % 6]);
		srand(seed);
		schedule = schedule_of(windows, (size_t)rand() % 6 + 1);
		for (size_t i = 0; i < schedule.windows_len; i++)
			windows[i] = random_window();
		walk_year(&schedule, utc(20260101, 0) + rand() % DAY / 60 * 60);
	}
}

static void
days_and_months_begin_at_local_midnight(void **state)
{
	(void)state;
	use_zone(BERLIN);
	assert_int_equal(sled_calendar_day(utc(20260329, 1200)),
	                 utc(20260328, 2300));
	assert_int_equal(sled_calendar_day_end(utc(20260329, 1200)),
	                 utc(20260329, 2200));
	assert_int_equal(sled_calendar_month(utc(20260331, 2159)),
	                 utc(20260228, 2300));
	assert_int_equal(sled_calendar_month_end(utc(20260331, 2159)),
	                 utc(20260331, 2200));
	assert_int_equal(sled_calendar_month(utc(20260331, 2200)),
	                 utc(20260331, 2200));
	use_zone(KATHMANDU);
	assert_int_equal(sled_calendar_day(utc(20260105, 1815)),
	                 utc(20260105, 1815));
	assert_int_equal(sled_calendar_day(utc(20260105, 1814)),
	                 utc(20260104, 1815));
	use_zone("UTC0");
	assert_int_equal(sled_calendar_month_end(utc(20280210, 0)),
	                 utc(20280301, 0));
	assert_int_equal(sled_calendar_month_end(utc(20261231, 2359)),
	                 utc(20270101, 0));
}

/* Sums by day rest on it: no instant in two days, none in no day. */
static void
days_and_months_tile_the_year(void **state)
{
	static const char *const zones[] = { "UTC0", BERLIN, LORD_HOWE,
		                             MIDNIGHT };

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		int64_t day, month;

		use_zone(zones[i]);
		day = sled_calendar_day(utc(20260101, 0));
		month = sled_calendar_month(utc(20260101, 0));
		for (int64_t now = utc(20260101, 0); now < utc(20270201, 0);
		     now += 10 * MINUTE) {
			if (now >= sled_calendar_day_end(day))
				day = sled_calendar_day_end(day);
			if (now >= sled_calendar_month_end(month))
				month = sled_calendar_month_end(month);
			assert_int_equal(sled_calendar_day(now), day);
			assert_int_equal(sled_calendar_month(now), month);
			assert_true(sled_calendar_day_end(now) > now);
			assert_true(sled_calendar_month_end(now) > now);
			assert_true(month <= day);
		}
	}
}

static void
a_look_far_ahead_is_cheap(void **state)
{
	struct sled_conf_window w[40];
	struct sled_conf_schedule schedule = schedule_of(w, 40);
	struct timespec from, to;
	struct sled_opening out;

	(void)state;
	use_zone(BERLIN);
	for (size_t i = 0; i < 40; i++)
		w[i] = window(0, 600, 700);
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from), 0);
	for (int i = 0; i < 20; i++)
		assert_false(sled_calendar_next(&schedule, 0, &out));
	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to), 0);
	/* About 1 ms each; a hundred times that would be a loop. */
	assert_true(to.tv_sec - from.tv_sec <= 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_windows_it_is_always_open),
		cmocka_unit_test(a_window_is_found_before_within_and_after),
		cmocka_unit_test(overlapping_and_touching_windows_are_one),
		cmocka_unit_test(
		    a_window_goes_over_midnight_and_meets_the_next_day),
		cmocka_unit_test(a_week_that_is_all_open_never_closes),
		cmocka_unit_test(windows_on_no_day_never_open),
		cmocka_unit_test(a_window_in_a_skipped_hour_opens_behind_it),
		cmocka_unit_test(a_window_in_a_doubled_hour_opens_once),
		cmocka_unit_test(half_an_hour_of_summer_is_kept),
		cmocka_unit_test(a_date_that_the_zone_skips_has_no_windows),
		cmocka_unit_test(a_year_is_as_the_slow_oracle_says),
		cmocka_unit_test(days_and_months_begin_at_local_midnight),
		cmocka_unit_test(days_and_months_tile_the_year),
		cmocka_unit_test(a_look_far_ahead_is_cheap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
