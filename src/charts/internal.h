/* internal.h - bins of days, and numbers by name in them; private to charts. */
#ifndef CHARTS_INTERNAL_H
#define CHARTS_INTERNAL_H

#include "mailsled/charts.h"
#include "mailsled/plot.h"

/* ---- bins.c ---- */

/* A stretch of days cut into equal parts: days, weeks from Monday on, or months
 * when there would be too many. */
struct sled_bins {
	bool months;
	int64_t from; /* as in struct sled_plot_across */
	unsigned step;
	size_t len;
	const char *name; /* "day", "week", "month" */
};

/* Days since 1970-01-01, FIRST up to LAST. */
struct sled_bins sled_bins_make(int64_t first, int64_t last);
/* What the figures of visits are drawn in. */
struct sled_bins sled_bins_of(const struct sled_charts *charts);
/* Months as 12 * year + month - 1. */
struct sled_bins sled_bins_months(int64_t first, int64_t last);
/* The bin of a day (of a month, where bins are months); the nearest one for
 * those before and behind. */
size_t sled_bins_at(const struct sled_bins *bins, int64_t at);
/* The bin of a wall time. */
size_t sled_bins_when(const struct sled_bins *bins, int64_t when);
/* The day of a time, in the process's time zone. */
int64_t sled_charts_day(int64_t when);
int64_t sled_charts_month(int64_t day);

/* ---- grid.c ---- */

#define SLED_GRID_NAMES SLED_PLOT_SERIES
#define SLED_GRID_NAME  64 /* room, with the NUL */

/* Sums by name and bin, zeroed. Names are made printable; when there are too
 * many, the rest go by "others". */
struct sled_grid {
	struct sled_bins bins;
	size_t len; /* names */
	char names[SLED_GRID_NAMES][SLED_GRID_NAME];
	enum sled_plot_tone tones[SLED_GRID_NAMES];
	bool used[SLED_GRID_NAMES]; /* the others are not drawn */
	double *values;             /* SLED_GRID_NAMES times bins.len */
};

SLED_CHECK bool sled_grid_make(struct sled_grid *grid, struct sled_bins bins,
                               struct sled_err *err);
void sled_grid_free(struct sled_grid *grid);
/* The name's place, made when it is new. Names that are made in the same order
 * have the same colours. */
size_t sled_grid_name(struct sled_grid *grid, const char *name,
                      enum sled_plot_tone tone);
double *sled_grid_value(const struct sled_grid *grid, size_t name, size_t bin);
/* The name is used, unless VALUE is 0. */
void sled_grid_add(struct sled_grid *grid, size_t name, size_t bin,
                   double value);
/* Make the names of all accounts with mail. */
SLED_CHECK bool sled_grid_accounts(struct sled_grid *grid,
                                   struct sled_ledger *ledger,
                                   struct sled_err *err);
double sled_grid_sum(const struct sled_grid *grid, size_t name);

struct sled_figure {
	const char *id;
	const char *title; /* "Mail a " when EACH: the bin's name follows */
	bool each;
	const char *about;
	enum sled_plot_kind kind;
	struct sled_plot_scale scale;
};

SLED_CHECK bool sled_grid_draw(struct sled_buf *out,
                               const struct sled_grid *grid,
                               const struct sled_figure *figure,
                               struct sled_err *err);

/* A paragraph in place of a figure. TEXT is escaped. */
SLED_CHECK bool sled_charts_none(struct sled_buf *out, const char *text,
                                 struct sled_err *err);

/* VALUE as plots write it. */
struct sled_word {
	char text[SLED_PLOT_WORD];
};

struct sled_word sled_charts_word(enum sled_plot_unit unit, double value);
/* Nothing for 1. */
const char *sled_charts_s(uint64_t count);
/* Days from since to now, each begun one counted. */
double sled_charts_days(const struct sled_charts *charts);

#endif
