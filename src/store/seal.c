/*
 * seal.c - volumes that have turned are sealed, the first place's before those
 * of the copies. What a kill leaves is gone on from: places/volume.c has the
 * states of a file, and the ledger says "sealed" after the first place's is.
 * Every message is read and proved before: a seal is for good.
 */
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/parity.h"

static bool
prove_member(struct sled_reading *reading, const struct sled_member_row *row,
             struct sled_err *err)
{
	struct sled_member_sum sum;
	unsigned seq = 0;

	if (!sled_member_check(&reading->source, row->at, NULL, &sum, &seq,
	                       err))
		return false;
	return (sum.length == row->length &&
	        sled_hash_equal(&sum.body_sha256, &row->body_sha256)) ||
	       sled_fail(err, SLED_ERR_DAMAGED,
	                 "%s: other bytes at %llu than were stored",
	                 reading->name, (unsigned long long)row->at);
}

/* Every message of the volume, as the first place's disk has it. */
static bool
prove(struct sled_store *store, const struct sled_volume_row *volume,
      struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	struct sled_reading reading;
	size_t len = 0;
	bool ok;

	if (!sled_volume_extents(store, volume->id, 0, &rows, &len, err))
		return false;
	ok = sled_seat_read(&reading, &store->seats[0], volume, true, err);
	if (ok) {
		for (size_t i = 0; ok && i < len; i++)
			ok = prove_member(&reading, &rows[i], err);
		sled_reading_close(&reading);
	}
	free(rows);
	return ok;
}

static bool
seal_first(struct sled_store *store, struct sled_volume_row *volume,
           struct sled_err *err)
{
	if (!prove(store, volume, err) ||
	    !sled_seat_seal(&store->seats[0], volume, err))
		return false;
	sled_beside_copy(store, &store->seats[0], volume);
	volume->sealed = true;
	return sled_ledger_volume_put(store->ledger, volume, err);
}

static bool
seal_one(struct sled_store *store, struct sled_volume_row *volume,
         struct sled_err *err)
{
	uint64_t octets = 0;
	bool ok = seal_first(store, volume, err);

	for (size_t i = 1; ok && i < store->len; i++)
		ok = sled_copies_reconcile(store, &store->seats[i], volume,
		                           &octets, err);
	return ok || sled_note(err, "seal %s/%s", volume->label, volume->name);
}

/* ---- which ---- */

struct chosen {
	struct sled_store *store;
	struct sled_volume_row *rows;
	size_t len;
};

static bool
choose(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct chosen *chosen = ctx;
	struct sled_volume_row *rows;
	bool pruned = false;

	if (!row->turned || row->sealed || row->end == 0)
		return true;
	if (!sled_ledger_pruned(chosen->store->ledger, row->id,
	                        chosen->store->seats[0].id, &pruned, err))
		return false;
	if (pruned)
		return true;
	rows = realloc(chosen->rows, (chosen->len + 1) * sizeof(*rows));
	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	chosen->rows = rows;
	rows[chosen->len++] = *row;
	return true;
}

struct labels {
	struct sled_buf list; /* a NUL behind each */
};

static bool
add_label(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct labels *labels = ctx;
	const struct sled_buf *list = &labels->list;
	size_t at = 0;

	while (at < list->len && strcmp(list->data + at, row->label) != 0)
		at += strlen(list->data + at) + 1;
	return at < list->len || sled_buf_add(&labels->list, row->label,
	                                      strlen(row->label) + 1, err);
}

static bool
turn(struct sled_store *store, const char *label, bool now,
     struct sled_err *err)
{
	struct sled_volume_row row;
	bool found = false;

	if (!now)
		return sled_volume_turn_if_due(store, label, sled_clock_now(),
		                               err);
	if (!sled_ledger_volume_last(store->ledger, label, &row, &found, err))
		return false;
	return !found || row.turned || row.end == 0 ||
	       sled_volume_turn(store, &row, err);
}

static bool
turn_all(struct sled_store *store, const char *label, bool now,
         struct sled_err *err)
{
	struct labels labels = { { 0 } };
	bool ok =
	    sled_ledger_volumes(store->ledger, label, add_label, &labels, err);

	for (size_t at = 0; ok && at < labels.list.len;
	     at += strlen(labels.list.data + at) + 1)
		ok = turn(store, labels.list.data + at, now, err);
	sled_buf_free(&labels.list);
	return ok;
}

bool
sled_store_seal(struct sled_store *store, const char *label, bool now,
                uint64_t *sealed, struct sled_err *err)
{
	struct chosen chosen = { store, NULL, 0 };
	struct sled_err first = { 0 };
	bool ok =
	    turn_all(store, label, now, err) &&
	    sled_ledger_volumes(store->ledger, label, choose, &chosen, err);

	*sealed = 0;
	for (size_t i = 0; ok && i < chosen.len; i++) {
		struct sled_err why = { 0 };

		if (seal_one(store, &chosen.rows[i], &why)) {
			++*sealed;
			continue;
		}
		if (first.kind == SLED_ERR_NONE)
			first = why;
		else
			sled_store_say(store, "%s", why.text);
	}
	free(chosen.rows);
	if (ok && first.kind != SLED_ERR_NONE)
		*err = first;
	return ok && first.kind == SLED_ERR_NONE;
}
