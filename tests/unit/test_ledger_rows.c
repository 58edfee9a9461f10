/* test_ledger_rows.c - every row comes back as it was put, also after the
 * ledger was closed, and each look-up finds what its contract names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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
	assert_null(ledger);
	ledger = fx_ledger_open(&tmp, NULL, SLED_LEDGER_WRITE);
}

static void
a_fact_is_kept_and_replaced(void **state)
{
	struct sled_buf out = { 0 };
	bool found = true;

	(void)state;
	assert_true(sled_ledger_get(ledger, "store", &out, &found, &err));
	assert_false(found);
	assert_null(out.data);
	assert_true(sled_ledger_put(ledger, "store", "one", &err));
	assert_true(sled_ledger_put(ledger, "store", "two", &err));
	reopen();
	assert_true(sled_ledger_get(ledger, "store", &out, &found, &err));
	assert_true(found);
	assert_string_equal(out.data, "two");
	sled_buf_free(&out);
}

static bool
last_place(void *ctx, const struct sled_place_row *row, struct sled_err *e)
{
	struct sled_place_row *places = ctx;

	(void)e;
	places[0] = places[1];
	places[1] = *row;
	return true;
}

static void
a_place_keeps_its_row(void **state)
{
	static struct sled_place_row in, seen[2];

	(void)state;
	in = (struct sled_place_row){ .id = "b1", .path = "/media/usb/mail" };
	in.seen = 7;
	in.fsid = UINT64_MAX - 3;
	assert_true(sled_ledger_place_put(ledger, &in, &err));
	in.suspect = true;
	(void)snprintf(in.path, sizeof(in.path), "/mnt");
	assert_true(sled_ledger_place_put(ledger, &in, &err));
	(void)snprintf(in.id, sizeof(in.id), "a0");
	assert_true(sled_ledger_place_put(ledger, &in, &err));
	reopen();
	assert_true(sled_ledger_places(ledger, last_place, seen, &err));
	assert_string_equal(seen[0].id, "a0");
	assert_string_equal(seen[1].id, "b1");
	assert_string_equal(seen[1].path, "/mnt");
	assert_int_equal(seen[1].seen, 7);
	assert_true(seen[1].fsid == UINT64_MAX - 3);
	assert_true(seen[1].suspect);
}

static void
a_maildrop_is_made_once_and_keeps_its_habits(void **state)
{
	struct sled_maildrop a, b, c;

	(void)state;
	assert_true(sled_ledger_maildrop(ledger, "pop", "ada", &a, &err));
	assert_true(sled_ledger_maildrop(ledger, "pop", "bob", &b, &err));
	assert_true(a.id != b.id && a.id > 0 && b.id > 0);
	assert_int_equal(a.exact, 0);
	a = (struct sled_maildrop){ .id = a.id,
		                    .first_visit = 9,
		                    .exact = 8,
		                    .lf_counted = 7,
		                    .loose = 6,
		                    .reuses_ids = true,
		                    .drops_retrieved = true,
		                    .expire_0 = true,
		                    .no_uidl = true,
		                    .listed_count = UINT32_MAX };
	assert_true(sled_ledger_maildrop_put(ledger, &a, &err));
	reopen();
	assert_true(sled_ledger_maildrop(ledger, "pop", "ada", &c, &err));
	assert_int_equal(c.id, a.id);
	assert_int_equal(c.first_visit, 9);
	assert_int_equal(c.exact, 8);
	assert_int_equal(c.lf_counted, 7);
	assert_int_equal(c.loose, 6);
	assert_true(c.reuses_ids && c.drops_retrieved && c.expire_0);
	assert_true(c.no_uidl);
	assert_int_equal(c.listed_count, UINT32_MAX);
	a.id = 99;
	assert_false(sled_ledger_maildrop_put(ledger, &a, &err));
	assert_int_equal(err.kind, SLED_ERR_MISSING);
}

static struct sled_volume_row
put_volume(const char *label, const char *name)
{
	struct sled_volume_row row = { .maildrop = 1, .end = 10 };

	(void)snprintf(row.label, sizeof(row.label), "%s", label);
	(void)snprintf(row.name, sizeof(row.name), "%s", name);
	assert_true(sled_ledger_volume_put(ledger, &row, &err));
	assert_true(row.id > 0);
	return row;
}

static struct sled_member_row
put_member(int64_t volume, uint64_t at)
{
	struct sled_member_row row = { .volume = volume, .at = at };

	row.length = 5;
	row.tar_octets = 512;
	row.body_sha256.b[31] = 0xee;
	assert_true(sled_ledger_member_put(ledger, &row, &err));
	assert_true(row.id > 0);
	return row;
}

static bool
join_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *e)
{
	char *out = ctx;

	(void)e;
	(void)snprintf(out + strlen(out), 256 - strlen(out), "%s/%s ",
	               row->label, row->name);
	return true;
}

static void
volumes_come_in_order_of_month_and_count(void **state)
{
	char all[256] = "", work[256] = "";
	struct sled_volume_row last;
	bool found = true;

	(void)state;
	assert_true(
	    sled_ledger_volume_last(ledger, "home", &last, &found, &err));
	assert_false(found);
	(void)put_volume("work", "2026-11-001");
	(void)put_volume("home", "2026-12-001");
	(void)put_volume("home", "2026-12-1000");
	(void)put_volume("home", "2026-12-999");
	(void)put_volume("home", "2026-11-1001");
	assert_true(sled_ledger_volumes(ledger, NULL, join_volume, all, &err));
	assert_string_equal(all, "home/2026-11-1001 home/2026-12-001 "
	                         "home/2026-12-999 home/2026-12-1000 "
	                         "work/2026-11-001 ");
	assert_true(
	    sled_ledger_volumes(ledger, "work", join_volume, work, &err));
	assert_string_equal(work, "work/2026-11-001 ");
	assert_true(
	    sled_ledger_volume_last(ledger, "home", &last, &found, &err));
	assert_true(found);
	assert_string_equal(last.name, "2026-12-1000");
}

static void
a_volume_is_updated_by_id(void **state)
{
	struct sled_volume_row row = put_volume("home", "2026-11-001"), got;
	struct sled_volume_row twin = row;

	(void)state;
	row.end = UINT64_C(1) << 40;
	row.receipts = 12;
	row.turned = true;
	row.sha256.b[0] = 0xab;
	assert_true(sled_ledger_volume_put(ledger, &row, &err));
	reopen();
	assert_true(sled_ledger_volume_get(ledger, row.id, &got, &err));
	assert_string_equal(got.label, "home");
	assert_true(got.end == UINT64_C(1) << 40);
	assert_int_equal(got.receipts, 12);
	assert_int_equal(got.maildrop, 1);
	assert_true(got.turned);
	assert_int_equal(got.sha256.b[0], 0xab);
	assert_false(sled_ledger_volume_get(ledger, 77, &got, &err));
	assert_int_equal(err.kind, SLED_ERR_MISSING);
	twin.id = 0;
	assert_false(sled_ledger_volume_put(ledger, &twin, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	assert_int_equal(twin.id, 0);
}

static bool
join_member(void *ctx, const struct sled_member_row *row, struct sled_err *e)
{
	char *out = ctx;

	(void)e;
	(void)snprintf(out + strlen(out), 256 - strlen(out), "%llu ",
	               (unsigned long long)row->at);
	return true;
}

static bool
join_holding(void *ctx, const struct sled_holding *holding, struct sled_err *e)
{
	char *out = ctx;

	(void)e;
	(void)snprintf(out + strlen(out), 256 - strlen(out), "%s@%lld ",
	               holding->place, (long long)holding->verified);
	return true;
}

static void
members_come_in_order_from_an_offset(void **state)
{
	struct sled_volume_row volume = put_volume("home", "2026-11-001");
	struct sled_member_row member, got;
	char all[256] = "", tail[256] = "";

	(void)state;
	(void)put_member(volume.id, 300);
	member = put_member(volume.id, 0);
	(void)put_member(volume.id, 100);
	member.length = 99;
	assert_true(sled_ledger_member_put(ledger, &member, &err));
	assert_true(
	    sled_ledger_members(ledger, volume.id, 0, join_member, all, &err));
	assert_string_equal(all, "0 100 300 ");
	assert_true(sled_ledger_members(ledger, volume.id, 100, join_member,
	                                tail, &err));
	assert_string_equal(tail, "100 300 ");
	assert_true(sled_ledger_member_get(ledger, member.id, &got, &err));
	assert_int_equal(got.length, 99);
	assert_int_equal(got.tar_octets, 512);
	assert_int_equal(got.body_sha256.b[31], 0xee);
	assert_false(sled_ledger_member_get(ledger, 12345, &got, &err));
	assert_int_equal(err.kind, SLED_ERR_MISSING);
}

static void
holdings_tell_who_has_what_and_who_lacks_it(void **state)
{
	struct sled_volume_row volume = put_volume("home", "2026-11-001");
	struct sled_member_row one = put_member(volume.id, 0);
	struct sled_member_row two = put_member(volume.id, 5);
	char has[256] = "", lacks[256] = "", none[256] = "";

	(void)state;
	assert_true(sled_ledger_hold(ledger, one.id, "b", 1, &err));
	assert_true(sled_ledger_hold(ledger, one.id, "b", 9, &err));
	assert_true(sled_ledger_hold(ledger, one.id, "a", 3, &err));
	assert_true(sled_ledger_hold(ledger, two.id, "a", 3, &err));
	assert_true(
	    sled_ledger_holdings(ledger, one.id, join_holding, has, &err));
	assert_string_equal(has, "a@3 b@9 ");
	assert_true(sled_ledger_lacking(ledger, volume.id, "b", join_member,
	                                lacks, &err));
	assert_string_equal(lacks, "5 ");
	assert_true(sled_ledger_unhold(ledger, one.id, "a", &err));
	assert_true(sled_ledger_lacking(ledger, volume.id, "a", join_member,
	                                none, &err));
	assert_string_equal(none, "0 ");
	assert_true(sled_ledger_unhold(ledger, 0, "a", &err));
	none[0] = '\0';
	assert_true(sled_ledger_lacking(ledger, volume.id, "a", join_member,
	                                none, &err));
	assert_string_equal(none, "0 5 ");
}

/* How many members it lacks, by what is kept of that. */
static void
assert_lacks(int64_t volume, const char *place, const char *expected)
{
	char lacks[256] = "";

	assert_true(sled_ledger_lacking(ledger, volume, place, join_member,
	                                lacks, &err));
	assert_string_equal(lacks, expected);
}

static void
who_lacks_what_is_right_after_each_change(void **state)
{
	struct sled_volume_row volume = put_volume("home", "2026-11-001");
	struct sled_member_row one = put_member(volume.id, 0);
	struct sled_member_row two, three;

	(void)state;
	assert_lacks(volume.id, "a", "0 ");
	assert_true(sled_ledger_hold(ledger, one.id, "a", 1, &err));
	assert_lacks(volume.id, "a", "");
	two = put_member(volume.id, 5);
	assert_lacks(volume.id, "a", "5 ");
	assert_true(sled_ledger_hold(ledger, two.id, "a", 1, &err));
	assert_true(sled_ledger_hold(ledger, two.id, "a", 2, &err));
	assert_lacks(volume.id, "a", "");
	assert_true(sled_ledger_member_forget(ledger, one.id, &err));
	assert_lacks(volume.id, "a", "");
	three = put_member(volume.id, 9);
	assert_lacks(volume.id, "a", "9 ");
	assert_true(sled_ledger_unhold(ledger, two.id, "a", &err));
	assert_true(sled_ledger_hold(ledger, three.id, "a", 2, &err));
	assert_lacks(volume.id, "a", "5 ");
	assert_true(sled_ledger_volume_forget(ledger, volume.id, &err));
	volume = put_volume("home", "2026-11-002");
	one = put_member(volume.id, 0);
	assert_lacks(volume.id, "a", "0 ");
}

static void
put(uint64_t number)
{
	assert_true(fx_ledger_put(ledger, number, &err));
}

static void
a_message_comes_back_whole(void **state)
{
	struct sled_volume_row volume = put_volume("home", "2026-11-001");
	struct sled_member_row member = put_member(volume.id, 0);
	struct sled_message in = fx_ledger_message(4);
	struct fx_numbers got = { 0 };

	(void)state;
	in.member = member.id;
	in.flags = SLED_MESSAGE_SHORT | SLED_MESSAGE_PROVED;
	in.head_sha256.b[3] = 0x33;
	in.head_octets = 44;
	in.safe = 5;
	in.dele_sent = 6;
	in.gone = 7;
	in.subject = (struct sled_span){ "a\0b\xff", 4 };
	assert_true(sled_ledger_message_put(ledger, &in, &err));
	assert_true(in.id > 0);
	reopen();
	assert_true(
	    sled_ledger_by_id(ledger, in.id, fx_ledger_collect, &got, &err));
	assert_string_equal(got.text, "4");
	assert_string_equal(got.from, "ada");
	assert_int_equal(got.last.subject.len, 4);
	assert_int_equal(got.last.date.len, 0);
	got.last.from = in.from;
	got.last.subject = in.subject;
	got.last.date = in.date;
	assert_int_equal(got.last.maildrop, 1);
	assert_string_equal(got.last.label, "home");
	assert_string_equal(got.last.uid, "uid-4");
	assert_string_equal(got.last.record, "rec-4");
	assert_string_equal(got.last.entry, "home/4.eml");
	assert_memory_equal(&got.last.sha256, &in.sha256, 32);
	assert_memory_equal(&got.last.head_sha256, &in.head_sha256, 32);
	assert_int_equal(got.last.octets, 1004);
	assert_int_equal(got.last.listed, 1004);
	assert_int_equal(got.last.head_octets, 44);
	assert_int_equal(got.last.received, 1700000004);
	assert_int_equal(got.last.member, member.id);
	assert_int_equal(got.last.flags, in.flags);
	assert_int_equal(got.last.safe, 5);
	assert_int_equal(got.last.dele_sent, 6);
	assert_int_equal(got.last.gone, 7);
	assert_true(got.last.on_server);
}

static void
an_update_leaves_the_header_fields(void **state)
{
	struct sled_message message = fx_ledger_message(4);
	struct fx_numbers got = { 0 };

	(void)state;
	assert_true(sled_ledger_message_put(ledger, &message, &err));
	message.from = (struct sled_span){ "eve", 3 };
	message.listed = 1;
	(void)snprintf(message.uid, sizeof(message.uid), "other");
	assert_true(sled_ledger_message_update(ledger, &message, &err));
	assert_true(sled_ledger_by_uid(ledger, 1, "other", fx_ledger_collect,
	                               &got, &err));
	assert_string_equal(got.text, "4");
	assert_string_equal(got.from, "ada");
	assert_int_equal(got.last.listed, 1);
	message.id = 4711;
	message.number = 9;
	message.record[0] = '\0';
	assert_false(sled_ledger_message_update(ledger, &message, &err));
	assert_int_equal(err.kind, SLED_ERR_MISSING);
}

static void
numbers_stay_used_when_volumes_are_forgotten(void **state)
{
	struct sled_volume_row volume = put_volume("home", "2026-11-001");
	struct sled_member_row member = put_member(volume.id, 0);
	struct sled_message message = fx_ledger_message(41);
	uint64_t next = 0;
	bool known = true;
	char left[256] = "";

	(void)state;
	assert_true(sled_ledger_number_next(ledger, "home", &next, &err));
	assert_int_equal(next, 1);
	message.member = member.id;
	assert_true(sled_ledger_message_put(ledger, &message, &err));
	assert_true(sled_ledger_hold(ledger, member.id, "a", 1, &err));
	assert_true(sled_ledger_known_put(ledger, message.id, "x", 5, &err));
	put(7);
	assert_true(sled_ledger_volume_forget(ledger, volume.id, &err));
	assert_int_equal(fx_ledger_count(ledger), 1);
	assert_true(
	    sled_ledger_members(ledger, volume.id, 0, join_member, left, &err));
	assert_true(
	    sled_ledger_holdings(ledger, member.id, join_holding, left, &err));
	assert_string_equal(left, "");
	assert_true(sled_ledger_record_known(ledger, "rec-41", &known, &err));
	assert_false(known);
	reopen();
	assert_true(sled_ledger_number_next(ledger, "home", &next, &err));
	assert_int_equal(next, 42);
	assert_true(sled_ledger_number_next(ledger, "work", &next, &err));
	assert_int_equal(next, 1);
}

static void
a_record_and_a_number_are_there_once(void **state)
{
	struct sled_message twin = fx_ledger_message(2);
	struct fx_numbers found = { 0 }, none = { 0 };
	bool known = false;

	(void)state;
	put(1);
	assert_true(sled_ledger_record_known(ledger, "rec-1", &known, &err));
	assert_true(known);
	(void)snprintf(twin.record, sizeof(twin.record), "rec-1");
	assert_false(sled_ledger_message_put(ledger, &twin, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	twin = fx_ledger_message(1);
	twin.record[0] = '\0';
	assert_false(sled_ledger_message_put(ledger, &twin, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	twin.number = 2;
	assert_true(sled_ledger_message_put(ledger, &twin, &err));
	twin.id = 0;
	twin.number = 3;
	assert_true(sled_ledger_message_put(ledger, &twin, &err));
	assert_true(sled_ledger_record_known(ledger, "", &known, &err));
	assert_false(known);
	assert_true(sled_ledger_by_record(ledger, "rec-1", fx_ledger_collect,
	                                  &found, &err));
	assert_string_equal(found.text, "1");
	assert_true(
	    sled_ledger_by_record(ledger, "", fx_ledger_collect, &none, &err));
	assert_string_equal(none.text, "");
}

static void
a_uid_finds_own_and_other_rows_of_its_maildrop(void **state)
{
	struct sled_message foreign = fx_ledger_message(9);
	struct fx_numbers own = { 0 }, both = { 0 }, none = { 0 };
	struct sled_message old = fx_ledger_message(5);

	(void)state;
	put(1);
	assert_true(sled_ledger_message_put(ledger, &old, &err));
	foreign.maildrop = 2;
	(void)snprintf(foreign.uid, sizeof(foreign.uid), "uid-1");
	assert_true(sled_ledger_message_put(ledger, &foreign, &err));
	assert_true(
	    sled_ledger_known_put(ledger, foreign.id, "uid-1", 3, &err));
	assert_true(sled_ledger_by_uid(ledger, 1, "uid-1", fx_ledger_collect,
	                               &own, &err));
	assert_string_equal(own.text, "1");
	assert_true(sled_ledger_known_put(ledger, old.id, "uid-1", 3, &err));
	assert_true(sled_ledger_known_put(ledger, old.id, "uid-1", 4, &err));
	assert_true(sled_ledger_known_put(ledger, old.id, "uid-1", 4, &err));
	assert_true(sled_ledger_by_uid(ledger, 1, "uid-1", fx_ledger_collect,
	                               &both, &err));
	assert_string_equal(both.text, "5 1");
	assert_true(sled_ledger_by_uid(ledger, 1, "UID-1", fx_ledger_collect,
	                               &none, &err));
	assert_string_equal(none.text, "");
}

static void
known_sizes_begin_with_the_first_listed(void **state)
{
	struct sled_message message = fx_ledger_message(1);
	bool known = false;

	(void)state;
	assert_true(sled_ledger_message_put(ledger, &message, &err));
	assert_true(
	    sled_ledger_known_size(ledger, message.id, 1001, &known, &err));
	assert_true(known);
	assert_true(
	    sled_ledger_known_size(ledger, message.id, 75, &known, &err));
	assert_false(known);
	assert_true(sled_ledger_known_put(ledger, message.id, "", 75, &err));
	assert_true(
	    sled_ledger_known_size(ledger, message.id, 75, &known, &err));
	assert_true(known);
	assert_true(
	    sled_ledger_known_size(ledger, message.id + 1, 75, &known, &err));
	assert_false(known);
}

static void
hashes_are_found_whole_and_by_any_prefix(void **state)
{
	struct sled_message message = fx_ledger_message(3);
	struct fx_numbers got[7], whole = { 0 };
	/* The last is longer than any hash. */
	const char *prefix[] = {
		"00000000000000a",
		"00000000000000ab",
		"",
		"0",
		"f",
		"00g",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"f",
	};
	const char *want[] = { "1 2", "2", "1 2 3", "1 2", "3", "", "" };

	(void)state;
	memset(got, 0, sizeof(got));
	memset(&message.sha256, 0xff, 32);
	assert_true(sled_ledger_message_put(ledger, &message, &err));
	message = fx_ledger_message(0xa0);
	message.number = 1;
	assert_true(sled_ledger_message_put(ledger, &message, &err));
	message = fx_ledger_message(0xab);
	message.number = 2;
	assert_true(sled_ledger_message_put(ledger, &message, &err));
	for (size_t i = 0; i < 7; i++) {
		assert_true(sled_ledger_by_prefix(
		    ledger, prefix[i], fx_ledger_collect, &got[i], &err));
		assert_string_equal(got[i].text, want[i]);
	}
	assert_true(sled_ledger_by_hash(ledger, 1, &message.sha256,
	                                fx_ledger_collect, &whole, &err));
	assert_true(sled_ledger_by_hash(ledger, 2, &message.sha256,
	                                fx_ledger_collect, &whole, &err));
	assert_string_equal(whole.text, "2");
}

static void
listing_goes_newest_first_and_volumes_in_order(void **state)
{
	struct sled_volume_row volume = put_volume("home", "2026-11-001");
	struct sled_member_row second = put_member(volume.id, 50);
	struct sled_member_row first = put_member(volume.id, 0);
	struct sled_message message;
	struct sled_message_query query = { 0 };
	struct fx_numbers got[4];

	(void)state;
	memset(got, 0, sizeof(got));
	for (uint64_t n = 1; n <= 4; n++) {
		message = fx_ledger_message(n);
		message.received -= n == 2 ? 100 : 0;
		message.member = n < 3 ? second.id : n == 3 ? first.id : 0;
		if (n == 4)
			(void)snprintf(message.label, sizeof(message.label),
			               "work");
		assert_true(sled_ledger_message_put(ledger, &message, &err));
	}
	assert_true(sled_ledger_messages(ledger, &query, fx_ledger_collect,
	                                 &got[0], &err));
	assert_string_equal(got[0].text, "4 3 1 2");
	query = (struct sled_message_query){ .label = "home",
		                             .since = 1700000000,
		                             .limit = 1 };
	assert_true(sled_ledger_messages(ledger, &query, fx_ledger_collect,
	                                 &got[1], &err));
	assert_string_equal(got[1].text, "3");
	query =
	    (struct sled_message_query){ .label = "home", .since = 1700000000 };
	assert_true(sled_ledger_messages(ledger, &query, fx_ledger_collect,
	                                 &got[2], &err));
	assert_string_equal(got[2].text, "3 1");
	query = (struct sled_message_query){ .volume = volume.id };
	assert_true(sled_ledger_messages(ledger, &query, fx_ledger_collect,
	                                 &got[3], &err));
	assert_string_equal(got[3].text, "3 1 2");
	memset(&got[3], 0, sizeof(got[3]));
	assert_true(sled_ledger_by_number(ledger, "work", 4, fx_ledger_collect,
	                                  &got[3], &err));
	assert_string_equal(got[3].text, "4");
}

/* Numbers of what is behind the message of this number, LIMIT at most. */
static struct fx_numbers
page_behind(uint64_t number, int64_t received, uint64_t limit)
{
	struct sled_message_query query = { .limit = limit,
		                            .before_id = (int64_t)number,
		                            .before = received };
	struct fx_numbers got = { 0 };

	assert_true(sled_ledger_messages(ledger, &query, fx_ledger_collect,
	                                 &got, &err));
	return got;
}

static struct fx_numbers
below(const char *label, uint64_t number, uint64_t limit)
{
	struct sled_message_mark mark = { label, number, limit };
	struct fx_numbers got = { 0 };

	assert_true(
	    sled_ledger_below(ledger, &mark, fx_ledger_collect, &got, &err));
	return got;
}

static void
a_page_begins_behind_the_last_row_of_the_one_before(void **state)
{
	const int64_t then = fx_ledger_message(1).received;
	struct sled_message message;

	(void)state;
	/* 2 came before the others, which came in one second: ids decide. */
	for (uint64_t n = 1; n <= 5; n++) {
		message = fx_ledger_message(n);
		message.received = n == 2 ? then - 100 : then;
		assert_true(sled_ledger_message_put(ledger, &message, &err));
		assert_int_equal(message.id, n);
	}
	assert_string_equal(page_behind(0, 0, 2).text, "5 4");
	assert_string_equal(page_behind(4, then, 2).text, "3 1");
	assert_string_equal(page_behind(1, then, 2).text, "2");
	assert_string_equal(page_behind(2, then - 100, 2).text, "");
	assert_string_equal(below("home", 0, 2).text, "5 4");
	assert_string_equal(below("home", 4, 2).text, "3 2");
	assert_string_equal(below("home", 2, 0).text, "1");
	assert_string_equal(below("home", 1, 2).text, "");
	assert_string_equal(below("work", 0, 2).text, "");
}

static void
what_the_server_did_is_kept_and_counted(void **state)
{
	struct sled_message one = fx_ledger_message(1);
	struct sled_message two = fx_ledger_message(2);
	struct sled_message_counts counts;
	struct fx_numbers live = { 0 };

	(void)state;
	assert_true(sled_ledger_message_put(ledger, &two, &err));
	assert_true(sled_ledger_message_put(ledger, &one, &err));
	put(3);
	assert_true(sled_ledger_unlist(ledger, 1, &err));
	assert_true(sled_ledger_set_on_server(ledger, two.id, true, &err));
	assert_true(sled_ledger_set_safe(ledger, one.id, 11, &err));
	assert_true(sled_ledger_set_dele(ledger, one.id, 12, &err));
	assert_true(sled_ledger_set_gone(ledger, one.id, 13, &err));
	assert_true(sled_ledger_counts(ledger, "home", &counts, &err));
	assert_int_equal(counts.messages, 3);
	assert_int_equal(counts.octets, 3006);
	assert_int_equal(counts.safe, 1);
	assert_int_equal(counts.on_server, 1);
	assert_int_equal(counts.gone, 1);
	assert_true(sled_ledger_counts(ledger, "none", &counts, &err));
	assert_int_equal(counts.messages, 0);
	assert_int_equal(counts.octets, 0);
	assert_true(
	    sled_ledger_live(ledger, 1, fx_ledger_collect, &live, &err));
	assert_string_equal(live.text, "2 3");
	assert_true(
	    sled_ledger_by_id(ledger, one.id, fx_ledger_collect, &live, &err));
	assert_int_equal(live.last.safe, 11);
	assert_int_equal(live.last.dele_sent, 12);
	assert_int_equal(live.last.gone, 13);
	assert_false(sled_ledger_set_gone(ledger, 99, 1, &err));
	assert_int_equal(err.kind, SLED_ERR_MISSING);
}

static void
gone_is_told_once(void **state)
{
	struct sled_message one = fx_ledger_message(1);
	struct fx_numbers got[4];

	(void)state;
	memset(got, 0, sizeof(got));
	put(2);
	assert_true(sled_ledger_message_put(ledger, &one, &err));
	assert_true(sled_ledger_set_gone(ledger, one.id, 5, &err));
	assert_true(sled_ledger_set_gone(ledger, one.id - 1, 5, &err));
	assert_true(sled_ledger_gone_untold(ledger, "work", fx_ledger_collect,
	                                    &got[0], &err));
	assert_string_equal(got[0].text, "");
	assert_true(sled_ledger_gone_untold(ledger, "home", fx_ledger_collect,
	                                    &got[1], &err));
	assert_string_equal(got[1].text, "1 2");
	assert_true(sled_ledger_gone_told(ledger, "home", &err));
	one.gone = 6;
	assert_true(sled_ledger_message_update(ledger, &one, &err));
	assert_true(sled_ledger_gone_untold(ledger, "home", fx_ledger_collect,
	                                    &got[2], &err));
	assert_string_equal(got[2].text, "");
	assert_true(sled_ledger_set_gone(ledger, one.id, 0, &err));
	assert_true(sled_ledger_set_gone(ledger, one.id, 9, &err));
	assert_true(sled_ledger_gone_untold(ledger, "home", fx_ledger_collect,
	                                    &got[3], &err));
	assert_string_equal(got[3].text, "1");
}

static bool
join_visit(void *ctx, const struct sled_visit_row *row, struct sled_err *e)
{
	struct sled_visit_row *visits = ctx;

	(void)e;
	visits[0] = visits[1];
	visits[1] = *row;
	return true;
}

static void
visits_come_newest_first(void **state)
{
	struct sled_visit_row row = { .label = "home", .maildrop = 1 }, seen[2];

	(void)state;
	row.began = 10;
	assert_true(sled_ledger_visit_put(ledger, &row, &err));
	row.id = 0;
	row.began = 20;
	assert_true(sled_ledger_visit_put(ledger, &row, &err));
	row = (struct sled_visit_row){ row.id, "work", 2,    20,     3,  4,  5,
		                       6,      7,      8,    9,      10, 11, 12,
		                       13,     true,   75,   "gone", 14, 15, 16,
		                       17,     18,     19,   20,     21, 22, 23,
		                       24,     25,     true, true };
	assert_true(sled_ledger_visit_put(ledger, &row, &err));
	reopen();
	assert_true(
	    sled_ledger_visits(ledger, NULL, 0, join_visit, seen, &err));
	assert_int_equal(seen[1].began, 10);
	assert_int_equal(seen[0].began, 20);
	assert_string_equal(seen[0].label, "work");
	assert_int_equal(seen[0].maildrop, 2);
	assert_int_equal(seen[0].ms, 3);
	assert_int_equal(seen[0].listed, 4);
	assert_int_equal(seen[0].left, 9);
	assert_int_equal(seen[0].failed, 10);
	assert_int_equal(seen[0].wire_up, 13);
	assert_true(seen[0].resumed);
	assert_int_equal(seen[0].exit, 75);
	assert_string_equal(seen[0].error, "gone");
	assert_int_equal(seen[0].ms_connect, 14);
	assert_int_equal(seen[0].ms_tls, 15);
	assert_int_equal(seen[0].ms_login, 16);
	assert_int_equal(seen[0].ms_list, 17);
	assert_int_equal(seen[0].ms_fetch, 18);
	assert_int_equal(seen[0].ms_save, 19);
	assert_int_equal(seen[0].ms_delete, 20);
	assert_int_equal(seen[0].round_trips, 21);
	assert_int_equal(seen[0].rtt_ms, 22);
	assert_int_equal(seen[0].segs_down, 23);
	assert_int_equal(seen[0].segs_up, 24);
	assert_int_equal(seen[0].retrans, 25);
	assert_true(seen[0].offered && seen[0].eager);
	assert_false(seen[1].offered || seen[1].eager);
	seen[1].began = 0;
	assert_true(
	    sled_ledger_visits(ledger, NULL, 1, join_visit, seen, &err));
	assert_int_equal(seen[1].began, 20);
	assert_int_equal(seen[0].began, 0);
	assert_true(
	    sled_ledger_visits(ledger, "home", 0, join_visit, seen, &err));
	assert_int_equal(seen[1].began, 10);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

struct days {
	char text[512];
};

static bool
take_growth(void *ctx, const struct sled_growth_row *row, struct sled_err *e)
{
	char *text = ((struct days *)ctx)->text;
	size_t len = strlen(text);

	(void)e;
	(void)snprintf(text + len, sizeof(struct days) - len, "%s %d %d %d; ",
	               row->label, (int)row->day, (int)row->messages,
	               (int)row->octets);
	return true;
}

static void
growth_is_summed_by_day_and_label(void **state)
{
	static const struct {
		const char *label;
		int64_t received;
		uint64_t octets;
	} rows[] = {
		{ "work", 2 * 86400, 10 },       { "home", 2 * 86400 + 1, 20 },
		{ "home", 3 * 86400 - 1, 30 },   { "home", 3 * 86400, 40 },
		{ "home", 9 * 86400 + 5000, 1 },
	};
	struct days days = { "" };

	(void)state;
	assert_true(sled_ledger_growth(ledger, take_growth, &days, &err));
	assert_string_equal(days.text, "");
	for (uint64_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sled_message message = fx_ledger_message(i + 1);

		(void)snprintf(message.label, sizeof(message.label), "%s",
		               rows[i].label);
		message.received = rows[i].received;
		message.octets = rows[i].octets;
		assert_true(sled_ledger_message_put(ledger, &message, &err));
	}
	assert_true(sled_ledger_growth(ledger, take_growth, &days, &err));
	assert_string_equal(days.text, "home 2 2 50; work 2 1 10; "
	                               "home 3 1 40; home 9 1 1; ");
}

static bool
take_read(void *ctx, const struct sled_read_row *row, struct sled_err *e)
{
	char *text = ((struct days *)ctx)->text;
	size_t len = strlen(text);

	(void)e;
	(void)snprintf(text + len, sizeof(struct days) - len, "%d %d %d; ",
	               (int)row->day, (int)row->members, (int)row->octets);
	return true;
}

static void
what_was_read_back_is_summed_by_day_and_place(void **state)
{
	struct sled_volume_row volume = { .label = "home",
		                          .name = "2026-11-1" };
	struct days days = { "" };

	(void)state;
	assert_true(sled_ledger_volume_put(ledger, &volume, &err));
	for (unsigned i = 0; i < 3; i++) {
		struct sled_member_row member = { .volume = volume.id,
			                          .at = i * 100,
			                          .length = 100 + i };

		assert_true(sled_ledger_member_put(ledger, &member, &err));
		assert_true(sled_ledger_hold(ledger, member.id, "one",
		                             86400 * (5 + i / 2), &err));
		if (i == 1)
			assert_true(sled_ledger_hold(ledger, member.id, "two",
			                             86400, &err));
	}
	assert_true(
	    sled_ledger_read_days(ledger, "one", take_read, &days, &err));
	assert_string_equal(days.text, "5 2 201; 6 1 102; ");
	days.text[0] = '\0';
	assert_true(
	    sled_ledger_read_days(ledger, "two", take_read, &days, &err));
	assert_string_equal(days.text, "1 1 101; ");
}

static bool
take_began(void *ctx, const struct sled_visit_row *row, struct sled_err *e)
{
	char *text = ((struct days *)ctx)->text;
	size_t len = strlen(text);

	(void)e;
	(void)snprintf(text + len, sizeof(struct days) - len, "%d ",
	               (int)row->began);
	return true;
}

static void
visits_since_a_time_are_those_alone(void **state)
{
	struct days days = { "" };

	(void)state;
	for (int64_t began = 10; began <= 40; began += 10) {
		struct sled_visit_row row = { .label = "home", .began = began };

		assert_true(sled_ledger_visit_put(ledger, &row, &err));
	}
	assert_true(
	    sled_ledger_visits_since(ledger, 20, take_began, &days, &err));
	assert_string_equal(days.text, "40 30 20 ");
	days.text[0] = '\0';
	assert_true(
	    sled_ledger_visits(ledger, "home", 2, take_began, &days, &err));
	assert_string_equal(days.text, "40 30 ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_fact_is_kept_and_replaced),
		T(a_place_keeps_its_row),
		T(a_maildrop_is_made_once_and_keeps_its_habits),
		T(volumes_come_in_order_of_month_and_count),
		T(a_volume_is_updated_by_id),
		T(members_come_in_order_from_an_offset),
		T(holdings_tell_who_has_what_and_who_lacks_it),
		T(who_lacks_what_is_right_after_each_change),
		T(a_message_comes_back_whole),
		T(an_update_leaves_the_header_fields),
		T(numbers_stay_used_when_volumes_are_forgotten),
		T(a_record_and_a_number_are_there_once),
		T(a_uid_finds_own_and_other_rows_of_its_maildrop),
		T(known_sizes_begin_with_the_first_listed),
		T(hashes_are_found_whole_and_by_any_prefix),
		T(listing_goes_newest_first_and_volumes_in_order),
		T(a_page_begins_behind_the_last_row_of_the_one_before),
		T(what_the_server_did_is_kept_and_counted),
		T(gone_is_told_once),
		T(visits_come_newest_first),
		T(visits_since_a_time_are_those_alone),
		T(growth_is_summed_by_day_and_label),
		T(what_was_read_back_is_summed_by_day_and_place),
	};

	return cmocka_run_group_tests_name("ledger_rows", tests, NULL, NULL);
}
