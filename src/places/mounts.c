/* mounts.c - see places/mounts.h. Reading these files cannot lose mail. */
#include "places/mounts.h"

#include <limits.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mailsled/places.h"

static bool
is_above(const char *folder, const char *path)
{
	size_t len = strlen(folder);

	while (len > 1 && folder[len - 1] == '/')
		len--;
	return strncmp(folder, path, len) == 0 &&
	       (path[len] == '\0' || path[len] == '/');
}

/* Does TABLE name a mount point at or above PATH that WANTED accepts? */
static bool
any_above(const char *table, const char *path,
          bool (*wanted)(const char *dir, const void *arg), const void *arg)
{
	FILE *file = setmntent(table, "re");
	struct mntent entry;
	char text[8192];
	bool found = false;

	if (file == NULL)
		return false;
	while (!found && getmntent_r(file, &entry, text, sizeof(text)) != NULL)
		found = entry.mnt_dir[0] == '/' && entry.mnt_dir[1] != '\0' &&
		        is_above(entry.mnt_dir, path) &&
		        wanted(entry.mnt_dir, arg);
	(void)endmntent(file);
	return found;
}

static bool
is_same(const char *dir, const void *arg)
{
	return strcmp(dir, arg) == 0;
}

static bool
is_not_mounted(const char *dir, const void *arg)
{
	(void)arg;
	return !any_above("/proc/self/mounts", dir, is_same, dir);
}

static bool
is_below(const char *dir, const void *arg)
{
	return is_above(arg, dir);
}

bool
sled_mounts_expected(const char *path)
{
	static const char *const roots[] = { "/media", "/mnt", "/run/media" };

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (is_above(roots[i], path) &&
		    !any_above("/proc/self/mounts", path, is_below, roots[i]))
			return true;
	return any_above("/etc/fstab", path, is_not_mounted, NULL);
}

/* The numbers in FOLDER/dev, "8:16"; 0 when they are not there. */
static dev_t
read_dev(const char *folder)
{
	char path[PATH_MAX + 16], text[32] = "";
	char *end = text;
	unsigned long high, low;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%.4096s/dev", folder);
	file = fopen(path, "re");
	if (file == NULL)
		return 0;
	if (fgets(text, sizeof(text), file) == NULL)
		text[0] = '\0';
	(void)fclose(file);
	high = strtoul(text, &end, 10);
	if (*end != ':')
		return 0;
	low = strtoul(end + 1, &end, 10);
	return makedev((unsigned)high, (unsigned)low);
}

/* The disk that a partition is on: the folder above it in sysfs. */
static uint64_t
whole_disk(dev_t dev)
{
	char path[64], real[PATH_MAX], part[PATH_MAX + 16];
	dev_t disk;

	if (major(dev) == 0) /* tmpfs, overlay, btrfs: no disk to be seen */
		return dev;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major(dev),
	               minor(dev));
	if (realpath(path, real) == NULL)
		return dev;
	(void)snprintf(part, sizeof(part), "%.4096s/partition", real);
	if (access(part, F_OK) != 0)
		return dev;
	*strrchr(real, '/') = '\0';
	disk = read_dev(real);
	return disk == 0 ? dev : disk;
}

void
sled_mounts_filesystem(int fd, uint64_t *fsid, uint64_t *disk)
{
	struct statfs fs;
	struct stat st;
	uint32_t halves[2];

	*fsid = 0;
	*disk = 0;
	if (fstatfs(fd, &fs) == 0) {
		memcpy(halves, &fs.f_fsid, sizeof(halves));
		*fsid = (uint64_t)halves[0] << 32 | halves[1];
	}
	if (fstat(fd, &st) == 0)
		*disk = whole_disk(st.st_dev);
}

bool
sled_place_carries_ledger(int dir, const char **name)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} poor[] = {
		{ 0x6969, "NFS" },     { 0xff534d42, "CIFS" },
		{ 0xfe534d42, "SMB" }, { 0x517b, "SMB" },
		{ 0x4d44, "FAT" },     { 0x2011bab0, "exFAT" },
		{ 0x01021997, "9p" },  { 0x65735546, "FUSE" },
		{ 0x5346414f, "AFS" }, { 0x73757245, "Coda" },
		{ 0x564c, "NCP" },
	};
	struct statfs fs;

	if (fstatfs(dir, &fs) == -1)
		return true;
	for (size_t i = 0; i < sizeof(poor) / sizeof(poor[0]); i++)
		if (((unsigned long)fs.f_type & 0xffffffffUL) ==
		    poor[i].magic) {
			*name = poor[i].name;
			return false;
		}
	return true;
}
