/*
 * prune.c - sealed volumes taken out of one place, by hand only, where enough
 * others were just seen to hold them.
 *
 * States of a volume in the place (P: its file there, H: its holdings there)
 *   P0  P, H
 *   P1  P, no H, marked as pruned   the journal's line is there too; the next
 *                                   prune goes on from here
 *   P2  some of its files are gone  the same: sidecar and parity go first, so
 *                                   that none of them is left without P
 *   P3  no P                        nothing brings it back but --undo
 * In each the other places hold it as before.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

struct prune {
	struct sled_store *store;
	const struct sled_prune_conf *conf;
	struct sled_seat *seat;
	bool *held; /* one a seat */
	sled_prune_fn *each;
	void *ctx;
	struct sled_volume_row *rows; /* sealed and old enough */
	size_t len;
};

static bool
choose(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct prune *p = ctx;
	struct sled_volume_row *rows;
	unsigned seq = 0;
	int month = 0;

	if (!row->sealed || !sled_volume_name_parse(row->name, &month, &seq) ||
	    (p->conf->before != 0 &&
	     month >= sled_clock_month(p->conf->before)))
		return true;
	rows = realloc(p->rows, (p->len + 1) * sizeof(*rows));
	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	p->rows = rows;
	rows[p->len++] = *row;
	return true;
}

/* Is all of it there, on the disk, now? */
static bool
seat_holds(struct sled_store *store, struct sled_seat *seat,
           const struct sled_volume_row *volume)
{
	struct sled_volume_found found;
	struct sled_err why = { 0 };
	struct sled_hash hash;

	if (seat->far)
		return sled_far_holds(store, seat, volume);
	return sled_seat_usable(seat) &&
	       sled_seat_volume(seat, volume, &found, &why) && found.sealed &&
	       found.there &&
	       sled_place_hash(&seat->place, volume->label, found.file, &hash,
	                       &why) &&
	       sled_hash_equal(&hash, &volume->sha256);
}

static bool
others_hold(struct prune *p, const struct sled_volume_row *volume)
{
	struct sled_store *store = p->store;

	for (size_t i = 0; i < store->len; i++)
		p->held[i] = &store->seats[i] != p->seat &&
		             seat_holds(store, &store->seats[i], volume);
	return sled_seats_count(store, p->held) >= store->conf.min_copies;
}

/* ---- out of the ledger, then out of the place ---- */

static bool
unhold_all(struct prune *p, const struct sled_volume_row *volume,
           struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok =
	    sled_volume_extents(p->store, volume->id, 0, &rows, &len, err);

	for (size_t i = 0; ok && i < len; i++)
		ok = sled_ledger_unhold(p->store->ledger, rows[i].id,
		                        p->seat->id, err);
	free(rows);
	return ok && sled_ledger_prune(p->store->ledger, volume->id,
	                               p->seat->id, err);
}

/* P0 to P1. */
static bool
note(struct prune *p, const struct sled_volume_row *volume,
     struct sled_err *err)
{
	struct sled_ledger *ledger = p->store->ledger;
	const char *const fields[] = { volume->label, volume->name,
		                       p->seat->id };
	struct sled_buf line = { 0 };
	int64_t now = sled_clock_now();
	bool ok = sled_journal_line(&line, now, "prune", fields, 3, err) &&
	          sled_journal_add(p->store, sled_buf_span(&line), now, err);

	sled_buf_free(&line);
	if (!ok || !sled_ledger_begin(ledger, err))
		return false;
	if (unhold_all(p, volume, err))
		return sled_ledger_commit(ledger, err);
	sled_ledger_drop(ledger);
	return false;
}

static bool
unlink_all(struct prune *p, int folder, const char *sealed,
           const struct sled_volume_row *volume, struct sled_err *err)
{
	const struct sled_sys *sys = p->seat->place.sys;
	struct sled_buf files = { 0 };
	bool ok = sled_dir_list(&files, sys, folder, ".", err);

	/* In reverse order the volume itself, the shortest name, is last. */
	for (size_t at = files.len; ok && at > 0;) {
		const char *file;

		for (at--; at > 0 && files.data[at - 1] != '\0';)
			at--;
		file = files.data + at;
		if (sled_volume_goes_with(file, sealed, volume->name) &&
		    sys->unlinkat(sys->ctx, folder, file, 0) == -1)
			ok = sled_fail_sys(err, errno, "unlink %s", file);
	}
	sled_buf_free(&files);
	return ok && sled_dir_sync(sys, folder, sealed, err);
}

/* P1 to P3. */
static bool
remove_files(struct prune *p, const struct sled_volume_row *volume,
             struct sled_err *err)
{
	struct sled_place *place = &p->seat->place;
	char sealed[SLED_VOLUME_FILE];
	int folder = -1;
	bool ok;

	sled_volume_sealed_file(sealed, volume->name, volume->revision);
	ok = sled_dir_open(&folder, place->sys, place->dir, volume->label,
	                   err) &&
	     unlink_all(p, folder, sealed, volume, err);
	if (folder != -1)
		(void)place->sys->close(place->sys->ctx, folder);
	return ok || sled_note(err, "%s/%s", place->path, volume->label);
}

static bool
prune_one(struct prune *p, const struct sled_volume_row *volume,
          struct sled_err *err)
{
	struct sled_volume_found found;
	struct sled_pruned out = { p->seat->place.path, volume->label,
		                   volume->name, volume->end, false };
	bool pruned = false;

	if (!sled_seat_volume(p->seat, volume, &found, err))
		return false;
	if (!found.there)
		return true;
	out.done = others_hold(p, volume);
	if (out.done && !p->conf->dry &&
	    (!sled_ledger_pruned(p->store->ledger, volume->id, p->seat->id,
	                         &pruned, err) ||
	     (!pruned && !note(p, volume, err)) ||
	     !remove_files(p, volume, err)))
		return false;
	p->each(p->ctx, &out);
	return true;
}

static bool
find_seat(struct prune *p, struct sled_err *err)
{
	const char *path = p->conf->place;

	for (size_t i = 0; i < p->store->len; i++)
		if (path == NULL ||
		    strcmp(path, p->store->seats[i].place.path) == 0) {
			p->seat = &p->store->seats[i];
			if (p->seat->far)
				return sled_fail(err, SLED_ERR_USAGE,
				                 "%s is far away: nothing is "
				                 "taken out there",
				                 path);
			return sled_seat_usable(p->seat) ||
			       sled_fail(err, SLED_ERR_PLACE, "%s: %s",
			                 p->seat->place.path,
			                 sled_seat_why(p->seat));
		}
	return sled_fail(err, SLED_ERR_USAGE, "%s is no place of this store",
	                 path);
}

static bool
undo(struct prune *p, struct sled_err *err)
{
	for (size_t i = 0; i < p->len; i++)
		if (!sled_ledger_unprune(p->store->ledger, p->rows[i].id,
		                         p->seat->id, err))
			return false;
	return true;
}

bool
sled_store_prune(struct sled_store *store, const struct sled_prune_conf *conf,
                 sled_prune_fn *each, void *ctx, struct sled_err *err)
{
	struct prune p = {
		.store = store, .conf = conf, .each = each, .ctx = ctx
	};
	bool ok;

	p.held = calloc(store->len, sizeof(*p.held));
	if (p.held == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "prune");
	ok = find_seat(&p, err) &&
	     sled_ledger_volumes(store->ledger, NULL, choose, &p, err);
	if (ok && conf->undo)
		ok = undo(&p, err);
	for (size_t i = 0; ok && !conf->undo && i < p.len; i++)
		ok = prune_one(&p, &p.rows[i], err);
	free(p.held);
	free(p.rows);
	return ok;
}
