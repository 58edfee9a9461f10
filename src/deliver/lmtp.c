/*
 * lmtp.c - an LMTP server (RFC 2033), by a socket or TCP: one connection a run,
 * one recipient a message. A message is the server's when the dot was answered
 * by 2xx; without that answer nobody can tell, and it is given again.
 */
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "deliver/internal.h"
#include "deliver/reply.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

#define CONNECT_MS 30000
#define REPLY_MS   120000
#define END_MS     600000 /* behind the dot: it may sieve and sync */
#define ASK_MS     250
#define STOP_MS    1000
#define RECEIVE    4096
#define TOO_LARGE  552
#define CLOSING    421

struct sled_lmtp {
	struct sled_delivery *d;
	int fd;
	struct sled_buf in;
	struct sled_reply reply; /* the last one */
	bool eightbit, has_size, stopping;
	uint64_t size_most;
};

/* ---- the socket ---- */

/* How long to wait still: not for long, once all is to stop. */
static int
time_left(struct sled_lmtp *l, int64_t *until)
{
	int64_t now = sled_clock_ms();

	if (!l->stopping && sled_delivery_stopped(l->d)) {
		l->stopping = true;
		if (*until > now + STOP_MS)
			*until = now + STOP_MS;
	}
	if (*until <= now)
		return 0;
	return *until - now < ASK_MS ? (int)(*until - now) : ASK_MS;
}

/* Until EVENTS are there. */
static bool
wait_for(struct sled_lmtp *l, short events, int64_t within_ms,
         struct sled_err *err)
{
	int64_t until = sled_clock_ms() + (l->stopping ? STOP_MS : within_ms);

	for (;;) {
		struct pollfd fd = { l->fd, events, 0 };
		int left = time_left(l, &until), ready;

		if (left == 0)
			return sled_fail(err, SLED_ERR_LINK,
			                 "no answer from the server");
		ready = poll(&fd, 1, left);
		if (ready == 1)
			return true;
		if (ready == -1 && errno != EINTR)
			return sled_fail_sys(err, errno, "poll");
	}
}

static bool
send_all(struct sled_lmtp *l, struct sled_span out, struct sled_err *err)
{
	while (out.len > 0) {
		ssize_t n =
		    send(l->fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (!wait_for(l, POLLOUT, REPLY_MS, err))
				return false;
		} else if (n == -1 && errno != EINTR) {
			return sled_fail(err, SLED_ERR_LINK,
			                 "the server hung up: %s",
			                 strerror(errno));
		} else if (n > 0) {
			out.data += n;
			out.len -= (size_t)n;
		}
	}
	return true;
}

static bool
receive(struct sled_lmtp *l, struct sled_err *err)
{
	ssize_t n;

	if (!sled_buf_reserve(&l->in, RECEIVE, err))
		return false;
	do
		n = recv(l->fd, l->in.data + l->in.len, RECEIVE, MSG_DONTWAIT);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return sled_fail(err, SLED_ERR_LINK, "the server hung up");
	l->in.len += (size_t)n;
	return true;
}

static bool
connect_to(struct sled_lmtp *l, const struct sockaddr *to, socklen_t len,
           struct sled_err *err)
{
	socklen_t room = sizeof(int);
	int why = 0;

	l->fd = socket(to->sa_family,
	               SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd == -1)
		return sled_fail_sys(err, errno, "socket");
	if (connect(l->fd, to, len) == -1) {
		why = errno;
		if (why == EINPROGRESS) {
			if (!wait_for(l, POLLOUT, CONNECT_MS, err))
				return false;
			(void)getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &why,
			                 &room);
		}
	}
	return why == 0 ||
	       sled_fail(err, SLED_ERR_LINK, "connect: %s", strerror(why));
}

static void
hang_up(struct sled_lmtp *l)
{
	if (l->fd != -1)
		(void)close(l->fd);
	l->fd = -1;
}

static bool
connect_socket(struct sled_lmtp *l, const char *path, struct sled_err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(to.sun_path))
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "no socket can have so long a path");
	memcpy(to.sun_path, path, strlen(path) + 1);
	return connect_to(l, (const struct sockaddr *)&to, sizeof(to), err);
}

static bool
connect_host(struct sled_lmtp *l, const char *host, uint16_t port,
             struct sled_err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char service[8];
	int code;
	bool ok = false;

	(void)snprintf(service, sizeof(service), "%u", (unsigned)port);
	code = getaddrinfo(host, service, &hints, &list);
	if (code != 0)
		return sled_fail(err, SLED_ERR_LINK, "look up %s: %s", host,
		                 gai_strerror(code));
	for (const struct addrinfo *at = list; !ok && at != NULL;
	     at = at->ai_next) {
		hang_up(l);
		*err = (struct sled_err){ 0 };
		ok = connect_to(l, at->ai_addr, at->ai_addrlen, err);
	}
	freeaddrinfo(list);
	return ok;
}

/* ---- the dialogue ---- */

static bool
hear(struct sled_lmtp *l, int64_t within_ms, struct sled_err *err)
{
	size_t used = 0;

	for (;;) {
		if (l->in.len > 0 &&
		    !sled_reply_take(&l->reply, sled_buf_span(&l->in), &used,
		                     err))
			return false;
		if (used > 0) {
			sled_buf_shift(&l->in, used);
			return true;
		}
		if (!wait_for(l, POLLIN, within_ms, err) || !receive(l, err))
			return false;
	}
}

/* The server did not do what was asked. */
static bool
refused(struct sled_lmtp *l, const char *what, struct sled_err *err)
{
	(void)sled_fail(err, SLED_ERR_LINK, "%s: %u %s", what, l->reply.code,
	                l->reply.text);
	return l->reply.code == CLOSING ? sled_delivery_shut(l->d) : false;
}

static bool
ask(struct sled_lmtp *l, const char *line, struct sled_err *err)
{
	return (send_all(l, (struct sled_span){ line, strlen(line) }, err) &&
	        hear(l, REPLY_MS, err)) ||
	       sled_delivery_shut(l->d);
}

static bool
is_good(const struct sled_lmtp *l)
{
	return l->reply.code >= 200 && l->reply.code < 300;
}

static bool
greet(struct sled_lmtp *l, struct sled_err *err)
{
	char host[65] = "", line[100];

	(void)gethostname(host, sizeof(host) - 1);
	if (!sled_conf_is_mailbox(host))
		(void)snprintf(host, sizeof(host), "localhost");
	(void)snprintf(line, sizeof(line), "LHLO %s\r\n", host);
	if (!hear(l, REPLY_MS, err))
		return false;
	if (!is_good(l))
		return refused(l, "greeting", err);
	if (!ask(l, line, err))
		return false;
	l->eightbit = l->reply.eightbit;
	l->has_size = l->reply.has_size;
	l->size_most = l->reply.size_most;
	return is_good(l) || refused(l, "LHLO", err);
}

static void
close_lmtp(struct sled_delivery *d)
{
	struct sled_err ignored = { 0 };
	struct sled_lmtp *l = d->lmtp;

	d->lmtp = NULL;
	if (l == NULL)
		return;
	if (l->fd != -1)
		(void)!send_all(l, (struct sled_span){ "QUIT\r\n", 6 },
		                &ignored);
	hang_up(l);
	sled_buf_free(&l->in);
	free(l);
}

static bool
open_lmtp(struct sled_delivery *d, struct sled_err *err)
{
	const struct sled_conf_target *target = d->target;
	struct sled_lmtp *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return sled_fail(err, SLED_ERR_NOMEM, "LMTP");
	l->d = d;
	l->fd = -1;
	d->lmtp = l;
	if ((target->port == 0
	         ? connect_socket(l, target->where, err)
	         : connect_host(l, target->where, target->port, err)) &&
	    greet(l, err))
		return true;
	hang_up(l);
	close_lmtp(d);
	return false;
}

/* ---- one message ---- */

struct stuffing {
	struct sled_lmtp *l;
	struct sled_buf out;
	bool at_start; /* of a line */
};

/* Each LF, however the archive has it, is a CRLF here, and a dot that begins a
 * line is doubled: no text can end the message early. */
static bool
stuff(void *ctx, struct sled_span bytes, struct sled_err *err)
{
	struct stuffing *s = ctx;

	s->out.len = 0;
	while (bytes.len > 0) {
		const char *end = memchr(bytes.data, '\n', bytes.len);
		size_t len =
		    end == NULL ? bytes.len : (size_t)(end - bytes.data);

		if ((s->at_start && bytes.data[0] == '.' &&
		     !sled_buf_add(&s->out, ".", 1, err)) ||
		    !sled_buf_add(&s->out, bytes.data, len, err) ||
		    (end != NULL && !sled_buf_add(&s->out, "\r\n", 2, err)))
			return false;
		s->at_start = end != NULL;
		len += end != NULL;
		bytes.data += len;
		bytes.len -= len;
	}
	return send_all(s->l, sled_buf_span(&s->out), err);
}

static bool
send_body(struct sled_lmtp *l, struct sled_letter *letter, struct sled_err *err)
{
	struct stuffing s = { .l = l, .at_start = true };
	bool ok = sled_letter_each(letter, stuff, &s, err);
	const char *end = s.at_start ? ".\r\n" : "\r\n.\r\n";

	ok = ok && send_all(l, (struct sled_span){ end, strlen(end) }, err) &&
	     hear(l, END_MS, err);
	sled_buf_free(&s.out);
	return ok || sled_delivery_shut(l->d);
}

static bool
say_from(struct sled_lmtp *l, const struct sled_letter *letter,
         struct sled_err *err)
{
	char size[40] = "", line[sizeof(letter->sender) + 80];

	if (l->size_most > 0 && letter->wire > l->size_most)
		return sled_fail(err, SLED_ERR_LINK,
		                 "the server takes %" PRIu64
		                 " octets at most; it has %" PRIu64,
		                 l->size_most, letter->wire);
	if (l->has_size)
		(void)snprintf(size, sizeof(size), " SIZE=%" PRIu64,
		               letter->wire);
	(void)snprintf(line, sizeof(line), "MAIL FROM:<%s>%s%s\r\n",
	               letter->sender, size,
	               l->eightbit ? " BODY=8BITMIME" : "");
	return ask(l, line, err) && (is_good(l) || refused(l, "MAIL", err));
}

/* Who is not known now is not known for the next message. */
static bool
say_to(struct sled_lmtp *l, struct sled_err *err)
{
	const struct sled_conf_account *account = l->d->conf->account;
	char line[SLED_CONF_MAILBOX_MAX + 20];

	(void)snprintf(
	    line, sizeof(line), "RCPT TO:<%.*s>\r\n", SLED_CONF_MAILBOX_MAX,
	    account->deliver_to != NULL ? account->deliver_to : account->user);
	if (!ask(l, line, err))
		return false;
	if (is_good(l))
		return true;
	(void)refused(l, "RCPT", err);
	return l->reply.code == TOO_LARGE ? false : sled_delivery_shut(l->d);
}

static bool
give(struct sled_delivery *d, struct sled_letter *letter, struct sled_err *err)
{
	struct sled_lmtp *l = d->lmtp;
	struct sled_err ignored = { 0 };

	if (!say_from(l, letter, err))
		return false;
	if (!say_to(l, err)) {
		if (d->reach == SLED_REACH_MESSAGE)
			(void)!ask(l, "RSET\r\n", &ignored);
		return false;
	}
	if (!ask(l, "DATA\r\n", err))
		return false;
	if (l->reply.code != 354) {
		(void)refused(l, "DATA", err);
		return sled_delivery_shut(d);
	}
	return sled_delivery_try(d, letter->number, 0, 0, err) &&
	       send_body(l, letter, err) &&
	       (is_good(l) || refused(l, "the message", err));
}

static bool
check(struct sled_delivery *d, struct sled_err *err)
{
	bool ok = open_lmtp(d, err);

	close_lmtp(d);
	return ok;
}

const struct sled_deliverer sled_deliver_lmtp = {
	.open = open_lmtp,
	.give = give,
	.close = close_lmtp,
	.check = check,
};
