/* secret.c - see mailsled/secret.h. No message holds what was read. */
#include "mailsled/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "mailsled/file.h"
#include "mailsled/loop.h"

#define SECRET_MAX 4096

/* The first line; a password of two lines is a mistake, not a password. */
static bool
take_line(struct sled_buf *out, const char *from, struct sled_err *err)
{
	size_t len = out->len;

	while (len > 0 &&
	       (out->data[len - 1] == '\n' || out->data[len - 1] == '\r'))
		len--;
	if (len == 0)
		return sled_fail(err, SLED_ERR_CONFIG, "%s gave no password",
		                 from);
	if (memchr(out->data, '\n', len) != NULL ||
	    memchr(out->data, '\r', len) != NULL ||
	    memchr(out->data, '\0', len) != NULL)
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "%s gave more than one line", from);
	explicit_bzero(out->data + len, out->len - len);
	out->len = len;
	return true;
}

static bool
slurp_secret(struct sled_buf *out, struct sled_file *file, bool strict,
             struct sled_err *err)
{
	struct stat st;
	size_t got = 0;

	if (file->sys->fstat(file->sys->ctx, file->fd, &st) == -1)
		return sled_fail_sys(err, errno, "stat %s", file->name);
	if (strict && (st.st_mode & 077) != 0) {
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "%s: others may read it (mode %04o)",
		                file->name, (unsigned)(st.st_mode & 07777));
		return sled_hint(err, "chmod 600 on that file");
	}
	if (!sled_buf_reserve(out, SECRET_MAX, err) ||
	    !sled_file_read(file, out->data, SECRET_MAX, 0, &got, err))
		return false;
	out->len = got;
	return take_line(out, file->name, err);
}

static bool
from_file(struct sled_buf *out, const struct sled_sys *sys, const char *path,
          bool strict, struct sled_err *err)
{
	struct sled_file file;
	bool ok = sled_file_open(&file, sys, AT_FDCWD, path, O_RDONLY, 0, err);

	if (ok) {
		ok = slurp_secret(out, &file, strict, err);
		sled_file_drop(&file);
	}
	if (!ok && err->kind != SLED_ERR_NOMEM)
		err->kind = SLED_ERR_CONFIG;
	return ok;
}

/* systemd hands credentials over in a folder of the service's own. */
static bool
from_credential(struct sled_buf *out, const struct sled_sys *sys,
                const char *name, struct sled_err *err)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	struct sled_buf path = { 0 };
	bool ok;

	if (folder == NULL) {
		(void)sled_fail(err, SLED_ERR_CONFIG,
		                "credential = %s: CREDENTIALS_DIRECTORY is not "
		                "set",
		                name);
		return sled_hint(err, "start it by systemd with "
		                      "LoadCredential=, or use password-file");
	}
	ok = sled_buf_printf(&path, err, "%s/%s", folder, name) &&
	     from_file(out, sys, path.data, false, err);
	sled_buf_free(&path);
	return ok;
}

bool
sled_secret_read(struct sled_buf *out, const struct sled_sys *sys,
                 const struct sled_secret_source *source, struct sled_err *err)
{
	bool ok;

	if (source->command != NULL)
		ok = sled_child_capture(out, source->command, SECRET_MAX,
		                        SLED_SECRET_WAIT_MS, err) &&
		     take_line(out, "password-command", err);
	else if (source->file != NULL)
		ok = from_file(out, sys, source->file, true, err);
	else
		ok = from_credential(out, sys, source->credential, err);
	if (!ok)
		sled_buf_wipe(out);
	return ok;
}

bool
sled_secret_get(struct sled_buf *out, const struct sled_sys *sys,
                const struct sled_conf_account *account, struct sled_err *err)
{
	const struct sled_secret_source source = { account->password_command,
		                                   account->password_file,
		                                   account->credential };

	return sled_secret_read(out, sys, &source, err) ||
	       sled_note(err, "account %s", account->name);
}
