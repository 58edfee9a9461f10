/* fx_tmp.c - see fx_tmp.h. */
#include "fx_tmp.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void
insist(bool ok)
{
	if (!ok)
		abort();
}

void
fx_tmp_make(struct fx_tmp *tmp)
{
	const char *base = getenv("TMPDIR");
	char path[FX_TMP_PATH - 1];
	char *real;
	int len;

	if (base == NULL || base[0] != '/')
		base = "/tmp";
	len = snprintf(path, sizeof(path), "%s/mailsled-XXXXXX", base);
	insist(len > 0 && (size_t)len < sizeof(path) && mkdtemp(path) != NULL);
	real = realpath(path, NULL);
	insist(real != NULL && strlen(real) < sizeof(tmp->path));
	(void)snprintf(tmp->path, sizeof(tmp->path), "%s", real);
	free(real);
	tmp->dir = open(tmp->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	insist(tmp->dir != -1);
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (ftw->level == 0)
		return 0;
	insist(type == FTW_DP ? rmdir(path) == 0 : unlink(path) == 0);
	return 0;
}

void
fx_tmp_empty(struct fx_tmp *tmp)
{
	insist(nftw(tmp->path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

void
fx_tmp_drop(struct fx_tmp *tmp)
{
	fx_tmp_empty(tmp);
	insist(close(tmp->dir) == 0 && rmdir(tmp->path) == 0);
	tmp->dir = -1;
}

void
fx_tmp_write(struct fx_tmp *tmp, const char *name, const void *data, size_t len)
{
	/* Not O_TRUNC: ext4 then writes to the disk at close(), each time. */
	int fd = openat(tmp->dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	const char *from = data;
	off_t whole = (off_t)len;

	insist(fd != -1);
	while (len > 0) {
		ssize_t n = write(fd, from, len);

		insist(n > 0);
		from += n;
		len -= (size_t)n;
	}
	insist(ftruncate(fd, whole) == 0 && close(fd) == 0);
}

size_t
fx_tmp_read(struct fx_tmp *tmp, const char *name, void *data, size_t room)
{
	int fd = openat(tmp->dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t got = 0;

	if (fd == -1)
		return SIZE_MAX;
	insist(fstat(fd, &st) == 0);
	while (got < room) {
		ssize_t n = read(fd, (char *)data + got, room - got);

		insist(n >= 0);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	insist(close(fd) == 0);
	return (size_t)st.st_size;
}

unsigned
fx_tmp_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	insist(dir != NULL);
	while (readdir(dir) != NULL)
		count++;
	insist(closedir(dir) == 0);
	return count - 3; /* ".", "..", and the one that was just open */
}
