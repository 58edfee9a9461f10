/* date.c - the Date header as people and programs write it. */
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cli/cli.h"

struct cursor {
	const char *at, *end;
};

/* Blanks, and comments: "(CET)", which may hold others. */
static void
skip_blanks(struct cursor *c)
{
	unsigned depth = 0;

	for (; c->at < c->end; c->at++) {
		char now = *c->at;

		if (now == '(')
			depth++;
		else if (now == ')' && depth > 0)
			depth--;
		else if (depth == 0 && now != ' ' && now != '\t' &&
		         now != '\r' && now != '\n')
			return;
	}
}

/* One to MOST digits. */
static bool
take_number(struct cursor *c, unsigned most, int *out, unsigned *digits)
{
	*out = 0;
	for (*digits = 0;
	     c->at < c->end && *c->at >= '0' && *c->at <= '9' && *digits < most;
	     (*digits)++)
		*out = *out * 10 + (*c->at++ - '0');
	return *digits > 0;
}

static bool
take_char(struct cursor *c, char wanted)
{
	skip_blanks(c);
	if (c->at == c->end || *c->at != wanted)
		return false;
	c->at++;
	return true;
}

static struct sled_span
take_letters(struct cursor *c)
{
	struct sled_span word = { c->at, 0 };

	while (c->at < c->end && ((*c->at | 0x20) >= 'a') &&
	       ((*c->at | 0x20) <= 'z')) {
		c->at++;
		word.len++;
	}
	return word;
}

/* The index of the first three letters of WORD in LIST, or -1. */
static int
find_three(struct sled_span word, const char *list)
{
	for (int i = 0; word.len >= 3 && *list != '\0'; i++, list += 3)
		if (strncasecmp(word.data, list, 3) == 0)
			return i;
	return -1;
}

/* Years of two and three digits: RFC 5322, section 4.3. */
static bool
take_year(struct cursor *c, int *year)
{
	unsigned digits = 0;

	skip_blanks(c);
	if (!take_number(c, 4, year, &digits) || digits == 1)
		return false;
	if (digits == 3 || (digits == 2 && *year >= 50))
		*year += 1900;
	else if (digits == 2)
		*year += 2000;
	return *year >= 1900;
}

static bool
take_day(struct cursor *c, struct tm *tm)
{
	unsigned digits = 0;
	int year = 0;

	skip_blanks(c);
	if (take_letters(c).len > 0) /* the name of the day says nothing new */
		(void)take_char(c, ',');
	skip_blanks(c);
	if (!take_number(c, 2, &tm->tm_mday, &digits))
		return false;
	(void)take_char(c, '-');
	skip_blanks(c);
	tm->tm_mon =
	    find_three(take_letters(c), "janfebmaraprmayjunjulaugsepoctnovdec");
	(void)take_char(c, '-');
	if (tm->tm_mon < 0 || !take_year(c, &year))
		return false;
	tm->tm_year = year - 1900;
	return tm->tm_mday >= 1 && tm->tm_mday <= 31;
}

static bool
take_time(struct cursor *c, struct tm *tm)
{
	unsigned digits = 0;

	skip_blanks(c);
	if (!take_number(c, 2, &tm->tm_hour, &digits) || !take_char(c, ':'))
		return false;
	skip_blanks(c);
	if (!take_number(c, 2, &tm->tm_min, &digits))
		return false;
	if (take_char(c, ':')) {
		skip_blanks(c);
		if (!take_number(c, 2, &tm->tm_sec, &digits))
			return false;
	}
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec <= 60;
}

/* "+0130", "EST", or nothing that is known: UTC, as section 4.3 says. */
static bool
take_zone(struct cursor *c, int *seconds)
{
	static const int hours[] = { 0, 0, -5, -4, -6, -5, -7, -6, -8, -7 };
	int number = 0, sign = 1, index;
	unsigned digits = 0;

	*seconds = 0;
	skip_blanks(c);
	if (c->at == c->end)
		return true;
	if (*c->at == '+' || *c->at == '-') {
		sign = *c->at++ == '-' ? -1 : 1;
		if (!take_number(c, 4, &number, &digits) || digits != 4 ||
		    number % 100 >= 60)
			return false;
		*seconds = sign * (number / 100 * 3600 + number % 100 * 60);
		return true;
	}
	index = find_three(take_letters(c), "gmtutcestedtcstcdtmstmdtpstpdt");
	if (index >= 0)
		*seconds = hours[index] * 3600;
	return true;
}

bool
sled_cli_date_parse(struct sled_span text, int64_t *when)
{
	struct cursor c = { text.data, text.data + text.len };
	struct tm tm = { 0 }, same;
	int zone = 0;
	time_t t;

	if (text.len == 0 || !take_day(&c, &tm) || !take_time(&c, &tm) ||
	    !take_zone(&c, &zone))
		return false;
	same = tm;
	t = timegm(&same);
	if (same.tm_mday != tm.tm_mday && tm.tm_sec < 60)
		return false; /* a 31st of June */
	*when = (int64_t)t - zone;
	return true;
}
