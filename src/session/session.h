/* session.h - what the files of the session share; private to session. */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "mailsled/hash.h"
#include "mailsled/pop3.h"
#include "mailsled/session.h"
#include "session/pace.h"
#include "session/recall.h"

/* So many whole messages may wait for a commit: memory is flat even where the
 * link outruns the disk for minutes. */
#define SLED_BACKLOG_MAX 4096
#define SLED_STOP_MS     10000 /* what may still end after a stop */
/* A body may be so much larger than twice its listed size, at most. */
#define SLED_BODY_SPARE (64u << 20)

/* Why an item was not fetched; every listed one ends in exactly one count. */
enum sled_fate {
	SLED_FATE_NONE,
	SLED_FATE_HELD,   /* larger than hold-larger, or than any window */
	SLED_FATE_LEFT,   /* no room, no time, told to stop */
	SLED_FATE_FAILED, /* asked for, not got */
};

/* What an item was asked for. */
enum sled_asked {
	SLED_ASKED_TOP = 1,
	SLED_ASKED_FETCH, /* it has its place in the order */
	SLED_ASKED_LATE,  /* ... behind all others: it was set aside */
	SLED_ASKED_RETR,
};

/*
 * How much leaves on the word of an earlier visit: a round trip each. The
 * listing's commands may follow AUTH at once only where this server took
 * exactly this form of AUTH line before: one that answers it by a challenge
 * would take the next command for the secret.
 */
enum sled_mode {
	SLED_MODE_STRICT, /* CAPA first; AUTH, then the listing */
	SLED_MODE_FLIGHT, /* behind the greeting: AUTH, STAT, UIDL, LIST */
	SLED_MODE_EAGER,  /* the same with the TLS Finished, before it */
};

/* What CAPA says of time; 0 where it does not. */
struct sled_capa_limits {
	bool told;            /* by a CAPA of this visit */
	uint32_t expire_days; /* mail is deleted after so many */
	uint32_t login_delay_s;
};

/* The message whose answer ended this visit. */
struct sled_blamed {
	size_t item; /* + 1; 0: none */
	struct sled_strike strike;
	char why[100];
};

/* TOPs of held mail, behind all that is fetched. */
struct sled_tops {
	bool kept;   /* each has its row */
	bool enough; /* no more previews */
	size_t next_drop, next_preview;
	size_t previews, in_flight;
	struct sled_buf text; /* of the one on its way */
};

struct sled_session {
	struct sled_loop *loop;
	struct sled_visit_conf conf;
	struct sled_visit_calls calls;

	struct sled_dial *dial;
	struct sled_lookup *lookup; /* refreshes the addresses */
	struct sled_conn *conn;
	struct sled_tls *tls;
	struct sled_pop3 *pop;
	struct sled_timer *stall; /* no byte for so long */
	struct sled_timer *grace; /* after a stop */
	struct sled_timer *hush;  /* after a stop: is the line silent? */
	struct sled_timer *late;  /* for a look-up behind the visit */

	/* Of this try: begin_again() sets it back. */
	bool idle;   /* nothing is on its way */
	bool secure; /* TLS is up: the certificate was verified */
	bool greeted;
	bool caps_known;
	bool caps_due; /* ask again, along with the listing */
	bool unproved; /* to an address that no look-up of today named */
	bool list_asked, stat_done, uids_begun, uids_done, sizes_done;
	unsigned challenges; /* of the login on its way */

	bool closed; /* the connection is over */
	bool again;  /* ... and the next one is due */

	bool ending;   /* no more commands: commit, report */
	bool stopping; /* asked to stop: no new RETR */
	bool reported;
	bool remembers;    /* .seen is of use */
	bool listed;       /* the box knows the listing */
	bool taking;       /* a message is on its way into the box */
	bool job;          /* a commit or recheck runs on a pool thread */
	bool rechecked;    /* the recheck was done, or begun */
	bool recounted;    /* places were counted for mail of earlier visits */
	bool store_failed; /* no use in fetching more */
	bool quit_sent, quit_matters, deleting;
	bool lookup_late; /* .late was set */

	enum sled_tls_hello hello;
	enum sled_mode mode, fell; /* this try's; the one that failed */
	unsigned caps;             /* SLED_PEER_* bits */
	unsigned caps_told;        /* ... by the CAPA that went along */
	const char *form;          /* of the login that was sent */
	struct sled_err refusal;   /* of a login that left on trust */
	char fresh[256];           /* addresses for those that led astray */
	struct sled_err stranger;  /* while these are looked up: what failed */
	enum sled_phase phase;
	int64_t phase_ms; /* when it began */
	int64_t began_ms;
	int64_t last_ms;  /* the last octet; 0: none yet */
	char text[16384]; /* plaintext on its way to the engine */

	struct sled_box *box; /* NULL: try only */
	struct sled_listing listing;
	struct sled_listing seen;   /* of the last visit */
	struct sled_recall *recall; /* while it is asked what changed */
	size_t lines;               /* of the listing that comes */
	uint64_t stat_octets;
	int64_t delete_until;    /* what was received until then may go */
	struct sled_intake *top; /* digests of TOPs */
	size_t next_proof;
	size_t next_stray;
	size_t next_retr;             /* without a plan */
	bool dry;                     /* the last look for a RETR found none */
	enum sled_plan_answer answer; /* the plan's last */
	uint64_t unsafe;       /* stored, and not yet deleted though due */
	size_t in_flight;      /* RETRs and TOPs without their end */
	uint64_t flight_bytes; /* of them, whole, as listed */
	struct sled_pace pace;
	char path_name[SLED_ROUTE_NAME];
	uint64_t body_octets; /* of the body on its way, so far */
	size_t next_dele;
	struct sled_capa_limits limits;
	struct sled_tops holding;
	struct sled_blamed blamed;
	size_t asides;      /* set aside, and not asked for yet */
	bool aside_waits;   /* ... until nothing is left to be deleted */
	size_t last_whole;  /* the message that came last, + 1; 0: none */
	uint64_t last_size; /* ... and as many came */
	/* "-" and the words, where the last answer was a refusal. */
	char refused[168];
	bool refused_twice; /* in the same words, one behind the other */
	bool shifted;       /* one came that may have been another */
	bool lost_order;    /* a reply was not what it had to be */
	bool suspected;     /* what came beside one that did not as listed */
	bool no_top;        /* the server refused one */

	struct sled_visit_progress now;
	struct sled_visit_result result;
};

static inline bool
sled_can(const struct sled_session *s, unsigned cap)
{
	return (s->caps & cap) != 0;
}

/* What is known of the server; NULL when the visit is only tried. */
static inline struct sled_peer *
sled_peer_of(const struct sled_session *s)
{
	return s->box == NULL ? NULL : sled_box_peer(s->box);
}

/* Is what was given up until then to be tried again? A clock that was ahead
 * must not keep us from that for years. */
static inline bool
sled_is_over(int64_t until, int64_t now)
{
	return now >= until || until - now > SLED_VISIT_AGAIN_S;
}

/* ---- session.c ---- */
/* The visit begins anew where that may mend it (eager.c), else it ends. */
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

/* ---- ticket.c ---- */
/* Offer a ticket, before the first step of TLS. */
void sled_ticket_offer(struct sled_session *s);
/* The handshake is done: was it taken? */
void sled_ticket_secure(struct sled_session *s);
/* The connection is about to be closed. */
void sled_ticket_keep(struct sled_session *s);

/* ---- reach.c: addresses, the dial, one more try ---- */
bool sled_reach_start(struct sled_session *s, struct sled_err *err);
/* The handshake is done: these addresses lead to the server. */
void sled_reach_secure(struct sled_session *s);
/* Look the name up for the next visit, if what is known is old. */
void sled_reach_refresh(struct sled_session *s);
/* The visit is over but for that; sled_session_end() is called once more. */
bool sled_reach_waits(struct sled_session *s);
/* That, or the look-up behind a stranger, took too long. */
void sled_reach_late(void *ctx);
/* Close the connection, its cost and its tickets noted. */
void sled_reach_close(struct sled_session *s);
/* A failure that another try may mend: it is under way. */
bool sled_reach_again(struct sled_session *s, const struct sled_err *err);

/* ---- path.c: what the way to the server carries ---- */
/* Before the dial; ADDRESSES as sled_dial_to has them. */
void sled_path_recall(struct sled_session *s, const char *addresses);
void sled_path_connected(struct sled_session *s);
void sled_path_came(struct sled_session *s, size_t octets);
/* Let more be in flight to us, if that is what holds it up. */
void sled_path_retune(struct sled_session *s);
/* What it carries and has cost, for the progress. */
void sled_path_tell(struct sled_session *s);
void sled_path_keep(struct sled_session *s);

/* ---- wire.c: bytes between the socket, TLS and the engine ---- */
void sled_wire_connected(struct sled_session *s, struct sled_conn *conn);
bool sled_wire_start_tls(struct sled_session *s, struct sled_err *err);
void sled_wire_flush(struct sled_session *s);

/* ---- capa.c ---- */
/* SLED_PEER_* bits that a line of CAPA's answer tells of. */
unsigned sled_capa_of(struct sled_span line);
/* What the line tells of EXPIRE and LOGIN-DELAY. */
void sled_capa_limit(struct sled_capa_limits *limits, struct sled_span line);

/* ---- eager.c: what may leave on trust, and what is learned of it ---- */
void sled_eager_choose(struct sled_session *s);
/* TLS is up, or the greeting came: does the login leave now? */
bool sled_eager_due(const struct sled_session *s);
/* Is what left on trust to be answered now; and how long may that take? */
bool sled_eager_waits(const struct sled_session *s);
uint64_t sled_eager_patience(const struct sled_session *s);
/* Was the answer to another line taken for the refusal of the login? */
bool sled_eager_misled(const struct sled_session *s,
                       const struct sled_err *err);
/* May the visit begin anew, strictly? */
bool sled_eager_again(struct sled_session *s, const struct sled_err *err);
/* The visit ends, and not well. */
void sled_eager_failed(struct sled_session *s, const struct sled_err *err);
/* The login was accepted; the listing came. */
void sled_eager_accepted(struct sled_session *s);
void sled_eager_listed(struct sled_session *s);
/* Of the answer to a CAPA that went along. */
void sled_eager_capa(struct sled_session *s,
                     const struct sled_pop3_event *event);

/* ---- login.c ---- */
#define SLED_FORM_PLAIN "PLAIN" /* AUTH PLAIN with its initial response */
#define SLED_FORM_USER  "USER"  /* USER and PASS */
/* Can this account log in by one line of this form? */
bool sled_login_may_take(const struct sled_session *s, const char *form);
void sled_login_event(struct sled_session *s,
                      const struct sled_pop3_event *event);
void sled_login_secure(struct sled_session *s);

/* ---- quote.c: what the server says, where others read it ---- */
/* base64 of NUL user NUL password (RFC 4616). */
bool sled_quote_plain(const struct sled_session *s, struct sled_buf *out,
                      struct sled_err *err);
/* Clipped and escaped; or that it is not shown, for it repeats the secret. */
void sled_quote(const struct sled_session *s, char *out, size_t room,
                struct sled_span text);
/* The engine's failure, which may quote a line. */
void sled_quote_failure(const struct sled_session *s, struct sled_err *err);

/* ---- listing.c ---- */
/* Is one of this size left on the server, unless it is asked for? */
bool sled_list_is_held(const struct sled_session *s, uint64_t size);
/* Did the user ask for it, whatever its size? */
bool sled_list_is_wanted(const struct sled_session *s, size_t i);
/* Is an item that is new wanted, or held? */
void sled_list_judge(struct sled_session *s, struct sled_item *item);
/* Queue STAT, and UIDL and LIST where they may follow at once. */
void sled_list_ask(struct sled_session *s);
/* Was pipelining not seen to fail on this server? */
bool sled_list_may_pipeline(const struct sled_session *s);
void sled_list_ask_whole(struct sled_session *s);
/* The listing is there: learn, judge, go on. */
void sled_list_done(struct sled_session *s);
/* The login is done. */
void sled_list_start(struct sled_session *s);
/* The line ended while the listing came. */
void sled_list_lost(struct sled_session *s, enum sled_err_kind why);
void sled_list_event(struct sled_session *s,
                     const struct sled_pop3_event *event);

/* ---- remember.c: the listing of the last visit ---- */
SLED_CHECK bool sled_remember_load(struct sled_session *s,
                                   struct sled_err *err);
/* Behind STAT: ask what changed; false when all is to be listed. */
bool sled_remember_ask(struct sled_session *s);
void sled_remember_stat(struct sled_session *s, uint32_t count,
                        uint64_t octets);
void sled_remember_event(struct sled_session *s,
                         const struct sled_pop3_event *event);
/* The whole listing came. */
void sled_remember_whole(struct sled_session *s);
/* The visit is over. */
void sled_remember_keep(struct sled_session *s);

/* ---- fetch.c ---- */
void sled_fetch_start(struct sled_session *s);
void sled_fetch_event(struct sled_session *s,
                      const struct sled_pop3_event *event);
void sled_fetch_more(struct sled_session *s);
/* Start a commit when one is due; true while a job runs. */
bool sled_fetch_commit(struct sled_session *s, bool flush);

/* ---- held.c: mail that stays on the server ---- */
/* Behind the last commit: true while TOPs of held mail are on their way. */
bool sled_held_more(struct sled_session *s);
/* Answers while they are. */
void sled_held_event(struct sled_session *s,
                     const struct sled_pop3_event *event);
/* Each held item gets its row, unless it has; not beside a job. */
void sled_held_keep(struct sled_session *s);

/* ---- aside.c: messages whose answer ends visits ---- */
/* Octets that the item's answer may have beyond twice its listed size. */
uint64_t sled_aside_spare(const struct sled_session *s, size_t i);
/* It is not asked for in this visit. */
bool sled_aside_stays(const struct sled_session *s, size_t i);
/* If it is, then behind all others. */
bool sled_aside_is_late(const struct sled_session *s, size_t i);
/* Has its answer ended a visit? */
bool sled_aside_has_ended(const struct sled_session *s, size_t i);
/* If it is late: may it be asked for in this connection? */
bool sled_aside_may_ask(const struct sled_session *s, size_t i);
/* Its answer is what ends this visit; the first one counts. */
void sled_aside_blame(struct sled_session *s, size_t i, bool endless,
                      const char *why);
/* The connection ends for this reason: an answer that is due is to blame. */
void sled_aside_ended(struct sled_session *s, const struct sled_err *err);
/* Note it; not beside a job. */
void sled_aside_keep(struct sled_session *s);
void sled_aside_tell(struct sled_session *s);

/* ---- shift.c: replies out of order ---- */
/* All that was asked for has come: the next that is to show its header; false:
 * none. Not beside a job. */
bool sled_shift_next(struct sled_session *s, size_t *i);
/* Its TOP came; NULL: it was refused. */
void sled_shift_shown(struct sled_session *s, size_t i,
                      const struct sled_digest *top);
/* The item came whole, of a size that is listed so. */
void sled_shift_landed(struct sled_session *s, size_t i, uint64_t size);
/* A RETR or TOP was refused, in these words. */
void sled_shift_refused(struct sled_session *s, const char *text);
/* Were two answers in a row the same, or was one a refusal, or of no size that is
 * listed? It may be one too many. */
bool sled_shift_echoed(const struct sled_session *s);
/* All is committed, and nothing deleted yet. */
void sled_shift_check(struct sled_session *s);
/* The same, of a visit that was ended. */
void sled_shift_ended(struct sled_session *s);

/* ---- order.c: which RETR is next ---- */
/* The listing is judged: all that is to be fetched enters the plan. */
void sled_order_start(struct sled_session *s);
/* One more is to be fetched. */
void sled_order_add(struct sled_session *s, size_t i);
/* The next to be asked for; false: none, now or ever. */
bool sled_order_next(struct sled_session *s, size_t *i);
/* Was the last answer no for all that is left? */
bool sled_order_is_dry(const struct sled_session *s);
/* Nothing is on its way or left: one that was set aside enters. False: none
 * may, now. */
bool sled_order_late(struct sled_session *s);
/* An answer to RETR is over, stored or refused; or it was not asked for. */
void sled_order_landed(struct sled_session *s, size_t i, bool stored);
/* Nothing is left to ask for: what no window can carry is held. */
void sled_order_hold(struct sled_session *s);
/* The visit is over: why what was not begun was not. */
void sled_order_end(struct sled_session *s);

/* ---- delete.c: the only DELE, and QUIT ---- */
/* Does QUIT delete what was RETRieved or TOPped? */
bool sled_delete_by_quit(const struct sled_session *s);
void sled_delete_start(struct sled_session *s);
void sled_delete_event(struct sled_session *s,
                       const struct sled_pop3_event *event);

/* ---- report.c ---- */
void sled_report(struct sled_session *s);

#endif
