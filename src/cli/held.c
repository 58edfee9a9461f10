/* held.c - see cli/held.h. */
#include "cli/held.h"

#include <string.h>

#include "mailsled/link.h"
#include "mailsled/loop.h"
#include "mailsled/tariff.h"
#include "mailsled/text.h"

#define ID_LEAST 6  /* hex digits that may name held mail */
#define ID_MOST  10 /* that it has */

/* ---- what it costs ---- */

static bool
find_path(struct sled_cli *cli, const struct sled_maildrop *maildrop,
          struct sled_cli_way *out, struct sled_err *err)
{
	struct sled_ledger *ledger = sled_store_ledger(cli->store);
	char name[SLED_ROUTE_NAME];
	struct sled_peer peer;
	bool found = false;

	if (!sled_ledger_peer(ledger, maildrop->id, &peer, err))
		return false;
	peer.addresses[strcspn(peer.addresses, " ")] = '\0';
	if (!sled_route_name(peer.addresses, name))
		return true;
	(void)snprintf(out->path.name, sizeof(out->path.name), "%s", name);
	return sled_ledger_path(ledger, name, &out->path, &found, err);
}

bool
sled_cli_way(struct sled_cli *cli, const struct sled_maildrop *maildrop,
             const char *asked, struct sled_cli_way *out, struct sled_err *err)
{
	struct sled_link link = { .name = "" };

	*out = (struct sled_cli_way){ .link = NULL };
	if (!find_path(cli, maildrop, out, err))
		return false;
	(void)snprintf(link.name, sizeof(link.name), "%.*s",
	               (int)sizeof(link.name) - 1, out->path.name);
	out->link = sled_link_profile(
	    cli->conf, asked != NULL || link.name[0] == '\0' ? NULL : &link,
	    asked);
	if (asked == NULL || out->link != NULL)
		return true;
	return sled_fail(err, SLED_ERR_USAGE, "no [link] section is for %.40s",
	                 asked);
}

/* Packets' headers, and what acknowledges them. */
static uint64_t
wire_of(uint64_t size)
{
	return size > UINT64_MAX / 2 ? size : size + size / 20;
}

int64_t
sled_cli_way_ms(const struct sled_cli_way *way, uint64_t size)
{
	uint64_t rate = way->path.rate, rtt = way->path.rtt_ms;

	if (rate == 0 && way->link != NULL) {
		rate = way->link->rate_down;
		rtt = way->link->rtt_ms;
	}
	if (rate == 0 || size > INT64_MAX / 1000)
		return -1;
	return (int64_t)(size * 1000 / rate + rtt);
}

int64_t
sled_cli_way_money(const struct sled_cli_way *way, uint64_t size)
{
	const struct sled_conf_link *link = way->link;
	int64_t ms = sled_cli_way_ms(way, size);
	struct sled_bill with, without;
	bool timed = false;

	if (link == NULL || link->costs_len == 0)
		return -1;
	for (size_t i = 0; i < link->costs_len; i++)
		timed = timed || link->costs[i].unit == SLED_CONF_SECONDS;
	if (timed && ms < 0)
		return -1;
	sled_tariff_bill(link, 0, 0, &without);
	sled_tariff_bill(link, wire_of(size), ms < 0 ? 0 : (uint64_t)ms, &with);
	if (with.money < without.money || with.money > INT64_MAX)
		return -1;
	return (int64_t)(with.money - without.money);
}

int64_t
sled_cli_expires(const struct sled_maildrop *maildrop, int64_t seen)
{
	if (maildrop->expire_days == 0 || seen <= 0)
		return 0;
	return seen + (int64_t)maildrop->expire_days * 86400;
}

/* ---- names ---- */

bool
sled_cli_maildrop(struct sled_cli *cli, const struct sled_conf_account *account,
                  struct sled_maildrop *out, bool *found, struct sled_err *err)
{
	*found = sled_ledger_maildrop(sled_store_ledger(cli->store),
	                              account->server, account->user, out, err);
	if (*found)
		return true;
	if (err->kind != SLED_ERR_MISSING)
		return false;
	*err = (struct sled_err){ 0 };
	return true;
}

/* Its hex digits, without the "h". */
static const char *
digits_of(const char *word)
{
	return *word == 'h' || *word == 'H' ? word + 1 : word;
}

bool
sled_cli_is_held_id(const char *word)
{
	const char *digits = digits_of(word);
	size_t len = strlen(digits);

	return len >= ID_LEAST && len <= ID_MOST &&
	       strspn(digits, "0123456789abcdefABCDEF") == len;
}

struct found {
	char id[SLED_HELD_ID];
	size_t count;
};

static bool
count_row(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	struct found *found = ctx;

	(void)err;
	memcpy(found->id, row->id, sizeof(found->id));
	found->count++;
	return true;
}

bool
sled_cli_held_id(struct sled_cli *cli, const char *word, char out[SLED_HELD_ID],
                 struct sled_err *err)
{
	struct found found = { .count = 0 };
	char prefix[SLED_HELD_ID] = "h", shown[32];

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ word, strlen(word) });
	if (!sled_cli_is_held_id(word)) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "%s: no id of held mail: h and 10 hex digits, "
		                "or 6 of these and more",
		                shown);
		return sled_hint(err, "mailsled held");
	}
	for (size_t i = 0; digits_of(word)[i] != '\0'; i++) {
		char c = digits_of(word)[i];

		prefix[1 + i] =
		    (char)(c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c);
	}
	if (!sled_ledger_held(sled_store_ledger(cli->store), 0, prefix,
	                      count_row, &found, err))
		return false;
	memcpy(out, found.id, SLED_HELD_ID);
	if (found.count == 1)
		return true;
	(void)sled_fail(err, SLED_ERR_MISSING,
	                found.count == 0 ? "%s: no such held mail"
	                                 : "%s: more than one has such an id",
	                shown);
	return sled_hint(err, "mailsled held");
}

/* ---- shown ---- */

bool
sled_cli_held_field(const char *name, struct sled_span text, unsigned columns,
                    struct sled_err *err)
{
	struct sled_buf shown = { 0 }, out = { 0 };
	int head = 14;
	bool ok;

	if (text.len == 0)
		return true;
	if (columns <= (unsigned)head)
		columns = UINT32_MAX;
	else
		columns -= (unsigned)head;
	ok = sled_text_printable(&shown, text, err) &&
	     sled_cli_fit(&out, shown.data, columns, false, err);
	if (ok)
		(void)printf("    %-9s %s\n", name, out.data);
	sled_buf_free(&shown);
	sled_buf_free(&out);
	return ok;
}
