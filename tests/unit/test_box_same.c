/* test_box_same.c - is a listed message one that is stored? (match.c) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_box.h"

#define HEAD(s) "From: ada@example.org\r\nSubject: " s "\r\n\r\n"

static const char one[] = HEAD("one") "first text\r\n";
static const char two[] = HEAD("two") "second text, longer\r\n";
/* As long as `one`, another message. */
static const char uno[] = HEAD("uno") "prima texta\r";

static void
what_is_new_is_fetched_and_once_only(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 }, { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 2, FX_NEVER);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_NEW);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_int_equal(fx_box_verdict(&fx, 1), SLED_ITEM_STORED);
	assert_true(fx_box_flags(&fx, 1) & SLED_ITEM_SAFE);
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	assert_int_equal(fx.retrs + fx.tops + fx.deles, 0);
	assert_int_equal(fx_box_rows(&fx), 2);
	assert_int_equal(fx_box_on_server(&fx), 2);
	fx_box_drop(&fx);
}

static void
another_size_is_proved_by_its_header_and_noted(void **state)
{
	/* mailutils over mbox: one message, 53, 75, then 119 octets. */
	static const uint64_t sizes[] = { 53, 75, 119, 75, 53 };
	struct fx_letter mail[] = { { "a", one, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	for (size_t i = 0; i < 5; i++) {
		mail[0].listed = sizes[i];
		fx_box_visit(&fx, mail, 1, FX_NEVER);
		assert_int_equal(fx.retrs, i == 0);
		assert_int_equal(fx.tops, i == 1 || i == 2);
	}
	assert_int_equal(fx_box_rows(&fx), 1);
	assert_int_equal(fx_box_journal(&fx, 1, "\tknown\t"), 2);
	fx_box_drop(&fx);
}

static void
headers_that_servers_rewrite_prove_nothing_else(void **state)
{
	const struct fx_letter was[] = { { "a", one, 0 } };
	const struct fx_letter is[] = {
		{ "a",
		  "From: ada@example.org\r\nStatus: RO\r\n"
		  "Subject: one\r\nX-UID: 7\r\n\r\nfirst text\r\n",
		  0 }
	};
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 1, FX_NEVER);
	fx_box_visit(&fx, is, 1, FX_ALWAYS);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx.tops, 1);
	assert_int_equal(fx.deles, 1);
	fx_box_drop(&fx);
}

static void
a_reused_id_is_fetched_and_from_then_on_all_are_proved(void **state)
{
	const struct fx_letter was[] = { { "a", one, 0 } };
	const struct fx_letter is[] = { { "a", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 1, FX_NEVER);
	assert_false(fx_box_habits(&fx).reuses_ids);
	fx_box_begin(&fx, is, 1, FX_ALWAYS);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_PROVE);
	assert_false(sled_box_may_delete(fx.box, 0));
	fx_box_prove(&fx);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_NEW);
	assert_false(sled_box_may_delete(fx.box, 0));
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	/* Even when this run is killed now, it is remembered. */
	assert_true(fx_box_habits(&fx).reuses_ids);
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), 2);
	for (unsigned i = 0; i < 2; i++) {
		fx_box_visit(&fx, is, 1, FX_NEVER);
		assert_int_equal(fx.tops, 1);
		assert_int_equal(fx.retrs, 0);
	}
	assert_int_equal(fx_box_live(&fx), 1);
	fx_box_drop(&fx);
}

/* It was taken for stored by its id before the visit showed what ids are worth. */
static void
an_id_that_was_believed_in_the_visit_that_shows_a_reuse_deletes_nothing(
    void **state)
{
	const struct fx_letter was[] = { { "a", one, 0 }, { "b", two, 0 } };
	const struct fx_letter is[] = { { "a", two, 0 }, { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 2, FX_NEVER);
	fx_box_begin(&fx, is, 2, FX_ALWAYS);
	assert_int_equal(fx_box_verdict(&fx, 1), SLED_ITEM_STORED);
	fx_box_prove(&fx);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_recheck(&fx);
	assert_int_equal(fx.retrs, 1);
	assert_true(sled_box_may_delete(fx.box, 0));
	assert_false(sled_box_may_delete(fx.box, 1));
	fx_box_end(&fx);
	fx_box_visit(&fx, is, 2, FX_ALWAYS);
	assert_int_equal(fx.tops, 2);
	assert_int_equal(fx.deles, 2);
	fx_box_drop(&fx);
}

static void
what_is_gone_and_listed_again_is_proved(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.deles, 1);
	assert_int_equal(fx_box_live(&fx), 0);
	assert_int_equal(fx_box_on_server(&fx), 0);
	fx_box_begin(&fx, mail, 1, FX_NEVER);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_PROVE);
	fx_box_prove(&fx);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_STORED);
	fx_box_end(&fx);
	assert_int_equal(fx_box_live(&fx), 1);
	assert_int_equal(fx_box_rows(&fx), 1);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	assert_int_equal(fx.tops, 0);
	fx_box_drop(&fx);
}

static void
an_id_of_the_same_size_is_proved_after_a_lost_quit(void **state)
{
	const struct fx_letter was[] = { { "a", one, 0 }, { "b", two, 0 } };
	const struct fx_letter is[] = { { "a", uno, 0 }, { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	assert_int_equal(sizeof(one), sizeof(uno));
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, was, 2, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_dele(&fx);
	assert_int_equal(fx.deles, 2);
	fx_box_end(&fx);
	fx_box_begin(&fx, is, 2, FX_ALWAYS);
	fx_box_prove(&fx);
	assert_int_equal(fx.tops, 2);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_NEW);
	assert_int_equal(fx_box_verdict(&fx, 1), SLED_ITEM_STORED);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), 3);
	fx_box_drop(&fx);
}

static void
a_retr_of_the_rows_own_bytes_adds_a_size(void **state)
{
	struct fx_letter mail[] = { { "a", one, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	fx.no_top = true;
	mail[0].listed = 500;
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	fx_box_prove(&fx);
	fx_box_fetch(&fx);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_STORED);
	fx_box_commit(&fx);
	fx_box_recheck(&fx);
	assert_true(sled_box_may_delete(fx.box, 0));
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), 1);
	assert_false(fx_box_habits(&fx).reuses_ids);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	assert_int_equal(fx.retrs + fx.tops, 0);
	fx_box_drop(&fx);
}

static void
equal_bytes_under_two_ids_are_two_messages(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 }, { "b", one, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_visit(&fx, mail, 2, FX_ALWAYS);
	assert_int_equal(fx.deles, 2);
	assert_int_equal(fx.retrs, 0);
	fx_box_drop(&fx);
}

static void
a_message_without_a_header_is_fetched_not_proved(void **state)
{
	struct fx_letter mail[] = { { "a", "\r\nno header\r\n", 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	mail[0].listed = 99;
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	assert_int_equal(fx.tops, 0);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), 1);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.tops + fx.retrs, 0);
	assert_int_equal(fx.deles, 1);
	/* Gone and there again: only its bytes can tell. */
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.tops, 0);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), 1);
	fx_box_drop(&fx);
}

/* Two listed messages never end up in one row, whatever they claim. */
static void
an_id_of_old_is_no_second_claim_to_a_row(void **state)
{
	const struct fx_letter was[] = { { "x", one, 0 } };
	const struct fx_letter renamed[] = { { "y", one, 0 } };
	const struct fx_letter is[] = { { "x", one, 0 }, { "y", one, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 1, FX_NEVER);
	fx_box_visit(&fx, renamed, 1, FX_NEVER);
	assert_int_equal(fx.retrs, 0);
	assert_string_equal(fx_box_row(&fx, 1).uid, "y");
	fx_box_begin(&fx, is, 2, FX_ALWAYS);
	fx_box_recheck(&fx);
	assert_false(sled_box_may_delete(fx.box, 0));
	fx_box_prove(&fx);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_int_not_equal(fx.listing.items[0].row, fx.listing.items[1].row);
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_drop(&fx);
}

/* After `y` took its row over, `x` of the same size is another message. */
static void
an_id_of_old_with_the_same_size_is_proved(void **state)
{
	const struct fx_letter was[] = { { "x", one, 0 } };
	const struct fx_letter renamed[] = { { "y", one, 0 } };
	const struct fx_letter is[] = { { "x", uno, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 1, FX_NEVER);
	fx_box_visit(&fx, renamed, 1, FX_NEVER);
	fx_box_begin(&fx, is, 1, FX_ALWAYS);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_PROVE);
	fx_box_prove(&fx);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_NEW);
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

/* Both lead to the one row after a rebuild: either could be its id. */
static void
two_ids_of_a_rebuilt_row_are_one_message(void **state)
{
	const struct fx_letter was[] = { { "x", one, 0 } };
	const struct fx_letter renamed[] = { { "y", one, 0 } };
	const struct fx_letter is[] = { { "x", uno, 0 }, { "y", one, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 1, FX_NEVER);
	fx_box_visit(&fx, renamed, 1, FX_NEVER);
	fx_box_close(&fx);
	fx_box_shell(&fx, "rm %s/a/.mailsled/ledger.db*");
	fx_box_open(&fx);
	fx_box_visit(&fx, is, 2, FX_NEVER);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_drop(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_new_is_fetched_and_once_only),
		cmocka_unit_test(
		    another_size_is_proved_by_its_header_and_noted),
		cmocka_unit_test(
		    headers_that_servers_rewrite_prove_nothing_else),
		cmocka_unit_test(
		    a_reused_id_is_fetched_and_from_then_on_all_are_proved),
		cmocka_unit_test(what_is_gone_and_listed_again_is_proved),
		cmocka_unit_test(
		    an_id_of_the_same_size_is_proved_after_a_lost_quit),
		cmocka_unit_test(a_retr_of_the_rows_own_bytes_adds_a_size),
		cmocka_unit_test(equal_bytes_under_two_ids_are_two_messages),
		cmocka_unit_test(
		    a_message_without_a_header_is_fetched_not_proved),
		cmocka_unit_test(an_id_of_old_is_no_second_claim_to_a_row),
		cmocka_unit_test(an_id_of_old_with_the_same_size_is_proved),
		cmocka_unit_test(two_ids_of_a_rebuilt_row_are_one_message),
		cmocka_unit_test(
		    an_id_that_was_believed_in_the_visit_that_shows_a_reuse_deletes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
