/* test_store_journal.c - what archives cannot tell survives torn lines, places
 * that were away, and a lost ledger. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_store.h"

#define JOURNAL "journal/2026-11.tsv"

static const struct fx_mail mails[] = { { "u1", 100, 1 },
	                                { "u2", 3000, 2 },
	                                { "u3", 5, 3 } };

static int
set_up(void **state)
{
	static struct fx_store world;

	fx_store_make(&world, 1);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

/* Opened before, closed behind; a minute after the last one. */
static struct fx_visit
visit(struct fx_store *w, size_t from, size_t len, bool deleting)
{
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, mails + from, len, 1000, deleting))
		fail_msg("%s", v.err.text);
	fx_store_close(w);
	w->now += 60;
	return v;
}

static bool
count_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	(void)err;
	assert_string_equal(row->error, "");
	assert_string_equal(row->label, "home");
	++*(size_t *)ctx;
	return true;
}

static size_t
visits(struct fx_store *w)
{
	size_t count = 0;

	assert_true(sled_ledger_visits(sled_store_ledger(w->store), NULL, 0,
	                               count_visit, &count, &w->err));
	return count;
}

static struct sled_maildrop
maildrop(struct fx_store *w)
{
	struct sled_maildrop out;

	assert_true(sled_ledger_maildrop(sled_store_ledger(w->store),
	                                 fx_store_owner.server,
	                                 fx_store_owner.user, &out, &w->err));
	return out;
}

static void
test_each_place_has_every_visit_and_what_is_gone(void **state)
{
	struct fx_store *w = *state;

	(void)visit(w, 0, 2, true);
	(void)visit(w, 2, 1, true);
	fx_store_sh(w,
	            "test $(grep -c '\tvisit\thome\t' store/" JOURNAL ") = 2");
	fx_store_sh(w,
	            "test $(grep -c '\tgone\thome\t' store/" JOURNAL ") = 3");
	fx_store_sh(w, "cmp store/" JOURNAL " copy1/" JOURNAL);
	/* Anyone can check a line: 8 digits of the SHA-256 of the rest. */
	fx_store_sh(w, "line=$(head -1 store/" JOURNAL ") && "
	               "sum=$(printf %%s \"${line%%\t*}\" | sha256sum | "
	               "cut -c1-8) && test \"$sum\" = \"${line##*\t}\"");
}

static void
test_a_torn_last_line_is_dropped(void **state)
{
	struct fx_store *w = *state;

	(void)visit(w, 0, 2, true);
	fx_store_sh(w, "cp store/" JOURNAL " whole && "
	               "printf '2026-11-23T15:00:00Z\tgone\tho' >> "
	               "store/" JOURNAL);
	fx_store_open(w);
	fx_store_close(w);
	fx_store_sh(w,
	            "cmp whole store/" JOURNAL " && cmp whole copy1/" JOURNAL);
	fx_store_sh(w, "truncate -s -3 store/" JOURNAL);
	fx_store_open(w);
	fx_store_close(w);
	fx_store_sh(w, "test $(sort whole | uniq | wc -l) = "
	               "$(cat whole store/" JOURNAL " | sort | uniq | wc -l)");
	fx_store_sh(w, "cmp store/" JOURNAL " copy1/" JOURNAL);
	fx_store_sh(w, "test $(wc -l < whole) = $(wc -l < store/" JOURNAL ")");
}

static void
test_a_journal_that_is_all_torn_goes_on(void **state)
{
	struct fx_store *w = *state;

	(void)visit(w, 0, 1, true);
	fx_store_sh(w, "printf torn > store/" JOURNAL
	               " && printf torn > copy1/" JOURNAL);
	(void)visit(w, 1, 1, true);
	fx_store_sh(w, "test $(grep -c '\tvisit\t' store/" JOURNAL ") = 1");
	fx_store_sh(w, "cmp store/" JOURNAL " copy1/" JOURNAL);
}

static void
test_a_place_that_was_away_gets_the_lines_it_missed(void **state)
{
	struct fx_store *w = *state;

	(void)visit(w, 0, 1, true);
	fx_store_sh(w, "mkdir away && mv copy1 away/ && rm -rf copy1");
	w->conf.min_copies = 1;
	(void)visit(w, 1, 1, true);
	fx_store_sh(w, "mv away/copy1 .");
	/* A line that only the copy has, of a first place now lost. */
	(void)visit(w, 2, 1, true);
	fx_store_sh(w, "test $(grep -c '\tvisit\t' copy1/" JOURNAL ") = 3");
	fx_store_sh(w, "test $(grep -c '\tgone\t' copy1/" JOURNAL ") = 3");
	fx_store_sh(w, "cp store/" JOURNAL " whole && sed -i 1d store/" JOURNAL
	               " && sed -i '$d' copy1/" JOURNAL);
	fx_store_open(w);
	fx_store_close(w);
	fx_store_sh(w, "sort whole > a && sort store/" JOURNAL
	               " | cmp - a && cmp store/" JOURNAL " copy1/" JOURNAL);
}

static void
test_visits_and_what_is_gone_survive_a_lost_ledger(void **state)
{
	struct fx_store *w = *state;
	struct sled_maildrop was, is;
	struct fx_visit v;

	w->now -= 100000;
	(void)visit(w, 0, 2, true);
	(void)visit(w, 2, 1, false);
	fx_store_open(w);
	was = maildrop(w);
	assert_int_equal(was.first_visit, w->now - 120);
	fx_store_close(w);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	is = maildrop(w);
	assert_int_equal(is.first_visit, was.first_visit);
	assert_int_equal(visits(w), 2);
	fx_store_close(w);
	fx_store_open(w);
	assert_int_equal(visits(w), 2);
	/* An id of a gone message is no proof that this is that message. */
	assert_true(fx_visit_begin(&v, w, mails, 3));
	assert_int_not_equal(v.listing.items[0].flags & SLED_ITEM_TOPPED, 0);
	assert_int_not_equal(v.listing.items[2].flags & SLED_ITEM_TOPPED, 0);
	assert_true(fx_visit_end(&v, false));
	fx_store_close(w);
	/* The same from the copy alone. */
	fx_store_sh(w, "rm -r store");
	fx_store_open(w);
	assert_int_equal(visits(w), 2);
	assert_int_equal(maildrop(w).first_visit, was.first_visit);
	assert_store_has(w, mails, 3);
}

/* A visit that never saw the maildrop does not begin the days of trial. */
static void
test_a_failed_visit_is_not_the_first(void **state)
{
	struct fx_store *w = *state;
	struct sled_visit_row row = { .began = w->now, .exit = 77 };
	struct sled_box *box = NULL;

	(void)snprintf(row.error, sizeof(row.error), "-ERR no");
	fx_store_open(w);
	assert_true(
	    sled_box_open(&box, w->store, &fx_store_owner, w->now, &w->err));
	assert_true(sled_box_close(&box, &row, &w->err));
	fx_store_close(w);
	w->now += 500;
	(void)visit(w, 0, 1, false);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_int_equal(maildrop(w).first_visit, w->now - 60);
}

static void
test_a_listed_size_once_known_stays_known(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v = { .w = w, .mails = mails, .len = 1 };
	struct sled_span uid = { "u1", 2 };

	(void)visit(w, 0, 1, false);
	for (int round = 0; round < 3; round++) {
		v = (struct fx_visit){ .w = w, .mails = mails, .len = 1 };
		fx_store_open(w);
		assert_true(sled_listing_new(&v.listing, 1, &v.err));
		assert_true(sled_listing_size(&v.listing, 1, 9, &v.err));
		assert_true(sled_listing_uid(&v.listing, 1, uid, &v.err));
		assert_true(sled_box_open(&v.box, w->store, &fx_store_owner,
		                          w->now, &v.err));
		assert_true(sled_box_listed(v.box, &v.listing, INT64_MIN,
		                            w->now, &v.err));
		assert_int_equal(v.listing.items[0].verdict,
		                 round == 0 ? SLED_ITEM_PROVE
		                            : SLED_ITEM_STORED);
		if (round == 0)
			assert_true(fx_visit_prove(&v, 0));
		assert_true(fx_visit_end(&v, true));
		fx_store_close(w);
		if (round == 1)
			fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	}
}

/* A machine that went on without this store gave its number 1 to other mail,
 * of which only its journal came here. */
static void
test_what_is_known_of_another_s_number_is_of_no_message_here(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v = { .w = w, .mails = mails, .len = 1 };
	struct sled_span uid = { "other", 5 };

	(void)visit(w, 0, 1, false);
	fx_store_sh(w, "line=$(printf '2026-11-23T15:00:00Z\tknown\thome\t1"
	               "\tother\t4321\t%%064d' 7) && "
	               "sum=$(printf %%s \"$line\" | sha256sum | cut -c1-8) && "
	               "printf '%%s\t%%s\n' \"$line\" $sum | "
	               "tee -a store/" JOURNAL " >> copy1/" JOURNAL);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_true(sled_listing_new(&v.listing, 1, &v.err));
	assert_true(sled_listing_size(&v.listing, 1, 4321, &v.err));
	assert_true(sled_listing_uid(&v.listing, 1, uid, &v.err));
	assert_true(
	    sled_box_open(&v.box, w->store, &fx_store_owner, w->now, &v.err));
	assert_true(
	    sled_box_listed(v.box, &v.listing, INT64_MIN, w->now, &v.err));
	assert_int_equal(v.listing.items[0].verdict, SLED_ITEM_NEW);
	assert_true(fx_visit_end(&v, true));
	fx_store_close(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_each_place_has_every_visit_and_what_is_gone),
		TEST(test_a_torn_last_line_is_dropped),
		TEST(test_a_journal_that_is_all_torn_goes_on),
		TEST(test_a_place_that_was_away_gets_the_lines_it_missed),
		TEST(test_visits_and_what_is_gone_survive_a_lost_ledger),
		TEST(test_a_failed_visit_is_not_the_first),
		TEST(test_a_listed_size_once_known_stays_known),
		TEST(
		    test_what_is_known_of_another_s_number_is_of_no_message_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
