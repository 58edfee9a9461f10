/* test_deliver_reply.c - an LMTP server's replies, cut at every octet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "deliver/reply.h"

static void
a_reply_is_taken_when_it_is_whole(void **state)
{
	static const char in[] = "250-mx here\r\n250-8bitmime\r\n250-SIZE "
				 "1048576\r\n250 \x1bok\r\n354 go\r\n";
	const size_t first = sizeof(in) - 1 - strlen("354 go\r\n");
	struct sled_reply reply;
	struct sled_err err = { 0 };
	size_t used = 9;

	(void)state;
	for (size_t len = 0; len < first; len++) {
		assert_true(sled_reply_take(
		    &reply, (struct sled_span){ in, len }, &used, &err));
		assert_int_equal(used, 0);
	}
	assert_true(sled_reply_take(
	    &reply, (struct sled_span){ in, sizeof(in) - 1 }, &used, &err));
	assert_int_equal(used, first);
	assert_int_equal(reply.code, 250);
	assert_string_equal(reply.text, "\\x1bok");
	assert_true(reply.eightbit && reply.has_size);
	assert_int_equal(reply.size_most, 1048576);
}

static void
short_and_odd_ones_are_understood(void **state)
{
	static const struct {
		const char *in;
		unsigned code;
		const char *text;
	} cases[] = {
		{ "220\n", 220, "" },
		{ "421 \r\n", 421, "" },
		{ "550-a\n550 b\n", 550, "b" },
		{ "250-SIZE\r\n250 SIZE x\r\n", 250, "SIZE x" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sled_reply reply;
		struct sled_err err = { 0 };
		size_t used = 0;

		assert_true(sled_reply_take(
		    &reply,
		    (struct sled_span){ cases[i].in, strlen(cases[i].in) },
		    &used, &err));
		assert_int_equal(used, strlen(cases[i].in));
		assert_int_equal(reply.code, cases[i].code);
		assert_string_equal(reply.text, cases[i].text);
		assert_int_equal(reply.size_most, 0);
	}
}

static void
what_is_no_reply_is_refused(void **state)
{
	static const char *const cases[] = {
		"\r\n",      "hello\r\n", "25x a\r\n",         "650 a\r\n",
		"150 a\r\n", "250*a\r\n", "250-a\r\n251 b\r\n"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sled_reply reply;
		struct sled_err err = { 0 };
		size_t used = 0;

		assert_false(sled_reply_take(
		    &reply, (struct sled_span){ cases[i], strlen(cases[i]) },
		    &used, &err));
		assert_int_equal(err.kind, SLED_ERR_PROTO);
	}
}

static void
one_without_end_has_an_end(void **state)
{
	struct sled_buf in = { 0 };
	struct sled_reply reply;
	struct sled_err err = { 0 };
	size_t used = 0;

	(void)state;
	assert_true(sled_buf_addstr(&in, "250 ", &err));
	while (in.len <= SLED_REPLY_LINE)
		assert_true(sled_buf_addstr(&in, "x", &err));
	assert_false(sled_reply_take(&reply, sled_buf_span(&in), &used, &err));
	in.len = 0;
	err = (struct sled_err){ 0 };
	for (int i = 0; i <= SLED_REPLY_LINES; i++)
		assert_true(sled_buf_addstr(&in, "250-x\r\n", &err));
	assert_false(sled_reply_take(&reply, sled_buf_span(&in), &used, &err));
	assert_int_equal(err.kind, SLED_ERR_PROTO);
	sled_buf_free(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_taken_when_it_is_whole),
		cmocka_unit_test(short_and_odd_ones_are_understood),
		cmocka_unit_test(what_is_no_reply_is_refused),
		cmocka_unit_test(one_without_end_has_an_end),
	};

	return cmocka_run_group_tests_name("deliver_reply", tests, NULL, NULL);
}
