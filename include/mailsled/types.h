/* types.h - the two values every module passes: bytes, and a SHA-256. */
#ifndef MAILSLED_TYPES_H
#define MAILSLED_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes; not terminated by a NUL. */
struct sled_span {
	const char *data;
	size_t len;
};

#define SLED_HASH_LEN 32
#define SLED_HASH_HEX 65 /* with the NUL */

struct sled_hash {
	uint8_t b[SLED_HASH_LEN];
};

#define SLED_UID_MAX 70 /* octets of a unique-id, RFC 1939 section 7 */

#endif
