/* test_store_import.c - mail that no visit brought: once, exact, and whatever
 * cuts it off, the next run over the same source ends it. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_stops.h"

static const struct fx_mail mails[] = {
	{ "", 100, 1 },   { "", 3000, 2 },    { "", 70000, 3 },
	{ "", 40, 4 },    { "", 1200000, 5 }, { "", 9, 6 },
};
static const struct fx_mail fetched[] = { { "u1", 500, 90 } };
static const struct fx_mail all[] = {
	{ "u1", 500, 90 }, { "", 100, 1 },     { "", 3000, 2 }, { "", 70000, 3 },
	{ "", 40, 4 },     { "", 1200000, 5 }, { "", 9, 6 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fx_store world;

static int
set_up(void **state)
{
	struct fx_visit v;

	fx_store_make(&world, 1);
	fx_store_open(&world);
	if (!fx_visit_run(&v, &world, fetched, COUNT(fetched), 2, false))
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

struct looked {
	size_t imported, on_server;
};

static bool
look(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct looked *looked = ctx;

	(void)err;
	looked->on_server += row->on_server;
	if ((row->flags & SLED_MESSAGE_IMPORTED) == 0)
		return true;
	looked->imported++;
	assert_int_equal(row->received, FX_STORE_NOW - 86400);
	assert_int_equal(row->gone, 0);
	assert_false(row->on_server);
	assert_int_equal(strncmp(row->uid, "import-", 7), 0);
	return true;
}

static void
check_rows(struct fx_store *w, size_t imported)
{
	const struct sled_message_query query = { 0 };
	struct looked looked = { 0 };

	assert_true(sled_ledger_messages(sled_store_ledger(w->store), &query,
	                                 look, &looked, &w->err));
	assert_int_equal(looked.imported, imported);
}

/* ---- promises ---- */

static void
it_is_stored_in_every_place_and_counted(void **state)
{
	struct fx_store *w = *state;
	struct sled_import_sums sums;

	fx_store_open(w);
	assert_true(fx_store_import(w, mails, COUNT(mails), &sums));
	assert_int_equal(sums.added, COUNT(mails));
	assert_int_equal(sums.present + sums.unsafe, 0);
	assert_store_has(w, all, COUNT(all));
	assert_store_verifies(w);
	check_rows(w, COUNT(mails));
	fx_store_close(w);
	assert_place_untars(w, w->path, all, COUNT(all));
	assert_place_untars(w, w->copy[0], all, COUNT(all));
	fx_store_sh(w, "test ! -e store/.mailsled/salvage/brought");
}

static void
the_nth_of_equal_bytes_is_there_when_there_are_n(void **state)
{
	struct fx_store *w = *state;
	const struct fx_mail twice[] = { mails[0], mails[0], fetched[0] };
	struct sled_import_sums sums;

	fx_store_open(w);
	assert_true(fx_store_import(w, twice, COUNT(twice), &sums));
	assert_int_equal(sums.added, 2);
	assert_int_equal(sums.present, 1); /* it was fetched */
	assert_true(fx_store_import(w, twice, COUNT(twice), &sums));
	assert_int_equal(sums.added, 0);
	assert_int_equal(sums.present, 3);
	assert_int_equal(fx_store_rows(w, &mails[0]), 2);
	fx_store_close(w);
}

static void
other_bytes_than_were_expected_are_not_kept(void **state)
{
	struct fx_store *w = *state;
	struct sled_import *import = NULL;
	struct sled_import_sums sums;
	struct sled_incoming incoming = { .sha256 = fx_store_hash(&mails[0]),
		                          .octets = 4 };
	bool wanted = false;

	fx_store_open(w);
	assert_true(sled_import_open(&import, w->store, &w->err) &&
	            sled_import_whose(import, &fx_import_owner, &w->err));
	assert_true(sled_import_begin(import, &incoming, &wanted, &w->err));
	assert_true(wanted);
	assert_true(sled_import_data(import, (struct sled_span){ "a\r\n", 3 },
	                             &w->err));
	assert_false(sled_import_end(import, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	w->err = (struct sled_err){ 0 };
	assert_true(fx_store_import_one(w, import, &mails[0]));
	assert_true(sled_import_close(&import, true, &sums, &w->err));
	assert_int_equal(sums.added, 1);
	assert_int_equal(fx_store_rows(w, &mails[0]), 1);
	fx_store_close(w);
}

static void
a_rebuild_gives_the_same_rows(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	assert_true(fx_store_import(w, mails, COUNT(mails), NULL));
	fx_store_close(w);
	fx_store_sh(w, "rm -rf store/.mailsled/ledger.db*");
	fx_store_open(w);
	check_rows(w, COUNT(mails));
	assert_store_has(w, all, COUNT(all));
	fx_store_close(w);
}

static void
no_visit_takes_it_for_its_own(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	fx_store_open(w);
	assert_true(fx_store_import(w, mails, COUNT(mails), NULL));
	/* An empty maildrop: what was in it is gone, this was not. */
	if (!fx_visit_run(&v, w, fetched, 0, 2, true))
		fail_msg("%s", v.err.text);
	check_rows(w, COUNT(mails));
	/* And one that lists the very bytes under an id of its own. */
	if (!fx_visit_run(&v, w, mails, 1, 2, false))
		fail_msg("%s", v.err.text);
	assert_int_equal(v.fetched, 1);
	fx_store_close(w);
}

/* ---- cut off at every call ---- */

static void
begin_again(void *ctx)
{
	struct fx_store *w = ctx;

	fx_store_sh(w, "rm -rf store copy1 && cp -a kept/* .");
}

static void
try_to_bring(void *ctx)
{
	struct fx_store *w = ctx;

	if (fx_store_try(w, SLED_STORE_WRITE))
		(void)!fx_store_import(w, mails, COUNT(mails), NULL);
	fx_store_close(w);
}

/* However it ended, what runs over the source again makes it as it would have
 * been, and one more changes nothing. */
static void
check_end(void *ctx, unsigned n)
{
	struct fx_store *w = ctx;
	struct sled_import_sums sums;

	(void)n;
	fx_store_open(w);
	if (!fx_store_import(w, mails, COUNT(mails), &sums))
		fail_msg("%s", w->err.text);
	assert_int_equal(sums.added + sums.present, COUNT(mails));
	assert_store_has(w, all, COUNT(all));
	check_rows(w, COUNT(mails));
	assert_store_verifies(w);
	fx_store_close(w);
	fx_store_sh(w, "test -z \"$(find store/.mailsled -name '*.spool')\" && "
	               "rm -rf was && mkdir was && cp -a store/home was/1 && "
	               "cp -a copy1/home was/2");
	fx_store_open(w);
	assert_true(fx_store_import(w, mails, COUNT(mails), &sums));
	assert_int_equal(sums.added, 0);
	fx_store_close(w);
	fx_store_sh(w, "diff -r was/1 store/home && diff -r was/2 copy1/home");
	assert_place_untars(w, w->copy[0], all, COUNT(all));
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static const struct fx_attempt cut_off = { &world, begin_again, try_to_bring,
	                                   check_end };

static void
stopped_at_any_call_it_goes_on(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
	assert_true(fx_attempt_kill(w, &cut_off, 23) > 20);
}

static void
a_failure_of_any_call_is_gone_on_from(void **state)
{
	static const struct fx_fault faults[] = {
		{ FX_PWRITE, ENOSPC, 23 },  { FX_FDATASYNC, EIO, 5 },
		{ FX_FSYNC, EIO, 8 },       { FX_OPENAT, EMFILE, 31 },
		{ FX_PREAD, EIO, 61 },      { FX_UNLINKAT, EIO, 2 },
		{ FX_MKDIRAT, EIO, 2 },
	};
	struct fx_store *w = *state;

	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
	assert_true(fx_attempt_fail(w, &cut_off, faults, COUNT(faults)) > 10);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_is_stored_in_every_place_and_counted),
		T(the_nth_of_equal_bytes_is_there_when_there_are_n),
		T(other_bytes_than_were_expected_are_not_kept),
		T(a_rebuild_gives_the_same_rows),
		T(no_visit_takes_it_for_its_own),
		T(stopped_at_any_call_it_goes_on),
		T(a_failure_of_any_call_is_gone_on_from),
	};

	return cmocka_run_group_tests_name("store_import", tests, NULL, NULL);
}
