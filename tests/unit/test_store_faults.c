/* test_store_faults.c - each system call of a visit fails, or is the last one:
 * afterwards nothing is lost, nothing is doubled, and all can be read. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_store.h"

#define MAILS 6

/* Every call in turn when CHECK_ALL is set; else some of them. */
static unsigned
stride(unsigned step)
{
	return getenv("CHECK_ALL") != NULL ? 1 : step;
}

/* The third is longer than the spool gathers; the fifth may be made so large
 * that it is alone in its member. */
static struct fx_mail mails[MAILS] = {
	{ "u1", 100, 1 },  { "u2", 3000, 2 }, { "u3", 70000, 3 },
	{ "u4", 4000, 4 }, { "u5", 200, 5 },  { "u6", 0, 6 },
};
/* Stored by an earlier visit, so that volumes and ledger are there. */
static const struct fx_mail before[] = { { "a1", 900, 21 }, { "a2", 10, 22 } };

static struct fx_store world;

static int
set_up(void **state)
{
	fx_store_make(&world, 1);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	mails[4].len = 200;
	fx_store_drop(*state);
	return 0;
}

static void
all_mails(struct fx_mail out[MAILS + 2])
{
	memcpy(out, before, sizeof(before));
	memcpy(out + 2, mails, sizeof(mails));
}

/* A store that has `before` in it, kept aside to begin from again. */
static void
prepare(struct fx_store *w)
{
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, before, 2, 10, true))
		fail_msg("%s", v.err.text);
	fx_store_close(w);
	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
}

static void
begin_again(struct fx_store *w)
{
	fx_store_sh(w, "rm -rf store copy1 && cp -a kept/* .");
}

/* What a visit may be trusted with when it is over, however it ended. */
struct promise {
	bool whole[MAILS], may[MAILS];
};

static void
check_messages(struct fx_store *w, const struct promise *promise)
{
	struct fx_mail all[MAILS + 2];
	bool in[MAILS + 2];

	all_mails(all);
	for (size_t i = 0; i < MAILS + 2; i++) {
		size_t rows = fx_store_rows(w, &all[i]);

		in[i] = i < 2 || rows > 0;
		if (rows > 1 || (i < 2 && rows != 1))
			fail_msg("%s has %zu rows", all[i].uid, rows);
		if (i >= 2 && rows == 0 &&
		    (promise->whole[i - 2] || promise->may[i - 2]))
			fail_msg("%s was whole and is lost", all[i].uid);
	}
	assert_store_verifies(w);
	assert_place_has(w->path, all, MAILS + 2, in);
	assert_place_has(w->copy[0], all, MAILS + 2, in);
}

static void
check_recovered(struct fx_store *w, const struct promise *promise)
{
	struct fx_mail all[MAILS + 2];
	struct fx_visit v;

	all_mails(all);
	fx_store_open(w);
	check_messages(w, promise);
	/* Nothing that was whole is fetched again; then all is safe. */
	if (!fx_visit_run(&v, w, mails, MAILS, 10, true))
		fail_msg("%s", v.err.text);
	for (size_t i = 0; i < MAILS; i++)
		if (promise->whole[i] && v.whole[i])
			fail_msg("%s was fetched twice", mails[i].uid);
	assert_int_equal(v.deleted, MAILS);
	assert_store_has(w, all, MAILS + 2);
	fx_store_close(w);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

/* No start came since: what failed was cut back at once. */
static void
check_readable(struct fx_store *w)
{
	const bool in[MAILS + 2] = { true, true };
	struct fx_mail all[MAILS + 2];

	all_mails(all);
	assert_place_has(w->path, all, MAILS + 2, in);
	assert_place_has(w->copy[0], all, MAILS + 2, in);
}

static bool
run_visit(struct fx_store *w, struct promise *promise)
{
	struct fx_visit v;
	bool ok = fx_store_try(w, SLED_STORE_WRITE);

	memset(promise, 0, sizeof(*promise));
	if (ok) {
		ok = fx_visit_run(&v, w, mails, MAILS, 2, false);
		memcpy(promise->whole, v.whole, sizeof(promise->whole));
		memcpy(promise->may, v.may, sizeof(promise->may));
	}
	fx_store_close(w);
	return ok;
}

/* Fail each STEPth call of KIND in turn, until a run meets no fault. */
static unsigned
fail_each(struct fx_store *w, enum fx_call kind, unsigned step, int errnum,
          bool forever)
{
	unsigned faults = 0;

	for (unsigned n = 1;; n += stride(step)) {
		struct promise promise;
		bool fired, ok;

		begin_again(w);
		fx_sys_calm(&w->fx);
		fx_sys_fail(&w->fx, kind, n, errnum, forever);
		ok = run_visit(w, &promise);
		fired = fx_sys_fired(&w->fx);
		fx_sys_calm(&w->fx);
		if (!fired) {
			assert_true(ok);
			for (size_t i = 0; i < MAILS; i++)
				assert_true(promise.may[i]);
			return faults;
		}
		faults++;
		if (!forever)
			check_readable(w);
		check_recovered(w, &promise);
	}
}

static void
test_any_call_may_fail_once(void **state)
{
	prepare(*state);
	assert_true(fail_each(*state, FX_ANY, 7, EIO, false) > 50);
}

static void
test_any_call_and_all_after_it_may_fail(void **state)
{
	prepare(*state);
	assert_true(fail_each(*state, FX_ANY, 23, EIO, true) > 15);
}

static void
test_any_write_may_find_the_disk_full(void **state)
{
	prepare(*state);
	assert_true(fail_each(*state, FX_PWRITE, 3, ENOSPC, false) > 20);
}

static void
test_any_sync_may_fail_once(void **state)
{
	prepare(*state);
	assert_true(fail_each(*state, FX_FDATASYNC, 1, EIO, false) > 15);
	assert_true(fail_each(*state, FX_FSYNC, 1, EIO, false) > 10);
}

static void
test_short_reads_and_writes_change_nothing(void **state)
{
	struct fx_store *w = *state;
	struct promise promise;

	prepare(w);
	fx_sys_short(&w->fx, 4097, 1021);
	assert_true(run_visit(w, &promise));
	fx_sys_calm(&w->fx);
	for (size_t i = 0; i < MAILS; i++)
		assert_true(promise.may[i]);
	check_recovered(w, &promise);
}

static void
test_any_write_of_a_large_message_may_fail(void **state)
{
	mails[4].len = 1 << 20;
	prepare(*state);
	assert_true(fail_each(*state, FX_PWRITE, 6, EIO, false) > 8);
}

/* ---- kill -9 ---- */

/* The child writes its promises where they outlive it. */
static void
child(struct fx_store *w, struct promise *shared)
{
	struct fx_visit v;

	if (!fx_store_try(w, SLED_STORE_WRITE) ||
	    !fx_visit_begin(&v, w, mails, MAILS))
		_exit(1);
	for (size_t i = 0; i < MAILS; i++) {
		if (v.listing.items[i].verdict != SLED_ITEM_NEW)
			continue;
		if (!fx_visit_fetch_one(&v, i))
			_exit(1);
		shared->whole[i] = true;
		if (i % 2 == 1 && !fx_visit_commit(&v, true))
			_exit(1);
		for (size_t j = 0; j <= i; j++)
			shared->may[j] = sled_box_may_delete(v.box, j);
	}
	if (!fx_visit_commit(&v, true) || !fx_visit_count(&v))
		_exit(1);
	memcpy(shared->may, v.may, sizeof(shared->may));
	if (!fx_visit_end(&v, true))
		_exit(1);
	fx_store_close(w);
	_exit(0);
}

static unsigned
kill_each(struct fx_store *w, enum fx_call kind, unsigned step, bool tear)
{
	struct promise *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
	         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned deaths = 0;
	bool died = true;

	assert_true(shared != MAP_FAILED);
	for (unsigned n = 1; died; n += stride(step)) {
		int status = 0;
		pid_t pid;

		begin_again(w);
		memset(shared, 0, sizeof(*shared));
		fx_sys_calm(&w->fx);
		if (tear)
			fx_sys_tear(&w->fx, n);
		else
			fx_sys_kill(&w->fx, kind, n);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			child(w, shared);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		fx_sys_calm(&w->fx);
		died = WIFSIGNALED(status);
		if (!died)
			assert_int_equal(WEXITSTATUS(status), 0);
		deaths += died;
		check_recovered(w, shared);
	}
	(void)munmap(shared, sizeof(*shared));
	return deaths;
}

static void
test_a_kill_at_any_call_loses_and_doubles_nothing(void **state)
{
	prepare(*state);
	assert_true(kill_each(*state, FX_ANY, 11, false) > 30);
}

static void
test_a_kill_in_any_write_loses_and_doubles_nothing(void **state)
{
	prepare(*state);
	assert_true(kill_each(*state, FX_PWRITE, 3, true) > 20);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_any_call_may_fail_once),
		TEST(test_any_call_and_all_after_it_may_fail),
		TEST(test_any_write_may_find_the_disk_full),
		TEST(test_any_sync_may_fail_once),
		TEST(test_any_write_of_a_large_message_may_fail),
		TEST(test_short_reads_and_writes_change_nothing),
		TEST(test_a_kill_at_any_call_loses_and_doubles_nothing),
		TEST(test_a_kill_in_any_write_loses_and_doubles_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
