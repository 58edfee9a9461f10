/*
 * tariff.h - what a use of a link costs, and what its budgets still allow.
 *
 * Values in, values out. LINK may be NULL: free and without limit. Octets are
 * of IP packets both ways; money is in millionths of link->currency. A bill
 * rounds up: a step that was begun is due, and so is the minimum, but for a
 * use of nothing. A price a MiB, with no number before the unit, is pro rata
 * (conf.h). What would not fit into 64 bits is UINT64_MAX.
 */
#ifndef MAILSLED_TARIFF_H
#define MAILSLED_TARIFF_H

#include "mailsled/conf.h"

struct sled_bill {
	uint64_t bytes; /* billed octets: with the minimum, in whole steps */
	uint64_t ms;    /* billed time: the same; what budgets of time count */
	uint64_t steps; /* of time that are billed; without a price: 0 */
	uint64_t money; /* 0 where the link has no price */
};

void sled_tariff_bill(const struct sled_conf_link *link, uint64_t bytes,
                      uint64_t ms, struct sled_bill *out);

/* The time that rounds of MS in all, billed as STEPS in all, count for against a
 * budget of time: whole steps, where time has a price. */
uint64_t sled_tariff_time(const struct sled_conf_link *link, uint64_t ms,
                          uint64_t steps);

/* What was billed before, since the day and the month began. */
struct sled_used {
	uint64_t bytes, ms, money;
};

struct sled_budget_left {
	struct sled_used day, month; /* before this use */
};

/* Would a use of BYTES and MS stay within every budget? If not, *over is the
 * budget it would pass. OVER may be NULL. */
bool sled_tariff_fits(const struct sled_conf_link *link,
                      const struct sled_budget_left *before, uint64_t bytes,
                      uint64_t ms, const struct sled_conf_budget **over);
/* The most that one use may still take, each with none of the other; what
 * has no limit is UINT64_MAX; 0 also when a budget is passed already. */
void sled_tariff_left(const struct sled_conf_link *link,
                      const struct sled_budget_left *before, uint64_t *bytes,
                      uint64_t *ms);
/* Which of two is cheaper for BYTES and MS: below 0, 0 (also when they cannot
 * be compared: two currencies), above 0. A link without a price is the
 * cheapest. */
int sled_tariff_compare(const struct sled_conf_link *a,
                        const struct sled_conf_link *b, uint64_t bytes,
                        uint64_t ms);

#endif
