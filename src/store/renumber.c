/*
 * renumber.c - mail whose id is new: is it mail of old? (STORE.md, "Is it the
 * same message?")
 *
 * A server that was moved or restored gives each message another id. Two ways
 * to tell, the first that serves:
 *   - all ids are new and the sizes stand in the old order, none left out: the
 *     first, the last, every 20th and each in doubt are proved by their header,
 *     and speak for the others; when one is another than its place says, each
 *     is looked for among all rows;
 *   - else each new message that has the size of a row which the listing lacks
 *     is proved by itself, or known by its bytes once it came. So it is too
 *     where a visit was cut between proofs. Until then that row is not gone.
 * What is not proved is new, and fetched before any DELE [S4].
 */
#include <stdlib.h>

#include "store/store.h"

/* ---- all of them ---- */

/* How many items have the sizes of the rows, in the order in which these were
 * listed last: rows are numbered as they were fetched, smallest first. */
static bool
compare_sizes(struct sled_box *box, size_t *len, bool *same,
              struct sled_err *err)
{
	const struct sled_stays *stays = &box->stays;
	struct sled_listing *listing = box->listing;

	*len = 0;
	*same = stays->len > 0 && stays->len <= listing->len;
	for (; *same && *len < stays->len; ++*len) {
		struct sled_item *it = &listing->items[*len];

		if (!sled_ledger_known_size(box->store->ledger,
		                            stays->list[*len].row, it->size,
		                            same, err))
			return false;
		*same = *same && it->verdict != SLED_ITEM_ABSENT &&
		        (it->flags & SLED_ITEM_NOID) == 0;
		it->row = stays->list[*len].row;
	}
	return true;
}

static void
plan_samples(struct sled_box *box, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct sled_item *it = &box->listing->items[i];
		bool sample = i == len - 1 || i % SLED_SAMPLE_EVERY == 0 ||
		              box->stays.list[i].doubtful;

		it->verdict = sample ? SLED_ITEM_PROVE : SLED_ITEM_WAITS;
		if (sample) {
			it->flags |= SLED_ITEM_SAMPLE;
			box->samples++;
		}
	}
}

/* ---- some of them ---- */

static bool
add_old(struct sled_olds *olds, uint64_t size, const struct sled_message *row,
        struct sled_err *err)
{
	if (olds->len == olds->cap) {
		size_t cap = olds->cap == 0 ? 64 : olds->cap * 2;
		struct sled_old *list =
		    realloc(olds->list, cap * sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "listing");
		olds->list = list;
		olds->cap = cap;
	}
	olds->list[olds->len++] =
	    (struct sled_old){ size, row->id, row->head_sha256, false };
	return true;
}

/* As it was listed first, and as it is: servers count either way. */
static bool
take_old(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct sled_box *box = ctx;

	/* Without a header there is nothing to prove it by; and one in doubt
	 * whose id is listed is proved itself. */
	if (row->head_octets == 0 || sled_is_claimed(&box->asked, row->id) ||
	    sled_is_claimed(&box->claims, row->id))
		return true;
	return add_old(&box->olds, row->listed, row, err) &&
	       (row->octets == row->listed ||
	        add_old(&box->olds, row->octets, row, err));
}

static int
by_size(const void *a, const void *b)
{
	const struct sled_old *left = a, *right = b;

	return (left->size > right->size) - (left->size < right->size);
}

/* Any of that size, but always the same one. */
static struct sled_old *
find_old(const struct sled_olds *olds, uint64_t size)
{
	struct sled_old key = { .size = size };

	return olds->len == 0
	           ? NULL
	           : bsearch(&key, olds->list, olds->len, sizeof(key), by_size);
}

static bool
load_olds(struct sled_box *box, struct sled_err *err)
{
	struct sled_olds *olds = &box->olds;

	if (!sled_ledger_live(box->store->ledger, box->maildrop.id, take_old,
	                      box, err))
		return false;
	if (olds->len > 0)
		qsort(olds->list, olds->len, sizeof(*olds->list), by_size);
	return true;
}

static bool
prove_each(struct sled_box *box, struct sled_err *err)
{
	if (!load_olds(box, err))
		return false;
	for (size_t i = 0; i < box->listing->len; i++) {
		struct sled_item *it = &box->listing->items[i];
		struct sled_old *old = find_old(&box->olds, it->size);

		if (old == NULL || it->verdict != SLED_ITEM_NEW ||
		    it->row != 0 || (it->flags & SLED_ITEM_NOID) != 0)
			continue;
		old->wanted = true;
		it->verdict = SLED_ITEM_PROVE;
	}
	return true;
}

bool
sled_box_old_wanted(const struct sled_box *box, const struct sled_message *row)
{
	const struct sled_old *listed = find_old(&box->olds, row->listed);
	const struct sled_old *is = find_old(&box->olds, row->octets);

	return (listed != NULL && listed->wanted) || (is != NULL && is->wanted);
}

bool
sled_box_old(struct sled_box *box, uint64_t size, const struct sled_hash *head,
             sled_message_fn *fn, void *ctx, struct sled_err *err)
{
	const struct sled_olds *olds = &box->olds;

	for (size_t i = 0; i < olds->len; i++)
		if (olds->list[i].size == size &&
		    sled_hash_equal(&olds->list[i].head_sha256, head) &&
		    !sled_ledger_by_id(box->store->ledger, olds->list[i].row,
		                       fn, ctx, err))
			return false;
	return true;
}

bool
sled_box_disorder(struct sled_box *box, struct sled_err *err)
{
	if (box->proof_failed)
		return true;
	box->proof_failed = true;
	return !box->listing->has_uidl || load_olds(box, err);
}

/* ---- which ---- */

static bool
is_all_new(const struct sled_listing *listing)
{
	for (size_t i = 0; i < listing->len; i++) {
		const struct sled_item *it = &listing->items[i];

		if (it->row != 0 || (it->verdict != SLED_ITEM_NEW &&
		                     it->verdict != SLED_ITEM_ABSENT))
			return false;
	}
	return true;
}

/* Do all sizes stand in the old order? Then each such item has its row. */
static bool
is_old_order(struct sled_box *box, size_t *len, bool *same,
             struct sled_err *err)
{
	*same = false;
	if (!is_all_new(box->listing))
		return true;
	if (!sled_stays_load(box, err) || !compare_sizes(box, len, same, err))
		return false;
	for (size_t i = 0; !*same && i < *len; i++)
		box->listing->items[i].row = 0;
	return true;
}

static bool
has_new(const struct sled_listing *listing)
{
	for (size_t i = 0; i < listing->len; i++)
		if (listing->items[i].verdict == SLED_ITEM_NEW)
			return true;
	return false;
}

bool
sled_box_renumbered(struct sled_box *box, struct sled_err *err)
{
	size_t len = 0;
	bool same;

	if (!has_new(box->listing))
		return true;
	if (!is_old_order(box, &len, &same, err))
		return false;
	if (!same)
		return prove_each(box, err);
	plan_samples(box, len);
	return true;
}
