/* test_box_held.c - mail that is held: its row, its preview, and what is decided
 * of it; only the message that was meant is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_box.h"

#define HEAD(s) "From: ada@example.org\r\nSubject: " s "\r\n\r\n"

static const char one[] = HEAD("one") "first text\r\n";
static const char two[] = HEAD("two") "other text\r\n";
static const struct fx_letter mail[] = { { "a", one, 0 } };
static const struct fx_letter other[] = { { "a", two, 0 } };

struct rows {
	struct sled_held_row list[4];
	char subject[4][32], text[4][64];
	size_t len;
};

static void
must(bool ok, const struct sled_err *err)
{
	if (!ok)
		fail_msg("%s (%s)", err->text, err->where);
}

static bool
take(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	struct rows *rows = ctx;
	size_t i = rows->len++;

	(void)err;
	assert_true(i < 4);
	rows->list[i] = *row;
	(void)snprintf(rows->subject[i], sizeof(rows->subject[i]), "%.*s",
	               (int)row->subject.len, row->subject.data);
	(void)snprintf(rows->text[i], sizeof(rows->text[i]), "%.*s",
	               (int)row->text.len, row->text.data);
	return true;
}

static struct rows
rows_of(struct fx_box *fx)
{
	struct rows rows = { .len = 0 };
	struct sled_err err = { 0 };

	must(sled_ledger_held(sled_store_ledger(fx->store), 0, NULL, take,
	                      &rows, &err),
	     &err);
	return rows;
}

static struct sled_held_row
only_row(struct fx_box *fx)
{
	struct rows rows = rows_of(fx);

	assert_int_equal(rows.len, 1);
	return rows.list[0];
}

static bool
is_new(void *ctx, size_t i)
{
	return fx_box_verdict(ctx, i) == SLED_ITEM_NEW;
}

static void
keep(struct fx_box *fx)
{
	struct sled_err err = { 0 };

	must(sled_box_held_keep(fx->box, is_new, fx, fx->now, &err), &err);
}

/* The digest of what a TOP of this message brings; with TEXT all of it. */
static struct sled_intake *
top_of(const char *text, struct sled_digest *out)
{
	struct sled_intake *intake = NULL;
	struct sled_err err = { 0 };

	must(sled_intake_new(&intake, &err), &err);
	must(sled_intake_feed(intake, (struct sled_span){ text, strlen(text) },
	                      &err),
	     &err);
	*out = sled_intake_end(intake);
	return intake;
}

static void
preview(struct fx_box *fx, size_t i)
{
	const char *text = fx->letters[i].text;
	struct sled_digest digest;
	struct sled_intake *intake = top_of(text, &digest);
	struct sled_err err = { 0 };

	must(sled_box_held(fx->box, i, &digest,
	                   (struct sled_span){ text, strlen(text) }, fx->now,
	                   &err),
	     &err);
	sled_intake_free(&intake);
}

/* HEAD NULL: the server showed none. */
static bool
check(struct fx_box *fx, size_t i, const char *head)
{
	struct sled_digest digest;
	struct sled_intake *intake = NULL;
	struct sled_err err = { 0 };
	bool same = false;

	if (head != NULL)
		intake = top_of(head, &digest);
	must(sled_box_drop_check(fx->box, i, head == NULL ? NULL : &digest,
	                         fx->now, &same, &err),
	     &err);
	sled_intake_free(&intake);
	assert_int_equal(sled_box_may_delete(fx->box, i), same);
	return same;
}

static void
decide(struct fx_box *fx, enum sled_decision decision)
{
	struct sled_held_row row = only_row(fx);
	struct sled_err err = { 0 };

	must(sled_store_decide(fx->store, row.id, decision, fx->now, &err),
	     &err);
}

/* A visit that held one message, previewed or not. */
static void
hold_one(struct fx_box *fx, bool previewed)
{
	fx_box_make(fx, 2, 2);
	fx_box_begin(fx, mail, 1, FX_ALWAYS);
	keep(fx);
	if (previewed)
		preview(fx, 0);
	fx_box_end(fx);
}

static void
hold_and_drop(struct fx_box *fx, bool previewed)
{
	hold_one(fx, previewed);
	decide(fx, SLED_DECIDE_DROP);
}

static void
finish(struct fx_box *fx)
{
	fx_box_dele(fx);
	fx_box_quit(fx);
	fx_box_end(fx);
}

/* It lapsed: nothing is deleted, the row tells why, and so does the visit. */
static void
assert_lapsed(struct fx_box *fx)
{
	struct sled_held_row row = only_row(fx);

	assert_int_equal(row.decision, SLED_DECIDE_NONE);
	assert_string_not_equal(row.lapsed, "");
	assert_string_not_equal(sled_box_lapsed(fx->box), "");
	finish(fx);
	assert_int_equal(fx->deles, 0);
	assert_int_equal(fx_box_journal(fx, 0, "\tundecided\t"), 1);
	assert_int_equal(fx_box_journal(fx, 1, "\tundecided\t"), 1);
	fx_box_drop(fx);
}

static void
a_preview_is_kept_and_known_in_later_visits(void **state)
{
	struct fx_box fx;
	struct rows rows;

	(void)state;
	hold_one(&fx, true);
	fx.now += 100;
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_true(sled_box_previewed(fx.box, 0));
	keep(&fx);
	fx_box_end(&fx);
	rows = rows_of(&fx);
	assert_int_equal(rows.len, 1);
	assert_string_equal(rows.subject[0], "one");
	assert_string_equal(rows.text[0], "first text\r\n");
	assert_true(rows.list[0].listed);
	assert_int_equal(rows.list[0].last_seen - rows.list[0].first_seen, 100);
	fx_box_drop(&fx);
}

static void
an_id_is_the_one_of_the_contract(void **state)
{
	char id[SLED_HELD_ID];
	struct sled_err err = { 0 };

	(void)state;
	/* SHA-256 of "pop.example.org ada", NUL, "a", NUL, "7" */
	must(sled_held_id("pop.example.org", "ada", "a", 7, id, &err), &err);
	assert_string_equal(id, "h7c66d99bc6");
}

static void
nothing_is_dropped_without_a_look_at_it(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(sled_box_decision(fx.box, 0), SLED_DECIDE_DROP);
	assert_false(sled_box_may_delete(fx.box, 0));
	finish(&fx);
	assert_int_equal(fx.deles, 0);
	assert_int_equal(only_row(&fx).decision, SLED_DECIDE_DROP);
	fx_box_drop(&fx);
}

static void
what_is_not_dropped_is_never_deleted_unread(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_one(&fx, true);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_false(check(&fx, 0, one));
	finish(&fx);
	assert_int_equal(fx.deles, 0);
	decide(&fx, SLED_DECIDE_WANT);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_false(check(&fx, 0, one));
	finish(&fx);
	assert_int_equal(fx.deles, 0);
	fx_box_drop(&fx);
}

static void
what_was_dropped_is_gone_when_quit_was_answered(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, mail, 1, FX_NEVER);
	assert_true(check(&fx, 0, one));
	assert_true(sled_box_all_safe(fx.box)); /* EXPIRE 0: it is to go */
	finish(&fx);
	assert_int_equal(fx.deles, 1);
	assert_int_equal(rows_of(&fx).len, 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(fx_box_journal(&fx, i, "\tdrop\t"), 1);
		assert_int_equal(fx_box_journal(&fx, i, "\tdropped\t"), 1);
		assert_int_equal(fx_box_journal(&fx, i, "\tundecided\t"), 0);
	}
	fx_box_drop(&fx);
}

static void
a_lost_quit_leaves_the_decision(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_true(check(&fx, 0, one));
	fx_box_dele(&fx);
	fx_box_end(&fx);
	assert_int_equal(only_row(&fx).decision, SLED_DECIDE_DROP);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_false(sled_box_may_delete(fx.box, 0)); /* looked at anew */
	assert_true(check(&fx, 0, one));
	finish(&fx);
	assert_int_equal(rows_of(&fx).len, 0);
	fx_box_drop(&fx);
}

static void
another_header_makes_it_lapse(void **state)
{
	struct fx_box fx;

	(void)state;
	assert_int_equal(sizeof(one), sizeof(two));
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, other, 1, FX_ALWAYS);
	assert_false(check(&fx, 0, two));
	assert_false(sled_box_all_safe(fx.box)); /* no QUIT on EXPIRE 0 */
	assert_false(sled_box_previewed(fx.box, 0));
	assert_lapsed(&fx);
}

static void
no_header_makes_it_lapse(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_false(check(&fx, 0, NULL));
	assert_lapsed(&fx);
}

static void
another_size_makes_it_lapse(void **state)
{
	const struct fx_letter grown[] = { { "a", one, sizeof(one) + 7 } };
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, grown, 1, FX_ALWAYS);
	assert_int_equal(sled_box_decision(fx.box, 0), SLED_DECIDE_NONE);
	assert_false(check(&fx, 0, one));
	assert_int_equal(only_row(&fx).size, sizeof(one) + 7);
	assert_lapsed(&fx);
}

static void
id_and_size_do_where_nothing_was_previewed(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, false);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_true(check(&fx, 0, NULL));
	finish(&fx);
	assert_int_equal(fx.deles, 1);
	fx_box_drop(&fx);
}

static void
an_id_that_may_be_another_s_does_not(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, false);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	sled_box_maildrop(fx.box)->reuses_ids = true;
	assert_false(check(&fx, 0, NULL));
	assert_lapsed(&fx);
}

static void
a_decision_taken_back_in_the_visit_holds(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_true(check(&fx, 0, one));
	decide(&fx, SLED_DECIDE_NONE);
	finish(&fx);
	assert_int_equal(fx.deles, 0);
	assert_int_equal(rows_of(&fx).len, 1);
	fx_box_drop(&fx);
}

static void
what_another_client_deleted_leaves(void **state)
{
	const struct fx_letter rest[] = { { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, rest, 1, FX_NEVER);
	assert_non_null(strstr(sled_box_lapsed(fx.box), "not on the server"));
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_end(&fx);
	assert_int_equal(rows_of(&fx).len, 0);
	assert_int_equal(fx_box_journal(&fx, 1, "\tundecided\t"), 1);
	fx_box_drop(&fx);
}

static void
a_listing_without_ids_takes_nothing_away(void **state)
{
	const struct fx_letter bare[] = { { NULL, one, 0 } };
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, bare, 1, FX_NEVER);
	keep(&fx); /* no row for what has no id */
	assert_int_equal(sled_box_decision(fx.box, 0), SLED_DECIDE_NONE);
	fx_box_end(&fx);
	assert_int_equal(only_row(&fx).decision, SLED_DECIDE_DROP);
	assert_false(only_row(&fx).listed);
	fx_box_drop(&fx);
}

static void
what_was_fetched_is_held_no_more(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_one(&fx, true);
	decide(&fx, SLED_DECIDE_WANT);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(sled_box_decision(fx.box, 0), SLED_DECIDE_WANT);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_recheck(&fx);
	finish(&fx);
	assert_int_equal(fx.deles, 1);
	assert_int_equal(fx_box_rows(&fx), 1);
	assert_int_equal(rows_of(&fx).len, 0);
	fx_box_drop(&fx);
}

static void
rebuild(struct fx_box *fx)
{
	fx_box_close(fx);
	fx_box_shell(fx, "rm %s/a/.mailsled/ledger.db*");
	fx_box_open(fx);
}

static void
a_rebuild_keeps_the_decision_and_its_header(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	rebuild(&fx);
	assert_int_equal(only_row(&fx).decision, SLED_DECIDE_DROP);
	assert_true(only_row(&fx).previewed);
	assert_string_equal(rows_of(&fx).subject[0], "one");
	fx_box_begin(&fx, other, 1, FX_ALWAYS);
	assert_false(check(&fx, 0, two));
	assert_lapsed(&fx);
}

static void
a_rebuild_keeps_no_decision_that_is_over(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, true);
	fx.now += 10;
	decide(&fx, SLED_DECIDE_NONE);
	rebuild(&fx);
	assert_int_equal(rows_of(&fx).len, 0);
	fx_box_drop(&fx);
	hold_and_drop(&fx, true);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_true(check(&fx, 0, one));
	finish(&fx);
	rebuild(&fx);
	assert_int_equal(rows_of(&fx).len, 0);
	fx_box_drop(&fx);
}

/* As union of places may leave them. */
static void
the_later_line_counts_whatever_their_order(void **state)
{
	struct fx_box fx;

	(void)state;
	hold_and_drop(&fx, false);
	fx.now += 10;
	decide(&fx, SLED_DECIDE_NONE);
	fx_box_close(&fx);
	fx_box_shell(&fx, "for f in %s/?/journal/*; do tac $f >$f.new && "
	                  "mv $f.new $f; done; rm %s/a/.mailsled/ledger.db*");
	fx_box_open(&fx);
	assert_int_equal(fx_box_journal(&fx, 0, "\tdrop\t"), 1);
	assert_int_equal(rows_of(&fx).len, 0);
	fx_box_drop(&fx);
}

/* By an hour, and into the month before, whose journal is replayed first. */
static void
the_last_decision_counts_though_the_clock_was_set_back(void **state)
{
	static const int64_t back[] = { 3600, 40 * INT64_C(86400) };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct fx_box fx;

		hold_and_drop(&fx, true);
		fx.now -= back[i];
		decide(&fx, SLED_DECIDE_NONE);
		rebuild(&fx);
		assert_int_equal(rows_of(&fx).len, 0);
		fx_box_drop(&fx);
	}
}

static void
an_unknown_id_is_missing(void **state)
{
	struct fx_box fx;
	struct sled_err err = { 0 };

	(void)state;
	hold_one(&fx, false);
	assert_false(sled_store_decide(fx.store, "h0000000000",
	                               SLED_DECIDE_DROP, fx.now, &err));
	assert_int_equal(err.kind, SLED_ERR_MISSING);
	assert_int_equal(fx_box_journal(&fx, 0, "\tdrop\t"), 0);
	fx_box_drop(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_preview_is_kept_and_known_in_later_visits),
		cmocka_unit_test(an_id_is_the_one_of_the_contract),
		cmocka_unit_test(nothing_is_dropped_without_a_look_at_it),
		cmocka_unit_test(what_is_not_dropped_is_never_deleted_unread),
		cmocka_unit_test(
		    what_was_dropped_is_gone_when_quit_was_answered),
		cmocka_unit_test(a_lost_quit_leaves_the_decision),
		cmocka_unit_test(another_header_makes_it_lapse),
		cmocka_unit_test(no_header_makes_it_lapse),
		cmocka_unit_test(another_size_makes_it_lapse),
		cmocka_unit_test(id_and_size_do_where_nothing_was_previewed),
		cmocka_unit_test(an_id_that_may_be_another_s_does_not),
		cmocka_unit_test(a_decision_taken_back_in_the_visit_holds),
		cmocka_unit_test(what_another_client_deleted_leaves),
		cmocka_unit_test(a_listing_without_ids_takes_nothing_away),
		cmocka_unit_test(what_was_fetched_is_held_no_more),
		cmocka_unit_test(a_rebuild_keeps_the_decision_and_its_header),
		cmocka_unit_test(a_rebuild_keeps_no_decision_that_is_over),
		cmocka_unit_test(the_later_line_counts_whatever_their_order),
		cmocka_unit_test(
		    the_last_decision_counts_though_the_clock_was_set_back),
		cmocka_unit_test(an_unknown_id_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
