/*
 * match.c - is a listed message one that is stored? (STORE.md, "Is it the
 * same message?")
 *
 * A unique-id is a claim [S1]. It is believed together with a size that the row is
 * known to have been listed with, while the row is not gone. In every other
 * case the header block decides, by one TOP; also for a row that was rebuilt
 * and is about to be deleted, for a maildrop that was seen to reuse ids, and
 * after a DELE whose QUIT was not answered: there the id may be another's now.
 */
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

/* ---- the listing ---- */

bool
sled_listing_new(struct sled_listing *listing, size_t len, struct sled_err *err)
{
	*listing = (struct sled_listing){ 0 };
	listing->items = calloc(len + 1, sizeof(*listing->items));
	if (listing->items == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "listing");
	listing->len = len;
	return sled_buf_add(&listing->uids, "", 1, err);
}

void
sled_listing_free(struct sled_listing *listing)
{
	free(listing->items);
	sled_buf_free(&listing->uids);
	*listing = (struct sled_listing){ 0 };
}

bool
sled_listing_size(struct sled_listing *listing, uint32_t msg, uint64_t size,
                  struct sled_err *err)
{
	struct sled_item *item;

	if (msg == 0 || msg > listing->len)
		return sled_fail(err, SLED_ERR_PROTO,
		                 "LIST names message %lu of %zu",
		                 (unsigned long)msg, listing->len);
	item = &listing->items[msg - 1];
	item->size = size;
	item->verdict = SLED_ITEM_NEW;
	if (item->uid == 0)
		item->flags |= SLED_ITEM_NOID;
	return true;
}

/* RFC 1939, section 7: 1 to 70 octets of 0x21 to 0x7E. */
static bool
is_usable(struct sled_span uid)
{
	for (size_t i = 0; i < uid.len; i++)
		if (uid.data[i] < 0x21 || uid.data[i] > 0x7e)
			return false;
	return uid.len > 0 && uid.len <= SLED_UID_MAX;
}

bool
sled_listing_uid(struct sled_listing *listing, uint32_t msg,
                 struct sled_span uid, struct sled_err *err)
{
	struct sled_item *item;

	if (msg == 0 || msg > listing->len)
		return sled_fail(err, SLED_ERR_PROTO,
		                 "UIDL names message %lu of %zu",
		                 (unsigned long)msg, listing->len);
	listing->has_uidl = true;
	item = &listing->items[msg - 1];
	if (item->uid != 0) { /* two ids for one message: none */
		item->flags |= SLED_ITEM_NOID;
		return true;
	}
	if (!is_usable(uid))
		return true;
	item->uid = (uint32_t)listing->uids.len;
	item->flags &= (uint8_t)~SLED_ITEM_NOID;
	return sled_buf_add(&listing->uids, uid.data, uid.len, err) &&
	       sled_buf_add(&listing->uids, "", 1, err);
}

const char *
sled_listing_uid_of(const struct sled_listing *listing, size_t i)
{
	return listing->uids.data + listing->items[i].uid;
}

static int
by_uid(const void *a, const void *b, void *ctx)
{
	const struct sled_listing *listing = ctx;

	return strcmp(sled_listing_uid_of(listing, *(const uint32_t *)a),
	              sled_listing_uid_of(listing, *(const uint32_t *)b));
}

bool
sled_listing_order(struct sled_listing *listing, uint32_t **order, size_t *len,
                   struct sled_err *err)
{
	*len = 0;
	*order = calloc(listing->len + 1, sizeof(**order));
	if (*order == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "listing");
	for (size_t i = 0; i < listing->len; i++)
		if (listing->items[i].uid != 0)
			(*order)[(*len)++] = (uint32_t)i;
	qsort_r(*order, *len, sizeof(**order), by_uid, listing);
	return true;
}

/* An id that is listed twice identifies nothing [S2]; its text stays until
 * disown_doubles(). */
static bool
drop_doubles(struct sled_listing *listing, struct sled_err *err)
{
	uint32_t *order;
	size_t len;

	if (!sled_listing_order(listing, &order, &len, err))
		return false;
	for (size_t i = 1; i < len; i++)
		if (by_uid(&order[i - 1], &order[i], listing) == 0) {
			listing->items[order[i - 1]].flags |= SLED_ITEM_NOID;
			listing->items[order[i]].flags |= SLED_ITEM_NOID;
		}
	free(order);
	return true;
}

/* ---- one item ---- */

struct candidate {
	struct sled_box *box;
	const char *uid;
	uint64_t size;
	struct sled_row_copy best; /* the newest, or the one that fits */
	bool fits;                 /* needs no proof by what it is called */
};

/* An id that the row had before it took another may be another's by now. Of
 * a row rebuilt from an archive it is not known which came last. */
static bool
is_its_id(const struct candidate *c, const struct sled_message *row)
{
	const unsigned mask = SLED_MESSAGE_REBUILT | SLED_MESSAGE_PROVED;

	return strcmp(row->uid, c->uid) == 0 ||
	       (row->flags & mask) == SLED_MESSAGE_REBUILT;
}

static bool
take_candidate(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct candidate *c = ctx;
	bool known = false;

	if (c->fits || sled_is_claimed(&c->box->claims, row->id))
		return true;
	if (!sled_ledger_known_size(c->box->store->ledger, row->id, c->size,
	                            &known, err))
		return false;
	c->fits = known && row->gone == 0 && is_its_id(c, row);
	return (c->best.found && !c->fits) || sled_row_take(&c->best, row, err);
}

static bool
is_spooled(const struct sled_box *box, size_t item)
{
	const struct sled_store *store = box->store;

	for (size_t i = 0; i < store->spooled_len; i++)
		if (store->spooled[i].maildrop == box->maildrop.id &&
		    store->spooled[i].listed ==
		        box->listing->items[item].size &&
		    strcmp(store->spooled[i].uid,
		           sled_listing_uid_of(box->listing, item)) == 0)
			return true;
	return false;
}

/* A header block tells; without one only the bytes do, by RETR. */
static void
ask_for_proof(struct sled_item *it, const struct sled_message *row)
{
	if (row->head_octets > 0)
		it->verdict = SLED_ITEM_PROVE;
}

static bool
is_listed(void *ctx, const struct sled_item *it)
{
	(void)ctx;
	return it->verdict != SLED_ITEM_ABSENT;
}

const struct sled_sizes *
sled_box_sizes(struct sled_box *box)
{
	if (!box->sized)
		sled_sizes_new(&box->sizes, box->listing, is_listed, NULL);
	box->sized = true;
	return &box->sizes;
}

static void
judge_fit(struct sled_box *box, struct sled_item *it,
          const struct sled_message *row)
{
	bool due = row->received <= box->delete_until;
	bool stale = (row->flags & SLED_MESSAGE_REBUILT) != 0 &&
	             (row->flags & SLED_MESSAGE_PROVED) == 0;

	if (row->flags & SLED_MESSAGE_SHORT) {
		it->flags |= SLED_ITEM_SHORT; /* fetched once more */
		return;
	}
	if (box->maildrop.reuses_ids || row->dele_sent != 0 ||
	    (row->flags & SLED_IN_DOUBT) != 0 || (stale && due)) {
		ask_for_proof(it, row);
		return;
	}
	it->verdict = SLED_ITEM_STORED;
	if (due)
		it->flags |= SLED_ITEM_DUE;
}

static bool
note_listed(struct sled_box *box, struct sled_message *row,
            struct sled_err *err)
{
	if (row->on_server)
		return true;
	row->on_server = true;
	return sled_ledger_message_update(box->store->ledger, row, err);
}

/* No other item is to be proved by a row whose own id is asked about. */
static bool
note_asked(struct sled_box *box, const struct sled_message *row,
           struct sled_err *err)
{
	if ((row->flags & SLED_IN_DOUBT) == 0)
		return true;
	if (box->asked.cap == 0 &&
	    !sled_claims_reserve(&box->asked, box->listing->len, err))
		return false;
	sled_claim(&box->asked, row->id);
	return true;
}

static bool
judge(struct sled_box *box, size_t item, struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[item];
	struct candidate c = { .box = box,
		               .uid = sled_listing_uid_of(box->listing, item),
		               .size = it->size };

	if (it->verdict == SLED_ITEM_ABSENT || (it->flags & SLED_ITEM_NOID))
		return true;
	if (!sled_ledger_by_uid(box->store->ledger, box->maildrop.id, c.uid,
	                        take_candidate, &c, err))
		return false;
	if (!c.best.found) {
		if (is_spooled(box, item))
			it->verdict = SLED_ITEM_SPOOLED;
		return true;
	}
	it->row = c.best.row.id;
	if (c.fits)
		judge_fit(box, it, &c.best.row);
	else
		ask_for_proof(it, &c.best.row);
	if (it->verdict != SLED_ITEM_STORED)
		return note_asked(box, &c.best.row, err);
	sled_claim(&box->claims, it->row);
	return note_listed(box, &c.best.row, err);
}

bool
sled_box_standing(struct sled_box *box, const char *uid, uint64_t size,
                  int64_t delete_until, enum sled_standing *out,
                  struct sled_err *err)
{
	struct candidate c = { .box = box, .uid = uid, .size = size };
	const struct sled_message *row = &c.best.row;

	if (!sled_ledger_by_uid(box->store->ledger, box->maildrop.id, uid,
	                        take_candidate, &c, err))
		return false;
	if (!c.best.found)
		*out = sled_held_decided(box, uid, size) ? SLED_STANDING_OPEN
		                                         : SLED_STANDING_NEW;
	else if (!c.fits || box->maildrop.reuses_ids || row->dele_sent != 0 ||
	         (row->flags & (SLED_MESSAGE_SHORT | SLED_IN_DOUBT)) != 0 ||
	         row->received <= delete_until)
		*out = SLED_STANDING_OPEN;
	else
		*out = SLED_STANDING_SETTLED;
	return true;
}

/* ---- ids that are listed twice ---- */

/* The newest row whose own id it is. */
static bool
take_owner(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct sled_row_copy *copy = ctx;

	return copy->found || row->gone != 0 || row->uid[0] == '\0' ||
	       sled_row_take(copy, row, err);
}

/* From now on the row is found by this id, but believed by a proof only. */
static bool
disown(struct sled_box *box, const char *uid, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;
	struct sled_row_copy copy = { .found = false };

	if (!sled_ledger_by_uid(ledger, box->maildrop.id, uid, take_owner,
	                        &copy, err))
		return false;
	if (!copy.found || strcmp(copy.row.uid, uid) != 0)
		return true;
	copy.row.uid[0] = '\0';
	copy.row.flags |= SLED_MESSAGE_NOID;
	return sled_ledger_known_put(ledger, copy.row.id, uid, copy.row.listed,
	                             err) &&
	       sled_ledger_message_update(ledger, &copy.row, err);
}

static bool
disown_doubles(struct sled_box *box, struct sled_err *err)
{
	struct sled_listing *listing = box->listing;

	for (size_t i = 0; i < listing->len; i++) {
		struct sled_item *it = &listing->items[i];

		if ((it->flags & SLED_ITEM_NOID) == 0 || it->uid == 0)
			continue;
		if (!disown(box, sled_listing_uid_of(listing, i), err))
			return false;
		it->uid = 0;
	}
	return true;
}

/* ---- rows that the listing lacks ---- */

static int
by_id(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

struct vanished {
	struct sled_box *box;
	int64_t *seen; /* sorted */
	size_t seen_len;

	struct lost {
		int64_t row;
		bool gone; /* else only unseen: it may be here without id */
	} * lost;

	size_t lost_len, lost_cap;
	bool any_noid;
	int64_t last_began;
	size_t kept, kept_gone; /* RETRieved in the last visit, no DELE sent */
};

static bool
add_lost(struct vanished *v, struct lost lost, struct sled_err *err)
{
	if (v->lost_len == v->lost_cap) {
		size_t cap = v->lost_cap == 0 ? 64 : v->lost_cap * 2;
		struct lost *list = realloc(v->lost, cap * sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "listing");
		v->lost = list;
		v->lost_cap = cap;
	}
	v->lost[v->lost_len++] = lost;
	return true;
}

static bool
check_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct vanished *v = ctx;
	const struct sled_listing *listing = v->box->listing;
	bool no_ids = !listing->has_uidl && listing->len > 0;
	bool kept = v->last_began > 0 && row->dele_sent == 0 &&
	            row->received >= v->last_began;
	bool seen = bsearch(&row->id, v->seen, v->seen_len, sizeof(*v->seen),
	                    by_id) != NULL;

	if (no_ids || (v->any_noid && (row->flags & SLED_MESSAGE_NOID) != 0) ||
	    (!seen && sled_box_old_wanted(v->box, row)))
		return seen || !row->on_server ||
		       add_lost(v, (struct lost){ row->id, false }, err);
	v->kept += kept;
	v->kept_gone += kept && !seen;
	return seen || add_lost(v, (struct lost){ row->id, true }, err);
}

static bool
take_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	(void)err;
	if (row->error[0] == '\0')
		*(int64_t *)ctx = row->began;
	return true;
}

static bool
collect_seen(struct vanished *v, struct sled_err *err)
{
	const struct sled_listing *listing = v->box->listing;

	v->seen = calloc(listing->len + 1, sizeof(*v->seen));
	if (v->seen == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "listing");
	for (size_t i = 0; i < listing->len; i++) {
		const struct sled_item *it = &listing->items[i];

		if (it->row != 0)
			v->seen[v->seen_len++] = it->row;
		v->any_noid = v->any_noid || it->verdict == SLED_ITEM_ABSENT ||
		              (it->flags & SLED_ITEM_NOID) != 0;
	}
	qsort(v->seen, v->seen_len, sizeof(*v->seen), by_id);
	return true;
}

static bool
note_vanished(struct sled_box *box, int64_t now, struct sled_err *err)
{
	struct vanished v = { .box = box };
	struct sled_ledger *ledger = box->store->ledger;
	bool ok =
	    collect_seen(&v, err) &&
	    sled_ledger_visits(ledger, box->whose.owner.label, 1, take_visit,
	                       &v.last_began, err) &&
	    sled_ledger_live(ledger, box->maildrop.id, check_row, &v, err);

	for (size_t i = 0; ok && i < v.lost_len; i++)
		ok = v.lost[i].gone
		         ? sled_box_is_gone(box, v.lost[i].row, now, err)
		         : sled_ledger_set_on_server(ledger, v.lost[i].row,
		                                     false, err);
	/* No kill may make us forget it: its rows tell no more. */
	if (ok && v.kept > 0 && v.kept == v.kept_gone) {
		box->maildrop.drops_retrieved = true;
		ok = sled_ledger_maildrop_put(ledger, &box->maildrop, err);
	}
	free(v.seen);
	free(v.lost);
	return ok;
}

static bool
apply_listing(struct sled_box *box, int64_t now, struct sled_err *err)
{
	struct sled_listing *listing = box->listing;

	if (!disown_doubles(box, err) || !sled_box_unheard(box, err))
		return false;
	for (size_t i = 0; i < listing->len; i++)
		if (!judge(box, i, err))
			return false;
	return sled_box_renumbered(box, err) && sled_stays_match(box, err) &&
	       note_vanished(box, now, err);
}

/* The days of trial count from here, though this run be killed; but not from a
 * day of 1970, or they would be over as soon as the clock is right. */
static bool
note_first(struct sled_box *box, int64_t now, struct sled_err *err)
{
	if (box->maildrop.first_visit != 0 || sled_clock_doubtful(now))
		return true;
	box->maildrop.first_visit = now;
	return sled_ledger_maildrop_put(box->store->ledger, &box->maildrop,
	                                err);
}

bool
sled_box_listed(struct sled_box *box, struct sled_listing *listing,
                int64_t delete_until, int64_t now, struct sled_err *err)
{
	box->listing = listing;
	box->delete_until = delete_until;
	box->listed_at = now;
	if (!sled_claims_reserve(&box->claims, listing->len, err) ||
	    !drop_doubles(listing, err) ||
	    !sled_ledger_begin(box->store->ledger, err))
		return false;
	if (!note_first(box, now, err) || !apply_listing(box, now, err) ||
	    !sled_held_listed(box, now, err) || !sled_asides_listed(box, err)) {
		sled_ledger_drop(box->store->ledger);
		return false;
	}
	return sled_ledger_commit(box->store->ledger, err);
}

/* ---- proofs ---- */

struct proof {
	const struct sled_box *box;
	const struct sled_digest *top;
	uint64_t size; /* as listed */
	bool grown;    /* it is longer than the row of its header */
	struct sled_row_copy copy;
};

/* From a server that is exact: more is listed than there is of it here, though
 * all fields that servers rewrite be new. It was listed while it was delivered,
 * or came cut. */
static bool
is_grown(const struct proof *proof, const struct sled_message *row)
{
	const struct sled_digest *top = proof->top;
	uint64_t rewritten =
	    top->octets > top->head_octets ? top->octets - top->head_octets : 0;

	return sled_box_is_exact(&proof->box->maildrop) &&
	       proof->size > row->octets + rewritten;
}

static bool
hold_against(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct proof *proof = ctx;

	if (proof->copy.found || row->head_octets == 0 ||
	    sled_is_claimed(&proof->box->claims, row->id) ||
	    !sled_hash_equal(&row->head_sha256, &proof->top->head_sha256))
		return true;
	if (!is_grown(proof, row))
		return sled_row_take(&proof->copy, row, err);
	proof->grown = true;
	return true;
}

static bool
find_proved(struct sled_box *box, size_t item, struct proof *proof,
            struct sled_err *err)
{
	const struct sled_item *it = &box->listing->items[item];
	struct sled_ledger *ledger = box->store->ledger;

	if (proof->top == NULL || proof->top->head_octets == 0)
		return true;
	if ((it->flags & SLED_ITEM_NOID) != 0)
		return sled_stays_each(box, item, &proof->top->head_sha256,
		                       hold_against, proof, err);
	return sled_ledger_by_id(ledger, it->row, hold_against, proof, err) &&
	       sled_ledger_by_uid(ledger, box->maildrop.id,
	                          sled_listing_uid_of(box->listing, item),
	                          hold_against, proof, err) &&
	       (proof->copy.found ||
	        sled_box_old(box, it->size, &proof->top->head_sha256,
	                     hold_against, proof, err));
}

static bool
settle_waiting(struct sled_box *box, size_t item, struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[item];
	struct sled_row_copy copy = { .found = false };

	if (it->verdict != SLED_ITEM_WAITS)
		return true;
	if (box->proof_failed) {
		it->verdict = SLED_ITEM_PROVE;
		return true;
	}
	if (!sled_ledger_by_id(box->store->ledger, it->row, sled_row_take,
	                       &copy, err))
		return false;
	if (copy.found && !sled_is_claimed(&box->claims, copy.row.id))
		return sled_box_same(box, item, &copy.row, err);
	it->verdict = SLED_ITEM_NEW;
	return true;
}

static bool
settle_all(struct sled_box *box, struct sled_err *err)
{
	for (size_t i = 0; i < box->listing->len; i++)
		if (!settle_waiting(box, i, err))
			return false;
	return true;
}

/* Of a sample that is not the row in its place. */
static bool
look_elsewhere(struct sled_box *box, size_t item, struct proof *proof,
               struct sled_err *err)
{
	return sled_box_disorder(box, err) &&
	       (proof->copy.found || find_proved(box, item, proof, err));
}

/* A header of the row that has this id was not another message's. */
static bool
has_moved(const struct sled_box *box, size_t item,
          const struct sled_message *row)
{
	return (box->listing->items[item].flags & SLED_ITEM_NOID) != 0 ||
	       strcmp(row->uid, sled_listing_uid_of(box->listing, item)) != 0;
}

static bool
apply_proof(struct sled_box *box, size_t item, const struct sled_digest *top,
            struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[item];
	struct proof proof = { .box = box, .top = top, .size = it->size };
	int64_t asked = it->row;

	if (!find_proved(box, item, &proof, err))
		return false;
	if ((it->flags & SLED_ITEM_SAMPLE) != 0 &&
	    (!proof.copy.found || proof.copy.row.id != it->row) &&
	    !look_elsewhere(box, item, &proof, err))
		return false;
	it->moved = proof.copy.found && has_moved(box, item, &proof.copy.row);
	if (!proof.copy.found) {
		it->verdict = SLED_ITEM_NEW;
		if (proof.grown)
			it->flags |= SLED_ITEM_SHORT; /* fetched once more */
	} else if (!sled_box_same(box, item, &proof.copy.row, err) ||
	           (it->row != asked && sled_is_claimed(&box->asked, asked) &&
	            !sled_box_reuses(box, err))) {
		return false;
	}
	if ((it->flags & SLED_ITEM_SAMPLE) == 0)
		return true;
	it->flags &= (uint8_t)~SLED_ITEM_SAMPLE;
	return --box->samples > 0 || settle_all(box, err);
}

bool
sled_box_proof(struct sled_box *box, size_t item, const struct sled_digest *top,
               int64_t now, struct sled_err *err)
{
	(void)now;
	if (top != NULL)
		sled_box_note(box, top);
	box->listing->items[item].flags |= SLED_ITEM_TOPPED;
	if (!sled_ledger_begin(box->store->ledger, err))
		return false;
	if (!apply_proof(box, item, top, err)) {
		sled_ledger_drop(box->store->ledger);
		return false;
	}
	return sled_ledger_commit(box->store->ledger, err);
}
