/* link.c - how good the links were, by interface. */
#include <float.h>
#include <math.h>

#include "internal.h"

#define TOLD   16384 /* octets of mail that tell a rate */
#define TOLD_S 0.2   /* ... and how long they took */
#define FAR    40    /* times: what a plain scale does not show */

/* One quality of a visit: a value, and how much it weighs in a mean. */
struct measure {
	double value, weight; /* 0: it tells nothing */
};

typedef struct measure measure_fn(const struct sled_visit_row *row);

static struct measure
round_trip(const struct sled_visit_row *row)
{
	return (struct measure){ row->rtt_ms, row->rtt_ms > 0 };
}

/* Octets came, while mail did: a mean over time. */
static struct measure
rate(const struct sled_visit_row *row)
{
	double s = (double)row->ms_fetch / 1000;

	if (row->mail_bytes < TOLD || s < TOLD_S)
		return (struct measure){ 0, 0 };
	return (struct measure){ (double)row->mail_bytes / s, s };
}

static struct measure
again(const struct sled_visit_row *row)
{
	double sent = (double)(row->segs_down + row->segs_up);

	if (sent <= 0)
		return (struct measure){ 0, 0 };
	return (struct measure){ fmin((double)row->retrans / sent, 1), sent };
}

static const struct quality {
	const char *id, *title, *about, *none;
	enum sled_plot_unit unit;
	bool by_tens; /* where links are too far apart */
	measure_fn *measure;
} qualities[] = {
	{ "round-trip", "Round trip", "The smallest of a visit, in the mean: ",
	  "No visit measured a round trip.", SLED_PLOT_MS, true, round_trip },
	{ "rate", "Rate of mail",
	  "While mail came: ", "No visit brought enough mail to tell a rate.",
	  SLED_PLOT_RATE, true, rate },
	{ "again", "Packets sent again", "Of all packets: ",
	  "No visit counted its packets.", SLED_PLOT_SHARE, false, again },
};

#define QUALITIES (sizeof(qualities) / sizeof(qualities[0]))

struct link {
	struct sled_grid sums, weights;
	double sum[SLED_GRID_NAMES], weight[SLED_GRID_NAMES];
	double least, most; /* of the means */
	size_t used;        /* measures */
	bool by_tens;
};

static void
gather(struct link *link, const struct sled_history *history,
       measure_fn *measure)
{
	for (size_t i = 0; i < history->visits_len; i++) {
		const struct sled_visit_row *row = &history->visits[i];
		struct measure one = measure(row);
		size_t bin = sled_bins_when(&link->sums.bins, row->began);
		size_t name = sled_grid_name(
		    &link->sums, row->path[0] == '\0' ? "-" : row->path,
		    SLED_PLOT_PLAIN);

		if (one.weight <= 0)
			continue;
		link->used++;
		link->sums.used[name] = true;
		*sled_grid_value(&link->sums, name, bin) +=
		    one.value * one.weight;
		*sled_grid_value(&link->weights, name, bin) += one.weight;
		link->sum[name] += one.value * one.weight;
		link->weight[name] += one.weight;
	}
}

/* A bin without a measure has no value. */
static void
make_means(struct link *link)
{
	for (size_t k = 0; k < link->sums.len; k++)
		for (size_t i = 0; i < link->sums.bins.len; i++) {
			double *sum = sled_grid_value(&link->sums, k, i);
			double weight = *sled_grid_value(&link->weights, k, i);

			*sum = weight > 0 ? *sum / weight : (double)NAN;
			link->most = fmax(link->most, *sum);
			if (*sum > 0)
				link->least = fmin(link->least, *sum);
		}
}

static bool
tell(struct sled_buf *about, const struct link *link,
     const struct quality *quality, struct sled_err *err)
{
	const char *comma = "";

	if (!sled_buf_addstr(about, quality->about, err))
		return false;
	for (size_t k = 0; k < link->sums.len; k++) {
		if (!link->sums.used[k])
			continue;
		if (!sled_buf_printf(
			about, err, "%s%s over %s", comma,
			sled_charts_word(quality->unit,
		                         link->sum[k] / link->weight[k])
			    .text,
			link->sums.names[k]))
			return false;
		comma = ", ";
	}
	return sled_buf_addstr(
	    about, link->by_tens ? ". The scale goes by tens." : ".", err);
}

static bool
draw(struct sled_buf *out, const struct sled_charts *charts, struct link *link,
     const struct quality *quality, struct sled_err *err)
{
	struct sled_buf about = { 0 };
	bool ok;

	gather(link, charts->history, quality->measure);
	if (link->used == 0)
		return sled_charts_none(out, quality->none, err);
	make_means(link);
	link->by_tens = quality->by_tens && link->most > FAR * link->least;
	ok =
	    tell(&about, link, quality, err) &&
	    sled_grid_draw(out, &link->sums,
	                   &(struct sled_figure){
			       quality->id,
			       quality->title,
			       false,
			       about.data,
			       link->by_tens ? SLED_PLOT_TENS : SLED_PLOT_LINES,
			       { quality->unit, NULL } },
	                   err);
	sled_buf_free(&about);
	return ok;
}

bool
sled_charts_link(struct sled_buf *out, const struct sled_charts *charts,
                 struct sled_err *err)
{
	struct sled_bins bins = sled_bins_of(charts);

	if (charts->history->visits_len == 0)
		return sled_charts_none(out, "There was no visit in this time.",
		                        err);
	for (size_t i = 0; i < QUALITIES; i++) {
		struct link link = { .least = DBL_MAX };
		bool ok = sled_grid_make(&link.sums, bins, err) &&
		          sled_grid_make(&link.weights, bins, err) &&
		          draw(out, charts, &link, &qualities[i], err);

		sled_grid_free(&link.sums);
		sled_grid_free(&link.weights);
		if (!ok)
			return false;
	}
	return true;
}
