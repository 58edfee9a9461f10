/*
 * export.h - what the formats of `export` share; private to cli.
 *
 * Contract
 *   Messages come account by account, in the archive's order: box, then for
 *   each message has, and unless it is there begin, any number of data, and end
 *   or drop; then close. A false from any of them ends the export: it is the
 *   target that failed, and the error names the folder, and what to do. Nothing
 *   shows under its final name before it is whole and synced, and nothing is
 *   counted before it shows.
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
	bool in_one; /* all mail of an account is one file */
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
	char lacks[25];   /* of the last box that lacks something */
	bool lacks_any;   /* something of which account is not known */
	char name[160];   /* final name of the file being written */
	char temp[168];   /* and its name until then */
	bool begun;       /* .temp is there */
	int box;          /* maildir, eml: .folder; -1: none */
	uint64_t mark;    /* mbox: where the message begins */
	char folder[160]; /* below DIR: maildir: .label; eml: of the message
	                   * before; "" for none */
	struct sled_mailbox_names there; /* maildir */
	uint64_t exported, present, failed;
	uint64_t waiting; /* mbox: in the file that is not named yet */
};

/* ---- export_target.c: --to and --format, and what is written there ---- */

/* USAGE when one of the two flags is missing or wrong. */
SLED_CHECK bool sled_cli_export_choose(struct sled_cli_export *x,
                                       struct sled_err *err);
/* The folder, made when it is not there. */
SLED_CHECK bool sled_cli_export_open(struct sled_cli_export *x,
                                     struct sled_err *err);
/* Go on with mail of this account. */
SLED_CHECK bool sled_cli_export_box(struct sled_cli_export *x,
                                    const char *label, struct sled_err *err);
SLED_CHECK bool sled_cli_export_has(struct sled_cli_export *x,
                                    const struct sled_message *message,
                                    bool *there, struct sled_err *err);
SLED_CHECK bool sled_cli_export_begin(struct sled_cli_export *x,
                                      const struct sled_message *message,
                                      struct sled_err *err);
SLED_CHECK bool sled_cli_export_data(struct sled_cli_export *x,
                                     struct sled_span bytes,
                                     struct sled_err *err);
SLED_CHECK bool sled_cli_export_end(struct sled_cli_export *x,
                                    const struct sled_message *message,
                                    struct sled_err *err);
SLED_CHECK bool sled_cli_export_drop(struct sled_cli_export *x,
                                     struct sled_err *err);
/* Something of this account ("": of any) cannot be read: its file may not take
 * the place of a former one that has all its mail. */
SLED_CHECK bool sled_cli_export_lacks(struct sled_cli_export *x,
                                      const char *label, struct sled_err *err);
/* All was written; nothing is open any more. */
SLED_CHECK bool sled_cli_export_close(struct sled_cli_export *x,
                                      struct sled_err *err);
/* Takes away what was begun. .dir and .box are -1 where there is none. */
void sled_cli_export_free(struct sled_cli_export *x);
/* What to do about an error that ended the run; one that says so stays. Always
 * returns false. */
bool sled_cli_export_hint(struct sled_err *err);

/* ---- export_out.c: for the formats ---- */

/* .temp, below FOLDER. */
SLED_CHECK bool sled_cli_export_temp(struct sled_cli_export *x, int folder,
                                     struct sled_err *err);
/* .temp, synced, becomes .name; FOLDER is to be synced by the caller. */
SLED_CHECK bool sled_cli_export_name(struct sled_cli_export *x, int folder,
                                     struct sled_err *err);
/* For a file a message in .box: take away what was begun. */
SLED_CHECK bool sled_cli_export_remove(struct sled_cli_export *x,
                                       struct sled_err *err);

#endif
