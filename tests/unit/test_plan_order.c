/* test_plan_order.c - what a plan begins, in which order, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mailsled/plan.h"

/* 10 kB/s, RTT 500 ms. */
static const struct sled_plan_rate rate = { 12000, 10000, 2000, 500 };
static const struct sled_plan_conf endless = { .window_ms = SLED_PLAN_NO_END,
	                                       .usual_ms = SLED_PLAN_NO_END,
	                                       .tail_ms = 300,
	                                       .rate = rate };

static struct sled_plan *
plan_of(const struct sled_plan_conf *conf, unsigned lanes)
{
	struct sled_err err = { 0 };
	struct sled_plan *plan = NULL;

	assert_true(sled_plan_new(&plan, conf, &err));
	for (unsigned i = 0; i < lanes; i++) {
		unsigned lane;

		assert_true(sled_plan_join(plan, &lane, &err));
		assert_int_equal(lane, i);
	}
	return plan;
}

static void
offer(struct sled_plan *plan, unsigned lane, uint32_t key, uint64_t octets)
{
	struct sled_err err = { 0 };

	assert_true(
	    sled_plan_offer(plan, lane, key, octets, SLED_PLAN_PLAIN, &err));
}

static void
want(struct sled_plan *plan, unsigned lane, uint32_t key, uint64_t octets)
{
	struct sled_err err = { 0 };

	assert_true(
	    sled_plan_offer(plan, lane, key, octets, SLED_PLAN_WANTED, &err));
}

static void
begins(struct sled_plan *plan, unsigned lane, uint64_t now, uint32_t expected)
{
	uint32_t key = UINT32_MAX;

	assert_int_equal(sled_plan_next(plan, lane, now, &key),
	                 SLED_PLAN_BEGIN);
	assert_int_equal(key, expected);
}

static void
answers(struct sled_plan *plan, unsigned lane, uint64_t now,
        enum sled_plan_answer expected)
{
	uint32_t key = 0;

	assert_int_equal(sled_plan_next(plan, lane, now, &key), expected);
}

static void
the_smallest_comes_first_and_what_is_wanted_before_it(void **state)
{
	struct sled_plan *plan = plan_of(&endless, 1);

	(void)state;
	offer(plan, 0, 7, 5000);
	offer(plan, 0, 3, 900);
	want(plan, 0, 5, 80000);
	offer(plan, 0, 4, 900);
	begins(plan, 0, 0, 5);
	begins(plan, 0, 0, 3);
	offer(plan, 0, 1, 10);
	begins(plan, 0, 0, 1);
	sled_plan_return(plan, 0, 3);
	begins(plan, 0, 0, 3);
	begins(plan, 0, 0, 4);
	begins(plan, 0, 0, 7);
	answers(plan, 0, 0, SLED_PLAN_EMPTY);
	sled_plan_free(&plan);
}

static void
what_does_not_end_in_the_window_is_not_begun(void **state)
{
	struct sled_plan_conf conf = endless;
	struct sled_plan *plan;

	(void)state;
	conf.window_ms = 10000;
	plan = plan_of(&conf, 1);
	/* 10 s less an RTT each way and the commit: 8.7 s of line. */
	offer(plan, 0, 1, 80000);
	offer(plan, 0, 2, 90000);
	assert_int_equal(sled_plan_why(plan, 0, 2, 0), SLED_PLAN_TIME);
	begins(plan, 0, 0, 1);
	answers(plan, 0, 0, SLED_PLAN_TIME);
	assert_int_equal(sled_plan_why(plan, 0, 1, 0), SLED_PLAN_EMPTY);
	assert_int_equal(sled_plan_why(plan, 0, 9, 0), SLED_PLAN_EMPTY);
	sled_plan_free(&plan);
}

/* A wanted one that cannot end keeps no time from those that can. */
static void
a_wanted_one_that_cannot_end_blocks_nobody(void **state)
{
	struct sled_plan_conf conf = endless;
	struct sled_plan *plan;

	(void)state;
	conf.window_ms = 10000;
	plan = plan_of(&conf, 2);
	want(plan, 0, 1, 900000);
	offer(plan, 0, 2, 20000);
	offer(plan, 1, 3, 20000);
	begins(plan, 0, 0, 2);
	begins(plan, 1, 0, 3);
	answers(plan, 0, 0, SLED_PLAN_TIME);
	sled_plan_free(&plan);
}

static void
a_lane_keeps_time_for_the_smaller_ones_of_another(void **state)
{
	struct sled_plan_conf conf = endless;
	struct sled_plan *plan;

	(void)state;
	conf.window_ms = 10000;
	plan = plan_of(&conf, 2);
	for (uint32_t i = 0; i < 10; i++)
		offer(plan, 0, i, 4000);
	offer(plan, 1, 0, 60000);
	answers(plan, 1, 0, SLED_PLAN_TIME);
	sled_plan_leave(plan, 0);
	begins(plan, 1, 0, 0);
	sled_plan_free(&plan);
}

/* It stalls for ever, and only much later leaves. */
static void
a_lane_that_fell_silent_keeps_nothing_from_others(void **state)
{
	struct sled_plan_conf conf = endless;
	struct sled_plan *plan;

	(void)state;
	conf.window_ms = 30000;
	plan = plan_of(&conf, 2);
	for (uint32_t i = 0; i < 40; i++)
		offer(plan, 0, i, 4000);
	offer(plan, 1, 0, 150000);
	begins(plan, 0, 0, 0);
	answers(plan, 1, 100, SLED_PLAN_TIME);
	answers(plan, 1, 9000, SLED_PLAN_TIME);
	begins(plan, 1, 9200, 0);
	sled_plan_free(&plan);
}

static void
nothing_is_refused_for_time_while_the_rate_is_unknown(void **state)
{
	struct sled_plan_conf conf = endless;
	struct sled_plan *plan;

	(void)state;
	conf.window_ms = 10000;
	conf.rate = (struct sled_plan_rate){ 0 };
	plan = plan_of(&conf, 1);
	offer(plan, 0, 1, UINT64_MAX);
	offer(plan, 0, 2, UINT64_MAX);
	begins(plan, 0, 0, 1);
	sled_plan_measured(plan, &rate);
	answers(plan, 0, 100, SLED_PLAN_TIME);
	sled_plan_free(&plan);
}

static void
what_has_come_is_no_longer_under_way(void **state)
{
	struct sled_plan_conf conf = endless;
	struct sled_plan *plan;

	(void)state;
	conf.window_ms = 10000;
	plan = plan_of(&conf, 1);
	offer(plan, 0, 1, 50000);
	offer(plan, 0, 2, 50000);
	begins(plan, 0, 0, 1);
	answers(plan, 0, 0, SLED_PLAN_TIME);
	sled_plan_came(plan, 0, 40000); /* faster than it was promised */
	begins(plan, 0, 1000, 2);
	sled_plan_free(&plan);
}

/* ---- the usual end ---- */

static struct sled_plan_conf
cut_at(uint64_t ms)
{
	struct sled_plan_conf conf = endless;

	conf.usual_ms = ms;
	return conf;
}

static void
what_no_window_ever_carried_is_hopeless(void **state)
{
	struct sled_plan_conf conf = cut_at(20000);
	struct sled_plan *plan = plan_of(&conf, 1);

	(void)state;
	offer(plan, 0, 1, 1000);
	offer(plan, 0, 2, 400000);
	begins(plan, 0, 0, 1);
	answers(plan, 0, 0, SLED_PLAN_HOPELESS);
	/* ... and stays so when the line lasts. */
	answers(plan, 0, 60000, SLED_PLAN_HOPELESS);
	sled_plan_free(&plan);
}

static void
a_wanted_hopeless_one_comes_last_and_after_a_securing(void **state)
{
	struct sled_plan_conf conf = cut_at(20000);
	struct sled_plan *plan = plan_of(&conf, 1);

	(void)state;
	want(plan, 0, 1, 400000);
	offer(plan, 0, 2, 1000);
	begins(plan, 0, 0, 2);
	answers(plan, 0, 0, SLED_PLAN_SECURE);
	sled_plan_landed(plan, 0, 2);
	sled_plan_pending(plan, 0, 1);
	answers(plan, 0, 500, SLED_PLAN_SECURE);
	sled_plan_secured(plan, 0, 1500);
	begins(plan, 0, 3500, 1);
	sled_plan_free(&plan);
}

static void
the_lane_is_secured_when_the_usual_end_is_at_hand(void **state)
{
	struct sled_plan_conf conf = cut_at(20000);
	struct sled_plan *plan = plan_of(&conf, 1);

	(void)state;
	offer(plan, 0, 1, 20000);
	offer(plan, 0, 2, 60000);
	begins(plan, 0, 1000, 1);
	sled_plan_landed(plan, 0, 1);
	sled_plan_pending(plan, 0, 1);
	/* A new connection would be there long before the end. */
	answers(plan, 0, 13000, SLED_PLAN_TIME);
	answers(plan, 0, 18500, SLED_PLAN_SECURE);
	sled_plan_secured(plan, 0, 19500);
	answers(plan, 0, 19900, SLED_PLAN_TIME);
	answers(plan, 0, 20900, SLED_PLAN_TIME); /* cuts have no clock */
	begins(plan, 0, 21250, 2);
	sled_plan_free(&plan);
}

static void
what_would_be_cut_in_the_last_windows_comes_behind_a_securing(void **state)
{
	struct sled_plan_conf conf = cut_at(20000);
	struct sled_plan *plan;

	(void)state;
	conf.lately_ms = 8000;
	plan = plan_of(&conf, 1);
	offer(plan, 0, 1, 20000);
	offer(plan, 0, 2, 60000);
	begins(plan, 0, 1000, 1);
	answers(plan, 0, 1000, SLED_PLAN_SECURE);
	sled_plan_landed(plan, 0, 1);
	sled_plan_pending(plan, 0, 1);
	answers(plan, 0, 4000, SLED_PLAN_SECURE);
	sled_plan_secured(plan, 0, 5000);
	begins(plan, 0, 7000, 2);
	sled_plan_free(&plan);
}

static void
a_server_with_a_login_delay_is_never_left_in_between(void **state)
{
	struct sled_plan_conf conf = cut_at(20000);
	struct sled_plan *plan = plan_of(&conf, 1);

	(void)state;
	sled_plan_no_secure(plan, 0);
	sled_plan_pending(plan, 0, 100000);
	offer(plan, 0, 1, 60000);
	answers(plan, 0, 17500, SLED_PLAN_TIME);
	begins(plan, 0, 3600000, 1);
	sled_plan_free(&plan);
}

/* Nothing at all would ever come, and nothing would outlive it. */
static void
an_end_before_anything_can_come_teaches_nothing(void **state)
{
	struct sled_plan_conf conf = cut_at(3000);
	struct sled_plan *plan = plan_of(&conf, 1);

	(void)state;
	offer(plan, 0, 1, 60000);
	begins(plan, 0, 0, 1);
	sled_plan_free(&plan);
}

static void
a_long_visit_is_secured_when_a_cut_is_dearer(void **state)
{
	struct sled_plan *plan = plan_of(&endless, 1);

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		offer(plan, 0, i, 1000);
	/* 4 RTT and 1.5 kB: 2.15 s, or the listing of 239 messages. */
	sled_plan_pending(plan, 0, 300);
	begins(plan, 0, 119999, 0);
	answers(plan, 0, 120000, SLED_PLAN_SECURE);
	sled_plan_landed(plan, 0, 0);
	sled_plan_secured(plan, 0, 121000);
	sled_plan_pending(plan, 0, 200);
	begins(plan, 0, 241000, 1);
	begins(plan, 0, 550000, 2);
	answers(plan, 0, 551000, SLED_PLAN_SECURE);
	sled_plan_free(&plan);
}

/* ---- a line of which nothing is known ---- */

/* 200 messages of 5,000 octets: 100 s at the slow end; a new connection with
 * its listing: 1.7 s. */
static struct sled_plan *
strange_plan(uint32_t rtt_ms, uint64_t lived_ms, uint32_t messages)
{
	struct sled_plan_conf conf = endless;
	struct sled_plan *plan;

	conf.rate.rtt_ms = rtt_ms;
	conf.strange = true;
	conf.lived_ms = lived_ms;
	plan = plan_of(&conf, 1);
	for (uint32_t i = 0; i < messages; i++)
		offer(plan, 0, i, 5000);
	return plan;
}

/* How many are begun from AT on, until the plan says something else. */
static uint32_t
begun(struct sled_plan *plan, uint64_t at, enum sled_plan_answer *answer)
{
	uint32_t key, count = 0;

	while ((*answer = sled_plan_next(plan, 0, at, &key)) == SLED_PLAN_BEGIN)
		count++;
	return count;
}

static void
a_strange_line_is_secured_after_7_s_then_when_it_is_twice_as_old(void **state)
{
	struct sled_plan *plan = strange_plan(200, 6999, 200);
	enum sled_plan_answer answer;

	(void)state;
	/* 7 s less 1.5 s, an RTT to come and the end: about 4.7 s of mail. */
	assert_in_range(begun(plan, 1500, &answer), 8, 9);
	assert_int_equal(answer, SLED_PLAN_SECURE);
	for (uint32_t i = 0; i < 9; i++)
		sled_plan_landed(plan, 0, i);
	sled_plan_secured(plan, 0, 6800);
	/* From 8 s to 13.6 s. */
	assert_in_range(begun(plan, 8000, &answer), 8, 10);
	assert_int_equal(answer, SLED_PLAN_SECURE);
	sled_plan_free(&plan);
}

static void
a_strange_line_brings_one_message_at_least(void **state)
{
	struct sled_plan *plan = strange_plan(200, 0, 200);
	enum sled_plan_answer answer;

	(void)state;
	assert_int_equal(begun(plan, 9000, &answer), 1);
	assert_int_equal(answer, SLED_PLAN_SECURE);
	sled_plan_free(&plan);
}

static void
is_trusted(struct sled_plan *plan, uint32_t messages)
{
	enum sled_plan_answer answer;

	assert_int_equal(begun(plan, 1500, &answer), messages);
	assert_int_equal(answer, SLED_PLAN_EMPTY);
	sled_plan_free(&plan);
}

static void
a_line_is_trusted_when_securing_is_dear_or_the_mail_soon_home(void **state)
{
	struct sled_plan *plan;

	(void)state;
	is_trusted(strange_plan(600, 0, 200), 200);
	is_trusted(strange_plan(200, 7000, 200), 200);
	is_trusted(strange_plan(200, 0, 50), 50);
	plan = strange_plan(200, 0, 200);
	sled_plan_no_secure(plan, 0);
	is_trusted(plan, 200);
}

/* Each message that waits has to be listed once more. */
static void
a_long_listing_makes_securing_dear(void **state)
{
	struct sled_plan *plan = strange_plan(200, 0, 800);
	enum sled_plan_answer answer;

	(void)state;
	assert_in_range(begun(plan, 1500, &answer), 500, 530);
	assert_int_equal(answer, SLED_PLAN_SECURE);
	sled_plan_free(&plan);
}

/* ---- the budget ---- */

static bool
fits(void *ctx, uint64_t bytes, uint64_t ms)
{
	(void)ms;
	return bytes <= *(uint64_t *)ctx;
}

static void
a_budget_ends_before_it_is_passed(void **state)
{
	struct sled_plan_conf conf = endless;
	uint64_t budget = 60000;
	struct sled_plan *plan;

	(void)state;
	conf.fits = fits;
	conf.fits_ctx = &budget;
	plan = plan_of(&conf, 1);
	want(plan, 0, 9, 90000);
	offer(plan, 0, 1, 20000);
	offer(plan, 0, 2, 30000);
	sled_plan_spent(plan, 10000);
	begins(plan, 0, 0, 1);
	answers(plan, 0, 0, SLED_PLAN_BUDGET);
	assert_int_equal(sled_plan_why(plan, 0, 2, 0), SLED_PLAN_BUDGET);
	sled_plan_free(&plan);
}

/* ---- calls ---- */

static void
a_key_is_free_again_when_its_lane_has_left(void **state)
{
	struct sled_err err = { 0 };
	struct sled_plan *plan = plan_of(&endless, 1);

	(void)state;
	offer(plan, 0, 1, 100);
	begins(plan, 0, 0, 1);
	assert_false(sled_plan_offer(plan, 0, 1, 5, SLED_PLAN_PLAIN, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	sled_plan_leave(plan, 0);
	answers(plan, 0, 0, SLED_PLAN_EMPTY);
	offer(plan, 0, 1, 200);
	begins(plan, 0, 0, 1);
	sled_plan_free(&plan);
	sled_plan_free(&plan);
}

static void
a_hundred_thousand_messages_are_begun_in_order(void **state)
{
	struct sled_plan_conf conf = endless;
	struct sled_plan *plan;
	uint64_t sizes[2] = { 0, 0 };

	(void)state;
	conf.window_ms = UINT64_C(1) << 50;
	plan = plan_of(&conf, 2);
	for (uint32_t i = 0; i < 200000; i++)
		offer(plan, i % 2, i / 2, i * UINT64_C(7919) % 65536);
	for (uint32_t i = 0; i < 200000; i++) {
		uint32_t key = 0;
		uint64_t size;

		assert_int_equal(sled_plan_next(plan, i % 2, i, &key),
		                 SLED_PLAN_BEGIN);
		size = (2 * (uint64_t)key + i % 2) * 7919 % 65536;
		assert_true(size >= sizes[i % 2]);
		sizes[i % 2] = size;
		sled_plan_landed(plan, i % 2, key);
	}
	answers(plan, 0, 0, SLED_PLAN_EMPTY);
	sled_plan_free(&plan);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    the_smallest_comes_first_and_what_is_wanted_before_it),
		cmocka_unit_test(what_does_not_end_in_the_window_is_not_begun),
		cmocka_unit_test(a_wanted_one_that_cannot_end_blocks_nobody),
		cmocka_unit_test(
		    a_lane_keeps_time_for_the_smaller_ones_of_another),
		cmocka_unit_test(
		    a_lane_that_fell_silent_keeps_nothing_from_others),
		cmocka_unit_test(
		    nothing_is_refused_for_time_while_the_rate_is_unknown),
		cmocka_unit_test(what_has_come_is_no_longer_under_way),
		cmocka_unit_test(what_no_window_ever_carried_is_hopeless),
		cmocka_unit_test(
		    a_wanted_hopeless_one_comes_last_and_after_a_securing),
		cmocka_unit_test(
		    the_lane_is_secured_when_the_usual_end_is_at_hand),
		cmocka_unit_test(
		    what_would_be_cut_in_the_last_windows_comes_behind_a_securing),
		cmocka_unit_test(
		    a_server_with_a_login_delay_is_never_left_in_between),
		cmocka_unit_test(
		    an_end_before_anything_can_come_teaches_nothing),
		cmocka_unit_test(a_long_visit_is_secured_when_a_cut_is_dearer),
		cmocka_unit_test(
		    a_strange_line_is_secured_after_7_s_then_when_it_is_twice_as_old),
		cmocka_unit_test(a_strange_line_brings_one_message_at_least),
		cmocka_unit_test(
		    a_line_is_trusted_when_securing_is_dear_or_the_mail_soon_home),
		cmocka_unit_test(a_long_listing_makes_securing_dear),
		cmocka_unit_test(a_budget_ends_before_it_is_passed),
		cmocka_unit_test(a_key_is_free_again_when_its_lane_has_left),
		cmocka_unit_test(
		    a_hundred_thousand_messages_are_begun_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
