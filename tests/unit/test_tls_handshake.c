/*
 * test_tls_handshake.c - the client engine against a real server in memory.
 *
 * Each meeting is held twice, whole and a byte at a time; both must come to
 * the same end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_meet.h"
#include "fx_tls.h"
#include "mailsled/tls.h"

#define HOST "pop.example.org"

static struct {
	char dir[64];
	char ca_path[96], own_path[96];
	struct fx_tls_id ca, other_ca, good;
	struct sled_tls_trust *trust;
} fx;

static struct sled_span
span(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

/* --- meetings that fail --- */

/* The meeting must fail, in these words; whole and byte by byte. */
static void
expect_fault(const struct sled_tls_trust *trust, const char *host,
             const struct fx_tls_id *id, int most, const char *text,
             const char *hint)
{
	static const size_t chunks[] = { SIZE_MAX, 1 };

	for (size_t i = 0; i < 2; i++) {
		struct fx_meet m;

		fx_meet_open(&m, trust, host, id, most);
		assert_int_equal(fx_meet_shake(&m, chunks[i]), SLED_TLS_FAILED);
		assert_string_equal(m.err.text, text);
		assert_int_equal(m.err.kind, SLED_ERR_PROTO);
		assert_non_null(m.err.hint);
		assert_non_null(strstr(m.err.hint, hint));
		assert_null(sled_tls_facts(m.tls));
		fx_meet_close(&m);
	}
}

/* The same against a peer that only ever says CANNED, then hangs up. */
static void
expect_canned_as(enum sled_err_kind kind, struct sled_span canned,
                 const char *text, const char *hint)
{
	static const size_t chunks[] = { SIZE_MAX, 1 };

	for (size_t i = 0; i < 2; i++) {
		struct sled_span rest = canned;
		struct sled_err err = { 0 };
		struct sled_tls *tls = NULL;

		assert_true(sled_tls_new(&tls, fx.trust, HOST, FX_TLS_NOW,
		                         SLED_TLS_HELLO_SLIM, &err));
		while (sled_tls_handshake(tls, &err) == SLED_TLS_HUNGRY) {
			size_t len =
			    rest.len < chunks[i] ? rest.len : chunks[i];

			sled_tls_feed(tls,
			              (struct sled_span){ rest.data, len });
			rest.data += len;
			rest.len -= len;
			if (len == 0)
				sled_tls_eof(tls);
		}
		assert_string_equal(err.text, text);
		assert_int_equal(err.kind, kind);
		assert_non_null(err.hint);
		assert_non_null(strstr(err.hint, hint));
		sled_tls_free(&tls);
	}
}

static void
expect_canned(struct sled_span canned, const char *text, const char *hint)
{
	expect_canned_as(SLED_ERR_PROTO, canned, text, hint);
}

static void
meet_by_wish(const struct fx_tls_wish *wish, const struct fx_tls_id *issuer,
             const char *host, const char *text, const char *hint)
{
	struct fx_tls_id id;

	fx_tls_id_make(&id, wish, issuer);
	expect_fault(fx.trust, host, &id, 0, text, hint);
	fx_tls_id_free(&id);
}

/* Does HOST get through to a server of these NAMES, signed by our CA? */
static bool
gets_through(const char *cn, const char *names, const char *host)
{
	struct fx_tls_wish wish = { .cn = cn, .names = names };
	struct fx_tls_id id;
	struct fx_meet m;
	bool ready;

	fx_tls_id_make(&id, &wish, &fx.ca);
	fx_meet_open(&m, fx.trust, host, &id, 0);
	ready = fx_meet_shake(&m, SIZE_MAX) == SLED_TLS_READY;
	if (!ready)
		assert_non_null(strstr(m.err.text, "is for other names: "));
	fx_meet_close(&m);
	fx_tls_id_free(&id);
	return ready;
}

/* --- it works --- */

static void
talk(int most, size_t chunk, const char *version)
{
	const struct sled_tls_facts *facts;
	struct sled_buf text = { 0 };
	struct fx_meet m;

	fx_meet_open(&m, fx.trust, HOST, &fx.good, most);
	assert_int_equal(fx_meet_shake(&m, chunk), SLED_TLS_READY);
	facts = sled_tls_facts(m.tls);
	assert_non_null(facts);
	assert_string_equal(facts->version, version);
	assert_non_null(strstr(facts->cipher, "GCM"));
	assert_in_range(facts->handshake_in, 500, 2000);
	assert_in_range(facts->handshake_out, 200, 1000);
	assert_int_equal(facts->leaf_ends, FX_TLS_TO);
	assert_false(facts->resumed);

	/* What is written now leaves with our Finished. */
	assert_true(sled_tls_write(m.tls, span("AUTH PLAIN\r\n"), &m.err));
	fx_meet_deliver(&m);
	assert_true(m.server.ready);
	assert_string_equal(m.server.got.data, "AUTH PLAIN\r\n");
	assert_string_equal(
	    SSL_get_servername(m.server.ssl, TLSEXT_NAMETYPE_host_name), HOST);
	fx_tls_server_say(&m.server, span("+OK welcome\r\n"));
	fx_meet_deliver(&m);
	assert_int_equal(fx_meet_drain(&m, chunk, 5, &text), SLED_TLS_HUNGRY);
	assert_string_equal(text.data, "+OK welcome\r\n");
	sled_buf_free(&text);
	fx_meet_close(&m);
}

static void
test_bytes_pass_both_ways_once_verified(void **state)
{
	(void)state;
	talk(0, SIZE_MAX, "TLSv1.3");
	talk(0, 1, "TLSv1.3");
	talk(TLS1_2_VERSION, SIZE_MAX, "TLSv1.2");
	talk(TLS1_2_VERSION, 1, "TLSv1.2");
}

static void
test_large_bodies_pass_whole(void **state)
{
	enum {
		LEN = 300000
	};

	char *body = malloc(LEN);
	struct sled_buf text = { 0 };
	struct fx_meet m;

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < LEN; i++)
		body[i] = (char)(i * 7 + (i >> 9));
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_READY);
	assert_true(
	    sled_tls_write(m.tls, (struct sled_span){ body, LEN }, &m.err));
	fx_meet_deliver(&m);
	assert_int_equal(m.server.got.len, LEN);
	assert_memory_equal(m.server.got.data, body, LEN);
	fx_tls_server_say(&m.server, (struct sled_span){ body, LEN });
	fx_meet_deliver(&m);
	assert_int_equal(fx_meet_drain(&m, 1460, 512, &text), SLED_TLS_HUNGRY);
	assert_int_equal(text.len, LEN);
	assert_memory_equal(text.data, body, LEN);
	sled_buf_free(&text);
	fx_meet_close(&m);
	free(body);
}

static void
test_new_keys_are_answered(void **state)
{
	struct sled_buf text = { 0 };
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_READY);
	fx_meet_deliver(&m);
	assert_int_equal(SSL_key_update(m.server.ssl, SSL_KEY_UPDATE_REQUESTED),
	                 1);
	fx_tls_server_say(&m.server, span("+OK\r\n"));
	fx_meet_deliver(&m);
	assert_int_equal(fx_meet_drain(&m, 1, 512, &text), SLED_TLS_HUNGRY);
	assert_string_equal(text.data, "+OK\r\n");
	assert_true(sled_tls_write(m.tls, span("NOOP\r\n"), &m.err));
	fx_meet_deliver(&m);
	assert_string_equal(m.server.got.data, "NOOP\r\n");
	sled_buf_free(&text);
	fx_meet_close(&m);
}

/* --- law 5 --- */

static void
test_write_before_proof_is_refused(void **state)
{
	static const char secret[] = "PASS hunter2\r\n";
	struct fx_tls_wish wish = { .cn = HOST, .names = "DNS:" HOST };
	struct fx_tls_id id;
	struct fx_meet m;

	(void)state;
	fx_tls_id_make(&id, &wish, &fx.other_ca);
	fx_meet_open(&m, fx.trust, HOST, &id, 0);
	assert_false(sled_tls_write(m.tls, span(secret), &m.err));
	assert_int_equal(m.err.kind, SLED_ERR_INTERNAL);
	assert_int_equal(sled_tls_pending(m.tls).len, 0);
	assert_int_equal(sled_tls_handshake(m.tls, &m.err), SLED_TLS_HUNGRY);
	assert_false(sled_tls_write(m.tls, span(secret), &m.err));
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_FAILED);
	assert_false(sled_tls_write(m.tls, span(secret), &m.err));
	assert_int_equal(m.err.kind, SLED_ERR_PROTO);

	/* The alert is the last thing that the server hears. */
	assert_true(sled_tls_pending(m.tls).len > 0);
	fx_meet_deliver(&m);
	assert_false(m.server.ready);
	assert_int_equal(m.server.got.len, 0);
	assert_null(memmem(m.sent.data, m.sent.len, "hunter2", 7));
	fx_meet_close(&m);
	fx_tls_id_free(&id);
}

static void
test_refused_calls_leave_the_engine_unharmed(void **state)
{
	struct fx_meet m;
	char out[8];
	size_t got;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_false(sled_tls_write(m.tls, span("x"), &m.err));
	assert_int_equal(sled_tls_read(m.tls, out, 8, &got, &m.err),
	                 SLED_TLS_FAILED);
	assert_int_equal(m.err.kind, SLED_ERR_INTERNAL);
	sled_tls_shutdown(m.tls);
	assert_int_equal(sled_tls_pending(m.tls).len, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_READY);
	assert_int_equal(sled_tls_handshake(m.tls, &m.err), SLED_TLS_READY);
	fx_meet_close(&m);
}

static void
test_failure_is_sticky(void **state)
{
	struct sled_err again = { 0 };
	struct fx_meet m;
	char out[8];
	size_t got;

	(void)state;
	fx_meet_open(&m, fx.trust, "other.example.org", &fx.good, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_FAILED);
	assert_int_equal(sled_tls_handshake(m.tls, &again), SLED_TLS_FAILED);
	assert_string_equal(again.text, m.err.text);
	assert_int_equal(sled_tls_read(m.tls, out, 8, &got, &again),
	                 SLED_TLS_FAILED);
	assert_string_equal(again.text, m.err.text);
	fx_meet_close(&m);
}

static void
test_feeding_too_soon_is_told(void **state)
{
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	sled_tls_feed(m.tls, span("\x16\x03\x03"));
	sled_tls_feed(m.tls, span("\x01"));
	assert_int_equal(sled_tls_handshake(m.tls, &m.err), SLED_TLS_FAILED);
	assert_int_equal(m.err.kind, SLED_ERR_INTERNAL);
	fx_meet_close(&m);
}

/* --- certificates --- */

static void
test_wrong_name_lists_the_names_it_has(void **state)
{
	(void)state;
	expect_fault(fx.trust, "imap.example.org", &fx.good, 0,
	             "imap.example.org: its certificate is for other names: "
	             "pop.example.org, mail.example.org, 192.0.2.7",
	             "server =");
	expect_fault(fx.trust, "imap.example.org", &fx.good, TLS1_2_VERSION,
	             "imap.example.org: its certificate is for other names: "
	             "pop.example.org, mail.example.org, 192.0.2.7",
	             "server =");
}

static void
test_hostile_names_are_escaped_and_bounded(void **state)
{
	struct fx_tls_wish wish = { .cn = "evil\x1b[2J\r\nok" };
	char names[2048] = "DNS:x";
	struct fx_tls_id id;
	struct fx_meet m;

	(void)state;
	meet_by_wish(&wish, &fx.ca, HOST,
	             HOST ": its certificate is for other names: "
	                  "evil\\x1b[2J\\x0d\\x0aok",
	             "server =");
	for (int i = 0; i < 60; i++)
		(void)snprintf(names + strlen(names),
		               sizeof(names) - strlen(names),
		               ",DNS:host-%d.example.net", i);
	wish.names = names;
	fx_tls_id_make(&id, &wish, &fx.ca);
	fx_meet_open(&m, fx.trust, HOST, &id, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_FAILED);
	assert_in_range(strlen(m.err.text), 150, 250);
	assert_string_equal(m.err.text + strlen(m.err.text) - 3, "...");
	fx_meet_close(&m);
	fx_tls_id_free(&id);
}

static void
test_expired_says_since_when(void **state)
{
	struct fx_tls_wish wish = { .cn = HOST,
		                    .names = "DNS:" HOST,
		                    .to = INT64_C(1893456000) };

	(void)state;
	meet_by_wish(&wish, &fx.ca, HOST,
	             HOST ": its certificate expired on 2030-01-01T00:00:00Z "
	                  "(this machine's clock says 2035-01-01T00:00:00Z)",
	             "renew");
}

static void
test_not_yet_valid_points_at_the_clock(void **state)
{
	struct fx_tls_wish wish = { .cn = HOST,
		                    .names = "DNS:" HOST,
		                    .from = INT64_C(2208988800) };

	(void)state;
	meet_by_wish(&wish, &fx.ca, HOST,
	             HOST ": its certificate is not valid before "
	                  "2040-01-01T00:00:00Z (this machine's clock says "
	                  "2035-01-01T00:00:00Z)",
	             "this machine's clock");
}

static void
test_expired_authority_is_told_from_the_server(void **state)
{
	struct fx_tls_wish ca_wish = { .cn = "Old Root",
		                       .to = INT64_C(1893456000),
		                       .authority = true };
	struct fx_tls_wish wish = { .cn = HOST, .names = "DNS:" HOST };
	struct sled_tls_trust *trust = NULL;
	struct sled_err err = { 0 };
	struct fx_tls_id ca, id;

	(void)state;
	fx_tls_id_make(&ca, &ca_wish, NULL);
	fx_tls_id_make(&id, &wish, &ca);
	fx_tls_id_save(&ca, fx.own_path, NULL);
	assert_true(sled_tls_trust_new(&trust, fx.own_path, &err));
	expect_fault(trust, HOST, &id, 0,
	             HOST ": its issuer's certificate expired on "
	                  "2030-01-01T00:00:00Z (this machine's clock says "
	                  "2035-01-01T00:00:00Z)",
	             "renew");
	sled_tls_trust_free(&trust);
	fx_tls_id_free(&id);
	fx_tls_id_free(&ca);
}

static void
test_self_signed_is_refused(void **state)
{
	struct fx_tls_wish wish = { .cn = "My Box", .names = "DNS:" HOST };

	(void)state;
	meet_by_wish(&wish, NULL, HOST,
	             HOST ": its certificate is self-signed, by 'CN=My Box'",
	             "ca-file");
}

static void
test_unknown_issuer_is_named(void **state)
{
	struct fx_tls_wish wish = { .cn = HOST, .names = "DNS:" HOST };

	(void)state;
	meet_by_wish(&wish, &fx.other_ca, HOST,
	             HOST ": its certificate comes from 'CN=Other Root', "
	                  "which is not trusted here",
	             "ca-file");
}

/* The same key and name as the trusted root, but another signature. */
static void
test_forged_signature_is_refused(void **state)
{
	struct fx_tls_wish root = { .cn = "Test Root", .authority = true };
	struct fx_tls_wish wish = { .cn = HOST, .names = "DNS:" HOST };
	struct fx_tls_id forger, id;
	struct fx_meet m;

	(void)state;
	fx_tls_id_make(&forger, &root, NULL);
	fx_tls_id_make(&id, &wish, &forger);
	fx_meet_open(&m, fx.trust, HOST, &id, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_FAILED);
	assert_int_equal(m.err.kind, SLED_ERR_PROTO);
	assert_string_equal(m.err.text,
	                    HOST ": its certificate was refused: certificate "
	                         "signature failure");
	fx_meet_close(&m);
	fx_tls_id_free(&id);
	fx_tls_id_free(&forger);
}

static void
expect_own_anchor(const struct fx_tls_id *issuer)
{
	struct fx_tls_wish wish = { .cn = HOST, .names = "DNS:" HOST };
	struct sled_tls_trust *trust = NULL;
	struct sled_err err = { 0 };
	struct fx_tls_id id;
	struct fx_meet m;

	fx_tls_id_make(&id, &wish, issuer);
	fx_tls_id_save(&id, fx.own_path, NULL);
	assert_true(sled_tls_trust_new(&trust, fx.own_path, &err));
	fx_meet_open(&m, trust, HOST, &id, 0);
	assert_int_equal(fx_meet_shake(&m, 1), SLED_TLS_READY);
	fx_meet_close(&m);
	expect_fault(trust, "other.example.org", &id, 0,
	             "other.example.org: its certificate is for other names: "
	             "pop.example.org",
	             "server =");
	sled_tls_trust_free(&trust);
	fx_tls_id_free(&id);
}

static void
test_a_server_own_certificate_can_be_the_anchor(void **state)
{
	(void)state;
	expect_own_anchor(NULL);
	expect_own_anchor(&fx.other_ca);
}

static void
test_wildcards_stand_for_one_whole_label(void **state)
{
	(void)state;
	assert_true(gets_through("w", "DNS:*.example.org", HOST));
	assert_true(gets_through("w", "DNS:*.example.org", "POP.Example.ORG"));
	assert_false(gets_through("w", "DNS:*.example.org", "example.org"));
	assert_false(
	    gets_through("w", "DNS:*.example.org", "a.pop.example.org"));
	assert_false(gets_through("w", "DNS:p*.example.org", HOST));
	assert_false(gets_through("w", "DNS:*p.example.org", HOST));
	assert_false(gets_through("w", "DNS:pop.*.org", HOST));
}

static void
test_common_name_counts_only_without_other_names(void **state)
{
	(void)state;
	assert_true(gets_through(HOST, NULL, HOST));
	assert_false(gets_through(HOST, "DNS:mail.example.org", HOST));
}

static void
test_addresses_are_proved_as_addresses(void **state)
{
	struct fx_meet m;

	(void)state;
	assert_true(gets_through("a", "IP:127.0.0.1", "127.0.0.1"));
	assert_true(gets_through("a", "IP:::1", "::1"));
	assert_true(gets_through("a", "IP:2001:db8::7", "2001:0db8:0::7"));
	assert_false(gets_through("a", "IP:127.0.0.1", "127.0.0.2"));
	assert_false(gets_through("a", "DNS:127.0.0.1", "127.0.0.1"));
	assert_false(gets_through("127.0.0.1", "DNS:a", "127.0.0.1"));

	fx_meet_open(&m, fx.trust, "192.0.2.7", &fx.good, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_READY);
	assert_null(
	    SSL_get_servername(m.server.ssl, TLSEXT_NAMETYPE_host_name));
	fx_meet_close(&m);
}

static void
test_only_provable_hosts_are_taken(void **state)
{
	static const char *const bad[] = { "",
		                           ".",
		                           ".org",
		                           ".example.org",
		                           "*.example.org",
		                           "pop.example.org\r\n",
		                           "p\xc3\xb6p.example.org",
		                           "[::1]" };
	char longer[300];

	(void)state;
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	for (size_t i = 0; i <= sizeof(bad) / sizeof(bad[0]); i++) {
		bool last = i == sizeof(bad) / sizeof(bad[0]);
		struct sled_err err = { 0 };
		struct sled_tls *tls = NULL;

		assert_false(sled_tls_new(&tls, fx.trust,
		                          last ? longer : bad[i], FX_TLS_NOW,
		                          SLED_TLS_HELLO_SLIM, &err));
		assert_int_equal(err.kind, SLED_ERR_CONFIG);
		assert_null(tls);
	}
	assert_true(gets_through("w", "DNS:" HOST, HOST "."));
}

/* --- peers that don't speak TLS as we do --- */

static void
test_old_servers_are_told_by_version(void **state)
{
	/* A ServerHello of TLS 1.1: RFC 4346. */
	static const char hello[] =
	    "\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02"
	    "0123456789abcdef0123456789abcdef\x00\x00\x2f\x00";
	static const char text[] = HOST ": it has no TLS 1.2 or newer";

	(void)state;
	expect_fault(fx.trust, HOST, &fx.good, TLS1_1_VERSION, text, "update");
	expect_fault(fx.trust, HOST, &fx.good, TLS1_VERSION, text, "update");
	expect_canned((struct sled_span){ hello, sizeof(hello) - 1 }, text,
	              "update");
}

static void
test_peers_without_tls_are_told_by_their_words(void **state)
{
	(void)state;
	expect_canned(span("+OK Dovecot ready.\r\n"),
	              HOST ": it speaks plain POP3, not TLS",
	              "tls = starttls (port 110)");
	expect_canned(span("-ERR too many\r\n"),
	              HOST ": it speaks plain POP3, not TLS",
	              "tls = starttls (port 110)");
	expect_canned(span("HTTP/1.1 400 Bad Request\r\n\r\n"),
	              HOST ": it speaks HTTP, not TLS", "sign-in page");
	expect_canned(span("<html>"), HOST ": it speaks HTTP, not TLS",
	              "sign-in page");
	expect_canned(span("\x1b]0;\x07SSH"),
	              HOST ": it does not speak TLS (it began with "
	                   "'\\x1b]0;\\x07')",
	              "server =");
}

static void
test_alerts_of_the_server_are_named(void **state)
{
	static const char alert[] = "\x15\x03\x03\x00\x02\x02\x28";
	static const char unknown[] = "\x15\x03\x03\x00\x02\x02\x70";

	(void)state;
	expect_canned((struct sled_span){ alert, sizeof(alert) - 1 },
	              HOST ": it ended the TLS handshake with the alert "
	                   "'handshake failure' (40)",
	              "server =");
	expect_canned((struct sled_span){ unknown, sizeof(unknown) - 1 },
	              HOST ": it ended the TLS handshake with the alert "
	                   "'unrecognized name' (112)",
	              "server =");
}

static void
test_broken_records_are_told(void **state)
{
	static const char broken[] = "\x16\x03\x03\x00\x04\x0e\x00\x00\x00";

	(void)state;
	expect_canned((struct sled_span){ broken, sizeof(broken) - 1 },
	              HOST ": TLS failed in the handshake: unexpected message",
	              "try again");
}

static void
test_closing_in_the_handshake_is_told(void **state)
{
	static const char bye[] = "\x15\x03\x03\x00\x02\x01\x00";
	static const char text[] =
	    HOST ": it closed the connection in the TLS handshake";

	(void)state;
	expect_canned(span(""),
	              HOST ": it closed the connection before its first byte "
	                   "of TLS",
	              "port =");
	expect_canned_as(SLED_ERR_LINK, span("\x16\x03"), text, "port =");
	expect_canned((struct sled_span){ bye, sizeof(bye) - 1 }, text,
	              "port =");
}

/* The server's flight cut after each of its bytes, then the end. */
static void
test_every_cut_of_the_handshake_is_told(void **state)
{
	size_t cuts = 0;

	(void)state;
	for (size_t cut = 1;; cut += 13) {
		struct fx_meet m;
		char *lent;
		bool whole;

		fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
		assert_int_equal(sled_tls_handshake(m.tls, &m.err),
		                 SLED_TLS_HUNGRY);
		fx_meet_deliver(&m);
		whole = cut >= m.wire.len;
		lent = fx_meet_lend(&m, cut);
		sled_tls_eof(m.tls);
		if (whole) {
			assert_int_equal(sled_tls_handshake(m.tls, &m.err),
			                 SLED_TLS_READY);
		} else {
			cuts++;
			assert_int_equal(sled_tls_handshake(m.tls, &m.err),
			                 SLED_TLS_FAILED);
			assert_string_equal(m.err.text, HOST
			                    ": it closed the connection in "
			                    "the TLS handshake");
			/* The line's end, not the server's refusal [W6]. */
			assert_int_equal(m.err.kind, SLED_ERR_LINK);
		}
		free(lent);
		fx_meet_close(&m);
		if (whole)
			break;
	}
	assert_true(cuts > 40);
}

/* --- the end --- */

static void
end(bool polite, size_t chunk)
{
	struct sled_buf text = { 0 };
	struct fx_meet m;
	size_t got;
	char out[8];

	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(fx_meet_shake(&m, chunk), SLED_TLS_READY);
	fx_meet_deliver(&m);
	fx_tls_server_say(&m.server, span("+OK bye\r\n"));
	if (polite)
		fx_tls_server_bye(&m.server);
	fx_meet_deliver(&m);
	assert_int_equal(fx_meet_drain(&m, chunk, 512, &text),
	                 polite ? SLED_TLS_CLOSED : SLED_TLS_HUNGRY);
	sled_tls_eof(m.tls);
	assert_int_equal(sled_tls_read(m.tls, out, 8, &got, &m.err),
	                 SLED_TLS_CLOSED);
	assert_int_equal(sled_tls_peer_closed(m.tls), polite);
	assert_int_equal(sled_tls_read(m.tls, out, 8, &got, &m.err),
	                 SLED_TLS_CLOSED);
	assert_string_equal(text.data, "+OK bye\r\n");
	sled_buf_free(&text);
	fx_meet_close(&m);
}

static void
test_a_cut_stream_is_told_from_a_closed_one(void **state)
{
	(void)state;
	end(true, SIZE_MAX);
	end(true, 1);
	end(false, SIZE_MAX);
	end(false, 1);
}

static void
test_shutdown_says_goodbye_and_reads_on(void **state)
{
	struct sled_buf text = { 0 };
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_READY);
	assert_true(sled_tls_write(m.tls, span("QUIT\r\n"), &m.err));
	sled_tls_shutdown(m.tls);
	sled_tls_shutdown(m.tls);
	assert_false(sled_tls_write(m.tls, span("NOOP\r\n"), &m.err));
	assert_int_equal(m.err.kind, SLED_ERR_INTERNAL);
	fx_meet_deliver(&m);
	assert_string_equal(m.server.got.data, "QUIT\r\n");
	assert_true(m.server.client_closed);
	fx_tls_server_say(&m.server, span("+OK\r\n"));
	fx_tls_server_bye(&m.server);
	fx_meet_deliver(&m);
	assert_int_equal(fx_meet_drain(&m, 1, 512, &text), SLED_TLS_CLOSED);
	assert_string_equal(text.data, "+OK\r\n");
	assert_true(sled_tls_peer_closed(m.tls));
	sled_buf_free(&text);
	fx_meet_close(&m);
}

static void
test_a_changed_byte_ends_the_connection(void **state)
{
	struct sled_buf text = { 0 };
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_READY);
	fx_meet_deliver(&m);
	assert_int_equal(fx_meet_drain(&m, SIZE_MAX, 512, &text),
	                 SLED_TLS_HUNGRY);
	fx_tls_server_say(&m.server, span("+OK 1 message\r\n"));
	fx_meet_deliver(&m);
	m.wire.data[m.wire.len - 1] ^= 1;
	assert_int_equal(fx_meet_drain(&m, SIZE_MAX, 512, &text),
	                 SLED_TLS_FAILED);
	assert_int_equal(m.err.kind, SLED_ERR_PROTO);
	assert_non_null(strstr(m.err.text, "bad record mac"));
	assert_int_equal(text.len, 0);
	assert_false(sled_tls_write(m.tls, span("x"), &m.err));
	sled_buf_free(&text);
	fx_meet_close(&m);
}

/* --- trust --- */

static void
expect_no_trust(const char *path, const char *content, const char *text)
{
	struct sled_tls_trust *trust = NULL;
	struct sled_err err = { 0 };

	if (content != NULL) {
		FILE *file = fopen(path, "we");

		assert_non_null(file);
		assert_true(fputs(content, file) >= 0);
		assert_int_equal(fclose(file), 0);
	}
	assert_false(sled_tls_trust_new(&trust, path, &err));
	assert_null(trust);
	assert_int_equal(err.kind, SLED_ERR_CONFIG);
	assert_non_null(strstr(err.text, path));
	assert_non_null(strstr(err.text, text));
}

static void
test_a_bad_ca_file_is_named(void **state)
{
	(void)state;
	expect_no_trust("/nonexistent/ca.pem", NULL,
	                "No such file or directory");
	expect_no_trust(fx.dir, NULL, "holds no certificate");
	expect_no_trust(fx.own_path, "", "holds no certificate");
	expect_no_trust(fx.own_path, "just text\n", "holds no certificate");
	expect_no_trust(fx.own_path,
	                "-----BEGIN CERTIFICATE-----\nMIIB\n"
	                "-----END CERTIFICATE-----\n",
	                "number 1: damaged certificate");
	/* No terminal is asked for the passphrase of this one. */
	expect_no_trust(fx.own_path,
	                "-----BEGIN CERTIFICATE-----\n"
	                "Proc-Type: 4,ENCRYPTED\n"
	                "DEK-Info: AES-128-CBC,"
	                "00112233445566778899AABBCCDDEEFF\n\n"
	                "MIIBMIIBMIIBMIIBMIIBMIIB\n"
	                "-----END CERTIFICATE-----\n",
	                "number 1: damaged certificate");
}

static bool
system_trusts(const char *dir, const char *file)
{
	struct sled_tls_trust *trust = NULL;
	struct sled_err err = { 0 };
	struct fx_meet m;
	bool ready;

	assert_int_equal(setenv("SSL_CERT_DIR", dir, 1), 0);
	if (file != NULL)
		assert_int_equal(setenv("SSL_CERT_FILE", file, 1), 0);
	assert_true(sled_tls_trust_new(&trust, NULL, &err));
	fx_meet_open(&m, trust, HOST, &fx.good, 0);
	ready = fx_meet_shake(&m, SIZE_MAX) == SLED_TLS_READY;
	fx_meet_close(&m);
	sled_tls_trust_free(&trust);
	assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
	assert_int_equal(unsetenv("SSL_CERT_DIR"), 0);
	return ready;
}

static void
test_the_system_is_a_folder_by_hash_or_a_bundle(void **state)
{
	char hashed[128], dirs[160];

	(void)state;
	assert_true(system_trusts("/nonexistent", fx.ca_path));
	(void)snprintf(hashed, sizeof(hashed), "%s/%08lx.0", fx.dir,
	               X509_subject_name_hash(fx.ca.cert));
	(void)snprintf(dirs, sizeof(dirs), "/nonexistent:%s", fx.dir);
	fx_tls_id_save(&fx.other_ca, hashed, NULL);
	assert_false(system_trusts(fx.dir, NULL));
	fx_tls_id_save(&fx.ca, hashed, NULL);
	assert_true(system_trusts(fx.dir, NULL));
	assert_true(system_trusts(dirs, NULL));
	assert_int_equal(unlink(hashed), 0);
}

/* --- */

static int
set_up(void **state)
{
	struct fx_tls_wish ca = { .cn = "Test Root", .authority = true };
	struct fx_tls_wish other = { .cn = "Other Root", .authority = true };
	struct fx_tls_wish good = { .cn = "server",
		                    .names = "DNS:" HOST ",DNS:mail.example.org"
		                             ",IP:192.0.2.7" };
	const char *base = getenv("TMPDIR");
	struct sled_err err = { 0 };

	(void)state;
	(void)snprintf(fx.dir, sizeof(fx.dir), "%s/sled-tls-XXXXXX",
	               base == NULL ? "/tmp" : base);
	assert_non_null(mkdtemp(fx.dir));
	(void)snprintf(fx.ca_path, sizeof(fx.ca_path), "%s/ca.pem", fx.dir);
	(void)snprintf(fx.own_path, sizeof(fx.own_path), "%s/own.pem", fx.dir);
	fx_tls_id_make(&fx.ca, &ca, NULL);
	fx_tls_id_make(&fx.other_ca, &other, NULL);
	fx_tls_id_make(&fx.good, &good, &fx.ca);
	fx_tls_id_save(&fx.ca, fx.ca_path, NULL);
	assert_true(sled_tls_trust_new(&fx.trust, fx.ca_path, &err));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sled_tls_trust_free(&fx.trust);
	fx_tls_id_free(&fx.good);
	fx_tls_id_free(&fx.other_ca);
	fx_tls_id_free(&fx.ca);
	(void)unlink(fx.ca_path);
	(void)unlink(fx.own_path);
	return rmdir(fx.dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes_pass_both_ways_once_verified),
		cmocka_unit_test(test_large_bodies_pass_whole),
		cmocka_unit_test(test_new_keys_are_answered),
		cmocka_unit_test(test_write_before_proof_is_refused),
		cmocka_unit_test(test_refused_calls_leave_the_engine_unharmed),
		cmocka_unit_test(test_failure_is_sticky),
		cmocka_unit_test(test_feeding_too_soon_is_told),
		cmocka_unit_test(test_wrong_name_lists_the_names_it_has),
		cmocka_unit_test(test_hostile_names_are_escaped_and_bounded),
		cmocka_unit_test(test_expired_says_since_when),
		cmocka_unit_test(test_not_yet_valid_points_at_the_clock),
		cmocka_unit_test(
		    test_expired_authority_is_told_from_the_server),
		cmocka_unit_test(test_self_signed_is_refused),
		cmocka_unit_test(test_unknown_issuer_is_named),
		cmocka_unit_test(test_forged_signature_is_refused),
		cmocka_unit_test(
		    test_a_server_own_certificate_can_be_the_anchor),
		cmocka_unit_test(test_wildcards_stand_for_one_whole_label),
		cmocka_unit_test(
		    test_common_name_counts_only_without_other_names),
		cmocka_unit_test(test_addresses_are_proved_as_addresses),
		cmocka_unit_test(test_only_provable_hosts_are_taken),
		cmocka_unit_test(test_old_servers_are_told_by_version),
		cmocka_unit_test(
		    test_peers_without_tls_are_told_by_their_words),
		cmocka_unit_test(test_alerts_of_the_server_are_named),
		cmocka_unit_test(test_broken_records_are_told),
		cmocka_unit_test(test_closing_in_the_handshake_is_told),
		cmocka_unit_test(test_every_cut_of_the_handshake_is_told),
		cmocka_unit_test(test_a_cut_stream_is_told_from_a_closed_one),
		cmocka_unit_test(test_shutdown_says_goodbye_and_reads_on),
		cmocka_unit_test(test_a_changed_byte_ends_the_connection),
		cmocka_unit_test(test_a_bad_ca_file_is_named),
		cmocka_unit_test(
		    test_the_system_is_a_folder_by_hash_or_a_bundle),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
