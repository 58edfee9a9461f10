/*
 * repair.c - volumes made whole from all that is left of them.
 *
 * Nothing that is damaged is written. A volume's new file is made of each
 * member's first bytes whose hash holds, in whatever place or quarantine; of
 * bytes of several files, where only together they give the hash; of parity;
 * and where nothing does, of the single messages that can still be read. It is
 * read back before it takes the old one's name (swap.c).
 *
 * When all members are the original ones, each place gets the original file,
 * and the ledger changes in nothing but what is held. Else the volume becomes a
 * new revision, NAME.rN.tar.gz:
 *   P0  the old file                   ledger: old
 *   P1  and NAME.rN.tsv, .tar.gz, .sha256 in the first place: begun again
 *   P2  the same                       ledger: new, in one transaction: from
 *                                      here on the old file is not read
 *   P3  the old file in quarantine, the new one in every place
 * Cut off anywhere, it is run again [R5].
 */
#include "store/repair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/parity.h"

struct sled_member_sum
sled_row_sum(const struct sled_member_row *row)
{
	return (struct sled_member_sum){ row->length, row->tar_octets,
		                         row->body_sha256 };
}

bool
sled_origin_holds(struct sled_origin *origin, uint64_t at,
                  const struct sled_member_sum *sum)
{
	struct sled_err why = { 0 };

	return sled_member_compare(&origin->reading.source, at, sum, &why);
}

static bool
same_sum(const struct sled_member_sum *a, const struct sled_member_sum *b)
{
	return a->length == b->length &&
	       sled_hash_equal(&a->body_sha256, &b->body_sha256);
}

/* Is member I one that an earlier repair made? */
static bool
is_odd(const struct sled_repair *r, size_t i)
{
	const struct sled_member_sum now = sled_row_sum(&r->rows[i]);
	const struct sled_member_sum was = sled_row_sum(&r->original[i]);

	return !same_sum(&now, &was);
}

/* ---- what there is ---- */

static bool
lay_out_original(struct sled_repair *r, struct sled_err *err)
{
	uint64_t at = 0;

	r->original = calloc(r->len + 1, sizeof(*r->original));
	r->pieces = calloc(r->len + 1, sizeof(*r->pieces));
	r->whole = calloc(r->store->len, sizeof(*r->whole));
	if (r->original == NULL || r->pieces == NULL || r->whole == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "repair");
	if (r->len > 0)
		memcpy(r->original, r->rows, r->len * sizeof(*r->rows));
	for (size_t i = 0; i < r->revision.odd_len; i++) {
		const struct sled_odd *odd = &r->revision.odd[i];

		if (odd->index >= r->len)
			continue;
		r->original[odd->index].length = odd->was.length;
		r->original[odd->index].tar_octets = odd->was.tar_octets;
		r->original[odd->index].body_sha256 = odd->was.body_sha256;
	}
	for (size_t i = 0; i < r->len; i++) {
		r->original[i].at = at;
		at += r->original[i].length;
	}
	return true;
}

static void
take_piece(struct sled_repair *r, size_t i, enum sled_piece_kind kind,
           size_t origin, uint64_t at)
{
	struct sled_piece *piece = &r->pieces[i];

	if (piece->kind == SLED_PIECE_ORIGINAL ||
	    (piece->kind == SLED_PIECE_CURRENT && kind == piece->kind))
		return;
	if (kind == SLED_PIECE_ORIGINAL)
		r->missing--;
	*piece = (struct sled_piece){ kind, origin, at,
		                      sled_row_sum(kind == SLED_PIECE_ORIGINAL
		                                       ? &r->original[i]
		                                       : &r->rows[i]) };
}

/* Tell of the octets that were read. */
static void
progress(struct sled_repair *r, uint64_t octets)
{
	r->done += octets;
	if (r->reader->progress != NULL)
		r->reader->progress(r->reader->ctx, r->done, r->total);
}

/* Every member of the file that a place has now. */
static bool
scan_members(struct sled_repair *r, size_t origin)
{
	bool whole = true;

	for (size_t i = 0; i < r->len; i++) {
		const struct sled_member_sum sum = sled_row_sum(&r->rows[i]);

		if (sled_origin_holds(r->origins.list[origin], r->rows[i].at,
		                      &sum)) {
			take_piece(r, i,
			           is_odd(r, i) ? SLED_PIECE_CURRENT
			                        : SLED_PIECE_ORIGINAL,
			           origin, r->rows[i].at);
		} else {
			r->out.damaged++;
			whole = false;
		}
		progress(r, sum.length);
	}
	return whole;
}

static bool
scan_seat(struct sled_repair *r, size_t seat, struct sled_err *err)
{
	struct sled_seat *at = &r->store->seats[seat];
	const struct sled_volume_row *volume = &r->volume;
	struct sled_volume_found found;
	struct sled_err why = { 0 };
	size_t origin = r->origins.len;
	bool ends = false, pruned = false;

	if (!sled_ledger_pruned(r->store->ledger, volume->id, at->id, &pruned,
	                        err))
		return false;
	r->whole[seat] = pruned || !at->present;
	if (r->whole[seat] || !sled_seat_volume(at, volume, &found, &why) ||
	    !found.there)
		return true;
	if (!sled_origins_add(&r->origins, &at->place, volume->label,
	                      found.file, at, err) ||
	    r->origins.len == origin)
		return err->kind == SLED_ERR_NONE;
	r->whole[seat] =
	    scan_members(r, origin) &&
	    (found.sealed
	         ? found.size == volume->end + SLED_MEMBER_LAST &&
	               sled_place_ends(&at->place, volume->label, &found,
	                               volume->end, &ends, &why) &&
	               ends
	         : found.size >= volume->end);
	return true;
}

void
sled_repair_find(struct sled_repair *r, size_t from, uint64_t *found)
{
	for (size_t i = 0; i < r->len; i++) {
		const struct sled_member_sum was =
		    sled_row_sum(&r->original[i]);
		uint64_t before = r->missing;

		for (size_t o = from; o < r->origins.len; o++) {
			struct sled_origin *origin = r->origins.list[o];

			if (r->pieces[i].kind == SLED_PIECE_ORIGINAL)
				break;
			if (sled_origin_holds(origin, r->original[i].at, &was))
				take_piece(r, i, SLED_PIECE_ORIGINAL, o,
				           r->original[i].at);
			else if (sled_origin_holds(origin, r->rows[i].at, &was))
				take_piece(r, i, SLED_PIECE_ORIGINAL, o,
				           r->rows[i].at);
		}
		*found += before - r->missing;
	}
}

bool
sled_repair_is_needy(const struct sled_repair *r)
{
	for (size_t i = 0; i < r->len; i++)
		if (r->pieces[i].kind == SLED_PIECE_MISSING)
			return true;
	return false;
}

/* From what costs least to what loses most. */
static bool
gather(struct sled_repair *r, struct sled_revision *lost, struct sled_err *err)
{
	size_t seats;
	uint64_t found = 0;

	r->missing = r->len;
	for (size_t i = 0; i < r->store->len; i++)
		if (!scan_seat(r, i, err))
			return false;
	seats = r->origins.len;
	if (r->missing == 0)
		return true;
	if (!sled_origins_add_old(&r->origins, r->store, &r->volume, err))
		return false;
	sled_repair_find(r, seats, &found);
	return !sled_repair_is_needy(r) ||
	       (sled_repair_mix(r, err) && sled_repair_far(r, err) &&
	        (!sled_repair_is_needy(r) || sled_repair_parity(r, err)) &&
	        (!sled_repair_is_needy(r) ||
	         sled_repair_rebuild(r, lost, err)));
}

/* ---- what it becomes ---- */

/* Where each member will be, in R->ROWS' order and with their ids. */
static uint64_t
lay_out(const struct sled_repair *r, struct sled_member_row *rows)
{
	uint64_t at = 0;

	for (size_t i = 0; i < r->len; i++) {
		const struct sled_member_sum *sum = &r->pieces[i].sum;

		rows[i] = (struct sled_member_row){
			r->rows[i].id, r->volume.id,    at,
			sum->length,   sum->tar_octets, sum->body_sha256
		};
		at += sum->length;
	}
	return at;
}

static bool
is_changed(const struct sled_repair *r)
{
	for (size_t i = 0; i < r->len; i++) {
		const struct sled_member_sum sum = sled_row_sum(&r->rows[i]);

		if (!same_sum(&r->pieces[i].sum, &sum))
			return true;
	}
	return false;
}

static bool
is_original(const struct sled_repair *r)
{
	for (size_t i = 0; i < r->len; i++)
		if (r->pieces[i].kind != SLED_PIECE_ORIGINAL)
			return false;
	return true;
}

static bool
all_whole(const struct sled_repair *r)
{
	for (size_t i = 0; i < r->store->len; i++)
		if (!r->whole[i])
			return false;
	return true;
}

static bool
hash_pieces(struct sled_repair *r, struct sled_sha256 *sha,
            struct sled_err *err)
{
	for (size_t i = 0; i < r->len; i++) {
		const struct sled_piece *piece = &r->pieces[i];

		if (!sled_volume_hash_range(
			&r->origins.list[piece->origin]->reading, piece->at,
			piece->sum.length, sha, err))
			return false;
	}
	return true;
}

/* As it will be sealed. */
static bool
hash_mended(struct sled_repair *r, struct sled_hash *out, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	struct sled_buf last = { 0 };
	bool ok = sled_sha256_new(&sha, err) && hash_pieces(r, sha, err) &&
	          sled_member_last(&last, err);

	if (ok) {
		sled_sha256_add(sha, last.data, last.len);
		*out = sled_sha256_end(sha);
	}
	sled_buf_free(&last);
	sled_sha256_free(&sha);
	return ok;
}

/* ---- the chain ---- */

struct chain {
	const struct sled_volume_row *volume;
	struct sled_volume_row next; /* behind it; id 0: none */
	bool other;                  /* that one names other bytes */
};

static bool
take_next(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct chain *chain = ctx;

	(void)err;
	if (row->end > 0 &&
	    sled_volume_name_compare(row->name, chain->volume->name) > 0 &&
	    (chain->next.id == 0 ||
	     sled_volume_name_compare(row->name, chain->next.name) < 0))
		chain->next = *row;
	return true;
}

static bool
take_info(void *ctx, const struct sled_volume_info *info, struct sled_err *err)
{
	struct chain *chain = ctx;

	(void)err;
	chain->other =
	    strcmp(info->before, chain->volume->name) == 0 &&
	    !sled_hash_equal(&info->before_sha256, &chain->volume->sha256);
	return true;
}

/* The volume that follows may name the hash of what was there when this one was
 * lost, and came back: those bytes nobody has. */
static bool
is_named_otherwise(struct sled_repair *r, bool *other, struct sled_err *err)
{
	struct chain chain = { .volume = &r->volume };
	const struct sled_member_visitor visitor = { .ctx = &chain,
		                                     .volume = take_info };
	bool found = false;

	if (!sled_ledger_volumes(r->store->ledger, r->volume.label, take_next,
	                         &chain, err))
		return false;
	for (size_t i = 0; chain.next.id != 0 && !found && i < r->store->len;
	     i++) {
		struct sled_reading reading;
		struct sled_member_sum sum;
		struct sled_err why = { 0 };
		unsigned seq = 0;

		if (!sled_seat_usable(&r->store->seats[i]) ||
		    !sled_seat_read(&reading, &r->store->seats[i], &chain.next,
		                    false, &why))
			continue;
		found = sled_member_check(&reading.source, 0, &visitor, &sum,
		                          &seq, &why);
		sled_reading_close(&reading);
	}
	*other = found && chain.other;
	return true;
}

/* The next volume's VOLUME.txt may tell of a hash that these members do not
 * give: a rebuild passed over damaged ones, or no place that was there when the
 * volume turned had them as they were. */
static bool
is_other(struct sled_repair *r, bool *other, struct sled_err *err)
{
	struct sled_hash now;

	*other = false;
	if (!r->volume.turned || r->volume.end == 0 || is_changed(r))
		return true;
	if (!r->volume.sealed) {
		if (!hash_mended(r, &now, err))
			return false;
		*other = !sled_hash_equal(&now, &r->volume.sha256);
	}
	return *other || r->volume.revision > 0 ||
	       is_named_otherwise(r, other, err);
}

/* ---- the ledger ---- */

struct target {
	const struct sled_receipt *receipt;
	int64_t id;
};

static bool
take_target(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct target *target = ctx;

	(void)err;
	if (strcmp(row->record, target->receipt->record) == 0)
		target->id = row->id;
	return true;
}

static bool
forget_lost(struct sled_repair *r, const struct sled_revision *lost,
            struct sled_err *err)
{
	struct sled_ledger *ledger = r->store->ledger;

	for (size_t i = 0; i < lost->lost_len; i++) {
		struct target target = { &lost->lost[i], 0 };

		if (!sled_ledger_by_number(ledger, r->volume.label,
		                           lost->lost[i].number, take_target,
		                           &target, err) ||
		    (target.id != 0 &&
		     !sled_ledger_message_forget(ledger, target.id, err)))
			return false;
	}
	return true;
}

static bool
hold_all(struct sled_repair *r, const struct sled_seat *seat,
         const struct sled_member_row *rows, struct sled_err *err)
{
	int64_t now = sled_clock_now();

	for (size_t i = 0; i < r->len; i++)
		if (!sled_ledger_hold(r->store->ledger, rows[i].id, seat->id,
		                      now, err) ||
		    !sled_ledger_fault_clear(r->store->ledger, rows[i].id,
		                             seat->id, err))
			return false;
	return true;
}

/* Messages of members that are the original ones again. */
static bool
restore_rows(struct sled_repair *r, struct sled_seat *seat,
             struct sled_volume_row *volume, const struct sled_member_row *rows,
             struct sled_err *err)
{
	struct sled_reading reading;
	bool ok = sled_seat_read(&reading, seat, volume, false, err);

	if (!ok)
		return false;
	for (size_t i = 0; ok && i < r->len; i++)
		if (is_odd(r, i) && r->pieces[i].kind == SLED_PIECE_ORIGINAL)
			ok = sled_adopt_messages(r->store, volume, &reading,
			                         &rows[i], err);
	sled_reading_close(&reading);
	return ok;
}

/* P1 to P2. */
static bool
tell_ledger(struct sled_repair *r, struct sled_seat *seat,
            struct sled_volume_row *volume, const struct sled_member_row *rows,
            const struct sled_revision *lost, struct sled_err *err)
{
	struct sled_ledger *ledger = r->store->ledger;

	if (!sled_ledger_begin(ledger, err))
		return false;
	if (forget_lost(r, lost, err) &&
	    sled_ledger_members_move(ledger, rows, r->len, err) &&
	    sled_ledger_volume_put(ledger, volume, err) &&
	    restore_rows(r, seat, volume, rows, err) &&
	    hold_all(r, seat, rows, err))
		return sled_ledger_commit(ledger, err);
	sled_ledger_drop(ledger);
	return false;
}

static bool
tell_holdings(struct sled_repair *r, const struct sled_seat *seat,
              const struct sled_member_row *rows, struct sled_err *err)
{
	if (!sled_ledger_begin(r->store->ledger, err))
		return false;
	if (hold_all(r, seat, rows, err))
		return sled_ledger_commit(r->store->ledger, err);
	sled_ledger_drop(r->store->ledger);
	return false;
}

/* ---- a new revision, or the original again ---- */

struct restored {
	struct sled_revision *revision;
};

static bool
take_restored(void *ctx, const struct sled_receipt *receipt,
              struct sled_err *err)
{
	struct sled_revision *revision = ((struct restored *)ctx)->revision;
	size_t kept = 0;

	(void)err;
	for (size_t i = 0; i < revision->lost_len; i++)
		if (strcmp(revision->lost[i].record, receipt->record) != 0)
			revision->lost[kept++] = revision->lost[i];
	revision->lost_len = kept;
	return true;
}

/* What an earlier repair had lost, less what is back. */
static bool
less_restored(struct sled_repair *r, struct sled_revision *out,
              struct sled_err *err)
{
	struct restored restored = { out };
	const struct sled_member_visitor visitor = { .ctx = &restored,
		                                     .receipt = take_restored };

	for (size_t i = 0; i < r->len; i++) {
		const struct sled_piece *piece = &r->pieces[i];
		struct sled_member_sum sum;
		unsigned seq = 0;

		if (is_odd(r, i) && piece->kind == SLED_PIECE_ORIGINAL &&
		    !sled_member_check(
			&r->origins.list[piece->origin]->reading.source,
			piece->at, &visitor, &sum, &seq, err))
			return false;
	}
	return true;
}

static bool
describe(struct sled_repair *r, const struct sled_revision *lost,
         struct sled_revision *out, struct sled_err *err)
{
	out->known_before = r->volume.revision > 0 ? r->revision.known_before
	                                           : r->volume.turned;
	out->before =
	    r->volume.revision > 0 ? r->revision.before : r->volume.sha256;
	for (size_t i = 0; i < r->revision.lost_len; i++)
		if (!sled_revision_add_lost(out, &r->revision.lost[i], err))
			return false;
	if (!less_restored(r, out, err))
		return false;
	for (size_t i = 0; i < lost->lost_len; i++)
		if (!sled_revision_add_lost(out, &lost->lost[i], err))
			return false;
	for (size_t i = 0; i < r->len; i++) {
		const struct sled_member_sum was =
		    sled_row_sum(&r->original[i]);

		if (r->pieces[i].kind != SLED_PIECE_ORIGINAL &&
		    !sled_revision_add_odd(out, i, &was, err))
			return false;
	}
	return true;
}

/* The place that the ledger's change waits for. */
static struct sled_seat *
base_seat(struct sled_repair *r)
{
	for (size_t i = 0; i < r->store->len; i++) {
		bool pruned = false;
		struct sled_err why = { 0 };

		if (sled_seat_usable(&r->store->seats[i]) &&
		    sled_ledger_pruned(r->store->ledger, r->volume.id,
		                       r->store->seats[i].id, &pruned, &why) &&
		    !pruned)
			return &r->store->seats[i];
	}
	return NULL;
}

/* A place that cannot be written now gets its file by the next sync. */
static void
give_up(struct sled_repair *r, struct sled_seat *seat,
        const struct sled_err *why)
{
	sled_store_say(r->store, "%s: %s", seat->place.path, why->text);
	sled_seat_out(seat, why);
	r->unwritten = true;
}

static bool
save_file(struct sled_repair *r, struct sled_seat *seat, const char *file,
          struct sled_err *err)
{
	uint64_t size = 0;
	bool there = false;

	return sled_place_size(&seat->place, r->volume.label, file, &size,
	                       &there, err) &&
	       (!there ||
	        sled_salvage_readable(r->store, seat, &r->volume, file, err));
}

/* A file that went another way has mail that no row tells of. */
static bool
save_strange(struct sled_repair *r, struct sled_seat *seat,
             struct sled_err *err)
{
	char sealed[SLED_VOLUME_FILE], open[SLED_VOLUME_FILE];

	sled_volume_sealed_file(sealed, r->volume.name, r->volume.revision);
	sled_volume_file(open, r->volume.name, true);
	return save_file(r, seat, sealed, err) && save_file(r, seat, open, err);
}

static bool
renew(struct sled_repair *r, struct sled_seat *seat,
      const struct sled_volume_row *volume,
      const struct sled_revision *revision, struct sled_err *err)
{
	struct sled_renewal renewal = { .seat = seat,
		                        .volume = volume,
		                        .sealed = volume->turned };

	if (!save_strange(r, seat, err) || !sled_renew_write(r, &renewal, err))
		return false;
	if (renewal.sealed &&
	    !sled_hash_equal(&renewal.sha256, &volume->sha256))
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s: other bytes than in the first place",
		                 renewal.file);
	return sled_renew_take(r, &renewal, revision, err);
}

/* Each place but BASE, which has it already; what fails is said. */
static bool
renew_others(struct sled_repair *r, const struct sled_seat *base,
             const struct sled_volume_row *volume,
             const struct sled_revision *revision,
             const struct sled_member_row *rows, struct sled_err *err)
{
	for (size_t i = 0; i < r->store->len; i++) {
		struct sled_seat *seat = &r->store->seats[i];
		struct sled_err why = { 0 };
		bool pruned = false;

		if (seat == base || !sled_seat_usable(seat) ||
		    (base == NULL && r->whole[i]))
			continue;
		if (!sled_ledger_pruned(r->store->ledger, volume->id, seat->id,
		                        &pruned, err))
			return false;
		if (pruned)
			continue;
		if (!renew(r, seat, volume, revision, &why))
			give_up(r, seat, &why);
		else if (!tell_holdings(r, seat, rows, err))
			return false;
	}
	return true;
}

/* Can it be again the file that was sealed first? That one's hash may be of a
 * damaged one, which turned so; then what is whole is a revision too. */
static bool
is_back(struct sled_repair *r, const struct sled_revision *revision, bool *back,
        struct sled_err *err)
{
	struct sled_hash now;

	*back = false;
	if (r->volume.revision == 0 || !is_original(r) ||
	    !revision->known_before)
		return true;
	if (!hash_mended(r, &now, err))
		return false;
	*back = sled_hash_equal(&now, &revision->before);
	return true;
}

/* The hash that the new file has decides: the original's, or a revision. */
static bool
make_revision(struct sled_repair *r, struct sled_seat *base,
              struct sled_volume_row *volume, struct sled_revision *revision,
              struct sled_err *err)
{
	struct sled_renewal renewal = { .seat = base,
		                        .volume = volume,
		                        .sealed = true };
	bool back = false;

	if (!is_back(r, revision, &back, err))
		return false;
	volume->revision = back ? 0 : r->volume.revision + 1;
	if (!save_strange(r, base, err) || !sled_renew_write(r, &renewal, err))
		return false;
	if (back && !sled_hash_equal(&renewal.sha256, &revision->before))
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s: other bytes than it was sealed with",
		                 renewal.file);
	volume->sha256 = revision->now = renewal.sha256;
	return sled_renew_take(r, &renewal, back ? NULL : revision, err);
}

static bool
revise(struct sled_repair *r, const struct sled_revision *lost,
       struct sled_member_row *rows, struct sled_err *err)
{
	struct sled_volume_row volume = r->volume;
	struct sled_revision revision = { 0 };
	struct sled_seat *base = base_seat(r);
	bool ok = base != NULL ||
	          sled_fail(err, SLED_ERR_PLACE, "no place can be written");

	volume.end = lay_out(r, rows);
	volume.turned = true;
	volume.sealed = volume.sealed || base == &r->store->seats[0];
	ok = ok && describe(r, lost, &revision, err) &&
	     make_revision(r, base, &volume, &revision, err) &&
	     tell_ledger(r, base, &volume, rows, lost, err) &&
	     renew_others(r, base, &volume,
	                  volume.revision > 0 ? &revision : NULL, rows, err);
	if (ok)
		r->volume = volume;
	sled_revision_free(&revision);
	return ok;
}

/* ---- one volume ---- */

struct loss {
	struct sled_repair *r;
	const struct sled_receipt *receipt;
};

static bool
tell_lost(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct loss *loss = ctx;
	struct sled_repair *r = loss->r;
	bool wanted = row->gone == 0;

	(void)err;
	if (strcmp(row->record, loss->receipt->record) != 0)
		return true;
	r->wanted += wanted;
	if (r->reader->lost != NULL)
		r->reader->lost(r->reader->ctx, row, wanted);
	return true;
}

static bool
name_lost(struct sled_repair *r, const struct sled_revision *lost,
          struct sled_err *err)
{
	for (size_t i = 0; i < lost->lost_len; i++) {
		struct loss loss = { r, &lost->lost[i] };

		if (!sled_ledger_by_number(r->store->ledger, r->volume.label,
		                           lost->lost[i].number, tell_lost,
		                           &loss, err))
			return false;
	}
	return true;
}

static void
tidy(struct sled_repair *r)
{
	for (size_t i = 0; i < r->store->len; i++) {
		struct sled_seat *seat = &r->store->seats[i];
		struct sled_err why = { 0 };

		if (sled_seat_usable(seat) && !sled_renew_tidy(r, seat, &why))
			give_up(r, seat, &why);
	}
}

/* Parity, and the .tsv of a revision. */
static bool
mend_beside(struct sled_repair *r, struct sled_err *err)
{
	uint64_t mended = 0;

	if (!r->volume.sealed)
		return true;
	if (!sled_beside_mend(r->store, &r->volume, &mended, err))
		return false;
	r->out.beside = mended;
	if (mended > 0 && r->out.outcome == SLED_REPAIR_WHOLE)
		r->out.outcome = SLED_REPAIR_MENDED;
	return true;
}

/* OTHER: its bytes are not those that the ledger has now. */
static enum sled_outcome
outcome_of(const struct sled_repair *r, bool other)
{
	bool back = r->volume.revision > 0 && is_original(r);

	if (other && !back)
		return SLED_REPAIR_REVISED;
	return other || !all_whole(r) ? SLED_REPAIR_MENDED : SLED_REPAIR_WHOLE;
}

static bool
mend(struct sled_repair *r, const struct sled_revision *lost,
     struct sled_err *err)
{
	struct sled_member_row *rows = calloc(r->len + 1, sizeof(*rows));
	bool other = false, ok;

	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "repair");
	ok = is_other(r, &other, err) && name_lost(r, lost, err);
	other = other || is_changed(r);
	r->out.outcome = outcome_of(r, other);
	if (ok && !r->conf->dry && other)
		ok = revise(r, lost, rows, err);
	else if (ok && !r->conf->dry && !all_whole(r)) {
		(void)lay_out(r, rows);
		ok = renew_others(r, NULL, &r->volume, NULL, rows, err);
	}
	free(rows);
	if (ok && !r->conf->dry)
		tidy(r);
	return ok && (r->conf->dry || mend_beside(r, err));
}

static bool
repair_volume(struct sled_repair *r, struct sled_err *err)
{
	struct sled_revision lost = { 0 };
	bool ok = sled_volume_extents(r->store, r->volume.id, 0, &r->rows,
	                              &r->len, err) &&
	          sled_revision_load(r->store, &r->volume, &r->revision, err) &&
	          lay_out_original(r, err) && gather(r, &lost, err) &&
	          mend(r, &lost, err);

	sled_revision_free(&lost);
	sled_scratch_close(r);
	return ok;
}

static void
clear(struct sled_repair *r)
{
	sled_origins_free(&r->origins);
	sled_revision_free(&r->revision);
	free(r->rows);
	free(r->original);
	free(r->pieces);
	free(r->whole);
	r->rows = r->original = NULL;
	r->pieces = NULL;
	r->whole = NULL;
	r->len = 0;
	r->made_origin = SIZE_MAX;
	r->out = (struct sled_repaired){ 0 };
}

static void
name_file(struct sled_repair *r)
{
	if (r->volume.turned && (r->volume.sealed || r->volume.revision > 0))
		sled_volume_sealed_file(r->out.file, r->volume.name,
		                        r->volume.revision);
	else
		sled_volume_file(r->out.file, r->volume.name, true);
	r->out.label = r->volume.label;
	r->out.name = r->volume.name;
	r->out.members = r->len;
}

static void
count(struct sled_repair *r, struct sled_repair_report *out)
{
	out->volumes++;
	out->mended += r->out.outcome == SLED_REPAIR_MENDED;
	out->revised += r->out.outcome == SLED_REPAIR_REVISED;
	out->failed += r->out.outcome == SLED_REPAIR_FAILED;
	out->lost += r->out.lost;
	out->damaged += r->out.damaged;
	out->wanted = r->wanted;
}

/* A volume that cannot be repaired keeps no other from it. */
static bool
repair_one(struct sled_repair *r, const struct sled_volume_row *volume,
           struct sled_repair_report *out, struct sled_err *err)
{
	struct sled_err why = { 0 };
	bool ok;

	clear(r);
	r->volume = *volume;
	ok = repair_volume(r, &why);
	if (!ok && why.kind == SLED_ERR_NOMEM) {
		*err = why;
		return false;
	}
	if (!ok) {
		r->out.outcome = SLED_REPAIR_FAILED;
		r->out.why = why.text;
	}
	name_file(r);
	count(r, out);
	r->reader->volume(r->reader->ctx, &r->out);
	return true;
}

/* ---- which ---- */

struct chosen {
	const struct sled_repair_conf *conf;
	struct sled_volume_row *rows;
	size_t len;
	uint64_t octets;
};

static bool
is_named(const struct sled_volume_row *row, const char *name)
{
	size_t len = strlen(row->label);

	if (strncmp(name, row->label, len) == 0 && name[len] == '/')
		name += len + 1;
	return strcmp(name, row->name) == 0;
}

static bool
choose(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct chosen *chosen = ctx;
	const struct sled_repair_conf *conf = chosen->conf;
	bool wanted = conf->volumes_len == 0;
	struct sled_volume_row *rows;

	for (size_t i = 0; !wanted && i < conf->volumes_len; i++)
		wanted = is_named(row, conf->volumes[i]);
	if (!wanted || row->end == 0)
		return true;
	rows = reallocarray(chosen->rows, chosen->len + 1, sizeof(*rows));
	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	chosen->rows = rows;
	rows[chosen->len++] = *row;
	chosen->octets += row->end;
	return true;
}

static bool
all_named(const struct chosen *chosen, struct sled_err *err)
{
	for (size_t i = 0; i < chosen->conf->volumes_len; i++) {
		bool found = false;

		for (size_t v = 0; v < chosen->len; v++)
			found = found || is_named(&chosen->rows[v],
			                          chosen->conf->volumes[i]);
		if (!found)
			return sled_fail(err, SLED_ERR_MISSING,
			                 "%.64s: no such volume",
			                 chosen->conf->volumes[i]);
	}
	return true;
}

static bool
repair_chosen(struct sled_repair *r, const struct chosen *chosen,
              struct sled_repair_report *out, struct sled_err *err)
{
	bool ok = true;

	for (size_t i = 0; i < r->store->len; i++)
		r->total += r->store->seats[i].present ? chosen->octets : 0;
	for (size_t i = 0; ok && i < chosen->len; i++)
		ok = repair_one(r, &chosen->rows[i], out, err);
	clear(r);
	return ok;
}

/* The copies that were not to be made whole before this, and the spools. */
static bool
finish(struct sled_repair *r, struct sled_err *err)
{
	uint64_t octets = 0;

	if (!sled_recover_copies(r->store, &octets, err) ||
	    !sled_recover_spools(r->store, err))
		return false;
	return !r->unwritten || sled_fail(err, SLED_ERR_PLACE,
	                                  "not every place could be written");
}

bool
sled_store_repair(struct sled_store *store, const struct sled_repair_conf *conf,
                  const struct sled_repair_reader *reader,
                  struct sled_repair_report *out, struct sled_err *err)
{
	struct sled_repair r = { .store = store,
		                 .conf = conf,
		                 .reader = reader,
		                 .scratch_dir = -1,
		                 .made_origin = SIZE_MAX };
	struct chosen chosen = { .conf = conf };
	bool ok;

	*out = (struct sled_repair_report){ 0 };
	ok = sled_ledger_volumes(store->ledger, NULL, choose, &chosen, err) &&
	     all_named(&chosen, err) && repair_chosen(&r, &chosen, out, err);
	free(chosen.rows);
	return ok && (conf->dry || finish(&r, err));
}
