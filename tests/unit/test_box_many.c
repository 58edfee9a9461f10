/* test_box_many.c - a maildrop of 100,000 messages: what a listing takes. */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "fx_box.h"

/* gcc defines the one, clang has the other. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#	define SANITIZED
#elif defined(__has_feature)
#	if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#		define SANITIZED
#	endif
#endif

#define MANY      100000u
#define PER_ITEM  150        /* octets, listing and judgement */
#define FLAT_ROOM (6u << 20) /* the ledger's pages, and what is not ours */

static const struct sled_spool_owner owner = { "home", "pop.example.org",
	                                       "ada" };
static const char letter[] =
    "From: ada@example.org\r\nSubject: one\r\n\r\ntext\r\n";

static void
uid_of(char out[SLED_UID_MAX + 1], const char *prefix, size_t i)
{
	(void)snprintf(out, SLED_UID_MAX + 1, "%s%08zu%024zx", prefix, i,
	               i * 2654435761u);
}

/* Rows as 100,000 commits would leave them, all in the first one's member. */
static void
put_rows(struct fx_box *fx, unsigned flags)
{
	struct sled_ledger *ledger = sled_store_ledger(fx->store);
	struct sled_message row = fx_box_row(fx, 1);
	struct sled_err err = { 0 };

	row.flags = flags;
	row.from = row.subject = row.date =
	    (struct sled_span){ "some twenty octets..", 20 };
	assert_true(sled_ledger_begin(ledger, &err));
	for (size_t i = 1; i < MANY; i++) {
		row.id = 0;
		row.number = i + 1;
		row.octets = row.listed = 1000 + i % 977;
		memcpy(row.sha256.b, &i, sizeof(i));
		(void)snprintf(row.record, sizeof(row.record), "r-%zu", i);
		uid_of(row.uid, "", i);
		if (!sled_ledger_message_put(ledger, &row, &err))
			fail_msg("%s", err.text);
	}
	assert_true(sled_ledger_commit(ledger, &err));
}

static void
make_listing(struct sled_listing *listing, const char *prefix, uint64_t least)
{
	struct sled_err err = { 0 };
	char uid[SLED_UID_MAX + 1];

	assert_true(sled_listing_new(listing, MANY, &err));
	for (uint32_t i = 0; i < MANY; i++) {
		uid_of(uid, i == 0 ? "" : prefix, i);
		assert_true(sled_listing_size(
		    listing, i + 1,
		    i == 0 ? sizeof(letter) - 1 : least + i % 977, &err));
		assert_true(sled_listing_uid(
		    listing, i + 1, (struct sled_span){ uid, strlen(uid) },
		    &err));
	}
}

static size_t
peak(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return (size_t)usage.ru_maxrss * 1024;
}

/* A sanitizer keeps what was freed, so there the peak says nothing. */
static void
hold_peak(size_t before)
{
	size_t grown = peak() - before;

	print_message("  peak grew by %zu octets\n", grown);
#ifndef SANITIZED
	assert_true(grown <= MANY * PER_ITEM + FLAT_ROOM);
#endif
}

/* Judge a listing; how many were found to be STORED. */
static size_t
judge(struct fx_box *fx, const char *prefix, uint64_t least, const char *what)
{
	struct sled_listing listing;
	struct sled_box *box = NULL;
	struct sled_err err = { 0 };
	size_t stored = 0, before, after;
	int64_t since;

	assert_true(sled_box_open(&box, fx->store, &owner, fx->now, &err));
	(void)malloc_trim(0);
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	make_listing(&listing, prefix, least);
	after = mallinfo2().uordblks + mallinfo2().hblkhd;
	since = sled_clock_ms();
	if (!sled_box_listed(box, &listing, FX_NEVER, fx->now, &err))
		fail_msg("%s", err.text);
	print_message("%s: %zu octets a message listed, judged in %lld ms\n",
	              what, (after - before) / MANY,
	              (long long)(sled_clock_ms() - since));
	assert_true((after - before) / MANY <= PER_ITEM); /* 0 with ASan */
	for (size_t i = 0; i < MANY; i++)
		stored += listing.items[i].verdict == SLED_ITEM_STORED;
	since = sled_clock_ms();
	assert_true(sled_box_recheck_take(box, &err));
	sled_box_recheck(box, fx->now);
	assert_true(sled_box_recheck_apply(box, &err));
	print_message("  recheck %lld ms",
	              (long long)(sled_clock_ms() - since));
	since = sled_clock_ms();
	assert_true(sled_box_close(
	    &box, &(struct sled_visit_row){ .began = fx->now }, &err));
	print_message(", close %lld ms\n",
	              (long long)(sled_clock_ms() - since));
	sled_listing_free(&listing);
	return stored;
}

static void
a_maildrop_of_100000_is_judged_in_little_memory(void **state)
{
	char uid[SLED_UID_MAX + 1];
	const struct fx_letter mail[] = { { uid, letter, 0 } };
	struct fx_box fx;
	size_t before;

	(void)state;
	uid_of(uid, "", 0);
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	put_rows(&fx, 0);
	before = peak();
	assert_int_equal(judge(&fx, "", 1000, "all stored"), MANY);
	hold_peak(before);
	assert_int_equal(judge(&fx, "", 1000, "again"), MANY);
	/* Any may be one of the new ones, until these are proved. */
	assert_int_equal(judge(&fx, "n", 1000, "all but one under new ids"), 1);
	hold_peak(before);
	assert_int_equal(fx_box_live(&fx), MANY);
	assert_int_equal(judge(&fx, "n", 3000, "all but one new, as many gone"),
	                 1);
	hold_peak(before);
	assert_int_equal(fx_box_live(&fx), 1);
	fx_box_drop(&fx);
}

/* All that it brought may be another one, and has new ids since, or is gone: with
 * each looked for among all, and a sweep for each, it took half an hour. */
static void
a_killed_visit_of_100000_is_judged_in_little_memory(void **state)
{
	char uid[SLED_UID_MAX + 1];
	const struct fx_letter mail[] = { { uid, letter, 0 } };
	struct fx_box fx;
	size_t before;

	(void)state;
	uid_of(uid, "", 0);
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	put_rows(&fx, SLED_MESSAGE_UNSURE);
	before = peak();
	assert_int_equal(judge(&fx, "n", 1000, "all in doubt, new ids"), 1);
	hold_peak(before);
	assert_true((fx_box_row(&fx, MANY).flags & SLED_MESSAGE_DOUBTFUL) != 0);
	assert_int_equal(judge(&fx, "n", 3000, "as many gone"), 1);
	hold_peak(before);
	assert_int_equal(fx_box_live(&fx), 1);
	fx_box_drop(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_maildrop_of_100000_is_judged_in_little_memory),
		cmocka_unit_test(
		    a_killed_visit_of_100000_is_judged_in_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
