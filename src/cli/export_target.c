/* export_target.c - the folder that mail is written to, and what is in it; see
 * export.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/export.h"
#include "mailsled/text.h"

bool
sled_cli_export_choose(struct sled_cli_export *x, struct sled_err *err)
{
	static const struct sled_cli_format *const formats[] = {
		&sled_cli_maildir, &sled_cli_mbox, &sled_cli_eml
	};
	const char *format = sled_cli_flag(x->cli, "format");
	const char *to = sled_cli_flag(x->cli, "to");

	for (size_t i = 0; format != NULL && i < 3; i++)
		if (strcmp(formats[i]->name, format) == 0)
			x->format = formats[i];
	if (to == NULL || to[0] == '\0')
		(void)sled_fail(err, SLED_ERR_USAGE, "%s: --to is missing",
		                x->cli->command->name);
	else if (x->format == NULL)
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "%s: --format is one of maildir, mbox, eml",
		                x->cli->command->name);
	else
		return true;
	return sled_hint(err, x->cli->command == &sled_cli_export
	                          ? "mailsled help export"
	                          : "mailsled help restore");
}

/* ---- what went wrong there ---- */

static bool
is_full(const struct sled_err *err)
{
	return err->sys == ENOSPC || err->sys == EDQUOT;
}

bool
sled_cli_export_hint(struct sled_err *err)
{
	if (err->hint != NULL || err->kind == SLED_ERR_DAMAGED)
		return false;
	if (is_full(err))
		return sled_hint(err, "make room there, then run the same "
		                      "again: what is missing comes then");
	return sled_hint(err, "run the same again: what is missing comes then");
}

/* OK, or the error with its folder, BELOW the target, and the advice. */
static bool
at_target(const struct sled_cli_export *x, const char *below, bool ok,
          struct sled_err *err)
{
	const char *to = sled_cli_flag(x->cli, "to");
	char shown[256];

	if (ok)
		return true;
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ to, strlen(to) });
	(void)sled_note(err, "%s: in %s%s%s", x->cli->command->name, shown,
	                below[0] == '\0' ? "" : "/", below);
	if (err->kind == SLED_ERR_PLACE && !is_full(err) && err->hint == NULL)
		return sled_hint(err, "name a folder that this user may write "
		                      "to");
	if (err->sys == ENOTDIR && err->hint == NULL)
		return sled_hint(err, "move what is there out of the way, or "
		                      "name another folder");
	return sled_cli_export_hint(err);
}

/* ---- the folder, and the mailboxes in it ---- */

/* DIR itself, its name durable in the folder above. */
static bool
open_folder(struct sled_cli_export *x, struct sled_err *err)
{
	const char *to = sled_cli_flag(x->cli, "to");
	const struct sled_sys *sys = x->cli->sys;
	int above = -1;
	bool ok;

	if (sys->mkdirat(sys->ctx, AT_FDCWD, to, 0700) == -1 &&
	    errno != EEXIST) {
		(void)sled_fail_sys(err, errno, "make the folder");
		return err->sys == ENOENT
		           ? sled_hint(err, "make the folder above it first")
		           : false;
	}
	ok = sled_dir_open(&x->dir, sys, AT_FDCWD, to, err) &&
	     sled_dir_open(&above, sys, x->dir, "..", err) &&
	     sled_dir_sync(sys, above, "it", err);
	if (above != -1)
		(void)sys->close(sys->ctx, above);
	return ok;
}

bool
sled_cli_export_open(struct sled_cli_export *x, struct sled_err *err)
{
	return at_target(x, "", open_folder(x, err), err);
}

static bool
open_box(struct sled_cli_export *x, const char *label, struct sled_err *err)
{
	if (!sled_cli_path_is_inside(label) || strchr(label, '/') != NULL)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "an account's name leads out of the folder");
	memcpy(x->label, label, sizeof(x->label));
	return x->format->open_box(x, label, err);
}

bool
sled_cli_export_box(struct sled_cli_export *x, const char *label,
                    struct sled_err *err)
{
	if (strcmp(x->label, label) == 0)
		return true;
	return sled_cli_export_close(x, err) &&
	       at_target(x, x->folder, open_box(x, label, err), err);
}

bool
sled_cli_export_close(struct sled_cli_export *x, struct sled_err *err)
{
	if (x->label[0] == '\0')
		return true;
	if (!at_target(x, x->folder, x->format->close_box(x, err), err))
		return false;
	x->exported += x->waiting;
	x->waiting = 0;
	x->label[0] = '\0';
	return true;
}

bool
sled_cli_export_lacks(struct sled_cli_export *x, const char *label,
                      struct sled_err *err)
{
	x->lacks_any = x->lacks_any || label[0] == '\0';
	if (x->lacks_any)
		return true;
	/* What is known of the box before it is not to be forgotten. */
	if (strcmp(x->label, label) != 0 && !sled_cli_export_close(x, err))
		return false;
	(void)snprintf(x->lacks, sizeof(x->lacks), "%.24s", label);
	return true;
}

void
sled_cli_export_free(struct sled_cli_export *x)
{
	const struct sled_sys *sys = x->cli->sys;

	sled_cli_out_drop(&x->out);
	/* The target failed, and what is there is of no use. */
	if (x->begun)
		(void)sys->unlinkat(sys->ctx, x->box != -1 ? x->box : x->dir,
		                    x->temp, 0);
	sled_buf_free(&x->out.buf);
	sled_mailbox_names_free(&x->there);
	if (x->box != -1)
		(void)sys->close(sys->ctx, x->box);
	if (x->dir != -1)
		(void)sys->close(sys->ctx, x->dir);
}

/* ---- one message ---- */

bool
sled_cli_export_has(struct sled_cli_export *x,
                    const struct sled_message *message, bool *there,
                    struct sled_err *err)
{
	if (!at_target(x, "", x->format->has(x, message, there, err), err))
		return false;
	x->present += *there;
	return true;
}

bool
sled_cli_export_begin(struct sled_cli_export *x,
                      const struct sled_message *message, struct sled_err *err)
{
	return at_target(x, x->folder, x->format->begin(x, message, err), err);
}

bool
sled_cli_export_data(struct sled_cli_export *x, struct sled_span bytes,
                     struct sled_err *err)
{
	return at_target(x, x->folder, x->format->data(x, bytes, err), err);
}

bool
sled_cli_export_end(struct sled_cli_export *x,
                    const struct sled_message *message, struct sled_err *err)
{
	if (!at_target(x, x->folder, x->format->end(x, message, err), err))
		return false;
	*(x->format->in_one ? &x->waiting : &x->exported) += 1;
	return true;
}

bool
sled_cli_export_drop(struct sled_cli_export *x, struct sled_err *err)
{
	return at_target(x, x->folder, x->format->drop(x, err), err);
}
