/*
 * pace.h - how many octets may be on their way; private to session.
 *
 * Values in, values out: no descriptor, no clock. One struct a connection, by
 * value; nothing to free. Times are microseconds of any clock that does not
 * jump, rates octets a second as the socket hands them out.
 */
#ifndef SESSION_PACE_H
#define SESSION_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Nothing is known, or the path is fast: RETRs for so many octets. */
#define SLED_PACE_FLIGHT (128u << 10)

/* What is remembered of a path between visits. All zero: nothing. */
struct sled_pace_path {
	uint64_t rate;   /* octets a second, down */
	uint32_t rtt_ms; /* the smallest */
	uint32_t visits; /* that taught something */
};

/* Private: only the functions below look inside. */
struct sled_pace {
	struct sled_pace_path known;
	uint64_t cap;
	uint64_t rate;     /* the best of this connection, 0: none yet */
	uint64_t octets;   /* that came in all */
	uint32_t rtt_us;   /* the smallest, 0: not told */
	uint32_t window;   /* asked of the kernel, 0: its own */
	bool measuring;    /* since and came hold */
	bool whole;        /* a measure longer than a pair was taken */
	int64_t since_us;  /* an arrival: the measure begins behind it */
	uint64_t came;     /* octets behind it */
	uint32_t arrivals; /* and in how many pieces */
};

/* PATH may be NULL. */
void sled_pace_init(struct sled_pace *p, const struct sled_pace_path *path);

/* Before connect: octets for SO_RCVBUF, and for TCP_MAXSEG; 0: the kernel's.
 */
uint32_t sled_pace_window(const struct sled_pace *p);
uint32_t sled_pace_mss(const struct sled_pace *p);

/* The connection's smallest RTT so far (TCP_INFO, tcpi_min_rtt); 0 is not
 * known. Once after connect is enough. */
void sled_pace_rtt(struct sled_pace *p, uint32_t rtt_us);
/* The socket gave OCTETS at NOW_US. Each read is told, from the first. */
void sled_pace_came(struct sled_pace *p, int64_t now_us, size_t octets);
/* Reading was held up by ourselves: what comes next says nothing of the rate.
 */
void sled_pace_held(struct sled_pace *p);
/* Never more than OCTETS in flight: the planner's. UINT64_MAX: no limit. */
void sled_pace_cap(struct sled_pace *p, uint64_t octets);

/* Octets of answers that may be asked for beyond what has come. */
uint64_t sled_pace_flight(const struct sled_pace *p);
/* Whether a message of SIZE octets may be asked for, where COUNT were whose
 * end has not come, and of those WAITING octets have not come either. */
bool sled_pace_may_ask(const struct sled_pace *p, size_t count,
                       uint64_t waiting, uint64_t size);
/* The window that the connection shall have from now on, once each time it
 * changes; 0: as it is. */
uint32_t sled_pace_retune(struct sled_pace *p);

/* What to remember; false: this visit taught nothing, keep what there is. */
bool sled_pace_learn(const struct sled_pace *p, struct sled_pace_path *out);

#endif
