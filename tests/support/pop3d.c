/*
 * pop3d.c - the demo's and the tests' POP3 server; see pop3d.h.
 *
 *     pop3d --ca-out ca.pem --log log FOLDER
 *     pop3d --sample --once --user ada --pass secret
 *     pop3d --generate 2000 --fault RETR:5:close-after=1234
 *
 * It prints "listening PORT" when it can be reached, and ends in order upon
 * SIGTERM or SIGINT. It is for loopback: a toy beside a real server.
 */
#include "pop3d.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_SECONDS 600

static bool
complain(const char *what)
{
	(void)fprintf(stderr, "pop3d: %s: %s\n", what, strerror(errno));
	return false;
}

/* Out of the list before close(): stop() may touch a listed descriptor. What
 * OpenSSL keeps for this thread goes before main can end. */
static void
leave(struct pop3d_conn *conn)
{
	struct pop3d_server *server = conn->server;
	struct pop3d_conn **link;

	SSL_free(conn->ssl);
	OPENSSL_thread_stop();
	(void)pthread_mutex_lock(&server->lock);
	link = &server->conns;
	while (*link != conn)
		link = &(*link)->next;
	*link = conn->next;
	(void)close(conn->fd);
	if (server->conf.once && conn->logged_in)
		(void)eventfd_write(server->wake_fd, 1);
	free(conn);
	server->live--;
	(void)pthread_cond_signal(&server->idle);
	(void)pthread_mutex_unlock(&server->lock);
}

static void *
serve(void *arg)
{
	struct pop3d_conn *conn = arg;
	struct pop3d_server *server = conn->server;
	unsigned id = conn->id;

	pop3d_log(server, "CONN %u open", id);
	pop3d_session_run(conn);
	pop3d_log(server, "CONN %u close", id);
	pop3d_wire_close(conn);
	leave(conn);
	return NULL;
}

static bool
start_thread(struct pop3d_conn *conn)
{
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	if (pthread_attr_init(&attr) != 0)
		return false;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	failed = pthread_create(&thread, &attr, serve, conn);
	(void)pthread_attr_destroy(&attr);
	return failed == 0;
}

static bool
is_over(int until, unsigned id)
{
	return until != 0 && id > (unsigned)until;
}

/* What a server can do may change from one connection to the next. */
static void
set_abilities(struct pop3d_conn *conn)
{
	const struct pop3d_conf *conf = &conn->server->conf;
	bool over = is_over(conf->pipelining_until, conn->id);

	conn->no_pipelining = conf->no_pipelining || over;
	conn->drops_along = conf->false_pipelining || over;
	conn->no_sasl = conf->no_sasl || is_over(conf->sasl_until, conn->id);
	conn->no_initial =
	    conf->auth_challenge || is_over(conf->initial_until, conn->id);
}

static struct pop3d_conn *
join(struct pop3d_server *server, int fd)
{
	struct pop3d_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return NULL;
	conn->server = server;
	conn->fd = fd;
	conn->out_left = conn->part_left = UINT64_MAX;
	(void)pthread_mutex_lock(&server->lock);
	conn->id = ++server->opened;
	set_abilities(conn);
	conn->next = server->conns;
	server->conns = conn;
	server->live++;
	(void)pthread_mutex_unlock(&server->lock);
	return conn;
}

static void
accept_one(struct pop3d_server *server)
{
	struct timeval idle = { .tv_sec = IDLE_SECONDS };
	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC), on = 1;
	struct pop3d_conn *conn;
	unsigned live;

	if (fd == -1)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof(idle));
	(void)pthread_mutex_lock(&server->lock);
	live = server->live;
	(void)pthread_mutex_unlock(&server->lock);
	conn = live < POP3D_CONN_MAX ? join(server, fd) : NULL;
	if (conn == NULL)
		(void)close(fd);
	else if (!start_thread(conn))
		leave(conn);
}

/* Wake what waits for a peer, then wait for the threads. */
static void
stop(struct pop3d_server *server)
{
	(void)pthread_mutex_lock(&server->lock);
	for (struct pop3d_conn *conn = server->conns; conn != NULL;
	     conn = conn->next)
		(void)shutdown(conn->fd, SHUT_RDWR);
	while (server->live > 0)
		(void)pthread_cond_wait(&server->idle, &server->lock);
	(void)pthread_mutex_unlock(&server->lock);
}

static void
loop(struct pop3d_server *server)
{
	struct pollfd fds[] = {
		{ .fd = server->listen_fd, .events = POLLIN },
		{ .fd = server->wake_fd, .events = POLLIN },
		{ .fd = server->signal_fd, .events = POLLIN },
	};

	while (fds[1].revents == 0 && fds[2].revents == 0) {
		if (poll(fds, 3, -1) == -1 && errno != EINTR)
			break;
		if (fds[0].revents & POLLIN)
			accept_one(server);
	}
	stop(server);
}

static int
bind_socket(const struct addrinfo *info)
{
	int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
	    listen(fd, 64) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static bool
open_listener(struct pop3d_server *server)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		                  .ai_socktype = SOCK_STREAM };
	struct addrinfo *info = NULL;
	char port[8];

	(void)snprintf(port, sizeof(port), "%u",
	               (unsigned)server->conf.port & 0xffff);
	if (getaddrinfo(server->conf.listen, port, &hints, &info) != 0) {
		errno = EINVAL;
		return complain(server->conf.listen);
	}
	server->listen_fd = bind_socket(info);
	freeaddrinfo(info);
	return server->listen_fd != -1 || complain("listen");
}

static unsigned
bound_port(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = sizeof(address);
	char port[8];

	if (getsockname(fd, (struct sockaddr *)&address, &len) == -1 ||
	    getnameinfo((struct sockaddr *)&address, len, NULL, 0, port,
	                sizeof(port), NI_NUMERICSERV) != 0)
		return 0;
	return (unsigned)strtoul(port, NULL, 10);
}

/* The file appears whole: a test may wait for it. */
static bool
announce(const struct pop3d_server *server)
{
	unsigned port = bound_port(server->listen_fd);
	const char *path = server->conf.port_file;
	char temp[4096];
	FILE *file;

	if (path != NULL) {
		(void)snprintf(temp, sizeof(temp), "%s.new", path);
		file = fopen(temp, "we");
		if (file == NULL)
			return complain(temp);
		(void)fprintf(file, "%u\n", port);
		if (fclose(file) != 0 || rename(temp, path) == -1)
			return complain(path);
	}
	(void)printf("listening %u\n", port);
	return fflush(stdout) == 0;
}

/* Signals come by descriptor: blocked before any thread starts. */
static bool
take_signals(struct pop3d_server *server)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	server->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
	server->wake_fd = eventfd(0, EFD_CLOEXEC);
	return (server->signal_fd != -1 && server->wake_fd != -1) ||
	       complain("signals");
}

static bool
open_log(struct pop3d_server *server)
{
	if (server->conf.log == NULL)
		return true;
	server->log_fd = open(server->conf.log,
	                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	return server->log_fd != -1 || complain(server->conf.log);
}

static bool
set_up(struct pop3d_server *server)
{
	if (!open_log(server) || !take_signals(server))
		return false;
	if (!pop3d_drop_init(&server->drop, &server->conf))
		return complain("maildrop");
	if (server->conf.tls != POP3D_PLAIN) {
		server->ctx = pop3d_tls_new(&server->conf);
		if (server->ctx == NULL)
			return complain("certificate");
	}
	return open_listener(server) && announce(server);
}

static void
tear_down(struct pop3d_server *server)
{
	const int fds[] = { server->listen_fd, server->wake_fd,
		            server->signal_fd, server->log_fd };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] != -1)
			(void)close(fds[i]);
	pop3d_drop_free(&server->drop);
	SSL_CTX_free(server->ctx);
	(void)pthread_cond_destroy(&server->idle);
	(void)pthread_mutex_destroy(&server->lock);
}

int
main(int argc, char **argv)
{
	struct pop3d_server server = {
		.listen_fd = -1,
		.wake_fd = -1,
		.signal_fd = -1,
		.log_fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.idle = PTHREAD_COND_INITIALIZER,
	};
	int status = 0;
	bool ok;

	(void)argc;
	if (!pop3d_conf_read(&server.conf, argv, &status))
		return status;
	ok = set_up(&server);
	if (ok)
		loop(&server);
	tear_down(&server);
	return ok ? 0 : 70;
}
