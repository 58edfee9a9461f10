/*
 * stray.c - octets that are another message's, by their size or to the last one
 * [W5].
 *
 * A server whose first answers are all wrong seems to be one whose sizes tell
 * nothing, as of some that add to the header on its way. What tells the two
 * apart: a message that was given for another has the size that it is listed
 * with itself. On a server that adds, that is chance, and a TOP settles it, in
 * the visit that fetched it; no more is asked once the habit is known.
 *
 * The same octets under two ids are one message that was delivered twice, or one
 * that was given for another: of its size, nothing else tells. Each shows its
 * header. Where that is not the one that came, and is the same for both, TOP
 * rewrites headers: had one been given for the other, they would differ.
 */
#include <string.h>

#include "store/store.h"

struct stray {
	uint32_t item;
	bool by_lf;   /* it is as listed, if this server counts bare LF */
	bool learned; /* it was counted so, or as loose */
	bool first;   /* it did not come so before */
	bool alike;   /* another one has its octets */
	/* Of one that is alike, behind a TOP that showed another header: */
	bool strange;
	struct sled_hash octets, head;
};

/* In either way of counting, a final line end added or not; see habit.c. */
static bool
is_of_another(struct sled_box *box, const struct sled_digest *digest)
{
	const struct sled_sizes *sizes = sled_box_sizes(box);
	uint64_t bare = digest->octets - digest->lines;

	return sled_sizes_count(sizes, digest->octets) > 0 ||
	       sled_sizes_count(sizes, digest->octets - 2) > 0 ||
	       sled_sizes_count(sizes, bare) > 0 ||
	       sled_sizes_count(sizes, bare - 1) > 0;
}

static struct sled_maildrop
habit_of(const struct sled_box *box, const struct sled_digest *digest)
{
	struct sled_maildrop one = { 0 };

	sled_box_learn(&one, digest, box->listing->items[box->current].size);
	return one;
}

bool
sled_stray_is(struct sled_box *box, const struct sled_digest *digest)
{
	return !box->loose && habit_of(box, digest).exact == 0 &&
	       is_of_another(box, digest);
}

bool
sled_stray_note(struct sled_box *box, const struct sled_digest *digest,
                bool learned, struct sled_err *err)
{
	const struct stray stray = {
		.item = (uint32_t)box->current,
		.by_lf = habit_of(box, digest).lf_counted > 0,
		.learned = learned,
		.first = learned,
	};
	struct sled_item *it = &box->listing->items[stray.item];

	if ((it->flags & SLED_ITEM_SHORT) != 0 || !sled_stray_is(box, digest))
		return true;
	/* A TOP of this visit showed something else than what came. */
	it->flags &= (uint8_t)~SLED_ITEM_TOPPED;
	return sled_buf_add(&box->strays, &stray, sizeof(stray), err);
}

bool
sled_stray_alike(struct sled_box *box, size_t item, bool first,
                 struct sled_err *err)
{
	const struct stray stray = { .item = (uint32_t)item,
		                     .first = first,
		                     .alike = true };
	struct sled_item *it = &box->listing->items[item];

	if ((it->flags & SLED_ITEM_SHORT) != 0)
		return true;
	it->flags &= (uint8_t)~SLED_ITEM_TOPPED;
	return sled_buf_add(&box->strays, &stray, sizeof(stray), err);
}

bool
sled_box_suspect(struct sled_box *box, size_t item, struct sled_err *err)
{
	int64_t row = box->listing->items[item].row;

	return sled_stray_alike(box, item, !sled_is_claimed(&box->asked, row),
	                        err);
}

static struct stray
stray_at(const struct sled_box *box, size_t at)
{
	struct stray stray;

	memcpy(&stray, box->strays.data + at * sizeof(stray), sizeof(stray));
	return stray;
}

static bool
is_open(const struct sled_box *box, const struct stray *stray)
{
	const struct sled_item *it = &box->listing->items[stray->item];
	const unsigned settled = SLED_ITEM_TOPPED | SLED_ITEM_SHORT;

	return it->verdict == SLED_ITEM_STORED && (it->flags & settled) == 0 &&
	       !(stray->by_lf && sled_box_counts_lf(&box->maildrop));
}

bool
sled_box_stray(const struct sled_box *box, size_t *at, size_t *item)
{
	while (*at < box->strays.len / sizeof(struct stray)) {
		struct stray stray = stray_at(box, (*at)++);

		*item = stray.item;
		if (is_open(box, &stray))
			return true;
	}
	return false;
}

/* Each is asked about in the order of the list: it is the one before .shown. */
static struct stray
next_shown(struct sled_box *box, size_t item)
{
	size_t len = box->strays.len / sizeof(struct stray);
	struct stray stray = { .item = UINT32_MAX,
		               .learned = true,
		               .first = true };

	while (box->shown < len && stray.item != item)
		stray = stray_at(box, box->shown++);
	return stray;
}

static bool
believe(struct sled_box *box, size_t item, struct sled_err *err)
{
	return sled_ledger_set_flags(box->store->ledger,
	                             box->listing->items[item].row, 0,
	                             SLED_MESSAGE_DOUBTFUL, err);
}

/* The same octets twice are believed where nothing else can be known [S3]; so are
 * those that two messages have, of a server that shows no header at all. */
static bool
without_head(struct sled_box *box, size_t item, const struct stray *stray,
             struct sled_err *err)
{
	bool shows = stray->learned || (box->peer.caps & SLED_PEER_TOP) != 0;

	return stray->first && shows ? sled_box_doubt(box, item, err)
	                             : believe(box, item, err);
}

static bool
is_other(struct sled_box *box, size_t item, const struct stray *stray,
         struct sled_err *err)
{
	uint32_t *counted =
	    stray->by_lf ? &box->maildrop.lf_counted : &box->maildrop.loose;

	return sled_box_short(box, item, stray->learned ? counted : NULL, err);
}

/* One with the same octets that showed the same header; SIZE_MAX: none did. */
static size_t
find_twin(const struct sled_box *box, const struct stray *of)
{
	for (size_t at = 0; at < box->shown; at++) {
		struct stray stray = stray_at(box, at);

		if (stray.strange && stray.item != of->item &&
		    sled_hash_equal(&stray.octets, &of->octets) &&
		    sled_hash_equal(&stray.head, &of->head))
			return stray.item;
	}
	return SIZE_MAX;
}

/* It is not settled before its twin shows the same header. */
static bool
compare(struct sled_box *box, struct stray *stray, const struct sled_hash *head,
        const struct sled_message *row, struct sled_err *err)
{
	struct sled_item *items = box->listing->items;
	size_t twin;

	stray->strange = true;
	stray->octets = row->sha256;
	stray->head = *head;
	memcpy(box->strays.data + (box->shown - 1) * sizeof(*stray), stray,
	       sizeof(*stray));
	twin = find_twin(box, stray);
	if (twin == SIZE_MAX) {
		items[stray->item].flags &= (uint8_t)~SLED_ITEM_TOPPED;
		return true;
	}
	items[twin].flags |= SLED_ITEM_TOPPED;
	return believe(box, twin, err) && believe(box, stray->item, err);
}

bool
sled_box_strange(struct sled_box *box, bool *other, struct sled_err *err)
{
	for (size_t at = 0; at < box->shown; at++) {
		struct stray stray = stray_at(box, at);

		if (!stray.strange || !is_open(box, &stray))
			continue;
		*other = true;
		box->listing->items[stray.item].flags |= SLED_ITEM_TOPPED;
		if (!is_other(box, stray.item, &stray, err))
			return false;
	}
	return true;
}

bool
sled_box_shown(struct sled_box *box, size_t item, const struct sled_digest *top,
               bool *other, struct sled_err *err)
{
	struct sled_item *it = &box->listing->items[item];
	struct stray stray = next_shown(box, item);
	struct sled_row_copy copy = { .found = false };

	*other = false;
	it->flags |= SLED_ITEM_TOPPED;
	if (top == NULL || top->head_octets == 0)
		return without_head(box, item, &stray, err);
	if (!sled_ledger_by_id(box->store->ledger, it->row, sled_row_take,
	                       &copy, err))
		return false;
	if (copy.found && copy.row.head_octets > 0 &&
	    sled_hash_equal(&copy.row.head_sha256, &top->head_sha256))
		return believe(box, item, err);
	if (copy.found && stray.alike)
		return compare(box, &stray, &top->head_sha256, &copy.row, err);
	*other = true;
	return is_other(box, item, &stray, err);
}
