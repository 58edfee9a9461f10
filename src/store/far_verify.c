/* far_verify.c - far places looked at and not changed: for `verify`, `check`,
 * and before others let go of what they hold. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/far.h"

bool
sled_store_far_look(const struct sled_sys *sys, const char *path,
                    struct sled_far_look *out, struct sled_err *err)
{
	enum sled_far_found found = SLED_FAR_UNMARKED;
	struct sled_far *far = NULL;
	struct sled_mark mark;
	bool ok = sled_far_connect(&far, sys, path, 0, NULL, err) &&
	          sled_far_probe(far, &found, &mark, err);

	*out = (struct sled_far_look){ .marked = found == SLED_FAR_MARKED,
		                       .empty = found == SLED_FAR_EMPTY };
	if (ok)
		memcpy(out->store, mark.store, sizeof(out->store));
	sled_far_close(&far);
	return ok;
}

/* Open it as the place that it was. */
static bool
open_known(struct far_job *job, struct sled_err *err)
{
	struct sled_seat *seat = job->seat;
	enum sled_far_found found = SLED_FAR_UNMARKED;
	struct sled_mark mark;

	if (seat->id[0] == '\0')
		return sled_fail(err, SLED_ERR_PLACE,
		                 "nothing was sent there yet");
	return sled_far_scratch(job->store, &job->scratch_path, &job->scratch,
	                        err) &&
	       sled_far_connect(&job->far, job->store->sys, seat->place.path,
	                        job->store->conf.far_bandwidth,
	                        job->scratch_path, err) &&
	       sled_far_probe(job->far, &found, &mark, err) &&
	       ((found == SLED_FAR_MARKED && strcmp(mark.id, seat->id) == 0 &&
	         strcmp(mark.store, job->store->id) == 0) ||
	        sled_fail(err, SLED_ERR_PLACE,
	                  "it does not bear the mark that it had"));
}

bool
sled_far_holds(struct sled_store *store, struct sled_seat *seat,
               const struct sled_volume_row *volume)
{
	struct far_job job = { .store = store, .seat = seat, .scratch = -1 };
	struct sled_far_file file = { .octets = volume->end + SLED_MEMBER_LAST,
		                      .sha256 = volume->sha256 };
	struct sled_err why = { 0 };
	char sealed[SLED_VOLUME_FILE];
	bool holds;

	sled_volume_sealed_file(sealed, volume->name, volume->revision);
	(void)snprintf(file.file, sizeof(file.file), "%s/%s", volume->label,
	               sealed);
	holds = !seat->suspect && open_known(&job, &why) &&
	        sled_far_check(job.far, &file, 1, &why) &&
	        file.state == SLED_FAR_RIGHT;
	if (why.kind != SLED_ERR_NONE)
		sled_store_say(store, "%s: %s", seat->place.path, why.text);
	sled_far_clean(&job);
	return holds;
}

/* ---- verify ---- */

struct verify {
	struct far_job job;
	sled_verify_fn *each;
	void *ctx;
	struct sled_verify_report *report;
	uint64_t done, total;
};

static void
tell(struct verify *v, const char *file, const char *fault)
{
	const struct far_cover cover = sled_far_cover(&v->job, file);
	char volume[SLED_FAR_FILE];

	(void)snprintf(volume, sizeof(volume), "%s", file);
	if (cover.volume != NULL)
		(void)snprintf(volume, sizeof(volume), "%s/%s",
		               cover.volume->label, cover.volume->name);
	v->report->damaged++;
	v->each(v->ctx, v->job.seat->place.path, volume, cover.from, fault,
	        v->done, v->total);
}

static void
judge(struct verify *v, const struct sled_far_file *file,
      const struct far_cover *cover)
{
	static const char *const faults[] = {
		[SLED_FAR_UNKNOWN] = "it could not be read there",
		[SLED_FAR_RIGHT] = NULL,
		[SLED_FAR_OTHER] = "other bytes than were sent there",
		[SLED_FAR_ABSENT] = "gone there",
	};

	if (faults[file->state] != NULL)
		tell(v, file->file, faults[file->state]);
	else if (cover->volume != NULL)
		v->report->volumes++;
	v->done += file->octets;
	v->each(v->ctx, v->job.seat->place.path, "", 0, NULL, v->done,
	        v->total);
}

/* From row *AT on, as many as go together. */
static bool
verify_some(struct verify *v, struct far_batch *batch, size_t *at,
            struct sled_err *err)
{
	batch->len = 0;
	batch->octets = 0;
	for (; *at < v->job.rows_len; ++*at) {
		const struct sled_far_row *row = &v->job.rows[*at];
		const struct far_cover cover =
		    sled_far_cover(&v->job, row->file);
		struct sled_far_file file = { .octets = row->octets,
			                      .sha256 = row->sha256 };

		memcpy(file.file, row->file, sizeof(file.file));
		if (!sled_far_add(batch, &file, &cover))
			break;
	}
	if (!sled_far_check(v->job.far, batch->files, batch->len, err))
		return false;
	for (size_t i = 0; i < batch->len; i++)
		judge(v, &batch->files[i], &batch->covers[i]);
	return true;
}

static bool
verify_rows(struct verify *v, struct sled_err *err)
{
	struct far_batch *batch = calloc(1, sizeof(*batch));
	bool ok = true;
	size_t at = 0;

	if (batch == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "far place");
	for (size_t i = 0; i < v->job.rows_len; i++)
		v->total += v->job.rows[i].octets;
	while (ok && at < v->job.rows_len)
		ok = verify_some(v, batch, &at, err);
	free(batch);
	return ok;
}

static bool
verify_seat(struct verify *v, struct sled_err *err)
{
	struct sled_err why = { 0 };
	bool ok;

	v->done = v->total = 0;
	ok = sled_far_load(&v->job, err);
	if (ok && !(open_known(&v->job, &why) && verify_rows(v, &why))) {
		tell(v, "", why.text);
		v->report->absent++;
		ok = why.kind != SLED_ERR_NOMEM;
		if (!ok)
			*err = why;
	}
	sled_far_clean(&v->job);
	return ok;
}

bool
sled_store_verify_far(struct sled_store *store, sled_verify_fn *each, void *ctx,
                      struct sled_verify_report *out, struct sled_err *err)
{
	bool ok = true;

	for (size_t i = 0; ok && i < store->len; i++) {
		struct verify v = { .job = { .store = store,
			                     .seat = &store->seats[i],
			                     .scratch = -1 },
			            .each = each,
			            .ctx = ctx,
			            .report = out };

		if (store->seats[i].far)
			ok = verify_seat(&v, err);
	}
	return ok;
}
