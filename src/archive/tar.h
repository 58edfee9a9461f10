/* tar.h - private to archive: ustar headers (POSIX.1-1988) as they are read. */
#ifndef ARCHIVE_TAR_H
#define ARCHIVE_TAR_H

#include "mailsled/archive.h"

#define SLED_TAR_BLOCK 512

bool sled_tar_is_zero(const uint8_t *data, size_t len);

/* Only what mailsled writes: a regular file, name in the name field, uid and
 * gid 0, no owner, 0644, checksum right. DAMAGED otherwise. */
SLED_CHECK bool sled_tar_parse(const uint8_t block[SLED_TAR_BLOCK],
                               struct sled_entry *out, struct sled_err *err);

#endif
