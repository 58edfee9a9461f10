/*
 * fx_stops.h - an operation on a store, stopped before each of its system calls
 * in turn and run again: the same result as when nobody stopped it.
 *
 * Contract
 *   What is in TMP of the store's fixture, closed, is where the operation
 *   begins. RUN opens the store through w->fx, works, and closes it; false (and
 *   the story in w->err) when that did not end as it must. It runs in this
 *   process and in children that are killed, so it may not assert.
 *
 *   fx_stops_run() runs it whole, and once more: that changes nothing. Then for
 *   n = 1, 2, 3 ...: TMP as it was; a child runs it and is killed instead of
 *   its nth call; it is run again, and must end with every file and every
 *   answer of the ledger as without the kill; a further run changes nothing.
 *   The same with a kill in the middle of the nth pwrite. It ends when a child
 *   comes through, tells how many stops it made, and returns that number:
 *   assert that there were enough. TMP is left as the last run left it.
 *
 *   Compared are: of each file below TMP its name, kind, mode and SHA-256; of
 *   the journals the set of lines, less their times; of the ledger all that
 *   does not come from a clock. Not compared are the ledger's own bytes and the
 *   old ones in quarantine.
 */
#ifndef FX_STOPS_H
#define FX_STOPS_H

#include "fx_store.h"

struct fx_stops {
	const char *name; /* of the operation, as it is told */
	bool (*run)(struct fx_store *w);
	/* Stop at each STEPth call only; at each with CHECK_ALL in the
	 * environment. 0 counts as 1. */
	unsigned step;
	/* Two runs write different bytes (a spool record's id is in the
	 * receipts): volumes are compared by the messages that tar takes out of
	 * a place's, and the ledger by its messages alone. */
	bool loose;
	/* More to be held, after each run that was not killed; may be NULL. */
	void (*check)(struct fx_store *w);
	/* Compare this alone: what a shell command in TMP prints. May be NULL. */
	const char *only;
};

unsigned fx_stops_run(struct fx_store *w, const struct fx_stops *stops);

/* A call that fails. */
struct fx_fault {
	enum fx_call call;
	int errnum;
	unsigned step; /* as above */
};

/* The same with the Nth call of a kind failing in the first run, for each of
 * FAULTS: that run may fail, the next one must not. How many faults it were. */
unsigned fx_stops_fail(struct fx_store *w, const struct fx_stops *stops,
                       const struct fx_fault *faults, size_t len);

/* ---- for what is compared by hand ---- */

/* An attempt that may end in any way, and what must hold behind it. */
struct fx_attempt {
	void *ctx;
	void (*again)(void *ctx); /* TMP as it was */
	void (*attempt)(void *ctx);
	void (*check)(void *ctx, unsigned n);
};

/* A child is killed before its Nth call, n = 1, 1 + STEP ...; how many were. */
unsigned fx_attempt_kill(struct fx_store *w, const struct fx_attempt *attempt,
                         unsigned step);
unsigned fx_attempt_fail(struct fx_store *w, const struct fx_attempt *attempt,
                         const struct fx_fault *faults, size_t len);

/* All that is compared, as lines of text; freed by the caller. */
struct sled_buf fx_stops_state(struct fx_store *w, bool loose);

#endif
