/* listing.c - STAT, UIDL and LIST, and what the policies say of each item. */
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "session/session.h"

static void
ask(struct sled_session *s,
    bool (*command)(struct sled_pop3 *, uint32_t, struct sled_err *))
{
	struct sled_err err = { 0 };

	(void)sled_session_did(s, command(s->pop, 0, &err), &err);
}

/* PIPELINING was only claimed when twice in a row nothing but the first of
 * three commands was answered: then they are sent one by one. */
void
sled_list_lost(struct sled_session *s, enum sled_err_kind why)
{
	if (s->box == NULL || why != SLED_ERR_LINK ||
	    !sled_can(s, SLED_PEER_PIPELINING) || !s->stat_done ||
	    s->uids_begun)
		return;
	sled_box_maildrop(s->box)->flights_lost++;
}

bool
sled_list_may_pipeline(const struct sled_session *s)
{
	return s->box == NULL ||
	       sled_box_maildrop(s->box)->flights_lost < SLED_VISIT_TRIES;
}

void
sled_list_ask(struct sled_session *s)
{
	struct sled_err err = { 0 };

	if (s->list_asked)
		return;
	s->list_asked = true;
	if (s->caps_due &&
	    !sled_session_did(s, sled_pop3_capa(s->pop, &err), &err))
		return;
	if (sled_session_did(s, sled_pop3_stat(s->pop, &err), &err) &&
	    sled_can(s, SLED_PEER_PIPELINING) && !sled_remember_ask(s))
		sled_list_ask_whole(s);
}

void
sled_list_ask_whole(struct sled_session *s)
{
	ask(s, sled_pop3_uidl);
	if (!s->closed)
		ask(s, sled_pop3_list);
}

void
sled_list_start(struct sled_session *s)
{
	sled_session_phase(s, SLED_PHASE_LIST);
	s->result.pipelining = sled_can(s, SLED_PEER_PIPELINING);
	s->result.expire_0 = sled_can(s, SLED_PEER_EXPIRE_0);
	s->result.top = sled_can(s, SLED_PEER_TOP);
	sled_list_ask(s);
}

/* Messages received until then may be deleted. */
static int64_t
delete_until(struct sled_session *s, int64_t now)
{
	const struct sled_conf_account *account = s->conf.account;
	const struct sled_maildrop *drop = sled_box_maildrop(s->box);
	int64_t first = drop->first_visit == 0 ? now : drop->first_visit;

	switch (account->del) {
	case SLED_CONF_DELETE_VERIFIED:
		return INT64_MAX;
	case SLED_CONF_DELETE_AFTER:
		return sled_clock_doubtful(now) ? INT64_MIN
		                                : now - account->delete_after_s;
	case SLED_CONF_DELETE_UNWRITTEN:
		s->result.trial_ends = first + (int64_t)SLED_CONF_TRIAL_S;
		s->result.trial =
		    now < s->result.trial_ends || sled_clock_doubtful(now);
		return s->result.trial ? INT64_MIN : INT64_MAX;
	case SLED_CONF_DELETE_NEVER:
	default:
		return INT64_MIN;
	}
}

bool
sled_list_is_held(const struct sled_session *s, uint64_t size)
{
	const struct sled_conf_hold *hold =
	    s->conf.hold.set ? &s->conf.hold : &s->conf.account->hold_larger;

	return hold->set && size > hold->bytes;
}

static enum sled_decision
decision_of(const struct sled_session *s, size_t i)
{
	return s->box == NULL ? SLED_DECIDE_NONE : sled_box_decision(s->box, i);
}

bool
sled_list_is_wanted(const struct sled_session *s, size_t i)
{
	return decision_of(s, i) == SLED_DECIDE_WANT;
}

/* A decision beats every policy: what is to be dropped is not fetched. */
static bool
stays(const struct sled_session *s, const struct sled_item *item)
{
	switch (decision_of(s, (size_t)(item - s->listing.items))) {
	case SLED_DECIDE_WANT:
		return false;
	case SLED_DECIDE_DROP:
		return true;
	case SLED_DECIDE_NONE:
	default:
		return sled_list_is_held(s, item->size);
	}
}

void
sled_list_judge(struct sled_session *s, struct sled_item *item)
{
	if (item->verdict != SLED_ITEM_NEW)
		return;
	if (stays(s, item) ||
	    sled_aside_stays(s, (size_t)(item - s->listing.items))) {
		item->fate = SLED_FATE_HELD;
		return;
	}
	s->now.wanted++;
	s->now.wanted_bytes += item->size;
}

static void
note_wanted(struct sled_session *s)
{
	for (size_t i = 0; i < s->listing.len; i++) {
		struct sled_item *item = &s->listing.items[i];

		if (item->verdict == SLED_ITEM_ABSENT)
			continue;
		s->now.listed++;
		s->result.mail_octets += item->size;
		sled_list_judge(s, item);
	}
}

/* Ids that are empty, doubled, too long or not printable. */
static void
tell_useless(struct sled_session *s)
{
	size_t count = 0;

	for (size_t i = 0; s->listing.has_uidl && i < s->listing.len; i++)
		count += s->listing.items[i].verdict != SLED_ITEM_ABSENT &&
		         (s->listing.items[i].flags & SLED_ITEM_NOID) != 0;
	if (count > 0)
		sled_session_warn(s,
		                  "the unique-id%s of %zu message%s of no "
		                  "use: not deleted before the visit that "
		                  "fetches %s",
		                  count == 1 ? "" : "s", count,
		                  count == 1 ? " is" : "s are",
		                  count == 1 ? "it" : "them");
}

void
sled_list_done(struct sled_session *s)
{
	struct sled_err err = { 0 };
	int64_t now = sled_clock_now();
	struct sled_maildrop *drop;

	sled_listing_free(&s->seen);
	s->result.no_uidl = s->listing.len > 0 && !s->listing.has_uidl;
	if (s->box != NULL) {
		sled_eager_listed(s);
		drop = sled_box_maildrop(s->box);
		drop->expire_0 = sled_can(s, SLED_PEER_EXPIRE_0);
		drop->no_uidl = s->result.no_uidl;
		if (s->limits.told) {
			drop->expire_days = s->limits.expire_days;
			drop->login_delay_s = s->limits.login_delay_s;
		}
		if (sled_can(s, SLED_PEER_PIPELINING))
			drop->flights_lost = 0;
		if (!sled_session_did(s,
		                      sled_box_listed(s->box, &s->listing,
		                                      s->delete_until, now,
		                                      &err),
		                      &err))
			return;
	}
	tell_useless(s);
	note_wanted(s);
	if (s->box == NULL)
		sled_delete_start(s);
	else
		sled_fetch_start(s);
}

static void
on_stat(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };

	s->stat_done = true;
	if (event->bad || event->count > SLED_POP3_LISTING_MAX) {
		char text[80];

		sled_quote(s, text, sizeof(text), event->text);
		(void)sled_fail(&err, SLED_ERR_PROTO,
		                "%s: STAT says \"%s\", which is no count of "
		                "messages",
		                s->conf.account->server, text);
		sled_session_fail(s, &err);
		return;
	}
	if (!sled_session_did(
		s, sled_listing_new(&s->listing, event->count, &err), &err))
		return;
	s->stat_octets = event->size;
	if (s->box != NULL)
		s->delete_until = delete_until(s, sled_clock_now());
	if (s->recall != NULL) {
		sled_remember_stat(s, event->count, event->size);
		return;
	}
	if (sled_can(s, SLED_PEER_PIPELINING))
		return;
	if (event->count == 0)
		sled_list_done(s);
	else
		ask(s, sled_pop3_uidl);
}

/* More lines than STAT counted, and some: a server may be a little off, but none
 * is paid for a listing that goes on and on [W2]. */
#define LINES_SPARE 1000

static bool
is_bounded(struct sled_session *s, enum sled_pop3_verb verb,
           struct sled_err *err)
{
	if (++s->lines <= 2 * s->listing.len + LINES_SPARE)
		return true;
	return sled_fail(err, SLED_ERR_PROTO,
	                 "%s: %s goes on behind %zu lines, and STAT counts "
	                 "%zu messages",
	                 s->conf.account->server, sled_pop3_word(verb),
	                 s->lines - 1, s->listing.len);
}

static void
on_line(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };
	bool ok;

	if (!sled_session_did(s, is_bounded(s, event->verb, &err), &err))
		return;
	if (event->bad || event->msg == 0 || event->msg > s->listing.len) {
		char text[80];

		sled_quote(s, text, sizeof(text), event->text);
		sled_session_warn(s, "a line of %s was not understood: %s",
		                  sled_pop3_word(event->verb), text);
		return;
	}
	ok = event->verb == SLED_POP3_LIST
	         ? sled_listing_size(&s->listing, event->msg, event->size, &err)
	         : sled_listing_uid(&s->listing, event->msg,
	                            event->cut ? (struct sled_span){ "", 0 }
	                                       : event->text,
	                            &err);
	(void)sled_session_did(s, ok, &err);
}

static void
on_end(struct sled_session *s, enum sled_pop3_verb verb)
{
	s->lines = 0;
	if (verb == SLED_POP3_UIDL) {
		s->uids_done = true;
		if (!sled_can(s, SLED_PEER_PIPELINING))
			ask(s, sled_pop3_list);
	} else {
		s->sizes_done = true;
	}
	if (!s->uids_done || !s->sizes_done || s->closed)
		return;
	if (s->box != NULL)
		sled_remember_whole(s);
	sled_list_done(s);
}

/* One that gives unique-ids, says so or did: a whole maildrop is not paid for
 * again because it would not this once. */
static bool
has_uidl(const struct sled_session *s)
{
	const struct sled_maildrop *drop =
	    s->box == NULL ? NULL : sled_box_maildrop(s->box);

	return sled_can(s, SLED_PEER_UIDL) ||
	       (drop != NULL && drop->listed_count > 0 && !drop->no_uidl);
}

static void
on_refused(struct sled_session *s, const struct sled_pop3_event *event)
{
	struct sled_err err = { 0 };
	char text[200];

	if (event->verb == SLED_POP3_UIDL && !has_uidl(s)) {
		on_end(s, SLED_POP3_UIDL); /* a server without unique-ids */
		return;
	}
	sled_quote(s, text, sizeof(text), event->text);
	(void)sled_fail(&err, SLED_ERR_SERVER, "%s refuses %s: %s",
	                s->conf.account->server, sled_pop3_word(event->verb),
	                text);
	sled_session_fail(s, &err);
}

void
sled_list_event(struct sled_session *s, const struct sled_pop3_event *event)
{
	if (event->verb == SLED_POP3_CAPA) {
		sled_eager_capa(s, event);
		return;
	}
	if (event->msg != 0 && event->kind != SLED_POP3_LISTED) {
		s->uids_begun = true;
		sled_remember_event(s, event);
		return;
	}
	switch (event->kind) {
	case SLED_POP3_ACCEPTED:
		if (event->verb == SLED_POP3_STAT)
			on_stat(s, event);
		else
			s->uids_begun = true;
		break;
	case SLED_POP3_LISTED:
		on_line(s, event);
		break;
	case SLED_POP3_END:
		on_end(s, event->verb);
		break;
	case SLED_POP3_REFUSED:
		on_refused(s, event);
		break;
	case SLED_POP3_GREETING:
	case SLED_POP3_CHALLENGE:
	case SLED_POP3_BODY:
	default:
		break;
	}
}
