/* plan.c - a plan, its lanes, and what they tell. */
#include <stdlib.h>

#include "plan/internal.h"

bool
sled_plan_new(struct sled_plan **out, const struct sled_plan_conf *conf,
              struct sled_err *err)
{
	struct sled_plan *plan = calloc(1, sizeof(*plan));

	if (plan == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "plan");
	plan->conf = *conf;
	*out = plan;
	return true;
}

void
sled_plan_free(struct sled_plan **freeing)
{
	struct sled_plan *plan = *freeing;

	if (plan == NULL)
		return;
	for (unsigned i = 0; i < plan->lanes_len; i++)
		sled_plan_set_free(&plan->lanes[i].set);
	free(plan->lanes);
	free(plan);
	*freeing = NULL;
}

void
sled_plan_measured(struct sled_plan *plan, const struct sled_plan_rate *rate)
{
	plan->conf.rate = *rate;
}

void
sled_plan_spent(struct sled_plan *plan, uint64_t wire)
{
	plan->spent = wire;
}

bool
sled_plan_join(struct sled_plan *plan, unsigned *lane, struct sled_err *err)
{
	struct sled_plan_lane *lanes = reallocarray(
	    plan->lanes, (size_t)plan->lanes_len + 1, sizeof(*lanes));

	if (lanes == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "plan");
	plan->lanes = lanes;
	lanes[plan->lanes_len] =
	    (struct sled_plan_lane){ .heard_ms = plan->now_ms };
	*lane = plan->lanes_len++;
	return true;
}

bool
sled_plan_offer(struct sled_plan *plan, unsigned lane, uint32_t key,
                uint64_t octets, enum sled_plan_rank rank, struct sled_err *err)
{
	plan->lanes[lane].heard_ms = plan->now_ms;
	return sled_plan_set_add(&plan->lanes[lane].set, key,
	                         sled_plan_cost(octets), rank, err);
}

void
sled_plan_leave(struct sled_plan *plan, unsigned lane)
{
	struct sled_plan_lane *own = &plan->lanes[lane];

	sled_plan_set_free(&own->set);
	own->begun = (struct sled_plan_sum){ 0, 0 };
	own->came = own->unsafe = 0;
}

/* A message that was begun is under way no more; 0: it was not. */
static uint32_t
take_back(struct sled_plan_lane *lane, uint32_t key)
{
	uint32_t at = sled_plan_set_find(&lane->set, key);

	if (at == 0 || lane->set.nodes[at].state != SLED_PLAN_BEGUN)
		return 0;
	lane->begun.octets -= lane->set.nodes[at].cost;
	lane->begun.count--;
	return at;
}

void
sled_plan_landed(struct sled_plan *plan, unsigned lane, uint32_t key)
{
	struct sled_plan_lane *own = &plan->lanes[lane];
	uint32_t at = take_back(own, key);

	own->heard_ms = plan->now_ms;
	if (at == 0)
		return;
	own->set.nodes[at].state = SLED_PLAN_LANDED;
	plan->landed += own->set.nodes[at].cost;
	/* What came of the one behind it counts as still to come: a little
	 * time is kept back too much, never too little. */
	own->came = 0;
}

void
sled_plan_came(struct sled_plan *plan, unsigned lane, uint64_t octets)
{
	plan->lanes[lane].heard_ms = plan->now_ms;
	plan->lanes[lane].came += octets;
}

void
sled_plan_return(struct sled_plan *plan, unsigned lane, uint32_t key)
{
	struct sled_plan_lane *own = &plan->lanes[lane];
	uint32_t at = take_back(own, key);

	if (at == 0)
		return;
	own->set.nodes[at].state = SLED_PLAN_WAITS;
	sled_plan_set_insert(&own->set, at);
}

void
sled_plan_pending(struct sled_plan *plan, unsigned lane, uint64_t unsafe)
{
	plan->lanes[lane].unsafe = unsafe;
}

void
sled_plan_secured(struct sled_plan *plan, unsigned lane, uint64_t now_ms)
{
	struct sled_plan_lane *own = &plan->lanes[lane];

	own->unsafe = 0;
	own->secured_ms = now_ms;
	own->feel_ms = 2 * now_ms;
	own->heard_ms = plan->now_ms;
	if (plan->conf.usual_ms != SLED_PLAN_NO_END &&
	    now_ms + sled_plan_again_ms(plan) >= plan->conf.usual_ms)
		own->outlived = true;
}

void
sled_plan_no_secure(struct sled_plan *plan, unsigned lane)
{
	plan->lanes[lane].no_secure = true;
}
