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

/* DIR itself, its name durable in the folder above. */
bool
sled_cli_export_open(struct sled_cli_export *x, struct sled_err *err)
{
	const char *to = sled_cli_flag(x->cli, "to");
	const struct sled_sys *sys = x->cli->sys;
	char shown[256];
	int above = -1;
	bool ok;

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ to, strlen(to) });
	if (sys->mkdirat(sys->ctx, AT_FDCWD, to, 0700) == -1 && errno != EEXIST)
		return sled_fail_sys(err, errno, "make folder %s", shown);
	ok = sled_dir_open(&x->dir, sys, AT_FDCWD, to, err) &&
	     sled_dir_open(&above, sys, x->dir, "..", err) &&
	     sled_dir_sync(sys, above, shown, err);
	if (above != -1)
		(void)sys->close(sys->ctx, above);
	return ok;
}

bool
sled_cli_export_box(struct sled_cli_export *x, const char *label,
                    struct sled_err *err)
{
	if (strcmp(x->label, label) == 0)
		return true;
	if (!sled_cli_export_close(x, err))
		return false;
	if (!sled_cli_path_is_inside(label) || strchr(label, '/') != NULL)
		return sled_fail(err, SLED_ERR_DAMAGED,
		                 "an account's name leads out of the folder");
	memcpy(x->label, label, sizeof(x->label));
	return x->format->open_box(x, label, err);
}

bool
sled_cli_export_close(struct sled_cli_export *x, struct sled_err *err)
{
	return x->label[0] == '\0' || x->format->close_box(x, err);
}

void
sled_cli_export_free(struct sled_cli_export *x)
{
	const struct sled_sys *sys = x->cli->sys;

	/* Still open: the target failed, and what is there is of no use. */
	if (x->out.file.sys != NULL && x->out.file.fd != -1)
		(void)sys->unlinkat(sys->ctx, x->box != -1 ? x->box : x->dir,
		                    x->temp, 0);
	sled_cli_out_drop(&x->out);
	sled_buf_free(&x->out.buf);
	sled_mailbox_names_free(&x->there);
	if (x->box != -1)
		(void)sys->close(sys->ctx, x->box);
	if (x->dir != -1)
		(void)sys->close(sys->ctx, x->dir);
}
