/* tcp.c - see loop/tcp.h. */
#include "loop/tcp.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/param.h>
#include <sys/socket.h>

#define TCP_HEAD     20
#define STAMPS       12 /* of the timestamps in each segment */
#define SYN_OPTIONS  20 /* mss, sack, timestamps, window scale */
#define SACK_OPTIONS 20 /* two blocks: more holes make it 28, one 12 */
#define CLOSED       7
#define CLOSE_WAIT   8 /* the peer has ended: of the kernel's states */

/* The kernel appends to its tcp_info; the C library's may be older. */
#define RCV_WND_AT 232

union info {
	struct tcp_info at;
	unsigned char raw[512];
};

static void
set(int fd, int level, int option, uint32_t value)
{
	int number = value > INT32_MAX ? INT32_MAX : (int)value;

	(void)setsockopt(fd, level, option, &number, sizeof(number));
}

/* SO_RCVBUF reckons two octets of memory for one of window; when the kernel
 * finds that it needs less, the window grows: the clamp holds it. */
static void
set_window(int fd, uint32_t window)
{
	set(fd, SOL_SOCKET, SO_RCVBUF, window);
	set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, window);
}

void
sled_tcp_prepare(int fd, uint32_t window, uint32_t mss,
                 uint32_t user_timeout_ms)
{
	if (window > 0)
		set_window(fd, window);
	if (mss > 0)
		set(fd, IPPROTO_TCP, TCP_MAXSEG, mss);
	if (user_timeout_ms > 0)
		set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, user_timeout_ms);
}

static uint32_t
get_clamp(int fd)
{
	int clamp = 0;
	socklen_t len = sizeof(clamp);

	if (getsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, &len) == -1 ||
	    clamp < 0)
		return 0;
	return (uint32_t)clamp;
}

void
sled_tcp_hold_window(int fd, uint32_t window)
{
	if (get_clamp(fd) > window)
		set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, window);
}

bool
sled_tcp_raise_window(int fd, uint32_t window)
{
	set_window(fd, window);
	return get_clamp(fd) == window;
}

/* ---- facts ---- */

static bool
get_info(int fd, union info *info)
{
	socklen_t len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0;
}

/*
 * The kernel counts a segment that it had before like any other, but not its
 * octets. So when the news is no more than some full segments, or nothing, the
 * others came again; else they may be short ones.
 */
static void
look(const struct tcp_info *at, struct sled_tcp_seen *seen)
{
	uint64_t bytes = at->tcpi_bytes_received - seen->bytes;
	uint64_t mss = MAX(at->tcpi_rcv_mss, 1U);
	uint64_t ahead = at->tcpi_rcv_ooopack - seen->ahead;
	uint64_t segs = at->tcpi_data_segs_in - seen->segs;
	uint64_t rest = segs > ahead ? segs - ahead : 0;

	seen->bytes = at->tcpi_bytes_received;
	seen->segs = at->tcpi_data_segs_in;
	seen->ahead = at->tcpi_rcv_ooopack;
	if (bytes % mss == 0 && rest > bytes / mss)
		seen->again += rest * mss - bytes;
	/* What fills a hole sets free what stood behind it; while nothing is
	 * set free, doubt grows that there is a hole. */
	seen->held += ahead * mss;
	if (bytes > rest * mss)
		bytes -= rest * mss;
	seen->held -= MIN(seen->held, bytes);
	seen->sack += (ahead + (seen->held > 0 ? rest : 0)) * SACK_OPTIONS;
}

void
sled_tcp_see(int fd, struct sled_tcp_seen *seen)
{
	union info info;

	if (get_info(fd, &info))
		look(&info.at, seen);
}

/* Of the peer's SYN: those that were agreed on. */
static uint64_t
synack_options(const struct tcp_info *at)
{
	uint64_t options = 4; /* mss */

	if ((at->tcpi_options & TCPI_OPT_TIMESTAMPS) != 0)
		options += STAMPS; /* sack takes the place of its padding */
	else if ((at->tcpi_options & TCPI_OPT_SACK) != 0)
		options += 4;
	return options + ((at->tcpi_options & TCPI_OPT_WSCALE) != 0 ? 4 : 0);
}

/* Its own count may be more than the window scale lets it say. */
static uint32_t
window_of(const union info *info)
{
	uint32_t wide = (uint32_t)65535 << info->at.tcpi_rcv_wscale, window;

	memcpy(&window, info->raw + RCV_WND_AT, sizeof(window));
	return window > wide ? wide : window;
}

static void
count_octets(const struct tcp_info *at, bool ipv6,
             const struct sled_tcp_seen *seen, struct sled_conn_facts *out)
{
	uint64_t stamps =
	    (at->tcpi_options & TCPI_OPT_TIMESTAMPS) != 0 ? STAMPS : 0;
	uint64_t head = (ipv6 ? 40U : 20U) + TCP_HEAD + stamps;

	out->segs_down = at->tcpi_segs_in;
	out->segs_up = at->tcpi_segs_out;
	out->retrans_up = at->tcpi_total_retrans;
	out->dup_down = seen->again;
	out->wire_down = at->tcpi_bytes_received + seen->again + seen->held +
	                 out->segs_down * head + synack_options(at) - stamps;
	out->wire_up = at->tcpi_bytes_sent + seen->sack + out->segs_up * head +
	               SYN_OPTIONS - stamps;
	if (at->tcpi_state == CLOSED)
		return;
	out->close_up = at->tcpi_state == CLOSE_WAIT ? head : 2 * head;
	out->close_down = head;
}

void
sled_tcp_facts(int fd, bool ipv6, const struct sled_tcp_seen *seen,
               struct sled_conn_facts *out)
{
	struct sled_tcp_seen now = *seen;
	union info info;

	memset(out, 0, sizeof(*out));
	if (!get_info(fd, &info))
		return;
	out->rtt_ms = info.at.tcpi_rtt / 1000;
	out->min_rtt_ms = info.at.tcpi_min_rtt / 1000;
	out->window = window_of(&info);
	if (info.at.tcpi_bytes_sent == 0 && info.at.tcpi_data_segs_out > 0)
		return; /* a kernel before 4.19 */
	look(&info.at, &now);
	count_octets(&info.at, ipv6, &now, out);
}
