/* reply.c - see deliver/reply.h. */
#include "deliver/reply.h"

#include <string.h>
#include <strings.h>

#include "mailsled/text.h"

#define HEAD 4 /* "250-" */

static bool
begins(struct sled_span line, const char *word)
{
	size_t len = strlen(word);

	return line.len >= len && strncasecmp(line.data, word, len) == 0 &&
	       (line.len == len || line.data[len] == ' ');
}

/* A capability, as a line of the reply to LHLO has it. */
static void
take_word(struct sled_reply *out, struct sled_span line)
{
	if (begins(line, "8BITMIME"))
		out->eightbit = true;
	if (!begins(line, "SIZE"))
		return;
	out->has_size = true;
	line.data += line.len > 5 ? 5 : line.len;
	line.len -= line.len > 5 ? 5 : line.len;
	if (!sled_text_u64(line, &out->size_most))
		out->size_most = 0;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "250-text", "250 text" or "250". */
static bool
take_line(struct sled_reply *out, struct sled_span line, bool *last)
{
	unsigned code;

	if (line.len < HEAD - 1 || line.data[0] < '2' || line.data[0] > '5' ||
	    !is_digit(line.data[1]) || !is_digit(line.data[2]))
		return false;
	code = (unsigned)(line.data[0] - '0') * 100 +
	       (unsigned)(line.data[1] - '0') * 10 +
	       (unsigned)(line.data[2] - '0');
	if (out->code != 0 && out->code != code)
		return false;
	out->code = code;
	*last = line.len == HEAD - 1 || line.data[HEAD - 1] == ' ';
	if (!*last && line.data[HEAD - 1] != '-')
		return false;
	line.data += line.len > HEAD ? HEAD : line.len;
	line.len -= line.len > HEAD ? HEAD : line.len;
	take_word(out, line);
	sled_text_clip(out->text, sizeof(out->text), line);
	return true;
}

bool
sled_reply_take(struct sled_reply *out, struct sled_span in, size_t *used,
                struct sled_err *err)
{
	size_t at = 0;
	bool last = false;

	*used = 0;
	*out = (struct sled_reply){ 0 };
	for (unsigned lines = 0; !last; lines++) {
		const char *end = memchr(in.data + at, '\n', in.len - at);
		struct sled_span line = { in.data + at, in.len - at };

		if (end != NULL)
			line.len = (size_t)(end - line.data);
		if (line.len > SLED_REPLY_LINE || lines == SLED_REPLY_LINES)
			return sled_fail(err, SLED_ERR_PROTO,
			                 "a reply without end");
		if (end == NULL)
			return true;
		at += line.len + 1;
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (!take_line(out, line, &last))
			return sled_fail(err, SLED_ERR_PROTO,
			                 "it does not speak LMTP");
	}
	*used = at;
	return true;
}
