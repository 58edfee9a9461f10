/*
 * ledger.h - the cache of what the archives hold, and what is known of each
 * message on its server. SQLite: WAL, synchronous=FULL, through a VFS over the
 * sys table, so that faults and crash states see it.
 *
 * Contract
 *   One object a process and store, usable from several threads: each call
 *   takes the ledger's own mutex. Several calls become one transaction between
 *   begin() and commit() or drop(); begin() waits for the mutex and the calling
 *   thread holds it until then (the mutex is recursive). A call outside is a
 *   transaction of its own. Readers in other processes never wait.
 *   A call that fails to write dooms the transaction it is in: those after it
 *   fail with the same story, commit() too, and nothing of it is kept.
 *   After a failed sync the object only reads (IO): close it and open it anew.
 *   A row handed to a callback, its strings and blobs too, is valid during the
 *   callback only; a callback may read the ledger, not write to it (INTERNAL);
 *   one that returns false ends the walk, which then fails with its *err.
 *   Changing a row by an id that is not there is MISSING.
 *   Errors: DAMAGED when SQLite calls the file corrupt or not a database or the
 *   schema is of another program; CONFIG when the schema is newer than this
 *   program; PLACE when the disk is full; IO; LINK when another process keeps
 *   it locked; INTERNAL for a second row of what is unique (a record, a number
 *   in a label, a volume's name). All may be thrown away: the store rebuilds it.
 */
#ifndef MAILSLED_LEDGER_H
#define MAILSLED_LEDGER_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/sys.h"
#include "mailsled/types.h"

/* Schema 2 has what a visit learns of its server and its path; 3 has rounds and
 * their bills, held mail, and more of each visit and maildrop; 4 has the health
 * of the places; 5 a tally of members; 6 deliveries; 7 what is set aside, and
 * the order of the last listing. A ledger of an older schema grows when it is
 * opened to write, in one transaction; to READ it as it is: what it cannot hold
 * is empty or 0. */
#define SLED_LEDGER_SCHEMA 7

struct sled_ledger; /* opaque */

enum sled_ledger_mode {
	/* MISSING when there is none, also an empty one; writes nothing but the
	 * shared memory that SQLite's readers meet in (PATH-shm) */
	SLED_LEDGER_READ,
	SLED_LEDGER_WRITE,  /* MISSING when there is none */
	SLED_LEDGER_CREATE, /* makes it when there is none */
};

/* PATH is the file's absolute path; its folder exists. INTERNAL when this
 * process has it open already: closing one would drop the other's locks. What
 * an earlier process wrote is made durable before it is believed. */
SLED_CHECK bool sled_ledger_open(struct sled_ledger **out,
                                 const struct sled_sys *sys, const char *path,
                                 enum sled_ledger_mode mode,
                                 struct sled_err *err);
/* Read all of it: DAMAGED when SQLite finds a fault. */
SLED_CHECK bool sled_ledger_check(struct sled_ledger *ledger,
                                  struct sled_err *err);
/* Drops an open transaction. With no other process there, -wal is folded in. */
void sled_ledger_close(struct sled_ledger **closing);

/* INTERNAL inside another one of the same thread. */
SLED_CHECK bool sled_ledger_begin(struct sled_ledger *ledger,
                                  struct sled_err *err);
/* On false the transaction was rolled back, and the mutex is free again. */
SLED_CHECK bool sled_ledger_commit(struct sled_ledger *ledger,
                                   struct sled_err *err);
/* Nothing happens when this thread has none open. */
void sled_ledger_drop(struct sled_ledger *ledger);

/* ---- small facts: store id, flags ---- */

/* *found false and OUT untouched when there is no such key. */
SLED_CHECK bool sled_ledger_get(struct sled_ledger *ledger, const char *key,
                                struct sled_buf *out, bool *found,
                                struct sled_err *err);
SLED_CHECK bool sled_ledger_put(struct sled_ledger *ledger, const char *key,
                                const char *value, struct sled_err *err);

/* ---- places ---- */

struct sled_place_row {
	char id[33];     /* the place's id from COPY.txt */
	char path[4096]; /* where it was last seen */
	int64_t seen;    /* when it was last there, with its mark */
	uint64_t fsid;   /* statfs f_fsid of its file system then */
	bool suspect; /* something bad is known: absent, it counts for naught */
};

typedef bool sled_place_fn(void *ctx, const struct sled_place_row *row,
                           struct sled_err *err);
SLED_CHECK bool sled_ledger_place_put(struct sled_ledger *ledger,
                                      const struct sled_place_row *row,
                                      struct sled_err *err);
SLED_CHECK bool sled_ledger_places(struct sled_ledger *ledger,
                                   sled_place_fn *each, void *ctx,
                                   struct sled_err *err);

/* ---- maildrops: server name and user, and the server's habits ---- */

struct sled_maildrop {
	int64_t id;
	int64_t first_visit;    /* wall time of the first whole listing, or 0 */
	uint32_t exact;         /* messages whose octets were the listed size */
	uint32_t lf_counted;    /* ... whose octets less their lines were it */
	uint32_t loose;         /* ... neither */
	bool reuses_ids;        /* was seen to give an id to another message */
	bool drops_retrieved;   /* QUIT was seen to delete what was RETRieved */
	bool expire_0;          /* announced it in CAPA at the last visit */
	bool no_uidl;           /* refused UIDL at the last visit */
	uint32_t expire_days;   /* announced: mail is deleted after so many; 0:
	                        * nothing announced, or NEVER */
	uint32_t login_delay_s; /* announced, or 0 */
	uint64_t octets;        /* STAT's, less what that visit deleted */
	int64_t visited;        /* when that began, or 0 */
	uint32_t listed_count;  /* the last visit's listing */
	uint32_t flights_lost;  /* visits in a row whose pipelined commands
				* were not answered, but for the first */
};

/* Finds or makes the row (MISSING instead in a ledger opened to READ). */
SLED_CHECK bool sled_ledger_maildrop(struct sled_ledger *ledger,
                                     const char *server, const char *user,
                                     struct sled_maildrop *out,
                                     struct sled_err *err);
SLED_CHECK bool sled_ledger_maildrop_put(struct sled_ledger *ledger,
                                         const struct sled_maildrop *row,
                                         struct sled_err *err);

/* The names of row ID, added to SERVER and USER; MISSING. */
SLED_CHECK bool sled_ledger_maildrop_name(struct sled_ledger *ledger,
                                          int64_t id, struct sled_buf *server,
                                          struct sled_buf *user,
                                          struct sled_err *err);

/* ---- peers: how a maildrop's server was met, so that a visit can skip what is
 * known; nothing here is needed, and a rebuild forgets it ---- */

enum { /* of the last CAPA */
	SLED_PEER_PIPELINING = 1,
	SLED_PEER_TOP = 2,
	SLED_PEER_UIDL = 4,
	SLED_PEER_PLAIN = 8,  /* SASL PLAIN */
	SLED_PEER_LOGIN = 16, /* SASL LOGIN */
	SLED_PEER_USER = 32,
	SLED_PEER_EXPIRE_0 = 64,
	SLED_PEER_STLS = 128,
};

struct sled_peer {
	char addresses[256];   /* numeric, best first, a space between them */
	int64_t looked_up;     /* when they were, or 0 */
	int64_t caps_seen;     /* when the server last told .caps, or 0 */
	int64_t eager_retry;   /* when to try again, or 0 */
	int64_t tickets_retry; /* when to offer one again, or 0 */
	int64_t listed_whole;  /* when the whole listing last came, or 0 */
	char eager[16];        /* "PLAIN": AUTH with an initial response was
	                        * answered +OK in a strict visit; "USER": USER
	                        * and PASS were; or "" */
	unsigned caps;         /* SLED_PEER_* */
	unsigned eager_lost;   /* eager tries in a row that failed */
	unsigned tickets_refused; /* offers in a row */
	uint16_t port;    /* all else holds for this one; 0: nothing is known */
	bool tls_default; /* the slim hello was refused */
	bool sums;        /* STAT's octets were the sum of LIST's */
};

/* All zero when there is no row. */
SLED_CHECK bool sled_ledger_peer(struct sled_ledger *ledger, int64_t maildrop,
                                 struct sled_peer *out, struct sled_err *err);
/* Insert or replace. */
SLED_CHECK bool sled_ledger_peer_put(struct sled_ledger *ledger,
                                     int64_t maildrop,
                                     const struct sled_peer *peer,
                                     struct sled_err *err);

/* ---- paths: what an interface was seen to carry ---- */

struct sled_path {
	char name[64];   /* of the interface */
	uint64_t rate;   /* octets/s down, or 0 */
	uint32_t rtt_ms; /* or 0 */
	uint32_t visits; /* that this was learned from */
	int64_t seen;    /* when it last was */
};

/* *found false and OUT untouched when it was never used. */
SLED_CHECK bool sled_ledger_path(struct sled_ledger *ledger, const char *name,
                                 struct sled_path *out, bool *found,
                                 struct sled_err *err);
/* By name: insert or replace. */
SLED_CHECK bool sled_ledger_path_put(struct sled_ledger *ledger,
                                     const struct sled_path *path,
                                     struct sled_err *err);

/* ---- the remembered listing of a maildrop ---- */

typedef bool sled_seen_fn(void *ctx, uint32_t number, const char *uid,
                          uint64_t size, struct sled_err *err);
/* In order of message-number; UID is "" for none. */
SLED_CHECK bool sled_ledger_seen(struct sled_ledger *ledger, int64_t maildrop,
                                 sled_seen_fn *each, void *ctx,
                                 struct sled_err *err);
/* Insert or replace. */
SLED_CHECK bool sled_ledger_seen_put(struct sled_ledger *ledger,
                                     int64_t maildrop, uint32_t number,
                                     const char *uid, uint64_t size,
                                     struct sled_err *err);
/* Forget FROM and those behind it. */
SLED_CHECK bool sled_ledger_seen_cut(struct sled_ledger *ledger,
                                     int64_t maildrop, uint32_t from,
                                     struct sled_err *err);

/* ---- the order of the last listing: which messages of ours it had; a row may
 * be gone by now ---- */

typedef bool sled_placed_fn(void *ctx, uint32_t number, int64_t message,
                            struct sled_err *err);
/* By number, which counts from 1 and is no message-number. */
SLED_CHECK bool sled_ledger_placed(struct sled_ledger *ledger, int64_t maildrop,
                                   sled_placed_fn *each, void *ctx,
                                   struct sled_err *err);
/* Insert or replace. */
SLED_CHECK bool sled_ledger_placed_put(struct sled_ledger *ledger,
                                       int64_t maildrop, uint32_t number,
                                       int64_t message, struct sled_err *err);
/* Forget FROM and those behind it. */
SLED_CHECK bool sled_ledger_placed_cut(struct sled_ledger *ledger,
                                       int64_t maildrop, uint32_t from,
                                       struct sled_err *err);

/* ---- volumes and members ---- */

struct sled_volume_row {
	int64_t id; /* 0: not yet in the ledger */
	char label[25];
	char name[16];
	int64_t maildrop;
	uint64_t end;      /* committed end: bytes behind it are not ours */
	unsigned receipts; /* the last receipts number used */
	bool turned;       /* no more members; sha256 is that of it sealed */
	bool sealed;       /* its file in the first place is the sealed one */
	/* Of the sealed file: "NAME.rN.tar.gz" from 1 on. One that is not 0 has
	 * turned, sealed in the first place or not. */
	unsigned revision;
	struct sled_hash sha256;
};

typedef bool sled_volume_fn(void *ctx, const struct sled_volume_row *row,
                            struct sled_err *err);
/* Insert (id 0: filled in) or update by id. */
SLED_CHECK bool sled_ledger_volume_put(struct sled_ledger *ledger,
                                       struct sled_volume_row *row,
                                       struct sled_err *err);
/* By label, then name; LABEL NULL: all. */
SLED_CHECK bool sled_ledger_volumes(struct sled_ledger *ledger,
                                    const char *label, sled_volume_fn *each,
                                    void *ctx, struct sled_err *err);
/* Octets of all volumes together, as they stand in a whole copy. */
SLED_CHECK bool sled_ledger_archived(struct sled_ledger *ledger, uint64_t *out,
                                     struct sled_err *err);
/* The last by name of this label; *found false when it has none. */
SLED_CHECK bool sled_ledger_volume_last(struct sled_ledger *ledger,
                                        const char *label,
                                        struct sled_volume_row *out,
                                        bool *found, struct sled_err *err);
/* *found false when there is none of that name. */
SLED_CHECK bool sled_ledger_volume_named(struct sled_ledger *ledger,
                                         const char *label, const char *name,
                                         struct sled_volume_row *out,
                                         bool *found, struct sled_err *err);
/* By id; MISSING. */
SLED_CHECK bool sled_ledger_volume_get(struct sled_ledger *ledger, int64_t id,
                                       struct sled_volume_row *out,
                                       struct sled_err *err);
/* Forget a volume with its members, holdings and messages. */
SLED_CHECK bool sled_ledger_volume_forget(struct sled_ledger *ledger,
                                          int64_t id, struct sled_err *err);

struct sled_member_row {
	int64_t id;     /* 0: not yet in the ledger */
	int64_t volume; /* id */
	uint64_t at, length, tar_octets;
	struct sled_hash body_sha256;
};

typedef bool sled_member_fn(void *ctx, const struct sled_member_row *row,
                            struct sled_err *err);
SLED_CHECK bool sled_ledger_member_put(struct sled_ledger *ledger,
                                       struct sled_member_row *row,
                                       struct sled_err *err);
/* Of one volume, those with at >= FROM, in order. */
SLED_CHECK bool sled_ledger_members(struct sled_ledger *ledger, int64_t volume,
                                    uint64_t from, sled_member_fn *each,
                                    void *ctx, struct sled_err *err);
/* Forget a member with its holdings and messages. */
SLED_CHECK bool sled_ledger_member_forget(struct sled_ledger *ledger,
                                          int64_t id, struct sled_err *err);
SLED_CHECK bool sled_ledger_member_get(struct sled_ledger *ledger, int64_t id,
                                       struct sled_member_row *out,
                                       struct sled_err *err);

/* A repair made another member of it, or gave it another place: both may be
 * new but the ids. Each member of VOLUME is given, in order; of those whose hash
 * changes nothing is known to be held any more. */
SLED_CHECK bool sled_ledger_members_move(struct sled_ledger *ledger,
                                         const struct sled_member_row *rows,
                                         size_t len, struct sled_err *err);

/* ---- holdings: which place was seen to hold a member, byte for byte ---- */

struct sled_holding {
	char place[33];
	int64_t verified; /* wall time of the last good read-back */
};

typedef bool sled_holding_fn(void *ctx, const struct sled_holding *holding,
                             struct sled_err *err);
SLED_CHECK bool sled_ledger_hold(struct sled_ledger *ledger, int64_t member,
                                 const char *place, int64_t verified,
                                 struct sled_err *err);
/* A place no longer holds it. MEMBER 0: nothing of what it held. */
SLED_CHECK bool sled_ledger_unhold(struct sled_ledger *ledger, int64_t member,
                                   const char *place, struct sled_err *err);
SLED_CHECK bool sled_ledger_holdings(struct sled_ledger *ledger, int64_t member,
                                     sled_holding_fn *each, void *ctx,
                                     struct sled_err *err);
/* Members of VOLUME that PLACE is not known to hold, in order. */
SLED_CHECK bool sled_ledger_lacking(struct sled_ledger *ledger, int64_t volume,
                                    const char *place, sled_member_fn *each,
                                    void *ctx, struct sled_err *err);

/* Members that a place was last seen to hold before a time, the oldest first. */
struct sled_stale_query {
	const char *place;
	int64_t before;
	uint64_t limit;
};

SLED_CHECK bool sled_ledger_stalest(struct sled_ledger *ledger,
                                    const struct sled_stale_query *query,
                                    sled_member_fn *each, void *ctx,
                                    struct sled_err *err);
/* When the one that was read back longest ago was; 0: it holds nothing. */
SLED_CHECK bool sled_ledger_oldest(struct sled_ledger *ledger,
                                   const char *place, int64_t *verified,
                                   struct sled_err *err);

/* What a place holds that was last read back on one day (UTC). */
struct sled_read_row {
	int64_t day;      /* since 1970-01-01 */
	uint64_t members; /* of archives */
	uint64_t octets;  /* that they take there */
};

typedef bool sled_read_fn(void *ctx, const struct sled_read_row *row,
                          struct sled_err *err);
/* Oldest first. */
SLED_CHECK bool sled_ledger_read_days(struct sled_ledger *ledger,
                                      const char *place, sled_read_fn *each,
                                      void *ctx, struct sled_err *err);

/* ---- health ---- */

/* A member that PLACE was seen to hold damaged; again: the newer one stays. */
struct sled_fault_row {
	int64_t member;
	char place[33];
	int64_t found;
	char text[256]; /* printable */
};

typedef bool sled_fault_fn(void *ctx, const struct sled_fault_row *row,
                           struct sled_err *err);
SLED_CHECK bool sled_ledger_fault_put(struct sled_ledger *ledger,
                                      const struct sled_fault_row *row,
                                      struct sled_err *err);
/* It holds again. MEMBER 0: all of the place's. */
SLED_CHECK bool sled_ledger_fault_clear(struct sled_ledger *ledger,
                                        int64_t member, const char *place,
                                        struct sled_err *err);
/* By place, volume and offset, but for what the place holds again; PLACE NULL:
 * all. */
SLED_CHECK bool sled_ledger_faults(struct sled_ledger *ledger,
                                   const char *place, sled_fault_fn *each,
                                   void *ctx, struct sled_err *err);

/* A volume that the user took out of a place, where others hold it: it is not
 * brought back there. */
SLED_CHECK bool sled_ledger_prune(struct sled_ledger *ledger, int64_t volume,
                                  const char *place, struct sled_err *err);
SLED_CHECK bool sled_ledger_unprune(struct sled_ledger *ledger, int64_t volume,
                                    const char *place, struct sled_err *err);
SLED_CHECK bool sled_ledger_pruned(struct sled_ledger *ledger, int64_t volume,
                                   const char *place, bool *out,
                                   struct sled_err *err);

/* The last outcome of what is done now and then, by kind: "drill", "scrub". */
struct sled_health_row {
	char kind[64];
	int64_t at;
	bool fine;
	char text[512]; /* printable */
};

SLED_CHECK bool sled_ledger_health_put(struct sled_ledger *ledger,
                                       const struct sled_health_row *row,
                                       struct sled_err *err);
SLED_CHECK bool sled_ledger_health(struct sled_ledger *ledger, const char *kind,
                                   struct sled_health_row *out, bool *found,
                                   struct sled_err *err);

/* A file that a far place was seen to have, whole. */
struct sled_far_row {
	char place[33];
	char file[101]; /* "home/2026-11-001.tar.gz" */
	uint64_t octets;
	struct sled_hash sha256;
	int64_t checked;
};

typedef bool sled_far_fn(void *ctx, const struct sled_far_row *row,
                         struct sled_err *err);
SLED_CHECK bool sled_ledger_far_put(struct sled_ledger *ledger,
                                    const struct sled_far_row *row,
                                    struct sled_err *err);
SLED_CHECK bool sled_ledger_far_forget(struct sled_ledger *ledger,
                                       const char *place, const char *file,
                                       struct sled_err *err);
/* By file. */
SLED_CHECK bool sled_ledger_fars(struct sled_ledger *ledger, const char *place,
                                 sled_far_fn *each, void *ctx,
                                 struct sled_err *err);

/* ---- messages ---- */

enum {
	SLED_MESSAGE_SHORT = 1, /* as in receipts (archive.h) */
	SLED_MESSAGE_NOID = 2,
	SLED_MESSAGE_REBUILT = 8, /* read from an archive, not from a server */
	SLED_MESSAGE_PROVED = 16, /* a TOP proved it after the rebuild */
	SLED_MESSAGE_UNSEEN = 32, /* rebuilt, and not in a listing since */
	/* The body hash of its DKIM-Signature fields (RFC 6376, bh=): one of
	 * them holds; none does; there are some, and none can be judged. */
	SLED_MESSAGE_BODY_HOLDS = 64,
	SLED_MESSAGE_BODY_OTHER = 128,
	SLED_MESSAGE_BODY_UNKNOWN = 256,
	SLED_MESSAGE_IMPORTED = 512, /* it was on no server that we know */
	/* It may be another message than its unique-id says, until a TOP proves
	 * it. */
	SLED_MESSAGE_DOUBTFUL = 1024,
	/* The same, of a visit that was killed. */
	SLED_MESSAGE_UNSURE = 2048,
};

/* Of a row: it may be another message. */
#define SLED_IN_DOUBT (SLED_MESSAGE_DOUBTFUL | SLED_MESSAGE_UNSURE)

struct sled_message {
	int64_t id; /* 0: not yet in the ledger */
	int64_t maildrop;
	char label[25];
	uint64_t number;            /* never reused in the label */
	char uid[SLED_UID_MAX + 1]; /* as last listed; "" for none */
	struct sled_hash sha256;
	uint64_t octets;
	uint64_t listed; /* the first known size */
	struct sled_hash head_sha256;
	uint64_t head_octets; /* 0: not known or no header */
	int64_t received;
	char record[40];
	char entry[101];
	int64_t member;
	unsigned flags;
	int64_t safe;      /* when it was first in min-copies places, or 0 */
	int64_t dele_sent; /* when DELE was last sent, or 0 */
	int64_t gone;      /* when QUIT confirmed it (or a listing showed it) */
	bool on_server; /* in the last listing; false is unknown if rebuilt */
	struct sled_span from, subject, date; /* as they came, unfolded */
};

typedef bool sled_message_fn(void *ctx, const struct sled_message *message,
                             struct sled_err *err);

SLED_CHECK bool sled_ledger_message_put(struct sled_ledger *ledger,
                                        struct sled_message *message,
                                        struct sled_err *err);
/* Update everything but from, subject, date by id. */
SLED_CHECK bool sled_ledger_message_update(struct sled_ledger *ledger,
                                           const struct sled_message *message,
                                           struct sled_err *err);
SLED_CHECK bool sled_ledger_message_forget(struct sled_ledger *ledger,
                                           int64_t id, struct sled_err *err);
/* The number after the highest ever used by LABEL (1 for the first); numbers
 * of forgotten volumes stay used. A number is used once its row is put. */
SLED_CHECK bool sled_ledger_number_next(struct sled_ledger *ledger,
                                        const char *label, uint64_t *out,
                                        struct sled_err *err);
/* The number of the message of that spool record, which its receipt may tell
 * otherwise (see adopt.c); *NUMBER is left alone when there is none. */
SLED_CHECK bool sled_ledger_record_number(struct sled_ledger *ledger,
                                          const char *record, uint64_t *number,
                                          bool *known, struct sled_err *err);
SLED_CHECK bool sled_ledger_record_known(struct sled_ledger *ledger,
                                         const char *record, bool *known,
                                         struct sled_err *err);

/* Rows of one maildrop: by unique-id (the row's own or another one known for
 * it), newest number first; by hash; all not gone, in order of number. */
SLED_CHECK bool sled_ledger_by_uid(struct sled_ledger *ledger, int64_t maildrop,
                                   const char *uid, sled_message_fn *each,
                                   void *ctx, struct sled_err *err);
/* MAILDROP 0: of all. */
SLED_CHECK bool sled_ledger_by_hash(struct sled_ledger *ledger,
                                    int64_t maildrop,
                                    const struct sled_hash *sha256,
                                    sled_message_fn *each, void *ctx,
                                    struct sled_err *err);
/* Another row of its maildrop with the octets of OF, whose .maildrop, .sha256 and
 * .id count; with GONE it may be one that is gone. *row is 0 when there is none.
 */
SLED_CHECK bool sled_ledger_alike(struct sled_ledger *ledger,
                                  const struct sled_message *of, bool gone,
                                  int64_t *row, struct sled_err *err);
SLED_CHECK bool sled_ledger_live(struct sled_ledger *ledger, int64_t maildrop,
                                 sled_message_fn *each, void *ctx,
                                 struct sled_err *err);
/* Those of them that have one of these flags. */
SLED_CHECK bool sled_ledger_flagged(struct sled_ledger *ledger,
                                    int64_t maildrop, unsigned flags,
                                    sled_message_fn *each, void *ctx,
                                    struct sled_err *err);
SLED_CHECK bool sled_ledger_by_id(struct sled_ledger *ledger, int64_t id,
                                  sled_message_fn *each, void *ctx,
                                  struct sled_err *err);
/* The message of a spool's record; of none "" is the id. */
SLED_CHECK bool sled_ledger_by_record(struct sled_ledger *ledger,
                                      const char *record, sled_message_fn *each,
                                      void *ctx, struct sled_err *err);
/* Whatever the maildrop: hash begins with this hex prefix; none does with
 * what is not hex. */
SLED_CHECK bool sled_ledger_by_prefix(struct sled_ledger *ledger,
                                      const char *hex, sled_message_fn *each,
                                      void *ctx, struct sled_err *err);
SLED_CHECK bool sled_ledger_by_number(struct sled_ledger *ledger,
                                      const char *label, uint64_t number,
                                      sled_message_fn *each, void *ctx,
                                      struct sled_err *err);

/* Newest first. */
struct sled_message_query {
	const char *label; /* NULL: all */
	int64_t since;     /* received at or after; 0: all */
	int64_t volume;    /* 0: all; else that volume's, in archive order */
	uint64_t limit;    /* 0: all */
	/* Only those behind the message of this id that was received then: the
	 * next page. 0: from the newest on. Not with .volume. */
	int64_t before_id, before;
};

SLED_CHECK bool sled_ledger_messages(struct sled_ledger *ledger,
                                     const struct sled_message_query *query,
                                     sled_message_fn *each, void *ctx,
                                     struct sled_err *err);

struct sled_message_mark {
	const char *label;
	uint64_t number;
	uint64_t limit; /* 0: all */
};

/* Those of a label whose number is above the mark's, in order of it. */
SLED_CHECK bool sled_ledger_after(struct sled_ledger *ledger,
                                  const struct sled_message_mark *mark,
                                  sled_message_fn *each, void *ctx,
                                  struct sled_err *err);

/* ... and below it (0: all), the highest first. */
SLED_CHECK bool sled_ledger_below(struct sled_ledger *ledger,
                                  const struct sled_message_mark *mark,
                                  sled_message_fn *each, void *ctx,
                                  struct sled_err *err);

/* A label that has or had mail: its messages and the highest number of one. */
struct sled_label_row {
	char label[25];
	uint64_t last;  /* 0: there is none now */
	uint64_t count; /* 0 unless it was asked for */
};

typedef bool sled_label_fn(void *ctx, const struct sled_label_row *row,
                           struct sled_err *err);
/* By label. To COUNT takes a walk over an index. */
SLED_CHECK bool sled_ledger_labels(struct sled_ledger *ledger, bool count,
                                   sled_label_fn *each, void *ctx,
                                   struct sled_err *err);

/* What a label received on one day (UTC) and has in archives. */
struct sled_growth_row {
	char label[25];
	int64_t day; /* since 1970-01-01 */
	uint64_t messages, octets;
};

typedef bool sled_growth_fn(void *ctx, const struct sled_growth_row *row,
                            struct sled_err *err);
/* By day, then label. Reads every message's row. */
SLED_CHECK bool sled_ledger_growth(struct sled_ledger *ledger,
                                   sled_growth_fn *each, void *ctx,
                                   struct sled_err *err);

struct sled_message_counts {
	uint64_t messages, octets, safe, on_server, gone;
};

SLED_CHECK bool sled_ledger_counts(struct sled_ledger *ledger,
                                   const char *label,
                                   struct sled_message_counts *out,
                                   struct sled_err *err);

/* Another size, or another unique-id ("" for none), that this message was
 * listed with. */
SLED_CHECK bool sled_ledger_known_put(struct sled_ledger *ledger,
                                      int64_t message, const char *uid,
                                      uint64_t size, struct sled_err *err);
/* Was it ever listed with this size (its own first one counts)? */
SLED_CHECK bool sled_ledger_known_size(struct sled_ledger *ledger,
                                       int64_t message, uint64_t size,
                                       bool *known, struct sled_err *err);

/* Set on_server false for all of the maildrop, before a listing is applied. */
SLED_CHECK bool sled_ledger_unlist(struct sled_ledger *ledger, int64_t maildrop,
                                   struct sled_err *err);
SLED_CHECK bool sled_ledger_set_on_server(struct sled_ledger *ledger,
                                          int64_t message, bool on_server,
                                          struct sled_err *err);
/* What it has from now on, and has no more. */
SLED_CHECK bool sled_ledger_set_flags(struct sled_ledger *ledger,
                                      int64_t message, unsigned set,
                                      unsigned clear, struct sled_err *err);
SLED_CHECK bool sled_ledger_set_dele(struct sled_ledger *ledger,
                                     int64_t message, int64_t when,
                                     struct sled_err *err);
/* 0: not gone after all. */
SLED_CHECK bool sled_ledger_set_gone(struct sled_ledger *ledger,
                                     int64_t message, int64_t when,
                                     struct sled_err *err);
SLED_CHECK bool sled_ledger_set_safe(struct sled_ledger *ledger,
                                     int64_t message, int64_t when,
                                     struct sled_err *err);
/* Gone and not yet told in a receipt, in order of number; told() marks all of
 * them told: in one transaction with the receipt, and after a rebuild. */
SLED_CHECK bool sled_ledger_gone_untold(struct sled_ledger *ledger,
                                        const char *label,
                                        sled_message_fn *each, void *ctx,
                                        struct sled_err *err);
SLED_CHECK bool sled_ledger_gone_told(struct sled_ledger *ledger,
                                      const char *label, struct sled_err *err);

/* ---- visits ---- */

struct sled_visit_row {
	int64_t id;
	char label[25];
	int64_t maildrop;
	int64_t began;
	int64_t ms;
	uint64_t listed, fetched, deleted, kept, held, left, failed;
	uint64_t mail_bytes, wire_down, wire_up;
	bool resumed;
	int exit;
	char error[512]; /* "" for none */
	/* Each phase; one that was not reached has 0. */
	int64_t ms_connect, ms_tls, ms_login, ms_list;
	int64_t ms_fetch, ms_save, ms_delete;
	uint32_t round_trips; /* that the visit waited for */
	uint32_t rtt_ms;      /* the smallest of its connection */
	uint64_t segs_down, segs_up;
	uint64_t retrans; /* segments sent again, as far as known */
	bool offered;     /* a ticket was */
	bool eager;       /* the first commands left with TLS's Finished */
	int64_t round;    /* id of its round, or 0 */
	char path[16];    /* the interface it left by, or "" */
	/* How long the link had been up when the visit began (0: not known);
	 * and from there on until the last octet came. */
	int64_t up_ms, alive_ms;
	bool cut; /* the line fell silent or was torn: not a stop of ours */
	uint64_t held_bytes, left_bytes; /* as listed */
};

typedef bool sled_visit_fn(void *ctx, const struct sled_visit_row *row,
                           struct sled_err *err);
/* Insert (id 0: filled in) or update by id. */
SLED_CHECK bool sled_ledger_visit_put(struct sled_ledger *ledger,
                                      struct sled_visit_row *row,
                                      struct sled_err *err);
/* When the last one of the maildrop began that did so UNTIL then; 0: none. */
SLED_CHECK bool sled_ledger_visit_began(struct sled_ledger *ledger,
                                        int64_t maildrop, int64_t until,
                                        int64_t *began, struct sled_err *err);
/* Newest first; LABEL NULL: all; LIMIT 0: all. */
SLED_CHECK bool sled_ledger_visits(struct sled_ledger *ledger,
                                   const char *label, uint64_t limit,
                                   sled_visit_fn *each, void *ctx,
                                   struct sled_err *err);
/* The same, of those that began at or after SINCE. */
SLED_CHECK bool sled_ledger_visits_since(struct sled_ledger *ledger,
                                         int64_t since, sled_visit_fn *each,
                                         void *ctx, struct sled_err *err);
/* The same, of one interface. */
SLED_CHECK bool sled_ledger_visits_by(struct sled_ledger *ledger,
                                      const char *path, uint64_t limit,
                                      sled_visit_fn *each, void *ctx,
                                      struct sled_err *err);

/* ---- rounds: one use of a link, with one visit or more, and its bill. A
 * row is put when it begins and again as it goes on, so that one which ended
 * with the power counts with what was last known of it. ---- */

struct sled_round_row {
	int64_t id;
	int64_t began;
	int64_t ms;            /* that are billed: so far, or in all */
	char link[64];         /* the section that applied, or "" */
	char path[16];         /* the interface, or "" */
	bool dialled;          /* by up-command */
	bool over;             /* it ended in good order */
	uint64_t wire;         /* octets both ways, as measured */
	uint64_t billed_bytes; /* the bill: see tariff.h */
	uint64_t steps;
	uint64_t money; /* millionths */
	char currency[4];
	char places[128]; /* printable: how each copy was, "" for all well */
};

typedef bool sled_round_fn(void *ctx, const struct sled_round_row *row,
                           struct sled_err *err);
/* Insert (id 0: filled in, with one that no round or visit has had) or put by
 * id, new or not: a rebuild gives a round the id that its visits know. An id
 * that a round of another beginning has is left to that one: a new id. */
SLED_CHECK bool sled_ledger_round_put(struct sled_ledger *ledger,
                                      struct sled_round_row *row,
                                      struct sled_err *err);
/* Newest first; SINCE 0 and LIMIT 0: all. */
SLED_CHECK bool sled_ledger_rounds(struct sled_ledger *ledger, int64_t since,
                                   uint64_t limit, sled_round_fn *each,
                                   void *ctx, struct sled_err *err);

struct sled_spent {
	uint64_t bytes, ms, money, rounds;
	uint64_t steps; /* see sled_tariff_time() */
};

/* Sums over the rounds of LINK that began at or after SINCE and before UNTIL. A
 * round that a clock gone wrong dated years ahead is in no sum until then. */
SLED_CHECK bool sled_ledger_spent(struct sled_ledger *ledger, const char *link,
                                  int64_t since, int64_t until,
                                  struct sled_spent *out, struct sled_err *err);

/* ---- held: what stays on the server until someone decides ---- */

enum sled_decision {
	SLED_DECIDE_NONE,
	SLED_DECIDE_WANT,
	SLED_DECIDE_DROP,
};

/* "h" and 10 hex digits of SHA-256("SERVER USER" NUL UID NUL SIZE), NUL-ended;
 * see sled_held_id() in store.h. */
#define SLED_HELD_ID 12

struct sled_held_row {
	char id[SLED_HELD_ID];
	int64_t maildrop;
	char uid[SLED_UID_MAX + 1];
	uint64_t size;                 /* as listed */
	int64_t first_seen, last_seen; /* wall times of listings */
	bool listed;                   /* in the last one */
	bool previewed;
	struct sled_hash head_sha256; /* of the header, when previewed */
	uint64_t head_octets;
	struct sled_span from, subject, date; /* as they came, unfolded */
	struct sled_span text;                /* the first lines of the body */
	enum sled_decision decision;
	int64_t decided;
	char lapsed[128]; /* printable: why a decision came to nothing, or "" */
};

typedef bool sled_held_fn(void *ctx, const struct sled_held_row *row,
                          struct sled_err *err);
/* Insert or replace, by id. */
SLED_CHECK bool sled_ledger_held_put(struct sled_ledger *ledger,
                                     const struct sled_held_row *row,
                                     struct sled_err *err);
/* MAILDROP 0: all; ID NULL: all, else those whose id begins so. Smallest
 * first. */
SLED_CHECK bool sled_ledger_held(struct sled_ledger *ledger, int64_t maildrop,
                                 const char *id, sled_held_fn *each, void *ctx,
                                 struct sled_err *err);
SLED_CHECK bool sled_ledger_held_forget(struct sled_ledger *ledger,
                                        const char *id, struct sled_err *err);

/* ---- set aside: messages whose answer ended visits, or was another one's each
 * time. A cache: a rebuild forgets it, and they do so once more ---- */

#define SLED_ASIDE_WANTED INT64_MAX /* not before the user wants it */

struct sled_aside_row {
	int64_t maildrop;
	char uid[SLED_UID_MAX + 1];
	uint64_t size;    /* as listed */
	uint32_t number;  /* where there is no unique-id; else 0 */
	uint32_t strikes; /* visits that it ended, some count more */
	int64_t again;    /* not asked for before; SLED_ASIDE_WANTED */
	char why[128];    /* printable */
};

typedef bool sled_aside_fn(void *ctx, const struct sled_aside_row *row,
                           struct sled_err *err);
/* Insert or replace, by maildrop, uid, size and number. */
SLED_CHECK bool sled_ledger_aside_put(struct sled_ledger *ledger,
                                      const struct sled_aside_row *row,
                                      struct sled_err *err);
SLED_CHECK bool sled_ledger_asides(struct sled_ledger *ledger, int64_t maildrop,
                                   sled_aside_fn *each, void *ctx,
                                   struct sled_err *err);
/* No failure when there is none. */
SLED_CHECK bool sled_ledger_aside_forget(struct sled_ledger *ledger,
                                         const struct sled_aside_row *row,
                                         struct sled_err *err);

/* ---- deliveries: what of a label's mail a target has got; see deliver.h ---- */

#define SLED_TARGET 1024 /* room for its name, with the NUL */

struct sled_delivery_row {
	char label[25];
	char target[SLED_TARGET]; /* "maildir:/home/ada/Maildir" */
	uint64_t since;     /* up to this number mail was there before it */
	uint64_t through;   /* mail above this number waits for it */
	uint64_t delivered; /* how much it has got */
	int64_t last;       /* when it got the last, or 0 */
	/* What is being given to it, or 0; in an mbox also where it begins,
	 * and the number of the file. */
	uint64_t trying, trying_at, trying_node;
	int64_t failed; /* since when nothing can be given to it, or 0 */
	char why[512];  /* ... printable */
	bool told;      /* the journal has all of it but .trying and .failed */
};

/* *found false and OUT untouched when there is none. */
SLED_CHECK bool sled_ledger_delivery(struct sled_ledger *ledger,
                                     const char *label, const char *target,
                                     struct sled_delivery_row *out, bool *found,
                                     struct sled_err *err);
/* Insert or replace. */
SLED_CHECK bool sled_ledger_delivery_put(struct sled_ledger *ledger,
                                         const struct sled_delivery_row *row,
                                         struct sled_err *err);
/* FIRST to LAST are mail that no visit brought: no target of LABEL is to get
 * it. What waits before it goes on waiting. */
SLED_CHECK bool sled_ledger_delivery_pass(struct sled_ledger *ledger,
                                          const char *label, uint64_t first,
                                          uint64_t last, struct sled_err *err);

/* A message up to .through that its target lacks. */
struct sled_undelivered_row {
	uint64_t number;
	unsigned tries;
	int64_t last;  /* when it was last tried, or 0 */
	char why[512]; /* printable, or "" */
};

typedef bool sled_undelivered_fn(void *ctx,
                                 const struct sled_undelivered_row *row,
                                 struct sled_err *err);
/* Insert or replace. */
SLED_CHECK bool sled_ledger_undelivered_put(
    struct sled_ledger *ledger, const struct sled_delivery_row *whose,
    const struct sled_undelivered_row *row, struct sled_err *err);
/* All messages from FIRST to LAST that there are, besides those known. */
SLED_CHECK bool sled_ledger_undelivered_add(
    struct sled_ledger *ledger, const struct sled_delivery_row *whose,
    uint64_t first, uint64_t last, struct sled_err *err);
/* NUMBER 0: all. */
SLED_CHECK bool sled_ledger_undelivered_drop(
    struct sled_ledger *ledger, const struct sled_delivery_row *whose,
    uint64_t number, struct sled_err *err);

struct sled_undelivered_query {
	uint64_t after; /* numbers above it */
	uint64_t limit; /* 0: all */
};

/* In order of number. */
SLED_CHECK bool sled_ledger_undelivered(
    struct sled_ledger *ledger, const struct sled_delivery_row *whose,
    const struct sled_undelivered_query *query, sled_undelivered_fn *each,
    void *ctx, struct sled_err *err);
/* How much waits for it, above .through too. */
SLED_CHECK bool sled_ledger_waiting(struct sled_ledger *ledger,
                                    const struct sled_delivery_row *whose,
                                    uint64_t *out, struct sled_err *err);

#endif
