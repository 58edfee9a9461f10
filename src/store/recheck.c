/*
 * recheck.c - may mail of an earlier visit be deleted now? Its places are
 * counted again: what the ledger says was true when it was written.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct due {
	int64_t member;
	size_t item;
};

static int
by_member(const void *a, const void *b)
{
	int64_t left = ((const struct due *)a)->member;
	int64_t right = ((const struct due *)b)->member;

	return (left > right) - (left < right);
}

static bool
collect(struct sled_box *box, struct due **out, size_t *len,
        struct sled_err *err)
{
	const unsigned skip = SLED_ITEM_SAFE | SLED_ITEM_SHORT;
	struct sled_listing *listing = box->listing;
	struct due *list = calloc(listing->len + 1, sizeof(*list));

	*out = list;
	*len = 0;
	if (list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "recheck");
	for (size_t i = 0; i < listing->len; i++) {
		const struct sled_item *it = &listing->items[i];
		struct sled_row_copy copy = { .found = false };

		if (it->verdict != SLED_ITEM_STORED || it->row == 0 ||
		    (it->flags & skip) != 0)
			continue;
		if (!sled_ledger_by_id(box->store->ledger, it->row,
		                       sled_row_take, &copy, err))
			return false;
		if (copy.found)
			list[(*len)++] = (struct due){ copy.row.member, i };
	}
	qsort(list, *len, sizeof(*list), by_member);
	return true;
}

struct held {
	struct sled_store *store;
	int64_t *verified; /* one a seat; 0: not held */
};

static bool
take_holding(void *ctx, const struct sled_holding *holding,
             struct sled_err *err)
{
	struct held *held = ctx;

	(void)err;
	for (size_t i = 0; i < held->store->len; i++)
		if (strcmp(held->store->seats[i].id, holding->place) == 0)
			held->verified[i] = holding->verified;
	return true;
}

/* Read the member again in this place; the ledger is told either way. */
static bool
read_again(struct sled_store *store, struct sled_seat *seat,
           const struct sled_member_row *row, int64_t now, bool *holds,
           struct sled_err *err)
{
	const struct sled_member_sum sum = { row->length, row->tar_octets,
		                             row->body_sha256 };
	struct sled_volume_row volume;
	struct sled_reading reading;
	struct sled_err why = { 0 };
	char file[SLED_VOLUME_FILE];

	if (!sled_ledger_volume_get(store->ledger, row->volume, &volume, err))
		return false;
	sled_volume_file(file, volume.name, true);
	*holds = sled_reading_open(&reading, &seat->place, volume.label, file,
	                           true, &why);
	if (*holds) {
		*holds =
		    sled_member_compare(&reading.source, row->at, &sum, &why);
		sled_reading_close(&reading);
	}
	if (*holds)
		return sled_ledger_hold(store->ledger, row->id, seat->id, now,
		                        err);
	sled_store_say(store, "%s", why.text);
	return sled_ledger_unhold(store->ledger, row->id, seat->id, err);
}

static bool
seat_holds(struct sled_store *store, size_t i, int64_t verified,
           const struct sled_member_row *row, int64_t now, bool *holds,
           struct sled_err *err)
{
	struct sled_seat *seat = &store->seats[i];

	*holds = false;
	if (verified == 0)
		return true;
	if (!sled_seat_usable(seat)) {
		*holds = !seat->suspect && !seat->wiped && !seat->present &&
		         now - verified < SLED_ABSENT_S;
		return true;
	}
	if (verified <= now && now - verified < SLED_FRESH_S) {
		*holds = true;
		return true;
	}
	return read_again(store, seat, row, now, holds, err);
}

static bool
count_member(struct sled_store *store, int64_t member, int64_t now, bool *safe,
             struct sled_err *err)
{
	int64_t *verified = calloc(store->len, sizeof(*verified));
	bool *holds = calloc(store->len, sizeof(*holds));
	struct held held = { store, verified };
	struct sled_member_row row;
	bool ok = verified != NULL && holds != NULL;

	if (!ok)
		(void)sled_fail(err, SLED_ERR_NOMEM, "recheck");
	ok = ok &&
	     sled_ledger_holdings(store->ledger, member, take_holding, &held,
	                          err) &&
	     sled_ledger_member_get(store->ledger, member, &row, err);
	for (size_t i = 0; ok && i < store->len; i++)
		ok = seat_holds(store, i, verified[i], &row, now, &holds[i],
		                err);
	*safe = ok && sled_seats_count(store, holds) >= store->conf.min_copies;
	free(verified);
	free(holds);
	return ok;
}

static bool
apply(struct sled_box *box, const struct due *due, bool safe, int64_t now,
      struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[due->item];

	if (!safe) {
		if (it->flags & SLED_ITEM_DUE)
			sled_box_explain(box);
		return true;
	}
	it->flags |= SLED_ITEM_SAFE;
	return sled_ledger_set_safe(box->store->ledger, it->row, now, err);
}

bool
sled_box_recheck(struct sled_box *box, int64_t now, struct sled_err *err)
{
	struct due *list = NULL;
	size_t len = 0;
	bool safe = false;
	bool ok = collect(box, &list, &len, err);

	for (size_t i = 0; ok && i < len; i++) {
		if (i == 0 || list[i].member != list[i - 1].member)
			ok = count_member(box->store, list[i].member, now,
			                  &safe, err);
		ok = ok && apply(box, &list[i], safe, now, err);
	}
	free(list);
	return ok;
}
