/* inside.c - does a path lie in a folder, whatever the links on the way? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/cli.h"
#include "mailsled/file.h"

#define DEPTH 4096 /* folders above a path: more than any has */

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* From the folder DIR up to the root. */
static bool
climb(const struct sled_sys *sys, int dir, const struct stat *folder,
      bool *inside, struct sled_err *err)
{
	struct stat st = { 0 }, above = { 0 };

	for (unsigned i = 0; i < DEPTH; i++) {
		int up = -1;

		if (sys->fstat(sys->ctx, dir, &st) == -1)
			break;
		*inside = is_same(&st, folder);
		if (*inside || !sled_dir_open(&up, sys, dir, "..", err) ||
		    (sys->fstat(sys->ctx, up, &above) == 0 &&
		     is_same(&st, &above))) {
			if (up != -1)
				(void)sys->close(sys->ctx, up);
			break;
		}
		(void)sys->close(sys->ctx, dir);
		dir = up;
	}
	(void)sys->close(sys->ctx, dir);
	return err->kind == SLED_ERR_NONE;
}

/* The folder that PATH is, or is in, or will be made in. */
static bool
folder_of(struct sled_buf *out, const struct sled_sys *sys, const char *path,
          struct sled_err *err)
{
	struct stat st = { 0 };
	const char *slash = strrchr(path, '/');

	if (sys->fstatat(sys->ctx, AT_FDCWD, path, &st, 0) == 0 &&
	    S_ISDIR(st.st_mode))
		return sled_buf_addstr(out, path, err);
	if (slash == NULL)
		return sled_buf_addstr(out, ".", err);
	return slash == path
	           ? sled_buf_addstr(out, "/", err)
	           : sled_buf_add(out, path, (size_t)(slash - path), err);
}

bool
sled_cli_inside(const struct sled_sys *sys, const char *path,
                const char *folder, bool *inside, struct sled_err *err)
{
	struct sled_buf start = { 0 };
	struct sled_err why = { 0 };
	struct stat st = { 0 };
	int dir = -1;
	bool ok;

	*inside = false;
	if (sys->fstatat(sys->ctx, AT_FDCWD, folder, &st, 0) == -1 ||
	    !S_ISDIR(st.st_mode))
		return true;
	ok = folder_of(&start, sys, path, err);
	/* What cannot be opened will be complained of by who uses it. */
	if (ok && sled_dir_open(&dir, sys, AT_FDCWD, start.data, &why))
		(void)!climb(sys, dir, &st, inside, &why);
	sled_buf_free(&start);
	return ok;
}
