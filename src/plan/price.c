/* price.c - what octets, deletes and connections take of the line. */
#include "plan/internal.h"

#define OCTETS_MOST     (UINT64_C(1) << 40)
#define MS_MOST         (UINT64_C(1) << 60)
#define PER_MESSAGE     60u
#define DELE_UP         14u
#define DELE_DOWN       28u
#define QUIT_DOWN       130u /* its answer, and the end of TLS and TCP */
#define QUIT_BOTH       400u
#define RTT_MS          500u
#define COMMIT_MS       500u
#define CONNECT_RTTS    4u
#define CONNECT_OCTETS  1500u
#define VISIT_RTTS      6u
#define TEACHES         4096u /* octets that a window carries at least */
#define SECURE_LEAST_MS 120000u
#define SECURE_SHARE    200u
#define UNSAFE_OCTETS   90u
#define LISTED_OCTETS   45u
#define FEEL_MS         7000u
#define FEEL_PRICE_MS   2000u  /* a new connection must be worth it */
#define SHARE_MOST      65536u /* of 1024: no line is so bad */
#define DOUBT_SHARE     16u
#define DOUBT_MOST_MS   2000u

uint64_t
sled_plan_cost(uint64_t octets)
{
	uint64_t n = octets < OCTETS_MOST ? octets : OCTETS_MOST;

	return n + n / 32 + PER_MESSAGE;
}

/* What has come of all lanes since the first message was begun. */
static uint64_t
arrived(const struct sled_plan *plan)
{
	uint64_t sum = plan->landed;

	for (unsigned i = 0; i < plan->lanes_len; i++)
		sum += plan->lanes[i].came;
	return sum;
}

/* Octets of IP packets. */
static uint64_t
on_wire(const struct sled_plan *plan, uint64_t cost)
{
	uint64_t came = arrived(plan), took = plan->spent - plan->before;
	uint64_t more = cost / 16;

	if (came >= TEACHES && took > came && took < OCTETS_MOST) {
		uint64_t share = (took - came) * 1024 / came;
		uint64_t seen;

		if (share > SHARE_MOST)
			share = SHARE_MOST;
		seen = cost / 1024 * share + cost / 32;
		more = seen > more ? seen : more;
	}
	return cost + more;
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

static uint64_t
tail_ms(const struct sled_plan *plan, uint64_t deles, uint64_t quits)
{
	uint64_t up = plan->conf.rate.up != 0 ? plan->conf.rate.up : low(plan);
	uint64_t commit =
	    plan->conf.tail_ms != 0 ? plan->conf.tail_ms : COMMIT_MS;

	return commit + sled_plan_rtt_ms(plan) + ms_at(deles * DELE_UP, up) +
	       sled_plan_line_ms(plan, deles * DELE_DOWN + quits * QUIT_DOWN);
}

uint64_t
sled_plan_tail_ms(const struct sled_plan *plan, uint64_t deles)
{
	return tail_ms(plan, deles, 1);
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

/* Lanes that have an end before them, with the one that asks. */
static uint64_t
quits(const struct sled_plan *plan)
{
	uint64_t sum = 1;

	for (unsigned i = 0; i < plan->lanes_len; i++)
		sum +=
		    plan->lanes[i].begun.count > 0 || plan->lanes[i].unsafe > 0;
	return sum;
}

static void
forget_asked(struct sled_plan *plan, uint64_t now_ms)
{
	unsigned old = 0;

	while (old < plan->asked_len && plan->asked[old].from_ms <= now_ms)
		old++;
	plan->asked_len -= old;
	for (unsigned i = 0; old > 0 && i < plan->asked_len; i++)
		plan->asked[i] = plan->asked[i + old];
}

void
sled_plan_ask(struct sled_plan *plan, uint64_t octets, uint64_t now_ms)
{
	uint64_t rtt = sled_plan_rtt_ms(plan);
	struct sled_plan_asked *last;

	if (plan->landed == 0 && under_way(plan) <= octets)
		plan->before = plan->spent;

	forget_asked(plan, now_ms);
	last = &plan->asked[plan->asked_len];
	if (plan->asked_len == SLED_PLAN_ASKED ||
	    (plan->asked_len > 0 && now_ms < last[-1].since_ms + rtt / 16))
		last--;
	else
		plan->asked[plan->asked_len++] =
		    (struct sled_plan_asked){ now_ms, 0, 0 };
	last->from_ms = now_ms + rtt;
	last->octets += octets;
}

/* When all that is under way has come. The line may fall idle before what was
 * asked for last can begin to come. */
static uint64_t
come_ms(const struct sled_plan *plan, uint64_t now_ms)
{
	uint64_t when = now_ms + sled_plan_line_ms(plan, under_way(plan));
	uint64_t octets = 0;

	for (unsigned i = plan->asked_len; i > 0; i--) {
		const struct sled_plan_asked *asked = &plan->asked[i - 1];
		uint64_t other;

		octets += asked->octets;
		if (asked->from_ms <= now_ms)
			break;
		other = asked->from_ms + sled_plan_line_ms(plan, octets);
		if (other > when)
			when = other;
	}
	return when;
}

uint64_t
sled_plan_over_ms(const struct sled_plan *plan,
                  const struct sled_plan_need *need)
{
	uint64_t come = come_ms(plan, need->now_ms);
	uint64_t first = need->now_ms + sled_plan_rtt_ms(plan);

	if (need->ahead.count == 0 || first < come)
		first = come;
	return first + sled_plan_line_ms(plan, need->ahead.octets) +
	       tail_ms(plan, deletes(plan) + need->ahead.count, quits(plan));
}

bool
sled_plan_affords(const struct sled_plan *plan,
                  const struct sled_plan_need *need)
{
	uint64_t deles = deletes(plan) + need->ahead.count;
	uint64_t line = under_way(plan) + need->ahead.octets +
	                deles * (DELE_UP + DELE_DOWN) + quits(plan) * QUIT_BOTH;

	return plan->conf.fits == NULL ||
	       plan->conf.fits(plan->conf.fits_ctx,
	                       plan->spent + on_wire(plan, line),
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
sled_plan_doubt_ms(const struct sled_plan *plan)
{
	uint64_t part = plan->conf.usual_ms / DOUBT_SHARE;

	return part < DOUBT_MOST_MS ? part : DOUBT_MOST_MS;
}

uint64_t
sled_plan_soft_end(const struct sled_plan *plan, uint64_t now_ms)
{
	uint64_t usual = plan->conf.usual_ms;

	if (usual == 0 || usual == SLED_PLAN_NO_END ||
	    sled_plan_most(plan) == UINT64_MAX ||
	    now_ms >= usual + sled_plan_doubt_ms(plan))
		return SLED_PLAN_NO_END;
	return usual;
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
sled_plan_feel_end(const struct sled_plan *plan,
                   const struct sled_plan_lane *lane, uint64_t waiting)
{
	const struct sled_plan_conf *conf = &plan->conf;
	uint64_t octets = CONNECT_OCTETS + LISTED_OCTETS * waiting;
	uint64_t end = lane->feel_ms > FEEL_MS ? lane->feel_ms : FEEL_MS;

	if (!conf->strange || conf->usual_ms != SLED_PLAN_NO_END ||
	    conf->lived_ms >= FEEL_MS || conf->rate.down == 0 ||
	    end >= SECURE_LEAST_MS ||
	    CONNECT_RTTS * sled_plan_rtt_ms(plan) +
	            ms_at(octets, conf->rate.down) >
	        FEEL_PRICE_MS)
		return SLED_PLAN_NO_END;
	return end;
}

uint64_t
sled_plan_secured_ms(const struct sled_plan *plan, uint64_t now_ms)
{
	return come_ms(plan, now_ms) +
	       tail_ms(plan, deletes(plan), quits(plan));
}
