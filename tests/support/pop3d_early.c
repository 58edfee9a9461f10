/*
 * pop3d_early.c - what comes before the greeting; see pop3d.h. The log says
 * when it is due, then of each command that was there by then:
 *
 *     CONN 3 tls resumed read=2
 *     CONN 3 greet segments=2 early=61
 *     CONN 3 early AUTH read=2
 *
 * READ is the TCP read, counted from the ClientHello, that brought the end of
 * the handshake, or of that command: the same for both when they came together.
 * SEGMENTS counts the TCP segments with data so far.
 */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "pop3d.h"

#define WAIT_MS 300 /* for commands, where something happens to them */

static unsigned
segments_in(const struct pop3d_conn *conn)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1)
		return 0;
	return info.tcpi_data_segs_in;
}

static void
mark(struct pop3d_conn *conn)
{
	struct pop3d_mark *last = &conn->marks[conn->mark_count];

	if (conn->mark_count > 0 && (last[-1].read == conn->reads ||
	                             conn->mark_count == POP3D_MARK_MAX))
		last--;
	else
		conn->mark_count++;
	*last = (struct pop3d_mark){ conn->in_len, conn->reads };
}

/* Wait for the first of it only. An end is found again by who reads next. */
static void
take_in(struct pop3d_conn *conn, int ms)
{
	while (pop3d_wire_ready(conn, conn->in_len == 0 ? ms : 0) &&
	       pop3d_wire_fill(conn))
		mark(conn);
	conn->early_len = conn->in_len;
}

void
pop3d_early_begin(struct pop3d_conn *conn)
{
	const struct pop3d_server *server = conn->server;
	int early = server->conf.early;

	take_in(conn, early == POP3D_EARLY_TAKEN ? 0 : WAIT_MS);
	pop3d_log(server, "CONN %u greet segments=%u early=%zu", conn->id,
	          segments_in(conn), conn->early_len);
	if (early == POP3D_EARLY_TAKEN || early == POP3D_EARLY_FIRST ||
	    conn->early_len == 0)
		return;
	if (early == POP3D_EARLY_DROPPED) {
		pop3d_log(server, "CONN %u dropped %zu", conn->id,
		          pop3d_wire_discard(conn));
		return;
	}
	pop3d_log(server, "CONN %u cut", conn->id);
	conn->reset = early == POP3D_EARLY_RESETS;
	conn->dead = true;
}

void
pop3d_early_log(const struct pop3d_conn *conn, const char *verb)
{
	size_t i = 0;

	if (conn->line_end > conn->early_len)
		return;
	while (i + 1 < conn->mark_count && conn->marks[i].end < conn->line_end)
		i++;
	pop3d_log(conn->server, "CONN %u early %s read=%u", conn->id, verb,
	          conn->marks[i].read);
}

bool
pop3d_early_waits(const struct pop3d_conn *conn)
{
	return conn->in_at < conn->early_len &&
	       memchr(conn->in + conn->in_at, '\n',
	              conn->early_len - conn->in_at) != NULL;
}
