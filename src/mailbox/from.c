/*
 * from.c - the line between two messages of an mbox: "From ", a sender, and a
 * time as asctime() writes it, "Mon Nov  2 08:00:00 2026", in UTC; with or
 * without seconds, and a zone before or behind the year, as programs do.
 */
#include <string.h>
#include <time.h>

#include "mailbox/mailbox.h"

#define WORDS 12 /* of the end of a line that are looked at */

struct words {
	struct sled_span list[WORDS];
	size_t len;
};

/* The last ones, in their order. */
static void
split(struct words *words, struct sled_span line)
{
	size_t at = 0;

	words->len = 0;
	while (at < line.len) {
		size_t begin;

		while (at < line.len && line.data[at] == ' ')
			at++;
		begin = at;
		while (at < line.len && line.data[at] != ' ')
			at++;
		if (at == begin)
			break;
		if (words->len == WORDS) {
			memmove(words->list, words->list + 1,
			        (WORDS - 1) * sizeof(words->list[0]));
			words->len--;
		}
		words->list[words->len++] =
		    (struct sled_span){ line.data + begin, at - begin };
	}
}

static bool
take_number(struct sled_span word, size_t least, size_t most, int *out)
{
	*out = 0;
	if (word.len < least || word.len > most)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return false;
		*out = *out * 10 + (word.data[i] - '0');
	}
	return true;
}

/* "08:00:00" or "08:00" */
static bool
take_time(struct sled_span word, struct tm *tm)
{
	struct sled_span rest = word;
	int *const parts[] = { &tm->tm_hour, &tm->tm_min, &tm->tm_sec };
	size_t count = 0;

	tm->tm_sec = 0;
	while (rest.len > 0 && count < 3) {
		const char *colon = memchr(rest.data, ':', rest.len);
		size_t len =
		    colon == NULL ? rest.len : (size_t)(colon - rest.data);

		if (!take_number((struct sled_span){ rest.data, len }, 1, 2,
		                 parts[count++]))
			return false;
		len += colon != NULL;
		rest = (struct sled_span){ rest.data + len, rest.len - len };
	}
	return rest.len == 0 && count >= 2 && tm->tm_hour < 24 &&
	       tm->tm_min < 60 && tm->tm_sec <= 60;
}

static bool
take_month(struct sled_span word, struct tm *tm)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	for (int i = 0; word.len == 3 && i < 12; i++)
		if (memcmp(word.data, months + 3 * (size_t)i, 3) == 0) {
			tm->tm_mon = i;
			return true;
		}
	return false;
}

/* "+0200": what it is ahead of UTC. A name of a zone is taken for UTC. */
static int
zone_of(struct sled_span word)
{
	int number = 0;

	if (word.len != 5 || (word.data[0] != '+' && word.data[0] != '-') ||
	    !take_number((struct sled_span){ word.data + 1, 4 }, 4, 4, &number))
		return 0;
	number = number / 100 * 3600 + number % 100 * 60;
	return word.data[0] == '-' ? -number : number;
}

/* The time at word AT; a year behind it, within three words. */
static bool
take_all(const struct words *words, size_t at, struct tm *tm, int *zone)
{
	int year = 0;

	*zone = 0;
	if (!take_time(words->list[at], tm))
		return false;
	for (size_t i = at + 1; i < words->len && i <= at + 3; i++) {
		if (year == 0 && take_number(words->list[i], 4, 4, &year))
			tm->tm_year = year - 1900;
		else if (*zone == 0)
			*zone = zone_of(words->list[i]);
	}
	return year >= 1970 && at >= 2 &&
	       take_number(words->list[at - 1], 1, 2, &tm->tm_mday) &&
	       take_month(words->list[at - 2], tm);
}

bool
sled_mailbox_from(struct sled_span line, bool undated, int64_t *when)
{
	struct words words;
	struct tm tm = { 0 };
	int zone = 0;

	*when = -1;
	if (line.len < 5 || memcmp(line.data, "From ", 5) != 0)
		return false;
	split(&words, line);
	for (size_t i = words.len; i-- > 0;)
		if (take_all(&words, i, &tm, &zone)) {
			*when = (int64_t)timegm(&tm) - zone;
			return true;
		}
	return undated;
}

bool
sled_mailbox_field(struct sled_span line)
{
	size_t at = 0;

	if (line.len >= 6 && memcmp(line.data, ">From ", 6) == 0)
		return true;
	while (at < line.len && line.data[at] > ' ' && line.data[at] < 127 &&
	       line.data[at] != ':')
		at++;
	return at > 0 && at < line.len && line.data[at] == ':';
}
