/* test_session_capa.c - what CAPA tells of time (RFC 2449, 6.5 and 6.7). */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "session/session.h"

static const struct {
	const char *line;
	uint32_t expire_days, login_delay_s;
} cases[] = {
	{ "EXPIRE 30", 30, 0 },
	{ "expire 7 USER", 7, 0 },
	{ "EXPIRE NEVER", 0, 0 },
	{ "EXPIRE 0", 0, 0 },
	{ "EXPIRE0", 0, 0 },
	{ "EXPIRE", 0, 0 },
	{ "EXPIRE  12 ", 12, 0 },
	{ "EXPIRE -1", 0, 0 },
	{ "EXPIRE 99999999999999999999", 0, 0 },
	{ "EXPIRES 9", 0, 0 },
	{ "LOGIN-DELAY 900", 0, 900 },
	{ "LOGIN-DELAY 60 USER", 0, 60 },
	{ "LOGIN-DELAY 4294967295", 0, 86400 },
	{ "LOGIN-DELAYED 60", 0, 0 },
	{ "X-EXPIRE 4", 0, 0 },
	{ "", 0, 0 },
};

static void
times_are_read_and_nothing_else_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sled_capa_limits limits = { 0 };

		sled_capa_limit(
		    &limits,
		    (struct sled_span){ cases[i].line, strlen(cases[i].line) });
		assert_true(limits.told);
		assert_int_equal(limits.expire_days, cases[i].expire_days);
		assert_int_equal(limits.login_delay_s, cases[i].login_delay_s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_and_nothing_else_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
