/*
 * spool.h - the inbox of one visit to one maildrop: whole messages that are
 * not yet in an archive (STORE.md: c1).
 *
 * Contract
 *   One file a visit, appended by one thread; sync() and read() may be called
 *   by another at the same time. A record is header, bytes, trailer; it is
 *   whole once its trailer was written, and survives kill -9 from then on, a
 *   power cut once sync() returned true after it. The file is unlinked by
 *   finish(), only when every whole record is in the archives or done.
 *
 *   File, little endian: a header of 4096 bytes (magic, label, server, user,
 *   nonce, CRC), then records: 128 bytes (magic, nonce, number, listed size,
 *   received, octets, alone, unique-id, CRC) ‖ the bytes ‖ 48 bytes (magic, octets,
 *   SHA-256, CRC-32 of header and trailer). The header of a message that is
 *   too long for the gathering buffer says "octets open" until end() comes,
 *   and is closed before the trailer is written.
 *   The record id is NONCE-NUMBER: 16 hex digits, "-", decimal; a number is
 *   not given again after an abort.
 *   Torn: the file's end before the trailer, or a CRC or SHA-256 that does not
 *   hold; scanning goes on at nothing after a torn header. A message cannot
 *   forge a record: lengths come from headers alone, and a torn one ends it.
 */
#ifndef MAILSLED_SPOOL_H
#define MAILSLED_SPOOL_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/sys.h"
#include "mailsled/types.h"

#define SLED_LABEL_MAX  24
#define SLED_OWNER_MAX  1024 /* octets of a server's or a user's name */
#define SLED_RECORD_ID  40   /* room for a record id with its NUL */
#define SLED_SPOOL_NAME 64   /* room for the file's name with its NUL */

struct sled_spool; /* opaque */

/* Whose mail it is. Strings are borrowed by the call they are given to. */
struct sled_spool_owner {
	const char *label;  /* [a-z0-9][a-z0-9._-]{0,23}: part of a file name */
	const char *server; /* the maildrop is server and user, any bytes, */
	const char *user;   /* at most SLED_OWNER_MAX each */
};

/* One whole record. */
struct sled_record {
	char id[SLED_RECORD_ID];
	char uid[SLED_UID_MAX + 1]; /* unique-id, "" where there is none */
	uint64_t listed;            /* size from LIST */
	int64_t received;           /* wall time when its RETR was answered */
	bool alone;                 /* no other that was listed has its size */
	uint64_t at;                /* offset of its bytes in the file */
	uint64_t octets;
	struct sled_hash sha256;
};

/* A new file in the folder DIR (borrowed), named LABEL-NONCE.spool, its header
 * and its name durable. USAGE when the owner does not fit; after any failure
 * no file is left, unless even unlinking fails. */
SLED_CHECK bool sled_spool_create(struct sled_spool **out,
                                  const struct sled_sys *sys, int dir,
                                  const struct sled_spool_owner *owner,
                                  struct sled_err *err);

/* One message: begin, append any number of times, end; or abort, which cuts
 * the file back to where begin found it. Small writes are gathered (64 KiB);
 * all is written when end() returns. A failed write or sync is final for
 * begin, append and end; what was whole before stays whole and can be read.
 * After a failed append or end, abort still cuts. USAGE: UID is too long.
 * INTERNAL: called out of order, or the spool came from sled_spool_open().
 * abort with no message begun does nothing. */
SLED_CHECK bool sled_spool_begin(struct sled_spool *spool, const char *uid,
                                 uint64_t listed, int64_t received,
                                 struct sled_err *err);
/* Behind begin: no other message that is listed has its size. */
void sled_spool_alone(struct sled_spool *spool);
SLED_CHECK bool sled_spool_append(struct sled_spool *spool, const void *data,
                                  size_t len, struct sled_err *err);
SLED_CHECK bool sled_spool_end(struct sled_spool *spool,
                               const struct sled_hash *sha256,
                               struct sled_record *out, struct sled_err *err);
SLED_CHECK bool sled_spool_abort(struct sled_spool *spool,
                                 struct sled_err *err);

/* Any thread: all records ended before this call survive a power cut. Once it
 * failed it fails for good: the kernel may have dropped what it could not
 * write, and would answer "fine" the next time. */
SLED_CHECK bool sled_spool_sync(struct sled_spool *spool, struct sled_err *err);
/* Any thread: LEN bytes at AT of the file; DAMAGED when they are not there. */
SLED_CHECK bool sled_spool_read(struct sled_spool *spool, void *data,
                                size_t len, uint64_t at, struct sled_err *err);

/* Close and unlink, the folder synced. *SPOOL is freed and NULL on false too:
 * then the file may be there at the next start, its records done. */
SLED_CHECK bool sled_spool_finish(struct sled_spool **spool,
                                  struct sled_err *err);
/* Close and keep the file for the next start. NULL is fine. */
void sled_spool_close(struct sled_spool **spool);

/* Recovery: open NAME in DIR as another run left it; *owner is borrowed from
 * the spool. MISSING: no such file, or it ends before its header does: a
 * create() was cut, and nothing was in it (unlink it). DAMAGED: the header does
 * not hold, or is not the one of NAME. Read, sync, scan, finish and close only.
 */
SLED_CHECK bool sled_spool_open(struct sled_spool **out,
                                struct sled_spool_owner *owner,
                                const struct sled_sys *sys, int dir,
                                const char *name, struct sled_err *err);
/* Call EACH for every whole record, in order (its SHA-256 was computed anew);
 * *torn counts what was not whole, a message begun and not ended too. Stops
 * when EACH fails. A record that cannot be read is passed over, and the scan
 * fails with its error at the end: such a spool is not finished with. */
typedef bool sled_record_fn(void *ctx, const struct sled_record *record,
                            struct sled_err *err);
SLED_CHECK bool sled_spool_scan(struct sled_spool *spool, sled_record_fn *each,
                                void *ctx, unsigned *torn,
                                struct sled_err *err);

#endif
