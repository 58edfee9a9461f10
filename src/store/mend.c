/*
 * mend.c - one volume of the first place, brought to what the ledger says, or
 * the ledger to what is there (rule 2 of the recovery). Of a seal that was cut
 * off only the end is taken back: the next seal begins there. A sealed file is
 * never written here.
 *
 * States of the file (E: the ledger's committed end)
 *   V0  E bytes                   nothing to do
 *   V1  more, whole members       a commit that was cut off behind c3: adopted
 *   V2  more, and no whole member cut off before c3: kept aside and cut
 *   V3  fewer                     taken from a copy; else rows are dropped
 *   V2' more, and whole members behind damage: remake.c keeps them
 *   V4  E bytes, and a copy has more that goes on from there: taken over
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/parity.h"
#include "store/repair.h"

#define NAMED 100 /* lost messages that are told one by one */

static bool
append_member(struct sled_store *store, struct sled_reading *from,
              const struct sled_volume_row *volume, uint64_t at,
              uint64_t length, struct sled_err *err)
{
	struct sled_append append;
	char file[SLED_VOLUME_FILE];

	sled_volume_file(file, volume->name, true);
	if (!sled_append_begin(&append, sled_store_first(store), volume->label,
	                       file, at, err))
		return false;
	if (sled_append_from(&append, from, at, length, err) &&
	    sled_append_commit(&append, err))
		return true;
	sled_append_abort(&append);
	return false;
}

/* The members that the ledger has of a volume. */
struct extents {
	struct sled_store *store;
	const struct sled_volume_row *volume;
	struct sled_member_row *rows;
	size_t len;
};

static bool
load_extents(struct extents *out, struct sled_store *store,
             const struct sled_volume_row *volume, struct sled_err *err)
{
	*out = (struct extents){ .store = store, .volume = volume };
	return volume->id == 0 ||
	       sled_volume_extents(store, volume->id, 0, &out->rows, &out->len,
	                           err);
}

static bool
compare_row(struct sled_reading *reading, const struct sled_member_row *row,
            struct sled_err *err)
{
	const struct sled_member_sum sum = { row->length, row->tar_octets,
		                             row->body_sha256 };

	return sled_member_compare(&reading->source, row->at, &sum, err);
}

static const struct sled_member_row *
row_at(const struct extents *extents, uint64_t at)
{
	for (size_t i = 0; i < extents->len; i++)
		if (extents->rows[i].at == at)
			return &extents->rows[i];
	return NULL;
}

static const struct sled_member_row *
row_before(const struct extents *extents, uint64_t end)
{
	for (size_t i = 0; i < extents->len; i++)
		if (extents->rows[i].at + extents->rows[i].length == end)
			return &extents->rows[i];
	return NULL;
}

/* The number of the receipts of the member at AT, when it is proved by itself;
 * 0 is a seal's end. */
static bool
find_seq(struct sled_reading *reading, uint64_t at, unsigned *seq,
         uint64_t *length)
{
	struct sled_member_sum sum;
	struct sled_err why = { 0 };

	if (!sled_member_check(&reading->source, at, NULL, &sum, seq, &why))
		return false;
	*length = sum.length;
	return true;
}

/* Is what this copy has before SIZE what we have there? *SEQ is the number of
 * its last receipts. */
static bool
goes_on(struct sled_reading *reading, const struct extents *extents,
        uint64_t size, unsigned *seq)
{
	const struct sled_member_row *row = row_before(extents, size);
	struct sled_err why = { 0 };
	uint64_t length = 0;

	*seq = 0;
	if (row == NULL)
		return size == 0;
	return compare_row(reading, row, &why) &&
	       find_seq(reading, row->at, seq, &length);
}

struct twins {
	struct sled_store *store;
	const char *label;
	bool found;
};

static bool
see_twin(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
         struct sled_err *err)
{
	struct twins *twins = ctx;

	(void)tar_at;
	return twins->found || sled_is_twin(twins->store, twins->label, receipt,
	                                    &twins->found, err);
}

/* Is mail of this member here by another record? Then it is of another way. */
static bool
has_twin(struct sled_reading *reading, const struct extents *extents,
         uint64_t at)
{
	struct twins twins = { extents->store, extents->volume->label, false };
	const struct sled_member_visitor visitor = { .ctx = &twins,
		                                     .begin = see_twin };
	struct sled_member_sum sum;
	struct sled_err why = { 0 };
	unsigned seq = 0;

	return !sled_member_check(&reading->source, at, &visitor, &sum, &seq,
	                          &why) ||
	       twins.found;
}

/* Does the member at AT hold: is it the ledger's, or proved by itself? And is
 * it the next: what has the number of one before it was stored already, and
 * nothing may follow the end member. */
static bool
find_member(struct sled_reading *reading, const struct extents *extents,
            uint64_t at, unsigned *last, uint64_t *length)
{
	const struct sled_member_row *row = row_at(extents, at);
	struct sled_err why = { 0 };
	unsigned seq = 0;

	if ((row != NULL && !compare_row(reading, row, &why)) ||
	    !find_seq(reading, at, &seq, length) || seq <= *last ||
	    (row == NULL && has_twin(reading, extents, at)))
		return false;
	*last = seq;
	return true;
}

/* Append to the first place each member of READING from SIZE to LIMIT that
 * holds. */
static bool
pull_members(struct sled_reading *reading, const struct extents *extents,
             uint64_t limit, uint64_t *size, struct sled_err *err)
{
	unsigned last = 0;
	uint64_t length = 0;

	if (!goes_on(reading, extents, *size, &last))
		return true;
	while (*size < limit && *size < reading->source.size &&
	       find_member(reading, extents, *size, &last, &length)) {
		if (!append_member(extents->store, reading, extents->volume,
		                   *size, length, err))
			return false;
		*size += length;
	}
	return true;
}

/* Where the last member that ends within SIZE ends. */
static uint64_t
last_boundary(const struct extents *extents, uint64_t size)
{
	uint64_t boundary = 0;

	for (size_t i = 0; i < extents->len; i++) {
		uint64_t end = extents->rows[i].at + extents->rows[i].length;

		if (end <= size && end > boundary)
			boundary = end;
	}
	return boundary;
}

/* Is what lies before AT not what the ledger has there, or may a whole member begin
 * at AT in the midst of one of the ledger's? Then the file went another way, and
 * whole members of it may begin before AT and end behind. Behind the committed
 * end those that follow were adopted. */
static bool
differs_at(struct sled_reading *reading, const struct extents *extents,
           uint64_t at, uint64_t end)
{
	const struct sled_member_row *row = row_before(extents, at);
	struct sled_err why = { 0 };
	uint64_t length = 0;
	bool torn = true;
	unsigned seq = 0;

	if (row != NULL && !compare_row(reading, row, &why))
		return why.kind == SLED_ERR_DAMAGED;
	if (at >= end)
		return find_seq(reading, at, &seq, &length) && seq > 0;
	return sled_member_torn(&reading->source, at, &torn, &why) && !torn;
}

static bool
is_another(struct sled_store *store, const struct sled_volume_row *volume,
           uint64_t at, bool *another, struct sled_err *err)
{
	struct sled_reading reading;
	struct sled_err why = { 0 };
	struct extents extents;

	*another = false;
	if (!load_extents(&extents, store, volume, err))
		return false;
	if (sled_seat_read(&reading, &store->seats[0], volume, false, &why)) {
		*another = differs_at(&reading, &extents, at, volume->end);
		sled_reading_close(&reading);
	}
	free(extents.rows);
	return true;
}

/* Before anything of FILE is cut or remade behind AT. */
static bool
save_another(struct sled_store *store, const struct sled_volume_row *volume,
             const char *file, uint64_t at, struct sled_err *err)
{
	bool another = false;

	return is_another(store, volume, at, &another, err) &&
	       (!another || sled_salvage_readable(store, &store->seats[0],
	                                          volume, file, err));
}

static bool
cut_first(struct sled_store *store, const struct sled_volume_row *volume,
          uint64_t at, struct sled_err *err)
{
	struct sled_place *first = sled_store_first(store);
	char file[SLED_VOLUME_FILE];

	sled_volume_file(file, volume->name, true);
	sled_store_say(store,
	               "%s/%s: what lies behind byte %llu is no whole "
	               "member; it is kept in quarantine",
	               volume->label, file, (unsigned long long)at);
	if (sled_place_quarantine_tail(first, volume->label, file, at, err))
		return true;
	if (err->kind != SLED_ERR_PLACE || first->out)
		return false;
	/* No room to keep it; its messages are in the spool or on the server */
	*err = (struct sled_err){ 0 };
	sled_append_undo(first, volume->label, file, at);
	return !sled_place_is_out(first, err);
}

/* Take from the copies what the first place lacks of this volume. */
static bool
pull(struct sled_store *store, const struct sled_volume_row *volume,
     const struct extents *extents, uint64_t *size, struct sled_err *err)
{
	for (size_t i = 1; i < store->len; i++) {
		struct sled_seat *seat = &store->seats[i];
		struct sled_volume_found found;
		struct sled_reading reading;
		struct sled_err why = { 0 };
		bool ok;

		if (!sled_seat_usable(seat) ||
		    !sled_seat_volume(seat, volume, &found, &why) ||
		    found.size <= *size ||
		    !sled_seat_read(&reading, seat, volume, false, &why))
			continue;
		ok = pull_members(&reading, extents, UINT64_MAX, size, err);
		sled_reading_close(&reading);
		if (!ok)
			return false;
	}
	return true;
}

/* What was set aside may be all that is left of what the ledger has; of what
 * it does not have, nothing is taken: its mail was salvaged then. */
static bool
pull_old(struct sled_store *store, const struct sled_volume_row *volume,
         const struct extents *extents, uint64_t *size, struct sled_err *err)
{
	struct sled_origins old = { 0 };
	bool ok = *size >= volume->end ||
	          sled_origins_add_old(&old, store, volume, err);

	for (size_t i = 0; ok && i < old.len && *size < volume->end; i++)
		ok = pull_members(&old.list[i]->reading, extents, volume->end,
		                  size, err);
	sled_origins_free(&old);
	return ok;
}

static bool
forget_behind(struct sled_store *store, struct sled_volume_row *volume,
              const struct extents *extents, uint64_t size,
              struct sled_err *err)
{
	volume->end = size;
	for (size_t i = 0; i < extents->len; i++)
		if (extents->rows[i].at >= size &&
		    !sled_ledger_member_forget(store->ledger,
		                               extents->rows[i].id, err))
			return false;
	return sled_ledger_volume_put(store->ledger, volume, err);
}

struct naming {
	struct sled_store *store;
	const struct extents *extents;
	uint64_t size; /* members from here on are lost */
	uint64_t named;
};

static bool
is_lost(const struct naming *n, int64_t member)
{
	for (size_t i = n->extents->len; i > 0; i--)
		if (n->extents->rows[i - 1].id == member)
			return n->extents->rows[i - 1].at >= n->size;
	return false;
}

static bool
name_lost(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct naming *n = ctx;
	char from[80], subject[120], uid[80];

	(void)err;
	if (!is_lost(n, message->member) || n->named++ >= NAMED)
		return true;
	sled_text_clip(from, sizeof(from), message->from);
	sled_text_clip(subject, sizeof(subject), message->subject);
	sled_text_clip(
	    uid, sizeof(uid),
	    (struct sled_span){ message->uid, strlen(message->uid) });
	sled_store_say(n->store, "lost: %s/%llu, unique-id %s, from %s: %s",
	               message->label, (unsigned long long)message->number, uid,
	               from, subject);
	return true;
}

/* While the rows are there: what they told of. */
static bool
name_all_lost(struct sled_store *store, const struct sled_volume_row *volume,
              const struct extents *extents, uint64_t size,
              struct sled_err *err)
{
	const struct sled_message_query query = { .volume = volume->id };
	struct naming n = { store, extents, size, 0 };

	if (!sled_ledger_messages(store->ledger, &query, name_lost, &n, err))
		return false;
	if (n.named > NAMED)
		sled_store_say(store, "lost: %llu messages more",
		               (unsigned long long)(n.named - NAMED));
	return true;
}

/* Rows of members that no place has any more. The volume stays, for its names
 * and numbers were used. */
static bool
drop_rows(struct sled_store *store, struct sled_volume_row *volume,
          const struct extents *extents, uint64_t size, struct sled_err *err)
{
	store->lost += volume->end - size;
	sled_store_say(store,
	               "%s/%s: %llu bytes are lost in every place that can be "
	               "reached; `mailsled sync` when others are back",
	               volume->label, volume->name,
	               (unsigned long long)(volume->end - size));
	if (!name_all_lost(store, volume, extents, size, err) ||
	    !sled_ledger_begin(store->ledger, err))
		return false;
	if (!forget_behind(store, volume, extents, size, err)) {
		sled_ledger_drop(store->ledger);
		return false;
	}
	return sled_ledger_commit(store->ledger, err);
}

/* What is not there counts as held no more. */
static bool
unhold_behind(struct sled_store *store, const struct sled_volume_row *volume,
              uint64_t size, struct sled_err *err)
{
	struct extents extents;
	bool ok = load_extents(&extents, store, volume, err);

	for (size_t i = 0; ok && i < extents.len; i++)
		ok = extents.rows[i].at + extents.rows[i].length <= size ||
		     sled_ledger_unhold(store->ledger, extents.rows[i].id,
		                        store->seats[0].id, err);
	free(extents.rows);
	return ok;
}

/* The first place's file is shorter than the committed end. */
static bool
lengthen(struct sled_store *store, struct sled_volume_row *volume,
         const struct extents *extents, uint64_t *size, struct sled_err *err)
{
	uint64_t boundary = last_boundary(extents, *size);
	char file[SLED_VOLUME_FILE];

	sled_volume_file(file, volume->name, true);
	if (boundary < *size &&
	    (!save_another(store, volume, file, boundary, err) ||
	     !cut_first(store, volume, boundary, err)))
		return false;
	*size = boundary;
	if (!pull(store, volume, extents, size, err) ||
	    !pull_old(store, volume, extents, size, err) ||
	    *size >= volume->end)
		return *size >= volume->end;
	if (!volume->turned)
		return drop_rows(store, volume, extents, *size, err);
	/* No visit needs it, and parity may bring it back. */
	sled_store_say(store,
	               "%s/%s: %llu bytes hold in no place that can be "
	               "reached: `mailsled repair`",
	               volume->label, volume->name,
	               (unsigned long long)(volume->end - *size));
	return unhold_behind(store, volume, *size, err);
}

/* The end of a seal that was cut off is taken back. Where it is whole, and the
 * ledger that told of it was lost, the volume has turned. */
static bool
strip_end(struct sled_store *store, struct sled_volume_row *volume,
          uint64_t *size, struct sled_err *err)
{
	struct sled_place *first = sled_store_first(store);
	struct sled_volume_found found = { .there = true, .size = *size };
	bool whole = *size == volume->end + SLED_MEMBER_LAST;
	bool is_end = false;

	if (*size <= volume->end || volume->id == 0)
		return true;
	sled_volume_file(found.file, volume->name, true);
	if (!sled_place_ends(first, volume->label, &found, volume->end, &is_end,
	                     err))
		return false;
	if (!is_end)
		return true;
	if (whole && !volume->turned && !sled_volume_turn(store, volume, err))
		return false;
	sled_append_undo(first, volume->label, found.file, volume->end);
	*size = volume->end;
	return !sled_place_is_out(first, err);
}

/* It is longer: adopt what holds, also behind damage; keep the rest aside. */
static bool
adopt_tail(struct sled_store *store, struct sled_volume_row *volume,
           uint64_t size, bool old, struct sled_err *err)
{
	char file[SLED_VOLUME_FILE];
	bool remade = false;

	if (size == volume->end)
		return true;
	sled_volume_file(file, volume->name, true);
	if (!sled_adopt(store, volume, size, old, err) ||
	    !strip_end(store, volume, &size, err))
		return false;
	if (size == volume->end)
		return true;
	if (!save_another(store, volume, file, volume->end, err) ||
	    !sled_remake(store, volume, &size, &remade, err))
		return false;
	if (remade && !sled_adopt(store, volume, size, old, err))
		return false;
	return size == volume->end ||
	       cut_first(store, volume, volume->end, err);
}

static bool
hold_rows(struct sled_store *store, struct sled_reading *reading,
          const struct extents *lacking, struct sled_err *err)
{
	int64_t now = sled_clock_now();

	for (size_t i = 0; i < lacking->len; i++) {
		struct sled_err why = { 0 };

		if (!compare_row(reading, &lacking->rows[i], &why))
			sled_store_say(store, "%s: %s", reading->name,
			               why.text);
		else if (!sled_ledger_hold(store->ledger, lacking->rows[i].id,
		                           store->seats[0].id, now, err))
			return false;
	}
	return true;
}

/* A first place that was made anew, or filled from a copy, is not yet known to
 * hold what it has. */
static bool
hold_first(struct sled_store *store, const struct sled_volume_row *volume,
           struct sled_err *err)
{
	struct extents lacking = { 0 };
	struct sled_reading reading;
	bool ok = sled_volume_lacking(store, volume->id, store->seats[0].id,
	                              &lacking.rows, &lacking.len, err);

	if (ok && lacking.len > 0) {
		ok = sled_seat_sync(&store->seats[0], volume, err) &&
		     sled_seat_read(&reading, &store->seats[0], volume, true,
		                    err);
		if (ok) {
			ok = hold_rows(store, &reading, &lacking, err);
			sled_reading_close(&reading);
		}
	}
	free(lacking.rows);
	return ok;
}

/* A file without a byte would fail in tar. */
static bool
remove_empty(struct sled_store *store, const struct sled_volume_row *volume,
             struct sled_err *err)
{
	struct sled_place *first = sled_store_first(store);
	char file[SLED_VOLUME_FILE];

	sled_volume_file(file, volume->name, true);
	sled_append_undo(first, volume->label, file, 0);
	return !sled_place_is_out(first, err);
}

/* *whole is false when it stays shorter than the ledger says. */
static bool
recover_first(struct sled_store *store, struct sled_volume_row *volume,
              const struct sled_volume_found *found, bool *whole,
              struct sled_err *err)
{
	uint64_t size = found->size;
	struct extents extents;
	bool ok = load_extents(&extents, store, volume, err);

	if (ok && found->there && size == 0)
		ok = remove_empty(store, volume, err);
	if (ok && size < volume->end)
		ok = lengthen(store, volume, &extents, &size, err);
	*whole = size >= volume->end;
	ok = ok && (!*whole || adopt_tail(store, volume, size, false, err));
	free(extents.rows);
	return ok;
}

/* Members that only a copy has, behind all that is ours, and behind damage. */
static bool
recover_more(struct sled_store *store, struct sled_volume_row *volume,
             struct sled_err *err)
{
	struct extents extents;
	uint64_t size = volume->end;
	bool remade = false;
	bool ok = load_extents(&extents, store, volume, err) &&
	          pull(store, volume, &extents, &size, err);

	free(extents.rows);
	return ok && adopt_tail(store, volume, size, true, err) &&
	       sled_remake(store, volume, &size, &remade, err) &&
	       (!remade || adopt_tail(store, volume, size, true, err));
}

static bool
mend_open(struct sled_store *store, struct sled_volume_row *volume,
          const struct sled_volume_found *found, bool *whole,
          struct sled_err *err)
{
	if (volume->sealed) { /* the place is an older one, or was wiped */
		volume->sealed = false;
		if (!sled_ledger_volume_put(store->ledger, volume, err))
			return false;
	}
	return recover_first(store, volume, found, whole, err) &&
	       (!*whole || recover_more(store, volume, err));
}

/* Is what the ledger has not what a sealed file of SIZE begins with? Damage is none
 * of this: whole members lie where the ledger has others, or it ends before. */
static bool
is_elsewhere(struct sled_reading *reading, const struct extents *extents,
             const struct sled_volume_row *volume, uint64_t size)
{
	struct sled_err why = { 0 };
	uint64_t length = 0;
	unsigned seq = 0;

	if (size < volume->end)
		return true;
	for (size_t i = extents->len; i > 0; i--) {
		if (compare_row(reading, &extents->rows[i - 1], &why))
			return false;
		if (find_seq(reading, extents->rows[i - 1].at, &seq, &length))
			return true;
	}
	return false;
}

/* The disk was a copy of another way meanwhile. */
static bool
leave_other_way(struct sled_store *store, const struct sled_volume_row *volume,
                const struct sled_volume_found *found, bool *left,
                struct sled_err *err)
{
	struct sled_seat *first = &store->seats[0];
	struct sled_reading reading;
	struct extents extents;

	*left = false;
	if (volume->end == 0 || !load_extents(&extents, store, volume, err))
		return volume->end == 0;
	if (!sled_seat_read(&reading, first, volume, false, err)) {
		free(extents.rows);
		return false;
	}
	*left = is_elsewhere(&reading, &extents, volume, found->size);
	sled_reading_close(&reading);
	free(extents.rows);
	if (!*left)
		return true;
	sled_store_say(store,
	               "%s/%s/%s is not what the ledger has of it: it is kept "
	               "in quarantine",
	               store->conf.path, volume->label, found->file);
	return sled_salvage_readable(store, first, volume, found->file, err) &&
	       sled_place_quarantine(&first->place, volume->label, found->file,
	                             err);
}

/* The ledger does not know of its seal: it was lost, or its commit was. */
static bool
adopt_sealed(struct sled_store *store, struct sled_volume_row *volume,
             const struct sled_volume_found *found, bool *whole,
             struct sled_err *err)
{
	bool remade = false, left = false;
	uint64_t size = found->size;

	if (!leave_other_way(store, volume, found, &left, err))
		return false;
	if (left)
		return mend_open(store, volume,
		                 &(const struct sled_volume_found){ 0 }, whole,
		                 err);
	if (!sled_adopt(store, volume, size, false, err))
		return false;
	if (volume->end + SLED_MEMBER_LAST == size) {
		if (!volume->turned && !sled_volume_turn(store, volume, err))
			return false;
		volume->sealed = true;
		return sled_ledger_volume_put(store->ledger, volume, err);
	}
	return save_another(store, volume, found->file, volume->end, err) &&
	       sled_remake(store, volume, &size, &remade, err) &&
	       (!remade || mend_open(store, volume,
	                             &(const struct sled_volume_found){
					 .there = true, .size = size },
	                             whole, err));
}

static bool
mend_sealed(struct sled_store *store, struct sled_volume_row *volume,
            const struct sled_volume_found *found, bool *whole,
            struct sled_err *err)
{
	if (!volume->sealed && !adopt_sealed(store, volume, found, whole, err))
		return false;
	if (!volume->sealed)
		return true;
	if (volume->end + SLED_MEMBER_LAST == found->size) {
		if (!sled_seat_seal(&store->seats[0], volume, err))
			return false;
		sled_beside_copy(store, &store->seats[0], volume);
		return true;
	}
	sled_store_say(store,
	               "%s/%s/%s has %llu bytes, expected %llu: "
	               "`mailsled repair`",
	               store->conf.path, volume->label, found->file,
	               (unsigned long long)found->size,
	               (unsigned long long)volume->end + SLED_MEMBER_LAST);
	*whole = false;
	return unhold_behind(store, volume, found->size, err);
}

/* A copy that is sealed says that nothing follows. */
static bool
learn_turned(struct sled_store *store, struct sled_volume_row *volume,
             struct sled_err *err)
{
	for (size_t i = 1; !volume->turned && i < store->len; i++) {
		struct sled_volume_found found;
		struct sled_err why = { 0 };

		if (sled_seat_usable(&store->seats[i]) &&
		    sled_seat_volume(&store->seats[i], volume, &found, &why) &&
		    found.there && found.sealed &&
		    found.size == volume->end + SLED_MEMBER_LAST &&
		    !sled_volume_turn(store, volume, err))
			return false;
	}
	return true;
}

/* A new file that was about to take the name of the old one. */
static bool
finish_swap(struct sled_store *store, const struct sled_volume_row *volume,
            struct sled_volume_found *found, struct sled_err *err)
{
	struct sled_place *first = sled_store_first(store);
	char open[SLED_VOLUME_FILE], sealed[SLED_VOLUME_FILE];

	sled_volume_file(open, volume->name, true);
	sled_volume_sealed_file(sealed, volume->name, volume->revision);
	return sled_seat_volume(&store->seats[0], volume, found, err) &&
	       sled_swap_finish(first, volume->label, sealed, !found->there,
	                        err) &&
	       sled_seat_volume(&store->seats[0], volume, found, err) &&
	       sled_swap_finish(first, volume->label, open, !found->there,
	                        err) &&
	       sled_seat_volume(&store->seats[0], volume, found, err);
}

/* What is missing is not given up before all that there is was tried. */
static bool
is_for_repair(const struct sled_store *store,
              const struct sled_volume_row *volume,
              const struct sled_volume_found *found)
{
	return store->mode == SLED_STORE_REPAIR && volume->id != 0 &&
	       (!found->there || found->size < volume->end);
}

/* Whole members whose bytes hold nowhere, and nothing behind them. As long as
 * the ledger is there they were never committed. */
static void
tell_broken(struct sled_store *store, const struct sled_volume_row *volume)
{
	if (!store->rebuilt || store->broken == 0)
		return;
	store->lost += store->broken;
	sled_store_say(store,
	               "%s/%s: %llu bytes behind byte %llu hold in no "
	               "place that can be reached",
	               volume->label, volume->name,
	               (unsigned long long)store->broken,
	               (unsigned long long)volume->end);
}

/* Whole members, and none was adopted. */
static bool
is_other_way(struct sled_seat *seat, const struct sled_volume_row *volume)
{
	struct sled_reading reading;
	struct sled_err why = { 0 };
	uint64_t length = 0;
	unsigned seq = 0;
	bool whole = false;

	if (!sled_seat_read(&reading, seat, volume, false, &why))
		return false;
	whole = find_seq(&reading, 0, &seq, &length) && seq > 0;
	sled_reading_close(&reading);
	return whole;
}

/* Of a volume that nobody knows: mail that it has all the same, as another
 * account's, is taken over. */
static bool
put_one_aside(struct sled_store *store, struct sled_seat *seat,
              const struct sled_volume_row *volume,
              const struct sled_volume_found *found, bool other,
              struct sled_err *err)
{
	static const char lost[] =
	    "it is put into quarantine, and no place that can be reached has "
	    "what was in it";

	if (other)
		sled_store_say(store,
		               "%s/%s/%s went another way: mail that only it "
		               "has is taken over, it is put into quarantine",
		               seat->place.path, volume->label, found->file);
	else
		sled_store_say(store, "%s/%s/%s %s: %s", seat->place.path,
		               volume->label, found->file,
		               found->size == 0
		                   ? "is empty"
		                   : "cannot be read as this volume",
		               lost);
	return sled_salvage_readable(store, seat, volume, found->file, err) &&
	       sled_place_quarantine(&seat->place, volume->label, found->file,
	                             err);
}

/* *MET: it is one of which nothing holds. */
static bool
clear_seat(struct sled_store *store, struct sled_seat *seat,
           const struct sled_volume_row *volume, bool *met,
           struct sled_err *err)
{
	struct sled_volume_found found = { 0 };
	bool other;

	if (!sled_seat_usable(seat))
		return true;
	if (!sled_seat_volume(seat, volume, &found, err))
		return false;
	other = found.there && is_other_way(seat, volume);
	if (!found.there || (!found.sealed && !other))
		return true;
	*met = *met || !other;
	return put_one_aside(store, seat, volume, &found, other, err);
}

/* A sealed file of which nothing holds, of a volume that nobody knows and that
 * holds nowhere: tar cannot read it, and its name may be given again. And one of
 * another way, sealed or not, whose mail came in before. */
static bool
put_nothing_aside(struct sled_store *store,
                  const struct sled_volume_row *volume, struct sled_err *err)
{
	bool met = false;

	for (size_t i = 0; i < store->len; i++) {
		struct sled_seat *seat = &store->seats[i];
		struct sled_err why = { 0 };
		bool ok = clear_seat(store, seat, volume, &met, &why);

		if (!ok && (i == 0 || why.kind == SLED_ERR_NOMEM)) {
			*err = why;
			return false;
		}
		if (!ok)
			sled_seat_out(seat, &why);
	}
	if (met && store->rebuilt)
		store->lost += SLED_MEMBER_LAST; /* the least that it had */
	return true;
}

bool
sled_mend_volume(struct sled_store *store, struct sled_volume_row *volume,
                 struct sled_err *err)
{
	struct sled_volume_found found;
	bool pruned = false, whole = true, ok;

	if (!sled_ledger_pruned(store->ledger, volume->id, store->seats[0].id,
	                        &pruned, err))
		return false;
	if (pruned)
		return true;
	if (!finish_swap(store, volume, &found, err))
		return false;
	if (is_for_repair(store, volume, &found))
		return true;
	store->broken = 0;
	ok = found.there && found.sealed
	         ? mend_sealed(store, volume, &found, &whole, err)
	         : mend_open(store, volume, &found, &whole, err);
	tell_broken(store, volume);
	if (ok && volume->id == 0)
		return put_nothing_aside(store, volume, err);
	return ok && (!whole || (learn_turned(store, volume, err) &&
	                         hold_first(store, volume, err)));
}
