/* test_charts_figures.c - figures say what the ledger holds, sentences for
 * people included; nothing to show is said in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "charts/internal.h"
#include "fx_ledger.h"

#define DAY   86400
#define TODAY 20786 /* 2026-11-29 */
#define NOW   ((int64_t)TODAY * DAY + 19 * 3600)

static struct fx_tmp tmp;
static struct sled_ledger *ledger;
static struct sled_history history;
static struct sled_charts charts;
static struct sled_buf out;
static struct sled_err err;

static int
set_up(void **state)
{
	(void)state;
	(void)setenv("TZ", "UTC0", 1);
	tzset();
	err = (struct sled_err){ 0 };
	out = (struct sled_buf){ 0 };
	fx_tmp_make(&tmp);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
	history = (struct sled_history){ 0 };
	charts = (struct sled_charts){ ledger, &history,
		                       (int64_t)(TODAY - 30) * DAY, NOW };
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sled_buf_free(&out);
	sled_history_free(&history);
	sled_ledger_close(&ledger);
	fx_tmp_drop(&tmp);
	return 0;
}

static void
read_history(void)
{
	assert_true(
	    sled_history_read(&history, ledger, charts.since, NULL, 0, &err));
}

/* A round with one visit, so many days ago. */
static void
put(int64_t days, struct sled_round_row round, struct sled_visit_row visit)
{
	round.began = NOW - days * DAY;
	assert_true(sled_ledger_round_put(ledger, &round, &err));
	visit.began = round.began;
	visit.round = round.id;
	assert_true(sled_ledger_visit_put(ledger, &visit, &err));
}

static void
expect(const char *text)
{
	if (strstr(out.data, text) == NULL)
		fail_msg("\"%s\" is not in:\n%s", text, out.data);
}

static void
nothing_to_show_is_said_in_words(void **state)
{
	(void)state;
	read_history();
	assert_true(sled_charts_mail(&out, &charts, &err) &&
	            sled_charts_bytes(&out, &charts, &err) &&
	            sled_charts_cost(&out, &charts, &err) &&
	            sled_charts_visits(&out, &charts, &err) &&
	            sled_charts_phases(&out, &charts, &err) &&
	            sled_charts_link(&out, &charts, &err) &&
	            sled_charts_growth(&out, &charts, &err) &&
	            sled_charts_volumes(&out, &charts, &err) &&
	            sled_charts_places(&out, &charts, NULL, 0, &err));
	assert_null(strstr(out.data, "<svg"));
	expect("No mail came in this time.");
	expect("Nothing went over a wire.");
	expect("No link that was used has a price");
	expect("There was no visit in this time.");
	expect("No mail is stored yet.");
	expect("There is no archive yet.");
	expect("There is no place yet.");
}

static void
mail_and_bytes_are_told_by_day(void **state)
{
	(void)state;
	put(2, (struct sled_round_row){ .wire = 3000 },
	    (struct sled_visit_row){
		.label = "home", .fetched = 4, .mail_bytes = 2000 });
	put(2, (struct sled_round_row){ .wire = 1000 },
	    (struct sled_visit_row){
		.label = "work", .fetched = 1, .mail_bytes = 500 });
	put(0, (struct sled_round_row){ .wire = 500 },
	    (struct sled_visit_row){ .label = "home" });
	read_history();
	assert_true(sled_charts_mail(&out, &charts, &err));
	expect("5 messages came in 31 days, 0.2 a day; 5 in the fullest day.");
	expect("<th scope=\"row\">2026-11-27</th><td>4</td><td>1</td></tr>");
	expect("<th scope=\"row\">2026-11-28</th><td>0</td><td>0</td></tr>");
	out.len = 0;
	assert_true(sled_charts_bytes(&out, &charts, &err));
	expect("2.5 kB of mail came; the wire carried 4.5 kB both ways, 1.80 "
	       "times as much.");
	expect("<th scope=\"row\">2026-11-27</th><td>2.5 kB</td><td>1.5 kB</td>"
	       "</tr>");
	expect("<th scope=\"row\">2026-11-29</th><td>0 B</td><td>500 B</td>"
	       "</tr>");
}

static void
each_currency_has_its_figure(void **state)
{
	(void)state;
	put(1,
	    (struct sled_round_row){
		.link = "sat<0>", .currency = "USD", .money = 960000 },
	    (struct sled_visit_row){ .label = "home", .fetched = 4 });
	put(0,
	    (struct sled_round_row){
		.link = "ppp0", .currency = "EUR", .money = 2400000 },
	    (struct sled_visit_row){ .label = "home" });
	read_history();
	assert_true(sled_charts_cost(&out, &charts, &err));
	expect("0.96 USD in 31 days, 0.0310 USD a day; a message cost 0.24 "
	       "USD.");
	expect("2.40 EUR in 31 days, 0.0774 EUR a day.");
	expect("<th scope=\"col\">sat&lt;0&gt;</th>");
	expect("<th scope=\"row\">2026-11-29</th><td>2.40 EUR</td></tr>");
}

static void
visits_say_how_they_ended_and_where_time_went(void **state)
{
	(void)state;
	put(3, (struct sled_round_row){ .ms = 1 },
	    (struct sled_visit_row){ .label = "home",
	                             .ms = 5000,
	                             .ms_connect = 600,
	                             .ms_fetch = 3000 });
	put(3, (struct sled_round_row){ .ms = 1 },
	    (struct sled_visit_row){ .label = "home",
	                             .ms = 3000,
	                             .ms_tls = 1400,
	                             .ms_fetch = 1000,
	                             .exit = 75,
	                             .cut = true,
	                             .error = "silent <120 s>\x1b[2J" });
	read_history();
	assert_true(sled_charts_visits(&out, &charts, &err));
	expect("Of 2 visits 1 ended well, 1 was cut off and 0 failed; last: "
	       "silent &lt;120 s&gt;\\x1b[2J.");
	expect("<th scope=\"row\">2026-11-26</th><td>1</td><td>1</td></tr>");
	out.len = 0;
	assert_true(sled_charts_phases(&out, &charts, &err));
	expect("A visit took 4.0 s in the mean, most of it to fetch: 2.0 s.");
	expect("<th scope=\"row\">2026-11-26</th><td>300 ms</td><td>700 ms</td>"
	       "<td>2.0 s</td><td>1.0 s</td></tr>");
}

static void
dialling_counts_to_the_visit_where_all_are_known(void **state)
{
	static const char *const names[] = { "work" };

	(void)state;
	put(1, (struct sled_round_row){ .ms = 25000, .dialled = true },
	    (struct sled_visit_row){
		.label = "home", .ms = 5000, .ms_fetch = 5000 });
	put(1, (struct sled_round_row){ .ms = 25000 },
	    (struct sled_visit_row){
		.label = "work", .ms = 5000, .ms_fetch = 5000 });
	read_history();
	assert_true(sled_charts_phases(&out, &charts, &err));
	expect("A visit took 15 s in the mean, most of it to dial and hang up: "
	       "10 s.");
	expect("<td>10 s</td><td>5.0 s</td></tr>");
	sled_history_free(&history);
	out.len = 0;
	assert_true(sled_history_read(&history, ledger, 0, names, 1, &err));
	assert_true(sled_charts_phases(&out, &charts, &err));
	expect("A visit took 5.0 s in the mean, most of it to fetch: 5.0 s.");
}

static void
links_are_told_apart_by_interface(void **state)
{
	(void)state;
	put(1, (struct sled_round_row){ .ms = 1 },
	    (struct sled_visit_row){ .label = "home",
	                             .path = "wwan0",
	                             .rtt_ms = 600,
	                             .mail_bytes = 40000,
	                             .ms_fetch = 4000,
	                             .segs_down = 90,
	                             .segs_up = 10,
	                             .retrans = 2 });
	put(0, (struct sled_round_row){ .ms = 1 },
	    (struct sled_visit_row){ .label = "home",
	                             .path = "wlan0",
	                             .rtt_ms = 10,
	                             .mail_bytes = 4000000,
	                             .ms_fetch = 1000,
	                             .segs_down = 10 });
	put(0, (struct sled_round_row){ .ms = 1 },
	    (struct sled_visit_row){ .label = "home", .path = "eth0" });
	read_history();
	assert_true(sled_charts_link(&out, &charts, &err));
	expect("in the mean: 600 ms over wwan0, 10 ms over wlan0. The scale "
	       "goes by tens.");
	expect("While mail came: 10 kB/s over wwan0, 4.0 MB/s over wlan0. The "
	       "scale goes by tens.");
	expect("Of all packets: 2.0 % over wwan0, 0 % over wlan0.");
	expect("<th scope=\"row\">2026-11-28</th><td>600 ms</td><td>-</td>");
	assert_null(strstr(out.data, "eth0"));
}

static void
growth_adds_up_to_all_there_is(void **state)
{
	struct sled_volume_row volume = { .label = "home",
		                          .name = "2026-11-001",
		                          .end = 300 };

	(void)state;
	for (uint64_t i = 1; i <= 4; i++) {
		struct sled_message message = fx_ledger_message(i);

		message.received = NOW - (int64_t)(i - 1) * 40 * DAY;
		message.octets = 1000 * i;
		assert_true(sled_ledger_message_put(ledger, &message, &err));
	}
	assert_true(sled_ledger_volume_put(ledger, &volume, &err));
	assert_true(sled_charts_growth(&out, &charts, &err));
	expect(
	    "4 messages of 10 kB; packed they take 300 B in each whole copy. "
	    "The last 30 days brought 1.0 kB.");
	expect("end of each week");
	expect("<td>10 kB</td></tr>\n</tbody>");
	out.len = 0;
	assert_true(sled_charts_volumes(&out, &charts, &err));
	expect("1 volume of 300 B in all; none is sealed yet.");
	expect("<th scope=\"row\">2026-11</th><td>300 B</td></tr>");
}

static void
places_are_judged_by_their_oldest_byte(void **state)
{
	static const struct sled_charts_place places[] = {
		{ "one", "/srv/<mail>", 0 },
		{ "", "/media/usb", 777 },
	};
	struct sled_volume_row volume = { .label = "home",
		                          .name = "2026-11-1" };

	(void)state;
	assert_true(sled_ledger_volume_put(ledger, &volume, &err));
	for (unsigned i = 0; i < 3; i++) {
		struct sled_member_row member = { .volume = volume.id,
			                          .at = i * 100,
			                          .length = 100 };

		assert_true(sled_ledger_member_put(ledger, &member, &err));
		assert_true(sled_ledger_hold(ledger, member.id, "one",
		                             NOW - i * 50 * DAY, &err));
	}
	assert_true(sled_charts_places(&out, &charts, places, 2, &err));
	expect("1 of 2 places lacks mail: 777 B. What was not read back for "
	       "longest was read 100 days ago.");
	expect("<th scope=\"row\">/srv/&lt;mail&gt;</th><td>100 B</td>"
	       "<td>0 B</td><td>100 B</td><td>100 B</td><td>0 B</td></tr>");
	expect("<th scope=\"row\">/media/usb</th><td>0 B</td><td>0 B</td>"
	       "<td>0 B</td><td>0 B</td><td>777 B</td></tr>");
}

/* ---- bins ---- */

static void
long_times_are_cut_into_weeks_and_months(void **state)
{
	struct sled_bins bins;

	(void)state;
	bins = sled_bins_make(TODAY, TODAY);
	assert_int_equal(bins.len, 7);
	bins = sled_bins_make(TODAY - 92, TODAY);
	assert_string_equal(bins.name, "day");
	assert_int_equal(bins.len, 93);
	bins = sled_bins_make(TODAY - 93, TODAY);
	assert_string_equal(bins.name, "week");
	assert_int_equal((bins.from + 3) % 7, 0); /* a Monday */
	assert_true(bins.from <= TODAY - 93 && bins.from > TODAY - 100);
	assert_int_equal(sled_bins_at(&bins, TODAY), bins.len - 1);
	bins = sled_bins_make(TODAY - 3000, TODAY);
	assert_string_equal(bins.name, "month");
	assert_int_equal(sled_bins_when(&bins, NOW), bins.len - 1);
	assert_int_equal(sled_bins_when(&bins, 0), 0);
}

/* A day is the user's: an hour before midnight is still that day's. */
static void
days_are_those_of_the_time_zone(void **state)
{
	(void)state;
	(void)setenv("TZ", "EST5EDT", 1);
	tzset();
	assert_int_equal(sled_charts_day((int64_t)TODAY * DAY + 4 * 3600),
	                 TODAY - 1);
	assert_int_equal(sled_charts_day((int64_t)TODAY * DAY + 5 * 3600),
	                 TODAY);
}

static void
too_many_names_end_as_others(void **state)
{
	struct sled_grid grid;

	(void)state;
	assert_true(sled_grid_make(&grid, sled_bins_make(TODAY, TODAY), &err));
	for (unsigned i = 0; i < 12; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "n%u", i);
		sled_grid_add(
		    &grid, sled_grid_name(&grid, name, SLED_PLOT_PLAIN), 0, 1);
	}
	assert_int_equal(grid.len, SLED_GRID_NAMES);
	assert_string_equal(grid.names[SLED_GRID_NAMES - 1], "others");
	assert_true(sled_grid_sum(&grid, SLED_GRID_NAMES - 1) > 3.9);
	sled_grid_free(&grid);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(nothing_to_show_is_said_in_words),
		T(mail_and_bytes_are_told_by_day),
		T(each_currency_has_its_figure),
		T(visits_say_how_they_ended_and_where_time_went),
		T(dialling_counts_to_the_visit_where_all_are_known),
		T(links_are_told_apart_by_interface),
		T(growth_adds_up_to_all_there_is),
		T(places_are_judged_by_their_oldest_byte),
		T(long_times_are_cut_into_weeks_and_months),
		T(days_are_those_of_the_time_zone),
		T(too_many_names_end_as_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
