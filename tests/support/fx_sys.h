/*
 * fx_sys.h - the fault layer: the production sys table, counted, logged and
 * made to fail, for tests of everything that touches a disk.
 *
 * Contract
 *   Give &fx.sys to the module under test; do not move the struct after
 *   fx_sys_init(). Calls may come from several threads; the fx_sys_* functions
 *   that arm faults are called while no other thread is inside the table.
 *   "The Nth" counts from 1 and from the moment of arming; FX_ANY counts all.
 *
 *   Typical loop: for (n = 1; ; n++) { init; fail(FX_ANY, n, EIO, false); run;
 *   ok only if !fired; check the promise; stop when nothing fired }.
 */
#ifndef FX_SYS_H
#define FX_SYS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "mailsled/sys.h"

enum fx_call {
	FX_OPENAT,
	FX_CLOSE,
	FX_PREAD,
	FX_PWRITE,
	FX_FDATASYNC,
	FX_FSYNC,
	FX_FTRUNCATE,
	FX_RENAMEAT,
	FX_UNLINKAT,
	FX_MKDIRAT,
	FX_FCHMOD,
	FX_FSTAT,
	FX_FSTATAT,
	FX_SPACE,
	FX_DROP_PAGES,
	FX_SYNCFS,
	FX_ANY, /* of every kind; also the number of kinds */
};

#define FX_PLANS  8
#define FX_LIMITS 4
#define FX_PATH   512

struct fx_plan {
	enum fx_call call;
	int action; /* private to fx_sys.c */
	unsigned left;
	int errnum;
	bool forever;
};

/* Space under a path, as a small disk has it. */
struct fx_limit {
	char prefix[FX_PATH];
	int64_t left;
};

struct fx_sys {
	struct sled_sys sys;
	atomic_uint count[FX_ANY + 1];
	atomic_int open_fds; /* opened less closed, by way of the table */
	atomic_bool fired;   /* any armed fault came true */
	/* Behind the mutex. */
	pthread_mutex_t lock;
	struct fx_plan plan[FX_PLANS];
	unsigned plans, limits;
	struct fx_limit limit[FX_LIMITS];
	char pull[FX_PATH]; /* "": none is */
	unsigned pull_left; /* calls below it that are still made */
	size_t short_read, short_write; /* 0: whole */
	bool logging;
	char root[FX_PATH]; /* taken off the paths in the log */
	char *log;
	size_t log_len, log_room;
};

/* ROOT: the test's folder, for short paths in the log; may be NULL. */
void fx_sys_init(struct fx_sys *fx, const char *root);
void fx_sys_done(struct fx_sys *fx);
/* Take back all faults, limits and short calls; counts and log stay. */
void fx_sys_calm(struct fx_sys *fx);

/* The Nth CALL answers -1 and ERRNUM without being made (close() is made);
 * with FOREVER each one after it too. */
void fx_sys_fail(struct fx_sys *fx, enum fx_call call, unsigned nth, int errnum,
                 bool forever);
/* SIGKILL to this process instead of the Nth CALL; with tear, in the middle of
 * the Nth pwrite, of which the first half was written. */
void fx_sys_kill(struct fx_sys *fx, enum fx_call call, unsigned nth);
void fx_sys_tear(struct fx_sys *fx, unsigned nth);
/* The Nth pwrite writes the first half of it, and says so. */
void fx_sys_halve(struct fx_sys *fx, unsigned nth);
/* No pread or pwrite moves more than this many bytes at once. 0: whole. */
void fx_sys_short(struct fx_sys *fx, size_t read_most, size_t write_most);
/* Files below the folder PATH may grow by BYTES more: then short writes and
 * ENOSPC. Cutting and unlinking give back. space() answers what is left. */
void fx_sys_limit(struct fx_sys *fx, const char *path, uint64_t bytes);

/* The disk of the folder PATH is pulled: from the Nth call on something below
 * it on, each answers EIO; close() gives its number back. */
void fx_sys_pull(struct fx_sys *fx, const char *path, unsigned nth);

unsigned fx_sys_count(struct fx_sys *fx, enum fx_call call);
bool fx_sys_fired(struct fx_sys *fx);
int fx_sys_open_fds(struct fx_sys *fx);

/*
 * The log, once fx_sys_log_on() was called: two lines a call, one when it
 * begins and one when it came back, with 0, a count of bytes, or errno's name:
 *   "> pwrite home.spool 120@4096"   "< pwrite home.spool 120@4096 = 120"
 *   "> fsync ."                      "< fsync . = 0"
 *   "> renameat a.tmp a"             "< renameat a.tmp a = EIO"
 * Paths are below ROOT; "." is ROOT itself.
 */
void fx_sys_log_on(struct fx_sys *fx);
void fx_sys_log_clear(struct fx_sys *fx);
/* All lines, each ended by a newline; "" when nothing was called. */
const char *fx_sys_log(struct fx_sys *fx);
/* Does a line that contains FIRST come before every line that contains THEN,
 * and is there a line of each? "< fsync . = 0" before "> unlinkat x" proves
 * that the one had ended when the other began. */
bool fx_sys_before(struct fx_sys *fx, const char *first, const char *then);

#endif
