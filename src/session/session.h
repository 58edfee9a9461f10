/* session.h - what the files of the session share; private to session. */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "mailsled/hash.h"
#include "mailsled/pop3.h"
#include "mailsled/session.h"

/* In flight at most: so many octets (as listed) beyond two messages. */
#define SLED_FLIGHT_BYTES (128u << 10)
/* So many whole messages may wait for a commit: memory is flat even where the
 * link outruns the disk for minutes. */
#define SLED_BACKLOG_MAX 4096
#define SLED_STOP_MS     10000 /* what may still end after a stop */
/* A body may be so much larger than twice its listed size. */
#define SLED_BODY_SPARE (64u << 20)

/* Why an item was not fetched; every listed one ends in exactly one count. */
enum sled_fate {
	SLED_FATE_NONE,
	SLED_FATE_HELD,   /* larger than hold-larger */
	SLED_FATE_LEFT,   /* no room, no time, told to stop */
	SLED_FATE_FAILED, /* asked for, not got */
};

struct sled_caps {
	bool known, pipelining, top, uidl, stls, plain, login, user;
	bool expire_0;
};

struct sled_session {
	struct sled_loop *loop;
	struct sled_visit_conf conf;
	struct sled_visit_calls calls;

	struct sled_dial *dial;
	struct sled_conn *conn;
	struct sled_tls *tls;
	struct sled_pop3 *pop;
	struct sled_timer *stall; /* no byte for so long */
	struct sled_timer *grace; /* after a stop */
	bool secure;              /* TLS is up: the certificate was verified */
	bool closed;              /* the connection is over */
	bool ending;              /* no more commands: commit, report */
	bool stopping;            /* asked to stop: no new RETR */
	bool reported;

	struct sled_caps caps;
	enum sled_phase phase;
	int64_t began_ms;
	char text[16384]; /* plaintext on its way to the engine */

	struct sled_box *box; /* NULL: try only */
	struct sled_listing listing;
	bool stat_done, uids_begun, uids_done, sizes_done;
	struct sled_intake *top; /* digests of TOPs */
	size_t next_proof, next_retr;
	size_t in_flight; /* RETRs and TOPs without their end */
	uint64_t flight_bytes;
	uint64_t body_octets; /* of the body on its way, so far */
	bool taking;          /* a message is on its way into the box */
	bool job;             /* a commit or recheck runs on a pool thread */
	bool rechecked;       /* the recheck was done */
	struct sled_err job_err;
	bool store_failed; /* no use in fetching more */
	size_t next_dele;
	bool quit_sent, quit_matters, deleting;

	struct sled_visit_progress now;
	struct sled_visit_result result;
};

/* ---- session.c ---- */
void sled_session_fail(struct sled_session *s, const struct sled_err *err);
void sled_session_warn(struct sled_session *s, const char *fmt, ...)
    SLED_PRINTF(2, 3);
/* The progress callback. */
void sled_session_tell(struct sled_session *s);
void sled_session_phase(struct sled_session *s, enum sled_phase phase);
/* Whether a call of the engine worked; if not, the visit fails. */
bool sled_session_did(struct sled_session *s, bool ok,
                      const struct sled_err *err);
/* The end of the conversation: close, commit what is whole, report. */
void sled_session_end(struct sled_session *s);

/* ---- wire.c: bytes between the socket, TLS and the engine ---- */
void sled_wire_connected(struct sled_session *s, struct sled_conn *conn);
bool sled_wire_start_tls(struct sled_session *s, struct sled_err *err);
void sled_wire_flush(struct sled_session *s);

/* ---- login.c ---- */
void sled_login_event(struct sled_session *s,
                      const struct sled_pop3_event *event);
void sled_login_secure(struct sled_session *s);

/* ---- listing.c ---- */
void sled_list_start(struct sled_session *s);
/* The line ended while the listing came. */
void sled_list_lost(struct sled_session *s, enum sled_err_kind why);
void sled_list_event(struct sled_session *s,
                     const struct sled_pop3_event *event);

/* ---- fetch.c ---- */
void sled_fetch_start(struct sled_session *s);
void sled_fetch_event(struct sled_session *s,
                      const struct sled_pop3_event *event);
void sled_fetch_more(struct sled_session *s);
/* Start a commit when one is due; true while a job runs. */
bool sled_fetch_commit(struct sled_session *s, bool flush);

/* ---- delete.c: the only DELE, and QUIT ---- */
void sled_delete_start(struct sled_session *s);
void sled_delete_event(struct sled_session *s,
                       const struct sled_pop3_event *event);

/* ---- report.c ---- */
void sled_report(struct sled_session *s);

#endif
