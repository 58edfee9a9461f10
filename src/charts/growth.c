/* growth.c - all mail that there is, as it came. */
#include <inttypes.h>
#include <stdlib.h>

#include "internal.h"

#define DAY_S  86400
#define LATELY 30 /* days */

struct growth {
	struct sled_growth_row *rows; /* by day */
	size_t len, cap;
	int64_t today;
	uint64_t messages, octets, lately;
	uint64_t archived; /* octets of all volumes */
};

static bool
take_row(void *ctx, const struct sled_growth_row *row, struct sled_err *err)
{
	struct growth *growth = ctx;

	if (growth->len == growth->cap) {
		size_t more = growth->cap == 0 ? 256 : growth->cap * 2;
		struct sled_growth_row *rows =
		    reallocarray(growth->rows, more, sizeof(*rows));

		if (rows == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "charts");
		growth->rows = rows;
		growth->cap = more;
	}
	growth->rows[growth->len++] = *row;
	growth->messages += row->messages;
	growth->octets += row->octets;
	if (row->day > growth->today - LATELY)
		growth->lately += row->octets;
	return true;
}

/* What came in each bin becomes what there is at its end. */
static void
fill(const struct growth *growth, struct sled_grid *grid)
{
	for (size_t i = 0; i < growth->len; i++) {
		const struct sled_growth_row *row = &growth->rows[i];
		int64_t at =
		    grid->bins.months ? sled_charts_month(row->day) : row->day;

		sled_grid_add(
		    grid, sled_grid_name(grid, row->label, SLED_PLOT_PLAIN),
		    sled_bins_at(&grid->bins, at), (double)row->octets);
	}
	for (size_t k = 0; k < grid->len; k++)
		for (size_t i = 1; i < grid->bins.len; i++)
			*sled_grid_value(grid, k, i) +=
			    *sled_grid_value(grid, k, i - 1);
}

static bool
tell(struct sled_buf *about, const struct growth *growth, struct sled_err *err)
{
	return sled_buf_printf(
	    about, err,
	    "%" PRIu64 " message%s of %s; packed they take %s in each whole "
	    "copy. The last %d days brought %s.",
	    growth->messages, sled_charts_s(growth->messages),
	    sled_charts_word(SLED_PLOT_BYTES, (double)growth->octets).text,
	    sled_charts_word(SLED_PLOT_BYTES, (double)growth->archived).text,
	    LATELY,
	    sled_charts_word(SLED_PLOT_BYTES, (double)growth->lately).text);
}

static bool
draw(struct sled_buf *out, struct sled_ledger *ledger,
     const struct growth *growth, struct sled_err *err)
{
	struct sled_buf about = { 0 };
	struct sled_grid grid;
	bool ok;

	if (!sled_grid_make(
		&grid, sled_bins_make(growth->rows[0].day, growth->today), err))
		return false;
	ok = sled_grid_accounts(&grid, ledger, err);
	fill(growth, &grid);
	ok = ok && tell(&about, growth, err) &&
	     sled_grid_draw(
		 out, &grid,
		 &(struct sled_figure){ "growth",
	                                "All mail, at the end of each ",
	                                true,
	                                about.data,
	                                SLED_PLOT_BARS,
	                                { SLED_PLOT_BYTES, NULL } },
		 err);
	sled_buf_free(&about);
	sled_grid_free(&grid);
	return ok;
}

bool
sled_charts_growth(struct sled_buf *out, const struct sled_charts *charts,
                   struct sled_err *err)
{
	struct growth growth = { .today = charts->now / DAY_S };
	bool ok = sled_ledger_growth(charts->ledger, take_row, &growth, err) &&
	          sled_ledger_archived(charts->ledger, &growth.archived, err) &&
	          (growth.len == 0
	               ? sled_charts_none(out, "No mail is stored yet.", err)
	               : draw(out, charts->ledger, &growth, err));

	free(growth.rows);
	return ok;
}
