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

static void
find_item(struct sled_box *box, struct sled_aside *aside)
{
	for (size_t i = 0; i < box->listing->len; i++)
		if (is_this(box, i, &aside->row)) {
			aside->item = i;
			return;
		}
}

/* Rows of messages that are not there any more go. */
bool
sled_asides_listed(struct sled_box *box, struct sled_err *err)
{
	struct sled_asides *asides = &box->asides;
	struct sled_ledger *ledger = box->store->ledger;
	size_t kept = 0;

	if (!sled_ledger_asides(ledger, box->maildrop.id, take_aside, asides,
	                        err))
		return false;
	for (size_t i = 0; i < asides->len; i++) {
		struct sled_aside *aside = &asides->list[i];

		find_item(box, aside);
		if (aside->item == SIZE_MAX &&
		    !sled_ledger_aside_forget(ledger, &aside->row, err))
			return false;
		if (aside->item != SIZE_MAX)
			asides->list[kept++] = *aside;
	}
	asides->len = kept;
	return true;
}

void
sled_asides_free(struct sled_box *box)
{
	free(box->asides.list);
	box->asides = (struct sled_asides){ 0 };
}

static struct sled_aside *
of_item(const struct sled_box *box, size_t item)
{
	for (size_t i = 0; i < box->asides.len; i++)
		if (box->asides.list[i].item == item)
			return &box->asides.list[i];
	return NULL;
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
	return true;
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

bool
sled_box_set_aside(struct sled_box *box, size_t item,
                   const struct sled_strike *by, int64_t now,
                   struct sled_err *err)
{
	struct sled_ledger *ledger = box->store->ledger;
	struct sled_aside *aside = of_item(box, item);

	if (aside == NULL && !new_row(box, item, &aside, err))
		return false;
	strike(&aside->row, by, now);
	if (!sled_ledger_begin(ledger, err))
		return false;
	if (!sled_ledger_aside_put(ledger, &aside->row, err) ||
	    (aside->row.again > now && !show(box, item, by, now, err))) {
		sled_ledger_drop(ledger);
		return false;
	}
	return sled_ledger_commit(ledger, err);
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
