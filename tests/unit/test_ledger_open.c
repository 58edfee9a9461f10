/* test_ledger_open.c - who may open what, damage, and other processes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "fx_ledger.h"
#include "fx_sys.h"

static struct fx_tmp tmp;
static char path[512];
static struct sled_err err;

static int
set_up(void **state)
{
	(void)state;
	err = (struct sled_err){ 0 };
	fx_tmp_make(&tmp);
	(void)fx_ledger_path(&tmp, path);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fx_tmp_drop(&tmp);
	return 0;
}

static bool
there(const char *name)
{
	return faccessat(tmp.dir, name, F_OK, 0) == 0;
}

/* Make a ledger of COUNT messages and close it. */
static void
fill(uint64_t count)
{
	struct sled_ledger *ledger =
	    fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);

	assert_true(sled_ledger_begin(ledger, &err));
	for (uint64_t n = 1; n <= count; n++)
		assert_true(fx_ledger_put(ledger, n, &err));
	assert_true(sled_ledger_commit(ledger, &err));
	sled_ledger_close(&ledger);
}

static enum sled_err_kind
open_kind(enum sled_ledger_mode mode)
{
	struct sled_ledger *ledger = NULL;
	bool ok = sled_ledger_open(&ledger, sled_sys_posix(), path, mode, &err);

	assert_true(ok == (ledger != NULL));
	sled_ledger_close(&ledger);
	return ok ? SLED_ERR_NONE : err.kind;
}

static void
none_is_missing_and_none_is_made(void **state)
{
	(void)state;
	assert_int_equal(open_kind(SLED_LEDGER_READ), SLED_ERR_MISSING);
	assert_int_equal(open_kind(SLED_LEDGER_WRITE), SLED_ERR_MISSING);
	assert_false(there("ledger.db"));
	fx_tmp_write(&tmp, "ledger.db", "", 0);
	assert_int_equal(open_kind(SLED_LEDGER_WRITE), SLED_ERR_MISSING);
	assert_int_equal(open_kind(SLED_LEDGER_CREATE), SLED_ERR_NONE);
	assert_int_equal(open_kind(SLED_LEDGER_READ), SLED_ERR_NONE);
	(void)snprintf(path, sizeof(path), "%s/no/ledger.db", tmp.path);
	assert_int_equal(open_kind(SLED_LEDGER_CREATE), SLED_ERR_MISSING);
}

static void
a_clean_close_leaves_one_private_file(void **state)
{
	struct stat st;

	(void)state;
	fill(10);
	assert_false(there("ledger.db-wal"));
	assert_false(there("ledger.db-shm"));
	assert_int_equal(fstatat(tmp.dir, "ledger.db", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void
reading_changes_no_byte(void **state)
{
	static char before[1 << 20], after[1 << 20];
	struct sled_ledger *ledger;
	size_t len, again;

	(void)state;
	fill(20);
	len = fx_tmp_read(&tmp, "ledger.db", before, sizeof(before));
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_READ);
	assert_int_equal(fx_ledger_count(ledger), 20);
	assert_false(there("ledger.db-wal"));
	assert_false(fx_ledger_put(ledger, 21, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	sled_ledger_close(&ledger);
	assert_false(there("ledger.db-wal"));
	again = fx_tmp_read(&tmp, "ledger.db", after, sizeof(after));
	assert_int_equal(len, again);
	assert_memory_equal(before, after, len);
}

static void
a_process_has_one_object_a_file(void **state)
{
	struct sled_ledger *ledger, *second = NULL;

	(void)state;
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
	assert_false(sled_ledger_open(&second, sled_sys_posix(), path,
	                              SLED_LEDGER_READ, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	assert_null(second);
	sled_ledger_close(&ledger);
	assert_int_equal(open_kind(SLED_LEDGER_READ), SLED_ERR_NONE);
}

/* ---- damage ---- */

static void
overwrite(off_t at, const void *data, size_t len)
{
	int fd = openat(tmp.dir, "ledger.db", O_WRONLY | O_CLOEXEC);

	assert_true(fd != -1);
	assert_int_equal(pwrite(fd, data, len, at), len);
	assert_int_equal(close(fd), 0);
}

static void
assert_damaged(enum sled_ledger_mode mode)
{
	assert_int_equal(open_kind(mode), SLED_ERR_DAMAGED);
	assert_non_null(err.hint);
	assert_non_null(strstr(err.hint, "mailsled rebuild"));
}

static void
an_overwritten_header_is_damage(void **state)
{
	(void)state;
	fill(10);
	overwrite(0, "This is a text file, not a ledger", 33);
	assert_damaged(SLED_LEDGER_READ);
	assert_damaged(SLED_LEDGER_WRITE);
	assert_damaged(SLED_LEDGER_CREATE);
}

static void
a_cut_file_is_damage(void **state)
{
	struct stat st;

	(void)state;
	fill(500);
	assert_int_equal(fstatat(tmp.dir, "ledger.db", &st, 0), 0);
	assert_true(st.st_size > 65536);
	assert_int_equal(truncate(path, 65536), 0);
	assert_damaged(SLED_LEDGER_WRITE);
	assert_int_equal(truncate(path, 1000), 0);
	assert_damaged(SLED_LEDGER_CREATE);
}

/* Look at all rows and write one: NONE or the kind of the first failure. */
static enum sled_err_kind
use_all(void)
{
	struct sled_ledger *ledger = NULL;
	struct sled_message_query query = { 0 };
	struct fx_numbers got = { 0 };
	bool ok = sled_ledger_open(&ledger, sled_sys_posix(), path,
	                           SLED_LEDGER_WRITE, &err) &&
	          sled_ledger_messages(ledger, &query, fx_ledger_collect, &got,
	                               &err) &&
	          fx_ledger_put(ledger, 1000, &err);

	sled_ledger_close(&ledger);
	return ok ? SLED_ERR_NONE : err.kind;
}

static void
a_zeroed_page_is_damage_when_it_is_met(void **state)
{
	static const char zeroes[4096];
	static char whole[1 << 20];
	unsigned met = 0, pages;
	size_t len;

	(void)state;
	fill(300);
	len = fx_tmp_read(&tmp, "ledger.db", whole, sizeof(whole));
	pages = (unsigned)(len / sizeof(zeroes));
	assert_true(pages > 30 && len < sizeof(whole));
	for (unsigned page = 0; page < pages; page++) {
		enum sled_err_kind kind;

		overwrite((off_t)page * 4096, zeroes, sizeof(zeroes));
		kind = use_all();
		if (kind == SLED_ERR_NONE)
			assert_true(page > 0);
		else
			assert_int_equal(kind, SLED_ERR_DAMAGED);
		met += kind != SLED_ERR_NONE;
		fx_tmp_empty(&tmp);
		fx_tmp_write(&tmp, "ledger.db", whole, len);
		assert_int_equal(page % 16 == 0 ? use_all() : SLED_ERR_NONE,
		                 SLED_ERR_NONE);
		fx_tmp_empty(&tmp);
		fx_tmp_write(&tmp, "ledger.db", whole, len);
	}
	print_message("%u of %u pages\n", met, pages);
	assert_true(met > pages / 3);
}

static void
execute(const char *sql)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void
a_newer_schema_is_for_a_newer_program(void **state)
{
	(void)state;
	fill(1);
	execute("PRAGMA user_version = 99");
	assert_int_equal(open_kind(SLED_LEDGER_READ), SLED_ERR_CONFIG);
	assert_int_equal(open_kind(SLED_LEDGER_CREATE), SLED_ERR_CONFIG);
	execute("PRAGMA user_version = " SLED_STR(SLED_LEDGER_SCHEMA));
	assert_int_equal(open_kind(SLED_LEDGER_CREATE), SLED_ERR_NONE);
}

static void
another_programs_database_is_left_alone(void **state)
{
	(void)state;
	execute("CREATE TABLE stranger (a); INSERT INTO stranger VALUES (1)");
	assert_damaged(SLED_LEDGER_CREATE);
	execute("SELECT a FROM stranger");
	execute("PRAGMA application_id = 5");
	assert_damaged(SLED_LEDGER_WRITE);
}

static void
a_column_that_we_never_write_is_damage(void **state)
{
	struct sled_ledger *ledger;
	struct fx_numbers got = { 0 };

	(void)state;
	fill(2);
	execute("UPDATE message SET sha256 = x'00' WHERE number = 1");
	execute("UPDATE message SET label = hex(zeroblob(40))"
	        " WHERE number = 2");
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_READ);
	assert_false(
	    sled_ledger_by_id(ledger, 1, fx_ledger_collect, &got, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	assert_false(
	    sled_ledger_by_id(ledger, 2, fx_ledger_collect, &got, &err));
	assert_int_equal(err.kind, SLED_ERR_DAMAGED);
	sled_ledger_close(&ledger);
}

/* ---- another process, told what to do a byte at a time ---- */

struct other {
	pid_t pid;
	int to, from;
};

static void
serve(int in, int out)
{
	struct sled_ledger *ledger = NULL;
	char what;

	while (read(in, &what, 1) == 1) {
		uint64_t answer = 0;

		if (what == 'o' || what == 'w')
			ledger = fx_ledger_open(
			    &tmp, NULL,
			    what == 'o' ? SLED_LEDGER_READ : SLED_LEDGER_WRITE);
		else if (what == 'n')
			answer = fx_ledger_count(ledger);
		else if (what == 'b')
			answer = sled_ledger_begin(ledger, &err);
		else if (what == 'c')
			sled_ledger_close(&ledger);
		if (write(out, &answer, sizeof(answer)) != sizeof(answer))
			_exit(1);
	}
	_exit(0);
}

static void
start(struct other *other)
{
	int to[2], from[2];

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	other->pid = fork();
	assert_true(other->pid != -1);
	if (other->pid == 0) {
		(void)close(to[1]);
		(void)close(from[0]);
		serve(to[0], from[1]);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	other->to = to[1];
	other->from = from[0];
}

static uint64_t
ask(struct other *other, char what)
{
	uint64_t answer = UINT64_MAX;

	assert_int_equal(write(other->to, &what, 1), 1);
	assert_int_equal(read(other->from, &answer, sizeof(answer)),
	                 sizeof(answer));
	return answer;
}

static void
stop(struct other *other)
{
	int status;

	(void)close(other->to);
	(void)close(other->from);
	assert_int_equal(waitpid(other->pid, &status, 0), other->pid);
	assert_int_equal(status, 0);
}

static void
a_reader_sees_commits_and_never_waits(void **state)
{
	struct sled_ledger *ledger;
	struct other other;

	(void)state;
	start(&other);
	fill(3);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_true(sled_ledger_begin(ledger, &err));
	assert_true(fx_ledger_put(ledger, 4, &err));
	assert_true(fx_ledger_put(ledger, 5, &err));
	(void)ask(&other, 'o');
	assert_int_equal(ask(&other, 'n'), 3);
	assert_true(sled_ledger_commit(ledger, &err));
	assert_int_equal(ask(&other, 'n'), 5);
	sled_ledger_close(&ledger);
	assert_int_equal(ask(&other, 'n'), 5);
	(void)ask(&other, 'c');
	stop(&other);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_int_equal(fx_ledger_count(ledger), 5);
	sled_ledger_close(&ledger);
}

static void
a_reader_that_came_first_sees_later_writers(void **state)
{
	struct sled_ledger *ledger;
	struct other other;

	(void)state;
	start(&other);
	fill(3);
	(void)ask(&other, 'o');
	assert_int_equal(ask(&other, 'n'), 3);
	assert_false(there("ledger.db-wal"));
	for (uint64_t n = 4; n < 7; n++) {
		ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
		assert_true(fx_ledger_put(ledger, n, &err));
		assert_int_equal(ask(&other, 'n'), n);
		sled_ledger_close(&ledger);
		assert_int_equal(ask(&other, 'n'), n);
	}
	(void)ask(&other, 'c');
	stop(&other);
}

/* Five seconds is what a second writer waits; it is not shortened here so that
 * the promise is the program's own. */
static void
a_second_writer_is_told_that_it_is_locked(void **state)
{
	struct sled_ledger *ledger;
	struct other other;

	(void)state;
	start(&other);
	fill(1);
	(void)ask(&other, 'w');
	assert_int_equal(ask(&other, 'b'), 1);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_int_equal(fx_ledger_count(ledger), 1);
	assert_false(fx_ledger_put(ledger, 2, &err));
	assert_int_equal(err.kind, SLED_ERR_LINK);
	(void)ask(&other, 'c');
	assert_true(fx_ledger_put(ledger, 2, &err));
	sled_ledger_close(&ledger);
	stop(&other);
}

/* Two rows are in the -wal and nowhere else: one was told, one was not. */
static void
leave_a_wal(void)
{
	struct sled_ledger *ledger;
	struct fx_sys fx;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		fx_sys_init(&fx, tmp.path);
		ledger = fx_ledger_open(&tmp, &fx.sys, SLED_LEDGER_CREATE);
		(void)!fx_ledger_put(ledger, 1, &err);
		fx_sys_kill(&fx, FX_FDATASYNC, 1);
		(void)!fx_ledger_put(ledger, 2, &err);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void
what_a_killed_process_wrote_is_synced_before_it_is_believed(void **state)
{
	struct sled_ledger *ledger;
	struct fx_sys fx;

	(void)state;
	leave_a_wal();
	fx_sys_init(&fx, tmp.path);
	fx_sys_log_on(&fx);
	ledger = fx_ledger_open(&tmp, &fx.sys, SLED_LEDGER_WRITE);
	assert_int_equal(fx_ledger_count(ledger), 2);
	assert_true(fx_sys_before(&fx, "< fdatasync ledger.db-wal",
	                          "> pread ledger.db-wal"));
	assert_true(fx_sys_before(&fx, "< fsync .", "> pread ledger.db-wal"));
	sled_ledger_close(&ledger);
	assert_int_equal(fx_sys_open_fds(&fx), 0);
	fx_sys_done(&fx);
}

static void
a_wal_whose_name_was_not_synced_is_made_anew(void **state)
{
	char path[512];
	struct sled_ledger *ledger = NULL;
	struct fx_sys fx;

	(void)state;
	fill(2);
	fx_sys_init(&fx, tmp.path);
	fx_sys_fail(&fx, FX_FSYNC, 2, EIO, false); /* the database's is first */
	assert_false(sled_ledger_open(&ledger, &fx.sys,
	                              fx_ledger_path(&tmp, path),
	                              SLED_LEDGER_WRITE, &err));
	assert_true(fx_sys_fired(&fx));
	assert_true(there("ledger.db"));
	assert_false(there("ledger.db-wal"));
	err = (struct sled_err){ 0 };
	fx_sys_calm(&fx);
	ledger = fx_ledger_open(&tmp, &fx.sys, SLED_LEDGER_WRITE);
	assert_int_equal(fx_ledger_count(ledger), 2);
	sled_ledger_close(&ledger);
	fx_sys_done(&fx);
}

static void
a_failed_sync_takes_no_wal_that_was_there(void **state)
{
	static const enum fx_call calls[] = { FX_FSYNC, FX_FSYNC,
		                              FX_FDATASYNC };
	struct sled_ledger *ledger = NULL;
	char path[512];

	(void)state;
	leave_a_wal();
	for (unsigned i = 0; i < 3; i++) {
		struct fx_sys fx;

		fx_sys_init(&fx, tmp.path);
		fx_sys_fail(&fx, calls[i], i == 1 ? 2 : 1, EIO, false);
		assert_false(sled_ledger_open(&ledger, &fx.sys,
		                              fx_ledger_path(&tmp, path),
		                              SLED_LEDGER_WRITE, &err));
		assert_true(fx_sys_fired(&fx));
		fx_sys_done(&fx);
	}
	err = (struct sled_err){ 0 };
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
	assert_int_equal(fx_ledger_count(ledger), 2);
	sled_ledger_close(&ledger);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(none_is_missing_and_none_is_made),
		T(a_clean_close_leaves_one_private_file),
		T(reading_changes_no_byte),
		T(a_process_has_one_object_a_file),
		T(an_overwritten_header_is_damage),
		T(a_cut_file_is_damage),
		T(a_zeroed_page_is_damage_when_it_is_met),
		T(a_newer_schema_is_for_a_newer_program),
		T(another_programs_database_is_left_alone),
		T(a_column_that_we_never_write_is_damage),
		T(a_reader_sees_commits_and_never_waits),
		T(a_reader_that_came_first_sees_later_writers),
		T(a_second_writer_is_told_that_it_is_locked),
		T(what_a_killed_process_wrote_is_synced_before_it_is_believed),
		T(a_wal_whose_name_was_not_synced_is_made_anew),
		T(a_failed_sync_takes_no_wal_that_was_there),
	};

	return cmocka_run_group_tests_name("ledger_open", tests, NULL, NULL);
}
