/* find.c - messages that match a query, newest first; see mailsled/reader.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reader/internal.h"

struct finding {
	struct sled_index *index;
	sled_message_fn *each;
	void *ctx;
	uint64_t limit, given; /* limit 0: all */
	uint64_t skip;         /* of the newest */
	uint64_t late;         /* rows whose id does not follow received */
	struct sled_hit *hits; /* where there are any: to be sorted */
	size_t len, cap;
};

static bool
give_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct finding *f = ctx;

	f->given++;
	return f->each(f->ctx, message, err);
}

static bool
keep(struct finding *f, const struct sled_hit *hit, struct sled_err *err)
{
	size_t cap = f->cap == 0 ? 256 : f->cap * 2;
	struct sled_hit *more;

	if (f->len == f->cap) {
		more = reallocarray(f->hits, cap, sizeof(*more));
		if (more == NULL)
			return sled_fail_sys(err, ENOMEM, "hits");
		f->hits = more;
		f->cap = cap;
	}
	f->hits[f->len++] = *hit;
	return true;
}

static int
newest_first(const void *a, const void *b)
{
	const struct sled_hit *left = a, *right = b;

	if (left->received != right->received)
		return left->received < right->received ? 1 : -1;
	return left->id < right->id ? 1 : -1;
}

static bool
is_enough(const struct finding *f)
{
	return f->limit != 0 &&
	       (f->late == 0 ? f->given >= f->limit
	                     : f->len >= f->skip + f->limit + f->late);
}

static bool
take_rows(struct finding *f, sqlite3_stmt *stmt, struct sled_err *err)
{
	int code = SQLITE_DONE;

	while (!is_enough(f) && (code = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct sled_hit hit = {
			sqlite3_column_int64(stmt, 0),
			sqlite3_column_int64(stmt, 1),
			(uint64_t)sqlite3_column_int64(stmt, 2),
			sqlite3_column_int64(stmt, 3),
		};

		if (f->late == 0 && f->skip > 0) {
			f->skip--;
			continue;
		}
		if (!(f->late == 0 ? sled_index_message(f->index, &hit,
		                                        give_message, f, err)
		                   : keep(f, &hit, err)))
			return false;
	}
	return code == SQLITE_ROW || code == SQLITE_DONE ||
	       sled_index_fail(f->index, code, err);
}

/* Those out of order may push as many right ones down the list as there are of
 * them: so many more were taken. */
static bool
give_sorted(struct finding *f, struct sled_err *err)
{
	if (f->len > 1)
		qsort(f->hits, f->len, sizeof(*f->hits), newest_first);
	for (size_t i = (size_t)f->skip; i < f->len; i++) {
		if (f->limit != 0 && f->given >= f->limit)
			break;
		if (!sled_index_message(f->index, &f->hits[i], give_message, f,
		                        err))
			return false;
	}
	return true;
}

bool
sled_index_find(struct sled_index *index, const struct sled_query *query,
                uint64_t limit, sled_message_fn *each, void *ctx,
                struct sled_err *err)
{
	struct finding f = { .index = index,
		             .each = each,
		             .ctx = ctx,
		             .limit = limit,
		             .skip = query->skip };
	sqlite3_stmt *stmt = NULL;
	int64_t late = 0;
	bool ok =
	    sled_index_number(index, "SELECT count(*) FROM late", &late, err) &&
	    sled_index_prepare(
		index,
		"SELECT doc.id, doc.label, doc.number, doc.received"
		" FROM text CROSS JOIN doc ON doc.id = text.rowid"
		" WHERE text MATCH ?1 ORDER BY text.rowid DESC",
		&stmt, err);

	f.late = (uint64_t)late;
	if (ok) {
		(void)sqlite3_bind_text64(stmt, 1, query->match.data,
		                          query->match.len, SQLITE_STATIC,
		                          SQLITE_UTF8);
		ok = take_rows(&f, stmt, err) && give_sorted(&f, err);
	}
	(void)sqlite3_finalize(stmt);
	free(f.hits);
	return ok;
}
