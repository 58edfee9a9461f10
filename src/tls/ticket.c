/*
 * ticket.c - sessions that can be resumed: kept, as text, and offered again.
 *
 * A resumed session shows no certificate: the one of the session stands for
 * it. Law 5 then rests on where the session comes from, so what is offered is
 * proved anew as far as it can be: verified then, for this host, within its
 * dates, under the same trust.
 */
#include <string.h>
#include <strings.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

#include "internal.h"
#include "mailsled/text.h"

#define MAGIC    "mailsled-ticket 1 "
#define LIFE_MAX (INT64_C(7) * 86400) /* s: RFC 8446 section 4.6.1 */
#define SUM_LEN  65                   /* of the last line: hex LF */
/* Octets of a session whose text, and its lines around it, fits. */
#define DER_MAX ((SLED_TLS_TICKET_MAX - 600) / 4 * 3)

/* The first line of a ticket, and the second. */
struct ticket {
	int64_t made, ends;
	struct sled_span trust, host, body;
};

/* --- what a certificate proves without its chain --- */

int64_t
sled_tls_leaf_ends(const X509 *leaf)
{
	struct tm tm = { 0 };

	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1)
		return 0;
	return (int64_t)timegm(&tm);
}

static bool
names_host(const struct sled_tls *tls, X509 *leaf)
{
	int as_ip = X509_check_ip_asc(leaf, tls->host, 0);

	if (as_ip != -2) /* it is an address */
		return as_ip == 1;
	return X509_check_host(leaf, tls->host, 0,
	                       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

bool
sled_tls_session_proved(const struct sled_tls *tls, SSL_SESSION *session)
{
	X509 *leaf = session == NULL ? NULL : SSL_SESSION_get0_peer(session);
	time_t now = (time_t)tls->now;

	return leaf != NULL &&
	       SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION &&
	       X509_cmp_time(X509_get0_notBefore(leaf), &now) < 0 &&
	       sled_tls_leaf_ends(leaf) > tls->now && names_host(tls, leaf);
}

/* --- tickets come --- */

static int64_t
ticket_ends(const struct sled_tls *tls, SSL_SESSION *session)
{
	int64_t ends = (int64_t)SSL_SESSION_get_ticket_lifetime_hint(session);
	int64_t leaf = sled_tls_leaf_ends(SSL_SESSION_get0_peer(session));

	if (ends > LIFE_MAX)
		ends = LIFE_MAX;
	ends += tls->now;
	return ends < leaf ? ends : leaf;
}

/* OpenSSL has a new session; 1 takes it over. */
int
sled_tls_keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct sled_tls *tls = SSL_get_app_data(ssl);

	if (tls->state == TLS_SHAKING || !SSL_SESSION_is_resumable(session) ||
	    !sled_tls_session_proved(tls, session) ||
	    ticket_ends(tls, session) <= tls->now ||
	    i2d_SSL_SESSION(session, NULL) > DER_MAX)
		return 0;
	if (tls->tickets == SLED_TLS_TICKETS) {
		SSL_SESSION_free(tls->ticket[0]);
		tls->tickets--;
		for (size_t i = 0; i < tls->tickets; i++)
			tls->ticket[i] = tls->ticket[i + 1];
	}
	tls->ticket[tls->tickets++] = session;
	return 1;
}

size_t
sled_tls_tickets(const struct sled_tls *tls)
{
	return tls->tickets;
}

/* --- as text --- */

static bool
add_session(struct sled_buf *out, const SSL_SESSION *session,
            struct sled_err *err)
{
	int len = i2d_SSL_SESSION(session, NULL);
	unsigned char *der = OPENSSL_malloc(len > 0 ? (size_t)len : 1);
	unsigned char *at = der;
	bool ok;

	if (len <= 0 || der == NULL || i2d_SSL_SESSION(session, &at) != len)
		ok = sled_fail(err, SLED_ERR_NOMEM, "TLS ticket");
	else
		ok = sled_text_base64(
		    out, (struct sled_span){ (char *)der, (size_t)len }, err);
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 1);
	return ok;
}

static bool
sum_of(char out[SUM_LEN], const char *data, size_t len)
{
	uint8_t sum[SLED_HASH_LEN];

	if (EVP_Digest(data, len, sum, NULL, EVP_sha256(), NULL) != 1)
		return false;
	sled_text_hex(out, sum, sizeof(sum));
	return true;
}

static bool
add_text(const struct sled_tls *tls, const SSL_SESSION *session, int64_t ends,
         struct sled_buf *out, struct sled_err *err)
{
	size_t start = out->len;
	char sum[SUM_LEN];

	/* In one piece, so that growing leaves no copy of the secret behind. */
	if (!sled_buf_reserve(out, SLED_TLS_TICKET_MAX, err) ||
	    !sled_buf_printf(out, err, MAGIC "%lld %lld %s %s\n",
	                     (long long)tls->now, (long long)ends,
	                     tls->trust->id, tls->host) ||
	    !add_session(out, session, err) || !sled_buf_addstr(out, "\n", err))
		return false;
	if (!sum_of(sum, out->data + start, out->len - start))
		return sled_fail(err, SLED_ERR_INTERNAL, "SHA-256");
	return sled_buf_printf(out, err, "%s\n", sum);
}

bool
sled_tls_ticket(const struct sled_tls *tls, size_t index, struct sled_buf *out,
                int64_t *ends, struct sled_err *err)
{
	size_t before = out->len;

	if (index >= tls->tickets)
		return sled_fail(err, SLED_ERR_INTERNAL, "no such TLS ticket");
	*ends = ticket_ends(tls, tls->ticket[index]);
	if (add_text(tls, tls->ticket[index], *ends, out, err))
		return true;
	if (out->len > before) {
		OPENSSL_cleanse(out->data + before, out->len - before);
		out->len = before;
	}
	ERR_clear_error();
	return false;
}

/* --- and back --- */

/* Take from REST what stands before STOP, and STOP. */
static bool
take_word(struct sled_span *rest, char stop, struct sled_span *word)
{
	const char *end =
	    rest->len == 0 ? NULL : memchr(rest->data, stop, rest->len);

	if (end == NULL)
		return false;
	*word = (struct sled_span){ rest->data, (size_t)(end - rest->data) };
	rest->data = end + 1;
	rest->len -= word->len + 1;
	return true;
}

static bool
take_time(struct sled_span *rest, int64_t *when)
{
	struct sled_span word;
	uint64_t value = 0;

	if (!take_word(rest, ' ', &word) || !sled_text_u64(word, &value) ||
	    value > INT64_MAX)
		return false;
	*when = (int64_t)value;
	return true;
}

/* Nothing is believed of a text whose sum does not hold. */
static bool
read_text(struct ticket *out, struct sled_span text)
{
	size_t magic = strlen(MAGIC), len;
	char sum[SUM_LEN];

	if (text.len <= magic + SUM_LEN || text.len > SLED_TLS_TICKET_MAX)
		return false;
	len = text.len - SUM_LEN;
	if (text.data[text.len - 1] != '\n' || !sum_of(sum, text.data, len) ||
	    memcmp(sum, text.data + len, SUM_LEN - 1) != 0 ||
	    memcmp(text.data, MAGIC, magic) != 0)
		return false;
	text = (struct sled_span){ text.data + magic, len - magic };
	return take_time(&text, &out->made) && take_time(&text, &out->ends) &&
	       take_word(&text, ' ', &out->trust) &&
	       take_word(&text, '\n', &out->host) &&
	       take_word(&text, '\n', &out->body) && text.len == 0;
}

/* NULL when BODY is no session, the whole of it. */
static SSL_SESSION *
read_session(struct sled_span body)
{
	unsigned char *der = OPENSSL_malloc(body.len / 4 * 3 + 3);
	const unsigned char *at = der;
	SSL_SESSION *session = NULL;
	int len = -1;

	if (der != NULL && body.len >= 4)
		len = EVP_DecodeBlock(der, (const unsigned char *)body.data,
		                      (int)body.len);
	for (size_t i = 1; len > 0 && i <= 2; i++)
		len -= body.data[body.len - i] == '=';
	if (len > 0)
		session = d2i_SSL_SESSION(NULL, &at, len);
	if (session != NULL && at != der + len) {
		SSL_SESSION_free(session);
		session = NULL;
	}
	OPENSSL_clear_free(der, body.len / 4 * 3 + 3);
	return session;
}

static bool
is_ours(const struct sled_tls *tls, const struct ticket *ticket)
{
	return ticket->made <= tls->now && ticket->ends > tls->now &&
	       ticket->ends - ticket->made <= LIFE_MAX &&
	       ticket->trust.len == strlen(tls->trust->id) &&
	       memcmp(ticket->trust.data, tls->trust->id, ticket->trust.len) ==
	           0 &&
	       ticket->host.len == strlen(tls->host) &&
	       strncasecmp(ticket->host.data, tls->host, ticket->host.len) == 0;
}

bool
sled_tls_offer(struct sled_tls *tls, struct sled_span text)
{
	SSL_SESSION *session = NULL;
	struct ticket ticket;

	if (tls->fault.kind != SLED_ERR_NONE || tls->offered ||
	    SSL_in_before(tls->ssl) != 1)
		return false;
	ERR_clear_error();
	if (read_text(&ticket, text) && is_ours(tls, &ticket))
		session = read_session(ticket.body);
	tls->offered = session != NULL && SSL_SESSION_is_resumable(session) &&
	               sled_tls_session_proved(tls, session) &&
	               SSL_set_session(tls->ssl, session) == 1;
	SSL_SESSION_free(session);
	ERR_clear_error();
	return tls->offered;
}
