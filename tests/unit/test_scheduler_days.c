/* test_scheduler_days.c - days of simulated time with links that flap every
 * minute: what must hold at each step, whatever happens. */
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

#define MINUTE   INT64_C(60000)
#define HOUR     (60 * MINUTE)
#define DAY_S    INT64_C(86400)
#define MONDAY   INT64_C(1796601600) /* 2026-12-07T00:00:00Z */
#define LINKS    3
#define ACCOUNTS 3 /* good, dead (fails always), odd (fails now and then) */
#define BUDGET   (5 * 1024 * 1024)
/* A link that is up for so long in a window is long enough for a visit. */
#define ENOUGH_MS (3 * MINUTE)
#define STEPS_MAX 40 /* decisions at one moment; more is a loop */

enum {
	WLAN,
	WWAN,
	PPP
};

static const char *const names[LINKS] = { "wlan0", "wwan0", "ppp0" };

struct plan {
	const char *schedule;
	int64_t every_ms;          /* 0: none */
	int64_t jitter_ms;         /* at most */
	unsigned from_min, to_min; /* of each day; equal: no windows */
	bool on_link;
};

static const struct plan plans[] = {
	{ "every = 10m\njitter = 1m\n", 10 * MINUTE, MINUTE, 0, 0, false },
	{ "every = 30m\non-link = yes\njitter = 0s\n", 30 * MINUTE, 0, 0, 0,
	  true },
	{ "windows = 06:00-06:20\n", 0, 0, 360, 380, false },
	{ "every = 5m\njitter = 0s\nwindows = 22:00-02:00\n", 5 * MINUTE, 0,
	  1320, 120, false },
	{ "on-link = yes\nwindows = 08:00-20:00\n", 0, 0, 480, 1200, true },
};

struct sim {
	const struct plan *plan;
	uint64_t random;
	struct sled_conf *conf;
	struct sled_scheduler *s;
	struct sled_scheduler_now now;
	bool up[LINKS];
	int64_t since_ms[LINKS];  /* up or down since */
	int64_t toggle_ms[LINKS]; /* the next change */
	uint64_t changes[LINKS];
	bool visiting, dialling, hanging, line, held;
	size_t with; /* the link of the visit */
	bool accounts[ACCOUNTS];
	int64_t over_ms; /* the visit, the dialling, the hanging up */
	bool line_comes;
	int64_t hold_until_ms;
	/* What is held to account. */
	uint64_t day_bytes[8 * 60]; /* of wwan0, by day */
	int64_t good_ms;            /* the good account's last visit began */
	int64_t refit_ms; /* since when wlan0 is up in an open window */
	int64_t dead_ms;  /* the dead account's last attempt ended */
	int64_t told_day;
	unsigned visits, dials;
};

static uint64_t
draw(struct sim *sim, uint64_t below)
{
	sim->random ^= sim->random << 13;
	sim->random ^= sim->random >> 7;
	sim->random ^= sim->random << 17;
	return sim->random % below;
}

static bool
has_windows(const struct sim *sim)
{
	return sim->plan->from_min != sim->plan->to_min;
}

static bool
is_open(const struct sim *sim, int64_t wall)
{
	unsigned minute = (unsigned)(wall % DAY_S / 60);
	unsigned from = sim->plan->from_min, to = sim->plan->to_min;

	if (!has_windows(sim))
		return true;
	return from < to ? minute >= from && minute < to
	                 : minute >= from || minute < to;
}

static void
tell_links(struct sim *sim)
{
	struct sled_scheduler_link links[LINKS];
	size_t len = 0;

	for (size_t i = 0; i < LINKS; i++) {
		if (!sim->up[i])
			continue;
		links[len] = (struct sled_scheduler_link){
			.profile = &sim->conf->links[i],
			.since_ms = sim->since_ms[i],
			.changes = sim->changes[i],
		};
		(void)snprintf(links[len].name, sizeof(links[len].name), "%s",
		               names[i]);
		len++;
	}
	sled_scheduler_links(sim->s, links, len, &sim->now);
}

static void
set_link(struct sim *sim, size_t i, bool up)
{
	if (sim->up[i] == up)
		return;
	sim->up[i] = up;
	sim->since_ms[i] = sim->now.ms;
	sim->changes[i]++;
	tell_links(sim);
}

static void
begin(struct sim *sim, uint64_t seed)
{
	struct sled_err err = { 0 };
	char text[2048];

	assert_int_equal(setenv("TZ", "UTC", 1), 0);
	tzset();
	*sim = (struct sim){ .random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1,
		             .now = { .ms = 5000, .wall = MONDAY } };
	sim->plan = &plans[seed % (sizeof(plans) / sizeof(*plans))];
	(void)snprintf(
	    text, sizeof(text),
	    FX_CONF_STORE
	    "[account good]\nserver = s\nuser = g\npassword-file = /p\n"
	    "[account dead]\nserver = s\nuser = d\npassword-file = /p\n"
	    "[account odd]\nserver = s\nuser = o\npassword-file = /p\n"
	    "[schedule]\n%s[link wlan0]\n"
	    "[link wwan0]\nbudget = 5MiB/day\ncost = 5.00 USD/MiB\n"
	    "[link ppp0]\ncost = 1.00 USD/20s\nup-command = up\n"
	    "down-command = down\nup-timeout = 60s\n",
	    sim->plan->schedule);
	sim->conf = fx_conf_good(text);
	assert_true(
	    sled_scheduler_new(&sim->s, sim->conf, seed, &sim->now, &err));
	for (size_t i = 0; i < PPP; i++)
		sim->toggle_ms[i] =
		    sim->now.ms + (int64_t)draw(sim, 2 * MINUTE);
	sim->toggle_ms[PPP] = INT64_MAX;
	sim->refit_ms = sim->dead_ms = sim->good_ms = -1;
}

static void
end(struct sim *sim)
{
	sled_scheduler_free(&sim->s);
	sled_conf_free(&sim->conf);
}

/* ---- what must hold ---- */

static uint64_t *
bytes_today(struct sim *sim)
{
	return &sim->day_bytes[(sim->now.wall - MONDAY) / DAY_S];
}

/* As the ledger tells it: at the start, after a jump, when a day begins. */
static void
tell_used(struct sim *sim)
{
	struct sled_budget_left used = { .day = { .bytes =
		                                      *bytes_today(sim) } };

	sim->told_day = sim->now.wall / DAY_S;
	sled_scheduler_used(sim->s, WWAN, &used, &sim->now);
}

static void
check_visit(struct sim *sim, const struct sled_scheduler_decision *decision)
{
	assert_false(sim->visiting);
	assert_false(sim->hanging);
	assert_false(sim->held);
	assert_true(is_open(sim, sim->now.wall));
	assert_true(decision->accounts_len > 0 &&
	            decision->accounts_len <= ACCOUNTS);
	for (sim->with = 0; sim->with < LINKS; sim->with++)
		if (strcmp(names[sim->with], decision->link.name) == 0)
			break;
	assert_true(sim->with < LINKS && sim->up[sim->with]);
	assert_int_equal(decision->dialled, sim->line && sim->with == PPP);
	if (sim->line)
		assert_int_equal(sim->with, PPP);
	if (sim->with != WLAN && sim->up[WLAN])
		fail_msg("a dear link beside a cheap one");
	if (sim->with == WWAN)
		assert_true(*bytes_today(sim) + SLED_CONF_VISIT_BYTES <=
		            BUDGET);
	if (has_windows(sim))
		assert_true(
		    decision->window_ms > 0 &&
		    is_open(sim, sim->now.wall +
		                     (int64_t)decision->window_ms / 1000 - 1));
	else
		assert_true(decision->window_ms == UINT64_MAX);
}

static void
begin_visit(struct sim *sim, const struct sled_scheduler_decision *decision)
{
	int64_t most = 90000;

	check_visit(sim, decision);
	sim->visiting = true;
	sim->dialling = false;
	sim->visits++;
	memset(sim->accounts, 0, sizeof(sim->accounts));
	for (size_t i = 0; i < decision->accounts_len; i++)
		sim->accounts[decision->accounts[i]] = true;
	if (sim->accounts[0])
		sim->good_ms = sim->now.ms;
	if (decision->window_ms < (uint64_t)most)
		most = (int64_t)decision->window_ms;
	sim->over_ms = sim->now.ms + 500 + (int64_t)draw(sim, (uint64_t)most);
}

static enum sled_scheduler_outcome
outcome_of(struct sim *sim, size_t account, bool cut)
{
	if (account == 1)
		return SLED_SCHEDULER_FAILED;
	if (cut)
		return SLED_SCHEDULER_CUT;
	if (account == 2 && draw(sim, 4) == 0)
		return draw(sim, 2) == 0 ? SLED_SCHEDULER_LEFT
		                         : SLED_SCHEDULER_REFUSED;
	return SLED_SCHEDULER_GOOD;
}

static void
end_visit(struct sim *sim, bool cut)
{
	struct sled_used used = { .bytes = 6000 + draw(sim, 400000),
		                  .ms = 1000 };

	/* As a round does it: the budget ends it before it is passed. */
	if (sim->with == WWAN && *bytes_today(sim) + used.bytes > BUDGET)
		used.bytes = BUDGET - *bytes_today(sim);
	if (sim->with == WWAN)
		*bytes_today(sim) += used.bytes;
	for (size_t i = 0; i < ACCOUNTS; i++)
		if (sim->accounts[i])
			sled_scheduler_visited(
			    sim->s, i, outcome_of(sim, i, cut), 0, &sim->now);
	if (sim->accounts[1])
		sim->dead_ms = sim->now.ms;
	if (cut && sim->accounts[0])
		sim->good_ms = -1;
	sim->visiting = false;
	sled_scheduler_round_over(sim->s, false, &used, &sim->now);
}

static void
act(struct sim *sim, const struct sled_scheduler_decision *decision)
{
	switch (decision->what) {
	case SLED_SCHEDULER_VISIT:
		begin_visit(sim, decision);
		break;
	case SLED_SCHEDULER_DIAL:
		assert_false(sim->visiting || sim->line || sim->hanging);
		assert_false(sim->up[WLAN]);
		assert_true(is_open(sim, sim->now.wall));
		sim->dials++;
		sim->line = sim->dialling = true;
		sim->line_comes = draw(sim, 3) != 0;
		sim->over_ms = sim->now.ms + (int64_t)draw(sim, 50000);
		break;
	case SLED_SCHEDULER_HANG_UP:
		assert_false(sim->visiting || sim->hanging);
		sim->dialling = false;
		sim->hanging = true;
		sim->over_ms = sim->now.ms + (int64_t)draw(sim, 20000);
		break;
	case SLED_SCHEDULER_REFUSE:
		fail_msg("nobody asked");
		break;
	case SLED_SCHEDULER_NOTHING:
		break;
	}
}

/* A line that is open is used, dialled for, or being hung up. */
static void
decide(struct sim *sim)
{
	struct sled_scheduler_decision decision;

	for (unsigned n = 0;; n++) {
		assert_true(n < STEPS_MAX);
		sled_scheduler_step(sim->s, &sim->now, &decision);
		if (decision.what == SLED_SCHEDULER_NOTHING)
			break;
		act(sim, &decision);
	}
	assert_true(!sim->line || sim->visiting || sim->dialling ||
	            sim->hanging);
}

/* wlan0 is free: what is due goes there, so the good account cannot wait for
 * long where a window is open and nothing is in the way. */
static void
check_missed(struct sim *sim)
{
	bool fit = sim->up[WLAN] && is_open(sim, sim->now.wall) && !sim->held;
	int64_t due = sim->plan->every_ms + sim->plan->jitter_ms;

	if (!fit) {
		sim->refit_ms = -1;
		return;
	}
	if (sim->refit_ms < 0)
		sim->refit_ms = sim->now.ms;
	/* By its opening, or by the link: a visit since it was fit. */
	if ((has_windows(sim) || sim->plan->on_link) &&
	    sim->now.ms - sim->refit_ms > ENOUGH_MS &&
	    (sim->good_ms < 0 ||
	     (sim->plan->on_link && sim->good_ms < sim->since_ms[WLAN])))
		fail_msg("a link was up in a window, and not used");
	if (due > 0 && sim->now.ms - sim->refit_ms > due + ENOUGH_MS &&
	    sim->now.ms - sim->good_ms > due + ENOUGH_MS)
		fail_msg("`every` was missed");
	if (sim->now.ms - sim->refit_ms > HOUR + ENOUGH_MS &&
	    sim->now.ms - sim->dead_ms > HOUR + ENOUGH_MS)
		fail_msg("the dead account was given up");
}

/* ---- time ---- */

static void
happen(struct sim *sim)
{
	for (size_t i = 0; i < PPP; i++) {
		if (sim->now.ms < sim->toggle_ms[i])
			continue;
		set_link(sim, i, !sim->up[i]);
		sim->toggle_ms[i] =
		    sim->now.ms + 1000 + (int64_t)draw(sim, 2 * MINUTE);
		if (draw(sim, 50) == 0)
			sim->toggle_ms[i] += (int64_t)draw(sim, 3 * HOUR);
	}
	if (sim->held && sim->now.ms >= sim->hold_until_ms) {
		sim->held = false;
		sled_scheduler_hold(sim->s, false);
	}
	if (!sim->held && sled_scheduler_idle(sim->s) && draw(sim, 500) == 0) {
		sim->held = true;
		sim->hold_until_ms = sim->now.ms + (int64_t)draw(sim, MINUTE);
		sled_scheduler_hold(sim->s, true);
	}
	if (sim->visiting && !sim->up[sim->with]) {
		end_visit(sim, true);
	} else if (sim->now.ms < sim->over_ms) {
		return;
	} else if (sim->visiting) {
		end_visit(sim, false);
	} else if (sim->dialling && sim->line_comes) {
		set_link(sim, PPP, true);
		if (draw(sim, 4) == 0)
			sim->toggle_ms[PPP] = sim->now.ms + 2000;
	} else if (sim->dialling) {
		sim->over_ms = sim->now.ms + 70000;
	} else if (sim->hanging) {
		set_link(sim, PPP, false);
		sim->hanging = sim->line = false;
		sled_scheduler_hung_up(sim->s, true, &sim->now);
	}
	if (sim->now.ms >= sim->toggle_ms[PPP]) {
		sim->toggle_ms[PPP] = INT64_MAX;
		set_link(sim, PPP, false);
	}
}

static int64_t
sooner(const struct sim *sim, int64_t event_ms, int64_t at)
{
	return event_ms > sim->now.ms && event_ms < at ? event_ms : at;
}

static int64_t
next_event(const struct sim *sim)
{
	struct sled_scheduler_next next;
	int64_t at;

	sled_scheduler_next(sim->s, &sim->now, &next);
	assert_true(next.wake_ms > 0 && next.wake_ms <= HOUR);
	assert_true(next.why[0] != '\0');
	assert_true(!next.visit || next.in_ms >= 0);
	at = sim->now.ms + next.wake_ms;
	for (size_t i = 0; i < LINKS; i++)
		at = sooner(sim, sim->toggle_ms[i], at);
	if (sim->held)
		at = sooner(sim, sim->hold_until_ms, at);
	if (sim->visiting || sim->hanging || sim->dialling)
		at = sooner(sim, sim->over_ms, at);
	return at;
}

static void
advance(struct sim *sim, int64_t to_ms)
{
	int64_t wall_ms = sim->now.wall * 1000 + sim->now.ms % 1000;

	wall_ms += to_ms - sim->now.ms;
	sim->now.ms = to_ms;
	/* The wall clock and the boot clock tick at the same moment here. */
	sim->now.wall = (wall_ms - sim->now.ms % 1000) / 1000;
}

static void
live(struct sim *sim, int64_t days_ms)
{
	int64_t until = sim->now.ms + days_ms;

	while (sim->now.ms < until) {
		if (sim->told_day != sim->now.wall / DAY_S)
			tell_used(sim);
		decide(sim);
		check_missed(sim);
		advance(sim, next_event(sim));
		happen(sim);
	}
}

static void
live_seed(uint64_t seed, int64_t ms, unsigned *visits)
{
	struct sim sim;

	begin(&sim, seed);
	live(&sim, ms);
	*visits += sim.visits;
	end(&sim);
}

static void
eight_days_of_flapping_links_on_each_schedule(void **state)
{
	unsigned visits = 0;

	(void)state;
	for (uint64_t seed = 0; seed < sizeof(plans) / sizeof(*plans); seed++)
		live_seed(seed, 8 * 24 * HOUR, &visits);
	assert_true(visits > 1000);
}

static void
hours_of_flapping_links_with_thousands_of_seeds(void **state)
{
	const char *more = getenv("SCHEDULER_SEEDS");
	uint64_t seeds = more == NULL ? 3000 : strtoull(more, NULL, 10);
	unsigned visits = 0;

	(void)state;
	for (uint64_t seed = 100; seed < 100 + seeds; seed++)
		live_seed(seed, 6 * HOUR, &visits);
	assert_true(visits > seeds);
}

/* The machine sleeps, and its clock is set: no step may break a rule, and a
 * window that is open afterwards is used. */
static void
sleeps_and_clocks_that_jump_break_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct sim sim;

		begin(&sim, seed);
		for (unsigned i = 0; i < 12; i++) {
			int64_t gap = (int64_t)draw(&sim, 20 * HOUR);

			live(&sim, (int64_t)draw(&sim, HOUR));
			if (draw(&sim, 2) == 0)
				advance(&sim, sim.now.ms + gap);
			else if (draw(&sim, 2) == 0)
				sim.now.wall += gap / 1000;
			else if (sim.now.wall - gap / 1000 > MONDAY)
				sim.now.wall -= gap / 1000;
			sim.refit_ms = -1;
			if (sim.visiting)
				end_visit(&sim, true);
			tell_used(&sim);
			sim.good_ms = sim.dead_ms = sim.now.ms;
		}
		end(&sim);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(eight_days_of_flapping_links_on_each_schedule),
		cmocka_unit_test(
		    hours_of_flapping_links_with_thousands_of_seeds),
		cmocka_unit_test(sleeps_and_clocks_that_jump_break_nothing),
	};

	return cmocka_run_group_tests_name("scheduler_days", tests, NULL, NULL);
}
