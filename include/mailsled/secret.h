/* secret.h - a password, from where the user says. */
#ifndef MAILSLED_SECRET_H
#define MAILSLED_SECRET_H

#include "mailsled/buf.h"
#include "mailsled/conf.h"
#include "mailsled/sys.h"

#define SLED_SECRET_WAIT_MS 60000 /* for password-command */

/* The first that is not NULL; one of them is. */
struct sled_secret_source {
	const char *command, *file, *credential;
};

/* OUT, empty before, gets the password without the line's end; the caller
 * wipes it. CONFIG for everything that is wrong, with what mends it. */
SLED_CHECK bool sled_secret_read(struct sled_buf *out,
                                 const struct sled_sys *sys,
                                 const struct sled_secret_source *source,
                                 struct sled_err *err);
/* The account's. */
SLED_CHECK bool sled_secret_get(struct sled_buf *out,
                                const struct sled_sys *sys,
                                const struct sled_conf_account *account,
                                struct sled_err *err);

#endif
