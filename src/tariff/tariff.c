/* tariff.c - bills and budgets in whole numbers. See mailsled/tariff.h. */
#include "mailsled/tariff.h"

#include <string.h>

/* Sums and products stop at the greatest number: too much is not a little. */
static uint64_t
plus(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t
times(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t
at_least(uint64_t amount, uint64_t least)
{
	return amount < least ? least : amount;
}

static uint64_t
steps_of(uint64_t amount, uint64_t step)
{
	return amount / step + (amount % step != 0);
}

/* ---- the bill ---- */

/* What BYTES cost, to the byte, rounded up. */
static uint64_t
part_of(const struct sled_conf_cost *cost, uint64_t bytes)
{
	uint64_t rest = times(bytes % cost->step, cost->amount);

	return plus(times(bytes / cost->step, cost->amount),
	            steps_of(rest, cost->step));
}

static void
bill_by(const struct sled_conf_cost *cost, struct sled_bill *out)
{
	uint64_t step, steps;

	if (cost->unit == SLED_CONF_SECONDS) {
		step = times(cost->step, 1000);
		steps = out->steps = steps_of(out->ms, step);
		out->ms = times(steps, step);
	} else if (cost->pro_rata) {
		out->money = plus(out->money, part_of(cost, out->bytes));
		return;
	} else {
		steps = steps_of(out->bytes, cost->step);
		out->bytes = times(steps, cost->step);
	}
	out->money = plus(out->money, times(steps, cost->amount));
}

void
sled_tariff_bill(const struct sled_conf_link *link, uint64_t bytes, uint64_t ms,
                 struct sled_bill *out)
{
	*out = (struct sled_bill){ .bytes = bytes, .ms = ms };
	if (link == NULL || (bytes == 0 && ms == 0))
		return;
	out->bytes = at_least(bytes, link->cost_min_bytes);
	out->ms = at_least(ms, times(link->cost_min_s, 1000));
	for (size_t i = 0; i < link->costs_len; i++)
		bill_by(&link->costs[i], out);
}

uint64_t
sled_tariff_time(const struct sled_conf_link *link, uint64_t ms, uint64_t steps)
{
	for (size_t i = 0; link != NULL && i < link->costs_len; i++)
		if (link->costs[i].unit == SLED_CONF_SECONDS)
			return at_least(
			    ms, times(steps, times(link->costs[i].step, 1000)));
	return ms;
}

/* ---- budgets ---- */

static bool
within(const struct sled_conf_budget *budget,
       const struct sled_budget_left *before, const struct sled_bill *bill)
{
	const struct sled_used *used =
	    budget->monthly ? &before->month : &before->day;

	switch (budget->unit) {
	case SLED_CONF_BYTES:
		return plus(used->bytes, bill->bytes) <= budget->amount;
	case SLED_CONF_SECONDS:
		return plus(used->ms, bill->ms) <= times(budget->amount, 1000);
	case SLED_CONF_MONEY:
		return plus(used->money, bill->money) <= budget->amount;
	}
	return false;
}

bool
sled_tariff_fits(const struct sled_conf_link *link,
                 const struct sled_budget_left *before, uint64_t bytes,
                 uint64_t ms, const struct sled_conf_budget **over)
{
	struct sled_bill bill;

	sled_tariff_bill(link, bytes, ms, &bill);
	for (size_t i = 0; link != NULL && i < link->budgets_len; i++) {
		if (within(&link->budgets[i], before, &bill))
			continue;
		if (over != NULL)
			*over = &link->budgets[i];
		return false;
	}
	return true;
}

static bool
fits(const struct sled_conf_link *link, const struct sled_budget_left *before,
     uint64_t amount, bool is_time)
{
	return sled_tariff_fits(link, before, is_time ? 0 : amount,
	                        is_time ? amount : 0, NULL);
}

/* More never fits where less does not, so halving finds the greatest. */
static uint64_t
greatest(const struct sled_conf_link *link,
         const struct sled_budget_left *before, bool is_time)
{
	uint64_t good = 0, bad = UINT64_MAX;

	if (fits(link, before, UINT64_MAX, is_time))
		return UINT64_MAX;
	while (bad - good > 1) {
		uint64_t middle = good + (bad - good) / 2;

		if (fits(link, before, middle, is_time))
			good = middle;
		else
			bad = middle;
	}
	return good;
}

void
sled_tariff_left(const struct sled_conf_link *link,
                 const struct sled_budget_left *before, uint64_t *bytes,
                 uint64_t *ms)
{
	*bytes = greatest(link, before, false);
	*ms = greatest(link, before, true);
}

/* ---- which is cheaper ---- */

static bool
is_free(const struct sled_conf_link *link)
{
	return link == NULL || link->costs_len == 0;
}

int
sled_tariff_compare(const struct sled_conf_link *a,
                    const struct sled_conf_link *b, uint64_t bytes, uint64_t ms)
{
	struct sled_bill left, right;

	if (is_free(a) || is_free(b))
		return is_free(b) - is_free(a);
	if (strcmp(a->currency, b->currency) != 0)
		return 0;
	sled_tariff_bill(a, bytes, ms, &left);
	sled_tariff_bill(b, bytes, ms, &right);
	return (left.money > right.money) - (left.money < right.money);
}
