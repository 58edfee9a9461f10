/*
 * session.h - one visit to one maildrop: look-up, connect, TLS, login,
 * listing, RETR, commit, DELE, QUIT. Holds the only DELE in the tree.
 *
 * Contract
 *   Runs on a loop, single-threaded but for the store's jobs; several sessions
 *   may run on one loop. start() returns at once; DONE is called once, from
 *   the loop, with the result, whatever happened. The session is freed by the
 *   caller after that. One deadline watches each silence (timeout_ms).
 *   The secret is sent only inside TLS whose certificate was verified (law 5).
 */
#ifndef MAILSLED_SESSION_H
#define MAILSLED_SESSION_H

#include "mailsled/conf.h"
#include "mailsled/err.h"
#include "mailsled/loop.h"
#include "mailsled/plan.h"
#include "mailsled/store.h"
#include "mailsled/tls.h"

struct sled_session; /* opaque */

/* What a server fails so often in a row (pipelined commands, tickets) is given
 * up; tickets, and a login ahead of the greeting, are tried again so much
 * later. */
#define SLED_VISIT_TRIES   2
#define SLED_VISIT_AGAIN_S INT64_C(2592000) /* 30 days */

enum sled_phase {
	SLED_PHASE_CONNECT, /* look-up and TCP */
	SLED_PHASE_TLS,
	SLED_PHASE_LOGIN,
	SLED_PHASE_LIST,
	SLED_PHASE_FETCH,  /* TOPs and RETRs */
	SLED_PHASE_SAVE,   /* the last commit */
	SLED_PHASE_DELETE, /* DELEs and QUIT */
	SLED_PHASE_DONE,
};

/* Borrowed until the session is freed. */
struct sled_visit_conf {
	const struct sled_conf_account *account;
	const struct sled_tls_trust *trust;
	const char *secret;       /* the password, NUL-ended */
	struct sled_store *store; /* NULL: try only, up to the listing */
	/* hold-larger, as it is on this link; the account's where not set. */
	struct sled_conf_hold hold;
	struct sled_plan *plan; /* the window's; NULL: time has no end */
	unsigned lane;          /* joined by the caller */
	int64_t up_ms; /* how long the link has been up; 0: not known */
	int64_t round; /* for the visit's row */
	/* Octets of mail that may be on their way at most, for a window that
	 * ends: a RETR cannot be taken back. 0: as many as the path is worth. */
	uint64_t flight_max;
};

struct sled_visit_progress {
	enum sled_phase phase;
	uint64_t listed, wanted; /* messages; wanted: to be fetched */
	uint64_t fetched, safe, deleted;
	uint64_t bytes, wanted_bytes; /* of mail; wanted_bytes as listed */
	int64_t ms;                   /* since the start */
};

/* Every listed message is in one of deleted, kept, held, left, failed. */
struct sled_visit_result {
	struct sled_visit_row row; /* counts, times, exit, error */
	struct sled_err err;       /* NONE: all went well */
	char warnings[1024];       /* printable, "; " between them */
	/* What the server is like, for `check`. */
	bool expire_0, no_uidl, pipelining;
	bool top;             /* announced */
	char greeting[128];   /* printable */
	char tls_version[16]; /* "TLSv1.3" */
	char peer[64];        /* numeric address */
	uint64_t mail_octets; /* listed, all together */
	bool trial;           /* nothing is deleted in the first 7 days */
	int64_t trial_ends;
	uint64_t pending; /* deletes that wait for places or QUIT */
};

typedef void sled_visit_done_fn(void *ctx,
                                const struct sled_visit_result *result);
typedef void sled_visit_progress_fn(void *ctx,
                                    const struct sled_visit_progress *now);

/* Who is told. The struct is copied. */
struct sled_visit_calls {
	sled_visit_progress_fn *progress; /* or NULL */
	sled_visit_done_fn *done;
	void *ctx;
};

SLED_CHECK bool sled_session_start(struct sled_session **out,
                                   struct sled_loop *loop,
                                   const struct sled_visit_conf *conf,
                                   const struct sled_visit_calls *calls,
                                   struct sled_err *err);
/* End it: what is in flight may end within 10 s, what is whole is kept, DELEs
 * that are due leave with QUIT. NOW: close at once; what is whole is kept. */
void sled_session_stop(struct sled_session *session, bool now);
/* After DONE. */
void sled_session_free(struct sled_session **session);

#endif
