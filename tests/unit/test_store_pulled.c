/* test_store_pulled.c - a copy's disk is pulled at any call of a visit: the
 * visit ends well, what is deleted is safe without it, and it heals when it is
 * back. */
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

static const struct fx_mail before[] = { { "a1", 900, 21 }, { "a2", 10, 22 } };
static const struct fx_mail mails[] = {
	{ "u1", 100, 1 },
	{ "u2", 3000, 2 },
	{ "u3", 70000, 3 },
	{ "u4", 400, 4 },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ALL      (COUNT(before) + COUNT(mails))

static struct fx_store world;
static struct fx_mail all[ALL];

static int
set_up(void **state)
{
	struct fx_visit v;

	fx_store_make(&world, 2);
	memcpy(all, before, sizeof(before));
	memcpy(all + COUNT(before), mails, sizeof(mails));
	fx_store_open(&world);
	if (!fx_visit_run(&v, &world, before, COUNT(before), 10, true))
		fail_msg("%s", v.err.text);
	fx_store_close(&world);
	fx_store_sh(&world, "mkdir kept && cp -a store copy1 copy2 kept/");
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

/* What of MAILS a place has for sure, whoever looks. */
static void
assert_has_deleted(const char *path, const struct fx_visit *v)
{
	bool in[ALL] = { true, true };

	for (size_t i = 0; i < COUNT(mails); i++)
		in[COUNT(before) + i] = v->may[i];
	assert_place_has(path, all, ALL, in);
}

/* The same of the pulled one, behind whose last whole member all may be. */
static void
assert_pulled_has_deleted(struct fx_store *w, const struct fx_visit *v)
{
	char hex[SLED_HASH_HEX];

	fx_store_sh(w, "rm -rf out && mkdir out && { tar xzf copy1/home/*.gz "
	               "-C out 2>&1 || :; } >out/said");
	for (size_t i = 0; i < COUNT(mails); i++) {
		struct sled_hash hash = fx_store_hash(&mails[i]);

		sled_hash_hex(hex, &hash);
		if (v->may[i])
			fx_store_sh(w,
			            "find out -name '*.eml' -exec sha256sum {} "
			            "+ | grep %s >grepped",
			            hex);
	}
}

/* It is back: nothing is fetched again, and every place has all of it. */
static void
check_return(struct fx_store *w, const struct fx_visit *v)
{
	struct fx_visit next;

	fx_store_open(w);
	if (!fx_visit_run(&next, w, mails, COUNT(mails), 10, true))
		fail_msg("%s", next.err.text);
	for (size_t i = 0; i < COUNT(mails); i++)
		if (v->whole[i] && next.whole[i])
			fail_msg("%s was fetched twice", mails[i].uid);
	assert_int_equal(next.deleted, COUNT(mails));
	assert_store_has(w, all, ALL);
	assert_store_verifies(w);
	fx_store_close(w);
	assert_place_has(w->path, all, ALL, NULL);
	assert_place_has(w->copy[0], all, ALL, NULL);
	assert_place_has(w->copy[1], all, ALL, NULL);
	fx_store_sh(w, "diff -r store/home copy1/home && "
	               "diff -r store/home copy2/home");
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

/* False when the visit was over before. */
static bool
pull_at(struct fx_store *w, unsigned n)
{
	struct fx_visit v;
	bool pulled, ok;

	fx_store_sh(w, "rm -rf store copy1 copy2 && cp -a kept/* .");
	fx_store_open(w);
	fx_sys_pull(&w->fx, w->copy[0], n);
	ok = fx_visit_run(&v, w, mails, COUNT(mails), 2, false);
	fx_store_close(w);
	pulled = fx_sys_fired(&w->fx);
	fx_sys_calm(&w->fx);
	if (!ok)
		fail_msg("pulled at call %u: %s", n, v.err.text);
	for (size_t i = 0; i < COUNT(mails); i++)
		if (!v.whole[i] || (w->conf.min_copies < 3 && !v.may[i]))
			fail_msg("pulled at call %u: %s is not safe", n,
			         mails[i].uid);
	/* What may be deleted is in as many places as were asked for. */
	assert_has_deleted(w->path, &v);
	assert_has_deleted(w->copy[1], &v);
	if (w->conf.min_copies == 3)
		assert_pulled_has_deleted(w, &v);
	check_return(w, &v);
	return pulled;
}

static void
pull_at_each(struct fx_store *w, unsigned min_copies)
{
	unsigned step = getenv("CHECK_ALL") != NULL ? 1 : 3, pulls = 0;

	w->conf.min_copies = min_copies;
	for (unsigned n = 1; pull_at(w, n); n += step)
		pulls++;
	print_message("min-copies %u: pulled at %u calls\n", min_copies, pulls);
	assert_true(pulls > 5);
}

static void
two_of_three_are_enough_when_one_is_pulled(void **state)
{
	pull_at_each(*state, 2);
}

static void
what_wants_all_three_stays_until_it_is_back(void **state)
{
	pull_at_each(*state, 3);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(two_of_three_are_enough_when_one_is_pulled),
		T(what_wants_all_three_stays_until_it_is_back),
	};

	return cmocka_run_group_tests_name("store_pulled", tests, NULL, NULL);
}
