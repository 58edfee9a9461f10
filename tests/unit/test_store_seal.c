/* test_store_seal.c - a volume that has turned gets its last form in every
 * place, whatever cuts the way there off, and is read in each state. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_stops.h"

static const struct fx_mail mails[] = {
	{ "u1", 100, 1 },
	{ "u2", 3000, 2 },
	{ "u3", 70000, 3 },
};
static const struct fx_mail later[] = { { "u4", 900, 4 }, { "u5", 10, 5 } };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NAME     "2026-11-001"

static struct fx_store world;

static void
visit(struct fx_store *w, const struct fx_mail *list, size_t len)
{
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, list, len, 2, true))
		fail_msg("%s", v.err.text);
	fx_store_close(w);
}

static int
set_up(void **state)
{
	fx_store_make(&world, 1);
	visit(&world, mails, COUNT(mails));
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

static bool
seal(struct fx_store *w, uint64_t *sealed)
{
	return sled_store_seal(w->store, NULL, true, sealed, &w->err);
}

static void
seal_all(struct fx_store *w, uint64_t expected)
{
	uint64_t sealed = 0;

	fx_store_open(w);
	if (!seal(w, &sealed))
		fail_msg("%s", w->err.text);
	assert_int_equal(sealed, expected);
	fx_store_close(w);
}

/* Sealed in PLACE as other programs see it. */
static void
assert_sealed_in(struct fx_store *w, const char *place)
{
	fx_store_sh(w,
	            "cd %s/home && sha256sum -c --quiet --strict " NAME
	            ".tar.gz.sha256 && test $(stat -c %%a " NAME
	            ".tar.gz) = 444 && test $(ls -A | grep -c " NAME ") = 2",
	            place);
}

static void
assert_all_is_there(struct fx_store *w)
{
	fx_store_open(w);
	assert_store_has(w, mails, COUNT(mails));
	assert_store_verifies(w);
	fx_store_close(w);
	assert_place_untars(w, w->path, mails, COUNT(mails));
	assert_place_untars(w, w->copy[0], mails, COUNT(mails));
}

static void
every_place_gets_the_sealed_file_and_its_sidecar(void **state)
{
	struct fx_store *w = *state;

	seal_all(w, 1);
	assert_sealed_in(w, "store");
	assert_sealed_in(w, "copy1");
	assert_all_is_there(w);
	fx_store_sh(w, "cmp store/home/" NAME ".tar.gz copy1/home/" NAME
	               ".tar.gz");
}

static bool
is_in_copy(int fd)
{
	char link[64], path[512] = "";

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return readlink(link, path, sizeof(path) - 1) > 0 &&
	       strstr(path, "/copy1") != NULL;
}

static int
unable_to_fsync(void *ctx, int fd)
{
	(void)ctx;
	if (!is_in_copy(fd))
		return fsync(fd);
	errno = EINVAL;
	return -1;
}

static int
unable_to_fchmod(void *ctx, int fd, mode_t mode)
{
	(void)ctx;
	if (!is_in_copy(fd))
		return fchmod(fd, mode);
	errno = EPERM;
	return -1;
}

/* As on FAT under some drivers: no mode can be set, no folder synced. */
static void
a_place_without_modes_or_folder_sync_is_sealed(void **state)
{
	struct fx_store *w = *state;
	uint64_t sealed = 0;

	w->fx.sys.fsync = unable_to_fsync;
	w->fx.sys.fchmod = unable_to_fchmod;
	fx_store_open(w);
	if (!seal(w, &sealed))
		fail_msg("%s", w->err.text);
	assert_int_equal(sealed, 1);
	assert_true(fx_sys_count(&w->fx, FX_SYNCFS) > 0);
	fx_store_close(w);
	visit(w, later, COUNT(later)); /* a newborn volume there, too */
	fx_store_sh(w, "test -e copy1/home/" NAME ".tar.gz && "
	               "cmp store/home/" NAME ".tar.gz copy1/home/" NAME
	               ".tar.gz && cd copy1/home && sha256sum -c --status " NAME
	               ".tar.gz.sha256 && ls *-002.open.tar.gz >/dev/null");
	fx_store_open(w);
	for (size_t i = 0; i < COUNT(mails); i++)
		assert_int_equal(fx_store_rows(w, &mails[i]), 1);
	assert_store_verifies(w);
	fx_store_close(w);
}

static void
a_second_seal_changes_nothing(void **state)
{
	struct fx_store *w = *state;

	seal_all(w, 1);
	fx_store_sh(w, "cp -a store copy1 . 2>/dev/null; mkdir was && "
	               "cp -a store/home was/1 && cp -a copy1/home was/2");
	seal_all(w, 0);
	fx_store_sh(w, "diff -r was/1 store/home && diff -r was/2 copy1/home");
}

static void
a_volume_that_may_grow_is_left_open(void **state)
{
	struct fx_store *w = *state;
	uint64_t sealed = 9;

	fx_store_open(w);
	assert_true(sled_store_seal(w->store, NULL, false, &sealed, &w->err));
	assert_int_equal(sealed, 0);
	fx_store_close(w);
	fx_store_sh(w, "test -e store/home/" NAME ".open.tar.gz");
}

static void
the_next_volume_names_the_sealed_one_and_its_hash(void **state)
{
	struct fx_store *w = *state;

	seal_all(w, 1);
	visit(w, later, COUNT(later));
	fx_store_sh(w, "h=$(cut -c1-64 store/home/" NAME ".tar.gz.sha256) && "
	               "tar xzOf store/home/2026-11-002.open.tar.gz "
	               "mailsled/home/2026-11-002/VOLUME.txt | "
	               "grep -qx \"before-sha256: $h\"");
	fx_store_open(w);
	assert_store_verifies(w);
	fx_store_close(w);
}

static void
a_copy_that_was_away_is_sealed_when_it_is_back(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "mv copy1 away && mkdir copy1");
	seal_all(w, 1);
	fx_store_sh(w, "rmdir copy1 && mv away copy1");
	assert_all_is_there(w);
	assert_sealed_in(w, "copy1");
}

static void
a_place_that_is_empty_is_filled_from_the_sealed_ones(void **state)
{
	struct fx_store *w = *state;

	seal_all(w, 1);
	fx_store_sh(w, "rm -rf copy1/home");
	assert_all_is_there(w);
	assert_sealed_in(w, "copy1");
	fx_store_sh(w, "rm -rf store/home");
	assert_all_is_there(w);
	seal_all(w, 1);
	assert_sealed_in(w, "store");
}

static void
without_a_ledger_a_sealed_volume_is_known_again(void **state)
{
	struct fx_store *w = *state;

	seal_all(w, 1);
	visit(w, later, COUNT(later));
	fx_store_sh(w, "rm -rf store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_int_equal(fx_store_rows(w, &mails[2]), 1);
	assert_int_equal(fx_store_rows(w, &later[0]), 1);
	assert_store_verifies(w);
	fx_store_close(w);
	assert_sealed_in(w, "store");
	seal_all(w, 1);
	fx_store_sh(w, "test -e store/home/2026-11-002.tar.gz");
}

static void
a_lost_sidecar_of_a_copy_comes_back(void **state)
{
	struct fx_store *w = *state;

	seal_all(w, 1);
	fx_store_sh(w, "rm -f copy1/home/" NAME ".tar.gz.sha256");
	assert_all_is_there(w);
	assert_sealed_in(w, "copy1");
}

/* Its name may never have been synced, and cannot be any more. */
static void
a_sidecar_beside_an_open_file_is_made_anew(void **state)
{
	struct fx_store *w = *state;

	seal_all(w, 1);
	fx_store_sh(w, "cd copy1/home && mv " NAME ".tar.gz " NAME
	               ".open.tar.gz && ln " NAME ".tar.gz.sha256 ../was");
	assert_all_is_there(w);
	assert_sealed_in(w, "copy1");
	fx_store_sh(w, "test ! copy1/was -ef copy1/home/" NAME
	               ".tar.gz.sha256");
}

static void
a_damaged_volume_is_not_sealed_and_nothing_is_taken_from_it(void **state)
{
	struct fx_store *w = *state;
	uint64_t sealed = 0;

	fx_store_sh(w, "printf XXXX | dd of=store/home/" NAME
	               ".open.tar.gz bs=1 seek=400 conv=notrunc 2>/dev/null"
	               " && mkdir was && cp -a store/home copy1/home was 2>&1 "
	               "|| cp -a store/home was/1");
	fx_store_open(w);
	assert_false(seal(w, &sealed));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	assert_int_equal(sealed, 0);
	for (size_t i = 0; i < COUNT(mails); i++)
		assert_int_equal(fx_store_rows(w, &mails[i]), 1);
	fx_store_close(w);
	fx_store_sh(w, "test -e store/home/" NAME ".open.tar.gz && "
	               "test ! -e store/home/" NAME ".tar.gz");
}

/* Then the hash that is noted is that of the damage: it proves nothing. */
static void
what_is_damaged_everywhere_is_not_sealed(void **state)
{
	struct fx_store *w = *state;
	uint64_t sealed = 0;

	for (unsigned i = 0; i < 2; i++)
		fx_store_damage(w,
		                i == 0 ? "store/home/" NAME ".open.tar.gz"
		                       : "copy1/home/" NAME ".open.tar.gz",
		                400);
	fx_store_open(w);
	assert_false(seal(w, &sealed));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	assert_int_equal(sealed, 0);
	fx_store_close(w);
	fx_store_sh(w, "test ! -e store/home/" NAME ".tar.gz");
}

/* The hash is noted when the volume turns, before the seal reads it whole: it
 * is that of the members as they were stored. */
static void
damage_at_the_turn_does_not_get_into_the_hash(void **state)
{
	struct fx_store *w = *state;
	uint64_t sealed = 0;

	fx_store_sh(w, "cp store/home/" NAME ".open.tar.gz whole && "
	               "printf 'XXXX' | dd of=store/home/" NAME
	               ".open.tar.gz bs=1 seek=900 conv=notrunc 2>&1");
	fx_store_open(w);
	assert_false(seal(w, &sealed));
	assert_int_equal(sealed, 0);
	fx_store_close(w);
	fx_store_sh(w, "cp whole store/home/" NAME ".open.tar.gz");
	seal_all(w, 1);
	assert_sealed_in(w, "store");
	assert_sealed_in(w, "copy1");
	assert_all_is_there(w);
}

static void
a_sealed_copy_that_is_damaged_is_left_as_it_is(void **state)
{
	struct fx_store *w = *state;
	uint64_t octets = 0;

	seal_all(w, 1);
	fx_store_sh(w, "chmod u+w copy1/home/" NAME ".tar.gz && "
	               "printf XXXX | dd of=copy1/home/" NAME
	               ".tar.gz bs=1 seek=400 conv=notrunc 2>/dev/null && "
	               "sha256sum copy1/home/" NAME ".tar.gz > was && "
	               "rm -rf store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_store_has(w, mails, COUNT(mails));
	assert_true(fx_store_has_said(w, "repair"));
	/* ... and a sync does not end as if all were well. */
	assert_false(sled_store_sync(w->store, NULL, &octets, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	fx_store_close(w);
	fx_store_sh(w, "sha256sum -c --quiet was");
}

static void
a_copy_with_other_bytes_is_told_and_noted_and_made_anew(void **state)
{
	struct fx_store *w = *state;
	struct sled_place_status place = { 0 };
	uint64_t sealed = 0;

	fx_store_sh(w, "printf XXXX | dd of=copy1/home/" NAME
	               ".open.tar.gz bs=1 seek=400 conv=notrunc 2>&1 && "
	               "sha256sum copy1/home/" NAME ".open.tar.gz > was");
	fx_store_open(w);
	assert_false(seal(w, &sealed));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	assert_non_null(strstr(w->err.text, "/copy1"));
	assert_int_equal(sealed, 1); /* the first place's */
	assert_true(sled_store_place(w->store, 1, &place, &w->err));
	assert_int_equal(place.damaged, 1);
	assert_true(place.lacks > 0);
	assert_true(sled_store_place(w->store, 0, &place, &w->err));
	assert_int_equal(place.damaged, 0);
	fx_store_close(w);
	assert_sealed_in(w, "store");
	/* The next run makes it anew; what it was is kept. */
	assert_all_is_there(w);
	assert_sealed_in(w, "copy1");
	fx_store_open(w);
	assert_true(sled_store_place(w->store, 1, &place, &w->err));
	assert_int_equal(place.damaged, 0);
	assert_int_equal(place.lacks, 0);
	fx_store_close(w);
	fx_store_sh(w, "find copy1 -name '*.gz*' -exec sha256sum {} + | "
	               "grep -q $(cut -c1-64 was)");
}

static void
tending_a_copy_with_other_bytes_is_not_fine(void **state)
{
	struct fx_store *w = *state;
	struct sled_tended tended;
	uint64_t sealed = 0;

	/* It turns, and cannot be sealed before the next time. */
	fx_store_sh(w, "cp store/home/" NAME ".open.tar.gz whole && printf XXXX"
	               " | dd of=store/home/" NAME
	               ".open.tar.gz bs=1 seek=400 conv=notrunc 2>&1");
	fx_store_open(w);
	assert_false(seal(w, &sealed));
	fx_store_close(w);
	fx_store_sh(w, "cp whole store/home/" NAME ".open.tar.gz && printf XXXX"
	               " | dd of=copy1/home/" NAME
	               ".open.tar.gz bs=1 seek=400 conv=notrunc 2>&1");
	fx_store_open(w);
	assert_false(sled_store_tend(w->store, 1000, &tended, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	assert_int_equal(tended.sealed, 1);
	assert_int_equal(tended.scrubbed.damaged, 1);
	fx_store_close(w);
}

/* ---- cut off at every call ---- */

static void
keep(struct fx_store *w)
{
	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
}

static void
begin_again(void *ctx)
{
	struct fx_store *w = ctx;

	fx_store_sh(w, "rm -rf store copy1 && cp -a kept/* .");
}

static void
try_to_seal(void *ctx)
{
	struct fx_store *w = ctx;
	uint64_t sealed = 0;

	if (fx_store_try(w, SLED_STORE_WRITE))
		(void)!seal(w, &sealed);
	fx_store_close(w);
}

/* However it ended: everything is there, and the next one ends it. */
static void
check_end(void *ctx, unsigned n)
{
	struct fx_store *w = ctx;
	struct fx_visit v;
	uint64_t sealed = 0;

	(void)n;
	assert_place_untars(w, w->path, mails, COUNT(mails));
	assert_place_untars(w, w->copy[0], mails, COUNT(mails));
	fx_store_open(w);
	assert_store_has(w, mails, COUNT(mails));
	if (!seal(w, &sealed))
		fail_msg("%s", w->err.text);
	assert_store_verifies(w);
	fx_store_close(w);
	assert_sealed_in(w, "store");
	assert_sealed_in(w, "copy1");
	fx_store_open(w);
	if (!fx_visit_run(&v, w, mails, COUNT(mails), 2, true))
		fail_msg("%s", v.err.text);
	assert_int_equal(v.fetched, 0);
	fx_store_close(w);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static const struct fx_attempt cut_off = { &world, begin_again, try_to_seal,
	                                   check_end };

static void
a_kill_at_any_call_is_gone_on_from(void **state)
{
	struct fx_store *w = *state;

	keep(w);
	assert_true(fx_attempt_kill(w, &cut_off, 5) > 10);
}

static void
a_failure_of_any_call_is_gone_on_from(void **state)
{
	static const struct fx_fault faults[] = {
		{ FX_PWRITE, ENOSPC, 1 }, { FX_FDATASYNC, EIO, 1 },
		{ FX_FSYNC, EIO, 2 },     { FX_RENAMEAT, EIO, 1 },
		{ FX_OPENAT, EMFILE, 4 }, { FX_PREAD, EIO, 6 },
	};
	struct fx_store *w = *state;

	keep(w);
	assert_true(fx_attempt_fail(w, &cut_off, faults, COUNT(faults)) > 20);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_place_gets_the_sealed_file_and_its_sidecar),
		T(a_place_without_modes_or_folder_sync_is_sealed),
		T(a_second_seal_changes_nothing),
		T(a_volume_that_may_grow_is_left_open),
		T(the_next_volume_names_the_sealed_one_and_its_hash),
		T(a_copy_that_was_away_is_sealed_when_it_is_back),
		T(a_place_that_is_empty_is_filled_from_the_sealed_ones),
		T(without_a_ledger_a_sealed_volume_is_known_again),
		T(a_lost_sidecar_of_a_copy_comes_back),
		T(a_sidecar_beside_an_open_file_is_made_anew),
		T(a_damaged_volume_is_not_sealed_and_nothing_is_taken_from_it),
		T(what_is_damaged_everywhere_is_not_sealed),
		T(damage_at_the_turn_does_not_get_into_the_hash),
		T(a_sealed_copy_that_is_damaged_is_left_as_it_is),
		T(a_copy_with_other_bytes_is_told_and_noted_and_made_anew),
		T(tending_a_copy_with_other_bytes_is_not_fine),
		T(a_kill_at_any_call_is_gone_on_from),
		T(a_failure_of_any_call_is_gone_on_from),
	};

	return cmocka_run_group_tests_name("store_seal", tests, NULL, NULL);
}
