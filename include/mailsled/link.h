/*
 * link.h - which links are up: rtnetlink, and events from hooks.
 *
 * Contract
 *   Runs on a loop. A link is an interface that is up with carrier and has a
 *   default route (either family, main table), or leads to an address that
 *   sled_links_to() named: a server in the LAN, or "lo" for one on this
 *   machine. Nothing is sent on any link.
 *
 *   What the kernel changes is looked at at once, and told SLED_LINK_SETTLE_MS
 *   later, when the tables were looked at again and still say so: CHANGED is
 *   called once for a burst, and not at all for what was back in time. A hook
 *   changes what a link is called, never whether it is up: an "up" that came
 *   late is believed only when the routes say so too. Its connection and its
 *   metered flag are kept until its "down", or until the interface is gone.
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
	bool direct;         /* leads to an address of sled_links_to() */
	uint32_t metric;     /* the least of its default routes; UINT32_MAX:
	                      * it has none */
	int64_t since_ms;    /* sled_clock_ms() when it came up */
	uint64_t changes;    /* moves when its carrier, an address or a default
	                      * gateway changed: it may lead elsewhere now */
};

struct sled_links; /* opaque */
/* What sled_links_up() says is another now. It may free LINKS. */
typedef void sled_links_fn(void *ctx);

/* What is up now is in sled_links_up() at once, and not told of. */
SLED_CHECK bool sled_links_new(struct sled_links **out, struct sled_loop *loop,
                               sled_links_fn *changed, void *ctx,
                               struct sled_err *err);
void sled_links_free(struct sled_links **links);
/* Those that are up, the kernel's choice (least metric) first; owned by LINKS,
 * until the next callback of the loop or call of look(). */
const struct sled_link *sled_links_up(const struct sled_links *links,
                                      size_t *len);
/* Look again, now, and wait for nothing: after a suspend, a dial, or when a
 * visit has failed. True when what is up is another than before; CHANGED comes
 * too, from the loop. */
bool sled_links_look(struct sled_links *links);
/*
 * From now on an interface that leads to one of these, numeric ones, is a link
 * too, with a default route or not; what is no address is passed over. They
 * take the place of those named before, are copied, and show after a settled
 * look: or at once, by look().
 */
SLED_CHECK bool sled_links_to(struct sled_links *links,
                              const char *const *addresses, size_t len,
                              struct sled_err *err);

/* What a hook tells: `mailsled event up if=ppp0 connection=Provider`. */
struct sled_link_event {
	bool up;
	char name[SLED_LINK_NAME]; /* "" : look at all of them */
	char connection[64];
	int metered; /* 1 yes, 0 no, -1 not told */
	/* ppp's, at "down"; 0: not told. They settle the receipt. */
	uint64_t connect_s, bytes_sent, bytes_received;
};

void sled_links_event(struct sled_links *links,
                      const struct sled_link_event *event);

/*
 * The section that applies to LINK, or NULL. The first of these that names one:
 * ASKED (an argument, or NULL; it may be a section's own name), the connection,
 * the interface, "metered" when it is, and "default". Of the sections that match
 * a name the plain one goes before a glob, and of globs the first in the file.
 * LINK may be NULL: ASKED and "default" alone.
 */
const struct sled_conf_link *sled_link_profile(const struct sled_conf *conf,
                                               const struct sled_link *link,
                                               const char *asked);
/* Does the system have an interface now that PATTERN (a section's name)
 * matches? */
bool sled_link_exists(const char *pattern);

#endif
