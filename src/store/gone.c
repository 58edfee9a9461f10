/*
 * gone.c - what may be deleted on the server [D1], and what is gone from it.
 */
#include <stdio.h>

#include "store/store.h"

/* Ids that are used again prove nothing any more, also not for what was taken
 * for stored earlier in the visit that showed it [S1]. */
static bool
is_believed(const struct sled_box *box, const struct sled_item *it)
{
	return !box->maildrop.reuses_ids ||
	       (it->flags & (SLED_ITEM_TOPPED | SLED_ITEM_RETRIEVED)) != 0;
}

bool
sled_box_may_delete(const struct sled_box *box, size_t item)
{
	const struct sled_item *it = &box->listing->items[item];
	const unsigned needed = SLED_ITEM_SAFE | SLED_ITEM_DUE;

	if (sled_held_may_drop(box, item))
		return true;
	return it->verdict == SLED_ITEM_STORED && it->row != 0 &&
	       (it->flags & needed) == needed &&
	       (it->flags & SLED_ITEM_SHORT) == 0 && is_believed(box, it) &&
	       ((it->flags & SLED_ITEM_NOID) == 0 ||
	        (it->flags & SLED_ITEM_RETRIEVED) != 0);
}

bool
sled_box_all_safe(const struct sled_box *box)
{
	const unsigned seen = SLED_ITEM_RETRIEVED | SLED_ITEM_TOPPED;
	const unsigned mask = SLED_ITEM_SAFE | SLED_ITEM_SHORT;

	for (size_t i = 0; box->listing != NULL && i < box->listing->len; i++)
		if ((box->listing->items[i].flags & seen) != 0 &&
		    (box->listing->items[i].flags & mask) != SLED_ITEM_SAFE &&
		    !sled_held_may_drop(box, i))
			return false;
	return true;
}

bool
sled_box_dele_sent(struct sled_box *box, int64_t now, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;

	if (!sled_held_dele_sent(box, err) || !sled_ledger_begin(ledger, err))
		return false;
	for (size_t i = 0; i < box->listing->len; i++)
		if (sled_box_may_delete(box, i) &&
		    !sled_held_may_drop(box, i) &&
		    !sled_ledger_set_dele(ledger, box->listing->items[i].row,
		                          now, err)) {
			sled_ledger_drop(ledger);
			return false;
		}
	return sled_ledger_commit(ledger, err);
}

static bool
journal_gone(struct sled_box *box, int64_t row, int64_t now,
             struct sled_err *err)
{
	struct sled_row_copy copy = { .found = false };
	char number[24], hex[SLED_HASH_HEX];
	const char *fields[] = { copy.row.label, number, hex,
		                 box->whose.owner.server,
		                 box->whose.owner.user };

	if (!sled_ledger_by_id(box->store->ledger, row, sled_row_take, &copy,
	                       err))
		return false;
	if (!copy.found)
		return true;
	(void)snprintf(number, sizeof(number), "%llu",
	               (unsigned long long)copy.row.number);
	sled_hash_hex(hex, &copy.row.sha256);
	return sled_box_line(box, now, "gone", fields, 5, err);
}

bool
sled_box_is_gone(struct sled_box *box, int64_t row, int64_t now,
                 struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;

	return sled_ledger_set_on_server(ledger, row, false, err) &&
	       sled_ledger_set_gone(ledger, row, now, err) &&
	       journal_gone(box, row, now, err);
}

static bool
is_deleted(struct sled_box *box, size_t item, int64_t now, struct sled_err *err)
{
	if (sled_held_may_drop(box, item))
		return sled_held_gone(box, item, now, err);
	return sled_box_is_gone(box, box->listing->items[item].row, now, err);
}

bool
sled_box_gone(struct sled_box *box, int64_t now, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;

	if (!sled_ledger_begin(ledger, err))
		return false;
	for (size_t i = 0; i < box->listing->len; i++) {
		const struct sled_item *it = &box->listing->items[i];

		if ((it->flags & SLED_ITEM_DELE) != 0 &&
		    !is_deleted(box, i, now, err)) {
			sled_ledger_drop(ledger);
			return false;
		}
	}
	return sled_ledger_commit(ledger, err);
}
