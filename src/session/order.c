/*
 * order.c - which message is asked for next.
 *
 * The plan knows the window, the budget and the other accounts; without one it
 * is the order of the listing.
 */
#include "mailsled/clock.h"
#include "session/session.h"

static uint64_t
plan_now(const struct sled_session *s)
{
	int64_t now = sled_clock_ms() - s->conf.plan_began_ms;

	return now > 0 ? (uint64_t)now : 0;
}

static bool
is_open(const struct sled_item *item)
{
	return item->verdict == SLED_ITEM_NEW &&
	       item->asked != SLED_ASKED_RETR && item->fate == SLED_FATE_NONE;
}

static bool
is_deleted_later(const struct sled_item *item)
{
	return item->verdict == SLED_ITEM_STORED &&
	       (item->flags & SLED_ITEM_DUE) != 0;
}

static void
enter(struct sled_session *s, size_t i)
{
	struct sled_item *item = &s->listing.items[i];
	struct sled_err err = { 0 };

	item->asked = SLED_ASKED_FETCH;
	s->dry = false;
	if (i < s->next_retr)
		s->next_retr = i;
	if (s->conf.plan != NULL)
		(void)sled_session_did(
		    s,
		    sled_plan_offer(s->conf.plan, s->conf.lane, (uint32_t)i,
		                    item->size,
		                    sled_list_is_wanted(s, i) ? SLED_PLAN_WANTED
		                                              : SLED_PLAN_PLAIN,
		                    &err),
		    &err);
}

void
sled_order_add(struct sled_session *s, size_t i)
{
	struct sled_item *item = &s->listing.items[i];

	if (!is_open(item))
		return;
	if (!sled_aside_is_late(s, i)) {
		enter(s, i);
		return;
	}
	s->asides += item->asked != SLED_ASKED_LATE;
	item->asked = SLED_ASKED_LATE;
}

bool
sled_order_late(struct sled_session *s)
{
	for (size_t i = 0; s->asides > 0 && i < s->listing.len; i++) {
		const struct sled_item *item = &s->listing.items[i];

		if (item->asked != SLED_ASKED_LATE || !is_open(item))
			continue;
		if (!sled_aside_may_ask(s, i)) {
			s->aside_waits = true;
			continue;
		}
		s->asides--;
		enter(s, i);
		return !s->closed;
	}
	return false;
}

void
sled_order_start(struct sled_session *s)
{
	for (size_t i = 0; i < s->listing.len && !s->closed; i++) {
		s->unsafe += is_deleted_later(&s->listing.items[i]);
		sled_order_add(s, i);
	}
	if (s->conf.plan == NULL)
		return;
	if (sled_box_maildrop(s->box)->login_delay_s > 0)
		sled_plan_no_secure(s->conf.plan, s->conf.lane);
	sled_plan_pending(s->conf.plan, s->conf.lane, s->unsafe);
}

static bool
next_listed(struct sled_session *s, size_t *i)
{
	for (; s->next_retr < s->listing.len; s->next_retr++) {
		const struct sled_item *item = &s->listing.items[s->next_retr];

		if (is_open(item) && item->asked == SLED_ASKED_FETCH) {
			*i = s->next_retr;
			return true;
		}
	}
	return false;
}

static bool
next_planned(struct sled_session *s, size_t *i)
{
	uint32_t key = 0;

	s->answer =
	    sled_plan_next(s->conf.plan, s->conf.lane, plan_now(s), &key);
	*i = key;
	return s->answer == SLED_PLAN_BEGIN;
}

bool
sled_order_next(struct sled_session *s, size_t *i)
{
	bool found =
	    s->conf.plan != NULL ? next_planned(s, i) : next_listed(s, i);

	s->dry = !found;
	return found;
}

bool
sled_order_is_dry(const struct sled_session *s)
{
	return s->dry;
}

void
sled_order_landed(struct sled_session *s, size_t i, bool stored)
{
	if (s->conf.plan == NULL)
		return;
	sled_plan_landed(s->conf.plan, s->conf.lane, (uint32_t)i);
	/* What came now may go now, unless it is to stay for days. */
	s->unsafe += stored && s->delete_until == INT64_MAX;
	sled_plan_pending(s->conf.plan, s->conf.lane, s->unsafe);
}

void
sled_order_hold(struct sled_session *s)
{
	if (s->conf.plan == NULL || s->answer == SLED_PLAN_SECURE)
		return;
	for (size_t i = 0; i < s->listing.len; i++) {
		struct sled_item *item = &s->listing.items[i];

		if (!is_open(item) || item->asked != SLED_ASKED_FETCH ||
		    sled_plan_why(s->conf.plan, s->conf.lane, (uint32_t)i,
		                  plan_now(s)) != SLED_PLAN_HOPELESS)
			continue;
		item->fate = SLED_FATE_HELD;
		s->result.held_longer++;
	}
}

/* What was set aside, and not asked for: what was stored had to go first. Then
 * it gets a connection of its own. */
static void
end_late(struct sled_session *s)
{
	for (size_t i = 0; s->asides > 0 && i < s->listing.len; i++)
		if (s->listing.items[i].asked == SLED_ASKED_LATE &&
		    is_open(&s->listing.items[i]))
			s->listing.items[i].fate = SLED_FATE_HELD;
}

void
sled_order_end(struct sled_session *s)
{
	struct sled_visit_result *result = &s->result;
	bool stopped = result->err.kind != SLED_ERR_NONE;

	end_late(s);
	if (s->conf.plan == NULL)
		return;
	for (size_t i = 0; i < s->listing.len; i++) {
		struct sled_item *item = &s->listing.items[i];
		enum sled_plan_answer why;

		if (!is_open(item) || item->asked != SLED_ASKED_FETCH)
			continue;
		why = sled_plan_why(s->conf.plan, s->conf.lane, (uint32_t)i,
		                    plan_now(s));
		item->fate =
		    why == SLED_PLAN_HOPELESS ? SLED_FATE_HELD : SLED_FATE_LEFT;
		result->held_longer += why == SLED_PLAN_HOPELESS;
		result->left_time += why == SLED_PLAN_TIME && !stopped;
		result->left_budget += why == SLED_PLAN_BUDGET && !stopped;
	}
	sled_plan_leave(s->conf.plan, s->conf.lane);
	result->more =
	    !stopped && (s->answer == SLED_PLAN_SECURE ||
	                 (s->aside_waits && result->row.deleted > 0 &&
	                  sled_box_maildrop(s->box)->login_delay_s == 0));
}
