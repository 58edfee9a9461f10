/* export_mbox.c - DIR/ACCOUNT.mbox, all messages in one file, as mboxrd: LF
 * lines, and a line that is ">"s and "From " gets one ">" more. */
#include <errno.h>
#include <fcntl.h>
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

/* ---- the file that is there ---- */

#define PIECE 16384

/* A file line by line; a longer one in pieces, the same ones in each file. */
struct reading {
	struct sled_file *file;
	char in[PIECE];
	uint64_t at; /* behind .in */
	size_t have, next;
};

/* Length 0: the file's end. */
static bool
next_piece(struct reading *r, struct sled_span *out, struct sled_err *err)
{
	size_t got = 0, left = r->have - r->next;
	const char *end = memchr(r->in + r->next, '\n', left);

	if (end == NULL && r->next > 0) {
		memmove(r->in, r->in + r->next, left);
		r->have = left;
		r->next = 0;
	}
	if (end == NULL && r->have < PIECE) {
		if (!sled_file_read(r->file, r->in + r->have, PIECE - r->have,
		                    r->at, &got, err))
			return false;
		r->at += got;
		r->have += got;
	}
	left = r->have - r->next;
	end = memchr(r->in + r->next, '\n', left);
	out->data = r->in + r->next;
	out->len = end == NULL ? left : (size_t)(end + 1 - out->data);
	r->next += out->len;
	return true;
}

/* Has WHOLE all lines of PART, in their order? */
static bool
is_within(struct sled_file *whole, struct sled_file *part, bool *is,
          struct sled_err *err)
{
	struct reading a = { .file = whole }, b = { .file = part };
	struct sled_span have = { "", 1 }, want;

	*is = true;
	for (;;) {
		if (!next_piece(&b, &want, err))
			return false;
		if (want.len == 0)
			return true;
		do
			if (!next_piece(&a, &have, err))
				return false;
		while (have.len > 0 &&
		       (have.len != want.len ||
		        memcmp(have.data, want.data, want.len) != 0));
		if (have.len == 0) {
			*is = false;
			return true;
		}
	}
}

/* Is all that the file has, in what is to take its place? So it is when the
 * archive grew since an export, or that one could not read all; one that a mail
 * program wrote to, another's or that of another query is not. */
static bool
has_it_all(struct sled_cli_export *x, bool *has_all, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	struct sled_file old, now;
	struct sled_err why = { 0 };

	*has_all = false;
	if (!sled_cli_out_flush(&x->out, true, err))
		return false;
	/* One that cannot be read is not known to be in it. */
	if (!sled_file_open(&old, sys, x->dir, x->name, O_RDONLY | O_NOFOLLOW,
	                    0, &why))
		return true;
	if (sled_file_open(&now, sys, x->dir, x->temp, O_RDONLY, 0, &why)) {
		if (!is_within(&now, &old, has_all, &why))
			*has_all = false;
		sled_file_drop(&now);
	}
	sled_file_drop(&old);
	return true;
}

/* Under the first name that is free. */
static bool
set_aside(struct sled_cli_export *x, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	char name[sizeof(x->name)], text[512];
	struct stat st;
	unsigned n = 1;

	(void)snprintf(name, sizeof(name), "%s.mbox.before", x->label);
	while (sys->fstatat(sys->ctx, x->dir, name, &st, AT_SYMLINK_NOFOLLOW) ==
	       0)
		(void)snprintf(name, sizeof(name), "%s.mbox.before-%u",
		               x->label, ++n);
	if (errno != ENOENT)
		return sled_fail_sys(err, errno, "stat %s", name);
	if (sys->renameat(sys->ctx, x->dir, x->name, x->dir, name) == -1)
		return sled_fail_sys(err, errno, "rename %s", x->name);
	(void)snprintf(text, sizeof(text),
	               "%s was there and had what is not written now: it is "
	               "%s from now on",
	               x->name, name);
	sled_cli_say(x->cli, text);
	return true;
}

/* What a file has may be nowhere else: one that lacks some of it does not take
 * its place. */
static bool
step_aside(struct sled_cli_export *x, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;
	bool has_all = false;
	struct stat st;
	char text[512];

	if (sys->fstatat(sys->ctx, x->dir, x->name, &st, AT_SYMLINK_NOFOLLOW) ==
	    -1)
		return errno == ENOENT ||
		       sled_fail_sys(err, errno, "stat %s", x->name);
	if (S_ISDIR(st.st_mode))
		return true; /* it cannot be replaced */
	if (!x->lacks_any && strcmp(x->lacks, x->label) != 0)
		return has_it_all(x, &has_all, err) &&
		       (has_all || set_aside(x, err));
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
