/*
 * canon.c - the canonical forms of a body: RFC 6376 sections 3.4.3, 3.4.4.
 *
 * What may turn out not to count waits: a CR until the octet behind it is
 * known, line ends until something follows them, and in the relaxed form the
 * blanks of a line until something of it follows. What waits is given out in
 * this order: line ends, one space, the CR.
 */
#include <string.h>

#include "bodyhash/parts.h"

#define LF        '\n'
#define LINE_ENDS 64 /* given out at once */

void
sled_canon_begin(struct sled_canon *canon)
{
	for (size_t i = 0; i < canon->len; i++)
		(void)sled_sha256_end(canon->hashes[i].sha);
	canon->cr = canon->blank = canon->any = false;
	canon->ends = 0;
	canon->len = canon->used = 0;
}

void
sled_canon_free(struct sled_canon *canon)
{
	for (size_t i = 0; i < SLED_BODYHASH_MAX; i++)
		sled_sha256_free(&canon->hashes[i].sha);
}

bool
sled_canon_add(struct sled_canon *canon, uint64_t limit, size_t *at)
{
	struct sled_canon_hash *hash = &canon->hashes[canon->len];
	struct sled_err err = { 0 };

	for (size_t i = 0; i < canon->len; i++)
		if (canon->hashes[i].limit == limit) {
			*at = i;
			return true;
		}
	if (hash->sha == NULL && !sled_sha256_new(&hash->sha, &err))
		return false;
	hash->limit = hash->left = limit;
	*at = canon->len++;
	return true;
}

static void
hash_octets(struct sled_canon *canon, const char *data, size_t len)
{
	for (size_t i = 0; i < canon->len; i++) {
		struct sled_canon_hash *hash = &canon->hashes[i];
		size_t part = len < hash->left ? len : (size_t)hash->left;

		if (part > 0)
			sled_sha256_add(hash->sha, data, part);
		hash->left -= part;
	}
}

static void
flush(struct sled_canon *canon)
{
	hash_octets(canon, canon->out, canon->used);
	canon->used = 0;
}

static void
put(struct sled_canon *canon, const char *data, size_t len)
{
	canon->any = true;
	if (len > sizeof(canon->out) - canon->used)
		flush(canon);
	if (len > sizeof(canon->out)) {
		hash_octets(canon, data, len);
		return;
	}
	memcpy(canon->out + canon->used, data, len);
	canon->used += len;
}

/* Something follows what waits. */
static void
put_waiting(struct sled_canon *canon)
{
	char ends[2 * LINE_ENDS];

	for (size_t i = 0; canon->ends > 0 && i < sizeof(ends); i += 2) {
		ends[i] = '\r';
		ends[i + 1] = LF;
	}
	while (canon->ends > 0) {
		size_t count =
		    canon->ends < LINE_ENDS ? (size_t)canon->ends : LINE_ENDS;

		put(canon, ends, 2 * count);
		canon->ends -= count;
	}
	if (canon->blank)
		put(canon, " ", 1);
	canon->blank = false;
	if (canon->cr)
		put(canon, "\r", 1);
	canon->cr = false;
}

/* ---- simple ---- */

static bool
begins_with_end(const char *at, const char *end)
{
	return end - at >= 2 && at[0] == '\r' && at[1] == LF;
}

/* Whole lines go through as they are: only the first octets and the last ones
 * of a piece need a look. */
static void
feed_simple(struct sled_canon *canon, const char *at, const char *end)
{
	const char *stop = end;
	uint64_t ends = 0;
	bool cr;

	if (canon->cr && *at == LF) {
		canon->cr = false;
		canon->ends++;
		at++;
	} else if (canon->cr) {
		put_waiting(canon);
	}
	for (; begins_with_end(at, end); at += 2)
		canon->ends++;
	cr = stop > at && stop[-1] == '\r';
	stop -= cr ? 1 : 0;
	for (; stop - at >= 2 && begins_with_end(stop - 2, stop); stop -= 2)
		ends++;
	if (stop > at) {
		put_waiting(canon);
		put(canon, at, (size_t)(stop - at));
	}
	canon->ends += ends;
	canon->cr = cr;
}

/* ---- relaxed ---- */

static bool
is_special(char c)
{
	return c == ' ' || c == '\r' || c == '\t';
}

/* Octets from AT on that stay as they are, single spaces among them. */
static size_t
plain_run(const char *at, const char *end)
{
	const char *stop = at;

	for (; stop < end; stop++) {
		if (!is_special(*stop))
			continue;
		if (*stop != ' ' || stop + 1 == end || is_special(stop[1]))
			break;
	}
	return (size_t)(stop - at);
}

static void
feed_relaxed(struct sled_canon *canon, const char *at, const char *end)
{
	while (at < end) {
		if (canon->cr && *at == LF) {
			canon->cr = canon->blank = false;
			canon->ends++;
			at++;
		} else if (canon->cr) {
			put_waiting(canon);
		} else if (is_special(*at)) {
			canon->cr = *at == '\r';
			canon->blank = canon->blank || *at != '\r';
			at++;
		} else {
			size_t len = plain_run(at, end);

			put_waiting(canon);
			put(canon, at, len);
			at += len;
		}
	}
}

/* ---- both ---- */

static bool
is_full(const struct sled_canon *canon)
{
	for (size_t i = 0; i < canon->len; i++)
		if (canon->hashes[i].left > canon->used)
			return false;
	return true;
}

void
sled_canon_feed(struct sled_canon *canon, struct sled_span bytes)
{
	if (bytes.len == 0 || is_full(canon))
		return;
	if (canon->form == SLED_CANON_SIMPLE)
		feed_simple(canon, bytes.data, bytes.data + bytes.len);
	else
		feed_relaxed(canon, bytes.data, bytes.data + bytes.len);
}

/* One line end ends each body; but a relaxed body of nothing stays nothing. */
void
sled_canon_end(struct sled_canon *canon)
{
	if (canon->cr) /* not of a line end */
		put_waiting(canon);
	if (canon->any || canon->form == SLED_CANON_SIMPLE)
		put(canon, "\r\n", 2);
	flush(canon);
	for (size_t i = 0; i < canon->len; i++)
		canon->hashes[i].hash = sled_sha256_end(canon->hashes[i].sha);
	canon->len = 0;
}
