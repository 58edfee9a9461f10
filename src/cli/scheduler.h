/* scheduler.h - what commands ask of the scheduler of this store, if one runs;
 * private to cli. */
#ifndef CLI_SCHEDULER_H
#define CLI_SCHEDULER_H

#include "cli/cli.h"

/* Send a request (control.c has the words) and print what comes: "out" lines
 * on stdout, "err" lines as sled_cli_say() does. *there false: none runs. */
SLED_CHECK bool sled_cli_ask_scheduler(struct sled_cli *cli,
                                       const char *const *words, size_t len,
                                       bool *there, int *status,
                                       struct sled_err *err);
/* Where its control socket is, added to OUT, empty before; still empty where
 * there can be none. */
SLED_CHECK bool sled_cli_socket(struct sled_cli *cli, struct sled_buf *out,
                                struct sled_err *err);

#endif
