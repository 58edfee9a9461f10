/*
 * mix.c - a member that no file has whole, put together from several.
 *
 * Where all files agree, their bytes are taken; where they differ, each has
 * its say, and the member's SHA-256 tells which was right. What the most files
 * have is tried first, and last what is all zeros, as lost sectors are. A
 * member's header follows from its length, so a damaged one costs nothing. Where
 * they differ in too many places for that, mix_guess.c goes on.
 */
#include "store/mix.h"

#include <stdlib.h>
#include <string.h>

#define NEAR  32 /* octets: closer ones are one region */
#define FEW   48 /* regions of which all combinations are tried */
#define TRIES 4096
#define WORK  (1ULL << 31) /* octets hashed for one member, about */
#define GUESS (1ULL << 30) /* octets inflated for all members of a volume */

void
sled_mix_read(struct sled_mix *m, size_t file, uint8_t *out, uint64_t at,
              size_t len)
{
	const struct sled_mix_file *from = &m->files[file];
	const struct sled_source *source = &from->origin->reading.source;
	struct sled_err why = { 0 };
	size_t got = 0;

	if (!source->read(source->ctx, out, len, from->at + at, &got, &why))
		got = 0;
	memset(out + got, 0, len - got);
}

static uint64_t
body_of(const struct sled_mix *m)
{
	return m->sum.length - SLED_MEMBER_HEAD;
}

static void
read_chunks(struct sled_mix *m, uint64_t at, size_t len)
{
	for (size_t i = 0; i < m->files_len; i++)
		sled_mix_read(m, i, m->chunk[i], at, len);
}

static bool
agree_at(const struct sled_mix *m, size_t i)
{
	for (size_t file = 1; file < m->files_len; file++)
		if (m->chunk[file][i] != m->chunk[0][i])
			return false;
	return true;
}

/* One more octet that is not the same in all; false: there are too many. */
static bool
add_octet(struct sled_mix *m, uint64_t at, uint64_t near)
{
	if (m->len > 0 && at < m->regions[m->len - 1].to + near) {
		m->regions[m->len - 1].to = at + 1;
		return true;
	}
	if (m->len == SLED_MIX_REGIONS)
		return false;
	m->regions[m->len++] =
	    (struct sled_mix_region){ .from = at, .to = at + 1 };
	return true;
}

static bool
note_octets(struct sled_mix *m, uint64_t near)
{
	const uint64_t body = body_of(m);

	m->len = 0;
	for (uint64_t at = 0; at < body; at += SLED_MIX_CHUNK) {
		size_t len = body - at < SLED_MIX_CHUNK ? (size_t)(body - at)
		                                        : SLED_MIX_CHUNK;

		read_chunks(m, at, len);
		for (size_t i = 0; i < len; i++)
			if (!agree_at(m, i) && !add_octet(m, at + i, near))
				return false;
	}
	return true;
}

/* ---- what each file has in a region ---- */

struct votes {
	bool same[SLED_MIX_FILES][SLED_MIX_FILES];
	bool zero[SLED_MIX_FILES];
};

static void
compare_chunk(struct sled_mix *m, struct votes *votes, size_t len)
{
	for (size_t i = 0; i < m->files_len; i++) {
		for (size_t j = 0; j < i; j++)
			if (memcmp(m->chunk[i], m->chunk[j], len) != 0)
				votes->same[i][j] = votes->same[j][i] = false;
		for (size_t at = 0; at < len; at++)
			votes->zero[i] = votes->zero[i] && m->chunk[i][at] == 0;
	}
}

static size_t
weight(const struct sled_mix *m, const struct votes *votes, size_t file)
{
	size_t count = 0;

	for (size_t i = 0; i < m->files_len; i++)
		count += votes->same[file][i];
	return votes->zero[file] ? 0 : count;
}

static void
order_choices(struct sled_mix *m, struct sled_mix_region *region,
              const struct votes *votes)
{
	for (size_t file = 0; file < m->files_len; file++) {
		size_t at = region->choices;
		bool twin = false;

		for (size_t i = 0; i < region->choices; i++)
			twin = twin || votes->same[file][region->choice[i]];
		if (twin)
			continue;
		while (at > 0 && weight(m, votes, region->choice[at - 1]) <
		                     weight(m, votes, file)) {
			region->choice[at] = region->choice[at - 1];
			at--;
		}
		region->choice[at] = file;
		region->choices++;
	}
}

static void
weigh(struct sled_mix *m, struct sled_mix_region *region)
{
	struct votes votes;

	memset(&votes, 1, sizeof(votes));
	for (uint64_t at = region->from; at < region->to;
	     at += SLED_MIX_CHUNK) {
		size_t len = region->to - at < SLED_MIX_CHUNK
		                 ? (size_t)(region->to - at)
		                 : SLED_MIX_CHUNK;

		read_chunks(m, at, len);
		compare_chunk(m, &votes, len);
	}
	order_choices(m, region, &votes);
}

/* False: there are too many. */
static bool
find_regions(struct sled_mix *m, uint64_t near)
{
	if (!note_octets(m, near))
		return false;
	for (size_t i = 0; i < m->len; i++)
		weigh(m, &m->regions[i]);
	return true;
}

/* ---- trying ---- */

/* Where the bytes go. */
struct taker {
	bool (*take)(void *ctx, const void *data, size_t len,
	             struct sled_err *err);
	void *ctx;
};

/* FROM to TO of the body, out of one file. */
static bool
give_part(struct sled_mix *m, size_t file, uint64_t from, uint64_t to,
          const struct taker *taker, struct sled_err *err)
{
	for (uint64_t at = from; at < to; at += SLED_MIX_CHUNK) {
		size_t len = to - at < SLED_MIX_CHUNK ? (size_t)(to - at)
		                                      : SLED_MIX_CHUNK;

		sled_mix_read(m, file, m->chunk[file], at, len);
		if (!taker->take(taker->ctx, m->chunk[file], len, err))
			return false;
	}
	return true;
}

/* The body as the choices make it. */
static bool
give_body(struct sled_mix *m, const struct taker *taker, struct sled_err *err)
{
	uint64_t at = 0;

	for (size_t i = 0; i < m->len; i++) {
		const struct sled_mix_region *region = &m->regions[i];

		if (!give_part(m, 0, at, region->from, taker, err) ||
		    !give_part(m, region->choice[region->now], region->from,
		               region->to, taker, err))
			return false;
		at = region->to;
	}
	return give_part(m, 0, at, body_of(m), taker, err);
}

static bool
take_hash(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	(void)err;
	sled_sha256_add(ctx, data, len);
	return true;
}

static bool
take_scratch(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	return sled_scratch_write(ctx, data, len, err);
}

/* The next of all combinations; false when all were tried. */
static bool
next_choice(struct sled_mix *m, size_t from)
{
	for (size_t i = m->len; i > from; i--) {
		struct sled_mix_region *region = &m->regions[i - 1];

		if (++region->now < region->choices)
			return true;
		region->now = 0;
	}
	return false;
}

bool
sled_mix_try(struct sled_mix *m, size_t from, bool *found, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	uint64_t tries = WORK / (body_of(m) + 1) + 1;
	bool ok = sled_sha256_new(&sha, err);
	const struct taker hash_it = { take_hash, sha };

	*found = false;
	if (tries > TRIES)
		tries = TRIES;
	do {
		struct sled_hash hash;

		ok = ok && give_body(m, &hash_it, err);
		if (!ok)
			break;
		hash = sled_sha256_end(sha);
		*found = sled_hash_equal(&hash, &m->sum.body_sha256);
	} while (!*found && --tries > 0 && next_choice(m, from));
	sled_sha256_free(&sha);
	return ok;
}

/* ---- one member ---- */

static void
add_file(struct sled_mix *m, struct sled_origin *origin, uint64_t at)
{
	const struct sled_source *source = &origin->reading.source;

	if (m->files_len < SLED_MIX_FILES && at < source->size &&
	    source->size - at >= m->sum.length)
		m->files[m->files_len++] =
		    (struct sled_mix_file){ origin, at + SLED_MEMBER_HEAD };
}

static bool
keep_mixed(struct sled_mix *m, struct sled_piece *piece, struct sled_err *err)
{
	struct sled_repair *r = m->r;
	const struct taker into_scratch = { take_scratch, r };
	uint8_t head[SLED_MEMBER_HEAD] = { 0 };
	uint64_t at;

	r->missing--;
	r->out.mixed++;
	piece->kind = SLED_PIECE_ORIGINAL;
	piece->sum = m->sum;
	if (r->conf->dry)
		return true;
	if (!sled_scratch_open(r, err))
		return false;
	at = r->made_end;
	piece->at = at;
	return sled_scratch_write(r, head, sizeof(head), err) &&
	       give_body(m, &into_scratch, err) &&
	       sled_scratch_member(r, at, &piece->origin, err);
}

static void
add_files(struct sled_mix *m, size_t index)
{
	const struct sled_repair *r = m->r;

	m->files_len = 0;
	for (size_t i = 0; i < r->origins.len; i++) {
		add_file(m, r->origins.list[i], r->original[index].at);
		if (r->rows[index].at != r->original[index].at)
			add_file(m, r->origins.list[i], r->rows[index].at);
	}
}

static bool
mix_member(struct sled_mix *m, size_t index, struct sled_err *err)
{
	bool found = false;

	m->sum = sled_row_sum(&m->r->original[index]);
	add_files(m, index);
	if (m->files_len < 2)
		return true;
	if (find_regions(m, NEAR) && m->len <= FEW &&
	    !sled_mix_try(m, 0, &found, err))
		return false;
	/* Octet by octet: of two side by side each may be another file's. */
	if (!found && (find_regions(m, 0) || find_regions(m, 1)) &&
	    !sled_mix_guess(m, index, &found, err))
		return false;
	return !found || keep_mixed(m, &m->r->pieces[index], err);
}

bool
sled_repair_mix(struct sled_repair *r, struct sled_err *err)
{
	struct sled_mix *m = calloc(1, sizeof(*m));
	bool ok = true;

	if (m == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "repair");
	m->r = r;
	m->work = GUESS;
	for (size_t i = 0; ok && i < r->len; i++)
		if (r->pieces[i].kind == SLED_PIECE_MISSING)
			ok = mix_member(m, i, err);
	free(m);
	return ok;
}
