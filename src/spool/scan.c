/*
 * scan.c - find the whole records of a spool; see mailsled/spool.h.
 *
 * Only headers say where the next record begins, and each must carry the
 * file's nonce, which no server has seen: bytes of a message are never taken
 * for a header, whatever they hold.
 */
#include <errno.h>
#include <stdlib.h>

#include "mailsled/hash.h"
#include "spool/spool.h"

struct scan {
	struct sled_spool *spool;
	struct sled_sha256 *sha;
	uint8_t *room;     /* SPOOL_GATHER bytes */
	uint64_t at, size; /* the record's header; the file's end */
	unsigned torn;
	struct sled_err why; /* the first record that could not be read */
	uint8_t head_bytes[SPOOL_HEAD];
	struct sled_spool_head head;
};

/* False when the disk does not answer; *good when the header at `at` holds and
 * its record ends inside the file. */
static bool
read_head(struct scan *scan, bool *good, struct sled_err *err)
{
	uint64_t left = scan->size - scan->at;

	*good = false;
	if (left < SPOOL_HEAD + SPOOL_TAIL)
		return true;
	if (!sled_spool_read(scan->spool, scan->head_bytes, SPOOL_HEAD,
	                     scan->at, err))
		return false;
	*good = sled_spool_head_unpack(&scan->head, scan->head_bytes) &&
	        scan->head.nonce == scan->spool->title.nonce &&
	        scan->head.octets <= left - SPOOL_HEAD - SPOOL_TAIL;
	return true;
}

/* The record's bytes, hashed anew. */
static bool
hash_bytes(struct scan *scan, struct sled_hash *out, struct sled_err *err)
{
	uint64_t at = scan->at + SPOOL_HEAD, left = scan->head.octets;

	while (left > 0) {
		size_t n = left < SPOOL_GATHER ? (size_t)left : SPOOL_GATHER;

		if (!sled_spool_read(scan->spool, scan->room, n, at, err)) {
			*out = sled_sha256_end(scan->sha);
			return false;
		}
		sled_sha256_add(scan->sha, scan->room, n);
		at += n;
		left -= n;
	}
	*out = sled_sha256_end(scan->sha);
	return true;
}

/* False when the disk does not answer; *whole is the judgement. */
static bool
judge(struct scan *scan, struct sled_record *out, bool *whole,
      struct sled_err *err)
{
	uint64_t octets = 0, at = scan->at + SPOOL_HEAD;
	struct sled_hash is, said;
	uint8_t tail[SPOOL_TAIL];

	if (!sled_spool_read(scan->spool, tail, sizeof(tail),
	                     at + scan->head.octets, err) ||
	    !hash_bytes(scan, &is, err))
		return false;
	*whole =
	    sled_spool_tail_unpack(&octets, &said, tail, scan->head_bytes) &&
	    octets == scan->head.octets && sled_hash_equal(&is, &said);
	sled_spool_record(out, &scan->head, at, &is);
	return true;
}

static void
note_unread(struct scan *scan, const struct sled_err *why)
{
	if (scan->why.kind == SLED_ERR_NONE)
		scan->why = *why;
}

/* One record whose header holds; false when EACH failed. */
static bool
take(struct scan *scan, sled_record_fn *each, void *ctx, struct sled_err *err)
{
	struct sled_err why = { 0 };
	struct sled_record record;
	bool whole = false;

	if (!judge(scan, &record, &whole, &why)) {
		note_unread(scan, &why);
		return true;
	}
	if (whole)
		return each(ctx, &record, err);
	scan->torn++;
	return true;
}

/* Nothing can be found behind a header that does not hold. */
static bool
walk(struct scan *scan, sled_record_fn *each, void *ctx, struct sled_err *err)
{
	while (scan->at < scan->size) {
		struct sled_err why = { 0 };
		bool good = false;

		if (!read_head(scan, &good, &why)) {
			note_unread(scan, &why);
			break;
		}
		if (!good) {
			scan->torn++;
			break;
		}
		if (!take(scan, each, ctx, err))
			return false;
		scan->at += SPOOL_HEAD + scan->head.octets + SPOOL_TAIL;
	}
	if (scan->why.kind == SLED_ERR_NONE)
		return true;
	*err = scan->why;
	return false;
}

bool
sled_spool_scan(struct sled_spool *spool, sled_record_fn *each, void *ctx,
                unsigned *torn, struct sled_err *err)
{
	struct scan scan = { .spool = spool, .at = SPOOL_FILE_HEAD };
	bool ok;

	*torn = 0;
	if (!sled_file_size(&spool->file, &scan.size, err) ||
	    !sled_sha256_new(&scan.sha, err))
		return false;
	scan.room = malloc(SPOOL_GATHER);
	ok = scan.room == NULL ? sled_fail_sys(err, ENOMEM, "scan spool")
	                       : walk(&scan, each, ctx, err);
	free(scan.room);
	sled_sha256_free(&scan.sha);
	*torn = scan.torn;
	return ok || sled_note(err, "scan spool");
}
