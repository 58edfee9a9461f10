/*
 * recheck.c - may mail of an earlier visit be deleted now? Its places are
 * counted again: what the ledger says was true when it was written.
 *
 * The job knows rows, never items: those change as mail comes in beside it.
 * Members are read first, with no transaction open, for a visit's other thread
 * writes to the ledger meanwhile; then all that was seen is written in one.
 * An item is SAFE only after that is committed [D2].
 */
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct due {
	int64_t member; /* 0: the row is not there any more */
	int64_t row;
	size_t item;
	bool noted; /* its row says already when it was safe first */
	bool safe;
};

/* What reading a member again showed. */
struct seen {
	int64_t member;
	const char *place;
	bool holds;
};

struct sled_recount {
	struct sled_store *store;
	int64_t now;
	struct due *due; /* by member, once the job has begun */
	size_t due_len;
	struct seen *seen;
	size_t seen_len, seen_cap;
	int64_t *verified; /* of one member, by seat; 0: not held */
	bool *holds;
	struct sled_err err;
};

static int
by_member(const void *a, const void *b)
{
	int64_t left = ((const struct due *)a)->member;
	int64_t right = ((const struct due *)b)->member;

	return (left > right) - (left < right);
}

/* Of what the policy keeps only that counts which QUIT could delete. */
static bool
matters(const struct sled_item *it)
{
	const unsigned done = SLED_ITEM_SAFE | SLED_ITEM_SHORT;
	const unsigned why =
	    SLED_ITEM_DUE | SLED_ITEM_TOPPED | SLED_ITEM_RETRIEVED;

	return it->verdict == SLED_ITEM_STORED && it->row != 0 &&
	       (it->flags & done) == 0 && (it->flags & why) != 0;
}

static void
collect(struct sled_recount *r, const struct sled_listing *listing)
{
	for (size_t i = 0; i < listing->len; i++)
		if (matters(&listing->items[i]))
			r->due[r->due_len++] =
			    (struct due){ .row = listing->items[i].row,
				          .item = i };
}

static bool
find_members(struct sled_recount *r, struct sled_err *err)
{
	for (size_t i = 0; i < r->due_len; i++) {
		struct sled_row_copy copy = { .found = false };

		if (!sled_ledger_by_id(r->store->ledger, r->due[i].row,
		                       sled_row_take, &copy, err))
			return false;
		if (!copy.found)
			continue;
		r->due[i].member = copy.row.member;
		r->due[i].noted = copy.row.safe != 0;
	}
	qsort(r->due, r->due_len, sizeof(*r->due), by_member);
	return true;
}

/* One place has one seat, though two paths of the configuration lead to it. */
static bool
take_holding(void *ctx, const struct sled_holding *holding,
             struct sled_err *err)
{
	struct sled_recount *r = ctx;
	size_t best = r->store->len;

	(void)err;
	for (size_t i = 0; i < r->store->len; i++)
		if (strcmp(r->store->seats[i].id, holding->place) == 0 &&
		    (best == r->store->len || r->store->seats[i].present))
			best = i;
	if (best < r->store->len)
		r->verified[best] = holding->verified;
	return true;
}

static bool
note_seen(struct sled_recount *r, const struct seen *seen, struct sled_err *err)
{
	if (r->seen_len == r->seen_cap) {
		size_t cap = r->seen_cap == 0 ? 64 : r->seen_cap * 2;
		struct seen *list = realloc(r->seen, cap * sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "recheck");
		r->seen = list;
		r->seen_cap = cap;
	}
	r->seen[r->seen_len++] = *seen;
	return true;
}

static bool
read_again(struct sled_recount *r, struct sled_seat *seat,
           const struct sled_member_row *row, bool *holds, struct sled_err *err)
{
	const struct sled_member_sum sum = { row->length, row->tar_octets,
		                             row->body_sha256 };
	struct sled_volume_row volume;
	struct sled_reading reading;
	struct sled_err why = { 0 };

	if (!sled_ledger_volume_get(r->store->ledger, row->volume, &volume,
	                            err))
		return false;
	*holds = sled_seat_read(&reading, seat, &volume, true, &why);
	if (*holds) {
		*holds =
		    sled_member_compare(&reading.source, row->at, &sum, &why);
		sled_reading_close(&reading);
	}
	if (!*holds)
		sled_store_say(r->store, "%s: %s", seat->place.path, why.text);
	return note_seen(r, &(struct seen){ row->id, seat->id, *holds }, err);
}

/* Verified in the future: the clock cannot say how old it is. */
static bool
absent_holds(const struct sled_recount *r, size_t i)
{
	const struct sled_seat *seat = &r->store->seats[i];
	int64_t age = r->now - r->verified[i];

	return r->verified[i] != 0 && !seat->suspect && !seat->wiped &&
	       !seat->present && seat->place.found != SLED_PLACE_BROKEN &&
	       age < SLED_ABSENT_S && age > -SLED_FRESH_S;
}

static bool
seat_holds(struct sled_recount *r, size_t i, const struct sled_member_row *row,
           struct sled_err *err)
{
	struct sled_seat *seat = &r->store->seats[i];
	int64_t age = r->now - r->verified[i];

	r->holds[i] = false;
	if (r->verified[i] == 0)
		return true;
	if (!sled_seat_usable(seat)) {
		r->holds[i] = absent_holds(r, i);
		return true;
	}
	r->holds[i] = age >= 0 && age < SLED_FRESH_S;
	return r->holds[i] || read_again(r, seat, row, &r->holds[i], err);
}

static bool
is_enough(const struct sled_recount *r)
{
	return sled_seats_count(r->store, r->holds) >=
	       r->store->conf.min_copies;
}

static bool
count_member(struct sled_recount *r, int64_t member, bool *safe,
             struct sled_err *err)
{
	struct sled_member_row row;

	memset(r->verified, 0, r->store->len * sizeof(*r->verified));
	if (!sled_ledger_holdings(r->store->ledger, member, take_holding, r,
	                          err) ||
	    !sled_ledger_member_get(r->store->ledger, member, &row, err))
		return false;
	for (size_t i = 0; i < r->store->len; i++)
		if (!seat_holds(r, i, &row, err))
			return false;
	*safe = is_enough(r);
	return true;
}

static bool
count_all(struct sled_recount *r, struct sled_err *err)
{
	bool safe = false;

	for (size_t i = 0; i < r->due_len; i++) {
		if (r->due[i].member != 0 &&
		    (i == 0 || r->due[i].member != r->due[i - 1].member) &&
		    !count_member(r, r->due[i].member, &safe, err))
			return false;
		r->due[i].safe = safe;
	}
	return true;
}

static bool
write_seen(struct sled_recount *r, struct sled_err *err)
{
	struct sled_ledger *ledger = r->store->ledger;

	for (size_t i = 0; i < r->seen_len; i++) {
		const struct seen *seen = &r->seen[i];

		if (seen->holds ? !sled_ledger_hold(ledger, seen->member,
		                                    seen->place, r->now, err)
		                : !sled_ledger_unhold(ledger, seen->member,
		                                      seen->place, err))
			return false;
	}
	for (size_t i = 0; i < r->due_len; i++)
		if (r->due[i].safe && !r->due[i].noted &&
		    !sled_ledger_set_safe(ledger, r->due[i].row, r->now, err))
			return false;
	return true;
}

static bool
write_down(struct sled_recount *r, struct sled_err *err)
{
	if (!sled_ledger_begin(r->store->ledger, err))
		return false;
	if (!write_seen(r, err)) {
		sled_ledger_drop(r->store->ledger);
		return false;
	}
	return sled_ledger_commit(r->store->ledger, err);
}

/* With room for so many that are due; NULL: no memory. */
static struct sled_recount *
new_recount(struct sled_store *store, size_t due, struct sled_err *err)
{
	struct sled_recount *r = calloc(1, sizeof(*r));

	if (r != NULL) {
		r->store = store;
		r->due = calloc(due + 1, sizeof(*r->due));
		r->verified = calloc(store->len, sizeof(*r->verified));
		r->holds = calloc(store->len, sizeof(*r->holds));
	}
	if (r == NULL || r->due == NULL || r->verified == NULL ||
	    r->holds == NULL) {
		sled_recount_free(&r);
		(void)sled_fail(err, SLED_ERR_NOMEM, "recheck");
	}
	return r;
}

bool
sled_recount_could(struct sled_store *store, int64_t member, int64_t now,
                   bool *could, struct sled_err *err)
{
	struct sled_recount *r = new_recount(store, 0, err);
	bool ok;

	*could = false;
	if (r == NULL)
		return false;
	r->now = now;
	ok = sled_ledger_holdings(store->ledger, member, take_holding, r, err);
	for (size_t i = 0; ok && i < store->len; i++)
		r->holds[i] =
		    sled_seat_usable(&store->seats[i]) || absent_holds(r, i);
	*could = ok && is_enough(r);
	sled_recount_free(&r);
	return ok;
}

void
sled_recount_free(struct sled_recount **recount)
{
	struct sled_recount *r = *recount;

	if (r == NULL)
		return;
	*recount = NULL;
	free(r->due);
	free(r->seen);
	free(r->verified);
	free(r->holds);
	free(r);
}

bool
sled_box_recheck_take(struct sled_box *box, struct sled_err *err)
{
	sled_recount_free(&box->recount); /* no thread was to be had for it */
	box->recount = new_recount(box->store, box->listing->len, err);
	if (box->recount != NULL)
		collect(box->recount, box->listing);
	return box->recount != NULL;
}

void
sled_box_recheck(struct sled_box *box, int64_t now)
{
	struct sled_recount *r = box->recount;
	struct sled_err err = { 0 };

	r->now = now;
	if (!find_members(r, &err) || !count_all(r, &err) ||
	    !write_down(r, &err))
		r->err = err;
}

bool
sled_box_recheck_apply(struct sled_box *box, struct sled_err *err)
{
	struct sled_recount *r = box->recount;
	bool ok = r->err.kind == SLED_ERR_NONE;

	for (size_t i = 0; ok && i < r->due_len; i++) {
		struct sled_item *it = &box->listing->items[r->due[i].item];

		if (r->due[i].safe && it->row == r->due[i].row)
			it->flags |= SLED_ITEM_SAFE;
		else if (r->due[i].member != 0 && (it->flags & SLED_ITEM_DUE))
			sled_box_explain(box);
	}
	if (!ok)
		*err = r->err;
	sled_recount_free(&box->recount);
	return ok;
}
