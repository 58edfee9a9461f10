/*
 * memo.c - what outlives all places: a file outside of them that says which
 * places this configuration's store had. Where the first place is gone with all
 * that lay in it, and the copies' disks are not plugged in, nothing else can
 * tell that there was a store, and another would be founded beside it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

#define MEMO_MAX (1 << 20)
#define ROW_HEAD (SLED_PLACE_ID + 17) /* ID FSID, each with its blank */

static const char preface[] =
    "# mailsled: the places of this configuration's store (id, file system and\n"
    "# path). While such a file system is away, no new store is made in its\n"
    "# stead, unless by `mailsled init --new`.\n";

/* What cannot be read is as good as none: it is a second net. But on no such
 * word another store is founded. */
bool
sled_memo_load(struct sled_store *store, struct sled_err *err)
{
	struct sled_err why = { 0 };

	if (store->conf.memo == NULL ||
	    sled_file_slurp(&store->memo, store->sys, AT_FDCWD,
	                    store->conf.memo, MEMO_MAX, &why))
		return true;
	sled_buf_free(&store->memo);
	if (why.kind == SLED_ERR_NOMEM) {
		*err = why;
		return false;
	}
	if (why.kind != SLED_ERR_MISSING)
		store->memo_why = why;
	return true;
}

static bool
write_memo(struct sled_store *store, struct sled_span text,
           struct sled_err *err)
{
	const char *slash = strrchr(store->conf.memo, '/');
	struct sled_buf folder = { 0 };
	int dir = -1;
	bool ok;

	ok = slash == NULL
	         ? sled_buf_addstr(&folder, ".", err)
	         : sled_buf_add(&folder, store->conf.memo,
	                        (size_t)(slash - store->conf.memo) + 1, err);
	ok = ok &&
	     sled_dir_open(&dir, store->sys, AT_FDCWD, folder.data, err) &&
	     sled_file_replace(store->sys, dir,
	                       slash == NULL ? store->conf.memo : slash + 1,
	                       0600, text, err);
	if (dir != -1)
		(void)store->sys->close(store->sys->ctx, dir);
	sled_buf_free(&folder);
	return ok;
}

/* A ledger that was made anew while a disk was away does not know which file
 * system that has; what was noted of it stays. */
static uint64_t
fsid_of(const struct sled_store *store, const struct sled_place_row *row)
{
	const char *line = NULL;

	if (row->fsid != 0)
		return row->fsid;
	do
		line =
		    sled_place_line_of(&store->memo, ROW_HEAD, row->path, line);
	while (line != NULL && strncmp(line, row->id, SLED_PLACE_ID - 1) != 0);
	return line == NULL ? 0 : strtoull(line + SLED_PLACE_ID, NULL, 16);
}

struct noting {
	const struct sled_store *store;
	struct sled_buf text;
};

static bool
note_row(void *ctx, const struct sled_place_row *row, struct sled_err *err)
{
	struct noting *noting = ctx;
	char head[ROW_HEAD];

	(void)snprintf(head, sizeof(head), "%.32s %016llx", row->id,
	               (unsigned long long)fsid_of(noting->store, row));
	return sled_place_line(&noting->text, head, row->path, err);
}

/* A place that was emptied, or removed, where its disk still is: may be made
 * anew. One that lay on another file system than is there now is away. */
bool
sled_memo_misses(const struct sled_store *store, const struct sled_place *place,
                 char id[SLED_PLACE_ID])
{
	const char *line = NULL;
	uint64_t fsid;

	do {
		line = sled_place_line_of(&store->memo, ROW_HEAD, place->path,
		                          line);
		if (line == NULL)
			return false;
		fsid = strtoull(line + SLED_PLACE_ID, NULL, 16);
	} while (fsid == 0 || fsid == place->fsid);
	(void)snprintf(id, SLED_PLACE_ID, "%.32s", line);
	return true;
}

/* Does a line of it end as this one does: with the same path? */
static bool
has_path(const struct sled_buf *text, const char *line, size_t len)
{
	const char *at = text->data, *end = at + text->len;
	size_t tail = len - ROW_HEAD;

	for (size_t n; at < end; at += n + 1) {
		n = strcspn(at, "\n");
		if (n == len &&
		    memcmp(at + n - tail, line + len - tail, tail) == 0)
			return true;
	}
	return false;
}

/* A path whose place is at another one now stays known: what lies there while
 * no disk is mounted is no new place. */
static bool
add_old(struct sled_buf *text, const struct sled_buf *old, struct sled_err *err)
{
	const char *at = old->data, *end = at + old->len;

	for (size_t len; at < end; at += len + 1) {
		len = strcspn(at, "\n");
		if (*at != '#' && len > ROW_HEAD && !has_path(text, at, len) &&
		    (!sled_buf_add(text, at, len, err) ||
		     !sled_buf_add(text, "\n", 1, err)))
			return false;
	}
	return true;
}

/* Nobody may write in /etc: no visit fails for that, and none is told of it. */
bool
sled_memo_keep(struct sled_store *store, struct sled_err *err)
{
	struct noting noting = { store, { 0 } };
	struct sled_buf *text = &noting.text;
	struct sled_err why = { 0 };
	bool ok;

	if (store->conf.memo == NULL)
		return true;
	ok = sled_buf_addstr(text, preface, err) &&
	     sled_ledger_places(store->ledger, note_row, &noting, err) &&
	     add_old(text, &store->memo, err);
	if (ok &&
	    (text->len != store->memo.len ||
	     memcmp(text->data, store->memo.data, text->len) != 0) &&
	    write_memo(store, sled_buf_span(text), &why)) {
		sled_buf_free(&store->memo);
		store->memo = *text;
		return true;
	}
	sled_buf_free(text);
	return ok;
}
