/*
 * link.c - the bench's link: two TUN devices, and between them a rate, a
 * delay, random loss, a queue that ends, and times without any link.
 *
 *     link CLIENT-DEVICE SERVER-DEVICE
 *
 * makes both devices in its own network namespace, prints "ready", and
 * carries IPv4 and IPv6 packets from one to the other until its input ends.
 * Who started it moves the devices into namespaces of their own; they vanish
 * with this process. "Down" is from the server to the client.
 *
 * Standard input takes one command a line, and each is answered by a line:
 *
 *   set DOWN UP DELAY LOSS QUEUE SEED   bit/s, bit/s, ms one way, percent,
 *                                       bytes that may wait, seed of the loss
 *   cycle UP DOWN                       from now on up for UP s, down for
 *                                       DOWN s, again and again; 0 0: up
 *   stats                               counters since the start, as JSON
 *
 * A packet is counted when it is offered while the link is up, also when the
 * queue has no room for it or the loss takes it: its sender has sent it. What
 * is lost by chance has taken its time on the link. Multicast is neither
 * carried nor counted, for there are no neighbours to find.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SECOND      INT64_C(1000000000)
#define PACKET_MAX  65536
#define BURST       64 /* packets read at a time, so that none starves */
#define EXIT_USAGE  64
#define EXIT_SYSTEM 71

struct packet {
	struct packet *next;
	int64_t due; /* when the other end has it */
	size_t len;
	unsigned char data[];
};

struct way {
	int from, to; /* TUN descriptors */
	double bits_per_s;
	int64_t free_at;        /* when all that waits is sent */
	unsigned short dice[3]; /* for erand48 */
	struct packet *head, **tail;
	uint64_t bytes, packets, lost, overflow, cut;
};

struct link {
	struct way down, up;
	int64_t delay; /* one way */
	double loss;   /* 0 to 1 */
	double queue_bytes;
	int64_t started, cycle_at, up_for, down_for;
	char line[256]; /* of the input, so far */
	size_t line_len;
	unsigned char packet[PACKET_MAX];
};

static int64_t
now(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0)
		abort();
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

static bool
is_up(const struct link *link, int64_t at)
{
	int64_t cycle = link->up_for + link->down_for;

	if (cycle == 0 || at < link->cycle_at)
		return true;
	return (at - link->cycle_at) % cycle < link->up_for;
}

static bool
is_carried(const unsigned char *packet, size_t len)
{
	if (len >= 20 && packet[0] >> 4 == 4)
		return packet[16] >> 4 != 0xe;
	return len >= 40 && packet[0] >> 4 == 6 && packet[24] != 0xff;
}

static bool
enqueue(struct way *way, const unsigned char *data, size_t len, int64_t due)
{
	struct packet *packet = malloc(sizeof(*packet) + len);

	if (packet == NULL)
		return false;
	packet->next = NULL;
	packet->due = due;
	packet->len = len;
	memcpy(packet->data, data, len);
	*way->tail = packet;
	way->tail = &packet->next;
	return true;
}

/* What waits is what the rate has yet to send: no other count is needed. */
static bool
accept_packet(struct link *link, struct way *way, size_t len)
{
	int64_t at = now();
	double waiting;

	if (!is_up(link, at)) {
		way->cut++;
		return true;
	}
	way->bytes += len;
	way->packets++;
	if (way->free_at < at)
		way->free_at = at;
	waiting =
	    (double)(way->free_at - at) / (double)SECOND * way->bits_per_s / 8;
	if (waiting + (double)len > link->queue_bytes) {
		way->overflow++;
		return true;
	}
	way->free_at +=
	    (int64_t)((double)len * 8 / way->bits_per_s * (double)SECOND);
	if (link->loss > 0 && erand48(way->dice) < link->loss) {
		way->lost++;
		return true;
	}
	return enqueue(way, link->packet, len, way->free_at + link->delay);
}

static bool
take_packets(struct link *link, struct way *way)
{
	for (int i = 0; i < BURST; i++) {
		ssize_t len = read(way->from, link->packet, PACKET_MAX);

		if (len < 0)
			return errno == EAGAIN || errno == EINTR ||
			       errno == EIO;
		if (is_carried(link->packet, (size_t)len) &&
		    !accept_packet(link, way, (size_t)len))
			return false;
	}
	return true;
}

static void
deliver_due(struct link *link, struct way *way)
{
	int64_t at = now();

	while (way->head != NULL && way->head->due <= at) {
		struct packet *packet = way->head;

		way->head = packet->next;
		if (way->head == NULL)
			way->tail = &way->head;
		if (!is_up(link, packet->due) ||
		    write(way->to, packet->data, packet->len) < 0)
			way->cut++;
		free(packet);
	}
}

static void
set_way(struct way *way, double bits_per_s, unsigned seed, unsigned side)
{
	way->bits_per_s = bits_per_s;
	way->dice[0] = (unsigned short)(seed & 0xffff);
	way->dice[1] = (unsigned short)(seed >> 16);
	way->dice[2] = (unsigned short)(0x5eed + side);
}

static bool
set_link(struct link *link, const char *words)
{
	double down, up, delay_ms, percent, queue;
	unsigned seed;

	if (sscanf(words, "%lf %lf %lf %lf %lf %u", &down, &up, &delay_ms,
	           &percent, &queue, &seed) != 6)
		return false;
	if (!(down > 0) || !(up > 0) || !(delay_ms >= 0) || !(percent >= 0) ||
	    percent > 100 || !(queue > 0))
		return false;
	set_way(&link->down, down, seed, 0);
	set_way(&link->up, up, seed, 1);
	link->delay = (int64_t)(delay_ms * 1e6);
	link->loss = percent / 100;
	link->queue_bytes = queue;
	return true;
}

static bool
set_cycle(struct link *link, const char *words)
{
	double up, down;

	if (sscanf(words, "%lf %lf", &up, &down) != 2 || !(up >= 0) ||
	    !(down >= 0))
		return false;
	link->up_for = (int64_t)(up * (double)SECOND);
	link->down_for = (int64_t)(down * (double)SECOND);
	link->cycle_at = now();
	return true;
}

static size_t
count_waiting(const struct way *way)
{
	size_t count = 0;

	for (struct packet *at = way->head; at != NULL; at = at->next)
		count++;
	return count;
}

static bool
print_stats(const struct link *link)
{
	const struct way *down = &link->down, *up = &link->up;
	int64_t at = now();

	return printf(
		   "{\"down_bytes\":%" PRIu64 ",\"down_packets\":%" PRIu64
		   ",\"up_bytes\":%" PRIu64 ",\"up_packets\":%" PRIu64
		   ",\"lost\":%" PRIu64 ",\"overflow\":%" PRIu64
		   ",\"cut\":%" PRIu64 ",\"waiting\":%zu,\"seconds\":%.3f}\n",
		   down->bytes, down->packets, up->bytes, up->packets,
		   down->lost + up->lost, down->overflow + up->overflow,
		   down->cut + up->cut, count_waiting(down) + count_waiting(up),
		   (double)(at - link->started) / (double)SECOND) > 0;
}

static bool
run_command(struct link *link, const char *line)
{
	bool known = true;

	if (strncmp(line, "set ", 4) == 0)
		known = set_link(link, line + 4);
	else if (strncmp(line, "cycle ", 6) == 0)
		known = set_cycle(link, line + 6);
	else if (strcmp(line, "stats") == 0)
		return print_stats(link) && fflush(stdout) == 0;
	else
		known = false;
	return puts(known ? "ok" : "what?") >= 0 && fflush(stdout) == 0;
}

/* False at the end of the input, and when it or the output fails. */
static bool
take_commands(struct link *link)
{
	ssize_t got = read(STDIN_FILENO, link->line + link->line_len,
	                   sizeof(link->line) - link->line_len);
	char *end;

	if (got <= 0)
		return got < 0 && errno == EINTR;
	link->line_len += (size_t)got;
	while ((end = memchr(link->line, '\n', link->line_len)) != NULL) {
		size_t used = (size_t)(end - link->line) + 1;

		*end = '\0';
		if (!run_command(link, link->line))
			return false;
		link->line_len -= used;
		memmove(link->line, link->line + used, link->line_len);
	}
	return link->line_len < sizeof(link->line);
}

static struct timespec
next_wait(const struct link *link)
{
	int64_t at = now(), due = at + SECOND;

	if (link->down.head != NULL && link->down.head->due < due)
		due = link->down.head->due;
	if (link->up.head != NULL && link->up.head->due < due)
		due = link->up.head->due;
	if (due < at)
		due = at;
	return (struct timespec){ (due - at) / SECOND, (due - at) % SECOND };
}

static bool
carry(struct link *link)
{
	struct pollfd polls[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = link->down.from, .events = POLLIN },
		{ .fd = link->up.from, .events = POLLIN },
	};

	for (;;) {
		struct timespec wait = next_wait(link);

		if (ppoll(polls, 3, &wait, NULL) < 0 && errno != EINTR)
			return false;
		deliver_due(link, &link->down);
		deliver_due(link, &link->up);
		if (!take_packets(link, &link->down) ||
		    !take_packets(link, &link->up))
			return false;
		if (polls[0].revents != 0 && !take_commands(link))
			return true;
	}
}

static int
open_tun(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	size_t len = strlen(name);
	int fd;

	if (len >= sizeof(request.ifr_name)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(request.ifr_name, name, len);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (ioctl(fd, TUNSETIFF, &request) != 0) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static int
fail(const char *what)
{
	(void)fprintf(stderr, "link: %s: %s\n", what, strerror(errno));
	return EXIT_SYSTEM;
}

static void
start_way(struct way *way, int from, int to)
{
	way->from = from;
	way->to = to;
	way->tail = &way->head;
}

static int
run(struct link *link)
{
	if (!set_link(link, "1e9 1e9 0 0 4194304 1"))
		return EXIT_SYSTEM;
	/* Else each packet would be 50 us late. */
	if (prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) != 0)
		return fail("timer slack");
	if (puts("ready") < 0 || fflush(stdout) != 0)
		return fail("output");
	return carry(link) ? 0 : fail("stopped");
}

int
main(int argc, char **argv)
{
	struct link *link;
	int client, server, status;

	if (argc != 3) {
		(void)fputs("usage: link CLIENT-DEVICE SERVER-DEVICE\n",
		            stderr);
		return EXIT_USAGE;
	}
	client = open_tun(argv[1]);
	if (client < 0)
		return fail(argv[1]);
	server = open_tun(argv[2]);
	if (server < 0)
		return fail(argv[2]);
	link = calloc(1, sizeof(*link));
	if (link == NULL)
		return fail("memory");
	start_way(&link->down, server, client);
	start_way(&link->up, client, server);
	link->started = now();
	status = run(link);
	free(link);
	return status;
}
