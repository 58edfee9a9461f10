/* test_cli_bill.c - a bill and a budget as people read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cli/cli.h"

#define NOW 1795445431 /* Monday 2026-11-23T14:50:31Z */

static struct sled_err err;

static void
money_has_two_decimals_and_more_when_small(void **state)
{
	static const struct {
		uint64_t amount;
		const char *text;
	} cases[] = {
		{ 0, "0.00 USD" },
		{ 480000, "0.48 USD" },
		{ 1440000, "1.44 USD" },
		{ 12345678, "12.35 USD" },
		{ 2500, "0.0025 USD" },
		{ 125, "0.000125 USD" },
		{ 999999999, "1000.00 USD" },
		{ UINT64_MAX, "18446744073709.55 USD" },
	};

	char out[SLED_CLI_WORD];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		sled_cli_money(out, cases[i].amount, "USD");
		assert_string_equal(out, cases[i].text);
	}
}

static void
assert_bill(const struct sled_round_row *row, const char *text)
{
	struct sled_buf out = { 0 };

	assert_true(sled_cli_bill(&out, row, &err));
	assert_string_equal(out.len == 0 ? "" : out.data, text);
	sled_buf_free(&out);
}

static void
a_bill_says_what_was_due(void **state)
{
	struct sled_round_row row = { .wire = 4000, .billed_bytes = 4000 };

	(void)state;
	assert_bill(&row, "");
	memcpy(row.currency, "USD", 4);
	row.money = 480000;
	row.steps = 1;
	assert_bill(&row, "1 step, 0.48 USD");
	row.steps = 0;
	row.billed_bytes = 5120;
	assert_bill(&row, "5.1 kB billed, 0.48 USD");
	row.steps = 4;
	assert_bill(&row, "4 steps, 5.1 kB billed, 0.48 USD");
}

static void
assert_ends(struct sled_conf_budget budget, const struct sled_used *used,
            const char *text)
{
	const struct sled_conf_link link = { .name = "wwan0",
		                             .currency = "USD" };
	const struct sled_budget_left before = { *used, *used };
	struct sled_buf out = { 0 };

	assert_true(
	    sled_cli_budget_ends(&out, &link, &budget, &before, NOW, &err));
	assert_string_equal(out.data, text);
	sled_buf_free(&out);
}

static void
a_budget_that_ends_says_what_is_used_and_when_it_begins_anew(void **state)
{
	const struct sled_used used = { 5400000, 1700000, 20000000 };
	const struct sled_used little = { 1, 1, 1 };

	(void)state;
	assert_ends((struct sled_conf_budget){ SLED_CONF_BYTES, 5 << 20, 0 },
	            &little,
	            "5 MiB/day on link wwan0 ends: 0.01 of 5 MiB; "
	            "begins anew Tue 00:00");
	assert_ends((struct sled_conf_budget){ SLED_CONF_BYTES, 5 << 20, 0 },
	            &used,
	            "5 MiB/day on link wwan0 is used up: 5.15 of 5 MiB; "
	            "begins anew Tue 00:00");
	assert_ends((struct sled_conf_budget){ SLED_CONF_SECONDS, 1800, 0 },
	            &used,
	            "30 min/day on link wwan0 ends: 28.34 of 30 min; "
	            "begins anew Tue 00:00");
	assert_ends(
	    (struct sled_conf_budget){ SLED_CONF_MONEY, 20000000, true }, &used,
	    "20 USD/month on link wwan0 is used up: 20 of 20 USD; "
	    "begins anew 2026-12-01 00:00");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(money_has_two_decimals_and_more_when_small),
		cmocka_unit_test(a_bill_says_what_was_due),
		cmocka_unit_test(
		    a_budget_that_ends_says_what_is_used_and_when_it_begins_anew),
	};

	if (setenv("TZ", "UTC", 1) == -1)
		return 1;
	tzset();
	return cmocka_run_group_tests_name("cli_bill", tests, NULL, NULL);
}
