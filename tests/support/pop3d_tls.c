/* pop3d_tls.c - a certificate authority for one run; see pop3d.h. */
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "pop3d.h"

#define DAY 86400

static bool
extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;
	int ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (extension == NULL)
		return false;
	ok = X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
	return ok == 1;
}

static bool
name_it(X509_NAME *name, const char *common)
{
	return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
	                                  (const unsigned char *)"pop3d", -1,
	                                  -1, 0) == 1 &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	                                  (const unsigned char *)common, -1, -1,
	                                  0) == 1;
}

/* Begun: version, a random serial number, dates, name and key. */
static X509 *
begin_cert(EVP_PKEY *key, const char *common, long from, long to)
{
	X509 *cert = X509_new();
	BIGNUM *serial = BN_new();
	bool ok;

	ok = cert != NULL && serial != NULL && X509_set_version(cert, 2) == 1 &&
	     BN_rand(serial, 120, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	     BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL &&
	     X509_gmtime_adj(X509_getm_notBefore(cert), from) != NULL &&
	     X509_gmtime_adj(X509_getm_notAfter(cert), to) != NULL &&
	     name_it(X509_get_subject_name(cert), common) &&
	     X509_set_pubkey(cert, key) == 1;
	BN_free(serial);
	if (ok)
		return cert;
	X509_free(cert);
	return NULL;
}

static X509 *
make_ca(EVP_PKEY *key)
{
	X509 *cert = begin_cert(key, "pop3d test root", -DAY, 90L * DAY);

	if (cert == NULL)
		return NULL;
	if (X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
	    extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE") &&
	    extend(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	    extend(cert, cert, NID_subject_key_identifier, "hash") &&
	    X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static X509 *
make_leaf(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, int kind)
{
	const char *names = "IP:127.0.0.1,IP:::1,DNS:localhost";
	long to = kind == POP3D_CERT_EXPIRED ? -DAY / 2 : 60L * DAY;
	X509 *cert = begin_cert(key, "localhost", -DAY, to);

	if (kind == POP3D_CERT_NAME)
		names = "DNS:elsewhere.example.org";
	if (cert == NULL)
		return NULL;
	if (X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
	    extend(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
	    extend(cert, ca, NID_key_usage, "critical,digitalSignature") &&
	    extend(cert, ca, NID_ext_key_usage, "serverAuth") &&
	    extend(cert, ca, NID_subject_alt_name, names) &&
	    extend(cert, ca, NID_authority_key_identifier, "keyid") &&
	    X509_sign(cert, ca_key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* Renamed into place, so that whoever waits for it never reads a part. */
static bool
write_pem(const char *path, X509 *cert)
{
	char temp[4096];
	FILE *file;
	bool ok;

	if (path == NULL)
		return true;
	if (snprintf(temp, sizeof(temp), "%s.new", path) >= (int)sizeof(temp))
		return false;
	file = fopen(temp, "we");
	if (file == NULL)
		return false;
	ok = PEM_write_X509(file, cert) == 1;
	ok = fclose(file) == 0 && ok;
	return ok && rename(temp, path) == 0;
}

/* TLS below 1.2 needs security level 0; it is there to be refused. */
static bool
set_version(SSL_CTX *ctx, const char *version)
{
	int number;

	if (version == NULL)
		return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1;
	if (strcmp(version, "1.1") == 0)
		number = TLS1_1_VERSION;
	else if (strcmp(version, "1.2") == 0)
		number = TLS1_2_VERSION;
	else if (strcmp(version, "1.3") == 0)
		number = TLS1_3_VERSION;
	else
		return false;
	return (number != TLS1_1_VERSION ||
	        SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0") == 1) &&
	       SSL_CTX_set_min_proto_version(ctx, number) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, number) == 1;
}

static bool
make_certs(SSL_CTX *ctx, const struct pop3d_conf *conf)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	X509 *ca = NULL, *leaf = NULL;
	bool ok = false;

	if (ca_key != NULL && key != NULL)
		ca = make_ca(ca_key);
	if (ca != NULL)
		leaf = make_leaf(key, ca, ca_key, conf->cert);
	if (leaf != NULL)
		ok = SSL_CTX_use_certificate(ctx, leaf) == 1 &&
		     SSL_CTX_use_PrivateKey(ctx, key) == 1 &&
		     write_pem(conf->ca_out, ca);
	X509_free(leaf);
	X509_free(ca);
	EVP_PKEY_free(key);
	EVP_PKEY_free(ca_key);
	return ok;
}

SSL_CTX *
pop3d_tls_new(const struct pop3d_conf *conf)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx != NULL && set_version(ctx, conf->tls_version) &&
	    make_certs(ctx, conf)) {
		(void)SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
		pop3d_hello_init(ctx, conf);
		return ctx;
	}
	ERR_print_errors_fp(stderr);
	SSL_CTX_free(ctx);
	return NULL;
}
