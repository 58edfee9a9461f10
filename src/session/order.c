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

void
sled_order_add(struct sled_session *s, size_t i)
{
	struct sled_item *item = &s->listing.items[i];
	struct sled_err err = { 0 };

	if (!is_open(item))
		return;
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

void
sled_order_end(struct sled_session *s)
{
	struct sled_visit_result *result = &s->result;
	bool stopped = result->err.kind != SLED_ERR_NONE;

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
	result->more = s->answer == SLED_PLAN_SECURE && !stopped;
}
