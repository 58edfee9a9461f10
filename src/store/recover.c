/*
 * recover.c - every start of a writer, in this order (STORE.md, Recovery):
 *   1  the ledger is missing: all rows come from receipts and journal, from
 *      the union of the places that can be reached [R3]
 *      the names in each place are synced, before any is believed
 *   2  bytes behind the committed end: whole members are adopted, the rest is
 *      kept in quarantine and cut [R2]
 *      a file shorter than its committed end: the missing range comes from a
 *      copy; else its rows are dropped, and it is said
 *      copies: what they lack is appended and read back; one that differs is
 *      salvaged, set aside and made anew
 *   3  spools: a record that stands in a receipt is done; whole ones are
 *      committed; torn ones are dropped
 * Each step may be cut off and run again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/store.h"

/* ---- which volumes there are: the union of ledger and places ---- */

struct names {
	/* "label/name" each, NUL-ended; the same from each that has it. */
	struct sled_buf list;
};

static bool
add_name(struct names *names, const char *label, const char *volume,
         struct sled_err *err)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/%s", label, volume);
	return sled_buf_add(&names->list, name, strlen(name) + 1, err);
}

static bool
add_row(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	return add_name(ctx, row->label, row->name, err);
}

static bool
is_label(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");

	return name[len] == '\0' && len > 0 && len <= SLED_LABEL_MAX &&
	       name[0] != '.' && name[0] != '_' && name[0] != '-' &&
	       strcmp(name, "journal") != 0;
}

static bool
knows_label(const struct names *names, const char *label)
{
	size_t len = strlen(label);

	for (size_t at = 0; at < names->list.len;
	     at += strlen(names->list.data + at) + 1)
		if (strncmp(names->list.data + at, label, len) == 0 &&
		    names->list.data[at + len] == '/')
			return true;
	return false;
}

/* A folder that cannot be listed is not nothing; but may it have volumes? Of a
 * copy's the ledger cannot tell: it may have gone another way. */
static bool
is_no_account(const struct names *names, const struct sled_store *store,
              size_t i, const char *label, const struct sled_err *why)
{
	if (why->sys == ENOTDIR || why->kind == SLED_ERR_MISSING)
		return true;
	if (why->kind == SLED_ERR_NOMEM || knows_label(names, label) ||
	    (why->sys != ELOOP && (i > 0 || store->rebuilt)))
		return false;
	sled_store_say(store,
	               "%s/%s: %s; no archive is known in it, it is left out",
	               store->seats[i].place.path, label, why->text);
	return true;
}

/* Who was killed behind a rename left a name that no sync holds yet: what is
 * read, counted and appended to under it must not go with the power. */
static bool
hold_names(const struct sled_place *place, const char *folder,
           struct sled_err *err)
{
	return sled_dir_sync_below(place->sys, place->dir, folder, err);
}

static bool
add_folder(struct names *names, struct sled_store *store, size_t i,
           const char *label, struct sled_err *err)
{
	const struct sled_place *place = &store->seats[i].place;
	struct sled_buf files = { 0 };
	char volume[SLED_VOLUME_NAME];
	unsigned revision = 0;
	bool ok = true, open = false;

	if (!sled_dir_list(&files, place->sys, place->dir, label, err)) {
		sled_buf_free(&files);
		if (!is_no_account(names, store, i, label, err))
			return err->kind != SLED_ERR_NOMEM &&
			       sled_hint(err,
			                 "let this user list it, or move it "
			                 "out of the store's folder");
		*err = (struct sled_err){ 0 };
		return true;
	}
	for (size_t at = 0; ok && at < files.len;
	     at += strlen(files.data + at) + 1)
		if (sled_volume_file_parse(files.data + at, volume, &open,
		                           &revision))
			ok = add_name(names, label, volume, err);
	sled_buf_free(&files);
	return ok && hold_names(place, label, err);
}

static bool
add_folders(struct names *names, struct sled_store *store, size_t i,
            struct sled_err *err)
{
	const struct sled_place *place = &store->seats[i].place;
	struct sled_buf labels = { 0 };
	bool ok = sled_dir_list(&labels, place->sys, place->dir, ".", err);

	for (size_t at = 0; ok && at < labels.len;
	     at += strlen(labels.data + at) + 1)
		if (is_label(labels.data + at))
			ok = add_folder(names, store, i, labels.data + at, err);
		else if (strcmp(labels.data + at, "journal") == 0)
			ok = hold_names(place, "journal", err);
	sled_buf_free(&labels);
	return ok;
}

/* What cannot be listed is not nothing: the first place must be, a copy is out.
 */
static bool
add_place(struct names *names, struct sled_store *store, size_t i,
          struct sled_err *err)
{
	struct sled_seat *seat = &store->seats[i];
	struct sled_err why = { 0 };

	if (add_folders(names, store, i, &why))
		return true;
	if (i == 0 || why.kind == SLED_ERR_NOMEM) {
		*err = why;
		return sled_note(err, "%s", seat->place.path);
	}
	sled_seat_out(seat, &why);
	sled_store_say(store, "%s: %s", seat->place.path, why.text);
	return true;
}

/* The ledger does not know it: a repair may have given it a revision, whose
 * file is whole wherever it has its name. */
static void
learn_revision(struct sled_store *store, struct sled_volume_row *row)
{
	for (size_t i = 0; i < store->len; i++) {
		const struct sled_place *place = &store->seats[i].place;
		struct sled_buf files = { 0 };
		struct sled_err why = { 0 };
		bool ok = sled_seat_usable(&store->seats[i]) &&
		          sled_dir_list(&files, place->sys, place->dir,
		                        row->label, &why);

		for (size_t at = 0; ok && at < files.len;
		     at += strlen(files.data + at) + 1) {
			char name[SLED_VOLUME_NAME];
			unsigned revision = 0;
			bool open = false;

			if (sled_volume_file_parse(files.data + at, name, &open,
			                           &revision) &&
			    strcmp(name, row->name) == 0 &&
			    revision > row->revision)
				row->revision = revision;
		}
		sled_buf_free(&files);
	}
}

static bool
recover_named(struct sled_store *store, char *name, struct sled_err *err)
{
	struct sled_volume_row row = { 0 };
	char *slash = strchr(name, '/');
	bool found = false;

	*slash = '\0';
	if (!sled_ledger_volume_named(store->ledger, name, slash + 1, &row,
	                              &found, err))
		return false;
	(void)snprintf(row.label, sizeof(row.label), "%.24s", name);
	(void)snprintf(row.name, sizeof(row.name), "%.15s", slash + 1);
	if (!found)
		learn_revision(store, &row);
	*slash = '/';
	return sled_mend_volume(store, &row, err);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In order of name, so that receipts of gone messages find their rows. */
static bool
recover_names(struct sled_store *store, struct names *names,
              struct sled_err *err)
{
	size_t len = 0, at = 0;
	char **list;
	bool ok = true;

	for (size_t i = 0; i < names->list.len; i++)
		len += names->list.data[i] == '\0';
	list = calloc(len + 1, sizeof(*list));
	if (list == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	for (size_t i = 0; i < len; i++) {
		list[i] = names->list.data + at;
		at += strlen(list[i]) + 1;
	}
	qsort(list, len, sizeof(*list), by_name);
	for (size_t i = 0; ok && i < len; i++)
		if (i + 1 == len || strcmp(list[i], list[i + 1]) != 0)
			ok = recover_named(store, list[i], err);
	free(list);
	return ok;
}

static bool
recover_volumes(struct sled_store *store, struct sled_err *err)
{
	struct names names = { { 0 } };
	bool ok =
	    sled_ledger_volumes(store->ledger, NULL, add_row, &names, err);

	for (size_t i = 0; ok && i < store->len; i++)
		if (sled_seat_usable(&store->seats[i]))
			ok = add_place(&names, store, i, err);
	ok = ok && recover_names(store, &names, err);
	sled_buf_free(&names.list);
	return ok;
}

struct volumes {
	struct sled_volume_row *rows;
	size_t len;
	bool full;
};

static bool
collect_volume(void *ctx, const struct sled_volume_row *row,
               struct sled_err *err)
{
	struct volumes *volumes = ctx;
	struct sled_volume_row *rows =
	    realloc(volumes->rows, (volumes->len + 1) * sizeof(*volumes->rows));

	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	volumes->rows = rows;
	rows[volumes->len++] = *row;
	return true;
}

bool
sled_recover_copies(struct sled_store *store, uint64_t *octets,
                    struct sled_err *err)
{
	struct volumes volumes = { 0 };
	bool ok = sled_ledger_volumes(store->ledger, NULL, collect_volume,
	                              &volumes, err);

	for (size_t v = 0; ok && v < volumes.len; v++)
		for (size_t i = 1; ok && i < store->len; i++)
			ok = sled_copies_reconcile(store, &store->seats[i],
			                           &volumes.rows[v], octets,
			                           err);
	free(volumes.rows);
	return ok;
}

bool
sled_recover(struct sled_store *store, struct sled_err *err)
{
	uint64_t octets = 0;

	return recover_volumes(store, err) &&
	       ((store->mode == SLED_STORE_REPAIR && !store->rebuilt) ||
	        (sled_recover_copies(store, &octets, err) &&
	         sled_recover_spools(store, err)));
}
