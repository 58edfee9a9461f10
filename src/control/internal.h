/*
 * internal.h - what the files of this module share; see mailsled/control.h.
 */
#ifndef CONTROL_INTERNAL_H
#define CONTROL_INTERNAL_H

#include <sys/un.h>

#include "mailsled/control.h"

/* ---- words.c: the form of a line, no system calls ---- */

struct sled_control_words {
	char text[SLED_CONTROL_LINE + 1];       /* the words, a NUL each */
	const char *at[SLED_CONTROL_WORDS + 1]; /* ends with NULL */
	size_t len;
};

/* LINE without its LF. USAGE when it is none: too long, no word or too many,
 * two blanks, a bad escape, a NUL. */
SLED_CHECK bool sled_control_words_read(struct sled_control_words *out,
                                        struct sled_span line,
                                        struct sled_err *err);
/* WORDS as a line with its LF. USAGE when they are too many or too long. */
SLED_CHECK bool sled_control_words_write(struct sled_buf *out,
                                         const char *const *words, size_t len,
                                         struct sled_err *err);
/* "KIND TEXT" and a LF. */
SLED_CHECK bool sled_control_line_write(struct sled_buf *out, const char *kind,
                                        const char *text, struct sled_err *err);

/* ---- bind.c: the socket's file ---- */

/* CONFIG when PATH does not fit. */
SLED_CHECK bool sled_control_address(struct sockaddr_un *out, const char *path,
                                     struct sled_err *err);
/* Listen at PATH: *listener, and *lock that keeps others from it until it is
 * closed. Both are -1 on failure. Errors are those of sled_control_listen(). */
SLED_CHECK bool sled_control_bind(const char *path, int *listener, int *lock,
                                  struct sled_err *err);
/* Is the process at the other end of FD one of ours, or root's? Its PID. */
bool sled_control_trusts(int fd, long *pid);

#endif
