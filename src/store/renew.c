/*
 * renew.c - the repaired file of a volume, in one place. swap.c has the states
 * of the file; a revision's .tsv is there before it, its sidecar and its mode
 * come behind it, and the ledger learns of it last.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "store/repair.h"

static bool
write_pieces(struct sled_repair *r, struct sled_append *append, bool sealed,
             struct sled_err *err)
{
	struct sled_buf last = { 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < r->len; i++) {
		const struct sled_piece *piece = &r->pieces[i];

		ok = sled_append_from(append,
		                      &r->origins.list[piece->origin]->reading,
		                      piece->at, piece->sum.length, err);
	}
	ok = ok &&
	     (!sealed || (sled_member_last(&last, err) &&
	                  sled_append_write(append, last.data, last.len, err)));
	sled_buf_free(&last);
	return ok;
}

/* From the disk, not from memory. */
static bool
read_back(struct sled_repair *r, struct sled_renewal *renewal,
          const char *remade, struct sled_err *err)
{
	struct sled_place *place = &renewal->seat->place;
	const char *label = renewal->volume->label;
	struct sled_reading reading;
	uint64_t at = 0;
	bool ok = true;

	if (!sled_reading_open(&reading, place, label, remade, true, err))
		return false;
	for (size_t i = 0; ok && i < r->len; i++) {
		ok = sled_member_compare(&reading.source, at, &r->pieces[i].sum,
		                         err);
		at += r->pieces[i].sum.length;
	}
	sled_reading_close(&reading);
	return ok &&
	       sled_place_hash(place, label, remade, &renewal->sha256, err);
}

bool
sled_renew_write(struct sled_repair *r, struct sled_renewal *renewal,
                 struct sled_err *err)
{
	struct sled_place *place = &renewal->seat->place;
	const char *label = renewal->volume->label;
	char remade[SLED_REMADE_NAME];
	struct sled_append append;

	if (renewal->sealed)
		sled_volume_sealed_file(renewal->file, renewal->volume->name,
		                        renewal->volume->revision);
	else
		sled_volume_file(renewal->file, renewal->volume->name, true);
	sled_remade_name(remade, renewal->file);
	if (!sled_swap_finish(place, label, renewal->file, false, err) ||
	    !sled_append_begin(&append, place, label, remade, 0, err))
		return false;
	if (!write_pieces(r, &append, renewal->sealed, err) ||
	    !sled_append_commit(&append, err)) {
		sled_append_abort(&append);
		return false;
	}
	if (read_back(r, renewal, remade, err))
		return true;
	sled_append_undo(place, label, remade, 0);
	return sled_note(err, "%s", place->path);
}

static bool
write_revision(struct sled_place *place, const struct sled_volume_row *volume,
               const struct sled_revision *revision, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	char file[SLED_VOLUME_FILE];
	int folder = -1;
	bool ok =
	    sled_revision_format(&text, revision, err) &&
	    sled_dir_open(&folder, place->sys, place->dir, volume->label, err);

	sled_revision_file(file, volume->name, volume->revision);
	ok = ok && sled_file_replace(place->sys, folder, file, 0444,
	                             sled_buf_span(&text), err);
	if (folder != -1)
		(void)place->sys->close(place->sys->ctx, folder);
	sled_buf_free(&text);
	return ok || sled_note(err, "%s", place->path);
}

/* The ledger knows of no seal, but the place had one: a sealed file goes before
 * an open one wherever both are there. */
static bool
set_sealed_aside(struct sled_place *place, const struct sled_volume_row *volume,
                 struct sled_err *err)
{
	char file[SLED_VOLUME_FILE];
	uint64_t size = 0;
	bool there = false;

	sled_volume_sealed_file(file, volume->name, volume->revision);
	return sled_place_size(place, volume->label, file, &size, &there,
	                       err) &&
	       (!there ||
	        sled_place_quarantine(place, volume->label, file, err));
}

bool
sled_renew_take(struct sled_repair *r, const struct sled_renewal *renewal,
                const struct sled_revision *revision, struct sled_err *err)
{
	struct sled_volume_row volume = *renewal->volume;
	struct sled_place *place = &renewal->seat->place;

	if (renewal->sealed)
		volume.sha256 = renewal->sha256;
	r->out.places++;
	return (revision == NULL ||
	        write_revision(place, &volume, revision, err)) &&
	       sled_swap(place, volume.label, renewal->file, err) &&
	       (renewal->sealed ? sled_seat_seal(renewal->seat, &volume, err)
	                        : set_sealed_aside(place, &volume, err));
}

/* ---- what is left of older forms ---- */

enum belonging {
	STRANGE, /* no file of this volume */
	KEPT,
	OLD,
	HALF /* never had its own name */
};

static bool
begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* A file of any form, its sidecar, parity or tsv. */
static bool
is_form(const char *rest)
{
	size_t digits = rest[0] == 'r' ? strspn(rest + 1, "0123456789") : 0;

	if (begins(rest, "open.tar.gz") || begins(rest, "tar.gz"))
		return true;
	return digits > 0 && (begins(rest + 1 + digits, ".tar.gz") ||
	                      strcmp(rest + 1 + digits, ".tsv") == 0);
}

static enum belonging
belongs(const char *file, const struct sled_volume_row *volume,
        const char *current)
{
	char tsv[SLED_VOLUME_FILE];
	size_t len = strlen(volume->name), tail = strlen(SLED_REMADE);

	if (strncmp(file, volume->name, len) != 0 || file[len] != '.' ||
	    !is_form(file + len + 1))
		return STRANGE;
	if (strlen(file) > tail &&
	    strcmp(file + strlen(file) - tail, SLED_REMADE) == 0)
		return HALF;
	sled_revision_file(tsv, volume->name, volume->revision);
	if (begins(file, current) ||
	    (volume->revision > 0 && strcmp(file, tsv) == 0))
		return KEPT;
	return OLD;
}

static bool
is_volume_file(const char *file)
{
	char name[SLED_VOLUME_NAME];
	unsigned revision = 0;
	bool open = false;

	return sled_volume_file_parse(file, name, &open, &revision);
}

static bool
tidy_file(struct sled_repair *r, struct sled_seat *seat, const char *file,
          const char *current, struct sled_err *err)
{
	struct sled_place *place = &seat->place;

	switch (belongs(file, &r->volume, current)) {
	case OLD:
		return (!is_volume_file(file) ||
		        sled_salvage_readable(r->store, seat, &r->volume, file,
		                              err)) &&
		       sled_place_quarantine(place, r->volume.label, file, err);
	case HALF:
		sled_append_undo(place, r->volume.label, file, 0);
		return !sled_place_is_out(place, err);
	case STRANGE:
	case KEPT:
	default:
		return true;
	}
}

bool
sled_renew_tidy(struct sled_repair *r, struct sled_seat *seat,
                struct sled_err *err)
{
	struct sled_place *place = &seat->place;
	struct sled_volume_found found;
	struct sled_buf files = { 0 };
	bool ok = sled_seat_volume(seat, &r->volume, &found, err);

	if (!ok || !found.there)
		return ok;
	ok =
	    sled_dir_list(&files, place->sys, place->dir, r->volume.label, err);
	for (size_t at = 0; ok && at < files.len;
	     at += strlen(files.data + at) + 1)
		ok = tidy_file(r, seat, files.data + at, found.file, err);
	sled_buf_free(&files);
	return ok;
}
