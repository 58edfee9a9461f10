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
#include <stdint.h>
#include <uv.h>

#include "loop/tcp.h"
#include "mailsled/loop.h"

#define LOOP_IN_MAX 65536

struct post;

struct loop_signals {
	uv_signal_t uv[2];
	bool on;
	sled_signal_fn *fn;
	void *ctx;
};

struct sled_loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_mutex_t lock; /* over the posts */
	struct post *first, **last;
	struct loop_signals ends, hints;
	size_t live;          /* objects that their owners have not freed */
	size_t adrift;        /* look-ups that nobody waits for any more */
	bool late;            /* they had their time */
	char in[LOOP_IN_MAX]; /* each read is handed out before the next */
};

/* ---- addresses and look-ups: lookup.c ---- */

#define LOOP_ADDRESS_MAX 64 /* of a numeric address with its zone */
#define LOOP_LIST_MAX    ((size_t)SLED_DIAL_MAX * LOOP_ADDRESS_MAX)

struct sled_addrs {
	struct sockaddr_storage at[SLED_DIAL_MAX];
	size_t count;
};

/* The numeric form of ADDR, or "-". */
void sled_addr_text(char out[static LOOP_ADDRESS_MAX],
                    const struct sockaddr *addr);
bool sled_addr_same(const struct sockaddr_storage *a,
                    const struct sockaddr_storage *b);
/* False when TEXT is no numeric address. */
SLED_CHECK bool sled_addr_parse(struct sockaddr_storage *out, const char *text,
                                uint16_t port);
/* The addresses that PATH, in the form of hosts(5), has for HOST. */
bool sled_hosts_read(const char *path, const char *host,
                     char out[static SLED_HOSTS_TEXT]);
/* The words of TEXT that are one, up to the first SLED_DIAL_MAX. */
void sled_addrs_parse(struct sled_addrs *out, const char *text, uint16_t port);
/* As sled_dial_to.cached has them; WINNER, unless NULL, first if it is there. */
void sled_addrs_text(char out[static LOOP_LIST_MAX],
                     const struct sled_addrs *addrs,
                     const struct sockaddr_storage *winner);

/* A look-up in the thread pool. FN is called once from run(): CODE is libuv's,
 * and 0 when FOUND, in racing order, is not empty. The query is gone then. */
struct sled_query;
typedef void sled_query_fn(void *ctx, int code, const struct sled_addrs *found);
/* 0, or a code of libuv. */
SLED_CHECK int sled_query_start(struct sled_query **out, struct sled_loop *loop,
                                const char *host, uint16_t port,
                                sled_query_fn *fn, void *ctx);
/* FN will not be called. It cannot be called back from its thread: it goes
 * adrift, and frees itself when it ends. */
void sled_query_drop(struct sled_query **query);
/* CODE as an error; HOST is fit for a terminal. */
bool sled_query_fail(const char *host, int code, struct sled_err *err);

/* ---- connections: conn.c ---- */

struct sled_conn {
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct sled_loop *loop;
	struct sled_dial
	    *dial; /* while it races; NULL when it is the caller's */
	size_t attempt;
	bool ipv6;
	uint32_t window; /* to be held; 0: the kernel's */
	uint64_t began_ns, connect_ns;
	struct sled_tcp_seen seen;
	struct sled_conn_events events;
	bool started, over, writing, closing;
	int write_error; /* of libuv: negative errno */
	struct sled_buf flight, waiting;
	char peer[LOOP_ADDRESS_MAX], local[LOOP_ADDRESS_MAX];
};

/* With a socket for FAMILY, and TO's options set. 0, or a code of libuv. */
SLED_CHECK int sled_conn_make(struct sled_conn **out, struct sled_loop *loop,
                              int family, const struct sled_dial_to *to);
/* The caller has one more connection; no more of its set-up can fail. */
void sled_conn_ready(struct sled_conn *conn);
void sled_conn_close(struct sled_conn *conn);

#endif
