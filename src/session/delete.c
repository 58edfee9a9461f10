/*
 * delete.c - DELE and QUIT: the only place that sends them.
 *
 * Law 1 [D1]: an item is deleted only when the store says sled_box_may_delete(): it
 * is stored and safe, or the user dropped it and it is the one that was meant.
 * QUIT can delete too: a server that announces EXPIRE 0, or was seen to drop
 * what was RETRieved, gets a QUIT only when everything that was RETRieved or
 * TOPped in this visit is safe; else the connection is closed without it, and
 * the DELEs wait for a visit that RETRieves nothing [Q3]. A DELE counts when QUIT
 * was answered by +OK [Q1]; else the next listing decides [Q2].
 */
#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "session/session.h"

bool
sled_delete_by_quit(const struct sled_session *s)
{
	const struct sled_maildrop *drop;

	if (s->box == NULL)
		return false;
	drop = sled_box_maildrop(s->box);
	return drop->expire_0 || drop->drops_retrieved;
}

static bool
any_due(struct sled_session *s)
{
	for (size_t i = 0; s->box != NULL && i < s->listing.len; i++)
		if (sled_box_may_delete(s->box, i))
			return true;
	return false;
}

static void
quit(struct sled_session *s)
{
	struct sled_err err = { 0 };

	s->quit_sent = true;
	(void)sled_session_did(s, sled_pop3_quit(s->pop, &err), &err);
}

/* As many DELEs as there is room for, QUIT right behind the last. */
static void
send_more(struct sled_session *s)
{
	size_t room = sled_can(s, SLED_PEER_PIPELINING)
	                  ? sled_pop3_room(s->pop)
	                  : 1 - sled_pop3_waiting(s->pop);
	struct sled_err err = { 0 };

	for (; s->next_dele < s->listing.len && room > 0; s->next_dele++) {
		size_t i = s->next_dele;

		if (!sled_box_may_delete(s->box, i))
			continue;
		if (!sled_session_did(
			s, sled_pop3_dele(s->pop, (uint32_t)i + 1, &err), &err))
			return;
		room--;
	}
	if (s->next_dele == s->listing.len && room > 0 && !s->quit_sent)
		quit(s);
}

static void
delete_all(struct sled_session *s)
{
	struct sled_err err = { 0 };

	s->deleting = any_due(s);
	s->quit_matters = s->deleting || sled_delete_by_quit(s);
	if (s->deleting &&
	    !sled_session_did(
		s, sled_box_dele_sent(s->box, sled_clock_now(), &err), &err))
		return;
	if (s->deleting)
		send_more(s);
	else
		quit(s);
}

/* The same octets twice running may be one reply that was given twice, and octets
 * of no size that is listed, or a refusal, one too many: then the next one's is
 * still on its way. An answer that has a form of its own shows that none is [W5];
 * true twins and what is cut cost a round trip. So it is where nothing is deleted:
 * a later visit does that, and sees one that is stored and listed. */
static bool
ask_for_order(struct sled_session *s)
{
	struct sled_err err = { 0 };

	if (s->box == NULL || !sled_shift_echoed(s))
		return false;
	s->shifted = true;
	(void)sled_session_did(s, sled_pop3_stat(s->pop, &err), &err);
	return true;
}

/* The order of replies is not in doubt. */
static void
finish(struct sled_session *s)
{
	if (!sled_delete_by_quit(s) || sled_box_all_safe(s->box)) {
		delete_all(s);
		return;
	}
	sled_session_warn(s,
	                  "%s deletes at QUIT what was fetched, and not all of "
	                  "it is safe: closed without QUIT",
	                  s->conf.account->server);
	sled_session_end(s);
}

static void
on_stat(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };
	char text[160];

	if (event->kind == SLED_POP3_ACCEPTED && !event->bad &&
	    event->count == s->listing.len) {
		s->shifted = false;
		finish(s);
		return;
	}
	sled_quote(s, text, sizeof(text), event->text);
	(void)sled_fail(&err, SLED_ERR_PROTO,
	                "%s: an answer came twice or too many, and STAT is "
	                "answered by \"%s\": nothing is deleted",
	                s->conf.account->server, text);
	sled_session_fail(s, &err);
}

void
sled_delete_start(struct sled_session *s)
{
	sled_session_phase(s, SLED_PHASE_DELETE);
	sled_timer_start(s->stall, s->conf.account->timeout_ms);
	if (!ask_for_order(s))
		finish(s);
}

static void
on_quit(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };
	char text[160];

	if (event->kind == SLED_POP3_REFUSED) {
		sled_quote(s, text, sizeof(text), event->text);
		(void)sled_fail(&err, SLED_ERR_SERVER,
		                "%s: QUIT was refused (%s): the next listing "
		                "tells what is deleted",
		                s->conf.account->server, text);
		sled_session_fail(s, &err);
		return;
	}
	if (s->deleting &&
	    !sled_session_did(s, sled_box_gone(s->box, sled_clock_now(), &err),
	                      &err))
		return;
	for (size_t i = 0; s->deleting && i < s->listing.len; i++)
		s->result.row.deleted +=
		    (s->listing.items[i].flags & SLED_ITEM_DELE) != 0;
	sled_session_end(s);
}

static void
on_dele(struct sled_session *s, const struct sled_pop3_event *event)
{
	char text[160];

	if (event->kind == SLED_POP3_ACCEPTED) {
		s->listing.items[event->msg - 1].flags |= SLED_ITEM_DELE;
		s->now.deleted++;
	} else {
		sled_quote(s, text, sizeof(text), event->text);
		sled_session_warn(s, "message %lu: DELE was refused: %s",
		                  (unsigned long)event->msg, text);
		s->listing.items[event->msg - 1].fate = SLED_FATE_FAILED;
	}
	sled_session_tell(s);
	send_more(s);
}

void
sled_delete_event(struct sled_session *s, const struct sled_pop3_event *event)
{
	if (event->kind != SLED_POP3_ACCEPTED &&
	    event->kind != SLED_POP3_REFUSED)
		return;
	if (event->verb == SLED_POP3_STAT)
		on_stat(s, event);
	else if (event->verb == SLED_POP3_QUIT)
		on_quit(s, event);
	else if (event->verb == SLED_POP3_DELE)
		on_dele(s, event);
}
