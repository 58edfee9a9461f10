/*
 * forecast_run.c - the planner, run over a line of constant rate.
 *
 * The line carries what was measured, the plan promises by the slow end of it,
 * as in a visit. One line, first in, first out; each account connects at once.
 */
#include <stdlib.h>

#include "cli/forecast.h"

#define CONNECT_RTTS 4u
#define CONNECT_DOWN 3700u /* TLS and all, once */
#define CONNECT_UP   1500u
#define LINE         45u /* of a listing */
#define DELE         42u
#define QUIT         400u
#define RTT_MS       500u
#define FLIGHT       8192u

struct run {
	struct sled_forecast *forecast;
	struct sled_plan *plan;
	uint32_t *queue; /* items that were begun, in order */
	size_t begun, landed;
	uint64_t now_ms, free_ms; /* the line is busy until then */
	uint64_t wire, waiting;   /* octets */
	uint64_t *unsafe;         /* of each account */
	bool *securing;
};

static bool
fits(void *ctx, uint64_t bytes, uint64_t ms)
{
	struct sled_forecast *f = ctx;

	return sled_tariff_fits(f->link.profile, &f->link.used, bytes, ms,
	                        &f->over);
}

static uint64_t
line_ms(const struct run *run, uint64_t octets)
{
	return octets * 1000 / run->forecast->link.rate.down;
}

static uint64_t
rtt_ms(const struct run *run)
{
	uint32_t rtt = run->forecast->link.rate.rtt_ms;

	return rtt != 0 ? rtt : RTT_MS;
}

static bool
offer(struct run *run, struct sled_err *err)
{
	struct sled_forecast *f = run->forecast;

	for (uint32_t i = 0; i < f->accounts_len; i++)
		if (!sled_plan_join(run->plan, &f->accounts[i].lane, err))
			return false;
	for (size_t i = 0; i < f->len; i++) {
		const struct sled_forecast_item *item = &f->items[i];

		if (item->fate == SLED_FORECAST_TIME &&
		    !sled_plan_offer(
			run->plan, f->accounts[item->account].lane, (uint32_t)i,
			item->size,
			item->wanted ? SLED_PLAN_WANTED : SLED_PLAN_PLAIN, err))
			return false;
	}
	return true;
}

/* All accounts connect at once, and list what they have. */
static void
connect_all(struct run *run)
{
	const struct sled_forecast *f = run->forecast;
	uint64_t down = 0;

	for (uint32_t i = 0; i < f->accounts_len; i++)
		down += CONNECT_DOWN + f->accounts[i].listed * LINE;
	run->wire = down + (uint64_t)f->accounts_len * CONNECT_UP;
	run->now_ms = CONNECT_RTTS * rtt_ms(run) + line_ms(run, down);
	run->forecast->connections = f->accounts_len;
	sled_plan_spent(run->plan, run->wire);
}

/* What a message is on the line; see plan.h. */
static uint64_t
cost_of(const struct sled_forecast_item *item)
{
	return item->size + item->size / 32 + 60;
}

static void
begin(struct run *run, uint32_t key)
{
	struct sled_forecast_item *item = &run->forecast->items[key];
	uint64_t from = run->now_ms + rtt_ms(run);

	if (from < run->free_ms)
		from = run->free_ms;
	item->fate = SLED_FORECAST_COMES;
	item->starts_ms = from;
	item->ends_ms = run->free_ms = from + line_ms(run, cost_of(item));
	run->waiting += item->size;
	run->queue[run->begun++] = key;
	item->order = run->begun;
}

/* Each account in turn, until none may begin or enough is on its way. */
static void
ask(struct run *run)
{
	struct sled_forecast *f = run->forecast;
	uint64_t flight = FLIGHT + 3 * f->link.rate.down * rtt_ms(run) / 1000;
	bool more = true;

	while (more && run->waiting < flight) {
		more = false;
		for (uint32_t i = 0; i < f->accounts_len; i++) {
			uint32_t key = 0;
			enum sled_plan_answer answer = sled_plan_next(
			    run->plan, f->accounts[i].lane, run->now_ms, &key);

			/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it was looked at */
			run->securing[i] = answer == SLED_PLAN_SECURE;
			if (answer != SLED_PLAN_BEGIN)
				continue;
			begin(run, key);
			more = true;
		}
	}
}

static void
land(struct run *run)
{
	struct sled_forecast *f = run->forecast;
	uint32_t key = run->queue[run->landed++];
	struct sled_forecast_item *item = &f->items[key];
	unsigned lane = f->accounts[item->account].lane;
	struct sled_bill bill = { 0 };

	run->now_ms = item->ends_ms;
	run->waiting -= item->size;
	run->wire += cost_of(item) + cost_of(item) / 32;
	sled_plan_came(run->plan, lane, cost_of(item));
	sled_plan_landed(run->plan, lane, key);
	sled_plan_pending(run->plan, lane, ++run->unsafe[item->account]);
	sled_plan_spent(run->plan, run->wire);
	sled_tariff_bill(f->link.profile, run->wire, run->now_ms, &bill);
	item->wire = run->wire;
	item->money = bill.money;
}

/* DELEs and QUIT of the accounts that are to; of all when it is the end. */
static bool
end(struct run *run, bool all)
{
	struct sled_forecast *f = run->forecast;
	uint64_t deles = 0;
	bool any = false;

	for (uint32_t i = 0; i < f->accounts_len; i++) {
		/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): it was looked at */
		if (!all && !run->securing[i])
			continue;
		any = true;
		deles += run->unsafe[i];
		run->wire += QUIT;
		run->unsafe[i] = 0;
	}
	run->wire += deles * DELE;
	if (any)
		run->now_ms += sled_plan_tail_ms(run->plan, deles);
	return any;
}

/* The accounts that have secured what they had connect again. */
static void
connect_again(struct run *run)
{
	struct sled_forecast *f = run->forecast;
	uint64_t secured = run->now_ms;

	for (uint32_t i = 0; i < f->accounts_len; i++) {
		if (!run->securing[i])
			continue;
		sled_plan_pending(run->plan, f->accounts[i].lane, 0);
		sled_plan_secured(run->plan, f->accounts[i].lane, secured);
		run->wire += CONNECT_UP;
		f->connections++;
	}
	run->now_ms = secured + CONNECT_RTTS * rtt_ms(run);
	sled_plan_spent(run->plan, run->wire);
}

static void
tell_why(struct run *run)
{
	struct sled_forecast *f = run->forecast;

	for (size_t i = 0; i < f->len; i++) {
		struct sled_forecast_item *item = &f->items[i];
		enum sled_plan_answer why;

		if (item->fate != SLED_FORECAST_TIME)
			continue;
		why = sled_plan_why(run->plan, f->accounts[item->account].lane,
		                    (uint32_t)i, run->now_ms);
		if (why == SLED_PLAN_BUDGET)
			item->fate = SLED_FORECAST_BUDGET;
		else if (why == SLED_PLAN_HOPELESS)
			item->fate = SLED_FORECAST_HOPELESS;
	}
}

static void
simulate(struct run *run)
{
	struct sled_forecast *f = run->forecast;

	connect_all(run);
	do {
		ask(run);
		while (run->landed < run->begun) {
			land(run);
			ask(run);
		}
		tell_why(run);
		if (!end(run, false))
			break;
		connect_again(run);
	} while (true);
	(void)end(run, true);
	f->ms = run->now_ms;
	f->wire = run->wire;
	sled_tariff_bill(f->link.profile, f->wire, f->ms, &f->bill);
}

bool
sled_forecast_run(struct sled_forecast *f, struct sled_err *err)
{
	const struct sled_plan_conf conf = { .window_ms = f->link.window_ms,
		                             .usual_ms = f->link.usual_ms,
		                             .tail_ms = f->link.tail_ms,
		                             .rate = f->link.rate,
		                             .fits = fits,
		                             .fits_ctx = f };
	struct run run = { .forecast = f };
	bool ok;

	run.queue = calloc(f->len + 1, sizeof(*run.queue));
	run.unsafe = calloc((size_t)f->accounts_len + 1, sizeof(*run.unsafe));
	run.securing =
	    calloc((size_t)f->accounts_len + 1, sizeof(*run.securing));
	if (run.queue == NULL || run.unsafe == NULL || run.securing == NULL)
		ok = sled_fail(err, SLED_ERR_NOMEM, "plan");
	else
		ok = sled_plan_new(&run.plan, &conf, err) && offer(&run, err);
	if (ok)
		simulate(&run);
	sled_plan_free(&run.plan);
	free(run.queue);
	free(run.unsafe);
	free(run.securing);
	return ok;
}
