/* test_loop_link.c - what a dial may ask of a link, and what it has cost. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_loop.h"
#include "fx_tmp.h"
#include "loop/internal.h"
#include "mailsled/loop.h"

#define FD_MAX       256
#define FIRST_WINDOW 40000

struct line {
	struct fx_dial dial;
	struct sled_conn_events events;
	int server; /* its side, which does not block */
	uint16_t port;
	size_t wanted, got;
	uint32_t widest; /* window seen */
	bool silent;     /* no more is sent */
	bool ended;
};

/* Send as much as goes: the next call is from the reader's side. */
static void
pump(struct line *line)
{
	static const char junk[16384];

	while (send(line->server, junk, sizeof(junk),
	            MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		;
}

static void
on_data(void *ctx, struct sled_span in)
{
	struct line *line = ctx;
	struct sled_conn_facts facts;

	sled_conn_facts(line->dial.conn, &facts);
	if (facts.window > line->widest)
		line->widest = facts.window;
	line->got += in.len;
	if (line->got >= line->wanted)
		sled_loop_stop(line->dial.loop);
	else if (!line->silent)
		pump(line);
}

static void
on_ended(void *ctx, const struct sled_err *err)
{
	struct line *line = ctx;

	(void)err;
	line->ended = true;
	sled_loop_stop(line->dial.loop);
}

static bool
open_line(struct line *line, const char *addr, struct sled_dial_to *to)
{
	int listener;

	*line = (struct line){ .server = -1 };
	to->host = addr;
	to->port = 0;
	listener = fx_bind(addr, &to->port, 8);
	if (listener == -1)
		return false;
	line->port = to->port;
	fx_dial_start(&line->dial, to);
	fx_dial_run(&line->dial);
	assert_non_null(line->dial.conn);
	line->server = accept(listener, NULL, NULL);
	assert_int_not_equal(line->server, -1);
	(void)close(listener);
	line->events =
	    (struct sled_conn_events){ on_data, on_ended, NULL, line };
	assert_true(
	    sled_conn_start(line->dial.conn, &line->events, &line->dial.err));
	return true;
}

static void
receive(struct line *line, size_t bytes)
{
	line->wanted = line->got + bytes;
	line->widest = 0;
	pump(line);
	sled_loop_run(line->dial.loop);
}

static void
close_line(struct line *line)
{
	fx_dial_close(&line->dial);
	if (line->server != -1)
		(void)close(line->server);
}

static int
number(int fd, int level, int option)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

/* Our side of the connection to PORT. */
static int
find_socket(uint16_t port)
{
	for (int fd = 3; fd < FD_MAX; fd++) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);

		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
		    peer.sin_family == AF_INET && ntohs(peer.sin_port) == port)
			return fd;
	}
	fail_msg("no socket is connected to port %u", port);
	return -1;
}

static void
the_options_of_a_dial_are_set(void **state)
{
	struct sled_dial_to to = { .window = 8192,
		                   .mss = 700,
		                   .user_timeout_ms = 45000 };
	struct line line;
	int fd;

	(void)state;
	assert_true(open_line(&line, "127.0.0.1", &to));
	fd = find_socket(line.port);
	assert_int_equal(number(fd, SOL_SOCKET, SO_RCVBUF), 2 * 8192);
	assert_in_range(number(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP), 1, 8192);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 45000);
	assert_int_equal(number(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_NODELAY), 1);
	/* What the other side may send is what the SYN said. */
	assert_in_range(number(line.server, IPPROTO_TCP, TCP_MAXSEG), 600, 700);
	close_line(&line);
}

static void
without_options_the_kernel_has_its_way(void **state)
{
	struct sled_dial_to to = { 0 };
	struct line line;
	int fd;

	(void)state;
	assert_true(open_line(&line, "127.0.0.1", &to));
	fd = find_socket(line.port);
	assert_int_not_equal(number(fd, SOL_SOCKET, SO_RCVBUF), 2 * 8192);
	assert_int_equal(number(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 0);
	assert_in_range(number(line.server, IPPROTO_TCP, TCP_MAXSEG), 1400,
	                65536);
	assert_true(sled_conn_window(line.dial.conn, 1 << 20));
	close_line(&line);
}

static void
an_option_that_is_refused_fails_no_dial(void **state)
{
	struct sled_dial_to to = { .window = UINT32_MAX,
		                   .mss = 1,
		                   .user_timeout_ms = UINT32_MAX };
	struct line line;

	(void)state;
	assert_true(open_line(&line, "127.0.0.1", &to));
	close_line(&line);
}

static void
the_window_stays_what_was_asked_for(const char *addr)
{
	struct sled_dial_to to = { .window = 16384, .mss = 1460 };
	struct line line;

	if (!open_line(&line, addr, &to)) {
		print_message("no %s on this machine\n", addr);
		return;
	}
	receive(&line, (size_t)1 << 20); /* the first read sets it right */
	receive(&line, (size_t)4 << 20);
	assert_in_range(line.widest, 8192, 16384);
	assert_true(sled_conn_window(line.dial.conn, 1000)); /* no less */
	receive(&line, (size_t)1 << 20);
	assert_in_range(line.widest, 8192, 16384);
	close_line(&line);
}

static void
a_window_holds_through_a_long_transfer(void **state)
{
	(void)state;
	the_window_stays_what_was_asked_for("127.0.0.1");
	the_window_stays_what_was_asked_for("::1");
}

static void
a_window_can_be_raised(void **state)
{
	struct sled_dial_to to = { .window = 8192, .mss = 1460 };
	struct line line;

	(void)state;
	assert_true(open_line(&line, "127.0.0.1", &to));
	receive(&line, (size_t)1 << 20);
	receive(&line, (size_t)1 << 20);
	assert_in_range(line.widest, 1460, 8192);
	assert_true(sled_conn_window(line.dial.conn, 49152));
	receive(&line, (size_t)4 << 20);
	receive(&line, (size_t)1 << 20);
	assert_in_range(line.widest, 32768, 49152);
	/* The SYN promised no scale, so this is the most there is. */
	assert_true(sled_conn_window(line.dial.conn, 200000));
	receive(&line, (size_t)4 << 20);
	assert_in_range(line.widest, 49152, 65535);
	close_line(&line);
}

static void
a_window_left_to_the_kernel_can_be_set(void **state)
{
	struct sled_dial_to to = { .mss = 1460 };
	struct line line;

	(void)state;
	assert_true(open_line(&line, "127.0.0.1", &to));
	assert_true(sled_conn_window(line.dial.conn, 65536));
	receive(&line, (size_t)1 << 20);
	receive(&line, (size_t)8 << 20);
	assert_in_range(line.widest, 32768, 65536);
	close_line(&line);
}

/* Octets that the first window takes whole, the last segment a short one: what
 * is sent as much as goes ends at windows' edges, and the pieces on both sides
 * of one look like a segment that came twice. */
static void
receive_exactly(struct line *line, size_t bytes)
{
	static const char junk[FIRST_WINDOW];

	assert_in_range(bytes, 1, sizeof(junk));
	assert_int_equal(send(line->server, junk, bytes, MSG_NOSIGNAL), bytes);
	line->silent = true;
	line->wanted = line->got + bytes;
	sled_loop_run(line->dial.loop);
	assert_int_equal(line->got, line->wanted);
}

static void
the_facts_count_what_came_and_went(const char *addr, uint64_t head)
{
	struct sled_dial_to to = { .mss = 1460 };
	struct sled_conn_facts before, after;
	struct line line;

	if (!open_line(&line, addr, &to)) {
		print_message("no %s on this machine\n", addr);
		return;
	}
	sled_conn_facts(line.dial.conn, &before);
	assert_int_equal(before.segs_down, 1);
	assert_int_equal(before.segs_up, 2);
	assert_int_equal(before.wire_down, head + 40);
	assert_int_equal(before.wire_up, head + 40 + head + 32);
	receive_exactly(&line, FIRST_WINDOW);
	sled_conn_facts(line.dial.conn, &after);
	assert_in_range(after.segs_down - 1, FIRST_WINDOW / 1460 + 1,
	                FIRST_WINDOW / 1000);
	assert_int_equal(after.wire_down,
	                 before.wire_down + FIRST_WINDOW +
	                     (after.segs_down - 1) * (head + 32));
	assert_int_equal(after.wire_up,
	                 before.wire_up + (after.segs_up - 2) * (head + 32));
	assert_int_equal(after.retrans_up, 0);
	assert_int_equal(after.dup_down, 0);
	assert_int_equal(after.close_up, 2 * (head + 32));
	close_line(&line);
}

static void
facts_count_packets_of_either_family(void **state)
{
	(void)state;
	the_facts_count_what_came_and_went("127.0.0.1", 20);
	the_facts_count_what_came_and_went("::1", 40);
}

static void
facts_outlive_a_reset(void **state)
{
	struct linger none = { 1, 0 };
	struct sled_dial_to to = { 0 };
	struct sled_conn_facts facts;
	struct line line;

	(void)state;
	assert_true(open_line(&line, "127.0.0.1", &to));
	receive(&line, 100000);
	assert_int_equal(
	    setsockopt(line.server, SOL_SOCKET, SO_LINGER, &none, sizeof(none)),
	    0);
	(void)close(line.server);
	line.server = -1;
	line.wanted = SIZE_MAX;
	sled_loop_run(line.dial.loop);
	assert_true(line.ended);
	sled_conn_facts(line.dial.conn, &facts);
	assert_true(facts.wire_down >= 100000);
	assert_true(facts.wire_up > 0);
	assert_int_equal(facts.close_up, 0);
	close_line(&line);
}

static void
a_route_is_named_by_its_interface(void **state)
{
	char name[SLED_ROUTE_NAME] = "x";

	(void)state;
	assert_true(sled_route_name("127.0.0.1", name));
	assert_string_equal(name, "lo");
	if (sled_route_name("::1", name))
		assert_string_equal(name, "lo");
	else
		print_message("no ::1 on this machine\n");
	assert_false(sled_route_name("mail.test", name));
	assert_string_equal(name, "");
	assert_false(sled_route_name("", name));
}

static void
a_name_in_hosts_needs_no_query(void **state)
{
	static const char text[] = "# 192.0.2.9 box.test\n"
				   "\n"
				   "192.0.2.1\tBox.test box\n"
				   "  2001:db8::1 other box.test # box.test\n"
				   "none box.test\n"
				   "192.0.2.3 boxtest x.box.test\n"
				   "192.0.2.4 last.test";
	char found[SLED_HOSTS_TEXT] = "x", path[FX_TMP_PATH + 8];
	struct fx_tmp tmp;

	(void)state;
	fx_tmp_make(&tmp);
	fx_tmp_write(&tmp, "hosts", text, sizeof(text) - 1);
	(void)snprintf(path, sizeof(path), "%s/hosts", tmp.path);
	assert_true(sled_hosts_read(path, "box.TEST", found));
	assert_string_equal(found, "192.0.2.1 2001:db8::1");
	assert_true(sled_hosts_read(path, "last.test", found));
	assert_string_equal(found, "192.0.2.4");
	assert_false(sled_hosts_read(path, "test", found));
	assert_string_equal(found, "");
	assert_false(sled_hosts_read("/nonexistent", "box.test", found));
	fx_tmp_drop(&tmp);
	assert_true(sled_hosts_find("2001:db8::7", found));
	assert_string_equal(found, "2001:db8::7");
	assert_true(sled_hosts_find("localhost", found));
	assert_false(sled_hosts_find("nobody.invalid", found));
	assert_string_equal(found, "");
}

static void
the_way_to_a_server_is_told_without_a_query(void **state)
{
	char name[SLED_ROUTE_NAME] = "x";

	(void)state;
	assert_true(sled_route_to("", "127.0.0.1", name));
	assert_string_equal(name, "lo");
	assert_true(sled_route_to("none 127.0.0.1", "mail.test", name));
	assert_string_equal(name, "lo");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_options_of_a_dial_are_set),
		cmocka_unit_test(without_options_the_kernel_has_its_way),
		cmocka_unit_test(an_option_that_is_refused_fails_no_dial),
		cmocka_unit_test(a_window_holds_through_a_long_transfer),
		cmocka_unit_test(a_window_can_be_raised),
		cmocka_unit_test(a_window_left_to_the_kernel_can_be_set),
		cmocka_unit_test(facts_count_packets_of_either_family),
		cmocka_unit_test(facts_outlive_a_reset),
		cmocka_unit_test(a_route_is_named_by_its_interface),
		cmocka_unit_test(a_name_in_hosts_needs_no_query),
		cmocka_unit_test(the_way_to_a_server_is_told_without_a_query),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
