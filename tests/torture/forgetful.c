/*
 * forgetful.c - a disk for a loop device, whose power can be cut: what was not
 * flushed is partly lost.
 *
 * usage: forgetful BASE OUT CUT SEED FOLDER
 *   FOLDER/disk begins as the file BASE, which is never written. OUT is a copy
 *   of it at first; a write reaches OUT when a flush (fsync, as the loop device
 *   sends it for each barrier of the file system) comes after it. The CUTth
 *   write or flush, counted from 1, is not made any more: of what was not
 *   flushed by then each sector of 512 octets reaches OUT or not, by SEED; from
 *   there on the disk answers EIO. CUT 0: never. At its end (SIGTERM) it prints
 *   how many writes and flushes there were.
 */
#define FUSE_USE_VERSION 31
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

struct waiting {
	struct waiting *next;
	off_t at;
	size_t len;
	uint8_t data[];
};

struct disk {
	uint8_t *now; /* as the file system sees it */
	size_t size;
	int out;
	struct waiting *first, **last; /* written, and not flushed */
	unsigned long done, cut;
	uint64_t seed;
	bool dead;
};

static void
insist(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "forgetful: %s: %s\n", what, strerror(errno));
	exit(70);
}

static struct disk *
the_disk(void)
{
	return fuse_get_context()->private_data;
}

static bool
by_chance(struct disk *disk)
{
	disk->seed = disk->seed * 6364136223846793005 + 1442695040888963407;
	return (disk->seed >> 40 & 1) != 0;
}

static void
put(struct disk *disk, const uint8_t *data, size_t len, off_t at)
{
	insist(pwrite(disk->out, data, len, at) == (ssize_t)len, "write");
}

/* All of what waits, or some of it. */
static void
settle(struct disk *disk, bool all)
{
	struct waiting *w;

	while ((w = disk->first) != NULL) {
		for (size_t i = 0; i < w->len; i += SECTOR) {
			size_t len = w->len - i < SECTOR ? w->len - i : SECTOR;

			if (all || by_chance(disk))
				put(disk, w->data + i, len, w->at + (off_t)i);
		}
		disk->first = w->next;
		free(w);
	}
	disk->last = &disk->first;
}

static bool
goes_on(struct disk *disk)
{
	if (!disk->dead && ++disk->done == disk->cut) {
		settle(disk, false);
		disk->dead = true;
	}
	return !disk->dead;
}

/* ---- one file ---- */

static int
disk_getattr(const char *path, struct stat *st, struct fuse_file_info *file)
{
	(void)file;
	memset(st, 0, sizeof(*st));
	if (strcmp(path, "/") == 0) {
		st->st_mode = S_IFDIR | 0700;
		st->st_nlink = 2;
		return 0;
	}
	if (strcmp(path, "/disk") != 0)
		return -ENOENT;
	st->st_mode = S_IFREG | 0600;
	st->st_nlink = 1;
	st->st_size = (off_t)the_disk()->size;
	return 0;
}

static int
disk_open(const char *path, struct fuse_file_info *file)
{
	if (strcmp(path, "/disk") != 0)
		return -ENOENT;
	file->direct_io = 1;
	return 0;
}

static int
disk_read(const char *path, char *data, size_t len, off_t at,
          struct fuse_file_info *file)
{
	struct disk *disk = the_disk();

	(void)path;
	(void)file;
	if ((size_t)at >= disk->size)
		return 0;
	if (len > disk->size - (size_t)at)
		len = disk->size - (size_t)at;
	memcpy(data, disk->now + at, len);
	return (int)len;
}

static int
disk_write(const char *path, const char *data, size_t len, off_t at,
           struct fuse_file_info *file)
{
	struct disk *disk = the_disk();
	struct waiting *w;

	(void)path;
	(void)file;
	if ((size_t)at + len > disk->size)
		return -ENOSPC;
	/* The one that is under way at the cut may be there, too. */
	if (disk->dead)
		return -EIO;
	w = malloc(sizeof(*w) + len);
	insist(w != NULL, "memory");
	*w = (struct waiting){ .at = at, .len = len };
	memcpy(w->data, data, len);
	*disk->last = w;
	disk->last = &w->next;
	memcpy(disk->now + at, data, len);
	return goes_on(disk) ? (int)len : -EIO;
}

static int
disk_fsync(const char *path, int data_only, struct fuse_file_info *file)
{
	struct disk *disk = the_disk();

	(void)path;
	(void)data_only;
	(void)file;
	if (!goes_on(disk))
		return -EIO;
	settle(disk, true);
	return 0;
}

static int
disk_truncate(const char *path, off_t size, struct fuse_file_info *file)
{
	(void)path;
	(void)file;
	return (size_t)size == the_disk()->size ? 0 : -EPERM;
}

static struct disk
open_disk(char **argv)
{
	struct disk disk = { .cut = strtoul(argv[3], NULL, 10),
		             .seed = strtoull(argv[4], NULL, 10) };
	int base = open(argv[1], O_RDONLY | O_CLOEXEC);
	struct stat st;

	insist(base != -1 && fstat(base, &st) == 0, argv[1]);
	disk.size = (size_t)st.st_size;
	disk.now = mmap(NULL, disk.size, PROT_READ | PROT_WRITE,
	                MAP_PRIVATE | MAP_NORESERVE, base, 0);
	insist(disk.now != MAP_FAILED, argv[1]);
	disk.out = open(argv[2], O_WRONLY | O_CLOEXEC);
	insist(disk.out != -1, argv[2]);
	(void)close(base);
	return disk;
}

int
main(int argc, char **argv)
{
	static const struct fuse_operations operations = {
		.getattr = disk_getattr,
		.open = disk_open,
		.read = disk_read,
		.write = disk_write,
		.fsync = disk_fsync,
		.truncate = disk_truncate,
	};
	static char foreground[] = "-f", one_thread[] = "-s";
	char *fuse_argv[] = { argv[0], foreground, one_thread, NULL, NULL };
	struct disk disk;
	int status;

	if (argc != 6) {
		(void)fprintf(stderr,
		              "usage: forgetful BASE OUT CUT SEED FOLDER\n");
		return 64;
	}
	disk = open_disk(argv);
	disk.last = &disk.first;
	fuse_argv[3] = argv[5];
	status = fuse_main(4, fuse_argv, &operations, &disk);
	(void)printf("%lu\n", disk.done);
	return status;
}
