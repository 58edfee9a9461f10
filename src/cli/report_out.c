/*
 * report_out.c - where the page goes.
 *
 * Crash states of FILE: the one that was there (or none) and perhaps
 * FILE.tmp beside it, which the next run removes; or the new page, whole.
 * Commit instant: the rename.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/report_html.h"
#include "mailsled/file.h"
#include "mailsled/text.h"

#define MODE 0600 /* it tells whose mail is where */

struct target {
	char folder[PATH_MAX];
	const char *name; /* in it */
	mode_t mode;      /* that of the page which is there */
};

static bool
split(struct target *out, const char *path, struct sled_err *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : (size_t)(slash - path);

	out->name = slash == NULL ? path : slash + 1;
	if (out->name[0] == '\0' || len >= sizeof(out->folder))
		return sled_fail(err, SLED_ERR_USAGE,
		                 "--output: the path of a file is wanted");
	memcpy(out->folder, path, len);
	out->folder[len] = '\0';
	if (len == 0)
		(void)snprintf(out->folder, sizeof(out->folder), "%s",
		               slash == NULL ? "." : "/");
	return true;
}

/* A page that is there is replaced; a device, a pipe or a link never is. */
static bool
find(struct target *out, const struct sled_sys *sys, const char *path,
     struct sled_err *err)
{
	struct stat st;

	if (!split(out, path, err))
		return false;
	out->mode = MODE;
	if (sys->fstatat(sys->ctx, AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) ==
	    -1) {
		if (errno == ENOENT)
			return true;
		return sled_fail_sys(err, errno, "--output");
	}
	if (!S_ISREG(st.st_mode)) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "--output: what is there is no regular file");
		return sled_hint(err, "without --output the page goes to "
		                      "stdout");
	}
	out->mode = st.st_mode & 0777;
	return true;
}

bool
sled_report_may_write(const struct sled_cli *cli, const char *path,
                      struct sled_err *err)
{
	struct target target;

	if (path != NULL)
		return find(&target, cli->sys, path, err);
	if (isatty(STDOUT_FILENO) == 0)
		return true;
	(void)sled_fail(err, SLED_ERR_USAGE,
	                "--html: a page is not for a terminal");
	return sled_hint(err, "mailsled report --html --output report.html");
}

static bool
write_stdout(struct sled_span page, struct sled_err *err)
{
	if (fwrite(page.data, 1, page.len, stdout) == page.len &&
	    fflush(stdout) == 0)
		return true;
	return sled_fail(err, SLED_ERR_IO, "output: cannot be written");
}

bool
sled_report_write(const struct sled_cli *cli, const char *path,
                  struct sled_span page, struct sled_err *err)
{
	struct target target;
	char shown[256];
	int dir = -1;
	bool ok;

	if (path == NULL)
		return write_stdout(page, err);
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ path, strlen(path) });
	if (!find(&target, cli->sys, path, err))
		return false;
	ok = sled_dir_open(&dir, cli->sys, AT_FDCWD, target.folder, err) &&
	     sled_file_replace(cli->sys, dir, target.name, target.mode, page,
	                       err);
	if (dir >= 0)
		(void)cli->sys->close(cli->sys->ctx, dir);
	if (!ok)
		return sled_note(err, "--output %s", shown);
	if (!cli->quiet)
		(void)fprintf(stderr, "mailsled: the report is in %s\n", shown);
	return true;
}
