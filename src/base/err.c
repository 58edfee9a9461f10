/* err.c - see mailsled/err.h for the contract. */
#include "mailsled/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

bool
sled_fail_at(struct sled_err *err, const char *where, enum sled_err_kind kind,
             int sys, const char *fmt, ...)
{
	va_list ap;
	int len;

	err->kind = kind;
	err->sys = sys;
	err->where = where;
	err->hint = NULL;
	va_start(ap, fmt);
	len = vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	if (sys != 0 && len >= 0 && (size_t)len < sizeof(err->text))
		(void)snprintf(err->text + len, sizeof(err->text) - (size_t)len,
		               ": %s", strerror(sys));
	return false;
}

bool
sled_note(struct sled_err *err, const char *fmt, ...)
{
	char note[sizeof(err->text)];
	size_t cause = strlen(err->text);
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(note, sizeof(note), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len + 2 + cause >= sizeof(err->text))
		return false; /* the root cause outranks the note */
	memmove(err->text + len + 2, err->text, cause + 1);
	memcpy(err->text, note, (size_t)len);
	memcpy(err->text + len, ": ", 2);
	return false;
}

bool
sled_hint(struct sled_err *err, const char *hint)
{
	err->hint = hint;
	return false;
}

enum sled_err_kind
sled_err_kind_of(int errnum)
{
	switch (errnum) {
	case ENOMEM:
		return SLED_ERR_NOMEM;
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
	case EROFS:
	case EACCES:
	case EPERM:
		return SLED_ERR_PLACE;
	case ECONNREFUSED:
		return SLED_ERR_SERVER;
	case ECONNRESET:
	case EPIPE:
	case ETIMEDOUT:
	case ENETDOWN:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return SLED_ERR_LINK;
	default:
		return SLED_ERR_IO;
	}
}

int
sled_err_exit(enum sled_err_kind kind)
{
	static const int status[] = {
		[SLED_ERR_NONE] = EX_OK,
		[SLED_ERR_USAGE] = EX_USAGE,
		[SLED_ERR_DAMAGED] = EX_DATAERR,
		[SLED_ERR_MISSING] = EX_NOINPUT,
		[SLED_ERR_HOST] = EX_NOHOST,
		[SLED_ERR_SERVER] = EX_UNAVAILABLE,
		[SLED_ERR_INTERNAL] = EX_SOFTWARE,
		[SLED_ERR_NOMEM] = EX_OSERR,
		[SLED_ERR_PLACE] = EX_CANTCREAT,
		[SLED_ERR_IO] = EX_IOERR,
		[SLED_ERR_LINK] = EX_TEMPFAIL,
		[SLED_ERR_PROTO] = EX_PROTOCOL,
		[SLED_ERR_LOGIN] = EX_NOPERM,
		[SLED_ERR_CONFIG] = EX_CONFIG,
	};
	return status[kind];
}

enum sled_err_kind
sled_err_worse(enum sled_err_kind a, enum sled_err_kind b)
{
	static const enum sled_err_kind order[] = {
		SLED_ERR_DAMAGED, SLED_ERR_IO,       SLED_ERR_PLACE,
		SLED_ERR_LOGIN,   SLED_ERR_PROTO,    SLED_ERR_CONFIG,
		SLED_ERR_SERVER,  SLED_ERR_HOST,     SLED_ERR_LINK,
		SLED_ERR_NOMEM,   SLED_ERR_INTERNAL, SLED_ERR_MISSING,
		SLED_ERR_USAGE,
	};

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (order[i] == a || order[i] == b)
			return order[i];
	return SLED_ERR_NONE;
}
