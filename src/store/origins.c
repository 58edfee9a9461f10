/* origins.c - the files that may have members of a damaged volume. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/repair.h"

#define QUARANTINE ".mailsled/quarantine"

bool
sled_origins_add(struct sled_origins *origins, struct sled_place *place,
                 const char *folder, const char *file, struct sled_seat *seat,
                 struct sled_err *err)
{
	struct sled_origin **list = realloc(
	    origins->list, (origins->len + 1) * sizeof(struct sled_origin *));
	struct sled_origin *origin = calloc(1, sizeof(*origin));
	struct sled_err why = { 0 };

	if (list != NULL)
		origins->list = list;
	if (list == NULL || origin == NULL) {
		free(origin);
		return sled_fail(err, SLED_ERR_NOMEM, "repair");
	}
	if (!sled_reading_open(&origin->reading, place, folder, file, true,
	                       &why)) {
		free(origin);
		return true;
	}
	origin->seat = seat;
	origin->place = place->path;
	origins->list[origins->len++] = origin;
	return true;
}

/* Those in FOLDER that PICK takes; a folder that is not there has none. */
static bool
add_folder(struct sled_origins *origins, struct sled_place *place,
           const char *folder, const struct sled_volume_row *volume,
           bool (*pick)(const char *file, const struct sled_volume_row *volume),
           struct sled_err *err)
{
	struct sled_buf files = { 0 };
	struct sled_err why = { 0 };
	bool ok = true;

	if (!sled_dir_list(&files, place->sys, place->dir, folder, &why)) {
		sled_buf_free(&files);
		return true;
	}
	for (size_t at = 0; ok && at < files.len;
	     at += strlen(files.data + at) + 1)
		if (pick(files.data + at, volume))
			ok = sled_origins_add(origins, place, folder,
			                      files.data + at, NULL, err);
	sled_buf_free(&files);
	return ok;
}

/* A file of the volume that is not the one it has now. */
static bool
is_other(const char *file, const struct sled_volume_row *volume)
{
	char name[SLED_VOLUME_NAME];
	unsigned revision = 0;
	bool open = false;

	return sled_volume_file_parse(file, name, &open, &revision) &&
	       strcmp(name, volume->name) == 0 &&
	       (open || revision != volume->revision);
}

/* "20261123T145031Z-home-0-2026-10-001.tar.gz": see sled_place_quarantine(). */
static bool
is_quarantined(const char *file, const struct sled_volume_row *volume)
{
	const char *when = strchr(file, '-');
	char name[SLED_VOLUME_NAME];
	unsigned revision = 0;
	size_t len = strlen(volume->label);
	const char *rest;
	bool open = false;

	if (when == NULL || strncmp(when + 1, volume->label, len) != 0 ||
	    when[1 + len] != '-')
		return false;
	rest = strchr(when + 2 + len, '-');
	return rest != NULL &&
	       sled_volume_file_parse(rest + 1, name, &open, &revision) &&
	       strcmp(name, volume->name) == 0;
}

bool
sled_origins_add_old(struct sled_origins *origins, struct sled_store *store,
                     const struct sled_volume_row *volume, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++)
		if (store->seats[i].present &&
		    (!add_folder(origins, &store->seats[i].place, volume->label,
		                 volume, is_other, err) ||
		     !add_folder(origins, &store->seats[i].place, QUARANTINE,
		                 volume, is_quarantined, err)))
			return false;
	return true;
}

void
sled_origins_free(struct sled_origins *origins)
{
	for (size_t i = 0; i < origins->len; i++) {
		sled_reading_close(&origins->list[i]->reading);
		free(origins->list[i]);
	}
	free(origins->list);
	*origins = (struct sled_origins){ 0 };
}
