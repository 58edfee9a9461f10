/* capa.c - what a server says it can (RFC 2449). */
#include <string.h>
#include <strings.h>

#include "mailsled/text.h"
#include "session/session.h"

static bool
has_word(struct sled_span line, const char *word)
{
	size_t len = strlen(word);

	for (size_t at = 0; at + len <= line.len; at++)
		if ((at == 0 || line.data[at - 1] == ' ') &&
		    strncasecmp(line.data + at, word, len) == 0 &&
		    (at + len == line.len || line.data[at + len] == ' '))
			return true;
	return false;
}

static bool
begins(struct sled_span line, const char *word)
{
	size_t len = strlen(word);

	return line.len >= len && strncasecmp(line.data, word, len) == 0 &&
	       (line.len == len || line.data[len] == ' ');
}

unsigned
sled_capa_of(struct sled_span line)
{
	static const struct {
		const char *word, *second;
		unsigned bit;
	} known[] = {
		{ "PIPELINING", NULL, SLED_PEER_PIPELINING },
		{ "TOP", NULL, SLED_PEER_TOP },
		{ "UIDL", NULL, SLED_PEER_UIDL },
		{ "STLS", NULL, SLED_PEER_STLS },
		{ "USER", NULL, SLED_PEER_USER },
		{ "SASL", "PLAIN", SLED_PEER_PLAIN },
		{ "SASL", "LOGIN", SLED_PEER_LOGIN },
		{ "EXPIRE", "0", SLED_PEER_EXPIRE_0 },
		{ "EXPIRE0", NULL, SLED_PEER_EXPIRE_0 }, /* mailutils */
	};

	unsigned caps = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (begins(line, known[i].word) &&
		    (known[i].second == NULL ||
		     has_word(line, known[i].second)))
			caps |= known[i].bit;
	return caps;
}

#define DELAY_MOST_S 86400 /* what asks for more than a day is a mistake */

/* The number behind the word; 0 for NEVER, and for one that is no number. */
static uint32_t
number_behind(struct sled_span line, const char *word)
{
	size_t at = strlen(word), end;
	uint64_t value = 0;

	while (at < line.len && line.data[at] == ' ')
		at++;
	for (end = at; end < line.len && line.data[end] != ' ';)
		end++;
	if (!sled_text_u64((struct sled_span){ line.data + at, end - at },
	                   &value) ||
	    value > UINT32_MAX)
		return 0;
	return (uint32_t)value;
}

static uint32_t
at_most(uint32_t value, uint32_t most)
{
	return value < most ? value : most;
}

/* "USER" behind a number: it may differ from user to user, and this is the
 * least (RFC 2449, sections 6.5 and 6.7). */
void
sled_capa_limit(struct sled_capa_limits *limits, struct sled_span line)
{
	limits->told = true;
	if (begins(line, "EXPIRE"))
		limits->expire_days = number_behind(line, "EXPIRE");
	else if (begins(line, "LOGIN-DELAY"))
		limits->login_delay_s =
		    at_most(number_behind(line, "LOGIN-DELAY"), DELAY_MOST_S);
}
