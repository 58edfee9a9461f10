/*
 * trust.c - whom to believe. See mailsled/tls.h for the contract.
 *
 * The system's bundle costs about 10 ms and 2 MB to load whole. Its folder of
 * certificates by name hash costs one look-up in a visit, so it comes first.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "internal.h"
#include "mailsled/text.h"

static bool
add_anchor(X509_STORE *store, BIO *file, struct sled_err *err)
{
	/* Given a passphrase, be it empty, OpenSSL asks no terminal for one. */
	char none[] = "";
	X509 *cert = PEM_read_bio_X509_AUX(file, NULL, NULL, none);
	int added = cert == NULL ? 0 : X509_STORE_add_cert(store, cert);
	unsigned long why = ERR_peek_last_error();

	X509_free(cert);
	ERR_clear_error();
	if (added == 1)
		return true;
	if (cert == NULL && ERR_GET_LIB(why) == ERR_LIB_PEM &&
	    ERR_GET_REASON(why) == PEM_R_NO_START_LINE)
		return false; /* the end of the file, and *err is untouched */
	if (why != 0 && ERR_GET_REASON(why) == ERR_R_MALLOC_FAILURE)
		return sled_fail_sys(err, ENOMEM, "certificates");
	return sled_fail(err, SLED_ERR_CONFIG, "damaged certificate");
}

static bool
load_file(X509_STORE *store, const char *what, const char *path,
          struct sled_err *err)
{
	char shown[200];
	struct sled_err why = { 0 };
	size_t count = 0;
	BIO *file;

	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ path, strlen(path) });
	errno = 0;
	file = BIO_new_file(path, "re");
	if (file == NULL) {
		int sys = errno;
		ERR_clear_error();
		return sled_fail_at(err, SLED_HERE, SLED_ERR_CONFIG, sys,
		                    "%s %s", what, shown);
	}
	while (add_anchor(store, file, &why))
		count++;
	BIO_free_all(file);
	if (why.kind != SLED_ERR_NONE) {
		(void)sled_note(&why, "%s %s: number %zu", what, shown,
		                count + 1);
		*err = why;
		return false;
	}
	if (count > 0)
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG, "%s %s holds no certificate",
	                what, shown);
	return sled_hint(err, "it must be PEM text, with lines of "
	                      "BEGIN CERTIFICATE");
}

/* Is NAME of the form that c_rehash gives: 8 hex digits, a dot, a number? */
static bool
is_hash_name(const char *name)
{
	for (size_t i = 0; i < 8; i++)
		if (!isxdigit((unsigned char)name[i]))
			return false;
	return name[8] == '.' && isdigit((unsigned char)name[9]);
}

static bool
has_hash_names(const char *path)
{
	DIR *dir = opendir(path);
	bool found = false;
	const struct dirent *entry;

	if (dir == NULL)
		return false;
	while (!found && (entry = readdir(dir)) != NULL)
		found = is_hash_name(entry->d_name);
	(void)closedir(dir);
	return found;
}

/* One of the folders in a list as SSL_CERT_DIR has it: "a:b". */
static bool
any_hash_names(const char *list)
{
	bool found = false;

	while (!found && *list != '\0') {
		size_t len = strcspn(list, ":");
		char *path = strndup(list, len);

		found = path != NULL && has_hash_names(path);
		free(path);
		list += len;
		list += *list == ':';
	}
	return found;
}

static bool
use_folder(X509_STORE *store)
{
	const char *list = secure_getenv(X509_get_default_cert_dir_env());
	X509_LOOKUP *lookup;

	if (list == NULL)
		list = X509_get_default_cert_dir();
	if (!any_hash_names(list))
		return false;
	lookup = X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());
	return lookup != NULL &&
	       X509_LOOKUP_add_dir(lookup, list, X509_FILETYPE_PEM) == 1;
}

/* The folder, and the bundle when the user names one or nothing else is. */
static bool
load_system(X509_STORE *store, struct sled_err *err)
{
	const char *file = secure_getenv(X509_get_default_cert_file_env());
	bool have = use_folder(store);

	if (file != NULL)
		return load_file(store, X509_get_default_cert_file_env(), file,
		                 err);
	if (have ||
	    load_file(store, "bundle", X509_get_default_cert_file(), err))
		return true;
	(void)sled_fail(err, SLED_ERR_CONFIG,
	                "this system has no certificate authorities");
	return sled_hint(err, "install the package ca-certificates, or set "
	                      "ca-file =");
}

/* What the system's openssl.cnf asks for stays, unless it is laxer. */
static bool
set_rules(SSL_CTX *ctx)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
	long least = SSL_CTX_get_min_proto_version(ctx);

	if (least < TLS1_2_VERSION &&
	    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1)
		return false;
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
	                                   SSL_OP_NO_COMPRESSION |
	                                   SSL_OP_NO_TICKET);
	(void)SSL_CTX_clear_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	/* Sessions are handed over and held nowhere in here. */
	(void)SSL_CTX_set_session_cache_mode(
	    ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, sled_tls_keep_session);
	X509_VERIFY_PARAM_set_hostflags(param,
	                                X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return true;
}

/* --- what it is known by --- */

static bool
add_der(EVP_MD_CTX *sum, const X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);
	bool ok = len > 0 && EVP_DigestUpdate(sum, der, (size_t)len) == 1;

	OPENSSL_free(der);
	return ok;
}

static bool
add_store(EVP_MD_CTX *sum, X509_STORE *store)
{
	const STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);

	for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
		const X509 *cert =
		    X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));

		if (cert != NULL && !add_der(sum, cert))
			return false;
	}
	return true;
}

/* The system's authorities come and go with its updates; where they are
 * looked for is enough. */
static bool
add_system(EVP_MD_CTX *sum)
{
	const char *dir = secure_getenv(X509_get_default_cert_dir_env());
	const char *file = secure_getenv(X509_get_default_cert_file_env());

	if (dir == NULL)
		dir = X509_get_default_cert_dir();
	if (file == NULL)
		file = X509_get_default_cert_file();
	return EVP_DigestUpdate(sum, "system", sizeof("system")) == 1 &&
	       EVP_DigestUpdate(sum, dir, strlen(dir) + 1) == 1 &&
	       EVP_DigestUpdate(sum, file, strlen(file) + 1) == 1;
}

static bool
set_id(struct sled_tls_trust *trust, X509_STORE *store, struct sled_err *err)
{
	EVP_MD_CTX *sum = EVP_MD_CTX_new();
	uint8_t hash[SLED_HASH_LEN];
	bool ok = sum != NULL &&
	          EVP_DigestInit_ex(sum, EVP_sha256(), NULL) == 1 &&
	          (trust->own_ca ? add_store(sum, store) : add_system(sum)) &&
	          EVP_DigestFinal_ex(sum, hash, NULL) == 1;

	EVP_MD_CTX_free(sum);
	if (!ok)
		return sled_fail_sys(err, ENOMEM, "certificates");
	sled_text_hex(trust->id, hash, sizeof(hash));
	return true;
}

void
sled_tls_trust_id(const struct sled_tls_trust *trust,
                  char out[SLED_TLS_TRUST_ID])
{
	memcpy(out, trust->id, SLED_TLS_TRUST_ID);
}

static bool
load(struct sled_tls_trust *trust, const char *ca_file, struct sled_err *err)
{
	X509_STORE *store;

	trust->bio = sled_tls_pipe_method();
	trust->ctx = SSL_CTX_new(TLS_client_method());
	if (trust->bio == NULL || trust->ctx == NULL || !set_rules(trust->ctx))
		return sled_fail(err, SLED_ERR_INTERNAL,
		                 "OpenSSL offers no TLS 1.2");
	store = SSL_CTX_get_cert_store(trust->ctx);
	if (ca_file == NULL)
		return load_system(store, err) && set_id(trust, store, err);
	/* What the user wrote down is an anchor, though nobody signed it. */
	trust->own_ca = true;
	if (X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
		return sled_fail(err, SLED_ERR_INTERNAL, "partial chains");
	return load_file(store, "ca-file", ca_file, err) &&
	       set_id(trust, store, err);
}

bool
sled_tls_trust_new(struct sled_tls_trust **out, const char *ca_file,
                   struct sled_err *err)
{
	struct sled_tls_trust *trust = calloc(1, sizeof(*trust));
	bool loaded;

	if (trust == NULL)
		return sled_fail_sys(err, ENOMEM, "TLS");
	loaded = load(trust, ca_file, err);
	ERR_clear_error();
	if (!loaded) {
		sled_tls_trust_free(&trust);
		return false;
	}
	*out = trust;
	return true;
}

void
sled_tls_trust_free(struct sled_tls_trust **trust)
{
	if (*trust == NULL)
		return;
	SSL_CTX_free((*trust)->ctx);
	BIO_meth_free((*trust)->bio);
	free(*trust);
	*trust = NULL;
}
