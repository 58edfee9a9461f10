/* test_loop_base.c - timers, posts, signals and jobs keep their promises. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mailsled/clock.h"
#include "mailsled/loop.h"

struct log {
	struct sled_loop *loop;
	struct sled_timer *a, *b, *c;
	char text[64];
	int count;
	pthread_t thread;
};

static void
say(struct log *log, const char *word)
{
	strcat(log->text, word);
}

static void
setup(struct log *log)
{
	struct sled_err err = { 0 };

	*log = (struct log){ 0 };
	assert_true(sled_loop_new(&log->loop, &err));
}

static void
on_a(void *ctx)
{
	say(ctx, "a");
}

static void
on_b(void *ctx)
{
	say(ctx, "b");
}

static void
on_c(void *ctx)
{
	struct log *log = ctx;

	say(log, "c");
	sled_loop_stop(log->loop);
}

static void
make_three(struct log *log)
{
	struct sled_err err = { 0 };

	setup(log);
	assert_true(sled_timer_new(&log->a, log->loop, on_a, log, &err));
	assert_true(sled_timer_new(&log->b, log->loop, on_b, log, &err));
	assert_true(sled_timer_new(&log->c, log->loop, on_c, log, &err));
}

static void
free_three(struct log *log)
{
	sled_timer_free(&log->a);
	sled_timer_free(&log->b);
	sled_timer_free(&log->c);
	assert_null(log->c);
	sled_timer_free(&log->c);
	sled_loop_free(&log->loop);
	assert_null(log->loop);
}

static void
timers_fire_in_the_order_of_their_times(void **state)
{
	struct log log;

	(void)state;
	make_three(&log);
	sled_timer_start(log.c, 300);
	sled_timer_start(log.b, 150);
	sled_timer_start(log.a, 0);
	sled_loop_run(log.loop);
	assert_string_equal(log.text, "abc");
	free_three(&log);
}

static void
a_restarted_timer_fires_once_and_later(void **state)
{
	struct log log;

	(void)state;
	make_three(&log);
	sled_timer_start(log.a, 0);
	sled_timer_start(log.b, 5);
	sled_timer_start(log.a, 20);
	sled_timer_start(log.c, 40);
	sled_loop_run(log.loop);
	assert_string_equal(log.text, "bac");
	free_three(&log);
}

static void
a_stopped_timer_is_silent(void **state)
{
	struct log log;

	(void)state;
	make_three(&log);
	sled_timer_start(log.a, 0);
	sled_timer_start(log.c, 10);
	sled_timer_stop(log.a);
	sled_timer_stop(log.b);
	sled_loop_run(log.loop);
	assert_string_equal(log.text, "c");
	free_three(&log);
}

static void
on_again(void *ctx)
{
	struct log *log = ctx;

	if (++log->count < 3) {
		sled_timer_start(log->a, 1);
		return;
	}
	sled_timer_free(&log->a);
	sled_loop_stop(log->loop);
}

static void
a_timer_may_restart_and_free_itself(void **state)
{
	struct sled_err err = { 0 };
	struct log log;

	(void)state;
	setup(&log);
	assert_true(sled_timer_new(&log.a, log.loop, on_again, &log, &err));
	sled_timer_start(log.a, 1);
	sled_loop_run(log.loop);
	assert_int_equal(log.count, 3);
	assert_null(log.a);
	sled_loop_free(&log.loop);
}

static void
be_busy(void *ctx)
{
	int64_t until = sled_clock_ms() + 30;
	struct log *log = ctx;

	sled_timer_start(log->a, 40);
	while (sled_clock_ms() < until)
		;
	sled_timer_start(log->b, 20);
	sled_timer_start(log->c, 20);
}

static void
time_spent_in_a_callback_counts(void **state)
{
	struct sled_err err = { 0 };
	struct log log;

	(void)state;
	make_three(&log);
	assert_true(sled_loop_post(log.loop, be_busy, &log, &err));
	sled_loop_run(log.loop);
	assert_string_equal(log.text, "abc"); /* due at 40, 50 and 50 */
	free_three(&log);
}

static void
a_stop_before_run_counts(void **state)
{
	struct log log;

	(void)state;
	make_three(&log);
	sled_loop_stop(log.loop);
	sled_loop_run(log.loop);
	assert_string_equal(log.text, "");
	sled_loop_stop(log.loop); /* free() must not mind one that is left */
	free_three(&log);
}

#define POSTS 1000

static void
on_post(void *ctx)
{
	struct log *log = ctx;

	assert_true(pthread_equal(log->thread, pthread_self()));
	if (++log->count == 4 * POSTS)
		sled_loop_stop(log->loop);
}

static void *
post_many(void *ctx)
{
	struct sled_err err = { 0 };
	struct log *log = ctx;

	for (int i = 0; i < POSTS; i++)
		if (!sled_loop_post(log->loop, on_post, log, &err))
			return ctx;
	return NULL;
}

static void
posts_of_all_threads_run_in_the_loops(void **state)
{
	pthread_t threads[4];
	struct log log;

	(void)state;
	setup(&log);
	log.thread = pthread_self();
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, post_many, &log), 0);
	sled_loop_run(log.loop);
	for (size_t i = 0; i < 4; i++) {
		void *failed = &log;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(log.count, 4 * POSTS);
	sled_loop_free(&log.loop);
}

static void
posts_run_in_order_and_never_after_free(void **state)
{
	struct sled_err err = { 0 };
	struct log log;

	(void)state;
	setup(&log);
	assert_true(sled_loop_post(log.loop, on_b, &log, &err));
	assert_true(sled_loop_post(log.loop, on_a, &log, &err));
	assert_true(sled_loop_post(log.loop, on_c, &log, &err));
	sled_loop_run(log.loop);
	assert_true(sled_loop_post(log.loop, on_a, &log, &err));
	sled_loop_free(&log.loop);
	assert_string_equal(log.text, "bac");
}

static void
on_sig(void *ctx, int signum)
{
	struct log *log = ctx;

	say(log, signum == SIGINT ? "I" : signum == SIGTERM ? "T" : "?");
	if (++log->count == 1)
		(void)kill(getpid(), SIGTERM);
	else
		sled_loop_stop(log->loop);
}

static void
int_and_term_reach_the_callback_until_free(void **state)
{
	struct sigaction left;
	struct sled_err err = { 0 };
	struct log log;

	(void)state;
	setup(&log);
	assert_true(sled_loop_signals(log.loop, on_sig, &log, &err));
	(void)kill(getpid(), SIGINT);
	sled_loop_run(log.loop);
	assert_string_equal(log.text, "IT");
	sled_loop_free(&log.loop);
	assert_int_equal(sigaction(SIGTERM, NULL, &left), 0);
	assert_true(left.sa_handler == SIG_DFL);
}

static void
do_job(void *ctx)
{
	struct log *log = ctx;

	if (!pthread_equal(log->thread, pthread_self()))
		log->count++;
}

static void
on_done(void *ctx)
{
	struct log *log = ctx;
	struct sled_err err = { 0 };

	assert_true(pthread_equal(log->thread, pthread_self()));
	say(log, "d");
	if (log->count == 3)
		sled_loop_stop(log->loop);
	else
		assert_true(
		    sled_work_start(log->loop, do_job, on_done, log, &err));
}

static void
jobs_run_beside_the_loop_and_end_in_it(void **state)
{
	struct sled_err err = { 0 };
	struct log log;

	(void)state;
	setup(&log);
	log.thread = pthread_self();
	assert_true(sled_work_start(log.loop, do_job, on_done, &log, &err));
	sled_loop_run(log.loop);
	assert_int_equal(log.count, 3);
	assert_string_equal(log.text, "ddd");
	sled_loop_free(&log.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_fire_in_the_order_of_their_times),
		cmocka_unit_test(a_restarted_timer_fires_once_and_later),
		cmocka_unit_test(a_stopped_timer_is_silent),
		cmocka_unit_test(a_timer_may_restart_and_free_itself),
		cmocka_unit_test(time_spent_in_a_callback_counts),
		cmocka_unit_test(a_stop_before_run_counts),
		cmocka_unit_test(posts_of_all_threads_run_in_the_loops),
		cmocka_unit_test(posts_run_in_order_and_never_after_free),
		cmocka_unit_test(int_and_term_reach_the_callback_until_free),
		cmocka_unit_test(jobs_run_beside_the_loop_and_end_in_it),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
