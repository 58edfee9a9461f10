/*
 * buf.h - growable bytes.
 *
 * Contract
 *   A zeroed struct is an empty buffer. data[len] is always NUL once something
 *   was added. A failed call leaves the buffer as it was; *err is NOMEM.
 */
#ifndef MAILSLED_BUF_H
#define MAILSLED_BUF_H

#include "mailsled/err.h"
#include "mailsled/types.h"

struct sled_buf {
	char *data;
	size_t len, cap;
};

SLED_CHECK bool sled_buf_reserve(struct sled_buf *buf, size_t more,
                                 struct sled_err *err);
SLED_CHECK bool sled_buf_add(struct sled_buf *buf, const void *data, size_t len,
                             struct sled_err *err);
SLED_CHECK bool sled_buf_addstr(struct sled_buf *buf, const char *text,
                                struct sled_err *err);
SLED_CHECK bool sled_buf_printf(struct sled_buf *buf, struct sled_err *err,
                                const char *fmt, ...) SLED_PRINTF(3, 4);
/* Drop the first LEN bytes. */
void sled_buf_shift(struct sled_buf *buf, size_t len);
/* Zero what was held, then free it: for secrets and for all else. */
void sled_buf_wipe(struct sled_buf *buf);
void sled_buf_free(struct sled_buf *buf);
struct sled_span sled_buf_span(const struct sled_buf *buf);

#endif
