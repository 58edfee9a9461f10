/*
 * hello.c - what the first flight asks for, and whether that was the trouble.
 *
 * Why each is in the slim hello: X25519 is what nearly all servers take, so
 * its key share goes out alone; P-256 and P-384 are there for a retry by the
 * server. The signatures are those of the leaves and chains that public
 * authorities issue: ECDSA on both curves, RSA as TLS 1.3 and as TLS 1.2 sign,
 * and RSA with SHA-384, which signs many intermediates: a server that holds
 * its whole chain against the list (RFC 8446 section 4.4.2.2) refuses without.
 */
#include <openssl/err.h>

#include "internal.h"

/* A list that this OpenSSL cannot have, by its own policy, stays as policy
 * wrote it: then the hello is longer, and no worse. */
void
sled_tls_slim(SSL *ssl)
{
	char groups[] = "X25519:P-256:P-384";
	char signatures[] = "ECDSA+SHA256:ECDSA+SHA384:rsa_pss_rsae_sha256:"
			    "RSA+SHA256:RSA+SHA384";

	(void)SSL_set1_groups_list(ssl, groups);
	(void)SSL_set1_sigalgs_list(ssl, signatures);
	(void)SSL_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:"
	                                "TLS_AES_256_GCM_SHA384:"
	                                "TLS_CHACHA20_POLY1305_SHA256");
	(void)SSL_set_cipher_list(ssl, "ECDHE-ECDSA-AES128-GCM-SHA256:"
	                               "ECDHE-RSA-AES128-GCM-SHA256:"
	                               "ECDHE-ECDSA-AES256-GCM-SHA384:"
	                               "ECDHE-RSA-AES256-GCM-SHA384");
	/* The session id that looks like TLS 1.2, and the record after it. */
	(void)SSL_clear_options(ssl, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
	/* For CBC suites, and none is offered. */
	(void)SSL_set_options(ssl, SSL_OP_NO_ENCRYPT_THEN_MAC);
}

static bool
alert_refuses(int alert)
{
	switch (alert) {
	case SSL_AD_UNEXPECTED_MESSAGE:
	case SSL_AD_HANDSHAKE_FAILURE:
	case SSL_AD_ILLEGAL_PARAMETER:
	case SSL_AD_DECODE_ERROR:
	case SSL_AD_PROTOCOL_VERSION:
	case SSL_AD_INSUFFICIENT_SECURITY:
	case SSL_AD_INTERNAL_ERROR:
	case SSL_AD_MISSING_EXTENSION:
	case SSL_AD_UNSUPPORTED_EXTENSION:
		return true;
	default:
		return false;
	}
}

bool
sled_tls_is_refusal(const struct sled_tls *tls, unsigned long why)
{
	int reason = ERR_GET_REASON(why);

	if (tls->state != TLS_SHAKING || ERR_GET_LIB(why) != ERR_LIB_SSL)
		return false;
	if (reason >= SSL_AD_REASON_OFFSET &&
	    reason < SSL_AD_REASON_OFFSET + 256)
		return alert_refuses(reason - SSL_AD_REASON_OFFSET);
	/* The server chose what was not offered. */
	return reason == SSL_R_WRONG_SIGNATURE_TYPE ||
	       reason == SSL_R_WRONG_CIPHER_RETURNED ||
	       reason == SSL_R_UNKNOWN_CIPHER_RETURNED ||
	       reason == SSL_R_WRONG_CURVE || reason == SSL_R_BAD_KEY_SHARE;
}

bool
sled_tls_is_unanswered(const struct sled_tls *tls)
{
	return tls->state == TLS_SHAKING &&
	       SSL_get_state(tls->ssl) == TLS_ST_CW_CLNT_HELLO;
}

bool
sled_tls_hello_refused(const struct sled_tls *tls)
{
	return tls->refused;
}
