/*
 * unheard.c - one in doubt that is not listed any more. It was to speak for those
 * that came before it in its visit, and nobody can ask it now: each speaks for
 * itself [W5].
 *
 * A visit that was killed may have left all that it brought in doubt, and its
 * mail may be gone, or have new ids, since: what is done here grows with the
 * listing, never with its square.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct one {
	uint64_t listed; /* 0: it speaks for any size */
	int64_t received;
	int64_t began; /* its visit */
};

struct unheard {
	struct sled_box *box;
	bool any;
	uint32_t *order; /* listed items by their id */
	size_t order_len;
	struct sled_buf ones; /* a struct one each, in order */
	struct sled_buf rows; /* ids of rows that are in doubt now */
};

static bool
is_listed(const struct unheard *u, const char *uid)
{
	size_t low = 0, high = u->order_len;

	while (low < high) {
		size_t at = low + (high - low) / 2;
		int order = strcmp(
		    sled_listing_uid_of(u->box->listing, u->order[at]), uid);

		if (order == 0)
			return true;
		if (order < 0)
			low = at + 1;
		else
			high = at;
	}
	return false;
}

static int
compare(const struct one *left, const struct one *right)
{
	if (left->listed != right->listed)
		return left->listed < right->listed ? -1 : 1;
	return (left->received > right->received) -
	       (left->received < right->received);
}

static int
by_size(const void *a, const void *b)
{
	return compare(a, b);
}

static struct one
one_of(const struct unheard *u, const struct sled_message *row)
{
	return (struct one){ u->any ? 0 : row->listed, row->received, 0 };
}

/* One that is short speaks for no other. */
static bool
take_unheard(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	const unsigned mute = SLED_MESSAGE_SHORT | SLED_MESSAGE_NOID;
	struct unheard *u = ctx;
	struct one one = one_of(u, row);

	if ((row->flags & mute) != 0)
		return true;
	if (u->order == NULL && !sled_listing_by_uid(u->box->listing, &u->order,
	                                             &u->order_len, err))
		return false;
	return is_listed(u, row->uid) ||
	       sled_buf_add(&u->ones, &one, sizeof(one), err);
}

static bool
find_visits(struct unheard *u, struct sled_err *err)
{
	struct one one = { 0 }, last = { .received = -1 };

	qsort(u->ones.data, u->ones.len / sizeof(one), sizeof(one), by_size);
	for (size_t at = 0; at < u->ones.len; at += sizeof(one)) {
		memcpy(&one, u->ones.data + at, sizeof(one));
		if (one.received >= last.began && one.received <= last.received)
			one.began = last.began;
		else if (!sled_ledger_visit_at(u->box->store->ledger,
		                               u->box->maildrop.id,
		                               one.received, &one.began, err))
			return false;
		memcpy(u->ones.data + at, &one, sizeof(one));
		last = one;
	}
	return true;
}

/* The next that came after it is the one to look at: where that is of a later
 * visit, so are all others. */
static bool
was_spoken_for(const struct unheard *u, const struct sled_message *row)
{
	const struct one key = one_of(u, row);
	size_t low = 0, high = u->ones.len / sizeof(key);
	struct one one;

	while (low < high) {
		size_t at = low + (high - low) / 2;

		memcpy(&one, u->ones.data + at * sizeof(one), sizeof(one));
		if (compare(&one, &key) < 0)
			low = at + 1;
		else
			high = at;
	}
	if (low == u->ones.len / sizeof(key))
		return false;
	memcpy(&one, u->ones.data + low * sizeof(one), sizeof(one));
	return one.listed == key.listed && one.began <= key.received;
}

static bool
take_doubtful(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	const unsigned done = SLED_MESSAGE_DOUBTFUL | SLED_MESSAGE_PROVED;
	struct unheard *u = ctx;

	return (row->flags & done) != 0 || !was_spoken_for(u, row) ||
	       sled_buf_add(&u->rows, &row->id, sizeof(row->id), err);
}

static bool
mark(struct unheard *u, struct sled_err *err)
{
	struct sled_ledger *ledger = u->box->store->ledger;
	int64_t id;

	for (size_t at = 0; at < u->rows.len; at += sizeof(id)) {
		struct sled_row_copy copy = { .found = false };

		memcpy(&id, u->rows.data + at, sizeof(id));
		if (!sled_ledger_by_id(ledger, id, sled_row_take, &copy, err))
			return false;
		copy.row.flags |= SLED_MESSAGE_DOUBTFUL;
		if (copy.found &&
		    !sled_ledger_message_update(ledger, &copy.row, err))
			return false;
	}
	return true;
}

bool
sled_unheard_doubt(struct sled_box *box, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;
	int64_t maildrop = box->maildrop.id;
	struct unheard u = { .box = box, .any = box->maildrop.loose > 0 };
	bool ok = sled_ledger_live_with(ledger, maildrop, SLED_IN_DOUBT,
	                                take_unheard, &u, err);

	if (ok && u.ones.len > 0)
		ok = find_visits(&u, err) &&
		     sled_ledger_live(ledger, maildrop, take_doubtful, &u,
		                      err) &&
		     mark(&u, err);
	free(u.order);
	sled_buf_free(&u.ones);
	sled_buf_free(&u.rows);
	return ok;
}
