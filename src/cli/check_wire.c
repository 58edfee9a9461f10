/* check_wire.c - what earlier visits learned to save at a server. */
#include <string.h>

#include "cli/check.h"
#include "mailsled/clock.h"
#include "mailsled/session.h"

/* A clock that was ahead when it was noted counts for naught, as in a visit. */
static int64_t
still_until(int64_t retry, int64_t now)
{
	return now < retry && retry - now <= SLED_VISIT_AGAIN_S ? retry : 0;
}

static bool
may_log_in_by(const struct sled_conf_account *account, const char *form)
{
	switch (account->auth) {
	case SLED_CONF_AUTH_PLAIN:
		return strcmp(form, "PLAIN") == 0;
	case SLED_CONF_AUTH_USER:
		return strcmp(form, "USER") == 0;
	case SLED_CONF_AUTH_LOGIN:
		return false;
	case SLED_CONF_AUTH_AUTO:
	default:
		return form[0] != '\0';
	}
}

static void
judge(struct sled_check_wire *wire, const struct sled_conf_account *account)
{
	const struct sled_peer *peer = &wire->peer;
	int64_t now = sled_clock_now();

	if (peer->eager_lost > 0)
		wire->eager_retry = still_until(peer->eager_retry, now);
	if (peer->tickets_refused >= SLED_VISIT_TRIES)
		wire->tickets_retry = still_until(peer->tickets_retry, now);
	wire->eager = may_log_in_by(account, peer->eager) &&
	              wire->eager_retry == 0 && !wire->no_flights;
}

/* A store that cannot be read was complained of already. */
void
sled_check_wire_load(struct sled_check_wire *wire, struct sled_cli *cli,
                     const struct sled_conf_account *account)
{
	struct sled_maildrop drop = { 0 };
	struct sled_visit_row visit = { .id = 0 };
	struct sled_err ignored = { 0 };
	struct sled_ledger *ledger;

	*wire = (struct sled_check_wire){ 0 };
	if (cli->store == NULL)
		return;
	ledger = sled_store_ledger(cli->store);
	wire->known =
	    sled_ledger_maildrop(ledger, account->server, account->user, &drop,
	                         &ignored) &&
	    sled_ledger_peer(ledger, drop.id, &wire->peer, &ignored) &&
	    sled_cli_last_visit(ledger, account->name, sled_clock_now(), &visit,
	                        &ignored) &&
	    wire->peer.port == account->port;
	wire->resumed = visit.resumed;
	wire->no_flights = drop.flights_lost >= SLED_VISIT_TRIES;
	if (wire->known)
		judge(wire, account);
}

/* ---- in words ---- */

/* When what is tried again at RETRY was given up. */
static int64_t
since(int64_t retry)
{
	return retry - SLED_VISIT_AGAIN_S;
}

static void
tell_lost(const struct sled_check_wire *wire, struct sled_check *check)
{
	bool flight = wire->peer.eager_lost == 1;
	char from[SLED_CLI_WORD], until[SLED_CLI_WORD];

	sled_cli_time(from, since(wire->eager_retry));
	sled_cli_time(until, wire->eager_retry);
	sled_check_ok(check, "a login sent %s failed on %s: until %s visits %s",
	              flight ? "ahead of the greeting"
	                     : "together with other commands",
	              from, until,
	              flight ? "wait for the greeting, a round trip more each"
	                     : "go step by step, two round trips more each");
}

static void
tell_login(const struct sled_check_wire *wire, struct sled_check *check)
{
	const struct sled_peer *peer = &wire->peer;

	if (wire->no_flights)
		sled_check_ok(check, "commands sent together got lost here: "
		                     "each waits for the last one's answer, "
		                     "a round trip more each");
	else if (wire->eager)
		sled_check_ok(check, "visits send the login ahead of the "
		                     "greeting: two round trips less each");
	else if (wire->eager_retry != 0)
		tell_lost(wire, check);
	else if ((peer->caps & SLED_PEER_PIPELINING) != 0 &&
	         peer->eager[0] == '\0')
		sled_check_ok(check, "was not seen to take a login of one "
		                     "line: the next visit waits for the "
		                     "greeting, two round trips more");
}

static void
tell_tls(const struct sled_check_wire *wire, struct sled_check *check)
{
	char from[SLED_CLI_WORD], until[SLED_CLI_WORD];

	if (wire->peer.tls_default) {
		sled_check_ok(check, "refuses a short TLS hello: visits send "
		                     "the long one, and its certificates "
		                     "come with each");
	} else if (wire->tickets_retry != 0) {
		sled_cli_time(from, since(wire->tickets_retry));
		sled_cli_time(until, wire->tickets_retry);
		sled_check_ok(check,
		              "did not resume TLS on %s: until %s it is not "
		              "asked to, and its certificates come with each "
		              "visit",
		              from, until);
	} else if (wire->resumed) {
		sled_check_ok(check, "resumes TLS: its certificates need not "
		                     "come again");
	}
}

void
sled_check_wire_tell(const struct sled_check_wire *wire,
                     struct sled_check *check)
{
	if (!wire->known)
		return;
	tell_login(wire, check);
	tell_tls(wire, check);
}

/* ---- for programs ---- */

static void
add_time(struct sled_json *json, const char *key, int64_t when)
{
	char text[SLED_TIME_TEXT];

	sled_clock_rfc3339(when, text);
	sled_json_text(json, key, when == 0 ? NULL : text);
}

void
sled_check_wire_json(const struct sled_check_wire *wire, struct sled_json *json)
{
	sled_json_bool(json, "eager", wire->eager);
	add_time(json, "eager_retry", wire->eager_retry);
	sled_json_bool(json, "resumed", wire->known && wire->resumed);
	add_time(json, "tickets_retry", wire->tickets_retry);
	sled_json_bool(json, "tls_default",
	               wire->known && wire->peer.tls_default);
}
