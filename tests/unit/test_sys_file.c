/* test_sys_file.c - whole reads, whole writes, durable steps. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_sys.h"
#include "fx_tmp.h"
#include "mailsled/file.h"

struct world {
	struct fx_tmp tmp;
	struct fx_sys fx;
	struct sled_err err;
};

static struct world world;

static int
set_up(void **state)
{
	fx_tmp_make(&world.tmp);
	fx_sys_init(&world.fx, world.tmp.path);
	world.err = (struct sled_err){ 0 };
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	fx_sys_done(&w->fx);
	fx_tmp_drop(&w->tmp);
	return 0;
}

static struct sled_span
span(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

static void
test_short_and_interrupted_calls_are_carried_on_with(void **state)
{
	static const enum fx_call calls[] = { FX_OPENAT, FX_PWRITE, FX_PREAD,
		                              FX_FDATASYNC, FX_FTRUNCATE };
	struct world *w = *state;
	struct sled_file file;
	char data[1000], back[1000];
	uint64_t size = 0;
	size_t got = 0;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		fx_sys_fail(&w->fx, calls[i], 1, EINTR, false);
	fx_sys_short(&w->fx, 7, 11);
	assert_true(sled_file_open(&file, &w->fx.sys, w->tmp.dir, "f",
	                           O_RDWR | O_CREAT, 0600, &w->err));
	assert_true(sled_file_write(&file, data, 1000, 5, &w->err));
	assert_true(sled_file_sync(&file, &w->err));
	assert_true(sled_file_read(&file, back, 1000, 5, &got, &w->err));
	assert_int_equal(got, 1000);
	assert_memory_equal(back, data, 1000);
	assert_true(sled_file_read(&file, back, 1000, 905, &got, &w->err));
	assert_int_equal(got, 100);
	assert_true(sled_file_size(&file, &size, &w->err));
	assert_int_equal(size, 1005);
	assert_true(sled_file_truncate(&file, 3, &w->err));
	assert_true(sled_file_size(&file, &size, &w->err));
	assert_int_equal(size, 3);
	assert_true(sled_file_close(&file, &w->err));
	assert_true(sled_file_close(&file, &w->err)); /* closed is fine */
	fx_sys_fail(&w->fx, FX_FSYNC, 1, EINTR, false);
	assert_true(sled_dir_sync(&w->fx.sys, w->tmp.dir, "f", &w->err));
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static ssize_t
write_nothing(void *ctx, int fd, const void *data, size_t len, off_t at)
{
	(void)ctx, (void)fd, (void)data, (void)len, (void)at;
	return 0;
}

static void
test_a_write_that_moves_nothing_fails(void **state)
{
	struct world *w = *state;
	struct sled_sys sys = *sled_sys_posix();
	struct sled_file file;

	sys.pwrite = write_nothing;
	assert_true(sled_file_open(&file, &sys, w->tmp.dir, "f",
	                           O_RDWR | O_CREAT, 0600, &w->err));
	assert_false(sled_file_write(&file, "x", 1, 0, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_IO);
	assert_true(sled_file_write(&file, "", 0, 0, &w->err));
	sled_file_drop(&file);
}

static void
test_each_failure_names_the_file_and_its_cause(void **state)
{
	struct world *w = *state;
	struct sled_file file;
	uint64_t size;
	size_t got;
	char byte;

	assert_false(sled_file_open(&file, &w->fx.sys, w->tmp.dir, "none",
	                            O_RDONLY, 0, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_MISSING);
	assert_string_equal(w->err.text,
	                    "open none: No such file or directory");
	assert_true(sled_file_open(&file, &w->fx.sys, w->tmp.dir, "f",
	                           O_RDWR | O_CREAT, 0600, &w->err));
	fx_sys_fail(&w->fx, FX_ANY, 1, ENOSPC, true);
	assert_false(sled_file_write(&file, "x", 1, 0, &w->err));
	assert_string_equal(w->err.text, "write f: No space left on device");
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	fx_sys_calm(&w->fx);
	fx_sys_fail(&w->fx, FX_ANY, 1, EIO, true);
	assert_false(sled_file_read(&file, &byte, 1, 0, &got, &w->err));
	assert_string_equal(w->err.text, "read f: Input/output error");
	assert_false(sled_file_sync(&file, &w->err));
	assert_string_equal(w->err.text, "sync f: Input/output error");
	assert_false(sled_file_size(&file, &size, &w->err));
	assert_false(sled_file_truncate(&file, 0, &w->err));
	assert_false(sled_file_close(&file, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_IO);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static void
test_slurp_takes_a_small_file_whole_and_no_larger_one(void **state)
{
	struct world *w = *state;
	struct sled_buf out = { 0 };

	fx_tmp_write(&w->tmp, "f", "12345", 5);
	fx_tmp_write(&w->tmp, "empty", "", 0);
	assert_true(sled_buf_addstr(&out, "a", &w->err));
	assert_true(
	    sled_file_slurp(&out, &w->fx.sys, w->tmp.dir, "f", 5, &w->err));
	assert_true(
	    sled_file_slurp(&out, &w->fx.sys, w->tmp.dir, "empty", 0, &w->err));
	assert_string_equal(out.data, "a12345");
	assert_false(
	    sled_file_slurp(&out, &w->fx.sys, w->tmp.dir, "f", 4, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_DAMAGED);
	assert_false(
	    sled_file_slurp(&out, &w->fx.sys, w->tmp.dir, "none", 4, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_MISSING);
	assert_string_equal(out.data, "a12345");
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
	sled_buf_free(&out);
}

/* The file holds OLD or NEW, and nothing between; which one? */
static bool
is_new(struct world *w)
{
	char data[64] = "";
	size_t len = fx_tmp_read(&w->tmp, "f", data, sizeof(data) - 1);

	assert_int_equal(len, strlen(data));
	if (strcmp(data, "the new text, longer") == 0)
		return true;
	assert_string_equal(data, "the old text");
	return false;
}

static void
test_replace_leaves_old_or_new_at_each_fault(void **state)
{
	static const int errors[] = { EIO, ENOSPC };
	struct world *w = *state;
	unsigned points = 0;

	for (size_t e = 0; e < 2; e++)
		for (unsigned n = 1;; n++) {
			struct stat st;
			bool ok;

			fx_tmp_write(&w->tmp, "f", "the old text", 12);
			fx_tmp_write(&w->tmp, "f.tmp", "rest of a kill", 14);
			fx_sys_calm(&w->fx);
			fx_sys_short(&w->fx, 0, 7);
			fx_sys_fail(&w->fx, FX_ANY, n, errors[e], false);
			ok = sled_file_replace(
			    &w->fx.sys, w->tmp.dir, "f", 0600,
			    span("the new text, longer"), &w->err);
			assert_int_equal(ok, !fx_sys_fired(&w->fx));
			if (is_new(w) != ok)
				assert_false(ok); /* renamed, not synced */
			assert_int_equal(fx_sys_open_fds(&w->fx), 0);
			if (n > 1) /* the leftover could be removed */
				assert_int_equal(
				    fstatat(w->tmp.dir, "f.tmp", &st, 0), -1);
			if (ok)
				break;
			points++;
		}
	assert_true(points >= 2 * 8);
}

static void
test_replace_syncs_the_bytes_then_the_name_then_the_folder(void **state)
{
	struct world *w = *state;

	fx_sys_log_on(&w->fx);
	assert_true(sled_file_replace(&w->fx.sys, w->tmp.dir, "f", 0600,
	                              span("x"), &w->err));
	assert_true(
	    fx_sys_before(&w->fx, "< fdatasync f.tmp = 0", "> renameat f.tmp"));
	assert_true(
	    fx_sys_before(&w->fx, "< close f.tmp = 0", "> renameat f.tmp"));
	assert_true(fx_sys_before(&w->fx, "< renameat f.tmp", "> fsync ."));
}

static void
test_replace_takes_no_mode_and_no_link_from_a_leftover(void **state)
{
	struct world *w = *state;
	struct stat st;
	char data[16] = "";

	fx_tmp_write(&w->tmp, "victim", "safe", 4);
	fx_tmp_write(&w->tmp, "f.tmp", "x", 1);
	assert_int_equal(fchmodat(w->tmp.dir, "f.tmp", 0666, 0), 0);
	assert_true(sled_file_replace(&w->fx.sys, w->tmp.dir, "f", 0600,
	                              span("secret"), &w->err));
	assert_int_equal(fstatat(w->tmp.dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(symlinkat("victim", w->tmp.dir, "f.tmp"), 0);
	assert_true(sled_file_replace(&w->fx.sys, w->tmp.dir, "f", 0600,
	                              span("secret"), &w->err));
	assert_int_equal(fx_tmp_read(&w->tmp, "victim", data, 15), 4);
	assert_string_equal(data, "safe");
}

static void
test_replace_refuses_a_name_without_room(void **state)
{
	struct world *w = *state;
	char name[400];

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_false(sled_file_replace(&w->fx.sys, w->tmp.dir, name, 0600,
	                               span("x"), &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_INTERNAL);
	assert_int_equal(fx_sys_count(&w->fx, FX_ANY), 0);
}

static void
test_a_made_folder_is_durable_even_when_it_was_there(void **state)
{
	struct world *w = *state;

	assert_true(sled_dir_make(&w->fx.sys, w->tmp.dir, "d", 0700, &w->err));
	assert_int_equal(fx_sys_count(&w->fx, FX_FSYNC), 1);
	assert_true(sled_dir_make(&w->fx.sys, w->tmp.dir, "d", 0700, &w->err));
	assert_int_equal(fx_sys_count(&w->fx, FX_FSYNC), 2);
	fx_sys_fail(&w->fx, FX_FSYNC, 1, EIO, false);
	assert_false(sled_dir_make(&w->fx.sys, w->tmp.dir, "e", 0700, &w->err));
	/* Another sync would not hold it: it is made anew by the next try. */
	assert_int_equal(faccessat(w->tmp.dir, "e", F_OK, 0), -1);
	fx_sys_calm(&w->fx);
	fx_sys_fail(&w->fx, FX_FSYNC, 1, EIO, false);
	assert_false(sled_dir_make(&w->fx.sys, w->tmp.dir, "d", 0700, &w->err));
	assert_int_equal(faccessat(w->tmp.dir, "d", F_OK, 0), 0);
	fx_sys_fail(&w->fx, FX_MKDIRAT, 1, EACCES, false);
	assert_false(sled_dir_make(&w->fx.sys, w->tmp.dir, "g", 0700, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
}

static void
test_a_folder_that_cannot_be_synced_is_with_its_file_system(void **state)
{
	struct world *w = *state;

	fx_sys_fail(&w->fx, FX_FSYNC, 1, EINVAL, true);
	assert_true(sled_dir_sync(&w->fx.sys, w->tmp.dir, "d", &w->err));
	assert_int_equal(fx_sys_count(&w->fx, FX_SYNCFS), 1);
	fx_sys_fail(&w->fx, FX_SYNCFS, 1, EIO, false);
	assert_false(sled_dir_sync(&w->fx.sys, w->tmp.dir, "d", &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_IO);
}

static void
test_a_list_is_sorted_and_whole(void **state)
{
	struct world *w = *state;
	struct sled_buf out = { 0 };
	unsigned before = fx_tmp_open_fds();
	static const char *const names[] = { "b",       "a.b", "a",
		                             ".hidden", "A",   "a-" };

	for (size_t i = 0; i < 6; i++)
		fx_tmp_write(&w->tmp, names[i], "", 0);
	assert_int_equal(mkdirat(w->tmp.dir, "sub", 0700), 0);
	assert_true(sled_buf_addstr(&out, "zz", &w->err));
	assert_true(sled_dir_list(&out, &w->fx.sys, w->tmp.dir, ".", &w->err));
	assert_int_equal(out.len, 27);
	assert_memory_equal(out.data, "zz.hidden\0A\0a\0a-\0a.b\0b\0sub\0", 27);
	assert_int_equal(fx_tmp_open_fds(), before);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
	sled_buf_free(&out);
	assert_true(
	    sled_dir_list(&out, &w->fx.sys, w->tmp.dir, "sub", &w->err));
	assert_int_equal(out.len, 0);
	assert_false(
	    sled_dir_list(&out, &w->fx.sys, w->tmp.dir, "none", &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_MISSING);
	assert_false(sled_dir_list(&out, &w->fx.sys, w->tmp.dir, "a", &w->err));
	sled_buf_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_short_and_interrupted_calls_are_carried_on_with),
		TEST(test_a_write_that_moves_nothing_fails),
		TEST(test_each_failure_names_the_file_and_its_cause),
		TEST(test_slurp_takes_a_small_file_whole_and_no_larger_one),
		TEST(test_replace_leaves_old_or_new_at_each_fault),
		TEST(
		    test_replace_syncs_the_bytes_then_the_name_then_the_folder),
		TEST(test_replace_takes_no_mode_and_no_link_from_a_leftover),
		TEST(test_replace_refuses_a_name_without_room),
		TEST(test_a_made_folder_is_durable_even_when_it_was_there),
		TEST(
		    test_a_folder_that_cannot_be_synced_is_with_its_file_system),
		TEST(test_a_list_is_sorted_and_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
