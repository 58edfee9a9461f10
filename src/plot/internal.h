/* internal.h - the parts of plots; private to plot. */
#ifndef PLOT_INTERNAL_H
#define PLOT_INTERNAL_H

#include "mailsled/plot.h"

/* ---- scale.c ---- */

/* Round values up the side: 0, .step, ... .top; or by tens: .low, .low times
 * .step, ... .top. No more than 6 of them. */
struct sled_ticks {
	double low; /* 0: not by tens */
	double step, top;
};

/* Of a plot's values. */
struct sled_ticks sled_plot_ticks(const struct sled_plot *plot);
/* From 0 on; false behind the last. */
bool sled_plot_tick(const struct sled_ticks *ticks, int at, double *value);
/* VALUE as one of the ticks: all in one unit, but by tens. */
void sled_plot_tick_text(char out[SLED_PLOT_WORD],
                         const struct sled_plot_scale *scale,
                         const struct sled_ticks *ticks, double value);
/* How high VALUE stands: from 0 to 1. */
double sled_plot_height(const struct sled_ticks *ticks, double value);

/* ---- days.c ---- */

/* "2026-11-23" or "2026-11"; a word as it is. */
SLED_CHECK bool sled_plot_point(struct sled_buf *out,
                                const struct sled_plot *plot, size_t point,
                                struct sled_err *err);

/* What stands below point I: nothing, or its text. */
enum sled_mark {
	SLED_MARK_NONE,
	SLED_MARK_WIDE, /* only where there is room */
	SLED_MARK_ALWAYS,
};

enum sled_mark sled_plot_mark(char out[SLED_PLOT_WORD],
                              const struct sled_plot *plot, size_t point);

/* ---- plot.c ---- */

bool sled_plot_is_lines(const struct sled_plot *plot);
/* VALUE, or 0 for what is not there. */
double sled_plot_number(const struct sled_plot *plot, size_t series,
                        size_t point);
/* The highest point of a line, or of a stack. */
double sled_plot_most(const struct sled_plot *plot);
/* "s3", or the name of a tone. */
void sled_plot_class(char out[SLED_PLOT_WORD], const struct sled_plot *plot,
                     size_t series);
/* "2026-11-23: mail 12 kB, receipts 1 kB", escaped. */
SLED_CHECK bool sled_plot_hint(struct sled_buf *out,
                               const struct sled_plot *plot, size_t point,
                               struct sled_err *err);
SLED_CHECK bool sled_plot_text(struct sled_buf *out, const char *text,
                               struct sled_err *err);

/* ---- rows.c ---- */

double sled_plot_rows_height(const struct sled_plot *plot);
/* What is inside its <svg>. */
SLED_CHECK bool sled_plot_rows(struct sled_buf *out,
                               const struct sled_plot *plot,
                               struct sled_err *err);

#endif
