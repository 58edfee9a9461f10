/* session.c - a visit from its start to its end; see mailsled/session.h. */
#include "session/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"

void
sled_session_warn(struct sled_session *s, const char *fmt, ...)
{
	char *warnings = s->result.warnings;
	size_t room = sizeof(s->result.warnings), len = strlen(warnings);
	va_list ap;

	if (len + 32 > room)
		return;
	if (len > 0)
		len += (size_t)snprintf(warnings + len, room - len, "; ");
	va_start(ap, fmt);
	(void)vsnprintf(warnings + len, room - len, fmt, ap);
	va_end(ap);
}

void
sled_session_tell(struct sled_session *s)
{
	s->now.ms = sled_clock_ms() - s->began_ms;
	if (s->calls.progress != NULL)
		s->calls.progress(s->calls.ctx, &s->now);
}

void
sled_session_phase(struct sled_session *s, enum sled_phase phase)
{
	s->phase = phase;
	s->now.phase = phase;
	sled_session_tell(s);
}

/* The first failure is the one to tell. */
void
sled_session_fail(struct sled_session *s, const struct sled_err *err)
{
	if (s->closed)
		return;
	if (s->result.err.kind == SLED_ERR_NONE)
		s->result.err = *err;
	if (s->phase == SLED_PHASE_LIST)
		sled_list_lost(s, err->kind);
	sled_session_end(s);
}

bool
sled_session_did(struct sled_session *s, bool ok, const struct sled_err *err)
{
	if (!ok)
		sled_session_fail(s, err);
	return ok && !s->closed;
}

/* ---- the end ---- */

static void
close_connection(struct sled_session *s)
{
	struct sled_conn_facts facts;

	s->closed = true;
	sled_timer_stop(s->stall);
	sled_timer_stop(s->grace);
	sled_dial_free(&s->dial);
	if (s->conn == NULL)
		return;
	sled_conn_facts(s->conn, &facts);
	s->result.row.wire_down = facts.wire_down + facts.close_down;
	s->result.row.wire_up = facts.wire_up + facts.close_up;
	sled_conn_free(&s->conn);
}

static void
tell_done(void *ctx)
{
	struct sled_session *s = ctx;

	s->calls.done(s->calls.ctx, &s->result);
}

/* May come again when a job is done. */
void
sled_session_end(struct sled_session *s)
{
	struct sled_err err = { 0 };

	s->ending = true;
	if (!s->closed)
		close_connection(s);
	if (s->taking)
		sled_box_cancel(s->box);
	s->taking = false;
	if (s->job || s->reported ||
	    (!s->store_failed && sled_fetch_commit(s, true)))
		return;
	s->reported = true;
	sled_report(s);
	sled_session_phase(s, SLED_PHASE_DONE);
	if (!sled_loop_post(s->loop, tell_done, s, &err))
		tell_done(s);
}

static void
on_stall(void *ctx)
{
	struct sled_session *s = ctx;
	struct sled_err err = { 0 };

	(void)sled_fail(&err, SLED_ERR_LINK, "%s: nothing for %u s: timed out",
	                s->conf.account->server,
	                (unsigned)(s->conf.account->timeout_ms / 1000));
	if (s->tls != NULL && !s->secure)
		(void)sled_note(&err, "TLS handshake");
	(void)sled_hint(&err, "is the link up? Else raise `timeout =`");
	sled_session_fail(s, &err);
}

static void
stopped(struct sled_session *s)
{
	struct sled_err err = { 0 };

	(void)sled_fail(&err, SLED_ERR_LINK, "stopped before the end");
	sled_session_fail(s, &err);
}

static void
on_grace(void *ctx)
{
	stopped(ctx);
}

void
sled_session_stop(struct sled_session *s, bool now)
{
	struct sled_err err = { 0 };

	if (s->closed)
		return;
	if (now || s->phase < SLED_PHASE_FETCH) {
		stopped(s);
		return;
	}
	if (s->stopping)
		return;
	s->stopping = true;
	sled_timer_start(s->grace, SLED_STOP_MS);
	if (s->phase == SLED_PHASE_FETCH && s->in_flight == 0)
		sled_fetch_more(s);
	if (s->result.err.kind == SLED_ERR_NONE &&
	    s->phase == SLED_PHASE_FETCH) {
		(void)sled_fail(&err, SLED_ERR_LINK, "stopped before the end");
		s->result.err = err;
	}
}

/* ---- the start ---- */

static void
on_dialled(void *ctx, struct sled_conn *conn, const struct sled_err *err)
{
	struct sled_session *s = ctx;

	if (conn == NULL)
		sled_session_fail(s, err);
	else
		sled_wire_connected(s, conn);
}

static bool
make_parts(struct sled_session *s, struct sled_err *err)
{
	const struct sled_conf_account *account = s->conf.account;
	const struct sled_spool_owner owner = { account->name, account->server,
		                                account->user };

	if (!sled_pop3_new(&s->pop, err) ||
	    !sled_timer_new(&s->stall, s->loop, on_stall, s, err) ||
	    !sled_timer_new(&s->grace, s->loop, on_grace, s, err))
		return false;
	return s->conf.store == NULL ||
	       sled_box_open(&s->box, s->conf.store, &owner, sled_clock_now(),
	                     err);
}

static bool
start(struct sled_session *s, struct sled_err *err)
{
	const struct sled_dial_to to = { .host = s->conf.account->server,
		                         .port = s->conf.account->port };

	if (!make_parts(s, err))
		return false;
	s->result.row.began = sled_clock_now();
	s->began_ms = sled_clock_ms();
	sled_timer_start(s->stall, s->conf.account->timeout_ms);
	sled_session_phase(s, SLED_PHASE_CONNECT);
	return sled_dial_new(&s->dial, s->loop, &to, on_dialled, s, err);
}

bool
sled_session_start(struct sled_session **out, struct sled_loop *loop,
                   const struct sled_visit_conf *conf,
                   const struct sled_visit_calls *calls, struct sled_err *err)
{
	struct sled_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "session");
	s->loop = loop;
	s->conf = *conf;
	s->calls = *calls;
	if (!start(s, err)) {
		sled_session_free(&s);
		return false;
	}
	*out = s;
	return true;
}

void
sled_session_free(struct sled_session **session)
{
	struct sled_session *s = *session;
	struct sled_err ignored = { 0 };

	if (s == NULL)
		return;
	sled_dial_free(&s->dial);
	sled_conn_free(&s->conn);
	sled_timer_free(&s->stall);
	sled_timer_free(&s->grace);
	sled_tls_free(&s->tls);
	sled_pop3_free(&s->pop);
	(void)!sled_box_close(&s->box, NULL, &ignored);
	sled_intake_free(&s->top);
	sled_listing_free(&s->listing);
	explicit_bzero(s->text, sizeof(s->text));
	free(s);
	*session = NULL;
}
