/* mounts.c - see places/mounts.h. Reading these files cannot lose mail. */
#include "places/mounts.h"

#include <dirent.h>
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

#define LAYERS_MAX 8 /* of LVM on LUKS on RAID on a partition */

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

/* The first device that BLOCK, a folder of sysfs, lies on (dm, md: LUKS, LVM,
 * RAID); 0 when it is no such layer. */
static dev_t
below(const char *block)
{
	char path[PATH_MAX + 32];
	struct dirent *entry;
	dev_t dev = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%.4096s/slaves", block);
	dir = opendir(path);
	if (dir == NULL)
		return 0;
	while (dev == 0 && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%.4000s/slaves/%.64s",
		               block, entry->d_name);
		dev = read_dev(path);
	}
	(void)closedir(dir);
	return dev;
}

/* Does FILE of BLOCK begin with TEXT? */
static bool
says(const char *block, const char *file, const char *text)
{
	char path[PATH_MAX + 32], line[64] = "";
	FILE *open;

	(void)snprintf(path, sizeof(path), "%.4096s/%s", block, file);
	open = fopen(path, "re");
	if (open == NULL)
		return false;
	if (fgets(line, sizeof(line), open) == NULL)
		line[0] = '\0';
	(void)fclose(open);
	return strncmp(line, text, strlen(text)) == 0;
}

/* One step down: from a layer to what it lies on, from a partition to its
 * disk. False at the disk itself. */
static bool
step_down(const char *sys, dev_t *dev, struct sled_disk *out)
{
	char path[PATH_MAX], block[PATH_MAX], part[PATH_MAX + 16];
	dev_t next;

	(void)snprintf(path, sizeof(path), "%.1000s/dev/block/%u:%u", sys,
	               major(*dev), minor(*dev));
	if (realpath(path, block) == NULL)
		return false;
	out->encrypted = out->encrypted || says(block, "dm/uuid", "CRYPT-");
	out->removable = out->removable || says(block, "removable", "1") ||
	                 strstr(block, "/usb") != NULL;
	(void)snprintf(part, sizeof(part), "%.4000s/partition", block);
	if (access(part, F_OK) == 0) {
		*strrchr(block, '/') = '\0';
		next = read_dev(block);
	} else {
		next = below(block);
	}
	if (next == 0)
		return false;
	*dev = next;
	return true;
}

void
sled_mounts_disk(const char *sys, dev_t dev, struct sled_disk *out)
{
	*out = (struct sled_disk){ 0 };
	if (major(dev) != 0) /* tmpfs, overlay: no disk to be seen */
		for (unsigned n = 0; n < LAYERS_MAX; n++)
			if (!step_down(sys, &dev, out))
				break;
	out->id = dev;
}

/* btrfs has device numbers of its own: the mount's source tells the disk. */
static dev_t
mounted_from(const char *path, dev_t dev)
{
	dev_t found = dev;
	size_t longest = 0;
	FILE *file = setmntent("/proc/self/mounts", "re");
	struct mntent entry;
	char text[8192];
	struct stat st;

	if (file == NULL)
		return dev;
	while (getmntent_r(file, &entry, text, sizeof(text)) != NULL) {
		size_t len = strlen(entry.mnt_dir);

		if (len < longest || !is_above(entry.mnt_dir, path))
			continue;
		longest = len;
		found = entry.mnt_fsname[0] == '/' &&
		                stat(entry.mnt_fsname, &st) == 0 &&
		                S_ISBLK(st.st_mode)
		            ? st.st_rdev
		            : dev;
	}
	(void)endmntent(file);
	return found;
}

void
sled_mounts_filesystem(int fd, const char *path, uint64_t *fsid,
                       struct sled_disk *disk)
{
	struct statfs fs;
	struct stat st;
	uint32_t halves[2];

	*fsid = 0;
	*disk = (struct sled_disk){ 0 };
	if (fstatfs(fd, &fs) == 0) {
		memcpy(halves, &fs.f_fsid, sizeof(halves));
		*fsid = (uint64_t)halves[0] << 32 | halves[1];
	}
	if (fstat(fd, &st) == 0)
		sled_mounts_disk("/sys",
		                 major(st.st_dev) == 0
		                     ? mounted_from(path, st.st_dev)
		                     : st.st_dev,
		                 disk);
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
