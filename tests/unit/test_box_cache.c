/* test_box_cache.c - what a box remembers for the next visit: the peer, the path
 * and the last listing; none of it can fail a visit. (cache.c) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "fx_box.h"

#define ROUNDS 300

static const char letter[] = "From: ada@example.org\r\n\r\ntext\r\n";
static const struct fx_letter mail[] = { { "a", letter, 0 } };

static struct fx_box fx;
static struct sled_err err;

static int
set_up(void **state)
{
	(void)state;
	err = (struct sled_err){ 0 };
	fx_box_make(&fx, 1, 1);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fx_box_drop(&fx);
	return 0;
}

/* Run statements on the ledger between two opens of the store. */
static void
meddle(const char *sql)
{
	char path[FX_TMP_PATH + 64], *said = NULL;
	sqlite3 *db = NULL;

	fx_box_close(&fx);
	(void)snprintf(path, sizeof(path), "%s/.mailsled/ledger.db",
	               fx.paths[0]);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &said) != SQLITE_OK)
		fail_msg("%s", said);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	fx_box_open(&fx);
}

static void
begin(void)
{
	fx_box_begin(&fx, mail, 1, FX_NEVER);
}

/* ---- the peer and the path ---- */

static void
a_peer_is_kept_with_the_visit(void **state)
{
	struct sled_peer *peer;

	(void)state;
	begin();
	peer = sled_box_peer(fx.box);
	assert_int_equal(peer->port, 0);
	peer->port = 995;
	(void)snprintf(peer->eager, sizeof(peer->eager), "PLAIN");
	fx_box_end(&fx);
	fx_box_close(&fx);
	fx_box_open(&fx);
	begin();
	peer = sled_box_peer(fx.box);
	assert_int_equal(peer->port, 995);
	assert_string_equal(peer->eager, "PLAIN");
	fx_box_end(&fx);
}

static void
a_visit_that_ends_before_a_listing_keeps_it_too(void **state)
{
	static const struct sled_spool_owner owner = { "home",
		                                       "pop.example.org",
		                                       "ada@example.org" };
	struct sled_visit_row row = { .began = fx.now, .exit = 69 };
	struct sled_box *box = NULL;

	(void)state;
	assert_true(sled_box_open(&box, fx.store, &owner, fx.now, &err));
	sled_box_peer(box)->eager_lost = 1;
	assert_true(sled_box_close(&box, &row, &err));
	assert_true(sled_box_open(&box, fx.store, &owner, fx.now, &err));
	assert_int_equal(sled_box_peer(box)->eager_lost, 1);
	sled_box_peer(box)->eager_lost = 2;
	assert_true(sled_box_close(&box, NULL, &err));
	assert_true(sled_box_open(&box, fx.store, &owner, fx.now, &err));
	assert_int_equal(sled_box_peer(box)->eager_lost, 1);
	assert_true(sled_box_close(&box, &row, &err));
}

static void
each_change_of_a_peer_is_kept_and_none_is_not_written(void **state)
{
	static const struct sled_peer changed[] = {
		{ .port = 1 },          { .addresses = "192.0.2.1" },
		{ .looked_up = 1 },     { .caps = 1 },
		{ .eager = "PLAIN" },   { .eager_lost = 1 },
		{ .eager_retry = 1 },   { .tickets_refused = 1 },
		{ .tickets_retry = 1 }, { .tls_default = true },
		{ .listed_whole = 1 },  { .sums = true },
		{ .caps_seen = 1 },
	};
	struct sled_peer other = { .port = 110 }, out;
	struct sled_ledger *ledger = sled_store_ledger(fx.store);
	int64_t maildrop;

	(void)state;
	begin();
	maildrop = sled_box_maildrop(fx.box)->id;
	assert_true(sled_ledger_peer_put(ledger, maildrop, &other, &err));
	fx_box_end(&fx); /* had nothing to say */
	assert_true(sled_ledger_peer(ledger, maildrop, &out, &err));
	assert_int_equal(out.port, 110);
	for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
		memset(&other, 0, sizeof(other));
		assert_true(
		    sled_ledger_peer_put(ledger, maildrop, &other, &err));
		begin();
		*sled_box_peer(fx.box) = changed[i];
		fx_box_end(&fx);
		assert_true(sled_ledger_peer(ledger, maildrop, &out, &err));
		assert_memory_equal(&out, &changed[i], sizeof(out));
	}
}

static void
a_peer_that_cannot_be_kept_is_said_and_fails_nothing(void **state)
{
	(void)state;
	meddle("CREATE TRIGGER no BEFORE INSERT ON peer"
	       " BEGIN SELECT RAISE(ABORT, 'no room for peers'); END");
	begin();
	sled_box_peer(fx.box)->port = 995;
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_end(&fx); /* asserts that close() said true */
	assert_non_null(strstr(fx.said, "not remembered"));
	assert_non_null(strstr(fx.said, "no room for peers"));
	assert_int_equal(fx_box_rows(&fx), 1);
	begin();
	assert_int_equal(sled_box_peer(fx.box)->port, 0);
	fx_box_end(&fx);
}

static void
a_path_is_known_to_every_box(void **state)
{
	struct sled_path path = { "ppp0", 300, 1800, 1, 5 }, out;
	bool found = true;

	(void)state;
	begin();
	assert_true(sled_box_path(fx.box, "ppp0", &out, &found, &err));
	assert_false(found);
	assert_true(sled_box_path_put(fx.box, &path, &err));
	fx_box_end(&fx);
	begin();
	assert_true(sled_box_path(fx.box, "ppp0", &out, &found, &err));
	assert_true(found);
	assert_int_equal(out.rate, 300);
	fx_box_end(&fx);
}

static void
state_is_the_folder_of_the_ledger(void **state)
{
	const struct sled_sys *sys = NULL;
	struct stat in_it;
	int dir = sled_store_state(fx.store, &sys);

	(void)state;
	assert_non_null(sys);
	assert_int_equal(sys->fstatat(sys->ctx, dir, "ledger.db", &in_it, 0),
	                 0);
}

/* ---- the last listing ---- */

static void
add(struct sled_listing *listing, uint32_t msg, const char *uid, uint64_t size)
{
	assert_true(sled_listing_size(listing, msg, size, &err));
	assert_true(sled_listing_uid(
	    listing, msg, (struct sled_span){ uid, strlen(uid) }, &err));
}

/* A listing of one message a letter; '.' has no id, ' ' is not listed. */
static struct sled_listing
listing_of(const char *uids)
{
	struct sled_listing out;
	size_t len = strlen(uids);

	assert_true(sled_listing_new(&out, len, &err));
	out.has_uidl = true;
	for (size_t i = 0; i < len; i++) {
		char uid[2] = { uids[i] == '.' ? '\0' : uids[i], '\0' };

		if (uids[i] != ' ')
			add(&out, (uint32_t)i + 1, uid, 100 + (uint64_t)uid[0]);
	}
	return out;
}

static void
assert_seen(const char *uids)
{
	struct sled_listing seen, want = listing_of(uids);

	assert_true(sled_box_seen(fx.box, &seen, &err));
	assert_int_equal(seen.len, want.len);
	assert_true(seen.has_uidl);
	for (size_t i = 0; i < want.len; i++) {
		assert_int_equal(seen.items[i].size, want.items[i].size);
		assert_string_equal(sled_listing_uid_of(&seen, i),
		                    sled_listing_uid_of(&want, i));
		assert_int_equal(seen.items[i].flags, want.items[i].flags);
		assert_int_equal(seen.items[i].verdict, SLED_ITEM_NEW);
		assert_int_equal(seen.items[i].row, 0);
	}
	sled_listing_free(&seen);
	sled_listing_free(&want);
}

static bool
is_gone(void *ctx, size_t item)
{
	const char *gone = ctx;

	return gone[item] == 'x';
}

static bool
try_keep(const char *uids, const char *gone)
{
	struct sled_listing now = listing_of(uids);
	char marks[256];
	bool ok;

	(void)snprintf(marks, sizeof(marks), "%s", gone == NULL ? "" : gone);
	ok = sled_box_seen_keep(fx.box, &now, gone == NULL ? NULL : is_gone,
	                        marks, &err);
	sled_listing_free(&now);
	return ok;
}

static void
keep(const char *uids, const char *gone, const char *want)
{
	assert_true(try_keep(uids, gone));
	assert_seen(want);
}

static void
a_listing_is_remembered_without_what_is_gone(void **state)
{
	(void)state;
	begin();
	assert_seen("");
	keep("abc.e", NULL, "abc.e");
	keep("abcde", "-----", "abcde");
	keep("abcde", "x---x", "bcd");
	keep("bcdfg", "-x-x-", "bdg");
	keep("bdg", "xxx", "");
	keep("", NULL, "");
	keep("qr", NULL, "qr");
	fx_box_end(&fx);
	fx_box_close(&fx);
	fx_box_open(&fx);
	begin();
	assert_seen("qr");
	assert_true(sled_box_seen_forget(fx.box, &err));
	assert_seen("");
	assert_true(sled_box_seen_forget(fx.box, &err));
	fx_box_end(&fx);
}

static void
another_size_or_id_is_a_difference(void **state)
{
	struct sled_listing now = listing_of("ab"), seen;

	(void)state;
	begin();
	keep("ab", NULL, "ab");
	now.items[0].size++;
	assert_true(sled_box_seen_keep(fx.box, &now, NULL, NULL, &err));
	assert_true(sled_box_seen(fx.box, &seen, &err));
	assert_int_equal(seen.items[0].size, now.items[0].size);
	assert_int_equal(seen.len, 2);
	sled_listing_free(&seen);
	sled_listing_free(&now);
	keep("ac", NULL, "ac");
	fx_box_end(&fx);
}

static void
what_cannot_be_counted_on_is_not_remembered(void **state)
{
	struct sled_listing now = listing_of("ab");

	(void)state;
	begin();
	keep("ab de", NULL, "ab");
	keep(" bc", NULL, "");
	keep("abc", NULL, "abc");
	now.has_uidl = false;
	assert_true(sled_box_seen_keep(fx.box, &now, NULL, NULL, &err));
	assert_seen("");
	sled_listing_free(&now);
	fx_box_end(&fx);
}

static void
what_follows_a_gap_is_not_told(void **state)
{
	(void)state;
	begin();
	keep("abcd", NULL, "abcd");
	fx_box_end(&fx);
	meddle("DELETE FROM seen WHERE number = 3");
	begin();
	assert_seen("ab");
	keep("abcd", NULL, "abcd");
	fx_box_end(&fx);
	meddle("DELETE FROM seen WHERE number = 1");
	begin();
	assert_seen("");
	keep("abcd", NULL, "abcd");
	fx_box_end(&fx);
}

static void
only_what_differs_is_written(void **state)
{
	unsigned writes;

	(void)state;
	begin();
	keep("abcd", NULL, "abcd");
	writes = fx_sys_count(&fx.sys, FX_PWRITE);
	keep("abcd", NULL, "abcd");
	keep("abxcd", "--x--", "abcd");
	assert_int_equal(fx_sys_count(&fx.sys, FX_PWRITE), writes);
	fx_box_end(&fx);
	meddle("CREATE TRIGGER no_put BEFORE INSERT ON seen"
	       " WHEN new.number < 3 BEGIN SELECT RAISE(ABORT, 'no'); END;"
	       "CREATE TRIGGER no_cut BEFORE DELETE ON seen"
	       " WHEN old.number < 3 BEGIN SELECT RAISE(ABORT, 'no'); END;");
	begin();
	keep("abcde", NULL, "abcde");
	keep("abde", NULL, "abde");
	keep("abdefg", "--x---", "abefg");
	keep("ab", NULL, "ab");
	assert_false(try_keep("a", NULL));
	fx_box_end(&fx);
}

static void
a_listing_that_cannot_be_kept_leaves_the_old_one(void **state)
{
	(void)state;
	begin();
	keep("abcd", NULL, "abcd");
	fx_box_end(&fx);
	meddle("CREATE TRIGGER no BEFORE INSERT ON seen"
	       " WHEN new.number = 4 BEGIN SELECT RAISE(ABORT, 'no'); END");
	begin();
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_false(try_keep("axyz", NULL));
	assert_true(err.text[0] != '\0');
	assert_seen("abcd");
	fx_box_end(&fx); /* and the visit is noted all the same */
	assert_int_equal(fx_box_rows(&fx), 1);
}

/* Against the plainest model: a text of one letter a message. */
static void
any_change_is_followed(void **state)
{
	char now[64] = "", gone[64], want[64];
	unsigned dice = 1;

	(void)state;
	begin();
	for (unsigned round = 0; round < ROUNDS; round++) {
		size_t len = strlen(now), kept = 0;

		for (size_t i = 0; i < 4 && len < 40; i++) {
			dice = dice * 1103515245u + 12345u;
			if ((dice >> 16) % 2 == 0)
				now[len++] = (char)('A' + (dice >> 20) % 50);
		}
		now[len] = '\0';
		memset(gone, '-', sizeof(gone));
		for (size_t i = 0; i < len; i++) {
			dice = dice * 1103515245u + 12345u;
			if ((dice >> 16) % 16 == 0)
				gone[i] = 'x';
			else
				want[kept++] = now[i];
		}
		gone[len] = want[kept] = '\0';
		keep(now, gone, want);
		memcpy(now, want, sizeof(now));
	}
	fx_box_end(&fx);
}

static void
a_rebuild_forgets_it_all(void **state)
{
	struct sled_path path = { "ppp0", 300, 1800, 1, 5 };
	bool found = true;

	(void)state;
	begin();
	sled_box_peer(fx.box)->port = 995;
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	keep("ab", NULL, "ab");
	assert_true(sled_box_path_put(fx.box, &path, &err));
	fx_box_end(&fx);
	fx_box_close(&fx);
	if (!sled_store_open(&fx.store, &fx.sys.sys, &fx.conf,
	                     SLED_STORE_REBUILD, &err))
		fail_msg("%s", err.text);
	assert_int_equal(fx_box_rows(&fx), 1);
	begin();
	assert_int_equal(sled_box_peer(fx.box)->port, 0);
	assert_seen("");
	assert_true(sled_box_path(fx.box, "ppp0", &path, &found, &err));
	assert_false(found);
	keep("ab", NULL, "ab");
	fx_box_end(&fx);
}

/* ---- what a remembered listing may leave unasked ---- */

static enum sled_standing
standing(const char *uid, uint64_t size, int64_t until)
{
	const struct sled_spool_owner owner = { "home", "pop.example.org",
		                                "ada" };
	enum sled_standing is = SLED_STANDING_NEW;
	struct sled_box *box = NULL;

	if (!sled_box_open(&box, fx.store, &owner, fx.now, &err) ||
	    !sled_box_standing(box, uid, size, until, &is, &err) ||
	    !sled_box_close(&box, NULL, &err))
		fail_msg("%s", err.text);
	return is;
}

static void
what_is_stored_and_in_no_doubt_is_left_alone(void **state)
{
	const uint64_t size = sizeof(letter) - 1;
	struct sled_maildrop maildrop;

	(void)state;
	assert_int_equal(standing("a", size, FX_NEVER), SLED_STANDING_NEW);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	assert_int_equal(standing("a", size, FX_NEVER), SLED_STANDING_SETTLED);
	assert_int_equal(standing("b", size, FX_NEVER), SLED_STANDING_NEW);
	assert_int_equal(standing("a", size + 1, FX_NEVER), SLED_STANDING_OPEN);
	assert_int_equal(standing("a", size, FX_ALWAYS), SLED_STANDING_OPEN);
	maildrop = fx_box_habits(&fx);
	maildrop.reuses_ids = true;
	assert_true(sled_ledger_maildrop_put(sled_store_ledger(fx.store),
	                                     &maildrop, &err));
	assert_int_equal(standing("a", size, FX_NEVER), SLED_STANDING_OPEN);
}

static void
what_is_in_any_doubt_is_asked_for(void **state)
{
	static const unsigned doubts[] = { SLED_MESSAGE_SHORT,
		                           SLED_MESSAGE_DOUBTFUL,
		                           SLED_MESSAGE_UNSURE };
	const uint64_t size = sizeof(letter) - 1;
	struct sled_ledger *ledger;
	int64_t row;

	(void)state;
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	ledger = sled_store_ledger(fx.store);
	row = fx_box_row(&fx, 1).id;
	for (size_t i = 0; i < sizeof(doubts) / sizeof(doubts[0]); i++) {
		assert_true(
		    sled_ledger_set_flags(ledger, row, doubts[i], 0, &err));
		assert_int_equal(standing("a", size, FX_NEVER),
		                 SLED_STANDING_OPEN);
		assert_true(
		    sled_ledger_set_flags(ledger, row, 0, doubts[i], &err));
	}
	assert_int_equal(standing("a", size, FX_NEVER), SLED_STANDING_SETTLED);
	/* A DELE whose QUIT was not answered. */
	assert_true(sled_ledger_set_dele(ledger, row, fx.now, &err));
	assert_int_equal(standing("a", size, FX_NEVER), SLED_STANDING_OPEN);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_peer_is_kept_with_the_visit),
		T(a_visit_that_ends_before_a_listing_keeps_it_too),
		T(each_change_of_a_peer_is_kept_and_none_is_not_written),
		T(a_peer_that_cannot_be_kept_is_said_and_fails_nothing),
		T(a_path_is_known_to_every_box),
		T(state_is_the_folder_of_the_ledger),
		T(a_listing_is_remembered_without_what_is_gone),
		T(another_size_or_id_is_a_difference),
		T(what_cannot_be_counted_on_is_not_remembered),
		T(what_follows_a_gap_is_not_told),
		T(only_what_differs_is_written),
		T(a_listing_that_cannot_be_kept_leaves_the_old_one),
		T(any_change_is_followed),
		T(a_rebuild_forgets_it_all),
		T(what_is_stored_and_in_no_doubt_is_left_alone),
		T(what_is_in_any_doubt_is_asked_for),
	};

	return cmocka_run_group_tests_name("box_cache", tests, NULL, NULL);
}
