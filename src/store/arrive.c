/*
 * arrive.c - one message on its way in: spooled, hashed, and found to be new,
 * one that we have, or not what was listed.
 */
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

/* Never ahead of the clock, nor behind the last receipt if it is in doubt. */
static int64_t
received_at(struct sled_box *box, int64_t now)
{
	if (sled_clock_doubtful(now) || now < box->last_received)
		now = box->last_received > 0 ? box->last_received : now;
	box->last_received = now;
	return now < 0 ? 0 : now;
}

/* A final line end that one lacks is two octets, whichever of them it is. */
static bool
is_alone(struct sled_box *box, uint64_t size)
{
	const struct sled_sizes *sizes = sled_box_sizes(box);
	unsigned others = 0;

	for (uint64_t near = size < 2 ? 0 : size - 2; near <= size + 2; near++)
		others += sled_sizes_count(sizes, near);
	return others == 1;
}

bool
sled_box_begin(struct sled_box *box, size_t item, int64_t now,
               struct sled_err *err)
{
	const struct sled_item *it = &box->listing->items[item];
	const char *uid = it->flags & SLED_ITEM_NOID
	                      ? ""
	                      : sled_listing_uid_of(box->listing, item);

	if (box->spool == NULL &&
	    !sled_spool_create(&box->spool, box->store->sys,
	                       box->store->spool_dir, &box->whose.owner, err))
		return false;
	box->current = item;
	sled_intake_begin(box->intake);
	if (!sled_spool_begin(box->spool, uid, it->size, received_at(box, now),
	                      err))
		return false;
	if (is_alone(box, it->size))
		sled_spool_alone(box->spool);
	return true;
}

bool
sled_box_data(struct sled_box *box, struct sled_span bytes,
              struct sled_err *err)
{
	return sled_intake_feed(box->intake, bytes, err) &&
	       sled_spool_append(box->spool, bytes.data, bytes.len, err);
}

struct twin {
	struct sled_box *box;
	const struct sled_digest *digest;
	struct sled_row_copy copy;
};

/* Does the job at work bring this row in? Only apply() claims it. */
static bool
is_in_job(const struct sled_box *box, const struct sled_message *row)
{
	for (size_t i = 0; i < box->job.len; i++)
		if (strcmp(box->job.list[i].record.id, row->record) == 0)
			return true;
	return false;
}

/* A row whose id this listing lacked may be here without one. */
static bool
take_twin(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct twin *twin = ctx;

	if (twin->copy.found || sled_is_claimed(&twin->box->claims, row->id) ||
	    is_in_job(twin->box, row) ||
	    (row->gone != 0 && row->gone != twin->box->listed_at) ||
	    row->octets != twin->digest->octets)
		return true;
	return sled_row_take(&twin->copy, row, err);
}

/* Is it a row that we have? By its id's row; without an id, or with one that
 * may be new to an old message, by its hash. */
static bool
find_twin(struct sled_box *box, const struct sled_digest *digest,
          struct twin *twin, struct sled_err *err)
{
	const struct sled_item *it = &box->listing->items[box->current];
	struct sled_ledger *ledger = box->store->ledger;

	*twin = (struct twin){ .box = box, .digest = digest };
	if ((it->flags & SLED_ITEM_NOID) != 0 ||
	    ((it->row == 0 || box->proof_failed) && box->olds.len > 0))
		return sled_ledger_by_hash(ledger, box->maildrop.id,
		                           &digest->sha256, take_twin, twin,
		                           err);
	if (it->row == 0)
		return true;
	if (!sled_ledger_by_id(ledger, it->row, sled_row_take, &twin->copy,
	                       err))
		return false;
	twin->copy.found =
	    twin->copy.found &&
	    !sled_is_claimed(&box->claims, twin->copy.row.id) &&
	    twin->copy.row.octets == digest->octets &&
	    sled_hash_equal(&twin->copy.row.sha256, &digest->sha256);
	return true;
}

/* ---- octets that another message has too ---- */

/* Its own, delivered twice; or the server gave one for the other [W5]. */
struct alike {
	bool found;
	size_t item; /* of this visit, if it is there; else SIZE_MAX */
};

static struct sled_pending *
find_pending(struct sled_batch *batch, const struct sled_hash *sha256)
{
	for (size_t i = 0; i < batch->len; i++)
		if (sled_hash_equal(&batch->list[i].record.sha256, sha256))
			return &batch->list[i];
	return NULL;
}

static size_t
item_of(const struct sled_box *box, int64_t row)
{
	const struct sled_listing *listing = box->listing;

	for (size_t i = 0; i < listing->len; i++)
		if (listing->items[i].row == row &&
		    (listing->items[i].flags & SLED_ITEM_RETRIEVED) != 0)
			return i;
	return SIZE_MAX;
}

/* A row in the ledger; that of this visit is in doubt until it is shown. */
static bool
find_stored(struct sled_box *box, const struct sled_message *of, bool gone,
            struct alike *out, struct sled_err *err)
{
	int64_t row = 0;

	if (!sled_ledger_alike(box->store->ledger, of, gone, &row, err))
		return false;
	if (row == 0)
		return true;
	*out = (struct alike){ true, item_of(box, row) };
	return out->item == SIZE_MAX ||
	       sled_ledger_set_flags(box->store->ledger, row,
	                             SLED_MESSAGE_DOUBTFUL, 0, err);
}

/* OWN: not this row. GONE: of one that came before with octets that were not its
 * own, the other one may have been deleted since. */
static bool
find_alike(struct sled_box *box, const struct sled_digest *digest, int64_t own,
           bool gone, struct alike *out, struct sled_err *err)
{
	const struct sled_message of = { .id = own,
		                         .maildrop = box->maildrop.id,
		                         .sha256 = digest->sha256 };
	struct sled_pending *pending = find_pending(&box->pending, &of.sha256);

	*out = (struct alike){ false, SIZE_MAX };
	if (digest->head_octets == 0)
		return true; /* no header tells them apart */
	if (pending != NULL)
		pending->flags |= SLED_MESSAGE_DOUBTFUL;
	else
		pending = find_pending(&box->job, &of.sha256);
	if (pending == NULL)
		return find_stored(box, &of, gone, out, err);
	*out = (struct alike){ true, pending->item };
	return true;
}

static void
say_short(const struct sled_box *box, const struct sled_message *row)
{
	sled_store_say(box->store,
	               "%s: message %llu came twice with the same %llu octets, "
	               "not those that the server lists: taken as whole",
	               box->whose.owner.label, (unsigned long long)row->number,
	               (unsigned long long)row->octets);
}

static bool
accept_twin(struct sled_box *box, struct twin *twin, bool stray,
            struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[box->current];
	struct sled_message *row = &twin->copy.row;
	bool was_short = (row->flags & SLED_MESSAGE_SHORT) != 0;

	if (was_short && !stray)
		say_short(box, row);
	if (was_short && !stray &&
	    it->size < row->octets) /* so does this server count */
		sled_box_learn(&box->maildrop, twin->digest, it->size);
	row->flags &= ~(unsigned)SLED_MESSAGE_SHORT;
	it->flags &= (uint8_t)~SLED_ITEM_SHORT;
	it->flags |= SLED_ITEM_RETRIEVED;
	if (!sled_spool_abort(box->spool, err) ||
	    !sled_ledger_begin(box->store->ledger, err))
		return false;
	if ((was_short &&
	     !sled_ledger_message_update(box->store->ledger, row, err)) ||
	    !sled_box_same(box, box->current, row, err) ||
	    (stray && !sled_ledger_set_flags(box->store->ledger, row->id,
	                                     SLED_MESSAGE_DOUBTFUL, 0, err))) {
		sled_ledger_drop(box->store->ledger);
		return false;
	}
	return sled_ledger_commit(box->store->ledger, err);
}

/* No kill may make us forget it. */
bool
sled_box_reuses(struct sled_box *box, struct sled_err *err)
{
	if (box->maildrop.reuses_ids)
		return true;
	box->maildrop.reuses_ids = true;
	sled_store_say(
	    box->store,
	    "%s: the server gave a unique-id to other mail: from now "
	    "on each is proved by its header before it is deleted",
	    box->whose.owner.label);
	return sled_ledger_maildrop_put(box->store->ledger, &box->maildrop,
	                                err);
}

/* Other bytes under an id that some row has: its ids prove little. */
static bool
note_reuse(struct sled_box *box, struct sled_err *err)
{
	const struct sled_item *it = &box->listing->items[box->current];
	struct sled_row_copy copy = { .found = false };
	struct sled_ledger *ledger = box->store->ledger;

	if (box->maildrop.reuses_ids || (it->flags & SLED_ITEM_NOID) != 0 ||
	    (it->flags & SLED_ITEM_SHORT) != 0)
		return true;
	if (!sled_ledger_by_uid(ledger, box->maildrop.id,
	                        sled_listing_uid_of(box->listing, box->current),
	                        sled_row_take, &copy, err))
		return false;
	return !copy.found || sled_box_reuses(box, err);
}

static bool
keep_whole(struct sled_box *box, const struct sled_digest *digest,
           unsigned flags, struct sled_err *err)
{
	struct sled_record record;

	if (!sled_spool_end(box->spool, &digest->sha256, &record, err))
		return false;
	box->listing->items[box->current].flags |= SLED_ITEM_RETRIEVED;
	box->unsynced = true;
	if (sled_batch_add(&box->pending, &record, digest, flags, box->current,
	                   err))
		return true;
	box->spool_kept = true; /* it is in no batch: for the next start */
	return false;
}

static bool
note_current(const struct sled_box *box, struct sled_buf *items,
             struct sled_err *err)
{
	uint32_t item = (uint32_t)box->current;

	return sled_buf_add(items, &item, sizeof(item), err);
}

bool
sled_box_short(struct sled_box *box, size_t item, uint32_t *counted,
               struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[item];

	if (it->row == 0 || (it->flags & SLED_ITEM_SHORT) != 0)
		return true;
	it->flags |= SLED_ITEM_SHORT;
	if (counted != NULL && *counted > 0)
		--*counted;
	return sled_ledger_set_flags(box->store->ledger, it->row,
	                             SLED_MESSAGE_SHORT, 0, err);
}

bool
sled_box_reconsider(struct sled_box *box, struct sled_err *err)
{
	bool tells = sled_box_tells(&box->maildrop);
	uint32_t item;

	for (size_t at = 0; tells && at < box->odd.len; at += sizeof(item)) {
		memcpy(&item, box->odd.data + at, sizeof(item));
		if (!sled_box_short(box, item, &box->maildrop.loose, err))
			return false;
	}
	return true;
}

static bool
accept_new(struct sled_box *box, const struct sled_digest *digest, bool alike,
           struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[box->current];
	unsigned flags = it->flags & SLED_ITEM_NOID ? SLED_MESSAGE_NOID : 0;

	if (!note_reuse(box, err))
		return false;
	it->row = 0;
	it->flags &= (uint8_t)~SLED_ITEM_SHORT;
	if (sled_box_is_short(&box->maildrop, digest, it->size)) {
		flags |= SLED_MESSAGE_SHORT;
		it->flags |= SLED_ITEM_SHORT;
	} else {
		uint32_t loose = box->maildrop.loose;

		sled_box_learn(&box->maildrop, digest, it->size);
		/* Octets that are not those listed, nor less by one a line,
		 * before it is known how this server counts. */
		if (box->maildrop.loose > loose &&
		    !note_current(box, &box->odd, err))
			return false;
		alike = alike || (box->maildrop.loose > loose &&
		                  sled_stray_is(box, digest));
		if (alike)
			flags |= SLED_MESSAGE_DOUBTFUL; /* until it is shown */
	}
	return keep_whole(box, digest, flags, err);
}

void
sled_box_note(struct sled_box *box, const struct sled_digest *digest)
{
	box->echoed =
	    box->echoed || sled_hash_equal(&box->came, &digest->sha256);
	box->came = digest->sha256;
}

/* Did it come before, and was perhaps another one? */
static bool
was_in_doubt(const struct sled_box *box)
{
	const struct sled_item *it = &box->listing->items[box->current];

	return it->row != 0 && sled_is_claimed(&box->asked, it->row);
}

/* ... and was not what is listed? */
static bool
is_again(const struct sled_box *box, const struct twin *twin)
{
	const struct sled_item *it = &box->listing->items[box->current];

	return (it->flags & SLED_ITEM_SHORT) != 0 ||
	       (twin->copy.found &&
	        (twin->copy.row.flags & SLED_MESSAGE_SHORT) != 0);
}

bool
sled_box_again(const struct sled_box *box, size_t *at, size_t *item)
{
	uint32_t next;

	while (*at < box->again.len) {
		memcpy(&next, box->again.data + *at, sizeof(next));
		*at += sizeof(next);
		*item = next;
		if ((box->listing->items[next].flags & SLED_ITEM_SHORT) != 0)
			return true;
	}
	return false;
}

static bool
accept(struct sled_box *box, struct twin *twin, struct sled_err *err)
{
	const struct sled_digest *digest = twin->digest;
	int64_t own = twin->copy.found ? twin->copy.row.id : 0;
	bool again = is_again(box, twin), found = twin->copy.found;
	bool before = again || was_in_doubt(box);
	struct alike alike;

	if (!find_alike(box, digest, own, before, &alike, err))
		return false;
	if (found ? !accept_twin(box, twin,
	                         alike.found || sled_stray_is(box, digest), err)
	          : !accept_new(box, digest, alike.found, err))
		return false;
	if (again && !note_current(box, &box->again, err))
		return false;
	if (alike.found)
		return sled_stray_alike(box, box->current, !before, err) &&
		       (alike.item == SIZE_MAX ||
		        sled_stray_alike(box, alike.item, true, err));
	return sled_stray_note(box, digest, !found, err);
}

bool
sled_box_end(struct sled_box *box, struct sled_err *err)
{
	struct sled_digest digest = sled_intake_end(box->intake);
	struct twin twin;

	box->counted = sled_box_count(&box->maildrop, &digest);
	sled_box_note(box, &digest);
	if (!find_twin(box, &digest, &twin, err) || !accept(box, &twin, err))
		return false;
	box->sums.fetched++;
	box->sums.mail_bytes += digest.octets;
	return true;
}

uint64_t
sled_box_counted(const struct sled_box *box)
{
	return box->counted;
}

bool
sled_box_echoed(const struct sled_box *box)
{
	return box->echoed;
}

void
sled_box_cancel(struct sled_box *box)
{
	struct sled_err err = { 0 };

	if (box->spool != NULL && !sled_spool_abort(box->spool, &err))
		sled_store_say(box->store, "%s", err.text);
}
