/* marks.c - see marks.h. */
#include "reader/marks.h"

#include <string.h>
#include <time.h>

#include "mailsled/hash.h"
#include "reader/internal.h"

#define ID_OCTETS 6 /* of a Message-ID's SHA-256: found ones are compared */

bool
sled_mark_every(struct sled_buf *out, struct sled_err *err)
{
	return sled_buf_addstr(out, " " SLED_MARK "every", err);
}

bool
sled_mark_attachment(struct sled_buf *out, struct sled_err *err)
{
	return sled_buf_addstr(out, " " SLED_MARK "attachment", err);
}

bool
sled_mark_account(struct sled_buf *out, const char *label, struct sled_err *err)
{
	if (!sled_buf_addstr(out, " " SLED_MARK "a", err))
		return false;
	for (; *label != '\0'; label++)
		if (!sled_buf_printf(out, err, "%02x", (unsigned char)*label))
			return false;
	return true;
}

bool
sled_mark_id(struct sled_buf *out, const char *id, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	struct sled_hash hash;

	if (!sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, id, strlen(id));
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	if (!sled_buf_addstr(out, " " SLED_MARK "i", err))
		return false;
	for (size_t i = 0; i < ID_OCTETS; i++)
		if (!sled_buf_printf(out, err, "%02x", hash.b[i]))
			return false;
	return true;
}

/* ---- days ---- */

/* The calendar's own arithmetic, in eras of 400 years that begin in March. */
int64_t
sled_day_from(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t of_era = y - era * 400;
	int64_t of_year =
	    (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 +
	       of_year - 719468;
}

static void
to_date(int64_t day, struct tm *tm)
{
	time_t t = (time_t)(day * 86400);

	if (gmtime_r(&t, tm) == NULL)
		*tm = (struct tm){ .tm_mday = 1 };
}

int64_t
sled_day_of(int64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;
	int64_t day;

	if (localtime_r(&t, &tm) == NULL)
		return SLED_DAY_FIRST;
	day = sled_day_from(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	return day < SLED_DAY_FIRST  ? SLED_DAY_FIRST
	       : day > SLED_DAY_LAST ? SLED_DAY_LAST
	                             : day;
}

bool
sled_mark_day(struct sled_buf *out, int64_t day, struct sled_err *err)
{
	struct tm tm;
	int year, month;

	to_date(day, &tm);
	year = tm.tm_year + 1900;
	month = tm.tm_mon + 1;
	return sled_buf_printf(out, err,
	                       " " SLED_MARK "t%d " SLED_MARK "y%d " SLED_MARK
	                       "m%d%02d " SLED_MARK "d%d%02d%02d",
	                       year / 10, year, year, month, year, month,
	                       tm.tm_mday);
}

/* One word for as many days from FIRST on as fit; the day behind them. */
static bool
add_span(struct sled_buf *out, int64_t first, int64_t last, int64_t *next,
         struct sled_err *err)
{
	struct tm tm;
	int year, month;
	int64_t ten_end, year_end, month_end;

	to_date(first, &tm);
	year = tm.tm_year + 1900;
	month = tm.tm_mon + 1;
	ten_end = sled_day_from(year + 10, 1, 1);
	year_end = sled_day_from(year + 1, 1, 1);
	month_end = month == 12 ? year_end : sled_day_from(year, month + 1, 1);
	if (year % 10 == 0 && month == 1 && tm.tm_mday == 1 &&
	    ten_end - 1 <= last) {
		*next = ten_end;
		return sled_buf_printf(out, err, "\"" SLED_MARK "t%d\"",
		                       year / 10);
	}
	if (month == 1 && tm.tm_mday == 1 && year_end - 1 <= last) {
		*next = year_end;
		return sled_buf_printf(out, err, "\"" SLED_MARK "y%d\"", year);
	}
	if (tm.tm_mday == 1 && month_end - 1 <= last) {
		*next = month_end;
		return sled_buf_printf(out, err, "\"" SLED_MARK "m%d%02d\"",
		                       year, month);
	}
	*next = first + 1;
	return sled_buf_printf(out, err, "\"" SLED_MARK "d%d%02d%02d\"", year,
	                       month, tm.tm_mday);
}

bool
sled_mark_days(struct sled_buf *out, int64_t first, int64_t last,
               struct sled_err *err)
{
	if (first < SLED_DAY_FIRST)
		first = SLED_DAY_FIRST;
	if (last > SLED_DAY_LAST)
		last = SLED_DAY_LAST;
	if (first > last) /* no message has this one */
		return sled_buf_addstr(out, "marks : \"" SLED_MARK "never\"",
		                       err);
	if (!sled_buf_addstr(out, "marks : (", err))
		return false;
	for (bool more = false; first <= last; more = true)
		if ((more && !sled_buf_addstr(out, " OR ", err)) ||
		    !add_span(out, first, last, &first, err))
			return false;
	return sled_buf_addstr(out, ")", err);
}

/* ---- words of scripts without blanks ---- */

static bool
stands_alone(gunichar c)
{
	return (c >= 0x2e80 && c <= 0x312f && !(c >= 0x3000 && c <= 0x3004)) ||
	       (c >= 0x3190 && c <= 0x9fff) || (c >= 0xf900 && c <= 0xfaff) ||
	       (c >= 0x20000 && c <= 0x3ffff) || (c >= 0x0e00 && c <= 0x0eff);
}

bool
sled_mark_split(struct sled_buf *out, struct sled_span in, struct sled_err *err)
{
	const char *at = in.data, *end = in.data + in.len, *from = at;

	while (at < end) {
		size_t len;

		/* All of Latin, Greek, Cyrillic: nothing to do. */
		if ((unsigned char)*at < 0xe0) {
			at++;
			continue;
		}
		len = (unsigned char)*at < 0xf0 ? 3 : 4;
		if ((size_t)(end - at) < len)
			break;
		if (stands_alone(g_utf8_get_char(at)) &&
		    (!sled_buf_add(out, from, (size_t)(at - from), err) ||
		     !sled_buf_add(out, " ", 1, err) ||
		     !sled_buf_add(out, at, len, err) ||
		     !sled_buf_add(out, " ", 1, err)))
			return false;
		if (stands_alone(g_utf8_get_char(at)))
			from = at + len;
		at += len;
	}
	return sled_buf_add(out, from, (size_t)(end - from), err) &&
	       sled_buf_reserve(out, 1, err);
}
