/* test_reader_index.c - the index is a cache: whatever happens to it, a search
 * finds what the store has, the newest first. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "fx_store.h"
#include "mailsled/reader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FOUND    512
#define DAY      INT64_C(86400)

static const struct fx_mail mails[] = {
	{ "u1", 900, 1 },     { "u2", 90000, 2 }, { "u3", 400, 3 },
	{ "u4", 2000000, 4 }, { "u5", 700, 5 },   { "u6", 600, 6 },
};

static struct fx_store world;

struct found {
	uint64_t number[FOUND];
	int64_t received[FOUND];
	size_t len;
};

static void
bring(struct fx_store *w, size_t from, size_t to)
{
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, mails + from, to - from, 2, true))
		fail_msg("%s", v.err.text);
	fx_store_close(w);
	w->now += 100;
}

static int
set_up(void **state)
{
	fx_store_make(&world, 0);
	bring(&world, 0, 4);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

static void
open_to_read(struct fx_store *w)
{
	if (!fx_store_try(w, SLED_STORE_READ))
		fail_msg("%s", w->err.text);
}

static bool
note(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct found *found = ctx;

	(void)err;
	assert_true(found->len < FOUND);
	found->number[found->len] = message->number;
	found->received[found->len++] = message->received;
	return true;
}

static bool
try_feed(struct fx_store *w, struct sled_feed *feed, struct sled_err *err)
{
	struct sled_index *index = NULL;
	bool ok = sled_index_open(&index, w->store, err) &&
	          sled_index_feed(index, feed, NULL, NULL, err);

	if (!ok && index != NULL && err->kind == SLED_ERR_DAMAGED) {
		*err = (struct sled_err){ 0 };
		ok = sled_index_mend(index, err) &&
		     sled_index_feed(index, feed, NULL, NULL, err);
	}
	sled_index_close(&index);
	return ok;
}

static struct sled_feed
feed(struct fx_store *w, bool thorough)
{
	struct sled_feed out = { .thorough = thorough };
	struct sled_err err = { 0 };

	if (!try_feed(w, &out, &err))
		fail_msg("%s", err.text);
	return out;
}

static struct found
find_behind(struct fx_store *w, const char *text, uint64_t skip, uint64_t limit)
{
	struct found found = { .len = 0 };
	struct sled_index *index = NULL;
	struct sled_query query;
	struct sled_err err = { 0 };

	assert_true(sled_query_parse(&query, text, w->now, &err));
	query.skip = skip;
	if (!sled_index_open(&index, w->store, &err) ||
	    !sled_index_find(index, &query, limit, note, &found, &err))
		fail_msg("%s", err.text);
	sled_index_close(&index);
	sled_query_free(&query);
	return found;
}

static struct found
find(struct fx_store *w, const char *text, uint64_t limit)
{
	return find_behind(w, text, 0, limit);
}

/* A page of two goes on where the one before ended. */
static void
assert_pages(struct fx_store *w)
{
	struct found all = find(w, "-nowhere", 0);

	for (size_t i = 0; i <= all.len; i += 1 + i / 2) {
		struct found page = find_behind(w, "-nowhere", i, 2);

		assert_int_equal(page.len,
		                 all.len - i < 2 ? all.len - i : 2);
		for (size_t k = 0; k < page.len; k++)
			assert_int_equal(page.number[k], all.number[i + k]);
	}
}

/* All of the first COUNT mails, each once, none received before the next. */
static void
assert_finds(struct fx_store *w, size_t count)
{
	struct found found = find(w, "-nowhere", 0);
	uint64_t seen = 0;

	assert_int_equal(found.len, count);
	for (size_t i = 0; i < found.len; i++) {
		seen |= UINT64_C(1) << found.number[i];
		if (i > 0)
			assert_true(found.received[i] <= found.received[i - 1]);
	}
	assert_int_equal(seen, (UINT64_C(2) << count) - 2);
}

static void
what_came_is_found_newest_first(void **state)
{
	struct fx_store *w = *state;
	struct found found;

	open_to_read(w);
	assert_int_equal(feed(w, false).added, 4);
	assert_finds(w, 4);
	assert_int_equal(feed(w, false).added, 0);
	fx_store_close(w);
	bring(w, 4, 6);
	open_to_read(w);
	assert_int_equal(feed(w, true).added, 2);
	assert_finds(w, 6);
	assert_pages(w);
	found = find(w, "-nowhere", 1);
	assert_int_equal(found.len, 1);
	assert_true(found.number[0] > 4);
	assert_int_equal(find(w, "account:home", 0).len, 6);
	assert_int_equal(find(w, "account:away", 0).len, 0);
	fx_store_close(w);
}

static bool
import_one(struct sled_import *import, const struct fx_mail *mail,
           int64_t received, struct sled_err *err)
{
	struct sled_buf bytes = { 0 };
	struct sled_incoming incoming = { .received = received };
	bool wanted = false, ok;

	fx_store_bytes(&bytes, mail);
	incoming.sha256 = fx_store_hash(mail);
	incoming.octets = incoming.listed = bytes.len;
	ok = sled_import_begin(import, &incoming, &wanted, err) && wanted &&
	     sled_import_data(import, sled_buf_span(&bytes), err) &&
	     sled_import_end(import, err);
	sled_buf_free(&bytes);
	return ok;
}

/* An import of COUNT small mails, received in no order on the day AGO. */
static void
bring_old(struct fx_store *w, size_t count, int64_t ago)
{
	static const struct sled_spool_owner old = { "old", SLED_IMPORTED,
		                                     "old" };
	static unsigned seed = 1000;
	struct sled_import *import = NULL;
	struct sled_import_sums sums;
	bool ok;

	fx_store_open(w);
	ok = sled_import_open(&import, w->store, &w->err) &&
	     sled_import_whose(import, &old, &w->err);
	for (size_t i = 0; ok && i < count; i++) {
		const struct fx_mail mail = { "", 80, seed++ };

		ok = import_one(import, &mail,
		                w->now - ago * DAY +
		                    (int64_t)(i * 7919 % (size_t)DAY),
		                &w->err);
	}
	if (!ok || !sled_import_close(&import, true, &sums, &w->err))
		fail_msg("%s", w->err.text);
	fx_store_close(w);
}

static int
number_of(struct fx_store *w, const char *sql)
{
	char path[FX_STORE_PATH + 32];
	sqlite3 *db = NULL;
	sqlite3_stmt *stmt = NULL;
	int number;

	(void)snprintf(path, sizeof(path), "%s/.mailsled/index.db", w->path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	number = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return number;
}

/* All of COUNT, the newest first; and as many of them as are wanted. */
static void
assert_newest_first(struct fx_store *w, size_t count)
{
	struct found all = find(w, "-nowhere", 0), some;

	assert_int_equal(all.len, count);
	for (size_t i = 1; i < all.len; i++)
		assert_true(all.received[i] <= all.received[i - 1]);
	for (size_t limit = 1; limit <= count; limit += 1 + limit / 2) {
		some = find(w, "-nowhere", limit);
		assert_int_equal(some.len, limit);
		assert_memory_equal(some.number, all.number,
		                    limit * sizeof(some.number[0]));
	}
}

/* An import of what was there before: no query has to read through it. */
static void
years_of_older_mail_are_a_run_of_their_own(void **state)
{
	struct fx_store *w = *state;

	open_to_read(w);
	(void)feed(w, false);
	fx_store_close(w);
	bring_old(w, 80, 3098);
	bring_old(w, 80, 3100);
	bring_old(w, 80, 3099);
	bring(w, 4, 6);
	open_to_read(w);
	assert_int_equal(feed(w, false).added, 242);
	assert_int_equal(number_of(w, "SELECT count(*) FROM run"), 1);
	assert_int_equal(number_of(w, "SELECT count(*) FROM late"), 0);
	assert_newest_first(w, 246);
	fx_store_close(w);
	/* A few more of them are only late. */
	bring_old(w, 5, 3099);
	open_to_read(w);
	assert_int_equal(feed(w, true).added, 5);
	assert_int_equal(number_of(w, "SELECT count(*) FROM run"), 1);
	assert_int_equal(number_of(w, "SELECT count(*) FROM late"), 5);
	assert_newest_first(w, 251);
	assert_pages(w);
	fx_store_close(w);
}

static void
time_that_runs_out_costs_no_order(void **state)
{
	struct fx_store *w = *state;
	struct sled_feed part;
	size_t parts = 0, added = 0;

	bring_old(w, 30, 3050);
	bring_old(w, 30, 3090);
	bring_old(w, 30, 3070);
	do {
		struct sled_err err = { 0 };

		open_to_read(w);
		part = (struct sled_feed){ .ms = 1 };
		assert_true(try_feed(w, &part, &err));
		fx_store_close(w);
		assert_true(part.added > 0);
		added += part.added;
		assert_int_equal(part.missing, 94 - added);
		parts++;
	} while (part.missing > 0);
	assert_true(parts > 2);
	assert_int_equal(number_of(w, "SELECT count(*) FROM run"), 0);
	assert_int_equal(number_of(w, "SELECT count(*) FROM late"), 0);
	open_to_read(w);
	assert_newest_first(w, 94);
	fx_store_close(w);
}

static void
a_search_changes_no_file(void **state)
{
	struct fx_store *w = *state;

	open_to_read(w);
	(void)feed(w, true);
	fx_store_close(w);
	fx_store_sh(w, "sha256sum store/.mailsled/*.db > before");
	open_to_read(w);
	fx_sys_fail(&w->fx, FX_PWRITE, 1, EIO, true);
	assert_int_equal(feed(w, false).added, 0);
	assert_finds(w, 4);
	assert_false(fx_sys_fired(&w->fx));
	fx_sys_calm(&w->fx);
	fx_store_close(w);
	fx_store_sh(w, "sha256sum --quiet -c before");
}

/* A few of an import among others: ids do not follow it, the order does. */
static void
mail_out_of_order_is_sorted(void **state)
{
	struct fx_store *w = *state;

	open_to_read(w);
	(void)feed(w, false);
	fx_store_close(w);
	bring(w, 4, 6);
	bring_old(w, 7, 3000);
	open_to_read(w);
	(void)feed(w, false);
	fx_store_close(w);
	bring_old(w, 3, 3001);
	bring_old(w, 2, 2999);
	open_to_read(w);
	(void)feed(w, false);
	assert_int_equal(number_of(w, "SELECT count(*) FROM run"), 0);
	assert_int_equal(number_of(w, "SELECT count(*) FROM late"), 12);
	assert_newest_first(w, 18);
	assert_pages(w);
	fx_store_close(w);
}

static void
a_fault_at_any_call_costs_no_message(void **state)
{
	struct fx_store *w = *state;
	unsigned n = 1;
	bool fired = true;

	for (; fired; n += 1 + n / 16) {
		struct sled_feed want = { .thorough = true };
		struct sled_err err = { 0 };

		fx_store_sh(w, "rm -f store/.mailsled/index.db*");
		open_to_read(w);
		fx_sys_fail(&w->fx, FX_ANY, n, EIO, false);
		if (!try_feed(w, &want, &err))
			assert_true(err.text[0] != '\0');
		fired = fx_sys_fired(&w->fx);
		fx_sys_calm(&w->fx);
		w->fx.fired = false;
		(void)feed(w, true);
		assert_finds(w, 4);
		fx_store_close(w);
	}
	assert_true(n > 30);
}

/* The child is killed in the middle; whoever comes next goes on. */
static bool
kill_at(struct fx_store *w, unsigned n)
{
	struct sled_feed want = { .thorough = true };
	struct sled_err err = { 0 };
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (!fx_store_try(w, SLED_STORE_READ))
			_exit(2);
		fx_sys_kill(&w->fx, FX_ANY, n);
		_exit(try_feed(w, &want, &err) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void
a_kill_at_any_call_costs_no_message(void **state)
{
	struct fx_store *w = *state;
	unsigned n = 1;

	for (;; n += 1 + n / 16) {
		bool killed;

		fx_store_sh(w, "rm -f store/.mailsled/index.db*");
		killed = kill_at(w, n);
		open_to_read(w);
		(void)feed(w, n % 2 == 0); /* a search, or `index` */
		assert_finds(w, 4);
		fx_store_close(w);
		if (!killed)
			break;
	}
	assert_true(n > 30);
}

static void
a_damaged_index_is_made_anew(void **state)
{
	static const char *const damages[] = {
		"printf garbage > store/.mailsled/index.db",
		"head -c 100000 /dev/urandom > store/.mailsled/index.db",
		": > store/.mailsled/index.db",
		"dd if=/dev/urandom of=store/.mailsled/index.db bs=4096 seek=1 "
		"count=4 conv=notrunc status=none",
	};
	struct fx_store *w = *state;

	for (size_t i = 0; i < COUNT(damages); i++) {
		open_to_read(w);
		(void)feed(w, false);
		fx_store_close(w);
		fx_store_sh(w, "rm -f store/.mailsled/index.db-*; %s",
		            damages[i]);
		open_to_read(w);
		(void)feed(w, true);
		assert_finds(w, 4);
		fx_store_close(w);
	}
}

/* A volume that no place gives now: the rest goes in, it follows later. */
static void
what_cannot_be_read_is_tried_again(void **state)
{
	struct fx_store *w = *state;
	struct sled_feed fed;

	fx_store_sh(w, "mv store/home away");
	open_to_read(w);
	fed = feed(w, true);
	assert_int_equal(fed.added, 4);
	assert_int_equal(fed.unread, 4);
	assert_int_equal(find(w, "-nowhere", 0).len, 0);
	fx_store_close(w);
	fx_store_sh(w, "mv away store/home");
	open_to_read(w);
	(void)feed(w, true);
	assert_finds(w, 4);
	fx_store_close(w);
}

static void
a_rebuilt_ledger_needs_no_new_index(void **state)
{
	struct fx_store *w = *state;

	open_to_read(w);
	(void)feed(w, false);
	fx_store_close(w);
	if (!fx_store_try(w, SLED_STORE_REBUILD))
		fail_msg("%s", w->err.text);
	fx_store_close(w);
	open_to_read(w);
	assert_int_equal(feed(w, true).added, 0);
	assert_finds(w, 4);
	fx_store_close(w);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_came_is_found_newest_first),
		TEST(mail_out_of_order_is_sorted),
		TEST(years_of_older_mail_are_a_run_of_their_own),
		TEST(time_that_runs_out_costs_no_order),
		TEST(a_search_changes_no_file),
		TEST(a_fault_at_any_call_costs_no_message),
		TEST(a_kill_at_any_call_costs_no_message),
		TEST(a_damaged_index_is_made_anew),
		TEST(what_cannot_be_read_is_tried_again),
		TEST(a_rebuilt_ledger_needs_no_new_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
