/* test_control_notify.c - a service manager hears what it wants to hear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_tmp.h"
#include "mailsled/control.h"

/* A manager's socket at NAME, '@' for the abstract name space. */
static int
listen_at(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd != -1 && len < sizeof(at.sun_path));
	memcpy(at.sun_path, name, len);
	if (name[0] == '@')
		at.sun_path[0] = '\0';
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&at,
	         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
	                     (name[0] == '@' ? 0 : 1))),
	    0);
	return fd;
}

static void
hears(int fd, const char *text)
{
	char got[256] = "";
	ssize_t len = recv(fd, got, sizeof(got) - 1, 0);

	assert_int_equal(len, strlen(text));
	assert_string_equal(got, text);
	assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
}

static void
a_socket_in_a_folder_hears_each_state(void **state)
{
	char name[FX_TMP_PATH + 16];
	struct fx_tmp tmp;
	unsigned before;
	int fd;

	(void)state;
	fx_tmp_make(&tmp);
	(void)snprintf(name, sizeof(name), "%s/notify", tmp.path);
	fd = listen_at(name);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	before = fx_tmp_open_fds();
	sled_notify("READY=1\nSTATUS=waiting");
	hears(fd, "READY=1\nSTATUS=waiting");
	sled_notify("WATCHDOG=1");
	hears(fd, "WATCHDOG=1");
	assert_int_equal(fx_tmp_open_fds(), before);
	(void)close(fd);
	/* The manager is gone. */
	sled_notify("STOPPING=1");
	assert_int_equal(fx_tmp_open_fds(), before - 1);
	fx_tmp_drop(&tmp);
}

static void
an_abstract_socket_hears_too(void **state)
{
	char name[64];
	int fd;

	(void)state;
	(void)snprintf(name, sizeof(name), "@mailsled-test-%ld",
	               (long)getpid());
	fd = listen_at(name);
	assert_int_equal(setenv("NOTIFY_SOCKET", name, 1), 0);
	sled_notify("STOPPING=1");
	hears(fd, "STOPPING=1");
	(void)close(fd);
}

static void
without_a_manager_nothing_happens(void **state)
{
	static const char *const odd[] = { "", "/", "@", "relative",
		                           "vsock:2:1" };
	char longest[200];

	(void)state;
	(void)unsetenv("NOTIFY_SOCKET");
	sled_notify("READY=1");
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		assert_int_equal(setenv("NOTIFY_SOCKET", odd[i], 1), 0);
		sled_notify("READY=1");
	}
	memset(longest, '/', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(setenv("NOTIFY_SOCKET", longest, 1), 0);
	sled_notify("READY=1");
	(void)unsetenv("NOTIFY_SOCKET");
}

static uint64_t
watchdog(const char *usec, const char *pid)
{
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
	if (usec != NULL)
		assert_int_equal(setenv("WATCHDOG_USEC", usec, 1), 0);
	if (pid != NULL)
		assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
	return sled_notify_watchdog_ms();
}

static void
the_watchdog_is_heard_thrice_in_its_time(void **state)
{
	char me[24], other[24];

	(void)state;
	(void)snprintf(me, sizeof(me), "%ld", (long)getpid());
	(void)snprintf(other, sizeof(other), "%ld", (long)getppid());
	assert_int_equal(watchdog("30000000", NULL), 10000);
	assert_int_equal(watchdog("30000000", me), 10000);
	assert_int_equal(watchdog("100", me), 1);
	assert_int_equal(watchdog("30000000", other), 0);
	assert_int_equal(watchdog("30000000", "x"), 0);
	assert_int_equal(watchdog("0", me), 0);
	assert_int_equal(watchdog("-5", me), 0);
	assert_int_equal(watchdog(NULL, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_in_a_folder_hears_each_state),
		cmocka_unit_test(an_abstract_socket_hears_too),
		cmocka_unit_test(without_a_manager_nothing_happens),
		cmocka_unit_test(the_watchdog_is_heard_thrice_in_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
