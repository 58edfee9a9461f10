/* fuzz_control.c - any bytes as a request: refused, or words that come back
 * the same when they are written and read again. */
#include <stdlib.h>
#include <string.h>

#include "control/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
check_again(const struct sled_control_words *words)
{
	struct sled_control_words again;
	struct sled_buf line = { 0 };
	struct sled_err err = { 0 };

	must(words->len >= 1 && words->len <= SLED_CONTROL_WORDS);
	must(words->at[words->len] == NULL);
	/* What is written escaped may be longer than what was read. */
	if (sled_control_words_write(&line, words->at, words->len, &err)) {
		line.len--;
		must(sled_control_words_read(&again, sled_buf_span(&line),
		                             &err));
		must(again.len == words->len);
		for (size_t i = 0; i < again.len; i++)
			must(strcmp(again.at[i], words->at[i]) == 0);
	}
	sled_buf_free(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sled_control_words words;
	struct sled_err err = { 0 };

	if (sled_control_words_read(
		&words, (struct sled_span){ (const char *)data, size }, &err))
		check_again(&words);
	else
		must(err.kind == SLED_ERR_USAGE && words.len == 0 &&
		     words.at[0] == NULL);
	return 0;
}
