/*
 * stream.c - an account's messages that the index lacks, in the order of the
 * time received: an import brings years of mail in no order at all.
 *
 * A window of the next messages by number is sorted. How far a window is in
 * stands in the index, so that whoever goes on sorts the same one again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reader/internal.h"

#define WINDOW_MOST   20000      /* messages that are sorted together */
#define HELD_MOST     (4u << 20) /* octets of letters that wait for their turn */
#define TOGETHER_MOST 1000       /* of one member that are read together */

/* ---- the window ---- */

void
sled_stream_drop(struct sled_stream *stream)
{
	for (size_t i = stream->at; i < stream->len; i++)
		sled_letter_free(&stream->rows[i].letter);
	free(stream->rows);
	stream->rows = NULL;
	stream->len = stream->cap = stream->at = 0;
	stream->held = 0;
	stream->read = false;
}

static bool
note_row(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct sled_stream *stream = ctx;
	size_t cap = stream->cap == 0 ? 64 : stream->cap * 2;
	struct sled_stream_row *more;

	if (stream->upto > stream->done && message->number > stream->upto)
		return true;
	if (stream->len == stream->cap) {
		more = reallocarray(stream->rows, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail_sys(err, ENOMEM, "messages");
		stream->rows = more;
		stream->cap = cap;
	}
	stream->rows[stream->len++] = (struct sled_stream_row){
		.number = message->number,
		.received = message->received,
		.member = message->member,
		.octets = message->octets,
	};
	return true;
}

static int
compare(int64_t received, uint64_t number, int64_t than, uint64_t than_number)
{
	if (received != than)
		return received < than ? -1 : 1;
	return number < than_number ? -1 : number > than_number;
}

static int
oldest_first(const void *a, const void *b)
{
	const struct sled_stream_row *left = a, *right = b;

	return compare(left->received, left->number, right->received,
	               right->number);
}

static bool
read_window(struct sled_stream *stream, struct sled_ledger *ledger,
            struct sled_err *err)
{
	const struct sled_message_mark mark = { stream->name, stream->done,
		                                WINDOW_MOST };
	const bool begun = stream->upto > stream->done;

	if (!sled_ledger_after(ledger, &mark, note_row, stream, err))
		return false;
	stream->read = true;
	if (!begun)
		stream->upto = stream->len == 0
		                   ? stream->last
		                   : stream->rows[stream->len - 1].number;
	if (stream->len > 1)
		qsort(stream->rows, stream->len, sizeof(*stream->rows),
		      oldest_first);
	while (begun && stream->at < stream->len &&
	       compare(stream->rows[stream->at].received,
	               stream->rows[stream->at].number, stream->in_received,
	               stream->in_number) <= 0)
		stream->at++;
	return true;
}

bool
sled_stream_fill(struct sled_stream *stream, struct sled_ledger *ledger,
                 struct sled_err *err)
{
	while (stream->at == stream->len) {
		if (stream->read)
			stream->done = stream->upto;
		sled_stream_drop(stream);
		if (stream->done >= stream->last)
			return true;
		if (!read_window(stream, ledger, err))
			return false;
	}
	return true;
}

void
sled_stream_next(struct sled_stream *stream)
{
	struct sled_stream_row *row = &stream->rows[stream->at++];

	if (row->letter != NULL)
		stream->held -= row->octets;
	sled_letter_free(&row->letter);
	stream->in_received = row->received;
	stream->in_number = row->number;
}

uint64_t
sled_stream_missing(const struct sled_stream *stream)
{
	uint64_t behind = stream->read ? stream->upto : stream->done;

	return (stream->last > behind ? stream->last - behind : 0) +
	       (stream->len - stream->at);
}

bool
sled_stream_older(const struct sled_stream *stream, size_t count, int64_t than)
{
	return stream->len - stream->at >= count &&
	       stream->rows[stream->at + count - 1].received < than;
}

/* ---- letters ---- */

struct loading {
	struct sled_stream *stream;
	struct sled_store *store;
	size_t wanted[TOGETHER_MOST];
	size_t len;
	struct sled_letter *letter; /* whose bytes are coming */
};

/* The next row, and others of its member as far as they may wait: each of COUNT
 * streams has its share of what may. */
static void
want_rows(struct loading *l, size_t count)
{
	struct sled_stream *stream = l->stream;
	const int64_t member = stream->rows[stream->at].member;
	uint64_t held = stream->held;

	for (size_t i = stream->at; i < stream->len && l->len < TOGETHER_MOST;
	     i++) {
		struct sled_stream_row *row = &stream->rows[i];

		if (row->member != member || row->loaded ||
		    (i > stream->at && held + row->octets > HELD_MOST / count))
			continue;
		held += row->octets;
		l->wanted[l->len++] = i;
	}
}

static void
drop_letter(struct sled_stream *stream, struct sled_stream_row *row)
{
	if (row->letter != NULL)
		stream->held -= row->octets;
	sled_letter_free(&row->letter);
}

static bool
begin_letter(void *ctx, uint64_t number, uint64_t octets, struct sled_err *err)
{
	struct loading *l = ctx;
	const struct sled_sys *sys = NULL;

	(void)octets;
	l->letter = NULL;
	for (size_t i = 0; i < l->len; i++) {
		struct sled_stream_row *row = &l->stream->rows[l->wanted[i]];

		if (row->number != number)
			continue;
		drop_letter(l->stream, row); /* of a place that failed */
		if (!sled_letter_new(&row->letter,
		                     sled_store_state(l->store, &sys), err))
			return false;
		l->stream->held += row->octets;
		l->letter = row->letter;
		return true;
	}
	return true;
}

static bool
add_bytes(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct loading *l = ctx;

	return l->letter == NULL || sled_letter_add(l->letter, data, len, err);
}

bool
sled_stream_load(struct sled_stream *stream, size_t count,
                 struct sled_store *store, struct sled_err *err)
{
	struct loading l = { .stream = stream, .store = store };
	const struct sled_member_reader reader = { &l, begin_letter,
		                                   add_bytes };
	struct sled_err why = { 0 };
	bool ok;

	if (stream->rows[stream->at].loaded)
		return true;
	want_rows(&l, count);
	ok = sled_store_read_member(store, stream->rows[stream->at].member,
	                            &reader, &why);
	if (!ok && why.kind == SLED_ERR_NOMEM) {
		*err = why;
		return false;
	}
	for (size_t i = 0; i < l.len; i++) {
		struct sled_stream_row *row = &stream->rows[l.wanted[i]];

		row->loaded = true;
		/* No place gives it now: told, and tried again another day. */
		if (!ok)
			drop_letter(stream, row);
	}
	return true;
}
