/* fuzz_lmtp.c - any bytes as an LMTP server's reply: refused, waited for, or
 * one with a code, whose text may be shown. */
#include <stdlib.h>
#include <string.h>

#include "deliver/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sled_span in = { (const char *)data, size };

	while (in.len > 0) {
		struct sled_reply reply;
		struct sled_err err = { 0 };
		size_t used = 0;

		if (!sled_reply_take(&reply, in, &used, &err)) {
			must(err.kind == SLED_ERR_PROTO);
			return 0;
		}
		must(used <= in.len);
		if (used == 0)
			return 0;
		must(reply.code >= 200 && reply.code < 600);
		for (const char *at = reply.text; *at != '\0'; at++)
			must((unsigned char)*at >= 0x20 && *at != 0x7f);
		in.data += used;
		in.len -= used;
	}
	return 0;
}
