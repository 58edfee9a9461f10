/* cmd_run.c - `mailsled run`: the scheduler, in the foreground. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/visit.h"
#include "mailsled/clock.h"
#include "mailsled/daemon.h"
#include "mailsled/text.h"

struct run {
	struct sled_cli *cli;
	bool journal; /* systemd reads "<N>" before each line */
};

/* ---- configuration and store: each reading has a struct sled_cli ---- */

static void
unload(void *ctx, void *gen)
{
	struct sled_cli *cli = gen;

	(void)ctx;
	sled_cli_close(cli);
	(void)pthread_mutex_destroy(&cli->saying);
	free(cli);
}

static bool
load(void *ctx, void **gen, const struct sled_conf **conf, struct sled_err *err)
{
	const struct run *run = ctx;
	struct sled_cli *cli = calloc(1, sizeof(*cli));

	if (cli == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "configuration");
	cli->file = run->cli->file;
	cli->quiet = run->cli->quiet;
	cli->verbose = run->cli->verbose;
	cli->sys = run->cli->sys;
	cli->scheduler = true;
	(void)pthread_mutex_init(&cli->saying, NULL);
	if (!sled_cli_conf(cli, err)) {
		unload(ctx, cli);
		return false;
	}
	if (cli->conf->accounts_len == 0) {
		unload(ctx, cli);
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "no [account] is configured");
		return sled_hint(err, "mailsled init");
	}
	*gen = cli;
	*conf = cli->conf;
	return true;
}

static bool
open_store(void *ctx, void *gen, enum sled_store_mode mode,
           struct sled_store **out, struct sled_err *err)
{
	struct sled_cli *cli = gen;
	bool ok;

	(void)ctx;
	ok = sled_cli_store(cli, mode, err) &&
	     (mode == SLED_STORE_READ || sled_cli_ready(cli, err));
	if (ok) {
		*out = cli->store;
		cli->store = NULL;
	} else {
		sled_store_close(&cli->store);
	}
	return ok;
}

/* ---- words ---- */

static void
say(void *ctx, enum sled_daemon_level level, const char *text)
{
	const struct run *run = ctx;

	if ((level == SLED_DAEMON_DEBUG && !run->cli->verbose) ||
	    (level == SLED_DAEMON_INFO && run->cli->quiet))
		return;
	if (run->journal)
		(void)fprintf(stderr, "<%d>%s\n", (int)level, text);
	else
		(void)fprintf(stderr, "mailsled: %s\n", text);
}

/* What FN prints, without its last LF. */
static bool
add_printed(struct sled_buf *out, char *text, size_t len, struct sled_err *err)
{
	bool ok = text != NULL &&
	          sled_buf_add(out, text,
	                       len - (len > 0 && text[len - 1] == '\n'), err);

	free(text);
	return ok;
}

static bool
add_object(struct sled_buf *out, const char *account,
           const struct sled_visit_result *result, struct sled_err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	bool ok;

	if (file == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "visit");
	ok = sled_cli_visit_object(file, account, result, err);
	ok = fclose(file) == 0 && ok;
	return add_printed(out, text, len, err) && ok;
}

static bool
add_progress(void *ctx, struct sled_buf *out,
             const struct sled_conf_account *account,
             const struct sled_visit_progress *now, struct sled_err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	bool ok;

	(void)ctx;
	if (file == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "visit");
	ok = sled_cli_visit_event(file, account->name, now, err);
	ok = fclose(file) == 0 && ok;
	return add_printed(out, text, len, err) && ok;
}

/* One line in the journal: all of it, the error too. */
static bool
add_log(struct sled_buf *out, const char *name,
        const struct sled_visit_result *result, struct sled_store *store,
        struct sled_err *err)
{
	const struct sled_err *why = &result->err;
	bool failed = why->kind != SLED_ERR_NONE;
	bool warned = result->warnings[0] != '\0' &&
	              (!failed || strcmp(result->warnings, why->text) != 0);
	bool ok = result->row.began == 0
	              ? sled_buf_printf(out, err, "%s: no visit", name)
	              : sled_cli_visit_line(out, name, result, store, err);

	return ok &&
	       (!warned ||
	        sled_buf_printf(out, err, "; %s", result->warnings)) &&
	       (!failed ||
	        sled_buf_printf(out, err, "; failed: %s (exit %d)", why->text,
	                        sled_err_exit(why->kind)));
}

/* This program again, with the same configuration. */
static bool
add_tend(void *ctx, struct sled_buf *out, struct sled_err *err)
{
	const struct run *run = ctx;
	char self[4096];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (len <= 0)
		return sled_fail(err, SLED_ERR_IO, "this program has no path");
	self[len] = '\0';
	return sled_buf_addstr(out, "exec ", err) &&
	       sled_text_shell(out, self, err) &&
	       sled_buf_addstr(out, " -q", err) &&
	       (run->cli->file == NULL ||
	        (sled_buf_addstr(out, " -c ", err) &&
	         sled_text_shell(out, run->cli->file, err))) &&
	       sled_buf_addstr(out, " tend --for-scheduler", err);
}

/* NOLINTBEGIN(readability-function-size): the form is the daemon's */
static bool
add_text(struct sled_cli *cli, struct sled_buf *out, enum sled_daemon_form form,
         const char *name, const struct sled_visit_result *result,
         struct sled_err *err)
{
	const struct sled_visit_row *row = &result->row;
	bool quiet = form == SLED_DAEMON_QUIET;
	bool ok;

	if (row->began == 0 || cli->store == NULL ||
	    (quiet && result->err.kind == SLED_ERR_NONE))
		return true;
	ok = sled_cli_visit_line(out, name, result, cli->store, err) &&
	     sled_buf_addstr(out, "\n", err) &&
	     (form != SLED_DAEMON_VERBOSE || sled_cli_cost(out, row, err)) &&
	     (quiet || sled_cli_visit_came(cli, out, name, row, 0, err));
	while (ok && out->len > 0 && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	return ok;
}

static bool
add_visit(void *ctx, struct sled_buf *out, enum sled_daemon_form form,
          const struct sled_conf_account *account,
          const struct sled_visit_result *result, struct sled_store *store,
          struct sled_err *err)
{
	const struct run *run = ctx;
	struct sled_cli shown = { .sys = run->cli->sys, .store = store };
	const char *name = account->name;

	if (form == SLED_DAEMON_LOG)
		return add_log(out, name, result, store, err);
	if (form == SLED_DAEMON_JSON)
		return add_object(out, name, result, err);
	return add_text(&shown, out, form, name, result, err);
}

/* NOLINTEND(readability-function-size) */

static bool
add_bill(void *ctx, struct sled_buf *out, const struct sled_round_row *row,
         struct sled_err *err)
{
	(void)ctx;
	return sled_cli_bill(out, row, err);
}

/* ---- the command ---- */

static int
run(struct sled_cli *cli)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct run run = { .cli = cli,
		           .journal = stream != NULL && *stream != '\0' };
	const struct sled_daemon_conf conf = {
		.calls = { load, unload, open_store, say, add_visit,
		           add_progress, add_bill, add_tend, &run },
		.sys = cli->sys,
		.once = sled_cli_flag(cli, "once") != NULL,
		.link = sled_cli_flag(cli, "link"),
		/* Machines that were switched on together shall not visit
		 * together. */
		.seed = (uint64_t)getpid() << 32 ^ (uint64_t)sled_clock_ms(),
	};
	struct sled_err err = { 0 };
	int status = 0;

	(void)setvbuf(stderr, NULL, _IOLBF, 0);
	if (!sled_daemon_run(&conf, &status, &err))
		return sled_cli_fail(cli, &err);
	return status;
}

static const struct sled_cli_flag flags[] = {
	{ "once", NULL, "wait for the first visit that is due, then end" },
	{ "link", "NAME", "only by this interface, or [link] section" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_run = {
	.name = "run",
	.args = "",
	.about = "wait for link and window, and visit: the scheduler",
	.more = "Stays in the foreground and visits when [schedule] and the "
		"links say so; `status`\nnames the next visit and why. SIGUSR1 "
		"visits now, SIGHUP reads the configuration\nagain, SIGTERM "
		"ends: what is on its way may end in 10 s; a second one hangs "
		"up.\n",
	.examples = "  mailsled run\n"
		    "  mailsled run --once --link wlan0\n"
		    "  systemctl --user enable --now mailsled\n",
	.flags = flags,
	.run = run,
};
