/*
 * places.h - the folders that hold the store, and durable writes in them.
 *
 * Contract
 *   A place is written only when it bears its mark: COPY.txt with its own id
 *   and its store's. A place without its mark is absent, so that a stick that
 *   is not plugged in never fills the disk below its mount point.
 *   Several threads may write in one place, each its own file. A place that
 *   failed (out) is not written again in this run.
 */
#ifndef MAILSLED_PLACES_H
#define MAILSLED_PLACES_H

#include <stdatomic.h>

#include "mailsled/archive.h"
#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/file.h"
#include "mailsled/sys.h"

#define SLED_PLACE_ID 33 /* 32 hex digits and a NUL */

enum sled_place_found {
	SLED_PLACE_MARKED,    /* COPY.txt is there and could be read */
	SLED_PLACE_USABLE,    /* nothing there yet, and a mark may be made */
	SLED_PLACE_UNMOUNTED, /* nothing there: its disk is not mounted */
	SLED_PLACE_UNMARKED,  /* something there, but no mark */
	SLED_PLACE_MISSING,   /* not even the folder above it is there */
	SLED_PLACE_BROKEN,    /* there, but cannot be read: .why */
	SLED_PLACE_FAR,       /* behind rclone: no folder of this machine */
};

struct sled_place {
	const struct sled_sys *sys;
	char *path; /* absolute; owned */
	enum sled_place_found found;
	int dir;                   /* -1 unless MARKED */
	char id[SLED_PLACE_ID];    /* "" unless MARKED */
	char store[SLED_PLACE_ID]; /* its store's id, "" unless MARKED */
	struct sled_buf knows; /* ids and paths of other places, see below */
	uint64_t dev, ino;     /* of the folder, 0 where there is none */
	uint64_t fsid; /* of its file system, or of what lies there instead */
	uint64_t disk; /* equal for places on one disk; 0: not known */
	bool removable, encrypted; /* that disk, by what is known of it */
	atomic_bool out;     /* a write failed: not used again in this run */
	struct sled_err why; /* of BROKEN; of out, once that is told */
	atomic_bool told;
};

/* It is out from now on; the first reason stays. Both from any thread: visits
 * to several accounts share the places. */
void sled_place_give_up(struct sled_place *place, const struct sled_err *why);
/* Is it, and why? */
bool sled_place_is_out(const struct sled_place *place, struct sled_err *why);

/* Look at PATH and fill *out; only NOMEM fails. Writes nothing. */
SLED_CHECK bool sled_place_probe(struct sled_place *out,
                                 const struct sled_sys *sys, const char *path,
                                 struct sled_err *err);
void sled_place_close(struct sled_place *place);

/* Make the folder when needed, STORE.txt and COPY.txt; then it is MARKED. The
 * caller decided that it may be: USABLE, or the user said so. A new id. */
SLED_CHECK bool sled_place_mark(struct sled_place *place, const char *store,
                                struct sled_err *err);
/* The store that a place without a mark was marked for once, by its STORE.txt;
 * "" where that is not there either. */
SLED_CHECK bool sled_place_was_of(const struct sled_place *place,
                                  char store[SLED_PLACE_ID],
                                  struct sled_err *err);
/* Write COPY.txt anew with what this place knows of the others: a line
 * "ID PATH" each (PATH percent-escaped), so that a lost ledger does not take
 * a used place for a new one. No write when nothing changed. */
SLED_CHECK bool sled_place_tell(struct sled_place *place,
                                struct sled_span knows, struct sled_err *err);

/* What a mark, COPY.txt, says, and its text: also that of a far place. */
struct sled_mark {
	char id[SLED_PLACE_ID];    /* of the place itself */
	char store[SLED_PLACE_ID]; /* of its store */
};

#define SLED_MARK_MAX 65536 /* octets of one */

/* DAMAGED when TEXT is none of ours. What it knows of other places, a line each
 * as sled_place_tell() takes them, is added to KNOWS, unless that is NULL. */
SLED_CHECK bool sled_mark_parse(struct sled_mark *out, const char *text,
                                struct sled_buf *knows, struct sled_err *err);
SLED_CHECK bool sled_mark_text(struct sled_buf *out,
                               const struct sled_mark *mark,
                               struct sled_span knows, struct sled_err *err);

/* Do two probed paths name one folder, or one inside the other? */
bool sled_place_overlap(const struct sled_place *a, const struct sled_place *b);

/* Not for a ledger: network and FAT file systems cannot carry a WAL. NAME is
 * set to the kind found, for messages. */
bool sled_place_carries_ledger(int dir, const char **name);

/* ---- appending ---- */

/*
 * One append to FOLDER/FILE of a place, which must be AT bytes long (0: not
 * there). begin, write any number of times, patch within what was written,
 * then commit or abort. A newborn file is written under a temporary name and
 * renamed by commit(). When any step fails, abort() cuts the file back to AT
 * (a newborn is unlinked) through a new descriptor whose sync must succeed;
 * when that fails too, or when it was a sync that failed, the place is out.
 * begin() refuses a place that is out.
 */
struct sled_append {
	struct sled_place *place;
	int folder;
	struct sled_file file;
	char name[SLED_VOLUME_FILE + 8];
	char temp[SLED_VOLUME_FILE + 16];
	uint64_t at, end;
	bool newborn, sync_failed;
};

SLED_CHECK bool sled_append_begin(struct sled_append *out,
                                  struct sled_place *place, const char *folder,
                                  const char *file, uint64_t at,
                                  struct sled_err *err);
SLED_CHECK bool sled_append_write(struct sled_append *append, const void *data,
                                  size_t len, struct sled_err *err);
/* LENGTH bytes at AT of another file; DAMAGED when it ends before that. */
struct sled_reading;
SLED_CHECK bool sled_append_from(struct sled_append *append,
                                 struct sled_reading *from, uint64_t at,
                                 uint64_t length, struct sled_err *err);
SLED_CHECK bool sled_append_patch(struct sled_append *append, const void *data,
                                  size_t len, uint64_t at,
                                  struct sled_err *err);
/* On true the bytes and the name are durable (c3). On false: abort(). */
SLED_CHECK bool sled_append_commit(struct sled_append *append,
                                   struct sled_err *err);
void sled_append_abort(struct sled_append *append);
/* After a commit that was read back wrong: cut off what it wrote. */
void sled_append_undo(struct sled_place *place, const char *folder,
                      const char *file, uint64_t at);

/* ---- reading ---- */

/* An open file of a place as a source for archive.h. */
struct sled_reading {
	struct sled_file file;
	char name[128];
	bool sealed; /* by sled_reading_volume(): SLED_MEMBER_LAST longer */
	struct sled_source source; /* .ctx is this struct: do not move it */
};

/* MISSING when it is not there. FRESH: drop the cached pages first, so that
 * what is read comes from the disk (c4). */
SLED_CHECK bool sled_reading_open(struct sled_reading *out,
                                  struct sled_place *place, const char *folder,
                                  const char *file, bool fresh,
                                  struct sled_err *err);
void sled_reading_close(struct sled_reading *reading);

/* Size of FOLDER/FILE, *there false when it is not. */
SLED_CHECK bool sled_place_size(struct sled_place *place, const char *folder,
                                const char *file, uint64_t *size, bool *there,
                                struct sled_err *err);

/* Make durable what an earlier process may have left unsynced: the bytes of
 * FOLDER/FILE and its name. */
SLED_CHECK bool sled_place_sync(struct sled_place *place, const char *folder,
                                const char *file, struct sled_err *err);

/* ---- volumes ---- */

struct sled_volume_id {
	const char *label, *name;
	unsigned revision; /* of a sealed file: see archive.h */
};

/* A volume's file in a place: the sealed one of its revision where there is
 * one, else the open one. */
struct sled_volume_found {
	char file[SLED_VOLUME_FILE]; /* that of the open one when not there */
	bool there, sealed;
	uint64_t size;
};

SLED_CHECK bool sled_place_volume(struct sled_place *place,
                                  const struct sled_volume_id *id,
                                  struct sled_volume_found *out,
                                  struct sled_err *err);
/* The same file, open to read, also while another process seals it. */
SLED_CHECK bool sled_reading_volume(struct sled_reading *out,
                                    struct sled_place *place,
                                    const struct sled_volume_id *id, bool fresh,
                                    struct sled_err *err);

struct sled_seal {
	struct sled_volume_id id;
	uint64_t end;            /* octets of its members */
	struct sled_hash sha256; /* of the sealed file */
};

/* End the open file with tar's zero blocks, read it back whole, give it its
 * sidecar and its name, make it read-only. What an earlier try left is gone on
 * from; a sealed file gets what it lacks. DAMAGED when the file has other bytes
 * than the hash tells: then its name and its members stay as they are. */
SLED_CHECK bool sled_place_seal(struct sled_place *place,
                                const struct sled_seal *seal,
                                struct sled_err *err);

enum sled_sidecar {
	SLED_SIDECAR_NONE,
	SLED_SIDECAR_OTHER,
	SLED_SIDECAR_RIGHT
};

/* Does FILE.sha256 name this hash and this file? */
SLED_CHECK bool sled_place_sidecar(struct sled_place *place, const char *label,
                                   const char *file,
                                   const struct sled_hash *sha256,
                                   enum sled_sidecar *out,
                                   struct sled_err *err);
/* Is what an open file has behind AT the beginning of tar's end, or all of it:
 * left there by a seal that was cut off? */
SLED_CHECK bool sled_place_ends(struct sled_place *place, const char *label,
                                const struct sled_volume_found *found,
                                uint64_t at, bool *ends, struct sled_err *err);
/* The SHA-256 of FOLDER/FILE, read from the disk. */
SLED_CHECK bool sled_place_hash(struct sled_place *place, const char *folder,
                                const char *file, struct sled_hash *out,
                                struct sled_err *err);

/* Take FOLDER/FILE out of use: renamed to .mailsled/quarantine/ of its place,
 * under a name that is free. */
SLED_CHECK bool sled_place_quarantine(struct sled_place *place,
                                      const char *folder, const char *file,
                                      struct sled_err *err);
/* Copy what lies behind AT there, then cut the file to AT. */
SLED_CHECK bool sled_place_quarantine_tail(struct sled_place *place,
                                           const char *folder, const char *file,
                                           uint64_t at, struct sled_err *err);

/* Should a disk be mounted at or above PATH, and is not? True below a mount
 * point of /etc/fstab that is not mounted, and below /media, /mnt and
 * /run/media when nothing of the path there is a mount point. */
bool sled_mounts_expected(const char *path);

#endif
