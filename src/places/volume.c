/*
 * volume.c - a volume's file in a place, and its seal; see mailsled/places.h.
 *
 * States of the file (E: the octets of its members, L: those of tar's end)
 *   S0  NAME.open.tar.gz, E octets
 *   S1  the same, E to E + L octets, unsynced
 *                             after a crash any prefix of L: cut to E, begun
 *                             again
 *   S2  E + L octets, synced, and their hash is the one that was foretold
 *   S3  NAME.tar.gz.sha256 is there and durable; after a crash, or where the
 *                             folder could not be synced, it is made anew
 *   S4  NAME.tar.gz           after a crash either S3 or S5
 *   S5  the same, its folder synced
 *   S6  mode 0444             where the file system has modes
 * Each step is safe to do again, and each state reads as the same members.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "mailsled/hash.h"
#include "mailsled/places.h"
#include "mailsled/text.h"

#define SIDECAR_MAX 256

bool
sled_place_volume(struct sled_place *place, const struct sled_volume_id *id,
                  struct sled_volume_found *out, struct sled_err *err)
{
	*out = (struct sled_volume_found){ .sealed = true };
	sled_volume_sealed_file(out->file, id->name, id->revision);
	if (!sled_place_size(place, id->label, out->file, &out->size,
	                     &out->there, err))
		return false;
	if (out->there)
		return true;
	out->sealed = false;
	sled_volume_file(out->file, id->name, true);
	return sled_place_size(place, id->label, out->file, &out->size,
	                       &out->there, err);
}

/* MISSING when it has neither of its names. */
static bool
open_either(struct sled_reading *out, struct sled_place *place,
            const struct sled_volume_id *id, bool fresh, struct sled_err *err)
{
	char file[SLED_VOLUME_FILE];

	sled_volume_sealed_file(file, id->name, id->revision);
	if (sled_reading_open(out, place, id->label, file, fresh, err)) {
		out->sealed = true;
		return true;
	}
	if (err->kind != SLED_ERR_MISSING)
		return false;
	*err = (struct sled_err){ 0 };
	sled_volume_file(file, id->name, true);
	return sled_reading_open(out, place, id->label, file, fresh, err);
}

bool
sled_reading_volume(struct sled_reading *out, struct sled_place *place,
                    const struct sled_volume_id *id, bool fresh,
                    struct sled_err *err)
{
	if (open_either(out, place, id, fresh, err))
		return true;
	if (err->kind != SLED_ERR_MISSING)
		return false;
	/* It may have taken its new name between the two. */
	*err = (struct sled_err){ 0 };
	return open_either(out, place, id, fresh, err);
}

bool
sled_place_hash(struct sled_place *place, const char *folder, const char *file,
                struct sled_hash *out, struct sled_err *err)
{
	struct sled_reading reading;
	struct sled_sha256 *sha = NULL;
	char chunk[65536];
	uint64_t at = 0;
	size_t got = 1;
	bool ok;

	if (!sled_reading_open(&reading, place, folder, file, true, err))
		return false;
	ok = sled_sha256_new(&sha, err);
	while (ok && got > 0) {
		ok = sled_file_read(&reading.file, chunk, sizeof(chunk), at,
		                    &got, err);
		if (ok)
			sled_sha256_add(sha, chunk, got);
		at += got;
	}
	if (ok)
		*out = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	sled_reading_close(&reading);
	return ok || sled_note(err, "%s", place->path);
}

/* ---- the sidecar ---- */

static bool
sidecar_text(struct sled_buf *out, const char *file,
             const struct sled_hash *sha256, struct sled_err *err)
{
	char hex[2 * sizeof(sha256->b) + 1];

	sled_text_hex(hex, sha256->b, sizeof(sha256->b));
	return sled_buf_printf(out, err, "%s  %s\n", hex, file);
}

bool
sled_place_sidecar(struct sled_place *place, const char *label,
                   const char *file, const struct sled_hash *sha256,
                   enum sled_sidecar *out, struct sled_err *err)
{
	struct sled_buf have = { 0 }, want = { 0 };
	char name[160];
	bool ok;

	(void)snprintf(name, sizeof(name), "%s/%s.sha256", label, file);
	*out = SLED_SIDECAR_OTHER;
	ok = sidecar_text(&want, file, sha256, err);
	if (ok && sled_file_slurp(&have, place->sys, place->dir, name,
	                          SIDECAR_MAX, err)) {
		if (have.len == want.len &&
		    memcmp(have.data, want.data, want.len) == 0)
			*out = SLED_SIDECAR_RIGHT;
	} else if (ok && (err->kind == SLED_ERR_MISSING ||
	                  err->kind == SLED_ERR_DAMAGED)) {
		if (err->kind == SLED_ERR_MISSING)
			*out = SLED_SIDECAR_NONE;
		*err = (struct sled_err){ 0 };
	} else {
		ok = false;
	}
	sled_buf_free(&have);
	sled_buf_free(&want);
	return ok;
}

/* S3. */
static bool
write_sidecar(struct sled_place *place, int folder, const char *file,
              const struct sled_hash *sha256, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	char name[SLED_VOLUME_FILE + 8];
	bool ok;

	(void)snprintf(name, sizeof(name), "%s.sha256", file);
	ok = sidecar_text(&text, file, sha256, err) &&
	     sled_file_replace(place->sys, folder, name, 0444,
	                       sled_buf_span(&text), err);
	sled_buf_free(&text);
	return ok;
}

/* ---- the seal ---- */

static bool
is_beginning(struct sled_reading *reading, uint64_t at, size_t len, bool *is,
             struct sled_err *err)
{
	char tail[SLED_MEMBER_LAST];
	struct sled_buf last = { 0 };
	size_t got = 0;
	bool ok = sled_member_last(&last, err) &&
	          sled_file_read(&reading->file, tail, len, at, &got, err);

	*is = ok && got == len && memcmp(tail, last.data, len) == 0;
	sled_buf_free(&last);
	return ok;
}

bool
sled_place_ends(struct sled_place *place, const char *label,
                const struct sled_volume_found *found, uint64_t at, bool *ends,
                struct sled_err *err)
{
	struct sled_reading reading;
	bool ok;

	*ends = false;
	if (found->size <= at || found->size - at > SLED_MEMBER_LAST)
		return true;
	if (!sled_reading_open(&reading, place, label, found->file, false, err))
		return false;
	ok = is_beginning(&reading, at, (size_t)(found->size - at), ends, err);
	sled_reading_close(&reading);
	return ok;
}

/* S0 to S2, but for the hash. */
static bool
write_end(struct sled_place *place, const struct sled_seal *seal,
          const struct sled_volume_found *found, struct sled_err *err)
{
	struct sled_append append;
	struct sled_buf last = { 0 };
	bool ok;

	if (found->size == seal->end + SLED_MEMBER_LAST)
		return sled_place_sync(place, seal->id.label, found->file, err);
	if (found->size > seal->end + SLED_MEMBER_LAST)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s/%s/%s goes on behind its end; it is not "
		                 "sealed",
		                 place->path, seal->id.label, found->file);
	if (found->size > seal->end)
		sled_append_undo(place, seal->id.label, found->file, seal->end);
	if (!sled_member_last(&last, err) ||
	    !sled_append_begin(&append, place, seal->id.label, found->file,
	                       seal->end, err)) {
		sled_buf_free(&last);
		return false;
	}
	ok = sled_append_write(&append, last.data, last.len, err) &&
	     sled_append_commit(&append, err);
	if (!ok)
		sled_append_abort(&append);
	sled_buf_free(&last);
	return ok;
}

static bool
check_hash(struct sled_place *place, const struct sled_seal *seal,
           const char *file, struct sled_err *err)
{
	struct sled_hash have;

	if (!sled_place_hash(place, seal->id.label, file, &have, err))
		return false;
	return sled_hash_equal(&have, &seal->sha256) ||
	       sled_fail(err, SLED_ERR_DAMAGED,
	                 "%s/%s/%s has other bytes than were stored; it is "
	                 "not sealed",
	                 place->path, seal->id.label, file);
}

static bool
is_read_only(struct sled_place *place, int folder, const char *file)
{
	struct stat st;

	return place->sys->fstatat(place->sys->ctx, folder, file, &st, 0) ==
	           0 &&
	       (st.st_mode & 0777) == 0444;
}

/* A file system without modes cannot, and need not. */
static bool
make_read_only(struct sled_place *place, int folder, const char *file,
               struct sled_err *err)
{
	const struct sled_sys *sys = place->sys;
	struct sled_file open;

	if (is_read_only(place, folder, file))
		return true;
	if (!sled_file_open(&open, sys, folder, file, O_RDONLY, 0, err))
		return false;
	if (sys->fchmod(sys->ctx, open.fd, 0444) == -1 && errno == EIO)
		(void)sled_fail_sys(err, errno, "chmod %s", file);
	sled_file_drop(&open);
	return err->kind == SLED_ERR_NONE;
}

/* S3 to S5. */
static bool
take_name(struct sled_place *place, int folder, const char *from,
          const char *to, struct sled_err *err)
{
	const struct sled_sys *sys = place->sys;

	if (sys->renameat(sys->ctx, folder, from, folder, to) == -1)
		return sled_fail_sys(err, errno, "rename %s to %s", from, to);
	return sled_dir_sync(sys, folder, to, err);
}

/* Beside a file without its sealed name it is not believed: the sync of the
 * folder may have failed, and no later one makes that name durable. */
static bool
see_sidecar(struct sled_place *place, const struct sled_seal *seal,
            const struct sled_volume_found *found, enum sled_sidecar *out,
            struct sled_err *err)
{
	*out = SLED_SIDECAR_NONE;
	return !found->sealed ||
	       sled_place_sidecar(place, seal->id.label, found->file,
	                          &seal->sha256, out, err);
}

/* S6, as nearly every volume is at nearly every start. */
static bool
is_finished(struct sled_place *place, const struct sled_seal *seal,
            const struct sled_volume_found *found, enum sled_sidecar sidecar)
{
	char name[160];

	(void)snprintf(name, sizeof(name), "%s/%s", seal->id.label,
	               found->file);
	return sidecar == SLED_SIDECAR_RIGHT &&
	       is_read_only(place, place->dir, name);
}

static bool
finish(struct sled_place *place, const struct sled_seal *seal,
       const struct sled_volume_found *found, enum sled_sidecar sidecar,
       struct sled_err *err)
{
	char to[SLED_VOLUME_FILE];
	int folder = -1;
	bool ok;

	sled_volume_sealed_file(to, seal->id.name, seal->id.revision);
	ok =
	    sled_dir_open(&folder, place->sys, place->dir, seal->id.label,
	                  err) &&
	    (sidecar == SLED_SIDECAR_RIGHT ||
	     write_sidecar(place, folder, to, &seal->sha256, err)) &&
	    (found->sealed || take_name(place, folder, found->file, to, err)) &&
	    make_read_only(place, folder, to, err);
	if (folder != -1)
		(void)place->sys->close(place->sys->ctx, folder);
	return ok || sled_note(err, "%s/%s", place->path, seal->id.label);
}

bool
sled_place_seal(struct sled_place *place, const struct sled_seal *seal,
                struct sled_err *err)
{
	struct sled_volume_found found;
	enum sled_sidecar sidecar;

	if (sled_place_is_out(place, err))
		return sled_note(err, "%s is not written again", place->path);
	if (!sled_place_volume(place, &seal->id, &found, err))
		return false;
	if (!found.there)
		return sled_fail(err, SLED_ERR_MISSING, "%s: no volume %s/%s",
		                 place->path, seal->id.label, seal->id.name);
	if (!found.sealed && (!write_end(place, seal, &found, err) ||
	                      !check_hash(place, seal, found.file, err)))
		return false;
	return see_sidecar(place, seal, &found, &sidecar, err) &&
	       (is_finished(place, seal, &found, sidecar) ||
	        finish(place, seal, &found, sidecar, err));
}
