/*
 * held.c - mail that stays on the server: its rows, its previews, and the look
 * at what is to be dropped.
 *
 * All of it comes behind the last RETR and the last commit: mail first. A
 * preview is paid for once, and only where it is cheap against the message. A
 * message to be dropped that was previewed shows its header once more (TOP n 0)
 * before its DELE: store says whether it is the one that was meant.
 */
#include "mailsled/clock.h"
#include "session/session.h"

#define LINES        12
#define PREVIEW      4096        /* octets of an answer, about */
#define SHARE        5           /* ... a message is that many times larger */
#define PREVIEWS_MAX 32          /* a visit */
#define FLIGHT       8           /* TOPs on their way */
#define KEEP         (32u << 10) /* of an answer: most headers, and the lines */
#define SPARE        (64u << 10) /* an answer is no longer than its message */

static bool
is_held(void *ctx, size_t i)
{
	const struct sled_session *s = ctx;
	const struct sled_item *item = &s->listing.items[i];

	return item->verdict == SLED_ITEM_NEW && item->fate == SLED_FATE_HELD;
}

static bool
has_id(const struct sled_session *s, size_t i)
{
	return (s->listing.items[i].flags & SLED_ITEM_NOID) == 0 &&
	       *sled_listing_uid_of(&s->listing, i) != '\0';
}

void
sled_held_keep(struct sled_session *s)
{
	struct sled_err err = { 0 };
	size_t nameless = 0;

	/* Digests are made once the listing is known to the box. */
	if (s->holding.kept || s->top == NULL)
		return;
	s->holding.kept = true;
	for (size_t i = 0; i < s->listing.len; i++)
		nameless += is_held(s, i) && !has_id(s, i);
	if (nameless > 0)
		sled_session_warn(s,
		                  "%zu of the held messages have no unique-id, "
		                  "so that `held` cannot show them",
		                  nameless);
	if (!sled_box_held_keep(s->box, is_held, s, sled_clock_now(), &err))
		sled_session_warn(s, "held mail is not noted: %s", err.text);
}

/* ---- what is to be asked ---- */

static bool
is_to_drop(const struct sled_session *s, size_t i)
{
	return sled_box_decision(s->box, i) == SLED_DECIDE_DROP;
}

/* Mail that could not come now: nothing else is paid for in this window. */
static bool
mail_waits(const struct sled_session *s)
{
	for (size_t i = 0; i < s->listing.len; i++) {
		const struct sled_item *item = &s->listing.items[i];

		if (item->verdict == SLED_ITEM_NEW &&
		    (item->flags & SLED_ITEM_RETRIEVED) == 0 &&
		    (item->fate == SLED_FATE_LEFT ||
		     item->fate == SLED_FATE_NONE))
			return true;
	}
	return false;
}

static bool
may_preview(const struct sled_session *s)
{
	return sled_can(s, SLED_PEER_TOP) && !sled_delete_by_quit(s) &&
	       !s->stopping && !s->holding.enough && !mail_waits(s);
}

static bool
is_worth_it(const struct sled_session *s, size_t i)
{
	return s->listing.items[i].size >= (uint64_t)PREVIEW * SHARE &&
	       has_id(s, i) && !sled_box_previewed(s->box, i) &&
	       !sled_aside_has_ended(s, i);
}

static bool
has_room(const struct sled_session *s)
{
	if (s->closed)
		return false;
	if (!sled_can(s, SLED_PEER_PIPELINING))
		return s->holding.in_flight == 0;
	return s->holding.in_flight < FLIGHT && sled_pop3_room(s->pop) > 0;
}

static void
ask(struct sled_session *s, size_t i, uint32_t lines)
{
	struct sled_err err = { 0 };

	if (sled_session_did(
		s, sled_pop3_top(s->pop, (uint32_t)i + 1, lines, &err), &err))
		s->holding.in_flight++;
}

/* HEAD NULL: there is none. */
static void
check_drop(struct sled_session *s, size_t i, const struct sled_digest *head)
{
	struct sled_err err = { 0 };
	bool same = false;

	(void)sled_session_did(
	    s,
	    sled_box_drop_check(s->box, i, head, sled_clock_now(), &same, &err),
	    &err);
	if (!same && i < s->holding.next_preview)
		s->holding.next_preview = i; /* it is to be seen anew */
}

static void
ask_drop(struct sled_session *s, size_t i)
{
	if (!sled_box_previewed(s->box, i) || !sled_can(s, SLED_PEER_TOP) ||
	    sled_aside_has_ended(s, i))
		check_drop(s, i, NULL);
	else
		ask(s, i, 0);
}

/* One pass over the listing for what is dropped, one for previews: those are
 * the first to go when the line does. */
static void
ask_more(struct sled_session *s)
{
	struct sled_tops *h = &s->holding;
	bool previews;

	for (; h->next_drop < s->listing.len && has_room(s); h->next_drop++)
		if (!s->stopping && is_held(s, h->next_drop) &&
		    is_to_drop(s, h->next_drop))
			ask_drop(s, h->next_drop);
	if (h->next_drop < s->listing.len)
		return;
	previews = may_preview(s);
	for (; previews && h->next_preview < s->listing.len && has_room(s);
	     h->next_preview++)
		if (is_held(s, h->next_preview) &&
		    !is_to_drop(s, h->next_preview) &&
		    is_worth_it(s, h->next_preview)) {
			h->enough = ++h->previews == PREVIEWS_MAX;
			ask(s, h->next_preview, LINES);
			previews = !h->enough;
		}
}

bool
sled_held_more(struct sled_session *s)
{
	if (!s->holding.kept && !s->store_failed) {
		sled_order_hold(s);
		sled_held_keep(s);
	}
	if (!s->store_failed)
		ask_more(s);
	if (s->closed)
		return true;
	if (s->holding.in_flight > 0)
		sled_timer_start(s->stall, s->conf.account->timeout_ms);
	return s->holding.in_flight > 0;
}

/* ---- what comes ---- */

/* No RETR is begun between two TOPs: a commit may not run beside one. */
static void
go_on(struct sled_session *s)
{
	if (!s->closed && !sled_held_more(s))
		sled_fetch_more(s);
}

static void
begin(struct sled_session *s)
{
	s->body_octets = 0;
	s->holding.text.len = 0;
	sled_intake_begin(s->top);
}

static bool
take(struct sled_session *s, const struct sled_pop3_event *event,
     struct sled_err *err)
{
	uint64_t listed = s->listing.items[event->msg - 1].size;
	struct sled_buf *text = &s->holding.text;
	size_t room = KEEP - text->len;

	s->body_octets += event->text.len;
	if (s->body_octets >
	    SPARE) /* it sends more than lines: no more of it */
		s->holding.enough = true;
	if (s->body_octets > SPARE && (s->body_octets - SPARE) / 2 > listed) {
		sled_aside_blame(s, event->msg - 1, true,
		                 "its head has no end");
		return sled_fail(
		    err, SLED_ERR_PROTO, "%s: TOP of message %lu has no end",
		    s->conf.account->server, (unsigned long)event->msg);
	}
	return sled_intake_feed(s->top, event->text, err) &&
	       sled_buf_add(text, event->text.data,
	                    event->text.len < room ? event->text.len : room,
	                    err);
}

static void
keep_preview(struct sled_session *s, size_t i)
{
	struct sled_digest digest = sled_intake_end(s->top);
	struct sled_err err = { 0 };

	(void)sled_session_did(s,
	                       sled_box_held(s->box, i, &digest,
	                                     sled_buf_span(&s->holding.text),
	                                     sled_clock_now(), &err),
	                       &err);
}

static void
end(struct sled_session *s, size_t i)
{
	struct sled_digest head;

	s->holding.in_flight--;
	s->body_octets = 0;
	if (!is_to_drop(s, i)) {
		keep_preview(s, i);
	} else {
		head = sled_intake_end(s->top);
		check_drop(s, i, &head);
	}
	go_on(s);
}

static void
refused(struct sled_session *s, size_t i)
{
	s->holding.in_flight--;
	if (is_to_drop(s, i))
		check_drop(s, i, NULL);
	else
		s->holding.enough = true;
	go_on(s);
}

void
sled_held_event(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };

	switch (event->kind) {
	case SLED_POP3_ACCEPTED:
		begin(s);
		break;
	case SLED_POP3_BODY:
		(void)sled_session_did(s, take(s, event, &err), &err);
		break;
	case SLED_POP3_END:
		end(s, event->msg - 1);
		break;
	case SLED_POP3_REFUSED:
		refused(s, event->msg - 1);
		break;
	case SLED_POP3_GREETING:
	case SLED_POP3_CHALLENGE:
	case SLED_POP3_LISTED:
	default:
		break;
	}
}
