/* fx_loop.h - loopback sockets for tests that dial. */
#ifndef FX_LOOP_H
#define FX_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "mailsled/loop.h"

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
/* Take what waits in its queue; who tries again now may be heard. */
void fx_silent_wake(const struct fx_silent *silent);
/* 127.0.0.1 says nothing; 127.0.0.2 listens on the same port: its socket. */
int fx_silent_and_live(struct fx_silent *silent, uint16_t *port);

/* A dial, and how it ended. */
struct fx_dial {
	struct sled_loop *loop;
	struct sled_dial *dial;
	struct sled_conn *conn;
	struct sled_err err;
	int calls;
	char found[2048];
};

void fx_dial_start(struct fx_dial *out, const struct sled_dial_to *to);
/* Until fn was called. */
void fx_dial_run(struct fx_dial *dial);
void fx_dial_close(struct fx_dial *dial);

#endif
