/*
 * state.h - which links are up, what was told of it; private to link.
 *
 * Contract
 *   Facts in, lists out: no socket, no clock. see() takes what a look found:
 *   SEEN is it. It is told by tell(), and differs() from TOLD until then; the
 *   caller waits in between, so that what comes back in time is never told.
 */
#ifndef LINK_STATE_H
#define LINK_STATE_H

#include "link/netlink.h"

#define SLED_STATE_MAX 64 /* links, up or remembered */

struct sled_state_list {
	struct sled_link at[SLED_STATE_MAX];
	size_t len;
};

/* What is known of an interface, up or not. */
struct sled_state_face {
	char name[SLED_LINK_NAME];
	uint64_t mark, changes;
	bool there, up;
	int64_t since_ms;
	char connection[64]; /* from hooks, until "down" or it is gone */
	bool metered;
};

struct sled_state {
	struct sled_state_face faces[SLED_STATE_MAX];
	size_t len;
	uint64_t moves; /* the last that `changes` was given */
	struct sled_state_list seen, told;
};

/* DIRECT[0..LEN): names of interfaces that lead to a server. */
void sled_state_see(struct sled_state *state, const struct sled_net *net,
                    const char (*direct)[SLED_LINK_NAME], size_t len,
                    int64_t now_ms);
/* A hook's; shows at the next see(). */
void sled_state_hook(struct sled_state *state,
                     const struct sled_link_event *event);
bool sled_state_differs(const struct sled_state *state);
void sled_state_tell(struct sled_state *state);

#endif
