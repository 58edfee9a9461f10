/*
 * swap.c - a new file takes the name of an old one, which goes to quarantine.
 *
 * States (F: the file, R: the new one, "FILE.remade" beside it)
 *   W0  F, no R
 *   W1  F, R in part or whole    begun again: R is removed
 *   W2  F in quarantine, R whole R takes F's name
 *   W3  R is F                   a start syncs the folder first: recover.c
 * R gets its own name only when it is synced and was read back; between W2 and
 * W3 no file has F's name, and the next start ends that.
 */
#include <errno.h>
#include <stdio.h>

#include "store/repair.h"

void
sled_remade_name(char out[SLED_REMADE_NAME], const char *file)
{
	(void)snprintf(out, SLED_REMADE_NAME, "%.39s" SLED_REMADE, file);
}

/* W2 to W3. */
static bool
take_name(struct sled_place *place, const char *label, const char *file,
          struct sled_err *err)
{
	const struct sled_sys *sys = place->sys;
	char remade[SLED_REMADE_NAME];
	int dir = -1;
	bool ok;

	sled_remade_name(remade, file);
	if (!sled_dir_open(&dir, sys, place->dir, label, err))
		return false;
	ok = sys->renameat(sys->ctx, dir, remade, dir, file) == 0 ||
	     sled_fail_sys(err, errno, "%s: rename to %s", place->path, file);
	if (ok && !sled_dir_sync(sys, dir, file, err)) {
		/* What a failed sync let go no later one brings back: W2
		 * again, and the next try takes the name anew. */
		(void)sys->renameat(sys->ctx, dir, file, dir, remade);
		ok = false;
	}
	(void)sys->close(sys->ctx, dir);
	return ok;
}

bool
sled_swap(struct sled_place *place, const char *label, const char *file,
          struct sled_err *err)
{
	uint64_t size = 0;
	bool there = false;

	return sled_place_size(place, label, file, &size, &there, err) &&
	       (!there || sled_place_quarantine(place, label, file, err)) &&
	       take_name(place, label, file, err);
}

bool
sled_swap_finish(struct sled_place *place, const char *label, const char *file,
                 bool needed, struct sled_err *err)
{
	char remade[SLED_REMADE_NAME];
	uint64_t size = 0;
	bool there = false;

	sled_remade_name(remade, file);
	if (!sled_place_size(place, label, remade, &size, &there, err))
		return false;
	if (!there)
		return true;
	if (needed)
		return take_name(place, label, file, err);
	sled_append_undo(place, label, remade, 0);
	return !sled_place_is_out(place, err);
}
