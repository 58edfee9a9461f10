/* held.h - what the commands on held mail share; private to cli. */
#ifndef CLI_HELD_H
#define CLI_HELD_H

#include "cli/cli.h"

#define SLED_HELD_SOON_S INT64_C(604800) /* 7 days before the server deletes */

/* The link that the next visit to an account takes, and what it carries. */
struct sled_cli_way {
	const struct sled_conf_link *link; /* NULL: none applies */
	struct sled_path path;             /* no name: not known */
};

/* ASKED names a link, or is NULL. */
SLED_CHECK bool sled_cli_way(struct sled_cli *cli,
                             const struct sled_maildrop *maildrop,
                             const char *asked, struct sled_cli_way *out,
                             struct sled_err *err);
/* How long SIZE octets of mail take, in ms, and what they cost beyond what a
 * visit costs anyway, in millionths; -1: not known. */
int64_t sled_cli_way_ms(const struct sled_cli_way *way, uint64_t size);
int64_t sled_cli_way_money(const struct sled_cli_way *way, uint64_t size);

/* When the server deletes a message that was first seen at SEEN; 0: never, as
 * far as it says. */
int64_t sled_cli_expires(const struct sled_maildrop *maildrop, int64_t seen);

/* The maildrop of an account; *found false when it was never visited. */
SLED_CHECK bool sled_cli_maildrop(struct sled_cli *cli,
                                  const struct sled_conf_account *account,
                                  struct sled_maildrop *out, bool *found,
                                  struct sled_err *err);

/* The id that WORD means: "h" and 10 hex digits, or 6 and more that tell it
 * from the others. USAGE, MISSING. */
SLED_CHECK bool sled_cli_held_id(struct sled_cli *cli, const char *word,
                                 char out[SLED_HELD_ID], struct sled_err *err);
/* Does WORD have the form of an id? */
bool sled_cli_is_held_id(const char *word);

/* "  NAME      TEXT" and a LF; TEXT is made printable and fitted to COLUMNS (0:
 * uncut). Nothing for an empty one. */
SLED_CHECK bool sled_cli_held_field(const char *name, struct sled_span text,
                                    unsigned columns, struct sled_err *err);

#endif
