/*
 * bodyhash.h - is a message's body still the one that was signed? The body hash
 * of its DKIM-Signature fields (RFC 6376): no key and no link is needed for it.
 *
 * An engine: bytes in, one answer out; no descriptor, no clock. HOLDS says that
 * the body is what the field's bh= was made of. It does not say who made it:
 * the signature itself (b=), which only the signer's key can prove, is not
 * looked at. OTHER is no fault either: lists add footers, filters add notes.
 *
 * The header block ends with the first empty line; there a line ends with LF,
 * with or without CR before it, as in intake.h. In the body only CRLF ends a
 * line, as RFC 6376 says: a lone CR or LF is an octet like others.
 * Body canonicalization: section 3.4.3 (simple) and 3.4.4 (relaxed); an l=
 * beyond the body's end limits nothing. One pass, and the same memory for any
 * message: trailing empty lines wait as a number.
 * A field can be judged when it is a tag-list as of section 3.2, of at most
 * SLED_BODYHASH_FIELD octets (a CR at its end among them) and SLED_BODYHASH_TAGS
 * tags, has v=1, a= rsa-sha256 or ed25519-sha256, bh= of 32 octets, d= and h=,
 * and where there are c= and l=, such as section 3.5 knows. The first
 * SLED_BODYHASH_MAX fields are looked at.
 */
#ifndef MAILSLED_BODYHASH_H
#define MAILSLED_BODYHASH_H

#include "mailsled/err.h"
#include "mailsled/types.h"

#define SLED_BODYHASH_MAX    8
#define SLED_BODYHASH_FIELD  8192
#define SLED_BODYHASH_TAGS   32
#define SLED_BODYHASH_DOMAIN 128

enum sled_bodyhash_outcome {
	SLED_BODYHASH_NONE,    /* no DKIM-Signature field */
	SLED_BODYHASH_HOLDS,   /* a field's hash is that of the body */
	SLED_BODYHASH_OTHER,   /* those that can be judged have another one */
	SLED_BODYHASH_UNKNOWN, /* none can be judged */
};

struct sled_bodyhash_found {
	enum sled_bodyhash_outcome outcome;
	/* d= of the first field with this outcome, printable, clipped; "" where
	 * there is none. Borrowed until the next begin or free. */
	const char *domain;
};

struct sled_bodyhash; /* opaque; about 14 KiB, reused for message after message;
                         more when a message is signed */

SLED_CHECK bool sled_bodyhash_new(struct sled_bodyhash **out,
                                  struct sled_err *err);
void sled_bodyhash_free(struct sled_bodyhash **body);
/* Drops what was fed and not ended. */
void sled_bodyhash_begin(struct sled_bodyhash *body);
/* Any pieces of the message, cut anywhere. Never fails: where there is no
 * memory for a hash, its field cannot be judged. */
void sled_bodyhash_feed(struct sled_bodyhash *body, struct sled_span bytes);
/* Once; then begin() is due. */
struct sled_bodyhash_found sled_bodyhash_end(struct sled_bodyhash *body);

#endif
