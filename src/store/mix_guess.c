/*
 * mix_guess.c - which file is right where several differ in many places.
 *
 * The member is inflated from its beginning, and at each place one file is
 * believed. What was wrong shows soon: zlib gives up, a tar header is none, or
 * the message at hand ends with another SHA-256 than the ledger's. Then the
 * last choice is made otherwise. A message that ends as it must proves the
 * choices before its end, but for the last few: so the places are tried message
 * by message, and not all with all. Whatever comes of it, the member's own
 * SHA-256 has the last word.
 */
#include <stdlib.h>
#include <string.h>

#include "store/mix.h"

#define MOST    (8U << 20) /* octets of a member that is held in memory */
#define TRAILER 8          /* CRC-32 and ISIZE, behind the deflate stream */
#define SHARE   8          /* of the work that is left, for one member */
#define KEPT    16         /* choices that no proof settles at once */
#define DEEP    64         /* choices that wait for a proof */

/* As it was before a choice was made. */
struct fork {
	struct sled_scraper *scraper;
	struct sled_buf entry;
	const struct sled_message *row;

	enum sled_guess_kind {
		MESSAGE,
		RECEIPTS,
		INFO
	} kind;

	size_t region;
};

struct guess {
	struct sled_mix *m;
	uint8_t *body[SLED_MIX_FILES];
	uint64_t end; /* of the deflate stream */
	struct sled_message *rows;
	size_t rows_len;
	struct sled_buf info; /* what VOLUME.txt must be */
	struct fork now;      /* the entry at hand */
	struct fork forks[DEEP];
	size_t len;
	uint64_t work, most; /* octets inflated */
	bool wrong, proved;  /* what the last bytes showed */
};

/* ---- entries ---- */

static const struct sled_message *
find_row(const struct guess *g, const char *entry)
{
	for (size_t i = 0; i < g->rows_len; i++)
		if (strcmp(g->rows[i].entry, entry) == 0)
			return &g->rows[i];
	return NULL;
}

static bool
on_begin(void *ctx, const struct sled_entry *entry, struct sled_err *err)
{
	struct guess *g = ctx;
	const struct sled_volume_row *volume = &g->m->r->volume;
	char name[SLED_ENTRY_NAME];

	(void)err;
	sled_volume_info_name(name, volume->label, volume->name);
	g->now.entry.len = 0;
	g->now.row = find_row(g, entry->name);
	if (g->now.row != NULL)
		g->now.kind = MESSAGE;
	else
		g->now.kind = strcmp(entry->name, name) == 0 ? INFO : RECEIPTS;
	g->wrong = g->wrong || entry->size > MOST ||
	           (g->now.row != NULL && entry->size != g->now.row->octets);
	return true;
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct guess *g = ctx;

	return g->wrong || sled_buf_add(&g->now.entry, data, len, err);
}

/* A line of the receipts: of a message of this member, all is known. */
static bool
check_line(void *ctx, const struct sled_receipt *line, struct sled_err *err)
{
	const struct guess *g = ctx;
	const struct sled_message *row = find_row(g, line->entry);
	struct sled_receipt known;

	if ((line->flags & SLED_RECEIPT_GONE) != 0)
		return true;
	if (row == NULL)
		return sled_fail(err, SLED_ERR_DAMAGED, "no such message");
	known = sled_receipt_of(row);
	if (sled_hash_equal(&line->sha256, &known.sha256) &&
	    line->octets == known.octets && line->listed == known.listed &&
	    strcmp(line->uid, known.uid) == 0 &&
	    strcmp(line->record, known.record) == 0 &&
	    line->received == known.received && line->number == known.number &&
	    line->flags == known.flags)
		return true;
	return sled_fail(err, SLED_ERR_DAMAGED, "another message");
}

static bool
check_message(struct guess *g, bool *right, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	struct sled_hash hash;

	if (!sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, g->now.entry.data, g->now.entry.len);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	*right = sled_hash_equal(&hash, &g->now.row->sha256);
	return true;
}

static bool
on_end(void *ctx, struct sled_err *err)
{
	struct guess *g = ctx;
	const struct sled_buf *entry = &g->now.entry;
	struct sled_err why = { 0 };
	bool right = false;

	if (g->wrong)
		return true;
	if (g->now.kind == MESSAGE && !check_message(g, &right, err))
		return false;
	if (g->now.kind == INFO)
		right = entry->len == g->info.len &&
		        memcmp(entry->data, g->info.data, entry->len) == 0;
	if (g->now.kind == RECEIPTS)
		right = sled_receipts_parse(sled_buf_span(entry), check_line, g,
		                            &why);
	g->proved = g->proved || right;
	g->wrong = !right;
	return true;
}

static const struct sled_scrape *
visitor_of(struct guess *g, struct sled_scrape *out)
{
	*out = (struct sled_scrape){ g, on_begin, on_data, on_end };
	return out;
}

/* ---- forks ---- */

static void
free_fork(struct fork *fork)
{
	sled_scraper_free(&fork->scraper);
	sled_buf_free(&fork->entry);
}

static bool
copy_fork(struct fork *out, struct fork *from, struct sled_err *err)
{
	*out = *from;
	out->scraper = NULL;
	out->entry = (struct sled_buf){ 0 };
	return sled_scraper_copy(&out->scraper, from->scraper, err) &&
	       (from->entry.len == 0 ||
	        sled_buf_add(&out->entry, from->entry.data, from->entry.len,
	                     err));
}

/* A message has ended as it must. The last few choices stay open all the same:
 * one may lie behind its end, or in a table of codes that it did not use. */
static void
settle(struct guess *g, size_t kept)
{
	size_t gone = g->len > kept ? g->len - kept : 0;

	for (size_t i = 0; i < gone; i++)
		free_fork(&g->forks[i]);
	memmove(g->forks, g->forks + gone, (g->len - gone) * sizeof(*g->forks));
	g->len -= gone;
}

/* The last choice that can be made otherwise is, *region says where; *left is
 * false when there is none. */
static bool
turn_back(struct guess *g, size_t *region, bool *left, struct sled_err *err)
{
	for (; g->len > 0; g->len--) {
		struct fork *fork = &g->forks[g->len - 1];
		struct sled_mix_region *at = &g->m->regions[fork->region];

		*left = ++at->now < at->choices;
		if (*left) {
			*region = fork->region;
			free_fork(&g->now);
			return copy_fork(&g->now, fork, err);
		}
		at->now = 0;
		free_fork(fork);
	}
	*left = false;
	return true;
}

/* ---- the search ---- */

static bool
feed(struct guess *g, size_t file, uint64_t from, uint64_t to, bool *fine,
     struct sled_err *err)
{
	uint64_t until = to < g->end ? to : g->end;

	g->wrong = g->proved = false;
	*fine = true;
	if (from >= until)
		return true;
	g->work += until - from;
	if (!sled_scraper_feed(g->now.scraper, g->body[file] + from,
	                       (size_t)(until - from), fine, err))
		return false;
	*fine = *fine && !g->wrong;
	return true;
}

static bool
is_last(const struct guess *g, size_t region)
{
	return region == g->m->len || g->m->regions[region].from >= g->end;
}

static bool
take_fork(struct guess *g, size_t region, bool *fine, struct sled_err *err)
{
	*fine = g->len < DEEP;
	if (!*fine)
		return true;
	g->m->regions[region].now = 0;
	g->now.region = region;
	return copy_fork(&g->forks[g->len++], &g->now, err);
}

/* From AT to the next region, where a choice will be made; behind the last one
 * the member's hash tells. */
static bool
go_on(struct guess *g, size_t region, uint64_t at, bool *fine, bool *found,
      struct sled_err *err)
{
	const bool last = is_last(g, region);

	if (!feed(g, 0, at, last ? g->end : g->m->regions[region].from, fine,
	          err))
		return false;
	if (*fine && g->proved)
		settle(g, KEPT);
	if (!*fine)
		return true;
	if (!last)
		return take_fork(g, region, fine, err);
	if (!sled_mix_try(g->m, region, found, err))
		return false;
	*fine = *found;
	return true;
}

/* Believe the file that is chosen for REGION; then the next, while it shows to
 * be wrong. */
static bool
choose(struct guess *g, size_t *region, bool *left, struct sled_err *err)
{
	bool fine = false;

	*left = true;
	for (;;) {
		const struct sled_mix_region *at = &g->m->regions[*region];

		if (!feed(g, at->choice[at->now], at->from, at->to, &fine, err))
			return false;
		if (fine)
			break;
		if (!turn_back(g, region, left, err) || !*left)
			return !*left;
	}
	if (g->proved)
		settle(g, KEPT);
	return true;
}

static bool
search(struct guess *g, bool *found, struct sled_err *err)
{
	size_t region = 0;
	uint64_t at = 0;
	bool left = true;

	while (g->work < g->most) {
		bool fine = false;

		if (!go_on(g, region, at, &fine, found, err))
			return false;
		if (*found)
			break;
		if (!fine && !turn_back(g, &region, &left, err))
			return false;
		if (left && !choose(g, &region, &left, err))
			return false;
		if (!left)
			break;
		at = g->m->regions[region].to;
		region++;
	}
	return true;
}

static bool
load(struct guess *g, size_t index, struct sled_err *err)
{
	struct sled_mix *m = g->m;
	size_t len = (size_t)(m->sum.length - SLED_MEMBER_HEAD);

	for (size_t i = 0; i < m->files_len; i++) {
		g->body[i] = malloc(len);
		if (g->body[i] == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "repair");
		sled_mix_read(m, i, g->body[i], 0, len);
	}
	for (size_t i = 0; i < m->len; i++)
		m->regions[i].now = 0;
	g->end = len - TRAILER;
	return sled_repair_messages(m->r, index, &g->rows, &g->rows_len, err) &&
	       sled_repair_info(m->r, &g->info, err);
}

static void
unload(struct guess *g)
{
	settle(g, 0);
	free_fork(&g->now);
	for (size_t i = 0; i < SLED_MIX_FILES; i++)
		free(g->body[i]);
	free(g->rows);
	sled_buf_free(&g->info);
}

bool
sled_mix_guess(struct sled_mix *m, size_t index, bool *found,
               struct sled_err *err)
{
	struct sled_scrape visitor;
	struct guess *g;
	bool ok;

	*found = false;
	if (m->sum.length > MOST || m->sum.length <= SLED_MEMBER_HEAD + TRAILER)
		return true;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "repair");
	g->m = m;
	g->most = m->work / SHARE;
	ok = load(g, index, err) &&
	     sled_scraper_new(&g->now.scraper, visitor_of(g, &visitor), err) &&
	     search(g, found, err);
	m->work -= g->work < m->work ? g->work : m->work;
	unload(g);
	free(g);
	return ok;
}
