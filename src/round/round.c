/* round.c - one use of a link; see mailsled/round.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/deliver.h"
#include "mailsled/secret.h"
#include "round/internal.h"

#define ROW_SOON_MS   2000 /* between two rows, at least */
#define ROW_OFTEN_MS  5000 /* in the first minute: a kill teaches */
#define ROW_SELDOM_MS 30000
#define ROW_BYTES     65536 /* ... where a budget counts: a kill spends less */
#define FIRST_MS      60000
#define TICK_MS       1000
#define END_MARGIN_MS 250 /* the last packets leave before the window's end */

/* ---- the row ---- */

/* How each copy is. */
static void
note_places(struct sled_round *round)
{
	char *out = round->result.row.places;
	size_t room = sizeof(round->result.row.places), len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < sled_store_places(round->conf.store); i++) {
		struct sled_place_status place;
		struct sled_err ignored = { 0 };

		if (!sled_store_place(round->conf.store, i, &place, &ignored) ||
		    place.present || len + 1 >= room ||
		    (place.far && !place.fails && !place.late))
			continue;
		(void)snprintf(out + len, room - len, "%s%s is %s",
		               len > 0 ? "; " : "", place.path,
		               place.far ? "behind" : "absent");
		len = strlen(out);
	}
}

static bool
put_row(struct sled_round *round, struct sled_err *err)
{
	sled_round_bill(round);
	round->put_ms = sled_clock_ms();
	round->put_wire = round->result.row.wire;
	return sled_store_round(round->conf.store, &round->result.row, err);
}

/* What is not put now is put a moment later; the mail comes first. */
static void
put_row_again(struct sled_round *round)
{
	struct sled_err ignored = { 0 };

	(void)!put_row(round, &ignored);
}

static bool
first_row(struct sled_round *round, struct sled_err *err)
{
	struct sled_round_row *row = &round->result.row;

	row->began = round->wall;
	row->dialled = round->conf.dialled;
	if (round->conf.link != NULL) {
		(void)snprintf(row->link, sizeof(row->link), "%s",
		               round->conf.link->name);
		(void)snprintf(row->currency, sizeof(row->currency), "%s",
		               round->conf.link->currency);
	}
	if (round->conf.path != NULL)
		(void)snprintf(row->path, sizeof(row->path), "%.*s",
		               (int)sizeof(row->path) - 1, round->conf.path);
	return put_row(round, err);
}

/* ---- the end ---- */

static void
tell_over(void *ctx)
{
	struct sled_round *round = ctx;

	round->conf.over(round->conf.ctx, &round->result);
}

static void
finish(struct sled_round *round)
{
	struct sled_err err = { 0 };
	bool proved = false, doubt = false;

	sled_timer_stop(round->end);
	sled_timer_stop(round->tick);
	for (size_t i = 0; i < round->len; i++) {
		const struct sled_visit_result *sum = &round->parts[i].sum;

		proved = proved || sum->tls_version[0] != '\0';
		doubt = doubt || sum->stranger || sum->refused_cert;
	}
	round->result.portal = doubt && !proved;
	if (round->result.row.id != 0) {
		note_places(round);
		round->result.row.over = true;
		if (!put_row(round, &err))
			round->result.worst =
			    sled_err_worse(round->result.worst, err.kind);
	}
	if (!sled_loop_post(round->loop, tell_over, round, &err))
		tell_over(round);
}

/* The account's visits are over, or it had none. */
static void
part_over(struct sled_round_part *part)
{
	struct sled_round *round = part->round;
	struct sled_visit_result *sum = &part->sum;

	part->over = true;
	round->result.worst =
	    sled_err_worse(round->result.worst, sum->err.kind);
	round->result.budget_ended =
	    round->result.budget_ended || sum->left_budget > 0;
	round->result.window_ended =
	    round->result.window_ended || sum->left_time > 0;
	if (sum->not_before > round->result.not_before)
		round->result.not_before = sum->not_before;
	round->conf.done(round->conf.ctx, part->index, sum);
}

static void
part_failed(struct sled_round_part *part, const struct sled_err *err)
{
	part->sum.err = *err;
	part->sum.row.exit = sled_err_exit(err->kind);
	(void)snprintf(part->sum.row.error, sizeof(part->sum.row.error), "%s",
	               err->text);
	part_over(part);
}

/* ---- what the link carries ---- */

static void
measure(struct sled_round *round)
{
	struct sled_plan_rate rate = { .up = round->rate.up,
		                       .rtt_ms = round->rate.rtt_ms };
	uint64_t wire = 0;
	uint32_t rtt = 0;

	for (size_t i = 0; i < round->len; i++) {
		const struct sled_round_part *part = &round->parts[i];
		const struct sled_visit_row *sum = &part->sum.row;

		wire += sum->wire_down + sum->wire_up;
		if (!part->running)
			continue;
		wire += part->now.wire;
		if (part->now.busy) {
			rate.down += part->now.rate;
			rate.low += part->now.low;
		}
		if (part->now.rtt_ms > 0 &&
		    (rtt == 0 || part->now.rtt_ms < rtt))
			rtt = part->now.rtt_ms;
	}
	sled_plan_spent(round->plan, wire);
	if (rtt > 0)
		rate.rtt_ms = round->rate.rtt_ms = rtt;
	if (rate.down == 0) {
		rate.down = round->rate.down;
		rate.low = round->rate.low;
	}
	round->rate = rate;
	sled_plan_measured(round->plan, &rate);
}

static void
on_progress(void *ctx, const struct sled_visit_progress *now)
{
	struct sled_round_part *part = ctx;
	struct sled_round *round = part->round;
	struct sled_visit_progress told;
	bool safer = now->safe > part->now.safe;

	part->now = *now;
	measure(round);
	if (safer && sled_clock_ms() - round->put_ms >= ROW_SOON_MS)
		put_row_again(round);
	if (round->conf.progress == NULL)
		return;
	told = sled_round_progress_of(part);
	round->conf.progress(round->conf.ctx, part->index, &told);
}

/* ---- visits ---- */

static bool start_visit(struct sled_round_part *part, struct sled_err *err);

static uint64_t
plan_now(const struct sled_round *round)
{
	return (uint64_t)(sled_clock_ms() - round->began_ms);
}

/* It was secured, and has more to fetch: in a new connection. */
static bool
goes_on(struct sled_round_part *part, const struct sled_visit_result *result)
{
	struct sled_round *round = part->round;

	if (!result->more || result->err.kind != SLED_ERR_NONE ||
	    round->stopping)
		return false;
	if (result->row.deleted == 0)
		sled_plan_no_secure(round->plan, part->lane);
	sled_plan_secured(round->plan, part->lane, plan_now(round));
	return true;
}

static void
say_why_ended(const struct sled_round *round, struct sled_err *err)
{
	if (err->kind != SLED_ERR_LINK)
		return;
	if (round->result.window_ended)
		(void)sled_note(err, "the window ended");
	else if (round->result.budget_ended)
		(void)sled_note(err, "the budget ended");
}

static void
on_done(void *ctx, const struct sled_visit_result *result)
{
	struct sled_round_part *part = ctx;
	struct sled_round *round = part->round;
	struct sled_err err = { 0 };
	bool more;

	part->running = false;
	sled_round_add(part, result);
	more = goes_on(part, result);
	(void)memset(&part->now, 0, sizeof(part->now));
	sled_session_free(&part->session); /* and RESULT */
	if (more && start_visit(part, &err))
		return;
	if (err.kind != SLED_ERR_NONE)
		part->sum.err = err;
	if (round->stopping)
		say_why_ended(round, &part->sum.err);
	put_row_again(round);
	part_over(part);
	if (--round->running == 0)
		finish(round);
}

static struct sled_visit_conf
visit_conf(const struct sled_round_part *part)
{
	const struct sled_round *round = part->round;
	const struct sled_conf_link *link = round->conf.link;
	struct sled_visit_conf conf = {
		.account = part->account,
		.trust = part->trust,
		.secret = part->secret.data,
		.store = round->conf.store,
		.hold = part->account->hold_larger,
		.plan = round->plan,
		.lane = part->lane,
		.plan_began_ms = round->began_ms,
		.up_ms = round->up_ms == 0 && part->visits == 0
		             ? 0
		             : round->up_ms + sled_clock_ms() - round->began_ms,
		.round = round->result.row.id,
		.device = round->conf.bind ? round->conf.path : NULL,
	};

	if (link != NULL) {
		conf.rate = link->rate_down;
		conf.rtt_ms = link->rtt_ms;
		if (link->hold_larger.set)
			conf.hold = link->hold_larger;
	}
	return conf;
}

static bool
start_visit(struct sled_round_part *part, struct sled_err *err)
{
	const struct sled_visit_conf conf = visit_conf(part);
	const struct sled_visit_calls calls = { on_progress, on_done, part };

	part->running = sled_session_start(&part->session, part->round->loop,
	                                   &conf, &calls, err);
	return part->running;
}

/* ---- the window's end, and the budget's ---- */

static void
stop_all(struct sled_round *round, bool now)
{
	round->stopping = true;
	for (size_t i = 0; i < round->len; i++)
		if (round->parts[i].session != NULL)
			sled_session_stop(round->parts[i].session, now);
}

static void
on_end(void *ctx)
{
	struct sled_round *round = ctx;

	if (round->conf.window_ms != SLED_PLAN_NO_END &&
	    plan_now(round) + 2 * (uint64_t)END_MARGIN_MS >=
	        round->conf.window_ms)
		round->result.window_ended = true;
	else
		round->result.budget_ended = true;
	stop_all(round, true);
}

static bool
is_row_due(const struct sled_round *round)
{
	int64_t now = sled_clock_ms();
	int64_t gap =
	    now - round->began_ms < FIRST_MS ? ROW_OFTEN_MS : ROW_SELDOM_MS;

	/* Each is synced while the link waits. */
	if (round->conf.link != NULL && round->conf.link->budgets_len > 0 &&
	    round->result.row.wire - round->put_wire >= ROW_BYTES)
		gap = ROW_SOON_MS;
	return now - round->put_ms >= gap;
}

/* The loop's timers stand still while the machine sleeps; the window does not.
 */
static void
on_tick(void *ctx)
{
	struct sled_round *round = ctx;

	sled_round_bill(round);
	if (is_row_due(round))
		put_row_again(round);
	if (!round->stopping && plan_now(round) >= round->end_ms)
		on_end(round);
	if (!round->stopping && round->result.row.wire >= round->bytes_left) {
		round->result.budget_ended = true;
		stop_all(round, true);
	}
	sled_timer_start(round->tick, TICK_MS);
}

static void
start_timers(struct sled_round *round)
{
	uint64_t end = round->conf.window_ms, budget = round->ms_left;
	uint64_t line = sled_round_line_ms(round);
	/* The passwords took some of it. */
	uint64_t gone = plan_now(round) + END_MARGIN_MS;

	if (budget != UINT64_MAX)
		budget = budget > line ? budget - line : 0;
	if (budget < end)
		end = budget;
	sled_timer_start(round->tick, TICK_MS);
	if (end != SLED_PLAN_NO_END)
		sled_timer_start(round->end, end > gone ? end - gone : 1);
	round->end_ms = end;
}

/* ---- the start ---- */

/* All that the link does not need is done before it is used. */
static bool
prepare(struct sled_round_part *part, struct sled_err *err)
{
	const struct sled_round *round = part->round;

	return sled_deliver_begin(round->conf.store, part->account,
	                          sled_clock_now(), err) &&
	       sled_secret_get(&part->secret, round->conf.sys, part->account,
	                       err) &&
	       sled_tls_trust_new(&part->trust, part->account->ca_file, err) &&
	       sled_plan_join(round->plan, &part->lane, err);
}

static bool
may_pass(const struct sled_conf_link *link, const char *name)
{
	if (link == NULL || link->accounts_len == 0)
		return true;
	for (size_t i = 0; i < link->accounts_len; i++)
		if (strcmp(link->accounts[i], name) == 0)
			return true;
	return false;
}

/* One that cannot be visited is told at once; the others lose nothing. */
static void
prepare_next(struct sled_round *round)
{
	struct sled_round_part *part = &round->parts[round->prepared++];
	struct sled_err err = { 0 };

	if (!may_pass(round->conf.link, part->account->name)) {
		(void)snprintf(part->sum.warnings, sizeof(part->sum.warnings),
		               "%s: [link %s] does not carry it",
		               part->account->name, round->conf.link->name);
		part_over(part);
	} else if (round->affords == 0) {
		part->sum.left_budget = 1;
		part_failed(part, &round->over);
	} else if (!prepare(part, &err)) {
		part_failed(part, &err);
	} else {
		round->affords--;
	}
}

static void
fail_waiting(struct sled_round *round, const struct sled_err *err)
{
	for (size_t i = 0; i < round->len; i++)
		if (!round->parts[i].over)
			part_failed(&round->parts[i], err);
}

static size_t
waiting(const struct sled_round *round)
{
	size_t len = 0;

	for (size_t i = 0; i < round->len; i++)
		len += !round->parts[i].over;
	return len;
}

static void
begin_visits(struct sled_round *round)
{
	struct sled_err err = { 0 };

	round->begun = waiting(round);
	if (round->stopping)
		(void)sled_fail(&err, SLED_ERR_LINK,
		                "told to stop before the visit began");
	if (round->begun == 0 || round->stopping || !first_row(round, &err)) {
		fail_waiting(round, &err);
		finish(round);
		return;
	}
	start_timers(round);
	round->running = round->begun;
	for (size_t i = 0; i < round->len; i++) {
		struct sled_round_part *part = &round->parts[i];

		if (part->over || start_visit(part, &err))
			continue;
		part_failed(part, &err);
		round->running--;
	}
	if (round->running == 0)
		finish(round);
}

/* One account a turn of the loop: each password-command may hang for a minute,
 * and others, a watchdog among them, want to hear of us meanwhile. */
static void
begin(void *ctx)
{
	struct sled_round *round = ctx;
	struct sled_err err = { 0 };

	if (round->prepared == 0)
		round->affords = sled_round_affords(round, &round->over);
	while (round->prepared < round->len && !round->stopping) {
		prepare_next(round);
		if (sled_loop_post(round->loop, begin, round, &err))
			return;
	}
	begin_visits(round);
}

static bool
make_plan(struct sled_round *round, struct sled_err *err)
{
	struct sled_round_learned learned;
	struct sled_plan_conf conf = { .window_ms = round->conf.window_ms,
		                       .usual_ms = SLED_PLAN_NO_END,
		                       .fits_ctx = round };

	if (!sled_round_learn(&round->conf, sled_clock_now(), &learned, err))
		return false;
	round->up_ms = learned.up_ms;
	round->rate = conf.rate = learned.rate;
	conf.tail_ms = learned.tail_ms;
	conf.strange = learned.usual_ms == SLED_PLAN_NO_END;
	conf.lived_ms = learned.lived_ms;
	if (learned.usual_ms != SLED_PLAN_NO_END) {
		uint64_t up = (uint64_t)learned.up_ms;

		conf.whole_ms = learned.usual_ms;
		conf.usual_ms =
		    learned.usual_ms > up ? learned.usual_ms - up : 0;
		if (learned.lately_ms < learned.usual_ms)
			conf.lately_ms =
			    learned.lately_ms > up ? learned.lately_ms - up : 0;
	}
	if (round->conf.link != NULL && round->conf.link->budgets_len > 0)
		conf.fits = sled_round_fits;
	return sled_plan_new(&round->plan, &conf, err);
}

static bool
make_parts(struct sled_round *round, struct sled_err *err)
{
	round->parts =
	    calloc(round->conf.accounts_len + 1, sizeof(*round->parts));
	if (round->parts == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "round");
	round->len = round->conf.accounts_len;
	for (size_t i = 0; i < round->len; i++) {
		struct sled_round_part *part = &round->parts[i];

		part->round = round;
		part->index = round->conf.accounts[i];
		part->account = &round->conf.conf->accounts[part->index];
	}
	return sled_timer_new(&round->end, round->loop, on_end, round, err) &&
	       sled_timer_new(&round->tick, round->loop, on_tick, round, err);
}

static bool
is_allowed(const struct sled_round_conf *conf, struct sled_err *err)
{
	if (conf->asked || conf->link == NULL ||
	    conf->link->visit == SLED_CONF_VISIT_YES)
		return true;
	return sled_fail(
	    err, SLED_ERR_LINK, "[link %s] has visit = %s", conf->link->name,
	    conf->link->visit == SLED_CONF_VISIT_NO ? "no" : "ask");
}

bool
sled_round_start(struct sled_round **out, struct sled_loop *loop,
                 const struct sled_round_conf *conf, struct sled_err *err)
{
	struct sled_round *round;

	if (!is_allowed(conf, err))
		return false;
	round = calloc(1, sizeof(*round));
	if (round == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "round");
	round->loop = loop;
	round->conf = *conf;
	round->began_ms = sled_clock_ms();
	if (!make_parts(round, err) ||
	    !sled_round_wall(sled_store_ledger(conf->store), sled_clock_now(),
	                     &round->wall, err) ||
	    !sled_round_budget(round, err) || !make_plan(round, err) ||
	    !sled_loop_post(loop, begin, round, err)) {
		sled_round_free(&round);
		return false;
	}
	*out = round;
	return true;
}

void
sled_round_stop(struct sled_round *round, bool now)
{
	stop_all(round, now);
}

void
sled_round_free(struct sled_round **freeing)
{
	struct sled_round *round = *freeing;

	if (round == NULL)
		return;
	for (size_t i = 0; round->parts != NULL && i < round->len; i++) {
		sled_session_free(&round->parts[i].session);
		sled_tls_trust_free(&round->parts[i].trust);
		sled_buf_wipe(&round->parts[i].secret);
	}
	sled_timer_free(&round->end);
	sled_timer_free(&round->tick);
	sled_plan_free(&round->plan);
	free(round->parts);
	free(round);
	*freeing = NULL;
}
