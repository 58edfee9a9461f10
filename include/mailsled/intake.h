/*
 * intake.h - what a message is: its hash, its size, its header block, and
 * whether its body is the one that was signed.
 *
 * An engine: bytes in, one digest out; no descriptor, no clock. Used while a
 * message arrives, when a TOP is held against a stored message, and when a
 * ledger is rebuilt from the archives.
 *
 * The header block is every line before the first empty one. head_sha256 is
 * the SHA-256 of that block without the fields that servers rewrite (Status,
 * X-Status, X-Keywords, X-UID, X-UIDL, X-IMAPbase, X-IMAP, Content-Length,
 * Lines, X-Expire-Timestamp; names without regard to case, continuation lines
 * with them), each line ended by CRLF. head_octets counts what was hashed: 0
 * proves nothing. `From ` lines of an mbox at the start are part of the block.
 * A line ends with LF, and a CR just before it is no part of it; any other CR
 * is. A block that ends with the message, without an empty line, is hashed as
 * if its last line had ended.
 * The body hash (bodyhash.h) of a TOP, which has not the whole body, tells
 * nothing.
 */
#ifndef MAILSLED_INTAKE_H
#define MAILSLED_INTAKE_H

#include "mailsled/bodyhash.h"
#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/types.h"

#define SLED_FIELD_MAX 998 /* octets kept of a header field's value */

struct sled_digest {
	struct sled_hash sha256;      /* of the exact bytes */
	struct sled_hash head_sha256; /* see above */
	uint64_t octets;              /* the exact bytes, CRLF lines */
	uint64_t lines;               /* CRLF pairs in them */
	uint64_t head_octets;
	/* Unfolded values of the first such field, as they came but without
	 * blanks around them, cut at SLED_FIELD_MAX; else empty.
	 * Borrowed from the intake until its next begin or free. */
	struct sled_span from, subject, date;
	struct sled_bodyhash_found body; /* .domain borrowed likewise */
};

struct sled_intake; /* opaque; about 20 KiB, reused for message after message */

SLED_CHECK bool sled_intake_new(struct sled_intake **out, struct sled_err *err);
void sled_intake_free(struct sled_intake **intake);
/* Drops what was fed and not ended. */
void sled_intake_begin(struct sled_intake *intake);
/* Any pieces of the message, cut anywhere; does not fail as it is today. */
SLED_CHECK bool sled_intake_feed(struct sled_intake *intake,
                                 struct sled_span bytes, struct sled_err *err);
struct sled_digest sled_intake_end(struct sled_intake *intake);

#endif
