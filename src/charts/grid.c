/* grid.c - sums by name and bin, and the figure of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "mailsled/text.h"

#define DAY_S 86400.0

bool
sled_grid_make(struct sled_grid *grid, struct sled_bins bins,
               struct sled_err *err)
{
	*grid = (struct sled_grid){ .bins = bins };
	grid->values =
	    calloc(bins.len * SLED_GRID_NAMES, sizeof(*grid->values));
	return grid->values != NULL || sled_fail(err, SLED_ERR_NOMEM, "charts");
}

void
sled_grid_free(struct sled_grid *grid)
{
	free(grid->values);
	*grid = (struct sled_grid){ 0 };
}

size_t
sled_grid_name(struct sled_grid *grid, const char *name,
               enum sled_plot_tone tone)
{
	char clipped[SLED_GRID_NAME];
	size_t at = 0;

	sled_text_clip(clipped, sizeof(clipped),
	               (struct sled_span){ name, strlen(name) });
	while (at < grid->len && strcmp(grid->names[at], clipped) != 0)
		at++;
	if (at < grid->len)
		return at;
	if (grid->len == SLED_GRID_NAMES) {
		(void)snprintf(grid->names[at - 1], SLED_GRID_NAME, "others");
		return at - 1;
	}
	memcpy(grid->names[at], clipped, sizeof(clipped));
	grid->tones[at] = tone;
	return grid->len++;
}

double *
sled_grid_value(const struct sled_grid *grid, size_t name, size_t bin)
{
	return &grid->values[name * grid->bins.len + bin];
}

void
sled_grid_add(struct sled_grid *grid, size_t name, size_t bin, double value)
{
	*sled_grid_value(grid, name, bin) += value;
	if (value > 0)
		grid->used[name] = true;
}

static bool
take_label(void *ctx, const struct sled_label_row *row, struct sled_err *err)
{
	(void)err;
	(void)sled_grid_name(ctx, row->label, SLED_PLOT_PLAIN);
	return true;
}

bool
sled_grid_accounts(struct sled_grid *grid, struct sled_ledger *ledger,
                   struct sled_err *err)
{
	return sled_ledger_labels(ledger, false, take_label, grid, err);
}

double
sled_grid_sum(const struct sled_grid *grid, size_t name)
{
	double sum = 0;

	for (size_t i = 0; i < grid->bins.len; i++)
		sum += *sled_grid_value(grid, name, i);
	return sum;
}

bool
sled_grid_draw(struct sled_buf *out, const struct sled_grid *grid,
               const struct sled_figure *figure, struct sled_err *err)
{
	struct sled_plot_series series[SLED_GRID_NAMES];
	struct sled_buf title = { 0 };
	struct sled_plot plot = {
		.id = figure->id,
		.about = figure->about,
		.kind = figure->kind,
		.scale = figure->scale,
		.across = { .months = grid->bins.months,
		            .from = grid->bins.from,
		            .step = grid->bins.step,
		            .name = grid->bins.name },
		.len = grid->bins.len,
		.series = series,
	};
	bool ok;

	for (size_t i = 0; i < grid->len; i++)
		if (grid->used[i])
			series[plot.series_len++] = (struct sled_plot_series){
				grid->names[i], sled_grid_value(grid, i, 0),
				grid->tones[i], (unsigned)i + 1
			};
	ok = sled_buf_printf(&title, err, "%s%s", figure->title,
	                     figure->each ? grid->bins.name : "");
	plot.title = title.data;
	ok = ok && sled_plot_figure(out, &plot, err);
	sled_buf_free(&title);
	return ok;
}

bool
sled_charts_none(struct sled_buf *out, const char *text, struct sled_err *err)
{
	return sled_buf_addstr(out, "<p class=\"chart-none\">", err) &&
	       sled_text_html(out, (struct sled_span){ text, strlen(text) },
	                      err) &&
	       sled_buf_addstr(out, "</p>\n", err);
}

struct sled_word
sled_charts_word(enum sled_plot_unit unit, double value)
{
	struct sled_word word;

	sled_plot_value(word.text, &(struct sled_plot_scale){ unit, NULL },
	                value);
	return word;
}

const char *
sled_charts_s(uint64_t count)
{
	return count == 1 ? "" : "s";
}

double
sled_charts_days(const struct sled_charts *charts)
{
	double days = ceil((double)(charts->now - charts->since) / DAY_S);

	return days < 1 ? 1 : days;
}
