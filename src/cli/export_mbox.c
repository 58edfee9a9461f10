/* export_mbox.c - DIR/ACCOUNT.mbox, all messages in one file, as mboxrd: LF
 * lines, and a line that is ">"s and "From " gets one ">" more. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/export.h"

static bool
open_box(struct sled_cli_export *x, const char *label, struct sled_err *err)
{
	(void)snprintf(x->name, sizeof(x->name), "%s.mbox", label);
	(void)snprintf(x->temp, sizeof(x->temp), "%s.mbox.tmp", label);
	return sled_cli_export_temp(x, x->dir, err);
}

/* The file is made anew each time. */
static bool
has(struct sled_cli_export *x, const struct sled_message *message, bool *there,
    struct sled_err *err)
{
	(void)x;
	(void)message;
	(void)err;
	*there = false;
	return true;
}

static bool
begin(struct sled_cli_export *x, const struct sled_message *message,
      struct sled_err *err)
{
	x->mark = x->out.at + x->out.buf.len;
	sled_mailbox_lines_begin(&x->lines, true);
	return sled_mailbox_from_line(&x->out.buf, message->received, err);
}

static bool
data(struct sled_cli_export *x, struct sled_span bytes, struct sled_err *err)
{
	return sled_mailbox_lines_add(&x->lines, bytes, &x->out.buf, err) &&
	       sled_cli_out_flush(&x->out, false, err);
}

static bool
end(struct sled_cli_export *x, const struct sled_message *message,
    struct sled_err *err)
{
	(void)message;
	return sled_mailbox_lines_end(&x->lines, &x->out.buf, err) &&
	       sled_buf_add(&x->out.buf, "\n", 1, err);
}

static bool
drop(struct sled_cli_export *x, struct sled_err *err)
{
	return sled_cli_out_cut(&x->out, x->mark, err);
}

/* One that lacks mail would take the place of one that may have it. */
static bool
step_aside(struct sled_cli_export *x, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	struct stat st;
	char text[512];

	if (!x->lacks_any && strcmp(x->lacks, x->label) != 0)
		return true;
	if (sys->fstatat(sys->ctx, x->dir, x->name, &st, 0) == -1)
		return errno == ENOENT ||
		       sled_fail_sys(err, errno, "stat %s", x->name);
	(void)snprintf(text, sizeof(text),
	               "%s is left as it was, as it may have what could not be "
	               "read; what could is in %s.partial",
	               x->name, x->name);
	sled_cli_say(x->cli, text);
	(void)snprintf(x->name, sizeof(x->name), "%s.mbox.partial", x->label);
	return true;
}

static bool
close_box(struct sled_cli_export *x, struct sled_err *err)
{
	return step_aside(x, err) && sled_cli_export_name(x, x->dir, err) &&
	       sled_dir_sync(x->cli->sys, x->dir, x->name, err);
}

const struct sled_cli_format sled_cli_mbox = {
	.name = "mbox",
	.in_one = true,
	.open_box = open_box,
	.has = has,
	.begin = begin,
	.data = data,
	.end = end,
	.drop = drop,
	.close_box = close_box,
};
