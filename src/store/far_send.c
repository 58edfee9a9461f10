/*
 * far_send.c - files on their way to a far place, and seen there again.
 *
 * States of a file there
 *   R0  nothing
 *   R1  part of it, or all, and no row   a push that was cut off: what is whole
 *                                        is checked and not sent again, the
 *                                        rest is removed and sent anew
 *   R2  whole, checked, its row          counts, and for what it holds
 *   R3  a row, but other bytes           said, set aside, sent anew
 * The commit instant is that of the row: before it nothing counts.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/far.h"

#define DAY_S       86400L
#define WAITING_S   (20 * DAY_S) /* what mail on the server waits for */
#define OTHERS_S    (90 * DAY_S) /* all else */
#define AGAIN_BYTES (256U << 20) /* checked again behind one visit */

bool
sled_far_add(struct far_batch *batch, const struct sled_far_file *file,
             const struct far_cover *cover)
{
	if (batch->len == FAR_BATCH ||
	    (batch->len > 0 && batch->octets + file->octets > FAR_STAGE))
		return false;
	batch->files[batch->len] = *file;
	batch->covers[batch->len] = *cover;
	batch->len++;
	batch->octets += file->octets;
	return true;
}

/* What has another size there is no file of ours: an upload that was cut off,
 * or, if it once was right, damage. */
static bool
clear_way(struct far_job *job, const struct far_batch *batch,
          struct sled_err *err)
{
	for (size_t i = 0; i < batch->len; i++) {
		const char *file = batch->files[i].file;
		uint64_t octets = 0;

		if (!sled_far_has(job->far, file, &octets) ||
		    octets == batch->files[i].octets)
			continue;
		if (!sled_far_remove(job->far, file, err))
			return false;
	}
	return true;
}

/* Note what is right, set aside what is not. */
static bool
take_outcome(struct far_job *job, const struct far_batch *batch, size_t *wrong,
             struct sled_err *err)
{
	*wrong = 0;
	for (size_t i = 0; i < batch->len; i++) {
		const struct sled_far_file *file = &batch->files[i];

		if (file->state == SLED_FAR_RIGHT) {
			if (!sled_far_note(job, file, &batch->covers[i], err))
				return false;
			job->out->files++;
			job->out->octets += file->octets;
			continue;
		}
		++*wrong;
		if (file->state == SLED_FAR_OTHER)
			sled_far_put_by(job, file->file);
	}
	return true;
}

static bool
send_once(struct far_job *job, struct far_batch *batch, const char *from,
          size_t *wrong, struct sled_err *err)
{
	struct sled_err why = { 0 };
	bool sent =
	    sled_far_push(job->far, from, batch->files, batch->len, &why);

	*wrong = batch->len;
	/* One that is there with other bytes is refused as immutable. */
	if (!sent && why.kind != SLED_ERR_PLACE) {
		*err = why;
		return false;
	}
	if (!sled_far_check(job->far, batch->files, batch->len, err) ||
	    !take_outcome(job, batch, wrong, err))
		return false;
	if (!sent && *wrong > 0)
		*err = why;
	return true;
}

bool
sled_far_send(struct far_job *job, struct far_batch *batch, const char *from,
              struct sled_err *err)
{
	size_t wrong = 0;
	struct sled_err why = { 0 };
	bool ok = batch->len == 0 || clear_way(job, batch, err);

	for (int i = 0; ok && i < 2 && batch->len > 0; i++) {
		why = (struct sled_err){ 0 };
		ok = send_once(job, batch, from, &wrong, &why);
		if (wrong == 0)
			break;
	}
	batch->len = 0;
	batch->octets = 0;
	if (ok && wrong == 0)
		return true;
	if (err->kind == SLED_ERR_NONE)
		*err = why;
	return err->kind != SLED_ERR_NONE
	           ? false
	           : sled_fail(err, SLED_ERR_PLACE,
	                       "%s: %zu files are not there as they were sent",
	                       job->seat->place.path, wrong);
}

bool
sled_far_flush(struct far_job *job, struct sled_err *err)
{
	const struct sled_sys *sys = job->store->sys;
	struct sled_buf files = { 0 };
	bool ok = true;

	for (size_t i = 0; ok && i < job->staged->len; i++)
		ok = sled_buf_add(&files, job->staged->files[i].file,
		                  strlen(job->staged->files[i].file) + 1, err);
	ok = ok && sled_far_send(job, job->staged, job->scratch_path, err);
	for (size_t at = 0; at < files.len; at += strlen(files.data + at) + 1)
		(void)sys->unlinkat(sys->ctx, job->scratch, files.data + at, 0);
	sled_buf_free(&files);
	return ok;
}

bool
sled_far_staged(struct far_job *job, const struct sled_far_file *file,
                const struct far_cover *cover, struct sled_err *err)
{
	return sled_far_add(job->staged, file, cover) ||
	       (sled_far_flush(job, err) &&
	        (sled_far_add(job->staged, file, cover) ||
	         sled_fail(err, SLED_ERR_INTERNAL, "far place")));
}

/* ---- again ---- */

/* Volumes that hold mail which is still on its server, by id. */
struct waiting {
	struct sled_store *store;
	int64_t *volumes;
	size_t len;
	int64_t member; /* the last one looked up */
};

static bool
add_waiting(void *ctx, const struct sled_message *message, struct sled_err *err)
{
	struct waiting *w = ctx;
	struct sled_member_row row;
	int64_t *volumes;

	if (!message->on_server || message->gone != 0 ||
	    message->member == w->member)
		return true;
	w->member = message->member;
	if (!sled_ledger_member_get(w->store->ledger, message->member, &row,
	                            err))
		return false;
	for (size_t i = 0; i < w->len; i++)
		if (w->volumes[i] == row.volume)
			return true;
	volumes = realloc(w->volumes, (w->len + 1) * sizeof(*volumes));
	if (volumes == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	w->volumes = volumes;
	volumes[w->len++] = row.volume;
	return true;
}

static bool
is_waiting(const struct waiting *w, const struct far_cover *cover)
{
	for (size_t i = 0; cover->volume != NULL && i < w->len; i++)
		if (w->volumes[i] == cover->volume->id)
			return true;
	return false;
}

static bool
read_bad(struct far_job *job, int64_t *bad, struct sled_err *err)
{
	struct sled_buf text = { 0 };
	uint64_t number = 0;
	char key[64];
	bool found = false, ok;

	*bad = 0;
	(void)snprintf(key, sizeof(key), "far-bad/%s", job->seat->id);
	ok = sled_ledger_get(job->store->ledger, key, &text, &found, err);
	if (ok && found && sled_text_u64(sled_buf_span(&text), &number))
		*bad = (int64_t)number;
	sled_buf_free(&text);
	return ok;
}

static bool
is_due(const struct far_job *job, const struct waiting *w, int64_t bad,
       const struct sled_far_row *row, const struct far_cover *cover)
{
	int64_t age = job->now - row->checked;
	int64_t most = is_waiting(w, cover) ? WAITING_S : OTHERS_S;

	if (job->seat->suspect && row->checked < bad)
		return true;
	return age >= most || age < -DAY_S;
}

/* Due ones into the batch, from row *AT on. */
static void
gather(struct far_job *job, const struct waiting *w, int64_t bad, size_t *at,
       struct far_batch *batch)
{
	for (; *at < job->rows_len; ++*at) {
		const struct sled_far_row *row = &job->rows[*at];
		struct far_cover cover = sled_far_cover(job, row->file);
		struct sled_far_file file = { .octets = row->octets,
			                      .sha256 = row->sha256 };

		if (!is_due(job, w, bad, row, &cover))
			continue;
		memcpy(file.file, row->file, sizeof(file.file));
		if (!sled_far_add(batch, &file, &cover))
			return;
	}
}

static bool
take_checked(struct far_job *job, const struct far_batch *batch,
             struct sled_err *err)
{
	for (size_t i = 0; i < batch->len; i++) {
		const struct sled_far_file *file = &batch->files[i];

		if (file->state == SLED_FAR_UNKNOWN)
			continue; /* the next time */
		job->out->checked++;
		if (file->state == SLED_FAR_RIGHT
		        ? !sled_far_note(job, file, &batch->covers[i], err)
		        : !sled_far_lost(job, file->file,
		                         file->state == SLED_FAR_OTHER
		                             ? "has other bytes than were "
		                               "sent"
		                             : "is gone there",
		                         err))
			return false;
		if (file->state == SLED_FAR_OTHER)
			sled_far_put_by(job, file->file);
	}
	return true;
}

/* All of it was checked after something bad was found, and held. */
static bool
clear_suspicion(struct far_job *job, int64_t bad, struct sled_err *err)
{
	bool all = true;

	for (size_t i = 0; i < job->rows_len; i++)
		all = all && job->rows[i].checked >= bad;
	if (!job->seat->suspect || !all)
		return true;
	job->seat->suspect = false;
	return sled_far_keep(job->store, job->seat, err);
}

static bool
check_due(struct far_job *job, const struct waiting *w, int64_t bad,
          struct sled_err *err)
{
	struct far_batch *batch = calloc(1, sizeof(*batch));
	uint64_t octets = 0;
	size_t at = 0;
	bool ok = true;

	if (batch == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "far place");
	while (ok && octets < AGAIN_BYTES && !sled_far_over(job)) {
		size_t was = job->rows_len;

		batch->len = 0;
		batch->octets = 0;
		gather(job, w, bad, &at, batch);
		if (batch->len == 0)
			break;
		octets += batch->octets;
		ok = sled_far_check(job->far, batch->files, batch->len, err) &&
		     take_checked(job, batch, err);
		at -= was - job->rows_len; /* those that were lost */
	}
	free(batch);
	return ok;
}

bool
sled_far_recheck(struct far_job *job, struct sled_err *err)
{
	static const struct sled_message_query all = { .label = NULL };
	struct waiting w = { .store = job->store };
	int64_t bad = 0;
	bool aged = false, ok = true;

	for (size_t i = 0; i < job->rows_len; i++)
		aged = aged || job->now - job->rows[i].checked >= WAITING_S;
	if (aged)
		ok = sled_ledger_messages(job->store->ledger, &all, add_waiting,
		                          &w, err);
	ok = ok && read_bad(job, &bad, err) && check_due(job, &w, bad, err) &&
	     read_bad(job, &bad, err) && clear_suspicion(job, bad, err);
	free(w.volumes);
	return ok;
}
