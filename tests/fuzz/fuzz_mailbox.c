/*
 * fuzz_mailbox.c - libFuzzer: an mbox, or one message, of any bytes.
 *
 * The first octet picks the form. Whatever the file holds: each message reads
 * the same twice, has CRLF lines to its end, and the walk ends.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mailbox/mailbox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

struct memory {
	const uint8_t *data;
	size_t len;
};

static ssize_t
read_memory(void *ctx, int fd, void *out, size_t len, off_t at)
{
	const struct memory *memory = ctx;
	size_t left =
	    (size_t)at < memory->len ? memory->len - (size_t)at : 0;

	(void)fd;
	len = len < left ? len : left;
	if (len > 0)
		memcpy(out, memory->data + at, len);
	return (ssize_t)len;
}

static bool
gather(void *ctx, struct sled_span bytes, struct sled_err *err)
{
	return sled_buf_add(ctx, bytes.data, bytes.len, err);
}

static void
check_lines(const struct sled_buf *text)
{
	for (size_t i = 0; i < text->len; i++)
		if (text->data[i] == '\n')
			insist(i > 0 && text->data[i - 1] == '\r');
	insist(text->len == 0 || text->data[text->len - 1] == '\n');
}

static bool
on_message(void *ctx, struct sled_mailbox_item *item, struct sled_err *err)
{
	struct sled_buf first = { 0 }, second = { 0 };

	insist(sled_mailbox_read(item, gather, &first, err) &&
	       sled_mailbox_read(item, gather, &second, err));
	insist(first.len == second.len &&
	       (first.len == 0 ||
	        memcmp(first.data, second.data, first.len) == 0));
	check_lines(&first);
	insist(item->stamp >= -1 && item->end >= item->at);
	++*(unsigned *)ctx;
	sled_buf_free(&first);
	sled_buf_free(&second);
	return true;
}

static bool
on_begin(void *ctx, enum sled_mailbox_kind kind, const char *path,
         struct sled_err *err)
{
	(void)ctx;
	(void)kind;
	(void)path;
	(void)err;
	return true;
}

static bool
on_end(void *ctx, struct sled_err *err)
{
	(void)ctx;
	(void)err;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory memory = { data + 1, size - 1 };
	const struct sled_sys sys = { .pread = read_memory, .ctx = &memory };
	struct sled_file file = { &sys, 3, "fuzz" };
	unsigned count = 0;
	const struct sled_mailbox_visitor visitor = { .ctx = &count,
		                                      .begin = on_begin,
		                                      .message = on_message,
		                                      .end = on_end };
	struct sled_err err = { 0 };

	if (size < 2)
		return 0;
	if (data[0] & 2) {
		struct sled_mailbox_item item = { .file = &file,
			                          .end = memory.len };

		(void)on_message(&count, &item, &err);
	} else {
		const struct sled_mailbox_options options = {
			.mboxo = data[0] & 1
		};
		const struct sled_mailbox_walk walk = { &sys, &options,
			                                &visitor };
		struct stat st = { .st_size = (off_t)memory.len };

		insist(sled_mailbox_mbox(&walk, &file, &st, "fuzz", &err));
	}
	insist(count > 0);
	return 0;
}
