/* walk.c - folders and files of mail; see mailsled/mailbox.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mailbox/mailbox.h"
#include "mailsled/text.h"

#define DEPTH  64 /* folders in folders: more than any mailbox */
#define OLDEST INT64_C(536457600) /* 1987: no Maildir's name is older */
#define NEWEST INT64_C(4102444800)

const char *
sled_mailbox_where(const struct sled_mailbox_item *item)
{
	return item->where;
}

int64_t
sled_mailbox_stamp(const struct sled_mailbox_item *item)
{
	return item->stamp;
}

int64_t
sled_mailbox_changed(const struct sled_mailbox_item *item)
{
	return item->changed;
}

bool
sled_mailbox_read(struct sled_mailbox_item *item, sled_mailbox_bytes_fn *each,
                  void *ctx, struct sled_err *err)
{
	return sled_mailbox_lines(item, each, ctx, err);
}

/* ---- files ---- */

/* Not even its time of last reading is changed, where that is allowed: programs
 * tell new mail by it. Never a device that would hang. */
static bool
open_file(struct sled_file *out, const struct sled_sys *sys, int dir,
          const char *name, struct sled_err *err)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;

	if (sled_file_open(out, sys, dir, name, flags | O_NOATIME, 0, err))
		return true;
	if (err->sys != EPERM)
		return false;
	*err = (struct sled_err){ 0 };
	return sled_file_open(out, sys, dir, name, flags, 0, err);
}

enum looks {
	LIKE_MBOX,
	LIKE_MESSAGE,
	LIKE_NONE
};

static bool
look_into(struct sled_file *file, enum looks *looks, struct sled_err *err)
{
	char head[256];
	size_t got = 0;

	if (!sled_file_read(file, head, sizeof(head), 0, &got, err))
		return false;
	*looks = got >= 5 && memcmp(head, "From ", 5) == 0 ? LIKE_MBOX
	         : sled_mailbox_field((struct sled_span){ head, got })
	             ? LIKE_MESSAGE
	             : LIKE_NONE;
	return true;
}

static bool
ends_in_eml(const char *path)
{
	size_t len = strlen(path);

	return len > 4 && strcmp(path + len - 4, ".eml") == 0;
}

/* A number, as MH names messages. */
static bool
is_number(const char *name)
{
	return name[0] != '\0' && strspn(name, "0123456789") == strlen(name);
}

struct folder {
	const struct sled_mailbox_walk *walk;
	const char *path;
	bool maildir;
	bool named; /* no folder: the one file that the walk is for */
	bool begun; /* FILES was told */
	unsigned depth;
};

/* Of a folder that is looked through, when the first message is met. */
static bool
tell_files(struct folder *folder, struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = folder->walk->visitor;

	if (folder->begun || folder->maildir)
		return true;
	folder->begun = true;
	return visitor->begin(visitor->ctx, SLED_MAILBOX_FILES, folder->path,
	                      err);
}

static bool
end_files(struct folder *folder, struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = folder->walk->visitor;
	bool begun = folder->begun;

	folder->begun = false;
	return !begun || visitor->end(visitor->ctx, err);
}

static bool
pass(const struct folder *folder, const char *path, const char *why,
     struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = folder->walk->visitor;

	return visitor->passed(visitor->ctx, path, why, err);
}

/* "1790000001.M1P1.host:2,S" */
static int64_t
maildir_stamp(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	size_t digits = strspn(name, "0123456789");
	int64_t when;

	if (digits == 0 || digits > 11 || name[digits] != '.')
		return -1;
	when = (int64_t)strtoll(name, NULL, 10);
	return when < OLDEST || when > NEWEST ? -1 : when;
}

static bool
one_message(struct folder *folder, struct sled_file *file,
            const struct stat *st, const char *path, struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = folder->walk->visitor;
	struct sled_mailbox_item item = {
		.file = file,
		.where = path,
		.stamp = folder->maildir ? maildir_stamp(path) : -1,
		.changed = st->st_mtime,
		.end = (uint64_t)st->st_size,
	};

	if (st->st_size == 0)
		return pass(folder, path, "it is empty", err);
	return tell_files(folder, err) &&
	       visitor->message(visitor->ctx, &item, err);
}

static bool
tell_fault(const struct folder *folder, const char *path,
           const struct sled_err *why, struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = folder->walk->visitor;

	if (why->kind != SLED_ERR_NOMEM)
		return visitor->fault(visitor->ctx, path, why, err);
	*err = *why;
	return false;
}

/* SURE: its name or folder says that it is mail. */
static bool
open_and_visit(struct folder *folder, struct sled_file *file,
               const struct stat *st, const char *path, bool sure,
               struct sled_err *err)
{
	enum looks looks = LIKE_MESSAGE;
	struct sled_err why = { 0 };

	if (!folder->maildir && !ends_in_eml(path) &&
	    !look_into(file, &looks, &why))
		return tell_fault(folder, path, &why, err);
	/* An mbox without mail is one all the same. */
	if (looks == LIKE_MBOX || (folder->named && st->st_size == 0))
		return end_files(folder, err) &&
		       sled_mailbox_mbox(folder->walk, file, st, path, err);
	if (!sure && !(folder->named && looks == LIKE_MESSAGE))
		return pass(folder, path, "it is no mail", err);
	return one_message(folder, file, st, path, err);
}

static bool
visit_file(struct folder *folder, const char *path, bool sure,
           struct sled_err *err)
{
	const struct sled_sys *sys = folder->walk->sys;
	struct sled_file file;
	struct sled_err why = { 0 };
	struct stat st = { 0 };
	bool ok;

	if (!open_file(&file, sys, AT_FDCWD, path, &why))
		return tell_fault(folder, path, &why, err);
	if (sys->fstat(sys->ctx, file.fd, &st) == -1)
		(void)sled_fail_sys(&why, errno, "look at it");
	if (why.kind != SLED_ERR_NONE)
		ok = tell_fault(folder, path, &why, err);
	else if (!S_ISREG(st.st_mode))
		ok = pass(folder, path, "it is no file", err);
	else
		ok = open_and_visit(folder, &file, &st, path, sure, err);
	sled_file_drop(&file);
	return ok;
}

/* ---- folders ---- */

static bool
join(struct sled_buf *out, const char *folder, const char *name,
     struct sled_err *err)
{
	size_t len = strlen(folder);

	out->len = 0;
	return sled_buf_printf(out, err, "%s%s%s", folder,
	                       len > 0 && folder[len - 1] == '/' ? "" : "/",
	                       name);
}

/* One that cannot be looked at is there: who reads it tells why. */
static bool
has_folder(const struct sled_sys *sys, const char *path, const char *name,
           bool *has, struct sled_err *err)
{
	struct sled_buf below = { 0 };
	struct stat st = { 0 };

	if (!join(&below, path, name, err))
		return false;
	*has = sys->fstatat(sys->ctx, AT_FDCWD, below.data, &st, 0) == 0
	           ? S_ISDIR(st.st_mode)
	           : errno != ENOENT && errno != ENOTDIR;
	sled_buf_free(&below);
	return true;
}

static bool
is_maildir(const struct sled_sys *sys, const char *path, bool *is,
           struct sled_err *err)
{
	bool cur = false, new = false;

	if (!has_folder(sys, path, "cur", &cur, err) ||
	    !has_folder(sys, path, "new", &new, err))
		return false;
	*is = cur || new;
	return true;
}

typedef bool entry_fn(struct folder *folder, const char *path, const char *name,
                      struct sled_err *err);

/* Each name in PATH, in order. A folder that cannot be read is a fault. */
static bool
each_entry(struct folder *folder, const char *path, entry_fn *each,
           struct sled_err *err)
{
	struct sled_buf names = { 0 }, below = { 0 };
	struct sled_err why = { 0 };
	bool ok = true;

	if (!sled_dir_list(&names, folder->walk->sys, AT_FDCWD, path, &why))
		ok = tell_fault(folder, path, &why, err);
	for (size_t at = 0; ok && at < names.len;
	     at += strlen(names.data + at) + 1)
		ok = join(&below, path, names.data + at, err) &&
		     each(folder, below.data, names.data + at, err);
	sled_buf_free(&names);
	sled_buf_free(&below);
	return ok;
}

/* Not followed; *st tells what it is. False in *go: it was told already. */
static bool
look_at(const struct folder *folder, const char *path, struct stat *st,
        bool *go, struct sled_err *err)
{
	const struct sled_sys *sys = folder->walk->sys;
	struct sled_err why = { 0 };

	*go = false;
	if (sys->fstatat(sys->ctx, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW) ==
	    -1) {
		(void)sled_fail_sys(&why, errno, "look at it");
		return tell_fault(folder, path, &why, err);
	}
	if (S_ISLNK(st->st_mode))
		return pass(folder, path, "links are not followed", err);
	*go = true;
	return true;
}

static bool visit_folder(const struct sled_mailbox_walk *walk, const char *path,
                         const struct stat *st, unsigned depth,
                         struct sled_err *err);

static bool
maildir_file(struct folder *folder, const char *path, const char *name,
             struct sled_err *err)
{
	struct stat st = { 0 };
	bool go = false;

	if (name[0] == '.')
		return true;
	if (!look_at(folder, path, &st, &go, err))
		return false;
	if (!go)
		return true;
	return S_ISREG(st.st_mode) ? visit_file(folder, path, true, err)
	                           : pass(folder, path, "it is no file", err);
}

static bool
plain_folder(struct folder *folder, const char *path, const char *name,
             struct sled_err *err)
{
	struct stat st = { 0 };
	bool go = false;

	(void)name;
	if (!look_at(folder, path, &st, &go, err))
		return false;
	return !go || !S_ISDIR(st.st_mode) ||
	       visit_folder(folder->walk, path, &st, folder->depth + 1, err);
}

static bool
maildir_subfolder(struct folder *folder, const char *path, const char *name,
                  struct sled_err *err)
{
	if (strcmp(name, "cur") == 0 || strcmp(name, "new") == 0 ||
	    strcmp(name, "tmp") == 0)
		return true;
	return plain_folder(folder, path, name, err);
}

static bool
visit_part(struct folder *folder, const char *part, struct sled_err *err)
{
	struct sled_buf path = { 0 };
	bool has = false, ok;

	ok = has_folder(folder->walk->sys, folder->path, part, &has, err) &&
	     (!has || (join(&path, folder->path, part, err) &&
	               each_entry(folder, path.data, maildir_file, err)));
	sled_buf_free(&path);
	return ok;
}

static bool
visit_maildir(struct folder *folder, struct sled_err *err)
{
	const struct sled_mailbox_visitor *visitor = folder->walk->visitor;

	if (!visitor->begin(visitor->ctx, SLED_MAILBOX_MAILDIR, folder->path,
	                    err) ||
	    !visit_part(folder, "cur", err) ||
	    !visit_part(folder, "new", err) || !visitor->end(visitor->ctx, err))
		return false;
	return folder->walk->options->no_subfolders ||
	       each_entry(folder, folder->path, maildir_subfolder, err);
}

static bool
plain_file(struct folder *folder, const char *path, const char *name,
           struct sled_err *err)
{
	struct stat st = { 0 };
	bool go = false;

	if (!look_at(folder, path, &st, &go, err))
		return false;
	if (!go || S_ISDIR(st.st_mode))
		return true;
	if (!S_ISREG(st.st_mode))
		return pass(folder, path, "it is no file", err);
	return visit_file(folder, path, ends_in_eml(name) || is_number(name),
	                  err);
}

/* Its own files first: they are one mailbox, mboxes aside. */
static bool
visit_plain(struct folder *folder, struct sled_err *err)
{
	return each_entry(folder, folder->path, plain_file, err) &&
	       end_files(folder, err) &&
	       each_entry(folder, folder->path, plain_folder, err);
}

static bool
visit_folder(const struct sled_mailbox_walk *walk, const char *path,
             const struct stat *st, unsigned depth, struct sled_err *err)
{
	struct folder folder = { .walk = walk, .path = path, .depth = depth };
	bool enter = true;

	if (depth > DEPTH)
		return pass(&folder, path, "it lies too deep", err);
	if (!walk->visitor->folder(walk->visitor->ctx, st, path, &enter, err))
		return false;
	if (!enter)
		return true;
	return is_maildir(walk->sys, path, &folder.maildir, err) &&
	       (folder.maildir ? visit_maildir(&folder, err)
	                       : visit_plain(&folder, err));
}

static bool
visit_named(const struct sled_mailbox_walk *walk, const char *path,
            struct sled_err *err)
{
	struct folder folder = { .walk = walk, .path = path, .named = true };

	return visit_file(&folder, path, ends_in_eml(path), err) &&
	       end_files(&folder, err);
}

/* Nothing of mail is at PATH; WHY is in *ERR. */
static bool
no_mailbox(const char *path, struct sled_err *err)
{
	char shown[256];

	err->kind = SLED_ERR_MISSING;
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ path, strlen(path) });
	return sled_note(err, "%s", shown);
}

bool
sled_mailbox_walk(const struct sled_sys *sys, const char *path,
                  const struct sled_mailbox_options *options,
                  const struct sled_mailbox_visitor *visitor,
                  struct sled_err *err)
{
	const struct sled_mailbox_walk walk = { sys, options, visitor };
	struct stat st = { 0 };

	if (sys->fstatat(sys->ctx, AT_FDCWD, path, &st, 0) == -1) {
		(void)sled_fail_sys(err, errno, "look at it");
		return no_mailbox(path, err);
	}
	if (S_ISDIR(st.st_mode))
		return visit_folder(&walk, path, &st, 0, err);
	if (S_ISREG(st.st_mode))
		return visit_named(&walk, path, err);
	(void)sled_fail(err, SLED_ERR_MISSING, "neither a folder nor a file");
	return no_mailbox(path, err);
}
