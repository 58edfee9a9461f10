/* mail.c - what came, and what the wire carried for it. */
#include <inttypes.h>

#include "internal.h"

struct peak {
	size_t bin;
	double value;
};

static struct peak
peak_of(const struct sled_grid *grid)
{
	struct peak peak = { 0, 0 };

	for (size_t i = 0; i < grid->bins.len; i++) {
		double sum = 0;

		for (size_t k = 0; k < grid->len; k++)
			sum += *sled_grid_value(grid, k, i);
		if (sum > peak.value)
			peak = (struct peak){ i, sum };
	}
	return peak;
}

static bool
tell_mail(struct sled_buf *about, const struct sled_charts *charts,
          const struct sled_grid *grid, struct sled_err *err)
{
	double days = sled_charts_days(charts), sum = 0;
	struct peak peak = peak_of(grid);

	for (size_t i = 0; i < grid->len; i++)
		sum += sled_grid_sum(grid, i);
	return sled_buf_printf(
	    about, err,
	    "%.0f message%s came in %.0f day%s, %s a day; %.0f in the fullest "
	    "%s.",
	    sum, sled_charts_s((uint64_t)sum), days,
	    sled_charts_s((uint64_t)days),
	    sled_charts_word(SLED_PLOT_COUNT, sum / days).text, peak.value,
	    grid->bins.name);
}

bool
sled_charts_mail(struct sled_buf *out, const struct sled_charts *charts,
                 struct sled_err *err)
{
	const struct sled_history *history = charts->history;
	struct sled_buf about = { 0 };
	struct sled_grid grid;
	uint64_t sum = 0;
	bool ok;

	if (!sled_grid_make(&grid, sled_bins_of(charts), err))
		return false;
	ok = sled_grid_accounts(&grid, charts->ledger, err);
	for (size_t i = 0; i < history->visits_len; i++) {
		const struct sled_visit_row *row = &history->visits[i];
		size_t bin = sled_bins_when(&grid.bins, row->began);

		size_t name =
		    sled_grid_name(&grid, row->label, SLED_PLOT_PLAIN);

		sled_grid_add(&grid, name, bin, (double)row->fetched);
		sum += row->fetched;
	}
	if (ok && sum == 0)
		ok = sled_charts_none(out, "No mail came in this time.", err);
	else
		ok = ok && tell_mail(&about, charts, &grid, err) &&
		     sled_grid_draw(
			 out, &grid,
			 &(struct sled_figure){ "mail",
		                                "Messages a ",
		                                true,
		                                about.data,
		                                SLED_PLOT_BARS,
		                                { SLED_PLOT_COUNT, NULL } },
			 err);
	sled_buf_free(&about);
	sled_grid_free(&grid);
	return ok;
}

/* ---- bytes ---- */

static bool
tell_bytes(struct sled_buf *about, double mail, double wire,
           struct sled_err *err)
{
	if (!sled_buf_printf(about, err,
	                     "%s of mail came; the wire carried %s both ways",
	                     sled_charts_word(SLED_PLOT_BYTES, mail).text,
	                     sled_charts_word(SLED_PLOT_BYTES, wire).text))
		return false;
	return mail > 0 ? sled_buf_printf(about, err, ", %.2f times as much.",
	                                  wire / mail)
	                : sled_buf_addstr(about, ".", err);
}

bool
sled_charts_bytes(struct sled_buf *out, const struct sled_charts *charts,
                  struct sled_err *err)
{
	const struct sled_history *history = charts->history;
	double mail = 0, wire = 0;
	struct sled_buf about = { 0 };
	struct sled_grid grid;
	size_t of_mail, rest;
	bool ok;

	if (!sled_grid_make(&grid, sled_bins_of(charts), err))
		return false;
	of_mail = sled_grid_name(&grid, "mail", SLED_PLOT_PLAIN);
	rest = sled_grid_name(&grid, "all else on the wire", SLED_PLOT_PLAIN);
	for (size_t i = 0; i < history->len; i++) {
		const struct sled_history_round *round = &history->list[i];
		size_t bin = sled_bins_when(&grid.bins, round->row.began);

		sled_grid_add(&grid, of_mail, bin, (double)round->mail);
		if (round->row.wire > round->mail)
			sled_grid_add(&grid, rest, bin,
			              (double)(round->row.wire - round->mail));
		mail += (double)round->mail;
		wire += (double)round->row.wire;
	}
	if (mail + wire <= 0)
		ok = sled_charts_none(out, "Nothing went over a wire.", err);
	else
		ok = tell_bytes(&about, mail, wire, err) &&
		     sled_grid_draw(
			 out, &grid,
			 &(struct sled_figure){ "bytes",
		                                "Bytes a ",
		                                true,
		                                about.data,
		                                SLED_PLOT_BARS,
		                                { SLED_PLOT_BYTES, NULL } },
			 err);
	sled_buf_free(&about);
	sled_grid_free(&grid);
	return ok;
}
