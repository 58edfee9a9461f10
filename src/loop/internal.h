/*
 * internal.h - what the files of this module share; see mailsled/loop.h.
 *
 * A handle of libuv may be freed only in its close callback, a request only in
 * its own. So each public _free() cuts the caller off, closes, and the memory
 * goes a turn of the loop later; sled_loop_free() runs these last turns.
 */
#ifndef LOOP_INTERNAL_H
#define LOOP_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "mailsled/loop.h"

#define LOOP_IN_MAX 65536

struct post;

struct sled_loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_mutex_t lock; /* over the posts */
	struct post *first, **last;
	uv_signal_t signals[2];
	bool watching;
	sled_signal_fn *on_signal;
	void *signal_ctx;
	size_t live;          /* objects that their owners have not freed */
	size_t adrift;        /* look-ups that nobody waits for any more */
	bool late;            /* they had their time */
	char in[LOOP_IN_MAX]; /* each read is handed out before the next */
};

struct sled_conn {
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct sled_loop *loop;
	struct sled_dial
	    *dial; /* while it races; NULL when it is the caller's */
	size_t attempt;
	struct sled_conn_events events;
	bool started, over, writing, closing;
	int write_error; /* of libuv: negative errno */
	struct sled_buf flight, waiting;
	char peer[64], local[64];
};

SLED_CHECK bool sled_conn_make(struct sled_conn **out, struct sled_loop *loop,
                               struct sled_err *err);
/* The caller has one more connection; no more of its set-up can fail. */
void sled_conn_ready(struct sled_conn *conn);
void sled_conn_close(struct sled_conn *conn);
/* The numeric form of ADDR, or "-". */
void sled_conn_address(char *out, size_t room, const struct sockaddr *addr,
                       socklen_t len);

#endif
