/*
 * far_rows.c - what the ledger says of a far place. A file has a row from the
 * moment it was checked there; the members in it are held by the place in the
 * same transaction. A row whose members are not all held is none: the file is
 * looked at again, which sends nothing that is there and right.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "store/far.h"

#define RUNS_S 60 /* of runs that came one right behind the other */

/* ---- names ---- */

void
sled_far_range_name(char out[SLED_FAR_FILE], const struct far_cover *cover)
{
	(void)snprintf(
	    out, SLED_FAR_FILE, "%s/%s.%" PRIu64 "-%" PRIu64 ".tar.gz",
	    cover->volume->label, cover->volume->name, cover->from, cover->to);
}

/* The number before END, which follows it at once. */
static bool
take_number(const char **at, const char *end, uint64_t *out)
{
	size_t digits = strspn(*at, "0123456789");
	struct sled_span text = { *at, digits };

	if (digits == 0 || digits > 19 || !sled_text_u64(text, out) ||
	    strncmp(*at + digits, end, strlen(end)) != 0)
		return false;
	*at += digits + strlen(end);
	return true;
}

bool
sled_far_range_parse(struct far_range *out, const char *file)
{
	size_t label = strcspn(file, "/");
	const char *at = file + label + (file[label] == '/');
	size_t name = strcspn(at, ".");
	unsigned seq = 0;
	int month = 0;

	if (label == 0 || label >= sizeof(out->label) || file[label] != '/' ||
	    name >= sizeof(out->name) || at[name] != '.')
		return false;
	(void)snprintf(out->label, sizeof(out->label), "%.*s", (int)label,
	               file);
	(void)snprintf(out->name, sizeof(out->name), "%.*s", (int)name, at);
	at += name + 1;
	return sled_volume_name_parse(out->name, &month, &seq) &&
	       take_number(&at, "-", &out->from) &&
	       take_number(&at, ".tar.gz", &out->to) && *at == '\0' &&
	       out->from < out->to;
}

static const struct sled_volume_row *
find_volume(const struct far_job *job, const char *label, const char *name)
{
	for (size_t i = 0; i < job->volumes_len; i++)
		if (strcmp(job->volumes[i].name, name) == 0 &&
		    strcmp(job->volumes[i].label, label) == 0)
			return &job->volumes[i];
	return NULL;
}

struct far_cover
sled_far_cover(const struct far_job *job, const char *file)
{
	struct far_cover cover = { NULL, 0, 0 };
	struct far_range range;
	char sealed[SLED_FAR_FILE], end[SLED_VOLUME_FILE];

	if (sled_far_range_parse(&range, file)) {
		cover.volume = find_volume(job, range.label, range.name);
		/* A repair has moved its members since. */
		if (cover.volume != NULL && cover.volume->revision > 0)
			cover.volume = NULL;
		cover.from = range.from;
		cover.to = range.to;
		return cover;
	}
	for (size_t i = 0; i < job->volumes_len; i++) {
		const struct sled_volume_row *row = &job->volumes[i];

		sled_volume_sealed_file(end, row->name, row->revision);
		(void)snprintf(sealed, sizeof(sealed), "%s/%s", row->label,
		               end);
		if (strcmp(sealed, file) == 0)
			return (struct far_cover){ row, 0, row->end };
	}
	return cover;
}

/* ---- the list ---- */

static int
by_file(const void *a, const void *b)
{
	return strcmp(((const struct sled_far_row *)a)->file,
	              ((const struct sled_far_row *)b)->file);
}

static int
against(const void *file, const void *row)
{
	return strcmp(file, ((const struct sled_far_row *)row)->file);
}

static bool
put_row(struct far_job *job, const struct sled_far_row *row,
        struct sled_err *err)
{
	if (job->rows_len == job->rows_cap) {
		size_t cap = job->rows_cap == 0 ? 64 : job->rows_cap * 2;
		struct sled_far_row *rows =
		    realloc(job->rows, cap * sizeof(*rows));

		if (rows == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "far place");
		job->rows = rows;
		job->rows_cap = cap;
	}
	job->rows[job->rows_len++] = *row;
	return true;
}

static struct sled_far_row *
find_row(const struct far_job *job, const char *file)
{
	return job->rows_len == 0 ? NULL
	                          : bsearch(file, job->rows, job->rows_len,
	                                    sizeof(*job->rows), against);
}

const struct sled_far_row *
sled_far_row(const struct far_job *job, const char *file)
{
	return find_row(job, file);
}

static bool
take_row(void *ctx, const struct sled_far_row *row, struct sled_err *err)
{
	return put_row(ctx, row, err);
}

static bool
take_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct far_job *job = ctx;
	struct sled_volume_row *rows = realloc(
	    job->volumes, (job->volumes_len + 1) * sizeof(*job->volumes));

	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	job->volumes = rows;
	rows[job->volumes_len++] = *row;
	return true;
}

/* ---- rows whose members are not held ---- */

static bool
is_held(struct far_job *job, const struct sled_far_row *row, bool *held,
        struct sled_err *err)
{
	struct far_cover cover = sled_far_cover(job, row->file);
	struct sled_member_row *lacking = NULL;
	size_t len = 0;

	*held = true;
	if (cover.volume == NULL)
		return true;
	if (!sled_volume_lacking(job->store, cover.volume->id, job->seat->id,
	                         &lacking, &len, err))
		return false;
	for (size_t i = 0; i < len; i++)
		*held = *held && (lacking[i].at < cover.from ||
		                  lacking[i].at >= cover.to);
	*held = *held && cover.to <= cover.volume->end;
	free(lacking);
	return true;
}

/* "Checked since something bad was found" is told by time, so no two runs have
 * the same, not even within a second. */
static void
tell_apart(struct far_job *job)
{
	for (size_t i = 0; i < job->rows_len; i++)
		if (job->rows[i].checked >= job->now &&
		    job->rows[i].checked - job->now < RUNS_S)
			job->now = job->rows[i].checked + 1;
}

bool
sled_far_load(struct far_job *job, struct sled_err *err)
{
	struct sled_ledger *ledger = job->store->ledger;
	size_t kept = 0;

	if (!sled_ledger_volumes(ledger, NULL, take_volume, job, err) ||
	    !sled_ledger_fars(ledger, job->seat->id, take_row, job, err))
		return false;
	if (job->store->mode == SLED_STORE_READ)
		return true;
	for (size_t i = 0; i < job->rows_len; i++) {
		bool held = false;

		if (!is_held(job, &job->rows[i], &held, err))
			return false;
		if (held)
			job->rows[kept++] = job->rows[i];
		else if (!sled_ledger_far_forget(ledger, job->seat->id,
		                                 job->rows[i].file, err))
			return false;
	}
	job->rows_len = kept;
	tell_apart(job);
	return true;
}

void
sled_far_unload(struct far_job *job)
{
	free(job->rows);
	free(job->volumes);
}

/* ---- changing it ---- */

/* The place holds (or no longer) what COVER says. */
static bool
hold(struct far_job *job, const struct far_cover *cover, bool holds,
     struct sled_err *err)
{
	struct sled_ledger *ledger = job->store->ledger;
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok = cover->volume == NULL ||
	          sled_volume_extents(job->store, cover->volume->id,
	                              cover->from, &rows, &len, err);

	for (size_t i = 0; ok && i < len; i++) {
		if (rows[i].at + rows[i].length > cover->to)
			break;
		ok = holds ? sled_ledger_hold(ledger, rows[i].id, job->seat->id,
		                              job->now, err)
		           : sled_ledger_unhold(ledger, rows[i].id,
		                                job->seat->id, err);
	}
	free(rows);
	return ok;
}

static bool
forget_row(struct far_job *job, const char *file)
{
	struct sled_far_row *row = find_row(job, file);

	if (row == NULL)
		return false;
	job->rows_len--;
	memmove(row, row + 1,
	        (size_t)(job->rows + job->rows_len - row) * sizeof(*row));
	return true;
}

bool
sled_far_note(struct far_job *job, const struct sled_far_file *file,
              const struct far_cover *cover, struct sled_err *err)
{
	struct sled_ledger *ledger = job->store->ledger;
	struct sled_far_row row = { .octets = file->octets,
		                    .sha256 = file->sha256,
		                    .checked = job->now };

	memcpy(row.place, job->seat->id, sizeof(row.place));
	memcpy(row.file, file->file, sizeof(row.file));
	if (!sled_ledger_begin(ledger, err))
		return false;
	if (!sled_ledger_far_put(ledger, &row, err) ||
	    !hold(job, cover, true, err)) {
		sled_ledger_drop(ledger);
		return false;
	}
	if (!sled_ledger_commit(ledger, err))
		return false;
	(void)forget_row(job, row.file);
	if (!put_row(job, &row, err))
		return false;
	qsort(job->rows, job->rows_len, sizeof(*job->rows), by_file);
	return true;
}

bool
sled_far_drop(struct far_job *job, const char *file, struct sled_err *err)
{
	(void)forget_row(job, file);
	return sled_ledger_far_forget(job->store->ledger, job->seat->id, file,
	                              err);
}

/* One that is not what it was says that others may not be: until all of it was
 * checked again, the place counts for naught. */
bool
sled_far_lost(struct far_job *job, const char *file, const char *what,
              struct sled_err *err)
{
	struct sled_ledger *ledger = job->store->ledger;
	const struct far_cover cover = sled_far_cover(job, file);
	char key[64], when[24];

	sled_store_say(job->store,
	               "%s: %s %s: what is right is sent there again",
	               job->seat->place.path, file, what);
	job->out->damaged++;
	job->seat->suspect = true;
	(void)snprintf(key, sizeof(key), "far-bad/%s", job->seat->id);
	(void)snprintf(when, sizeof(when), "%" PRId64, job->now);
	if (!sled_ledger_begin(ledger, err))
		return false;
	if (!hold(job, &cover, false, err) ||
	    !sled_ledger_far_forget(ledger, job->seat->id, file, err) ||
	    !sled_ledger_put(ledger, key, when, err) ||
	    !sled_far_keep(job->store, job->seat, err)) {
		sled_ledger_drop(ledger);
		return false;
	}
	(void)forget_row(job, file);
	return sled_ledger_commit(ledger, err);
}

void
sled_far_put_by(struct far_job *job, const char *file)
{
	struct sled_err why = { 0 };

	if (!sled_far_set_aside(job->far, file, job->now, &why))
		sled_store_say(job->store, "%s: %s", job->seat->place.path,
		               why.text);
}
