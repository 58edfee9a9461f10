/* test_ledger_speed.c - a big maildrop's listing against the ledger. Prints
 * what it took; asserts only that nothing is missed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_ledger.h"
#include "mailsled/clock.h"

#define BATCHES 10
#define BATCH   2000
#define LOOKUPS 100000

static struct sled_err err;

static bool
count_one(void *ctx, const struct sled_message *message, struct sled_err *e)
{
	unsigned *count = ctx;

	(void)message;
	(void)e;
	++*count;
	return true;
}

static void
report(const char *what, unsigned count, int64_t ms)
{
	print_message("%s: %u in %lld ms, %.0f/s\n", what, count, (long long)ms,
	              (double)count * 1000.0 / (double)(ms == 0 ? 1 : ms));
}

static void
fill(struct sled_ledger *ledger)
{
	int64_t began = sled_clock_ms();

	for (unsigned batch = 0; batch < BATCHES; batch++) {
		assert_true(sled_ledger_begin(ledger, &err));
		for (unsigned i = 1; i <= BATCH; i++)
			assert_true(
			    fx_ledger_put(ledger, batch * BATCH + i, &err));
		assert_true(sled_ledger_commit(ledger, &err));
	}
	report("put, 2000 a commit", BATCHES * BATCH, sled_clock_ms() - began);
}

static void
a_listing_is_looked_up_whole(void **state)
{
	struct sled_ledger *ledger;
	struct fx_tmp tmp;
	unsigned found = 0, listed = 0;
	struct sled_message_query query = { 0 };
	int64_t began;

	(void)state;
	fx_tmp_make(&tmp);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
	fill(ledger);
	began = sled_clock_ms();
	for (unsigned i = 0; i < LOOKUPS; i++) {
		char uid[32];

		(void)snprintf(uid, sizeof(uid), "uid-%u",
		               i * 7919 % (BATCHES * BATCH) + 1);
		assert_true(sled_ledger_by_uid(ledger, 1, uid, count_one,
		                               &found, &err));
	}
	report("by uid", LOOKUPS, sled_clock_ms() - began);
	assert_int_equal(found, LOOKUPS);
	began = sled_clock_ms();
	assert_true(
	    sled_ledger_messages(ledger, &query, count_one, &listed, &err));
	report("newest first", listed, sled_clock_ms() - began);
	assert_int_equal(listed, BATCHES * BATCH);
	sled_ledger_close(&ledger);
	fx_tmp_drop(&tmp);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_listing_is_looked_up_whole),
	};

	return cmocka_run_group_tests_name("ledger_speed", tests, NULL, NULL);
}
