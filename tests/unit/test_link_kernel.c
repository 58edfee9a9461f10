/*
 * test_link_kernel.c - real interfaces in a network of the test's own come and
 * go, and are told of in time, once for each burst. Where this user may have
 * no such network, all of it is skipped.
 */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "mailsled/clock.h"
#include "mailsled/link.h"

#define QUIET_MS (SLED_LINK_SETTLE_MS + 500)
#define BAR_MS   3000 /* from the route to the visit */

struct world {
	struct sled_loop *loop;
	struct sled_links *links;
	struct sled_timer *timer;
	int calls;
	bool stop_at_call;
};

/* ---- a network ---- */

static bool
put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok =
	    fd != -1 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd != -1)
		(void)close(fd);
	return ok;
}

/* Root of a user namespace, when not root already. */
static bool
enter(void)
{
	char uids[64], gids[64];

	(void)snprintf(uids, sizeof(uids), "0 %u 1", (unsigned)geteuid());
	(void)snprintf(gids, sizeof(gids), "0 %u 1", (unsigned)getegid());
	if (geteuid() == 0)
		return unshare(CLONE_NEWNET) == 0;
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
	       put("/proc/self/setgroups", "deny") &&
	       put("/proc/self/uid_map", uids) &&
	       put("/proc/self/gid_map", gids);
}

static bool
try_sh(const char *text)
{
	return system(text) == 0;
}

static void
sh(const char *text)
{
	assert_true(try_sh(text));
}

static bool
has_six(void)
{
	return put("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0");
}

/* A carrier is there at once; that it counts is the work of a kernel's thread,
 * which may be late on a machine that is busy. */
static void
until_it_runs(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ask = { .ifr_flags = 0 };

	assert_int_not_equal(fd, -1);
	(void)snprintf(ask.ifr_name, sizeof(ask.ifr_name), "%s", name);
	do {
		(void)sched_yield();
		assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ask), 0);
	} while ((ask.ifr_flags & IFF_RUNNING) == 0);
	(void)close(fd);
}

/* ---- watching it ---- */

static void
on_changed(void *ctx)
{
	struct world *world = ctx;

	world->calls++;
	if (world->stop_at_call)
		sled_loop_stop(world->loop);
}

static void
on_timer(void *ctx)
{
	struct world *world = ctx;

	sled_loop_stop(world->loop);
}

/* w0 is a link's interface, w1 its far end: down, it takes the carrier. */
static int
setup(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	struct sled_err err = { 0 };

	assert_non_null(world);
	sh("ip link add w0 type veth peer name w1");
	sh("ip addr add 192.0.2.2/24 dev w0; ip link set w1 up");
	assert_true(sled_loop_new(&world->loop, &err));
	assert_true(
	    sled_timer_new(&world->timer, world->loop, on_timer, world, &err));
	assert_true(sled_links_new(&world->links, world->loop, on_changed,
	                           world, &err));
	*state = world;
	return 0;
}

static int
teardown(void **state)
{
	struct world *world = *state;

	sled_links_free(&world->links);
	sled_links_free(&world->links);
	sled_timer_free(&world->timer);
	sled_loop_free(&world->loop);
	free(world);
	return try_sh("ip link del w0 2>/dev/null || true") ? 0 : -1;
}

/* Until CHANGED; how long it took. */
static int64_t
until_changed(struct world *world)
{
	int64_t began = sled_clock_ms();

	sled_timer_stop(world->timer);
	world->stop_at_call = true;
	world->calls = 0;
	sled_loop_run(world->loop);
	assert_int_equal(world->calls, 1);
	return sled_clock_ms() - began;
}

/* How often CHANGED is called in that time. */
static int
calls_for(struct world *world, uint64_t ms)
{
	world->stop_at_call = false;
	world->calls = 0;
	sled_timer_start(world->timer, ms);
	sled_loop_run(world->loop);
	return world->calls;
}

/* The names of those that are up, a blank between. */
static void
ups_are(const struct world *world, const char *want)
{
	char text[256] = "";
	size_t len;
	const struct sled_link *up = sled_links_up(world->links, &len);

	for (size_t i = 0; i < len; i++) {
		(void)strcat(text, i > 0 ? " " : "");
		(void)strcat(text, up[i].name);
	}
	assert_string_equal(text, want);
}

static const struct sled_link *
first(const struct world *world)
{
	size_t len;
	const struct sled_link *up = sled_links_up(world->links, &len);

	assert_true(len > 0);
	return up;
}

#define UP "ip link set w0 up; ip route replace default via 192.0.2.1"

/* ---- tests ---- */

static void
a_link_is_told_within_the_bar_after_its_route(void **state)
{
	struct world *world = *state;
	int64_t took;

	ups_are(world, "");
	sh("ip link set w0 up");
	assert_int_equal(calls_for(world, QUIET_MS), 0); /* no route yet */
	ups_are(world, "");
	sh("ip route add default via 192.0.2.1 metric 7");
	took = until_changed(world);
	assert_true(took >= SLED_LINK_SETTLE_MS);
	assert_true(took <= BAR_MS);
	ups_are(world, "w0");
	assert_true(first(world)->ipv4);
	assert_false(first(world)->ipv6);
	assert_int_equal(first(world)->metric, 7);
	sh("ip link set w0 down");
	assert_true(until_changed(world) <= BAR_MS);
	ups_are(world, "");
}

static void
a_lost_carrier_is_a_link_down(void **state)
{
	struct world *world = *state;
	uint64_t before;

	sh(UP);
	(void)until_changed(world);
	before = first(world)->changes;
	sh("ip link set w1 down"); /* its route stays in the table */
	(void)until_changed(world);
	ups_are(world, "");
	sh("ip link set w1 up");
	(void)until_changed(world);
	ups_are(world, "w0");
	assert_true(first(world)->changes > before);
}

static void
a_burst_is_told_once(void **state)
{
	struct world *world = *state;

	sh("ip link set w0 up; for i in 1 2 3 4 5 6 7 8 9; do"
	   " ip route replace default via 192.0.2.$((i + 10)) metric 5;"
	   " ip addr add 192.0.2.$((i + 20))/24 dev w0; done;"
	   " ip link set w0 down; ip link set w0 up;"
	   " ip route replace default via 192.0.2.1");
	assert_int_equal(calls_for(world, QUIET_MS), 1);
	ups_are(world, "w0");
	assert_int_equal(calls_for(world, QUIET_MS), 0);
}

static void
what_is_gone_before_it_settled_is_never_told(void **state)
{
	struct world *world = *state;

	sh(UP);
	assert_int_equal(calls_for(world, SLED_LINK_SETTLE_MS / 2), 0);
	sh("ip route del default");
	assert_int_equal(calls_for(world, QUIET_MS), 0);
	ups_are(world, "");
}

static void
a_hooks_up_without_a_route_is_not_believed(void **state)
{
	struct world *world = *state;
	struct sled_link_event up = {
		.up = true, .name = "w0", .connection = "Provider", .metered = 1
	};

	sled_links_event(world->links, &up);
	assert_int_equal(calls_for(world, QUIET_MS), 0);
	ups_are(world, "");
	sh(UP); /* what it said is remembered */
	(void)until_changed(world);
	assert_string_equal(first(world)->connection, "Provider");
	assert_true(first(world)->metered);
	sled_links_event(world->links,
	                 &(struct sled_link_event){ .name = "w0" });
	(void)until_changed(world);
	ups_are(world, "w0"); /* a late "down" changes no more */
	assert_string_equal(first(world)->connection, "");
	assert_false(first(world)->metered);
}

static void
another_gateway_or_address_is_another_link(void **state)
{
	struct world *world = *state;
	uint64_t before;

	sh(UP);
	(void)until_changed(world);
	before = first(world)->changes;
	sh("ip route replace default via 192.0.2.99");
	(void)until_changed(world);
	assert_true(first(world)->changes > before);
	before = first(world)->changes;
	sh("ip addr add 198.51.100.7/24 dev w0");
	(void)until_changed(world);
	assert_true(first(world)->changes > before);
	before = first(world)->changes;
	sh("ip neigh add 192.0.2.50 lladdr 02:00:00:00:00:01 dev w0;"
	   " ip route add 203.0.113.0/24 via 192.0.2.99");
	assert_int_equal(calls_for(world, QUIET_MS), 0);
	assert_int_equal(first(world)->changes, before);
}

static void
six_counts_like_four(void **state)
{
	struct world *world = *state;

	if (!has_six() || !try_sh("ip -6 addr add fd00::2/64 dev w0 nodad"))
		skip();
	sh("ip link set w0 up; ip -6 route add default via fd00::1 dev w0");
	assert_true(until_changed(world) <= BAR_MS);
	assert_true(first(world)->ipv6);
	assert_false(first(world)->ipv4);
	sh("ip -6 route del default");
	(void)until_changed(world);
	ups_are(world, "");
}

static void
dead_ends_are_no_links_and_many_hops_are(void **state)
{
	struct world *world = *state;

	sh("ip link set w0 up; ip route add unreachable default metric 9;"
	   " ip route add blackhole default metric 8;"
	   " ip route add default via 192.0.2.1 table 77");
	assert_int_equal(calls_for(world, QUIET_MS), 0);
	sh("ip addr add 198.51.100.2/24 dev w1;"
	   " ip route add default metric 3 nexthop via 192.0.2.1 dev w0"
	   " nexthop via 198.51.100.1 dev w1");
	(void)until_changed(world);
	ups_are(world, "w0 w1");
	assert_int_equal(first(world)->metric, 3);
}

static void
the_least_metric_comes_first(void **state)
{
	struct world *world = *state;

	sh("ip link set w0 up; ip addr add 198.51.100.2/24 dev w1;"
	   " ip route add default via 192.0.2.1 metric 50;"
	   " ip route add default via 198.51.100.1 metric 20");
	(void)until_changed(world);
	ups_are(world, "w1 w0");
}

static void
a_tun_is_up_while_somebody_holds_it(void **state)
{
	struct world *world = *state;

	if (!try_sh("ip tuntap add dev tun9 mode tun 2>/dev/null"))
		skip();
	sh("ip addr add 198.51.100.1/30 dev tun9; ip link set tun9 up;"
	   " ip route add default dev tun9");
	assert_int_equal(calls_for(world, QUIET_MS), 0); /* no carrier */
	ups_are(world, "");
	sh("ip link del tun9");
}

static void
an_address_needs_no_default_route(void **state)
{
	static const char *const to[] = { "pop.example.org", "192.0.2.77",
		                          "127.0.0.1" };
	struct world *world = *state;
	struct sled_err err = { 0 };

	sh("ip link set lo up; ip link set w0 up");
	until_it_runs("w0");
	assert_true(sled_links_to(world->links, to, 3, &err));
	assert_true(sled_links_look(world->links)); /* at once */
	ups_are(world, "lo w0");
	assert_true(first(world)->direct);
	assert_false(first(world)->ipv4);
	assert_int_equal(calls_for(world, QUIET_MS), 1); /* told, too */
	assert_false(sled_links_look(world->links));
	sh("ip link set w0 down");
	(void)until_changed(world);
	ups_are(world, "lo");
	assert_true(sled_links_to(world->links, NULL, 0, &err));
	(void)until_changed(world);
	ups_are(world, "");
}

static void
what_is_up_at_first_is_there_at_once(void **state)
{
	struct world *world = *state;
	struct sled_err err = { 0 };

	sh(UP);
	until_it_runs("w0");
	sled_links_free(&world->links);
	assert_true(sled_links_new(&world->links, world->loop, on_changed,
	                           world, &err));
	ups_are(world, "w0");
	assert_true(sled_link_exists("w0"));
	assert_true(sled_link_exists("w*"));
	assert_false(sled_link_exists("ppp0"));
	assert_false(sled_link_exists("ppp*"));
}

/* More news than its socket can hold, while the loop is busy elsewhere. */
static void
lost_news_is_made_up_for(void **state)
{
	struct world *world = *state;

	sh("{ i=0; while [ $i -lt 6000 ]; do"
	   " echo addr add 10.$((i / 250)).$((i % 250)).1/32 dev w1;"
	   " echo addr del 10.$((i / 250)).$((i % 250)).1/32 dev w1;"
	   " i=$((i + 1)); done; } | ip -batch -");
	sh(UP);
	assert_true(until_changed(world) <= BAR_MS);
	ups_are(world, "w0");
	sh("ip link set w0 down"); /* it hears again */
	(void)until_changed(world);
	ups_are(world, "");
}

#define REAL(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REAL(a_link_is_told_within_the_bar_after_its_route),
		REAL(a_lost_carrier_is_a_link_down),
		REAL(a_burst_is_told_once),
		REAL(what_is_gone_before_it_settled_is_never_told),
		REAL(a_hooks_up_without_a_route_is_not_believed),
		REAL(another_gateway_or_address_is_another_link),
		REAL(six_counts_like_four),
		REAL(dead_ends_are_no_links_and_many_hops_are),
		REAL(the_least_metric_comes_first),
		REAL(a_tun_is_up_while_somebody_holds_it),
		REAL(an_address_needs_no_default_route),
		REAL(what_is_up_at_first_is_there_at_once),
		REAL(lost_news_is_made_up_for),
	};

	(void)alarm(300); /* what hangs fails */
	if (!enter() || !try_sh("ip link add w0 type veth peer name w1"
	                        " 2>/dev/null && ip link del w0")) {
		print_message("skipped: no network namespace here\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
