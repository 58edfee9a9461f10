/*
 * check.h - what `check` and `init` find; private to cli.
 *
 * Contract
 *   Findings come in sections: begin, any number of ok, warn and error, end.
 *   For people a section is its title, printed above the first of its lines
 *   that is shown (with -q: warnings and errors alone), and sections of one
 *   title in a row share it. With json a section is one object: what the
 *   caller put in, then "ok", "exit", "error", "hint" (of the worst error,
 *   else null) and "warnings". Nothing is made, marked, fetched or deleted.
 */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

#include "cli/cli.h"

struct sled_check {
	struct sled_cli *cli;
	enum sled_err_kind worst; /* of all sections */
	uint64_t
	    room; /* free bytes of the fullest place; UINT64_MAX: unknown */
	char title[400];
	char shown[400]; /* the title printed last */
	/* Of the section: */
	enum sled_err_kind kind;
	struct sled_err first; /* its worst error */
	struct sled_buf warnings;
};

/* ---- check_say.c ---- */

void sled_check_begin(struct sled_check *check, const char *fmt, ...)
    SLED_PRINTF(2, 3);
void sled_check_ok(struct sled_check *check, const char *fmt, ...)
    SLED_PRINTF(2, 3);
/* HINT says what mends it, or is NULL. */
void sled_check_warn(struct sled_check *check, const char *hint,
                     const char *fmt, ...) SLED_PRINTF(3, 4);
void sled_check_error(struct sled_check *check, const struct sled_err *err);
/* JSON has the caller's members, is printed and freed; NULL without json. */
void sled_check_end(struct sled_check *check, struct sled_json **json);
/* The last line: what to do next. Not with -q or json. */
void sled_check_next(struct sled_check *check);

/* ---- check_store.c, check_server.c ---- */

/* Each place, whether enough of them are there, and what is known of mail. */
void sled_check_store(struct sled_check *check);
/* One visit up to the listing to each of the accounts in ARGS, or to all. */
void sled_check_servers(struct sled_check *check);

/* ---- check_deliver.c ---- */

/* The targets of the accounts in ARGS, or of all. */
void sled_check_deliver(struct sled_check *check);

/* ---- check_wire.c: what earlier visits learned to save, and what not ---- */

struct sled_check_wire {
	bool known; /* else there was no visit to this server and port */
	struct sled_peer peer;
	bool resumed;    /* the last visit's TLS was */
	bool no_flights; /* what was sent at once got lost */
	/* Until when a saving is not tried, or 0; and whether the login leaves
	 * ahead of the greeting at the next visit. */
	int64_t eager_retry, tickets_retry;
	bool eager;
};

void sled_check_wire_load(struct sled_check_wire *wire, struct sled_cli *cli,
                          const struct sled_conf_account *account);
/* A line for each thing that there is to say. */
void sled_check_wire_tell(const struct sled_check_wire *wire,
                          struct sled_check *check);
void sled_check_wire_json(const struct sled_check_wire *wire,
                          struct sled_json *json);

/* ---- cmd_check.c ---- */

/* sled_cli_conf() and the accounts in ARGS; the warnings are kept for all(). */
SLED_CHECK bool sled_check_conf(struct sled_cli *cli, struct sled_err *err);
/* All of it: configuration, store, servers. The exit status. */
int sled_check_all(struct sled_check *check);

#endif
