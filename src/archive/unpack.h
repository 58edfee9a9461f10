/*
 * unpack.h - private to archive: one member, inflated piece by piece.
 *
 * Reads the source in order, once. The end is reported only when the stream
 * ended at the very last byte and CRC-32 and ISIZE held.
 */
#ifndef ARCHIVE_UNPACK_H
#define ARCHIVE_UNPACK_H

#include "mailsled/archive.h"

struct sled_unpack; /* opaque */

SLED_CHECK bool sled_unpack_open(struct sled_unpack **out,
                                 const struct sled_source *source, uint64_t at,
                                 struct sled_err *err);
void sled_unpack_free(struct sled_unpack **unpack);

/* The next 1 to MAX bytes, borrowed until the next call; none at the end. */
SLED_CHECK bool sled_unpack_take(struct sled_unpack *unpack, size_t max,
                                 struct sled_span *out, struct sled_err *err);
/* Exactly LEN bytes; DAMAGED when the end comes first. */
SLED_CHECK bool sled_unpack_exact(struct sled_unpack *unpack, uint8_t *out,
                                  size_t len, struct sled_err *err);
/* Octets taken so far. */
uint64_t sled_unpack_at(const struct sled_unpack *unpack);
/* What the member is; valid once the end was reported. */
struct sled_member_sum sled_unpack_sum(const struct sled_unpack *unpack);

/* LEN bytes at AT; DAMAGED when there are fewer. */
SLED_CHECK bool sled_source_exact(const struct sled_source *source, uint64_t at,
                                  void *out, size_t len, struct sled_err *err);

#endif
