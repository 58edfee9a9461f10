/*
 * decide.c - what is decided of held mail, and what a journal tells of it:
 *   want, drop  id server user uid size head_sha256 head_octets first_seen
 *               from subject date
 *   undecided   id server user uid size why
 *   dropped     id server user uid size       (QUIT confirmed the DELE)
 */
#include <stdio.h>
#include <string.h>

#include "mailsled/text.h"
#include "store/store.h"

#define FIELDS 11

static const char *
kind_of(enum sled_decision decision)
{
	static const char *const kinds[] = {
		[SLED_DECIDE_NONE] = "undecided",
		[SLED_DECIDE_WANT] = "want",
		[SLED_DECIDE_DROP] = "drop",
	};

	return kinds[decision];
}

/* ---- deciding ---- */

struct whose {
	struct sled_buf server, user;
};

static void
free_whose(struct whose *whose)
{
	sled_buf_free(&whose->server);
	sled_buf_free(&whose->user);
}

/* A header's value as a string of its own; a NUL in it ends it. */
static bool
add_text(struct sled_buf *out, size_t *at, struct sled_span text,
         struct sled_err *err)
{
	*at = out->len;
	return sled_buf_add(out, text.data, text.len, err) &&
	       sled_buf_add(out, "", 1, err);
}

static bool
add_head(struct sled_buf *texts, size_t at[3], const struct sled_held_row *row,
         struct sled_err *err)
{
	return add_text(texts, &at[0], row->from, err) &&
	       add_text(texts, &at[1], row->subject, err) &&
	       add_text(texts, &at[2], row->date, err);
}

static bool
make_line(struct sled_buf *line, const struct sled_held_row *row,
          const struct whose *whose, struct sled_err *err)
{
	char size[24], octets[24], first[24], hex[SLED_HASH_HEX] = "";
	struct sled_buf texts = { 0 };
	size_t at[3] = { 0 };
	bool none = row->decision == SLED_DECIDE_NONE;
	bool ok = add_head(&texts, at, row, err);
	const char *fields[FIELDS] = {
		row->id, whose->server.data,        whose->user.data, row->uid,
		size,    none ? "taken back" : hex, octets,           first
	};

	(void)snprintf(size, sizeof(size), "%llu",
	               (unsigned long long)row->size);
	(void)snprintf(octets, sizeof(octets), "%llu",
	               (unsigned long long)row->head_octets);
	(void)snprintf(first, sizeof(first), "%lld",
	               (long long)row->first_seen);
	if (row->previewed)
		sled_hash_hex(hex, &row->head_sha256);
	for (size_t i = 0; ok && i < 3; i++)
		fields[8 + i] = texts.data + at[i];
	ok = ok && sled_journal_line(line, row->decided, kind_of(row->decision),
	                             fields, none ? 6 : FIELDS, err);
	sled_buf_free(&texts);
	return ok;
}

/* In the caller's transaction, which is committed when each place has the line:
 * what was answered to the user outlives this disk. */
static bool
put(struct sled_store *store, const struct sled_held_row *row,
    struct sled_err *err)
{
	struct sled_buf line = { 0 };
	struct whose whose = { 0 };
	bool ok =
	    sled_ledger_maildrop_name(store->ledger, row->maildrop,
	                              &whose.server, &whose.user, err) &&
	    make_line(&line, row, &whose, err) &&
	    sled_ledger_held_put(store->ledger, row, err) &&
	    sled_journal_add(store, sled_buf_span(&line), row->decided, err);

	sled_buf_free(&line);
	free_whose(&whose);
	return ok;
}

static bool
decide(struct sled_store *store, const char *id, enum sled_decision decision,
       int64_t now, struct sled_err *err)
{
	struct sled_held_copy copy;
	bool ok;

	if (!sled_held_find(store, id, &copy, err))
		return false;
	ok = (copy.found && strcmp(copy.row.id, id) == 0) ||
	     sled_fail(err, SLED_ERR_MISSING, "no such held mail");
	copy.row.decision = decision;
	/* A rebuild goes by these times, and the clock may be set back. */
	if (now > copy.row.decided)
		copy.row.decided = now;
	copy.row.lapsed[0] = '\0';
	ok = ok && put(store, &copy.row, err);
	sled_buf_free(&copy.texts);
	return ok;
}

bool
sled_store_decide(struct sled_store *store, const char *id,
                  enum sled_decision decision, int64_t now,
                  struct sled_err *err)
{
	if (!sled_ledger_begin(store->ledger, err))
		return false;
	if (!decide(store, id, decision, now, err)) {
		sled_ledger_drop(store->ledger);
		return false;
	}
	return sled_ledger_commit(store->ledger, err);
}

/* ---- replaying ---- */

bool
sled_decide_is(const char *kind)
{
	return strcmp(kind, "want") == 0 || strcmp(kind, "drop") == 0 ||
	       strcmp(kind, "undecided") == 0 || strcmp(kind, "dropped") == 0;
}

static struct sled_span
span_of(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

static uint64_t
number(const char *text)
{
	uint64_t value = 0;

	return sled_text_u64(span_of(text), &value) ? value : 0;
}

/* What want and drop tell of the message; .uid and .id fit. */
static bool
read_row(struct sled_held_row *row, const char *const *fields, size_t len)
{
	const struct sled_span none = { "", 0 };

	row->size = number(fields[4]);
	row->from = row->subject = row->date = row->text = none;
	(void)snprintf(row->id, sizeof(row->id), "%s", fields[0]);
	(void)snprintf(row->uid, sizeof(row->uid), "%s", fields[3]);
	if (row->decision == SLED_DECIDE_NONE)
		return true;
	if (len < FIELDS)
		return false;
	row->previewed =
	    strlen(fields[5]) == SLED_HASH_HEX - 1 &&
	    sled_text_unhex(row->head_sha256.b, fields[5], SLED_HASH_LEN);
	row->head_octets = number(fields[6]);
	row->first_seen = (int64_t)number(fields[7]);
	row->from = span_of(fields[8]);
	row->subject = span_of(fields[9]);
	row->date = span_of(fields[10]);
	/* One that was previewed must not lose what it is held against. */
	return row->previewed || fields[5][0] == '\0';
}

/* Lines of several places may be out of order: the later one counts, though
 * it be one that takes a decision back. */
bool
sled_decide_replay(struct sled_store *store, const char *kind,
                   const char *const *fields, size_t len, int64_t when,
                   struct sled_err *err)
{
	struct sled_held_row row = { .decided = when, .last_seen = when };
	struct sled_held_copy copy;
	struct sled_maildrop maildrop;
	char id[SLED_HELD_ID];
	bool later;

	if (strcmp(kind, "want") == 0)
		row.decision = SLED_DECIDE_WANT;
	else if (strcmp(kind, "drop") == 0)
		row.decision = SLED_DECIDE_DROP;
	if (len < 5 || !read_row(&row, fields, len))
		return true;
	if (!sled_held_id(fields[1], fields[2], fields[3], row.size, id, err) ||
	    !sled_held_find(store, id, &copy, err))
		return false;
	later = copy.found && copy.row.decided > when;
	sled_buf_free(&copy.texts);
	if (later || strcmp(id, row.id) != 0)
		return true;
	if (!sled_ledger_maildrop(store->ledger, fields[1], fields[2],
	                          &maildrop, err))
		return false;
	row.maildrop = maildrop.id;
	return sled_ledger_held_put(store->ledger, &row, err);
}

static bool
take_undecided(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	return row->decision != SLED_DECIDE_NONE ||
	       sled_buf_add(ctx, row->id, sizeof(row->id), err);
}

bool
sled_decide_replayed(struct sled_store *store, struct sled_err *err)
{
	struct sled_buf ids = { 0 };
	bool ok =
	    sled_ledger_held(store->ledger, 0, NULL, take_undecided, &ids, err);

	for (size_t at = 0; ok && at < ids.len; at += SLED_HELD_ID)
		ok = sled_ledger_held_forget(store->ledger, ids.data + at, err);
	sled_buf_free(&ids);
	return ok;
}
