/* session.c - a visit from its start to its end; see mailsled/session.h. */
#include "session/session.h"

#include <errno.h>
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

/* Where its time went: one figure a phase. */
static void
note_time(struct sled_session *s)
{
	struct sled_visit_row *row = &s->result.row;
	int64_t *const spent[] = {
		[SLED_PHASE_CONNECT] = &row->ms_connect,
		[SLED_PHASE_TLS] = &row->ms_tls,
		[SLED_PHASE_LOGIN] = &row->ms_login,
		[SLED_PHASE_LIST] = &row->ms_list,
		[SLED_PHASE_FETCH] = &row->ms_fetch,
		[SLED_PHASE_SAVE] = &row->ms_save,
		[SLED_PHASE_DELETE] = &row->ms_delete,
	};
	int64_t now = sled_clock_ms();

	if (s->phase < SLED_PHASE_DONE)
		*spent[s->phase] += now - s->phase_ms;
	s->phase_ms = now;
}

void
sled_session_phase(struct sled_session *s, enum sled_phase phase)
{
	note_time(s);
	s->phase = phase;
	s->now.phase = phase;
	sled_session_tell(s);
}

/* ---- silence [W3] ---- */

#define SILENT_MS 2000 /* and two round trips */

/* Does the server owe an answer? The disk's time is not its silence. */
static bool
is_owed(const struct sled_session *s)
{
	return s->conn != NULL && s->phase != SLED_PHASE_SAVE &&
	       s->phase != SLED_PHASE_DONE &&
	       (s->phase != SLED_PHASE_FETCH || s->in_flight > 0);
}

/* How long a line that is told to stop may still be silent: 0 for no more. */
static uint64_t
patience(const struct sled_session *s)
{
	int64_t silent = sled_clock_ms() - s->last_ms;
	struct sled_conn_facts facts;
	int64_t most;

	if (s->conn == NULL || s->last_ms == 0)
		return SILENT_MS;
	sled_conn_facts(s->conn, &facts);
	most = SILENT_MS + 2 * (int64_t)facts.min_rtt_ms;
	return silent >= most ? 0 : (uint64_t)(most - silent);
}

/* The line is gone: not closed or reset by the server, nor by us. */
static void
note_cut(struct sled_session *s, const struct sled_err *err)
{
	bool gone = err->sys == ETIMEDOUT || err->sys == EHOSTUNREACH ||
	            err->sys == ENETUNREACH || err->sys == ENETDOWN;

	if (s->conn != NULL && s->last_ms > 0 && gone)
		s->result.row.cut = true;
}

/* The first failure is the one to tell. */
static void
fail(struct sled_session *s, const struct sled_err *err)
{
	if (s->result.err.kind == SLED_ERR_NONE)
		s->result.err = *err;
	note_cut(s, err);
	if (s->phase == SLED_PHASE_LIST)
		sled_list_lost(s, err->kind);
	sled_eager_failed(s, err);
	sled_session_end(s);
}

void
sled_session_fail(struct sled_session *s, const struct sled_err *err)
{
	if (s->closed)
		return;
	sled_aside_ended(s, err);
	if (s->refusal.kind != SLED_ERR_NONE && !sled_eager_misled(s, err))
		fail(s, &s->refusal); /* it hung up on that */
	else if (!sled_reach_again(s, err))
		fail(s, s->refusal.kind != SLED_ERR_NONE ? &s->refusal : err);
}

bool
sled_session_did(struct sled_session *s, bool ok, const struct sled_err *err)
{
	if (!ok)
		sled_session_fail(s, err);
	return ok && !s->closed;
}

/* ---- the end, wherever the line ended [W1] ---- */

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
		sled_reach_close(s);
	if (s->taking)
		sled_box_cancel(s->box);
	s->taking = false;
	if (s->job || s->reported ||
	    (!s->store_failed && sled_fetch_commit(s, true)) ||
	    sled_reach_waits(s))
		return;
	s->reported = true;
	sled_session_phase(s, SLED_PHASE_DONE); /* its time is in the row */
	sled_report(s);
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
	err.sys = ETIMEDOUT;
	if (s->tls != NULL && !s->secure)
		(void)sled_note(&err, "TLS handshake");
	(void)sled_hint(&err, "is the link up? Else raise `timeout =`");
	sled_aside_ended(s, &err);
	if (sled_eager_waits(s))
		sled_session_fail(s, &err);
	else
		fail(s, &err); /* no second try on a line that is gone */
}

static void
stopped(struct sled_session *s)
{
	struct sled_err err = { 0 };

	(void)sled_fail(&err, SLED_ERR_LINK, "stopped before the end");
	fail(s, &err);
}

/* What is in flight does not come any more. */
static void
cut_short(struct sled_session *s)
{
	s->result.row.cut = s->last_ms > 0;
	stopped(s);
}

static void
on_hush(void *ctx)
{
	struct sled_session *s = ctx;
	uint64_t wait = is_owed(s) ? patience(s) : SILENT_MS;

	if (wait == 0)
		cut_short(s);
	else
		sled_timer_start(s->hush, wait);
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

	if (s->again)
		s->stopping = true; /* seen when the next try is due */
	if (s->stranger.kind != SLED_ERR_NONE)
		sled_reach_late(s);
	if (s->closed)
		return;
	if (is_owed(s) && patience(s) == 0) {
		cut_short(s);
		return;
	}
	if (now || s->phase < SLED_PHASE_FETCH) {
		stopped(s);
		return;
	}
	if (s->stopping)
		return;
	s->stopping = true;
	sled_timer_start(s->grace, SLED_STOP_MS);
	on_hush(s);
	if (s->phase == SLED_PHASE_FETCH && s->in_flight == 0)
		sled_fetch_more(s);
	if (s->result.err.kind == SLED_ERR_NONE &&
	    s->phase == SLED_PHASE_FETCH) {
		(void)sled_fail(&err, SLED_ERR_LINK, "stopped before the end");
		s->result.err = err;
	}
}

/* ---- the start ---- */

static bool
make_parts(struct sled_session *s, struct sled_err *err)
{
	const struct sled_conf_account *account = s->conf.account;
	const struct sled_spool_owner owner = { account->name, account->server,
		                                account->user };

	if (!sled_timer_new(&s->stall, s->loop, on_stall, s, err) ||
	    !sled_timer_new(&s->grace, s->loop, on_grace, s, err) ||
	    !sled_timer_new(&s->hush, s->loop, on_hush, s, err) ||
	    !sled_timer_new(&s->late, s->loop, sled_reach_late, s, err))
		return false;
	return s->conf.store == NULL ||
	       sled_box_open(&s->box, s->conf.store, &owner, sled_clock_now(),
	                     err);
}

static bool
start(struct sled_session *s, struct sled_err *err)
{
	s->result.row.began = sled_clock_now();
	s->began_ms = s->phase_ms = sled_clock_ms();
	return make_parts(s, err) && sled_remember_load(s, err) &&
	       sled_reach_start(s, err);
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
	sled_lookup_free(&s->lookup);
	sled_conn_free(&s->conn);
	sled_timer_free(&s->stall);
	sled_timer_free(&s->grace);
	sled_timer_free(&s->hush);
	sled_timer_free(&s->late);
	sled_tls_free(&s->tls);
	sled_pop3_free(&s->pop);
	(void)!sled_box_close(&s->box, NULL, &ignored);
	sled_intake_free(&s->top);
	sled_listing_free(&s->listing);
	sled_listing_free(&s->seen);
	sled_recall_free(&s->recall);
	sled_buf_free(&s->holding.text);
	explicit_bzero(s->text, sizeof(s->text));
	free(s);
	*session = NULL;
}
