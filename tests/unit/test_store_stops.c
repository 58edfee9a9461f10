/* test_store_stops.c - seal, sync, prune and rebuild, stopped before every
 * system call and run again: as if nobody had stopped them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fx_stops.h"

static const struct fx_mail first[] = {
	{ "u1", 100, 1 },
	{ "u2", 3000, 2 },
	{ "u3", 70000, 3 },
};
static const struct fx_mail second[] = { { "u4", 900, 4 }, { "u5", 10, 5 } };
static const struct fx_mail third[] = { { "u6", 500, 6 } };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fx_store world;

static void
visit(struct fx_store *w, const struct fx_mail *mails, size_t len)
{
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, mails, len, 2, true))
		fail_msg("%s", v.err.text);
	fx_store_close(w);
}

static bool
seal(struct fx_store *w)
{
	uint64_t sealed = 0;
	bool ok = fx_store_try(w, SLED_STORE_WRITE) &&
	          sled_store_seal(w->store, NULL, true, &sealed, &w->err);

	fx_store_close(w);
	return ok;
}

/* Three places, of which two are enough: a sealed volume and an open one. */
static int
set_up(void **state)
{
	fx_store_make(&world, 2);
	world.conf.min_copies = 2;
	visit(&world, first, COUNT(first));
	assert_true(seal(&world));
	visit(&world, second, COUNT(second));
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

/* All mail is there, in each place, and read by tar. */
static void
all_is_there(struct fx_store *w)
{
	struct fx_mail all[COUNT(first) + COUNT(second)];

	memcpy(all, first, sizeof(first));
	memcpy(all + COUNT(first), second, sizeof(second));
	assert_place_has(w->path, all, COUNT(all), NULL);
	assert_place_has(w->copy[0], all, COUNT(all), NULL);
	assert_place_has(w->copy[1], all, COUNT(all), NULL);
}

static void
a_seal_may_stop_anywhere(void **state)
{
	const struct fx_stops stops = {
		.name = "seal", .run = seal, .step = 12, .check = all_is_there
	};

	assert_true(fx_stops_run(*state, &stops) > 20);
}

static bool
sync_all(struct fx_store *w)
{
	uint64_t octets = 0;
	bool ok = fx_store_try(w, SLED_STORE_WRITE) &&
	          sled_store_sync(w->store, NULL, &octets, &w->err);

	fx_store_close(w);
	return ok;
}

/* copy2 has its mark and the first volume while it was open; since then a
 * seal, a volume and a half came. */
static void
a_sync_of_a_late_copy_may_stop_anywhere(void **state)
{
	const struct fx_stops stops = {
		.name = "sync", .run = sync_all, .step = 12, .check = NULL
	};
	struct fx_store *w = *state;

	fx_store_sh(w, "mv copy2 away && mkdir copy2");
	assert_true(seal(w));
	visit(w, third, COUNT(third));
	fx_store_sh(w, "rm -r copy2 && mv away copy2");
	assert_true(fx_stops_run(w, &stops) > 20);
	fx_store_sh(w, "diff -r --exclude=.mailsled --exclude=COPY.txt "
	               "store copy2");
}

/* ... and one that lost everything but its mark. */
static void
a_sync_of_an_empty_copy_may_stop_anywhere(void **state)
{
	const struct fx_stops stops = { .name = "sync of an empty copy",
		                        .run = sync_all,
		                        .step = 16,
		                        .check = NULL };
	struct fx_store *w = *state;

	fx_store_sh(w, "rm -r copy2/home copy2/journal");
	assert_true(fx_stops_run(w, &stops) > 20);
	all_is_there(w);
}

static void
hear_nothing(void *ctx, const struct sled_pruned *volume)
{
	(void)ctx;
	(void)volume;
}

static bool
prune(struct fx_store *w)
{
	const struct sled_prune_conf conf = { .before = FX_STORE_NOW +
		                                        (int64_t)400 * 86400 };
	bool ok =
	    fx_store_try(w, SLED_STORE_WRITE) &&
	    sled_store_prune(w->store, &conf, hear_nothing, NULL, &w->err);

	fx_store_close(w);
	return ok;
}

static void
a_prune_may_stop_anywhere(void **state)
{
	const struct fx_stops stops = {
		.name = "prune", .run = prune, .step = 12, .check = NULL
	};
	struct fx_store *w = *state;

	assert_true(fx_stops_run(w, &stops) > 20);
	fx_store_sh(w, "test \"$(ls store/home)\" = 2026-11-002.open.tar.gz && "
	               "test -e copy1/home/2026-11-001.tar.gz && "
	               "test -e copy2/home/2026-11-001.tar.gz");
}

static bool
rebuild(struct fx_store *w)
{
	bool ok = fx_store_try(w, SLED_STORE_REBUILD);

	fx_store_close(w);
	return ok;
}

static void
a_rebuild_may_stop_anywhere(void **state)
{
	const struct fx_stops stops = { .name = "rebuild",
		                        .run = rebuild,
		                        .step = 24,
		                        .check = all_is_there };

	assert_true(fx_stops_run(*state, &stops) > 20);
}

/* The harness tells a difference when there is one. */
static void
what_is_compared_has_every_file_and_row(void **state)
{
	struct fx_store *w = *state;
	struct sled_buf state_text = fx_stops_state(w, false);

	assert_non_null(
	    strstr(state_text.data, "copy2/home/2026-11-001.tar.gz f 444"));
	assert_non_null(strstr(state_text.data, "copy1/journal/2026-11.tsv "
	                                        "visit\thome"));
	assert_non_null(strstr(state_text.data, "volume|home|2026-11-002"));
	assert_non_null(strstr(state_text.data, "message|home|5|u5|"));
	sled_buf_free(&state_text);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_compared_has_every_file_and_row),
		T(a_seal_may_stop_anywhere),
		T(a_sync_of_a_late_copy_may_stop_anywhere),
		T(a_sync_of_an_empty_copy_may_stop_anywhere),
		T(a_prune_may_stop_anywhere),
		T(a_rebuild_may_stop_anywhere),
	};

	return cmocka_run_group_tests_name("store_stops", tests, NULL, NULL);
}
