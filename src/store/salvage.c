/*
 * salvage.c - a copy that went another way: what only it has goes to a spool
 * of its own, which rule 3 of the recovery commits like any interrupted visit.
 * Nothing of the copy is changed; it is set aside when this returned true.
 */
#include <string.h>

#include "store/store.h"

struct salvage {
	struct sled_store *store;
	struct sled_spool *spool;
	struct sled_spool_owner owner;
	char server[256], user[256], label[25];
	bool wanted; /* the message that is coming is in no archive of ours */
	uint64_t saved;
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
	s->wanted = !known;
	if (known)
		return true;
	if (s->spool == NULL &&
	    !sled_spool_create(&s->spool, s->store->sys, s->store->spool_dir,
	                       &s->owner, err))
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
	return sled_spool_end(s->spool, &receipt->sha256, &record, err);
}

static bool
walk(struct salvage *s, struct sled_reading *reading, struct sled_err *err)
{
	const struct sled_member_visitor visitor = {
		s, on_volume, NULL, on_begin, on_data, on_end,
	};
	struct sled_member_sum sum;
	uint64_t at = 0;
	unsigned seq = 1;

	while (at < reading->source.size && seq > 0) {
		if (!sled_member_check(&reading->source, at, &visitor, &sum,
		                       &seq, err))
			break;
		at += sum.length;
	}
	if (s->spool == NULL)
		return err->kind == SLED_ERR_NONE ||
		       err->kind == SLED_ERR_DAMAGED;
	if (err->kind == SLED_ERR_DAMAGED)
		*err = (struct sled_err){ 0 };
	return err->kind == SLED_ERR_NONE && sled_spool_abort(s->spool, err) &&
	       sled_spool_sync(s->spool, err);
}

bool
sled_salvage(struct sled_store *store, struct sled_place *place,
             const struct sled_volume_row *volume, struct sled_err *err)
{
	struct salvage s = { .store = store };
	struct sled_reading reading;
	char file[SLED_VOLUME_FILE];
	bool ok;

	sled_volume_file(file, volume->name, true);
	if (!sled_reading_open(&reading, place, volume->label, file, false,
	                       err))
		return false;
	ok = walk(&s, &reading, err);
	sled_reading_close(&reading);
	sled_spool_close(&s.spool);
	if (ok && s.saved > 0)
		sled_store_say(store,
		               "%s/%s/%s: %llu messages that only this copy "
		               "has are taken over",
		               place->path, volume->label, file,
		               (unsigned long long)s.saved);
	if (ok)
		*err = (struct sled_err){ 0 };
	return ok;
}
