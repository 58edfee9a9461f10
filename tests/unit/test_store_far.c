/* test_store_far.c - a far place by real rclone (an alias of a folder): what
 * counts when, and a push or a way back that is cut off at any call. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_store.h"
#include "mailsled/clock.h"
#include "mailsled/loop.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NAME     "2026-11-001"

static const struct fx_mail mails[] = {
	{ "u1", 100, 1 },
	{ "u2", 3000, 2 },
	{ "u3", 70000, 3 },
};

static struct fx_store world;

static bool
push(struct fx_store *w, struct sled_far_sent *sent)
{
	static const struct sled_far_run run = { .ms = 0 };

	return sled_store_far(w->store, &run, sent, &w->err);
}

/* What may be deleted now, of all that lies on the server. */
static size_t
visit(struct fx_store *w)
{
	struct fx_visit v;
	size_t may = 0;

	w->now = sled_clock_now(); /* what was checked then is of today */
	if (!fx_visit_run(&v, w, mails, COUNT(mails), 2, false))
		fail_msg("%s", v.err.text);
	for (size_t i = 0; i < COUNT(mails); i++)
		may += v.may[i];
	return may;
}

static int
set_up(void **state)
{
	struct fx_store *w = &world;
	char remote[FX_STORE_PATH];
	struct fx_visit v;

	if (!sled_program_exists("rclone"))
		skip();
	fx_store_make(w, 0);
	(void)snprintf(remote, sizeof(remote), "%s/far", w->tmp.path);
	(void)setenv("RCLONE_CONFIG", "/dev/null", 1);
	(void)setenv("RCLONE_CONFIG_FAR_TYPE", "alias", 1);
	(void)setenv("RCLONE_CONFIG_FAR_REMOTE", remote, 1);
	w->copies[0] = "rclone:far:mail";
	w->conf.copies = w->copies;
	w->conf.copies_len = 1;
	w->conf.min_copies = 2;
	fx_store_sh(w, "mkdir far");
	fx_store_open(w);
	if (!fx_visit_run(&v, w, mails, COUNT(mails), 2, true))
		fail_msg("%s", v.err.text);
	assert_int_equal(v.deleted, 0);
	fx_store_close(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	if (*state != NULL)
		fx_store_drop(*state);
	return 0;
}

static void
push_all(struct fx_store *w, struct sled_far_sent *sent)
{
	fx_store_open(w);
	if (!push(w, sent))
		fail_msg("%s", w->err.text);
	if (!sent->whole)
		fail_msg("%s", w->said.data);
	fx_store_close(w);
}

static void
it_counts_once_checked_and_is_not_sent_again(void **state)
{
	struct fx_store *w = *state;
	struct sled_far_sent sent;

	push_all(w, &sent);
	assert_true(sent.files >= 2 && sent.damaged == 0);
	fx_store_open(w);
	assert_int_equal(visit(w), COUNT(mails));
	fx_store_close(w);
	fx_store_sh(w, "ls far/mail/home > was");
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	push_all(w, &sent); /* the ledger is new: all is looked at */
	fx_store_sh(w, "ls far/mail/home | cmp - was");
	push_all(w, &sent);
	assert_int_equal(sent.files, 0);
	fx_store_open(w);
	assert_int_equal(visit(w), COUNT(mails));
	fx_store_close(w);
}

/* Of the far place alone: all ranges by GNU tar, in one folder. */
static void
assert_far_untars(struct fx_store *w)
{
	char far[FX_STORE_PATH + 16];

	(void)snprintf(far, sizeof(far), "%s/far/mail", w->tmp.path);
	assert_place_untars(w, far, mails, COUNT(mails));
}

static void
a_seal_takes_the_place_of_ranges(void **state)
{
	struct fx_store *w = *state;
	struct sled_far_sent sent;
	uint64_t sealed = 0;

	push_all(w, &sent);
	fx_store_sh(w, "ls far/mail/home/" NAME ".0-*.tar.gz");
	fx_store_open(w);
	assert_true(
	    sled_store_seal(w->store, NULL, true, &sealed, &w->err));
	fx_store_close(w);
	push_all(w, &sent);
	fx_store_sh(w, "cmp far/mail/home/" NAME ".tar.gz store/home/" NAME
	               ".tar.gz && cmp far/mail/home/" NAME
	               ".tar.gz.sha256 store/home/" NAME ".tar.gz.sha256 && "
	               "test $(ls far/mail/home | wc -l) = 2");
	assert_far_untars(w);
}

static void
a_place_with_other_things_in_it_is_not_written(void **state)
{
	struct fx_store *w = *state;
	struct sled_far_sent sent;

	fx_store_sh(w, "mkdir far/mail && echo mine > far/mail/thesis.txt");
	fx_store_open(w);
	assert_true(push(w, &sent));
	assert_false(sent.whole);
	assert_true(fx_store_has_said(w, "has no mark"));
	fx_store_close(w);
	fx_store_sh(w, "test $(ls far/mail) = thesis.txt");
}

static void
a_damaged_range_is_found_when_its_check_is_due(void **state)
{
	struct fx_store *w = *state;
	struct sled_far_sent sent;

	push_all(w, &sent);
	fx_store_damage(w, "far/mail/home/*", 400);
	push_all(w, &sent);
	assert_int_equal(sent.checked, 0); /* of today: not yet */
	fx_store_open(w);
	for (int i = 0; i < 2; i++) {
		struct sled_far_row row = { .checked = 1 };
		struct sled_place_status place;

		assert_true(
		    sled_store_place(w->store, 1, &place, &w->err));
		memcpy(row.place, place.id, sizeof(row.place));
		(void)snprintf(row.file, sizeof(row.file), "gone-%d.tsv", i);
		assert_true(sled_ledger_far_put(sled_store_ledger(w->store),
		                                &row, &w->err));
	}
	/* Rows that name what is not there make the whole place suspect. */
	assert_true(push(w, &sent));
	assert_true(sent.damaged >= 3);
	assert_true(fx_store_has_said(w, "other bytes"));
	fx_store_close(w);
	push_all(w, &sent);
	fx_store_sh(w, "rm -r far/mail/quarantine");
	assert_far_untars(w);
	fx_store_open(w);
	assert_int_equal(visit(w), COUNT(mails));
	fx_store_close(w);
}

/* ---- cut off at every call ---- */

static unsigned
stride(unsigned step)
{
	return getenv("CHECK_ALL") != NULL ? 1 : step;
}

static void
check_end(struct fx_store *w)
{
	struct sled_far_sent sent;

	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	push_all(w, &sent);
	assert_far_untars(w);
	fx_store_open(w);
	assert_int_equal(visit(w), COUNT(mails));
	fx_store_close(w);
	assert_int_equal(fx_sys_open_fds(&w->fx), 0);
}

static void
a_kill_at_any_call_is_gone_on_from(void **state)
{
	struct fx_store *w = *state;
	unsigned kills = 0;
	int status = 1;

	fx_store_sh(w, "mkdir kept && cp -a store kept/");
	for (unsigned n = 1; status != 0; n += stride(67)) {
		pid_t pid;

		fx_store_sh(w, "rm -rf store far && cp -a kept/store . && "
		               "mkdir far");
		pid = fork();
		assert_true(pid != -1);
		if (pid == 0) {
			struct sled_far_sent sent;

			fx_sys_kill(&w->fx, FX_ANY, n);
			if (fx_store_try(w, SLED_STORE_WRITE))
				(void)!push(w, &sent);
			fx_store_close(w);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(status == 0 || WIFSIGNALED(status));
		kills += status != 0;
		check_end(w);
	}
	print_message("%u kills\n", kills);
	assert_true(kills > 2);
}

static void
a_way_back_that_is_cut_off_is_gone_on_with(void **state)
{
	struct fx_store *w = *state;
	struct sled_far_sent sent;
	unsigned kills = 0;
	int status = 1;

	push_all(w, &sent);
	for (unsigned n = 1; status != 0; n += stride(97)) {
		pid_t pid;

		fx_store_sh(w, "rm -rf store");
		pid = fork();
		assert_true(pid != -1);
		if (pid == 0) {
			fx_sys_kill(&w->fx, FX_ANY, n);
			(void)!fx_store_try(w, SLED_STORE_REBUILD);
			fx_store_close(w);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		kills += status != 0;
		if (!fx_store_try(w, SLED_STORE_REBUILD))
			fail_msg("%s", w->err.text);
		assert_store_has(w, mails, COUNT(mails));
		assert_store_verifies(w);
		fx_store_close(w);
		assert_place_untars(w, w->path, mails, COUNT(mails));
	}
	print_message("%u kills\n", kills);
	assert_true(kills > 2);
}

static void
a_failing_call_never_makes_more_count_than_is_there(void **state)
{
	struct fx_store *w = *state;
	bool fired = true;

	fx_store_sh(w, "mkdir kept && cp -a store kept/");
	for (unsigned n = 1; fired; n += stride(71)) {
		struct sled_far_sent sent = { .whole = false };

		fx_store_sh(w, "rm -rf store far && cp -a kept/store . && "
		               "mkdir far");
		fx_store_open(w);
		fx_sys_fail(&w->fx, FX_ANY, n, EIO, false);
		if (push(w, &sent) && sent.whole)
			assert_far_untars(w);
		fired = fx_sys_fired(&w->fx);
		fx_sys_calm(&w->fx);
		fx_store_close(w);
		check_end(w);
	}
}

#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(it_counts_once_checked_and_is_not_sent_again),
		T(a_seal_takes_the_place_of_ranges),
		T(a_place_with_other_things_in_it_is_not_written),
		T(a_damaged_range_is_found_when_its_check_is_due),
		T(a_kill_at_any_call_is_gone_on_from),
		T(a_way_back_that_is_cut_off_is_gone_on_with),
		T(a_failing_call_never_makes_more_count_than_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
