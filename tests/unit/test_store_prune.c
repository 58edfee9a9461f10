/* test_store_prune.c - what is taken out of a place is held by enough others,
 * and stays out; nothing else goes. */
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

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LATER    (FX_STORE_NOW + (int64_t)400 * 86400)

static const struct fx_mail mails[] = { { "u1", 100, 1 }, { "u2", 30000, 2 } };

static struct fx_store world;

/* Three places, of which two are enough; one volume, sealed. */
static int
set_up(void **state)
{
	struct fx_visit v;
	uint64_t sealed = 0;

	fx_store_make(&world, 2);
	world.conf.min_copies = 2;
	fx_store_open(&world);
	if (!fx_visit_run(&v, &world, mails, COUNT(mails), 2, true))
		fail_msg("%s", v.err.text);
	assert_true(
	    sled_store_seal(world.store, NULL, true, &sealed, &world.err));
	assert_int_equal(sealed, 1);
	fx_store_close(&world);
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
count(void *ctx, const struct sled_pruned *volume)
{
	((unsigned *)ctx)[volume->done]++;
}

/* How many stay [0] and go [1]. */
static bool
prune(struct fx_store *w, struct sled_prune_conf conf, unsigned out[2])
{
	out[0] = out[1] = 0;
	if (conf.before == 0)
		conf.before = LATER;
	return sled_store_prune(w->store, &conf, count, out, &w->err);
}

static void
prune_all(struct fx_store *w, struct sled_prune_conf conf, unsigned stay,
          unsigned go)
{
	unsigned out[2];

	fx_store_open(w);
	if (!prune(w, conf, out))
		fail_msg("%s", w->err.text);
	fx_store_close(w);
	assert_int_equal(out[0], stay);
	assert_int_equal(out[1], go);
}

static void
assert_all_is_read(struct fx_store *w)
{
	fx_store_open(w);
	assert_store_has(w, mails, COUNT(mails));
	fx_store_close(w);
}

static void
a_dry_run_changes_nothing(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "cp -a store/home was");
	prune_all(w, (struct sled_prune_conf){ .dry = true }, 0, 1);
	fx_store_sh(w, "diff -r was store/home");
}

static void
it_goes_with_its_sidecar_and_is_read_elsewhere(void **state)
{
	struct fx_store *w = *state;
	struct sled_place_status place;

	prune_all(w, (struct sled_prune_conf){ 0 }, 0, 1);
	fx_store_sh(w, "test -z \"$(ls -A store/home)\"");
	assert_all_is_read(w);
	fx_store_sh(w, "test -z \"$(ls -A store/home)\"");
	fx_store_open(w);
	assert_true(sled_store_place(w->store, 0, &place, &w->err));
	assert_int_equal(place.lacks, 0);
	fx_store_close(w);
	assert_place_untars(w, w->copy[1], mails, COUNT(mails));
}

static void
a_place_other_than_the_first_is_pruned_as_well(void **state)
{
	struct fx_store *w = *state;

	prune_all(w, (struct sled_prune_conf){ .place = w->copy[1] }, 0, 1);
	fx_store_sh(w, "test -z \"$(ls -A copy2/home)\"");
	assert_all_is_read(w);
	fx_store_sh(w, "test -z \"$(ls -A copy2/home)\" && "
	               "test -e store/home/2026-11-001.tar.gz");
}

static void
what_is_young_or_still_open_stays(void **state)
{
	static const struct fx_mail more[] = { { "u3", 10, 3 } };
	struct fx_store *w = *state;
	struct fx_visit v;

	prune_all(w, (struct sled_prune_conf){ .before = FX_STORE_NOW }, 0, 0);
	fx_store_open(w);
	assert_true(fx_visit_run(&v, w, more, 1, 2, true));
	fx_store_close(w);
	prune_all(w, (struct sled_prune_conf){ 0 }, 0, 1);
	fx_store_sh(w, "test -e store/home/2026-11-002.open.tar.gz");
}

static void
it_stays_when_another_place_holds_other_bytes(void **state)
{
	struct fx_store *w = *state;

	fx_store_damage(w, "copy1/home/2026-11-001.tar.gz", 400);
	prune_all(w, (struct sled_prune_conf){ 0 }, 1, 0);
	fx_store_sh(w, "test -e store/home/2026-11-001.tar.gz");
}

static void
it_stays_when_a_place_is_away(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "mv copy2 away && mkdir copy2");
	prune_all(w, (struct sled_prune_conf){ 0 }, 1, 0);
	fx_store_sh(w, "test -e store/home/2026-11-001.tar.gz");
}

static void
undone_it_comes_back_with_the_next_sync(void **state)
{
	struct fx_store *w = *state;
	uint64_t octets = 0;

	prune_all(w, (struct sled_prune_conf){ 0 }, 0, 1);
	prune_all(w, (struct sled_prune_conf){ .undo = true }, 0, 0);
	fx_store_open(w);
	assert_true(sled_store_sync(w->store, NULL, &octets, &w->err));
	fx_store_close(w);
	assert_all_is_read(w);
	assert_place_untars(w, w->path, mails, COUNT(mails));
}

static void
a_kill_at_any_call_is_gone_on_from(void **state)
{
	struct fx_store *w = *state;
	unsigned kills = 0;
	int status = 1;

	fx_store_sh(w, "mkdir kept && cp -a store copy1 copy2 kept/");
	for (unsigned n = 1; status != 0; n++) {
		unsigned out[2];
		pid_t pid;

		fx_store_sh(w, "rm -rf store copy1 copy2 && cp -a kept/* .");
		pid = fork();
		assert_true(pid != -1);
		if (pid == 0) {
			fx_sys_kill(&w->fx, FX_ANY, n);
			if (fx_store_try(w, SLED_STORE_WRITE))
				(void)!prune(w, (struct sled_prune_conf){ 0 },
				             out);
			fx_store_close(w);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(status == 0 || WIFSIGNALED(status));
		kills += status != 0;
		assert_all_is_read(w);
		fx_store_open(w);
		assert_true(prune(w, (struct sled_prune_conf){ 0 }, out));
		fx_store_close(w);
		fx_store_sh(w, "test -z \"$(ls -A store/home)\"");
		assert_all_is_read(w);
	}
	print_message("%u kills\n", kills);
	assert_true(kills > 20);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_dry_run_changes_nothing),
		T(it_goes_with_its_sidecar_and_is_read_elsewhere),
		T(a_place_other_than_the_first_is_pruned_as_well),
		T(what_is_young_or_still_open_stays),
		T(it_stays_when_another_place_holds_other_bytes),
		T(it_stays_when_a_place_is_away),
		T(undone_it_comes_back_with_the_next_sync),
		T(a_kill_at_any_call_is_gone_on_from),
	};

	return cmocka_run_group_tests_name("store_prune", tests, NULL, NULL);
}
