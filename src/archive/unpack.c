/* unpack.c - members as they are read; see unpack.h and mailsled/archive.h. */
#include "unpack.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "mailsled/hash.h"

#define CHUNK      65536
#define TRAILER    8
#define MEMBER_MIN (SLED_MEMBER_HEAD + 2 + TRAILER)
#define LENGTH_AT  (SLED_MEMBER_HEAD - 8)

struct sled_unpack {
	const struct sled_source *source;
	struct sled_sha256 *sha;
	z_stream z;
	bool z_open, ended;
	uint64_t at;    /* of the next byte to read */
	uint64_t left;  /* bytes to read, less the trailer */
	uint64_t taken; /* inflated octets given out */
	const uint8_t *next;
	size_t have; /* inflated octets to give out at next */
	uint32_t crc;
	struct sled_member_sum sum;
	uint8_t in[CHUNK], out[CHUNK];
};

static uint64_t
get_le(const uint8_t *in, size_t len)
{
	uint64_t value = 0;

	while (len > 0)
		value = value << 8 | in[--len];
	return value;
}

bool
sled_source_exact(const struct sled_source *source, uint64_t at, void *out,
                  size_t len, struct sled_err *err)
{
	size_t got = 0;

	if (!source->read(source->ctx, out, len, at, &got, err))
		return false;
	if (got != len)
		return sled_fail(err, SLED_ERR_DAMAGED, "cut off");
	return true;
}

/* The header at AT must be the one its own length demands. */
static bool
read_header(const struct sled_source *source, uint64_t at, uint64_t *length,
            struct sled_err *err)
{
	uint8_t head[SLED_MEMBER_HEAD], wanted[SLED_MEMBER_HEAD];

	if (at > source->size || source->size - at < sizeof(head))
		return sled_fail(err, SLED_ERR_DAMAGED, "header is cut off");
	if (!sled_source_exact(source, at, head, sizeof(head), err))
		return false;
	*length = get_le(head + LENGTH_AT, 8);
	sled_member_header(wanted, *length);
	if (memcmp(head, wanted, sizeof(head)) != 0)
		return sled_fail(err, SLED_ERR_DAMAGED, "no member's header");
	if (*length < MEMBER_MIN)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "header without length");
	return true;
}

bool
sled_member_peek(const struct sled_source *source, uint64_t at,
                 uint64_t *length, bool *whole, struct sled_err *err)
{
	if (!read_header(source, at, length, err))
		return sled_note(err, "member at %" PRIu64, at);
	*whole = *length <= source->size - at;
	return true;
}

static bool
all_zero(const struct sled_source *source, uint64_t at, bool *zero,
         struct sled_err *err)
{
	uint8_t chunk[4096];
	size_t got = 1;

	*zero = true;
	while (*zero && got > 0) {
		if (!source->read(source->ctx, chunk, sizeof(chunk), at, &got,
		                  err))
			return false;
		for (size_t i = 0; i < got; i++)
			*zero = *zero && chunk[i] == 0;
		at += got;
	}
	return true;
}

bool
sled_member_torn(const struct sled_source *source, uint64_t at, bool *torn,
                 struct sled_err *err)
{
	uint8_t head[SLED_MEMBER_HEAD], wanted[SLED_MEMBER_HEAD];
	uint64_t left = source->size - at, length;
	size_t got = 0;

	if (!source->read(source->ctx, head, sizeof(head), at, &got, err))
		return false;
	if (got < sizeof(head)) {
		sled_member_header(wanted, 0);
		*torn = memcmp(head, wanted,
		               got < LENGTH_AT ? got : LENGTH_AT) == 0;
	} else {
		length = get_le(head + LENGTH_AT, 8);
		sled_member_header(wanted, length);
		*torn = memcmp(head, wanted, sizeof(head)) == 0 &&
		        (length == 0 || length > left);
	}
	return *torn || all_zero(source, at, torn, err);
}

static bool
start(struct sled_unpack *unpack, uint64_t at, struct sled_err *err)
{
	uint64_t length = 0;

	if (!read_header(unpack->source, at, &length, err))
		return false;
	if (length > unpack->source->size - at)
		return sled_fail(err, SLED_ERR_DAMAGED, "member is cut off");
	unpack->sum.length = length;
	unpack->at = at + SLED_MEMBER_HEAD;
	unpack->left = length - SLED_MEMBER_HEAD - TRAILER;
	if (!sled_sha256_new(&unpack->sha, err))
		return false;
	unpack->z_open = inflateInit2(&unpack->z, -15) == Z_OK;
	if (!unpack->z_open)
		return sled_fail_sys(err, ENOMEM, "inflate");
	return true;
}

bool
sled_unpack_open(struct sled_unpack **out, const struct sled_source *source,
                 uint64_t at, struct sled_err *err)
{
	struct sled_unpack *unpack = malloc(sizeof(*unpack));

	*out = NULL;
	if (unpack == NULL)
		return sled_fail_sys(err, ENOMEM, "member");
	/* All but the buffers. */
	memset(unpack, 0, offsetof(struct sled_unpack, in));
	unpack->source = source;
	if (!start(unpack, at, err)) {
		sled_unpack_free(&unpack);
		return false;
	}
	*out = unpack;
	return true;
}

void
sled_unpack_free(struct sled_unpack **unpack)
{
	if (*unpack == NULL)
		return;
	if ((*unpack)->z_open)
		(void)inflateEnd(&(*unpack)->z);
	sled_sha256_free(&(*unpack)->sha);
	free(*unpack);
	*unpack = NULL;
}

static bool
read_more(struct sled_unpack *unpack, struct sled_err *err)
{
	size_t len = unpack->left > CHUNK ? CHUNK : (size_t)unpack->left;

	if (!sled_source_exact(unpack->source, unpack->at, unpack->in, len,
	                       err))
		return false;
	sled_sha256_add(unpack->sha, unpack->in, len);
	unpack->at += len;
	unpack->left -= len;
	unpack->z.next_in = unpack->in;
	unpack->z.avail_in = (uInt)len;
	return true;
}

static bool
prove_end(struct sled_unpack *unpack, struct sled_err *err)
{
	uint8_t trailer[TRAILER];

	if (unpack->z.avail_in > 0 || unpack->left > 0)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "stream ends before the member");
	if (!sled_source_exact(unpack->source, unpack->at, trailer, TRAILER,
	                       err))
		return false;
	sled_sha256_add(unpack->sha, trailer, TRAILER);
	if (get_le(trailer, 4) != unpack->crc)
		return sled_fail(err, SLED_ERR_DAMAGED, "CRC-32 is wrong");
	if (get_le(trailer + 4, 4) != (unpack->sum.tar_octets & UINT32_MAX))
		return sled_fail(err, SLED_ERR_DAMAGED, "ISIZE is wrong");
	unpack->sum.body_sha256 = sled_sha256_end(unpack->sha);
	unpack->ended = true;
	return true;
}

/* One step of zlib's: more octets to give out, or the end, or neither yet. */
static bool
inflate_some(struct sled_unpack *unpack, struct sled_err *err)
{
	int rc;

	if (unpack->z.avail_in == 0 && unpack->left > 0 &&
	    !read_more(unpack, err))
		return false;
	unpack->z.next_out = unpack->out;
	unpack->z.avail_out = CHUNK;
	rc = inflate(&unpack->z, Z_NO_FLUSH);
	if (rc == Z_MEM_ERROR)
		return sled_fail_sys(err, ENOMEM, "inflate");
	if (rc != Z_OK && rc != Z_STREAM_END)
		return sled_fail(err, SLED_ERR_DAMAGED, "does not inflate");
	unpack->next = unpack->out;
	unpack->have = CHUNK - unpack->z.avail_out;
	unpack->crc = (uint32_t)crc32_z(unpack->crc, unpack->out, unpack->have);
	unpack->sum.tar_octets += unpack->have;
	return rc != Z_STREAM_END || prove_end(unpack, err);
}

bool
sled_unpack_take(struct sled_unpack *unpack, size_t max, struct sled_span *out,
                 struct sled_err *err)
{
	while (unpack->have == 0 && !unpack->ended)
		if (!inflate_some(unpack, err))
			return false;
	out->data = (const char *)unpack->next;
	out->len = unpack->have < max ? unpack->have : max;
	if (out->len > 0)
		unpack->next += out->len;
	unpack->have -= out->len;
	unpack->taken += out->len;
	return true;
}

bool
sled_unpack_exact(struct sled_unpack *unpack, uint8_t *out, size_t len,
                  struct sled_err *err)
{
	while (len > 0) {
		struct sled_span part;

		if (!sled_unpack_take(unpack, len, &part, err))
			return false;
		if (part.len == 0)
			return sled_fail(err, SLED_ERR_DAMAGED,
			                 "tar: ends inside an entry");
		memcpy(out, part.data, part.len);
		out += part.len;
		len -= part.len;
	}
	return true;
}

uint64_t
sled_unpack_at(const struct sled_unpack *unpack)
{
	return unpack->taken;
}

struct sled_member_sum
sled_unpack_sum(const struct sled_unpack *unpack)
{
	return unpack->sum;
}

/* The hash of all that lies behind a member's header. */
static bool
hash_body(const struct sled_source *source, uint64_t at, uint64_t len,
          struct sled_hash *out, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	uint8_t *chunk = malloc(CHUNK);
	bool ok = chunk != NULL || sled_fail_sys(err, ENOMEM, "compare");

	ok = ok && sled_sha256_new(&sha, err);
	while (ok && len > 0) {
		size_t part = len > CHUNK ? CHUNK : (size_t)len;

		ok = sled_source_exact(source, at, chunk, part, err);
		if (ok)
			sled_sha256_add(sha, chunk, part);
		at += part;
		len -= part;
	}
	if (ok)
		*out = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	free(chunk);
	return ok;
}

static bool
compare(const struct sled_source *source, uint64_t at,
        const struct sled_member_sum *sum, struct sled_err *err)
{
	struct sled_hash hash;
	uint64_t length = 0;

	if (!read_header(source, at, &length, err))
		return false;
	if (length != sum->length)
		return sled_fail(err, SLED_ERR_DAMAGED, "length is wrong");
	if (length > source->size - at)
		return sled_fail(err, SLED_ERR_DAMAGED, "member is cut off");
	if (!hash_body(source, at + SLED_MEMBER_HEAD, length - SLED_MEMBER_HEAD,
	               &hash, err))
		return false;
	if (!sled_hash_equal(&hash, &sum->body_sha256))
		return sled_fail(err, SLED_ERR_DAMAGED, "SHA-256 is wrong");
	return true;
}

bool
sled_member_compare(const struct sled_source *source, uint64_t at,
                    const struct sled_member_sum *sum, struct sled_err *err)
{
	if (!compare(source, at, sum, err))
		return sled_note(err, "member at %" PRIu64, at);
	return true;
}
