/* reply.h - an LMTP server's replies (RFC 2033; RFC 5321, section 4.2); private
 * to deliver. An engine: bytes in, a reply out. */
#ifndef DELIVER_REPLY_H
#define DELIVER_REPLY_H

#include "mailsled/buf.h"

#define SLED_REPLY_LINE  2048 /* octets of a line, at most */
#define SLED_REPLY_LINES 100

struct sled_reply {
	unsigned code;      /* 200 to 599 */
	char text[256];     /* of its last line, printable */
	bool eightbit;      /* a line is "8BITMIME" */
	bool has_size;      /* ... "SIZE" */
	uint64_t size_most; /* ... and what it says; 0: nothing */
};

/* Take the reply that IN begins with: *used octets, 0 when it is not whole yet.
 * PROTO when it is none, or has no end. */
SLED_CHECK bool sled_reply_take(struct sled_reply *out, struct sled_span in,
                                size_t *used, struct sled_err *err);

#endif
