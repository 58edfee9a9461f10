/* serve.c - the server; see mailsled/serve.h. */
#include "mailsled/serve.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"
#include "serve/internal.h"
#include "serve/visitor.h"

#define LOOPBACK "127.0.0.1"
#define MEMORY   32768 /* octets a connection: the most that a header has */
#define SILENT_S 30    /* nothing is heard, nothing taken */
#define BACKLOG  128
#define TICK_MS  1000

/* ---- what libmicrohttpd calls ---- */

/* NOLINTBEGIN(readability-function-size): the form is libmicrohttpd's */
static enum MHD_Result
handle(void *ctx, struct MHD_Connection *http, const char *url,
       const char *method, const char *version, const char *data, size_t *size,
       void **at)
{
	struct sled_serve *serve = ctx;

	(void)version;
	if (*at == NULL)
		*at = sled_visitor_new(serve, http, url);
	serve->busy_since_idle = true;
	return *at == NULL ? MHD_NO
	                   : sled_visitor_go_on(*at, method, data, size);
}

/* NOLINTEND(readability-function-size) */

static void
end_request(void *ctx, struct MHD_Connection *http, void **at,
            enum MHD_RequestTerminationCode why)
{
	(void)ctx;
	(void)http;
	(void)why;
	if (*at != NULL)
		sled_visitor_free(*at);
	*at = NULL;
}

static void
notice(void *ctx, struct MHD_Connection *http, void **at,
       enum MHD_ConnectionNotificationCode what)
{
	struct sled_serve *serve = ctx;
	const union MHD_ConnectionInfo *info;

	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (*at != NULL)
			sled_callers_remove(&serve->callers, *at);
		*at = NULL;
		return;
	}
	info = MHD_get_connection_info(http, MHD_CONNECTION_INFO_CONNECTION_FD);
	*at = info == NULL ? NULL
	                   : sled_callers_add(&serve->callers, info->connect_fd,
	                                      sled_clock_ms());
}

/* What it complains of is others' doing, and would fill a log. */
static void
log_nothing(void *ctx, const char *fmt, va_list args)
{
	(void)ctx;
	(void)fmt;
	(void)args;
}

/* ---- making it ---- */

static bool
find_address(const char *address, uint16_t port, struct addrinfo **out)
{
	const struct addrinfo hints = { .ai_flags =
		                            AI_NUMERICHOST | AI_NUMERICSERV,
		                        .ai_socktype = SOCK_STREAM };
	char text[8];

	(void)snprintf(text, sizeof(text), "%u", port);
	return getaddrinfo(address, text, &hints, out) == 0;
}

bool
sled_serve_is_open(const char *address)
{
	return strncmp(address, "127.", 4) != 0 && strcmp(address, "::1") != 0;
}

static int
listen_at(const struct addrinfo *at)
{
	const int one = 1;
	int fd = socket(at->ai_family,
	                SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd == -1)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
	    (at->ai_family != AF_INET6 ||
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) ==
	         0) &&
	    bind(fd, at->ai_addr, at->ai_addrlen) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

static bool
note_port(struct sled_serve *serve, int fd, struct sled_err *err)
{
	struct sockaddr_storage at = { 0 };
	socklen_t len = sizeof(at);
	char port[8];

	if (getsockname(fd, (struct sockaddr *)&at, &len) == -1 ||
	    getnameinfo((struct sockaddr *)&at, len, NULL, 0, port,
	                sizeof(port), NI_NUMERICSERV) != 0)
		return sled_fail_sys(err, errno, "socket");
	serve->port = (uint16_t)strtoul(port, NULL, 10);
	return true;
}

static bool
open_socket(struct sled_serve *serve, int *out, struct sled_err *err)
{
	const char *address =
	    serve->conf.address == NULL ? LOOPBACK : serve->conf.address;
	struct addrinfo *found = NULL;
	int errnum;

	(void)snprintf(serve->address, sizeof(serve->address),
	               strchr(address, ':') == NULL ? "%s" : "[%s]", address);
	if (!find_address(address, serve->conf.port, &found)) {
		(void)sled_fail(err, SLED_ERR_USAGE,
		                "%.60s: no numeric address", address);
		return sled_hint(err, "--address 127.0.0.1");
	}
	*out = listen_at(found);
	errnum = errno;
	freeaddrinfo(found);
	if (*out != -1)
		return note_port(serve, *out, err);
	(void)sled_fail_sys(err, errnum, "listen at %s port %u", serve->address,
	                    serve->conf.port);
	err->kind = errnum == EADDRINUSE ? SLED_ERR_SERVER : SLED_ERR_CONFIG;
	return sled_hint(err, errnum == EADDRINUSE
	                          ? "leave --port out: any free one is taken"
	                          : "--address is one of this machine's own");
}

static bool
start(struct sled_serve *serve, struct sled_err *err)
{
	int fd = -1;

	if (!open_socket(serve, &fd, err))
		return false;
	serve->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
	    NULL, NULL, handle, serve, MHD_OPTION_EXTERNAL_LOGGER, log_nothing,
	    NULL, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)SLED_CALLERS_HARD, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SILENT_S,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_COMPLETED,
	    end_request, serve, MHD_OPTION_NOTIFY_CONNECTION, notice, serve,
	    MHD_OPTION_END);
	if (serve->daemon != NULL)
		return true;
	(void)close(fd);
	return sled_fail(err, SLED_ERR_INTERNAL,
	                 "the web server did not start");
}

/* An end that was asked for is an event as any other. */
static bool
catch_signals(struct sled_serve *serve, struct sled_err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return sled_fail_sys(err, errno, "signals");
	serve->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	serve->ended = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return (serve->signals != -1 && serve->ended != -1) ||
	       sled_fail_sys(err, errno, "signals");
}

bool
sled_serve_new(struct sled_serve **out, const struct sled_serve_conf *conf,
               struct sled_err *err)
{
	struct sled_serve *serve = calloc(1, sizeof(*serve));

	*out = NULL;
	if (serve == NULL)
		return sled_fail_sys(err, ENOMEM, "web server");
	serve->conf = *conf;
	serve->signals = serve->ended = -1;
	serve->name = conf->name == NULL ? NULL : strdup(conf->name);
	if ((conf->name == NULL || serve->name != NULL ||
	     sled_fail_sys(err, ENOMEM, "web server")) &&
	    sled_guard_new(&serve->guard, conf->password, err) &&
	    catch_signals(serve, err) && start(serve, err)) {
		*out = serve;
		return true;
	}
	sled_serve_free(&serve);
	return false;
}

/* No connection may be suspended when the daemon stops. */
static void
stop(struct sled_serve *serve)
{
	struct sled_visitor *waiting = NULL;

	if (serve->errand != NULL)
		waiting = sled_errand_drop(serve);
	if (waiting != NULL) {
		MHD_resume_connection(waiting->http);
		waiting->refused = true;
	}
	MHD_stop_daemon(serve->daemon);
}

void
sled_serve_free(struct sled_serve **freeing)
{
	struct sled_serve *serve = *freeing;

	*freeing = NULL;
	if (serve == NULL)
		return;
	if (serve->daemon != NULL)
		stop(serve);
	if (serve->signals != -1)
		(void)close(serve->signals);
	if (serve->ended != -1)
		(void)close(serve->ended);
	sled_guard_free(&serve->guard);
	free(serve->name);
	free(serve);
}

bool
sled_serve_address(struct sled_serve *serve, struct sled_buf *out,
                   struct sled_err *err)
{
	char ticket[SLED_GUARD_WORD];

	if (!sled_buf_printf(out, err, "http://%s:%u/", serve->address,
	                     serve->port))
		return false;
	return serve->guard.has_password ||
	       (sled_guard_ticket(&serve->guard, ticket, err) &&
	        sled_buf_printf(out, err, "?ticket=%s", ticket));
}

/* ---- running ---- */

/* How long nothing needs to be done; -1: until something happens. */
static int
time_left(struct sled_serve *serve)
{
	MHD_UNSIGNED_LONG_LONG wanted = 0;
	bool tick = serve->callers.len > 0 || serve->busy_since_idle;

	if (MHD_get_timeout(serve->daemon, &wanted) == MHD_YES &&
	    (wanted < TICK_MS || !tick))
		return wanted > TICK_MS ? TICK_MS : (int)wanted;
	return tick ? TICK_MS : -1;
}

static void
go_on(struct sled_serve *serve)
{
	struct sled_visitor *visitor = sled_errand_end(serve);

	if (visitor != NULL)
		MHD_resume_connection(visitor->http);
}

static void
rest(struct sled_serve *serve)
{
	if (serve->busy_since_idle && serve->conf.idle != NULL)
		serve->conf.idle(serve->conf.ctx);
	serve->busy_since_idle = false;
}

bool
sled_serve_run(struct sled_serve *serve, struct sled_err *err)
{
	const union MHD_DaemonInfo *info =
	    MHD_get_daemon_info(serve->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[] = { { serve->signals, POLLIN, 0 },
		                { serve->ended, POLLIN, 0 },
		                { info == NULL ? -1 : info->epoll_fd, POLLIN,
		                  0 } };

	for (;;) {
		int count = poll(fds, 3, time_left(serve));

		if (count == -1 && errno != EINTR)
			return sled_fail_sys(err, errno, "poll");
		if (count > 0 && fds[0].revents != 0)
			return true;
		if (count > 0 && fds[1].revents != 0)
			go_on(serve);
		if (MHD_run(serve->daemon) != MHD_YES)
			return sled_fail(err, SLED_ERR_INTERNAL,
			                 "the web server failed");
		sled_callers_sweep(&serve->callers, sled_clock_ms());
		if (count == 0)
			rest(serve);
	}
}
