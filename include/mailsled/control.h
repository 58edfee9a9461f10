/*
 * control.h - the scheduler's control socket: requests of a line, answers of
 * lines; and what a service manager wants to hear. The words of the requests
 * are in a table at the top of control.c.
 *
 * Contract
 *   A Unix stream socket, 0600, in a folder of the same user; a peer of
 *   another user (SO_PEERCRED; root may) is closed unheard. A request is one
 *   line of at most SLED_CONTROL_LINE bytes: words, a blank between, each
 *   percent-escaped. The answer is lines "out TEXT" and "err TEXT" (percent-
 *   escaped, one line each) and ends with "exit N". A client that waits for
 *   ever, floods, or goes away harms no one else; at most SLED_CONTROL_PEERS
 *   at once. It has 10 s to send its line, and as long to read the end; more
 *   than 256 KiB that it does not read, and it is dropped.
 */
#ifndef MAILSLED_CONTROL_H
#define MAILSLED_CONTROL_H

#include "mailsled/loop.h"

#define SLED_CONTROL_LINE  4096
#define SLED_CONTROL_WORDS 64
#define SLED_CONTROL_PEERS 32

struct sled_control;       /* opaque */
struct sled_control_reply; /* one request under way */

/* A request: LEN (at least one) WORDS, NULL-ended, for the time of the call.
 * REPLY lives until end(), or until GONE. */
typedef void sled_control_fn(void *ctx, struct sled_control_reply *reply,
                             const char *const *words, size_t len);
/* The client of REPLY went away before its end: REPLY is freed after this. May
 * be NULL. Both callbacks may free the control. */
typedef void sled_control_gone_fn(void *ctx, struct sled_control_reply *reply);

struct sled_control_calls {
	sled_control_fn *request;
	sled_control_gone_fn *gone;
	void *ctx;
};

/* Listen at PATH. A socket file whose owner is gone is replaced; LINK when
 * another process answers there. CONFIG when the folder is not ours or the
 * path is too long. */
SLED_CHECK bool sled_control_listen(struct sled_control **out,
                                    struct sled_loop *loop, const char *path,
                                    const struct sled_control_calls *calls,
                                    struct sled_err *err);
/* Ends the replies under way with exit 75, without a call of GONE, and removes
 * the file. PATH.lock stays. */
void sled_control_free(struct sled_control **control);

/* TEXT goes to the client as one line, whatever is in it. After end() REPLY is
 * no more. */
void sled_control_out(struct sled_control_reply *reply, const char *text);
void sled_control_err(struct sled_control_reply *reply, const char *text);
void sled_control_end(struct sled_control_reply *reply, int status);

/* Where the socket of the store with this state folder is: in STATE when it
 * is short enough for sun_path, else in the run-time folder of its owner under
 * a name that is made of it. OUT is added to. CONFIG when there is none. */
SLED_CHECK bool sled_control_path(struct sled_buf *out, const char *state,
                                  struct sled_err *err);

/*
 * Ask, and wait for the end. *there false: no scheduler listens, nothing was
 * asked. LINE is called for each line of the answer, OUT false for an "err".
 * LINK when the scheduler goes away in the middle, or has not answered after
 * 5 s (a `visit` takes its time), CONFIG when the socket is
 * not to be reached or another user's, PROTO, USAGE (words that do not fit).
 */
typedef void sled_control_line_fn(void *ctx, bool out, const char *text);
SLED_CHECK bool sled_control_ask(const char *path, const char *const *words,
                                 size_t len, sled_control_line_fn *line,
                                 void *ctx, bool *there, int *status,
                                 struct sled_err *err);

/*
 * Have the store to ourselves: "lease" is asked. The scheduler grants it by
 * "out granted", without an end, when no visit runs and it has closed the
 * store; until the client is gone it begins no visit and opens none. LINK when
 * WAIT_MS are over, or it ends instead. *fd is -1 when no scheduler is there.
 */
SLED_CHECK bool sled_control_lease(const char *path, uint64_t wait_ms, int *fd,
                                   struct sled_err *err);
void sled_control_release(int *fd);

/* ---- sd_notify(3), without libsystemd; nothing happens where NOTIFY_SOCKET
 * is not set ---- */

/* "READY=1", "STATUS=...", "WATCHDOG=1", "STOPPING=1", lines joined by LF. */
void sled_notify(const char *state);
/* How often the watchdog wants to hear, in ms; 0: it does not. */
uint64_t sled_notify_watchdog_ms(void);

#endif
