/* pace.c - how many octets may be on their way. */
#include "session/pace.h"

#include <string.h>

#define SEGMENT      UINT64_C(1448) /* of an Ethernet path, with timestamps */
#define FULL         512u  /* at least a segment's octets, on any path */
#define TWO_SMALL    8192u /* messages */
#define SECOND_US    1000000
#define RTT_LEAST_US 500000u
#define RTT_MOST_US  60000000u
#define OTHER_PATH   2u     /* times nearer than what is remembered */
#define RTT_NEAR_US  30000u /* no satellite and no modem is so near */
#define RATE_MOST    UINT64_C(10000000000)
/* Above, Linux as it comes (net.core.rmem_max) would give less than asked. */
#define WINDOW_MOST (192u << 10)
/* What the kernel offers by itself before it knows better. */
#define WINDOW_OFFERED (64u << 10)
#define FLIGHT_MOST    (4u << 20)
/* A measure: so long, or an RTT, and so much. */
#define SPAN_LEAST_US 200000
#define SPAN_OCTETS   (4 * SEGMENT)

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Up by half the way, down by an eighth: a starved moment or a bad day is no
 * reason to forget what the path can carry. */
static uint64_t
blend(uint64_t was, uint64_t is)
{
	return is > was ? was + (is - was + 1) / 2 : was - (was - is) / 8;
}

static uint32_t
rtt_us(const struct sled_pace *p)
{
	uint64_t known = (uint64_t)p->known.rtt_ms * 1000;

	return p->rtt_us ? p->rtt_us : (uint32_t)least(known, RTT_MOST_US);
}

static uint64_t
rate(const struct sled_pace *p)
{
	if (p->rate)
		return p->rate;
	return p->known.rate ? p->known.rate : p->guess;
}

/* R * T of the header. */
static uint64_t
on_line(const struct sled_pace *p, uint64_t octets_s)
{
	uint64_t rtt = rtt_us(p) > RTT_LEAST_US ? rtt_us(p) : RTT_LEAST_US;

	return octets_s * rtt / SECOND_US;
}

/* W of the header. */
static uint64_t
full_window(const struct sled_pace *p, uint64_t octets_s)
{
	return 3 * on_line(p, octets_s) + 2 * SEGMENT;
}

/* W, or 0 where it is the kernel's. */
static uint32_t
window(const struct sled_pace *p, uint64_t octets_s)
{
	if (octets_s == 0 || 2 * on_line(p, octets_s) > WINDOW_MOST)
		return 0;
	return (uint32_t)least(full_window(p, octets_s), WINDOW_MOST);
}

void
sled_pace_init(struct sled_pace *p, const struct sled_pace_path *path)
{
	(void)memset(p, 0, sizeof(*p));
	if (path)
		p->known = *path;
	p->known.rate = least(p->known.rate, RATE_MOST);
	p->filling = true;
	p->window = window(p, p->known.rate);
}

uint32_t
sled_pace_window(const struct sled_pace *p)
{
	return p->window;
}

void
sled_pace_rtt(struct sled_pace *p, uint32_t smallest_us)
{
	uint32_t us = (uint32_t)least(smallest_us, RTT_MOST_US);

	if (us > 0 && (p->rtt_us == 0 || us < p->rtt_us))
		p->rtt_us = us;
	/* Another line behind the same interface. */
	if (p->rtt_us > 0 &&
	    p->rtt_us < (uint64_t)p->known.rtt_ms * 1000 / OTHER_PATH)
		p->known = (struct sled_pace_path){ 0 };
}

/* ---- measuring ---- */

static void
begin(struct sled_pace *p, int64_t now_us)
{
	p->measuring = true;
	p->since_us = p->last_us = now_us;
	p->gap_us = 0;
	p->came = p->most = 0;
}

static uint64_t
per_second(uint64_t octets, int64_t us)
{
	uint64_t most = RATE_MOST / SECOND_US;
	uint64_t span = us > 0 ? (uint64_t)us : 1;

	return octets / span >= most ? RATE_MOST : octets * SECOND_US / span;
}

static void
take_measure(struct sled_pace *p, uint64_t measured)
{
	uint64_t was = p->rate ? p->rate : p->known.rate;

	/* Far below what is remembered: another path, not a bad moment. */
	if (!p->rate && measured < was / 4)
		was = measured;
	p->rate = was ? blend(was, measured) : measured;
	p->seen = p->seen ? blend(p->seen, measured) : measured;
	if (p->rate == 0)
		p->rate = p->seen = 1;
	p->last[p->measures++ % SLED_PACE_LAST] = measured;
}

uint64_t
sled_pace_rate(const struct sled_pace *p)
{
	return p->rate;
}

uint64_t
sled_pace_low(const struct sled_pace *p)
{
	size_t len = least(p->measures, SLED_PACE_LAST);
	uint64_t low = p->rate;

	for (size_t i = 0; i < len; i++)
		low = least(low, p->last[i]);
	/* What could still be worse, by each measure that is missing. */
	low -=
	    low * 3 * (SLED_PACE_LAST - len) / (UINT64_C(10) * SLED_PACE_LAST);
	return low > p->rate / 2 ? low : p->rate / 2;
}

/*
 * A measure with one pause as long as half of it is none: a segment was lost
 * and what had come behind it was handed out at once, or nothing was asked
 * for in time. It goes on until no arrival is over a quarter of it: part of
 * such a burst may have come before it began.
 */
static void
measure(struct sled_pace *p, int64_t now_us, size_t octets)
{
	int64_t gap = now_us - p->last_us, whole = now_us - p->since_us;
	int64_t span = rtt_us(p) > SPAN_LEAST_US ? rtt_us(p) : SPAN_LEAST_US;

	p->came += octets;
	p->last_us = now_us;
	if (octets > p->most)
		p->most = octets;
	if (gap > p->gap_us)
		p->gap_us = gap;
	if (octets >= FULL && per_second(octets, gap) > p->guess)
		p->guess = per_second(octets, gap);
	if (whole < span || p->came < SPAN_OCTETS || p->came / 4 < p->most)
		return;
	if (p->gap_us <= whole / 2)
		take_measure(p, per_second(p->came, whole));
	begin(p, now_us);
}

void
sled_pace_came(struct sled_pace *p, int64_t now_us, size_t octets, bool owed)
{
	bool more = owed || octets >= FULL;

	if (p->measuring && now_us >= p->last_us)
		measure(p, now_us, octets);
	else if (more)
		begin(p, now_us);
	if (!more)
		p->measuring = false;
}

/* ---- the flight ---- */

/* Does the window let far more through than the path takes? Then only the
 * flight keeps a slow one from minutes of queue. */
static bool
window_is_open(const struct sled_pace *p)
{
	uint64_t full = full_window(p, rate(p));

	return full < WINDOW_OFFERED &&
	       (p->window == 0 || p->window > 2 * full);
}

/* Below this the line could run dry before the next answer is on it. */
static uint64_t
flight_low(const struct sled_pace *p)
{
	uint64_t spare = TWO_SMALL;

	if (!rate(p))
		return SLED_PACE_FLIGHT / 2;
	if (window_is_open(p))
		spare /= 2;
	return least(full_window(p, rate(p)) + spare, FLIGHT_MOST);
}

static uint64_t
flight_high(const struct sled_pace *p)
{
	if (!rate(p))
		return SLED_PACE_FLIGHT;
	return least((window_is_open(p) ? 1 : 3) * flight_low(p), FLIGHT_MOST);
}

uint64_t
sled_pace_flight(const struct sled_pace *p)
{
	return flight_high(p);
}

bool
sled_pace_may_ask(struct sled_pace *p, uint64_t waiting)
{
	p->filling = waiting < (p->filling ? flight_high(p) : flight_low(p));
	return p->filling;
}

/* ---- the window of the live connection ---- */

/* The kernel's own window, set down where the handshake came slowly. */
static uint32_t
set_down(const struct sled_pace *p)
{
	uint32_t want = window(p, p->guess);

	/* Later the kernel may have grown it, and slow start looks slow; and a
	 * slow handshake over a short way is a slow server. */
	if (p->rate || p->known.visits > 0 || !want ||
	    (p->rtt_us > 0 && p->rtt_us < RTT_NEAR_US))
		return 0;
	return want > WINDOW_OFFERED ? want : WINDOW_OFFERED;
}

uint64_t
sled_pace_time_ms(const struct sled_pace *p, uint64_t octets)
{
	uint64_t octets_s = rate(p);

	return octets_s == 0 ? 0 : octets * 1000 / octets_s;
}

uint32_t
sled_pace_retune(struct sled_pace *p)
{
	uint64_t want;

	if (!p->window) {
		p->window = set_down(p);
		return p->window;
	}
	/* Where it limits, the rate is W / T: three times what it is. */
	want = rate(p) ? least(full_window(p, rate(p)), WINDOW_MOST)
	               : WINDOW_OFFERED;
	if (want <= p->window + p->window / 4)
		return 0;
	p->window = (uint32_t)want;
	return p->window;
}

/* ---- what to remember ---- */

static uint32_t
blend_rtt(uint32_t was_ms, uint32_t us)
{
	uint32_t is = us > 0 && us < 1000 ? 1 : us / 1000;

	if (is == 0 || was_ms == 0)
		return is ? is : was_ms;
	return is < was_ms ? is : was_ms + (is - was_ms) / 8;
}

bool
sled_pace_learn(const struct sled_pace *p, struct sled_pace_path *out)
{
	uint64_t is = p->seen ? p->seen : p->guess;

	if (!is || (!p->seen && p->known.visits > 0))
		return false;
	*out = p->known;
	/* A guess gives way at once to the first measure. */
	out->rate = p->known.rate && (p->known.visits || !p->seen)
	                ? blend(p->known.rate, is)
	                : is;
	out->rtt_ms = blend_rtt(p->known.rtt_ms, p->rtt_us);
	if (p->seen && out->visits < UINT32_MAX)
		out->visits++;
	return true;
}
