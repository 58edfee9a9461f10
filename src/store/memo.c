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

#include "mailsled/text.h"
#include "store/store.h"

#define MEMO_MAX (1 << 20)
#define ROW_HEAD (SLED_PLACE_ID + 17) /* ID FSID, each with its blank */

static const char head[] =
    "# mailsled: the places of this configuration's store (id, file system and\n"
    "# path). While such a file system is away, no new store is made in its\n"
    "# stead, unless by `mailsled init --new`.\n";

/* What cannot be read is as good as none: it is a second net. */
bool
sled_memo_load(struct sled_store *store, struct sled_err *err)
{
	struct sled_err why = { 0 };

	if (store->conf.memo == NULL ||
	    sled_file_slurp(&store->memo, store->sys, AT_FDCWD,
	                    store->conf.memo, MEMO_MAX, &why))
		return true;
	sled_buf_free(&store->memo);
	if (why.kind != SLED_ERR_NOMEM)
		return true;
	*err = why;
	return false;
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

static bool
note_row(void *ctx, const struct sled_place_row *row, struct sled_err *err)
{
	struct sled_buf *text = ctx;

	return sled_buf_printf(text, err, "%s %016llx ", row->id,
	                       (unsigned long long)row->fsid) &&
	       sled_text_percent(
		   text, (struct sled_span){ row->path, strlen(row->path) },
		   err) &&
	       sled_buf_add(text, "\n", 1, err);
}

/* A place that was emptied, or removed, where its disk still is: may be made
 * anew. One that lay on another file system than is there now is away. */
bool
sled_memo_misses(const struct sled_store *store, const struct sled_place *place,
                 char id[SLED_PLACE_ID])
{
	const struct sled_span path = { place->path, strlen(place->path) };
	const char *line = store->memo.data;
	const char *end = line + store->memo.len;
	struct sled_buf escaped = { 0 };
	struct sled_err err = { 0 };
	bool misses = false;

	if (store->memo.len == 0 || !sled_text_percent(&escaped, path, &err))
		return false;
	for (size_t len; !misses && line < end; line += len + 1) {
		len = strcspn(line, "\n");
		if (len == ROW_HEAD + escaped.len &&
		    memcmp(line + ROW_HEAD, escaped.data, escaped.len) == 0) {
			uint64_t fsid =
			    strtoull(line + SLED_PLACE_ID, NULL, 16);

			misses = fsid != 0 && fsid != place->fsid;
			(void)snprintf(id, SLED_PLACE_ID, "%.32s", line);
		}
	}
	sled_buf_free(&escaped);
	return misses;
}

/* Nobody may write in /etc: no visit fails for that, and none is told of it. */
bool
sled_memo_keep(struct sled_store *store, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct sled_err why = { 0 };
	bool ok;

	if (store->conf.memo == NULL)
		return true;
	ok = sled_buf_addstr(&text, head, err) &&
	     sled_ledger_places(store->ledger, note_row, &text, err);
	if (ok &&
	    (text.len != store->memo.len ||
	     memcmp(text.data, store->memo.data, text.len) != 0) &&
	    write_memo(store, sled_buf_span(&text), &why)) {
		sled_buf_free(&store->memo);
		store->memo = text;
		return true;
	}
	sled_buf_free(&text);
	return ok;
}
