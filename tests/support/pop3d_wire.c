/* pop3d_wire.c - bytes in and out of one connection; see pop3d.h. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "pop3d.h"

#define DRAIN_MS 2000

bool
pop3d_wire_tls(struct pop3d_conn *conn)
{
	conn->ssl = SSL_new(conn->server->ctx);
	if (conn->ssl == NULL || SSL_set_fd(conn->ssl, conn->fd) != 1 ||
	    !pop3d_hello_watch(conn) || SSL_accept(conn->ssl) != 1) {
		pop3d_log(conn->server, "CONN %u tls-failed %s", conn->id,
		          ERR_reason_error_string(ERR_peek_error()) == NULL
		              ? "peer closed"
		              : ERR_reason_error_string(ERR_peek_error()));
		ERR_clear_error();
		conn->dead = true;
		return false;
	}
	pop3d_log(conn->server, "CONN %u tls%s read=%u", conn->id,
	          SSL_session_reused(conn->ssl) ? " resumed" : "", conn->reads);
	return true;
}

static ssize_t
write_some(struct pop3d_conn *conn, const char *data, size_t len)
{
	int wrote;

	if (conn->ssl == NULL)
		return send(conn->fd, data, len, MSG_NOSIGNAL);
	wrote = SSL_write(conn->ssl, data, len > INT_MAX ? INT_MAX : (int)len);
	return wrote > 0 ? wrote : -1;
}

/* Which octets of the session are in which octet of the wire. */
static void
log_sent(const struct pop3d_conn *conn)
{
	uint64_t wire =
	    conn->ssl == NULL
		? conn->said
		: (uint64_t)BIO_number_written(SSL_get_wbio(conn->ssl));

	pop3d_log(conn->server, "CONN %u sent said=%llu wire=%llu", conn->id,
	          (unsigned long long)conn->said, (unsigned long long)wire);
}

void
pop3d_wire_flush(struct pop3d_conn *conn)
{
	size_t at = 0;

	while (!conn->dead && at < conn->out_len) {
		ssize_t wrote =
		    write_some(conn, conn->out + at, conn->out_len - at);

		if (wrote > 0)
			at += (size_t)wrote;
		else if (conn->ssl != NULL || errno != EINTR)
			conn->dead = true;
	}
	if (at > 0 && !conn->dead && conn->server->conf.log_wire)
		log_sent(conn);
	conn->out_len = 0;
}

static void
append(struct pop3d_conn *conn, const char *data, size_t len)
{
	while (len > 0 && !conn->dead) {
		size_t room = sizeof(conn->out) - conn->out_len;

		if (room > len)
			room = len;
		memcpy(conn->out + conn->out_len, data, room);
		conn->out_len += room;
		conn->said += room;
		data += room;
		len -= room;
		if (conn->out_len == sizeof(conn->out))
			pop3d_wire_flush(conn);
	}
}

void
pop3d_wire_send(struct pop3d_conn *conn, const void *data, size_t len)
{
	uint64_t left = conn->out_left;

	if (conn->dead)
		return;
	if (conn->part_left < left)
		left = conn->part_left;
	if (len < left) {
		conn->out_left -= conn->out_left == UINT64_MAX ? 0 : len;
		conn->part_left -= conn->part_left == UINT64_MAX ? 0 : len;
		append(conn, data, len);
		return;
	}
	append(conn, data, (size_t)left);
	pop3d_wire_flush(conn);
	if (conn->stall_at_end)
		pop3d_wire_stall(conn);
	conn->dead = true;
}

static ssize_t
read_some(struct pop3d_conn *conn, char *at, size_t room)
{
	ssize_t got;

	do {
		got = conn->ssl == NULL ? recv(conn->fd, at, room, 0)
		                        : SSL_read(conn->ssl, at, (int)room);
	} while (got == -1 && conn->ssl == NULL && errno == EINTR);
	ERR_clear_error();
	return got;
}

bool
pop3d_wire_fill(struct pop3d_conn *conn)
{
	size_t room = sizeof(conn->in) - conn->in_len;
	ssize_t got;

	if (room == 0)
		return false;
	got = read_some(conn, conn->in + conn->in_len, room);
	if (got <= 0)
		return false;
	conn->in_len += (size_t)got;
	return true;
}

bool
pop3d_wire_ready(const struct pop3d_conn *conn, int ms)
{
	struct pollfd wait = { .fd = conn->fd, .events = POLLIN };

	return (conn->ssl != NULL && SSL_has_pending(conn->ssl) == 1) ||
	       poll(&wait, 1, ms) == 1;
}

/* Not into the buffer: the line that was read last is still in there. */
size_t
pop3d_wire_discard(struct pop3d_conn *conn)
{
	size_t lost = conn->in_len - conn->in_at;
	char nowhere[4096];
	ssize_t got;

	conn->in_at = conn->in_len;
	while (pop3d_wire_ready(conn, 0)) {
		got = read_some(conn, nowhere, sizeof(nowhere));
		if (got <= 0)
			break;
		lost += (size_t)got;
	}
	return lost;
}

char *
pop3d_wire_line(struct pop3d_conn *conn)
{
	char *line, *end;

	while (!conn->dead) {
		line = conn->in + conn->in_at;
		end = memchr(line, '\n', conn->in_len - conn->in_at);
		if (end != NULL) {
			conn->in_at = (size_t)(end + 1 - conn->in);
			if (end > line && end[-1] == '\r')
				end--;
			*end = '\0';
			conn->line_end = conn->in_at;
			if (conn->drops_along)
				(void)pop3d_wire_discard(conn);
			return line;
		}
		memmove(conn->in, line, conn->in_len - conn->in_at);
		conn->in_len -= conn->in_at;
		conn->in_at = 0;
		conn->early_len =
		    0; /* at most a part of a line was left of it */
		pop3d_wire_flush(conn);
		if (!conn->dead && !pop3d_wire_fill(conn))
			conn->dead = true;
	}
	return NULL;
}

/* Read to nowhere until the peer closes, or for so many milliseconds. */
static void
drain(struct pop3d_conn *conn, int ms)
{
	struct pollfd wait = { .fd = conn->fd, .events = POLLIN };
	char nowhere[4096];

	while (poll(&wait, 1, ms) == 1)
		if (recv(conn->fd, nowhere, sizeof(nowhere), 0) <= 0)
			return;
}

void
pop3d_wire_stall(struct pop3d_conn *conn)
{
	pop3d_wire_flush(conn);
	if (!conn->dead)
		drain(conn, -1);
	conn->dead = true;
}

/* What is pending leaves before. */
void
pop3d_wire_delay(struct pop3d_conn *conn, uint64_t ms)
{
	pop3d_wire_flush(conn);
	(void)poll(NULL, 0, ms < INT_MAX ? (int)ms : INT_MAX);
}

/* The room for what nobody reads stays as the window told it: from a socket that
 * takes a promised window back the kernel hears no acknowledgement either. */
void
pop3d_wire_keys(struct pop3d_conn *conn, uint64_t count)
{
	pop3d_wire_flush(conn);
	for (; count > 0 && !conn->dead; count--)
		conn->dead =
		    conn->ssl == NULL ||
		    SSL_key_update(conn->ssl, SSL_KEY_UPDATE_REQUESTED) != 1 ||
		    SSL_do_handshake(conn->ssl) != 1;
	ERR_clear_error();
}

/* An end in order says close_notify; a scripted one is cut off. Unread input
 * would turn the end into a reset, which can eat what the peer still has to
 * read: so it is read away first. */
void
pop3d_wire_close(struct pop3d_conn *conn)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };

	pop3d_wire_flush(conn);
	if (conn->ssl != NULL && (!conn->dead || conn->polite))
		(void)SSL_shutdown(conn->ssl);
	ERR_clear_error();
	if (conn->reset) {
		(void)setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &hard,
		                 sizeof(hard));
		return;
	}
	(void)shutdown(conn->fd, SHUT_WR);
	drain(conn, DRAIN_MS);
}
