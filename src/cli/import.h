/* import.h - the parts of `mailsled import`; private to cli. */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "cli/cli.h"
#include "mailsled/intake.h"
#include "mailsled/mailbox.h"

/* ---- import_read.c: what a message is, before it is taken ---- */

#define SLED_IMPORT_HEAD 65536 /* octets in which a header is looked for */

struct sled_cli_letter {
	struct sled_intake *intake; /* owned */
	struct sled_buf head;       /* the message's first octets */
	struct sled_digest digest;  /* borrowed from .intake */
	int64_t received;
};

SLED_CHECK bool sled_cli_letter_new(struct sled_cli_letter *letter,
                                    struct sled_err *err);
void sled_cli_letter_free(struct sled_cli_letter *letter);
/* Read it once: digest, and when it was received: by the Maildir's file name or
 * the mbox's "From " line, else by its first Received field, else by its Date,
 * else when the file was changed. One after NOW is passed over. */
SLED_CHECK bool sled_cli_letter_read(struct sled_cli_letter *letter,
                                     struct sled_mailbox_item *item,
                                     int64_t now, struct sled_err *err);

/* ---- import_apart.c: PATHs that have mail in common ---- */

/* USAGE when one is another, or lies in it. */
SLED_CHECK bool sled_cli_import_apart(const struct sled_cli *cli,
                                      struct sled_err *err);

#endif
