/* test_box_aside.c - messages whose answer ended visits, and messages that may
 * have been answered by another's reply. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_box.h"

#define HEAD(s) "From: ada@example.org\r\nSubject: " s "\r\n\r\n"

static const char one[] = HEAD("one") "first text\r\n";
static const char uno[] = HEAD("uno") "first text\r\n";
static const struct fx_letter both[] = { { "a", one, 0 }, { "b", uno, 0 } };
static const struct fx_letter swapped[] = { { "a", uno, 0 }, { "b", one, 0 } };

static const struct sled_aside_row *
aside(const struct fx_box *fx, size_t item)
{
	return sled_box_aside(fx->box, item);
}

static void
strike(struct fx_box *fx, size_t item, unsigned weight, unsigned most)
{
	const struct sled_strike by = { .weight = weight,
		                        .most = most,
		                        .why = "it is bad" };
	struct sled_err err = { 0 };

	assert_true(sled_box_set_aside(fx->box, item, &by, fx->now, &err));
}

static void
each_strike_from_the_third_on_doubles_the_distance(void **state)
{
	static const int64_t hours[] = { 0,  0,  1,  2,   4,   8,
		                         16, 32, 64, 128, 168, 168 };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	for (size_t i = 0; i < sizeof(hours) / sizeof(hours[0]); i++) {
		fx_box_begin(&fx, both, 2, FX_NEVER);
		assert_null(aside(&fx, 1));
		strike(&fx, 0, 1, 0);
		assert_int_equal(aside(&fx, 0)->strikes, i + 1);
		assert_int_equal(aside(&fx, 0)->again,
		                 fx.now + hours[i] * 3600);
		fx_box_end(&fx);
	}
	fx_box_drop(&fx);
}

static void
silence_alone_never_makes_a_message_wait(void **state)
{
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_begin(&fx, both, 2, FX_NEVER);
	for (unsigned i = 0; i < 5; i++)
		strike(&fx, 0, 1, 2);
	assert_int_equal(aside(&fx, 0)->strikes, 2);
	assert_int_equal(aside(&fx, 0)->again, fx.now);
	strike(&fx, 0, SLED_ASIDE_STRIKES, 0);
	strike(&fx, 0, 1, 2);
	assert_int_equal(aside(&fx, 0)->strikes, 5);
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

static void
what_is_stored_or_gone_is_not_set_aside_any_more(void **state)
{
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_begin(&fx, both, 2, FX_NEVER);
	strike(&fx, 0, 3, 0);
	strike(&fx, 1, 3, 0);
	fx_box_end(&fx);
	fx_box_begin(&fx, both, 1, FX_NEVER);
	assert_non_null(aside(&fx, 0));
	fx_box_retr(&fx, 0);
	fx_box_commit(&fx);
	fx_box_end(&fx);
	fx_box_begin(&fx, both, 2, FX_NEVER);
	assert_null(aside(&fx, 0));
	assert_null(aside(&fx, 1));
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

static void
without_an_id_it_is_known_by_number_and_size(void **state)
{
	const struct fx_letter mail[] = { { NULL, one, 0 }, { NULL, uno, 0 } };
	const struct fx_letter longer[] = { { NULL, one, 0 },
		                            { NULL, uno, 99 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_begin(&fx, mail, 2, FX_NEVER);
	strike(&fx, 1, 3, 0);
	fx_box_end(&fx);
	fx_box_begin(&fx, mail, 2, FX_NEVER);
	assert_null(aside(&fx, 0));
	assert_non_null(aside(&fx, 1));
	fx_box_end(&fx);
	fx_box_begin(&fx, longer, 2, FX_NEVER);
	assert_null(aside(&fx, 1));
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

/* Both came under the other's id, in a visit that ended before its DELEs. */
static void
what_may_be_another_message_is_proved_before_it_is_deleted(void **state)
{
	struct sled_err err = { 0 };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_begin(&fx, swapped, 2, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_true(sled_box_may_delete(fx.box, 0));
	assert_true(sled_box_all_safe(fx.box));
	assert_true(sled_box_doubt(fx.box, 0, &err));
	assert_true(sled_box_doubt(fx.box, 1, &err));
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_false(sled_box_all_safe(fx.box)); /* EXPIRE 0 */
	fx_box_end(&fx);
	fx_box_visit(&fx, both, 2, FX_ALWAYS);
	assert_int_equal(fx.tops, 2);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx.deles, 2);
	fx_box_drop(&fx);
}

static void
a_proof_ends_the_doubt(void **state)
{
	struct sled_err err = { 0 };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_begin(&fx, both, 2, FX_NEVER);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_true(sled_box_doubt(fx.box, 1, &err));
	fx_box_end(&fx);
	fx_box_visit(&fx, both, 2, FX_NEVER);
	assert_int_equal(fx.tops, 1);
	fx_box_visit(&fx, both, 2, FX_ALWAYS);
	assert_int_equal(fx.tops + fx.retrs, 0);
	assert_int_equal(fx.deles, 2);
	fx_box_drop(&fx);
}

/* Ids given anew to all: what speaks for the others does not for these. */
static void
new_ids_end_no_doubt(void **state)
{
	static const char *const texts[] = { one, one, uno, one };
	const size_t crossed[] = { 0, 2, 1, 3 };
	struct fx_letter mail[4], anew[4];
	static const char *const ids[] = { "a", "b", "c", "d" };
	static const char *const news[] = { "e", "f", "g", "h" };
	struct sled_err err = { 0 };
	struct fx_box fx;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		mail[i] = (struct fx_letter){ ids[i], texts[crossed[i]], 0 };
		anew[i] = (struct fx_letter){ news[i], texts[i], 0 };
	}
	fx_box_make(&fx, 1, 1);
	fx_box_begin(&fx, mail, 4, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_true(sled_box_doubt(fx.box, 1, &err));
	assert_true(sled_box_doubt(fx.box, 2, &err));
	fx_box_end(&fx);
	fx_box_begin(&fx, anew, 4, FX_ALWAYS);
	assert_int_equal(fx_box_verdict(&fx, 1), SLED_ITEM_PROVE);
	assert_int_equal(fx_box_verdict(&fx, 2), SLED_ITEM_PROVE);
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

/* Of a visit that was killed; what else was listed then nobody knows. */
static void
each_one_that_is_unsure_is_asked(void **state)
{
	const struct fx_letter mail[] = {
		{ "a", one, 0 },
		{ "b", HEAD("two") "second text, longer\r\n", 0 },
		{ "c", uno, 0 },
	};
	struct sled_err err = { 0 };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_visit(&fx, mail, 3, FX_NEVER);
	for (unsigned i = 1; i < 3; i++)
		assert_true(sled_ledger_set_flags(
		    sled_store_ledger(fx.store), fx_box_row(&fx, i).id,
		    SLED_MESSAGE_UNSURE, 0, &err));
	fx_box_begin(&fx, mail, 3, FX_ALWAYS);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_PROVE);
	assert_int_equal(fx_box_verdict(&fx, 1), SLED_ITEM_PROVE);
	assert_int_equal(fx_box_verdict(&fx, 2), SLED_ITEM_STORED);
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

/* What came for one was another: no id of this server is believed any more. */
static void
one_in_doubt_that_is_another_ends_the_belief_in_ids(void **state)
{
	const struct fx_letter was[] = { { "a", uno, 0 }, { "b", one, 0 } };
	const struct fx_letter is[] = {
		{ "a", one, 0 }, { "c", HEAD("dos") "first text\r\n", 0 }
	};
	struct sled_err err = { 0 };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_begin(&fx, was, 2, FX_NEVER);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_true(sled_box_doubt(fx.box, 0, &err));
	fx_box_end(&fx);
	fx_box_visit(&fx, is, 2, FX_NEVER);
	assert_string_equal(fx_box_row(&fx, 2).uid, "a");
	assert_true(fx_box_habits(&fx).reuses_ids);
	fx_box_drop(&fx);
}

/* The same octets again, and they are those of another by their size. */
static void
octets_of_another_that_come_twice_are_in_doubt(void **state)
{
	struct fx_letter mail[] = { { "a", one, 0 },
		                    { "b", HEAD("two") "2nd text\r\n",
		                      sizeof(one) - 1 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	fx.no_top = true;
	mail[0].listed = 500;
	fx_box_begin(&fx, mail, 2, FX_NEVER);
	fx_box_prove(&fx);
	fx_box_retr(&fx, 0);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_STORED);
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), 1);
	assert_int_not_equal(fx_box_row(&fx, 1).flags & SLED_MESSAGE_DOUBTFUL,
	                     0);
	fx_box_drop(&fx);
}

/* As listed with each line's end counted as one. */
static void
octets_of_another_are_seen_where_bare_lf_is_counted(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 999 },
		                          { "b", uno, sizeof(one) - 1 - 4 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 1, 1);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_retr(&fx, 0);
	fx_box_commit(&fx);
	fx_box_end(&fx);
	assert_int_not_equal(fx_box_row(&fx, 1).flags & SLED_MESSAGE_DOUBTFUL,
	                     0);
	fx_box_drop(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    each_strike_from_the_third_on_doubles_the_distance),
		cmocka_unit_test(silence_alone_never_makes_a_message_wait),
		cmocka_unit_test(
		    what_is_stored_or_gone_is_not_set_aside_any_more),
		cmocka_unit_test(without_an_id_it_is_known_by_number_and_size),
		cmocka_unit_test(
		    what_may_be_another_message_is_proved_before_it_is_deleted),
		cmocka_unit_test(a_proof_ends_the_doubt),
		cmocka_unit_test(new_ids_end_no_doubt),
		cmocka_unit_test(each_one_that_is_unsure_is_asked),
		cmocka_unit_test(
		    one_in_doubt_that_is_another_ends_the_belief_in_ids),
		cmocka_unit_test(
		    octets_of_another_that_come_twice_are_in_doubt),
		cmocka_unit_test(
		    octets_of_another_are_seen_where_bare_lf_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
