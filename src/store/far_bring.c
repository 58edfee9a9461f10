/*
 * far_bring.c - a store made anew from a far place, when no other is left.
 *
 * States (N: the note "bringing" in the state folder, M: the first place's mark)
 *   B0  no N, no M     nothing has begun
 *   B1  N, no M        begun again: the place is still empty
 *   B2  N, M           files come, each whole or not at all; what is there
 *                      already is not brought again
 *   B3  M              all came: the recovery goes on as from a local copy
 * Nothing is changed in the far place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "store/far.h"

#define NOTE        "bringing"
#define JOURNAL_MAX (64U << 20)

/* ---- is there a store? ---- */

static bool
sighted(struct sled_store *store, struct sled_seat *seat,
        const struct sled_mark *mark, struct sled_err *err)
{
	if (store->mode != SLED_STORE_REBUILD) {
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "%s holds a store already; nothing was created",
		                seat->place.path);
		return sled_hint(err, "`mailsled rebuild` brings it down from "
		                      "there; a new one beside it: mailsled "
		                      "init --new");
	}
	if (store->id[0] != '\0' && strcmp(store->id, mark->store) != 0)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "the copies belong to different stores (%s)",
		                 seat->place.path);
	memcpy(store->id, mark->store, sizeof(store->id));
	store->sighted = true;
	return true;
}

/* Creates nothing, here or there. */
bool
sled_far_sight(struct sled_store *store, struct sled_seat *seat,
               struct sled_err *err)
{
	enum sled_far_found found = SLED_FAR_EMPTY;
	struct sled_far *far = NULL;
	struct sled_err why = { 0 };
	struct sled_mark mark;
	bool ok;

	if (store->conf.found_new)
		return true;
	ok = sled_far_connect(&far, store->sys, seat->place.path,
	                      store->conf.far_bandwidth, NULL, &why) &&
	     sled_far_probe(far, &found, &mark, &why);
	sled_far_close(&far);
	if (ok && found == SLED_FAR_EMPTY)
		return true;
	if (ok && found == SLED_FAR_MARKED)
		return sighted(store, seat, &mark, err);
	if (!ok) {
		(void)sled_fail(err, SLED_ERR_PLACE, "%s; nothing was created",
		                why.text);
		return sled_hint(err, why.hint);
	}
	(void)sled_fail(err, SLED_ERR_PLACE,
	                "%s holds other things, and no mark (COPY.txt); "
	                "nothing was created",
	                seat->place.path);
	return sled_hint(err, "name an empty folder there in `copies =`");
}

bool
sled_far_bring_note(struct sled_store *store, struct sled_err *err)
{
	static const struct sled_span text = { "from far\n", 9 };

	return sled_file_replace(store->sys, store->state_dir, NOTE, 0600, text,
	                         err);
}

/* ---- bringing ---- */

struct bringing {
	struct sled_store *store;
	struct sled_far *far;
	struct sled_buf files; /* what is there, a NUL behind each */
	uint64_t came;
};

static bool
take_name(void *ctx, const char *file, uint64_t octets, struct sled_err *err)
{
	struct bringing *b = ctx;

	(void)octets;
	return sled_buf_add(&b->files, file, strlen(file) + 1, err);
}

/* Does any place that is there have a file of this volume? */
static bool
is_here(struct bringing *b, const char *label, const char *name)
{
	struct sled_store *store = b->store;
	const struct sled_volume_id id = { label, name, 0 };

	for (size_t i = 0; i < store->len; i++) {
		struct sled_volume_found found;
		struct sled_err why = { 0 };

		if (sled_seat_usable(&store->seats[i]) &&
		    sled_place_volume(&store->seats[i].place, &id, &found,
		                      &why) &&
		    found.there)
			return true;
	}
	return false;
}

/* LABEL/NAME.anything, or none of ours. */
static bool
split(const char *file, char label[25], char name[SLED_VOLUME_NAME],
      const char **base)
{
	size_t first = strcspn(file, "/");
	const char *at = file + first + (file[first] == '/');
	size_t len = strcspn(at, ".");
	int month = 0;
	unsigned seq = 0;

	if (first == 0 || first > 24 || file[first] != '/' ||
	    strchr(at, '/') != NULL || len >= SLED_VOLUME_NAME)
		return false;
	(void)snprintf(label, 25, "%.*s", (int)first, file);
	(void)snprintf(name, SLED_VOLUME_NAME, "%.*s", (int)len, at);
	*base = at;
	return sled_volume_name_parse(name, &month, &seq);
}

/* The folder of LABEL in the first place, made when needed. */
static bool
open_label(struct bringing *b, const char *label, int *dir,
           struct sled_err *err)
{
	struct sled_place *first = sled_store_first(b->store);

	return sled_dir_make(first->sys, first->dir, label, 0755, err) &&
	       sled_dir_open(dir, first->sys, first->dir, label, err);
}

static bool
bring_file(struct bringing *b, const char *file, const char *folder,
           const char *name, struct sled_err *err)
{
	const struct sled_sys *sys = b->store->sys;
	struct stat st;
	int dir = -1;
	bool ok;

	if (!open_label(b, folder, &dir, err))
		return false;
	ok = sys->fstatat(sys->ctx, dir, name, &st, 0) == 0;
	if (!ok) {
		ok = sled_far_fetch(b->far, file, dir, name, err);
		b->came += ok;
	}
	(void)sys->close(sys->ctx, dir);
	return ok;
}

/* ---- an open volume, joined ---- */

struct join {
	struct bringing *b;
	const char *label, *name;
	int dir;
	struct sled_file file;
	uint64_t at;
};

static bool
append_piece(struct join *join, const char *piece, uint64_t length,
             struct sled_err *err)
{
	struct sled_file from;
	char chunk[65536];
	size_t got = 1;
	uint64_t at = 0;
	bool ok = sled_file_open(&from, join->b->store->sys, join->dir, piece,
	                         O_RDONLY, 0, err);

	if (!ok)
		return false;
	while (ok && got > 0) {
		ok = sled_file_read(&from, chunk, sizeof(chunk), at, &got,
		                    err) &&
		     sled_file_write(&join->file, chunk, got, join->at + at,
		                     err);
		at += got;
	}
	sled_file_drop(&from);
	if (!ok)
		return false;
	join->at += at;
	return at == length ||
	       sled_fail(err, SLED_ERR_DAMAGED,
	                 "%s/%s: a range of another length than its name says",
	                 join->label, join->name);
}

/* The range that goes on at join->at; *more false when there is none. */
static bool
next_range(struct join *join, bool *more, struct sled_err *err)
{
	const struct sled_sys *sys = join->b->store->sys;
	struct far_range best = { .to = 0 };
	const char *file = NULL;
	bool ok;

	for (size_t at = 0; at < join->b->files.len;
	     at += strlen(join->b->files.data + at) + 1) {
		struct far_range range;

		if (sled_far_range_parse(&range, join->b->files.data + at) &&
		    strcmp(range.label, join->label) == 0 &&
		    strcmp(range.name, join->name) == 0 &&
		    range.from == join->at && range.to > best.to) {
			best = range;
			file = join->b->files.data + at;
		}
	}
	*more = file != NULL;
	if (file == NULL)
		return true;
	ok = sled_far_fetch(join->b->far, file, join->dir, "range.far", err) &&
	     append_piece(join, "range.far", best.to - best.from, err);
	join->b->came += ok;
	(void)sys->unlinkat(sys->ctx, join->dir, "range.far", 0);
	return ok;
}

static bool
join_ranges(struct join *join, struct sled_err *err)
{
	bool more = true, ok = true;

	while (ok && more)
		ok = next_range(join, &more, err);
	if (ok && sled_file_sync(&join->file, err))
		return sled_file_close(&join->file, err);
	sled_file_drop(&join->file);
	return false;
}

/* Its name comes last: what bears it is whole. */
static bool
bring_open(struct bringing *b, const char *label, const char *name,
           struct sled_err *err)
{
	const struct sled_sys *sys = b->store->sys;
	struct join join = { .b = b, .label = label, .name = name };
	char open[SLED_VOLUME_FILE];
	bool ok;

	sled_volume_file(open, name, true);
	if (!open_label(b, label, &join.dir, err))
		return false;
	ok = sled_file_open(&join.file, sys, join.dir, "volume.far",
	                    O_WRONLY | O_CREAT | O_TRUNC, 0644, err) &&
	     join_ranges(&join, err);
	if (ok && join.at > 0 &&
	    sys->renameat(sys->ctx, join.dir, "volume.far", join.dir, open) ==
	        -1)
		ok = sled_fail_sys(err, errno, "rename %s", open);
	(void)sys->unlinkat(sys->ctx, join.dir, "volume.far", 0);
	ok = ok && sled_dir_sync(sys, join.dir, open, err);
	(void)sys->close(sys->ctx, join.dir);
	return ok;
}

/* ---- all of it ---- */

/* Is the sealed file of this volume there? Then its ranges are not needed. */
static bool
has_sealed(const struct bringing *b, const char *label, const char *name)
{
	for (size_t at = 0; at < b->files.len;
	     at += strlen(b->files.data + at) + 1) {
		const char *file = b->files.data + at;
		char other[25], volume[SLED_VOLUME_NAME];
		const char *base = NULL;
		unsigned revision = 0;
		bool open = false;

		if (split(file, other, volume, &base) &&
		    strcmp(other, label) == 0 &&
		    sled_volume_file_parse(base, volume, &open, &revision) &&
		    !open && strcmp(volume, name) == 0)
			return true;
	}
	return false;
}

static bool
bring_volume_file(struct bringing *b, const char *file, struct sled_err *err)
{
	char label[25], name[SLED_VOLUME_NAME];
	const char *base = NULL;
	struct far_range range;

	if (!split(file, label, name, &base))
		return true;
	if (!sled_far_range_parse(&range, file))
		return bring_file(b, file, label, base, err);
	if (range.from != 0 || is_here(b, label, name) ||
	    has_sealed(b, label, name))
		return true;
	return bring_open(b, label, name, err);
}

/* The whole lines of a piece, behind those that are here. */
static bool
bring_journal(struct bringing *b, const char *file, const char *month,
              struct sled_err *err)
{
	struct sled_place *first = sled_store_first(b->store);
	struct sled_buf text = { 0 };
	char name[16];
	int dir = -1;
	bool ok;

	(void)snprintf(name, sizeof(name), "%s.tsv", month);
	ok = open_label(b, "journal", &dir, err) &&
	     sled_far_fetch(b->far, file, dir, "piece.far", err) &&
	     (sled_file_slurp(&text, first->sys, dir, name, JOURNAL_MAX, err) ||
	      err->kind == SLED_ERR_MISSING);
	if (ok) {
		*err = (struct sled_err){ 0 };
		ok = sled_file_slurp(&text, first->sys, dir, "piece.far",
		                     JOURNAL_MAX, err) &&
		     sled_file_replace(first->sys, dir, name, 0644,
		                       sled_buf_span(&text), err);
	}
	if (dir != -1) {
		(void)first->sys->unlinkat(first->sys->ctx, dir, "piece.far",
		                           0);
		(void)first->sys->close(first->sys->ctx, dir);
	}
	sled_buf_free(&text);
	return ok;
}

static bool
bring_one(struct bringing *b, const char *file, bool papers,
          struct sled_err *err)
{
	struct sled_place *first = sled_store_first(b->store);
	char month[8];

	if (sled_far_is_journal(file, month))
		return !papers || bring_journal(b, file, month, err);
	if (sled_far_is_config(file))
		return !papers || sled_far_fetch(b->far, file, first->dir,
		                                 "config.ini", err);
	return papers || bring_volume_file(b, file, err);
}

/* What no place here has: volumes that one has stay as they are. */
static bool
drop_present(struct bringing *b, struct sled_err *err)
{
	struct sled_buf left = { 0 };
	bool ok = true;

	for (size_t at = 0; ok && at < b->files.len;
	     at += strlen(b->files.data + at) + 1) {
		const char *file = b->files.data + at, *base = NULL;
		char label[25], name[SLED_VOLUME_NAME];

		if (!split(file, label, name, &base) ||
		    !is_here(b, label, name))
			ok = sled_buf_add(&left, file, strlen(file) + 1, err);
	}
	sled_buf_free(&b->files);
	b->files = left;
	return ok;
}

static bool
bring_files(struct bringing *b, bool noted, struct sled_err *err)
{
	bool ok = sled_far_list(b->far, take_name, b, err) &&
	          (noted || drop_present(b, err));

	for (size_t at = 0; ok && noted && at < b->files.len;
	     at += strlen(b->files.data + at) + 1)
		ok = bring_one(b, b->files.data + at, true, err);
	for (size_t at = 0; ok && at < b->files.len;
	     at += strlen(b->files.data + at) + 1)
		ok = bring_one(b, b->files.data + at, false, err);
	return ok;
}

static bool
bring_from(struct sled_store *store, struct sled_seat *seat, bool noted,
           bool *met, struct sled_err *err)
{
	struct bringing b = { .store = store };
	enum sled_far_found found = SLED_FAR_EMPTY;
	struct sled_mark mark;
	bool ok = sled_far_connect(&b.far, store->sys, seat->place.path,
	                           store->conf.far_bandwidth, NULL, err) &&
	          sled_far_probe(b.far, &found, &mark, err);

	if (ok && found == SLED_FAR_MARKED &&
	    strcmp(mark.store, store->id) == 0) {
		*met = true;
		ok = bring_files(&b, noted, err);
	}
	if (b.came > 0)
		sled_store_say(store, "%s: %llu files were brought from there",
		               seat->place.path, (unsigned long long)b.came);
	sled_far_close(&b.far);
	sled_buf_free(&b.files);
	return ok ||
	       sled_note(err, "bring the store from %s", seat->place.path);
}

static bool
bring_all(struct sled_store *store, bool noted, struct sled_err *err)
{
	struct sled_err why = { 0 };
	bool met = false;

	for (size_t i = 0; i < store->len; i++) {
		if (!store->seats[i].far ||
		    bring_from(store, &store->seats[i], noted, &met, &why))
			continue;
		if (noted) {
			*err = why;
			return false;
		}
		sled_store_say(store, "%s", why.text);
		why = (struct sled_err){ 0 };
	}
	return !noted || met ||
	       sled_fail(err, SLED_ERR_PLACE,
	                 "no far place of this store is configured any more");
}

bool
sled_far_bring(struct sled_store *store, struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	struct stat st;
	bool noted =
	    sys->fstatat(sys->ctx, store->state_dir, NOTE, &st, 0) == 0;

	if (noted && store->mode != SLED_STORE_REBUILD) {
		(void)sled_fail(err, SLED_ERR_PLACE,
		                "%s is being made anew from a far place, and "
		                "not all has come",
		                store->conf.path);
		return sled_hint(err, "mailsled rebuild");
	}
	if (store->mode != SLED_STORE_REBUILD)
		return true;
	if (!bring_all(store, noted, err))
		return false;
	if (noted && sys->unlinkat(sys->ctx, store->state_dir, NOTE, 0) == -1)
		return sled_fail_sys(err, errno, "unlink %s/" NOTE,
		                     store->state);
	return !noted || sled_dir_sync(sys, store->state_dir, NOTE, err);
}
