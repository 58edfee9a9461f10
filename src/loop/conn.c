/* conn.c - one TCP connection; see mailsled/loop.h. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "loop/internal.h"
#include "mailsled/loop.h"

/* Any user may bind a socket that is not bound yet (Linux 5.7). */
static void
prepare(int fd, const struct sled_dial_to *to)
{
	sled_tcp_prepare(fd, to->window, to->mss, to->user_timeout_ms);
	if (to->device[0] != '\0')
		(void)setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, to->device,
		                 (socklen_t)strlen(to->device));
}

int
sled_conn_make(struct sled_conn **out, struct sled_loop *loop, int family,
               const struct sled_dial_to *to)
{
	struct sled_conn *conn = calloc(1, sizeof(*conn));
	uv_os_fd_t fd;
	int code;

	*out = NULL;
	if (conn == NULL)
		return UV_ENOMEM;
	code = uv_tcp_init_ex(&loop->uv, &conn->tcp, (unsigned)family);
	if (code < 0) {
		free(conn);
		return code;
	}
	if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0)
		prepare(fd, to);
	conn->tcp.data = conn->connect.data = conn->write.data = conn;
	conn->loop = loop;
	conn->ipv6 = family == AF_INET6;
	conn->window = to->window;
	conn->began_ns = uv_hrtime();
	*out = conn;
	return 0;
}

void
sled_conn_ready(struct sled_conn *conn)
{
	struct sockaddr_storage addr;
	struct sockaddr *name = (struct sockaddr *)&addr;
	int len = sizeof(addr);

	conn->dial = NULL;
	conn->connect_ns = uv_hrtime() - conn->began_ns;
	conn->loop->live++;
	(void)uv_tcp_nodelay(&conn->tcp, 1);
	(void)snprintf(conn->local, sizeof(conn->local), "-");
	(void)snprintf(conn->peer, sizeof(conn->peer), "-");
	if (uv_tcp_getsockname(&conn->tcp, name, &len) == 0)
		sled_addr_text(conn->local, name);
	len = sizeof(addr);
	if (uv_tcp_getpeername(&conn->tcp, name, &len) == 0)
		sled_addr_text(conn->peer, name);
}

static void
on_conn_closed(uv_handle_t *handle)
{
	struct sled_conn *conn = handle->data;

	sled_buf_free(&conn->flight);
	sled_buf_free(&conn->waiting);
	free(conn);
}

void
sled_conn_close(struct sled_conn *conn)
{
	conn->closing = true;
	uv_close((uv_handle_t *)&conn->tcp, on_conn_closed);
}

void
sled_conn_free(struct sled_conn **conn)
{
	if (*conn == NULL)
		return;
	(*conn)->loop->live--;
	sled_conn_close(*conn);
	*conn = NULL;
}

static void
end(struct sled_conn *conn, int code)
{
	struct sled_err err = { 0 };

	conn->over = true;
	(void)uv_read_stop((uv_stream_t *)&conn->tcp);
	if (conn->write_error < 0)
		code = conn->write_error;
	if (code == UV_EOF) {
		conn->events.ended(conn->events.ctx, NULL);
		return;
	}
	(void)sled_fail_at(&err, SLED_HERE, SLED_ERR_LINK, -code,
	                   "connection to %s", conn->peer);
	conn->events.ended(conn->events.ctx, &err);
}

static void
lend_room(uv_handle_t *handle, size_t wanted, uv_buf_t *room)
{
	struct sled_conn *conn = handle->data;

	(void)wanted;
	*room = uv_buf_init(conn->loop->in, LOOP_IN_MAX);
}

static void
look(struct sled_conn *conn)
{
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) != 0)
		return;
	sled_tcp_see(fd, &conn->seen);
	if (conn->window > 0)
		sled_tcp_hold_window(fd, conn->window);
}

static void
on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *room)
{
	struct sled_conn *conn = stream->data;

	if (got < 0) {
		end(conn, (int)got);
	} else if (got > 0) {
		look(conn);
		conn->events.data(
		    conn->events.ctx,
		    (struct sled_span){ room->base, (size_t)got });
	}
}

bool
sled_conn_start(struct sled_conn *conn, const struct sled_conn_events *events,
                struct sled_err *err)
{
	int code;

	assert(!conn->started);
	conn->events = *events;
	code = uv_read_start((uv_stream_t *)&conn->tcp, lend_room, on_read);
	if (code < 0)
		return sled_fail_at(err, SLED_HERE, SLED_ERR_LINK, -code,
		                    "connection to %s", conn->peer);
	conn->started = true;
	return true;
}

void
sled_conn_pause(struct sled_conn *conn)
{
	(void)uv_read_stop((uv_stream_t *)&conn->tcp);
}

void
sled_conn_resume(struct sled_conn *conn)
{
	/* Refused only when it reads already. */
	if (conn->started && !conn->over)
		(void)uv_read_start((uv_stream_t *)&conn->tcp, lend_room,
		                    on_read);
}

/* The reader tells the caller, after what the peer had sent before: so it must
 * come to an end, whatever the fault was. */
static void
fail_write(struct sled_conn *conn, int code)
{
	uv_os_fd_t fd;

	conn->write_error = code;
	sled_buf_free(&conn->flight);
	sled_buf_free(&conn->waiting);
	if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0)
		(void)shutdown(fd, SHUT_RDWR);
}

static void on_written(uv_write_t *req, int status);

static void
send_waiting(struct sled_conn *conn)
{
	struct sled_buf out = conn->waiting;
	uv_buf_t span = { .base = out.data, .len = out.len };
	int code;

	conn->waiting = conn->flight;
	conn->waiting.len = 0;
	conn->flight = out;
	code = uv_write(&conn->write, (uv_stream_t *)&conn->tcp, &span, 1,
	                on_written);
	if (code < 0)
		fail_write(conn, code);
	else
		conn->writing = true;
}

static void
on_written(uv_write_t *req, int status)
{
	struct sled_conn *conn = req->data;

	conn->writing = false;
	if (conn->closing)
		return;
	if (status < 0)
		fail_write(conn, status);
	else if (conn->waiting.len > 0)
		send_waiting(conn);
	else if (conn->started && conn->events.drained != NULL)
		conn->events.drained(conn->events.ctx);
}

bool
sled_conn_write(struct sled_conn *conn, struct sled_span out,
                struct sled_err *err)
{
	if (conn->write_error == 0) {
		if (!sled_buf_add(&conn->waiting, out.data, out.len, err))
			return false;
		if (!conn->writing && conn->waiting.len > 0)
			send_waiting(conn);
	}
	if (conn->write_error == 0)
		return true;
	return sled_fail_at(err, SLED_HERE, SLED_ERR_LINK, -conn->write_error,
	                    "write to %s", conn->peer);
}

size_t
sled_conn_queued(const struct sled_conn *conn)
{
	const uv_stream_t *stream = (const uv_stream_t *)&conn->tcp;

	return conn->waiting.len + uv_stream_get_write_queue_size(stream);
}

const char *
sled_conn_peer(const struct sled_conn *conn)
{
	return conn->peer;
}

const char *
sled_conn_local(const struct sled_conn *conn)
{
	return conn->local;
}

bool
sled_conn_window(struct sled_conn *conn, uint32_t window)
{
	uv_os_fd_t fd;

	if (conn->window != 0 && window <= conn->window)
		return true;
	if (uv_fileno((uv_handle_t *)&conn->tcp, &fd) != 0 ||
	    !sled_tcp_raise_window(fd, window))
		return false;
	conn->window = window;
	return true;
}

void
sled_conn_facts(const struct sled_conn *conn, struct sled_conn_facts *out)
{
	uv_os_fd_t fd;

	*out = (struct sled_conn_facts){ 0 };
	if (uv_fileno((const uv_handle_t *)&conn->tcp, &fd) == 0)
		sled_tcp_facts(fd, conn->ipv6, &conn->seen, out);
	out->connect_ms = (uint32_t)(conn->connect_ns / 1000000);
}
