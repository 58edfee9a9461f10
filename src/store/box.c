/*
 * box.c - one visit to one maildrop: messages in, commits, what is gone.
 * match.c says what is new; recheck.c what is safe. See mailsled/store.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/store.h"

#define JOURNAL_FLUSH (256u << 10)
#define HABIT_LEAST   3 /* messages of other sizes than octets make a habit */

bool
sled_row_take(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct sled_row_copy *copy = ctx;
	const struct sled_span none = { "", 0 };

	(void)err;
	copy->row = *row;
	copy->row.from = copy->row.subject = copy->row.date = none;
	copy->found = true;
	return true;
}

/* A message without a final line end gets one on the wire: Dovecot lists it
 * two octets short of what it sends. */
static bool
is_exact(uint64_t octets, uint64_t listed)
{
	return octets == listed || octets == listed + 2;
}

/* Counted with bare LF; of one without a final line end one octet less. */
static bool
is_lf_counted(const struct sled_digest *digest, uint64_t listed)
{
	uint64_t counted = digest->octets - digest->lines;

	return counted == listed || counted == listed + 1;
}

/* One alone may be so by chance, where a reply is another message's. */
bool
sled_box_counts_lf(const struct sled_maildrop *maildrop)
{
	return maildrop->lf_counted >= HABIT_LEAST &&
	       maildrop->lf_counted > maildrop->exact + maildrop->loose;
}

bool
sled_box_is_loose(const struct sled_maildrop *maildrop)
{
	return maildrop->loose >= HABIT_LEAST &&
	       maildrop->loose > maildrop->exact + maildrop->lf_counted;
}

static uint64_t
counted(const struct sled_maildrop *maildrop, const struct sled_digest *digest)
{
	return sled_box_counts_lf(maildrop) ? digest->octets - digest->lines
	                                    : digest->octets;
}

/*
 * Not the octets that this server's habit allows [S3]. Longer counts too: a server
 * that ends a body without a line end of its own makes the next reply part of
 * it, and where a reply comes too often it begins the next message. Both are
 * doubtful as soon as what came was exact, fewer octets where most was: a habit
 * of many comes too late for a first visit that deletes. So it is where lines are
 * counted as one octet less.
 */
bool
sled_box_is_short(const struct sled_maildrop *maildrop,
                  const struct sled_digest *digest, uint64_t listed)
{
	bool lf = sled_box_counts_lf(maildrop);
	uint32_t habit = lf ? maildrop->lf_counted : maildrop->exact;
	uint32_t others =
	    (lf ? maildrop->exact : maildrop->lf_counted) + maildrop->loose;

	if (counted(maildrop, digest) < listed)
		return habit > others;
	return habit > 0 && others == 0 &&
	       !(lf ? is_lf_counted(digest, listed)
	            : is_exact(digest->octets, listed));
}

/* Empty, or of two lines: that fits either way of counting. */
static bool
fits_both(const struct sled_digest *digest, uint64_t listed)
{
	return digest->octets == 0 ||
	       (digest->octets != listed && is_lf_counted(digest, listed));
}

void
sled_box_learn(struct sled_maildrop *maildrop, const struct sled_digest *digest,
               uint64_t listed)
{
	if (is_exact(digest->octets, listed) && fits_both(digest, listed))
		return;
	if (is_exact(digest->octets, listed))
		maildrop->exact++;
	else if (is_lf_counted(digest, listed))
		maildrop->lf_counted++;
	else
		maildrop->loose++;
}

/* ---- open ---- */

bool
sled_whose_keep(struct sled_whose *whose, char **names,
                const struct sled_spool_owner *owner, struct sled_err *err)
{
	size_t label = strlen(owner->label) + 1;
	size_t server = strlen(owner->server) + 1;
	size_t user = strlen(owner->user) + 1;
	char *copy = malloc(label + server + user);

	if (copy == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "names of a maildrop");
	memcpy(copy, owner->label, label);
	memcpy(copy + label, owner->server, server);
	memcpy(copy + label + server, owner->user, user);
	free(*names);
	*names = copy;
	whose->owner = (struct sled_spool_owner){ copy, copy + label,
		                                  copy + label + server };
	return true;
}

static bool
open_parts(struct sled_box *box, const struct sled_spool_owner *owner,
           int64_t now, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;
	struct sled_row_copy newest = { .found = false };
	const struct sled_message_query query = { .label = owner->label,
		                                  .limit = 1 };

	if (!sled_whose_keep(&box->whose, &box->names, owner, err) ||
	    !sled_intake_new(&box->intake, err) ||
	    !sled_ledger_maildrop(ledger, owner->server, owner->user,
	                          &box->maildrop, err) ||
	    !sled_box_peer_load(box, err) || !sled_held_load(box, err) ||
	    !sled_ledger_messages(ledger, &query, sled_row_take, &newest, err))
		return false;
	box->whose.maildrop = box->maildrop.id;
	box->loose = sled_box_is_loose(&box->maildrop);
	box->last_received = newest.found ? newest.row.received : 0;
	return sled_volume_turn_if_due(box->store, owner->label, now, err);
}

static void
free_box(struct sled_box **box_p)
{
	struct sled_box *box = *box_p;

	sled_batch_free(&box->pending);
	sled_batch_free(&box->job);
	sled_recount_free(&box->recount);
	sled_intake_free(&box->intake);
	sled_spool_close(&box->spool);
	sled_buf_free(&box->journal);
	sled_buf_free(&box->odd);
	sled_buf_free(&box->strays);
	sled_claims_free(&box->claims);
	sled_claims_free(&box->asked);
	free(box->olds.list);
	sled_held_free(box);
	sled_asides_free(box);
	sled_stays_free(box);
	sled_sizes_free(&box->sizes);
	free(box->names);
	free(box);
	*box_p = NULL;
}

bool
sled_box_open(struct sled_box **out, struct sled_store *store,
              const struct sled_spool_owner *owner, int64_t now,
              struct sled_err *err)
{
	struct sled_box *box = calloc(1, sizeof(*box));

	if (box == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "visit");
	box->store = store;
	box->delete_until = INT64_MIN;
	box->sums.unsafe_why = "";
	if (!open_parts(box, owner, now, err)) {
		free_box(&box);
		return false;
	}
	*out = box;
	return true;
}

struct sled_maildrop *
sled_box_maildrop(struct sled_box *box)
{
	return &box->maildrop;
}

/* ---- what is known of an item ---- */

/* Lines go to the places when they are many, so that memory is flat; but not
 * beside a job, which writes there. */
bool
sled_box_line(struct sled_box *box, int64_t now, const char *kind,
              const char *const *fields, size_t len, struct sled_err *err)
{
	if (!sled_journal_line(&box->journal, now, kind, fields, len, err))
		return false;
	if (box->journal.len < JOURNAL_FLUSH || box->job_taken)
		return true;
	if (!sled_journal_add(box->store, sled_buf_span(&box->journal), now,
	                      err))
		return false;
	sled_buf_shift(&box->journal, box->journal.len);
	return true;
}

static bool
journal_known(struct sled_box *box, size_t item, const struct sled_message *row,
              struct sled_err *err)
{
	char number[24], size[24];
	const char *fields[] = { row->label, number,
		                 sled_listing_uid_of(box->listing, item),
		                 size };

	(void)snprintf(number, sizeof(number), "%llu",
	               (unsigned long long)row->number);
	(void)snprintf(size, sizeof(size), "%llu",
	               (unsigned long long)box->listing->items[item].size);
	return sled_box_line(box, sled_clock_now(), "known", fields, 4, err);
}

static bool
note_known(struct sled_box *box, size_t item, const struct sled_message *row,
           struct sled_err *err)
{
	const struct sled_item *it = &box->listing->items[item];
	const char *uid = sled_listing_uid_of(box->listing, item);
	bool known = false, same_uid = *uid == '\0' || !strcmp(uid, row->uid);

	if (!sled_ledger_known_size(box->store->ledger, row->id, it->size,
	                            &known, err))
		return false;
	if (known && same_uid)
		return true;
	/* The id that it had leads to it still, but to be proved. */
	if (!same_uid && row->uid[0] != '\0' &&
	    !sled_ledger_known_put(box->store->ledger, row->id, row->uid,
	                           row->listed, err))
		return false;
	return sled_ledger_known_put(box->store->ledger, row->id, uid, it->size,
	                             err) &&
	       journal_known(box, item, row, err);
}

/* What the row becomes now that it was listed under this item's id. */
static struct sled_message
listed_row(const struct sled_box *box, size_t item,
           const struct sled_message *row)
{
	const char *uid = sled_listing_uid_of(box->listing, item);
	struct sled_message now = *row;

	if (*uid != '\0') {
		(void)snprintf(now.uid, sizeof(now.uid), "%s", uid);
		now.flags &= ~(unsigned)SLED_MESSAGE_NOID;
	}
	now.on_server = true;
	now.gone = 0;
	now.dele_sent = 0;
	now.flags &= ~(unsigned)(SLED_MESSAGE_UNSEEN | SLED_IN_DOUBT);
	now.flags |= SLED_MESSAGE_PROVED;
	return now;
}

static bool
is_changed(const struct sled_message *now, const struct sled_message *was)
{
	return now->gone != was->gone || now->dele_sent != was->dele_sent ||
	       now->flags != was->flags || now->on_server != was->on_server ||
	       strcmp(now->uid, was->uid) != 0;
}

bool
sled_box_same(struct sled_box *box, size_t item, const struct sled_message *row,
              struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[item];
	struct sled_message now = listed_row(box, item, row);
	bool is_short = (row->flags & SLED_MESSAGE_SHORT) != 0;

	it->row = row->id;
	it->verdict = is_short ? SLED_ITEM_NEW : SLED_ITEM_STORED;
	if (is_short) {
		it->flags |= SLED_ITEM_SHORT; /* fetched once more */
	} else {
		sled_claim(&box->claims, row->id);
		if (row->received <= box->delete_until)
			it->flags |= SLED_ITEM_DUE;
	}
	return note_known(box, item, row, err) &&
	       (!is_changed(&now, row) ||
	        sled_ledger_message_update(box->store->ledger, &now, err));
}

bool
sled_box_in_doubt(const struct sled_box *box, size_t item)
{
	const struct sled_item *it = &box->listing->items[item];

	return it->verdict != SLED_ITEM_STORED &&
	       (it->flags & SLED_ITEM_RETRIEVED) == 0 && it->row != 0 &&
	       sled_is_claimed(&box->asked, it->row);
}

bool
sled_box_doubt(struct sled_box *box, size_t item, struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[item];
	struct sled_row_copy copy = { .found = false };
	struct sled_ledger *ledger = box->store->ledger;

	/* Neither by DELE nor by a QUIT that deletes what was RETRieved. */
	it->flags &= (uint8_t) ~(SLED_ITEM_DUE | SLED_ITEM_SAFE);
	if (it->row == 0)
		return true;
	if (!sled_ledger_by_id(ledger, it->row, sled_row_take, &copy, err))
		return false;
	copy.row.flags |= SLED_MESSAGE_DOUBTFUL;
	return !copy.found ||
	       sled_ledger_message_update(ledger, &copy.row, err);
}

/* ---- one message on its way in ---- */

/* Never ahead of the clock, nor behind the last receipt if it is in doubt. */
static int64_t
received_at(struct sled_box *box, int64_t now)
{
	if (sled_clock_doubtful(now) || now < box->last_received)
		now = box->last_received > 0 ? box->last_received : now;
	box->last_received = now;
	return now < 0 ? 0 : now;
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
	return sled_spool_begin(box->spool, uid, it->size,
	                        received_at(box, now), err);
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
accept_twin(struct sled_box *box, struct twin *twin, struct sled_err *err)
{
	bool stray = sled_stray_is(box, twin->digest);
	struct sled_item *it = &box->listing->items[box->current];
	struct sled_message *row = &twin->copy.row;
	bool was_short = (row->flags & SLED_MESSAGE_SHORT) != 0;

	if (was_short && !stray)
		say_short(box, row);
	if (was_short && !sled_stray_is(box, twin->digest) &&
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
	    (stray && !sled_stray_mark(box, row->id, true, err))) {
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

/* Octets that are not those listed, nor less by one a line, before it is known
 * how this server counts: to be judged when it is. */
static bool
note_odd(struct sled_box *box, struct sled_err *err)
{
	uint32_t item = (uint32_t)box->current;

	return sled_buf_add(&box->odd, &item, sizeof(item), err);
}

bool
sled_box_short(struct sled_box *box, size_t item, uint32_t *counted,
               struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[item];
	struct sled_row_copy copy = { .found = false };
	struct sled_ledger *ledger = box->store->ledger;

	if (it->row == 0 || (it->flags & SLED_ITEM_SHORT) != 0)
		return true;
	if (!sled_ledger_by_id(ledger, it->row, sled_row_take, &copy, err))
		return false;
	it->flags |= SLED_ITEM_SHORT;
	copy.row.flags |= SLED_MESSAGE_SHORT;
	if (counted != NULL && *counted > 0)
		--*counted;
	return !copy.found ||
	       sled_ledger_message_update(ledger, &copy.row, err);
}

bool
sled_box_reconsider(struct sled_box *box, struct sled_err *err)
{
	const struct sled_maildrop *maildrop = &box->maildrop;
	bool settled =
	    maildrop->exact > maildrop->lf_counted + maildrop->loose ||
	    sled_box_counts_lf(maildrop);
	uint32_t item;

	for (size_t at = 0; settled && at < box->odd.len; at += sizeof(item)) {
		memcpy(&item, box->odd.data + at, sizeof(item));
		if (!sled_box_short(box, item, &box->maildrop.loose, err))
			return false;
	}
	return true;
}

static bool
accept_new(struct sled_box *box, const struct sled_digest *digest,
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
		if (box->maildrop.loose > loose && !note_odd(box, err))
			return false;
		if (box->maildrop.loose > loose && sled_stray_is(box, digest))
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

bool
sled_box_end(struct sled_box *box, struct sled_err *err)
{
	struct sled_digest digest = sled_intake_end(box->intake);
	struct twin twin;

	box->counted = counted(&box->maildrop, &digest);
	sled_box_note(box, &digest);
	if (!find_twin(box, &digest, &twin, err))
		return false;
	if (twin.copy.found ? !accept_twin(box, &twin, err)
	                    : !accept_new(box, &digest, err))
		return false;
	if (!sled_stray_note(box, &digest, !twin.copy.found, err))
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

/* ---- group commit ---- */

/* How many of the pending messages fill whole members. */
static size_t
full_members(const struct sled_batch *pending, size_t aim)
{
	size_t full = 0, tar = 0;

	for (size_t i = 0; i < pending->len; i++) {
		tar += (size_t)pending->list[i].record.octets + 1024;
		if (tar >= aim) {
			full = i + 1;
			tar = 0;
		}
	}
	return full;
}

/* Move the first LEN pending messages to the job. */
static bool
take_job(struct sled_box *box, size_t len)
{
	struct sled_batch rest = { .len = box->pending.len - len };

	if (rest.len > 0) {
		rest.cap = rest.len;
		rest.list = malloc(rest.len * sizeof(*rest.list));
		if (rest.list == NULL)
			return false;
		memcpy(rest.list, box->pending.list + len,
		       rest.len * sizeof(*rest.list));
	}
	box->job = box->pending;
	box->job.len = len;
	box->pending = rest;
	return true;
}

size_t
sled_box_backlog(const struct sled_box *box)
{
	return box->pending.len;
}

bool
sled_box_commit_take(struct sled_box *box, bool flush)
{
	size_t len =
	    flush ? box->pending.len
		  : full_members(&box->pending, sled_member_aim(box->store));

	if (box->spool == NULL || (len == 0 && !box->unsynced) ||
	    box->spool_kept || !take_job(box, len))
		return false;
	box->unsynced = false;
	box->job_taken = true;
	box->job_err = (struct sled_err){ 0 };
	return true;
}

void
sled_box_commit(struct sled_box *box)
{
	struct sled_err err = { 0 };

	if (!sled_commit(box->store, &box->whose, box->spool, box->job.list,
	                 box->job.len, &err))
		box->job_err = err;
}

/* Which place keeps mail from being safe? */
const char *
sled_store_unsafe_why(struct sled_store *store)
{
	const struct sled_seat *missing = NULL;

	for (size_t i = 0; i < store->len; i++)
		if (!sled_seat_usable(&store->seats[i]))
			missing = &store->seats[i];
	if (missing == NULL)
		return "too few places";
	(void)snprintf(store->unsafe_why, sizeof(store->unsafe_why), "%s: %s",
	               missing->place.path, sled_seat_why(missing));
	return store->unsafe_why;
}

void
sled_box_explain(struct sled_box *box)
{
	box->sums.unsafe_kind = SLED_ERR_PLACE;
	box->sums.unsafe_why = sled_store_unsafe_why(box->store);
	box->sums.far_pending = sled_far_will_do(box->store);
}

bool
sled_box_commit_apply(struct sled_box *box, struct sled_err *err)
{
	bool ok = box->job_err.kind == SLED_ERR_NONE;

	for (size_t i = 0; ok && i < box->job.len; i++) {
		const struct sled_pending *done = &box->job.list[i];
		struct sled_item *it = &box->listing->items[done->item];

		it->row = done->row;
		it->verdict = SLED_ITEM_STORED;
		sled_claim(&box->claims, done->row);
		if (done->record.received <= box->delete_until)
			it->flags |= SLED_ITEM_DUE;
		if (done->safe) {
			it->flags |= SLED_ITEM_SAFE;
			box->sums.safe++;
		} else {
			sled_box_explain(box);
		}
	}
	sled_batch_free(&box->job);
	box->job_taken = false;
	if (ok)
		return true;
	box->spool_kept = true;
	box->sums.unsafe_kind = box->job_err.kind;
	box->sums.unsafe_why = box->job_err.text;
	*err = box->job_err;
	return false;
}

struct sled_box_sums
sled_box_sums(const struct sled_box *box)
{
	return box->sums;
}

/* ---- deleting ---- */

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

/* ---- close ---- */

enum {
	VISIT_NUMBERS = 20,
	VISIT_FIELDS = 25
};

static bool
journal_visit(struct sled_box *box, const struct sled_visit_row *v,
              struct sled_err *err)
{
	const unsigned long long values[VISIT_NUMBERS] = {
		(unsigned long long)v->began,
		(unsigned long long)v->ms,
		v->listed,
		v->fetched,
		v->deleted,
		v->kept,
		v->held,
		v->left,
		v->failed,
		v->mail_bytes,
		v->wire_down,
		v->wire_up,
		v->resumed,
		(unsigned long long)v->exit,
		(unsigned long long)v->round,
		(unsigned long long)v->up_ms,
		(unsigned long long)v->alive_ms,
		v->cut,
		v->held_bytes,
		v->left_bytes,
	};
	char texts[VISIT_NUMBERS][24];
	const char *fields[VISIT_FIELDS] = {
		box->whose.owner.label, box->whose.owner.server,
		box->whose.owner.user, [17] = v->error, [19] = v->path
	};

	for (size_t i = 0, at = 3; i < VISIT_NUMBERS; i++, at++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "%llu", values[i]);
		while (fields[at] != NULL)
			at++;
		fields[at] = texts[i];
	}
	return sled_journal_line(&box->journal, v->began, "visit", fields,
	                         VISIT_FIELDS, err);
}

static bool
note_visit(struct sled_box *box, struct sled_visit_row *visit,
           struct sled_err *err)
{
	int64_t now = visit->began + visit->ms / 1000;

	(void)snprintf(visit->label, sizeof(visit->label), "%s",
	               box->whose.owner.label);
	visit->maildrop = box->maildrop.id;
	if (box->listing != NULL)
		box->maildrop.listed_count = (uint32_t)box->listing->len;
	return sled_held_close(box, now, err) && sled_asides_close(box, err) &&
	       sled_stays_close(box, visit->deleted > 0, err) &&
	       sled_ledger_maildrop_put(box->store->ledger, &box->maildrop,
	                                err) &&
	       sled_ledger_visit_put(box->store->ledger, visit, err) &&
	       journal_visit(box, visit, err) &&
	       sled_journal_add(box->store, sled_buf_span(&box->journal), now,
	                        err) &&
	       sled_volume_turn_if_due(box->store, box->whose.owner.label, now,
	                               err);
}

bool
sled_box_close(struct sled_box **box_p, struct sled_visit_row *visit,
               struct sled_err *err)
{
	struct sled_box *box = *box_p;
	bool ok = true;

	if (box == NULL)
		return true;
	if (box->spool != NULL && !box->spool_kept && !box->job_taken &&
	    box->pending.len == 0)
		ok = sled_spool_finish(&box->spool, err);
	if (visit != NULL && !note_visit(box, visit, err))
		ok = false;
	if (visit != NULL)
		sled_box_peer_keep(box);
	free_box(box_p);
	return ok;
}
