/*
 * salvage.c - a copy that went another way: what only it has goes to a spool
 * of its own, which rule 3 of the recovery commits. Nothing of the copy is
 * changed; it is set aside when this returned true.
 *
 * States (F: the copy's file, S: the spool in salvage/PLACE.LABEL.VOLUME/)
 *   S0  F in its place, no S
 *   S1  F in its place, S in part or whole   begun again: S is removed
 *   S2  F in quarantine, S whole             rule 3 commits S
 */
#include <stdio.h>
#include <string.h>

#include "store/store.h"

struct salvage {
	struct sled_store *store;
	int dir; /* S's folder */
	struct sled_spool *spool;
	struct sled_spool_owner owner;
	char server[256], user[256], label[25];
	bool wanted; /* the message that is coming is in no archive of ours */
	uint64_t saved;
	uint64_t lost; /* bytes of members that do not hold */
};

static bool
on_volume(void *ctx, const struct sled_volume_info *info, struct sled_err *err)
{
	struct salvage *s = ctx;

	(void)err;
	memcpy(s->server, info->server, sizeof(s->server));
	memcpy(s->user, info->user, sizeof(s->user));
	memcpy(s->label, info->label, sizeof(s->label));
	s->owner = (struct sled_spool_owner){ s->label, s->server, s->user };
	return true;
}

static bool
on_begin(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
         struct sled_err *err)
{
	struct salvage *s = ctx;
	bool known = false;

	(void)tar_at;
	if (!sled_ledger_record_known(s->store->ledger, receipt->record, &known,
	                              err))
		return false;
	s->wanted = !known && s->label[0] != '\0';
	if (!s->wanted)
		return true;
	if (s->spool == NULL && !sled_spool_create(&s->spool, s->store->sys,
	                                           s->dir, &s->owner, err))
		return false;
	return sled_spool_begin(s->spool, receipt->uid, receipt->listed,
	                        receipt->received, err);
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct salvage *s = ctx;

	return !s->wanted || sled_spool_append(s->spool, data, len, err);
}

static bool
on_end(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct salvage *s = ctx;
	struct sled_record record;

	if (!s->wanted)
		return true;
	s->saved++;
	s->wanted = false;
	return sled_spool_end(s->spool, &receipt->sha256, &record, err);
}

/* One member at AT; *length is 0 when nothing can be found behind it. */
static bool
take_member(struct salvage *s, struct sled_reading *reading, uint64_t at,
            uint64_t *length, struct sled_err *err)
{
	const struct sled_member_visitor visitor = {
		s, on_volume, NULL, on_begin, on_data, on_end,
	};
	struct sled_err why = { 0 };
	struct sled_member_sum sum;
	unsigned seq = 0;
	bool whole = false;

	*length = 0;
	if (sled_member_check(&reading->source, at, &visitor, &sum, &seq,
	                      &why)) {
		*length = sum.length;
		return true;
	}
	if (why.kind != SLED_ERR_DAMAGED) {
		*err = why;
		return false;
	}
	if (s->spool != NULL && !sled_spool_abort(s->spool, err))
		return false;
	why = (struct sled_err){ 0 };
	if (!sled_member_peek(&reading->source, at, length, &whole, &why) ||
	    !whole)
		*length = 0;
	s->lost += *length > 0 ? *length : reading->source.size - at;
	return true;
}

static bool
walk(struct salvage *s, struct sled_reading *reading, struct sled_err *err)
{
	uint64_t at = 0, length = 1;

	while (at < reading->source.size && length > 0) {
		if (!take_member(s, reading, at, &length, err))
			return false;
		at += length;
	}
	return s->spool == NULL || sled_spool_sync(s->spool, err);
}

/* S's folder, without what an earlier try left. */
static bool
open_folder(struct salvage *s, const char *name, struct sled_err *err)
{
	const struct sled_sys *sys = s->store->sys;

	return sled_dir_make(sys, s->store->state_dir, SLED_SALVAGE, 0700,
	                     err) &&
	       sled_folder_empty(s->store, name, &s->dir, err) &&
	       sled_dir_sync(sys, s->dir, name, err);
}

/* Whose mail it is, should the copy's own VOLUME.txt be damaged. */
static void
learn_owner(struct salvage *s, const struct sled_volume_row *volume)
{
	const struct sled_member_visitor visitor = { .ctx = s,
		                                     .volume = on_volume };
	struct sled_reading reading;
	struct sled_member_sum sum;
	struct sled_err why = { 0 };
	unsigned seq = 0;

	if (!sled_seat_read(&reading, &s->store->seats[0], volume, false, &why))
		return;
	(void)!sled_member_check(&reading.source, 0, &visitor, &sum, &seq,
	                         &why);
	sled_reading_close(&reading);
}

static bool
salvage(struct salvage *s, struct sled_seat *seat,
        const struct sled_volume_row *volume, struct sled_err *err)
{
	struct sled_reading reading;
	bool ok;

	learn_owner(s, volume);
	if (!sled_seat_read(&reading, seat, volume, false, err))
		return false;
	ok = walk(s, &reading, err);
	sled_reading_close(&reading);
	sled_spool_close(&s->spool);
	return ok;
}

bool
sled_salvage(struct sled_store *store, struct sled_seat *seat,
             const struct sled_volume_row *volume, struct sled_err *err)
{
	struct salvage s = { .store = store, .dir = -1 };
	char name[SLED_SALVAGE_NAME];
	bool ok;

	(void)snprintf(name, sizeof(name), SLED_SALVAGE "/%.32s.%s.%s",
	               seat->id, volume->label, volume->name);
	ok = open_folder(&s, name, err) && salvage(&s, seat, volume, err);
	if (s.dir != -1)
		(void)store->sys->close(store->sys->ctx, s.dir);
	if (ok && (s.saved > 0 || s.lost > 0))
		sled_store_say(store,
		               "%s/%s/%s: %llu messages that only this copy "
		               "has are taken over; %llu bytes of it do not "
		               "hold",
		               seat->place.path, volume->label, volume->name,
		               (unsigned long long)s.saved,
		               (unsigned long long)s.lost);
	return ok;
}
