/* test_places_append.c - a file of a place grows whole or not at all
 * [C3] [C4]. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_sys.h"
#include "fx_tmp.h"
#include "mailsled/places.h"

#define STORE "00112233445566778899aabbccddeeff"

struct world {
	struct fx_tmp tmp;
	struct fx_sys fx;
	struct sled_place place;
	struct sled_err err;
};

static struct world world;

static int
set_up(void **state)
{
	char path[FX_TMP_PATH + 16];

	memset(&world, 0, sizeof(world));
	fx_tmp_make(&world.tmp);
	fx_sys_init(&world.fx, world.tmp.path);
	(void)snprintf(path, sizeof(path), "%s/place", world.tmp.path);
	assert_true(
	    sled_place_probe(&world.place, &world.fx.sys, path, &world.err));
	assert_int_equal(world.place.found, SLED_PLACE_USABLE);
	assert_true(sled_place_mark(&world.place, STORE, &world.err));
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	sled_place_close(&w->place);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
	fx_sys_done(&w->fx);
	fx_tmp_drop(&w->tmp);
	return 0;
}

static bool
append(struct world *w, const char *text, uint64_t at)
{
	struct sled_append append;

	if (!sled_append_begin(&append, &w->place, "home", "file", at, &w->err))
		return false;
	if (sled_append_write(&append, text, strlen(text), &w->err) &&
	    sled_append_patch(&append, "#", 1, at, &w->err) &&
	    sled_append_commit(&append, &w->err))
		return true;
	sled_append_abort(&append);
	return false;
}

static void
assert_file(struct world *w, const char *text)
{
	char is[64] = "";
	size_t len = fx_tmp_read(&w->tmp, "place/home/file", is, sizeof(is));

	if (text == NULL) {
		assert_int_equal(len, SIZE_MAX);
		return;
	}
	assert_int_equal(len, strlen(text));
	assert_memory_equal(is, text, len);
}

static void
test_a_newborn_gets_its_name_last(void **state)
{
	struct world *w = *state;

	fx_sys_log_on(&w->fx);
	assert_true(append(w, "xone", 0));
	assert_file(w, "#one");
	assert_true(fx_sys_before(&w->fx,
	                          "< fdatasync place/home/.file.tmp = 0",
	                          "> renameat place/home/.file.tmp"));
	assert_true(fx_sys_before(&w->fx, "< renameat place/home/.file.tmp",
	                          "> fsync place/home"));
}

static void
test_an_append_is_synced(void **state)
{
	struct world *w = *state;

	assert_true(append(w, "xone", 0));
	fx_sys_log_on(&w->fx);
	assert_true(append(w, "xtwo", 4));
	assert_file(w, "#one#two");
	assert_true(fx_sys_before(&w->fx, "> pwrite place/home/file",
	                          "< fdatasync place/home/file = 0"));
}

static void
test_a_file_of_another_length_is_refused(void **state)
{
	struct world *w = *state;

	assert_true(append(w, "xone", 0));
	assert_false(append(w, "xtwo", 3));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	assert_false(append(w, "xtwo", 0));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	assert_file(w, "#one");
}

static void
test_an_empty_file_is_as_good_as_none(void **state)
{
	struct world *w = *state;

	assert_true(append(w, "xone", 0));
	fx_tmp_write(&w->tmp, "place/home/file", "", 0);
	assert_true(append(w, "xone", 0));
	assert_file(w, "#one");
}

static void
test_an_abort_cuts_back(void **state)
{
	struct world *w = *state;
	struct sled_append grown;

	assert_true(append(w, "xone", 0));
	assert_true(
	    sled_append_begin(&grown, &w->place, "home", "file", 4, &w->err));
	assert_true(sled_append_write(&grown, "two", 3, &w->err));
	assert_false(sled_append_patch(&grown, "x", 1, 3, &w->err));
	assert_false(sled_append_patch(&grown, "x", 1, 7, &w->err));
	sled_append_abort(&grown);
	assert_file(w, "#one");
	assert_false(w->place.out);
	sled_append_undo(&w->place, "home", "file", 2);
	assert_file(w, "#o");
	sled_append_undo(&w->place, "home", "file", 0);
	assert_file(w, NULL);
	assert_false(w->place.out);
}

/* Whatever fails, the file is the old one or the new one; a place where even
 * the cut failed is out. */
static void
test_any_call_may_fail(void **state)
{
	struct world *w = *state;
	unsigned faults = 0;

	assert_true(append(w, "xone", 0));
	for (unsigned n = 1;; n++) {
		bool ok, fired;

		fx_sys_fail(&w->fx, FX_ANY, n, EIO, false);
		ok = append(w, "xtwo", 4);
		fired = fx_sys_fired(&w->fx);
		fx_sys_calm(&w->fx);
		assert_file(w, ok ? "#one#two" : "#one");
		if (!fired)
			break;
		faults++;
		w->place.out = false;
		if (ok)
			sled_append_undo(&w->place, "home", "file", 4);
	}
	assert_true(faults >= 8);
}

static void
test_a_place_with_a_failed_sync_is_not_written_again(void **state)
{
	struct world *w = *state;

	assert_true(append(w, "xone", 0));
	fx_sys_fail(&w->fx, FX_FDATASYNC, 1, EIO, false);
	assert_false(append(w, "xtwo", 4));
	fx_sys_calm(&w->fx);
	assert_file(w, "#one");
	assert_true(w->place.out);
	assert_false(append(w, "xtwo", 4));
	assert_file(w, "#one");
}

static void
test_a_cut_that_cannot_be_made_puts_the_place_out(void **state)
{
	struct world *w = *state;

	assert_true(append(w, "xone", 0));
	fx_sys_fail(&w->fx, FX_PWRITE, 2, ENOSPC, false);
	fx_sys_fail(&w->fx, FX_FTRUNCATE, 1, EIO, true);
	assert_false(append(w, "xtwo", 4));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	assert_true(w->place.out);
	assert_int_equal(w->place.why.kind, SLED_ERR_IO);
}

static void
test_a_full_disk_leaves_the_old_end(void **state)
{
	struct world *w = *state;

	assert_true(append(w, "xone", 0));
	fx_sys_limit(&w->fx, w->place.path, 2);
	assert_false(append(w, "xtwo", 4));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	assert_file(w, "#one");
	assert_false(w->place.out);
	fx_sys_calm(&w->fx);
	assert_true(append(w, "xtwo", 4));
	assert_file(w, "#one#two");
}

static void
test_what_is_set_aside_is_kept_under_a_free_name(void **state)
{
	struct world *w = *state;
	struct sled_buf names = { 0 };
	size_t count = 0;

	for (int i = 0; i < 3; i++) {
		assert_true(append(w, "xonetwo", 0));
		assert_true(sled_place_quarantine_tail(&w->place, "home",
		                                       "file", 4, &w->err));
		assert_file(w, "#one");
		assert_true(
		    sled_place_quarantine(&w->place, "home", "file", &w->err));
		assert_file(w, NULL);
	}
	assert_true(sled_dir_list(&names, &w->fx.sys, w->place.dir,
	                          ".mailsled/quarantine", &w->err));
	for (size_t i = 0; i < names.len; i++)
		count += names.data[i] == '\0';
	assert_int_equal(count, 6);
	sled_buf_free(&names);
}

/* The folder's sync fails: no later one makes that name durable. */
static void
test_a_newborn_whose_name_may_be_lost_puts_the_place_out(void **state)
{
	struct world *w = *state;
	struct sled_append append;

	assert_true(
	    sled_append_begin(&append, &w->place, "home", "file", 0, &w->err));
	assert_true(sled_append_write(&append, "one", 3, &w->err));
	fx_sys_fail(&w->fx, FX_FSYNC, 1, EIO, false);
	assert_false(sled_append_commit(&append, &w->err));
	sled_append_abort(&append);
	assert_file(w, NULL);
	assert_true(w->place.out);
}

static void
test_a_close_that_fails_is_no_success(void **state)
{
	struct world *w = *state;
	struct sled_append append;

	assert_true(
	    sled_append_begin(&append, &w->place, "home", "file", 0, &w->err));
	assert_true(sled_append_write(&append, "one", 3, &w->err));
	fx_sys_fail(&w->fx, FX_CLOSE, 1, EIO, false);
	assert_false(sled_append_commit(&append, &w->err));
	sled_append_abort(&append);
	assert_file(w, NULL);
}

static void
test_what_is_cut_is_cut_on_the_disk(void **state)
{
	struct world *w = *state;

	assert_true(append(w, "xonetwo", 0));
	fx_sys_log_on(&w->fx);
	sled_append_undo(&w->place, "home", "file", 4);
	assert_true(fx_sys_before(&w->fx, "< ftruncate place/home/file",
	                          "> fdatasync place/home/file"));
	fx_sys_log_clear(&w->fx);
	sled_append_undo(&w->place, "home", "file", 0);
	assert_true(fx_sys_before(&w->fx, "< unlinkat place/home/file",
	                          "> fsync place/home"));
	assert_false(w->place.out);
}

static void
test_what_cannot_be_undone_puts_the_place_out(void **state)
{
	struct world *w = *state;

	sled_append_undo(&w->place, "nothing", "file", 0);
	assert_false(w->place.out);
	sled_append_undo(&w->place, "nothing", "file", 4);
	assert_true(w->place.out);
	w->place.out = false;
	assert_true(append(w, "xonetwo", 0));
	fx_sys_fail(&w->fx, FX_FTRUNCATE, 1, EIO, false);
	sled_append_undo(&w->place, "home", "file", 4);
	assert_true(w->place.out);
}

/* The tail and its name are on the disk before the file is cut. */
static void
test_a_tail_is_kept_before_it_is_cut(void **state)
{
	struct world *w = *state;

	assert_true(append(w, "xonetwo", 0));
	fx_sys_log_on(&w->fx);
	assert_true(sled_place_quarantine_tail(&w->place, "home", "file", 4,
	                                       &w->err));
	assert_true(fx_sys_before(&w->fx,
	                          "< fdatasync place/.mailsled/quarantine/",
	                          "> fsync place/.mailsled/quarantine"));
	assert_true(fx_sys_before(&w->fx,
	                          "< fsync place/.mailsled/quarantine = 0",
	                          "> ftruncate place/home/file"));
	fx_sys_log_clear(&w->fx);
	assert_true(
	    sled_place_quarantine(&w->place, "home", "file", &w->err));
	assert_true(fx_sys_before(&w->fx, "< renameat place/home/file",
	                          "> fsync place/.mailsled/quarantine"));
}

static void
test_a_tail_that_cannot_be_kept_is_not_cut(void **state)
{
	static const enum fx_call calls[] = { FX_PWRITE, FX_FDATASYNC,
		                              FX_MKDIRAT };
	struct world *w = *state;

	assert_true(append(w, "xonetwo", 0));
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		fx_sys_fail(&w->fx, calls[i], 1, ENOSPC, false);
		assert_false(sled_place_quarantine_tail(&w->place, "home",
		                                        "file", 4, &w->err));
		assert_true(fx_sys_fired(&w->fx));
		fx_sys_calm(&w->fx);
		assert_file(w, "#onetwo");
		assert_false(w->place.out);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_newborn_gets_its_name_last),
		TEST(test_an_append_is_synced),
		TEST(test_a_file_of_another_length_is_refused),
		TEST(test_an_empty_file_is_as_good_as_none),
		TEST(test_an_abort_cuts_back),
		TEST(test_any_call_may_fail),
		TEST(test_a_place_with_a_failed_sync_is_not_written_again),
		TEST(test_a_cut_that_cannot_be_made_puts_the_place_out),
		TEST(test_a_full_disk_leaves_the_old_end),
		TEST(test_what_is_set_aside_is_kept_under_a_free_name),
		TEST(test_a_newborn_whose_name_may_be_lost_puts_the_place_out),
		TEST(test_a_close_that_fails_is_no_success),
		TEST(test_what_is_cut_is_cut_on_the_disk),
		TEST(test_what_cannot_be_undone_puts_the_place_out),
		TEST(test_a_tail_is_kept_before_it_is_cut),
		TEST(test_a_tail_that_cannot_be_kept_is_not_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
