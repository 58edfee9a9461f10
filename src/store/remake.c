/*
 * remake.c - a volume of the first place with damage in its middle: a new file
 * of every member that holds somewhere, in its order, takes the old one's name.
 * What lies behind a damaged member is as good as what lies before it, and the
 * mail in it may be on no server any more: it is never just set aside.
 * swap.c has the states; behind the last one what follows the ledger's end is
 * adopted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/repair.h"

struct remake {
	struct sled_store *store;
	const struct sled_volume_row *volume;
	char file[SLED_VOLUME_FILE], remade[SLED_REMADE_NAME];
	struct sled_reading *from; /* one a seat */
	bool *open;
	struct sled_append append;
	bool write;          /* or only count */
	bool named;          /* a VOLUME.txt comes before all others */
	unsigned before;     /* the number of the receipts before what is new */
	unsigned seq;        /* and of the last that were met */
	bool nameless;       /* no place has one: it is made again */
	bool astray;         /* no header led here */
	bool ended;          /* a seal's end was met */
	bool fresh, seen;    /* the member at hand: its mail is new, is not */
	bool twin;           /* of it: it is there by another record */
	bool headless;       /* the first member is left out, for its mail */
	uint64_t held, lost; /* members; bytes of those that hold nowhere */
};

static bool
on_info(void *ctx, const struct sled_volume_info *info, struct sled_err *err)
{
	(void)info;
	(void)err;
	((struct remake *)ctx)->named = true;
	return true;
}

static bool
on_message(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
           struct sled_err *err)
{
	struct remake *r = ctx;
	bool known = false;

	(void)tar_at;
	if (!sled_ledger_record_known(r->store->ledger, receipt->record, &known,
	                              err))
		return false;
	r->fresh = r->fresh || !known;
	return known || r->twin ||
	       sled_is_twin(r->store, r->volume->label, receipt, &r->twin, err);
}

enum holds {
	NOT,
	WHOLE,
	LAST
};

/* How far it is to what may follow damage at AT, or 0: by its header, else to
 * the next one. That may be one of a file with other offsets. */
static uint64_t
lead_on(struct remake *r, const struct sled_source *source, uint64_t at)
{
	struct sled_err why = { 0 };
	uint64_t next = 0, length = 0;
	bool whole = false;

	if (!sled_member_behind(source, at, &next, &why))
		return 0;
	if (sled_member_peek(source, at, &length, &whole, &why) && whole &&
	    at + length == next)
		return length;
	r->astray = r->astray || next < source->size;
	return next < source->size ? next - at : 0;
}

/* What the seat has at AT: nothing that holds (*length leads on from there, or
 * is 0), a member, or a seal's end. */
static enum holds
look(struct remake *r, size_t i, uint64_t at, uint64_t *length)
{
	const struct sled_member_visitor visitor = { .ctx = r,
		                                     .volume = on_info,
		                                     .begin = on_message };
	const struct sled_source *source = &r->from[i].source;
	struct sled_err why = { 0 };
	struct sled_member_sum sum;
	unsigned seq = 0;

	*length = 0;
	r->fresh = r->twin = false;
	if (!r->open[i] || at >= source->size)
		return NOT;
	if (sled_member_check(source, at, &visitor, &sum, &seq, &why) &&
	    (seq == 0 || r->named)) {
		*length = sum.length;
		r->ended = seq == 0;
		if (r->ended)
			return LAST;
		/* Mail of one that does not follow was salvaged. */
		r->seen = seq <= r->seq || (r->astray && !r->fresh) || r->twin;
		if (r->seen)
			return NOT;
		r->seq = seq;
		return WHOLE;
	}
	*length = lead_on(r, source, at);
	return NOT;
}

/* The seat whose member at AT holds, or store->len; *length leads to what any
 * place has next, 0 where none has more, and at the end. */
static size_t
find_holder(struct remake *r, uint64_t at, uint64_t *length)
{
	uint64_t peeked = 0;

	r->seen = false;
	for (size_t i = 0; i < r->store->len; i++) {
		enum holds holds = look(r, i, at, length);

		if (holds == WHOLE)
			return i;
		if (holds == LAST) {
			peeked = 0;
			break;
		}
		if (peeked == 0 || (*length > 0 && *length < peeked))
			peeked = *length;
	}
	*length = peeked;
	return r->store->len;
}

/* The bytes from AT on that nothing leads on from. What an append that was cut
 * off left is nothing that was stored. */
static uint64_t
rest_behind(struct remake *r, uint64_t at)
{
	uint64_t most = 0;

	for (size_t i = 0; i < r->store->len; i++) {
		const struct sled_source *source = &r->from[i].source;
		struct sled_err why = { 0 };
		bool torn = false;

		if (r->open[i] && at < source->size &&
		    sled_member_torn(source, at, &torn, &why) && !torn &&
		    source->size - at > most)
			most = source->size - at;
	}
	return most;
}

/* From the end of what is adopted on, member by member, as far as any place
 * has one. */
static bool
walk(struct remake *r, struct sled_err *err)
{
	uint64_t at = r->volume->end, length = 0;

	r->named = at > 0 || r->nameless;
	r->seq = r->before;
	r->held = r->lost = 0;
	r->astray = r->ended = r->headless = false;
	do {
		size_t i = find_holder(r, at, &length);

		if (i < r->store->len) {
			r->held++;
			if (r->write &&
			    !sled_append_from(&r->append, &r->from[i], at,
			                      length, err))
				return false;
		} else if (!r->seen) {
			r->lost += length;
		} else if (at == 0) {
			r->headless = true;
		}
		at += length;
	} while (length > 0);
	if (!r->ended)
		r->lost += rest_behind(r, at);
	return true;
}

static void
open_sources(struct remake *r)
{
	for (size_t i = 0; i < r->store->len; i++) {
		struct sled_err why = { 0 };

		r->open[i] = sled_seat_usable(&r->store->seats[i]) &&
		             sled_seat_read(&r->from[i], &r->store->seats[i],
		                            r->volume, false, &why);
	}
}

/* What is new has higher numbers than the last member that is ours. */
static bool
find_before(struct remake *r, struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	size_t len = 0;

	if (r->volume->id == 0)
		return true;
	if (!sled_volume_extents(r->store, r->volume->id, 0, &rows, &len, err))
		return false;
	for (size_t i = 0; i < r->store->len; i++) {
		unsigned last = 0;

		if (r->open[i])
			last =
			    sled_last_receipts(&r->from[i].source, rows, len);
		if (last > r->before)
			r->before = last;
	}
	free(rows);
	return true;
}

static void
close_sources(struct remake *r)
{
	for (size_t i = 0; i < r->store->len; i++)
		if (r->open[i])
			sled_reading_close(&r->from[i]);
	free(r->from);
	free(r->open);
}

static bool
add_bytes(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	return sled_buf_add(ctx, data, len, err);
}

static bool
add_text(struct sled_member *member, const char *name,
         const struct sled_buf *text, struct sled_err *err)
{
	struct sled_entry entry = { .size = text->len };

	(void)snprintf(entry.name, sizeof(entry.name), "%s", name);
	return sled_member_entry(member, &entry, err) &&
	       sled_member_data(member, text->data, text->len, err);
}

/* A volume's first member with VOLUME.txt and no message. */
static bool
make_first(struct remake *r, struct sled_member *member, struct sled_err *err)
{
	const struct sled_volume_row *volume = r->volume;
	struct sled_volume_info info;
	struct sled_buf text = { 0 }, receipts = { 0 };
	char name[SLED_ENTRY_NAME], told[SLED_ENTRY_NAME];
	bool ok = sled_volume_describe(r->store, volume, &info, err) &&
	          sled_volume_info_format(&text, &info, err) &&
	          sled_receipts_head(&receipts, err);

	sled_volume_info_name(name, volume->label, volume->name);
	sled_receipts_name(told, volume->label, volume->name, 1);
	ok = ok && add_text(member, name, &text, err) &&
	     add_text(member, told, &receipts, err);
	sled_buf_free(&text);
	sled_buf_free(&receipts);
	return ok;
}

static bool
write_first(struct remake *r, struct sled_err *err)
{
	struct sled_buf bytes = { 0 };
	struct sled_member *member = NULL;
	struct sled_member_sum sum;
	uint8_t head[SLED_MEMBER_HEAD];
	bool ok = sled_member_begin(&member, add_bytes, &bytes, err) &&
	          make_first(r, member, err) &&
	          sled_member_end(member, &sum, err);

	if (ok) {
		sled_member_header(head, sum.length);
		memcpy(bytes.data, head, sizeof(head));
		ok = sled_append_write(&r->append, bytes.data, bytes.len, err);
	}
	sled_member_free(&member);
	sled_buf_free(&bytes);
	return ok;
}

/* What the ledger has stays first. */
static bool
write_head(struct remake *r, struct sled_err *err)
{
	if (r->volume->end > 0)
		return sled_append_from(&r->append, &r->from[0], 0,
		                        r->volume->end, err);
	return !r->nameless || write_first(r, err);
}

/* On failure nothing is left of it. */
static bool
write_remade(struct remake *r, struct sled_err *err)
{
	struct sled_place *first = sled_store_first(r->store);

	sled_append_undo(first, r->volume->label, r->remade, 0);
	if (!sled_append_begin(&r->append, first, r->volume->label, r->remade,
	                       0, err))
		return false;
	r->write = true;
	if (write_head(r, err) && walk(r, err) &&
	    sled_append_commit(&r->append, err))
		return true;
	sled_append_abort(&r->append);
	return false;
}

static bool
replace(struct remake *r, uint64_t *size, struct sled_err *err)
{
	struct sled_place *first = sled_store_first(r->store);
	struct sled_volume_found found;

	if (!sled_seat_volume(&r->store->seats[0], r->volume, &found, err) ||
	    !write_remade(r, err))
		return false;
	*size = r->append.end;
	r->store->lost += r->lost;
	sled_store_say(
	    r->store,
	    "%s/%s is damaged at byte %llu: %llu members behind are "
	    "kept in a new file, %llu bytes hold in no place; the "
	    "old file is in quarantine",
	    r->volume->label, r->file, (unsigned long long)r->volume->end,
	    (unsigned long long)r->held, (unsigned long long)r->lost);
	/* A sealed one is open again: it may go on. */
	return (!found.there || !found.sealed ||
	        sled_place_quarantine(first, r->volume->label, found.file,
	                              err)) &&
	       sled_swap(first, r->volume->label, r->file, err);
}

/* Damage was met in some place: what the copies hold of it is read again. */
static bool
doubt_copies(struct remake *r, struct sled_err *err)
{
	struct sled_store *store = r->store;
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok =
	    r->volume->id == 0 ||
	    sled_volume_extents(store, r->volume->id, 0, &rows, &len, err);

	for (size_t i = 0; ok && i < len; i++)
		for (size_t seat = 1; ok && seat < store->len; seat++)
			ok = sled_ledger_unhold(store->ledger, rows[i].id,
			                        store->seats[seat].id, err);
	free(rows);
	return ok;
}

static void
start(struct remake *r, struct sled_store *store,
      const struct sled_volume_row *volume)
{
	*r = (struct remake){ .store = store, .volume = volume };
	sled_volume_file(r->file, volume->name, true);
	sled_remade_name(r->remade, r->file);
}

/* A sealed file of which only the beginning is left is open again: no other
 * repair takes it for the volume that the ledger has now. */
static bool
is_broken_off(struct remake *r, bool *broken, struct sled_err *err)
{
	struct sled_volume_found found;

	*broken = false;
	if (r->volume->end == 0)
		return true;
	if (!sled_seat_volume(&r->store->seats[0], r->volume, &found, err))
		return false;
	*broken = found.there && found.sealed;
	if (*broken && r->held == 0 && r->lost == 0)
		r->lost = found.size - r->volume->end;
	return true;
}

static bool
run(struct remake *r, uint64_t *size, bool *remade, struct sled_err *err)
{
	bool broken = false;
	bool ok = r->volume->end > 0 && !r->open[0];

	ok = ok || walk(r, err);
	if (ok && r->held == 0 && r->lost > 0 && r->volume->end == 0) {
		r->nameless = true;
		ok = walk(r, err);
	}
	r->nameless = r->nameless || r->headless;
	ok = ok && is_broken_off(r, &broken, err);
	if (ok && r->held == 0 && !broken && r->lost > r->store->broken)
		r->store->broken = r->lost;
	if (ok && (r->held > 0 || broken)) {
		ok = replace(r, size, err) && doubt_copies(r, err);
		*remade = ok;
	}
	return ok;
}

bool
sled_remake(struct sled_store *store, const struct sled_volume_row *volume,
            uint64_t *size, bool *remade, struct sled_err *err)
{
	struct remake r;
	bool ok;

	start(&r, store, volume);
	*remade = false;
	r.from = calloc(store->len, sizeof(*r.from));
	r.open = calloc(store->len, sizeof(*r.open));
	if (r.from == NULL || r.open == NULL) {
		free(r.from);
		free(r.open);
		return sled_fail(err, SLED_ERR_NOMEM, "remake");
	}
	open_sources(&r);
	ok = find_before(&r, err) && run(&r, size, remade, err);
	close_sources(&r);
	return ok || sled_note(err, "mend %s/%s", volume->label, volume->name);
}
