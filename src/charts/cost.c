/* cost.c - money, by link. */
#include <string.h>

#include "internal.h"

struct cost {
	const struct sled_charts *charts;
	const char *currency;
	double money;
	uint64_t messages;
};

static void
gather(struct cost *cost, struct sled_grid *grid)
{
	const struct sled_history *history = cost->charts->history;

	for (size_t i = 0; i < history->len; i++) {
		const struct sled_history_round *round = &history->list[i];
		const struct sled_round_row *row = &round->row;
		size_t bin = sled_bins_when(&grid->bins, row->began);
		const char *link = row->link[0] != '\0' ? row->link : "-";

		size_t name = sled_grid_name(grid, link, SLED_PLOT_PLAIN);

		if (strcmp(row->currency, cost->currency) != 0)
			continue;
		sled_grid_add(grid, name, bin, (double)row->money);
		cost->money += (double)row->money;
		cost->messages += round->messages;
	}
}

static bool
tell(struct sled_buf *about, const struct cost *cost, struct sled_err *err)
{
	struct sled_plot_scale scale = { SLED_PLOT_MONEY, cost->currency };
	double days = sled_charts_days(cost->charts);
	char all[SLED_PLOT_WORD], day[SLED_PLOT_WORD], each[SLED_PLOT_WORD];

	sled_plot_value(all, &scale, cost->money);
	sled_plot_value(day, &scale, cost->money / days);
	if (!sled_buf_printf(about, err, "%s in %.0f day%s, %s a day", all,
	                     days, sled_charts_s((uint64_t)days), day))
		return false;
	if (cost->messages == 0)
		return sled_buf_addstr(about, ".", err);
	sled_plot_value(each, &scale, cost->money / (double)cost->messages);
	return sled_buf_printf(about, err, "; a message cost %s.", each);
}

static bool
draw(struct sled_buf *out, const struct sled_charts *charts,
     const char *currency, size_t at, struct sled_err *err)
{
	struct cost cost = { charts, currency, 0, 0 };
	struct sled_buf about = { 0 }, id = { 0 }, title = { 0 };
	struct sled_grid grid;
	bool ok;

	if (!sled_grid_make(&grid, sled_bins_of(charts), err))
		return false;
	gather(&cost, &grid);
	ok = tell(&about, &cost, err) &&
	     sled_buf_printf(&id, err, "cost-%zu", at) &&
	     sled_buf_printf(&title, err, "%s a ", currency) &&
	     sled_grid_draw(
		 out, &grid,
		 &(struct sled_figure){ id.data,
	                                title.data,
	                                true,
	                                about.data,
	                                SLED_PLOT_BARS,
	                                { SLED_PLOT_MONEY, currency } },
		 err);
	sled_buf_free(&about);
	sled_buf_free(&id);
	sled_buf_free(&title);
	sled_grid_free(&grid);
	return ok;
}

bool
sled_charts_cost(struct sled_buf *out, const struct sled_charts *charts,
                 struct sled_err *err)
{
	const struct sled_history *history = charts->history;
	struct sled_history_sum sum = { 0 };

	for (size_t i = 0; i < history->len; i++)
		sled_history_add(&sum, &history->list[i]);
	if (sum.money[0].currency[0] == '\0')
		return sled_charts_none(
		    out,
		    "No link that was used has a price: a [link] section says "
		    "it, as in cost = 5.00 USD/MiB.",
		    err);
	for (size_t i = 0; i < SLED_HISTORY_CURRENCIES; i++)
		if (sum.money[i].currency[0] != '\0' &&
		    !draw(out, charts, sum.money[i].currency, i, err))
			return false;
	return true;
}
