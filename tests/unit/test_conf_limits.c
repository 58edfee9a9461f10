/* test_conf_limits.c - schedules and links under which no visit can come or go
 * well are refused, or warned of, with the reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_conf.h"
#include "mailsled/scheduler.h"

struct slip {
	const char *lines;
	const char *message; /* words that the error or a warning holds */
};

#define EACH(array) \
	for (size_t i = 0; i < sizeof(array) / sizeof((array)[0]); i++)

static void
refused(const char *section, const struct slip *slip)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "%s%s%s\n%s\n", FX_CONF_STORE,
	               FX_CONF_ACCOUNT, section, slip->lines);
	fx_conf_bad_about(text, slip->message, NULL);
}

/* The warnings about SECTION, joined by LF. */
static void
warnings_of(const char *section, const char *lines, char out[2048])
{
	struct sled_conf *conf;
	char text[512];

	(void)snprintf(text, sizeof(text), "%s%s%s\n%s\n", FX_CONF_STORE,
	               FX_CONF_ACCOUNT, section, lines);
	conf = fx_conf_good(text);
	out[0] = '\0';
	for (size_t i = 0; i < conf->warnings_len; i++) {
		size_t len = strlen(out);

		(void)snprintf(out + len, 2048 - len, "%s\n",
		               conf->warnings[i]);
	}
	sled_conf_free(&conf);
}

static void
warned(const char *section, const struct slip *slip)
{
	char text[2048];

	warnings_of(section, slip->lines, text);
	if (strstr(text, slip->message) == NULL)
		fail_msg("\"%s\" is not in: %s", slip->message, text);
}

static void
a_budget_that_holds_no_visit_is_refused(void **state)
{
	static const struct slip slips[] = {
		{ "budget = 7KiB/day", "8KiB is the least" },
		{ "budget = 9s/month", "10s is the least" },
		{ "budget = 0.10 USD/day\ncost = 0.48 USD/20s",
		  "f.ini:9: budget: one visit is billed 0.48 USD at least, "
		  "more than the day's budget: no visit could begin" },
		{ "budget = 0.02 USD/month\ncost = 5.00 USD/MiB",
		  "billed 0.028611 USD at least, more than the month's" },
		{ "budget = 10s/day\ncost = 0.48 USD/20s",
		  "billed 20 s at least" },
		{ "budget = 50s/day\ncost = 1 USD/min, min 1m",
		  "billed 60 s at least" },
		{ "budget = 40KiB/day\ncost = 1 USD/MiB, min 41KiB",
		  "billed 41984 bytes at least" },
		{ "budget = 60KiB/day\ncost = 0.10 USD/64KiB",
		  "billed 65536 bytes at least" },
		{ "budget = 25s/day\nup-command = dial\ndown-command = d",
		  "billed 26 s at least, its dialling included" },
		{ "budget = 30s/day\nup-command = dial\ndown-command = d\n"
		  "cost = 1 USD/20s",
		  "billed 40 s at least, its dialling included" },
		{ "budget = 20s/day\nrtt = 5s", "billed 25 s at least" },
	};

	(void)state;
	EACH(slips)
	refused("[link l]", &slips[i]);
}

/* The scheduler would never begin one, or the check would be too strict. */
static void
what_is_accepted_holds_one_visit(void **state)
{
	static const char *const lines[] = {
		"budget = 8KiB/day",
		"budget = 10s/day",
		"budget = 20s/day\ncost = 0.48 USD/20s",
		"budget = 0.48 USD/day\ncost = 0.48 USD/20s",
		"budget = 0.029 USD/day\ncost = 5.00 USD/MiB",
		"budget = 64KiB/day\ncost = 0.10 USD/64KiB",
		"budget = 26s/day\nup-command = dial\ndown-command = d",
		"budget = 40s/day\nup-command = dial\ndown-command = d\n"
		"cost = 1 USD/20s",
		"budget = 25s/day\nrtt = 5s",
	};
	const struct sled_scheduler_now now = { .ms = 1000,
		                                .wall = 1796601600 };
	struct sled_err err = { 0 };

	(void)state;
	EACH(lines)
	{
		struct sled_scheduler *s = NULL;
		struct sled_scheduler_decision what;
		struct sled_scheduler_link up = { .name = "l", .since_ms = 1 };
		struct sled_conf *conf;
		char text[512];

		(void)snprintf(text, sizeof(text), "%s%s[link l]\n%s\n",
		               FX_CONF_STORE, FX_CONF_ACCOUNT, lines[i]);
		conf = fx_conf_good(text);
		assert_true(sled_scheduler_new(&s, conf, 1, &now, &err));
		up.profile = &conf->links[0];
		if (up.profile->up_command == NULL)
			sled_scheduler_links(s, &up, 1, &now);
		sled_scheduler_step(s, &now, &what);
		if (what.what == SLED_SCHEDULER_NOTHING)
			fail_msg("never visited: %s", lines[i]);
		sled_scheduler_free(&s);
		sled_conf_free(&conf);
	}
}

static void
a_schedule_that_hardly_ever_visits_is_told(void **state)
{
	static const struct slip bad[] = {
		{ "windows = 06:00-06:00", "is no time of day" },
		{ "every = 1h\njitter = 2h", "jitter is longer than every" },
		{ "windows = Mon 06:00-06:10\nevery = 1h\njitter = 10m",
		  "jitter is as long as the longest window, 10 min" },
	};
	static const struct slip odd[] = {
		{ "windows = 06:00-06:10\nevery = 1h",
		  "one visit a window at most" },
		{ "on-link = no", "visits only when asked" },
		{ "jitter = 1m\non-link = yes", "has no effect" },
	};

	(void)state;
	EACH(bad)
	refused("[schedule]", &bad[i]);
	EACH(odd)
	warned("[schedule]", &odd[i]);
}

static void
a_link_that_carries_nothing_is_told(void **state)
{
	static const struct slip bad[] = {
		{ "window = 2s", "window: no visit fits in it" },
		{ "accounts = hmoe", "did you mean home?" },
		{ "accounts = boat", "there is no [account boat]" },
	};
	static const struct slip odd[] = {
		{ "window = 10s\nrtt = 2s", "below 6 round trips" },
		{ "up-command = dial", "the line stays open after a visit" },
		{ "down-command = hang", "only what was dialled here" },
		{ "budget = 1 USD/day", "USD without a cost" },
	};
	static const struct slip no = { "visit = no",
		                        "[account home] may pass on no [link]: "
		                        "it is never fetched unless asked" };
	static const struct slip brief = {
		"window = 30s\n[schedule]\nevery = 1h",
		"is up for 30 s at a time, visits are every 3600 s"
	};

	(void)state;
	EACH(bad)
	refused("[link l]", &bad[i]);
	EACH(odd)
	warned("[link l]", &odd[i]);
	warned("[link *]", &no);
	warned("[link l]", &brief);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_budget_that_holds_no_visit_is_refused),
		cmocka_unit_test(what_is_accepted_holds_one_visit),
		cmocka_unit_test(a_schedule_that_hardly_ever_visits_is_told),
		cmocka_unit_test(a_link_that_carries_nothing_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
