/* plot.c - figures, their legends and tables. See mailsled/plot.h. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"
#include "mailsled/text.h"

bool
sled_plot_text(struct sled_buf *out, const char *text, struct sled_err *err)
{
	return sled_text_html(out, (struct sled_span){ text, strlen(text) },
	                      err);
}

double
sled_plot_number(const struct sled_plot *plot, size_t series, size_t point)
{
	double value = plot->series[series].values[point];

	return value > 0 ? value : 0;
}

bool
sled_plot_is_lines(const struct sled_plot *plot)
{
	return plot->kind == SLED_PLOT_LINES || plot->kind == SLED_PLOT_TENS;
}

double
sled_plot_most(const struct sled_plot *plot)
{
	double most = 0;

	for (size_t i = 0; i < plot->len; i++) {
		double sum = 0;

		for (size_t k = 0; k < plot->series_len; k++) {
			double value = sled_plot_number(plot, k, i);

			sum = sled_plot_is_lines(plot) ? fmax(sum, value)
			                               : sum + value;
		}
		most = fmax(most, sum);
	}
	return most;
}

void
sled_plot_class(char out[SLED_PLOT_WORD], const struct sled_plot *plot,
                size_t series)
{
	static const char *const tones[] = { [SLED_PLOT_GOOD] = "good",
		                             [SLED_PLOT_WARN] = "warn",
		                             [SLED_PLOT_BAD] = "bad" };
	enum sled_plot_tone tone = plot->series[series].tone;

	size_t hue = plot->series[series].hue;

	if (tone == SLED_PLOT_PLAIN)
		(void)snprintf(out, SLED_PLOT_WORD, "plot-%zu",
		               (hue == 0 ? series : hue - 1) %
		                   SLED_PLOT_SERIES);
	else
		(void)snprintf(out, SLED_PLOT_WORD, "plot-%s", tones[tone]);
}

bool
sled_plot_hint(struct sled_buf *out, const struct sled_plot *plot, size_t point,
               struct sled_err *err)
{
	if (!sled_plot_point(out, plot, point, err))
		return false;
	for (size_t i = 0; i < plot->series_len; i++) {
		char value[SLED_PLOT_WORD];

		sled_plot_value(value, &plot->scale,
		                plot->series[i].values[point]);
		if (!sled_buf_addstr(out, i == 0 ? ": " : ", ", err) ||
		    !sled_plot_text(out, plot->series[i].name, err) ||
		    !sled_buf_addstr(out, " ", err) ||
		    !sled_plot_text(out, value, err))
			return false;
	}
	return true;
}

/* ---- the numbers ---- */

static bool
add_head(struct sled_buf *out, const struct sled_plot *plot,
         struct sled_err *err)
{
	if (!sled_buf_addstr(out, "<thead><tr><th scope=\"col\">", err) ||
	    !sled_plot_text(out, plot->across.name, err))
		return false;
	for (size_t i = 0; i < plot->series_len; i++)
		if (!sled_buf_addstr(out, "</th><th scope=\"col\">", err) ||
		    !sled_plot_text(out, plot->series[i].name, err))
			return false;
	return sled_buf_addstr(out, "</th></tr></thead>\n<tbody>\n", err);
}

static bool
add_line(struct sled_buf *out, const struct sled_plot *plot, size_t point,
         struct sled_err *err)
{
	if (!sled_buf_addstr(out, "<tr><th scope=\"row\">", err) ||
	    !sled_plot_point(out, plot, point, err) ||
	    !sled_buf_addstr(out, "</th>", err))
		return false;
	for (size_t i = 0; i < plot->series_len; i++) {
		char value[SLED_PLOT_WORD];

		sled_plot_value(value, &plot->scale,
		                plot->series[i].values[point]);
		if (!sled_buf_addstr(out, "<td>", err) ||
		    !sled_plot_text(out, value, err) ||
		    !sled_buf_addstr(out, "</td>", err))
			return false;
	}
	return sled_buf_addstr(out, "</tr>\n", err);
}

bool
sled_plot_table(struct sled_buf *out, const struct sled_plot *plot,
                struct sled_err *err)
{
	if (!sled_buf_addstr(out, "<table class=\"plot-table\"><caption>",
	                     err) ||
	    !sled_plot_text(out, plot->title, err) ||
	    !sled_buf_addstr(out, "</caption>\n", err) ||
	    !add_head(out, plot, err))
		return false;
	for (size_t i = 0; i < plot->len; i++)
		if (!add_line(out, plot, i, err))
			return false;
	return sled_buf_addstr(out, "</tbody></table>\n", err);
}

/* ---- all of it ---- */

static bool
add_legend(struct sled_buf *out, const struct sled_plot *plot,
           struct sled_err *err)
{
	if (plot->series_len == 1)
		return true;
	if (!sled_buf_addstr(out, "<ul class=\"plot-key\">", err))
		return false;
	for (size_t i = 0; i < plot->series_len; i++) {
		char name[SLED_PLOT_WORD];

		sled_plot_class(name, plot, i);
		if (!sled_buf_printf(out, err, "<li class=\"%s\">", name) ||
		    !sled_plot_text(out, plot->series[i].name, err) ||
		    !sled_buf_addstr(out, "</li>", err))
			return false;
	}
	return sled_buf_addstr(out, "</ul>\n", err);
}

static bool
add_caption(struct sled_buf *out, const struct sled_plot *plot,
            struct sled_err *err)
{
	return sled_buf_addstr(out,
	                       "<figure class=\"plot\">\n<figcaption>"
	                       "<strong>",
	                       err) &&
	       sled_plot_text(out, plot->title, err) &&
	       sled_buf_addstr(out, "</strong> <span>", err) &&
	       sled_plot_text(out, plot->about, err) &&
	       sled_buf_addstr(out, "</span></figcaption>\n", err);
}

bool
sled_plot_figure(struct sled_buf *out, const struct sled_plot *plot,
                 struct sled_err *err)
{
	return add_caption(out, plot, err) && add_legend(out, plot, err) &&
	       sled_plot_svg(out, plot, err) &&
	       sled_buf_addstr(out,
	                       "<details><summary>Numbers</summary>\n"
	                       "<div class=\"plot-numbers\">\n",
	                       err) &&
	       sled_plot_table(out, plot, err) &&
	       sled_buf_addstr(out, "</div></details>\n</figure>\n", err);
}
