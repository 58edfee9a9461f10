/*
 * mend_parity.c - par2 mends a scratch copy of the volume: all members that
 * hold, and between them the damaged ones of each file in turn. What comes out
 * is one more file to take members from, if their hash holds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/parity.h"
#include "store/repair.h"

#define VARIANTS 4

struct mender {
	struct sled_repair *r;
	char sealed[SLED_VOLUME_FILE];
	unsigned sets; /* parity files that were copied */
	struct sled_buf arguments;
};

bool
sled_repair_copy_raw(struct sled_reading *from, uint64_t from_at,
                     uint64_t length, struct sled_file *to, uint64_t at,
                     struct sled_err *err)
{
	char chunk[65536];

	for (uint64_t done = 0; done < length;) {
		size_t want = length - done < sizeof(chunk)
		                  ? (size_t)(length - done)
		                  : sizeof(chunk);
		struct sled_err why = { 0 };
		size_t got = 0;

		if (from == NULL || !sled_file_read(&from->file, chunk, want,
		                                    from_at + done, &got, &why))
			got = 0;
		memset(chunk + got, 0, want - got);
		if (!sled_file_write(to, chunk, want, at + done, err))
			return false;
		done += want;
	}
	return true;
}

static bool
copy_into_scratch(struct mender *m, struct sled_reading *from, const char *name,
                  struct sled_err *err)
{
	struct sled_repair *r = m->r;
	struct sled_file to;
	bool ok;

	if (!sled_file_open(&to, r->store->sys, r->scratch_dir, name,
	                    O_RDWR | O_CREAT | O_TRUNC, 0600, err))
		return false;
	ok = sled_repair_copy_raw(from, 0, from->source.size, &to, 0, err) &&
	     sled_file_close(&to, err);
	sled_file_drop(&to);
	return ok;
}

/* ---- the parity that there is, in any place ---- */

static bool
take_parity(struct mender *m, struct sled_place *place, const char *file,
            struct sled_err *err)
{
	struct sled_reading from;
	struct sled_err why = { 0 };
	char name[SLED_VOLUME_FILE + 16];
	bool ok;

	if (!sled_reading_open(&from, place, m->r->volume.label, file, true,
	                       &why))
		return true;
	/* Behind the first par2 looks for others whose name goes on so. */
	if (m->sets == 0)
		(void)snprintf(name, sizeof(name), "%s.par2", m->sealed);
	else
		(void)snprintf(name, sizeof(name), "%s.%u.par2", m->sealed,
		               m->sets);
	m->sets++;
	ok = copy_into_scratch(m, &from, name, err);
	sled_reading_close(&from);
	return ok;
}

static bool
take_place(struct mender *m, struct sled_place *place, struct sled_err *err)
{
	struct sled_buf files = { 0 };
	struct sled_err why = { 0 };
	bool ok = true;

	if (!sled_dir_list(&files, place->sys, place->dir, m->r->volume.label,
	                   &why)) {
		sled_buf_free(&files);
		return true;
	}
	for (size_t at = 0; ok && at < files.len;
	     at += strlen(files.data + at) + 1) {
		if (!sled_is_parity(files.data + at, m->sealed))
			continue;
		m->r->out.has_parity = true;
		if (!m->r->conf->dry && m->r->store->conf.par2 != NULL)
			ok = take_parity(m, place, files.data + at, err);
	}
	sled_buf_free(&files);
	return ok;
}

static bool
take_places(struct mender *m, struct sled_err *err)
{
	struct sled_store *store = m->r->store;

	for (size_t i = 0; i < store->len; i++)
		if (store->seats[i].present &&
		    !take_place(m, &store->seats[i].place, err))
			return false;
	return true;
}

/* ---- the volume, as far as it is known ---- */

/* The bytes of member I as ORIGIN has them; any, where nothing is missing. */
static bool
copy_member(struct mender *m, size_t i, struct sled_origin *origin,
            struct sled_file *to, struct sled_err *err)
{
	const struct sled_repair *r = m->r;
	const struct sled_piece *piece = &r->pieces[i];
	const struct sled_member_row *row = &r->rows[i];

	if (piece->kind != SLED_PIECE_MISSING &&
	    sled_hash_equal(&piece->sum.body_sha256, &row->body_sha256))
		return sled_repair_copy_raw(
		    &r->origins.list[piece->origin]->reading, piece->at,
		    row->length, to, row->at, err);
	return sled_repair_copy_raw(origin == NULL ? NULL : &origin->reading,
	                            row->at, row->length, to, row->at, err);
}

static bool
write_last(struct mender *m, struct sled_file *to, struct sled_err *err)
{
	struct sled_buf last = { 0 };
	bool ok =
	    sled_member_last(&last, err) &&
	    sled_file_write(to, last.data, last.len, m->r->volume.end, err);

	sled_buf_free(&last);
	return ok;
}

static bool
write_variant(struct mender *m, const char *name, struct sled_origin *origin,
              struct sled_err *err)
{
	struct sled_repair *r = m->r;
	struct sled_file to;
	bool ok = sled_file_open(&to, r->store->sys, r->scratch_dir, name,
	                         O_RDWR | O_CREAT | O_TRUNC, 0600, err);

	if (!ok)
		return false;
	for (size_t i = 0; ok && i < r->len; i++)
		ok = copy_member(m, i, origin, &to, err);
	ok = ok && write_last(m, &to, err) && sled_file_close(&to, err);
	sled_file_drop(&to);
	return ok;
}

/* The first under the volume's name, the others beside it: par2 takes blocks
 * from those too. */
static bool
write_variants(struct mender *m, struct sled_err *err)
{
	struct sled_repair *r = m->r;
	unsigned count = 0;

	for (size_t i = 0; i < r->origins.len && count < VARIANTS; i++) {
		char name[SLED_VOLUME_FILE + 16];

		if (r->origins.list[i]->seat == NULL)
			continue;
		(void)snprintf(name, sizeof(name), "%u.variant", count);
		if (!write_variant(m, count == 0 ? m->sealed : name,
		                   r->origins.list[i], err) ||
		    !sled_buf_printf(&m->arguments, err, " %s",
		                     count == 0 ? m->sealed : name))
			return false;
		count++;
	}
	return count > 0 ||
	       (write_variant(m, m->sealed, NULL, err) &&
	        sled_buf_printf(&m->arguments, err, " %s", m->sealed));
}

static bool
run_par2(struct mender *m, struct sled_err *err)
{
	struct sled_repair *r = m->r;
	struct sled_err why = { 0 };
	size_t from = r->origins.len;

	if (!sled_buf_printf(&m->arguments, err,
	                     "repair " SLED_PAR2_OPTIONS " %s.par2",
	                     m->sealed) ||
	    !write_variants(m, err))
		return false;
	/* The hash of each member decides, not what par2 says. */
	if (!sled_par2_run(r->store, SLED_REPAIR_FOLDER, m->arguments.data,
	                   &why) &&
	    why.kind == SLED_ERR_NOMEM) {
		*err = why;
		return false;
	}
	if (!sled_origins_add(&r->origins, &r->scratch, SLED_REPAIR_FOLDER,
	                      m->sealed, NULL, err))
		return false;
	sled_repair_find(r, from, &r->out.parity);
	return true;
}

bool
sled_repair_parity(struct sled_repair *r, struct sled_err *err)
{
	struct mender m = { .r = r };
	bool ok = true;

	if (!r->volume.turned)
		return true;
	sled_volume_sealed_file(m.sealed, r->volume.name, r->volume.revision);
	ok =
	    (r->conf->dry || sled_scratch_open(r, err)) && take_places(&m, err);
	if (ok && m.sets > 0)
		ok = run_par2(&m, err);
	else if (ok && r->out.has_parity && !r->conf->dry)
		sled_store_say(r->store,
		               "%s/%s: there is parity, but no par2 here to "
		               "use it: install it and repair again",
		               r->volume.label, r->volume.name);
	sled_buf_free(&m.arguments);
	return ok;
}
