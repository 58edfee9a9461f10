/*
 * copies.c - the same bytes at the same offset in every present place (c5).
 *
 * Each copy has a worker of its own: a disk that hangs in the kernel holds up
 * nothing but itself. A place that says nothing for 30 s is absent; its job is
 * left behind with all that it touches.
 *
 * States of a copy of a volume (E: the first place's committed end)
 *   K0  a prefix of the first place's bytes, at a member's end
 *   K1  more of them, unsynced   after a crash any prefix: append goes on
 *   K2  E bytes, synced, read back and equal: the ledger says "holds"
 *   K3  other bytes: never written nor cut; set aside whole (recover.c)
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

#define CHUNK (256u << 10)

/* All that a job touches is its own, for it may be left behind. */
struct job {
	const struct sled_sys *sys;
	struct sled_place *place; /* the seat's; left with the job */
	char *from_path;          /* the first place's folder */
	char label[25];
	char file[SLED_VOLUME_FILE];
	uint64_t at, end;
	struct sled_member_row *extents;
	size_t len;
	atomic_uint_fast64_t steps; /* moves while it is alive */
	bool ok;
	struct sled_err err;
};

static void
free_job(struct job *job)
{
	if (job == NULL)
		return;
	free(job->from_path);
	free(job->extents);
	free(job);
}

static void
free_late(void *ctx)
{
	free_job(ctx);
}

static bool
copy_range(struct job *job, struct sled_reading *from,
           struct sled_append *append, struct sled_err *err)
{
	char *chunk = malloc(CHUNK);
	bool ok = chunk != NULL || sled_fail(err, SLED_ERR_NOMEM, "copy");

	while (ok && append->end < job->end) {
		uint64_t left = job->end - append->end;
		size_t got = 0;

		ok = sled_file_read(&from->file, chunk,
		                    left < CHUNK ? (size_t)left : CHUNK,
		                    append->end, &got, err);
		if (ok && got == 0)
			ok = sled_fail(err, SLED_ERR_DAMAGED, "%s is cut off",
			               from->name);
		ok = ok && sled_append_write(append, chunk, got, err);
		job->steps++;
	}
	free(chunk);
	return ok;
}

static bool
append_from(struct job *job, struct sled_reading *from, struct sled_err *err)
{
	struct sled_append append;

	if (!sled_append_begin(&append, job->place, job->label, job->file,
	                       job->at, err))
		return false;
	if (copy_range(job, from, &append, err) &&
	    sled_append_commit(&append, err))
		return true;
	sled_append_abort(&append);
	return false;
}

static bool
read_back(struct job *job, struct sled_err *err)
{
	struct sled_reading reading;
	bool ok = true;

	if (!sled_reading_open(&reading, job->place, job->label, job->file,
	                       true, err))
		return false;
	for (size_t i = 0; ok && i < job->len; i++) {
		const struct sled_member_row *row = &job->extents[i];
		const struct sled_member_sum sum = { row->length,
			                             row->tar_octets,
			                             row->body_sha256 };
		ok = sled_member_compare(&reading.source, row->at, &sum, err);
		job->steps++;
	}
	sled_reading_close(&reading);
	return ok || sled_note(err, "%s", job->place->path);
}

static bool
extend(struct job *job, struct sled_err *err)
{
	struct sled_place from_place = { .sys = job->sys,
		                         .path = job->from_path,
		                         .dir = -1 };
	struct sled_reading from;
	bool ok;

	if (job->at == job->end)
		return read_back(job, err);
	if (!sled_dir_open(&from_place.dir, job->sys, AT_FDCWD, job->from_path,
	                   err))
		return false;
	ok = sled_reading_open(&from, &from_place, job->label, job->file, false,
	                       err);
	if (ok) {
		ok = append_from(job, &from, err);
		sled_reading_close(&from);
	}
	(void)job->sys->close(job->sys->ctx, from_place.dir);
	if (!ok || read_back(job, err))
		return ok;
	sled_append_undo(job->place, job->label, job->file, job->at);
	return false;
}

static void
run_job(void *ctx)
{
	struct job *job = ctx;

	job->ok = extend(job, &job->err);
}

static struct job *
new_job(struct sled_store *store, struct sled_seat *seat,
        const struct sled_volume_row *volume, uint64_t at,
        const struct sled_member_row *extents, size_t len, struct sled_err *err)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job != NULL) {
		job->sys = store->sys;
		job->place = &seat->place;
		job->from_path = strdup(store->conf.path);
		job->extents = calloc(len + 1, sizeof(*extents));
	}
	if (job == NULL || job->from_path == NULL || job->extents == NULL) {
		free_job(job);
		(void)sled_fail(err, SLED_ERR_NOMEM, "copy to %s",
		                seat->place.path);
		return NULL;
	}
	memcpy(job->label, volume->label, sizeof(job->label));
	sled_volume_file(job->file, volume->name, true);
	job->at = at;
	job->end = volume->end;
	memcpy(job->extents, extents, len * sizeof(*extents));
	job->len = len;
	return job;
}

static bool
start_job(struct sled_seat *seat, struct job *job, struct sled_err *err)
{
	if (seat->worker == NULL && !sled_worker_new(&seat->worker, err))
		return false;
	return sled_worker_submit(seat->worker, run_job, job, err);
}

/* Wait until it is done, or was silent for too long. */
static bool
await_job(struct sled_seat *seat, struct job *job)
{
	uint64_t steps = job->steps;
	int64_t since = sled_clock_ms();

	while (!sled_worker_wait(seat->worker, 250)) {
		if (job->steps != steps) {
			steps = job->steps;
			since = sled_clock_ms();
		} else if (sled_clock_ms() - since >= SLED_SILENT_MS) {
			return false;
		}
	}
	return true;
}

static bool
finish_job(struct sled_store *store, struct sled_seat *seat, struct job *job)
{
	struct sled_err silent = { 0 };
	bool ok;

	if (!await_job(seat, job)) {
		(void)sled_fail(&silent, SLED_ERR_PLACE,
		                "%s has not answered for 30 s",
		                seat->place.path);
		sled_worker_abandon(&seat->worker, free_late);
		seat->left = true;
		(void)snprintf(seat->why, sizeof(seat->why), "%s", silent.text);
		sled_store_say(store, "%s", silent.text);
		return false;
	}
	ok = job->ok;
	if (!ok) {
		sled_seat_out(seat, &job->err);
		sled_store_say(store, "%s", job->err.text);
	}
	free_job(job);
	return ok;
}

bool
sled_copies_extend(struct sled_store *store,
                   const struct sled_volume_row *volume,
                   const struct sled_member_row *extents, size_t len, bool *ok,
                   struct sled_err *err)
{
	struct job **jobs = calloc(store->len, sizeof(struct job *));
	bool fine = jobs != NULL || sled_fail(err, SLED_ERR_NOMEM, "copies");

	for (size_t i = 1; fine && i < store->len; i++) {
		struct sled_seat *seat = &store->seats[i];

		ok[i] = false;
		if (!sled_seat_usable(seat))
			continue;
		jobs[i] = new_job(store, seat, volume, extents[0].at, extents,
		                  len, err);
		fine = jobs[i] != NULL;
		if (fine && !start_job(seat, jobs[i], err)) {
			free_job(jobs[i]);
			jobs[i] = NULL;
			fine = false;
		}
	}
	for (size_t i = 1; jobs != NULL && i < store->len; i++)
		if (jobs[i] != NULL)
			ok[i] = finish_job(store, &store->seats[i], jobs[i]);
	free(jobs);
	return fine;
}

/* ---- one volume on one seat, whatever it has now ---- */

static bool
bytes_equal(struct sled_reading *a, struct sled_reading *b, uint64_t from,
            uint64_t to, bool *equal, struct sled_err *err)
{
	char left[8192], right[8192];

	*equal = true;
	while (*equal && from < to) {
		size_t want = to - from < sizeof(left) ? (size_t)(to - from)
		                                       : sizeof(left);
		size_t got_a = 0, got_b = 0;

		if (!sled_file_read(&a->file, left, want, from, &got_a, err) ||
		    !sled_file_read(&b->file, right, want, from, &got_b, err))
			return false;
		*equal = got_a == want && got_b == want &&
		         memcmp(left, right, want) == 0;
		from += want;
	}
	return true;
}

static bool
same_bytes(struct sled_store *store, struct sled_seat *seat,
           const struct sled_volume_row *volume, uint64_t from, uint64_t to,
           bool *equal, struct sled_err *err)
{
	struct sled_reading a, b;
	char file[SLED_VOLUME_FILE];
	bool ok;

	sled_volume_file(file, volume->name, true);
	if (!sled_reading_open(&a, sled_store_first(store), volume->label, file,
	                       false, err))
		return false;
	if (!sled_reading_open(&b, &seat->place, volume->label, file, false,
	                       err)) {
		sled_reading_close(&a);
		return false;
	}
	ok = bytes_equal(&a, &b, from, to, equal, err);
	sled_reading_close(&a);
	sled_reading_close(&b);
	return ok;
}

struct first_lack {
	uint64_t at;
	bool found;
};

static bool
keep_first(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	struct first_lack *lack = ctx;

	(void)err;
	if (!lack->found)
		lack->at = row->at;
	lack->found = true;
	return true;
}

static bool
note_holdings(struct sled_store *store, struct sled_seat *seat,
              const struct sled_member_row *rows, size_t len,
              struct sled_err *err)
{
	int64_t now = sled_clock_now();

	if (!sled_ledger_begin(store->ledger, err))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!sled_ledger_hold(store->ledger, rows[i].id, seat->id, now,
		                      err)) {
			sled_ledger_drop(store->ledger);
			return false;
		}
	return sled_ledger_commit(store->ledger, err);
}

/* What lies behind AT is not there: the ledger must not say that it is. */
static bool
unhold_behind(struct sled_store *store, struct sled_seat *seat,
              const struct sled_volume_row *volume, uint64_t at,
              struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok = sled_volume_extents(store, volume->id, 0, &rows, &len, err);

	for (size_t i = 0; ok && i < len; i++)
		if (rows[i].at + rows[i].length > at)
			ok = sled_ledger_unhold(store->ledger, rows[i].id,
			                        seat->id, err);
	free(rows);
	return ok;
}

/* Take the copy out of use and let it be made anew from byte 0. */
static bool
set_aside(struct sled_store *store, struct sled_seat *seat,
          const struct sled_volume_row *volume, struct sled_err *err)
{
	char file[SLED_VOLUME_FILE];

	sled_volume_file(file, volume->name, true);
	if (!sled_salvage(store, &seat->place, volume, err) ||
	    !unhold_behind(store, seat, volume, 0, err))
		return false;
	sled_store_say(store,
	               "%s/%s/%s differs from the first place's: it is kept in "
	               "quarantine and copied anew",
	               seat->place.path, volume->label, file);
	return sled_place_quarantine(&seat->place, volume->label, file, err);
}

/* Where to go on: *at is the length of what is surely right there. */
static bool
find_start(struct sled_store *store, struct sled_seat *seat,
           const struct sled_volume_row *volume, uint64_t held, uint64_t *at,
           struct sled_err *err)
{
	char file[SLED_VOLUME_FILE];
	uint64_t size = 0;
	bool there = false, equal = true;

	sled_volume_file(file, volume->name, true);
	if (!sled_place_size(&seat->place, volume->label, file, &size, &there,
	                     err))
		return false;
	*at = size < volume->end ? size : volume->end;
	if (*at > held &&
	    !same_bytes(store, seat, volume, held, *at, &equal, err))
		return false;
	if (!equal || (there && size == 0)) {
		*at = 0;
		return set_aside(store, seat, volume, err);
	}
	if (size <= volume->end)
		return true;
	sled_store_say(store,
	               "%s/%s/%s is longer than it can be: what lies behind is "
	               "kept in quarantine",
	               seat->place.path, volume->label, file);
	return sled_place_quarantine_tail(&seat->place, volume->label, file,
	                                  volume->end, err);
}

static bool
reconcile(struct sled_store *store, struct sled_seat *seat,
          const struct sled_volume_row *volume, uint64_t from, uint64_t at,
          struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	struct job *job = NULL;
	size_t len = 0;
	bool ok =
	    sled_volume_extents(store, volume->id, from, &rows, &len, err);

	if (ok && len > 0) {
		job = new_job(store, seat, volume, at, rows, len, err);
		ok = job != NULL;
		if (ok && !start_job(seat, job, err)) {
			free_job(job);
			ok = false;
		} else if (ok && finish_job(store, seat, job)) {
			ok = note_holdings(store, seat, rows, len, err);
		}
	}
	free(rows);
	return ok;
}

/*
 * A copy that is shorter gets what it lacks, and what it is not known to hold
 * is read back; one that differs is set aside. A place that fails here is out,
 * which is no failure of the call.
 */
bool
sled_copies_reconcile(struct sled_store *store, struct sled_seat *seat,
                      const struct sled_volume_row *volume, uint64_t *octets,
                      struct sled_err *err)
{
	struct first_lack lack = { volume->end, false };
	struct sled_err why = { 0 };
	uint64_t at = 0, size = 0;
	bool there = false;
	char file[SLED_VOLUME_FILE];

	if (!sled_seat_usable(seat) ||
	    !sled_ledger_lacking(store->ledger, volume->id, seat->id,
	                         keep_first, &lack, err))
		return !sled_seat_usable(seat);
	sled_volume_file(file, volume->name, true);
	if (!sled_place_size(&seat->place, volume->label, file, &size, &there,
	                     &why) ||
	    (!lack.found && size == volume->end)) {
		if (why.kind != SLED_ERR_NONE)
			sled_seat_out(seat, &why);
		return true;
	}
	if (!find_start(store, seat, volume, lack.at, &at, &why)) {
		sled_seat_out(seat, &why);
		sled_store_say(store, "%s", why.text);
		return true;
	}
	if (at < lack.at && !unhold_behind(store, seat, volume, at, err))
		return false;
	*octets += volume->end - at;
	return reconcile(store, seat, volume, at < lack.at ? 0 : lack.at, at,
	                 err);
}
