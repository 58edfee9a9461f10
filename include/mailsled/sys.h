/*
 * sys.h - every system call that can lose mail, behind one table.
 *
 * Contract
 *   Production passes sled_sys_posix(). Tests pass a table that counts, fails,
 *   kills or records at the Nth call, so each durability step is a fault point.
 *   Each entry acts as the call of its name: -1 and errno on failure. Entries
 *   may be called from several threads at once.
 */
#ifndef MAILSLED_SYS_H
#define MAILSLED_SYS_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

struct sled_sys {
	/* O_CLOEXEC is added by the implementation. */
	int (*openat)(void *ctx, int dir, const char *name, int flags,
	              mode_t mode);
	int (*close)(void *ctx, int fd);
	ssize_t (*pread)(void *ctx, int fd, void *data, size_t len, off_t at);
	ssize_t (*pwrite)(void *ctx, int fd, const void *data, size_t len,
	                  off_t at);
	int (*fdatasync)(void *ctx, int fd);
	int (*fsync)(void *ctx, int fd); /* files and folders */
	int (*ftruncate)(void *ctx, int fd, off_t len);
	int (*renameat)(void *ctx, int from_dir, const char *from, int to_dir,
	                const char *to);
	int (*unlinkat)(void *ctx, int dir, const char *name, int flags);
	int (*mkdirat)(void *ctx, int dir, const char *name, mode_t mode);
	int (*fchmod)(void *ctx, int fd, mode_t mode);
	int (*fstat)(void *ctx, int fd, struct stat *st);
	int (*fstatat)(void *ctx, int dir, const char *name, struct stat *st,
	               int flags);
	/* Free bytes for this user on the file system of FD. */
	int (*space)(void *ctx, int fd, uint64_t *free_bytes);
	/* POSIX_FADV_DONTNEED over the whole file: the next read is the disk's. */
	int (*drop_pages)(void *ctx, int fd);
	int (*syncfs)(void *ctx, int fd);
	void *ctx;
};

const struct sled_sys *sled_sys_posix(void);

#endif
