/*
 * links.c - the kernel's news, looks at its tables, and the wait between; see
 * mailsled/link.h.
 *
 * News is not read: after the first of it, and LOOK_MS for more of it, all
 * tables are dumped. So what was lost on the way (ENOBUFS) costs nothing.
 */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "link/state.h"
#include "mailsled/clock.h"

#define LOOK_MS    100
#define TRIES      8   /* of a look while the tables change */
#define READS      256 /* of news in a row */
#define REPLY      ((size_t)32768)
#define DIRECT_MAX SLED_STATE_MAX

struct sled_links {
	struct sled_loop *loop;
	struct mnl_socket *news, *asked;
	struct sled_watch *watch;
	struct sled_timer *look;   /* runs: there is news */
	struct sled_timer *settle; /* runs: what is seen is not told yet */
	bool looking, settling;
	bool owed; /* a call of CHANGED, for what look() has told */
	sled_links_fn *changed;
	void *ctx;
	uint32_t seq;
	char **addresses;
	size_t addresses_len;
	struct sled_state state;
	uint32_t reply[REPLY / sizeof(uint32_t)];
};

/* ---- a look ---- */

/* Of the news, that there was some; of an answer that was given up, its rest. */
static void
drain(struct sled_links *links, const struct mnl_socket *nl)
{
	for (int i = 0; i < READS; i++)
		if (recv(mnl_socket_get_fd(nl), links->reply,
		         sizeof(links->reply), MSG_DONTWAIT) == -1 &&
		    errno != ENOBUFS && errno != EINTR)
			return;
}

static enum sled_net_step
dump(struct sled_links *links, struct sled_net *net, unsigned what)
{
	uint32_t request[SLED_NET_REQUEST / 4], seq = ++links->seq;
	size_t len = sled_net_request(what, seq, request);
	enum sled_net_step step = SLED_NET_MORE;

	drain(links, links->asked);
	if (mnl_socket_sendto(links->asked, request, len) == -1)
		return SLED_NET_FAIL;
	while (step == SLED_NET_MORE) {
		ssize_t got = mnl_socket_recvfrom(links->asked, links->reply,
		                                  sizeof(links->reply));

		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return errno == ENOBUFS ? SLED_NET_AGAIN
			                        : SLED_NET_FAIL;
		step = sled_net_feed(net, links->reply, (size_t)got, seq);
	}
	return step;
}

static bool
dump_all(struct sled_links *links, struct sled_net *net)
{
	for (int i = 0; i < TRIES; i++) {
		enum sled_net_step step = SLED_NET_DONE;

		sled_net_clear(net);
		for (unsigned k = 0;
		     k < SLED_NET_DUMPS && step == SLED_NET_DONE; k++)
			step = dump(links, net, k);
		if (step == SLED_NET_DONE)
			return true;
		if (step == SLED_NET_FAIL)
			return false;
	}
	return false;
}

static size_t
find_direct(const struct sled_links *links, char (*out)[SLED_LINK_NAME])
{
	size_t len = 0;

	for (size_t i = 0; i < links->addresses_len && len < DIRECT_MAX; i++)
		if (sled_route_name(links->addresses[i], out[len]))
			len++;
	return len;
}

/* False: nothing could be seen now, and what was seen stays. */
static bool
look(struct sled_links *links)
{
	char direct[DIRECT_MAX][SLED_LINK_NAME];
	struct sled_net net = { .faces = NULL };
	bool ok = dump_all(links, &net);

	if (ok)
		sled_state_see(&links->state, &net,
		               (const char(*)[SLED_LINK_NAME])direct,
		               find_direct(links, direct), sled_clock_ms());
	sled_net_clear(&net);
	return ok;
}

/* ---- the wait ---- */

static void
look_soon(struct sled_links *links, uint64_t after_ms)
{
	if (links->looking)
		return;
	links->looking = true;
	sled_timer_start(links->look, after_ms);
}

/* The wait begins with the first difference, and is over when it is gone: who
 * flaps for ever is told of at its end. */
static void
settle(struct sled_links *links)
{
	if (links->owed)
		return;
	if (!sled_state_differs(&links->state)) {
		sled_timer_stop(links->settle);
		links->settling = false;
	} else if (!links->settling) {
		links->settling = true;
		sled_timer_start(links->settle, SLED_LINK_SETTLE_MS);
	}
}

static void
on_look(void *ctx)
{
	struct sled_links *links = ctx;

	links->looking = false;
	if (look(links))
		settle(links);
	else
		look_soon(links, SLED_LINK_SETTLE_MS);
}

static void
on_settled(void *ctx)
{
	struct sled_links *links = ctx;
	bool owed = links->owed;

	links->settling = links->owed = false;
	if (!owed && !look(links)) {
		look_soon(links, SLED_LINK_SETTLE_MS);
	} else if (owed || sled_state_differs(&links->state)) {
		if (!owed)
			sled_state_tell(&links->state);
		settle(links); /* what came since look() */
		links->changed(links->ctx);
	}
}

static void
on_news(void *ctx)
{
	struct sled_links *links = ctx;

	drain(links, links->news);
	look_soon(links, LOOK_MS);
}

/* ---- from outside ---- */

static struct mnl_socket *
open_socket(unsigned groups)
{
	const struct timeval wait = { .tv_sec = 1 };
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int code;

	if (nl == NULL)
		return NULL;
	/* The kernel answers at once; but nothing may hold up the loop. */
	(void)setsockopt(mnl_socket_get_fd(nl), SOL_SOCKET, SO_RCVTIMEO, &wait,
	                 sizeof(wait));
	if (mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) == 0)
		return nl;
	code = errno;
	(void)mnl_socket_close(nl);
	errno = code;
	return NULL;
}

static bool
open_all(struct sled_links *links, struct sled_err *err)
{
	links->news =
	    open_socket(RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
	                RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	if (links->news != NULL)
		links->asked = open_socket(0);
	if (links->asked == NULL)
		return sled_fail(err, SLED_ERR_INTERNAL, "netlink: %s",
		                 strerror(errno));
	return sled_timer_new(&links->look, links->loop, on_look, links, err) &&
	       sled_timer_new(&links->settle, links->loop, on_settled, links,
	                      err) &&
	       sled_watch_new(&links->watch, links->loop,
	                      mnl_socket_get_fd(links->news), on_news, links,
	                      err);
}

bool
sled_links_new(struct sled_links **out, struct sled_loop *loop,
               sled_links_fn *changed, void *ctx, struct sled_err *err)
{
	struct sled_links *links = calloc(1, sizeof(*links));

	*out = links;
	if (links == NULL)
		return sled_fail_sys(err, ENOMEM, "watch the links");
	links->loop = loop;
	links->changed = changed;
	links->ctx = ctx;
	if (!open_all(links, err)) {
		sled_links_free(out);
		return false;
	}
	if (look(links))
		sled_state_tell(&links->state);
	else
		look_soon(links, 0);
	return true;
}

static void
free_addresses(struct sled_links *links)
{
	for (size_t i = 0; i < links->addresses_len; i++)
		free(links->addresses[i]);
	free(links->addresses);
	links->addresses = NULL;
	links->addresses_len = 0;
}

void
sled_links_free(struct sled_links **links_p)
{
	struct sled_links *links = *links_p;

	if (links == NULL)
		return;
	*links_p = NULL;
	sled_watch_free(&links->watch);
	sled_timer_free(&links->look);
	sled_timer_free(&links->settle);
	if (links->news != NULL)
		(void)mnl_socket_close(links->news);
	if (links->asked != NULL)
		(void)mnl_socket_close(links->asked);
	free_addresses(links);
	free(links);
}

const struct sled_link *
sled_links_up(const struct sled_links *links, size_t *len)
{
	*len = links->state.told.len;
	return links->state.told.at;
}

bool
sled_links_look(struct sled_links *links)
{
	if (!look(links)) {
		look_soon(links, LOOK_MS);
		return false;
	}
	if (!sled_state_differs(&links->state)) {
		settle(links); /* nothing is left to wait for */
		return false;
	}
	sled_state_tell(&links->state);
	links->owed = true;
	sled_timer_start(links->settle, 0);
	return true;
}

bool
sled_links_to(struct sled_links *links, const char *const *addresses,
              size_t len, struct sled_err *err)
{
	free_addresses(links);
	links->addresses = calloc(len + 1, sizeof(*links->addresses));
	if (links->addresses == NULL)
		return sled_fail_sys(err, ENOMEM, "watch the links");
	for (size_t i = 0; i < len; i++) {
		links->addresses[i] = strdup(addresses[i]);
		if (links->addresses[i] == NULL)
			return sled_fail_sys(err, ENOMEM, "watch the links");
		links->addresses_len++;
	}
	look_soon(links, 0);
	return true;
}

void
sled_links_event(struct sled_links *links, const struct sled_link_event *event)
{
	sled_state_hook(&links->state, event);
	look_soon(links, LOOK_MS);
}
