/*
 * append.c - growing one file of a place; see mailsled/places.h.
 *
 * States of the file (E: its committed end, N: the end after the append)
 *   A0  E bytes                 before, and after every failure
 *   A1  E to N bytes, unsynced  after a crash any prefix, torn or whole:
 *                               recovery adopts whole members, cuts the rest
 *   A2  N bytes, synced         commit() returned true [C3]
 * A newborn file (E = 0) goes through a temporary name:
 *   B0  no name, or a temp that the next begin() truncates
 *   B1  temp, synced            the real name is not there yet
 *   B2  renamed                 after a crash either B1 or B3
 *   B3  renamed, folder synced  commit() returned true
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "mailsled/places.h"

static bool
open_folder(struct sled_append *append, const char *folder,
            struct sled_err *err)
{
	const struct sled_sys *sys = append->place->sys;

	return sled_dir_make(sys, append->place->dir, folder, 0755, err) &&
	       sled_dir_open(&append->folder, sys, append->place->dir, folder,
	                     err);
}

static bool
open_newborn(struct sled_append *append, struct sled_err *err)
{
	const struct sled_sys *sys = append->place->sys;
	struct stat st;

	/* An empty one holds nothing, and the rename takes its place. */
	if (sys->fstatat(sys->ctx, append->folder, append->name, &st, 0) == 0 &&
	    st.st_size > 0)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s is there, but should not be",
		                 append->name);
	append->newborn = true;
	(void)snprintf(append->temp, sizeof(append->temp), ".%s.tmp",
	               append->name);
	return sled_file_open(&append->file, sys, append->folder, append->temp,
	                      O_RDWR | O_CREAT | O_TRUNC, 0644, err);
}

static bool
open_grown(struct sled_append *append, struct sled_err *err)
{
	uint64_t size = 0;

	if (!sled_file_open(&append->file, append->place->sys, append->folder,
	                    append->name, O_RDWR, 0, err) ||
	    !sled_file_size(&append->file, &size, err))
		return false;
	if (size != append->at)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s has %llu bytes, expected %llu",
		                 append->name, (unsigned long long)size,
		                 (unsigned long long)append->at);
	return true;
}

static void
close_folder(struct sled_append *append)
{
	const struct sled_sys *sys = append->place->sys;

	if (append->folder != -1)
		(void)sys->close(sys->ctx, append->folder);
	append->folder = -1;
}

bool
sled_append_begin(struct sled_append *out, struct sled_place *place,
                  const char *folder, const char *file, uint64_t at,
                  struct sled_err *err)
{
	*out = (struct sled_append){ .place = place,
		                     .folder = -1,
		                     .file = { place->sys, -1, "" },
		                     .at = at,
		                     .end = at };
	if (strlen(file) >= sizeof(out->name))
		return sled_fail(err, SLED_ERR_INTERNAL, "name too long: %s",
		                 file);
	if (sled_place_is_out(place, err))
		return sled_note(err, "%s is not written again", place->path);
	memcpy(out->name, file, strlen(file) + 1);
	if (open_folder(out, folder, err) &&
	    (at == 0 ? open_newborn(out, err) : open_grown(out, err)))
		return true;
	sled_file_drop(&out->file);
	close_folder(out);
	return sled_note(err, "%s/%s", place->path, folder);
}

bool
sled_append_write(struct sled_append *append, const void *data, size_t len,
                  struct sled_err *err)
{
	if (!sled_file_write(&append->file, data, len, append->end, err))
		return sled_note(err, "%s", append->place->path);
	append->end += len;
	return true;
}

bool
sled_append_from(struct sled_append *append, struct sled_reading *from,
                 uint64_t at, uint64_t length, struct sled_err *err)
{
	char chunk[65536];

	while (length > 0) {
		size_t want =
		    length < sizeof(chunk) ? (size_t)length : sizeof(chunk);
		size_t got = 0;

		if (!sled_file_read(&from->file, chunk, want, at, &got, err))
			return false;
		if (got == 0)
			return sled_fail(err, SLED_ERR_DAMAGED, "%s is cut off",
			                 from->name);
		if (!sled_append_write(append, chunk, got, err))
			return false;
		at += got;
		length -= got;
	}
	return true;
}

bool
sled_append_patch(struct sled_append *append, const void *data, size_t len,
                  uint64_t at, struct sled_err *err)
{
	if (at < append->at || at + len > append->end)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "patch outside of the append to %s",
		                 append->name);
	return sled_file_write(&append->file, data, len, at, err);
}

bool
sled_append_commit(struct sled_append *append, struct sled_err *err)
{
	const struct sled_sys *sys = append->place->sys;

	if (!sled_file_sync(&append->file, err)) {
		append->sync_failed = true;
		return sled_note(err, "%s", append->place->path);
	}
	if (!sled_file_close(&append->file, err))
		return sled_note(err, "%s", append->place->path);
	if (append->newborn) {
		if (sys->renameat(sys->ctx, append->folder, append->temp,
		                  append->folder, append->name) == -1)
			return sled_fail_sys(err, errno, "%s: rename to %s",
			                     append->place->path, append->name);
		if (!sled_dir_sync(sys, append->folder, append->name, err)) {
			append->sync_failed = true;
			return sled_note(err, "%s", append->place->path);
		}
	}
	close_folder(append);
	return true;
}

/* Cut to AT through a new descriptor: the old one's errors are spent. */
static bool
cut(const struct sled_sys *sys, int folder, const char *name, uint64_t at,
    struct sled_err *err)
{
	struct sled_file file;

	if (at == 0) {
		if (sys->unlinkat(sys->ctx, folder, name, 0) == -1 &&
		    errno != ENOENT)
			return sled_fail_sys(err, errno, "unlink %s", name);
		return sled_dir_sync(sys, folder, name, err);
	}
	if (!sled_file_open(&file, sys, folder, name, O_RDWR, 0, err))
		return false;
	if (sled_file_truncate(&file, at, err) && sled_file_sync(&file, err) &&
	    sled_file_close(&file, err))
		return true;
	sled_file_drop(&file);
	return false;
}

void
sled_append_abort(struct sled_append *append)
{
	const struct sled_sys *sys = append->place->sys;
	struct sled_err err = { 0 };

	sled_file_drop(&append->file);
	if (append->newborn)
		(void)sys->unlinkat(sys->ctx, append->folder, append->temp, 0);
	if (append->sync_failed)
		(void)sled_fail(&err, SLED_ERR_IO, "%s: a sync of %s failed",
		                append->place->path, append->name);
	if (!cut(sys, append->folder, append->name, append->at, &err) ||
	    append->sync_failed)
		sled_place_give_up(append->place, &err);
	close_folder(append);
}

void
sled_append_undo(struct sled_place *place, const char *folder, const char *file,
                 uint64_t at)
{
	struct sled_err err = { 0 };
	int fd = -1;
	bool ok = sled_dir_open(&fd, place->sys, place->dir, folder, &err)
	              ? cut(place->sys, fd, file, at, &err)
	              : at == 0 && err.kind == SLED_ERR_MISSING;

	if (fd != -1)
		(void)place->sys->close(place->sys->ctx, fd);
	if (!ok)
		sled_place_give_up(place, &err);
}
