/* picture.c - the SVG of bars and lines. Heights are pixels, all across is
 * percent: what is written at the side stands outside of its box, in a margin
 * that the style sheet gives. */
#include <math.h>
#include <stdio.h>

#include "internal.h"

#define TOP    10.0  /* above the highest tick */
#define HEIGHT 168.0 /* from 0 to it */
#define FOOT   24.0  /* for what is written below */
#define ASIDE  8     /* from the side to what is written there */
#define ACROSS 1000  /* units of a line's own box */
#define SHARE  0.78  /* of its column that a bar takes */
#define LEAST  1.5   /* of what is there, so that it is seen */
#define DOT    2.5

struct drawing {
	struct sled_buf *out;
	const struct sled_plot *plot;
	struct sled_ticks ticks;
	struct sled_err *err;
};

static double
height_of(const struct drawing *d, double value)
{
	return value / d->ticks.top * HEIGHT;
}

/* ---- what is around it ---- */

static bool
add_tick(const struct drawing *d, double value)
{
	double y = TOP + HEIGHT - height_of(d, value);
	char text[SLED_PLOT_WORD];

	sled_plot_tick(text, &d->plot->scale, &d->ticks, value);
	return sled_buf_printf(d->out, d->err,
	                       "<line x1=\"0\" x2=\"100%%\" y1=\"%.1f\" "
	                       "y2=\"%.1f\"%s/><text x=\"-%d\" y=\"%.1f\">%s"
	                       "</text>\n",
	                       y, y, value > 0 ? "" : " class=\"plot-base\"",
	                       ASIDE, y + 4, text);
}

static bool
add_ticks(const struct drawing *d)
{
	int count = (int)lround(d->ticks.top / d->ticks.step);

	if (!sled_buf_addstr(d->out, "<g class=\"plot-grid\">\n", d->err))
		return false;
	for (int i = 0; i <= count; i++)
		if (!add_tick(d, i * d->ticks.step))
			return false;
	return sled_buf_addstr(d->out, "</g>\n", d->err);
}

/* The middle of a point's column, in percent. */
static double
middle_of(const struct drawing *d, size_t point)
{
	return 100 * ((double)point + 0.5) / (double)d->plot->len;
}

static bool
add_marks(const struct drawing *d)
{
	if (!sled_buf_addstr(d->out, "<g class=\"plot-marks\">\n", d->err))
		return false;
	for (size_t i = 0; i < d->plot->len; i++) {
		char text[SLED_PLOT_WORD] = "";
		enum sled_mark mark = sled_plot_mark(text, d->plot, i);

		if (mark != SLED_MARK_NONE &&
		    !sled_buf_printf(
			d->out, d->err,
			"<text x=\"%.2f%%\" y=\"%.0f\"%s>%s</text>\n",
			middle_of(d, i), TOP + HEIGHT + FOOT - 6,
			mark == SLED_MARK_WIDE ? " class=\"plot-wide\"" : "",
			text))
			return false;
	}
	return sled_buf_addstr(d->out, "</g>\n", d->err);
}

/* Each column says its numbers to a mouse that rests on it. */
static bool
add_hints(const struct drawing *d)
{
	double wide = 100 / (double)d->plot->len;

	if (!sled_buf_addstr(d->out, "<g class=\"plot-hints\">\n", d->err))
		return false;
	for (size_t i = 0; i < d->plot->len; i++)
		if (!sled_buf_printf(d->out, d->err,
		                     "<rect x=\"%.2f%%\" width=\"%.2f%%\" "
		                     "y=\"%.0f\" height=\"%.0f\"><title>",
		                     (double)i * wide, wide, TOP, HEIGHT) ||
		    !sled_plot_hint(d->out, d->plot, i, d->err) ||
		    !sled_buf_addstr(d->out, "</title></rect>\n", d->err))
			return false;
	return sled_buf_addstr(d->out, "</g>\n", d->err);
}

static bool
open_series(const struct drawing *d, size_t series)
{
	char name[SLED_PLOT_WORD];

	sled_plot_class(name, d->plot, series);
	return sled_buf_printf(d->out, d->err, "<g class=\"%s\">", name);
}

/* ---- bars ---- */

static double
sum_below(const struct sled_plot *plot, size_t series, size_t point)
{
	double sum = 0;

	for (size_t i = 0; i < series; i++)
		sum += sled_plot_number(plot, i, point);
	return sum;
}

static bool
add_bar(const struct drawing *d, size_t series, size_t point)
{
	double wide = 100 / (double)d->plot->len;
	double value = sled_plot_number(d->plot, series, point);
	double low = height_of(d, sum_below(d->plot, series, point));
	double high = fmax(height_of(d, value), LEAST);

	if (value <= 0)
		return true;
	return sled_buf_printf(d->out, d->err,
	                       "<rect x=\"%.2f%%\" width=\"%.2f%%\" "
	                       "y=\"%.1f\" height=\"%.1f\"/>\n",
	                       ((double)point + (1 - SHARE) / 2) * wide,
	                       SHARE * wide, TOP + HEIGHT - low - high, high);
}

static bool
add_bars(const struct drawing *d)
{
	for (size_t i = 0; i < d->plot->series_len; i++) {
		if (!open_series(d, i))
			return false;
		for (size_t k = 0; k < d->plot->len; k++)
			if (!add_bar(d, i, k))
				return false;
		if (!sled_buf_addstr(d->out, "</g>\n", d->err))
			return false;
	}
	return true;
}

/* ---- lines ---- */

static double
x_of(const struct drawing *d, size_t point)
{
	return ACROSS / 100.0 * middle_of(d, point);
}

static double
y_of(const struct drawing *d, size_t series, size_t point)
{
	return TOP + HEIGHT -
	       height_of(d, sled_plot_number(d->plot, series, point));
}

/* How many points from FROM on have a value. */
static size_t
stretch(const struct sled_plot *plot, size_t series, size_t from)
{
	size_t len = 0;

	while (from + len < plot->len &&
	       !isnan(plot->series[series].values[from + len]))
		len++;
	return len;
}

/* One unbroken line, and with FILL down to 0 and back. */
static bool
add_path(const struct drawing *d, size_t series, size_t from, size_t len,
         bool fill)
{
	for (size_t i = from; i < from + len; i++)
		if (!sled_buf_printf(d->out, d->err, "%s%.1f %.1f",
		                     i == from ? "M" : "L", x_of(d, i),
		                     y_of(d, series, i)))
			return false;
	return !fill || sled_buf_printf(d->out, d->err, "L%.1f %.1fL%.1f %.1fZ",
	                                x_of(d, from + len - 1), TOP + HEIGHT,
	                                x_of(d, from), TOP + HEIGHT);
}

static bool
add_paths(const struct drawing *d, size_t series, bool fill)
{
	size_t len = 0;

	if (!sled_buf_printf(d->out, d->err, "<path class=\"plot-%s\" d=\"",
	                     fill ? "area" : "line"))
		return false;
	for (size_t i = 0; i < d->plot->len; i += len + 1) {
		len = stretch(d->plot, series, i);
		if (len > 1 && !add_path(d, series, i, len, fill))
			return false;
	}
	return sled_buf_addstr(d->out, "\"/>", d->err);
}

/* A point between two that are not there is no line. */
static bool
add_dots(const struct drawing *d, size_t series)
{
	size_t len = 0;

	for (size_t i = 0; i < d->plot->len; i += len + 1) {
		len = stretch(d->plot, series, i);
		if (len == 1 &&
		    !sled_buf_printf(d->out, d->err,
		                     "<circle cx=\"%.2f%%\" cy=\"%.1f\" "
		                     "r=\"%.1f\"/>",
		                     middle_of(d, i), y_of(d, series, i), DOT))
			return false;
	}
	return true;
}

static bool
add_line(const struct drawing *d, size_t series)
{
	return open_series(d, series) &&
	       sled_buf_printf(d->out, d->err,
	                       "<svg width=\"100%%\" height=\"%.0f\" "
	                       "viewBox=\"0 0 %d %.0f\" "
	                       "preserveAspectRatio=\"none\">",
	                       TOP + HEIGHT, ACROSS, TOP + HEIGHT) &&
	       (d->plot->series_len > 1 || add_paths(d, series, true)) &&
	       add_paths(d, series, false) &&
	       sled_buf_addstr(d->out, "</svg>", d->err) &&
	       add_dots(d, series) && sled_buf_addstr(d->out, "</g>\n", d->err);
}

static bool
add_lines(const struct drawing *d)
{
	for (size_t i = 0; i < d->plot->series_len; i++)
		if (!add_line(d, i))
			return false;
	return true;
}

/* ---- the picture ---- */

static bool
add_inside(const struct drawing *d)
{
	return add_ticks(d) &&
	       (d->plot->kind == SLED_PLOT_LINES ? add_lines(d)
	                                         : add_bars(d)) &&
	       add_marks(d) && add_hints(d);
}

static bool
open_picture(const struct drawing *d, double height)
{
	const struct sled_plot *plot = d->plot;

	return sled_buf_printf(
		   d->out, d->err,
		   "<svg class=\"plot-pic%s\" width=\"100%%\" height=\"%.0f\" "
		   "role=\"img\" aria-labelledby=\"%s-t %s-d\">\n"
		   "<title id=\"%s-t\">",
		   plot->kind == SLED_PLOT_ROWS ? " plot-flat" : "", height,
		   plot->id, plot->id, plot->id) &&
	       sled_plot_text(d->out, plot->title, d->err) &&
	       sled_buf_printf(d->out, d->err, "</title><desc id=\"%s-d\">",
	                       plot->id) &&
	       sled_plot_text(d->out, plot->about, d->err) &&
	       sled_buf_addstr(d->out, "</desc>\n", d->err);
}

bool
sled_plot_svg(struct sled_buf *out, const struct sled_plot *plot,
              struct sled_err *err)
{
	bool rows = plot->kind == SLED_PLOT_ROWS;
	struct drawing d = { out, plot, { 1, 1 }, err };

	if (plot->len == 0 || plot->series_len == 0 ||
	    plot->series_len > SLED_PLOT_SERIES)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "plot %s: %zu points "
		                 "of %zu series",
		                 plot->id, plot->len, plot->series_len);
	d.ticks = sled_plot_ticks(plot->scale.unit, sled_plot_most(plot));
	return open_picture(&d, rows ? sled_plot_rows_height(plot)
	                             : TOP + HEIGHT + FOOT) &&
	       (rows ? sled_plot_rows(out, plot, err) : add_inside(&d)) &&
	       sled_buf_addstr(out, "</svg>\n", err);
}
