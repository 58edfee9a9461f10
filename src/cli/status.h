/* status.h - the parts of `mailsled status`; private to cli. */
#ifndef CLI_STATUS_H
#define CLI_STATUS_H

#include "cli/cli.h"

struct status {
	struct sled_cli *cli;
	struct sled_ledger *ledger;
	int64_t now;
	char before[25]; /* volumes come sorted by label */
};

/* ---- status_place.c ---- */

SLED_CHECK bool sled_status_places(struct status *status, struct sled_err *err);
SLED_CHECK bool sled_status_store(struct status *status, struct sled_err *err);

/* ---- status_next.c ---- */

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
