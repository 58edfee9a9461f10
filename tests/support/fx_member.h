/* fx_member.h - for tests: whole members of given messages. */
#ifndef FX_MEMBER_H
#define FX_MEMBER_H

#include "mailsled/archive.h"

/* Where a member belongs. */
struct fx_member {
	const char *label, *volume;
	unsigned seq;   /* of its receipts */
	uint64_t first; /* number of its first message */
	bool info;      /* begins with VOLUME.txt */
};

#define FX_RECEIVED 1709210096 /* 2024-02-29T12:34:56Z; and a second each */

/* The receipt of message I of a member, whose bytes are MESSAGE. */
struct sled_receipt fx_receipt(const struct fx_member *member, size_t i,
                               struct sled_span message);
/* Add a member with COUNT messages to OUT, its length put in; a failure ends
 * the test. */
struct sled_member_sum fx_member_add(struct sled_buf *out,
                                     const struct fx_member *member,
                                     const struct sled_span *messages,
                                     size_t count);
/* Add an entry: VOLUME.txt, receipts or what a test makes up. */
void fx_entry_add(struct sled_member *member, const char *name,
                  struct sled_span data);
/* Put the header for LENGTH over what stands at AT. */
void fx_header_put(struct sled_buf *buf, size_t at, uint64_t length);

#endif
