/*
 * fx_meet.h - for tests: our TLS client and a server of fx_tls.h, meeting in
 * memory. Whatever goes wrong in here ends the test that asked.
 */
#ifndef FX_MEET_H
#define FX_MEET_H

#include "fx_tls.h"
#include "mailsled/buf.h"
#include "mailsled/err.h"
#include "mailsled/tls.h"

struct fx_meet {
	struct sled_tls *tls;
	struct fx_tls_server server;
	struct sled_buf wire; /* on its way to the client */
	struct sled_buf sent; /* all that the client ever sent */
	struct sled_err err;
};

/* MOST as TLS1_2_VERSION, or 0. The client has the slim hello and the clock
 * FX_TLS_NOW, which open_at() can do without. */
void fx_meet_open(struct fx_meet *m, const struct sled_tls_trust *trust,
                  const char *host, const struct fx_tls_id *id, int most);
void fx_meet_open_at(struct fx_meet *m, const struct sled_tls_trust *trust,
                     const char *host, const struct fx_tls_id *id, int most,
                     int64_t now, enum sled_tls_hello hello);
void fx_meet_close(struct fx_meet *m);

/* What the client has for the server, and what the server answers. */
void fx_meet_deliver(struct fx_meet *m);
/* Up to CHUNK bytes of the wire to the client. A copy on the heap, so that a
 * sanitizer sees reads beyond what was lent; the caller frees it. */
char *fx_meet_lend(struct fx_meet *m, size_t chunk);
/* Until the handshake ends, one way or the other. What was lent last and is
 * not used up yet is taken back through read(). */
enum sled_tls_step fx_meet_shake(struct fx_meet *m, size_t chunk);
/* Read all that comes until the client is HUNGRY and the wire is dry. */
enum sled_tls_step fx_meet_drain(struct fx_meet *m, size_t chunk, size_t room,
                                 struct sled_buf *text);

#endif
