/* test_store_recover.c - what the next start makes of what it finds: ledger,
 * the first place's volumes [R2], spools [R1]. */
#include <errno.h>
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

#define VOLUME "home/2026-11-001.open.tar.gz"

static const struct fx_mail mails[] = {
	{ "u1", 100, 1 }, { "u2", 3000, 2 }, { "u3", 0, 3 },
	{ "u4", 50, 4 },  { "u5", 60, 5 },   { "u6", 70, 6 },
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

/* In the open store. */
static struct fx_visit
visit(struct fx_store *w, size_t from, size_t len, bool deleting)
{
	struct fx_visit v;

	if (!fx_visit_run(&v, w, mails + from, len, 1000, deleting))
		fail_msg("%s", v.err.text);
	return v;
}

/* One member each: mails 0 and 1, then 2, then 3; all deleted. */
static void
three_members(struct fx_store *w)
{
	fx_store_open(w);
	(void)visit(w, 0, 2, true);
	(void)visit(w, 2, 1, true);
	(void)visit(w, 3, 1, true);
	fx_store_close(w);
}

/* Everything of the rows that archives and journal can tell. */
struct dump {
	struct fx_store *w;
	struct sled_buf text;
};

static bool
dump_message(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct dump *dump = ctx;
	char hex[SLED_HASH_HEX], head[SLED_HASH_HEX];

	sled_hash_hex(hex, &row->sha256);
	sled_hash_hex(head, &row->head_sha256);
	return sled_buf_printf(
	    &dump->text, err,
	    "%s %llu %s %s %llu %llu %s %llu %lld %s %s %lld %.*s|%.*s|%.*s\n",
	    row->label, (unsigned long long)row->number, row->uid, hex,
	    (unsigned long long)row->octets, (unsigned long long)row->listed,
	    head, (unsigned long long)row->head_octets,
	    (long long)row->received, row->record, row->entry,
	    (long long)row->gone, (int)row->from.len, row->from.data,
	    (int)row->subject.len, row->subject.data, (int)row->date.len,
	    row->date.data);
}

static bool
dump_member(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	struct dump *dump = ctx;
	char hex[SLED_HASH_HEX];

	sled_hash_hex(hex, &row->body_sha256);
	return sled_buf_printf(&dump->text, err, "  %llu+%llu %llu %s\n",
	                       (unsigned long long)row->at,
	                       (unsigned long long)row->length,
	                       (unsigned long long)row->tar_octets, hex);
}

static bool
dump_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct dump *dump = ctx;
	char hex[SLED_HASH_HEX];

	sled_hash_hex(hex, &row->sha256);
	return sled_buf_printf(&dump->text, err, "%s/%s %llu %u %d %s\n",
	                       row->label, row->name,
	                       (unsigned long long)row->end, row->receipts,
	                       row->turned, hex) &&
	       sled_ledger_members(sled_store_ledger(dump->w->store), row->id,
	                           0, dump_member, dump, err);
}

static bool
dump_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *err)
{
	struct dump *dump = ctx;

	return sled_buf_printf(
	    &dump->text, err, "visit %s %lld %llu %llu %llu '%s'\n", row->label,
	    (long long)row->began, (unsigned long long)row->listed,
	    (unsigned long long)row->fetched, (unsigned long long)row->deleted,
	    row->error);
}

static struct sled_buf
dump(struct fx_store *w)
{
	const struct sled_message_query all = { 0 };
	struct sled_ledger *ledger = sled_store_ledger(w->store);
	struct dump dump = { w, { 0 } };

	assert_true(
	    sled_ledger_messages(ledger, &all, dump_message, &dump, &w->err));
	assert_true(
	    sled_ledger_volumes(ledger, NULL, dump_volume, &dump, &w->err));
	assert_true(
	    sled_ledger_visits(ledger, NULL, 0, dump_visit, &dump, &w->err));
	return dump.text;
}

/* Break it as COMMAND does; the next start has the same rows as before. */
static void
assert_rows_survive(struct fx_store *w, const char *command)
{
	struct sled_buf was, is;

	fx_store_close(w);
	fx_store_open(w);
	was = dump(w);
	fx_store_close(w);
	fx_store_sh(w, "%s", command);
	fx_store_open(w);
	is = dump(w);
	assert_string_equal(is.data, was.data);
	fx_store_close(w);
	/* And once more, when nothing happened. */
	sled_buf_free(&is);
	fx_store_open(w);
	is = dump(w);
	assert_string_equal(is.data, was.data);
	sled_buf_free(&is);
	sled_buf_free(&was);
	assert_store_verifies(w);
	fx_store_sh(w, "cmp store/" VOLUME " copy1/" VOLUME);
}

static void
test_a_lost_ledger_is_rebuilt_row_by_row(void **state)
{
	struct fx_store *w = *state;

	w->conf.rotate_bytes = 4000;
	three_members(w);
	assert_rows_survive(w, "rm store/.mailsled/ledger.db*");
	assert_store_has(w, mails, 4);
	/* What is gone stays gone; the rest is known without a fetch. */
	struct fx_visit v = visit(w, 4, 1, false);
	assert_int_equal(v.fetched, 1);
	v = visit(w, 4, 1, true);
	assert_int_equal(v.fetched, 0);
	assert_int_equal(v.deleted, 1);
}

static void
test_a_rebuild_asked_for_is_the_same(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_true(fx_store_try(w, SLED_STORE_REBUILD));
	assert_store_has(w, mails, 4);
	assert_store_verifies(w);
	fx_store_sh(w, "ls store/.mailsled/quarantine | grep -q ledger.db");
}

static void
test_a_damaged_ledger_is_set_aside_and_rebuilt(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w, "printf 'no database at all' | dd of=store/"
	                       ".mailsled/ledger.db conv=notrunc 2> /dev/null");
	fx_store_sh(w, "ls store/.mailsled/quarantine | grep -q ledger.db");
}

static void
test_a_rebuild_that_is_killed_goes_on(void **state)
{
	struct fx_store *w = *state;
	struct sled_buf was, is;
	unsigned faults = 0;

	three_members(w);
	fx_store_open(w);
	was = dump(w);
	fx_store_close(w);
	for (unsigned n = 1;; n += 7) {
		bool fired;

		fx_store_sh(w, "rm -f store/.mailsled/ledger.db*");
		fx_sys_fail(&w->fx, FX_ANY, n, EIO, true);
		(void)!fx_store_try(w, SLED_STORE_WRITE);
		fired = fx_sys_fired(&w->fx);
		fx_store_close(w);
		fx_sys_calm(&w->fx);
		fx_store_open(w);
		is = dump(w);
		assert_string_equal(is.data, was.data);
		sled_buf_free(&is);
		fx_store_close(w);
		if (!fired)
			break;
		faults++;
	}
	assert_true(faults > 20);
	sled_buf_free(&was);
}

static void
test_whole_members_behind_the_committed_end_are_adopted(void **state)
{
	struct fx_store *w = *state;
	const char *log;

	fx_store_open(w);
	(void)visit(w, 0, 2, true);
	fx_store_close(w);
	fx_store_sh(w, "cp -a store/.mailsled/ledger.db old && "
	               "test ! -s store/.mailsled/ledger.db-wal");
	fx_store_open(w);
	(void)visit(w, 2, 1, false);
	fx_store_close(w);
	/* The commit's c6 never came. */
	fx_store_sh(w, "cp old store/.mailsled/ledger.db");
	fx_sys_log_on(&w->fx);
	fx_store_open(w);
	log = strstr(fx_sys_log(&w->fx), "< fdatasync store/" VOLUME " = 0");
	assert_non_null(log);
	log = strstr(log, "< drop_pages store/" VOLUME " = 0");
	assert_non_null(log);
	log = strstr(log, "> pread store/" VOLUME);
	assert_non_null(log);
	assert_non_null(
	    strstr(log, "< fdatasync store/.mailsled/ledger.db-wal"));
	assert_store_has(w, mails, 3);
	assert_int_equal(visit(w, 2, 1, false).fetched, 0);
	assert_int_equal(visit(w, 2, 1, true).deleted, 1);
}

/* The copy has bytes that are not yet known to be on its disk. */
static void
test_a_copy_is_synced_before_it_is_believed(void **state)
{
	struct fx_store *w = *state;
	const char *log;

	three_members(w);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_sys_log_on(&w->fx);
	fx_store_open(w);
	log = strstr(fx_sys_log(&w->fx), "> fdatasync copy1/" VOLUME);
	assert_non_null(log);
	assert_non_null(strstr(log, "< fsync copy1/home = 0"));
	assert_non_null(strstr(log, "< drop_pages copy1/" VOLUME));
}

/* A run that was killed behind its rename left a name that no sync holds. */
static void
test_names_are_on_the_disk_before_what_they_name_is_believed(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_sys_log_on(&w->fx);
	fx_store_open(w);
	assert_true(fx_sys_before(&w->fx, "< fsync store/home = 0",
	                          "> fstatat store/" VOLUME));
	assert_true(fx_sys_before(&w->fx, "< fsync copy1/home = 0",
	                          "> fstatat copy1/" VOLUME));
	assert_non_null(
	    strstr(fx_sys_log(&w->fx), "< fsync store/journal = 0"));
	assert_non_null(
	    strstr(fx_sys_log(&w->fx), "< fsync copy1/journal = 0"));
}

static void
test_garbage_behind_the_committed_end_is_kept_aside_and_cut(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w, "echo garbage >> store/" VOLUME);
	fx_store_sh(w, "grep -rqx garbage store/.mailsled/quarantine");
	fx_store_sh(w, "test $(ls store/.mailsled/quarantine | wc -l) = 1");
}

static void
test_a_member_cut_off_behind_the_end_is_kept_aside_and_cut(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w, "head -c 300 store/" VOLUME " >> store/" VOLUME);
	assert_rows_survive(w, "printf garbage >> store/" VOLUME
	                       " && rm store/.mailsled/ledger.db*");
}

/* Members of 1, 1, 2 and 1 mails: "at" has where each begins. */
static void
four_members(struct fx_store *w)
{
	fx_store_open(w);
	(void)visit(w, 0, 1, true);
	(void)visit(w, 1, 1, true);
	(void)visit(w, 2, 2, true);
	(void)visit(w, 4, 1, true);
	fx_store_close(w);
	fx_store_sh(w,
	            "LC_ALL=C grep -obUaP '\\x1f\\x8b\\x08\\x04' store/" VOLUME
	            " | cut -d: -f1 > at && test $(wc -l < at) = 4");
}

/* Another byte in the body of member N of PLACE's volume. */
static void
damage(struct fx_store *w, const char *place, unsigned n)
{
	fx_store_sh(w,
	            "printf '\\377\\377\\377' | dd of=%s/" VOLUME
	            " bs=1 conv=notrunc seek=$(($(sed -n %up at) + 60)) "
	            "2> log",
	            place, n);
}

static void
test_a_rebuild_takes_each_member_from_where_it_holds(void **state)
{
	struct fx_store *w = *state;

	four_members(w);
	fx_store_sh(w, "cp store/" VOLUME " whole");
	damage(w, "store", 2);
	damage(w, "copy1", 3);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, mails, 5);
	fx_store_sh(w, "cmp whole store/" VOLUME " && cmp whole copy1/" VOLUME);
	assert_store_verifies(w);
}

static void
test_a_rebuild_keeps_what_lies_behind_damage(void **state)
{
	struct fx_store *w = *state;
	static const bool in[] = { true, false, true, true, true };
	const struct fx_mail left[] = { mails[0], mails[2], mails[3],
		                        mails[4] };

	four_members(w);
	damage(w, "store", 2);
	damage(w, "copy1", 2);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, left, 4);
	assert_true(fx_store_has_said(w, "hold in no place"));
	assert_store_verifies(w);
	assert_place_has(w->path, mails, 5, in);
	assert_place_has(w->copy[0], mails, 5, in);
	assert_place_untars(w, w->path, left, 4);
	fx_store_sh(w, "test -n \"$(ls store/.mailsled/quarantine)\"");
	(void)visit(w, 5, 1, true);
	fx_store_close(w);
	fx_store_open(w);
	assert_store_verifies(w);
}

/* Zeros where member N of each place's volume begins. */
static void
behead(struct fx_store *w, unsigned n)
{
	static const char *const places[] = { "store", "copy1" };

	for (size_t i = 0; i < 2; i++)
		fx_store_sh(w,
		            "dd if=/dev/zero of=%s/" VOLUME " bs=1 count=30 "
		            "conv=notrunc seek=$(sed -n %up at) 2> log",
		            places[i], n);
}

/* Nothing leads on from such a member: what follows is looked for. */
static void
test_a_rebuild_goes_on_behind_a_lost_header(void **state)
{
	struct fx_store *w = *state;
	const struct fx_mail left[] = { mails[0], mails[2], mails[3],
		                        mails[4] };

	four_members(w);
	behead(w, 2);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, left, 4);
	assert_true(fx_store_has_said(w, "hold in no place"));
	assert_true(sled_store_lost(w->store) > 0);
	assert_store_verifies(w);
	assert_place_untars(w, w->copy[0], left, 4);
}

/* It has the VOLUME.txt; whose the mail behind it is must not depend on it. */
static void
test_a_rebuild_needs_no_first_member(void **state)
{
	struct fx_store *w = *state;

	four_members(w);
	behead(w, 1);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, mails + 1, 4);
	assert_true(sled_store_lost(w->store) > 0);
	assert_store_verifies(w);
	assert_place_untars(w, w->copy[0], mails + 1, 4);
	(void)visit(w, 5, 1, true);
	fx_store_close(w);
	fx_store_open(w);
	assert_store_verifies(w);
}

/* Nothing of the volume is there yet, not even its account's folder. */
static void
test_a_rebuild_into_an_empty_place_needs_no_first_member(void **state)
{
	struct fx_store *w = *state;

	four_members(w);
	fx_store_damage(w, "copy1/" VOLUME, 3);
	fx_store_sh(w, "rm -r store");
	fx_store_open(w);
	assert_store_has(w, mails + 1, 4);
	assert_true(sled_store_lost(w->store) > 0);
	assert_store_verifies(w);
	(void)visit(w, 5, 1, true);
	fx_store_close(w);
	fx_store_open(w);
	assert_store_verifies(w);
}

/* No header leads on from it, and nothing follows. */
static void
test_a_rebuild_tells_of_a_lone_member_without_its_header(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	(void)visit(w, 0, 2, true);
	fx_store_close(w);
	fx_store_damage(w, "store/" VOLUME, 3);
	fx_store_damage(w, "copy1/" VOLUME, 3);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, mails, 0);
	assert_true(sled_store_lost(w->store) > 0);
	assert_true(fx_store_has_said(w, "hold in no place"));
}

/* Their rows go, so this is the last that can tell which they were. */
static void
test_what_is_cut_off_everywhere_is_named(void **state)
{
	struct fx_store *w = *state;

	four_members(w);
	fx_store_sh(w,
	            "for p in store copy1; do truncate -s $(($(sed -n 4p at) "
	            "+ 60)) $p/" VOLUME "; done");
	fx_store_open(w);
	assert_store_has(w, mails, 4);
	assert_true(sled_store_lost(w->store) > 0);
	assert_true(fx_store_has_said(w, "lost: home/5, unique-id u5, from "));
	assert_false(fx_store_has_said(w, "lost: home/4"));
	assert_store_verifies(w);
}

/* What was archived and is no more is never passed over in silence. */
static void
test_a_rebuild_tells_of_what_holds_nowhere(void **state)
{
	struct fx_store *w = *state;

	four_members(w);
	damage(w, "store", 4);
	damage(w, "copy1", 4);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, mails, 4);
	assert_true(sled_store_lost(w->store) > 0);
	assert_true(fx_store_has_said(w, "hold in no place"));
	fx_store_close(w);
	fx_store_open(w);
	assert_int_equal(sled_store_lost(w->store), 0);
}

/* The last member but tar's end does not hold, and no other place has it: what
 * lies before it is a volume all the same. */
static void
test_a_rebuild_takes_what_a_broken_sealed_file_has(void **state)
{
	struct fx_store *w = *state;
	uint64_t sealed = 0;

	four_members(w);
	fx_store_open(w);
	assert_true(sled_store_seal(w->store, NULL, true, &sealed, &w->err));
	fx_store_close(w);
	fx_store_sh(w, "rm store/.mailsled/ledger.db* copy1/home/* && "
	               "chmod u+w store/home/*.gz && "
	               "mv store/home/2026-11-001.tar.gz store/" VOLUME);
	damage(w, "store", 4);
	fx_store_sh(w, "mv store/" VOLUME " store/home/2026-11-001.tar.gz");
	fx_store_open(w);
	assert_store_has(w, mails, 4);
	assert_true(sled_store_lost(w->store) > 0);
	assert_store_verifies(w);
	assert_place_untars(w, w->path, mails, 4);
	fx_store_sh(w, "test -n \"$(ls store/.mailsled/quarantine)\"");
	(void)visit(w, 5, 1, true);
	fx_store_close(w);
	fx_store_open(w);
	assert_store_verifies(w);
}

/* The rename that ends a remaking was cut off, or it never came so far. */
static void
test_a_remaking_that_was_cut_off_goes_on(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w, "rm -r copy1/home && mv store/" VOLUME
	                       " store/home/2026-11-001.open.tar.gz.remade");
	/* What no other place has is not given for it. */
	assert_rows_survive(w,
	                    "rm -r copy1/home && "
	                    "echo x > store/home/2026-11-001.open.tar.gz"
	                    ".remade");
	fx_store_sh(w, "test ! -e store/home/2026-11-001.open.tar.gz.remade");
}

static void
test_a_volume_that_is_all_garbage_goes_aside(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w, "echo x > store/home/2026-11-002.open.tar.gz");
	assert_rows_survive(w, ": > store/home/2026-11-002.open.tar.gz");
	fx_store_sh(w, "test \"$(ls store/home)\" = 2026-11-001.open.tar.gz");
}

static void
test_a_sealed_file_of_garbage_goes_aside(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w, "echo x > store/home/2026-11-002.tar.gz");
	assert_rows_survive(w, "echo y > copy1/home/2026-10-001.tar.gz && "
	                       "rm store/.mailsled/ledger.db*");
	/* And one that is another account's. */
	assert_rows_survive(w, "mkdir store/work && cp store/" VOLUME
	                       " store/work/2026-11-001.tar.gz");
	fx_store_sh(w, "test \"$(ls store/home)\" = 2026-11-001.open.tar.gz && "
	               "test -z \"$(ls store/work)\" && "
	               "grep -rqx x store/.mailsled/quarantine && "
	               "grep -rqx y copy1/.mailsled/quarantine");
}

/* As `cat` leaves it by mistake, or a file system that writes twice. */
static void
test_members_that_were_there_before_are_adopted_once(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w,
	                    "cp store/" VOLUME " x && cat x >> store/" VOLUME);
	assert_rows_survive(w, "cat x >> store/" VOLUME
	                       " && rm store/.mailsled/ledger.db*");
	assert_rows_survive(w, "cat x >> store/" VOLUME
	                       " && cat x >> copy1/" VOLUME
	                       " && rm store/.mailsled/ledger.db*");
	assert_int_equal(sled_store_lost(w->store), 0);
	assert_place_has(w->path, mails, 4, NULL);
}

/* Of another way it is, and none of its mail is anywhere else. */
static void
test_members_that_do_not_follow_give_their_mail(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_store_sh(w, "mkdir one && mv store copy1 one/");
	fx_store_open(w);
	(void)visit(w, 4, 2, true);
	fx_store_close(w);
	fx_store_sh(w, "mv store two && rm -r copy1 && mv one/* . && "
	               "cat two/" VOLUME " >> store/" VOLUME);
	fx_store_open(w);
	assert_store_has(w, mails, 6);
	assert_store_verifies(w);
	assert_place_untars(w, w->path, mails, 6);
}

static void
on_volume(void *ctx, const struct sled_repaired *volume)
{
	(void)ctx;
	assert_int_not_equal(volume->outcome, SLED_REPAIR_FAILED);
}

static void
repair(struct fx_store *w)
{
	const struct sled_repair_conf conf = { NULL, 0, false };
	const struct sled_repair_reader reader = { NULL, on_volume, NULL,
		                                   NULL };
	struct sled_repair_report report;

	if (!fx_store_try(w, SLED_STORE_REPAIR) ||
	    !sled_store_repair(w->store, &conf, &reader, &report, &w->err))
		fail_msg("%s", w->err.text);
	fx_store_close(w);
}

/* And damage before them: the last one cannot tell which members follow. */
static void
test_members_behind_a_damaged_last_one_are_adopted_once(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_store_sh(w, "mkdir away && mv copy1 away/ && cp store/" VOLUME
	               " x && cat x >> store/" VOLUME);
	fx_store_damage(w, "store/" VOLUME,
	                (unsigned)fx_store_size(w, "x") - 100);
	fx_store_open(w);
	fx_store_close(w);
	fx_store_sh(w, "rm -rf copy1 && mv away/copy1 . && "
	               "test $(wc -c <store/" VOLUME ") = $(wc -c <x)");
	repair(w);
	fx_store_open(w);
	assert_store_has(w, mails, 4);
	assert_store_verifies(w);
	assert_place_untars(w, w->path, mails, 4);
}

/* A disk was first place, then a copy of another one that went its own way, which
 * took over what only this one had; and it is first again, with its ledger. */
static void
go_two_ways(struct fx_store *w, size_t more)
{
	uint64_t n = 0;

	fx_store_open(w);
	(void)visit(w, 0, 1, true);
	fx_store_close(w);
	fx_store_sh(w, "mkdir one two && mv copy1 two/store");
	fx_store_open(w);
	(void)visit(w, 1, 2, true);
	fx_store_close(w);
	fx_store_sh(w, "mv store one/ && rm -rf copy1 && mv two/store .");
	w->now += 60;
	fx_store_open(w);
	(void)visit(w, 3, 1, true);
	if (!sled_store_seal(w->store, NULL, true, &n, &w->err))
		fail_msg("%s", w->err.text);
	fx_store_close(w);
	fx_store_sh(w, "rm -rf copy1 && mv one/store copy1");
	fx_store_open(w);
	assert_store_has(w, mails, 4);
	for (size_t i = 4; i < 4 + more; i++)
		(void)visit(w, i, 1, true);
	fx_store_close(w);
	fx_store_sh(w, "mv store two/ && mv copy1 store && mv two/store copy1");
}

static void
assert_each_is_there_once(struct fx_store *w, size_t len)
{
	fx_store_open(w);
	assert_store_has(w, mails, len);
	fx_store_close(w);
	/* The sealed copy is for this alone. */
	repair(w);
	fx_store_open(w);
	assert_string_equal(w->said.len > 0 ? w->said.data : "", "");
	assert_store_has(w, mails, len);
	assert_store_verifies(w);
	assert_place_has(w->path, mails, len, NULL);
	assert_place_has(w->copy[0], mails, len, NULL);
	assert_place_untars(w, w->path, mails, len);
}

static void
test_a_ledger_of_another_way_brings_no_mail_twice(void **state)
{
	struct fx_store *w = *state;

	w->conf.min_copies = 1;
	go_two_ways(w, 0);
	assert_each_is_there_once(w, 4);
}

/* Members behind those are new here, and stay where they are. */
static void
test_what_follows_mail_that_is_here_is_kept(void **state)
{
	struct fx_store *w = *state;

	w->conf.min_copies = 1;
	go_two_ways(w, 2);
	assert_each_is_there_once(w, 6);
}

/* And if its file is gone, the ledger's own mail comes from no other way. */
static void
test_mail_of_another_way_is_taken_where_ours_is_gone(void **state)
{
	struct fx_store *w = *state;

	w->conf.min_copies = 1;
	go_two_ways(w, 2);
	fx_store_sh(w, "rm -r */.mailsled/quarantine");
	assert_each_is_there_once(w, 6);
}

/* It was set aside when the other place was whole. */
static void
test_what_is_left_in_quarantine_alone_is_no_loss(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w,
	                    "mkdir -p copy1/.mailsled/quarantine && "
	                    "mv copy1/" VOLUME " copy1/.mailsled/quarantine/"
	                    "20261123T145031Z-home-0-2026-11-001.open.tar.gz "
	                    "&& rm store/" VOLUME);
	assert_int_equal(sled_store_lost(w->store), 0);
}

/* The volume behind it names it: it was there, and may come back. */
static void
test_a_rebuild_knows_of_a_volume_that_is_away(void **state)
{
	const struct fx_mail left[] = { mails[0], mails[1], mails[3] };
	struct fx_store *w = *state;

	w->conf.rotate_bytes = 1;
	three_members(w);
	fx_store_sh(w, "mkdir away && mv store/home/2026-11-002* away/ && "
	               "rm copy1/home/2026-11-002* store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "home/2026-11-002 is in no place"));
	assert_true(sled_store_lost(w->store) > 0);
	assert_store_has(w, left, 3);
	assert_store_verifies(w);
	fx_store_close(w);
	fx_store_sh(w, "mv away/* copy1/home/");
	fx_store_open(w);
	assert_store_has(w, mails, 4);
	assert_store_verifies(w);
}

static void
test_a_shorter_file_is_filled_from_a_copy(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	assert_rows_survive(w, "truncate -s -1 store/" VOLUME);
	assert_rows_survive(w, "truncate -s 30 store/" VOLUME);
	assert_rows_survive(w, "truncate -s 0 store/" VOLUME);
	assert_rows_survive(w, "rm store/" VOLUME);
	assert_rows_survive(w, "rm -r store/home");
}

/* All of it, behind a first visit, is kept in base/. */
static void
begin_with_state_elsewhere(struct fx_store *w)
{
	w->conf.state = w->state;
	fx_store_open(w);
	(void)visit(w, 0, 1, true);
	fx_store_close(w);
	fx_store_sh(w, "mkdir base && cp -a store copy1 state base/");
}

/* The state folder is elsewhere, with the ledger of a first place that went one
 * way; the disk that lies there now went another. */
static void
test_a_first_place_that_went_another_way_is_not_cut(void **state)
{
	struct fx_store *w = *state;

	begin_with_state_elsewhere(w);
	fx_store_open(w);
	(void)visit(w, 3, 1, true);
	(void)visit(w, 4, 1, true);
	(void)visit(w, 1, 1, true);
	fx_store_close(w);
	fx_store_sh(w, "mv copy1 other && rm -r store state && mv base/* .");
	fx_store_open(w);
	(void)visit(w, 2, 1, true);
	(void)visit(w, 5, 1, true);
	(void)visit(w, 5, 1, true);
	fx_store_close(w);
	fx_store_sh(w, "rm -r store copy1 && mv other store");
	fx_store_open(w);
	assert_int_equal(fx_store_rows(w, &mails[0]), 1);
	assert_int_equal(fx_store_rows(w, &mails[1]), 1);
	assert_int_equal(fx_store_rows(w, &mails[3]), 1);
	assert_int_equal(fx_store_rows(w, &mails[4]), 1);
}

/* What only it has is whole, begins where the ledger's next member does, and ends
 * before that ends. */
static void
test_a_shorter_first_place_of_another_way_is_not_cut(void **state)
{
	struct fx_store *w = *state;

	begin_with_state_elsewhere(w);
	fx_store_open(w);
	(void)visit(w, 1, 1, true);
	fx_store_close(w);
	fx_store_sh(w, "mkdir one && mv store copy1 state one/ && "
	               "mv base/* .");
	fx_store_open(w);
	(void)visit(w, 3, 1, true);
	fx_store_close(w);
	fx_store_sh(w, "rm -r copy1 state && mv one/copy1 one/state .");
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "1 messages that only this file"));
	assert_int_equal(fx_store_rows(w, &mails[0]), 1);
	assert_int_equal(fx_store_rows(w, &mails[1]), 1);
	assert_int_equal(fx_store_rows(w, &mails[3]), 1);
	assert_store_verifies(w);
}

/* No visit needs it, so its rows stay for a repair; but not as if it held. */
static void
test_a_sealed_volume_that_was_cut_is_not_held(void **state)
{
	static const char *const cuts[] = {
		"truncate -s 30 */home/2026-11-001.tar.gz",
		"rm */home/2026-11-001.tar.gz",
	};
	struct fx_store *w = *state;
	struct sled_place_status place;
	uint64_t n = 0;

	three_members(w);
	fx_store_open(w);
	assert_true(sled_store_seal(w->store, NULL, true, &n, &w->err));
	fx_store_close(w);
	fx_store_sh(w, "chmod u+w */home/*.gz");
	for (size_t i = 0; i < 2; i++) {
		fx_store_sh(w, "%s", cuts[i]);
		fx_store_open(w);
		assert_true(fx_store_has_said(w, "mailsled repair"));
		assert_true(sled_store_place(w->store, 0, &place, &w->err));
		assert_true(place.lacks > 0);
		assert_false(sled_store_sync(w->store, NULL, &n, &w->err));
		fx_store_close(w);
		w->err = (struct sled_err){ 0 };
	}
	fx_store_open(w);
	assert_false(sled_store_seal(w->store, NULL, true, &n, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	w->err = (struct sled_err){ 0 };
}

static void
test_what_is_nowhere_is_dropped_and_said(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_store_sh(w, "truncate -s -1 store/" VOLUME
	               " && truncate -s -1 copy1/" VOLUME);
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "lost in every place"));
	assert_store_has(w, mails, 3);
	assert_store_verifies(w);
	fx_store_close(w);
	fx_store_open(w);
	assert_string_equal(w->said.len > 0 ? w->said.data : "", "");
	/* Its number is not given again. */
	assert_int_equal(visit(w, 4, 1, true).deleted, 1);
	fx_store_sh(w, "tar tzf store/" VOLUME " | grep -q Z-00000005-");
	fx_store_sh(w, "tar tzf store/" VOLUME " | grep -c Z-00000004- | "
	               "grep -qx 0");
}

/* Sealed, lost whole, followed: 001 is sealed, and 003 names 002. */
static void
test_a_volume_lost_whole_is_no_fault_of_the_next(void **state)
{
	struct fx_store *w = *state;
	uint64_t n = 0;

	three_members(w);
	fx_store_open(w);
	assert_true(sled_store_seal(w->store, NULL, true, &n, &w->err));
	(void)visit(w, 4, 1, true);
	fx_store_close(w);
	fx_store_sh(w, "rm */home/2026-11-002.open.tar.gz");
	fx_store_open(w);
	(void)visit(w, 5, 1, true);
	assert_store_verifies(w);
	fx_store_sh(w, "ls store/home | grep -q 2026-11-003");
}

static void
test_a_volume_lost_whole_leaves_its_name_used(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_store_sh(w, "cp -a copy1 away && rm store/" VOLUME " copy1/" VOLUME);
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "lost in every place"));
	assert_store_has(w, mails, 0);
	assert_int_equal(visit(w, 4, 1, true).deleted, 1);
	assert_store_verifies(w);
	fx_store_sh(w, "ls store/home | grep -qx 2026-11-002.open.tar.gz");
	fx_store_close(w);
	/* It comes back after all. */
	fx_store_sh(w, "cp away/" VOLUME " copy1/" VOLUME);
	fx_store_open(w);
	assert_store_has(w, mails, 5);
	assert_store_verifies(w);
	assert_place_untars(w, w->path, mails, 5);
}

static void
test_a_lost_ledger_takes_what_only_a_copy_has(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_store_sh(w,
	            "cp store/" VOLUME " whole && truncate -s -1 store/" VOLUME
	            " && rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, mails, 4);
	fx_store_sh(w, "cmp whole store/" VOLUME " && cmp whole copy1/" VOLUME);
	assert_store_verifies(w);
}

static void
test_numbers_are_not_given_again_after_a_rebuild(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	(void)visit(w, 4, 2, true);
	fx_store_sh(w, "tar tzf store/" VOLUME " | grep -q Z-00000006- && "
	               "tar tzf store/" VOLUME
	               " | grep eml | sort | uniq -d | grep -c . | "
	               "grep -qx 0");
}

static void
test_a_rebuild_knows_what_receipts_have_told(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	(void)visit(w, 4, 1, true);
	fx_store_sh(w, "tar xzOf store/" VOLUME
	               " mailsled/home/2026-11-001/receipts-000004.tsv | "
	               "grep -c gone$ | grep -qx 1");
}

/* ---- spools ---- */

/* Messages that came and were never committed. */
static void
leave_a_spool(struct fx_store *w, size_t from, size_t len)
{
	struct fx_visit v;

	fx_store_open(w);
	assert_true(fx_visit_begin(&v, w, mails + from, len));
	for (size_t i = 0; i < len; i++)
		assert_true(fx_visit_fetch_one(&v, i));
	assert_true(fx_visit_end(&v, false));
	fx_store_close(w);
}

static void
test_a_spool_left_by_a_killed_run_is_archived_once(void **state)
{
	struct fx_store *w = *state;

	leave_a_spool(w, 0, 3);
	fx_store_sh(w, "test $(ls store/.mailsled/spool | wc -l) = 1 && "
	               "cp store/.mailsled/spool/* .");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
	fx_store_sh(w, "test -z \"$(ls store/.mailsled/spool)\"");
	assert_int_equal(visit(w, 0, 3, false).fetched, 0);
	fx_store_close(w);
	/* Its unlink was lost: the receipts know every record. */
	fx_store_sh(w, "cp *.spool store/.mailsled/spool/");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
	assert_place_has(w->path, mails, 3, NULL);
	fx_store_sh(w, "test -z \"$(ls store/.mailsled/spool)\"");
	fx_store_close(w);
	fx_store_sh(w, "cp *.spool store/.mailsled/spool/ && "
	               "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
	assert_place_has(w->path, mails, 3, NULL);
}

/* It was away with its disk, and the mail was fetched again without it. */
static void
test_a_spool_that_comes_back_late_brings_nothing_twice(void **state)
{
	struct fx_store *w = *state;

	leave_a_spool(w, 0, 3);
	fx_store_sh(w, "mkdir away && mv store/.mailsled/spool/* away/");
	fx_store_open(w);
	assert_int_equal(visit(w, 0, 3, false).fetched, 3);
	fx_store_close(w);
	fx_store_sh(w, "mv away/* store/.mailsled/spool/");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
	assert_place_has(w->path, mails, 3, NULL);
	fx_store_sh(w, "test -z \"$(ls store/.mailsled/spool)\"");
}

static void
test_a_torn_spool_gives_what_is_whole(void **state)
{
	struct fx_store *w = *state;

	leave_a_spool(w, 0, 2);
	fx_store_sh(w, "truncate -s -5 store/.mailsled/spool/*");
	fx_store_open(w);
	assert_store_has(w, mails, 1);
	assert_int_equal(visit(w, 0, 2, true).fetched, 1);
	assert_store_has(w, mails, 2);
}

static void
test_a_spool_without_messages_goes_and_a_damaged_one_is_kept(void **state)
{
	struct fx_store *w = *state;

	leave_a_spool(w, 0, 2);
	fx_store_sh(w, "cd store/.mailsled/spool && f=$(ls) && "
	               "head -c 99 $f > home-0123456789abcdef.spool && "
	               "head -c 5000 /dev/zero > home-0123456789abcde0.spool");
	fx_store_open(w);
	assert_store_has(w, mails, 2);
	fx_store_sh(w, "test \"$(ls store/.mailsled/spool)\" = "
	               "home-0123456789abcde0.spool.damaged");
	assert_true(fx_store_has_said(w, "damaged"));
}

static void
test_an_unreadable_record_keeps_no_other_back(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	w->conf.state = w->state;
	leave_a_spool(w, 0, 3);
	for (unsigned n = 1; n < 40; n++) {
		fx_store_sh(w, "rm -rf k && mkdir k && cp -a state store copy1 "
		               "k/");
		fx_sys_fail(&w->fx, FX_PREAD, n, EIO, false);
		(void)!fx_store_try(w, SLED_STORE_WRITE);
		fx_store_close(w);
		fx_sys_calm(&w->fx);
		fx_store_open(w);
		if (!fx_visit_run(&v, w, mails, 3, 10, true))
			fail_msg("%s", v.err.text);
		assert_int_equal(v.fetched, 0);
		assert_store_has(w, mails, 3);
		fx_store_close(w);
		fx_store_sh(w, "rm -rf state store copy1 && mv k/* .");
	}
}

static void
test_a_spool_that_no_place_has_room_for_counts_as_known(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	w->conf.state = w->state;
	leave_a_spool(w, 1, 2);
	fx_sys_limit(&w->fx, w->path, 100);
	fx_store_open(w);
	assert_store_has(w, mails, 0);
	assert_true(fx_store_has_said(w, "the spool is kept"));
	assert_true(fx_visit_begin(&v, w, mails, 3));
	assert_int_equal(v.verdict[0], SLED_ITEM_NEW);
	assert_int_equal(v.verdict[1], SLED_ITEM_SPOOLED);
	assert_int_equal(v.verdict[2], SLED_ITEM_SPOOLED);
	assert_false(sled_box_may_delete(v.box, 1));
	assert_true(fx_visit_end(&v, false));
	fx_store_close(w);
	fx_store_sh(w, "test -z \"$(ls store/home 2>/dev/null)\"");
	fx_sys_calm(&w->fx);
	fx_store_open(w);
	assert_store_has(w, mails + 1, 2);
	v = visit(w, 0, 3, true);
	assert_int_equal(v.fetched, 1);
	assert_int_equal(v.deleted, 3);
	assert_place_has(w->path, mails, 3, NULL);
}

/* Something else in the first place with a name that an account may have. */
static void
test_a_folder_that_cannot_be_listed_is_left_out_where_it_holds_nothing(
    void **state)
{
	static const char said[] = "it is left out";
	struct fx_store *w = *state;
	char folder[FX_STORE_PATH + 16];

	three_members(w);
	fx_store_sh(w, "ln -s loop store/loop && mkdir store/odd");
	(void)snprintf(folder, sizeof(folder), "%s/odd", w->path);
	fx_sys_pull(&w->fx, folder, 1);
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "/store/loop: "));
	assert_true(fx_store_has_said(w, "/store/odd: "));
	assert_true(fx_store_has_said(w, said));
	assert_store_has(w, mails, 4);
	fx_store_close(w);
	/* With the ledger lost nobody knows what lies there. */
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_IO);
	assert_non_null(strstr(w->err.text, "odd"));
	assert_non_null(strstr(w->err.hint, "move it"));
	fx_sys_calm(&w->fx);
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "/store/loop: "));
	assert_store_has(w, mails, 4);
}

static void
test_an_account_s_folder_that_cannot_be_listed_ends_the_start(void **state)
{
	struct fx_store *w = *state;

	three_members(w);
	fx_store_sh(w, "mv store/home away && ln -s home store/home");
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_IO);
	assert_non_null(strstr(w->err.hint, "move it"));
	fx_store_sh(w, "rm store/home && mv away store/home");
	fx_store_open(w);
	assert_store_has(w, mails, 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_lost_ledger_is_rebuilt_row_by_row),
		TEST(test_a_rebuild_asked_for_is_the_same),
		TEST(test_a_damaged_ledger_is_set_aside_and_rebuilt),
		TEST(test_a_rebuild_that_is_killed_goes_on),
		TEST(test_whole_members_behind_the_committed_end_are_adopted),
		TEST(test_a_copy_is_synced_before_it_is_believed),
		TEST(
		    test_names_are_on_the_disk_before_what_they_name_is_believed),
		TEST(
		    test_garbage_behind_the_committed_end_is_kept_aside_and_cut),
		TEST(
		    test_a_member_cut_off_behind_the_end_is_kept_aside_and_cut),
		TEST(test_a_rebuild_takes_each_member_from_where_it_holds),
		TEST(test_a_rebuild_keeps_what_lies_behind_damage),
		TEST(test_a_rebuild_goes_on_behind_a_lost_header),
		TEST(test_a_rebuild_needs_no_first_member),
		TEST(test_a_rebuild_into_an_empty_place_needs_no_first_member),
		TEST(test_a_rebuild_tells_of_a_lone_member_without_its_header),
		TEST(test_a_first_place_that_went_another_way_is_not_cut),
		TEST(test_a_shorter_first_place_of_another_way_is_not_cut),
		TEST(test_a_sealed_volume_that_was_cut_is_not_held),
		TEST(test_what_is_cut_off_everywhere_is_named),
		TEST(test_a_rebuild_tells_of_what_holds_nowhere),
		TEST(test_a_rebuild_takes_what_a_broken_sealed_file_has),
		TEST(test_a_remaking_that_was_cut_off_goes_on),
		TEST(test_a_volume_that_is_all_garbage_goes_aside),
		TEST(test_a_sealed_file_of_garbage_goes_aside),
		TEST(test_members_that_were_there_before_are_adopted_once),
		TEST(test_members_that_do_not_follow_give_their_mail),
		TEST(test_members_behind_a_damaged_last_one_are_adopted_once),
		TEST(test_a_ledger_of_another_way_brings_no_mail_twice),
		TEST(test_what_follows_mail_that_is_here_is_kept),
		TEST(test_mail_of_another_way_is_taken_where_ours_is_gone),
		TEST(test_what_is_left_in_quarantine_alone_is_no_loss),
		TEST(test_a_rebuild_knows_of_a_volume_that_is_away),
		TEST(test_a_shorter_file_is_filled_from_a_copy),
		TEST(
		    test_a_folder_that_cannot_be_listed_is_left_out_where_it_holds_nothing),
		TEST(
		    test_an_account_s_folder_that_cannot_be_listed_ends_the_start),
		TEST(test_what_is_nowhere_is_dropped_and_said),
		TEST(test_a_volume_lost_whole_is_no_fault_of_the_next),
		TEST(test_a_volume_lost_whole_leaves_its_name_used),
		TEST(test_a_lost_ledger_takes_what_only_a_copy_has),
		TEST(test_numbers_are_not_given_again_after_a_rebuild),
		TEST(test_a_rebuild_knows_what_receipts_have_told),
		TEST(test_a_spool_left_by_a_killed_run_is_archived_once),
		TEST(test_a_spool_that_comes_back_late_brings_nothing_twice),
		TEST(test_a_torn_spool_gives_what_is_whole),
		TEST(
		    test_a_spool_without_messages_goes_and_a_damaged_one_is_kept),
		TEST(test_an_unreadable_record_keeps_no_other_back),
		TEST(test_a_spool_that_no_place_has_room_for_counts_as_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
