/*
 * charts.h - the figures of a store's life, for the report and the web page.
 *
 * Contract
 *   Each function adds one figure or more (plot.h), each with a sentence that
 *   says what is seen; where there is nothing to show, a paragraph of class
 *   "chart-none" that says so. What came from a server or a path is escaped.
 *   Days are those of the process's time zone (TZ), but for growth and reading
 *   back, which the ledger keeps by days UTC. Errors: those of ledger.h; NOMEM.
 */
#ifndef MAILSLED_CHARTS_H
#define MAILSLED_CHARTS_H

#include "mailsled/history.h"

struct sled_charts {
	struct sled_ledger *ledger;
	const struct sled_history *history; /* since .since */
	int64_t since, now;                 /* wall times */
};

/* Messages a day, by account. */
SLED_CHECK bool sled_charts_mail(struct sled_buf *out,
                                 const struct sled_charts *charts,
                                 struct sled_err *err);
/* Bytes a day: of mail, and what else the wire carried. */
SLED_CHECK bool sled_charts_bytes(struct sled_buf *out,
                                  const struct sled_charts *charts,
                                  struct sled_err *err);
/* Money a day, by link; one figure a currency. */
SLED_CHECK bool sled_charts_cost(struct sled_buf *out,
                                 const struct sled_charts *charts,
                                 struct sled_err *err);
/* How visits ended. */
SLED_CHECK bool sled_charts_visits(struct sled_buf *out,
                                   const struct sled_charts *charts,
                                   struct sled_err *err);
/* Where a visit's time went. */
SLED_CHECK bool sled_charts_phases(struct sled_buf *out,
                                   const struct sled_charts *charts,
                                   struct sled_err *err);
/* Round trip, rate and packets sent again, by interface. */
SLED_CHECK bool sled_charts_link(struct sled_buf *out,
                                 const struct sled_charts *charts,
                                 struct sled_err *err);
/* All mail there is, as it grew, by account; over the store's whole life. */
SLED_CHECK bool sled_charts_growth(struct sled_buf *out,
                                   const struct sled_charts *charts,
                                   struct sled_err *err);
/* Archives by the month they are of, open and sealed. */
SLED_CHECK bool sled_charts_volumes(struct sled_buf *out,
                                    const struct sled_charts *charts,
                                    struct sled_err *err);

struct sled_charts_place {
	const char *id, *path; /* as in struct sled_place_status */
	uint64_t lacks;
};

/* What each place holds, by how long ago it was read back. */
SLED_CHECK bool sled_charts_places(struct sled_buf *out,
                                   const struct sled_charts *charts,
                                   const struct sled_charts_place *places,
                                   size_t len, struct sled_err *err);

#endif
