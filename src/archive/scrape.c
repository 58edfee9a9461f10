/*
 * scrape.c - what a member that does not hold still says; see archive.h.
 *
 * The stream is inflated up to where zlib gives up, and what comes out is cut
 * into tar's blocks: a header that is none is passed over, block by block,
 * until the next that is one. Who asked compares each entry's hash.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ZLIB_CONST
#include <zlib.h>

#include "mailsled/archive.h"
#include "tar.h"

#define CHUNK   16384
#define TRAILER 8

struct sled_scraper {
	const struct sled_scrape *visitor;
	z_stream z;
	uint64_t left; /* octets of the entry at hand */
	size_t pad;    /* octets of padding behind it */
	size_t have;   /* octets of the block at hand */
	bool inside;   /* an entry has begun */
	bool odd;      /* something was met that no member has */
	bool ended;    /* the stream has */
	uint8_t block[SLED_TAR_BLOCK];
};

/* A whole block where a header should be. */
static bool
take_block(struct sled_scraper *s, struct sled_err *err)
{
	struct sled_entry entry;
	struct sled_err why = { 0 };

	s->have = 0;
	if (!sled_tar_parse(s->block, &entry, &why)) {
		s->odd = true;
		return true;
	}
	s->left = entry.size;
	s->pad = (size_t)(-entry.size % SLED_TAR_BLOCK);
	s->inside = true;
	return s->visitor->begin(s->visitor->ctx, &entry, err);
}

/* Of the LEN octets at DATA, *used are taken. */
static bool
step(struct sled_scraper *s, const uint8_t *data, size_t len, size_t *used,
     struct sled_err *err)
{
	if (s->left > 0) {
		*used = s->left < len ? (size_t)s->left : len;
		s->left -= *used;
		return s->visitor->data(s->visitor->ctx, data, *used, err);
	}
	if (s->pad > 0) {
		*used = s->pad < len ? s->pad : len;
		s->pad -= *used;
		s->odd = s->odd || !sled_tar_is_zero(data, *used);
		return true;
	}
	*used = SLED_TAR_BLOCK - s->have < len ? SLED_TAR_BLOCK - s->have : len;
	memcpy(s->block + s->have, data, *used);
	s->have += *used;
	return s->have < SLED_TAR_BLOCK || take_block(s, err);
}

static bool
take_octets(struct sled_scraper *s, const uint8_t *data, size_t len,
            struct sled_err *err)
{
	while (len > 0 || (s->inside && s->left == 0)) {
		size_t used = 0;

		if (s->inside && s->left == 0) {
			s->inside = false;
			if (!s->visitor->end(s->visitor->ctx, err))
				return false;
			continue;
		}
		if (!step(s, data, len, &used, err))
			return false;
		data += used;
		len -= used;
	}
	return true;
}

/* What can be inflated of LEN bytes; *more is false when zlib gave up. */
static bool
inflate_chunk(struct sled_scraper *s, const uint8_t *data, size_t len,
              bool *more, struct sled_err *err)
{
	uint8_t out[CHUNK];
	int code = Z_OK;

	s->z.next_in = data;
	s->z.avail_in = (uInt)len;
	do {
		s->z.next_out = out;
		s->z.avail_out = CHUNK;
		code = inflate(&s->z, Z_SYNC_FLUSH);
		if (code == Z_MEM_ERROR)
			return sled_fail_sys(err, ENOMEM, "inflate");
		if (!take_octets(s, out, CHUNK - s->z.avail_out, err))
			return false;
	} while (code == Z_OK && s->z.avail_out == 0);
	*more = code == Z_OK || code == Z_BUF_ERROR;
	s->ended = code == Z_STREAM_END && s->z.avail_in == 0;
	return true;
}

static bool
read_all(struct sled_scraper *s, const struct sled_source *source, uint64_t at,
         uint64_t end, struct sled_err *err)
{
	uint8_t in[CHUNK];
	bool more = true;

	while (more && at < end) {
		size_t len = end - at < CHUNK ? (size_t)(end - at) : CHUNK;
		struct sled_err why = { 0 };
		size_t got = 0;

		/* A sector that cannot be read ends it, as a damaged one. */
		if (!source->read(source->ctx, in, len, at, &got, &why) ||
		    got == 0)
			return true;
		if (!inflate_chunk(s, in, got, &more, err))
			return false;
		at += got;
	}
	return true;
}

bool
sled_member_scrape(const struct sled_source *source, uint64_t at,
                   uint64_t length, const struct sled_scrape *visitor,
                   struct sled_err *err)
{
	struct sled_scraper *s = NULL;
	bool ok;

	if (length <= SLED_MEMBER_HEAD + TRAILER)
		return true;
	ok = sled_scraper_new(&s, visitor, err) &&
	     read_all(s, source, at + SLED_MEMBER_HEAD, at + length - TRAILER,
	              err);
	sled_scraper_free(&s);
	return ok;
}

/* ---- piece by piece ---- */

bool
sled_scraper_new(struct sled_scraper **out, const struct sled_scrape *visitor,
                 struct sled_err *err)
{
	struct sled_scraper *s = calloc(1, sizeof(*s));

	if (s == NULL || inflateInit2(&s->z, -15) != Z_OK) {
		free(s);
		return sled_fail_sys(err, ENOMEM, "scrape");
	}
	s->visitor = visitor;
	*out = s;
	return true;
}

bool
sled_scraper_feed(struct sled_scraper *scraper, const uint8_t *data, size_t len,
                  bool *holds, struct sled_err *err)
{
	bool more = true;

	if (!inflate_chunk(scraper, data, len, &more, err))
		return false;
	*holds = !scraper->odd && (more || scraper->ended);
	return true;
}

bool
sled_scraper_copy(struct sled_scraper **out, struct sled_scraper *from,
                  struct sled_err *err)
{
	struct sled_scraper *s = malloc(sizeof(*s));

	if (s == NULL)
		return sled_fail_sys(err, ENOMEM, "scrape");
	*s = *from;
	if (inflateCopy(&s->z, &from->z) != Z_OK) {
		free(s);
		return sled_fail_sys(err, ENOMEM, "scrape");
	}
	*out = s;
	return true;
}

void
sled_scraper_free(struct sled_scraper **scraper)
{
	if (*scraper == NULL)
		return;
	(void)inflateEnd(&(*scraper)->z);
	free(*scraper);
	*scraper = NULL;
}
