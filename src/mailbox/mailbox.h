/* mailbox.h - what the files of mailbox share; private to it. */
#ifndef MAILBOX_MAILBOX_H
#define MAILBOX_MAILBOX_H

#include <sys/stat.h>

#include "mailsled/file.h"
#include "mailsled/mailbox.h"

#define SLED_MAILBOX_CHUNK 65536

struct sled_mailbox_item {
	struct sled_file *file; /* open; borrowed */
	const char *where;
	int64_t stamp, changed;
	uint64_t at;  /* of the first byte */
	uint64_t end; /* mbox: behind it, once it was read; else the size */
	bool mbox, mboxo;
	bool undated; /* mbox: a "From " line needs no date */
};

struct sled_mailbox_walk {
	const struct sled_sys *sys;
	const struct sled_mailbox_options *options;
	const struct sled_mailbox_visitor *visitor;
};

/* ---- from.c ---- */

/* Does LINE, without its end, begin a message? "From " and, unless UNDATED, a
 * time and a year. *when is what they say, or -1. */
bool sled_mailbox_from(struct sled_span line, bool undated, int64_t *when);
/* Is LINE, or what it begins with, a header field, or the ">From " that some
 * programs leave in front of the first? */
bool sled_mailbox_field(struct sled_span line);

/* ---- lines.c ---- */

/* The item's bytes from .at on, to its end; with MBOX to the next message, and
 * .end is where that line begins. */
bool sled_mailbox_lines(struct sled_mailbox_item *item,
                        sled_mailbox_bytes_fn *each, void *ctx,
                        struct sled_err *err);

/* ---- mbox.c ---- */

/* All messages of the open file. */
bool sled_mailbox_mbox(const struct sled_mailbox_walk *walk,
                       struct sled_file *file, const struct stat *st,
                       const char *path, struct sled_err *err);

#endif
