/*
 * fx_box.h - for tests: a store of up to three places in a folder of its own,
 * and visits to a maildrop that exists as a table only, step by step as a
 * session takes them. What has no result ends the test when it fails.
 */
#ifndef FX_BOX_H
#define FX_BOX_H

#include "fx_sys.h"
#include "fx_tmp.h"
#include "mailsled/clock.h"
#include "mailsled/store.h"

#define FX_BOX_PLACES 3

/* One message of the maildrop. */
struct fx_letter {
	const char *uid;  /* NULL: UIDL does not name it */
	const char *text; /* its exact bytes, up to a NUL */
	uint64_t listed;  /* 0: as long as the text is */
};

struct fx_box {
	struct fx_tmp tmp;
	struct fx_sys sys; /* faults; do not move the struct */
	char paths[FX_BOX_PLACES][FX_TMP_PATH + 16];
	const char *copies[FX_BOX_PLACES - 1];
	struct sled_store_conf conf;
	struct sled_store *store;
	struct sled_box *box;
	struct sled_listing listing;
	const struct fx_letter *letters; /* of the visit at hand */
	int64_t now;
	bool no_top; /* the server refuses TOP */
	/* What the visit at hand did; begin() sets them to 0. */
	unsigned tops, retrs, deles;
	char said[16384]; /* what the store said, a line each */
};

/* Places a, b, c below one folder; needs MIN of COUNT. The store is open. */
void fx_box_make(struct fx_box *fx, size_t count, unsigned min);
void fx_box_drop(struct fx_box *fx);
/* No faults from here on: their lock, which each call takes, would put threads
 * in an order that they do not have. */
void fx_box_plain(struct fx_box *fx);
void fx_box_open(struct fx_box *fx);
void fx_box_close(struct fx_box *fx);
/* The ledger while the store is closed, to be changed by the test. */
struct sled_ledger *fx_box_ledger(struct fx_box *fx);
/* Place I has a file system of its own, which is away now (or is back). */
void fx_box_unplug(struct fx_box *fx, size_t i);
void fx_box_plug(struct fx_box *fx, size_t i);
/* All that place I has is removed, its folder too. */
void fx_box_wipe(struct fx_box *fx, size_t i);

/* What is verified in a place was verified so many seconds ago. */
void fx_box_age(struct fx_box *fx, int64_t seconds);
/* Change a byte of place I's first volume, SHIFT bytes before its end. */
void fx_box_damage(struct fx_box *fx, size_t i, size_t shift);
/* A command of the shell with "%s" for the folder of all places. */
void fx_box_shell(struct fx_box *fx, const char *command);

/* The steps of a visit. UNTIL is delete_until: FX_NEVER, FX_ALWAYS, a time. */
#define FX_NEVER  INT64_MIN
#define FX_ALWAYS INT64_MAX
void fx_box_begin(struct fx_box *fx, const struct fx_letter *letters,
                  size_t len, int64_t until);
void fx_box_prove(struct fx_box *fx); /* TOP for all that is PROVE */
void fx_box_retr(struct fx_box *fx, size_t item);
void fx_box_fetch(struct fx_box *fx); /* RETR for all that is NEW */
void fx_box_commit(struct fx_box *fx);
void fx_box_recheck(struct fx_box *fx); /* the next three */
void fx_box_recheck_take(struct fx_box *fx);
void fx_box_recount(struct fx_box *fx); /* [job] */
void fx_box_recheck_apply(struct fx_box *fx);
void fx_box_dele(struct fx_box *fx); /* of all that may be */
void fx_box_quit(struct fx_box *fx); /* it was answered +OK */
void fx_box_end(struct fx_box *fx);
/* As a kill would: no visit is noted, the spool stays as it is. */
void fx_box_kill(struct fx_box *fx);
/* All of them. */
void fx_box_visit(struct fx_box *fx, const struct fx_letter *letters,
                  size_t len, int64_t until);

/* ---- questions ---- */

enum sled_verdict fx_box_verdict(const struct fx_box *fx, size_t item);
unsigned fx_box_flags(const struct fx_box *fx, size_t item);
/* Rows of all messages; those not gone; those on the server. */
size_t fx_box_rows(struct fx_box *fx);
size_t fx_box_live(struct fx_box *fx);
size_t fx_box_on_server(struct fx_box *fx);
/* The row of this number; it must be there. Without its texts. */
struct sled_message fx_box_row(struct fx_box *fx, uint64_t number);
struct sled_maildrop fx_box_habits(struct fx_box *fx);
/* Whole lines of the journal in place I that contain TEXT. */
unsigned fx_box_journal(struct fx_box *fx, size_t i, const char *text);

#endif
