/* find.c - which files are volumes, and whose; see mailsled/shelf.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/text.h"
#include "shelf/shelf.h"

#define LABEL_CHARS "abcdefghijklmnopqrstuvwxyz0123456789._-"

/* ---- whose it is ---- */

/* What becomes a folder's name is not whatever a file says. */
static bool
take_label(struct sled_shelf_file *file, const char *from, size_t len)
{
	if (len == 0 || len >= sizeof(file->label) ||
	    strspn(from, LABEL_CHARS) < len || strchr("._-", from[0]) != NULL)
		return false;
	memcpy(file->label, from, len);
	file->label[len] = '\0';
	return true;
}

static bool
on_volume(void *ctx, const struct sled_volume_info *info, struct sled_err *err)
{
	struct sled_shelf_file *file = ctx;

	(void)err;
	if (!take_label(file, info->label, strlen(info->label)))
		return true;
	file->info = *info;
	file->has_info = true;
	return true;
}

static bool
on_receipt(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct sled_shelf_file *file = ctx;
	const char *slash = strchr(receipt->entry, '/');
	bool named =
	    slash != NULL && (file->label[0] != '\0' ||
	                      take_label(file, receipt->entry,
	                                 (size_t)(slash - receipt->entry)));

	return !named || sled_fail(err, SLED_ERR_INTERNAL, "enough is known");
}

/* The first member that tells names the account. A disk that does not answer
 * does not do so when the mail is read either, and is told of then. */
static bool
name_file(struct sled_shelf_file *file, const struct sled_source *source,
          struct sled_err *err)
{
	const struct sled_member_visitor visitor = { .ctx = file,
		                                     .volume = on_volume,
		                                     .receipt = on_receipt };
	struct sled_member_sum sum;
	struct sled_err why = { 0 };
	unsigned seq = 0;
	uint64_t at = 0;
	bool ok = sled_member_next(source, 0, &at, &why);

	while (ok && at < source->size && file->label[0] == '\0') {
		why = (struct sled_err){ 0 };
		if (sled_member_check(source, at, &visitor, &sum, &seq, &why))
			at += sum.length;
		else
			ok = why.kind != SLED_ERR_NOMEM &&
			     sled_member_behind(source, at, &at, &why);
	}
	if (file->label[0] != '\0' || why.kind != SLED_ERR_NOMEM)
		return true;
	*err = why;
	return false;
}

/* ---- what its name tells ---- */

/* "2026-11-001" at its beginning; "2026-11-001.4096-8192.tar.gz" is a range. */
static void
parse_name(struct sled_shelf_file *file)
{
	const char *slash = strrchr(file->path, '/');
	const char *name = slash == NULL ? file->path : slash + 1;
	size_t len = strcspn(name, ".");
	char volume[SLED_VOLUME_NAME];
	unsigned seq = 0;
	int month = 0;

	if (len >= sizeof(volume))
		return;
	memcpy(volume, name, len);
	volume[len] = '\0';
	if (!sled_volume_name_parse(volume, &month, &seq))
		return;
	memcpy(file->volume, volume, sizeof(volume));
	if (name[len] == '.' && name[len + 1] >= '0' && name[len + 1] <= '9')
		file->from = strtoull(name + len + 1, NULL, 10);
}

static int
compare(const void *a, const void *b)
{
	const struct sled_shelf_file *x = a, *y = b;
	int order = strcmp(x->label, y->label);

	if (order == 0)
		order = sled_volume_name_compare(x->volume, y->volume);
	if (order != 0)
		return order;
	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return strcmp(x->path, y->path);
}

/* ---- all there are ---- */

static bool
grow(struct sled_shelf *shelf, struct sled_err *err)
{
	size_t cap = shelf->cap == 0 ? 16 : shelf->cap * 2;
	struct sled_shelf_file *files =
	    reallocarray(shelf->files, cap, sizeof(*files));

	if (files == NULL)
		return sled_fail_sys(err, ENOMEM, "volumes");
	shelf->files = files;
	shelf->cap = cap;
	return true;
}

/* SURE: it was named, so it is one, whatever it is called. One that the disk
 * does not give is told of when it is read. */
static bool
is_volume(const struct sled_shelf_file *file, const struct sled_source *source,
          bool sure)
{
	struct sled_err why = { 0 };
	uint64_t length = 0;
	bool whole = false;

	return sure || file->volume[0] != '\0' ||
	       sled_member_peek(source, 0, &length, &whole, &why) ||
	       why.kind == SLED_ERR_IO;
}

/* Takes PATH over. */
static bool
add_file(struct sled_shelf *shelf, char *path, bool sure, struct sled_err *err)
{
	struct sled_shelf_file *file;
	struct sled_shelf_source source;
	bool ok;

	if (shelf->len == shelf->cap && !grow(shelf, err)) {
		free(path);
		return false;
	}
	file = &shelf->files[shelf->len];
	*file = (struct sled_shelf_file){ .path = path };
	parse_name(file);
	if (!sled_shelf_source_open(&source, shelf->sys, path, err)) {
		free(path);
		return false;
	}
	file->size = source.source.size;
	ok = !is_volume(file, &source.source, sure) ||
	     name_file(file, &source.source, err);
	if (ok && is_volume(file, &source.source, sure)) {
		shelf->octets += file->size;
		shelf->len++;
	} else {
		free(path);
	}
	sled_shelf_source_close(&source);
	return ok;
}

static bool
ends_so(const char *name, const char *end)
{
	size_t len = strlen(name), tail = strlen(end);

	return len > tail && strcmp(name + len - tail, end) == 0;
}

static bool
join(struct sled_buf *out, const char *folder, const char *name,
     struct sled_err *err)
{
	size_t len = strlen(folder);

	return sled_buf_printf(out, err, "%s%s%s", folder,
	                       len > 0 && folder[len - 1] == '/' ? "" : "/",
	                       name);
}

/* A file that ends as a volume's does is added; a folder goes to FOLDERS, NULL
 * for none. */
static bool
add_entry(struct sled_shelf *shelf, const char *folder, const char *name,
          struct sled_buf *folders, struct sled_err *err)
{
	const struct sled_sys *sys = shelf->sys;
	struct sled_buf path = { 0 };
	struct stat st = { 0 };
	bool ok = true;

	if (name[0] == '.')
		return true;
	if (!join(&path, folder, name, err))
		return false;
	if (sys->fstatat(sys->ctx, AT_FDCWD, path.data, &st, 0) == -1)
		ok = errno == ENOENT ||
		     sled_fail_sys(err, errno, "look at %s", name);
	else if (S_ISREG(st.st_mode) && ends_so(name, ".tar.gz"))
		return add_file(shelf, path.data, false, err);
	else if (S_ISDIR(st.st_mode) && folders != NULL)
		ok = sled_buf_add(folders, path.data, path.len + 1, err);
	sled_buf_free(&path);
	return ok;
}

static bool
add_folder(struct sled_shelf *shelf, const char *folder,
           struct sled_buf *folders, struct sled_err *err)
{
	struct sled_buf names = { 0 };
	bool ok = sled_dir_list(&names, shelf->sys, AT_FDCWD, folder, err);

	/* One beside the accounts' that may not be read is none of ours. */
	if (!ok && folders == NULL && err->sys == EACCES) {
		*err = (struct sled_err){ 0 };
		ok = true;
	}
	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		ok = add_entry(shelf, folder, names.data + at, folders, err);
	sled_buf_free(&names);
	return ok;
}

/* It, and those in it. */
static bool
add_folders(struct sled_shelf *shelf, const char *folder, struct sled_err *err)
{
	struct sled_buf folders = { 0 };
	bool ok = add_folder(shelf, folder, &folders, err);

	for (size_t at = 0; ok && at < folders.len;
	     at += strlen(folders.data + at) + 1)
		ok = add_folder(shelf, folders.data + at, NULL, err);
	sled_buf_free(&folders);
	return ok;
}

static bool
find_all(struct sled_shelf *shelf, const char *from, struct sled_err *err)
{
	const struct sled_sys *sys = shelf->sys;
	struct sled_buf path = { 0 };
	struct stat st = { 0 };

	if (sys->fstatat(sys->ctx, AT_FDCWD, from, &st, 0) == -1) {
		if (errno == ENOENT || errno == ENOTDIR)
			return sled_fail(err, SLED_ERR_MISSING,
			                 "there is no such folder or file");
		return sled_fail_sys(err, errno, "look at it");
	}
	if (S_ISDIR(st.st_mode))
		return add_folders(shelf, from, err);
	if (!S_ISREG(st.st_mode))
		return sled_fail(err, SLED_ERR_MISSING,
		                 "neither a folder nor a file");
	return sled_buf_addstr(&path, from, err) &&
	       add_file(shelf, path.data, true, err);
}

bool
sled_shelf_open(struct sled_shelf *out, const struct sled_sys *sys,
                const char *from, struct sled_err *err)
{
	char shown[256];
	bool ok;

	*out = (struct sled_shelf){ .sys = sys };
	ok = find_all(out, from, err);
	if (ok && out->len == 0) {
		ok = sled_fail(err, SLED_ERR_MISSING, "no volume is there");
		(void)sled_hint(err, "name a folder that has STORE.txt or "
		                     "*.tar.gz volumes in it, or a volume");
	}
	if (ok) {
		qsort(out->files, out->len, sizeof(*out->files), compare);
		return true;
	}
	sled_shelf_close(out);
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ from, strlen(from) });
	return sled_note(err, "%s", shown);
}

void
sled_shelf_close(struct sled_shelf *shelf)
{
	for (size_t i = 0; i < shelf->len; i++)
		free(shelf->files[i].path);
	free(shelf->files);
	*shelf = (struct sled_shelf){ 0 };
}
