/* fuzz_ticket.c - any bytes as a ticket: offered or not, never a crash, and a
 * full hello stays possible. Half of the inputs get a sum that holds, so that
 * what lies behind it is reached too. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "mailsled/buf.h"
#include "mailsled/text.h"
#include "mailsled/tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
offer(const struct sled_tls_trust *trust, struct sled_span text)
{
	struct sled_err err = { 0 };
	struct sled_tls *tls = NULL;

	must(sled_tls_new(&tls, trust, "pop.example.org", 2051222400,
	                  SLED_TLS_HELLO_SLIM, &err));
	(void)sled_tls_offer(tls, text);
	must(sled_tls_handshake(tls, &err) == SLED_TLS_HUNGRY);
	must(sled_tls_pending(tls).len > 100);
	sled_tls_free(&tls);
}

/* DATA behind a first line that is right for this trust, with its sum. */
static void
offer_summed(const struct sled_tls_trust *trust, const uint8_t *data,
             size_t size)
{
	char id[SLED_TLS_TRUST_ID], hex[65];
	struct sled_err err = { 0 };
	struct sled_buf text = { 0 }, session = { 0 };
	struct sled_span der = { (const char *)data, size };
	uint8_t sum[32];

	sled_tls_trust_id(trust, id);
	must(sled_text_base64(&session, der, &err));
	must(sled_buf_printf(&text, &err,
	                     "mailsled-ticket 1 2051222400 2051229600 %s "
	                     "pop.example.org\n%s\n",
	                     id, session.data == NULL ? "" : session.data));
	must(EVP_Digest(text.data, text.len, sum, NULL, EVP_sha256(), NULL) ==
	     1);
	sled_text_hex(hex, sum, sizeof(sum));
	must(sled_buf_printf(&text, &err, "%s\n", hex));
	offer(trust, sled_buf_span(&text));
	sled_buf_free(&text);
	sled_buf_free(&session);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sled_tls_trust *trust;
	struct sled_err err = { 0 };

	if (trust == NULL)
		must(sled_tls_trust_new(&trust, NULL, &err));
	offer(trust, (struct sled_span){ (const char *)data, size });
	offer_summed(trust, data, size);
	return 0;
}
