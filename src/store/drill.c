/*
 * drill.c - could the mail be had without this program? One volume of one place
 * is extracted by the system's tar, in a folder of the state folder, and what
 * came out is held against receipts and ledger. Nothing but the ledger's health
 * rows is changed. Cut off anywhere, the folder is removed by the next drill.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "store/store.h"

#define FOLDER  "drill"
#define EVERY_S (30 * 86400L) /* of itself */
#define SOON_MS UINT64_C(60000)
#define SMALL   (UINT64_C(64) << 20) /* octets of a volume, of itself */

struct candidate {
	struct sled_seat *seat;
	struct sled_volume_row volume;
	int64_t drilled; /* when this one last was, or 0 */
	uint32_t lot;
	bool sealed;
};

struct drill {
	struct sled_store *store;
	const struct sled_drill_conf *conf;
	struct sled_drilled *out;
	struct candidate *list;
	size_t len, cap;
	bool any; /* there is a volume, though perhaps none that fits */
	const struct candidate *chosen;
	struct sled_sha256 *sha;
	uint64_t receipts, faults;
	char first[200]; /* of the faults */
};

/* ---- which one ---- */

/* The health row of one volume in one place. */
static bool
key_of(char out[64], struct drill *d, const struct candidate *c,
       struct sled_err *err)
{
	struct sled_hash hash;
	char hex[33];

	if (d->sha == NULL && !sled_sha256_new(&d->sha, err))
		return false;
	sled_sha256_add(d->sha, c->seat->id, strlen(c->seat->id) + 1);
	sled_sha256_add(d->sha, c->volume.label, strlen(c->volume.label) + 1);
	sled_sha256_add(d->sha, c->volume.name, strlen(c->volume.name));
	hash = sled_sha256_end(d->sha);
	sled_text_hex(hex, hash.b, 16);
	(void)snprintf(out, 64, "drill %s", hex);
	return true;
}

static bool
is_asked_for(const struct drill *d, const struct candidate *c)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s/%s", c->volume.label,
	               c->volume.name);
	return (d->conf->place == NULL ||
	        strcmp(d->conf->place, c->seat->place.path) == 0) &&
	       (d->conf->volume == NULL || strcmp(d->conf->volume, name) == 0);
}

static bool
add_candidate(struct drill *d, const struct candidate *c, struct sled_err *err)
{
	size_t cap = d->cap == 0 ? 16 : d->cap * 2;
	struct candidate *list;

	if (d->len == d->cap) {
		list = reallocarray(d->list, cap, sizeof(*list));
		if (list == NULL)
			return sled_fail(err, SLED_ERR_NOMEM, "volumes");
		d->list = list;
		d->cap = cap;
	}
	d->list[d->len++] = *c;
	return true;
}

/* What is not there, or was taken out, is none. */
static bool
consider(struct drill *d, struct candidate *c, struct sled_err *err)
{
	struct sled_volume_found found;
	struct sled_health_row row;
	struct sled_err why = { 0 };
	bool pruned = false, has = false;
	char key[64];

	if (!is_asked_for(d, c) || !sled_seat_usable(c->seat))
		return true;
	if (!sled_ledger_pruned(d->store->ledger, c->volume.id, c->seat->id,
	                        &pruned, err))
		return false;
	if (pruned || !sled_seat_volume(c->seat, &c->volume, &found, &why) ||
	    !found.there)
		return true;
	d->any = true;
	if (d->conf->most_octets != 0 && found.size > d->conf->most_octets)
		return true;
	c->sealed = found.sealed;
	if (!key_of(key, d, c, err) ||
	    !sled_ledger_health(d->store->ledger, key, &row, &has, err) ||
	    !sled_hash_random((uint8_t *)&c->lot, sizeof(c->lot), err))
		return false;
	c->drilled = has ? row.at : 0;
	return add_candidate(d, c, err);
}

struct volumes {
	struct sled_volume_row *rows;
	size_t len;
};

static bool
take_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct volumes *volumes = ctx;
	struct sled_volume_row *rows =
	    reallocarray(volumes->rows, volumes->len + 1, sizeof(*rows));

	if (rows == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "volumes");
	volumes->rows = rows;
	rows[volumes->len++] = *row;
	return true;
}

/* Sealed before open, the one that waited longest, then by lot. */
static bool
is_better(const struct candidate *a, const struct candidate *b)
{
	if (a->sealed != b->sealed)
		return a->sealed;
	if (a->drilled != b->drilled)
		return a->drilled < b->drilled;
	return a->lot < b->lot;
}

static bool
choose(struct drill *d, struct sled_err *err)
{
	struct volumes volumes = { 0 };
	bool ok = sled_ledger_volumes(d->store->ledger, NULL, take_volume,
	                              &volumes, err);

	for (size_t v = 0; ok && v < volumes.len; v++)
		for (size_t i = 0; ok && i < d->store->len; i++) {
			struct candidate c = { .seat = &d->store->seats[i],
				               .volume = volumes.rows[v] };

			ok = c.volume.end == 0 || consider(d, &c, err);
		}
	free(volumes.rows);
	for (size_t i = 0; ok && i < d->len; i++)
		if (d->chosen == NULL || is_better(&d->list[i], d->chosen))
			d->chosen = &d->list[i];
	if (!ok || d->chosen != NULL)
		return ok;
	return sled_fail(err, SLED_ERR_MISSING,
	                 d->any ? "no volume is small enough for it"
	                        : "there is no volume to try");
}

/* ---- the folder ---- */

/* What PATH has, but for folders: the first of those is added to PATH. *empty
 * says that there was none. */
static bool
empty_folder(struct sled_store *store, struct sled_buf *path, bool *empty,
             struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	struct sled_buf names = { 0 };
	size_t len = path->len;
	bool ok = sled_dir_list(&names, sys, store->state_dir, path->data, err);

	*empty = true;
	for (size_t at = 0; ok && *empty && at < names.len;
	     at += strlen(names.data + at) + 1) {
		path->len = len;
		ok = sled_buf_printf(path, err, "/%s", names.data + at);
		if (!ok || sys->unlinkat(sys->ctx, store->state_dir, path->data,
		                         0) == 0)
			continue;
		*empty = false;
		if (errno != EISDIR && errno != EPERM)
			ok = sled_fail_sys(err, errno, "remove %s", path->data);
	}
	if (*empty) {
		path->len = len;
		path->data[len] = '\0';
	}
	sled_buf_free(&names);
	return ok;
}

static bool
remove_empty(struct sled_store *store, struct sled_buf *path,
             struct sled_err *err)
{
	const struct sled_sys *sys = store->sys;
	char *slash = strrchr(path->data, '/');

	if (sys->unlinkat(sys->ctx, store->state_dir, path->data,
	                  AT_REMOVEDIR) == -1)
		return sled_fail_sys(err, errno, "remove %s", path->data);
	path->len = slash == NULL ? 0 : (size_t)(slash - path->data);
	path->data[path->len] = '\0';
	return true;
}

/* Down to a folder without folders, which goes, and up again. */
static bool
remove_tree(struct sled_store *store, struct sled_err *err)
{
	struct sled_buf path = { 0 };
	struct stat st;
	bool empty = false, ok = true;

	if (store->sys->fstatat(store->sys->ctx, store->state_dir, FOLDER, &st,
	                        AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ||
		       sled_fail_sys(err, errno, "look at " FOLDER);
	ok = sled_buf_addstr(&path, FOLDER, err);
	while (ok && path.len > 0)
		ok = empty_folder(store, &path, &empty, err) &&
		     (!empty || remove_empty(store, &path, err));
	sled_buf_free(&path);
	return ok;
}

/* All of it, and what is kept back, must have room. */
static bool
has_room(struct drill *d, struct sled_err *err)
{
	struct sled_store *store = d->store;
	struct sled_member_row *rows = NULL;
	uint64_t needed = SLED_RESERVE, room = 0;
	size_t len = 0;

	if (!sled_volume_extents(store, d->chosen->volume.id, 0, &rows, &len,
	                         err))
		return false;
	for (size_t i = 0; i < len; i++)
		needed += rows[i].tar_octets + rows[i].tar_octets / 8;
	free(rows);
	if (store->sys->space(store->sys->ctx, store->state_dir, &room) == -1 ||
	    room >= needed)
		return true;
	(void)sled_fail(err, SLED_ERR_PLACE,
	                "%s has no room to extract %s/%s: %llu MiB are needed",
	                store->state, d->chosen->volume.label,
	                d->chosen->volume.name,
	                (unsigned long long)(needed >> 20));
	return sled_hint(err, "make room, or set `state =` in [store] to a "
	                      "larger disk");
}

/* ---- tar ---- */

static bool
add_command(struct drill *d, struct sled_buf *out, struct sled_err *err)
{
	const struct candidate *c = d->chosen;
	struct sled_volume_found found;
	struct sled_buf file = { 0 }, folder = { 0 };
	bool ok =
	    sled_seat_volume(c->seat, &c->volume, &found, err) &&
	    sled_buf_printf(&file, err, "%s/%s/%s", c->seat->place.path,
	                    c->volume.label, found.file) &&
	    sled_buf_printf(&folder, err, "%s/%s", d->store->state, FOLDER) &&
	    sled_buf_addstr(out,
	                    "unset TAR_OPTIONS GZIP; LC_ALL=C; export LC_ALL\n"
	                    "command -v tar >/dev/null 2>&1 || "
	                    "{ echo none; exit 0; }\n"
	                    "echo \"$(tar --version 2>/dev/null </dev/null | "
	                    "head -n 1)\"\n"
	                    "tar xzf ",
	                    err) &&
	    sled_text_shell(out, file.data, err) &&
	    sled_buf_addstr(out, " -C ", err) &&
	    sled_text_shell(out, folder.data, err) &&
	    sled_buf_addstr(out, " 2>&1\necho \"=$?\"\n", err);

	sled_buf_free(&file);
	sled_buf_free(&folder);
	return ok;
}

/* What tar said between its version and its exit status: nothing, if all was
 * well. */
static bool
judge_words(struct drill *d, struct sled_buf *said, struct sled_err *err)
{
	char *rest = said->data == NULL ? NULL : strchr(said->data, '\n');
	char shown[200];
	size_t len;

	if (said->data != NULL && strcmp(said->data, "none\n") == 0) {
		(void)sled_fail(err, SLED_ERR_CONFIG, "there is no tar here");
		return sled_hint(err, "install it: `apt-get install tar`");
	}
	rest = rest == NULL ? NULL : rest + 1;
	len = rest == NULL ? 0 : strlen(rest);
	if (len == 3 && strcmp(rest, "=0\n") == 0) {
		sled_text_clip(d->out->tar, sizeof(d->out->tar),
		               (struct sled_span){ said->data,
		                                   strcspn(said->data, "\n") });
		return true;
	}
	for (size_t i = 0; i < len; i++)
		if (rest[i] == '\n')
			rest[i] = i + 1 < len ? ' ' : '\0';
	sled_text_clip(shown, sizeof(shown), (struct sled_span){ rest, len });
	return sled_fail(err, SLED_ERR_DAMAGED, "tar says: %s", shown);
}

static bool
run_tar(struct drill *d, struct sled_err *err)
{
	struct sled_buf command = { 0 }, said = { 0 };
	bool ok = add_command(d, &command, err) &&
	          sled_child_capture(&said, command.data, SLED_CHILD_MAX,
	                             d->conf->ms, err) &&
	          judge_words(d, &said, err);

	sled_buf_free(&command);
	sled_buf_free(&said);
	return ok;
}

/* ---- what came out ---- */

static void
note_fault(struct drill *d, const char *what, const char *why)
{
	if (d->faults++ == 0)
		(void)snprintf(d->first, sizeof(d->first), "%.120s %s", what,
		               why);
}

static bool
hash_file(struct drill *d, const char *path, uint64_t *octets,
          struct sled_hash *hash, struct sled_err *err)
{
	struct sled_file file;
	char chunk[65536];
	size_t got = 1;
	bool ok = sled_file_open(&file, d->store->sys, d->store->state_dir,
	                         path, O_RDONLY | O_NOFOLLOW, 0, err);

	*octets = 0;
	if (!ok)
		return false;
	while (ok && got > 0) {
		ok = sled_file_read(&file, chunk, sizeof(chunk), *octets, &got,
		                    err);
		if (ok)
			sled_sha256_add(d->sha, chunk, got);
		*octets += got;
	}
	*hash = sled_sha256_end(d->sha);
	sled_file_drop(&file);
	return ok;
}

static bool
check_message(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct drill *d = ctx;
	char path[sizeof(FOLDER) + SLED_ENTRY_NAME];
	struct sled_err why = { 0 };
	struct sled_hash hash;
	uint64_t octets = 0;

	(void)err;
	(void)snprintf(path, sizeof(path), FOLDER "/%s", row->entry);
	if (!hash_file(d, path, &octets, &hash, &why))
		note_fault(d, row->entry, "did not come out of it");
	else if (octets != row->octets || !sled_hash_equal(&hash, &row->sha256))
		note_fault(d, row->entry, "came out with other bytes");
	d->out->messages++;
	d->out->octets += octets;
	return true;
}

struct known {
	const struct sled_receipt *receipt;
	bool same;
};

static bool
check_row(void *ctx, const struct sled_message *row, struct sled_err *err)
{
	struct known *known = ctx;

	(void)err;
	known->same = known->same ||
	              (sled_hash_equal(&row->sha256, &known->receipt->sha256) &&
	               strcmp(row->entry, known->receipt->entry) == 0);
	return true;
}

static bool
check_receipt(void *ctx, const struct sled_receipt *receipt,
              struct sled_err *err)
{
	struct drill *d = ctx;
	struct known known = { receipt, false };
	struct sled_ledger *ledger = d->store->ledger;
	uint64_t number = receipt->number;
	bool found = false;

	if ((receipt->flags & SLED_RECEIPT_GONE) != 0)
		return true;
	d->receipts++;
	if (!sled_ledger_record_number(ledger, receipt->record, &number, &found,
	                               err) ||
	    !sled_ledger_by_number(ledger, d->chosen->volume.label, number,
	                           check_row, &known, err))
		return false;
	if (!known.same)
		note_fault(d, receipt->entry, "is not in the ledger");
	return true;
}

static bool
check_receipts(struct drill *d, struct sled_err *err)
{
	const struct sled_volume_row *volume = &d->chosen->volume;
	struct sled_buf names = { 0 }, text = { 0 };
	char folder[96], path[192];
	bool ok;

	(void)snprintf(folder, sizeof(folder), FOLDER "/mailsled/%s/%s",
	               volume->label, volume->name);
	ok = sled_dir_list(&names, d->store->sys, d->store->state_dir, folder,
	                   err);
	if (!ok && err->kind == SLED_ERR_MISSING) {
		*err = (struct sled_err){ 0 };
		note_fault(d, "its receipts", "did not come out of it");
		return true;
	}
	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1) {
		if (strncmp(names.data + at, "receipts-", 9) != 0)
			continue;
		text.len = 0;
		(void)snprintf(path, sizeof(path), "%s/%.60s", folder,
		               names.data + at);
		ok = sled_file_slurp(&text, d->store->sys, d->store->state_dir,
		                     path, SLED_RECEIPTS_MAX, err) &&
		     sled_receipts_parse(sled_buf_span(&text), check_receipt, d,
		                         err);
	}
	sled_buf_free(&names);
	sled_buf_free(&text);
	return ok;
}

static bool
compare(struct drill *d, struct sled_err *err)
{
	const struct sled_message_query query = { .volume =
		                                      d->chosen->volume.id };

	if (!sled_ledger_messages(d->store->ledger, &query, check_message, d,
	                          err) ||
	    !check_receipts(d, err))
		return false;
	if (d->receipts != d->out->messages)
		note_fault(d, "its receipts",
		           "tell of other messages than the "
		           "ledger");
	return d->faults == 0 ||
	       sled_fail(err, SLED_ERR_DAMAGED, "%llu faults; %s",
	                 (unsigned long long)d->faults, d->first);
}

/* ---- all of it ---- */

static bool
extract(struct drill *d, struct sled_err *err)
{
	struct sled_store *store = d->store;
	struct sled_err second = { 0 };
	bool ok =
	    remove_tree(store, err) && has_room(d, err) &&
	    sled_dir_make(store->sys, store->state_dir, FOLDER, 0700, err) &&
	    run_tar(d, err) && compare(d, err);

	if (!remove_tree(store, &second))
		sled_store_say(store, "%s/%s: %s", store->state, FOLDER,
		               second.text);
	return ok;
}

/* The outcome, and for this volume in this place that it had its turn. */
static bool
note_outcome(struct drill *d, const struct sled_err *why, struct sled_err *err)
{
	struct sled_ledger *ledger = d->store->ledger;
	struct sled_health_row row = { .kind = "drill",
		                       .at = d->out->at,
		                       .fine = why->kind == SLED_ERR_NONE };
	char place[160];

	sled_text_clip(
	    place, sizeof(place),
	    (struct sled_span){ d->out->place, strlen(d->out->place) });
	if (d->chosen == NULL)
		(void)snprintf(row.text, sizeof(row.text), "%.500s", why->text);
	else if (row.fine)
		(void)snprintf(row.text, sizeof(row.text),
		               "%s in %s: %llu messages came out of tar "
		               "as they were stored",
		               d->out->volume, place,
		               (unsigned long long)d->out->messages);
	else
		(void)snprintf(row.text, sizeof(row.text), "%s in %s: %.240s",
		               d->out->volume, place, why->text);
	if (!sled_ledger_health_put(ledger, &row, err))
		return false;
	return d->chosen == NULL || (key_of(row.kind, d, d->chosen, err) &&
	                             sled_ledger_health_put(ledger, &row, err));
}

static bool
run(struct drill *d, struct sled_err *err)
{
	if (!choose(d, err) || d->chosen == NULL)
		return false;
	(void)snprintf(d->out->place, sizeof(d->out->place), "%s",
	               d->chosen->seat->place.path);
	(void)snprintf(d->out->volume, sizeof(d->out->volume), "%s/%s",
	               d->chosen->volume.label, d->chosen->volume.name);
	if (extract(d, err))
		return true;
	/* What the ledger says of this place is not believed any more. */
	if (err->kind == SLED_ERR_DAMAGED)
		sled_doubt_note(d->store, d->chosen->seat);
	return sled_note(err, "drill %s in %s", d->out->volume, d->out->place);
}

bool
sled_store_drill(struct sled_store *store, const struct sled_drill_conf *conf,
                 struct sled_drilled *out, struct sled_err *err)
{
	struct drill d = { .store = store, .conf = conf, .out = out };
	struct sled_err why = { 0 };
	int64_t began = sled_clock_ms();
	bool ok;

	*out = (struct sled_drilled){ .at = sled_clock_now() };
	ok = run(&d, &why);
	out->ms = sled_clock_ms() - began;
	if (!note_outcome(&d, &why, err))
		ok = false;
	else if (!ok)
		*err = why;
	free(d.list);
	sled_sha256_free(&d.sha);
	return ok;
}

/* The first one of itself comes a month after this was first asked. */
static bool
is_due(struct sled_store *store, int64_t now, bool *due, struct sled_err *err)
{
	struct sled_health_row row = { .kind = "drill" };
	bool found = false;

	*due = false;
	if (!sled_ledger_health(store->ledger, "drill", &row, &found, err) ||
	    (!found && !sled_ledger_health(store->ledger, "drill since", &row,
	                                   &found, err)))
		return false;
	*due = found && now - row.at >= EVERY_S;
	if (found)
		return true;
	row = (struct sled_health_row){ .kind = "drill since",
		                        .at = now,
		                        .fine = true };
	return sled_ledger_health_put(store->ledger, &row, err);
}

bool
sled_drill_if_due(struct sled_store *store, struct sled_err *err)
{
	const struct sled_drill_conf conf = { .most_octets = SMALL,
		                              .ms = SOON_MS };
	struct sled_drilled drilled;
	int64_t now = sled_clock_now();
	struct sled_err why = { 0 };
	bool due = false;

	if (sled_clock_doubtful(now))
		return true;
	if (!is_due(store, now, &due, err))
		return false;
	if (!due || sled_store_drill(store, &conf, &drilled, &why))
		return true;
	sled_store_say(store, "%s", why.text);
	if (why.kind != SLED_ERR_DAMAGED)
		return true; /* status tells it; the next one is in a month */
	*err = why;
	return false;
}
