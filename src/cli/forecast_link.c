/* forecast_link.c - the link that a plan is made for. */
#include <stdio.h>
#include <string.h>

#include "cli/forecast.h"
#include "mailsled/clock.h"
#include "mailsled/link.h"
#include "mailsled/loop.h"

#define LIVES 16

struct lives {
	struct sled_plan_life all[LIVES];
	size_t len;
	uint64_t save_ms;
};

static bool
take_life(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	struct lives *lives = ctx;

	(void)err;
	if (row->alive_ms > 0 && lives->len < LIVES)
		lives->all[lives->len++] = (struct sled_plan_life){
			row->began, (uint64_t)(row->up_ms + row->alive_ms),
			row->cut
		};
	if (row->fetched > 0 && row->ms_save > (int64_t)lives->save_ms)
		lives->save_ms = (uint64_t)row->ms_save;
	return true;
}

/* The addresses by which an account's server was last reached; "": none. */
static bool
find_address(const struct sled_forecast *f,
             const struct sled_conf_account *account, struct sled_peer *peer,
             struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(f->cli->store);
	struct sled_maildrop drop = { 0 };

	peer->addresses[0] = '\0';
	if (!sled_ledger_maildrop(ledger, account->server, account->user, &drop,
	                          err)) {
		if (err->kind != SLED_ERR_MISSING)
			return false;
		*err = (struct sled_err){ 0 };
		return true;
	}
	return sled_ledger_peer(ledger, drop.id, peer, err);
}

/* The interface by which a visit would leave now, or "": as `fetch` has it. */
static bool
find_route(const struct sled_forecast *f, char name[SLED_ROUTE_NAME],
           struct sled_err *err)
{
	const struct sled_conf_account *account;
	struct sled_peer peer = { .addresses = "" };

	name[0] = '\0';
	if (f->accounts_len == 0)
		return true;
	account = f->accounts[0].conf;
	if (f->cli->store != NULL && !find_address(f, account, &peer, err))
		return false;
	(void)sled_route_to(peer.addresses, account->server, name);
	return true;
}

/* What was learned of interface NAME. */
static bool
learn(struct sled_forecast *f, const char *name, struct sled_err *err)
{
	struct sled_forecast_link *link = &f->link;
	struct sled_ledger *ledger;
	struct lives lives = { .len = 0 };

	if (f->cli->store == NULL || name[0] == '\0')
		return true;
	ledger = sled_store_ledger(f->cli->store);
	if (!sled_ledger_path(ledger, name, &link->path, &link->learned, err))
		return false;
	if (!link->learned)
		return true;
	if (!sled_ledger_visits_by(ledger, name, LIVES, take_life, &lives, err))
		return false;
	link->tail_ms = lives.save_ms;
	link->usual_ms =
	    sled_plan_usual(lives.all, lives.len, sled_clock_now());
	return true;
}

/* What the section hints, where nothing better was learned. */
static void
take_rate(struct sled_forecast_link *link)
{
	const struct sled_conf_link *profile = link->profile;

	if (profile != NULL)
		link->rate = (struct sled_plan_rate){ profile->rate_down, 0,
			                              profile->rate_up,
			                              profile->rtt_ms };
	if (link->learned && link->path.rate > 0)
		link->rate.down = link->path.rate;
	if (link->learned && link->path.rtt_ms > 0)
		link->rate.rtt_ms = link->path.rtt_ms;
	/* As a visit does until it has measured. */
	link->rate.low = link->rate.down - link->rate.down * 3 / 10;
	if (link->usual_ms == SLED_PLAN_NO_END && profile != NULL &&
	    profile->window_s > 0)
		link->usual_ms = (uint64_t)profile->window_s * 1000;
}

/* ASKED names a section; the route's interface counts when it has that too. */
static bool
choose(struct sled_forecast *f, const char *asked, struct sled_err *err)
{
	struct sled_forecast_link *link = &f->link;
	const struct sled_conf *conf = f->cli->conf;
	char route[SLED_ROUTE_NAME];
	struct sled_link now = { .name = "" };

	if (!find_route(f, route, err))
		return false;
	(void)snprintf(now.name, sizeof(now.name), "%s", route);
	link->profile =
	    sled_link_profile(conf, asked == NULL ? &now : NULL, asked);
	if (asked == NULL)
		return learn(f, route, err);
	if (!learn(f, asked, err))
		return false;
	if (link->learned)
		return true;
	if (link->profile == NULL) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "no [link] section is for %.40s", asked);
		return sled_hint(err, "mailsled plan --help");
	}
	return sled_link_profile(conf, &now, NULL) != link->profile ||
	       learn(f, route, err);
}

bool
sled_forecast_find_link(struct sled_forecast *f, const char *asked,
                        uint64_t window_ms, struct sled_err *err)
{
	struct sled_forecast_link *link = &f->link;

	link->usual_ms = SLED_PLAN_NO_END;
	link->window_ms = window_ms;
	if (!choose(f, asked, err))
		return false;
	take_rate(link);
	if (link->rate.down == 0) {
		(void)sled_fail(err, SLED_ERR_MISSING,
		                "it is not known yet what %.40s carries",
		                asked != NULL                ? asked
		                : link->path.name[0] != '\0' ? link->path.name
		                                             : "this link");
		return sled_hint(err, "write `rate =` and `rtt =` in its [link "
		                      "NAME], or fetch by it once");
	}
	return f->cli->store == NULL || link->profile == NULL ||
	       sled_cli_used(sled_store_ledger(f->cli->store), link->profile,
	                     sled_clock_now(), &link->used, err);
}
