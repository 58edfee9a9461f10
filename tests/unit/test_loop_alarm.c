/* test_loop_alarm.c - alarms, watched descriptors and hints. */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cmocka.h>

#include "mailsled/clock.h"
#include "mailsled/loop.h"

struct world {
	struct sled_loop *loop;
	struct sled_alarm *alarm;
	struct sled_watch *watch;
	int fds[2];
	int over, jumps, signals[2];
	char text[64];
};

static void
setup(struct world *world)
{
	struct sled_err err = { 0 };

	*world = (struct world){ .fds = { -1, -1 } };
	assert_true(sled_loop_new(&world->loop, &err));
}

static void
teardown(struct world *world)
{
	sled_alarm_free(&world->alarm);
	sled_watch_free(&world->watch);
	sled_alarm_free(&world->alarm); /* NULL is well */
	sled_watch_free(&world->watch);
	sled_loop_free(&world->loop);
}

static size_t
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count;
}

static void
on_alarm(void *ctx, bool jumped)
{
	struct world *world = ctx;

	if (jumped) {
		world->jumps++;
	} else {
		world->over++;
	}
	sled_loop_stop(world->loop);
}

static void
make_alarm(struct world *world)
{
	struct sled_err err = { 0 };

	setup(world);
	assert_true(
	    sled_alarm_new(&world->alarm, world->loop, on_alarm, world, &err));
}

static void
an_alarm_comes_when_its_time_is_over(void **state)
{
	int64_t began = sled_clock_ms();
	struct world world;

	(void)state;
	make_alarm(&world);
	sled_alarm_start(world.alarm, 30);
	sled_loop_run(world.loop);
	assert_int_equal(world.over, 1);
	assert_true(sled_clock_ms() - began >= 29);
	sled_alarm_start(world.alarm, 0);
	sled_loop_run(world.loop);
	assert_int_equal(world.over, 2);
	assert_int_equal(world.jumps, 0);
	teardown(&world);
}

static void
stop_later(void *ctx)
{
	struct world *world = ctx;

	sled_loop_stop(world->loop);
}

static void
run_for(struct world *world, uint64_t ms)
{
	struct sled_timer *timer = NULL;
	struct sled_err err = { 0 };

	assert_true(
	    sled_timer_new(&timer, world->loop, stop_later, world, &err));
	sled_timer_start(timer, ms);
	sled_loop_run(world->loop);
	sled_timer_free(&timer);
}

static void
a_stopped_or_restarted_alarm_is_silent(void **state)
{
	struct world world;

	(void)state;
	make_alarm(&world);
	sled_alarm_start(world.alarm, 1);
	sled_alarm_stop(world.alarm);
	run_for(&world, 20);
	assert_int_equal(world.over, 0);
	sled_alarm_start(world.alarm, 1);
	sled_alarm_start(world.alarm, UINT64_MAX);
	run_for(&world, 20);
	assert_int_equal(world.over, 0);
	teardown(&world);
}

static void
on_alarm_free(void *ctx, bool jumped)
{
	struct world *world = ctx;

	on_alarm(ctx, jumped);
	sled_alarm_free(&world->alarm);
}

static void
an_alarm_may_free_itself_and_leaves_nothing_open(void **state)
{
	struct sled_err err = { 0 };
	struct world world;
	size_t before;

	(void)state;
	setup(&world);
	before = count_fds();
	assert_true(sled_alarm_new(&world.alarm, world.loop, on_alarm_free,
	                           &world, &err));
	sled_alarm_start(world.alarm, 1);
	sled_loop_run(world.loop);
	assert_int_equal(world.over, 1);
	assert_null(world.alarm);
	assert_int_equal(count_fds(), before);
	teardown(&world);
}

/* By a nanosecond, which is a set clock all the same. */
static bool
set_clock(long sec, long nsec)
{
	struct timex change = { .modes = ADJ_SETOFFSET | ADJ_NANO,
		                .time = { .tv_sec = sec, .tv_usec = nsec } };

	return adjtimex(&change) != -1;
}

static void
a_set_clock_is_told_and_the_wait_goes_on(void **state)
{
	struct world world;

	(void)state;
	make_alarm(&world);
	if (!set_clock(0, 1)) {
		teardown(&world);
		skip();
	}
	sled_alarm_start(world.alarm, 50);
	sled_loop_run(world.loop);
	assert_int_equal(world.jumps, 1);
	assert_int_equal(world.over, 0);
	sled_loop_run(world.loop);
	assert_int_equal(world.over, 1);
	assert_true(set_clock(-1, 999999999)); /* of a stopped one too */
	sled_loop_run(world.loop);
	assert_int_equal(world.jumps, 2);
	assert_int_equal(world.over, 1);
	teardown(&world);
}

static void
on_readable(void *ctx)
{
	struct world *world = ctx;
	char byte;

	if (recv(world->fds[0], &byte, 1, 0) == 1)
		(void)strncat(world->text, &byte, 1);
	else
		(void)strcat(world->text, errno == EAGAIN ? "!" : "?");
	if (++world->over == 3)
		sled_loop_stop(world->loop);
}

static void
make_watch(struct world *world, sled_loop_fn *fn)
{
	struct sled_err err = { 0 };

	setup(world);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, world->fds), 0);
	assert_true(sled_watch_new(&world->watch, world->loop, world->fds[0],
	                           fn, world, &err));
}

static void
close_both(struct world *world)
{
	teardown(world);
	(void)close(world->fds[0]);
	(void)close(world->fds[1]);
}

static void
a_watch_calls_until_all_is_read(void **state)
{
	struct world world;

	(void)state;
	make_watch(&world, on_readable);
	assert_int_equal(send(world.fds[1], "abc", 3, 0), 3);
	sled_loop_run(world.loop);
	assert_string_equal(world.text, "abc");
	close_both(&world);
}

static void
on_readable_free(void *ctx)
{
	struct world *world = ctx;

	on_readable(ctx);
	sled_watch_free(&world->watch);
	sled_loop_stop(world->loop);
}

static void
a_freed_watch_is_silent_and_leaves_the_descriptor(void **state)
{
	struct world world;
	char rest[4];

	(void)state;
	make_watch(&world, on_readable_free);
	assert_int_equal(send(world.fds[1], "abc", 3, 0), 3);
	sled_loop_run(world.loop);
	run_for(&world, 5);
	assert_string_equal(world.text, "a");
	assert_int_equal(recv(world.fds[0], rest, sizeof(rest), 0), 2);
	close_both(&world);
}

/* What the peer never read comes back as a reset: an error on the socket. */
static void
a_watch_survives_an_error(void **state)
{
	struct world world;

	(void)state;
	make_watch(&world, on_readable);
	assert_int_equal(send(world.fds[0], "unread", 6, 0), 6);
	(void)close(world.fds[1]);
	sled_loop_run(world.loop);
	assert_int_equal(world.over, 3); /* not dropped after the first */
	world.fds[1] = -1;
	close_both(&world);
}

static void
a_file_cannot_be_watched(void **state)
{
	struct sled_err err = { 0 };
	struct world world;
	FILE *file = tmpfile();

	(void)state;
	assert_non_null(file);
	setup(&world);
	assert_false(sled_watch_new(&world.watch, world.loop, fileno(file),
	                            on_readable, &world, &err));
	assert_null(world.watch);
	(void)fclose(file);
	teardown(&world);
}

static void
on_hint(void *ctx, int signum)
{
	struct world *world = ctx;

	world->signals[signum == SIGHUP ? 0 : 1]++;
	if (world->signals[0] > 0 && world->signals[1] > 0)
		sled_loop_stop(world->loop);
}

static void
on_end(void *ctx, int signum)
{
	struct world *world = ctx;

	world->over = signum;
	sled_loop_stop(world->loop);
}

static void
hints_and_ends_are_told_apart(void **state)
{
	struct sled_err err = { 0 };
	struct world world;

	(void)state;
	setup(&world);
	assert_true(sled_loop_hints(world.loop, on_hint, &world, &err));
	assert_true(sled_loop_signals(world.loop, on_end, &world, &err));
	assert_int_equal(raise(SIGHUP), 0);
	assert_int_equal(raise(SIGUSR1), 0);
	sled_loop_run(world.loop);
	assert_int_equal(world.signals[0], 1);
	assert_int_equal(world.signals[1], 1);
	assert_int_equal(world.over, 0);
	assert_int_equal(raise(SIGTERM), 0);
	sled_loop_run(world.loop);
	assert_int_equal(world.over, SIGTERM);
	teardown(&world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_alarm_comes_when_its_time_is_over),
		cmocka_unit_test(a_stopped_or_restarted_alarm_is_silent),
		cmocka_unit_test(
		    an_alarm_may_free_itself_and_leaves_nothing_open),
		cmocka_unit_test(a_set_clock_is_told_and_the_wait_goes_on),
		cmocka_unit_test(a_watch_calls_until_all_is_read),
		cmocka_unit_test(
		    a_freed_watch_is_silent_and_leaves_the_descriptor),
		cmocka_unit_test(a_watch_survives_an_error),
		cmocka_unit_test(a_file_cannot_be_watched),
		cmocka_unit_test(hints_and_ends_are_told_apart),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
