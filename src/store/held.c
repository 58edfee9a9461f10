/*
 * held.c - mail that stays on the server until someone decides; see
 * mailsled/store.h.
 *
 * A decision is about one message: unique-id, size and, where it was previewed,
 * its header. `drop` is the one way to delete mail that is not stored, so it
 * holds only for that message: whatever differs at the DELE makes it lapse [D3].
 *
 * States of a decision (row: in the ledger; line: in the journal of each place)
 *   D0  none
 *   D1  line, no row    not done; a rebuild would bring it back
 *   D2  line and row    done at the next visit
 *   D3  DELE accepted   QUIT unanswered: still D2, the next listing tells
 *   D4  no row          QUIT answered, `dropped` follows with the visit's lines
 * D1 is met only where the ledger cannot be written right behind the journal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "store/store.h"

#define TEXT_MAX 8192 /* octets kept of a preview's body */

bool
sled_held_id(const char *server, const char *user, const char *uid,
             uint64_t size, char out[SLED_HELD_ID], struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	struct sled_hash hash;
	char number[24];
	int len =
	    snprintf(number, sizeof(number), "%llu", (unsigned long long)size);

	if (!sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, server, strlen(server));
	sled_sha256_add(sha, " ", 1);
	sled_sha256_add(sha, user, strlen(user) + 1);
	sled_sha256_add(sha, uid, strlen(uid) + 1);
	sled_sha256_add(sha, number, (size_t)len);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	out[0] = 'h';
	sled_text_hex(out + 1, hash.b, (SLED_HELD_ID - 2) / 2);
	return true;
}

/* ---- rows that outlive their callback ---- */

static bool
take_copy(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	struct sled_held_copy *copy = ctx;
	struct sled_span *spans[] = { &copy->row.from, &copy->row.subject,
		                      &copy->row.date, &copy->row.text };
	size_t at = 0;

	copy->row = *row;
	copy->found = true;
	for (size_t i = 0; i < 4; i++)
		if (!sled_buf_add(&copy->texts, spans[i]->data, spans[i]->len,
		                  err))
			return false;
	for (size_t i = 0; i < 4; i++) {
		spans[i]->data =
		    copy->texts.data == NULL ? "" : copy->texts.data + at;
		at += spans[i]->len;
	}
	return true;
}

bool
sled_held_find(struct sled_store *store, const char *id,
               struct sled_held_copy *out, struct sled_err *err)
{
	*out = (struct sled_held_copy){ .found = false };
	if (sled_ledger_held(store->ledger, 0, id, take_copy, out, err))
		return true;
	sled_buf_free(&out->texts);
	return false;
}

/* ---- the rows of a visit ---- */

static int
by_name(const void *a, const void *b)
{
	const struct sled_held *left = a, *right = b;
	int order = strcmp(left->uid, right->uid);

	if (order != 0)
		return order;
	return (left->size > right->size) - (left->size < right->size);
}

static int
by_item(const void *a, const void *b)
{
	const struct sled_held *left = a, *right = b;

	return (left->item > right->item) - (left->item < right->item);
}

static bool
add(struct sled_helds *held, const struct sled_held *more, struct sled_err *err)
{
	size_t cap = held->cap == 0 ? 32 : held->cap * 2;
	struct sled_held *list;

	if (held->len == held->cap) {
		list = reallocarray(held->list, cap, sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "held mail");
		held->list = list;
		held->cap = cap;
	}
	held->list[held->len++] = *more;
	return true;
}

static bool
take_held(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	struct sled_held held = {
		.item = SIZE_MAX,
		.size = row->size,
		.decision = row->decision,
		.previewed = row->previewed,
		.head_sha256 = row->head_sha256,
		.head_octets = row->head_octets,
	};

	memcpy(held.id, row->id, sizeof(held.id));
	memcpy(held.uid, row->uid, sizeof(held.uid));
	return add(ctx, &held, err);
}

bool
sled_held_load(struct sled_box *box, struct sled_err *err)
{
	struct sled_helds *held = &box->held;

	if (!sled_ledger_held(box->store->ledger, box->maildrop.id, NULL,
	                      take_held, held, err))
		return false;
	if (held->len > 0)
		qsort(held->list, held->len, sizeof(*held->list), by_name);
	return true;
}

void
sled_held_free(struct sled_box *box)
{
	free(box->held.list);
	box->held = (struct sled_helds){ 0 };
	sled_buf_free(&box->lapsed);
}

/* The first of this unique-id, or the end; before listed() only. */
static size_t
first_of(const struct sled_helds *held, const char *uid)
{
	size_t low = 0, high = held->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(held->list[mid].uid, uid) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
sled_held_decided(const struct sled_box *box, const char *uid, uint64_t size)
{
	const struct sled_helds *held = &box->held;

	for (size_t i = first_of(held, uid);
	     i < held->len && strcmp(held->list[i].uid, uid) == 0; i++)
		if (held->list[i].size == size)
			return held->list[i].decision != SLED_DECIDE_NONE;
	return false;
}

/* Behind listed(): the row of an item, or NULL. */
static struct sled_held *
of_item(const struct sled_box *box, size_t item)
{
	const struct sled_held key = { .item = item };

	if (box->held.len == 0)
		return NULL;
	return bsearch(&key, box->held.list, box->held.len,
	               sizeof(*box->held.list), by_item);
}

enum sled_decision
sled_box_decision(const struct sled_box *box, size_t item)
{
	const struct sled_held *held = of_item(box, item);

	return held == NULL ? SLED_DECIDE_NONE : held->decision;
}

const char *
sled_box_held_id(const struct sled_box *box, size_t item)
{
	const struct sled_held *held = of_item(box, item);

	return held == NULL ? "" : held->id;
}

bool
sled_box_previewed(const struct sled_box *box, size_t item)
{
	const struct sled_held *held = of_item(box, item);

	return held != NULL && held->previewed;
}

const char *
sled_box_lapsed(const struct sled_box *box)
{
	return box->lapsed.data == NULL ? "" : box->lapsed.data;
}

static const char *
word_of(enum sled_decision decision)
{
	return decision == SLED_DECIDE_WANT ? "want" : "drop";
}

/* A decision comes to nothing: the user is told, and so is the journal. */
static bool
tell_lapse(struct sled_box *box, const struct sled_held *held, const char *why,
           int64_t now, struct sled_err *err)
{
	char size[24];
	const char *fields[] = { held->id,
		                 box->whose.owner.server,
		                 box->whose.owner.user,
		                 held->uid,
		                 size,
		                 why };

	(void)snprintf(size, sizeof(size), "%llu",
	               (unsigned long long)held->size);
	return sled_buf_printf(&box->lapsed, err, "%s%s %s: %s",
	                       box->lapsed.len > 0 ? "; " : "",
	                       word_of(held->decision), held->id, why) &&
	       sled_box_line(box, now, "undecided", fields, 6, err);
}

/* ---- a listing ---- */

/* Which items are held rows? One of another size is not the one decided on. */
static void
match_items(struct sled_box *box)
{
	struct sled_listing *listing = box->listing;
	struct sled_helds *held = &box->held;

	for (size_t i = 0; held->len > 0 && i < listing->len; i++) {
		const struct sled_item *it = &listing->items[i];
		const char *uid = sled_listing_uid_of(listing, i);

		if (it->verdict == SLED_ITEM_ABSENT || *uid == '\0' ||
		    (it->flags & SLED_ITEM_NOID) != 0)
			continue;
		for (size_t at = first_of(held, uid);
		     at < held->len && strcmp(held->list[at].uid, uid) == 0;
		     at++) {
			held->list[at].resized =
			    held->list[at].size != it->size;
			held->list[at].item = i;
		}
	}
}

/* Does the listing speak of every message by its id? */
static bool
is_whole(const struct sled_listing *listing)
{
	for (size_t i = 0; i < listing->len; i++)
		if (listing->items[i].verdict == SLED_ITEM_ABSENT)
			return false;
	return listing->has_uidl || listing->len == 0;
}

static bool
put_seen(struct sled_box *box, const struct sled_held *held, bool listed,
         int64_t now, struct sled_err *err)
{
	struct sled_held_copy copy;
	bool ok = sled_held_find(box->store, held->id, &copy, err);

	if (ok && copy.found) {
		copy.row.listed = listed;
		if (listed)
			copy.row.last_seen = now;
		ok = sled_ledger_held_put(box->store->ledger, &copy.row, err);
	}
	sled_buf_free(&copy.texts);
	return ok;
}

/* The id has another size now: what was decided is not about this message. */
static bool
put_resized(struct sled_box *box, const struct sled_held *old, int64_t now,
            struct sled_err *err)
{
	const struct sled_spool_owner *owner = &box->whose.owner;
	const struct sled_span none = { "", 0 };
	struct sled_held_row row = {
		.maildrop = box->maildrop.id,
		.size = box->listing->items[old->item].size,
		.first_seen = now,
		.last_seen = now,
		.listed = true,
		.from = none,
		.subject = none,
		.date = none,
		.text = none,
	};

	memcpy(row.uid, old->uid, sizeof(row.uid));
	(void)snprintf(row.lapsed, sizeof(row.lapsed),
	               "%s of %s was for %llu bytes, the server lists %llu now",
	               word_of(old->decision), old->id,
	               (unsigned long long)old->size,
	               (unsigned long long)row.size);
	return sled_held_id(owner->server, owner->user, row.uid, row.size,
	                    row.id, err) &&
	       tell_lapse(box, old, "it has another size now", now, err) &&
	       sled_ledger_held_put(box->store->ledger, &row, err);
}

/* It is not held any more. */
static bool
leave(struct sled_box *box, const struct sled_held *held, int64_t now,
      struct sled_err *err)
{
	const struct sled_listing *listing = box->listing;
	bool ok = true;

	if (held->decision != SLED_DECIDE_NONE && held->resized &&
	    listing->items[held->item].verdict != SLED_ITEM_STORED)
		ok = put_resized(box, held, now, err);
	else if (held->decision != SLED_DECIDE_NONE)
		ok = tell_lapse(box, held,
		                held->item == SIZE_MAX
		                    ? "it is not on the server any more"
		                    : "it is stored already",
		                now, err);
	return ok && sled_ledger_held_forget(box->store->ledger, held->id, err);
}

static bool
settle(struct sled_box *box, struct sled_held *held, bool whole, int64_t now,
       struct sled_err *err)
{
	bool listed = held->item != SIZE_MAX && !held->resized;

	if (listed &&
	    box->listing->items[held->item].verdict != SLED_ITEM_STORED)
		return put_seen(box, held, true, now, err);
	if (!listed && !whole)
		return put_seen(box, held, false, now, err);
	if (!leave(box, held, now, err))
		return false;
	held->item = SIZE_MAX;
	return true;
}

/* Rows made for another size have an item too, but are not in the list yet. */
static bool
reload(struct sled_box *box, struct sled_err *err)
{
	struct sled_helds *held = &box->held;
	size_t kept = 0;

	held->len = 0;
	if (!sled_held_load(box, err))
		return false;
	match_items(box);
	for (size_t i = 0; i < held->len; i++)
		if (held->list[i].item != SIZE_MAX && !held->list[i].resized)
			held->list[kept++] = held->list[i];
	held->len = kept;
	if (kept > 0)
		qsort(held->list, kept, sizeof(*held->list), by_item);
	return true;
}

bool
sled_held_listed(struct sled_box *box, int64_t now, struct sled_err *err)
{
	bool whole = is_whole(box->listing);

	match_items(box);
	for (size_t i = 0; i < box->held.len; i++)
		if (!settle(box, &box->held.list[i], whole, now, err))
			return false;
	return reload(box, err);
}

/* ---- holding ---- */

/* What a TOP brought of the body. */
static struct sled_span
body_of(struct sled_span top)
{
	struct sled_span text = { "", 0 };

	for (size_t i = 0; i + 1 < top.len; i++)
		if (top.data[i] == '\n' &&
		    (top.data[i + 1] == '\n' ||
		     (i + 2 < top.len && top.data[i + 1] == '\r' &&
		      top.data[i + 2] == '\n'))) {
			i += top.data[i + 1] == '\n' ? 2 : 3;
			text.data = top.data + i;
			text.len = top.len - i;
			break;
		}
	if (text.len > TEXT_MAX)
		text.len = TEXT_MAX;
	return text;
}

static bool
new_row(const struct sled_box *box, size_t item, int64_t now,
        struct sled_held_row *row, struct sled_err *err)
{
	const struct sled_spool_owner *owner = &box->whose.owner;
	const struct sled_span none = { "", 0 };

	*row = (struct sled_held_row){
		.maildrop = box->maildrop.id,
		.size = box->listing->items[item].size,
		.first_seen = now,
		.last_seen = now,
		.listed = true,
		.from = none,
		.subject = none,
		.date = none,
		.text = none,
	};
	(void)snprintf(row->uid, sizeof(row->uid), "%s",
	               sled_listing_uid_of(box->listing, item));
	return sled_held_id(owner->server, owner->user, row->uid, row->size,
	                    row->id, err);
}

/* The last of the list goes to its place: most come in order. */
static void
settle_last(struct sled_helds *all)
{
	size_t at = all->len - 1;
	const struct sled_held last = all->list[at];

	for (; at > 0 && by_item(&all->list[at - 1], &last) > 0; at--)
		all->list[at] = all->list[at - 1];
	all->list[at] = last;
}

/* Into the ledger, and into the list of the visit. */
static bool
put_held(struct sled_box *box, size_t item, const struct sled_held_row *row,
         struct sled_err *err)
{
	struct sled_held *held = of_item(box, item);
	struct sled_helds *all = &box->held;

	if (!sled_ledger_held_put(box->store->ledger, row, err))
		return false;
	if (held == NULL) {
		if (!take_held(all, row, err))
			return false;
		all->list[all->len - 1].item = item;
		settle_last(all);
		return true;
	}
	held->previewed = row->previewed;
	held->head_sha256 = row->head_sha256;
	held->head_octets = row->head_octets;
	return true;
}

static bool
has_id(const struct sled_box *box, size_t item)
{
	return (box->listing->items[item].flags & SLED_ITEM_NOID) == 0 &&
	       *sled_listing_uid_of(box->listing, item) != '\0';
}

bool
sled_box_held(struct sled_box *box, size_t item,
              const struct sled_digest *digest, struct sled_span preview,
              int64_t now, struct sled_err *err)
{
	const struct sled_held *held = of_item(box, item);
	struct sled_held_row fresh;
	struct sled_held_copy copy = { .found = false };
	bool ok;

	box->listing->items[item].flags |=
	    digest != NULL ? SLED_ITEM_TOPPED : 0;
	if (!has_id(box, item) || (held != NULL && digest == NULL))
		return true;
	if (!new_row(box, item, now, &fresh, err) ||
	    !sled_held_find(box->store, fresh.id, &copy, err))
		return false;
	if (copy.found)
		fresh = copy.row;
	if (digest != NULL) {
		fresh.previewed = true;
		fresh.head_sha256 = digest->head_sha256;
		fresh.head_octets = digest->head_octets;
		fresh.from = digest->from;
		fresh.subject = digest->subject;
		fresh.date = digest->date;
		fresh.text = body_of(preview);
	}
	ok = put_held(box, item, &fresh, err);
	sled_buf_free(&copy.texts);
	return ok;
}

static bool
keep_all(struct sled_box *box, bool (*is_held)(void *ctx, size_t item),
         void *ctx, int64_t now, struct sled_err *err)
{
	for (size_t i = 0; i < box->listing->len; i++)
		if (is_held(ctx, i) &&
		    !sled_box_held(box, i, NULL, (struct sled_span){ "", 0 },
		                   now, err))
			return false;
	return true;
}

bool
sled_box_held_keep(struct sled_box *box,
                   bool (*is_held)(void *ctx, size_t item), void *ctx,
                   int64_t now, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;

	if (!sled_ledger_begin(ledger, err))
		return false;
	if (!keep_all(box, is_held, ctx, now, err)) {
		sled_ledger_drop(ledger);
		return false;
	}
	return sled_ledger_commit(ledger, err);
}

/* ---- dropping ---- */

static const char *
why_not(const struct sled_box *box, const struct sled_held *held,
        const struct sled_digest *head)
{
	if (!held->previewed)
		return box->maildrop.reuses_ids
		           ? "the server gives its id to other mail, and "
		             "there is no preview to tell by"
		           : NULL;
	if (head == NULL)
		return "the server does not show its header again";
	if (head->head_octets != held->head_octets ||
	    !sled_hash_equal(&head->head_sha256, &held->head_sha256))
		return "it has another header than when it was previewed";
	return NULL;
}

static bool
lapse(struct sled_box *box, struct sled_held *held, const char *why,
      int64_t now, struct sled_err *err)
{
	const struct sled_span none = { "", 0 };
	struct sled_held_copy copy;
	bool ok = sled_held_find(box->store, held->id, &copy, err) &&
	          tell_lapse(box, held, why, now, err);

	if (ok && copy.found) {
		(void)snprintf(copy.row.lapsed, sizeof(copy.row.lapsed),
		               "%s: %s", word_of(held->decision), why);
		copy.row.decision = SLED_DECIDE_NONE;
		copy.row.decided = now;
		copy.row.previewed = false; /* to be seen anew */
		copy.row.from = copy.row.subject = copy.row.date = none;
		copy.row.text = none;
		ok = sled_ledger_held_put(box->store->ledger, &copy.row, err);
	}
	sled_buf_free(&copy.texts);
	held->decision = SLED_DECIDE_NONE;
	held->checked = held->previewed = false;
	return ok;
}

bool
sled_held_unwant(struct sled_box *box, size_t item, const char *why,
                 int64_t now, struct sled_err *err)
{
	struct sled_held *held = of_item(box, item);

	return held == NULL || held->decision != SLED_DECIDE_WANT ||
	       lapse(box, held, why, now, err);
}

bool
sled_box_drop_check(struct sled_box *box, size_t item,
                    const struct sled_digest *head, int64_t now, bool *same,
                    struct sled_err *err)
{
	struct sled_held *held = of_item(box, item);
	const char *why;

	*same = false;
	if (head != NULL)
		box->listing->items[item].flags |= SLED_ITEM_TOPPED;
	if (held == NULL || held->decision != SLED_DECIDE_DROP)
		return true;
	why = why_not(box, held, head);
	if (why != NULL)
		return lapse(box, held, why, now, err);
	held->checked = *same = true;
	return true;
}

bool
sled_held_may_drop(const struct sled_box *box, size_t item)
{
	const struct sled_item *it = &box->listing->items[item];
	const struct sled_held *held = of_item(box, item);

	return held != NULL && held->checked &&
	       held->decision == SLED_DECIDE_DROP &&
	       it->verdict == SLED_ITEM_NEW && it->size == held->size &&
	       (it->flags & (SLED_ITEM_NOID | SLED_ITEM_RETRIEVED)) == 0;
}

/* The ledger has the last word: a decision may have been taken back since. */
bool
sled_held_dele_sent(struct sled_box *box, struct sled_err *err)
{
	for (size_t i = 0; i < box->held.len; i++) {
		struct sled_held *held = &box->held.list[i];
		struct sled_held_copy copy;

		if (!held->checked)
			continue;
		if (!sled_held_find(box->store, held->id, &copy, err))
			return false;
		held->checked =
		    copy.found && copy.row.decision == SLED_DECIDE_DROP;
		sled_buf_free(&copy.texts);
	}
	return true;
}

bool
sled_held_gone(struct sled_box *box, size_t item, int64_t now,
               struct sled_err *err)
{
	struct sled_held *held = of_item(box, item);
	char size[24];
	const char *fields[] = { NULL, box->whose.owner.server,
		                 box->whose.owner.user, NULL, size };

	if (held == NULL)
		return true;
	fields[0] = held->id;
	fields[3] = held->uid;
	(void)snprintf(size, sizeof(size), "%llu",
	               (unsigned long long)held->size);
	held->decision = SLED_DECIDE_NONE; /* done: nothing lapses */
	return sled_ledger_held_forget(box->store->ledger, held->id, err) &&
	       sled_box_line(box, now, "dropped", fields, 5, err);
}

/* ---- the end of a visit ---- */

static bool
is_stored(const struct sled_box *box, const struct sled_held *held)
{
	const struct sled_item *it = &box->listing->items[held->item];

	return it->verdict == SLED_ITEM_STORED &&
	       (it->flags & SLED_ITEM_SHORT) == 0;
}

static bool
release(struct sled_box *box, const struct sled_held *held, int64_t now,
        struct sled_err *err)
{
	char size[24];
	const char *fields[] = { held->id,
		                 box->whose.owner.server,
		                 box->whose.owner.user,
		                 held->uid,
		                 size,
		                 "it is stored" };

	(void)snprintf(size, sizeof(size), "%llu",
	               (unsigned long long)held->size);
	return sled_ledger_held_forget(box->store->ledger, held->id, err) &&
	       (held->decision == SLED_DECIDE_NONE ||
	        sled_box_line(box, now, "undecided", fields, 6, err));
}

/* What was fetched is held no more. */
bool
sled_held_close(struct sled_box *box, int64_t now, struct sled_err *err)
{
	for (size_t i = 0; box->listing != NULL && i < box->held.len; i++)
		if (is_stored(box, &box->held.list[i]) &&
		    !release(box, &box->held.list[i], now, err))
			return false;
	return true;
}
