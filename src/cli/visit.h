/* visit.h - what a visit came to, in words and in JSON: for `fetch` and `run`;
 * private to cli. */
#ifndef CLI_VISIT_H
#define CLI_VISIT_H

#include "cli/cli.h"
#include "mailsled/session.h"

const char *sled_cli_phase(enum sled_phase phase);
/* {"event":...}, a line. */
SLED_CHECK bool sled_cli_visit_event(FILE *out, const char *account,
                                     const struct sled_visit_progress *now,
                                     struct sled_err *err);
/* The contract's object, a line. */
SLED_CHECK bool sled_cli_visit_object(FILE *out, const char *account,
                                      const struct sled_visit_result *result,
                                      struct sled_err *err);
/* One line, no LF: what came, what it cost by which link, and the copies of
 * STORE that are away; NULL: none was opened. */
SLED_CHECK bool sled_cli_visit_line(struct sled_buf *out, const char *account,
                                    const struct sled_visit_result *result,
                                    struct sled_store *store,
                                    struct sled_err *err);
/* The first messages that came, from the open store: lines with their LF,
 * fitted to COLUMNS (0: uncut). */
SLED_CHECK bool sled_cli_visit_came(struct sled_cli *cli, struct sled_buf *out,
                                    const char *account,
                                    const struct sled_visit_row *row,
                                    unsigned columns, struct sled_err *err);

#endif
