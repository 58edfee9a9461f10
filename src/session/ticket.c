/*
 * ticket.c - TLS tickets of earlier visits: offered once, until a server is seen
 * to resume nothing; and those of this visit, kept for the next. A ticket saves
 * the way of the certificates.
 */
#include "mailsled/clock.h"
#include "mailsled/tickets.h"
#include "session/session.h"

/* All that a ticket depends on. */
static bool
bind_ticket(const struct sled_session *s, struct sled_buf *out,
            struct sled_err *err)
{
	const struct sled_conf_account *account = s->conf.account;
	char trust[SLED_TLS_TRUST_ID];

	sled_tls_trust_id(s->conf.trust, trust);
	return sled_buf_printf(out, err, "%s %u %s %s", account->server,
	                       (unsigned)account->port, account->user, trust);
}

/* Servers that never resume make each offer 287 octets of waste. */
static bool
may_offer(const struct sled_session *s)
{
	const struct sled_peer *peer = sled_peer_of(s);

	return peer != NULL && s->hello == SLED_TLS_HELLO_SLIM &&
	       (peer->tickets_refused < SLED_VISIT_TRIES ||
	        sled_is_over(peer->tickets_retry, sled_clock_now()));
}

typedef void ticket_fn(struct sled_session *s,
                       const struct sled_tickets *whose);

static void
with_tickets(struct sled_session *s, ticket_fn *fn)
{
	struct sled_buf binding = { 0 };
	struct sled_err err = { 0 };
	struct sled_tickets whose = { .account = s->conf.account->name,
		                      .now = sled_clock_now() };

	if (!may_offer(s))
		return;
	whose.state = sled_store_state(s->conf.store, &whose.sys);
	if (bind_ticket(s, &binding, &err)) {
		whose.binding = binding.data;
		fn(s, &whose);
	}
	sled_buf_free(&binding);
}

/* A ticket that cannot be read costs a full handshake, and no word. */
static void
offer(struct sled_session *s, const struct sled_tickets *whose)
{
	struct sled_buf ticket = { 0 };
	struct sled_err err = { 0 };
	bool found = false;

	if (sled_tickets_take(whose, &ticket, &found, &err) && found)
		(void)sled_tls_offer(s->tls, sled_buf_span(&ticket));
	sled_buf_wipe(&ticket);
}

static void
keep(struct sled_session *s, const struct sled_tickets *whose)
{
	struct sled_err err = { 0 };

	for (size_t i = 0; i < sled_tls_tickets(s->tls); i++) {
		struct sled_buf ticket = { 0 };
		int64_t ends = 0;

		if (!sled_tls_ticket(s->tls, i, &ticket, &ends, &err) ||
		    !sled_tickets_keep(whose, sled_buf_span(&ticket), ends,
		                       &err))
			sled_session_warn(s, "%s", err.text);
		sled_buf_wipe(&ticket);
	}
}

void
sled_ticket_offer(struct sled_session *s)
{
	with_tickets(s, offer);
}

void
sled_ticket_keep(struct sled_session *s)
{
	with_tickets(s, keep);
}

void
sled_ticket_secure(struct sled_session *s)
{
	const struct sled_tls_facts *facts = sled_tls_facts(s->tls);
	struct sled_peer *peer = sled_peer_of(s);

	s->result.row.offered = facts->offered;
	s->result.row.resumed = facts->resumed;
	if (peer == NULL || !facts->offered)
		return;
	if (facts->resumed) {
		peer->tickets_refused = 0;
		return;
	}
	peer->tickets_refused++;
	peer->tickets_retry = sled_clock_now() + SLED_VISIT_AGAIN_S;
}
