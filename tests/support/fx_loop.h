/* fx_loop.h - loopback sockets for tests that dial. */
#ifndef FX_LOOP_H
#define FX_LOOP_H

#include <stdint.h>

/* A socket bound to numeric ADDR and *PORT (0: a free one, stored). With
 * backlog >= 0 it listens. -1 when this machine has no such address, or the
 * port is taken. */
int fx_bind(const char *addr, uint16_t *port, int backlog);

/* A listener whose queue is full: who connects hears nothing. */
#define FX_FILLERS 8

struct fx_silent {
	int listener;
	int fillers[FX_FILLERS];
};

int fx_silent_open(struct fx_silent *out, const char *addr, uint16_t *port);
void fx_silent_close(struct fx_silent *silent);

#endif
