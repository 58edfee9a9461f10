/* test_store_repair.c - damaged volumes are made whole from all that is left of
 * them, what is lost is named, and nothing that is damaged is ever written. */
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

#define MAILS  12
#define NAME   "2026-11-001"
#define SEALED NAME ".tar.gz"
#define OPEN   NAME ".open.tar.gz"

/* Two a member. */
static const struct fx_mail mails[MAILS] = {
	{ "u1", 100, 1 },   { "u2", 3000, 2 },   { "u3", 20000, 3 },
	{ "u4", 900, 4 },   { "u5", 9000, 5 },   { "u6", 40000, 6 },
	{ "u7", 700, 7 },   { "u8", 8000, 8 },   { "u9", 12000, 9 },
	{ "u10", 300, 10 }, { "u11", 5000, 11 }, { "u12", 30000, 12 },
};

static struct fx_store world;

/* What a repair told. */
struct heard {
	struct sled_repair_report report;
	uint64_t lost[MAILS + 1]; /* by number */
	uint64_t wanted, mixed, parity, rebuilt, saved, damaged;
	enum sled_outcome worst;
};

static void
on_volume(void *ctx, const struct sled_repaired *volume)
{
	struct heard *heard = ctx;

	if (volume->why != NULL)
		print_error("%s: %s\n", volume->name, volume->why);
	heard->mixed += volume->mixed;
	heard->parity += volume->parity;
	heard->rebuilt += volume->rebuilt;
	heard->saved += volume->saved;
	heard->damaged += volume->damaged;
	if (volume->outcome > heard->worst)
		heard->worst = volume->outcome;
}

static void
on_lost(void *ctx, const struct sled_message *message, bool wanted)
{
	struct heard *heard = ctx;

	assert_in_range(message->number, 1, MAILS);
	assert_true(message->from.len > 0);
	heard->lost[message->number]++;
	heard->wanted += wanted;
}

static bool
try_repair(struct fx_store *w, struct heard *heard, bool dry)
{
	const struct sled_repair_conf conf = { NULL, 0, dry };
	const struct sled_repair_reader reader = { heard, on_volume, on_lost,
		                                   NULL };

	*heard = (struct heard){ 0 };
	return fx_store_try(w, dry ? SLED_STORE_READ : SLED_STORE_REPAIR) &&
	       sled_store_repair(w->store, &conf, &reader, &heard->report,
	                         &w->err);
}

static void
repair(struct fx_store *w, struct heard *heard, bool dry)
{
	if (!try_repair(w, heard, dry))
		fail_msg("%s (%s)", w->err.text, w->err.where);
	fx_store_close(w);
}

static void
visit(struct fx_store *w, const struct fx_mail *list, size_t len, bool deleting)
{
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, list, len, 2, deleting))
		fail_msg("%s", v.err.text);
	fx_store_close(w);
}

static void
seal(struct fx_store *w)
{
	uint64_t sealed = 0;

	fx_store_open(w);
	if (!sled_store_seal(w->store, NULL, true, &sealed, &w->err))
		fail_msg("%s", w->err.text);
	assert_true(sealed > 0);
	fx_store_close(w);
}

static void
make(struct fx_store *w, size_t copies, bool sealed)
{
	fx_store_make(w, copies);
	visit(w, mails, MAILS, true);
	if (sealed)
		seal(w);
	fx_store_sh(w, "mkdir good && cp -a store/home good/");
}

static int
set_up(void **state)
{
	make(&world, 1, true);
	*state = &world;
	return 0;
}

static int
set_up_open(void **state)
{
	make(&world, 1, false);
	*state = &world;
	return 0;
}

static int
set_up_three(void **state)
{
	make(&world, 2, true);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

/* Where member I (from 0) is in the volume, by the ledger. */
struct extent {
	size_t index, now;
	uint64_t at, length;
};

static bool
take_extent(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	struct extent *extent = ctx;

	(void)err;
	if (extent->now++ == extent->index) {
		extent->at = row->at;
		extent->length = row->length;
	}
	return true;
}

static struct extent
extent_of(struct fx_store *w, size_t index)
{
	struct extent extent = { .index = index };

	assert_true(fx_store_try(w, SLED_STORE_READ));
	assert_true(sled_ledger_members(sled_store_ledger(w->store), 1, 0,
	                                take_extent, &extent, &w->err));
	assert_true(extent.length > 0);
	fx_store_close(w);
	return extent;
}

/* Zeros over LEN bytes from PART/8 of member INDEX on. */
static void
damage(struct fx_store *w, const char *file, size_t index, unsigned part,
       unsigned len)
{
	struct extent extent = extent_of(w, index);

	fx_store_sh(w,
	            "chmod u+w %s && head -c %u /dev/zero | dd of=%s bs=1 "
	            "seek=%llu conv=notrunc 2>/dev/null",
	            file, len, file,
	            (unsigned long long)(extent.at + extent.length * part / 8));
}

static void
assert_as_before(struct fx_store *w, const char *file)
{
	fx_store_sh(w, "cmp good/home/%s store/home/%s", file, file);
	for (size_t i = 0; i < w->conf.copies_len; i++)
		fx_store_sh(w, "cmp good/home/%s copy%zu/home/%s", file, i + 1,
		            file);
}

/* Nothing to be done, and nothing done: the trees are the same before and
 * after but for the ledger. */
static void
assert_a_further_run_changes_nothing(struct fx_store *w, enum sled_outcome last)
{
	struct heard heard;

	fx_store_sh(w, "rm -rf was && mkdir was && cp -a store/home was/s && "
	               "for c in copy*; do cp -a $c/home was/$c; done; "
	               "ls -R store/.mailsled/quarantine > was/q 2>/dev/null; "
	               "true");
	repair(w, &heard, false);
	assert_int_equal(heard.worst, last);
	assert_int_equal(heard.damaged, 0);
	fx_store_sh(w, "diff -r was/s store/home && for c in copy*; do diff -r "
	               "was/$c $c/home || exit 1; done; "
	               "ls -R store/.mailsled/quarantine 2>/dev/null | diff - "
	               "was/q");
}

static void
assert_all_is_there(struct fx_store *w)
{
	fx_store_open(w);
	assert_store_has(w, mails, MAILS);
	assert_store_verifies(w);
	fx_store_close(w);
	assert_place_untars(w, w->path, mails, MAILS);
	for (size_t i = 0; i < w->conf.copies_len; i++)
		assert_place_untars(w, w->copy[i], mails, MAILS);
}

/* ---- all can be had ---- */

static void
a_whole_store_is_left_alone(void **state)
{
	struct fx_store *w = *state;

	assert_a_further_run_changes_nothing(w, SLED_REPAIR_WHOLE);
	assert_as_before(w, SEALED);
}

static void
members_come_from_whatever_place_has_them(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	damage(w, "store/home/" SEALED, 0, 1, 60);
	damage(w, "store/home/" SEALED, 3, 0, 200);
	damage(w, "copy1/home/" SEALED, 1, 4, 60);
	damage(w, "copy1/home/" SEALED, 5, 4, 400);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_int_equal(heard.damaged, 4);
	assert_int_equal(heard.mixed, 0);
	assert_as_before(w, SEALED);
	assert_all_is_there(w);
	fx_store_sh(w, "test $(ls store/.mailsled/quarantine | wc -l) = 1 && "
	               "test $(ls copy1/.mailsled/quarantine | wc -l) = 1");
	assert_a_further_run_changes_nothing(w, SLED_REPAIR_WHOLE);
}

static void
an_open_volume_is_mended_and_goes_on(void **state)
{
	static const struct fx_mail more[] = { { "u13", 900, 13 } };
	struct fx_store *w = *state;
	struct heard heard;

	damage(w, "store/home/" OPEN, 2, 2, 60);
	damage(w, "copy1/home/" OPEN, 4, 3, 60);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_as_before(w, OPEN);
	assert_all_is_there(w);
	visit(w, more, 1, true);
	fx_store_open(w);
	assert_store_verifies(w);
	fx_store_close(w);
}

static void
one_member_damaged_everywhere_is_put_together(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	damage(w, "store/home/" SEALED, 2, 1, 300);
	damage(w, "copy1/home/" SEALED, 2, 4, 300);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_int_equal(heard.mixed, 1);
	assert_as_before(w, SEALED);
	assert_all_is_there(w);
}

/* The ledger is lost, and the first place's file could not stay sealed. */
static void
a_sealed_copy_of_an_open_volume_is_made_anew_once(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	damage(w, "store/home/" SEALED, 2, 1, 300);
	damage(w, "copy1/home/" SEALED, 2, 4, 300);
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_true(sled_store_lost(w->store) > 0);
	fx_store_close(w);
	repair(w, &heard, false);
	fx_store_sh(w, "cmp store/home/2* copy1/home/2*");
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_WHOLE);
	fx_store_open(w);
	assert_store_verifies(w);
	fx_store_close(w);
}

static void
a_damaged_header_of_a_member_costs_nothing(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	damage(w, "store/home/" SEALED, 2, 0, 24);
	damage(w, "copy1/home/" SEALED, 2, 0, 24);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_as_before(w, SEALED);
}

static void
a_place_that_lost_the_file_gets_it_again(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w, "rm -f store/home/* && rm -rf copy2/home");
	repair(w, &heard, false);
	assert_as_before(w, SEALED);
	assert_all_is_there(w);
}

static void
a_file_that_was_cut_short_is_whole_again(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w,
	            "chmod u+w */home/*.gz; truncate -s 700 store/home/" SEALED
	            " && truncate -s -5 copy1/home/" SEALED);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_as_before(w, SEALED);
	assert_all_is_there(w);
}

static void
what_quarantine_has_is_used_too(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(
	    w, "mkdir -p copy1/.mailsled/quarantine && "
	       "mv copy1/home/" SEALED
	       " copy1/.mailsled/quarantine/20261123T145031Z-home-0-" SEALED);
	damage(w, "store/home/" SEALED, 1, 1, 300);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_as_before(w, SEALED);
	assert_all_is_there(w);
}

static void
sidecar_and_mode_are_mended(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w, "chmod u+w */home/* && echo x > store/home/" SEALED
	               ".sha256 && echo y > copy1/home/" SEALED ".sha256");
	repair(w, &heard, false);
	for (size_t i = 0; i < 2; i++)
		fx_store_sh(
		    w,
		    "cd %s/home && sha256sum -c --quiet --strict " SEALED
		    ".sha256 && test $(stat -c %%a " SEALED ") = 444",
		    i == 0 ? "store" : "copy1");
	assert_all_is_there(w);
}

static void
a_dry_run_tells_and_changes_nothing(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	damage(w, "store/home/" SEALED, 2, 1, 300);
	damage(w, "copy1/home/" SEALED, 4, 1, 300);
	fx_store_sh(w, "mkdir was && cp -a store was/ && cp -a copy1 was/");
	repair(w, &heard, true);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_int_equal(heard.damaged, 2);
	fx_store_sh(w, "diff -r was/store/home store/home && "
	               "diff -r was/copy1 copy1 && "
	               "test ! -e store/.mailsled/repair");
}

static void
a_damaged_ledger_is_made_anew(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w, "f=store/.mailsled/ledger.db; s=$(stat -c %%s $f); "
	               "head -c $((s - 8192)) /dev/urandom | dd of=$f bs=1024 "
	               "seek=8 conv=notrunc 2>/dev/null");
	repair(w, &heard, false);
	assert_all_is_there(w);
	fx_store_sh(w, "ls store/.mailsled/quarantine | grep -q ledger.db");
}

/* ---- something is lost ---- */

/* The same octets in both places, behind its middle: its first message can
 * still be read, its second cannot. */
static void
lose_second_of(struct fx_store *w, const char *file, size_t index)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "store/home/%s", file);
	damage(w, path, index, 5, 100);
	(void)snprintf(path, sizeof(path), "copy1/home/%s", file);
	damage(w, path, index, 5, 100);
}

static void
assert_lost(struct fx_store *w, size_t item)
{
	bool in[MAILS];

	for (size_t i = 0; i < MAILS; i++)
		in[i] = i != item;
	fx_store_open(w);
	for (size_t i = 0; i < MAILS; i++)
		assert_int_equal(fx_store_rows(w, &mails[i]), in[i]);
	assert_store_verifies(w);
	fx_store_close(w);
	assert_place_has(w->path, mails, MAILS, in);
	assert_place_has(w->copy[0], mails, MAILS, in);
}

static void
what_is_lost_is_named_and_all_else_is_kept(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	lose_second_of(w, SEALED, 2);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	assert_int_equal(heard.rebuilt, 1);
	assert_int_equal(heard.saved, 1);
	assert_int_equal(heard.report.lost, 1);
	assert_int_equal(heard.lost[6], 1);
	assert_lost(w, 5);
	for (size_t i = 0; i < 2; i++)
		fx_store_sh(w,
		            "cd %s/home && sha256sum -c --quiet --strict " NAME
		            ".r1.tar.gz.sha256 && test $(stat -c %%a " NAME
		            ".r1.tar.gz) = 444 && test ! -e " SEALED
		            " && grep -q u6 " NAME ".r1.tsv && "
		            "grep -q $(sha256sum < " NAME
		            ".r1.tar.gz | cut -c1-64) " NAME ".r1.tsv",
		            i == 0 ? "store" : "copy1");
	assert_a_further_run_changes_nothing(w, SLED_REPAIR_WHOLE);
}

static void
the_first_member_gets_its_description_again(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	damage(w, "store/home/" SEALED, 0, 1, 2000);
	damage(w, "copy1/home/" SEALED, 0, 1, 2000);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	assert_true(heard.report.lost > 0);
	fx_store_sh(w,
	            "tar xzOf store/home/" NAME ".r1.tar.gz mailsled/home/" NAME
	            "/VOLUME.txt | grep -qx 'volume: " NAME "'");
	fx_store_open(w);
	assert_store_verifies(w);
	fx_store_close(w);
}

static void
an_open_volume_that_lost_mail_is_closed(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;
	struct fx_visit v;

	lose_second_of(w, OPEN, 2);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	assert_int_equal(heard.lost[6], 1);
	assert_lost(w, 5);
	/* It is still on the server: what was lost comes again. */
	fx_store_open(w);
	assert_true(fx_visit_run(&v, w, mails, MAILS, 2, false));
	assert_int_equal(v.fetched, 1);
	fx_store_close(w);
	assert_all_is_there(w);
}

static void
gone_in_one_place_and_damaged_in_the_other(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w, "rm -f store/home/*");
	damage(w, "copy1/home/" SEALED, 2, 5, 100);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	assert_int_equal(heard.report.lost, 1);
	assert_int_equal(heard.lost[6], 1);
	assert_lost(w, 5);
}

static void
a_visit_before_the_repair_loses_nothing_more(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w, "rm -f store/home/*");
	damage(w, "copy1/home/" SEALED, 2, 5, 100);
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "mailsled repair"));
	fx_store_close(w);
	repair(w, &heard, false);
	assert_int_equal(heard.report.lost, 1);
	assert_int_equal(heard.lost[6], 1);
	assert_lost(w, 5);
}

static void
what_comes_back_undoes_the_loss(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w, "mv copy2 away");
	lose_second_of(w, SEALED, 2);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	assert_int_equal(heard.lost[6], 1);
	fx_store_sh(w, "mv away copy2");
	repair(w, &heard, false);
	assert_int_equal(heard.report.lost, 0);
	assert_as_before(w, SEALED);
	fx_store_sh(w, "test ! -e store/home/" NAME ".r1.tar.gz && test ! -e "
	               "copy1/home/" NAME ".r1.tsv");
	assert_all_is_there(w);
	assert_a_further_run_changes_nothing(w, SLED_REPAIR_WHOLE);
}

/* A start met the copy first, and set it aside. */
static void
what_came_back_and_was_set_aside_undoes_the_loss_once(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w, "mv copy1 away");
	damage(w, "store/home/" OPEN, 2, 5, 100);
	repair(w, &heard, false);
	assert_int_equal(heard.report.lost, 1);
	fx_store_sh(w, "mv away copy1");
	fx_store_open(w);
	assert_true(fx_store_has_said(w, "repair` brings them back"));
	fx_store_close(w);
	repair(w, &heard, false);
	assert_all_is_there(w);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_WHOLE);
	assert_all_is_there(w);
}

static void
without_a_ledger_a_revision_is_known_again(void **state)
{
	static const struct fx_mail more[] = { { "u13", 900, 13 } };
	struct fx_store *w = *state;
	struct heard heard;

	lose_second_of(w, SEALED, 2);
	repair(w, &heard, false);
	visit(w, more, 1, true);
	fx_store_sh(w, "rm -f store/.mailsled/ledger.db*");
	fx_store_open(w);
	for (size_t i = 0; i < MAILS; i++)
		assert_int_equal(fx_store_rows(w, &mails[i]), i != 5);
	assert_int_equal(fx_store_rows(w, &more[0]), 1);
	assert_store_verifies(w);
	fx_store_close(w);
	fx_store_sh(w, "rm -rf store/home store/.mailsled/ledger.db*");
	seal(w);
	fx_store_open(w);
	assert_store_verifies(w);
	fx_store_close(w);
	fx_store_sh(w,
	            "test -e store/home/" NAME ".r1.tsv && cmp store/home/" NAME
	            ".r1.tar.gz copy1/home/" NAME ".r1.tar.gz");
}

static void
assert_two_repairs_bring_all(struct fx_store *w)
{
	struct heard heard;

	for (unsigned i = 0; i < 2; i++)
		repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_WHOLE);
	fx_store_open(w);
	assert_store_has(w, mails, MAILS);
	assert_store_verifies(w);
	assert_place_has(w->path, mails, MAILS, NULL);
	assert_place_has(w->copy[0], mails, MAILS, NULL);
}

/* The first place came from a backup and went on; a copy did too, and sealed
 * its volume of that name. Only a repair may touch it: not before what it alone
 * has was taken over. */
static void
a_sealed_copy_of_another_way_gives_its_mail_before_it_is_set_aside(void **state)
{
	struct fx_store w;

	(void)state;
	fx_store_make(&w, 1);
	visit(&w, mails, 2, true);
	fx_store_sh(&w, "mkdir base && cp -a store copy1 base/");
	visit(&w, mails + 2, 4, true);
	seal(&w);
	fx_store_sh(&w, "mv copy1 other && rm -r store && mv base/* .");
	visit(&w, mails + 6, 6, true);
	fx_store_sh(&w, "rm -r copy1 && mv other copy1");
	assert_two_repairs_bring_all(&w);
	fx_store_drop(&w);
}

/* While the copy was away the first place's was damaged, and the hash that was
 * noted then is that of the damage: whoever mends it makes other bytes. */
static void
what_turned_while_it_was_damaged_is_mended(void **state)
{
	struct fx_store w;
	uint64_t n = 0;

	(void)state;
	fx_store_make(&w, 1);
	visit(&w, mails, MAILS, true);
	fx_store_sh(&w, "mv copy1 away");
	fx_store_damage(&w, "store/home/*.open.tar.gz", 700);
	fx_store_open(&w);
	assert_false(sled_store_seal(w.store, NULL, true, &n, &w.err));
	w.err = (struct sled_err){ 0 };
	fx_store_close(&w);
	fx_store_sh(&w, "mv away copy1");
	assert_two_repairs_bring_all(&w);
	fx_store_drop(&w);
}

/* The hash that it turned with is of the damaged bytes: what comes back whole is
 * a revision, and the last one. */
static void
what_turned_while_it_was_damaged_comes_back_whole(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;
	uint64_t n = 0;

	damage(w, "store/home/" OPEN, 2, 2, 400);
	damage(w, "copy1/home/" OPEN, 2, 2, 400);
	fx_store_open(w);
	assert_false(sled_store_seal(w->store, NULL, true, &n, &w->err));
	w->err = (struct sled_err){ 0 };
	fx_store_close(w);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	assert_true(heard.report.lost > 0);
	fx_store_sh(w, "cp good/home/" OPEN " copy1/.mailsled/quarantine/"
	               "20270101T000000Z-home-0-" OPEN);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_all_is_there(w);
	assert_a_further_run_changes_nothing(w, SLED_REPAIR_WHOLE);
}

/* Lost while it was open, so that the next one names a hash of nothing; back
 * as it was sealed elsewhere: `verify` and `repair` agree, and end. */
static void
a_volume_that_came_back_behind_its_follower_is_a_revision(void **state)
{
	static const struct fx_mail more[] = { { "u13", 900, 13 } };
	struct fx_store *w = *state;
	struct sled_verify_report report;
	struct heard heard;

	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
	seal(w);
	fx_store_sh(w, "mkdir away && mv copy1/home/* away/ && "
	               "rm -r store copy1 && mv kept/* . && rm */home/*");
	visit(w, more, 1, true);
	fx_store_sh(w, "cp away/* store/home/ && cp away/* copy1/home/ && "
	               "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_true(
	    sled_store_verify(w->store, true, NULL, NULL, &report, &w->err));
	assert_int_equal(report.damaged, 2);
	fx_store_close(w);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	assert_int_equal(heard.report.lost, 0);
	fx_store_open(w);
	assert_store_verifies(w);
	for (size_t i = 0; i < MAILS; i++)
		assert_int_equal(fx_store_rows(w, &mails[i]), 1);
	fx_store_close(w);
	assert_a_further_run_changes_nothing(w, SLED_REPAIR_WHOLE);
}

/* The same where neither is sealed yet: it turned with its own hash, and the next
 * is of another way. */
static void
an_open_volume_that_the_next_names_otherwise_is_a_revision(void **state)
{
	static const struct fx_mail more[] = { { "u13", 900, 13 },
		                               { "u14", 800, 14 },
		                               { "u15", 700, 15 } };
	struct fx_store *w = *state;
	struct sled_verify_report report;
	struct heard heard;

	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
	visit(w, more, 1, true);
	w->conf.rotate_bytes = 1;
	visit(w, more + 1, 1, true);
	fx_store_sh(w, "mkdir away && mv store/home/2026-11-002* away/ && "
	               "rm -r store copy1 && mv kept/* .");
	w->conf.rotate_bytes = UINT64_MAX;
	visit(w, more + 2, 1, true);
	w->conf.rotate_bytes = 1;
	visit(w, more, 0, true);
	fx_store_sh(w, "cp away/* store/home/");
	fx_store_open(w);
	assert_true(
	    sled_store_verify(w->store, true, NULL, NULL, &report, &w->err));
	assert_true(report.damaged > 0);
	fx_store_close(w);
	repair(w, &heard, false);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	assert_int_equal(heard.report.lost, 0);
	fx_store_open(w);
	assert_store_verifies(w);
	fx_store_close(w);
	assert_a_further_run_changes_nothing(w, SLED_REPAIR_WHOLE);
}

/* ---- cut off at every call ---- */

static void
begin_again(struct fx_store *w)
{
	fx_store_sh(w, "rm -rf store copy1 && cp -a kept/* .");
}

static unsigned
stride(unsigned step)
{
	return getenv("CHECK_ALL") != NULL ? 1 : step;
}

static void
keep(struct fx_store *w)
{
	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
}

static void
kill_each(struct fx_store *w, unsigned step, void (*check)(struct fx_store *w))
{
	unsigned kills = 0;
	int status = 1;

	keep(w);
	for (unsigned n = 1; status != 0; n += stride(step)) {
		struct heard heard;
		pid_t pid;

		begin_again(w);
		pid = fork();
		assert_true(pid != -1);
		if (pid == 0) {
			fx_sys_kill(&w->fx, FX_ANY, n);
			(void)!try_repair(w, &heard, false);
			fx_store_close(w);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(status == 0 || WIFSIGNALED(status));
		kills += status != 0;
		repair(w, &heard, false);
		check(w);
	}
	print_message("%u kills\n", kills);
	assert_true(kills > 10);
}

static void
check_mended(struct fx_store *w)
{
	assert_as_before(w, SEALED);
	fx_store_open(w);
	assert_store_has(w, mails, MAILS);
	assert_store_verifies(w);
	fx_store_close(w);
	fx_store_sh(w, "test $(ls -A store/home | wc -l) = 2 && "
	               "test $(ls -A copy1/home | wc -l) = 2");
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static void
check_revised(struct fx_store *w)
{
	assert_lost(w, 5);
	fx_store_sh(w, "test $(ls -A store/home | wc -l) = 3 && "
	               "test $(ls -A copy1/home | wc -l) = 3 && "
	               "diff -r store/home copy1/home && "
	               "test -e store/home/" NAME ".r1.tar.gz");
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static void
a_kill_at_any_call_is_gone_on_from(void **state)
{
	struct fx_store *w = *state;

	damage(w, "store/home/" SEALED, 2, 1, 300);
	damage(w, "copy1/home/" SEALED, 2, 4, 300);
	kill_each(w, 17, check_mended);
}

static void
a_kill_while_something_is_lost_is_gone_on_from(void **state)
{
	struct fx_store *w = *state;

	lose_second_of(w, SEALED, 2);
	kill_each(w, 29, check_revised);
}

static void
a_failure_of_any_write_is_gone_on_from(void **state)
{
	static const enum fx_call calls[] = { FX_PWRITE, FX_FDATASYNC, FX_FSYNC,
		                              FX_RENAMEAT };
	struct fx_store *w = *state;
	unsigned faults = 0;

	lose_second_of(w, SEALED, 2);
	keep(w);
	for (size_t i = 0; i < 4; i++) {
		bool fired = true;

		for (unsigned n = 1; fired; n += stride(7)) {
			struct heard heard;

			begin_again(w);
			fx_sys_fail(&w->fx, calls[i], n, EIO, false);
			(void)!try_repair(w, &heard, false);
			fx_store_close(w);
			fired = fx_sys_fired(&w->fx);
			fx_sys_calm(&w->fx);
			faults += fired;
			repair(w, &heard, false);
			check_revised(w);
		}
	}
	print_message("%u faults\n", faults);
	assert_true(faults > 10);
}

#define T(f)  cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TO(f) cmocka_unit_test_setup_teardown(f, set_up_open, tear_down)
#define T3(f) cmocka_unit_test_setup_teardown(f, set_up_three, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_whole_store_is_left_alone),
		T(members_come_from_whatever_place_has_them),
		TO(an_open_volume_is_mended_and_goes_on),
		T(one_member_damaged_everywhere_is_put_together),
		T(a_sealed_copy_of_an_open_volume_is_made_anew_once),
		T(a_damaged_header_of_a_member_costs_nothing),
		T3(a_place_that_lost_the_file_gets_it_again),
		T(a_file_that_was_cut_short_is_whole_again),
		T(what_quarantine_has_is_used_too),
		T(sidecar_and_mode_are_mended),
		T(a_dry_run_tells_and_changes_nothing),
		T(a_damaged_ledger_is_made_anew),
		T(what_is_lost_is_named_and_all_else_is_kept),
		T(the_first_member_gets_its_description_again),
		TO(an_open_volume_that_lost_mail_is_closed),
		T(gone_in_one_place_and_damaged_in_the_other),
		T(a_visit_before_the_repair_loses_nothing_more),
		T3(what_comes_back_undoes_the_loss),
		TO(what_came_back_and_was_set_aside_undoes_the_loss_once),
		T(without_a_ledger_a_revision_is_known_again),
		cmocka_unit_test(
		    a_sealed_copy_of_another_way_gives_its_mail_before_it_is_set_aside),
		cmocka_unit_test(what_turned_while_it_was_damaged_is_mended),
		TO(what_turned_while_it_was_damaged_comes_back_whole),
		TO(a_volume_that_came_back_behind_its_follower_is_a_revision),
		TO(an_open_volume_that_the_next_names_otherwise_is_a_revision),
		T(a_kill_at_any_call_is_gone_on_from),
		T(a_kill_while_something_is_lost_is_gone_on_from),
		T(a_failure_of_any_write_is_gone_on_from),
	};

	return cmocka_run_group_tests_name("store_repair", tests, NULL, NULL);
}
