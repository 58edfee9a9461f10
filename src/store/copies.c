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
 *   K3  other bytes, or more than E: never written nor cut; salvaged, set
 *       aside whole, and made anew
 *   K4  sealed: E bytes and tar's end; read, and never written
 * Behind E, where the first place took over each member that goes on, K1 may
 * have left a member that was cut off. It holds nothing, and a copy of years is
 * not written anew for it: the tail is kept in quarantine and taken back, as
 * any append of ours that fails.
 * Which bytes are right is what the ledger's hashes say, not what the first
 * place has. Of a volume that was pruned in the first place another one that
 * has it stands for it; while that is away, nothing is appended. A volume that
 * is sealed in the first place goes from K2 to K4 (places/volume.c has the steps
 * between).
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/parity.h"

#define STEP (256u << 10)

/* All that a job touches is its own, for it may be left behind. */
struct job {
	const struct sled_sys *sys;
	struct sled_place *place; /* the seat's; left with the job */
	char *from_path;          /* the folder of the place with the bytes */
	struct sled_volume_row volume;
	char file[SLED_VOLUME_FILE]; /* the place's */
	bool sealed;                 /* that file is */
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

/* In steps, so that a slow place is told from a silent one. */
static bool
copy_range(struct job *job, struct sled_reading *from,
           struct sled_append *append, struct sled_err *err)
{
	bool ok = true;

	while (ok && append->end < job->end) {
		uint64_t left = job->end - append->end;

		ok = sled_append_from(append, from, append->end,
		                      left < STEP ? left : STEP, err);
		job->steps++;
	}
	return ok;
}

static bool
append_from(struct job *job, struct sled_reading *from, struct sled_err *err)
{
	struct sled_append append;

	if (!sled_append_begin(&append, job->place, job->volume.label,
	                       job->file, job->at, err))
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

	if (!sled_reading_open(&reading, job->place, job->volume.label,
	                       job->file, true, err))
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

	if (job->at == job->end) /* K1 of a run that was killed, or K4 */
		return (job->sealed ||
		        sled_place_sync(job->place, job->volume.label,
		                        job->file, err)) &&
		       read_back(job, err);
	if (!sled_dir_open(&from_place.dir, job->sys, AT_FDCWD, job->from_path,
	                   err))
		return false;
	ok = sled_reading_volume(
	    &from, &from_place,
	    &(const struct sled_volume_id){ job->volume.label, job->volume.name,
	                                    job->volume.revision },
	    false, err);
	if (ok) {
		ok = append_from(job, &from, err);
		sled_reading_close(&from);
	}
	(void)job->sys->close(job->sys->ctx, from_place.dir);
	if (!ok || read_back(job, err))
		return ok;
	sled_append_undo(job->place, job->volume.label, job->file, job->at);
	return false;
}

static void
run_job(void *ctx)
{
	struct job *job = ctx;

	job->ok = extend(job, &job->err);
}

/* What a seat has to get and to read back. */
struct task {
	const struct sled_volume_row *volume;
	const char *from; /* a place's path */
	bool sealed;      /* in that seat */
	uint64_t at, end;
	const struct sled_member_row *extents;
	size_t len;
};

static struct job *
new_job(struct sled_store *store, struct sled_seat *seat,
        const struct task *task, struct sled_err *err)
{
	struct job *job = calloc(1, sizeof(*job));

	if (job != NULL) {
		job->sys = store->sys;
		job->place = &seat->place;
		job->from_path = strdup(task->from);
		job->extents = calloc(task->len + 1, sizeof(*task->extents));
	}
	if (job == NULL || job->from_path == NULL || job->extents == NULL) {
		free_job(job);
		(void)sled_fail(err, SLED_ERR_NOMEM, "copy to %s",
		                seat->place.path);
		return NULL;
	}
	job->volume = *task->volume;
	job->sealed = task->sealed;
	if (job->sealed)
		sled_volume_sealed_file(job->file, job->volume.name,
		                        job->volume.revision);
	else
		sled_volume_file(job->file, job->volume.name, true);
	job->at = task->at;
	job->end = task->end;
	memcpy(job->extents, task->extents, task->len * sizeof(*task->extents));
	job->len = task->len;
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

/* Its outcome; a silent one is left behind with its seat. Frees the job. */
static bool
end_job(struct sled_store *store, struct sled_seat *seat, struct job *job,
        struct sled_err *why)
{
	bool ok;

	if (await_job(seat, job)) {
		ok = job->ok;
		*why = job->err;
		free_job(job);
		return ok;
	}
	(void)sled_fail(why, SLED_ERR_PLACE, "%s has not answered for 30 s",
	                seat->place.path);
	sled_worker_abandon(&seat->worker, free_late);
	sled_seat_leave(seat, why);
	sled_store_say(store, "%s", why->text);
	return false;
}

/* The place is out for the run. */
static void
give_up(struct sled_store *store, struct sled_seat *seat,
        const struct sled_err *why)
{
	if (seat->left)
		return;
	sled_seat_out(seat, why);
	sled_store_say(store, "%s", why->text);
}

static bool
finish_job(struct sled_store *store, struct sled_seat *seat, struct job *job)
{
	struct sled_err why = { 0 };

	if (end_job(store, seat, job, &why))
		return true;
	give_up(store, seat, &why);
	return false;
}

static struct job *
begin_job(struct sled_store *store, struct sled_seat *seat,
          const struct task *task, struct sled_err *err)
{
	struct job *job = new_job(store, seat, task, err);

	if (job == NULL || start_job(seat, job, err))
		return job;
	free_job(job);
	return NULL;
}

bool
sled_copies_extend(struct sled_store *store,
                   const struct sled_volume_row *volume,
                   const struct sled_member_row *extents, size_t len, bool *ok,
                   struct sled_err *err)
{
	const struct task task = { volume,      store->conf.path,
		                   false,       extents[0].at,
		                   volume->end, extents,
		                   len };
	struct job **jobs = calloc(store->len, sizeof(struct job *));
	bool fine = true;

	if (jobs == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "copies");
	for (size_t i = 1; fine && i < store->len; i++) {
		ok[i] = false;
		if (!sled_seat_usable(&store->seats[i]))
			continue;
		jobs[i] = begin_job(store, &store->seats[i], &task, err);
		fine = jobs[i] != NULL;
	}
	for (size_t i = 1; i < store->len; i++)
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

/* Take the copy out of use and let it be made anew from byte 0. */
static bool
set_aside(struct sled_store *store, struct sled_seat *seat,
          const struct sled_volume_row *volume, struct sled_err *err)
{
	char file[SLED_VOLUME_FILE];

	sled_volume_file(file, volume->name, true);
	if (!sled_salvage(store, seat, volume, file, err))
		return false;
	sled_store_say(store,
	               "%s/%s/%s differs from the first place's: it is kept in "
	               "quarantine and copied anew",
	               seat->place.path, volume->label, file);
	return sled_place_quarantine(&seat->place, volume->label, file, err);
}

/* One volume on one seat. */
struct reconcile {
	struct sled_store *store;
	struct sled_seat *seat;
	struct sled_seat *source; /* that has the volume; NULL: none that is
	                             there */
	const struct sled_volume_row *volume;
	struct sled_member_row *rows; /* all of the volume */
	size_t len;
	size_t from, whole; /* rows that are there, of which from FROM on they
	                       are not known to be right */
	uint64_t lack;      /* the first byte not known to be held, or end */
	uint64_t size;      /* of the copy's file, a seal's end not counted */
	struct sled_volume_found found;
};

/* Run a job over the rows FIRST to END-1 that appends from AT to TO. */
static bool
run(struct reconcile *r, size_t first, size_t end, uint64_t at, uint64_t to,
    struct sled_err *why)
{
	const struct sled_seat *from = r->source == NULL ? r->seat : r->source;
	const struct task task = {
		r->volume, from->place.path, r->found.sealed, at,
		to,        r->rows + first,  end - first
	};
	struct job *job = begin_job(r->store, r->seat, &task, why);

	return job != NULL && end_job(r->store, r->seat, job, why);
}

/* Has this place all of the volume, as far as the ledger knows? */
static bool
has_all(struct reconcile *r, struct sled_seat *seat, bool *has,
        struct sled_err *err)
{
	struct sled_volume_found found;
	struct sled_member_row *rows = NULL;
	struct sled_err why = { 0 };
	size_t len = 0;

	*has = false;
	if (seat == r->seat || seat->far || !sled_seat_usable(seat) ||
	    !sled_seat_volume(seat, r->volume, &found, &why) || !found.there)
		return true;
	if (!sled_volume_lacking(r->store, r->volume->id, seat->id, &rows, &len,
	                         err))
		return false;
	free(rows);
	*has = len == 0;
	return true;
}

/* The first place; but another, where the volume was pruned there. */
static bool
find_source(struct reconcile *r, struct sled_err *err)
{
	struct sled_store *store = r->store;
	bool has = false;

	r->source = &store->seats[0];
	if (!sled_ledger_pruned(store->ledger, r->volume->id, r->source->id,
	                        &has, err))
		return false;
	for (size_t i = 1; has && i < store->len; i++) {
		if (!has_all(r, &store->seats[i], &has, err))
			return false;
		r->source = has ? &store->seats[i] : NULL;
		has = !has;
	}
	return true;
}

static bool
need_source(struct reconcile *r, struct sled_err *why)
{
	return r->source != NULL ||
	       sled_fail(why, SLED_ERR_MISSING,
	                 "%s/%s: the places that have it are away",
	                 r->volume->label, r->volume->name);
}

/* Of a file that has another size than it can have nothing is believed. */
static void
find_whole(struct reconcile *r)
{
	uint64_t held =
	    r->size < r->lack || r->size > r->volume->end ? 0 : r->lack;

	for (r->whole = 0; r->whole < r->len; r->whole++) {
		const struct sled_member_row *row = &r->rows[r->whole];

		if (row->at + row->length > r->size)
			break;
		r->from += row->at < held;
	}
}

static uint64_t
boundary(const struct reconcile *r)
{
	const struct sled_member_row *last;

	if (r->whole == 0)
		return 0;
	last = &r->rows[r->whole - 1];
	return last->at + last->length;
}

/* Has the copy what the source has, from the boundary up to TO? */
static bool
same_bytes(struct reconcile *r, uint64_t to, bool *equal, struct sled_err *err)
{
	const struct sled_volume_row *volume = r->volume;
	struct sled_reading a, b;
	bool ok;

	if (!need_source(r, err) ||
	    !sled_seat_read(&a, r->source, volume, false, err))
		return false;
	if (!sled_seat_read(&b, r->seat, volume, false, err)) {
		sled_reading_close(&a);
		return false;
	}
	ok = bytes_equal(&a, &b, boundary(r), to, equal, err);
	sled_reading_close(&a);
	sled_reading_close(&b);
	return ok;
}

/* Does the copy have what it has by right? Its whole members are read back;
 * what lies behind them must be the beginning of the next. */
static bool
is_right(struct reconcile *r, bool *right, struct sled_err *why)
{
	uint64_t to = r->size < r->volume->end ? r->size : r->volume->end;

	*right = !r->found.there || r->size > 0;
	if (r->from < r->whole &&
	    !run(r, r->from, r->whole, boundary(r), boundary(r), why)) {
		if (r->seat->left || why->kind != SLED_ERR_DAMAGED)
			return false;
		*why = (struct sled_err){ 0 };
		*right = false;
	}
	return !*right || boundary(r) == to || same_bytes(r, to, right, why);
}

/* Is what lies behind the end only what an append of ours left? */
static bool
is_torn(struct reconcile *r, bool *torn, struct sled_err *why)
{
	struct sled_reading reading;
	bool ok = sled_seat_read(&reading, r->seat, r->volume, false, why);

	if (!ok)
		return false;
	ok = sled_member_torn(&reading.source, r->volume->end, torn, why);
	sled_reading_close(&reading);
	return ok;
}

static bool
take_back(struct reconcile *r, struct sled_err *why)
{
	sled_store_say(r->store,
	               "%s/%s/%s: an append was cut off; what it left is kept "
	               "in quarantine",
	               r->seat->place.path, r->volume->label, r->found.file);
	return sled_place_quarantine_tail(&r->seat->place, r->volume->label,
	                                  r->found.file, r->volume->end, why);
}

/* What the ledger says of this seat, before (nothing of what is not known to be
 * right) and after it was brought up. */
static bool
tell_ledger(struct reconcile *r, bool whole, struct sled_err *err)
{
	if (whole)
		return note_holdings(r->store, r->seat, r->rows + r->from,
		                     r->len - r->from, err);
	for (size_t i = r->from; i < r->len; i++)
		if (!sled_ledger_unhold(r->store->ledger, r->rows[i].id,
		                        r->seat->id, err))
			return false;
	return true;
}

/* What only a repair may touch. */
static bool
damaged_seal(struct reconcile *r, struct sled_err *why)
{
	(void)sled_fail(why, SLED_ERR_DAMAGED,
	                "%s/%s/%s has other bytes than were stored",
	                r->seat->place.path, r->volume->label, r->found.file);
	return sled_hint(why, "mailsled repair");
}

/* Can the copy be made anew? Where the source has damage too, what this one has
 * may be all that is left of a member. */
static bool
source_holds(struct reconcile *r, struct sled_err *why)
{
	struct sled_reading reading;
	bool ok = need_source(r, why) &&
	          sled_seat_read(&reading, r->source, r->volume, false, why);

	if (!ok)
		return false;
	for (size_t i = 0; ok && i < r->len; i++) {
		const struct sled_member_sum sum = { r->rows[i].length,
			                             r->rows[i].tar_octets,
			                             r->rows[i].body_sha256 };

		ok = sled_member_compare(&reading.source, r->rows[i].at, &sum,
		                         why);
	}
	sled_reading_close(&reading);
	if (!ok)
		(void)sled_hint(why, "mailsled repair");
	return ok || sled_note(why, "%s and %s both have damage",
	                       r->source->place.path, r->seat->place.path);
}

/* K3: nothing counts on the copy before it is set aside. */
static bool
begin_anew(struct reconcile *r, struct sled_err *why)
{
	if (!source_holds(r, why))
		return false;
	r->from = r->whole = 0;
	r->size = 0;
	return tell_ledger(r, false, why) &&
	       set_aside(r->store, r->seat, r->volume, why);
}

/* K0 to K3 become K2. */
static bool
bring(struct reconcile *r, uint64_t *octets, struct sled_err *why)
{
	bool right = true;

	if (!is_right(r, &right, why))
		return false;
	if (r->found.sealed && (!right || r->size != r->volume->end))
		return damaged_seal(r, why);
	if (right && r->size > r->volume->end) {
		if (!is_torn(r, &right, why))
			return false;
		if (right)
			return take_back(r, why);
	}
	if (!right && !begin_anew(r, why))
		return false;
	if (r->size == r->volume->end)
		return true;
	if (!need_source(r, why))
		return false;
	*octets += r->volume->end - r->size;
	return run(r, r->whole, r->len, r->size, r->volume->end, why);
}

static bool
reconcile(struct reconcile *r, uint64_t *octets, struct sled_err *err)
{
	struct sled_err why = { 0 };

	if (!sled_volume_extents(r->store, r->volume->id, 0, &r->rows, &r->len,
	                         err))
		return false;
	find_whole(r);
	if (!tell_ledger(r, false, err) || !find_source(r, err))
		return false;
	if (bring(r, octets, &why))
		return tell_ledger(r, true, err);
	if (r->source == NULL && why.kind == SLED_ERR_MISSING) {
		r->seat->waits = true; /* and is written all the same */
		return true;
	}
	if (why.kind == SLED_ERR_NOMEM) {
		*err = why;
		return false;
	}
	if ((r->found.sealed || r->volume->turned) &&
	    why.kind == SLED_ERR_DAMAGED)
		sled_store_say(r->store, "%s: `mailsled repair`", why.text);
	else
		give_up(r->store, r->seat, &why);
	return true;
}

/* The first byte that the seat is not known to hold. */
static bool
find_lack(struct reconcile *r, struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	size_t len = 0;

	if (!sled_volume_lacking(r->store, r->volume->id, r->seat->id, &rows,
	                         &len, err))
		return false;
	r->lack = len > 0 ? rows[0].at : r->volume->end;
	free(rows);
	return true;
}

/* A seal's end is no part of what is copied: of one that was cut off it is
 * taken back. */
static bool
find_size(struct reconcile *r, struct sled_err *why)
{
	const struct sled_volume_row *volume = r->volume;
	bool ends = false;

	if (!sled_seat_volume(r->seat, volume, &r->found, why))
		return false;
	if (r->found.sealed &&
	    r->found.size == volume->end + SLED_MEMBER_LAST) {
		r->size = volume->end; /* what it ends with, verify tells */
		return true;
	}
	if (!sled_place_ends(&r->seat->place, volume->label, &r->found,
	                     volume->end, &ends, why))
		return false;
	r->size = ends ? volume->end : r->found.size;
	if (!ends || r->found.sealed)
		return true;
	sled_append_undo(&r->seat->place, volume->label, r->found.file,
	                 volume->end);
	return !sled_place_is_out(&r->seat->place, why);
}

static bool
reconcile_size(struct reconcile *r, uint64_t *octets, struct sled_err *err)
{
	struct sled_err why = { 0 };
	bool ok = true;

	if (r->lack != r->volume->end || r->size != r->volume->end) {
		ok = reconcile(r, octets, err);
		free(r->rows);
	}
	if (!ok || !r->volume->sealed || !sled_seat_usable(r->seat))
		return ok;
	if (!find_lack(r, err))
		return false;
	if (r->lack != r->volume->end)
		return true;
	if (sled_seat_seal(r->seat, r->volume, &why))
		sled_beside_copy(r->store, r->seat, r->volume);
	else
		give_up(r->store, r->seat, &why);
	return true;
}

bool
sled_copies_reconcile(struct sled_store *store, struct sled_seat *seat,
                      const struct sled_volume_row *volume, uint64_t *octets,
                      struct sled_err *err)
{
	struct reconcile r = { .store = store, .seat = seat, .volume = volume };
	struct sled_err why = { 0 };
	bool pruned = false;

	if (!sled_seat_usable(seat))
		return true;
	if (!sled_ledger_pruned(store->ledger, volume->id, seat->id, &pruned,
	                        err))
		return false;
	if (pruned)
		return true;
	if (!find_lack(&r, err))
		return false;
	if (!find_size(&r, &why)) {
		give_up(store, seat, &why);
		return true;
	}
	return reconcile_size(&r, octets, err);
}
