/* command.c - a command that reads the message from its stdin. It is begun when
 * the whole message lies in a file: it never sees a part of one. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "deliver/internal.h"
#include "mailsled/loop.h"
#include "mailsled/text.h"

#define DEADLINE_MS 300000
#define NOT_RUN     126 /* by sh: no right to; 127: not there */

/* The last line of what it said, as far as it can be shown. */
static void
last_words(char out[160], const struct sled_program_end *end)
{
	size_t len = end->said_len, from;

	while (len > 0 &&
	       (end->said[len - 1] == '\n' || end->said[len - 1] == '\r'))
		len--;
	for (from = len; from > 0 && end->said[from - 1] != '\n'; from--)
		continue;
	sled_text_clip(out, 160,
	               (struct sled_span){ end->said + from, len - from });
}

static bool
judge(struct sled_delivery *d, const struct sled_program_end *end,
      struct sled_err *err)
{
	char words[160];

	if (end->status == 0)
		return true;
	last_words(words, end);
	(void)sled_fail(err, SLED_ERR_LINK, "exit status %d%s%s", end->status,
	                words[0] == '\0' ? "" : ": ", words);
	if (end->status == NOT_RUN || end->status == NOT_RUN + 1)
		return sled_delivery_shut(d);
	return false;
}

struct words {
	struct sled_buf text; /* each with its NUL */
	size_t at[4];
};

static bool
add_word(struct words *words, size_t i, const char *name, const char *value,
         struct sled_err *err)
{
	words->at[i] = words->text.len;
	return sled_buf_printf(&words->text, err, "MAILSLED_%s=%s", name,
	                       value) &&
	       sled_buf_add(&words->text, "", 1, err);
}

static bool
fill_words(struct words *words, const struct sled_delivery *d,
           const struct sled_letter *letter, struct sled_err *err)
{
	char number[24], hex[SLED_HASH_HEX];

	(void)snprintf(number, sizeof(number), "%" PRIu64, letter->number);
	sled_text_hex(hex, letter->sha256.b, SLED_HASH_LEN);
	return add_word(words, 0, "ACCOUNT", d->row.label, err) &&
	       add_word(words, 1, "NUMBER", number, err) &&
	       add_word(words, 2, "ID", hex, err) &&
	       add_word(words, 3, "SENDER", letter->sender, err);
}

static bool
is_stopped(void *ctx)
{
	return sled_delivery_stopped(ctx);
}

static bool
run(struct sled_delivery *d, const struct sled_letter *letter,
    const struct words *words, struct sled_err *err)
{
	const char *const argv[] = { "sh", "-c", d->target->where, NULL };
	const char *const env[] = {
		words->text.data + words->at[0],
		words->text.data + words->at[1],
		words->text.data + words->at[2],
		words->text.data + words->at[3],
		NULL,
	};
	const struct sled_program program = { .argv = argv,
		                              .deadline_ms = DEADLINE_MS,
		                              .stop = is_stopped,
		                              .ctx = d,
		                              .input = letter->file.fd,
		                              .env = env,
		                              .own_group = true };
	struct sled_program_end end;

	/* One that hangs would hang with the next, too. */
	if (!sled_program_run(&program, &end, err))
		return sled_delivery_shut(d);
	return judge(d, &end, err);
}

static bool
give(struct sled_delivery *d, struct sled_letter *letter, struct sled_err *err)
{
	struct words words = { .at = { 0 } };
	bool ok = fill_words(&words, d, letter, err) &&
	          sled_delivery_try(d, letter->number, 0, 0, err) &&
	          run(d, letter, &words, err);

	sled_buf_free(&words.text);
	return ok;
}

static bool
always(struct sled_delivery *d, struct sled_err *err)
{
	(void)d;
	(void)err;
	return true;
}

const struct sled_deliverer sled_deliver_command = {
	.open = always,
	.give = give,
	.check = always,
};
