/* test_pop3_engine.c - what the engine promises beyond a transcript. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/buf.h"
#include "mailsled/pop3.h"
#include "pop3/engine.h"

static const char secret[] = "AGFkYQBodW50ZXIyLWh1bnRlcjI=";

static struct sled_err err;

static int
set_up(void **state)
{
	struct sled_pop3 *pop = NULL;

	memset(&err, 0, sizeof(err));
	if (!sled_pop3_new(&pop, &err))
		return -1;
	*state = pop;
	return 0;
}

static int
tear_down(void **state)
{
	struct sled_pop3 *pop = *state;

	sled_pop3_free(&pop);
	assert_null(pop);
	sled_pop3_free(&pop);
	return 0;
}

static void
feed(struct sled_pop3 *pop, const char *text)
{
	sled_pop3_feed(pop, (struct sled_span){ text, strlen(text) });
}

static void
expect_event(struct sled_pop3 *pop, enum sled_pop3_kind kind,
             enum sled_pop3_verb verb, uint32_t msg)
{
	struct sled_pop3_event event;

	assert_int_equal(sled_pop3_next(pop, &event, &err), SLED_POP3_EVENT);
	assert_int_equal(event.kind, kind);
	assert_int_equal(event.verb, verb);
	assert_int_equal(event.msg, msg);
}

static void
expect_hungry(struct sled_pop3 *pop)
{
	struct sled_pop3_event event;

	assert_int_equal(sled_pop3_next(pop, &event, &err), SLED_POP3_HUNGRY);
}

static void
expect_failed(struct sled_pop3 *pop, enum sled_err_kind kind)
{
	struct sled_pop3_event event;

	memset(&err, 0, sizeof(err));
	assert_int_equal(sled_pop3_next(pop, &event, &err), SLED_POP3_FAILED);
	assert_int_equal(err.kind, kind);
}

static void
greet(struct sled_pop3 *pop)
{
	feed(pop, "+OK\r\n");
	expect_event(pop, SLED_POP3_GREETING, SLED_POP3_NONE, 0);
	expect_hungry(pop);
}

static void
send_all(struct sled_pop3 *pop)
{
	sled_pop3_sent(pop, sled_pop3_pending(pop).len);
}

static void
expect_nothing_queued(struct sled_pop3 *pop, enum sled_err_kind kind)
{
	assert_int_equal(err.kind, kind);
	assert_int_equal(sled_pop3_pending(pop).len, 0);
	assert_int_equal(sled_pop3_waiting(pop), 0);
	memset(&err, 0, sizeof(err));
}

static void
line_break_in_an_argument_is_refused(void **state)
{
	static const char *const breaks[] = { "a\r\nDELE 1", "a\nb", "a\r" };
	struct sled_pop3 *pop = *state;

	for (size_t i = 0; i < sizeof(breaks) / sizeof(breaks[0]); i++) {
		assert_false(sled_pop3_user(pop, breaks[i], &err));
		expect_nothing_queued(pop, SLED_ERR_USAGE);
		assert_false(sled_pop3_pass(pop, breaks[i], &err));
		assert_null(strstr(err.text, "DELE"));
		expect_nothing_queued(pop, SLED_ERR_USAGE);
		assert_false(sled_pop3_auth(pop, breaks[i], NULL, &err));
		expect_nothing_queued(pop, SLED_ERR_USAGE);
		assert_false(sled_pop3_auth(pop, "PLAIN", breaks[i], &err));
		expect_nothing_queued(pop, SLED_ERR_USAGE);
	}
}

static void
words_of_auth_hold_no_blank(void **state)
{
	struct sled_pop3 *pop = *state;

	assert_false(sled_pop3_auth(pop, "", NULL, &err));
	expect_nothing_queued(pop, SLED_ERR_USAGE);
	assert_false(sled_pop3_auth(pop, "PLAIN x", NULL, &err));
	expect_nothing_queued(pop, SLED_ERR_USAGE);
	assert_false(sled_pop3_auth(pop, "PLAIN", "", &err));
	expect_nothing_queued(pop, SLED_ERR_USAGE);
	assert_false(sled_pop3_auth(pop, "PLAIN", "a b", &err));
	expect_nothing_queued(pop, SLED_ERR_USAGE);
}

static void
argument_has_a_bound(void **state)
{
	static char arg[SLED_POP3_ARG_MAX + 2];
	struct sled_pop3 *pop = *state;

	memset(arg, 'x', SLED_POP3_ARG_MAX + 1);
	assert_false(sled_pop3_pass(pop, arg, &err));
	expect_nothing_queued(pop, SLED_ERR_USAGE);
	arg[SLED_POP3_ARG_MAX] = '\0';
	assert_true(sled_pop3_pass(pop, arg, &err));
	assert_int_equal(sled_pop3_pending(pop).len, SLED_POP3_ARG_MAX + 7);
}

static void
message_zero_is_refused(void **state)
{
	struct sled_pop3 *pop = *state;

	assert_false(sled_pop3_retr(pop, 0, &err));
	expect_nothing_queued(pop, SLED_ERR_INTERNAL);
	assert_false(sled_pop3_dele(pop, 0, &err));
	expect_nothing_queued(pop, SLED_ERR_INTERNAL);
	assert_false(sled_pop3_top(pop, 0, 1, &err));
	expect_nothing_queued(pop, SLED_ERR_INTERNAL);
}

static void
queue_has_a_bound_and_goes_round(void **state)
{
	struct sled_pop3 *pop = *state;
	uint32_t asked = 0, told = 0;

	greet(pop);
	for (int round = 0; round < 3; round++) {
		while (sled_pop3_room(pop) > 0)
			assert_true(sled_pop3_dele(pop, ++asked, &err));
		assert_int_equal(sled_pop3_waiting(pop), SLED_POP3_QUEUE_MAX);
		send_all(pop);
		assert_false(sled_pop3_noop(pop, &err));
		assert_int_equal(err.kind, SLED_ERR_INTERNAL);
		assert_int_equal(sled_pop3_pending(pop).len, 0);
		for (int i = 0; i < 700; i++) {
			feed(pop, "+OK\r\n");
			expect_event(pop, SLED_POP3_ACCEPTED, SLED_POP3_DELE,
			             ++told);
			expect_hungry(pop);
		}
		assert_int_equal(sled_pop3_room(pop), 700);
	}
}

static void
answer_waits_for_the_end_of_a_body(void **state)
{
	struct sled_pop3 *pop = *state;

	greet(pop);
	assert_true(sled_pop3_retr(pop, 7, &err));
	assert_int_equal(sled_pop3_waiting(pop), 1);
	feed(pop, "+OK\r\nx\r\n.");
	expect_event(pop, SLED_POP3_ACCEPTED, SLED_POP3_RETR, 7);
	expect_event(pop, SLED_POP3_BODY, SLED_POP3_RETR, 7);
	expect_hungry(pop);
	assert_int_equal(sled_pop3_waiting(pop), 1);
	feed(pop, "\r\n");
	expect_event(pop, SLED_POP3_END, SLED_POP3_RETR, 7);
	assert_int_equal(sled_pop3_waiting(pop), 0);
}

static bool
holds(const char *data, size_t len, const char *what)
{
	return memmem(data, len, what, strlen(what)) != NULL;
}

static void
secret_is_wiped_once_sent(void **state)
{
	struct sled_pop3 *pop = *state;
	struct sled_span due;

	assert_true(sled_pop3_noop(pop, &err));
	assert_true(sled_pop3_auth(pop, "PLAIN", secret, &err));
	assert_true(sled_pop3_pass(pop, secret, &err));
	due = sled_pop3_pending(pop);
	assert_true(holds(due.data, due.len, secret));
	while (sled_pop3_pending(pop).len > 0) {
		size_t at = (size_t)(sled_pop3_pending(pop).data - due.data);

		sled_pop3_sent(pop, 1);
		assert_int_equal(due.data[at], 0);
	}
	assert_int_equal(sled_pop3_pending(pop).len, 0);
	for (size_t i = 0; i < due.len; i++)
		assert_int_equal(due.data[i], 0);
}

static void
moving_what_is_unsent_leaves_no_copy(void **state)
{
	struct sled_pop3 *pop = *state;

	assert_true(sled_pop3_user(pop, "a-long-name-in-front", &err));
	assert_true(sled_pop3_pass(pop, secret, &err));
	sled_pop3_sent(pop, 27);
	assert_memory_equal(sled_pop3_pending(pop).data, "PASS ", 5);
	assert_true(sled_pop3_noop(pop, &err));
	sled_pop3_sent(pop, 5 + strlen(secret));
	assert_memory_equal(sled_pop3_pending(pop).data, "\r\nNOOP\r\n", 8);
	assert_false(holds(pop->out.data, pop->out.cap, "hunter"));
	assert_false(holds(pop->out.data, pop->out.cap, secret + 12));
}

static void
secret_in_an_answer_is_wiped(void **state)
{
	struct sled_pop3 *pop = *state;

	greet(pop);
	assert_true(sled_pop3_auth(pop, "PLAIN", NULL, &err));
	send_all(pop);
	feed(pop, "+ \r\n");
	expect_event(pop, SLED_POP3_CHALLENGE, SLED_POP3_AUTH, 0);
	expect_hungry(pop);
	assert_true(sled_pop3_respond(pop, secret, &err));
	send_all(pop);
	assert_false(holds(pop->out.data, pop->out.cap, secret + 2));
}

/* The next owner of the memory finds nothing (with glibc's allocator it is
 * the same memory; it writes links of its own into the first bytes). */
static void
unsent_secret_is_wiped_by_free(void **state)
{
	struct sled_pop3 *pop = NULL;
	size_t cap;
	char *next;

	(void)state;
	assert_true(sled_pop3_new(&pop, &err));
	assert_true(sled_pop3_auth(pop, "SCRAM-SHA-256-PLUS", secret, &err));
	cap = pop->out.cap;
	sled_pop3_free(&pop);
	next = malloc(cap);
	assert_non_null(next);
	assert_false(holds(next, cap, secret));
	free(next);
}

static void
nothing_is_queued_behind_stls(void **state)
{
	struct sled_pop3 *pop = *state;

	greet(pop);
	assert_true(sled_pop3_capa(pop, &err));
	assert_true(sled_pop3_stls(pop, &err));
	send_all(pop);
	assert_int_equal(sled_pop3_room(pop), 0);
	assert_false(sled_pop3_pass(pop, secret, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	assert_false(sled_pop3_stls(pop, &err));
	feed(pop, "-ERR\r\n");
	expect_event(pop, SLED_POP3_REFUSED, SLED_POP3_CAPA, 0);
	expect_hungry(pop);
	assert_false(sled_pop3_auth(pop, "PLAIN", secret, &err));
	assert_int_equal(sled_pop3_pending(pop).len, 0);
	feed(pop, "+OK go\r\n");
	expect_event(pop, SLED_POP3_ACCEPTED, SLED_POP3_STLS, 0);
	assert_int_equal(sled_pop3_room(pop), SLED_POP3_QUEUE_MAX);
	assert_true(sled_pop3_auth(pop, "PLAIN", secret, &err));
}

/* Cut anywhere but right behind the line, the +OK is not even told. */
static void
bytes_behind_stls_are_a_fault(void **state)
{
	static const char reply[] = "+OK go\r\n+OK injected\r\n";
	size_t len = strlen(reply), line = 8, told = 0;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct sled_pop3_event event;
		struct sled_pop3 *pop = NULL;

		assert_true(sled_pop3_new(&pop, &err));
		greet(pop);
		assert_true(sled_pop3_stls(pop, &err));
		sled_pop3_feed(pop, (struct sled_span){ reply, cut });
		if (cut == line) {
			expect_event(pop, SLED_POP3_ACCEPTED, SLED_POP3_STLS,
			             0);
			told++;
		}
		if (cut <= line) {
			expect_hungry(pop);
			sled_pop3_feed(
			    pop, (struct sled_span){ reply + cut, len - cut });
		}
		assert_int_equal(sled_pop3_next(pop, &event, &err),
		                 SLED_POP3_FAILED);
		assert_int_equal(err.kind, SLED_ERR_PROTO);
		sled_pop3_free(&pop);
	}
	assert_int_equal(told, 1);
}

static void
failure_is_sticky(void **state)
{
	struct sled_pop3 *pop = *state;
	char first[sizeof(err.text)];

	feed(pop, "SSH-2.0-x\r\n+OK\r\n");
	expect_failed(pop, SLED_ERR_PROTO);
	memcpy(first, err.text, sizeof(first));
	feed(pop, "+OK\r\n");
	expect_failed(pop, SLED_ERR_PROTO);
	assert_string_equal(err.text, first);
	assert_non_null(strstr(err.text, "SSH-2.0-x"));
	assert_int_equal(sled_pop3_room(pop), 0);
	assert_false(sled_pop3_noop(pop, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
}

static void
feeding_too_early_is_refused(void **state)
{
	struct sled_pop3 *pop = *state;

	feed(pop, "+OK\r\n");
	feed(pop, "+OK\r\n");
	expect_failed(pop, SLED_ERR_INTERNAL);
	expect_failed(pop, SLED_ERR_INTERNAL);
}

static void
only_a_challenge_is_answered(void **state)
{
	struct sled_pop3 *pop = *state;

	assert_false(sled_pop3_respond(pop, secret, &err));
	expect_nothing_queued(pop, SLED_ERR_INTERNAL);
	greet(pop);
	assert_true(sled_pop3_auth(pop, "LOGIN", NULL, &err));
	assert_false(sled_pop3_respond(pop, secret, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	send_all(pop);
	feed(pop, "+ dXNlcg==\r\n");
	expect_event(pop, SLED_POP3_CHALLENGE, SLED_POP3_AUTH, 0);
	assert_false(sled_pop3_respond(pop, "a\r\nb", &err));
	assert_int_equal(err.kind, SLED_ERR_USAGE);
	assert_true(sled_pop3_respond(pop, secret, &err));
	assert_false(sled_pop3_respond(pop, secret, &err));
	expect_hungry(pop);
	feed(pop, "-ERR\r\n");
	expect_event(pop, SLED_POP3_REFUSED, SLED_POP3_AUTH, 0);
	assert_false(sled_pop3_respond(pop, secret, &err));
}

static void
refused_challenge_is_not_answered(void **state)
{
	struct sled_pop3 *pop = *state;

	greet(pop);
	assert_true(sled_pop3_auth(pop, "LOGIN", NULL, &err));
	send_all(pop);
	feed(pop, "+ dXNlcg==\r\n-ERR too late\r\n");
	expect_event(pop, SLED_POP3_CHALLENGE, SLED_POP3_AUTH, 0);
	expect_event(pop, SLED_POP3_REFUSED, SLED_POP3_AUTH, 0);
	assert_false(sled_pop3_respond(pop, secret, &err));
	expect_nothing_queued(pop, SLED_ERR_INTERNAL);
}

static void
command_sent_behind_auth_bars_the_answer(void **state)
{
	struct sled_pop3 *pop = *state;

	greet(pop);
	assert_true(sled_pop3_auth(pop, "PLAIN", "=", &err));
	assert_true(sled_pop3_uidl(pop, 0, &err));
	send_all(pop);
	feed(pop, "+ \r\n");
	expect_event(pop, SLED_POP3_CHALLENGE, SLED_POP3_AUTH, 0);
	assert_false(sled_pop3_respond(pop, secret, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	assert_int_equal(sled_pop3_pending(pop).len, 0);
}

/* One span for a megabyte of lines, in the caller's memory. */
static void
bodies_are_not_copied(void **state)
{
	struct sled_pop3 *pop = *state;
	size_t len = 1 << 20;
	char *lent = malloc(len);
	struct sled_pop3_event event;

	assert_non_null(lent);
	for (size_t i = 0; i < len; i++)
		lent[i] = "0123456789abcd\r\n"[i % 16];
	greet(pop);
	assert_true(sled_pop3_retr(pop, 1, &err));
	feed(pop, "+OK\r\n");
	expect_event(pop, SLED_POP3_ACCEPTED, SLED_POP3_RETR, 1);
	expect_hungry(pop);
	sled_pop3_feed(pop, (struct sled_span){ lent, len });
	assert_int_equal(sled_pop3_next(pop, &event, &err), SLED_POP3_EVENT);
	assert_ptr_equal(event.text.data, lent);
	assert_int_equal(event.text.len, len);
	expect_hungry(pop);
	free(lent);
}

static void
listings_have_a_bound(void **state)
{
	struct sled_pop3 *pop = *state;
	size_t listed = 0;

	greet(pop);
	assert_true(sled_pop3_list(pop, 0, &err));
	feed(pop, "+OK\r\n");
	expect_event(pop, SLED_POP3_ACCEPTED, SLED_POP3_LIST, 0);
	expect_hungry(pop);
	while (listed < SLED_POP3_LISTING_MAX) {
		struct sled_pop3_event event;

		feed(pop, "1 1\n2 2\n3 3\n4 4\n");
		while (sled_pop3_next(pop, &event, &err) == SLED_POP3_EVENT)
			listed++;
	}
	assert_int_equal(listed, SLED_POP3_LISTING_MAX);
	feed(pop, "5 5\n");
	expect_failed(pop, SLED_ERR_PROTO);
}

static void
each_listing_is_counted_by_itself(void **state)
{
	struct sled_pop3 *pop = *state;

	greet(pop);
	for (int i = 0; i < 2; i++) {
		assert_true(sled_pop3_capa(pop, &err));
		feed(pop, "+OK\r\n");
		expect_event(pop, SLED_POP3_ACCEPTED, SLED_POP3_CAPA, 0);
		expect_hungry(pop);
		for (int line = 0; line < SLED_POP3_CAPA_MAX; line++) {
			feed(pop, "X-MANY\r\n");
			expect_event(pop, SLED_POP3_LISTED, SLED_POP3_CAPA, 0);
			expect_hungry(pop);
		}
		feed(pop, ".\r\n");
		expect_event(pop, SLED_POP3_END, SLED_POP3_CAPA, 0);
		expect_hungry(pop);
	}
}

/* Bodies, stuffed as servers do and read back. */

enum server {
	AT_CRLF,  /* a line starts behind CRLF only */
	AT_LF,    /* and behind a bare LF too */
	LF_LINES, /* there is no CRLF at all */
};

static size_t
stuff(char *out, const char *body, size_t len, enum server server)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bool lf = i > 0 && body[i - 1] == '\n';
		bool crlf = lf && i > 1 && body[i - 2] == '\r';

		if (body[i] == '.' && (server == AT_CRLF ? crlf : lf))
			out[n++] = '.';
		out[n++] = body[i];
	}
	memcpy(out + n, server == LF_LINES ? ".\n" : ".\r\n", 3);
	return n + (server == LF_LINES ? 2 : 3);
}

/* What must come of it: the body, but for the dots that AT_CRLF sends doubled
 * behind a bare LF. */
static size_t
expected_body(char *out, const char *body, size_t len, enum server server)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		bool bare = i > 1 && body[i - 1] == '\n' && body[i - 2] != '\r';

		if (server == AT_CRLF && bare && body[i] == '.' &&
		    i + 1 < len && body[i + 1] == '.')
			continue;
		out[n++] = body[i];
	}
	return n;
}

static size_t
read_back(struct sled_pop3 *pop, char *out, const char *wire, size_t len,
          size_t piece)
{
	struct sled_pop3_event event = { .kind = SLED_POP3_GREETING };
	size_t n = 0;

	assert_true(sled_pop3_retr(pop, 1, &err));
	send_all(pop);
	feed(pop, "+OK\r\n");
	expect_event(pop, SLED_POP3_ACCEPTED, SLED_POP3_RETR, 1);
	expect_hungry(pop);
	for (size_t at = 0; at < len; at += piece) {
		size_t now = len - at < piece ? len - at : piece;

		assert_int_not_equal(event.kind, SLED_POP3_END);
		sled_pop3_feed(pop, (struct sled_span){ wire + at, now });
		while (sled_pop3_next(pop, &event, &err) == SLED_POP3_EVENT &&
		       event.kind == SLED_POP3_BODY) {
			memcpy(out + n, event.text.data, event.text.len);
			n += event.text.len;
		}
	}
	assert_int_equal(event.kind, SLED_POP3_END);
	expect_hungry(pop);
	return n;
}

static void
check_body(struct sled_pop3 *pop, const char *body, size_t len,
           enum server server)
{
	static const size_t pieces[] = { 1, 3, 64 };
	char wire[64], want[64], got[64];
	size_t wired = stuff(wire, body, len, server);
	size_t wanted = expected_body(want, body, len, server);

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		size_t n = read_back(pop, got, wire, wired, pieces[i]);

		assert_int_equal(n, wanted);
		assert_memory_equal(got, want, wanted);
	}
}

/* Every body of up to seven octets of these behind a first line. */
static void
every_body_comes_back(void **state)
{
	static const char octets[] = { '.', '\r', '\n', 'x' };
	struct sled_pop3 *pop = *state;
	size_t bodies = 0;

	greet(pop);
	for (size_t len = 0; len <= 7; len++) {
		for (size_t n = 0; n < (size_t)1 << (2 * len); n++) {
			char body[16] = "H\r\n", lf[16] = "H\n";

			for (size_t i = 0; i < len; i++)
				lf[2 + i] = body[3 + i] =
				    octets[n >> (2 * i) & 3];
			memcpy(body + 3 + len, "\r\n", 2);
			lf[2 + len] = '\n';
			check_body(pop, body, len + 5, AT_CRLF);
			check_body(pop, body, len + 5, AT_LF);
			check_body(pop, lf, len + 3, LF_LINES);
			bodies++;
		}
	}
	assert_int_equal(bodies, 21845);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(line_break_in_an_argument_is_refused),
		TEST(words_of_auth_hold_no_blank),
		TEST(argument_has_a_bound),
		TEST(message_zero_is_refused),
		TEST(queue_has_a_bound_and_goes_round),
		TEST(answer_waits_for_the_end_of_a_body),
		TEST(secret_is_wiped_once_sent),
		TEST(moving_what_is_unsent_leaves_no_copy),
		TEST(secret_in_an_answer_is_wiped),
		cmocka_unit_test(unsent_secret_is_wiped_by_free),
		TEST(nothing_is_queued_behind_stls),
		cmocka_unit_test(bytes_behind_stls_are_a_fault),
		TEST(failure_is_sticky),
		TEST(feeding_too_early_is_refused),
		TEST(only_a_challenge_is_answered),
		TEST(refused_challenge_is_not_answered),
		TEST(command_sent_behind_auth_bars_the_answer),
		TEST(bodies_are_not_copied),
		TEST(listings_have_a_bound),
		TEST(each_listing_is_counted_by_itself),
		TEST(every_body_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
