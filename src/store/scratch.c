/*
 * scratch.c - where a repair puts what it makes: a folder below the state
 * folder, emptied before each use. Nothing in it is needed after a crash, and
 * nothing in it is synced.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "store/repair.h"

#define MADE "members"

bool
sled_folder_empty(struct sled_store *store, const char *name, int *dir,
                  struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	struct sled_buf names = { 0 };
	bool ok = sled_dir_make(sys, store->state_dir, name, 0700, err) &&
	          sled_dir_open(dir, sys, store->state_dir, name, err) &&
	          sled_dir_list(&names, sys, *dir, ".", err);

	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		if (sys->unlinkat(sys->ctx, *dir, names.data + at, 0) == -1)
			ok = sled_fail_sys(err, errno, "unlink %s/%s", name,
			                   names.data + at);
	sled_buf_free(&names);
	return ok;
}

bool
sled_scratch_open(struct sled_repair *r, struct sled_err *err)
{
	if (r->scratch_dir != -1)
		return true;
	r->scratch = (struct sled_place){ .sys = r->store->sys,
		                          .path = r->store->state,
		                          .dir = r->store->state_dir };
	if (!sled_folder_empty(r->store, SLED_REPAIR_FOLDER, &r->scratch_dir,
	                       err) ||
	    !sled_file_open(&r->made, r->store->sys, r->scratch_dir, MADE,
	                    O_RDWR | O_CREAT | O_TRUNC, 0600, err))
		return sled_note(err, "%s", r->store->state);
	r->made_end = 0;
	return true;
}

bool
sled_scratch_write(struct sled_repair *r, const void *data, size_t len,
                   struct sled_err *err)
{
	if (!sled_file_write(&r->made, data, len, r->made_end, err))
		return sled_note(err, "%s", r->store->state);
	r->made_end += len;
	return true;
}

bool
sled_scratch_member(struct sled_repair *r, uint64_t at, size_t *origin,
                    struct sled_err *err)
{
	uint8_t head[SLED_MEMBER_HEAD];

	sled_member_header(head, r->made_end - at);
	if (!sled_file_write(&r->made, head, sizeof(head), at, err))
		return sled_note(err, "%s", r->store->state);
	if (r->made_origin == SIZE_MAX) {
		r->made_origin = r->origins.len;
		if (!sled_origins_add(&r->origins, &r->scratch,
		                      SLED_REPAIR_FOLDER, MADE, NULL, err))
			return false;
		if (r->made_origin == r->origins.len)
			return sled_fail(err, SLED_ERR_IO,
			                 "%s: cannot be read again",
			                 r->store->state);
	}
	r->origins.list[r->made_origin]->reading.source.size = r->made_end;
	*origin = r->made_origin;
	return true;
}

void
sled_scratch_close(struct sled_repair *r)
{
	struct sled_err why = { 0 };
	int dir = -1;

	if (r->scratch_dir == -1)
		return;
	sled_file_drop(&r->made);
	(void)r->store->sys->close(r->store->sys->ctx, r->scratch_dir);
	r->scratch_dir = -1;
	r->made_origin = SIZE_MAX;
	/* What it takes of the disk is not kept until the next one. */
	if (!sled_folder_empty(r->store, SLED_REPAIR_FOLDER, &dir, &why))
		sled_store_say(r->store, "%s", why.text);
	if (dir != -1)
		(void)r->store->sys->close(r->store->sys->ctx, dir);
}
