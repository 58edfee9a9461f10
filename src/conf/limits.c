/* limits.c - schedules and links under which no visit can come or go well. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "conf/parse.h"

#define WEEK_MIN         ((size_t)7 * SLED_CONF_DAY_MIN)
#define JITTER_MAX_S     300
#define BUDGET_MIN_BYTES 8192
#define BUDGET_MIN_S     10
#define WINDOW_MIN_S     3
#define HANDSHAKE_TRIPS  6

static void
mark_window(bool open[WEEK_MIN], const struct sled_conf_window *window)
{
	size_t len =
	    window->to_min > window->from_min
		? (size_t)window->to_min - window->from_min
		: (size_t)window->to_min + SLED_CONF_DAY_MIN - window->from_min;

	for (size_t day = 0; day < 7; day++)
		for (size_t i = 0; (window->days >> day & 1) != 0 && i < len;
		     i++)
			open[(day * SLED_CONF_DAY_MIN + window->from_min + i) %
			     WEEK_MIN] = true;
}

/* Minutes of the longest opening of the week; WEEK_MIN: it never closes. */
static size_t
longest_opening(const struct sled_conf_schedule *schedule)
{
	bool open[WEEK_MIN] = { false };
	size_t best = 0, run = 0;

	for (size_t i = 0; i < schedule->windows_len; i++)
		mark_window(open, &schedule->windows[i]);
	/* Twice round, for one that goes over the end of the week. */
	for (size_t i = 0; i < 2 * WEEK_MIN; i++) {
		run = open[i % WEEK_MIN] ? run + 1 : 0;
		best = run > best ? run : best;
	}
	return best < WEEK_MIN ? best : WEEK_MIN;
}

static bool
check_jitter(struct sled_conf_parse *p)
{
	struct sled_conf_schedule *schedule = &p->conf->schedule;
	unsigned line = sled_conf_line_of(p, "jitter");
	int64_t tenth = schedule->every_s / 10;

	if (line == 0) {
		schedule->jitter_s =
		    tenth < JITTER_MAX_S ? tenth : JITTER_MAX_S;
		return true;
	}
	if (schedule->every_s == 0)
		return sled_conf_warn(p, line,
		                      "jitter without every has no effect");
	if (schedule->jitter_s > schedule->every_s)
		return sled_conf_bad_at(p, line, "jitter is longer than every");
	return true;
}

static bool
check_openings(struct sled_conf_parse *p)
{
	const struct sled_conf_schedule *schedule = &p->conf->schedule;
	size_t minutes = longest_opening(schedule);
	int64_t longest_s = (int64_t)minutes * 60;

	if (schedule->windows_len == 0 || minutes == WEEK_MIN)
		return true;
	if (schedule->every_s != 0 && schedule->jitter_s >= longest_s &&
	    sled_conf_line_of(p, "jitter") != 0)
		return sled_conf_bad_at(p, sled_conf_line_of(p, "jitter"),
		                        "jitter is as long as the longest "
		                        "window, %zu min: visits miss it",
		                        minutes);
	if (schedule->every_s > longest_s)
		return sled_conf_warn(p, sled_conf_line_of(p, "every"),
		                      "every is longer than the longest "
		                      "window, %zu min: one visit a window "
		                      "at most",
		                      minutes);
	return true;
}

bool
sled_conf_check_schedule(struct sled_conf_parse *p)
{
	const struct sled_conf_schedule *schedule = &p->conf->schedule;

	if (!check_jitter(p) || !check_openings(p))
		return false;
	if (schedule->every_s == 0 && schedule->windows_len == 0 &&
	    !schedule->on_link)
		return sled_conf_warn(
		    p, schedule->line,
		    "[schedule] has neither every, windows nor on-link = yes: "
		    "`mailsled run` visits only when asked");
	return true;
}

/* What a visit without mail is billed at least: as tariff.h has it, which stands
 * above us. */
struct least {
	uint64_t bytes, ms, money;
};

static uint64_t
plus(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t
times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t
steps_of(uint64_t amount, uint64_t step)
{
	return amount / step + (amount % step != 0);
}

static void
add_price(const struct sled_conf_cost *cost, struct least *out)
{
	bool bytes = cost->unit == SLED_CONF_BYTES;
	uint64_t step = bytes ? cost->step : times(cost->step, 1000);
	uint64_t *used = bytes ? &out->bytes : &out->ms;
	uint64_t steps = steps_of(*used, step);

	if (cost->pro_rata) {
		out->money = plus(out->money,
		                  steps_of(times(*used, cost->amount), step));
		return;
	}
	*used = times(steps, step);
	out->money = plus(out->money, times(steps, cost->amount));
}

static struct least
least_of(const struct sled_conf_link *link)
{
	struct least least = { .bytes = SLED_CONF_VISIT_BYTES,
		               .ms = SLED_CONF_VISIT_MS };
	uint64_t trips_ms = link->rtt_ms * SLED_CONF_VISIT_TRIPS;
	uint64_t least_ms = times(link->cost_min_s, 1000);

	if (least.ms < trips_ms)
		least.ms = trips_ms;
	if (link->up_command != NULL)
		least.ms += SLED_CONF_DIAL_MS + SLED_CONF_HANG_UP_MS;
	if (least.bytes < link->cost_min_bytes)
		least.bytes = link->cost_min_bytes;
	if (least.ms < least_ms)
		least.ms = least_ms;
	for (size_t i = 0; i < link->costs_len; i++)
		add_price(&link->costs[i], &least);
	return least;
}

/* Two decimals, or as many as it needs. */
static void
write_money(char *out, size_t room, uint64_t millionths)
{
	size_t len;

	(void)snprintf(out, room, "%" PRIu64 ".%06" PRIu64,
	               millionths / 1000000, millionths % 1000000);
	len = strlen(out);
	for (int i = 0; i < 4 && out[len - 1] == '0'; i++)
		out[--len] = '\0';
}

static bool
refuse_budget(struct sled_conf_parse *p, const struct sled_conf_budget *budget,
              const char *least, const char *unit)
{
	return sled_conf_bad_at(
	    p, sled_conf_line_of(p, "budget"),
	    "budget: one visit is billed %s %s at least%s, more than the %s's "
	    "budget: no visit could begin",
	    least, unit,
	    sled_conf_this_link(p)->up_command != NULL &&
		    budget->unit != SLED_CONF_BYTES
		? ", its dialling included"
		: "",
	    budget->monthly ? "month" : "day");
}

static bool
check_bytes(struct sled_conf_parse *p, const struct sled_conf_budget *budget,
            const struct least *least)
{
	char text[32];

	if (budget->amount < BUDGET_MIN_BYTES)
		return sled_conf_bad_at(
		    p, sled_conf_line_of(p, "budget"),
		    "budget: a visit without mail takes about 5 KiB: 8KiB is "
		    "the least");
	(void)snprintf(text, sizeof(text), "%" PRIu64, least->bytes);
	return budget->amount >= least->bytes ||
	       refuse_budget(p, budget, text, "bytes");
}

static bool
check_seconds(struct sled_conf_parse *p, const struct sled_conf_budget *budget,
              const struct least *least)
{
	uint64_t seconds = steps_of(least->ms, 1000);
	char text[32];

	if (budget->amount < BUDGET_MIN_S)
		return sled_conf_bad_at(
		    p, sled_conf_line_of(p, "budget"),
		    "budget: a visit without mail takes some seconds: 10s is "
		    "the least");
	(void)snprintf(text, sizeof(text), "%" PRIu64, seconds);
	return budget->amount >= seconds || refuse_budget(p, budget, text, "s");
}

static bool
check_money(struct sled_conf_parse *p, const struct sled_conf_budget *budget,
            const struct least *least)
{
	const struct sled_conf_link *link = sled_conf_this_link(p);
	char text[32];

	if (link->costs_len == 0)
		return sled_conf_warn(p, sled_conf_line_of(p, "budget"),
		                      "budget: %s without a cost: it is never "
		                      "used up",
		                      link->currency);
	write_money(text, sizeof(text), least->money);
	return budget->amount >= least->money ||
	       refuse_budget(p, budget, text, link->currency);
}

static bool
check_budget(struct sled_conf_parse *p, const struct sled_conf_budget *budget)
{
	const struct least least = least_of(sled_conf_this_link(p));

	switch (budget->unit) {
	case SLED_CONF_BYTES:
		return check_bytes(p, budget, &least);
	case SLED_CONF_SECONDS:
		return check_seconds(p, budget, &least);
	case SLED_CONF_MONEY:
		break;
	}
	return check_money(p, budget, &least);
}

static bool
check_commands(struct sled_conf_parse *p)
{
	const struct sled_conf_link *link = sled_conf_this_link(p);

	if (link->up_command != NULL && link->down_command == NULL)
		return sled_conf_warn(p, sled_conf_line_of(p, "up-command"),
		                      "up-command without down-command: the "
		                      "line stays open after a visit");
	if (link->up_command == NULL && link->down_command != NULL)
		return sled_conf_warn(p, sled_conf_line_of(p, "down-command"),
		                      "down-command without up-command: only "
		                      "what was dialled here is hung up");
	return true;
}

static bool
check_window(struct sled_conf_parse *p)
{
	const struct sled_conf_link *link = sled_conf_this_link(p);
	unsigned line = sled_conf_line_of(p, "window");
	int64_t trips_ms = (int64_t)link->rtt_ms * HANDSHAKE_TRIPS;

	if (link->window_s == 0)
		return true;
	if (link->window_s < WINDOW_MIN_S)
		return sled_conf_bad_at(p, line,
		                        "window: no visit fits in it: 3s is "
		                        "the least");
	if (link->window_s * 1000 < trips_ms)
		return sled_conf_warn(p, line,
		                      "window: below 6 round trips of rtt: a "
		                      "visit hardly gets through the "
		                      "handshake");
	return true;
}

bool
sled_conf_check_link(struct sled_conf_parse *p)
{
	const struct sled_conf_link *link = sled_conf_this_link(p);

	for (size_t i = 0; i < link->budgets_len; i++)
		if (!check_budget(p, &link->budgets[i]))
			return false;
	return check_window(p) && check_commands(p);
}

static bool
check_names(struct sled_conf_parse *p, const struct sled_conf_link *link)
{
	for (size_t i = 0; i < link->accounts_len; i++) {
		const char *name = link->accounts[i];
		const char *near = sled_conf_account_near(p->conf, name);

		if (sled_conf_account(p->conf, name) != NULL)
			continue;
		if (near != NULL)
			return sled_conf_bad_at(p, link->accounts_line,
			                        "accounts: no account \"%s\": "
			                        "did you mean %s?",
			                        sled_conf_show(name).text,
			                        near);
		return sled_conf_bad_at(p, link->accounts_line,
		                        "accounts: there is no [account %s]",
		                        sled_conf_show(name).text);
	}
	return true;
}

static bool
carries(const struct sled_conf_link *link, const char *account)
{
	if (link->visit == SLED_CONF_VISIT_NO)
		return false;
	for (size_t i = 0; i < link->accounts_len; i++)
		if (strcmp(link->accounts[i], account) == 0)
			return true;
	return link->accounts_len == 0;
}

/* Is there a section for each link that no other one names? */
static bool
names_all(const struct sled_conf *conf)
{
	for (size_t i = 0; i < conf->links_len; i++)
		if (strcmp(conf->links[i].name, "default") == 0 ||
		    strcmp(conf->links[i].name, "*") == 0)
			return true;
	return false;
}

static bool
check_carried(struct sled_conf_parse *p,
              const struct sled_conf_account *account)
{
	const struct sled_conf *conf = p->conf;

	for (size_t i = 0; i < conf->links_len; i++)
		if (carries(&conf->links[i], account->name))
			return true;
	return sled_conf_warn(
	    p, account->line, "[account %s] may pass on no [link]: %s",
	    account->name,
	    names_all(conf) ? "it is never fetched unless asked"
			    : "it is fetched only over links without "
			      "a section");
}

/* A link that comes and goes between two visits is met by chance alone. */
static bool
check_brief(struct sled_conf_parse *p, const struct sled_conf_link *link)
{
	const struct sled_conf_schedule *schedule = &p->conf->schedule;

	if (schedule->every_s == 0 || schedule->windows_len != 0 ||
	    schedule->on_link || link->up_command != NULL ||
	    link->window_s == 0 || link->window_s >= schedule->every_s)
		return true;
	return sled_conf_warn(p, link->line,
	                      "[link %s] is up for %" PRId64
	                      " s at a time, visits are every %" PRId64
	                      " s: without on-link = yes most are missed",
	                      sled_conf_show(link->name).text, link->window_s,
	                      schedule->every_s);
}

bool
sled_conf_check_links(struct sled_conf_parse *p)
{
	const struct sled_conf *conf = p->conf;

	for (size_t i = 0; i < conf->links_len; i++)
		if (!check_names(p, &conf->links[i]) ||
		    !check_brief(p, &conf->links[i]))
			return false;
	for (size_t i = 0; conf->links_len > 0 && i < conf->accounts_len; i++)
		if (!check_carried(p, &conf->accounts[i]))
			return false;
	return true;
}
