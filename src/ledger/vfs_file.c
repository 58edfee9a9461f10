/* vfs_file.c - one file of the ledger; see mailsled/vfs.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "mailsled/vfs.h"

#define ALL_SYNCED INT64_MAX

static struct sled_vfs_file *
file_of(sqlite3_file *base)
{
	return (struct sled_vfs_file *)base;
}

/* A reader may come before the writer's -wal. */
static int
find_late(struct sled_vfs_file *file)
{
	const struct sled_sys *sys = file->vfs->sys;

	if (file->fd != -1)
		return SQLITE_OK;
	file->fd = sys->openat(sys->ctx, AT_FDCWD, file->path, O_RDONLY, 0);
	if (file->fd == -1 && errno != ENOENT)
		return sled_vfs_failed(file->vfs, SQLITE_IOERR_READ);
	return SQLITE_OK;
}

static int
file_close(sqlite3_file *base)
{
	struct sled_vfs_file *file = file_of(base);
	const struct sled_sys *sys = file->vfs->sys;
	int code = SQLITE_OK;

	/* The locks first: closing ours would drop them unseen. */
	if (file->below != NULL && file->below->pMethods != NULL)
		code = file->below->pMethods->xClose(file->below);
	if (file->fd != -1 && sys->close(sys->ctx, file->fd) == -1)
		code = sled_vfs_failed(file->vfs, SQLITE_IOERR_CLOSE);
	file->fd = -1;
	return code;
}

static int
file_read(sqlite3_file *base, void *data, int amount, sqlite3_int64 at)
{
	struct sled_vfs_file *file = file_of(base);
	const struct sled_sys *sys = file->vfs->sys;
	size_t want = (size_t)amount, got = 0;
	int code = find_late(file);

	while (code == SQLITE_OK && file->fd != -1 && got < want) {
		ssize_t n = sys->pread(sys->ctx, file->fd, (char *)data + got,
		                       want - got, at + (off_t)got);
		if (n == 0)
			break;
		if (n > 0)
			got += (size_t)n;
		else if (errno != EINTR)
			code = sled_vfs_failed(file->vfs, SQLITE_IOERR_READ);
	}
	if (code != SQLITE_OK || got == want)
		return code;
	memset((char *)data + got, 0, want - got);
	return SQLITE_IOERR_SHORT_READ;
}

/* Nothing more reaches a file once a sync has failed. */
static int
refuse_if_dead(struct sled_vfs_file *file, int code)
{
	if (!file->vfs->dead)
		return SQLITE_OK;
	errno = EIO;
	return sled_vfs_failed(file->vfs, code);
}

static int
write_failed(struct sled_vfs_file *file)
{
	return sled_vfs_failed(file->vfs, errno == ENOSPC || errno == EDQUOT
	                                      ? SQLITE_FULL
	                                      : SQLITE_IOERR_WRITE);
}

static int
file_write(sqlite3_file *base, const void *data, int amount, sqlite3_int64 at)
{
	struct sled_vfs_file *file = file_of(base);
	const struct sled_sys *sys = file->vfs->sys;
	size_t want = (size_t)amount, done = 0;

	if (refuse_if_dead(file, SQLITE_IOERR_WRITE) != SQLITE_OK)
		return SQLITE_IOERR_WRITE;
	if (at < file->unsynced)
		file->unsynced = at;
	while (done < want) {
		ssize_t n =
		    sys->pwrite(sys->ctx, file->fd, (const char *)data + done,
		                want - done, at + (off_t)done);
		if (n == 0)
			errno = ENOSPC;
		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			return write_failed(file);
	}
	return SQLITE_OK;
}

static int
file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct sled_vfs_file *file = file_of(base);
	const struct sled_sys *sys = file->vfs->sys;

	if (refuse_if_dead(file, SQLITE_IOERR_TRUNCATE) != SQLITE_OK)
		return SQLITE_IOERR_TRUNCATE;
	if (sys->ftruncate(sys->ctx, file->fd, (off_t)size) == -1)
		return sled_vfs_failed(file->vfs, SQLITE_IOERR_TRUNCATE);
	return SQLITE_OK;
}

/* What the failed sync left may look whole to the next process, though the
 * disk has none of it: take it away while SQLite still knows that it failed.
 * Frames before it are durable, and no reader was told of those in it. */
static void
cut_unsynced(struct sled_vfs_file *file)
{
	const struct sled_sys *sys = file->vfs->sys;
	int fd = sys->openat(sys->ctx, AT_FDCWD, file->path, O_RDWR, 0);

	if (fd == -1)
		return;
	if (sys->ftruncate(sys->ctx, fd, (off_t)file->unsynced) == 0)
		(void)sys->fdatasync(sys->ctx, fd);
	(void)sys->close(sys->ctx, fd);
}

static int
sync_failed(struct sled_vfs_file *file, bool wal)
{
	int errnum = errno;

	file->vfs->dead = true;
	if (wal && file->unsynced != ALL_SYNCED)
		cut_unsynced(file);
	file->vfs->errnum = errnum;
	return SQLITE_IOERR_FSYNC;
}

static int
file_sync_as(struct sled_vfs_file *file, bool wal)
{
	const struct sled_sys *sys = file->vfs->sys;

	if (refuse_if_dead(file, SQLITE_IOERR_FSYNC) != SQLITE_OK)
		return SQLITE_IOERR_FSYNC;
	if (sys->fdatasync(sys->ctx, file->fd) == -1)
		return sync_failed(file, wal);
	file->unsynced = ALL_SYNCED;
	return SQLITE_OK;
}

static int
file_sync(sqlite3_file *base, int flags)
{
	(void)flags;
	return file_sync_as(file_of(base), false);
}

static int
wal_sync(sqlite3_file *base, int flags)
{
	(void)flags;
	return file_sync_as(file_of(base), true);
}

static int
file_size(sqlite3_file *base, sqlite3_int64 *size)
{
	struct sled_vfs_file *file = file_of(base);
	const struct sled_sys *sys = file->vfs->sys;
	struct stat st;
	int code = find_late(file);

	*size = 0;
	if (code != SQLITE_OK || file->fd == -1)
		return code;
	if (sys->fstat(sys->ctx, file->fd, &st) == -1)
		return sled_vfs_failed(file->vfs, SQLITE_IOERR_FSTAT);
	*size = st.st_size;
	return SQLITE_OK;
}

/* ---- what the unix VFS does for the database ---- */

static int
db_lock(sqlite3_file *base, int level)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xLock(below, level);
}

static int
db_unlock(sqlite3_file *base, int level)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xUnlock(below, level);
}

static int
db_check_lock(sqlite3_file *base, int *out)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xCheckReservedLock(below, out);
}

static int
db_control(sqlite3_file *base, int op, void *arg)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xFileControl(below, op, arg);
}

static int
db_sector(sqlite3_file *base)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xSectorSize(below);
}

static int
db_device(sqlite3_file *base)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xDeviceCharacteristics(below);
}

static int
db_shm_map(sqlite3_file *base, int region, int size, int extend,
           void volatile **out)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xShmMap(below, region, size, extend, out);
}

static int
db_shm_lock(sqlite3_file *base, int offset, int count, int flags)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xShmLock(below, offset, count, flags);
}

static void
db_shm_barrier(sqlite3_file *base)
{
	sqlite3_file *below = file_of(base)->below;

	below->pMethods->xShmBarrier(below);
}

static int
db_shm_unmap(sqlite3_file *base, int delete_it)
{
	sqlite3_file *below = file_of(base)->below;

	return below->pMethods->xShmUnmap(below, delete_it);
}

/* ---- and what -wal and -journal do without ---- */

static int
no_lock(sqlite3_file *base, int level)
{
	(void)base;
	(void)level;
	return SQLITE_OK;
}

static int
no_check_lock(sqlite3_file *base, int *out)
{
	(void)base;
	*out = 0;
	return SQLITE_OK;
}

static int
no_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

static int
no_device(sqlite3_file *base)
{
	(void)base;
	return 0;
}

static const sqlite3_io_methods db_methods = {
	.iVersion = 2,
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = db_lock,
	.xUnlock = db_unlock,
	.xCheckReservedLock = db_check_lock,
	.xFileControl = db_control,
	.xSectorSize = db_sector,
	.xDeviceCharacteristics = db_device,
	.xShmMap = db_shm_map,
	.xShmLock = db_shm_lock,
	.xShmBarrier = db_shm_barrier,
	.xShmUnmap = db_shm_unmap,
};

#define PLAIN_METHODS(sync)                                                \
	{                                                                  \
		.iVersion = 1, .xClose = file_close, .xRead = file_read,   \
		.xWrite = file_write, .xTruncate = file_truncate,          \
		.xSync = (sync), .xFileSize = file_size, .xLock = no_lock, \
		.xUnlock = no_lock, .xCheckReservedLock = no_check_lock,   \
		.xFileControl = no_control, .xSectorSize = no_device,      \
		.xDeviceCharacteristics = no_device,                       \
	}

static const sqlite3_io_methods wal_methods = PLAIN_METHODS(wal_sync);
static const sqlite3_io_methods journal_methods = PLAIN_METHODS(file_sync);

/* ---- opening ---- */

/* The folder's failed sync is final for the name: no later one makes that
 * durable, and a checkpoint would trust in the -wal. Nothing is in it yet, and
 * the next process makes another. What was there had its name before. */
static void
drop_nameless(const struct sled_vfs_file *file)
{
	const struct sled_sys *sys = file->vfs->sys;

	if (file->made)
		(void)sys->unlinkat(sys->ctx, AT_FDCWD, file->path, 0);
}

/* What a killed process wrote may never have reached the disk, but would be
 * believed by now: it has to be durable first, its name in the folder too. */
static int
make_durable(struct sled_vfs_file *file, int flags)
{
	int code = SQLITE_OK;

	if (file->vfs->read_only)
		return SQLITE_OK;
	if ((flags & SQLITE_OPEN_WAL) != 0)
		code = file_sync_as(file, true);
	if (code != SQLITE_OK)
		return code;
	code = sled_vfs_sync_folder(file->vfs, file->path);
	if (code != SQLITE_OK)
		drop_nameless(file);
	return code;
}

static int
open_ours(struct sled_vfs_file *file, int flags)
{
	const struct sled_sys *sys = file->vfs->sys;
	bool wal = (flags & SQLITE_OPEN_WAL) != 0;
	int how = O_RDWR;
	struct stat st;

	if (file->vfs->read_only) {
		how = O_RDONLY;
	} else if ((flags & SQLITE_OPEN_CREATE) != 0) {
		how |= O_CREAT;
		file->made = sys->fstatat(sys->ctx, AT_FDCWD, file->path, &st,
		                          0) == -1 &&
		             errno == ENOENT;
	}
	file->fd = sys->openat(sys->ctx, AT_FDCWD, file->path, how, 0600);
	if (file->fd == -1 && !(wal && file->vfs->read_only && errno == ENOENT))
		return sled_vfs_failed(file->vfs, SQLITE_CANTOPEN);
	return make_durable(file, flags);
}

static int
open_below(struct sled_vfs_file *file, int flags)
{
	sqlite3_vfs *below = file->vfs->below;
	int ignored = 0;

	if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
		return SQLITE_OK;
	file->below = (sqlite3_file *)(void *)(file + 1);
	memset(file->below, 0, (size_t)below->szOsFile);
	errno = 0;
	if (below->xOpen(below, file->path, file->below, flags, &ignored) ==
	    SQLITE_OK)
		return SQLITE_OK;
	return sled_vfs_failed(file->vfs, SQLITE_CANTOPEN);
}

static const sqlite3_io_methods *
methods_for(int flags)
{
	if ((flags & SQLITE_OPEN_MAIN_DB) != 0)
		return &db_methods;
	return (flags & SQLITE_OPEN_WAL) != 0 ? &wal_methods : &journal_methods;
}

int
sled_vfs_file_open(struct sled_vfs *vfs, struct sled_vfs_file *file,
                   const char *path, int flags, int *out_flags)
{
	int code;

	*file = (struct sled_vfs_file){
		.vfs = vfs, .path = path, .fd = -1, .unsynced = ALL_SYNCED
	};
	code = open_ours(file, flags);
	if (code == SQLITE_OK)
		code = open_below(file, flags);
	if (code != SQLITE_OK) {
		(void)file_close(&file->base);
		return code;
	}
	if (vfs->read_only)
		flags = (flags & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY;
	if (out_flags != NULL)
		*out_flags = flags;
	file->base.pMethods = methods_for(flags);
	return SQLITE_OK;
}
