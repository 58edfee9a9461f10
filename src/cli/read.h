/*
 * read.h - what the commands of mailsled-reader share; private to cli.
 *
 * Contract
 *   read_*.c are in that program alone. Text of mail is escaped here, where it
 *   is printed.
 */
#ifndef CLI_READ_H
#define CLI_READ_H

#include "cli/cli.h"
#include "mailsled/reader.h"

extern const struct sled_cli_command sled_cli_read_extract, sled_cli_read_index,
    sled_cli_read_search, sled_cli_read_serve, sled_cli_read_show;

/* ---- read_index.c ---- */

/* The index of the open store, brought up to date for MS at most. What keeps it
 * from that is said; *missing counts what is not in it. */
SLED_CHECK bool sled_cli_read_open(struct sled_cli *cli, uint64_t ms,
                                   struct sled_index **out, uint64_t *missing,
                                   struct sled_err *err);
#define SLED_CLI_CATCH_UP_MS 2000

/* ---- read_search.c ---- */

/* sled_cli_reading's query. */
bool sled_cli_read_query(struct sled_cli *cli, struct sled_cli_rows *rows,
                         struct sled_err *err);

/* ---- read_message.c ---- */

/* The first message that ID names, without its strings. */
SLED_CHECK bool sled_cli_read_find(struct sled_cli *cli, const char *id,
                                   struct sled_message *out,
                                   struct sled_err *err);
/* MESSAGE, read and taken apart. */
SLED_CHECK bool sled_cli_read_letter(struct sled_cli *cli,
                                     const struct sled_message *message,
                                     struct sled_letter **out,
                                     struct sled_err *err);
/* The field's value, decoded: PEOPLE for addresses. */
SLED_CHECK bool sled_cli_read_field(const struct sled_letter *letter,
                                    const char *name, bool people,
                                    struct sled_buf *out, bool *there,
                                    struct sled_err *err);
/* Lines, escaped, on stdout; broken between words at COLUMNS (0: not). */
SLED_CHECK bool sled_cli_read_print(const char *text, unsigned columns,
                                    struct sled_err *err);

/* ---- read_safe.c ---- */

/* HTML of this letter as a whole document that is harmless (reader.h), with the
 * letter's own pictures in it. */
SLED_CHECK bool sled_cli_read_safe(const struct sled_letter *letter,
                                   struct sled_span html, struct sled_buf *out,
                                   struct sled_html_safe *how,
                                   struct sled_err *err);
/* The rest of a line that has USED columns already, and its end; broken so too,
 * and set in. */
SLED_CHECK bool sled_cli_read_value(const char *text, unsigned used,
                                    unsigned columns, struct sled_err *err);

#endif
