/*
 * link.h - which links are up: rtnetlink, and events from hooks.
 *
 * Contract
 *   Runs on a loop. A link is an interface that is up with carrier and has a
 *   default route (either family), or one with a route to ROUTE_TO. Changes of
 *   the kernel's are debounced by SLED_LINK_SETTLE_MS and the routes looked at
 *   again before CHANGED is called; a hook's "up" is believed only when the
 *   routes say so too, its names and its metered flag are kept for the
 *   interface until its "down". Nothing is sent on any link.
 *   Errors: INTERNAL (no netlink socket), NOMEM.
 */
#ifndef MAILSLED_LINK_H
#define MAILSLED_LINK_H

#include "mailsled/conf.h"
#include "mailsled/loop.h"

#define SLED_LINK_SETTLE_MS 2000
#define SLED_LINK_NAME      16 /* an interface, with the NUL */

struct sled_link {
	char name[SLED_LINK_NAME];
	char connection[64]; /* from a hook, or "" */
	bool metered;        /* a hook said so */
	bool ipv4, ipv6;     /* has a default route */
	uint32_t metric;     /* the least of its default routes */
	int64_t since_ms;    /* sled_clock_ms() when it came up */
	uint64_t changes;    /* of its carrier or addresses: another link when
	                      * this has moved */
};

struct sled_links; /* opaque */
typedef void sled_links_fn(void *ctx);

SLED_CHECK bool sled_links_new(struct sled_links **out, struct sled_loop *loop,
                               sled_links_fn *changed, void *ctx,
                               struct sled_err *err);
void sled_links_free(struct sled_links **links);
/* Those that are up, the kernel's choice (least metric) first; owned by LINKS,
 * until the next callback of the loop. */
const struct sled_link *sled_links_up(const struct sled_links *links,
                                      size_t *len);
/* Look again, now: after a suspend, a dial, or when a look has failed. */
void sled_links_look(struct sled_links *links);

/* What a hook tells: `mailsled event up if=ppp0 connection=Provider`. */
struct sled_link_event {
	bool up;
	char name[SLED_LINK_NAME]; /* "" : look at all of them */
	char connection[64];
	int metered; /* 1 yes, 0 no, -1 not told */
	/* ppp's, at "down"; 0: not told. */
	uint64_t connect_s, bytes_sent, bytes_received;
};

void sled_links_event(struct sled_links *links,
                      const struct sled_link_event *event);

/*
 * The section that applies to LINK: ASKED (an argument; it names a section or
 * matches its glob) before connection, interface, "metered" and "default"; of
 * several globs the first in the file, a plain name before a glob. NULL: none.
 */
const struct sled_conf_link *sled_link_profile(const struct sled_conf *conf,
                                               const struct sled_link *link,
                                               const char *asked);
/* Does the system have an interface that PATTERN (a section's name) names? */
bool sled_link_exists(const char *pattern);

#endif
