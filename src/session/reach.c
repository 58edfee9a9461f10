/*
 * reach.c - the way to the server: addresses of earlier visits, the dial, what
 * the connection cost, and one more try.
 *
 * A name that was looked up before costs no round trip: its addresses are tried
 * as they are, for the certificate proves the peer, and looked up again beside
 * the visit when they are old. Where a stranger is met there they are looked up
 * at once, and tried anew.
 */
#include <stdio.h>
#include <string.h>

#include "mailsled/clock.h"
#include "session/session.h"

#define SEGMENT        1448  /* octets, most often */
#define LOOKUP_OLD_S   3600  /* addresses of that age are refreshed */
#define LOOKUP_WAIT_MS 2000  /* at most, behind the visit */
#define STRANGER_MS    20000 /* for a look-up, behind a stranger */

/* ---- addresses ---- */

/* As many as there is room for. */
static void
copy_addresses(char *out, size_t room, const char *addresses)
{
	size_t len = strlen(addresses);

	if (len >= room)
		for (len = room - 1; len > 0 && addresses[len] != ' '; len--)
			continue;
	memcpy(out, addresses, len);
	out[len] = '\0';
}

static void
keep_addresses(struct sled_session *s, const char *addresses)
{
	struct sled_peer *peer = sled_peer_of(s);

	if (peer == NULL || *addresses == '\0')
		return;
	copy_addresses(peer->addresses, sizeof(peer->addresses), addresses);
	peer->looked_up = sled_clock_now();
}

/* What was looked up in this visit has led to the right server. */
static void
keep_proved(struct sled_session *s)
{
	const char *found = sled_dial_found(s->dial);

	keep_addresses(s, *found == '\0' ? s->fresh : found);
}

void
sled_reach_secure(struct sled_session *s)
{
	struct sled_peer *peer = sled_peer_of(s);

	if (peer == NULL)
		return;
	keep_proved(s);
	peer->tls_default = s->hello == SLED_TLS_HELLO_DEFAULT;
}

static void
on_looked_up(void *ctx, const char *addresses, const struct sled_err *err)
{
	struct sled_session *s = ctx;

	(void)err; /* the addresses that we have are good for the next visit */
	sled_lookup_free(&s->lookup);
	if (addresses != NULL)
		keep_addresses(s, addresses);
	if (s->ending)
		sled_session_end(s);
}

void
sled_reach_refresh(struct sled_session *s)
{
	const struct sled_peer *peer = sled_peer_of(s);
	int64_t now = sled_clock_now();
	struct sled_err err = { 0 };

	if (peer == NULL || s->lookup != NULL ||
	    (now >= peer->looked_up && now - peer->looked_up < LOOKUP_OLD_S))
		return;
	(void)!sled_lookup_new(&s->lookup, s->loop, s->conf.account->server,
	                       on_looked_up, s, &err);
}

void
sled_reach_late(void *ctx)
{
	struct sled_session *s = ctx;

	sled_lookup_free(&s->lookup);
	sled_timer_stop(s->late);
	if (s->stranger.kind != SLED_ERR_NONE)
		s->result.err = s->stranger;
	s->stranger.kind = SLED_ERR_NONE;
	s->again = false;
	sled_session_end(s);
}

/* A visit that went well gives the look-up a little more time. */
bool
sled_reach_waits(struct sled_session *s)
{
	if (s->lookup != NULL && s->result.err.kind == SLED_ERR_NONE &&
	    !s->stopping) {
		if (!s->lookup_late)
			sled_timer_start(s->late, LOOKUP_WAIT_MS);
		s->lookup_late = true;
		return true;
	}
	sled_lookup_free(&s->lookup);
	return false;
}

/* ---- the dial ---- */

static bool
is_among(const char *addresses, const char *one)
{
	size_t len = strlen(one);

	for (const char *at = addresses; *at != '\0'; at += strspn(at, " ")) {
		size_t word = strcspn(at, " ");

		if (word == len && memcmp(at, one, len) == 0)
			return true;
		at += word;
	}
	return false;
}

static void
on_dialled(void *ctx, struct sled_conn *conn, const struct sled_err *err)
{
	struct sled_session *s = ctx;

	if (conn == NULL) {
		sled_session_fail(s, err);
		return;
	}
	s->unproved = !is_among(sled_dial_found(s->dial), sled_conn_peer(conn));
	sled_wire_connected(s, conn);
}

static const char *
known_addresses(const struct sled_session *s)
{
	const struct sled_peer *peer = sled_peer_of(s);

	if (s->fresh[0] != '\0')
		return s->fresh;
	return peer != NULL && peer->port == s->conf.account->port
	           ? peer->addresses
	           : "";
}

/* The last visit got nowhere with them: do not wait for what comes of it. */
static void
refresh_if_doubtful(struct sled_session *s)
{
	const struct sled_peer *peer = sled_peer_of(s);

	if (peer != NULL && peer->addresses[0] != '\0' &&
	    peer->looked_up == 0 && s->fresh[0] == '\0')
		sled_reach_refresh(s);
}

bool
sled_reach_start(struct sled_session *s, struct sled_err *err)
{
	const struct sled_conf_account *account = s->conf.account;
	struct sled_peer *peer = sled_peer_of(s);
	const char *cached = known_addresses(s);
	struct sled_dial_to to = {
		.host = account->server,
		.port = account->port,
		.cached = cached,
		.user_timeout_ms = (uint32_t)account->timeout_ms,
	};

	if (s->conf.device != NULL)
		(void)snprintf(to.device, sizeof(to.device), "%s",
		               s->conf.device);
	if (peer != NULL && peer->port != account->port)
		*peer = (struct sled_peer){ .port = account->port };
	if (peer != NULL && peer->tls_default)
		s->hello = SLED_TLS_HELLO_DEFAULT;
	sled_path_recall(s, cached);
	to.window = sled_pace_window(&s->pace);
	sled_eager_choose(s);
	sled_timer_start(s->stall, account->timeout_ms);
	sled_session_phase(s, SLED_PHASE_CONNECT);
	refresh_if_doubtful(s);
	return sled_pop3_new(&s->pop, err) &&
	       sled_dial_new(&s->dial, s->loop, &to, on_dialled, s, err);
}

/* What it cost; a visit may have had another connection before. */
static void
note_cost(struct sled_session *s)
{
	struct sled_visit_row *row = &s->result.row;
	bool owed = s->quit_sent && !s->quit_matters;
	struct sled_conn_facts facts;

	sled_conn_facts(s->conn, &facts);
	row->wire_down +=
	    facts.wire_down + facts.close_down + (owed ? SLED_OWED_DOWN : 0);
	row->wire_up +=
	    facts.wire_up + facts.close_up + (owed ? SLED_OWED_UP : 0);
	row->segs_down += facts.segs_down;
	row->segs_up += facts.segs_up;
	row->retrans +=
	    facts.retrans_up + (facts.dup_down + SEGMENT - 1) / SEGMENT;
	if (facts.min_rtt_ms > 0 &&
	    (row->rtt_ms == 0 || facts.min_rtt_ms < row->rtt_ms))
		row->rtt_ms = facts.min_rtt_ms;
}

void
sled_reach_close(struct sled_session *s)
{
	struct sled_peer *peer = sled_peer_of(s);

	s->closed = true;
	sled_timer_stop(s->stall);
	sled_timer_stop(s->grace);
	sled_timer_stop(s->hush);
	sled_dial_free(&s->dial);
	if (s->conn == NULL)
		return;
	if (s->unproved && !s->secure && peer != NULL)
		peer->looked_up = 0; /* in doubt */
	if (s->secure)
		sled_ticket_keep(s);
	note_cost(s);
	sled_conn_free(&s->conn);
	sled_path_tell(s);
}

/* ---- one more try ---- */

static void
begin_again(void *ctx)
{
	struct sled_session *s = ctx;
	struct sled_err err = { 0 };

	s->again = s->closed = s->unproved = false;
	sled_tls_free(&s->tls);
	sled_pop3_free(&s->pop);
	sled_listing_free(&s->listing);
	sled_recall_free(&s->recall);
	s->secure = s->greeted = s->list_asked = false;
	s->lines = 0;
	s->result.stranger = s->result.refused_cert = false;
	s->stat_done = s->uids_begun = s->uids_done = s->sizes_done = false;
	s->form = NULL;
	s->refusal.kind = SLED_ERR_NONE;
	if (s->stopping)
		sled_session_stop(s, true);
	else if (!sled_reach_start(s, &err))
		sled_session_fail(s, &err);
}

static bool
is_hello_refused(const struct sled_session *s)
{
	return s->tls != NULL && !s->secure &&
	       s->hello == SLED_TLS_HELLO_SLIM && !s->stopping &&
	       sled_tls_hello_refused(s->tls);
}

/* ---- a stranger ---- */

static void
on_named(void *ctx, const char *addresses, const struct sled_err *err)
{
	struct sled_session *s = ctx;

	(void)err; /* what is told is what failed first */
	if (addresses == NULL || is_among(addresses, s->result.peer)) {
		if (addresses != NULL)
			keep_addresses(s, addresses);
		sled_reach_late(s);
		return;
	}
	sled_lookup_free(&s->lookup);
	sled_timer_stop(s->late);
	s->stranger.kind = SLED_ERR_NONE;
	copy_addresses(s->fresh, sizeof(s->fresh), addresses);
	s->hello = SLED_TLS_HELLO_SLIM;
	begin_again(s);
}

/* Who failed to prove to be the server stands where it stood before. No secret
 * was sent (law 5). Look the name up, and try again where that leads to. */
static bool
leave_stranger(struct sled_session *s, const struct sled_err *err)
{
	struct sled_err ignored = { 0 };

	if (!s->unproved || s->secure || s->stopping || s->fresh[0] != '\0' ||
	    (err->kind != SLED_ERR_PROTO && err->kind != SLED_ERR_SERVER &&
	     err->kind != SLED_ERR_LINK))
		return false;
	sled_lookup_free(&s->lookup);
	if (!sled_lookup_new(&s->lookup, s->loop, s->conf.account->server,
	                     on_named, s, &ignored))
		return false;
	s->stranger = *err;
	sled_reach_close(s);
	sled_timer_start(s->late, STRANGER_MS);
	s->again = true;
	return true;
}

/* The caller may be deep in the engines: they are freed a turn later. */
bool
sled_reach_again(struct sled_session *s, const struct sled_err *err)
{
	struct sled_err ignored = { 0 };

	if (is_hello_refused(s))
		s->hello = SLED_TLS_HELLO_DEFAULT;
	else if (!sled_eager_again(s, err))
		return leave_stranger(s, err);
	sled_reach_close(s);
	s->again = sled_loop_post(s->loop, begin_again, s, &ignored);
	return s->again;
}
