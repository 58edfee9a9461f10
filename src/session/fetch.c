/*
 * fetch.c - TOPs that prove, RETRs that fetch, and commits beside them.
 *
 * The network never waits for the disk: a commit runs on a pool thread while
 * bodies go on into the spool. One job at a time a visit.
 */
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "session/session.h"

#define ROOM_STEP    (1u << 20) /* octets between two looks at the room */
#define PROOF_OCTETS 2048       /* of a TOP's answer, about */
#define LAST_MS      50         /* what a commit is worth */

/* ---- jobs ---- */

static void
run_commit(void *ctx)
{
	struct sled_session *s = ctx;

	sled_box_commit(s->box);
}

static void
stop_fetching(struct sled_session *s, const struct sled_err *err)
{
	s->store_failed = true;
	s->result.err = *err;
	sled_session_warn(s, "%s", err->text);
}

/* A job ended, outside of any call from the network. */
static void
go_on(struct sled_session *s)
{
	if (s->phase == SLED_PHASE_FETCH && !s->closed)
		sled_timer_start(s->stall, s->conf.account->timeout_ms);
	if (!s->ending && !s->store_failed)
		(void)sled_fetch_commit(s, false);
	sled_fetch_more(s);
	sled_wire_flush(s);
}

static void
commit_done(void *ctx)
{
	struct sled_session *s = ctx;
	struct sled_err err = { 0 };

	s->job = false;
	if (!sled_box_commit_apply(s->box, &err))
		stop_fetching(s, &err);
	s->now.safe = sled_box_sums(s->box).safe;
	go_on(s);
}

bool
sled_fetch_commit(struct sled_session *s, bool flush)
{
	struct sled_err err = { 0 };

	if (s->job || s->box == NULL || !sled_box_commit_take(s->box, flush))
		return s->job;
	s->job = sled_work_start(s->loop, run_commit, commit_done, s, &err);
	if (!s->job) { /* no thread: here, then */
		sled_box_commit(s->box);
		if (!sled_box_commit_apply(s->box, &err))
			stop_fetching(s, &err);
	}
	return s->job;
}

static void
run_recheck(void *ctx)
{
	struct sled_session *s = ctx;

	sled_box_recheck(s->box, sled_clock_now());
}

static void
recheck_done(void *ctx)
{
	struct sled_session *s = ctx;
	struct sled_err err = { 0 };

	s->job = false;
	s->recounted = sled_box_recheck_apply(s->box, &err);
	if (!s->recounted)
		stop_fetching(s, &err);
	go_on(s);
}

/* Count the places again for mail of earlier visits: it may be deleted now.
 * LAST: all that comes in this visit has come; before that it reads the disks
 * beside the download, so that the last one finds it done. */
static bool
recheck(struct sled_session *s, bool last)
{
	struct sled_err err = { 0 };

	if (s->rechecked || s->job)
		return s->job;
	s->rechecked = last;
	if (!sled_box_recheck_take(s->box, &err))
		stop_fetching(s, &err);
	else
		s->job = sled_work_start(s->loop, run_recheck, recheck_done, s,
		                         &err);
	return s->job;
}

/* ---- asking ---- */

/* Octets that were asked for and have not come. */
static uint64_t
waiting(const struct sled_session *s)
{
	return s->flight_bytes > s->body_octets
	           ? s->flight_bytes - s->body_octets
	           : 0;
}

static bool
may_ask(struct sled_session *s)
{
	if (s->closed || s->ending ||
	    sled_box_backlog(s->box) >= SLED_BACKLOG_MAX)
		return false;
	if (s->in_flight == 0)
		return true;
	return sled_can(s, SLED_PEER_PIPELINING) &&
	       sled_pop3_room(s->pop) > 0 &&
	       sled_pace_may_ask(&s->pace, waiting(s));
}

static void
prove(struct sled_session *s, size_t i, const struct sled_digest *top)
{
	struct sled_err err = { 0 };
	struct sled_item *item = &s->listing.items[i];

	if (item->asked == SLED_ASKED_RETR) {
		sled_shift_shown(s, i, top);
		return;
	}
	if (!sled_session_did(
		s, sled_box_proof(s->box, i, top, sled_clock_now(), &err),
		&err) ||
	    item->verdict != SLED_ITEM_NEW)
		return;
	sled_list_judge(s, item);
	sled_order_add(s, i);
}

/* Is it known that no TOP will tell? One of mail without ids is only to save a
 * RETR; and that of a message which was set aside has ended visits, perhaps. */
static bool
is_unprovable(const struct sled_session *s, size_t i)
{
	return sled_aside_has_ended(s, i) ||
	       (s->no_top && (s->listing.items[i].flags & SLED_ITEM_NOID) != 0);
}

static bool
ask_top(struct sled_session *s, size_t i)
{
	struct sled_err err = { 0 };

	if (!sled_session_did(
		s, sled_pop3_top(s->pop, (uint32_t)i + 1, 0, &err), &err))
		return false;
	s->in_flight++;
	s->flight_bytes += PROOF_OCTETS;
	return true;
}

static bool
ask_proof(struct sled_session *s, size_t i)
{
	s->listing.items[i].asked = SLED_ASKED_TOP;
	if (!is_unprovable(s, i))
		return ask_top(s, i);
	prove(s, i, NULL);
	return !s->closed;
}

/* What came, and may be another message, shows its header: true while such TOPs
 * are on their way. */
static bool
ask_strays(struct sled_session *s)
{
	size_t i;

	while (may_ask(s) && !s->stopping && !s->store_failed &&
	       sled_shift_next(s, &i))
		if (s->no_top || sled_aside_has_ended(s, i))
			sled_shift_shown(s, i, NULL);
		else if (!ask_top(s, i))
			return true;
	if (s->closed)
		return true;
	if (s->in_flight > 0)
		sled_timer_start(s->stall, s->conf.account->timeout_ms);
	return s->in_flight > 0;
}

static bool
ask_message(struct sled_session *s, size_t i)
{
	struct sled_item *item = &s->listing.items[i];
	struct sled_err err = { 0 };

	item->asked = SLED_ASKED_RETR;
	if (!sled_session_did(s, sled_pop3_retr(s->pop, (uint32_t)i + 1, &err),
	                      &err))
		return false;
	s->in_flight++;
	s->flight_bytes += item->size;
	return true;
}

static void
say_no_room(uint64_t size, struct sled_err *err)
{
	if (size > SLED_MAIL_MAX) {
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "a message is listed with %llu bytes: no "
		                "archive has room for more than 8 GiB",
		                (unsigned long long)size);
		(void)sled_hint(err, "take this message by another way");
		return;
	}
	(void)sled_fail(err, SLED_ERR_PLACE,
	                "no room for a message of %llu bytes (twice that and "
	                "16 MiB are kept free)",
	                (unsigned long long)size);
	(void)sled_hint(err, "make room on the first place, then `mailsled "
	                     "fetch` again");
}

static bool
has_room(struct sled_session *s, struct sled_item *item)
{
	if (item->size <= SLED_MAIL_MAX &&
	    sled_store_has_room(s->conf.store, item->size + s->flight_bytes))
		return true;
	item->fate = SLED_FATE_LEFT;
	if (s->result.err.kind == SLED_ERR_NONE)
		say_no_room(item->size, &s->result.err);
	return false;
}

/* TOPs first: what they prove need not be fetched. */
static bool
ask_proofs(struct sled_session *s)
{
	for (; s->next_proof < s->listing.len; s->next_proof++) {
		struct sled_item *item = &s->listing.items[s->next_proof];

		if (item->verdict != SLED_ITEM_PROVE || item->asked != 0)
			continue;
		if (!may_ask(s) || !ask_proof(s, s->next_proof))
			return false;
	}
	return true;
}

static bool
ask_messages(struct sled_session *s)
{
	size_t i;

	while (!s->stopping && !s->store_failed) {
		if (!may_ask(s))
			return false;
		if (!sled_order_next(s, &i))
			return !s->closed;
		if (!has_room(s, &s->listing.items[i]))
			sled_order_landed(s, i, false);
		else if (!ask_message(s, i))
			return false;
	}
	return true;
}

/* Proofs may have turned items into ones to prove, or to fetch. */
static bool
ask_again(struct sled_session *s)
{
	bool any = false;

	for (size_t i = 0; i < s->listing.len && !s->closed; i++) {
		struct sled_item *item = &s->listing.items[i];

		if (item->verdict == SLED_ITEM_NEW &&
		    item->asked < SLED_ASKED_FETCH &&
		    item->fate == SLED_FATE_NONE) {
			sled_list_judge(s, item);
			sled_order_add(s, i);
			any = true;
		}
		if (item->verdict == SLED_ITEM_PROVE && item->asked == 0) {
			s->next_proof =
			    any && s->next_proof < i ? s->next_proof : i;
			any = true;
		}
	}
	return any;
}

/* True when nothing is left to ask for, now. */
static bool
ask_all(struct sled_session *s)
{
	if (!ask_proofs(s) || !ask_messages(s))
		return false;
	if (s->in_flight > 0 || s->stopping || s->store_failed)
		return true;
	if (ask_again(s) && (!ask_proofs(s) || !ask_messages(s)))
		return false;
	while (s->in_flight == 0 && sled_order_late(s))
		if (!ask_messages(s))
			return false;
	return !s->closed;
}

/*
 * The next step: ask; and when everything that was asked for has come, save
 * the rest, count places again, delete.
 */
void
sled_fetch_more(struct sled_session *s)
{
	if (s->ending) {
		sled_session_end(s);
		return;
	}
	if (s->phase == SLED_PHASE_DELETE || s->holding.in_flight > 0 ||
	    !ask_all(s) || s->in_flight > 0)
		return;
	if (s->phase != SLED_PHASE_SAVE)
		sled_session_phase(s, SLED_PHASE_SAVE);
	/* The disk's time is not the server's silence. */
	sled_timer_stop(s->stall);
	if (s->job || sled_fetch_commit(s, true) || recheck(s, true) ||
	    ask_strays(s) || sled_held_more(s))
		return;
	sled_shift_check(s);
	sled_delete_start(s);
}

/* A proof changes the items, which no call may beside a job. */
static bool
any_proof(const struct sled_session *s)
{
	for (size_t i = 0; i < s->listing.len; i++)
		if (s->listing.items[i].verdict == SLED_ITEM_PROVE)
			return true;
	return false;
}

void
sled_fetch_start(struct sled_session *s)
{
	struct sled_err err = { 0 };

	if (!sled_session_did(s, sled_intake_new(&s->top, &err), &err))
		return;
	sled_session_phase(s, SLED_PHASE_FETCH);
	sled_aside_tell(s);
	sled_order_start(s);
	if (s->closed)
		return;
	if (!any_proof(s) && s->now.wanted > 0)
		(void)recheck(s, false);
	sled_fetch_more(s);
}

/* ---- what comes ---- */

/* The last answer begins, and takes its time: what is whole is committed beside
 * it, so that one message alone is left to be saved behind it. */
static bool
is_last(const struct sled_session *s)
{
	return s->in_flight == 1 && sled_order_is_dry(s) &&
	       sled_pace_time_ms(&s->pace, waiting(s)) > LAST_MS;
}

static void
begin(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };

	s->body_octets = 0;
	if (event->verb == SLED_POP3_TOP) {
		sled_intake_begin(s->top);
		return;
	}
	s->taking = true;
	if (is_last(s))
		(void)sled_fetch_commit(s, true);
	if (!sled_box_begin(s->box, event->msg - 1, sled_clock_now(), &err)) {
		s->store_failed = true;
		(void)sled_session_did(s, false, &err);
	}
}

static void
give_up(struct sled_session *s, const struct sled_pop3_event *event,
        const char *why)
{
	if (event->verb == SLED_POP3_RETR)
		s->listing.items[event->msg - 1].fate = SLED_FATE_FAILED;
	sled_aside_blame(s, event->msg - 1, true, why);
}

/* A body without an end must not fill the disk, nor cost without an end. Twice
 * its listed size: lines may count one octet too few; and some servers list
 * far too little [W2]: those get more. */
static bool
is_bounded(struct sled_session *s, const struct sled_pop3_event *event,
           struct sled_err *err)
{
	uint64_t listed = s->listing.items[event->msg - 1].size;
	uint64_t spare = sled_aside_spare(s, event->msg - 1);

	s->body_octets += event->text.len;
	if (s->body_octets < spare || (s->body_octets - spare) / 2 <= listed)
		return true;
	give_up(s, event, "it has no end");
	(void)sled_fail(err, SLED_ERR_PROTO,
	                "message %lu has no end: %llu bytes came, the server "
	                "lists %llu",
	                (unsigned long)event->msg,
	                (unsigned long long)s->body_octets,
	                (unsigned long long)listed);
	return sled_hint(err, "it is set aside, and tried again later: see "
	                      "`mailsled held`, then `drop` or `want` it");
}

/* A message may be longer than it is listed, but no server fills the disk. */
static bool
still_room(struct sled_session *s, const struct sled_pop3_event *event,
           struct sled_err *err)
{
	const struct sled_item *item = &s->listing.items[event->msg - 1];
	uint64_t before = s->body_octets - event->text.len;

	if (s->body_octets <= item->size ||
	    before / ROOM_STEP == s->body_octets / ROOM_STEP ||
	    sled_store_has_room(s->conf.store, 0))
		return true;
	give_up(s, event, "it is longer than listed, and there is no room");
	return sled_fail(err, SLED_ERR_PLACE,
	                 "message %lu is listed with %llu bytes, is longer "
	                 "than %llu, and there is no room for more",
	                 (unsigned long)event->msg,
	                 (unsigned long long)item->size,
	                 (unsigned long long)s->body_octets);
}

static void
body(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };
	bool ok = is_bounded(s, event, &err) &&
	          (event->verb == SLED_POP3_TOP
	               ? sled_intake_feed(s->top, event->text, &err)
	               : still_room(s, event, &err) &&
	                     sled_box_data(s->box, event->text, &err));

	if (event->verb == SLED_POP3_RETR) {
		s->now.bytes += event->text.len;
		if (s->conf.plan != NULL)
			sled_plan_came(s->conf.plan, s->conf.lane,
			               event->text.len);
	}
	(void)sled_session_did(s, ok, &err);
}

/* An answer is over. */
static void
land(struct sled_session *s, const struct sled_pop3_event *event)
{
	s->in_flight--;
	s->body_octets = 0;
	s->flight_bytes -= event->verb == SLED_POP3_TOP
	                       ? PROOF_OCTETS
	                       : s->listing.items[event->msg - 1].size;
}

static void
end(struct sled_session *s, const struct sled_pop3_event *event)
{
	size_t i = event->msg - 1;
	struct sled_err err = { 0 };
	struct sled_digest top;

	land(s, event);
	s->refused[0] = '\0';
	if (event->verb == SLED_POP3_TOP) {
		top = sled_intake_end(s->top);
		prove(s, i, &top);
	} else {
		s->taking = false;
		if (!sled_session_did(s, sled_box_end(s->box, &err), &err))
			return;
		s->now.fetched++;
		sled_shift_landed(s, i, sled_box_counted(s->box));
		sled_order_landed(s, i, true);
		(void)sled_fetch_commit(s, false);
	}
	sled_fetch_more(s);
}

/* A fault in one message touches that message only [W4]. */
static void
refused(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_item *item = &s->listing.items[event->msg - 1];
	char text[160];

	land(s, event);
	sled_quote(s, text, sizeof(text), event->text);
	sled_shift_refused(s, text);
	if (event->verb == SLED_POP3_TOP) {
		s->no_top = true;
		prove(s, event->msg - 1, NULL);
	} else {
		item->fate = SLED_FATE_FAILED;
		sled_order_landed(s, event->msg - 1, false);
		sled_session_warn(s, "message %lu: the server refuses it: %s",
		                  (unsigned long)event->msg, text);
	}
	sled_fetch_more(s);
}

void
sled_fetch_event(struct sled_session *s, const struct sled_pop3_event *event)
{
	switch (event->kind) {
	case SLED_POP3_ACCEPTED:
		begin(s, event);
		break;
	case SLED_POP3_BODY:
		body(s, event);
		break;
	case SLED_POP3_END:
		end(s, event);
		break;
	case SLED_POP3_REFUSED:
		refused(s, event);
		break;
	case SLED_POP3_GREETING:
	case SLED_POP3_CHALLENGE:
	case SLED_POP3_LISTED:
	default:
		break;
	}
	if (!s->closed && event->kind != SLED_POP3_ACCEPTED)
		sled_session_tell(s);
}
