/* route.c - by which interface an address is reached; see mailsled/loop.h. */
#include <ifaddrs.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/internal.h"
#include "mailsled/loop.h"

/* Any address of the world, to learn where the way out is (RFC 5737). */
#define ELSEWHERE "192.0.2.1"

/* Connecting a datagram socket sends nothing: it only picks the route. */
static bool
our_side(const struct sockaddr_storage *far, struct sockaddr_storage *near)
{
	socklen_t len = sizeof(*near);
	int fd = socket(far->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd == -1)
		return false;
	ok = connect(fd, (const struct sockaddr *)far, sizeof(*far)) == 0 &&
	     getsockname(fd, (struct sockaddr *)near, &len) == 0;
	(void)close(fd);
	return ok;
}

static bool
is_at(const struct ifaddrs *at, const struct sockaddr_storage *near)
{
	return at->ifa_addr != NULL &&
	       at->ifa_addr->sa_family == near->ss_family &&
	       sled_addr_same((const struct sockaddr_storage *)at->ifa_addr,
	                      near);
}

static bool
name_of(const struct sockaddr_storage *far, char out[static SLED_ROUTE_NAME])
{
	struct sockaddr_storage near = { 0 };
	struct ifaddrs *all = NULL;

	if (!our_side(far, &near) || getifaddrs(&all) == -1)
		return false;
	for (const struct ifaddrs *at = all; at != NULL; at = at->ifa_next) {
		if (is_at(at, &near)) {
			(void)snprintf(out, SLED_ROUTE_NAME, "%s",
			               at->ifa_name);
			break;
		}
	}
	freeifaddrs(all);
	return out[0] != '\0';
}

bool
sled_route_name(const char *address, char out[static SLED_ROUTE_NAME])
{
	struct sockaddr_storage far;

	out[0] = '\0';
	return sled_addr_parse(&far, address, 9) && name_of(&far, out);
}

static bool
any_of(const char *addresses, char out[static SLED_ROUTE_NAME])
{
	struct sled_addrs all;
	bool found = false;

	sled_addrs_parse(&all, addresses, 9);
	for (size_t i = 0; i < all.count && !found; i++)
		found = name_of(&all.at[i], out);
	return found;
}

bool
sled_route_to(const char *addresses, const char *host,
              char out[static SLED_ROUTE_NAME])
{
	char known[SLED_HOSTS_TEXT];

	out[0] = '\0';
	return any_of(addresses, out) ||
	       (sled_hosts_find(host, known) && any_of(known, out)) ||
	       sled_route_name(ELSEWHERE, out);
}
