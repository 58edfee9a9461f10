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
 *   TLS 1.2 or newer. No renegotiation, compression or early data.
 *   One write of at most 16,384 bytes is one TLS record; several of them wait
 *   in pending() until they are sent, so that they can leave together.
 *   Failure is sticky: each later call gives the same error, and only
 *   pending(), sent() and free() are still of use. A call at the wrong time
 *   is refused (INTERNAL) and leaves the engine unharmed.
 *   Errors: PROTO for all that the peer does wrong (the text names the host,
 *   the hint what mends it), NOMEM, INTERNAL. What a certificate says is
 *   escaped and clipped before it enters an error.
 *
 * Tickets (RFC 8446 sections 4.6.1 and 4.2.11; TLS 1.3 only)
 *   A server that resumes sends them after READY, inside read(). Each stands
 *   for the certificate that was verified in its connection, so it ends with
 *   that certificate, and is good for the same host and the same trust only.
 *   It saves the certificate's way (about 2.5 kB), not a round trip, and adds
 *   240 to 290 bytes to the hello. It is to be used once (appendix C.4).
 *   It holds a secret: the caller keeps it 0600 and wipes its buffers.
 */
#ifndef MAILSLED_TLS_H
#define MAILSLED_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mailsled/buf.h"
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
	bool offered;           /* a ticket went out with the hello */
	bool resumed;           /* and the server took it */
};

/*
 * What the first flight asks for. SLIM leaves out what no mail server of
 * today needs; octets of its first flight, with a host name of 15 and no
 * ticket: SLIM 187, DEFAULT 313.
 */
enum sled_tls_hello {
	SLED_TLS_HELLO_SLIM,
	SLED_TLS_HELLO_DEFAULT, /* what OpenSSL and its openssl.cnf offer */
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
/* The SHA-256, as hex, of what is believed: each certificate of ca-file, or
 * the places where the system's authorities are looked for. Another id means
 * that no ticket from before may be used. */
#define SLED_TLS_TRUST_ID 65 /* room for it, with the NUL */
void sled_tls_trust_id(const struct sled_tls_trust *trust,
                       char out[SLED_TLS_TRUST_ID]);

/* A connection to HOST, a DNS name or the literal of an address, which the
 * certificate must name. NOW (seconds since 1970) is held against its dates.
 * CONFIG when HOST is no name that a certificate can prove. */
SLED_CHECK bool sled_tls_new(struct sled_tls **out,
                             const struct sled_tls_trust *trust,
                             const char *host, int64_t now,
                             enum sled_tls_hello hello, struct sled_err *err);
/* Frees at once; sends nothing. */
void sled_tls_free(struct sled_tls **tls);

/* Before the first step: offer a TICKET that sled_tls_ticket() once gave, from
 * a connection to the same host under the same trust. False, and nothing is
 * offered, when it is damaged or has ended, was made for another host or trust
 * or in the future, or comes too late: no error, the handshake is full. */
bool sled_tls_offer(struct sled_tls *tls, struct sled_span ticket);

/* Lend IN to the engine; allowed only when the last step said HUNGRY, or
 * before the first. Feeding sooner is INTERNAL at the next step. */
void sled_tls_feed(struct sled_tls *tls, struct sled_span in);
/* The peer's stream ended, after what was fed. */
void sled_tls_eof(struct sled_tls *tls);

/* Go on with the handshake: HUNGRY, READY or FAILED. Queues the hello at the
 * first call. What is written after READY leaves with our Finished. */
SLED_CHECK enum sled_tls_step sled_tls_handshake(struct sled_tls *tls,
                                                 struct sled_err *err);
/* After FAILED in the handshake: did the peer turn away what was offered? It
 * sent an alert that says so, chose what was not offered, or ended the stream
 * before its ServerHello. Then one new connection with SLED_TLS_HELLO_DEFAULT
 * and no ticket may do better. Never true for a certificate that was refused,
 * nor for a peer that does not speak TLS 1.2 at all. After a reset of the
 * connection ask for it too: eof(), handshake(), then this. */
bool sled_tls_hello_refused(const struct sled_tls *tls);

/* Why the handshake failed, as far as it tells who the peer is. */
enum sled_tls_doubt {
	SLED_TLS_NO_DOUBT,
	SLED_TLS_REFUSED,  /* its certificate is not good enough; one that has
	                    * ended is the server's, and no doubt */
	SLED_TLS_SELF,     /* it is its own issuer: a portal, perhaps */
	SLED_TLS_PLAIN,    /* it speaks plain POP3: a portal, perhaps */
	SLED_TLS_STRANGER, /* it is for other names, or it is no mail server */
};

enum sled_tls_doubt sled_tls_doubt(const struct sled_tls *tls);

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

/* How many tickets came so far and are kept: the newest, at most
 * SLED_TLS_TICKETS, the newest last. */
#define SLED_TLS_TICKETS 4
size_t sled_tls_tickets(const struct sled_tls *tls);
/* Add ticket INDEX to OUT, as text of at most SLED_TLS_TICKET_MAX bytes; it
 * *ends at the least of its lifetime, 7 days (RFC 8446 section 4.6.1) and the
 * notAfter of the server's certificate, in seconds since 1970. INTERNAL: no
 * such ticket.
 *   "mailsled-ticket 1 MADE ENDS TRUST-ID HOST" LF, the session in base64 LF,
 *   SHA-256 of both lines as hex LF */
#define SLED_TLS_TICKET_MAX 16384
SLED_CHECK bool sled_tls_ticket(const struct sled_tls *tls, size_t index,
                                struct sled_buf *out, int64_t *ends,
                                struct sled_err *err);

/* Bytes due to the peer, and how many of them the caller has now sent. */
struct sled_span sled_tls_pending(const struct sled_tls *tls);
void sled_tls_sent(struct sled_tls *tls, size_t len);

#endif
