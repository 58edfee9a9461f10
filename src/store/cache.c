/*
 * cache.c - what a box remembers to save a visit round trips and octets: the
 * peer, the path, the last listing. See mailsled/store.h.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

/* ---- the peer ---- */

struct sled_peer *
sled_box_peer(struct sled_box *box)
{
	return &box->peer;
}

bool
sled_box_peer_load(struct sled_box *box, struct sled_err *err)
{
	if (!sled_ledger_peer(box->store->ledger, box->maildrop.id, &box->peer,
	                      err))
		return false;
	box->peer_was = box->peer;
	return true;
}

static bool
is_same_peer(const struct sled_peer *a, const struct sled_peer *b)
{
	return a->port == b->port && strcmp(a->addresses, b->addresses) == 0 &&
	       a->looked_up == b->looked_up && a->caps == b->caps &&
	       a->caps_seen == b->caps_seen &&
	       strcmp(a->eager, b->eager) == 0 &&
	       a->eager_lost == b->eager_lost &&
	       a->eager_retry == b->eager_retry &&
	       a->tickets_refused == b->tickets_refused &&
	       a->tickets_retry == b->tickets_retry &&
	       a->tls_default == b->tls_default &&
	       a->listed_whole == b->listed_whole && a->sums == b->sums;
}

void
sled_box_peer_keep(struct sled_box *box)
{
	struct sled_err err = { 0 };

	if (is_same_peer(&box->peer, &box->peer_was))
		return;
	if (sled_ledger_peer_put(box->store->ledger, box->maildrop.id,
	                         &box->peer, &err))
		box->peer_was = box->peer;
	else
		sled_store_say(box->store,
		               "%s: what was learned of the server is not "
		               "remembered: %s",
		               box->whose.owner.label, err.text);
}

/* ---- the path ---- */

bool
sled_box_path(struct sled_box *box, const char *name, struct sled_path *out,
              bool *found, struct sled_err *err)
{
	return sled_ledger_path(box->store->ledger, name, out, found, err);
}

bool
sled_box_path_put(struct sled_box *box, const struct sled_path *path,
                  struct sled_err *err)
{
	return sled_ledger_path_put(box->store->ledger, path, err);
}

/* ---- the last listing ---- */

struct recall {
	struct sled_listing *out;
	size_t cap;
};

static bool
make_room(struct recall *recall, struct sled_err *err)
{
	struct sled_listing *out = recall->out;
	size_t cap = recall->cap == 0 ? 256 : 2 * recall->cap;
	struct sled_item *items;

	if (out->len < recall->cap)
		return true;
	items = reallocarray(out->items, cap, sizeof(*items));
	if (items == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "listing");
	out->items = items;
	recall->cap = cap;
	return true;
}

/* What follows a gap is not told: its numbers say nothing. */
static bool
recall_item(void *ctx, uint32_t number, const char *uid, uint64_t size,
            struct sled_err *err)
{
	struct recall *recall = ctx;
	struct sled_listing *out = recall->out;

	if (number != out->len + 1)
		return true;
	if (!make_room(recall, err))
		return false;
	out->items[out->len++] = (struct sled_item){ 0 };
	return sled_listing_size(out, number, size, err) &&
	       sled_listing_uid(out, number,
	                        (struct sled_span){ uid, strlen(uid) }, err);
}

bool
sled_box_seen(struct sled_box *box, struct sled_listing *out,
              struct sled_err *err)
{
	struct recall recall = { out, 0 };

	if (!sled_listing_new(out, 0, err))
		return false;
	out->has_uidl = true;
	if (sled_ledger_seen(box->store->ledger, box->maildrop.id, recall_item,
	                     &recall, err))
		return true;
	sled_listing_free(out);
	return false;
}

/* The items to remember, in turn. */
struct keep {
	const struct sled_listing *now;
	bool (*gone)(void *ctx, size_t item);
	void *ctx;
	size_t len;      /* of what can be remembered of NOW */
	size_t item;     /* the next one; LEN: none */
	uint32_t number; /* ... and what it has when the others are gone */
	bool differs;    /* from what is remembered, at .item */
};

static void
skip_gone(struct keep *keep)
{
	while (keep->item < keep->len && keep->gone != NULL &&
	       keep->gone(keep->ctx, keep->item))
		keep->item++;
}

static void
step(struct keep *keep)
{
	keep->item++;
	keep->number++;
	skip_gone(keep);
}

static struct keep
first_kept(const struct sled_listing *now, bool (*gone)(void *ctx, size_t item),
           void *ctx)
{
	struct keep keep = {
		.now = now, .gone = gone, .ctx = ctx, .number = 1
	};

	while (now->has_uidl && keep.len < now->len &&
	       now->items[keep.len].verdict != SLED_ITEM_ABSENT)
		keep.len++;
	skip_gone(&keep);
	return keep;
}

static bool
compare(void *ctx, uint32_t number, const char *uid, uint64_t size,
        struct sled_err *err)
{
	struct keep *keep = ctx;

	(void)err;
	if (keep->differs)
		return true;
	keep->differs =
	    keep->item == keep->len || number != keep->number ||
	    size != keep->now->items[keep->item].size ||
	    strcmp(uid, sled_listing_uid_of(keep->now, keep->item)) != 0;
	if (!keep->differs)
		step(keep);
	return true;
}

/* From the first difference on. */
static bool
write_rest(struct sled_box *box, struct keep *keep, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;
	int64_t maildrop = box->maildrop.id;

	if (keep->differs &&
	    !sled_ledger_seen_cut(ledger, maildrop, keep->number, err))
		return false;
	for (; keep->item < keep->len; step(keep))
		if (!sled_ledger_seen_put(
			ledger, maildrop, keep->number,
			sled_listing_uid_of(keep->now, keep->item),
			keep->now->items[keep->item].size, err))
			return false;
	return true;
}

bool
sled_box_seen_keep(struct sled_box *box, const struct sled_listing *now,
                   bool (*gone)(void *ctx, size_t item), void *ctx,
                   struct sled_err *err)
{
	struct keep keep = first_kept(now, gone, ctx);
	struct sled_ledger *ledger = box->store->ledger;

	if (!sled_ledger_seen(ledger, box->maildrop.id, compare, &keep, err))
		return false;
	if (!keep.differs && keep.item == keep.len)
		return true;
	if (!sled_ledger_begin(ledger, err))
		return false;
	if (!write_rest(box, &keep, err)) {
		sled_ledger_drop(ledger);
		return false;
	}
	return sled_ledger_commit(ledger, err);
}

bool
sled_box_seen_forget(struct sled_box *box, struct sled_err *err)
{
	return sled_ledger_seen_cut(box->store->ledger, box->maildrop.id, 1,
	                            err);
}
