/*
 * test_loop_dial.c - look-up and race, against loopback sockets.
 *
 * Names under .test are answered by the getaddrinfo() of this file, which takes
 * the place of libc's: "two.test" has the addresses of `book`, "none.test" does
 * not exist, "again.test" has no name server, "hang.test" waits for `wake`.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_loop.h"
#include "mailsled/loop.h"

#define HOUR_MS 3600000

static const char *book[24];
static sem_t entered, wake;
static struct sled_loop *volatile left_behind; /* so that it is no leak */

typedef int lookup_fn(const char *, const char *, const struct addrinfo *,
                      struct addrinfo **);

/* libc frees an answer node by node, so answers can be strung together. */
static int
answer_book(lookup_fn *real, const char *service, const struct addrinfo *hints,
            struct addrinfo **out)
{
	*out = NULL;
	for (size_t i = 0; book[i] != NULL; i++) {
		int code = real(book[i], service, hints, out);

		if (code != 0)
			return code;
		while (*out != NULL)
			out = &(*out)->ai_next;
	}
	return 0;
}

int
getaddrinfo(const char *restrict node, const char *restrict service,
            const struct addrinfo *restrict hints,
            struct addrinfo **restrict out)
{
	lookup_fn *real = (lookup_fn *)dlsym(RTLD_NEXT, "getaddrinfo");

	if (strcmp(node, "two.test") == 0)
		return answer_book(real, service, hints, out);
	if (strcmp(node, "none.test") == 0)
		return EAI_NONAME;
	if (strcmp(node, "hang.test") == 0) {
		(void)sem_post(&entered);
		(void)sem_wait(&wake);
		return EAI_AGAIN;
	}
	if (strcmp(node, "again.test") == 0)
		return EAI_AGAIN;
	return real(node, service, hints, out);
}

struct call {
	struct sled_loop *loop;
	struct sled_dial *dial, *other;
	struct sled_conn *conn;
	struct sled_err err;
	int calls;
};

static void
on_dialled(void *ctx, struct sled_conn *conn, const struct sled_err *err)
{
	struct call *call = ctx;

	call->calls++;
	call->conn = conn;
	assert_true((conn == NULL) == (err != NULL));
	if (err != NULL)
		call->err = *err;
	sled_dial_free(&call->dial);
	sled_dial_free(&call->other);
	sled_loop_stop(call->loop);
}

static void
setup(struct call *call)
{
	*call = (struct call){ 0 };
	assert_true(sled_loop_new(&call->loop, &call->err));
	assert_int_equal(sem_init(&entered, 0, 0), 0);
	assert_int_equal(sem_init(&wake, 0, 0), 0);
}

static void
teardown(struct call *call)
{
	sled_conn_free(&call->conn);
	sled_dial_free(&call->dial);
	sled_loop_free(&call->loop);
}

static void
start(struct sled_dial **out, struct call *call, const char *host,
      uint16_t port, uint32_t stagger_ms)
{
	struct sled_dial_to to = { .host = host,
		                   .port = port,
		                   .stagger_ms = stagger_ms };

	assert_true(
	    sled_dial_new(out, call->loop, &to, on_dialled, call, &call->err));
}

static void
dial(struct call *call, const char *host, uint16_t port, uint32_t stagger_ms)
{
	setup(call);
	start(&call->dial, call, host, port, stagger_ms);
	sled_loop_run(call->loop);
	assert_int_equal(call->calls, 1);
}

static void
reaches(const char *host, const char *addr)
{
	uint16_t port = 0;
	int listener = fx_bind(addr, &port, 8);
	struct call call;

	if (listener == -1) {
		print_message("no %s on this machine\n", addr);
		return;
	}
	dial(&call, host, port, 0);
	assert_non_null(call.conn);
	assert_string_equal(sled_conn_peer(call.conn), addr);
	assert_string_equal(sled_conn_local(call.conn), addr);
	teardown(&call);
	(void)close(listener);
}

static void
either_family_is_reached_by_number_and_name(void **state)
{
	(void)state;
	reaches("127.0.0.1", "127.0.0.1");
	reaches("::1", "::1");
	reaches("localhost", "127.0.0.1");
	book[0] = "::1";
	book[1] = "127.0.0.1";
	book[2] = NULL;
	reaches("two.test", "127.0.0.1");
	reaches("two.test", "::1");
}

static void
fails(const char *host, uint16_t port, enum sled_err_kind kind,
      const char *text)
{
	struct call call;

	dial(&call, host, port, 0);
	assert_null(call.conn);
	assert_int_equal(call.err.kind, kind);
	if (strstr(call.err.text, text) == NULL)
		fail_msg("'%s' lacks '%s'", call.err.text, text);
	assert_non_null(call.err.hint);
	teardown(&call);
}

static void
refused_by_all_is_the_servers_fault(void **state)
{
	uint16_t port = 0;
	int fd = fx_bind("127.0.0.1", &port, -1);

	(void)state;
	fails("127.0.0.1", port, SLED_ERR_SERVER,
	      "127.0.0.1: Connection refused");
	assert_int_equal(sled_err_exit(SLED_ERR_SERVER), 69);
	book[0] = "224.0.0.1"; /* no TCP to it: ENETUNREACH */
	book[1] = "127.0.0.1";
	book[2] = NULL;
	fails("two.test", port, SLED_ERR_SERVER,
	      "224.0.0.1: Network is unreachable; "
	      "127.0.0.1: Connection refused");
	(void)close(fd);
}

static void
no_route_is_the_links_fault(void **state)
{
	(void)state;
	fails("224.0.0.1", 995, SLED_ERR_LINK, "Network is unreachable");
}

static void
unknown_and_unanswered_names_differ(void **state)
{
	struct sled_dial_to to = { .host = "", .port = 995 };
	struct call call;

	(void)state;
	fails("none.test", 995, SLED_ERR_HOST, "no such host none.test");
	fails("again.test", 995, SLED_ERR_LINK, "look up again.test");
	setup(&call);
	if (sled_dial_new(&call.dial, call.loop, &to, on_dialled, &call,
	                  &call.err))
		sled_loop_run(call.loop);
	assert_int_equal(call.err.kind, SLED_ERR_HOST);
	teardown(&call);
}

static void
a_name_is_shown_harmlessly(void **state)
{
	char host[300] = "a\033[2Jb";
	struct sled_dial_to to = { .host = host, .port = 995 };
	struct call call;

	(void)state;
	setup(&call);
	memset(host + 6, 'x', sizeof(host) - 7);
	assert_false(sled_dial_new(&call.dial, call.loop, &to, on_dialled,
	                           &call, &call.err));
	assert_int_equal(call.err.kind, SLED_ERR_HOST);
	assert_null(strchr(call.err.text, '\033'));
	assert_null(call.dial);
	teardown(&call);
}

static void
families_take_turns(void **state)
{
	uint16_t port = 0;
	int fd = fx_bind("::1", &port, -1);

	(void)state;
	if (fd == -1)
		skip();
	book[0] = "127.0.0.1";
	book[1] = "127.0.0.2";
	book[2] = "127.0.0.3";
	book[3] = "::1";
	book[4] = NULL;
	fails("two.test", port, SLED_ERR_SERVER,
	      ": 127.0.0.1: Connection refused; ::1: Connection refused; "
	      "127.0.0.2: Connection refused; 127.0.0.3: Connection refused");
	(void)close(fd);
}

static void
more_addresses_than_fit_do_no_harm(void **state)
{
	uint16_t port = 0;
	int fd = fx_bind("127.0.0.1", &port, -1);

	(void)state;
	for (size_t i = 0; i < 20; i++)
		book[i] = "127.0.0.1";
	book[20] = NULL;
	fails("two.test", port, SLED_ERR_SERVER, "127.0.0.1: Connection");
	(void)close(fd);
}

/* With an hour of stagger, only the failure can have started the second. */
static void
a_failure_starts_the_next_at_once(void **state)
{
	uint16_t port = 0;
	int listener = fx_bind("127.0.0.2", &port, 8);
	struct call call;

	(void)state;
	book[0] = "127.0.0.1";
	book[1] = "127.0.0.2";
	book[2] = NULL;
	dial(&call, "two.test", port, HOUR_MS);
	assert_non_null(call.conn);
	assert_string_equal(sled_conn_peer(call.conn), "127.0.0.2");
	teardown(&call);
	(void)close(listener);
}

static void
silence_starts_the_next_and_the_first_to_answer_wins(void **state)
{
	struct fx_silent silent;
	uint16_t port;
	int live = fx_silent_and_live(&silent, &port);
	struct call call;

	(void)state;
	book[0] = "127.0.0.1";
	book[1] = "127.0.0.2";
	book[2] = NULL;
	dial(&call, "two.test", port, 1);
	assert_non_null(call.conn);
	assert_string_equal(sled_conn_peer(call.conn), "127.0.0.2");
	teardown(&call);
	(void)close(live);
	fx_silent_close(&silent);
}

static void
cancelled_while_connecting_is_silent(void **state)
{
	struct fx_silent silent;
	uint16_t port;
	int live = fx_silent_and_live(&silent, &port);
	struct call call;

	(void)state;
	setup(&call);
	start(&call.other, &call, "127.0.0.1", port, 0);
	start(&call.dial, &call, "127.0.0.2", port, 0);
	sled_loop_run(call.loop); /* the live one's callback frees both */
	assert_int_equal(call.calls, 1);
	assert_null(call.other);
	teardown(&call); /* would wait for what is left */
	assert_int_equal(call.calls, 1);
	(void)close(live);
	fx_silent_close(&silent);
}

static void
cancelled_before_the_look_up_began_is_silent(void **state)
{
	struct sled_dial *hung[2];
	struct call call;

	(void)state;
	setup(&call);
	/* Look-ups take at most half of the pool's threads. */
	start(&hung[0], &call, "hang.test", 995, 0);
	start(&hung[1], &call, "hang.test", 995, 0);
	(void)sem_wait(&entered);
	(void)sem_wait(&entered);
	start(&call.dial, &call, "two.test", 995, 0);
	sled_dial_free(&call.dial);
	sled_dial_free(&hung[0]);
	sled_dial_free(&hung[1]);
	(void)sem_post(&wake);
	(void)sem_post(&wake);
	teardown(&call);
	assert_int_equal(call.calls, 0);
}

static void
on_stop(void *ctx)
{
	sled_loop_stop(ctx);
}

static void
cancelled_during_the_look_up_is_silent(void **state)
{
	struct call call;

	(void)state;
	setup(&call);
	start(&call.dial, &call, "hang.test", 995, 0);
	(void)sem_wait(&entered);
	sled_dial_free(&call.dial);
	assert_true(sled_loop_post(call.loop, on_stop, call.loop, &call.err));
	sled_loop_run(call.loop); /* the loop goes on meanwhile */
	(void)sem_post(&wake);
	teardown(&call);
	assert_int_equal(call.calls, 0);
}

static void
a_dead_name_server_holds_up_no_loop(void **state)
{
	struct call call;

	(void)state;
	setup(&call);
	start(&call.dial, &call, "hang.test", 995, 0);
	(void)sem_wait(&entered);
	left_behind = call.loop;
	teardown(&call); /* returns while the look-up hangs */
	assert_int_equal(call.calls, 0);
	(void)sem_post(&wake);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_family_is_reached_by_number_and_name),
		cmocka_unit_test(refused_by_all_is_the_servers_fault),
		cmocka_unit_test(no_route_is_the_links_fault),
		cmocka_unit_test(unknown_and_unanswered_names_differ),
		cmocka_unit_test(a_name_is_shown_harmlessly),
		cmocka_unit_test(families_take_turns),
		cmocka_unit_test(more_addresses_than_fit_do_no_harm),
		cmocka_unit_test(a_failure_starts_the_next_at_once),
		cmocka_unit_test(
		    silence_starts_the_next_and_the_first_to_answer_wins),
		cmocka_unit_test(cancelled_while_connecting_is_silent),
		cmocka_unit_test(cancelled_before_the_look_up_began_is_silent),
		cmocka_unit_test(cancelled_during_the_look_up_is_silent),
		cmocka_unit_test(a_dead_name_server_holds_up_no_loop),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
