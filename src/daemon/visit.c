/* visit.c - one round: the store opened, the visits told, the store closed. */
#include <string.h>

#include "daemon/internal.h"
#include "mailsled/clock.h"
#include "mailsled/tariff.h"

/* ---- what is told ---- */

static bool
has_price(const struct sled_daemon *d)
{
	return d->visit.profile != NULL && d->visit.profile->costs_len > 0;
}

static void
say_unsaid(struct sled_daemon *d)
{
	const struct sled_daemon_calls *calls = &d->my->calls;

	if (d->unsaid.len > 0)
		calls->say(calls->ctx, d->unsaid_level, d->unsaid.data);
	sled_buf_free(&d->unsaid);
}

/* The line of an account that has the link for itself ends with the bill. */
static void
log_visit(struct sled_daemon *d, size_t account,
          const struct sled_visit_result *result)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	struct sled_err err = { 0 };

	say_unsaid(d);
	d->unsaid_level = result->err.kind == SLED_ERR_NONE
	                      ? SLED_DAEMON_INFO
	                      : SLED_DAEMON_WARNING;
	if (!calls->visit(calls->ctx, &d->unsaid, SLED_DAEMON_LOG,
	                  &d->conf->accounts[account], result, d->store, &err))
		sled_daemon_complain(d, &err);
	if (!has_price(d) || d->visit.accounts_len > 1)
		say_unsaid(d);
}

static void
tell_bill(struct sled_daemon *d, const struct sled_round_row *row)
{
	const struct sled_daemon_calls *calls = &d->my->calls;
	struct sled_buf bill = { 0 };
	struct sled_err err = { 0 };

	if (!has_price(d) || row->id == 0) {
		say_unsaid(d);
		return;
	}
	if (!calls->bill(calls->ctx, &bill, row, &err) ||
	    (d->unsaid.len > 0 &&
	     !sled_buf_printf(&d->unsaid, &err, "; %s", bill.data)))
		sled_daemon_complain(d, &err);
	else if (d->unsaid.len == 0)
		sled_daemon_say(d, SLED_DAEMON_INFO, "%s: %s", row->link,
		                bill.data);
	say_unsaid(d);
	if (err.kind == SLED_ERR_NONE)
		sled_daemon_client_bill(d, row->link, bill.data);
	sled_buf_free(&bill);
}

/* ---- how an account's visit ended ---- */

/* Is the link that the round began on up still, and the same? */
static bool
link_stayed(const struct sled_daemon *d)
{
	const struct sled_scheduler_link *ours = &d->visit.link;
	const struct sled_link *up;
	size_t len = 0;

	(void)sled_links_look(d->links);
	up = sled_links_up(d->links, &len);
	for (size_t i = 0; i < len; i++)
		if (strcmp(up[i].name, ours->name) == 0 &&
		    up[i].since_ms == ours->since_ms &&
		    up[i].changes == ours->changes)
			return true;
	return false;
}

static enum sled_scheduler_outcome
outcome_of(const struct sled_daemon *d, const struct sled_visit_result *result)
{
	if (d->person_stopped)
		return SLED_SCHEDULER_STOPPED;
	if (result->err.kind == SLED_ERR_NONE || result->left_budget > 0)
		return SLED_SCHEDULER_GOOD;
	if (!link_stayed(d))
		return SLED_SCHEDULER_CUT;
	if (result->err.kind == SLED_ERR_LOGIN)
		return SLED_SCHEDULER_REFUSED;
	if (result->err.kind != SLED_ERR_LINK)
		return SLED_SCHEDULER_FAILED;
	/* The window ended, or the line was cut though the link says nothing:
	 * what came did come. */
	if (result->row.fetched > 0 || result->row.deleted > 0)
		return SLED_SCHEDULER_LEFT;
	/* What is too long for the rest of a window waits for the next one: to
	 * ask each minute again costs a visit a minute. */
	return result->left_time > 0 && d->visit.window_ms != UINT64_MAX
	           ? SLED_SCHEDULER_GOOD
	           : SLED_SCHEDULER_FAILED;
}

static void
on_progress(void *ctx, size_t index, const struct sled_visit_progress *now)
{
	struct sled_daemon *d = ctx;

	if (d->phases[index] == now->phase)
		return;
	d->phases[index] = now->phase;
	if (now->phase != SLED_PHASE_DONE)
		sled_daemon_client_progress(d, index, now);
}

static void
on_done(void *ctx, size_t index, const struct sled_visit_result *result)
{
	struct sled_daemon *d = ctx;
	struct sled_scheduler_now now = sled_daemon_now();

	d->over[index] = true;
	log_visit(d, index, result);
	sled_daemon_client_result(d, index, result);
	sled_scheduler_visited(d->scheduler, index, outcome_of(d, result),
	                       result->not_before, &now);
}

static void
on_over(void *ctx, const struct sled_round_result *result)
{
	struct sled_daemon *d = ctx;

	d->result = *result;
	d->round_over = true;
	sled_timer_start(d->settle, 0);
}

/* ---- the round ---- */

/* A dearer link may stand before it in the routes. */
static bool
is_second(const struct sled_daemon *d)
{
	const struct sled_link *up;
	size_t len = 0;

	up = sled_links_up(d->links, &len);
	for (size_t i = 0; i < len && !d->visit.link.direct; i++)
		if (up[i].ipv4 || up[i].ipv6)
			return strcmp(up[i].name, d->visit.link.name) != 0;
	return false;
}

/* Opening the store took some of it. */
static uint64_t
window_left(const struct sled_daemon *d)
{
	uint64_t gone = (uint64_t)(sled_clock_ms() - d->decided_ms);

	if (d->visit.window_ms == UINT64_MAX)
		return UINT64_MAX;
	return d->visit.window_ms > gone ? d->visit.window_ms - gone : 1;
}

/* How long hanging up takes: a down-command may not bring the link down. */
static uint64_t
hang_up_ms(const struct sled_daemon *d)
{
	if (!d->visit.dialled || d->visit.profile->down_command == NULL)
		return 0;
	return (uint64_t)(d->hung_took_ms > SLED_CONF_HANG_UP_MS
	                      ? d->hung_took_ms
	                      : SLED_CONF_HANG_UP_MS);
}

static bool
start(struct sled_daemon *d, struct sled_err *err)
{
	int64_t up_ms = sled_clock_ms() - d->visit.link.since_ms;
	const struct sled_round_conf conf = {
		.conf = d->conf,
		.accounts = d->accounts,
		.accounts_len = d->visit.accounts_len,
		.store = d->store,
		.sys = d->my->sys,
		.link = d->visit.profile,
		.path = d->visit.link.name,
		.bind = is_second(d),
		.up_ms = up_ms > 0 ? up_ms : 1,
		.window_ms = window_left(d),
		.dialled = d->visit.dialled,
		.before_ms = d->visit.dialled
		                 ? (uint64_t)(sled_clock_ms() - d->dial_ms)
		                 : 0,
		.behind_ms = hang_up_ms(d),
		.asked = d->visit.asked,
		.progress = on_progress,
		.done = on_done,
		.over = on_over,
		.ctx = d,
	};

	return sled_round_start(&d->round, d->loop, &conf, err);
}

/* Another process has the store, or a place is gone: no account's fault, so
 * none backs off, but for a line that would be paid for each time. */
static void
could_not_begin(struct sled_daemon *d, const struct sled_err *err)
{
	struct sled_visit_result result = { .err = *err };
	struct sled_scheduler_now now = sled_daemon_now();
	const struct sled_used none = { 0 };

	result.row.exit = sled_err_exit(err->kind);
	sled_daemon_complain(d, err);
	for (size_t i = 0; i < d->visit.accounts_len; i++) {
		sled_daemon_client_result(d, d->accounts[i], &result);
		sled_scheduler_visited(d->scheduler, d->accounts[i],
		                       SLED_SCHEDULER_LEFT, 0, &now);
	}
	d->status = sled_err_exit(err->kind);
	d->rounds_done = true;
	if (d->visit.dialled)
		sled_scheduler_unvisited(d->scheduler);
	sled_scheduler_round_over(d->scheduler, false, &none, &now);
	if (d->my->once)
		sled_scheduler_stop(d->scheduler);
	sled_daemon_client_ends(d);
}

bool
sled_daemon_visit(struct sled_daemon *d)
{
	struct sled_err err = { 0 };

	sled_daemon_say(d, SLED_DAEMON_DEBUG, "%s: visiting %zu account%s: %s",
	                d->visit.link.name, d->visit.accounts_len,
	                d->visit.accounts_len == 1 ? "" : "s", d->visit.why);
	d->decided_ms = sled_clock_ms();
	d->person_stopped = false;
	d->round_over = false;
	for (size_t i = 0; i < d->visit.accounts_len; i++) {
		d->over[d->accounts[i]] = false;
		d->phases[d->accounts[i]] = SLED_PHASE_DONE;
	}
	if (d->visit.asked)
		sled_daemon_join(d);
	if (sled_daemon_open(d, &d->store, &err) && start(d, &err))
		return true;
	sled_round_free(&d->round);
	sled_store_close(&d->store);
	could_not_begin(d, &err);
	return false;
}

void
sled_daemon_visit_over(struct sled_daemon *d)
{
	const struct sled_round_row *row = &d->result.row;
	struct sled_scheduler_now now = sled_daemon_now();
	uint64_t ms = row->ms > 0 ? (uint64_t)row->ms : 0;
	const struct sled_used used = {
		row->billed_bytes,
		sled_tariff_time(d->visit.profile, ms, row->steps),
		row->money,
	};

	d->round_over = false;
	if (row->dialled)
		d->dialled_row = *row;
	tell_bill(d, row);
	if (d->result.portal)
		sled_daemon_say(d, SLED_DAEMON_WARNING,
		                "%s: captive portal or wrong network: nothing "
		                "secret was sent, and no visit is made by it "
		                "until it changes or you ask for one",
		                d->visit.link.name);
	sled_round_free(&d->round);
	sled_scheduler_round_over(d->scheduler, d->result.portal, &used, &now);
	if (!now.doubtful)
		sled_daemon_facts(d, d->store);
	sled_store_close(&d->store);
	sled_daemon_tend_soon(d);
	d->status = sled_err_exit(d->result.worst);
	d->rounds_done = true;
	if (d->my->once)
		sled_scheduler_stop(d->scheduler);
	sled_daemon_tell_links(d);
	sled_daemon_client_ends(d);
}
