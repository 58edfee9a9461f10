/*
 * far.h - a place behind rclone: files put there once, checked, fetched.
 *
 * Contract
 *   A far place is a folder of some rclone remote, "REMOTE:PATH". rclone runs
 *   as a child process, never by a shell, one at a time; what it prints is
 *   bounded, and escaped before it is shown. It dies with this process.
 *   Nothing here decides what is right to put there, or counts copies: the
 *   store does. No file of a far place is ever written over, and a far place
 *   without its mark (COPY.txt, places.h) is never written: the caller holds
 *   to what sled_far_probe() found.
 *   FILE is a path below the far place, with '/' and the characters of
 *   sled_far_name_ok(): "home/2026-10-001.tar.gz". One thread at a time.
 *   Errors, each with rclone's own words and with what to do next:
 *     CONFIG  no rclone, or no such remote
 *     LOGIN   the remote refuses our credentials
 *     LINK    it cannot be reached, or was silent for too long
 *     PLACE   it is full, read-only or refuses; and whatever else rclone says
 *     MISSING no such file there
 *     DAMAGED what is there is not what it must be
 *     and those of the local disk.
 */
#ifndef MAILSLED_FAR_H
#define MAILSLED_FAR_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/places.h"
#include "mailsled/sys.h"
#include "mailsled/types.h"

#define SLED_FAR_FILE 101 /* a file's path there, with the NUL */

struct sled_far; /* opaque */

struct sled_far_conf {
	const struct sled_sys *sys;
	const char *remote; /* "REMOTE:PATH" */
	const char
	    *scratch; /* a private folder of ours, absolute; it is there */
	uint64_t bandwidth; /* octets a second at most; 0: no limit */
	unsigned stall_s;   /* no octet for so long ends a transfer; 0: 60 */
};

/* Touches no network; CONFIG when there is no rclone. Strings are copied. */
SLED_CHECK bool sled_far_open(struct sled_far **out,
                              const struct sled_far_conf *conf,
                              struct sled_err *err);
void sled_far_close(struct sled_far **far);

/* Is TEXT a path that we would put there: relative, tidy, of letters, digits,
 * '.', '_', '+' and '-'? */
bool sled_far_name_ok(const char *text);

/* ---- its mark ---- */

enum sled_far_found {
	SLED_FAR_MARKED,   /* COPY.txt is there */
	SLED_FAR_EMPTY,    /* nothing there yet: it may be marked */
	SLED_FAR_UNMARKED, /* other things are there, and no mark */
};

/* List it, and read its mark: *mark is filled when it is MARKED. The list is
 * kept until the next probe. */
SLED_CHECK bool sled_far_probe(struct sled_far *far, enum sled_far_found *found,
                               struct sled_mark *mark, struct sled_err *err);
/* STORE.txt as it is in the local folder FROM, then COPY.txt of MARK; it is read
 * back. One that is there is set aside. The caller decided that it may be. */
SLED_CHECK bool sled_far_mark(struct sled_far *far, const char *from,
                              const struct sled_mark *mark,
                              struct sled_span knows, struct sled_err *err);

/* ---- its files ---- */

/* What is there, by the last probe, in strcmp()'s order; names that are none
 * of ours are left out. */
typedef bool sled_far_each_fn(void *ctx, const char *file, uint64_t octets,
                              struct sled_err *err);
SLED_CHECK bool sled_far_list(struct sled_far *far, sled_far_each_fn *each,
                              void *ctx, struct sled_err *err);
/* Of one file by the last probe; false when it was not there. */
bool sled_far_has(const struct sled_far *far, const char *file,
                  uint64_t *octets);

enum sled_far_state {
	SLED_FAR_UNKNOWN, /* it could not be read */
	SLED_FAR_RIGHT,
	SLED_FAR_OTHER,  /* other bytes */
	SLED_FAR_ABSENT, /* no such file */
};

struct sled_far_file {
	char file[SLED_FAR_FILE];
	uint64_t octets;
	struct sled_hash sha256;
	enum sled_far_state state; /* of the last check */
};

/* Put files there that are below the local folder FROM under the same names.
 * Immutable: one that is there already is left as it is. Not yet checked: what
 * has come of it is for sled_far_check() to say, also after a failure. */
SLED_CHECK bool sled_far_push(struct sled_far *far, const char *from,
                              const struct sled_far_file *files, size_t len,
                              struct sled_err *err);
/* Have the SHA-256 of what is there compared, by the remote where it can tell
 * one, else by reading all of it here. Fills .state of each; false only when
 * nothing could be said. */
SLED_CHECK bool sled_far_check(struct sled_far *far,
                               struct sled_far_file *files, size_t len,
                               struct sled_err *err);
/* Out of the way, to "quarantine/FILE.TIME" there; and away. */
SLED_CHECK bool sled_far_set_aside(struct sled_far *far, const char *file,
                                   int64_t now, struct sled_err *err);
SLED_CHECK bool sled_far_remove(struct sled_far *far, const char *file,
                                struct sled_err *err);

/* Bring FILE into the open local folder DIR_FD under NAME: whole, synced and
 * renamed, or not at all. What NAME was is replaced. Whether it is what was
 * once put there its hash must tell. */
SLED_CHECK bool sled_far_fetch(struct sled_far *far, const char *file,
                               int dir_fd, const char *name,
                               struct sled_err *err);

#endif
