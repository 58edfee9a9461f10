/*
 * strip.c - a configuration fit to lie beside the mail, in places that others
 * may read. When in doubt a line is left out: a comment lost costs nothing.
 */
#include <string.h>

#include "conf/parse.h"

static const char *const words[] = { "pass", "secret", "credential", "token",
	                             "pin=" };

static struct sled_span
skip_blanks(struct sled_span text)
{
	while (text.len > 0 && (*text.data == ' ' || *text.data == '\t')) {
		text.data++;
		text.len--;
	}
	return text;
}

static char
lower(char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool
begins(struct sled_span text, const char *word)
{
	size_t len = strlen(word);

	if (text.len < len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (lower(text.data[i]) != word[i])
			return false;
	return true;
}

static bool
tells(struct sled_span text)
{
	for (; text.len > 0; text.data++, text.len--)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (begins(text, words[i]))
				return true;
	return false;
}

/* LINE up to a comment behind something else. */
static struct sled_span
before_comment(struct sled_span line)
{
	for (size_t i = 1; i < line.len; i++)
		if (line.data[i] == ';' &&
		    (line.data[i - 1] == ' ' || line.data[i - 1] == '\t'))
			line.len = i;
	return line;
}

/* May a line that speaks of secrets stay, its comment left out? */
static bool
is_harmless(struct sled_span text)
{
	const char *equals;

	if (!tells(text) || text.data[0] == '[')
		return true;
	equals = memchr(text.data, '=', text.len);
	if (equals == NULL)
		return false;
	text.len = (size_t)(equals - text.data);
	return !tells(text) && !sled_conf_bears_command(text);
}

static bool
strip_line(struct sled_buf *out, struct sled_span line, struct sled_err *err)
{
	static const char notice[] =
	    "; not copied: this line may tell of a secret";
	struct sled_span text = skip_blanks(line);
	struct sled_span head = before_comment(text);
	struct sled_span comment = { text.data + head.len,
		                     text.len - head.len };

	if (!tells(line))
		return sled_buf_add(out, line.data, line.len, err);
	if (text.data[0] == ';' || text.data[0] == '#' || !is_harmless(head))
		return sled_buf_addstr(out, notice, err);
	if (!tells(comment))
		head = text;
	return sled_buf_add(out, head.data, head.len, err);
}

bool
sled_conf_strip_secrets(struct sled_buf *out, struct sled_span text,
                        struct sled_err *err)
{
	if (begins(text, "\xef\xbb\xbf")) {
		text.data += 3;
		text.len -= 3;
	}
	while (text.len > 0) {
		size_t used = 0;
		struct sled_span line = text;

		while (used < text.len && text.data[used] != '\r' &&
		       text.data[used] != '\n')
			used++;
		line.len = used;
		while (used < text.len &&
		       (text.data[used] == '\r' || text.data[used] == '\n'))
			used++;
		if (!strip_line(out, line, err) ||
		    !sled_buf_add(out, line.data + line.len, used - line.len,
		                  err))
			return false;
		text.data += used;
		text.len -= used;
	}
	return sled_buf_reserve(out, 1, err);
}
