/*
 * maildir.c - into a Maildir, by its rules: written in tmp, then renamed to new.
 *
 * States of one message
 *   m0  nothing, or a torn file in tmp    the next try writes it anew
 *   m1  whole in tmp, synced              the same
 *   m2  in new, the folders not synced    found by name, or as m1
 *   m3  in new, new and tmp synced        <- the message is delivered
 * Its name is made of what never changes, so that m2 and m3 are known again,
 * wherever a reader has moved it in this Maildir and whatever flags it bears.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "deliver/internal.h"
#include "mailsled/text.h"

static const char *const parts[] = { "cur", "new", "tmp" };

#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* ---- the folder ---- */

static bool
has_part(const struct sled_delivery *d, const char *part)
{
	struct stat st;

	return d->sys->fstatat(d->sys->ctx, d->dir, part, &st, 0) == 0 &&
	       S_ISDIR(st.st_mode);
}

static bool
is_empty(const struct sled_delivery *d, bool *empty, struct sled_err *err)
{
	struct sled_buf names = { 0 };
	bool ok = sled_dir_list(&names, d->sys, d->dir, ".", err);

	*empty = names.len == 0;
	sled_buf_free(&names);
	return ok;
}

/* An empty folder becomes one, another that has none of its parts does not. */
static bool
make_parts(const struct sled_delivery *d, struct sled_err *err)
{
	bool empty = false;
	size_t have = 0;

	for (size_t i = 0; i < PARTS; i++)
		have += has_part(d, parts[i]);
	if (have == PARTS)
		return true;
	if (have == 0 && !is_empty(d, &empty, err))
		return false;
	if (have == 0 && !empty) {
		(void)sled_fail(err, SLED_ERR_CONFIG, "it is no Maildir");
		return sled_hint(err, "name a Maildir, or a folder that is not "
		                      "there yet");
	}
	for (size_t i = 0; i < PARTS; i++)
		if (!sled_dir_make(d->sys, d->dir, parts[i], 0700, err))
			return false;
	return true;
}

/* One that got mail and is not there now was moved, or its disk was: a new one
 * in its place would be where nobody looks. */
static bool
open_folder(struct sled_delivery *d, struct sled_err *err)
{
	const char *path = d->target->where;

	if (sled_dir_open(&d->dir, d->sys, AT_FDCWD, path, err))
		return true;
	if (err->kind != SLED_ERR_MISSING)
		return false;
	if (d->row.delivered > 0) {
		err->kind = SLED_ERR_CONFIG;
		return sled_hint(err, "is its disk there? A new Maildir in its "
		                      "place must be made by you");
	}
	*err = (struct sled_err){ 0 };
	return sled_dir_make_path(d->sys, path, 0700, err) &&
	       sled_dir_open(&d->dir, d->sys, AT_FDCWD, path, err);
}

static bool
open_maildir(struct sled_delivery *d, struct sled_err *err)
{
	return sled_delivery_mounted(d, d->target->where, err) &&
	       open_folder(d, err) && make_parts(d, err) &&
	       sled_mailbox_names_read(&d->names, d->sys, d->dir, err);
}

static void
close_folder(struct sled_delivery *d)
{
	sled_mailbox_names_free(&d->names);
	if (d->dir != -1)
		(void)d->sys->close(d->sys->ctx, d->dir);
	d->dir = -1;
}

/* Not made: only looked at. */
static bool
check(struct sled_delivery *d, struct sled_err *err)
{
	const char *path = d->target->where;
	bool empty = false, ok;

	if (!sled_delivery_mounted(d, path, err))
		return false;
	if (!sled_dir_open(&d->dir, d->sys, AT_FDCWD, path, err))
		return err->kind == SLED_ERR_MISSING
		           ? sled_delivery_parent(d, path, err)
		           : false;
	ok = has_part(d, "new") ||
	     (is_empty(d, &empty, err) &&
	      (empty || sled_fail(err, SLED_ERR_CONFIG, "it is no Maildir")));
	close_folder(d);
	return ok;
}

/* ---- one message ---- */

struct writing {
	struct sled_file file;
	uint64_t at;
};

static bool
write_some(void *ctx, struct sled_span bytes, struct sled_err *err)
{
	struct writing *w = ctx;

	if (!sled_file_write(&w->file, bytes.data, bytes.len, w->at, err))
		return false;
	w->at += bytes.len;
	return true;
}

/* Readers take the file's time for that of receipt; without it all works. */
static void
set_time(const struct sled_file *file, int64_t received)
{
	const struct timespec times[] = { { 0, UTIME_OMIT },
		                          { (time_t)received, 0 } };

	(void)futimens(file->fd, times);
}

/* What a try left under this name may be another's file by now: it is taken
 * away, not written again. */
static bool
write_temp(struct sled_delivery *d, struct sled_letter *letter,
           const char *temp, struct sled_err *err)
{
	struct writing w = { .at = 0 };

	(void)d->sys->unlinkat(d->sys->ctx, d->dir, temp, 0);
	if (!sled_file_open(&w.file, d->sys, d->dir, temp,
	                    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600,
	                    err))
		return false;
	if (sled_letter_each(letter, write_some, &w, err)) {
		set_time(&w.file, letter->received);
		if (sled_file_sync(&w.file, err) &&
		    sled_file_close(&w.file, err))
			return true;
	}
	sled_file_drop(&w.file);
	(void)d->sys->unlinkat(d->sys->ctx, d->dir, temp, 0);
	return false;
}

/* A rename from one folder to another is durable when both are. */
static bool
sync_names(const struct sled_delivery *d, struct sled_err *err)
{
	return sled_dir_sync_below(d->sys, d->dir, "new", err) &&
	       sled_dir_sync_below(d->sys, d->dir, "tmp", err);
}

static void
make_name(char out[120], const struct sled_delivery *d,
          const struct sled_letter *letter)
{
	char hex[17];

	sled_text_hex(hex, letter->sha256.b, 8);
	(void)snprintf(out, 120, "%" PRId64 ".N%" PRIu64 "H%s.%s.mailsled",
	               letter->received, letter->number, hex, d->row.label);
}

static bool
put(struct sled_delivery *d, struct sled_letter *letter, struct sled_err *err)
{
	char name[120], temp[128], final[128];

	make_name(name, d, letter);
	if (sled_mailbox_names_have(&d->names, name))
		return sled_dir_sync_below(d->sys, d->dir, "cur", err) &&
		       sync_names(d, err);
	(void)snprintf(temp, sizeof(temp), "tmp/%s", name);
	(void)snprintf(final, sizeof(final), "new/%s", name);
	if (!write_temp(d, letter, temp, err))
		return false;
	if (d->sys->renameat(d->sys->ctx, d->dir, temp, d->dir, final) == -1)
		return sled_fail_sys(err, errno, "rename %s", temp);
	return sync_names(d, err);
}

static bool
give(struct sled_delivery *d, struct sled_letter *letter, struct sled_err *err)
{
	return put(d, letter, err) || sled_delivery_shut(d);
}

const struct sled_deliverer sled_deliver_maildir = {
	.open = open_maildir,
	.give = give,
	.close = close_folder,
	.check = check,
};
