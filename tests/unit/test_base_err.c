/* test_base_err.c - an error tells its whole story, and one exit status. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/err.h"

static void
test_the_story_is_told_outwards(void **state)
{
	struct sled_err err = { 0 };

	(void)state;
	assert_false(sled_fail_sys(&err, ENOSPC, "write %s", "a.tar.gz"));
	assert_false(sled_note(&err, "archive %d-%d", 2026, 11));
	assert_false(sled_note(&err, "fetch home"));
	assert_string_equal(err.text,
	                    "fetch home: archive 2026-11: write a.tar.gz: "
	                    "No space left on device");
	assert_int_equal(err.kind, SLED_ERR_PLACE);
	assert_int_equal(err.sys, ENOSPC);
	assert_non_null(strstr(err.where, "test_base_err.c:"));
	assert_null(err.hint);
	assert_false(sled_hint(&err, "make room"));
	assert_string_equal(err.hint, "make room");
	assert_false(sled_fail(&err, SLED_ERR_PROTO, "bad line"));
	assert_string_equal(err.text, "bad line");
	assert_int_equal(err.sys, 0);
	assert_null(err.hint);
}

static void
test_a_full_text_loses_notes_and_keeps_the_cause(void **state)
{
	struct sled_err err = { 0 };
	char note[101];

	(void)state;
	memset(note, 'n', sizeof(note) - 1);
	note[sizeof(note) - 1] = '\0';
	(void)sled_fail(&err, SLED_ERR_IO, "root cause");
	for (unsigned i = 0; i < 20; i++)
		assert_false(sled_note(&err, "%s", note));
	assert_true(strlen(err.text) < sizeof(err.text));
	assert_true(strlen(err.text) > 400);
	assert_string_equal(err.text + strlen(err.text) - 10, "root cause");
}

static void
test_a_cause_too_long_is_cut_not_overrun(void **state)
{
	struct {
		struct sled_err err;
		char guard[16];
	} box = { 0 };

	char text[2000];

	(void)state;
	memset(text, 't', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)sled_fail_sys(&box.err, EIO, "%s", text);
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
	assert_false(sled_note(&box.err, "%s", text));
	assert_false(sled_note(&box.err, "x"));
	assert_int_equal(strlen(box.err.text), sizeof(box.err.text) - 1);
	for (size_t i = 0; i < sizeof(box.guard); i++)
		assert_int_equal(box.guard[i], 0);
}

static void
test_each_kind_has_its_sysexits_status(void **state)
{
	static const int status[] = {
		[SLED_ERR_NONE] = 0,      [SLED_ERR_USAGE] = 64,
		[SLED_ERR_DAMAGED] = 65,  [SLED_ERR_MISSING] = 66,
		[SLED_ERR_HOST] = 68,     [SLED_ERR_SERVER] = 69,
		[SLED_ERR_INTERNAL] = 70, [SLED_ERR_NOMEM] = 71,
		[SLED_ERR_PLACE] = 73,    [SLED_ERR_IO] = 74,
		[SLED_ERR_LINK] = 75,     [SLED_ERR_PROTO] = 76,
		[SLED_ERR_LOGIN] = 77,    [SLED_ERR_CONFIG] = 78,
	};

	(void)state;
	for (int kind = SLED_ERR_NONE; kind <= (int)SLED_ERR_CONFIG; kind++)
		assert_int_equal(sled_err_exit((enum sled_err_kind)kind),
		                 status[kind]);
}

static void
test_the_worse_of_two_is_the_first_in_the_contract(void **state)
{
	static const int order[] = { 65, 74, 73, 77, 76, 78, 69, 68, 75 };
	size_t seen = 0;

	(void)state;
	for (int a = SLED_ERR_NONE; a <= (int)SLED_ERR_CONFIG; a++)
		for (int b = SLED_ERR_NONE; b <= (int)SLED_ERR_CONFIG; b++) {
			enum sled_err_kind worse = sled_err_worse(
			    (enum sled_err_kind)a, (enum sled_err_kind)b);
			int exit_a = sled_err_exit((enum sled_err_kind)a);
			int exit_b = sled_err_exit((enum sled_err_kind)b);

			assert_true((int)worse == a || (int)worse == b);
			if (a != SLED_ERR_NONE || b != SLED_ERR_NONE)
				assert_true(worse != SLED_ERR_NONE);
			for (size_t i = 0; i < sizeof(order) / sizeof(int); i++)
				if (order[i] == exit_a || order[i] == exit_b) {
					assert_int_equal(sled_err_exit(worse),
					                 order[i]);
					seen++;
					break;
				}
		}
	assert_true(seen > 150);
}

static void
test_errno_decides_the_kind(void **state)
{
	static const struct {
		int sys;
		enum sled_err_kind kind;
	} cases[] = {
		{ ENOMEM, SLED_ERR_NOMEM },
		{ ENOSPC, SLED_ERR_PLACE },
		{ EDQUOT, SLED_ERR_PLACE },
		{ EFBIG, SLED_ERR_PLACE },
		{ EROFS, SLED_ERR_PLACE },
		{ EACCES, SLED_ERR_PLACE },
		{ EIO, SLED_ERR_IO },
		{ EBADF, SLED_ERR_IO },
		{ ECONNREFUSED, SLED_ERR_SERVER },
		{ ECONNRESET, SLED_ERR_LINK },
		{ ETIMEDOUT, SLED_ERR_LINK },
		{ ENETUNREACH, SLED_ERR_LINK },
		{ EHOSTUNREACH, SLED_ERR_LINK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sled_err_kind_of(cases[i].sys), cases[i].kind);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_story_is_told_outwards),
		cmocka_unit_test(
		    test_a_full_text_loses_notes_and_keeps_the_cause),
		cmocka_unit_test(test_a_cause_too_long_is_cut_not_overrun),
		cmocka_unit_test(test_each_kind_has_its_sysexits_status),
		cmocka_unit_test(
		    test_the_worse_of_two_is_the_first_in_the_contract),
		cmocka_unit_test(test_errno_decides_the_kind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
