/* test_ledger_commit.c - a commit that says true is there after anything; one
 * that says false, or was dropped, left nothing. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_ledger.h"
#include "fx_sys.h"

#define BATCH   3
#define BATCHES 4

static struct fx_tmp tmp;
static struct sled_ledger *ledger;
static struct sled_err err;

static int
set_up(void **state)
{
	(void)state;
	err = (struct sled_err){ 0 };
	fx_tmp_make(&tmp);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sled_ledger_close(&ledger);
	fx_tmp_drop(&tmp);
	return 0;
}

static void
put(uint64_t number)
{
	assert_true(fx_ledger_put(ledger, number, &err));
}

static void
commit_keeps_and_drop_forgets(void **state)
{
	uint64_t next = 0;

	(void)state;
	assert_true(sled_ledger_begin(ledger, &err));
	put(1);
	put(2);
	assert_int_equal(fx_ledger_count(ledger), 2);
	assert_true(sled_ledger_commit(ledger, &err));
	assert_true(sled_ledger_begin(ledger, &err));
	put(3);
	sled_ledger_drop(ledger);
	sled_ledger_drop(ledger);
	assert_int_equal(fx_ledger_count(ledger), 2);
	assert_true(sled_ledger_number_next(ledger, "home", &next, &err));
	assert_int_equal(next, 3);
	assert_true(sled_ledger_begin(ledger, &err));
	put(3);
	sled_ledger_close(&ledger);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_int_equal(fx_ledger_count(ledger), 2);
}

static void
begin_does_not_nest_and_commit_needs_it(void **state)
{
	(void)state;
	assert_false(sled_ledger_commit(ledger, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	assert_true(sled_ledger_begin(ledger, &err));
	assert_false(sled_ledger_begin(ledger, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	put(1);
	assert_true(sled_ledger_commit(ledger, &err));
	assert_int_equal(fx_ledger_count(ledger), 1);
}

static void
a_failed_write_dooms_its_transaction(void **state)
{
	struct sled_err first, later = { 0 };

	(void)state;
	put(1);
	assert_true(sled_ledger_begin(ledger, &err));
	put(2);
	assert_false(fx_ledger_put(ledger, 1, &err));
	first = err;
	assert_false(fx_ledger_put(ledger, 3, &later));
	assert_string_equal(later.text, first.text);
	assert_int_equal(fx_ledger_count(ledger), 2);
	assert_false(sled_ledger_commit(ledger, &later));
	assert_int_equal(later.kind, first.kind);
	assert_non_null(strstr(later.text, first.text));
	assert_int_equal(fx_ledger_count(ledger), 1);
	put(2);
	assert_int_equal(fx_ledger_count(ledger), 2);
}

static bool
look_again(void *ctx, const struct sled_message *message, struct sled_err *e)
{
	unsigned *depth = ctx;

	if (++*depth > 3)
		return true;
	return sled_ledger_by_id(ledger, message->id, look_again, ctx, e);
}

static bool
write_inside(void *ctx, const struct sled_message *message, struct sled_err *e)
{
	(void)ctx;
	return sled_ledger_set_safe(ledger, message->id, 1, e);
}

static bool
refuse(void *ctx, const struct sled_message *message, struct sled_err *e)
{
	unsigned *calls = ctx;

	(void)message;
	++*calls;
	return sled_fail(e, SLED_ERR_USAGE, "enough");
}

static void
callbacks_may_read_not_write_and_may_stop(void **state)
{
	struct sled_message_query query = { 0 };
	unsigned depth = 0, calls = 0;

	(void)state;
	put(1);
	put(2);
	assert_true(sled_ledger_by_id(ledger, 1, look_again, &depth, &err));
	assert_int_equal(depth, 4);
	assert_false(sled_ledger_by_id(ledger, 1, write_inside, NULL, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	assert_false(
	    sled_ledger_messages(ledger, &query, refuse, &calls, &err));
	assert_int_equal(calls, 1);
	assert_string_equal(err.text, "enough");
	put(3);
}

static void *
put_many(void *ctx)
{
	const uint64_t *from = ctx;
	struct sled_err e = { 0 };

	for (uint64_t n = *from; n < *from + 20; n++) {
		if (!sled_ledger_begin(ledger, &e))
			return "begin";
		if (!fx_ledger_put(ledger, 2 * n, &e) ||
		    !fx_ledger_put(ledger, 2 * n + 1, &e))
			return "put";
		if (n % 2 == 0)
			sled_ledger_drop(ledger);
		else if (!sled_ledger_commit(ledger, &e))
			return "commit";
	}
	return NULL;
}

static void
threads_take_turns_a_transaction_each(void **state)
{
	static uint64_t from[] = { 100, 200, 300 };
	pthread_t thread[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    pthread_create(&thread[i], NULL, put_many, &from[i]), 0);
	for (size_t i = 0; i < 3; i++) {
		void *said = "";

		assert_int_equal(pthread_join(thread[i], &said), 0);
		assert_null(said);
	}
	assert_int_equal(fx_ledger_count(ledger), 60);
}

/* ---- faults ---- */

struct run {
	unsigned acked;   /* commits that said true */
	unsigned refused; /* ... and false, begin() too */
	bool sync_lied;   /* a sync failed inside a commit that said true */
};

/* SUBJECT: so long that each message takes a page. */
static bool
put_batch(struct sled_ledger *l, unsigned batch, struct sled_span subject,
          struct sled_err *e)
{
	for (unsigned i = 1; i <= BATCH; i++) {
		struct sled_message message =
		    fx_ledger_message(batch * BATCH + i);

		message.subject = subject;
		if (!sled_ledger_message_put(l, &message, e))
			return false;
	}
	return true;
}

static void
commit_batch(struct fx_sys *fx, struct sled_ledger *l, struct run *run)
{
	struct sled_err e = { 0 };
	bool before = fx_sys_fired(fx);
	bool ok = sled_ledger_commit(l, &e);

	run->acked += ok;
	run->refused += !ok;
	if (!ok)
		assert_true(e.kind != SLED_ERR_NONE && e.text[0] != '\0');
	if (ok && !before && fx_sys_fired(fx))
		run->sync_lied = true;
}

static void
run_batches(struct fx_sys *fx, struct run *run)
{
	struct sled_ledger *l = NULL;
	struct sled_err e = { 0 };
	char path[512];

	*run = (struct run){ 0 };
	if (!sled_ledger_open(&l, &fx->sys, fx_ledger_path(&tmp, path),
	                      SLED_LEDGER_CREATE, &e))
		return;
	for (unsigned batch = 0; batch < BATCHES; batch++) {
		if (!sled_ledger_begin(l, &e)) {
			run->refused++;
		} else if (put_batch(l, batch, (struct sled_span){ "", 0 },
		                     &e)) {
			commit_batch(fx, l, run);
		} else {
			sled_ledger_drop(l);
			run->refused++;
		}
	}
	sled_ledger_close(&l);
}

static uint64_t
count_after(void)
{
	struct sled_ledger *l = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
	uint64_t count = fx_ledger_count(l);

	sled_ledger_close(&l);
	return count;
}

/* Each Nth call of one kind fails; gives how many faults came true. EXACT: no
 * row of a refused batch may be there, else only whole batches. */
static unsigned
fail_each(enum fx_call call, int errnum, bool forever, bool exact)
{
	unsigned fired = 0;
	bool more = true;

	sled_ledger_close(&ledger);
	for (unsigned n = 1; more; n++) {
		struct fx_sys fx;
		struct run run;
		uint64_t count;

		fx_tmp_empty(&tmp);
		fx_sys_init(&fx, tmp.path);
		fx_sys_fail(&fx, call, n, errnum, forever);
		run_batches(&fx, &run);
		more = fx_sys_fired(&fx);
		fired += more;
		assert_int_equal(fx_sys_open_fds(&fx), 0);
		fx_sys_done(&fx);
		if (call == FX_FDATASYNC || call == FX_FSYNC)
			assert_false(run.sync_lied);
		count = count_after();
		assert_true(count >= (uint64_t)run.acked * BATCH);
		assert_int_equal(count % BATCH, 0);
		if (exact || !more)
			assert_int_equal(count, run.acked * BATCH);
	}
	print_message("%u faults\n", fired);
	return fired;
}

static void
no_commit_is_lost_at_any_failed_call(void **state)
{
	(void)state;
	assert_true(fail_each(FX_ANY, EIO, false, false) > 40);
	assert_true(fail_each(FX_ANY, EIO, true, false) > 40);
}

static void
a_failed_sync_is_never_a_commit(void **state)
{
	(void)state;
	assert_true(fail_each(FX_FDATASYNC, EIO, false, true) > BATCHES);
	assert_true(fail_each(FX_FSYNC, EIO, false, true) >= 2);
}

static void
a_full_disk_refuses_and_keeps(void **state)
{
	(void)state;
	assert_true(fail_each(FX_PWRITE, ENOSPC, false, true) > BATCHES);
	assert_true(fail_each(FX_PWRITE, ENOSPC, true, true) > BATCHES);
}

static void
errors_name_errno_and_kind(void **state)
{
	struct fx_sys fx;

	(void)state;
	sled_ledger_close(&ledger);
	fx_sys_init(&fx, tmp.path);
	ledger = fx_ledger_open(&tmp, &fx.sys, SLED_LEDGER_WRITE);
	put(1);
	fx_sys_fail(&fx, FX_PWRITE, 1, ENOSPC, false);
	assert_false(fx_ledger_put(ledger, 2, &err));
	assert_int_equal(err.kind, SLED_ERR_PLACE);
	assert_int_equal(err.sys, ENOSPC);
	put(3);
	fx_sys_fail(&fx, FX_FDATASYNC, 1, EIO, false);
	assert_false(fx_ledger_put(ledger, 4, &err));
	assert_int_equal(err.kind, SLED_ERR_IO);
	assert_int_equal(err.sys, EIO);
	fx_sys_calm(&fx);
	assert_false(fx_ledger_put(ledger, 5, &err));
	assert_int_equal(err.kind, SLED_ERR_IO);
	assert_int_equal(fx_ledger_count(ledger), 2);
	sled_ledger_close(&ledger);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_int_equal(fx_ledger_count(ledger), 2);
	fx_sys_done(&fx);
}

/* A read that fails makes SQLite roll back: what comes behind it must not
 * become a transaction of its own. */
static void
a_failed_read_dooms_its_transaction(void **state)
{
	static char text[3000];
	struct sled_message_query query = { 0 };
	struct fx_numbers got = { 0 };
	static struct fx_sys fx; /* tear_down closes */

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_true(sled_ledger_begin(ledger, &err));
	for (unsigned batch = 0; batch < 10; batch++)
		assert_true(put_batch(ledger, batch,
		                      (struct sled_span){ text, sizeof(text) },
		                      &err));
	assert_true(sled_ledger_commit(ledger, &err));
	sled_ledger_close(&ledger);
	fx_sys_init(&fx, tmp.path);
	ledger = fx_ledger_open(&tmp, &fx.sys, SLED_LEDGER_WRITE);
	assert_true(sled_ledger_begin(ledger, &err));
	put(101);
	fx_sys_fail(&fx, FX_PREAD, 1, EIO, false);
	assert_false(sled_ledger_messages(ledger, &query, fx_ledger_collect,
	                                  &got, &err));
	assert_true(fx_sys_fired(&fx));
	assert_false(fx_ledger_put(ledger, 102, &err));
	assert_false(sled_ledger_commit(ledger, &err));
	assert_int_equal(err.sys, EIO);
	assert_int_equal(fx_ledger_count(ledger), 10 * BATCH);
	put(101);
	sled_ledger_close(&ledger);
	fx_sys_done(&fx);
}

static void
nothing_is_written_behind_a_failed_sync(void **state)
{
	static struct fx_sys fx; /* tear_down closes */

	(void)state;
	sled_ledger_close(&ledger);
	fx_sys_init(&fx, tmp.path);
	ledger = fx_ledger_open(&tmp, &fx.sys, SLED_LEDGER_WRITE);
	put(1);
	fx_sys_fail(&fx, FX_FDATASYNC, 1, EIO, false);
	assert_false(fx_ledger_put(ledger, 2, &err));
	fx_sys_log_on(&fx);
	assert_false(fx_ledger_put(ledger, 3, &err));
	sled_ledger_close(&ledger);
	assert_null(strstr(fx_sys_log(&fx), "> pwrite"));
	assert_null(strstr(fx_sys_log(&fx), "> fdatasync"));
	fx_sys_done(&fx);
	assert_int_equal(count_after(), 1);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
}

/* More pages than the -wal may have before it is folded in: the fold happens
 * between the commits, and a fault in it loses nothing. */
static void
folding_in_the_wal_loses_nothing(void **state)
{
	static char text[3000];
	struct sled_span subject = { text, sizeof(text) };
	unsigned fired = 0;

	(void)state;
	memset(text, 'x', sizeof(text));
	sled_ledger_close(&ledger);
	for (unsigned n = 1; n < 1500; n += n < 10 ? 1 : 211) {
		struct fx_sys fx;
		struct sled_ledger *l;
		struct sled_err e = { 0 };
		unsigned acked = 0;
		bool ok = true;

		fx_tmp_empty(&tmp);
		fx_sys_init(&fx, tmp.path);
		l = fx_ledger_open(&tmp, &fx.sys, SLED_LEDGER_CREATE);
		assert_true(sled_ledger_begin(l, &e));
		for (; acked < 400; acked++)
			assert_true(put_batch(l, acked, subject, &e));
		assert_true(sled_ledger_commit(l, &e));
		fx_sys_fail(&fx, FX_ANY, n, EIO, false);
		for (unsigned i = 0; i < 20; i++) {
			ok = sled_ledger_begin(l, &e);
			if (ok && put_batch(l, acked, subject, &e))
				acked += sled_ledger_commit(l, &e);
			else if (ok)
				sled_ledger_drop(l);
		}
		fired += fx_sys_fired(&fx);
		sled_ledger_close(&l);
		fx_sys_done(&fx);
		assert_true(count_after() >= (uint64_t)acked * BATCH);
	}
	print_message("%u faults\n", fired);
	assert_true(fired > 10);
}

/* ---- kill -9 ---- */

/* Commits for ever, one byte into the pipe a commit. */
static void
commit_until_killed(const struct sled_sys *sys, int out)
{
	struct sled_ledger *l = fx_ledger_open(&tmp, sys, SLED_LEDGER_CREATE);
	struct sled_err e = { 0 };

	for (unsigned batch = (unsigned)(fx_ledger_count(l) / BATCH);;
	     batch++) {
		if (!sled_ledger_begin(l, &e) ||
		    !put_batch(l, batch, (struct sled_span){ "", 0 }, &e) ||
		    !sled_ledger_commit(l, &e) || write(out, "+", 1) != 1)
			_exit(1);
	}
}

static unsigned
reap(pid_t pid, int in)
{
	unsigned acked = 0;
	int status;
	char byte;

	while (read(in, &byte, 1) == 1)
		acked++;
	(void)close(in);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	return acked;
}

static void
what_was_committed_outlives_kill_9(void **state)
{
	uint64_t before = 0;

	(void)state;
	sled_ledger_close(&ledger);
	for (unsigned round = 0; round < 12; round++) {
		unsigned wait_for = 1 + (round * 7) % 13, acked = 0;
		int ends[2];
		char byte;
		pid_t pid;

		assert_int_equal(pipe(ends), 0);
		pid = fork();
		if (pid == 0)
			commit_until_killed(NULL, ends[1]);
		(void)close(ends[1]);
		while (acked < wait_for && read(ends[0], &byte, 1) == 1)
			acked++;
		assert_int_equal(kill(pid, SIGKILL), 0);
		acked += reap(pid, ends[0]);
		assert_true(acked >= wait_for);
		assert_true(count_after() >= before + (uint64_t)acked * BATCH);
		before = count_after();
		assert_int_equal(before % BATCH, 0);
	}
}

static void
a_kill_at_each_call_tears_no_transaction(void **state)
{
	unsigned kills = 0;

	(void)state;
	sled_ledger_close(&ledger);
	for (unsigned n = 1; n < 120; n++) {
		struct fx_sys fx;
		unsigned acked;
		uint64_t count;
		int ends[2];
		pid_t pid;

		fx_tmp_empty(&tmp);
		assert_int_equal(pipe(ends), 0);
		pid = fork();
		if (pid == 0) {
			fx_sys_init(&fx, tmp.path);
			if (n % 3 == 0)
				fx_sys_tear(&fx, n / 3);
			else
				fx_sys_kill(&fx, FX_ANY, n);
			commit_until_killed(&fx.sys, ends[1]);
		}
		(void)close(ends[1]);
		acked = reap(pid, ends[0]);
		count = count_after();
		assert_true(count >= (uint64_t)acked * BATCH);
		assert_int_equal(count % BATCH, 0);
		kills++;
	}
	print_message("%u kills\n", kills);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(commit_keeps_and_drop_forgets),
		T(begin_does_not_nest_and_commit_needs_it),
		T(a_failed_write_dooms_its_transaction),
		T(callbacks_may_read_not_write_and_may_stop),
		T(threads_take_turns_a_transaction_each),
		T(no_commit_is_lost_at_any_failed_call),
		T(a_failed_sync_is_never_a_commit),
		T(a_full_disk_refuses_and_keeps),
		T(errors_name_errno_and_kind),
		T(a_failed_read_dooms_its_transaction),
		T(nothing_is_written_behind_a_failed_sync),
		T(folding_in_the_wal_loses_nothing),
		T(what_was_committed_outlives_kill_9),
		T(a_kill_at_each_call_tears_no_transaction),
	};

	return cmocka_run_group_tests_name("ledger_commit", tests, NULL, NULL);
}
