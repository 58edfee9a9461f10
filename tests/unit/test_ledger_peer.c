/* test_ledger_peer.c - what visits learned of servers, paths and listings comes
 * back as it was put, also after faults. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_ledger.h"
#include "fx_sys.h"
#include "mailsled/clock.h"

#define MANY 100000

static struct fx_tmp tmp;
static struct sled_ledger *ledger;
static struct sled_err err;

static int
set_up(void **state)
{
	(void)state;
	err = (struct sled_err){ 0 };
	fx_tmp_make(&tmp);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sled_ledger_close(&ledger);
	fx_tmp_drop(&tmp);
	return 0;
}

static void
reopen(void)
{
	sled_ledger_close(&ledger);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
}

/* ---- peers and paths ---- */

static struct sled_peer
peer_of(uint16_t port)
{
	struct sled_peer peer = { 0 };

	peer.port = port;
	memset(peer.addresses, '1', sizeof(peer.addresses) - 1);
	peer.looked_up = 2;
	peer.caps = SLED_PEER_PIPELINING | SLED_PEER_STLS;
	memset(peer.eager, 'E', sizeof(peer.eager) - 1);
	peer.eager_lost = 3;
	peer.eager_retry = 4;
	peer.tickets_refused = UINT32_MAX;
	peer.tickets_retry = 5;
	peer.tls_default = true;
	peer.listed_whole = 6;
	peer.caps_seen = 7;
	peer.sums = true;
	return peer;
}

static struct sled_peer
get_peer(int64_t maildrop)
{
	struct sled_peer out;

	memset(&out, 0xff, sizeof(out));
	assert_true(sled_ledger_peer(ledger, maildrop, &out, &err));
	return out;
}

static void
assert_peer(const struct sled_peer *a, const struct sled_peer *b)
{
	assert_int_equal(a->port, b->port);
	assert_string_equal(a->addresses, b->addresses);
	assert_int_equal(a->looked_up, b->looked_up);
	assert_int_equal(a->caps, b->caps);
	assert_int_equal(a->caps_seen, b->caps_seen);
	assert_string_equal(a->eager, b->eager);
	assert_int_equal(a->eager_lost, b->eager_lost);
	assert_int_equal(a->eager_retry, b->eager_retry);
	assert_int_equal(a->tickets_refused, b->tickets_refused);
	assert_int_equal(a->tickets_retry, b->tickets_retry);
	assert_int_equal(a->tls_default, b->tls_default);
	assert_int_equal(a->listed_whole, b->listed_whole);
	assert_int_equal(a->sums, b->sums);
}

static void
a_peer_is_zero_until_it_is_put_and_then_whole(void **state)
{
	static const struct sled_peer none;
	struct sled_peer one = peer_of(65535), two = { .port = 110 }, out;

	(void)state;
	out = get_peer(1);
	assert_memory_equal(&out, &none, sizeof(out));
	assert_true(sled_ledger_peer_put(ledger, 1, &two, &err));
	assert_true(sled_ledger_peer_put(ledger, 1, &one, &err));
	assert_true(sled_ledger_peer_put(ledger, 2, &two, &err));
	reopen();
	out = get_peer(1);
	assert_peer(&out, &one);
	out = get_peer(2);
	assert_peer(&out, &two);
	out = get_peer(3);
	assert_memory_equal(&out, &none, sizeof(out));
}

static void
a_path_is_kept_by_its_name(void **state)
{
	struct sled_path path = { "ppp0", UINT64_MAX, UINT32_MAX, 7, 8 }, out;
	bool found = true;

	(void)state;
	assert_true(sled_ledger_path(ledger, "ppp0", &out, &found, &err));
	assert_false(found);
	assert_true(sled_ledger_path_put(ledger, &path, &err));
	memset(path.name, 'w', sizeof(path.name) - 1);
	path.visits = 1;
	assert_true(sled_ledger_path_put(ledger, &path, &err));
	path.visits = 2;
	assert_true(sled_ledger_path_put(ledger, &path, &err));
	reopen();
	assert_true(sled_ledger_path(ledger, path.name, &out, &found, &err));
	assert_true(found);
	assert_string_equal(out.name, path.name);
	assert_int_equal(out.visits, 2);
	assert_true(sled_ledger_path(ledger, "ppp0", &out, &found, &err));
	assert_true(found);
	assert_true(out.rate == UINT64_MAX && out.rtt_ms == UINT32_MAX);
	assert_int_equal(out.visits, 7);
	assert_int_equal(out.seen, 8);
}

/* ---- remembered listings ---- */

struct seen {
	char text[256]; /* "1:a/10 2:/20" */
	unsigned count, stop_at;
};

static bool
join(void *ctx, uint32_t number, const char *uid, uint64_t size,
     struct sled_err *e)
{
	struct seen *seen = ctx;
	size_t len = strlen(seen->text);

	if (++seen->count == seen->stop_at)
		return sled_fail(e, SLED_ERR_USAGE, "enough");
	if (seen->count <= 16)
		(void)snprintf(seen->text + len, sizeof(seen->text) - len,
		               "%s%lu:%s/%llu", len == 0 ? "" : " ",
		               (unsigned long)number, uid,
		               (unsigned long long)size);
	return true;
}

static void
assert_seen(int64_t maildrop, const char *text)
{
	struct seen seen = { .text = "" };

	assert_true(sled_ledger_seen(ledger, maildrop, join, &seen, &err));
	assert_string_equal(seen.text, text);
}

static void
put(int64_t maildrop, uint32_t number, const char *uid, uint64_t size)
{
	assert_true(
	    sled_ledger_seen_put(ledger, maildrop, number, uid, size, &err));
}

static void
a_listing_comes_back_in_order_of_number(void **state)
{
	(void)state;
	assert_seen(1, "");
	put(1, 10, "j", 100);
	put(1, 2, "", 20);
	put(1, 1, "a", 11);
	put(1, 1, "b", 10);
	put(2, 1, "z", UINT64_MAX);
	put(2, UINT32_MAX, "y", 0);
	reopen();
	assert_seen(1, "1:b/10 2:/20 10:j/100");
	assert_seen(2, "1:z/18446744073709551615 4294967295:y/0");
	assert_seen(3, "");
}

static void
a_cut_forgets_from_there_on_in_one_maildrop(void **state)
{
	(void)state;
	for (uint32_t n = 1; n <= 4; n++) {
		put(1, n, "a", n);
		put(2, n, "b", n);
	}
	assert_true(sled_ledger_seen_cut(ledger, 1, 3, &err));
	assert_seen(1, "1:a/1 2:a/2");
	assert_seen(2, "1:b/1 2:b/2 3:b/3 4:b/4");
	assert_true(sled_ledger_seen_cut(ledger, 1, 3, &err));
	assert_true(sled_ledger_seen_cut(ledger, 2, 1, &err));
	assert_seen(1, "1:a/1 2:a/2");
	assert_seen(2, "");
}

static void
a_walk_may_be_stopped(void **state)
{
	struct seen seen = { .stop_at = 2 };

	(void)state;
	put(1, 1, "a", 1);
	put(1, 2, "b", 2);
	put(1, 3, "c", 3);
	assert_false(sled_ledger_seen(ledger, 1, join, &seen, &err));
	assert_string_equal(err.text, "enough");
	assert_int_equal(seen.count, 2);
	put(1, 4, "d", 4);
}

static void
a_column_that_we_never_write_is_damage(void **state)
{
	struct sled_peer peer = peer_of(1);
	char zeroes[65] = "";
	struct sled_path path;
	struct seen seen = { .text = "" };
	bool found;

	(void)state;
	memset(zeroes, '0', sizeof(zeroes) - 1);
	assert_true(sled_ledger_peer_put(ledger, 1, &peer, &err));
	put(1, 1, "a", 1);
	put(2, 1, "a", 1);
	sled_ledger_close(&ledger);
	fx_ledger_sql(&tmp, "UPDATE peer SET addresses = hex(zeroblob(200));"
	                    "INSERT INTO path VALUES"
	                    " (hex(zeroblob(32)), 1, 1, 1, 1);"
	                    "UPDATE seen SET number = 0 WHERE maildrop = 1;"
	                    "UPDATE seen SET uid = hex(zeroblob(36))"
	                    " WHERE maildrop = 2;"
	                    "INSERT INTO seen VALUES (3, 4294967296, '', 1)");
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_false(sled_ledger_peer(ledger, 1, &peer, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	err.kind = SLED_ERR_NONE;
	assert_false(sled_ledger_path(ledger, zeroes, &path, &found, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	assert_false(found);
	for (int64_t maildrop = 1; maildrop <= 3; maildrop++) {
		err.kind = SLED_ERR_NONE;
		assert_false(
		    sled_ledger_seen(ledger, maildrop, join, &seen, &err));
		assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	}
	assert_int_equal(seen.count, 0);
}

static void
many_are_written_in_one_transaction(void **state)
{
	struct seen seen = { .text = "" };
	int64_t began = sled_clock_ms(), put_ms, read_ms;
	char uid[32];

	(void)state;
	assert_true(sled_ledger_begin(ledger, &err));
	for (uint32_t n = 1; n <= MANY; n++) {
		(void)snprintf(uid, sizeof(uid), "%08lx5b1c2d3e",
		               (unsigned long)n * 2654435761u % UINT32_MAX);
		put(1, n, uid, n);
	}
	assert_true(sled_ledger_commit(ledger, &err));
	put_ms = sled_clock_ms() - began;
	began = sled_clock_ms();
	assert_true(sled_ledger_seen(ledger, 1, join, &seen, &err));
	read_ms = sled_clock_ms() - began;
	began = sled_clock_ms();
	assert_true(sled_ledger_seen_cut(ledger, 1, 1, &err));
	print_message("%u rows: put %lld ms, read %lld ms, cut %lld ms\n", MANY,
	              (long long)put_ms, (long long)read_ms,
	              (long long)(sled_clock_ms() - began));
	assert_int_equal(seen.count, MANY);
	assert_seen(1, "");
}

/* ---- faults ---- */

/* Does the peer have this port, with all that belongs to it? */
static bool
has_port(uint16_t port)
{
	struct sled_peer want = peer_of(port), out = get_peer(1);

	if (out.port != port)
		return false;
	assert_peer(&out, &want);
	return true;
}

static void
write_both(struct sled_ledger *l, bool *ok)
{
	struct sled_peer peer = peer_of(2);

	ok[0] = sled_ledger_peer_put(l, 1, &peer, &err);
	ok[1] = sled_ledger_begin(l, &err);
	if (!ok[1])
		return;
	ok[1] = sled_ledger_seen_cut(l, 1, 2, &err) &&
	        sled_ledger_seen_put(l, 1, 2, "x", 2, &err) &&
	        sled_ledger_seen_put(l, 1, 3, "y", 3, &err) &&
	        sled_ledger_commit(l, &err);
	sled_ledger_drop(l);
}

static void
hold_outcome(const bool *ok)
{
	struct seen seen = { .text = "" };

	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_true(has_port(2) || (!ok[0] && has_port(1)));
	assert_true(sled_ledger_seen(ledger, 1, join, &seen, &err));
	if (strcmp(seen.text, "1:a/1 2:x/2 3:y/3") != 0) {
		assert_false(ok[1]);
		assert_string_equal(seen.text, "1:a/1 2:b/2");
	}
}

static void
a_failed_write_leaves_what_was_there(void **state)
{
	struct sled_peer peer = peer_of(1);
	unsigned fired = 0;
	bool more = true;

	(void)state;
	for (unsigned n = 1; more; n++) {
		struct fx_sys fx;
		bool ok[2];

		sled_ledger_close(&ledger);
		fx_tmp_empty(&tmp);
		fx_sys_init(&fx, tmp.path);
		ledger = fx_ledger_open(&tmp, &fx.sys, SLED_LEDGER_CREATE);
		assert_true(sled_ledger_peer_put(ledger, 1, &peer, &err));
		put(1, 1, "a", 1);
		put(1, 2, "b", 2);
		fx_sys_fail(&fx, FX_ANY, n, n % 2 == 0 ? EIO : ENOSPC, false);
		write_both(ledger, ok);
		more = fx_sys_fired(&fx);
		assert_true(more || (ok[0] && ok[1]));
		fired += more;
		sled_ledger_close(&ledger);
		fx_sys_done(&fx);
		hold_outcome(ok);
	}
	print_message("%u faults\n", fired);
	assert_true(fired > 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_peer_is_zero_until_it_is_put_and_then_whole),
		T(a_path_is_kept_by_its_name),
		T(a_listing_comes_back_in_order_of_number),
		T(a_cut_forgets_from_there_on_in_one_maildrop),
		T(a_walk_may_be_stopped),
		T(a_column_that_we_never_write_is_damage),
		T(many_are_written_in_one_transaction),
		T(a_failed_write_leaves_what_was_there),
	};

	return cmocka_run_group_tests_name("ledger_peer", tests, NULL, NULL);
}
