/*
 * internal.h - what the files of plan share; private to plan.
 *
 * Costs are octets on the line, see plan.h's figures.
 */
#ifndef PLAN_INTERNAL_H
#define PLAN_INTERNAL_H

#include "mailsled/plan.h"
#include "plan/set.h"

struct sled_plan_lane {
	struct sled_plan_set set;
	struct sled_plan_sum begun; /* and not landed */
	uint64_t came;              /* octets of these */
	uint64_t unsafe;
	uint64_t heard_ms;   /* plan->now_ms when it last said anything */
	uint64_t secured_ms; /* the last time, or 0 */
	uint64_t feel_ms;    /* secure by then, on a strange line; or 0 */
	bool outlived;       /* secured at the usual end */
	bool no_secure;
};

/* What was asked for within a 16th of an RTT; it can begin to come at FROM. */
struct sled_plan_asked {
	uint64_t since_ms, from_ms, octets;
};

#define SLED_PLAN_ASKED 32

struct sled_plan {
	struct sled_plan_conf conf;
	struct sled_plan_lane *lanes;
	unsigned lanes_len;
	uint64_t now_ms; /* the latest that was told */
	uint64_t spent;
	uint64_t before; /* ... when the first message was begun */
	uint64_t landed; /* costs of what has landed since */
	/* That could not come yet, the oldest first. */
	struct sled_plan_asked asked[SLED_PLAN_ASKED];
	unsigned asked_len;
};

/* A use of the line: what is to come before a message, and it. */
struct sled_plan_need {
	struct sled_plan_sum ahead; /* not begun yet, with the message */
	uint64_t now_ms;
};

/* ---- price.c ---- */

uint64_t sled_plan_cost(uint64_t octets);
/* At the slow end; 0 when it is not known. */
uint64_t sled_plan_line_ms(const struct sled_plan *plan, uint64_t cost);
uint64_t sled_plan_rtt_ms(const struct sled_plan *plan);
/* A new connection, up to its first RETR. */
uint64_t sled_plan_again_ms(const struct sled_plan *plan);
/* OCTETS are asked for now. */
void sled_plan_ask(struct sled_plan *plan, uint64_t octets, uint64_t now_ms);
/* When all of NEED would be over, with what is on its way and the end of the
 * visit. */
uint64_t sled_plan_over_ms(const struct sled_plan *plan,
                           const struct sled_plan_need *need);
bool sled_plan_affords(const struct sled_plan *plan,
                       const struct sled_plan_need *need);
/* Costs above this are HOPELESS; UINT64_MAX: none is. */
uint64_t sled_plan_most(const struct sled_plan *plan);
/* So much later than usual_ms the line has outlived it. */
uint64_t sled_plan_doubt_ms(const struct sled_plan *plan);
/* When the line is likely to be cut, and it has not outlived that; else
 * NO_END. */
uint64_t sled_plan_soft_end(const struct sled_plan *plan, uint64_t now_ms);
/* Is it time to secure, on a long visit? */
bool sled_plan_is_long(const struct sled_plan *plan,
                       const struct sled_plan_lane *lane, uint64_t now_ms);
/* How long a strange line is trusted by the lane, which has WAITING messages;
 * NO_END: it is not strange, or not worth a new connection. */
uint64_t sled_plan_feel_end(const struct sled_plan *plan,
                            const struct sled_plan_lane *lane,
                            uint64_t waiting);
/* When what is on its way would be deleted, were the lane secured now. */
uint64_t sled_plan_secured_ms(const struct sled_plan *plan, uint64_t now_ms);

#endif
