/* behind.c - the way on behind damage in a volume; see mailsled/archive.h. */
#include <string.h>

#include "mailsled/archive.h"

#define CHUNK  65536
#define PREFIX (SLED_MEMBER_HEAD - 8) /* of a header: all but the length */

/* The first header's beginning in CHUNK, or LEN. */
static size_t
find_prefix(const uint8_t *chunk, size_t len)
{
	uint8_t head[SLED_MEMBER_HEAD];
	const uint8_t *found;

	sled_member_header(head, 0);
	found = memmem(chunk, len, head, PREFIX);
	return found == NULL ? len : (size_t)(found - chunk);
}

bool
sled_member_next(const struct sled_source *source, uint64_t at, uint64_t *out,
                 struct sled_err *err)
{
	uint8_t chunk[CHUNK];

	*out = source->size;
	while (at < source->size) {
		size_t got = 0, found;

		if (!source->read(source->ctx, chunk, sizeof(chunk), at, &got,
		                  err))
			return false;
		found = find_prefix(chunk, got);
		if (found < got) {
			*out = at + found;
			return true;
		}
		if (got < PREFIX)
			return true;
		at += got - (PREFIX - 1); /* one may lie across the end */
	}
	return true;
}

/* Its own header may lead on; it is believed when it leads to another one, or
 * to the end. */
bool
sled_member_behind(const struct sled_source *source, uint64_t at, uint64_t *out,
                   struct sled_err *err)
{
	struct sled_err why = { 0 };
	uint64_t length = 0, next = 0;
	bool whole = false, ignored = false;

	if (sled_member_peek(source, at, &length, &whole, &why) && whole) {
		*out = at + length;
		if (*out == source->size ||
		    sled_member_peek(source, *out, &next, &ignored, &why))
			return true;
	}
	return sled_member_next(source, at + 1, out, err);
}
