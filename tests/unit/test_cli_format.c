/* Columns, sizes, times and dates as people read them. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"

static void
fits(const char *text, unsigned columns, bool pad, const char *expected)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	assert_true(sled_cli_fit(&out, text, columns, pad, &err));
	assert_string_equal(out.data == NULL ? "" : out.data, expected);
	if (pad)
		assert_int_equal(sled_cli_width(out.data), columns);
	sled_buf_free(&out);
}

static void
a_column_is_cut_or_filled_exactly(void **state)
{
	(void)state;
	fits("abc", 5, true, "abc  ");
	fits("abc", 5, false, "abc");
	fits("abcde", 5, true, "abcde");
	fits("abcdef", 5, true, "ab...");
	fits("abcdef", 2, true, "..");
	fits("", 3, true, "   ");
}

static void
wide_and_combining_characters_count_as_shown(void **state)
{
	(void)state;
	assert_int_equal(sled_cli_width("\xe6\x97\xa5\xe6\x9c\xac"), 4);
	assert_int_equal(sled_cli_width("e\xcc\x81"), 1);
	/* No half of a wide one: a blank fills its place. */
	fits("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5, true,
	     "\xe6\x97\xa5...");
	fits("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4, true, "... ");
	fits("\xc3\xa9t\xc3\xa9", 4, true, "\xc3\xa9t\xc3\xa9 ");
	/* A mark belongs to the letter before it, and takes no room. */
	assert_int_equal(sled_cli_fitting("e\xcc\x81t\xc3\xa9", 1), 3);
	assert_int_equal(sled_cli_fitting("\xe6\x97\xa5\xe6\x9c\xac", 3), 3);
	assert_int_equal(sled_cli_fitting("\xe6\x97\xa5", 1), 0);
	assert_int_equal(sled_cli_fitting("abc", 9), 3);
}

static void
sizes_and_spans_are_short(void **state)
{
	char out[SLED_CLI_WORD];

	(void)state;
	sled_cli_bytes(out, 999);
	assert_string_equal(out, "999 B");
	sled_cli_bytes(out, 4649);
	assert_string_equal(out, "4.6 kB");
	sled_cli_bytes(out, 151300000);
	assert_string_equal(out, "151 MB");
	sled_cli_bytes(out, UINT64_MAX);
	assert_string_equal(out, "18446 PB");
	sled_cli_span(out, 1540);
	assert_string_equal(out, "1.5 s");
	sled_cli_span(out, 125000);
	assert_string_equal(out, "2 min 5 s");
	sled_cli_span(out, 7 * 86400000LL);
	assert_string_equal(out, "7 days");
}

static void
dates_are_read_as_they_are_written(void **state)
{
	static const struct {
		const char *text;
		int64_t when;
	} cases[] = {
		{ "Thu, 22 Aug 2002 18:26:25 +0700", 1030015585 },
		{ " 22 Aug 2002 11:26:25 GMT", 1030015585 },
		{ "Thu, 22 Aug 02 07:26 EDT (a (b) comment)", 1030015560 },
		{ "Thu Aug, 22", -1 },
		{ "1 Jan 1970 00:00:00 +0000", 0 },
		{ "31 Dec 69 23:59:59 -0001", 59 },
		{ "29-Feb-2024 12:00:00 -0000", 1709208000 },
		{ "30 Feb 2024 12:00:00 +0000", -1 },
		{ "22 Aug 2002", -1 },
		{ "22 Aug 2002 24:00:00 +0000", -1 },
		{ "22 Aug 2002 11:26:25 +99", -1 },
		{ "22 Aug 2002 11:26:25 +0060", -1 },
		{ "", -1 },
		{ "\xff\xfe", -1 },
		{ "((((((((", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = cases[i].text;
		int64_t when = -1;
		bool ok = sled_cli_date_parse(
		    (struct sled_span){ text, strlen(text) }, &when);

		assert_int_equal(ok, cases[i].when != -1);
		assert_int_equal(when, cases[i].when);
	}
}

static void
a_cut_date_is_never_read_beyond_its_end(void **state)
{
	static const char text[] = "Thu, 22 Aug 2002 18:26:25 +0700 (x)";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		char *exact = malloc(len == 0 ? 1 : len);
		int64_t when;

		assert_non_null(exact);
		memcpy(exact, text, len);
		(void)sled_cli_date_parse((struct sled_span){ exact, len },
		                          &when);
		free(exact);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_column_is_cut_or_filled_exactly),
		cmocka_unit_test(wide_and_combining_characters_count_as_shown),
		cmocka_unit_test(sizes_and_spans_are_short),
		cmocka_unit_test(dates_are_read_as_they_are_written),
		cmocka_unit_test(a_cut_date_is_never_read_beyond_its_end),
	};

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
