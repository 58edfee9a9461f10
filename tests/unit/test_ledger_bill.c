/* test_ledger_bill.c - rounds and their sums, held mail, and what a visit and a
 * maildrop have since schema 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fx_ledger.h"

static struct fx_tmp tmp;
static struct sled_ledger *ledger;
static struct sled_err err;

static int
set_up(void **state)
{
	(void)state;
	err = (struct sled_err){ 0 };
	fx_tmp_make(&tmp);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_CREATE);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sled_ledger_close(&ledger);
	fx_tmp_drop(&tmp);
	return 0;
}

static void
reopen(void)
{
	sled_ledger_close(&ledger);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
}

/* ---- rounds ---- */

struct rounds {
	struct sled_round_row rows[8];
	size_t len;
};

static bool
take_round(void *ctx, const struct sled_round_row *row, struct sled_err *e)
{
	struct rounds *rounds = ctx;

	(void)e;
	assert_true(rounds->len < 8);
	rounds->rows[rounds->len++] = *row;
	return true;
}

static int64_t
put_round(const char *link, int64_t began, uint64_t bytes)
{
	struct sled_round_row row = {
		.began = began,
		.ms = 1000,
		.billed_bytes = bytes,
		.money = 7,
		.steps = 3,
	};

	(void)snprintf(row.link, sizeof(row.link), "%s", link);
	assert_true(sled_ledger_round_put(ledger, &row, &err));
	return row.id;
}

static void
a_round_keeps_every_column(void **state)
{
	struct sled_round_row row = {
		.began = 1700000000,
		.ms = 61001,
		.link = "wwan0",
		.path = "wwan0",
		.dialled = true,
		.wire = 5000,
		.billed_bytes = 5120,
		.steps = 4,
		.money = UINT64_MAX,
		.currency = "EUR",
		.places = "/media/usb absent",
	};
	static struct rounds rounds;

	(void)state;
	rounds.len = 0;
	assert_true(sled_ledger_round_put(ledger, &row, &err));
	assert_int_equal(row.id, 1);
	row.over = true;
	row.wire = UINT64_MAX - 1;
	assert_true(sled_ledger_round_put(ledger, &row, &err));
	reopen();
	assert_true(
	    sled_ledger_rounds(ledger, 0, 0, take_round, &rounds, &err));
	assert_int_equal(rounds.len, 1);
	assert_int_equal(rounds.rows[0].began, 1700000000);
	assert_int_equal(rounds.rows[0].ms, 61001);
	assert_string_equal(rounds.rows[0].link, "wwan0");
	assert_string_equal(rounds.rows[0].path, "wwan0");
	assert_true(rounds.rows[0].dialled && rounds.rows[0].over);
	assert_true(rounds.rows[0].wire == UINT64_MAX - 1);
	assert_int_equal(rounds.rows[0].billed_bytes, 5120);
	assert_int_equal(rounds.rows[0].steps, 4);
	assert_true(rounds.rows[0].money == UINT64_MAX);
	assert_string_equal(rounds.rows[0].currency, "EUR");
	assert_string_equal(rounds.rows[0].places, "/media/usb absent");
}

static void
rounds_come_newest_first_and_within_their_limits(void **state)
{
	static struct rounds rounds;

	(void)state;
	for (int64_t i = 1; i <= 5; i++)
		(void)put_round("a", (i * 3) % 5 + 100, 1);
	rounds.len = 0;
	assert_true(
	    sled_ledger_rounds(ledger, 102, 2, take_round, &rounds, &err));
	assert_int_equal(rounds.len, 2);
	assert_int_equal(rounds.rows[0].began, 104);
	assert_int_equal(rounds.rows[1].began, 103);
	rounds.len = 0;
	assert_true(
	    sled_ledger_rounds(ledger, 102, 0, take_round, &rounds, &err));
	assert_int_equal(rounds.len, 3);
}

static void
a_new_round_never_has_an_id_that_a_visit_names(void **state)
{
	struct sled_visit_row visit = { .label = "home", .round = 41 };

	(void)state;
	assert_true(sled_ledger_visit_put(ledger, &visit, &err));
	assert_int_equal(put_round("a", 1, 1), 42);
	assert_int_equal(put_round("a", 1, 1), 43);
}

static void
an_id_that_another_round_has_is_left_to_it(void **state)
{
	struct sled_round_row row = { .id = 9, .began = 50 };
	static struct rounds rounds;

	(void)state;
	rounds.len = 0;
	assert_true(sled_ledger_round_put(ledger, &row, &err));
	assert_int_equal(row.id, 9);
	row.money = 5;
	assert_true(sled_ledger_round_put(ledger, &row, &err));
	assert_int_equal(row.id, 9);
	row.began = 51;
	assert_true(sled_ledger_round_put(ledger, &row, &err));
	assert_int_equal(row.id, 10);
	assert_true(
	    sled_ledger_rounds(ledger, 0, 0, take_round, &rounds, &err));
	assert_int_equal(rounds.len, 2);
	assert_int_equal(rounds.rows[1].began, 50);
	assert_int_equal(rounds.rows[1].money, 5);
}

static void
spent_adds_up_the_link_in_a_span(void **state)
{
	struct sled_spent spent;

	(void)state;
	(void)put_round("wwan0", 99, 1);
	(void)put_round("wwan0", 100, 10);
	(void)put_round("wwan0", 201, 100);
	(void)put_round("eth0", 150, 1000);
	(void)put_round("wwan0", 200, 10000);
	assert_true(sled_ledger_spent(ledger, "wwan0", 100, 201, &spent, &err));
	assert_int_equal(spent.bytes, 10010);
	assert_int_equal(spent.ms, 2000);
	assert_int_equal(spent.money, 14);
	assert_int_equal(spent.steps, 6);
	assert_int_equal(spent.rounds, 2);
	assert_true(
	    sled_ledger_spent(ledger, "wwan0", 0, INT64_MAX, &spent, &err));
	assert_int_equal(spent.bytes, 10111);
	assert_int_equal(spent.rounds, 4);
	(void)put_round("wwan0", 201, UINT64_MAX - 1);
	assert_true(
	    sled_ledger_spent(ledger, "wwan0", 0, INT64_MAX, &spent, &err));
	assert_true(spent.bytes == UINT64_MAX);
	assert_true(
	    sled_ledger_spent(ledger, "none", 0, INT64_MAX, &spent, &err));
	assert_int_equal(spent.rounds + spent.bytes, 0);
}

/* ---- visits and maildrops ---- */

static bool
take_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *e)
{
	struct sled_visit_row *out = ctx;

	(void)e;
	*out = *row;
	return true;
}

static void
a_visit_keeps_its_round_and_its_path(void **state)
{
	struct sled_visit_row row = {
		.label = "home",
		.began = 5,
		.round = 3,
		.path = "ppp0",
		.up_ms = 21000,
		.alive_ms = 30000,
		.cut = true,
		.held_bytes = UINT64_MAX,
		.left_bytes = 12,
	};
	struct sled_visit_row other = { .label = "home", .path = "eth0" };
	struct sled_visit_row out = { 0 };

	(void)state;
	assert_true(sled_ledger_visit_put(ledger, &row, &err));
	assert_true(sled_ledger_visit_put(ledger, &other, &err));
	row.eager = true;
	assert_true(sled_ledger_visit_put(ledger, &row, &err));
	assert_true(
	    sled_ledger_visits_by(ledger, "ppp0", 0, take_visit, &out, &err));
	assert_int_equal(out.id, row.id);
	assert_int_equal(out.round, 3);
	assert_string_equal(out.path, "ppp0");
	assert_int_equal(out.up_ms, 21000);
	assert_int_equal(out.alive_ms, 30000);
	assert_true(out.cut && out.eager);
	assert_true(out.held_bytes == UINT64_MAX);
	assert_int_equal(out.left_bytes, 12);
	out.id = 0;
	assert_true(
	    sled_ledger_visits_by(ledger, "ppp1", 0, take_visit, &out, &err));
	assert_int_equal(out.id, 0);
}

static void
a_maildrop_keeps_what_its_server_announced(void **state)
{
	struct sled_maildrop row, out;

	(void)state;
	assert_true(sled_ledger_maildrop(ledger, "s", "u", &row, &err));
	assert_int_equal(row.octets, 0);
	row.expire_days = 30;
	row.login_delay_s = 900;
	row.octets = UINT64_MAX;
	row.visited = 1700000000;
	assert_true(sled_ledger_maildrop_put(ledger, &row, &err));
	reopen();
	assert_true(sled_ledger_maildrop(ledger, "s", "u", &out, &err));
	assert_memory_equal(&row, &out, sizeof(row));
}

/* ---- held ---- */

struct helds {
	char ids[8][SLED_HELD_ID];
	size_t len;
	struct sled_held_row last;
	char subject[32];
};

static bool
take_held(void *ctx, const struct sled_held_row *row, struct sled_err *e)
{
	struct helds *helds = ctx;

	(void)e;
	assert_true(helds->len < 8);
	memcpy(helds->ids[helds->len++], row->id, SLED_HELD_ID);
	helds->last = *row;
	(void)snprintf(helds->subject, sizeof(helds->subject), "%.*s",
	               (int)row->subject.len, row->subject.data);
	return true;
}

static void
put_held(const char *id, int64_t maildrop, uint64_t size)
{
	struct sled_held_row row = { .maildrop = maildrop, .size = size };

	(void)snprintf(row.id, sizeof(row.id), "%s", id);
	assert_true(sled_ledger_held_put(ledger, &row, &err));
}

static void
held_mail_keeps_every_column_and_its_nuls(void **state)
{
	struct sled_held_row row = {
		.id = "h0123456789",
		.maildrop = 1,
		.uid = "uid-9",
		.size = 1 << 30,
		.first_seen = 10,
		.last_seen = 20,
		.listed = true,
		.previewed = true,
		.head_sha256 = { { 1, 2, 3 } },
		.head_octets = 800,
		.from = { "ada", 3 },
		.subject = { "charts", 6 },
		.date = { "", 0 },
		.text = { "a\0b", 3 },
		.decision = SLED_DECIDE_DROP,
		.decided = 30,
		.lapsed = "another header",
	};
	static struct helds helds;

	(void)state;
	helds.len = 0;
	assert_true(sled_ledger_held_put(ledger, &row, &err));
	row.decision = SLED_DECIDE_WANT;
	assert_true(sled_ledger_held_put(ledger, &row, &err));
	reopen();
	assert_true(sled_ledger_held(ledger, 1, NULL, take_held, &helds, &err));
	assert_int_equal(helds.len, 1);
	assert_string_equal(helds.last.id, row.id);
	assert_string_equal(helds.last.uid, row.uid);
	assert_int_equal(helds.last.size, row.size);
	assert_int_equal(helds.last.first_seen, 10);
	assert_int_equal(helds.last.last_seen, 20);
	assert_true(helds.last.listed && helds.last.previewed);
	assert_memory_equal(&helds.last.head_sha256, &row.head_sha256, 32);
	assert_int_equal(helds.last.head_octets, 800);
	assert_string_equal(helds.subject, "charts");
	assert_int_equal(helds.last.text.len, 3);
	assert_int_equal(helds.last.decision, SLED_DECIDE_WANT);
	assert_int_equal(helds.last.decided, 30);
	assert_string_equal(helds.last.lapsed, "another header");
}

static void
held_mail_comes_smallest_first_by_maildrop_and_prefix(void **state)
{
	static struct helds helds;

	(void)state;
	put_held("haa00000000", 1, 30);
	put_held("hab00000000", 2, 10);
	put_held("hb%00000000", 1, 20);
	helds.len = 0;
	assert_true(sled_ledger_held(ledger, 0, NULL, take_held, &helds, &err));
	assert_int_equal(helds.len, 3);
	assert_string_equal(helds.ids[0], "hab00000000");
	assert_string_equal(helds.ids[2], "haa00000000");
	helds.len = 0;
	assert_true(sled_ledger_held(ledger, 1, "ha", take_held, &helds, &err));
	assert_int_equal(helds.len, 1);
	assert_string_equal(helds.ids[0], "haa00000000");
	helds.len = 0;
	assert_true(sled_ledger_held(ledger, 0, "%", take_held, &helds, &err));
	assert_int_equal(helds.len, 0);
}

static void
held_mail_is_forgotten_once(void **state)
{
	static struct helds helds;

	(void)state;
	put_held("haa00000000", 1, 30);
	assert_true(sled_ledger_held_forget(ledger, "haa00000000", &err));
	assert_false(sled_ledger_held_forget(ledger, "haa00000000", &err));
	assert_int_equal(err.kind, SLED_ERR_MISSING);
	helds.len = 0;
	assert_true(sled_ledger_held(ledger, 0, NULL, take_held, &helds, &err));
	assert_int_equal(helds.len, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_round_keeps_every_column),
		T(rounds_come_newest_first_and_within_their_limits),
		T(a_new_round_never_has_an_id_that_a_visit_names),
		T(an_id_that_another_round_has_is_left_to_it),
		T(spent_adds_up_the_link_in_a_span),
		T(a_visit_keeps_its_round_and_its_path),
		T(a_maildrop_keeps_what_its_server_announced),
		T(held_mail_keeps_every_column_and_its_nuls),
		T(held_mail_comes_smallest_first_by_maildrop_and_prefix),
		T(held_mail_is_forgotten_once),
	};

	return cmocka_run_group_tests_name("ledger_bill", tests, NULL, NULL);
}
