/*
 * path.c - how much the way to the server carries, by the interface it leaves
 * by: known from earlier visits, measured in this one, kept for the next.
 * pace.c has the arithmetic.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mailsled/clock.h"
#include "session/session.h"

static int64_t
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool
name_path(struct sled_session *s, const char *addresses)
{
	if (s->conf.device == NULL)
		return sled_route_to(addresses, s->conf.account->server,
		                     s->path_name);
	(void)snprintf(s->path_name, sizeof(s->path_name), "%s",
	               s->conf.device);
	return true;
}

void
sled_path_recall(struct sled_session *s, const char *addresses)
{
	struct sled_path row = { .name = "" };
	struct sled_pace_path known = { 0 };
	struct sled_err err = { 0 };
	bool found = false;

	if (s->box != NULL && name_path(s, addresses) &&
	    !sled_box_path(s->box, s->path_name, &row, &found, &err))
		sled_session_warn(s, "%s", err.text);
	if (found)
		known =
		    (struct sled_pace_path){ row.rate, row.rtt_ms, row.visits };
	else
		known =
		    (struct sled_pace_path){ s->conf.rate, s->conf.rtt_ms, 0 };
	sled_pace_init(&s->pace, &known);
}

void
sled_path_connected(struct sled_session *s)
{
	struct sled_conn_facts facts;

	sled_conn_facts(s->conn, &facts);
	sled_pace_rtt(&s->pace, (facts.min_rtt_ms > 0 ? facts.min_rtt_ms
	                                              : facts.connect_ms) *
	                            1000);
	if (s->path_name[0] == '\0')
		(void)sled_route_name(sled_conn_peer(s->conn), s->path_name);
}

void
sled_path_came(struct sled_session *s, size_t octets)
{
	sled_pace_came(&s->pace, now_us(), octets, s->in_flight > 0);
}

void
sled_path_retune(struct sled_session *s)
{
	uint32_t window = sled_pace_retune(&s->pace);

	/* One that the kernel refuses stays as it was: slower, not wrong. */
	if (window > 0)
		(void)sled_conn_window(s->conn, window);
}

void
sled_path_tell(struct sled_session *s)
{
	const struct sled_visit_row *row = &s->result.row;
	struct sled_conn_facts facts = { 0 };

	if (s->conn != NULL)
		sled_conn_facts(s->conn, &facts);
	s->now.wire =
	    row->wire_down + row->wire_up + facts.wire_down + facts.wire_up;
	s->now.rate = sled_pace_rate(&s->pace);
	s->now.low = sled_pace_low(&s->pace);
	if (facts.min_rtt_ms > 0)
		s->now.rtt_ms = facts.min_rtt_ms;
	s->now.busy = s->phase == SLED_PHASE_FETCH && s->in_flight > 0;
	if (s->conf.plan != NULL && s->now.busy)
		sled_session_tell(s);
}

void
sled_path_keep(struct sled_session *s)
{
	struct sled_pace_path learned;
	struct sled_path row = { .seen = sled_clock_now() };
	struct sled_err err = { 0 };

	if (s->path_name[0] == '\0' || !sled_pace_learn(&s->pace, &learned))
		return;
	(void)snprintf(row.name, sizeof(row.name), "%s", s->path_name);
	row.rate = learned.rate;
	row.rtt_ms = learned.rtt_ms;
	row.visits = learned.visits;
	if (!sled_box_path_put(s->box, &row, &err))
		sled_session_warn(s, "%s", err.text);
}
