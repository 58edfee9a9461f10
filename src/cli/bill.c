/* bill.c - what a round cost, and what budgets still allow, for people and for
 * programs. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "mailsled/calendar.h"
#include "mailsled/clock.h"
#include "mailsled/round.h"
#include "mailsled/text.h"

#define UNIT UINT64_C(1000000) /* of money */

/* ---- amounts ---- */

/* Rounded to DECIMALS, up from the middle. */
static void
write_decimals(char out[SLED_CLI_WORD], uint64_t millionths, int decimals)
{
	uint64_t step = UNIT, most;

	for (int i = 0; i < decimals; i++)
		step /= 10;
	most = UNIT / step;
	millionths = millionths / step + (millionths % step >= (step + 1) / 2);
	(void)snprintf(out, SLED_CLI_WORD, "%" PRIu64 ".%0*" PRIu64,
	               millionths / most, decimals, millionths % most);
}

void
sled_cli_money(char out[SLED_CLI_WORD], uint64_t millionths,
               const char *currency)
{
	int decimals = 2;
	size_t len;

	if (millionths % 10000 != 0 && millionths < UNIT)
		decimals = millionths % 100 == 0 ? 4 : 6;
	write_decimals(out, millionths, decimals);
	len = strlen(out);
	(void)snprintf(out + len, SLED_CLI_WORD - len, " %.3s", currency);
}

static uint64_t
used_of(const struct sled_conf_budget *budget,
        const struct sled_budget_left *used)
{
	const struct sled_used *sums =
	    budget->monthly ? &used->month : &used->day;

	switch (budget->unit) {
	case SLED_CONF_BYTES:
		return sums->bytes;
	case SLED_CONF_SECONDS:
		return sums->ms / 1000 + (sums->ms % 1000 != 0);
	case SLED_CONF_MONEY:
		break;
	}
	return sums->money;
}

static uint64_t
left_of(const struct sled_conf_budget *budget, uint64_t used)
{
	return used < budget->amount ? budget->amount - used : 0;
}

struct unit {
	const char *name;
	uint64_t size;
};

/* As a person would have written it: the greatest unit that is not above. */
static struct unit
unit_of(const struct sled_conf_budget *budget, const char *currency)
{
	static const struct unit bytes[] = { { "GiB", UINT64_C(1) << 30 },
		                             { "MiB", 1 << 20 },
		                             { "KiB", 1 << 10 },
		                             { "B", 1 } };

	if (budget->unit == SLED_CONF_MONEY)
		return (struct unit){ currency, UNIT };
	if (budget->unit == SLED_CONF_SECONDS)
		return budget->amount % 60 == 0 ? (struct unit){ "min", 60 }
		                                : (struct unit){ "s", 1 };
	for (size_t i = 0; i < 3; i++)
		if (budget->amount >= bytes[i].size)
			return bytes[i];
	return bytes[3];
}

/* AMOUNT in UNIT: "5", or "5.13"; UP: what was used is never told too little, and
 * so what is left never too much. */
static void
write_amount(char out[SLED_CLI_WORD], const struct unit *unit, uint64_t amount,
             bool up)
{
	uint64_t whole = amount / unit->size, rest = amount % unit->size;
	uint64_t part = (rest * 100 + (up ? unit->size - 1 : 0)) / unit->size;

	if (part == 100) {
		whole++;
		part = 0;
	}
	if (rest == 0)
		(void)snprintf(out, SLED_CLI_WORD, "%" PRIu64, whole);
	else
		(void)snprintf(out, SLED_CLI_WORD, "%" PRIu64 ".%02u", whole,
		               (unsigned)part);
}

/* "5 MiB/day". */
static void
write_budget(char out[2 * SLED_CLI_WORD], const struct sled_conf_link *link,
             const struct sled_conf_budget *budget)
{
	struct unit unit = unit_of(budget, link->currency);
	char amount[SLED_CLI_WORD];

	write_amount(amount, &unit, budget->amount, true);
	(void)snprintf(out, (size_t)2 * SLED_CLI_WORD, "%s %s/%s", amount,
	               unit.name, budget->monthly ? "month" : "day");
}

static void
write_anew(char out[SLED_CLI_WORD], const struct sled_conf_budget *budget,
           int64_t now)
{
	time_t t = (time_t)sled_calendar_day_end(now);
	struct tm tm;

	if (budget->monthly)
		sled_cli_time(out, sled_calendar_month_end(now));
	else if (localtime_r(&t, &tm) == NULL ||
	         strftime(out, SLED_CLI_WORD, "%a %H:%M", &tm) == 0)
		(void)snprintf(out, SLED_CLI_WORD, "-");
}

/* ---- a round ---- */

bool
sled_cli_bill(struct sled_buf *out, const struct sled_round_row *row,
              struct sled_err *err)
{
	const char *gap = "";
	char text[SLED_CLI_WORD];

	if (row->currency[0] == '\0')
		return true;
	if (row->steps > 0) {
		if (!sled_buf_printf(out, err, "%" PRIu64 " step%s", row->steps,
		                     row->steps == 1 ? "" : "s"))
			return false;
		gap = ", ";
	}
	if (row->billed_bytes > row->wire) {
		sled_cli_bytes(text, row->billed_bytes);
		if (!sled_buf_printf(out, err, "%s%s billed", gap, text))
			return false;
		gap = ", ";
	}
	sled_cli_money(text, row->money, row->currency);
	return sled_buf_printf(out, err, "%s%s", gap, text);
}

/* ---- budgets ---- */

bool
sled_cli_used(struct sled_ledger *ledger, const struct sled_conf_link *link,
              int64_t now, struct sled_budget_left *out, struct sled_err *err)
{
	return sled_round_wall(ledger, now, &now, err) &&
	       sled_round_used(ledger, link, now, out, err);
}

bool
sled_cli_budget_ends(struct sled_buf *out, const struct sled_conf_link *link,
                     const struct sled_conf_budget *budget,
                     const struct sled_budget_left *used, int64_t now,
                     struct sled_err *err)
{
	struct unit unit = unit_of(budget, link->currency);
	uint64_t sum = used_of(budget, used);
	char name[64], what[2 * SLED_CLI_WORD], anew[SLED_CLI_WORD];
	char part[SLED_CLI_WORD], all[SLED_CLI_WORD];

	sled_text_clip(name, sizeof(name),
	               (struct sled_span){ link->name, strlen(link->name) });
	write_budget(what, link, budget);
	write_anew(anew, budget, now);
	write_amount(part, &unit, sum, true);
	write_amount(all, &unit, budget->amount, true);
	return sled_buf_printf(
	    out, err, "%s on link %s %s: %s of %s %s; begins anew %s", what,
	    name, sum >= budget->amount ? "is used up" : "ends", part, all,
	    unit.name, anew);
}

static void
write_words(struct sled_cli_budget *out, const struct sled_conf_link *link,
            const struct sled_conf_budget *budget,
            const struct sled_budget_left *used, int64_t now)
{
	struct unit unit = unit_of(budget, link->currency);
	uint64_t sum = used_of(budget, used), left = left_of(budget, sum);

	sled_text_clip(out->link, sizeof(out->link),
	               (struct sled_span){ link->name, strlen(link->name) });
	write_budget(out->what, link, budget);
	write_anew(out->anew, budget, now);
	write_amount(out->used, &unit, sum, true);
	write_amount(out->left, &unit, left, false);
	if (left == 0)
		(void)snprintf(out->left, sizeof(out->left), "none");
	out->share = left == 0 ? 1 : (double)sum / (double)budget->amount;
}

static bool
add_budget(void *ctx, const struct sled_cli_budget *budget,
           struct sled_err *err)
{
	struct sled_buf *out = ctx;

	return (out->len > 0 || sled_buf_addstr(out, "budgets\n", err)) &&
	       sled_buf_printf(out, err,
	                       "  %-9s %s: %s used, %s left; begins anew %s\n",
	                       budget->link, budget->what, budget->used,
	                       budget->left, budget->anew);
}

static bool
each_budget(struct sled_cli *cli, int64_t now,
            bool (*give)(void *ctx, const struct sled_conf_link *link,
                         const struct sled_conf_budget *budget,
                         const struct sled_budget_left *used, int64_t now,
                         struct sled_err *err),
            void *ctx, struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(cli->store);

	for (size_t i = 0; i < cli->conf->links_len; i++) {
		const struct sled_conf_link *link = &cli->conf->links[i];
		struct sled_budget_left used;

		if (link->budgets_len > 0 &&
		    !sled_cli_used(ledger, link, now, &used, err))
			return false;
		for (size_t k = 0; k < link->budgets_len; k++)
			if (!give(ctx, link, &link->budgets[k], &used, now,
			          err))
				return false;
	}
	return true;
}

struct giving {
	sled_cli_budget_fn *each;
	void *ctx;
};

static bool
give_words(void *ctx, const struct sled_conf_link *link,
           const struct sled_conf_budget *budget,
           const struct sled_budget_left *used, int64_t now,
           struct sled_err *err)
{
	const struct giving *giving = ctx;
	struct sled_cli_budget words;

	write_words(&words, link, budget, used, now);
	return giving->each(giving->ctx, &words, err);
}

bool
sled_cli_budget_each(struct sled_cli *cli, int64_t now,
                     sled_cli_budget_fn *each, void *ctx, struct sled_err *err)
{
	struct giving giving = { each, ctx };

	return each_budget(cli, now, give_words, &giving, err);
}

bool
sled_cli_budgets(struct sled_cli *cli, int64_t now, struct sled_buf *out,
                 struct sled_err *err)
{
	return sled_cli_budget_each(cli, now, add_budget, out, err);
}

/* Bytes, seconds, or money in whole currency. */
static void
put_amount(struct sled_json *json, const char *key,
           const struct sled_conf_budget *budget, uint64_t amount)
{
	if (budget->unit == SLED_CONF_MONEY)
		sled_json_real(json, key, (double)amount / (double)UNIT);
	else
		sled_json_u64(json, key, amount);
}

static bool
give_json(void *ctx, const struct sled_conf_link *link,
          const struct sled_conf_budget *budget,
          const struct sled_budget_left *used, int64_t now,
          struct sled_err *err)
{
	static const char *const units[] = {
		[SLED_CONF_BYTES] = "bytes", [SLED_CONF_SECONDS] = "seconds"
	};
	uint64_t sum = used_of(budget, used);
	struct sled_json *one = NULL;
	char anew[SLED_TIME_TEXT];

	if (!sled_json_new(&one, err))
		return false;
	sled_clock_rfc3339(budget->monthly ? sled_calendar_month_end(now)
	                                   : sled_calendar_day_end(now),
	                   anew);
	sled_json_text(one, "link", link->name);
	sled_json_text(one, "per", budget->monthly ? "month" : "day");
	sled_json_text(one, "unit",
	               budget->unit == SLED_CONF_MONEY ? link->currency
	                                               : units[budget->unit]);
	put_amount(one, "amount", budget, budget->amount);
	put_amount(one, "used", budget, sum);
	put_amount(one, "left", budget, left_of(budget, sum));
	sled_json_text(one, "begins_anew", anew);
	sled_json_add(ctx, "budgets", &one);
	return true;
}

bool
sled_cli_budgets_json(struct sled_cli *cli, int64_t now, struct sled_json *json,
                      struct sled_err *err)
{
	sled_json_add(json, "budgets", NULL);
	return each_budget(cli, now, give_json, json, err);
}
