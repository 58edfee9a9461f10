/* budget.c - what the link's budgets still allow, and what the round costs. */
#include <stdio.h>

#include "mailsled/calendar.h"
#include "mailsled/clock.h"
#include "round/internal.h"

/* Once the path was learned a visit takes less: a budget must not be passed. */
#define VISIT_RTTS 6
#define RTT_MS     600

static bool
take_began(void *ctx, const struct sled_round_row *row, struct sled_err *err)
{
	(void)err;
	*(int64_t *)ctx = row->began;
	return true;
}

bool
sled_round_wall(struct sled_ledger *ledger, int64_t now, int64_t *wall,
                struct sled_err *err)
{
	int64_t last = now;

	if (sled_clock_doubtful(now) &&
	    !sled_ledger_rounds(ledger, 0, 1, take_began, &last, err))
		return false;
	*wall = last > now ? last : now;
	return true;
}

static bool
spent_in(struct sled_ledger *ledger, const struct sled_conf_link *link,
         const struct sled_opening *span, struct sled_used *out,
         struct sled_err *err)
{
	struct sled_spent spent = { 0 };

	if (!sled_ledger_spent(ledger, link->name, span->from, span->until,
	                       &spent, err))
		return false;
	*out =
	    (struct sled_used){ spent.bytes,
		                sled_tariff_time(link, spent.ms, spent.steps),
		                spent.money };
	return true;
}

bool
sled_round_used(struct sled_ledger *ledger, const struct sled_conf_link *link,
                int64_t wall, struct sled_budget_left *out,
                struct sled_err *err)
{
	const struct sled_opening day = { sled_calendar_day(wall),
		                          sled_calendar_day_end(wall) };
	const struct sled_opening month = { sled_calendar_month(wall),
		                            sled_calendar_month_end(wall) };

	return spent_in(ledger, link, &day, &out->day, err) &&
	       spent_in(ledger, link, &month, &out->month, err);
}

bool
sled_round_budget(struct sled_round *round, struct sled_err *err)
{
	round->bytes_left = round->ms_left = UINT64_MAX;
	if (round->conf.link == NULL || round->conf.link->budgets_len == 0)
		return true;
	if (!sled_round_used(sled_store_ledger(round->conf.store),
	                     round->conf.link, round->wall, &round->used, err))
		return false;
	sled_tariff_left(round->conf.link, &round->used, &round->bytes_left,
	                 &round->ms_left);
	return true;
}

uint64_t
sled_round_line_ms(const struct sled_round *round)
{
	return round->conf.before_ms + round->conf.behind_ms;
}

bool
sled_round_fits(void *ctx, uint64_t bytes, uint64_t ms)
{
	const struct sled_round *round = ctx;

	return round->conf.link == NULL ||
	       sled_tariff_fits(round->conf.link, &round->used, bytes,
	                        ms + sled_round_line_ms(round), NULL);
}

/* ---- not one more visit ---- */

static void
say_amount(char *out, size_t room, const struct sled_conf_budget *budget,
           const char *currency, uint64_t amount)
{
	switch (budget->unit) {
	case SLED_CONF_MONEY:
		(void)snprintf(out, room, "%llu.%02llu %s",
		               (unsigned long long)(amount / 1000000),
		               (unsigned long long)(amount % 1000000 / 10000),
		               currency);
		break;
	case SLED_CONF_SECONDS:
		(void)snprintf(out, room, "%llu s", (unsigned long long)amount);
		break;
	case SLED_CONF_BYTES:
	default:
		(void)snprintf(out, room, "%llu bytes",
		               (unsigned long long)amount);
		break;
	}
}

static uint64_t
used_of(const struct sled_budget_left *all,
        const struct sled_conf_budget *budget)
{
	const struct sled_used *used =
	    budget->monthly ? &all->month : &all->day;

	switch (budget->unit) {
	case SLED_CONF_MONEY:
		return used->money;
	case SLED_CONF_SECONDS:
		return (used->ms + 999) / 1000;
	case SLED_CONF_BYTES:
	default:
		return used->bytes;
	}
}

static void
say_over(const struct sled_round *round, const struct sled_conf_budget *over,
         struct sled_err *err)
{
	const struct sled_conf_link *link = round->conf.link;
	char used[48], all[48];

	say_amount(used, sizeof(used), over, link->currency,
	           used_of(&round->used, over));
	say_amount(all, sizeof(all), over, link->currency, over->amount);
	(void)sled_fail(err, SLED_ERR_LINK,
	                "the budget of [link %s] does not hold one more visit: "
	                "%s of %s a %s are used",
	                link->name, used, all, over->monthly ? "month" : "day");
	(void)sled_hint(err, "wait, raise `budget =`, or use another link");
}

size_t
sled_round_affords(struct sled_round *round, struct sled_err *err)
{
	const struct sled_conf_budget *over = NULL;
	uint64_t rtt = round->rate.rtt_ms > 0 ? round->rate.rtt_ms : RTT_MS;
	size_t len = 0;

	if (round->conf.link == NULL || round->conf.link->budgets_len == 0)
		return round->len;
	while (len < round->len &&
	       sled_tariff_fits(round->conf.link, &round->used,
	                        (len + 1) * SLED_CONF_VISIT_BYTES,
	                        VISIT_RTTS * rtt + sled_round_line_ms(round),
	                        &over))
		len++;
	if (len < round->len && over != NULL)
		say_over(round, over, err);
	return len;
}

/* Of one that is killed in its first moments, or between two rows, nobody will
 * know better: until it is over it has taken what its visits take at least. */
static uint64_t
counted(const struct sled_round *round)
{
	const struct sled_round_row *row = &round->result.row;
	uint64_t least = round->begun * SLED_CONF_VISIT_BYTES;

	return row->over || row->wire > least ? row->wire : least;
}

void
sled_round_bill(struct sled_round *round)
{
	struct sled_round_row *row = &round->result.row;
	struct sled_bill bill = { 0 };

	row->ms =
	    sled_clock_ms() - round->began_ms + (int64_t)round->conf.before_ms;
	row->wire = 0;
	for (size_t i = 0; i < round->len; i++) {
		const struct sled_round_part *part = &round->parts[i];
		const struct sled_visit_row *sum = &part->sum.row;

		row->wire += sum->wire_down + sum->wire_up;
		if (part->running)
			row->wire += part->now.wire;
	}
	sled_tariff_bill(round->conf.link, counted(round),
	                 row->ms > 0 ? (uint64_t)row->ms : 0, &bill);
	row->billed_bytes = bill.bytes;
	row->steps = bill.steps;
	row->money = bill.money;
}
