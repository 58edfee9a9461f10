/* reading.c - files of a place, read and taken out of use; see places.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/places.h"

static bool
read_at(void *ctx, void *data, size_t len, uint64_t at, size_t *got,
        struct sled_err *err)
{
	struct sled_reading *reading = ctx;

	return sled_file_read(&reading->file, data, len, at, got, err);
}

bool
sled_reading_open(struct sled_reading *out, struct sled_place *place,
                  const char *folder, const char *file, bool fresh,
                  struct sled_err *err)
{
	const struct sled_sys *sys = place->sys;

	memset(out, 0, sizeof(*out));
	(void)snprintf(out->name, sizeof(out->name), "%s/%s", folder, file);
	if (!sled_file_open(&out->file, sys, place->dir, out->name, O_RDONLY, 0,
	                    err))
		return sled_note(err, "%s", place->path);
	out->source = (struct sled_source){ read_at, out, 0 };
	if (fresh)
		(void)sys->drop_pages(sys->ctx, out->file.fd);
	if (sled_file_size(&out->file, &out->source.size, err))
		return true;
	sled_file_drop(&out->file);
	return sled_note(err, "%s", place->path);
}

void
sled_reading_close(struct sled_reading *reading)
{
	sled_file_drop(&reading->file);
}

bool
sled_place_size(struct sled_place *place, const char *folder, const char *file,
                uint64_t *size, bool *there, struct sled_err *err)
{
	char name[128];
	struct stat st;

	*size = 0;
	*there = false;
	(void)snprintf(name, sizeof(name), "%s/%s", folder, file);
	if (place->sys->fstatat(place->sys->ctx, place->dir, name, &st, 0) ==
	    -1) {
		if (errno == ENOENT)
			return true;
		return sled_fail_sys(err, errno, "%s: stat %s", place->path,
		                     name);
	}
	*size = (uint64_t)st.st_size;
	*there = true;
	return true;
}

static bool
sync_in(struct sled_place *place, int folder, const char *file,
        struct sled_err *err)
{
	struct sled_file open;

	if (!sled_file_open(&open, place->sys, folder, file, O_RDWR, 0, err))
		return false;
	if (sled_file_sync(&open, err) && sled_file_close(&open, err))
		return sled_dir_sync(place->sys, folder, file, err);
	sled_file_drop(&open);
	return false;
}

bool
sled_place_sync(struct sled_place *place, const char *folder, const char *file,
                struct sled_err *err)
{
	int fd = -1;
	bool ok = sled_dir_open(&fd, place->sys, place->dir, folder, err) &&
	          sync_in(place, fd, file, err);

	if (fd != -1)
		(void)place->sys->close(place->sys->ctx, fd);
	return ok || sled_note(err, "%s/%s", place->path, folder);
}

/* Open the quarantine folder, and a name in it that nobody has. */
static bool
free_name(struct sled_place *place, const char *folder, const char *file,
          int *dir, char out[160], struct sled_err *err)
{
	const struct sled_sys *sys = place->sys;
	char when[SLED_TIME_TEXT];
	struct stat st;

	if (!sled_dir_make(sys, place->dir, ".mailsled", 0700, err) ||
	    !sled_dir_make(sys, place->dir, ".mailsled/quarantine", 0700,
	                   err) ||
	    !sled_dir_open(dir, sys, place->dir, ".mailsled/quarantine", err))
		return false;
	sled_clock_compact(sled_clock_now(), when);
	for (unsigned n = 0; n < 10000; n++) {
		(void)snprintf(out, 160, "%s-%s-%u-%s", when, folder, n, file);
		if (sys->fstatat(sys->ctx, *dir, out, &st, 0) == -1)
			return true;
	}
	(void)sys->close(sys->ctx, *dir);
	return sled_fail(err, SLED_ERR_IO, "no free name in quarantine");
}

bool
sled_place_quarantine(struct sled_place *place, const char *folder,
                      const char *file, struct sled_err *err)
{
	const struct sled_sys *sys = place->sys;
	char from[128], to[160];
	int dir = -1;
	bool ok;

	(void)snprintf(from, sizeof(from), "%s/%s", folder, file);
	if (!free_name(place, folder, file, &dir, to, err))
		return sled_note(err, "%s", place->path);
	ok = sys->renameat(sys->ctx, place->dir, from, dir, to) == 0 ||
	     sled_fail_sys(err, errno, "%s: quarantine %s", place->path, from);
	ok = ok && sled_dir_sync(sys, dir, to, err);
	(void)sys->close(sys->ctx, dir);
	return ok;
}

static bool
copy_tail(struct sled_file *from, struct sled_file *to, uint64_t at,
          struct sled_err *err)
{
	char chunk[16384];
	uint64_t done = 0;
	size_t got = 1;

	while (got > 0) {
		if (!sled_file_read(from, chunk, sizeof(chunk), at + done, &got,
		                    err) ||
		    !sled_file_write(to, chunk, got, done, err))
			return false;
		done += got;
	}
	return sled_file_sync(to, err);
}

static bool
save_tail(struct sled_place *place, const char *folder, const char *file,
          uint64_t at, struct sled_err *err)
{
	struct sled_reading from;
	struct sled_file to;
	char name[160];
	int dir = -1;
	bool ok;

	if (!free_name(place, folder, file, &dir, name, err))
		return false;
	if (!sled_reading_open(&from, place, folder, file, false, err)) {
		(void)place->sys->close(place->sys->ctx, dir);
		return false;
	}
	ok = sled_file_open(&to, place->sys, dir, name,
	                    O_WRONLY | O_CREAT | O_EXCL, 0600, err) &&
	     copy_tail(&from.file, &to, at, err) && sled_file_close(&to, err) &&
	     sled_dir_sync(place->sys, dir, name, err);
	sled_file_drop(&to);
	sled_reading_close(&from);
	(void)place->sys->close(place->sys->ctx, dir);
	return ok;
}

bool
sled_place_quarantine_tail(struct sled_place *place, const char *folder,
                           const char *file, uint64_t at, struct sled_err *err)
{
	if (!save_tail(place, folder, file, at, err))
		return sled_note(err, "%s", place->path);
	sled_append_undo(place, folder, file, at);
	return !sled_place_is_out(place, err) ||
	       sled_note(err, "%s: cut %s/%s", place->path, folder, file);
}
