/*
 * tls.h - TLS client engine: ciphertext in and out, plaintext out and in.
 * RFC 8446 (1.3), RFC 5246 (1.2), RFC 6066 (SNI), RFC 6125 (names).
 *
 * Contract
 *   The engine owns no descriptor, clock, thread or global. It never blocks.
 *   The caller moves bytes, in this loop:
 *
 *       pending/sent   engine -> peer      feed    peer -> engine
 *       handshake      until READY, once   write   caller -> engine
 *       read           engine -> caller, until HUNGRY or CLOSED
 *
 *   Fed bytes are borrowed until a step says HUNGRY; by then all are used.
 *   READY from handshake() may leave some: call read() next, until HUNGRY.
 *   What each step queued is in pending(), also after FAILED: it may hold the
 *   alert that tells the peer why.
 *   No plaintext goes out before the certificate is verified [tls-proof]:
 *   chain, dates, purpose and host name. No option turns that off.
 *   TLS 1.2 or newer. No renegotiation, compression, early data or tickets.
 *   Failure is sticky: each later call gives the same error, and only
 *   pending(), sent() and free() are still of use. A call at the wrong time
 *   is refused (INTERNAL) and leaves the engine unharmed.
 *   Errors: PROTO for all that the peer does wrong (the text names the host,
 *   the hint what mends it), NOMEM, INTERNAL. What a certificate says is
 *   escaped and clipped before it enters an error.
 */
#ifndef MAILSLED_TLS_H
#define MAILSLED_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailsled/err.h"
#include "mailsled/types.h"

struct sled_tls;       /* opaque: one connection */
struct sled_tls_trust; /* opaque: who is believed; shared by connections */

enum sled_tls_step {
	SLED_TLS_FAILED = -1, /* *err says why */
	SLED_TLS_HUNGRY = 0,  /* send what is pending, then feed me */
	SLED_TLS_READY = 1,   /* established; or plaintext was read */
	SLED_TLS_CLOSED = 2,  /* no more plaintext will come: peer_closed() */
};

/* Filled once established. Texts are static. */
struct sled_tls_facts {
	const char *version;    /* "TLSv1.3" */
	const char *cipher;     /* "TLS_AES_256_GCM_SHA384" */
	uint64_t handshake_in;  /* bytes of TLS records up to READY */
	uint64_t handshake_out; /* the same, our Finished included */
	int64_t leaf_ends;      /* notAfter of the server's certificate */
	bool resumed;
};

/*
 * Whom to believe: the certificates in CA_FILE (PEM; each is an anchor, also
 * a server's own), or the system's authorities when it is NULL. SSL_CERT_DIR
 * and SSL_CERT_FILE move the latter. CONFIG, naming the file, when it cannot
 * be read or holds no certificate. Never asks for a passphrase.
 * Must outlive its connections. Connections of several threads may share it.
 */
SLED_CHECK bool sled_tls_trust_new(struct sled_tls_trust **out,
                                   const char *ca_file, struct sled_err *err);
void sled_tls_trust_free(struct sled_tls_trust **trust);

/* A connection to HOST, a DNS name or the literal of an address, which the
 * certificate must name. NOW (seconds since 1970) is held against its dates.
 * CONFIG when HOST is no name that a certificate can prove. */
SLED_CHECK bool sled_tls_new(struct sled_tls **out,
                             const struct sled_tls_trust *trust,
                             const char *host, int64_t now,
                             struct sled_err *err);
/* Frees at once; sends nothing. */
void sled_tls_free(struct sled_tls **tls);

/* Lend IN to the engine; allowed only when the last step said HUNGRY, or
 * before the first. Feeding sooner is INTERNAL at the next step. */
void sled_tls_feed(struct sled_tls *tls, struct sled_span in);
/* The peer's stream ended, after what was fed. */
void sled_tls_eof(struct sled_tls *tls);

/* Go on with the handshake: HUNGRY, READY or FAILED. Queues the hello at the
 * first call. What is written after READY leaves with our Finished. */
SLED_CHECK enum sled_tls_step sled_tls_handshake(struct sled_tls *tls,
                                                 struct sled_err *err);
/* READY: 1 to ROOM bytes are in OUT, *got of them. INTERNAL before READY. */
SLED_CHECK enum sled_tls_step sled_tls_read(struct sled_tls *tls, void *out,
                                            size_t room, size_t *got,
                                            struct sled_err *err);
/* Encrypt all of IN into pending(). INTERNAL, with nothing queued,
 * before READY [tls-proof] and after shutdown(). */
SLED_CHECK bool sled_tls_write(struct sled_tls *tls, struct sled_span in,
                               struct sled_err *err);
/* Queue our close_notify; read() goes on. Nothing before READY. */
void sled_tls_shutdown(struct sled_tls *tls);

/* Did the peer say goodbye (close_notify)? After CLOSED, false means that
 * the stream was cut: what was read may not be all. */
bool sled_tls_peer_closed(const struct sled_tls *tls);
/* NULL before READY. */
const struct sled_tls_facts *sled_tls_facts(const struct sled_tls *tls);

/* Bytes due to the peer, and how many of them the caller has now sent. */
struct sled_span sled_tls_pending(const struct sled_tls *tls);
void sled_tls_sent(struct sled_tls *tls, size_t len);

#endif
