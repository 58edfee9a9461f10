/* scale.c - round ticks, and values with their units. */
#include <math.h>
#include <stdio.h>

#include "internal.h"

#define GAPS   4 /* between ticks, at most */
#define SECOND 1000.0
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)
#define COINS  1e6 /* millionths */

#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

struct unit {
	double size;
	const char *name;
};

struct units {
	const struct unit *list;
	size_t len;
};

/* Smallest first; empty for what has one unit. */
static struct units
units_of(enum sled_plot_unit unit)
{
	static const struct unit counts[] = { { 1, "" }, { 1e6, " M" } };
	static const struct unit bytes[] = { { 1, " B" },
		                             { 1e3, " kB" },
		                             { 1e6, " MB" },
		                             { 1e9, " GB" },
		                             { 1e12, " TB" } };
	static const struct unit rates[] = { { 1, " B/s" },
		                             { 1e3, " kB/s" },
		                             { 1e6, " MB/s" },
		                             { 1e9, " GB/s" } };
	static const struct unit times[] = { { 1, " ms" },
		                             { SECOND, " s" },
		                             { MINUTE, " min" },
		                             { HOUR, " h" },
		                             { DAY, " days" } };
	static const struct unit shares[] = { { 0.01, " %" } };

	switch (unit) {
	case SLED_PLOT_BYTES:
		return (struct units){ bytes, COUNT_OF(bytes) };
	case SLED_PLOT_RATE:
		return (struct units){ rates, COUNT_OF(rates) };
	case SLED_PLOT_MS:
		return (struct units){ times, COUNT_OF(times) };
	case SLED_PLOT_SHARE:
		return (struct units){ shares, COUNT_OF(shares) };
	case SLED_PLOT_COUNT:
	case SLED_PLOT_MONEY:
		break;
	}
	return (struct units){ counts, COUNT_OF(counts) };
}

/* ---- ticks ---- */

/* 1, 2 or 5 of a power of ten: the least that needs no more than GAPS. */
static double
decimal_step(double most)
{
	static const double steps[] = { 1, 2, 5 };
	double power = pow(10, floor(log10(most / GAPS)));

	for (size_t i = 0; i < COUNT_OF(steps); i++)
		if (steps[i] * power * GAPS >= most * (1 - 1e-9))
			return steps[i] * power;
	return 10 * power;
}

static double
time_step(double most)
{
	static const double steps[] = {
		SECOND,      2 * SECOND,  5 * SECOND, 10 * SECOND, 15 * SECOND,
		30 * SECOND, MINUTE,      2 * MINUTE, 5 * MINUTE,  10 * MINUTE,
		15 * MINUTE, 30 * MINUTE, HOUR,       2 * HOUR,    6 * HOUR,
		12 * HOUR,   DAY,
	};

	if (most <= SECOND * GAPS / 2)
		return decimal_step(most);
	for (size_t i = 0; i < COUNT_OF(steps); i++)
		if (steps[i] * GAPS >= most)
			return steps[i];
	return decimal_step(most / DAY) * DAY;
}

/* What is not shown in parts: messages, octets. */
static double
least_step(enum sled_plot_unit unit)
{
	switch (unit) {
	case SLED_PLOT_SHARE:
		return 0.001;
	case SLED_PLOT_COUNT:
	case SLED_PLOT_BYTES:
	case SLED_PLOT_RATE:
	case SLED_PLOT_MS:
	case SLED_PLOT_MONEY:
		break;
	}
	return 1;
}

static struct sled_ticks
even_ticks(enum sled_plot_unit unit, double most)
{
	struct sled_ticks ticks = { 0, 0, 0 };
	double least = least_step(unit);

	if (!(most > least))
		most = least;
	ticks.step =
	    unit == SLED_PLOT_MS ? time_step(most) : decimal_step(most);
	if (ticks.step < least)
		ticks.step = least;
	ticks.top = ceil(most / ticks.step - 1e-9) * ticks.step;
	return ticks;
}

/* The least value above 0; MOST when there is none. */
static double
least_of(const struct sled_plot *plot, double most)
{
	for (size_t k = 0; k < plot->series_len; k++)
		for (size_t i = 0; i < plot->len; i++) {
			double value = sled_plot_number(plot, k, i);

			if (value > 0 && value < most)
				most = value;
		}
	return most;
}

struct sled_ticks
sled_plot_ticks(const struct sled_plot *plot)
{
	double most = sled_plot_most(plot), low, tens;

	if (plot->kind != SLED_PLOT_TENS || most <= 0)
		return even_ticks(plot->scale.unit, most);
	low = floor(log10(least_of(plot, most)));
	tens = ceil(log10(most) - 1e-9) - low;
	if (tens < 1)
		tens = 1;
	most = ceil(tens / (GAPS + 1)); /* tens a step */
	return (struct sled_ticks){ pow(10, low), pow(10, most),
		                    pow(10, low + ceil(tens / most) * most) };
}

bool
sled_plot_tick(const struct sled_ticks *ticks, int at, double *value)
{
	*value = ticks->low > 0 ? ticks->low * pow(ticks->step, at)
	                        : ticks->step * at;
	return *value <= ticks->top * (1 + 1e-9);
}

double
sled_plot_height(const struct sled_ticks *ticks, double value)
{
	if (ticks->low <= 0)
		return value / ticks->top;
	if (value <= ticks->low)
		return 0;
	return log(value / ticks->low) / log(ticks->top / ticks->low);
}

/* Digits behind the point that tell ticks of STEP apart. */
static int
decimals_of(double step)
{
	int decimals = 0;

	while (decimals < 6 && fabs(step - round(step)) > 1e-6) {
		step *= 10;
		decimals++;
	}
	return decimals;
}

/* The greatest unit up to TOP; times of a minute and more only whole. */
static const struct unit *
common_unit(enum sled_plot_unit kind, double step, double top)
{
	struct units units = units_of(kind);
	const struct unit *best = units.list;

	for (size_t i = 1; i < units.len; i++) {
		const struct unit *unit = units.list + i;

		if (unit->size <= top * (1 + 1e-9) &&
		    (kind != SLED_PLOT_MS || unit->size <= SECOND ||
		     fmod(step, unit->size) < 0.5))
			best = unit;
	}
	return best;
}

void
sled_plot_tick_text(char out[SLED_PLOT_WORD],
                    const struct sled_plot_scale *scale,
                    const struct sled_ticks *ticks, double value)
{
	double step = ticks->low > 0 ? value : ticks->step;
	double top = ticks->low > 0 ? value : ticks->top;
	struct unit unit = { COINS, "" };

	if (value <= 0) {
		(void)snprintf(out, SLED_PLOT_WORD, "0");
		return;
	}
	if (scale->unit != SLED_PLOT_MONEY)
		unit = *common_unit(scale->unit, step, top);
	(void)snprintf(out, SLED_PLOT_WORD, "%.*f%s",
	               decimals_of(step / unit.size), value / unit.size,
	               unit.name);
}

/* ---- values ---- */

/* "4.6 MB", "46 MB". */
static void
write_units(char out[SLED_PLOT_WORD], struct units units, double value)
{
	size_t at = 0;

	while (at + 1 < units.len && value >= 0.9995 * units.list[at + 1].size)
		at++;
	value /= units.list[at].size;
	(void)snprintf(out, SLED_PLOT_WORD, "%.*f%s", at > 0 && value < 9.95,
	               value, units.list[at].name);
}

static void
write_time(char out[SLED_PLOT_WORD], double ms)
{
	double s = round(ms / SECOND);

	if (ms < SECOND)
		(void)snprintf(out, SLED_PLOT_WORD, "%.0f ms", ms);
	else if (ms < 9.95 * SECOND)
		(void)snprintf(out, SLED_PLOT_WORD, "%.1f s", ms / SECOND);
	else if (s < 60)
		(void)snprintf(out, SLED_PLOT_WORD, "%.0f s", s);
	else if (s < 3600)
		(void)snprintf(out, SLED_PLOT_WORD, "%.0f min %.0f s",
		               floor(s / 60), fmod(s, 60));
	else if (ms < 2 * DAY)
		(void)snprintf(out, SLED_PLOT_WORD, "%.0f h %.0f min",
		               floor(s / 3600), floor(fmod(s, 3600) / 60));
	else
		(void)snprintf(out, SLED_PLOT_WORD, "%.0f days", ms / DAY);
}

static void
write_money(char out[SLED_PLOT_WORD], double amount, const char *currency)
{
	bool fine = amount > 0 && amount < COINS / 10 &&
	            fmod(amount, COINS / 100) >= 0.5;

	(void)snprintf(out, SLED_PLOT_WORD, "%.*f %.8s", fine ? 4 : 2,
	               amount / COINS, currency == NULL ? "" : currency);
}

void
sled_plot_value(char out[SLED_PLOT_WORD], const struct sled_plot_scale *scale,
                double value)
{
	if (isnan(value)) {
		(void)snprintf(out, SLED_PLOT_WORD, "-");
		return;
	}
	switch (scale->unit) {
	case SLED_PLOT_BYTES:
	case SLED_PLOT_RATE:
		write_units(out, units_of(scale->unit), value);
		break;
	case SLED_PLOT_MS:
		write_time(out, value);
		break;
	case SLED_PLOT_MONEY:
		write_money(out, value, scale->currency);
		break;
	case SLED_PLOT_SHARE:
		(void)snprintf(out, SLED_PLOT_WORD, "%.*f %%",
		               value > 0 && value < 0.0995, value * 100);
		break;
	case SLED_PLOT_COUNT:
		(void)snprintf(out, SLED_PLOT_WORD, "%.*f",
		               fabs(value - round(value)) > 0.05, value);
		break;
	}
}
