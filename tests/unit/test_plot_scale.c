/* test_plot_scale.c - ticks are round, values have their unit, days are named
 * as seldom as there is room for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plot/internal.h"

static struct sled_plot
one(enum sled_plot_unit unit, const struct sled_plot_series *series)
{
	return (struct sled_plot){
		.kind = SLED_PLOT_BARS,
		.scale = { unit, "USD" },
		.len = 1,
		.series = series,
		.series_len = 1,
	};
}

/* All ticks, with a blank between. */
static void
write_ticks(char out[256], const struct sled_plot *plot)
{
	struct sled_ticks ticks = sled_plot_ticks(plot);
	double value = 0;

	out[0] = '\0';
	for (int i = 0; sled_plot_tick(&ticks, i, &value); i++) {
		char text[SLED_PLOT_WORD];
		size_t len = strlen(out);

		sled_plot_tick_text(text, &plot->scale, &ticks, value);
		(void)snprintf(out + len, 256 - len, "%s%s", i == 0 ? "" : "|",
		               text);
	}
}

static void
ticks_are_round_and_of_one_unit(void **state)
{
	static const struct {
		enum sled_plot_unit unit;
		double most;
		const char *want;
	} cases[] = {
		{ SLED_PLOT_COUNT, 0, "0|1" },
		{ SLED_PLOT_COUNT, 1, "0|1" },
		{ SLED_PLOT_COUNT, 3, "0|1|2|3" },
		{ SLED_PLOT_COUNT, 44, "0|20|40|60" },
		{ SLED_PLOT_COUNT, 100, "0|50|100" },
		{ SLED_PLOT_BYTES, 512, "0|200 B|400 B|600 B" },
		{ SLED_PLOT_BYTES, 2.1e6, "0|1 MB|2 MB|3 MB" },
		{ SLED_PLOT_BYTES, 1.9e6, "0|0.5 MB|1.0 MB|1.5 MB|2.0 MB" },
		{ SLED_PLOT_RATE, 9000, "0|5 kB/s|10 kB/s" },
		{ SLED_PLOT_MS, 120, "0|50 ms|100 ms|150 ms" },
		{ SLED_PLOT_MS, 900, "0|0.5 s|1.0 s" },
		{ SLED_PLOT_MS, 100e3, "0|30 s|60 s|90 s|120 s" },
		{ SLED_PLOT_MS, 200e3, "0|1 min|2 min|3 min|4 min" },
		{ SLED_PLOT_MS, 5 * 86400e3, "0|2 days|4 days|6 days" },
		{ SLED_PLOT_MONEY, 1.9e6, "0|0.5|1.0|1.5|2.0" },
		{ SLED_PLOT_MONEY, 17e6, "0|5|10|15|20" },
		{ SLED_PLOT_SHARE, 0.26, "0|10 %|20 %|30 %" },
		{ SLED_PLOT_SHARE, 1, "0|50 %|100 %" },
		{ SLED_PLOT_SHARE, 0, "0|0.1 %" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sled_plot_series series = { "a", &cases[i].most, 0, 0 };
		struct sled_plot plot = one(cases[i].unit, &series);
		char text[256];

		write_ticks(text, &plot);
		assert_string_equal(text, cases[i].want);
	}
}

/* Whatever the highest value: it fits below the top, of 2 to 6 ticks. */
static void
every_height_has_room_and_few_ticks(void **state)
{
	(void)state;
	for (int unit = SLED_PLOT_COUNT; unit <= SLED_PLOT_SHARE; unit++)
		for (double most = 0.0007; most < 1e15; most *= 1.37) {
			struct sled_plot_series series = { "a", &most, 0, 0 };
			struct sled_plot plot =
			    one((enum sled_plot_unit)unit, &series);
			struct sled_ticks ticks = sled_plot_ticks(&plot);
			double value = 0, height;
			int count = 0;

			while (sled_plot_tick(&ticks, count, &value))
				count++;
			assert_in_range(count, 2, 6);
			height = sled_plot_height(&ticks, most);
			assert_true(height > 0 && height <= 1);
		}
}

static void
a_scale_by_tens_shows_small_and_large(void **state)
{
	static const double values[] = { 300, NAN, 0, 900000 };
	struct sled_plot_series series = { "a", values, 0, 0 };
	struct sled_plot plot = one(SLED_PLOT_RATE, &series);
	struct sled_ticks ticks;
	char text[256];

	(void)state;
	plot.kind = SLED_PLOT_TENS;
	plot.len = 4;
	write_ticks(text, &plot);
	assert_string_equal(text, "100 B/s|1 kB/s|10 kB/s|100 kB/s|1 MB/s");
	ticks = sled_plot_ticks(&plot);
	assert_true(fabs(sled_plot_height(&ticks, 100)) < 1e-9);
	assert_true(fabs(sled_plot_height(&ticks, 10e3) - 0.5) < 1e-9);
	assert_true(fabs(sled_plot_height(&ticks, 1e6) - 1) < 1e-9);
	assert_true(fabs(sled_plot_height(&ticks, 0)) < 1e-9);
}

static void
values_have_a_unit_that_fits_them(void **state)
{
	static const struct {
		enum sled_plot_unit unit;
		double value;
		const char *want;
	} cases[] = {
		{ SLED_PLOT_COUNT, 12, "12" },
		{ SLED_PLOT_COUNT, 13.31, "13.3" },
		{ SLED_PLOT_COUNT, NAN, "-" },
		{ SLED_PLOT_BYTES, 0, "0 B" },
		{ SLED_PLOT_BYTES, 999, "999 B" },
		{ SLED_PLOT_BYTES, 999.7, "1.0 kB" },
		{ SLED_PLOT_BYTES, 4600000, "4.6 MB" },
		{ SLED_PLOT_BYTES, 46e6, "46 MB" },
		{ SLED_PLOT_BYTES, 5e15, "5000 TB" },
		{ SLED_PLOT_RATE, 48000, "48 kB/s" },
		{ SLED_PLOT_MS, 620, "620 ms" },
		{ SLED_PLOT_MS, 4210, "4.2 s" },
		{ SLED_PLOT_MS, 42100, "42 s" },
		{ SLED_PLOT_MS, 59700, "1 min 0 s" },
		{ SLED_PLOT_MS, 3600e3 + 125e3, "1 h 2 min" },
		{ SLED_PLOT_MS, 3 * 86400e3, "3 days" },
		{ SLED_PLOT_MONEY, 960000, "0.96 USD" },
		{ SLED_PLOT_MONEY, 4800, "0.0048 USD" },
		{ SLED_PLOT_MONEY, 681290, "0.68 USD" },
		{ SLED_PLOT_SHARE, 0.0132, "1.3 %" },
		{ SLED_PLOT_SHARE, 0.26, "26 %" },
		{ SLED_PLOT_SHARE, 0, "0 %" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sled_plot_scale scale = { cases[i].unit, "USD" };
		char text[SLED_PLOT_WORD];

		sled_plot_value(text, &scale, cases[i].value);
		assert_string_equal(text, cases[i].want);
	}
}

/* ---- below the points ---- */

struct across {
	bool months;
	int64_t from;
	unsigned step;
	size_t len;
	const char *want; /* each mark with its point; () only where wide */
};

static void
expect_marks(const struct across *across)
{
	struct sled_plot plot = {
		.across = { .months = across->months,
		            .from = across->from,
		            .step = across->step },
		.len = across->len,
	};
	char all[512] = "";

	for (size_t i = 0; i < plot.len; i++) {
		char text[SLED_PLOT_WORD] = "";
		enum sled_mark mark = sled_plot_mark(text, &plot, i);
		size_t len = strlen(all);

		if (mark != SLED_MARK_NONE)
			(void)snprintf(all + len, sizeof(all) - len,
			               mark == SLED_MARK_WIDE ? "(%zu %s)"
			                                      : "[%zu %s]",
			               i, text);
	}
	assert_string_equal(all, across->want);
}

#define NOV_23 20780 /* 2026-11-23, a Monday */
#define MONTH  (12 * 2026 + 10)

static void
days_weeks_and_months_are_named(void **state)
{
	static const struct across cases[] = {
		{ false, NOV_23, 1, 4,
		  "[0 23 Nov][1 24 Nov][2 25 Nov][3 26 Nov]" },
		{ false, NOV_23, 1, 7,
		  "[0 23 Nov](1 24 Nov)[2 25 Nov](3 26 Nov)[4 27 Nov]"
		  "(5 28 Nov)[6 29 Nov]" },
		{ false, NOV_23 - 1, 1, 31,
		  "[1 23 Nov][8 30 Nov][15 7 Dec][22 14 Dec][29 21 Dec]" },
		{ false, NOV_23, 1, 93, "[8 Dec][39 2027][70 Feb]" },
		{ false, NOV_23, 7, 40,
		  "(1 Dec)[5 2027](10 Feb)[14 Mar](18 Apr)[22 May](27 Jun)"
		  "[31 Jul](35 Aug)" },
		{ true, MONTH, 1, 3, "[0 Nov][1 Dec][2 2027]" },
		{ true, 12 * 2017, 1, 120,
		  "(0 2017)[12 2018](24 2019)[36 2020](48 2021)[60 2022]"
		  "(72 2023)[84 2024](96 2025)[108 2026]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_marks(&cases[i]);
}

/* Of any length, neither a telephone nor a page gets more than it has room
 * for, and none is left without a mark. */
static void
marks_never_crowd(void **state)
{
	(void)state;
	for (size_t len = 7; len < 3000; len += 1 + len / 9)
		for (unsigned step = 1; step <= 7; step += 6) {
			struct sled_plot plot = {
				.across = { .from = NOV_23, .step = step },
				.len = len,
			};
			unsigned always = 0, wide = 0;

			for (size_t i = 0; i < len; i++) {
				char text[SLED_PLOT_WORD];
				enum sled_mark mark =
				    sled_plot_mark(text, &plot, i);

				always += mark == SLED_MARK_ALWAYS;
				wide += mark != SLED_MARK_NONE;
			}
			assert_in_range(always, 1, 7);
			assert_in_range(wide, 1, 14);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_are_round_and_of_one_unit),
		cmocka_unit_test(every_height_has_room_and_few_ticks),
		cmocka_unit_test(a_scale_by_tens_shows_small_and_large),
		cmocka_unit_test(values_have_a_unit_that_fits_them),
		cmocka_unit_test(days_weeks_and_months_are_named),
		cmocka_unit_test(marks_never_crowd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
