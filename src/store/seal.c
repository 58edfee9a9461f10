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
	if (!ok && err->kind == SLED_ERR_MISSING) /* the volume is not */
		err->kind = SLED_ERR_DAMAGED;
	return ok || err->kind != SLED_ERR_DAMAGED ||
	       sled_hint(err, "mailsled repair");
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

/* What a copy that was there is not sealed for: what it has is not what was
 * stored, or its disk fails. Any other place that got lost waits for a sync. */
static bool
is_sealed_there(struct sled_store *store, struct sled_seat *seat,
                const struct sled_volume_row *volume, struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	struct sled_err why = { 0 };
	size_t lacking = 0;
	bool pruned = false;

	if (sled_place_is_out(&seat->place, &why) &&
	    (why.kind == SLED_ERR_DAMAGED || why.kind == SLED_ERR_IO)) {
		*err = why;
		return false;
	}
	if (!sled_seat_usable(seat))
		return true;
	if (!sled_ledger_pruned(store->ledger, volume->id, seat->id, &pruned,
	                        err) ||
	    !sled_volume_lacking(store, volume->id, seat->id, &rows, &lacking,
	                         err))
		return false;
	free(rows);
	return pruned || lacking == 0 ||
	       sled_fail(err, SLED_ERR_DAMAGED,
	                 "%s has other bytes than were "
	                 "stored; it is not sealed",
	                 seat->place.path);
}

/* Of a copy with other bytes the ledger says which messages are hit: the next
 * run makes it anew where that loses nothing, else `repair` does. */
static bool
seal_copy(struct sled_store *store, struct sled_seat *seat,
          const struct sled_volume_row *volume, struct sled_scrubbed *read,
          struct sled_err *err)
{
	struct sled_err second = { 0 };
	uint64_t octets = 0;

	if (!sled_seat_usable(seat))
		return true;
	if (!sled_copies_reconcile(store, seat, volume, &octets, err))
		return false;
	if (is_sealed_there(store, seat, volume, err))
		return true;
	if (err->kind == SLED_ERR_DAMAGED &&
	    !sled_scrub_volume(store, seat, volume, read, &second))
		sled_store_say(store, "%s", second.text);
	return sled_hint(err, "mailsled repair");
}

/* *SEALED counts the first place's: those of the copies are not all. */
static bool
seal_one(struct sled_store *store, struct sled_volume_row *volume,
         uint64_t *sealed, struct sled_scrubbed *read, struct sled_err *err)
{
	bool first = seal_first(store, volume, err), ok = first;

	*sealed += first;
	for (size_t i = 1; first && i < store->len; i++) {
		struct sled_err why = { 0 };

		if (seal_copy(store, &store->seats[i], volume, read, &why))
			continue;
		if (ok)
			*err = why;
		ok = false;
	}
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
sled_seal(struct sled_store *store, const char *label, bool now,
          uint64_t *sealed, struct sled_scrubbed *read, struct sled_err *err)
{
	struct chosen chosen = { store, NULL, 0 };
	struct sled_err first = { 0 };
	bool ok =
	    turn_all(store, label, now, err) &&
	    sled_ledger_volumes(store->ledger, label, choose, &chosen, err);

	*sealed = 0;
	for (size_t i = 0; ok && i < chosen.len; i++) {
		struct sled_err why = { 0 };

		if (seal_one(store, &chosen.rows[i], sealed, read, &why))
			continue;
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

bool
sled_store_seal(struct sled_store *store, const char *label, bool now,
                uint64_t *sealed, struct sled_err *err)
{
	struct sled_scrubbed read = { 0 };

	return sled_seal(store, label, now, sealed, &read, err);
}
