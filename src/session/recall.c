/*
 * recall.c - see recall.h for the contract.
 *
 * What is known of today's listing is a set of points: message i is the
 * remembered entry p, or it is new. The shift p - i can only grow with i, since
 * nothing but deletions moves an entry. So where two points have one shift
 * nothing between them went, and it is theirs; where shifts differ, the run
 * between is divided by probes. Behind the last kept point at most as many
 * messages are kept as the remembered listing has left: the rest is new.
 *
 * How finely to divide is arithmetic: r probes make r + 1 pieces of a run, and
 * F flights that all divide alike need about F * len^(1/F) questions for one
 * gap. Each flight costs too, and is counted as FLIGHT questions: in the 0.6 s
 * of a round trip, a question of 65 octets fits 11 times at 9,600 bit/s and 70
 * times at 64,000; 16 is on the side of few octets. The cheapest F is chosen
 * anew before each flight.
 */
#include "session/recall.h"

#include <stdlib.h>
#include <string.h>

#define FLIGHT     16 /* questions that one more round trip is worth */
#define SEARCH_MAX 5  /* flights of probes */
/* Questions are bounded by half the messages: then they cost no more than the
 * whole listing, and a search that ends in WHOLE has doubled it at most. So few
 * (4 kB) are always allowed. */
#define ASK_MIN 64
#define FRESH   0x80000000u /* in .at: an index of .fresh, not an entry */

enum {
	WANT = 1,  /* to be asked, or asked */
	ASKED = 2, /* handed out by next() */
	UID = 4,   /* answered */
	SIZE = 8,  /* answered after UID: the number is confirmed */
};

struct fresh {
	uint64_t size;
	uint32_t uid; /* offset in .uids */
};

struct sled_recall {
	const struct sled_listing *old;
	uint32_t n;      /* remembered */
	uint32_t *order; /* items of OLD by uid */
	bool sums, whole, stat_done, found;
	uint32_t count; /* by STAT */
	uint64_t octets;

	/* By message-number; room for the larger of n and count. */
	uint32_t *at;    /* remembered entry from 1; FRESH | index; 0 unknown */
	uint8_t *flags;  /* WANT.. */
	uint32_t cursor; /* no number below waits to be handed out */
	uint32_t waiting;  /* WANT without ASKED */
	uint32_t open;     /* WANT without SIZE */
	unsigned refusals; /* of the anchor: 2 are a full answer */

	uint32_t asked; /* without the anchor */
	unsigned flights;
	uint32_t first_new; /* messages from here on are new */
	bool may_be_all; /* all remembered after the last point may be kept */

	struct fresh *fresh;
	uint32_t fresh_len, fresh_cap;
	struct sled_buf uids;
};

/* ---- the remembered listing ---- */

static int
by_uid(const void *a, const void *b, void *ctx)
{
	const struct sled_recall *r = ctx;

	return strcmp(sled_listing_uid_of(r->old, *(const uint32_t *)a),
	              sled_listing_uid_of(r->old, *(const uint32_t *)b));
}

/* Every entry has a uid of its own, and a size. */
static bool
is_usable(const struct sled_recall *r)
{
	for (uint32_t i = 0; i < r->n; i++)
		if (r->old->items[i].uid == 0 ||
		    (r->old->items[i].flags & SLED_ITEM_NOID) != 0 ||
		    r->old->items[i].verdict == SLED_ITEM_ABSENT)
			return false;
	for (uint32_t i = 1; i < r->n; i++)
		if (strcmp(sled_listing_uid_of(r->old, r->order[i - 1]),
		           sled_listing_uid_of(r->old, r->order[i])) == 0)
			return false;
	return r->n > 0;
}

/* The entry from 1 with this uid, or 0. */
static uint32_t
find_old(const struct sled_recall *r, const char *uid)
{
	uint32_t from = 0, to = r->n;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;
		int side =
		    strcmp(uid, sled_listing_uid_of(r->old, r->order[mid]));

		if (side == 0)
			return r->order[mid] + 1;
		if (side < 0)
			to = mid;
		else
			from = mid + 1;
	}
	return 0;
}

/* ---- questions ---- */

static void
want(struct sled_recall *r, uint32_t msg)
{
	if ((r->flags[msg] & WANT) != 0)
		return;
	r->flags[msg] |= WANT;
	r->waiting++;
	r->open++;
	if (msg < r->cursor)
		r->cursor = msg;
}

static void
want_counted(struct sled_recall *r, uint32_t msg)
{
	if ((r->flags[msg] & WANT) == 0)
		r->asked++;
	want(r, msg);
}

size_t
sled_recall_next(struct sled_recall *r, uint32_t *numbers, size_t room)
{
	size_t len = 0;

	if (r->whole)
		return 0;
	for (; len < room && r->waiting > 0; r->cursor++) {
		if ((r->flags[r->cursor] & (WANT | ASKED)) != WANT)
			continue;
		r->flags[r->cursor] |= ASKED;
		r->waiting--;
		numbers[len++] = r->cursor;
	}
	return len;
}

/* ---- what the points say ---- */

/* The first message from FROM on of which anything is known, or count + 1. */
static uint32_t
next_point(const struct sled_recall *r, uint32_t from)
{
	while (from <= r->count && r->at[from] == 0)
		from++;
	return from;
}

/* Fill the runs between points of one shift and find where new mail begins;
 * false when the order is not the remembered one. */
static bool
infer(struct sled_recall *r)
{
	uint32_t last = 0, entry = 0; /* the last kept point */
	uint32_t msg = next_point(r, 1);

	while (msg <= r->count && r->at[msg] < FRESH) {
		if (r->at[msg] < entry + (msg - last))
			return false;
		if (r->at[msg] == entry + (msg - last))
			for (uint32_t i = last + 1; i < msg; i++)
				r->at[i] = entry + (i - last);
		last = msg;
		entry = r->at[msg];
		msg = next_point(r, msg + 1);
	}
	r->may_be_all = msg > last + (r->n - entry);
	r->first_new = r->may_be_all ? last + (r->n - entry) + 1 : msg;
	for (; msg <= r->count; msg = next_point(r, msg + 1))
		if (r->at[msg] < FRESH)
			return false;
	return true;
}

struct run {
	uint32_t from, len;
};

/* The next run of unknown messages before the new ones. */
static bool
next_run(const struct sled_recall *r, struct run *run)
{
	uint32_t msg = run->from + run->len;

	while (msg < r->first_new && r->at[msg] != 0)
		msg++;
	run->from = msg;
	while (msg < r->first_new && r->at[msg] == 0)
		msg++;
	run->len = msg - run->from;
	return run->len > 0;
}

/* One probe may settle the last run: is its end the last remembered entry? A
 * cut was found before it, so most likely there is none in it. */
static bool
is_guess(const struct sled_recall *r, const struct run *run)
{
	return r->may_be_all && run->from + run->len == r->first_new;
}

/* The least number of pieces so that FLIGHTS divisions leave none unknown. */
static uint32_t
pieces(uint32_t len, unsigned flights)
{
	uint32_t k = flights == 1 ? len + 1 : 1;

	for (;; k++) {
		uint64_t reach = 1;

		for (unsigned i = 0; i < flights; i++)
			reach *= k;
		if (reach > len)
			return k;
	}
}

/* Questions for all runs in so many flights, if each has one cut. */
static uint64_t
estimate(const struct sled_recall *r, unsigned flights)
{
	struct run run = { .from = 1 };
	uint64_t sum = 0;

	while (next_run(r, &run))
		sum += is_guess(r, &run)
		           ? 1
		           : (uint64_t)flights * (pieces(run.len, flights) - 1);
	return sum;
}

/* In how many flights the search ends cheapest; *COST in questions. */
static unsigned
choose_flights(const struct sled_recall *r, uint64_t *cost)
{
	unsigned best = 0;

	for (unsigned f = 1; f + r->flights <= SEARCH_MAX; f++) {
		uint64_t sum = estimate(r, f);

		if (best == 0 || sum + (uint64_t)FLIGHT * f <
		                     *cost + (uint64_t)FLIGHT * best) {
			best = f;
			*cost = sum;
		}
	}
	return best;
}

static void
want_probes(struct sled_recall *r, unsigned flights)
{
	struct run run = { .from = 1 };

	while (next_run(r, &run)) {
		uint32_t k = pieces(run.len, flights);

		if (is_guess(r, &run)) {
			want_counted(r, run.from + run.len - 1);
			continue;
		}
		for (uint32_t i = 1; i < k; i++)
			want_counted(
			    r, run.from - 1 +
				   (uint32_t)((uint64_t)i * (run.len + 1) / k));
	}
}

/* The first search also asks whether just the oldest went, or no mail came. */
#define ENDS 2

static void
want_ends(struct sled_recall *r)
{
	want_counted(r, 1);
	want_counted(r, r->first_new - 1);
}

static uint32_t
unasked_tail(const struct sled_recall *r)
{
	uint32_t len = 0;

	for (uint32_t msg = r->first_new; msg <= r->count; msg++)
		len += (r->flags[msg] & WANT) == 0;
	return len;
}

/* A line of the whole listing costs half a question: is it cheaper? */
static bool
is_too_dear(const struct sled_recall *r, unsigned flights, uint64_t questions)
{
	uint32_t half = r->count / 2;

	if ((uint64_t)FLIGHT * flights + questions > (uint64_t)FLIGHT + half)
		return true;
	return r->asked + questions > (half > ASK_MIN ? half : ASK_MIN);
}

/* What to ask next, if anything; false when the whole listing is better. */
static bool
plan(struct sled_recall *r)
{
	struct run run = { .from = 1 };
	unsigned flights = 0;
	uint64_t cost = 0;
	uint32_t tail = unasked_tail(r);
	bool search = next_run(r, &run);

	if (search) {
		flights = choose_flights(r, &cost);
		if (flights == 0)
			return false;
		cost += r->flights == 0 ? ENDS : 0;
	}
	if (is_too_dear(r, search ? flights : 1, cost + tail))
		return false;
	if (search && r->flights == 0)
		want_ends(r);
	if (search) {
		want_probes(r, flights);
		r->flights++;
	}
	for (uint32_t msg = r->first_new; msg <= r->count; msg++)
		want_counted(r, msg);
	return true;
}

/* ---- does it add up? ---- */

static int
by_text(const void *a, const void *b, void *ctx)
{
	const char *uids = ctx;

	return strcmp(uids + ((const struct fresh *)a)->uid,
	              uids + ((const struct fresh *)b)->uid);
}

/* Among the new ones: none of them is remembered, and what is remembered was
 * seen to be different. */
static bool
has_doubles(const struct sled_recall *r)
{
	size_t bytes = r->fresh_len * sizeof(*r->fresh);
	struct fresh *sorted;
	bool found = false;

	if (r->fresh_len < 2)
		return false;
	sorted = malloc(bytes);
	if (sorted == NULL)
		return true;
	memcpy(sorted, r->fresh, bytes);
	qsort_r(sorted, r->fresh_len, sizeof(*sorted), by_text, r->uids.data);
	for (uint32_t i = 1; i < r->fresh_len && !found; i++)
		found = by_text(&sorted[i - 1], &sorted[i], r->uids.data) == 0;
	free(sorted);
	return found;
}

static uint64_t
size_of(const struct sled_recall *r, uint32_t msg)
{
	uint32_t at = r->at[msg];

	return at >= FRESH ? r->fresh[at - FRESH].size
	                   : r->old->items[at - 1].size;
}

static const char *
uid_of(const struct sled_recall *r, uint32_t msg)
{
	uint32_t at = r->at[msg];

	return at >= FRESH ? r->uids.data + r->fresh[at - FRESH].uid
	                   : sled_listing_uid_of(r->old, at - 1);
}

static bool
adds_up(const struct sled_recall *r)
{
	uint64_t sum = 0;

	for (uint32_t msg = 1; msg <= r->count; msg++)
		if (r->at[msg] == 0 ||
		    __builtin_add_overflow(sum, size_of(r, msg), &sum))
			return false;
	return (!r->sums || sum == r->octets) && !has_doubles(r);
}

/* Every question has its answers: go on from what they say. */
static void
settle(struct sled_recall *r)
{
	if (r->whole || r->found || !r->stat_done || r->open > 0)
		return;
	/* The anchor is refused exactly when there are fewer messages. */
	if ((r->refusals > 0) != (r->count < r->n) || !infer(r) || !plan(r)) {
		r->whole = true;
		return;
	}
	if (r->open > 0)
		return;
	r->found = adds_up(r);
	r->whole = !r->found;
}

/* ---- answers ---- */

static bool
grow(struct sled_recall *r, uint32_t len)
{
	uint32_t *at = calloc((size_t)len + 1, sizeof(*at));
	uint8_t *flags = calloc((size_t)len + 1, sizeof(*flags));

	if (at == NULL || flags == NULL) {
		free(at);
		free(flags);
		return false;
	}
	if (r->at != NULL) {
		memcpy(at, r->at, ((size_t)r->n + 1) * sizeof(*at));
		memcpy(flags, r->flags, ((size_t)r->n + 1) * sizeof(*flags));
	}
	free(r->at);
	free(r->flags);
	r->at = at;
	r->flags = flags;
	return true;
}

void
sled_recall_stat(struct sled_recall *r, uint32_t count, uint64_t octets)
{
	if (r->whole)
		return;
	/* So much new mail that WHOLE is certain needs no memory first. */
	if (r->stat_done || count / 2 > r->n ||
	    (count > r->n && !grow(r, count))) {
		r->whole = true;
		return;
	}
	r->stat_done = true;
	r->count = count;
	r->octets = octets;
	settle(r);
}

/* RFC 1939, section 7, with a NUL. */
static bool
copy_uid(char out[SLED_UID_MAX + 1], struct sled_span uid)
{
	if (uid.len == 0 || uid.len > SLED_UID_MAX)
		return false;
	for (size_t i = 0; i < uid.len; i++)
		if (uid.data[i] < 0x21 || uid.data[i] > 0x7e)
			return false;
	memcpy(out, uid.data, uid.len);
	out[uid.len] = '\0';
	return true;
}

static bool
add_fresh(struct sled_recall *r, uint32_t msg, const char *uid)
{
	struct sled_err err = { 0 };
	uint32_t cap = r->fresh_cap == 0 ? 16 : r->fresh_cap * 2;
	struct fresh *grown;

	if (r->fresh_len == r->fresh_cap) {
		grown = realloc(r->fresh, cap * sizeof(*grown));
		if (grown == NULL)
			return false;
		r->fresh = grown;
		r->fresh_cap = cap;
	}
	r->fresh[r->fresh_len].uid = (uint32_t)r->uids.len;
	r->at[msg] = FRESH | r->fresh_len++;
	return sled_buf_add(&r->uids, uid, strlen(uid) + 1, &err);
}

static bool
take_uid(struct sled_recall *r, uint32_t msg, const char *uid)
{
	if (r->at[msg] != 0) /* inferred: it must be that one */
		return strcmp(uid, uid_of(r, msg)) == 0;
	r->at[msg] = find_old(r, uid);
	return r->at[msg] != 0 || add_fresh(r, msg, uid);
}

/* Was MSG asked, and of its answers did exactly HAD come? */
static bool
is_due(const struct sled_recall *r, uint32_t msg, unsigned had)
{
	uint32_t len = r->stat_done && r->count > r->n ? r->count : r->n;

	return msg > 0 && msg <= len && (r->flags[msg] & ASKED) != 0 &&
	       (r->flags[msg] & (UID | SIZE)) == had;
}

void
sled_recall_uid(struct sled_recall *r, uint32_t msg, struct sled_span uid)
{
	char text[SLED_UID_MAX + 1];

	if (r->whole)
		return;
	r->whole = !is_due(r, msg, 0) || (msg == r->n && r->refusals > 0) ||
	           !copy_uid(text, uid) || !take_uid(r, msg, text);
	if (!r->whole)
		r->flags[msg] |= UID;
}

void
sled_recall_size(struct sled_recall *r, uint32_t msg, uint64_t size)
{
	if (r->whole)
		return;
	if (!is_due(r, msg, UID)) {
		r->whole = true;
		return;
	}
	if (r->at[msg] >= FRESH)
		r->fresh[r->at[msg] - FRESH].size = size;
	else if (size_of(r, msg) != size)
		r->whole = true;
	r->flags[msg] |= SIZE;
	r->open--;
	settle(r);
}

void
sled_recall_refused(struct sled_recall *r, uint32_t msg)
{
	if (r->whole)
		return;
	/* Only the anchor may be, where it is beyond the last message. */
	if (msg != r->n || !is_due(r, msg, 0) || r->refusals == 2 ||
	    (r->stat_done && r->count >= r->n)) {
		r->whole = true;
		return;
	}
	if (++r->refusals == 2)
		r->open--;
	settle(r);
}

void
sled_recall_broken(struct sled_recall *r)
{
	r->whole = true;
}

/* ---- what came of it ---- */

enum sled_recall_verdict
sled_recall_verdict(const struct sled_recall *r)
{
	if (r->whole)
		return SLED_RECALL_WHOLE;
	return r->found && r->open == 0 ? SLED_RECALL_DONE : SLED_RECALL_MORE;
}

void
sled_recall_confirm(struct sled_recall *r, uint32_t msg)
{
	if (!r->whole && r->found && msg > 0 && msg <= r->count)
		want(r, msg);
}

bool
sled_recall_confirmed(const struct sled_recall *r, uint32_t msg)
{
	return !r->whole && r->found && msg > 0 && msg <= r->count &&
	       (r->flags[msg] & SIZE) != 0;
}

bool
sled_recall_fill(const struct sled_recall *r, struct sled_listing *out,
                 struct sled_err *err)
{
	if (sled_recall_verdict(r) != SLED_RECALL_DONE || out->len != r->count)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "listing: not recalled");
	for (uint32_t msg = 1; msg <= r->count; msg++) {
		const char *uid = uid_of(r, msg);
		struct sled_span span = { uid, strlen(uid) };

		if (!sled_listing_size(out, msg, size_of(r, msg), err) ||
		    !sled_listing_uid(out, msg, span, err))
			return false;
	}
	return true;
}

bool
sled_recall_new(struct sled_recall **out, const struct sled_listing *old,
                bool sums, struct sled_err *err)
{
	struct sled_recall *r = calloc(1, sizeof(*r));

	*out = r;
	if (r == NULL || old->len >= FRESH)
		goto fail;
	r->old = old;
	r->n = (uint32_t)old->len;
	r->sums = sums;
	r->cursor = 1;
	r->order = calloc(old->len + 1, sizeof(*r->order));
	if (r->order == NULL || !grow(r, r->n))
		goto fail;
	for (uint32_t i = 0; i < r->n; i++)
		r->order[i] = i;
	qsort_r(r->order, r->n, sizeof(*r->order), by_uid, r);
	r->whole = !is_usable(r);
	if (!r->whole)
		want(r, r->n);
	return true;
fail:
	sled_recall_free(out);
	return sled_fail(err, SLED_ERR_NOMEM, "listing");
}

void
sled_recall_free(struct sled_recall **recall)
{
	struct sled_recall *r = *recall;

	if (r == NULL)
		return;
	free(r->order);
	free(r->at);
	free(r->flags);
	free(r->fresh);
	sled_buf_free(&r->uids);
	free(r);
	*recall = NULL;
}
