/*
 * pace.h - how many octets may be on their way; private to session.
 *
 * Values in, values out: no descriptor, no clock. One struct a connection, by
 * value; nothing to free. Times are microseconds of any clock that does not
 * jump, rates octets a second as the socket hands them out.
 *
 * One formula, R the rate and T the smallest RTT, at least half a second:
 *
 *   window  W = 3 * R * T + 2 * 1448   one line-full comes, and room for what
 *                                      waits behind a lost segment; two
 *                                      segments for the slowest. 192 KiB at
 *                                      most; where even 2 * R * T is more,
 *                                      the kernel's own
 *   flight  ask again below  W + 8192  the next answer is at hand before the
 *                                      tail of the last has left the server
 *           and then up to   3 times that: in few requests, each of which
 *                                      costs an acknowledgement, and full
 *                                      segments
 *
 * What was asked for counts until it came, not message by message, and the
 * size of the next message does not count: it only has to be begun. Where the
 * window could not be held small (a first visit to a slow path) the flight is
 * W + 4096, and no more. With nothing known: 64 and 128 KiB.
 *
 * Measured on an emulated link with a loss-based server (IP octets down as a
 * multiple of the mail; seconds): a bare probe that asks for 32 messages at
 * once and takes the kernel's window, and the probe with the figures above.
 * One run each; where segments are lost at random, the mean of three seeds,
 * which lie up to 3 s apart.
 *
 *                                       probe          so
 *   2,400 bit/s, 20 small, strict       1.42   289     1.152  293
 *   2,400 bit/s, 20 small, eager                       1.146  289
 *   46 kbit/s, RTT 0.2 s, 50 small      1.27   37.8    1.095  37.7
 *   512 kbit/s, 0.6 s, 60 mixed         1.135  29.3    1.048  29.3
 *   512 kbit/s, 0.6 s, 100 small, eager 1.085  10.3    1.073  10.3
 *   88 kbit/s, 0.7 s, 0.5 % lost        1.135  24.7    1.095  24.5
 *   120 kbit/s, 0.4 s, 1 % lost         1.185  17.4    1.097  16.8
 *   384 kbit/s, 0.9 s, 0.1 % lost       1.153  40.1    1.049  40.3
 *
 * Two or three times R * T is not settled by this: two took 24.9 and 39.7 on
 * 88 and 384 kbit/s, the same octets. Settled: on 2,400 bit/s half the flight
 * took 303 s, one message at a time 338; two messages of 32 kB cost 1.42 in
 * the kernel's window, 1.13 in this one; 39 kB in flight in the kernel's cost
 * 1.39, W + 4096 1.165. On 512 kbit/s counting whole messages took 32.2. On 46
 * kbit/s a window of 4 KiB took 40.6. A TCP_MAXSEG of 536 keeps a server's
 * probe of its tail out of a slow handshake (929 octets), then costs 5 % of
 * the mail: it is left to the kernel.
 */
#ifndef SESSION_PACE_H
#define SESSION_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With nothing known, RETRs for so many octets. */
#define SLED_PACE_FLIGHT (128u << 10)

/* The slow end is the lowest of so many measures. */
#define SLED_PACE_LAST 4

/* What is remembered of a path between visits. All zero: nothing. */
struct sled_pace_path {
	uint64_t rate;   /* octets a second, down */
	uint32_t rtt_ms; /* the smallest */
	uint32_t visits; /* that had enough mail to tell; 0: rate is a guess */
};

/* Private: only the functions below look inside. */
struct sled_pace {
	struct sled_pace_path known;
	uint64_t guess;                /* from pairs of segments, 0: none */
	uint64_t rate;                 /* now, 0: nothing measured yet */
	uint64_t seen;                 /* of this connection alone */
	uint32_t rtt_us;               /* the smallest, 0: not told */
	uint32_t window;               /* asked of the kernel, 0: its own */
	bool filling;                  /* asking until the flight is full */
	uint64_t last[SLED_PACE_LAST]; /* measures, in a ring */
	uint32_t measures;

	/* A measure: octets behind an arrival, and how long they took. */
	bool measuring;
	int64_t since_us, last_us;
	int64_t gap_us;      /* the longest between two arrivals */
	uint64_t came, most; /* in all, and at once */
};

/* PATH may be NULL. A link's nominal rate makes a path of no visits. */
void sled_pace_init(struct sled_pace *p, const struct sled_pace_path *path);

/* Octets for SO_RCVBUF before connect; 0: the kernel's autotuning. */
uint32_t sled_pace_window(const struct sled_pace *p);

/* The connection's smallest RTT so far (TCP_INFO, tcpi_min_rtt), told once
 * after connect at least. 0: not known. One far below what is remembered is
 * another path's: all that is remembered is dropped then. */
void sled_pace_rtt(struct sled_pace *p, uint32_t smallest_us);
/*
 * The socket gave OCTETS at NOW_US; each read is told, from the first one.
 * OWED: answers to RETR had been asked for and were not all there before it.
 * Else only full segments measure, for a pause may be the server's thought.
 */
void sled_pace_came(struct sled_pace *p, int64_t now_us, size_t octets,
                    bool owed);
/* Octets of answers that may be asked for beyond what has come. */
uint64_t sled_pace_flight(const struct sled_pace *p);
/*
 * Whether one more message may be asked for now. WAITING is what was asked for
 * and has not come, to the octet; 0 when nothing was. Ask until it says no,
 * then each time when octets came.
 */
bool sled_pace_may_ask(struct sled_pace *p, uint64_t waiting);

/* What this connection was seen to carry, octets a second; 0: not measured. */
uint64_t sled_pace_rate(const struct sled_pace *p);
/* Its slow end: the lowest of the last measures, never below half the rate;
 * less three fortieths of that for each of SLED_PACE_LAST that is missing. */
uint64_t sled_pace_low(const struct sled_pace *p);

/* How long OCTETS take to come, in ms; 0: not known, or no time at all. */
uint64_t sled_pace_time_ms(const struct sled_pace *p, uint64_t octets);

/*
 * The window that the live connection shall get, once for each change; 0:
 * leave it. To be looked at before the first RETR and when octets came. A
 * window that was set is only raised. The kernel's own is set down to 64 KiB
 * at the least, and only from the handshake's segments: what it has offered
 * cannot be taken back (with less buffer behind it, segments are dropped).
 * Raising takes SO_RCVBUF and TCP_WINDOW_CLAMP, in this order; a connection
 * that began with less than 64 KiB never gets more (no window scale).
 */
uint32_t sled_pace_retune(struct sled_pace *p);

/* What to remember; false: this visit taught nothing, keep what there is. */
bool sled_pace_learn(const struct sled_pace *p, struct sled_pace_path *out);

#endif
