/*
 * aside.c - messages whose answer ended visits: what is known of them; see
 * mailsled/store.h.
 *
 * One that came wrong twice waits until it is wanted: asking costs all of it.
 * A message is known by its unique-id and listed size; where it has no id, by
 * its number and size. The rows are a cache: without them one visit more ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

#define HOUR INT64_C(3600)

static bool
take_aside(void *ctx, const struct sled_aside_row *row, struct sled_err *err)
{
	struct sled_asides *asides = ctx;
	size_t cap = asides->cap == 0 ? 8 : asides->cap * 2;
	struct sled_aside *list;

	if (asides->len == asides->cap) {
		list = reallocarray(asides->list, cap, sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "set aside");
		asides->list = list;
		asides->cap = cap;
	}
	asides->list[asides->len++] = (struct sled_aside){ *row, SIZE_MAX };
	return true;
}

static bool
is_nameless(const struct sled_item *it)
{
	return (it->flags & SLED_ITEM_NOID) != 0 || it->uid == 0;
}

static bool
is_this(const struct sled_box *box, size_t item,
        const struct sled_aside_row *row)
{
	const struct sled_item *it = &box->listing->items[item];

	if (it->verdict == SLED_ITEM_ABSENT || it->size != row->size)
		return false;
	if (row->uid[0] == '\0')
		return is_nameless(it) && row->number == item + 1;
	return !is_nameless(it) &&
	       strcmp(sled_listing_uid_of(box->listing, item), row->uid) == 0;
}

struct by_uid {
	const struct sled_listing *listing;
	uint32_t *order; /* see sled_listing_order() */
	size_t len;
};

/* The first of the order whose id is not before this one. */
static size_t
first_from(const struct by_uid *by, const char *uid)
{
	size_t from = 0, end = by->len;

	while (from < end) {
		size_t mid = from + (end - from) / 2;

		if (strcmp(sled_listing_uid_of(by->listing, by->order[mid]),
		           uid) < 0)
			from = mid + 1;
		else
			end = mid;
	}
	return from;
}

/* SIZE_MAX: it is not listed any more. */
static size_t
find_item(const struct sled_box *box, const struct by_uid *by,
          const struct sled_aside_row *row)
{
	size_t item = row->number - (size_t)1, at;

	if (row->uid[0] != '\0') {
		at = first_from(by, row->uid);
		item = at < by->len ? by->order[at] : SIZE_MAX;
	}
	return item < box->listing->len && is_this(box, item, row) ? item
	                                                           : SIZE_MAX;
}

static bool
note_place(struct sled_box *box, size_t at, struct sled_err *err)
{
	struct sled_asides *asides = &box->asides;

	if (asides->of == NULL)
		asides->of = calloc(box->listing->len, sizeof(*asides->of));
	if (asides->of == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "set aside");
	asides->of[asides->list[at].item] = (uint32_t)at + 1;
	return true;
}

/* Rows of messages that are not there any more go. */
static bool
match_rows(struct sled_box *box, const struct by_uid *by, struct sled_err *err)
{
	struct sled_asides *asides = &box->asides;
	size_t kept = 0;

	for (size_t i = 0; i < asides->len; i++) {
		struct sled_aside *aside = &asides->list[i];

		aside->item = find_item(box, by, &aside->row);
		if (aside->item == SIZE_MAX) {
			if (!sled_ledger_aside_forget(box->store->ledger,
			                              &aside->row, err))
				return false;
			continue;
		}
		asides->list[kept] = *aside;
		if (!note_place(box, kept++, err))
			return false;
	}
	asides->len = kept;
	return true;
}

bool
sled_asides_listed(struct sled_box *box, struct sled_err *err)
{
	struct by_uid by = { .listing = box->listing };
	bool ok;

	if (!sled_ledger_asides(box->store->ledger, box->maildrop.id,
	                        take_aside, &box->asides, err))
		return false;
	if (box->asides.len == 0)
		return true;
	ok = sled_listing_order(box->listing, &by.order, &by.len, err) &&
	     match_rows(box, &by, err);
	free(by.order);
	return ok;
}

void
sled_asides_free(struct sled_box *box)
{
	free(box->asides.list);
	free(box->asides.of);
	box->asides = (struct sled_asides){ 0 };
}

static struct sled_aside *
of_item(const struct sled_box *box, size_t item)
{
	const struct sled_asides *asides = &box->asides;

	return asides->of == NULL || asides->of[item] == 0
	           ? NULL
	           : &asides->list[asides->of[item] - 1];
}

const struct sled_aside_row *
sled_box_aside(const struct sled_box *box, size_t item)
{
	const struct sled_aside *aside = of_item(box, item);

	return aside == NULL ? NULL : &aside->row;
}

/* Three strikes: an hour, and twice as long each time. */
static int64_t
distance(uint32_t strikes)
{
	uint32_t times = strikes - SLED_ASIDE_STRIKES;

	if (strikes < SLED_ASIDE_STRIKES)
		return 0;
	return times >= 8 || HOUR << times > SLED_ASIDE_MOST_S
	           ? SLED_ASIDE_MOST_S
	           : HOUR << times;
}

static bool
new_row(struct sled_box *box, size_t item, struct sled_aside **out,
        struct sled_err *err)
{
	const struct sled_item *it = &box->listing->items[item];
	struct sled_aside_row row = { .maildrop = box->maildrop.id,
		                      .size = it->size };

	if (is_nameless(it))
		row.number = (uint32_t)item + 1;
	else
		(void)snprintf(row.uid, sizeof(row.uid), "%s",
		               sled_listing_uid_of(box->listing, item));
	if (!take_aside(&box->asides, &row, err))
		return false;
	*out = &box->asides.list[box->asides.len - 1];
	(*out)->item = item;
	return note_place(box, box->asides.len - 1, err);
}

static void
strike(struct sled_aside_row *row, const struct sled_strike *by, int64_t now)
{
	uint32_t strikes = row->strikes + by->weight;

	if (by->most > 0 && strikes > by->most)
		strikes = row->strikes > by->most ? row->strikes : by->most;
	if (by->for_good && row->uid[0] != '\0') {
		row->again = SLED_ASIDE_WANTED; /* it ended no visit */
	} else {
		row->strikes = strikes;
		row->again = now + distance(strikes);
	}
	(void)snprintf(row->why, sizeof(row->why), "%s", by->why);
}

/* It stays in sight, and can be wanted or dropped. */
static bool
show(struct sled_box *box, size_t item, const struct sled_strike *by,
     int64_t now, struct sled_err *err)
{
	return sled_box_held(box, item, NULL, (struct sled_span){ "", 0 }, now,
	                     err) &&
	       sled_held_unwant(box, item, by->why, now, err);
}

static bool
set_aside(struct sled_box *box, size_t item, const struct sled_strike *by,
          int64_t now, struct sled_err *err)
{
	struct sled_aside *aside = of_item(box, item);

	if (aside == NULL && !new_row(box, item, &aside, err))
		return false;
	strike(&aside->row, by, now);
	return sled_ledger_aside_put(box->store->ledger, &aside->row, err) &&
	       (aside->row.again <= now || show(box, item, by, now, err));
}

static bool
end(struct sled_box *box, bool ok, struct sled_err *err)
{
	if (ok)
		return sled_ledger_commit(box->store->ledger, err);
	sled_ledger_drop(box->store->ledger);
	return false;
}

bool
sled_box_set_aside(struct sled_box *box, size_t item,
                   const struct sled_strike *by, int64_t now,
                   struct sled_err *err)
{
	return sled_ledger_begin(box->store->ledger, err) &&
	       end(box, set_aside(box, item, by, now, err), err);
}

bool
sled_box_set_again_aside(struct sled_box *box, const struct sled_strike *by,
                         int64_t now, struct sled_err *err)
{
	bool ok = true;

	if (box->again.len == 0)
		return true;
	if (!sled_ledger_begin(box->store->ledger, err))
		return false;
	for (size_t at = 0, item; ok && sled_box_again(box, &at, &item);)
		ok = set_aside(box, item, by, now, err);
	return end(box, ok, err);
}

static bool
is_stored(const struct sled_item *it)
{
	return it->verdict == SLED_ITEM_STORED &&
	       (it->flags & SLED_ITEM_SHORT) == 0;
}

/* What is stored by now is no trouble any more. */
bool
sled_asides_close(struct sled_box *box, struct sled_err *err)
{
	for (size_t i = 0; box->listing != NULL && i < box->asides.len; i++) {
		const struct sled_aside *aside = &box->asides.list[i];

		if (is_stored(&box->listing->items[aside->item]) &&
		    !sled_ledger_aside_forget(box->store->ledger, &aside->row,
		                              err))
			return false;
	}
	return true;
}
