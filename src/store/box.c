/*
 * box.c - one visit to one maildrop: open, what is known of an item, commits,
 * close. match.c says what is new, arrive.c takes it in, recheck.c says what is
 * safe, gone.c what may be deleted. See mailsled/store.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

#define JOURNAL_FLUSH (256u << 10)
#define HABIT_ROWS    64

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

/* Two octets more may be a line end that was added, or the lines, which nobody
 * knows any more: they tell nothing. */
static bool
take_habit(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	const unsigned mute = SLED_MESSAGE_SHORT | SLED_MESSAGE_IMPORTED;
	struct sled_maildrop *habit = ctx;

	(void)err;
	if (row->maildrop != habit->id || (row->flags & mute) != 0 ||
	    row->octets == 0 || row->octets == row->listed + 2)
		return true;
	habit->exact += row->octets == row->listed;
	habit->loose += row->octets != row->listed;
	return true;
}

/* A ledger that was made anew knows no habit: was what is here as it was listed?
 * Then what is not is cut, though its header proves it [S3]. */
static bool
learn_anew(struct sled_box *box, const char *label, struct sled_err *err)
{
	const struct sled_message_query query = { .label = label,
		                                  .limit = HABIT_ROWS };
	struct sled_maildrop *maildrop = &box->maildrop;
	struct sled_maildrop habit = { .id = maildrop->id };

	if (maildrop->exact + maildrop->lf_counted + maildrop->loose > 0)
		return true;
	if (!sled_ledger_messages(box->store->ledger, &query, take_habit,
	                          &habit, err))
		return false;
	if (sled_box_is_exact(&habit))
		maildrop->exact = habit.exact;
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
	    !sled_ledger_messages(ledger, &query, sled_row_take, &newest,
	                          err) ||
	    !learn_anew(box, owner->label, err))
		return false;
	/* Of a clock that was wrong: the days of trial are still to come. */
	if (sled_clock_doubtful(box->maildrop.first_visit))
		box->maildrop.first_visit = 0;
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
	sled_buf_free(&box->again);
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
	char number[24], size[24], hex[SLED_HASH_HEX];
	const char *fields[] = { row->label, number,
		                 sled_listing_uid_of(box->listing, item), size,
		                 hex };

	sled_hash_hex(hex, &row->sha256);
	(void)snprintf(number, sizeof(number), "%llu",
	               (unsigned long long)row->number);
	(void)snprintf(size, sizeof(size), "%llu",
	               (unsigned long long)box->listing->items[item].size);
	return sled_box_line(box, sled_clock_now(), "known", fields, 5, err);
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

	/* Neither by DELE nor by a QUIT that deletes what was RETRieved. */
	it->flags &= (uint8_t) ~(SLED_ITEM_DUE | SLED_ITEM_SAFE);
	return it->row == 0 ||
	       sled_ledger_set_flags(box->store->ledger, it->row,
	                             SLED_MESSAGE_DOUBTFUL, 0, err);
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
