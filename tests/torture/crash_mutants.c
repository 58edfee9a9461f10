/*
 * crash_mutants.c - mistakes that a program like this one could make, one at a
 * time: each must be seen by some state of its scene, or the states prove
 * nothing. They are made around the product, never in it.
 */
#include "crash.h"

#define NO_SYNC(part)   { FX_FDATASYNC, part, FX_SWALLOW, 0, 0 }
#define NO_FOLDER(part) { FX_FSYNC, part, FX_SWALLOW, 0, 0 }

const struct mutant crash_mutants[] = {
	{ .name = "DELE before the commit", .scene = "next",
	  .dele_early = true },
	{ .name = "volume is not synced", .scene = "next",
	  .rule = { NO_SYNC("/store/home/") } },
	{ .name = "copy is not synced", .scene = "next",
	  .rule = { NO_SYNC("/copy1/home/") } },
	{ .name = "no folder sync for a new volume", .scene = "first",
	  .rule = { NO_FOLDER("$/store/home") } },
	{ .name = "no folder sync for a new copy", .scene = "first",
	  .rule = { NO_FOLDER("$/copy1/home") } },
	{ .name = "account's folder is not synced", .scene = "first",
	  .rule = { NO_FOLDER("$/store"), NO_FOLDER("$/copy1") } },
	{ .name = "spool is not synced", .scene = "next",
	  .rule = { NO_SYNC("$.spool") } },
	{ .name = "no folder sync for the spool", .scene = "next",
	  .rule = { NO_FOLDER("$/spool") } },
	{ .name = "spool goes before the ledger", .scene = "killed",
	  .unspool_early = true },
	{ .name = "place's mark is not synced", .scene = "first",
	  .rule = { NO_SYNC("COPY.txt") } },
	{ .name = "store's mark is not synced", .scene = "first",
	  .rule = { NO_SYNC("STORE.txt") } },
	{ .name = "ledger's log is not synced", .scene = "next",
	  .rule = { NO_SYNC("$-wal") } },
	{ .name = "ledger is not synced at its checkpoint", .scene = "next",
	  .rule = { NO_SYNC("$ledger.db") } },
	{ .name = "a cached read is trusted", .scene = "disk-lies",
	  .rule = { { FX_DROP_PAGES, "/", FX_SWALLOW, 0, 0 } } },
	{ .name = "the copy's cached read is trusted", .scene = "copy-lies",
	  .rule = { { FX_DROP_PAGES, "/copy1/", FX_SWALLOW, 0, 0 } } },
	{ .name = "hashes are not compared", .scene = "copy-lies",
	  .hashes_equal = true, .members_hold = true },
	{ .name = "a failed sync is ignored", .scene = "next",
	  .rule = { { FX_FDATASYNC, "/store/home/", FX_LOSE_UNSEEN, 1, 0 } } },
	{ .name = "the copy's failed sync is ignored", .scene = "next",
	  .rule = { { FX_FDATASYNC, "/copy1/home/", FX_LOSE_UNSEEN, 1, 0 } } },
	{ .name = "a cut message is taken for whole", .scene = "cut-link",
	  .take_cut = true },
	{ .name = "sealed volume is not synced", .scene = "seal",
	  .rule = { { FX_FDATASYNC, "/store/home/", FX_SWALLOW, 2, 0 } } },
	{ .name = "sidecar is not synced", .scene = "seal",
	  .rule = { NO_SYNC("sha256") } },
	{ .name = "no folder sync after the seal's rename", .scene = "seal",
	  .rule = { NO_FOLDER("$/home") } },
	{ .name = "what is adopted is not synced", .scene = "killed-late",
	  .rule = { NO_SYNC("/home/") } },
	{ .name = "a torn tail is not cut", .scene = "next",
	  .rule = { { FX_FTRUNCATE, "/home/", FX_SWALLOW, 0, 0 } },
	  .in_check = true },
	{ .name = "pruned before it is counted", .scene = "prune",
	  .rule = { NO_SYNC("/copy1/home/"), NO_SYNC("/copy2/home/") } },
};
const size_t crash_mutants_len = sizeof(crash_mutants) / sizeof(*crash_mutants);
