/* test_box_safe.c - what may be deleted: places counted at the commit, and
 * again in later visits (recheck.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_box.h"

#define HEAD(s) "From: ada@example.org\r\nSubject: " s "\r\n\r\n"
#define DAY     ((int64_t)24 * 3600)

static const struct fx_letter mail[] = {
	{ "a", HEAD("one") "first text\r\n", 0 },
	{ "b", HEAD("two") "second text, longer\r\n", 0 },
};

/* A visit up to its DELEs; how many there are. */
static unsigned
deletes_in_a_visit(struct fx_box *fx, int64_t until)
{
	fx_box_visit(fx, mail, 2, until);
	assert_int_equal(fx->retrs, 0);
	return fx->deles;
}

/* A store of A and B that has the mail, closed. */
static void
make_kept(struct fx_box *fx)
{
	fx_box_make(fx, 2, 2);
	fx_box_visit(fx, mail, 2, FX_NEVER);
	assert_int_equal(fx->retrs, 2);
	assert_int_equal(fx->deles, 0);
	fx_box_close(fx);
}

static void
the_policy_says_what_is_due(void **state)
{
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_NEVER), 0);
	assert_int_equal(deletes_in_a_visit(&fx, fx.now - 14 * DAY), 0);
	fx_box_begin(&fx, mail, 2, FX_NEVER);
	fx_box_recheck(&fx);
	assert_false(sled_box_may_delete(fx.box, 0));
	fx_box_end(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, fx.now), 2);
	fx_box_drop(&fx);
}

/* A router without a battery begins in 1970, and the trial not before its clock is
 * right. */
static void
the_trial_begins_when_the_clock_is_right(void **state)
{
	struct sled_maildrop maildrop;
	struct sled_err err = { 0 };
	struct fx_box fx;
	int64_t now;

	(void)state;
	fx_box_make(&fx, 2, 2);
	now = fx.now;
	fx.now = DAY;
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	assert_int_equal(fx_box_habits(&fx).first_visit, 0);
	fx_box_close(&fx);
	fx_box_shell(&fx, "rm %s/a/.mailsled/ledger.db*");
	fx_box_open(&fx);
	assert_int_equal(fx_box_habits(&fx).first_visit, 0);
	maildrop = fx_box_habits(&fx);
	maildrop.first_visit = DAY; /* as it was noted once */
	assert_true(sled_ledger_maildrop_put(sled_store_ledger(fx.store),
	                                     &maildrop, &err));
	for (int64_t day = 0; day < 2; day++) {
		fx.now = now + day * DAY;
		fx_box_visit(&fx, mail, 2, FX_NEVER);
		assert_int_equal(fx_box_habits(&fx).first_visit, now);
	}
	fx_box_drop(&fx);
}

static void
nothing_goes_before_its_commit(void **state)
{
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	assert_true(sled_box_all_safe(fx.box));
	fx_box_retr(&fx, 0);
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_false(sled_box_all_safe(fx.box));
	assert_true(sled_box_commit_take(fx.box, true));
	assert_false(sled_box_may_delete(fx.box, 0));
	sled_box_commit(fx.box);
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_true(sled_box_commit_apply(fx.box, &(struct sled_err){ 0 }));
	assert_true(sled_box_may_delete(fx.box, 0));
	assert_false(sled_box_may_delete(fx.box, 1));
	assert_true(sled_box_all_safe(fx.box));
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

static void
too_few_places_keep_mail_and_say_why(void **state)
{
	struct sled_box_sums sums;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_close(&fx);
	fx_box_unplug(&fx, 1);
	fx_box_open(&fx);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_recheck(&fx);
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_false(sled_box_all_safe(fx.box));
	sums = sled_box_sums(fx.box);
	assert_int_equal(sums.fetched, 2);
	assert_int_equal(sums.safe, 0);
	assert_int_equal(sums.unsafe_kind, SLED_ERR_PLACE);
	assert_string_not_equal(sums.unsafe_why, "");
	fx_box_end(&fx);
	fx_box_close(&fx);
	fx_box_plug(&fx, 1);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 2);
	fx_box_drop(&fx);
}

static void
an_absent_place_counts_for_thirty_days(void **state)
{
	static const struct {
		int64_t age;
		unsigned deletes;
	} cases[] = {
		{ 0, 2 },        { 29 * DAY, 2 }, { 30 * DAY - 60, 2 },
		{ 30 * DAY, 0 }, /* the clock was set back: who knows */
		{ -2 * DAY, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fx_box fx;

		make_kept(&fx);
		fx_box_unplug(&fx, 1);
		fx_box_age(&fx, cases[i].age);
		fx_box_open(&fx);
		assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS),
		                 cases[i].deletes);
		fx_box_drop(&fx);
	}
}

struct one_place {
	const char *path;
	struct sled_place_row row;
};

static bool
take_place(void *ctx, const struct sled_place_row *row, struct sled_err *err)
{
	struct one_place *place = ctx;

	(void)err;
	if (strcmp(row->path, place->path) == 0)
		place->row = *row;
	return true;
}

static void
an_absent_place_that_is_suspect_counts_for_naught(void **state)
{
	struct fx_box fx;
	struct one_place place;
	struct sled_ledger *ledger;
	struct sled_err err = { 0 };

	(void)state;
	make_kept(&fx);
	fx_box_unplug(&fx, 1);
	place = (struct one_place){ .path = fx.paths[1] };
	ledger = fx_box_ledger(&fx);
	assert_true(sled_ledger_places(ledger, take_place, &place, &err));
	place.row.suspect = true;
	assert_true(sled_ledger_place_put(ledger, &place.row, &err));
	sled_ledger_close(&ledger);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
	fx_box_drop(&fx);
}

static void
a_lost_quit_and_a_wiped_copy_delete_nothing_until_a_sync(void **state)
{
	struct fx_box fx;
	struct sled_err err = { 0 };
	uint64_t octets = 0;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_dele(&fx);
	assert_int_equal(fx.deles, 2);
	fx_box_end(&fx);
	fx_box_close(&fx);
	fx_box_wipe(&fx, 1);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
	fx_box_close(&fx);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
	if (!sled_store_sync(fx.store, NULL, &octets, &err))
		fail_msg("%s", err.text);
	assert_true(octets > 0);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 2);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_drop(&fx);
}

/* Its disk is away now; what was seen of it before is not forgotten. */
static void
a_place_that_was_seen_wiped_counts_for_naught_when_it_is_away(void **state)
{
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx_box_shell(&fx, "rm -r %s/b/*");
	fx_box_open(&fx);
	fx_box_close(&fx);
	fx_box_unplug(&fx, 1);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
	fx_box_drop(&fx);
}

static void
after_a_day_a_present_place_is_read_again(void **state)
{
	struct fx_box fx;

	(void)state;
	for (size_t place = 0; place < 2; place++) {
		make_kept(&fx);
		fx_box_damage(&fx, place, 300);
		fx_box_age(&fx, 23 * 3600);
		fx_box_open(&fx);
		fx_box_begin(&fx, mail, 2, FX_ALWAYS);
		fx_box_recheck(&fx);
		assert_true(sled_box_may_delete(fx.box, 0));
		fx_box_end(&fx);
		fx_box_age(&fx, 25 * 3600);
		fx.said[0] = '\0';
		assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
		assert_string_not_equal(fx.said, "");
		/* It is not believed the next time either, in this run. */
		assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
		fx_box_close(&fx);
		if (place == 0) {
			fx_box_drop(&fx);
			continue;
		}
		/* The next start sets the copy aside and makes it anew. */
		fx_box_open(&fx);
		assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 2);
		fx_box_drop(&fx);
	}
}

static void
a_reading_that_holds_counts_for_another_day(void **state)
{
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx_box_age(&fx, 25 * 3600);
	fx_box_open(&fx);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_recheck(&fx);
	assert_true(sled_box_may_delete(fx.box, 0));
	fx_box_end(&fx);
	fx_box_damage(&fx, 1, 300);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 2);
	fx_box_drop(&fx);
}

/* Of a reading in the future nobody knows how old it is. */
static void
a_place_that_was_read_in_the_future_is_read_again(void **state)
{
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx_box_damage(&fx, 1, 300);
	fx_box_age(&fx, -2 * DAY);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
	fx_box_drop(&fx);
}

static void
what_is_counted_again_comes_from_the_disk(void **state)
{
	struct fx_box fx;
	unsigned before;

	(void)state;
	make_kept(&fx);
	fx_box_age(&fx, 25 * 3600);
	fx_box_open(&fx);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	before = fx_sys_count(&fx.sys, FX_DROP_PAGES);
	fx_box_recheck(&fx);
	assert_int_equal(fx_sys_count(&fx.sys, FX_DROP_PAGES) - before, 2);
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

/* Absence may be counted; a place that fails, or does not answer, may not. */
static void
a_place_that_fails_counts_for_naught(void **state)
{
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx_box_open(&fx);
	fx_sys_pull(&fx.sys, fx.paths[1], 1);
	assert_int_equal(deletes_in_a_visit(&fx, FX_NEVER), 0);
	fx_sys_calm(&fx.sys);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
	fx_box_close(&fx);
	fx_sys_pull(&fx.sys, fx.paths[1], 1);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
	fx_box_close(&fx);
	fx_sys_calm(&fx.sys);
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 2);
	fx_box_drop(&fx);
}

static void
a_count_is_of_the_row_that_was_counted(void **state)
{
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx_box_open(&fx);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_recheck_take(&fx);
	fx_box_recount(&fx);
	fx.listing.items[0].row += 7; /* another came for it meanwhile */
	fx_box_recheck_apply(&fx);
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_true(sled_box_may_delete(fx.box, 1));
	fx_box_kill(&fx);
	fx_box_drop(&fx);
}

/* The first place is not known to hold what it has any more: its bytes are made
 * sure to be on the disk, and read from there. */
static void
what_the_first_place_holds_again_was_synced_and_read(void **state)
{
	struct fx_box fx;
	struct one_place place;
	struct sled_ledger *ledger;
	struct sled_err err = { 0 };
	unsigned before;

	(void)state;
	for (size_t damaged = 0; damaged < 2; damaged++) {
		make_kept(&fx);
		place = (struct one_place){ .path = fx.paths[0] };
		ledger = fx_box_ledger(&fx);
		assert_true(
		    sled_ledger_places(ledger, take_place, &place, &err));
		assert_true(sled_ledger_unhold(ledger, 0, place.row.id, &err));
		sled_ledger_close(&ledger);
		if (damaged)
			fx_box_damage(&fx, 0, 300);
		before = fx_sys_count(&fx.sys, FX_DROP_PAGES);
		fx_sys_log_on(&fx.sys);
		fx_sys_log_clear(&fx.sys);
		fx_box_open(&fx);
		assert_true(fx_sys_count(&fx.sys, FX_DROP_PAGES) > before);
		assert_true(fx_sys_before(&fx.sys, "< fdatasync a/home/",
		                          "> drop_pages a/home/"));
		assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS),
		                 damaged ? 0 : 2);
		fx_box_drop(&fx);
	}
}

/* What is not due costs no reading: the archive is not read each day. */
static void
what_is_kept_is_not_read_again(void **state)
{
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx_box_age(&fx, 25 * 3600);
	fx_box_damage(&fx, 1, 300);
	fx_box_open(&fx);
	fx.said[0] = '\0';
	assert_int_equal(deletes_in_a_visit(&fx, FX_NEVER), 0);
	assert_string_equal(fx.said, "");
	fx_box_drop(&fx);
}

static void
one_place_by_two_paths_counts_once(void **state)
{
	static const char *const ways[] = { "cp -a %s/b %s/c", "mv %s/b %s/c" };
	struct fx_box fx;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		make_kept(&fx);
		fx_box_shell(&fx, ways[i]);
		fx.conf.copies_len = 2;
		fx.conf.min_copies = 3;
		fx_box_open(&fx);
		assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
		fx_box_close(&fx);
		fx.conf.min_copies = 2;
		fx_box_open(&fx);
		assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 2);
		fx_box_drop(&fx);
	}
}

static void
places_on_one_disk_count_once_when_that_is_wanted(void **state)
{
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx.conf.distinct_devices = true;
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 0);
	fx_box_close(&fx);
	fx.conf.distinct_devices = false;
	fx_box_open(&fx);
	assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 2);
	fx_box_drop(&fx);
}

/* EXPIRE 0: what was TOPped goes with QUIT, due or not. */
static void
what_was_topped_is_counted_for_quit(void **state)
{
	struct fx_letter other[] = { mail[0], mail[1] };
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	other[1].listed = 40;
	fx_box_open(&fx);
	fx_box_begin(&fx, other, 2, FX_NEVER);
	fx_box_prove(&fx);
	assert_false(sled_box_all_safe(fx.box));
	fx_box_recheck(&fx);
	assert_true(sled_box_all_safe(fx.box));
	assert_false(sled_box_may_delete(fx.box, 1));
	fx_box_end(&fx);
	fx_box_close(&fx);
	fx_box_wipe(&fx, 1);
	other[1].listed = 50;
	fx_box_open(&fx);
	fx_box_begin(&fx, other, 2, FX_NEVER);
	fx_box_prove(&fx);
	fx_box_recheck(&fx);
	assert_false(sled_box_all_safe(fx.box));
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

static void
rebuilt_rows_are_proved_before_they_are_deleted(void **state)
{
	static const char *const losses[] = { "rm %s/a/.mailsled/ledger.db*",
		                              "rm -r %s/a" };
	struct fx_box fx;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		make_kept(&fx);
		fx_box_shell(&fx, losses[i]);
		fx_box_open(&fx);
		assert_int_equal(fx_box_rows(&fx), 2);
		assert_int_equal(deletes_in_a_visit(&fx, FX_NEVER), 0);
		assert_int_equal(fx.tops, 0);
		assert_int_equal(fx_box_on_server(&fx), 2);
		assert_int_equal(deletes_in_a_visit(&fx, FX_ALWAYS), 2);
		assert_int_equal(fx.tops, 2);
		fx_box_drop(&fx);
	}
}

static void
a_rebuilt_row_whose_id_has_other_mail_now_is_not_deleted(void **state)
{
	static const struct fx_letter other[] = {
		{ "a", HEAD("uno") "prima text\r\n", 0 },
	};
	struct fx_box fx;

	(void)state;
	make_kept(&fx);
	fx_box_shell(&fx, "rm %s/a/.mailsled/ledger.db*");
	fx_box_open(&fx);
	fx_box_visit(&fx, other, 1, FX_ALWAYS);
	assert_int_equal(fx.tops, 1);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), 3);
	fx_box_drop(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_policy_says_what_is_due),
		cmocka_unit_test(the_trial_begins_when_the_clock_is_right),
		cmocka_unit_test(nothing_goes_before_its_commit),
		cmocka_unit_test(too_few_places_keep_mail_and_say_why),
		cmocka_unit_test(an_absent_place_counts_for_thirty_days),
		cmocka_unit_test(
		    an_absent_place_that_is_suspect_counts_for_naught),
		cmocka_unit_test(
		    a_lost_quit_and_a_wiped_copy_delete_nothing_until_a_sync),
		cmocka_unit_test(
		    a_place_that_was_seen_wiped_counts_for_naught_when_it_is_away),
		cmocka_unit_test(after_a_day_a_present_place_is_read_again),
		cmocka_unit_test(a_reading_that_holds_counts_for_another_day),
		cmocka_unit_test(what_is_kept_is_not_read_again),
		cmocka_unit_test(one_place_by_two_paths_counts_once),
		cmocka_unit_test(
		    places_on_one_disk_count_once_when_that_is_wanted),
		cmocka_unit_test(what_was_topped_is_counted_for_quit),
		cmocka_unit_test(
		    rebuilt_rows_are_proved_before_they_are_deleted),
		cmocka_unit_test(
		    a_rebuilt_row_whose_id_has_other_mail_now_is_not_deleted),
		cmocka_unit_test(
		    a_place_that_was_read_in_the_future_is_read_again),
		cmocka_unit_test(what_is_counted_again_comes_from_the_disk),
		cmocka_unit_test(a_place_that_fails_counts_for_naught),
		cmocka_unit_test(a_count_is_of_the_row_that_was_counted),
		cmocka_unit_test(
		    what_the_first_place_holds_again_was_synced_and_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
