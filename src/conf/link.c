/* link.c - the keys of [link NAME]. */
#include <string.h>

#include "conf/parse.h"

bool
sled_conf_set_link_hold(struct sled_conf_parse *p, const char *key,
                        const char *value)
{
	return sled_conf_want_hold(p, key, value,
	                           &sled_conf_this_link(p)->hold_larger);
}

bool
sled_conf_set_far(struct sled_conf_parse *p, const char *key, const char *value)
{
	bool yes = false;

	if (!sled_conf_want_yes_no(p, key, value, &yes))
		return false;
	sled_conf_this_link(p)->far =
	    yes ? SLED_CONF_FAR_YES : SLED_CONF_FAR_NO;
	return true;
}

bool
sled_conf_link_far(const struct sled_conf_link *link, bool metered)
{
	if (link == NULL || link->far == SLED_CONF_FAR_UNWRITTEN)
		return !metered &&
		       (link == NULL ||
		        (link->costs_len == 0 && link->budgets_len == 0 &&
		         link->visit == SLED_CONF_VISIT_YES &&
		         strcmp(link->name, "metered") != 0));
	return link->far == SLED_CONF_FAR_YES;
}

bool
sled_conf_set_up_command(struct sled_conf_parse *p, const char *key,
                         const char *value)
{
	(void)key;
	return sled_conf_want_text(p, value,
	                           &sled_conf_this_link(p)->up_command);
}

bool
sled_conf_set_down_command(struct sled_conf_parse *p, const char *key,
                           const char *value)
{
	(void)key;
	return sled_conf_want_text(p, value,
	                           &sled_conf_this_link(p)->down_command);
}

/* Sums over a link need one currency. */
static bool
use_currency(struct sled_conf_parse *p, const char *key, const char *currency)
{
	struct sled_conf_link *link = sled_conf_this_link(p);

	if (link->currency[0] != '\0' && strcmp(link->currency, currency) != 0)
		return sled_conf_bad(p,
		                     "%s: %s, but %s before: one currency a "
		                     "link",
		                     key, currency, link->currency);
	memcpy(link->currency, currency, sizeof(link->currency));
	return true;
}

/* "5MiB", "30m" or "20 USD". */
static bool
parse_amount(struct sled_conf_parse *p, const char *key, const char *text,
             struct sled_conf_budget *budget)
{
	char currency[4] = "";

	if (sled_conf_size(text, &budget->amount)) {
		budget->unit = SLED_CONF_BYTES;
	} else if (sled_conf_time(text, &budget->amount)) {
		budget->unit = SLED_CONF_SECONDS;
	} else {
		const char *at = text;

		if (!sled_conf_money(&at, &budget->amount, currency) ||
		    *at != '\0')
			return sled_conf_bad(p,
			                     "%s: \"%s\" is neither 5MiB (KiB, "
			                     "MiB, GiB) nor 30m (s, m, h, d) "
			                     "nor 20 USD",
			                     key, sled_conf_show(text).text);
		budget->unit = SLED_CONF_MONEY;
		if (!use_currency(p, key, currency))
			return false;
	}
	if (budget->amount == 0)
		return sled_conf_bad(p, "%s: a budget of 0", key);
	return true;
}

static bool
add_budget(struct sled_conf_parse *p, const char *key,
           const struct sled_conf_budget *budget)
{
	struct sled_conf_link *link = sled_conf_this_link(p);

	for (size_t i = 0; i < link->budgets_len; i++)
		if (link->budgets[i].unit == budget->unit &&
		    link->budgets[i].monthly == budget->monthly)
			return sled_conf_bad(p, "%s: doubled for one %s", key,
			                     budget->monthly ? "month" : "day");
	if (link->budgets_len == SLED_CONF_BUDGETS)
		return sled_conf_bad(p, "%s: too many", key);
	link->budgets[link->budgets_len++] = *budget;
	return true;
}

bool
sled_conf_set_budget(struct sled_conf_parse *p, const char *key,
                     const char *value)
{
	static const char *const words[] = { "day", "month" };
	char item[SLED_CONF_ITEM], amount[SLED_CONF_ITEM];

	while (sled_conf_next_item(&value, ",", item)) {
		struct sled_conf_budget budget = { 0 };
		const char *rest = item;
		size_t word = 0;

		(void)sled_conf_next_item(&rest, "/", amount);
		if (rest == NULL)
			return sled_conf_bad(p,
			                     "%s: \"%s\": a day or a month? as "
			                     "in 5MiB/day, 20 USD/month",
			                     key, sled_conf_show(item).text);
		rest += strspn(rest, " \t");
		if (!sled_conf_want_word(p, key, rest, words, 2, &word) ||
		    !parse_amount(p, key, amount, &budget))
			return false;
		budget.monthly = word == 1;
		if (!add_budget(p, key, &budget))
			return false;
	}
	return true;
}

/* What a price is for: "MiB", "20s", "min". */
static bool
parse_step(const char *text, struct sled_conf_cost *cost)
{
	char step[SLED_CONF_ITEM] = "1";
	size_t digits = strspn(text, "0123456789");
	size_t len = strlen(text);

	if (len + 2 > sizeof(step))
		return false;
	memcpy(step + (digits == 0), text, len + 1);
	len = strlen(step);
	if (len > 3 && strcmp(step + len - 3, "min") == 0)
		step[len - 2] = '\0';
	if (sled_conf_size(step, &cost->step))
		cost->unit = SLED_CONF_BYTES;
	else if (sled_conf_time(step, &cost->step))
		cost->unit = SLED_CONF_SECONDS;
	else
		return false;
	cost->pro_rata = cost->unit == SLED_CONF_BYTES && digits == 0;
	return cost->step > 0;
}

static bool
set_price(struct sled_conf_parse *p, const char *key, const char *item)
{
	struct sled_conf_link *link = sled_conf_this_link(p);
	struct sled_conf_cost cost = { 0 };
	const char *at = item;
	char currency[4] = "";

	if (!sled_conf_money(&at, &cost.amount, currency) || *at != '/' ||
	    !parse_step(at + 1, &cost))
		return sled_conf_bad(
		    p,
		    "%s: \"%s\" is no price, as in 5.00 USD/MiB, "
		    "0.48 USD/20s, 1.44 USD/min, or min 5KiB",
		    key, sled_conf_show(item).text);
	for (size_t i = 0; i < link->costs_len; i++)
		if (link->costs[i].unit == cost.unit)
			return sled_conf_bad(
			    p, "%s: two prices for %s", key,
			    cost.unit == SLED_CONF_BYTES ? "bytes" : "time");
	if (link->costs_len == SLED_CONF_COSTS)
		return sled_conf_bad(p, "%s: too many", key);
	link->costs[link->costs_len++] = cost;
	return use_currency(p, key, currency);
}

/* The least that a visit is billed. */
static bool
set_least(struct sled_conf_parse *p, const char *key, const char *item)
{
	struct sled_conf_link *link = sled_conf_this_link(p);
	uint64_t amount = 0;
	uint64_t *least = NULL;

	if (sled_conf_size(item, &amount))
		least = &link->cost_min_bytes;
	else if (sled_conf_time(item, &amount))
		least = &link->cost_min_s;
	if (least == NULL || amount == 0)
		return sled_conf_bad(p,
		                     "%s: min takes a size or a time, as in "
		                     "min 5KiB",
		                     key);
	if (*least != 0)
		return sled_conf_bad(p, "%s: min is doubled", key);
	*least = amount;
	return true;
}

bool
sled_conf_set_cost(struct sled_conf_parse *p, const char *key,
                   const char *value)
{
	char item[SLED_CONF_ITEM];

	while (sled_conf_next_item(&value, ",;", item)) {
		bool least = strncmp(item, "min", 3) == 0 &&
		             (item[3] == ' ' || item[3] == '\t');
		bool ok = least ? set_least(p, key,
		                            item + 3 + strspn(item + 3, " \t"))
		                : set_price(p, key, item);
		if (!ok)
			return false;
	}
	if (sled_conf_this_link(p)->costs_len == 0)
		return sled_conf_bad(p, "%s: min without a price", key);
	return true;
}
