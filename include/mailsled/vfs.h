/*
 * vfs.h - SQLite's files over the sys table: the ledger's, and the reader's index.
 *
 * Contract
 *   Every read, write, cut, sync, unlink and stat of the database, its -wal and
 *   its -journal goes through the table. Locks and the shared memory stay with
 *   SQLite's own unix VFS, which has a second descriptor of the database: since
 *   POSIX drops a process's locks on a file when any descriptor of it is
 *   closed, the two live and die together, and a process has one object a file.
 *
 *   After a failed sync the kernel may have forgotten the pages: the object is
 *   dead, which means that each later write and sync fails. What a failed sync
 *   leaves in the -wal is cut off by way of a new descriptor, so that nobody
 *   believes a transaction that was reported as failed. A file that was made,
 *   and whose folder could not be synced, is taken away: its name would never
 *   be durable.
 */
#ifndef MAILSLED_VFS_H
#define MAILSLED_VFS_H

#include <sqlite3.h>

#include "mailsled/err.h"
#include "mailsled/sys.h"

struct sled_vfs {
	sqlite3_vfs base;   /* registered under a name of its own */
	sqlite3_vfs *below; /* SQLite's unix VFS */
	const struct sled_sys *sys;
	bool read_only;
	bool dead;  /* a sync failed */
	int errnum; /* of the last failure, or 0 */
	char name[320];
};

struct sled_vfs_file {
	sqlite3_file base;
	struct sled_vfs *vfs;
	sqlite3_file *below; /* locks and shared memory; NULL: no database */
	const char *path;    /* SQLite's, until xClose */
	int fd;              /* -1: a -wal that no writer has made yet */
	bool made;           /* by this very open */
	sqlite3_int64
	    unsynced; /* the first offset written since the last sync */
};

/* PATH need not exist, its folder must (MISSING). INTERNAL when this process
 * has it open already. */
SLED_CHECK bool sled_vfs_new(struct sled_vfs **out, const struct sled_sys *sys,
                             const char *path, bool read_only,
                             struct sled_err *err);
void sled_vfs_free(struct sled_vfs **vfs);

/* xOpen and what it needs; see vfs_file.c. These return SQLite's codes. */
int sled_vfs_file_open(struct sled_vfs *vfs, struct sled_vfs_file *file,
                       const char *path, int flags, int *out_flags);
int sled_vfs_sync_folder(struct sled_vfs *vfs, const char *path);
/* Remember errno; gives CODE back. */
int sled_vfs_failed(struct sled_vfs *vfs, int code);

#endif
