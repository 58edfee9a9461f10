/*
 * judge.c - what a lane may begin.
 *
 * The order is of three classes: wanted and not hopeless; plain and not
 * hopeless; wanted and hopeless. In a class the smallest comes first. What
 * cannot be begun keeps no time from those behind it.
 */
#include "plan/internal.h"

#define QUIET_MS   5000u
#define QUIET_RTTS 8u
#define FEEL_HOME  5u

struct judge {
	const struct sled_plan *plan;
	const struct sled_plan_lane *lane; /* of the message */
	uint64_t now_ms;
	uint64_t most; /* costs above this are hopeless */
};

static bool
is_quiet(const struct judge *j, const struct sled_plan_lane *lane)
{
	const struct sled_plan *plan = j->plan;

	return lane != j->lane &&
	       plan->now_ms > lane->heard_ms + QUIET_MS +
	                          QUIET_RTTS * sled_plan_rtt_ms(plan);
}

/* What waits in all lanes before COST; with that cost only by ITSELF, the
 * messages of its own lane before KEY. */
static struct sled_plan_sum
waits_below(const struct judge *j, unsigned tree, uint64_t cost, uint64_t key)
{
	struct sled_plan_sum sum = { 0, 0 };

	for (unsigned i = 0; i < j->plan->lanes_len; i++) {
		const struct sled_plan_lane *lane = &j->plan->lanes[i];
		struct sled_plan_sum part;

		if (is_quiet(j, lane))
			continue;
		part = sled_plan_set_below(&lane->set, tree, cost,
		                           lane == j->lane ? key : 0);
		sum.octets += part.octets;
		sum.count += part.count;
	}
	return sum;
}

/* Does SUM end in the window and the budget? */
static enum sled_plan_answer
ends(const struct judge *j, struct sled_plan_sum sum)
{
	const struct sled_plan_need need = { sum, j->now_ms };

	if (sled_plan_over_ms(j->plan, &need) > j->plan->conf.window_ms)
		return SLED_PLAN_TIME;
	return sled_plan_affords(j->plan, &need) ? SLED_PLAN_BEGIN
	                                         : SLED_PLAN_BUDGET;
}

/* Of what waits in TREE below MOST, the smallest that can all be begun. */
static struct sled_plan_sum
fitting(const struct judge *j, unsigned tree, uint64_t most)
{
	struct sled_plan_sum sum = waits_below(j, tree, most, 0);
	uint64_t low = 0, high = most;

	if (sum.count == 0 || ends(j, sum) == SLED_PLAN_BEGIN)
		return sum;
	if (high > sum.octets)
		high = sum.octets + 1;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;

		if (ends(j, waits_below(j, tree, middle, 0)) == SLED_PLAN_BEGIN)
			low = middle;
		else
			high = middle;
	}
	return waits_below(j, tree, low, 0);
}

/* Costs up to this are not hopeless, as a bound that is itself outside. */
static uint64_t
bound(const struct judge *j)
{
	return j->most == UINT64_MAX ? j->most : j->most + 1;
}

/* All that comes before NODE, and it. */
static struct sled_plan_sum
up_to(const struct judge *j, const struct sled_plan_node *node)
{
	struct sled_plan_sum sum =
	    waits_below(j, node->tree, node->cost, node->key);

	if (node->tree != SLED_PLAN_WANTED) {
		struct sled_plan_sum first =
		    fitting(j, SLED_PLAN_WANTED, bound(j));

		sum.octets += first.octets;
		sum.count += first.count;
	}
	sum.octets += node->cost;
	sum.count++;
	return sum;
}

/* Would SUM end in the window when a new connection comes first? */
static bool
ends_after_securing(const struct judge *j, struct sled_plan_sum sum)
{
	struct judge later = *j;

	later.now_ms += sled_plan_again_ms(j->plan) +
	                sled_plan_tail_ms(j->plan, j->lane->unsafe);
	return ends(&later, sum) == SLED_PLAN_BEGIN;
}

static bool
has_unsafe(const struct sled_plan_lane *lane)
{
	return !lane->no_secure && lane->unsafe + lane->begun.count > 0;
}

/* Nobody knows how long the line lasts, and SUM would end late. */
static bool
is_too_long_to_trust(const struct judge *j, struct sled_plan_sum sum)
{
	const struct sled_plan_need need = { sum, j->now_ms };
	struct sled_plan_sum first =
	    waits_below(j, SLED_PLAN_WANTED, UINT64_MAX, 0);
	struct sled_plan_sum rest =
	    waits_below(j, SLED_PLAN_PLAIN, UINT64_MAX, 0);
	const struct sled_plan_need all = {
		{ first.octets + rest.octets, first.count + rest.count },
		j->now_ms,
	};
	uint64_t end = sled_plan_feel_end(j->plan, j->lane, all.ahead.count);

	return end != SLED_PLAN_NO_END &&
	       sled_plan_over_ms(j->plan, &need) > end &&
	       sled_plan_over_ms(j->plan, &all) > FEEL_HOME * end;
}

/* The last windows were cut before SUM would end. */
static bool
is_cut_before(const struct judge *j, struct sled_plan_sum sum)
{
	const struct sled_plan_need need = { sum, j->now_ms };
	uint64_t lately = j->plan->conf.lately_ms;

	return lately != 0 && lately != SLED_PLAN_NO_END &&
	       j->now_ms < lately + sled_plan_doubt_ms(j->plan) &&
	       sled_plan_over_ms(j->plan, &need) > lately;
}

/* It would end in the window: also before the line is likely to be cut? */
static enum sled_plan_answer
weigh_cut(const struct judge *j, struct sled_plan_sum sum)
{
	const struct sled_plan_need need = { sum, j->now_ms };
	const struct sled_plan *plan = j->plan;
	uint64_t end = sled_plan_soft_end(plan, j->now_ms);
	uint64_t again =
	    sled_plan_secured_ms(plan, j->now_ms) + sled_plan_again_ms(plan);

	if (end != SLED_PLAN_NO_END && sled_plan_over_ms(plan, &need) > end)
		return has_unsafe(j->lane) &&
		               again >= end + sled_plan_doubt_ms(plan) &&
		               ends_after_securing(j, sum)
		           ? SLED_PLAN_SECURE
		           : SLED_PLAN_TIME;
	if (!has_unsafe(j->lane) || !ends_after_securing(j, sum))
		return SLED_PLAN_BEGIN;
	if (is_cut_before(j, sum) || is_too_long_to_trust(j, sum))
		return SLED_PLAN_SECURE;
	if (end == SLED_PLAN_NO_END && plan->conf.usual_ms > 0 &&
	    j->now_ms >= plan->conf.usual_ms && !j->lane->outlived &&
	    sled_plan_most(plan) != UINT64_MAX)
		return SLED_PLAN_SECURE;
	return sled_plan_is_long(plan, j->lane, j->now_ms) ? SLED_PLAN_SECURE
	                                                   : SLED_PLAN_BEGIN;
}

/* Wanted, and longer than any window was: the last of all. */
static enum sled_plan_answer
weigh_hopeless(const struct judge *j, const struct sled_plan_node *node)
{
	struct sled_plan_sum sum = { node->cost, 1 };
	enum sled_plan_answer answer = ends(j, sum);

	if (answer != SLED_PLAN_BEGIN)
		return answer;
	if (fitting(j, SLED_PLAN_WANTED, bound(j)).count > 0 ||
	    fitting(j, SLED_PLAN_PLAIN, bound(j)).count > 0)
		return SLED_PLAN_HOPELESS;
	return has_unsafe(j->lane) && ends_after_securing(j, sum)
	           ? SLED_PLAN_SECURE
	           : SLED_PLAN_BEGIN;
}

static enum sled_plan_answer
weigh(const struct judge *j, const struct sled_plan_node *node)
{
	enum sled_plan_answer answer;
	struct sled_plan_sum sum;

	if (node->cost > j->most)
		return node->tree == SLED_PLAN_WANTED ? weigh_hopeless(j, node)
		                                      : SLED_PLAN_HOPELESS;
	sum = up_to(j, node);
	answer = ends(j, sum);
	return answer == SLED_PLAN_BEGIN ? weigh_cut(j, sum) : answer;
}

static struct judge
judge_of(const struct sled_plan *plan, unsigned lane, uint64_t now_ms)
{
	return (struct judge){ plan, &plan->lanes[lane], now_ms,
		               sled_plan_most(plan) };
}

/* The first of each class, until one can begin or must wait for a SECURE. */
static enum sled_plan_answer
choose(const struct judge *j, uint32_t *node)
{
	const struct sled_plan_set *set = &j->lane->set;
	const uint32_t firsts[] = {
		sled_plan_set_above(set, SLED_PLAN_WANTED, 0),
		sled_plan_set_above(set, SLED_PLAN_PLAIN, 0),
		j->most == UINT64_MAX
		    ? 0
		    : sled_plan_set_above(set, SLED_PLAN_WANTED, j->most),
	};
	enum sled_plan_answer why = SLED_PLAN_EMPTY;

	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		enum sled_plan_answer answer;

		*node = firsts[i];
		if (*node == 0)
			continue;
		answer = weigh(j, &set->nodes[*node]);
		if (answer == SLED_PLAN_BEGIN || answer == SLED_PLAN_SECURE)
			return answer;
		if (why == SLED_PLAN_EMPTY)
			why = answer;
	}
	return why;
}

static void
hear(struct sled_plan *plan, unsigned lane, uint64_t now_ms)
{
	if (now_ms > plan->now_ms)
		plan->now_ms = now_ms;
	plan->lanes[lane].heard_ms = plan->now_ms;
}

enum sled_plan_answer
sled_plan_next(struct sled_plan *plan, unsigned lane, uint64_t now_ms,
               uint32_t *key)
{
	struct sled_plan_lane *own = &plan->lanes[lane];
	enum sled_plan_answer answer;
	struct judge j;
	uint32_t node = 0;

	hear(plan, lane, now_ms);
	j = judge_of(plan, lane, now_ms);
	answer = choose(&j, &node);
	if (answer != SLED_PLAN_BEGIN)
		return answer;
	sled_plan_set_remove(&own->set, node);
	own->set.nodes[node].state = SLED_PLAN_BEGUN;
	own->begun.octets += own->set.nodes[node].cost;
	own->begun.count++;
	sled_plan_ask(plan, own->set.nodes[node].cost, now_ms);
	*key = own->set.nodes[node].key;
	return answer;
}

enum sled_plan_answer
sled_plan_why(struct sled_plan *plan, unsigned lane, uint32_t key,
              uint64_t now_ms)
{
	const struct sled_plan_set *set = &plan->lanes[lane].set;
	struct judge j = judge_of(plan, lane, now_ms);
	uint32_t node = sled_plan_set_find(set, key);

	if (node == 0 || set->nodes[node].state != SLED_PLAN_WAITS)
		return SLED_PLAN_EMPTY;
	return weigh(&j, &set->nodes[node]);
}
