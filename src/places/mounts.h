/* mounts.h - what the kernel and fstab say of a path; private to places. */
#ifndef PLACES_MOUNTS_H
#define PLACES_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct sled_disk {
	uint64_t id; /* equal for all file systems on one disk; 0: not known */
	bool removable; /* it can be unplugged */
	bool encrypted; /* a layer of dm-crypt lies on it */
};

/* The disk below a device: its partition, LUKS, LVM and RAID taken off, as the
 * sysfs at SYS ("/sys") tells; of several disks the first. */
void sled_mounts_disk(const char *sys, dev_t dev, struct sled_disk *out);
/* f_fsid of the file system of FD, which is PATH, and its disk. */
void sled_mounts_filesystem(int fd, const char *path, uint64_t *fsid,
                            struct sled_disk *disk);

#endif
