/*
 * memo.c - what outlives all places: a file outside of them that says which
 * places this configuration's store had. Where the first place is gone with all
 * that lay in it, and the copies' disks are not plugged in, nothing else can
 * tell that there was a store, and another would be founded beside it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

#define MEMO_MAX (1 << 20)

static const char head[] =
    "# mailsled: the places of this configuration's store (id and path).\n"
    "# Where none of them is there, no new store is made while this file is\n"
    "# here, unless by `mailsled init --new`.\n";

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

/* Nobody may write in /etc: no visit fails for that, and none is told of it. */
bool
sled_memo_keep(struct sled_store *store, struct sled_err *err)
{
	struct sled_buf text = { 0 }, lines = { 0 };
	struct sled_err why = { 0 };
	bool ok;

	if (store->conf.memo == NULL)
		return true;
	ok = sled_seats_telling(store, "", &lines, err) &&
	     sled_buf_addstr(&text, head, err) &&
	     sled_buf_add(&text, lines.data, lines.len, err);
	sled_buf_free(&lines);
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
