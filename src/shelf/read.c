/* read.c - the messages of one file, each proved by its receipt, and what does
 * not hold; see mailsled/shelf.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "shelf/shelf.h"

struct reading {
	const struct sled_shelf_file *file;
	const struct sled_shelf_reader *reader;
	/* The receipts of the member at hand, and which were given out. */
	struct sled_receipt *receipts;
	bool *given;
	size_t len, cap;
	bool begun;          /* a message was, and has not ended */
	bool wanted;         /* that message is */
	bool refused;        /* by the reader: it is no damage */
	struct sled_err why; /* then */
};

/* What the reader said is not about this file. */
static bool
heed(struct reading *r, bool taken, const struct sled_err *why)
{
	r->refused = !taken;
	if (r->refused)
		r->why = *why;
	return taken;
}

static bool
on_receipt(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct reading *r = ctx;
	size_t cap = r->cap == 0 ? 64 : r->cap * 2;

	if (receipt->flags & SLED_RECEIPT_GONE)
		return true;
	if (r->len == r->cap) {
		struct sled_receipt *receipts =
		    reallocarray(r->receipts, cap, sizeof(*receipts));
		bool *given;

		if (receipts == NULL)
			return sled_fail_sys(err, ENOMEM, "receipts");
		r->receipts = receipts;
		given = reallocarray(r->given, cap, sizeof(*given));
		if (given == NULL)
			return sled_fail_sys(err, ENOMEM, "receipts");
		r->given = given;
		r->cap = cap;
	}
	r->given[r->len] = false;
	r->receipts[r->len++] = *receipt;
	return true;
}

static bool
on_begin(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
         struct sled_err *err)
{
	struct reading *r = ctx;

	(void)tar_at;
	r->wanted = false;
	r->begun =
	    heed(r, r->reader->begin(r->reader->ctx, receipt, &r->wanted, err),
	         err) &&
	    r->wanted;
	return !r->refused;
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct reading *r = ctx;

	return heed(
	    r, !r->wanted || r->reader->data(r->reader->ctx, data, len, err),
	    err);
}

/* In the order of the receipts, as a rule. */
static void
note_given(struct reading *r, const struct sled_receipt *receipt)
{
	for (size_t i = 0; i < r->len; i++)
		if (!r->given[i] &&
		    strcmp(r->receipts[i].entry, receipt->entry) == 0) {
			r->given[i] = true;
			return;
		}
}

static bool
on_end(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct reading *r = ctx;

	note_given(r, receipt);
	r->begun = false;
	return heed(
	    r, !r->wanted || r->reader->end(r->reader->ctx, receipt, err), err);
}

/* Those that were not given out come first. */
static size_t
keep_lost(struct reading *r)
{
	size_t lost = 0;

	for (size_t i = 0; i < r->len; i++)
		if (!r->given[i])
			r->receipts[lost++] = r->receipts[i];
	return lost;
}

/* Damage at AT: where it ends, what is lost by it. */
static bool
tell_fault(struct reading *r, const struct sled_source *source, uint64_t at,
           uint64_t *next, const struct sled_err *why, struct sled_err *err)
{
	struct sled_err ignored = { 0 };
	struct sled_shelf_fault fault = { .at = at, .text = why->text };

	if (r->begun && !r->reader->drop(r->reader->ctx, err))
		return false;
	r->begun = false;
	/* A disk that does not answer here may do so farther on, but where? */
	if (!sled_member_behind(source, at, next, &ignored))
		*next = source->size;
	fault.octets = *next - at;
	fault.none = r->len == 0;
	fault.lost_len = keep_lost(r);
	fault.lost = r->receipts;
	return r->reader->fault(r->reader->ctx, &fault, err);
}

static bool
read_member(struct reading *r, const struct sled_source *source, uint64_t at,
            uint64_t *next, struct sled_err *err)
{
	const struct sled_member_visitor visitor = {
		r, NULL, on_receipt, on_begin, on_data, on_end,
	};
	struct sled_member_sum sum;
	struct sled_err why = { 0 };
	unsigned seq = 0;

	r->len = 0;
	r->begun = r->refused = false;
	if (sled_member_check(source, at, &visitor, &sum, &seq, &why)) {
		*next = at + sum.length;
		return true;
	}
	if (!r->refused && why.kind != SLED_ERR_NOMEM)
		return tell_fault(r, source, at, next, &why, err);
	*err = r->refused ? r->why : why;
	return false;
}

static bool
read_all(struct reading *r, const struct sled_source *source,
         struct sled_err *err)
{
	uint64_t at = 0, next = 0;
	bool ok = true;

	while (ok && at < source->size) {
		ok = read_member(r, source, at, &next, err);
		if (ok && r->reader->done != NULL)
			r->reader->done(r->reader->ctx, next - at);
		at = next;
	}
	return ok;
}

bool
sled_shelf_read(const struct sled_shelf *shelf,
                const struct sled_shelf_file *file,
                const struct sled_shelf_reader *reader, struct sled_err *err)
{
	struct reading r = { .file = file, .reader = reader };
	struct sled_shelf_source source;
	bool ok;

	if (!sled_shelf_source_open(&source, shelf->sys, file->path, err))
		return false;
	ok = read_all(&r, &source.source, err);
	sled_shelf_source_close(&source);
	free(r.receipts);
	free(r.given);
	return ok;
}
