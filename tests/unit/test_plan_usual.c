/* test_plan_usual.c - how long a link's windows are, from what it has seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailsled/plan.h"

#define NOW  INT64_C(1800000000)
#define HOUR 3600

static void
no_visit_and_no_cut_speak_for_no_end(void **state)
{
	const struct sled_plan_life polls[] = {
		{ NOW - 60, 2000, false },
		{ NOW - HOUR, 3000, false },
		{ NOW - 2 * HOUR, 900000, false },
	};

	(void)state;
	assert_true(sled_plan_usual(NULL, 0, NOW) == SLED_PLAN_NO_END);
	assert_true(sled_plan_usual(polls, 3, NOW) == SLED_PLAN_NO_END);
}

static void
one_cut_is_evidence_and_short_polls_take_nothing_from_it(void **state)
{
	const struct sled_plan_life lives[] = {
		{ NOW - 60, 2000, false },
		{ NOW - HOUR, 20000, true },
		{ NOW - 2 * HOUR, 2000, false },
	};

	(void)state;
	assert_int_equal(sled_plan_usual(lives, 3, NOW), 20000);
}

static void
a_later_visit_that_outlived_the_cuts_ends_them(void **state)
{
	const struct sled_plan_life one[] = {
		{ NOW - 60, 20001, false },
		{ NOW - HOUR, 20000, true },
	};
	const struct sled_plan_life two[] = {
		{ NOW - 60, 21000, false },
		{ NOW - HOUR, 20000, true },
		{ NOW - 2 * HOUR, 30000, true },
	};

	(void)state;
	assert_true(sled_plan_usual(one, 2, NOW) == SLED_PLAN_NO_END);
	assert_int_equal(sled_plan_usual(two, 3, NOW), 30000);
}

static void
an_earlier_long_life_does_not_excuse_a_cut(void **state)
{
	const struct sled_plan_life lives[] = {
		{ NOW - HOUR, 20000, true },
		{ NOW - 2 * HOUR, 900000, false },
	};

	(void)state;
	assert_int_equal(sled_plan_usual(lives, 2, NOW), 20000);
}

static void
of_several_the_longest_that_the_line_was_seen_to_live(void **state)
{
	const struct sled_plan_life lives[] = {
		{ NOW - 10, 2000, false },    { NOW - 60, 20000, true },
		{ NOW - 120, 24000, false },  { NOW - 180, 19000, true },
		{ NOW - 240, 600000, false },
	};

	(void)state;
	assert_int_equal(sled_plan_usual(lives, 5, NOW), 24000);
	assert_int_equal(sled_plan_usual(lives + 3, 2, NOW), 19000);
}

static void
a_cut_of_yesterday_is_forgotten(void **state)
{
	const struct sled_plan_life lives[] = {
		{ NOW - 60, 2000, false },
		{ NOW - 24 * HOUR - 1, 20000, true },
	};

	(void)state;
	assert_true(sled_plan_usual(lives, 2, NOW) == SLED_PLAN_NO_END);
	assert_int_equal(sled_plan_usual(lives + 1, 1, NOW - 1), 20000);
}

static void
one_early_cut_is_an_accident_and_two_are_a_habit(void **state)
{
	const struct sled_plan_life lives[] = {
		{ NOW - 60, 4000, true },
		{ NOW - 73, 3900, true },
	};

	(void)state;
	assert_true(sled_plan_usual(lives, 1, NOW) == SLED_PLAN_NO_END);
	assert_int_equal(sled_plan_usual(lives, 2, NOW), 4000);
}

static void
the_last_two_cuts_tell_how_it_is_lately(void **state)
{
	const struct sled_plan_life lives[] = {
		{ NOW - 10, 2000, false },  { NOW - 60, 7800, true },
		{ NOW - 70, 7000, false },  { NOW - 120, 7900, true },
		{ NOW - 130, 9000, false }, { NOW - 180, 18000, true },
	};

	(void)state;
	assert_int_equal(sled_plan_usual(lives, 6, NOW), 18000);
	assert_int_equal(sled_plan_lately(lives, 6, NOW), 7900);
	assert_int_equal(sled_plan_lately(lives + 2, 4, NOW), 18000);
	assert_true(sled_plan_lately(lives, 1, NOW) == SLED_PLAN_NO_END);
	assert_true(sled_plan_lately(NULL, 0, NOW) == SLED_PLAN_NO_END);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_visit_and_no_cut_speak_for_no_end),
		cmocka_unit_test(
		    one_cut_is_evidence_and_short_polls_take_nothing_from_it),
		cmocka_unit_test(
		    a_later_visit_that_outlived_the_cuts_ends_them),
		cmocka_unit_test(an_earlier_long_life_does_not_excuse_a_cut),
		cmocka_unit_test(
		    of_several_the_longest_that_the_line_was_seen_to_live),
		cmocka_unit_test(a_cut_of_yesterday_is_forgotten),
		cmocka_unit_test(
		    one_early_cut_is_an_accident_and_two_are_a_habit),
		cmocka_unit_test(the_last_two_cuts_tell_how_it_is_lately),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
