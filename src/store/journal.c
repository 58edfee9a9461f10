/*
 * journal.c - what archives cannot tell: visits, and what is gone.
 *
 * journal/2026-11.tsv: a line a fact, tab-separated, fields percent-escaped:
 *   time kind field... check       check: 8 hex digits of the line's SHA-256
 *   gone     label number sha256 server user
 *   known    label number uid size sha256    (another id or size of a message)
 *   want, drop, undecided, dropped           see decide.c
 *   visit    label server user began ms listed fetched deleted kept held left
 *            failed mail_bytes wire_down wire_up resumed exit error
 *            round path up_ms alive_ms cut held_bytes left_bytes
 *   round    see round.c
 *   delivery see delivery.c
 *
 * States of an append
 *   J0  whole lines
 *   J1  and a torn one behind them: it has no check, the merge drops it
 *   J2  synced
 * Places are merged at each start of a writer: the union of all their lines,
 * the first place's order first, so that no place need be the only witness.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/store.h"

#define JOURNAL_MAX (64u << 20)

static bool
add_check(struct sled_buf *line, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	struct sled_hash hash;
	char hex[9];

	if (!sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, line->data, line->len);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	sled_text_hex(hex, hash.b, 4);
	return sled_buf_printf(line, err, "\t%s\n", hex);
}

bool
sled_journal_line(struct sled_buf *out, int64_t now, const char *kind,
                  const char *const *fields, size_t len, struct sled_err *err)
{
	struct sled_buf line = { 0 };
	char when[SLED_TIME_TEXT];
	bool ok;

	sled_clock_rfc3339(now, when);
	ok = sled_buf_printf(&line, err, "%s\t%s", when, kind);
	for (size_t i = 0; ok && i < len; i++)
		ok = sled_buf_add(&line, "\t", 1, err) &&
		     sled_text_percent(
			 &line,
			 (struct sled_span){ fields[i], strlen(fields[i]) },
			 err);
	ok = ok && add_check(&line, err) &&
	     sled_buf_add(out, line.data, line.len, err);
	sled_buf_free(&line);
	return ok;
}

static bool
is_whole(struct sled_span line, struct sled_sha256 *sha)
{
	struct sled_hash hash;
	char hex[9];

	if (line.len < 10 || line.data[line.len - 9] != '\t')
		return false;
	sled_sha256_add(sha, line.data, line.len - 9);
	hash = sled_sha256_end(sha);
	sled_text_hex(hex, hash.b, 4);
	return memcmp(hex, line.data + line.len - 8, 8) == 0;
}

/* The next line of TEXT from *AT on, without its LF; false at the end. */
static bool
next_line(struct sled_span text, size_t *at, struct sled_span *line)
{
	const char *end;

	if (*at >= text.len)
		return false;
	line->data = text.data + *at;
	end = memchr(line->data, '\n', text.len - *at);
	line->len = end == NULL ? text.len - *at : (size_t)(end - line->data);
	*at += line->len + 1;
	return true;
}

/* ---- appending ---- */

static bool
append_to(struct sled_place *place, const char *file, struct sled_span lines,
          struct sled_err *err)
{
	struct sled_append append;
	uint64_t size = 0;
	bool there = false;

	if (!sled_place_size(place, "journal", file, &size, &there, err) ||
	    !sled_append_begin(&append, place, "journal", file, size, err))
		return false;
	if (sled_append_write(&append, lines.data, lines.len, err) &&
	    sled_append_commit(&append, err))
		return true;
	sled_append_abort(&append);
	return false;
}

static void
name_of(char out[32], int64_t now)
{
	char when[SLED_TIME_TEXT];

	sled_clock_rfc3339(now, when);
	(void)snprintf(out, 32, "%.7s.tsv", when);
}

/* What is wrong in a place, which goes on without it. */
static void
tell(struct sled_store *store, const struct sled_seat *seat,
     const struct sled_err *why)
{
	const char *path = seat->place.path;

	if (strstr(why->text, path) != NULL)
		sled_store_say(store, "%s", why->text);
	else
		sled_store_say(store, "%s: %s", path, why->text);
}

bool
sled_journal_add(struct sled_store *store, struct sled_span lines, int64_t now,
                 struct sled_err *err)
{
	struct sled_err why = { 0 };
	char file[32];

	if (lines.len == 0)
		return true;
	name_of(file, now);
	for (size_t i = 1; i < store->len; i++)
		if (sled_seat_usable(&store->seats[i]) &&
		    !append_to(&store->seats[i].place, file, lines, &why)) {
			sled_seat_out(&store->seats[i], &why);
			tell(store, &store->seats[i], &why);
		}
	return append_to(sled_store_first(store), file, lines, err) ||
	       sled_note(err, "journal %s", file);
}

/* ---- merging ---- */

static int
by_text(const void *a, const void *b)
{
	const struct sled_span *left = a, *right = b;
	size_t len = left->len < right->len ? left->len : right->len;
	int order = memcmp(left->data, right->data, len);

	if (order != 0)
		return order;
	return (left->len > right->len) - (left->len < right->len);
}

struct lines {
	struct sled_span *list;
	size_t len;
};

static bool
split(struct lines *out, struct sled_span text, struct sled_sha256 *sha,
      struct sled_err *err)
{
	struct sled_span line;
	size_t at = 0, most = 0;

	for (size_t i = 0; i < text.len; i++)
		most += text.data[i] == '\n';
	out->list = calloc(most + 1, sizeof(*out->list));
	out->len = 0;
	if (out->list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "journal");
	while (next_line(text, &at, &line))
		if (out->len < most + 1 && is_whole(line, sha))
			out->list[out->len++] = line;
	return true;
}

/* Add to ALL the whole lines of TEXT that it does not have yet. */
static bool
unite(struct sled_buf *all, struct sled_span text, struct sled_sha256 *sha,
      struct sled_err *err)
{
	struct lines had = { 0 }, more = { 0 };
	struct sled_buf out = { 0 };
	bool ok = split(&had, sled_buf_span(all), sha, err) &&
	          split(&more, text, sha, err);

	ok = ok && sled_buf_reserve(&out, all->len + text.len, err);
	for (size_t i = 0; ok && i < had.len; i++)
		ok = sled_buf_add(&out, had.list[i].data, had.list[i].len + 1,
		                  err);
	if (ok && had.len > 0)
		qsort(had.list, had.len, sizeof(*had.list), by_text);
	for (size_t i = 0; ok && i < more.len; i++)
		if (had.len == 0 || bsearch(&more.list[i], had.list, had.len,
		                            sizeof(*had.list), by_text) == NULL)
			ok = sled_buf_add(&out, more.list[i].data,
			                  more.list[i].len, err) &&
			     sled_buf_add(&out, "\n", 1, err);
	free(had.list);
	free(more.list);
	if (!ok) {
		sled_buf_free(&out);
		return false;
	}
	sled_buf_free(all);
	*all = out;
	return true;
}

static bool
read_one(struct sled_place *place, const char *file, struct sled_buf *out,
         struct sled_err *err)
{
	char name[300];

	(void)snprintf(name, sizeof(name), "journal/%s", file);
	if (sled_file_slurp(out, place->sys, place->dir, name, JOURNAL_MAX,
	                    err))
		return true;
	if (err->kind != SLED_ERR_MISSING)
		return false;
	*err = (struct sled_err){ 0 };
	return true;
}

static bool
write_one(struct sled_place *place, const char *file,
          const struct sled_buf *now, const struct sled_buf *want,
          struct sled_err *err)
{
	int dir = -1;
	bool ok;

	if (now->len == want->len &&
	    (want->len == 0 || memcmp(now->data, want->data, want->len) == 0))
		return true;
	ok = sled_dir_make(place->sys, place->dir, "journal", 0755, err) &&
	     sled_dir_open(&dir, place->sys, place->dir, "journal", err) &&
	     sled_file_replace(place->sys, dir, file, 0644, sled_buf_span(want),
	                       err);
	if (dir != -1)
		(void)place->sys->close(place->sys->ctx, dir);
	return ok || sled_note(err, "%s", place->path);
}

static bool
bring_to(struct sled_place *place, const char *file, const struct sled_buf *all,
         struct sled_err *err)
{
	struct sled_buf now = { 0 };
	bool ok = read_one(place, file, &now, err) &&
	          write_one(place, file, &now, all, err);

	sled_buf_free(&now);
	return ok;
}

static bool
equalise(struct sled_store *store, const char *file, const struct sled_buf *all,
         struct sled_err *err)
{
	if (!bring_to(sled_store_first(store), file, all, err))
		return false;
	for (size_t i = 1; i < store->len; i++) {
		struct sled_seat *seat = &store->seats[i];
		struct sled_err why = { 0 };

		if (!sled_seat_usable(seat) ||
		    bring_to(&seat->place, file, all, &why))
			continue;
		sled_seat_out(seat, &why);
		tell(store, seat, &why);
	}
	return true;
}

/* Do all usable places have the same bytes of it? The common case is cheap. */
static bool
same_size_everywhere(struct sled_store *store, const char *file)
{
	uint64_t first = 0, size = 0;
	bool there = false;
	struct sled_err err = { 0 };

	if (!sled_place_size(sled_store_first(store), "journal", file, &first,
	                     &there, &err))
		return false;
	for (size_t i = 1; i < store->len; i++)
		if (sled_seat_usable(&store->seats[i]) &&
		    (!sled_place_size(&store->seats[i].place, "journal", file,
		                      &size, &there, &err) ||
		     size != first))
			return false;
	return first > 0;
}

static bool
ends_whole(struct sled_store *store, const char *file, struct sled_sha256 *sha)
{
	struct sled_reading reading;
	struct sled_err err = { 0 };
	char tail[4096];
	size_t got = 0, from;
	bool ok;

	if (!sled_reading_open(&reading, sled_store_first(store), "journal",
	                       file, false, &err))
		return false;
	from = reading.source.size < sizeof(tail)
	           ? 0
	           : (size_t)(reading.source.size - sizeof(tail));
	ok = sled_file_read(&reading.file, tail, sizeof(tail), from, &got,
	                    &err) &&
	     got > 0 && tail[got - 1] == '\n';
	sled_reading_close(&reading);
	if (!ok)
		return false;
	for (from = got - 1; from > 0 && tail[from - 1] != '\n'; from--)
		continue;
	return is_whole((struct sled_span){ tail + from, got - 1 - from }, sha);
}

static bool
merge_file(struct sled_store *store, const char *file, struct sled_sha256 *sha,
           struct sled_err *err)
{
	struct sled_buf all = { 0 };
	bool ok = true;

	if (!store->rebuilt && same_size_everywhere(store, file) &&
	    ends_whole(store, file, sha))
		return true;
	for (size_t i = 0; ok && i < store->len; i++) {
		struct sled_buf text = { 0 };
		struct sled_err why = { 0 };

		if (!sled_seat_usable(&store->seats[i]))
			continue;
		if (read_one(&store->seats[i].place, file, &text, &why))
			ok = unite(&all, sled_buf_span(&text), sha, err);
		else
			tell(store, &store->seats[i], &why);
		sled_buf_free(&text);
	}
	ok = ok && equalise(store, file, &all, err);
	sled_buf_free(&all);
	return ok;
}

static bool
is_journal(const char *file)
{
	return strlen(file) == 11 && strcmp(file + 7, ".tsv") == 0 &&
	       strspn(file, "0123456789-") == 7;
}

/* None when there is no journal yet. */
static bool
list_files(struct sled_buf *names, struct sled_place *place,
           struct sled_err *err)
{
	if (sled_dir_list(names, place->sys, place->dir, "journal", err))
		return true;
	if (err->kind != SLED_ERR_MISSING)
		return false;
	*err = (struct sled_err){ 0 };
	return true;
}

static bool
merge_place(struct sled_store *store, struct sled_place *place,
            struct sled_sha256 *sha, struct sled_err *err)
{
	struct sled_buf names = { 0 };
	struct sled_err why = { 0 };
	bool ok = true;

	if (!list_files(&names, place, &why)) {
		sled_store_say(store, "%s: %s", place->path, why.text);
		return true; /* others have it */
	}
	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		if (is_journal(names.data + at))
			ok = merge_file(store, names.data + at, sha, err);
	sled_buf_free(&names);
	return ok;
}

bool
sled_journal_merge(struct sled_store *store, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	bool ok = sled_sha256_new(&sha, err);

	for (size_t i = 0; ok && i < store->len; i++)
		if (sled_seat_usable(&store->seats[i]))
			ok = merge_place(store, &store->seats[i].place, sha,
			                 err);
	sled_sha256_free(&sha);
	return ok;
}

/* ---- replaying, into a ledger made anew ---- */

#define FIELDS 32 /* a line may come to have more: what is behind is skipped */

struct fields {
	struct sled_buf text[FIELDS];
	size_t len;
};

static void
free_fields(struct fields *fields)
{
	for (size_t i = 0; i < FIELDS; i++)
		sled_buf_free(&fields->text[i]);
}

static bool
parse(struct fields *out, struct sled_span line, struct sled_err *err)
{
	const char *at = line.data, *end = line.data + line.len - 9;

	*out = (struct fields){ 0 };
	while (at <= end && out->len < FIELDS) {
		const char *tab = memchr(at, '\t', (size_t)(end - at));
		const char *stop = tab == NULL ? end : tab;

		if (!sled_text_unpercent(
			&out->text[out->len++],
			(struct sled_span){ at, (size_t)(stop - at) }, err))
			return false;
		at = stop + 1;
	}
	return true;
}

static uint64_t
number(const struct fields *fields, size_t i)
{
	uint64_t value = 0;

	if (i >= fields->len ||
	    !sled_text_u64(sled_buf_span(&fields->text[i]), &value))
		return 0;
	return value;
}

static void
copy(char *out, size_t room, const struct fields *fields, size_t i)
{
	if (i < fields->len && fields->text[i].len < room)
		(void)snprintf(out, room, "%s", fields->text[i].data);
}

struct target {
	struct sled_message message;
	bool found;
};

static bool
take_target(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct target *target = ctx;

	(void)err;
	target->message = *message;
	target->found = true;
	return true;
}

static bool
find_target(struct sled_store *store, const struct fields *fields,
            struct target *out, struct sled_err *err)
{
	out->found = false;
	return sled_ledger_by_number(store->ledger, fields->text[2].data,
	                             number(fields, 3), take_target, out, err);
}

/* Two machines may have given a number to two messages: the hash at I tells. */
static bool
is_of(const struct target *target, const struct fields *fields, size_t i)
{
	char hex[SLED_HASH_HEX];

	if (!target->found || i >= fields->len)
		return false;
	sled_hash_hex(hex, &target->message.sha256);
	return strcmp(hex, fields->text[i].data) == 0;
}

static bool
replay_gone(struct sled_store *store, const struct fields *fields, int64_t when,
            struct sled_err *err)
{
	struct target target;

	if (!find_target(store, fields, &target, err))
		return false;
	return !is_of(&target, fields, 4) ||
	       sled_ledger_set_gone(store->ledger, target.message.id, when,
	                            err);
}

/* A line without a hash is not believed: its mail is proved once more. */
static bool
replay_known(struct sled_store *store, const struct fields *fields,
             struct sled_err *err)
{
	struct target target;

	if (!find_target(store, fields, &target, err))
		return false;
	return !is_of(&target, fields, 6) ||
	       sled_ledger_known_put(store->ledger, target.message.id,
	                             fields->text[4].data, number(fields, 5),
	                             err);
}

/* What a line of schema 3 has more. */
static void
read_more(const struct fields *f, struct sled_visit_row *row)
{
	row->round = (int64_t)number(f, 20);
	copy(row->path, sizeof(row->path), f, 21);
	row->up_ms = (int64_t)number(f, 22);
	row->alive_ms = (int64_t)number(f, 23);
	row->cut = number(f, 24) != 0;
	row->held_bytes = number(f, 25);
	row->left_bytes = number(f, 26);
}

static bool
replay_visit(struct sled_store *store, const struct fields *f,
             struct sled_err *err)
{
	struct sled_maildrop maildrop;
	struct sled_visit_row row = { 0 };

	if (f->len < 20)
		return true;
	if (!sled_ledger_maildrop(store->ledger, f->text[3].data,
	                          f->text[4].data, &maildrop, err))
		return false;
	(void)snprintf(row.label, sizeof(row.label), "%s", f->text[2].data);
	row.maildrop = maildrop.id;
	row.began = (int64_t)number(f, 5);
	row.ms = (int64_t)number(f, 6);
	row.listed = number(f, 7);
	row.fetched = number(f, 8);
	row.deleted = number(f, 9);
	row.kept = number(f, 10);
	row.held = number(f, 11);
	row.left = number(f, 12);
	row.failed = number(f, 13);
	row.mail_bytes = number(f, 14);
	row.wire_down = number(f, 15);
	row.wire_up = number(f, 16);
	row.resumed = number(f, 17) != 0;
	row.exit = (int)number(f, 18);
	(void)snprintf(row.error, sizeof(row.error), "%s", f->text[19].data);
	read_more(f, &row);
	if ((row.listed > 0 || row.error[0] == '\0') &&
	    !sled_clock_doubtful(row.began) &&
	    (maildrop.first_visit == 0 || row.began < maildrop.first_visit)) {
		maildrop.first_visit = row.began;
		if (!sled_ledger_maildrop_put(store->ledger, &maildrop, err))
			return false;
	}
	return sled_ledger_visit_put(store->ledger, &row, err);
}

static bool
replay_round(struct sled_store *store, const struct fields *f,
             struct sled_err *err)
{
	struct sled_round_row row = { 0 };

	if (f->len < 15)
		return true;
	row.id = (int64_t)number(f, 2);
	row.began = (int64_t)number(f, 3);
	row.ms = (int64_t)number(f, 4);
	copy(row.link, sizeof(row.link), f, 5);
	copy(row.path, sizeof(row.path), f, 6);
	row.dialled = number(f, 7) != 0;
	row.over = number(f, 8) != 0;
	row.wire = number(f, 9);
	row.billed_bytes = number(f, 10);
	row.steps = number(f, 11);
	row.money = number(f, 12);
	copy(row.currency, sizeof(row.currency), f, 13);
	copy(row.places, sizeof(row.places), f, 14);
	return sled_ledger_round_put(store->ledger, &row, err);
}

static bool
replay_other(struct sled_store *store, const struct fields *f, int64_t when,
             struct sled_err *err)
{
	const char *fields[FIELDS];
	size_t len = f->len - 2;

	for (size_t i = 0; i < len; i++)
		fields[i] =
		    f->text[2 + i].data == NULL ? "" : f->text[2 + i].data;
	if (strcmp(f->text[1].data, "delivery") == 0)
		return sled_delivery_replay(store, fields, len, when, err);
	return !sled_decide_is(f->text[1].data) ||
	       sled_decide_replay(store, f->text[1].data, fields, len, when,
	                          err);
}

static bool
replay_line(struct sled_store *store, struct sled_span line,
            struct sled_err *err)
{
	struct fields fields;
	struct sled_err why = { 0 };
	int64_t when = 0;
	bool ok = true;

	if (parse(&fields, line, &why) && fields.len >= 4 &&
	    sled_clock_parse(fields.text[0].data, &when)) {
		if (strcmp(fields.text[1].data, "gone") == 0)
			ok = replay_gone(store, &fields, when, err);
		else if (strcmp(fields.text[1].data, "known") == 0)
			ok = replay_known(store, &fields, err);
		else if (strcmp(fields.text[1].data, "visit") == 0)
			ok = replay_visit(store, &fields, err);
		else if (strcmp(fields.text[1].data, "round") == 0)
			ok = replay_round(store, &fields, err);
		else
			ok = replay_other(store, &fields, when, err);
	}
	free_fields(&fields);
	return ok;
}

static bool
replay_file(struct sled_store *store, const char *file, struct sled_sha256 *sha,
            struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct sled_span line;
	size_t at = 0;
	bool ok = read_one(sled_store_first(store), file, &text, err);

	while (ok && next_line(sled_buf_span(&text), &at, &line))
		ok = !is_whole(line, sha) || replay_line(store, line, err);
	sled_buf_free(&text);
	return ok;
}

static bool
replay_all(struct sled_store *store, struct sled_sha256 *sha,
           struct sled_err *err)
{
	struct sled_buf names = { 0 };
	bool ok = list_files(&names, sled_store_first(store), err);

	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		if (is_journal(names.data + at))
			ok = replay_file(store, names.data + at, sha, err);
	sled_buf_free(&names);
	return ok;
}

/* In one transaction with the word that the rebuild is done: a second replay
 * would double the visits. */
bool
sled_journal_replay(struct sled_store *store, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	bool ok =
	    sled_sha256_new(&sha, err) && sled_ledger_begin(store->ledger, err);

	if (ok && (!replay_all(store, sha, err) ||
	           !sled_decide_replayed(store, err) ||
	           !sled_ledger_put(store->ledger, "rebuilding", "0", err))) {
		sled_ledger_drop(store->ledger);
		ok = false;
	}
	ok = ok && sled_ledger_commit(store->ledger, err);
	sled_sha256_free(&sha);
	return ok;
}
