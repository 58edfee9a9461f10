/*
 * plot.h - pictures of numbers for a web page: inline SVG, with the numbers
 * beside it.
 *
 * Contract
 *   Values in, text added to a buffer; no I/O, no clock, no time zone. What is
 *   written is well-formed XML and HTML at once, refers to nothing outside, has
 *   no script and no style attribute, and escapes every string it is given.
 *   Lengths across are percent, so that a picture fits any width with its text
 *   as large as ever; colours are classes, which sled_plot_style() fills for
 *   light, dark and print. A screen reader hears title and about, and finds the
 *   numbers in a table.
 *   A value that is NAN is not there, and a line goes past it; one below 0
 *   counts as 0. Each function
 *   fails only for want of memory, and INTERNAL for a plot without a point or a
 *   series or with more than SLED_PLOT_SERIES.
 */
#ifndef MAILSLED_PLOT_H
#define MAILSLED_PLOT_H

#include "mailsled/buf.h"
#include "mailsled/err.h"

#define SLED_PLOT_SERIES 9  /* colours too, the last one grey */
#define SLED_PLOT_WORD   40 /* room for a value with its unit and NUL */

enum sled_plot_unit {
	SLED_PLOT_COUNT,
	SLED_PLOT_BYTES, /* octets */
	SLED_PLOT_RATE,  /* octets/s */
	SLED_PLOT_MS,
	SLED_PLOT_MONEY, /* millionths of .currency */
	SLED_PLOT_SHARE, /* 1 is all */
};

enum sled_plot_kind {
	SLED_PLOT_BARS,  /* upright, the series stacked */
	SLED_PLOT_LINES, /* a line a series; a single one is filled below */
	SLED_PLOT_TENS,  /* LINES on a logarithmic scale, never filled */
	SLED_PLOT_ROWS,  /* lying, the series stacked, a word above each */
};

enum sled_plot_tone {
	SLED_PLOT_PLAIN,
	SLED_PLOT_GOOD,
	SLED_PLOT_WARN,
	SLED_PLOT_BAD
};

struct sled_plot_scale {
	enum sled_plot_unit unit;
	const char *currency; /* of MONEY: "USD" */
};

struct sled_plot_series {
	const char *name;
	const double *values; /* as many as the plot has points */
	enum sled_plot_tone tone;
	/* PLAIN: one of SLED_PLOT_SERIES colours, from 1 on, so that a name
	 * has the same one in all figures; 0: by its place in the list. */
	unsigned hue;
};

/* Where points stand: each STEP days or months from FROM on, or words. */
struct sled_plot_across {
	bool months;
	int64_t from;  /* days since 1970-01-01, or 12 * year + month - 1 */
	unsigned step; /* at least 1 */
	const char *const *words; /* ROWS: one a point */
	const char *name;         /* head of the table's first column: "day" */
};

struct sled_plot {
	const char *id;    /* [a-z][a-z0-9-]*, once in a page */
	const char *title; /* "Mail a day" */
	const char *about; /* a sentence that says what is seen */
	enum sled_plot_kind kind;
	struct sled_plot_scale scale;
	struct sled_plot_across across;
	size_t len; /* points */
	const struct sled_plot_series *series;
	size_t series_len;
};

/* <figure class="plot">: title and about as its caption, the legend, the
 * picture, and the numbers in a <details>. */
SLED_CHECK bool sled_plot_figure(struct sled_buf *out,
                                 const struct sled_plot *plot,
                                 struct sled_err *err);
/* Its parts: <svg>, and <table>. */
SLED_CHECK bool sled_plot_svg(struct sled_buf *out,
                              const struct sled_plot *plot,
                              struct sled_err *err);
SLED_CHECK bool sled_plot_table(struct sled_buf *out,
                                const struct sled_plot *plot,
                                struct sled_err *err);

/* The style sheet that all of it needs, once a page; static text. It sets
 * --plot-* on :root alone, and the page's own rules may set them anew. */
const char *sled_plot_style(void);

/* "4.6 MB", "320 ms", "0.96 USD", "3.5 %", "-" for NAN: as the tables have it. */
void sled_plot_value(char out[SLED_PLOT_WORD],
                     const struct sled_plot_scale *scale, double value);

#endif
