/*
 * test_loop_command.c - a command beside the loop ends in time, with all that
 * it started. Each command's processes hold the write end of a pipe: its end
 * of file proves that all of them are dead.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mailsled/clock.h"
#include "mailsled/loop.h"

#define LONG_MS 60000
#define LIFE    99 /* of the pipe's write end; no other descriptor has it */

struct world {
	struct sled_loop *loop;
	struct sled_command *command;
	struct sled_watch *watch;
	int life;      /* its read end */
	int said;      /* what the command wrote to our stderr, else -1 */
	int stderr_fd; /* ours, kept */
	int calls;
	bool ok, free_now;
	struct sled_err err;
	int64_t ended_ms;
	size_t fds;
};

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
on_end(void *ctx, const struct sled_err *err)
{
	struct world *world = ctx;

	world->calls++;
	world->ok = err == NULL;
	if (err != NULL)
		world->err = *err;
	world->ended_ms = sled_clock_ms();
	if (world->free_now)
		sled_command_free(&world->command);
	sled_loop_stop(world->loop);
}

static void
setup(struct world *world)
{
	struct sled_err err = { 0 };

	*world = (struct world){ .said = -1 };
	world->fds = count_fds();
	assert_true(sled_loop_new(&world->loop, &err));
}

/* Our stderr is a pipe while the command starts. */
static void
capture_stderr(struct world *world)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	world->stderr_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	(void)close(ends[1]);
	world->said = ends[0];
}

static void
restore_stderr(struct world *world)
{
	assert_int_equal(dup2(world->stderr_fd, STDERR_FILENO), STDERR_FILENO);
	(void)close(world->stderr_fd);
}

static void
start(struct world *world, const char *text, uint64_t deadline_ms)
{
	struct sled_err err = { 0 };
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	world->life = ends[0];
	assert_int_equal(dup2(ends[1], LIFE), LIFE); /* not close-on-exec */
	(void)close(ends[1]);
	assert_true(sled_command_new(&world->command, world->loop, text,
	                             deadline_ms, on_end, world, &err));
	(void)close(LIFE);
}

static void
all_are_dead(const struct world *world)
{
	char byte;

	assert_int_equal(read(world->life, &byte, 1), 0);
}

/* No process, no zombie, no descriptor is left. */
static void
teardown(struct world *world)
{
	sled_command_free(&world->command);
	sled_command_free(&world->command);
	sled_loop_free(&world->loop);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	(void)close(world->life);
	if (world->said != -1)
		(void)close(world->said);
	assert_int_equal(count_fds(), world->fds);
}

static void
fails(const char *text, uint64_t deadline_ms, const char *why)
{
	struct world world;

	setup(&world);
	start(&world, text, deadline_ms);
	sled_loop_run(world.loop);
	assert_int_equal(world.calls, 1);
	assert_false(world.ok);
	assert_int_equal(world.err.kind, SLED_ERR_CONFIG);
	assert_non_null(strstr(world.err.text, why));
	all_are_dead(&world);
	teardown(&world);
}

static void
stdin_is_empty_and_stdout_is_our_stderr(void **state)
{
	struct world world;
	char text[64] = "";

	(void)state;
	setup(&world);
	capture_stderr(&world);
	start(&world, "cat; echo out; echo err >&2", LONG_MS);
	restore_stderr(&world);
	sled_loop_run(world.loop);
	assert_true(world.ok);
	assert_int_equal(read(world.said, text, sizeof(text) - 1), 8);
	assert_string_equal(text, "out\nerr\n");
	teardown(&world);
}

static void
it_leads_a_session_of_its_own(void **state)
{
	struct world world;

	(void)state;
	setup(&world);
	/* The sixth word of stat; sh's name has no blank. */
	start(&world, "read -r a b c d e f g </proc/$$/stat; test \"$f\" = $$",
	      LONG_MS);
	sled_loop_run(world.loop);
	assert_true(world.ok);
	teardown(&world);
}

static void
its_status_or_signal_is_named(void **state)
{
	(void)state;
	fails("exit 3", LONG_MS, "exit status 3");
	fails("exec 2>/dev/null; no-such-command", LONG_MS, "exit status 127");
	fails("kill -TERM $$", LONG_MS, "signal 15");
}

static void
one_that_hangs_is_over_at_its_deadline(void **state)
{
	(void)state;
	fails("sleep 1000", 20, "in time");
	fails("sleep 1000; sleep 1000", 20, "in time");
	fails("sleep 1000 & wait", 20, "in time");
}

static void
one_that_ends_well_at_the_deadline_was_late_all_the_same(void **state)
{
	(void)state;
	fails("trap 'exit 0' TERM; while :; do read x <&0; sleep 0.01; done",
	      20, "in time");
}

static void
one_that_ignores_sigterm_is_killed_in_time(void **state)
{
	int64_t began = sled_clock_ms();

	(void)state;
	fails("trap '' TERM; sleep 1000; sleep 1000", 20, "in time");
	fails("(trap '' TERM; sleep 1000; sleep 1000) & sleep 1000", 20,
	      "in time");
	assert_true(sled_clock_ms() - began >= SLED_COMMAND_GRACE_MS);
	assert_true(sled_clock_ms() - began < 10 * SLED_COMMAND_GRACE_MS);
}

/* One with a group of its own, as timeout(1) makes it, and a stopped one. */
static void
no_group_of_the_session_gets_away(void **state)
{
	(void)state;
	fails("timeout 1000 sleep 1000 & sleep 1000", 20, "in time");
	fails("sleep 1000 & kill -STOP $!; sleep 1000", 20, "in time");
	fails("kill -STOP $$", 20, "in time");
}

static void
one_that_prints_without_end_is_over_at_its_deadline(void **state)
{
	(void)state;
	fails("exec 2>/dev/null 1>&2; yes", 20, "in time");
	fails("exec 2>/dev/null 1>&2; yes | cat", 20, "in time");
}

/* Nobody reads our stderr, and its pipe is full. */
static void
one_that_cannot_print_is_over_at_its_deadline(void **state)
{
	struct world world;

	(void)state;
	setup(&world);
	capture_stderr(&world);
	start(&world, "yes", 100);
	restore_stderr(&world);
	sled_loop_run(world.loop);
	assert_false(world.ok);
	all_are_dead(&world);
	teardown(&world);
}

/* As pppd does: it is up, and goes on in the background. */
static void
what_goes_on_in_the_background_is_not_waited_for(void **state)
{
	int64_t began = sled_clock_ms();
	struct world world;
	char pid[16] = "";

	(void)state;
	setup(&world);
	capture_stderr(&world);
	start(&world, "sleep 1000 & echo $!", LONG_MS);
	restore_stderr(&world);
	sled_loop_run(world.loop);
	assert_true(world.ok);
	assert_true(sled_clock_ms() - began < LONG_MS / 2);
	assert_true(read(world.said, pid, sizeof(pid) - 1) > 0);
	assert_int_equal(kill((pid_t)atol(pid), SIGKILL), 0); /* it lived */
	all_are_dead(&world);
	teardown(&world);
}

static void
one_that_is_freed_dies_at_once_and_is_not_heard_of(void **state)
{
	struct world world;

	(void)state;
	setup(&world);
	start(&world, "trap '' TERM; timeout 1000 sleep 1000 & sleep 1000",
	      LONG_MS);
	sled_command_free(&world.command);
	all_are_dead(&world);
	teardown(&world);
	assert_int_equal(world.calls, 0);
}

static void
on_watch(void *ctx)
{
	struct world *world = ctx;
	char text[8];

	if (read(world->said, text, sizeof(text)) > 0)
		sled_command_free(&world->command);
	sled_watch_free(&world->watch);
	sled_loop_stop(world->loop);
}

static void
one_that_is_freed_while_it_works_dies_with_its_children(void **state)
{
	struct sled_err err = { 0 };
	struct world world;

	(void)state;
	setup(&world);
	capture_stderr(&world);
	start(&world,
	      "trap '' TERM; timeout 1000 sleep 1000 & echo on; sleep 1000",
	      LONG_MS);
	restore_stderr(&world);
	assert_true(sled_watch_new(&world.watch, world.loop, world.said,
	                           on_watch, &world, &err));
	sled_loop_run(world.loop);
	assert_null(world.command);
	all_are_dead(&world);
	teardown(&world);
	assert_int_equal(world.calls, 0);
}

/* A tracer that never waits keeps PID's end from us, as a disk that does not
 * answer would. 0: not allowed here. */
static pid_t
hold_its_end(pid_t pid)
{
	char ok = 0;
	int ends[2];
	pid_t tracer;

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	tracer = fork();
	assert_true(tracer >= 0);
	if (tracer == 0) {
		ok = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
		(void)!write(ends[1], &ok, 1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	(void)!read(ends[0], &ok, 1);
	(void)close(ends[0]);
	if (ok)
		return tracer;
	assert_int_equal(kill(tracer, SIGKILL), 0);
	assert_int_equal(waitpid(tracer, NULL, 0), tracer);
	return 0;
}

static void
on_late(void *ctx)
{
	struct world *world = ctx;

	sled_loop_stop(world->loop);
}

static void
run_for(struct world *world, uint64_t ms)
{
	struct sled_timer *timer = NULL;
	struct sled_err err = { 0 };

	assert_true(sled_timer_new(&timer, world->loop, on_late, world, &err));
	sled_timer_start(timer, ms);
	sled_loop_run(world->loop);
	sled_timer_free(&timer);
}

static void
one_that_not_even_a_kill_ends_leaves_no_zombie_when_it_does(void **state)
{
	char text[32] = "";
	struct world world;
	pid_t pid, tracer;

	(void)state;
	setup(&world);
	capture_stderr(&world);
	start(&world, "echo $$; exec sleep 1000", LONG_MS);
	restore_stderr(&world);
	assert_true(read(world.said, text, sizeof(text) - 1) > 0);
	pid = (pid_t)atol(text);
	tracer = hold_its_end(pid);
	sled_command_free(&world.command);
	if (tracer != 0) {
		run_for(&world, SLED_COMMAND_GRACE_MS + 500);
		assert_int_equal(kill(pid, 0), 0); /* a zombie, and not ours */
		assert_int_equal(kill(tracer, SIGKILL), 0);
		assert_int_equal(waitpid(tracer, NULL, 0), tracer);
	}
	for (int i = 0; i < 100 && kill(pid, 0) == 0; i++)
		run_for(&world, 50);
	assert_int_equal(kill(pid, 0), -1);
	teardown(&world);
	assert_int_equal(world.calls, 0);
	if (tracer == 0)
		skip();
}

static void
it_may_be_freed_when_it_tells(void **state)
{
	struct world world;

	(void)state;
	setup(&world);
	world.free_now = true;
	start(&world, "true", LONG_MS);
	sled_loop_run(world.loop);
	assert_true(world.ok);
	assert_null(world.command);
	teardown(&world);
}

/* One that cares for SIGTERM has time to end its work, and no more. */
static void
one_that_is_hurried_ends_its_work(void **state)
{
	char text[16] = "";
	struct world world;
	int64_t began;

	(void)state;
	setup(&world);
	capture_stderr(&world);
	start(&world,
	      "exec sh -c 'trap \"echo end >&2; exit 0\" TERM; echo a >&2; "
	      "while :; do sleep 0.05; done'",
	      LONG_MS);
	restore_stderr(&world);
	assert_int_equal(read(world.said, text, 2), 2); /* it has begun */
	sled_command_hurry(world.command, LONG_MS);
	assert_int_equal(read(world.said, text, sizeof(text) - 1), 4);
	assert_string_equal(text, "end\n");
	sled_command_free(&world.command);
	teardown(&world);
	setup(&world);
	start(&world, "exec sh -c 'trap : TERM; while :; do sleep 0.05; done'",
	      LONG_MS);
	run_for(&world, 300);
	began = sled_clock_ms();
	sled_command_hurry(world.command, 200);
	assert_true(sled_clock_ms() - began >= 200);
	sled_command_free(&world.command);
	teardown(&world);
	assert_int_equal(world.calls, 0);
}

/* The first child opens what libuv keeps for the whole process. */
static int
open_what_stays(void **state)
{
	struct world world;

	(void)state;
	setup(&world);
	start(&world, "true", LONG_MS);
	sled_loop_run(world.loop);
	sled_command_free(&world.command);
	sled_loop_free(&world.loop);
	(void)close(world.life);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stdin_is_empty_and_stdout_is_our_stderr),
		cmocka_unit_test(it_leads_a_session_of_its_own),
		cmocka_unit_test(its_status_or_signal_is_named),
		cmocka_unit_test(one_that_hangs_is_over_at_its_deadline),
		cmocka_unit_test(
		    one_that_ends_well_at_the_deadline_was_late_all_the_same),
		cmocka_unit_test(one_that_ignores_sigterm_is_killed_in_time),
		cmocka_unit_test(no_group_of_the_session_gets_away),
		cmocka_unit_test(
		    one_that_prints_without_end_is_over_at_its_deadline),
		cmocka_unit_test(one_that_cannot_print_is_over_at_its_deadline),
		cmocka_unit_test(
		    what_goes_on_in_the_background_is_not_waited_for),
		cmocka_unit_test(
		    one_that_is_freed_dies_at_once_and_is_not_heard_of),
		cmocka_unit_test(
		    one_that_is_freed_while_it_works_dies_with_its_children),
		cmocka_unit_test(
		    one_that_not_even_a_kill_ends_leaves_no_zombie_when_it_does),
		cmocka_unit_test(it_may_be_freed_when_it_tells),
		cmocka_unit_test(one_that_is_hurried_ends_its_work),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, open_what_stays, NULL);
}
