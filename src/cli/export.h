/*
 * export.h - what the formats of `export` share; private to cli.
 *
 * Contract
 *   Messages come account by account, in the archive's order: open_box, then
 *   for each message has, and unless it is there begin, any number of data,
 *   and end or drop; then close_box. A false from any of them ends the export:
 *   it is the target that failed. Nothing shows under its final name before it
 *   is whole and synced.
 */
#ifndef CLI_EXPORT_H
#define CLI_EXPORT_H

#include "cli/cli.h"
#include "mailsled/file.h"
#include "mailsled/mailbox.h"

/* ---- export_out.c: a file being written ---- */

struct sled_cli_out {
	struct sled_file file;
	struct sled_buf buf; /* goes to AT */
	uint64_t at;
};

/* Under a temporary name, 0600, emptied. NAME is borrowed. */
SLED_CHECK bool sled_cli_out_open(struct sled_cli_out *out,
                                  const struct sled_sys *sys, int dir,
                                  const char *name, struct sled_err *err);
/* Write the buffer when it is long, or with ALL. */
SLED_CHECK bool sled_cli_out_flush(struct sled_cli_out *out, bool all,
                                   struct sled_err *err);
/* Forget what was written behind MARK, a former at + buf.len. */
SLED_CHECK bool sled_cli_out_cut(struct sled_cli_out *out, uint64_t mark,
                                 struct sled_err *err);
/* Flush, sync, close. */
SLED_CHECK bool sled_cli_out_close(struct sled_cli_out *out,
                                   struct sled_err *err);
void sled_cli_out_drop(struct sled_cli_out *out);
/* No empty part, no "." and no "..", not absolute: it stays in the folder. */
bool sled_cli_path_is_inside(const char *path);

/* ---- formats ---- */

struct sled_cli_export;

struct sled_cli_format {
	const char *name;
	bool (*open_box)(struct sled_cli_export *x, const char *label,
	                 struct sled_err *err);
	bool (*has)(struct sled_cli_export *x,
	            const struct sled_message *message, bool *there,
	            struct sled_err *err);
	bool (*begin)(struct sled_cli_export *x,
	              const struct sled_message *message, struct sled_err *err);
	bool (*data)(struct sled_cli_export *x, struct sled_span bytes,
	             struct sled_err *err);
	bool (*end)(struct sled_cli_export *x,
	            const struct sled_message *message, struct sled_err *err);
	bool (*drop)(struct sled_cli_export *x, struct sled_err *err);
	/* Not called after a failure of the target. */
	bool (*close_box)(struct sled_cli_export *x, struct sled_err *err);
};

extern const struct sled_cli_format sled_cli_eml, sled_cli_maildir,
    sled_cli_mbox;

struct sled_cli_export {
	struct sled_cli *cli;
	const struct sled_cli_format *format;
	int dir; /* DIR */
	struct sled_cli_out out;
	struct sled_mailbox_lines lines;
	char label[25];   /* of the open box; "" for none */
	char name[160];   /* final name of the file being written */
	char temp[168];   /* and its name until then */
	int box;          /* maildir: DIR/ACCOUNT; eml: .folder; -1: none */
	uint64_t mark;    /* mbox: where the message begins */
	char folder[160]; /* eml: of the message before; "" for none */
	struct sled_mailbox_names there; /* maildir */
	uint64_t exported, present, failed;
};

/* ---- export_target.c: --to and --format ---- */

/* USAGE when one of the two flags is missing or wrong. */
SLED_CHECK bool sled_cli_export_choose(struct sled_cli_export *x,
                                       struct sled_err *err);
/* The folder, made when it is not there. */
SLED_CHECK bool sled_cli_export_open(struct sled_cli_export *x,
                                     struct sled_err *err);
/* Go on with mail of this account. */
SLED_CHECK bool sled_cli_export_box(struct sled_cli_export *x,
                                    const char *label, struct sled_err *err);
/* All was written. */
SLED_CHECK bool sled_cli_export_close(struct sled_cli_export *x,
                                      struct sled_err *err);
/* .dir and .box are -1 where there is none. */
void sled_cli_export_free(struct sled_cli_export *x);

/* For formats with a file a message in .box: close it and give it its name;
 * or take away what was begun. */
SLED_CHECK bool sled_cli_export_name(struct sled_cli_export *x,
                                     struct sled_err *err);
SLED_CHECK bool sled_cli_export_drop(struct sled_cli_export *x,
                                     struct sled_err *err);

#endif
