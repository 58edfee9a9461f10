/*
 * tally.h - how often each SHA-256 was met.
 *
 * A zeroed struct is an empty tally. 21 to 43 bytes a hash; a hash is told
 * from another by its first 12 bytes.
 */
#ifndef MAILSLED_TALLY_H
#define MAILSLED_TALLY_H

#include "mailsled/err.h"
#include "mailsled/types.h"

struct sled_tally {
	struct sled_tally_slot *slots; /* a hash table of CAP slots */
	size_t len, cap;
};

/* Count it once more; *times is 1 for the first. NOMEM. */
SLED_CHECK bool sled_tally_count(struct sled_tally *tally,
                                 const struct sled_hash *hash, uint32_t *times,
                                 struct sled_err *err);
/* Count it once less, as if the last call had not been. */
void sled_tally_back(struct sled_tally *tally, const struct sled_hash *hash);
bool sled_tally_met(const struct sled_tally *tally,
                    const struct sled_hash *hash);
void sled_tally_free(struct sled_tally *tally);

#endif
