/*
 * doubt.c - a reader met damage in a place: what the ledger says of that place
 * counts no more. Readers write no ledger, so a file in the state folder says
 * it, and the next writer acts on it before anything is deleted.
 *
 * States
 *   D0  no doubt-PLACE
 *   D1  doubt-PLACE             the writer drops every holding of the place
 *   D2  doubt-PLACE, dropped    dropped again, which changes nothing
 *   D0  unlinked                what holds was read again by the recovery
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "store/store.h"

static void
name_of(char out[64], const struct sled_seat *seat)
{
	(void)snprintf(out, 64, "doubt-%s", seat->id);
}

void
sled_doubt_note(struct sled_store *store, const struct sled_seat *seat)
{
	struct sled_file file;
	struct sled_err err = { 0 };
	char name[64];

	name_of(name, seat);
	if (sled_file_open(&file, store->sys, store->state_dir, name,
	                   O_WRONLY | O_CREAT, 0600, &err) &&
	    sled_file_close(&file, &err) &&
	    sled_dir_sync(store->sys, store->state_dir, name, &err))
		return;
	sled_store_say(store,
	               "%s: the damage could not be noted (%s): delete nothing "
	               "on the server before it is mended",
	               seat->place.path, err.text);
}

static bool
drop_holdings(struct sled_store *store, const struct sled_seat *seat,
              struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	struct stat st;
	char name[64];

	name_of(name, seat);
	if (sys->fstatat(sys->ctx, store->state_dir, name, &st, 0) == -1)
		return true;
	sled_store_say(store,
	               "%s: damage was found there; all of it is read again",
	               seat->place.path);
	if (!sled_ledger_unhold(store->ledger, 0, seat->id, err))
		return false;
	if (sys->unlinkat(sys->ctx, store->state_dir, name, 0) == -1)
		return sled_fail_sys(err, errno, "unlink %s/%s", store->state,
		                     name);
	return sled_dir_sync(sys, store->state_dir, name, err);
}

bool
sled_doubt_apply(struct sled_store *store, struct sled_err *err)
{
	for (size_t i = 0; i < store->len; i++)
		if (store->seats[i].id[0] != '\0' &&
		    !drop_holdings(store, &store->seats[i], err))
			return false;
	return true;
}
