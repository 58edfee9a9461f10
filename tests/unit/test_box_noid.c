/* test_box_noid.c - messages whose unique-id is of no use, and ids that were
 * all given anew. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_box.h"

#define HEAD(s) "From: ada@example.org\r\nSubject: " s "\r\n\r\n"

static const char one[] = HEAD("one") "first text\r\n";
static const char two[] = HEAD("two") "second text, longer\r\n";

static void
hold_to_no_id_rules(const struct fx_letter *mail)
{
	struct fx_box fx;

	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx_box_rows(&fx), 2);
	assert_string_equal(fx_box_row(&fx, 1).uid, "");
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_recheck(&fx);
	assert_int_equal(fx_box_verdict(&fx, 0), SLED_ITEM_NEW);
	assert_false(sled_box_may_delete(fx.box, 0));
	fx_box_retr(&fx, 1);
	fx_box_commit(&fx);
	fx_box_recheck(&fx);
	/* Only the one that this visit RETRieved. */
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_true(sled_box_may_delete(fx.box, 1));
	fx_box_end(&fx);
	fx_box_visit(&fx, mail, 2, FX_ALWAYS);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx.tops, 0);
	assert_int_equal(fx.deles, 2);
	assert_int_equal(fx_box_rows(&fx), 2);
	assert_int_equal(fx_box_live(&fx), 0);
	fx_box_drop(&fx);
}

static void
without_uidl_each_visit_fetches_and_deletes_what_it_fetched(void **state)
{
	const struct fx_letter mail[] = { { NULL, one, 0 }, { NULL, two, 0 } };

	(void)state;
	hold_to_no_id_rules(mail);
}

static void
doubled_ids_are_none(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 }, { "a", two, 0 } };

	(void)state;
	hold_to_no_id_rules(mail);
}

static void
ids_that_are_empty_or_hostile_are_none(void **state)
{
	static const char longer[] = "0123456789012345678901234567890123456789"
				     "0123456789012345678901234567890";
	const struct fx_letter mail[][2] = {
		{ { "", one, 0 }, { longer, two, 0 } },
		{ { "a b", one, 0 }, { "\x80zz", two, 0 } },
		{ { "x\ty", one, 0 }, { "\x7f", two, 0 } },
	};

	(void)state;
	assert_int_equal(sizeof(longer), SLED_UID_MAX + 2);
	for (size_t i = 0; i < 3; i++)
		hold_to_no_id_rules(mail[i]);
}

static void
odd_ids_that_are_allowed_are_ids(void **state)
{
	static const char longest[] = "0123456789012345678901234567890123456789"
				      "012345678901234567890123456789";
	const struct fx_letter mail[] = { { "%s%n'\";--\\", one, 0 },
		                          { longest, two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 2, FX_NEVER);
	fx_box_visit(&fx, mail, 2, FX_ALWAYS);
	assert_int_equal(fx.retrs + fx.tops, 0);
	assert_int_equal(fx.deles, 2);
	fx_box_drop(&fx);
}

static void
equal_bytes_in_one_listing_are_two_rows_without_ids_too(void **state)
{
	const struct fx_letter mail[] = { { NULL, one, 0 }, { NULL, one, 0 } };
	struct fx_box fx;
	struct sled_err err = { 0 };

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 2, FX_NEVER);
	fx_box_retr(&fx, 0);
	/* The second one ends when the first has its row, and no item knows. */
	assert_true(sled_box_commit_take(fx.box, true));
	sled_box_commit(fx.box);
	fx_box_retr(&fx, 1);
	assert_true(sled_box_commit_apply(fx.box, &err));
	fx_box_commit(&fx);
	assert_int_not_equal(fx.listing.items[0].row, fx.listing.items[1].row);
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), 2);
	for (unsigned i = 0; i < 2; i++) {
		fx_box_visit(&fx, mail, 2, FX_NEVER);
		assert_int_equal(fx_box_rows(&fx), 2);
		assert_int_equal(fx_box_on_server(&fx), 2);
	}
	fx_box_drop(&fx);
}

static void
a_server_that_loses_its_ids_brings_no_second_rows(void **state)
{
	const struct fx_letter was[] = { { "a", one, 0 }, { "b", two, 0 } };
	const struct fx_letter no_uidl[] = { { NULL, one, 0 },
		                             { NULL, two, 0 } };
	const struct fx_letter half[] = { { "a", one, 0 }, { "", two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 2, FX_NEVER);
	fx_box_visit(&fx, no_uidl, 2, FX_NEVER);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_visit(&fx, half, 2, FX_NEVER);
	assert_int_equal(fx.tops, 1);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx_box_rows(&fx), 2);
	assert_int_equal(fx_box_live(&fx), 2);
	fx_box_visit(&fx, was, 2, FX_NEVER);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_drop(&fx);
}

/* A listing without ids says of no message that it is gone. */
static void
what_a_listing_without_ids_lacks_is_not_gone(void **state)
{
	static const char three[] = HEAD("three") "3\r\n";
	const struct fx_letter was[] = { { "a", one, 0 },
		                         { "b", two, 0 },
		                         { "c", three, 0 } };
	const struct fx_letter no_uidl[] = { { NULL, one, 0 },
		                             { NULL, two, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 3, FX_NEVER);
	fx_box_visit(&fx, no_uidl, 2, FX_NEVER);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx_box_live(&fx), 3);
	assert_int_equal(fx_box_on_server(&fx), 2);
	fx_box_visit(&fx, was, 3, FX_NEVER);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx_box_on_server(&fx), 3);
	fx_box_drop(&fx);
}

/* What is gone is not on the server: equal octets are another message. */
static void
without_an_id_what_comes_again_behind_its_deletion_is_new(void **state)
{
	const struct fx_letter mail[] = { { NULL, one, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	for (size_t i = 1; i < 3; i++) {
		fx_box_visit(&fx, mail, 1, FX_ALWAYS);
		assert_int_equal(fx.deles, 1);
		assert_int_equal(fx_box_rows(&fx), i);
		assert_int_equal(fx_box_live(&fx), 0);
		fx.now += 60;
	}
	fx_box_drop(&fx);
}

/* Which of the two is left when an id that was doubled is listed once? */
static void
an_id_that_was_doubled_once_is_proved_later(void **state)
{
	static const char same_size[] = HEAD("uno") "first text\r\n";
	const struct fx_letter was[] = { { "a", one, 0 } };
	const struct fx_letter twice[] = { { "a", one, 0 },
		                           { "a", same_size, 0 } };
	const struct fx_letter left[] = { { "a", same_size, 0 } };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 1, FX_NEVER);
	fx_box_begin(&fx, twice, 2, FX_NEVER); /* the link drops here */
	fx_box_end(&fx);
	fx_box_begin(&fx, left, 1, FX_ALWAYS);
	fx_box_recheck(&fx);
	assert_false(sled_box_may_delete(fx.box, 0));
	fx_box_prove(&fx);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_end(&fx);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), 2);
	fx_box_drop(&fx);
}

static void
two_ids_for_one_message_are_none(void **state)
{
	struct sled_listing listing;
	struct sled_err err = { 0 };
	size_t len;

	(void)state;
	assert_true(sled_listing_new(&listing, 2, &err));
	assert_true(sled_listing_size(&listing, 1, 5, &err));
	assert_true(
	    sled_listing_uid(&listing, 1, (struct sled_span){ "a", 1 }, &err));
	len = listing.uids.len;
	for (unsigned i = 0; i < 1000; i++)
		assert_true(sled_listing_uid(
		    &listing, 1, (struct sled_span){ "b", 1 }, &err));
	assert_int_equal(listing.uids.len, len);
	assert_true(listing.items[0].flags & SLED_ITEM_NOID);
	assert_false(
	    sled_listing_uid(&listing, 3, (struct sled_span){ "c", 1 }, &err));
	assert_int_equal(err.kind, SLED_ERR_PROTO);
	assert_false(sled_listing_size(&listing, 0, 5, &err));
	sled_listing_free(&listing);
}

/* ---- renumbered [S4] ---- */

#define MANY 45

struct many {
	struct fx_letter mail[MANY + 2];
	char uid[MANY + 2][16];
	char text[MANY + 2][128];
};

static void
make_many(struct many *many, const char *prefix, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		(void)snprintf(many->uid[i], sizeof(many->uid[i]), "%s%zu",
		               prefix, i);
		(void)snprintf(many->text[i], sizeof(many->text[i]),
		               HEAD("number %zu") "%.*s\r\n", i, (int)(i % 7),
		               "xxxxxxx");
		many->mail[i] =
		    (struct fx_letter){ many->uid[i], many->text[i], 0 };
	}
}

static void
ids_all_given_anew_are_taken_over_by_samples(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_many(&many, "old-", MANY);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	make_many(&many, "new-", MANY + 2);
	fx_box_begin(&fx, many.mail, MANY + 2, FX_NEVER);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(fx_box_verdict(&fx, i),
		                 i % 20 == 0 || i == MANY - 1
		                     ? SLED_ITEM_PROVE
		                     : SLED_ITEM_WAITS);
	assert_int_equal(fx_box_verdict(&fx, MANY), SLED_ITEM_NEW);
	fx_box_prove(&fx);
	assert_int_equal(fx.tops, 4); /* 0, 20, 40, 44 */
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(fx_box_verdict(&fx, i), SLED_ITEM_STORED);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_end(&fx);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx_box_rows(&fx), MANY + 2);
	assert_string_equal(fx_box_row(&fx, 8).uid, "new-7");
	assert_int_equal(fx_box_live(&fx), MANY + 2);
	assert_false(fx_box_habits(&fx).reuses_ids);
	fx_box_visit(&fx, many.mail, MANY + 2, FX_ALWAYS);
	assert_int_equal(fx.tops + fx.retrs, 0);
	assert_int_equal(fx.deles, MANY + 2);
	fx_box_drop(&fx);
}

static void
one_sample_that_fails_has_the_rest_proved_one_by_one(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_many(&many, "old-", MANY);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	make_many(&many, "new-", MANY);
	many.text[20][sizeof("From: ad") - 1] = 'm';
	fx_box_begin(&fx, many.mail, MANY, FX_NEVER);
	fx_box_prove(&fx);
	assert_int_equal(fx.tops, MANY);
	assert_int_equal(fx_box_verdict(&fx, 20), SLED_ITEM_NEW);
	assert_int_equal(fx_box_verdict(&fx, 21), SLED_ITEM_STORED);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	fx_box_end(&fx);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), MANY + 1);
	/* No id was reused: that is not learned from a wrong guess. */
	assert_false(fx_box_habits(&fx).reuses_ids);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	assert_int_equal(fx.tops + fx.retrs, 0);
	assert_int_equal(fx_box_live(&fx), MANY);
	fx_box_drop(&fx);
}

/* As when another client deleted some while the server was moved. */
static void
ids_all_given_anew_to_some_of_them_are_proved_one_by_one(void **state)
{
	struct many many;
	struct fx_letter some[MANY + 2];
	struct fx_box fx;
	size_t len = 0;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_many(&many, "old-", MANY);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	make_many(&many, "new-", MANY + 2);
	for (size_t i = 0; i < MANY + 2; i++)
		if (i != 0 && i != 7 && i != 30)
			some[len++] = many.mail[i];
	fx_box_visit(&fx, some, len, FX_NEVER);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx_box_rows(&fx), MANY + 2);
	assert_false(fx_box_habits(&fx).reuses_ids);
	fx_box_visit(&fx, some, len, FX_ALWAYS);
	assert_int_equal(fx.tops + fx.retrs, 0);
	assert_int_equal(fx.deles, len);
	fx_box_drop(&fx);
}

/* The visit is cut before anything is proved: what a new id may still turn out to
 * be is not gone. */
static void
what_may_be_found_under_a_new_id_is_not_gone(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_many(&many, "old-", MANY);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	make_many(&many, "new-", MANY);
	fx_box_begin(&fx, many.mail + 1, MANY - 1, FX_NEVER);
	fx_box_end(&fx);
	fx_box_visit(&fx, many.mail + 1, MANY - 1, FX_NEVER);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx_box_rows(&fx), MANY);
	fx_box_visit(&fx, many.mail + 1, MANY - 1, FX_NEVER);
	assert_int_equal(fx_box_live(&fx), MANY - 1);
	fx_box_drop(&fx);
}

/* It has the size of one row and the header of another: it is neither. */
static void
under_a_new_id_header_and_size_are_of_one_row(void **state)
{
	static const char same[] = HEAD("one") "other bytes, longer\r\n";
	const struct fx_letter old[] = { { "a", one, 0 }, { "b", two, 0 } };
	const struct fx_letter now[] = { { "c", same, 0 } };
	struct fx_box fx;

	(void)state;
	assert_int_equal(sizeof(same), sizeof(two));
	fx_box_make(&fx, 1, 1);
	fx_box_visit(&fx, old, 2, FX_NEVER);
	fx_box_visit(&fx, now, 1, FX_ALWAYS);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), 3);
	fx_box_drop(&fx);
}

/* Their order among those of one size is another: no sample shows its row. */
static void
visit_crossed(bool no_top)
{
	struct many many;
	struct fx_box fx;

	fx_box_make(&fx, 2, 2);
	make_many(&many, "old-", 10);
	fx_box_visit(&fx, many.mail, 10, FX_NEVER);
	make_many(&many, "new-", 10);
	many.mail[0].text = many.text[7];
	many.mail[7].text = many.text[0];
	fx.no_top = no_top;
	fx_box_visit(&fx, many.mail, 10, FX_NEVER);
	assert_int_equal(fx.retrs, no_top ? 10 : 0);
	assert_int_equal(fx_box_rows(&fx), 10);
	assert_string_equal(fx_box_row(&fx, 1).uid, "new-7");
	assert_int_equal(fx_box_live(&fx), 10);
	fx_box_drop(&fx);
}

static void
ids_given_anew_in_another_order_of_equal_sizes_fetch_nothing(void **state)
{
	(void)state;
	visit_crossed(false);
}

static void
without_top_they_come_once_more_and_are_stored_once(void **state)
{
	(void)state;
	visit_crossed(true);
}

static void
without_top_ids_given_anew_are_told_by_the_bytes(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_many(&many, "old-", MANY);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	make_many(&many, "new-", MANY);
	fx.no_top = true;
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	assert_int_equal(fx_box_rows(&fx), MANY);
	fx_box_drop(&fx);
}

/* A server that makes ids of the bytes has one id for two equal messages. */
static void
ids_given_anew_twice_over_cost_no_message_its_row(void **state)
{
	struct fx_letter mail[] = {
		{ "a", HEAD("one") "1\r\n", 0 },
		{ "b", HEAD("same") "as the other\r\n", 0 },
		{ "c", HEAD("same") "as the other\r\n", 0 },
		{ "d", HEAD("four") "444\r\n", 0 },
	};
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, mail, 4, FX_NEVER);
	mail[0].uid = "hash-1";
	mail[1].uid = mail[2].uid = "hash-2";
	mail[3].uid = "hash-4";
	fx_box_visit(&fx, mail, 4, FX_NEVER);
	assert_int_equal(fx.retrs, 0); /* told by size and header */
	assert_int_equal(fx_box_rows(&fx), 4);
	fx_box_visit(&fx, mail, 4, FX_ALWAYS);
	assert_int_equal(fx_box_rows(&fx), 4);
	fx_box_drop(&fx);
}

static void
waiting_messages_are_never_deleted_nor_fetched(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_many(&many, "old-", MANY);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	make_many(&many, "new-", MANY);
	fx_box_begin(&fx, many.mail, MANY, FX_ALWAYS);
	fx_box_fetch(&fx);
	fx_box_recheck(&fx);
	fx_box_dele(&fx);
	assert_int_equal(fx.retrs + fx.deles, 0);
	fx_box_end(&fx);
	/* The visit was cut off: the next one begins again. */
	fx_box_visit(&fx, many.mail, MANY, FX_ALWAYS);
	assert_int_equal(fx.tops, 4);
	assert_int_equal(fx.retrs, 0);
	assert_int_equal(fx.deles, MANY);
	fx_box_drop(&fx);
}

/* ---- no ids, and mail that stays ---- */

static void
make_nameless(struct many *many, size_t len)
{
	make_many(many, "x", len);
	for (size_t i = 0; i < len; i++)
		many->mail[i].uid = NULL;
}

/* The letter at AT is taken away. */
static void
take_away(struct many *many, size_t at, size_t len)
{
	memmove(&many->mail[at], &many->mail[at + 1],
	        (len - at - 1) * sizeof(many->mail[0]));
}

static void
without_uidl_a_second_visit_fetches_only_what_is_new(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_nameless(&many, MANY + 2);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	assert_int_equal(fx.retrs, MANY);
	for (unsigned i = 0; i < 2; i++) {
		fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
		assert_int_equal(fx.tops, 4); /* 0, 20, 40, 44 */
		assert_int_equal(fx.retrs, 0);
		assert_int_equal(fx_box_on_server(&fx), MANY);
	}
	fx_box_visit(&fx, many.mail, MANY + 2, FX_NEVER);
	assert_int_equal(fx.retrs, 2);
	assert_int_equal(fx_box_rows(&fx), MANY + 2);
	fx_box_drop(&fx);
}

static void
without_uidl_what_others_deleted_costs_a_proof(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_nameless(&many, MANY + 2);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	take_away(&many, 12, MANY + 2);
	take_away(&many, 30, MANY + 1);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	assert_int_equal(fx.retrs, 2);
	assert_true(fx.tops <= 8);
	assert_int_equal(fx_box_rows(&fx), MANY + 2);
	assert_int_equal(fx_box_on_server(&fx), MANY);
	fx_box_drop(&fx);
}

/* One goes, another of its size comes: places and sizes are as they were. */
static void
without_uidl_mail_of_the_same_size_is_not_missed(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_nameless(&many, MANY);
	for (size_t i = 0; i < MANY; i++)
		(void)snprintf(many.text[i], sizeof(many.text[i]),
		               HEAD("number %02zu") "text\r\n", i);
	fx_box_visit(&fx, many.mail, MANY - 1, FX_NEVER);
	take_away(&many, 7, MANY);
	fx_box_visit(&fx, many.mail, MANY - 1, FX_NEVER);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), MANY);
	assert_int_equal(fx_box_on_server(&fx), MANY - 1);
	/* What was there alone is what the next one goes by. */
	fx_box_visit(&fx, many.mail, MANY - 1, FX_NEVER);
	assert_int_equal(fx.tops, 4);
	assert_int_equal(fx.retrs, 0);
	fx_box_drop(&fx);
}

/* Rows were passed over: the sizes alone fit. */
static void
without_uidl_what_stands_behind_a_gap_is_asked(void **state)
{
	const struct fx_letter was[] = {
		{ NULL, HEAD("one") "1\r\n", 0 },
		{ NULL, HEAD("two") "22\r\n", 0 },
		{ NULL, HEAD("three") "333\r\n", 0 },
		{ NULL, HEAD("four") "4444\r\n", 0 },
	};
	const struct fx_letter is[] = {
		was[0],
		{ NULL, HEAD("other") "333\r\n", 0 },
		was[3],
	};
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, was, 4, FX_NEVER);
	fx_box_visit(&fx, is, 3, FX_NEVER);
	assert_int_equal(fx.retrs, 1);
	assert_int_equal(fx_box_rows(&fx), 5);
	assert_int_equal(fx_box_on_server(&fx), 3);
	fx_box_drop(&fx);
}

static void
without_uidl_each_in_doubt_is_asked(void **state)
{
	struct sled_err err = { 0 };
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_nameless(&many, MANY);
	fx_box_begin(&fx, many.mail, MANY, FX_NEVER);
	fx_box_fetch(&fx);
	fx_box_commit(&fx);
	assert_true(sled_box_doubt(fx.box, 7, &err));
	fx_box_end(&fx);
	fx_box_begin(&fx, many.mail, MANY, FX_NEVER);
	assert_int_equal(fx_box_verdict(&fx, 6), SLED_ITEM_WAITS);
	assert_int_equal(fx_box_verdict(&fx, 7), SLED_ITEM_PROVE);
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

/* Each deletion has its own RETR, whatever a TOP has shown. */
static void
without_uidl_a_proof_never_deletes(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_nameless(&many, MANY);
	fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
	fx_box_begin(&fx, many.mail, MANY, FX_NEVER);
	fx_box_prove(&fx);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(fx_box_verdict(&fx, i), SLED_ITEM_STORED);
		fx.listing.items[i].flags |= SLED_ITEM_DUE | SLED_ITEM_SAFE;
		assert_false(sled_box_may_delete(fx.box, i));
	}
	fx_box_end(&fx);
	fx_box_visit(&fx, many.mail, MANY, FX_ALWAYS);
	assert_int_equal(fx.tops, 0);
	assert_int_equal(fx.retrs, MANY);
	assert_int_equal(fx.deles, MANY);
	assert_int_equal(fx_box_rows(&fx), MANY);
	fx_box_drop(&fx);
}

static void
without_uidl_and_top_all_of_it_is_fetched_and_stored_once(void **state)
{
	struct many many;
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	make_nameless(&many, MANY);
	fx.no_top = true;
	for (unsigned i = 0; i < 2; i++) {
		fx_box_visit(&fx, many.mail, MANY, FX_NEVER);
		assert_int_equal(fx.retrs, MANY);
		assert_int_equal(fx_box_rows(&fx), MANY);
	}
	fx_box_drop(&fx);
}

#define KNOWN 40

struct aside {
	struct fx_box *fx;
	atomic_bool go;
};

/* A relaxed word to begin puts no order between the threads, so that what is
 * not in order by itself is seen by ThreadSanitizer. */
static void *
recount(void *ctx)
{
	struct aside *aside = ctx;

	while (!atomic_load_explicit(&aside->go, memory_order_relaxed))
		(void)sched_yield();
	fx_box_recount(aside->fx);
	return NULL;
}

/* What comes without an id turns out to be a row that we have, while the others
 * are counted again. */
static void
known_mail_comes_in_while_places_are_counted(void **state)
{
	struct fx_letter mail[KNOWN];
	char text[KNOWN][80], uid[KNOWN][8];
	struct fx_box fx;
	struct aside aside = { .fx = &fx };
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < KNOWN; i++) {
		(void)snprintf(uid[i], sizeof(uid[i]), "%zu", i);
		(void)snprintf(text[i], sizeof(text[i]), HEAD("%zu") "text\r\n",
		               i);
		mail[i] = (struct fx_letter){ i < KNOWN / 2 ? NULL : uid[i],
			                      text[i], 0 };
	}
	fx_box_make(&fx, 2, 2);
	fx_box_plain(&fx);
	fx_box_visit(&fx, mail, KNOWN, FX_NEVER);
	fx_box_begin(&fx, mail, KNOWN, FX_ALWAYS);
	fx_box_recheck_take(&fx);
	assert_int_equal(pthread_create(&thread, NULL, recount, &aside), 0);
	for (size_t i = 0; i < KNOWN / 2; i++) {
		fx_box_retr(&fx, i);
		if (i == KNOWN / 4)
			atomic_store_explicit(&aside.go, true,
			                      memory_order_relaxed);
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	fx_box_recheck_apply(&fx);
	fx_box_recheck(&fx); /* of what came meanwhile */
	fx_box_dele(&fx);
	fx_box_quit(&fx);
	fx_box_end(&fx);
	assert_int_equal(fx.deles, KNOWN);
	assert_int_equal(fx_box_rows(&fx), KNOWN);
	fx_box_drop(&fx);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    without_uidl_each_visit_fetches_and_deletes_what_it_fetched),
		cmocka_unit_test(doubled_ids_are_none),
		cmocka_unit_test(ids_that_are_empty_or_hostile_are_none),
		cmocka_unit_test(odd_ids_that_are_allowed_are_ids),
		cmocka_unit_test(
		    equal_bytes_in_one_listing_are_two_rows_without_ids_too),
		cmocka_unit_test(
		    a_server_that_loses_its_ids_brings_no_second_rows),
		cmocka_unit_test(an_id_that_was_doubled_once_is_proved_later),
		cmocka_unit_test(two_ids_for_one_message_are_none),
		cmocka_unit_test(ids_all_given_anew_are_taken_over_by_samples),
		cmocka_unit_test(
		    one_sample_that_fails_has_the_rest_proved_one_by_one),
		cmocka_unit_test(
		    ids_all_given_anew_to_some_of_them_are_proved_one_by_one),
		cmocka_unit_test(under_a_new_id_header_and_size_are_of_one_row),
		cmocka_unit_test(
		    ids_given_anew_in_another_order_of_equal_sizes_fetch_nothing),
		cmocka_unit_test(
		    without_top_they_come_once_more_and_are_stored_once),
		cmocka_unit_test(
		    without_top_ids_given_anew_are_told_by_the_bytes),
		cmocka_unit_test(
		    ids_given_anew_twice_over_cost_no_message_its_row),
		cmocka_unit_test(
		    waiting_messages_are_never_deleted_nor_fetched),
		cmocka_unit_test(
		    without_uidl_a_second_visit_fetches_only_what_is_new),
		cmocka_unit_test(
		    without_uidl_what_others_deleted_costs_a_proof),
		cmocka_unit_test(
		    without_uidl_mail_of_the_same_size_is_not_missed),
		cmocka_unit_test(without_uidl_a_proof_never_deletes),
		cmocka_unit_test(
		    without_uidl_and_top_all_of_it_is_fetched_and_stored_once),
		cmocka_unit_test(known_mail_comes_in_while_places_are_counted),
		cmocka_unit_test(what_a_listing_without_ids_lacks_is_not_gone),
		cmocka_unit_test(
		    without_an_id_what_comes_again_behind_its_deletion_is_new),
		cmocka_unit_test(what_may_be_found_under_a_new_id_is_not_gone),
		cmocka_unit_test(
		    without_uidl_what_stands_behind_a_gap_is_asked),
		cmocka_unit_test(without_uidl_each_in_doubt_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
