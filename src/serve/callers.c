/* callers.c - the connections there are; see callers.h. */
#include "serve/callers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static bool
write_address(char out[64], const struct sockaddr_storage *from)
{
	const struct sockaddr_in *four = (const void *)from;
	const struct sockaddr_in6 *six = (const void *)from;
	char text[INET6_ADDRSTRLEN];

	if (from->ss_family == AF_INET)
		return inet_ntop(AF_INET, &four->sin_addr, out, 64) != NULL;
	if (from->ss_family != AF_INET6 ||
	    inet_ntop(AF_INET6, &six->sin6_addr, text, sizeof(text)) == NULL)
		return false;
	(void)snprintf(out, 64, "[%s]", text);
	return true;
}

static bool
find_ends(struct sled_caller *caller)
{
	struct sockaddr_storage local = { 0 }, peer = { 0 };
	socklen_t local_len = sizeof(local), peer_len = sizeof(peer);

	return getsockname(caller->fd, (struct sockaddr *)&local, &local_len) ==
	           0 &&
	       getpeername(caller->fd, (struct sockaddr *)&peer, &peer_len) ==
	           0 &&
	       write_address(caller->local, &local) &&
	       write_address(caller->peer, &peer);
}

static void
end(struct sled_caller *caller)
{
	if (!caller->ended)
		(void)shutdown(caller->fd, SHUT_RDWR);
	caller->ended = true;
}

/* Who waits for nothing goes before who is being answered. */
static bool
goes_before(const struct sled_caller *a, const struct sled_caller *b)
{
	bool a_idle = a->state != SLED_CALLER_ANSWER;
	bool b_idle = b->state != SLED_CALLER_ANSWER;

	if (a_idle != b_idle)
		return a_idle;
	return a->since_ms < b->since_ms;
}

/* Of PEER's connections, or of all (NULL), one ends when there are over MOST. */
static void
make_room(struct sled_callers *callers, const char *peer, size_t most)
{
	struct sled_caller *oldest = NULL;
	size_t count = 0;

	for (struct sled_caller *at = callers->list; at != NULL;
	     at = at->next) {
		if (at->ended || (peer != NULL && strcmp(at->peer, peer) != 0))
			continue;
		count++;
		if (oldest == NULL || goes_before(at, oldest))
			oldest = at;
	}
	if (count > most)
		end(oldest);
}

struct sled_caller *
sled_callers_add(struct sled_callers *callers, int fd, int64_t now_ms)
{
	struct sled_caller *caller = calloc(1, sizeof(*caller));

	if (caller == NULL) {
		(void)shutdown(fd, SHUT_RDWR);
		return NULL;
	}
	caller->fd = fd;
	caller->since_ms = now_ms;
	/* The newest is the first: of equal ones the one behind goes. */
	caller->next = callers->list;
	if (caller->next != NULL)
		caller->next->prev = caller;
	callers->list = caller;
	callers->len++;
	if (!find_ends(caller))
		end(caller);
	make_room(callers, caller->peer, SLED_CALLERS_ADDRESS);
	make_room(callers, NULL, SLED_CALLERS_MOST);
	return caller;
}

void
sled_callers_remove(struct sled_callers *callers, struct sled_caller *caller)
{
	if (caller->prev != NULL)
		caller->prev->next = caller->next;
	else
		callers->list = caller->next;
	if (caller->next != NULL)
		caller->next->prev = caller->prev;
	callers->len--;
	free(caller);
}

void
sled_callers_state(struct sled_caller *caller, enum sled_caller_state state,
                   int64_t now_ms)
{
	caller->state = state;
	caller->since_ms = now_ms;
}

void
sled_callers_sweep(struct sled_callers *callers, int64_t now_ms)
{
	static const int64_t most[] = {
		[SLED_CALLER_FIRST] = SLED_CALLERS_FIRST_MS,
		[SLED_CALLER_NEXT] = SLED_CALLERS_NEXT_MS,
		[SLED_CALLER_BODY] = SLED_CALLERS_BODY_MS,
		[SLED_CALLER_ANSWER] = SLED_CALLERS_SEND_MS,
	};

	for (struct sled_caller *at = callers->list; at != NULL; at = at->next)
		if (now_ms - at->since_ms >= most[at->state])
			end(at);
}
