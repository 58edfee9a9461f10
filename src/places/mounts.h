/* mounts.h - what the kernel and fstab say of a path; private to places. */
#ifndef PLACES_MOUNTS_H
#define PLACES_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>

/* Should a disk be mounted at or above PATH, and is not? True below a mount
 * point of /etc/fstab that is not mounted, and below /media, /mnt and
 * /run/media when nothing of the path there is a mount point. */
bool sled_mounts_expected(const char *path);

/* f_fsid of the file system of FD, and a number that is equal for all file
 * systems on one disk (0: not known). */
void sled_mounts_filesystem(int fd, uint64_t *fsid, uint64_t *disk);

#endif
