/* value.c - numbers, sizes, times, money, words and lists. */
#include <string.h>

#include "conf/parse.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct scale {
	const char *unit;
	uint64_t factor;
};

bool
sled_conf_next_item(const char **rest, const char *separators,
                    char item[SLED_CONF_ITEM])
{
	const char *at = *rest;
	size_t len;

	if (at == NULL)
		return false;
	len = strcspn(at, separators);
	*rest = at[len] == '\0' ? NULL : at + len + 1;
	while (len > 0 && (*at == ' ' || *at == '\t')) {
		at++;
		len--;
	}
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	if (len >= SLED_CONF_ITEM)
		len = SLED_CONF_ITEM - 1;
	memcpy(item, at, len);
	item[len] = '\0';
	return true;
}

bool
sled_conf_number(const char **at, uint64_t *out)
{
	size_t len = strspn(*at, "0123456789");

	if (!sled_text_u64((struct sled_span){ *at, len }, out))
		return false;
	*at += len;
	return true;
}

/* Anything up to LIMIT; a number alone has no meaning. */
static bool
scaled(const char *text, const struct scale *scales, size_t count,
       uint64_t limit, uint64_t *out)
{
	uint64_t number;

	if (!sled_conf_number(&text, &number))
		return false;
	text += strspn(text, " \t");
	for (size_t i = 0; i < count; i++)
		if (strcmp(text, scales[i].unit) == 0) {
			if (number > limit / scales[i].factor)
				return false;
			*out = number * scales[i].factor;
			return true;
		}
	return false;
}

bool
sled_conf_size(const char *text, uint64_t *bytes)
{
	static const struct scale scales[] = { { "KiB", 1ULL << 10 },
		                               { "MiB", 1ULL << 20 },
		                               { "GiB", 1ULL << 30 } };

	return scaled(text, scales, COUNT(scales), INT64_MAX, bytes);
}

/* A hundred years are the most, so that sums of times stay in range. */
bool
sled_conf_time(const char *text, uint64_t *seconds)
{
	static const struct scale scales[] = {
		{ "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }
	};

	return scaled(text, scales, COUNT(scales), 36500ULL * 86400, seconds);
}

bool
sled_conf_rate(const char *text, uint64_t *octets_s)
{
	static const struct scale scales[] = { { "bit/s", 1 },
		                               { "kbit/s", 1000 },
		                               { "Mbit/s", 1000000 } };

	if (!scaled(text, scales, COUNT(scales), 1000000000000, octets_s))
		return false;
	*octets_s /= 8;
	return true;
}

bool
sled_conf_delay(const char *text, uint64_t *ms)
{
	static const struct scale scales[] = { { "ms", 1 }, { "s", 1000 } };

	return scaled(text, scales, COUNT(scales), 60000, ms);
}

/* ".48" at *AT as millionths, at most six digits; 0 when there is no point. */
static bool
fraction(const char **at, uint64_t *millionths)
{
	uint64_t unit = 1000000;
	size_t len;

	*millionths = 0;
	if (**at != '.')
		return true;
	len = strspn(*at + 1, "0123456789");
	if (len < 1 || len > 6)
		return false;
	for (size_t i = 1; i <= len; i++) {
		unit /= 10;
		*millionths += unit * (uint64_t)((*at)[i] - '0');
	}
	*at += len + 1;
	return true;
}

/* A billion is the most, so that sums stay in range. */
bool
sled_conf_money(const char **text, uint64_t *millionths, char currency[4])
{
	const char *at = *text;
	uint64_t whole, part;

	if (!sled_conf_number(&at, &whole) || whole > 1000000000 ||
	    !fraction(&at, &part))
		return false;
	at += strspn(at, " \t");
	for (size_t i = 0; i < 3; i++, at++) {
		if (*at < 'A' || *at > 'Z')
			return false;
		currency[i] = *at;
	}
	currency[3] = '\0';
	*millionths = whole * 1000000 + part;
	*text = at;
	return true;
}

/* "5MB" and "5 mb" are slips for 5MiB; '\0' when nothing can be told. */
static char
size_letter(const char *text)
{
	text += strspn(text, "0123456789");
	text += strspn(text, " \t");
	switch (*text) {
	case 'k':
	case 'K':
		return 'K';
	case 'm':
	case 'M':
		return 'M';
	case 'g':
	case 'G':
		return 'G';
	default:
		return '\0';
	}
}

bool
sled_conf_want_size(struct sled_conf_parse *p, const char *key,
                    const char *value, uint64_t *out)
{
	size_t digits = strspn(value, "0123456789");
	char letter = size_letter(value);

	if (sled_conf_size(value, out) && *out > 0)
		return true;
	if (digits > 0 && digits < 12 && letter != '\0' &&
	    !sled_conf_size(value, out))
		return sled_conf_bad(
		    p,
		    "%s: \"%s\" is no size in KiB, MiB or GiB: "
		    "did you mean %.*s%ciB?",
		    key, sled_conf_show(value).text, (int)digits, value,
		    letter);
	return sled_conf_bad(p,
	                     "%s: \"%s\" is no size: a whole number above 0 "
	                     "with KiB, MiB or GiB, as in 200KiB",
	                     key, sled_conf_show(value).text);
}

bool
sled_conf_want_time(struct sled_conf_parse *p, const char *key,
                    const char *value, uint64_t *out)
{
	if (sled_conf_time(value, out) && *out > 0)
		return true;
	return sled_conf_bad(p,
	                     "%s: \"%s\" is no time: a whole number above 0 "
	                     "with s, m, h or d, as in 30m",
	                     key, sled_conf_show(value).text);
}

static void
join_words(char *out, size_t room, const char *const *words, size_t count)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < count; i++) {
		const char *sep = i == 0 ? "" : i + 1 < count ? ", " : " or ";
		size_t more = strlen(sep) + strlen(words[i]);

		if (len + more >= room)
			return;
		memcpy(out + len, sep, strlen(sep));
		memcpy(out + len + strlen(sep), words[i], strlen(words[i]) + 1);
		len += more;
	}
}

bool
sled_conf_want_word(struct sled_conf_parse *p, const char *key,
                    const char *value, const char *const *words, size_t count,
                    size_t *out)
{
	char all[128];
	bool close = false;
	size_t near;

	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], value) == 0) {
			*out = i;
			return true;
		}
	near = sled_conf_nearest(value, words, count, &close);
	if (close)
		return sled_conf_bad(p, "%s: \"%s\": did you mean %s?", key,
		                     sled_conf_show(value).text, words[near]);
	join_words(all, sizeof(all), words, count);
	return sled_conf_bad(p, "%s: \"%s\" is not known: write %s", key,
	                     sled_conf_show(value).text, all);
}

bool
sled_conf_want_yes_no(struct sled_conf_parse *p, const char *key,
                      const char *value, bool *out)
{
	static const char *const words[] = { "no", "yes" };
	size_t word = 0;

	if (!sled_conf_want_word(p, key, value, words, COUNT(words), &word))
		return false;
	*out = word == 1;
	return true;
}

bool
sled_conf_want_text(struct sled_conf_parse *p, const char *value,
                    const char **out)
{
	*out = sled_conf_keep(p->conf, value, strlen(value), p->err);
	return *out != NULL;
}

bool
sled_conf_want_path(struct sled_conf_parse *p, const char *key,
                    const char *value, const char **out)
{
	struct sled_buf path = { 0 };
	struct sled_err why = { 0 };
	bool ok;

	if (!sled_conf_expand(&path, value, p->env, &why)) {
		sled_buf_free(&path);
		(void)sled_conf_bad(p, "%s: %s", key, why.text);
		if (why.kind == SLED_ERR_NOMEM)
			*p->err = why;
		return false;
	}
	ok = sled_conf_want_text(p, path.data, out);
	sled_buf_free(&path);
	return ok;
}

bool
sled_conf_want_hold(struct sled_conf_parse *p, const char *key,
                    const char *value, struct sled_conf_hold *out)
{
	out->set = true;
	out->bytes = SLED_CONF_NO_LIMIT;
	if (strcmp(value, "none") == 0)
		return true;
	if (sled_conf_size(value, &out->bytes) && out->bytes == 0)
		return sled_conf_bad(
		    p,
		    "%s: 0 would hold all mail: write none for "
		    "no limit, or a size",
		    key);
	return sled_conf_want_size(p, key, value, &out->bytes);
}
