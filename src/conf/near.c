/* near.c - which known word was meant: the fewest letters changed. */
#include <stdint.h>
#include <string.h>

#include "conf/parse.h"

#define WORD_MAX 49

/* Capitals and underscores are slips that cost nothing. */
static char
fold(char c)
{
	if (c == '_')
		return '-';
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static size_t
least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Letters added, dropped or changed between the two. */
static size_t
distance(const char *a, const char *b)
{
	size_t alen = strnlen(a, WORD_MAX), blen = strnlen(b, WORD_MAX);
	size_t row[WORD_MAX + 1];

	for (size_t j = 0; j <= blen; j++)
		row[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			size_t same = fold(a[i - 1]) == fold(b[j - 1]);
			size_t cost = least(row[j] + 1, row[j - 1] + 1,
			                    same ? corner : corner + 1);

			corner = row[j];
			row[j] = cost;
		}
	}
	return row[blen];
}

size_t
sled_conf_nearest(const char *text, const char *const *words, size_t count,
                  bool *close)
{
	size_t best = 0, cost = SIZE_MAX;

	for (size_t i = 0; i < count; i++) {
		size_t now = distance(text, words[i]);

		if (now < cost) {
			cost = now;
			best = i;
		}
	}
	*close = cost <= 2 && cost < strlen(words[best]);
	return best;
}

const char *
sled_conf_account_near(const struct sled_conf *conf, const char *name)
{
	for (size_t i = 0; i < conf->accounts_len; i++) {
		const char *known = conf->accounts[i].name;
		bool close = false;

		(void)sled_conf_nearest(name, &known, 1, &close);
		if (close)
			return known;
	}
	return NULL;
}
