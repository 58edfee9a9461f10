/*
 * find.c - messages that match a query, newest first; see mailsled/reader.h.
 *
 * Ids follow the time received within a run, but for late ones; so FTS5, asked
 * for the highest ids first, gives the newest first, and no more is read than is
 * shown. Of a run's hit it is known what no lower id can be newer than: itself,
 * or what made it late. Hits wait until that is past; of all runs the newest is
 * next.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reader/internal.h"

/* A run, read from its end. */
struct run {
	int64_t first, last; /* ids */
	sqlite3_stmt *stmt;  /* NULL: not begun */
	bool over;
	int64_t bound;         /* no further hit is newer */
	struct sled_hit *hits; /* that wait, the newest first */
	size_t len, cap;
};

struct finding {
	struct sled_index *index;
	const struct sled_query *query;
	sled_message_fn *each;
	void *ctx;
	uint64_t limit, given; /* limit 0: all */
	uint64_t skip;         /* of the newest */
	struct run *runs;
	size_t len;
};

/* ---- hits that wait: a heap ---- */

static bool
is_newer(const struct sled_hit *a, const struct sled_hit *b)
{
	return a->received != b->received ? a->received > b->received
	                                  : a->id > b->id;
}

static void
swap(struct sled_hit *a, struct sled_hit *b)
{
	struct sled_hit kept = *a;

	*a = *b;
	*b = kept;
}

static bool
keep(struct run *run, const struct sled_hit *hit, struct sled_err *err)
{
	size_t cap = run->cap == 0 ? 64 : run->cap * 2;
	struct sled_hit *more;
	size_t at = run->len;

	if (run->len == run->cap) {
		more = reallocarray(run->hits, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail_sys(err, ENOMEM, "hits");
		run->hits = more;
		run->cap = cap;
	}
	run->hits[run->len++] = *hit;
	for (; at > 0 && is_newer(&run->hits[at], &run->hits[(at - 1) / 2]);
	     at = (at - 1) / 2)
		swap(&run->hits[at], &run->hits[(at - 1) / 2]);
	return true;
}

static struct sled_hit
take(struct run *run)
{
	struct sled_hit first = run->hits[0];
	size_t at = 0;

	run->hits[0] = run->hits[--run->len];
	for (;;) {
		size_t best = at;

		for (size_t i = 2 * at + 1; i <= 2 * at + 2 && i < run->len;
		     i++)
			if (is_newer(&run->hits[i], &run->hits[best]))
				best = i;
		if (best == at)
			return first;
		swap(&run->hits[at], &run->hits[best]);
		at = best;
	}
}

/* ---- a run ---- */

static bool
begin_run(struct finding *f, struct run *run, struct sled_err *err)
{
	if (!sled_index_prepare(
		f->index,
		"SELECT " SLED_HIT ", coalesce(late.newest, doc.received)"
		" FROM text CROSS JOIN doc ON doc.id = text.rowid" SLED_HIT_JOIN
		" LEFT JOIN late ON late.id = text.rowid"
		" WHERE text MATCH ?1 AND text.rowid BETWEEN ?2 AND ?3"
		" ORDER BY text.rowid DESC",
		&run->stmt, err))
		return false;
	(void)sqlite3_bind_text64(run->stmt, 1, f->query->match.data,
	                          f->query->match.len, SQLITE_STATIC,
	                          SQLITE_UTF8);
	(void)sqlite3_bind_int64(run->stmt, 2, run->first);
	(void)sqlite3_bind_int64(run->stmt, 3, run->last);
	return true;
}

static bool
step(struct finding *f, struct run *run, struct sled_err *err)
{
	struct sled_hit hit;
	int code = sqlite3_step(run->stmt);

	if (code == SQLITE_DONE) {
		run->over = true;
		return true;
	}
	if (code != SQLITE_ROW)
		return sled_index_fail(f->index, code, err);
	sled_index_hit(run->stmt, &hit);
	run->bound = sqlite3_column_int64(run->stmt, 4);
	return keep(run, &hit, err);
}

/* Read on until its newest hit is known, if it has any left. */
static bool
advance(struct finding *f, struct run *run, struct sled_err *err)
{
	if (run->stmt == NULL && !begin_run(f, run, err))
		return false;
	while (!run->over &&
	       (run->len == 0 || run->hits[0].received < run->bound))
		if (!step(f, run, err))
			return false;
	return true;
}

/* ---- all runs ---- */

static bool
list_runs(struct finding *f, struct sled_err *err)
{
	int64_t count = 0, first = INT64_MIN;
	sqlite3_stmt *stmt = NULL;
	int code;

	if (!sled_index_number(f->index, "SELECT count(*) FROM run", &count,
	                       err) ||
	    !sled_index_prepare(
		f->index, "SELECT first FROM run ORDER BY first", &stmt, err))
		return false;
	f->runs = calloc((size_t)count + 1, sizeof(*f->runs));
	if (f->runs == NULL) {
		(void)sqlite3_finalize(stmt);
		return sled_fail_sys(err, ENOMEM, "runs");
	}
	while ((code = sqlite3_step(stmt)) == SQLITE_ROW &&
	       f->len < (size_t)count) {
		f->runs[f->len].first = first;
		first = sqlite3_column_int64(stmt, 0);
		f->runs[f->len++].last = first - 1;
	}
	(void)sqlite3_finalize(stmt);
	f->runs[f->len].first = first;
	f->runs[f->len++].last = INT64_MAX;
	return code == SQLITE_ROW || code == SQLITE_DONE ||
	       sled_index_fail(f->index, code, err);
}

static bool
give_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct finding *f = ctx;

	f->given++;
	return f->each(f->ctx, message, err);
}

static bool
give_next(struct finding *f, bool *over, struct sled_err *err)
{
	struct run *best = NULL;
	struct sled_hit hit;

	for (size_t i = 0; i < f->len; i++) {
		struct run *run = &f->runs[i];

		if (!advance(f, run, err))
			return false;
		if (run->len > 0 &&
		    (best == NULL || is_newer(&run->hits[0], &best->hits[0])))
			best = run;
	}
	*over = best == NULL;
	if (best == NULL)
		return true;
	hit = take(best);
	if (f->skip > 0) {
		f->skip--;
		return true;
	}
	return sled_index_message(f->index, &hit, give_message, f, err);
}

bool
sled_index_find(struct sled_index *index, const struct sled_query *query,
                uint64_t limit, sled_message_fn *each, void *ctx,
                struct sled_err *err)
{
	struct finding f = { .index = index,
		             .query = query,
		             .each = each,
		             .ctx = ctx,
		             .limit = limit,
		             .skip = query->skip };
	bool over = false;
	bool ok = list_runs(&f, err);

	while (ok && !over && (limit == 0 || f.given < limit))
		ok = give_next(&f, &over, err);
	for (size_t i = 0; i < f.len; i++) {
		(void)sqlite3_finalize(f.runs[i].stmt);
		free(f.runs[i].hits);
	}
	free(f.runs);
	return ok;
}
