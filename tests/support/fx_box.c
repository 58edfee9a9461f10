/* fx_box.c - see fx_box.h. */
#include "fx_box.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mailsled/intake.h"

static const struct sled_spool_owner owner = { "home", "pop.example.org",
	                                       "ada" };

static void
must(bool ok, const struct sled_err *err)
{
	if (!ok)
		fail_msg("%s (%s)", err->text, err->where);
}

static void
keep_said(void *ctx, const char *text)
{
	struct fx_box *fx = ctx;
	size_t len = strlen(fx->said);

	(void)snprintf(fx->said + len, sizeof(fx->said) - len, "%s\n", text);
}

void
fx_box_open(struct fx_box *fx)
{
	struct sled_err err = { 0 };

	must(sled_store_open(&fx->store, &fx->sys.sys, &fx->conf,
	                     SLED_STORE_WRITE, &err),
	     &err);
}

void
fx_box_close(struct fx_box *fx)
{
	sled_store_close(&fx->store);
}

void
fx_box_make(struct fx_box *fx, size_t count, unsigned min)
{
	*fx = (struct fx_box){ .now = sled_clock_now() };
	fx_tmp_make(&fx->tmp);
	fx_sys_init(&fx->sys, fx->tmp.path);
	for (size_t i = 0; i < FX_BOX_PLACES; i++)
		(void)snprintf(fx->paths[i], sizeof(fx->paths[i]), "%s/%c",
		               fx->tmp.path, (int)('a' + i));
	fx->copies[0] = fx->paths[1];
	fx->copies[1] = fx->paths[2];
	fx->conf = (struct sled_store_conf){ .path = fx->paths[0],
		                             .copies = fx->copies,
		                             .copies_len = count - 1,
		                             .min_copies = min,
		                             .rotate_month = true,
		                             .rotate_bytes = 256u << 20,
		                             .say = keep_said,
		                             .say_ctx = fx };
	fx_box_open(fx);
}

void
fx_box_drop(struct fx_box *fx)
{
	if (fx->box != NULL)
		fx_box_end(fx);
	sled_store_close(&fx->store);
	fx_sys_done(&fx->sys);
	fx_tmp_drop(&fx->tmp);
}

void
fx_box_plain(struct fx_box *fx)
{
	fx_box_close(fx);
	fx->sys.sys = *sled_sys_posix();
	fx_box_open(fx);
}

struct sled_ledger *
fx_box_ledger(struct fx_box *fx)
{
	struct sled_ledger *ledger = NULL;
	struct sled_err err = { 0 };
	char path[FX_TMP_PATH + 64];

	assert_null(fx->store);
	(void)snprintf(path, sizeof(path), "%s/.mailsled/ledger.db",
	               fx->paths[0]);
	must(sled_ledger_open(&ledger, sled_sys_posix(), path,
	                      SLED_LEDGER_WRITE, &err),
	     &err);
	return ledger;
}

/* ---- places that come and go ---- */

struct place_of {
	const char *path;
	struct sled_place_row row;
	bool found;
};

static bool
take_place(void *ctx, const struct sled_place_row *row, struct sled_err *err)
{
	struct place_of *place = ctx;

	(void)err;
	if (strcmp(row->path, place->path) != 0)
		return true;
	place->row = *row;
	place->found = true;
	return true;
}

static void
away_name(const struct fx_box *fx, size_t i, char *out, size_t room)
{
	(void)snprintf(out, room, "%s/%c-away", fx->tmp.path, (int)('a' + i));
}

void
fx_box_unplug(struct fx_box *fx, size_t i)
{
	struct place_of place = { .path = fx->paths[i] };
	struct sled_ledger *ledger = fx_box_ledger(fx);
	struct sled_err err = { 0 };
	char away[FX_TMP_PATH + 16];

	must(sled_ledger_places(ledger, take_place, &place, &err), &err);
	assert_true(place.found);
	place.row.fsid ^= 1;
	must(sled_ledger_place_put(ledger, &place.row, &err), &err);
	sled_ledger_close(&ledger);
	away_name(fx, i, away, sizeof(away));
	assert_int_equal(rename(fx->paths[i], away), 0);
}

void
fx_box_plug(struct fx_box *fx, size_t i)
{
	char away[FX_TMP_PATH + 16];

	away_name(fx, i, away, sizeof(away));
	assert_int_equal(rename(away, fx->paths[i]), 0);
}

void
fx_box_wipe(struct fx_box *fx, size_t i)
{
	char command[] = "rm -r %s/a";

	command[sizeof(command) - 2] = (char)('a' + i);
	fx_box_shell(fx, command);
}

struct member_of {
	struct sled_ledger *ledger;
	char places[FX_BOX_PLACES][SLED_PLACE_ID];
	size_t len;
};

static bool
take_holder(void *ctx, const struct sled_holding *holding, struct sled_err *err)
{
	struct member_of *member = ctx;

	(void)err;
	assert_true(member->len < FX_BOX_PLACES);
	memcpy(member->places[member->len++], holding->place, SLED_PLACE_ID);
	return true;
}

static void
age_member(struct sled_ledger *ledger, int64_t id, int64_t when)
{
	struct member_of member = { .len = 0 };
	struct sled_err err = { 0 };

	must(sled_ledger_holdings(ledger, id, take_holder, &member, &err),
	     &err);
	for (size_t i = 0; i < member.len; i++)
		must(sled_ledger_hold(ledger, id, member.places[i], when, &err),
		     &err);
}

static bool
take_member(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	int64_t *highest = ctx;

	(void)err;
	if (row->member > *highest)
		*highest = row->member;
	return true;
}

void
fx_box_age(struct fx_box *fx, int64_t seconds)
{
	const struct sled_message_query all = { .label = NULL };
	struct sled_ledger *ledger = fx->store == NULL
	                                 ? fx_box_ledger(fx)
	                                 : sled_store_ledger(fx->store);
	struct sled_err err = { 0 };
	int64_t highest = 0;

	must(sled_ledger_messages(ledger, &all, take_member, &highest, &err),
	     &err);
	for (int64_t id = 1; id <= highest; id++)
		age_member(ledger, id, fx->now - seconds);
	if (fx->store == NULL)
		sled_ledger_close(&ledger);
}

void
fx_box_shell(struct fx_box *fx, const char *command)
{
	char line[1024];
	size_t len = 0;

	for (const char *at = command; *at != '\0'; at++) {
		bool folder = at[0] == '%' && at[1] == 's';
		int put = folder ? snprintf(line + len, sizeof(line) - len,
		                            "'%s'", fx->tmp.path)
		                 : snprintf(line + len, sizeof(line) - len,
		                            "%c", (int)*at);

		assert_in_range(put, 1, sizeof(line) - len - 1);
		len += (size_t)put;
		at += folder;
	}
	assert_int_equal(system(line), 0);
}

void
fx_box_damage(struct fx_box *fx, size_t i, size_t shift)
{
	char when[SLED_TIME_TEXT], path[FX_TMP_PATH + 64];
	FILE *file;
	int byte;

	sled_clock_rfc3339(fx->now, when);
	(void)snprintf(path, sizeof(path), "%s/home/%.7s-001.open.tar.gz",
	               fx->paths[i], when);
	file = fopen(path, "r+b");
	assert_non_null(file);
	assert_int_equal(fseek(file, -(long)shift, SEEK_END), 0);
	byte = fgetc(file);
	assert_int_not_equal(byte, EOF);
	assert_int_equal(fseek(file, -(long)shift, SEEK_END), 0);
	assert_int_equal(fputc(byte ^ 0x20, file), byte ^ 0x20);
	assert_int_equal(fclose(file), 0);
}

/* ---- a visit ---- */

static uint64_t
size_of(const struct fx_letter *letter)
{
	return letter->listed != 0 ? letter->listed : strlen(letter->text);
}

static void
list(struct fx_box *fx, size_t len)
{
	struct sled_err err = { 0 };

	must(sled_listing_new(&fx->listing, len, &err), &err);
	for (size_t i = 0; i < len; i++) {
		const struct fx_letter *letter = &fx->letters[i];
		uint32_t msg = (uint32_t)i + 1;
		struct sled_span uid = { letter->uid, 0 };

		must(
		    sled_listing_size(&fx->listing, msg, size_of(letter), &err),
		    &err);
		if (letter->uid == NULL)
			continue;
		uid.len = strlen(letter->uid);
		must(sled_listing_uid(&fx->listing, msg, uid, &err), &err);
	}
}

void
fx_box_begin(struct fx_box *fx, const struct fx_letter *letters, size_t len,
             int64_t until)
{
	struct sled_err err = { 0 };

	fx->tops = fx->retrs = fx->deles = 0;
	fx->letters = letters;
	must(sled_box_open(&fx->box, fx->store, &owner, fx->now, &err), &err);
	list(fx, len);
	must(sled_box_listed(fx->box, &fx->listing, until, fx->now, &err),
	     &err);
}

static void
prove_one(struct fx_box *fx, size_t item)
{
	struct sled_intake *intake = NULL;
	struct sled_err err = { 0 };
	struct sled_digest top;
	const char *text = fx->letters[item].text;
	const char *end = strstr(text, "\r\n\r\n");
	size_t len = end == NULL ? strlen(text) : (size_t)(end - text) + 4;

	fx->tops++;
	must(sled_intake_new(&intake, &err), &err);
	must(sled_intake_feed(intake, (struct sled_span){ text, len }, &err),
	     &err);
	top = sled_intake_end(intake);
	must(sled_box_proof(fx->box, item, fx->no_top ? NULL : &top, fx->now,
	                    &err),
	     &err);
	sled_intake_free(&intake);
}

void
fx_box_prove(struct fx_box *fx)
{
	bool more = true;

	while (more) {
		more = false;
		for (size_t i = 0; i < fx->listing.len; i++)
			if (fx->listing.items[i].verdict == SLED_ITEM_PROVE) {
				prove_one(fx, i);
				more = true;
			}
	}
}

void
fx_box_retr(struct fx_box *fx, size_t item)
{
	struct sled_err err = { 0 };
	const char *text = fx->letters[item].text;
	size_t len = strlen(text), half = len / 2;

	fx->retrs++;
	must(sled_box_begin(fx->box, item, fx->now, &err), &err);
	must(sled_box_data(fx->box, (struct sled_span){ text, half }, &err),
	     &err);
	must(sled_box_data(fx->box,
	                   (struct sled_span){ text + half, len - half }, &err),
	     &err);
	must(sled_box_end(fx->box, &err), &err);
}

void
fx_box_fetch(struct fx_box *fx)
{
	for (size_t i = 0; i < fx->listing.len; i++)
		if (fx->listing.items[i].verdict == SLED_ITEM_NEW)
			fx_box_retr(fx, i);
}

void
fx_box_commit(struct fx_box *fx)
{
	struct sled_err err = { 0 };

	if (!sled_box_commit_take(fx->box, true))
		return;
	sled_box_commit(fx->box);
	must(sled_box_commit_apply(fx->box, &err), &err);
}

void
fx_box_recheck_take(struct fx_box *fx)
{
	struct sled_err err = { 0 };

	must(sled_box_recheck_take(fx->box, &err), &err);
}

void
fx_box_recount(struct fx_box *fx)
{
	sled_box_recheck(fx->box, fx->now);
}

void
fx_box_recheck_apply(struct fx_box *fx)
{
	struct sled_err err = { 0 };

	must(sled_box_recheck_apply(fx->box, &err), &err);
}

void
fx_box_recheck(struct fx_box *fx)
{
	fx_box_recheck_take(fx);
	fx_box_recount(fx);
	fx_box_recheck_apply(fx);
}

void
fx_box_dele(struct fx_box *fx)
{
	struct sled_err err = { 0 };

	must(sled_box_dele_sent(fx->box, fx->now, &err), &err);
	for (size_t i = 0; i < fx->listing.len; i++)
		if (sled_box_may_delete(fx->box, i)) {
			fx->listing.items[i].flags |= SLED_ITEM_DELE;
			fx->deles++;
		}
}

void
fx_box_quit(struct fx_box *fx)
{
	struct sled_err err = { 0 };

	must(sled_box_gone(fx->box, fx->now, &err), &err);
}

void
fx_box_end(struct fx_box *fx)
{
	struct sled_err err = { 0 };
	struct sled_visit_row row = { .began = fx->now,
		                      .listed = fx->listing.len,
		                      .fetched = fx->retrs,
		                      .deleted = fx->deles };

	must(sled_box_close(&fx->box, &row, &err), &err);
	sled_listing_free(&fx->listing);
}

void
fx_box_kill(struct fx_box *fx)
{
	struct sled_err err = { 0 };

	must(sled_box_close(&fx->box, NULL, &err), &err);
	sled_listing_free(&fx->listing);
}

void
fx_box_visit(struct fx_box *fx, const struct fx_letter *letters, size_t len,
             int64_t until)
{
	fx_box_begin(fx, letters, len, until);
	fx_box_prove(fx);
	fx_box_fetch(fx);
	fx_box_commit(fx);
	fx_box_recheck(fx);
	fx_box_dele(fx);
	fx_box_quit(fx);
	fx_box_end(fx);
}

/* ---- questions ---- */

enum sled_verdict
fx_box_verdict(const struct fx_box *fx, size_t item)
{
	return (enum sled_verdict)fx->listing.items[item].verdict;
}

unsigned
fx_box_flags(const struct fx_box *fx, size_t item)
{
	return fx->listing.items[item].flags;
}

struct tally {
	size_t rows, live, on_server;
	uint64_t number;
	struct sled_message row;
	bool found;
};

static bool
tally_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct tally *tally = ctx;

	(void)err;
	tally->rows++;
	tally->live += row->gone == 0;
	tally->on_server += row->on_server;
	if (row->number == tally->number) {
		tally->row = *row;
		tally->found = true;
	}
	return true;
}

static struct tally
count(struct fx_box *fx, uint64_t number)
{
	const struct sled_message_query all = { .label = "home" };
	struct tally tally = { .number = number };
	struct sled_err err = { 0 };

	must(sled_ledger_messages(sled_store_ledger(fx->store), &all, tally_row,
	                          &tally, &err),
	     &err);
	return tally;
}

size_t
fx_box_rows(struct fx_box *fx)
{
	return count(fx, 0).rows;
}

size_t
fx_box_live(struct fx_box *fx)
{
	return count(fx, 0).live;
}

size_t
fx_box_on_server(struct fx_box *fx)
{
	return count(fx, 0).on_server;
}

struct sled_message
fx_box_row(struct fx_box *fx, uint64_t number)
{
	struct tally tally = count(fx, number);

	assert_true(tally.found);
	return tally.row;
}

struct sled_maildrop
fx_box_habits(struct fx_box *fx)
{
	struct sled_maildrop maildrop;
	struct sled_err err = { 0 };

	must(sled_ledger_maildrop(sled_store_ledger(fx->store), owner.server,
	                          owner.user, &maildrop, &err),
	     &err);
	return maildrop;
}

unsigned
fx_box_journal(struct fx_box *fx, size_t i, const char *text)
{
	static char data[1 << 20];
	char when[SLED_TIME_TEXT], name[64];
	unsigned lines = 0;
	size_t len;

	sled_clock_rfc3339(fx->now, when);
	(void)snprintf(name, sizeof(name), "%c/journal/%.7s.tsv",
	               (int)('a' + i), when);
	len = fx_tmp_read(&fx->tmp, name, data, sizeof(data) - 1);
	assert_true(len < sizeof(data));
	data[len] = '\0';
	for (char *line = strtok(data, "\n"); line != NULL;
	     line = strtok(NULL, "\n"))
		lines += strstr(line, text) != NULL;
	return lines;
}
