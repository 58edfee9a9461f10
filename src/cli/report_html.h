/* report_html.h - `mailsled report --html`, one page; private to cli. */
#ifndef CLI_REPORT_HTML_H
#define CLI_REPORT_HTML_H

#include "cli/cli.h"
#include "mailsled/charts.h"
#include "mailsled/history.h"

struct sled_report {
	struct sled_cli *cli;
	const struct sled_history *history;
	const struct sled_history_sum *all; /* of it */
	int64_t since, now;
};

/* ---- cmd_report.c ---- */

/* What no column has, each part behind "; ": the bill, what was held and left,
 * how the copies were, how it ended. Printable. */
SLED_CHECK bool sled_report_notes(struct sled_buf *out,
                                  const struct sled_history_round *round,
                                  struct sled_err *err);
/* The section that applied, else the interface; "-" for neither. Printable. */
void sled_report_link(char out[80], const struct sled_history_round *round);
/* Local, as in 2026-11-23. */
void sled_report_date(char out[80], int64_t when);

/* ---- report_html.c ---- */

/* The whole page, well-formed XML too: no script, nothing outside. */
SLED_CHECK bool sled_report_html(struct sled_buf *out,
                                 const struct sled_report *report,
                                 struct sled_err *err);
SLED_CHECK bool sled_report_text(struct sled_buf *out, const char *text,
                                 struct sled_err *err);

/* ---- report_health.c ---- */

struct sled_report_health {
	struct sled_buf notices; /* <li>, one for each thing that is wrong */
	struct sled_buf rows;    /* <tr>, one a place */
	size_t places, whole;    /* whole: lacks nothing, nothing damaged */
	bool bad;                /* something in notices is */
};

SLED_CHECK bool sled_report_health(struct sled_report_health *out,
                                   const struct sled_report *report,
                                   struct sled_err *err);
void sled_report_health_free(struct sled_report_health *health);
/* The figure of the store's places. */
SLED_CHECK bool sled_report_places(struct sled_buf *out,
                                   struct sled_store *store,
                                   const struct sled_charts *charts,
                                   struct sled_err *err);
/* The section's figure, table and what was tried now and then. */
SLED_CHECK bool sled_report_copies(struct sled_buf *out,
                                   const struct sled_report *report,
                                   const struct sled_report_health *health,
                                   struct sled_err *err);

/* ---- report_rounds.c ---- */

/* The newest uses of links, a table. */
SLED_CHECK bool sled_report_rounds(struct sled_buf *out,
                                   const struct sled_report *report,
                                   struct sled_err *err);

/* ---- report_style.c ---- */

/* The page's own rules, besides those of plots; static text. */
const char *sled_report_style(void);

/* ---- report_out.c ---- */

/* Can the page be written to PATH; NULL: stdout? USAGE when not. */
SLED_CHECK bool sled_report_may_write(const struct sled_cli *cli,
                                      const char *path, struct sled_err *err);
/* Whole or not at all, but for stdout. */
SLED_CHECK bool sled_report_write(const struct sled_cli *cli, const char *path,
                                  struct sled_span page, struct sled_err *err);

#endif
