/* schedule.c - the keys of [schedule]. */
#include <string.h>

#include "conf/parse.h"

#define DAYS      7
#define EVERY_DAY 0x7f

static const char *const names[DAYS] = { "Mon", "Tue", "Wed", "Thu",
	                                 "Fri", "Sat", "Sun" };

bool
sled_conf_set_every(struct sled_conf_parse *p, const char *key,
                    const char *value)
{
	uint64_t seconds = 0;

	if (!sled_conf_want_time(p, key, value, &seconds))
		return false;
	p->conf->schedule.every_s = (int64_t)seconds;
	return true;
}

bool
sled_conf_set_on_link(struct sled_conf_parse *p, const char *key,
                      const char *value)
{
	return sled_conf_want_yes_no(p, key, value, &p->conf->schedule.on_link);
}

/* 0s is a time here: each visit at its minute. */
bool
sled_conf_set_jitter(struct sled_conf_parse *p, const char *key,
                     const char *value)
{
	uint64_t seconds = 0;

	if (!sled_conf_time(value, &seconds))
		return sled_conf_bad(p,
		                     "%s: \"%s\" is no time: a whole number "
		                     "with s, m, h or d, as in 5m, or 0s for "
		                     "none",
		                     key, sled_conf_show(value).text);
	p->conf->schedule.jitter_s = (int64_t)seconds;
	return true;
}

/* "Sat", or "Mon-Fri"; Sat-Mon goes over the end of the week. */
static bool
parse_days(struct sled_conf_parse *p, const char *key, const char *text,
           uint8_t *days)
{
	const char *rest = text;
	char item[SLED_CONF_ITEM];
	size_t day[2] = { 0, 0 }, n = 0;

	while (sled_conf_next_item(&rest, "-", item)) {
		if (n == 2)
			return sled_conf_bad(p,
			                     "%s: \"%s\" is no range of days",
			                     key, sled_conf_show(text).text);
		if (!sled_conf_want_word(p, key, item, names, DAYS, &day[n]))
			return false;
		n++;
	}
	if (n == 1)
		day[1] = day[0];
	for (size_t at = day[0];; at = (at + 1) % DAYS) {
		*days = (uint8_t)(*days | 1U << at);
		if (at == day[1])
			return true;
	}
}

/* "06:20", two digits each; 24:00 only as an end. */
static bool
parse_minute(const char *text, uint16_t *out)
{
	unsigned hour, minute;

	if (strspn(text, "0123456789") != 2 || text[2] != ':' ||
	    strspn(text + 3, "0123456789") != 2 || text[5] != '\0')
		return false;
	hour = (unsigned)(text[0] - '0') * 10 + (unsigned)(text[1] - '0');
	minute = (unsigned)(text[3] - '0') * 10 + (unsigned)(text[4] - '0');
	*out = (uint16_t)(hour * 60 + minute);
	return minute < 60 && *out <= SLED_CONF_DAY_MIN;
}

static bool
parse_range(const char *text, struct sled_conf_window *window)
{
	char from[SLED_CONF_ITEM], to[SLED_CONF_ITEM];

	return sled_conf_next_item(&text, "-", from) &&
	       sled_conf_next_item(&text, "-", to) && text == NULL &&
	       parse_minute(from, &window->from_min) &&
	       parse_minute(to, &window->to_min) &&
	       window->from_min < SLED_CONF_DAY_MIN && window->to_min > 0 &&
	       window->from_min != window->to_min;
}

static bool
add_window(struct sled_conf_parse *p, const char *key, const char *text,
           uint8_t days)
{
	struct sled_conf_schedule *schedule = &p->conf->schedule;
	struct sled_conf_window window = { .days = days };
	struct sled_conf_window *list;

	if (!parse_range(text, &window))
		return sled_conf_bad(p,
		                     "%s: \"%s\" is no time of day, as in "
		                     "06:00-06:20 (00:00-24:00 is all day)",
		                     key, sled_conf_show(text).text);
	list = sled_conf_grow(p->conf, schedule->windows, schedule->windows_len,
	                      sizeof(*list), p->err);
	if (list == NULL)
		return false;
	schedule->windows = list;
	list[schedule->windows_len++] = window;
	return true;
}

/* One item between commas. *days gathers those that still lack a time. */
static bool
take_item(struct sled_conf_parse *p, const char *key, char *item, uint8_t *days,
          bool *named)
{
	char *time = item;

	if (item[0] < '0' || item[0] > '9') {
		time += strcspn(item, " \t");
		if (*time != '\0') {
			*time++ = '\0';
			time += strspn(time, " \t");
		}
		if (!parse_days(p, key, item, days))
			return false;
		*named = true;
		if (*time == '\0')
			return true;
	} else if (*named && *days == 0) {
		return sled_conf_bad(p,
		                     "%s: \"%s\": on which days? name them "
		                     "before each time, or before none",
		                     key, sled_conf_show(item).text);
	}
	if (!add_window(p, key, time, *days == 0 ? EVERY_DAY : *days))
		return false;
	*days = 0;
	return true;
}

bool
sled_conf_set_windows(struct sled_conf_parse *p, const char *key,
                      const char *value)
{
	char item[SLED_CONF_ITEM];
	uint8_t days = 0;
	bool named = false;

	while (sled_conf_next_item(&value, ",", item)) {
		if (item[0] == '\0')
			return sled_conf_bad(p, "%s: a comma without a window",
			                     key);
		if (!take_item(p, key, item, &days, &named))
			return false;
	}
	if (days != 0)
		return sled_conf_bad(p, "%s: the last days have no time", key);
	return true;
}
