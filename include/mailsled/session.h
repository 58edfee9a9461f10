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
	/* The window's plan, asked before each RETR; the caller tells it what
	 * is measured and spent. NULL: in the order of the listing, and time
	 * has no end. */
	struct sled_plan *plan;
	unsigned lane;         /* joined by the caller, for this visit */
	int64_t plan_began_ms; /* sled_clock_ms() when the plan was made */
	int64_t up_ms;         /* how long the link has been up; 0: not known */
	int64_t round;         /* for the visit's row */
	const char *device; /* leave by this interface; NULL: by the routes */
	/* What the link is said to carry, until it was measured; 0: not told.
	 * Octets a second, and ms. */
	uint64_t rate;
	uint32_t rtt_ms;
};

struct sled_visit_progress {
	enum sled_phase phase;
	uint64_t listed, wanted; /* messages; wanted: to be fetched */
	uint64_t fetched, safe, deleted;
	uint64_t bytes, wanted_bytes; /* of mail; wanted_bytes as listed */
	int64_t ms;                   /* since the start */
	uint64_t wire;                /* octets both ways so far */
	/* What this connection was seen to carry, octets a second; LOW is the
	 * slow end; 0: not measured. The smallest RTT; 0: not known. */
	uint64_t rate, low;
	uint32_t rtt_ms;
	bool busy; /* mail was asked for and has not all come */
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
	/* Why the plan did not begin what is left or held. */
	uint64_t left_time, left_budget, held_longer;
	/* It was secured in time, not finished: one more visit is due. */
	bool more;
	/* No secret was sent: what answered is not the server (a captive portal
	 * or another network); or its certificate was refused. */
	bool stranger, refused_cert;
	int64_t not_before; /* wall time: LOGIN-DELAY; or 0 */
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
 * that are due leave with QUIT. A line that is silent while it owes an answer,
 * for 2 s and two round trips, is closed at once. NOW: close at once; what is
 * whole is kept. */
void sled_session_stop(struct sled_session *session, bool now);
/* After DONE. */
void sled_session_free(struct sled_session **session);

#endif
