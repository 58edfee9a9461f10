/* posix.c - the production table; see mailsled/sys.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mailsled/sys.h"

static int
posix_openat(void *ctx, int dir, const char *name, int flags, mode_t mode)
{
	(void)ctx;
	return openat(dir, name, flags | O_CLOEXEC, mode);
}

static int
posix_close(void *ctx, int fd)
{
	(void)ctx;
	return close(fd);
}

static ssize_t
posix_pread(void *ctx, int fd, void *data, size_t len, off_t at)
{
	(void)ctx;
	return pread(fd, data, len, at);
}

static ssize_t
posix_pwrite(void *ctx, int fd, const void *data, size_t len, off_t at)
{
	(void)ctx;
	return pwrite(fd, data, len, at);
}

static int
posix_fdatasync(void *ctx, int fd)
{
	(void)ctx;
	return fdatasync(fd);
}

static int
posix_fsync(void *ctx, int fd)
{
	(void)ctx;
	return fsync(fd);
}

static int
posix_ftruncate(void *ctx, int fd, off_t len)
{
	(void)ctx;
	return ftruncate(fd, len);
}

static int
posix_renameat(void *ctx, int from_dir, const char *from, int to_dir,
               const char *to)
{
	(void)ctx;
	return renameat(from_dir, from, to_dir, to);
}

static int
posix_unlinkat(void *ctx, int dir, const char *name, int flags)
{
	(void)ctx;
	return unlinkat(dir, name, flags);
}

static int
posix_mkdirat(void *ctx, int dir, const char *name, mode_t mode)
{
	(void)ctx;
	return mkdirat(dir, name, mode);
}

static int
posix_fchmod(void *ctx, int fd, mode_t mode)
{
	(void)ctx;
	return fchmod(fd, mode);
}

static int
posix_fstat(void *ctx, int fd, struct stat *st)
{
	(void)ctx;
	return fstat(fd, st);
}

static int
posix_fstatat(void *ctx, int dir, const char *name, struct stat *st, int flags)
{
	(void)ctx;
	return fstatat(dir, name, st, flags);
}

static int
posix_space(void *ctx, int fd, uint64_t *free_bytes)
{
	struct statvfs vfs;

	(void)ctx;
	if (fstatvfs(fd, &vfs) == -1)
		return -1;
	*free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
	return 0;
}

static int
posix_drop_pages(void *ctx, int fd)
{
	int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);

	(void)ctx;
	errno = error;
	return error == 0 ? 0 : -1;
}

static int
posix_syncfs(void *ctx, int fd)
{
	(void)ctx;
	return syncfs(fd);
}

const struct sled_sys *
sled_sys_posix(void)
{
	static const struct sled_sys table = {
		.openat = posix_openat,
		.close = posix_close,
		.pread = posix_pread,
		.pwrite = posix_pwrite,
		.fdatasync = posix_fdatasync,
		.fsync = posix_fsync,
		.ftruncate = posix_ftruncate,
		.renameat = posix_renameat,
		.unlinkat = posix_unlinkat,
		.mkdirat = posix_mkdirat,
		.fchmod = posix_fchmod,
		.fstat = posix_fstat,
		.fstatat = posix_fstatat,
		.space = posix_space,
		.drop_pages = posix_drop_pages,
		.syncfs = posix_syncfs,
	};
	return &table;
}
