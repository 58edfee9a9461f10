/* price.c - what octets, deletes and connections take of the line. */
#include "plan/internal.h"

#define OCTETS_MOST     (UINT64_C(1) << 40)
#define MS_MOST         (UINT64_C(1) << 60)
#define PER_MESSAGE     60u
#define DELE_UP         14u
#define DELE_DOWN       28u
#define RTT_MS          500u
#define COMMIT_MS       500u
#define CONNECT_RTTS    4u
#define CONNECT_OCTETS  1500u
#define VISIT_RTTS      6u
#define TEACHES         4096u /* octets that a window carries at least */
#define SECURE_LEAST_MS 120000u
#define SECURE_SHARE    200u
#define UNSAFE_OCTETS   90u

uint64_t
sled_plan_cost(uint64_t octets)
{
	uint64_t n = octets < OCTETS_MOST ? octets : OCTETS_MOST;

	return n + n / 32 + PER_MESSAGE;
}

/* Octets of IP packets. */
static uint64_t
on_wire(uint64_t cost)
{
	return cost + cost / 32;
}

static uint64_t
ms_at(uint64_t octets, uint64_t rate)
{
	uint64_t whole;

	if (rate == 0)
		return 0;
	whole = octets / rate;
	if (whole >= MS_MOST / 1000)
		return MS_MOST;
	return whole * 1000 + (octets % rate * 1000 + rate - 1) / rate;
}

static uint64_t
low(const struct sled_plan *plan)
{
	const struct sled_plan_rate *rate = &plan->conf.rate;

	return rate->low != 0 ? rate->low : rate->down;
}

uint64_t
sled_plan_line_ms(const struct sled_plan *plan, uint64_t cost)
{
	return ms_at(cost, low(plan));
}

uint64_t
sled_plan_rtt_ms(const struct sled_plan *plan)
{
	return plan->conf.rate.rtt_ms != 0 ? plan->conf.rate.rtt_ms : RTT_MS;
}

uint64_t
sled_plan_again_ms(const struct sled_plan *plan)
{
	return CONNECT_RTTS * sled_plan_rtt_ms(plan) +
	       sled_plan_line_ms(plan, CONNECT_OCTETS);
}

uint64_t
sled_plan_ms(const struct sled_plan *plan, uint64_t octets)
{
	uint64_t ms = sled_plan_line_ms(plan, sled_plan_cost(octets));

	return ms == 0 ? 0 : ms + sled_plan_rtt_ms(plan);
}

uint64_t
sled_plan_tail_ms(const struct sled_plan *plan, uint64_t deles)
{
	uint64_t up = plan->conf.rate.up != 0 ? plan->conf.rate.up : low(plan);
	uint64_t commit =
	    plan->conf.tail_ms != 0 ? plan->conf.tail_ms : COMMIT_MS;

	return commit + sled_plan_rtt_ms(plan) + ms_at(deles * DELE_UP, up) +
	       sled_plan_line_ms(plan, deles * DELE_DOWN);
}

/* What was begun and has not come, of all lanes. */
static uint64_t
under_way(const struct sled_plan *plan)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < plan->lanes_len; i++) {
		const struct sled_plan_lane *lane = &plan->lanes[i];

		if (lane->begun.octets > lane->came)
			sum += lane->begun.octets - lane->came;
	}
	return sum;
}

static uint64_t
deletes(const struct sled_plan *plan)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < plan->lanes_len; i++)
		sum += plan->lanes[i].unsafe + plan->lanes[i].begun.count;
	return sum;
}

uint64_t
sled_plan_over_ms(const struct sled_plan *plan,
                  const struct sled_plan_need *need)
{
	uint64_t first = sled_plan_line_ms(plan, under_way(plan));
	uint64_t rtt = sled_plan_rtt_ms(plan);

	/* What is asked for now begins to come an RTT later. */
	if (need->ahead.count > 0 && first < rtt)
		first = rtt;
	return need->now_ms + first +
	       sled_plan_line_ms(plan, need->ahead.octets) +
	       sled_plan_tail_ms(plan, deletes(plan) + need->ahead.count);
}

bool
sled_plan_affords(const struct sled_plan *plan,
                  const struct sled_plan_need *need)
{
	uint64_t deles = deletes(plan) + need->ahead.count;
	uint64_t line = under_way(plan) + need->ahead.octets +
	                deles * (DELE_UP + DELE_DOWN) +
	                CONNECT_OCTETS; /* the end of each visit and more */

	return plan->conf.fits == NULL ||
	       plan->conf.fits(plan->conf.fits_ctx, plan->spent + on_wire(line),
	                       sled_plan_over_ms(plan, need));
}

static uint64_t
whole_ms(const struct sled_plan *plan)
{
	const struct sled_plan_conf *conf = &plan->conf;

	return conf->whole_ms != 0 ? conf->whole_ms : conf->usual_ms;
}

uint64_t
sled_plan_most(const struct sled_plan *plan)
{
	uint64_t whole = whole_ms(plan), cost;
	uint64_t fixed =
	    VISIT_RTTS * sled_plan_rtt_ms(plan) + sled_plan_tail_ms(plan, 1);

	if (low(plan) == 0 || whole == 0 || whole >= MS_MOST)
		return UINT64_MAX;
	if (whole <= fixed)
		return UINT64_MAX;
	whole -= fixed;
	if (whole / 1000 >= MS_MOST / low(plan))
		return UINT64_MAX;
	cost = whole / 1000 * low(plan) + whole % 1000 * low(plan) / 1000;
	return cost < TEACHES ? UINT64_MAX : cost;
}

uint64_t
sled_plan_soft_end(const struct sled_plan *plan, uint64_t now_ms)
{
	return now_ms >= plan->conf.usual_ms ||
	               sled_plan_most(plan) == UINT64_MAX
	           ? SLED_PLAN_NO_END
	           : plan->conf.usual_ms;
}

bool
sled_plan_is_long(const struct sled_plan *plan,
                  const struct sled_plan_lane *lane, uint64_t now_ms)
{
	uint64_t price = sled_plan_again_ms(plan);
	uint64_t since =
	    now_ms > lane->secured_ms ? now_ms - lane->secured_ms : 0;

	if (low(plan) == 0 || lane->unsafe == 0 || since < SECURE_LEAST_MS)
		return false;
	return since / SECURE_SHARE >= price ||
	       sled_plan_line_ms(plan, lane->unsafe * UNSAFE_OCTETS) >= price;
}

uint64_t
sled_plan_secured_ms(const struct sled_plan *plan, uint64_t now_ms)
{
	return now_ms + sled_plan_line_ms(plan, under_way(plan)) +
	       sled_plan_tail_ms(plan, deletes(plan));
}
