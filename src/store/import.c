/*
 * import.c - mail that no visit brought: from other programs' mailboxes, or
 * from another store's archives. It goes the way of a visit's: spool, member,
 * read back, copies, ledger (commit.c has those states).
 *
 * States of a batch of messages
 *   I0  nothing, or a record begun      torn: dropped by the next start
 *   I1  whole in a spool below salvage/ the next start commits it
 *   I2  committed                       the ledger has the rows
 *   I3  the spool is unlinked           the next batch has a spool of its own
 * Whatever cut it off, the same source is gone through again [R5]: what the
 * account has, counted by hash, is passed over.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/tally.h"
#include "mailsled/text.h"
#include "store/store.h"

#define FOLDER       SLED_SALVAGE "/brought"
#define BATCH        1024        /* messages committed at once */
#define BATCH_OCTETS (16u << 20) /* of them, about */
#define HASH_IN_UID  32          /* hex digits */

struct sled_import {
	struct sled_store *store;
	struct sled_whose whose;
	char *names; /* label, server, user: owned */
	struct sled_intake *intake;
	struct sled_tally met; /* in this source */
	struct sled_spool *spool;
	int dir;
	struct sled_batch batch;
	uint64_t batch_octets;
	struct sled_hash expected; /* of the message that is on its way in */
	unsigned flags, current;   /* of all messages; of this one */
	struct sled_import_sums sums;
};

unsigned
sled_import_flags(const struct sled_spool_owner *owner, unsigned flags)
{
	return strcmp(owner->server, SLED_IMPORTED) == 0 ? SLED_MESSAGE_IMPORTED
	                                                 : flags;
}

/* ---- open ---- */

static bool
open_folder(struct sled_import *import, struct sled_err *err)
{
	struct sled_store *store = import->store;

	return sled_dir_make(store->sys, store->state_dir, SLED_SALVAGE, 0700,
	                     err) &&
	       sled_dir_make(store->sys, store->state_dir, FOLDER, 0700, err) &&
	       sled_dir_open(&import->dir, store->sys, store->state_dir, FOLDER,
	                     err);
}

static void
free_import(struct sled_import **import_p)
{
	struct sled_import *import = *import_p;
	const struct sled_sys *sys = import->store->sys;

	sled_batch_free(&import->batch);
	sled_intake_free(&import->intake);
	sled_spool_close(&import->spool);
	sled_tally_free(&import->met);
	if (import->dir != -1)
		(void)sys->close(sys->ctx, import->dir);
	/* Not empty while a spool waits in it. */
	(void)sys->unlinkat(sys->ctx, import->store->state_dir, FOLDER,
	                    AT_REMOVEDIR);
	free(import->names);
	free(import);
	*import_p = NULL;
}

bool
sled_import_open(struct sled_import **out, struct sled_store *store,
                 struct sled_err *err)
{
	struct sled_import *import = calloc(1, sizeof(*import));

	if (import == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "import");
	import->store = store;
	import->dir = -1;
	import->sums.unsafe_why = "";
	import->whose.brought = true;
	if (!sled_intake_new(&import->intake, err) ||
	    !open_folder(import, err)) {
		free_import(&import);
		return false;
	}
	*out = import;
	return true;
}

/* ---- is it there? ---- */

struct same {
	const char *label;
	uint64_t rows;
};

static bool
count_same(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct same *same = ctx;

	(void)err;
	same->rows += strcmp(row->label, same->label) == 0;
	return true;
}

/* The Nth message of these bytes is there when the account has N of them, from
 * wherever. Those on their way there were met before it. */
static bool
is_there(struct sled_import *import, const struct sled_hash *hash,
         uint32_t times, bool *there, struct sled_err *err)
{
	struct same same = { import->whose.owner.label, 0 };
	char hex[SLED_HASH_HEX];

	sled_hash_hex(hex, hash);
	if (!sled_ledger_by_prefix(import->store->ledger, hex, count_same,
	                           &same, err))
		return false;
	*there = same.rows >= times;
	return true;
}

/* ---- a batch ---- */

static void
count_batch(struct sled_import *import)
{
	for (size_t i = 0; i < import->batch.len; i++) {
		const struct sled_pending *done = &import->batch.list[i];

		import->sums.added++;
		import->sums.octets += done->record.octets;
		import->sums.unsafe += !done->safe;
	}
	if (import->sums.unsafe > 0)
		import->sums.unsafe_why = sled_store_unsafe_why(import->store);
}

/* I1 to I3. */
static bool
commit_batch(struct sled_import *import, struct sled_err *err)
{
	bool ok = true;

	if (import->batch.len > 0) {
		ok = sled_commit(import->store, &import->whose, import->spool,
		                 import->batch.list, import->batch.len, err);
		if (ok)
			count_batch(import);
		sled_batch_free(&import->batch);
		import->batch_octets = 0;
	}
	if (!ok || import->spool == NULL) {
		sled_spool_close(&import->spool);
		return ok;
	}
	return sled_spool_finish(&import->spool, err) &&
	       sled_volume_turn_if_due(import->store, import->whose.owner.label,
	                               sled_clock_now(), err);
}

static bool
is_whose(const struct sled_import *import, const struct sled_spool_owner *owner)
{
	const struct sled_spool_owner *is = &import->whose.owner;

	return import->names != NULL && strcmp(is->label, owner->label) == 0 &&
	       strcmp(is->server, owner->server) == 0 &&
	       strcmp(is->user, owner->user) == 0;
}

bool
sled_import_whose(struct sled_import *import,
                  const struct sled_spool_owner *owner, struct sled_err *err)
{
	struct sled_maildrop maildrop;

	if (is_whose(import, owner))
		return true;
	if (!commit_batch(import, err))
		return false;
	if (import->names != NULL &&
	    strcmp(import->whose.owner.label, owner->label) != 0)
		sled_tally_free(&import->met);
	if (!sled_whose_keep(&import->whose, &import->names, owner, err) ||
	    !sled_ledger_maildrop(import->store->ledger, owner->server,
	                          owner->user, &maildrop, err))
		return false;
	import->whose.maildrop = maildrop.id;
	import->flags = sled_import_flags(owner, SLED_MESSAGE_REBUILT |
	                                             SLED_MESSAGE_UNSEEN);
	return sled_volume_turn_if_due(import->store, owner->label,
	                               sled_clock_now(), err);
}

/* ---- one message ---- */

/* Unlike any server's, and the same in each run over this source. */
static void
make_uid(char out[SLED_UID_MAX + 1], const struct sled_hash *hash,
         uint32_t times)
{
	char hex[SLED_HASH_HEX];

	sled_hash_hex(hex, hash);
	(void)snprintf(out, SLED_UID_MAX + 1, "import-%.*s-%lu", HASH_IN_UID,
	               hex, (unsigned long)times);
}

static bool
begin_record(struct sled_import *import, const struct sled_incoming *incoming,
             uint32_t times, struct sled_err *err)
{
	int64_t now = sled_clock_now(), received = incoming->received;
	char uid[SLED_UID_MAX + 1];

	if (!sled_store_has_room(import->store, incoming->octets)) {
		(void)sled_fail(err, SLED_ERR_PLACE, "%s: no room for it",
		                import->store->conf.path);
		return sled_hint(err, "make room there, then run it again: it "
		                      "goes on where it was");
	}
	if (import->spool == NULL &&
	    !sled_spool_create(&import->spool, import->store->sys, import->dir,
	                       &import->whose.owner, err))
		return false;
	if (incoming->uid == NULL)
		make_uid(uid, &incoming->sha256, times);
	else
		(void)snprintf(uid, sizeof(uid), "%s", incoming->uid);
	if (received > now)
		received = now;
	import->expected = incoming->sha256;
	import->current =
	    import->flags | (uid[0] == '\0' ? SLED_MESSAGE_NOID : 0U);
	sled_intake_begin(import->intake);
	return sled_spool_begin(import->spool, uid, incoming->listed,
	                        received < 0 ? 0 : received, err);
}

bool
sled_import_begin(struct sled_import *import,
                  const struct sled_incoming *incoming, bool *wanted,
                  struct sled_err *err)
{
	uint32_t times = 0;
	bool there = false;

	*wanted = false;
	if (!sled_tally_count(&import->met, &incoming->sha256, &times, err) ||
	    !is_there(import, &incoming->sha256, times, &there, err))
		return false;
	if (there) {
		import->sums.present++;
		return true;
	}
	*wanted = true;
	return begin_record(import, incoming, times, err);
}

bool
sled_import_data(struct sled_import *import, struct sled_span bytes,
                 struct sled_err *err)
{
	return sled_intake_feed(import->intake, bytes, err) &&
	       sled_spool_append(import->spool, bytes.data, bytes.len, err);
}

bool
sled_import_end(struct sled_import *import, struct sled_err *err)
{
	struct sled_digest digest = sled_intake_end(import->intake);
	struct sled_record record;

	if (!sled_hash_equal(&digest.sha256, &import->expected)) {
		if (!sled_import_drop(import, err))
			return false;
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "other bytes than were expected");
	}
	if (!sled_spool_end(import->spool, &digest.sha256, &record, err) ||
	    !sled_batch_add(&import->batch, &record, &digest, import->current,
	                    SIZE_MAX, err))
		return false;
	import->batch_octets += record.octets;
	return (import->batch.len < BATCH &&
	        import->batch_octets < BATCH_OCTETS) ||
	       commit_batch(import, err);
}

bool
sled_import_drop(struct sled_import *import, struct sled_err *err)
{
	sled_tally_back(&import->met, &import->expected);
	return sled_spool_abort(import->spool, err);
}

struct sled_import_sums
sled_import_sums(const struct sled_import *import)
{
	return import->sums;
}

bool
sled_import_close(struct sled_import **import_p, bool flush,
                  struct sled_import_sums *sums, struct sled_err *err)
{
	struct sled_import *import = *import_p;
	bool ok = true;

	if (import == NULL)
		return true;
	if (flush)
		ok = commit_batch(import, err);
	*sums = import->sums;
	free_import(import_p);
	return ok;
}
