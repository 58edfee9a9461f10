/*
 * rebuild.c - a member that cannot be had whole is made anew of the messages
 * in it that can: each is known by its SHA-256 in the ledger, wherever in the
 * damaged stream it is met. The new member has the old one's place and the
 * messages their old names; a volume's first one has its VOLUME.txt again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/repair.h"

/* A message that was in the member. */
struct wanted {
	struct sled_message row; /* without its texts */
	bool saved;
	size_t origin; /* where */
	uint64_t at;   /* of the damaged member there */
};

struct rebuild {
	struct sled_repair *r;
	size_t index; /* of the member */
	struct wanted *list;
	size_t len;
	unsigned seq; /* of the receipts, when their name was met; or 0 */
	/* While an origin is read: */
	size_t origin;
	uint64_t at;
	struct wanted *now; /* the message at hand, or NULL */
	struct sled_sha256 *sha;
	struct sled_member *member; /* that is being made, or NULL */
};

/* ---- which messages ---- */

struct picking {
	int64_t member;
	struct sled_message *list;
	size_t len;
};

static bool
pick_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct picking *p = ctx;
	struct sled_message *list;

	if (row->member != p->member)
		return true;
	list = reallocarray(p->list, p->len + 1, sizeof(*list));
	if (list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "repair");
	p->list = list;
	list[p->len] = *row;
	list[p->len].from = list[p->len].subject = list[p->len].date =
	    (struct sled_span){ NULL, 0 };
	p->len++;
	return true;
}

bool
sled_repair_messages(struct sled_repair *r, size_t index,
                     struct sled_message **out, size_t *len,
                     struct sled_err *err)
{
	const struct sled_message_query query = { .volume = r->volume.id };
	struct picking p = { .member = r->rows[index].id };
	bool ok =
	    sled_ledger_messages(r->store->ledger, &query, pick_row, &p, err);

	*out = p.list;
	*len = p.len;
	return ok;
}

static bool
list_wanted(struct rebuild *b, struct sled_err *err)
{
	struct sled_message *rows = NULL;
	bool ok = sled_repair_messages(b->r, b->index, &rows, &b->len, err);

	free(b->list);
	b->list = ok ? calloc(b->len + 1, sizeof(*b->list)) : NULL;
	for (size_t i = 0; b->list != NULL && i < b->len; i++)
		b->list[i].row = rows[i];
	free(rows);
	return ok &&
	       (b->list != NULL || sled_fail(err, SLED_ERR_NOMEM, "repair"));
}

static struct wanted *
find_wanted(struct rebuild *b, const struct sled_entry *entry)
{
	for (size_t i = 0; i < b->len; i++)
		if (strcmp(b->list[i].row.entry, entry->name) == 0 &&
		    b->list[i].row.octets == entry->size)
			return &b->list[i];
	return NULL;
}

/* The number in a receipts entry's own name. */
static void
learn_seq(struct rebuild *b, const char *entry)
{
	const struct sled_volume_row *volume = &b->r->volume;
	const char *digits = strstr(entry, "/receipts-");
	char name[SLED_ENTRY_NAME];
	unsigned long seq;

	if (digits == NULL)
		return;
	seq = strtoul(digits + strlen("/receipts-"), NULL, 10);
	sled_receipts_name(name, volume->label, volume->name, (unsigned)seq);
	if (seq > 0 && strcmp(name, entry) == 0)
		b->seq = (unsigned)seq;
}

/* ---- first reading: what holds ---- */

static bool
on_begin(void *ctx, const struct sled_entry *entry, struct sled_err *err)
{
	struct rebuild *b = ctx;

	(void)err;
	learn_seq(b, entry->name);
	(void)sled_sha256_end(b->sha); /* of one that was cut off */
	b->now = find_wanted(b, entry);
	if (b->now != NULL && b->now->saved)
		b->now = NULL;
	return true;
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct rebuild *b = ctx;

	(void)err;
	if (b->now != NULL)
		sled_sha256_add(b->sha, data, len);
	return true;
}

static bool
on_end(void *ctx, struct sled_err *err)
{
	struct rebuild *b = ctx;
	struct sled_hash hash;

	(void)err;
	if (b->now == NULL)
		return true;
	hash = sled_sha256_end(b->sha);
	b->now->saved = sled_hash_equal(&hash, &b->now->row.sha256);
	b->now->origin = b->origin;
	b->now->at = b->at;
	b->now = NULL;
	return true;
}

/* ---- second reading: into the new member ---- */

static bool
copy_begin(void *ctx, const struct sled_entry *entry, struct sled_err *err)
{
	struct rebuild *b = ctx;
	struct wanted *wanted = find_wanted(b, entry);

	b->now = NULL;
	if (wanted == NULL || !wanted->saved || wanted->origin != b->origin ||
	    wanted->at != b->at)
		return true;
	b->now = wanted;
	return sled_member_entry(b->member, entry, err);
}

static bool
copy_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct rebuild *b = ctx;
	const char *at = data;

	while (b->now != NULL && len > 0) {
		size_t part = len < 65536 ? len : 65536;

		if (!sled_member_data(b->member, at, part, err))
			return false;
		at += part;
		len -= part;
	}
	return true;
}

static bool
copy_end(void *ctx, struct sled_err *err)
{
	(void)err;
	((struct rebuild *)ctx)->now = NULL;
	return true;
}

/* Each origin at each offset where the member may have been. */
static bool
read_all(struct rebuild *b, const struct sled_scrape *visitor,
         struct sled_err *err)
{
	struct sled_repair *r = b->r;
	const struct sled_member_row *was = &r->original[b->index];
	const struct sled_member_row *row = &r->rows[b->index];

	for (b->origin = 0; b->origin < r->origins.len; b->origin++) {
		const struct sled_source *source =
		    &r->origins.list[b->origin]->reading.source;

		if (b->origin == r->made_origin)
			continue;
		b->at = was->at;
		if (b->at < source->size &&
		    !sled_member_scrape(source, b->at, was->length, visitor,
		                        err))
			return false;
		b->at = row->at;
		if (row->at != was->at && b->at < source->size &&
		    !sled_member_scrape(source, b->at, row->length, visitor,
		                        err))
			return false;
	}
	return true;
}

/* ---- the new member ---- */

static bool
add_entry(struct rebuild *b, const char *name, const struct sled_buf *text,
          struct sled_err *err)
{
	struct sled_entry entry = { .size = text->len, .mtime = 0 };
	const struct sled_repair *r = b->r;

	(void)snprintf(entry.name, sizeof(entry.name), "%s", name);
	for (size_t i = 0; i < b->len; i++)
		if (b->list[i].row.received > entry.mtime)
			entry.mtime = b->list[i].row.received;
	if (!sled_member_entry(b->member, &entry, err))
		return false;
	for (size_t at = 0; at < text->len; at += 65536) {
		size_t len = text->len - at < 65536 ? text->len - at : 65536;

		if (!sled_member_data(b->member, text->data + at, len, err))
			return sled_note(err, "%s", r->volume.name);
	}
	return true;
}

struct sled_receipt
sled_receipt_of(const struct sled_message *row)
{
	struct sled_receipt receipt = { .sha256 = row->sha256,
		                        .octets = row->octets,
		                        .listed = row->listed,
		                        .received = row->received,
		                        .number = row->number };

	memcpy(receipt.uid, row->uid, sizeof(receipt.uid));
	memcpy(receipt.record, row->record, sizeof(receipt.record));
	memcpy(receipt.entry, row->entry, sizeof(receipt.entry));
	if ((row->flags & SLED_MESSAGE_SHORT) != 0)
		receipt.flags |= SLED_RECEIPT_SHORT;
	if ((row->flags & SLED_MESSAGE_NOID) != 0)
		receipt.flags |= SLED_RECEIPT_NOID;
	return receipt;
}

static bool
add_receipts(struct rebuild *b, struct sled_err *err)
{
	const struct sled_volume_row *volume = &b->r->volume;
	char name[SLED_ENTRY_NAME];
	struct sled_buf text = { 0 };
	bool ok = sled_receipts_head(&text, err);

	for (size_t i = 0; ok && i < b->len; i++) {
		struct sled_receipt receipt = sled_receipt_of(&b->list[i].row);

		ok = !b->list[i].saved ||
		     sled_receipts_add(&text, &receipt, err);
	}
	sled_receipts_name(name, volume->label, volume->name,
	                   b->seq > 0 ? b->seq : (unsigned)b->index + 1);
	ok = ok && add_entry(b, name, &text, err);
	sled_buf_free(&text);
	return ok;
}

bool
sled_repair_info(struct sled_repair *r, struct sled_buf *out,
                 struct sled_err *err)
{
	struct sled_volume_info info;

	return sled_volume_describe(r->store, &r->volume, &info, err) &&
	       sled_volume_info_format(out, &info, err);
}

static bool
add_info(struct rebuild *b, struct sled_err *err)
{
	const struct sled_volume_row *volume = &b->r->volume;
	struct sled_buf text = { 0 };
	char name[SLED_ENTRY_NAME];
	bool ok;

	sled_volume_info_name(name, volume->label, volume->name);
	ok = sled_repair_info(b->r, &text, err) &&
	     add_entry(b, name, &text, err);
	sled_buf_free(&text);
	return ok;
}

static bool
on_bytes(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	return sled_scratch_write(ctx, data, len, err);
}

static bool
make_member(struct rebuild *b, struct sled_err *err)
{
	const struct sled_scrape visitor = { b, copy_begin, copy_data,
		                             copy_end };
	struct sled_repair *r = b->r;
	struct sled_piece *piece = &r->pieces[b->index];
	uint64_t at;
	bool ok;

	if (!sled_scratch_open(r, err))
		return false;
	at = r->made_end;
	ok = sled_member_begin(&b->member, on_bytes, r, err) &&
	     (b->index > 0 || add_info(b, err)) && add_receipts(b, err) &&
	     read_all(b, &visitor, err) &&
	     sled_member_end(b->member, &piece->sum, err);
	sled_member_free(&b->member);
	piece->kind = SLED_PIECE_REBUILT;
	piece->at = at;
	return ok && sled_scratch_member(r, at, &piece->origin, err);
}

/* ---- one member after the other ---- */

static bool
name_lost(struct rebuild *b, struct sled_revision *lost, struct sled_err *err)
{
	for (size_t i = 0; i < b->len; i++) {
		struct sled_receipt receipt = sled_receipt_of(&b->list[i].row);

		if (b->list[i].saved) {
			b->r->out.saved++;
			continue;
		}
		b->r->out.lost++;
		if (!sled_revision_add_lost(lost, &receipt, err))
			return false;
	}
	return true;
}

static bool
rebuild_member(struct rebuild *b, struct sled_revision *lost,
               struct sled_err *err)
{
	const struct sled_scrape look = { b, on_begin, on_data, on_end };

	b->seq = 0;
	b->now = NULL;
	return list_wanted(b, err) && read_all(b, &look, err) &&
	       name_lost(b, lost, err) &&
	       (b->r->conf->dry || make_member(b, err));
}

bool
sled_repair_rebuild(struct sled_repair *r, struct sled_revision *lost,
                    struct sled_err *err)
{
	struct rebuild b = { .r = r };
	bool ok = sled_sha256_new(&b.sha, err);

	for (size_t i = 0; ok && i < r->len; i++) {
		if (r->pieces[i].kind != SLED_PIECE_MISSING)
			continue;
		b.index = i;
		r->out.rebuilt++;
		ok = rebuild_member(&b, lost, err);
	}
	sled_sha256_free(&b.sha);
	free(b.list);
	return ok;
}
