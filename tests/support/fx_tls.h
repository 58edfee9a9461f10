/*
 * fx_tls.h - for tests: certificates made on the fly, and a TLS server whose
 * wire is memory. Whatever goes wrong in here ends the test that asked.
 */
#ifndef FX_TLS_H
#define FX_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "mailsled/buf.h"
#include "mailsled/types.h"

/* Certificates hold from 2020 to 2048 unless a wish says otherwise; FX_TLS_NOW
 * lies between, years from the real clock, so that a test of times sees
 * whether an engine took the one it was given. */
#define FX_TLS_NOW  INT64_C(2051222400)
#define FX_TLS_FROM INT64_C(1577836800)
#define FX_TLS_TO   INT64_C(2493072000)

/* A key and its certificate. */
struct fx_tls_id {
	EVP_PKEY *key;
	X509 *cert;
};

struct fx_tls_wish {
	const char *cn;
	const char *names; /* "DNS:a.example,IP:127.0.0.1", or NULL */
	int64_t from, to;  /* seconds since 1970; 0: the defaults above */
	bool authority;    /* may sign others */
	const char *curve; /* of its key; NULL: "P-256". "RSA": RSA-2048 */
	bool sha384;       /* how it is signed, instead of SHA-256 */
};

/* ISSUER NULL: signed by itself. */
void fx_tls_id_make(struct fx_tls_id *out, const struct fx_tls_wish *wish,
                    const struct fx_tls_id *issuer);
void fx_tls_id_free(struct fx_tls_id *id);
/* As PEM files; either path may be NULL. */
void fx_tls_id_save(const struct fx_tls_id *id, const char *cert_path,
                    const char *key_path);

struct fx_tls_server {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *wire_in, *wire_out;
	struct sled_buf got; /* plaintext of the client */
	bool ready;          /* the handshake is done */
	bool client_closed;  /* close_notify was seen */
};

/* The server's tickets are good at each other server of this process, so that
 * a client can come back. LEAST and MOST as TLS1_2_VERSION; 0 is the library's choice. */
void fx_tls_server_open(struct fx_tls_server *out, const struct fx_tls_id *id,
                        int least, int most);
void fx_tls_server_close(struct fx_tls_server *server);
/* Bytes of the client; whatever can be done with them is done. */
void fx_tls_server_feed(struct fx_tls_server *server, struct sled_span in);
void fx_tls_server_say(struct fx_tls_server *server, struct sled_span text);
/* Send close_notify. */
void fx_tls_server_bye(struct fx_tls_server *server);
/* Add what is due to the client, and forget it here. */
void fx_tls_server_take(struct fx_tls_server *server, struct sled_buf *out);

#endif
