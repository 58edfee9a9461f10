/* clock.c - see mailsled/clock.h for the contract. */
#include "mailsled/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Any time before this is a clock that was never set: 2026-11-01T00:00:00Z. */
#define BUILD_EPOCH 1793491200

int64_t
sled_clock_now(void)
{
	return (int64_t)time(NULL);
}

int64_t
sled_clock_ms(void)
{
	struct timespec ts = { 0, 0 };

	(void)clock_gettime(CLOCK_BOOTTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
sled_clock_doubtful(int64_t now)
{
	return now < BUILD_EPOCH;
}

void
sled_clock_rfc3339(int64_t when, char out[SLED_TIME_TEXT])
{
	time_t t = (time_t)when;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL ||
	    strftime(out, SLED_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out, SLED_TIME_TEXT, "-");
}

/* The same moment without its "-" and ":". */
void
sled_clock_compact(int64_t when, char out[SLED_TIME_TEXT])
{
	size_t kept = 0;

	sled_clock_rfc3339(when, out);
	for (size_t i = 0; out[i] != '\0'; i++)
		if (out[i] != ':' && (out[i] != '-' || out[1] == '\0'))
			out[kept++] = out[i];
	out[kept] = '\0';
}

int
sled_clock_month(int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;

	/* No year that would not fit an int of months. */
	if (gmtime_r(&t, &tm) == NULL || tm.tm_year > 99999999 ||
	    tm.tm_year < -99999999)
		return 0;
	return (tm.tm_year + 1900) * 12 + tm.tm_mon;
}

bool
sled_clock_parse(const char *text, int64_t *when)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	char again[SLED_TIME_TEXT];
	int64_t t;

	if (end == NULL || *end != '\0')
		return false;
	/* strptime() takes spaces, short numbers and the 31st of February. */
	t = (int64_t)timegm(&tm);
	sled_clock_rfc3339(t, again);
	if (strcmp(text, again) != 0)
		return false;
	*when = t;
	return true;
}
