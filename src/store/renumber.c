/*
 * renumber.c - a server that gives every message a new unique-id: after it was
 * moved, or at each session. What is stored is known by its size then, and by a
 * few headers, and is not fetched again [S4].
 *
 * Three ways are tried, the cheapest first. With N messages stored and not gone:
 *   the first N of the listing have their sizes, in the order that they came in
 *   they have them in some order: what came in by size was listed otherwise
 *   some of the listing have the size of one: it was changed elsewhere, too
 * In the first two, proofs (TOP) of the first, the last and every 20th speak for
 * all; one that fails has the others proved by themselves, as in the third.
 */
#include <stdlib.h>

#include "store/store.h"

#define SAMPLE_EVERY 20

/* One of the listing that has an id, or one that is stored. */
struct sized {
	uint64_t size;
	size_t at;  /* in the order of the listing, or of numbers */
	int64_t id; /* its place in the listing, or its row */
};

struct stored {
	struct sized *list;
	size_t len, cap;
};

static bool
add_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct stored *rows = ctx;

	if (rows->len == rows->cap) {
		size_t cap = rows->cap == 0 ? 64 : rows->cap * 2;
		struct sized *list = realloc(rows->list, cap * sizeof(*list));

		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "listing");
		rows->list = list;
		rows->cap = cap;
	}
	rows->list[rows->len] =
	    (struct sized){ row->listed, rows->len, row->id };
	rows->len++;
	return true;
}

static int
by_size(const void *a, const void *b)
{
	const struct sized *left = a, *right = b;

	if (left->size != right->size)
		return left->size < right->size ? -1 : 1;
	return (left->at > right->at) - (left->at < right->at);
}

static void
sort(struct sized *list, size_t len)
{
	qsort(list, len, sizeof(*list), by_size);
}

static void
plan_samples(struct sled_box *box, const struct sized *items,
             const struct stored *rows)
{
	for (size_t i = 0; i < rows->len; i++) {
		size_t at = items[i].at;
		struct sled_item *it = &box->listing->items[items[i].id];
		bool sample =
		    at == 0 || at == rows->len - 1 || at % SAMPLE_EVERY == 0;

		it->row = rows->list[i].id;
		it->verdict = sample ? SLED_ITEM_PROVE : SLED_ITEM_WAITS;
		if (sample) {
			it->flags |= SLED_ITEM_SAMPLE;
			box->samples++;
		}
	}
}

/* *done when each of the first items has a size that its row is known by. */
static bool
try_samples(struct sled_box *box, const struct sized *items,
            const struct stored *rows, bool *done, struct sled_err *err)
{
	*done = true;
	for (size_t i = 0; *done && i < rows->len; i++)
		if (!sled_ledger_known_size(box->store->ledger,
		                            rows->list[i].id, items[i].size,
		                            done, err))
			return false;
	if (*done)
		plan_samples(box, items, rows);
	return true;
}

/* Both are in order of size. */
static void
plan_proofs(struct sled_box *box, const struct sized *items, size_t len,
            const struct stored *rows)
{
	size_t i = 0, r = 0;

	while (i < len && r < rows->len) {
		struct sled_item *it = &box->listing->items[items[i].id];

		if (items[i].size > rows->list[r].size) {
			r++;
		} else if (items[i].size < rows->list[r].size) {
			i++;
		} else {
			it->row = rows->list[r++].id;
			it->verdict = SLED_ITEM_PROVE;
			i++;
		}
	}
}

static bool
pair(struct sled_box *box, struct sized *items, size_t len,
     const struct stored *rows, struct sled_err *err)
{
	bool fewer = rows->len <= len, done = false;

	if (fewer && !try_samples(box, items, rows, &done, err))
		return false;
	if (done)
		return true;
	sort(rows->list, rows->len);
	sort(items, fewer ? rows->len : 0);
	if (fewer && !try_samples(box, items, rows, &done, err))
		return false;
	if (done)
		return true;
	sort(items, len);
	plan_proofs(box, items, len, rows);
	return true;
}

static bool
pair_all(struct sled_box *box, const struct stored *rows, struct sled_err *err)
{
	const struct sled_listing *listing = box->listing;
	struct sized *items = calloc(listing->len, sizeof(*items));
	size_t len = 0;
	bool ok;

	if (items == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "listing");
	for (size_t i = 0; i < listing->len; i++)
		if ((listing->items[i].flags & SLED_ITEM_NOID) == 0) {
			items[len] = (struct sized){ listing->items[i].size,
				                     len, (int64_t)i };
			len++;
		}
	ok = pair(box, items, len, rows, err);
	free(items);
	return ok;
}

bool
sled_box_renumbered(struct sled_box *box, struct sled_err *err)
{
	const struct sled_listing *listing = box->listing;
	struct stored rows = { .len = 0 };
	bool ok;

	for (size_t i = 0; i < listing->len; i++)
		if (listing->items[i].row != 0 ||
		    listing->items[i].verdict != SLED_ITEM_NEW)
			return true;
	if (listing->len == 0)
		return true;
	ok = sled_ledger_live(box->store->ledger, box->maildrop.id, add_row,
	                      &rows, err) &&
	     (rows.len == 0 || pair_all(box, &rows, err));
	free(rows.list);
	return ok;
}
