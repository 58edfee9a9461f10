/* hash.h - SHA-256, from OpenSSL. A context is used by one thread at a time. */
#ifndef MAILSLED_HASH_H
#define MAILSLED_HASH_H

#include "mailsled/err.h"
#include "mailsled/types.h"

struct sled_sha256; /* opaque */

SLED_CHECK bool sled_sha256_new(struct sled_sha256 **out, struct sled_err *err);
void sled_sha256_free(struct sled_sha256 **sha);
void sled_sha256_add(struct sled_sha256 *sha, const void *data, size_t len);
/* The hash of all that was added since new or the last end; starts anew. */
struct sled_hash sled_sha256_end(struct sled_sha256 *sha);

bool sled_hash_equal(const struct sled_hash *a, const struct sled_hash *b);
void sled_hash_hex(char out[SLED_HASH_HEX], const struct sled_hash *hash);

/* LEN bytes no one can guess, for ids and nonces. */
SLED_CHECK bool sled_hash_random(uint8_t *out, size_t len,
                                 struct sled_err *err);

#endif
