/* export_out.c - see export.h: a file that is written, then renamed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/export.h"

#define LONG (128u << 10)

bool
sled_cli_out_open(struct sled_cli_out *out, const struct sled_sys *sys, int dir,
                  const char *name, struct sled_err *err)
{
	out->at = 0;
	out->buf.len = 0;
	return sled_file_open(&out->file, sys, dir, name,
	                      O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600,
	                      err);
}

bool
sled_cli_out_flush(struct sled_cli_out *out, bool all, struct sled_err *err)
{
	if (!all && out->buf.len < LONG)
		return true;
	if (!sled_file_write(&out->file, out->buf.data, out->buf.len, out->at,
	                     err))
		return false;
	out->at += out->buf.len;
	out->buf.len = 0;
	return true;
}

bool
sled_cli_out_cut(struct sled_cli_out *out, uint64_t mark, struct sled_err *err)
{
	if (mark >= out->at) {
		out->buf.len = (size_t)(mark - out->at);
		return true;
	}
	out->buf.len = 0;
	out->at = mark;
	return sled_file_truncate(&out->file, mark, err);
}

bool
sled_cli_out_close(struct sled_cli_out *out, struct sled_err *err)
{
	return sled_cli_out_flush(out, true, err) &&
	       sled_file_sync(&out->file, err) &&
	       sled_file_close(&out->file, err);
}

void
sled_cli_out_drop(struct sled_cli_out *out)
{
	sled_file_drop(&out->file);
	out->buf.len = 0;
}

bool
sled_cli_path_is_inside(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[len] == '\0')
			return true;
		path += len + 1;
	}
}

bool
sled_cli_export_temp(struct sled_cli_export *x, int folder,
                     struct sled_err *err)
{
	x->begun =
	    sled_cli_out_open(&x->out, x->cli->sys, folder, x->temp, err);
	return x->begun;
}

bool
sled_cli_export_name(struct sled_cli_export *x, int folder,
                     struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;

	if (!sled_cli_out_close(&x->out, err))
		return false;
	if (sys->renameat(sys->ctx, folder, x->temp, folder, x->name) == -1)
		return sled_fail_sys(err, errno, "rename %s", x->temp);
	x->begun = false;
	return true;
}

bool
sled_cli_export_remove(struct sled_cli_export *x, struct sled_err *err)
{
	const struct sled_sys *sys = x->cli->sys;

	sled_cli_out_drop(&x->out);
	if (sys->unlinkat(sys->ctx, x->box, x->temp, 0) == -1)
		return sled_fail_sys(err, errno, "unlink %s", x->temp);
	x->begun = false;
	return true;
}
