/*
 * stay.c - rows in the order in which they were listed last; and mail without
 * unique-ids that stays on its server: which of it is stored? (STORE.md, "Is it
 * the same message?")
 *
 * Size and header tell [S2]: a TOP for each message that has the size of a row.
 * Where nothing has an id, and the sizes stand in the order of the rows, some
 * may have gone between them, the first, the last, every 20th and each behind a
 * gap speak for the rest, as with ids that were all given anew. What is found so
 * is left alone; what is due to be deleted is fetched first, in the same visit.
 */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

static uint64_t
front_of(const struct sled_hash *hash)
{
	uint64_t front;

	memcpy(&front, hash->b, sizeof(front));
	return front;
}

/* Only what is to be left alone: a row that goes in this visit, is short or has no
 * header is told by its bytes. While a place is away none goes. */
static bool
is_provable(const struct sled_box *box, const struct sled_message *row,
            bool *provable, struct sled_err *err)
{
	bool goes = row->received <= box->delete_until;

	*provable =
	    row->head_octets > 0 && (row->flags & SLED_MESSAGE_SHORT) == 0;
	if (!*provable || !goes)
		return true;
	if (!sled_recount_could(box->store, row->member, box->listed_at, &goes,
	                        err))
		return false;
	*provable = !goes;
	return true;
}

static bool
take_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct sled_box *box = ctx;
	struct sled_stays *out = &box->stays;
	size_t cap = out->cap == 0 ? 64 : out->cap * 2;
	struct sled_stay *list;
	bool provable;

	if (sled_is_claimed(&box->claims, row->id))
		return true;
	if (!is_provable(box, row, &provable, err))
		return false;
	if (out->len == out->cap) {
		list = reallocarray(out->list, cap, sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "listing");
		out->list = list;
		out->cap = cap;
	}
	out->list[out->len++] = (struct sled_stay){
		.row = row->id,
		.size = row->listed,
		.front = front_of(&row->head_sha256),
		.place = UINT32_MAX,
		.provable = provable,
		.doubtful = (row->flags & SLED_IN_DOUBT) != 0,
		.listed = row->on_server,
	};
	return true;
}

static int
by_row(const void *a, const void *b)
{
	const struct sled_stay *left = a, *right = b;

	return (left->row > right->row) - (left->row < right->row);
}

static int
by_place(const void *a, const void *b)
{
	const struct sled_stay *left = a, *right = b;

	if (left->place != right->place)
		return left->place < right->place ? -1 : 1;
	return by_row(a, b);
}

static bool
take_place_of(void *ctx, uint32_t number, int64_t message, struct sled_err *err)
{
	struct sled_stays *stays = ctx;
	const struct sled_stay key = { .row = message };
	struct sled_stay *old = bsearch(&key, stays->list, stays->len,
	                                sizeof(*stays->list), by_row);

	(void)err;
	if (old != NULL)
		old->place = number;
	return true;
}

bool
sled_stays_load(struct sled_box *box, struct sled_err *err)
{
	struct sled_stays *stays = &box->stays;
	struct sled_ledger *ledger = box->store->ledger;

	if (stays->loaded)
		return true;
	stays->loaded = true;
	if (!sled_ledger_live(ledger, box->maildrop.id, take_row, box, err))
		return false;
	if (stays->len == 0)
		return true;
	qsort(stays->list, stays->len, sizeof(*stays->list), by_row);
	if (!sled_ledger_placed(ledger, box->maildrop.id, take_place_of, stays,
	                        err))
		return false;
	qsort(stays->list, stays->len, sizeof(*stays->list), by_place);
	return true;
}

static int
by_size(const void *a, const void *b)
{
	const struct sled_stay *left = a, *right = b;

	if (left->size != right->size)
		return left->size < right->size ? -1 : 1;
	return by_row(a, b);
}

/* Behind the sort: the first of this size, or the end. */
static size_t
first_of(const struct sled_stays *stays, uint64_t size)
{
	size_t low = 0, high = stays->len;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (stays->list[mid].size < size)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool
is_open(const struct sled_item *it)
{
	return it->verdict == SLED_ITEM_NEW &&
	       (it->flags & SLED_ITEM_NOID) != 0;
}

/* ---- sizes in the order of the rows ---- */

static void
make_sample(struct sled_box *box, struct sled_item *it)
{
	if (it->verdict == SLED_ITEM_PROVE)
		return;
	it->verdict = SLED_ITEM_PROVE;
	it->flags |= SLED_ITEM_SAMPLE;
	box->samples++;
}

/* The row at AT is taken for the item; GAP: rows before it were passed over. */
static void
take_place(struct sled_box *box, struct sled_item *it,
           const struct sled_stay *old, bool gap)
{
	size_t nth = box->stays.placed++;

	it->row = old->row;
	it->verdict = SLED_ITEM_WAITS;
	if (gap || old->doubtful || nth % SLED_SAMPLE_EVERY == 0)
		make_sample(box, it);
}

/* The next row from AT on that was listed last, of SIZE if there is one. */
static size_t
next_listed(const struct sled_stays *stays, size_t at, const uint64_t *size)
{
	while (at < stays->len &&
	       (!stays->list[at].listed ||
	        (size != NULL && stays->list[at].size != *size)))
		at++;
	return at;
}

/* How far the listing is that of the rows: items from *end on are not. */
static void
align(struct sled_box *box, size_t *end)
{
	struct sled_stays *stays = &box->stays;
	struct sled_item *last = NULL;
	size_t at = 0;

	for (*end = 0; *end < box->listing->len; ++*end) {
		struct sled_item *it = &box->listing->items[*end];
		size_t k = next_listed(stays, at, &it->size);

		if (k == stays->len || !is_open(it))
			break;
		stays->list[k].taken = true;
		if (stays->list[k].provable) {
			take_place(box, it, &stays->list[k],
			           k != next_listed(stays, at, NULL));
			last = it;
		}
		at = k + 1;
	}
	if (last != NULL)
		make_sample(box, last);
}

/* ---- one by one ---- */

static void
ask_if_any(struct sled_box *box, struct sled_item *it)
{
	const struct sled_stays *stays = &box->stays;

	for (size_t k = first_of(stays, it->size);
	     k < stays->len && stays->list[k].size == it->size; k++)
		if (stays->list[k].provable && !stays->list[k].taken) {
			it->verdict = SLED_ITEM_PROVE;
			return;
		}
}

bool
sled_stays_match(struct sled_box *box, struct sled_err *err)
{
	struct sled_listing *listing = box->listing;
	bool any = false;
	size_t from = 0;

	for (size_t i = 0; i < listing->len; i++)
		any = any || is_open(&listing->items[i]);
	if (!any)
		return true;
	if (!sled_stays_load(box, err))
		return false;
	if (!listing->has_uidl)
		align(box, &from);
	if (box->stays.len > 0)
		qsort(box->stays.list, box->stays.len, sizeof(*box->stays.list),
		      by_size);
	for (; from < listing->len; from++)
		if (is_open(&listing->items[from]))
			ask_if_any(box, &listing->items[from]);
	return true;
}

/* The rows that a header may prove this item to be: that of its place first. */
bool
sled_stays_each(struct sled_box *box, size_t item, const struct sled_hash *head,
                sled_message_fn *each, void *ctx, struct sled_err *err)
{
	const struct sled_item *it = &box->listing->items[item];
	const struct sled_stays *stays = &box->stays;
	struct sled_ledger *ledger = box->store->ledger;

	if (it->row != 0 && !sled_ledger_by_id(ledger, it->row, each, ctx, err))
		return false;
	for (size_t k = first_of(stays, it->size);
	     k < stays->len && stays->list[k].size == it->size; k++)
		if (stays->list[k].provable &&
		    stays->list[k].front == front_of(head) &&
		    !sled_is_claimed(&box->claims, stays->list[k].row) &&
		    !sled_ledger_by_id(ledger, stays->list[k].row, each, ctx,
		                       err))
			return false;
	return true;
}

static bool
is_settled(const struct sled_listing *listing)
{
	for (size_t i = 0; i < listing->len; i++) {
		const struct sled_item *it = &listing->items[i];

		if ((it->flags & SLED_ITEM_NOID) != 0 &&
		    it->verdict != SLED_ITEM_ABSENT &&
		    it->verdict != SLED_ITEM_STORED)
			return false;
	}
	return true;
}

static bool
forget_listed(struct sled_box *box, struct sled_err *err)
{
	const struct sled_stays *stays = &box->stays;

	for (size_t k = 0; k < stays->len; k++)
		if (stays->list[k].listed &&
		    !sled_is_claimed(&box->claims, stays->list[k].row) &&
		    !sled_ledger_set_on_server(box->store->ledger,
		                               stays->list[k].row, false, err))
			return false;
	return true;
}

/* ---- the order of this listing ---- */

struct keep {
	struct sled_box *box;
	size_t item;     /* the next one of ours; the end: none */
	uint32_t number; /* ... and its place */
	bool deleted;
	bool differs; /* from what is known, at .number */
};

static void
skip_others(struct keep *keep)
{
	const struct sled_listing *listing = keep->box->listing;

	for (; keep->item < listing->len; keep->item++) {
		const struct sled_item *it = &listing->items[keep->item];

		if (it->verdict == SLED_ITEM_STORED && it->row != 0 &&
		    !(keep->deleted && (it->flags & SLED_ITEM_DELE) != 0))
			return;
	}
}

static void
step(struct keep *keep)
{
	keep->item++;
	keep->number++;
	skip_others(keep);
}

static bool
compare_place(void *ctx, uint32_t number, int64_t message, struct sled_err *err)
{
	struct keep *keep = ctx;
	const struct sled_listing *listing = keep->box->listing;

	(void)err;
	keep->differs = keep->differs || keep->item == listing->len ||
	                number != keep->number ||
	                listing->items[keep->item].row != message;
	if (!keep->differs)
		step(keep);
	return true;
}

/* Written from the first difference on, as the remembered listing is. */
static bool
keep_order(struct sled_box *box, bool deleted, struct sled_err *err)
{
	struct keep keep = { .box = box, .number = 1, .deleted = deleted };
	struct sled_ledger *ledger = box->store->ledger;
	const struct sled_listing *listing = box->listing;
	int64_t maildrop = box->maildrop.id;

	skip_others(&keep);
	if (!sled_ledger_placed(ledger, maildrop, compare_place, &keep, err) ||
	    (keep.differs &&
	     !sled_ledger_placed_cut(ledger, maildrop, keep.number, err)))
		return false;
	for (; keep.item < listing->len; step(&keep))
		if (!sled_ledger_placed_put(ledger, maildrop, keep.number,
		                            listing->items[keep.item].row, err))
			return false;
	return true;
}

/* Is anything still in question? Then the last order is the better one. */
static bool
any_open(const struct sled_listing *listing)
{
	for (size_t i = 0; i < listing->len; i++)
		if (listing->items[i].verdict == SLED_ITEM_PROVE ||
		    listing->items[i].verdict == SLED_ITEM_WAITS)
			return true;
	return false;
}

bool
sled_stays_close(struct sled_box *box, bool deleted, struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;

	if (box->listing == NULL || any_open(box->listing))
		return true;
	if (!sled_ledger_begin(ledger, err))
		return false;
	if ((box->stays.len > 0 && is_settled(box->listing) &&
	     !forget_listed(box, err)) ||
	    !keep_order(box, deleted, err)) {
		sled_ledger_drop(ledger);
		return false;
	}
	return sled_ledger_commit(ledger, err);
}

void
sled_stays_free(struct sled_box *box)
{
	free(box->stays.list);
	box->stays = (struct sled_stays){ 0 };
}
