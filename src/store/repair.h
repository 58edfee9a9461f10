/*
 * repair.h - private to store: one volume made whole again.
 *
 * ORIGINAL is the volume as it was first written; CURRENT what the ledger has
 * of it: the same, but where an earlier repair lost something (revision > 0)
 * some members of CURRENT are smaller ones that were made then.
 */
#ifndef STORE_REPAIR_H
#define STORE_REPAIR_H

#include "store/store.h"

#define SLED_REPAIR_FOLDER "repair"    /* scratch, below the state folder */
#define SLED_REVISION_MAX  (64U << 20) /* octets of a .tsv */
#define SLED_REMADE        ".remade"
#define SLED_REMADE_NAME   (SLED_VOLUME_FILE + 8)

/* ---- swap.c ---- */
void sled_remade_name(char out[SLED_REMADE_NAME], const char *file);

/* ---- origins.c: files that may have members of the volume ---- */

struct sled_origin {
	struct sled_reading reading;
	struct sled_seat *seat; /* whose present file it is, or NULL */
	const char *place;      /* its path; borrowed */
};

/* Each is allocated on its own, for a reading does not move. */
struct sled_origins {
	struct sled_origin **list;
	size_t len;
};

/* FOLDER/FILE of a place, if it is there and can be opened; SEAT may be NULL.
 * Only NOMEM fails. */
bool sled_origins_add(struct sled_origins *origins, struct sled_place *place,
                      const char *folder, const char *file,
                      struct sled_seat *seat, struct sled_err *err);
/* Other files of the volume in the places, and what is left of it in their
 * quarantines. */
bool sled_origins_add_old(struct sled_origins *origins,
                          struct sled_store *store,
                          const struct sled_volume_row *volume,
                          struct sled_err *err);
void sled_origins_free(struct sled_origins *origins);

/* ---- revision.c: what NAME.rN.tsv says ---- */

/* A member of CURRENT that is not the original one. */
struct sled_odd {
	size_t index;
	struct sled_member_sum was;
};

struct sled_revision {
	bool known_before; /* the original was sealed, or was to be */
	struct sled_hash before, now;
	struct sled_odd *odd;
	size_t odd_len;
	struct sled_receipt *lost;
	size_t lost_len;
};

void sled_revision_file(char out[SLED_VOLUME_FILE], const char *name,
                        unsigned revision);
bool sled_revision_add_odd(struct sled_revision *revision, size_t index,
                           const struct sled_member_sum *was,
                           struct sled_err *err);
bool sled_revision_add_lost(struct sled_revision *revision,
                            const struct sled_receipt *receipt,
                            struct sled_err *err);
bool sled_revision_format(struct sled_buf *out,
                          const struct sled_revision *revision,
                          struct sled_err *err);
/* DAMAGED when it is none. To be freed in either case. */
bool sled_revision_parse(struct sled_span text, struct sled_revision *out,
                         struct sled_err *err);
/* The tsv of the volume's revision, from the first place that has it whole;
 * empty when none does, and for revision 0. */
bool sled_revision_load(struct sled_store *store,
                        const struct sled_volume_row *volume,
                        struct sled_revision *out, struct sled_err *err);
void sled_revision_free(struct sled_revision *revision);

/* ---- one volume ---- */

enum sled_piece_kind {
	SLED_PIECE_MISSING,
	SLED_PIECE_ORIGINAL,
	SLED_PIECE_CURRENT, /* that of an earlier repair */
	SLED_PIECE_REBUILT, /* made now: it has lost something */
};

/* Where a member's bytes are. */
struct sled_piece {
	enum sled_piece_kind kind;
	size_t origin;
	uint64_t at;
	struct sled_member_sum sum;
};

struct sled_repair {
	struct sled_store *store;
	const struct sled_repair_conf *conf;
	const struct sled_repair_reader *reader;
	struct sled_volume_row volume;
	struct sled_member_row *rows;     /* CURRENT */
	struct sled_member_row *original; /* .at is that in the first file */
	size_t len;
	struct sled_revision revision; /* of CURRENT */
	struct sled_origins origins;
	struct sled_piece *pieces;
	bool *whole; /* one a seat: its file needs nothing */
	size_t missing;
	struct sled_place scratch; /* the state folder, as a place */
	int scratch_dir;           /* SLED_REPAIR_FOLDER, or -1 */
	struct sled_file made;     /* members that were made in it */
	uint64_t made_end;
	size_t made_origin; /* SIZE_MAX: not yet an origin */
	struct sled_repaired out;
	uint64_t wanted; /* lost messages that are fetched again, all volumes */
	uint64_t done, total; /* octets, of all volumes in all places */
	bool unwritten;       /* a place could not be written */
};

/* Does the origin have these bytes at AT? */
bool sled_origin_holds(struct sled_origin *origin, uint64_t at,
                       const struct sled_member_sum *sum);

/* Look for each missing member in the origins FROM on; *found counts them. */
void sled_repair_find(struct sled_repair *r, size_t from, uint64_t *found);

/* Is there any member that not even an earlier repair's stands for? */
bool sled_repair_is_needy(const struct sled_repair *r);
/* LENGTH octets to AT of another file; what cannot be read, or has no FROM, is
 * zeros there. */
bool sled_repair_copy_raw(struct sled_reading *from, uint64_t from_at,
                          uint64_t length, struct sled_file *to, uint64_t at,
                          struct sled_err *err);

/* scratch.c: the folder is made at first use, without what was left there. */
bool sled_scratch_open(struct sled_repair *r, struct sled_err *err);
bool sled_scratch_write(struct sled_repair *r, const void *data, size_t len,
                        struct sled_err *err);
/* What was written from AT on is a member; *origin is where to find it. */
bool sled_scratch_member(struct sled_repair *r, uint64_t at, size_t *origin,
                         struct sled_err *err);
void sled_scratch_close(struct sled_repair *r);

/* mix.c: members that no file has whole, put together from several. */
bool sled_repair_mix(struct sled_repair *r, struct sled_err *err);
/* origins_far.c: far places, for what no place here has. */
bool sled_repair_far(struct sled_repair *r, struct sled_err *err);
/* mend_parity.c: the file that par2 makes of what there is becomes an origin. */
bool sled_repair_parity(struct sled_repair *r, struct sled_err *err);
/* rebuild.c: single messages out of what is still missing. What cannot be
 * saved is added to LOST. */
bool sled_repair_rebuild(struct sled_repair *r, struct sled_revision *lost,
                         struct sled_err *err);

/* The receipt that a message's row came from. */
struct sled_receipt sled_receipt_of(const struct sled_message *row);
/* The rows of a member's messages, without their texts; *out is to be freed. */
bool sled_repair_messages(struct sled_repair *r, size_t index,
                          struct sled_message **out, size_t *len,
                          struct sled_err *err);
/* What the volume's VOLUME.txt says. */
bool sled_repair_info(struct sled_repair *r, struct sled_buf *out,
                      struct sled_err *err);

/* ---- renew.c: the volume's file in one place, made anew of PIECES ---- */

struct sled_renewal {
	struct sled_seat *seat;
	const struct sled_volume_row *volume; /* as it will be */
	bool sealed;                          /* the file is */
	char file[SLED_VOLUME_FILE];
	struct sled_hash sha256; /* of it, once written */
};

/* Written beside, synced, read from the disk and proved. */
bool sled_renew_write(struct sled_repair *r, struct sled_renewal *renewal,
                      struct sled_err *err);
/* Then: REVISION beside it (NULL for none), its name, its sidecar. */
bool sled_renew_take(struct sled_repair *r, const struct sled_renewal *renewal,
                     const struct sled_revision *revision,
                     struct sled_err *err);
/* What else there is of the volume in the place: into quarantine. */
bool sled_renew_tidy(struct sled_repair *r, struct sled_seat *seat,
                     struct sled_err *err);

#endif
