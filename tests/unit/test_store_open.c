/* test_store_open.c - which places are made, written, counted, refused. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_store.h"
#include "mailsled/clock.h"

static const struct fx_mail mails[] = { { "u1", 100, 1 },
	                                { "u2", 3000, 2 },
	                                { "u3", 0, 3 } };

static int
set_up(void **state)
{
	static struct fx_store world;

	fx_store_make(&world, 1);
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

/* A visit whose messages stay on the server. */
static struct fx_visit
visit(struct fx_store *w)
{
	struct fx_visit v;

	if (!fx_visit_run(&v, w, mails, 3, 10, false))
		fail_msg("%s", v.err.text);
	return v;
}

static size_t
deletable(const struct fx_visit *v)
{
	size_t count = 0;

	for (size_t i = 0; i < v->len; i++)
		count += v->may[i];
	return count;
}

static struct sled_place_status
place(struct fx_store *w, size_t i)
{
	struct sled_place_status status;

	assert_true(sled_store_place(w->store, i, &status, &w->err));
	return status;
}

static void
test_a_visit_ends_in_both_places(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, mails, 3, 10, true))
		fail_msg("%s", v.err.text);
	assert_int_equal(v.fetched, 3);
	assert_int_equal(v.deleted, 3);
	assert_store_has(w, mails, 3);
	assert_store_verifies(w);
	assert_place_has(w->path, mails, 3, NULL);
	assert_place_has(w->copy[0], mails, 3, NULL);
	assert_place_untars(w, w->path, mails, 3);
	assert_place_untars(w, w->copy[0], mails, 3);
}

static void
test_the_first_open_marks_each_place_once(void **state)
{
	struct fx_store *w = *state;
	char first[SLED_PLACE_ID], copy[SLED_PLACE_ID], id[SLED_PLACE_ID];

	fx_store_open(w);
	(void)snprintf(id, sizeof(id), "%s", sled_store_id(w->store));
	(void)snprintf(first, sizeof(first), "%s", place(w, 0).id);
	(void)snprintf(copy, sizeof(copy), "%s", place(w, 1).id);
	assert_string_not_equal(first, copy);
	fx_store_sh(w, "grep -q '^store: %s$' store/STORE.txt", id);
	fx_store_sh(w, "grep -q '^store: %s$' copy1/STORE.txt", id);
	fx_store_sh(w, "grep -q '^store: %s$' copy1/COPY.txt", id);
	fx_store_sh(w, "grep -q '^place: %s$' copy1/COPY.txt", copy);
	fx_store_sh(w, "grep -q '^knows: %s ' copy1/COPY.txt", first);
	fx_store_sh(w, "test ! -e copy1/.mailsled");
	fx_store_sh(w, "test \"$(stat -c %%a store/.mailsled)\" = 700");
	fx_store_close(w);
	fx_store_open(w);
	assert_string_equal(sled_store_id(w->store), id);
	assert_string_equal(place(w, 0).id, first);
	assert_string_equal(place(w, 1).id, copy);
}

static void
test_a_founding_that_was_cut_off_goes_on(void **state)
{
	struct fx_store *w = *state;
	unsigned faults = 0;

	for (unsigned n = 1;; n++) {
		bool fired;

		fx_sys_fail(&w->fx, FX_ANY, n, EIO, false);
		if (!fx_store_try(w, SLED_STORE_WRITE))
			assert_int_not_equal(w->err.text[0], 0);
		fired = fx_sys_fired(&w->fx);
		fx_store_close(w);
		fx_sys_calm(&w->fx);
		if (!fired)
			break;
		faults++;
		fx_store_open(w);
		assert_true(place(w, 0).present);
		assert_true(place(w, 1).present);
		assert_int_equal(visit(w).fetched, 3);
		assert_store_has(w, mails, 3);
		fx_store_close(w);
		assert_int_equal(fx_sys_open_fds(&w->fx), 0);
		fx_tmp_empty(&w->tmp);
	}
	assert_true(faults > 40);
}

static void
test_a_founding_that_was_killed_goes_on(void **state)
{
	struct fx_store *w = *state;
	unsigned deaths = 0;

	for (unsigned n = 1;; n += 2) {
		int status = 0;
		pid_t pid;

		fx_sys_kill(&w->fx, FX_ANY, n);
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0)
			_exit(fx_store_try(w, SLED_STORE_WRITE) ? 0 : 1);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		fx_sys_calm(&w->fx);
		if (!WIFSIGNALED(status))
			break;
		deaths++;
		fx_store_open(w);
		assert_true(place(w, 0).present);
		assert_true(place(w, 1).present);
		fx_store_close(w);
		fx_tmp_empty(&w->tmp);
	}
	assert_true(deaths > 20);
}

static void
test_a_wiped_copy_counts_for_nothing_until_sync_makes_it_anew(void **state)
{
	struct fx_store *w = *state;
	uint64_t octets = 0;

	fx_store_open(w);
	assert_int_equal(deletable(&(struct fx_visit){ 0 }), 0);
	(void)visit(w);
	fx_store_close(w);
	fx_store_sh(w, "rm -r copy1 && mkdir copy1");
	fx_store_open(w);
	assert_false(place(w, 1).present);
	struct fx_visit v = visit(w);
	assert_int_equal(v.fetched, 0);
	assert_int_equal(deletable(&v), 0);
	fx_store_sh(w, "test -z \"$(ls -A copy1)\"");
	assert_true(sled_store_sync(w->store, NULL, &octets, &w->err));
	assert_true(octets > 0);
	v = visit(w);
	assert_int_equal(v.fetched, 0);
	assert_int_equal(deletable(&v), 3);
	assert_place_has(w->copy[0], mails, 3, NULL);
	assert_store_verifies(w);
	fx_store_close(w);
	fx_store_open(w);
	assert_true(place(w, 1).present);
	assert_int_equal(place(w, 1).lacks, 0);
}

static uint64_t
fsid_of(const char *path)
{
	struct statfs fs;
	uint64_t id = 0;

	if (statfs(path, &fs) == 0)
		memcpy(&id, &fs.f_fsid, sizeof(id));
	return id;
}

/* A stick's file system is another one: /dev/shm stands for it. */
static void
test_an_unplugged_stick_is_never_written(void **state)
{
	struct fx_store *w = *state;
	char stick[] = "/dev/shm/mailsled-XXXXXX";
	uint64_t octets = 0;

	if (fsid_of("/dev/shm") == fsid_of(w->tmp.path) ||
	    mkdtemp(stick) == NULL)
		skip();
	w->now = sled_clock_now(); /* how old a read-back is will matter */
	fx_store_sh(w, "ln -s %s copy1", stick);
	fx_store_open(w);
	assert_int_equal(visit(w).fetched, 3);
	fx_store_close(w);
	fx_store_sh(w, "rm copy1 && mkdir copy1"); /* its mount point */
	fx_store_open(w);
	assert_false(place(w, 1).present);
	assert_true(place(w, 1).seen > 0);
	/* It was verified a moment ago and nothing bad is known: it counts. */
	struct fx_visit v = visit(w);
	assert_int_equal(deletable(&v), 3);
	assert_false(sled_store_sync(w->store, NULL, &octets, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	fx_store_close(w);
	fx_store_sh(w, "test -z \"$(ls -A copy1)\"");
	/* Not even with the ledger gone: the first place knows of it. */
	fx_store_sh(w, "rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	assert_false(place(w, 1).present);
	fx_store_close(w);
	fx_store_sh(w, "test -z \"$(ls -A copy1)\"");
	fx_store_sh(w, "rmdir copy1 && ln -s %s copy1", stick);
	fx_store_open(w);
	assert_true(place(w, 1).present);
	assert_int_equal(place(w, 1).lacks, 0);
	fx_store_close(w);
	fx_store_sh(w, "rm -r %s", stick);
}

static void
test_places_that_are_one_or_nested_are_refused(void **state)
{
	struct fx_store *w = *state;

	w->copies[0] = w->path;
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_CONFIG);
	(void)snprintf(w->copy[0], sizeof(w->copy[0]), "%s/store/copy",
	               w->tmp.path);
	w->copies[0] = w->copy[0];
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_CONFIG);
	fx_store_sh(w, "mkdir store && ln -s store link");
	(void)snprintf(w->copy[0], sizeof(w->copy[0]), "%s/link", w->tmp.path);
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_CONFIG);
	fx_store_sh(w, "test -z \"$(ls -A store)\"");
}

static void
test_two_places_with_one_id_count_once(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	fx_store_sh(w, "cp -a copy1 copy2");
	(void)snprintf(w->copy[1], sizeof(w->copy[1]), "%s/copy2", w->tmp.path);
	w->copies[1] = w->copy[1];
	w->conf.copies_len = 2;
	w->conf.min_copies = 3;
	fx_store_open(w);
	assert_true(place(w, 1).present);
	assert_false(place(w, 2).present);
	struct fx_visit v = visit(w);
	assert_int_equal(deletable(&v), 0);
}

static void
test_a_copy_of_another_store_is_never_written(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;

	fx_store_open(w);
	fx_store_close(w);
	fx_store_sh(w, "mv store other && mv copy1 copy.away && mkdir copy1");
	w->conf.found_new = true;
	fx_store_open(w);
	fx_store_close(w);
	fx_store_sh(w, "rm -r copy1 && mv copy.away copy1 && "
	               "find copy1 | xargs ls -ld > before");
	fx_store_open(w);
	assert_false(place(w, 1).present);
	assert_non_null(strstr(place(w, 1).why, "another store"));
	v = visit(w);
	assert_int_equal(v.fetched, 3);
	assert_int_equal(deletable(&v), 0);
	fx_store_sh(w, "find copy1 | xargs ls -ld | cmp - before");
}

/* It was verified a moment ago, but other mail lies there now. */
static void
test_a_copy_with_another_store_in_its_place_counts_for_nothing(void **state)
{
	struct fx_store *w = *state;
	struct fx_visit v;
	uint64_t octets = 0;

	fx_store_open(w);
	fx_store_close(w);
	fx_store_sh(w, "mv store other && mv copy1 foreign");
	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	fx_store_sh(w, "mv copy1 away && mv foreign copy1 && "
	               "find copy1 | xargs ls -ld > before");
	fx_store_open(w);
	v = visit(w);
	assert_int_equal(v.fetched, 0);
	assert_int_equal(deletable(&v), 0);
	assert_false(sled_store_sync(w->store, NULL, &octets, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	fx_store_close(w);
	fx_store_sh(w, "find copy1 | xargs ls -ld | cmp - before && "
	               "rm -r copy1 && mv away copy1");
	fx_store_open(w);
	v = visit(w);
	assert_int_equal(deletable(&v), 3);
}

static void
test_an_absent_copy_is_known_after_any_number_of_rebuilds(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	fx_store_sh(w, "mv copy1 away");
	for (unsigned i = 0; i < 3; i++) {
		fx_store_sh(w, "rm store/.mailsled/ledger.db*");
		fx_store_open(w);
		assert_false(place(w, 1).present);
		fx_store_close(w);
	}
	fx_store_sh(w, "test ! -e copy1 && mv away copy1");
	fx_store_open(w);
	assert_true(place(w, 1).present);
}

static void
test_a_lost_first_place_is_made_anew_from_a_copy(void **state)
{
	struct fx_store *w = *state;
	char id[SLED_PLACE_ID];

	fx_store_open(w);
	(void)visit(w);
	(void)snprintf(id, sizeof(id), "%s", sled_store_id(w->store));
	fx_store_close(w);
	fx_store_sh(w, "rm -r store");
	fx_store_open(w);
	assert_string_equal(sled_store_id(w->store), id);
	assert_store_has(w, mails, 3);
	assert_place_has(w->path, mails, 3, NULL);
	assert_int_equal(visit(w).fetched, 0);
	struct fx_visit v = visit(w);
	assert_int_equal(deletable(&v), 3);
	assert_store_verifies(w);
}

/* All but the hidden folder: the ledger knows more than the place holds. */
static void
test_an_emptied_first_place_is_filled_from_a_copy(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	fx_store_sh(w, "rm -r store/*");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
	assert_place_has(w->path, mails, 3, NULL);
	struct fx_visit v = visit(w);
	assert_int_equal(v.fetched, 0);
	assert_int_equal(deletable(&v), 3);
}

static void
test_a_lost_first_place_without_its_copies_creates_nothing(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	fx_store_sh(w, "rm -r store && mkdir away && mv copy1 away/");
	(void)snprintf(w->copy[0], sizeof(w->copy[0]), "%s/gone/copy1",
	               w->tmp.path);
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	fx_store_sh(w, "test ! -e store && test ! -e gone");
	w->conf.found_new = true;
	fx_store_open(w);
	assert_false(place(w, 1).present);
	fx_store_sh(w, "test -e store/COPY.txt && test ! -e gone");
}

static void
test_a_state_folder_elsewhere_remembers_that_there_was_a_store(void **state)
{
	struct fx_store *w = *state;

	w->conf.state = w->state;
	fx_store_open(w);
	assert_int_equal(visit(w).fetched, 3);
	fx_store_close(w);
	fx_store_sh(w, "test -e state/ledger.db && test ! -e store/.mailsled");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
	fx_store_close(w);
	/* Both disks unplugged: their mount points are empty folders. */
	fx_store_sh(w, "mkdir away && mv store copy1 away/ && "
	               "mkdir store copy1");
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	fx_store_sh(w, "test -z \"$(ls -A store copy1 | grep -v :)\"");
	fx_store_sh(w, "rmdir store copy1 && mv away/* .");
	fx_store_open(w);
	assert_store_has(w, mails, 3);
}

/* Where the places lay is another one than that of their folders now. */
static void
on_another_file_system(struct fx_store *w)
{
	struct sled_buf command = { 0 };
	struct sled_err err = { 0 };

	assert_true(sled_buf_printf(&command, &err,
	                            "sed -i 's/^\\([0-9a-f]* \\)[0-9a-f]* /"
	                            "\\100000000000000ff /' '%s'",
	                            w->conf.memo));
	fx_store_sh(w, command.data);
	sled_buf_free(&command);
}

static void
adopt(struct fx_store *w, const char *path)
{
	uint64_t octets = 0;

	w->conf.adopt = path;
	fx_store_open(w);
	w->conf.adopt = NULL;
	if (!sled_store_sync(w->store, path, &octets, &w->err))
		fail_msg("%s", w->err.text);
	assert_store_has(w, mails, 3);
	assert_store_verifies(w);
	fx_store_close(w);
}

/* The advice that goes with its absence leads somewhere. */
static void
test_a_first_place_that_lost_its_mark_is_let_in_by_name(void **state)
{
	struct fx_store *w = *state;

	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	fx_store_sh(w, "rm store/COPY.txt");
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	assert_non_null(strstr(w->err.text, "sync --adopt"));
	adopt(w, w->path);
	/* No place has one: STORE.txt tells whose it is. */
	fx_store_sh(w, "rm */COPY.txt store/STORE.txt");
	w->conf.adopt = w->path;
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_non_null(strstr(w->err.text, "nothing tells whose it is"));
	fx_store_sh(w, "cp copy1/STORE.txt store/ && "
	               "rm store/.mailsled/ledger.db*");
	w->conf.adopt = w->path;
	fx_store_open(w);
	fx_store_close(w);
	adopt(w, w->copy[0]);
	/* Nor is it let into another store. */
	fx_store_sh(w, "rm store/COPY.txt && "
	               "sed -i 's/^store: ......../store: 01234567/' "
	               "store/STORE.txt");
	w->conf.adopt = w->path;
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_non_null(strstr(w->err.text, "belongs to another store"));
}

/* Both disks change places, then one is pulled out. */
static void
test_a_mount_point_whose_disk_is_elsewhere_is_no_new_place(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "mkdir memo");
	(void)snprintf(w->state, sizeof(w->state), "%.*s/memo/places",
	               FX_TMP_PATH, w->tmp.path);
	w->conf.memo = w->state;
	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	on_another_file_system(w);
	/* A ledger of a time when the stick was away knows no file system of it. */
	fx_store_sh(w, "mv copy1 away && rm store/.mailsled/ledger.db*");
	fx_store_open(w);
	fx_store_close(w);
	fx_store_sh(w, "mv store elsewhere");
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_non_null(strstr(w->err.text, "nothing was created"));
	fx_store_sh(w, "mv elsewhere store && mv away copy1");
	fx_store_open(w);
	fx_store_close(w);
	on_another_file_system(w);
	fx_store_sh(w, "mv store away && mv copy1 store && mkdir copy1");
	for (unsigned i = 0; i < 2; i++) {
		fx_store_open(w);
		assert_false(place(w, 1).present);
		fx_store_close(w);
		fx_store_sh(w, "test -z \"$(ls -A copy1)\"");
		fx_store_sh(w, "rm -f store/.mailsled/ledger.db*");
	}
	/* What cannot be read tells of no new store either. */
	fx_store_sh(w, "mv store elsewhere && rm memo/places && "
	               "mkdir memo/places");
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_non_null(strstr(w->err.text, "nothing was created"));
	fx_store_sh(w, "test ! -e store");
}

/* The state folder went with the first place, the stick is not plugged in. */
static void
test_a_memo_outside_of_all_places_keeps_another_store_from_being_made(
    void **state)
{
	static const enum sled_store_mode modes[] = { SLED_STORE_WRITE,
		                                      SLED_STORE_REBUILD };
	struct fx_store *w = *state;
	char id[SLED_PLACE_ID];

	w->conf.memo = w->state;
	fx_store_open(w);
	assert_int_equal(visit(w).fetched, 3);
	(void)snprintf(id, sizeof(id), "%s", sled_store_id(w->store));
	fx_store_close(w);
	fx_store_sh(w, "rm -r store && mkdir away && mv copy1 away/");
	on_another_file_system(w);
	for (size_t i = 0; i < 4; i++) {
		if (i == 2) /* their mount points are empty folders */
			fx_store_sh(w, "mkdir store copy1");
		assert_false(fx_store_try(w, modes[i % 2]));
		assert_int_equal(w->err.kind, SLED_ERR_PLACE);
		assert_non_null(strstr(w->err.hint, "init --new"));
		fx_store_sh(w, i < 2 ? "test ! -e store && test ! -e copy1"
		                     : "test -z \"$(ls -A store copy1 | "
		                       "grep -v :)\"");
	}
	fx_store_sh(w, "rmdir store copy1 && mv away/copy1 .");
	fx_store_open(w);
	assert_string_equal(sled_store_id(w->store), id);
	assert_store_has(w, mails, 3);
}

static void
test_a_new_store_leaves_alone_what_the_memo_knows(void **state)
{
	struct fx_store *w = *state;
	char id[SLED_PLACE_ID];

	w->conf.memo = w->state;
	fx_store_open(w);
	(void)snprintf(id, sizeof(id), "%s", sled_store_id(w->store));
	fx_store_close(w);
	fx_store_sh(w, "rm -r store && mv copy1 away");
	on_another_file_system(w);
	w->conf.found_new = true;
	fx_store_open(w);
	assert_string_not_equal(sled_store_id(w->store), id);
	assert_false(place(w, 1).present);
	fx_store_close(w);
	w->conf.found_new = false;
	fx_store_open(w);
	assert_false(place(w, 1).present);
	fx_store_sh(w, "test ! -e copy1");
}

/* Their disk is still there: somebody removed them, and begins anew. */
static void
test_places_that_were_removed_are_made_anew(void **state)
{
	struct fx_store *w = *state;

	w->conf.memo = w->state;
	fx_store_open(w);
	assert_int_equal(visit(w).fetched, 3);
	fx_store_close(w);
	fx_store_sh(w, "rm -r store copy1");
	fx_store_open(w);
	assert_true(place(w, 1).present);
	assert_int_equal(visit(w).fetched, 3);
}

static void
test_a_memo_that_cannot_be_written_is_no_failure(void **state)
{
	struct fx_store *w = *state;

	w->conf.memo = "/proc/nowhere/memo";
	fx_store_open(w);
	assert_int_equal(visit(w).fetched, 3);
}

static void
test_a_folder_with_other_things_is_left_alone(void **state)
{
	struct fx_store *w = *state;
	uint64_t octets = 0;

	fx_store_sh(w, "mkdir store && echo x > store/photo.jpg");
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_PLACE);
	fx_store_sh(w, "test \"$(ls -A store)\" = photo.jpg");
	fx_store_sh(w, "rm -r store && mkdir copy1 && echo x > copy1/photo");
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	fx_store_sh(w, "test \"$(ls -A copy1)\" = photo && test ! -e store");
	w->conf.found_new = true;
	fx_store_open(w);
	assert_false(place(w, 1).present);
	fx_store_sh(w, "test \"$(ls -A copy1)\" = photo");
	assert_true(sled_store_sync(w->store, w->copy[0], &octets, &w->err));
	assert_true(place(w, 1).present);
	assert_false(sled_store_sync(w->store, "/nowhere", &octets, &w->err));
	assert_int_equal(w->err.kind, SLED_ERR_USAGE);
}

static void
test_readers_never_wait_and_write_nothing(void **state)
{
	struct fx_store *w = *state;
	struct sled_store *reader = NULL;

	assert_false(fx_store_try(w, SLED_STORE_READ));
	assert_int_equal(w->err.kind, SLED_ERR_MISSING);
	fx_store_sh(w, "test -z \"$(ls -A)\"");
	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	assert_true(fx_store_try(w, SLED_STORE_READ));
	assert_store_has(w, mails, 3);
	assert_store_verifies(w);
	fx_store_close(w);
	assert_null(reader);
}

/* What a commit at work has written and not entered yet, and garbage. */
static uint64_t
damaged(struct fx_store *w)
{
	struct sled_verify_report report;

	assert_true(fx_store_try(w, SLED_STORE_READ));
	assert_true(
	    sled_store_verify(w->store, true, NULL, NULL, &report, &w->err));
	fx_store_close(w);
	return report.damaged;
}

static void
test_a_second_writer_hears_who_holds_the_lock(void **state)
{
	struct fx_store *w = *state;
	char pid[32];
	int ready[2], done[2];
	pid_t child;

	fx_store_open(w);
	(void)visit(w);
	fx_store_close(w);
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(pipe(done), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		char byte;

		(void)close(done[1]);
		if (!fx_store_try(w, SLED_STORE_WRITE) ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		(void)!read(done[0], &byte, 1);
		_exit(0);
	}
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	fx_store_sh(w, "for f in */home/*.gz; do echo x >> $f; done");
	assert_int_equal(damaged(w), 0); /* the other one is about to tell */
	assert_false(fx_store_try(w, SLED_STORE_WRITE));
	assert_int_equal(w->err.kind, SLED_ERR_LINK);
	(void)snprintf(pid, sizeof(pid), "pid %ld", (long)child);
	assert_non_null(strstr(w->err.text, pid));
	(void)close(done[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(damaged(w), 2);
	fx_store_open(w);
	(void)close(ready[0]);
	(void)close(ready[1]);
	(void)close(done[0]);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_visit_ends_in_both_places),
		TEST(test_the_first_open_marks_each_place_once),
		TEST(test_a_founding_that_was_cut_off_goes_on),
		TEST(test_a_founding_that_was_killed_goes_on),
		TEST(
		    test_a_wiped_copy_counts_for_nothing_until_sync_makes_it_anew),
		TEST(test_an_unplugged_stick_is_never_written),
		TEST(test_places_that_are_one_or_nested_are_refused),
		TEST(test_two_places_with_one_id_count_once),
		TEST(test_a_copy_of_another_store_is_never_written),
		TEST(
		    test_a_copy_with_another_store_in_its_place_counts_for_nothing),
		TEST(test_an_absent_copy_is_known_after_any_number_of_rebuilds),
		TEST(test_a_lost_first_place_is_made_anew_from_a_copy),
		TEST(test_an_emptied_first_place_is_filled_from_a_copy),
		TEST(
		    test_a_lost_first_place_without_its_copies_creates_nothing),
		TEST(
		    test_a_state_folder_elsewhere_remembers_that_there_was_a_store),
		TEST(
		    test_a_memo_outside_of_all_places_keeps_another_store_from_being_made),
		TEST(test_a_first_place_that_lost_its_mark_is_let_in_by_name),
		TEST(
		    test_a_mount_point_whose_disk_is_elsewhere_is_no_new_place),
		TEST(test_a_new_store_leaves_alone_what_the_memo_knows),
		TEST(test_places_that_were_removed_are_made_anew),
		TEST(test_a_memo_that_cannot_be_written_is_no_failure),
		TEST(test_a_folder_with_other_things_is_left_alone),
		TEST(test_readers_never_wait_and_write_nothing),
		TEST(test_a_second_writer_hears_who_holds_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
