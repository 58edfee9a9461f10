/*
 * test_tls_hello.c - what the first flight holds, whom it suffices, and when
 * it is worth asking again with more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fx_meet.h"
#include "fx_tls.h"
#include "mailsled/tls.h"

#define HOST "pop.example.org"

static struct {
	char dir[64], ca_path[96];
	struct fx_tls_id ca, other_ca, good;
	struct sled_tls_trust *trust;
} fx;

/* --- the bytes of a hello --- */

static unsigned
number(const char *at, size_t len)
{
	unsigned value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | (unsigned char)at[i];
	return value;
}

static struct sled_buf
hello_of(enum sled_tls_hello kind)
{
	struct sled_buf hello = { 0 };
	struct sled_err err = { 0 };
	struct sled_tls *tls = NULL;
	struct sled_span out;

	assert_true(sled_tls_new(&tls, fx.trust, HOST, FX_TLS_NOW, kind, &err));
	assert_int_equal(sled_tls_handshake(tls, &err), SLED_TLS_HUNGRY);
	out = sled_tls_pending(tls);
	assert_true(sled_buf_add(&hello, out.data, out.len, &err));
	sled_tls_free(&tls);
	return hello;
}

/* Where the extensions begin, behind their length: RFC 8446 section 4.1.2. */
static size_t
extensions_at(const struct sled_buf *hello)
{
	size_t at = 5 + 4 + 2 + 32; /* record, message, version, random */

	at += 1 + number(hello->data + at, 1);
	at += 2 + number(hello->data + at, 2);
	at += 1 + number(hello->data + at, 1);
	assert_int_equal(at + 2 + number(hello->data + at, 2), hello->len);
	return at + 2;
}

/* The length of extension TYPE, or -1; *count of all. */
static int
extension(const struct sled_buf *hello, unsigned type, size_t *count)
{
	int found = -1;

	*count = 0;
	for (size_t at = extensions_at(hello); at < hello->len; ++*count) {
		unsigned len = number(hello->data + at + 2, 2);

		if (number(hello->data + at, 2) == type)
			found = (int)len;
		at += 4 + len;
	}
	return found;
}

static void
test_the_slim_hello_asks_for_what_is_needed_only(void **state)
{
	/* status_request, encrypt_then_mac, session_ticket, pre_shared_key,
	 * early_data */
	static const unsigned none[] = { 5, 22, 35, 41, 42 };
	struct sled_buf slim = hello_of(SLED_TLS_HELLO_SLIM);
	struct sled_buf full = hello_of(SLED_TLS_HELLO_DEFAULT);
	size_t count = 0;

	(void)state;
	print_message("hello: slim %zu B, default %zu B\n", slim.len, full.len);
	assert_in_range(slim.len, 150, 187);
	assert_true(full.len >= slim.len + 80);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(extension(&slim, none[i], &count), -1);
	assert_in_range(count, 8, 10);
	assert_int_equal(number(slim.data + 43, 1), 0); /* session id */
	assert_int_equal(extension(&slim, 51, &count), 2 + 4 + 32);
	assert_int_equal(extension(&slim, 10, &count), 2 + 3 * 2);
	assert_int_equal(extension(&slim, 13, &count), 2 + 5 * 2);
	assert_int_equal(extension(&slim, 45, &count), 2); /* for tickets */
	assert_int_equal(extension(&full, 42, &count), -1);
	sled_buf_free(&slim);
	sled_buf_free(&full);
}

/* --- whom it suffices --- */

/* Each kind of leaf, under each kind of issuer. */
static void
meet_all_leaves(const char *issuer_curve, bool sha384, int most)
{
	static const char *const curves[] = { "P-256", "P-384", "RSA" };
	struct fx_tls_wish root = { .cn = "Root",
		                    .authority = true,
		                    .curve = issuer_curve,
		                    .sha384 = sha384 };
	struct sled_tls_trust *trust = NULL;
	struct sled_err err = { 0 };
	struct fx_tls_id ca;

	fx_tls_id_make(&ca, &root, NULL);
	fx_tls_id_save(&ca, fx.ca_path, NULL);
	assert_true(sled_tls_trust_new(&trust, fx.ca_path, &err));
	for (size_t i = 0; i < 3; i++) {
		struct fx_tls_wish wish = { .cn = HOST,
			                    .names = "DNS:" HOST,
			                    .curve = curves[i],
			                    .sha384 = sha384 };
		struct fx_tls_id id;
		struct fx_meet m;

		fx_tls_id_make(&id, &wish, &ca);
		fx_meet_open(&m, trust, HOST, &id, most);
		assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_READY);
		fx_meet_close(&m);
		fx_tls_id_free(&id);
	}
	sled_tls_trust_free(&trust);
	fx_tls_id_free(&ca);
}

static void
test_usual_certificates_pass_with_the_slim_hello(void **state)
{
	static const int most[] = { 0, TLS1_2_VERSION };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		meet_all_leaves("P-256", false, most[i]);
		meet_all_leaves("P-384", true, most[i]);
		meet_all_leaves("RSA", false, most[i]);
		meet_all_leaves("RSA", true, most[i]);
	}
}

/* Does a server of these GROUPS take the hello? */
static bool
takes(const char *groups, enum sled_tls_hello kind, int most)
{
	struct fx_meet m;
	bool ready;

	fx_meet_open_at(&m, fx.trust, HOST, &fx.good, most, FX_TLS_NOW, kind);
	assert_int_equal(SSL_set1_groups_list(m.server.ssl, groups), 1);
	ready = fx_meet_shake(&m, 1) == SLED_TLS_READY;
	assert_int_equal(sled_tls_hello_refused(m.tls), !ready);
	fx_meet_close(&m);
	return ready;
}

static void
test_a_server_of_another_group_is_met_or_asked_again(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		int most = i == 0 ? 0 : TLS1_2_VERSION;

		assert_true(takes("X25519", SLED_TLS_HELLO_SLIM, most));
		assert_true(takes("P-256", SLED_TLS_HELLO_SLIM, most));
		assert_true(takes("P-384", SLED_TLS_HELLO_SLIM, most));
		assert_false(takes("P-521", SLED_TLS_HELLO_SLIM, most));
		assert_true(takes("P-521", SLED_TLS_HELLO_DEFAULT, most));
	}
}

static bool
takes_cipher(const char *cipher, enum sled_tls_hello kind)
{
	struct fx_meet m;
	bool ready;

	fx_meet_open_at(&m, fx.trust, HOST, &fx.good, TLS1_2_VERSION,
	                FX_TLS_NOW, kind);
	assert_int_equal(SSL_set_cipher_list(m.server.ssl, cipher), 1);
	ready = fx_meet_shake(&m, SIZE_MAX) == SLED_TLS_READY;
	assert_int_equal(sled_tls_hello_refused(m.tls), !ready);
	fx_meet_close(&m);
	return ready;
}

static void
test_a_server_of_old_suites_is_asked_again(void **state)
{
	static const char old[] = "ECDHE-ECDSA-AES128-SHA256";

	(void)state;
	assert_true(
	    takes_cipher("ECDHE-ECDSA-AES256-GCM-SHA384", SLED_TLS_HELLO_SLIM));
	assert_false(takes_cipher(old, SLED_TLS_HELLO_SLIM));
	assert_true(takes_cipher(old, SLED_TLS_HELLO_DEFAULT));
}

/* --- when it is worth asking again --- */

/* A peer says CANNED and hangs up. */
static bool
refused_by(struct sled_span canned)
{
	struct sled_err err = { 0 };
	struct sled_tls *tls = NULL;
	bool refused;

	assert_true(sled_tls_new(&tls, fx.trust, HOST, FX_TLS_NOW,
	                         SLED_TLS_HELLO_SLIM, &err));
	assert_int_equal(sled_tls_handshake(tls, &err), SLED_TLS_HUNGRY);
	assert_false(sled_tls_hello_refused(tls));
	sled_tls_feed(tls, canned);
	sled_tls_eof(tls);
	assert_int_equal(sled_tls_handshake(tls, &err), SLED_TLS_FAILED);
	refused = sled_tls_hello_refused(tls);
	sled_tls_free(&tls);
	return refused;
}

static bool
refused_by_alert(unsigned char alert)
{
	char record[] = "\x15\x03\x03\x00\x02\x02?";

	record[6] = (char)alert;
	return refused_by((struct sled_span){ record, 7 });
}

static void
test_alerts_about_the_offer_are_told_from_others(void **state)
{
	static const unsigned char offer[] = { 10, 40, 47,  50, 70,
		                               71, 80, 109, 110 };
	/* bad_record_mac, bad_certificate, access_denied, user_canceled,
	 * unrecognized_name, certificate_required */
	static const unsigned char other[] = { 20, 42, 49, 90, 112, 116 };

	(void)state;
	for (size_t i = 0; i < sizeof(offer); i++)
		assert_true(refused_by_alert(offer[i]));
	for (size_t i = 0; i < sizeof(other); i++)
		assert_false(refused_by_alert(other[i]));
}

static void
test_silence_is_a_refusal_until_the_server_hello(void **state)
{
	static const char text[] = "+OK POP3 ready\r\n";
	struct fx_meet m;
	char *lent;

	(void)state;
	assert_true(refused_by((struct sled_span){ "", 0 }));
	assert_true(refused_by((struct sled_span){ "\x16\x03", 2 }));
	assert_false(refused_by((struct sled_span){ text, sizeof(text) - 1 }));

	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(sled_tls_handshake(m.tls, &m.err), SLED_TLS_HUNGRY);
	fx_meet_deliver(&m);
	lent = fx_meet_lend(&m, 5 + number(m.wire.data + 3, 2));
	sled_tls_eof(m.tls);
	assert_int_equal(sled_tls_handshake(m.tls, &m.err), SLED_TLS_FAILED);
	assert_false(sled_tls_hello_refused(m.tls));
	free(lent);
	fx_meet_close(&m);
}

static void
test_a_refused_certificate_is_not_asked_again(void **state)
{
	struct fx_tls_wish wish = { .cn = HOST, .names = "DNS:" HOST };
	static const int most[] = { 0, TLS1_2_VERSION };
	struct fx_tls_id id;

	(void)state;
	fx_tls_id_make(&id, &wish, &fx.other_ca);
	for (size_t i = 0; i < 2; i++) {
		struct fx_meet m;

		fx_meet_open(&m, fx.trust, HOST, &id, most[i]);
		assert_int_equal(fx_meet_shake(&m, 1), SLED_TLS_FAILED);
		assert_false(sled_tls_hello_refused(m.tls));
		fx_meet_close(&m);
		fx_meet_open(&m, fx.trust, "other.example.net", &fx.good,
		             most[i]);
		assert_int_equal(fx_meet_shake(&m, 1), SLED_TLS_FAILED);
		assert_false(sled_tls_hello_refused(m.tls));
		fx_meet_close(&m);
	}
	fx_tls_id_free(&id);
}

/* --- records --- */

static size_t
records(struct sled_span wire)
{
	size_t count = 0, at = 0;

	while (at < wire.len) {
		assert_true(at + 5 <= wire.len);
		at += 5 + number(wire.data + at + 3, 2);
		count++;
	}
	assert_int_equal(at, wire.len);
	return count;
}

static void
test_one_write_is_one_record_and_leaves_with_finished(void **state)
{
	static char body[16385];
	struct fx_meet m;

	(void)state;
	fx_meet_open(&m, fx.trust, HOST, &fx.good, 0);
	assert_int_equal(fx_meet_shake(&m, SIZE_MAX), SLED_TLS_READY);
	assert_int_equal(records(sled_tls_pending(m.tls)), 1);
	for (size_t i = 0; i < 3; i++)
		assert_true(sled_tls_write(
		    m.tls, (struct sled_span){ "UIDL\r\n", 6 }, &m.err));
	assert_int_equal(records(sled_tls_pending(m.tls)), 1 + 3);
	fx_meet_deliver(&m);
	assert_string_equal(m.server.got.data, "UIDL\r\nUIDL\r\nUIDL\r\n");
	assert_true(sled_tls_write(
	    m.tls, (struct sled_span){ body, sizeof(body) - 1 }, &m.err));
	assert_int_equal(records(sled_tls_pending(m.tls)), 1);
	assert_int_equal(sled_tls_pending(m.tls).len, 16384 + 5 + 1 + 16);
	fx_meet_deliver(&m);
	assert_true(sled_tls_write(
	    m.tls, (struct sled_span){ body, sizeof(body) }, &m.err));
	assert_int_equal(records(sled_tls_pending(m.tls)), 2);
	fx_meet_close(&m);
}

static int
set_up(void **state)
{
	struct fx_tls_wish root = { .cn = "Test Root", .authority = true };
	struct fx_tls_wish other = { .cn = "Other Root", .authority = true };
	struct fx_tls_wish good = { .cn = HOST, .names = "DNS:" HOST };
	struct sled_err err = { 0 };

	(void)state;
	(void)snprintf(fx.dir, sizeof(fx.dir), "/tmp/sled-hello-XXXXXX");
	assert_non_null(mkdtemp(fx.dir));
	(void)snprintf(fx.ca_path, sizeof(fx.ca_path), "%s/ca.pem", fx.dir);
	fx_tls_id_make(&fx.ca, &root, NULL);
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
	(void)rmdir(fx.dir);
	return 0;
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_slim_hello_asks_for_what_is_needed_only),
		cmocka_unit_test(
		    test_usual_certificates_pass_with_the_slim_hello),
		cmocka_unit_test(
		    test_a_server_of_another_group_is_met_or_asked_again),
		cmocka_unit_test(test_a_server_of_old_suites_is_asked_again),
		cmocka_unit_test(
		    test_alerts_about_the_offer_are_told_from_others),
		cmocka_unit_test(
		    test_silence_is_a_refusal_until_the_server_hello),
		cmocka_unit_test(test_a_refused_certificate_is_not_asked_again),
		cmocka_unit_test(
		    test_one_write_is_one_record_and_leaves_with_finished),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
