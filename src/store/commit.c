/*
 * commit.c - from the spool into every place; STORE.md's c1 to c6.
 *
 * States of one commit
 *   C0  messages whole in the spool               kill -9 loses nothing
 *   C1  spool synced                              nor does a power cut  [C1]
 *   C2  members behind the first place's committed end, unsynced:
 *       recovery adopts those that are whole and cuts the rest
 *   C3  synced there                                                    [C3]
 *   C4  read from the disk again, inflated, every message's SHA-256
 *       equal to the spool's                                       [C2][C4]
 *   C5  the same bytes in the copies, read back                         [C5]
 *   C6  the ledger's transaction is committed: the messages are ours    [C6]
 * Until C6 a crash leaves the spool, and each of C2 to C5 is adopted by the
 * next start without a second copy: receipts name the spool's records.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

struct commit {
	struct sled_store *store;
	const struct sled_whose *whose;
	struct sled_spool *spool;
	struct sled_pending *list;
	size_t len;
	int64_t now;
	uint64_t number; /* of list[0] */
	struct sled_volume_row volume;
	struct sled_volume_info info;
	char file[SLED_VOLUME_FILE];
	struct sled_extent *extents;
	struct sled_member_row *rows; /* one for each extent */
	size_t extents_len;
	struct sled_append append;
	bool *ok; /* one for each seat: it holds all of it */
};

static void
to_receipt(const struct commit *c, size_t i, struct sled_receipt *out)
{
	const struct sled_record *record = &c->list[i].record;

	*out = (struct sled_receipt){ .sha256 = record->sha256,
		                      .octets = record->octets,
		                      .listed = record->listed,
		                      .received = record->received,
		                      .number = c->number + i };
	memcpy(out->uid, record->uid, sizeof(out->uid));
	memcpy(out->record, record->id, sizeof(out->record));
	sled_entry_name(out->entry, c->whose->owner.label, record->received,
	                out->number, &record->sha256);
	if (c->list[i].flags & SLED_MESSAGE_SHORT)
		out->flags |= SLED_RECEIPT_SHORT;
	if (c->list[i].flags & SLED_MESSAGE_NOID)
		out->flags |= SLED_RECEIPT_NOID;
}

/* The journal has them all; a receipts entry has room for so many. */
#define GONE_MAX 20000

struct gone_lines {
	struct sled_buf *text;
	size_t len;
};

static bool
add_gone(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct gone_lines *lines = ctx;
	struct sled_receipt gone = { .sha256 = message->sha256,
		                     .octets = message->octets,
		                     .listed = message->listed,
		                     .received = message->gone,
		                     .number = message->number,
		                     .flags = SLED_RECEIPT_GONE };

	memcpy(gone.uid, message->uid, sizeof(gone.uid));
	memcpy(gone.record, message->record, sizeof(gone.record));
	return lines->len++ >= GONE_MAX ||
	       sled_receipts_add(lines->text, &gone, err);
}

static bool
put_text(struct sled_member *member, const char *name, struct sled_span text,
         int64_t mtime, struct sled_err *err)
{
	struct sled_entry entry = { .size = text.len, .mtime = mtime };

	(void)snprintf(entry.name, sizeof(entry.name), "%s", name);
	return sled_member_entry(member, &entry, err) &&
	       sled_member_data(member, text.data, text.len, err);
}

static bool
put_receipts(struct commit *c, struct sled_member *member,
             const struct sled_extent *extent, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct gone_lines gone = { &text, 0 };
	struct sled_receipt receipt;
	char name[SLED_ENTRY_NAME];
	bool ok = sled_receipts_head(&text, err);

	for (size_t i = 0; ok && i < extent->count; i++) {
		to_receipt(c, extent->first + i, &receipt);
		ok = sled_receipts_add(&text, &receipt, err);
	}
	if (ok && extent == c->extents)
		ok = sled_ledger_gone_untold(c->store->ledger,
		                             c->whose->owner.label, add_gone,
		                             &gone, err);
	sled_receipts_name(name, c->volume.label, c->volume.name,
	                   extent->receipts);
	ok = ok && put_text(member, name, sled_buf_span(&text),
	                    c->list[extent->first].record.received, err);
	sled_buf_free(&text);
	return ok;
}

static bool
put_info(struct commit *c, struct sled_member *member, int64_t mtime,
         struct sled_err *err)
{
	struct sled_buf text = { 0 };
	char name[SLED_ENTRY_NAME];
	bool ok = sled_volume_info_format(&text, &c->info, err);

	sled_volume_info_name(name, c->volume.label, c->volume.name);
	ok = ok && put_text(member, name, sled_buf_span(&text), mtime, err);
	sled_buf_free(&text);
	return ok;
}

static bool
put_message(struct commit *c, struct sled_member *member, size_t i,
            struct sled_err *err)
{
	const struct sled_record *record = &c->list[i].record;
	struct sled_receipt receipt;
	struct sled_entry entry;
	char chunk[32768];
	uint64_t done = 0;

	to_receipt(c, i, &receipt);
	entry.size = record->octets;
	entry.mtime = record->received;
	memcpy(entry.name, receipt.entry, sizeof(entry.name));
	if (!sled_member_entry(member, &entry, err))
		return false;
	while (done < record->octets) {
		uint64_t left = record->octets - done;
		size_t len =
		    left < sizeof(chunk) ? (size_t)left : sizeof(chunk);

		if (!sled_spool_read(c->spool, chunk, len, record->at + done,
		                     err) ||
		    !sled_member_data(member, chunk, len, err))
			return false;
		done += len;
	}
	return true;
}

static bool
write_out(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	return sled_append_write(ctx, data, len, err);
}

static bool
fill_member(struct commit *c, struct sled_member *member,
            struct sled_extent *extent, struct sled_err *err)
{
	int64_t mtime = c->list[extent->first].record.received;

	if (extent->at == 0 && !put_info(c, member, mtime, err))
		return false;
	if (!put_receipts(c, member, extent, err))
		return false;
	for (size_t i = 0; i < extent->count; i++)
		if (!put_message(c, member, extent->first + i, err))
			return false;
	return sled_member_end(member, &extent->sum, err);
}

/* One gzip member behind what was written, its length patched in. */
static bool
write_member(struct commit *c, struct sled_extent *extent, struct sled_err *err)
{
	struct sled_member *member = NULL;
	uint8_t head[SLED_MEMBER_HEAD];
	bool ok;

	extent->at = c->append.end;
	extent->receipts = ++c->volume.receipts;
	ok = sled_member_begin(&member, write_out, &c->append, err) &&
	     fill_member(c, member, extent, err);
	sled_member_free(&member);
	if (!ok)
		return false;
	sled_member_header(head, extent->sum.length);
	return sled_append_patch(&c->append, head, sizeof(head), extent->at,
	                         err);
}

size_t
sled_member_aim(struct sled_store *store)
{
	size_t aim = atomic_load(&store->member_tar);

	return aim == 0 ? SLED_MEMBER_TAR : aim;
}

/* From how these members came out. */
static void
learn_aim(struct commit *c)
{
	uint64_t tar = 0, gzip = 0;
	size_t aim;

	for (size_t i = 0; i < c->extents_len; i++) {
		tar += c->extents[i].sum.tar_octets;
		gzip += c->extents[i].sum.length;
	}
	aim = (size_t)((double)SLED_MEMBER_GZIP * (double)tar / (double)gzip);
	if (aim > SLED_MEMBER_MOST)
		aim = SLED_MEMBER_MOST;
	atomic_store(&c->store->member_tar,
	             aim < SLED_MEMBER_TAR ? SLED_MEMBER_TAR : aim);
}

/* Cut the list into members of about that size, large ones alone. */
static void
plan_members(struct commit *c)
{
	struct sled_extent *last = c->extents;
	size_t tar = 0, aim = sled_member_aim(c->store);

	for (size_t i = 0; i < c->len; i++) {
		uint64_t octets = c->list[i].record.octets;
		bool alone = octets > SLED_MEMBER_ALONE;

		if (i == 0 || alone || tar >= aim) {
			last = &c->extents[c->extents_len++];
			last->first = i;
			tar = 0;
		}
		last->count++;
		tar += alone ? aim : (size_t)octets + 1024;
	}
}

static bool
write_members(struct commit *c, struct sled_err *err)
{
	struct sled_place *first = sled_store_first(c->store);

	if (!sled_append_begin(&c->append, first, c->volume.label, c->file,
	                       c->volume.end, err))
		return false;
	for (size_t i = 0; i < c->extents_len; i++)
		if (!write_member(c, &c->extents[i], err)) {
			sled_append_abort(&c->append);
			return false;
		}
	if (sled_append_commit(&c->append, err))
		return true;
	sled_append_abort(&c->append);
	return false;
}

/* c2 and c4 in one: what is on the disk inflates to what is in the spool. */
static bool
check_members(struct commit *c, struct sled_reading *reading,
              struct sled_err *err)
{
	const struct sled_member_visitor none = { 0 };

	for (size_t i = 0; i < c->extents_len; i++) {
		const struct sled_extent *extent = &c->extents[i];
		struct sled_member_sum sum;
		unsigned seq = 0;

		if (!sled_member_check(&reading->source, extent->at, &none,
		                       &sum, &seq, err))
			return false;
		if (sum.length != extent->sum.length ||
		    seq != extent->receipts ||
		    !sled_hash_equal(&sum.body_sha256,
		                     &extent->sum.body_sha256))
			return sled_fail(err, SLED_ERR_DAMAGED,
			                 "%s: read back other bytes than were "
			                 "written",
			                 reading->name);
	}
	return true;
}

static bool
read_back(struct commit *c, struct sled_err *err)
{
	struct sled_place *first = sled_store_first(c->store);
	struct sled_reading reading;
	bool ok = sled_reading_open(&reading, first, c->volume.label, c->file,
	                            true, err);

	if (ok) {
		ok = check_members(c, &reading, err);
		sled_reading_close(&reading);
	}
	if (!ok)
		sled_append_undo(first, c->volume.label, c->file,
		                 c->volume.end);
	return ok;
}

static void
to_rows(struct commit *c)
{
	for (size_t i = 0; i < c->extents_len; i++)
		c->rows[i] = (struct sled_member_row){
			.at = c->extents[i].at,
			.length = c->extents[i].sum.length,
			.tar_octets = c->extents[i].sum.tar_octets,
			.body_sha256 = c->extents[i].sum.body_sha256,
		};
}

static bool
record_member(struct commit *c, struct sled_member_row *row,
              struct sled_err *err)
{
	row->volume = c->volume.id;
	if (!sled_ledger_member_put(c->store->ledger, row, err))
		return false;
	for (size_t i = 0; i < c->store->len; i++)
		if (c->ok[i] &&
		    !sled_ledger_hold(c->store->ledger, row->id,
		                      c->store->seats[i].id, c->now, err))
			return false;
	return true;
}

static bool
record_message(struct commit *c, size_t i, int64_t member, bool safe,
               struct sled_err *err)
{
	struct sled_pending *pending = &c->list[i];
	const struct sled_record *record = &pending->record;
	struct sled_receipt receipt;
	struct sled_message row = { .maildrop = c->whose->maildrop,
		                    .sha256 = record->sha256,
		                    .octets = record->octets,
		                    .listed = record->listed,
		                    .head_sha256 = pending->head_sha256,
		                    .head_octets = pending->head_octets,
		                    .received = record->received,
		                    .number = c->number + i,
		                    .member = member,
		                    .flags = pending->flags,
		                    .safe = safe ? c->now : 0 };

	row.on_server =
	    (row.flags & (SLED_MESSAGE_UNSEEN | SLED_MESSAGE_IMPORTED)) == 0;
	to_receipt(c, i, &receipt);
	memcpy(row.label, c->volume.label, sizeof(row.label));
	memcpy(row.uid, record->uid, sizeof(row.uid));
	memcpy(row.record, record->id, sizeof(row.record));
	memcpy(row.entry, receipt.entry, sizeof(row.entry));
	row.from = (struct sled_span){ pending->texts, pending->from_len };
	row.subject = (struct sled_span){ pending->texts + pending->from_len,
		                          pending->subject_len };
	row.date = (struct sled_span){ row.subject.data + pending->subject_len,
		                       pending->date_len };
	if (!sled_ledger_message_put(c->store->ledger, &row, err))
		return false;
	pending->row = row.id;
	pending->safe = safe;
	return true;
}

static bool
record_all(struct commit *c, struct sled_err *err)
{
	bool safe =
	    sled_seats_count(c->store, c->ok) >= c->store->conf.min_copies;

	c->volume.end = c->append.end;
	if (!sled_ledger_volume_put(c->store->ledger, &c->volume, err))
		return false;
	for (size_t m = 0; m < c->extents_len; m++) {
		const struct sled_extent *extent = &c->extents[m];

		if (!record_member(c, &c->rows[m], err))
			return false;
		for (size_t i = 0; i < extent->count; i++)
			if (!record_message(c, extent->first + i, c->rows[m].id,
			                    safe, err))
				return false;
	}
	if (c->whose->brought &&
	    !sled_ledger_delivery_pass(c->store->ledger, c->whose->owner.label,
	                               c->number, c->number + c->len - 1, err))
		return false;
	return sled_ledger_gone_told(c->store->ledger, c->whose->owner.label,
	                             err);
}

/* The commit instant: when this transaction is durable, the mail is ours. */
static bool
record(struct commit *c, struct sled_err *err)
{
	if (!sled_ledger_begin(c->store->ledger, err))
		return false;
	if (!record_all(c, err)) {
		sled_ledger_drop(c->store->ledger);
		return false;
	}
	return sled_ledger_commit(c->store->ledger, err);
}

static bool
run(struct commit *c, struct sled_err *err)
{
	struct sled_volume_row grown;

	if (!sled_ledger_number_next(c->store->ledger, c->whose->owner.label,
	                             &c->number, err) ||
	    !sled_volume_for(c->store, c->whose,
	                     c->whose->brought
	                         ? c->now
	                         : c->list[c->len - 1].record.received,
	                     &c->volume, &c->info, err))
		return false;
	sled_volume_file(c->file, c->volume.name, true);
	plan_members(c);
	if (!write_members(c, err) || !read_back(c, err))
		return false;
	to_rows(c);
	learn_aim(c);
	c->ok[0] = true;
	grown = c->volume;
	grown.end = c->append.end;
	if (sled_copies_extend(c->store, &grown, c->rows, c->extents_len, c->ok,
	                       err) &&
	    record(c, err))
		return true;
	/* Bytes lie behind the committed end: the next start adopts them. */
	sled_seat_out(&c->store->seats[0], err);
	return false;
}

bool
sled_commit(struct sled_store *store, const struct sled_whose *whose,
            struct sled_spool *spool, struct sled_pending *list, size_t len,
            struct sled_err *err)
{
	struct commit c = { .store = store,
		            .whose = whose,
		            .spool = spool,
		            .list = list,
		            .len = len,
		            .now = sled_clock_now() };
	bool ok;

	if (!sled_spool_sync(spool, err))
		return false;
	if (len == 0)
		return true;
	if (sled_place_is_out(sled_store_first(store), err))
		return false;
	c.extents = calloc(len, sizeof(*c.extents));
	c.rows = calloc(len, sizeof(*c.rows));
	c.ok = calloc(store->len, sizeof(*c.ok));
	(void)pthread_mutex_lock(&store->commit);
	ok = c.extents != NULL && c.rows != NULL && c.ok != NULL
	         ? run(&c, err)
	         : sled_fail(err, SLED_ERR_NOMEM, "commit");
	(void)pthread_mutex_unlock(&store->commit);
	free(c.extents);
	free(c.rows);
	free(c.ok);
	return ok || sled_note(err, "archive %s/%s", whose->owner.label,
	                       c.volume.name);
}

/* ---- batches ---- */

static bool
grow(struct sled_batch *batch, struct sled_err *err)
{
	size_t cap = batch->cap == 0 ? 64 : batch->cap * 2;
	struct sled_pending *list = realloc(batch->list, cap * sizeof(*list));

	if (list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "pending messages");
	batch->list = list;
	batch->cap = cap;
	return true;
}

static char *
join(const struct sled_digest *digest)
{
	size_t len = digest->from.len + digest->subject.len + digest->date.len;
	char *texts = malloc(len + 1), *at = texts;
	const struct sled_span parts[] = { digest->from, digest->subject,
		                           digest->date };

	for (size_t i = 0; texts != NULL && i < 3; i++) {
		if (parts[i].len > 0)
			memcpy(at, parts[i].data, parts[i].len);
		at += parts[i].len;
	}
	return texts;
}

unsigned
sled_body_flags(const struct sled_digest *digest)
{
	static const unsigned flags[] = {
		[SLED_BODYHASH_NONE] = 0,
		[SLED_BODYHASH_HOLDS] = SLED_MESSAGE_BODY_HOLDS,
		[SLED_BODYHASH_OTHER] = SLED_MESSAGE_BODY_OTHER,
		[SLED_BODYHASH_UNKNOWN] = SLED_MESSAGE_BODY_UNKNOWN,
	};

	return flags[digest->body.outcome];
}

bool
sled_batch_add(struct sled_batch *batch, const struct sled_record *record,
               const struct sled_digest *digest, unsigned flags, size_t item,
               struct sled_err *err)
{
	struct sled_pending *pending;

	if (batch->len == batch->cap && !grow(batch, err))
		return false;
	pending = &batch->list[batch->len];
	*pending =
	    (struct sled_pending){ .record = *record,
		                   .head_sha256 = digest->head_sha256,
		                   .head_octets = digest->head_octets,
		                   .texts = join(digest),
		                   .from_len = digest->from.len,
		                   .subject_len = digest->subject.len,
		                   .date_len = digest->date.len,
		                   .flags = flags | sled_body_flags(digest),
		                   .item = item };
	if (pending->texts == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "pending message");
	batch->len++;
	return true;
}

void
sled_batch_free(struct sled_batch *batch)
{
	for (size_t i = 0; i < batch->len; i++)
		free(batch->list[i].texts);
	free(batch->list);
	*batch = (struct sled_batch){ 0 };
}
