/*
 * recall.h - today's listing from the remembered one, with few questions.
 *
 * Contract
 *   For mail that is left on the server. The client remembers uid and size of
 *   each message of its last visit, in the order of message-numbers. This
 *   planner says which numbers to ask with UIDL n and LIST n (RFC 1939,
 *   sections 5 and 7), and puts the listing together. It has no I/O, no clock
 *   and no memory of other visits. It takes for granted that a server keeps
 *   the order, that deletions take entries out and that new mail comes last;
 *   whatever it is told that does not fit ends in WHOLE: then the caller asks
 *   the plain UIDL and LIST, and nothing that was learned here counts.
 *
 *   Order of calls: new; next (the anchor: the remembered count) and send
 *   that with STAT; then feed stat, uid, size and refused as replies come, and
 *   call next whenever there is room on the wire, until verdict is not MORE.
 *   next gives 0 while the next questions hang on replies that are not there
 *   yet. Each number it gives is asked once by UIDL and then once by LIST: a
 *   number's uid must be fed before its size. WHOLE may be the verdict from
 *   the start: nothing usable is remembered, so that UIDL and LIST can leave
 *   with the login.
 *
 *   DONE promises: each of 1 to count has a uid and a size; no uid is there
 *   twice; new messages were all asked by number; what was not asked lies
 *   between two that were (or before the first one) and that stand as far
 *   apart as they did; with SUMS, the sizes make up STAT's octets. It cannot
 *   know of two messages that changed places between two probes, nor of one
 *   put there in place of another of its size. So a number is used in RETR,
 *   TOP or DELE only when confirmed() says that it was itself asked in this
 *   visit, and now and then the whole listing is asked.
 *
 *   Cost: a question is a number: 43 octets down and 22 up with uids of 16
 *   octets, where a message of the whole listing takes 33. Asked are at most
 *   1 + max(64, count / 2) numbers, and at most five rounds of probes, each
 *   awaited before the next; beyond that, or as soon as the whole listing looks
 *   cheaper, WHOLE. One block that went from 2,000, with 5 new: 43 questions in
 *   three flights after the first; each further gap about 10. Memory: 9 octets
 *   a message, and each new one; time: n log n. Want of memory after new()
 *   is WHOLE too. After WHOLE, replies still on their way may be fed: they
 *   change nothing.
 */
#ifndef SESSION_RECALL_H
#define SESSION_RECALL_H

#include "mailsled/err.h"
#include "mailsled/store.h"
#include "mailsled/types.h"

struct sled_recall; /* opaque */

enum sled_recall_verdict {
	SLED_RECALL_MORE,  /* ask what next() gives, or wait for replies */
	SLED_RECALL_DONE,  /* it adds up: fill() */
	SLED_RECALL_WHOLE, /* ask for the whole listing; this stays */
};

/* OLD is borrowed until free, and each item needs its uid and size (made by
 * sled_listing_uid() and _size()). SUMS: at the last whole listing STAT's
 * octets were the sum of LIST's. NOMEM. */
SLED_CHECK bool sled_recall_new(struct sled_recall **out,
                                const struct sled_listing *old, bool sums,
                                struct sled_err *err);
void sled_recall_free(struct sled_recall **recall);

/* Up to ROOM numbers to ask now, ascending; 0 when there are none for now. */
size_t sled_recall_next(struct sled_recall *r, uint32_t *numbers, size_t room);

void sled_recall_stat(struct sled_recall *r, uint32_t count, uint64_t octets);
void sled_recall_uid(struct sled_recall *r, uint32_t msg, struct sled_span uid);
void sled_recall_size(struct sled_recall *r, uint32_t msg, uint64_t size);
/* -ERR to UIDL MSG or to LIST MSG; once for each. */
void sled_recall_refused(struct sled_recall *r, uint32_t msg);
/* A reply that makes no sense, or STAT refused: WHOLE. */
void sled_recall_broken(struct sled_recall *r);

enum sled_recall_verdict sled_recall_verdict(const struct sled_recall *r);

/* After DONE: MSG must be asked itself (MORE until it was, then DONE again, or
 * WHOLE when it is another than was inferred). Nothing when it already was. */
void sled_recall_confirm(struct sled_recall *r, uint32_t msg);
/* Was MSG itself asked in this visit, and answered as the listing says? */
bool sled_recall_confirmed(const struct sled_recall *r, uint32_t msg);

/* At DONE: every uid and size into OUT, fresh from sled_listing_new() with the
 * count of STAT. NOMEM; INTERNAL when it is not DONE or OUT has another
 * length. */
SLED_CHECK bool sled_recall_fill(const struct sled_recall *r,
                                 struct sled_listing *out,
                                 struct sled_err *err);

#endif
