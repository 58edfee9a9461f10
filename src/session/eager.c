/*
 * eager.c - what may leave on trust, before the server has spoken.
 *
 * A visit to a server that is known saves two round trips: CAPA, and the wait
 * for the greeting. Trust needs proof, from a strict visit: PIPELINING
 * announced before the login, and this form of login accepted at its first
 * line [L3]. One that fails is paid once: the visit begins anew, strictly, and for a
 * month one step less leaves on trust. Once a month CAPA goes along, between the
 * login and STAT, so that its answer is there before the listing's.
 */
#include <stdio.h>
#include <string.h>

#include "mailsled/clock.h"
#include "session/session.h"

/* And some round trips. Servers hold a login back that follows failed ones:
 * Dovecot for up to 17 s. */
#define PATIENCE_MS 20000
#define DOUBT_S     86400

static bool
may_take(const struct sled_conf_account *account, const struct sled_peer *peer)
{
	const char *form = peer->eager;

	if (peer->port != account->port || form[0] == '\0')
		return false;
	switch (account->auth) {
	case SLED_CONF_AUTH_PLAIN:
		return strcmp(form, SLED_FORM_PLAIN) == 0;
	case SLED_CONF_AUTH_USER:
		return strcmp(form, SLED_FORM_USER) == 0;
	case SLED_CONF_AUTH_LOGIN:
		return false;
	case SLED_CONF_AUTH_AUTO:
	default:
		return true;
	}
}

static enum sled_mode
mode_of(const struct sled_peer *peer, int64_t now)
{
	if (peer->eager_lost == 0 || sled_is_over(peer->eager_retry, now))
		return SLED_MODE_EAGER;
	return peer->eager_lost == 1 ? SLED_MODE_FLIGHT : SLED_MODE_STRICT;
}

void
sled_eager_choose(struct sled_session *s)
{
	const struct sled_peer *peer;

	s->mode = SLED_MODE_STRICT;
	s->caps = 0;
	s->caps_known = s->caps_due = false;
	s->caps_told = 0;
	s->limits = (struct sled_capa_limits){ 0 };
	if (s->box == NULL || s->fell != SLED_MODE_STRICT ||
	    !sled_list_may_pipeline(s))
		return;
	peer = sled_box_peer(s->box);
	if (!may_take(s->conf.account, peer) ||
	    !sled_login_may_take(s, peer->eager))
		return;
	s->mode = mode_of(peer, sled_clock_now());
	if (s->mode == SLED_MODE_STRICT)
		return;
	s->caps = peer->caps;
	s->caps_known = true;
	s->caps_due = sled_is_over(peer->caps_seen + SLED_VISIT_AGAIN_S,
	                           sled_clock_now());
}

bool
sled_eager_due(const struct sled_session *s)
{
	return s->secure && s->form == NULL &&
	       (s->mode == SLED_MODE_EAGER ||
	        (s->mode == SLED_MODE_FLIGHT && s->greeted));
}

/* Behind a greeting, answers to what was sent with it follow soon; where they
 * don't, it was dropped. A login that was sent behind it is not dropped, nor is
 * a listing that has begun: there the line is slow, or gone. */
bool
sled_eager_waits(const struct sled_session *s)
{
	bool login = s->phase == SLED_PHASE_LOGIN;

	return s->form != NULL && s->greeted && !s->uids_begun && !s->listed &&
	       (s->mode == SLED_MODE_EAGER ||
	        (s->mode == SLED_MODE_FLIGHT && !login));
}

uint64_t
sled_eager_patience(const struct sled_session *s)
{
	uint64_t most = s->conf.account->timeout_ms;
	struct sled_conn_facts facts;
	uint64_t wait;

	sled_conn_facts(s->conn, &facts);
	wait = PATIENCE_MS + (uint64_t)facts.rtt_ms * 4;
	return wait < most ? wait : most;
}

/* The first line that left early may have been dropped, not those behind it:
 * then each answer is the next one's, and the last never comes. */
bool
sled_eager_misled(const struct sled_session *s, const struct sled_err *err)
{
	return s->mode == SLED_MODE_EAGER && err->kind == SLED_ERR_LINK &&
	       !s->stopping && sled_pop3_waiting(s->pop) > 0;
}

/* Closing is all that is left once replies may belong to other commands. */
bool
sled_eager_again(struct sled_session *s, const struct sled_err *err)
{
	if (s->mode == SLED_MODE_STRICT || s->form == NULL || s->listed ||
	    s->stopping ||
	    (err->kind != SLED_ERR_LINK && err->kind != SLED_ERR_PROTO))
		return false;
	s->fell = s->mode;
	return true;
}

/* The line may have been to blame, or the server waits for ever for what it
 * dropped: for a day no visit ends by that. Nor is a login that a server refuses
 * by hanging up tried twice in each. */
void
sled_eager_failed(struct sled_session *s, const struct sled_err *err)
{
	struct sled_peer *peer;

	if (s->box == NULL || s->listed ||
	    (err->kind != SLED_ERR_LINK &&
	     (err->kind != SLED_ERR_LOGIN || s->fell != SLED_MODE_EAGER)) ||
	    (s->fell != SLED_MODE_EAGER &&
	     (s->mode != SLED_MODE_EAGER || !sled_eager_waits(s))))
		return;
	peer = sled_box_peer(s->box);
	if (peer->eager_lost == 0)
		peer->eager_lost = 1;
	peer->eager_retry = sled_clock_now() + DOUBT_S;
}

void
sled_eager_accepted(struct sled_session *s)
{
	struct sled_peer *peer;

	if (s->box == NULL)
		return;
	peer = sled_box_peer(s->box);
	peer->port = s->conf.account->port;
	if (s->fell != SLED_MODE_STRICT) { /* so the line was not to blame */
		peer->eager_lost = s->fell == SLED_MODE_EAGER ? 1 : 2;
		peer->eager_retry = sled_clock_now() + SLED_VISIT_AGAIN_S;
	}
	if (s->mode != SLED_MODE_STRICT)
		return;
	peer->caps = s->caps;
	peer->caps_seen = sled_clock_now();
	(void)snprintf(peer->eager, sizeof(peer->eager), "%s",
	               s->form == NULL || !sled_can(s, SLED_PEER_PIPELINING)
	                   ? ""
	                   : s->form);
}

void
sled_eager_listed(struct sled_session *s)
{
	s->listed = true;
	s->result.row.eager = s->mode == SLED_MODE_EAGER;
	if (s->mode == SLED_MODE_EAGER)
		sled_box_peer(s->box)->eager_lost = 0;
}

/* What holds behind a login too; of the means of login nothing is said there.
 * One that is gone is believed only where it is asked before the login: the
 * next visit is strict. What is on its way is pipelined whatever comes. */
#define LASTING                                                      \
	(SLED_PEER_PIPELINING | SLED_PEER_EXPIRE_0 | SLED_PEER_TOP | \
	 SLED_PEER_UIDL)

void
sled_eager_capa(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_peer *peer = sled_box_peer(s->box);
	unsigned known = peer->caps & LASTING;

	if (event->kind == SLED_POP3_LISTED) {
		s->caps_told |= sled_capa_of(event->text) & LASTING;
		sled_capa_limit(&s->limits, event->text);
	}
	if (event->kind == SLED_POP3_END || event->kind == SLED_POP3_REFUSED)
		peer->caps_seen = sled_clock_now();
	if (event->kind != SLED_POP3_END)
		return;
	peer->caps |= s->caps_told;
	s->caps |= s->caps_told;
	s->result.expire_0 = sled_can(s, SLED_PEER_EXPIRE_0);
	s->result.top = sled_can(s, SLED_PEER_TOP);
	if ((known & ~s->caps_told) != 0)
		peer->eager[0] = '\0';
}
