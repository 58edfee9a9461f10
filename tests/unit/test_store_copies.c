/* test_store_copies.c - copies that are full, short, long, damaged, or went
 * another way; and who counts [C5]. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_store.h"
#include "mailsled/clock.h"

#define VOLUME "home/2026-11-001.open.tar.gz"

static const struct fx_mail mails[] = {
	{ "u1", 100, 1 }, { "u2", 3000, 2 }, { "u3", 5, 3 },  { "u4", 50, 4 },
	{ "u5", 60, 5 },  { "u6", 7000, 6 }, { "u7", 80, 7 },
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

static struct fx_visit
visit_to(struct fx_store *w, const struct fx_mail *list, size_t len,
         bool deleting)
{
	struct fx_visit v;

	if (!fx_visit_run(&v, w, list, len, 1000, deleting))
		fail_msg("%s", v.err.text);
	return v;
}

static struct fx_visit
visit(struct fx_store *w, size_t from, size_t len, bool deleting)
{
	return visit_to(w, mails + from, len, deleting);
}

static size_t
deletable(const struct fx_visit *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->len; i++)
		count += v->may[i];
	return count;
}

/* One member each; all deleted, the store closed. */
static void
members_of(struct fx_store *w, const struct fx_mail *list, size_t count)
{
	fx_store_open(w);
	for (size_t i = 0; i < count; i++) {
		struct fx_visit v;

		if (!fx_visit_run(&v, w, list + i, 1, 1000, true))
			fail_msg("%s", v.err.text);
		assert_int_equal(v.deleted, 1);
	}
	fx_store_close(w);
}

static void
members(struct fx_store *w, size_t from, size_t count)
{
	members_of(w, mails + from, count);
}

static void
assert_equal_copies(struct fx_store *w)
{
	fx_store_sh(w, "cmp store/" VOLUME " copy1/" VOLUME);
	fx_store_sh(w, "diff -r store/journal copy1/journal");
	assert_store_verifies(w);
}

static void
test_a_full_copy_keeps_its_old_end_and_catches_up_later(void **state)
{
	struct fx_store *w = *state;
	struct sled_box_sums sums;
	struct fx_visit v;

	members(w, 0, 1);
	fx_store_sh(w, "cp -a copy1/home kept");
	fx_sys_limit(&w->fx, w->copy[0], 1000);
	fx_store_open(w);
	assert_true(fx_visit_begin(&v, w, mails + 1, 5));
	assert_true(fx_visit_fetch(&v, 2));
	assert_true(fx_visit_commit(&v, true));
	assert_true(fx_visit_count(&v));
	assert_int_equal(deletable(&v), 0);
	sums = sled_box_sums(v.box);
	assert_int_equal(sums.unsafe_kind, SLED_ERR_PLACE);
	assert_non_null(strstr(sums.unsafe_why, "No space"));
	assert_true(fx_visit_end(&v, true));
	assert_store_has(w, mails, 6);
	fx_store_close(w);
	fx_store_sh(w, "cmp kept/2026-11-001.open.tar.gz copy1/" VOLUME
	               " && test \"$(ls -A copy1/home)\" = "
	               "2026-11-001.open.tar.gz");
	/* Still full: nothing changes. */
	fx_store_open(w);
	v = visit(w, 1, 5, true);
	assert_int_equal(v.fetched + v.deleted, 0);
	fx_store_close(w);
	fx_sys_calm(&w->fx);
	fx_store_open(w);
	v = visit(w, 1, 5, true);
	assert_int_equal(v.fetched, 0);
	assert_int_equal(v.deleted, 5);
	assert_place_has(w->copy[0], mails, 6, NULL);
	assert_equal_copies(w);
}

static void
test_a_newborn_volume_that_does_not_fit_leaves_no_file(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	fx_store_open(w);
	fx_store_close(w);
	fx_sys_limit(&w->fx, w->copy[0], 500);
	fx_store_open(w);
	v = visit(w, 0, 6, true);
	assert_int_equal(v.deleted, 0);
	fx_store_close(w);
	fx_store_sh(w, "test -z \"$(ls -A copy1/home)\"");
	fx_sys_calm(&w->fx);
	fx_store_open(w);
	assert_int_equal(visit(w, 0, 6, true).deleted, 6);
	assert_equal_copies(w);
}

static void
test_a_full_first_place_keeps_mail_in_the_spool(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	w->conf.state = w->state;
	members(w, 0, 1);
	fx_store_sh(w, "cp -a store/home kept");
	fx_store_open(w);
	fx_sys_limit(&w->fx, w->path, 1000);
	assert_false(fx_visit_run(&v, w, mails + 1, 5, 10, true));
	assert_int_equal(v.err.kind, SLED_ERR_PLACE);
	assert_int_equal(v.deleted, 0);
	fx_store_close(w);
	fx_store_sh(w, "cmp kept/2026-11-001.open.tar.gz store/" VOLUME);
	fx_sys_calm(&w->fx);
	fx_store_open(w);
	v = visit(w, 1, 5, true);
	assert_int_equal(v.fetched, 0);
	assert_int_equal(v.deleted, 5);
	assert_store_has(w, mails, 6);
}

/* What COMMAND does to the copy is mended by the next start. */
static void
assert_copy_mended(struct fx_store *w, const char *command)
{
	fx_store_close(w);
	fx_store_sh(w, "%s", command);
	fx_store_open(w);
	assert_equal_copies(w);
	assert_place_has(w->copy[0], mails, 3, NULL);
	fx_store_sh(w, "cmp whole copy1/" VOLUME);
}

static void
test_a_shorter_copy_gets_what_it_lacks(void **state)
{
	struct fx_store *w = *state;

	members(w, 0, 3);
	fx_store_sh(w, "cp store/" VOLUME " whole");
	assert_copy_mended(w, "truncate -s -1 copy1/" VOLUME);
	assert_copy_mended(w, "truncate -s 40 copy1/" VOLUME);
	assert_copy_mended(w, "truncate -s 0 copy1/" VOLUME);
	assert_copy_mended(w, "rm copy1/" VOLUME);
	assert_copy_mended(w, "rm -r copy1/home");
	assert_copy_mended(w, "truncate -s -1 copy1/" VOLUME
	                      " && rm store/.mailsled/ledger.db*");
}

/* The copy as it was, whole, and nothing else. */
static void
assert_set_aside(struct fx_store *w)
{
	assert_true(fx_store_has_said(w, "copied anew"));
	fx_store_sh(w, "cmp long copy1/.mailsled/quarantine/* && "
	               "rm -r copy1/.mailsled/quarantine");
}

static void
test_a_longer_copy_is_never_cut_but_set_aside_whole(void **state)
{
	struct fx_store *w = *state;
	static const char *const tails[] = {
		"echo garbage >> copy1/" VOLUME,
		"echo garbage >> copy1/" VOLUME
		" && rm store/.mailsled/ledger.db*",
		"cat whole >> copy1/" VOLUME, /* members, but none that goes on */
	};

	members(w, 0, 3);
	fx_store_sh(w, "cp store/" VOLUME " whole");
	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		char command[256];

		(void)snprintf(command, sizeof(command),
		               "%s && cp copy1/" VOLUME " long", tails[i]);
		assert_copy_mended(w, command);
		assert_set_aside(w);
	}
}

/* While the whole file waits to be copied anew, nothing counts on it. */
static void
test_a_longer_copy_counts_for_nothing_until_it_is_made_anew(void **state)
{
	struct fx_store *w = *state;
	struct sled_place_status status;

	members(w, 0, 3);
	fx_store_sh(w, "echo garbage >> copy1/" VOLUME);
	fx_sys_limit(&w->fx, w->copy[0], 100);
	fx_store_open(w);
	assert_true(sled_store_place(w->store, 1, &status, &w->err));
	assert_true(status.lacks > 0);
	fx_store_sh(w, "test ! -e copy1/" VOLUME);
	fx_store_close(w);
	fx_sys_calm(&w->fx);
	fx_store_open(w);
	assert_equal_copies(w);
}

/* An append of ours that was cut off holds no member: all that it left is kept
 * aside, and a copy of years is not written anew for it. */
static void
test_a_torn_append_of_ours_is_kept_aside(void **state)
{
	struct fx_store *w = *state;
	static const char *const tails[] = {
		"head -c 300 whole",
		"head -c 20 whole",
		"head -c 300 /dev/zero",
	};

	members(w, 0, 3);
	fx_store_sh(w, "cp store/" VOLUME " whole");
	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		char command[256];

		(void)snprintf(command, sizeof(command),
		               "%s > tail && cat tail >> copy1/" VOLUME,
		               tails[i]);
		assert_copy_mended(w, command);
		fx_store_sh(w, "cmp tail copy1/.mailsled/quarantine/* && "
		               "rm -r copy1/.mailsled/quarantine");
	}
}

static void
test_members_that_only_a_longer_copy_has_are_appended_to_the_first(void **state)
{
	struct fx_store *w = *state;

	members(w, 0, 1);
	fx_store_sh(w, "cp -a store base");
	members(w, 1, 2);
	fx_store_sh(w, "cp copy1/" VOLUME " whole && rm -r store && "
	               "mv base store");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
	assert_equal_copies(w);
	fx_store_sh(w, "cmp whole copy1/" VOLUME
	               " && test ! -e copy1/.mailsled/quarantine");
}

/* Flip a byte in the middle of FILE. */
#define FLIP(file)                               \
	"printf '\\377\\377\\377' | dd of=" file \
	" bs=1 seek=$(($(wc -c < " file ") / 2)) conv=notrunc 2> /dev/null"

static void
test_a_damaged_copy_is_set_aside_and_made_anew(void **state)
{
	struct fx_store *w = *state;

	members(w, 0, 3);
	fx_store_sh(w, "cp store/" VOLUME " whole");
	assert_copy_mended(
	    w, FLIP("copy1/" VOLUME) " && rm store/.mailsled/ledger.db*");
	fx_store_sh(w, "test $(ls copy1/.mailsled/quarantine | wc -l) = 1");
	assert_true(fx_store_has_said(w, "quarantine"));
	/* Shorter, too: what is left of it is not believed. */
	assert_copy_mended(
	    w, FLIP("copy1/" VOLUME) " && truncate -s -1 copy1/" VOLUME);
	/* Longer, too, though it is an append of ours that was cut off. */
	assert_copy_mended(w, FLIP("copy1/" VOLUME) " && head -c 20 whole "
	                                            ">> copy1/" VOLUME);
}

/* What a damaged copy has may be all that is left of a member. */
static void
test_a_damaged_copy_is_not_given_up_for_a_damaged_first_place(void **state)
{
	struct fx_store *w = *state;

	members(w, 0, 3);
	fx_store_damage(w, "store/" VOLUME,
	                (unsigned)fx_store_size(w, "store/" VOLUME) - 100);
	fx_store_sh(w, FLIP("copy1/" VOLUME) " && "
	               "truncate -s -1 copy1/" VOLUME " && "
	               "cp copy1/" VOLUME " was");
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "both have damage"));
	fx_store_close(w);
	fx_store_sh(w, "cmp was copy1/" VOLUME);
}

struct taken {
	size_t octets;
	unsigned begun;
};

static bool
begin_any(void *ctx, uint64_t number, uint64_t octets, struct sled_err *err)
{
	struct taken *taken = ctx;

	(void)number;
	(void)octets;
	(void)err;
	taken->octets = 0;
	taken->begun++;
	return true;
}

static bool
take_any(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct taken *taken = ctx;

	(void)data;
	(void)err;
	taken->octets += len;
	return true;
}

static bool
copy_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	(void)err;
	*(struct sled_message *)ctx = *row;
	return true;
}

/* The ledger's hashes say who is right. */
static void
test_a_right_copy_is_not_given_up_for_a_damaged_first_place(void **state)
{
	struct fx_store *w = *state;
	const struct sled_message_query one = { .limit = 1 };
	struct sled_message row;
	uint64_t octets = 0;
	struct taken taken = { 0 };
	const struct sled_member_reader reader = { &taken, begin_any,
		                                   take_any };

	members(w, 0, 1);
	fx_store_sh(w, "cp store/" VOLUME " whole && "
	               "rm copy1/COPY.txt && " FLIP("store/" VOLUME));
	fx_store_open(w);
	assert_true(sled_store_sync(w->store, NULL, &octets, &w->err));
	fx_store_sh(w, "cmp whole copy1/" VOLUME);
	assert_true(sled_ledger_messages(sled_store_ledger(w->store), &one,
	                                 copy_row, &row, &w->err));
	assert_true(sled_store_read(w->store, &row, &reader, &w->err));
	assert_int_equal(taken.octets, row.octets);
	assert_int_equal(taken.begun, 1);
}

/* Reads of the first place's volumes that succeed still. */
static unsigned reads_left;

static ssize_t
until_it_fails(void *ctx, int fd, void *data, size_t len, off_t at)
{
	char link[64], path[512] = "";

	(void)ctx;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) > 0 &&
	    strstr(path, "/store/home/") != NULL && reads_left-- == 0) {
		reads_left = 0;
		errno = EIO;
		return -1;
	}
	return pread(fd, data, len, at);
}

static void
test_a_message_begins_again_when_its_place_fails_midway(void **state)
{
	const struct sled_message_query one = { .limit = 1 };
	static const struct fx_mail large[] = { { "u9", 900000, 9 } };
	struct fx_store *w = *state;
	struct sled_message row;
	unsigned again = 0;
	struct fx_visit v;

	fx_store_open(w);
	assert_true(fx_visit_run(&v, w, large, 1, 2, true));
	assert_true(sled_ledger_messages(sled_store_ledger(w->store), &one,
	                                 copy_row, &row, &w->err));
	w->fx.sys.pread = until_it_fails;
	for (unsigned n = 0; n < 200; n++) {
		struct taken taken = { 0 };
		const struct sled_member_reader reader = { &taken, begin_any,
			                                   take_any };

		reads_left = n;
		if (!sled_store_read(w->store, &row, &reader, &w->err))
			fail_msg("%u: %s", n, w->err.text);
		assert_int_equal(taken.octets, row.octets);
		assert_in_range(taken.begun, 1, 2);
		again += taken.begun == 2;
	}
	assert_true(again > 0);
	fx_store_close(w);
}

/* Two histories after mail 0: mails 1 and 2 in the first place, 3 to 5 in the
 * copy. */
static void
diverge(struct fx_store *w)
{
	members(w, 0, 1);
	fx_store_sh(w, "mkdir base && cp -a store copy1 base/ && "
	               "wc -c < store/" VOLUME " > one");
	members(w, 3, 3);
	fx_store_sh(w, "mv copy1 other && rm -r store && mv base/* .");
	members(w, 1, 2);
	fx_store_sh(w, "rm -r copy1 && mv other copy1 && mkdir kept && "
	               "cp -a store copy1 kept/");
}

static void
assert_united(struct fx_store *w)
{
	assert_store_has(w, mails, 6);
	assert_place_has(w->path, mails, 6, NULL);
	assert_place_has(w->copy[0], mails, 6, NULL);
	assert_equal_copies(w);
}

/* Its bytes are in the spool, durably, when the file that has them goes. */
static void
assert_synced_before_set_aside(struct fx_store *w)
{
	const char *log = fx_sys_log(&w->fx);
	const char *aside = strstr(log, "> renameat copy1/" VOLUME), *at = log;
	const char *written = NULL, *synced = NULL;

	assert_non_null(aside);
	for (; (at = strstr(at, "< pwrite store/.mailsled/salvage/")) != NULL &&
	       at < aside;
	     at++)
		written = at;
	for (at = log;
	     (at = strstr(at, "< fdatasync store/.mailsled/salvage/")) !=
	         NULL &&
	     at < aside;
	     at++)
		synced = at;
	assert_non_null(written);
	assert_true(synced > written);
}

static void
test_messages_of_a_copy_that_went_another_way_are_taken_over(void **state)
{
	struct fx_store *w = *state;

	diverge(w);
	fx_sys_log_on(&w->fx);
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "3 messages that only this file"));
	assert_synced_before_set_aside(w);
	assert_united(w);
	fx_store_sh(w,
	            "cmp kept/copy1/" VOLUME " copy1/.mailsled/quarantine/*");
	fx_store_sh(w, "test -z \"$(ls store/.mailsled/salvage)\"");
	/* Their numbers are new, and their ids prove nothing by themselves. */
	fx_store_sh(w, "tar tzf store/" VOLUME " | grep -q Z-00000006-");
	struct fx_visit v = visit(w, 3, 3, false);
	assert_int_equal(v.fetched, 0);
	assert_place_untars(w, w->path, mails, 6);
	fx_store_close(w);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_united(w);
}

/* What damages it is its own beginning, put behind it. */
static void
test_a_member_that_a_copy_has_twice_is_taken_over_once(void **state)
{
	struct fx_store *w = *state;

	diverge(w);
	fx_store_sh(w, "cp copy1/" VOLUME " twice && "
	               "cat twice >> copy1/" VOLUME);
	fx_store_open(w);
	assert_united(w);
	assert_place_untars(w, w->path, mails, 6);
}

/* The first place comes from a backup and goes on, while the copy is away with
 * a volume of the next month: both have given the same numbers. */
static void
test_a_volume_of_another_way_comes_in_though_its_numbers_are_used(void **state)
{
	struct fx_store *w = *state;
	uint64_t sealed = 0;

	members(w, 0, 1);
	fx_store_sh(w, "mkdir base && cp -a store copy1 base/");
	fx_store_open(w);
	assert_true(sled_store_seal(w->store, NULL, true, &sealed, &w->err));
	fx_store_close(w);
	members(w, 3, 3);
	fx_store_sh(w, "mv copy1 other && rm -r store && mv base/* .");
	members(w, 1, 2);
	fx_store_sh(w, "rm -r copy1 && mv other copy1");
	for (unsigned i = 0; i < 2; i++) {
		fx_store_open(w);
		assert_store_has(w, mails, 6);
		assert_place_has(w->path, mails, 6, NULL);
		fx_store_close(w);
		fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	}
	members(w, 6, 1);
	fx_store_open(w);
	assert_store_has(w, mails, 7);
}

/* The first place was away and others went on without it: what both of them
 * have comes in once. */
static void
assert_taken_over_once(const struct fx_mail *list)
{
	struct fx_store w;

	fx_store_make(&w, 2);
	members_of(&w, list, 1);
	fx_store_sh(&w, "mkdir base && cp -a store copy1 copy2 base/");
	members_of(&w, list + 3, 3);
	fx_store_sh(&w, "mkdir other && mv copy1 copy2 other/ && "
	                "rm -r store && mv base/* .");
	members_of(&w, list + 1, 2);
	fx_store_sh(&w, "rm -r copy1 copy2 && mv other/* .");
	fx_store_open(&w);
	assert_store_has(&w, list, 6);
	assert_place_has(w.path, list, 6, NULL);
	assert_place_has(w.copy[0], list, 6, NULL);
	assert_place_has(w.copy[1], list, 6, NULL);
	fx_store_drop(&w);
}

/* Nor does mail without an id come in twice; two of the same octets are two. */
static void
test_what_two_copies_have_alike_without_ids_is_taken_over_once(void **state)
{
	static const struct fx_mail nameless[] = {
		{ "u1", 100, 1 }, { "u2", 300, 2 }, { "", 50, 3 },
		{ "", 60, 4 },    { "", 60, 4 },    { "u6", 70, 5 },
	};
	struct fx_store w;

	(void)state;
	fx_store_make(&w, 2);
	fx_store_open(&w);
	visit_to(&w, nameless, 1, true);
	fx_store_close(&w);
	fx_store_sh(&w, "mkdir base && cp -a store copy1 copy2 base/");
	fx_store_open(&w);
	assert_int_equal(visit_to(&w, nameless + 2, 4, true).deleted, 4);
	fx_store_close(&w);
	fx_store_sh(&w, "mkdir other && mv copy1 copy2 other/ && "
	                "rm -r store && mv base/* .");
	fx_store_open(&w);
	visit_to(&w, nameless + 1, 1, true);
	fx_store_close(&w);
	fx_store_sh(&w, "rm -r copy1 copy2 && mv other/* .");
	fx_store_open(&w);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(fx_store_rows(&w, &nameless[i]),
		                 nameless[i].len == 60 ? 2 : 1);
	assert_store_verifies(&w);
	fx_store_drop(&w);
}

/* One of them fetched one more, and another in another second. */
static void
test_mail_without_ids_of_two_ways_is_taken_over_by_count_and_time(
    void **state)
{
	/* The spool of either may be the first. */
	static const struct fx_mail alike[] = { { "", 60, 4 }, { "", 60, 4 } };
	static const struct fx_mail more[] = { { "", 70, 5 }, { "", 70, 5 } };
	static const struct fx_mail other[] = { { "", 50, 3 } };
	struct fx_store w;

	(void)state;
	fx_store_make(&w, 2);
	members(&w, 0, 1);
	fx_store_sh(&w, "mkdir base && cp -a store copy1 copy2 base/");
	for (unsigned way = 1; way <= 2; way++) {
		fx_store_open(&w);
		visit_to(&w, alike, way, true);
		visit_to(&w, more, 3 - way, true);
		w.now += way == 2 ? 60 : 0;
		visit_to(&w, other, 1, true);
		fx_store_close(&w);
		w.now = FX_STORE_NOW;
		fx_store_sh(&w,
		            "mv copy%u way%u && rm -r store copy* && "
		            "cp -a base/* .",
		            way, way);
	}
	members(&w, 1, 1);
	fx_store_sh(&w, "rm -r copy1 copy2 && mv way1 copy1 && mv way2 copy2");
	fx_store_open(&w);
	assert_int_equal(fx_store_rows(&w, &alike[0]), 2);
	assert_int_equal(fx_store_rows(&w, &more[0]), 2);
	assert_int_equal(fx_store_rows(&w, &other[0]), 2);
	assert_store_verifies(&w);
	fx_store_drop(&w);
}

static void
test_what_two_copies_have_alike_is_taken_over_once(void **state)
{
	(void)state;
	assert_taken_over_once(mails);
}

static void
test_mail_without_ids_that_two_copies_have_is_taken_over_once(void **state)
{
	static const struct fx_mail nameless[] = {
		{ NULL, 100, 1 }, { NULL, 3000, 2 }, { NULL, 5, 3 },
		{ NULL, 50, 4 },  { NULL, 60, 5 },   { NULL, 7000, 6 },
	};

	(void)state;
	assert_taken_over_once(nameless);
}

static void
test_an_id_of_a_salvaged_message_is_proved_before_a_delete(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	diverge(w);
	fx_store_open(w);
	assert_true(fx_visit_begin(&v, w, mails + 3, 1));
	assert_int_not_equal(v.listing.items[0].flags & SLED_ITEM_TOPPED, 0);
	assert_int_equal(v.verdict[0], SLED_ITEM_STORED);
	assert_true(fx_visit_end(&v, false));
}

static void
test_a_salvage_that_is_cut_off_comes_in_once(void **state)
{
	struct fx_store *w = *state;
	unsigned deaths = 0, faults = 0;
	bool hit = true;

	diverge(w);
	for (unsigned n = 1; hit; n += 7) {
		int status = 0;
		pid_t pid;

		fx_store_sh(w, "rm -rf store copy1 && cp -a kept/* .");
		fx_sys_kill(&w->fx, FX_ANY, n);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(fx_store_try(w, SLED_STORE_WRITE) ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		fx_sys_calm(&w->fx);
		hit = WIFSIGNALED(status);
		deaths += hit;
		fx_store_open(w);
		assert_united(w);
		fx_store_close(w);
	}
	assert_true(deaths > 40);
	hit = true;
	for (unsigned n = 1; hit; n += 11) {
		fx_store_sh(w, "rm -rf store copy1 && cp -a kept/* .");
		fx_sys_fail(&w->fx, FX_ANY, n, EIO, false);
		(void)!fx_store_try(w, SLED_STORE_WRITE);
		hit = fx_sys_fired(&w->fx);
		faults += hit;
		fx_store_close(w);
		fx_sys_calm(&w->fx);
		fx_store_open(w);
		assert_united(w);
		fx_store_close(w);
	}
	assert_true(faults > 20);
}

static bool
has_salvage(struct fx_store *w)
{
	char command[FX_STORE_PATH + 64];

	(void)snprintf(command, sizeof(command),
	               "ls %s/store/.mailsled/salvage/*/*.spool > /dev/null "
	               "2>&1",
	               w->tmp.path);
	return system(command) == 0;
}

/* Salvaged, but not yet set aside, and then the copy is away for a while. */
static void
test_what_is_salvaged_waits_for_its_place(void **state)
{
	struct fx_store *w = *state;
	bool early = false;

	diverge(w);
	for (unsigned n = 1; !early && n < 30; n++) {
		fx_store_sh(w, "rm -rf store copy1 && cp -a kept/* .");
		fx_sys_fail(&w->fx, FX_RENAMEAT, n, EIO, true);
		(void)!fx_store_try(w, SLED_STORE_WRITE);
		fx_store_close(w);
		fx_sys_calm(&w->fx);
		early = has_salvage(w);
	}
	assert_true(early);
	fx_store_sh(w, "cmp kept/copy1/" VOLUME " copy1/" VOLUME);
	fx_store_sh(w, "mkdir away && mv copy1 away/");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
	fx_store_close(w);
	fx_store_sh(w, "mv away/copy1 .");
	fx_store_open(w);
	assert_united(w);
}

/* Its other members are not what the ledger has there. */
static void
test_a_copy_that_went_another_way_fills_no_gap_of_the_first(void **state)
{
	struct fx_store *w = *state;

	diverge(w);
	fx_store_sh(w, "truncate -s $(cat one) store/" VOLUME);
	fx_store_open(w);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(fx_store_rows(w, &mails[i]),
		                 i == 1 || i == 2 ? 0 : 1);
	assert_true(fx_store_has_said(w, "lost in every place"));
	assert_equal_copies(w);
}

static bool
take_copy(void *ctx, const struct sled_place_row *row, struct sled_err *err)
{
	struct sled_place_row *copy = ctx;

	(void)err;
	if (strstr(row->path, "/copy1") != NULL)
		*copy = *row;
	return true;
}

/* What lies at its path once it is gone is on another disk. */
static void
learn_another_disk(struct fx_store *w)
{
	struct sled_ledger *ledger = sled_store_ledger(w->store);
	struct sled_place_row copy = { .path = "" };

	assert_true(sled_ledger_places(ledger, take_copy, &copy, &w->err));
	copy.fsid ^= 1;
	assert_true(sled_ledger_place_put(ledger, &copy, &w->err));
}

/* Set aside, and the disk too full to make it anew; then it is taken away. */
static void
test_a_copy_that_was_set_aside_counts_for_nothing_when_it_is_away(
    void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	fx_store_open(w);
	(void)visit(w, 0, 2, false);
	fx_store_close(w);
	fx_store_sh(w, "mkdir away && mv copy1 away/");
	fx_store_open(w);
	(void)visit(w, 5, 1, false);
	fx_store_close(w);
	fx_store_sh(w, "mv away/copy1 . && printf other >> copy1/" VOLUME);
	fx_sys_limit(&w->fx, w->copy[0], 1000);
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "kept in quarantine"));
	learn_another_disk(w);
	fx_store_close(w);
	fx_sys_calm(&w->fx);
	fx_store_sh(w, "test ! -e copy1/" VOLUME " && mv copy1 away/");
	w->now = sled_clock_now(); /* the places were read just now */
	fx_store_open(w);
	assert_true(fx_visit_begin(&v, w, mails, 2));
	assert_int_equal(v.verdict[0], SLED_ITEM_STORED);
	assert_true(fx_visit_count(&v));
	assert_int_equal(deletable(&v), 0);
	assert_true(fx_visit_end(&v, false));
}

/* It waits still, for its copy is full; and that goes a third way meanwhile. */
static void
test_what_is_salvaged_and_waits_is_not_given_up_for_another_salvage(
    void **state)
{
	struct fx_store *w = *state;

	members(w, 0, 1);
	fx_store_sh(w, "mkdir base && cp -a store copy1 base/");
	members(w, 3, 1);
	fx_store_sh(w, "mv copy1 third && rm -r store && cp -a base/* .");
	members(w, 5, 1);
	fx_store_sh(w, "mv copy1 other && rm -r store && mv base/* .");
	members(w, 1, 2);
	fx_store_sh(w, "rm -r copy1 && mv other copy1");
	fx_sys_limit(&w->fx, w->copy[0], 1000);
	fx_store_open(w);
	fx_store_close(w);
	fx_sys_calm(&w->fx);
	assert_true(has_salvage(w));
	fx_store_sh(w, "mv third/" VOLUME " copy1/" VOLUME);
	fx_store_open(w);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(fx_store_rows(w, &mails[i]), i == 4 ? 0 : 1);
	assert_equal_copies(w);
}

static void
test_what_lies_behind_a_damaged_member_of_a_copy_is_taken_over(void **state)
{
	struct fx_store *w = *state;

	members(w, 0, 1);
	fx_store_sh(w, "mkdir base && cp -a store copy1 base/ && "
	               "cp copy1/" VOLUME " one");
	members(w, 3, 2);
	fx_store_sh(w, "mv copy1 other && rm -r store && mv base/* .");
	fx_store_sh(w, "rm -r copy1 && mv other copy1 && "
	               "printf '\\377\\377' | dd of=copy1/" VOLUME
	               " bs=1 seek=$(($(wc -c < one) / 2)) conv=notrunc "
	               "2> /dev/null");
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "2 members behind are kept"));
	assert_int_equal(fx_store_rows(w, &mails[0]), 1);
	assert_int_equal(fx_store_rows(w, &mails[3]), 1);
	assert_int_equal(fx_store_rows(w, &mails[4]), 1);
	assert_store_verifies(w);
}

/* The header of one of its members is damaged, before where the first place's
 * file ends by now. */
static void
test_damage_in_a_copy_that_went_another_way_hides_nothing_behind_it(
    void **state)
{
	struct fx_store *w = *state;

	members(w, 0, 1);
	fx_store_sh(w, "mkdir base && cp -a store copy1 base/");
	members(w, 2, 1);
	fx_store_sh(w, "wc -c < copy1/" VOLUME " > behind");
	members(w, 3, 2);
	fx_store_sh(w, "mv copy1 other && rm -r store && mv base/* .");
	members(w, 5, 1);
	fx_store_sh(w, "rm -r copy1 && mv other copy1 && "
	               "printf '\\377' | dd of=copy1/" VOLUME
	               " bs=1 seek=$(cat behind) conv=notrunc 2> /dev/null");
	fx_store_open(w);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(fx_store_rows(w, &mails[i]),
		                 i == 1 || i == 3 ? 0 : 1);
	assert_equal_copies(w);
}

static void
test_an_absent_copy_catches_up_when_it_is_back(void **state)
{
	struct fx_store *w = *state;
	struct sled_place_status status;

	members(w, 0, 1);
	fx_store_sh(w, "mkdir away && mv copy1 away/");
	(void)snprintf(w->copy[0], sizeof(w->copy[0]), "%s/stick/copy1",
	               w->tmp.path);
	fx_store_open(w);
	assert_int_equal(visit(w, 1, 2, true).deleted, 0);
	assert_true(sled_store_place(w->store, 1, &status, &w->err));
	assert_false(status.present);
	fx_store_close(w);
	(void)snprintf(w->copy[0], sizeof(w->copy[0]), "%s/copy1", w->tmp.path);
	fx_store_sh(w, "mv away/copy1 .");
	fx_store_open(w);
	assert_true(sled_store_place(w->store, 1, &status, &w->err));
	assert_true(status.present);
	assert_int_equal(status.lacks, 0);
	struct fx_visit v = visit(w, 1, 2, true);
	assert_int_equal(v.fetched, 0);
	assert_int_equal(v.deleted, 2);
	assert_equal_copies(w);
}

static void
test_two_of_three_places_are_enough_when_two_are_asked_for(void **state)
{
	struct fx_store *w = *state;

	(void)snprintf(w->copy[1], sizeof(w->copy[1]), "%s/copy2", w->tmp.path);
	w->copies[1] = w->copy[1];
	w->conf.copies_len = 2;
	fx_store_open(w);
	fx_store_close(w);
	fx_sys_limit(&w->fx, w->copy[0], 100);
	fx_store_open(w);
	assert_int_equal(visit(w, 0, 3, true).deleted, 3);
	assert_place_has(w->copy[1], mails, 3, NULL);
}

static void
test_places_on_one_disk_count_once_when_that_is_asked_for(void **state)
{
	struct fx_store *w = *state;

	w->conf.distinct_devices = true;
	fx_store_open(w);
	assert_true(sled_store_one_disk(w->store));
	assert_int_equal(visit(w, 0, 3, true).deleted, 0);
	w->conf.distinct_devices = false;
	fx_store_close(w);
	fx_store_open(w);
	assert_int_equal(visit(w, 0, 3, true).deleted, 3);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_full_copy_keeps_its_old_end_and_catches_up_later),
		TEST(test_a_newborn_volume_that_does_not_fit_leaves_no_file),
		TEST(test_a_full_first_place_keeps_mail_in_the_spool),
		TEST(test_a_shorter_copy_gets_what_it_lacks),
		TEST(test_a_longer_copy_is_never_cut_but_set_aside_whole),
		TEST(
		    test_a_longer_copy_counts_for_nothing_until_it_is_made_anew),
		TEST(test_a_torn_append_of_ours_is_kept_aside),
		TEST(
		    test_members_that_only_a_longer_copy_has_are_appended_to_the_first),
		TEST(test_a_damaged_copy_is_set_aside_and_made_anew),
		TEST(
		    test_a_right_copy_is_not_given_up_for_a_damaged_first_place),
		TEST(
		    test_a_damaged_copy_is_not_given_up_for_a_damaged_first_place),
		TEST(
		    test_messages_of_a_copy_that_went_another_way_are_taken_over),
		TEST(test_a_member_that_a_copy_has_twice_is_taken_over_once),
		TEST(
		    test_a_volume_of_another_way_comes_in_though_its_numbers_are_used),
		TEST(test_what_two_copies_have_alike_is_taken_over_once),
		TEST(
		    test_mail_without_ids_of_two_ways_is_taken_over_by_count_and_time),
		TEST(test_what_two_copies_have_alike_without_ids_is_taken_over_once),
		TEST(
		    test_mail_without_ids_that_two_copies_have_is_taken_over_once),
		TEST(
		    test_an_id_of_a_salvaged_message_is_proved_before_a_delete),
		TEST(test_a_salvage_that_is_cut_off_comes_in_once),
		TEST(test_what_is_salvaged_waits_for_its_place),
		TEST(
		    test_a_copy_that_went_another_way_fills_no_gap_of_the_first),
		TEST(
		    test_what_is_salvaged_and_waits_is_not_given_up_for_another_salvage),
		TEST(
		    test_a_copy_that_was_set_aside_counts_for_nothing_when_it_is_away),
		TEST(
		    test_what_lies_behind_a_damaged_member_of_a_copy_is_taken_over),
		TEST(
		    test_damage_in_a_copy_that_went_another_way_hides_nothing_behind_it),
		TEST(test_an_absent_copy_catches_up_when_it_is_back),
		TEST(
		    test_two_of_three_places_are_enough_when_two_are_asked_for),
		TEST(test_places_on_one_disk_count_once_when_that_is_asked_for),
		TEST(test_a_message_begins_again_when_its_place_fails_midway),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
