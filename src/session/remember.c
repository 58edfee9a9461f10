/*
 * remember.c - the listing of the last visit, so that a maildrop that is left
 * on the server is not listed anew each time.
 *
 * recall.c says what to ask, and when it does not add up; this file asks. What
 * is inferred is good enough to leave a message alone. One that is to be
 * fetched, proved or deleted is asked for itself first.
 */
#include "mailsled/clock.h"
#include "session/session.h"

#define FEW     64        /* fewer are listed whole as cheaply */
#define WHOLE_S 2592000   /* all is listed every 30 days */
#define FLIGHT  32        /* numbers asked at a time */
#define SOME(n) ((n) / 4) /* more to confirm: whole, then */

bool
sled_remember_load(struct sled_session *s, struct sled_err *err)
{
	const struct sled_peer *peer;
	int64_t now = sled_clock_now();

	if (s->box == NULL)
		return true;
	peer = sled_box_peer(s->box);
	s->remembers = now >= peer->listed_whole &&
	               now - peer->listed_whole < WHOLE_S &&
	               !sled_box_maildrop(s->box)->reuses_ids;
	return !s->remembers || sled_box_seen(s->box, &s->seen, err);
}

static void
ask_numbers(struct sled_session *s)
{
	uint32_t numbers[FLIGHT];
	size_t room = sled_pop3_room(s->pop) / 2;
	struct sled_err err = { 0 };
	size_t len =
	    sled_recall_next(s->recall, numbers, room < FLIGHT ? room : FLIGHT);

	for (size_t i = 0; i < len; i++)
		if (!sled_session_did(
			s,
			sled_pop3_uidl(s->pop, numbers[i], &err) &&
			    sled_pop3_list(s->pop, numbers[i], &err),
			&err))
			return;
}

bool
sled_remember_ask(struct sled_session *s)
{
	struct sled_err ignored = { 0 };

	if (!s->remembers || s->seen.len < FEW ||
	    !sled_recall_new(&s->recall, &s->seen, sled_box_peer(s->box)->sums,
	                     &ignored))
		return false;
	if (sled_recall_verdict(s->recall) == SLED_RECALL_WHOLE) {
		sled_recall_free(&s->recall);
		return false;
	}
	ask_numbers(s);
	return true;
}

/* ---- what is to be confirmed ---- */

static bool
is_to_confirm(struct sled_session *s, size_t i, bool *needed,
              struct sled_err *err)
{
	const struct sled_item *item = &s->listing.items[i];
	enum sled_standing standing;

	*needed = false;
	if (sled_recall_confirmed(s->recall, (uint32_t)i + 1))
		return true;
	if (!sled_box_standing(s->box, sled_listing_uid_of(&s->listing, i),
	                       item->size, s->delete_until, &standing, err))
		return false;
	*needed = standing == SLED_STANDING_OPEN ||
	          (standing == SLED_STANDING_NEW &&
	           !sled_list_is_held(s, item->size));
	return true;
}

static bool
confirm_due(struct sled_session *s, struct sled_err *err)
{
	size_t count = 0;

	for (size_t i = 0; i < s->listing.len; i++) {
		bool needed;

		if (!is_to_confirm(s, i, &needed, err))
			return false;
		if (!needed)
			continue;
		sled_recall_confirm(s->recall, (uint32_t)i + 1);
		if (++count > SOME(s->listing.len))
			sled_recall_broken(s->recall);
	}
	return true;
}

/* ---- going on ---- */

static void
ask_whole(struct sled_session *s)
{
	size_t len = s->listing.len;
	struct sled_err err = { 0 };

	sled_recall_free(&s->recall);
	sled_listing_free(&s->listing);
	if (sled_session_did(s, sled_listing_new(&s->listing, len, &err), &err))
		sled_list_ask_whole(s);
}

static bool
settle(struct sled_session *s, struct sled_err *err)
{
	size_t len = s->listing.len;

	sled_listing_free(&s->listing);
	return sled_listing_new(&s->listing, len, err) &&
	       sled_recall_fill(s->recall, &s->listing, err) &&
	       confirm_due(s, err);
}

static void
go_on(struct sled_session *s)
{
	struct sled_err err = { 0 };

	if (sled_recall_verdict(s->recall) == SLED_RECALL_DONE &&
	    !sled_session_did(s, settle(s, &err), &err))
		return;
	switch (sled_recall_verdict(s->recall)) {
	case SLED_RECALL_MORE:
		ask_numbers(s);
		break;
	case SLED_RECALL_DONE:
		sled_recall_free(&s->recall);
		sled_list_done(s);
		break;
	case SLED_RECALL_WHOLE:
	default:
		ask_whole(s);
		break;
	}
}

void
sled_remember_stat(struct sled_session *s, uint32_t count, uint64_t octets)
{
	sled_recall_stat(s->recall, count, octets);
	go_on(s);
}

/* The reply to UIDL n or LIST n. */
void
sled_remember_event(struct sled_session *s, const struct sled_pop3_event *event)
{
	if (s->recall == NULL)
		return; /* of a search that was given up */
	if (event->kind == SLED_POP3_REFUSED)
		sled_recall_refused(s->recall, event->msg);
	else if (event->bad || event->cut)
		sled_recall_broken(s->recall);
	else if (event->verb == SLED_POP3_UIDL)
		sled_recall_uid(s->recall, event->msg, event->text);
	else
		sled_recall_size(s->recall, event->msg, event->size);
	go_on(s);
}

/* ---- for the next visit ---- */

void
sled_remember_whole(struct sled_session *s)
{
	struct sled_peer *peer = sled_box_peer(s->box);
	uint64_t sum = 0;

	for (size_t i = 0; i < s->listing.len; i++)
		sum += s->listing.items[i].size;
	peer->sums = sum == s->stat_octets;
	peer->listed_whole = sled_clock_now();
}

static bool
is_gone(void *ctx, size_t item)
{
	const struct sled_session *s = ctx;

	return (s->listing.items[item].flags & SLED_ITEM_DELE) != 0;
}

/* A DELE whose QUIT was not answered leaves the numbers in doubt. */
void
sled_remember_keep(struct sled_session *s)
{
	bool doubtful = s->deleting && s->result.row.deleted == 0;
	struct sled_err err = { 0 };

	if (!s->listed)
		return;
	if (doubtful
	        ? !sled_box_seen_forget(s->box, &err)
	        : !sled_box_seen_keep(s->box, &s->listing, is_gone, s, &err))
		sled_session_warn(s, "%s", err.text);
}
