/*
 * store.h - the mail that is kept: places, archives, ledger, journal.
 *
 * Contract
 *   A store is opened to be read (never waits, writes nothing) or to be
 *   written (takes the lock, then recovers, STORE.md's table in its order).
 *   A box is one visit to one maildrop. It alone says what is new, what is
 *   stored, and what may be deleted: sled_box_may_delete() is the gate of
 *   law 1. Calls marked [job] may take long and run on a pool thread while the
 *   loop goes on; nothing else of the same box may be called meanwhile but
 *   begin, data, end and cancel. All other calls come from one thread. Other
 *   boxes of the store may be used beside it, their jobs too.
 *   Errors: PLACE a place is missing or full; DAMAGED; IO; LINK the lock is
 *   held; CONFIG; NOMEM; MISSING.
 */
#ifndef MAILSLED_STORE_H
#define MAILSLED_STORE_H

#include "mailsled/err.h"
#include "mailsled/intake.h"
#include "mailsled/ledger.h"
#include "mailsled/places.h"
#include "mailsled/spool.h"
#include "mailsled/sys.h"

struct sled_store; /* opaque */
struct sled_box;   /* opaque */

/* Something the user should be told; TEXT is printable. */
typedef void sled_say_fn(void *ctx, const char *text);

struct sled_store_conf {
	const char *path; /* the first place */
	const char *const
	    *copies; /* more places: paths, "rclone:REMOTE:PATH" */
	size_t copies_len;
	unsigned min_copies;
	bool distinct_devices;
	bool rotate_month;
	uint64_t rotate_bytes;
	const char *state; /* NULL: PATH/.mailsled */
	/* A file outside of all places that remembers them, in a folder that is
	 * there; NULL: none. While a file system that it knows is away, no new
	 * store is founded. */
	const char *memo;
	uint64_t far_bandwidth; /* octets a second to far places; 0: no limit */
	bool found_new; /* make a store though a copy is absent (init --new) */
	/* The path of a place that lost its mark, and the user vouches for (sync
	 * --adopt): it gets a new one before anything is read; NULL: none. */
	const char *adopt;
	const char *par2; /* the program, for parity; NULL: none is made */
	sled_say_fn *say; /* may be NULL */
	void *say_ctx;
};

enum sled_store_mode {
	SLED_STORE_READ,    /* MISSING when there is no store yet */
	SLED_STORE_WRITE,   /* made when there is none and that is safe */
	SLED_STORE_REBUILD, /* as WRITE, the ledger thrown away first */
	/* As WRITE, for sled_store_repair(): every page of the ledger is read,
	 * and one that is damaged made anew; what volumes lack waits for it. */
	SLED_STORE_REPAIR,
};

/* The strings of CONF must outlive the store. */
SLED_CHECK bool sled_store_open(struct sled_store **out,
                                const struct sled_sys *sys,
                                const struct sled_store_conf *conf,
                                enum sled_store_mode mode,
                                struct sled_err *err);
void sled_store_close(struct sled_store **store);
/* For reading commands; owned by the store. */
struct sled_ledger *sled_store_ledger(struct sled_store *store);
const char *sled_store_id(const struct sled_store *store);
/* The folder of ledger and spool, private and on a local disk, and the calls to
 * use on it; both live as long as the store. */
int sled_store_state(const struct sled_store *store,
                     const struct sled_sys **sys);
const char *sled_store_state_path(const struct sled_store *store);

/* Octets of archives that the recovery of this open found in no place that can
 * be reached; each was said. A command that met any ends with 65. */
uint64_t sled_store_lost(const struct sled_store *store);

/* ---- places ---- */

/* What was read back of a place that is away counts for so long: 30 days. */
#define SLED_ABSENT_S 2592000

struct sled_place_status {
	const char *path; /* borrowed */
	const char *id;   /* "" when it was never marked */
	bool present;
	bool first;    /* the store's own path */
	bool far;      /* behind rclone: never present, see below */
	bool fails;    /* far: the last push of files failed, .why */
	bool late;     /* lacks something, and has not been whole for long */
	uint64_t disk; /* equal for places on one disk; 0 unknown */
	uint64_t free_bytes; /* when present */
	uint64_t lacks;      /* committed octets it is not known to hold */
	int64_t seen;        /* when it was last there (far: whole), or 0 */
	int64_t oldest;      /* all it holds was read back since; 0: nothing */
	uint64_t damaged;    /* members that were found so */
	const char *why;     /* why it is not present or not written; "" */
};

size_t sled_store_places(const struct sled_store *store);
SLED_CHECK bool sled_store_place(struct sled_store *store, size_t index,
                                 struct sled_place_status *out,
                                 struct sled_err *err);
/* Are all present places on one disk? */
bool sled_store_one_disk(const struct sled_store *store);
/* A tar entry of plain ustar holds no more octets. */
#define SLED_MAIL_MAX UINT64_C(8589934591)

/* Room on the first place for a message of LISTED octets, with what is kept
 * back: 2 x LISTED + 16 MiB. */
bool sled_store_has_room(struct sled_store *store, uint64_t listed);

/* Bring every present place up to the first one. A place that was wiped (its
 * file system is there, the mark is not) is marked anew, and so is ADOPT (a
 * configured path) whatever it holds; NULL for none. *octets counts what was
 * copied. PLACE when a configured place is away or failed, DAMAGED when
 * one that is there is still not whole. */
SLED_CHECK bool sled_store_sync(struct sled_store *store, const char *adopt,
                                uint64_t *octets, struct sled_err *err);
/* DAMAGED when a place that is there lacks what it should hold: of a sealed
 * file only a repair makes it whole. */
SLED_CHECK bool sled_store_whole(struct sled_store *store,
                                 struct sled_err *err);
/* Keep the configuration (secrets taken out by the caller) in each place. */
SLED_CHECK bool sled_store_keep_config(struct sled_store *store,
                                       struct sled_span text,
                                       struct sled_err *err);

/* ---- far places: files behind rclone (far.h) ---- */

struct sled_far_run {
	uint64_t ms; /* nothing more is begun after so long; 0: no limit */
	/* Why nothing may be sent now, as in "[link sat0] is dear"; NULL: it
	 * may. It is noted, and told as what keeps mail from being safe. */
	const char *forbidden;
	const char *adopt; /* mark this one, whatever it holds; or NULL */
};

struct sled_far_sent {
	size_t places;          /* far ones of the configuration */
	uint64_t files, octets; /* that are there and right since this run */
	uint64_t checked;       /* files read again */
	uint64_t damaged;       /* ... that were not what was sent; each said */
	bool whole;             /* nothing is missing in any of them */
};

/* Bring every far place up to date: what it lacks is sent, then checked there
 * by its SHA-256, and only then counted; what was checked long ago is checked
 * again. Every step may be cut off. What goes wrong with a far place is said
 * and noted, and harms nothing else: false is for the ledger and for memory. */
SLED_CHECK bool sled_store_far(struct sled_store *store,
                               const struct sled_far_run *run,
                               struct sled_far_sent *out, struct sled_err *err);

/* What is there, looked at now and not changed: for `check`, also before there
 * is a store. PATH as in .copies. Errors as in far.h. */
struct sled_far_look {
	bool marked;    /* it is a place of the store .store */
	bool empty;     /* nothing is there yet */
	char store[33]; /* or "" */
};

SLED_CHECK bool sled_store_far_look(const struct sled_sys *sys,
                                    const char *path, struct sled_far_look *out,
                                    struct sled_err *err);

/* ---- reading ---- */

typedef bool sled_bytes_fn(void *ctx, const void *data, size_t len,
                           struct sled_err *err);

/* A message that begins again was handed out by a place that then failed: what
 * came of it before is to be forgotten. */
struct sled_member_reader {
	void *ctx;
	bool (*begin)(void *ctx, uint64_t number, uint64_t octets,
	              struct sled_err *err);
	sled_bytes_fn *data;
};

/* A message's exact bytes, from the first place whose member holds them;
 * DAMAGED when none does: bytes may have been handed out before that. */
SLED_CHECK bool sled_store_read(struct sled_store *store,
                                const struct sled_message *message,
                                const struct sled_member_reader *reader,
                                struct sled_err *err);

/* All messages of a member in the archive's order, from the first place whose
 * member holds. */
SLED_CHECK bool sled_store_read_member(struct sled_store *store, int64_t member,
                                       const struct sled_member_reader *reader,
                                       struct sled_err *err);

struct sled_verify_report {
	uint64_t volumes, members, messages, octets; /* that hold, all places */
	uint64_t damaged;                            /* members or sizes */
	uint64_t absent;                             /* places not there */
};

typedef void sled_verify_fn(void *ctx, const char *place, const char *volume,
                            uint64_t at, const char *fault, uint64_t done,
                            uint64_t total);
/* Every volume in every present place: its size, and with DEEP every byte.
 * EACH is called for each fault, and with FAULT NULL as things go on. */
SLED_CHECK bool sled_store_verify(struct sled_store *store, bool deep,
                                  sled_verify_fn *each, void *ctx,
                                  struct sled_verify_report *out,
                                  struct sled_err *err);

/* The same of far places: each file that was sent there has its SHA-256 compared,
 * which may bring all of it down. A far place that cannot be reached, and one
 * that nothing was sent to, is a fault. Changes nothing. */
SLED_CHECK bool sled_store_verify_far(struct sled_store *store,
                                      sled_verify_fn *each, void *ctx,
                                      struct sled_verify_report *out,
                                      struct sled_err *err);

/* ---- upkeep: what is done when no link waits for it ---- */

/* Seal the volumes that have turned, in every present place; those of LABEL
 * only, NULL for all. With NOW those being filled turn first; else the ones
 * that are due. *sealed counts them. DAMAGED when a volume was left open for
 * what its file holds, in the first place or in a copy, IO when a copy's disk
 * failed: the others are sealed. */
SLED_CHECK bool sled_store_seal(struct sled_store *store, const char *label,
                                bool now, uint64_t *sealed,
                                struct sled_err *err);

struct sled_scrubbed {
	uint64_t members, octets; /* read again, all places */
	uint64_t damaged;         /* members; each was said */
};

/* Read again what each present place was seen to hold longest ago, more than 7
 * days, for MS at most. What does not hold is not counted as held any more. */
SLED_CHECK bool sled_store_scrub(struct sled_store *store, uint64_t ms,
                                 struct sled_scrubbed *out,
                                 struct sled_err *err);

struct sled_tended {
	uint64_t sealed; /* volumes */
	uint64_t parity; /* volumes that got some */
	struct sled_scrubbed scrubbed;
};

/* Seal what is due, make parity for what has none, then scrub, and once a month
 * drill. Every step may be cut off. DAMAGED when any met damage. */
SLED_CHECK bool sled_store_tend(struct sled_store *store, uint64_t scrub_ms,
                                struct sled_tended *out, struct sled_err *err);

struct sled_drill_conf {
	const char *place;    /* the path of one; NULL: any */
	const char *volume;   /* "home/2026-11-001"; NULL: any */
	uint64_t most_octets; /* of a volume's file; 0: whatever it has */
	uint64_t ms;          /* for tar */
};

struct sled_drilled {
	int64_t at, ms;
	char place[4096], volume[64]; /* "" when none was chosen */
	char tar[100];                /* what it calls itself; printable */
	uint64_t messages, octets;
};

/* Extract a sealed volume with the system's tar, an open one where there is no
 * sealed one, and hold all messages of it against receipts and ledger. Of those
 * that fit it is one that had its turn longest ago, by lot. The outcome is kept
 * (ledger.h, health "drill"). DAMAGED when tar gave other mail; MISSING when
 * there is nothing to try; PLACE no room; CONFIG no tar, or it took too long.
 * *out is filled as far as it went. */
SLED_CHECK bool sled_store_drill(struct sled_store *store,
                                 const struct sled_drill_conf *conf,
                                 struct sled_drilled *out,
                                 struct sled_err *err);

/* ---- repair ---- */

enum sled_outcome {
	SLED_REPAIR_WHOLE,   /* nothing was to be done */
	SLED_REPAIR_MENDED,  /* every place has it as it was written */
	SLED_REPAIR_REVISED, /* something is lost: it is NAME.rN.tar.gz now */
	SLED_REPAIR_FAILED,  /* .why; what was there is as it was */
};

struct sled_repaired {
	const char *label, *name;
	char file[SLED_VOLUME_FILE]; /* as it is now */
	enum sled_outcome outcome;   /* when dry: what it would be */
	uint64_t members;
	uint64_t damaged; /* members that did not hold, all places */
	uint64_t places;  /* that got a new file */
	uint64_t beside;  /* ... new parity, or what a revision tells */
	/* Members that no file here had whole: put together from several, from
	 * far places, made by parity, made anew from the messages in them. */
	uint64_t mixed, far, parity, rebuilt;
	uint64_t saved, lost;     /* messages of those made anew */
	bool has_parity, has_far; /* dry only: they were not tried */
	const char *why;
};

struct sled_repair_conf {
	const char *const *volumes; /* "home/2026-11-001", or without "home/" */
	size_t volumes_len;         /* 0: all */
	bool dry;
};

/* All but VOLUME may be NULL. */
struct sled_repair_reader {
	void *ctx;
	void (*volume)(void *ctx, const struct sled_repaired *volume);
	/* Before its volume: what is in no place any more; WANTED: it is not
	 * gone from its server as far as is known, so it is fetched again. */
	void (*lost)(void *ctx, const struct sled_message *message,
	             bool wanted);
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
};

struct sled_repair_report {
	uint64_t volumes, mended, revised, failed, lost, wanted;
	uint64_t damaged;
};

/* Make volumes whole in every place that is there, from all that is left of
 * them in any: see STORE.md. A damaged file is never changed; it goes to
 * quarantine when a new one is proved. The store is open to REPAIR, or to READ
 * when DRY. True also when something is lost: see the report. MISSING when a
 * named volume is not there; PLACE when a place could not be written. */
SLED_CHECK bool sled_store_repair(struct sled_store *store,
                                  const struct sled_repair_conf *conf,
                                  const struct sled_repair_reader *reader,
                                  struct sled_repair_report *out,
                                  struct sled_err *err);

struct sled_prune_conf {
	const char *place; /* a configured path; NULL: the first one */
	int64_t before;    /* volumes of the months before its; 0: all */
	bool dry;          /* say it only */
	bool undo; /* instead: they may be brought back, by the next sync */
};

/* A sealed volume of the place. DONE: enough others were read and hold all of
 * it, so it is out (would be, when dry); else it stays. */
struct sled_pruned {
	const char *place, *label, *name;
	uint64_t octets;
	bool done;
};

typedef void sled_prune_fn(void *ctx, const struct sled_pruned *volume);
/* Take sealed volumes out of one place, for the room they take. Only what
 * min-copies other places hold, each read whole now. */
SLED_CHECK bool sled_store_prune(struct sled_store *store,
                                 const struct sled_prune_conf *conf,
                                 sled_prune_fn *each, void *ctx,
                                 struct sled_err *err);

/* A message, and whether its body is the one that was signed (bodyhash.h);
 * valid during the call. */
struct sled_content {
	const char *label;
	uint64_t number;
	struct sled_hash sha256;
	enum sled_bodyhash_outcome outcome;
	const char *domain; /* d=, printable, or "" */
};

/* MESSAGE is called for each message of a member that was proved. FAULT as by
 * sled_store_verify(), for members that do not hold where they were looked for;
 * it does not tell of volumes that cannot be opened. Both may read the ledger.
 */
struct sled_content_reader {
	void *ctx;
	bool (*message)(void *ctx, const struct sled_content *message,
	                struct sled_err *err);
	sled_verify_fn *fault;
	void *fault_ctx;
};

struct sled_content_report {
	uint64_t messages[SLED_BODYHASH_UNKNOWN + 1]; /* by outcome */
	uint64_t damaged;                             /* FAULTs told */
	uint64_t unread; /* members that no place has given */
};

/* Read every message once, from the first place whose member holds. */
SLED_CHECK bool sled_store_content(struct sled_store *store,
                                   const struct sled_content_reader *reader,
                                   struct sled_content_report *out,
                                   struct sled_err *err);

/* ---- mail that no visit brings: other programs', or a restore's ---- */

/* The server of mail that was on none; its user is the label. No configuration
 * can name it, so no visit meets such mail: it is never deleted anywhere. */
#define SLED_IMPORTED "(imported)"

struct sled_import; /* opaque */

struct sled_incoming {
	struct sled_hash sha256; /* of the bytes that will come */
	uint64_t octets, listed; /* theirs; and as a server listed them */
	/* NULL: one is made; "": it has none, and no TOP will ever prove it the
	 * same as a listed message. */
	const char *uid;
	int64_t received; /* at most now: else now */
};

struct sled_import_sums {
	uint64_t added, octets, present;
	uint64_t unsafe; /* of those added: in fewer than min-copies places */
	const char *unsafe_why; /* "": all are safe; lives as the store does */
};

/* The store is open to WRITE. */
SLED_CHECK bool sled_import_open(struct sled_import **out,
                                 struct sled_store *store,
                                 struct sled_err *err);
/* Before the first message, and for others again: whose the next ones are.
 * Mail of another server than SLED_IMPORTED is as after a rebuild: nothing is
 * deleted for it before a TOP proved it. */
SLED_CHECK bool sled_import_whose(struct sled_import *import,
                                  const struct sled_spool_owner *owner,
                                  struct sled_err *err);
/* One message: begin; when it is wanted also data, and end or drop. Not wanted
 * is the Nth message of these bytes for this account when it has N of them. end() is DAMAGED, and nothing of it is kept, when the bytes were not
 * those of the hash; the next message may follow then. After any other failure
 * only close() without FLUSH may. */
SLED_CHECK bool sled_import_begin(struct sled_import *import,
                                  const struct sled_incoming *incoming,
                                  bool *wanted, struct sled_err *err);
SLED_CHECK bool sled_import_data(struct sled_import *import,
                                 struct sled_span bytes, struct sled_err *err);
SLED_CHECK bool sled_import_end(struct sled_import *import,
                                struct sled_err *err);
SLED_CHECK bool sled_import_drop(struct sled_import *import,
                                 struct sled_err *err);
/* So far: what is in a batch that was not committed is not counted. */
struct sled_import_sums sled_import_sums(const struct sled_import *import);
/* Commit what is whole; without FLUSH it waits for the next start. Freed on
 * false too. */
SLED_CHECK bool sled_import_close(struct sled_import **import, bool flush,
                                  struct sled_import_sums *sums,
                                  struct sled_err *err);

/* ---- one visit ---- */

enum sled_verdict {
	SLED_ITEM_ABSENT,  /* no such message number */
	SLED_ITEM_NEW,     /* fetch it */
	SLED_ITEM_PROVE,   /* TOP n 0, then sled_box_proof() */
	SLED_ITEM_STORED,  /* it is ours: .row */
	SLED_ITEM_WAITS,   /* renumbered, perhaps: decided with the proofs */
	SLED_ITEM_SPOOLED, /* whole in a spool that no place has room for */
};

enum {
	SLED_ITEM_NOID = 1,      /* no usable unique-id */
	SLED_ITEM_RETRIEVED = 2, /* whole, in this visit */
	SLED_ITEM_TOPPED = 4,
	SLED_ITEM_SAFE = 8,     /* in min-copies places, verified */
	SLED_ITEM_SHORT = 16,   /* shorter than it can be: fetch once more */
	SLED_ITEM_DELE = 32,    /* DELE was sent and accepted */
	SLED_ITEM_DUE = 64,     /* the policy wants it deleted */
	SLED_ITEM_SAMPLE = 128, /* its proof speaks for those that wait */
};

/* 24 bytes a message; item i is message number i + 1. */
struct sled_item {
	uint64_t size; /* listed */
	int64_t row;   /* in the ledger, or 0 */
	uint32_t uid;  /* offset in .uids; the text there ends with a NUL */
	uint8_t verdict;
	uint8_t flags;
	uint8_t asked;     /* the session's: a command for it is on its way */
	unsigned fate : 7; /* the session's: why it was not fetched */
	bool moved : 1;    /* a TOP proved a row that has not this id */
};

struct sled_listing {
	struct sled_item *items;
	size_t len;
	struct sled_buf uids;
	bool has_uidl;
};

/* Room for LEN messages, all ABSENT; what a server only counts, and does not
 * list, is never written to, and takes no memory. */
SLED_CHECK bool sled_listing_new(struct sled_listing *listing, size_t len,
                                 struct sled_err *err);
SLED_CHECK bool sled_listing_size(struct sled_listing *listing, uint32_t msg,
                                  uint64_t size, struct sled_err *err);
/* A unique-id that is not 1-70 bytes of 0x21-0x7E becomes "no id". */
SLED_CHECK bool sled_listing_uid(struct sled_listing *listing, uint32_t msg,
                                 struct sled_span uid, struct sled_err *err);
void sled_listing_free(struct sled_listing *listing);
const char *sled_listing_uid_of(const struct sled_listing *listing, size_t i);

/* The listed sizes of the items that OF holds for. */
struct sled_sizes {
	uint64_t *list; /* in order; NULL: no memory */
	size_t len;
};

void sled_sizes_new(struct sled_sizes *out, const struct sled_listing *listing,
                    bool (*of)(void *ctx, const struct sled_item *item),
                    void *ctx);
/* How many of them have this size: 0, 1, or 2 for more. Without memory 2. */
unsigned sled_sizes_count(const struct sled_sizes *sizes, uint64_t size);
void sled_sizes_free(struct sled_sizes *sizes);

SLED_CHECK bool sled_box_open(struct sled_box **out, struct sled_store *store,
                              const struct sled_spool_owner *owner, int64_t now,
                              struct sled_err *err);
/* The server's habits; the session notes what it learns and the box keeps it. */
struct sled_maildrop *sled_box_maildrop(struct sled_box *box);
/* What is known of the server, to be changed in place: close() keeps it with
 * the visit, whatever that came to. It is a cache: the store says so when it
 * cannot be kept, and no visit fails for that. */
struct sled_peer *sled_box_peer(struct sled_box *box);

/* Before listed(): what will become of a message of this id and size? */
enum sled_standing {
	SLED_STANDING_NEW,     /* it is not ours: to be fetched or held */
	SLED_STANDING_OPEN,    /* to be proved, fetched once more or deleted */
	SLED_STANDING_SETTLED, /* ours, and left alone */
};

SLED_CHECK bool sled_box_standing(struct sled_box *box, const char *uid,
                                  uint64_t size, int64_t delete_until,
                                  enum sled_standing *out,
                                  struct sled_err *err);
/* The whole listing came: give each item its verdict. Messages received up to
 * DELETE_UNTIL may be deleted. The listing is borrowed until close. Rows that
 * it lacks are gone. */
SLED_CHECK bool sled_box_listed(struct sled_box *box,
                                struct sled_listing *listing,
                                int64_t delete_until, int64_t now,
                                struct sled_err *err);
/* What TOP n 0 brought (NULL: refused). Afterwards the item is STORED or NEW,
 * or another item's verdict has changed from WAITS. */
SLED_CHECK bool sled_box_proof(struct sled_box *box, size_t item,
                               const struct sled_digest *top, int64_t now,
                               struct sled_err *err);

/* What came with other octets than listed before the server's habit was known is
 * short after all, if most turned out to be exact. Before DELEs; not beside a
 * job. */
SLED_CHECK bool sled_box_reconsider(struct sled_box *box, struct sled_err *err);
/* The item was RETRieved in this visit, but may be another message: it is not
 * deleted before a TOP of a later visit proved it. Not beside a job. */
SLED_CHECK bool sled_box_doubt(struct sled_box *box, size_t item,
                               struct sled_err *err);
/* The next item from *AT on, which moves behind it, that came in this visit with
 * the size that another one is listed with, and not with its own: where it is
 * not known yet that this server's sizes tell nothing, it may be that one. */
bool sled_box_stray(const struct sled_box *box, size_t *at, size_t *item);
/* One that came in this visit may be another of its size, whatever came for
 * that: it is among those too, until its header is shown. Not beside a job. */
SLED_CHECK bool sled_box_suspect(struct sled_box *box, size_t item,
                                 struct sled_err *err);
/* What TOP n 0 brought for it (NULL: refused). The header of what came: all is
 * well. *other: that of another message; it is short, and fetched once more; of
 * one whose octets came twice strange() says so. Where none tells it is in doubt,
 * unless it came so before. Not beside a job. */
SLED_CHECK bool sled_box_shown(struct sled_box *box, size_t item,
                               const struct sled_digest *top, bool *other,
                               struct sled_err *err);
/* Behind all of them: what showed the header of another message, while none with
 * its octets showed the same one, is *other too. Not beside a job. */
SLED_CHECK bool sled_box_strange(struct sled_box *box, bool *other,
                                 struct sled_err *err);
/* Such an item of an earlier visit, that neither a TOP nor its octets in this one
 * have settled. */
bool sled_box_in_doubt(const struct sled_box *box, size_t item);

/* The next item from *AT on (0: the first) that came in this visit and before it,
 * and neither time as it is listed, or as its header says; false: none. */
bool sled_box_again(const struct sled_box *box, size_t *at, size_t *item);

/* One message on its way in: begin, data, end; or cancel. */
SLED_CHECK bool sled_box_begin(struct sled_box *box, size_t item, int64_t now,
                               struct sled_err *err);
SLED_CHECK bool sled_box_data(struct sled_box *box, struct sled_span bytes,
                              struct sled_err *err);
SLED_CHECK bool sled_box_end(struct sled_box *box, struct sled_err *err);
/* Behind end(): the size that a server with this habit lists for what came. */
uint64_t sled_box_counted(const struct sled_box *box);
void sled_box_cancel(struct sled_box *box);
/* Did two of the same octets come in this visit, one behind the other, messages
 * or headers? It may be one that was given twice. */
bool sled_box_echoed(const struct sled_box *box);

/* Group commit. take() gathers what is whole (all of it with FLUSH, else full
 * members only, and what must be synced) and says whether there is a job;
 * commit() does it [job]; apply() brings its outcome to the items. On failure
 * the messages stay in the spool, for the next start. */
bool sled_box_commit_take(struct sled_box *box, bool flush);
/* Whole messages that no job has taken yet: what memory there is for them. */
size_t sled_box_backlog(const struct sled_box *box);
void sled_box_commit(struct sled_box *box); /* [job] */
SLED_CHECK bool sled_box_commit_apply(struct sled_box *box,
                                      struct sled_err *err);

/* Count the places again for what was stored in earlier visits, is listed and
 * due: a present place reads the member again unless it did within 24 h, an
 * absent one counts for 30 days. take() says which items these are; recheck()
 * does it [job], and mail may come in meanwhile; apply() sets SAFE. */
SLED_CHECK bool sled_box_recheck_take(struct sled_box *box,
                                      struct sled_err *err);
void sled_box_recheck(struct sled_box *box, int64_t now); /* [job] */
SLED_CHECK bool sled_box_recheck_apply(struct sled_box *box,
                                       struct sled_err *err);

/* Law 1. Verified in min-copies places, the row committed, due by the policy; or
 * dropped by the user, and proved to be the message that was meant. */
bool sled_box_may_delete(const struct sled_box *box, size_t item);
/* Is everything RETRieved or TOPped in this visit safe, and none in doubt?
 * (EXPIRE 0) */
bool sled_box_all_safe(const struct sled_box *box);
/* Before the DELEs of all items with may_delete() leave. */
SLED_CHECK bool sled_box_dele_sent(struct sled_box *box, int64_t now,
                                   struct sled_err *err);
/* QUIT was answered +OK: every item with SLED_ITEM_DELE is gone. */
SLED_CHECK bool sled_box_gone(struct sled_box *box, int64_t now,
                              struct sled_err *err);

/* ---- caches: a failure here is worth a warning, not a failed visit; best
 * called when the mail is safe. Not beside a job of the same box. ---- */

/* What the interface NAME carries, as in ledger.h. */
SLED_CHECK bool sled_box_path(struct sled_box *box, const char *name,
                              struct sled_path *out, bool *found,
                              struct sled_err *err);
SLED_CHECK bool sled_box_path_put(struct sled_box *box,
                                  const struct sled_path *path,
                                  struct sled_err *err);

/* The remembered listing: sizes, unique-ids, has_uidl; each verdict is NEW.
 * Empty when nothing is remembered. Freed by the caller, with
 * sled_listing_free(), when this succeeds. */
SLED_CHECK bool sled_box_seen(struct sled_box *box, struct sled_listing *out,
                              struct sled_err *err);
/* Remember NOW without the items that GONE (NULL: none) says are; the others
 * close up. Written only from the first difference on. GONE may be asked twice
 * about an item. From an ABSENT item on nothing is remembered, and nothing at
 * all of a listing without unique-ids. */
SLED_CHECK bool sled_box_seen_keep(struct sled_box *box,
                                   const struct sled_listing *now,
                                   bool (*gone)(void *ctx, size_t item),
                                   void *ctx, struct sled_err *err);
SLED_CHECK bool sled_box_seen_forget(struct sled_box *box,
                                     struct sled_err *err);

/* ---- held mail: what was decided, by `want` and `drop` ---- */

/* The id of the contract. */
SLED_CHECK bool sled_held_id(const char *server, const char *user,
                             const char *uid, uint64_t size,
                             char out[SLED_HELD_ID], struct sled_err *err);
/* What was decided of a listed item, by its unique-id and size. */
enum sled_decision sled_box_decision(const struct sled_box *box, size_t item);
/* The id of the contract, of an item that has a held row; else "". */
const char *sled_box_held_id(const struct sled_box *box, size_t item);
/* Is there a preview of it already? */
bool sled_box_previewed(const struct sled_box *box, size_t item);
/* What came to nothing in this visit, printable, "" for nothing; until the next
 * call on the box. */
const char *sled_box_lapsed(const struct sled_box *box);
/* Keep a row of each item that IS_HELD. One without a unique-id has none. */
SLED_CHECK bool sled_box_held_keep(struct sled_box *box,
                                   bool (*is_held)(void *ctx, size_t item),
                                   void *ctx, int64_t now,
                                   struct sled_err *err);
/* The item is held: keep its row. PREVIEW is what TOP brought, header and
 * first lines; DIGEST is that of it, NULL for none. */
SLED_CHECK bool sled_box_held(struct sled_box *box, size_t item,
                              const struct sled_digest *digest,
                              struct sled_span preview, int64_t now,
                              struct sled_err *err);
/* The header that a TOP of this visit brought for an item to be dropped, NULL
 * where there was none. *same when it is that of the decision, or the item was
 * not previewed: from now on sled_box_may_delete() is true for it. Else the
 * decision lapses, and the row tells why. */
SLED_CHECK bool sled_box_drop_check(struct sled_box *box, size_t item,
                                    const struct sled_digest *head, int64_t now,
                                    bool *same, struct sled_err *err);
/* A decision of `want` and `drop`, or none, journalled in every place; the
 * store is open to WRITE. MISSING when no held row has this id. */
SLED_CHECK bool sled_store_decide(struct sled_store *store, const char *id,
                                  enum sled_decision decision, int64_t now,
                                  struct sled_err *err);

/* ---- set aside: messages whose answer ended visits ---- */

/* From so many strikes on a message is not asked for before an hour has gone,
 * then two, four, and so on, SLED_ASIDE_MOST_S at most. */
#define SLED_ASIDE_STRIKES 3
#define SLED_ASIDE_MOST_S  INT64_C(604800) /* 7 days */

struct sled_strike {
	unsigned weight; /* how much it counts */
	unsigned most;   /* no more strikes than these by it; 0: any number */
	bool for_good;   /* with an id: not before the user wants it */
	const char *why; /* printable */
};

/* Behind listed(): what is known of the item; NULL: it is as others are. Until
 * the next call on the box. */
const struct sled_aside_row *sled_box_aside(const struct sled_box *box,
                                            size_t item);
/* Its answer ended this visit, or is wrong each time. With an id it has a held row
 * from the third strike on; a decision to fetch it lapses. Not beside a job. */
SLED_CHECK bool sled_box_set_aside(struct sled_box *box, size_t item,
                                   const struct sled_strike *by, int64_t now,
                                   struct sled_err *err);
/* The same for all that again() names, at once. */
SLED_CHECK bool sled_box_set_again_aside(struct sled_box *box,
                                         const struct sled_strike *by,
                                         int64_t now, struct sled_err *err);

/* ---- rounds ---- */

/* The row, and with OVER its journal line, in every place. The first put of a
 * round (id 0) also journals those that died before it. */
SLED_CHECK bool sled_store_round(struct sled_store *store,
                                 struct sled_round_row *row,
                                 struct sled_err *err);

/* ---- deliveries ---- */

/* The journal line of the row, with what it lacks, in every place; then the row,
 * with .told. */
SLED_CHECK bool sled_store_delivery(struct sled_store *store,
                                    struct sled_delivery_row *row, int64_t now,
                                    struct sled_err *err);

/* Octets and messages of this visit that are whole; and why mail of it is not
 * safe, "" when all is. */
struct sled_box_sums {
	uint64_t fetched, mail_bytes, safe;
	const char *unsafe_why;
	enum sled_err_kind unsafe_kind;
	bool
	    far_pending; /* nothing is wrong: far copies are sent behind this */
};
struct sled_box_sums sled_box_sums(const struct sled_box *box);

/* The visit's row, its journal lines, in every place; the next volume when one
 * is due. Then free. VISIT may be NULL: nothing is noted. */
SLED_CHECK bool sled_box_close(struct sled_box **box,
                               struct sled_visit_row *visit,
                               struct sled_err *err);

#endif
