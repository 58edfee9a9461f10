/* test_serve_guard.c - who may come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "serve/guard.h"

static struct sled_guard
guard_with(const char *password)
{
	struct sled_guard guard;
	struct sled_err err = { 0 };

	assert_true(sled_guard_new(
	    &guard, (struct sled_span){ password, strlen(password) }, &err));
	return guard;
}

static void
a_ticket_is_used_once_and_a_new_one_replaces_it(void **state)
{
	struct sled_guard guard = guard_with("");
	char first[SLED_GUARD_WORD], second[SLED_GUARD_WORD];
	struct sled_err err = { 0 };

	(void)state;
	assert_false(sled_guard_use_ticket(&guard, ""));
	assert_true(sled_guard_ticket(&guard, first, &err));
	assert_int_equal(strlen(first), 64);
	assert_false(sled_guard_use_ticket(&guard, ""));
	assert_false(sled_guard_use_ticket(&guard, first + 1));
	assert_true(sled_guard_ticket(&guard, second, &err));
	assert_string_not_equal(first, second);
	assert_false(sled_guard_use_ticket(&guard, first));
	assert_true(sled_guard_use_ticket(&guard, second));
	assert_false(sled_guard_use_ticket(&guard, second));
	sled_guard_free(&guard);
}

static void
sessions_are_told_apart_and_the_oldest_ends(void **state)
{
	struct sled_guard guard = guard_with("");
	char cookies[SLED_GUARD_SESSIONS + 1][SLED_GUARD_WORD];
	char token[SLED_GUARD_WORD], other[SLED_GUARD_WORD];
	struct sled_err err = { 0 };

	(void)state;
	assert_false(sled_guard_is_session(&guard, NULL));
	assert_false(sled_guard_is_session(&guard, ""));
	for (size_t i = 0; i <= SLED_GUARD_SESSIONS; i++)
		assert_true(sled_guard_begin(&guard, cookies[i], &err));
	assert_false(sled_guard_is_session(&guard, cookies[0]));
	for (size_t i = 1; i <= SLED_GUARD_SESSIONS; i++)
		assert_true(sled_guard_is_session(&guard, cookies[i]));
	sled_guard_token(&guard, cookies[1], token);
	sled_guard_token(&guard, cookies[2], other);
	assert_string_not_equal(token, other);
	assert_string_not_equal(token, cookies[1]);
	assert_true(sled_guard_is_token(&guard, cookies[1], token));
	assert_false(sled_guard_is_token(&guard, cookies[2], token));
	assert_false(sled_guard_is_token(&guard, cookies[1], cookies[1]));
	assert_false(sled_guard_is_token(&guard, cookies[1], NULL));
	assert_false(sled_guard_is_token(&guard, NULL, token));
	sled_guard_free(&guard);
}

static void
a_ticket_is_no_session_and_no_password(void **state)
{
	struct sled_guard guard = guard_with("");
	char ticket[SLED_GUARD_WORD];
	struct sled_err err = { 0 };
	bool wait = false;

	(void)state;
	assert_true(sled_guard_ticket(&guard, ticket, &err));
	assert_false(sled_guard_is_session(&guard, ticket));
	assert_false(sled_guard_password(&guard, ticket, 0, &wait));
	assert_false(sled_guard_password(&guard, "", 0, &wait));
	sled_guard_free(&guard);
}

static void
a_wrong_password_makes_the_next_one_wait(void **state)
{
	struct sled_guard guard = guard_with("pump");
	bool wait = false;

	(void)state;
	assert_true(sled_guard_password(&guard, "pump", 5000, &wait));
	assert_false(sled_guard_password(&guard, "pum", 5000, &wait));
	assert_false(wait);
	assert_false(sled_guard_password(&guard, "pump", 5999, &wait));
	assert_true(wait);
	assert_true(sled_guard_password(&guard, "pump", 6000, &wait));
	assert_false(wait);
	sled_guard_free(&guard);
}

static struct sled_guard_from
from_host(const char *host)
{
	return (struct sled_guard_from){ .host = host,
		                         .local = "127.0.0.1",
		                         .port = 8025 };
}

static bool
is_host(const char *host)
{
	const struct sled_guard_from from = from_host(host);

	return sled_guard_host(&from);
}

static void
only_what_it_came_in_by_is_a_host(void **state)
{
	struct sled_guard_from from = from_host("[::1]:8025");

	(void)state;
	assert_true(is_host("127.0.0.1:8025"));
	assert_true(is_host("localhost:8025"));
	assert_true(is_host("LOCALHOST:8025"));
	assert_false(is_host(NULL));
	assert_false(is_host(""));
	assert_false(is_host("127.0.0.1"));
	assert_false(is_host("127.0.0.1:80"));
	assert_false(is_host("127.0.0.1:8025 "));
	assert_false(is_host("127.0.0.1:08025"));
	assert_false(is_host("evil.example:8025"));
	assert_false(is_host("[::1]:8025"));
	from.local = "[::1]";
	assert_true(sled_guard_host(&from));
	from.host = "localhost:8025";
	assert_true(sled_guard_host(&from));
	from.local = "192.168.7.2";
	assert_false(sled_guard_host(&from));
	from.host = "192.168.7.2:8025";
	assert_true(sled_guard_host(&from));
	from.host = "192.168.7.2";
	assert_false(sled_guard_host(&from));
	from.port = 80;
	assert_true(sled_guard_host(&from));
}

static void
a_name_that_was_given_is_a_host_too(void **state)
{
	struct sled_guard_from from = from_host("base.example");

	(void)state;
	assert_false(sled_guard_host(&from));
	from.name = "base.example";
	assert_true(sled_guard_host(&from));
	from.host = "base.example:8025";
	assert_true(sled_guard_host(&from));
	from.host = "base.example:8026";
	assert_false(sled_guard_host(&from));
	from.host = "evil.base.example";
	assert_false(sled_guard_host(&from));
}

struct origin_case {
	const char *origin, *site;
	bool post, good;
};

static void
other_sites_are_refused(void **state)
{
	static const struct origin_case cases[] = {
		{ NULL, NULL, false, true },
		{ NULL, NULL, true, false },
		{ "http://127.0.0.1:8025", NULL, true, true },
		{ "HTTP://127.0.0.1:8025", NULL, true, true },
		{ "http://127.0.0.1:8025", "same-origin", true, true },
		{ "http://127.0.0.1:8025", "cross-site", true, false },
		{ NULL, "same-origin", true, true },
		{ NULL, "none", false, true },
		{ NULL, "none", true, false },
		{ NULL, "same-site", false, false },
		{ NULL, "cross-site", false, false },
		{ NULL, "", false, false },
		{ "null", NULL, false, false },
		{ "null", "same-origin", true, false },
		{ "", "same-origin", true, false },
		{ "http://localhost:8025", NULL, true, false },
		{ "http://127.0.0.1:8025/", NULL, true, false },
		{ "https://127.0.0.1:8025", NULL, true, false },
		{ "http://127.0.0.1:8025.evil", NULL, false, false },
		{ "http://evil.example", "same-origin", true, false },
		{ "127.0.0.1:8025", NULL, true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sled_guard_from from = from_host("127.0.0.1:8025");

		from.origin = cases[i].origin;
		from.site = cases[i].site;
		from.post = cases[i].post;
		if (sled_guard_origin(&from) != cases[i].good)
			fail_msg("case %zu: %s, %s", i,
			         cases[i].origin == NULL ? "-" : cases[i].origin,
			         cases[i].site == NULL ? "-" : cases[i].site);
		from.host = "evil.example:8025";
		assert_false(sled_guard_origin(&from));
	}
}

static void
https_is_our_site_only_behind_a_name(void **state)
{
	struct sled_guard_from from = from_host("base.example");

	(void)state;
	from.name = "base.example";
	from.origin = "https://base.example";
	from.post = true;
	assert_true(sled_guard_origin(&from));
	from.origin = "https://evil.example";
	assert_false(sled_guard_origin(&from));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_ticket_is_used_once_and_a_new_one_replaces_it),
		cmocka_unit_test(sessions_are_told_apart_and_the_oldest_ends),
		cmocka_unit_test(a_ticket_is_no_session_and_no_password),
		cmocka_unit_test(a_wrong_password_makes_the_next_one_wait),
		cmocka_unit_test(only_what_it_came_in_by_is_a_host),
		cmocka_unit_test(a_name_that_was_given_is_a_host_too),
		cmocka_unit_test(other_sites_are_refused),
		cmocka_unit_test(https_is_our_site_only_behind_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
