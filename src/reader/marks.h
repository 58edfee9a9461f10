/*
 * marks.h - the words of the index that no mail contains; private to reader.
 *
 * Contract
 *   The column "marks" has them. Each begins with a rune, so that no word of a
 *   query or of a message is one. Local days: a query's dates are that too.
 */
#ifndef READER_MARKS_H
#define READER_MARKS_H

#include "mailsled/buf.h"
#include "mailsled/err.h"

#define SLED_MARK "\xe1\x9a\xa0" /* U+16A0 */

/* Each adds its words to OUT, behind a blank. */
SLED_CHECK bool sled_mark_every(struct sled_buf *out, struct sled_err *err);
SLED_CHECK bool sled_mark_attachment(struct sled_buf *out,
                                     struct sled_err *err);
SLED_CHECK bool sled_mark_account(struct sled_buf *out, const char *label,
                                  struct sled_err *err);
/* A Message-ID. */
SLED_CHECK bool sled_mark_id(struct sled_buf *out, const char *id,
                             struct sled_err *err);

/* Days since 1970-01-01. */
int64_t sled_day_of(int64_t when);
int64_t sled_day_from(int year, int month, int day);
/* The day's ten years, year, month and day. */
SLED_CHECK bool sled_mark_day(struct sled_buf *out, int64_t day,
                              struct sled_err *err);
#define SLED_DAY_FIRST 0     /* mail that says it is older says wrong */
#define SLED_DAY_LAST  47481 /* 2099-12-31 */
/* An FTS5 expression for the days FIRST to LAST: as few words as cover them. */
SLED_CHECK bool sled_mark_days(struct sled_buf *out, int64_t first,
                               int64_t last, struct sled_err *err);

/* Text for the index or a query: letters of scripts without blanks between
 * words stand alone. NUL-ended. */
SLED_CHECK bool sled_mark_split(struct sled_buf *out, struct sled_span in,
                                struct sled_err *err);

#endif
