/*
 * daemon.h - `mailsled run`: the scheduler bound to clock, links, commands,
 * control socket, signals and store.
 *
 * Contract
 *   run() returns when it was told to stop (SIGTERM, SIGINT), or with ONCE
 *   after the first round; *status is what to exit with. The store is open to
 *   WRITE only while a round runs, and for a moment when a hook tells what the
 *   line counted; to READ only for moments between.
 *   SIGHUP reads the configuration again: a bad one is told, and the old one
 *   stays; a good one holds as soon as nothing is under way. SIGUSR1 visits
 *   now. A second SIGTERM closes the connections of a visit at once.
 *   Before a line is dialled its section's name is kept in STATE/line, until
 *   down-command ended well: what a killed scheduler left open is hung up at
 *   the next start.
 *   Errors of run(): LINK (another scheduler has the store; it names the pid),
 *   CONFIG, and those of the first opening of the store.
 */
#ifndef MAILSLED_DAEMON_H
#define MAILSLED_DAEMON_H

#include "mailsled/conf.h"
#include "mailsled/round.h"
#include "mailsled/store.h"

/* How a visit is told. */
enum sled_daemon_form {
	SLED_DAEMON_LOG,     /* one line */
	SLED_DAEMON_TEXT,    /* as `fetch` prints it, and so the others */
	SLED_DAEMON_VERBOSE, /* its -v */
	SLED_DAEMON_QUIET,   /* its -q */
	SLED_DAEMON_JSON,
};

enum sled_daemon_level { /* syslog's */
	SLED_DAEMON_ERR = 3,
	SLED_DAEMON_WARNING = 4,
	SLED_DAEMON_INFO = 6,
	SLED_DAEMON_DEBUG = 7,
};

/* What lies above: reading the configuration, and words for people. What is
 * added to OUT is lines with LF between them, none at the end; nothing at all
 * is fine too. */
struct sled_daemon_calls {
	/* *GEN is one reading of the configuration, and owns *CONF. */
	bool (*load)(void *ctx, void **gen, const struct sled_conf **conf,
	             struct sled_err *err);
	void (*unload)(void *ctx, void *gen);
	bool (*open)(void *ctx, void *gen, enum sled_store_mode mode,
	             struct sled_store **out, struct sled_err *err);
	void (*say)(void *ctx, enum sled_daemon_level level, const char *text);
	/* STORE may be NULL. */
	bool (*visit)(void *ctx, struct sled_buf *out,
	              enum sled_daemon_form form,
	              const struct sled_conf_account *account,
	              const struct sled_visit_result *result,
	              struct sled_store *store, struct sled_err *err);
	/* JSON only: a phase began. */
	bool (*progress)(void *ctx, struct sled_buf *out,
	                 const struct sled_conf_account *account,
	                 const struct sled_visit_progress *now,
	                 struct sled_err *err);
	/* Of a round on a link that has a price: "2 steps, 0.96 USD". */
	bool (*bill)(void *ctx, struct sled_buf *out,
	             const struct sled_round_row *row, struct sled_err *err);
	/* The command that seals, scrubs and sends far copies, for the shell;
	 * may be NULL. " --far-links=NAMES" is put behind it. */
	bool (*tend)(void *ctx, struct sled_buf *out, struct sled_err *err);
	void *ctx;
};

struct sled_daemon_conf {
	struct sled_daemon_calls calls;
	const struct sled_sys *sys;
	bool once;
	const char *link; /* visit by this interface or section only; or NULL */
	uint64_t seed;    /* of the jitter */
};

SLED_CHECK bool sled_daemon_run(const struct sled_daemon_conf *conf,
                                int *status, struct sled_err *err);

#endif
