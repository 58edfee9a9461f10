/* fx_loop.c - see fx_loop.h. */
#include "fx_loop.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int
set_port(struct sockaddr_storage *name, const char *addr, uint16_t port,
         socklen_t *len)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		                  .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char service[8];

	(void)snprintf(service, sizeof(service), "%u", (unsigned)port);
	if (getaddrinfo(addr, service, &hints, &found) != 0)
		return -1;
	memcpy(name, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return name->ss_family;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_storage name;
	socklen_t len = sizeof(name);

	if (getsockname(fd, (struct sockaddr *)&name, &len) == -1)
		return 0;
	return ntohs(name.ss_family == AF_INET6
	                 ? ((struct sockaddr_in6 *)&name)->sin6_port
	                 : ((struct sockaddr_in *)&name)->sin_port);
}

int
fx_bind(const char *addr, uint16_t *port, int backlog)
{
	struct sockaddr_storage name;
	socklen_t len = 0;
	int family = set_port(&name, addr, *port, &len);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	if (bind(fd, (struct sockaddr *)&name, len) == -1 ||
	    (backlog >= 0 && listen(fd, backlog) == -1)) {
		(void)close(fd);
		return -1;
	}
	*port = port_of(fd);
	return fd;
}

int
fx_silent_open(struct fx_silent *out, const char *addr, uint16_t *port)
{
	struct sockaddr_storage name;
	socklen_t len = 0;

	out->listener = fx_bind(addr, port, 0);
	if (out->listener == -1)
		return -1;
	(void)set_port(&name, addr, *port, &len);
	for (int i = 0; i < FX_FILLERS; i++) {
		out->fillers[i] =
		    socket(name.ss_family,
		           SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		(void)!connect(out->fillers[i], (struct sockaddr *)&name, len);
	}
	return 0;
}

void
fx_silent_close(struct fx_silent *silent)
{
	for (int i = 0; i < FX_FILLERS; i++)
		(void)close(silent->fillers[i]);
	(void)close(silent->listener);
}

void
fx_silent_wake(const struct fx_silent *silent)
{
	int fd;

	(void)fcntl(silent->listener, F_SETFL, O_NONBLOCK);
	while ((fd = accept(silent->listener, NULL, NULL)) != -1)
		(void)close(fd);
}

int
fx_silent_and_live(struct fx_silent *silent, uint16_t *port)
{
	for (int i = 0; i < 20; i++) {
		int live;

		*port = 0;
		assert_int_equal(fx_silent_open(silent, "127.0.0.1", port), 0);
		live = fx_bind("127.0.0.2", port, 8);
		if (live != -1)
			return live;
		fx_silent_close(silent);
	}
	fail_msg("no port is free on both");
	return -1;
}

static void
on_dialled(void *ctx, struct sled_conn *conn, const struct sled_err *err)
{
	struct fx_dial *dial = ctx;

	dial->calls++;
	dial->conn = conn;
	assert_true((conn == NULL) == (err != NULL));
	if (err != NULL)
		dial->err = *err;
	(void)snprintf(dial->found, sizeof(dial->found), "%s",
	               sled_dial_found(dial->dial));
	sled_dial_free(&dial->dial);
	sled_loop_stop(dial->loop);
}

void
fx_dial_start(struct fx_dial *out, const struct sled_dial_to *to)
{
	*out = (struct fx_dial){ 0 };
	assert_true(sled_loop_new(&out->loop, &out->err));
	assert_true(sled_dial_new(&out->dial, out->loop, to, on_dialled, out,
	                          &out->err));
}

void
fx_dial_run(struct fx_dial *dial)
{
	sled_loop_run(dial->loop);
	assert_int_equal(dial->calls, 1);
}

void
fx_dial_close(struct fx_dial *dial)
{
	sled_conn_free(&dial->conn);
	sled_dial_free(&dial->dial);
	sled_loop_free(&dial->loop);
}
