/* fx_tls.c - see fx_tls.h. */
#include "fx_tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

static void
add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static void
fill_cert(X509 *cert, const struct fx_tls_wish *wish, X509 *issuer)
{
	X509_NAME *name = X509_get_subject_name(cert);
	int64_t serial = 0;

	assert_int_equal(RAND_bytes((unsigned char *)&serial, 7), 1);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(
	    ASN1_INTEGER_set_int64(X509_get_serialNumber(cert), serial | 1), 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(
			     name, "CN", MBSTRING_UTF8,
			     (const unsigned char *)wish->cn, -1, -1, 0),
	                 1);
	assert_int_equal(
	    X509_set_issuer_name(cert, X509_get_subject_name(issuer)), 1);
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert),
	                              wish->from ? wish->from : FX_TLS_FROM));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert),
	                              wish->to ? wish->to : FX_TLS_TO));
}

void
fx_tls_id_make(struct fx_tls_id *out, const struct fx_tls_wish *wish,
               const struct fx_tls_id *issuer)
{
	X509 *from;

	if (wish->curve != NULL && strcmp(wish->curve, "RSA") == 0)
		out->key = EVP_RSA_gen(2048);
	else
		out->key =
		    EVP_EC_gen(wish->curve == NULL ? "P-256" : wish->curve);
	out->cert = X509_new();
	assert_non_null(out->key);
	assert_non_null(out->cert);
	from = issuer == NULL ? out->cert : issuer->cert;
	fill_cert(out->cert, wish, from);
	assert_int_equal(X509_set_pubkey(out->cert, out->key), 1);
	add_extension(out->cert, from, NID_basic_constraints,
	              wish->authority ? "critical,CA:TRUE" : "CA:FALSE");
	add_extension(out->cert, from, NID_subject_key_identifier, "hash");
	if (wish->names != NULL)
		add_extension(out->cert, from, NID_subject_alt_name,
		              wish->names);
	assert_true(X509_sign(out->cert,
	                      issuer == NULL ? out->key : issuer->key,
	                      wish->sha384 ? EVP_sha384() : EVP_sha256()) > 0);
}

void
fx_tls_id_free(struct fx_tls_id *id)
{
	EVP_PKEY_free(id->key);
	X509_free(id->cert);
	*id = (struct fx_tls_id){ NULL, NULL };
}

void
fx_tls_id_save(const struct fx_tls_id *id, const char *cert_path,
               const char *key_path)
{
	if (cert_path != NULL) {
		FILE *file = fopen(cert_path, "we");

		assert_non_null(file);
		assert_int_equal(PEM_write_X509(file, id->cert), 1);
		assert_int_equal(fclose(file), 0);
	}
	if (key_path != NULL) {
		FILE *file = fopen(key_path, "we");

		assert_non_null(file);
		assert_int_equal(PEM_write_PrivateKey(file, id->key, NULL, NULL,
		                                      0, NULL, NULL),
		                 1);
		assert_int_equal(fclose(file), 0);
	}
}

/* --- the server --- */

void
fx_tls_server_open(struct fx_tls_server *out, const struct fx_tls_id *id,
                   int least, int most)
{
	unsigned char keys[80] = "not a secret: for tests only";

	*out =
	    (struct fx_tls_server){ .ctx = SSL_CTX_new(TLS_server_method()) };
	assert_non_null(out->ctx);
	assert_int_equal(
	    SSL_CTX_set_tlsext_ticket_keys(out->ctx, keys, sizeof(keys)), 1);
	/* Level 0 lets a test have the old versions that clients must refuse. */
	SSL_CTX_set_security_level(out->ctx, 0);
	assert_int_equal(SSL_CTX_set_min_proto_version(out->ctx, least), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(out->ctx, most), 1);
	assert_int_equal(SSL_CTX_use_certificate(out->ctx, id->cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(out->ctx, id->key), 1);
	out->ssl = SSL_new(out->ctx);
	out->wire_in = BIO_new(BIO_s_mem());
	out->wire_out = BIO_new(BIO_s_mem());
	assert_non_null(out->ssl);
	assert_non_null(out->wire_in);
	assert_non_null(out->wire_out);
	SSL_set_bio(out->ssl, out->wire_in, out->wire_out);
	SSL_set_accept_state(out->ssl);
}

void
fx_tls_server_close(struct fx_tls_server *server)
{
	SSL_free(server->ssl);
	SSL_CTX_free(server->ctx);
	sled_buf_free(&server->got);
	*server = (struct fx_tls_server){ 0 };
}

void
fx_tls_server_feed(struct fx_tls_server *server, struct sled_span in)
{
	struct sled_err err = { 0 };
	char room[4096];
	size_t got = 0;

	if (in.len > 0)
		assert_int_equal(
		    BIO_write(server->wire_in, in.data, (int)in.len),
		    (int)in.len);
	ERR_clear_error();
	if (!server->ready)
		server->ready = SSL_do_handshake(server->ssl) == 1;
	while (server->ready &&
	       SSL_read_ex(server->ssl, room, sizeof(room), &got) == 1)
		assert_true(sled_buf_add(&server->got, room, got, &err));
	server->client_closed =
	    (SSL_get_shutdown(server->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
	ERR_clear_error();
}

void
fx_tls_server_say(struct fx_tls_server *server, struct sled_span text)
{
	size_t done = 0;

	assert_int_equal(SSL_write_ex(server->ssl, text.data, text.len, &done),
	                 1);
	assert_int_equal(done, text.len);
}

void
fx_tls_server_bye(struct fx_tls_server *server)
{
	assert_true(SSL_shutdown(server->ssl) >= 0);
}

void
fx_tls_server_take(struct fx_tls_server *server, struct sled_buf *out)
{
	struct sled_err err = { 0 };
	char room[4096];
	int got;

	while ((got = BIO_read(server->wire_out, room, sizeof(room))) > 0)
		assert_true(sled_buf_add(out, room, (size_t)got, &err));
}
