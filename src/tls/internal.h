/*
 * internal.h - what the files of the TLS engine share.
 *
 * sled_tls_blame_*() record why the connection is of no use, in tls->fault;
 * the first cause stays. They return SLED_TLS_FAILED, and fill no *err.
 */
#ifndef MAILSLED_TLS_INTERNAL_H
#define MAILSLED_TLS_INTERNAL_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

#include "mailsled/buf.h"
#include "mailsled/tls.h"

#define TLS_HEAD_LEN 5   /* of a TLS record */
#define TLS_HOST_MAX 253 /* octets of a DNS name */

struct sled_tls_trust {
	SSL_CTX *ctx;
	BIO_METHOD *bio; /* of the connections: tls.c */
	bool own_ca;     /* from a ca-file, not the system's */
	char id[SLED_TLS_TRUST_ID];
};

enum tls_state {
	TLS_SHAKING,
	TLS_OPEN,
	TLS_SHUT, /* our close_notify is queued */
};

struct sled_tls {
	SSL *ssl;
	const struct sled_tls_trust *trust;
	struct sled_span in; /* borrowed from the caller */
	struct sled_buf out; /* due to the peer */
	uint64_t in_bytes;   /* used of what was fed */
	uint64_t out_bytes;  /* queued */
	char host[TLS_HOST_MAX + 1];
	int64_t now;
	char head[TLS_HEAD_LEN]; /* the peer's first bytes */
	size_t head_len;
	enum tls_state state;
	bool eof, peer_closed;
	bool offered; /* a ticket */
	bool refused; /* the hello */
	enum sled_tls_doubt doubt;
	SSL_SESSION *ticket[SLED_TLS_TICKETS];
	size_t tickets;
	struct sled_tls_facts facts;
	struct sled_err fault; /* .kind is NONE as long as all is well */
};

/* Endpoints of the memory pipe: SSL on one side, in and out on the other. */
BIO_METHOD *sled_tls_pipe_method(void);

/* hello.c: offer less; and two ways in which the hello can be refused: WHY,
 * of OpenSSL's queue, says so, or no ServerHello came. */
void sled_tls_slim(SSL *ssl);
bool sled_tls_is_refusal(const struct sled_tls *tls, unsigned long why);
bool sled_tls_is_unanswered(const struct sled_tls *tls);

/* ticket.c: notAfter; 0 when it is no time. */
int64_t sled_tls_leaf_ends(const X509 *leaf);
/* Of TLS 1.3, with a certificate for this host that holds now? */
bool sled_tls_session_proved(const struct sled_tls *tls, SSL_SESSION *session);
/* For SSL_CTX_sess_set_new_cb(). */
int sled_tls_keep_session(SSL *ssl, SSL_SESSION *session);

/* The chain does not verify; CTX is where the verifier stopped. */
void sled_tls_blame_cert(struct sled_tls *tls, X509_STORE_CTX *ctx);
/* The peer's first bytes are no TLS record. */
enum sled_tls_step sled_tls_blame_head(struct sled_tls *tls);
/* The peer's stream ended inside the handshake. */
enum sled_tls_step sled_tls_blame_eof(struct sled_tls *tls);
/* OpenSSL gave up; its error queue says why. */
enum sled_tls_step sled_tls_blame_ssl(struct sled_tls *tls);

#endif
