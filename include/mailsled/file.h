/*
 * file.h - whole reads, whole writes and durable steps over the sys table.
 *
 * Contract
 *   Interrupted and short calls are carried on with; any other failure ends
 *   the call, with errno's kind in *err and NAME in its text. A failed sync is
 *   final for that descriptor: close it and trust nothing it held.
 */
#ifndef MAILSLED_FILE_H
#define MAILSLED_FILE_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/sys.h"

struct sled_file {
	const struct sled_sys *sys;
	int fd;           /* -1: closed */
	const char *name; /* for messages; borrowed */
};

/* Open NAME under the folder DIR. MISSING when there is no such file. */
SLED_CHECK bool sled_file_open(struct sled_file *out,
                               const struct sled_sys *sys, int dir,
                               const char *name, int flags, mode_t mode,
                               struct sled_err *err);
/* The last chance to hear of a failed write: check it where writes matter. */
SLED_CHECK bool sled_file_close(struct sled_file *file, struct sled_err *err);
/* Close, whatever it says: for readers and after a failure. */
void sled_file_drop(struct sled_file *file);

SLED_CHECK bool sled_file_write(struct sled_file *file, const void *data,
                                size_t len, uint64_t at, struct sled_err *err);
/* Up to LEN bytes, *got fewer only at the end of the file. */
SLED_CHECK bool sled_file_read(struct sled_file *file, void *data, size_t len,
                               uint64_t at, size_t *got, struct sled_err *err);
SLED_CHECK bool sled_file_sync(struct sled_file *file, struct sled_err *err);
SLED_CHECK bool sled_file_size(struct sled_file *file, uint64_t *size,
                               struct sled_err *err);
SLED_CHECK bool sled_file_truncate(struct sled_file *file, uint64_t size,
                                   struct sled_err *err);

/* All of a small file (at most MAX bytes, else DAMAGED) added to OUT. */
SLED_CHECK bool sled_file_slurp(struct sled_buf *out,
                                const struct sled_sys *sys, int dir,
                                const char *name, size_t max,
                                struct sled_err *err);
/* Replace NAME whole: temp file NAME.tmp (a left one is removed first), sync,
 * close, rename, sync of the folder. On false NAME is the old or the new. */
SLED_CHECK bool sled_file_replace(const struct sled_sys *sys, int dir,
                                  const char *name, mode_t mode,
                                  struct sled_span data, struct sled_err *err);

/* The folder itself. */
SLED_CHECK bool sled_dir_open(int *out, const struct sled_sys *sys, int dir,
                              const char *name, struct sled_err *err);
/* Where a folder cannot be synced by itself (EINVAL), its file system is. */
SLED_CHECK bool sled_dir_sync(const struct sled_sys *sys, int dir,
                              const char *name, struct sled_err *err);
/* The folder NAME in DIR: opened, synced, closed. */
SLED_CHECK bool sled_dir_sync_below(const struct sled_sys *sys, int dir,
                                    const char *name, struct sled_err *err);
/* Make NAME unless it is there already; durable in its parent either way. One
 * made here whose sync failed is taken back. */
SLED_CHECK bool sled_dir_make(const struct sled_sys *sys, int parent,
                              const char *name, mode_t mode,
                              struct sled_err *err);
/* The same for an absolute path, whose parent must be there. */
SLED_CHECK bool sled_dir_make_path(const struct sled_sys *sys, const char *path,
                                   mode_t mode, struct sled_err *err);
/* Names in the folder, in strcmp()'s order, without "." and "..", each with
 * its NUL added to OUT. */
SLED_CHECK bool sled_dir_list(struct sled_buf *out, const struct sled_sys *sys,
                              int parent, const char *name,
                              struct sled_err *err);

#endif
