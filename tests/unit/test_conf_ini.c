/* test_conf_ini.c - no line that the INI library would damage gets past. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_conf.h"

/* A path of LEN bytes, one folder. */
static void
long_path(char *out, size_t len)
{
	memset(out, 'x', len);
	out[0] = '/';
	out[len] = '\0';
}

static void
an_indented_line_is_not_more_of_the_line_before(void **state)
{
	static const char words[] = "an indented line: it would be taken as "
				    "more of the line before; begin it in the "
				    "first column";
	char message[256];

	(void)state;
	(void)snprintf(message, sizeof(message), "f.ini:3: %s", words);
	fx_conf_bad("[store]\npath = /a\n  copies = /b\n", message);
	fx_conf_bad("[store]\npath = /a\n\t[account home]\n", message);
	fx_conf_bad("[store]\npath = /a\n /and/more\n", message);
	(void)snprintf(message, sizeof(message), "f.ini:2: %s", words);
	fx_conf_bad("[store]\n path = /a\n", message);
}

static void
an_indented_comment_and_a_blank_line_do_no_harm(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good("[store]\npath = /a\n   ; copies = /x\n \t \n"
	                 "\t# more\n\ncopies = /b\n" FX_CONF_ACCOUNT);

	(void)state;
	assert_string_equal(conf->store.path, "/a");
	assert_int_equal(conf->store.copies_len, 1);
	assert_int_equal(conf->accounts[0].line, 8);
	sled_conf_free(&conf);
}

static void
a_command_is_never_cut_at_a_semicolon(void **state)
{
	static const char *const commands[] = { "a ;b", "a ; b", "a\t;b",
		                                "sh -c 'a  ; b'",
		                                "sh -c \"a  ; b\"" };
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		(void)snprintf(text, sizeof(text),
		               FX_CONF_STORE "[account h]\nserver = s\n"
		                             "user = u\npassword-command = %s"
		                             "\n",
		               commands[i]);
		fx_conf_bad_about(text, "f.ini:7: would be cut at \" ;\"",
		                  commands[i]);
	}
	fx_conf_bad_about(FX_CONF_STORE "[link l]\nup-command = a ; b\n",
	                  "f.ini:5: would be cut", NULL);
	fx_conf_bad_about(FX_CONF_STORE "[link l]\ndown-command = a ; b\n",
	                  "f.ini:5: would be cut", NULL);
}

static void
a_command_keeps_semicolons_and_loses_its_comment(void **state)
{
	struct sled_conf *conf = fx_conf_good(
	    FX_CONF_STORE "[account h]\nserver = s\nuser = u\n"
			  "password-command = cd /x; cat 'p #q'  ; it's ; so\n"
			  "[link l]\nup-command = a;b\t\t; dial\n");

	(void)state;
	assert_string_equal(conf->accounts[0].password_command,
	                    "cd /x; cat 'p #q'");
	assert_string_equal(conf->links[0].up_command, "a;b");
	sled_conf_free(&conf);
}

static void
a_comment_ends_any_other_value(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good("[store] ; one\npath = /a;b ;c\ncopies=/c\t; d = e\n"
	                 "[account home]   # two\nserver = s\nuser = u\n"
	                 "password-file = /p\n");

	(void)state;
	assert_string_equal(conf->store.path, "/a;b");
	assert_string_equal(conf->store.copies[0].where, "/c");
	sled_conf_free(&conf);
}

static void
a_hash_behind_a_value_is_not_taken_for_a_part_of_it(void **state)
{
	(void)state;
	fx_conf_bad("[store]\npath = /a # the disk\n",
	            "f.ini:2: path: a comment behind a value begins with "
	            "\";\", not with \"#\"");
}

static void
a_line_is_whole_up_to_its_limit_and_refused_above(void **state)
{
	char path[256], text[512];
	struct sled_conf *conf;

	(void)state;
	long_path(path, SLED_CONF_LINE_MAX - 7);
	(void)snprintf(text, sizeof(text),
	               "[store]\r\ncopies=/b\r\npath = %s\r\n", path);
	conf = fx_conf_good(text);
	assert_string_equal(conf->store.path, path);
	sled_conf_free(&conf);

	for (size_t more = 1; more < 20; more++) {
		char message[128];

		long_path(path, SLED_CONF_LINE_MAX - 7 + more);
		(void)snprintf(text, sizeof(text),
		               "[store]\ncopies=/b\npath = %s\n", path);
		(void)snprintf(message, sizeof(message),
		               "f.ini:3: a line of %zu bytes; 197 are the most",
		               SLED_CONF_LINE_MAX + more);
		fx_conf_bad(text, message);
	}
}

static void
a_comment_may_be_as_long_as_it_likes(void **state)
{
	char text[2048] = "[store]\npath = /a\ncopies = /b\n; ";
	size_t len = strlen(text);
	struct sled_conf *conf;

	(void)state;
	memset(text + len, 'x', 1500);
	(void)snprintf(text + len + 1500, sizeof(text) - len - 1500,
	               " path = /evil\n[account home]\nserver = s\nuser = u\n"
	               "password-file = /p\n");
	conf = fx_conf_good(text);
	assert_int_equal(conf->accounts[0].line, 5);
	sled_conf_free(&conf);
}

static void
names_that_would_be_cut_are_refused(void **state)
{
	char name[64], text[256];

	(void)state;
	memset(name, 'k', sizeof(name));
	name[50] = '\0';
	(void)snprintf(text, sizeof(text), "[store]\n%s = 1\n", name);
	fx_conf_bad(text, "f.ini:2: a key of 50 bytes; none has over 49");
	memcpy(name, "link ", 5);
	(void)snprintf(text, sizeof(text), FX_CONF_STORE "[%s]\n", name);
	fx_conf_bad(text, "f.ini:4: a section of 50 bytes; 49 are the most");
	name[49] = '\0';
	(void)snprintf(text, sizeof(text), FX_CONF_STORE "[%s]\n", name);
	{
		struct sled_conf *conf = fx_conf_good(text);

		assert_string_equal(conf->links[0].name, name + 5);
		sled_conf_free(&conf);
	}
}

static void
sections_of_one_name_are_not_merged(void **state)
{
	(void)state;
	fx_conf_bad(FX_CONF_STORE "[store]\nmin-copies = 1\n",
	            "f.ini:4: [store] is doubled: it began on line 1 already");
	fx_conf_bad(FX_CONF_STORE FX_CONF_ACCOUNT "[account  home ]\n",
	            "f.ini:8: [account home] is doubled: it began on line 4 "
	            "already");
	fx_conf_bad("[schedule]\n[link a]\n[schedule]\n",
	            "f.ini:3: [schedule] is doubled: it began on line 1 "
	            "already");
	fx_conf_bad("[link a]\n[link b]\n[link a]\n",
	            "f.ini:3: [link a] is doubled: it began on line 1 already");
}

static void
what_the_library_would_drop_or_bend_is_refused(void **state)
{
	(void)state;
	fx_conf_bad("[store] path = /a\n",
	            "f.ini:1: text after \"]\": begin a new line");
	fx_conf_bad("[store\npath = /a\n",
	            "f.ini:1: a section without its \"]\"");
	fx_conf_bad("[link a ;b]\n", "f.ini:1: a comment inside [section]");
	fx_conf_bad("[store]\npath : /a\n",
	            "f.ini:2: neither [section] nor key = value");
	fx_conf_bad("[store]\npath : = /a\n",
	            "f.ini:2: a key is followed by \"=\", as in key = value");
	fx_conf_bad("[store]\npath ;= /a\n",
	            "f.ini:2: a key is followed by \"=\", as in key = value");
	fx_conf_bad("[store]\n= /a\n", "f.ini:2: no key before \"=\"");
	fx_conf_bad("[store]\npath\n",
	            "f.ini:2: neither [section] nor key = value");
}

static void
a_mark_and_crlf_and_no_last_line_end_are_accepted(void **state)
{
	struct sled_conf *conf =
	    fx_conf_good("\xef\xbb\xbf[store]\r\npath = /a\r\ncopies = /b\r\n\r"
	                 "\n[account home]\r\nserver = s\r\nuser = u\r\n"
	                 "password-file = /p");

	(void)state;
	assert_string_equal(conf->store.path, "/a");
	assert_string_equal(conf->accounts[0].name, "home");
	assert_string_equal(conf->accounts[0].password_file, "/p");
	sled_conf_free(&conf);
}

static void
bytes_that_are_no_text_are_refused(void **state)
{
	static const char nul[] = "[store]\npath = /a\0b\n";
	static const char utf16[] = "\xff\xfe[\0s\0";

	(void)state;
	fx_conf_bad_span((struct sled_span){ nul, sizeof(nul) - 1 },
	                 "f.ini:2: a NUL byte: save the file as plain UTF-8 "
	                 "text");
	fx_conf_bad_span((struct sled_span){ utf16, sizeof(utf16) - 1 },
	                 "f.ini: UTF-16: save the file as UTF-8");
	fx_conf_bad("[store]\rpath = /a\r",
	            "f.ini:1: a carriage return inside a line: lines end in LF "
	            "or CRLF");
	fx_conf_bad("[store]\n; \x1b[2J\n",
	            "f.ini:2: a control character (0x1b)");
}

static void
a_file_too_large_is_refused_and_an_empty_one_lacks_a_store(void **state)
{
	static char text[SLED_CONF_MAX + 1];

	(void)state;
	memset(text, '\n', sizeof(text));
	fx_conf_bad_span((struct sled_span){ text, sizeof(text) },
	                 "f.ini: 262145 bytes; 262144 are the most");
	fx_conf_bad_span((struct sled_span){ text, sizeof(text) - 1 },
	                 "f.ini: no [store] section: say where the mail goes, "
	                 "as in path = ~/mail");
	fx_conf_bad("", "f.ini: no [store] section: say where the mail goes, "
	                "as in path = ~/mail");
	fx_conf_bad_span((struct sled_span){ NULL, 0 },
	                 "f.ini: no [store] section: say where the mail goes, "
	                 "as in path = ~/mail");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    an_indented_line_is_not_more_of_the_line_before),
		cmocka_unit_test(
		    an_indented_comment_and_a_blank_line_do_no_harm),
		cmocka_unit_test(a_command_is_never_cut_at_a_semicolon),
		cmocka_unit_test(
		    a_command_keeps_semicolons_and_loses_its_comment),
		cmocka_unit_test(a_comment_ends_any_other_value),
		cmocka_unit_test(
		    a_hash_behind_a_value_is_not_taken_for_a_part_of_it),
		cmocka_unit_test(
		    a_line_is_whole_up_to_its_limit_and_refused_above),
		cmocka_unit_test(a_comment_may_be_as_long_as_it_likes),
		cmocka_unit_test(names_that_would_be_cut_are_refused),
		cmocka_unit_test(sections_of_one_name_are_not_merged),
		cmocka_unit_test(
		    what_the_library_would_drop_or_bend_is_refused),
		cmocka_unit_test(
		    a_mark_and_crlf_and_no_last_line_end_are_accepted),
		cmocka_unit_test(bytes_that_are_no_text_are_refused),
		cmocka_unit_test(
		    a_file_too_large_is_refused_and_an_empty_one_lacks_a_store),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
