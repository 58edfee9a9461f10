/* days.c - where points stand in time, and what is written below them. */
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "internal.h"

#define DAY_S    86400
#define FEW_DAYS 10 /* each has its mark */
#define WEEKS    75 /* days, of which Mondays have one */
#define ROOM     14 /* marks on a wide picture */
#define TIGHT    7  /* ... and on a narrow one */
#define TIGHTER  6  /* ... of days, which are longer words */

static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

struct date {
	int64_t month; /* 12 * year + month - 1 */
	int day;       /* from 1 on */
};

static struct date
date_of(int64_t day)
{
	time_t when = (time_t)(day * DAY_S);
	struct tm tm = { .tm_mday = 1 };

	if (gmtime_r(&when, &tm) == NULL)
		return (struct date){ 0, 1 };
	return (struct date){ 12 * ((int64_t)tm.tm_year + 1900) + tm.tm_mon,
		              tm.tm_mday };
}

static int64_t
first_of(const struct sled_plot *plot, size_t point)
{
	return plot->across.from + (int64_t)point * plot->across.step;
}

bool
sled_plot_point(struct sled_buf *out, const struct sled_plot *plot,
                size_t point, struct sled_err *err)
{
	struct date date = { first_of(plot, point), 0 };

	if (plot->kind == SLED_PLOT_ROWS)
		return sled_plot_text(out, plot->across.words[point], err);
	if (!plot->across.months)
		date = date_of(date.month);
	return sled_buf_printf(out, err, "%04" PRId64 "-%02d", date.month / 12,
	                       (int)(date.month % 12) + 1) &&
	       (plot->across.months ||
	        sled_buf_printf(out, err, "-%02d", date.day));
}

/* The least of what divides a year, or is years, that leaves no more than MOST
 * marks in so many months, and is a multiple of WHOLE. */
static int64_t
rule_of(int64_t span, int64_t most, int64_t whole)
{
	static const int64_t rules[] = { 1, 2, 3, 6, 12, 24, 60, 120 };
	size_t at = 0;

	while (at + 1 < sizeof(rules) / sizeof(rules[0]) &&
	       (span / rules[at] >= most || rules[at] % whole != 0))
		at++;
	return rules[at];
}

/* The month from FIRST to LAST that begins one of RULE months; -1: none. */
static int64_t
beginning(int64_t first, int64_t last, int64_t rule)
{
	int64_t at = (first + rule - 1) / rule * rule;

	return at <= last ? at : -1;
}

static enum sled_mark
mark_month(char out[SLED_PLOT_WORD], int64_t first, int64_t last, int64_t span)
{
	int64_t rule = rule_of(span, ROOM, 1);
	int64_t month = beginning(first, last, rule);

	if (month < 0)
		return SLED_MARK_NONE;
	if (month % 12 == 0)
		(void)snprintf(out, SLED_PLOT_WORD, "%" PRId64, month / 12);
	else
		(void)snprintf(out, SLED_PLOT_WORD, "%s", months[month % 12]);
	return month % rule_of(span, TIGHT, rule) == 0 ? SLED_MARK_ALWAYS
	                                               : SLED_MARK_WIDE;
}

static enum sled_mark
mark_day(char out[SLED_PLOT_WORD], int64_t day, bool always)
{
	struct date date = date_of(day);

	(void)snprintf(out, SLED_PLOT_WORD, "%d %s", date.day,
	               months[date.month % 12]);
	return always ? SLED_MARK_ALWAYS : SLED_MARK_WIDE;
}

/* 1970-01-01 was a Thursday. */
static enum sled_mark
mark_week(char out[SLED_PLOT_WORD], int64_t day, int64_t step, int64_t span)
{
	int64_t monday = (day + 9) / 7 * 7 - 3;

	if (monday >= day + step)
		return SLED_MARK_NONE;
	return mark_day(out, monday,
	                span / 7 < TIGHTER || (monday + 3) % 2 == 0);
}

enum sled_mark
sled_plot_mark(char out[SLED_PLOT_WORD], const struct sled_plot *plot,
               size_t point)
{
	int64_t step = plot->across.step, first = first_of(plot, point);
	int64_t span = (int64_t)plot->len * step;
	struct date date, last;

	if (plot->across.months)
		return mark_month(out, first, first + step - 1, span);
	if (span <= FEW_DAYS)
		return mark_day(out, first, span < TIGHTER || point % 2 == 0);
	if (span <= WEEKS)
		return mark_week(out, first, step, span);
	date = date_of(first);
	last = date_of(first + step - 1);
	return mark_month(out, date.month + (date.day > 1), last.month,
	                  span / 30);
}
