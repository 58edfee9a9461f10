/*
 * far_plan.c - what a far place lacks of each volume, and in which form it
 * goes there.
 *
 * States of a volume there (E: its committed end)
 *   V0  nothing
 *   V1  ranges from 0 on, without a gap    each a file of its own, cut between
 *                                          members, never changed
 *   V2  ranges up to E
 *   V3  and the sealed file, checked       ranges are removed: nothing is held
 *                                          by them alone any more
 *   V4  the sealed file, what goes with it
 * A sealed volume goes from V0 to V3 in one file. Where that was cut off once,
 * its ranges go first: rclone sends a file from its beginning each time.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "store/far.h"

#define TRY_AGAIN_S 86400L /* a sealed file that was cut off */

/* One volume on its way. */
struct plan {
	struct far_job *job;
	const struct sled_volume_row *volume;
	struct sled_member_row *rows;
	size_t len;
	char sealed[SLED_VOLUME_FILE];
	char file[SLED_FAR_FILE]; /* the sealed file there */
	struct far_batch *batch;
};

/* ---- a range, made of members that hold ---- */

struct stage {
	struct sled_file file;
	struct sled_sha256 *sha;
	uint64_t at;
};

static bool
copy_bytes(struct stage *stage, struct sled_reading *from,
           const struct sled_member_row *row, struct sled_err *err)
{
	char chunk[65536];
	uint64_t done = 0;

	while (done < row->length) {
		size_t want = row->length - done < sizeof(chunk)
		                  ? (size_t)(row->length - done)
		                  : sizeof(chunk);
		size_t got = 0;

		if (!sled_file_read(&from->file, chunk, want, row->at + done,
		                    &got, err))
			return false;
		if (got != want)
			return sled_fail(err, SLED_ERR_DAMAGED, "%s is cut off",
			                 from->name);
		if (!sled_file_write(&stage->file, chunk, got, stage->at, err))
			return false;
		sled_sha256_add(stage->sha, chunk, got);
		stage->at += got;
		done += got;
	}
	return true;
}

/* From the first place whose bytes are the ledger's. */
static bool
stage_member(struct plan *plan, struct stage *stage,
             const struct sled_member_row *row, struct sled_err *err)
{
	const struct sled_member_sum sum = { row->length, row->tar_octets,
		                             row->body_sha256 };
	struct sled_store *store = plan->job->store;
	struct sled_err why = { 0 };

	for (size_t i = 0; i < store->len; i++) {
		struct sled_reading reading;
		bool holds, copied = false;

		if (!sled_seat_usable(&store->seats[i]) ||
		    !sled_seat_read(&reading, &store->seats[i], plan->volume,
		                    false, &why))
			continue;
		holds =
		    sled_member_compare(&reading.source, row->at, &sum, &why);
		if (holds)
			copied = copy_bytes(stage, &reading, row, err);
		sled_reading_close(&reading);
		if (holds)
			return copied;
	}
	*err = why;
	if (err->kind == SLED_ERR_NONE)
		return sled_fail(err, SLED_ERR_DAMAGED, "no place holds it");
	return sled_hint(err, "mailsled repair");
}

static bool
write_range(struct plan *plan, struct stage *stage, size_t first, size_t end,
            struct sled_err *err)
{
	for (size_t i = first; i < end; i++)
		if (!stage_member(plan, stage, &plan->rows[i], err))
			return false;
	return true;
}

static bool
open_stage(struct far_job *job, const char *file, struct stage *stage,
           struct sled_err *err)
{
	const struct sled_sys *sys = job->store->sys;
	char folder[SLED_FAR_FILE];

	(void)snprintf(folder, sizeof(folder), "%.*s", (int)strcspn(file, "/"),
	               file);
	stage->at = 0;
	return sled_dir_make(sys, job->scratch, folder, 0700, err) &&
	       sled_sha256_new(&stage->sha, err) &&
	       sled_file_open(&stage->file, sys, job->scratch, file,
	                      O_WRONLY | O_CREAT | O_TRUNC, 0600, err);
}

/* Members FIRST to END-1 as a file below the scratch folder. */
static bool
stage_range(struct plan *plan, size_t first, size_t end,
            struct sled_far_file *file, struct far_cover *cover,
            struct sled_err *err)
{
	struct stage stage = { .file.fd = -1 };
	bool ok;

	*cover = (struct far_cover){ plan->volume, plan->rows[first].at,
		                     plan->rows[end - 1].at +
		                         plan->rows[end - 1].length };
	sled_far_range_name(file->file, cover);
	ok = open_stage(plan->job, file->file, &stage, err);
	if (ok) {
		ok = write_range(plan, &stage, first, end, err);
		if (ok)
			ok = sled_file_close(&stage.file, err);
		else
			sled_file_drop(&stage.file);
	}
	if (ok) {
		file->octets = stage.at;
		file->sha256 = sled_sha256_end(stage.sha);
	}
	sled_sha256_free(&stage.sha);
	return ok;
}

/* ---- which ranges ---- */

/* The row of a range that begins at FROM; NULL: there is none. */
static const struct sled_far_row *
range_row(const struct plan *plan, uint64_t from, uint64_t *to)
{
	const struct far_job *job = plan->job;

	for (size_t i = 0; i < job->rows_len; i++) {
		struct far_range range;

		if (sled_far_range_parse(&range, job->rows[i].file) &&
		    range.from == from &&
		    strcmp(range.name, plan->volume->name) == 0 &&
		    strcmp(range.label, plan->volume->label) == 0) {
			*to = range.to;
			return &job->rows[i];
		}
	}
	return NULL;
}

/* One that lies there without a row is cut as it is, so that nothing of it is
 * sent again; else about FAR_RANGE octets. */
static size_t
range_end(const struct plan *plan, size_t first)
{
	struct far_cover cover = { plan->volume, plan->rows[first].at, 0 };
	size_t end = first, there = 0;

	for (size_t i = first; i < plan->len; i++) {
		char file[SLED_FAR_FILE];
		uint64_t octets = 0;

		cover.to = plan->rows[i].at + plan->rows[i].length;
		sled_far_range_name(file, &cover);
		if (sled_far_has(plan->job->far, file, &octets) &&
		    octets == cover.to - cover.from)
			there = i + 1;
		if (end == first || cover.to - cover.from <= FAR_RANGE)
			end = i + 1;
	}
	return there > 0 ? there : end;
}

static bool
add_range(struct plan *plan, size_t first, size_t end, struct sled_err *err)
{
	struct sled_far_file file = { .octets = 0 };
	struct far_cover cover;

	return stage_range(plan, first, end, &file, &cover, err) &&
	       sled_far_staged(plan->job, &file, &cover, err);
}

static bool
send_ranges(struct plan *plan, struct sled_err *err)
{
	size_t at = 0;
	bool ok = true;

	while (ok && at < plan->len && !sled_far_over(plan->job)) {
		uint64_t to = 0;
		size_t end = at;

		if (range_row(plan, plan->rows[at].at, &to) != NULL)
			while (end < plan->len && plan->rows[end].at < to)
				end++;
		if (end == at) {
			end = range_end(plan, at);
			ok = add_range(plan, at, end, err);
		}
		at = end;
	}
	return ok;
}

/* ---- a sealed file, and what goes with it ---- */

/* A place that has the sealed file, with its hash. */
static struct sled_seat *
find_source(struct plan *plan)
{
	struct sled_store *store = plan->job->store;
	const struct sled_volume_row *volume = plan->volume;

	for (size_t i = 0; i < store->len; i++) {
		struct sled_seat *seat = &store->seats[i];
		struct sled_volume_found found;
		struct sled_err why = { 0 };
		struct sled_hash hash;

		if (sled_seat_usable(seat) &&
		    sled_seat_volume(seat, volume, &found, &why) &&
		    found.there && found.sealed &&
		    strcmp(found.file, plan->sealed) == 0 &&
		    sled_place_hash(&seat->place, volume->label, found.file,
		                    &hash, &why) &&
		    sled_hash_equal(&hash, &volume->sha256))
			return seat;
	}
	return NULL;
}

static void
try_key(const struct plan *plan, char out[160])
{
	(void)snprintf(out, 160, "far-try/%s/%s", plan->job->seat->id,
	               plan->file);
}

/* When it was last begun and not ended; 0: not. */
static bool
last_try(struct plan *plan, int64_t *when, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	uint64_t number = 0;
	char key[160];
	bool found = false, ok;

	try_key(plan, key);
	*when = 0;
	ok = sled_ledger_get(plan->job->store->ledger, key, &text, &found, err);
	if (ok && found && sled_text_u64(sled_buf_span(&text), &number))
		*when = (int64_t)number;
	sled_buf_free(&text);
	return ok;
}

static bool
note_try(struct plan *plan, int64_t when, struct sled_err *err)
{
	char key[160], text[24];

	try_key(plan, key);
	(void)snprintf(text, sizeof(text), "%" PRId64, when);
	return sled_ledger_put(plan->job->store->ledger, key, text, err);
}

static bool
send_sealed(struct plan *plan, struct sled_err *err)
{
	struct sled_seat *seat = find_source(plan);
	const struct sled_volume_row *volume = plan->volume;
	struct sled_far_file file = { .octets = volume->end + SLED_MEMBER_LAST,
		                      .sha256 = volume->sha256 };
	const struct far_cover cover = { volume, 0, volume->end };

	if (seat == NULL) {
		(void)sled_fail(err, SLED_ERR_DAMAGED,
		                "%s: no place that is there has it whole",
		                plan->file);
		return sled_hint(err, "mailsled repair");
	}
	memcpy(file.file, plan->file, sizeof(file.file));
	plan->batch->len = 0;
	plan->batch->octets = 0;
	return note_try(plan, plan->job->now, err) &&
	       sled_far_add(plan->batch, &file, &cover) &&
	       sled_far_send(plan->job, plan->batch, seat->place.path, err) &&
	       note_try(plan, 0, err);
}

/* Sidecar and parity, once they are there. */
static bool
add_beside(struct plan *plan, struct sled_place *place, const char *name,
           struct sled_err *err)
{
	struct sled_far_file file = { .octets = 0 };
	const struct far_cover none = { NULL, 0, 0 };
	bool there = false;
	int len = snprintf(file.file, sizeof(file.file), "%s/%s",
	                   plan->volume->label, name);

	if (len >= (int)sizeof(file.file) || !sled_far_name_ok(file.file) ||
	    strcmp(name, plan->sealed) == 0 ||
	    !sled_volume_goes_with(name, plan->sealed, plan->volume->name) ||
	    sled_far_row(plan->job, file.file) != NULL)
		return true;
	if (!sled_place_size(place, plan->volume->label, name, &file.octets,
	                     &there, err) ||
	    !sled_place_hash(place, plan->volume->label, name, &file.sha256,
	                     err))
		return false;
	return !there || sled_far_add(plan->batch, &file, &none) ||
	       (sled_far_send(plan->job, plan->batch, place->path, err) &&
	        sled_far_add(plan->batch, &file, &none));
}

static bool
send_beside(struct plan *plan, struct sled_err *err)
{
	struct sled_place *place = sled_store_first(plan->job->store);
	struct sled_buf names = { 0 };
	struct sled_err why = { 0 };
	bool ok = true;

	if (!sled_dir_list(&names, place->sys, place->dir, plan->volume->label,
	                   &why)) /* pruned here: it went before */
		return why.kind == SLED_ERR_MISSING ||
		       sled_note(err, "%s", why.text);
	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		ok = add_beside(plan, place, names.data + at, err);
	sled_buf_free(&names);
	return ok && sled_far_send(plan->job, plan->batch, place->path, err);
}

/* ---- ranges that the sealed file stands for ---- */

struct tidy {
	struct plan *plan;
	struct sled_buf files; /* a NUL behind each */
};

static bool
take_range(void *ctx, const char *file, uint64_t octets, struct sled_err *err)
{
	struct tidy *tidy = ctx;
	const struct sled_volume_row *volume = tidy->plan->volume;
	struct far_range range;

	(void)octets;
	return !sled_far_range_parse(&range, file) ||
	       strcmp(range.name, volume->name) != 0 ||
	       strcmp(range.label, volume->label) != 0 ||
	       sled_buf_add(&tidy->files, file, strlen(file) + 1, err);
}

/* A place that lets nothing be removed keeps them: they harm nothing. */
static bool
tidy_ranges(struct plan *plan, struct sled_err *err)
{
	struct far_job *job = plan->job;
	struct tidy tidy = { plan, { 0 } };
	bool ok = sled_far_list(job->far, take_range, &tidy, err);

	for (size_t at = 0; ok && at < tidy.files.len;
	     at += strlen(tidy.files.data + at) + 1) {
		struct sled_err why = { 0 };

		if (sled_far_remove(job->far, tidy.files.data + at, &why))
			ok = sled_far_drop(job, tidy.files.data + at, err);
		else
			sled_store_say(job->store, "%s: %s",
			               job->seat->place.path, why.text);
	}
	sled_buf_free(&tidy.files);
	return ok;
}

/* ---- a volume, all volumes ---- */

static bool
lacks_any(struct plan *plan, bool *lacks, struct sled_err *err)
{
	struct sled_member_row *rows = NULL;
	size_t len = 0;

	if (!sled_volume_lacking(plan->job->store, plan->volume->id,
	                         plan->job->seat->id, &rows, &len, err))
		return false;
	free(rows);
	*lacks = len > 0;
	return true;
}

/* V0 to V3, or V2. A file that was cut off goes by its ranges first; the whole
 * of it is tried again the next day, or when someone asks for it. */
static bool
send_volume(struct plan *plan, struct sled_err *err)
{
	int64_t tried = 0, now = plan->job->now;
	bool lacks = false, wait;

	if (!lacks_any(plan, &lacks, err) || !last_try(plan, &tried, err))
		return false;
	if (lacks && (!plan->volume->sealed || tried != 0) &&
	    !send_ranges(plan, err))
		return false;
	wait = plan->job->run->ms != 0 && tried != 0 && tried <= now &&
	       now - tried < TRY_AGAIN_S;
	if (!plan->volume->sealed || wait || sled_far_over(plan->job))
		return true;
	return (sled_far_row(plan->job, plan->file) != NULL ||
	        send_sealed(plan, err)) &&
	       send_beside(plan, err) && tidy_ranges(plan, err);
}

static bool
plan_volume(struct far_job *job, const struct sled_volume_row *volume,
            struct far_batch *batch, struct sled_err *err)
{
	struct plan plan = { .job = job, .volume = volume, .batch = batch };
	bool ok;

	batch->len = 0;
	batch->octets = 0;
	sled_volume_sealed_file(plan.sealed, volume->name, volume->revision);
	(void)snprintf(plan.file, sizeof(plan.file), "%s/%s", volume->label,
	               plan.sealed);
	ok = sled_volume_extents(job->store, volume->id, 0, &plan.rows,
	                         &plan.len, err) &&
	     send_volume(&plan, err);
	free(plan.rows);
	return ok || sled_note(err, "%s/%s", volume->label, volume->name);
}

/* One that is damaged here keeps no other from being sent. */
bool
sled_far_volumes(struct far_job *job, struct sled_err *err)
{
	struct far_batch *batch = calloc(1, sizeof(*batch));
	struct sled_err first = { 0 };
	bool ok = true;

	if (batch == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "far place");
	for (size_t i = 0; ok && i < job->volumes_len; i++) {
		struct sled_err why = { 0 };

		if (job->volumes[i].end == 0 || sled_far_over(job) ||
		    plan_volume(job, &job->volumes[i], batch, &why))
			continue;
		if (first.kind == SLED_ERR_NONE)
			first = why;
		ok = why.kind == SLED_ERR_DAMAGED;
	}
	free(batch);
	if (first.kind != SLED_ERR_NONE)
		*err = first;
	return ok && first.kind == SLED_ERR_NONE;
}
