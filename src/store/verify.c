/*
 * verify.c - what every present place holds, against the ledger; and sync,
 * which brings the copies up to the first place.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/parity.h"

struct verify {
	struct sled_store *store;
	struct sled_seat *seat;
	const struct sled_seat *doubted; /* the last that was noted */
	bool deep;
	sled_verify_fn *each;
	void *ctx;
	struct sled_verify_report *report;
	uint64_t done, total;
	char before[25];  /* label of the volume before this one; "" */
	uint64_t counted; /* messages of this volume's receipts */
	bool sound;       /* no fault in this volume yet */
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
	if (fault != NULL) {
		v->report->damaged++;
		v->sound = false;
	}
	if (v->each != NULL)
		v->each(v->ctx, v->seat->place.path, name, at, fault, v->done,
		        v->total);
}

/* Each receipt has its row. */
static bool
check_receipt(void *ctx, const struct sled_receipt *receipt,
              struct sled_err *err)
{
	struct verify *v = ctx;
	bool known = false;

	if ((receipt->flags & SLED_RECEIPT_GONE) != 0)
		return true;
	if (!sled_ledger_record_known(v->store->ledger, receipt->record, &known,
	                              err))
		return false;
	return known ||
	       sled_fail(err, SLED_ERR_DAMAGED,
	                 "message %llu is not in the ledger: `mailsled "
	                 "rebuild`",
	                 (unsigned long long)receipt->number);
}

/* Each volume names the one before it, and the hash that it has. Where another
 * history came in between, that is not the one before it in order. */
static bool
check_chain(void *ctx, const struct sled_volume_info *info,
            struct sled_err *err)
{
	const struct verify *v = ctx;
	struct sled_volume_row before = { 0 };
	bool found = false;

	if (strcmp(info->label, v->before) != 0 || info->before[0] == '\0')
		return true;
	if (!sled_ledger_volume_named(v->store->ledger, info->label,
	                              info->before, &before, &found, err))
		return false;
	if (!found)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "names %s as the volume before it, which the "
		                 "ledger does not know: `mailsled rebuild`",
		                 info->before);
	return !before.turned || before.end == 0 || before.revision > 0 ||
	       sled_hash_equal(&info->before_sha256, &before.sha256) ||
	       sled_fail(err, SLED_ERR_DAMAGED,
	                 "names %s as the volume before it, with other bytes "
	                 "than it has: `mailsled repair`",
	                 info->before);
}

static bool
count_message(void *ctx, const struct sled_receipt *receipt,
              struct sled_err *err)
{
	struct verify *v = ctx;

	(void)err;
	v->counted++;
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
		v, check_chain, check_receipt, NULL, NULL, count_message
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

/* Without any it is whole all the same. */
static bool
verify_parity(struct verify *v, const struct sled_volume_row *volume,
              struct sled_err *err)
{
	char fault[256];

	if (!sled_parity_check(v->seat, volume, v->deep, fault, err))
		return false;
	if (fault[0] != '\0')
		tell(v, volume, volume->end, fault);
	return true;
}

/* What only a sealed volume has: tar's end, its sidecar, and parity. */
static bool
verify_seal(struct verify *v, const struct sled_volume_row *volume,
            struct sled_err *err)
{
	struct sled_place *place = &v->seat->place;
	struct sled_volume_found found;
	enum sled_sidecar sidecar;
	bool ends = false;

	if (!sled_seat_volume(v->seat, volume, &found, err) ||
	    !sled_place_ends(place, volume->label, &found, volume->end, &ends,
	                     err) ||
	    !sled_place_sidecar(place, volume->label, found.file,
	                        &volume->sha256, &sidecar, err))
		return false;
	if (!ends)
		tell(v, volume, volume->end, "its end has other bytes");
	if (sidecar == SLED_SIDECAR_NONE)
		tell(v, volume, volume->end, "it has no .sha256 beside it");
	if (sidecar == SLED_SIDECAR_OTHER)
		tell(v, volume, volume->end,
		     "the .sha256 beside it names other bytes");
	return verify_parity(v, volume, err);
}

static bool
count_row(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	(void)message;
	(void)err;
	++*(uint64_t *)ctx;
	return true;
}

/* Each row has its receipt; who writes meanwhile adds rows. */
static bool
verify_rows(struct verify *v, const struct sled_volume_row *volume,
            struct sled_err *err)
{
	const struct sled_message_query query = { .volume = volume->id };
	uint64_t rows = 0;

	if (!v->sound || sled_lock_is_held(v->store))
		return true;
	if (!sled_ledger_messages(v->store->ledger, &query, count_row, &rows,
	                          err))
		return false;
	if (rows != v->counted)
		tell(v, volume, volume->end,
		     "the ledger has other messages than its receipts: "
		     "`mailsled rebuild`");
	return true;
}

static bool
verify_file(struct verify *v, struct sled_reading *reading,
            const struct sled_volume_row *volume, struct sled_err *err)
{
	struct sled_err why = { 0 };

	v->counted = 0;
	v->sound = true;
	if (!has_its_size(v, reading, volume)) {
		(void)sled_fail(&why, SLED_ERR_DAMAGED,
		                "%llu bytes, expected %llu",
		                (unsigned long long)reading->source.size,
		                (unsigned long long)volume->end);
		tell(v, volume, reading->source.size, why.text);
	} else {
		v->report->volumes++;
	}
	if (reading->sealed && v->sound && !verify_seal(v, volume, err))
		return false;
	return !v->deep || (verify_members(v, reading, volume, err) &&
	                    verify_rows(v, volume, err));
}

static bool
verify_volume(void *ctx, const struct sled_volume_row *volume,
              struct sled_err *err)
{
	struct verify *v = ctx;
	struct sled_reading reading;
	struct sled_err why = { 0 };
	bool ok = true, pruned = false;

	if (volume->end == 0) { /* lost whole, and said then */
		memcpy(v->before, volume->label, sizeof(v->before));
		return true;
	}
	if (!sled_ledger_pruned(v->store->ledger, volume->id, v->seat->id,
	                        &pruned, err))
		return false;
	if (pruned) {
		memcpy(v->before, volume->label, sizeof(v->before));
		return true;
	}
	if (!sled_seat_read(&reading, v->seat, volume, true, &why)) {
		tell(v, volume, 0, why.text);
		return true;
	}
	ok = verify_file(v, &reading, volume, err);
	sled_reading_close(&reading);
	memcpy(v->before, volume->label, sizeof(v->before));
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
		v.before[0] = '\0';
		if (v.seat->far)
			continue;
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
		                "%s belongs to another store (%.12s, this one "
		                "is %.12s); nothing was changed",
		                seat->place.path, seat->place.store, store->id);
		return sled_hint(
		    err, "name another folder in `copies =`; or, to go back to "
			 "that store and lose nothing of this one: `mailsled "
			 "export --format eml --to DIR`, move this store's "
			 "folders away, `mailsled rebuild`, `mailsled import "
			 "DIR/ACCOUNT --account ACCOUNT`");
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
		if (!seat->far && !seat->present && (named || wiped) &&
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

/* Of what is there a sealed file with other bytes is for `repair` alone. */
static bool
is_whole(struct sled_store *store, size_t index, struct sled_err *err)
{
	struct sled_place_status place = { 0 };

	if (!sled_store_place(store, index, &place, err))
		return false;
	if (place.lacks == 0)
		return true;
	if (store->seats[index].waits) {
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "%s: the places that have what it lacks are "
		                "away",
		                place.path);
		return sled_hint(err, "plug them in, then mailsled sync");
	}
	(void)sled_fail(err, SLED_ERR_DAMAGED,
	                "%s: %llu bytes of it are not what was stored",
	                place.path, (unsigned long long)place.lacks);
	return sled_hint(err, "mailsled repair");
}

bool
sled_store_whole(struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++)
		if (!store->seats[i].far &&
		    sled_seat_usable(&store->seats[i]) &&
		    !is_whole(store, i, err))
			return false;
	return true;
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
		if (!store->seats[i].far && !sled_seat_usable(&store->seats[i]))
			return sled_fail(err, SLED_ERR_PLACE, "%s: %s",
			                 store->seats[i].place.path,
			                 sled_seat_why(&store->seats[i]));
	return sled_store_whole(store, err);
}
