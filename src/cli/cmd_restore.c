/* cmd_restore.c - `mailsled restore`: mail out of archives that lie somewhere,
 * with no store around them. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/restore.h"
#include "mailsled/clock.h"
#include "mailsled/deliver.h"
#include "mailsled/text.h"

#define HEAD_MAX 65536 /* octets in which a header is looked for */

struct restore {
	struct sled_cli *cli;
	struct sled_shelf shelf;
	const struct sled_shelf_file *file; /* being read */
	struct sled_cli_pick pick;
	struct sled_tally met; /* what was given out, or is there */
	struct sled_cli_faults faults;
	uint64_t done, other; /* octets read; messages not asked for */
	uint64_t foreign; /* messages of another account than their file's */
	/* The message at hand. */
	struct sled_receipt receipt; /* a copy: drop() comes late */
	struct sled_message message;
	struct sled_buf head;
	bool decided, taking;
	/* To a folder: */
	struct sled_cli_export x;
	/* Or into the configured store: */
	bool into;
	bool cut;       /* it ended before the end */
	const char *as; /* the account it all goes to, or NULL */
	char server[256], user[256];
	char owner_label[25]; /* whose these two are */
	struct sled_import *import;
	struct sled_import_sums sums;
};

/* ---- into the store ---- */

/* A volume's own VOLUME.txt tells whose it is; one without it belongs with the
 * others of its account, or is the configured account's. */
static void
learn_owner(struct restore *r)
{
	const struct sled_shelf_file *file = r->file;
	const struct sled_conf_account *account;

	if (file->has_info) {
		memcpy(r->server, file->info.server, sizeof(r->server));
		memcpy(r->user, file->info.user, sizeof(r->user));
	} else if (strcmp(r->owner_label, file->label) != 0) {
		account = sled_conf_account(
		    r->cli->conf, r->as == NULL ? file->label : r->as);
		(void)snprintf(r->server, sizeof(r->server), "%s",
		               account == NULL ? SLED_IMPORTED
		                               : account->server);
		(void)snprintf(r->user, sizeof(r->user), "%s",
		               account == NULL ? file->label : account->user);
	}
	memcpy(r->owner_label, file->label, sizeof(r->owner_label));
}

static bool
open_import(struct restore *r, struct sled_err *err)
{
	const struct sled_spool_owner owner = { r->as == NULL ? r->file->label
		                                              : r->as,
		                                r->server, r->user };

	learn_owner(r);
	return (r->import != NULL ||
	        sled_import_open(&r->import, r->cli->store, err)) &&
	       sled_import_whose(r->import, &owner, err);
}

static bool
begin_into(struct restore *r, struct sled_err *err)
{
	const struct sled_receipt *receipt = &r->receipt;
	/* One that came short was to be fetched once more: without its id it
	 * will be, and never deleted for this. */
	bool is_short = (receipt->flags & SLED_RECEIPT_SHORT) != 0;
	const struct sled_incoming incoming = {
		.sha256 = receipt->sha256,
		.octets = receipt->octets,
		.listed = receipt->listed,
		.uid = is_short ? "" : receipt->uid,
		.received = receipt->received,
	};

	return open_import(r, err) &&
	       sled_import_begin(r->import, &incoming, &r->taking, err);
}

/* ---- to a folder ---- */

static bool
begin_folder(struct restore *r, struct sled_err *err)
{
	const struct sled_receipt *receipt = &r->receipt;
	bool there = false;

	r->message = (struct sled_message){ .number = receipt->number,
		                            .sha256 = receipt->sha256,
		                            .octets = receipt->octets,
		                            .received = receipt->received };
	memcpy(r->message.label, r->file->label, sizeof(r->message.label));
	memcpy(r->message.entry, receipt->entry, sizeof(r->message.entry));
	if (!sled_cli_export_box(&r->x, r->file->label, err) ||
	    !sled_cli_export_has(&r->x, &r->message, &there, err))
		return false;
	r->taking = !there;
	return there || sled_cli_export_begin(&r->x, &r->message, err);
}

/* ---- one message ---- */

static bool
start(struct restore *r, struct sled_err *err)
{
	struct sled_hash key;
	uint32_t times = 0;

	if (!sled_cli_restore_key(&key, &r->receipt, err) ||
	    !sled_tally_count(&r->met, &key, &times, err))
		return false;
	if (times > 1)
		return true; /* an earlier file had it */
	return r->into ? begin_into(r, err) : begin_folder(r, err);
}

static bool
pass(struct restore *r, struct sled_span bytes, struct sled_err *err)
{
	if (!r->taking || bytes.len == 0)
		return true;
	return r->into ? sled_import_data(r->import, bytes, err)
	               : sled_cli_export_data(&r->x, bytes, err);
}

static bool
decide(struct restore *r, struct sled_err *err)
{
	bool chosen = false;

	r->decided = true;
	if (!sled_cli_pick_head(&r->pick, sled_buf_span(&r->head), &chosen,
	                        err))
		return false;
	if (chosen)
		return start(r, err) && pass(r, sled_buf_span(&r->head), err);
	r->other++;
	return true;
}

static bool
is_of_its_file(const struct restore *r, const struct sled_receipt *receipt)
{
	size_t len = strlen(r->file->label);

	return strncmp(receipt->entry, r->file->label, len) == 0 &&
	       receipt->entry[len] == '/';
}

static bool
on_begin(void *ctx, const struct sled_receipt *receipt, bool *wanted,
         struct sled_err *err)
{
	struct restore *r = ctx;
	bool ours = is_of_its_file(r, receipt);

	r->receipt = *receipt;
	r->taking = false;
	r->head.len = 0;
	r->decided = !r->pick.needs_head;
	r->foreign += !ours;
	if (!ours || !sled_cli_pick_receipt(&r->pick, receipt)) {
		r->other += ours;
		return true;
	}
	if (r->decided && !start(r, err))
		return false;
	*wanted = r->taking || !r->decided;
	return true;
}

static bool
has_header(const struct sled_buf *head)
{
	return memmem(head->data, head->len, "\r\n\r\n", 4) != NULL ||
	       memmem(head->data, head->len, "\n\n", 2) != NULL;
}

static bool
on_data(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct restore *r = ctx;

	if (r->decided)
		return pass(r, (struct sled_span){ data, len }, err);
	if (!sled_buf_add(&r->head, data, len, err))
		return false;
	return (r->head.len < HEAD_MAX && !has_header(&r->head)) ||
	       decide(r, err);
}

static bool
on_end(void *ctx, const struct sled_receipt *receipt, struct sled_err *err)
{
	struct restore *r = ctx;

	(void)receipt;
	if (!r->decided && !decide(r, err))
		return false;
	if (!r->taking)
		return true;
	return r->into ? sled_import_end(r->import, err)
	               : sled_cli_export_end(&r->x, &r->message, err);
}

static bool
on_drop(void *ctx, struct sled_err *err)
{
	struct restore *r = ctx;
	struct sled_hash key;

	if (!r->taking)
		return true;
	if (!sled_cli_restore_key(&key, &r->receipt, err))
		return false;
	sled_tally_back(&r->met, &key);
	return r->into ? sled_import_drop(r->import, err)
	               : sled_cli_export_drop(&r->x, err);
}

static bool
on_fault(void *ctx, const struct sled_shelf_fault *fault, struct sled_err *err)
{
	struct restore *r = ctx;

	return (r->into || sled_cli_export_lacks(&r->x, r->file->label, err)) &&
	       sled_cli_faults_add(&r->faults, r->file->path, fault, &r->pick,
	                           err);
}

/* ---- all files ---- */

static uint64_t
restored(const struct restore *r)
{
	struct sled_import_sums sums = r->sums;

	if (r->import != NULL)
		sums = sled_import_sums(r->import);
	return r->into ? sums.added : r->x.exported;
}

static void
on_done(void *ctx, uint64_t octets)
{
	struct restore *r = ctx;
	char text[128], size[SLED_CLI_WORD];

	r->done += octets;
	sled_cli_bytes(size, r->shelf.octets);
	(void)snprintf(text, sizeof(text),
	               "restore: %.0f %% of %s read, %" PRIu64 " messages",
	               100.0 * (double)r->done / (double)r->shelf.octets, size,
	               restored(r) + r->x.waiting);
	sled_cli_live(r->cli, text);
}

/* What is not this file's cannot be filed by it. */
static bool
say_foreign(const struct restore *r, uint64_t foreign, struct sled_err *err)
{
	const char *why = r->file->label[0] == '\0'
	                      ? "whose they are could not be read"
	                      : "they are of another account than the others";
	struct sled_span path = { r->file->path, strlen(r->file->path) };
	struct sled_buf line = { 0 };
	bool ok;

	if (foreign == 0)
		return true;
	ok = sled_text_printable(&line, path, err) &&
	     sled_buf_printf(&line, err, ": %" PRIu64 " messages left out: %s",
	                     foreign, why);
	if (ok)
		sled_cli_say(r->cli, line.data);
	sled_buf_free(&line);
	return ok;
}

static bool
print_file(const struct restore *r, uint64_t damaged, struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!r->cli->json)
		return true;
	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "event", "volume");
	sled_json_text(json, "file", r->file->path);
	sled_json_text(json, "account",
	               r->file->label[0] == '\0' ? NULL : r->file->label);
	sled_json_text(json, "volume",
	               r->file->volume[0] == '\0' ? NULL : r->file->volume);
	sled_json_u64(json, "octets", r->file->size);
	sled_json_u64(json, "damaged", damaged);
	return sled_json_print(&json, stdout, err);
}

/* A file that gave nothing at all: it is damaged from end to end. */
static bool
read_file(struct restore *r, struct sled_err *err)
{
	const struct sled_shelf_reader reader = {
		r, on_begin, on_data, on_end, on_drop, on_fault, on_done,
	};
	size_t faults = r->faults.len;
	uint64_t foreign = r->foreign;

	if (!sled_shelf_read(&r->shelf, r->file, &reader, err))
		return false;
	foreign = r->foreign - foreign;
	return say_foreign(r, foreign, err) &&
	       print_file(r, r->faults.len - faults + foreign, err);
}

static bool
is_wanted(const struct restore *r, const struct sled_shelf_file *file)
{
	const char *account = sled_cli_flag(r->cli, "account");

	return r->as != NULL || account == NULL || file->label[0] == '\0' ||
	       strcmp(file->label, account) == 0;
}

static bool
read_all(struct restore *r, struct sled_err *err)
{
	for (size_t i = 0; i < r->shelf.len; i++) {
		r->file = &r->shelf.files[i];
		if (is_wanted(r, r->file) && !read_file(r, err))
			return false;
	}
	if (r->into)
		return sled_import_close(&r->import, true, &r->sums, err);
	return sled_cli_export_close(&r->x, err);
}

/* ---- what was asked for ---- */

/* Accounts that the archives have: with one alone, --account may give it
 * another name in the store. */
static bool
check_account(struct restore *r, struct sled_err *err)
{
	const char *account = sled_cli_flag(r->cli, "account"), *first = NULL;
	bool several = false;

	for (size_t i = 0; account != NULL && i < r->shelf.len; i++) {
		const char *label = r->shelf.files[i].label;

		if (strcmp(label, account) == 0)
			return true;
		if (label[0] == '\0')
			continue;
		several =
		    several || (first != NULL && strcmp(first, label) != 0);
		first = label;
	}
	if (account == NULL)
		return true;
	if (r->into && first != NULL && !several) {
		r->as = account;
		return true;
	}
	return sled_fail(err, SLED_ERR_MISSING,
	                 "no volume there is of this account; one is of %s",
	                 first == NULL ? "none that can be read" : first);
}

static bool
check_mode(struct restore *r, struct sled_err *err)
{
	const char *to = sled_cli_flag(r->cli, "to");
	bool inside = false;

	r->into = sled_cli_flag(r->cli, "into-store") != NULL;
	if (!r->into && !sled_cli_export_choose(&r->x, err))
		return false;
	if (r->into &&
	    (to != NULL || sled_cli_flag(r->cli, "format") != NULL)) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "--into-store, or --to and --format");
		return sled_hint(err, "mailsled help restore");
	}
	if (r->into ||
	    !sled_cli_inside(r->cli->sys, to, r->cli->args[0], &inside, err))
		return r->into;
	return !inside ||
	       sled_fail(err, SLED_ERR_USAGE,
	                 "--to lies in what is restored from, which is never "
	                 "written to");
}

/* ---- the command ---- */

/* All that could be had was had; what else is there to say? */
static bool
judge(const struct restore *r, struct sled_err *err)
{
	size_t damaged = r->faults.len + (size_t)r->foreign;

	if (damaged > 0) {
		(void)sled_fail(err, SLED_ERR_DAMAGED,
		                "%zu damaged part%s; all that holds is "
		                "restored",
		                damaged, damaged == 1 ? "" : "s");
		return sled_hint(err, "restore from another copy too: it adds "
		                      "what is missing");
	}
	if (sled_cli_in_places(r->cli, &r->sums, r->into, err))
		return true;
	return sled_hint(err, "plug in what is missing, then `mailsled sync`");
}

static bool
print_json(const struct restore *r, const struct sled_err *why,
           struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_u64(json, "restored", restored(r));
	sled_json_u64(json, "present",
	              r->into ? r->sums.present : r->x.present);
	sled_json_u64(json, "not_asked_for", r->other);
	sled_json_u64(json, "damaged", r->faults.len + r->foreign);
	sled_json_u64(json, "lost", r->faults.lost);
	sled_json_u64(json, "unknown_octets", r->faults.unknown);
	sled_json_text(json, "error", why->text[0] == '\0' ? NULL : why->text);
	sled_json_i64(json, "exit", sled_err_exit(why->kind));
	return sled_json_print(&json, stdout, err);
}

static void
print_text(const struct restore *r)
{
	(void)printf("restored %" PRIu64 " messages; %" PRIu64
	             " were there already",
	             restored(r), r->into ? r->sums.present : r->x.present);
	if (r->other > 0)
		(void)printf(", %" PRIu64 " not asked for", r->other);
	if (r->faults.lost > 0)
		(void)printf(", %" PRIu64 " LOST", r->faults.lost);
	if (r->faults.unknown > 0)
		(void)printf("; %" PRIu64 " bytes that do not hold may have "
		             "had MORE",
		             r->faults.unknown);
	if (r->cut)
		(void)printf("; NOT FINISHED");
	(void)puts("");
}

/* *why is what the sums end with, and the exit status. What is damaged is told
 * by a run that saw all: another file may have had it. */
static bool
print_sums(struct restore *r, struct sled_err *why, struct sled_err *err)
{
	sled_cli_live(r->cli, "");
	if (!r->cut && !sled_cli_faults_print(r->cli, &r->faults, &r->met, err))
		return false;
	if (why->kind == SLED_ERR_NONE)
		(void)!judge(r, why);
	if (r->into)
		sled_cli_add_lost(r->cli, why);
	if (why->kind != SLED_ERR_NONE)
		sled_cli_complain(r->cli, why);
	if (r->cli->json)
		return print_json(r, why, err);
	if (!r->cli->quiet)
		print_text(r);
	return true;
}

static bool
open_target(struct restore *r, struct sled_err *err)
{
	return r->into ? sled_cli_store(r->cli, SLED_STORE_WRITE, err)
	               : sled_cli_export_open(&r->x, err);
}

/* What it brought is not to be delivered, even if the ledger is lost. */
static bool
keep_from_targets(struct restore *r, struct sled_err *err)
{
	const struct sled_conf *conf = r->cli->conf;
	int64_t now = sled_clock_now();

	for (size_t i = 0; i < conf->accounts_len; i++)
		if (!sled_deliver_begin(r->cli->store, &conf->accounts[i], now,
		                        err))
			return false;
	return true;
}

static bool
end_into(struct restore *r, struct sled_err *err)
{
	uint64_t sealed = 0;

	return !r->into ||
	       (keep_from_targets(r, err) &&
	        sled_store_seal(r->cli->store, NULL, false, &sealed, err));
}

/* What was stored before a failure is there, and counted. */
static bool
bring(struct restore *r, struct sled_err *err)
{
	struct sled_err second = { 0 };

	r->cut = !read_all(r, err);
	if (r->cut && !sled_import_close(&r->import, false, &r->sums, &second))
		sled_cli_complain(r->cli, &second);
	if (!r->cut && end_into(r, err))
		return true;
	if (r->into)
		(void)sled_cli_of_store(r->cli, err);
	return sled_cli_export_hint(err);
}

static bool
restore(struct restore *r, struct sled_err *why, struct sled_err *err)
{
	if (!check_mode(r, err) || !sled_cli_pick_new(&r->pick, r->cli, 1, err))
		return false;
	sled_cli_live(r->cli, "restore: looking for volumes ...");
	if (!sled_shelf_open(&r->shelf, r->cli->sys, r->cli->args[0], err) ||
	    !check_account(r, err) || !open_target(r, err))
		return false;
	(void)!bring(r, why);
	return print_sums(r, why, err);
}

static void
free_restore(struct restore *r)
{
	sled_cli_export_free(&r->x);
	sled_shelf_close(&r->shelf);
	sled_cli_pick_free(&r->pick);
	sled_cli_faults_free(&r->faults);
	sled_tally_free(&r->met);
	sled_buf_free(&r->head);
}

static int
run(struct sled_cli *cli)
{
	struct restore r = { .cli = cli,
		             .x = { .cli = cli, .dir = -1, .box = -1 },
		             .sums = { .unsafe_why = "" } };
	struct sled_err why = { 0 }, err = { 0 };
	bool ok = restore(&r, &why, &err);

	free_restore(&r);
	return ok ? sled_err_exit(why.kind) : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "to", "DIR", "the folder to write to; its parent must be there" },
	{ "format", "FORMAT", "maildir, mbox or eml, as for export" },
	{ "into-store", NULL, "instead: into the store of the configuration" },
	{ "account", "A", "only mail of this account" },
	{ "since", "DATE",
	  "received on it or later: 2026, 2026-03, "
	  "2026-03-05 (UTC)" },
	{ "until", "DATE", "received on it or earlier" },
	{ "from", "TEXT", "the sender has this in it" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_restore = {
	.name = "restore",
	.args = "FROM [QUERY...]",
	.about = "get mail out of a copy, or of a single volume's file",
	.more =
	    "FROM is a copy of a store, a folder with some of its volumes, or one file;\n"
	    "nothing else is needed, and nothing is written there. Each message is held\n"
	    "against the SHA-256 of its receipt. What is damaged is named, the rest goes on;\n"
	    "the exit status is 65. A second run adds only what is missing.\n"
	    "QUERY: words that are all in sender or subject, as `list` shows them; or ids of\n"
	    "messages, 8 digits or more, or ACCOUNT/NUMBER.\n"
	    "With --into-store, mail of one account alone may go to another one, by\n"
	    "--account.\n",
	.examples =
	    "  mailsled restore /media/usb/mail --to ~/Maildir.d --format "
	    "maildir\n"
	    "  mailsled restore home/2026-03-001.tar.gz --to /tmp/x --format eml "
	    "invoice\n"
	    "  mailsled restore /media/old/mail --into-store --since 2024\n",
	.flags = flags,
	.args_min = 1,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
