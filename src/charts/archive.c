/* archive.c - what archives there are. */
#include <inttypes.h>
#include <stdlib.h>

#include "internal.h"

/* ---- volumes ---- */

struct volumes {
	struct sled_grid grid;
	int64_t first, last; /* months */
	uint64_t count, sealed, octets;
	size_t shut, done, open; /* names */
};

/* "2026-11-001" is of 2026-11; a name of another form, of the first month. */
static int64_t
month_of(const struct sled_volume_row *row)
{
	char *end = NULL;
	long year = strtol(row->name, &end, 10);
	long month = *end == '-' ? strtol(end + 1, &end, 10) : 0;

	return year < 1970 || month < 1 || month > 12
	           ? 0
	           : 12 * (int64_t)year + month - 1;
}

static bool
take_span(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct volumes *volumes = ctx;
	int64_t month = month_of(row);

	(void)err;
	if (month != 0 && (volumes->first == 0 || month < volumes->first))
		volumes->first = month;
	if (month > volumes->last)
		volumes->last = month;
	volumes->count++;
	volumes->sealed += row->sealed;
	volumes->octets += row->end;
	return true;
}

static bool
take_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct volumes *volumes = ctx;
	size_t name = row->sealed   ? volumes->done
	              : row->turned ? volumes->shut
	                            : volumes->open;

	(void)err;
	sled_grid_add(&volumes->grid, name,
	              sled_bins_at(&volumes->grid.bins, month_of(row)),
	              (double)row->end);
	return true;
}

static bool
tell_volumes(struct sled_buf *about, const struct volumes *volumes,
             struct sled_err *err)
{
	if (!sled_buf_printf(
		about, err, "%" PRIu64 " volume%s of %s in all; ",
		volumes->count, sled_charts_s(volumes->count),
		sled_charts_word(SLED_PLOT_BYTES, (double)volumes->octets)
		    .text))
		return false;
	if (volumes->sealed == 0)
		return sled_buf_addstr(about, "none is sealed yet.", err);
	return sled_buf_printf(about, err,
	                       "%" PRIu64 " sealed, which never change again.",
	                       volumes->sealed);
}

static bool
draw_volumes(struct sled_buf *out, const struct sled_charts *charts,
             struct volumes *volumes, struct sled_err *err)
{
	struct sled_buf about = { 0 };
	bool ok;

	volumes->done =
	    sled_grid_name(&volumes->grid, "sealed", SLED_PLOT_PLAIN);
	volumes->open =
	    sled_grid_name(&volumes->grid, "still growing", SLED_PLOT_PLAIN);
	volumes->shut = sled_grid_name(&volumes->grid, "full, not sealed yet",
	                               SLED_PLOT_PLAIN);
	ok = sled_ledger_volumes(charts->ledger, NULL, take_volume, volumes,
	                         err) &&
	     tell_volumes(&about, volumes, err) &&
	     sled_grid_draw(out, &volumes->grid,
	                    &(struct sled_figure){ "volumes",
	                                           "Archives of each ",
	                                           true,
	                                           about.data,
	                                           SLED_PLOT_BARS,
	                                           { SLED_PLOT_BYTES, NULL } },
	                    err);
	sled_buf_free(&about);
	return ok;
}

bool
sled_charts_volumes(struct sled_buf *out, const struct sled_charts *charts,
                    struct sled_err *err)
{
	struct volumes volumes = { .first = 0 };
	bool ok;

	if (!sled_ledger_volumes(charts->ledger, NULL, take_span, &volumes,
	                         err))
		return false;
	if (volumes.count == 0)
		return sled_charts_none(out, "There is no archive yet.", err);
	ok = sled_grid_make(&volumes.grid,
	                    sled_bins_months(volumes.first, volumes.last),
	                    err) &&
	     draw_volumes(out, charts, &volumes, err);
	sled_grid_free(&volumes.grid);
	return ok;
}
