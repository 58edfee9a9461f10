/*
 * unspool.c - spools that earlier runs left (rule 3 of the recovery): a record
 * that stands in a receipt is done, whole ones are committed [R1], torn ones are
 * dropped. What was salvaged from a copy's file comes last: it is old, and to
 * be proved by a TOP before anything is deleted for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

#define BATCH        2048 /* records committed at once */
#define NONCE_DIGITS 16   /* of a record's id, the same in all of a spool */

struct unspool {
	struct sled_store *store;
	struct sled_spool *spool;
	struct sled_whose whose;
	struct sled_maildrop maildrop;
	struct sled_intake *intake;
	struct sled_batch batch;
	uint64_t adopted;
	unsigned flags;     /* of all its messages */
	bool commit_failed; /* it was not the spool that could not be read */
};

static bool
commit_batch(struct unspool *u, struct sled_err *err)
{
	bool ok = sled_commit(u->store, &u->whose, u->spool, u->batch.list,
	                      u->batch.len, err);

	if (ok)
		u->adopted += u->batch.len;
	u->commit_failed = u->commit_failed || !ok;
	sled_batch_free(&u->batch);
	return ok;
}

static bool
digest_record(struct unspool *u, const struct sled_record *record,
              struct sled_digest *out, struct sled_err *err)
{
	char chunk[32768];
	uint64_t done = 0;

	sled_intake_begin(u->intake);
	while (done < record->octets) {
		uint64_t left = record->octets - done;
		size_t len =
		    left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

		if (!sled_spool_read(u->spool, chunk, len, record->at + done,
		                     err) ||
		    !sled_intake_feed(u->intake,
		                      (struct sled_span){ chunk, len }, err))
			return false;
		done += len;
	}
	*out = sled_intake_end(u->intake);
	return true;
}

struct twin {
	const struct sled_record *record;
	bool found;
};

static bool
take_twin(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct twin *twin = ctx;

	(void)err;
	twin->found = twin->found ||
	              (row->octets == twin->record->octets &&
	               sled_hash_equal(&row->sha256, &twin->record->sha256));
	return true;
}

/* Of the same moment, but not of the same spool: there equal bytes twice are two
 * messages. */
static bool
take_same(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct twin *twin = ctx;
	const struct sled_record *record = twin->record;

	(void)err;
	twin->found =
	    twin->found ||
	    (row->octets == record->octets && row->listed == record->listed &&
	     row->received == record->received &&
	     strncmp(row->record, record->id, NONCE_DIGITS) != 0);
	return true;
}

/* In an archive? By its record; or the same octets under the same id: fetched
 * again while this spool was away with its disk, or brought by the spool of
 * another copy that went the same way. What has no id came so too when it was
 * received at the same moment. */
static bool
is_known(const struct unspool *u, const struct sled_record *record, bool *known,
         struct sled_err *err)
{
	struct sled_ledger *ledger = u->store->ledger;
	struct twin twin = { .record = record };
	bool ok;

	if (!sled_ledger_record_known(ledger, record->id, known, err))
		return false;
	if (*known)
		return true;
	if (record->uid[0] != '\0')
		ok = sled_ledger_by_uid(ledger, u->maildrop.id, record->uid,
		                        take_twin, &twin, err);
	else
		ok =
		    !u->whose.brought ||
		    sled_ledger_by_hash(ledger, u->maildrop.id, &record->sha256,
		                        take_same, &twin, err);
	*known = twin.found;
	return ok;
}

static bool
on_record(void *ctx, const struct sled_record *record, struct sled_err *err)
{
	struct unspool *u = ctx;
	struct sled_digest digest;
	unsigned flags = u->flags;
	bool known = false;

	if (!is_known(u, record, &known, err))
		return false;
	if (known)
		return true;
	if (!digest_record(u, record, &digest, err))
		return false;
	if (record->uid[0] == '\0')
		flags |= SLED_MESSAGE_NOID;
	if (sled_box_is_short(&u->maildrop, record->octets, record->listed))
		flags |= SLED_MESSAGE_SHORT;
	if (!sled_batch_add(&u->batch, record, &digest, flags, SIZE_MAX, err))
		return false;
	return u->batch.len < BATCH || commit_batch(u, err);
}

/* A record that cannot be read keeps none of the others back. */
static bool
commit_records(struct unspool *u, struct sled_err *err)
{
	struct sled_err why = { 0 };
	unsigned torn = 0;
	bool read = sled_spool_scan(u->spool, on_record, u, &torn, &why);

	if (!u->commit_failed && (read || why.kind != SLED_ERR_NOMEM) &&
	    !commit_batch(u, err))
		return false;
	if (!read)
		*err = why;
	return read;
}

static bool
unspool(struct unspool *u, struct sled_err *err)
{
	bool ok =
	    sled_ledger_maildrop(u->store->ledger, u->whose.owner.server,
	                         u->whose.owner.user, &u->maildrop, err) &&
	    sled_intake_new(&u->intake, err);

	u->whose.maildrop = u->maildrop.id;
	u->whose.brought = u->flags != 0;
	u->flags = sled_import_flags(&u->whose.owner, u->flags);
	u->commit_failed = !ok;
	ok = ok && commit_records(u, err);
	if (u->adopted > 0)
		sled_store_say(u->store,
		               "%s: %llu messages of an interrupted visit are "
		               "now archived",
		               u->whose.owner.label,
		               (unsigned long long)u->adopted);
	sled_batch_free(&u->batch);
	sled_intake_free(&u->intake);
	return ok;
}

static bool
note_spooled(void *ctx, const struct sled_record *record, struct sled_err *err)
{
	struct unspool *u = ctx;
	struct sled_store *store = u->store;
	struct sled_spooled *list;
	bool known = false;

	if (!sled_ledger_record_known(store->ledger, record->id, &known, err))
		return false;
	if (known)
		return true;
	list =
	    realloc(store->spooled, (store->spooled_len + 1) * sizeof(*list));
	if (list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "spooled messages");
	store->spooled = list;
	list[store->spooled_len] =
	    (struct sled_spooled){ .maildrop = u->whose.maildrop,
		                   .listed = record->listed };
	memcpy(list[store->spooled_len].uid, record->uid, sizeof(record->uid));
	store->spooled_len++;
	return true;
}

/* A folder with spools: the visits', or what was salvaged from one file. */
struct folder {
	struct sled_store *store;
	int dir;
	const char *name; /* below the state folder */
	unsigned flags;
};

/* One that was cut before its header is empty; a damaged one is kept aside. */
static bool
leave_spool(const struct folder *folder, const char *name,
            const struct sled_err *why, struct sled_err *err)
{
	const struct sled_sys *sys = folder->store->sys;
	char aside[SLED_SPOOL_NAME + 16];
	int done;

	(void)snprintf(aside, sizeof(aside), "%.63s.damaged", name);
	if (why->kind == SLED_ERR_MISSING) {
		done = sys->unlinkat(sys->ctx, folder->dir, name, 0);
	} else {
		sled_store_say(folder->store, "%s; kept as %s/%s/%s", why->text,
		               folder->store->state, folder->name, aside);
		done = sys->renameat(sys->ctx, folder->dir, name, folder->dir,
		                     aside);
	}
	if (done == -1)
		return sled_fail_sys(err, errno, "set %s aside", name);
	return sled_dir_sync(sys, folder->dir, name, err);
}

static bool
is_spool(const char *name)
{
	size_t len = strlen(name);

	return len > 6 && strcmp(name + len - 6, ".spool") == 0;
}

/* It could not be emptied. For want of room: what it holds counts as known.
 * Because a record cannot be read: it has given all others, and is tried again
 * at each start. */
static bool
keep_spool(struct unspool *u, const char *name, const struct sled_err *why,
           struct sled_err *err)
{
	unsigned torn = 0;

	sled_store_say(u->store, "%s: %s; the spool is kept", name, why->text);
	if (why->kind == SLED_ERR_PLACE)
		return sled_spool_scan(u->spool, note_spooled, u, &torn, err);
	if (why->kind == SLED_ERR_IO && !u->commit_failed)
		return true;
	*err = *why;
	return false;
}

static bool
recover_spool(const struct folder *folder, const char *name,
              struct sled_err *err)
{
	struct unspool u = { .store = folder->store, .flags = folder->flags };
	struct sled_err why = { 0 };
	bool ok;

	if (!sled_spool_open(&u.spool, &u.whose.owner, u.store->sys,
	                     folder->dir, name, &why)) {
		if (why.kind == SLED_ERR_MISSING ||
		    why.kind == SLED_ERR_DAMAGED)
			return leave_spool(folder, name, &why, err);
		*err = why;
		return false;
	}
	if (unspool(&u, &why))
		return sled_spool_finish(&u.spool, err);
	ok = keep_spool(&u, name, &why, err);
	sled_spool_close(&u.spool);
	return ok;
}

static bool
recover_folder(const struct folder *folder, bool *empty, struct sled_err *err)
{
	const struct sled_sys *sys = folder->store->sys;
	struct sled_buf names = { 0 };
	bool ok = sled_dir_list(&names, sys, folder->dir, ".", err);

	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		if (is_spool(names.data + at))
			ok = recover_spool(folder, names.data + at, err);
	names.len = 0;
	ok = ok && sled_dir_list(&names, sys, folder->dir, ".", err);
	*empty = names.len == 0;
	sled_buf_free(&names);
	return ok;
}

/* Was it taken from a file that has not been set aside yet? Its place is not
 * there: it will be salvaged anew, and must not come in twice. */
static bool
is_early(const struct sled_store *store, const char *name)
{
	for (size_t i = 0; i < store->len; i++)
		if (store->seats[i].id[0] != '\0' &&
		    strncmp(name, store->seats[i].id, SLED_PLACE_ID - 1) == 0)
			return !sled_seat_usable(&store->seats[i]);
	return false;
}

static bool
recover_salvaged(struct sled_store *store, const char *name,
                 struct sled_err *err)
{
	struct folder folder = { store, -1, name,
		                 SLED_MESSAGE_REBUILT | SLED_MESSAGE_UNSEEN };
	const struct sled_sys *sys = store->sys;
	bool empty = false, ok;

	if (is_early(store, name + strlen(SLED_SALVAGE) + 1))
		return true;
	if (!sled_dir_open(&folder.dir, sys, store->state_dir, name, err))
		return false;
	ok = recover_folder(&folder, &empty, err);
	(void)sys->close(sys->ctx, folder.dir);
	if (ok && empty)
		(void)sys->unlinkat(sys->ctx, store->state_dir, name,
		                    AT_REMOVEDIR);
	return ok;
}

static bool
recover_all_salvaged(struct sled_store *store, struct sled_err *err)
{
	struct sled_buf names = { 0 };
	char name[SLED_SALVAGE_NAME];
	bool ok = sled_dir_list(&names, store->sys, store->state_dir,
	                        SLED_SALVAGE, err);

	if (!ok && err->kind == SLED_ERR_MISSING) {
		*err = (struct sled_err){ 0 };
		return true;
	}
	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1) {
		(void)snprintf(name, sizeof(name), SLED_SALVAGE "/%s",
		               names.data + at);
		ok = recover_salvaged(store, name, err);
	}
	sled_buf_free(&names);
	return ok;
}

bool
sled_recover_spools(struct sled_store *store, struct sled_err *err)
{
	const struct folder visits = { store, store->spool_dir, "spool", 0 };
	bool empty = false;

	return recover_folder(&visits, &empty, err) &&
	       recover_all_salvaged(store, err);
}
