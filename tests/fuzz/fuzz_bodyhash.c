/* fuzz_bodyhash.c - libFuzzer: any message, whole and in pieces: one outcome
 * and one domain. The first octet is the length of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "mailsled/bodyhash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

static struct sled_bodyhash_found
find_in(struct sled_bodyhash *body, struct sled_span message, size_t piece)
{
	sled_bodyhash_begin(body);
	while (message.len > 0) {
		struct sled_span part = message;

		if (part.len > piece)
			part.len = piece;
		sled_bodyhash_feed(body, part);
		message.data += part.len;
		message.len -= part.len;
	}
	return sled_bodyhash_end(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sled_bodyhash *one = NULL, *two = NULL;
	struct sled_bodyhash_found a, b;
	struct sled_err err = { 0 };
	struct sled_span message;

	if (size == 0)
		return 0;
	insist(sled_bodyhash_new(&one, &err) && sled_bodyhash_new(&two, &err));
	message = (struct sled_span){ (const char *)data + 1, size - 1 };
	a = find_in(one, message, size);
	b = find_in(two, message, data[0] == 0 ? 1 : data[0]);
	insist(a.outcome == b.outcome && strcmp(a.domain, b.domain) == 0 &&
	       strlen(a.domain) < SLED_BODYHASH_DOMAIN);
	for (const char *at = a.domain; *at != '\0'; at++)
		insist((unsigned char)*at >= ' ' && *at != 0x7f);
	sled_bodyhash_free(&one);
	sled_bodyhash_free(&two);
	return 0;
}
