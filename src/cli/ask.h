/*
 * ask.h - questions on the terminal; private to cli.
 *
 * Contract
 *   Questions go to stderr, answers come from stdin, a line each, without the
 *   blanks around it. USAGE when the answers end, or a signal ended one that
 *   is not shown.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "mailsled/buf.h"
#include "mailsled/err.h"

/* Are stdin and stderr a terminal? */
bool sled_ask_can(void);
/* The answer to "QUESTION [SUGGESTION]: " into ANSWER, whatever was there; an
 * empty one is SUGGESTION, which is "" for none. */
SLED_CHECK bool sled_ask(struct sled_buf *answer, const char *question,
                         const char *suggestion, struct sled_err *err);
/* The same without echo, and as it is; the caller wipes it. The terminal is as
 * it was afterwards, also when a signal ends the question. */
SLED_CHECK bool sled_ask_secret(struct sled_buf *answer, const char *question,
                                struct sled_err *err);

#endif
