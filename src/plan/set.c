/* set.c - a lane's messages, smallest first, with sums. */
#include "plan/set.h"

#include <stdlib.h>
#include <string.h>

#define FIRST 64U /* nodes; a power of two */
#define MOST  (1U << 30)

/* Spreads the bits of a key: priorities and places in the table need no more
 * than that a server cannot choose sizes that make the treap deep. */
static uint32_t
mix(uint32_t x)
{
	x ^= x >> 16;
	x *= 0x7feb352dU;
	x ^= x >> 15;
	x *= 0x846ca68bU;
	return x ^ x >> 16;
}

/* ---- the table ---- */

static uint32_t
slot(const struct sled_plan_set *set, uint32_t key)
{
	uint32_t mask = 2 * set->cap - 1, at = mix(key) & mask;

	while (set->table[at] != 0 && set->nodes[set->table[at]].key != key)
		at = (at + 1) & mask;
	return at;
}

uint32_t
sled_plan_set_find(const struct sled_plan_set *set, uint32_t key)
{
	return set->cap == 0 ? 0 : set->table[slot(set, key)];
}

static bool
grow(struct sled_plan_set *set, struct sled_err *err)
{
	uint32_t cap = set->cap == 0 ? FIRST : 2 * set->cap;
	struct sled_plan_node *nodes;
	uint32_t *table;

	if (cap > MOST)
		return sled_fail(err, SLED_ERR_NOMEM, "plan");
	nodes = reallocarray(set->nodes, cap, sizeof(*nodes));
	if (nodes == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "plan");
	set->nodes = nodes;
	table = calloc(2 * (size_t)cap, sizeof(*table));
	if (table == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "plan");
	free(set->table);
	set->table = table;
	set->cap = cap;
	if (set->len == 0) {
		(void)memset(&nodes[0], 0, sizeof(nodes[0]));
		set->len = 1;
	}
	for (uint32_t i = 1; i < set->len; i++)
		table[slot(set, nodes[i].key)] = i;
	return true;
}

/* ---- the treaps ---- */

static bool
is_before(const struct sled_plan_node *node, uint64_t cost, uint64_t key)
{
	return node->cost < cost || (node->cost == cost && node->key < key);
}

static void
add_up(struct sled_plan_set *set, uint32_t at)
{
	struct sled_plan_node *node = &set->nodes[at];
	const struct sled_plan_node *left = &set->nodes[node->left];
	const struct sled_plan_node *right = &set->nodes[node->right];

	node->sum.octets = node->cost + left->sum.octets + right->sum.octets;
	node->sum.count = 1 + left->sum.count + right->sum.count;
}

/* NOLINTBEGIN(misc-no-recursion): as deep as a treap is, some tens of calls */
/* Those before COST and KEY to *left, the others to *right. */
static void
split(struct sled_plan_set *set, uint32_t at, uint64_t cost, uint64_t key,
      uint32_t *left, uint32_t *right)
{
	uint32_t part = 0;

	if (at == 0) {
		*left = *right = 0;
		return;
	}
	if (is_before(&set->nodes[at], cost, key)) {
		split(set, set->nodes[at].right, cost, key, &part, right);
		set->nodes[at].right = part;
		*left = at;
	} else {
		split(set, set->nodes[at].left, cost, key, left, &part);
		set->nodes[at].left = part;
		*right = at;
	}
	add_up(set, at);
}

static uint32_t
merge(struct sled_plan_set *set, uint32_t left, uint32_t right)
{
	if (left == 0 || right == 0)
		return left + right;
	if (set->nodes[left].priority > set->nodes[right].priority) {
		set->nodes[left].right =
		    merge(set, set->nodes[left].right, right);
		add_up(set, left);
		return left;
	}
	set->nodes[right].left = merge(set, left, set->nodes[right].left);
	add_up(set, right);
	return right;
}

/* NOLINTEND(misc-no-recursion) */

void
sled_plan_set_insert(struct sled_plan_set *set, uint32_t at)
{
	struct sled_plan_node *node = &set->nodes[at];
	uint32_t *root = &set->roots[node->tree], left, right;

	node->left = node->right = 0;
	add_up(set, at);
	split(set, *root, node->cost, node->key, &left, &right);
	*root = merge(set, merge(set, left, at), right);
}

void
sled_plan_set_remove(struct sled_plan_set *set, uint32_t at)
{
	const struct sled_plan_node *node = &set->nodes[at];
	uint32_t *root = &set->roots[node->tree], left, right, itself;

	split(set, *root, node->cost, node->key, &left, &right);
	split(set, right, node->cost, (uint64_t)node->key + 1, &itself, &right);
	*root = merge(set, left, right);
}

bool
sled_plan_set_add(struct sled_plan_set *set, uint32_t key, uint64_t cost,
                  unsigned tree, struct sled_err *err)
{
	uint32_t at;

	if (set->len == set->cap && !grow(set, err))
		return false;
	at = slot(set, key);
	if (set->table[at] != 0)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "plan: %u is offered twice", (unsigned)key);
	set->nodes[set->len] =
	    (struct sled_plan_node){ .cost = cost,
		                     .key = key,
		                     .priority = mix(~key),
		                     .tree = (uint8_t)tree,
		                     .state = SLED_PLAN_WAITS };
	set->table[at] = set->len;
	sled_plan_set_insert(set, set->len++);
	return true;
}

void
sled_plan_set_free(struct sled_plan_set *set)
{
	free(set->nodes);
	free(set->table);
	*set = (struct sled_plan_set){ 0 };
}

uint32_t
sled_plan_set_above(const struct sled_plan_set *set, unsigned tree,
                    uint64_t cost)
{
	uint32_t at = set->roots[tree], found = 0;

	while (at != 0) {
		const struct sled_plan_node *node = &set->nodes[at];

		if (node->cost > cost)
			found = at;
		at = node->cost > cost ? node->left : node->right;
	}
	return found;
}

struct sled_plan_sum
sled_plan_set_below(const struct sled_plan_set *set, unsigned tree,
                    uint64_t cost, uint64_t key)
{
	struct sled_plan_sum sum = { 0, 0 };
	uint32_t at = set->roots[tree];

	while (at != 0) {
		const struct sled_plan_node *node = &set->nodes[at];
		const struct sled_plan_node *left = &set->nodes[node->left];

		if (!is_before(node, cost, key)) {
			at = node->left;
			continue;
		}
		sum.octets += left->sum.octets + node->cost;
		sum.count += left->sum.count + 1;
		at = node->right;
	}
	return sum;
}
