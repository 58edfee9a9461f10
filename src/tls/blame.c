/*
 * blame.c - each way in which TLS can fail, in words a user can act on.
 *
 * Each text names the host. What a certificate says is clipped before it is
 * put in, so the whole always fits into an error.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "internal.h"
#include "mailsled/clock.h"
#include "mailsled/text.h"

#define NAMES_MAX 16  /* alternative names that are looked at */
#define SHOWN     160 /* room for a name or a list of them */

/* --- what a certificate says, made fit to be shown --- */

static void
show_issuer(char out[SHOWN], const X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned long form =
	    (XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB & ~ASN1_STRFLGS_ESC_CTRL);
	struct sled_span text = { "?", 1 };
	char *data = NULL;
	long len;

	if (bio != NULL &&
	    X509_NAME_print_ex(bio, X509_get_issuer_name(cert), 0, form) >= 0) {
		len = BIO_get_mem_data(bio, &data);
		if (len > 0)
			text = (struct sled_span){ data, (size_t)len };
	}
	sled_text_clip(out, SHOWN, text);
	BIO_free(bio);
}

static void
show_time(char out[SLED_TIME_TEXT], const ASN1_TIME *when)
{
	struct tm tm = { 0 };

	if (ASN1_TIME_to_tm(when, &tm) == 1)
		sled_clock_rfc3339((int64_t)timegm(&tm), out);
	else
		(void)snprintf(out, SLED_TIME_TEXT, "an unknown time");
}

static bool
add_bytes(struct sled_buf *buf, const ASN1_STRING *text, struct sled_err *err)
{
	int len = ASN1_STRING_length(text);

	if (buf->len > 0 && !sled_buf_addstr(buf, ", ", err))
		return false;
	return sled_buf_add(buf, ASN1_STRING_get0_data(text),
	                    len < 0 ? 0 : (size_t)len, err);
}

static bool
add_address(struct sled_buf *buf, const ASN1_OCTET_STRING *ip,
            struct sled_err *err)
{
	const unsigned char *b = ASN1_STRING_get0_data(ip);
	int len = ASN1_STRING_length(ip);

	if (buf->len > 0 && !sled_buf_addstr(buf, ", ", err))
		return false;
	if (len == 4)
		return sled_buf_printf(buf, err, "%d.%d.%d.%d", b[0], b[1],
		                       b[2], b[3]);
	for (int i = 0; i + 1 < len && len == 16; i += 2)
		if (!sled_buf_printf(buf, err, "%s%x", i == 0 ? "" : ":",
		                     b[i] << 8 | b[i + 1]))
			return false;
	return true;
}

/* The names that count: alternative names, or the common name without any. */
static bool
add_names(struct sled_buf *buf, X509 *cert, struct sled_err *err)
{
	GENERAL_NAMES *names =
	    X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(cert);
	int count = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	bool ok = true;

	for (int i = 0; ok && i < count && i < NAMES_MAX; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			ok = add_bytes(buf, name->d.dNSName, err);
		else if (name->type == GEN_IPADD)
			ok = add_address(buf, name->d.iPAddress, err);
	}
	if (ok && buf->len == 0 && at >= 0)
		ok = add_bytes(
		    buf,
		    X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)),
		    err);
	GENERAL_NAMES_free(names);
	return ok;
}

static void
show_names(char out[SHOWN], X509 *cert)
{
	struct sled_buf buf = { 0 };
	struct sled_err unused = { 0 };

	if (add_names(&buf, cert, &unused) && buf.len > 0)
		sled_text_clip(out, SHOWN, sled_buf_span(&buf));
	else
		(void)snprintf(out, SHOWN, "none");
	sled_buf_free(&buf);
}

enum sled_tls_doubt
sled_tls_doubt(const struct sled_tls *tls)
{
	return tls->doubt;
}

/* --- the certificate is not good enough --- */

static void
blame_dates(struct sled_tls *tls, const X509 *cert, int depth, bool ended)
{
	char at[SLED_TIME_TEXT], now[SLED_TIME_TEXT];
	const char *whose = depth == 0 ? "its" : "its issuer's";

	show_time(at,
	          ended ? X509_get0_notAfter(cert) : X509_get0_notBefore(cert));
	sled_clock_rfc3339(tls->now, now);
	if (ended)
		(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
		                "%s: %s certificate expired on %s (this "
		                "machine's clock says %s)",
		                tls->host, whose, at, now);
	else
		(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
		                "%s: %s certificate is not valid before %s "
		                "(this machine's clock says %s)",
		                tls->host, whose, at, now);
	if (ended && !sled_clock_doubtful(tls->now))
		(void)sled_hint(&tls->fault,
		                "the server's owner must renew it, unless this "
		                "machine's clock is wrong");
	else
		(void)sled_hint(&tls->fault, "look at this machine's clock");
}

static void
blame_name(struct sled_tls *tls, X509 *cert)
{
	char names[SHOWN];

	show_names(names, cert);
	(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
	                "%s: its certificate is for other names: %s", tls->host,
	                names);
	(void)sled_hint(&tls->fault,
	                "if your server is one of these, write that name as "
	                "server =; else something else answers for it, such "
	                "as the sign-in page of a network");
}

static void
blame_issuer(struct sled_tls *tls, const X509 *cert, bool itself)
{
	char issuer[SHOWN];

	show_issuer(issuer, cert);
	(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
	                itself ? "%s: its certificate is self-signed, by '%s'"
	                       : "%s: its certificate comes from '%s', which "
	                         "is not trusted here",
	                tls->host, issuer);
	(void)sled_hint(&tls->fault,
	                tls->trust->own_ca
	                    ? "ca-file = does not hold that issuer: ask the "
	                      "server's owner for the right certificate"
	                    : "if you know that issuer, name its certificate "
	                      "by ca-file =; else something else answers for "
	                      "your server");
}

static void
blame_other(struct sled_tls *tls, int code)
{
	if (code == X509_V_ERR_OUT_OF_MEM) {
		(void)sled_fail_sys(&tls->fault, ENOMEM, "%s: certificate",
		                    tls->host);
		return;
	}
	(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
	                "%s: its certificate was refused: %s", tls->host,
	                X509_verify_cert_error_string(code));
	(void)sled_hint(&tls->fault,
	                "the server's owner must mend its certificate");
}

void
sled_tls_blame_cert(struct sled_tls *tls, X509_STORE_CTX *ctx)
{
	X509 *cert = X509_STORE_CTX_get_current_cert(ctx);
	int code = X509_STORE_CTX_get_error(ctx);
	int depth = X509_STORE_CTX_get_error_depth(ctx);

	if (tls->fault.kind != SLED_ERR_NONE)
		return;
	tls->doubt = SLED_TLS_REFUSED;
	if (cert == NULL) {
		blame_other(tls, code);
		return;
	}
	switch (code) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		/* Names and issuers were looked at before. */
		tls->doubt = SLED_TLS_NO_DOUBT;
		blame_dates(tls, cert, depth,
		            code == X509_V_ERR_CERT_HAS_EXPIRED);
		break;
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		tls->doubt = SLED_TLS_STRANGER;
		blame_name(tls, cert);
		break;
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_CERT_UNTRUSTED:
		blame_issuer(tls, cert, false);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		tls->doubt = SLED_TLS_SELF;
		blame_issuer(tls, cert, true);
		break;
	default:
		blame_other(tls, code);
	}
}

/* --- the peer does not speak TLS as we do --- */

enum sled_tls_step
sled_tls_blame_head(struct sled_tls *tls)
{
	static const char plain[] =
	    "for a server that begins without TLS write tls = starttls "
	    "(port 110)";
	static const char portal[] =
	    "a web server or the sign-in page of a network answers: sign in "
	    "there, or mend server = and port =";
	static const char other[] =
	    "mend server = and port =, or sign in to this network";
	char shown[40];

	tls->doubt = SLED_TLS_STRANGER;
	sled_text_clip(shown, sizeof(shown),
	               (struct sled_span){ tls->head, tls->head_len });
	if (memcmp(tls->head, "+OK", 3) == 0 ||
	    memcmp(tls->head, "-ERR", 4) == 0) {
		tls->doubt = SLED_TLS_PLAIN;
		(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
		                "%s: it speaks plain POP3, not TLS", tls->host);
		(void)sled_hint(&tls->fault, plain);
	} else if (memcmp(tls->head, "HTTP", 4) == 0 || tls->head[0] == '<') {
		(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
		                "%s: it speaks HTTP, not TLS", tls->host);
		(void)sled_hint(&tls->fault, portal);
	} else {
		(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
		                "%s: it does not speak TLS (it began with "
		                "'%s')",
		                tls->host, shown);
		(void)sled_hint(&tls->fault, other);
	}
	return SLED_TLS_FAILED;
}

enum sled_tls_step
sled_tls_blame_eof(struct sled_tls *tls)
{
	/* An end that nobody announced, behind a handshake that had begun, is
	 * the line's [W6]. */
	bool cut = tls->head_len > 0 && tls->head[0] == SSL3_RT_HANDSHAKE &&
	           !(SSL_get_shutdown(tls->ssl) & SSL_RECEIVED_SHUTDOWN);

	tls->refused = sled_tls_is_unanswered(tls);
	(void)sled_fail(&tls->fault, cut ? SLED_ERR_LINK : SLED_ERR_PROTO,
	                tls->head_len == 0
	                    ? "%s: it closed the connection before its first "
	                      "byte of TLS"
	                    : "%s: it closed the connection in the TLS "
	                      "handshake",
	                tls->host);
	(void)sled_hint(&tls->fault,
	                "try again; if it stays so, look at server =, port = "
	                "and tls =, or ask the server's owner");
	return SLED_TLS_FAILED;
}

static void
blame_version(struct sled_tls *tls)
{
	(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
	                "%s: it has no TLS 1.2 or newer", tls->host);
	(void)sled_hint(&tls->fault,
	                "the server's owner must update it; older TLS is not "
	                "safe for a password");
}

static void
blame_alert(struct sled_tls *tls, int alert)
{
	(void)sled_fail(&tls->fault, SLED_ERR_PROTO,
	                "%s: it ended the TLS %s with the alert '%s' (%d)",
	                tls->host,
	                tls->state == TLS_SHAKING ? "handshake" : "connection",
	                SSL_alert_desc_string_long(alert), alert);
	(void)sled_hint(&tls->fault,
	                tls->state == TLS_SHAKING
	                    ? "look at server = (the server may not know that "
	                      "name), or ask the server's owner"
	                    : "try again; what was sent may have been cut off "
	                      "on its way");
}

static void
blame_reason(struct sled_tls *tls, unsigned long why)
{
	const char *reason = ERR_reason_error_string(why);

	(void)sled_fail(&tls->fault, SLED_ERR_PROTO, "%s: TLS failed%s: %s",
	                tls->host,
	                tls->state == TLS_SHAKING ? " in the handshake" : "",
	                reason == NULL ? "unknown cause" : reason);
	(void)sled_hint(&tls->fault,
	                "try again; if it stays so, the server or something "
	                "on the way to it is broken");
}

enum sled_tls_step
sled_tls_blame_ssl(struct sled_tls *tls)
{
	unsigned long why = ERR_peek_error();
	int reason = ERR_GET_REASON(why);

	if (tls->fault.kind != SLED_ERR_NONE)
		return SLED_TLS_FAILED;
	tls->refused = sled_tls_is_refusal(tls, why);
	if (why != 0 && reason == ERR_R_MALLOC_FAILURE)
		(void)sled_fail_sys(&tls->fault, ENOMEM, "%s: TLS", tls->host);
	else if (reason == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION ||
	         reason == SSL_R_UNSUPPORTED_PROTOCOL ||
	         reason == SSL_R_WRONG_SSL_VERSION)
		blame_version(tls);
	else if (ERR_GET_LIB(why) == ERR_LIB_SSL &&
	         reason >= SSL_AD_REASON_OFFSET &&
	         reason < SSL_AD_REASON_OFFSET + 256)
		blame_alert(tls, reason - SSL_AD_REASON_OFFSET);
	else
		blame_reason(tls, why);
	return SLED_TLS_FAILED;
}
