/* file.c - see mailsled/file.h for the contract. */
#include "mailsled/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NOLINTBEGIN(readability-function-size): openat(), and who is told */
bool
sled_file_open(struct sled_file *out, const struct sled_sys *sys, int dir,
               const char *name, int flags, mode_t mode, struct sled_err *err)
{
	*out = (struct sled_file){ sys, -1, name };
	do
		out->fd = sys->openat(sys->ctx, dir, name, flags, mode);
	while (out->fd == -1 && errno == EINTR);
	if (out->fd != -1)
		return true;
	(void)sled_fail_sys(err, errno, "open %s", name);
	if (err->sys == ENOENT)
		err->kind = SLED_ERR_MISSING;
	return false;
}

/* NOLINTEND(readability-function-size) */

bool
sled_file_close(struct sled_file *file, struct sled_err *err)
{
	int fd = file->fd;

	file->fd = -1; /* even a failed close() gives the number back */
	if (fd != -1 && file->sys->close(file->sys->ctx, fd) == -1)
		return sled_fail_sys(err, errno, "close %s", file->name);
	return true;
}

void
sled_file_drop(struct sled_file *file)
{
	struct sled_err ignored = { 0 };

	if (file->sys != NULL)
		(void)!sled_file_close(file, &ignored);
}

bool
sled_file_write(struct sled_file *file, const void *data, size_t len,
                uint64_t at, struct sled_err *err)
{
	const char *from = data;

	while (len > 0) {
		ssize_t n = file->sys->pwrite(file->sys->ctx, file->fd, from,
		                              len, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return sled_fail_sys(err, errno, "write %s",
			                     file->name);
		if (n ==
		    0) /* never on a disk; asking again could be for ever */
			return sled_fail_sys(err, EIO, "write %s", file->name);
		from += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return true;
}

bool
sled_file_read(struct sled_file *file, void *data, size_t len, uint64_t at,
               size_t *got, struct sled_err *err)
{
	char *to = data;

	*got = 0;
	while (*got < len) {
		ssize_t n =
		    file->sys->pread(file->sys->ctx, file->fd, to + *got,
		                     len - *got, (off_t)(at + *got));
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return sled_fail_sys(err, errno, "read %s", file->name);
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return true;
}

bool
sled_file_sync(struct sled_file *file, struct sled_err *err)
{
	int result;

	/* EINTR says that the wait ended, not that a write failed. */
	do
		result = file->sys->fdatasync(file->sys->ctx, file->fd);
	while (result == -1 && errno == EINTR);
	if (result == -1)
		return sled_fail_sys(err, errno, "sync %s", file->name);
	return true;
}

bool
sled_file_size(struct sled_file *file, uint64_t *size, struct sled_err *err)
{
	struct stat st;

	if (file->sys->fstat(file->sys->ctx, file->fd, &st) == -1)
		return sled_fail_sys(err, errno, "stat %s", file->name);
	*size = (uint64_t)st.st_size;
	return true;
}

bool
sled_file_truncate(struct sled_file *file, uint64_t size, struct sled_err *err)
{
	int result;

	do
		result =
		    file->sys->ftruncate(file->sys->ctx, file->fd, (off_t)size);
	while (result == -1 && errno == EINTR);
	if (result == -1)
		return sled_fail_sys(err, errno, "truncate %s", file->name);
	return true;
}

static bool
slurp_open(struct sled_buf *out, struct sled_file *file, size_t max,
           struct sled_err *err)
{
	uint64_t size = 0;
	size_t got = 0;

	if (!sled_file_size(file, &size, err))
		return false;
	if (size > max)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "%s: %llu bytes, expected at most %zu",
		                 file->name, (unsigned long long)size, max);
	if (!sled_buf_reserve(out, (size_t)size, err) ||
	    !sled_file_read(file, out->data + out->len, (size_t)size, 0, &got,
	                    err))
		return false;
	out->len += got;
	out->data[out->len] = '\0';
	return true;
}

bool
sled_file_slurp(struct sled_buf *out, const struct sled_sys *sys, int dir,
                const char *name, size_t max, struct sled_err *err)
{
	struct sled_file file;
	bool ok;

	if (!sled_file_open(&file, sys, dir, name, O_RDONLY, 0, err))
		return false;
	ok = slurp_open(out, &file, max, err);
	sled_file_drop(&file);
	return ok;
}

/* What a killed run left would keep its mode, and may be a link: away with it.
 */
static bool
remove_temp(const struct sled_sys *sys, int dir, const char *temp,
            struct sled_err *err)
{
	if (sys->unlinkat(sys->ctx, dir, temp, 0) == 0 || errno == ENOENT)
		return true;
	return sled_fail_sys(err, errno, "unlink %s", temp);
}

static bool
fill_temp(const struct sled_sys *sys, int dir, const char *temp, mode_t mode,
          struct sled_span data, struct sled_err *err)
{
	struct sled_file file;

	if (!remove_temp(sys, dir, temp, err) ||
	    !sled_file_open(&file, sys, dir, temp, O_WRONLY | O_CREAT | O_EXCL,
	                    mode, err))
		return false;
	if (sled_file_write(&file, data.data, data.len, 0, err) &&
	    sled_file_sync(&file, err) && sled_file_close(&file, err))
		return true;
	sled_file_drop(&file);
	return false;
}

bool
sled_file_replace(const struct sled_sys *sys, int dir, const char *name,
                  mode_t mode, struct sled_span data, struct sled_err *err)
{
	char temp[300];
	int len = snprintf(temp, sizeof(temp), "%s.tmp", name);

	if (len < 0 || (size_t)len >= sizeof(temp))
		return sled_fail(err, SLED_ERR_INTERNAL, "name too long: %s",
		                 name);
	if (!fill_temp(sys, dir, temp, mode, data, err)) {
		(void)sys->unlinkat(sys->ctx, dir, temp, 0);
		return false;
	}
	if (sys->renameat(sys->ctx, dir, temp, dir, name) == -1) {
		(void)sled_fail_sys(err, errno, "rename to %s", name);
		(void)sys->unlinkat(sys->ctx, dir, temp, 0);
		return false;
	}
	return sled_dir_sync(sys, dir, name, err);
}

bool
sled_dir_open(int *out, const struct sled_sys *sys, int dir, const char *name,
              struct sled_err *err)
{
	struct sled_file file;

	if (!sled_file_open(&file, sys, dir, name, O_RDONLY | O_DIRECTORY, 0,
	                    err))
		return false;
	*out = file.fd;
	return true;
}

bool
sled_dir_sync(const struct sled_sys *sys, int dir, const char *name,
              struct sled_err *err)
{
	int result;

	do
		result = sys->fsync(sys->ctx, dir);
	while (result == -1 && errno == EINTR);
	/* Some drivers (FAT, network) cannot sync a folder by itself. */
	if (result == -1 && errno == EINVAL)
		result = sys->syncfs(sys->ctx, dir);
	if (result == -1)
		return sled_fail_sys(err, errno, "sync the folder of %s", name);
	return true;
}

bool
sled_dir_sync_below(const struct sled_sys *sys, int dir, const char *name,
                    struct sled_err *err)
{
	int fd = -1;
	bool ok = sled_dir_open(&fd, sys, dir, name, err) &&
	          sled_dir_sync(sys, fd, name, err);

	if (fd != -1)
		(void)sys->close(sys->ctx, fd);
	return ok;
}

/* One that is there may have been made by a run that was killed before its
 * sync, so it is synced too. */
bool
sled_dir_make(const struct sled_sys *sys, int parent, const char *name,
              mode_t mode, struct sled_err *err)
{
	const bool made = sys->mkdirat(sys->ctx, parent, name, mode) == 0;

	if (!made && errno != EEXIST)
		return sled_fail_sys(err, errno, "make folder %s", name);
	if (sled_dir_sync(sys, parent, name, err))
		return true;
	/* What a failed sync let go no later one brings back. */
	if (made)
		(void)sys->unlinkat(sys->ctx, parent, name, AT_REMOVEDIR);
	return false;
}

bool
sled_dir_make_path(const struct sled_sys *sys, const char *path, mode_t mode,
                   struct sled_err *err)
{
	char *parent = strdup(path);
	char *slash = parent == NULL ? NULL : strrchr(parent, '/');
	int fd = -1;
	bool ok;

	if (slash == NULL) {
		free(parent);
		return sled_fail_sys(err, parent == NULL ? ENOMEM : EINVAL,
		                     "make folder %s", path);
	}
	*slash = '\0';
	ok = sled_dir_open(&fd, sys, AT_FDCWD, slash == parent ? "/" : parent,
	                   err) &&
	     sled_dir_make(sys, fd, slash + 1, mode, err);
	if (fd != -1)
		(void)sys->close(sys->ctx, fd);
	free(parent);
	return ok;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Reading a folder cannot lose mail, so readdir() is not in the table. */
static bool
collect(struct sled_buf *out, const char *name, DIR *dir, struct sled_err *err)
{
	struct dirent *entry;

	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    !sled_buf_add(out, entry->d_name, strlen(entry->d_name) + 1,
		                  err))
			return false;
		errno = 0;
	}
	if (errno != 0)
		return sled_fail_sys(err, errno, "read folder %s", name);
	return true;
}

/* NAMES, each ended by a NUL, added to OUT in order. */
static bool
add_sorted(struct sled_buf *out, const struct sled_buf *names,
           struct sled_err *err)
{
	size_t count = 0, at = 0;
	char **list;
	bool ok;

	for (size_t i = 0; i < names->len; i++)
		count += names->data[i] == '\0';
	list = calloc(count + 1, sizeof(*list));
	if (list == NULL)
		return sled_fail_sys(err, ENOMEM, "sort names");
	for (size_t i = 0; i < count; i++) {
		list[i] = names->data + at;
		at += strlen(list[i]) + 1;
	}
	qsort(list, count, sizeof(*list), compare);
	ok = sled_buf_reserve(out, names->len, err);
	for (size_t i = 0; ok && i < count; i++)
		ok = sled_buf_add(out, list[i], strlen(list[i]) + 1, err);
	free(list);
	return ok;
}

/* The stream has a descriptor of its own, so that the table's one is closed
 * by the table. */
static DIR *
stream_of(int fd)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *dir = own == -1 ? NULL : fdopendir(own);
	int error = errno;

	if (dir == NULL && own != -1)
		(void)close(own);
	errno = error;
	return dir;
}

bool
sled_dir_list(struct sled_buf *out, const struct sled_sys *sys, int parent,
              const char *name, struct sled_err *err)
{
	struct sled_file folder;
	struct sled_buf names = { 0 };
	DIR *dir;
	bool ok;

	if (!sled_file_open(&folder, sys, parent, name, O_RDONLY | O_DIRECTORY,
	                    0, err))
		return false;
	dir = stream_of(folder.fd);
	if (dir == NULL)
		ok = sled_fail_sys(err, errno, "read folder %s", name);
	else
		ok = collect(&names, name, dir, err) &&
		     add_sorted(out, &names, err);
	if (dir != NULL)
		(void)closedir(dir);
	sled_file_drop(&folder);
	sled_buf_free(&names);
	return ok;
}
