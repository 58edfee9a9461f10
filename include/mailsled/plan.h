/*
 * plan.h - what to fetch in the time there is: LINK.md's planner.
 *
 * Contract
 *   Values in, values out: no clock, no descriptor. One plan is one window of
 *   one link; all accounts that share it have a lane each. Times are ms since
 *   the plan was made. What is wanted comes first, then the smallest, over all
 *   lanes; a message is begun only when it, and every smaller one of any lane
 *   that is still to come, ends in time and within the budget at the slow end
 *   of the measured rate, with time kept back for the last commit, DELE and
 *   QUIT. Nothing blocks: a lane whose next message does not fit is told so,
 *   never to wait for another lane. A lane that was not heard of for
 *   5 s + 8 RTT (no next(), came() or landed()) while others were holds no time
 *   back for what it has not begun.
 *   What was said to be begun counts until it landed. Each call takes
 *   O(lanes * log n), whenever a message was offered. Single-threaded.
 *
 * Figures
 *   On the line a message of n octets takes n + n/32 + 60 (CRs that a server
 *   does not count, dots, TLS, status line); on the bill that and a 16th more
 *   (IP, acknowledgements): 1.096 n + 64; or, when the mail that has come took
 *   more (packets that came again), as much as it took and a 32nd. A DELE: 14
 *   octets up, 28 down.
 *   The end of the use: the learned commit (500 ms when not known), an RTT
 *   (500 ms when not known), the DELEs.
 */
#ifndef MAILSLED_PLAN_H
#define MAILSLED_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailsled/err.h"

#define SLED_PLAN_NO_END UINT64_MAX

struct sled_plan; /* opaque */

/* What the link carries. Octets a second of mail; 0: not known, then nothing
 * is refused for time. LOW is the slow end of what was measured. */
struct sled_plan_rate {
	uint64_t down, low, up;
	uint32_t rtt_ms;
};

/* Would a use of BYTES and MS in all stay within the budget? */
typedef bool sled_plan_fits_fn(void *ctx, uint64_t bytes, uint64_t ms);

struct sled_plan_conf {
	uint64_t window_ms; /* the line surely closes then; or NO_END */
	/* Learned: the line was seen to be cut so late; NO_END: never; 0: that
	 * is past already. What is safe by then is deleted by then (SECURE). */
	uint64_t usual_ms;
	/* How long such a window is from its beginning, which may lie before
	 * the plan's; 0: as usual_ms. What needs more than this alone (with 6
	 * RTT for connecting) is HOPELESS. A window that could not carry 4 KiB
	 * teaches nothing: then neither counts. */
	uint64_t whole_ms;
	/* The line was cut so late in its last windows, but later before them;
	 * 0 or NO_END: not so. What was begun is deleted by then; what needs
	 * longer comes behind that. */
	uint64_t lately_ms;
	/* STRANGE: nothing is known of how long this line lasts, but that it
	 * lived so long once (0: not even that). */
	bool strange;
	uint64_t lived_ms;
	uint64_t tail_ms; /* the last commit, learned; 0: not known */
	struct sled_plan_rate rate;
	sled_plan_fits_fn *fits; /* NULL: no budget */
	void *fits_ctx;
};

SLED_CHECK bool sled_plan_new(struct sled_plan **out,
                              const struct sled_plan_conf *conf,
                              struct sled_err *err);
void sled_plan_free(struct sled_plan **freeing);

/* The rate moved. */
void sled_plan_measured(struct sled_plan *plan,
                        const struct sled_plan_rate *rate);
/* Octets both ways, of all lanes and all connections since the plan began. */
void sled_plan_spent(struct sled_plan *plan, uint64_t wire);

enum sled_plan_rank {
	/* A person asked for it. Even when HOPELESS: then last, when nothing
	 * else in any lane can begin, so that it does not take each window from
	 * the mail that fits. Never when it cannot end in window_ms. */
	SLED_PLAN_WANTED,
	SLED_PLAN_PLAIN,
};

/* A lane: one account. join() makes one. offer() may come at any time: what
 * is offered late takes its place in the order. KEY is the lane's own and is
 * offered once (INTERNAL). leave() takes back all of a lane that has not
 * landed; its keys are free again, for a new listing. */
SLED_CHECK bool sled_plan_join(struct sled_plan *plan, unsigned *lane,
                               struct sled_err *err);
SLED_CHECK bool sled_plan_offer(struct sled_plan *plan, unsigned lane,
                                uint32_t key, uint64_t octets,
                                enum sled_plan_rank rank, struct sled_err *err);
void sled_plan_leave(struct sled_plan *plan, unsigned lane);

enum sled_plan_answer {
	SLED_PLAN_BEGIN, /* *key may be begun now */
	SLED_PLAN_EMPTY, /* the lane has nothing that was not begun */
	SLED_PLAN_TIME,  /* it would not end in the window */
	SLED_PLAN_BUDGET,
	SLED_PLAN_HOPELESS, /* longer than any window of this link was */
	SLED_PLAN_SECURE,   /* not before this lane was secured: see below */
};

/*
 * The lane's next. BEGIN counts it as begun. TIME, BUDGET and HOPELESS are of
 * now: ask again when something landed or the rate has moved. With a rate not
 * known TIME means that not even the end of the visit would fit. TIME and not
 * SECURE is said when a new connection would bring nothing either; the visit
 * then ends as it always does.
 */
enum sled_plan_answer sled_plan_next(struct sled_plan *plan, unsigned lane,
                                     uint64_t now_ms, uint32_t *key);
/* All of it came, or it was refused: it does not count any more. */
void sled_plan_landed(struct sled_plan *plan, unsigned lane, uint32_t key);
/* OCTETS of what the lane has begun came. */
void sled_plan_came(struct sled_plan *plan, unsigned lane, uint64_t octets);
/* BEGIN is taken back: it was not asked for after all, and is offered anew. */
void sled_plan_return(struct sled_plan *plan, unsigned lane, uint32_t key);
/* Why a key of the lane was not begun, at NOW: TIME, BUDGET, HOPELESS or
 * SECURE; EMPTY for one that was, or was never offered; BEGIN when nothing of
 * the plan stands against it. */
enum sled_plan_answer sled_plan_why(struct sled_plan *plan, unsigned lane,
                                    uint32_t key, uint64_t now_ms);

/*
 * Sub-sessions. The lane has UNSAFE messages that are stored but not yet
 * deleted. SECURE: save, DELE, QUIT; then tell secured(), connect again and go
 * on. It is said
 *   - when the next message would not end before usual_ms and a new connection
 *     would be there after it: the line may last longer this time. Later
 *     than usual_ms by a 16th (2 s at most) there is no soft end; what is
 *     HOPELESS stays so;
 *   - before a wanted message that is HOPELESS;
 *   - on long visits, 2 minutes after the last time at the earliest, when
 *     either holds, C being 4 RTT and 1.5 kB, a new connection's price:
 *       90 octets * UNSAFE >= C     a cut would make the next visit list (45)
 *                                   and delete (45) them: GEO (600 ms, 61
 *                                   kB/s) 1,640 messages, Certus 100 (700 ms,
 *                                   11 kB/s) 360, Iridium (2 s, 290 B/s) 43
 *       200 * C since the last time the user's risk (they fill the maildrop,
 *                                   and other programs see them again) for
 *                                   one 200th of the line's time: GEO 8 min,
 *                                   Certus 10, Iridium 44
 *     and what comes next would still end in window_ms;
 *   - when the next message would not end before lately_ms;
 *   - on a strange line, where a new connection with a new listing takes 2 s at
 *     most: so that what was begun in the first 7 s is deleted by then, and
 *     again each time that it has lived twice as long, until 2 minutes. Not
 *     when all that waits is likely to end before it has lived 5 times as
 *     long, nor once it was seen to live for 7 s in good order.
 * Never where the server has a LOGIN-DELAY (NO_SECURE).
 */
void sled_plan_pending(struct sled_plan *plan, unsigned lane, uint64_t unsafe);
void sled_plan_secured(struct sled_plan *plan, unsigned lane, uint64_t now_ms);
void sled_plan_no_secure(struct sled_plan *plan, unsigned lane);

/* How long a message of OCTETS takes at the slow end, with the answer's way;
 * 0: not known. */
uint64_t sled_plan_ms(const struct sled_plan *plan, uint64_t octets);
/* The time that is kept back behind the last octet, for DELES deletes. */
uint64_t sled_plan_tail_ms(const struct sled_plan *plan, uint64_t deles);

/*
 * How long a link's windows are, from its last visits, newest first.
 * ALIVE is how long the link had been up when the last octet of the visit
 * came; CUT whether the line was gone then. The longest that was cut in the
 * last 24 h, or a life that no cut ended between two of them if that is longer.
 * A visit that ended in good order says nothing of an end, but for one after
 * the last cut that lived longer than all of them: the line has changed.
 * NO_END when nothing speaks for an end: no cut in the last 24 h, one that was
 * outlived since, or a single one before 10 s, which may be an accident.
 */
struct sled_plan_life {
	int64_t began;
	uint64_t alive_ms;
	bool cut;
};

uint64_t sled_plan_usual(const struct sled_plan_life *lives, size_t len,
                         int64_t now);
/* How long they are now: the same, of the last two cuts and what came after
 * them. NO_END where that is no news. */
uint64_t sled_plan_lately(const struct sled_plan_life *lives, size_t len,
                          int64_t now);

#endif
