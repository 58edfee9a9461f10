/* test_store_commit.c - what a volume looks like: members, receipts, names,
 * the chain, and when the next one begins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_store.h"
#include "mailsled/hash.h"

#define NOVEMBER "store/home/2026-11-001.open.tar.gz"
#define MONTH    (31 * 24 * 3600)

static const struct fx_mail mails[] = {
	{ "u1", 100, 1 }, { "u2", 3000, 2 }, { "u3", 0, 3 },
	{ "u4", 50, 4 },  { "u5", 60, 5 },
};

static int
set_up(void **state)
{
	static struct fx_store world;

	fx_store_make(&world, 1);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

/* All of it, deleted on the server, the store opened and closed around it. */
static void
visit(struct fx_store *w, const struct fx_mail *list, size_t len)
{
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, list, len, 1000, true))
		fail_msg("%s", v.err.text);
	assert_int_equal(v.deleted, len);
	fx_store_close(w);
}

/* The lengths of the members of a volume, from their headers. */
static size_t
members(const struct sled_buf *volume, uint64_t lengths[], size_t room)
{
	size_t count = 0;

	for (size_t at = 0; at < volume->len; count++) {
		const uint8_t *head = (const uint8_t *)volume->data + at;
		uint64_t length = 0;

		assert_true(count < room && at + 24 <= volume->len);
		assert_memory_equal(head, "\x1f\x8b\x08\x04", 4);
		assert_memory_equal(head + 10, "\x0c\0MS\x08\0", 6);
		for (size_t i = 0; i < 8; i++)
			length |= (uint64_t)head[16 + i] << (8 * i);
		assert_true(length > 24 && length <= volume->len - at);
		lengths[count] = length;
		at += length;
	}
	return count;
}

static size_t
count_members(struct fx_store *w, const char *name)
{
	struct sled_buf volume = fx_store_slurp(w, name);
	uint64_t lengths[64];
	size_t count = members(&volume, lengths, 64);

	sled_buf_free(&volume);
	return count;
}

static void
test_a_volume_has_its_entries_in_order(void **state)
{
	struct fx_store *w = *state;

	visit(w, mails, 3);
	visit(w, mails + 3, 1);
	assert_int_equal(count_members(w, NOVEMBER), 2);
	fx_store_sh(w, "tar tzf " NOVEMBER " 2>&1 > list");
	fx_store_sh(w, "test \"$(sed -n 1,2p list | tr '\\n' ' ')\" = "
	               "'mailsled/home/2026-11-001/VOLUME.txt "
	               "mailsled/home/2026-11-001/receipts-000001.tsv '");
	fx_store_sh(w, "test $(sed -n 3,5p list | grep -c "
	               "'^home/2026/11/23/20261123T145031Z-0000000[123]-"
	               "[0-9a-f]\\{16\\}\\.eml$') = 3");
	fx_store_sh(w, "test \"$(sed -n 6p list)\" = "
	               "mailsled/home/2026-11-001/receipts-000002.tsv");
	fx_store_sh(w, "sed -n 7p list | grep -q 'Z-00000004-'");
	fx_store_sh(w, "test $(wc -l < list) = 7");
	fx_store_sh(w, "tar tvzf " NOVEMBER " --numeric-owner --full-time "
	               "--utc | grep -v -c '^-rw-r--r-- 0/0 .* 2026-11-23 "
	               "14:50:31' | grep -qx 0");
	fx_store_sh(w, "cmp " NOVEMBER " copy1/home/2026-11-001.open.tar.gz");
	assert_place_untars(w, w->path, mails, 4);
}

static void
test_receipts_tell_what_was_stored_and_what_is_gone(void **state)
{
	struct fx_store *w = *state;
	char hex[SLED_HASH_HEX];
	struct sled_hash hash = fx_store_hash(&mails[1]);

	sled_hash_hex(hex, &hash);
	visit(w, mails, 2);
	visit(w, mails + 2, 1);
	fx_store_sh(w, "mkdir out && tar xzf " NOVEMBER " -C out");
	fx_store_sh(w,
	            "awk -F'\\t' '$1 == \"%s\" && $4 == \"u2\" && $7 == 2 && "
	            "$9 == \"-\"' out/mailsled/home/2026-11-001/"
	            "receipts-000001.tsv | grep -q .",
	            hex);
	/* QUIT confirmed both: the next member tells. */
	fx_store_sh(w, "test $(awk -F'\\t' '$8 == \"-\" && $9 == \"gone\"' "
	               "out/mailsled/home/2026-11-001/receipts-000002.tsv | "
	               "wc -l) = 2");
	visit(w, mails + 3, 1);
	fx_store_sh(w, "tar xzf " NOVEMBER " -C out");
	fx_store_sh(w, "test $(grep -c gone$ out/mailsled/home/2026-11-001/"
	               "receipts-000003.tsv) = 1");
}

static void
test_members_hold_about_256_KiB(void **state)
{
	struct fx_store *w = *state;
	static struct fx_mail list[40];
	static char uids[40][8];
	struct sled_buf volume;
	uint64_t lengths[64];
	size_t count;

	for (unsigned i = 0; i < 40; i++) {
		(void)snprintf(uids[i], sizeof(uids[i]), "b%u", i);
		list[i] = (struct fx_mail){ uids[i], 20000, 100 + i };
	}
	visit(w, list, 40);
	volume = fx_store_slurp(w, NOVEMBER);
	count = members(&volume, lengths, 64);
	assert_in_range(count, 3, 4);
	for (size_t i = 0; i + 1 < count; i++)
		assert_in_range(lengths[i], 200000, 300000);
	sled_buf_free(&volume);
	assert_place_has(w->copy[0], list, 40, NULL);
}

static void
test_a_large_message_is_alone_in_its_member(void **state)
{
	struct fx_store *w = *state;
	static const struct fx_mail list[] = {
		{ "s1", 1000, 11 },
		{ "big", 3 << 20, 12 },
		{ "s2", 1000, 13 },
		{ "s3", 1000, 14 },
	};

	visit(w, list, 4);
	assert_int_equal(count_members(w, NOVEMBER), 3);
	fx_store_sh(w, "tar tzf " NOVEMBER " | grep -A1 000002.tsv | tail -1 "
	               "| grep -q 'Z-00000002-'");
	fx_store_open(w);
	assert_store_has(w, list, 4);
	assert_store_verifies(w);
}

static void
test_what_is_committed_only_grows(void **state)
{
	struct fx_store *w = *state;

	visit(w, mails, 2);
	fx_store_sh(w, "cp " NOVEMBER " before");
	visit(w, mails + 2, 2);
	fx_store_sh(w, "head -c $(wc -c < before) " NOVEMBER " | cmp - before");
	fx_store_open(w);
	assert_store_has(w, mails, 4);
}

static void
test_equal_bytes_twice_are_two_messages(void **state)
{
	struct fx_store *w = *state;
	static const struct fx_mail twins[] = { { "a", 500, 7 },
		                                { "b", 500, 7 } };

	visit(w, twins, 2);
	fx_store_open(w);
	assert_int_equal(fx_store_rows(w, &twins[0]), 2);
	fx_store_sh(w, "test $(tar tzf " NOVEMBER " | grep -c eml$) = 2");
}

/* The hash of a volume as the seal will leave it. */
static void
sealed_hash(struct fx_store *w, const char *name, char hex[SLED_HASH_HEX])
{
	struct sled_buf volume = fx_store_slurp(w, name);
	struct sled_sha256 *sha = NULL;
	struct sled_err err = { 0 };
	struct sled_hash hash;

	assert_true(sled_member_last(&volume, &err));
	assert_true(sled_sha256_new(&sha, &err));
	sled_sha256_add(sha, volume.data, volume.len);
	hash = sled_sha256_end(sha);
	sled_hash_hex(hex, &hash);
	sled_sha256_free(&sha);
	sled_buf_free(&volume);
}

static void
assert_follows(struct fx_store *w, const char *volume, const char *before)
{
	char file[64], hex[SLED_HASH_HEX];

	(void)snprintf(file, sizeof(file), "store/home/%s.open.tar.gz", before);
	sealed_hash(w, file, hex);
	fx_store_sh(w,
	            "tar xzOf store/home/%s.open.tar.gz "
	            "mailsled/home/%s/VOLUME.txt > info && "
	            "grep -qx 'before: %s' info && "
	            "grep -qx 'before-sha256: %s' info && "
	            "grep -qx 'volume: %s' info && "
	            "grep -q '^user: ' info",
	            volume, volume, before, hex, volume);
}

static void
test_a_volume_turns_at_its_size_after_a_visit(void **state)
{
	struct fx_store *w = *state;

	w->conf.rotate_bytes = 100;
	visit(w, mails, 2);
	visit(w, mails + 2, 1);
	visit(w, mails + 3, 1);
	fx_store_sh(w, "test \"$(ls store/home | tr '\\n' ' ')\" = "
	               "'2026-11-001.open.tar.gz 2026-11-002.open.tar.gz "
	               "2026-11-003.open.tar.gz '");
	assert_follows(w, "2026-11-002", "2026-11-001");
	assert_follows(w, "2026-11-003", "2026-11-002");
	fx_store_sh(w, "tar xzOf " NOVEMBER
	               " mailsled/home/2026-11-001/VOLUME.txt | grep -qx "
	               "'before: -'");
	assert_place_untars(w, w->path, mails, 4);
	assert_place_untars(w, w->copy[0], mails, 4);
}

static void
test_a_volume_turns_with_the_month_and_never_back(void **state)
{
	struct fx_store *w = *state;

	w->conf.rotate_month = true;
	visit(w, mails, 2);
	visit(w, mails + 2, 1);
	w->now += MONTH;
	visit(w, mails + 3, 1);
	assert_follows(w, "2026-12-001", "2026-11-001");
	w->now -= MONTH;
	visit(w, mails + 4, 1);
	fx_store_sh(w, "test \"$(ls store/home | tr '\\n' ' ')\" = "
	               "'2026-11-001.open.tar.gz 2026-12-001.open.tar.gz '");
	fx_store_open(w);
	assert_store_has(w, mails, 5);
}

static void
test_a_clock_that_was_never_set_goes_on_with_the_last_receipt(void **state)
{
	struct fx_store *w = *state;

	w->conf.rotate_month = true;
	visit(w, mails, 2);
	w->now = 1000;
	visit(w, mails + 2, 1);
	fx_store_sh(w, "test \"$(ls store/home)\" = 2026-11-001.open.tar.gz");
	fx_store_sh(w, "test $(tar tzf " NOVEMBER
	               " | grep -c home/2026/11/23/20261123T145031Z) = 3");
}

static void
test_a_maildrop_under_the_same_label_gets_its_own_volume(void **state)
{
	struct fx_store *w = *state;
	const struct sled_spool_owner other = { "home", "pop.example.org",
		                                "bob" };
	struct fx_visit v = { .w = w, .mails = mails + 2, .len = 1 };

	visit(w, mails, 2);
	fx_store_open(w);
	assert_true(sled_listing_new(&v.listing, 1, &v.err));
	assert_true(sled_listing_size(&v.listing, 1, 200, &v.err));
	assert_true(sled_box_open(&v.box, w->store, &other, w->now, &v.err));
	assert_true(sled_box_listed(v.box, &v.listing, 0, w->now, &v.err));
	assert_true(fx_visit_fetch_one(&v, 0));
	assert_true(fx_visit_commit(&v, true));
	assert_true(fx_visit_end(&v, true));
	assert_follows(w, "2026-11-002", "2026-11-001");
	assert_store_has(w, mails, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_volume_has_its_entries_in_order),
		TEST(test_receipts_tell_what_was_stored_and_what_is_gone),
		TEST(test_members_hold_about_256_KiB),
		TEST(test_a_large_message_is_alone_in_its_member),
		TEST(test_what_is_committed_only_grows),
		TEST(test_equal_bytes_twice_are_two_messages),
		TEST(test_a_volume_turns_at_its_size_after_a_visit),
		TEST(test_a_volume_turns_with_the_month_and_never_back),
		TEST(
		    test_a_clock_that_was_never_set_goes_on_with_the_last_receipt),
		TEST(test_a_maildrop_under_the_same_label_gets_its_own_volume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
