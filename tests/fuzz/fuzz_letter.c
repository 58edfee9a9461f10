/* fuzz_letter.c - libFuzzer: any bytes are a message of some kind: all that can
 * be asked of it is asked, and what comes out is UTF-8 and no path. */
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "mailsled/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

static void
check_text(const struct sled_buf *text)
{
	insist(text->data == NULL ||
	       g_utf8_validate(text->data, (gssize)text->len, NULL));
}

static void
ask_text(struct sled_letter *letter, enum sled_letter_form form)
{
	struct sled_letter_text want = { form, 100000, false };
	struct sled_buf text = { 0 };
	struct sled_err err = { 0 };

	insist(sled_letter_text(letter, &want, &text, &err));
	insist(text.len <= want.max);
	check_text(&text);
	sled_buf_free(&text);
}

static void
ask_field(struct sled_letter *letter, const char *name)
{
	struct sled_buf raw = { 0 }, text = { 0 };
	struct sled_err err = { 0 };
	bool there;

	insist(sled_letter_field(letter, name, &raw, &there, &err));
	insist(sled_words_text(&text, sled_buf_span(&raw), &err));
	insist(sled_words_people(&text, sled_buf_span(&raw), &err));
	insist(sled_words_name(&text, sled_buf_span(&raw), &err));
	check_text(&text);
	insist(memchr(text.data, '\n', text.len) == NULL);
	sled_buf_free(&raw);
	sled_buf_free(&text);
}

static bool
drop(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	(void)data;
	(void)err;
	*(size_t *)ctx += len;
	return true;
}

static void
ask_parts(struct sled_letter *letter)
{
	for (size_t i = 0; i < sled_letter_parts(letter); i++) {
		struct sled_letter_part part;
		struct sled_buf name = { 0 };
		struct sled_err err = { 0 };
		size_t octets = 0;

		sled_letter_part(letter, i, &part);
		insist(sled_letter_save(letter, i, drop, &octets, &err));
		insist(sled_name_safe(&name, part.name, part.type, i + 1,
		                      &err));
		check_text(&name);
		insist(name.len > 0 && name.len < 255 && name.data[0] != '.' &&
		       strpbrk(name.data, "/\\") == NULL);
		sled_buf_free(&name);
	}
}

static bool
ask_mark(void *ctx, const char *id, struct sled_err *err)
{
	(void)err;
	*(size_t *)ctx += strlen(id);
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sled_letter *letter = NULL;
	struct sled_err err = { 0 };
	size_t octets = 0;

	insist(sled_letter_new(&letter, -1, &err));
	insist(sled_letter_add(letter, data, size, &err));
	insist(sled_letter_parse(letter, &err));
	ask_field(letter, "Subject");
	ask_field(letter, "From");
	ask_text(letter, SLED_LETTER_READ);
	ask_text(letter, SLED_LETTER_INDEX);
	ask_text(letter, SLED_LETTER_HTML);
	ask_parts(letter);
	insist(sled_letter_marks(letter, ask_mark, &octets, &err));
	sled_letter_free(&letter);
	return 0;
}
