/* passage.c - keys of [link NAME]: who may pass, how fast, for how long. */
#include <string.h>

#include "conf/parse.h"

#define COUNT(a)      (sizeof(a) / sizeof((a)[0]))
#define TIMEOUT_MAX_S 3600

/* Whether there are such accounts is known at the end of the file. */
static bool
add_account(struct sled_conf_parse *p, const char *key, const char *name)
{
	struct sled_conf_link *link = sled_conf_this_link(p);
	const char **list;

	if (*name == '\0')
		return sled_conf_bad(p, "%s: a comma without a name", key);
	for (size_t i = 0; i < link->accounts_len; i++)
		if (strcmp(link->accounts[i], name) == 0)
			return sled_conf_bad(p, "%s: %s is doubled", key,
			                     sled_conf_show(name).text);
	list = sled_conf_grow(p->conf, link->accounts, link->accounts_len,
	                      sizeof(*list), p->err);
	if (list == NULL)
		return false;
	link->accounts = list;
	return sled_conf_want_text(p, name, &list[link->accounts_len++]);
}

bool
sled_conf_set_accounts(struct sled_conf_parse *p, const char *key,
                       const char *value)
{
	char item[SLED_CONF_ITEM];

	sled_conf_this_link(p)->accounts_line = p->line;
	while (sled_conf_next_item(&value, ",", item))
		if (!add_account(p, key, item))
			return false;
	return true;
}

bool
sled_conf_set_visit(struct sled_conf_parse *p, const char *key,
                    const char *value)
{
	static const char *const words[] = { "yes", "no", "ask" };

	static const enum sled_conf_visit visits[] = { SLED_CONF_VISIT_YES,
		                                       SLED_CONF_VISIT_NO,
		                                       SLED_CONF_VISIT_ASK };

	size_t word = 0;

	if (!sled_conf_want_word(p, key, value, words, COUNT(words), &word))
		return false;
	sled_conf_this_link(p)->visit = visits[word];
	return true;
}

bool
sled_conf_set_rate(struct sled_conf_parse *p, const char *key,
                   const char *value)
{
	struct sled_conf_link *link = sled_conf_this_link(p);
	uint64_t *const rates[] = { &link->rate_down, &link->rate_up };
	char item[SLED_CONF_ITEM];
	size_t n = 0;

	while (sled_conf_next_item(&value, ",", item)) {
		if (n == COUNT(rates))
			return sled_conf_bad(p,
			                     "%s: two at most, down and up, as "
			                     "in 88kbit/s, 22kbit/s",
			                     key);
		if (!sled_conf_rate(item, rates[n]) || *rates[n] == 0)
			return sled_conf_bad(
			    p,
			    "%s: \"%s\" is no rate: a whole number with bit/s, "
			    "kbit/s or Mbit/s, 8bit/s or more, as in 88kbit/s",
			    key, sled_conf_show(item).text);
		n++;
	}
	return true;
}

bool
sled_conf_set_rtt(struct sled_conf_parse *p, const char *key, const char *value)
{
	uint64_t ms = 0;

	if (!sled_conf_delay(value, &ms) || ms == 0)
		return sled_conf_bad(p,
		                     "%s: \"%s\" is no round trip: a whole "
		                     "number above 0 with ms or s, as in "
		                     "700ms; 60s is the most",
		                     key, sled_conf_show(value).text);
	sled_conf_this_link(p)->rtt_ms = (uint32_t)ms;
	return true;
}

bool
sled_conf_set_window(struct sled_conf_parse *p, const char *key,
                     const char *value)
{
	uint64_t seconds = 0;

	if (!sled_conf_want_time(p, key, value, &seconds))
		return false;
	sled_conf_this_link(p)->window_s = (int64_t)seconds;
	return true;
}

static bool
want_timeout(struct sled_conf_parse *p, const char *key, const char *value,
             int64_t *out)
{
	uint64_t seconds = 0;

	if (!sled_conf_want_time(p, key, value, &seconds))
		return false;
	if (seconds > TIMEOUT_MAX_S)
		return sled_conf_bad(p, "%s: an hour is the most", key);
	*out = (int64_t)seconds;
	return true;
}

bool
sled_conf_set_up_timeout(struct sled_conf_parse *p, const char *key,
                         const char *value)
{
	return want_timeout(p, key, value,
	                    &sled_conf_this_link(p)->up_timeout_s);
}

bool
sled_conf_set_down_timeout(struct sled_conf_parse *p, const char *key,
                           const char *value)
{
	return want_timeout(p, key, value,
	                    &sled_conf_this_link(p)->down_timeout_s);
}
