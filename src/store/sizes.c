/* sizes.c - which listed sizes are those of more than one message. */
#include <stdlib.h>

#include "mailsled/store.h"

static int
by_size(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

void
sled_sizes_new(struct sled_sizes *out, const struct sled_listing *listing,
               bool (*of)(void *ctx, const struct sled_item *item), void *ctx)
{
	*out = (struct sled_sizes){ calloc(listing->len + 1, sizeof(uint64_t)),
		                    0 };
	for (size_t i = 0; out->list != NULL && i < listing->len; i++)
		if (of(ctx, &listing->items[i]))
			out->list[out->len++] = listing->items[i].size;
	if (out->list != NULL)
		qsort(out->list, out->len, sizeof(uint64_t), by_size);
}

unsigned
sled_sizes_count(const struct sled_sizes *sizes, uint64_t size)
{
	const uint64_t *at = sizes->list, *end;

	if (at == NULL)
		return 2;
	end = at + sizes->len;
	at = bsearch(&size, at, sizes->len, sizeof(size), by_size);
	if (at == NULL)
		return 0;
	return (at > sizes->list && at[-1] == size) ||
	               (at + 1 < end && at[1] == size)
	           ? 2
	           : 1;
}

void
sled_sizes_free(struct sled_sizes *sizes)
{
	free(sizes->list);
	*sizes = (struct sled_sizes){ 0 };
}
