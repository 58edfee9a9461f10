/* test_store_silent.c - a place that never answers holds up nothing else. */
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_store.h"

/* A disk that hangs in the kernel: whoever opens it waits for the gate. */
struct hung {
	char path[FX_STORE_PATH];
	int gate; /* readable: it answers again */
};

/* The thread that waits there outlives its test. */
static struct hung hung = { "", -1 };
static struct sled_sys hung_sys;

static int
hung_openat(void *ctx, int dir, const char *name, int flags, mode_t mode)
{
	struct pollfd gate = { .fd = hung.gate, .events = POLLIN };

	(void)ctx;
	if (strcmp(name, hung.path) == 0)
		(void)poll(&gate, 1, -1);
	return openat(dir, name, flags | O_CLOEXEC, mode);
}

static void
a_silent_place_is_absent_and_the_rest_can_be_read(void **state)
{
	const struct fx_mail mail = { "a", 400, 1 };
	struct fx_store w;
	struct fx_visit v;
	struct sled_place_status status;
	struct sled_store *store = NULL;
	struct sled_err err = { 0 };
	int gate[2];

	(void)state;
	fx_store_make(&w, 1);
	fx_store_open(&w);
	assert_true(fx_visit_run(&v, &w, &mail, 1, 1, false));
	fx_store_close(&w);
	assert_int_equal(pipe2(gate, O_CLOEXEC), 0);
	(void)snprintf(hung.path, sizeof(hung.path), "%s", w.copy[0]);
	hung.gate = gate[0];
	hung_sys = *sled_sys_posix();
	hung_sys.openat = hung_openat;
	assert_true(
	    sled_store_open(&store, &hung_sys, &w.conf, SLED_STORE_READ, &err));
	assert_true(sled_store_place(store, 1, &status, &err));
	assert_false(status.present);
	assert_non_null(strstr(status.why, "has not answered"));
	assert_true(sled_store_place(store, 0, &status, &err));
	assert_true(status.present);
	sled_store_close(&store);
	assert_int_equal(write(gate[1], "x", 1), 1);
	fx_store_drop(&w);
	(void)close(gate[1]); /* the other end may be waited on still */
}

/* Two copies that each wait for the other: one after the other, neither would
 * be done. */
struct meeting {
	atomic_bool here[2];
	atomic_uint alone; /* how often the other did not come */
};

static struct meeting meeting;

/* Which copy FD lies in, or -1. */
static int
copy_of(int fd)
{
	char link[64], path[512] = "";
	const char *at;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) <= 0)
		return -1;
	at = strstr(path, "/copy");
	return at == NULL || strstr(at, "/home/") == NULL ? -1 : at[5] - '1';
}

static int
meeting_fdatasync(void *ctx, int fd)
{
	int which = copy_of(fd), left = 20000;

	(void)ctx;
	if (which == 0 || which == 1) {
		atomic_store(&meeting.here[which], true);
		while (!atomic_load(&meeting.here[1 - which]) && left-- > 0)
			(void)poll(NULL, 0, 1);
		if (left <= 0)
			atomic_fetch_add(&meeting.alone, 1);
	}
	return fdatasync(fd);
}

static void
a_slow_copy_does_not_hold_up_another(void **state)
{
	const struct fx_mail mail = { "a", 400, 1 };
	struct fx_store w;
	struct fx_visit v;

	(void)state;
	fx_store_make(&w, 2);
	w.fx.sys.fdatasync = meeting_fdatasync;
	fx_store_open(&w);
	assert_true(fx_visit_run(&v, &w, &mail, 1, 1, true));
	assert_int_equal(v.deleted, 1);
	fx_store_close(&w);
	assert_true(meeting.here[0] && meeting.here[1]);
	assert_int_equal(meeting.alone, 0);
	fx_store_drop(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_silent_place_is_absent_and_the_rest_can_be_read),
		cmocka_unit_test(a_slow_copy_does_not_hold_up_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
