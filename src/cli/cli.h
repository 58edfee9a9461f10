/*
 * cli.h - what the commands of mailsled share; private to cli.
 *
 * Contract
 *   A command is one file, cmd_NAME.c, that exports one row,
 *   `const struct sled_cli_command sled_cli_NAME`, declared here and entered
 *   in main.c. Before run() the options were parsed, and refused when unknown
 *   or of the wrong number. run() returns the exit status; it may leave the
 *   configuration and the store open: main closes them and flushes stdout.
 *   Results go to stdout, everything else to stderr. With json set, stdout has
 *   nothing but one object a line. What came from mail, a server or a file is
 *   made printable (text.h) before it is printed.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <pthread.h>
#include <stdio.h>

#include "mailsled/conf.h"
#include "mailsled/json.h"
#include "mailsled/store.h"
#include "mailsled/tariff.h"

struct sled_cli;
struct sled_cli_rows;

struct sled_cli_flag {
	const char *name;  /* without the "--" */
	const char *value; /* what its value is called; NULL: it has none */
	const char *about; /* one line for the help */
};

/* What the reader's program can do for commands that both programs have. */
struct sled_cli_reading {
	/* Sender and subject as they were meant, added to FROM and SUBJECT.
	 * NAME: the sender's name alone. */
	bool (*decode)(const struct sled_message *message, bool name,
	               struct sled_buf *from, struct sled_buf *subject,
	               struct sled_err *err);
	/* Rows that match the words of CLI's args, in no order. */
	bool (*query)(struct sled_cli *cli, struct sled_cli_rows *rows,
	              struct sled_err *err);
};

#define SLED_CLI_FLAGS    24 /* flags of one command, at most */
#define SLED_CLI_MANY     UINT32_MAX
#define SLED_CLI_SCRUB_MS 5000  /* of reading again, behind a visit */
#define SLED_CLI_INDEX_MS 20000 /* of adding to the index, behind a visit */

/* Where a command runs: the reading side is a program of its own, so that a
 * visit never loads what mail is decoded with. */
enum sled_cli_side {
	SLED_CLI_HERE,
	SLED_CLI_READER,      /* in the reader where there is one */
	SLED_CLI_READER_ONLY, /* ... and nowhere else */
};

struct sled_cli_command {
	const char *name;
	const char *args;     /* "[ACCOUNT...]", or "" */
	const char *about;    /* one line, no full stop */
	const char *more;     /* lines of at most 79 columns, or NULL */
	const char *examples; /* lines, each "  mailsled ...\n" */
	const struct sled_cli_flag *flags; /* ends with a NULL name; or NULL */
	unsigned args_min, args_max;
	enum sled_cli_side side;
	bool dashes; /* "-word" is one of its words */
	int (*run)(struct sled_cli *cli);
};

struct sled_cli {
	const struct sled_cli_command *command;
	const char *file;          /* -c, or NULL */
	bool json, quiet, verbose; /* never both of the last */
	bool help, version;
	bool
	    elsewhere; /* the command is the reader's: not parsed any further */
	const struct sled_cli_reading *reading; /* NULL outside the reader */
	const char **args; /* what stands behind COMMAND, options taken out */
	unsigned args_len;
	const char *values[SLED_CLI_FLAGS]; /* of command->flags; see flag() */
	const struct sled_sys *sys;
	/* After sled_cli_conf(): */
	struct sled_conf_env env;
	struct sled_buf conf_path, conf_text;
	struct sled_conf *conf;
	struct sled_store_conf store_conf;
	const char **copies;  /* of store_conf */
	struct sled_buf memo; /* of store_conf */
	/* After sled_cli_store(): */
	struct sled_store *store;
	bool scheduler; /* this process is the store's scheduler */
	bool leased;    /* a scheduler keeps off the store, as LEASE is open */
	int lease;
	unsigned live_rows;     /* rows of the live block on the terminal now */
	pthread_mutex_t saying; /* a store's jobs say things too */
};

extern const struct sled_cli_command sled_cli_check, sled_cli_drill,
    sled_cli_deliver, sled_cli_drop, sled_cli_event, sled_cli_export,
    sled_cli_extract, sled_cli_fetch, sled_cli_held, sled_cli_import,
    sled_cli_index, sled_cli_init, sled_cli_list, sled_cli_plan, sled_cli_prune,
    sled_cli_rebuild, sled_cli_repair, sled_cli_report, sled_cli_restore,
    sled_cli_run, sled_cli_seal, sled_cli_search, sled_cli_serve, sled_cli_show,
    sled_cli_status, sled_cli_stop, sled_cli_sync, sled_cli_tend,
    sled_cli_verify, sled_cli_want;

/* ---- start.c ---- */

/* What main() does: one command of TABLE, from ARGV. Does not return. */
_Noreturn void sled_cli_main(struct sled_cli *cli,
                             const struct sled_cli_command *const *table,
                             int argc, char **argv);

/* ---- reader.c: the reading side, a program beside this one ---- */

/* Is it there? PATH is its path, or NULL not to be told. */
bool sled_cli_reader_there(char path[4096]);
/* Seen from the reader: where is mailsled itself? */
bool sled_cli_main_there(char path[4096]);
/* Run ARGV there, in place of this program: returns when that failed. */
int sled_cli_reader_exec(struct sled_cli *cli, char **argv);
/* Have it add what is new to the index, for MS at most, and wait. Nothing
 * happens where it is not there; a failure is said, and harms nothing. */
void sled_cli_reader_index(struct sled_cli *cli, uint64_t ms);

/* ---- options.c ---- */

/* Fill CLI from argv; TABLE ends with NULL. USAGE, with the nearest known
 * word. Without a command, command stays NULL. `help X` is `X --help`. */
SLED_CHECK bool sled_cli_parse(struct sled_cli *cli,
                               const struct sled_cli_command *const *table,
                               int argc, char **argv, struct sled_err *err);
/* A flag's value; "" for one without; NULL: not given. */
const char *sled_cli_flag(const struct sled_cli *cli, const char *name);
/* --seconds, from LEAST to a day; without it *ms stays as it is. */
SLED_CHECK bool sled_cli_seconds(const struct sled_cli *cli, unsigned least,
                                 uint64_t *ms, struct sled_err *err);

/* ---- usage.c ---- */

void sled_cli_usage(FILE *out, const struct sled_cli_command *const *table);
void sled_cli_help(FILE *out, const struct sled_cli_command *command);

/* ---- context.c: configuration and store ---- */

/* Read and parse the configuration, once; its warnings go to stderr, not with
 * -q. CONFIG with the hint to run init when there is no file. */
SLED_CHECK bool sled_cli_conf(struct sled_cli *cli, struct sled_err *err);
/* The path that conf() reads, whether there is a file or not. */
SLED_CHECK bool sled_cli_conf_path(struct sled_cli *cli, struct sled_err *err);
/* Can the user run a program of this name? */
bool sled_cli_has_program(const char *name);
/* Both: the configuration, then the store, which says its things on stderr. */
SLED_CHECK bool sled_cli_store(struct sled_cli *cli, enum sled_store_mode mode,
                               struct sled_err *err);
/* Where the store is, before an error of it that does not say so, and what mends
 * a file that is a folder, or the reverse. Always returns false. */
bool sled_cli_of_store(const struct sled_cli *cli, struct sled_err *err);
/* Before a visit, the store open to WRITE: say which places are absent, keep the
 * configuration in the others. */
SLED_CHECK bool sled_cli_ready(struct sled_cli *cli, struct sled_err *err);
/* DAMAGED when the opening of the store met archives that no place holds. */
SLED_CHECK bool sled_cli_whole(const struct sled_cli *cli,
                               struct sled_err *err);
/* The same for a run that has counted all it did and ends with *WHY. */
void sled_cli_add_lost(struct sled_cli *cli, struct sled_err *why);
/* PLACE when what CAME is in fewer than min-copies places; or, for a run that
 * found mail there ALREADY, what the store has. */
SLED_CHECK bool sled_cli_in_places(struct sled_cli *cli,
                                   const struct sled_import_sums *came,
                                   bool already, struct sled_err *err);
/* Is NAME a configured account, or one with mail in the open store?
 * MISSING with the nearest name when not. */
SLED_CHECK bool sled_cli_known(struct sled_cli *cli, const char *name,
                               struct sled_err *err);
void sled_cli_close(struct sled_cli *cli);

/* ---- report.c: what is said ---- */

/* "mailsled: WHAT: WHY" and "mailsled: try: HINT" on stderr. */
void sled_cli_complain(struct sled_cli *cli, const struct sled_err *err);
/* complain(), with json also {"error","exit"} on stdout; the exit status. */
int sled_cli_fail(struct sled_cli *cli, const struct sled_err *err);
/* A run that ends with *WHY has OTHER to tell too: the worse of the two, by its
 * exit status, is in *why then, and the other was said. Either may be none. */
void sled_cli_add_failure(struct sled_cli *cli, struct sled_err *why,
                          const struct sled_err *other);
/* "mailsled: TEXT" on stderr; a sled_say_fn, CTX is the sled_cli. */
void sled_cli_say(void *ctx, const char *text);
/* Show lines (LF between them, printable) at the bottom of the terminal in
 * place of those shown before; "" takes them away. Nothing happens when
 * stderr is no terminal, with -q or with --json. complain() and say() take
 * the block away first; all three may be called from any thread. */
void sled_cli_live(struct sled_cli *cli, const char *lines);
/* Would live() show anything? */
bool sled_cli_is_live(const struct sled_cli *cli);

/* ---- pager.c: long output ---- */

/* From here on stdout goes through the pager, when it is a terminal and neither
 * JSON nor -q is wanted. The width and colours of the terminal before that.
 * Output that nobody reads any more ends the process in silence: with 0 where
 * it was the pager, else by SIGPIPE. */
struct sled_cli_screen {
	unsigned columns;                   /* 0: no terminal */
	const char *strong, *faint, *plain; /* "" where there is no colour */
};

struct sled_cli_screen sled_cli_page(struct sled_cli *cli);
/* Wait until the pager is left. */
void sled_cli_page_end(void);

/* ---- format.c: for people ---- */

#define SLED_CLI_WORD 32 /* room for a size or time with its NUL */

/* Columns of the terminal FD; 0 when it is none. */
unsigned sled_cli_columns(int fd);
/* Columns that TEXT takes: UTF-8, already printable. */
unsigned sled_cli_width(const char *text);
/* The octets of TEXT that COLUMNS have room for. */
size_t sled_cli_fitting(const char *text, unsigned columns);
/* TEXT cut to COLUMNS, ended by "..." then, or filled up to them when PAD. */
SLED_CHECK bool sled_cli_fit(struct sled_buf *out, const char *text,
                             unsigned columns, bool pad, struct sled_err *err);
void sled_cli_bytes(char out[SLED_CLI_WORD], uint64_t bytes); /* "4.6 MB" */
void sled_cli_span(char out[SLED_CLI_WORD], int64_t ms);      /* "2 min 5 s" */
void sled_cli_time(char out[SLED_CLI_WORD], int64_t when);    /* local */

/* ---- cost.c: one visit ---- */

/* The members that `fetch` and `status` have in common. */
void sled_cli_visit_json(struct sled_json *json,
                         const struct sled_visit_row *row);
/* Lines of at most 80 columns, each with its LF: bytes, round trips, phases,
 * and what was saved. Nothing for a visit that sent nothing. */
SLED_CHECK bool sled_cli_cost(struct sled_buf *out,
                              const struct sled_visit_row *row,
                              struct sled_err *err);

/* The last visit to LABEL, to be shown; id 0: there is none. One that a clock
 * which was ahead dated behind NOW is it only where there is no other. */
SLED_CHECK bool sled_cli_last_visit(struct sled_ledger *ledger,
                                    const char *label, int64_t now,
                                    struct sled_visit_row *out,
                                    struct sled_err *err);

/* ---- bill.c: what links cost ---- */

/* "1.44 USD": two decimals, more when it is small. */
void sled_cli_money(char out[SLED_CLI_WORD], uint64_t millionths,
                    const char *currency);
/* "4 steps, 1.92 USD", "1.0 MB billed, 5.00 USD"; nothing for a link without a
 * price. */
SLED_CHECK bool sled_cli_bill(struct sled_buf *out,
                              const struct sled_round_row *row,
                              struct sled_err *err);
/* What was used of LINK's budgets this day and this month. */
SLED_CHECK bool sled_cli_used(struct sled_ledger *ledger,
                              const struct sled_conf_link *link, int64_t now,
                              struct sled_budget_left *out,
                              struct sled_err *err);
/* "5 MiB/day on link wwan0 is used up: 5.15 of 5 MiB; begins anew Tue 00:00";
 * "ends" in place of "is used up" when some is left, but too little. */
SLED_CHECK bool sled_cli_budget_ends(struct sled_buf *out,
                                     const struct sled_conf_link *link,
                                     const struct sled_conf_budget *budget,
                                     const struct sled_budget_left *used,
                                     int64_t now, struct sled_err *err);

/* A budget in words: "wwan0", "5 MiB/day", "1.25", "3.75" or "none", when it
 * begins anew; and the share that is used, 1 at most. */
struct sled_cli_budget {
	char link[64], what[2 * SLED_CLI_WORD];
	char used[SLED_CLI_WORD], left[SLED_CLI_WORD], anew[SLED_CLI_WORD];
	double share;
};

typedef bool sled_cli_budget_fn(void *ctx, const struct sled_cli_budget *budget,
                                struct sled_err *err);
/* Every budget of every link, in the order written. */
SLED_CHECK bool sled_cli_budget_each(struct sled_cli *cli, int64_t now,
                                     sled_cli_budget_fn *each, void *ctx,
                                     struct sled_err *err);
/* The same as text: a block of lines headed
 * "budgets", nothing when there is none. */
SLED_CHECK bool sled_cli_budgets(struct sled_cli *cli, int64_t now,
                                 struct sled_buf *out, struct sled_err *err);
/* The same as the array "budgets" of JSON. */
SLED_CHECK bool sled_cli_budgets_json(struct sled_cli *cli, int64_t now,
                                      struct sled_json *json,
                                      struct sled_err *err);

/* ---- message.c: one stored message ---- */

/* 12 hex digits and a NUL, or more where another message has the same 12. */
SLED_CHECK bool sled_cli_id(struct sled_ledger *ledger,
                            const struct sled_hash *hash,
                            char out[SLED_HASH_HEX], struct sled_err *err);
/* One line as `list` shows it, no LF: id, received, from, subject; fitted to
 * COLUMNS, 0: subject uncut. */
SLED_CHECK bool sled_cli_message_line(struct sled_cli *cli,
                                      const struct sled_message *message,
                                      unsigned columns, struct sled_buf *out,
                                      struct sled_err *err);
/* The members of `list`'s object. */
SLED_CHECK bool sled_cli_message_json(struct sled_cli *cli,
                                      const struct sled_message *message,
                                      struct sled_json *json,
                                      struct sled_err *err);

/* Either of them on stdout, as CLI wants it. */
SLED_CHECK bool sled_cli_print_message(struct sled_cli *cli,
                                       const struct sled_cli_screen *screen,
                                       const struct sled_message *message,
                                       struct sled_err *err);

/* "Body hash: ..." on stdout; nothing without a signature. */
bool sled_cli_print_body_hash(unsigned flags);

/* Ids of rows in the ledger, in the order found. */
struct sled_cli_rows {
	int64_t *ids;
	size_t len, cap;
};

SLED_CHECK bool sled_cli_rows_add(struct sled_cli_rows *rows, int64_t id,
                                  struct sled_err *err);
void sled_cli_rows_free(struct sled_cli_rows *rows);
/* What ID names is added: a prefix of at least 4 hex digits, ACCOUNT/NUMBER or
 * a number. All that are added have the same bytes; MISSING when nothing has
 * that name, or different messages have: those are listed on stderr. */
SLED_CHECK bool sled_cli_find(struct sled_cli *cli, const char *id,
                              struct sled_cli_rows *rows, struct sled_err *err);

/* ---- content.c ---- */

/* Read all mail of the open store and print each message whose body is not the
 * one that was signed; FAULT as for sled_store_content(). Then the sums. */
SLED_CHECK bool sled_cli_content(struct sled_cli *cli, sled_verify_fn *fault,
                                 void *ctx, struct sled_content_report *out,
                                 struct sled_err *err);
SLED_CHECK bool sled_cli_content_sums(struct sled_cli *cli,
                                      const struct sled_content_report *report,
                                      struct sled_err *err);

/* ---- inside.c ---- */

/* Does PATH, or the folder that it will be made in, lie in FOLDER or is it
 * that? Only NOMEM fails; where one of them is not there, it does not. */
SLED_CHECK bool sled_cli_inside(const struct sled_sys *sys, const char *path,
                                const char *folder, bool *inside,
                                struct sled_err *err);

/* ---- date.c ---- */

/* A Date header's value (RFC 5322, section 3.3; obsolete zones too) as wall
 * time. False when it is not understood. */
bool sled_cli_date_parse(struct sled_span text, int64_t *when);

/* ---- far.c ---- */

#define SLED_CLI_FAR_MS      600000   /* of sending, behind a visit by hand */
#define SLED_CLI_FAR_LONG_MS 18000000 /* ... by the scheduler's child */

struct sled_cli_far {
	uint64_t ms;               /* as in struct sled_far_run */
	const char *adopt;         /* or NULL */
	char forbidden[256];       /* why nothing may be sent now; "" it may */
	struct sled_far_sent sent; /* what came of it */
};

/* May copies be sent now: by the section of LINK, or by where the default route
 * leads. Fills .forbidden. LISTED: what the scheduler says may be used, or
 * NULL. */
void sled_cli_far_by(const struct sled_conf_link *link,
                     struct sled_cli_far *out);
void sled_cli_far_policy(struct sled_cli *cli, const char *listed,
                         struct sled_cli_far *out);
/* Bring the far places up, and say what was sent. */
SLED_CHECK bool sled_cli_far(struct sled_cli *cli, struct sled_cli_far *far,
                             struct sled_err *err);

/* ---- deliver.c ---- */

struct sled_cli_delivery {
	struct sled_cli *cli;
	bool alone; /* a command of its own: tells all, tries all */
	bool all;   /* as in struct sled_deliver_conf */
	/* By a signal; when it is set before, what waits is only told. */
	bool stopped;
	/* What came of it. */
	enum sled_err_kind worst; /* of what waits still; it was told */
};

/* Give the accounts of CLI's args (none: all) what waits for their targets, the
 * store open to WRITE. False is for the store. */
SLED_CHECK bool sled_cli_hand_out(struct sled_cli_delivery *how,
                                  struct sled_err *err);

#endif
