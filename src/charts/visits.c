/* visits.c - how visits ended, and where their time went. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"
#include "mailsled/text.h"

/* ---- how they ended ---- */

struct ends {
	uint64_t all, cut, failed;
	const struct sled_visit_row *last; /* of those that did not end well */
};

static void
gather_ends(struct ends *ends, struct sled_grid *grid,
            const struct sled_history *history)
{
	size_t well = sled_grid_name(grid, "ended well", SLED_PLOT_GOOD);
	size_t cut = sled_grid_name(grid, "cut off", SLED_PLOT_WARN);
	size_t failed = sled_grid_name(grid, "failed", SLED_PLOT_BAD);

	for (size_t i = 0; i < history->visits_len; i++) {
		const struct sled_visit_row *row = &history->visits[i];
		size_t name = row->exit == 0 ? well : row->cut ? cut : failed;

		sled_grid_add(grid, name,
		              sled_bins_when(&grid->bins, row->began), 1);
		ends->all++;
		ends->cut += name == cut;
		ends->failed += name == failed;
		if (row->exit != 0 &&
		    (ends->last == NULL || row->began > ends->last->began))
			ends->last = row;
	}
}

static bool
tell_ends(struct sled_buf *about, const struct ends *ends, struct sled_err *err)
{
	char why[200];

	if (ends->last == NULL)
		return sled_buf_printf(
		    about, err,
		    ends->all == 1 ? "The one visit ended well."
				   : "All %" PRIu64 " visits ended well.",
		    ends->all);
	sled_text_clip(
	    why, sizeof(why),
	    (struct sled_span){ ends->last->error, strlen(ends->last->error) });
	return sled_buf_printf(about, err,
	                       "Of %" PRIu64 " visit%s %" PRIu64
	                       " ended well, %" PRIu64
	                       " %s cut off and %" PRIu64 " failed; last: %s.",
	                       ends->all, sled_charts_s(ends->all),
	                       ends->all - ends->cut - ends->failed, ends->cut,
	                       ends->cut == 1 ? "was" : "were", ends->failed,
	                       why[0] == '\0' ? "no reason is known" : why);
}

bool
sled_charts_visits(struct sled_buf *out, const struct sled_charts *charts,
                   struct sled_err *err)
{
	struct sled_buf about = { 0 };
	struct ends ends = { 0 };
	struct sled_grid grid;
	bool ok;

	if (charts->history->visits_len == 0)
		return sled_charts_none(out, "There was no visit in this time.",
		                        err);
	if (!sled_grid_make(&grid, sled_bins_of(charts), err))
		return false;
	gather_ends(&ends, &grid, charts->history);
	ok = tell_ends(&about, &ends, err) &&
	     sled_grid_draw(out, &grid,
	                    &(struct sled_figure){ "visits",
	                                           "Visits a ",
	                                           true,
	                                           about.data,
	                                           SLED_PLOT_BARS,
	                                           { SLED_PLOT_COUNT, NULL } },
	                    err);
	sled_buf_free(&about);
	sled_grid_free(&grid);
	return ok;
}

/* ---- where their time went ---- */

#define PHASES 9
#define DIAL   0
#define ELSE   (PHASES - 1)

static void
phases_of(const struct sled_visit_row *row, double out[PHASES])
{
	const int64_t ms[ELSE] = { 0,
		                   row->ms_connect,
		                   row->ms_tls,
		                   row->ms_login,
		                   row->ms_list,
		                   row->ms_fetch,
		                   row->ms_save,
		                   row->ms_delete };

	out[ELSE] = (double)row->ms;
	for (size_t i = 0; i < ELSE; i++) {
		out[i] = ms[i] > 0 ? (double)ms[i] : 0;
		out[ELSE] -= out[i];
	}
	out[ELSE] = fmax(out[ELSE], 0);
}

/* What a dialled line was up for besides its visits. */
static void
gather_dials(struct sled_grid *grid, const struct sled_history *history,
             double all[PHASES])
{
	for (size_t i = 0; i < history->len && history->whole; i++) {
		const struct sled_history_round *round = &history->list[i];
		int64_t ms = round->row.ms;

		for (size_t k = 0; k < round->len; k++)
			ms -= round->visits[k].ms;
		if (!round->row.dialled || round->len == 0 || ms <= 0)
			continue;
		sled_grid_add(
		    grid, DIAL,
		    sled_bins_when(&grid->bins, round->visits[0].began),
		    (double)ms);
		all[DIAL] += (double)ms;
	}
}

/* Sums to means a visit: those of each bin in the grid, those of all in ALL. A
 * bin without a visit has none: 0 by 0 is NAN. */
static bool
gather_phases(struct sled_grid *grid, const struct sled_history *history,
              double all[PHASES], struct sled_err *err)
{
	double *visits = calloc(grid->bins.len, sizeof(*visits)), sum = 0;

	if (visits == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "charts");
	for (size_t i = 0; i < history->visits_len; i++) {
		const struct sled_visit_row *row = &history->visits[i];
		size_t bin = sled_bins_when(&grid->bins, row->began);
		double ms[PHASES];

		phases_of(row, ms);
		visits[bin]++;
		sum++;
		for (size_t k = 0; k < PHASES; k++) {
			sled_grid_add(grid, k, bin, ms[k]);
			all[k] += ms[k];
		}
	}
	gather_dials(grid, history, all);
	for (size_t k = 0; k < PHASES; k++) {
		all[k] /= fmax(sum, 1);
		for (size_t i = 0; i < grid->bins.len; i++)
			*sled_grid_value(grid, k, i) /= visits[i];
	}
	free(visits);
	return true;
}

static bool
tell_phases(struct sled_buf *about, const struct sled_grid *grid,
            const double all[PHASES], struct sled_err *err)
{
	double sum = 0;
	size_t most = 0;

	for (size_t k = 0; k < PHASES; k++) {
		sum += all[k];
		if (all[k] > all[most])
			most = k;
	}
	return sled_buf_printf(about, err,
	                       "A visit took %s in the mean, most of it to "
	                       "%s: %s.",
	                       sled_charts_word(SLED_PLOT_MS, sum).text,
	                       grid->names[most],
	                       sled_charts_word(SLED_PLOT_MS, all[most]).text);
}

bool
sled_charts_phases(struct sled_buf *out, const struct sled_charts *charts,
                   struct sled_err *err)
{
	static const char *const names[PHASES] = { "dial and hang up",
		                                   "look up and connect",
		                                   "secure (TLS)",
		                                   "log in",
		                                   "list",
		                                   "fetch",
		                                   "save",
		                                   "delete",
		                                   "else" };
	double all[PHASES] = { 0 };
	struct sled_buf about = { 0 };
	struct sled_grid grid;
	bool ok;

	if (charts->history->visits_len == 0)
		return sled_charts_none(out, "There was no visit in this time.",
		                        err);
	if (!sled_grid_make(&grid, sled_bins_of(charts), err))
		return false;
	for (size_t k = 0; k < PHASES; k++)
		(void)sled_grid_name(&grid, names[k], SLED_PLOT_PLAIN);
	ok = gather_phases(&grid, charts->history, all, err) &&
	     tell_phases(&about, &grid, all, err) &&
	     sled_grid_draw(
		 out, &grid,
		 &(struct sled_figure){ "phases",
	                                "Time of a visit, mean of each ",
	                                true,
	                                about.data,
	                                SLED_PLOT_BARS,
	                                { SLED_PLOT_MS, NULL } },
		 err);
	sled_buf_free(&about);
	sled_grid_free(&grid);
	return ok;
}
