/* internal.h - what the files of round share; private to round. */
#ifndef ROUND_INTERNAL_H
#define ROUND_INTERNAL_H

#include "mailsled/buf.h"
#include "mailsled/round.h"
#include "mailsled/tariff.h"

/* One account: its visits, one after the other. */
struct sled_round_part {
	struct sled_round *round;
	size_t index; /* in conf->accounts */
	const struct sled_conf_account *account;
	struct sled_tls_trust *trust;
	struct sled_buf secret;
	struct sled_session *session;
	unsigned lane;
	bool running, over;
	struct sled_visit_progress now;
	/* Of the visits that are over; empty at first. */
	struct sled_visit_result sum;
	uint64_t visits;
};

struct sled_round {
	struct sled_loop *loop;
	struct sled_round_conf conf;
	struct sled_plan *plan;
	struct sled_plan_rate rate;
	struct sled_round_part *parts;
	size_t len, running;
	size_t prepared, affords; /* how many of the parts */
	struct sled_err over;     /* the budget that holds no more than those */
	struct sled_timer *end;   /* of the window, and of the budget's time */
	struct sled_timer *tick;  /* the row is put again */
	struct sled_budget_left used;
	uint64_t bytes_left, ms_left; /* of the budgets; UINT64_MAX: no end */
	int64_t began_ms, up_ms;
	int64_t wall;      /* when it began: sled_round_wall() */
	uint64_t begun;    /* accounts that it visits */
	uint64_t end_ms;   /* of window and budget, from its beginning */
	int64_t put_ms;    /* when the row was last put, */
	uint64_t put_wire; /* ... and with how much */
	bool stopping;
	struct sled_round_result result;
};

/* ---- learn.c: what earlier visits on this link tell ---- */

struct sled_round_learned {
	uint64_t usual_ms;  /* SLED_PLAN_NO_END: no end is known */
	uint64_t lately_ms; /* of the last windows; or NO_END */
	uint64_t lived_ms;  /* the longest that ended in good order */
	uint64_t tail_ms;
	int64_t up_ms; /* of the link, as it seems; 0: not known */
	struct sled_plan_rate rate;
};

SLED_CHECK bool sled_round_learn(const struct sled_round_conf *conf,
                                 int64_t now, struct sled_round_learned *out,
                                 struct sled_err *err);

/* ---- budget.c ---- */
/* What was spent this day and this month, and what that leaves. */
SLED_CHECK bool sled_round_budget(struct sled_round *round,
                                  struct sled_err *err);
/* How many accounts can be asked for mail within the budgets; of fewer than
 * all, ERR says which budget does not hold one more. */
size_t sled_round_affords(struct sled_round *round, struct sled_err *err);
/* What the line counts besides the round. */
uint64_t sled_round_line_ms(const struct sled_round *round);
/* A sled_plan_fits_fn; CTX is the round. */
bool sled_round_fits(void *ctx, uint64_t bytes, uint64_t ms);
/* The bill so far, in the row. */
void sled_round_bill(struct sled_round *round);

/* ---- sum.c ---- */
/* One more visit of the part is over. */
void sled_round_add(struct sled_round_part *part,
                    const struct sled_visit_result *visit);
/* NOW with the visits that are over. */
struct sled_visit_progress sled_round_progress_of(
    const struct sled_round_part *part);

#endif
