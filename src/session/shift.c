/*
 * shift.c - was each message answered by its own reply? Replies are matched to
 * commands by their order alone [W5]: with one too few or too many, each message
 * behind it is taken for another one. Where sizes are listed to the octet, that
 * goes unseen only among messages of one size. It is looked for when something
 * shows that the order may be lost: mail that was asked for did not come; or
 * came with the size of another; or a reply answered nothing. What may be
 * another message is not deleted before a TOP proved it.
 *
 * An order that is lost stays lost. Where replies may be missing, the last
 * message that came speaks for those before it.
 */
#include <stdlib.h>

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

/* The sizes of what was asked for, in order; NULL: no memory. */
struct sizes {
	uint64_t *list;
	size_t len;
};

static int
by_size(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static struct sizes
sizes_asked(const struct sled_session *s)
{
	struct sizes sizes = { calloc(s->listing.len + 1, sizeof(uint64_t)),
		               0 };

	for (size_t i = 0; sizes.list != NULL && i < s->listing.len; i++)
		if (was_asked(&s->listing.items[i]))
			sizes.list[sizes.len++] = s->listing.items[i].size;
	if (sizes.list != NULL)
		qsort(sizes.list, sizes.len, sizeof(uint64_t), by_size);
	return sizes;
}

static bool
is_shared(const struct sizes *sizes, uint64_t size)
{
	const uint64_t *at = sizes->list, *end;

	if (at == NULL)
		return true;
	end = at + sizes->len;
	at = bsearch(&size, at, sizes->len, sizeof(size), by_size);
	return at != NULL && ((at > sizes->list && at[-1] == size) ||
	                      (at + 1 < end && at[1] == size));
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
sled_shift_landed(struct sled_session *s, size_t i, uint64_t octets)
{
	s->last_whole = i + 1;
	s->last_octets = octets;
	if ((s->listing.items[i].flags & SLED_ITEM_SHORT) != 0 &&
	    has_twin(s, i, octets, was_asked))
		s->shifted = true;
}

/* The order is lost: where, nobody knows. */
static void
look_everywhere(struct sled_session *s)
{
	bool told = tells_sizes(s);
	struct sizes sizes;
	size_t count = 0;

	if (!s->shifted)
		return;
	sizes = sizes_asked(s);
	for (size_t i = 0; i < s->listing.len; i++) {
		const struct sled_item *item = &s->listing.items[i];

		if (is_retrieved(item) &&
		    (!told || is_shared(&sizes, item->size)))
			count += doubt(s, i);
	}
	free(sizes.list);
	tell(s, count);
	s->shifted = false;
}

void
sled_shift_check(struct sled_session *s)
{
	struct sled_err err = { 0 };

	if (!sled_box_reconsider(s->box, &err))
		sled_session_warn(s, "%s", err.text);
	look_everywhere(s);
}

/* Some mail was asked for and did not come: may the last that came be of it? */
static bool
may_be_due(const struct sled_session *s, size_t last)
{
	const struct sled_item *items = s->listing.items;

	if (tells_sizes(s))
		return has_twin(s, last, items[last].size, is_due) ||
		       has_twin(s, last, s->last_octets, is_due);
	for (size_t j = 0; j < s->listing.len; j++)
		if (is_due(&items[j]))
			return true;
	return false;
}

void
sled_shift_ended(struct sled_session *s)
{
	const struct sled_err *err = &s->result.err;
	size_t last = s->last_whole - 1;
	bool open;

	if (s->store_failed && !s->shifted)
		return;
	if (err->kind == SLED_ERR_PROTO && s->lost_order)
		s->shifted = true;
	open = err->kind != SLED_ERR_NONE && !s->shifted && s->last_whole > 0 &&
	       is_retrieved(&s->listing.items[last]) && may_be_due(s, last);
	sled_shift_check(s);
	if (!open)
		return;
	if ((s->listing.items[last].flags & SLED_ITEM_SHORT) == 0) {
		tell(s, doubt(s, last));
		return;
	}
	s->shifted = true; /* it is fetched again, and speaks for no other */
	look_everywhere(s);
}
