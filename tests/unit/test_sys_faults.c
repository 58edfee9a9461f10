/* test_sys_faults.c - the fault layer itself: faults come where they were
 * asked for, and nowhere else. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_sys.h"
#include "fx_tmp.h"

struct world {
	struct fx_tmp tmp;
	struct fx_sys fx;
};

static struct world world;

static int
set_up(void **state)
{
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

static int
open_file(struct world *w, const char *name)
{
	return w->fx.sys.openat(&w->fx, w->tmp.dir, name, O_RDWR | O_CREAT,
	                        0600);
}

static ssize_t
put(struct world *w, int fd, size_t len, off_t at)
{
	static const char data[4096];

	return w->fx.sys.pwrite(&w->fx, fd, data, len, at);
}

static void
test_every_entry_acts_as_its_call(void **state)
{
	struct world *w = *state;
	const struct sled_sys *sys = &w->fx.sys;
	struct stat st;
	uint64_t space = 0;
	char back[3];
	int fd = open_file(w, "a");

	assert_true(fd >= 0);
	assert_int_equal(sys->pwrite(sys->ctx, fd, "xyz", 3, 2), 3);
	assert_int_equal(sys->pread(sys->ctx, fd, back, 3, 2), 3);
	assert_memory_equal(back, "xyz", 3);
	assert_int_equal(sys->fdatasync(sys->ctx, fd), 0);
	assert_int_equal(sys->drop_pages(sys->ctx, fd), 0);
	assert_int_equal(sys->ftruncate(sys->ctx, fd, 4), 0);
	assert_int_equal(sys->fstat(sys->ctx, fd, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(sys->fchmod(sys->ctx, fd, 0400), 0);
	assert_int_equal(sys->space(sys->ctx, fd, &space), 0);
	assert_true(space > 0);
	assert_int_equal(sys->close(sys->ctx, fd), 0);
	assert_int_equal(sys->mkdirat(sys->ctx, w->tmp.dir, "d", 0700), 0);
	assert_int_equal(
	    sys->renameat(sys->ctx, w->tmp.dir, "a", w->tmp.dir, "d/b"), 0);
	assert_int_equal(sys->fstatat(sys->ctx, w->tmp.dir, "d/b", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_int_equal(sys->fsync(sys->ctx, w->tmp.dir), 0);
	assert_int_equal(sys->unlinkat(sys->ctx, w->tmp.dir, "d/b", 0), 0);
	assert_int_equal(sys->fstatat(sys->ctx, w->tmp.dir, "d/b", &st, 0), -1);
	assert_int_equal(errno, ENOENT);
	for (int call = 0; call < (int)FX_SYNCFS; call++)
		assert_true(fx_sys_count(&w->fx, (enum fx_call)call) > 0);
	assert_int_equal(fx_sys_count(&w->fx, FX_FSTATAT), 2);
	assert_int_equal(fx_sys_count(&w->fx, FX_ANY), 16);
	assert_false(fx_sys_fired(&w->fx));
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static void
test_the_nth_of_a_kind_fails_once(void **state)
{
	struct world *w = *state;
	struct stat st;
	int fd = open_file(w, "a");

	fx_sys_fail(&w->fx, FX_PWRITE, 2, EIO, false);
	assert_int_equal(put(w, fd, 10, 0), 10);
	assert_int_equal(w->fx.sys.fstat(&w->fx, fd, &st), 0);
	assert_false(fx_sys_fired(&w->fx));
	assert_int_equal(put(w, fd, 10, 10), -1);
	assert_int_equal(errno, EIO);
	assert_true(fx_sys_fired(&w->fx));
	assert_int_equal(w->fx.sys.fstat(&w->fx, fd, &st), 0);
	assert_int_equal(st.st_size, 10); /* nothing was written */
	assert_int_equal(put(w, fd, 10, 10), 10);
	assert_int_equal(w->fx.sys.close(&w->fx, fd), 0);
}

static void
test_for_ever_is_until_calm(void **state)
{
	struct world *w = *state;
	int fd = open_file(w, "a");

	fx_sys_fail(&w->fx, FX_FSYNC, 1, EDQUOT, true);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(w->fx.sys.fsync(&w->fx, fd), -1);
		assert_int_equal(errno, EDQUOT);
	}
	assert_int_equal(w->fx.sys.fdatasync(&w->fx, fd), 0);
	fx_sys_calm(&w->fx);
	assert_false(fx_sys_fired(&w->fx));
	assert_int_equal(w->fx.sys.fsync(&w->fx, fd), 0);
	assert_int_equal(w->fx.sys.close(&w->fx, fd), 0);
}

static void
test_any_counts_calls_of_all_kinds(void **state)
{
	struct world *w = *state;
	int fd;

	fx_sys_fail(&w->fx, FX_ANY, 3, ENOSPC, false);
	fd = open_file(w, "a");
	assert_true(fd >= 0);
	assert_int_equal(put(w, fd, 1, 0), 1);
	assert_int_equal(w->fx.sys.fsync(&w->fx, fd), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(w->fx.sys.close(&w->fx, fd), 0);
}

static void
test_a_failed_close_gives_the_number_back(void **state)
{
	struct world *w = *state;
	int fd = open_file(w, "a");

	assert_int_equal(fx_sys_open_fds(&w->fx), 1);
	fx_sys_fail(&w->fx, FX_CLOSE, 1, EIO, false);
	assert_int_equal(w->fx.sys.close(&w->fx, fd), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static void
test_a_failed_open_opens_nothing(void **state)
{
	struct world *w = *state;
	unsigned before = fx_tmp_open_fds();

	fx_sys_fail(&w->fx, FX_OPENAT, 1, EMFILE, false);
	assert_int_equal(open_file(w, "a"), -1);
	assert_int_equal(errno, EMFILE);
	assert_int_equal(fx_tmp_open_fds(), before);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
	assert_int_equal(faccessat(w->tmp.dir, "a", F_OK, 0), -1);
}

static void
test_short_calls_move_no_more_than_asked(void **state)
{
	struct world *w = *state;
	char back[64];
	int fd = open_file(w, "a");

	fx_sys_short(&w->fx, 5, 7);
	assert_int_equal(put(w, fd, 64, 0), 7);
	assert_int_equal(put(w, fd, 3, 7), 3);
	assert_int_equal(w->fx.sys.pread(&w->fx, fd, back, 64, 0), 5);
	assert_int_equal(w->fx.sys.close(&w->fx, fd), 0);
}

static void
test_a_limit_ends_growth_and_nothing_else(void **state)
{
	struct world *w = *state;
	uint64_t space = 0;
	int fd, free_fd;

	assert_int_equal(mkdirat(w->tmp.dir, "small", 0700), 0);
	free_fd = open_file(w, "small.not");
	fd = open_file(w, "small/a");
	{
		char path[FX_TMP_PATH + 8];

		(void)snprintf(path, sizeof(path), "%s/small", w->tmp.path);
		fx_sys_limit(&w->fx, path, 100);
	}
	assert_int_equal(put(w, fd, 60, 0), 60);
	assert_int_equal(put(w, fd, 60, 0), 60); /* the same bytes again */
	assert_int_equal(w->fx.sys.space(&w->fx, fd, &space), 0);
	assert_int_equal(space, 40);
	assert_int_equal(put(w, fd, 60, 60), 40); /* what fits */
	assert_int_equal(put(w, fd, 60, 100), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(put(w, free_fd, 4000, 0), 4000);
	assert_int_equal(w->fx.sys.ftruncate(&w->fx, fd, 90), 0);
	assert_int_equal(put(w, fd, 60, 90), 10);
	assert_int_equal(w->fx.sys.close(&w->fx, fd), 0);
	assert_int_equal(w->fx.sys.unlinkat(&w->fx, w->tmp.dir, "small/a", 0),
	                 0);
	fd = open_file(w, "small/b");
	assert_int_equal(put(w, fd, 150, 0), 100);
	assert_int_equal(w->fx.sys.close(&w->fx, fd), 0);
	assert_int_equal(w->fx.sys.close(&w->fx, free_fd), 0);
}

/* The signal that ended a child that ran STEPS on a file with faults armed. */
static int
signal_of_child(struct world *w, void (*steps)(struct world *, int))
{
	pid_t pid = fork();
	int status = 0;

	assert_true(pid >= 0);
	if (pid == 0) {
		steps(w, open_file(w, "a"));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void
write_twice(struct world *w, int fd)
{
	(void)put(w, fd, 100, 0);
	(void)put(w, fd, 100, 100);
}

static void
test_a_kill_comes_instead_of_the_call(void **state)
{
	struct world *w = *state;
	char data[1];

	fx_sys_kill(&w->fx, FX_PWRITE, 2);
	assert_int_equal(signal_of_child(w, write_twice), SIGKILL);
	assert_int_equal(fx_tmp_read(&w->tmp, "a", data, 1), 100);
	fx_sys_calm(&w->fx);
	assert_int_equal(signal_of_child(w, write_twice), 0);
	assert_int_equal(fx_tmp_read(&w->tmp, "a", data, 1), 200);
}

static void
test_a_tear_leaves_half_a_write(void **state)
{
	struct world *w = *state;
	char data[1];

	fx_sys_tear(&w->fx, 2);
	assert_int_equal(signal_of_child(w, write_twice), SIGKILL);
	assert_int_equal(fx_tmp_read(&w->tmp, "a", data, 1), 150);
}

static void
test_the_log_tells_what_ended_before_what_began(void **state)
{
	struct world *w = *state;
	int fd;

	assert_string_equal(fx_sys_log(&w->fx), "");
	fx_sys_log_on(&w->fx);
	fd = open_file(w, "a");
	assert_int_equal(put(w, fd, 5, 3), 5);
	fx_sys_fail(&w->fx, FX_FSYNC, 1, EIO, false);
	(void)w->fx.sys.fsync(&w->fx, w->tmp.dir);
	(void)w->fx.sys.fsync(&w->fx, w->tmp.dir);
	(void)w->fx.sys.renameat(&w->fx, w->tmp.dir, "a", w->tmp.dir, "b");
	(void)w->fx.sys.close(&w->fx, fd);
	assert_string_equal(fx_sys_log(&w->fx), "> openat a\n"
	                                        "< openat a = 0\n"
	                                        "> pwrite a 5@3\n"
	                                        "< pwrite a 5@3 = 5\n"
	                                        "> fsync .\n"
	                                        "< fsync . = EIO\n"
	                                        "> fsync .\n"
	                                        "< fsync . = 0\n"
	                                        "> renameat a b\n"
	                                        "< renameat a b = 0\n"
	                                        "> close b\n"
	                                        "< close b = 0\n");
	assert_true(fx_sys_before(&w->fx, "< fsync . = 0", "> renameat a"));
	assert_false(fx_sys_before(&w->fx, "> renameat a", "< fsync . = 0"));
	assert_false(fx_sys_before(&w->fx, "< fsync . = 0", "> pwrite"));
	assert_false(fx_sys_before(&w->fx, "> unlinkat", "> pwrite"));
	assert_false(fx_sys_before(&w->fx, "> pwrite", "> unlinkat"));
	fx_sys_log_clear(&w->fx);
	assert_string_equal(fx_sys_log(&w->fx), "");
}

struct load {
	struct world *w;
	int fd;
	unsigned failed;
};

static void *
write_many(void *arg)
{
	struct load *load = arg;

	for (unsigned i = 0; i < 500; i++)
		load->failed += put(load->w, load->fd, 8, 8 * i) == -1;
	return NULL;
}

static void
test_threads_are_counted_and_one_of_them_fails(void **state)
{
	struct world *w = *state;
	struct load load[4];
	pthread_t thread[4];
	unsigned failed = 0;

	fx_sys_log_on(&w->fx);
	fx_sys_fail(&w->fx, FX_PWRITE, 1000, EIO, false);
	for (int i = 0; i < 4; i++) {
		char name[2] = { (char)('a' + i), '\0' };

		load[i] = (struct load){ w, open_file(w, name), 0 };
	}
	for (int i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&thread[i], NULL, write_many, &load[i]), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(thread[i], NULL), 0);
		failed += load[i].failed;
		assert_int_equal(w->fx.sys.close(&w->fx, load[i].fd), 0);
	}
	assert_int_equal(failed, 1);
	assert_int_equal(fx_sys_count(&w->fx, FX_PWRITE), 2000);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_entry_acts_as_its_call),
		TEST(test_the_nth_of_a_kind_fails_once),
		TEST(test_for_ever_is_until_calm),
		TEST(test_any_counts_calls_of_all_kinds),
		TEST(test_a_failed_close_gives_the_number_back),
		TEST(test_a_failed_open_opens_nothing),
		TEST(test_short_calls_move_no_more_than_asked),
		TEST(test_a_limit_ends_growth_and_nothing_else),
		TEST(test_a_kill_comes_instead_of_the_call),
		TEST(test_a_tear_leaves_half_a_write),
		TEST(test_the_log_tells_what_ended_before_what_began),
		TEST(test_threads_are_counted_and_one_of_them_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
