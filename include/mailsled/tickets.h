/*
 * tickets.h - TLS session tickets between visits: each is used once.
 *
 * Contract
 *   A ticket is a file of its own in STATE/tickets (0700), 0600, named
 *   ACCOUNT-SEQUENCE.ticket (16 hex digits; the highest is the newest). The
 *   ticket's bytes are opaque here. The BINDING is a text made by the caller
 *   of all that the ticket depends on: server, port, user, whom is believed;
 *   only its SHA-256 is kept.
 *   A lost ticket costs one full handshake, so nothing is synced, and each
 *   failure here is one to note and go on from. One caller an account at a
 *   time (the store's lock); should there be two, unlinking gives a ticket to
 *   one of them.
 *   Only names of the above shape are read or removed, and NAME.tmp of them.
 *   A ticket holds a secret: wipe the buffers that had it. What is expired,
 *   damaged, bound otherwise, open to others or not a plain file is unlinked.
 *
 *   Crash states
 *     take  file there           next time it is taken; it was never used
 *           unlinked             it is lost; the next handshake is full
 *     keep  NAME.tmp, any length removed by the next call for this account
 *           renamed              there, or after a power cut damaged or lost
 *   The instant of use is the unlink: take() gives out nothing before it. A
 *   power cut may undo an unlink that the disk has not seen; then a ticket is
 *   offered twice, which lets an observer link two visits, and no more than
 *   that: nothing is ever sent as early data.
 *
 *   Errors: IO and the like by errno; INTERNAL when the account is no label
 *   or the ticket too large. Nothing in OUT after a failure.
 */
#ifndef MAILSLED_TICKETS_H
#define MAILSLED_TICKETS_H

#include <stdbool.h>
#include <stdint.h>

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/sys.h"
#include "mailsled/types.h"

#define SLED_TICKETS_DIR  "tickets"
#define SLED_TICKETS_KEEP 4               /* of one account */
#define SLED_TICKETS_MAX  16384           /* bytes of a ticket */
#define SLED_TICKETS_LIFE INT64_C(604800) /* s, a week; none lasts longer */

/* Whose tickets, and where. All is borrowed. */
struct sled_tickets {
	const struct sled_sys *sys;
	int state;           /* the folder in which "tickets" is */
	const char *account; /* a label: [a-z0-9][a-z0-9._-]{0,23} */
	const char *binding; /* not used by drop() */
	int64_t now;         /* s since 1970; not used by drop() */
};

/* The newest ticket that is good, unlinked and added to OUT; or *found is
 * false, as it is where there is no folder. */
SLED_CHECK bool sled_tickets_take(const struct sled_tickets *whose,
                                  struct sled_buf *out, bool *found,
                                  struct sled_err *err);
/* Keep TICKET until ENDS (s since 1970); the oldest beyond SLED_TICKETS_KEEP
 * go. One that has ended already is not kept: that is no error. */
SLED_CHECK bool sled_tickets_keep(const struct sled_tickets *whose,
                                  struct sled_span ticket, int64_t ends,
                                  struct sled_err *err);
/* Remove all of the account. */
SLED_CHECK bool sled_tickets_drop(const struct sled_tickets *whose,
                                  struct sled_err *err);

#endif
