/* test_loop_program.c - another program: its words, its end, and ours. */
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

#include "mailsled/loop.h"

#define LONG_MS 60000

static bool
keep(void *ctx, struct sled_span in, struct sled_err *err)
{
	return sled_buf_add(ctx, in.data, in.len, err);
}

static bool
run(const char *const *argv, uint64_t deadline_ms, uint64_t silent_ms,
    struct sled_buf *out, struct sled_program_end *end, struct sled_err *err)
{
	const struct sled_program program = { argv, deadline_ms, silent_ms,
		                              keep, out };

	return sled_program_run(&program, end, err);
}

static void
words_are_no_shell_s(void **state)
{
	const char *const argv[] = { "printf", "%s|", "$HOME `id`", "a;b", "",
		                     "*", NULL };
	struct sled_buf out = { 0 };
	struct sled_program_end end;
	struct sled_err err = { 0 };

	(void)state;
	assert_true(run(argv, LONG_MS, 0, &out, &end, &err));
	assert_int_equal(end.status, 0);
	assert_string_equal(out.data, "$HOME `id`|a;b||*|");
	sled_buf_free(&out);
}

static void
status_signal_and_last_words_are_told(void **state)
{
	const char *const exits[] = { "sh", "-c", "echo why >&2; exit 3",
		                      NULL };
	const char *const dies[] = { "sh", "-c", "kill -9 $$", NULL };
	const char *const talks[] = { "sh", "-c",
		                      "seq 1 20000 >&2; cat; printf end >&2",
		                      NULL };
	struct sled_buf out = { 0 };
	struct sled_program_end end;
	struct sled_err err = { 0 };

	(void)state;
	assert_true(run(exits, LONG_MS, 0, &out, &end, &err));
	assert_int_equal(end.status, 3);
	assert_int_equal(end.said_len, 4);
	assert_memory_equal(end.said, "why\n", 4);
	assert_true(run(dies, LONG_MS, 0, &out, &end, &err));
	assert_int_equal(end.status, 128 + SIGKILL);
	assert_true(run(talks, LONG_MS, 0, &out, &end, &err));
	assert_int_equal(end.said_len, SLED_PROGRAM_SAID);
	assert_memory_equal(end.said + SLED_PROGRAM_SAID - 9, "20000\nend", 9);
	assert_int_equal(out.len, 0);
	sled_buf_free(&out);
}

static void
one_that_is_not_there_is_missing(void **state)
{
	const char *const argv[] = { "no-such-program-here", NULL };
	struct sled_program_end end;
	struct sled_err err = { 0 };

	(void)state;
	assert_false(run(argv, LONG_MS, 0, NULL, &end, &err));
	assert_int_equal(err.kind, SLED_ERR_MISSING);
	assert_false(sled_program_exists(argv[0]));
	assert_true(sled_program_exists("sh"));
}

static void
too_late_and_too_silent_are_killed(void **state)
{
	const char *const sleeps[] = { "sleep", "1000", NULL };
	const char *const stops[] = { "sh", "-c", "echo a; exec sleep 1000",
		                      NULL };
	struct sled_buf out = { 0 };
	struct sled_program_end end;
	struct sled_err err = { 0 };

	(void)state;
	assert_false(run(sleeps, 50, 0, &out, &end, &err));
	assert_int_equal(err.kind, SLED_ERR_LINK);
	assert_int_equal(end.status, 128 + SIGKILL);
	err = (struct sled_err){ 0 };
	assert_false(run(stops, LONG_MS, 50, &out, &end, &err));
	assert_int_equal(err.kind, SLED_ERR_LINK);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie */
	sled_buf_free(&out);
}

/* ---- with a group of its own ---- */

static bool
run_alone(const char *text, struct sled_program *how, struct sled_buf *out,
          struct sled_program_end *end, struct sled_err *err)
{
	const char *const argv[] = { "sh", "-c", text, NULL };

	how->argv = argv;
	how->output = keep;
	how->ctx = out;
	how->own_group = true;
	return sled_program_run(how, end, err);
}

static void
input_and_environment_are_its_own(void **state)
{
	const char *const env[] = { "A=b c", NULL };
	FILE *file = tmpfile();
	struct sled_program how = { .deadline_ms = LONG_MS, .env = env };
	struct sled_buf out = { 0 };
	struct sled_program_end end;
	struct sled_err err = { 0 };

	(void)state;
	assert_non_null(file);
	assert_int_equal(fputs("letter", file), 1);
	assert_int_equal(fflush(file), 0);
	how.input = fileno(file);
	for (int i = 0; i < 2; i++) { /* from its start, each time */
		out.len = 0;
		assert_true(run_alone("cat; printf '|%s' \"$A\" \"$HOME\"",
		                      &how, &out, &end, &err));
		assert_int_equal(strncmp(out.data, "letter|b c|/", 12), 0);
	}
	(void)fclose(file);
	sled_buf_free(&out);
}

static void
what_it_leaves_in_the_background_is_not_waited_for(void **state)
{
	struct sled_program how = { .deadline_ms = LONG_MS };
	struct sled_buf out = { 0 };
	struct sled_program_end end;
	struct sled_err err = { 0 };
	pid_t left;

	(void)state;
	assert_true(run_alone("sleep 1000 & echo $!; echo why >&2; exit 4",
	                      &how, &out, &end, &err));
	assert_int_equal(end.status, 4);
	assert_memory_equal(end.said, "why\n", 4);
	left = (pid_t)strtol(out.data, NULL, 10);
	assert_int_equal(kill(left, SIGKILL), 0); /* it was there */
	sled_buf_free(&out);
}

/* Dead, or a zombie that waits for its reaper; in a second. */
static bool
is_over(pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	for (int i = 0; i < 100 && access(path, R_OK) == 0; i++)
		(void)usleep(10000);
	return access(path, R_OK) == -1;
}

static void
at_the_deadline_all_of_its_group_ends(void **state)
{
	struct sled_program how = { .deadline_ms = 300 };
	struct sled_buf out = { 0 };
	struct sled_program_end end;
	struct sled_err err = { 0 };
	char *at;

	(void)state;
	/* Silent pipes do not hide that it lives. */
	assert_false(run_alone("sleep 1000 & echo $! $$; exec >/dev/null 2>&1; "
	                       "trap '' TERM; while :; do sleep 1; done",
	                       &how, &out, &end, &err));
	assert_int_equal(err.kind, SLED_ERR_LINK);
	for (at = out.data; *at != '\0' && *at != '\n'; at += *at == ' ')
		assert_true(is_over((pid_t)strtol(at, &at, 10)));
	sled_buf_free(&out);
}

static bool
stop_at_once(void *ctx)
{
	(void)ctx;
	return true;
}

static void
one_that_is_stopped_has_a_moment_to_end(void **state)
{
	struct sled_program how = { .deadline_ms = LONG_MS,
		                    .stop = stop_at_once };
	struct sled_buf out = { 0 };
	struct sled_program_end end;
	struct sled_err err = { 0 };

	(void)state;
	assert_true(
	    run_alone("sleep 0.3; echo done", &how, &out, &end, &err));
	assert_string_equal(out.data, "done\n");
	assert_false(run_alone("exec sleep 1000", &how, &out, &end, &err));
	assert_int_equal(end.status, 128 + SIGTERM);
	sled_buf_free(&out);
}

static bool
refuse(void *ctx, struct sled_span in, struct sled_err *err)
{
	(void)ctx;
	(void)in;
	return sled_fail(err, SLED_ERR_IO, "no room");
}

static void
output_that_is_refused_ends_it(void **state)
{
	const char *const argv[] = { "yes", NULL };
	const struct sled_program program = { argv, LONG_MS, 0, refuse, NULL };
	struct sled_program_end end;
	struct sled_err err = { 0 };

	(void)state;
	assert_false(sled_program_run(&program, &end, &err));
	assert_string_equal(err.text, "no room");
	assert_int_equal(end.status, 128 + SIGKILL);
}

/* Its end of the pipe closes when it is gone. */
static void
it_ends_when_we_are_killed(void **state)
{
	const char *const argv[] = { "sh", "-c", "echo up >&3; exec sleep 1000",
		                     NULL };
	const struct sled_program program = { argv, LONG_MS, 0, NULL, NULL };
	int fds[2];
	char up[3];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		struct sled_program_end end;
		struct sled_err err = { 0 };

		(void)dup2(fds[1], 3);
		(void)!sled_program_run(&program, &end, &err);
		_exit(0);
	}
	(void)close(fds[1]);
	assert_int_equal(read(fds[0], up, 3), 3);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(read(fds[0], up, 1), 0);
	(void)close(fds[0]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_no_shell_s),
		cmocka_unit_test(status_signal_and_last_words_are_told),
		cmocka_unit_test(one_that_is_not_there_is_missing),
		cmocka_unit_test(too_late_and_too_silent_are_killed),
		cmocka_unit_test(output_that_is_refused_ends_it),
		cmocka_unit_test(it_ends_when_we_are_killed),
		cmocka_unit_test(input_and_environment_are_its_own),
		cmocka_unit_test(
		    what_it_leaves_in_the_background_is_not_waited_for),
		cmocka_unit_test(at_the_deadline_all_of_its_group_ends),
		cmocka_unit_test(one_that_is_stopped_has_a_moment_to_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
