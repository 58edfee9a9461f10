/*
 * far_journal.c - what goes to a far place beside the volumes: the journal in
 * pieces, and the configuration. Nothing there is written over: a piece bears
 * in its name which lines of the month it has, and the beginning of its hash.
 *
 *   journal/2026-11.0-5120.1a2b3c4d.tsv     octets 0 to 5120 of that month's
 *   config.1a2b3c4d5e6f7a8b.ini             the configuration
 *
 * States of a month there
 *   G0  pieces, each the next part of what is here
 *   G1  and one that is all of it, checked    when the month is over
 *   G2  that one alone                        the others were removed
 * A merge may put lines of another place among those that are there: what is
 * behind the first of them goes there again, and the old pieces stay.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/far.h"

#define JOURNAL_MAX (64U << 20)
#define CONFIG_MAX  (1U << 20)
#define EACH_S      86400L /* a piece for news of the journal alone */
#define PIECES      40     /* a month: more are made one */

struct piece {
	char month[8];
	uint64_t from, to;
};

static bool
take_number(const char **at, uint64_t *out)
{
	size_t digits = strspn(*at, "0123456789");
	struct sled_span text = { *at, digits };

	*at += digits;
	return digits > 0 && digits < 20 && sled_text_u64(text, out);
}

static bool
parse_piece(struct piece *out, const char *file)
{
	const char *at = file + 8;

	if (strncmp(file, "journal/", 8) != 0 ||
	    strspn(at, "0123456789-") != 7 || at[7] != '.')
		return false;
	(void)snprintf(out->month, sizeof(out->month), "%.7s", at);
	at += 8;
	if (!take_number(&at, &out->from) || *at++ != '-' ||
	    !take_number(&at, &out->to) || *at++ != '.')
		return false;
	return strspn(at, "0123456789abcdef") == 8 &&
	       strcmp(at + 8, ".tsv") == 0 && out->from < out->to;
}

bool
sled_far_is_journal(const char *file, char month[8])
{
	struct piece piece;

	if (!parse_piece(&piece, file))
		return false;
	memcpy(month, piece.month, sizeof(piece.month));
	return true;
}

bool
sled_far_is_config(const char *file)
{
	return strncmp(file, "config.", 7) == 0 &&
	       strspn(file + 7, "0123456789abcdef") == 16 &&
	       strcmp(file + 23, ".ini") == 0;
}

static bool
hash_of(struct sled_span text, struct sled_hash *out, struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;

	if (!sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, text.data, text.len);
	*out = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	return true;
}

static bool
send_text(struct far_job *job, const char *file, struct sled_span text,
          struct sled_err *err)
{
	const struct far_cover none = { NULL, 0, 0 };
	struct sled_far_file what;

	return sled_far_row(job, file) != NULL ||
	       (sled_far_stage(job, file, text, &what, err) &&
	        sled_far_staged(job, &what, &none, err));
}

/* Another one stands for it. A place that lets nothing be removed keeps it. */
static bool
remove_row(struct far_job *job, const char *file, struct sled_err *err)
{
	struct sled_err why = { 0 };

	if (sled_far_remove(job->far, file, &why))
		return sled_far_drop(job, file, err);
	sled_store_say(job->store, "%s: %s", job->seat->place.path, why.text);
	return true;
}

/* ---- the journal ---- */

struct month {
	struct far_job *job;
	const char *name;     /* "2026-11" */
	struct sled_buf text; /* as it is here */
	uint64_t have;        /* of it are there, from 0 on */
	size_t pieces;        /* ... in so many */
	int64_t last;         /* when the newest of them was checked */
};

typedef bool month_fn(struct month *m, struct sled_err *err);

/* Is this file a piece of what is here? One that is not stays there: it may be
 * the only witness of its lines. */
static bool
is_ours(const struct month *m, const struct sled_far_row *row,
        struct piece *piece, bool *ours, struct sled_err *err)
{
	struct sled_hash hash;

	*ours = false;
	if (!parse_piece(piece, row->file) ||
	    strcmp(piece->month, m->name) != 0 || piece->to > m->text.len)
		return true;
	if (!hash_of((struct sled_span){ m->text.data + piece->from,
	                                 piece->to - piece->from },
	             &hash, err))
		return false;
	*ours = sled_hash_equal(&hash, &row->sha256);
	return true;
}

/* The longest piece that goes on where the others end. */
static bool
next_piece(struct month *m, bool *more, struct sled_err *err)
{
	uint64_t to = m->have;

	for (size_t i = 0; i < m->job->rows_len; i++) {
		const struct sled_far_row *row = &m->job->rows[i];
		struct piece piece;
		bool ours = false;

		if (!is_ours(m, row, &piece, &ours, err))
			return false;
		if (!ours || piece.from != m->have || piece.to <= to)
			continue;
		to = piece.to;
		if (row->checked > m->last)
			m->last = row->checked;
	}
	*more = to > m->have;
	m->pieces += *more;
	m->have = to;
	return true;
}

static bool
find_have(struct month *m, struct sled_err *err)
{
	bool more = true;

	while (more)
		if (!next_piece(m, &more, err))
			return false;
	return true;
}

/* Pieces that a longer one stands for: its lines are theirs. */
static bool
remove_pieces(struct month *m, struct sled_err *err)
{
	uint64_t whole = 0;

	for (size_t i = m->job->rows_len; i > 0; i--) {
		struct piece piece;
		bool ours = false;

		if (!is_ours(m, &m->job->rows[i - 1], &piece, &ours, err))
			return false;
		if (ours && piece.from == 0 && piece.to > whole)
			whole = piece.to;
	}
	for (size_t i = m->job->rows_len; i > 0; i--) {
		char file[SLED_FAR_FILE];
		struct piece piece;
		bool ours = false;

		memcpy(file, m->job->rows[i - 1].file, sizeof(file));
		if (!is_ours(m, &m->job->rows[i - 1], &piece, &ours, err))
			return false;
		if (ours && piece.to <= whole &&
		    (piece.from > 0 || piece.to < whole) &&
		    !remove_row(m->job, file, err))
			return false;
	}
	return true;
}

static bool
send_piece(struct month *m, uint64_t from, struct sled_err *err)
{
	const struct sled_span part = { m->text.data + from,
		                        m->text.len - from };
	char file[SLED_FAR_FILE], hex[SLED_HASH_HEX];
	struct sled_hash hash;

	if (!hash_of(part, &hash, err))
		return false;
	sled_hash_hex(hex, &hash);
	(void)snprintf(file, sizeof(file),
	               "journal/%s.%" PRIu64 "-%zu.%.8s.tsv", m->name, from,
	               m->text.len, hex);
	return send_text(m->job, file, part, err);
}

/* News of the journal alone can wait for a day; what comes with mail goes with
 * it. */
static bool
send_month(struct month *m, struct sled_err *err)
{
	const struct far_job *job = m->job;
	char when[SLED_TIME_TEXT];
	bool past, waits;

	sled_clock_rfc3339(job->now, when);
	past = strncmp(m->name, when, 7) < 0;
	if (!find_have(m, err))
		return false;
	waits = job->run->ms != 0 && job->out->files == 0 &&
	        job->staged->len == 0 && m->have > 0 &&
	        job->now - m->last < EACH_S && job->now >= m->last;
	if ((past && m->pieces > 1) || (m->pieces > PIECES && !waits))
		return send_piece(m, 0, err);
	return m->have == m->text.len || waits || send_piece(m, m->have, err);
}

static bool
take_month(struct far_job *job, const char *file, month_fn *each,
           struct sled_err *err)
{
	struct sled_place *place = sled_store_first(job->store);
	char name[8], path[64];
	struct month m = { .job = job, .name = name };
	bool ok;

	if (strlen(file) != 11 || strcmp(file + 7, ".tsv") != 0 ||
	    strspn(file, "0123456789-") != 7)
		return true;
	(void)snprintf(name, sizeof(name), "%.7s", file);
	(void)snprintf(path, sizeof(path), "journal/%s", file);
	ok = sled_file_slurp(&m.text, place->sys, place->dir, path, JOURNAL_MAX,
	                     err) &&
	     (m.text.len == 0 || each(&m, err));
	sled_buf_free(&m.text);
	return ok;
}

static bool
each_month(struct far_job *job, month_fn *each, struct sled_err *err)
{
	struct sled_place *place = sled_store_first(job->store);
	struct sled_buf names = { 0 };
	struct sled_err why = { 0 };
	bool ok = true;

	if (!sled_dir_list(&names, place->sys, place->dir, "journal", &why)) {
		*err = why;
		if (why.kind != SLED_ERR_MISSING)
			return false;
		*err = (struct sled_err){ 0 };
		return true;
	}
	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		ok = take_month(job, names.data + at, each, err);
	sled_buf_free(&names);
	return ok;
}

/* ---- the configuration ---- */

/* "" when there is none yet. */
static bool
read_config(struct far_job *job, struct sled_buf *text,
            char file[SLED_FAR_FILE], struct sled_err *err)
{
	struct sled_place *place = sled_store_first(job->store);
	char hex[SLED_HASH_HEX];
	struct sled_hash hash;

	file[0] = '\0';
	if (!sled_file_slurp(text, place->sys, place->dir, "config.ini",
	                     CONFIG_MAX, err)) {
		if (err->kind != SLED_ERR_MISSING)
			return false;
		*err = (struct sled_err){ 0 };
	}
	if (text->len == 0)
		return true;
	if (!hash_of(sled_buf_span(text), &hash, err))
		return false;
	sled_hash_hex(hex, &hash);
	(void)snprintf(file, SLED_FAR_FILE, "config.%.16s.ini", hex);
	return true;
}

/* All but the one that is here. */
static bool
remove_configs(struct far_job *job, const char *keep, struct sled_err *err)
{
	for (size_t i = job->rows_len; i > 0; i--) {
		char file[SLED_FAR_FILE];

		memcpy(file, job->rows[i - 1].file, sizeof(file));
		if (sled_far_is_config(file) && strcmp(file, keep) != 0 &&
		    !remove_row(job, file, err))
			return false;
	}
	return true;
}

/* Stage it, or, once it is there, remove older ones. */
static bool
take_config(struct far_job *job, bool tidy, struct sled_err *err)
{
	char file[SLED_FAR_FILE];
	struct sled_buf text = { 0 };
	bool ok = read_config(job, &text, file, err);

	if (ok && file[0] != '\0')
		ok = !tidy ? send_text(job, file, sled_buf_span(&text), err)
		           : sled_far_row(job, file) == NULL ||
		                 remove_configs(job, file, err);
	sled_buf_free(&text);
	return ok;
}

bool
sled_far_papers(struct far_job *job, struct sled_err *err)
{
	return each_month(job, send_month, err) && take_config(job, false, err);
}

bool
sled_far_tidy_papers(struct far_job *job, struct sled_err *err)
{
	return each_month(job, remove_pieces, err) &&
	       take_config(job, true, err);
}
