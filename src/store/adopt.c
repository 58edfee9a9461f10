/*
 * adopt.c - members behind the committed end, brought into the ledger: all of
 * them when it was lost. Each is read whole and proved before its rows are
 * written; the first that does not hold ends it, and so does one whose receipts
 * do not have the next number: what is in it was stored before, or is another
 * file's.
 */
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

#define GROUP 64 /* members a transaction */

/* A message found in a member. */
struct found {
	struct sled_receipt receipt;
	struct sled_hash head_sha256;
	uint64_t head_octets;
	unsigned flags; /* of its body */
	char *texts;    /* from, subject, date: one block, owned */
	struct sled_span from, subject, date;
};

struct adoption {
	struct sled_store *store;
	struct sled_volume_row *volume;
	struct sled_intake *intake;
	unsigned last; /* number of the last receipts before this */
	bool old;      /* see sled_adopt() */
	bool imported; /* from no server: see import.c */
	struct sled_volume_info info; /* label "" without one */
	struct found *list;
	size_t len, cap;
	struct sled_receipt *gone; /* told by these receipts */
	size_t gone_len, gone_cap;
};

static bool
on_volume(void *ctx, const struct sled_volume_info *info, struct sled_err *err)
{
	struct adoption *a = ctx;

	if (strcmp(info->label, a->volume->label) != 0 ||
	    strcmp(info->volume, a->volume->name) != 0)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s/%s calls itself %s/%s", a->volume->label,
		                 a->volume->name, info->label, info->volume);
	a->info = *info;
	return true;
}

static bool
on_receipt(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct adoption *a = ctx;

	if ((receipt->flags & SLED_RECEIPT_GONE) == 0)
		return true;
	if (a->gone_len == a->gone_cap) {
		size_t cap = a->gone_cap == 0 ? 64 : a->gone_cap * 2;
		struct sled_receipt *gone =
		    realloc(a->gone, cap * sizeof(*gone));
		if (gone == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "receipts");
		a->gone = gone;
		a->gone_cap = cap;
	}
	a->gone[a->gone_len++] = *receipt;
	return true;
}

static bool
on_begin(void *ctx, const struct sled_receipt *receipt, uint64_t tar_at,
         struct sled_err *err)
{
	struct adoption *a = ctx;

	(void)receipt;
	(void)tar_at;
	if (a->len == a->cap) {
		size_t cap = a->cap == 0 ? 64 : a->cap * 2;
		struct found *list = realloc(a->list, cap * sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "messages");
		a->list = list;
		a->cap = cap;
	}
	sled_intake_begin(a->intake);
	return true;
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct adoption *a = ctx;

	return sled_intake_feed(a->intake, (struct sled_span){ data, len },
	                        err);
}

static struct sled_span
copy_text(char **at, struct sled_span text)
{
	struct sled_span copy = { *at, text.len };

	if (text.len > 0)
		memcpy(*at, text.data, text.len);
	*at += text.len;
	return copy;
}

static bool
on_end(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct adoption *a = ctx;
	struct sled_digest digest = sled_intake_end(a->intake);
	struct found *found = &a->list[a->len];
	char *at =
	    malloc(digest.from.len + digest.subject.len + digest.date.len + 1);

	if (at == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "messages");
	*found = (struct found){ .receipt = *receipt,
		                 .head_sha256 = digest.head_sha256,
		                 .head_octets = digest.head_octets,
		                 .flags = sled_body_flags(&digest),
		                 .texts = at };
	found->from = copy_text(&at, digest.from);
	found->subject = copy_text(&at, digest.subject);
	found->date = copy_text(&at, digest.date);
	a->len++;
	return true;
}

static void
forget_found(struct adoption *a)
{
	for (size_t i = 0; i < a->len; i++)
		free(a->list[i].texts);
	a->len = 0;
	a->gone_len = 0;
	a->info = (struct sled_volume_info){ 0 };
}

static void
free_adoption(struct adoption *a)
{
	forget_found(a);
	free(a->list);
	free(a->gone);
	sled_intake_free(&a->intake);
}

static bool
note_taken(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	(void)message;
	(void)err;
	*(bool *)ctx = true;
	return true;
}

struct twin {
	const struct sled_receipt *receipt;
	const char *label;
	int64_t member; /* of its row; 0: there is none */
};

static bool
take_twin(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct twin *twin = ctx;
	const struct sled_receipt *receipt = twin->receipt;
	size_t nonce = strcspn(receipt->record, "-");
	bool nameless = (receipt->flags & SLED_RECEIPT_NOID) != 0 &&
	                (row->flags & SLED_MESSAGE_NOID) != 0;

	(void)err;
	if (row->octets == receipt->octets &&
	    row->received == receipt->received && row->record[0] != '\0' &&
	    receipt->record[0] != '\0' &&
	    strcmp(row->label, twin->label) == 0 &&
	    strcmp(row->uid, receipt->uid) == 0 &&
	    (row->uid[0] != '\0' || nameless) &&
	    strncmp(row->record, receipt->record, nonce) != 0)
		twin->member = row->member;
	return true;
}

struct holder {
	const char *place;
	bool holds;
};

static bool
take_holder(void *ctx, const struct sled_holding *holding, struct sled_err *err)
{
	struct holder *holder = ctx;

	(void)err;
	holder->holds =
	    holder->holds || strcmp(holding->place, holder->place) == 0;
	return true;
}

bool
sled_is_twin(struct sled_store *store, const char *label,
             const struct sled_receipt *receipt, bool *twin,
             struct sled_err *err)
{
	struct twin found = { receipt, label, 0 };
	struct holder first = { store->seats[0].id, false };
	bool ok = sled_ledger_by_hash(store->ledger, 0, &receipt->sha256,
	                              take_twin, &found, err) &&
	          (found.member == 0 ||
	           sled_ledger_holdings(store->ledger, found.member,
	                                take_holder, &first, err));

	*twin = first.holds;
	return ok;
}

/* Is any of the mail that was found here by another record? */
static bool
find_twin(struct adoption *a, bool *twin, struct sled_err *err)
{
	bool ok = true;

	*twin = false;
	for (size_t i = 0; ok && !*twin && i < a->len; i++)
		ok = sled_is_twin(a->store, a->volume->label,
		                  &a->list[i].receipt, twin, err);
	return ok;
}

/* The number that its receipt has, unless another message has it by now: a place
 * that came from a backup, and one that went on without it, gave it to two. */
static bool
choose_number(struct adoption *a, uint64_t *number, struct sled_err *err)
{
	struct sled_ledger *ledger = a->store->ledger;
	bool taken = false;

	return sled_ledger_by_number(ledger, a->volume->label, *number,
	                             note_taken, &taken, err) &&
	       (!taken ||
	        sled_ledger_number_next(ledger, a->volume->label, number, err));
}

static bool
put_found(struct adoption *a, const struct found *found, int64_t member,
          struct sled_err *err)
{
	const struct sled_receipt *receipt = &found->receipt;
	struct sled_message row = { .maildrop = a->volume->maildrop,
		                    .number = receipt->number,
		                    .sha256 = receipt->sha256,
		                    .octets = receipt->octets,
		                    .listed = receipt->listed,
		                    .head_sha256 = found->head_sha256,
		                    .head_octets = found->head_octets,
		                    .received = receipt->received,
		                    .member = member,
		                    .flags = found->flags,
		                    .from = found->from,
		                    .subject = found->subject,
		                    .date = found->date };
	bool known = false;

	if (!sled_ledger_record_known(a->store->ledger, receipt->record, &known,
	                              err))
		return false;
	if (known)
		return true;
	if (!choose_number(a, &row.number, err))
		return false;
	if (receipt->flags & SLED_RECEIPT_SHORT)
		row.flags |= SLED_MESSAGE_SHORT;
	if (receipt->flags & SLED_RECEIPT_NOID)
		row.flags |= SLED_MESSAGE_NOID;
	if (a->imported)
		row.flags |= SLED_MESSAGE_IMPORTED;
	else if (a->old)
		row.flags |= SLED_MESSAGE_REBUILT | SLED_MESSAGE_UNSEEN;
	memcpy(row.label, a->volume->label, sizeof(row.label));
	memcpy(row.uid, receipt->uid, sizeof(row.uid));
	memcpy(row.record, receipt->record, sizeof(row.record));
	memcpy(row.entry, receipt->entry, sizeof(row.entry));
	return sled_ledger_message_put(a->store->ledger, &row, err);
}

struct gone_target {
	const struct sled_receipt *receipt;
	int64_t id; /* 0: not found */
};

static bool
take_target(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct gone_target *target = ctx;

	(void)err;
	if (message->gone == 0 &&
	    sled_hash_equal(&message->sha256, &target->receipt->sha256))
		target->id = message->id;
	return true;
}

static bool
put_gone(struct adoption *a, const struct sled_receipt *receipt,
         struct sled_err *err)
{
	struct gone_target target = { receipt, 0 };

	if (!sled_ledger_by_number(a->store->ledger, a->volume->label,
	                           receipt->number, take_target, &target, err))
		return false;
	return target.id == 0 ||
	       sled_ledger_set_gone(a->store->ledger, target.id,
	                            receipt->received, err);
}

static bool
put_member(struct adoption *a, uint64_t at, const struct sled_member_sum *sum,
           struct sled_err *err)
{
	struct sled_member_row row = { .volume = a->volume->id,
		                       .at = at,
		                       .length = sum->length,
		                       .tar_octets = sum->tar_octets,
		                       .body_sha256 = sum->body_sha256 };

	if (!sled_ledger_member_put(a->store->ledger, &row, err) ||
	    !sled_ledger_hold(a->store->ledger, row.id, a->store->seats[0].id,
	                      sled_clock_now(), err))
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (!put_found(a, &a->list[i], row.id, err))
			return false;
	for (size_t i = 0; i < a->gone_len; i++)
		if (!put_gone(a, &a->gone[i], err))
			return false;
	return a->gone_len == 0 ||
	       sled_ledger_gone_told(a->store->ledger, a->volume->label, err);
}

static bool
take_before(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct sled_volume_row *before = ctx;

	(void)err;
	if (strcmp(row->name, before->name) == 0)
		*before = *row;
	return true;
}

/* No place that can be reached has it: its name stays used, and when it comes
 * back it has its place in the chain. */
static bool
put_missing(struct adoption *a, struct sled_volume_row *before,
            struct sled_err *err)
{
	memcpy(before->label, a->volume->label, sizeof(before->label));
	before->maildrop = a->volume->maildrop;
	before->turned = true;
	before->sha256 = a->info.before_sha256;
	a->store->lost += SLED_MEMBER_LAST; /* the least that it had */
	sled_store_say(a->store,
	               "%s/%s is in no place that can be reached; `mailsled "
	               "sync` when others are back",
	               before->label, before->name);
	return sled_ledger_volume_put(a->store->ledger, before, err);
}

/* Whose the volume is; and the one before it has turned: its hash is here. */
static bool
put_info(struct adoption *a, struct sled_err *err)
{
	struct sled_ledger *ledger = a->store->ledger;
	struct sled_volume_row before = { 0 };
	struct sled_maildrop maildrop;

	if (!sled_ledger_maildrop(ledger, a->info.server, a->info.user,
	                          &maildrop, err))
		return false;
	a->volume->maildrop = maildrop.id;
	a->imported = strcmp(a->info.server, SLED_IMPORTED) == 0;
	memcpy(before.name, a->info.before, sizeof(before.name));
	if (!sled_ledger_volumes(ledger, a->volume->label, take_before, &before,
	                         err))
		return false;
	if (before.id == 0 && before.name[0] != '\0')
		return put_missing(a, &before, err);
	if (before.id == 0 || before.turned)
		return true;
	before.turned = true;
	before.sha256 = a->info.before_sha256;
	return sled_ledger_volume_put(ledger, &before, err);
}

/* One member at volume->end; *held says whether it was proved. */
static bool
adopt_one(struct adoption *a, struct sled_reading *reading, bool *held,
          struct sled_err *err)
{
	const struct sled_member_visitor visitor = {
		a, on_volume, on_receipt, on_begin, on_data, on_end,
	};
	struct sled_volume_row *volume = a->volume;
	struct sled_member_sum sum;
	uint64_t at = volume->end;
	bool twin = false;
	unsigned seq = 0;

	forget_found(a);
	*held =
	    sled_member_check(&reading->source, at, &visitor, &sum, &seq, err);
	if (*held && seq == 0) {
		*held = false; /* a seal's end: nothing may follow it */
		return true;
	}
	if (!*held) {
		if (err->kind != SLED_ERR_DAMAGED)
			return false;
		sled_store_say(a->store, "%s: %s", reading->name, err->text);
		*err = (struct sled_err){ 0 };
		return true;
	}
	if (!find_twin(a, &twin, err))
		return false;
	if (seq <= a->last || twin) {
		*held = false; /* it was here before, or is of another way */
		sled_store_say(a->store,
		               "%s: the member at %llu does not follow",
		               reading->name, (unsigned long long)at);
		return true;
	}
	if (a->info.label[0] != '\0' && !put_info(a, err))
		return false;
	if (volume->id == 0 &&
	    !sled_ledger_volume_put(a->store->ledger, volume, err))
		return false;
	volume->end += sum.length;
	a->last = seq;
	if (seq > volume->receipts)
		volume->receipts = seq;
	return put_member(a, at, &sum, err) &&
	       sled_ledger_volume_put(a->store->ledger, volume, err);
}

bool
sled_adopt_messages(struct sled_store *store, struct sled_volume_row *volume,
                    struct sled_reading *reading,
                    const struct sled_member_row *row, struct sled_err *err)
{
	struct adoption a = { .store = store, .volume = volume, .old = true };
	const struct sled_member_visitor visitor = {
		&a, on_volume, on_receipt, on_begin, on_data, on_end,
	};
	struct sled_member_sum sum;
	unsigned seq = 0;
	bool ok = sled_intake_new(&a.intake, err) &&
	          sled_member_check(&reading->source, row->at, &visitor, &sum,
	                            &seq, err);

	for (size_t i = 0; ok && i < a.len; i++)
		ok = put_found(&a, &a.list[i], row->id, err);
	for (size_t i = 0; ok && i < a.gone_len; i++)
		ok = put_gone(&a, &a.gone[i], err);
	free_adoption(&a);
	return ok;
}

static bool
adopt_group(struct adoption *a, struct sled_reading *reading, uint64_t limit,
            bool *more, struct sled_err *err)
{
	bool held = true;

	if (!sled_ledger_begin(a->store->ledger, err))
		return false;
	for (unsigned n = 0; held && n < GROUP && a->volume->end < limit; n++)
		if (!adopt_one(a, reading, &held, err)) {
			sled_ledger_drop(a->store->ledger);
			return false;
		}
	*more = held && a->volume->end < limit;
	return sled_ledger_commit(a->store->ledger, err);
}

/* Of a volume whose VOLUME.txt was read before this. */
static bool
learn_origin(struct adoption *a, struct sled_err *err)
{
	struct sled_buf server = { 0 }, user = { 0 };
	bool ok =
	    a->volume->maildrop == 0 ||
	    sled_ledger_maildrop_name(a->store->ledger, a->volume->maildrop,
	                              &server, &user, err);

	a->imported =
	    ok && server.len > 0 && strcmp(server.data, SLED_IMPORTED) == 0;
	sled_buf_free(&server);
	sled_buf_free(&user);
	return ok;
}

static bool
learn_last(struct adoption *a, struct sled_reading *reading,
           struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok =
	    a->volume->end == 0 ||
	    sled_volume_extents(a->store, a->volume->id, 0, &rows, &len, err);

	a->last = ok ? sled_last_receipts(&reading->source, rows, len) : 0;
	free(rows);
	return ok;
}

static bool
adopt_all(struct adoption *a, struct sled_reading *reading, uint64_t limit,
          struct sled_err *err)
{
	bool more = true;
	bool ok = sled_intake_new(&a->intake, err) && learn_origin(a, err) &&
	          learn_last(a, reading, err);

	while (ok && more)
		ok = adopt_group(a, reading, limit, &more, err);
	free_adoption(a);
	return ok;
}

/* Adopt what holds of the first place's file, from volume->end to LIMIT. A run
 * that was killed may have left it in the page cache only: it is synced first,
 * and read from the disk. */
bool
sled_adopt(struct sled_store *store, struct sled_volume_row *volume,
           uint64_t limit, bool old, struct sled_err *err)
{
	struct adoption a = { .store = store,
		              .volume = volume,
		              .old = old || store->rebuilt };
	struct sled_seat *first = &store->seats[0];
	struct sled_reading reading;
	bool ok;

	if (!sled_seat_sync(first, volume, err) ||
	    !sled_seat_read(&reading, first, volume, true, err))
		return false;
	ok = adopt_all(&a, &reading, limit, err);
	sled_reading_close(&reading);
	return ok || sled_note(err, "adopt %s/%s", volume->label, volume->name);
}
