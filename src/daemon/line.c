/* line.c - STATE/line: the section whose line was dialled and is not known to
 * be hung up. */
#include <fcntl.h>
#include <string.h>

#include "daemon/internal.h"
#include "mailsled/file.h"

#define LINE      "line"
#define LINE_MOST 256

bool
sled_daemon_state(const struct sled_conf *conf, struct sled_buf *out,
                  struct sled_err *err)
{
	if (conf->store.state != NULL)
		return sled_buf_addstr(out, conf->store.state, err);
	return sled_buf_printf(out, err, "%s/.mailsled", conf->store.path);
}

static bool
open_state(struct sled_daemon *d, int *dir, struct sled_err *err)
{
	struct sled_buf path = { 0 };
	bool ok = sled_daemon_state(d->conf, &path, err) &&
	          sled_dir_open(dir, d->my->sys, AT_FDCWD, path.data, err);

	sled_buf_free(&path);
	return ok;
}

bool
sled_daemon_line_keep(struct sled_daemon *d, const char *name,
                      struct sled_err *err)
{
	const struct sled_sys *sys = d->my->sys;
	int dir = -1;
	bool ok;

	if (!open_state(d, &dir, err))
		return false;
	ok = sled_file_replace(sys, dir, LINE, 0600,
	                       (struct sled_span){ name, strlen(name) }, err);
	(void)sys->close(sys->ctx, dir);
	return ok;
}

void
sled_daemon_line_forget(struct sled_daemon *d)
{
	const struct sled_sys *sys = d->my->sys;
	struct sled_err ignored = { 0 };
	int dir = -1;

	if (!open_state(d, &dir, &ignored))
		return;
	(void)sys->unlinkat(sys->ctx, dir, LINE, 0);
	(void)sys->close(sys->ctx, dir);
}

size_t
sled_daemon_line_left(struct sled_daemon *d)
{
	const struct sled_sys *sys = d->my->sys;
	struct sled_err ignored = { 0 };
	struct sled_buf name = { 0 };
	size_t found = SIZE_MAX;
	int dir = -1;

	if (!open_state(d, &dir, &ignored))
		return found;
	if (sled_file_slurp(&name, sys, dir, LINE, LINE_MOST, &ignored))
		for (size_t i = 0; i < d->conf->links_len; i++)
			if (name.len > 0 &&
			    strcmp(name.data, d->conf->links[i].name) == 0)
				found = i;
	if (name.len > 0 && found == SIZE_MAX)
		sled_daemon_say(d, SLED_DAEMON_WARNING,
		                "a line was perhaps left open, and its [link] "
		                "section is gone: look yourself");
	sled_buf_free(&name);
	(void)sys->close(sys->ctx, dir);
	return found;
}
