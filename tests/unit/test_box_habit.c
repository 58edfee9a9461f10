/* test_box_habit.c - what is learned of a server, what is gone, and what a
 * visit leaves behind when it is cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_box.h"

#define HEAD(s) "From: ada@example.org\r\nSubject: " s "\r\n\r\n"
#define KNOWN   20 /* exact sizes that make a habit */

static const char one[] = HEAD("one") "first text\r\n";
static const char uno[] = HEAD("uno") "first text\r\n";
static const char two[] = HEAD("two") "second text, longer\r\n";
static const char cut[] = HEAD("cut") "what came of it\r\n";
static const char whole[] = HEAD("cut") "what came of it\r\nand the rest\r\n";

struct many {
	struct fx_letter mail[KNOWN + 1];
	char uid[KNOWN + 1][8];
	char text[KNOWN + 1][64];
};

static void
make_many(struct many *many)
{
	for (size_t i = 0; i < KNOWN; i++) {
		(void)snprintf(many->uid[i], sizeof(many->uid[i]), "u%zu", i);
		(void)snprintf(many->text[i], sizeof(many->text[i]),
		               HEAD("n%zu") "text\r\n", i);
		many->mail[i] =
		    (struct fx_letter){ many->uid[i], many->text[i], 0 };
	}
}

/* A visit that learned that sizes are exact; the maildrop is empty again. */
static void
learn_exact(struct fx_box *fx, size_t len)
{
	struct many many;

	make_many(&many);
	fx_box_make(fx, 2, 2);
	fx_box_visit(fx, many.mail, len, FX_ALWAYS);
	assert_int_equal(fx->deles, len);
	assert_int_equal(fx_box_habits(fx).exact, len);
}

static void
a_short_message_is_kept_and_fetched_once_more(void **state)
{
	const struct fx_letter mail[] = { { "s", cut, sizeof(whole) - 1 } };
	struct fx_box fx;

	(void)state;
	learn_exact(&fx, KNOWN);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_recheck(&fx);
	assert_true(fx_box_flags(&fx, 0) & SLED_ITEM_SHORT);
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_false(sled_box_all_safe(fx.box)); /* EXPIRE 0 */
	fx_box_dele(&fx);
	assert_int_equal(fx.deles, 0);
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), KNOWN + 1);
	fx.said[0] = '\0';
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx.deles, 1);
	assert_non_null(strstr(fx.said, "came twice"));
	assert_int_equal(fx_box_rows(&fx), KNOWN + 1);
	assert_int_equal(fx_box_row(&fx, KNOWN + 1).flags & SLED_MESSAGE_SHORT,
	                 0);
	fx_box_drop(&fx);
}

static void
a_longer_message_is_as_doubtful_as_a_shorter_one(void **state)
{
	const struct fx_letter mail[] = { { "l", whole, sizeof(whole) - 9 } };
	struct fx_box fx;

	(void)state;
	learn_exact(&fx, KNOWN);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.deles, 0);
	assert_int_equal(fx_box_rows(&fx), KNOWN + 1);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.deles, 1);
	assert_int_equal(fx_box_rows(&fx), KNOWN + 1);
	fx_box_drop(&fx);
}

/* As Dovecot lists a message that has no line end of its own at its end. */
static void
a_line_end_that_the_server_adds_is_no_fault(void **state)
{
	const struct fx_letter mail[] = { { "l", whole, sizeof(whole) - 3 } };
	struct fx_box fx;

	(void)state;
	learn_exact(&fx, KNOWN);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.deles, 1);
	assert_int_equal(fx_box_habits(&fx).exact, KNOWN + 1);
	assert_int_equal(fx_box_habits(&fx).loose, 0);
	fx_box_drop(&fx);
}

static void
an_accepted_short_message_is_not_fetched_again(void **state)
{
	const struct fx_letter mail[] = { { "s", cut, sizeof(whole) - 1 } };
	struct fx_box fx;

	(void)state;
	learn_exact(&fx, KNOWN);
	for (unsigned i = 0; i < 4; i++) {
		fx_box_visit(&fx, mail, 1, FX_NEVER);
		assert_int_equal(fx.retrs, i < 2);
	}
	fx_box_drop(&fx);
}

static void
the_whole_of_a_short_message_is_kept_beside_it(void **state)
{
	struct fx_letter mail[] = { { "s", cut, sizeof(whole) - 1 } };
	struct fx_box fx;

	(void)state;
	learn_exact(&fx, KNOWN);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	mail[0].text = whole;
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), KNOWN + 2);
	assert_false(fx_box_habits(&fx).reuses_ids);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx.deles, 1);
	assert_int_equal(fx_box_live(&fx), 0);
	fx_box_drop(&fx);
}

static void
a_proof_makes_no_short_message_deletable(void **state)
{
	struct fx_letter mail[] = { { "s", cut, sizeof(whole) - 1 } };
	struct fx_box fx;

	(void)state;
	learn_exact(&fx, KNOWN);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	mail[0].listed = 400;
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_PROVE);
	fx_box_prove(&fx);
	fx_box_recheck(&fx);
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_NEW);
	fx_box_fetch(&fx);
	fx_box_recheck(&fx);
	assert_true(sled_box_may_delete(fx.box, 0));
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), KNOWN + 1);
	assert_int_equal(fx_box_row(&fx, KNOWN + 1).flags & SLED_MESSAGE_SHORT,
	                 0);
	fx_box_drop(&fx);
}

static void
a_ledger_made_anew_knows_what_was_short_and_what_had_no_id(void **state)
{
	const struct fx_letter mail[] = { { "s", cut, sizeof(whole) - 1 },
		                          { "", one, 0 } };
	struct fx_box fx;

	(void)state;
	learn_exact(&fx, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	fx_box_close(&fx);
	fx_box_shell(&fx, "rm %s/a/.mailsled/ledger.db*");
	fx_box_open(&fx);
	assert_int_equal(fx_box_rows(&fx), 4);
	assert_int_not_equal(fx_box_row(&fx, 3).flags & SLED_MESSAGE_SHORT, 0);
	assert_int_not_equal(fx_box_row(&fx, 4).flags & SLED_MESSAGE_NOID, 0);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_prove(&fx);
	fx_box_recheck(&fx);
	assert_false(sled_box_may_delete(fx.box, 0));
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

/* Other octets came under an id that is known, and the visit was killed. */
static void
a_killed_visit_keeps_what_came_under_an_id_of_other_mail(void **state)
{
	const struct fx_letter was[] = { { "a", one, 0 } };
	const struct fx_letter is[] = { { "a", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 1, FX_NEVER);
	fx_box_begin(&fx, is, 1, FX_NEVER);
	fx_box_prove(&fx);
	fx_box_fetch(&fx);
	assert_int_equal(fx.retrs, 1);
	fx_box_kill(&fx);
	fx_box_close(&fx);
	fx_box_open(&fx);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_drop(&fx);
}

/* How the server counts is seen from all that came in it. */
static void
a_killed_first_visit_tells_what_is_short(void **state)
{
	const struct fx_letter mail[] = { { "s", cut, sizeof(whole) - 1 },
		                          { "a", one, 0 },
		                          { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 3, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_kill(&fx);
	fx_box_close(&fx);
	fx_box_open(&fx);
	assert_int_equal(fx_box_rows(&fx), 3);
	assert_int_not_equal(fx_box_row(&fx, 1).flags & SLED_MESSAGE_SHORT, 0);
	for (unsigned i = 1; i < 4; i++) /* so that none speaks for others */
		assert_int_not_equal(
		    fx_box_row(&fx, i).flags & SLED_MESSAGE_UNSURE, 0);
	fx_box_drop(&fx);
}

static void
a_killed_visit_leaves_its_last_message_unsure(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 },
		                          { "c", uno, 0 },
		                          { "b", two, 0 } };

	(void)state;
	for (unsigned len = 2; len <= 3; len++) {
		struct fx_box fx;

		fx_box_make(&fx, 2, 2);
		fx_box_begin(&fx, mail, len, FX_ALWAYS);
		fx_box_fetch(&fx);
		fx_box_kill(&fx);
		fx_box_close(&fx);
		fx_box_open(&fx);
		assert_int_equal(fx_box_row(&fx, 1).flags & SLED_MESSAGE_UNSURE,
		                 0);
		/* The third is like no other in size. */
		assert_int_equal(
		    (fx_box_row(&fx, len).flags & SLED_MESSAGE_UNSURE) != 0,
		    len == 2);
		fx_box_drop(&fx);
	}
}

/* The first visit to an account may delete already. */
static void
a_short_message_among_few_exact_ones_is_kept(void **state)
{
	const struct fx_letter mail[] = { { "s", cut, sizeof(whole) - 1 } };
	struct fx_box fx;

	(void)state;
	learn_exact(&fx, 1);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.deles, 0);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.deles, 1);
	fx_box_drop(&fx);
}

static void
nothing_is_short_where_no_size_was_ever_exact(void **state)
{
	const struct fx_letter mail[] = { { "s", cut, sizeof(whole) - 1 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 1, FX_ALWAYS);
	assert_int_equal(fx.deles, 1);
	assert_int_equal(fx_box_habits(&fx).loose, 1);
	fx_box_drop(&fx);
}

/* ---- the size of another, before anything is known of this server ---- */

/* Each came for the other; TOP shows the headers of TOPS. */
static void
cross(struct fx_box *fx, const struct fx_letter *came, const char *const *tops)
{
	struct sled_err err = { 0 };
	struct sled_intake *top = NULL;
	size_t at = 0, item = 9;
	bool other = false;

	fx_box_begin(fx, came, 2, FX_ALWAYS);
	fx_box_prove(fx);
	fx_box_fetch(fx);
	fx_box_commit(fx);
	assert_true(sled_intake_new(&top, &err));
	for (size_t i = 0; i < 2; i++) {
		struct sled_digest digest;

		assert_true(sled_box_stray(fx->box, &at, &item));
		assert_int_equal(item, i);
		sled_intake_begin(top);
		if (tops[i] != NULL)
			assert_true(sled_intake_feed(
			    top, (struct sled_span){ tops[i], strlen(tops[i]) },
			    &err));
		digest = sled_intake_end(top);
		assert_true(sled_box_shown(fx->box, item,
		                           tops[i] == NULL ? NULL : &digest,
		                           &other, &err));
		assert_int_equal(other,
		                 tops[i] != NULL && tops[i] != came[i].text);
	}
	assert_false(sled_box_stray(fx->box, &at, &item));
	sled_intake_free(&top);
	fx_box_recheck(fx);
	fx_box_dele(fx);
	fx_box_quit(fx);
	fx_box_end(fx);
}

static const struct fx_letter crossed[] = {
	{ "a", two, sizeof(one) - 1 },
	{ "b", one, sizeof(two) - 1 },
};

static void
what_has_the_size_of_another_is_fetched_again_where_a_top_shows_that(
    void **state)
{
	const struct fx_letter right[] = { { "a", one, 0 }, { "b", two, 0 } };
	const char *const tops[] = { one, two };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	cross(&fx, crossed, tops);
	assert_int_equal(fx.deles, 0);
	assert_int_equal(fx_box_habits(&fx).loose, 0);
	/* [W5] Also where the same comes a second time. */
	cross(&fx, crossed, tops);
	assert_int_equal(fx.deles, 0);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_visit(&fx, right, 2, FX_ALWAYS);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx.deles, 2);
	fx_box_drop(&fx);
}

static void
what_has_the_size_of_another_by_chance_is_deleted(void **state)
{
	const char *const tops[] = { two, one };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	cross(&fx, crossed, tops);
	assert_int_equal(fx.deles, 2);
	assert_int_equal(fx_box_habits(&fx).loose, 2);
	fx_box_drop(&fx);
}

static void
what_has_the_size_of_another_is_in_doubt_without_a_top(void **state)
{
	const char *const tops[] = { NULL, NULL };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx.no_top = true;
	cross(&fx, crossed, tops);
	assert_int_equal(fx.deles, 0);
	for (size_t i = 1; i <= 2; i++)
		assert_true(fx_box_row(&fx, i).flags & SLED_MESSAGE_DOUBTFUL);
	/* [S3] The same octets twice, and nothing else can be known. */
	cross(&fx, crossed, tops);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx.deles, 2);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_drop(&fx);
}

static void
a_kill_makes_nothing_of_the_size_of_another_believed(void **state)
{
	const struct fx_letter right[] = { { "a", one, 0 }, { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, crossed, 2, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_kill(&fx);
	fx_box_visit(&fx, right, 2, FX_ALWAYS);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx.deles, 2);
	assert_int_equal(fx_box_rows(&fx), 4);
	fx_box_drop(&fx);
}

static void
sizes_that_tell_nothing_are_a_habit_too(void **state)
{
	struct many many;
	struct fx_box fx;
	size_t at = 0, item;

	(void)state;
	make_many(&many);
	for (size_t i = 0; i < 3; i++)
		many.mail[i].listed = 1000 + i;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, many.mail, 3, FX_ALWAYS);
	assert_int_equal(fx.deles, 3);
	fx_box_begin(&fx, crossed, 2, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_false(sled_box_stray(fx.box, &at, &item));
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

static void
sizes_counted_with_bare_lf_are_a_habit_too(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	make_many(&many);
	for (size_t i = 0; i < KNOWN; i++) /* 4 lines each */
		many.mail[i].listed = strlen(many.text[i]) - 4;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, many.mail, KNOWN, FX_ALWAYS);
	assert_int_equal(fx_box_habits(&fx).lf_counted, KNOWN);
	assert_int_equal(fx.deles, KNOWN);
	fx_box_drop(&fx);
}

static void
what_fits_either_way_of_counting_teaches_nothing(void **state)
{
	const struct fx_letter small[] = { { "e", "", 0 },
		                           { "t", "Subject: t\r\n\r\n", 12 } };
	struct many many;
	struct fx_box fx;

	(void)state;
	make_many(&many);
	for (size_t i = 0; i < KNOWN; i++)
		many.mail[i].listed = strlen(many.text[i]) - 4;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, small, 2, FX_ALWAYS);
	assert_int_equal(fx.deles, 2);
	assert_int_equal(fx_box_habits(&fx).exact, 0);
	fx_box_visit(&fx, many.mail, KNOWN, FX_ALWAYS);
	assert_int_equal(fx.deles, KNOWN);
	fx_box_drop(&fx);
}

static void
what_was_longer_twice_is_how_the_server_lists(void **state)
{
	const struct fx_letter first[] = { { "1", one, 0 },
		                           { "2", two, sizeof(two) - 9 } };
	const struct fx_letter then[] = { { "w", whole, sizeof(whole) - 9 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, first, 2, FX_ALWAYS);
	assert_int_equal(fx.deles, 1);
	fx_box_visit(&fx, first + 1, 1, FX_ALWAYS);
	assert_int_equal(fx.deles, 1);
	fx_box_visit(&fx, then, 1, FX_ALWAYS);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx.deles, 1);
	fx_box_drop(&fx);
}

static void
a_short_message_is_seen_where_sizes_are_counted_with_bare_lf(void **state)
{
	/* One line too few; and one that came whole, without a final line end. */
	const struct fx_letter mail[] = {
		{ "s", cut, sizeof(whole) - 1 - 5 },
		{ "w", one, sizeof(one) - 1 - 5 },
	};
	struct many many;
	struct fx_box fx;

	(void)state;
	make_many(&many);
	for (size_t i = 0; i < KNOWN; i++)
		many.mail[i].listed = strlen(many.text[i]) - 4;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, many.mail, KNOWN, FX_ALWAYS);
	fx_box_visit(&fx, mail, 2, FX_ALWAYS);
	assert_int_equal(fx.deles, 1);
	assert_int_equal(fx_box_row(&fx, KNOWN + 2).flags & SLED_MESSAGE_SHORT,
	                 0);
	assert_int_not_equal(
	    fx_box_row(&fx, KNOWN + 1).flags & SLED_MESSAGE_SHORT, 0);
	fx_box_drop(&fx);
}

/* ---- gone ---- */

static void
what_a_listing_lacks_is_gone(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 }, { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	fx_box_visit(&fx, mail + 1, 1, FX_NEVER);
	assert_int_equal(fx_box_live(&fx), 1);
	assert_int_not_equal(fx_box_row(&fx, 1).gone, 0);
	assert_int_equal(fx_box_journal(&fx, 0, "\tgone\t"), 1);
	assert_int_equal(fx_box_journal(&fx, 1, "\tgone\t"), 1);
	fx_box_visit(&fx, mail, 0, FX_NEVER);
	assert_int_equal(fx_box_live(&fx), 0);
	assert_int_equal(fx_box_journal(&fx, 1, "\tgone\t"), 2);
	/* One that comes back is not fetched again. */
	fx_box_visit(&fx, mail, 2, FX_ALWAYS);
	assert_int_equal(fx.tops, 2);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx.deles, 2);
	fx_box_drop(&fx);
}

static void
without_ids_only_an_empty_listing_shows_what_is_gone(void **state)
{
	const struct fx_letter mail[] = { { NULL, one, 0 }, { NULL, two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	assert_int_equal(fx_box_rows(&fx), 2);
	assert_int_equal(fx_box_live(&fx), 2);
	assert_int_equal(fx_box_on_server(&fx), 1);
	fx_box_visit(&fx, mail, 0, FX_NEVER);
	assert_int_equal(fx_box_live(&fx), 0);
	fx_box_drop(&fx);
}

static void
gone_is_told_to_every_place(void **state)
{
	const struct fx_letter first[] = { { "a", one, 0 } };
	const struct fx_letter then[] = { { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, first, 1, FX_ALWAYS);
	assert_int_equal(fx_box_journal(&fx, 0, "\tgone\t"), 1);
	assert_int_equal(fx_box_journal(&fx, 1, "\tgone\t"), 1);
	fx_box_visit(&fx, then, 1, FX_NEVER);
	fx_box_close(&fx);
	/* By the next member's receipts alone, from the copy alone. */
	fx_box_shell(&fx, "rm -r %s/a %s/b/journal");
	fx_box_open(&fx);
	assert_int_equal(fx_box_rows(&fx), 2);
	assert_int_not_equal(fx_box_row(&fx, 1).gone, 0);
	assert_int_equal(fx_box_row(&fx, 2).gone, 0);
	fx_box_drop(&fx);
}

static void
gone_is_known_from_the_journal_too(void **state)
{
	const struct fx_letter first[] = { { "a", one, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, first, 1, FX_ALWAYS);
	fx_box_close(&fx);
	fx_box_shell(&fx, "rm -r %s/a");
	fx_box_open(&fx);
	assert_int_equal(fx_box_rows(&fx), 1);
	assert_int_equal(fx_box_live(&fx), 0);
	fx_box_drop(&fx);
}

static void
new_ids_and_sizes_survive_the_ledger(void **state)
{
	struct fx_letter mail[] = { { "a", one, 0 }, { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	mail[0].uid = "new-a";
	mail[1].uid = "new-b";
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	mail[1].listed = 400;
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	fx_box_close(&fx);
	fx_box_shell(&fx, "rm -r %s/a");
	fx_box_open(&fx);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	assert_int_equal(fx.tops + fx.retrs, 0);
	fx_box_visit(&fx, mail, 2, FX_ALWAYS);
	assert_int_equal(fx.tops, 2);
	assert_int_equal(fx.deles, 2);
	fx_box_drop(&fx);
}

/* ---- a QUIT that deletes ---- */

static void
a_server_that_drops_what_was_retrieved_is_found_out(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 },
		                          { "b", two, 0 },
		                          { "c", cut, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	fx.now++;
	fx_box_visit(&fx, mail + 2, 1, FX_NEVER);
	assert_true(fx_box_habits(&fx).drops_retrieved);
	fx_box_drop(&fx);
}

static void
what_we_deleted_or_a_part_of_it_proves_nothing(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 }, { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	fx.now++;
	fx_box_visit(&fx, mail + 1, 1, FX_NEVER); /* someone deleted one */
	assert_false(fx_box_habits(&fx).drops_retrieved);
	fx.now++;
	fx_box_visit(&fx, mail, 0, FX_NEVER); /* and the other, later */
	assert_false(fx_box_habits(&fx).drops_retrieved);
	fx.now++;
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_prove(&fx);
	fx_box_recheck(&fx);
	fx_box_dele(&fx); /* QUIT is lost, but it did delete */
	fx_box_end(&fx);
	fx.now++;
	fx_box_visit(&fx, mail, 0, FX_ALWAYS);
	assert_false(fx_box_habits(&fx).drops_retrieved);
	assert_int_equal(fx_box_live(&fx), 0);
	fx_box_drop(&fx);
}

/* ---- cut off ---- */

static void
the_first_listing_is_remembered_though_the_visit_is_killed(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 } };
	struct fx_box fx;
	int64_t first;

	(void)state;
	fx_box_make(&fx, 2, 2);
	first = fx.now;
	fx_box_begin(&fx, mail, 1, FX_NEVER);
	fx_box_kill(&fx);
	fx.now += 100;
	fx_box_visit(&fx, mail, 1, FX_NEVER);
	assert_int_equal(fx_box_habits(&fx).first_visit, first);
	fx_box_drop(&fx);
}

static void
what_is_whole_is_not_fetched_again(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 }, { "b", two, 0 } };
	struct fx_box fx;

	(void)state;
	for (unsigned taken = 0; taken < 2; taken++) {
		fx_box_make(&fx, 2, 2);
		fx_box_begin(&fx, mail, 2, FX_ALWAYS);
		fx_box_retr(&fx, 0);
		if (taken)
			assert_true(sled_box_commit_take(fx.box, true));
		fx_box_kill(&fx);
		fx_box_close(&fx);
		fx_box_open(&fx);
		assert_int_equal(fx_box_rows(&fx), 1);
		fx_box_visit(&fx, mail, 2, FX_ALWAYS);
		assert_int_equal(fx.retrs, 1);
		assert_int_equal(fx.deles, 2);
		assert_int_equal(fx_box_rows(&fx), 2);
		fx_box_drop(&fx);
	}
}

static void
a_message_that_was_cut_off_leaves_nothing(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 }, { "b", two, 0 } };
	struct fx_box fx;
	struct sled_err err = { 0 };

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	assert_true(sled_box_begin(fx.box, 0, fx.now, &err));
	assert_true(sled_box_data(fx.box, (struct sled_span){ one, 20 }, &err));
	sled_box_cancel(fx.box);
	sled_box_cancel(fx.box);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_NEW);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_int_equal(sled_box_sums(fx.box).fetched, 2);
	assert_int_equal(sled_box_sums(fx.box).safe, 2);
	assert_int_equal(sled_box_sums(fx.box).mail_bytes,
	                 sizeof(one) - 1 + sizeof(two) - 1);
	fx_box_end(&fx);
	fx_box_close(&fx);
	fx_box_open(&fx);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_drop(&fx);
}

static void
a_doubtful_clock_receives_at_the_last_known_time(void **state)
{
	const struct fx_letter first[] = { { "a", one, 0 } };
	const struct fx_letter both[] = { { "a", one, 0 }, { "b", two, 0 } };
	struct fx_box fx;
	int64_t real;

	(void)state;
	fx_box_make(&fx, 2, 2);
	real = fx.now;
	fx_box_visit(&fx, first, 1, FX_NEVER);
	fx.now = 1000;
	fx_box_begin(&fx, both, 2, FX_NEVER);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx.now = real;
	fx_box_end(&fx);
	assert_int_equal(fx_box_row(&fx, 2).received, real);
	fx_box_drop(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_message_is_kept_and_fetched_once_more),
		cmocka_unit_test(
		    a_longer_message_is_as_doubtful_as_a_shorter_one),
		cmocka_unit_test(a_line_end_that_the_server_adds_is_no_fault),
		cmocka_unit_test(
		    an_accepted_short_message_is_not_fetched_again),
		cmocka_unit_test(
		    the_whole_of_a_short_message_is_kept_beside_it),
		cmocka_unit_test(a_proof_makes_no_short_message_deletable),
		cmocka_unit_test(a_short_message_among_few_exact_ones_is_kept),
		cmocka_unit_test(nothing_is_short_where_no_size_was_ever_exact),
		cmocka_unit_test(
		    what_has_the_size_of_another_is_fetched_again_where_a_top_shows_that),
		cmocka_unit_test(
		    what_has_the_size_of_another_by_chance_is_deleted),
		cmocka_unit_test(
		    what_has_the_size_of_another_is_in_doubt_without_a_top),
		cmocka_unit_test(
		    a_kill_makes_nothing_of_the_size_of_another_believed),
		cmocka_unit_test(sizes_that_tell_nothing_are_a_habit_too),
		cmocka_unit_test(sizes_counted_with_bare_lf_are_a_habit_too),
		cmocka_unit_test(
		    what_fits_either_way_of_counting_teaches_nothing),
		cmocka_unit_test(what_was_longer_twice_is_how_the_server_lists),
		cmocka_unit_test(
		    a_short_message_is_seen_where_sizes_are_counted_with_bare_lf),
		cmocka_unit_test(what_a_listing_lacks_is_gone),
		cmocka_unit_test(
		    without_ids_only_an_empty_listing_shows_what_is_gone),
		cmocka_unit_test(gone_is_told_to_every_place),
		cmocka_unit_test(gone_is_known_from_the_journal_too),
		cmocka_unit_test(new_ids_and_sizes_survive_the_ledger),
		cmocka_unit_test(
		    a_server_that_drops_what_was_retrieved_is_found_out),
		cmocka_unit_test(
		    what_we_deleted_or_a_part_of_it_proves_nothing),
		cmocka_unit_test(
		    the_first_listing_is_remembered_though_the_visit_is_killed),
		cmocka_unit_test(what_is_whole_is_not_fetched_again),
		cmocka_unit_test(a_message_that_was_cut_off_leaves_nothing),
		cmocka_unit_test(
		    a_doubtful_clock_receives_at_the_last_known_time),
		cmocka_unit_test(
		    a_ledger_made_anew_knows_what_was_short_and_what_had_no_id),
		cmocka_unit_test(
		    a_killed_visit_keeps_what_came_under_an_id_of_other_mail),
		cmocka_unit_test(a_killed_first_visit_tells_what_is_short),
		cmocka_unit_test(a_killed_visit_leaves_its_last_message_unsure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
