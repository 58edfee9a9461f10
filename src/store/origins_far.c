/*
 * origins_far.c - what far places have of a damaged volume, fetched into the
 * scratch folder when no place here has it: the sealed file, or the ranges of
 * an open one, each at its offset in a file of the volume's size.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "store/far.h"
#include "store/repair.h"

#define RANGE "range"

struct fetch {
	struct sled_repair *r;
	struct sled_far *far;
	const char *place;
	char name[16];          /* of the file in the scratch folder */
	struct sled_buf ranges; /* their files, a NUL behind each */
};

static bool
take_range(void *ctx, const char *file, uint64_t octets, struct sled_err *err)
{
	struct fetch *f = ctx;
	const struct sled_volume_row *volume = &f->r->volume;
	struct far_range range;

	(void)octets;
	return !sled_far_range_parse(&range, file) ||
	       strcmp(range.label, volume->label) != 0 ||
	       strcmp(range.name, volume->name) != 0 ||
	       sled_buf_add(&f->ranges, file, strlen(file) + 1, err);
}

/* Has it bytes of a member that is missing? */
static bool
is_needed(const struct sled_repair *r, const struct far_range *range)
{
	for (size_t i = 0; i < r->len; i++)
		if (r->pieces[i].kind == SLED_PIECE_MISSING &&
		    r->rows[i].at < range->to &&
		    r->rows[i].at + r->rows[i].length > range->from)
			return true;
	return false;
}

static bool
put_range(struct fetch *f, struct sled_file *to, const struct far_range *range,
          struct sled_err *err)
{
	struct sled_reading from;
	bool ok;

	if (!sled_reading_open(&from, &f->r->scratch, SLED_REPAIR_FOLDER, RANGE,
	                       false, err))
		return false;
	ok = sled_repair_copy_raw(&from, 0, range->to - range->from, to,
	                          range->from, err);
	sled_reading_close(&from);
	return ok;
}

static bool
fetch_ranges(struct fetch *f, struct sled_err *err)
{
	struct sled_repair *r = f->r;
	struct sled_file to;
	bool ok = sled_file_open(&to, r->store->sys, r->scratch_dir, f->name,
	                         O_RDWR | O_CREAT | O_TRUNC, 0600, err) &&
	          sled_file_truncate(&to, r->volume.end, err);

	for (size_t at = 0; ok && at < f->ranges.len;
	     at += strlen(f->ranges.data + at) + 1) {
		struct far_range range;

		if (sled_far_range_parse(&range, f->ranges.data + at) &&
		    is_needed(r, &range))
			ok = sled_far_fetch(f->far, f->ranges.data + at,
			                    r->scratch_dir, RANGE, err) &&
			     put_range(f, &to, &range, err);
	}
	sled_file_drop(&to);
	return ok;
}

/* The volume in any of its forms there. */
static bool
fetch(struct fetch *f, struct sled_err *err)
{
	struct sled_repair *r = f->r;
	char sealed[SLED_VOLUME_FILE], file[SLED_FAR_FILE];
	uint64_t octets = 0;

	for (unsigned revision = 0; revision <= r->volume.revision;
	     revision++) {
		sled_volume_sealed_file(sealed, r->volume.name, revision);
		(void)snprintf(file, sizeof(file), "%.24s/%s", r->volume.label,
		               sealed);
		if (sled_far_has(f->far, file, &octets))
			return sled_far_fetch(f->far, file, r->scratch_dir,
			                      f->name, err);
	}
	return sled_far_list(f->far, take_range, f, err) &&
	       fetch_ranges(f, err);
}

static bool
connect_and_fetch(struct fetch *f, struct sled_err *err)
{
	struct sled_store *store = f->r->store;
	enum sled_far_found found = SLED_FAR_EMPTY;
	struct sled_mark mark;

	if (!sled_far_connect(&f->far, store->sys, f->place,
	                      store->conf.far_bandwidth, NULL, err) ||
	    !sled_far_probe(f->far, &found, &mark, err))
		return false;
	return found == SLED_FAR_MARKED && strcmp(mark.store, store->id) == 0
	           ? fetch(f, err)
	           : sled_fail(err, SLED_ERR_PLACE, "it is not of this store");
}

static bool
add_seat(struct sled_repair *r, struct sled_seat *seat, unsigned index,
         struct sled_err *err)
{
	struct fetch f = { .r = r, .place = seat->place.path };
	struct sled_err why = { 0 };
	size_t from = r->origins.len;
	bool ok;

	(void)snprintf(f.name, sizeof(f.name), "far.%u", index);
	ok = connect_and_fetch(&f, &why);
	sled_far_close(&f.far);
	sled_buf_free(&f.ranges);
	if (!ok) {
		sled_store_say(r->store, "%s: %s", seat->place.path, why.text);
		return why.kind != SLED_ERR_NOMEM ||
		       sled_fail(err, SLED_ERR_NOMEM, "repair");
	}
	if (!sled_origins_add(&r->origins, &r->scratch, SLED_REPAIR_FOLDER,
	                      f.name, NULL, err))
		return false;
	sled_repair_find(r, from, &r->out.far);
	return true;
}

bool
sled_repair_far(struct sled_repair *r, struct sled_err *err)
{
	for (size_t i = 0; i < r->store->len && sled_repair_is_needy(r); i++) {
		struct sled_seat *seat = &r->store->seats[i];

		if (!seat->far)
			continue;
		if (r->conf->dry)
			r->out.has_far = true;
		else if (!sled_scratch_open(r, err) ||
		         !add_seat(r, seat, (unsigned)i, err))
			return false;
	}
	return true;
}
