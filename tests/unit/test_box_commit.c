/* test_box_commit.c - group commits beside a download, and those that fail. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_box.h"

#define HEAD(s) "From: ada@example.org\r\nSubject: " s "\r\n\r\n"

static const char one[] = HEAD("one") "first text\r\n";
static const char two[] = HEAD("two") "second text, longer\r\n";

static char *
long_text(const char *subject, size_t octets)
{
	char *text = malloc(octets + 1);
	int head;

	assert_non_null(text);
	head = snprintf(text, octets, HEAD("%s"), subject);
	for (size_t i = (size_t)head; i < octets; i++)
		text[i] = (char)(i % 78 == 76   ? '\r'
		                 : i % 78 == 77 ? '\n'
		                                : 'a' + (int)(i * i / 7 % 26));
	text[octets] = '\0';
	return text;
}

static void
full_members_go_at_once_and_the_rest_with_the_flush(void **state)
{
	char *half = long_text("half", 140 << 10);
	const struct fx_letter mail[] = { { "a", half, 0 },
		                          { "b", half, 0 },
		                          { "c", one, 0 } };
	struct sled_err err = { 0 };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 3, FX_ALWAYS);
	assert_false(sled_box_commit_take(fx.box, true)); /* nothing yet */
	for (size_t i = 0; i < 3; i++)
		fx_box_retr(&fx, i);
	assert_true(sled_box_commit_take(fx.box, false));
	sled_box_commit(fx.box);
	assert_true(sled_box_commit_apply(fx.box, &err));
	assert_true(sled_box_may_delete(fx.box, 0));
	assert_true(sled_box_may_delete(fx.box, 1));
	assert_false(sled_box_may_delete(fx.box, 2));
	assert_false(sled_box_commit_take(fx.box, false));
	fx_box_commit(&fx);
	assert_true(sled_box_may_delete(fx.box, 2));
	assert_false(sled_box_commit_take(fx.box, true));
	fx_box_end(&fx);
	fx_box_drop(&fx);
	free(half);
}

/* What is whole is synced though it fills no member yet. */
static void
a_job_may_have_nothing_but_a_sync(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 } };
	struct sled_err err = { 0 };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 1, FX_ALWAYS);
	fx_box_retr(&fx, 0);
	assert_true(sled_box_commit_take(fx.box, false));
	sled_box_commit(fx.box);
	assert_true(sled_box_commit_apply(fx.box, &err));
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_false(sled_box_commit_take(fx.box, false));
	fx_box_commit(&fx);
	assert_true(sled_box_may_delete(fx.box, 0));
	fx_box_end(&fx);
	fx_box_drop(&fx);
}

static void *
commit(void *box)
{
	sled_box_commit(box);
	return NULL;
}

static void
messages_come_in_while_others_are_committed(void **state)
{
	char *large = long_text("large", 3 << 20);
	struct fx_letter mail[60];
	char uid[60][8];
	struct sled_err err = { 0 };
	struct fx_box fx;
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < 60; i++) {
		(void)snprintf(uid[i], sizeof(uid[i]), "%zu", i);
		mail[i] = (struct fx_letter){ i % 3 ? uid[i] : NULL,
			                      i == 7       ? large
			                      : i % 2 == 0 ? one
			                                   : two,
			                      0 };
	}
	fx_box_make(&fx, 2, 2);
	fx_box_begin(&fx, mail, 60, FX_ALWAYS);
	for (size_t group = 0; group < 6; group++) {
		bool job = sled_box_commit_take(fx.box, true);

		assert_int_equal(job, group > 0);
		if (job)
			assert_int_equal(
			    pthread_create(&thread, NULL, commit, fx.box), 0);
		for (size_t i = 0; i < 10; i++)
			fx_box_retr(&fx, group * 10 + i);
		if (job) {
			assert_int_equal(pthread_join(thread, NULL), 0);
			assert_true(sled_box_commit_apply(fx.box, &err));
		}
	}
	fx_box_commit(&fx);
	fx_box_dele(&fx);
	assert_int_equal(fx.deles, 60);
	fx_box_quit(&fx);
	fx_box_end(&fx);
	assert_int_equal(fx_box_rows(&fx), 60);
	assert_int_equal(fx_box_live(&fx), 0);
	fx_box_drop(&fx);
	free(large);
}

static void
a_full_disk_keeps_mail_in_the_spool_and_on_the_server(void **state)
{
	const struct fx_letter before[] = { { "z", one, 0 } };
	const struct fx_letter mail[] = { { "a", one, 0 }, { "b", two, 0 } };
	char folder[FX_TMP_PATH + 32];
	struct sled_err err = { 0 };
	struct fx_box fx;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_visit(&fx, before, 1, FX_ALWAYS); /* makes the folder */
	(void)snprintf(folder, sizeof(folder), "%s/home", fx.paths[0]);
	fx_sys_limit(&fx.sys, folder, 0);
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_fetch(&fx);
	assert_true(sled_box_commit_take(fx.box, true));
	sled_box_commit(fx.box);
	assert_false(sled_box_commit_apply(fx.box, &err));
	assert_int_equal(err.kind, SLED_ERR_PLACE);
	assert_int_equal(sled_box_sums(fx.box).unsafe_kind, SLED_ERR_PLACE);
	assert_string_equal(sled_box_sums(fx.box).unsafe_why, err.text);
	assert_false(sled_box_may_delete(fx.box, 0));
	assert_false(sled_box_all_safe(fx.box));
	assert_false(sled_box_commit_take(fx.box, true));
	fx_box_kill(&fx);
	fx_box_close(&fx);
	/* Still full: known, so not fetched, and not deleted. */
	fx_box_open(&fx);
	fx_box_visit(&fx, mail, 2, FX_ALWAYS);
	assert_int_equal(fx.retrs + fx.tops + fx.deles, 0);
	fx_box_close(&fx);
	fx_sys_calm(&fx.sys);
	fx_box_open(&fx);
	fx_box_visit(&fx, mail, 2, FX_ALWAYS);
	assert_int_equal(fx.retrs + fx.tops, 0);
	assert_int_equal(fx.deles, 2);
	assert_int_equal(fx_box_rows(&fx), 3);
	fx_box_drop(&fx);
}

static void
a_ledger_that_fails_to_commit_makes_nothing_deletable(void **state)
{
	const struct fx_letter mail[] = { { "a", one, 0 }, { "b", two, 0 } };
	unsigned held = 0;

	(void)state;
	/* Each write and each sync of one commit fails in turn. */
	for (unsigned nth = 1;; nth++) {
		struct sled_err err = { 0 };
		struct fx_box fx;
		bool ok, fired;

		fx_box_make(&fx, 2, 2);
		fx_box_begin(&fx, mail, 2, FX_ALWAYS);
		fx_box_fetch(&fx);
		assert_true(sled_box_commit_take(fx.box, true));
		fx_sys_fail(&fx.sys, FX_FDATASYNC, nth, EIO, false);
		sled_box_commit(fx.box);
		fired = fx_sys_fired(&fx.sys);
		fx_sys_calm(&fx.sys);
		ok = sled_box_commit_apply(fx.box, &err);
		for (size_t i = 0; i < 2; i++)
			if (sled_box_may_delete(fx.box, i))
				assert_true(ok && !fired);
			else
				held++;
		fx_box_kill(&fx);
		fx_box_close(&fx);
		fx_box_open(&fx);
		fx_box_visit(&fx, mail, 2, FX_ALWAYS);
		assert_int_equal(fx.retrs, 0);
		assert_int_equal(fx.deles, 2);
		assert_int_equal(fx_box_rows(&fx), 2);
		fx_box_drop(&fx);
		if (!fired)
			break;
	}
	assert_true(held >= 2 * 3); /* spool, place, copy, ... */
}

struct side {
	struct sled_box *box;
	atomic_bool over;
};

static void *
commit_aside(void *ctx)
{
	struct side *side = ctx;

	sled_box_commit(side->box);
	atomic_store(&side->over, true);
	return NULL;
}

/* Of another account of the same store. */
static void
visit_another(struct fx_box *fx)
{
	const struct sled_spool_owner owner = { "work", "pop.example.net",
		                                "bob" };
	struct sled_visit_row row = { .began = fx->now };
	struct sled_err err = { 0 };
	struct sled_box *box = NULL;

	assert_true(sled_box_open(&box, fx->store, &owner, fx->now, &err));
	assert_true(sled_box_close(&box, &row, &err));
}

/* What is known of a place is every visit's. Run by ThreadSanitizer too. */
static void
a_place_fails_in_one_visit_while_others_end(void **state)
{
	char *large = long_text("large", 3 << 20);
	const struct fx_letter mail[] = { { "a", large, 0 }, { "b", one, 0 } };
	struct side side = { .over = false };
	struct sled_err err = { 0 };
	struct fx_box fx;
	pthread_t thread;

	(void)state;
	fx_box_make(&fx, 2, 2);
	fx_box_plain(&fx);
	fx_box_shell(&fx, "touch %s/b/home");
	fx_box_begin(&fx, mail, 2, FX_ALWAYS);
	fx_box_fetch(&fx);
	assert_true(sled_box_commit_take(fx.box, true));
	side.box = fx.box;
	assert_int_equal(pthread_create(&thread, NULL, commit_aside, &side), 0);
	do
		visit_another(&fx);
	while (!atomic_load(&side.over));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(sled_box_commit_apply(fx.box, &err));
	assert_non_null(strstr(sled_box_sums(fx.box).unsafe_why, "b/home"));
	assert_false(sled_box_may_delete(fx.box, 0));
	fx_box_end(&fx);
	fx_box_drop(&fx);
	free(large);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    full_members_go_at_once_and_the_rest_with_the_flush),
		cmocka_unit_test(a_job_may_have_nothing_but_a_sync),
		cmocka_unit_test(messages_come_in_while_others_are_committed),
		cmocka_unit_test(
		    a_full_disk_keeps_mail_in_the_spool_and_on_the_server),
		cmocka_unit_test(
		    a_ledger_that_fails_to_commit_makes_nothing_deletable),
		cmocka_unit_test(a_place_fails_in_one_visit_while_others_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
