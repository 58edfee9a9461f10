/* The command line: words and options in any order, slips named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"

static const struct sled_cli_flag flags[] = {
	{ "to", "DIR", "" },
	{ "raw", NULL, "" },
	{ NULL, NULL, NULL },
};

static const struct sled_cli_command list = { .name = "list",
	                                      .args = "",
	                                      .args_max = SLED_CLI_MANY };
static const struct sled_cli_command export = { .name = "export",
	                                        .args = "ID",
	                                        .flags = flags,
	                                        .args_min = 1,
	                                        .args_max = 1 };
static const struct sled_cli_command *const table[] = { &list, &export, NULL };

/* WORDS separated by blanks, "mailsled" before them. */
static bool
parse(struct sled_cli *cli, const char *words, struct sled_err *err)
{
	static char text[256], name[] = "mailsled";
	static char *argv[16];
	int argc = 1;

	*cli = (struct sled_cli){ 0 };
	*err = (struct sled_err){ 0 };
	(void)snprintf(text, sizeof(text), "%s", words);
	argv[0] = name;
	for (char *at = strtok(text, " "); at != NULL; at = strtok(NULL, " "))
		argv[argc++] = at;
	argv[argc] = NULL;
	return sled_cli_parse(cli, table, argc, argv, err);
}

static void
options_stand_before_or_behind_the_command(void **state)
{
	static const char *const lines[] = {
		"-c x --json -q export --to d --raw 17",
		"export 17 --to=d --raw -cx -q --json",
		"-qcx export --json --raw --to d -- 17",
		"--config=x --quiet --json export --raw 17 --to d",
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct sled_cli cli;
		struct sled_err err;

		assert_true(parse(&cli, lines[i], &err));
		assert_ptr_equal(cli.command, &export);
		assert_string_equal(cli.file, "x");
		assert_true(cli.json && cli.quiet && !cli.verbose);
		assert_string_equal(sled_cli_flag(&cli, "to"), "d");
		assert_string_equal(sled_cli_flag(&cli, "raw"), "");
		assert_int_equal(cli.args_len, 1);
		assert_string_equal(cli.args[0], "17");
		free(cli.args);
	}
}

static void
a_mistake_is_told_as_json_where_that_is_asked_for_behind_it(void **state)
{
	static const char *const lines[] = {
		"export 17 --bogus --raw --json",
		"bogus 17 --json",
		"export -x --json",
	};
	struct sled_cli cli;
	struct sled_err err;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_false(parse(&cli, lines[i], &err));
		assert_true(cli.json);
		free(cli.args);
	}
	assert_false(parse(&cli, "export --bogus -- --json", &err));
	assert_false(cli.json);
	free(cli.args);
}

static void
what_is_behind_two_dashes_is_a_word(void **state)
{
	struct sled_cli cli;
	struct sled_err err;

	(void)state;
	assert_true(parse(&cli, "list -- --json -", &err));
	assert_false(cli.json);
	assert_int_equal(cli.args_len, 2);
	assert_string_equal(cli.args[0], "--json");
	assert_string_equal(cli.args[1], "-");
	free(cli.args);
}

static void
a_slip_is_refused_and_the_nearest_word_named(void **state)
{
	static const struct {
		const char *line, *told;
	} cases[] = {
		{ "lst", "lst: no such command; did you mean list?" },
		{ "fly", "fly: no such command" },
		{ "export --rwa 1",
		  "--rwa: no such option; did you mean --raw?" },
		{ "list --raw", "--raw: no such option" },
		{ "list --jsno",
		  "--jsno: no such option; did you mean --json?" },
		{ "list -x", "-x: no such option" },
		{ "export 1 --to", "--to: a value is missing behind it" },
		{ "export 1 --raw=2", "--raw=2: it takes no value" },
		{ "export 1 --to a --to b", "--to: given twice" },
		{ "list -c", "-c: a value is missing behind it" },
		{ "list -c a -c b", "-c: given twice" },
		{ "list -q -v", "-q: not together with -v" },
		{ "export", "export: something is missing behind it" },
		{ "export 1 2", "2: one word too many" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sled_cli cli;
		struct sled_err err;

		assert_false(parse(&cli, cases[i].line, &err));
		assert_int_equal(err.kind, SLED_ERR_USAGE);
		assert_string_equal(err.text, cases[i].told);
		assert_non_null(err.hint);
		free(cli.args);
	}
}

static void
help_is_reached_in_three_ways(void **state)
{
	static const char *const lines[] = { "help export", "export --help",
		                             "-h export" };
	struct sled_cli cli;
	struct sled_err err;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_true(parse(&cli, lines[i], &err));
		assert_true(cli.help);
		assert_ptr_equal(cli.command, &export);
		free(cli.args);
	}
	assert_true(parse(&cli, "help", &err));
	assert_true(cli.help && cli.command == NULL);
	free(cli.args);
	assert_true(parse(&cli, "", &err));
	assert_true(!cli.help && cli.command == NULL);
	free(cli.args);
}

static void
hostile_words_come_out_printable(void **state)
{
	struct sled_cli cli;
	struct sled_err err;

	(void)state;
	assert_false(parse(&cli, "\033[31m", &err));
	assert_string_equal(err.text, "\\x1b[31m: no such command");
	free(cli.args);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_stand_before_or_behind_the_command),
		cmocka_unit_test(what_is_behind_two_dashes_is_a_word),
		cmocka_unit_test(a_slip_is_refused_and_the_nearest_word_named),
		cmocka_unit_test(help_is_reached_in_three_ways),
		cmocka_unit_test(hostile_words_come_out_printable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
