/*
 * volumes.c - which volume the next member goes to.
 *
 * A volume turns on a new month (UTC, never back) or at the size of `rotate`,
 * only beside a visit's own work; never beyond 3.9 GiB. What is noted then is
 * the hash that it will have once sealed, for the chain in the next VOLUME.txt.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "store/store.h"

/* The volume in each place; those that are not OPEN could not be read. */
struct sources {
	struct sled_reading *list; /* they do not move */
	bool *open;
	size_t len;
};

static void
close_sources(struct sources *from)
{
	for (size_t i = 0; from->open != NULL && i < from->len; i++)
		if (from->open[i])
			sled_reading_close(&from->list[i]);
	free(from->list);
	free(from->open);
}

/* The first place's is needed, whatever it holds. */
static bool
open_sources(struct sources *from, struct sled_store *store,
             const struct sled_volume_row *row, struct sled_err *err)
{
	*from = (struct sources){
		.list = calloc(store->len, sizeof(*from->list)),
		.open = calloc(store->len, sizeof(*from->open)),
		.len = store->len,
	};
	if (from->list == NULL || from->open == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volume");
	for (size_t i = 0; i < store->len; i++) {
		struct sled_err why = { 0 };

		from->open[i] = sled_seat_usable(&store->seats[i]) &&
		                sled_seat_read(&from->list[i], &store->seats[i],
		                               row, false, i == 0 ? err : &why);
	}
	return from->open[0] ||
	       (err->kind != SLED_ERR_NONE
	            ? false
	            : sled_fail(err, SLED_ERR_PLACE, "%s is out",
	                        store->seats[0].place.path));
}

bool
sled_volume_hash_range(struct sled_reading *reading, uint64_t at,
                       uint64_t length, struct sled_sha256 *sha,
                       struct sled_err *err)
{
	uint64_t end = at + length;
	char chunk[65536];

	while (at < end) {
		size_t got = 0, want = end - at < sizeof(chunk)
		                           ? (size_t)(end - at)
		                           : sizeof(chunk);

		if (!sled_file_read(&reading->file, chunk, want, at, &got, err))
			return false;
		if (got == 0)
			return sled_fail(err, SLED_ERR_DAMAGED, "%s is cut off",
			                 reading->name);
		sled_sha256_add(sha, chunk, got);
		at += got;
	}
	return true;
}

unsigned
sled_last_receipts(const struct sled_source *source,
                   const struct sled_member_row *rows, size_t len)
{
	for (size_t i = len; i > 0; i--) {
		const struct sled_member_sum was = sled_row_sum(&rows[i - 1]);
		struct sled_member_sum sum;
		struct sled_err why = { 0 };
		unsigned seq = 0;

		if (sled_member_compare(source, rows[i - 1].at, &was, &why) &&
		    sled_member_check(source, rows[i - 1].at, NULL, &sum, &seq,
		                      &why))
			return seq + (unsigned)(len - i);
	}
	return (unsigned)len;
}

/* From a place in which the member is what the ledger says: the hash stands for
 * good, and damage must not get into it. The first place's where none is. */
static bool
hash_member(struct sources *from, const struct sled_member_row *row,
            struct sled_sha256 *sha, struct sled_err *err)
{
	const struct sled_member_sum sum = sled_row_sum(row);

	for (size_t i = 0; i < from->len; i++) {
		struct sled_err why = { 0 };

		if (from->open[i] && sled_member_compare(&from->list[i].source,
		                                         row->at, &sum, &why))
			return sled_volume_hash_range(&from->list[i], row->at,
			                              row->length, sha, err);
	}
	return sled_volume_hash_range(&from->list[0], row->at, row->length, sha,
	                              err);
}

static bool
hash_members(struct sled_store *store, const struct sled_volume_row *row,
             struct sled_sha256 *sha, struct sled_err *err)
{
	struct sources from = { 0 };
	struct sled_member_row *rows = NULL;
	size_t len = 0;
	bool ok = open_sources(&from, store, row, err) &&
	          sled_volume_extents(store, row->id, 0, &rows, &len, err);

	for (size_t i = 0; ok && i < len; i++)
		ok = hash_member(&from, &rows[i], sha, err);
	free(rows);
	close_sources(&from);
	return ok;
}

/* The sealed file itself, its .sha256 and parity, a revision's .tsv. */
bool
sled_volume_goes_with(const char *file, const char *sealed, const char *name)
{
	char parity[SLED_VOLUME_FILE];
	size_t stem = strlen(sealed) - strlen(".tar.gz");

	(void)snprintf(parity, sizeof(parity), "%s.tar.gz.", name);
	return strncmp(file, sealed, strlen(sealed)) == 0 ||
	       strncmp(file, parity, strlen(parity)) == 0 ||
	       (stem > strlen(name) && strncmp(file, sealed, stem) == 0 &&
	        strcmp(file + stem, ".tsv") == 0);
}

bool
sled_volume_hash(struct sled_store *store, struct sled_volume_row *row,
                 struct sled_err *err)
{
	struct sled_sha256 *sha = NULL;
	struct sled_buf last = { 0 };
	bool ok = sled_sha256_new(&sha, err) &&
	          (row->end == 0 || hash_members(store, row, sha, err)) &&
	          sled_member_last(&last, err);

	if (ok) {
		sled_sha256_add(sha, last.data, last.len);
		row->sha256 = sled_sha256_end(sha);
	}
	sled_buf_free(&last);
	sled_sha256_free(&sha);
	return ok;
}

/* No more members: note the hash of the volume as the seal will leave it. */
bool
sled_volume_turn(struct sled_store *store, struct sled_volume_row *row,
                 struct sled_err *err)
{
	bool ok = sled_volume_hash(store, row, err);

	if (ok) {
		row->turned = true;
		ok = sled_ledger_volume_put(store->ledger, row, err);
	}
	return ok || sled_note(err, "turn volume %s/%s", row->label, row->name);
}

static bool
is_due(const struct sled_store *store, const struct sled_volume_row *row,
       int64_t now)
{
	int month = 0;
	unsigned seq = 0;

	if (row->turned || row->end == 0)
		return false;
	if (row->end >= SLED_VOLUME_CAP || row->end >= store->conf.rotate_bytes)
		return true;
	return store->conf.rotate_month && !sled_clock_doubtful(now) &&
	       sled_volume_name_parse(row->name, &month, &seq) &&
	       sled_clock_month(now) > month;
}

bool
sled_volume_turn_if_due(struct sled_store *store, const char *label,
                        int64_t now, struct sled_err *err)
{
	struct sled_volume_row row;
	bool found = false;

	if (!sled_ledger_volume_last(store->ledger, label, &row, &found, err))
		return false;
	return !found || !is_due(store, &row, now) ||
	       sled_volume_turn(store, &row, err);
}

/* The name after LAST's: this month's, or the last one's if that is later. */
static void
next_name(char out[SLED_VOLUME_NAME], const struct sled_volume_row *last,
          int64_t now)
{
	int month = sled_clock_month(now), last_month = 0;
	unsigned seq = 0;

	if (last == NULL ||
	    !sled_volume_name_parse(last->name, &last_month, &seq))
		last_month = 0;
	if (last_month > month || sled_clock_doubtful(now))
		month = last_month > 0 ? last_month : month;
	sled_volume_name(out, month, last_month == month ? seq + 1 : 1);
}

static void
describe(struct sled_volume_info *info, const struct sled_store *store,
         const struct sled_whose *whose, const struct sled_volume_row *row,
         const struct sled_volume_row *last)
{
	*info = (struct sled_volume_info){ 0 };
	(void)snprintf(info->label, sizeof(info->label), "%s",
	               whose->owner.label);
	(void)snprintf(info->server, sizeof(info->server), "%s",
	               whose->owner.server);
	(void)snprintf(info->user, sizeof(info->user), "%s", whose->owner.user);
	(void)snprintf(info->store, sizeof(info->store), "%s", store->id);
	memcpy(info->volume, row->name, sizeof(info->volume));
	if (last == NULL)
		return;
	memcpy(info->before, last->name, sizeof(info->before));
	info->before_sha256 = last->sha256;
}

/*
 * The volume that the label's next member goes to, RECEIVED being the time of
 * its newest message. A new one (id 0, end 0) when there is none, the last has
 * turned, is another maildrop's, or was lost with all it held (its names stay
 * used); then *info is its VOLUME.txt.
 */
bool
sled_volume_for(struct sled_store *store, const struct sled_whose *whose,
                int64_t received, struct sled_volume_row *out,
                struct sled_volume_info *info, struct sled_err *err)
{
	struct sled_volume_row last = { 0 };
	bool found = false;

	if (!sled_ledger_volume_last(store->ledger, whose->owner.label, &last,
	                             &found, err))
		return false;
	*out = last;
	if (found && !last.turned && last.maildrop == whose->maildrop &&
	    last.end > 0 && last.end < SLED_VOLUME_CAP)
		return true;
	if (found && !last.turned && !sled_volume_turn(store, &last, err))
		return false;
	*out = (struct sled_volume_row){ .maildrop = whose->maildrop };
	(void)snprintf(out->label, sizeof(out->label), "%s",
	               whose->owner.label);
	next_name(out->name, found ? &last : NULL, received);
	describe(info, store, whose, out, found ? &last : NULL);
	return true;
}

struct gather {
	struct sled_member_row *rows;
	size_t len, cap;
};

static bool
gather_row(void *ctx, const struct sled_member_row *row, struct sled_err *err)
{
	struct gather *gather = ctx;

	if (gather->len == gather->cap) {
		size_t cap = gather->cap == 0 ? 64 : gather->cap * 2;
		struct sled_member_row *rows =
		    realloc(gather->rows, cap * sizeof(*rows));
		if (rows == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "members");
		gather->rows = rows;
		gather->cap = cap;
	}
	gather->rows[gather->len++] = *row;
	return true;
}

bool
sled_volume_extents(struct sled_store *store, int64_t volume, uint64_t from,
                    struct sled_member_row **out, size_t *len,
                    struct sled_err *err)
{
	struct gather gather = { 0 };

	*out = NULL;
	*len = 0;
	if (!sled_ledger_members(store->ledger, volume, from, gather_row,
	                         &gather, err)) {
		free(gather.rows);
		return false;
	}
	*out = gather.rows;
	*len = gather.len;
	return true;
}

bool
sled_volume_lacking(struct sled_store *store, int64_t volume, const char *place,
                    struct sled_member_row **out, size_t *len,
                    struct sled_err *err)
{
	struct gather gather = { 0 };

	*out = NULL;
	*len = 0;
	if (!sled_ledger_lacking(store->ledger, volume, place, gather_row,
	                         &gather, err)) {
		free(gather.rows);
		return false;
	}
	*out = gather.rows;
	*len = gather.len;
	return true;
}

/* ---- VOLUME.txt, made again ---- */

struct chain {
	const struct sled_volume_row *volume;
	struct sled_volume_row before;
};

static bool
take_before(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct chain *chain = ctx;

	(void)err;
	if (sled_volume_name_compare(row->name, chain->volume->name) < 0)
		chain->before = *row;
	return true;
}

/* Whose it is: the volume before it was the same account's. Where there is
 * none, it is of no server that anyone knows. */
static bool
describe_maildrop(struct sled_store *store, int64_t maildrop,
                  struct sled_volume_info *info, struct sled_err *err)
{
	struct sled_buf server = { 0 }, user = { 0 };
	bool ok =
	    maildrop == 0 || sled_ledger_maildrop_name(store->ledger, maildrop,
	                                               &server, &user, err);

	(void)snprintf(info->server, sizeof(info->server), "%s", SLED_IMPORTED);
	if (ok && maildrop != 0) {
		(void)snprintf(info->server, sizeof(info->server), "%.*s",
		               (int)server.len, server.data);
		(void)snprintf(info->user, sizeof(info->user), "%.*s",
		               (int)user.len, user.data);
	}
	sled_buf_free(&server);
	sled_buf_free(&user);
	return ok;
}

bool
sled_volume_describe(struct sled_store *store,
                     const struct sled_volume_row *volume,
                     struct sled_volume_info *info, struct sled_err *err)
{
	struct chain chain = { volume, { 0 } };

	*info = (struct sled_volume_info){ 0 };
	memcpy(info->label, volume->label, sizeof(info->label));
	memcpy(info->store, store->id, sizeof(info->store));
	memcpy(info->volume, volume->name, sizeof(info->volume));
	if (!sled_ledger_volumes(store->ledger, volume->label, take_before,
	                         &chain, err) ||
	    !describe_maildrop(store,
	                       volume->maildrop != 0 ? volume->maildrop
	                                             : chain.before.maildrop,
	                       info, err))
		return false;
	if (chain.before.id == 0)
		return true;
	memcpy(info->before, chain.before.name, sizeof(info->before));
	if (!chain.before.turned &&
	    !sled_volume_hash(store, &chain.before, err))
		return false;
	info->before_sha256 = chain.before.sha256;
	return true;
}
