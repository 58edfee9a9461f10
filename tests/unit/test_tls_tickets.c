/*
 * test_tls_tickets.c - tickets come, are written down, and bring a resumed
 * handshake to the same server only, as long as its certificate would hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "fx_meet.h"
#include "fx_tls.h"
#include "mailsled/text.h"
#include "mailsled/tls.h"

#define HOST  "pop.example.org"
#define OTHER "imp.example.org" /* as long, and in no certificate */
#define HOUR  INT64_C(3600)
#define DAY   (24 * HOUR)

static struct {
	char dir[64], ca_path[96], two_path[96];
	struct fx_tls_id ca, good;
	struct sled_tls_trust *trust;
	struct sled_buf ticket; /* one that is good: of FX_TLS_NOW */
	int64_t ends;
} fx;

/* Until READY, then what the server sends on its own. */
static void
meet(struct fx_meet *m)
{
	struct sled_buf text = { 0 };

	assert_int_equal(fx_meet_shake(m, SIZE_MAX), SLED_TLS_READY);
	fx_meet_deliver(m);
	assert_true(m->server.ready);
	assert_int_equal(fx_meet_drain(m, 7, 512, &text), SLED_TLS_HUNGRY);
	assert_int_equal(text.len, 0);
}

static int64_t
write_down(const struct fx_meet *m, size_t index, struct sled_buf *out)
{
	struct sled_err err = { 0 };
	int64_t ends = 0;

	assert_true(sled_tls_ticket(m->tls, index, out, &ends, &err));
	return ends;
}

/* Is TEXT taken for an offer to HOST at NOW? If not, all goes on in full. */
static bool
offers(const struct sled_tls_trust *trust, const char *host, int64_t now,
       struct sled_span text)
{
	struct sled_err err = { 0 };
	struct sled_tls *tls = NULL;
	bool offered;

	assert_true(
	    sled_tls_new(&tls, trust, host, now, SLED_TLS_HELLO_SLIM, &err));
	offered = sled_tls_offer(tls, text);
	assert_int_equal(sled_tls_handshake(tls, &err), SLED_TLS_HUNGRY);
	assert_in_range(sled_tls_pending(tls).len, offered ? 300 : 150,
	                offered ? 900 : 200);
	sled_tls_free(&tls);
	return offered;
}

static bool
offers_at(int64_t now)
{
	return offers(fx.trust, HOST, now, sled_buf_span(&fx.ticket));
}

/* TEXT with another header line, and a sum that holds. */
static void
forge(struct sled_buf *out, const char *from, const char *to)
{
	struct sled_err err = { 0 };
	unsigned char sum[32];
	char hex[65];
	char *at;

	assert_int_equal(strlen(from), strlen(to));
	assert_true(
	    sled_buf_add(out, fx.ticket.data, fx.ticket.len - 65, &err));
	at = strstr(out->data, from);
	assert_non_null(at);
	memcpy(at, to, strlen(to));
	assert_int_equal(
	    EVP_Digest(out->data, out->len, sum, NULL, EVP_sha256(), NULL), 1);
	sled_text_hex(hex, sum, sizeof(sum));
	assert_true(sled_buf_printf(out, &err, "%s\n", hex));
}

/* --- it works --- */

static void
test_a_ticket_spares_the_certificate(void **state)
{
	const struct sled_tls_facts *facts;
	struct sled_buf ticket = { 0 };
	uint64_t full_in;
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	meet(&m);
	facts = sled_tls_facts(m.tls);
	assert_false(facts->offered);
	assert_false(facts->resumed);
	full_in = facts->handshake_in;
	assert_int_equal(sled_tls_tickets(m.tls), 2);
	assert_int_equal(write_down(&m, 1, &ticket), FX_TLS_NOW + 2 * HOUR);
	fx_meet_close(&m);

	/* Again and again, each time by the ticket of the last. */
	for (int i = 0; i < 3; i++) {
		fx_meet_open_at(&m, fx.trust, HOST, &fx.good, 0,
		                FX_TLS_NOW + i * HOUR, SLED_TLS_HELLO_SLIM);
		assert_true(sled_tls_offer(m.tls, sled_buf_span(&ticket)));
		meet(&m);
		facts = sled_tls_facts(m.tls);
		assert_true(facts->offered);
		assert_true(facts->resumed);
		assert_int_equal(facts->leaf_ends, FX_TLS_TO);
		assert_string_equal(facts->version, "TLSv1.3");
		assert_in_range(facts->handshake_in, 150, full_in - 400);
		assert_int_equal(sled_tls_tickets(m.tls), 1);
		sled_buf_wipe(&ticket);
		assert_int_equal(write_down(&m, 0, &ticket),
		                 FX_TLS_NOW + (i + 2) * HOUR);
		fx_meet_close(&m);
	}
	sled_buf_wipe(&ticket);
}

static void
test_bytes_pass_after_a_resumed_handshake(void **state)
{
	static const size_t chunks[] = { SIZE_MAX, 1 };
	static const char say[] = "+OK hello\r\n";

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sled_buf text = { 0 };
		struct fx_meet m;

		fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
		assert_true(sled_tls_offer(m.tls, sled_buf_span(&fx.ticket)));
		assert_int_equal(fx_meet_shake(&m, chunks[i]), SLED_TLS_READY);
		assert_true(sled_tls_write(
		    m.tls, (struct sled_span){ "UIDL\r\n", 6 }, &m.err));
		fx_meet_deliver(&m);
		assert_int_equal(SSL_session_reused(m.server.ssl), 1);
		assert_string_equal(m.server.got.data, "UIDL\r\n");
		fx_tls_server_say(&m.server,
		                  (struct sled_span){ say, strlen(say) });
		fx_meet_deliver(&m);
		assert_int_equal(fx_meet_drain(&m, chunks[i], 512, &text),
		                 SLED_TLS_HUNGRY);
		assert_string_equal(text.data, say);
		sled_buf_free(&text);
		fx_meet_close(&m);
	}
}

static void
test_a_server_that_forgot_gets_a_full_handshake(void **state)
{
	unsigned char keys[80] = "another set of keys";
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(
	    SSL_CTX_set_tlsext_ticket_keys(m.server.ctx, keys, sizeof(keys)),
	    1);
	assert_true(sled_tls_offer(m.tls, sled_buf_span(&fx.ticket)));
	meet(&m);
	assert_true(sled_tls_facts(m.tls)->offered);
	assert_false(sled_tls_facts(m.tls)->resumed);
	assert_int_equal(sled_tls_facts(m.tls)->leaf_ends, FX_TLS_TO);
	fx_meet_close(&m);
}

/* The refused ticket lends the new certificate no credit. */
static void
test_an_offer_does_not_vouch_for_another_certificate(void **state)
{
	unsigned char keys[80] = "another set of keys";
	struct fx_tls_wish wish = { .cn = HOST, .names = "DNS:" HOST };
	struct fx_tls_id id;
	struct fx_meet m;

	(void)state;
	fx_tls_id_make(&id, &wish, NULL);
	fx_meet_open(&m, fx.trust, HOST, &id, 0);
	assert_int_equal(
	    SSL_CTX_set_tlsext_ticket_keys(m.server.ctx, keys, sizeof(keys)),
	    1);
	assert_true(sled_tls_offer(m.tls, sled_buf_span(&fx.ticket)));
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_FAILED);
	assert_non_null(strstr(m.err.text, "self-signed"));
	assert_false(sled_tls_hello_refused(m.tls));
	fx_meet_close(&m);
	fx_tls_id_free(&id);
}

static void
test_tickets_are_counted_and_the_newest_kept(void **state)
{
	struct sled_err err = { 0 };
	struct sled_buf a = { 0 }, b = { 0 };
	struct fx_meet m;
	int64_t ends;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(SSL_set_num_tickets(m.server.ssl, 7), 1);
	meet(&m);
	assert_int_equal(sled_tls_tickets(m.tls), SLED_TLS_TICKETS);
	(void)write_down(&m, 0, &a);
	(void)write_down(&m, 3, &b);
	assert_string_not_equal(a.data, b.data);
	assert_false(sled_tls_ticket(m.tls, 4, &a, &ends, &err));
	assert_int_equal(err.kind, SLED_ERR_INTERNAL);
	assert_true(offers(fx.trust, HOST, FX_TLS_NOW, sled_buf_span(&a)));
	assert_true(offers(fx.trust, HOST, FX_TLS_NOW, sled_buf_span(&b)));
	sled_buf_wipe(&a);
	sled_buf_wipe(&b);
	fx_meet_close(&m);

	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(SSL_set_num_tickets(m.server.ssl, 0), 1);
	meet(&m);
	assert_int_equal(sled_tls_tickets(m.tls), 0);
	fx_meet_close(&m);
}

static void
test_no_ticket_of_tls_1_2_is_kept_nor_used_there(void **state)
{
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, TLS1_2_VERSION);
	assert_true(sled_tls_offer(m.tls, sled_buf_span(&fx.ticket)));
	meet(&m);
	assert_string_equal(sled_tls_facts(m.tls)->version, "TLSv1.2");
	assert_true(sled_tls_facts(m.tls)->offered);
	assert_false(sled_tls_facts(m.tls)->resumed);
	assert_int_equal(sled_tls_tickets(m.tls), 0);
	fx_meet_close(&m);
}

/* RFC 8446 section 4.2.11: the ticket is the last extension, and its binder
 * the last bytes; early_data (42) would stand before it. */
static void
test_no_early_data_is_ever_offered(void **state)
{
	struct sled_err err = { 0 };
	struct sled_tls *tls = NULL;
	struct sled_span out;
	size_t at = 5 + 4 + 2 + 32 + 1;
	unsigned last = 0;

	(void)state;
	assert_true(sled_tls_new(&tls, fx.trust, HOST, FX_TLS_NOW,
	                         SLED_TLS_HELLO_SLIM, &err));
	assert_true(sled_tls_offer(tls, sled_buf_span(&fx.ticket)));
	assert_int_equal(sled_tls_handshake(tls, &err), SLED_TLS_HUNGRY);
	out = sled_tls_pending(tls);
	print_message("hello with a ticket: %zu B\n", out.len);
	at += 2 + (size_t)(unsigned char)out.data[at + 1]; /* suites */
	at += 2 + 2;                                       /* no compression */
	while (at < out.len) {
		last = (unsigned)(unsigned char)out.data[at] << 8 |
		       (unsigned char)out.data[at + 1];
		assert_int_not_equal(last, 42);
		at += 4 + ((size_t)(unsigned char)out.data[at + 2] << 8 |
		           (unsigned char)out.data[at + 3]);
	}
	assert_int_equal(at, out.len);
	assert_int_equal(last, 41);
	sled_tls_free(&tls);
}

/* --- when it ends --- */

static void
test_a_ticket_ends_with_its_lifetime(void **state)
{
	(void)state;
	assert_int_equal(fx.ends, FX_TLS_NOW + 2 * HOUR);
	assert_true(offers_at(FX_TLS_NOW));
	assert_true(offers_at(fx.ends - 1));
	assert_false(offers_at(fx.ends));
	assert_false(offers_at(fx.ends + 30 * DAY));
	assert_false(offers_at(FX_TLS_NOW - 1)); /* made in the future */
}

/* What the server says of LIFE, with a leaf until LEAF, ends when? */
static int64_t
ends_with(int64_t life, int64_t leaf)
{
	struct fx_tls_wish wish = { .cn = HOST,
		                    .names = "DNS:" HOST,
		                    .to = leaf };
	struct sled_buf text = { 0 };
	struct fx_tls_id id;
	struct fx_meet m;
	int64_t ends;

	fx_tls_id_make(&id, &wish, &fx.ca);
	fx_meet_open(&m, fx.trust, HOST, &id, 0);
	(void)SSL_CTX_set_timeout(m.server.ctx, (long)life);
	meet(&m);
	ends = write_down(&m, 0, &text);
	assert_true(offers(fx.trust, HOST, ends - 1, sled_buf_span(&text)));
	assert_false(offers(fx.trust, HOST, ends, sled_buf_span(&text)));
	sled_buf_wipe(&text);
	fx_meet_close(&m);
	fx_tls_id_free(&id);
	return ends;
}

static void
test_a_ticket_ends_after_a_week_or_with_the_certificate(void **state)
{
	(void)state;
	assert_int_equal(ends_with(DAY, 0), FX_TLS_NOW + DAY);
	assert_int_equal(ends_with(30 * DAY, 0), FX_TLS_NOW + 7 * DAY);
	assert_int_equal(ends_with(DAY, FX_TLS_NOW + HOUR), FX_TLS_NOW + HOUR);
}

/* --- for whom it is good --- */

static void
test_a_ticket_is_for_its_host_only(void **state)
{
	struct sled_span text = sled_buf_span(&fx.ticket);

	(void)state;
	assert_true(offers(fx.trust, "POP.example.org", FX_TLS_NOW, text));
	assert_true(offers(fx.trust, HOST ".", FX_TLS_NOW, text));
	/* Its certificate names this one too. */
	assert_false(offers(fx.trust, "mail.example.org", FX_TLS_NOW, text));
	assert_false(offers(fx.trust, "192.0.2.7", FX_TLS_NOW, text));
	assert_false(offers(fx.trust, OTHER, FX_TLS_NOW, text));
}

/* Its own certificate must name the host, whatever the first line says. */
static void
test_a_changed_first_line_opens_nothing(void **state)
{
	struct sled_buf same = { 0 }, host = { 0 }, life = { 0 };
	char from[64], to[64];

	(void)state;
	forge(&same, HOST, HOST);
	assert_true(offers(fx.trust, HOST, FX_TLS_NOW, sled_buf_span(&same)));
	forge(&host, HOST, OTHER);
	assert_false(offers(fx.trust, OTHER, FX_TLS_NOW, sled_buf_span(&host)));
	(void)snprintf(from, sizeof(from), "%lld", (long long)fx.ends);
	(void)snprintf(to, sizeof(to), "%lld",
	               (long long)(FX_TLS_NOW + 8 * DAY));
	forge(&life, from, to);
	assert_false(offers(fx.trust, HOST, FX_TLS_NOW, sled_buf_span(&life)));
	sled_buf_wipe(&same);
	sled_buf_wipe(&host);
	sled_buf_wipe(&life);
}

static void
test_a_ticket_ends_with_a_change_of_trust(void **state)
{
	struct fx_tls_wish wish = { .cn = "Second Root", .authority = true };
	char first[SLED_TLS_TRUST_ID], again[SLED_TLS_TRUST_ID],
	    two[SLED_TLS_TRUST_ID];
	struct sled_tls_trust *trust = NULL;
	struct sled_err err = { 0 };
	struct fx_tls_id second;
	FILE *file;

	(void)state;
	sled_tls_trust_id(fx.trust, first);
	assert_int_equal(strspn(first, "0123456789abcdef"), 64);
	assert_true(sled_tls_trust_new(&trust, fx.ca_path, &err));
	sled_tls_trust_id(trust, again);
	assert_string_equal(first, again);
	assert_true(offers(trust, HOST, FX_TLS_NOW, sled_buf_span(&fx.ticket)));
	sled_tls_trust_free(&trust);

	fx_tls_id_make(&second, &wish, NULL);
	file = fopen(fx.two_path, "we");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, fx.ca.cert), 1);
	assert_int_equal(PEM_write_X509(file, second.cert), 1);
	assert_int_equal(fclose(file), 0);
	assert_true(sled_tls_trust_new(&trust, fx.two_path, &err));
	sled_tls_trust_id(trust, two);
	assert_string_not_equal(first, two);
	assert_false(
	    offers(trust, HOST, FX_TLS_NOW, sled_buf_span(&fx.ticket)));
	sled_tls_trust_free(&trust);
	fx_tls_id_free(&second);
}

static void
test_where_the_system_looks_is_its_id(void **state)
{
	char a[SLED_TLS_TRUST_ID], b[SLED_TLS_TRUST_ID];
	struct sled_tls_trust *trust = NULL;
	struct sled_err err = { 0 };

	(void)state;
	assert_int_equal(setenv("SSL_CERT_FILE", fx.ca_path, 1), 0);
	assert_true(sled_tls_trust_new(&trust, NULL, &err));
	sled_tls_trust_id(trust, a);
	sled_tls_trust_free(&trust);
	assert_int_equal(setenv("SSL_CERT_DIR", fx.dir, 1), 0);
	assert_true(sled_tls_trust_new(&trust, NULL, &err));
	sled_tls_trust_id(trust, b);
	sled_tls_trust_free(&trust);
	assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
	assert_int_equal(unsetenv("SSL_CERT_DIR"), 0);
	assert_string_not_equal(a, b);
}

/* --- damage --- */

static void
test_a_damaged_ticket_is_never_offered(void **state)
{
	struct sled_buf text = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(fx.ticket.len > 600);
	assert_true(fx.ticket.len <= SLED_TLS_TICKET_MAX);
	assert_true(sled_buf_add(&text, fx.ticket.data, fx.ticket.len, &err));
	for (size_t cut = 0; cut < text.len; cut++) {
		/* On the heap, so that a sanitizer sees reads beyond. */
		char *copy = malloc(cut + 1);

		assert_non_null(copy);
		memcpy(copy, text.data, cut);
		assert_false(offers(fx.trust, HOST, FX_TLS_NOW,
		                    (struct sled_span){ copy, cut }));
		free(copy);
		text.data[cut] ^= 1;
		assert_false(
		    offers(fx.trust, HOST, FX_TLS_NOW, sled_buf_span(&text)));
		text.data[cut] ^= 1;
	}
	assert_true(offers(fx.trust, HOST, FX_TLS_NOW, sled_buf_span(&text)));
	sled_buf_wipe(&text);
}

static void
test_an_offer_that_comes_too_late_is_none(void **state)
{
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(sled_tls_handshake(m.tls, &m.err), SLED_TLS_HUNGRY);
	assert_false(sled_tls_offer(m.tls, sled_buf_span(&fx.ticket)));
	meet(&m);
	assert_false(sled_tls_facts(m.tls)->offered);
	assert_false(sled_tls_offer(m.tls, sled_buf_span(&fx.ticket)));
	fx_meet_close(&m);
}

static int
set_up(void **state)
{
	struct fx_tls_wish root = { .cn = "Test Root", .authority = true };
	struct fx_tls_wish good = { .cn = HOST,
		                    .names =
		                        "DNS:" HOST ",DNS:mail.example.org,"
		                        "IP:192.0.2.7" };
	struct sled_err err = { 0 };
	struct fx_meet m;

	(void)state;
	(void)snprintf(fx.dir, sizeof(fx.dir), "/tmp/sled-ticket-XXXXXX");
	assert_non_null(mkdtemp(fx.dir));
	(void)snprintf(fx.ca_path, sizeof(fx.ca_path), "%s/ca.pem", fx.dir);
	(void)snprintf(fx.two_path, sizeof(fx.two_path), "%s/two.pem", fx.dir);
	fx_tls_id_make(&fx.ca, &root, NULL);
	fx_tls_id_make(&fx.good, &good, &fx.ca);
	fx_tls_id_save(&fx.ca, fx.ca_path, NULL);
	assert_true(sled_tls_trust_new(&fx.trust, fx.ca_path, &err));
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	meet(&m);
	fx.ends = write_down(&m, 0, &fx.ticket);
	fx_meet_close(&m);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sled_buf_wipe(&fx.ticket);
	sled_tls_trust_free(&fx.trust);
	fx_tls_id_free(&fx.good);
	fx_tls_id_free(&fx.ca);
	(void)unlink(fx.ca_path);
	(void)unlink(fx.two_path);
	(void)rmdir(fx.dir);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ticket_spares_the_certificate),
		cmocka_unit_test(test_bytes_pass_after_a_resumed_handshake),
		cmocka_unit_test(
		    test_a_server_that_forgot_gets_a_full_handshake),
		cmocka_unit_test(
		    test_an_offer_does_not_vouch_for_another_certificate),
		cmocka_unit_test(test_tickets_are_counted_and_the_newest_kept),
		cmocka_unit_test(
		    test_no_ticket_of_tls_1_2_is_kept_nor_used_there),
		cmocka_unit_test(test_no_early_data_is_ever_offered),
		cmocka_unit_test(test_a_ticket_ends_with_its_lifetime),
		cmocka_unit_test(
		    test_a_ticket_ends_after_a_week_or_with_the_certificate),
		cmocka_unit_test(test_a_ticket_is_for_its_host_only),
		cmocka_unit_test(test_a_changed_first_line_opens_nothing),
		cmocka_unit_test(test_a_ticket_ends_with_a_change_of_trust),
		cmocka_unit_test(test_where_the_system_looks_is_its_id),
		cmocka_unit_test(test_a_damaged_ticket_is_never_offered),
		cmocka_unit_test(test_an_offer_that_comes_too_late_is_none),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
