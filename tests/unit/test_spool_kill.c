/* test_spool_kill.c - kill -9 at any moment, and a second thread: what was
 * acknowledged is there [C1]. */
#include <pthread.h>
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

#include "fx_spool.h"
#include "fx_sys.h"
#include "fx_tmp.h"

struct world {
	struct fx_tmp tmp;
	struct fx_sys fx;
	struct sled_err err;
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

	fx_sys_done(&w->fx);
	fx_tmp_drop(&w->tmp);
	return 0;
}

/* Short ones, and each eighth longer than the gathering buffer. */
static struct fx_mail
mail_of(unsigned i)
{
	return (struct fx_mail){ "uid", i % 8 == 7 ? 70000 + i * 997 : i * 131,
		                 i };
}

/* The child: a byte for each message that is whole; at the end it waits to be
 * killed, or ends. */
static void
child(struct world *w, int acks, unsigned count, bool wait)
{
	struct sled_spool *spool = NULL;
	struct sled_record record;

	if (!sled_spool_create(&spool, &w->fx.sys, w->tmp.dir, &fx_spool_owner,
	                       &w->err))
		_exit(1);
	for (unsigned i = 0; i < count; i++) {
		struct fx_mail mail = mail_of(i);

		if (!fx_spool_put(spool, &mail, &record, &w->err) ||
		    write(acks, "", 1) != 1)
			_exit(1);
	}
	while (wait)
		(void)pause();
	_exit(0);
}

static pid_t
start(struct world *w, int *acks, unsigned count, bool wait)
{
	int fd[2];
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fd[0]);
		child(w, fd[1], count, wait);
	}
	(void)close(fd[1]);
	*acks = fd[0];
	return pid;
}

static void
check_recovered(struct world *w, unsigned acked)
{
	struct sled_spool_owner owner;
	struct sled_spool *spool = NULL;
	char name[SLED_SPOOL_NAME];

	assert_true(fx_spool_only(w->tmp.dir, name));
	assert_true(sled_spool_open(&spool, &owner, sled_sys_posix(),
	                            w->tmp.dir, name, &w->err));
	assert_true(fx_spool_found(spool, &found));
	assert_true(found.count >= acked);
	assert_true(found.torn <= 1);
	for (unsigned i = 0; i < found.count; i++) {
		struct fx_mail mail = mail_of(i);

		assert_true(fx_spool_holds(spool, &found.record[i], &mail));
	}
	assert_true(sled_spool_finish(&spool, &w->err));
}

static void
test_what_was_acknowledged_survives_a_kill(void **state)
{
	struct world *w = *state;

	for (unsigned n = 1; n <= 60; n++) {
		int acks, status = 0;
		pid_t pid = start(w, &acks, 120, true);
		unsigned acked = 0;
		char byte;

		for (; acked < n; acked++)
			assert_int_equal(read(acks, &byte, 1), 1);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(acks, &byte, 1) == 1)
			acked++;
		(void)close(acks);
		check_recovered(w, acked);
	}
}

/* Die at, or in the middle of, each write in turn, until a run is through. */
static void
die_at_each_write(struct world *w, bool tear, unsigned *deaths, unsigned *torn)
{
	bool through = false;

	for (unsigned n = 2; !through;
	     n++) { /* the first is the file's header */
		int acks, status = 0;
		unsigned acked = 0;
		pid_t pid;
		char byte;

		fx_sys_calm(&w->fx);
		if (tear)
			fx_sys_tear(&w->fx, n);
		else
			fx_sys_kill(&w->fx, FX_PWRITE, n);
		pid = start(w, &acks, 20, false);
		while (read(acks, &byte, 1) == 1)
			acked++;
		(void)close(acks);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		through = !WIFSIGNALED(status);
		if (through)
			assert_int_equal(WEXITSTATUS(status), 0);
		*deaths += !through;
		check_recovered(w, acked);
		assert_int_equal(found.count, acked);
		*torn += found.torn;
	}
	assert_int_equal(found.count, 20);
	assert_int_equal(found.torn, 0);
}

static void
test_a_kill_at_or_in_each_write_loses_nothing_acknowledged(void **state)
{
	struct world *w = *state;
	unsigned deaths = 0, torn = 0;

	die_at_each_write(w, false, &deaths, &torn);
	assert_true(deaths >= 20);
	die_at_each_write(w, true, &deaths, &torn);
	assert_true(deaths >= 40);
	assert_true(torn >= 20);
}

static void
test_a_create_that_was_killed_is_known_as_empty(void **state)
{
	struct world *w = *state;
	struct sled_spool_owner owner;
	struct sled_spool *spool = NULL;

	for (int i = 0; i < 2; i++) {
		char name[SLED_SPOOL_NAME];
		int acks, status = 0;
		pid_t pid;

		fx_sys_calm(&w->fx);
		if (i == 0)
			fx_sys_kill(&w->fx, FX_PWRITE, 1);
		else
			fx_sys_tear(&w->fx, 1);
		pid = start(w, &acks, 1, false);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		(void)close(acks);
		assert_true(fx_spool_only(w->tmp.dir, name));
		assert_false(sled_spool_open(&spool, &owner, sled_sys_posix(),
		                             w->tmp.dir, name, &w->err));
		assert_int_equal(w->err.kind, SLED_ERR_MISSING);
		fx_tmp_empty(&w->tmp);
	}
}

/* ---- a second thread ---- */

struct other {
	struct sled_spool *spool;
	int records; /* a pipe: ended records come by value */
	unsigned good;
};

static void *
sync_and_read(void *arg)
{
	struct other *other = arg;
	struct sled_err err = { 0 };
	struct sled_record record;

	while (read(other->records, &record, sizeof(record)) ==
	       (ssize_t)sizeof(record)) {
		struct fx_mail mail = mail_of(other->good);

		if ((other->good % 16 == 0 &&
		     !sled_spool_sync(other->spool, &err)) ||
		    !fx_spool_holds(other->spool, &record, &mail))
			break;
		other->good++;
	}
	return NULL;
}

static void
test_another_thread_syncs_and_reads_while_one_appends(void **state)
{
	struct world *w = *state;
	struct other other = { 0 };
	struct sled_record record;
	pthread_t thread;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_true(sled_spool_create(&other.spool, &w->fx.sys, w->tmp.dir,
	                              &fx_spool_owner, &w->err));
	other.records = fd[0];
	assert_int_equal(pthread_create(&thread, NULL, sync_and_read, &other),
	                 0);
	for (unsigned i = 0; i < 200; i++) {
		struct fx_mail mail = mail_of(i);

		memset(&record, 0, sizeof(record));
		assert_true(fx_spool_put(other.spool, &mail, &record, &w->err));
		assert_int_equal(write(fd[1], &record, sizeof(record)),
		                 sizeof(record));
	}
	(void)close(fd[1]);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(other.good, 200);
	(void)close(fd[0]);
	assert_true(sled_spool_finish(&other.spool, &w->err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_acknowledged_survives_a_kill),
		TEST(
		    test_a_kill_at_or_in_each_write_loses_nothing_acknowledged),
		TEST(test_a_create_that_was_killed_is_known_as_empty),
		TEST(test_another_thread_syncs_and_reads_while_one_appends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
