/* read_extract.c - `mailsled extract`: attachments as files. A sender chose the
 * names, so each is made safe, and no file that is there is ever written to. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "cli/read.h"
#include "mailsled/file.h"
#include "mailsled/text.h"

#define TRIES_MOST 1000 /* names for one file: "a.pdf", "a-2.pdf", ... */
#define NAME_ROOM  256

struct extract {
	struct sled_cli *cli;
	const char *to;
	int dir;
	struct sled_letter *letter;
	struct sled_file file;
	char name[NAME_ROOM];
	uint64_t at;
	size_t saved;
};

/* ---- one file ---- */

/* "a.tar.gz" for the first try, "a-2.tar.gz" for the second. */
static void
nth_name(char out[NAME_ROOM], const char *name, unsigned n)
{
	const char *dot = strrchr(name, '.');
	size_t stem = dot == NULL ? strlen(name) : (size_t)(dot - name);

	if (dot != NULL && stem > 4 && strncmp(dot - 4, ".tar", 4) == 0)
		stem -= 4;
	if (n == 1)
		(void)snprintf(out, NAME_ROOM, "%s", name);
	else
		(void)snprintf(out, NAME_ROOM, "%.*s-%u%s", (int)stem, name, n,
		               name + stem);
}

/* A file that was not there; never through a link. */
static bool
make_file(struct extract *x, const char *name, struct sled_err *err)
{
	for (unsigned n = 1; n <= TRIES_MOST; n++) {
		nth_name(x->name, name, n);
		*err = (struct sled_err){ 0 };
		if (sled_file_open(&x->file, x->cli->sys, x->dir, x->name,
		                   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
		                   0666, err))
			return true;
		if (err->sys != EEXIST)
			return false;
	}
	return sled_note(err, "no free name");
}

static bool
write_some(void *ctx, const void *data, size_t len, struct sled_err *err)
{
	struct extract *x = ctx;

	if (!sled_file_write(&x->file, data, len, x->at, err))
		return false;
	x->at += len;
	return true;
}

static bool
tell(struct extract *x, const struct sled_letter_part *part, size_t i,
     struct sled_err *err)
{
	struct sled_json *json = NULL;
	struct sled_buf path = { 0 }, shown = { 0 };
	char bytes[SLED_CLI_WORD];
	bool ok = sled_buf_printf(&path, err, "%s/%s", x->to, x->name);

	if (ok && x->cli->json) {
		ok = sled_json_new(&json, err);
		if (ok) {
			sled_json_u64(json, "part", i + 1);
			sled_json_text(json, "name", part->name);
			sled_json_text(json, "type", part->type);
			sled_json_u64(json, "size", x->at);
			sled_json_text(json, "file", path.data);
			ok = sled_json_print(&json, stdout, err);
		}
	} else if (ok && !x->cli->quiet) {
		sled_cli_bytes(bytes, x->at);
		ok = sled_text_printable(&shown, sled_buf_span(&path), err);
		if (ok)
			(void)printf("%s  %s\n", shown.data, bytes);
	}
	sled_buf_free(&path);
	sled_buf_free(&shown);
	return ok;
}

static bool
save_part(struct extract *x, size_t i, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	struct sled_letter_part part;
	struct sled_buf name = { 0 };
	bool ok;

	sled_letter_part(x->letter, i, &part);
	ok = sled_name_safe(&name, part.name, part.type, i + 1, err) &&
	     make_file(x, name.data, err);
	sled_buf_free(&name);
	if (!ok)
		return false;
	x->at = 0;
	if (!sled_letter_save(x->letter, i, write_some, x, err) ||
	    !sled_file_sync(&x->file, err) || !sled_file_close(&x->file, err)) {
		sled_file_drop(&x->file);
		(void)sys->unlinkat(sys->ctx, x->dir, x->name, 0);
		return false;
	}
	x->saved++;
	return tell(x, &part, i, err);
}

/* ---- which ones ---- */

static bool
take_number(struct extract *x, const char *word, size_t *out,
            struct sled_err *err)
{
	uint64_t number = 0;
	char shown[40];

	if (sled_text_u64((struct sled_span){ word, strlen(word) }, &number) &&
	    number >= 1 && number <= sled_letter_parts(x->letter)) {
		*out = (size_t)number - 1;
		return true;
	}
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ word, strlen(word) });
	return sled_fail(err, SLED_ERR_MISSING,
	                 "part %s: the message has parts 1 to %zu", shown,
	                 sled_letter_parts(x->letter));
}

/* All that are named must be there before the first is written. */
static bool
save_named(struct extract *x, struct sled_err *err)
{
	size_t part = 0;

	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = 1; i < x->cli->args_len; i++)
			if (!take_number(x, x->cli->args[i], &part, err) ||
			    (pass == 1 && !save_part(x, part, err)))
				return false;
	return true;
}

static bool
save_attached(struct extract *x, struct sled_err *err)
{
	for (size_t i = 0; i < sled_letter_parts(x->letter); i++) {
		struct sled_letter_part part;

		sled_letter_part(x->letter, i, &part);
		if (part.attached && !save_part(x, i, err))
			return false;
	}
	if (x->saved == 0)
		return sled_fail(err, SLED_ERR_MISSING,
		                 "this message has no attachments");
	return true;
}

static bool
open_target(struct extract *x, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	const char *to = sled_cli_flag(x->cli, "to");
	char shown[256];

	x->to = to == NULL || *to == '\0' ? "." : to;
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ x->to, strlen(x->to) });
	if (sys->mkdirat(sys->ctx, AT_FDCWD, x->to, 0777) == -1 &&
	    errno != EEXIST)
		return sled_fail_sys(err, errno, "make folder %s", shown);
	return sled_dir_open(&x->dir, sys, AT_FDCWD, x->to, err);
}

static bool
extract(struct extract *x, struct sled_err *err)
{
	struct sled_message message;

	if (!sled_cli_store(x->cli, SLED_STORE_READ, err) ||
	    !sled_cli_read_find(x->cli, x->cli->args[0], &message, err) ||
	    !sled_cli_read_letter(x->cli, &message, &x->letter, err) ||
	    !open_target(x, err))
		return false;
	if (sled_letter_cut(x->letter))
		sled_cli_say(x->cli, "there is more in it than can be taken "
		                     "apart: it was made to have no end");
	if (!(x->cli->args_len > 1 ? save_named(x, err)
	                           : save_attached(x, err)) ||
	    !sled_dir_sync(x->cli->sys, x->dir, x->to, err))
		return false;
	if (!sled_letter_cut(x->letter))
		return true;
	(void)sled_fail(err, SLED_ERR_DAMAGED, "there may be more attachments");
	return sled_hint(err, "mailsled show --raw has all of it");
}

static int
run(struct sled_cli *cli)
{
	struct extract x = { .cli = cli, .dir = -1 };
	struct sled_err err = { 0 };
	bool ok = extract(&x, &err);

	sled_letter_free(&x.letter);
	if (x.dir != -1)
		(void)cli->sys->close(cli->sys->ctx, x.dir);
	return ok ? 0 : sled_cli_fail(cli, &err);
}

static const struct sled_cli_flag flags[] = {
	{ "to", "DIR", "the folder to write to; without: this one" },
	{ NULL, NULL, NULL },
};

const struct sled_cli_command sled_cli_read_extract = {
	.name = "extract",
	.args = "ID [PART...]",
	.about = "save a message's attachments",
	.more = "PART is a number that `mailsled show` tells; without one: all "
		"attachments. Files\nget the names that the sender gave them, "
		"as far as those are safe. What is there is\nnever written "
		"over: the second report.pdf becomes report-2.pdf.\n",
	.examples = "  mailsled extract 3f9a0c51d2e8\n"
		    "  mailsled extract home/17 --to ~/papers 2\n",
	.flags = flags,
	.args_min = 1,
	.args_max = SLED_CLI_MANY,
	.run = run,
};
