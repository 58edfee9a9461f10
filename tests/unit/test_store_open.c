/* test_store_open.c - which places are made, written, counted, refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_store.h"

static const struct fx_mail mails[] = {
	{ "u1", 100, 1 }, { "u2", 3000, 2 }, { "u3", 0, 3 }
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

static void
test_a_visit_ends_in_both_places(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, mails, 3, 10, true))
		fail_msg("%s", v.err.text);
	assert_int_equal(v.fetched, 3);
	assert_int_equal(v.deleted, 3);
	assert_store_has(w, mails, 3);
	assert_store_verifies(w);
	assert_place_has(w->path, mails, 3, NULL);
	assert_place_has(w->copy[0], mails, 3, NULL);
	assert_place_untars(w, w->path, mails, 3);
	assert_place_untars(w, w->copy[0], mails, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_visit_ends_in_both_places, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
