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
#define DOT    2.2
#define DOTS   100

struct drawing {
	struct sled_buf *out;
	const struct sled_plot *plot;
	struct sled_ticks ticks;
	struct sled_err *err;
};

static double
height_of(const struct drawing *d, double value)
{
	return sled_plot_height(&d->ticks, value) * HEIGHT;
}

/* ---- what is around it ---- */

static bool
add_tick(const struct drawing *d, double value, bool base)
{
	double y = TOP + HEIGHT - height_of(d, value);
	char text[SLED_PLOT_WORD];

	sled_plot_tick_text(text, &d->plot->scale, &d->ticks, value);
	return sled_buf_printf(d->out, d->err,
	                       "<line x1=\"0\" x2=\"100%%\" y1=\"%.1f\" "
	                       "y2=\"%.1f\"%s/><text x=\"-%d\" y=\"%.1f\">%s"
	                       "</text>\n",
	                       y, y, base ? " class=\"plot-base\"" : "", ASIDE,
	                       y + 4, text);
}

static bool
add_ticks(const struct drawing *d)
{
	double value = 0;

	if (!sled_buf_addstr(d->out, "<g class=\"plot-grid\">\n", d->err))
		return false;
	for (int i = 0; sled_plot_tick(&d->ticks, i, &value); i++)
		if (!add_tick(d, value, i == 0))
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

static bool
is_there(const struct drawing *d, size_t series, size_t point)
{
	return !isnan(d->plot->series[series].values[point]);
}

/* From point to point, past what is not there; to FILL, from 0 and back. */
static bool
add_path(const struct drawing *d, size_t series, bool fill)
{
	const char *to = fill ? "L" : "M";
	double first = -1, last = 0;

	if (!sled_buf_printf(d->out, d->err, "<path class=\"plot-%s\" d=\"",
	                     fill ? "area" : "line"))
		return false;
	for (size_t i = 0; i < d->plot->len; i++) {
		if (!is_there(d, series, i))
			continue;
		last = x_of(d, i);
		if (first < 0 && fill &&
		    !sled_buf_printf(d->out, d->err, "M%.1f %.1f", last,
		                     TOP + HEIGHT))
			return false;
		first = first < 0 ? last : first;
		if (!sled_buf_printf(d->out, d->err, "%s%.1f %.1f", to, last,
		                     y_of(d, series, i)))
			return false;
		to = "L";
	}
	return (!fill || first < 0 ||
	        sled_buf_printf(d->out, d->err, "L%.1f %.1fZ", last,
	                        TOP + HEIGHT)) &&
	       sled_buf_addstr(d->out, "\"/>", d->err);
}

/* Where it was measured, while the eye can tell dots apart. */
static bool
add_dots(const struct drawing *d, size_t series)
{
	for (size_t i = 0; i < d->plot->len && d->plot->len <= DOTS; i++)
		if (is_there(d, series, i) &&
		    !sled_buf_printf(d->out, d->err,
		                     "<circle cx=\"%.2f%%\" cy=\"%.1f\" "
		                     "r=\"%.1f\"/>",
		                     middle_of(d, i), y_of(d, series, i), DOT))
			return false;
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
	       (d->plot->series_len > 1 || d->plot->kind == SLED_PLOT_TENS ||
	        add_path(d, series, true)) &&
	       add_path(d, series, false) &&
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
	       (sled_plot_is_lines(d->plot) ? add_lines(d) : add_bars(d)) &&
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
	struct drawing d = { out, plot, { 0, 1, 1 }, err };

	if (plot->len == 0 || plot->series_len == 0 ||
	    plot->series_len > SLED_PLOT_SERIES)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "plot %s: %zu points "
		                 "of %zu series",
		                 plot->id, plot->len, plot->series_len);
	d.ticks = sled_plot_ticks(plot);
	return open_picture(&d, rows ? sled_plot_rows_height(plot)
	                             : TOP + HEIGHT + FOOT) &&
	       (rows ? sled_plot_rows(out, plot, err) : add_inside(&d)) &&
	       sled_buf_addstr(out, "</svg>\n", err);
}
