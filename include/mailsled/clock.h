/*
 * clock.h - the only module that reads a clock; elsewhere time is an argument.
 *
 * Wall times are whole seconds since 1970 UTC; durations are milliseconds of
 * CLOCK_BOOTTIME, which goes on while the machine sleeps and never jumps.
 */
#ifndef MAILSLED_CLOCK_H
#define MAILSLED_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define SLED_TIME_TEXT 24 /* room for either form, with the NUL */

int64_t sled_clock_now(void);
int64_t sled_clock_ms(void);

/* Is NOW before this program was built, as on a machine without a battery? */
bool sled_clock_doubtful(int64_t now);

/* "2026-11-23T14:50:31Z" (RFC 3339), and "20261123T145031Z" for file names. */
void sled_clock_rfc3339(int64_t when, char out[SLED_TIME_TEXT]);
void sled_clock_compact(int64_t when, char out[SLED_TIME_TEXT]);
/* The month as 12 * year + month - 1 (UTC): grows by one a month. */
int sled_clock_month(int64_t when);
/* Parse the RFC 3339 form above. False when it is anything else. */
bool sled_clock_parse(const char *text, int64_t *when);

#endif
