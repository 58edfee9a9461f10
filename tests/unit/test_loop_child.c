/* test_loop_child.c - a command's output, or the reason why not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mailsled/loop.h"

#define LONG_MS 60000

static void
refuses(const char *command, size_t max_bytes, uint64_t deadline_ms,
        const char *why)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	assert_false(
	    sled_child_capture(&out, command, max_bytes, deadline_ms, &err));
	assert_int_equal(err.kind, SLED_ERR_CONFIG);
	assert_non_null(strstr(err.text, why));
	assert_null(out.data);
	assert_int_equal(out.len, 0);
}

static void
prints(const char *command, size_t max_bytes, const char *want)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	assert_true(
	    sled_child_capture(&out, command, max_bytes, LONG_MS, &err));
	assert_int_equal(out.len, strlen(want));
	assert_string_equal(out.data, want); /* the NUL is there */
	sled_buf_wipe(&out);
}

static void
output_comes_as_it_is(void **state)
{
	(void)state;
	prints("echo 'a secret'; printf ' more'", SLED_CHILD_MAX,
	       "a secret\n more");
	prints("true", SLED_CHILD_MAX, "");
	prints("echo x >/dev/stdout", SLED_CHILD_MAX, "x\n");
}

static void
stdin_is_empty(void **state)
{
	(void)state;
	prints("cat; echo end", SLED_CHILD_MAX, "end\n");
}

static void
the_bound_is_exact(void **state)
{
	(void)state;
	prints("printf 12345", 5, "12345");
	refuses("printf 123456", 5, LONG_MS, "more than 5 bytes");
	refuses("yes", SLED_CHILD_MAX, LONG_MS, "more than 65536 bytes");
}

static void
the_status_is_named(void **state)
{
	(void)state;
	refuses("echo secret; exit 3", 64, LONG_MS, "exit status 3");
	refuses("no-such-command 2>/dev/null", 64, LONG_MS, "status 127");
	refuses("kill -TERM $$", 64, LONG_MS, "signal 15");
}

/* The pipe's other end lives in the command and what it started: its end of
 * file proves that all of them are dead. */
static void
the_deadline_kills_all_of_it(void **state)
{
	char byte;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	refuses("sleep 1000 & sleep 1000", 64, 20, "in time");
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	(void)close(ends[0]);
}

static void
output_held_open_is_not_waited_for_beyond_the_deadline(void **state)
{
	(void)state;
	refuses("sleep 1000 & echo done", 64, 20, "in time");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_comes_as_it_is),
		cmocka_unit_test(stdin_is_empty),
		cmocka_unit_test(the_bound_is_exact),
		cmocka_unit_test(the_status_is_named),
		cmocka_unit_test(the_deadline_kills_all_of_it),
		cmocka_unit_test(
		    output_held_open_is_not_waited_for_beyond_the_deadline),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
