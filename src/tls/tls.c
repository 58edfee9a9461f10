/* tls.c - see mailsled/tls.h for the contract. */
#include "mailsled/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "internal.h"
#include "mailsled/text.h"

/* --- the pipe: SSL reads what was fed and writes what is pending --- */

static int
pipe_read(BIO *bio, char *out, int room)
{
	struct sled_tls *tls = BIO_get_data(bio);
	size_t len = tls->in.len;

	BIO_clear_retry_flags(bio);
	if (room <= 0)
		return 0;
	if (len == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	if (len > (size_t)room)
		len = (size_t)room;
	memcpy(out, tls->in.data, len);
	tls->in.data += len;
	tls->in.len -= len;
	tls->in_bytes += len;
	return (int)len;
}

static int
pipe_write(BIO *bio, const char *data, int len)
{
	struct sled_tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (!sled_buf_add(&tls->out, data, (size_t)len, &tls->fault))
		return -1;
	tls->out_bytes += (size_t)len;
	return len;
}

static long
pipe_ctrl(BIO *bio, int cmd, long num, void *arg)
{
	(void)bio;
	(void)num;
	(void)arg;
	return cmd == BIO_CTRL_FLUSH;
}

static int
pipe_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *
sled_tls_pipe_method(void)
{
	BIO_METHOD *pipe = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "mailsled");

	if (pipe != NULL && BIO_meth_set_read(pipe, pipe_read) == 1 &&
	    BIO_meth_set_write(pipe, pipe_write) == 1 &&
	    BIO_meth_set_ctrl(pipe, pipe_ctrl) == 1 &&
	    BIO_meth_set_create(pipe, pipe_create) == 1)
		return pipe;
	BIO_meth_free(pipe);
	return NULL;
}

/* --- a connection is made and ended --- */

/* The host without the dot that ends an absolute name. False when no
 * certificate could prove it: a name of ".org" would match each name below. */
static bool
take_host(struct sled_tls *tls, const char *host)
{
	size_t len = strlen(host);

	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len == 0 || len > TLS_HOST_MAX || host[0] == '.')
		return false;
	memcpy(tls->host, host, len);
	return true;
}

static bool
is_dns_name(const char *host)
{
	return host[strspn(host, "abcdefghijklmnopqrstuvwxyz"
	                         "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                         "0123456789-_.")] == '\0';
}

static int
check_peer(int ok, X509_STORE_CTX *ctx)
{
	int index = SSL_get_ex_data_X509_STORE_CTX_idx();
	SSL *ssl = X509_STORE_CTX_get_ex_data(ctx, index);

	if (ok != 1)
		sled_tls_blame_cert(SSL_get_app_data(ssl), ctx);
	return ok;
}

/* Whom the certificate must name. An address is never sent as SNI. */
static bool
expect_host(struct sled_tls *tls, struct sled_err *err)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(tls->ssl);
	char shown[100];

	X509_VERIFY_PARAM_set_time(param, (time_t)tls->now);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, tls->host) == 1)
		return true;
	if (is_dns_name(tls->host)) {
		if (X509_VERIFY_PARAM_set1_host(param, tls->host, 0) == 1 &&
		    SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1)
			return true;
		return sled_fail_sys(err, ENOMEM, "TLS");
	}
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ tls->host, strlen(tls->host) });
	(void)sled_fail(err, SLED_ERR_CONFIG,
	                "'%s' is no name that a certificate can prove", shown);
	return sled_hint(err, "write the server's DNS name; one in other "
	                      "letters than a-z in its xn-- form");
}

static bool
set_up(struct sled_tls *tls, const struct sled_tls_trust *trust,
       struct sled_err *err)
{
	BIO *bio;

	tls->trust = trust;
	tls->ssl = SSL_new(trust->ctx);
	bio = tls->ssl == NULL ? NULL : BIO_new(trust->bio);
	if (bio == NULL)
		return sled_fail_sys(err, ENOMEM, "TLS");
	BIO_set_data(bio, tls);
	SSL_set_bio(tls->ssl, bio, bio);
	if (SSL_set_app_data(tls->ssl, tls) != 1)
		return sled_fail_sys(err, ENOMEM, "TLS");
	SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, check_peer);
	SSL_set_connect_state(tls->ssl);
	return expect_host(tls, err);
}

bool
sled_tls_new(struct sled_tls **out, const struct sled_tls_trust *trust,
             const char *host, int64_t now, enum sled_tls_hello hello,
             struct sled_err *err)
{
	struct sled_tls *tls = calloc(1, sizeof(*tls));
	bool ready;

	if (tls == NULL)
		return sled_fail_sys(err, ENOMEM, "TLS");
	tls->now = now;
	if (!take_host(tls, host)) {
		free(tls);
		return sled_fail(err, SLED_ERR_CONFIG,
		                 "the server's name is empty, too long, or "
		                 "begins with a dot");
	}
	ready = set_up(tls, trust, err);
	if (ready && hello == SLED_TLS_HELLO_SLIM)
		sled_tls_slim(tls->ssl);
	ERR_clear_error();
	if (!ready) {
		sled_tls_free(&tls);
		return false;
	}
	*out = tls;
	return true;
}

void
sled_tls_free(struct sled_tls **tls)
{
	if (*tls == NULL)
		return;
	SSL_free((*tls)->ssl);
	for (size_t i = 0; i < (*tls)->tickets; i++)
		SSL_SESSION_free((*tls)->ticket[i]);
	sled_buf_free(&(*tls)->out);
	free(*tls);
	*tls = NULL;
}

/* --- bytes in and out --- */

void
sled_tls_feed(struct sled_tls *tls, struct sled_span in)
{
	size_t more = TLS_HEAD_LEN - tls->head_len;

	if (tls->peer_closed || tls->fault.kind != SLED_ERR_NONE)
		return;
	if (tls->in.len > 0) {
		(void)sled_fail(&tls->fault, SLED_ERR_INTERNAL,
		                "TLS was fed before it was hungry");
		return;
	}
	if (more > in.len)
		more = in.len;
	if (more > 0)
		memcpy(tls->head + tls->head_len, in.data, more);
	tls->head_len += more;
	tls->in = in;
}

void
sled_tls_eof(struct sled_tls *tls)
{
	tls->eof = true;
}

static enum sled_tls_step
tell_fault(const struct sled_tls *tls, struct sled_err *err)
{
	*err = tls->fault;
	return SLED_TLS_FAILED;
}

/* OpenSSL did not do what was asked: for want of bytes, or for good. */
static enum sled_tls_step
explain_stop(struct sled_tls *tls, int status)
{
	bool shaking = tls->state == TLS_SHAKING;

	switch (SSL_get_error(tls->ssl, status)) {
	case SSL_ERROR_WANT_READ:
		if (!tls->eof)
			return SLED_TLS_HUNGRY;
		return shaking ? sled_tls_blame_eof(tls) : SLED_TLS_CLOSED;
	case SSL_ERROR_ZERO_RETURN:
		if (shaking)
			return sled_tls_blame_eof(tls);
		tls->peer_closed = true;
		tls->in.len = 0;
		return SLED_TLS_CLOSED;
	default:
		return sled_tls_blame_ssl(tls);
	}
}

/* A TLS server begins with a handshake record or an alert. */
static bool
is_foreign(const struct sled_tls *tls)
{
	return tls->head_len == TLS_HEAD_LEN &&
	       ((tls->head[0] != SSL3_RT_HANDSHAKE &&
	         tls->head[0] != SSL3_RT_ALERT) ||
	        tls->head[1] != SSL3_VERSION_MAJOR);
}

/* Where no certificate came, one of before must prove the same. */
static bool
is_proved(const struct sled_tls *tls)
{
	if (SSL_get0_peer_certificate(tls->ssl) == NULL ||
	    SSL_get_verify_result(tls->ssl) != X509_V_OK ||
	    SSL_version(tls->ssl) < TLS1_2_VERSION)
		return false;
	return SSL_session_reused(tls->ssl) != 1 ||
	       (tls->offered &&
	        sled_tls_session_proved(tls, SSL_get_session(tls->ssl)));
}

/* The verifier has spoken already; law 5 is worth asking twice. */
static enum sled_tls_step
establish(struct sled_tls *tls)
{
	if (!is_proved(tls)) {
		(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
		                "%s: the certificate was not verified",
		                tls->host);
		return SLED_TLS_FAILED;
	}
	tls->facts = (struct sled_tls_facts){
		.version = SSL_get_version(tls->ssl),
		.cipher = SSL_get_cipher_name(tls->ssl),
		.handshake_in = tls->in_bytes,
		.handshake_out = tls->out_bytes,
		.leaf_ends =
		    sled_tls_leaf_ends(SSL_get0_peer_certificate(tls->ssl)),
		.offered = tls->offered,
		.resumed = SSL_session_reused(tls->ssl) == 1,
	};
	tls->state = TLS_OPEN;
	return SLED_TLS_READY;
}

static enum sled_tls_step
shake(struct sled_tls *tls)
{
	int status;

	if (is_foreign(tls))
		return sled_tls_blame_head(tls);
	ERR_clear_error();
	status = SSL_do_handshake(tls->ssl);
	return status == 1 ? establish(tls) : explain_stop(tls, status);
}

enum sled_tls_step
sled_tls_handshake(struct sled_tls *tls, struct sled_err *err)
{
	enum sled_tls_step step;

	if (tls->fault.kind != SLED_ERR_NONE)
		return tell_fault(tls, err);
	if (tls->state != TLS_SHAKING)
		return SLED_TLS_READY;
	step = shake(tls);
	ERR_clear_error();
	return step == SLED_TLS_FAILED ? tell_fault(tls, err) : step;
}

enum sled_tls_step
sled_tls_read(struct sled_tls *tls, void *out, size_t room, size_t *got,
              struct sled_err *err)
{
	enum sled_tls_step step = SLED_TLS_READY;
	int status;

	*got = 0;
	if (tls->fault.kind != SLED_ERR_NONE)
		return tell_fault(tls, err);
	if (tls->state == TLS_SHAKING || room == 0) {
		(void)sled_fail(err, SLED_ERR_INTERNAL,
		                "%s: read before TLS was ready", tls->host);
		return SLED_TLS_FAILED;
	}
	if (tls->peer_closed)
		return SLED_TLS_CLOSED;
	ERR_clear_error();
	status = SSL_read_ex(tls->ssl, out, room, got);
	if (status != 1)
		step = explain_stop(tls, status);
	ERR_clear_error();
	return step == SLED_TLS_FAILED ? tell_fault(tls, err) : step;
}

bool
sled_tls_write(struct sled_tls *tls, struct sled_span in, struct sled_err *err)
{
	size_t done = 0;
	int status;

	if (tls->fault.kind != SLED_ERR_NONE) {
		*err = tls->fault;
		return false;
	}
	if (tls->state != TLS_OPEN)
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "%s: write while TLS was not open", tls->host);
	if (in.len == 0)
		return true;
	ERR_clear_error();
	status = SSL_write_ex(tls->ssl, in.data, in.len, &done);
	if (status != 1 || done != in.len)
		(void)sled_tls_blame_ssl(tls);
	ERR_clear_error();
	if (tls->fault.kind == SLED_ERR_NONE)
		return true;
	*err = tls->fault;
	return false;
}

void
sled_tls_shutdown(struct sled_tls *tls)
{
	if (tls->state != TLS_OPEN || tls->fault.kind != SLED_ERR_NONE)
		return;
	tls->state = TLS_SHUT;
	ERR_clear_error();
	(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
}

bool
sled_tls_peer_closed(const struct sled_tls *tls)
{
	return tls->peer_closed;
}

const struct sled_tls_facts *
sled_tls_facts(const struct sled_tls *tls)
{
	return tls->state == TLS_SHAKING ? NULL : &tls->facts;
}

struct sled_span
sled_tls_pending(const struct sled_tls *tls)
{
	return sled_buf_span(&tls->out);
}

void
sled_tls_sent(struct sled_tls *tls, size_t len)
{
	sled_buf_shift(&tls->out, len);
}
