/* facts.c - what the ledger tells the scheduler: last visits, what budgets were
 * used for, and where the servers are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/internal.h"
#include "mailsled/calendar.h"
#include "mailsled/tariff.h"

#define VISITS_BACK   50 /* looked through for a good one */
#define ADDRESSES     64
#define ADDRESS_CHARS 64

struct addresses {
	char text[ADDRESSES][ADDRESS_CHARS];
	const char *list[ADDRESSES];
	size_t len;
};

static void
add_address(struct addresses *all, const char *text, size_t len)
{
	if (all->len == ADDRESSES || len == 0 || len >= ADDRESS_CHARS)
		return;
	memcpy(all->text[all->len], text, len);
	all->text[all->len][len] = '\0';
	all->list[all->len] = all->text[all->len];
	all->len++;
}

static void
add_addresses(struct addresses *all, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		add_address(all, text, len);
		text += len + (text[len] == ' ');
	}
}

/* The first of them, to ask the routes about. */
static void
keep_server(struct sled_daemon *d, size_t index, const char *addresses)
{
	(void)snprintf(d->servers[index], sizeof(d->servers[index]), "%.*s",
	               (int)strcspn(addresses, " "), addresses);
}

static bool
take_good(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	int64_t *wall = ctx;

	(void)err;
	if (*wall == 0 && row->exit == 0)
		*wall = row->began;
	return true;
}

static bool
account_facts(struct sled_daemon *d, struct sled_ledger *ledger, size_t index,
              struct addresses *all, struct sled_err *err)
{
	const struct sled_conf_account *account = &d->conf->accounts[index];
	struct sled_scheduler_now now = sled_daemon_now();
	struct sled_maildrop drop = { 0 };
	struct sled_peer peer = { 0 };
	int64_t wall = 0;

	if (!sled_ledger_visits(ledger, account->name, VISITS_BACK, take_good,
	                        &wall, err))
		return false;
	sled_scheduler_last(d->scheduler, index, wall, &now);
	if (!sled_ledger_maildrop(ledger, account->server, account->user, &drop,
	                          err) ||
	    !sled_ledger_peer(ledger, drop.id, &peer, err)) {
		if (err->kind != SLED_ERR_MISSING)
			return false;
		*err = (struct sled_err){ 0 };
		return true;
	}
	add_addresses(all, peer.addresses);
	if (peer.addresses[0] != '\0')
		keep_server(d, index, peer.addresses);
	return true;
}

static bool
budget_facts(struct sled_daemon *d, struct sled_ledger *ledger,
             struct sled_err *err)
{
	struct sled_scheduler_now now = sled_daemon_now();
	struct sled_budget_left used;

	if (!sled_round_wall(ledger, now.wall, &now.wall, err))
		return false;
	for (size_t i = 0; i < d->conf->links_len; i++) {
		if (!sled_round_used(ledger, &d->conf->links[i], now.wall,
		                     &used, err))
			return false;
		sled_scheduler_used(d->scheduler, i, &used, &now);
	}
	return true;
}

static bool
take_facts(struct sled_daemon *d, struct sled_ledger *ledger,
           struct addresses *all, struct sled_err *err)
{
	for (size_t i = 0; i < d->conf->accounts_len; i++) {
		char known[SLED_HOSTS_TEXT];

		(void)sled_hosts_find(d->conf->accounts[i].server, known);
		add_addresses(all, known);
		keep_server(d, i, known);
		if (!account_facts(d, ledger, i, all, err))
			return false;
	}
	return budget_facts(d, ledger, err) &&
	       sled_links_to(d->links, all->list, all->len, err);
}

void
sled_daemon_facts(struct sled_daemon *d, struct sled_store *store)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	struct sled_store *mine = NULL;
	struct sled_err err = { 0 };
	struct addresses *all = calloc(1, sizeof(*all));
	struct sled_scheduler_now now = sled_daemon_now();

	d->facts_day = sled_calendar_day(now.wall);
	d->facts_day_end = sled_calendar_day_end(now.wall);
	if (all == NULL)
		return;
	if ((store == NULL &&
	     !calls->open(calls->ctx, d->gen, SLED_STORE_READ, &mine, &err)) ||
	    !take_facts(d, sled_store_ledger(store == NULL ? mine : store), all,
	                &err))
		sled_daemon_complain(d, &err);
	sled_store_close(&mine);
	free(all);
}
