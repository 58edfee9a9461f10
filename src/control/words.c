/* words.c - requests and answers as lines of words. */
#include <string.h>

#include "control/internal.h"
#include "mailsled/text.h"

static bool
take_word(struct sled_control_words *out, char **to, struct sled_span word,
          struct sled_err *err)
{
	struct sled_buf plain = { 0 };
	bool ok = false;

	if (out->len == SLED_CONTROL_WORDS)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "a request of more than %d words",
		                 SLED_CONTROL_WORDS);
	if (word.len == 0)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "a request with an empty word");
	/* An escape is never shorter than what it stands for. */
	if (!sled_text_unpercent(&plain, word, err)) {
		(void)sled_note(err, "request");
	} else if (plain.len > 0 && memchr(plain.data, '\0', plain.len)) {
		(void)sled_fail(err, SLED_ERR_USAGE, "a request with a NUL");
	} else {
		if (plain.len > 0)
			memcpy(*to, plain.data, plain.len);
		out->at[out->len++] = *to;
		*to += plain.len;
		*(*to)++ = '\0';
		ok = true;
	}
	sled_buf_free(&plain);
	return ok;
}

bool
sled_control_words_read(struct sled_control_words *out, struct sled_span line,
                        struct sled_err *err)
{
	char *to = out->text;

	out->len = 0;
	out->at[0] = NULL;
	if (line.len > SLED_CONTROL_LINE)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "a request of more than %d bytes",
		                 SLED_CONTROL_LINE);
	for (;;) {
		const char *blank =
		    line.len == 0 ? NULL : memchr(line.data, ' ', line.len);
		struct sled_span word = line;

		if (blank != NULL)
			word.len = (size_t)(blank - line.data);
		if (!take_word(out, &to, word, err)) {
			out->len = 0;
			out->at[0] = NULL;
			return false;
		}
		if (blank == NULL)
			break;
		line.data += word.len + 1;
		line.len -= word.len + 1;
	}
	out->at[out->len] = NULL;
	return true;
}

static struct sled_span
span_of(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

bool
sled_control_words_write(struct sled_buf *out, const char *const *words,
                         size_t len, struct sled_err *err)
{
	size_t start = out->len;

	if (len == 0 || len > SLED_CONTROL_WORDS)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "a request of %zu words; 1 to %d fit", len,
		                 SLED_CONTROL_WORDS);
	for (size_t i = 0; i < len; i++)
		if ((i > 0 && !sled_buf_add(out, " ", 1, err)) ||
		    !sled_text_percent(out, span_of(words[i]), err))
			return false;
	if (out->len - start > SLED_CONTROL_LINE)
		return sled_fail(err, SLED_ERR_USAGE,
		                 "a request of %zu bytes; %d fit",
		                 out->len - start, SLED_CONTROL_LINE);
	return sled_buf_add(out, "\n", 1, err);
}

bool
sled_control_line_write(struct sled_buf *out, const char *kind,
                        const char *text, struct sled_err *err)
{
	return sled_buf_printf(out, err, "%s ", kind) &&
	       sled_text_percent(out, span_of(text), err) &&
	       sled_buf_add(out, "\n", 1, err);
}
