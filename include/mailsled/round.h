/*
 * round.h - one use of a link: all accounts that may pass, one visit each (or
 * several, when a long one is secured in parts), one plan, one bill.
 *
 * Contract
 *   Runs on a loop; over() is called once, from it, whatever happened. The
 *   store is open to WRITE and outlives the round. An account that fails takes
 *   no time from the others. A row of the round and one of each visit are in
 *   the ledger, and a round that died counts with what was last known.
 */
#ifndef MAILSLED_ROUND_H
#define MAILSLED_ROUND_H

#include "mailsled/conf.h"
#include "mailsled/loop.h"
#include "mailsled/session.h"
#include "mailsled/store.h"
#include "mailsled/tariff.h"

struct sled_round; /* opaque */

/* How account INDEX of conf->accounts is doing, and what its visit came to:
 * once each, the sums of all its parts. */
typedef void sled_round_progress_fn(void *ctx, size_t index,
                                    const struct sled_visit_progress *now);
typedef void sled_round_done_fn(void *ctx, size_t index,
                                const struct sled_visit_result *result);

struct sled_round_result {
	enum sled_err_kind worst;
	struct sled_round_row row;
	bool budget_ended; /* something was left for the budget */
	bool window_ended;
	/* Nothing of ours answered: TLS by a stranger (captive portal or wrong
	 * network). No retry until the link changes. */
	bool portal;
	int64_t not_before; /* wall time: LOGIN-DELAY; or 0 */
};

typedef void sled_round_over_fn(void *ctx,
                                const struct sled_round_result *result);

/* Borrowed until the round is freed. */
struct sled_round_conf {
	const struct sled_conf *conf;
	const size_t *accounts; /* indices */
	size_t accounts_len;
	struct sled_store *store;
	const struct sled_sys *sys;
	const struct sled_conf_link *link; /* the profile; NULL: none */
	const char *path; /* the interface, where it is known; or NULL */
	bool bind;        /* leave by PATH, though the routes prefer another */
	int64_t up_ms;    /* how long it has been up; 0: not known */
	uint64_t window_ms; /* from now on; SLED_PLAN_NO_END: without an end */
	bool dialled;
	/* What the line counts besides: for dialling, which is over, and for
	 * hanging up, which comes behind the round. */
	uint64_t before_ms, behind_ms;
	bool asked; /* by a person: `visit = no` and `ask` do not count */
	sled_round_progress_fn *progress; /* or NULL */
	sled_round_done_fn *done;
	sled_round_over_fn *over;
	void *ctx;
};

SLED_CHECK bool sled_round_start(struct sled_round **out,
                                 struct sled_loop *loop,
                                 const struct sled_round_conf *conf,
                                 struct sled_err *err);
/* As sled_session_stop() for each. */
void sled_round_stop(struct sled_round *round, bool now);
void sled_round_free(struct sled_round **freeing);

/* The wall time that budgets and new rounds go by: NOW; while it is doubtful
 * that of the newest round, whose day and month stand still. */
SLED_CHECK bool sled_round_wall(struct sled_ledger *ledger, int64_t now,
                                int64_t *wall, struct sled_err *err);
/* What LINK was used for in the day and in the month of WALL. */
SLED_CHECK bool sled_round_used(struct sled_ledger *ledger,
                                const struct sled_conf_link *link, int64_t wall,
                                struct sled_budget_left *out,
                                struct sled_err *err);

#endif
