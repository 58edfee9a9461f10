/*
 * aside.c - a message whose answer ends visits blocks no other [W4].
 *
 * The visit that it ends notes it. From the next one on it is asked for alone,
 * behind all others; from its second strike on not while anything is to be
 * deleted: that is deleted first, and it gets a connection of its own. From the
 * third on it waits on the server for an hour, then two, and so on, as held mail
 * does. An answer without end counts for three; one that the server breaks off
 * for one; silence before its first octet for one, but it may be the line's:
 * no message waits for that.
 *
 * One that came, and came again, and was neither time what is listed [S3] [W5]
 * ends no visit, but each would pay for all of it: it waits until the user wants
 * it.
 */
#include <errno.h>
#include <stdio.h>

#include "mailsled/clock.h"
#include "session/session.h"

#define ENDLESS     SLED_ASIDE_STRIKES /* strikes of a body without an end */
#define ALONE       2                  /* strikes: in its own connection */
#define SPARE_LEAST (1u << 20)
#define TOLD        3 /* messages named in one visit's line */

/* ---- how long an answer may be [W2] ---- */

uint64_t
sled_aside_spare(const struct sled_session *s, size_t i)
{
	const struct sled_maildrop *drop = sled_box_maildrop(s->box);
	const struct sled_aside_row *row = sled_box_aside(s->box, i);
	uint64_t spare = SPARE_LEAST;

	if (drop->loose > 0 || drop->exact + drop->lf_counted == 0)
		return SLED_BODY_SPARE;
	for (uint32_t n = ENDLESS;
	     row != NULL && n <= row->strikes && spare < SLED_BODY_SPARE; n++)
		spare *= 4;
	return spare;
}

/* ---- what is asked for, and when ---- */

/* A clock that was ahead must not keep it away for years. */
static bool
waits(const struct sled_aside_row *row)
{
	int64_t now = sled_clock_now();

	return row->again == SLED_ASIDE_WANTED ||
	       (row->again > now && row->again - now <= SLED_ASIDE_MOST_S);
}

bool
sled_aside_stays(const struct sled_session *s, size_t i)
{
	const struct sled_aside_row *row =
	    s->box == NULL ? NULL : sled_box_aside(s->box, i);

	return row != NULL && waits(row) && !sled_list_is_wanted(s, i);
}

bool
sled_aside_is_late(const struct sled_session *s, size_t i)
{
	return sled_box_aside(s->box, i) != NULL;
}

bool
sled_aside_has_ended(const struct sled_session *s, size_t i)
{
	const struct sled_aside_row *row = sled_box_aside(s->box, i);

	return row != NULL && row->strikes > 0;
}

bool
sled_aside_may_ask(const struct sled_session *s, size_t i)
{
	const struct sled_aside_row *row = sled_box_aside(s->box, i);

	return row == NULL || row->strikes < ALONE || s->unsafe == 0;
}

/* ---- who is to blame ---- */

void
sled_aside_blame(struct sled_session *s, size_t i, bool endless,
                 const char *why)
{
	if (s->blamed.item != 0)
		return;
	s->blamed.item = i + 1;
	s->blamed.strike = (struct sled_strike){
		.weight = endless ? ENDLESS : 1,
	};
	(void)snprintf(s->blamed.why, sizeof(s->blamed.why), "%s", why);
}

static bool
is_silence(const struct sled_err *err)
{
	return err->kind == SLED_ERR_LINK && err->sys != 0 &&
	       err->sys != ECONNRESET && err->sys != EPIPE;
}

/* The connection ends while an answer is due: that of the oldest command. */
void
sled_aside_ended(struct sled_session *s, const struct sled_err *err)
{
	bool asking = s->phase == SLED_PHASE_FETCH ||
	              (s->phase == SLED_PHASE_SAVE &&
	               s->holding.in_flight + s->in_flight > 0);
	uint32_t msg = s->pop == NULL ? 0 : sled_pop3_due(s->pop);

	if (s->box == NULL || !asking || msg == 0 || msg > s->listing.len ||
	    s->stopping ||
	    (err->kind != SLED_ERR_LINK && err->kind != SLED_ERR_PROTO))
		return;
	if (!is_silence(err)) {
		sled_aside_blame(s, msg - 1, false,
		                 "the server ends the connection at it");
	} else if (s->body_octets == 0) {
		sled_aside_blame(s, msg - 1, false,
		                 "the server was silent when it was asked for");
		s->blamed.strike.most = ALONE;
	}
}

/* ---- what is kept, and told ---- */

void
sled_aside_keep(struct sled_session *s)
{
	const struct sled_strike wrong = {
		.weight = ENDLESS,
		.for_good = true,
		.why = "it came more than once, and not as the server lists it",
	};
	int64_t now = sled_clock_now();
	struct sled_err err = { 0 };

	s->blamed.strike.why = s->blamed.why;
	if (s->store_failed)
		return;
	if (s->blamed.item != 0 &&
	    !sled_box_set_aside(s->box, s->blamed.item - 1, &s->blamed.strike,
	                        now, &err))
		sled_session_warn(s, "%s", err.text);
	if (!sled_box_set_again_aside(s->box, &wrong, now, &err))
		sled_session_warn(s, "%s", err.text);
}

/* The one command that asks for it again. */
static void
tell_one(struct sled_session *s, size_t i, const struct sled_aside_row *row)
{
	char when[SLED_TIME_TEXT];

	if (row->again == SLED_ASIDE_WANTED) {
		sled_session_warn(s,
		                  "message %zu is set aside: %s; `mailsled "
		                  "want %s` asks for it again",
		                  i + 1, row->why, sled_box_held_id(s->box, i));
		return;
	}
	sled_clock_rfc3339(row->again, when);
	sled_session_warn(s, "message %zu is set aside until %.16s UTC: %s",
	                  i + 1, when, row->why);
}

void
sled_aside_tell(struct sled_session *s)
{
	size_t told = 0, more = 0;

	for (size_t i = 0; s->box != NULL && i < s->listing.len; i++) {
		if (s->listing.items[i].verdict != SLED_ITEM_NEW ||
		    !sled_aside_stays(s, i))
			continue;
		if (++told <= TOLD)
			tell_one(s, i, sled_box_aside(s->box, i));
		else
			more++;
	}
	if (more > 0)
		sled_session_warn(s, "and %zu more: see `mailsled held`", more);
}
