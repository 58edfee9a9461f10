/* learn.c - what earlier visits tell of the link: how long it lasts, what it
 * carries, and how long the last commit takes. */
#include <stdio.h>
#include <string.h>

#include "mailsled/clock.h"
#include "round/internal.h"

#define LIVES      512 /* visits: about a day's, on a link that flaps */
#define ROUNDS     64
#define GOES_ON_S  5    /* behind a visit: the link is still up, it seems */
#define SILENCE_MS 3000 /* behind the last octet: it was up to the end */
#define TAIL_MOST  10000
#define KILLED_MS  5000 /* less tells nothing: who killed it, and why? */

struct look {
	struct sled_plan_life lives[2 * LIVES];
	size_t len;
	const char *path;
	int64_t now;
	struct sled_round_learned *out;
	bool newest_seen;
};

/* A visit that ended well a moment ago: the link goes on. */
static void
look_at_newest(struct look *look, const struct sled_visit_row *row)
{
	int64_t end = row->began + row->ms / 1000;

	if (look->newest_seen)
		return;
	look->newest_seen = true;
	if (row->cut || row->alive_ms == 0 || look->now < row->began ||
	    look->now - end > GOES_ON_S || row->ms - row->alive_ms > SILENCE_MS)
		return;
	look->out->up_ms = row->up_ms + (look->now - row->began) * 1000;
}

static void
add_life(struct look *look, int64_t began, int64_t alive_ms, bool cut)
{
	size_t at = look->len;

	if (alive_ms <= 0 || at == sizeof(look->lives) / sizeof(*look->lives))
		return;
	for (; at > 0 && look->lives[at - 1].began < began; at--)
		look->lives[at] = look->lives[at - 1];
	look->lives[at] =
	    (struct sled_plan_life){ began, (uint64_t)alive_ms, cut };
	look->len++;
}

static bool
take_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	struct look *look = ctx;
	uint64_t save = row->ms_save < 0 ? 0 : (uint64_t)row->ms_save;

	(void)err;
	look_at_newest(look, row);
	if (row->alive_ms > 0)
		add_life(look, row->began, row->up_ms + row->alive_ms,
		         row->cut);
	if (!row->cut && row->alive_ms > 0 &&
	    (uint64_t)(row->up_ms + row->alive_ms) > look->out->lived_ms)
		look->out->lived_ms = (uint64_t)(row->up_ms + row->alive_ms);
	if (row->fetched > 0 && save > look->out->tail_ms)
		look->out->tail_ms = save < TAIL_MOST ? save : TAIL_MOST;
	return true;
}

/* One that was killed, or ended with the power, left no row of its visit. */
static bool
take_round(void *ctx, const struct sled_round_row *row, struct sled_err *err)
{
	struct look *look = ctx;

	(void)err;
	if (!row->over && row->ms >= KILLED_MS &&
	    strcmp(row->path, look->path) == 0)
		add_life(look, row->began, row->ms, true);
	return true;
}

static bool
learn_rate(const struct sled_round_conf *conf, struct sled_plan_rate *rate,
           struct sled_err *err)
{
	struct sled_path path = { .name = "" };
	bool found = false;

	if (conf->link != NULL)
		*rate = (struct sled_plan_rate){ conf->link->rate_down, 0,
			                         conf->link->rate_up,
			                         conf->link->rtt_ms };
	if (conf->path != NULL &&
	    !sled_ledger_path(sled_store_ledger(conf->store), conf->path, &path,
	                      &found, err))
		return false;
	if (found && path.rate > 0)
		rate->down = path.rate;
	if (found && path.rtt_ms > 0)
		rate->rtt_ms = path.rtt_ms;
	rate->low = rate->down - rate->down * 3 / 10;
	return true;
}

bool
sled_round_learn(const struct sled_round_conf *conf, int64_t now,
                 struct sled_round_learned *out, struct sled_err *err)
{
	struct look look = { .path = conf->path, .now = now, .out = out };
	struct sled_ledger *ledger = sled_store_ledger(conf->store);

	*out = (struct sled_round_learned){ .usual_ms = SLED_PLAN_NO_END };
	if (!learn_rate(conf, &out->rate, err))
		return false;
	if (conf->path != NULL &&
	    (!sled_ledger_visits_by(ledger, conf->path, LIVES, take_visit,
	                            &look, err) ||
	     !sled_ledger_rounds(ledger, now - 86400, ROUNDS, take_round, &look,
	                         err)))
		return false;
	out->usual_ms = sled_plan_usual(look.lives, look.len, now);
	out->lately_ms = sled_plan_lately(look.lives, look.len, now);
	if (out->usual_ms == SLED_PLAN_NO_END && conf->link != NULL &&
	    conf->link->window_s > 0)
		out->usual_ms = (uint64_t)conf->link->window_s * 1000;
	if (conf->up_ms > 0)
		out->up_ms = conf->up_ms;
	return true;
}
