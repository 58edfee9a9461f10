/* store.h - what the files of the store share; private to store. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "mailsled/archive.h"
#include "mailsled/far.h"
#include "mailsled/hash.h"
#include "mailsled/loop.h"
#include "mailsled/store.h"

#define SLED_SILENT_MS    30000        /* a place that says nothing is absent */
#define SLED_GLANCE_MS    2000         /* ... for a command that only reads */
#define SLED_RESERVE      (16U << 20)  /* kept free on the first place */
#define SLED_VOLUME_CAP   4187593113U  /* 3.9 GiB: FAT32 carries 4 */
#define SLED_MEMBER_TAR   (256U << 10) /* a member's tar octets, at least */
#define SLED_MEMBER_GZIP  (128U << 10) /* ... so that it has these, about */
#define SLED_MEMBER_MOST  (2U << 20)   /* ... and no more than these */
#define SLED_MEMBER_ALONE (1U << 20)   /* a larger message is alone in one */
#define SLED_FRESH_S      86400        /* 24 h: a read-back counts so long */
#define SLED_LATE_S       1209600 /* 14 d: an absent place is warned about */

/* One configured place, as this run found it. */
struct sled_seat {
	struct sled_place place;
	struct sled_worker *worker; /* copies only; made at first use */
	char id[SLED_PLACE_ID]; /* its own, or that it is known to have had */
	int64_t seen;           /* when it was last there, or 0 */
	bool present;           /* marked, and of this store */
	bool wiped;             /* its file system is there, its mark is not */
	bool told;              /* known from a COPY.txt alone */
	atomic_bool
	    left;     /* a job of it hangs: its memory is not ours any more */
	bool suspect; /* something bad is known of it */
	bool waits;   /* what it lacks is in places that are away alone */
	bool far;     /* behind rclone: never present here */
	bool fails;   /* far: the last try to send to it failed */
	/* Why it is not present; why it is out or left, once that is told. */
	char why[512];
	atomic_bool telling, told_why;
};

struct sled_store {
	const struct sled_sys *sys;
	struct sled_store_conf conf;
	enum sled_store_mode mode;
	char id[SLED_PLACE_ID];
	struct sled_seat *seats; /* [0] is the first place */
	size_t len;
	struct sled_buf memo;     /* what conf.memo said; empty: nothing */
	struct sled_err memo_why; /* why it could not be read */
	char *state;              /* absolute path of the state folder */
	int state_dir, spool_dir, lock, place_lock;
	uint64_t lost;         /* octets found in no place at this open */
	uint64_t broken;       /* of the volume at hand, behind its end */
	bool sighted;          /* its id came from a far place */
	bool rebuilt;          /* rows read from archives now may be stale */
	char unsafe_why[1024]; /* a place that keeps mail from being safe */
	struct sled_ledger *ledger;
	pthread_mutex_t commit;       /* one commit at a time */
	atomic_size_t member_tar;     /* 0, or what the next members aim at */
	struct sled_spooled *spooled; /* whole, but in no archive yet */
	size_t spooled_len;
};

/* A message that waits in a spool for room. */
struct sled_spooled {
	int64_t maildrop;
	uint64_t listed;
	char uid[SLED_UID_MAX + 1];
};

/* One more member in a volume, as it was written. */
struct sled_extent {
	uint64_t at;
	struct sled_member_sum sum;
	size_t first, count; /* of the pending messages */
	unsigned receipts;
};

/* A whole message in the spool on its way into an archive. */
struct sled_pending {
	struct sled_record record;
	struct sled_hash head_sha256;
	uint64_t head_octets;
	char *texts; /* from, subject, date: one block, owned */
	size_t from_len, subject_len, date_len;
	unsigned flags; /* SLED_MESSAGE_* */
	size_t item;    /* of the listing; SIZE_MAX: none */
	int64_t row;    /* outcome: its id in the ledger */
	bool safe;      /* outcome: in min-copies places */
};

struct sled_batch {
	struct sled_pending *list;
	size_t len, cap;
};

/* SLED_MESSAGE_BODY_*; none for a message without a DKIM-Signature field. */
unsigned sled_body_flags(const struct sled_digest *digest);
bool sled_batch_add(struct sled_batch *batch, const struct sled_record *record,
                    const struct sled_digest *digest, unsigned flags,
                    size_t item, struct sled_err *err);
void sled_batch_free(struct sled_batch *batch);

/* Whose messages these are: a label and its maildrop. */
struct sled_whose {
	struct sled_spool_owner owner;
	int64_t maildrop;
	bool brought; /* by no visit: old mail, filed under this month */
};

/* ---- store.c ---- */
void sled_store_say(const struct sled_store *store, const char *fmt, ...)
    SLED_PRINTF(2, 3);
struct sled_place *sled_store_first(struct sled_store *store);

/* ---- seats.c: which places there are ---- */
bool sled_seats_probe(struct sled_store *store, struct sled_err *err);
bool sled_seats_identify(struct sled_store *store, struct sled_err *err);
bool sled_seats_found(struct sled_store *store, struct sled_err *err);
bool sled_seats_settle(struct sled_store *store, struct sled_err *err);
bool sled_seats_remember(struct sled_store *store, struct sled_err *err);
void sled_seats_close(struct sled_store *store);
/* How many places are represented by the seats in HELD (one bool a seat). */
unsigned sled_seats_count(const struct sled_store *store, const bool *held);
/* Not used again in this run, and why: the first reason stays. From any thread,
 * as are usable() and why(). */
void sled_seat_out(struct sled_seat *seat, const struct sled_err *why);
void sled_seat_leave(struct sled_seat *seat, const struct sled_err *why);
const char *sled_seat_why(const struct sled_seat *seat);
bool sled_seat_usable(const struct sled_seat *seat);

/* A volume's file on a seat, sealed or not. */
bool sled_seat_read(struct sled_reading *out, struct sled_seat *seat,
                    const struct sled_volume_row *volume, bool fresh,
                    struct sled_err *err);
bool sled_seat_volume(struct sled_seat *seat,
                      const struct sled_volume_row *volume,
                      struct sled_volume_found *out, struct sled_err *err);
/* Seal it there, or give a sealed one what it lacks: its sidecar, its mode. */
bool sled_seat_seal(struct sled_seat *seat,
                    const struct sled_volume_row *volume, struct sled_err *err);
/* What an earlier process may have left unsynced. */
bool sled_seat_sync(struct sled_seat *seat,
                    const struct sled_volume_row *volume, struct sled_err *err);

/* Lines "HEAD PATH", the path percent-encoded; and the next one of a path behind
 * a line of it (NULL: the first), where heads have so many octets, blank
 * included; NULL: none. */
bool sled_place_line(struct sled_buf *out, const char *head, const char *path,
                     struct sled_err *err);
const char *sled_place_line_of(const struct sled_buf *lines, size_t head,
                               const char *path, const char *behind);
/* A line "ID PATH" for each known place but SELF; see sled_place_tell(). */
bool sled_seats_telling(struct sled_store *store, const char *self,
                        struct sled_buf *out, struct sled_err *err);

/* ---- memo.c ---- */
bool sled_memo_load(struct sled_store *store, struct sled_err *err);
/* What the ledger knows of places, where that is news. */
bool sled_memo_keep(struct sled_store *store, struct sled_err *err);
/* Was there a place of this path, on a file system that is not there now? */
bool sled_memo_misses(const struct sled_store *store,
                      const struct sled_place *place, char id[SLED_PLACE_ID]);

/* ---- far.c ---- */
bool sled_far_is(const char *path); /* "rclone:REMOTE:PATH" */
bool sled_far_connect(struct sled_far **out, const struct sled_sys *sys,
                      const char *path, uint64_t bandwidth, const char *scratch,
                      struct sled_err *err);
/* Put what is known of a far seat into it: why it fails, or what it lacks. */
bool sled_far_recall(struct sled_store *store, struct sled_seat *seat,
                     struct sled_err *err);
/* The place's row: when it was last whole, and whether it is suspect. */
bool sled_far_keep(struct sled_store *store, struct sled_seat *seat,
                   struct sled_err *err);
/* Are there enough places, once far ones that take what they are sent have got
 * it? */
bool sled_far_will_do(const struct sled_store *store);
/* Is the volume's sealed file there now, with its hash? */
bool sled_far_holds(struct sled_store *store, struct sled_seat *seat,
                    const struct sled_volume_row *volume);

/* ---- far_bring.c ---- */
/* A store is about to be founded: is this one's far place without one? In
 * REBUILD it may be there: then its id is the store's. */
bool sled_far_sight(struct sled_store *store, struct sled_seat *seat,
                    struct sled_err *err);
/* Before the first place is marked as made from far: what is not yet brought. */
bool sled_far_bring_note(struct sled_store *store, struct sled_err *err);
/* Volumes and journal that no place here has come from far places; nothing is
 * done unless that was noted or the store is being rebuilt. */
bool sled_far_bring(struct sled_store *store, struct sled_err *err);

/* ---- probe.c ---- */
/* sled_place_probe(), but BROKEN when the place is silent for WAIT_MS. */
bool sled_probe_patiently(struct sled_place *out, const struct sled_sys *sys,
                          const char *path, uint64_t wait_ms,
                          struct sled_err *err);

/* ---- lock.c ---- */
bool sled_lock_take(struct sled_store *store, struct sled_err *err);
/* The first place too, once it is there. */
bool sled_lock_place(struct sled_store *store, struct sled_err *err);
/* Does another process write this store now? */
bool sled_lock_is_held(const struct sled_store *store);

/* ---- box.c ---- */

/* Ids of rows that are taken; room for one a listed message. */
struct sled_claims {
	int64_t *rows; /* a hash table of CAP slots; 0: free */
	size_t cap;
};

/* Room for LEN; what was claimed is forgotten. */
bool sled_claims_reserve(struct sled_claims *claims, size_t len,
                         struct sled_err *err);
void sled_claim(struct sled_claims *claims, int64_t row);
bool sled_is_claimed(const struct sled_claims *claims, int64_t row);
void sled_claims_free(struct sled_claims *claims);

/* A row of held mail, and what becomes of it in this visit. */
struct sled_held {
	char id[SLED_HELD_ID];
	char uid[SLED_UID_MAX + 1];
	uint64_t size;
	size_t item; /* of the listing; SIZE_MAX: not in it */
	enum sled_decision decision;
	bool resized; /* the item has its unique-id, but another size */
	bool previewed;
	bool checked; /* to be dropped, and the message that was meant */
	struct sled_hash head_sha256;
	uint64_t head_octets;
};

/* By unique-id and size; behind the listing those in it, by item. */
struct sled_helds {
	struct sled_held *list;
	size_t len, cap;
};

/* A message that ended visits, and where it is listed. */
struct sled_aside {
	struct sled_aside_row row;
	size_t item;
};

struct sled_asides {
	struct sled_aside *list;
	size_t len, cap;
	uint32_t *of; /* by item: 1 + its place in the list; NULL: none yet */
};

/* A row that is not gone: one that a message without an id may be. */
struct sled_stay {
	int64_t row;
	uint64_t size;  /* as listed first */
	uint64_t front; /* of its header's hash */
	uint32_t place; /* in the last listing; UINT32_MAX: not known */
	bool provable;  /* by a TOP, and not due; else its bytes are needed */
	bool doubtful;
	bool listed; /* in the last listing, as far as is known */
	bool taken;  /* an item is in its place */
};

/* In the order of the last listing; behind match() of their sizes. */
struct sled_stays {
	struct sled_stay *list;
	size_t len, cap;
	size_t placed; /* items that have one by their place */
	bool loaded;
};

/* Rows that the listing lacks; see renumber.c. */
struct sled_olds {
	struct sled_old {
		uint64_t size;
		int64_t row;
		struct sled_hash head_sha256;
		bool wanted; /* something new has that size */
	} * list;            /* by size; a row that has two is there twice */

	size_t len, cap;
};

struct sled_recount; /* recheck.c: what a job counts again */
void sled_recount_free(struct sled_recount **recount);
/* May a message of this member be safe in this visit? What is here is brought up
 * to date; of what is away the ledger tells. */
bool sled_recount_could(struct sled_store *store, int64_t member, int64_t now,
                        bool *could, struct sled_err *err);

struct sled_box {
	struct sled_store *store;
	struct sled_whose whose;
	struct sled_maildrop maildrop;
	struct sled_peer peer, peer_was; /* now, and in the ledger */
	struct sled_spool *spool;        /* NULL until a message comes */
	struct sled_intake *intake;
	struct sled_listing *listing; /* borrowed */
	struct sled_claims claims;    /* each stored message's own row */
	struct sled_claims asked;     /* rows in doubt whose id is listed */
	int64_t delete_until;
	int64_t listed_at;
	int64_t last_received;
	size_t current;               /* the item on its way in */
	uint64_t counted;             /* see sled_box_counted() */
	struct sled_batch pending;    /* whole, and in no job yet */
	struct sled_batch job;        /* what commit() works on */
	struct sled_recount *recount; /* what recheck() works on */
	struct sled_err job_err;
	bool job_taken;    /* and not yet applied */
	bool unsynced;     /* something ended since the last job */
	bool spool_kept;   /* something in it is in no archive */
	bool proof_failed; /* of a sample: no renumbering after all */
	bool echoed;       /* two answers, one behind the other, are equal */
	bool loose;        /* earlier visits showed that sizes tell nothing */
	struct sled_hash came; /* the last one's; zeros: none came yet */
	size_t samples;        /* proofs that others wait for */
	struct sled_olds olds;
	struct sled_buf journal;
	struct sled_buf odd;    /* items of this visit, a uint32_t each */
	struct sled_buf again;  /* ... that came before, see arrive.c */
	struct sled_buf strays; /* see stray.c */
	size_t shown;           /* strays before this one have shown theirs */
	struct sled_box_sums sums;
	struct sled_helds held;
	struct sled_asides asides;
	struct sled_stays stays;
	struct sled_sizes sizes; /* of the listing, once .sized */
	bool sized;
	struct sled_buf lapsed; /* decisions that came to nothing */
	char *names;            /* label, server, user: owned */
};

/* A copy of the strings, in *names: NULL or of an earlier call; owned. */
bool sled_whose_keep(struct sled_whose *whose, char **names,
                     const struct sled_spool_owner *owner,
                     struct sled_err *err);

/* ---- habit.c ---- */

/* The octets of what came, as this server counts them. */
uint64_t sled_box_count(const struct sled_maildrop *maildrop,
                        const struct sled_digest *digest);
/* Was most of it listed to the octet? */
bool sled_box_is_exact(const struct sled_maildrop *maildrop);
/* Has most of this server a line's end counted as one octet? */
bool sled_box_counts_lf(const struct sled_maildrop *maildrop);
/* Do most of its sizes tell nothing, line ends counted as you like? */
bool sled_box_is_loose(const struct sled_maildrop *maildrop);
/* Is what fits neither way of counting doubtful? */
bool sled_box_tells(const struct sled_maildrop *maildrop);
bool sled_box_is_short(const struct sled_maildrop *maildrop,
                       const struct sled_digest *digest, uint64_t listed);
/* Of a message that came, with the digest of its octets. */
void sled_box_learn(struct sled_maildrop *maildrop,
                    const struct sled_digest *digest, uint64_t listed);

/* ---- what the visit's files tell each other ---- */

/* match.c: the items that have an id, in the order of these; to be freed. */
bool sled_listing_order(struct sled_listing *listing, uint32_t **order,
                        size_t *len, struct sled_err *err);
/* arrive.c: an answer came whole: is it the one before it, once more? */
void sled_box_note(struct sled_box *box, const struct sled_digest *digest);
/* arrive.c: the item is fetched once more, and was no sign of how this server
 * counts: it had been COUNTED, or NULL. */
bool sled_box_short(struct sled_box *box, size_t item, uint32_t *counted,
                    struct sled_err *err);
/* The sizes of all that is listed. */
const struct sled_sizes *sled_box_sizes(struct sled_box *box);
/* stray.c: may what came for the current item be another message, by its size? */
bool sled_stray_is(struct sled_box *box, const struct sled_digest *digest);
/* If so, note it. LEARNED: it told how this server counts. */
bool sled_stray_note(struct sled_box *box, const struct sled_digest *digest,
                     bool learned, struct sled_err *err);
/* ... or to the octet: the item shows its header. FIRST: it did not come so before.
 */
bool sled_stray_alike(struct sled_box *box, size_t item, bool first,
                      struct sled_err *err);
/* An id was seen to be another message's: each is proved from now on. */
bool sled_box_reuses(struct sled_box *box, struct sled_err *err);
/* The item is this row: note its size and id, and that it is listed. */
bool sled_box_same(struct sled_box *box, size_t item,
                   const struct sled_message *row, struct sled_err *err);

/* renumber.c: each item was judged by its id; which of those that are new may
 * be stored ones all the same. In the caller's transaction. */
bool sled_box_renumbered(struct sled_box *box, struct sled_err *err);
/* A sample is not the row in its place: from now on old() knows all rows that no
 * item turned out to be. In the caller's transaction. */
bool sled_box_disorder(struct sled_box *box, struct sled_err *err);
/* Rows that the listing lacks, of that size and with that header: under another
 * id neither alone tells. */
bool sled_box_old(struct sled_box *box, uint64_t size,
                  const struct sled_hash *head, sled_message_fn *fn, void *ctx,
                  struct sled_err *err);
/* May something that is new turn out to be this row, which the listing lacks?
 */
bool sled_box_old_wanted(const struct sled_box *box,
                         const struct sled_message *row);

/* The row is not on the server any more; in the caller's transaction. */
bool sled_box_is_gone(struct sled_box *box, int64_t row, int64_t now,
                      struct sled_err *err);

/* A line of the journal, written with the visit's row or before it. */
bool sled_box_line(struct sled_box *box, int64_t now, const char *kind,
                   const char *const *fields, size_t len, struct sled_err *err);

/* What is known of the peer, to and from the ledger. keep() only warns. */
bool sled_box_peer_load(struct sled_box *box, struct sled_err *err);
void sled_box_peer_keep(struct sled_box *box);

/* Note in the sums which place keeps mail from being safe. */
void sled_box_explain(struct sled_box *box);
const char *sled_store_unsafe_why(struct sled_store *store);

/* A copy of a row that outlives the callback, without its texts. */
struct sled_row_copy {
	struct sled_message row;
	bool found;
};

bool sled_row_take(void *ctx, const struct sled_message *row,
                   struct sled_err *err);

/* ---- held.c ---- */
struct sled_held_copy {
	struct sled_held_row row; /* its spans are in .texts */
	struct sled_buf texts;    /* to be freed, found or not */
	bool found;
};

bool sled_held_find(struct sled_store *store, const char *id,
                    struct sled_held_copy *out, struct sled_err *err);
bool sled_held_load(struct sled_box *box, struct sled_err *err);
void sled_held_free(struct sled_box *box);
/* Before listed(): is there a decision on this message? */
bool sled_held_decided(const struct sled_box *box, const char *uid,
                       uint64_t size);
/* Each item has its verdict; in the caller's transaction. */
bool sled_held_listed(struct sled_box *box, int64_t now, struct sled_err *err);
/* The other half of sled_box_may_delete(). */
bool sled_held_may_drop(const struct sled_box *box, size_t item);
bool sled_held_dele_sent(struct sled_box *box, struct sled_err *err);
/* QUIT confirmed it; in the caller's transaction. */
bool sled_held_gone(struct sled_box *box, size_t item, int64_t now,
                    struct sled_err *err);
bool sled_held_close(struct sled_box *box, int64_t now, struct sled_err *err);
/* A decision to fetch it comes to nothing, if there is one. */
bool sled_held_unwant(struct sled_box *box, size_t item, const char *why,
                      int64_t now, struct sled_err *err);

/* ---- stay.c ---- */
#define SLED_SAMPLE_EVERY 20 /* proofs of a renumbering, and of no ids */

/* Once a listing; rows that items are by their ids are claimed. */
bool sled_stays_load(struct sled_box *box, struct sled_err *err);
/* Of items without an id: what is to be proved, and what waits for it. */
bool sled_stays_match(struct sled_box *box, struct sled_err *err);
bool sled_stays_each(struct sled_box *box, size_t item,
                     const struct sled_hash *head, sled_message_fn *each,
                     void *ctx, struct sled_err *err);
/* Rows that no item turned out to be are not there any more; and the order of
 * this listing, DELETED being confirmed. */
bool sled_stays_close(struct sled_box *box, bool deleted, struct sled_err *err);
void sled_stays_free(struct sled_box *box);

/* ---- aside.c ---- */
/* Each item has its verdict; in the caller's transaction. */
bool sled_asides_listed(struct sled_box *box, struct sled_err *err);
bool sled_asides_close(struct sled_box *box, struct sled_err *err);
void sled_asides_free(struct sled_box *box);

/* ---- unheard.c ---- */
/* Of a listing that is to be judged, see there. */
bool sled_box_unheard(struct sled_box *box, struct sled_err *err);

/* ---- unjudged.c ---- */
/* All that the spool of one visit holds; all zero: nothing yet. */
struct sled_unjudged {
	struct sled_buf came;              /* in order; to be freed */
	uint32_t exact, lf_counted, loose; /* as of a maildrop */
	bool any_odd;
};

/* DIGEST is NULL of what is in an archive. */
bool sled_unjudged_add(struct sled_unjudged *u,
                       const struct sled_record *record,
                       const struct sled_digest *digest, struct sled_err *err);
/* What could be committed is: what of it is short, or in doubt? */
bool sled_unjudged_settle(const struct sled_unjudged *u,
                          struct sled_ledger *ledger,
                          struct sled_maildrop *maildrop, struct sled_err *err);

/* ---- drill.c ---- */
/* A small volume, once a month; DAMAGED when it met damage. */
bool sled_drill_if_due(struct sled_store *store, struct sled_err *err);

/* ---- import.c ---- */
/* Of messages that no visit brought: FLAGS, unless they were on no server. */
unsigned sled_import_flags(const struct sled_spool_owner *owner,
                           unsigned flags);

/* ---- decide.c ---- */
/* A line of the journal of one of these kinds. */
bool sled_decide_is(const char *kind);
bool sled_decide_replay(struct sled_store *store, const char *kind,
                        const char *const *fields, size_t len, int64_t when,
                        struct sled_err *err);
/* All was replayed: only what is still decided stays. */
bool sled_decide_replayed(struct sled_store *store, struct sled_err *err);

/* ---- delivery.c ---- */
bool sled_delivery_replay(struct sled_store *store, const char *const *fields,
                          size_t len, int64_t when, struct sled_err *err);

/* ---- commit.c ---- */
/* A member's tar octets, after how the last ones were compressed: where mail
 * gets very small, what a member costs would else be much of it. */
size_t sled_member_aim(struct sled_store *store);
bool sled_commit(struct sled_store *store, const struct sled_whose *whose,
                 struct sled_spool *spool, struct sled_pending *list,
                 size_t len, struct sled_err *err);

/* ---- volumes.c ---- */
bool sled_volume_for(struct sled_store *store, const struct sled_whose *whose,
                     int64_t received, struct sled_volume_row *out,
                     struct sled_volume_info *info, struct sled_err *err);
bool sled_volume_turn_if_due(struct sled_store *store, const char *label,
                             int64_t now, struct sled_err *err);
/* No more members: note the hash of the volume as the seal will leave it. */
bool sled_volume_turn(struct sled_store *store, struct sled_volume_row *row,
                      struct sled_err *err);
/* What the ledger says of a member's bytes. */
struct sled_member_sum sled_row_sum(const struct sled_member_row *row);
/* The hash that its members and tar's end give, into row->sha256: each member
 * from a place where it is what the ledger says. */
bool sled_volume_hash(struct sled_store *store, struct sled_volume_row *row,
                      struct sled_err *err);
bool sled_volume_hash_range(struct sled_reading *reading, uint64_t at,
                            uint64_t length, struct sled_sha256 *sha,
                            struct sled_err *err);
/* What its VOLUME.txt says, where that is lost: after the ledger and the volume
 * before it. */
bool sled_volume_describe(struct sled_store *store,
                          const struct sled_volume_row *volume,
                          struct sled_volume_info *info, struct sled_err *err);
/* Does FILE lie beside the sealed file, of this NAME, and belong to it? */
bool sled_volume_goes_with(const char *file, const char *sealed,
                           const char *name);
/* The members of a volume from FROM on, in order; freed by the caller. */
bool sled_volume_extents(struct sled_store *store, int64_t volume,
                         uint64_t from, struct sled_member_row **out,
                         size_t *len, struct sled_err *err);

/* Those that PLACE is not known to hold. */
bool sled_volume_lacking(struct sled_store *store, int64_t volume,
                         const char *place, struct sled_member_row **out,
                         size_t *len, struct sled_err *err);

/* ---- scrub.c ---- */
/* Read all of a volume in one place again; *OUT counts on. What does not hold is
 * said, is a fault in the ledger and is not counted as held any more. */
bool sled_scrub_volume(struct sled_store *store, struct sled_seat *seat,
                       const struct sled_volume_row *volume,
                       struct sled_scrubbed *out, struct sled_err *err);

/* ---- seal.c ---- */
/* sled_store_seal(); *READ counts what of copies was read again for damage. */
bool sled_seal(struct sled_store *store, const char *label, bool now,
               uint64_t *sealed, struct sled_scrubbed *read,
               struct sled_err *err);

/* ---- copies.c ---- */
/* Bring the seats to volume->end from the first place, each by its own worker,
 * and read back; ok[i] says that seat i holds all of EXTENTS. */
struct sled_member_row;
bool sled_copies_extend(struct sled_store *store,
                        const struct sled_volume_row *volume,
                        const struct sled_member_row *extents, size_t len,
                        bool *ok, struct sled_err *err);
/* The whole of one volume on one seat, whatever it has now; *octets grows by
 * what was copied. A seat that fails is out, which is no failure. */
bool sled_copies_reconcile(struct sled_store *store, struct sled_seat *seat,
                           const struct sled_volume_row *volume,
                           uint64_t *octets, struct sled_err *err);

/* ---- recover.c, mend.c, remake.c, adopt.c, salvage.c, unspool.c ---- */

/* Below the state folder: a folder PLACE.LABEL.FILE.HASH each, of a place's file
 * that is about to be set aside, with what only that file has. */
#define SLED_SALVAGE      "salvage"
#define SLED_SALVAGE_NAME 160

bool sled_recover(struct sled_store *store, struct sled_err *err);
bool sled_mend_volume(struct sled_store *store, struct sled_volume_row *volume,
                      struct sled_err *err);
/* Members behind volume->end that hold in any place, though the one at the end
 * does not in the first: they follow in a new file of the first place, *size
 * bytes. *remade is false when there are none. */
bool sled_remake(struct sled_store *store, const struct sled_volume_row *volume,
                 uint64_t *size, bool *remade, struct sled_err *err);
bool sled_recover_spools(struct sled_store *store, struct sled_err *err);
/* OLD: what is found may be older than what the ledger knows. */
bool sled_adopt(struct sled_store *store, struct sled_volume_row *volume,
                uint64_t limit, bool old, struct sled_err *err);
/* Did what this receipt of the label tells of come in before, by another record?
 * Salvaged from our way into another one it has that one's, and is no second
 * message. What the first place does not hold counts for nothing. */
bool sled_is_twin(struct sled_store *store, const char *label,
                  const struct sled_receipt *receipt, bool *twin,
                  struct sled_err *err);
/* The number of the last receipts of ROWS: as SOURCE has them, or the least that
 * it can be where their last ones cannot be read there. */
unsigned sled_last_receipts(const struct sled_source *source,
                            const struct sled_member_row *rows, size_t len);
/* Rows for those messages of one member, at ROW->at, that have none; in the
 * caller's transaction. */
bool sled_adopt_messages(struct sled_store *store,
                         struct sled_volume_row *volume,
                         struct sled_reading *reading,
                         const struct sled_member_row *row,
                         struct sled_err *err);
/* Messages that only this FILE of the seat's has go to a spool in a folder of
 * their own below salvage/, for rule 3; what an earlier try left there is
 * removed first. */
bool sled_salvage(struct sled_store *store, struct sled_seat *seat,
                  const struct sled_volume_row *volume, const char *file,
                  struct sled_err *err);
/* The same, but what cannot be read is said, and is no failure: it cannot be
 * taken over either, and FILE is kept all the same. */
bool sled_salvage_readable(struct sled_store *store, struct sled_seat *seat,
                           const struct sled_volume_row *volume,
                           const char *file, struct sled_err *err);
bool sled_recover_copies(struct sled_store *store, uint64_t *octets,
                         struct sled_err *err);

/* ---- scratch.c ---- */
/* The folder NAME below the state folder, open; all files in it are removed. */
bool sled_folder_empty(struct sled_store *store, const char *name, int *dir,
                       struct sled_err *err);

/* ---- swap.c ---- */
/* FILE.remade of the folder LABEL, synced and read back, becomes FILE; one that
 * had that name goes to quarantine. */
bool sled_swap(struct sled_place *place, const char *label, const char *file,
               struct sled_err *err);
/* End a swap that was cut off: with NEEDED there is no FILE. */
bool sled_swap_finish(struct sled_place *place, const char *label,
                      const char *file, bool needed, struct sled_err *err);

/* ---- doubt.c ---- */
/* Readers: damage was met in this place. */
void sled_doubt_note(struct sled_store *store, const struct sled_seat *seat);
/* Writers: nothing that was noted so is believed to be held. */
bool sled_doubt_apply(struct sled_store *store, struct sled_err *err);

/* ---- journal.c ---- */
bool sled_journal_add(struct sled_store *store, struct sled_span lines,
                      int64_t now, struct sled_err *err);
bool sled_journal_line(struct sled_buf *out, int64_t now, const char *kind,
                       const char *const *fields, size_t len,
                       struct sled_err *err);
bool sled_journal_merge(struct sled_store *store, struct sled_err *err);
/* The last step of a rebuild. */
bool sled_journal_replay(struct sled_store *store, struct sled_err *err);

#endif
