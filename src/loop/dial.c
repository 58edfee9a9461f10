/*
 * dial.c - race the cached addresses, then the found; see mailsled/loop.h.
 *
 * Each racer is a connection that has no owner yet. The addresses stand in one
 * row, the cached first; each is tried once. The look-up begins with the second
 * step, or with the first when nothing is cached.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop/internal.h"
#include "mailsled/loop.h"
#include "mailsled/text.h"

#define HOST_MAX 256 /* a name has at most 253 octets */
#define ROW_MAX  ((size_t)2 * SLED_DIAL_MAX)

struct sled_dial {
	uv_timer_t stagger;
	struct sled_loop *loop;
	struct sled_query *query;
	bool asked;
	int fault; /* of the look-up: libuv's code */
	struct sled_addrs found;
	struct sockaddr_storage addrs[ROW_MAX];
	struct sled_conn *racers[ROW_MAX];
	size_t count, next; /* addresses; the first not tried */
	size_t racing;
	bool refused; /* by a machine that is there */
	bool lost;    /* an address that should have answered did not */
	struct sled_dial_to to; /* its texts are not valid any more */
	char *name;
	char host[HOST_MAX]; /* fit for a terminal */
	char story[384];     /* "ADDRESS: why; ADDRESS: why" */
	char list[LOOP_LIST_MAX];
	sled_dial_fn *fn;
	void *ctx;
};

static void go_on(struct sled_dial *dial);

static void
on_dial_closed(uv_handle_t *handle)
{
	struct sled_dial *dial = handle->data;

	free(dial->name);
	free(dial);
}

/* Close what still runs; the caller's fn is not called after this. */
static void
settle(struct sled_dial *dial)
{
	(void)uv_timer_stop(&dial->stagger);
	sled_query_drop(&dial->query);
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
	char addr[LOOP_ADDRESS_MAX];

	if (code == UV_ECONNREFUSED)
		dial->refused = true;
	else if (!is_ours(code))
		dial->lost = true;
	sled_addr_text(addr, (const struct sockaddr *)&dial->addrs[i]);
	(void)snprintf(dial->story + len, sizeof(dial->story) - len, "%s%s: %s",
	               len == 0 ? "" : "; ", addr, strerror(-code));
}

static void
tell_race(const struct sled_dial *dial, struct sled_err *err)
{
	bool refused = dial->refused && !dial->lost;

	(void)sled_fail(err, refused ? SLED_ERR_SERVER : SLED_ERR_LINK,
	                "connect to %s port %u: %s", dial->host,
	                (unsigned)dial->to.port, dial->story);
	(void)sled_hint(err, refused ? "is the port right, is the server up?"
	                             : "is the link up?");
}

static void
fail_dial(struct sled_dial *dial)
{
	struct sled_err err = { 0 };

	if (dial->fault == 0) {
		tell_race(dial, &err);
	} else {
		(void)sled_query_fail(dial->host, dial->fault, &err);
		if (dial->story[0] != '\0')
			(void)sled_note(&err, "%s", dial->story);
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
		sled_addrs_text(dial->list, &dial->found,
		                &dial->addrs[conn->attempt]);
		sled_conn_ready(conn);
		dial->fn(dial->ctx, conn, NULL);
		return;
	}
	remember(dial, conn->attempt, status);
	sled_conn_close(conn);
	go_on(dial);
}

static int
try_address(struct sled_dial *dial, size_t i)
{
	const struct sockaddr *addr = (const struct sockaddr *)&dial->addrs[i];
	struct sled_conn *conn;
	int code =
	    sled_conn_make(&conn, dial->loop, addr->sa_family, &dial->to);

	if (code < 0)
		return code;
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

/* A found address that is in the row already is tried, or will be. */
static void
add_address(struct sled_dial *dial, const struct sockaddr_storage *addr)
{
	for (size_t i = 0; i < dial->count; i++) {
		if (sled_addr_same(&dial->addrs[i], addr))
			return;
	}
	if (dial->count < ROW_MAX)
		dial->addrs[dial->count++] = *addr;
}

static void
on_found(void *ctx, int code, const struct sled_addrs *found)
{
	struct sled_dial *dial = ctx;

	dial->query = NULL;
	dial->fault = code;
	dial->found = *found;
	sled_addrs_text(dial->list, found, NULL);
	for (size_t i = 0; i < found->count; i++)
		add_address(dial, &found->at[i]);
	/* One that was begun just now has its time first. */
	if (dial->racing == 0 || !uv_is_active((uv_handle_t *)&dial->stagger))
		go_on(dial);
}

static void
ask(struct sled_dial *dial)
{
	if (dial->asked)
		return;
	dial->asked = true;
	dial->fault = sled_query_start(&dial->query, dial->loop, dial->name,
	                               dial->to.port, on_found, dial);
}

static void
on_step(uv_timer_t *stagger)
{
	go_on(stagger->data);
}

static void
next_step(struct sled_dial *dial, uint64_t after_ms)
{
	uv_update_time(&dial->loop->uv);
	(void)uv_timer_start(&dial->stagger, on_step, after_ms, 0);
}

/* Try addresses until one is on its way; fail when none is left, racing or
 * being looked up. */
static void
go_on(struct sled_dial *dial)
{
	(void)uv_timer_stop(&dial->stagger);
	while (dial->next < dial->count) {
		size_t i = dial->next++;
		int code;

		if (i > 0)
			ask(dial);
		code = try_address(dial, i);
		if (code == 0) {
			next_step(dial, dial->to.stagger_ms);
			return;
		}
		remember(dial, i, code);
	}
	ask(dial);
	if (dial->racing == 0 && dial->query == NULL)
		fail_dial(dial);
}

/* Without a cached address a bad name is told at once. */
static bool
begin(struct sled_dial *dial, const char *cached, struct sled_err *err)
{
	struct sled_addrs addrs;

	sled_addrs_parse(&addrs, cached == NULL ? "" : cached, dial->to.port);
	for (size_t i = 0; i < addrs.count; i++)
		add_address(dial, &addrs.at[i]);
	if (dial->count == 0)
		ask(dial);
	return dial->fault == 0 ||
	       sled_query_fail(dial->host, dial->fault, err);
}

bool
sled_dial_new(struct sled_dial **out, struct sled_loop *loop,
              const struct sled_dial_to *to, sled_dial_fn *fn, void *ctx,
              struct sled_err *err)
{
	struct sled_dial *dial = calloc(1, sizeof(*dial));

	*out = NULL;
	if (dial == NULL || (dial->name = strdup(to->host)) == NULL) {
		free(dial);
		return sled_fail_sys(err, ENOMEM, "dial");
	}
	dial->loop = loop;
	dial->fn = fn;
	dial->ctx = ctx;
	dial->to = *to;
	if (dial->to.stagger_ms == 0)
		dial->to.stagger_ms = SLED_DIAL_STAGGER_MS;
	sled_text_clip(dial->host, sizeof(dial->host),
	               (struct sled_span){ to->host, strlen(to->host) });
	if (!begin(dial, to->cached, err)) {
		free(dial->name);
		free(dial);
		return false;
	}
	(void)uv_timer_init(&loop->uv, &dial->stagger);
	dial->stagger.data = dial;
	if (dial->count > 0)
		next_step(dial, 0);
	loop->live++;
	*out = dial;
	return true;
}

const char *
sled_dial_found(const struct sled_dial *dial)
{
	return dial->list;
}
