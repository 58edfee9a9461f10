/*
 * fx_disk.h - a disk that forgets: records what a program did to a folder, and
 * builds each folder that a power cut could have left of it.
 *
 * Contract
 *   The recorder is a sys table over the real one. What changes the disk goes
 *   to a log in shared memory, so that a child may record, die, and another
 *   child go on. Reads are not logged. Objects are told apart by inode number.
 *
 *   What is durable, after ext4's manual, taken at its least:
 *   - fdatasync and fsync of a file: its bytes, length and mode, not its name
 *   - fsync of a folder: the names in it (made, renamed, unlinked)
 *   - syncfs: all of it
 *   - a sync that failed: nothing, and what was written before it is not made
 *     durable by a later sync either
 *   All else is pending: at a cut each pending write is there, not there, there
 *   as a length of zeros only, or torn at a multiple of 512 octets, whatever
 *   became of the others; each pending change of a name is there or not. A
 *   rename is whole or not at all. What a file gains behind a pending
 *   truncation is not there without the truncation.
 */
#ifndef FX_DISK_H
#define FX_DISK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fx_sys.h"

enum fx_op_kind {
	FX_OP_CREATE,
	FX_OP_MKDIR,
	FX_OP_RENAME,
	FX_OP_UNLINK,
	FX_OP_WRITE,
	FX_OP_CUT,
	FX_OP_MODE,
	FX_OP_SYNC,      /* of a file or a folder */
	FX_OP_SYNC_LOST, /* it failed */
	FX_OP_SYNC_ALL,
	FX_OP_NOTE, /* the test's own: nothing on the disk */
};

#define FX_NAME     96
#define FX_DISK_OPS 16384

struct fx_op {
	enum fx_op_kind kind;
	bool claimed;       /* SYNC: the program believes it, the disk does not */
	uint64_t ino;       /* what it was done to */
	uint64_t dir, dir2; /* where its name was, and is */
	uint64_t at, len;   /* CUT: at; MODE: at; NOTE: what, and its value */
	size_t data;        /* WRITE: offset in the log's bytes */
	char name[FX_NAME], name2[FX_NAME];
};

struct fx_log {
	size_t len, bytes;
	struct fx_op op[FX_DISK_OPS];
	uint8_t data[]; /* FX_DISK_BYTES */
};

/* What is done to some calls instead of them. */
enum fx_trick {
	FX_SWALLOW = 1, /* answered with 0, not made */
	FX_LOSE,        /* a sync fails: EIO */
	FX_LOSE_UNSEEN, /* a sync fails, and is answered with 0 */
	FX_FLIP,        /* pwrite: the disk has another last octet, which is seen
	                 * only once the pages are dropped */
};

struct fx_rule {
	enum fx_call call;
	const char *path; /* part of it; a leading '$' : all of its end */
	enum fx_trick trick;
	unsigned nth; /* 0: each one; else that one only, from 1 */
	unsigned seen;
};

#define FX_RULES 6
#define FX_FLIPS 4

struct fx_flip {
	uint64_t ino;
	off_t at;
	uint8_t octet;
};

struct fx_disk {
	struct sled_sys sys;
	struct fx_log *log; /* NULL: nothing is recorded */
	pthread_mutex_t lock;
	struct fx_rule rule[FX_RULES];
	unsigned rules, flips;
	struct fx_flip flip[FX_FLIPS];
	size_t die_at; /* _exit(9) instead of the log's op of this number; 0: no */
	/* Called once, inside the first call that FX_RULES' path and call match;
	 * for steps that are to come too early. */
	enum fx_call early_call;
	const char *early_path;
	void (*early)(void *ctx);
	void *early_ctx;
	bool busy;
};

struct fx_log *fx_log_new(void);
void fx_log_free(struct fx_log **log);
void fx_disk_init(struct fx_disk *disk, struct fx_log *log);
void fx_disk_rule(struct fx_disk *disk, struct fx_rule rule);
void fx_disk_note(struct fx_disk *disk, uint64_t what, uint64_t value);
/* Words for an op, of static memory. */
const char *fx_op_text(const struct fx_op *op);

/* ---- what may be left ---- */

struct fx_tree; /* a folder in memory */

/* All of PATH, but for SQLite's -shm. */
struct fx_tree *fx_tree_read(const char *path);
void fx_tree_free(struct fx_tree **tree);
/* Into PATH, which is there and empty. */
void fx_tree_write(const struct fx_tree *tree, const char *path);
uint64_t fx_tree_hash(const struct fx_tree *tree);
/* A file or folder that is not the same in both, in words of static memory. */
const char *fx_tree_difference(const struct fx_tree *now,
                               const struct fx_tree *built);

/* A choice for each op that was pending at a cut. */
struct fx_cut {
	size_t after; /* so many ops of the log were begun */
	size_t pending;
	uint32_t op[FX_DISK_OPS];
	uint8_t choice[FX_DISK_OPS], choices[FX_DISK_OPS];
	uint64_t tear; /* decides at which sector each torn write is */
};

/* The pending ops of a cut after AFTER ops; each choice is 0: all is there. */
void fx_cut_begin(struct fx_cut *cut, const struct fx_log *log, size_t after);
/* How many ways there are, MOST at most. */
size_t fx_cut_ways(const struct fx_cut *cut, size_t most);
/* Take way N: all ways in turn when they are MOST at most; else first the
 * corners (all, nothing, names or bytes only, one of each only, all but one),
 * then what SEED gives. */
void fx_cut_choose(struct fx_cut *cut, const struct fx_log *log, size_t n,
                   size_t most, uint64_t seed);
struct fx_tree *fx_cut_build(const struct fx_cut *cut, const struct fx_log *log,
                             const struct fx_tree *base);

#endif
