/* test_conf_refuse.c - each mistake is named, with its line and what is near. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_conf.h"

struct slip {
	const char *line; /* the last line of the text */
	const char *message;
};

/* Each line added to START, which ends with a newline, is refused so. */
static void
check_slips(const char *start, const struct slip *slips, size_t count)
{
	unsigned line = 1;

	for (const char *at = start; *at != '\0'; at++)
		line += *at == '\n';
	for (size_t i = 0; i < count; i++) {
		char text[512], message[512];

		(void)snprintf(text, sizeof(text), "%s%s\n", start,
		               slips[i].line);
		(void)snprintf(message, sizeof(message), "f.ini:%u: %s", line,
		               slips[i].message);
		fx_conf_bad(text, message);
	}
}

#define CHECK_SLIPS(start, slips) \
	check_slips(start, slips, sizeof(slips) / sizeof((slips)[0]))

static void
an_unknown_key_comes_with_the_nearest_known_one(void **state)
{
	static const struct slip store[] = {
		{ "min-copys = 2",
		  "unknown key min-copys in [store]: did you mean min-copies?" },
		{ "Min_Copies = 2",
		  "unknown key Min_Copies in [store]: did you mean "
		  "min-copies?" },
		{ "colour = red", "unknown key colour in [store]: the nearest "
		                  "one known is copies" },
		{ "server = s",
		  "server belongs in [account NAME], not in [store]" },
		{ "\x1b = 1", "a control character (0x1b)" },
	};
	static const struct slip account[] = {
		{ "pasword-file = hunter2",
		  "unknown key pasword-file in [account NAME]: did you mean "
		  "password-file?" },
		{ "sever = s",
		  "unknown key sever in [account NAME]: did you mean server?" },
	};
	static const struct slip none[] = {
		{ "foo = 1", "foo stands before the first [section]" },
		{ "path = /a", "path stands before the first [section]" },
	};

	(void)state;
	CHECK_SLIPS("[store]\n", store);
	CHECK_SLIPS("[account a]\n", account);
	CHECK_SLIPS("", none);
}

static void
an_unknown_section_comes_with_the_nearest_known_one(void **state)
{
	static const struct slip slips[] = {
		{ "[sotre]", "unknown section [sotre]: did you mean [store]?" },
		{ "[Account x]",
		  "unknown section [Account]: did you mean [account]?" },
		{ "[general]", "unknown section [general]: there are [store], "
		               "[account NAME], [schedule] and [link NAME]" },
		{ "[]", "unknown section []: there are [store], "
		        "[account NAME], [schedule] and [link NAME]" },
		{ "[store x]", "[store] takes no name" },
		{ "[schedule x]", "[schedule] takes no name" },
		{ "[link]", "[link] needs a name, as in [link wwan0]" },
	};

	(void)state;
	CHECK_SLIPS("", slips);
}

static void
an_account_is_not_named_as_a_folder_of_the_store(void **state)
{
	static const char *const names[] = { "journal", "mailsled" };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char text[64], story[160];

		(void)snprintf(text, sizeof(text), "[account %s]\n", names[i]);
		(void)snprintf(story, sizeof(story),
		               "f.ini:1: \"%s\" cannot be an account: the "
		               "store has a folder of that name for itself",
		               names[i]);
		fx_conf_bad(text, story);
	}
}

static void
an_account_name_is_short_and_plain(void **state)
{
	static const char *const bad[] = {
		"",    "Home", "-a",       ".a",
		"a b", "a/b",  "\xc3\xa4", "abcdefghijklmnopqrstuvwxy"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[128], message[256];

		(void)snprintf(text, sizeof(text), "[account %s]\n", bad[i]);
		(void)snprintf(message, sizeof(message),
		               "f.ini:1: \"%s\" is no account name, as in "
		               "[account home]: at most 24 of a-z 0-9 . _ -, a "
		               "letter or digit first",
		               bad[i]);
		fx_conf_bad(text, message);
	}
}

static void
a_doubled_key_is_refused_with_both_lines(void **state)
{
	(void)state;
	fx_conf_bad("[store]\npath = /a\npath = /a\n",
	            "f.ini:3: path is doubled: line 2 has it already");
	fx_conf_bad("[link a]\nbudget = 1m/day\n[link b]\nbudget = 1m/day\n\n"
	            "budget = 2m/day\n",
	            "f.ini:6: budget is doubled: line 4 has it already");
}

static void
a_password_is_refused_and_never_shown(void **state)
{
	static const char *const keys[] = { "password", "passwd", "pass",
		                            "secret" };
	struct sled_err err = { 0 };
	struct sled_conf *conf = NULL;
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		(void)snprintf(text, sizeof(text), "[account a]\n%s = hunter2",
		               keys[i]);
		assert_false(sled_conf_parse(
		    &conf, (struct sled_span){ text, strlen(text) }, "f.ini",
		    &fx_conf_env, &err));
		assert_non_null(strstr(err.text, "f.ini:2: "));
		assert_non_null(strstr(err.text, "does not belong"));
		assert_null(strstr(err.text, "hunter2"));
		assert_string_equal(err.hint,
		                    "use password-command, password-file or "
		                    "credential");
	}
	fx_conf_bad_about("[account a]\npassword-file = hunter2\n",
	                  "f.ini:2: password-file: a relative path", "hunter2");
	fx_conf_bad_about("[account a]\ncredential = hunter2!\n",
	                  "f.ini:2: credential: not the name", "hunter2");
	fx_conf_bad_about("[account a]\nuser = u\nhunter2\n",
	                  "f.ini:3: neither", "hunter2");
	fx_conf_bad_about("[account a]\nfoo = hunter2\n", "f.ini:2: unknown",
	                  "hunter2");
}

static void
what_an_account_lacks_is_said_with_its_line(void **state)
{
	(void)state;
	fx_conf_bad("\n[account a]\nuser = u\npassword-file = /p\n",
	            "f.ini:2: [account a] lacks server, as in server = "
	            "pop.example.org");
	fx_conf_bad("[account a]\nserver = s\npassword-file = /p\n[link l]\n",
	            "f.ini:1: [account a] lacks user");
	fx_conf_bad("[account a]\nserver = s\nuser = u\n",
	            "f.ini:1: [account a] lacks password-command, "
	            "password-file or credential");
	fx_conf_bad(FX_CONF_ACCOUNT "\npassword-command = x\n",
	            "f.ini:6: more than one of password-command, password-file "
	            "and credential");
	fx_conf_bad("[store]\nmin-copies = 1\n",
	            "f.ini:1: [store] lacks path, as in path = ~/mail");
}

static void
more_copies_than_places_are_refused(void **state)
{
	(void)state;
	fx_conf_bad("[store]\npath = /a\n",
	            "f.ini:1: min-copies is 2 when it is not written, but "
	            "there is 1 place");
	fx_conf_bad("[store]\npath = /a\ncopies = /b\nmin-copies = 3\n",
	            "f.ini:4: min-copies is 3, but there are 2 places");
}

static void
two_places_that_are_one_are_refused(void **state)
{
	(void)state;
	fx_conf_bad("[store]\npath = /a\ncopies = /b, //a/\n",
	            "f.ini:3: /a is named twice: each copy needs its own "
	            "place");
	fx_conf_bad("[store]\npath = /a\ncopies = /b, /c/d, /c\n",
	            "f.ini:3: /c/d and /c lie one inside the other");
	fx_conf_bad("[store]\ncopies = /\npath = /a\n",
	            "f.ini:2: /a and / lie one inside the other");
	fx_conf_bad("[store]\npath = /a\ncopies = rclone:r:x, rclone:r:x\n",
	            "f.ini:3: r:x is named twice: each copy needs its own "
	            "place");
}

static void
one_maildrop_has_one_account(void **state)
{
	(void)state;
	fx_conf_bad(FX_CONF_STORE FX_CONF_ACCOUNT
	            "[account b]\nserver = S\nuser = u\nport = 995\n"
	            "credential = c\n",
	            "f.ini:8: [account b] is the maildrop of [account home], "
	            "line 4: one server and one user");
}

static void
values_of_a_store_are_checked(void **state)
{
	static const struct slip slips[] = {
		{ "path =", "path has no value" },
		{ "path = ; nothing", "path has no value" },
		{ "path = /a, /b", "path is one place: more of them go into "
		                   "copies, parted by commas" },
		{ "path = rclone:x:y",
		  "path: the first place is a folder of this machine; rclone: "
		  "goes into copies" },
		{ "copies = /b,,/c", "copies: a comma without a place" },
		{ "copies = /b,", "copies: a comma without a place" },
		{ "copies = rclone:x", "copies: a far place is "
		                       "rclone:REMOTE:PATH, as in "
		                       "rclone:box:mail" },
		{ "copies = rclone:-x:y", "copies: a far place is "
		                          "rclone:REMOTE:PATH, as in "
		                          "rclone:box:mail" },
		{ "far-bandwidth = 512KiB",
		  "far-bandwidth: \"512KiB\" is no rate: a whole number "
		  "with bit/s, kbit/s or Mbit/s, as in 512kbit/s" },
		{ "min-copies = 0",
		  "min-copies: \"0\" is no number of places" },
		{ "min-copies = two",
		  "min-copies: \"two\" is no number of places" },
		{ "distinct-devices = yse",
		  "distinct-devices: \"yse\": did you mean yes?" },
		{ "distinct-devices = maybe",
		  "distinct-devices: \"maybe\" is not known: write no or yes" },
		{ "rotate = mnoth", "rotate: \"mnoth\": did you mean month?" },
		{ "rotate = year",
		  "rotate: \"year\" is not known: write month" },
		{ "rotate = month, month", "rotate: month is doubled" },
		{ "rotate = 1MiB, 2MiB", "rotate: two sizes" },
		{ "rotate = 4GiB", "rotate: a volume is at most 3993MiB, so "
		                   "that any disk can hold it" },
		{ "rotate = 256MB",
		  "rotate: \"256MB\" is no size in KiB, MiB or GiB: did you "
		  "mean 256MiB?" },
		{ "rotate = 256",
		  "rotate: \"256\" is no size: a whole number above 0 with "
		  "KiB, MiB or GiB, as in 200KiB" },
		{ "rotate = 99999999999999999999KiB",
		  "rotate: \"99999999999999999999KiB\" is no size: a whole "
		  "number above 0 with KiB, MiB or GiB, as in 200KiB" },
	};

	(void)state;
	CHECK_SLIPS("[store]\n", slips);
}

static void
values_of_an_account_are_checked(void **state)
{
	static const char no_time[] = " is no time: a whole number above 0 "
				      "with s, m, h or d, as in 30m";
	static const struct slip slips[] = {
		{ "server = pops://x",
		  "server: a host name alone, without \"://\"" },
		{ "server = x:995", "server: a host name; the port has a key "
		                    "of its own" },
		{ "server = a@b", "server: a host name; the user has a key of "
		                  "its own" },
		{ "server = [::1]", "server: an IPv6 address is written "
		                    "without brackets" },
		{ "server = -x", "server: \"-x\" is no host name" },
		{ "server = x.", "server: \"x.\" is no host name" },
		{ "server = a..b", "server: \"a..b\" is no host name" },
		{ "server = a b",
		  "server: \"a b\" is no host name (a name with other letters "
		  "is written as xn--...)" },
		{ "port = 0", "port: \"0\" is no port: 1 to 65535" },
		{ "port = 65536", "port: \"65536\" is no port: 1 to 65535" },
		{ "port = pop3s", "port: \"pop3s\" is no port: 1 to 65535" },
		{ "tls = startls", "tls: \"startls\": did you mean starttls?" },
		{ "tls = no",
		  "tls: \"no\" is not known: write implicit or starttls" },
		{ "auth = cram", "auth: \"cram\" is not known: write auto, "
		                 "plain, login or user" },
		{ "delete = verifed",
		  "delete: \"verifed\": did you mean verified?" },
		{ "delete = yes", "delete: \"yes\" is not known: write "
		                  "verified, never or after 14d" },
		{ "delete = after14d",
		  "delete: \"after14d\": did you mean after 14d?" },
		{ "hold-larger = 0KiB",
		  "hold-larger: 0 would hold all mail: write none for no "
		  "limit, or a size" },
		{ "hold-larger = 200 kb",
		  "hold-larger: \"200 kb\" is no size in KiB, MiB or GiB: did "
		  "you mean 200KiB?" },
		{ "timeout = 2d", "timeout: a day is the most" },
		{ "credential = ../x",
		  "credential: not the name of a credential, as in systemd's "
		  "LoadCredential=NAME:FILE" },
		{ "ca-file = ../ca.pem",
		  "ca-file: a relative path: it would depend on where "
		  "mailsled was started; begin it with / or ~/" },
	};
	static const char *const times[] = { "120", "0s",      "s",
		                             "-1s", "2 hours", "1.5h" };

	(void)state;
	CHECK_SLIPS("[account a]\n", slips);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		char text[128], message[256];

		(void)snprintf(text, sizeof(text), "[account a]\ntimeout = %s",
		               times[i]);
		(void)snprintf(message, sizeof(message),
		               "f.ini:2: timeout: \"%s\"%s", times[i], no_time);
		fx_conf_bad(text, message);
		(void)snprintf(text, sizeof(text),
		               "[account a]\ndelete = after %s", times[i]);
		(void)snprintf(message, sizeof(message),
		               "f.ini:2: delete: \"%s\"%s", times[i], no_time);
		fx_conf_bad(text, message);
	}
}

static void
values_of_a_schedule_are_checked(void **state)
{
	static const char *const ranges[] = { "06:00",       "6:00-7:00",
		                              "06:00-06:00", "24:00-01:00",
		                              "06:00-24:01", "06:60-07:00",
		                              "06:00-00:00", "1-2-3" };
	static const struct slip slips[] = {
		{ "on-link = ja",
		  "on-link: \"ja\" is not known: write no or yes" },
		{ "windows = Mno 06:00-07:00",
		  "windows: \"Mno\": did you mean Mon?" },
		{ "windows = Mon-Tue-Wed 06:00-07:00",
		  "windows: \"Mon-Tue-Wed\" is no range of days" },
		{ "windows = Mon", "windows: the last days have no time" },
		{ "windows = 06:00-07:00,", "windows: a comma without a "
		                            "window" },
		{ "windows = Mon 06:00-07:00, 08:00-09:00",
		  "windows: \"08:00-09:00\": on which days? name them before "
		  "each time, or before none" },
	};

	(void)state;
	CHECK_SLIPS("[schedule]\n", slips);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		char text[128], message[256];

		(void)snprintf(text, sizeof(text), "[schedule]\nwindows = %s",
		               ranges[i]);
		(void)snprintf(message, sizeof(message),
		               "f.ini:2: windows: \"%s\" is no time of day, as "
		               "in 06:00-06:20 (00:00-24:00 is all day)",
		               ranges[i]);
		fx_conf_bad(text, message);
	}
}

static void
values_of_a_link_are_checked(void **state)
{
	static const char *const prices[] = {
		"5.00/MiB",          "5.00 USD",         "5. USD/MiB",
		"5 usd/MiB",         "5 USD/MB",         "5 USD/0KiB",
		"1.1234567 USD/KiB", "2000000000 USD/s", "5 USDX/MiB"
	};
	static const struct slip slips[] = {
		{ "budget = 5MiB",
		  "budget: \"5MiB\": a day or a month? as in 5MiB/day, 20 "
		  "USD/month" },
		{ "budget = 5MiB/dya", "budget: \"dya\": did you mean day?" },
		{ "budget = 5MB/day",
		  "budget: \"5MB\" is neither 5MiB (KiB, MiB, GiB) nor 30m (s, "
		  "m, h, d) nor 20 USD" },
		{ "budget = 0 USD/day", "budget: a budget of 0" },
		{ "budget = 1m/day, 2m/month, 2h/day",
		  "budget: doubled for one day" },
		{ "budget = 1 USD/day, 1 EUR/month",
		  "budget: EUR, but USD before: one currency a link" },
		{ "cost = 1 USD/KiB, 2 USD/MiB", "cost: two prices for bytes" },
		{ "cost = min 5KiB", "cost: min without a price" },
		{ "cost = 1 USD/s, min 5",
		  "cost: min takes a size or a time, as in min 5KiB" },
		{ "cost = 1 USD/s, min 5s, min 6s", "cost: min is doubled" },
	};

	(void)state;
	CHECK_SLIPS("[link l]\n", slips);
	for (size_t i = 0; i < sizeof(prices) / sizeof(prices[0]); i++) {
		char text[128], message[256];

		(void)snprintf(text, sizeof(text), "[link l]\ncost = %s",
		               prices[i]);
		(void)snprintf(message, sizeof(message),
		               "f.ini:2: cost: \"%s\" is no price, as in 5.00 "
		               "USD/MiB, 0.48 USD/20s, 1.44 USD/min, or min "
		               "5KiB",
		               prices[i]);
		fx_conf_bad(text, message);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    an_unknown_key_comes_with_the_nearest_known_one),
		cmocka_unit_test(
		    an_unknown_section_comes_with_the_nearest_known_one),
		cmocka_unit_test(an_account_name_is_short_and_plain),
		cmocka_unit_test(
		    an_account_is_not_named_as_a_folder_of_the_store),
		cmocka_unit_test(a_doubled_key_is_refused_with_both_lines),
		cmocka_unit_test(a_password_is_refused_and_never_shown),
		cmocka_unit_test(what_an_account_lacks_is_said_with_its_line),
		cmocka_unit_test(more_copies_than_places_are_refused),
		cmocka_unit_test(two_places_that_are_one_are_refused),
		cmocka_unit_test(one_maildrop_has_one_account),
		cmocka_unit_test(values_of_a_store_are_checked),
		cmocka_unit_test(values_of_an_account_are_checked),
		cmocka_unit_test(values_of_a_schedule_are_checked),
		cmocka_unit_test(values_of_a_link_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
