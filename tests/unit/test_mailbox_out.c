/* LF lines and mboxrd quoting, the input cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/export.h"

static const struct {
	bool quote;
	const char *in, *out;
} cases[] = {
	{ false, "a\r\nb\r\n", "a\nb\n" },
	{ false, "From x\r\n\r\n", "From x\n\n" },
	{ false, "a\rb\r\r\nc\nd\r", "a\rb\r\nc\nd\r" },
	{ false, "no end", "no end" },
	{ false, "", "" },
	{ true, "From x\r\n", ">From x\n" },
	{ true, "a\r\nFrom \r\n", "a\n>From \n" },
	{ true, ">From x\r\n>>From y\r\n", ">>From x\n>>>From y\n" },
	{ true, "Fro\r\nFrom\r\nFrom:\r\n from \r\n",
	  "Fro\nFrom\nFrom:\n from \n" },
	{ true, "x From y\r\n>\r\n>> quoted\r\n", "x From y\n>\n>> quoted\n" },
	{ true, ">Fr\r", ">Fr\r\n" },
	{ true, "no end", "no end\n" },
	{ true, "", "" },
};

static void
convert(bool quote, const char *in, size_t len, size_t cut,
        struct sled_buf *out)
{
	struct sled_mailbox_lines lines;
	struct sled_err err = { 0 };

	sled_mailbox_lines_begin(&lines, quote);
	assert_true(sled_mailbox_lines_add(&lines, (struct sled_span){ in, cut },
	                               out, &err));
	assert_true(sled_mailbox_lines_add(
	    &lines, (struct sled_span){ in + cut, len - cut }, out, &err));
	assert_true(sled_mailbox_lines_end(&lines, out, &err));
}

static void
every_cut_gives_the_same_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].in);

		for (size_t cut = 0; cut <= len; cut++) {
			struct sled_buf out = { 0 };

			convert(cases[i].quote, cases[i].in, len, cut, &out);
			assert_string_equal(out.data == NULL ? "" : out.data,
			                    cases[i].out);
			sled_buf_free(&out);
		}
	}
}

static void
many_angles_keep_their_number(void **state)
{
	char in[1000];
	struct sled_buf out = { 0 };

	(void)state;
	memset(in, '>', sizeof(in));
	memcpy(in + 900, "From x", 6);
	convert(true, in, 906, 450, &out);
	assert_int_equal(out.len, 901 + 6 + 1);
	assert_memory_equal(out.data + 901, "From x\n", 7);
	sled_buf_free(&out);
}

static void
a_name_never_leads_out_of_the_folder(void **state)
{
	static const char *const bad[] = { "",     "/a",   "..",  "a/../b",
		                           "a//b", "a/./", "./a", "a/" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sled_cli_path_is_inside(bad[i]));
	assert_true(sled_cli_path_is_inside("home/2026/11/a..b.eml"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_gives_the_same_lines),
		cmocka_unit_test(many_angles_keep_their_number),
		cmocka_unit_test(a_name_never_leads_out_of_the_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
