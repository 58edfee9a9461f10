/* cmd_export.c - `mailsled export`: mail for other programs. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/export.h"
#include "mailsled/text.h"

struct picking {
	struct sled_cli *cli;
	struct sled_ledger *ledger;
	struct sled_cli_rows
	    named;                 /* sorted; only these when some were named */
	struct sled_cli_rows rows; /* what is to be written, in order */
	bool queried;
};

/* One message on its way out. */
struct passing {
	struct sled_cli_export *x;
	struct sled_message message; /* without its strings */
	uint64_t octets;
	bool found, target_failed;
	bool begun;          /* some place gave a part of it */
	struct sled_err why; /* of the target */
};

/* ---- which messages ---- */

static int
compare_ids(const void *a, const void *b)
{
	int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

	return (left > right) - (left < right);
}

static bool
pick_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct picking *p = ctx;

	if (p->cli->args_len > 0 &&
	    bsearch(&message->id, p->named.ids, p->named.len,
	            sizeof(*p->named.ids), compare_ids) == NULL)
		return true;
	return sled_cli_rows_add(&p->rows, message->id, err);
}

static bool
pick_volume(void *ctx, const struct sled_volume_row *row, struct sled_err *err)
{
	struct picking *p = ctx;
	const struct sled_message_query query = { .volume = row->id };

	return sled_ledger_messages(p->ledger, &query, pick_message, p, err);
}

/* The words are ids, or else a query where there is a reader. */
static bool
pick_named(struct picking *p, struct sled_err *err)
{
	struct sled_cli *cli = p->cli;

	for (unsigned i = 0; i < cli->args_len; i++) {
		if (sled_cli_find(cli, cli->args[i], &p->named, err))
			continue;
		if (err->kind != SLED_ERR_MISSING || cli->reading == NULL ||
		    i > 0)
			return false;
		*err = (struct sled_err){ 0 };
		p->queried = true;
		return cli->reading->query(cli, &p->named, err);
	}
	return true;
}

static bool
pick(struct picking *p, struct sled_err *err)
{
	const char *account = sled_cli_flag(p->cli, "account");

	p->ledger = sled_store_ledger(p->cli->store);
	if (account != NULL && !sled_cli_known(p->cli, account, err))
		return false;
	if (!pick_named(p, err))
		return false;
	if (p->named.len > 0)
		qsort(p->named.ids, p->named.len, sizeof(*p->named.ids),
		      compare_ids);
	if (!sled_ledger_volumes(p->ledger, account, pick_volume, p, err))
		return false;
	if (p->rows.len == 0 && p->cli->args_len > 0 && !p->queried)
		return sled_fail(err, SLED_ERR_MISSING,
		                 "no such message in this account");
	return true;
}

/* ---- one message ---- */

static bool
keep_message(void *ctx, const struct sled_message *message,
             struct sled_err *err)
{
	struct passing *passing = ctx;

	(void)err;
	passing->message = *message;
	passing->message.from = passing->message.subject =
	    passing->message.date = (struct sled_span){ "", 0 };
	passing->found = true;
	return true;
}

/* Again: the place that it came from failed, and another has it. */
static bool
pass_begin(void *ctx, uint64_t number, uint64_t octets, struct sled_err *err)
{
	struct passing *passing = ctx;
	struct sled_cli_export *x = passing->x;

	(void)number;
	(void)octets;
	passing->octets = 0;
	passing->target_failed =
	    passing->begun &&
	    !(sled_cli_export_drop(x, err) &&
	      sled_cli_export_begin(x, &passing->message, err));
	passing->begun = true;
	if (passing->target_failed)
		passing->why = *err;
	return !passing->target_failed;
}

static bool
pass_bytes(void *ctx, const void *bytes, size_t len, struct sled_err *err)
{
	struct passing *passing = ctx;
	struct sled_cli_export *x = passing->x;

	passing->octets += len;
	if (!passing->target_failed &&
	    sled_cli_export_data(x, (struct sled_span){ bytes, len }, err))
		return true;
	passing->target_failed = true;
	passing->why = *err;
	return false;
}

/* The archive does not give this one: it is named, and the rest goes on. */
static bool
pass_over(struct passing *passing, struct sled_err *why, struct sled_err *err)
{
	struct sled_cli_export *x = passing->x;

	why->kind = SLED_ERR_DAMAGED;
	(void)sled_cli_fail(x->cli, why);
	x->failed++;
	return sled_cli_export_drop(x, err) &&
	       sled_cli_export_lacks(x, passing->message.label, err);
}

static bool
export_bytes(struct passing *passing, struct sled_err *err)
{
	struct sled_cli_export *x = passing->x;
	const struct sled_member_reader reader = { passing, pass_begin,
		                                   pass_bytes };
	struct sled_err why = { 0 };
	bool ok =
	    sled_store_read(x->cli->store, &passing->message, &reader, &why);

	if (ok && passing->octets != passing->message.octets)
		ok = sled_fail(&why, SLED_ERR_DAMAGED,
		               "message %" PRIu64 " of %s: %" PRIu64
		               " octets instead of %" PRIu64,
		               passing->message.number, passing->message.label,
		               passing->octets, passing->message.octets);
	if (ok)
		return sled_cli_export_end(x, &passing->message, err);
	if (!passing->target_failed && why.kind != SLED_ERR_NOMEM)
		return pass_over(passing, &why, err);
	*err = passing->target_failed ? passing->why : why;
	return false;
}

static bool
export_message(struct sled_cli_export *x, int64_t id, struct sled_err *err)
{
	struct passing passing = { .x = x };
	bool there = false;

	if (!sled_ledger_by_id(sled_store_ledger(x->cli->store), id,
	                       keep_message, &passing, err))
		return false;
	if (!passing.found)
		return true; /* its volume was forgotten meanwhile */
	if (!sled_cli_export_box(x, passing.message.label, err) ||
	    !sled_cli_export_has(x, &passing.message, &there, err))
		return false;
	return there || (sled_cli_export_begin(x, &passing.message, err) &&
	                 export_bytes(&passing, err));
}

/* ---- the command ---- */

static void
show_progress(struct sled_cli_export *x, size_t done, size_t total)
{
	char text[64];

	if (done % 64 != 0)
		return;
	(void)snprintf(text, sizeof(text), "export: %zu of %zu messages", done,
	               total);
	sled_cli_live(x->cli, text);
}

/* A place has archives and nothing else: an eml's folder would be taken for an
 * account's, and mail in ACCOUNT/cur for what belongs to its volumes. */
static bool
refuse_place(struct sled_cli_export *x, const char *place, struct sled_err *err)
{
	bool inside = false;

	if (!sled_cli_inside(x->cli->sys, sled_cli_flag(x->cli, "to"), place,
	                     &inside, err))
		return false;
	if (!inside)
		return true;
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "export: --to lies in %s, a place of the store", place);
	return sled_hint(err, "name a folder outside of it");
}

static bool
refuse_places(struct sled_cli_export *x, struct sled_err *err)
{
	const struct sled_conf_store *store = &x->cli->conf->store;
	bool ok = refuse_place(x, store->path, err);

	for (size_t i = 0; ok && i < store->copies_len; i++)
		ok = store->copies[i].rclone ||
		     refuse_place(x, store->copies[i].where, err);
	return ok;
}

static bool
export_all(struct sled_cli_export *x, const struct sled_cli_rows *rows,
           struct sled_err *err)
{
	for (size_t i = 0; i < rows->len; i++) {
		show_progress(x, i, rows->len);
		if (!export_message(x, rows->ids[i], err))
			return sled_cli_export_hint(err);
	}
	return sled_cli_export_close(x, err);
}

static bool
print_json(const struct sled_cli_export *x, uint64_t missing,
           const struct sled_err *why, struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_u64(json, "exported", x->exported);
	sled_json_u64(json, "present", x->present);
	sled_json_u64(json, "failed", x->failed);
	sled_json_u64(json, "missing", missing);
	sled_json_text(json, "error", why->text[0] == '\0' ? NULL : why->text);
	sled_json_i64(json, "exit", sled_err_exit(why->kind));
	return sled_json_print(&json, stdout, err);
}

static void
print_text(const struct sled_cli_export *x, uint64_t missing)
{
	(void)printf("exported %" PRIu64 " messages; %" PRIu64
	             " were there already, %" PRIu64 " could not be read",
	             x->exported, x->present, x->failed);
	if (missing > 0)
		(void)printf(", %" PRIu64 " are MISSING", missing);
	(void)puts("");
}

/* MISSING: of those asked for, these were not come to, as of *why. */
static bool
print_sums(struct sled_cli_export *x, uint64_t missing, struct sled_err *why,
           struct sled_err *err)
{
	sled_cli_live(x->cli, "");
	if (why->kind == SLED_ERR_NONE && x->failed > 0) {
		(void)sled_fail(why, SLED_ERR_DAMAGED,
		                "%" PRIu64 " messages could not be read; all "
		                "else is exported",
		                x->failed);
		(void)sled_hint(why, "mailsled repair, then run the same "
		                     "again");
	}
	if (why->kind != SLED_ERR_NONE)
		sled_cli_complain(x->cli, why);
	if (x->cli->json)
		return print_json(x, missing, why, err);
	if (!x->cli->quiet)
		print_text(x, missing);
	return true;
}

/* *why is what the sums end with, and the exit status. */
static bool
write_out(struct sled_cli_export *x, struct picking *picking,
          struct sled_err *why, struct sled_err *err)
{
	uint64_t missing = 0;

	if (!sled_cli_export_choose(x, err) ||
	    !sled_cli_store(x->cli, SLED_STORE_READ, err) ||
	    !pick(picking, err) || !refuse_places(x, err) ||
	    !sled_cli_export_open(x, err))
		return false;
	if (!export_all(x, &picking->rows, why))
		missing =
		    picking->rows.len - x->exported - x->present - x->failed;
	return print_sums(x, missing, why, err);
}

static int
run(struct sled_cli *cli)
{
	struct sled_cli_export x = { .cli = cli, .dir = -1, .box = -1 };
	struct picking picking = { .cli = cli };
	struct sled_err why = { 0 }, err = { 0 };
	bool ok = write_out(&x, &picking, &why, &err);

	sled_cli_export_free(&x);
	sled_cli_rows_free(&picking.named);
	sled_cli_rows_free(&picking.rows);
	return ok ? sled_err_exit(why.kind) : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "to", "DIR", "the folder to write to; its parent must be there" },
	{ "format", "FORMAT", "maildir, mbox or eml" },
	{ "account", "A", "only mail of this account" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_export = {
	.name = "export",
	.args = "[ID...]",
	.about = "write mail as Maildir, mbox or eml files",
	.more = "Without an ID: all mail. What is no id is a query, see "
		"`mailsled help search`.\n"
		"  maildir  DIR/ACCOUNT/{cur,new,tmp}, LF lines; a second run "
		"adds what is missing\n"
		"  mbox     DIR/ACCOUNT.mbox in the mboxrd form, LF lines; "
		"written anew each time;\n"
		"           one that has more is kept as ACCOUNT.mbox.before\n"
		"  eml      under the archive's names, the exact bytes (CRLF); "
		"adds what is missing\n"
		"A message that cannot be read is named, the rest goes on; "
		"the exit status is 65.\n",
	.examples = "  mailsled export --to ~/Maildir.d --format maildir\n"
		    "  mailsled export --to /tmp/x --format eml 3f9a0c51d2e8\n"
		    "  mailsled export --to /tmp/x --format mbox from:ada\n",
	.flags = flags,
	.args_max = SLED_CLI_MANY,
	.side = SLED_CLI_READER,
	.run = run,
};
