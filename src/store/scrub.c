/*
 * scrub.c - what was read back longest ago is read again, from the disk, in
 * each place that is there, for as long as there is time. Damage is found
 * while other places still hold the same bytes. Nothing but the ledger is
 * written, and each batch of it is one transaction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

#define BATCH 64           /* members a transaction */
#define AGE_S (7 * 86400L) /* what was read since is left alone */

struct scrub {
	struct sled_store *store;
	struct sled_seat *seat;
	int64_t now, end_ms;
	struct sled_member_row rows[BATCH];
	bool holds[BATCH];
	struct sled_err why[BATCH];
	size_t len, read;
	struct sled_volume_row volume; /* whose file is open */
	struct sled_reading reading;
	bool open, over;
	struct sled_scrubbed *out;
};

static bool
take_row(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	struct scrub *s = ctx;

	(void)err;
	s->rows[s->len++] = *row;
	return true;
}

static void
close_file(struct scrub *s)
{
	if (s->open)
		sled_reading_close(&s->reading);
	s->open = false;
}

/* The file of the row's volume; *why tells when it cannot be read. */
static bool
open_file(struct scrub *s, const struct sled_member_row *row, bool *there,
          struct sled_err *why, struct sled_err *err)
{
	*there = s->open && s->volume.id == row->volume;
	if (*there)
		return true;
	close_file(s);
	if (!sled_ledger_volume_get(s->store->ledger, row->volume, &s->volume,
	                            err))
		return false;
	s->open = sled_seat_read(&s->reading, s->seat, &s->volume, true, why);
	*there = s->open;
	return true;
}

static bool
read_row(struct scrub *s, size_t i, struct sled_err *err)
{
	const struct sled_member_row *row = &s->rows[i];
	const struct sled_member_sum sum = { row->length, row->tar_octets,
		                             row->body_sha256 };
	bool there = false;

	s->why[i] = (struct sled_err){ 0 };
	if (!open_file(s, row, &there, &s->why[i], err))
		return false;
	s->holds[i] = there && sled_member_compare(&s->reading.source, row->at,
	                                           &sum, &s->why[i]);
	return true;
}

static bool
note_row(struct scrub *s, size_t i, struct sled_err *err)
{
	struct sled_ledger *ledger = s->store->ledger;
	struct sled_fault_row fault = { .member = s->rows[i].id,
		                        .found = s->now };

	if (s->holds[i])
		return sled_ledger_hold(ledger, s->rows[i].id, s->seat->id,
		                        s->now, err) &&
		       sled_ledger_fault_clear(ledger, s->rows[i].id,
		                               s->seat->id, err);
	memcpy(fault.place, s->seat->id, sizeof(fault.place));
	(void)snprintf(fault.text, sizeof(fault.text), "%.255s",
	               s->why[i].text);
	return sled_ledger_fault_put(ledger, &fault, err) &&
	       sled_ledger_unhold(ledger, s->rows[i].id, s->seat->id, err);
}

static bool
note_batch(struct scrub *s, struct sled_err *err)
{
	if (!sled_ledger_begin(s->store->ledger, err))
		return false;
	for (size_t i = 0; i < s->read; i++)
		if (!note_row(s, i, err)) {
			sled_ledger_drop(s->store->ledger);
			return false;
		}
	return sled_ledger_commit(s->store->ledger, err);
}

static void
count_batch(struct scrub *s)
{
	for (size_t i = 0; i < s->read; i++) {
		s->out->members++;
		s->out->octets += s->rows[i].length;
		if (s->holds[i])
			continue;
		s->out->damaged++;
		s->seat->suspect = true;
		sled_store_say(s->store, "%s: %s: `mailsled repair`",
		               s->seat->place.path, s->why[i].text);
	}
}

/* *more is false when nothing is old enough, or the time is over. */
static bool
scrub_batch(struct scrub *s, bool *more, struct sled_err *err)
{
	const struct sled_stale_query old = { s->seat->id, s->now - AGE_S,
		                              BATCH };

	s->len = s->read = 0;
	if (!sled_ledger_stalest(s->store->ledger, &old, take_row, s, err))
		return false;
	while (s->read < s->len && sled_clock_ms() < s->end_ms) {
		if (!read_row(s, s->read, err))
			return false;
		s->read++;
	}
	*more = s->read == BATCH;
	if (s->read == 0)
		return true;
	if (!note_batch(s, err))
		return false;
	count_batch(s);
	return true;
}

static bool
scrub_seat(struct scrub *s, struct sled_err *err)
{
	bool more = true, ok = true;

	while (ok && more)
		ok = scrub_batch(s, &more, err);
	close_file(s);
	return ok;
}

static struct scrub *
begin(struct sled_store *store, struct sled_scrubbed *out, struct sled_err *err)
{
	struct scrub *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		(void)sled_fail(err, SLED_ERR_NOMEM, "scrub");
		return NULL;
	}
	s->store = store;
	s->now = sled_clock_now();
	s->out = out;
	return s;
}

static bool
read_rows(struct scrub *s, const struct sled_member_row *rows, size_t len,
          struct sled_err *err)
{
	memcpy(s->rows, rows, len * sizeof(*rows));
	s->len = s->read = len;
	for (size_t i = 0; i < len; i++)
		if (!read_row(s, i, err))
			return false;
	if (!note_batch(s, err))
		return false;
	count_batch(s);
	return true;
}

bool
sled_scrub_volume(struct sled_store *store, struct sled_seat *seat,
                  const struct sled_volume_row *volume,
                  struct sled_scrubbed *out, struct sled_err *err)
{
	struct scrub *s = begin(store, out, err);
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok = s != NULL &&
	          sled_volume_extents(store, volume->id, 0, &rows, &len, err);

	if (s != NULL)
		s->seat = seat;
	for (size_t at = 0; ok && at < len; at += BATCH)
		ok = read_rows(s, rows + at,
		               len - at < BATCH ? len - at : BATCH, err);
	if (s != NULL)
		close_file(s);
	free(rows);
	free(s);
	return ok;
}

bool
sled_store_scrub(struct sled_store *store, uint64_t ms,
                 struct sled_scrubbed *out, struct sled_err *err)
{
	struct scrub *s = begin(store, out, err);
	int64_t began = sled_clock_ms();
	bool ok = true;

	*out = (struct sled_scrubbed){ 0 };
	if (s == NULL)
		return false;
	/* A share of the time for each; what one leaves, the next has. */
	for (size_t i = 0; ok && i < store->len; i++) {
		s->seat = &store->seats[i];
		s->end_ms =
		    began + (int64_t)(ms * (i + 1) / (uint64_t)store->len);
		ok = !sled_seat_usable(s->seat) ||
		     sled_clock_doubtful(s->now) || scrub_seat(s, err);
	}
	free(s);
	return ok;
}
