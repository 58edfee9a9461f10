/*
 * shift.c - was each message answered by its own reply? Replies are matched to
 * commands by their order alone [W5]: with one too few or too many, each message
 * behind it is taken for another one. Where sizes are listed to the octet, that
 * goes unseen only among messages of one size. It is looked for when something
 * shows that the order may be lost: mail that was asked for did not come; or
 * came with the size of another; or was refused, or cut; or a reply answered
 * nothing. What may be another message is not deleted before a TOP proved it.
 *
 * An order that is lost stays lost. Where replies may be missing, the last
 * message that came speaks for those before it.
 */
#include <stdio.h>
#include <string.h>

#include "session/session.h"

static bool
is_retrieved(const struct sled_item *item)
{
	return (item->flags & SLED_ITEM_RETRIEVED) != 0;
}

static bool
was_asked(const struct sled_item *item)
{
	return item->asked == SLED_ASKED_RETR;
}

static bool
is_due(const struct sled_item *item)
{
	return was_asked(item) && !is_retrieved(item) &&
	       item->fate == SLED_FATE_NONE;
}

/* Is there another one that it could have been, by its size? */
static bool
has_twin(const struct sled_session *s, size_t i, uint64_t size,
         bool (*of)(const struct sled_item *))
{
	const struct sled_item *items = s->listing.items;

	for (size_t j = 0; j < s->listing.len; j++)
		if (j != i && of(&items[j]) && items[j].size == size)
			return true;
	return false;
}

/* It is believed only for the header that a TOP of this visit showed, whatever its
 * id says. */
static bool
is_proved(const struct sled_item *item)
{
	return item->asked == SLED_ASKED_TOP && item->moved &&
	       item->verdict == SLED_ITEM_STORED;
}

static bool
is_asked(void *ctx, const struct sled_item *item)
{
	(void)ctx;
	return was_asked(item) || item->asked == SLED_ASKED_TOP;
}

static bool
tells_sizes(const struct sled_session *s)
{
	return sled_box_maildrop(s->box)->loose == 0;
}

static size_t
doubt(struct sled_session *s, size_t i)
{
	struct sled_err err = { 0 };

	if (sled_box_doubt(s->box, i, &err))
		return 1;
	sled_session_warn(s, "%s", err.text);
	return 0;
}

static void
tell(struct sled_session *s, size_t count)
{
	if (count > 0)
		sled_session_warn(s,
		                  "replies may have answered other commands: "
		                  "%zu message%s not deleted before the header "
		                  "proves it",
		                  count, count == 1 ? " is" : "s are");
}

void
sled_shift_landed(struct sled_session *s, size_t i, uint64_t size)
{
	s->last_whole = i + 1;
	s->last_size = size;
	s->suspected = false;
	if ((s->listing.items[i].flags & SLED_ITEM_SHORT) != 0 &&
	    has_twin(s, i, size, was_asked))
		s->shifted = true;
}

void
sled_shift_refused(struct sled_session *s, const char *text)
{
	s->refused_twice =
	    s->refused_twice ||
	    (s->refused[0] != '\0' && strcmp(s->refused + 1, text) == 0);
	(void)snprintf(s->refused, sizeof(s->refused), "-%s", text);
}

/* It was asked for, and did not come as it is listed: refused, or cut. Either may
 * be an answer too many, or that of another one. */
static bool
is_wrong(void *ctx, const struct sled_item *item)
{
	(void)ctx;
	return was_asked(item) &&
	       (is_retrieved(item) ? (item->flags & SLED_ITEM_SHORT) != 0
	                           : item->fate == SLED_FATE_FAILED);
}

static bool
any_wrong(const struct sled_session *s)
{
	for (size_t i = 0; i < s->listing.len; i++)
		if (is_wrong(NULL, &s->listing.items[i]))
			return true;
	return false;
}

bool
sled_shift_echoed(const struct sled_session *s)
{
	return s->refused_twice || sled_box_echoed(s->box) || any_wrong(s);
}

/* Where one did not come as it is listed, its answer may have come behind others:
 * what has its size may be another's, though none is too few or too many. */
static bool
suspect(struct sled_session *s, struct sled_err *err)
{
	bool told = tells_sizes(s), ok = true;
	struct sled_sizes sizes;

	if (s->suspected || s->shifted || !any_wrong(s))
		return true;
	s->suspected = true;
	sled_sizes_new(&sizes, &s->listing, is_wrong, NULL);
	for (size_t i = 0; ok && i < s->listing.len; i++)
		if (is_retrieved(&s->listing.items[i]) &&
		    (!told ||
		     sled_sizes_count(&sizes, s->listing.items[i].size) > 0))
			ok = sled_box_suspect(s->box, i, err);
	sled_sizes_free(&sizes);
	return ok;
}

/* The order is lost: where, nobody knows. */
static void
look_everywhere(struct sled_session *s)
{
	bool told = tells_sizes(s);
	struct sled_sizes sizes;
	size_t count = 0;

	if (!s->shifted)
		return;
	sled_sizes_new(&sizes, &s->listing, is_asked, NULL);
	for (size_t i = 0; i < s->listing.len; i++) {
		const struct sled_item *item = &s->listing.items[i];

		if ((is_retrieved(item) || is_proved(item)) &&
		    (!told || sled_sizes_count(&sizes, item->size) > 1))
			count += doubt(s, i);
	}
	sled_sizes_free(&sizes);
	tell(s, count);
	s->shifted = false;
}

static void
reconsider(struct sled_session *s)
{
	struct sled_err err = { 0 };

	if (!sled_box_reconsider(s->box, &err) || !suspect(s, &err))
		sled_session_warn(s, "%s", err.text);
}

/* It came with the size of another: now that it is known which are short, and
 * before anything is deleted, a TOP tells. */
bool
sled_shift_next(struct sled_session *s, size_t *i)
{
	reconsider(s);
	return sled_box_stray(s->box, &s->next_stray, i);
}

void
sled_shift_shown(struct sled_session *s, size_t i,
                 const struct sled_digest *top)
{
	struct sled_err err = { 0 };
	bool other = false;

	if (!sled_session_did(s, sled_box_shown(s->box, i, top, &other, &err),
	                      &err))
		return;
	s->shifted = s->shifted || other;
}

/* Of two with the same octets one showed a header of its own. */
static void
judge_twins(struct sled_session *s)
{
	struct sled_err err = { 0 };
	bool other = false;

	if (!sled_box_strange(s->box, &other, &err))
		sled_session_warn(s, "%s", err.text);
	s->shifted = s->shifted || other;
}

/* Those that no TOP could tell of in this visit. */
static void
doubt_strays(struct sled_session *s)
{
	size_t count = 0;

	for (size_t at = 0, i; sled_box_stray(s->box, &at, &i);)
		count += doubt(s, i);
	tell(s, count);
}

static void
judge(struct sled_session *s)
{
	reconsider(s);
	doubt_strays(s);
	look_everywhere(s);
}

static bool
is_in_doubt(void *ctx, const struct sled_item *item)
{
	const struct sled_session *s = ctx;

	return sled_box_in_doubt(s->box, (size_t)(item - s->listing.items));
}

/* It rests on the word of one that came in the same visit. */
static bool
is_unproved(const struct sled_item *item)
{
	return item->verdict == SLED_ITEM_STORED &&
	       (item->flags & SLED_ITEM_DUE) != 0 &&
	       (item->flags & (SLED_ITEM_RETRIEVED | SLED_ITEM_TOPPED)) == 0;
}

/* One that was to speak for others did not: the server has no TOP, or it shows
 * another header, and the message did not come. Then each speaks for itself. */
static void
look_behind(struct sled_session *s)
{
	bool told = tells_sizes(s), none;
	struct sled_sizes sizes;
	size_t count = 0;

	sled_sizes_new(&sizes, &s->listing, is_in_doubt, s);
	none = sizes.list != NULL && sizes.len == 0;
	for (size_t i = 0; !none && i < s->listing.len; i++) {
		const struct sled_item *item = &s->listing.items[i];

		if (is_unproved(item) &&
		    (!told || sled_sizes_count(&sizes, item->size) > 0))
			count += doubt(s, i);
	}
	sled_sizes_free(&sizes);
	tell(s, count);
}

void
sled_shift_check(struct sled_session *s)
{
	judge_twins(s);
	judge(s);
	look_behind(s);
}

/* Some mail was asked for and did not come: may the last that came be another
 * one? One that is due, where a reply was left out; one that came before it,
 * where a reply came twice. Where one seems to have, all may seem to have come. */
static bool
may_be_another(const struct sled_session *s, size_t last)
{
	const struct sled_item *items = s->listing.items;
	bool due = sled_shift_echoed(s);

	for (size_t j = 0; !due && j < s->listing.len; j++)
		due = is_due(&items[j]);
	return due && (!tells_sizes(s) ||
	               has_twin(s, last, items[last].size, was_asked) ||
	               has_twin(s, last, s->last_size, was_asked));
}

/* The line ended while a header was due: one may have been left out before it,
 * and under new ids each of those behind proved another row [S4]. */
static bool
lacks_header(const struct sled_session *s)
{
	for (size_t i = 0; i < s->listing.len; i++)
		if (s->listing.items[i].asked == SLED_ASKED_TOP &&
		    s->listing.items[i].verdict == SLED_ITEM_PROVE)
			return true;
	return false;
}

void
sled_shift_ended(struct sled_session *s)
{
	const struct sled_err *err = &s->result.err;
	size_t last = s->last_whole - 1;
	bool open;

	judge_twins(s);
	if (s->store_failed && !s->shifted)
		return;
	if ((err->kind == SLED_ERR_PROTO && s->lost_order) ||
	    (err->kind == SLED_ERR_LINK && lacks_header(s)))
		s->shifted = true;
	open = err->kind != SLED_ERR_NONE && !s->shifted && s->last_whole > 0 &&
	       is_retrieved(&s->listing.items[last]) && may_be_another(s, last);
	judge(s);
	if (!open)
		return;
	if ((s->listing.items[last].flags & SLED_ITEM_SHORT) == 0) {
		tell(s, doubt(s, last));
		return;
	}
	s->shifted = true; /* it is fetched again, and speaks for no other */
	look_everywhere(s);
}
