/* test_spool_faults.c - at every fault the spool says the truth: what end()
 * acknowledged is found, what is found was put, and nothing leaks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_spool.h"
#include "fx_sys.h"
#include "fx_tmp.h"
#include "spool/format.h"

static const struct fx_mail mail[] = {
	{ "first", 700, 1 }, { "large", 150000, 2 }, { "third", 20, 3 },
	{ "fourth", 0, 4 },  { "fifth", 65408, 5 },
};
#define MAILS (sizeof(mail) / sizeof(mail[0]))

struct world {
	struct fx_tmp tmp;
	struct fx_sys fx;
	struct sled_err err;
	struct sled_spool *spool;
	bool acked[MAILS];
	struct sled_record record[MAILS];
};

static struct world world;
static struct fx_found found;

static int
set_up(void **state)
{
	memset(&world, 0, sizeof(world));
	fx_tmp_make(&world.tmp);
	fx_sys_init(&world.fx, world.tmp.path);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	int left;

	sled_spool_close(&w->spool);
	left = fx_sys_open_fds(&w->fx);
	fx_sys_done(&w->fx);
	fx_tmp_drop(&w->tmp);
	return left;
}

static bool
create(struct world *w)
{
	return sled_spool_create(&w->spool, &w->fx.sys, w->tmp.dir,
	                         &fx_spool_owner, &w->err);
}

/* Each message, whatever became of the one before; true when all went well. */
static bool
visit(struct world *w)
{
	unsigned failed = 0;

	for (size_t i = 0; i < MAILS; i++) {
		w->acked[i] =
		    fx_spool_put(w->spool, &mail[i], &w->record[i], &w->err);
		if (!w->acked[i]) {
			assert_true(w->err.kind != SLED_ERR_NONE);
			assert_true(w->err.kind != SLED_ERR_INTERNAL);
			failed += 1 + !sled_spool_abort(w->spool, &w->err);
		}
		if (i == 1) {
			failed +=
			    !fx_spool_put_half(w->spool, &mail[1], &w->err);
			failed += !sled_spool_abort(w->spool, &w->err);
		}
		if (i % 2 == 1)
			failed += !sled_spool_sync(w->spool, &w->err);
	}
	return failed == 0;
}

/* Everything acknowledged is found, in order; all that is found was put. */
static void
check_found(struct world *w)
{
	unsigned k = 0;

	for (size_t i = 0; i < MAILS; i++) {
		bool there = k < found.count &&
		             strcmp(found.record[k].uid, mail[i].uid) == 0;

		if (there)
			assert_true(fx_spool_holds(w->spool, &found.record[k],
			                           &mail[i]));
		if (w->acked[i]) {
			assert_true(there);
			assert_string_equal(found.record[k].id,
			                    w->record[i].id);
		}
		k += there;
	}
	assert_int_equal(k, found.count);
}

/* As the next start does it, on a disk that is well again. */
static void
recover(struct world *w)
{
	struct sled_spool_owner owner;
	char name[SLED_SPOOL_NAME];

	assert_true(fx_spool_only(w->tmp.dir, name));
	assert_true(sled_spool_open(&w->spool, &owner, &w->fx.sys, w->tmp.dir,
	                            name, &w->err));
	assert_true(fx_spool_found(w->spool, &found));
	check_found(w);
	assert_true(sled_spool_finish(&w->spool, &w->err));
	assert_null(w->spool);
	assert_false(fx_spool_only(w->tmp.dir, name));
}

/* One run with the Nth call failing; false when it never came to that. */
static bool
faulty_visit(struct world *w, unsigned nth, int errnum, bool forever)
{
	char name[SLED_SPOOL_NAME];
	bool ok, fired;

	memset(w->acked, 0, sizeof(w->acked));
	fx_sys_calm(&w->fx);
	fx_sys_short(&w->fx, 0, 50000);
	fx_sys_fail(&w->fx, FX_ANY, nth, errnum, forever);
	if (!create(w)) {
		assert_null(w->spool);
		assert_true(fx_sys_fired(&w->fx));
		fx_sys_calm(&w->fx);
		assert_int_equal(fx_sys_open_fds(&w->fx), 0);
		if (!forever)
			assert_false(fx_spool_only(w->tmp.dir, name));
		fx_tmp_empty(&w->tmp);
		return true;
	}
	ok = visit(w);
	fired = fx_sys_fired(&w->fx);
	assert_int_equal(ok, !fired);
	fx_sys_calm(&w->fx);
	assert_true(fx_spool_found(w->spool, &found)); /* reading goes on */
	check_found(w);
	sled_spool_close(&w->spool);
	recover(w);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
	return fired;
}

static void
test_no_fault_loses_or_invents_a_message(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct world *w = *state;
	unsigned points = 0;

	for (int e = 0; e < 4; e++)
		for (unsigned n = 1;
		     faulty_visit(w, n, errors[e & 1], (e & 2) != 0); n++)
			points++;
	assert_true(points >= 4 * 15);
}

/* Recovery itself: a run that cannot read says so, and never "nothing here". */
static void
test_recovery_finds_all_or_fails(void **state)
{
	struct world *w = *state;
	struct sled_spool_owner owner;
	char name[SLED_SPOOL_NAME];
	bool clean = false;
	unsigned points = 0;

	assert_true(create(w) && visit(w));
	sled_spool_close(&w->spool);
	assert_true(fx_spool_only(w->tmp.dir, name));
	for (unsigned n = 1; !clean; n++) {
		bool ok;

		fx_sys_calm(&w->fx);
		fx_sys_fail(&w->fx, FX_ANY, n, EIO, false);
		ok = sled_spool_open(&w->spool, &owner, &w->fx.sys, w->tmp.dir,
		                     name, &w->err);
		if (ok) {
			ok = fx_spool_found(w->spool, &found);
			assert_int_equal(found.torn, 0);
			assert_int_equal(ok, found.err.kind == SLED_ERR_NONE);
			if (!fx_sys_fired(&w->fx))
				assert_true(ok);
			assert_int_equal(ok, found.count == MAILS);
			sled_spool_close(&w->spool);
		}
		clean = !fx_sys_fired(&w->fx);
		points += !ok;
		assert_int_equal(fx_sys_open_fds(&w->fx), 0);
	}
	assert_true(points >= 10);
}

/* One bad sector in the bytes of one message costs that one only. */
static void
test_a_record_that_cannot_be_read_is_passed_over(void **state)
{
	struct world *w = *state;

	assert_true(create(w) && visit(w));
	fx_sys_fail(&w->fx, FX_PREAD, 2, EIO, false);
	assert_false(fx_spool_found(w->spool, &found));
	assert_int_equal(found.err.kind, SLED_ERR_IO);
	assert_int_equal(found.count, MAILS - 1);
	assert_string_equal(found.record[0].uid, mail[1].uid);
}

static void
test_a_failed_write_is_final_and_abort_still_cuts(void **state)
{
	struct world *w = *state;
	struct sled_record record;
	char name[SLED_SPOOL_NAME], byte[1];
	size_t whole;

	assert_true(create(w));
	assert_true(fx_spool_only(w->tmp.dir, name));
	assert_true(fx_spool_put(w->spool, &mail[0], &record, &w->err));
	whole = fx_tmp_read(&w->tmp, name, byte, 1);
	fx_sys_short(&w->fx, 0, 1000);
	fx_sys_fail(&w->fx, FX_PWRITE, 70, ENOSPC, false);
	assert_false(fx_spool_put(w->spool, &mail[1], &record, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	assert_true(fx_tmp_read(&w->tmp, name, byte, 1) > whole + 60000);
	assert_true(sled_spool_abort(w->spool, &w->err));
	assert_int_equal(fx_tmp_read(&w->tmp, name, byte, 1), whole);
	assert_false(sled_spool_begin(w->spool, "u", 1, 0, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_IO);
	assert_true(sled_spool_sync(w->spool, &w->err)); /* the whole ones */
}

static void
test_a_failed_sync_is_never_tried_again(void **state)
{
	struct world *w = *state;
	struct sled_record record;
	unsigned syncs;

	assert_true(create(w));
	assert_true(fx_spool_put(w->spool, &mail[0], &record, &w->err));
	fx_sys_fail(&w->fx, FX_FDATASYNC, 1, EIO, false);
	assert_false(sled_spool_sync(w->spool, &w->err));
	syncs = fx_sys_count(&w->fx, FX_FDATASYNC);
	assert_false(sled_spool_sync(w->spool, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_IO);
	assert_int_equal(fx_sys_count(&w->fx, FX_FDATASYNC), syncs);
	assert_false(sled_spool_begin(w->spool, "u", 1, 0, &w->err));
	assert_true(fx_spool_holds(w->spool, &record, &mail[0]));
}

static void
test_on_a_small_disk_what_fitted_is_whole(void **state)
{
	struct world *w = *state;
	struct sled_record record;
	unsigned put = 0;

	fx_sys_limit(&w->fx, w->tmp.path, SPOOL_FILE_HEAD + 10 * 1200 + 600);
	assert_true(create(w));
	while (fx_spool_put(w->spool, &(struct fx_mail){ "u", 1024, put },
	                    &record, &w->err))
		put++;
	assert_int_equal(put, 10);
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 10);
	assert_int_equal(found.torn, 1);
	assert_true(sled_spool_abort(w->spool, &w->err));
	assert_true(fx_spool_found(w->spool, &found));
	assert_int_equal(found.count, 10);
	assert_int_equal(found.torn, 0);
}

/* ---- what comes before what ---- */

static void
expect_before(struct world *w, const char *first, const char *then,
              const char *name)
{
	char a[200], b[200];

	(void)snprintf(a, sizeof(a), first, name);
	(void)snprintf(b, sizeof(b), then, name);
	if (!fx_sys_before(&w->fx, a, b))
		fail_msg("%s not before %s:\n%s", a, b, fx_sys_log(&w->fx));
}

static void
test_create_syncs_the_header_and_then_the_name(void **state)
{
	struct world *w = *state;
	char name[SLED_SPOOL_NAME];

	fx_sys_log_on(&w->fx);
	assert_true(create(w));
	assert_true(fx_spool_only(w->tmp.dir, name));
	expect_before(w, "< pwrite %s 4096@0 = 4096", "> fdatasync %s", name);
	expect_before(w, "< fdatasync %s = 0", "> fsync .", name);
	expect_before(w, "> fsync .", "< fsync . = 0", name);
}

static void
test_a_streamed_header_is_closed_before_the_trailer(void **state)
{
	struct world *w = *state;
	struct sled_record record;
	char name[SLED_SPOOL_NAME];

	assert_true(create(w));
	assert_true(fx_spool_only(w->tmp.dir, name));
	fx_sys_log_on(&w->fx);
	assert_true(fx_spool_put(
	    w->spool, &(struct fx_mail){ "long", 70000, 1 }, &record, &w->err));
	expect_before(w, "< pwrite %s 65536@4096 = 65536",
	              "> pwrite %s 128@4096", name);
	expect_before(w, "< pwrite %s 128@4096 = 128", "> pwrite %s 4640@69632",
	              name);
}

static void
test_finish_unlinks_and_then_syncs_the_folder(void **state)
{
	struct world *w = *state;
	char name[SLED_SPOOL_NAME];

	assert_true(create(w));
	assert_true(fx_spool_only(w->tmp.dir, name));
	fx_sys_log_on(&w->fx);
	assert_true(sled_spool_finish(&w->spool, &w->err));
	expect_before(w, "< unlinkat %s = 0", "> fsync .", name);
	expect_before(w, "> fsync .", "< fsync . = 0", name);
	assert_false(fx_spool_only(w->tmp.dir, name));
}

static void
test_a_finish_that_fails_says_so_and_frees(void **state)
{
	static const enum fx_call calls[] = { FX_UNLINKAT, FX_FSYNC };
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		assert_true(create(w));
		fx_sys_fail(&w->fx, calls[i], 1, EIO, false);
		assert_false(sled_spool_finish(&w->spool, &w->err));
		assert_int_equal(w->err.kind, SLED_ERR_IO);
		assert_null(w->spool);
		assert_int_equal(fx_sys_open_fds(&w->fx), 0);
		fx_tmp_empty(&w->tmp);
	}
	assert_true(create(w));
	fx_tmp_empty(&w->tmp); /* someone else was first */
	assert_true(sled_spool_finish(&w->spool, &w->err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_fault_loses_or_invents_a_message),
		TEST(test_recovery_finds_all_or_fails),
		TEST(test_a_record_that_cannot_be_read_is_passed_over),
		TEST(test_a_failed_write_is_final_and_abort_still_cuts),
		TEST(test_a_failed_sync_is_never_tried_again),
		TEST(test_on_a_small_disk_what_fitted_is_whole),
		TEST(test_create_syncs_the_header_and_then_the_name),
		TEST(test_a_streamed_header_is_closed_before_the_trailer),
		TEST(test_finish_unlinks_and_then_syncs_the_folder),
		TEST(test_a_finish_that_fails_says_so_and_frees),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
