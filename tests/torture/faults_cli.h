/*
 * faults_cli.h - `export` and `restore`, run as main() runs them, with the
 * calls of the store under test; see faults.c.
 *
 * Contract
 *   Both scenes have a configuration, and what a run without faults writes, by
 *   format, in TMP/want. What a command said is kept and judged here; a test
 *   ends with a word when it is not as it should be.
 */
#ifndef FAULTS_CLI_H
#define FAULTS_CLI_H

#include "crash.h"

/* A store with a copy, mail in it that takes several writes. */
extern const struct scene cli_scene_export;
/* The same, and TMP/old: another store's copy, which has the scene's mails. */
extern const struct scene cli_scene_restore;

/* One command that may fail: of a failure, into *ERR, the exit status and the
 * first line; it has to name a path, and with COUNTED what came of it and what
 * to do. Descriptors are counted too. */
SLED_CHECK bool cli_export(struct world *world, const char *format,
                           struct sled_err *err);
SLED_CHECK bool cli_restore(struct world *world, const char *format,
                            struct sled_err *err);
SLED_CHECK bool cli_restore_into(struct world *world, struct sled_err *err);

/* Of what an export or restore reads. */
uint64_t cli_sources(struct world *world);
/* What is in TMP/to now is whole, message for message; then the same command
 * once more, which has to go well, and all of it is there. */
void cli_complete(struct world *world, bool restore, const char *format);

#endif
