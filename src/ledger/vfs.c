/* vfs.c - see mailsled/vfs.h. The file system as SQLite sees it; files: vfs_file.c. */
#include "mailsled/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sled_vfs *
vfs_of(sqlite3_vfs *base)
{
	return base->pAppData;
}

int
sled_vfs_failed(struct sled_vfs *vfs, int code)
{
	vfs->errnum = errno;
	return code;
}

/* The folder part of PATH, which is absolute. */
static void
folder_of(const char *path, char out[4096])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	if (len == 0)
		len = 1; /* "/" itself */
	(void)snprintf(out, 4096, "%.*s", (int)len, path);
}

int
sled_vfs_sync_folder(struct sled_vfs *vfs, const char *path)
{
	const struct sled_sys *sys = vfs->sys;
	char folder[4096];
	int fd, synced;

	folder_of(path, folder);
	fd = sys->openat(sys->ctx, AT_FDCWD, folder, O_RDONLY | O_DIRECTORY, 0);
	if (fd == -1)
		return sled_vfs_failed(vfs, SQLITE_IOERR_DIR_FSYNC);
	synced = sys->fsync(sys->ctx, fd);
	if (synced == -1) {
		vfs->dead = true;
		(void)sled_vfs_failed(vfs, SQLITE_IOERR_DIR_FSYNC);
	}
	(void)sys->close(sys->ctx, fd);
	return synced == -1 ? SQLITE_IOERR_DIR_FSYNC : SQLITE_OK;
}

static int
vfs_open(sqlite3_vfs *base, const char *path, sqlite3_file *file, int flags,
         int *out_flags)
{
	int ours =
	    SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_WAL;

	file->pMethods = NULL;
	if (path == NULL || (flags & ours) == 0)
		return SQLITE_CANTOPEN; /* temporary files stay in memory */
	return sled_vfs_file_open(vfs_of(base), (struct sled_vfs_file *)file,
	                          path, flags, out_flags);
}

static int
vfs_delete(sqlite3_vfs *base, const char *path, int sync_folder)
{
	struct sled_vfs *vfs = vfs_of(base);
	const struct sled_sys *sys = vfs->sys;

	if (sys->unlinkat(sys->ctx, AT_FDCWD, path, 0) == -1)
		return sled_vfs_failed(vfs, errno == ENOENT
		                                ? SQLITE_IOERR_DELETE_NOENT
		                                : SQLITE_IOERR_DELETE);
	return sync_folder != 0 ? sled_vfs_sync_folder(vfs, path) : SQLITE_OK;
}

/* SQLite asks for existence only; an empty file counts as none. */
static int
vfs_access(sqlite3_vfs *base, const char *path, int flags, int *out)
{
	struct sled_vfs *vfs = vfs_of(base);
	struct stat st;

	(void)flags;
	*out = 0;
	if (vfs->sys->fstatat(vfs->sys->ctx, AT_FDCWD, path, &st, 0) == 0)
		*out = st.st_size > 0;
	else if (errno != ENOENT)
		return sled_vfs_failed(vfs, SQLITE_IOERR_ACCESS);
	return SQLITE_OK;
}

static int
vfs_full_pathname(sqlite3_vfs *base, const char *path, int room, char *out)
{
	sqlite3_vfs *below = vfs_of(base)->below;

	return below->xFullPathname(below, path, room, out);
}

static int
vfs_randomness(sqlite3_vfs *base, int room, char *out)
{
	sqlite3_vfs *below = vfs_of(base)->below;

	return below->xRandomness(below, room, out);
}

static int
vfs_sleep(sqlite3_vfs *base, int microseconds)
{
	sqlite3_vfs *below = vfs_of(base)->below;

	return below->xSleep(below, microseconds);
}

static int
vfs_current_time(sqlite3_vfs *base, double *out)
{
	sqlite3_vfs *below = vfs_of(base)->below;

	return below->xCurrentTime(below, out);
}

static int
vfs_last_error(sqlite3_vfs *base, int room, char *out)
{
	if (room > 0)
		out[0] = '\0'; /* sql.c adds errno's text */
	return vfs_of(base)->errnum;
}

/* A name is a folder's identity and the file's name in it, so that SQLite's
 * registry of names tells whether this process has the file open. */
static bool
name_vfs(struct sled_vfs *vfs, const char *path, struct sled_err *err)
{
	const char *slash = strrchr(path, '/');
	char folder[4096];
	struct stat st;

	folder_of(path, folder);
	if (vfs->sys->fstatat(vfs->sys->ctx, AT_FDCWD, folder, &st, 0) == -1) {
		(void)sled_fail_sys(err, errno, "ledger folder");
		if (err->sys == ENOENT)
			err->kind = SLED_ERR_MISSING;
		return false;
	}
	(void)snprintf(vfs->name, sizeof(vfs->name), "mailsled-%jx-%jx-%s",
	               (uintmax_t)st.st_dev, (uintmax_t)st.st_ino,
	               slash == NULL ? path : slash + 1);
	return true;
}

static void
fill_vfs(struct sled_vfs *vfs)
{
	vfs->base = (sqlite3_vfs){
		.iVersion = 1,
		.szOsFile =
		    (int)sizeof(struct sled_vfs_file) + vfs->below->szOsFile,
		.mxPathname = vfs->below->mxPathname,
		.zName = vfs->name,
		.pAppData = vfs,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_pathname,
		.xRandomness = vfs_randomness,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_current_time,
		.xGetLastError = vfs_last_error,
	};
}

static bool
register_vfs(struct sled_vfs *vfs, struct sled_err *err)
{
	sqlite3_mutex *mutex = sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
	bool twice;
	int code = SQLITE_OK;

	sqlite3_mutex_enter(mutex);
	twice = sqlite3_vfs_find(vfs->name) != NULL;
	if (!twice)
		code = sqlite3_vfs_register(&vfs->base, 0);
	sqlite3_mutex_leave(mutex);
	if (twice)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "ledger: open already in this process");
	if (code != SQLITE_OK)
		return sled_fail(err, SLED_ERR_INTERNAL, "ledger VFS: %s",
		                 sqlite3_errstr(code));
	return true;
}

bool
sled_vfs_new(struct sled_vfs **out, const struct sled_sys *sys,
             const char *path, bool read_only, struct sled_err *err)
{
	struct sled_vfs *vfs = calloc(1, sizeof(*vfs));

	if (vfs == NULL)
		return sled_fail_sys(err, ENOMEM, "ledger");
	vfs->sys = sys;
	vfs->read_only = read_only;
	vfs->below = sqlite3_vfs_find("unix");
	if (vfs->below == NULL) {
		free(vfs);
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "SQLite has no unix VFS");
	}
	if (!name_vfs(vfs, path, err)) {
		free(vfs);
		return false;
	}
	fill_vfs(vfs);
	if (!register_vfs(vfs, err)) {
		free(vfs);
		return false;
	}
	*out = vfs;
	return true;
}

void
sled_vfs_free(struct sled_vfs **vfs)
{
	if (*vfs == NULL)
		return;
	(void)sqlite3_vfs_unregister(&(*vfs)->base);
	free(*vfs);
	*vfs = NULL;
}
