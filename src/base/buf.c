/* buf.c - see mailsled/buf.h for the contract. */
#include "mailsled/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Grown by hand, not by realloc(), so that no copy of a secret stays behind. */
bool
sled_buf_reserve(struct sled_buf *buf, size_t more, struct sled_err *err)
{
	size_t cap = buf->cap < 64 ? 64 : buf->cap;
	char *data;

	if (more >= SIZE_MAX / 4 || buf->len >= SIZE_MAX / 4)
		return sled_fail_sys(err, ENOMEM, "buffer");
	if (buf->cap > buf->len + more)
		return true;
	while (cap <= buf->len + more)
		cap *= 2;
	data = malloc(cap);
	if (data == NULL)
		return sled_fail_sys(err, ENOMEM, "buffer");
	if (buf->len > 0)
		memcpy(data, buf->data, buf->len);
	data[buf->len] = '\0';
	if (buf->data != NULL)
		explicit_bzero(buf->data, buf->cap);
	free(buf->data);
	buf->data = data;
	buf->cap = cap;
	return true;
}

bool
sled_buf_add(struct sled_buf *buf, const void *data, size_t len,
             struct sled_err *err)
{
	if (!sled_buf_reserve(buf, len, err))
		return false;
	if (len > 0)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return true;
}

bool
sled_buf_addstr(struct sled_buf *buf, const char *text, struct sled_err *err)
{
	return sled_buf_add(buf, text, strlen(text), err);
}

bool
sled_buf_printf(struct sled_buf *buf, struct sled_err *err, const char *fmt,
                ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0)
		return sled_fail(err, SLED_ERR_INTERNAL, "format %s", fmt);
	if (!sled_buf_reserve(buf, (size_t)len, err))
		return false;
	va_start(ap, fmt);
	(void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)len;
	return true;
}

void
sled_buf_shift(struct sled_buf *buf, size_t len)
{
	if (len == 0 || buf->len == 0)
		return;
	if (len > buf->len)
		len = buf->len;
	memmove(buf->data, buf->data + len, buf->len - len + 1);
	buf->len -= len;
}

void
sled_buf_wipe(struct sled_buf *buf)
{
	if (buf->data != NULL)
		explicit_bzero(buf->data, buf->cap);
	sled_buf_free(buf);
}

void
sled_buf_free(struct sled_buf *buf)
{
	free(buf->data);
	*buf = (struct sled_buf){ 0 };
}

struct sled_span
sled_buf_span(const struct sled_buf *buf)
{
	return (struct sled_span){ buf->data, buf->len };
}
