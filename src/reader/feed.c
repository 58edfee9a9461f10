/*
 * feed.c - what the store has and the index lacks; see mailsled/reader.h.
 *
 * Each account is a stream of messages in order of the time received; of the
 * streams' next messages the one received first goes in, so that ids follow that
 * time. A batch is one transaction: how far each account is in stands in it too,
 * so a kill costs what the batch had.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "reader/internal.h"

#define BATCH_MS     3000 /* a kill costs no more work than this */
#define RETRY_MOST   1000 /* unread ones that are tried again at a time */
#define UNUSED_LEAST 1000 /* pages: not worth a write */
#define RUN_LEAST    200  /* messages; fewer are rather late than a run */
#define RUN_AGE_S    INT64_C(2592000) /* and those that are so much older */
#define RUNS_MOST    64

struct feeding {
	struct sled_index *index;
	struct sled_feed *feed;
	sled_feed_fn *each;
	void *ctx;
	struct sled_stream *streams;
	size_t len;
	sqlite3_stmt *text, *doc, *label, *late, *run, *unread, *reread;
	int64_t end_ms; /* 0: none */
	int64_t rowid, newest, runs, changes;
	uint64_t total;
	struct sled_letter *letter; /* whose bytes are coming */
};

/* ---- one message ---- */

/* The stream whose next message was received first; NULL: all is in. */
static bool
pick_stream(struct feeding *f, struct sled_stream **out, struct sled_err *err)
{
	*out = NULL;
	for (size_t i = 0; i < f->len; i++) {
		struct sled_stream *stream = &f->streams[i];

		if (!sled_stream_fill(stream,
		                      sled_store_ledger(f->index->store), err))
			return false;
		if (stream->at == stream->len)
			continue;
		if (*out == NULL || stream->rows[stream->at].received <
		                        (*out)->rows[(*out)->at].received)
			*out = stream;
	}
	return true;
}

static bool
run_once(struct feeding *f, sqlite3_stmt *stmt, struct sled_err *err)
{
	int code = sqlite3_step(stmt);

	(void)sqlite3_reset(stmt);
	return code == SQLITE_DONE || sled_index_fail(f->index, code, err);
}

static bool
add_id(struct feeding *f, sqlite3_stmt *stmt, struct sled_err *err)
{
	(void)sqlite3_bind_int64(stmt, 1, f->rowid);
	return run_once(f, stmt, err);
}

/* Where years of older mail begin, ids begin to follow the time anew; a few
 * such messages, or the last minutes of another account, are only late. */
static bool
begins_run(const struct feeding *f, const struct sled_stream *stream)
{
	return f->runs < RUNS_MOST &&
	       sled_stream_older(stream, RUN_LEAST, f->newest - RUN_AGE_S);
}

static bool
add_place(struct feeding *f, const struct sled_stream *stream,
          struct sled_err *err)
{
	const struct sled_stream_row *row = &stream->rows[stream->at];

	if (row->received >= f->newest) {
		f->newest = row->received;
		return true;
	}
	if (begins_run(f, stream)) {
		f->runs++;
		f->newest = row->received;
		return add_id(f, f->run, err);
	}
	(void)sqlite3_bind_int64(f->late, 2, f->newest);
	return add_id(f, f->late, err);
}

static bool
add_doc(struct feeding *f, const struct sled_stream *stream,
        struct sled_err *err)
{
	const struct sled_stream_row *row = &stream->rows[stream->at];

	(void)sqlite3_bind_int64(f->doc, 1, ++f->rowid);
	(void)sqlite3_bind_int64(f->doc, 2, stream->label);
	(void)sqlite3_bind_int64(f->doc, 3, (int64_t)row->number);
	(void)sqlite3_bind_int64(f->doc, 4, row->received);
	return run_once(f, f->doc, err) && add_place(f, stream, err);
}

static bool
add_message(struct feeding *f, struct sled_stream *stream, struct sled_err *err)
{
	const struct sled_stream_row *row = &stream->rows[stream->at];
	struct sled_entry_row entry = { f->rowid + 1, stream->name,
		                        row->received };
	uint64_t octets = 0;
	bool ok = sled_stream_load(stream, f->len, f->index->store, err) &&
	          add_doc(f, stream, err);

	if (ok && row->letter != NULL)
		ok = sled_letter_parse(row->letter, err) &&
		     sled_entry_add(f->index, f->text, &entry, row->letter,
		                    &octets, err);
	else if (ok)
		ok = add_id(f, f->unread, err);
	if (!ok)
		return false;
	f->feed->unread += row->letter == NULL ? 1 : 0;
	f->feed->octets += octets;
	f->feed->added++;
	sled_stream_next(stream);
	return true;
}

/* ---- a batch ---- */

static bool
keep_progress(struct feeding *f, struct sled_err *err)
{
	for (size_t i = 0; i < f->len; i++) {
		const struct sled_stream *stream = &f->streams[i];

		(void)sqlite3_bind_int64(f->label, 1, (int64_t)stream->done);
		(void)sqlite3_bind_int64(f->label, 2, (int64_t)stream->upto);
		(void)sqlite3_bind_int64(f->label, 3, stream->in_received);
		(void)sqlite3_bind_int64(f->label, 4,
		                         (int64_t)stream->in_number);
		(void)sqlite3_bind_int64(f->label, 5, stream->label);
		if (!run_once(f, f->label, err))
			return false;
	}
	f->changes++;
	return sled_index_run(
	    f->index, "UPDATE fact SET value = value + 1 WHERE key = 'changes'",
	    err);
}

static bool
is_time(const struct feeding *f, int64_t since, int64_t at_most)
{
	int64_t now = sled_clock_ms();

	return now - since >= at_most || (f->end_ms != 0 && now >= f->end_ms);
}

static bool
add_batch(struct feeding *f, bool *over, struct sled_err *err)
{
	const int64_t began = sled_clock_ms();
	struct sled_stream *stream = NULL;

	do {
		if (!pick_stream(f, &stream, err))
			return false;
		if (stream == NULL)
			break;
		if (!add_message(f, stream, err))
			return false;
		if (f->each != NULL)
			f->each(f->ctx, f->feed->added, f->total);
	} while (!is_time(f, began, BATCH_MS));
	*over = stream == NULL || is_time(f, began, INT64_MAX);
	return keep_progress(f, err);
}

/* ---- where things stand ---- */

struct joining {
	struct feeding *f;
	size_t cap;
};

static bool
note_label(void *ctx, const struct sled_label_row *row, struct sled_err *err)
{
	struct joining *joining = ctx;
	struct feeding *f = joining->f;
	size_t cap = joining->cap == 0 ? 4 : joining->cap * 2;
	struct sled_stream *more;

	if (f->len == joining->cap) {
		more = reallocarray(f->streams, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail_sys(err, ENOMEM, "accounts");
		f->streams = more;
		joining->cap = cap;
	}
	memset(&f->streams[f->len], 0, sizeof(*more));
	memcpy(f->streams[f->len].name, row->label, sizeof(row->label));
	f->streams[f->len].last = row->last;
	f->len++;
	return true;
}

static void
take_label(struct sled_stream *stream, sqlite3_stmt *stmt)
{
	stream->label = sqlite3_column_int64(stmt, 0);
	stream->done = (uint64_t)sqlite3_column_int64(stmt, 1);
	stream->upto = (uint64_t)sqlite3_column_int64(stmt, 2);
	stream->in_received = sqlite3_column_int64(stmt, 3);
	stream->in_number = (uint64_t)sqlite3_column_int64(stmt, 4);
}

/* How far the account is in; a row for one that is new when WRITING. */
static bool
find_label(struct feeding *f, struct sled_stream *stream, bool writing,
           struct sled_err *err)
{
	static const char *const sql[] = {
		"INSERT INTO label (name, done, upto, in_received, in_number)"
		" VALUES (?1, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
		"SELECT id, done, upto, in_received, in_number FROM label"
		" WHERE name = ?1",
	};
	bool ok = true;

	stream->done = stream->upto = 0;

	for (int i = writing ? 0 : 1; ok && i < 2; i++) {
		sqlite3_stmt *stmt = NULL;
		int code;

		if (!sled_index_prepare(f->index, sql[i], &stmt, err))
			return false;
		(void)sqlite3_bind_text(stmt, 1, stream->name, -1,
		                        SQLITE_STATIC);
		code = sqlite3_step(stmt);
		ok = code == SQLITE_ROW || code == SQLITE_DONE ||
		     sled_index_fail(f->index, code, err);
		if (code == SQLITE_ROW)
			take_label(stream, stmt);
		(void)sqlite3_finalize(stmt);
	}
	return ok;
}

/* Inside the transaction: another process may have been here since. */
static bool
find_place(struct feeding *f, bool writing, struct sled_err *err)
{
	int64_t changes = 0;

	if (!sled_index_number(f->index,
	                       "SELECT value FROM fact WHERE key = 'changes'",
	                       &changes, err) ||
	    !sled_index_number(f->index, "SELECT max(id) FROM doc", &f->rowid,
	                       err) ||
	    !sled_index_number(f->index,
	                       "SELECT coalesce(late.newest, doc.received)"
	                       " FROM doc LEFT JOIN late USING (id)"
	                       " ORDER BY id DESC LIMIT 1",
	                       &f->newest, err) ||
	    !sled_index_number(f->index, "SELECT count(*) FROM run", &f->runs,
	                       err))
		return false;
	if (f->changes == changes)
		return true;
	f->changes = changes;
	for (size_t i = 0; i < f->len; i++) {
		sled_stream_drop(&f->streams[i]);
		if (!find_label(f, &f->streams[i], writing, err))
			return false;
	}
	return true;
}

static uint64_t
count_missing(const struct feeding *f)
{
	uint64_t missing = 0;

	for (size_t i = 0; i < f->len; i++)
		missing += sled_stream_missing(&f->streams[i]);
	return missing;
}

/* ---- what came or went out of order ---- */

static bool
add_count(void *ctx, const struct sled_label_row *row, struct sled_err *err)
{
	(void)err;
	*(uint64_t *)ctx += row->count;
	return true;
}

/* Mail below the mark that came back, or is gone: only a new index is right. */
static bool
check_order(struct feeding *f, struct sled_err *err)
{
	int64_t docs = 0;
	uint64_t stored = 0, missing = 0;

	if (!sled_ledger_labels(sled_store_ledger(f->index->store), true,
	                        add_count, &stored, err) ||
	    !sled_index_number(f->index, "SELECT count(*) FROM doc", &docs,
	                       err))
		return false;
	for (size_t i = 0; i < f->len; i++) {
		struct sled_stream *stream = &f->streams[i];

		if (!sled_stream_fill(stream,
		                      sled_store_ledger(f->index->store), err))
			return false;
		/* Exactly, where all that is missing fits its window. */
		if (stream->read && stream->upto < stream->last)
			return true;
		missing += stream->len - stream->at;
	}
	if ((uint64_t)docs + missing == stored)
		return true;
	if (!sled_index_clear(f->index, err))
		return false;
	f->changes = -1;
	return find_place(f, false, err);
}

/* ---- what no place gave before ---- */

struct retry {
	struct sled_hit hits[RETRY_MOST];
	size_t len;
	struct sled_message message; /* without its strings */
	bool found;
};

static bool
list_unread(struct feeding *f, struct retry *retry, struct sled_err *err)
{
	sqlite3_stmt *stmt = NULL;
	int code;

	if (!sled_index_prepare(f->index,
	                        "SELECT " SLED_HIT
	                        " FROM unread JOIN doc USING (id)" SLED_HIT_JOIN
	                        " ORDER BY unread.id DESC",
	                        &stmt, err))
		return false;
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW &&
	       retry->len < RETRY_MOST)
		sled_index_hit(stmt, &retry->hits[retry->len++]);
	(void)sqlite3_finalize(stmt);
	return code == SQLITE_ROW || code == SQLITE_DONE ||
	       sled_index_fail(f->index, code, err);
}

static bool
keep_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct retry *retry = ctx;

	(void)err;
	retry->message = *message;
	retry->message.from = retry->message.subject = retry->message.date =
	    (struct sled_span){ "", 0 };
	retry->found = true;
	return true;
}

static bool
add_found(struct feeding *f, const struct retry *retry, int64_t id,
          struct sled_err *err)
{
	struct sled_entry_row entry = { id, retry->message.label,
		                        retry->message.received };
	struct sled_err why = { 0 };
	uint64_t octets = 0;

	if (!sled_letter_read(f->letter, f->index->store, &retry->message,
	                      &why))
		return why.kind != SLED_ERR_NOMEM; /* another day */
	f->rowid = id;
	return sled_letter_parse(f->letter, err) &&
	       sled_entry_add(f->index, f->text, &entry, f->letter, &octets,
	                      err) &&
	       add_id(f, f->reread, err);
}

static bool
retry_one(struct feeding *f, struct retry *retry, const struct sled_hit *hit,
          struct sled_err *err)
{
	const struct sled_sys *sys = NULL;
	bool ok;

	retry->found = false;
	if (!sled_index_message(f->index, hit, keep_message, retry, err))
		return false;
	if (!retry->found)
		return true;
	ok = sled_letter_new(&f->letter,
	                     sled_store_state(f->index->store, &sys), err) &&
	     add_found(f, retry, hit->id, err);
	sled_letter_free(&f->letter);
	return ok;
}

static bool
retry_all(struct feeding *f, struct sled_err *err)
{
	struct retry *retry = calloc(1, sizeof(*retry));
	bool ok;

	if (retry == NULL)
		return sled_fail_sys(err, ENOMEM, "messages");
	ok = list_unread(f, retry, err);
	for (size_t i = 0; ok && i < retry->len; i++)
		if (!is_time(f, sled_clock_ms(), INT64_MAX))
			ok = retry_one(f, retry, &retry->hits[i], err);
	free(retry);
	return ok;
}

static bool
retry_unread(struct feeding *f, struct sled_err *err)
{
	int64_t unread = 0;

	if (!sled_index_number(f->index, "SELECT count(*) FROM unread", &unread,
	                       err))
		return false;
	if (unread == 0)
		return true;
	if (!sled_index_begin(f->index, &f->feed->busy, err))
		return false;
	return f->feed->busy ||
	       sled_index_end(f->index, retry_all(f, err), err);
}

/* ---- room that merges left ---- */

/* In small steps: each is a transaction, and may be the last one. */
static bool
give_back_room(struct feeding *f, struct sled_err *err)
{
	int64_t pages = 0, unused = 0;

	do {
		if (!sled_index_number(f->index, "PRAGMA page_count", &pages,
		                       err) ||
		    !sled_index_number(f->index, "PRAGMA freelist_count",
		                       &unused, err))
			return false;
		if (unused <= UNUSED_LEAST || unused < pages / 20)
			return true;
		if (!sled_index_run(f->index, "PRAGMA incremental_vacuum(500)",
		                    err))
			return false;
	} while (!is_time(f, sled_clock_ms(), INT64_MAX));
	return true;
}

/* ---- all ---- */

static bool
prepare(struct feeding *f, struct sled_err *err)
{
	struct sled_index *index = f->index;

	return sled_entry_prepare(index, &f->text, err) &&
	       sled_index_prepare(index,
	                          "INSERT INTO doc VALUES (?1, ?2, ?3, ?4)",
	                          &f->doc, err) &&
	       sled_index_prepare(index,
	                          "UPDATE label SET done = ?1, upto = ?2,"
	                          " in_received = ?3, in_number = ?4"
	                          " WHERE id = ?5",
	                          &f->label, err) &&
	       sled_index_prepare(index, "INSERT INTO late VALUES (?1, ?2)",
	                          &f->late, err) &&
	       sled_index_prepare(index, "INSERT INTO run VALUES (?1)", &f->run,
	                          err) &&
	       sled_index_prepare(index, "INSERT INTO unread VALUES (?1)",
	                          &f->unread, err) &&
	       sled_index_prepare(index, "DELETE FROM unread WHERE id = ?1",
	                          &f->reread, err);
}

static bool
run_batches(struct feeding *f, struct sled_err *err)
{
	bool over = false;

	while (!over) {
		if (!sled_index_begin(f->index, &f->feed->busy, err))
			return false;
		if (f->feed->busy)
			return true;
		if (!sled_index_end(f->index,
		                    find_place(f, true, err) &&
		                        add_batch(f, &over, err),
		                    err))
			return false;
	}
	return true;
}

static void
free_feeding(struct feeding *f)
{
	for (size_t i = 0; i < f->len; i++)
		sled_stream_drop(&f->streams[i]);
	free(f->streams);
	(void)sqlite3_finalize(f->text);
	(void)sqlite3_finalize(f->doc);
	(void)sqlite3_finalize(f->label);
	(void)sqlite3_finalize(f->late);
	(void)sqlite3_finalize(f->run);
	(void)sqlite3_finalize(f->unread);
	(void)sqlite3_finalize(f->reread);
}

bool
sled_index_feed(struct sled_index *index, struct sled_feed *feed,
                sled_feed_fn *each, void *ctx, struct sled_err *err)
{
	struct feeding f = { .index = index,
		             .feed = feed,
		             .each = each,
		             .ctx = ctx,
		             .changes = -1 };
	struct joining joining = { &f, 0 };
	bool ok;

	if (feed->ms > 0)
		f.end_ms = sled_clock_ms() + (int64_t)feed->ms;
	ok = (!feed->thorough || sled_index_to_write(index, err)) &&
	     sled_ledger_labels(sled_store_ledger(index->store), false,
	                        note_label, &joining, err) &&
	     find_place(&f, false, err) &&
	     (!feed->thorough || check_order(&f, err));
	f.total = count_missing(&f);
	if (ok && (f.total > 0 || feed->thorough)) {
		f.changes = -1;
		ok = sled_index_to_write(index, err) && prepare(&f, err) &&
		     (f.total == 0 || run_batches(&f, err)) &&
		     (!feed->thorough || retry_unread(&f, err));
	}
	ok = ok && (!feed->thorough || feed->busy || give_back_room(&f, err));
	feed->missing = count_missing(&f);
	free_feeding(&f);
	return ok;
}
