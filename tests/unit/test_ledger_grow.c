/* test_ledger_grow.c - a ledger of an older schema is read as it is, and grows
 * whole or not at all when it is opened to write. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "fx_ledger.h"
#include "fx_sys.h"

static struct fx_tmp tmp;
static struct sled_err err;
static char old[1 << 20];
static size_t old_len;
static int schema;

static int
set_up(int from)
{
	err = (struct sled_err){ 0 };
	fx_tmp_make(&tmp);
	schema = from;
	fx_ledger_old(&tmp, schema);
	old_len = fx_tmp_read(&tmp, "ledger.db", old, sizeof(old));
	assert_true(old_len > 4096 && old_len < sizeof(old));
	return 0;
}

static int
set_up_1(void **state)
{
	(void)state;
	return set_up(1);
}

static int
set_up_2(void **state)
{
	(void)state;
	return set_up(2);
}

static int
tear_down(void **state)
{
	(void)state;
	fx_tmp_drop(&tmp);
	return 0;
}

static void
make_old_again(void)
{
	fx_tmp_empty(&tmp);
	fx_tmp_write(&tmp, "ledger.db", old, old_len);
}

/* One text of one row, with the ledger closed. */
static void
look_up(const char *sql, char *out, size_t room)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	char path[512];

	assert_int_equal(sqlite3_open(fx_ledger_path(&tmp, path), &db),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	(void)snprintf(out, room, "%s", sqlite3_column_text(stmt, 0));
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static int
version(void)
{
	char text[16];

	look_up("PRAGMA user_version", text, sizeof(text));
	return atoi(text);
}

static bool
keep_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *e)
{
	struct sled_visit_row *out = ctx;

	(void)e;
	assert_int_equal(out->id, 0);
	*out = *row;
	return true;
}

/* What fx_ledger_old() put there, all of it, with nothing more. */
static void
assert_old_rows(struct sled_ledger *ledger)
{
	struct sled_maildrop maildrop = { 0 };
	struct sled_visit_row visit = { 0 };
	struct sled_buf store = { 0 };
	bool found = false;

	assert_true(sled_ledger_get(ledger, "store", &store, &found, &err));
	assert_true(found);
	assert_string_equal(store.data, "old");
	sled_buf_free(&store);
	assert_true(sled_ledger_maildrop(ledger, "pop.example.org", "ada",
	                                 &maildrop, &err));
	assert_int_equal(maildrop.id, 1);
	assert_int_equal(maildrop.exact, 5);
	assert_int_equal(maildrop.expire_days + maildrop.login_delay_s, 0);
	assert_int_equal(maildrop.octets, 0);
	assert_int_equal(maildrop.visited, 0);
	assert_int_equal(fx_ledger_count(ledger), 1);
	assert_true(
	    sled_ledger_visits(ledger, NULL, 0, keep_visit, &visit, &err));
	assert_int_equal(visit.began, 77);
	assert_int_equal(visit.wire_up, 11);
	assert_int_equal(visit.exit, 75);
	assert_string_equal(visit.error, "cut off");
	assert_int_equal(visit.ms_connect + visit.ms_delete, 0);
	assert_int_equal(visit.round_trips + visit.rtt_ms, 0);
	assert_int_equal(visit.segs_up + visit.retrans, 0);
	assert_false(visit.offered || visit.eager);
	assert_int_equal(visit.round + visit.up_ms + visit.alive_ms, 0);
	assert_int_equal(visit.held_bytes + visit.left_bytes, 0);
	assert_string_equal(visit.path, "");
	assert_false(visit.cut);
}

static bool
count_seen(void *ctx, uint32_t number, const char *uid, uint64_t size,
           struct sled_err *e)
{
	unsigned *count = ctx;

	(void)number;
	(void)uid;
	(void)size;
	(void)e;
	++*count;
	return true;
}

static bool
no_round(void *ctx, const struct sled_round_row *row, struct sled_err *e)
{
	(void)ctx;
	(void)row;
	return sled_fail(e, SLED_ERR_INTERNAL, "a round");
}

static bool
no_held(void *ctx, const struct sled_held_row *row, struct sled_err *e)
{
	(void)ctx;
	(void)row;
	return sled_fail(e, SLED_ERR_INTERNAL, "held mail");
}

static void
assert_no_bills(struct sled_ledger *ledger)
{
	static const struct sled_spent none;
	struct sled_visit_row visit = { 0 };
	struct sled_spent spent = { .bytes = 1 };

	assert_true(sled_ledger_rounds(ledger, 0, 0, no_round, NULL, &err));
	assert_true(sled_ledger_spent(ledger, "", 0, INT64_MAX, &spent, &err));
	assert_memory_equal(&spent, &none, sizeof(spent));
	assert_true(sled_ledger_held(ledger, 0, NULL, no_held, NULL, &err));
	assert_true(
	    sled_ledger_visits_by(ledger, "ppp0", 0, keep_visit, &visit, &err));
	assert_int_equal(visit.id, 0);
}

static void
assert_no_caches(struct sled_ledger *ledger)
{
	static const struct sled_peer none;
	struct sled_peer peer = { .port = 995, .sums = true };
	struct sled_path path;
	unsigned seen = 0;
	bool found = true;

	assert_true(sled_ledger_peer(ledger, 1, &peer, &err));
	assert_memory_equal(&peer, &none, sizeof(peer));
	assert_true(sled_ledger_path(ledger, "ppp0", &path, &found, &err));
	assert_false(found);
	assert_true(sled_ledger_seen(ledger, 1, count_seen, &seen, &err));
	assert_int_equal(seen, 0);
	assert_no_bills(ledger);
}

static void
a_reader_takes_it_as_it_is(void **state)
{
	static char after[sizeof(old)];
	struct sled_ledger *ledger =
	    fx_ledger_open(&tmp, NULL, SLED_LEDGER_READ);

	(void)state;
	assert_old_rows(ledger);
	assert_no_caches(ledger);
	sled_ledger_close(&ledger);
	assert_int_equal(version(), schema);
	assert_int_equal(fx_tmp_read(&tmp, "ledger.db", after, sizeof(after)),
	                 old_len);
	assert_memory_equal(old, after, old_len);
}

static bool
join_offset(void *ctx, const struct sled_member_row *row, struct sled_err *e)
{
	char *text = ctx;
	size_t len = strlen(text);

	(void)e;
	(void)snprintf(text + len, 64 - len, "%llu ",
	               (unsigned long long)row->at);
	return true;
}

/* Read as it is, and grown: the same answer. */
static void
who_lacks_what_is_known_before_and_after(void **state)
{
	static const enum sled_ledger_mode modes[] = { SLED_LEDGER_READ,
		                                       SLED_LEDGER_WRITE };

	(void)state;
	fx_ledger_sql(
	    &tmp, "INSERT INTO volume VALUES (1, 'home', '2026-11-001', 1,"
		  " 30, 1, 0, zeroblob(32));"
		  "INSERT INTO member VALUES (1, 1, 0, 10, 1, zeroblob(32)),"
		  " (2, 1, 10, 20, 1, zeroblob(32));"
		  "INSERT INTO holding VALUES (1, 'a', 5), (2, 'a', 5),"
		  " (1, 'b', 5);");
	for (size_t i = 0; i < 2; i++) {
		struct sled_ledger *ledger =
		    fx_ledger_open(&tmp, NULL, modes[i]);
		char lacks[3][64] = { "", "", "" };

		for (size_t p = 0; p < 3; p++)
			assert_true(sled_ledger_lacking(
			    ledger, 1, (const char *[]){ "a", "b", "c" }[p],
			    join_offset, lacks[p], &err));
		assert_string_equal(lacks[0], "");
		assert_string_equal(lacks[1], "10 ");
		assert_string_equal(lacks[2], "0 10 ");
		sled_ledger_close(&ledger);
	}
}

static void
a_writer_makes_it_grow_and_keeps_every_row(void **state)
{
	static const enum sled_ledger_mode modes[] = { SLED_LEDGER_WRITE,
		                                       SLED_LEDGER_CREATE };
	const struct sled_peer peer = { .port = 995, .eager = "PLAIN" };
	struct sled_peer out;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sled_visit_row row = { .label = "home", .retrans = 3 };
		struct sled_ledger *ledger;

		make_old_again();
		ledger = fx_ledger_open(&tmp, NULL, modes[i]);
		assert_old_rows(ledger);
		assert_no_caches(ledger);
		assert_true(sled_ledger_peer_put(ledger, 1, &peer, &err));
		assert_true(sled_ledger_visit_put(ledger, &row, &err));
		sled_ledger_close(&ledger);
		assert_int_equal(version(), SLED_LEDGER_SCHEMA);
		ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_READ);
		assert_true(sled_ledger_peer(ledger, 1, &out, &err));
		assert_string_equal(out.eager, "PLAIN");
		sled_ledger_close(&ledger);
	}
}

static const char all[] = "SELECT group_concat(sql, ';') FROM"
			  " (SELECT sql FROM sqlite_master"
			  " WHERE sql IS NOT NULL ORDER BY name)";

static void
a_grown_ledger_has_the_schema_of_a_new_one(void **state)
{
	static char grown[1 << 14], made[1 << 14];
	struct sled_ledger *ledger =
	    fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);

	(void)state;
	sled_ledger_close(&ledger);
	look_up(all, grown, sizeof(grown));
	fx_tmp_empty(&tmp);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
	sled_ledger_close(&ledger);
	look_up(all, made, sizeof(made));
	assert_non_null(strstr(made, "CREATE TABLE seen"));
	assert_non_null(strstr(made, "CREATE TABLE round"));
	assert_string_equal(grown, made);
}

/* The last statement of the last growth finds its table's name taken. */
static void
a_growth_that_fails_in_its_midst_leaves_the_old_one(void **state)
{
	static char before[1 << 14], after[1 << 14];
	struct sled_ledger *ledger = NULL;
	char path[512];

	(void)state;
	fx_ledger_sql(&tmp, "CREATE TABLE placed (taken)");
	look_up(all, before, sizeof(before));
	assert_false(sled_ledger_open(&ledger, sled_sys_posix(),
	                              fx_ledger_path(&tmp, path),
	                              SLED_LEDGER_WRITE, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	look_up(all, after, sizeof(after));
	assert_string_equal(after, before);
	assert_int_equal(version(), schema);
}

static bool
no_aside(void *ctx, const struct sled_aside_row *row, struct sled_err *e)
{
	(void)ctx;
	(void)row;
	(void)e;
	return false;
}

static bool
no_place(void *ctx, uint32_t number, int64_t message, struct sled_err *e)
{
	(void)ctx;
	(void)number;
	(void)message;
	(void)e;
	return false;
}

static void
assert_reads_none_of_7(void)
{
	const struct sled_delivery_row whose = { .label = "home" };
	struct sled_ledger *ledger =
	    fx_ledger_open(&tmp, NULL, SLED_LEDGER_READ);
	struct sled_delivery_row row;
	uint64_t waiting = 9;
	bool found = true;

	assert_true(sled_ledger_delivery(ledger, "home", "maildir:/m", &row,
	                                 &found, &err));
	assert_false(found);
	assert_true(sled_ledger_waiting(ledger, &whose, &waiting, &err));
	assert_int_equal(waiting, 0);
	assert_true(sled_ledger_asides(ledger, 1, no_aside, NULL, &err));
	assert_true(sled_ledger_placed(ledger, 1, no_place, NULL, &err));
	sled_ledger_close(&ledger);
}

static void
the_last_two_schemas_are_read_and_grow(void **state)
{
	static const char *const back[] = {
		"DROP TABLE aside; DROP TABLE placed; PRAGMA user_version = 6;",
		"DROP TABLE aside; DROP TABLE placed; DROP TABLE delivery;"
		"DROP TABLE undelivered; PRAGMA user_version = 5;",
	};
	static char made[1 << 14], grown[1 << 14];

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct sled_ledger *ledger;

		fx_tmp_empty(&tmp);
		ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
		sled_ledger_close(&ledger);
		look_up(all, made, sizeof(made));
		fx_ledger_sql(&tmp, back[i]);
		assert_reads_none_of_7();
		assert_int_equal(version(), 6 - i);
		ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
		sled_ledger_close(&ledger);
		assert_int_equal(version(), SLED_LEDGER_SCHEMA);
		look_up(all, grown, sizeof(grown));
		assert_string_equal(grown, made);
	}
}

/* Of a child: what fails here must not end in the parent's tests. */
static bool
reads_old(struct sled_ledger *ledger)
{
	struct sled_visit_row visit = { 0 };
	struct sled_peer peer;
	unsigned seen = 0;

	return sled_ledger_visits(ledger, NULL, 0, keep_visit, &visit, &err) &&
	       visit.began == 77 && visit.retrans == 0 &&
	       sled_ledger_peer(ledger, 1, &peer, &err) && peer.port == 0 &&
	       sled_ledger_seen(ledger, 1, count_seen, &seen, &err) &&
	       sled_ledger_rounds(ledger, 0, 0, no_round, NULL, &err) &&
	       seen == 0 && fx_ledger_count(ledger) == 1;
}

/* Tells when it has read once, and reads again when it is told to. */
static int
read_twice(int in, int out)
{
	struct sled_ledger *ledger =
	    fx_ledger_open(&tmp, NULL, SLED_LEDGER_READ);
	char byte = 'r';
	bool ok = reads_old(ledger) && write(out, &byte, 1) == 1 &&
	          read(in, &byte, 1) == 1 && reads_old(ledger);

	sled_ledger_close(&ledger);
	return ok ? 0 : 1;
}

static void
a_reader_that_came_first_goes_on(void **state)
{
	struct sled_ledger *ledger;
	int to[2], from[2], status;
	char byte = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(to) | pipe(from), 0);
	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		(void)(close(to[1]) | close(from[0]));
		_exit(read_twice(to[0], from[1]));
	}
	assert_int_equal(close(to[0]) | close(from[1]), 0);
	assert_int_equal(read(from[0], &byte, 1), 1);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_old_rows(ledger);
	assert_int_equal(write(to[1], "w", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	sled_ledger_close(&ledger);
	assert_int_equal(version(), SLED_LEDGER_SCHEMA);
	assert_int_equal(close(to[1]) | close(from[0]), 0);
}

/* ---- faults ---- */

/* It is old or grown, and either is of use to a reader and to a writer. */
static void
assert_whole(void)
{
	struct sled_ledger *ledger =
	    fx_ledger_open(&tmp, NULL, SLED_LEDGER_READ);

	assert_old_rows(ledger);
	assert_no_caches(ledger);
	sled_ledger_close(&ledger);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_old_rows(ledger);
	assert_no_caches(ledger);
	sled_ledger_close(&ledger);
	assert_int_equal(version(), SLED_LEDGER_SCHEMA);
}

static unsigned
fail_each(enum fx_call call, int errnum, bool forever)
{
	unsigned fired = 0;
	bool more = true;

	for (unsigned n = 1; more; n++) {
		struct sled_ledger *ledger = NULL;
		struct fx_sys fx;
		char path[512];
		bool ok;

		make_old_again();
		fx_sys_init(&fx, tmp.path);
		fx_sys_fail(&fx, call, n, errnum, forever);
		ok = sled_ledger_open(&ledger, &fx.sys,
		                      fx_ledger_path(&tmp, path),
		                      SLED_LEDGER_WRITE, &err);
		assert_true(ok == (ledger != NULL));
		assert_true(ok || err.text[0] != '\0');
		sled_ledger_close(&ledger);
		more = fx_sys_fired(&fx);
		assert_true(ok || more);
		fired += more;
		assert_int_equal(fx_sys_open_fds(&fx), 0);
		fx_sys_done(&fx);
		assert_whole();
	}
	print_message("%u faults\n", fired);
	return fired;
}

static void
it_grows_or_stays_at_any_failed_call(void **state)
{
	(void)state;
	assert_true(fail_each(FX_ANY, EIO, false) > 20);
	assert_true(fail_each(FX_ANY, EIO, true) > 20);
	assert_true(fail_each(FX_PWRITE, ENOSPC, true) > 5);
}

static void
it_grows_or_stays_at_any_kill(void **state)
{
	unsigned kills[2] = { 0, 0 };

	(void)state;
	for (unsigned tear = 0; tear < 2; tear++) {
		int status = 1;

		for (unsigned n = 1; status != 0; n++) {
			pid_t pid;

			make_old_again();
			pid = fork();
			assert_true(pid != -1);
			if (pid == 0) {
				struct sled_ledger *ledger;
				struct fx_sys fx;

				fx_sys_init(&fx, tmp.path);
				if (tear)
					fx_sys_tear(&fx, n);
				else
					fx_sys_kill(&fx, FX_ANY, n);
				ledger = fx_ledger_open(&tmp, &fx.sys,
				                        SLED_LEDGER_WRITE);
				sled_ledger_close(&ledger);
				_exit(0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(status == 0 || WIFSIGNALED(status));
			kills[tear] += status != 0;
			assert_whole();
		}
	}
	print_message("%u kills, %u torn\n", kills[0], kills[1]);
	assert_true(kills[0] > 20 && kills[1] > 5);
}

#define T(f)                                            \
	{ #f " (1)", f, set_up_1, tear_down, NULL },    \
	{                                               \
#		f " (2)", f, set_up_2, tear_down, NULL \
	}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_reader_takes_it_as_it_is),
		T(a_writer_makes_it_grow_and_keeps_every_row),
		T(who_lacks_what_is_known_before_and_after),
		T(a_grown_ledger_has_the_schema_of_a_new_one),
		T(a_growth_that_fails_in_its_midst_leaves_the_old_one),
		cmocka_unit_test_setup_teardown(
		    the_last_two_schemas_are_read_and_grow, set_up_1,
		    tear_down),
		T(a_reader_that_came_first_goes_on),
		T(it_grows_or_stays_at_any_failed_call),
		T(it_grows_or_stays_at_any_kill),
	};

	return cmocka_run_group_tests_name("ledger_grow", tests, NULL, NULL);
}
