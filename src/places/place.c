/*
 * place.c - the mark of a place; see mailsled/places.h.
 *
 * States of a place being marked
 *   M0  nothing, or an empty folder
 *   M1  STORE.txt, .mailsled no mark yet: counts as empty, the next start
 *                            marks it anew
 *   M2  STORE.txt, COPY.txt  marked: COPY.txt came by rename, after the rest
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/hash.h"
#include "mailsled/places.h"
#include "mailsled/text.h"
#include "places/mounts.h"

static const char store_text[] =
    "This folder is a mailsled store: mail that was fetched, verified and\n"
    "perhaps deleted from its server. Keep it.\n"
    "\n"
    "store: %s\n"
    "format: 1\n"
    "\n"
    "Reading it needs no mailsled. Each ACCOUNT/*.tar.gz is an ordinary\n"
    "archive, the one still being filled (.open.tar.gz) too:\n"
    "\n"
    "    mkdir out && for f in */*.tar.gz; do tar xzf \"$f\" -C out; done\n"
    "\n"
    "Messages come out as ACCOUNT/YEAR/MONTH/DAY/*.eml, exactly as received;\n"
    "names are unique over all archives. Each message has a receipt with its\n"
    "SHA-256; this checks all of them (in the folder out):\n"
    "\n"
    "    awk -F'\\t' '$8 ~ /\\.eml$/ {print $1 \"  \" $8}' \\\n"
    "        mailsled/*/*/receipts-*.tsv | sha256sum -c --quiet\n"
    "\n"
    "Sealed archives have a .sha256 beside them: sha256sum -c ACCOUNT/*.sha256\n"
    "journal/ has what archives cannot tell: visits, and what is gone from the\n"
    "server. config.ini is the configuration without its secrets.\n";

/* The folder above, down to which PATH exists; PATH itself when it is there.
 * AT is overwritten. */
static int
open_nearest(const struct sled_sys *sys, char *at)
{
	for (;;) {
		char *slash;
		int fd = sys->openat(sys->ctx, AT_FDCWD, *at ? at : "/",
		                     O_RDONLY | O_DIRECTORY, 0);
		if (fd != -1 || *at == '\0')
			return fd;
		slash = strrchr(at, '/');
		*(slash == NULL ? at : slash) = '\0';
	}
}

static void
learn_filesystem(struct sled_place *place)
{
	char *path = strdup(place->path);
	struct sled_disk disk;
	int fd;

	if (path == NULL)
		return;
	fd = open_nearest(place->sys, path);
	if (fd != -1) {
		sled_mounts_filesystem(fd, place->path, &place->fsid, &disk);
		place->disk = disk.id;
		place->removable = disk.removable;
		place->encrypted = disk.encrypted;
		(void)place->sys->close(place->sys->ctx, fd);
	}
	free(path);
}

/* The value of "KEY: value" in TEXT, as 32 hex digits and no more. */
static bool
find_id(const char *text, const char *key, char out[SLED_PLACE_ID])
{
	const char *at = strstr(text, key);
	uint8_t bytes[16];

	if (at == NULL || (at != text && at[-1] != '\n'))
		return false;
	at += strlen(key);
	if (strcspn(at, "\n") != SLED_PLACE_ID - 1 ||
	    !sled_text_unhex(bytes, at, sizeof(bytes)))
		return false;
	memcpy(out, at, SLED_PLACE_ID - 1);
	out[SLED_PLACE_ID - 1] = '\0';
	return true;
}

bool
sled_mark_parse(struct sled_mark *out, const char *text, struct sled_buf *knows,
                struct sled_err *err)
{
	const char *line = strstr(text, "\nknows: ");

	if (!find_id(text, "place: ", out->id) ||
	    !find_id(text, "store: ", out->store))
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "COPY.txt: not as mailsled writes it");
	for (; knows != NULL && line != NULL;
	     line = strstr(line + 1, "\nknows: ")) {
		size_t len = strcspn(line + 8, "\n");
		if (!sled_buf_add(knows, line + 8, len, err) ||
		    !sled_buf_add(knows, "\n", 1, err))
			return false;
	}
	return true;
}

static bool
parse_mark(struct sled_place *place, const char *text, struct sled_err *err)
{
	struct sled_mark mark;

	place->knows.len = 0;
	if (!sled_mark_parse(&mark, text, &place->knows, err))
		return sled_note(err, "%s", place->path);
	memcpy(place->id, mark.id, sizeof(place->id));
	memcpy(place->store, mark.store, sizeof(place->store));
	return true;
}

/* What a file system puts there, and what a marking that was cut off left. */
static bool
is_nothing(const char *name)
{
	static const char *const nothing[] = {
		"lost+found",    ".mailsled",    "STORE.txt",
		"STORE.txt.tmp", "COPY.txt.tmp",
	};

	for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++)
		if (strcmp(name, nothing[i]) == 0)
			return true;
	return false;
}

static bool
is_empty(struct sled_place *place, int dir, bool *empty, struct sled_err *err)
{
	struct sled_buf names = { 0 };

	if (!sled_dir_list(&names, place->sys, dir, ".", err))
		return false;
	*empty = true;
	for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
		*empty = *empty && is_nothing(names.data + at);
	sled_buf_free(&names);
	return true;
}

static bool
probe_folder(struct sled_place *place, int dir, struct sled_err *err)
{
	struct sled_buf mark = { 0 };
	struct stat st;
	bool empty = false, ok;

	if (place->sys->fstat(place->sys->ctx, dir, &st) == -1)
		return sled_fail_sys(err, errno, "stat %s", place->path);
	place->dev = st.st_dev;
	place->ino = st.st_ino;
	ok = sled_file_slurp(&mark, place->sys, dir, "COPY.txt", SLED_MARK_MAX,
	                     err);
	if (ok) {
		ok = parse_mark(place, mark.data, err);
		place->found = SLED_PLACE_MARKED;
	} else if (err->kind == SLED_ERR_MISSING) {
		*err = (struct sled_err){ 0 };
		ok = is_empty(place, dir, &empty, err);
		place->found = !empty ? SLED_PLACE_UNMARKED
		               : sled_mounts_expected(place->path)
		                   ? SLED_PLACE_UNMOUNTED
		                   : SLED_PLACE_USABLE;
	}
	sled_buf_free(&mark);
	return ok;
}

/* No folder of that name: may one be made? */
static void
probe_nothing(struct sled_place *place)
{
	char *parent = strdup(place->path);
	char *slash = parent == NULL ? NULL : strrchr(parent, '/');
	struct stat st;

	place->found = SLED_PLACE_MISSING;
	if (slash != NULL) {
		slash[slash == parent ? 1 : 0] = '\0';
		if (place->sys->fstatat(place->sys->ctx, AT_FDCWD, parent, &st,
		                        0) == 0 &&
		    S_ISDIR(st.st_mode))
			place->found = sled_mounts_expected(place->path)
			                   ? SLED_PLACE_UNMOUNTED
			                   : SLED_PLACE_USABLE;
	}
	free(parent);
}

bool
sled_place_probe(struct sled_place *out, const struct sled_sys *sys,
                 const char *path, struct sled_err *err)
{
	struct sled_err why = { 0 };
	int dir = -1;

	*out = (struct sled_place){ .sys = sys, .dir = -1 };
	out->path = strdup(path);
	if (out->path == NULL)
		return sled_fail_sys(err, ENOMEM, "place %s", path);
	learn_filesystem(out);
	if (!sled_dir_open(&dir, sys, AT_FDCWD, path, &why)) {
		out->found = SLED_PLACE_BROKEN;
		out->why = why;
		if (why.kind == SLED_ERR_MISSING)
			probe_nothing(out);
		return true;
	}
	if (!probe_folder(out, dir, &why)) {
		out->found = SLED_PLACE_BROKEN;
		out->why = why;
	}
	if (out->found == SLED_PLACE_MARKED)
		out->dir = dir;
	else
		(void)sys->close(sys->ctx, dir);
	return true;
}

void
sled_place_give_up(struct sled_place *place, const struct sled_err *why)
{
	if (atomic_exchange(&place->out, true))
		return;
	place->why = *why;
	atomic_store(&place->told, true);
}

bool
sled_place_is_out(const struct sled_place *place, struct sled_err *why)
{
	if (!atomic_load(&place->out))
		return false;
	if (atomic_load(&place->told))
		*why = place->why;
	else
		(void)sled_fail(why, SLED_ERR_PLACE, "%s: a write failed",
		                place->path);
	return true;
}

void
sled_place_close(struct sled_place *place)
{
	if (place->sys != NULL && place->dir != -1)
		(void)place->sys->close(place->sys->ctx, place->dir);
	place->dir = -1;
	free(place->path);
	place->path = NULL;
	sled_buf_free(&place->knows);
}

bool
sled_mark_text(struct sled_buf *out, const struct sled_mark *mark,
               struct sled_span knows, struct sled_err *err)
{
	const char *line = knows.data;
	bool ok = sled_buf_printf(
	    out, err,
	    "mailsled writes here only while this file is here.\n"
	    "place: %s\nstore: %s\n",
	    mark->id, mark->store);

	while (ok && line < knows.data + knows.len) {
		size_t len = strcspn(line, "\n");
		ok = sled_buf_printf(out, err, "knows: %.*s\n", (int)len, line);
		line += len + 1;
	}
	return ok;
}

static bool
write_mark(struct sled_place *place, struct sled_span knows,
           struct sled_err *err)
{
	struct sled_buf text = { 0 };
	struct sled_mark mark;
	bool ok;

	memcpy(mark.id, place->id, sizeof(mark.id));
	memcpy(mark.store, place->store, sizeof(mark.store));
	ok = sled_mark_text(&text, &mark, knows, err) &&
	     sled_file_replace(place->sys, place->dir, "COPY.txt", 0644,
	                       sled_buf_span(&text), err);
	sled_buf_free(&text);
	return ok;
}

static bool
write_store_text(struct sled_place *place, const char *store,
                 struct sled_err *err)
{
	struct sled_buf text = { 0 };
	bool ok = sled_buf_printf(&text, err, store_text, store) &&
	          sled_file_replace(place->sys, place->dir, "STORE.txt", 0644,
	                            sled_buf_span(&text), err);

	sled_buf_free(&text);
	return ok;
}

bool
sled_place_mark(struct sled_place *place, const char *store,
                struct sled_err *err)
{
	uint8_t id[16];
	struct stat st;

	if (!sled_hash_random(id, sizeof(id), err))
		return false;
	if (place->dir == -1 &&
	    (!sled_dir_make_path(place->sys, place->path, 0755, err) ||
	     !sled_dir_open(&place->dir, place->sys, AT_FDCWD, place->path,
	                    err)))
		return sled_note(err, "mark %s", place->path);
	sled_text_hex(place->id, id, sizeof(id));
	(void)snprintf(place->store, sizeof(place->store), "%s", store);
	if (place->sys->fstat(place->sys->ctx, place->dir, &st) == -1)
		return sled_fail_sys(err, errno, "stat %s", place->path);
	place->dev = st.st_dev;
	place->ino = st.st_ino;
	if (!write_store_text(place, store, err) ||
	    !write_mark(place, (struct sled_span){ "", 0 }, err))
		return sled_note(err, "mark %s", place->path);
	place->found = SLED_PLACE_MARKED;
	learn_filesystem(place);
	return true;
}

bool
sled_place_was_of(const struct sled_place *place, char store[SLED_PLACE_ID],
                  struct sled_err *err)
{
	struct sled_buf text = { 0 };
	const char *line = NULL;
	int dir = -1;
	bool ok = sled_dir_open(&dir, place->sys, AT_FDCWD, place->path, err) &&
	          sled_file_slurp(&text, place->sys, dir, "STORE.txt",
	                          SLED_MARK_MAX, err);

	store[0] = '\0';
	if (ok)
		line = strstr(text.data, "\nstore: ");
	else if (err->kind == SLED_ERR_MISSING)
		*err = (struct sled_err){ 0 };
	if (line != NULL && !find_id(line + 1, "store: ", store))
		store[0] = '\0';
	sled_buf_free(&text);
	if (dir != -1)
		(void)place->sys->close(place->sys->ctx, dir);
	return err->kind == SLED_ERR_NONE || sled_note(err, "%s", place->path);
}

bool
sled_place_tell(struct sled_place *place, struct sled_span knows,
                struct sled_err *err)
{
	if (knows.len == place->knows.len &&
	    (knows.len == 0 ||
	     memcmp(knows.data, place->knows.data, knows.len) == 0))
		return true;
	if (!write_mark(place, knows, err))
		return sled_note(err, "%s", place->path);
	place->knows.len = 0;
	return sled_buf_add(&place->knows, knows.data, knows.len, err);
}

static bool
lies_in(const char *inner, const char *outer)
{
	size_t len = strlen(outer);

	return strncmp(inner, outer, len) == 0 &&
	       (inner[len] == '\0' || inner[len] == '/');
}

bool
sled_place_overlap(const struct sled_place *a, const struct sled_place *b)
{
	char *real_a = realpath(a->path, NULL),
	     *real_b = realpath(b->path, NULL);
	const char *path_a = real_a == NULL ? a->path : real_a;
	const char *path_b = real_b == NULL ? b->path : real_b;
	bool overlap = lies_in(path_a, path_b) || lies_in(path_b, path_a) ||
	               (a->ino != 0 && a->dev == b->dev && a->ino == b->ino);

	free(real_a);
	free(real_b);
	return overlap;
}
