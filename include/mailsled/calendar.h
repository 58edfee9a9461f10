/*
 * calendar.h - when the schedule's windows are open, in local time.
 *
 * Values in, values out; the time zone is the process's (TZ, or the machine's as
 * it was at the start or at the last reread()). Wall times are seconds since
 * 1970 UTC. A window that begins in an hour which the clock skips begins at the
 * next minute that exists; one that begins in an hour which comes twice opens
 * once, at the first; ends count likewise. One that lies in the skipped hour
 * wholly keeps its length behind it, and a date that the zone skips has none.
 * Windows that overlap or touch are one opening.
 */
#ifndef MAILSLED_CALENDAR_H
#define MAILSLED_CALENDAR_H

#include "mailsled/conf.h"

#define SLED_CALENDAR_ALWAYS INT64_MAX

struct sled_opening {
	int64_t from, until; /* until is outside; ALWAYS: without an end */
};

/* The opening that NOW is in, or the next one after it. Without windows:
 * from NOW, until ALWAYS; windows that leave no break in the week have no end
 * either. False: none begins within 400 days. */
bool sled_calendar_next(const struct sled_conf_schedule *schedule, int64_t now,
                        struct sled_opening *out);

static inline bool
sled_opening_has(const struct sled_opening *opening, int64_t now)
{
	return opening->from <= now && now < opening->until;
}

/* The machine may have travelled: /etc/localtime is another now. */
void sled_calendar_reread(void);

/* Midnight in local time before NOW, and the first of its month: where budgets
 * begin anew. */
int64_t sled_calendar_day(int64_t now);
int64_t sled_calendar_month(int64_t now);
/* ... and end. */
int64_t sled_calendar_day_end(int64_t now);
int64_t sled_calendar_month_end(int64_t now);

#endif
