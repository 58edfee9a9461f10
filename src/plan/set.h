/*
 * set.h - a lane's messages, smallest first, with sums; private to plan.
 *
 * Two treaps (wanted, plain) over one array of nodes, and a table from key to
 * node. A message is in its treap while it waits, and keeps its node after
 * that. Node 0 is none. Each call takes O(log n).
 */
#ifndef PLAN_SET_H
#define PLAN_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailsled/err.h"

enum sled_plan_state {
	SLED_PLAN_WAITS,
	SLED_PLAN_BEGUN,
	SLED_PLAN_LANDED,
};

/* Octets on the line, and messages. */
struct sled_plan_sum {
	uint64_t octets;
	uint64_t count;
};

struct sled_plan_node {
	struct sled_plan_sum sum; /* of the subtree */
	uint64_t cost;            /* octets on the line */
	uint32_t key, left, right, priority;
	uint8_t tree;
	uint8_t state;
};

#define SLED_PLAN_TREES 2

struct sled_plan_set {
	struct sled_plan_node *nodes;
	uint32_t *table; /* nodes by hash of key; 0: free */
	uint32_t len;    /* nodes that are used, with node 0 */
	uint32_t cap;    /* of nodes; the table has twice as many */
	uint32_t roots[SLED_PLAN_TREES];
};

/* INTERNAL for a key that is there already; NOMEM. */
SLED_CHECK bool sled_plan_set_add(struct sled_plan_set *set, uint32_t key,
                                  uint64_t cost, unsigned tree,
                                  struct sled_err *err);
void sled_plan_set_free(struct sled_plan_set *set);

/* 0: no such key. */
uint32_t sled_plan_set_find(const struct sled_plan_set *set, uint32_t key);
/* Into its treap, or out of it. */
void sled_plan_set_insert(struct sled_plan_set *set, uint32_t at);
void sled_plan_set_remove(struct sled_plan_set *set, uint32_t at);

/* The smallest that costs more than COST; 0: none. */
uint32_t sled_plan_set_above(const struct sled_plan_set *set, unsigned tree,
                             uint64_t cost);
/* All that come before COST and KEY. */
struct sled_plan_sum sled_plan_set_below(const struct sled_plan_set *set,
                                         unsigned tree, uint64_t cost,
                                         uint64_t key);

#endif
