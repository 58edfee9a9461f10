/* route.c - by which interface an address is reached; see mailsled/loop.h. */
#include <ifaddrs.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/internal.h"
#include "mailsled/loop.h"

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

bool
sled_route_name(const char *address, char out[static SLED_ROUTE_NAME])
{
	struct sockaddr_storage far, near = { 0 };
	struct ifaddrs *all = NULL;

	out[0] = '\0';
	if (!sled_addr_parse(&far, address, 9) || !our_side(&far, &near) ||
	    getifaddrs(&all) == -1)
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
