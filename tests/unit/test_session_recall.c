/* test_session_recall.c - today's listing from the remembered one. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "session/recall.h"

#define FLIGHT_MAX 32

/* ---- a maildrop in memory ---- */

struct mail {
	uint32_t id; /* its uid as Dovecot writes one: 16 digits */
	uint32_t size;
};

struct drop {
	struct mail *mail;
	size_t len;
};

struct rng {
	uint64_t state;
};

static uint32_t
below(struct rng *rng, uint32_t bound)
{
	rng->state = rng->state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((rng->state >> 33) % bound);
}

static struct span_text {
	char text[24];

} uid_text(uint32_t id)

{
	struct span_text out;

	(void)snprintf(out.text, sizeof(out.text), "%08" PRIx32 "5f3c2a10", id);
	return out;
}

static struct drop
drop_new(struct rng *rng, size_t len)
{
	struct drop drop = { calloc(len * 2 + 64, sizeof(struct mail)), len };

	assert_non_null(drop.mail);
	for (size_t i = 0; i < len; i++)
		drop.mail[i] =
		    (struct mail){ (uint32_t)i + 1, 500 + below(rng, 60000) };
	return drop;
}

static struct drop
drop_copy(const struct drop *from)
{
	struct drop drop = { calloc(from->len * 2 + 64, sizeof(struct mail)),
		             from->len };

	assert_non_null(drop.mail);
	if (from->len > 0)
		memcpy(drop.mail, from->mail, from->len * sizeof(*drop.mail));
	return drop;
}

static void
drop_cut(struct drop *drop, size_t from, size_t len)
{
	memmove(drop->mail + from, drop->mail + from + len,
	        (drop->len - from - len) * sizeof(*drop->mail));
	drop->len -= len;
}

/* Room for LEN + 64 more was made. */
static void
drop_add(struct drop *drop, struct rng *rng, size_t len)
{
	for (size_t i = 0; i < len; i++, drop->len++)
		drop->mail[drop->len] =
		    (struct mail){ 1000000 + (uint32_t)i,
			           500 + below(rng, 60000) };
}

static uint64_t
drop_sum(const struct drop *drop)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < drop->len; i++)
		sum += drop->mail[i].size;
	return sum;
}

/* ---- listings ---- */

static struct sled_listing
listing_of(const struct drop *drop)
{
	struct sled_listing out;
	struct sled_err err = { 0 };

	assert_true(sled_listing_new(&out, drop->len, &err));
	for (uint32_t i = 1; i <= drop->len; i++) {
		struct span_text uid = uid_text(drop->mail[i - 1].id);

		assert_true(
		    sled_listing_size(&out, i, drop->mail[i - 1].size, &err));
		assert_true(sled_listing_uid(
		    &out, i, (struct sled_span){ uid.text, 16 }, &err));
	}
	return out;
}

/* Is message MSG of the listing what the server has there? */
static bool
tells_truth(const struct sled_listing *listing, const struct drop *drop,
            size_t msg)
{
	return listing->items[msg - 1].size == drop->mail[msg - 1].size &&
	       strcmp(sled_listing_uid_of(listing, msg - 1),
	              uid_text(drop->mail[msg - 1].id).text) == 0;
}

/* ---- one visit ---- */

struct visit {
	struct sled_listing *old; /* the planner keeps a pointer to it */
	struct sled_listing got;  /* at DONE */
	struct sled_recall *recall;
	enum sled_recall_verdict verdict;
	unsigned flights;   /* after the first */
	unsigned questions; /* numbers, with the anchor */
	uint64_t down, up;  /* octets of all UIDL n and LIST n, and STAT */
};

static void
reply(struct visit *v, const struct drop *drop, uint32_t msg)
{
	char line[80];

	v->questions++;
	v->up += (uint64_t)snprintf(line, sizeof(line),
	                            "UIDL %u\r\nLIST %u\r\n", msg, msg);
	if (msg > drop->len) {
		v->down += 2 * strlen("-ERR There's no such message.\r\n");
		sled_recall_refused(v->recall, msg);
		sled_recall_refused(v->recall, msg);
		return;
	}
	struct mail mail = drop->mail[msg - 1];
	struct span_text uid = uid_text(mail.id);

	v->down +=
	    (uint64_t)snprintf(line, sizeof(line), "+OK %u %s\r\n+OK %u %u\r\n",
	                       msg, uid.text, msg, mail.size);
	sled_recall_uid(v->recall, msg, (struct sled_span){ uid.text, 16 });
	sled_recall_size(v->recall, msg, mail.size);
}

/* Flights of up to ROOM, each answered before the next leaves. */
static void
ask_all(struct visit *v, const struct drop *drop, size_t room)
{
	uint32_t numbers[FLIGHT_MAX];
	size_t len;

	while ((len = sled_recall_next(v->recall, numbers, room)) > 0) {
		v->flights++;
		for (size_t i = 0; i < len; i++)
			reply(v, drop, numbers[i]);
	}
	v->verdict = sled_recall_verdict(v->recall);
	assert_true(v->verdict != SLED_RECALL_MORE);
}

static struct visit
visit_begin(const struct drop *old, bool sums)
{
	struct visit v = { .old = malloc(sizeof(*v.old)) };
	struct sled_err err = { 0 };

	assert_non_null(v.old);
	*v.old = listing_of(old);
	assert_true(sled_recall_new(&v.recall, v.old, sums, &err));
	return v;
}

static void
visit_end(struct visit *v)
{
	sled_recall_free(&v->recall);
	assert_null(v->recall);
	sled_listing_free(v->old);
	free(v->old);
	sled_listing_free(&v->got);
}

static void
take_listing(struct visit *v, const struct drop *now)
{
	struct sled_err err = { 0 };

	assert_true(sled_listing_new(&v->got, now->len, &err));
	assert_true(sled_recall_fill(v->recall, &v->got, &err));
}

static struct visit
visit(const struct drop *old, const struct drop *now, bool sums, size_t room)
{
	struct visit v = visit_begin(old, sums);
	uint32_t anchor[2];
	char line[40];

	v.verdict = sled_recall_verdict(v.recall);
	if (v.verdict == SLED_RECALL_WHOLE) {
		assert_int_equal(sled_recall_next(v.recall, anchor, 2), 0);
		return v;
	}
	assert_int_equal(sled_recall_next(v.recall, anchor, 2), 1);
	assert_int_equal(anchor[0], old->len);
	v.up = strlen("STAT\r\n");
	v.down =
	    (uint64_t)snprintf(line, sizeof(line), "+OK %zu %" PRIu64 "\r\n",
	                       now->len, drop_sum(now));
	sled_recall_stat(v.recall, (uint32_t)now->len, drop_sum(now));
	reply(&v, now, anchor[0]);
	ask_all(&v, now, room);
	if (v.verdict == SLED_RECALL_DONE)
		take_listing(&v, now);
	return v;
}

static void
assert_done(const struct visit *v, const struct drop *now)
{
	assert_int_equal(v->verdict, SLED_RECALL_DONE);
	for (size_t msg = 1; msg <= now->len; msg++)
		assert_true(tells_truth(&v->got, now, msg));
}

/* ---- what a visit costs ---- */

/* Octets of UIDL and LIST of the whole maildrop. */
static uint64_t
whole_octets(const struct drop *drop)
{
	uint64_t sum = 2 * strlen("+OK\r\n.\r\n");
	char line[80];

	for (size_t i = 0; i < drop->len; i++)
		sum += (uint64_t)snprintf(
		    line, sizeof(line), "%zu %s\r\n%zu %u\r\n", i + 1,
		    uid_text(drop->mail[i].id).text, i + 1, drop->mail[i].size);
	return sum;
}

struct worst {
	unsigned flights, questions;
	uint64_t down, up, cases, asked;
};

static void
note(struct worst *worst, const struct visit *v)
{
	worst->cases++;
	worst->asked += v->questions;
	if (v->flights > worst->flights)
		worst->flights = v->flights;
	if (v->questions > worst->questions)
		worst->questions = v->questions;
	if (v->down > worst->down)
		worst->down = v->down;
	if (v->up > worst->up)
		worst->up = v->up;
}

static void
tell(const char *what, const struct worst *w, const struct drop *now)
{
	print_message("%s: flights +%u, questions %u (mean %" PRIu64
	              "), octets down %" PRIu64 ", up %" PRIu64
	              "; whole %" PRIu64 "\n",
	              what, w->flights, w->questions, w->asked / w->cases,
	              w->down, w->up, whole_octets(now));
}

static void
test_nothing_new_costs_the_anchor_only(void **state)
{
	struct rng rng = { 1 };

	(void)state;
	for (size_t len = 1; len < 3000; len = len * 2 + 1) {
		struct drop old = drop_new(&rng, len);
		struct visit v = visit(&old, &old, true, FLIGHT_MAX);

		assert_done(&v, &old);
		assert_int_equal(v.flights, 0);
		assert_int_equal(v.questions, 1);
		assert_true(sled_recall_confirmed(v.recall, (uint32_t)len));
		assert_true(len == 1 || !sled_recall_confirmed(v.recall, 1));
		visit_end(&v);
		free(old.mail);
	}
}

static void
test_new_mail_is_all_that_is_asked(void **state)
{
	struct rng rng = { 2 };

	(void)state;
	for (size_t len = 1000; len <= 2000; len += 1000) {
		struct drop old = drop_new(&rng, len), now = drop_copy(&old);
		struct worst worst = { 0 };
		struct visit v;

		drop_add(&now, &rng, 5);
		v = visit(&old, &now, true, FLIGHT_MAX);
		assert_done(&v, &now);
		assert_int_equal(v.flights, 1);
		assert_int_equal(v.questions, 1 + 5);
		for (uint32_t msg = 1; msg <= now.len; msg++)
			assert_int_equal(sled_recall_confirmed(v.recall, msg),
			                 msg >= len);
		note(&worst, &v);
		tell(len == 1000 ? "1000 + 5" : "2000 + 5", &worst, &now);
		visit_end(&v);
		free(now.mail);
		free(old.mail);
	}
}

/* One block of each length at many places, NEW messages behind. */
static struct worst
cut_everywhere(size_t len, size_t fresh, size_t step, const char *what)
{
	static const size_t blocks[] = { 1, 2, 3, 7, 20, 64, 150, 400 };
	struct rng rng = { 3 };
	struct drop old = drop_new(&rng, len), now = { NULL, 0 };
	struct worst worst = { 0 };

	for (size_t b = 0; b < sizeof(blocks) / sizeof(blocks[0]); b++)
		for (size_t at = 0; at + blocks[b] <= len; at += step) {
			struct visit v;

			free(now.mail);
			now = drop_copy(&old);
			drop_cut(&now, at, blocks[b]);
			drop_add(&now, &rng, fresh);
			v = visit(&old, &now, true, FLIGHT_MAX);
			assert_done(&v, &now);
			note(&worst, &v);
			visit_end(&v);
		}
	tell(what, &worst, &old);
	free(now.mail);
	free(old.mail);
	return worst;
}

static void
test_a_block_that_went_is_found_in_three_flights(void **state)
{
	struct worst w;

	(void)state;
	w = cut_everywhere(1000, 5, 1, "1000 - block + 5");
	assert_true(w.flights <= 3 && w.questions <= 50);
	assert_true(w.cases > 5000);
	w = cut_everywhere(1000, 0, 3, "1000 - block");
	assert_true(w.flights <= 3 && w.questions <= 50);
	w = cut_everywhere(2000, 5, 3, "2000 - block + 5");
	assert_true(w.flights <= 3 && w.questions <= 60);
	w = cut_everywhere(2000, 0, 3, "2000 - block");
	assert_true(w.flights <= 3 && w.questions <= 60);
}

static void
test_the_oldest_or_the_newest_gone_is_cheap(void **state)
{
	struct rng rng = { 4 };
	struct drop old = drop_new(&rng, 2000);

	(void)state;
	for (size_t gone = 1; gone <= 200; gone += 7) {
		struct drop now = drop_copy(&old);
		struct visit v;

		drop_cut(&now, 0, gone);
		v = visit(&old, &now, true, FLIGHT_MAX);
		assert_done(&v, &now);
		assert_true(v.flights == 1 && v.questions <= 16);
		visit_end(&v);
		drop_add(&now, &rng, 5);
		v = visit(&old, &now, true, FLIGHT_MAX);
		assert_done(&v, &now);
		assert_true(v.flights <= 2 && v.questions <= 25);
		visit_end(&v);
		free(now.mail);

		now = drop_copy(&old);
		drop_cut(&now, 2000 - gone, gone);
		v = visit(&old, &now, true, FLIGHT_MAX);
		assert_done(&v, &now);
		assert_true(v.flights == 1 && v.questions <= 16);
		visit_end(&v);
		free(now.mail);
	}
	free(old.mail);
}

/* Single messages that went, here and there. */
static void
test_each_further_gap_costs_little(void **state)
{
	struct rng rng = { 15 };
	char what[40];

	(void)state;
	for (size_t len = 1000; len <= 2000; len += 1000)
		for (unsigned gaps = 1; gaps <= 8; gaps *= 2) {
			struct drop old = drop_new(&rng, len);
			struct worst w = { 0 };

			for (unsigned i = 0; i < 300; i++) {
				struct drop now = drop_copy(&old);
				struct visit v;

				for (unsigned g = 0; g < gaps; g++)
					drop_cut(&now,
					         below(&rng, (uint32_t)now.len),
					         1);
				drop_add(&now, &rng, 5);
				v = visit(&old, &now, true, FLIGHT_MAX);
				assert_done(&v, &now);
				note(&w, &v);
				visit_end(&v);
				free(now.mail);
			}
			(void)snprintf(what, sizeof(what), "%zu - %u x 1 + 5",
			               len, gaps);
			tell(what, &w, &old);
			assert_true(w.questions <= 25 + gaps * 25);
			assert_true(w.flights <= 3 + gaps);
			free(old.mail);
		}
}

static void
test_a_hundred_thousand_cost_little_more(void **state)
{
	struct rng rng = { 5 };
	struct drop old = drop_new(&rng, 100000), now = drop_copy(&old);
	struct worst worst = { 0 };
	struct visit v;

	(void)state;
	drop_cut(&now, 70123, 1);
	drop_cut(&now, 5, 300);
	drop_add(&now, &rng, 20);
	v = visit(&old, &now, true, FLIGHT_MAX);
	assert_done(&v, &now);
	assert_true(v.questions < 200);
	note(&worst, &v);
	tell("100000 - 2 blocks + 20", &worst, &now);
	visit_end(&v);
	free(now.mail);
	free(old.mail);
}

/* ---- at random ---- */

/* Delete about 1 in ODDS, in blocks; returns in how many. */
static unsigned
cut_at_random(struct drop *drop, struct rng *rng, uint32_t odds)
{
	unsigned cuts = 0;

	for (size_t at = 0; at < drop->len; at++) {
		size_t len = 1 + below(rng, 4);

		if (below(rng, odds) != 0)
			continue;
		drop_cut(drop, at, len < drop->len - at ? len : drop->len - at);
		cuts++;
	}
	return cuts;
}

/* Is the whole listing an honest answer? Each cut, and the beginning of new
 * mail, is divided at most about 30 times in maildrops of this size. */
static bool
may_be_whole(const struct drop *old, const struct drop *now, unsigned cuts,
             size_t fresh)
{
	size_t half = now->len / 2;

	if (old->len == 0 || fresh > half)
		return true;
	return cuts > 0 && 48 + fresh + (cuts + 1) * 30 > half;
}

static void
assert_bounds(const struct visit *v, const struct drop *now)
{
	size_t half = now->len / 2;

	assert_true(v->questions <= 1 + (half > 64 ? half : 64));
}

static void
test_at_random_done_is_the_truth_and_whole_has_a_reason(void **state)
{
	unsigned done = 0, searched = 0, whole = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 6000; seed++) {
		struct rng rng = { seed };
		struct drop old = drop_new(&rng, below(&rng, 1200));
		struct drop now = drop_copy(&old);
		size_t fresh = below(&rng, 3) == 0 ? 0 : below(&rng, 40);
		unsigned cuts =
		    cut_at_random(&now, &rng, 3u << below(&rng, 11));
		struct visit v;

		drop_add(&now, &rng, fresh);
		v = visit(&old, &now, below(&rng, 2) == 0,
		          1 + below(&rng, FLIGHT_MAX));
		assert_bounds(&v, &now);
		if (v.verdict == SLED_RECALL_DONE) {
			assert_done(&v, &now);
			done++;
			searched += cuts > 0;
		} else {
			assert_true(may_be_whole(&old, &now, cuts, fresh));
			whole++;
		}
		visit_end(&v);
		free(now.mail);
		free(old.mail);
	}
	print_message("random: %u done, %u of them searched; %u whole\n", done,
	              searched, whole);
	assert_true(done > 2000 && searched > 1000 && whole > 1000);
}

/* Replies come in order, but at any time between two questions. */
static void
test_questions_may_overlap_replies(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 500; seed++) {
		struct rng rng = { seed };
		struct drop old = drop_new(&rng, 800), now = drop_copy(&old);
		struct visit v = visit_begin(&old, true);
		uint32_t queue[2000];
		size_t head = 0, tail = 0;

		drop_cut(&now, below(&rng, 700), below(&rng, 20));
		drop_add(&now, &rng, 1 + below(&rng, 60));
		tail += sled_recall_next(v.recall, queue, 1);
		sled_recall_stat(v.recall, (uint32_t)now.len, drop_sum(&now));
		while (sled_recall_verdict(v.recall) == SLED_RECALL_MORE) {
			if (head < tail && below(&rng, 2) == 0)
				reply(&v, &now, queue[head++]);
			else
				tail += sled_recall_next(v.recall, queue + tail,
				                         1 + below(&rng, 5));
			assert_true(tail < 1000);
		}
		v.verdict = sled_recall_verdict(v.recall);
		take_listing(&v, &now);
		assert_done(&v, &now);
		visit_end(&v);
		free(now.mail);
		free(old.mail);
	}
}

/* ---- servers that break what is taken for granted ---- */

static void
swap(struct drop *drop, size_t a, size_t b)
{
	struct mail mail = drop->mail[a];

	drop->mail[a] = drop->mail[b];
	drop->mail[b] = mail;
}

/* Another message (or another size) where one was: counts stay equal. */
static void
lie(struct drop *now, struct rng *rng)
{
	size_t at = below(rng, (uint32_t)now->len);
	size_t other = below(rng, (uint32_t)now->len);

	switch (below(rng, 4)) {
	case 0: /* the id of one that went, for another message */
		now->mail[at].size += 1 + below(rng, 1000);
		break;
	case 1: /* a new message in the midst */
		now->mail[at] =
		    (struct mail){ 2000000, now->mail[at].size + 1 };
		break;
	case 2: /* one id for two messages */
		now->mail[at] = (struct mail){ now->mail[other].id,
			                       now->mail[at].size + 7 };
		break;
	default: /* a message came in before the others */
		memmove(now->mail + at + 1, now->mail + at,
		        (now->len - at) * sizeof(*now->mail));
		now->mail[at] = (struct mail){ 2000000, 4321 };
		now->len++;
		break;
	}
}

/* What DONE says may be wrong only where a number was not asked. */
static unsigned
count_wrong(const struct visit *v, const struct drop *now)
{
	unsigned wrong = 0;

	for (uint32_t msg = 1; msg <= now->len; msg++) {
		if (tells_truth(&v->got, now, msg))
			continue;
		assert_false(sled_recall_confirmed(v->recall, msg));
		wrong++;
	}
	return wrong;
}

static void
test_a_lie_of_content_is_never_done_when_sums_are_set(void **state)
{
	unsigned done = 0, whole = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 6000; seed++) {
		struct rng rng = { seed };
		struct drop old = drop_new(&rng, 50 + below(&rng, 900));
		struct drop now = drop_copy(&old);
		struct visit v;

		if (below(&rng, 3) > 0)
			(void)cut_at_random(&now, &rng, 600);
		if (now.len == 0)
			now.len = 1;
		drop_add(&now, &rng, below(&rng, 6));
		lie(&now, &rng);
		v = visit(&old, &now, true, FLIGHT_MAX);
		if (v.verdict == SLED_RECALL_DONE) {
			assert_int_equal(count_wrong(&v, &now), 0);
			done++;
		} else {
			whole++;
		}
		visit_end(&v);
		free(now.mail);
		free(old.mail);
	}
	print_message("lies: %u seen, %u harmless\n", whole, done);
	assert_true(whole > 4000 && done > 0);
}

static void
confirm_all(struct visit *v, const struct drop *now)
{
	for (uint32_t msg = 1; msg <= now->len; msg++)
		sled_recall_confirm(v->recall, msg);
	ask_all(v, now, FLIGHT_MAX);
}

/* No sum can tell an order: but what was asked is right, and asking tells. */
static void
test_a_changed_order_is_never_confirmed(void **state)
{
	unsigned seen = 0, late = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 2000; seed++) {
		struct rng rng = { seed };
		struct drop old = drop_new(&rng, 200 + below(&rng, 300));
		struct drop now = drop_copy(&old);
		size_t swaps = 1 + below(&rng, 30);
		struct visit v;

		drop_cut(&now, below(&rng, 190), below(&rng, 2));
		for (size_t i = 0; i < swaps; i++)
			swap(&now, below(&rng, (uint32_t)now.len),
			     below(&rng, (uint32_t)now.len));
		v = visit(&old, &now, true, FLIGHT_MAX);
		seen += v.verdict == SLED_RECALL_WHOLE;
		if (v.verdict == SLED_RECALL_DONE &&
		    count_wrong(&v, &now) > 0) {
			confirm_all(&v, &now);
			assert_int_equal(v.verdict, SLED_RECALL_WHOLE);
			assert_false(sled_recall_confirmed(v.recall, 1));
			late++;
		}
		visit_end(&v);
		free(now.mail);
		free(old.mail);
	}
	print_message("orders: %u seen at once, %u by confirming\n", seen,
	              late);
	assert_true(seen > 100 && late > 100);
}

/* Sizes say nothing here: only the uid tells. */
static void
test_a_swap_of_equal_sizes_is_not_confirmed(void **state)
{
	struct rng rng = { 16 };
	struct drop old = drop_new(&rng, 90), now;
	struct visit v;

	(void)state;
	old.mail[30].size = old.mail[40].size;
	now = drop_copy(&old);
	swap(&now, 30, 40);
	v = visit(&old, &now, true, FLIGHT_MAX);
	assert_int_equal(v.verdict, SLED_RECALL_DONE);
	sled_recall_confirm(v.recall, 31);
	ask_all(&v, &now, FLIGHT_MAX);
	assert_int_equal(v.verdict, SLED_RECALL_WHOLE);
	visit_end(&v);
	free(now.mail);
	free(old.mail);
}

static void
test_a_remembered_id_of_another_size_means_whole(void **state)
{
	struct rng rng = { 17 };
	struct drop old = drop_new(&rng, 90), now = drop_copy(&old);
	struct visit v;

	(void)state;
	now.mail[89].size++;
	v = visit(&old, &now, false, FLIGHT_MAX);
	assert_int_equal(v.verdict, SLED_RECALL_WHOLE);
	visit_end(&v);
	free(now.mail);
	free(old.mail);
}

static void
test_without_sums_the_octets_do_not_speak(void **state)
{
	struct rng rng = { 7 };
	struct drop old = drop_new(&rng, 300), now = drop_copy(&old);
	struct visit v;

	(void)state;
	now.mail[17].size++;
	v = visit(&old, &now, false, FLIGHT_MAX);
	assert_int_equal(v.verdict, SLED_RECALL_DONE);
	assert_int_equal(count_wrong(&v, &now), 1);
	visit_end(&v);
	v = visit(&old, &now, true, FLIGHT_MAX);
	assert_int_equal(v.verdict, SLED_RECALL_WHOLE);
	visit_end(&v);
	free(now.mail);
	free(old.mail);
}

/* ---- replies that are not in order ---- */

/* STAT was answered with a count of 100 + 3; 101 to 103 are asked. */
static struct visit
three_asked(struct drop *now)
{
	struct rng rng = { 8 };
	struct drop old = drop_new(&rng, 100);
	struct visit v = visit_begin(&old, true);
	uint32_t numbers[FLIGHT_MAX];

	*now = drop_copy(&old);
	drop_add(now, &rng, 3);
	assert_int_equal(sled_recall_next(v.recall, numbers, FLIGHT_MAX), 1);
	sled_recall_stat(v.recall, 103, drop_sum(now));
	reply(&v, now, 100);
	assert_int_equal(sled_recall_next(v.recall, numbers, FLIGHT_MAX), 3);
	free(old.mail);
	return v;
}

static void
feed_uid(struct visit *v, uint32_t msg, const char *uid)
{
	sled_recall_uid(v->recall, msg, (struct sled_span){ uid, strlen(uid) });
}

static void
feed_wrong(struct visit *v, const struct drop *now, unsigned fault)
{
	char text[100];

	memset(text, 'x', sizeof(text));
	switch (fault) {
	case 0:
		feed_uid(v, 0, "a");
		break;
	case 1:
		feed_uid(v, 99, "a"); /* not asked */
		break;
	case 2:
		feed_uid(v, 104, "a"); /* no such number */
		break;
	case 3:
		sled_recall_size(v->recall, 101, 5); /* before its uid */
		break;
	case 4:
		feed_uid(v, 101, "");
		break;
	case 5:
		sled_recall_uid(v->recall, 101, (struct sled_span){ text, 71 });
		break;
	case 6:
		feed_uid(v, 101, "a b");
		break;
	case 7:
		feed_uid(v, 101, "a");
		feed_uid(v, 101, "a"); /* twice */
		break;
	case 8:
		reply(v, now, 101);
		sled_recall_size(v->recall, 101, 5);
		break;
	case 9:
		sled_recall_refused(v->recall, 101);
		break;
	case 10:
		sled_recall_refused(v->recall, 100); /* was answered */
		break;
	case 11:
		sled_recall_stat(v->recall, 103, drop_sum(now));
		break;
	case 12:
		sled_recall_broken(v->recall);
		break;
	case 13: /* two new ones with one id */
		for (uint32_t msg = 101; msg <= 103; msg++) {
			feed_uid(v, msg, msg == 102 ? "one" : "other");
			sled_recall_size(v->recall, msg,
			                 now->mail[msg - 1].size);
		}
		break;
	case 14: /* one that is listed further up */
		feed_uid(v, 101, uid_text(now->mail[6].id).text);
		sled_recall_size(v->recall, 101, now->mail[6].size);
		reply(v, now, 102);
		reply(v, now, 103);
		break;
	default: /* sizes that make up STAT's octets by running over */
		feed_uid(v, 101, "a");
		sled_recall_size(v->recall, 101, UINT64_MAX);
		feed_uid(v, 102, "b");
		sled_recall_size(v->recall, 102,
		                 (uint64_t)now->mail[100].size +
		                     now->mail[101].size + 1);
		reply(v, now, 103);
		break;
	}
}

static void
test_a_wrong_reply_means_the_whole_listing_for_good(void **state)
{
	(void)state;
	for (unsigned fault = 0; fault <= 15; fault++) {
		struct drop now;
		struct visit v = three_asked(&now);
		uint32_t numbers[4];

		assert_int_equal(sled_recall_verdict(v.recall),
		                 SLED_RECALL_MORE);
		feed_wrong(&v, &now, fault);
		assert_int_equal(sled_recall_verdict(v.recall),
		                 SLED_RECALL_WHOLE);
		reply(&v, &now, 102); /* late ones change nothing */
		sled_recall_confirm(v.recall, 3);
		assert_int_equal(sled_recall_next(v.recall, numbers, 4), 0);
		assert_false(sled_recall_confirmed(v.recall, 100));
		assert_int_equal(sled_recall_verdict(v.recall),
		                 SLED_RECALL_WHOLE);
		visit_end(&v);
		free(now.mail);
	}
}

static void
test_the_anchor_is_refused_exactly_where_mail_went(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 5; kind++) {
		struct rng rng = { 9 };
		struct drop old = drop_new(&rng, 200), now = drop_copy(&old);
		struct visit v = visit_begin(&old, true);
		uint32_t numbers[4];

		assert_int_equal(sled_recall_next(v.recall, numbers, 4), 1);
		if (kind != 0) /* 0: refused though it is there */
			now.len = 199;
		if (kind != 3) /* 3: a reply before STAT's */
			sled_recall_stat(v.recall, (uint32_t)now.len,
			                 drop_sum(&now));
		if (kind == 1) { /* answered though it is not there */
			reply(&v, &old, 200);
		} else {
			sled_recall_refused(v.recall, 200);
			if (kind == 2) /* refused by UIDL only */
				sled_recall_size(v.recall, 200, 5);
			else if (kind == 4) /* refused, and then answered */
				reply(&v, &old, 200);
			else
				sled_recall_refused(v.recall, 200);
		}
		if (kind == 3)
			sled_recall_stat(v.recall, 199, drop_sum(&now));
		assert_int_equal(sled_recall_verdict(v.recall),
		                 kind == 3 ? SLED_RECALL_MORE
		                           : SLED_RECALL_WHOLE);
		visit_end(&v);
		free(now.mail);
		free(old.mail);
	}
}

static void
test_an_emptied_maildrop_needs_no_more(void **state)
{
	struct rng rng = { 10 };
	struct drop old = drop_new(&rng, 50), now = { NULL, 0 };
	struct visit v = visit(&old, &now, true, FLIGHT_MAX);

	(void)state;
	assert_int_equal(v.verdict, SLED_RECALL_DONE);
	assert_int_equal(v.questions, 1);
	assert_int_equal(v.got.len, 0);
	visit_end(&v);
	free(old.mail);
}

static void
test_much_new_mail_is_listed_whole(void **state)
{
	static const uint32_t counts[] = { 201, 400, 4000000000u };

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct rng rng = { 11 };
		struct drop old = drop_new(&rng, 100);
		struct visit v = visit_begin(&old, true);
		uint32_t number;

		assert_int_equal(sled_recall_next(v.recall, &number, 1), 1);
		sled_recall_stat(v.recall, counts[i], 12345);
		reply(&v, &old, 100);
		assert_int_equal(sled_recall_verdict(v.recall),
		                 SLED_RECALL_WHOLE);
		assert_int_equal(v.questions, 1);
		visit_end(&v);
		free(old.mail);
	}
}

/* ---- what was remembered ---- */

static void
test_a_listing_that_identifies_nothing_is_not_built_on(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 5; kind++) {
		struct sled_listing old;
		struct sled_recall *recall;
		struct sled_err err = { 0 };
		uint32_t number;

		assert_true(sled_listing_new(&old, kind == 4 ? 0 : 3, &err));
		for (uint32_t i = 1; i <= old.len; i++) {
			const char *uid = i == 2 && kind == 1 ? "3" : "123";
			struct sled_span span = {
				uid + (kind == 1 && i == 2 ? 0 : i - 1), 1
			};

			if (kind != 2 || i != 2)
				assert_true(
				    sled_listing_size(&old, i, 5, &err));
			if (kind == 3 && i == 2)
				span.len = 0;
			assert_true(sled_listing_uid(&old, i, span, &err));
		}
		assert_true(sled_recall_new(&recall, &old, true, &err));
		assert_int_equal(sled_recall_next(recall, &number, 1),
		                 kind == 0);
		assert_int_equal(sled_recall_verdict(recall),
		                 kind == 0 ? SLED_RECALL_MORE
		                           : SLED_RECALL_WHOLE);
		sled_recall_free(&recall);
		sled_listing_free(&old);
	}
}

/* ---- confirming ---- */

static void
test_confirm_asks_each_number_once_and_keeps_done(void **state)
{
	struct rng rng = { 12 };
	struct drop old = drop_new(&rng, 400), now = drop_copy(&old);
	struct visit v;
	uint32_t numbers[8];

	(void)state;
	drop_cut(&now, 100, 3);
	drop_add(&now, &rng, 2);
	v = visit(&old, &now, true, FLIGHT_MAX);
	assert_done(&v, &now);
	assert_false(sled_recall_confirmed(v.recall, 77));
	for (unsigned i = 0; i < 2; i++) {
		sled_recall_confirm(v.recall, 78);
		sled_recall_confirm(v.recall, 77);
		sled_recall_confirm(v.recall, 399); /* new: was asked */
		sled_recall_confirm(v.recall, 400); /* no such */
		sled_recall_confirm(v.recall, 0);
	}
	assert_int_equal(sled_recall_verdict(v.recall), SLED_RECALL_MORE);
	assert_int_equal(sled_recall_next(v.recall, numbers, 8), 2);
	assert_int_equal(numbers[0] + numbers[1], 77 + 78);
	reply(&v, &now, 77);
	assert_int_equal(sled_recall_verdict(v.recall), SLED_RECALL_MORE);
	reply(&v, &now, 78);
	assert_int_equal(sled_recall_verdict(v.recall), SLED_RECALL_DONE);
	assert_true(sled_recall_confirmed(v.recall, 77));
	assert_true(sled_recall_confirmed(v.recall, 399));
	assert_false(sled_recall_confirmed(v.recall, 400));
	confirm_all(&v, &now);
	assert_int_equal(v.verdict, SLED_RECALL_DONE);
	for (uint32_t msg = 1; msg <= now.len; msg++)
		assert_true(sled_recall_confirmed(v.recall, msg));
	assert_int_equal(v.questions, now.len + 1); /* and the anchor */
	visit_end(&v);
	free(now.mail);
	free(old.mail);
}

static void
test_a_refused_confirmation_means_whole(void **state)
{
	struct rng rng = { 13 };
	struct drop old = drop_new(&rng, 40);
	struct visit v = visit(&old, &old, true, FLIGHT_MAX);
	uint32_t number;

	(void)state;
	assert_done(&v, &old);
	sled_recall_confirm(v.recall, 7);
	assert_int_equal(sled_recall_next(v.recall, &number, 1), 1);
	sled_recall_refused(v.recall, 7);
	assert_int_equal(sled_recall_verdict(v.recall), SLED_RECALL_WHOLE);
	visit_end(&v);
	free(old.mail);
}

static void
test_fill_needs_done_and_a_listing_of_that_length(void **state)
{
	struct rng rng = { 14 };
	struct drop old = drop_new(&rng, 40);
	struct visit v = visit(&old, &old, true, FLIGHT_MAX);
	struct sled_listing out;
	struct sled_err err = { 0 };

	(void)state;
	assert_true(sled_listing_new(&out, 39, &err));
	assert_false(sled_recall_fill(v.recall, &out, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	sled_listing_free(&out);
	assert_true(sled_listing_new(&out, 40, &err));
	sled_recall_broken(v.recall);
	assert_false(sled_recall_fill(v.recall, &out, &err));
	sled_listing_free(&out);
	visit_end(&v);
	free(old.mail);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_new_costs_the_anchor_only),
		cmocka_unit_test(test_new_mail_is_all_that_is_asked),
		cmocka_unit_test(
		    test_a_block_that_went_is_found_in_three_flights),
		cmocka_unit_test(test_the_oldest_or_the_newest_gone_is_cheap),
		cmocka_unit_test(test_each_further_gap_costs_little),
		cmocka_unit_test(test_a_hundred_thousand_cost_little_more),
		cmocka_unit_test(
		    test_at_random_done_is_the_truth_and_whole_has_a_reason),
		cmocka_unit_test(test_questions_may_overlap_replies),
		cmocka_unit_test(
		    test_a_lie_of_content_is_never_done_when_sums_are_set),
		cmocka_unit_test(test_a_changed_order_is_never_confirmed),
		cmocka_unit_test(test_a_swap_of_equal_sizes_is_not_confirmed),
		cmocka_unit_test(
		    test_a_remembered_id_of_another_size_means_whole),
		cmocka_unit_test(test_without_sums_the_octets_do_not_speak),
		cmocka_unit_test(
		    test_a_wrong_reply_means_the_whole_listing_for_good),
		cmocka_unit_test(
		    test_the_anchor_is_refused_exactly_where_mail_went),
		cmocka_unit_test(test_an_emptied_maildrop_needs_no_more),
		cmocka_unit_test(test_much_new_mail_is_listed_whole),
		cmocka_unit_test(
		    test_a_listing_that_identifies_nothing_is_not_built_on),
		cmocka_unit_test(
		    test_confirm_asks_each_number_once_and_keeps_done),
		cmocka_unit_test(test_a_refused_confirmation_means_whole),
		cmocka_unit_test(
		    test_fill_needs_done_and_a_listing_of_that_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
