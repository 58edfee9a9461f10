/*
 * fx_store.h - a store in a temporary folder, made-up mail that comes in as a
 * session brings it, and the promises that every store test holds it to.
 *
 * Contract
 *   TMP/store is the first place, TMP/copy1.. the copies, TMP/state the state
 *   folder where a test wants it elsewhere (.conf.state = .state). All goes
 *   through .fx, so faults can be armed at any time. Do not move the struct.
 *   Functions named assert_* and those that return void end the test when
 *   something does not hold; those that return bool leave the story in .err.
 *   Mail is described by struct fx_mail (fx_spool.h): a unique-id, octets of
 *   body, and a seed from which header and body follow; its listed size is
 *   that of its bytes.
 */
#ifndef FX_STORE_H
#define FX_STORE_H

#include <pthread.h>

#include "fx_spool.h"
#include "fx_sys.h"
#include "fx_tmp.h"
#include "mailsled/store.h"

#define FX_STORE_COPIES 3
#define FX_STORE_PATH   (FX_TMP_PATH + 32)
#define FX_STORE_MAILS  512
#define FX_STORE_NOW    1795445431 /* 2026-11-23T14:50:31Z */

struct fx_store {
	struct fx_tmp tmp;
	struct fx_sys fx;
	char path[FX_STORE_PATH], state[FX_STORE_PATH];
	char copy[FX_STORE_COPIES][FX_STORE_PATH];
	const char *copies[FX_STORE_COPIES];
	struct sled_store_conf conf; /* to be changed before an open */
	struct sled_store *store;    /* NULL while closed */
	int64_t now;                 /* of the next visit */
	struct sled_err err;
	/* Each line that the store said, newline-ended; said from any thread. */
	pthread_mutex_t lock;
	struct sled_buf said;
};

extern const struct sled_spool_owner fx_store_owner; /* "home" */
/* Above 0 while the fixture itself is at work: what it allocates meanwhile is
 * not the store's, and may not be refused. */
extern _Atomic int fx_store_busy;

/* Nothing is created but TMP. min_copies is COPIES + 1, rotation is off. */
void fx_store_make(struct fx_store *w, size_t copies);
/* Closes what is open. */
void fx_store_drop(struct fx_store *w);

SLED_CHECK bool fx_store_try(struct fx_store *w, enum sled_store_mode mode);
void fx_store_open(struct fx_store *w); /* to write; what was said is dropped */
void fx_store_close(struct fx_store *w);
bool fx_store_has_said(struct fx_store *w, const char *text);

/* Run a shell command in TMP; its exit must be 0. */
void fx_store_sh(struct fx_store *w, const char *fmt, ...) SLED_PRINTF(2, 3);
/* Turn each bit of the byte at AT of one file below TMP, a shell's pattern. */
void fx_store_damage(struct fx_store *w, const char *file, unsigned at);
/* Octets of TMP/NAME, SIZE_MAX when there is no such file; all of it. */
size_t fx_store_size(struct fx_store *w, const char *name);
struct sled_buf fx_store_slurp(struct fx_store *w, const char *name);

/* The exact bytes of MAIL, added to OUT. */
void fx_store_bytes(struct sled_buf *out, const struct fx_mail *mail);
struct sled_hash fx_store_hash(const struct fx_mail *mail);

/* ---- a visit, step by step ---- */

struct fx_visit {
	struct fx_store *w;
	struct sled_box *box;
	struct sled_listing listing;
	const struct fx_mail *mails;
	size_t len, fetched, deleted;
	struct sled_err err; /* the first failure */
	/* What was promised, by item; it stays after the close. */
	bool whole[FX_STORE_MAILS];      /* sled_box_end() returned true */
	bool may[FX_STORE_MAILS];        /* sled_box_may_delete() at the end */
	uint8_t verdict[FX_STORE_MAILS]; /* as listed, after the proofs */
};

/* box_open, a listing of MAILS (no others are on the server), box_listed, and
 * every proof answered by the mail's own header. All is due for deletion. */
SLED_CHECK bool fx_visit_begin(struct fx_visit *v, struct fx_store *w,
                               const struct fx_mail *mails, size_t len);
/* Answer one item's proof (TOP n 0) by its own header. */
SLED_CHECK bool fx_visit_prove(struct fx_visit *v, size_t item);
/* Bring in one item, or all that are NEW, with a commit behind each GROUP. */
SLED_CHECK bool fx_visit_fetch_one(struct fx_visit *v, size_t item);
SLED_CHECK bool fx_visit_fetch(struct fx_visit *v, size_t group);
SLED_CHECK bool fx_visit_commit(struct fx_visit *v, bool flush);
/* recheck; then .may is filled. */
SLED_CHECK bool fx_visit_count(struct fx_visit *v);
/* DELE of all that may be deleted, and QUIT answered +OK. */
SLED_CHECK bool fx_visit_delete(struct fx_visit *v);
/* Always frees; the visit's row is written when NOTE. */
SLED_CHECK bool fx_visit_end(struct fx_visit *v, bool note);

/* All of it: begin, fetch, commit, count, delete when wanted, end. Goes on as
 * a session does: a failure ends the fetching, never the close. */
SLED_CHECK bool fx_visit_run(struct fx_visit *v, struct fx_store *w,
                             const struct fx_mail *mails, size_t len,
                             size_t group, bool deleting);

/* ---- mail that no visit brings ---- */

extern const struct sled_spool_owner fx_import_owner; /* "home", on no server */

/* One message, in two pieces, as files come. */
SLED_CHECK bool fx_store_import_one(struct fx_store *w,
                                    struct sled_import *import,
                                    const struct fx_mail *mail);
/* All of MAILS, in two batches; what is there is not added again. SUMS may be
 * NULL. */
SLED_CHECK bool fx_store_import(struct fx_store *w, const struct fx_mail *mails,
                                size_t len, struct sled_import_sums *sums);

/* ---- promises; the store is open ---- */

/* How many rows have this mail's hash? */
size_t fx_store_rows(struct fx_store *w, const struct fx_mail *mail);
/* Each of MAILS has one row and is read back byte for byte; no other rows. */
void assert_store_has(struct fx_store *w, const struct fx_mail *mails,
                      size_t len);
/* Every member of every present place holds, as verify --deep says. */
void assert_store_verifies(struct fx_store *w);
/* Without the store: each volume of the place PATH is whole members to its
 * last byte and has each of MAILS once (.in, where IN is not NULL: which must
 * be there; the others may), and nothing else. */
void assert_place_has(const char *path, const struct fx_mail *mails, size_t len,
                      const bool *in);
/* By GNU tar alone: all volumes of PATH into one folder give each of MAILS
 * once, exact, without a word on stderr. */
void assert_place_untars(struct fx_store *w, const char *path,
                         const struct fx_mail *mails, size_t len);

#endif
