/* tcp.h - the kernel's options and counters of a connection; private to loop.
 * Apart from internal.h: the kernel's tcp_info clashes with the C library's. */
#ifndef LOOP_TCP_H
#define LOOP_TCP_H

#include <stdbool.h>
#include <stdint.h>

#include "mailsled/loop.h"

/* Of a socket before its connect; 0: the kernel's. What it refuses is let go. */
void sled_tcp_prepare(int fd, uint32_t window, uint32_t mss,
                      uint32_t user_timeout_ms);
/* Bring the window of a live one back to WINDOW when the kernel let it grow. */
void sled_tcp_hold_window(int fd, uint32_t window);
bool sled_tcp_raise_window(int fd, uint32_t window);

/*
 * What the kernel does not count, inferred from what changed between one read
 * and the next; see look().
 */
struct sled_tcp_seen {
	uint64_t bytes, again; /* received; octets that came twice */
	uint64_t sack;         /* octets of SACK blocks in what we sent */
	uint32_t segs, ahead;  /* with data; of these, out of order */
	uint64_t held;         /* octets behind a hole */
};

void sled_tcp_see(int fd, struct sled_tcp_seen *seen);
/* All but connect_ms; zero where the kernel does not say. */
void sled_tcp_facts(int fd, bool ipv6, const struct sled_tcp_seen *seen,
                    struct sled_conn_facts *out);

#endif
