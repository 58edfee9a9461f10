/*
 * test_loop_cached.c - addresses that are known, and a look-up alone.
 *
 * "book.test" is looked up in `book` by the getaddrinfo() of this file, which
 * counts; "hang.test" waits for `wake`; no other name exists.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_loop.h"
#include "mailsled/loop.h"

#define HOUR_MS 3600000

static const char *book[8];
static _Atomic int lookups;
static sem_t entered, wake;

struct node {
	struct addrinfo info;
	struct sockaddr_in6 room;
};

/* NULL when TEXT is no numeric address. */
static struct addrinfo *
make_node(const char *text, uint16_t port)
{
	struct node *node = calloc(1, sizeof(*node));
	struct sockaddr_in *four = (struct sockaddr_in *)&node->room;

	node->info.ai_addr = (struct sockaddr *)&node->room;
	if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
		four->sin_family = AF_INET;
		node->info.ai_addrlen = sizeof(*four);
	} else if (inet_pton(AF_INET6, text, &node->room.sin6_addr) == 1) {
		node->room.sin6_family = AF_INET6;
		node->info.ai_addrlen = sizeof(node->room);
	} else {
		free(node);
		return NULL;
	}
	four->sin_port = htons(port); /* where sin6_port is, too */
	node->info.ai_family = node->info.ai_addr->sa_family;
	return &node->info;
}

int
getaddrinfo(const char *restrict node, const char *restrict service,
            const struct addrinfo *restrict hints,
            struct addrinfo **restrict out)
{
	uint16_t port = (uint16_t)strtoul(service, NULL, 10);

	(void)hints;
	*out = make_node(node, port); /* of this test's own sockets */
	if (*out != NULL)
		return 0;
	lookups++;
	if (strcmp(node, "hang.test") == 0) {
		(void)sem_post(&entered);
		(void)sem_wait(&wake);
		return EAI_AGAIN;
	}
	if (strcmp(node, "again.test") == 0)
		return EAI_AGAIN;
	if (strcmp(node, "book.test") != 0)
		return EAI_NONAME;
	for (size_t i = 0; book[i] != NULL; i++) {
		*out = make_node(book[i], port);
		out = &(*out)->ai_next;
	}
	return 0;
}

void
freeaddrinfo(struct addrinfo *found)
{
	while (found != NULL) {
		struct addrinfo *next = found->ai_next;

		free(found); /* the first member of its node */
		found = next;
	}
}

static void
write_book(const char *first, const char *second)
{
	book[0] = first;
	book[1] = second;
	book[2] = NULL;
	lookups = 0;
}

static int
open_door(const char *addr, uint16_t *port)
{
	int fd;

	*port = 0;
	fd = fx_bind(addr, port, 8);
	assert_int_not_equal(fd, -1);
	return fd;
}

static void
dial(struct fx_dial *out, const char *host, const char *cached, uint16_t port,
     uint32_t stagger_ms)
{
	struct sled_dial_to to = { .host = host,
		                   .port = port,
		                   .stagger_ms = stagger_ms,
		                   .cached = cached };

	fx_dial_start(out, &to);
	fx_dial_run(out);
}

static void
a_cached_address_that_answers_costs_no_look_up(void **state)
{
	struct fx_dial call;
	uint16_t port;
	int door = open_door("127.0.0.1", &port);

	(void)state;
	write_book("127.0.0.3", NULL);
	dial(&call, "book.test", "127.0.0.1 127.0.0.2", port, 0);
	assert_non_null(call.conn);
	assert_string_equal(sled_conn_peer(call.conn), "127.0.0.1");
	assert_int_equal(lookups, 0);
	assert_string_equal(call.found, "");
	fx_dial_close(&call);
	(void)close(door);
}

static void
a_cached_address_of_either_family_is_taken(void **state)
{
	struct fx_dial call;
	uint16_t port = 0;
	int door = fx_bind("::1", &port, 8);

	(void)state;
	if (door == -1)
		skip();
	write_book("127.0.0.3", NULL);
	dial(&call, "book.test", "::1", port, 0);
	assert_non_null(call.conn);
	assert_string_equal(sled_conn_peer(call.conn), "::1");
	assert_int_equal(lookups, 0);
	fx_dial_close(&call);
	(void)close(door);
}

static void
words_that_are_no_address_are_passed_over(void **state)
{
	struct fx_dial call;
	uint16_t port;
	int door = open_door("127.0.0.1", &port);

	(void)state;
	write_book("127.0.0.3", NULL);
	dial(&call, "book.test",
	     "  mail.test 127.0.0.300 ::g 1 \033[2J "
	     "0123456789012345678901234567890123456789012345678901234567890123"
	     " 127.0.0.1",
	     port, HOUR_MS);
	assert_non_null(call.conn);
	assert_int_equal(lookups, 0);
	fx_dial_close(&call);
	write_book("127.0.0.1", NULL);
	dial(&call, "book.test", " nonsense ", port, HOUR_MS);
	assert_non_null(call.conn);
	assert_int_equal(lookups, 1);
	fx_dial_close(&call);
	(void)close(door);
}

/* With an hour of stagger, only the refusal can have begun the look-up. */
static void
a_refusal_begins_the_look_up_at_once(void **state)
{
	struct fx_dial call;
	uint16_t port;
	int door = open_door("127.0.0.2", &port);

	(void)state;
	write_book("127.0.0.3", "127.0.0.2");
	dial(&call, "book.test", "127.0.0.1", port, HOUR_MS);
	assert_non_null(call.conn);
	assert_string_equal(sled_conn_peer(call.conn), "127.0.0.2");
	assert_int_equal(lookups, 1);
	assert_string_equal(call.found, "127.0.0.2 127.0.0.3");
	fx_dial_close(&call);
	/* No route is a failure too, and told before connect() returns. */
	write_book("127.0.0.2", NULL);
	dial(&call, "book.test", "224.0.0.1", port, HOUR_MS);
	assert_non_null(call.conn);
	assert_int_equal(lookups, 1);
	fx_dial_close(&call);
	(void)close(door);
}

static void
silence_begins_the_look_up_after_the_stagger(void **state)
{
	struct fx_silent silent;
	struct fx_dial call;
	uint16_t port;
	int live = fx_silent_and_live(&silent, &port);

	(void)state;
	write_book("127.0.0.1", "127.0.0.2");
	dial(&call, "book.test", "127.0.0.1", port, 1);
	assert_non_null(call.conn);
	assert_string_equal(sled_conn_peer(call.conn), "127.0.0.2");
	assert_string_equal(call.found, "127.0.0.2 127.0.0.1");
	fx_dial_close(&call);
	(void)close(live);
	fx_silent_close(&silent);
}

static void
an_address_is_tried_once_though_cached_and_found(void **state)
{
	struct fx_dial call;
	uint16_t port = 0;
	int fd = fx_bind("127.0.0.1", &port, -1);
	const char *first;

	(void)state;
	write_book("127.0.0.1", NULL);
	dial(&call, "book.test", "127.0.0.1 127.0.0.1", port, 0);
	assert_null(call.conn);
	assert_int_equal(call.err.kind, SLED_ERR_SERVER);
	assert_string_equal(call.found, "127.0.0.1");
	first = strstr(call.err.text, "127.0.0.1: Connection refused");
	assert_non_null(first);
	assert_null(strstr(first + 1, "127.0.0.1"));
	fx_dial_close(&call);
	(void)close(fd);
}

static void
a_failed_look_up_decides_when_nothing_runs(void **state)
{
	struct fx_dial call;
	uint16_t port = 0;
	int fd = fx_bind("127.0.0.1", &port, -1);

	(void)state;
	dial(&call, "none.test", "127.0.0.1", port, 0);
	assert_null(call.conn);
	assert_int_equal(call.err.kind, SLED_ERR_HOST);
	assert_non_null(strstr(call.err.text, "no such host none.test"));
	assert_non_null(strstr(call.err.text, "127.0.0.1: Connection refused"));
	assert_string_equal(call.found, "");
	fx_dial_close(&call);
	dial(&call, "again.test", "127.0.0.1", port, 0);
	assert_int_equal(call.err.kind, SLED_ERR_LINK);
	fx_dial_close(&call);
	(void)close(fd);
}

struct waker {
	struct fx_dial *call;
	const struct fx_silent *silent;
	struct sled_timer *timer;
};

static void
on_waker(void *ctx)
{
	struct waker *waker = ctx;

	assert_int_equal(waker->call->calls, 0);
	if (lookups > 0)
		fx_silent_wake(waker->silent);
	sled_timer_start(waker->timer, 50);
}

/* The silent one hears the SYN that the kernel sends again, after a second. */
static void
a_failed_look_up_does_not_end_a_cached_racer(void **state)
{
	struct fx_silent silent;
	struct fx_dial call;
	uint16_t port;
	int live = fx_silent_and_live(&silent, &port);
	struct sled_dial_to to = { .host = "none.test",
		                   .stagger_ms = 1,
		                   .cached = "127.0.0.1",
		                   .port = port };
	struct waker waker = { .call = &call, .silent = &silent };

	(void)state;
	lookups = 0;
	fx_dial_start(&call, &to);
	assert_true(sled_timer_new(&waker.timer, call.loop, on_waker, &waker,
	                           &call.err));
	sled_timer_start(waker.timer, 50);
	fx_dial_run(&call);
	sled_timer_free(&waker.timer);
	assert_int_equal(lookups, 1);
	assert_non_null(call.conn);
	assert_string_equal(sled_conn_peer(call.conn), "127.0.0.1");
	fx_dial_close(&call);
	(void)close(live);
	fx_silent_close(&silent);
}

/* ---- a look-up alone ---- */

struct answer {
	struct sled_loop *loop;
	struct sled_lookup *lookup;
	struct sled_err err;
	char text[512];
	int calls;
};

static void
on_answer(void *ctx, const char *addresses, const struct sled_err *err)
{
	struct answer *answer = ctx;

	answer->calls++;
	assert_true((addresses == NULL) == (err != NULL));
	if (err != NULL)
		answer->err = *err;
	else
		(void)strncat(answer->text, addresses, 511);
	sled_lookup_free(&answer->lookup);
	sled_loop_stop(answer->loop);
}

static void
ask(struct answer *out, const char *host)
{
	*out = (struct answer){ 0 };
	assert_true(sled_loop_new(&out->loop, &out->err));
	assert_true(sled_lookup_new(&out->lookup, out->loop, host, on_answer,
	                            out, &out->err));
}

static void
a_look_up_alone_tells_the_racing_order(void **state)
{
	struct answer answer;

	(void)state;
	write_book("192.0.2.1", "192.0.2.2");
	book[2] = "2001:db8::1";
	book[3] = "192.0.2.1";
	book[4] = NULL;
	ask(&answer, "book.test");
	sled_loop_run(answer.loop);
	assert_int_equal(answer.calls, 1);
	assert_string_equal(answer.text, "192.0.2.1 2001:db8::1 192.0.2.2");
	sled_loop_free(&answer.loop);
}

static void
a_look_up_alone_tells_its_faults_apart(void **state)
{
	struct answer answer = { 0 };
	char host[300];

	(void)state;
	ask(&answer, "none.test");
	sled_loop_run(answer.loop);
	assert_int_equal(answer.err.kind, SLED_ERR_HOST);
	sled_loop_free(&answer.loop);
	ask(&answer, "again.test");
	sled_loop_run(answer.loop);
	assert_int_equal(answer.err.kind, SLED_ERR_LINK);
	assert_int_equal(answer.calls, 1);
	memset(host, 'x', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	assert_false(sled_lookup_new(&answer.lookup, answer.loop, host,
	                             on_answer, &answer, &answer.err));
	assert_int_equal(answer.err.kind, SLED_ERR_HOST);
	assert_null(answer.lookup);
	sled_loop_free(&answer.loop);
}

static void
a_cancelled_look_up_is_silent(void **state)
{
	struct fx_silent silent;
	struct answer answer;
	struct fx_dial call;
	uint16_t port;
	int live = fx_silent_and_live(&silent, &port);
	struct sled_dial_to to = { .host = "hang.test",
		                   .stagger_ms = 1,
		                   .cached = "127.0.0.1 127.0.0.2",
		                   .port = port };

	(void)state;
	assert_int_equal(sem_init(&entered, 0, 0), 0);
	assert_int_equal(sem_init(&wake, 0, 0), 0);
	ask(&answer, "hang.test");
	(void)sem_wait(&entered);
	sled_lookup_free(&answer.lookup);
	assert_null(answer.lookup);
	(void)sem_post(&wake);
	sled_loop_free(&answer.loop); /* awaits it */
	assert_int_equal(answer.calls, 0);
	/* A dial whose second cached address wins leaves its look-up. */
	fx_dial_start(&call, &to);
	fx_dial_run(&call);
	assert_non_null(call.conn);
	assert_string_equal(call.found, "");
	(void)sem_post(&wake);
	fx_dial_close(&call);
	(void)close(live);
	fx_silent_close(&silent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_cached_address_that_answers_costs_no_look_up),
		cmocka_unit_test(a_cached_address_of_either_family_is_taken),
		cmocka_unit_test(words_that_are_no_address_are_passed_over),
		cmocka_unit_test(a_refusal_begins_the_look_up_at_once),
		cmocka_unit_test(silence_begins_the_look_up_after_the_stagger),
		cmocka_unit_test(
		    an_address_is_tried_once_though_cached_and_found),
		cmocka_unit_test(a_failed_look_up_decides_when_nothing_runs),
		cmocka_unit_test(a_failed_look_up_does_not_end_a_cached_racer),
		cmocka_unit_test(a_look_up_alone_tells_the_racing_order),
		cmocka_unit_test(a_look_up_alone_tells_its_faults_apart),
		cmocka_unit_test(a_cancelled_look_up_is_silent),
	};

	(void)alarm(120); /* what hangs fails */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
