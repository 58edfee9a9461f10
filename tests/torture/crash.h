/*
 * crash.h - crash states: what a power cut may leave of a store at any point of
 * a visit, and whether the next start makes all of it good.
 *
 * Contract
 *   A scene is a store and what happens to it: prepared, then run in a child
 *   with each change of the disk in a log (fx_disk.h), together with what the
 *   server did. Every state of its disk is then laid into a folder, and a child
 *   of its own starts there, against a server that stands where it stood at
 *   the cut. It ends with 0 when the laws held, else it has said why.
 *   Jobs of worker threads run in the thread that submits them, so that a
 *   state's number means the same state each time.
 */
#ifndef CRASH_H
#define CRASH_H

#include <stdatomic.h>

#include "fx_disk.h"
#include "fx_store.h"

#define SCENE_MAILS 64

enum note {
	NOTE_WHOLE = 1, /* message VALUE is whole: kill -9 must not lose it */
	NOTE_QUIT,      /* the server has deleted the messages of the mask */
	NOTE_START,     /* another process: all before was its own */
};

struct scene;

/* Where a scene is played, and where its states are looked at. */
struct world {
	struct fx_store w;
	struct fx_disk disk;
	struct fx_log *log;
	const struct scene *scene;
	const struct mutant *mutant; /* or NULL */
	size_t die_at;
};

struct scene {
	const char *name;
	size_t copies;
	unsigned min_copies; /* 0: all of them */
	size_t before;       /* messages of an earlier visit */
	const struct fx_mail *mails;
	size_t len, group;
	void (*prepare)(struct world *); /* NULL: the visit of BEFORE */
	void (*run)(struct world *);     /* NULL: one visit, all deleted */
	void (*again)(struct world *);   /* what is done again at the next
	                                  * start, before its visit */
	struct fx_rule rule;             /* a fault of the disk; call FX_ANY: no */
	size_t die_at;      /* killed at this op, then run again; 0: no */
	bool cut_link;      /* the link is cut in the second message */
	bool beside;        /* the second message comes in during a commit */
	bool pruned;        /* the first place need not hold all */
	bool no_ids;        /* so they have to come again */
	bool imported;      /* the mails are on no server */
	bool damaged;       /* from the start, and mended by AGAIN */
	size_t cuts;        /* most ways a cut; 0: the run's */
};

extern const struct scene crash_scenes[];
extern const size_t crash_scenes_len;
const struct scene *crash_scene(const char *name);

struct mutant {
	const char *name, *scene;
	struct fx_rule rule[2];
	bool in_check;      /* the next start is as broken */
	bool dele_early;    /* the server deletes what is whole only */
	bool take_cut;      /* a cut message is taken for whole */
	bool hashes_equal;  /* every two of them */
	bool members_hold;  /* every member is as it should be */
	bool holds_on;      /* what a place lost counts on */
	bool unspool_early; /* the spool goes before the ledger's commit */
};

extern const struct mutant crash_mutants[];
extern const size_t crash_mutants_len;
/* What the linker's --wrap asks. */
extern bool crash_hashes_equal, crash_members_hold, crash_holds_on;

void world_make(struct world *world, const struct scene *scene,
                const struct mutant *mutant);
void world_drop(struct world *world);
/* What may fail, and what has to go well: a repair that loses nothing, an
 * import of all the scene's mails. */
SLED_CHECK bool scene_repair(struct world *world, struct sled_err *err);
SLED_CHECK bool scene_import(struct world *world, struct sled_err *err);
/* All mail that is there goes to TMP/M, and with MBOX to TMP/box too; false with
 * the reason when some of it waits. Then, behind one that went well: each
 * message of the earlier visit is there once. */
SLED_CHECK bool scene_deliver(struct world *world, bool mbox,
                              struct sled_err *err);
void scene_delivered(struct world *world, bool mbox);
/* A visit that brings these and deletes them; that of the scene's BEFORE. */
void scene_bring(struct world *world, const struct fx_mail *mails, size_t len);
void scene_before(struct world *world);
/* In a child each: the scene's first state, and what happens. */
void scene_prepare(struct world *world);
void scene_run(struct world *world);
/* Messages BEFORE, then those of the scene: into OUT, their number. */
size_t scene_all(const struct scene *scene, struct fx_mail *out);

/* What was true when the log was AFTER ops long. */
struct moment {
	uint64_t gone;  /* deleted on the server, by index of the scene's mails */
	uint64_t known; /* synced, as the program had reason to believe: never
	                 * to be fetched again */
};
struct moment moment_at(const struct fx_log *log, size_t after);

/* What GNU tar has read, by the octets: the same are not read to it twice. In
 * memory that all who look share. */
struct readings {
	atomic_size_t made;
	atomic_uint_least64_t key[1 << 16]; /* 0: free */
};

/* In a child, W's folder holding a state: the laws; in the end by GNU tar too,
 * unless READINGS is NULL. Ends the process when one does not hold. */
void state_check(struct world *world, const struct moment *moment,
                 struct readings *readings);

#endif
