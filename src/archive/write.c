/*
 * write.c - members as they are built; see mailsled/archive.h.
 *
 * libarchive makes the ustar entries and hands them to on_tar(), which deflates
 * them; zlib's output leaves through the sink. A failure below libarchive is
 * kept in `failed` and not told to it: an archive that failed leaks its writer.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#define ZLIB_CONST
#include <zlib.h>

#include "mailsled/hash.h"
#include "names.h"

#define CHUNK     65536
#define LEVEL     6
#define USTAR_MAX 077777777777 /* eleven octal digits */
#define ONE_GIB   (1U << 30)   /* zlib counts in 32 bits */

struct sled_member {
	sled_sink *sink;
	void *ctx;
	struct archive *tar;
	struct archive_entry *entry;
	struct sled_sha256 *sha;
	z_stream z;
	bool z_open;
	bool deaf;       /* what libarchive says is dropped: it is closing */
	uint64_t left;   /* of the entry's data */
	uint64_t length; /* given to the sink */
	uint64_t tar_octets;
	uint32_t crc;
	struct sled_err failed;
	uint8_t out[CHUNK];
};

static void
put_le(uint8_t *out, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(value >> 8 * i);
}

void
sled_member_header(uint8_t out[SLED_MEMBER_HEAD], uint64_t length)
{
	/* RFC 1952: deflate, FEXTRA, no time, no system; 12 octets of extra
	 * field: MS, 8 octets. */
	static const uint8_t head[] = {
		0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 12, 0, 'M', 'S', 8, 0,
	};

	memcpy(out, head, sizeof(head));
	put_le(out + sizeof(head), length, 8);
}

static void
give(struct sled_member *member, const uint8_t *data, size_t len)
{
	member->length += len;
	if (member->failed.kind == SLED_ERR_NONE &&
	    !member->sink(member->ctx, data, len, &member->failed) &&
	    member->failed.kind == SLED_ERR_NONE)
		(void)sled_fail(&member->failed, SLED_ERR_INTERNAL,
		                "sink failed without a word");
}

static void
flush(struct sled_member *member)
{
	size_t len = CHUNK - member->z.avail_out;

	if (len > 0) {
		sled_sha256_add(member->sha, member->out, len);
		give(member, member->out, len);
	}
	member->z.next_out = member->out;
	member->z.avail_out = CHUNK;
}

static void
squeeze(struct sled_member *member, const uint8_t *data, uInt len, int how)
{
	int rc = Z_OK;

	member->z.next_in = data;
	member->z.avail_in = len;
	do {
		if (member->z.avail_out == 0)
			flush(member);
		rc = deflate(&member->z, how);
	} while (rc == Z_OK && (member->z.avail_out == 0 || how == Z_FINISH));
	/* BUF_ERROR: nothing was left to do when the room ran out. */
	if (rc != Z_STREAM_END && rc != Z_BUF_ERROR && rc != Z_OK)
		(void)sled_fail(&member->failed, SLED_ERR_INTERNAL,
		                "deflate: %d", rc);
}

static la_ssize_t
on_tar(struct archive *tar, void *ctx, const void *data, size_t len)
{
	struct sled_member *member = ctx;
	const uint8_t *at = data;

	(void)tar;
	if (member->deaf)
		return (la_ssize_t)len;
	member->crc = (uint32_t)crc32_z(member->crc, data, len);
	member->tar_octets += len;
	for (size_t rest = len; rest > 0;) {
		uInt part = rest > ONE_GIB ? ONE_GIB : (uInt)rest;

		if (member->failed.kind != SLED_ERR_NONE)
			break;
		squeeze(member, at, part, Z_NO_FLUSH);
		at += part;
		rest -= part;
	}
	return (la_ssize_t)len;
}

/* Report the member's first failure, RC of libarchive being the latest. */
static bool
settle(struct sled_member *member, bool ok, struct sled_err *err)
{
	const char *why;

	if (member->failed.kind == SLED_ERR_NONE && !ok) {
		why = archive_error_string(member->tar);
		(void)sled_fail(&member->failed,
		                archive_errno(member->tar) == ENOMEM
		                    ? SLED_ERR_NOMEM
		                    : SLED_ERR_INTERNAL,
		                "libarchive: %s", why == NULL ? "?" : why);
	}
	if (member->failed.kind == SLED_ERR_NONE)
		return true;
	*err = member->failed;
	return false;
}

static bool
refuse(struct sled_member *member, const char *why, struct sled_err *err)
{
	if (member->failed.kind == SLED_ERR_NONE)
		(void)sled_fail(&member->failed, SLED_ERR_USAGE, "member: %s",
		                why);
	*err = member->failed;
	return false;
}

static bool
open_tar(struct sled_member *member)
{
	struct archive *tar = archive_write_new();

	member->tar = tar;
	member->entry = archive_entry_new();
	return tar != NULL && member->entry != NULL &&
	       archive_write_set_format_ustar(tar) == ARCHIVE_OK &&
	       archive_write_set_bytes_per_block(tar, 0) == ARCHIVE_OK &&
	       archive_write_set_bytes_in_last_block(tar, 1) == ARCHIVE_OK &&
	       archive_write_open(tar, member, NULL, on_tar, NULL) ==
	           ARCHIVE_OK;
}

static bool
begin(struct sled_member *member, struct sled_err *err)
{
	uint8_t head[SLED_MEMBER_HEAD];

	if (!sled_sha256_new(&member->sha, err))
		return false;
	member->z_open = deflateInit2(&member->z, LEVEL, Z_DEFLATED, -15, 8,
	                              Z_DEFAULT_STRATEGY) == Z_OK;
	if (!member->z_open || !open_tar(member))
		return sled_fail_sys(err, ENOMEM, "member");
	member->z.next_out = member->out;
	member->z.avail_out = CHUNK;
	sled_member_header(head, 0);
	give(member, head, sizeof(head));
	return settle(member, true, err);
}

bool
sled_member_begin(struct sled_member **out, sled_sink *sink, void *ctx,
                  struct sled_err *err)
{
	struct sled_member *member = malloc(sizeof(*member));

	*out = NULL;
	if (member == NULL)
		return sled_fail_sys(err, ENOMEM, "member");
	/* All but the buffer. */
	memset(member, 0, offsetof(struct sled_member, out));
	member->sink = sink;
	member->ctx = ctx;
	if (!begin(member, err)) {
		sled_member_free(&member);
		return false;
	}
	*out = member;
	return true;
}

void
sled_member_free(struct sled_member **member_p)
{
	struct sled_member *member = *member_p;

	if (member == NULL)
		return;
	member->deaf = true;
	if (member->tar != NULL)
		(void)archive_write_free(member->tar);
	if (member->entry != NULL)
		archive_entry_free(member->entry);
	if (member->z_open)
		(void)deflateEnd(&member->z);
	sled_sha256_free(&member->sha);
	free(member);
	*member_p = NULL;
}

bool
sled_member_entry(struct sled_member *member, const struct sled_entry *entry,
                  struct sled_err *err)
{
	struct archive_entry *head = member->entry;

	if (member->failed.kind != SLED_ERR_NONE)
		return settle(member, true, err);
	if (member->deaf)
		return refuse(member, "already ended", err);
	if (member->left > 0)
		return refuse(member, "entry is not complete", err);
	if (!sled_entry_name_ok(entry->name))
		return refuse(member, "bad entry name", err);
	if (entry->size > USTAR_MAX || entry->mtime < 0 ||
	    entry->mtime > USTAR_MAX)
		return refuse(member, "more than ustar can hold", err);
	(void)archive_entry_clear(head);
	archive_entry_set_pathname(head, entry->name);
	archive_entry_set_filetype(head, AE_IFREG);
	archive_entry_set_perm(head, 0644);
	archive_entry_set_size(head, (la_int64_t)entry->size);
	archive_entry_set_mtime(head, (time_t)entry->mtime, 0);
	member->left = entry->size;
	return settle(member,
	              archive_write_finish_entry(member->tar) == ARCHIVE_OK &&
	                  archive_write_header(member->tar, head) == ARCHIVE_OK,
	              err);
}

bool
sled_member_data(struct sled_member *member, const void *data, size_t len,
                 struct sled_err *err)
{
	if (member->failed.kind != SLED_ERR_NONE)
		return settle(member, true, err);
	if (len > member->left)
		return refuse(member, "more data than the entry's size", err);
	if (len == 0)
		return true;
	member->left -= len;
	return settle(
	    member,
	    archive_write_data(member->tar, data, len) == (la_ssize_t)len, err);
}

bool
sled_member_end(struct sled_member *member, struct sled_member_sum *sum,
                struct sled_err *err)
{
	uint8_t trailer[8];

	if (member->failed.kind != SLED_ERR_NONE)
		return settle(member, true, err);
	if (member->deaf)
		return refuse(member, "already ended", err);
	if (member->left > 0)
		return refuse(member, "entry is not complete", err);
	if (!settle(member,
	            archive_write_finish_entry(member->tar) == ARCHIVE_OK, err))
		return false;
	member->deaf = true; /* end-of-archive blocks would come next */
	squeeze(member, NULL, 0, Z_FINISH);
	flush(member);
	put_le(trailer, member->crc, 4);
	put_le(trailer + 4, member->tar_octets & UINT32_MAX, 4);
	sled_sha256_add(member->sha, trailer, sizeof(trailer));
	give(member, trailer, sizeof(trailer));
	*sum = (struct sled_member_sum){
		.length = member->length,
		.tar_octets = member->tar_octets,
		.body_sha256 = sled_sha256_end(member->sha),
	};
	return settle(member, true, err);
}

bool
sled_member_last(struct sled_buf *out, struct sled_err *err)
{
	/* 1,024 zeros in one block of fixed codes, then CRC-32 and ISIZE.
	 * A table: what zlib makes of them may change with its version. */
	static const uint8_t body[] = {
		0x63, 0x60, 0x18, 0x05, 0xa3, 0x60, 0x14, 0x8c, 0x54, 0x00,
		0x00, 0x2e, 0xaf, 0xb5, 0xef, 0x00, 0x04, 0x00, 0x00,
	};
	uint8_t head[SLED_MEMBER_HEAD];

	_Static_assert(sizeof(head) + sizeof(body) == SLED_MEMBER_LAST, "");
	sled_member_header(head, SLED_MEMBER_LAST);
	if (!sled_buf_reserve(out, SLED_MEMBER_LAST, err))
		return false;
	return sled_buf_add(out, head, sizeof(head), err) &&
	       sled_buf_add(out, body, sizeof(body), err);
}
