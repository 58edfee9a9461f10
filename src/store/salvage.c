/*
 * salvage.c - a file that went another way: what only it has goes to a spool
 * of its own, which rule 3 of the recovery commits. Nothing of the file is
 * changed; it is set aside when this returned true.
 *
 * States (F: the file, H: what its hash begins with, S: the spool in
 * salvage/PLACE.LABEL.F.H/, for a repair in salvage/PLACE.LABEL.F.H.repair/: it
 * begins with what others left in S2)
 *   S0  F in its place, no S
 *   S1  F in its place, S in part or whole   begun again: S is removed
 *   S2  F in quarantine, S whole             rule 3 commits S
 * S may wait in S2, for want of room; another F of that name has another H.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/tally.h"
#include "store/repair.h"

struct salvage {
	struct sled_store *store;
	struct sled_member_row *rows; /* what the ledger has of the volume */
	size_t rows_len;
	struct sled_revision revision; /* what a repair had to give up */
	int dir;                       /* S's folder */
	struct sled_spool *spool;
	struct sled_spool_owner owner;
	char server[256], user[256], label[25];
	bool wanted; /* the message that is coming is in no archive of ours */
	/* A file may have a member twice: damage is often another part of it.
	 * The record that is coming, and those that the spool has. */
	struct sled_hash key;
	struct sled_tally met;
	uint64_t saved, back;
	uint64_t lost; /* bytes of members that do not hold, nor are known */
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
key_of(struct sled_hash *out, const struct sled_receipt *receipt,
       struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;

	if (!sled_sha256_new(&sha, err))
		return false;
	sled_sha256_add(sha, receipt->record, strlen(receipt->record));
	*out = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	return true;
}

/* Is it here, if by another record? Those without an id unspool.c counts. */
static bool
is_here(const struct salvage *s, const struct sled_receipt *receipt, bool *here,
        struct sled_err *err)
{
	if (!sled_ledger_record_known(s->store->ledger, receipt->record, here,
	                              err))
		return false;
	return *here || receipt->uid[0] == '\0' ||
	       sled_is_twin(s->store, s->label, receipt, here, err);
}

/* A repair that meets its member again puts it where it was. */
static bool
was_given_up(const struct salvage *s, const struct sled_receipt *receipt)
{
	for (size_t i = 0; i < s->revision.lost_len; i++)
		if (strcmp(s->revision.lost[i].record, receipt->record) == 0)
			return true;
	return false;
}

static bool
on_begin(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
         struct sled_err *err)
{
	struct salvage *s = ctx;
	bool here = false;

	(void)tar_at;
	if (!is_here(s, receipt, &here, err) || !key_of(&s->key, receipt, err))
		return false;
	s->wanted =
	    !here && !sled_tally_met(&s->met, &s->key) && s->label[0] != '\0';
	if (s->wanted && was_given_up(s, receipt)) {
		s->wanted = false;
		s->back++;
	}
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
	uint32_t times = 0;

	if (!s->wanted)
		return true;
	s->saved++;
	s->wanted = false;
	return sled_spool_end(s->spool, &receipt->sha256, &record, err) &&
	       sled_tally_count(&s->met, &s->key, &times, err);
}

/* Damaged, but in the ledger: other places have it, or a repair says so. */
static bool
is_ours(const struct salvage *s, uint64_t at, uint64_t length)
{
	for (size_t i = 0; i < s->rows_len; i++)
		if (s->rows[i].at == at)
			return s->rows[i].length == length;
	return false;
}

/* One member at AT. Behind damage it goes on as far as anything can be found. */
static bool
take_member(struct salvage *s, struct sled_reading *reading, uint64_t at,
            uint64_t *length, struct sled_err *err)
{
	const struct sled_member_visitor visitor = {
		s, on_volume, NULL, on_begin, on_data, on_end,
	};
	struct sled_err why = { 0 };
	struct sled_member_sum sum;
	uint64_t behind = 0;
	unsigned seq = 0;

	if (sled_member_check(&reading->source, at, &visitor, &sum, &seq,
	                      &why)) {
		*length = sum.length;
		return true;
	}
	if (why.kind != SLED_ERR_DAMAGED) {
		*err = why;
		return false;
	}
	if ((s->spool != NULL && !sled_spool_abort(s->spool, err)) ||
	    !sled_member_behind(&reading->source, at, &behind, err))
		return false;
	*length = behind - at;
	s->lost += is_ours(s, at, *length) ? 0 : *length;
	return true;
}

static bool
walk(struct salvage *s, struct sled_reading *reading, struct sled_err *err)
{
	uint64_t at = 0, length = 0;

	while (at < reading->source.size) {
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
        const struct sled_volume_row *volume, const char *file,
        struct sled_err *err)
{
	struct sled_reading reading;
	bool ok;

	learn_owner(s, volume);
	if (!sled_volume_extents(s->store, volume->id, 0, &s->rows,
	                         &s->rows_len, err) ||
	    !sled_revision_load(s->store, volume, &s->revision, err) ||
	    !sled_reading_open(&reading, &seat->place, volume->label, file,
	                       false, err))
		return false;
	ok = walk(s, &reading, err);
	sled_reading_close(&reading);
	sled_spool_close(&s->spool);
	return ok;
}

/* Of one that cannot be read to its end all is saved that can be. */
static bool
name_folder(char out[SLED_SALVAGE_NAME], const struct sled_store *store,
            struct sled_seat *seat, const char *label, const char *file,
            struct sled_err *err)
{
	struct sled_hash sha256 = { { 0 } };
	char hex[SLED_HASH_HEX];

	if (!sled_place_hash(&seat->place, label, file, &sha256, err)) {
		if (err->kind != SLED_ERR_IO)
			return false;
		*err = (struct sled_err){ 0 };
	}
	sled_hash_hex(hex, &sha256);
	(void)snprintf(out, SLED_SALVAGE_NAME,
	               SLED_SALVAGE "/%.32s.%s.%.39s.%.16s%s", seat->id, label,
	               file, hex,
	               store->mode == SLED_STORE_REPAIR ? ".repair" : "");
	return true;
}

bool
sled_salvage(struct sled_store *store, struct sled_seat *seat,
             const struct sled_volume_row *volume, const char *file,
             struct sled_err *err)
{
	struct salvage s = { .store = store, .dir = -1 };
	char name[SLED_SALVAGE_NAME];
	bool ok = name_folder(name, store, seat, volume->label, file, err) &&
	          open_folder(&s, name, err) &&
	          salvage(&s, seat, volume, file, err);

	if (s.dir != -1)
		(void)store->sys->close(store->sys->ctx, s.dir);
	free(s.rows);
	sled_tally_free(&s.met);
	sled_revision_free(&s.revision);
	if (ok && s.back > 0)
		sled_store_say(store,
		               "%s/%s/%s: it has %llu messages that were lost: "
		               "`mailsled repair` brings them back",
		               seat->place.path, volume->label, file,
		               (unsigned long long)s.back);
	if (ok && (s.saved > 0 || s.lost > 0))
		sled_store_say(store,
		               "%s/%s/%s: %llu messages that only this file "
		               "has are taken over; %llu bytes of it do not "
		               "hold",
		               seat->place.path, volume->label, file,
		               (unsigned long long)s.saved,
		               (unsigned long long)s.lost);
	return ok;
}

bool
sled_salvage_readable(struct sled_store *store, struct sled_seat *seat,
                      const struct sled_volume_row *volume, const char *file,
                      struct sled_err *err)
{
	if (sled_salvage(store, seat, volume, file, err))
		return true;
	if (err->kind != SLED_ERR_IO)
		return false;
	sled_store_say(store, "%s", err->text);
	*err = (struct sled_err){ 0 };
	return true;
}
