/*
 * forecast.h - what `plan` works with: mail that waits, a link, and what the
 * planner makes of them; private to cli.
 */
#ifndef CLI_FORECAST_H
#define CLI_FORECAST_H

#include "cli/cli.h"
#include "mailsled/plan.h"

enum sled_forecast_fate {
	SLED_FORECAST_TIME, /* at first: not begun */
	SLED_FORECAST_COMES,
	SLED_FORECAST_BUDGET,
	SLED_FORECAST_HOPELESS,
	SLED_FORECAST_HELD, /* over hold-larger */
	SLED_FORECAST_DROP, /* decided: deleted without being fetched */
};

#define SLED_FORECAST_FATES 6

struct sled_forecast_item {
	uint64_t size;               /* as listed */
	uint64_t starts_ms, ends_ms; /* since the link came up; of COMES */
	uint64_t wire, money;        /* of all up to its end */
	uint64_t order;              /* from 1; of COMES */
	uint32_t account;            /* index of .accounts */
	uint8_t fate;
	bool wanted;
};

struct sled_forecast_account {
	const struct sled_conf_account *conf;
	uint64_t hold; /* hold-larger on this link */
	uint64_t listed;
	unsigned lane;
	bool known; /* all that waits is known */
};

struct sled_forecast_link {
	const struct sled_conf_link *profile; /* or NULL */
	struct sled_path path;                /* learned; .name may be "" */
	bool learned;
	struct sled_plan_rate rate;
	uint64_t window_ms, usual_ms, tail_ms;
	struct sled_budget_left used;
};

struct sled_forecast {
	struct sled_cli *cli;
	struct sled_forecast_account *accounts;
	uint32_t accounts_len;
	struct sled_forecast_item *items;
	size_t len, cap;
	struct sled_forecast_link link;
	/* What it comes to. */
	uint64_t ms, wire, connections;
	struct sled_bill bill;
	const struct sled_conf_budget *over; /* would be passed; or NULL */
};

/* ---- forecast_mail.c: what waits ---- */

SLED_CHECK bool sled_forecast_add(struct sled_forecast *forecast,
                                  uint32_t account, uint64_t size, bool wanted,
                                  struct sled_err *err);
/* Lines "[ACCOUNT] SIZE" of FILE, "-" for stdin; USAGE with the line's number
 * for a bad one. */
SLED_CHECK bool sled_forecast_sizes(struct sled_forecast *forecast,
                                    const char *file, struct sled_err *err);
/* The last listings, as far as they were kept; says what is not known. */
SLED_CHECK bool sled_forecast_listings(struct sled_forecast *forecast,
                                       struct sled_err *err);

/* ---- forecast_link.c: the link ---- */

/* By ASKED (a section's name) or the route; MISSING when its rate is not
 * known. WINDOW_MS or NO_END. The store may be closed. */
SLED_CHECK bool sled_forecast_find_link(struct sled_forecast *forecast,
                                        const char *asked, uint64_t window_ms,
                                        struct sled_err *err);

/* ---- forecast_run.c: the planner over a line of constant rate ---- */

SLED_CHECK bool sled_forecast_run(struct sled_forecast *forecast,
                                  struct sled_err *err);

/* ---- forecast_show.c ---- */

/* In the order of coming; what does not come behind that, the smallest
 * first. */
void sled_forecast_sort(struct sled_forecast *forecast);
SLED_CHECK bool sled_forecast_print(const struct sled_forecast *forecast,
                                    struct sled_err *err);
SLED_CHECK bool sled_forecast_json(const struct sled_forecast *forecast,
                                   struct sled_err *err);

#endif
