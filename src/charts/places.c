/* places.c - what each place holds, by how long ago it was read back. */
#include <inttypes.h>
#include <stdlib.h>

#include "internal.h"

#define DAY_S 86400
#define AGES  5 /* the last is what is not there */

static const struct age {
	const char *name;
	enum sled_plot_tone tone;
	unsigned hue; /* of a PLAIN one */
	int64_t days; /* read at most so long ago */
} ages[AGES] = {
	{ "read back within 7 days", SLED_PLOT_GOOD, 0, 7 },
	{ "within 30 days", SLED_PLOT_PLAIN, 7, 30 },
	{ "within 90 days", SLED_PLOT_PLAIN, 1, 90 },
	{ "longer ago", SLED_PLOT_WARN, 0, INT64_MAX },
	{ "not there", SLED_PLOT_BAD, 0, 0 },
};

struct places {
	int64_t today;
	size_t len, at;
	double *values; /* AGES times len */
	int64_t oldest; /* day, or INT64_MAX */
	uint64_t lacks; /* octets, of all together */
	size_t lacking; /* places */
};

static bool
take_day(void *ctx, const struct sled_read_row *row, struct sled_err *err)
{
	struct places *places = ctx;
	size_t age = 0;

	(void)err;
	while (places->today - row->day > ages[age].days)
		age++;
	places->values[age * places->len + places->at] += (double)row->octets;
	if (row->day < places->oldest)
		places->oldest = row->day;
	return true;
}

static bool
gather(struct places *places, const struct sled_charts *charts,
       const struct sled_charts_place *list, struct sled_err *err)
{
	for (size_t i = 0; i < places->len; i++) {
		places->at = i;
		if (list[i].id[0] != '\0' &&
		    !sled_ledger_read_days(charts->ledger, list[i].id, take_day,
		                           places, err))
			return false;
		places->values[(AGES - 1) * places->len + i] =
		    (double)list[i].lacks;
		places->lacks += list[i].lacks;
		places->lacking += list[i].lacks > 0;
	}
	return true;
}

static bool
tell(struct sled_buf *about, const struct places *places, struct sled_err *err)
{
	int64_t days = places->today - places->oldest;

	if (places->lacking == 0) {
		if (!sled_buf_addstr(about, "Every place holds everything.",
		                     err))
			return false;
	} else if (!sled_buf_printf(
		       about, err, "%zu of %zu place%s lack%s mail: %s.",
		       places->lacking, places->len, sled_charts_s(places->len),
		       places->lacking == 1 ? "s" : "",
		       sled_charts_word(SLED_PLOT_BYTES, (double)places->lacks)
			   .text)) {
		return false;
	}
	if (places->oldest == INT64_MAX)
		return sled_buf_addstr(about, " Nothing was read back yet.",
		                       err);
	if (days <= 0)
		return sled_buf_addstr(about, " All of it was read back today.",
		                       err);
	return sled_buf_printf(about, err,
	                       " What was not read back for longest was read "
	                       "%" PRId64 " day%s ago.",
	                       days, sled_charts_s((uint64_t)days));
}

static bool
draw(struct sled_buf *out, const struct places *places,
     const char *const *words, struct sled_err *err)
{
	struct sled_plot_series series[AGES];
	struct sled_buf about = { 0 };
	struct sled_plot plot = {
		.id = "places",
		.title = "When each copy was last read back",
		.kind = SLED_PLOT_ROWS,
		.scale = { SLED_PLOT_BYTES, NULL },
		.across = { .step = 1, .words = words, .name = "place" },
		.len = places->len,
		.series = series,
		.series_len = AGES,
	};
	bool ok = tell(&about, places, err);

	for (size_t i = 0; i < AGES; i++)
		series[i] =
		    (struct sled_plot_series){ ages[i].name,
			                       &places->values[i * places->len],
			                       ages[i].tone, ages[i].hue };
	plot.about = about.data;
	ok = ok && sled_plot_figure(out, &plot, err);
	sled_buf_free(&about);
	return ok;
}

bool
sled_charts_places(struct sled_buf *out, const struct sled_charts *charts,
                   const struct sled_charts_place *list, size_t len,
                   struct sled_err *err)
{
	struct places places = { .today = charts->now / DAY_S,
		                 .len = len,
		                 .oldest = INT64_MAX };
	const char **words;
	bool ok;

	if (len == 0)
		return sled_charts_none(out, "There is no place yet.", err);
	places.values = calloc(len * AGES, sizeof(*places.values));
	words = calloc(len, sizeof(*words));
	ok = places.values != NULL && words != NULL;
	if (!ok)
		(void)sled_fail(err, SLED_ERR_NOMEM, "charts");
	for (size_t i = 0; ok && i < len; i++)
		words[i] = list[i].path;
	ok = ok && gather(&places, charts, list, err) &&
	     draw(out, &places, words, err);
	free(places.values);
	free(words);
	return ok;
}
