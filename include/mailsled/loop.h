/*
 * loop.h - sockets, timers, signals, threads and children, on libuv.
 *
 * Contract
 *   One thread, the loop's, owns the loop and all timers, dials and conns on
 *   it; every callback runs there, one at a time, and only inside run(). Only
 *   sled_loop_post() and sled_worker_*() may be called from other threads.
 *
 *   Who made an object frees it. Free is allowed at any time, in the object's
 *   own callback too; after it no callback of that object is called. It sets
 *   the pointer to NULL and takes NULL. Only a loop must outlive the rest.
 *
 *   A callback's err is NULL when all went well; err and spans are borrowed
 *   for the time of the call. Times are milliseconds of CLOCK_MONOTONIC, which
 *   stands still while the machine sleeps. Functions that may fail for want of
 *   memory say NOMEM; other errors are named below.
 */
#ifndef MAILSLED_LOOP_H
#define MAILSLED_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/types.h"

typedef void sled_loop_fn(void *ctx);

/* The loop. From the first one on, SIGPIPE is ignored by the whole process:
 * a write to a closed connection is an error like others. */
struct sled_loop;

SLED_CHECK bool sled_loop_new(struct sled_loop **out, struct sled_err *err);
/*
 * Everything on it must have been freed, and every job of sled_work_start() be
 * done: this is asserted. Posted calls that did not run yet never will. Look-ups
 * that a freed dial left in the thread pool get 250 ms to end; one that does
 * not is left behind with the loop's memory, so that a dead name server holds
 * up nothing. A program in which this can be ends by _exit(): exit() waits.
 */
void sled_loop_free(struct sled_loop **loop);
/* Run callbacks until one calls stop(); a stop() before it counts too. */
void sled_loop_run(struct sled_loop *loop);
void sled_loop_stop(struct sled_loop *loop);
/* From any thread: call FN in the loop's thread, in the order posted. */
SLED_CHECK bool sled_loop_post(struct sled_loop *loop, sled_loop_fn *fn,
                               void *ctx, struct sled_err *err);

/* Call FN at each SIGINT and SIGTERM, until the loop is freed. Once a loop. */
typedef void sled_signal_fn(void *ctx, int signum);
SLED_CHECK bool sled_loop_signals(struct sled_loop *loop, sled_signal_fn *fn,
                                  void *ctx, struct sled_err *err);
/* The same at each SIGHUP and SIGUSR1. Once a loop. */
SLED_CHECK bool sled_loop_hints(struct sled_loop *loop, sled_signal_fn *fn,
                                void *ctx, struct sled_err *err);

/* A one-shot timer. It is made stopped; start() restarts one that runs. FN may
 * start it again. Timers of one time fire in the order they were started. */
struct sled_timer;

SLED_CHECK bool sled_timer_new(struct sled_timer **out, struct sled_loop *loop,
                               sled_loop_fn *fn, void *ctx,
                               struct sled_err *err);
void sled_timer_free(struct sled_timer **timer);
void sled_timer_start(struct sled_timer *timer, uint64_t after_ms);
void sled_timer_stop(struct sled_timer *timer);

/*
 * A one-shot alarm waits over a suspend: its time is CLOCK_BOOTTIME's, and what
 * went by in sleep is told at the wake-up. FN(ctx, false): the time is over.
 * FN(ctx, true): the wall clock was set, or may have been by a wake-up; that
 * comes at any time, of a stopped alarm too, and a started one goes on. FN may
 * start it again. start() restarts one that runs.
 */
struct sled_alarm;
typedef void sled_alarm_fn(void *ctx, bool jumped);

SLED_CHECK bool sled_alarm_new(struct sled_alarm **out, struct sled_loop *loop,
                               sled_alarm_fn *fn, void *ctx,
                               struct sled_err *err);
void sled_alarm_free(struct sled_alarm **alarm);
void sled_alarm_start(struct sled_alarm *alarm, uint64_t after_ms);
void sled_alarm_stop(struct sled_alarm *alarm);

/* Call FN(ctx) again and again while FD can be read or has an error, which FN
 * takes by reading; FD, now O_NONBLOCK, stays the caller's and outlives it.
 * Errors: CONFIG or INTERNAL, as sled_fail_sys() has it, when FD is no
 * socket, pipe or the like. */
struct sled_watch;
SLED_CHECK bool sled_watch_new(struct sled_watch **out, struct sled_loop *loop,
                               int fd, sled_loop_fn *fn, void *ctx,
                               struct sled_err *err);
void sled_watch_free(struct sled_watch **watch);

/*
 * Run TEXT by /bin/sh -c beside the loop, in a session of its own, stdin
 * /dev/null, stdout and stderr our stderr. FN once, when the shell has ended:
 * what it left in the background lives on. ERR is NULL for exit status 0; else
 * CONFIG: its exit status, its signal, or that it did not end in time.
 *
 * At the deadline all of the session gets SIGTERM, to hang up in good order,
 * and what is left of it SLED_COMMAND_GRACE_MS later SIGKILL: FN comes at most
 * twice that after the deadline. Freed before FN, all of it gets SIGKILL at
 * once. A process that went into a session of its own is out of reach.
 */
#define SLED_COMMAND_GRACE_MS 1000
struct sled_command;
typedef void sled_command_fn(void *ctx, const struct sled_err *err);
SLED_CHECK bool sled_command_new(struct sled_command **out,
                                 struct sled_loop *loop, const char *text,
                                 uint64_t deadline_ms, sled_command_fn *fn,
                                 void *ctx, struct sled_err *err);
void sled_command_free(struct sled_command **command);
/* Before it is freed: SIGTERM to the process that TEXT began (exec: the program
 * itself), and up to WITHIN_MS for it to end. A program that does not care for
 * the signal ends at once. The loop stands still meanwhile. */
void sled_command_hurry(struct sled_command *command, uint64_t within_ms);

/*
 * Dial: look a name up, and connect to the first of its addresses that answers
 * (RFC 8305, sections 4 and 5; the order within a family is getaddrinfo's, RFC
 * 6724). Families take turns; a further address is tried when the one before
 * has failed, or said nothing for stagger_ms. The losers are closed. It has no
 * deadline of its own: free it when yours is over.
 *
 * A look-up costs a round trip or more, so addresses that were good before may
 * be given: they are tried first, in their order, and while the first of them
 * is neither refused nor silent for stagger_ms nothing is looked up. Else the
 * look-up starts at once, beside the other cached ones; what it finds and was
 * not tried yet joins the race. If it fails, what still runs decides.
 *
 * FN is called once, from run(): CONN is then the caller's, or NULL with err:
 *   HOST    there is no such name
 *   LINK    the name could not be looked up now (with no network at all that
 *           is how it shows), no route, no answer
 *   SERVER  each address that could be reached refused
 * The text names each address that failed, and why, as far as there is room.
 * When the look-up failed, its fault decides the kind.
 */
struct sled_conn;
struct sled_dial;
#define SLED_ROUTE_NAME      16 /* an interface, with the NUL */
#define SLED_DIAL_STAGGER_MS 250
#define SLED_DIAL_MAX        16 /* addresses cached, and found; no more are tried */

/*
 * The options are for links where each octet and second costs; 0 leaves it to
 * the kernel. They are set before the SYN, and one that the kernel refuses is
 * left out: a dial never fails for them.
 *   window   octets that may be in flight to us: what we advertise, rounded
 *            down to whole segments; for a moment after the first data the
 *            kernel may say up to twice that. On a slow link a server's burst
 *            else stands in the queue for longer than its retransmission
 *            timer, and is sent, and billed, again.
 *   mss      the largest segment we ask for. On a very slow link a full one
 *            takes seconds: a small one lets the timers learn, a loss cost
 *            less, a smaller window hold two.
 *   user_timeout_ms  how long sent data may stay unacknowledged (RFC 5482):
 *            a link that died is known at that time, not after the 15 minutes
 *            of retransmissions that the kernel would pay for. It also ends
 *            a connect that gets no answer.
 * SO_KEEPALIVE is never set: its probes are billed and tell a fetch nothing.
 */
struct sled_dial_to {
	const char *host; /* a name, or an IPv4 or IPv6 address */
	uint16_t port;
	uint32_t stagger_ms; /* 0: SLED_DIAL_STAGGER_MS; more on long paths */
	/* Numeric addresses, a blank between, best first; what is none is
	 * passed over. NULL or "": none. */
	const char *cached;
	uint32_t window;
	uint32_t mss;
	uint32_t user_timeout_ms;
	/* Leave by this interface, whatever the routes prefer; "": as they do,
	 * and so does the look-up in any case. */
	char device[SLED_ROUTE_NAME];
};

typedef void sled_dial_fn(void *ctx, struct sled_conn *conn,
                          const struct sled_err *err);
/* TO and its text are copied. */
SLED_CHECK bool sled_dial_new(struct sled_dial **out, struct sled_loop *loop,
                              const struct sled_dial_to *to, sled_dial_fn *fn,
                              void *ctx, struct sled_err *err);
void sled_dial_free(struct sled_dial **dial);
/* Inside FN, and until the dial is freed: what was looked up, to be cached; in
 * the form of `cached`, the winner first if it is among them. "" when nothing
 * was looked up or found, or it had not ended when a cached one answered. */
const char *sled_dial_found(const struct sled_dial *dial);

/*
 * A look-up alone, to refresh a cache. FN is called once, from run(), with the
 * addresses in the order in which a dial would try them, a blank between, or
 * NULL with err: HOST or LINK as above. Freed before that, it is cancelled; see
 * sled_loop_free() for one that cannot be.
 */
struct sled_lookup;
typedef void sled_lookup_fn(void *ctx, const char *addresses,
                            const struct sled_err *err);
SLED_CHECK bool sled_lookup_new(struct sled_lookup **out,
                                struct sled_loop *loop, const char *host,
                                sled_lookup_fn *fn, void *ctx,
                                struct sled_err *err);
void sled_lookup_free(struct sled_lookup **lookup);

/* The name of the interface by which a packet to numeric ADDRESS would leave
 * now; "" when there is no route, or none can be told. Nothing is sent. */
bool sled_route_name(const char *address, char out[static SLED_ROUTE_NAME]);

#define SLED_HOSTS_TEXT 256
/* What HOST is without a query: itself if it is numeric, or what /etc/hosts
 * says, numeric, a blank between; false, and "", for any other. */
bool sled_hosts_find(const char *host, char out[static SLED_HOSTS_TEXT]);
/* sled_route_name() of the first of ADDRESSES (as `cached`) that has a route,
 * else of what HOST is without a query, else, as a guess, of the world: where
 * the default route leads. */
bool sled_route_to(const char *addresses, const char *host,
                   char out[static SLED_ROUTE_NAME]);

/*
 * A TCP connection, with TCP_NODELAY. Nothing is read before start().
 *   data     the next bytes
 *   ended    once, the last call: the peer's end of stream (err NULL), or LINK
 *   drained  never from write(), once it was started: all that was queued by
 *            one or more writes went to the kernel
 * A failed write shows as ended, after the data that came before it.
 */
struct sled_conn_events {
	void (*data)(void *ctx, struct sled_span in);
	void (*ended)(void *ctx, const struct sled_err *err);
	void (*drained)(void *ctx); /* or NULL */
	void *ctx;
};

/* The struct is copied. LINK when the connection is gone already. */
SLED_CHECK bool sled_conn_start(struct sled_conn *conn,
                                const struct sled_conn_events *events,
                                struct sled_err *err);
/* Close; what is still queued is lost. */
void sled_conn_free(struct sled_conn **conn);
/* No data and no ended until resume(). Bytes stay with the peer. */
void sled_conn_pause(struct sled_conn *conn);
void sled_conn_resume(struct sled_conn *conn);
/* Queue a copy of OUT behind what is queued. LINK after a failed write. There
 * is no limit: the caller looks at queued() and waits for drained. */
SLED_CHECK bool sled_conn_write(struct sled_conn *conn, struct sled_span out,
                                struct sled_err *err);
size_t sled_conn_queued(const struct sled_conn *conn);
/* Numeric addresses without port, "-" when unknown; they live as long as CONN.
 * The peer's may be given to sled_dial_new() again. */
const char *sled_conn_peer(const struct sled_conn *conn);
const char *sled_conn_local(const struct sled_conn *conn);

/*
 * Let WINDOW octets be in flight from now on: for a window that the dial set
 * and that proved too small, which is never made smaller; or one that it left
 * to the kernel, once what the path carries is known: before the peer has sent
 * much, and no less than the 65536 that the SYN offered. It tells the peer with
 * the next ACK. False when the kernel refused. The SYN fixed the scale of the
 * window (RFC 7323), so there is a most: 65535 when the dial asked for less
 * than 65536, else less than twice what the dial asked for.
 * net.core.rmem_max bounds it too.
 */
bool sled_conn_window(struct sled_conn *conn, uint32_t window);

/*
 * What the connection has cost so far: octets of IP packets, headers and
 * retransmissions with them, as TCP_INFO lets one count them. Zero where the
 * kernel does not say.
 */
#define SLED_OWED_DOWN 270
#define SLED_OWED_UP   110

struct sled_conn_facts {
	uint64_t wire_down, wire_up; /* octets */
	uint64_t segs_down, segs_up;
	uint64_t retrans_up; /* segments that we sent again */
	/* An estimate, and part of wire_down: octets that had come before. */
	uint64_t dup_down;
	/* What a close will still cost, when the peer sends no more data: its
	 * and our end of stream, and their ACKs. Not in the above. Where an
	 * answer is still owed (a QUIT that is not awaited) it costs
	 * SLED_OWED_DOWN and _UP more: the answer, close_notify, and a reset
	 * of ours for each segment of them. */
	uint64_t close_down, close_up;
	uint32_t rtt_ms;     /* smoothed, of now */
	uint32_t min_rtt_ms; /* of late: the path with an empty queue */
	uint32_t connect_ms; /* from SYN to answer */
	uint32_t window;     /* octets we advertised last; Linux 6.2 */
};

void sled_conn_facts(const struct sled_conn *conn, struct sled_conn_facts *out);

/*
 * Run JOB(ctx) on a thread of libuv's pool, then DONE(ctx) in the loop's. It
 * cannot be called back. Jobs may run at the same time and end in any order:
 * who needs an order starts the next in done. The pool has four threads and
 * look-ups take at most two; never a disk that may hang: that is a worker's.
 */
SLED_CHECK bool sled_work_start(struct sled_loop *loop, sled_loop_fn *job,
                                sled_loop_fn *done, void *ctx,
                                struct sled_err *err);

/*
 * A worker is one thread with room for one job, for work that may hang for
 * ever in the kernel. It needs no loop. The calls below may come from any
 * thread, but from one at a time for each worker, and never from its own job.
 *
 * A job that may be abandoned owns what it touches: it must not post to a loop
 * or use memory that others free.
 */
struct sled_worker;

SLED_CHECK bool sled_worker_new(struct sled_worker **out, struct sled_err *err);
/* INTERNAL when a job is still there: wait() first. */
SLED_CHECK bool sled_worker_submit(struct sled_worker *worker,
                                   sled_loop_fn *job, void *ctx,
                                   struct sled_err *err);
/* True as soon as no job is there, all it wrote being visible; false when it
 * is silent for that long. 0 asks and does not wait. */
SLED_CHECK bool sled_worker_wait(struct sled_worker *worker,
                                 uint64_t timeout_ms);
/* Wait for the job, however long, and end the thread. */
void sled_worker_free(struct sled_worker **worker);
/* Never waits. An idle worker ends. Else its thread is left behind; if the job
 * ends after all, LATE(ctx), unless it is NULL, runs there to free what was
 * the job's, and the thread ends. */
void sled_worker_abandon(struct sled_worker **worker, sled_loop_fn *late);

/*
 * Run COMMAND by /bin/sh -c and wait for its end; stdin is /dev/null, stderr
 * is ours. OUT, which must be empty, gets what it printed, as it is; that may
 * be a secret: no other copy is kept, and the caller wipes it. On failure OUT
 * is empty and wiped. The command has a session of its own; at the deadline,
 * or when it prints too much, all of that is killed. CONFIG: exit status not 0,
 * killed, more than MAX_BYTES, or not ended after deadline_ms.
 */
#define SLED_CHILD_MAX 65536

SLED_CHECK bool sled_child_capture(struct sled_buf *out, const char *command,
                                   size_t max_bytes, uint64_t deadline_ms,
                                   struct sled_err *err);

/*
 * Run ARGV[0], a file's absolute path or looked for in $PATH, with these words
 * and no shell, and wait for its end; stdin is /dev/null. It needs no loop. What it prints goes to OUTPUT
 * as it comes (NULL: dropped); of its stderr the last SLED_PROGRAM_SAID octets
 * are kept, as they are: escape them before they are shown. The program stays
 * in our session and process group, so that what ends us by either ends it,
 * and it gets SIGKILL when the calling thread is gone.
 * False: MISSING no such program; LINK killed at the deadline, or after nothing
 * was printed to stdout for silent_ms; what OUTPUT said when it returned false,
 * which kills the program; IO. It is always reaped.
 *
 * With own_group it has a process group of its own, whose end is the program's:
 * what it left in the background lives on, and holds up nothing. At the
 * deadline the whole group gets SIGTERM, and SLED_PROGRAM_GRACE_MS later
 * SIGKILL. From STOP's first true on it has SLED_PROGRAM_GRACE_MS.
 */
#define SLED_PROGRAM_SAID     4096
#define SLED_PROGRAM_GRACE_MS 1000

struct sled_program {
	const char *const *argv; /* ends with NULL */
	uint64_t deadline_ms;
	uint64_t silent_ms; /* 0: it may be silent until the deadline */
	bool (*output)(void *ctx, struct sled_span in, struct sled_err *err);
	void *ctx;
	bool (*stop)(void *ctx); /* asked now and then; or NULL */
	int input; /* its stdin, from the start of the file; 0: /dev/null */
	const char *const *env; /* "NAME=TEXT" besides ours, ends with NULL */
	bool own_group;
};

struct sled_program_end {
	int status; /* exit status, or 128 and its signal */
	size_t said_len;
	char said[SLED_PROGRAM_SAID]; /* of stderr; no NUL */
};

SLED_CHECK bool sled_program_run(const struct sled_program *program,
                                 struct sled_program_end *end,
                                 struct sled_err *err);
/* Is there an executable of this name in $PATH? */
bool sled_program_exists(const char *name);

#endif
