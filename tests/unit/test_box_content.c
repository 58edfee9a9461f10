/* test_box_content.c - whether a body is the one that was signed is known from
 * the way in, and nothing is dropped or kept for it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_box.h"

#define TAGS  "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; h=From; b=x;"
#define EMPTY " bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=\r\n"
#define COUNT 4

/* In the order of the outcomes. */
static const struct fx_letter mail[COUNT] = {
	{ "a", "From: a@a.example\r\n\r\nnone\r\n", 0 },
	{ "b", TAGS EMPTY "From: b@b.example\r\n\r\n\r\n\r\n", 0 },
	{ "c", TAGS EMPTY "From: c@b.example\r\n\r\nfooter\r\n", 0 },
	{ "d", "DKIM-Signature: v=2\r\nFrom: d@a.example\r\n\r\n\r\n", 0 },
};
static const unsigned flags[COUNT] = { 0, SLED_MESSAGE_BODY_HOLDS,
	                               SLED_MESSAGE_BODY_OTHER,
	                               SLED_MESSAGE_BODY_UNKNOWN };

static void
assert_flags(struct fx_box *fx)
{
	const unsigned all = SLED_MESSAGE_BODY_HOLDS | SLED_MESSAGE_BODY_OTHER |
	                     SLED_MESSAGE_BODY_UNKNOWN;

	assert_int_equal(fx_box_rows(fx), COUNT);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(fx_box_row(fx, i + 1).flags & all, flags[i]);
}

static void
it_is_kept_with_each_message(void **state)
{
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, COUNT, FX_NEVER);
	assert_flags(&fx);
	fx_box_visit(&fx, mail, COUNT, FX_NEVER);
	assert_flags(&fx);
	fx_box_drop(&fx);
}

static void
nothing_is_kept_on_a_server_for_it(void **state)
{
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, COUNT, FX_ALWAYS);
	assert_int_equal(fx.deles, COUNT);
	assert_flags(&fx);
	fx_box_drop(&fx);
}

static void
a_ledger_made_anew_has_it_again(void **state)
{
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, COUNT, FX_NEVER);
	fx_box_close(&fx);
	fx_box_shell(&fx, "rm %s/a/.mailsled/ledger.db*");
	fx_box_open(&fx);
	assert_flags(&fx);
	/* What proves that a row is not stale leaves it alone. */
	fx_box_visit(&fx, mail, COUNT, FX_ALWAYS);
	assert_int_equal(fx.tops, COUNT);
	assert_flags(&fx);
	fx_box_drop(&fx);
}

static void
a_spool_that_was_left_has_it_too(void **state)
{
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, COUNT, FX_NEVER);
	for (size_t i = 0; i < COUNT; i++)
		fx_box_retr(&fx, i);
	fx_box_kill(&fx);
	fx_box_close(&fx);
	fx_box_open(&fx);
	assert_flags(&fx);
	fx_box_drop(&fx);
}

/* ---- reading it all again ---- */

struct walk {
	struct fx_box *fx;
	unsigned told[COUNT], faults;
	char place[FX_TMP_PATH + 16]; /* of the last fault */
	bool refuse;
};

static bool
take_message(void *ctx, const struct sled_content *message,
             struct sled_err *err)
{
	struct walk *walk = ctx;
	struct sled_message row = fx_box_row(walk->fx, message->number);

	if (walk->refuse)
		return sled_fail(err, SLED_ERR_IO, "refused");
	assert_string_equal(message->label, "home");
	assert_memory_equal(&row.sha256, &message->sha256, sizeof(row.sha256));
	assert_int_equal(message->outcome, message->number - 1);
	assert_string_equal(
	    message->domain,
	    message->number == 2 || message->number == 3 ? "b.example" : "");
	walk->told[message->number - 1]++;
	return true;
}

static void
take_fault(void *ctx, const char *place, const char *volume, uint64_t at,
           const char *fault, uint64_t done, uint64_t total)
{
	struct walk *walk = ctx;

	assert_in_range(done, 1, total);
	assert_int_equal(at, 0);
	assert_non_null(strstr(volume, "home/"));
	if (fault == NULL)
		return;
	walk->faults++;
	(void)snprintf(walk->place, sizeof(walk->place), "%s", place);
}

static bool
walk_all(struct walk *walk, struct sled_content_report *report,
         struct sled_err *err)
{
	const struct sled_content_reader reader = { walk, take_message,
		                                    take_fault, walk };

	return sled_store_content(walk->fx->store, &reader, report, err);
}

static void
assert_told(const struct walk *walk, const struct sled_content_report *report,
            unsigned times)
{
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(walk->told[i], times);
		assert_int_equal(report->messages[i], times);
	}
}

static void
each_message_is_read_once_from_where_it_holds(void **state)
{
	struct sled_content_report report;
	struct sled_err err = { 0 };
	struct fx_box fx;
	struct walk walk = { .fx = &fx };

	(void)state;
	fx_box_make(&fx, 2, 2);
	assert_true(walk_all(&walk, &report, &err));
	assert_told(&walk, &report, 0);
	fx_box_visit(&fx, mail, COUNT, FX_NEVER);
	assert_true(walk_all(&walk, &report, &err));
	assert_told(&walk, &report, 1);
	assert_int_equal(walk.faults + report.damaged + report.unread, 0);

	fx_box_damage(&fx, 0, 20);
	walk = (struct walk){ .fx = &fx };
	assert_true(walk_all(&walk, &report, &err));
	assert_told(&walk, &report, 1);
	assert_int_equal(walk.faults, 1);
	assert_string_equal(walk.place, fx.paths[0]);
	assert_int_equal(report.damaged, 1);
	assert_int_equal(report.unread, 0);

	fx_box_damage(&fx, 1, 20);
	walk = (struct walk){ .fx = &fx };
	assert_true(walk_all(&walk, &report, &err));
	assert_told(&walk, &report, 0);
	assert_int_equal(report.damaged, 2);
	assert_int_equal(report.unread, 1);
	fx_box_drop(&fx);
}

static void
a_reader_that_fails_ends_it(void **state)
{
	struct sled_content_report report;
	struct sled_err err = { 0 };
	struct fx_box fx;
	struct walk walk = { .fx = &fx, .refuse = true };

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, COUNT, FX_NEVER);
	assert_false(walk_all(&walk, &report, &err));
	assert_string_equal(err.text, "refused");
	fx_box_drop(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_kept_with_each_message),
		cmocka_unit_test(nothing_is_kept_on_a_server_for_it),
		cmocka_unit_test(a_ledger_made_anew_has_it_again),
		cmocka_unit_test(a_spool_that_was_left_has_it_too),
		cmocka_unit_test(each_message_is_read_once_from_where_it_holds),
		cmocka_unit_test(a_reader_that_fails_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
