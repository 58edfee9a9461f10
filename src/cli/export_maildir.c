/* export_maildir.c - DIR/ACCOUNT/{cur,new,tmp}, a file a message, LF lines.
 * A file's name is made of what never changes, so that a second run knows it
 * wherever a mail program has moved it, and whatever flags it bears. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "cli/export.h"
#include "mailsled/text.h"

static bool
open_box(struct sled_cli_export *x, const char *label, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;

	sled_mailbox_names_free(&x->there);
	(void)snprintf(x->folder, sizeof(x->folder), "%s", label);
	return sled_dir_make(sys, x->dir, label, 0700, err) &&
	       sled_dir_open(&x->box, sys, x->dir, label, err) &&
	       sled_dir_make(sys, x->box, "cur", 0700, err) &&
	       sled_dir_make(sys, x->box, "new", 0700, err) &&
	       sled_dir_make(sys, x->box, "tmp", 0700, err) &&
	       sled_mailbox_names_read(&x->there, sys, x->box, err);
}

/* Time, what tells it from others, whose: as Maildir has it. */
static void
make_name(char *out, size_t room, const struct sled_message *message)
{
	char hex[17];

	sled_text_hex(hex, message->sha256.b, 8);
	(void)snprintf(out, room, "%" PRId64 ".N%" PRIu64 "H%s.mailsled",
	               message->received, message->number, hex);
}

static bool
has(struct sled_cli_export *x, const struct sled_message *message, bool *there,
    struct sled_err *err)
{
	char name[100];

	(void)err;
	make_name(name, sizeof(name), message);
	*there = sled_mailbox_names_have(&x->there, name);
	return true;
}

static bool
begin(struct sled_cli_export *x, const struct sled_message *message,
      struct sled_err *err)
{
	char name[100];

	make_name(name, sizeof(name), message);
	(void)snprintf(x->temp, sizeof(x->temp), "tmp/%s", name);
	(void)snprintf(x->name, sizeof(x->name), "new/%s", name);
	sled_mailbox_lines_begin(&x->lines, false);
	return sled_cli_export_temp(x, x->box, err);
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
	const struct timespec times[] = { { 0, UTIME_OMIT },
		                          { (time_t)message->received, 0 } };

	if (!sled_mailbox_lines_end(&x->lines, &x->out.buf, err) ||
	    !sled_cli_out_flush(&x->out, true, err))
		return false;
	/* Readers take it for the time of receipt; without it all works. */
	(void)futimens(x->out.file.fd, times);
	return sled_cli_export_name(x, x->box, err);
}

static bool
close_box(struct sled_cli_export *x, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	int names = -1;
	bool ok = sled_dir_open(&names, sys, x->box, "new", err) &&
	          sled_dir_sync(sys, names, "new", err);

	if (names != -1)
		(void)sys->close(sys->ctx, names);
	(void)sys->close(sys->ctx, x->box);
	x->box = -1;
	return ok;
}

const struct sled_cli_format sled_cli_maildir = {
	.name = "maildir",
	.open_box = open_box,
	.has = has,
	.begin = begin,
	.data = data,
	.end = end,
	.drop = sled_cli_export_remove,
	.close_box = close_box,
};
