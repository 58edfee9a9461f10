/* claims.c - rows that a listed message was found to be: one message each. */
#include <stdlib.h>

#include "store/store.h"

bool
sled_claims_reserve(struct sled_claims *claims, size_t len,
                    struct sled_err *err)
{
	size_t cap = 64;

	while (cap / 2 < len)
		cap *= 2;
	sled_claims_free(claims);
	claims->rows = calloc(cap, sizeof(*claims->rows));
	if (claims->rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "listing");
	claims->cap = cap;
	return true;
}

/* Where ROW is, or where it would be. */
static size_t
slot_of(const struct sled_claims *claims, int64_t row)
{
	size_t at = (size_t)row * 0x9e3779b97f4a7c15U & (claims->cap - 1);

	while (claims->rows[at] != 0 && claims->rows[at] != row)
		at = (at + 1) & (claims->cap - 1);
	return at;
}

void
sled_claim(struct sled_claims *claims, int64_t row)
{
	claims->rows[slot_of(claims, row)] = row;
}

bool
sled_is_claimed(const struct sled_claims *claims, int64_t row)
{
	return claims->cap > 0 && claims->rows[slot_of(claims, row)] == row;
}

void
sled_claims_free(struct sled_claims *claims)
{
	free(claims->rows);
	*claims = (struct sled_claims){ 0 };
}
