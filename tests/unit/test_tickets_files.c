/*
 * test_tickets_files.c - tickets on disk: private, bound, bounded, and each
 * used once, also when a run is killed or the disk fails at any call.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_sys.h"
#include "fx_tmp.h"
#include "mailsled/buf.h"
#include "mailsled/file.h"
#include "mailsled/tickets.h"

#define NOW  INT64_C(2051222400)
#define BIND "home pop.example.org 995 ada 0123"

static struct fx_tmp tmp;
static struct fx_sys fx;

static struct sled_tickets
whose(const char *account, const char *binding, int64_t now)
{
	return (struct sled_tickets){ &fx.sys, tmp.dir, account, binding, now };
}

static struct sled_span
span(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

static void
keep(const char *account, const char *text, int64_t ends)
{
	struct sled_tickets of = whose(account, BIND, NOW);
	struct sled_err err = { 0 };

	assert_true(sled_tickets_keep(&of, span(text), ends, &err));
}

/* TEXT, or NULL for nothing, is what take() finds. */
static void
expect_as(const char *account, const char *binding, int64_t now,
          const char *text)
{
	struct sled_tickets of = whose(account, binding, now);
	struct sled_err err = { 0 };
	struct sled_buf out = { 0 };
	bool found = true;

	assert_true(sled_tickets_take(&of, &out, &found, &err));
	assert_int_equal(found, text != NULL);
	if (text != NULL)
		assert_string_equal(out.data, text);
	else
		assert_int_equal(out.len, 0);
	sled_buf_wipe(&out);
	assert_int_equal(fx_sys_open_fds(&fx), 0);
}

static void
expect(const char *text)
{
	expect_as("home", BIND, NOW, text);
}

/* Names in the folder, each with its NUL; how many. */
static size_t
list(struct sled_buf *names)
{
	struct sled_err err = { 0 };
	size_t count = 0;

	names->len = 0;
	assert_true(
	    sled_dir_list(names, sled_sys_posix(), tmp.dir, "tickets", &err));
	for (size_t i = 0; i < names->len; i++)
		count += names->data[i] == '\0';
	return count;
}

static size_t
files(void)
{
	struct sled_buf names = { 0 };
	size_t count = list(&names);

	sled_buf_free(&names);
	return count;
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(tmp.dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	return st.st_mode & 07777;
}

static int
begin(void **state)
{
	(void)state;
	fx_tmp_empty(&tmp);
	fx_sys_init(&fx, tmp.path);
	return 0;
}

static int
finish(void **state)
{
	(void)state;
	assert_int_equal(fx_sys_open_fds(&fx), 0);
	fx_sys_done(&fx);
	return 0;
}

/* --- what they are for --- */

static void
test_a_ticket_is_given_out_once(void **state)
{
	(void)state;
	expect(NULL); /* no folder yet */
	keep("home", "first\n", NOW + 100);
	expect("first\n");
	expect(NULL);
	assert_int_equal(files(), 0);
}

static void
test_the_newest_comes_first_and_four_are_kept(void **state)
{
	static const char *const texts[] = { "1", "2", "3", "4", "5", "6" };

	(void)state;
	for (size_t i = 0; i < 6; i++)
		keep("home", texts[i], NOW + 100);
	assert_int_equal(files(), SLED_TICKETS_KEEP);
	expect("6");
	expect("5");
	keep("home", "7", NOW + 100);
	expect("7");
	expect("4");
	expect("3");
	expect(NULL);
}

static void
test_accounts_keep_to_themselves(void **state)
{
	struct sled_tickets of = whose("home", BIND, NOW);
	struct sled_err err = { 0 };

	(void)state;
	keep("home", "h", NOW + 100);
	keep("home-2", "h2", NOW + 100);
	keep("hom", "h3", NOW + 100);
	assert_true(sled_tickets_drop(&of, &err));
	assert_int_equal(files(), 2);
	expect(NULL);
	expect_as("home-2", BIND, NOW, "h2");
	expect_as("hom", BIND, NOW, "h3");
	fx_tmp_empty(&tmp);
	assert_true(sled_tickets_drop(&of, &err));
}

static void
test_files_are_private_under_any_umask(void **state)
{
	static const mode_t masks[] = { 0, 022, 077, 0277 };
	mode_t before = umask(0);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct sled_buf names = { 0 };
		char path[128];

		fx_tmp_empty(&tmp);
		(void)umask(masks[i]);
		keep("home", "secret", NOW + 100);
		assert_int_equal(mode_of("tickets"), 0700);
		assert_int_equal(list(&names), 1);
		(void)snprintf(path, sizeof(path), "tickets/%s", names.data);
		assert_int_equal(mode_of(path), 0600);
		sled_buf_free(&names);
	}
	(void)umask(before);
	assert_int_equal(fchmodat(tmp.dir, "tickets", 0755, 0), 0);
	keep("home", "secret", NOW + 100);
	assert_int_equal(mode_of("tickets"), 0700);
}

static void
test_large_and_ended_tickets_are_not_kept(void **state)
{
	static char large[SLED_TICKETS_MAX + 1];
	struct sled_tickets of = whose("home", BIND, NOW);
	struct sled_err err = { 0 };
	struct sled_buf out = { 0 };
	bool found = false;

	(void)state;
	keep("home", "ended", NOW);
	expect(NULL);
	assert_false(sled_tickets_keep(
	    &of, (struct sled_span){ large, sizeof(large) }, NOW + 9, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	assert_true(sled_tickets_keep(
	    &of, (struct sled_span){ large, sizeof(large) - 1 }, NOW + 9,
	    &err));
	assert_true(sled_tickets_take(&of, &out, &found, &err));
	assert_true(found);
	assert_int_equal(out.len, SLED_TICKETS_MAX);
	sled_buf_wipe(&out);
}

static void
test_an_account_is_a_label(void **state)
{
	static const char *const bad[] = { "",    "../x",
		                           "A",   ".a",
		                           "a/b", "abcdefghijklmnopqrstuvwxy" };
	struct sled_err err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sled_tickets of = whose(bad[i], BIND, NOW);
		struct sled_buf out = { 0 };
		bool found = true;

		assert_false(sled_tickets_take(&of, &out, &found, &err));
		assert_int_equal(err.kind, SLED_ERR_INTERNAL);
		assert_false(found);
		assert_false(sled_tickets_keep(&of, span("x"), NOW + 1, &err));
		assert_false(sled_tickets_drop(&of, &err));
	}
}

/* --- what is not good is gone --- */

static void
test_another_binding_or_time_voids_a_ticket(void **state)
{
	(void)state;
	keep("home", "t", NOW + 100);
	expect_as("home", BIND "4", NOW, NULL);
	expect(NULL);
	keep("home", "t", NOW + 100);
	expect_as("home", BIND, NOW + 100, NULL);
	expect(NULL);
	keep("home", "t", NOW + 100);
	expect_as("home", BIND, NOW + 99, "t");
	/* A week is all, and a clock that lost its year proves nothing. */
	keep("home", "t", NOW + 100 * SLED_TICKETS_LIFE);
	expect_as("home", BIND, NOW + SLED_TICKETS_LIFE, NULL);
	keep("home", "t", NOW + 100);
	expect_as("home", BIND, 0, NULL);
	expect(NULL);
}

static void
test_a_damaged_file_is_passed_over_and_gone(void **state)
{
	struct sled_buf names = { 0 };
	char whole[1024], path[128];
	size_t len;

	(void)state;
	keep("home", "the ticket", NOW + 100);
	assert_int_equal(list(&names), 1);
	(void)snprintf(path, sizeof(path), "tickets/%s", names.data);
	len = fx_tmp_read(&tmp, path, whole, sizeof(whole));
	assert_in_range(len, 150, 300);
	for (size_t cut = 0; cut < len; cut++) {
		fx_tmp_write(&tmp, path, whole, cut);
		assert_int_equal(fchmodat(tmp.dir, path, 0600, 0), 0);
		expect(NULL);
		assert_int_equal(files(), 0);
		whole[cut] ^= 1;
		fx_tmp_write(&tmp, path, whole, len);
		assert_int_equal(fchmodat(tmp.dir, path, 0600, 0), 0);
		expect(NULL);
		whole[cut] ^= 1;
	}
	fx_tmp_write(&tmp, path, whole, len);
	assert_int_equal(fchmodat(tmp.dir, path, 0600, 0), 0);
	expect("the ticket");
	sled_buf_free(&names);
}

static void
test_what_others_could_read_is_gone(void **state)
{
	struct sled_buf names = { 0 };
	char path[128];

	(void)state;
	keep("home", "older", NOW + 100);
	keep("home", "seen", NOW + 100);
	assert_int_equal(list(&names), 2);
	(void)snprintf(path, sizeof(path), "tickets/%s",
	               names.data + strlen(names.data) + 1);
	assert_int_equal(fchmodat(tmp.dir, path, 0640, 0), 0);
	expect("older");
	assert_int_equal(files(), 0);

	fx_tmp_write(&tmp, "far", "x", 1);
	assert_int_equal(symlinkat("../far", tmp.dir, path), 0);
	expect(NULL);
	assert_int_equal(files(), 0);
	assert_int_equal(faccessat(tmp.dir, "far", F_OK, 0), 0);
	sled_buf_free(&names);
}

static void
test_other_names_are_left_alone(void **state)
{
	static const char *const names[] = {
		"tickets/README",
		"tickets/home-0000000000000001",
		"tickets/home-000000000000001.ticket",
		"tickets/home-00000000000000011.ticket",
		"tickets/home-000000000000000A.ticket",
		"tickets/home-0000000000000001.ticket.old",
		"tickets/homer0000000000000001.ticket",
		"tickets/work-0000000000000001.ticket",
	};
	struct sled_tickets of = whose("home", BIND, NOW);
	struct sled_err err = { 0 };

	(void)state;
	keep("home", "t", NOW + 100);
	for (size_t i = 0; i < 8; i++)
		fx_tmp_write(&tmp, names[i], "x", 1);
	/* A killed run's, and one damaged. */
	fx_tmp_write(&tmp, "tickets/home-00000000000000ff.ticket.tmp", "x", 1);
	fx_tmp_write(&tmp, "tickets/home-00000000000000fe.ticket", "x", 1);
	assert_int_equal(
	    mkdirat(tmp.dir, "tickets/home-00000000000000fd.ticket", 0700), 0);
	expect("t");
	assert_int_equal(files(), 8 + 1);
	assert_true(sled_tickets_drop(&of, &err));
	assert_int_equal(files(), 8 + 1);
}

/* --- faults --- */

static void
test_what_cannot_be_unlinked_is_not_given_out(void **state)
{
	struct sled_tickets of = whose("home", BIND, NOW);
	struct sled_err err = { 0 };
	struct sled_buf out = { 0 };
	bool found = true;

	(void)state;
	keep("home", "t", NOW + 100);
	fx_sys_fail(&fx, FX_UNLINKAT, 1, EROFS, false);
	assert_false(sled_tickets_take(&of, &out, &found, &err));
	assert_false(found);
	assert_int_equal(out.len, 0);
	assert_non_null(strstr(err.text, "TLS tickets: unlink home-"));
	/* Another one was faster. */
	fx_sys_fail(&fx, FX_UNLINKAT, 1, ENOENT, false);
	assert_true(sled_tickets_take(&of, &out, &found, &err));
	assert_false(found);
	assert_int_equal(out.len, 0);
	expect("t");
	sled_buf_free(&out);
}

/* Each call fails once: never twice the same ticket, never a left temp. */
static void
test_no_fault_makes_a_ticket_come_twice(void **state)
{
	struct sled_tickets of = whose("home", BIND, NOW);
	unsigned faults = 0;

	(void)state;
	for (unsigned n = 1;; n++) {
		struct sled_err err = { 0 };
		struct sled_buf out = { 0 }, again = { 0 };
		bool kept, took, found = false, twice = false, fired;

		fx_tmp_empty(&tmp);
		fx_sys_fail(&fx, FX_ANY, n, EIO, false);
		kept = sled_tickets_keep(&of, span("t"), NOW + 100, &err);
		took = sled_tickets_take(&of, &out, &found, &err);
		fired = fx_sys_fired(&fx);
		fx_sys_done(&fx);
		fx_sys_init(&fx, tmp.path);
		assert_true(kept || err.kind == SLED_ERR_IO);
		assert_true(took || !found);
		err = (struct sled_err){ 0 };
		assert_true(sled_tickets_take(&of, &again, &twice, &err));
		assert_false(found && twice);
		sled_buf_wipe(&out);
		sled_buf_wipe(&again);
		if (!fired)
			break;
		faults++;
	}
	assert_true(faults > 15);
}

static void
child_takes(unsigned n)
{
	struct sled_tickets of = whose("home", BIND, NOW);
	struct sled_err err = { 0 };
	struct sled_buf out = { 0 };
	bool found = false;

	fx_sys_kill(&fx, FX_ANY, n);
	if (sled_tickets_take(&of, &out, &found, &err) && found)
		fx_tmp_write(&tmp, "used", out.data, out.len);
	_exit(0);
}

/* Was it used before the kill? Then it must not come again. */
static void
test_no_kill_makes_a_ticket_come_twice(void **state)
{
	unsigned kills = 0, lost = 0, there = 0;
	bool killed = true;

	(void)state;
	for (unsigned n = 1; killed; n++) {
		struct sled_tickets of = whose("home", BIND, NOW);
		struct sled_err err = { 0 };
		struct sled_buf out = { 0 };
		bool found = false, used;
		int status = 0;
		pid_t pid;

		fx_tmp_empty(&tmp);
		keep("home", "t", NOW + 100);
		pid = fork();
		assert_true(pid != -1);
		if (pid == 0)
			child_takes(n);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		killed = WIFSIGNALED(status);
		kills += killed;
		used = faccessat(tmp.dir, "used", F_OK, 0) == 0;
		assert_true(sled_tickets_take(&of, &out, &found, &err));
		assert_false(used && found);
		assert_true(killed || used);
		there += found;
		lost += !found && !used;
		sled_buf_wipe(&out);
	}
	assert_true(kills >= 6);
	assert_true(there >= 5 && lost >= 1); /* both sides of the unlink */
}

static int
set_up(void **state)
{
	(void)state;
	fx_tmp_make(&tmp);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	fx_tmp_drop(&tmp);
	return 0;
}

#define TICKETS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, finish)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TICKETS_TEST(test_a_ticket_is_given_out_once),
		TICKETS_TEST(test_the_newest_comes_first_and_four_are_kept),
		TICKETS_TEST(test_accounts_keep_to_themselves),
		TICKETS_TEST(test_files_are_private_under_any_umask),
		TICKETS_TEST(test_large_and_ended_tickets_are_not_kept),
		TICKETS_TEST(test_an_account_is_a_label),
		TICKETS_TEST(test_another_binding_or_time_voids_a_ticket),
		TICKETS_TEST(test_a_damaged_file_is_passed_over_and_gone),
		TICKETS_TEST(test_what_others_could_read_is_gone),
		TICKETS_TEST(test_other_names_are_left_alone),
		TICKETS_TEST(test_what_cannot_be_unlinked_is_not_given_out),
		TICKETS_TEST(test_no_fault_makes_a_ticket_come_twice),
		TICKETS_TEST(test_no_kill_makes_a_ticket_come_twice),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
