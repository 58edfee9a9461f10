/* cmd_want.c - `mailsled want` and `mailsled drop`: what becomes of held mail.
 * Decided here, without a connection; done by the next visit. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/held.h"
#include "mailsled/clock.h"

struct decide {
	struct sled_cli *cli;
	enum sled_decision decision;
	char (*ids)[SLED_HELD_ID];
	size_t len;
	unsigned columns;
};

static bool
find_all(struct decide *d, struct sled_err *err)
{
	for (unsigned i = 0; i < d->cli->args_len; i++)
		if (!sled_cli_held_id(d->cli, d->cli->args[i], d->ids[d->len++],
		                      err))
			return false;
	return true;
}

/* ---- what is to be deleted unread ---- */

static bool
show_row(void *ctx, const struct sled_held_row *row, struct sled_err *err)
{
	const struct decide *d = ctx;
	char size[SLED_CLI_WORD];

	sled_cli_bytes(size, row->size);
	(void)printf("  %s  %s%s\n", row->id, size,
	             row->previewed ? "" : ", not previewed");
	return sled_cli_held_field("from", row->from, d->columns, err) &&
	       sled_cli_held_field("subject", row->subject, d->columns, err) &&
	       sled_cli_held_field("date", row->date, d->columns, err);
}

static bool
show_all(struct decide *d, struct sled_err *err)
{
	(void)printf("to be deleted from the server, unread and for good:\n");
	for (size_t i = 0; i < d->len; i++)
		if (!sled_ledger_held(sled_store_ledger(d->cli->store), 0,
		                      d->ids[i], show_row, d, err))
			return false;
	return fflush(stdout) == 0 ||
	       sled_fail(err, SLED_ERR_IO, "output: cannot be written");
}

static bool
confirm(struct decide *d, struct sled_err *err)
{
	struct sled_buf answer = { 0 };
	bool ok;

	if (d->decision != SLED_DECIDE_DROP ||
	    sled_cli_flag(d->cli, "yes") != NULL)
		return true;
	if (d->cli->json || !sled_ask_can()) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "drop deletes mail that is stored nowhere: "
		                "nobody is here to confirm that");
		return sled_hint(err, "mailsled drop --yes ID...");
	}
	ok = show_all(d, err) &&
	     sled_ask(&answer, "delete it unread at the next visit? yes or no",
	              "no", err);
	if (ok && strcmp(answer.data, "yes") != 0)
		ok = sled_fail(err, SLED_ERR_USAGE, "nothing is dropped");
	sled_buf_free(&answer);
	return ok;
}

/* ---- deciding ---- */

static bool
tell(const struct decide *d, const char *id, struct sled_err *err)
{
	static const char *const words[] = {
		[SLED_DECIDE_NONE] = "is held, as before",
		[SLED_DECIDE_WANT] = "is fetched at the next visit",
		[SLED_DECIDE_DROP] = "is deleted unread at the next visit",
	};
	static const char *const names[] = {
		[SLED_DECIDE_WANT] = "want",
		[SLED_DECIDE_DROP] = "drop",
	};
	struct sled_json *json = NULL;

	if (!d->cli->json) {
		if (!d->cli->quiet)
			(void)printf("%s %s\n", id, words[d->decision]);
		return true;
	}
	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "id", id);
	sled_json_text(json, "decision",
	               d->decision == SLED_DECIDE_NONE ? NULL
	                                               : names[d->decision]);
	return sled_json_print(&json, stdout, err);
}

static bool
decide_all(struct decide *d, struct sled_err *err)
{
	struct sled_cli *cli = d->cli;

	if (!sled_cli_store(cli, SLED_STORE_READ, err) || !find_all(d, err) ||
	    !confirm(d, err))
		return false;
	sled_store_close(&cli->store); /* not locked while it is asked */
	if (!sled_cli_store(cli, SLED_STORE_WRITE, err))
		return false;
	for (size_t i = 0; i < d->len; i++)
		if (!sled_store_decide(cli->store, d->ids[i], d->decision,
		                       sled_clock_now(), err) ||
		    !tell(d, d->ids[i], err))
			return sled_note(err, "%s", d->ids[i]);
	return sled_cli_whole(cli, err);
}

static int
run(struct sled_cli *cli, enum sled_decision decision)
{
	bool undo = sled_cli_flag(cli, "undo") != NULL;
	struct decide d = { .cli = cli,
		            .decision = undo ? SLED_DECIDE_NONE : decision,
		            .columns = sled_cli_columns(STDOUT_FILENO) };
	struct sled_err err = { 0 };
	bool ok;

	d.ids = calloc(cli->args_len + 1, sizeof(*d.ids));
	ok = d.ids == NULL ? sled_fail(&err, SLED_ERR_NOMEM, "held mail")
	                   : decide_all(&d, &err);
	free(d.ids);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static int
run_want(struct sled_cli *cli)
{
	return run(cli, SLED_DECIDE_WANT);
}

static int
run_drop(struct sled_cli *cli)
{
	return run(cli, SLED_DECIDE_DROP);
}

static const struct sled_cli_flag want_flags[] = {
	{ "undo", NULL, "take the decision back: it is held, as before" },
	{ NULL, NULL, NULL },
};

static const struct sled_cli_flag drop_flags[] = {
	{ "undo", NULL, "take the decision back: it is held, as before" },
	{ "yes", NULL, "do not ask: for scripts" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_want = {
	.name = "want",
	.args = "ID...",
	.about = "fetch held mail at the next visit, before all else",
	.more = "ID is that of `mailsled held`, or 6 of its digits and more. "
		"No connection is made:\nthe next visit does it, whatever "
		"`hold-larger` says.\n",
	.examples = "  mailsled want h3f9a1c2b44\n"
		    "  mailsled want --undo h3f9a1c2b44\n",
	.flags = want_flags,
	.args_min = 1,
	.args_max = SLED_CLI_MANY,
	.run = run_want,
};

const struct sled_cli_command sled_cli_drop = {
	.name = "drop",
	.args = "ID...",
	.about = "delete held mail from the server, unread, at the next visit",
	.more = "The one command that deletes mail which is stored nowhere: "
		"what was dropped is gone\nfor good. The next visit deletes "
		"it only if id and size and, where it was\npreviewed, the "
		"head are those that `mailsled held` showed; else the "
		"decision lapses,\nwhich is said.\n",
	.examples = "  mailsled drop h3f9a1c2b44\n"
		    "  mailsled drop --yes h3f9a1c2b44\n"
		    "  mailsled drop --undo h3f9a1c2b44\n",
	.flags = drop_flags,
	.args_min = 1,
	.args_max = SLED_CLI_MANY,
	.run = run_drop,
};
