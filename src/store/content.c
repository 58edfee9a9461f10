/*
 * content.c - every stored message read once, and the hash of its body held
 * against its DKIM-Signature fields again. A member is taken from the first
 * place where it holds, and nothing of it is told before it was proved whole.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/store.h"

struct told {
	struct sled_content content;
	char domain[SLED_BODYHASH_DOMAIN];
};

struct walk {
	struct sled_store *store;
	struct sled_bodyhash *body;
	const struct sled_content_reader *reader;
	struct sled_content_report *report;
	uint64_t done, total;
	/* The volume at hand. */
	const struct sled_volume_row *volume;
	struct sled_member_row *members;
	bool *read; /* one a member */
	size_t members_len;
	/* The messages of the member at hand. */
	struct told *list;
	size_t len, cap;
};

/* ---- one member ---- */

static bool
on_begin(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
         struct sled_err *err)
{
	struct walk *w = ctx;
	size_t cap = w->cap == 0 ? 64 : w->cap * 2;
	struct told *list;

	(void)receipt;
	(void)tar_at;
	sled_bodyhash_begin(w->body);
	if (w->len < w->cap)
		return true;
	list = reallocarray(w->list, cap, sizeof(*list));
	if (list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "messages");
	w->list = list;
	w->cap = cap;
	return true;
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct walk *w = ctx;

	(void)err;
	sled_bodyhash_feed(w->body, (struct sled_span){ data, len });
	return true;
}

static bool
on_end(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct walk *w = ctx;
	struct sled_bodyhash_found found = sled_bodyhash_end(w->body);
	struct told *told = &w->list[w->len++];
	uint64_t number = receipt->number;
	bool known = false;

	if (!sled_ledger_record_number(w->store->ledger, receipt->record,
	                               &number, &known, err))
		return false;
	told->content = (struct sled_content){ .label = w->volume->label,
		                               .number = number,
		                               .sha256 = receipt->sha256,
		                               .outcome = found.outcome };
	(void)snprintf(told->domain, sizeof(told->domain), "%s", found.domain);
	return true;
}

static bool
read_member(struct walk *w, struct sled_reading *reading,
            const struct sled_member_row *row, struct sled_err *err)
{
	const struct sled_member_visitor visitor = {
		w, NULL, NULL, on_begin, on_data, on_end
	};
	struct sled_member_sum sum;
	unsigned seq = 0;

	w->len = 0;
	if (!sled_member_check(&reading->source, row->at, &visitor, &sum, &seq,
	                       err))
		return false;
	return (sum.length == row->length &&
	        sled_hash_equal(&sum.body_sha256, &row->body_sha256)) ||
	       sled_fail(err, SLED_ERR_DAMAGED,
	                 "other bytes than the ledger's");
}

static bool
tell_messages(struct walk *w, struct sled_err *err)
{
	for (size_t i = 0; i < w->len; i++) {
		struct told *told = &w->list[i];

		told->content.domain = told->domain;
		w->report->messages[told->content.outcome]++;
		if (!w->reader->message(w->reader->ctx, &told->content, err))
			return false;
	}
	return true;
}

static void
tell_member(struct walk *w, const struct sled_seat *seat,
            const struct sled_member_row *row, const char *fault)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/%s", w->volume->label,
	               w->volume->name);
	w->done += row->length;
	if (w->total < w->done) /* it was read more than once */
		w->total = w->done;
	if (fault != NULL)
		w->report->damaged++;
	w->reader->fault(w->reader->fault_ctx, seat->place.path, name, row->at,
	                 fault, w->done, w->total);
}

/* ---- one volume ---- */

/* The members that no earlier seat gave. */
static bool
read_members(struct walk *w, struct sled_seat *seat,
             struct sled_reading *reading, struct sled_err *err)
{
	bool doubted = false;

	for (size_t i = 0; i < w->members_len; i++) {
		struct sled_err why = { 0 };

		if (w->read[i])
			continue;
		w->read[i] = read_member(w, reading, &w->members[i], &why);
		if (w->read[i] && !tell_messages(w, err))
			return false;
		if (!w->read[i] && why.kind == SLED_ERR_NOMEM) {
			*err = why;
			return false;
		}
		if (!w->read[i] && !doubted) {
			sled_doubt_note(w->store, seat);
			doubted = true;
		}
		tell_member(w, seat, &w->members[i],
		            w->read[i] ? NULL : why.text);
	}
	return true;
}

static bool
read_seat(struct walk *w, struct sled_seat *seat, struct sled_err *err)
{
	struct sled_reading reading;
	struct sled_err why = { 0 };
	bool ok;

	if (!sled_seat_read(&reading, seat, w->volume, true, &why))
		return true; /* sled_store_verify() tells it */
	ok = read_members(w, seat, &reading, err);
	sled_reading_close(&reading);
	return ok;
}

static uint64_t
count_unread(const struct walk *w)
{
	uint64_t unread = 0;

	for (size_t i = 0; i < w->members_len; i++)
		unread += w->read[i] ? 0 : 1;
	return unread;
}

static bool
read_seats(struct walk *w, struct sled_err *err)
{
	struct sled_store *store = w->store;

	for (size_t i = 0; i < store->len && count_unread(w) > 0; i++)
		if (store->seats[i].present &&
		    !read_seat(w, &store->seats[i], err))
			return false;
	w->report->unread += count_unread(w);
	return true;
}

static bool
read_volume(struct walk *w, const struct sled_volume_row *volume,
            struct sled_err *err)
{
	bool ok;

	w->volume = volume;
	if (!sled_volume_extents(w->store, volume->id, 0, &w->members,
	                         &w->members_len, err))
		return false;
	w->read = calloc(w->members_len + 1, sizeof(*w->read));
	ok = w->read != NULL ? read_seats(w, err)
	                     : sled_fail(err, SLED_ERR_NOMEM, "members");
	free(w->read);
	free(w->members);
	w->read = NULL;
	w->members = NULL;
	return ok;
}

/* ---- all ---- */

struct volumes {
	struct sled_volume_row *list;
	size_t len, cap;
	uint64_t octets;
};

/* A reader may look into the ledger: the walk is not one of the ledger's. */
static bool
keep_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct volumes *volumes = ctx;
	size_t cap = volumes->cap == 0 ? 16 : volumes->cap * 2;
	struct sled_volume_row *list;

	if (volumes->len == volumes->cap) {
		list = reallocarray(volumes->list, cap, sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "volumes");
		volumes->list = list;
		volumes->cap = cap;
	}
	volumes->list[volumes->len++] = *row;
	volumes->octets += row->end;
	return true;
}

bool
sled_store_content(struct sled_store *store,
                   const struct sled_content_reader *reader,
                   struct sled_content_report *out, struct sled_err *err)
{
	struct walk w = { .store = store, .reader = reader, .report = out };
	struct volumes volumes = { 0 };
	bool ok;

	*out = (struct sled_content_report){ 0 };
	ok = sled_bodyhash_new(&w.body, err) &&
	     sled_ledger_volumes(store->ledger, NULL, keep_volume, &volumes,
	                         err);
	w.total = volumes.octets;
	for (size_t i = 0; ok && i < volumes.len; i++)
		ok = read_volume(&w, &volumes.list[i], err);
	free(volumes.list);
	free(w.list);
	sled_bodyhash_free(&w.body);
	return ok;
}
