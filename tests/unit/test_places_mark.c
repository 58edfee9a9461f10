/* test_places_mark.c - what lies at a path, and whether it may be written. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
	memset(&world, 0, sizeof(world));
	fx_tmp_make(&world.tmp);
	fx_sys_init(&world.fx, world.tmp.path);
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

static enum sled_place_found
probe(struct world *w, const char *name)
{
	char path[FX_TMP_PATH + 64];

	sled_place_close(&w->place);
	(void)snprintf(path, sizeof(path), "%s%s%s",
	               name[0] == '/' ? "" : w->tmp.path,
	               name[0] == '/' ? "" : "/", name);
	assert_true(sled_place_probe(&w->place, &w->fx.sys, path, &w->err));
	return w->place.found;
}

static void
make(struct world *w, const char *folder)
{
	assert_int_equal(mkdirat(w->tmp.dir, folder, 0755), 0);
}

static void
test_nothing_or_an_empty_folder_is_usable(void **state)
{
	struct world *w = *state;

	assert_int_equal(probe(w, "a"), SLED_PLACE_USABLE);
	assert_true(w->place.disk != 0);
	make(w, "a");
	assert_int_equal(probe(w, "a"), SLED_PLACE_USABLE);
	make(w, "a/lost+found");
	assert_int_equal(probe(w, "a"), SLED_PLACE_USABLE);
	assert_int_equal(probe(w, "b/c"), SLED_PLACE_MISSING);
}

static void
test_a_folder_with_anything_else_is_unmarked(void **state)
{
	struct world *w = *state;

	make(w, "a");
	fx_tmp_write(&w->tmp, "a/photo", "x", 1);
	assert_int_equal(probe(w, "a"), SLED_PLACE_UNMARKED);
	assert_int_equal(w->place.dir, -1);
}

static void
test_a_file_or_a_foreign_mark_is_broken(void **state)
{
	struct world *w = *state;

	fx_tmp_write(&w->tmp, "file", "x", 1);
	assert_int_equal(probe(w, "file"), SLED_PLACE_BROKEN);
	make(w, "a");
	fx_tmp_write(&w->tmp, "a/COPY.txt", "place: 12\n", 10);
	assert_int_equal(probe(w, "a"), SLED_PLACE_BROKEN);
	assert_int_equal(w->place.why.kind, SLED_ERR_DAMAGED);
	assert_int_equal(w->place.dir, -1);
	assert_string_equal(w->place.id, "");
}

static void
test_a_folder_that_cannot_be_read_is_broken_not_empty(void **state)
{
	struct world *w = *state;

	make(w, "a");
	fx_sys_fail(&w->fx, FX_OPENAT, 3, EIO, false); /* COPY.txt */
	assert_int_equal(probe(w, "a"), SLED_PLACE_BROKEN);
	fx_sys_calm(&w->fx);
	assert_int_equal(w->place.why.kind, SLED_ERR_IO);
}

/* One of the folders where disks are mounted, without a disk below it. */
static const char *
bare_root(void)
{
	static const char *const roots[] = { "/mnt", "/media", "/run/media" };
	char command[64];

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		(void)snprintf(command, sizeof(command),
		               "grep -q ' %s' /proc/self/mounts", roots[i]);
		if (access(roots[i], F_OK) == 0 && system(command) != 0)
			return roots[i];
	}
	return NULL;
}

/* Nothing is made there: the disk is not mounted. */
static void
test_below_mnt_something_must_be_mounted(void **state)
{
	struct world *w = *state;
	const char *root = bare_root();
	char path[64];

	if (root == NULL)
		skip();
	(void)snprintf(path, sizeof(path), "%s/mailsled-is-not-there", root);
	assert_int_equal(probe(w, path), SLED_PLACE_UNMOUNTED);
}

/* As the mount point of a stick that is not plugged in: an empty folder. */
static void
test_a_mount_point_without_its_disk_is_not_used(void **state)
{
	struct world *w = *state;
	const char *root = bare_root();

	if (root == NULL || probe(w, root) == SLED_PLACE_UNMARKED)
		skip(); /* there is something in it */
	assert_int_equal(w->place.found, SLED_PLACE_UNMOUNTED);
}

static void
test_a_mark_names_place_and_store(void **state)
{
	struct world *w = *state;
	char id[SLED_PLACE_ID];

	assert_int_equal(probe(w, "a"), SLED_PLACE_USABLE);
	assert_true(sled_place_mark(&w->place, STORE, &w->err));
	assert_int_equal(strlen(w->place.id), 32);
	memcpy(id, w->place.id, sizeof(id));
	assert_int_equal(probe(w, "a"), SLED_PLACE_MARKED);
	assert_string_equal(w->place.id, id);
	assert_string_equal(w->place.store, STORE);
	assert_true(w->place.dir != -1);
}

static void
test_a_mark_comes_last_and_is_durable(void **state)
{
	struct world *w = *state;

	assert_int_equal(probe(w, "a"), SLED_PLACE_USABLE);
	fx_sys_log_on(&w->fx);
	assert_true(sled_place_mark(&w->place, STORE, &w->err));
	assert_true(fx_sys_before(&w->fx, "< fsync . = 0", "STORE.txt"));
	assert_true(fx_sys_before(&w->fx, "< renameat a/STORE.txt.tmp",
	                          "> renameat a/COPY.txt.tmp"));
}

static void
test_a_marking_that_was_cut_off_is_no_mark(void **state)
{
	struct world *w = *state;
	unsigned faults = 0;

	for (unsigned n = 1;; n++) {
		bool ok, fired;

		assert_int_equal(probe(w, "a"), SLED_PLACE_USABLE);
		fx_sys_fail(&w->fx, FX_ANY, n, ENOSPC, true);
		ok = sled_place_mark(&w->place, STORE, &w->err);
		fired = fx_sys_fired(&w->fx);
		fx_sys_calm(&w->fx);
		if (!fired) {
			assert_true(ok);
			break;
		}
		faults++;
		if (probe(w, "a") == SLED_PLACE_MARKED)
			assert_string_equal(w->place.store, STORE);
		sled_place_close(&w->place);
		fx_tmp_empty(&w->tmp);
	}
	assert_true(faults > 10);
}

static void
test_a_place_remembers_what_it_was_told(void **state)
{
	struct world *w = *state;
	const char knows[] = STORE " /media/usb%20stick\n";
	unsigned calls;

	assert_int_equal(probe(w, "a"), SLED_PLACE_USABLE);
	assert_true(sled_place_mark(&w->place, STORE, &w->err));
	assert_true(sled_place_tell(
	    &w->place, (struct sled_span){ knows, sizeof(knows) - 1 },
	    &w->err));
	assert_int_equal(probe(w, "a"), SLED_PLACE_MARKED);
	assert_string_equal(w->place.knows.data, knows);
	calls = fx_sys_count(&w->fx, FX_PWRITE);
	assert_true(sled_place_tell(
	    &w->place, (struct sled_span){ knows, sizeof(knows) - 1 },
	    &w->err));
	assert_int_equal(fx_sys_count(&w->fx, FX_PWRITE), calls);
}

static void
test_an_id_is_32_digits_and_no_more(void **state)
{
	static const char *const marks[] = {
		"place: " STORE "0\nstore: " STORE "\n",
		"place: " STORE "\nstore: " STORE " \n",
		"place: " STORE "\nstore: g" STORE "\n",
		"replace: " STORE "\nstore: " STORE "\n",
	};
	struct world *w = *state;

	make(w, "a");
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		fx_tmp_write(&w->tmp, "a/COPY.txt", marks[i],
		             strlen(marks[i]));
		assert_int_equal(probe(w, "a"), SLED_PLACE_BROKEN);
		assert_string_equal(w->place.id, "");
	}
}

/* As a bind mount is: another path, and the same folder. */
static void
test_one_folder_by_two_paths_overlaps(void **state)
{
	struct world *w = *state;
	struct sled_place a = { .path = w->tmp.path, .dev = 7, .ino = 9 };
	struct sled_place b = { .path = "/proc", .dev = 7, .ino = 9 };

	assert_true(sled_place_overlap(&a, &b));
	b.ino = 8;
	assert_false(sled_place_overlap(&a, &b));
	a.ino = b.ino = 0; /* neither is there */
	assert_false(sled_place_overlap(&a, &b));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nothing_or_an_empty_folder_is_usable),
		TEST(test_a_folder_with_anything_else_is_unmarked),
		TEST(test_a_file_or_a_foreign_mark_is_broken),
		TEST(test_a_folder_that_cannot_be_read_is_broken_not_empty),
		TEST(test_below_mnt_something_must_be_mounted),
		TEST(test_a_mount_point_without_its_disk_is_not_used),
		TEST(test_a_mark_names_place_and_store),
		TEST(test_a_mark_comes_last_and_is_durable),
		TEST(test_a_marking_that_was_cut_off_is_no_mark),
		TEST(test_a_place_remembers_what_it_was_told),
		TEST(test_an_id_is_32_digits_and_no_more),
		TEST(test_one_folder_by_two_paths_overlaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
