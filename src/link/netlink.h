/*
 * netlink.h - what the kernel's dumps say of its interfaces; private to link.
 *
 * Contract
 *   Bytes in, facts out: no socket, no clock. A dump of links (RTM_GETLINK),
 *   then those of addresses and of routes, are fed to one sled_net; each begins
 *   with sled_net_request(), whose SEQ is matched. Bytes that are none of ours,
 *   or cut short, are passed over and never read beyond LEN.
 */
#ifndef LINK_NETLINK_H
#define LINK_NETLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailsled/link.h"

struct sled_net_face {
	unsigned index;
	char name[SLED_LINK_NAME];
	bool up; /* may carry packets: set up, with carrier, not dormant */
	bool loopback;
	bool ipv4, ipv6; /* has a default route in the main table */
	uint32_t metric; /* the least of them; UINT32_MAX: none */
	/* Of its index, carrier, addresses and default gateways, in whatever
	 * order they came: another one when one of them changed. */
	uint64_t mark;
};

struct sled_net {
	struct sled_net_face *faces;
	size_t len, room;
	bool interrupted;
};

enum sled_net_step {
	SLED_NET_MORE,  /* the dump goes on */
	SLED_NET_DONE,  /* it is whole */
	SLED_NET_AGAIN, /* it is over, but is not of one moment: begin anew */
	SLED_NET_FAIL,  /* the kernel refused, or no memory */
};

#define SLED_NET_REQUEST 64
#define SLED_NET_DUMPS   4

/* Dump number WHAT, below SLED_NET_DUMPS, in their order. Its length. */
size_t sled_net_request(unsigned what, uint32_t seq,
                        uint32_t out[static SLED_NET_REQUEST / 4]);
/* BYTES: whole netlink messages, aligned to 4. */
enum sled_net_step sled_net_feed(struct sled_net *net, const void *bytes,
                                 size_t len, uint32_t seq);
/* NULL: no such one. */
struct sled_net_face *sled_net_find(const struct sled_net *net,
                                    const char *name);
void sled_net_clear(struct sled_net *net); /* and free */

#endif
