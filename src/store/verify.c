/*
 * verify.c - what every present place holds, against the ledger; and sync,
 * which brings the copies up to the first place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct verify {
	struct sled_store *store;
	struct sled_seat *seat;
	const struct sled_seat *doubted; /* the last that was noted */
	bool deep;
	sled_verify_fn *each;
	void *ctx;
	struct sled_verify_report *report;
	uint64_t done, total;
};

static void
tell(struct verify *v, const struct sled_volume_row *volume, uint64_t at,
     const char *fault)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/%s", volume->label,
	               volume->name);
	if (fault != NULL && v->doubted != v->seat) {
		sled_doubt_note(v->store, v->seat);
		v->doubted = v->seat;
	}
	if (fault != NULL)
		v->report->damaged++;
	if (v->each != NULL)
		v->each(v->ctx, v->seat->place.path, name, at, fault, v->done,
		        v->total);
}

static bool
count_message(void *ctx, const struct sled_receipt *receipt,
              struct sled_err *err)
{
	struct verify *v = ctx;

	(void)err;
	v->report->messages++;
	v->report->octets += receipt->octets;
	return true;
}

/* One member: the bytes are those of the ledger, and inflate to messages
 * whose SHA-256 their receipts name. */
static bool
verify_member(struct verify *v, struct sled_reading *reading,
              const struct sled_member_row *row, struct sled_err *why)
{
	const struct sled_member_visitor visitor = {
		v, NULL, NULL, NULL, NULL, count_message
	};
	struct sled_member_sum sum;
	unsigned seq = 0;

	if (!sled_member_check(&reading->source, row->at, &visitor, &sum, &seq,
	                       why))
		return false;
	if (sum.length != row->length ||
	    !sled_hash_equal(&sum.body_sha256, &row->body_sha256))
		return sled_fail(why, SLED_ERR_DAMAGED,
		                 "other bytes than the ledger's");
	v->report->members++;
	return true;
}

static bool
verify_members(struct verify *v, struct sled_reading *reading,
               const struct sled_volume_row *volume, struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok =
	    sled_volume_extents(v->store, volume->id, 0, &rows, &len, err);

	for (size_t i = 0; ok && i < len; i++) {
		struct sled_err why = { 0 };

		v->done += rows[i].length;
		if (verify_member(v, reading, &rows[i], &why))
			tell(v, volume, rows[i].at, NULL);
		else
			tell(v, volume, rows[i].at, why.text);
	}
	free(rows);
	return ok;
}

/* A commit at work elsewhere writes before the ledger tells of it. */
static bool
has_its_size(const struct verify *v, const struct sled_reading *reading,
             const struct sled_volume_row *volume)
{
	uint64_t end = volume->end + (reading->sealed ? SLED_MEMBER_LAST : 0);

	return reading->source.size == end ||
	       (reading->source.size > end && sled_lock_is_held(v->store));
}

static bool
verify_volume(void *ctx, const struct sled_volume_row *volume,
              struct sled_err *err)
{
	struct verify *v = ctx;
	struct sled_reading reading;
	struct sled_err why = { 0 };
	bool ok = true;

	if (volume->end == 0) /* lost whole, and said then */
		return true;
	if (!sled_seat_read(&reading, v->seat, volume, true, &why)) {
		tell(v, volume, 0, why.text);
		return true;
	}
	if (!has_its_size(v, &reading, volume)) {
		(void)sled_fail(&why, SLED_ERR_DAMAGED,
		                "%llu bytes, expected %llu",
		                (unsigned long long)reading.source.size,
		                (unsigned long long)volume->end);
		tell(v, volume, reading.source.size, why.text);
	} else {
		v->report->volumes++;
	}
	if (v->deep)
		ok = verify_members(v, &reading, volume, err);
	sled_reading_close(&reading);
	return ok;
}

static bool
add_end(void *ctx, const struct sled_volume_row *volume, struct sled_err *err)
{
	(void)err;
	*(uint64_t *)ctx += volume->end;
	return true;
}

bool
sled_store_verify(struct sled_store *store, bool deep, sled_verify_fn *each,
                  void *ctx, struct sled_verify_report *out,
                  struct sled_err *err)
{
	struct verify v = { .store = store,
		            .deep = deep,
		            .each = each,
		            .ctx = ctx,
		            .report = out };
	uint64_t one = 0, present = 0;

	*out = (struct sled_verify_report){ 0 };
	if (!sled_ledger_volumes(store->ledger, NULL, add_end, &one, err))
		return false;
	for (size_t i = 0; i < store->len; i++)
		present += store->seats[i].present;
	v.total = one * present;
	for (size_t i = 0; i < store->len; i++) {
		v.seat = &store->seats[i];
		if (!v.seat->present) {
			out->absent++;
			continue;
		}
		if (!sled_ledger_volumes(store->ledger, NULL, verify_volume, &v,
		                         err))
			return false;
	}
	return true;
}

/* ---- sync ---- */

/* A place that the user, or its own file system, vouches for. */
static bool
mark_anew(struct sled_store *store, struct sled_seat *seat,
          struct sled_err *err)
{
	if (seat->place.found == SLED_PLACE_MARKED &&
	    strcmp(seat->place.store, store->id) != 0) {
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "%s belongs to another store",
		                seat->place.path);
		return sled_hint(err, "name another folder in `copies =`");
	}
	if (!sled_place_mark(&seat->place, store->id, err))
		return false;
	memcpy(seat->id, seat->place.id, sizeof(seat->id));
	seat->present = true;
	seat->wiped = false;
	seat->suspect = false;
	seat->why[0] = '\0';
	return true;
}

static bool
adopt_seats(struct sled_store *store, const char *adopt, struct sled_err *err)
{
	bool met = adopt == NULL;

	for (size_t i = 0; i < store->len; i++) {
		struct sled_seat *seat = &store->seats[i];
		bool named =
		    adopt != NULL && strcmp(adopt, seat->place.path) == 0;

		bool wiped =
		    seat->wiped && seat->place.found != SLED_PLACE_MARKED;

		met = met || named;
		if (!seat->present && (named || wiped) &&
		    !mark_anew(store, seat, err))
			return false;
	}
	if (met)
		return sled_seats_remember(store, err);
	(void)sled_fail(err, SLED_ERR_USAGE, "%s is no place of this store",
	                adopt);
	return sled_hint(err, "name it in `copies =` of [store] first");
}

/* Nothing of their file systems waits in memory: they may be unplugged. */
static void
flush_copies(struct sled_store *store)
{
	for (size_t i = 1; i < store->len; i++) {
		struct sled_place *place = &store->seats[i].place;
		struct sled_err why = { 0 };

		if (!sled_seat_usable(&store->seats[i]) ||
		    store->sys->syncfs(store->sys->ctx, place->dir) == 0)
			continue;
		(void)sled_fail_sys(&why, errno, "%s: syncfs", place->path);
		sled_seat_out(&store->seats[i], &why);
	}
}

bool
sled_store_sync(struct sled_store *store, const char *adopt, uint64_t *octets,
                struct sled_err *err)
{
	*octets = 0;
	if (!adopt_seats(store, adopt, err) ||
	    !sled_journal_merge(store, err) ||
	    !sled_recover_copies(store, octets, err))
		return false;
	flush_copies(store);
	for (size_t i = 0; i < store->len; i++)
		if (!sled_seat_usable(&store->seats[i]))
			return sled_fail(err, SLED_ERR_PLACE, "%s: %s",
			                 store->seats[i].place.path,
			                 store->seats[i].why);
	return true;
}
