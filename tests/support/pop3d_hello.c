/*
 * pop3d_hello.c - what the log says of a TLS handshake, and tickets; see
 * pop3d.h. Each ClientHello gets a line:
 *
 *     CONN 3 hello bytes=517 session-id=32 offered=1
 *
 * BYTES counts the handshake message with its header of four octets; OFFERED is
 * 1 when it asks to resume (RFC 8446 pre_shared_key, or RFC 5077 ticket).
 */
#include <string.h>

#include "pop3d.h"

#define CLIENT_HELLO     1
#define LEGACY_ID_LENGTH 32

static long
count_reads(BIO *bio, int oper, const char *data, size_t len, int number,
            long large, int ret, size_t *processed)
{
	struct pop3d_conn *conn = (void *)BIO_get_callback_arg(bio);

	(void)data, (void)len, (void)number, (void)large;
	if (oper == (BIO_CB_READ | BIO_CB_RETURN) && ret > 0 &&
	    processed != NULL && *processed > 0)
		conn->reads++;
	return ret;
}

static void
note_size(int write, int version, int type, const void *data, size_t len,
          SSL *ssl, void *arg)
{
	struct pop3d_conn *conn = arg;

	(void)version, (void)ssl;
	if (write == 0 && type == SSL3_RT_HANDSHAKE && len > 0 &&
	    *(const unsigned char *)data == CLIENT_HELLO)
		conn->hello_size = len;
}

static bool
has_content(SSL *ssl, unsigned type)
{
	const unsigned char *data;
	size_t len;

	return SSL_client_hello_get0_ext(ssl, type, &data, &len) == 1 &&
	       len > 0;
}

static int
on_hello(SSL *ssl, int *alert, void *arg)
{
	struct pop3d_conn *conn = SSL_get_app_data(ssl);
	const unsigned char *id;
	size_t id_len = SSL_client_hello_get0_session_id(ssl, &id);
	bool offered = has_content(ssl, TLSEXT_TYPE_psk) ||
	               has_content(ssl, TLSEXT_TYPE_session_ticket);

	(void)arg;
	pop3d_log(conn->server,
	          "CONN %u hello bytes=%zu session-id=%zu "
	          "offered=%d",
	          conn->id, conn->hello_size, id_len, offered);
	if (!conn->server->conf.slim_refused || id_len == LEGACY_ID_LENGTH)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_HANDSHAKE_FAILURE;
	return SSL_CLIENT_HELLO_ERROR;
}

/* As if it came from another process: a full handshake, and new tickets. */
static SSL_TICKET_RETURN
forget(SSL *ssl, SSL_SESSION *session, const unsigned char *name,
       size_t name_len, SSL_TICKET_STATUS status, void *arg)
{
	(void)ssl, (void)session, (void)name, (void)name_len;
	(void)status, (void)arg;
	return SSL_TICKET_RETURN_IGNORE_RENEW;
}

void
pop3d_hello_init(SSL_CTX *ctx, const struct pop3d_conf *conf)
{
	SSL_CTX_set_client_hello_cb(ctx, on_hello, NULL);
	/* All that has come is taken at once: see pop3d_early.c. */
	SSL_CTX_set_read_ahead(ctx, 1);
	if (conf->tickets == POP3D_TICKETS_KEPT)
		return;
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (conf->tickets == POP3D_TICKETS_FORGOTTEN) {
		(void)SSL_CTX_set_session_ticket_cb(ctx, NULL, forget, NULL);
		return;
	}
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	(void)SSL_CTX_set_num_tickets(ctx, 0);
}

bool
pop3d_hello_watch(struct pop3d_conn *conn)
{
	BIO *bio = SSL_get_rbio(conn->ssl);

	SSL_set_msg_callback(conn->ssl, note_size);
	SSL_set_msg_callback_arg(conn->ssl, conn);
	BIO_set_callback_ex(bio, count_reads);
	BIO_set_callback_arg(bio, (char *)conn);
	return SSL_set_app_data(conn->ssl, conn) == 1;
}
