/*
 * mailbox.h - mail as other programs keep it: Maildir, mbox, files of one
 * message each; read, and never changed. And what is to be kept so, on its way
 * out.
 *
 * Contract
 *   What a path is, its content decides:
 *     a folder with cur or new in it is a Maildir (all files of both; the other
 *       folders in it are looked at as any);
 *     any other folder is looked through, in the order of names;
 *     a file that begins with "From " is an mbox, unless its name ends in .eml;
 *     any other is a message when its name ends in .eml; in a folder that is
 *       looked through, when it is a number (MH); one that is named, when it
 *       begins with a header field.
 *   Symbolic links below a path are not followed, so that no walk goes round.
 *   A message's bytes are those that POP3 delivers: every line ends with CRLF,
 *   the last one too. A CR without LF stays.
 *   mbox: a message begins behind a line "From " that is the first of the file,
 *   stands behind an empty one or before a header field, and has a time and a
 *   year in it (unless the first has none either, and it stands behind an empty
 *   one). The empty line before the next is no part of it.
 *   One ">" is taken off a line of ">"s and "From " (mboxrd); with MBOXO only
 *   off ">From ". Content-Length is not looked at.
 *   Memory is flat but for the names in a folder.
 *   Errors: MISSING, IO, NOMEM; what a visitor says passes through.
 */
#ifndef MAILSLED_MAILBOX_H
#define MAILSLED_MAILBOX_H

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/sys.h"
#include "mailsled/types.h"

struct sled_mailbox_item; /* opaque; lives during the call */

/* Where it is, for people and errors: a path, or "PATH, message 7". */
const char *sled_mailbox_where(const struct sled_mailbox_item *item);
/* When it was delivered, by a Maildir's file name or an mbox's "From " line;
 * -1 where neither tells. And when its file was last changed. */
int64_t sled_mailbox_stamp(const struct sled_mailbox_item *item);
int64_t sled_mailbox_changed(const struct sled_mailbox_item *item);

typedef bool sled_mailbox_bytes_fn(void *ctx, struct sled_span bytes,
                                   struct sled_err *err);
/* All of its bytes, any number of times; the same each time unless someone
 * writes to the file. */
SLED_CHECK bool sled_mailbox_read(struct sled_mailbox_item *item,
                                  sled_mailbox_bytes_fn *each, void *ctx,
                                  struct sled_err *err);

enum sled_mailbox_kind {
	SLED_MAILBOX_MAILDIR,
	SLED_MAILBOX_MBOX,
	SLED_MAILBOX_FILES, /* a folder that was looked through, or one file */
};

struct sled_mailbox_visitor {
	void *ctx;
	/* May this folder be entered? false in *enter passes over it. */
	bool (*folder)(void *ctx, const struct stat *st, const char *path,
	               bool *enter, struct sled_err *err);
	/* A mailbox begins; and has ended. FILES are told at their end only
	 * when there were any. */
	bool (*begin)(void *ctx, enum sled_mailbox_kind kind, const char *path,
	              struct sled_err *err);
	bool (*message)(void *ctx, struct sled_mailbox_item *item,
	                struct sled_err *err);
	bool (*end)(void *ctx, struct sled_err *err);
	/* It could not be read; the walk goes on when this returns true. */
	bool (*fault)(void *ctx, const char *path, const struct sled_err *why,
	              struct sled_err *err);
	/* No mail, as far as one can see: a link, an empty file, another. */
	bool (*passed)(void *ctx, const char *path, const char *why,
	               struct sled_err *err);
};

struct sled_mailbox_options {
	bool mboxo;         /* see above */
	bool no_subfolders; /* of a Maildir */
};

/* MISSING when nothing is there, or no folder and no file. */
SLED_CHECK bool sled_mailbox_walk(const struct sled_sys *sys, const char *path,
                                  const struct sled_mailbox_options *options,
                                  const struct sled_mailbox_visitor *visitor,
                                  struct sled_err *err);

/* ---- the way out ---- */

struct sled_mailbox_lines {
	bool quote;      /* "From " at a line's start: one ">" more */
	bool carriage;   /* a CR that may belong to a LF */
	bool at_start;   /* of a line, as far as quoting looks at it */
	bool ended;      /* by a LF */
	uint64_t angles; /* ">" seen at this line's start */
	unsigned from;   /* octets of "From " seen behind them */
};

/* QUOTE: as mboxrd, a line that is ">"s and "From " gets one ">" more. */
void sled_mailbox_lines_begin(struct sled_mailbox_lines *lines, bool quote);
/* Each CRLF becomes LF; a CR or LF alone stays. Added to OUT. */
SLED_CHECK bool sled_mailbox_lines_add(struct sled_mailbox_lines *lines,
                                       struct sled_span in,
                                       struct sled_buf *out,
                                       struct sled_err *err);
/* What was held back. With quote: a LF where the last line has none. */
SLED_CHECK bool sled_mailbox_lines_end(struct sled_mailbox_lines *lines,
                                       struct sled_buf *out,
                                       struct sled_err *err);
/* The "From " line that an mbox has before a message, with its LF. */
SLED_CHECK bool sled_mailbox_from_line(struct sled_buf *out, int64_t received,
                                       struct sled_err *err);

/* The names in cur and new, each without the flags that a reader gave it. */
struct sled_mailbox_names {
	struct sled_buf text;
	const char **list; /* sorted */
	size_t len;
};

/* Of the Maildir DIR. Freed by the caller when this succeeds. */
SLED_CHECK bool sled_mailbox_names_read(struct sled_mailbox_names *out,
                                        const struct sled_sys *sys, int dir,
                                        struct sled_err *err);
bool sled_mailbox_names_have(const struct sled_mailbox_names *names,
                             const char *name);
void sled_mailbox_names_free(struct sled_mailbox_names *names);

#endif
