/* state.c - see link/state.h. */
#include "link/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sled_state_face *
find(struct sled_state *state, const char *name)
{
	for (size_t i = 0; i < state->len; i++)
		if (strcmp(state->faces[i].name, name) == 0)
			return &state->faces[i];
	return NULL;
}

/* When all are taken, one that is gone makes room: ppp0 to ppp99. */
static struct sled_state_face *
add(struct sled_state *state, const char *name)
{
	struct sled_state_face *face = NULL;

	if (state->len < SLED_STATE_MAX)
		face = &state->faces[state->len++];
	for (size_t i = 0; face == NULL && i < state->len; i++)
		if (!state->faces[i].there)
			face = &state->faces[i];
	if (face == NULL)
		return NULL;
	memset(face, 0, sizeof(*face));
	(void)snprintf(face->name, sizeof(face->name), "%s", name);
	return face;
}

static bool
is_among(const char *name, const char (*names)[SLED_LINK_NAME], size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static int
by_metric(const void *a_p, const void *b_p)
{
	const struct sled_link *a = a_p, *b = b_p;

	if (a->metric != b->metric)
		return a->metric < b->metric ? -1 : 1;
	return strcmp(a->name, b->name);
}

static void
list_link(struct sled_state *state, const struct sled_net_face *net,
          const struct sled_state_face *face, bool direct)
{
	struct sled_link *link = &state->seen.at[state->seen.len];

	if (state->seen.len == SLED_STATE_MAX)
		return;
	state->seen.len++;
	memset(link, 0, sizeof(*link));
	memcpy(link->name, face->name, sizeof(link->name));
	memcpy(link->connection, face->connection, sizeof(link->connection));
	link->metered = face->metered;
	link->ipv4 = net->ipv4;
	link->ipv6 = net->ipv6;
	link->direct = direct;
	link->metric = net->metric;
	link->since_ms = face->since_ms;
	link->changes = face->changes;
}

/* LISTED: it is up, with a way to somewhere. */
static void
note(struct sled_state *state, struct sled_state_face *face,
     const struct sled_net_face *net, bool listed, int64_t now_ms)
{
	if (face->changes == 0 || face->mark != net->mark)
		face->changes = ++state->moves;
	face->mark = net->mark;
	face->there = true;
	if (listed && !face->up)
		face->since_ms = now_ms;
	face->up = listed;
}

/* Its hook's words were for another of that name. */
static void
forget_gone(struct sled_state *state, const struct sled_net *net)
{
	for (size_t i = 0; i < state->len; i++) {
		struct sled_state_face *face = &state->faces[i];

		if (sled_net_find(net, face->name) != NULL)
			continue;
		face->there = face->up = face->metered = false;
		face->connection[0] = '\0';
		face->mark = 0;
	}
}

void
sled_state_see(struct sled_state *state, const struct sled_net *net,
               const char (*direct)[SLED_LINK_NAME], size_t len, int64_t now_ms)
{
	state->seen.len = 0;
	forget_gone(state, net);
	for (size_t i = 0; i < net->len; i++) {
		const struct sled_net_face *at = &net->faces[i];
		bool leads = is_among(at->name, direct, len);
		bool listed = at->up && (at->ipv4 || at->ipv6 || leads);
		struct sled_state_face *face = find(state, at->name);

		/* One that never was a link needs no memory. */
		if (face == NULL && listed)
			face = add(state, at->name);
		if (face == NULL)
			continue;
		note(state, face, at, listed, now_ms);
		if (listed)
			list_link(state, at, face, leads);
	}
	qsort(state->seen.at, state->seen.len, sizeof(state->seen.at[0]),
	      by_metric);
}

void
sled_state_hook(struct sled_state *state, const struct sled_link_event *event)
{
	struct sled_state_face *face = find(state, event->name);

	if (event->name[0] == '\0')
		return;
	if (face == NULL && event->up)
		face = add(state, event->name);
	if (face == NULL)
		return;
	if (!event->up) {
		face->connection[0] = '\0';
		face->metered = false;
		return;
	}
	/* Of several hooks for one link each tells what it knows. */
	if (event->connection[0] != '\0')
		(void)snprintf(face->connection, sizeof(face->connection), "%s",
		               event->connection);
	if (event->metered >= 0)
		face->metered = event->metered > 0;
}

static bool
same(const struct sled_link *a, const struct sled_link *b)
{
	return strcmp(a->name, b->name) == 0 &&
	       strcmp(a->connection, b->connection) == 0 &&
	       a->metered == b->metered && a->ipv4 == b->ipv4 &&
	       a->ipv6 == b->ipv6 && a->direct == b->direct &&
	       a->metric == b->metric && a->changes == b->changes;
}

bool
sled_state_differs(const struct sled_state *state)
{
	const struct sled_state_list *a = &state->seen, *b = &state->told;
	size_t i = 0;

	while (i < a->len && i < b->len && same(&a->at[i], &b->at[i]))
		i++;
	return i < a->len || i < b->len;
}

void
sled_state_tell(struct sled_state *state)
{
	state->told = state->seen;
}
