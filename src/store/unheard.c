/*
 * unheard.c - one in doubt that is not listed any more [W5].
 *
 * It was to speak for those that came before it in its visit, and nobody can ask
 * it now: each of them that has its size, or any where sizes do not tell, speaks
 * for itself from now on. There may be as many in doubt as there are messages:
 * nothing here looks at all of them for each.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

/* The last one of a size that came at that time, and is not heard. */
struct last {
	uint64_t listed; /* 0 where sizes do not tell */
	int64_t received;
	int64_t began; /* its visit, or the one before; -1: not looked up */
};

struct unheard {
	struct sled_box *box;
	bool told;       /* sizes tell */
	uint32_t *order; /* what is listed with an id, by that */
	size_t order_len;
	struct last *list;
	size_t len, cap;
	struct sled_buf before; /* ids of rows, an int64_t each */
};

static bool
is_listed(const struct unheard *u, const char *uid)
{
	size_t low = 0, high = u->order_len;

	while (low < high) {
		size_t at = low + (high - low) / 2;
		int way = strcmp(
		    sled_listing_uid_of(u->box->listing, u->order[at]), uid);

		if (way == 0)
			return true;
		if (way < 0)
			low = at + 1;
		else
			high = at;
	}
	return false;
}

static uint64_t
size_of(const struct unheard *u, const struct sled_message *row)
{
	return u->told ? row->listed : 0;
}

/* One that is short speaks for no other. */
static bool
take_unheard(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	const unsigned mute = SLED_MESSAGE_SHORT | SLED_MESSAGE_NOID;
	struct unheard *u = ctx;
	size_t cap = u->cap == 0 ? 4 : u->cap * 2;
	struct last *list;

	if ((row->flags & mute) != 0)
		return true;
	if (u->order == NULL &&
	    !sled_listing_order(u->box->listing, &u->order, &u->order_len, err))
		return false;
	if (is_listed(u, row->uid))
		return true;
	if (u->len == u->cap) {
		list = reallocarray(u->list, cap, sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "listing");
		u->list = list;
		u->cap = cap;
	}
	u->list[u->len++] = (struct last){ size_of(u, row), row->received, -1 };
	return true;
}

static int
by_size_and_time(const void *a, const void *b)
{
	const struct last *left = a, *right = b;
	int way =
	    (left->listed > right->listed) - (left->listed < right->listed);

	return way != 0 ? way
	                : (left->received > right->received) -
	                      (left->received < right->received);
}

/* The first one of ROW's size that did not come before it: later ones came in
 * the same visit, or are no nearer. */
static struct last *
find_last(const struct unheard *u, const struct sled_message *row)
{
	const struct last key = { size_of(u, row), row->received, -1 };
	size_t low = 0, high = u->len;

	while (low < high) {
		size_t at = low + (high - low) / 2;

		if (by_size_and_time(&u->list[at], &key) < 0)
			low = at + 1;
		else
			high = at;
	}
	return low < u->len && u->list[low].listed == key.listed ? &u->list[low]
	                                                         : NULL;
}

static bool
take_before(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	const unsigned settled = SLED_MESSAGE_PROVED | SLED_MESSAGE_DOUBTFUL;
	struct unheard *u = ctx;
	struct last *last = find_last(u, row);

	if (last == NULL || (row->flags & settled) != 0)
		return true;
	if (last->began == -1 &&
	    !sled_ledger_visit_began(u->box->store->ledger, row->maildrop,
	                             last->received, &last->began, err))
		return false;
	return row->received < last->began ||
	       sled_buf_add(&u->before, &row->id, sizeof(row->id), err);
}

static bool
doubt_all(const struct unheard *u, struct sled_err *err)
{
	int64_t id;

	for (size_t at = 0; at < u->before.len; at += sizeof(id)) {
		memcpy(&id, u->before.data + at, sizeof(id));
		if (!sled_ledger_set_flags(u->box->store->ledger, id,
		                           SLED_MESSAGE_DOUBTFUL, 0, err))
			return false;
	}
	return true;
}

bool
sled_box_unheard(struct sled_box *box, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;
	struct unheard u = { .box = box, .told = box->maildrop.loose == 0 };
	bool ok = sled_ledger_flagged(ledger, box->maildrop.id, SLED_IN_DOUBT,
	                              take_unheard, &u, err);

	if (ok && u.len > 0) {
		qsort(u.list, u.len, sizeof(*u.list), by_size_and_time);
		ok = sled_ledger_live(ledger, box->maildrop.id, take_before, &u,
		                      err) &&
		     doubt_all(&u, err);
	}
	free(u.order);
	free(u.list);
	sled_buf_free(&u.before);
	return ok;
}
