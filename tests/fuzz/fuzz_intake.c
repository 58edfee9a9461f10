/* fuzz_intake.c - libFuzzer: any message, whole and in pieces, digests alike.
 * The first octet is the length of the pieces. */
#include <stdlib.h>
#include <string.h>

#include "mailsled/hash.h"
#include "mailsled/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

static bool
same_text(struct sled_span a, struct sled_span b)
{
	return a.len == b.len && a.len <= SLED_FIELD_MAX &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static struct sled_digest
digest(struct sled_intake *intake, struct sled_span message, size_t piece)
{
	struct sled_err err = { 0 };

	sled_intake_begin(intake);
	while (message.len > 0) {
		struct sled_span part = message;

		if (part.len > piece)
			part.len = piece;
		insist(sled_intake_feed(intake, part, &err));
		message.data += part.len;
		message.len -= part.len;
	}
	return sled_intake_end(intake);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sled_intake *one = NULL, *two = NULL;
	struct sled_digest a, b;
	struct sled_err err = { 0 };
	struct sled_span message;

	if (size == 0)
		return 0;
	insist(sled_intake_new(&one, &err) && sled_intake_new(&two, &err));
	message = (struct sled_span){ (const char *)data + 1, size - 1 };
	a = digest(one, message, size);
	b = digest(two, message, data[0] == 0 ? 1 : data[0]);
	insist(sled_hash_equal(&a.sha256, &b.sha256) &&
	       sled_hash_equal(&a.head_sha256, &b.head_sha256) &&
	       a.octets == b.octets && a.lines == b.lines &&
	       a.head_octets == b.head_octets && same_text(a.from, b.from) &&
	       same_text(a.subject, b.subject) && same_text(a.date, b.date));
	sled_intake_free(&one);
	sled_intake_free(&two);
	return 0;
}
