/* test_store_round.c - what was spent is known after a lost ledger, in every
 * place, also of rounds that died with the power. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_store.h"

#define JOURNAL "journal/2026-11.tsv"
#define LOST    "rm store/.mailsled/ledger.db*"

static int
set_up(void **state)
{
	static struct fx_store world;

	fx_store_make(&world, 1);
	*state = &world;
	fx_store_open(&world);
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

static void
reopen_after(struct fx_store *w, const char *command)
{
	fx_store_close(w);
	fx_store_sh(w, "%s", command);
	fx_store_open(w);
}

static int64_t
put_round(struct fx_store *w, const char *link, uint64_t bytes, bool over)
{
	struct sled_round_row row = { .began = w->now,
		                      .path = "wwan0",
		                      .currency = "USD",
		                      .places = "/media/u s\tb absent" };

	(void)snprintf(row.link, sizeof(row.link), "%s", link);
	assert_true(sled_store_round(w->store, &row, &w->err));
	row.ms = 20500;
	row.wire = bytes;
	row.billed_bytes = bytes + 7;
	row.steps = 2;
	row.money = 960000;
	row.over = over;
	assert_true(sled_store_round(w->store, &row, &w->err));
	w->now += 60;
	return row.id;
}

static void
assert_spent(struct fx_store *w, const char *link, uint64_t rounds,
             uint64_t bytes)
{
	struct sled_spent spent;

	assert_true(sled_ledger_spent(sled_store_ledger(w->store), link,
	                              FX_STORE_NOW, INT64_MAX, &spent,
	                              &w->err));
	assert_int_equal(spent.rounds, rounds);
	assert_int_equal(spent.bytes, bytes);
	assert_int_equal(spent.ms, 20500 * rounds);
	assert_int_equal(spent.money, 960000 * rounds);
}

static void
put_visit(struct fx_store *w, int64_t round)
{
	struct sled_visit_row row = { .began = w->now,
		                      .round = round,
		                      .path = "wwan0",
		                      .up_ms = 21000,
		                      .alive_ms = 30500,
		                      .cut = true,
		                      .exit = 75,
		                      .error = "cut",
		                      .held_bytes = 5000000,
		                      .left_bytes = 12 };
	struct sled_box *box = NULL;

	assert_true(
	    sled_box_open(&box, w->store, &fx_store_owner, w->now, &w->err));
	assert_true(sled_box_close(&box, &row, &w->err));
}

static bool
take_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	(void)err;
	*(struct sled_visit_row *)ctx = *row;
	return true;
}

static bool
take_round(void *ctx, const struct sled_round_row *row, struct sled_err *err)
{
	(void)err;
	*(struct sled_round_row *)ctx = *row;
	return true;
}

static void
test_sums_are_the_same_after_a_lost_ledger(void **state)
{
	struct fx_store *w = *state;

	(void)put_round(w, "wwan0", 1000, true);
	(void)put_round(w, "ppp0", 50, true);
	(void)put_round(w, "wwan0", 300, true);
	assert_spent(w, "wwan0", 2, 1314);
	reopen_after(w, LOST);
	assert_spent(w, "wwan0", 2, 1314);
	assert_spent(w, "ppp0", 1, 57);
	fx_store_close(w);
	fx_store_sh(w, "cmp store/" JOURNAL " copy1/" JOURNAL);
	/* From the copy alone. */
	fx_store_sh(w, "rm -r store");
	fx_store_open(w);
	assert_spent(w, "wwan0", 2, 1314);
}

static void
test_a_round_that_died_is_told_when_the_next_begins(void **state)
{
	struct fx_store *w = *state;

	(void)put_round(w, "wwan0", 1000, false);
	(void)put_round(w, "wwan0", 100, false);
	(void)put_round(w, "wwan0", 10, true);
	(void)put_round(w, "wwan0", 1, true);
	assert_spent(w, "wwan0", 4, 1139);
	fx_store_close(w);
	fx_store_sh(w, "test $(grep -c '\tround\t' store/" JOURNAL ") = 4");
	fx_store_sh(w, LOST);
	fx_store_open(w);
	assert_spent(w, "wwan0", 4, 1139);
}

static void
test_a_round_and_its_visits_find_each_other_again(void **state)
{
	struct fx_store *w = *state;
	struct sled_visit_row visit = { 0 };
	struct sled_round_row round = { 0 };
	int64_t id;

	(void)put_round(w, "eth0", 1, true);
	put_visit(w, 2);
	id = put_round(w, "wwan0", 1000, true);
	assert_int_equal(id, 3); /* 2 is of the visit, whatever died there */
	put_visit(w, id);
	reopen_after(w, LOST);
	assert_true(sled_ledger_visits(sled_store_ledger(w->store), NULL, 1,
	                               take_visit, &visit, &w->err));
	assert_true(sled_ledger_rounds(sled_store_ledger(w->store), 0, 1,
	                               take_round, &round, &w->err));
	assert_int_equal(visit.round, id);
	assert_int_equal(round.id, id);
	assert_string_equal(visit.path, "wwan0");
	assert_int_equal(visit.up_ms, 21000);
	assert_int_equal(visit.alive_ms, 30500);
	assert_true(visit.cut);
	assert_int_equal(visit.exit, 75);
	assert_string_equal(visit.error, "cut");
	assert_int_equal(visit.held_bytes, 5000000);
	assert_int_equal(visit.left_bytes, 12);
	assert_string_equal(round.link, "wwan0");
	assert_string_equal(round.path, "wwan0");
	assert_true(round.over && !round.dialled);
	assert_int_equal(round.wire, 1000);
	assert_int_equal(round.steps, 2);
	assert_string_equal(round.currency, "USD");
	assert_string_equal(round.places, "/media/u s\tb absent");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sums_are_the_same_after_a_lost_ledger),
		TEST(test_a_round_that_died_is_told_when_the_next_begins),
		TEST(test_a_round_and_its_visits_find_each_other_again),
	};

	return cmocka_run_group_tests_name("store_round", tests, NULL, NULL);
}
