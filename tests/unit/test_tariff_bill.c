/* test_tariff_bill.c - bills of the field's tariffs, and that no budget can be
 * passed by what fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "mailsled/tariff.h"

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define USD UINT64_C(1000000)

static const struct sled_budget_left none;

/* 5 USD/MiB; min 5KiB: in steps of a MiB. */
static struct sled_conf_link
by_mib(void)
{
	return (struct sled_conf_link){
		.costs = { { SLED_CONF_BYTES, 5 * USD, MIB, false } },
		.costs_len = 1,
		.cost_min_bytes = 5 * KIB,
		.currency = "USD",
	};
}

/* 0.01 USD/KiB; min 5KiB. */
static struct sled_conf_link
by_kib(void)
{
	struct sled_conf_link link = by_mib();

	link.costs[0].amount = USD / 100;
	link.costs[0].step = KIB;
	return link;
}

/* 0.48 USD/20s. */
static struct sled_conf_link
by_step(void)
{
	return (struct sled_conf_link){
		.costs = { { SLED_CONF_SECONDS, 480000, 20, false } },
		.costs_len = 1,
		.currency = "USD",
	};
}

static struct sled_conf_link
by_both(void)
{
	struct sled_conf_link link = by_kib();

	link.costs[1] = by_step().costs[0];
	link.costs_len = 2;
	return link;
}

static void
assert_bill(const struct sled_conf_link *link, uint64_t bytes, uint64_t ms,
            uint64_t billed, uint64_t steps, uint64_t money)
{
	struct sled_bill bill;

	sled_tariff_bill(link, bytes, ms, &bill);
	assert_int_equal(bill.bytes, billed);
	assert_int_equal(bill.steps, steps);
	assert_int_equal(bill.money, money);
}

static void
bytes_are_due_by_begun_steps_and_the_minimum(void **state)
{
	struct sled_conf_link mib = by_mib(), kib = by_kib();

	(void)state;
	assert_bill(&mib, 1, 9, MIB, 0, 5 * USD);
	assert_bill(&mib, MIB, 9, MIB, 0, 5 * USD);
	assert_bill(&mib, MIB + 1, 9, 2 * MIB, 0, 10 * USD);
	assert_bill(&kib, 1, 9, 5 * KIB, 0, 50000);
	assert_bill(&kib, 5 * KIB, 9, 5 * KIB, 0, 50000);
	assert_bill(&kib, 5 * KIB + 1, 9, 6 * KIB, 0, 60000);
	kib.cost_min_bytes = 5 * KIB + 1;
	assert_bill(&kib, 1, 9, 6 * KIB, 0, 60000);
}

static void
time_is_due_by_begun_steps_and_the_minimum(void **state)
{
	struct sled_conf_link link = by_step();
	struct sled_bill bill;

	(void)state;
	assert_bill(&link, 100, 1, 100, 1, 480000);
	assert_bill(&link, 100, 20000, 100, 1, 480000);
	assert_bill(&link, 100, 20001, 100, 2, 960000);
	assert_bill(&link, 100, 60000, 100, 3, 1440000);
	link.cost_min_s = 60;
	assert_bill(&link, 100, 1, 100, 3, 1440000);
	sled_tariff_bill(&link, 100, 61000, &bill);
	assert_int_equal(bill.ms, 80000);
}

static void
both_prices_add_up(void **state)
{
	struct sled_conf_link link = by_both();

	(void)state;
	assert_bill(&link, 6 * KIB, 20001, 6 * KIB, 2, 60000 + 960000);
	assert_bill(&link, 1, 0, 5 * KIB, 0, 50000);
	assert_bill(&link, 0, 1, 5 * KIB, 1, 50000 + 480000);
}

static void
nothing_used_is_nothing_due(void **state)
{
	struct sled_conf_link link = by_both();

	(void)state;
	link.cost_min_s = 60;
	assert_bill(&link, 0, 0, 0, 0, 0);
	assert_bill(NULL, 7, 8, 7, 0, 0);
	link.costs_len = 0;
	link.cost_min_bytes = link.cost_min_s = 0;
	assert_bill(&link, 7, 8, 7, 0, 0);
}

static void
too_much_is_never_a_little(void **state)
{
	struct sled_conf_link link = by_both();
	struct sled_bill bill;

	(void)state;
	sled_tariff_bill(&link, UINT64_MAX, UINT64_MAX, &bill);
	assert_true(bill.bytes == UINT64_MAX);
	assert_true(bill.money == UINT64_MAX);
	link.cost_min_s = UINT64_MAX;
	link.costs[1].step = UINT64_MAX;
	sled_tariff_bill(&link, 1, 1, &bill);
	assert_true(bill.ms == UINT64_MAX);
	assert_int_equal(bill.steps, 1);
}

static void
a_budget_may_be_used_up_but_not_passed(void **state)
{
	struct sled_conf_link link = by_kib();
	const struct sled_budget_left before = {
		.day = { .bytes = 90 * KIB, .ms = 50000 },
		.month = { .bytes = 1, .money = 90000 }
	};
	const struct sled_conf_budget *over = NULL;
	uint64_t bytes, ms;

	(void)state;
	link.budgets[0] =
	    (struct sled_conf_budget){ SLED_CONF_BYTES, 100 * KIB, false };
	link.budgets[1] = (struct sled_conf_budget){ SLED_CONF_SECONDS, 60, 0 };
	link.budgets[2] =
	    (struct sled_conf_budget){ SLED_CONF_MONEY, 200000, true };
	link.budgets_len = 3;
	assert_true(sled_tariff_fits(&link, &before, 10 * KIB, 0, &over));
	assert_false(sled_tariff_fits(&link, &before, 10 * KIB + 1, 0, &over));
	assert_ptr_equal(over, &link.budgets[0]);
	assert_true(sled_tariff_fits(&link, &before, 1, 10000, &over));
	assert_false(sled_tariff_fits(&link, &before, 1, 10001, &over));
	assert_ptr_equal(over, &link.budgets[1]);
	link.budgets[2].amount = 150000;
	assert_true(sled_tariff_fits(&link, &before, 6 * KIB, 0, &over));
	assert_false(sled_tariff_fits(&link, &before, 7 * KIB, 0, &over));
	assert_ptr_equal(over, &link.budgets[2]);
	sled_tariff_left(&link, &before, &bytes, &ms);
	assert_int_equal(bytes, 6 * KIB);
	assert_int_equal(ms, 10000);
	link.budgets[0].amount = 90 * KIB - 1;
	sled_tariff_left(&link, &before, &bytes, &ms);
	assert_int_equal(bytes + ms, 0);
	assert_false(sled_tariff_fits(&link, &before, 0, 0, NULL));
}

static void
the_minimum_counts_against_the_budget(void **state)
{
	struct sled_conf_link link = by_kib();
	uint64_t bytes, ms;

	(void)state;
	link.budgets[0] =
	    (struct sled_conf_budget){ SLED_CONF_BYTES, 5 * KIB - 1, false };
	link.budgets_len = 1;
	assert_false(sled_tariff_fits(&link, &none, 1, 0, NULL));
	assert_true(sled_tariff_fits(&link, &none, 0, 0, NULL));
	sled_tariff_left(&link, &none, &bytes, &ms);
	assert_int_equal(bytes + ms, 0);
}

static void
a_link_without_a_budget_has_no_limit(void **state)
{
	struct sled_conf_link link = by_both();
	uint64_t bytes = 0, ms = 0;

	(void)state;
	sled_tariff_left(&link, &none, &bytes, &ms);
	assert_true(bytes == UINT64_MAX && ms == UINT64_MAX);
	sled_tariff_left(NULL, &none, &bytes, &ms);
	assert_true(bytes == UINT64_MAX && ms == UINT64_MAX);
	assert_true(
	    sled_tariff_fits(NULL, &none, UINT64_MAX, UINT64_MAX, NULL));
}

static void
begun_steps_of_earlier_rounds_count_as_whole(void **state)
{
	struct sled_conf_link time = by_step(), bytes = by_kib();

	(void)state;
	assert_int_equal(sled_tariff_time(&time, 3000, 3), 60000);
	assert_int_equal(sled_tariff_time(&time, 70000, 3), 70000);
	assert_int_equal(sled_tariff_time(&bytes, 3000, 3), 3000);
	assert_int_equal(sled_tariff_time(NULL, 3000, 3), 3000);
	assert_true(sled_tariff_time(&time, 1, UINT64_MAX) == UINT64_MAX);
}

/* ---- properties ---- */

static uint64_t
next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Mostly small; now and then beyond all measure. */
static uint64_t
any(uint64_t *seed)
{
	return next(seed) >> (next(seed) % 60);
}

static struct sled_conf_link
any_link(uint64_t *seed)
{
	struct sled_conf_link link = { .cost_min_bytes = any(seed) % 9000,
		                       .cost_min_s = any(seed) % 90 };

	link.costs_len = next(seed) % 3;
	for (size_t i = 0; i < 2; i++)
		link.costs[i] =
		    (struct sled_conf_cost){ i == 0 ? SLED_CONF_BYTES
			                            : SLED_CONF_SECONDS,
			                     any(seed), any(seed) | 1 };
	link.budgets_len = next(seed) % (SLED_CONF_BUDGETS + 1);
	for (size_t i = 0; i < link.budgets_len; i++)
		link.budgets[i] = (struct sled_conf_budget){
			(enum sled_conf_unit)(next(seed) % 3), any(seed),
			next(seed) % 2 == 0
		};
	return link;
}

static struct sled_budget_left
any_before(uint64_t *seed)
{
	struct sled_budget_left before = {
		.day = { any(seed) / 4, any(seed) / 4, any(seed) / 4 }
	};

	before.month = before.day;
	return before;
}

static void
more_never_fits_where_less_does_not(void **state)
{
	uint64_t seed = 0x9e3779b97f4a7c15;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct sled_conf_link link = any_link(&seed);
		struct sled_budget_left before = any_before(&seed);
		uint64_t bytes = any(&seed), ms = any(&seed);
		uint64_t less = bytes == 0 ? 0 : next(&seed) % bytes;
		uint64_t sooner = ms == 0 ? 0 : next(&seed) % ms;

		if (sled_tariff_fits(&link, &before, bytes, ms, NULL)) {
			assert_true(
			    sled_tariff_fits(&link, &before, less, ms, NULL));
			assert_true(sled_tariff_fits(&link, &before, bytes,
			                             sooner, NULL));
		}
	}
}

static void
what_is_left_is_the_greatest_that_fits(void **state)
{
	uint64_t seed = 0x2545f4914f6cdd1d;
	unsigned bounded = 0;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct sled_conf_link link = any_link(&seed);
		struct sled_budget_left before = any_before(&seed);
		bool any_left = sled_tariff_fits(&link, &before, 0, 0, NULL);
		uint64_t bytes, ms;

		sled_tariff_left(&link, &before, &bytes, &ms);
		assert_true(any_left || bytes + ms == 0);
		if (!any_left)
			continue;
		assert_true(sled_tariff_fits(&link, &before, bytes, 0, NULL));
		assert_true(sled_tariff_fits(&link, &before, 0, ms, NULL));
		assert_true(
		    bytes == UINT64_MAX ||
		    !sled_tariff_fits(&link, &before, bytes + 1, 0, NULL));
		assert_true(ms == UINT64_MAX ||
		            !sled_tariff_fits(&link, &before, 0, ms + 1, NULL));
		bounded += bytes != 0 && bytes != UINT64_MAX;
	}
	print_message("%u bounded\n", bounded);
	assert_true(bounded > 1000);
}

static void
a_bill_never_sinks_as_the_use_grows(void **state)
{
	uint64_t seed = 77;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		struct sled_conf_link link = any_link(&seed);
		uint64_t bytes = any(&seed), ms = any(&seed);
		struct sled_bill now, more;

		sled_tariff_bill(&link, bytes, ms, &now);
		sled_tariff_bill(&link, bytes | any(&seed), ms | any(&seed),
		                 &more);
		assert_true(more.bytes >= now.bytes && more.ms >= now.ms);
		assert_true(more.money >= now.money);
		assert_true(now.bytes >= bytes && now.ms >= ms);
	}
}

/* ---- which ---- */

static void
the_cheaper_link_depends_on_the_use(void **state)
{
	struct sled_conf_link bytes = by_kib(), time = by_step();
	struct sled_conf_link free_link = { .budgets_len = 0 };

	(void)state;
	assert_true(sled_tariff_compare(&bytes, &time, 5 * KIB, 20000) < 0);
	assert_true(sled_tariff_compare(&bytes, &time, MIB, 20000) > 0);
	assert_true(sled_tariff_compare(&free_link, &time, MIB, 20000) < 0);
	assert_true(sled_tariff_compare(&time, NULL, MIB, 20000) > 0);
	assert_int_equal(sled_tariff_compare(NULL, &free_link, MIB, 1), 0);
	time.currency[0] = 'C';
	assert_int_equal(sled_tariff_compare(&bytes, &time, MIB, 20000), 0);
}

static void
a_price_pro_rata_is_due_to_the_byte_and_never_too_little(void **state)
{
	struct sled_conf_link link = by_mib();
	struct sled_bill bill;

	(void)state;
	link.costs[0].pro_rata = true;
	sled_tariff_bill(&link, 100 * KIB, 1000, &bill);
	assert_int_equal(bill.bytes, 100 * KIB);
	assert_int_equal(bill.money, 488282); /* 5 * 100 / 1024, rounded up */
	sled_tariff_bill(&link, 1, 1000, &bill);
	assert_int_equal(bill.bytes, 5 * KIB);
	sled_tariff_bill(&link, 3 * MIB, 1000, &bill);
	assert_int_equal(bill.money, 15 * USD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_due_by_begun_steps_and_the_minimum),
		cmocka_unit_test(
		    a_price_pro_rata_is_due_to_the_byte_and_never_too_little),
		cmocka_unit_test(time_is_due_by_begun_steps_and_the_minimum),
		cmocka_unit_test(both_prices_add_up),
		cmocka_unit_test(nothing_used_is_nothing_due),
		cmocka_unit_test(too_much_is_never_a_little),
		cmocka_unit_test(a_budget_may_be_used_up_but_not_passed),
		cmocka_unit_test(the_minimum_counts_against_the_budget),
		cmocka_unit_test(a_link_without_a_budget_has_no_limit),
		cmocka_unit_test(begun_steps_of_earlier_rounds_count_as_whole),
		cmocka_unit_test(more_never_fits_where_less_does_not),
		cmocka_unit_test(what_is_left_is_the_greatest_that_fits),
		cmocka_unit_test(a_bill_never_sinks_as_the_use_grows),
		cmocka_unit_test(the_cheaper_link_depends_on_the_use),
	};

	return cmocka_run_group_tests_name("tariff_bill", tests, NULL, NULL);
}
