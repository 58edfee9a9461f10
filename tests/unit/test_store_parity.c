/* test_store_parity.c - sealed volumes get parity, in every place, and what
 * single copies cannot mend it mends; our own hashes say whether. */
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

#define MAILS  60
#define NAME   "2026-11-001"
#define SEALED NAME ".tar.gz"
#define LIST   SEALED ".par2.sha256"

static struct fx_mail mails[MAILS];
static struct fx_store world;

struct heard {
	struct sled_repair_report report;
	uint64_t parity, mixed, beside;
	enum sled_outcome worst;
};

static void
on_volume(void *ctx, const struct sled_repaired *volume)
{
	struct heard *heard = ctx;

	if (volume->why != NULL)
		print_error("%s: %s\n", volume->name, volume->why);
	heard->parity += volume->parity;
	heard->mixed += volume->mixed;
	heard->beside += volume->beside;
	if (volume->outcome > heard->worst)
		heard->worst = volume->outcome;
}

static void
repair(struct fx_store *w, struct heard *heard)
{
	const struct sled_repair_conf conf = { NULL, 0, false };
	const struct sled_repair_reader reader = { heard, on_volume, NULL,
		                                   NULL };

	*heard = (struct heard){ 0 };
	if (!fx_store_try(w, SLED_STORE_REPAIR) ||
	    !sled_store_repair(w->store, &conf, &reader, &heard->report,
	                       &w->err))
		fail_msg("%s", w->err.text);
	fx_store_close(w);
}

static void
make(struct fx_store *w, const char *par2)
{
	static char uids[MAILS][16];
	struct fx_visit v;
	uint64_t sealed = 0;

	for (unsigned i = 0; i < MAILS; i++) {
		(void)snprintf(uids[i], sizeof(uids[i]), "u%u", i + 1);
		mails[i] = (struct fx_mail){ uids[i], 5000 + 700 * i, i + 1 };
	}
	fx_store_make(w, 1);
	w->conf.par2 = par2;
	fx_store_open(w);
	if (!fx_visit_run(&v, w, mails, MAILS, 4, true) ||
	    !sled_store_seal(w->store, NULL, true, &sealed, &w->err))
		fail_msg("%s%s", v.err.text, w->err.text);
	fx_store_close(w);
}

static bool
tend(struct fx_store *w, uint64_t *parity)
{
	struct sled_tended tended = { 0 };
	bool ok = sled_store_tend(w->store, 0, &tended, &w->err);

	*parity = tended.parity;
	return ok;
}

static void
tend_once(struct fx_store *w, uint64_t expected)
{
	uint64_t parity = 9;

	fx_store_open(w);
	if (!tend(w, &parity))
		fail_msg("%s", w->err.text);
	if (parity != expected)
		fail_msg("parity for %llu: %s", (unsigned long long)parity,
		         w->said.data == NULL ? "" : w->said.data);
	fx_store_close(w);
}

static int
set_up(void **state)
{
	make(&world, "par2");
	tend_once(&world, 1);
	fx_store_sh(&world, "mkdir good && cp -a store/home good/");
	*state = &world;
	return 0;
}

static int
set_up_bare(void **state)
{
	make(&world, "par2");
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

/* COUNT single bytes, each somewhere else; the same ones for a SEED. */
static void
scatter(struct fx_store *w, const char *file, unsigned count, unsigned seed)
{
	size_t size = fx_store_size(w, file);
	char path[FX_STORE_PATH + 64];
	FILE *f;

	fx_store_sh(w, "chmod u+w %s", file);
	(void)snprintf(path, sizeof(path), "%s/%s", w->tmp.path, file);
	f = fopen(path, "r+b");
	assert_non_null(f);
	for (unsigned i = 0; i < count; i++) {
		long at;
		int was;

		seed = seed * 1103515245U + 12345U;
		at = (long)((seed >> 4) % size);
		assert_int_equal(fseek(f, at, SEEK_SET), 0);
		was = fgetc(f);
		assert_int_equal(fseek(f, at, SEEK_SET), 0);
		assert_int_equal(fputc(was ^ 0x5a, f), was ^ 0x5a);
	}
	assert_int_equal(fclose(f), 0);
}

static void
assert_as_before(struct fx_store *w)
{
	fx_store_sh(w, "diff -r good/home store/home && "
	               "diff -r good/home copy1/home");
	fx_store_open(w);
	assert_store_has(w, mails, MAILS);
	assert_store_verifies(w);
	fx_store_close(w);
}

static uint64_t
faults(struct fx_store *w)
{
	struct sled_verify_report report;

	fx_store_open(w);
	assert_true(
	    sled_store_verify(w->store, true, NULL, NULL, &report, &w->err));
	fx_store_close(w);
	return report.damaged;
}

static void
every_place_has_it_and_other_programs_check_it(void **state)
{
	struct fx_store *w = *state;

	for (size_t i = 0; i < 2; i++)
		fx_store_sh(w,
		            "cd %s/home && sha256sum -c --quiet --strict " LIST
		            " && test $(ls | grep -c 'par2$') = 2 && "
		            "par2 verify -q -q " SEALED ".par2",
		            i == 0 ? "store" : "copy1");
	assert_as_before(w);
	tend_once(w, 0);
	assert_as_before(w);
}

static void
a_copy_that_was_away_gets_it_when_it_is_back(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "rm -f copy1/home/*par2*");
	fx_store_open(w);
	fx_store_close(w);
	assert_as_before(w);
}

static void
sixty_four_bytes_in_each_of_two_copies_cost_nothing(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	scatter(w, "store/home/" SEALED, 64, 1);
	scatter(w, "copy1/home/" SEALED, 64, 2);
	repair(w, &heard);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_int_equal(heard.report.lost, 0);
	assert_true(heard.mixed + heard.parity > 0);
	assert_as_before(w);
}

/* The same ones: no other copy has them, and only parity can tell. */
static void
sixty_four_bytes_that_no_copy_has_come_back_by_parity(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	scatter(w, "store/home/" SEALED, 64, 1);
	scatter(w, "copy1/home/" SEALED, 64, 1);
	repair(w, &heard);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_int_equal(heard.report.lost, 0);
	assert_true(heard.parity > 0);
	assert_as_before(w);
}

static void
parity_that_is_damaged_is_told_of_and_renewed(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	fx_store_sh(w, "printf x >> store/home/" SEALED ".par2; "
	               "rm -f copy1/home/*.vol*");
	assert_int_equal(faults(w), 2);
	repair(w, &heard);
	assert_int_equal(heard.beside, 2);
	assert_int_equal(heard.worst, SLED_REPAIR_MENDED);
	assert_as_before(w);
	fx_store_sh(w, "printf x >> store/home/" SEALED ".par2");
	repair(w, &heard);
	assert_int_equal(heard.beside, 1);
	assert_as_before(w);
}

static void
without_par2_all_else_is_as_ever(void **state)
{
	struct fx_store *w = *state;
	struct heard heard;

	w->conf.par2 = NULL;
	tend_once(w, 0);
	fx_store_sh(w, "! ls store/home | grep -q par2");
	assert_int_equal(faults(w), 0);
	repair(w, &heard);
	assert_int_equal(heard.worst, SLED_REPAIR_WHOLE);
}

/* It says that all went well, and made nonsense. */
static void
what_par2_says_is_not_believed(void **state)
{
	struct fx_store *w = *state;
	char liar[FX_STORE_PATH + 16];
	struct heard heard;

	(void)snprintf(liar, sizeof(liar), "%s/li'ar", w->tmp.path);
	fx_store_sh(w, "printf '#!/bin/sh\\nfor f in *.gz; do head -c 90000 "
	               "/dev/urandom >$f; done; exit 0\\n' > \"li'ar\" && "
	               "chmod +x \"li'ar\"");
	w->conf.par2 = liar;
	tend_once(w, 0);
	fx_store_sh(w, "! ls store/home | grep -q par2");
	w->conf.par2 = "par2";
	tend_once(w, 1);
	w->conf.par2 = liar;
	scatter(w, "store/home/" SEALED, 64, 1);
	scatter(w, "copy1/home/" SEALED, 64, 1);
	repair(w, &heard);
	assert_int_equal(heard.parity, 0);
	assert_int_equal(heard.worst, SLED_REPAIR_REVISED);
	fx_store_open(w);
	assert_store_verifies(w);
	fx_store_close(w);
}

/* Both ways it keeps as many octets as it has blocks to make, for a volume of
 * gigabytes hundreds of MiB, unless it is told how many it may. */
static void
par2_is_told_how_much_memory_it_may_take(void **state)
{
	struct fx_store *w = *state;
	char wrapped[FX_STORE_PATH + 16];
	struct heard heard;

	(void)snprintf(wrapped, sizeof(wrapped), "%s/wrapped", w->tmp.path);
	fx_store_sh(w,
	            "printf '#!/bin/sh\\necho \"$*\" >>%s/asked\\n"
	            "exec par2 \"$@\"\\n' >wrapped && chmod +x wrapped",
	            w->tmp.path);
	w->conf.par2 = wrapped;
	tend_once(w, 1);
	scatter(w, "store/home/" SEALED, 64, 1);
	scatter(w, "copy1/home/" SEALED, 64, 1);
	repair(w, &heard);
	assert_true(heard.parity > 0);
	fx_store_sh(w,
	            "grep -q '^create ' asked && grep -q '^repair ' asked && "
	            "! grep -v -E ' -m([1-9]|1[0-6]) ' asked");
}

static unsigned
stride(unsigned step)
{
	return getenv("CHECK_ALL") != NULL ? 1 : step;
}

static void
a_kill_at_any_call_is_gone_on_from(void **state)
{
	struct fx_store *w = *state;
	unsigned kills = 0;
	int status = 1;

	fx_store_sh(w, "mkdir kept && cp -a store copy1 kept/");
	tend_once(w, 1);
	fx_store_sh(w, "mkdir good && cp -a store/home good/");
	for (unsigned n = 1; status != 0; n += stride(61)) {
		uint64_t parity = 0;
		pid_t pid;

		fx_store_sh(w, "rm -rf store copy1 && cp -a kept/* .");
		pid = fork();
		assert_true(pid != -1);
		if (pid == 0) {
			fx_sys_kill(&w->fx, FX_ANY, n);
			if (fx_store_try(w, SLED_STORE_WRITE))
				(void)!tend(w, &parity);
			fx_store_close(w);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(status == 0 || WIFSIGNALED(status));
		kills += status != 0;
		fx_store_open(w);
		if (!tend(w, &parity))
			fail_msg("%s", w->err.text);
		fx_store_close(w);
		fx_store_sh(w, "diff -r good/home store/home && "
		               "diff -r good/home copy1/home");
	}
	print_message("%u kills\n", kills);
	assert_true(kills > 5);
}

#define T(f)  cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define TB(f) cmocka_unit_test_setup_teardown(f, set_up_bare, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(every_place_has_it_and_other_programs_check_it),
		T(a_copy_that_was_away_gets_it_when_it_is_back),
		T(sixty_four_bytes_in_each_of_two_copies_cost_nothing),
		T(sixty_four_bytes_that_no_copy_has_come_back_by_parity),
		T(parity_that_is_damaged_is_told_of_and_renewed),
		TB(without_par2_all_else_is_as_ever),
		TB(what_par2_says_is_not_believed),
		TB(par2_is_told_how_much_memory_it_may_take),
		TB(a_kill_at_any_call_is_gone_on_from),
	};

	return cmocka_run_group_tests_name("store_parity", tests, NULL, NULL);
}
