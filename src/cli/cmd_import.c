/* cmd_import.c - `mailsled import`: mail that other programs keep, brought into
 * the archive as if it had been fetched. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/import.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

#define LARGEST   (UINT64_C(3) << 30) /* octets: a volume ends at 3.9 GiB */
#define LIVE_EACH 64                  /* messages between two lines */

struct counts {
	uint64_t added, present, failed, passed;
};

struct importing {
	struct sled_cli *cli;
	const char *label;
	struct sled_import *import;
	struct sled_import_sums sums;
	struct sled_cli_letter letter;
	struct counts all, box; /* the run's; the mailbox's at hand */
	enum sled_mailbox_kind kind;
	char *box_path;        /* printable, owned; NULL: between mailboxes */
	uint64_t boxes;        /* of the PATH at hand */
	struct sled_err worst; /* of what could not be read */
	bool store_failed;     /* while bytes were on their way */
	bool cut;              /* it ended before the end */
};

/* ---- what is said ---- */

static char *
printable(const char *text, struct sled_err *err)
{
	struct sled_buf out = { 0 };

	if (sled_text_printable(&out, (struct sled_span){ text, strlen(text) },
	                        err) &&
	    sled_buf_add(&out, "", 0, err))
		return out.data;
	sled_buf_free(&out);
	return NULL;
}

/* "TEXT: WHY" on stderr. */
static bool
say_of(struct importing *i, const char *path, const char *why,
       struct sled_err *err)
{
	char *shown = printable(path, err);
	struct sled_buf line = { 0 };
	bool ok =
	    shown != NULL && sled_buf_printf(&line, err, "%s: %s", shown, why);

	if (ok)
		sled_cli_say(i->cli, line.data);
	sled_buf_free(&line);
	free(shown);
	return ok;
}

static void
show_progress(const struct importing *i)
{
	const struct counts *box = &i->box;
	struct sled_buf line = { 0 };
	struct sled_err ignored = { 0 };

	if ((box->added + box->present) % LIVE_EACH == 0 &&
	    sled_buf_printf(&line, &ignored,
	                    "import: %" PRIu64 " messages, %" PRIu64
	                    " were there already: %s",
	                    box->added, box->present, i->box_path))
		sled_cli_live(i->cli, line.data);
	sled_buf_free(&line);
}

/* ---- one message ---- */

/* It is named, and the rest goes on. */
static bool
fail_one(struct importing *i, const char *path, const struct sled_err *why,
         struct sled_err *err)
{
	struct sled_err mine = *why;

	/* Our own places are not what cannot be read. */
	if (mine.kind == SLED_ERR_PLACE)
		mine.kind = SLED_ERR_MISSING;
	if (i->worst.kind == SLED_ERR_NONE ||
	    sled_err_worse(mine.kind, i->worst.kind) != i->worst.kind)
		i->worst = mine;
	i->box.failed++;
	return say_of(i, path, mine.text, err);
}

static bool
on_fault(void *ctx, const char *path, const struct sled_err *why,
         struct sled_err *err)
{
	return fail_one(ctx, path, why, err);
}

static bool
on_passed(void *ctx, const char *path, const char *why, struct sled_err *err)
{
	struct importing *i = ctx;

	i->box.passed++;
	return !i->cli->verbose || say_of(i, path, why, err);
}

static bool
put_bytes(void *ctx, struct sled_span bytes, struct sled_err *err)
{
	struct importing *i = ctx;

	i->store_failed = !sled_import_data(i->import, bytes, err);
	return !i->store_failed;
}

/* The second reading: its bytes must be those of the first. */
static bool
take_message(struct importing *i, struct sled_mailbox_item *item,
             struct sled_err *err)
{
	struct sled_err why = { 0 };

	i->store_failed = false;
	if (!sled_mailbox_read(item, put_bytes, i, &why)) {
		if (i->store_failed || why.kind == SLED_ERR_NOMEM) {
			*err = why;
			return false;
		}
		return sled_import_drop(i->import, err) &&
		       fail_one(i, sled_mailbox_where(item), &why, err);
	}
	if (sled_import_end(i->import, &why)) {
		i->box.added++;
		show_progress(i);
		return true;
	}
	if (why.kind != SLED_ERR_DAMAGED) {
		*err = why;
		return false;
	}
	(void)sled_fail(&why, SLED_ERR_LINK,
	                "it was changed while it was read: run this again");
	return fail_one(i, sled_mailbox_where(item), &why, err);
}

static bool
on_message(void *ctx, struct sled_mailbox_item *item, struct sled_err *err)
{
	struct importing *i = ctx;
	struct sled_cli_letter *letter = &i->letter;
	struct sled_incoming incoming;
	struct sled_err why = { 0 };
	bool wanted = false;

	if (!sled_cli_letter_read(letter, item, sled_clock_now(), &why))
		return fail_one(i, sled_mailbox_where(item), &why, err);
	if (letter->digest.octets == 0)
		return on_passed(i, sled_mailbox_where(item), "it is empty",
		                 err);
	if (letter->digest.octets > LARGEST) {
		(void)sled_fail(&why, SLED_ERR_USAGE,
		                "more than 3 GiB: no volume can hold it");
		return fail_one(i, sled_mailbox_where(item), &why, err);
	}
	incoming = (struct sled_incoming){ .sha256 = letter->digest.sha256,
		                           .octets = letter->digest.octets,
		                           .listed = letter->digest.octets,
		                           .received = letter->received };
	if (!sled_import_begin(i->import, &incoming, &wanted, err))
		return sled_note(err, "import");
	if (wanted)
		return take_message(i, item, err);
	i->box.present++;
	show_progress(i);
	return true;
}

/* ---- mailboxes ---- */

/* A store is no mailbox: what is in it is there. */
static bool
on_folder(void *ctx, const struct stat *st, const char *path, bool *enter,
          struct sled_err *err)
{
	struct importing *i = ctx;
	size_t count = sled_store_places(i->cli->store);

	for (size_t p = 0; p < count; p++) {
		struct sled_place_status place;
		struct stat own;

		if (!sled_store_place(i->cli->store, p, &place, err))
			return false;
		if (stat(place.path, &own) == 0 && own.st_dev == st->st_dev &&
		    own.st_ino == st->st_ino) {
			*enter = false;
			return say_of(i, path,
			              "passed over: it is mailsled's own", err);
		}
	}
	return true;
}

static bool
on_begin(void *ctx, enum sled_mailbox_kind kind, const char *path,
         struct sled_err *err)
{
	struct importing *i = ctx;

	i->kind = kind;
	i->boxes++;
	i->box_path = printable(path, err);
	return i->box_path != NULL;
}

static void
add_counts(struct importing *i)
{
	i->all.added += i->box.added;
	i->all.present += i->box.present;
	i->all.failed += i->box.failed;
	i->all.passed += i->box.passed;
	i->box = (struct counts){ 0 };
	free(i->box_path);
	i->box_path = NULL;
}

static void
print_box(const struct importing *i)
{
	const struct counts *box = &i->box;

	(void)printf("%s: %" PRIu64 " message%s", i->box_path, box->added,
	             box->added == 1 ? "" : "s");
	if (box->present > 0)
		(void)printf(", %" PRIu64 " there already", box->present);
	if (box->failed > 0)
		(void)printf(", %" PRIu64 " not read", box->failed);
	(void)puts("");
}

static void
put_passed(struct sled_json *json, const struct counts *counts)
{
	sled_json_u64(json, "present", counts->present);
	sled_json_u64(json, "failed", counts->failed);
	sled_json_u64(json, "passed", counts->passed);
}

static bool
on_end(void *ctx, struct sled_err *err)
{
	static const char *const kinds[] = { "maildir", "mbox", "files" };
	struct importing *i = ctx;
	struct sled_json *json = NULL;
	bool ok = true;

	sled_cli_live(i->cli, "");
	if (i->cli->json) {
		ok = sled_json_new(&json, err);
		if (ok) {
			sled_json_text(json, "event", "mailbox");
			sled_json_text(json, "path", i->box_path);
			sled_json_text(json, "kind", kinds[i->kind]);
			sled_json_u64(json, "added", i->box.added);
			put_passed(json, &i->box);
			ok = sled_json_print(&json, stdout, err);
		}
	} else if (!i->cli->quiet) {
		print_box(i);
	}
	add_counts(i);
	return ok;
}

static bool
import_path(struct importing *i, const char *path, struct sled_err *err)
{
	const struct sled_mailbox_options options = {
		.mboxo = sled_cli_flag(i->cli, "mboxo") != NULL,
		.no_subfolders = sled_cli_flag(i->cli, "no-subfolders") != NULL,
	};
	const struct sled_mailbox_visitor visitor = {
		i, on_folder, on_begin, on_message, on_end, on_fault, on_passed,
	};
	struct sled_err why = { 0 };
	uint64_t failed;

	i->boxes = 0;
	if (!sled_mailbox_walk(i->cli->sys, path, &options, &visitor, err))
		return false;
	failed = i->box.failed;
	add_counts(i); /* of what is in no mailbox */
	if (i->boxes > 0 || failed > 0)
		return true;
	(void)sled_fail(&why, SLED_ERR_MISSING,
	                "no mail is there: no Maildir, no mbox, no *.eml");
	if (!fail_one(i, path, &why, err))
		return false;
	add_counts(i);
	return true;
}

/* ---- before the first message ---- */

static bool
check_label(struct importing *i, struct sled_err *err)
{
	i->label = sled_cli_flag(i->cli, "account");
	if (i->label == NULL)
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "import: --account is missing");
	else if (!sled_conf_is_account_name(i->label) ||
	         strcmp(i->label, "journal") == 0 ||
	         strcmp(i->label, "mailsled") == 0)
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "--account: a name of a-z, 0-9, \".\", \"_\", "
		                "\"-\", at most 24 of them; not \"journal\", "
		                "not \"mailsled\"");
	else
		return true;
	return sled_hint(err, "mailsled help import");
}

static bool
refuse_own(struct importing *i, const char *path, const char *own,
           struct sled_err *err)
{
	bool inside = false;

	if (!sled_cli_inside(i->cli->sys, path, own, &inside, err))
		return false;
	if (!inside)
		return true;
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "import: this path lies in the store itself");
	return sled_hint(err, "`mailsled restore FROM --into-store` takes mail "
	                      "from archives");
}

static bool
check_path(struct importing *i, const char *path, struct sled_err *err)
{
	const struct sled_conf_store *store = &i->cli->conf->store;
	struct stat st;

	if (stat(path, &st) == -1) {
		if (errno == ENOENT || errno == ENOTDIR)
			return sled_fail(err, SLED_ERR_MISSING,
			                 "there is no such folder or file");
		(void)sled_fail_sys(err, errno, "look at it");
		err->kind = SLED_ERR_MISSING;
		return false;
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode)) {
		(void)sled_fail(err, SLED_ERR_MISSING,
		                "neither a folder nor a file");
		return sled_hint(err, "name a Maildir, an mbox, a message, or "
		                      "a folder that has some of them in it");
	}
	if (!refuse_own(i, path, store->path, err) ||
	    (store->state != NULL && !refuse_own(i, path, store->state, err)))
		return false;
	for (size_t c = 0; c < store->copies_len; c++)
		if (!store->copies[c].rclone &&
		    !refuse_own(i, path, store->copies[c].where, err))
			return false;
	return true;
}

/* All PATHs, before anything of them is taken. */
static bool
check_paths(struct importing *i, struct sled_err *err)
{
	char shown[256];

	for (unsigned a = 0; a < i->cli->args_len; a++) {
		const char *path = i->cli->args[a];

		sled_text_clip(shown, sizeof(shown),
		               (struct sled_span){ path, strlen(path) });
		if (!check_path(i, path, err))
			return sled_note(err, "%s", shown);
	}
	return sled_cli_import_apart(i->cli, err);
}

/* ---- the command ---- */

/* Whole in a spool, for the next start to put into the archive. */
static uint64_t
waiting(const struct importing *i)
{
	return i->cut ? i->all.added - i->sums.added : 0;
}

/* May the old mailbox go? What an earlier run brought counts as well. */
static void
judge_places(const struct importing *i, struct sled_err *why)
{
	if (!sled_cli_in_places(i->cli, &i->sums, i->all.present > 0, why))
		(void)sled_hint(why, "keep the old mailbox until `mailsled "
		                     "sync` has brought the copies up");
}

/* What the run ends with; *why is what ended it early. */
static void
judge(const struct importing *i, struct sled_err *why)
{
	struct sled_err places = { 0 };

	if (why->kind == SLED_ERR_NONE && i->worst.kind != SLED_ERR_NONE) {
		(void)sled_fail(why, i->worst.kind,
		                "%" PRIu64 " could not be read; all else is "
		                "there",
		                i->all.failed);
		(void)sled_hint(why, "mend it, then run the same import again: "
		                     "it adds what is missing");
	}
	judge_places(i, &places);
	sled_cli_add_failure(i->cli, why, &places);
	sled_cli_add_lost(i->cli, why);
}

static bool
print_json(const struct importing *i, const struct sled_err *why,
           struct sled_err *err)
{
	struct sled_json *json = NULL;

	if (!sled_json_new(&json, err))
		return false;
	sled_json_text(json, "account", i->label);
	sled_json_u64(json, "added", i->sums.added);
	sled_json_u64(json, "waiting", waiting(i));
	put_passed(json, &i->all);
	sled_json_u64(json, "mail_bytes", i->sums.octets);
	sled_json_u64(json, "unsafe", i->sums.unsafe);
	sled_json_text(json, "error", why->text[0] == '\0' ? NULL : why->text);
	sled_json_i64(json, "exit", sled_err_exit(why->kind));
	return sled_json_print(&json, stdout, err);
}

static void
print_text(const struct importing *i)
{
	const struct counts *all = &i->all;
	char size[SLED_CLI_WORD];

	sled_cli_bytes(size, i->sums.octets);
	(void)printf("imported into %s: %" PRIu64 " message%s, %s; %" PRIu64
	             " there already",
	             i->label, i->sums.added, i->sums.added == 1 ? "" : "s",
	             size, all->present);
	if (all->passed > 0)
		(void)printf("; passed over: %" PRIu64 "%s", all->passed,
		             i->cli->verbose ? "" : " (-v names them)");
	if (waiting(i) > 0)
		(void)printf("; %" PRIu64 " more were read and wait to be "
		             "stored",
		             waiting(i));
	if (i->cut)
		(void)printf("; NOT FINISHED");
	(void)puts("");
}

/* *why is what the sums end with, and the exit status. */
static bool
print_sums(struct importing *i, struct sled_err *why, struct sled_err *err)
{
	sled_cli_live(i->cli, "");
	judge(i, why);
	if (why->kind != SLED_ERR_NONE)
		sled_cli_complain(i->cli, why);
	if (i->cli->json)
		return print_json(i, why, err);
	if (!i->cli->quiet)
		print_text(i);
	return true;
}

static bool
bring_in(struct importing *i, struct sled_err *err)
{
	const struct sled_spool_owner owner = { i->label, SLED_IMPORTED,
		                                i->label };

	if (!sled_import_open(&i->import, i->cli->store, err) ||
	    !sled_import_whose(i->import, &owner, err))
		return false;
	for (unsigned a = 0; a < i->cli->args_len; a++)
		if (!import_path(i, i->cli->args[a], err))
			return false;
	sled_cli_live(i->cli, "import: storing the last of it ...");
	return sled_import_close(&i->import, true, &i->sums, err);
}

/* What was stored before a failure is there, and counted. */
static void
bring(struct importing *i, struct sled_err *why)
{
	struct sled_err second = { 0 };
	uint64_t sealed = 0;

	i->cut = !bring_in(i, why);
	if (i->cut && !sled_import_close(&i->import, false, &i->sums, &second))
		sled_cli_complain(i->cli, &second);
	if (!i->cut &&
	    sled_store_seal(i->cli->store, NULL, false, &sealed, why))
		return;
	if (i->cut)
		add_counts(i); /* of the mailbox that it stood in */
	(void)sled_cli_of_store(i->cli, why);
	if (why->hint == NULL)
		(void)sled_hint(why, "mend that, then run the same import "
		                     "again: it adds what is missing");
}

static bool
import(struct importing *i, struct sled_err *why, struct sled_err *err)
{
	if (!check_label(i, err) || !sled_cli_conf(i->cli, err) ||
	    !check_paths(i, err) ||
	    !sled_cli_store(i->cli, SLED_STORE_WRITE, err) ||
	    !sled_cli_ready(i->cli, err) ||
	    !sled_cli_letter_new(&i->letter, err))
		return false;
	bring(i, why);
	return print_sums(i, why, err);
}

static int
run(struct sled_cli *cli)
{
	struct importing i = { .cli = cli, .sums = { .unsafe_why = "" } };
	struct sled_err why = { 0 }, err = { 0 };
	bool ok = import(&i, &why, &err);

	sled_cli_letter_free(&i.letter);
	free(i.box_path);
	return ok ? sled_err_exit(why.kind) : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "account", "LABEL", "the account that it is filed under; any label" },
	{ "no-subfolders", NULL, "of a Maildir: not the folders below it" },
	{ "mboxo", NULL, "mbox files quote \"From \" lines alone (mboxo)" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_import = {
	.name = "import",
	.args = "PATH...",
	.about = "bring mail of other programs into the archive",
	.more =
	    "PATH is a Maildir (with its subfolders), an mbox, a message, or a folder with\n"
	    "any of these in it (*.eml, MH). Lines get CRLF ends, as POP3 would have brought\n"
	    "them; all else stays byte for byte, and the source is not changed. A message\n"
	    "was received when the Maildir's file name or the \"From \" line says, else its\n"
	    "first Received, its Date, or the file's own time.\n"
	    "What the account has is not added again, wherever it came from: import may be\n"
	    "stopped and run again. A message that is in the source twice is two messages.\n"
	    "Imported mail is never looked for, nor deleted, on a server.\n",
	.examples =
	    "  mailsled import ~/Maildir --account home\n"
	    "  mailsled import ~/.thunderbird/*/Mail/*/Inbox --account "
	    "home\n"
	    "  mailsled import archive-2009.mbox letters/ --account past\n",
	.flags = flags,
	.args_min = 1,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
