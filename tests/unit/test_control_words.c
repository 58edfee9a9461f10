/* test_control_words.c - a request is a line of words, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/internal.h"
#include "fx_tmp.h"

static struct sled_span
span_of(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

static void
words_come_back_as_they_were(void **state)
{
	static const char *const in[] = {
		"event",   "",
		"-",       "a b",
		"100%",    "\x01\x7f\xff",
		"if=ppp0", "connection=Caf\xc3\xa9 1\n"
	};
	size_t len = sizeof(in) / sizeof(in[0]);
	struct sled_control_words words;
	struct sled_buf line = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(sled_control_words_write(&line, in, len, &err));
	assert_int_equal(line.data[line.len - 1], '\n');
	assert_null(memchr(line.data, '\n', line.len - 1));
	line.len--;
	assert_true(
	    sled_control_words_read(&words, sled_buf_span(&line), &err));
	assert_int_equal(words.len, len);
	for (size_t i = 0; i < len; i++)
		assert_string_equal(words.at[i], in[i]);
	assert_null(words.at[len]);
	sled_buf_free(&line);
}

static void
what_is_no_request_is_refused(void **state)
{
	static const char *const bad[] = { "",        " ",     "a ",   " a",
		                           "a  b",    "a\tb",  "%",    "a%4",
		                           "a %zz",   "a %00", "\x80", "a\r",
		                           "visit %2" };
	struct sled_control_words words;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sled_err err = { 0 };

		assert_false(
		    sled_control_words_read(&words, span_of(bad[i]), &err));
		assert_int_equal(err.kind, SLED_ERR_USAGE);
		assert_int_equal(words.len, 0);
		assert_null(words.at[0]);
	}
}

static void
as_much_as_fits_is_taken_and_no_more(void **state)
{
	char line[SLED_CONTROL_LINE + 1];
	struct sled_control_words words;
	struct sled_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(line); i++)
		line[i] = i % 2 == 0 ? 'a' : ' ';
	assert_true(sled_control_words_read(
	    &words, (struct sled_span){ line, SLED_CONTROL_WORDS * 2 - 1 },
	    &err));
	assert_int_equal(words.len, SLED_CONTROL_WORDS);
	assert_false(sled_control_words_read(
	    &words, (struct sled_span){ line, SLED_CONTROL_WORDS * 2 + 1 },
	    &err));
	memset(line, 'a', sizeof(line));
	assert_true(sled_control_words_read(
	    &words, (struct sled_span){ line, SLED_CONTROL_LINE }, &err));
	assert_int_equal(strlen(words.at[0]), SLED_CONTROL_LINE);
	assert_false(sled_control_words_read(
	    &words, (struct sled_span){ line, SLED_CONTROL_LINE + 1 }, &err));
	assert_int_equal(err.kind, SLED_ERR_USAGE);
}

static void
words_that_do_not_fit_are_not_written(void **state)
{
	const char *many[SLED_CONTROL_WORDS + 1];
	char text[SLED_CONTROL_LINE + 2];
	const char *one = text;
	struct sled_buf line = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	for (size_t i = 0; i <= SLED_CONTROL_WORDS; i++)
		many[i] = "a";
	assert_false(sled_control_words_write(&line, many, 0, &err));
	assert_false(sled_control_words_write(&line, many,
	                                      SLED_CONTROL_WORDS + 1, &err));
	assert_int_equal(err.kind, SLED_ERR_USAGE);
	memset(text, 'a', sizeof(text));
	text[SLED_CONTROL_LINE + 1] = '\0';
	assert_false(sled_control_words_write(&line, &one, 1, &err));
	assert_int_equal(err.kind, SLED_ERR_USAGE);
	line.len = 0;
	text[SLED_CONTROL_LINE] = '\0';
	assert_true(sled_control_words_write(&line, &one, 1, &err));
	sled_buf_free(&line);
}

/* ---- where the socket is ---- */

static void
a_short_state_holds_the_socket(void **state)
{
	struct sled_buf path = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(sled_control_path(&path, "/home/ada/mail/.mailsled", &err));
	assert_string_equal(path.data, "/home/ada/mail/.mailsled/control");
	sled_buf_free(&path);
}

static void
make_long(char *out, size_t room, const char *head)
{
	memset(out, 'x', room);
	memcpy(out, head, strlen(head));
	out[room - 1] = '\0';
}

static void
a_long_state_has_its_own_name_in_the_run_time_folder(void **state)
{
	char one[200], two[200];
	struct sled_buf a = { 0 }, again = { 0 }, b = { 0 };
	struct sled_err err = { 0 };
	struct fx_tmp tmp;

	(void)state;
	make_long(one, sizeof(one), "/nowhere/");
	make_long(two, sizeof(two), "/nowhere/2");
	fx_tmp_make(&tmp);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", tmp.path, 1), 0);
	assert_true(sled_control_path(&a, one, &err));
	assert_true(sled_control_path(&again, one, &err));
	assert_true(sled_control_path(&b, two, &err));
	assert_string_equal(a.data, again.data);
	assert_string_not_equal(a.data, b.data);
	/* Root's is in /run, whoever asks. */
	assert_memory_equal(a.data, geteuid() == 0 ? "/run" : tmp.path,
	                    geteuid() == 0 ? 4 : strlen(tmp.path));
	assert_true(a.len < 108);
	sled_buf_free(&a);
	sled_buf_free(&again);
	sled_buf_free(&b);
	(void)unsetenv("XDG_RUNTIME_DIR");
	fx_tmp_drop(&tmp);
}

/* Another user than root, who has no run-time folder. */
static int
try_homeless(void)
{
	char path[200];
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	make_long(path, sizeof(path), "/nowhere/");
	(void)unsetenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0 && setuid(65533) == -1)
		return 3;
	if (access("/run/user/65533", F_OK) == 0)
		return 0;
	return !sled_control_path(&out, path, &err) &&
	               err.kind == SLED_ERR_CONFIG && err.hint != NULL
	           ? 0
	           : 4;
}

static void
without_a_run_time_folder_it_is_said(void **state)
{
	pid_t child;
	int status = -1;

	(void)state;
	if (geteuid() != 0)
		skip();
	child = fork();
	assert_true(child != -1);
	if (child == 0)
		_exit(try_homeless());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_come_back_as_they_were),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(as_much_as_fits_is_taken_and_no_more),
		cmocka_unit_test(words_that_do_not_fit_are_not_written),
		cmocka_unit_test(a_short_state_holds_the_socket),
		cmocka_unit_test(
		    a_long_state_has_its_own_name_in_the_run_time_folder),
		cmocka_unit_test(without_a_run_time_folder_it_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
