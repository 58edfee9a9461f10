/* tally.c - see mailsled/tally.h. */
#include "mailsled/tally.h"

#include <stdlib.h>
#include <string.h>

#define KEY   12
#define FIRST 256 /* slots of the first table */

/* 16 bytes. A slot is taken for good once its hash was counted. */
struct sled_tally_slot {
	uint8_t key[KEY];
	uint32_t times; /* and TAKEN */
};

#define TAKEN 0x80000000U

/* Where the hash is, or where it would be: of a SHA-256 any bytes will do. */
static struct sled_tally_slot *
slot_of(struct sled_tally_slot *slots, size_t cap, const uint8_t *key)
{
	size_t at = 0;

	memcpy(&at, key, sizeof(at));
	at &= cap - 1;
	while (slots[at].times != 0 && memcmp(slots[at].key, key, KEY) != 0)
		at = (at + 1) & (cap - 1);
	return &slots[at];
}

static bool
grow(struct sled_tally *tally, struct sled_err *err)
{
	size_t cap = tally->cap == 0 ? FIRST : tally->cap * 2;
	struct sled_tally_slot *slots = calloc(cap, sizeof(*slots));

	if (slots == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "hashes");
	for (size_t i = 0; i < tally->cap; i++)
		if (tally->slots[i].times != 0)
			*slot_of(slots, cap, tally->slots[i].key) =
			    tally->slots[i];
	free(tally->slots);
	tally->slots = slots;
	tally->cap = cap;
	return true;
}

bool
sled_tally_count(struct sled_tally *tally, const struct sled_hash *hash,
                 uint32_t *times, struct sled_err *err)
{
	struct sled_tally_slot *slot;

	if (4 * (tally->len + 1) > 3 * tally->cap && !grow(tally, err))
		return false;
	slot = slot_of(tally->slots, tally->cap, hash->b);
	if (slot->times == 0) {
		memcpy(slot->key, hash->b, KEY);
		slot->times = TAKEN;
		tally->len++;
	}
	*times = ++slot->times & ~TAKEN;
	return true;
}

void
sled_tally_back(struct sled_tally *tally, const struct sled_hash *hash)
{
	struct sled_tally_slot *slot;

	if (tally->cap == 0)
		return;
	slot = slot_of(tally->slots, tally->cap, hash->b);
	if ((slot->times & ~TAKEN) > 0)
		slot->times--;
}

bool
sled_tally_met(const struct sled_tally *tally, const struct sled_hash *hash)
{
	return tally->cap > 0 &&
	       (slot_of(tally->slots, tally->cap, hash->b)->times & ~TAKEN) > 0;
}

void
sled_tally_free(struct sled_tally *tally)
{
	free(tally->slots);
	*tally = (struct sled_tally){ 0 };
}
