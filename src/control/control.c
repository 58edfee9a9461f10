/*
 * control.c - the scheduler's end of the control socket.
 *
 * The requests. Words in [] may be left out; their order is free behind the
 * first two.
 *
 *   event up|down [if=NAME] [connection=NAME] [metered=yes|no]
 *         [connect-time=S] [sent=BYTES] [received=BYTES]
 *                     what a hook tells; exit 0
 *   visit [json|quiet|verbose] [ACCOUNT...]
 *                     one visit now, or the one that runs: "out" is for the
 *                     client's stdout, "err" for its stderr behind
 *                     "mailsled: "; exit as `mailsled fetch`
 *   stop [hang-up]    as sled_session_stop(); exit 0, 75 when no visit runs
 *   status            lines KEY=VALUE; exit 0
 *   lease             "out granted" when no visit runs and the scheduler has
 *                     let go of the store; both stay so until the client
 *                     closes. "exit" only when that can't be.
 *   reload            as SIGHUP; exit 0, or 78 with what is wrong
 *
 * One epoll descriptor holds the listener and all peers, and the loop watches
 * that one: it can be read when any of them is ready, for writing too. One
 * event is handled a call, so that a callback may free whatever it likes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/internal.h"

#define LINE_MS   10000  /* to send the request, and to read the end */
#define QUEUE_MAX 262144 /* octets for a client that does not read */

enum stage {
	STAGE_READING,
	STAGE_RUNNING, /* the caller has it */
	STAGE_ENDED,   /* "exit" is queued */
	STAGE_LOST,    /* inside gone() */
};

/* A peer, from accept() to close(). */
struct sled_control_reply {
	struct sled_control *control;
	struct sled_timer *late;
	int fd;
	enum stage stage;
	bool cut; /* nothing more can be sent */
	char in[SLED_CONTROL_LINE + 1];
	size_t in_len;
	struct sled_buf out;
};

struct sled_control {
	struct sled_loop *loop;
	struct sled_control_calls calls;
	struct sled_watch *watch;
	struct sled_buf path;
	int listener, lock, poll;
	int spare; /* given up for a moment when there are no descriptors */
	struct sled_control_reply *peers[SLED_CONTROL_PEERS];
};

/* ---- peers ---- */

static void
close_fd(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

/* No longer the control's; its memory stays. */
static void
detach(struct sled_control_reply *peer)
{
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++)
		if (peer->control->peers[i] == peer)
			peer->control->peers[i] = NULL;
	sled_timer_free(&peer->late);
	close_fd(&peer->fd);
}

static void
drop(struct sled_control_reply *peer)
{
	detach(peer);
	sled_buf_free(&peer->out);
	free(peer);
}

/* The caller is told; it may free the control there. */
static void
lose(struct sled_control_reply *peer)
{
	const struct sled_control_calls calls = peer->control->calls;

	detach(peer);
	peer->stage = STAGE_LOST;
	if (calls.gone != NULL)
		calls.gone(calls.ctx, peer);
	sled_buf_free(&peer->out);
	free(peer);
}

static void
on_late(void *ctx)
{
	drop(ctx);
}

/* Wait for the line, for room, or only for the end of the connection. */
static void
await(struct sled_control_reply *peer)
{
	struct epoll_event event = { .data.ptr = peer };

	if (peer->stage == STAGE_READING)
		event.events = EPOLLIN;
	else if (peer->out.len > 0)
		event.events = EPOLLOUT;
	(void)epoll_ctl(peer->control->poll, EPOLL_CTL_MOD, peer->fd, &event);
}

/* The caller may be in the middle of its answer: it hears of it later, when
 * the poll says that the connection has ended. */
static void
cut(struct sled_control_reply *peer)
{
	peer->cut = true;
	sled_buf_free(&peer->out);
	(void)shutdown(peer->fd, SHUT_RDWR);
}

static void
flush(struct sled_control_reply *peer)
{
	while (!peer->cut && peer->out.len > 0) {
		ssize_t sent = send(peer->fd, peer->out.data, peer->out.len,
		                    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0)
			sled_buf_shift(&peer->out, (size_t)sent);
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			cut(peer);
	}
	await(peer);
}

static void
put(struct sled_control_reply *peer, const char *kind, const char *text)
{
	struct sled_err err = { 0 };

	if (peer->stage != STAGE_RUNNING || peer->cut)
		return;
	if (!sled_control_line_write(&peer->out, kind, text, &err)) {
		cut(peer);
		return;
	}
	flush(peer);
	if (peer->out.len > QUEUE_MAX)
		cut(peer);
}

void
sled_control_out(struct sled_control_reply *reply, const char *text)
{
	put(reply, "out", text);
}

void
sled_control_err(struct sled_control_reply *reply, const char *text)
{
	put(reply, "err", text);
}

void
sled_control_end(struct sled_control_reply *reply, int status)
{
	char text[16];

	if (reply->stage != STAGE_RUNNING)
		return;
	(void)snprintf(text, sizeof(text), "%d", status);
	put(reply, "exit", text);
	reply->stage = STAGE_ENDED;
	if (reply->out.len == 0)
		drop(reply);
	else
		sled_timer_start(reply->late, LINE_MS);
}

/* ---- requests ---- */

/* After this PEER may be gone, and the control too. */
static void
run_request(struct sled_control_reply *peer, struct sled_span line)
{
	const struct sled_control_calls calls = peer->control->calls;
	struct sled_control_words words;
	struct sled_err err = { 0 };

	sled_timer_stop(peer->late);
	peer->stage = STAGE_RUNNING;
	await(peer);
	if (sled_control_words_read(&words, line, &err)) {
		calls.request(calls.ctx, peer, words.at, words.len);
		return;
	}
	sled_control_err(peer, err.text);
	sled_control_end(peer, sled_err_exit(err.kind));
}

static void
read_line(struct sled_control_reply *peer)
{
	ssize_t len = recv(peer->fd, peer->in + peer->in_len,
	                   sizeof(peer->in) - peer->in_len, MSG_DONTWAIT);
	const char *end;

	if (len == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len <= 0) {
		drop(peer);
		return;
	}
	end = memchr(peer->in + peer->in_len, '\n', (size_t)len);
	peer->in_len += (size_t)len;
	if (end != NULL)
		run_request(peer, (struct sled_span){
				      peer->in, (size_t)(end - peer->in) });
	else if (peer->in_len == sizeof(peer->in))
		run_request(peer, (struct sled_span){ peer->in, peer->in_len });
}

static void
serve(struct sled_control_reply *peer, uint32_t events)
{
	bool over = (events & (EPOLLHUP | EPOLLERR)) != 0;

	if (peer->stage == STAGE_READING) {
		read_line(peer);
	} else if (peer->stage == STAGE_RUNNING) {
		if (over)
			lose(peer);
		else
			flush(peer);
	} else {
		if (!over)
			flush(peer);
		if (over || peer->out.len == 0)
			drop(peer);
	}
}

/* ---- listening ---- */

/* One more than we serve: told so, without waiting for its request. */
static void
turn_away(int fd)
{
	static const char text[] = "err too%20many%20clients\nexit 75\n";

	(void)send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)close(fd);
}

static bool
start_peer(struct sled_control_reply *peer, struct sled_err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = peer };

	if (!sled_timer_new(&peer->late, peer->control->loop, on_late, peer,
	                    err))
		return false;
	if (epoll_ctl(peer->control->poll, EPOLL_CTL_ADD, peer->fd, &event) ==
	    -1)
		return sled_fail_sys(err, errno, "control socket");
	sled_timer_start(peer->late, LINE_MS);
	return true;
}

static void
take_peer(struct sled_control *control, int fd)
{
	struct sled_control_reply *peer;
	struct sled_err err = { 0 };
	size_t i = 0;
	long pid;

	if (!sled_control_trusts(fd, &pid)) {
		(void)close(fd);
		return;
	}
	while (i < SLED_CONTROL_PEERS && control->peers[i] != NULL)
		i++;
	peer = i == SLED_CONTROL_PEERS ? NULL : calloc(1, sizeof(*peer));
	if (peer == NULL) {
		turn_away(fd);
		return;
	}
	peer->control = control;
	peer->fd = fd;
	control->peers[i] = peer;
	if (!start_peer(peer, &err))
		drop(peer);
}

static void
take_one(struct sled_control *control)
{
	int fd = accept4(control->listener, NULL, NULL,
	                 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd != -1) {
		take_peer(control, fd);
		return;
	}
	if (errno != EMFILE && errno != ENFILE)
		return;
	/* Left in the queue it would wake us for ever. */
	close_fd(&control->spare);
	fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
	close_fd(&fd);
	control->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
on_ready(void *ctx)
{
	struct sled_control *control = ctx;
	struct epoll_event event = { 0 };

	if (epoll_wait(control->poll, &event, 1, 0) < 1)
		return;
	if (event.data.ptr == NULL)
		take_one(control);
	else
		serve(event.data.ptr, event.events);
}

static bool
start_watch(struct sled_control *control, struct sled_err *err)
{
	struct epoll_event event = { .events = EPOLLIN };

	control->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	control->poll = epoll_create1(EPOLL_CLOEXEC);
	if (control->spare == -1 || control->poll == -1 ||
	    epoll_ctl(control->poll, EPOLL_CTL_ADD, control->listener,
	              &event) == -1)
		return sled_fail_sys(err, errno, "control socket");
	return sled_watch_new(&control->watch, control->loop, control->poll,
	                      on_ready, control, err);
}

bool
sled_control_listen(struct sled_control **out, struct sled_loop *loop,
                    const char *path, const struct sled_control_calls *calls,
                    struct sled_err *err)
{
	struct sled_control *control = calloc(1, sizeof(*control));

	*out = NULL;
	if (control == NULL)
		return sled_fail_sys(err, ENOMEM, "control socket");
	control->loop = loop;
	control->calls = *calls;
	control->listener = control->lock = control->poll = control->spare = -1;
	if (sled_buf_addstr(&control->path, path, err) &&
	    sled_control_bind(path, &control->listener, &control->lock, err) &&
	    start_watch(control, err)) {
		*out = control;
		return true;
	}
	sled_control_free(&control);
	return false;
}

void
sled_control_free(struct sled_control **control)
{
	struct sled_control *c = *control;

	*control = NULL;
	if (c == NULL)
		return;
	/* While the lock is ours nobody else's socket has this name. */
	if (c->listener != -1)
		(void)unlink(c->path.data);
	sled_watch_free(&c->watch);
	for (size_t i = 0; i < SLED_CONTROL_PEERS; i++) {
		struct sled_control_reply *peer = c->peers[i];

		if (peer != NULL && peer->stage == STAGE_RUNNING)
			put(peer, "exit", "75");
		if (peer != NULL)
			drop(peer);
	}
	close_fd(&c->listener);
	close_fd(&c->poll);
	close_fd(&c->spare);
	close_fd(&c->lock);
	sled_buf_free(&c->path);
	free(c);
}
