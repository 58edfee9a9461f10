/*
 * fuzz_archive.c - libFuzzer: members, receipts and VOLUME.txt of any bytes.
 *
 * The first octet picks the parser. Few inputs get past a CRC-32, so one way
 * wraps the input as the tar of a member that is whole in all else.
 */
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "mailsled/archive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

static bool
read_mem(void *ctx, void *data, size_t len, uint64_t at, size_t *got,
         struct sled_err *err)
{
	const struct sled_buf *buf = ctx;

	(void)err;
	*got = at >= buf->len        ? 0
	       : buf->len - at < len ? (size_t)(buf->len - at)
	                             : len;
	if (*got > 0)
		memcpy(data, buf->data + at, *got);
	return true;
}

/* What is refused is DAMAGED; what is taken compares equal to itself. */
static void
check(struct sled_buf *file)
{
	struct sled_source source = { read_mem, file, file->len };
	struct sled_member_sum sum;
	struct sled_err err = { 0 };
	uint64_t length;
	unsigned seq;
	bool whole;

	if (!sled_member_peek(&source, 0, &length, &whole, &err))
		insist(err.kind == SLED_ERR_DAMAGED);
	if (!sled_member_check(&source, 0, NULL, &sum, &seq, &err))
		insist(err.kind == SLED_ERR_DAMAGED);
	else
		insist(sled_member_compare(&source, 0, &sum, &err));
}

static void
put_le(uint8_t *out, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(value >> 8 * i);
}

/* TAR, at most 65,535 octets, in one stored block of deflate. */
static void
check_tar(const uint8_t *tar, size_t len)
{
	uint8_t head[SLED_MEMBER_HEAD], block[5] = { 1 }, tail[8];
	struct sled_buf file = { 0 };
	struct sled_err err = { 0 };

	if (len > 65535)
		len = 65535;
	sled_member_header(head, sizeof(head) + sizeof(block) + len + 8);
	put_le(block + 1, len, 2);
	put_le(block + 3, ~(uint64_t)len, 2);
	put_le(tail, crc32_z(0, tar, len), 4);
	put_le(tail + 4, len, 4);
	insist(sled_buf_add(&file, head, sizeof(head), &err) &&
	       sled_buf_add(&file, block, sizeof(block), &err) &&
	       sled_buf_add(&file, tar, len, &err) &&
	       sled_buf_add(&file, tail, sizeof(tail), &err));
	check(&file);
	sled_buf_free(&file);
}

static bool
write_again(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	insist(sled_receipts_add(ctx, receipt, err));
	return true;
}

static bool
ignore(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	(void)ctx;
	(void)receipt;
	(void)err;
	return true;
}

/* What was read can be written, and read once more. */
static void
check_receipts(struct sled_span text)
{
	struct sled_buf again = { 0 };
	struct sled_err err = { 0 };

	insist(sled_receipts_head(&again, &err));
	if (sled_receipts_parse(text, write_again, &again, &err))
		insist(sled_receipts_parse(sled_buf_span(&again), ignore, NULL,
		                           &err));
	else
		insist(err.kind == SLED_ERR_DAMAGED);
	sled_buf_free(&again);
}

static void
check_volume_info(struct sled_span text)
{
	struct sled_volume_info info, back;
	struct sled_buf again = { 0 };
	struct sled_err err = { 0 };

	if (!sled_volume_info_parse(text, &info, &err)) {
		insist(err.kind == SLED_ERR_DAMAGED);
		return;
	}
	insist(sled_volume_info_format(&again, &info, &err));
	insist(sled_volume_info_parse(sled_buf_span(&again), &back, &err));
	insist(memcmp(&info, &back, sizeof(info)) == 0);
	sled_buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sled_buf file = { 0 };
	struct sled_err err = { 0 };
	struct sled_span text;

	if (size == 0)
		return 0;
	text = (struct sled_span){ (const char *)data + 1, size - 1 };
	switch (data[0] % 4) {
	case 0:
		insist(sled_buf_add(&file, text.data, text.len, &err));
		check(&file);
		sled_buf_free(&file);
		break;
	case 1:
		check_tar(data + 1, size - 1);
		break;
	case 2:
		check_receipts(text);
		break;
	default:
		check_volume_info(text);
	}
	return 0;
}
