/* rows.c - the SVG of lying bars: a word, its sum, and the bar below both. */
#include <math.h>
#include <string.h>

#include "internal.h"
#include "mailsled/text.h"

#define ROW   42.0 /* pixels from one to the next */
#define TEXT  14.0 /* down to the feet of the text */
#define BAR   20.0 /* down to the bar */
#define THICK 12.0
#define CHARS 48  /* of a word: it stands on a telephone too */
#define LEAST 0.3 /* percent, of what is there */

double
sled_plot_rows_height(const struct sled_plot *plot)
{
	return ROW * (double)plot->len;
}

static double
sum_of(const struct sled_plot *plot, size_t point)
{
	double sum = 0;

	for (size_t i = 0; i < plot->series_len; i++)
		sum += sled_plot_number(plot, i, point);
	return sum;
}

static bool
add_words(struct sled_buf *out, const struct sled_plot *plot, size_t point,
          struct sled_err *err)
{
	const char *word = plot->across.words[point];
	char value[SLED_PLOT_WORD], clipped[CHARS];
	double y = ROW * (double)point;

	sled_text_clip(clipped, sizeof(clipped),
	               (struct sled_span){ word, strlen(word) });
	sled_plot_value(value, &plot->scale, sum_of(plot, point));
	return sled_buf_printf(out, err,
	                       "<text class=\"plot-word\" x=\"0\" "
	                       "y=\"%.0f\">",
	                       y + TEXT) &&
	       sled_plot_text(out, clipped, err) &&
	       sled_buf_printf(out, err,
	                       "</text><text class=\"plot-sum\" x=\"100%%\" "
	                       "y=\"%.0f\">",
	                       y + TEXT) &&
	       sled_plot_text(out, value, err) &&
	       sled_buf_printf(out, err,
	                       "</text><rect class=\"plot-track\" x=\"0\" "
	                       "width=\"100%%\" y=\"%.0f\" height=\"%.0f\"/>\n",
	                       y + BAR, THICK);
}

static bool
add_bars(struct sled_buf *out, const struct sled_plot *plot, size_t point,
         struct sled_err *err)
{
	double most = sled_plot_most(plot), at = 0;

	for (size_t i = 0; i < plot->series_len && most > 0; i++) {
		double value = sled_plot_number(plot, i, point);
		double wide = fmax(100 * value / most, LEAST);
		char name[SLED_PLOT_WORD];

		if (value <= 0)
			continue;
		sled_plot_class(name, plot, i);
		if (!sled_buf_printf(out, err,
		                     "<g class=\"%s\"><rect x=\"%.2f%%\" "
		                     "width=\"%.2f%%\" y=\"%.0f\" "
		                     "height=\"%.0f\"/></g>",
		                     name, at, wide, ROW * (double)point + BAR,
		                     THICK))
			return false;
		at += wide;
	}
	return true;
}

bool
sled_plot_rows(struct sled_buf *out, const struct sled_plot *plot,
               struct sled_err *err)
{
	for (size_t i = 0; i < plot->len; i++)
		if (!sled_buf_addstr(out, "<g><title>", err) ||
		    !sled_plot_hint(out, plot, i, err) ||
		    !sled_buf_addstr(out, "</title>", err) ||
		    !add_words(out, plot, i, err) ||
		    !add_bars(out, plot, i, err) ||
		    !sled_buf_addstr(out, "</g>\n", err))
			return false;
	return true;
}
