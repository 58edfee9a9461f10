/* pop3d_generate.c - any number of small messages from nothing; see pop3d.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pop3d.h"

/* Words keep the text about as compressible as real mail. */
static size_t
fill_line(char *line, size_t len, uint64_t *seed)
{
	static const char *const words[] = {
		"river",  "gauge", "north", "pump",   "diesel", "seven",
		"before", "noon",  "crew",  "bridge", "spare",  "filter",
		"wind",   "from",  "west",  "tide",   "order",  "sacks",
		"clinic", "radio", "check", "valley", "signal", "boat",
		"after",  "rain",  "road",  "closed", "tonne",  "seed",
		"winter", "lamp",
	};
	size_t at = 0;

	while (at < len) {
		const char *word;
		size_t room;

		*seed = *seed * 6364136223846793005U + 1442695040888963407U;
		word = words[*seed >> 59];
		room = strlen(word);
		if (room > len - at)
			room = len - at;
		memcpy(line + at, word, room);
		at += room;
		if (at < len)
			line[at++] = *seed >> 48 & 7 ? ' ' : '.';
	}
	return at;
}

static void
fill_text(char *text, size_t len, uint64_t seed)
{
	while (len >= 2) {
		size_t line = len < 74 ? len : 74;

		if (len - line == 1)
			line--;
		(void)fill_line(text, line - 2, &seed);
		text[line - 2] = '\r';
		text[line - 1] = '\n';
		text += line;
		len -= line;
	}
}

char *
pop3d_generate(uint32_t index, size_t bytes, size_t *len)
{
	char head[512];
	int head_len;
	char *text;

	head_len = snprintf(head, sizeof(head),
	                    "From: Station %02u <station%02u@example.org>\r\n"
	                    "To: base@example.net\r\n"
	                    "Subject: Log sheet %07u\r\n"
	                    "Date: Mon, %02u Nov 2026 %02u:%02u:00 +0000\r\n"
	                    "Message-ID: <sheet-%07u@example.org>\r\n\r\n",
	                    (unsigned)index % 40, (unsigned)index % 40,
	                    (unsigned)index, 2 + (unsigned)index % 4 * 7,
	                    (unsigned)index / 60 % 24, (unsigned)index % 60,
	                    (unsigned)index);
	if (head_len < 0)
		return NULL;
	*len = (size_t)head_len;
	if (bytes >= *len + 2)
		*len = bytes;
	text = malloc(*len + 1);
	if (text == NULL)
		return NULL;
	memcpy(text, head, (size_t)head_len);
	fill_text(text + head_len, *len - (size_t)head_len, index + 1);
	text[*len] = '\0';
	return text;
}
