/* status.h - the parts of `mailsled status`; private to cli. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "cli/cli.h"

/* What all mail has: to count it takes long, and it is the same as long as the
 * archives have their size. */
struct sled_mail_sum {
	bool known;
	uint64_t archived, octets;
};

struct status {
	struct sled_cli *cli;
	struct sled_ledger *ledger;
	int64_t now;
	struct sled_mail_sum
	    *sum;        /* kept from one status to the next; or NULL */
	char before[25]; /* volumes come sorted by label */
};

/* ---- status_place.c ---- */

/* When the file system of a place will be full. */
struct sled_outlook {
	uint64_t total; /* octets of the file system; 0: not known */
	uint64_t days;  /* until it is full; 0: not soon, or not known */
	unsigned share; /* percent that is free, when total is known */
	bool low;
};

/* Of a place, when archives grow by GROWTH octets a day (0: not known). */
SLED_CHECK bool sled_status_outlook(struct status *status,
                                    const struct sled_place_status *place,
                                    uint64_t growth, struct sled_outlook *out,
                                    struct sled_err *err);

typedef bool sled_status_place_fn(void *ctx,
                                  const struct sled_place_status *place,
                                  const struct sled_outlook *outlook,
                                  struct sled_err *err);
SLED_CHECK bool sled_status_each_place(struct status *status,
                                       sled_status_place_fn *each, void *ctx,
                                       struct sled_err *err);
/* "there, 20 GB free, full in about 90 days, lacks 3.0 MB": printable. */
SLED_CHECK bool sled_status_place_text(struct sled_buf *out,
                                       const struct sled_place_status *place,
                                       const struct sled_outlook *outlook,
                                       int64_t now, struct sled_err *err);

SLED_CHECK bool sled_status_places(struct status *status, struct sled_err *err);
SLED_CHECK bool sled_status_store(struct status *status, struct sled_err *err);

/* ---- status_next.c ---- */

#define SLED_NEXT_SHOWN 32 /* links, and what is held off, each */

/* What a scheduler answered, in its words. */
struct sled_next {
	struct sled_cli *cli; /* hears what it complains of; or NULL */
	bool there;           /* one runs */
	char *pid, *doing, *when, *why, *clock; /* NULL: it told none */
	char *links[SLED_NEXT_SHOWN], *held_off[SLED_NEXT_SHOWN];
	size_t links_len, held_off_len;
};

/* Errors: those of sled_control_ask(). Freed by the caller on false too. */
SLED_CHECK bool sled_next_ask(struct sled_next *next, const char *socket,
                              struct sled_err *err);
void sled_next_free(struct sled_next *next);

/* When the next visit is, and why: the scheduler says, if one runs. */
SLED_CHECK bool sled_status_next(struct status *status, struct sled_err *err);

/* ---- status_cost.c ---- */

/* The budgets of links; nothing when none is written. */
SLED_CHECK bool sled_status_budgets(struct status *status,
                                    struct sled_err *err);
/* How full the maildrop was: BYTES, as STAT said at the last visit. CONF may be
 * NULL; a line only for one with a quota. */
SLED_CHECK bool sled_status_quota(struct status *status,
                                  const struct sled_conf_account *conf,
                                  uint64_t bytes, struct sled_err *err);
void sled_status_quota_json(struct sled_json *json,
                            const struct sled_conf_account *conf,
                            uint64_t bytes);

/* ---- status_deliver.c ---- */

/* What the targets of CONF, which may be NULL, have got, what waits and why. */
SLED_CHECK bool sled_status_deliver(struct status *status,
                                    const struct sled_conf_account *conf,
                                    struct sled_err *err);
SLED_CHECK bool sled_status_deliver_json(struct status *status,
                                         const struct sled_conf_account *conf,
                                         struct sled_json *json,
                                         struct sled_err *err);

#endif
