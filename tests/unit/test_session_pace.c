/* test_session_pace.c - how many octets may be on their way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "session/pace.h"

#define SEGMENT 1448
#define KIB     1024u

static const struct sled_pace_path iridium = { 290, 2200, 3 };
static const struct sled_pace_path geo = { 61000, 600, 3 };
static const struct sled_pace_path lan = { 50000000, 1, 3 };

/* A line that hands out a segment at a time, without a pause. */
static int64_t
stream(struct sled_pace *p, int64_t at_us, uint64_t octets_s, int segments)
{
	for (int i = 0; i < segments; i++) {
		at_us += (int64_t)(SEGMENT * UINT64_C(1000000) / octets_s);
		sled_pace_came(p, at_us, SEGMENT, true);
	}
	return at_us;
}

static struct sled_pace
begun(const struct sled_pace_path *path, uint32_t rtt_ms)
{
	struct sled_pace p;

	sled_pace_init(&p, path);
	sled_pace_rtt(&p, rtt_ms * 1000);
	return p;
}

/* The server's first flight: two full segments and a piece. */
static void
handshake(struct sled_pace *p, uint64_t octets_s)
{
	int64_t at = 1000000;

	sled_pace_came(p, at, SEGMENT, false);
	at += (int64_t)(SEGMENT * UINT64_C(1000000) / octets_s);
	sled_pace_came(p, at, SEGMENT, false);
	at += (int64_t)(600 * UINT64_C(1000000) / octets_s);
	sled_pace_came(p, at, 600, false);
}

/* ---- before connect ---- */

static void
test_slow_known_path_gets_a_small_window(void **state)
{
	struct sled_pace p;

	(void)state;
	sled_pace_init(&p, &iridium);
	assert_in_range(sled_pace_window(&p), 4 * KIB, 5 * KIB);
}

static void
test_known_geo_gets_a_window_over_its_bandwidth_delay(void **state)
{
	struct sled_pace p;

	(void)state;
	sled_pace_init(&p, &geo);
	assert_in_range(sled_pace_window(&p), 2 * 36600, 128 * KIB);
}

static void
test_fast_and_unknown_paths_are_left_to_the_kernel(void **state)
{
	const struct sled_pace_path far = { 1000000, 600, 9 };
	struct sled_pace p;

	(void)state;
	sled_pace_init(&p, &lan);
	assert_int_equal(sled_pace_window(&p), 0);
	assert_true(sled_pace_flight(&p) >= SLED_PACE_FLIGHT);
	sled_pace_init(&p, &far);
	assert_int_equal(sled_pace_window(&p), 0);
	sled_pace_init(&p, NULL);
	assert_int_equal(sled_pace_window(&p), 0);
	assert_int_equal(sled_pace_flight(&p), SLED_PACE_FLIGHT);
}

static void
test_absurd_memory_does_no_harm(void **state)
{
	const struct sled_pace_path most = { UINT64_MAX, UINT32_MAX,
		                             UINT32_MAX };
	const struct sled_pace_path least = { 1, 0, 1 };
	struct sled_pace_path out;
	struct sled_pace p;

	(void)state;
	sled_pace_init(&p, &most);
	assert_int_equal(sled_pace_window(&p), 0);
	assert_true(sled_pace_flight(&p) >= SLED_PACE_FLIGHT);
	(void)stream(&p, 0, 1000, 100);
	assert_true(sled_pace_learn(&p, &out));
	assert_true(out.visits == UINT32_MAX);
	sled_pace_init(&p, &least);
	assert_true(sled_pace_window(&p) >= 2 * SEGMENT);
	sled_pace_came(&p, 0, SIZE_MAX, true);
	sled_pace_came(&p, -1, SIZE_MAX, true);
	sled_pace_came(&p, 1, SIZE_MAX, true);
	assert_true(sled_pace_flight(&p) > 0);
}

/* ---- the flight ---- */

static void
test_two_small_messages_fit_on_the_slowest_path(void **state)
{
	const struct sled_pace_path crawl = { 10, 100, 1 };
	struct sled_pace p = begun(&crawl, 100);

	(void)state;
	assert_true(sled_pace_may_ask(&p, 0));
	assert_true(sled_pace_may_ask(&p, 2500));
	assert_true(sled_pace_flight(&p) >= 5000);
}

static void
test_slow_path_is_filled_for_two_minutes_or_so(void **state)
{
	struct sled_pace p = begun(&iridium, 2200);

	(void)state;
	assert_true(sled_pace_flight(&p) / 290 <= 140);
	assert_false(sled_pace_may_ask(&p, sled_pace_flight(&p)));
}

static void
test_next_message_is_asked_for_however_large_it_is(void **state)
{
	struct sled_pace p = begun(&geo, 600);

	(void)state;
	assert_true(sled_pace_may_ask(&p, 0));
	assert_true(sled_pace_may_ask(&p, 36600));
}

static void
test_full_flight_waits_and_then_asks_in_one_go(void **state)
{
	struct sled_pace p = begun(&geo, 600);
	uint64_t high = sled_pace_flight(&p), line = 61000 * 6 / 10;
	unsigned asked = 0;
	uint64_t waiting;

	(void)state;
	assert_true(sled_pace_may_ask(&p, high - 1));
	assert_false(sled_pace_may_ask(&p, high));
	assert_false(sled_pace_may_ask(&p, high - 4000));
	for (waiting = high; !sled_pace_may_ask(&p, waiting);)
		waiting -= SEGMENT;
	/* Still enough for the line until the answer comes. */
	assert_true(waiting > 2 * line);
	for (; sled_pace_may_ask(&p, waiting); waiting += 4000)
		asked++;
	assert_true(asked >= 5);
}

/* A second of arrivals at RATE octets a second, from *NOW on. */
static void
second_at(struct sled_pace *p, int64_t *now, uint64_t rate)
{
	for (unsigned i = 0; i < 50; i++) {
		*now += 20000;
		sled_pace_came(p, *now, (size_t)(rate / 50), true);
	}
}

static void
test_slow_end_is_the_lowest_of_late_but_half_the_rate(void **state)
{
	struct sled_pace p = begun(&geo, 600);
	int64_t now = 1000000;

	(void)state;
	assert_int_equal(sled_pace_rate(&p), 0);
	assert_int_equal(sled_pace_low(&p), 0);
	second_at(&p, &now, 60000);
	assert_in_range(sled_pace_low(&p), sled_pace_rate(&p) * 6 / 10,
	                sled_pace_rate(&p) * 8 / 10);
	for (unsigned i = 0; i < 8; i++)
		second_at(&p, &now, 60000);
	assert_true(sled_pace_low(&p) > sled_pace_rate(&p) * 9 / 10);
	second_at(&p, &now, 40000);
	assert_true(sled_pace_low(&p) < 45000);
	second_at(&p, &now, 4000);
	second_at(&p, &now, 4000);
	assert_int_equal(sled_pace_low(&p), sled_pace_rate(&p) / 2);
}

static void
test_loopback_is_never_slowed(void **state)
{
	struct sled_pace p = begun(NULL, 0);
	int64_t at = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		at += 150;
		sled_pace_came(&p, at, 4096, true);
		assert_true(sled_pace_flight(&p) >= SLED_PACE_FLIGHT);
		assert_int_equal(sled_pace_retune(&p), 0);
	}
	assert_int_equal(sled_pace_window(&p), 0);
}

/* ---- a first visit ---- */

static void
test_first_visit_is_careful_after_a_slow_handshake(void **state)
{
	struct sled_pace p = begun(NULL, 2200);

	(void)state;
	handshake(&p, 290);
	/* The window is the kernel's: two messages are all that queues. */
	assert_in_range(sled_pace_flight(&p), 5000, 35 * 290);
	assert_false(sled_pace_may_ask(&p, 35 * 290));
	/* What the kernel has offered is not taken back. */
	assert_int_equal(sled_pace_retune(&p), 64 * KIB);
	assert_int_equal(sled_pace_retune(&p), 0);
}

static void
test_first_visit_on_geo_sets_the_window_from_the_handshake(void **state)
{
	struct sled_pace p = begun(NULL, 600);

	(void)state;
	handshake(&p, 62000);
	assert_in_range(sled_pace_retune(&p), 2 * 36600, 128 * KIB);
	assert_int_equal(sled_pace_retune(&p), 0);
}

static void
test_first_visit_on_a_fast_long_path_sets_no_window(void **state)
{
	struct sled_pace p = begun(NULL, 600);

	(void)state;
	handshake(&p, 600000);
	assert_int_equal(sled_pace_retune(&p), 0);
	/* Slow start looks slow. */
	(void)stream(&p, 5000000, 25000, 60);
	assert_int_equal(sled_pace_retune(&p), 0);
	/* And a handshake may, on a path that is known better. */
	p = begun(&lan, 1);
	handshake(&p, 10000);
	assert_int_equal(sled_pace_retune(&p), 0);
}

static void
test_a_slow_server_nearby_has_the_kernels_window(void **state)
{
	struct sled_pace p = begun(NULL, 1);

	(void)state;
	handshake(&p, 62000);
	assert_int_equal(sled_pace_retune(&p), 0);
}

static void
test_a_server_that_thinks_is_not_a_slow_path(void **state)
{
	struct sled_pace p = begun(NULL, 20);

	(void)state;
	sled_pace_came(&p, 0, 3700, false);
	sled_pace_came(&p, 1000, 60, false);
	/* The log-in takes a second, and so does the listing. */
	sled_pace_came(&p, 1001000, 30, false);
	sled_pace_came(&p, 2001000, 14000, false);
	assert_true(sled_pace_flight(&p) >= SLED_PACE_FLIGHT);
	assert_int_equal(sled_pace_retune(&p), 0);
}

/* ---- while it runs ---- */

static void
test_window_is_raised_while_it_limits(void **state)
{
	struct sled_pace p = begun(&iridium, 600);
	uint32_t window = sled_pace_window(&p);
	int64_t at = 0;

	(void)state;
	/* The path is a GEO link today: what comes is a window an RTT. */
	for (int i = 0; i < 40; i++) {
		uint64_t can = window * UINT64_C(10) / 6;
		uint32_t now;

		at = stream(&p, at, can < 61000 ? can : 61000, 100);
		now = sled_pace_retune(&p);
		assert_true(now == 0 || now > window);
		window = now ? now : window;
	}
	assert_in_range(window, 61000 * 6 / 10 * 2, 192 * KIB);
}

static void
test_window_that_does_not_limit_is_left_alone(void **state)
{
	struct sled_pace p = begun(&geo, 600);
	int64_t at = 0;

	(void)state;
	for (int i = 0; i < 20; i++) {
		at = stream(&p, at, i % 2 ? 61000 : 45000, 60);
		assert_int_equal(sled_pace_retune(&p), 0);
	}
}

static void
test_a_pause_or_a_late_burst_is_no_measure(void **state)
{
	struct sled_pace p = begun(&geo, 600);
	uint64_t flight;
	int64_t at = stream(&p, 0, 61000, 100);

	(void)state;
	flight = sled_pace_flight(&p);
	/* Nothing was asked for in time. */
	at = stream(&p, at, 61000, 10) + 3000000;
	sled_pace_came(&p, at, SEGMENT, true);
	assert_int_equal(sled_pace_flight(&p), flight);
	/* A lost segment: what came behind it is handed out at once. */
	for (int i = 0; i < 10; i++) {
		at += 900000;
		sled_pace_came(&p, at, 33000, true);
		sled_pace_came(&p, at + 10, 21900, true);
	}
	assert_in_range(sled_pace_flight(&p), flight * 9 / 10, flight);
}

static void
test_a_far_nearer_path_is_another_one(void **state)
{
	struct sled_pace p;

	(void)state;
	sled_pace_init(&p, &iridium);
	assert_in_range(sled_pace_window(&p), 2000, 8192);
	sled_pace_rtt(&p, iridium.rtt_ms * 1000 / 3);
	assert_int_equal(sled_pace_flight(&p), SLED_PACE_FLIGHT);
	assert_int_equal(sled_pace_retune(&p), 64 * KIB);
	assert_int_equal(sled_pace_retune(&p), 0);
}

static void
test_flight_shrinks_at_once_on_another_far_slower_path(void **state)
{
	struct sled_pace p = begun(&geo, 2200);

	(void)state;
	(void)stream(&p, 0, 290, 6);
	assert_true(sled_pace_flight(&p) <= 140 * 290);
}

/* ---- what is remembered ---- */

static void
test_first_visit_with_mail_remembers_what_it_measured(void **state)
{
	struct sled_pace p = begun(NULL, 600);
	struct sled_pace_path out;

	(void)state;
	(void)stream(&p, 0, 61000, 200);
	assert_true(sled_pace_learn(&p, &out));
	assert_in_range(out.rate, 60000, 62000);
	assert_int_equal(out.rtt_ms, 600);
	assert_int_equal(out.visits, 1);
}

static void
test_empty_visit_leaves_a_guess_and_never_overrules_a_measure(void **state)
{
	struct sled_pace p = begun(NULL, 2200);
	struct sled_pace_path out = { 0 };

	(void)state;
	assert_false(sled_pace_learn(&p, &out));
	handshake(&p, 290);
	assert_true(sled_pace_learn(&p, &out));
	assert_in_range(out.rate, 280, 300);
	assert_int_equal(out.visits, 0);
	sled_pace_init(&p, &out);
	assert_in_range(sled_pace_window(&p), 4 * KIB, 5 * KIB);

	p = begun(&geo, 600);
	handshake(&p, 290);
	assert_false(sled_pace_learn(&p, &out));
}

static void
test_measure_replaces_a_guess(void **state)
{
	const struct sled_pace_path guess = { 300, 600, 0 };
	struct sled_pace p = begun(&guess, 600);
	struct sled_pace_path out;

	(void)state;
	(void)stream(&p, 0, 61000, 400);
	assert_true(sled_pace_learn(&p, &out));
	assert_in_range(out.rate, 60000, 62000);
	assert_int_equal(out.visits, 1);
}

static void
test_one_bad_day_shrinks_little_and_a_faster_link_grows_soon(void **state)
{
	struct sled_pace_path path = geo;
	struct sled_pace p = begun(&path, 600);

	(void)state;
	(void)stream(&p, 0, 6000, 1000);
	assert_true(sled_pace_learn(&p, &path));
	assert_in_range(path.rate, 50000, 60000);
	p = begun(&path, 600);
	(void)stream(&p, 0, 120000, 1000);
	assert_true(sled_pace_learn(&p, &path));
	assert_in_range(path.rate, 80000, 95000);
	for (int i = 0; i < 4; i++) {
		p = begun(&path, 600);
		(void)stream(&p, 0, 120000, 1000);
		assert_true(sled_pace_learn(&p, &path));
	}
	assert_in_range(path.rate, 115000, 121000);
	assert_int_equal(path.visits, 9);
}

static void
test_smallest_rtt_falls_at_once_and_rises_slowly(void **state)
{
	struct sled_pace_path path;
	struct sled_pace p = begun(&geo, 1400);

	(void)state;
	(void)stream(&p, 0, 61000, 200);
	assert_true(sled_pace_learn(&p, &path));
	assert_int_equal(path.rtt_ms, 700);
	p = begun(&path, 800);
	sled_pace_rtt(&p, 500000);
	sled_pace_rtt(&p, 900000);
	(void)stream(&p, 0, 61000, 200);
	assert_true(sled_pace_learn(&p, &path));
	assert_int_equal(path.rtt_ms, 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_known_path_gets_a_small_window),
		cmocka_unit_test(
		    test_known_geo_gets_a_window_over_its_bandwidth_delay),
		cmocka_unit_test(
		    test_fast_and_unknown_paths_are_left_to_the_kernel),
		cmocka_unit_test(test_absurd_memory_does_no_harm),
		cmocka_unit_test(
		    test_two_small_messages_fit_on_the_slowest_path),
		cmocka_unit_test(
		    test_slow_path_is_filled_for_two_minutes_or_so),
		cmocka_unit_test(
		    test_next_message_is_asked_for_however_large_it_is),
		cmocka_unit_test(
		    test_full_flight_waits_and_then_asks_in_one_go),
		cmocka_unit_test(
		    test_slow_end_is_the_lowest_of_late_but_half_the_rate),
		cmocka_unit_test(test_loopback_is_never_slowed),
		cmocka_unit_test(
		    test_first_visit_is_careful_after_a_slow_handshake),
		cmocka_unit_test(
		    test_first_visit_on_geo_sets_the_window_from_the_handshake),
		cmocka_unit_test(
		    test_first_visit_on_a_fast_long_path_sets_no_window),
		cmocka_unit_test(
		    test_a_slow_server_nearby_has_the_kernels_window),
		cmocka_unit_test(test_a_server_that_thinks_is_not_a_slow_path),
		cmocka_unit_test(test_window_is_raised_while_it_limits),
		cmocka_unit_test(test_window_that_does_not_limit_is_left_alone),
		cmocka_unit_test(test_a_pause_or_a_late_burst_is_no_measure),
		cmocka_unit_test(
		    test_flight_shrinks_at_once_on_another_far_slower_path),
		cmocka_unit_test(
		    test_first_visit_with_mail_remembers_what_it_measured),
		cmocka_unit_test(
		    test_empty_visit_leaves_a_guess_and_never_overrules_a_measure),
		cmocka_unit_test(test_a_far_nearer_path_is_another_one),
		cmocka_unit_test(test_measure_replaces_a_guess),
		cmocka_unit_test(
		    test_one_bad_day_shrinks_little_and_a_faster_link_grows_soon),
		cmocka_unit_test(
		    test_smallest_rtt_falls_at_once_and_rises_slowly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
