/* What a visit cost, in few words and never beyond 80 columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"

static void
says(const struct sled_visit_row *row, const char *expected)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	assert_true(sled_cli_cost(&out, row, &err));
	assert_string_equal(out.data == NULL ? "" : out.data, expected);
	sled_buf_free(&out);
}

static void
a_visit_that_sent_nothing_is_not_told(void **state)
{
	const struct sled_visit_row row = { .ms = 3000, .ms_connect = 3000 };

	(void)state;
	says(&row, "");
}

static void
an_old_row_has_its_octets_alone(void **state)
{
	const struct sled_visit_row row = { .wire_down = 4420, .wire_up = 900 };

	(void)state;
	says(&row, "  cost      4.4 kB down, 900 B up\n");
}

static void
phases_and_round_trips_are_told_and_wrapped(void **state)
{
	const struct sled_visit_row row = {
		.wire_down = 421000,
		.wire_up = 10200,
		.round_trips = 5,
		.rtt_ms = 604,
		.ms_connect = 604,
		.ms_tls = 610,
		.ms_login = 650,
		.ms_list = 49,
		.ms_fetch = 7560,
		.ms_save = 12,
		.ms_delete = 699,
	};

	(void)state;
	says(&row,
	     "  cost      421 kB down, 10 kB up in 5 round trips of 604 ms; "
	     "0.6 s connect,\n"
	     "            0.6 s TLS, 0.7 s login, 7.6 s fetch, 0.7 s "
	     "delete\n");
}

static void
what_was_saved_or_sent_again_is_told_when_it_was(void **state)
{
	struct sled_visit_row row = {
		.wire_down = 900, .wire_up = 800, .round_trips = 1, .retrans = 1
	};

	(void)state;
	says(&row, "  cost      900 B down, 800 B up in 1 round trip; "
	           "1 packet again\n");
	row.retrans = 0;
	row.resumed = true;
	says(&row, "  cost      900 B down, 800 B up in 1 round trip\n"
	           "  saved     TLS was resumed\n");
	row.eager = true;
	says(&row, "  cost      900 B down, 800 B up in 1 round trip\n"
	           "  saved     TLS was resumed; the login did not wait for "
	           "the greeting\n");
	row.resumed = false;
	says(&row, "  cost      900 B down, 800 B up in 1 round trip\n"
	           "  saved     the login did not wait for the greeting\n");
}

static void
no_line_is_wider_than_a_screen(void **state)
{
	const int64_t long_ms = INT64_C(172799000);
	const struct sled_visit_row row = {
		.wire_down = UINT64_MAX,
		.wire_up = UINT64_MAX,
		.round_trips = UINT32_MAX,
		.rtt_ms = UINT32_MAX,
		.retrans = UINT64_MAX,
		.ms_connect = long_ms,
		.ms_tls = long_ms,
		.ms_login = long_ms,
		.ms_list = long_ms,
		.ms_fetch = long_ms,
		.ms_save = long_ms,
		.ms_delete = long_ms,
		.resumed = true,
		.eager = true,
	};
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };
	unsigned lines = 0;

	(void)state;
	assert_true(sled_cli_cost(&out, &row, &err));
	for (const char *at = out.data; *at != '\0'; lines++) {
		size_t len = strcspn(at, "\n");

		assert_in_range(len, 13, 80);
		assert_int_equal(at[len], '\n');
		at += len + 1;
	}
	assert_in_range(lines, 4, 6);
	sled_buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_visit_that_sent_nothing_is_not_told),
		cmocka_unit_test(an_old_row_has_its_octets_alone),
		cmocka_unit_test(phases_and_round_trips_are_told_and_wrapped),
		cmocka_unit_test(
		    what_was_saved_or_sent_again_is_told_when_it_was),
		cmocka_unit_test(no_line_is_wider_than_a_screen),
	};

	return cmocka_run_group_tests_name("cli_cost", tests, NULL, NULL);
}
