/* test_store_verify.c - what differs from what was stored is named: bytes,
 * seals, the chain of volumes, and the ledger's own rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fx_store.h"
#include "mailsled/clock.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define SEALED   "copy1/home/2026-11-001.tar.gz"
#define OPEN     "store/home/2026-11-002.open.tar.gz"

static const struct fx_mail mails[] = { { "u1", 100, 1 }, { "u2", 3000, 2 } };
static const struct fx_mail later[] = { { "u3", 900, 3 } };

static struct fx_store world;

static void
visit(struct fx_store *w, const struct fx_mail *list, size_t len)
{
	struct fx_visit v;

	fx_store_open(w);
	if (!fx_visit_run(&v, w, list, len, 2, true))
		fail_msg("%s", v.err.text);
	fx_store_close(w);
}

/* One sealed volume, and one that goes on. */
static int
set_up(void **state)
{
	uint64_t sealed = 0;

	fx_store_make(&world, 1);
	visit(&world, mails, COUNT(mails));
	fx_store_open(&world);
	assert_true(
	    sled_store_seal(world.store, NULL, true, &sealed, &world.err));
	fx_store_close(&world);
	visit(&world, later, COUNT(later));
	*state = &world;
	return 0;
}

static int
tear_down(void **state)
{
	fx_store_drop(*state);
	return 0;
}

struct met {
	unsigned faults;
	char text[512];
};

/* NOLINTBEGIN(readability-function-size): the form is sled_verify_fn's */
static void
note(void *ctx, const char *place, const char *volume, uint64_t at,
     const char *fault, uint64_t done, uint64_t total)
{
	struct met *met = ctx;

	(void)place;
	(void)at;
	assert_true(done <= total);
	if (fault == NULL)
		return;
	met->faults++;
	(void)snprintf(met->text, sizeof(met->text), "%s: %s", volume, fault);
}

/* NOLINTEND(readability-function-size) */

/* As a reader sees it. */
static struct met
verify(struct fx_store *w, bool deep)
{
	struct sled_verify_report report;
	struct met met = { 0 };

	assert_true(fx_store_try(w, SLED_STORE_READ));
	if (!sled_store_verify(w->store, deep, note, &met, &report, &w->err))
		fail_msg("%s", w->err.text);
	assert_int_equal(report.damaged, met.faults);
	fx_store_close(w);
	return met;
}

static void
assert_met(struct met met, const char *text)
{
	assert_int_equal(met.faults, 1);
	if (strstr(met.text, text) == NULL)
		fail_msg("%s", met.text);
}

static void
what_is_as_it_was_stored_has_no_fault(void **state)
{
	assert_int_equal(verify(*state, false).faults, 0);
	assert_int_equal(verify(*state, true).faults, 0);
}

static void
a_sidecar_that_is_gone_or_wrong_is_named(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "chmod u+w copy1/home/* && "
	               "sed -i '1s/^[^0]/0/;t;1s/^0/1/' " SEALED ".sha256");
	assert_met(verify(w, false), "names other bytes");
	fx_store_sh(w, "rm " SEALED ".sha256");
	assert_met(verify(w, false), "2026-11-001: it has no .sha256");
}

static void
a_bit_of_a_sealed_volume_is_found_deep(void **state)
{
	struct fx_store *w = *state;

	fx_store_damage(w, SEALED, 500);
	assert_int_equal(verify(w, false).faults, 0);
	assert_met(verify(w, true), "2026-11-001");
}

/* Nothing is believed of the place from there on: what the next writer does not
 * find on the disk itself, synced, counts no more. */
static void
what_a_reader_found_counts_no_more(void **state)
{
	static const struct fx_mail kept[] = { { "u4", 800, 4 } };
	struct fx_store *w = *state;
	struct fx_visit v;
	const char *log;

	fx_store_open(w);
	assert_true(fx_visit_run(&v, w, kept, 1, 1, false));
	assert_true(v.may[0]);
	fx_store_close(w);
	fx_store_damage(w, OPEN, (unsigned)fx_store_size(w, OPEN) - 100);
	fx_sys_log_on(&w->fx);
	assert_int_not_equal(verify(w, true).faults, 0);
	assert_true(fx_sys_before(&w->fx, "> openat store/.mailsled/doubt-",
	                          "< fsync store/.mailsled = 0"));
	fx_sys_log_clear(&w->fx);
	w->now = sled_clock_now(); /* the places were read just now */
	for (unsigned i = 0; i < 2; i++) {
		fx_store_open(w);
		assert_true(fx_visit_begin(&v, w, kept, 1));
		assert_int_equal(v.verdict[0], SLED_ITEM_STORED);
		assert_true(fx_visit_count(&v));
		assert_false(v.may[0]);
		assert_true(fx_visit_end(&v, false));
		fx_store_close(w);
	}
	log = strstr(fx_sys_log(&w->fx), "< fdatasync " OPEN " = 0");
	assert_non_null(log);
	log = strstr(log, "< drop_pages " OPEN " = 0");
	assert_non_null(log);
	assert_non_null(strstr(log, "> pread " OPEN));
}

static void
a_bit_of_its_end_is_found(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "chmod u+w " SEALED " && printf X | dd of=" SEALED
	               " bs=1 seek=$(($(stat -c %%s " SEALED
	               ") - 9)) conv=notrunc 2>/dev/null");
	assert_met(verify(w, false), "its end has other bytes");
}

static void
a_volume_that_is_gone_is_named(void **state)
{
	struct fx_store *w = *state;

	fx_store_sh(w, "rm " SEALED);
	assert_met(verify(w, false), "2026-11-001");
}

/* A ledger that was written by somebody else. */
static void
alter(struct fx_store *w, const char *sql)
{
	fx_store_sh(w,
	            "python3 -c \"import sqlite3; "
	            "d = sqlite3.connect('store/.mailsled/ledger.db'); "
	            "d.execute('PRAGMA foreign_keys = OFF'); "
	            "d.execute(\\\"%s\\\"); d.commit(); d.close()\"",
	            sql);
}

static void
a_row_without_receipt_is_found_deep(void **state)
{
	struct fx_store *w = *state;

	alter(w, "INSERT INTO message SELECT NULL, maildrop, label, 99, uid, "
	         "sha256, octets, listed, head_sha256, head_octets, received, "
	         "'x', entry, member, flags, safe, dele_sent, gone, on_server, "
	         "sender, subject, date, told FROM message WHERE number = 3");
	assert_int_equal(verify(w, true).faults, 2); /* both places */
}

static void
a_receipt_without_row_is_found_deep(void **state)
{
	struct fx_store *w = *state;

	alter(w, "DELETE FROM message WHERE number = 2");
	assert_int_equal(verify(w, true).faults, 2);
}

static void
a_chain_that_is_broken_is_found_deep(void **state)
{
	struct fx_store *w = *state;

	alter(w, "UPDATE volume SET sha256 = zeroblob(32) "
	         "WHERE name = '2026-11-001'");
	/* The sidecars name the old hash, and the next volume does. */
	assert_int_equal(verify(w, true).faults, 4);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_is_as_it_was_stored_has_no_fault),
		T(a_sidecar_that_is_gone_or_wrong_is_named),
		T(a_bit_of_a_sealed_volume_is_found_deep),
		T(what_a_reader_found_counts_no_more),
		T(a_bit_of_its_end_is_found),
		T(a_volume_that_is_gone_is_named),
		T(a_row_without_receipt_is_found_deep),
		T(a_receipt_without_row_is_found_deep),
		T(a_chain_that_is_broken_is_found_deep),
	};

	return cmocka_run_group_tests_name("store_verify", tests, NULL, NULL);
}
