/*
 * callers.h - the connections there are, and how long each may take.
 *
 * libmicrohttpd ends what is silent; here are ended those that trickle, and when
 * there are too many, those that were idle longest: who comes then is let in.
 * One is ended by shutdown() of its socket, which libmicrohttpd takes for the
 * peer's leaving.
 */
#ifndef SERVE_CALLERS_H
#define SERVE_CALLERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLED_CALLERS_MOST     96  /* more: the one that was idle longest goes */
#define SLED_CALLERS_ADDRESS  64  /* the same, of one address */
#define SLED_CALLERS_HARD     128 /* libmicrohttpd accepts no more */
#define SLED_CALLERS_FIRST_MS 10000 /* from accept to the end of a header */
#define SLED_CALLERS_NEXT_MS \
	60000 /* from one answer to the next header's end */
#define SLED_CALLERS_BODY_MS 10000  /* from the header's end to the body's */
#define SLED_CALLERS_SEND_MS 600000 /* from then on until all is sent */

enum sled_caller_state {
	SLED_CALLER_FIRST, /* nothing was asked yet */
	SLED_CALLER_NEXT,  /* something was answered */
	SLED_CALLER_BODY,
	SLED_CALLER_ANSWER, /* it is made, or sent */
};

struct sled_caller {
	struct sled_caller *prev, *next;
	int fd;
	enum sled_caller_state state;
	int64_t since_ms;
	bool ended;               /* shut down, not yet gone */
	char local[64], peer[64]; /* "127.0.0.1", "[::1]" */
};

struct sled_callers {
	struct sled_caller *list;
	size_t len;
};

/* A connection that was accepted; NULL: it cannot be told where from, or no
 * memory, and it is shut down. */
struct sled_caller *sled_callers_add(struct sled_callers *callers, int fd,
                                     int64_t now_ms);
void sled_callers_remove(struct sled_callers *callers,
                         struct sled_caller *caller);
void sled_callers_state(struct sled_caller *caller,
                        enum sled_caller_state state, int64_t now_ms);
/* End those whose time is over. */
void sled_callers_sweep(struct sled_callers *callers, int64_t now_ms);

#endif
