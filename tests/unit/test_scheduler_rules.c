/* test_scheduler_rules.c - each rule of when a visit happens, alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fx_conf.h"
#include "mailsled/scheduler.h"

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)
/* 2026-12-07T00:00:00Z, a Monday. */
#define MONDAY INT64_C(1796601600)

struct world {
	struct sled_conf *conf;
	struct sled_scheduler *s;
	struct sled_scheduler_now now;
	struct sled_scheduler_decision last;
};

static const char two[] = FX_CONF_STORE FX_CONF_ACCOUNT
    "[account work]\nserver = s\nuser = w\npassword-file = /p\n";

static void
begin(struct world *w, const char *text)
{
	struct sled_err err = { 0 };
	char whole[4096];

	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	tzset();
	(void)snprintf(whole, sizeof(whole), "%s%s", two, text);
	*w = (struct world){ .now = { .ms = 1000000, .wall = MONDAY } };
	w->conf = fx_conf_good(whole);
	assert_true(sled_scheduler_new(&w->s, w->conf, 7, &w->now, &err));
}

static void
end(struct world *w)
{
	sled_scheduler_free(&w->s);
	sled_conf_free(&w->conf);
}

static void
pass(struct world *w, int64_t ms)
{
	w->now.ms += ms;
	w->now.wall += ms / 1000;
}

/* Links that are up, by name; each has been so for ever, CHANGES times. */
static void
links(struct world *w, const char *names, int64_t since_ms, uint64_t changes)
{
	struct sled_scheduler_link up[4];
	char text[64], *rest = text, *name;
	size_t len = 0;

	(void)snprintf(text, sizeof(text), "%s", names);
	while ((name = strsep(&rest, " ")) != NULL) {
		if (name[0] == '\0')
			continue;
		up[len] = (struct sled_scheduler_link){ .since_ms = since_ms,
			                                .changes = changes };
		(void)snprintf(up[len].name, sizeof(up[len].name), "%s", name);
		for (size_t i = 0; i < w->conf->links_len; i++)
			if (strcmp(w->conf->links[i].name, name) == 0)
				up[len].profile = &w->conf->links[i];
		len++;
	}
	sled_scheduler_links(w->s, up, len, &w->now);
}

static enum sled_scheduler_do
step(struct world *w)
{
	sled_scheduler_step(w->s, &w->now, &w->last);
	return w->last.what;
}

static void
finish(struct world *w, enum sled_scheduler_outcome outcome, bool portal)
{
	const struct sled_used used = { 0 };

	for (size_t i = 0; i < w->last.accounts_len; i++)
		sled_scheduler_visited(w->s, w->last.accounts[i], outcome, 0,
		                       &w->now);
	sled_scheduler_round_over(w->s, portal, &used, &w->now);
}

static void
visit_well(struct world *w)
{
	assert_int_equal(step(w), SLED_SCHEDULER_VISIT);
	finish(w, SLED_SCHEDULER_GOOD, false);
}

static int64_t
next_ms(struct world *w)
{
	struct sled_scheduler_next next;

	sled_scheduler_next(w->s, &w->now, &next);
	assert_true(next.wake_ms > 0 && next.wake_ms <= HOUR);
	return next.visit ? next.in_ms : -1;
}

static void
every_counts_from_the_start_of_a_visit(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 30m\njitter = 0s\n");
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.accounts_len, 2);
	pass(&w, 10 * MINUTE);
	finish(&w, SLED_SCHEDULER_GOOD, false);
	assert_int_equal(next_ms(&w), 20 * MINUTE);
	pass(&w, 20 * MINUTE - 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

static void
jitter_comes_later_and_is_the_seeds(void **state)
{
	struct world w;
	int64_t first, at;

	(void)state;
	begin(&w, "[schedule]\nevery = 30m\njitter = 10m\n");
	links(&w, "eth0", 1, 1);
	visit_well(&w);
	first = next_ms(&w);
	assert_in_range(first, 30 * MINUTE, 40 * MINUTE);
	pass(&w, first);
	visit_well(&w);
	at = next_ms(&w);
	assert_in_range(at, 30 * MINUTE, 40 * MINUTE);
	assert_int_not_equal(at, first);
	end(&w);
	begin(&w, "[schedule]\nevery = 30m\njitter = 10m\n");
	links(&w, "eth0", 1, 1);
	visit_well(&w);
	assert_int_equal(next_ms(&w), first);
	end(&w);
}

static void
a_window_is_used_when_it_opens_and_once(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nwindows = Mon 06:00-06:20\n");
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	assert_int_equal(next_ms(&w), 6 * HOUR);
	pass(&w, 6 * HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.window_ms, 20 * MINUTE);
	pass(&w, MINUTE);
	finish(&w, SLED_SCHEDULER_GOOD, false);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	assert_int_equal(next_ms(&w), 7 * 24 * HOUR - MINUTE);
	end(&w);
}

static void
every_waits_for_the_window(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 15m\njitter = 0s\n"
	          "windows = Mon,Tue 06:00-06:20\n");
	links(&w, "eth0", 1, 1);
	pass(&w, 6 * HOUR);
	visit_well(&w);
	pass(&w, 15 * MINUTE);
	visit_well(&w);
	pass(&w, 6 * MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	assert_int_equal(next_ms(&w), 24 * HOUR - 21 * MINUTE);
	end(&w);
}

static void
a_window_that_is_open_after_a_sleep_is_used_at_once(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nwindows = Mon 06:00-06:20\n");
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, 6 * HOUR + 19 * MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.window_ms, MINUTE);
	end(&w);
}

static void
the_clock_may_be_set_either_way(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nwindows = Mon 06:00-06:20\n");
	links(&w, "eth0", 1, 1);
	w.now.wall += 6 * 3600;
	visit_well(&w);
	w.now.wall -= 3600;
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	assert_int_equal(next_ms(&w), HOUR);
	end(&w);
}

static void
on_link_visits_when_a_link_comes_up_and_not_by_time(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\non-link = yes\n");
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	assert_int_equal(next_ms(&w), -1);
	links(&w, "eth0", w.now.ms, 1);
	visit_well(&w);
	pass(&w, 24 * HOUR);
	links(&w, "eth0", 1000000, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	links(&w, "", 0, 0);
	links(&w, "eth0", w.now.ms, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

static void
a_broken_account_backs_off_alone(void **state)
{
	struct world w;
	const struct sled_used used = { 0 };
	int64_t wait = MINUTE;

	(void)state;
	begin(&w, "[schedule]\nevery = 10m\njitter = 0s\n");
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	sled_scheduler_visited(w.s, 0, SLED_SCHEDULER_FAILED, 0, &w.now);
	sled_scheduler_visited(w.s, 1, SLED_SCHEDULER_GOOD, 0, &w.now);
	sled_scheduler_round_over(w.s, false, &used, &w.now);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
		assert_int_equal(next_ms(&w), wait);
		pass(&w, wait);
		assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
		assert_int_equal(w.last.accounts_len, 1);
		assert_int_equal(w.last.accounts[0], 0);
		finish(&w, SLED_SCHEDULER_FAILED, false);
		wait *= 2;
	}
	/* 7 minutes are over: the good one is due in 3, the bad one in 8. */
	assert_int_equal(next_ms(&w), 3 * MINUTE);
	end(&w);
}

static void
a_link_that_comes_up_ends_the_wait_but_not_a_refused_logins(void **state)
{
	struct world w;
	const struct sled_used used = { 0 };

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n");
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	sled_scheduler_visited(w.s, 0, SLED_SCHEDULER_FAILED, 0, &w.now);
	sled_scheduler_visited(w.s, 1, SLED_SCHEDULER_REFUSED, 0, &w.now);
	sled_scheduler_round_over(w.s, false, &used, &w.now);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	links(&w, "eth0", w.now.ms, 2);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.accounts_len, 1);
	assert_int_equal(w.last.accounts[0], 0);
	end(&w);
}

static void
login_delay_is_honoured_though_a_link_comes_up(void **state)
{
	struct world w;
	const struct sled_used used = { 0 };

	(void)state;
	begin(&w, "[schedule]\non-link = yes\n");
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	sled_scheduler_visited(w.s, 0, SLED_SCHEDULER_GOOD, w.now.wall + 600,
	                       &w.now);
	sled_scheduler_visited(w.s, 1, SLED_SCHEDULER_GOOD, 0, &w.now);
	sled_scheduler_round_over(w.s, false, &used, &w.now);
	links(&w, "eth0", w.now.ms, 2);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.accounts_len, 1);
	assert_int_equal(w.last.accounts[0], 1);
	finish(&w, SLED_SCHEDULER_GOOD, false);
	pass(&w, 600000);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.accounts[0], 0);
	end(&w);
}

static void
a_portal_is_left_alone_until_the_link_changes(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 5m\njitter = 0s\n");
	links(&w, "wlan0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	finish(&w, SLED_SCHEDULER_FAILED, true);
	pass(&w, 5 * HOUR);
	links(&w, "wlan0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	links(&w, "wlan0", 1, 2);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

static void
who_signed_in_and_asked_ends_the_portal(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 5m\njitter = 0s\n");
	links(&w, "wlan0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	finish(&w, SLED_SCHEDULER_FAILED, true);
	pass(&w, HOUR);
	sled_scheduler_ask(w.s, SIZE_MAX, NULL);
	visit_well(&w);
	assert_int_equal(next_ms(&w), 5 * MINUTE);
	pass(&w, 5 * MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

/* Its server = is wrong, say. */
static void
a_stranger_for_one_account_costs_the_other_nothing(void **state)
{
	const struct sled_used none = { 0 };
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 30m\njitter = 0s\n");
	links(&w, "wlan0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.accounts_len, 2);
	sled_scheduler_visited(w.s, 0, SLED_SCHEDULER_FAILED, 0, &w.now);
	sled_scheduler_visited(w.s, 1, SLED_SCHEDULER_GOOD, 0, &w.now);
	sled_scheduler_round_over(w.s, false, &none, &w.now);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.accounts_len, 1);
	finish(&w, SLED_SCHEDULER_FAILED, true);
	pass(&w, 30 * MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_int_equal(w.last.accounts_len, 2);
	finish(&w, SLED_SCHEDULER_FAILED, true); /* the hotel's hour is over */
	pass(&w, 5 * HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	end(&w);
}

static void
another_configuration_ends_the_portal(void **state)
{
	struct sled_err err = { 0 };
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 5m\njitter = 0s\n");
	links(&w, "wlan0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	finish(&w, SLED_SCHEDULER_FAILED, true);
	pass(&w, HOUR);
	assert_true(sled_scheduler_conf(w.s, w.conf, &w.now, &err));
	links(&w, "wlan0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

static void
a_visit_that_was_asked_for_and_went_well_ends_the_doubt(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 5m\njitter = 0s\n");
	links(&w, "wlan0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	finish(&w, SLED_SCHEDULER_FAILED, true);
	pass(&w, 1 * HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_ask(w.s, SIZE_MAX, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	finish(&w, SLED_SCHEDULER_GOOD, false);
	pass(&w, 1 * HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

/* What is done SECONDS before 11:00, when the window ends. */
static enum sled_scheduler_do
before_the_end(const char *names, int64_t seconds)
{
	enum sled_scheduler_do what;
	struct world w;

	begin(&w, "[schedule]\nwindows = 10:00-11:00\n"
	          "[link ppp0]\nup-command = true\ndown-command = true\n");
	pass(&w, ((int64_t)11 * 3600 - MONDAY % 86400 - seconds) * 1000);
	links(&w, names, 1, 1);
	what = step(&w);
	end(&w);
	return what;
}

static void
no_visit_begins_at_the_very_end_of_a_window(void **state)
{
	(void)state;
	assert_int_equal(before_the_end("wlan0", 10), SLED_SCHEDULER_VISIT);
	assert_int_equal(before_the_end("wlan0", 2), SLED_SCHEDULER_NOTHING);
	assert_int_equal(before_the_end("", 60), SLED_SCHEDULER_DIAL);
	assert_int_equal(before_the_end("", 10), SLED_SCHEDULER_NOTHING);
}

static void
the_cheaper_link_is_taken(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 5m\njitter = 0s\n"
	          "[link wwan0]\ncost = 5.00 USD/MiB\n[link wlan0]\n");
	links(&w, "wwan0 wlan0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_string_equal(w.last.link.name, "wlan0");
	end(&w);
}

static void
no_and_ask_are_kept_until_a_person_asks(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 5m\non-link = yes\n"
	          "[link wwan0]\nvisit = ask\n[link eth0]\nvisit = no\n");
	links(&w, "wwan0 eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_ask(w.s, 1, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_true(w.last.asked);
	assert_string_equal(w.last.link.name, "wwan0");
	assert_int_equal(w.last.accounts_len, 1);
	finish(&w, SLED_SCHEDULER_GOOD, false);
	links(&w, "eth0", 1, 1);
	sled_scheduler_ask(w.s, SIZE_MAX, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_REFUSE);
	assert_non_null(strstr(w.last.why, "visit = no"));
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_ask(w.s, SIZE_MAX, "eth0");
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

static void
who_asks_needs_no_window(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nwindows = Tue 06:00-06:20\n");
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_ask(w.s, SIZE_MAX, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_true(w.last.window_ms == UINT64_MAX);
	finish(&w, SLED_SCHEDULER_FAILED, false);
	pass(&w, HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	end(&w);
}

#define DIALS \
	"[link ppp0]\nup-command = up\ndown-command = down\nup-timeout = 60s\n"

static void
a_line_is_dialled_when_a_visit_is_due_and_hung_up_after_it(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n" DIALS);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	assert_string_equal(w.last.profile->name, "ppp0");
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, 20000);
	links(&w, "ppp0", w.now.ms, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_true(w.last.dialled);
	assert_false(sled_scheduler_idle(w.s));
	finish(&w, SLED_SCHEDULER_GOOD, false);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_hung_up(w.s, true, &w.now);
	assert_true(sled_scheduler_idle(w.s));
	links(&w, "", 0, 0);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, HOUR - 20000);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, 20000);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	end(&w);
}

static void
a_line_that_does_not_come_is_closed_and_tried_later(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n" DIALS);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	pass(&w, 60000);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	assert_non_null(strstr(w.last.why, "up-timeout"));
	sled_scheduler_hung_up(w.s, true, &w.now);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	sled_scheduler_line_failed(w.s);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	sled_scheduler_hung_up(w.s, true, &w.now);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	end(&w);
}

/* Dial, and what comes up is LINK, the CHANGESth time; closed again. */
static void
dial_in_vain(struct world *w, const char *link, uint64_t changes)
{
	assert_int_equal(step(w), SLED_SCHEDULER_DIAL);
	links(w, link, w->now.ms, changes);
	if (step(w) == SLED_SCHEDULER_VISIT) {
		finish(w, SLED_SCHEDULER_FAILED, false);
		assert_int_equal(step(w), SLED_SCHEDULER_HANG_UP);
	}
	assert_int_equal(w->last.what, SLED_SCHEDULER_HANG_UP);
	links(w, "", 0, 0);
	sled_scheduler_hung_up(w->s, true, &w->now);
}

/* A [link] that has not the name of its interface, say: each dial is paid. */
/* The line comes, and the visit by it cannot begin. */
static void
pay_in_vain(struct world *w)
{
	const struct sled_used none = { 0 };

	assert_int_equal(step(w), SLED_SCHEDULER_DIAL);
	links(w, "ppp0", w->now.ms, 1);
	assert_int_equal(step(w), SLED_SCHEDULER_VISIT);
	for (size_t i = 0; i < w->last.accounts_len; i++)
		sled_scheduler_visited(w->s, w->last.accounts[i],
		                       SLED_SCHEDULER_LEFT, 0, &w->now);
	sled_scheduler_unvisited(w->s);
	sled_scheduler_round_over(w->s, false, &none, &w->now);
	assert_int_equal(step(w), SLED_SCHEDULER_HANG_UP);
	links(w, "", 0, 0);
	sled_scheduler_hung_up(w->s, true, &w->now);
}

static void
a_line_that_was_paid_for_in_vain_waits_longer_each_time(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n[link ppp0]\n"
	          "up-command = up\ndown-command = down\n");
	for (int64_t wait = 1; wait <= 32; wait *= 2) {
		pay_in_vain(&w);
		pass(&w, wait * MINUTE - 1);
		assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
		pass(&w, 1);
	}
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	links(&w, "ppp0", w.now.ms, 1);
	visit_well(&w);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	links(&w, "", 0, 0);
	sled_scheduler_hung_up(w.s, true, &w.now);
	pass(&w, HOUR);
	pay_in_vain(&w);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	end(&w);
}

/* pppd is ended with a status that is not 0 when its peer hangs up, say. */
static void
an_up_command_that_ends_after_the_line_came_is_no_failure(void **state)
{
	const struct sled_used none = { 0 };
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n" DIALS);
	dial_in_vain(&w, "ppp1", 1);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	links(&w, "ppp0", w.now.ms, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	sled_scheduler_line_failed(w.s);
	for (size_t i = 0; i < w.last.accounts_len; i++)
		sled_scheduler_visited(w.s, w.last.accounts[i],
		                       SLED_SCHEDULER_GOOD, 0, &w.now);
	sled_scheduler_round_over(w.s, false, &none, &w.now);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	assert_non_null(strstr(w.last.why, "the visit is over"));
	links(&w, "", 0, 0);
	sled_scheduler_hung_up(w.s, true, &w.now);
	pass(&w, HOUR);
	/* The first failure since, so a minute. */
	dial_in_vain(&w, "ppp1", 2);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	end(&w);
}

static void
a_line_that_was_not_dialled_is_not_hung_up_and_waits(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n[link ppp0]\n"
	          "up-command = up\ndown-command = down\n");
	for (int64_t wait = 1; wait <= 32; wait *= 2) {
		assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
		sled_scheduler_undialled(w.s, &w.now);
		assert_true(sled_scheduler_idle(w.s));
		pass(&w, wait * MINUTE - 1);
		assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
		pass(&w, 1);
	}
	sled_scheduler_ask(w.s, 0, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	sled_scheduler_undialled(w.s, &w.now);
	assert_int_equal(step(&w), SLED_SCHEDULER_REFUSE);
	end(&w);
}

/* Before up-command the store was opened, which may take minutes. */
static void
up_timeout_counts_from_the_beginning_of_up_command(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n" DIALS);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	pass(&w, 2 * MINUTE);
	assert_true(sled_scheduler_dials(w.s, &w.now));
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, 60000 - 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	end(&w);
}

static void
no_line_is_dialled_when_the_window_ran_out_before_up_command(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nwindows = 00:00-01:00\n" DIALS);
	pass(&w, 50 * MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	pass(&w, 9 * MINUTE + 55000);
	assert_false(sled_scheduler_dials(w.s, &w.now));
	assert_true(sled_scheduler_idle(w.s));
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, 23 * HOUR + 5000);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	assert_true(sled_scheduler_dials(w.s, &w.now));
	/* Who asks needs no window. */
	links(&w, "ppp0", w.now.ms, 1);
	visit_well(&w);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	links(&w, "", 0, 0);
	sled_scheduler_hung_up(w.s, true, &w.now);
	pass(&w, 2 * HOUR);
	sled_scheduler_ask(w.s, 0, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	assert_true(sled_scheduler_dials(w.s, &w.now));
	end(&w);
}

static void
a_line_that_comes_up_by_another_name_is_tried_later(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n" DIALS);
	dial_in_vain(&w, "ppp1", 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, MINUTE);
	dial_in_vain(&w, "ppp1", 2);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_ask(w.s, SIZE_MAX, NULL);
	dial_in_vain(&w, "ppp1", 3);
	assert_int_equal(step(&w), SLED_SCHEDULER_REFUSE);
	sled_scheduler_ask(w.s, SIZE_MAX, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	links(&w, "ppp0", w.now.ms, 1);
	visit_well(&w);
	end(&w);
}

static void
a_line_that_was_dialled_ends_no_wait(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n" DIALS);
	dial_in_vain(&w, "ppp0", 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, MINUTE);
	dial_in_vain(&w, "ppp0", 2);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, MINUTE);
	dial_in_vain(&w, "ppp0", 3);
	pass(&w, 2 * MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	end(&w);
}

static void
nothing_is_dialled_beside_a_link_nor_for_one_that_came_up(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\non-link = yes\n" DIALS);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	links(&w, "", 0, 0);
	finish(&w, SLED_SCHEDULER_CUT, false);
	pass(&w, HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	end(&w);
	begin(&w, "[schedule]\nevery = 1h\n" DIALS);
	links(&w, "eth0", 1, 1);
	visit_well(&w);
	pass(&w, 2 * HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	assert_false(w.last.dialled);
	end(&w);
}

static void
a_line_that_stays_is_hung_up_again(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n" DIALS);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	links(&w, "ppp0", w.now.ms, 1);
	visit_well(&w);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	sled_scheduler_hung_up(w.s, false, &w.now);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	pass(&w, 10000);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	assert_non_null(strstr(w.last.why, "still there"));
	sled_scheduler_hung_up(w.s, true, &w.now);
	links(&w, "", 0, 0);
	pass(&w, MINUTE);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	end(&w);
}

static void
a_line_left_open_before_the_start_is_hung_up_first(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\n" DIALS);
	links(&w, "eth0", 1, 1);
	sled_scheduler_line_left(w.s, 0);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	sled_scheduler_hung_up(w.s, true, &w.now);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

static void
told_to_stop_it_hangs_up_and_begins_nothing(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\n" DIALS);
	assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
	sled_scheduler_stop(w.s);
	assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
	sled_scheduler_hung_up(w.s, true, &w.now);
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	assert_true(sled_scheduler_idle(w.s));
	end(&w);
}

static void
a_lease_holds_visits_off(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\n");
	links(&w, "eth0", 1, 1);
	sled_scheduler_hold(w.s, true);
	sled_scheduler_ask(w.s, SIZE_MAX, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_hold(w.s, false);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

static void
a_budget_without_room_for_a_poll_waits_for_the_next_day(void **state)
{
	struct world w;
	struct sled_budget_left used = { .day = { .bytes = 1048000 } };
	struct sled_scheduler_next next;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\n[link eth0]\nbudget = 1MiB/day\n");
	links(&w, "eth0", 1, 1);
	sled_scheduler_used(w.s, 0, &used, &w.now);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_next(w.s, &w.now, &next);
	assert_non_null(strstr(next.why, "budget"));
	sled_scheduler_ask(w.s, SIZE_MAX, NULL);
	assert_int_equal(step(&w), SLED_SCHEDULER_REFUSE);
	pass(&w, 24 * HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
}

/* A dial of 80 s and a visit; then 4 min are left of which a dial of 20 s, but
 * not one of 80, would be paid. */
static void
a_line_that_dials_long_needs_so_much_of_the_budget(void **state)
{
	(void)state;
	for (int64_t took = 20000; took <= 80000; took += 60000) {
		const bool slow = took == 80000;
		struct sled_budget_left used = { .day = { .ms = 240000 } };
		struct world w;

		begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n[link ppp0]\n"
		          "up-command = up\ndown-command = down\n"
		          "budget = 5m/day\n");
		assert_int_equal(step(&w), SLED_SCHEDULER_DIAL);
		pass(&w, took);
		links(&w, "ppp0", w.now.ms, 1);
		assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
		finish(&w, SLED_SCHEDULER_GOOD, false);
		assert_int_equal(step(&w), SLED_SCHEDULER_HANG_UP);
		links(&w, "", 0, 0);
		sled_scheduler_hung_up(w.s, true, &w.now);
		sled_scheduler_used(w.s, 0, &used, &w.now);
		pass(&w, HOUR);
		assert_int_equal(step(&w), slow ? SLED_SCHEDULER_NOTHING
		                                : SLED_SCHEDULER_DIAL);
		end(&w);
	}
}

static void
with_a_doubtful_clock_windows_and_budgets_stand_still(void **state)
{
	struct world w;
	struct sled_budget_left used = { .day = { .bytes = 1048000 } };
	struct sled_scheduler_next next;

	(void)state;
	begin(&w, "[schedule]\nwindows = 00:00-24:00\n");
	links(&w, "eth0", 1, 1);
	w.now.doubtful = true;
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	sled_scheduler_next(w.s, &w.now, &next);
	assert_non_null(strstr(next.why, "doubtful"));
	w.now.doubtful = false;
	assert_int_equal(step(&w), SLED_SCHEDULER_VISIT);
	end(&w);
	begin(&w, "[schedule]\nevery = 1h\n[link eth0]\nbudget = 1MiB/day\n");
	links(&w, "eth0", 1, 1);
	sled_scheduler_used(w.s, 0, &used, &w.now);
	w.now.doubtful = true;
	pass(&w, 48 * HOUR);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	end(&w);
}

static void
another_configuration_keeps_what_is_known(void **state)
{
	struct world w;
	struct sled_conf *old;
	struct sled_err err = { 0 };
	char whole[2048];

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n");
	links(&w, "eth0", 1, 1);
	visit_well(&w);
	old = w.conf;
	(void)snprintf(whole, sizeof(whole),
	               "%s[schedule]\nevery = 2h\njitter = 0s\n", two);
	w.conf = fx_conf_good(whole);
	assert_true(sled_scheduler_conf(w.s, w.conf, &w.now, &err));
	sled_conf_free(&old);
	links(&w, "eth0", 1, 1);
	assert_int_equal(next_ms(&w), 2 * HOUR);
	end(&w);
}

static void
what_the_ledger_knows_spares_a_visit_after_a_start(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "[schedule]\nevery = 1h\njitter = 0s\n");
	sled_scheduler_last(w.s, 0, w.now.wall - 1800, &w.now);
	sled_scheduler_last(w.s, 1, w.now.wall - 1800, &w.now);
	links(&w, "eth0", 1, 1);
	assert_int_equal(step(&w), SLED_SCHEDULER_NOTHING);
	assert_int_equal(next_ms(&w), 30 * MINUTE);
	end(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counts_from_the_start_of_a_visit),
		cmocka_unit_test(jitter_comes_later_and_is_the_seeds),
		cmocka_unit_test(a_window_is_used_when_it_opens_and_once),
		cmocka_unit_test(every_waits_for_the_window),
		cmocka_unit_test(
		    a_window_that_is_open_after_a_sleep_is_used_at_once),
		cmocka_unit_test(the_clock_may_be_set_either_way),
		cmocka_unit_test(
		    on_link_visits_when_a_link_comes_up_and_not_by_time),
		cmocka_unit_test(a_broken_account_backs_off_alone),
		cmocka_unit_test(
		    a_link_that_comes_up_ends_the_wait_but_not_a_refused_logins),
		cmocka_unit_test(
		    login_delay_is_honoured_though_a_link_comes_up),
		cmocka_unit_test(a_portal_is_left_alone_until_the_link_changes),
		cmocka_unit_test(who_signed_in_and_asked_ends_the_portal),
		cmocka_unit_test(
		    a_stranger_for_one_account_costs_the_other_nothing),
		cmocka_unit_test(another_configuration_ends_the_portal),
		cmocka_unit_test(
		    a_visit_that_was_asked_for_and_went_well_ends_the_doubt),
		cmocka_unit_test(no_visit_begins_at_the_very_end_of_a_window),
		cmocka_unit_test(the_cheaper_link_is_taken),
		cmocka_unit_test(no_and_ask_are_kept_until_a_person_asks),
		cmocka_unit_test(who_asks_needs_no_window),
		cmocka_unit_test(
		    a_line_is_dialled_when_a_visit_is_due_and_hung_up_after_it),
		cmocka_unit_test(
		    a_line_that_does_not_come_is_closed_and_tried_later),
		cmocka_unit_test(
		    a_line_that_was_paid_for_in_vain_waits_longer_each_time),
		cmocka_unit_test(
		    a_line_that_was_not_dialled_is_not_hung_up_and_waits),
		cmocka_unit_test(
		    a_line_that_comes_up_by_another_name_is_tried_later),
		cmocka_unit_test(a_line_that_was_dialled_ends_no_wait),
		cmocka_unit_test(
		    an_up_command_that_ends_after_the_line_came_is_no_failure),
		cmocka_unit_test(
		    up_timeout_counts_from_the_beginning_of_up_command),
		cmocka_unit_test(
		    no_line_is_dialled_when_the_window_ran_out_before_up_command),
		cmocka_unit_test(
		    nothing_is_dialled_beside_a_link_nor_for_one_that_came_up),
		cmocka_unit_test(a_line_that_stays_is_hung_up_again),
		cmocka_unit_test(
		    a_line_left_open_before_the_start_is_hung_up_first),
		cmocka_unit_test(told_to_stop_it_hangs_up_and_begins_nothing),
		cmocka_unit_test(a_lease_holds_visits_off),
		cmocka_unit_test(
		    a_budget_without_room_for_a_poll_waits_for_the_next_day),
		cmocka_unit_test(
		    a_line_that_dials_long_needs_so_much_of_the_budget),
		cmocka_unit_test(
		    with_a_doubtful_clock_windows_and_budgets_stand_still),
		cmocka_unit_test(another_configuration_keeps_what_is_known),
		cmocka_unit_test(
		    what_the_ledger_knows_spares_a_visit_after_a_start),
	};

	return cmocka_run_group_tests_name("scheduler_rules", tests, NULL,
	                                   NULL);
}
