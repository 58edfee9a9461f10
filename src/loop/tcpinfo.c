/* tcpinfo.c - see loop/tcpinfo.h. */
#include "loop/tcpinfo.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#define TCP_OPTIONS 12 /* timestamps, as good as always there */

void
sled_tcpinfo_wire(int fd, uint64_t *down, uint64_t *up)
{
	struct sockaddr_storage peer;
	struct tcp_info info;
	socklen_t len = sizeof(info), peer_len = sizeof(peer);
	uint64_t head;

	*down = *up = 0;
	memset(&info, 0, sizeof(info));
	memset(&peer, 0, sizeof(peer));
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) == -1 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ||
	    len < offsetof(struct tcp_info, tcpi_bytes_sent) +
	              sizeof(info.tcpi_bytes_sent))
		return;
	head = (peer.ss_family == AF_INET6 ? 40U : 20U) + 20U + TCP_OPTIONS;
	*down = info.tcpi_bytes_received + info.tcpi_segs_in * head;
	*up = info.tcpi_bytes_sent + info.tcpi_segs_out * head;
}
