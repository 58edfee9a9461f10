/*
 * dial.c - look up, then race the addresses; see mailsled/loop.h.
 *
 * A dial waits for one look-up, then for its racers; each racer is a connection
 * that has no owner yet. Cancelling cuts both off: a look-up in the thread pool
 * cannot be called back, so it goes adrift and frees itself when it ends.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/internal.h"
#include "mailsled/loop.h"
#include "mailsled/text.h"

#define HOST_MAX 256 /* a name has at most 253 octets */

struct lookup {
	uv_getaddrinfo_t req;
	struct sled_loop *loop;
	struct sled_dial *dial; /* NULL: adrift */
};

struct sled_dial {
	uv_timer_t stagger;
	struct sled_loop *loop;
	struct lookup *lookup;
	struct sockaddr_storage addrs[SLED_DIAL_MAX];
	struct sled_conn *racers[SLED_DIAL_MAX];
	size_t count, next; /* addresses; the first not tried */
	size_t racing;
	bool refused; /* by a machine that is there */
	bool lost;    /* an address that should have answered did not */
	uint32_t stagger_ms;
	char host[HOST_MAX]; /* fit for a terminal */
	char service[8];
	char story[384]; /* "ADDRESS: why; ADDRESS: why" */
	sled_dial_fn *fn;
	void *ctx;
};

static void start_next(struct sled_dial *dial);

static void
on_dial_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Close what still runs; the caller's fn is not called after this. */
static void
settle(struct sled_dial *dial)
{
	(void)uv_timer_stop(&dial->stagger);
	if (dial->lookup != NULL) {
		dial->lookup->dial = NULL;
		dial->loop->adrift++;
		(void)uv_cancel((uv_req_t *)&dial->lookup->req);
		dial->lookup = NULL;
	}
	for (size_t i = 0; i < dial->count; i++) {
		if (dial->racers[i] == NULL)
			continue;
		dial->racers[i]->dial = NULL;
		sled_conn_close(dial->racers[i]);
		dial->racers[i] = NULL;
	}
}

void
sled_dial_free(struct sled_dial **dial)
{
	if (*dial == NULL)
		return;
	settle(*dial);
	(*dial)->loop->live--;
	uv_close((uv_handle_t *)&(*dial)->stagger, on_dial_closed);
	*dial = NULL;
}

static socklen_t
addr_len(const struct sockaddr_storage *addr)
{
	return addr->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
	                                   : sizeof(struct sockaddr_in);
}

/* No network of that kind here is no news about the server. */
static bool
is_ours(int code)
{
	return code == UV_ENETUNREACH || code == UV_EADDRNOTAVAIL ||
	       code == UV_EAFNOSUPPORT;
}

static void
remember(struct sled_dial *dial, size_t i, int code)
{
	size_t len = strlen(dial->story);
	char addr[64];

	if (code == UV_ECONNREFUSED)
		dial->refused = true;
	else if (!is_ours(code))
		dial->lost = true;
	sled_conn_address(addr, sizeof(addr),
	                  (const struct sockaddr *)&dial->addrs[i],
	                  addr_len(&dial->addrs[i]));
	(void)snprintf(dial->story + len, sizeof(dial->story) - len, "%s%s: %s",
	               len == 0 ? "" : "; ", addr, strerror(-code));
}

static void
fail_race(struct sled_dial *dial)
{
	struct sled_err err = { 0 };

	if (dial->refused && !dial->lost) {
		(void)sled_fail(&err, SLED_ERR_SERVER,
		                "connect to %s port %s: %s", dial->host,
		                dial->service, dial->story);
		(void)sled_hint(&err, "is the port right, is the server up?");
	} else {
		(void)sled_fail(&err, SLED_ERR_LINK,
		                "connect to %s port %s: %s", dial->host,
		                dial->service, dial->story);
		(void)sled_hint(&err, "is the link up?");
	}
	settle(dial);
	dial->fn(dial->ctx, NULL, &err);
}

static void
on_connect(uv_connect_t *req, int status)
{
	struct sled_conn *conn = req->data;
	struct sled_dial *dial = conn->dial;

	if (dial == NULL)
		return; /* cut off, and being closed */
	dial->racers[conn->attempt] = NULL;
	dial->racing--;
	if (status == 0) {
		settle(dial);
		sled_conn_ready(conn);
		dial->fn(dial->ctx, conn, NULL);
		return;
	}
	remember(dial, conn->attempt, status);
	sled_conn_close(conn);
	start_next(dial);
}

static int
try_address(struct sled_dial *dial, size_t i)
{
	const struct sockaddr *addr = (const struct sockaddr *)&dial->addrs[i];
	struct sled_err ignored = { 0 };
	struct sled_conn *conn;
	int code;

	if (!sled_conn_make(&conn, dial->loop, &ignored))
		return UV_ENOMEM;
	code = uv_tcp_connect(&conn->connect, &conn->tcp, addr, on_connect);
	if (code < 0) {
		sled_conn_close(conn);
		return code;
	}
	conn->dial = dial;
	conn->attempt = i;
	dial->racers[i] = conn;
	dial->racing++;
	return 0;
}

static void
on_stagger(uv_timer_t *stagger)
{
	start_next(stagger->data);
}

/* Try addresses until one is on its way; fail when none is left or racing. */
static void
start_next(struct sled_dial *dial)
{
	(void)uv_timer_stop(&dial->stagger);
	while (dial->next < dial->count) {
		size_t i = dial->next++;
		int code = try_address(dial, i);

		if (code == 0) {
			uv_update_time(&dial->loop->uv);
			(void)uv_timer_start(&dial->stagger, on_stagger,
			                     dial->stagger_ms, 0);
			return;
		}
		remember(dial, i, code);
	}
	if (dial->racing == 0)
		fail_race(dial);
}

static const struct addrinfo *
add_next(struct sled_dial *dial, const struct addrinfo *at, bool six)
{
	while (at != NULL && at->ai_family != (six ? AF_INET6 : AF_INET))
		at = at->ai_next;
	if (at == NULL)
		return NULL;
	if (dial->count < SLED_DIAL_MAX)
		memcpy(&dial->addrs[dial->count++], at->ai_addr,
		       at->ai_addrlen);
	return at->ai_next;
}

/* RFC 8305 section 4, with a First Address Family Count of one. */
static void
take_turns(struct sled_dial *dial, const struct addrinfo *found)
{
	bool six = found != NULL && found->ai_family == AF_INET6;
	const struct addrinfo *own = found, *other = found;

	while (own != NULL || other != NULL) {
		own = add_next(dial, own, six);
		other = add_next(dial, other, !six);
	}
}

static bool
fail_lookup(const struct sled_dial *dial, int code, struct sled_err *err)
{
	if (code == UV_EAI_MEMORY || code == UV_ENOMEM)
		return sled_fail_sys(err, ENOMEM, "look up %s", dial->host);
	if (code == UV_EAI_NONAME || code == UV_EAI_NODATA ||
	    code == UV_EAI_ADDRFAMILY || code == 0) {
		(void)sled_fail(err, SLED_ERR_HOST, "no such host %s",
		                dial->host);
		return sled_hint(err, "check the server's name");
	}
	(void)sled_fail(err, SLED_ERR_LINK, "look up %s: %s", dial->host,
	                uv_strerror(code));
	return sled_hint(err, "is the link up? no name server answered");
}

static void
on_found(uv_getaddrinfo_t *req, int status, struct addrinfo *found)
{
	struct lookup *lookup = req->data;
	struct sled_dial *dial = lookup->dial;
	struct sled_err err = { 0 };

	if (dial == NULL) {
		lookup->loop->adrift--;
	} else {
		dial->lookup = NULL;
		if (status == 0)
			take_turns(dial, found);
	}
	uv_freeaddrinfo(found);
	free(lookup);
	if (dial == NULL)
		return;
	if (dial->count > 0) {
		start_next(dial);
		return;
	}
	(void)fail_lookup(dial, status, &err);
	dial->fn(dial->ctx, NULL, &err);
}

static bool
start_lookup(struct sled_dial *dial, const char *host, struct sled_err *err)
{
	static const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		                               .ai_socktype = SOCK_STREAM,
		                               .ai_flags = AI_NUMERICSERV };
	struct lookup *lookup = malloc(sizeof(*lookup));
	int code;

	if (lookup == NULL)
		return fail_lookup(dial, UV_ENOMEM, err);
	*lookup = (struct lookup){ .loop = dial->loop, .dial = dial };
	lookup->req.data = lookup;
	code = uv_getaddrinfo(&dial->loop->uv, &lookup->req, on_found, host,
	                      dial->service, &hints);
	if (code < 0) {
		free(lookup);
		/* All but this says that it can be nobody's name. */
		return fail_lookup(
		    dial, code == UV_ENOMEM ? code : UV_EAI_NONAME, err);
	}
	dial->lookup = lookup;
	return true;
}

bool
sled_dial_new(struct sled_dial **out, struct sled_loop *loop,
              const struct sled_dial_to *to, sled_dial_fn *fn, void *ctx,
              struct sled_err *err)
{
	struct sled_dial *dial = calloc(1, sizeof(*dial));

	*out = NULL;
	if (dial == NULL)
		return sled_fail_sys(err, ENOMEM, "dial");
	dial->loop = loop;
	dial->fn = fn;
	dial->ctx = ctx;
	dial->stagger_ms =
	    to->stagger_ms == 0 ? SLED_DIAL_STAGGER_MS : to->stagger_ms;
	(void)snprintf(dial->service, sizeof(dial->service), "%u",
	               (unsigned)to->port);
	sled_text_clip(dial->host, sizeof(dial->host),
	               (struct sled_span){ to->host, strlen(to->host) });
	if (!start_lookup(dial, to->host, err)) {
		free(dial);
		return false;
	}
	(void)uv_timer_init(&loop->uv, &dial->stagger);
	dial->stagger.data = dial;
	loop->live++;
	*out = dial;
	return true;
}
