/* parse.c - the lines of listings, and what replies hold. RFC 1939, 2449. */
#include <string.h>

#include "engine.h"
#include "mailsled/text.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
skip_blanks(struct sled_span *at)
{
	while (at->len > 0 && is_blank(at->data[0])) {
		at->data++;
		at->len--;
	}
}

/* A number that ends at a blank or at the end; blanks before it are taken. */
static bool
take_number(struct sled_span *at, uint64_t *out)
{
	struct sled_span word;

	skip_blanks(at);
	word = (struct sled_span){ at->data, 0 };
	while (word.len < at->len && !is_blank(word.data[word.len]))
		word.len++;
	if (word.len == 0 || !sled_text_u64(word, out))
		return false;
	at->data += word.len;
	at->len -= word.len;
	return true;
}

static bool
take_msg(struct sled_span *at, uint32_t *out)
{
	uint64_t number = 0;

	if (!take_number(at, &number) || number == 0 || number > UINT32_MAX)
		return false;
	*out = (uint32_t)number;
	return true;
}

/* What a one-line reply tells of must be what was asked for. */
static bool
is_asked(const struct sled_pop3_event *event, uint32_t msg)
{
	return event->msg == 0 || event->msg == msg;
}

void
sled_pop3_parse_scan(struct sled_pop3_event *event)
{
	struct sled_span at = event->text;
	uint32_t msg = 0;
	uint64_t size = 0;

	event->bad = event->cut || !take_msg(&at, &msg) ||
	             !is_asked(event, msg) || !take_number(&at, &size);
	if (event->bad)
		return;
	event->msg = msg;
	event->size = size;
}

void
sled_pop3_parse_uid(struct sled_pop3_event *event)
{
	struct sled_span at = event->text;
	uint32_t msg = 0;

	event->bad = !take_msg(&at, &msg) || !is_asked(event, msg);
	if (event->bad)
		return;
	skip_blanks(&at);
	while (at.len > 0 && is_blank(at.data[at.len - 1]))
		at.len--;
	event->msg = msg;
	event->text = at;
}

void
sled_pop3_parse_drop(struct sled_pop3_event *event)
{
	struct sled_span at = event->text;
	uint64_t count = 0, size = 0;

	event->bad = event->cut || !take_number(&at, &count) ||
	             count > UINT32_MAX || !take_number(&at, &size);
	if (event->bad)
		return;
	event->count = (uint32_t)count;
	event->size = size;
}

/* RFC 2449 section 8: "[" level *("/" level) "]", a level is 1*rchar. */
void
sled_pop3_parse_code(struct sled_pop3_event *event)
{
	struct sled_span text = event->text;
	size_t level = 0;

	if (text.len == 0 || text.data[0] != '[')
		return;
	for (size_t i = 1; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c == ']' && level > 0) {
			event->code =
			    (struct sled_span){ text.data + 1, i - 1 };
			return;
		}
		if (c == ']' || c <= ' ' || c > 0x7f ||
		    (c == '/' && level == 0))
			return;
		level = c == '/' ? 0 : level + 1;
	}
}
