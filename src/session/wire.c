/* wire.c - bytes between the socket, TLS and the engine. */
#include <string.h>

#include "mailsled/clock.h"
#include "session/session.h"

/* Commands in flight are a tenth of that; but each new key of TLS that a server
 * asks for is answered, whether it reads or not [W2]. */
#define QUEUED_MOST (256u << 10)

static void
dispatch(struct sled_session *s, const struct sled_pop3_event *event)
{
	switch (s->phase) {
	case SLED_PHASE_CONNECT:
	case SLED_PHASE_TLS:
	case SLED_PHASE_LOGIN:
		sled_login_event(s, event);
		break;
	case SLED_PHASE_LIST:
		sled_list_event(s, event);
		break;
	case SLED_PHASE_FETCH:
	case SLED_PHASE_SAVE:
		if (s->holding.in_flight > 0)
			sled_held_event(s, event);
		else
			sled_fetch_event(s, event);
		break;
	case SLED_PHASE_DELETE:
		sled_delete_event(s, event);
		break;
	case SLED_PHASE_DONE:
	default:
		break;
	}
}

static void
feed_engine(struct sled_session *s, struct sled_span in)
{
	struct sled_pop3_event event;
	struct sled_err err = { 0 };
	enum sled_pop3_step step;
	bool is_idle;

	sled_pop3_feed(s->pop, in);
	while ((step = sled_pop3_next(s->pop, &event, &err)) ==
	       SLED_POP3_EVENT) {
		s->idle = s->idle || sled_pop3_waiting(s->pop) == 0;
		dispatch(s, &event);
		if (s->closed)
			return;
	}
	if (step != SLED_POP3_FAILED)
		return;
	sled_quote_failure(s, &err);
	is_idle = s->phase == SLED_PHASE_SAVE && s->holding.in_flight == 0 &&
	          in.len > 0 && in.data[0] == '-';
	s->lost_order = err.kind == SLED_ERR_PROTO && !is_idle;
	/* What stands before STLS and speaks no POP3. */
	s->result.stranger = s->result.stranger || (!s->greeted && !s->secure &&
	                                            err.kind == SLED_ERR_PROTO);
	if (is_idle) /* its idle timer, most likely */
		(void)sled_fail(&err, SLED_ERR_LINK,
		                "%s hung up while mail was being saved",
		                s->conf.account->server);
	sled_session_fail(s, &err);
}

static void
say_closed(const struct sled_session *s, struct sled_err *err)
{
	(void)sled_fail(err, SLED_ERR_LINK, "the server closed the connection");
	if (s->quit_sent && s->deleting)
		(void)sled_note(err, "QUIT was not answered, so that the next "
		                     "visit tells what was deleted");
}

/* Plaintext out of TLS, until it wants more. */
static void
read_tls(struct sled_session *s)
{
	struct sled_err err = { 0 };
	enum sled_tls_step step;
	size_t got = 0;

	while (!s->closed &&
	       (step = sled_tls_read(s->tls, s->text, sizeof(s->text), &got,
	                             &err)) != SLED_TLS_HUNGRY) {
		if (step == SLED_TLS_READY) {
			feed_engine(s, (struct sled_span){ s->text, got });
			continue;
		}
		if (step == SLED_TLS_CLOSED)
			say_closed(s, &err);
		sled_session_fail(s, &err);
	}
}

static void
note_tls(struct sled_session *s)
{
	const struct sled_tls_facts *facts = sled_tls_facts(s->tls);

	(void)strncpy(s->result.tls_version, facts->version,
	              sizeof(s->result.tls_version) - 1);
	s->secure = true;
	sled_ticket_secure(s);
	sled_reach_secure(s);
	sled_login_secure(s);
	sled_reach_refresh(s);
}

static void
note_doubt(struct sled_session *s)
{
	enum sled_tls_doubt doubt = sled_tls_doubt(s->tls);

	s->result.refused_cert = doubt == SLED_TLS_REFUSED;
	s->result.stranger =
	    doubt != SLED_TLS_NO_DOUBT && doubt != SLED_TLS_REFUSED;
}

static void
drive_tls(struct sled_session *s)
{
	struct sled_err err = { 0 };
	enum sled_tls_step step;

	if (!s->secure) {
		step = sled_tls_handshake(s->tls, &err);
		if (step == SLED_TLS_FAILED) {
			note_doubt(s);
			sled_wire_flush(s);
			sled_session_fail(s, &err);
			return;
		}
		s->idle = true;
		if (step == SLED_TLS_HUNGRY)
			return;
		note_tls(s);
	}
	read_tls(s);
}

static void
on_data(void *ctx, struct sled_span in)
{
	struct sled_session *s = ctx;

	s->last_ms = sled_clock_ms();
	sled_path_came(s, in.len);
	sled_path_tell(s);
	sled_timer_start(s->stall, s->conf.account->timeout_ms);
	if (s->tls != NULL) {
		sled_tls_feed(s->tls, in);
		drive_tls(s);
	} else {
		feed_engine(s, in);
	}
	if (s->closed)
		return;
	if (s->phase == SLED_PHASE_FETCH)
		sled_fetch_more(s);
	sled_wire_flush(s);
	if (!s->closed)
		sled_path_retune(s);
	if (!s->closed && sled_eager_waits(s))
		sled_timer_start(s->stall, sled_eager_patience(s));
}

static void
on_ended(void *ctx, const struct sled_err *why)
{
	struct sled_session *s = ctx;
	struct sled_err err = { 0 };

	if (s->tls != NULL && why == NULL) {
		sled_tls_eof(s->tls);
		drive_tls(s);
	}
	if (s->closed)
		return;
	if (why == NULL)
		say_closed(s, &err);
	sled_session_fail(s, why == NULL ? &err : why);
}

static void
on_drained(void *ctx)
{
	struct sled_session *s = ctx;

	/* QUIT without DELE: nobody waits for its answer. */
	if (s->quit_sent && !s->quit_matters)
		sled_session_end(s);
}

void
sled_wire_connected(struct sled_session *s, struct sled_conn *conn)
{
	const struct sled_conn_events events = { on_data, on_ended, on_drained,
		                                 s };
	struct sled_err err = { 0 };
	bool implicit = s->conf.account->tls == SLED_CONF_TLS_IMPLICIT;

	s->conn = conn;
	s->idle = true;
	s->result.row.round_trips++; /* SYN */
	sled_path_connected(s);
	(void)strncpy(s->result.peer, sled_conn_peer(conn),
	              sizeof(s->result.peer) - 1);
	sled_session_phase(s, implicit ? SLED_PHASE_TLS : SLED_PHASE_LOGIN);
	if (!sled_conn_start(conn, &events, &err) ||
	    (implicit && !sled_wire_start_tls(s, &err)))
		sled_session_fail(s, &err);
}

bool
sled_wire_start_tls(struct sled_session *s, struct sled_err *err)
{
	if (!sled_tls_new(&s->tls, s->conf.trust, s->conf.account->server,
	                  sled_clock_now(), s->hello, err))
		return false;
	sled_ticket_offer(s);
	if (sled_tls_handshake(s->tls, err) == SLED_TLS_FAILED)
		return false;
	sled_wire_flush(s);
	return true;
}

/* The first to leave while nothing is on its way has a round trip of its own,
 * unless nobody waits for its answer. */
static void
count_turn(struct sled_session *s, struct sled_span commands)
{
	bool leaves = commands.len > 0 ||
	              (s->tls != NULL && sled_tls_pending(s->tls).len > 0);

	if (!leaves || !s->idle || (s->quit_sent && !s->quit_matters))
		return;
	s->idle = false;
	s->result.row.round_trips++;
}

static bool
is_taken(const struct sled_session *s, struct sled_err *err)
{
	return sled_conn_queued(s->conn) <= QUEUED_MOST ||
	       sled_fail(err, SLED_ERR_PROTO,
	                 "%s goes on asking, and does not read the answers",
	                 s->conf.account->server);
}

/* Send what the engine and TLS have queued. Commands go in the clear only
 * before STLS; login.c queues nothing secret there. */
void
sled_wire_flush(struct sled_session *s)
{
	struct sled_err err = { 0 };
	struct sled_span out;
	bool ok = true;

	if (s->closed)
		return;
	out = sled_pop3_pending(s->pop);
	count_turn(s, out);
	if (out.len > 0 && (s->tls == NULL || s->secure)) {
		ok = s->tls != NULL ? sled_tls_write(s->tls, out, &err)
		                    : sled_conn_write(s->conn, out, &err);
		sled_pop3_sent(s->pop, out.len);
	}
	if (ok && s->tls != NULL) {
		out = sled_tls_pending(s->tls);
		if (out.len > 0)
			ok = sled_conn_write(s->conn, out, &err);
		sled_tls_sent(s->tls, out.len);
	}
	ok = ok && is_taken(s, &err);
	if (!ok)
		sled_session_fail(s, &err);
}
