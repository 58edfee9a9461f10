/*
 * recover.c - every start of a writer, in this order (STORE.md, Recovery):
 *   1  the ledger is missing: all rows come from receipts and journal, from
 *      the union of the places that can be reached
 *   2  bytes behind the committed end: whole members are adopted, the rest is
 *      kept in quarantine and cut
 *      a file shorter than its committed end: the missing range comes from a
 *      copy; else its rows are dropped, and it is said
 *      copies: what they lack is appended and read back; one that differs is
 *      salvaged, set aside and made anew
 *   3  spools: a record that stands in a receipt is done; whole ones are
 *      committed; torn ones are dropped
 * Each step may be cut off and run again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/store.h"

#define BATCH 2048 /* records committed at once */

/* ---- 2: the first place's volumes ---- */

static bool
first_size(struct sled_store *store, const struct sled_volume_row *volume,
           uint64_t *size, struct sled_err *err)
{
	char file[SLED_VOLUME_FILE];
	bool there = false;

	sled_volume_file(file, volume->name, true);
	return sled_place_size(sled_store_first(store), volume->label, file,
	                       size, &there, err);
}

static bool
append_member(struct sled_store *store, struct sled_reading *from,
              const struct sled_volume_row *volume, uint64_t at,
              uint64_t length, struct sled_err *err)
{
	struct sled_append append;
	char file[SLED_VOLUME_FILE], chunk[32768];
	bool ok = true;

	sled_volume_file(file, volume->name, true);
	if (!sled_append_begin(&append, sled_store_first(store), volume->label,
	                       file, at, err))
		return false;
	while (ok && append.end < at + length) {
		uint64_t left = at + length - append.end;
		size_t got = 0;

		ok = sled_file_read(&from->file, chunk,
		                    left < sizeof(chunk) ? (size_t)left
		                                         : sizeof(chunk),
		                    append.end, &got, err);
		if (ok && got == 0)
			ok = sled_fail(err, SLED_ERR_DAMAGED, "%s is cut off",
			               from->name);
		ok = ok && sled_append_write(&append, chunk, got, err);
	}
	if (ok && sled_append_commit(&append, err))
		return true;
	sled_append_abort(&append);
	return false;
}

/* Append to the first place each member of READING from SIZE on that holds. */
static bool
pull_members(struct sled_store *store, struct sled_reading *reading,
             const struct sled_volume_row *volume, uint64_t *size,
             struct sled_err *err)
{
	const struct sled_member_visitor none = { 0 };
	struct sled_member_sum sum;
	unsigned seq = 0;

	while (*size < reading->source.size) {
		struct sled_err why = { 0 };

		if (!sled_member_check(&reading->source, *size, &none, &sum,
		                       &seq, &why))
			return true;
		if (!append_member(store, reading, volume, *size, sum.length,
		                   err))
			return false;
		*size += sum.length;
	}
	return true;
}

/* Where the last member that ends within SIZE ends. */
static bool
last_boundary(struct sled_store *store, const struct sled_volume_row *volume,
              uint64_t size, uint64_t *boundary, struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok = sled_volume_extents(store, volume->id, 0, &rows, &len, err);

	*boundary = 0;
	for (size_t i = 0; ok && i < len; i++)
		if (rows[i].at + rows[i].length <= size)
			*boundary = rows[i].at + rows[i].length;
	free(rows);
	return ok;
}

static bool
cut_first(struct sled_store *store, const struct sled_volume_row *volume,
          uint64_t at, struct sled_err *err)
{
	struct sled_place *first = sled_store_first(store);
	char file[SLED_VOLUME_FILE];

	sled_volume_file(file, volume->name, true);
	sled_store_say(store,
	               "%s/%s: what lies behind byte %llu is no whole "
	               "member; it is kept in quarantine",
	               volume->label, file, (unsigned long long)at);
	if (sled_place_quarantine_tail(first, volume->label, file, at, err))
		return true;
	if (err->kind != SLED_ERR_PLACE || first->out)
		return false;
	/* No room to keep it; its messages are in the spool or on the server */
	*err = (struct sled_err){ 0 };
	sled_append_undo(first, volume->label, file, at);
	if (!first->out)
		return true;
	*err = first->why;
	return false;
}

/* Take from the copies what the first place lacks of this volume. */
static bool
pull(struct sled_store *store, const struct sled_volume_row *volume,
     uint64_t *size, struct sled_err *err)
{
	char file[SLED_VOLUME_FILE];

	sled_volume_file(file, volume->name, true);
	for (size_t i = 1; i < store->len; i++) {
		struct sled_seat *seat = &store->seats[i];
		struct sled_reading reading;
		struct sled_err why = { 0 };
		uint64_t there_size = 0;
		bool there = false, ok;

		if (!sled_seat_usable(seat) ||
		    !sled_place_size(&seat->place, volume->label, file,
		                     &there_size, &there, &why) ||
		    there_size <= *size ||
		    !sled_reading_open(&reading, &seat->place, volume->label,
		                       file, false, &why))
			continue;
		ok = pull_members(store, &reading, volume, size, err);
		sled_reading_close(&reading);
		if (!ok)
			return false;
	}
	return true;
}

/* Rows of members that no place has any more. */
static bool
drop_rows(struct sled_store *store, struct sled_volume_row *volume,
          uint64_t size, struct sled_err *err)
{
	sled_store_say(store,
	               "%s/%s: %llu bytes are lost in every place that can be "
	               "reached; run `mailsled repair` when others are back",
	               volume->label, volume->name,
	               (unsigned long long)(volume->end - size));
	if (!sled_ledger_volume_forget(store->ledger, volume->id, err))
		return false;
	volume->id = 0;
	volume->end = 0;
	volume->receipts = 0;
	return true;
}

static bool
recover_volume(struct sled_store *store, struct sled_volume_row *volume,
               struct sled_err *err)
{
	uint64_t size = 0, boundary = 0;

	if (!first_size(store, volume, &size, err))
		return false;
	if (size < volume->end) {
		if (!last_boundary(store, volume, size, &boundary, err) ||
		    (boundary < size &&
		     !cut_first(store, volume, boundary, err)))
			return false;
		size = boundary;
	}
	if (size == volume->end || size == 0 || size < volume->end)
		if (!pull(store, volume, &size, err))
			return false;
	if (size < volume->end && !drop_rows(store, volume, size, err))
		return false;
	if (size > volume->end && !sled_adopt(store, volume, size, err))
		return false;
	if (size == volume->end)
		return true;
	if (!cut_first(store, volume, volume->end, err))
		return false;
	size = volume->end;
	return pull(store, volume, &size, err) &&
	       (size == volume->end || sled_adopt(store, volume, size, err));
}

/* ---- which volumes there are: the union of ledger and places ---- */

struct names {
	struct sled_buf list; /* "label/name" each, NUL-ended */
};

static bool
add_name(struct names *names, const char *label, const char *volume,
         struct sled_err *err)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/%s", label, volume);
	for (size_t at = 0; at < names->list.len;
	     at += strlen(names->list.data + at) + 1)
		if (strcmp(names->list.data + at, name) == 0)
			return true;
	return sled_buf_add(&names->list, name, strlen(name) + 1, err);
}

static bool
add_row(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	return add_name(ctx, row->label, row->name, err);
}

static bool
is_label(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return name[len] == '\0' && len > 0 && len <= SLED_LABEL_MAX &&
	       name[0] != '.' && name[0] != '_' && name[0] != '-' &&
	       strcmp(name, "journal") != 0;
}

static bool
add_folder(struct names *names, struct sled_place *place, const char *label,
           struct sled_err *err)
{
	struct sled_buf files = { 0 };
	char volume[SLED_VOLUME_NAME];
	bool ok = true, open = false;

	if (!sled_dir_list(&files, place->sys, place->dir, label, err)) {
		if (err->sys != ENOTDIR && err->kind != SLED_ERR_MISSING)
			return false;
		*err = (struct sled_err){ 0 };
		return true;
	}
	for (size_t at = 0; ok && at < files.len;
	     at += strlen(files.data + at) + 1)
		if (sled_volume_file_parse(files.data + at, volume, &open) &&
		    open)
			ok = add_name(names, label, volume, err);
	sled_buf_free(&files);
	return ok;
}

static bool
add_folders(struct names *names, struct sled_place *place, struct sled_err *err)
{
	struct sled_buf labels = { 0 };
	bool ok = sled_dir_list(&labels, place->sys, place->dir, ".", err);

	for (size_t at = 0; ok && at < labels.len;
	     at += strlen(labels.data + at) + 1)
		if (is_label(labels.data + at))
			ok = add_folder(names, place, labels.data + at, err);
	sled_buf_free(&labels);
	return ok;
}

/* What cannot be listed is not nothing: the first place must be, a copy is out.
 */
static bool
add_place(struct names *names, struct sled_store *store, size_t i,
          struct sled_err *err)
{
	struct sled_seat *seat = &store->seats[i];
	struct sled_err why = { 0 };

	if (add_folders(names, &seat->place, &why))
		return true;
	if (i == 0 || why.kind == SLED_ERR_NOMEM) {
		*err = why;
		return sled_note(err, "%s", seat->place.path);
	}
	sled_seat_out(seat, &why);
	sled_store_say(store, "%s: %s", seat->place.path, why.text);
	return true;
}

struct lookup {
	const char *name;
	struct sled_volume_row row;
};

static bool
take_row(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct lookup *lookup = ctx;

	(void)err;
	if (strcmp(row->name, lookup->name) == 0)
		lookup->row = *row;
	return true;
}

static bool
recover_named(struct sled_store *store, char *name, struct sled_err *err)
{
	char *slash = strchr(name, '/');
	struct lookup lookup = { slash + 1, { 0 } };
	bool ok;

	*slash = '\0';
	(void)snprintf(lookup.row.label, sizeof(lookup.row.label), "%.24s",
	               name);
	(void)snprintf(lookup.row.name, sizeof(lookup.row.name), "%.15s",
	               slash + 1);
	ok = sled_ledger_volumes(store->ledger, name, take_row, &lookup, err) &&
	     recover_volume(store, &lookup.row, err);
	*slash = '/';
	return ok;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order of name, so that receipts of gone messages find their rows. */
static bool
recover_names(struct sled_store *store, struct names *names,
              struct sled_err *err)
{
	size_t len = 0, at = 0;
	char **list;
	bool ok = true;

	for (size_t i = 0; i < names->list.len; i++)
		len += names->list.data[i] == '\0';
	list = calloc(len + 1, sizeof(*list));
	if (list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	for (size_t i = 0; i < len; i++) {
		list[i] = names->list.data + at;
		at += strlen(list[i]) + 1;
	}
	qsort(list, len, sizeof(*list), by_name);
	for (size_t i = 0; ok && i < len; i++)
		ok = recover_named(store, list[i], err);
	free(list);
	return ok;
}

static bool
recover_volumes(struct sled_store *store, struct sled_err *err)
{
	struct names names = { { 0 } };
	bool ok =
	    sled_ledger_volumes(store->ledger, NULL, add_row, &names, err);

	for (size_t i = 0; ok && i < store->len; i++)
		if (sled_seat_usable(&store->seats[i]))
			ok = add_place(&names, store, i, err);
	ok = ok && recover_names(store, &names, err);
	sled_buf_free(&names.list);
	return ok;
}

struct volumes {
	struct sled_volume_row *rows;
	size_t len;
	bool full;
};

static bool
collect_volume(void *ctx, const struct sled_volume_row *row,
               struct sled_err *err)
{
	struct volumes *volumes = ctx;
	struct sled_volume_row *rows =
	    realloc(volumes->rows, (volumes->len + 1) * sizeof(*volumes->rows));

	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	volumes->rows = rows;
	rows[volumes->len++] = *row;
	return true;
}

bool
sled_recover_copies(struct sled_store *store, uint64_t *octets,
                    struct sled_err *err)
{
	struct volumes volumes = { 0 };
	bool ok = sled_ledger_volumes(store->ledger, NULL, collect_volume,
	                              &volumes, err);

	for (size_t v = 0; ok && v < volumes.len; v++)
		for (size_t i = 1; ok && i < store->len; i++)
			ok = sled_copies_reconcile(store, &store->seats[i],
			                           &volumes.rows[v], octets,
			                           err);
	free(volumes.rows);
	return ok;
}

/* ---- 3: spools ---- */

struct unspool {
	struct sled_store *store;
	struct sled_spool *spool;
	struct sled_whose whose;
	struct sled_maildrop maildrop;
	struct sled_intake *intake;
	struct sled_batch batch;
	uint64_t adopted;
};

static bool
commit_batch(struct unspool *u, struct sled_err *err)
{
	bool ok = sled_commit(u->store, &u->whose, u->spool, u->batch.list,
	                      u->batch.len, err);

	if (ok)
		u->adopted += u->batch.len;
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

static bool
on_record(void *ctx, const struct sled_record *record, struct sled_err *err)
{
	struct unspool *u = ctx;
	struct sled_digest digest;
	unsigned flags = record->uid[0] == '\0' ? SLED_MESSAGE_NOID : 0;
	bool known = false;

	if (!sled_ledger_record_known(u->store->ledger, record->id, &known,
	                              err))
		return false;
	if (known)
		return true;
	if (!digest_record(u, record, &digest, err))
		return false;
	if (sled_box_is_short(&u->maildrop, record->octets, record->listed))
		flags |= SLED_MESSAGE_SHORT;
	if (!sled_batch_add(&u->batch, record, &digest, flags, SIZE_MAX, err))
		return false;
	return u->batch.len < BATCH || commit_batch(u, err);
}

static bool
unspool(struct unspool *u, struct sled_err *err)
{
	unsigned torn = 0;
	bool ok =
	    sled_ledger_maildrop(u->store->ledger, u->whose.owner.server,
	                         u->whose.owner.user, &u->maildrop, err) &&
	    sled_intake_new(&u->intake, err);

	u->whose.maildrop = u->maildrop.id;
	ok = ok && sled_spool_scan(u->spool, on_record, u, &torn, err) &&
	     commit_batch(u, err);
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

/* One that was cut before its header is empty; a damaged one is kept aside. */
static bool
leave_spool(struct sled_store *store, const char *name,
            const struct sled_err *why, struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	char aside[SLED_SPOOL_NAME + 16];
	int done;

	(void)snprintf(aside, sizeof(aside), "%.63s.damaged", name);
	if (why->kind == SLED_ERR_DAMAGED)
		sled_store_say(store, "%s; kept as %s/spool/%s", why->text,
		               store->state, aside);
	done = why->kind == SLED_ERR_DAMAGED
	           ? sys->renameat(sys->ctx, store->spool_dir, name,
	                           store->spool_dir, aside)
	           : sys->unlinkat(sys->ctx, store->spool_dir, name, 0);
	if (done == -1)
		return sled_fail_sys(err, errno, "set %s aside", name);
	return sled_dir_sync(sys, store->spool_dir, name, err);
}

static bool
is_spool(const char *name)
{
	size_t len = strlen(name);

	return len > 6 && strcmp(name + len - 6, ".spool") == 0;
}

/* A spool that cannot be emptied now stays; what it holds counts as known. */
static bool
recover_spool(struct sled_store *store, const char *name, struct sled_err *err)
{
	struct unspool u = { .store = store };
	struct sled_err why = { 0 };
	unsigned torn = 0;
	bool done;

	if (!sled_spool_open(&u.spool, &u.whose.owner, store->sys,
	                     store->spool_dir, name, &why)) {
		if (why.kind == SLED_ERR_MISSING ||
		    why.kind == SLED_ERR_DAMAGED)
			return leave_spool(store, name, &why, err);
		*err = why;
		return false;
	}
	if (unspool(&u, &why))
		return sled_spool_finish(&u.spool, err);
	sled_store_say(store, "%s: %s; the spool is kept", name, why.text);
	if (why.kind != SLED_ERR_PLACE) {
		sled_spool_close(&u.spool);
		*err = why;
		return false;
	}
	done = sled_spool_scan(u.spool, note_spooled, &u, &torn, err);
	sled_spool_close(&u.spool);
	return done;
}

static bool
recover_spools(struct sled_store *store, struct sled_err *err)
{
	struct sled_buf names = { 0 };
	bool ok = sled_dir_list(&names, store->sys, store->spool_dir, ".", err);

	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		if (is_spool(names.data + at))
			ok = recover_spool(store, names.data + at, err);
	sled_buf_free(&names);
	return ok;
}

bool
sled_recover(struct sled_store *store, struct sled_err *err)
{
	uint64_t octets = 0;

	return recover_volumes(store, err) &&
	       sled_recover_copies(store, &octets, err) &&
	       recover_spools(store, err);
}
