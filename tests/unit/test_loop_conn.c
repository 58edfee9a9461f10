/* test_loop_conn.c - bytes, ends and faults of a connection on loopback. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_loop.h"
#include "mailsled/loop.h"

#define BIG ((size_t)8 << 20)

struct peer {
	struct sled_loop *loop;
	struct sled_dial *dial;
	struct sled_conn *conn;
	struct sled_conn_events events;
	int server; /* its side of the connection */
	struct sled_buf got;
	struct sled_err err;
	size_t reads, bytes, ends, drains;
	bool failed, paused;
};

static void
on_dialled(void *ctx, struct sled_conn *conn, const struct sled_err *err)
{
	struct peer *peer = ctx;

	assert_null(err);
	peer->conn = conn;
	sled_dial_free(&peer->dial);
	sled_loop_stop(peer->loop);
}

static void
on_data(void *ctx, struct sled_span in)
{
	struct peer *peer = ctx;

	peer->reads++;
	peer->bytes += in.len;
	assert_true(sled_buf_add(&peer->got, in.data, in.len, &peer->err));
}

static void
on_ended(void *ctx, const struct sled_err *err)
{
	struct peer *peer = ctx;

	peer->ends++;
	peer->failed = err != NULL;
	if (err != NULL)
		peer->err = *err;
	sled_loop_stop(peer->loop);
}

static void
on_drained(void *ctx)
{
	struct peer *peer = ctx;

	peer->drains++;
	assert_int_equal(sled_conn_queued(peer->conn), 0);
	sled_loop_stop(peer->loop);
}

static void
setup(struct peer *peer)
{
	struct sled_dial_to to = { .host = "127.0.0.1" };
	int listener = fx_bind("127.0.0.1", &to.port, 8);

	*peer = (struct peer){ 0 };
	assert_int_not_equal(listener, -1);
	assert_true(sled_loop_new(&peer->loop, &peer->err));
	assert_true(sled_dial_new(&peer->dial, peer->loop, &to, on_dialled,
	                          peer, &peer->err));
	sled_loop_run(peer->loop);
	assert_non_null(peer->conn);
	peer->server = accept(listener, NULL, NULL);
	assert_int_not_equal(peer->server, -1);
	(void)close(listener);
	peer->events =
	    (struct sled_conn_events){ on_data, on_ended, on_drained, peer };
}

static void
begin(struct peer *peer)
{
	assert_true(sled_conn_start(peer->conn, &peer->events, &peer->err));
}

static void
teardown(struct peer *peer)
{
	sled_conn_free(&peer->conn);
	assert_null(peer->conn);
	sled_loop_free(&peer->loop);
	sled_buf_free(&peer->got);
	if (peer->server != -1)
		(void)close(peer->server);
}

static void
server_says(struct peer *peer, const char *text)
{
	assert_int_equal(send(peer->server, text, strlen(text), MSG_NOSIGNAL),
	                 strlen(text));
}

static void
hang_up(struct peer *peer)
{
	(void)close(peer->server);
	peer->server = -1;
}

static void
reset(struct peer *peer)
{
	struct linger none = { 1, 0 };

	assert_int_equal(setsockopt(peer->server, SOL_SOCKET, SO_LINGER, &none,
	                            sizeof(none)),
	                 0);
	hang_up(peer);
}

static void
data_then_end_of_stream(void **state)
{
	struct peer peer;

	(void)state;
	setup(&peer);
	server_says(&peer, "+OK hello\r\n");
	hang_up(&peer);
	begin(&peer);
	sled_loop_run(peer.loop);
	assert_string_equal(peer.got.data, "+OK hello\r\n");
	assert_int_equal(peer.ends, 1);
	assert_false(peer.failed);
	sled_conn_resume(peer.conn); /* no use, no harm */
	teardown(&peer);
}

/* The first write after the peer's close is answered by a reset, the second by
 * SIGPIPE, which must not end the program. */
static void
a_closed_peer_fails_the_second_write(void **state)
{
	struct sled_span quit = { "QUIT\r\n", 6 };
	struct peer peer;

	(void)state;
	setup(&peer);
	begin(&peer);
	hang_up(&peer);
	sled_loop_run(peer.loop);
	assert_int_equal(peer.ends, 1);
	assert_true(sled_conn_write(peer.conn, quit, &peer.err));
	sled_loop_run(peer.loop);
	assert_int_equal(peer.drains, 1);
	(void)!sled_conn_write(peer.conn, quit, &peer.err);
	teardown(&peer);
	assert_int_equal(peer.ends, 1);
}

static void
a_reset_is_the_links_fault(void **state)
{
	struct peer peer;

	(void)state;
	setup(&peer);
	begin(&peer);
	reset(&peer);
	sled_loop_run(peer.loop);
	assert_int_equal(peer.ends, 1);
	assert_true(peer.failed);
	assert_int_equal(peer.err.kind, SLED_ERR_LINK);
	assert_string_equal(peer.err.text, "connection to 127.0.0.1: "
	                                   "Connection reset by peer");
	teardown(&peer);
	assert_int_equal(peer.ends, 1);
}

static void
a_failed_write_shows_after_the_last_data(void **state)
{
	struct sled_span quit = { "QUIT\r\n", 6 };
	struct peer peer;

	(void)state;
	setup(&peer);
	server_says(&peer, "-ERR bye\r\n");
	reset(&peer);
	/* The kernel's report may come with this call or later. */
	(void)!sled_conn_write(peer.conn, quit, &peer.err);
	begin(&peer);
	sled_loop_run(peer.loop);
	assert_string_equal(peer.got.data, "-ERR bye\r\n");
	assert_int_equal(peer.ends, 1);
	assert_true(peer.failed);
	assert_int_equal(peer.drains, 0);
	assert_int_equal(sled_conn_queued(peer.conn), 0);
	peer.err = (struct sled_err){ 0 };
	assert_false(sled_conn_write(peer.conn, quit, &peer.err));
	assert_int_equal(peer.err.kind, SLED_ERR_LINK);
	teardown(&peer);
}

static void
writes_arrive_in_order_and_drain_once(void **state)
{
	static const char *words[] = { "a", "bc", "", "def" };
	struct peer peer;
	char in[8] = "";

	(void)state;
	setup(&peer);
	begin(&peer);
	for (size_t i = 0; i < 4; i++)
		assert_true(sled_conn_write(
		    peer.conn, (struct sled_span){ words[i], strlen(words[i]) },
		    &peer.err));
	sled_loop_run(peer.loop);
	assert_int_equal(recv(peer.server, in, 6, MSG_WAITALL), 6);
	assert_string_equal(in, "abcdef");
	assert_int_equal(peer.drains, 1);
	teardown(&peer);
}

static unsigned char
byte_at(size_t i)
{
	return (unsigned char)(i * 31 + i / 251 + i / 65536);
}

static void *
read_big(void *arg)
{
	struct peer *peer = arg;
	char *in = malloc(BIG);
	size_t right = 0;

	if (in == NULL)
		return peer;
	if (recv(peer->server, in, BIG, MSG_WAITALL) == (ssize_t)BIG)
		while (right < BIG &&
		       (unsigned char)in[right] == byte_at(right))
			right++;
	free(in);
	return right == BIG ? NULL : peer;
}

static void
a_write_beyond_all_buffers_waits_in_the_queue(void **state)
{
	char *out = malloc(BIG);
	void *failed = out;
	pthread_t thread;
	struct peer peer;

	(void)state;
	setup(&peer);
	begin(&peer);
	assert_non_null(out);
	for (size_t i = 0; i < BIG; i++)
		out[i] = (char)byte_at(i);
	for (size_t at = 0; at < BIG; at += BIG / 4)
		assert_true(sled_conn_write(
		    peer.conn, (struct sled_span){ out + at, BIG / 4 },
		    &peer.err));
	free(out);
	assert_true(sled_conn_queued(peer.conn) >= 3 * (BIG / 4));
	assert_int_equal(pthread_create(&thread, NULL, read_big, &peer), 0);
	sled_loop_run(peer.loop);
	assert_int_equal(peer.drains, 1);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	teardown(&peer);
}

static void
unpause(void *ctx)
{
	struct peer *peer = ctx;

	peer->paused = false;
	sled_conn_resume(peer->conn);
	sled_conn_resume(peer->conn);
}

static void
on_data_pause(void *ctx, struct sled_span in)
{
	struct peer *peer = ctx;

	assert_false(peer->paused);
	for (size_t i = 0; i < in.len; i++)
		if ((unsigned char)in.data[i] != byte_at(peer->bytes + i))
			peer->failed = true;
	peer->bytes += in.len;
	peer->reads++;
	peer->paused = true;
	sled_conn_pause(peer->conn);
	assert_true(sled_loop_post(peer->loop, unpause, peer, &peer->err));
}

static void
on_end_unpaused(void *ctx, const struct sled_err *err)
{
	struct peer *peer = ctx;

	assert_false(peer->paused);
	assert_null(err);
	assert_false(peer->failed);
	on_ended(ctx, err);
}

static void *
send_big(void *arg)
{
	struct peer *peer = arg;
	char *out = malloc(BIG);
	size_t at = 0;
	ssize_t n = 1;

	for (size_t i = 0; out != NULL && i < BIG; i++)
		out[i] = (char)byte_at(i);
	while (out != NULL && at < BIG && n > 0) {
		n = send(peer->server, out + at, BIG - at, MSG_NOSIGNAL);
		at += n > 0 ? (size_t)n : 0;
	}
	free(out);
	(void)shutdown(peer->server, SHUT_WR);
	return at == BIG ? NULL : peer;
}

static void
a_paused_connection_hands_out_nothing(void **state)
{
	pthread_t thread;
	struct peer peer;
	void *failed = &peer;

	(void)state;
	setup(&peer);
	peer.events.data = on_data_pause;
	peer.events.ended = on_end_unpaused;
	begin(&peer);
	assert_int_equal(pthread_create(&thread, NULL, send_big, &peer), 0);
	sled_loop_run(peer.loop);
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_int_equal(peer.bytes, BIG);
	assert_true(peer.reads > 10);
	assert_int_equal(peer.ends, 1);
	teardown(&peer);
}

static void
on_data_free(void *ctx, struct sled_span in)
{
	struct peer *peer = ctx;

	peer->bytes += in.len;
	sled_conn_free(&peer->conn);
	peer->reads += (size_t)(in.data[0] == 'x'); /* still ours to read */
	sled_loop_stop(peer->loop);
}

static void
on_ended_free(void *ctx, const struct sled_err *err)
{
	struct peer *peer = ctx;

	sled_conn_free(&peer->conn);
	on_ended(ctx, err);
}

static void
on_drained_free(void *ctx)
{
	struct peer *peer = ctx;

	peer->drains++;
	sled_conn_free(&peer->conn);
	sled_loop_stop(peer->loop);
}

static void
each_callback_may_free(void **state)
{
	struct peer peer;

	(void)state;
	setup(&peer);
	peer.events.data = on_data_free;
	begin(&peer);
	server_says(&peer, "x");
	hang_up(&peer);
	sled_loop_run(peer.loop);
	assert_int_equal(peer.reads, 1);
	assert_int_equal(peer.ends, 0);
	teardown(&peer);

	setup(&peer);
	peer.events.ended = on_ended_free;
	begin(&peer);
	hang_up(&peer);
	sled_loop_run(peer.loop);
	assert_int_equal(peer.ends, 1);
	teardown(&peer);

	setup(&peer);
	peer.events.drained = on_drained_free;
	begin(&peer);
	assert_true(sled_conn_write(peer.conn, (struct sled_span){ "x", 1 },
	                            &peer.err));
	sled_loop_run(peer.loop);
	assert_int_equal(peer.drains, 1);
	teardown(&peer);
}

static void
free_with_bytes_queued_calls_nobody(void **state)
{
	char *out = calloc(1, BIG);
	struct peer peer;

	(void)state;
	setup(&peer);
	begin(&peer);
	assert_non_null(out);
	assert_true(sled_conn_write(peer.conn, (struct sled_span){ out, BIG },
	                            &peer.err));
	assert_true(sled_conn_write(peer.conn, (struct sled_span){ out, BIG },
	                            &peer.err));
	free(out);
	assert_true(sled_conn_queued(peer.conn) > BIG);
	teardown(&peer);
	assert_int_equal(peer.drains + peer.ends, 0);
}

static void
free_after_a_write_that_went_calls_nobody(void **state)
{
	struct peer peer;

	(void)state;
	setup(&peer);
	begin(&peer);
	assert_true(sled_conn_write(peer.conn, (struct sled_span){ "x", 1 },
	                            &peer.err));
	teardown(&peer);
	assert_int_equal(peer.drains + peer.ends, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_then_end_of_stream),
		cmocka_unit_test(a_closed_peer_fails_the_second_write),
		cmocka_unit_test(a_reset_is_the_links_fault),
		cmocka_unit_test(a_failed_write_shows_after_the_last_data),
		cmocka_unit_test(writes_arrive_in_order_and_drain_once),
		cmocka_unit_test(a_write_beyond_all_buffers_waits_in_the_queue),
		cmocka_unit_test(a_paused_connection_hands_out_nothing),
		cmocka_unit_test(each_callback_may_free),
		cmocka_unit_test(free_with_bytes_queued_calls_nobody),
		cmocka_unit_test(free_after_a_write_that_went_calls_nobody),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
