/* test_store_scrub.c - what was not read for long is read again, and damage is
 * found where it is; what is fresh is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_store.h"
#include "mailsled/clock.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct fx_mail mails[] = {
	{ "u1", 100, 1 },
	{ "u2", 300000, 2 },
	{ "u3", 400000, 3 },
};

static struct fx_store world;

static int
set_up(void **state)
{
	struct fx_visit v;

	fx_store_make(&world, 1);
	fx_store_open(&world);
	if (!fx_visit_run(&v, &world, mails, COUNT(mails), 1, true))
		fail_msg("%s", v.err.text);
	fx_store_close(&world);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

static bool
age_member(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	int64_t *ids = ctx;

	(void)err;
	ids[++ids[0]] = row->id;
	return true;
}

/* As if nothing of PLACE had been read for DAYS. */
static void
make_old(struct fx_store *w, size_t place, int64_t days)
{
	struct sled_ledger *ledger = sled_store_ledger(w->store);
	int64_t ids[32] = { 0 }, now = sled_clock_now();
	struct sled_place_status status;

	assert_true(sled_store_place(w->store, place, &status, &w->err));
	assert_true(sled_ledger_stalest(
	    ledger,
	    &(const struct sled_stale_query){ status.id, INT64_MAX, 31 },
	    age_member, ids, &w->err));
	assert_true(ids[0] > 1);
	for (int64_t i = 1; i <= ids[0]; i++)
		assert_true(sled_ledger_hold(ledger, ids[i], status.id,
		                             now - days * 86400, &w->err));
}

static struct sled_scrubbed
scrub(struct fx_store *w, uint64_t ms)
{
	struct sled_scrubbed out;

	if (!sled_store_scrub(w->store, ms, &out, &w->err))
		fail_msg("%s", w->err.text);
	return out;
}

static void
what_was_read_lately_is_left_alone(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	assert_int_equal(scrub(w, 60000).members, 0);
	make_old(w, 0, 6);
	assert_int_equal(scrub(w, 60000).members, 0);
}

static void
what_was_not_is_read_once(void **state)
{
	struct fx_store *w = *state;
	struct sled_place_status place;
	struct sled_scrubbed out;
	unsigned dropped;

	fx_store_open(w);
	make_old(w, 0, 8);
	make_old(w, 1, 9);
	dropped = fx_sys_count(&w->fx, FX_DROP_PAGES);
	out = scrub(w, 60000);
	assert_true(out.members >= 4);
	/* From the disk, not from memory: once a file of each place. */
	assert_int_equal(fx_sys_count(&w->fx, FX_DROP_PAGES), dropped + 2);
	assert_true(out.octets > 0);
	assert_int_equal(out.damaged, 0);
	assert_int_equal(scrub(w, 60000).members, 0);
	assert_true(sled_store_place(w->store, 1, &place, &w->err));
	assert_true(place.oldest > sled_clock_now() - 60);
}

static void
without_time_nothing_is_read(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	make_old(w, 0, 8);
	assert_int_equal(scrub(w, 0).members, 0);
}

static void
damage_is_found_where_it_is_and_only_there(void **state)
{
	struct fx_store *w = *state;
	struct sled_place_status first, copy;

	fx_store_damage(w, "copy1/home/2026-11-001.open.tar.gz", 400);
	fx_store_open(w);
	make_old(w, 0, 40);
	make_old(w, 1, 40);
	assert_int_equal(scrub(w, 60000).damaged, 1);
	assert_true(fx_store_has_said(w, "repair"));
	assert_true(sled_store_place(w->store, 0, &first, &w->err));
	assert_true(sled_store_place(w->store, 1, &copy, &w->err));
	assert_int_equal(first.damaged, 0);
	assert_int_equal(copy.damaged, 1);
	assert_true(copy.lacks > 0);
	/* The next start makes the copy anew from the first place. */
	fx_store_close(w);
	fx_store_open(w);
	assert_store_verifies(w);
	assert_true(sled_store_place(w->store, 1, &copy, &w->err));
	assert_int_equal(copy.damaged + copy.lacks, 0);
}

static void
a_file_that_is_gone_is_damage_too(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	make_old(w, 1, 40);
	fx_store_sh(w, "rm copy1/home/2026-11-001.open.tar.gz");
	assert_true(scrub(w, 60000).damaged > 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_was_read_lately_is_left_alone),
		T(what_was_not_is_read_once),
		T(without_time_nothing_is_read),
		T(damage_is_found_where_it_is_and_only_there),
		T(a_file_that_is_gone_is_damage_too),
	};

	return cmocka_run_group_tests_name("store_scrub", tests, NULL, NULL);
}
