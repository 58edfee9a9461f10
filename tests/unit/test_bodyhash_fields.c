/* test_bodyhash_fields.c - is the body what a DKIM-Signature field tells of? */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/bodyhash.h"
#include "mailsled/hash.h"
#include "mailsled/text.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define TAGS        "v=1; a=rsa-sha256; d=example.org; s=k; h=From; b=AAAA;"
#define OTHER_HASH  "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define NONE        SLED_BODYHASH_NONE
#define HOLDS       SLED_BODYHASH_HOLDS
#define OTHER       SLED_BODYHASH_OTHER
#define UNKNOWN     SLED_BODYHASH_UNKNOWN

static struct sled_bodyhash *
fresh(void)
{
	struct sled_bodyhash *body = NULL;
	struct sled_err err = { 0 };

	assert_true(sled_bodyhash_new(&body, &err));
	return body;
}

static int
setup(void **state)
{
	*state = fresh();
	return 0;
}

static int
teardown(void **state)
{
	struct sled_bodyhash *body = *state;

	sled_bodyhash_free(&body);
	assert_null(body);
	sled_bodyhash_free(&body);
	return 0;
}

/* The base64 of TEXT's SHA-256; a caller frees .data. */
static struct sled_buf
hash_text(const char *text, size_t len)
{
	struct sled_sha256 *sha = NULL;
	struct sled_err err = { 0 };
	struct sled_hash hash;
	struct sled_buf out = { 0 };

	assert_true(sled_sha256_new(&sha, &err));
	sled_sha256_add(sha, text, len);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	assert_true(sled_text_base64(
	    &out, (struct sled_span){ (const char *)hash.b, SLED_HASH_LEN },
	    &err));
	return out;
}

/* A field with EXTRA tags, whose hash is that of the first LEN octets. */
static void
add_field(struct sled_buf *out, const char *extra, const char *canonical,
          size_t len)
{
	struct sled_buf hash = hash_text(canonical, len);
	struct sled_err err = { 0 };

	assert_true(sled_buf_printf(out, &err,
	                            "DKIM-Signature: " TAGS "%s bh=%s\r\n",
	                            extra, hash.data));
	sled_buf_free(&hash);
}

static struct sled_bodyhash_found
find_in(struct sled_bodyhash *body, const char *text, size_t len)
{
	sled_bodyhash_begin(body);
	sled_bodyhash_feed(body, (struct sled_span){ text, len });
	return sled_bodyhash_end(body);
}

static void
assert_outcome(struct sled_bodyhash *body, const char *text,
               enum sled_bodyhash_outcome outcome, const char *domain)
{
	struct sled_bodyhash_found found = find_in(body, text, strlen(text));

	if (found.outcome != outcome)
		print_error("%s\n", text);
	assert_int_equal(found.outcome, outcome);
	assert_string_equal(found.domain, domain);
}

/* ---- bodies ---- */

struct form {
	const char *body, *simple, *relaxed;
};

static const struct form forms[] = {
	/* RFC 6376 section 3.4.5 */
	{ " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n" },
	/* no body, nothing but line ends, nothing but blanks */
	{ "", "\r\n", "" },
	{ "\r\n", "\r\n", "" },
	{ "\r\n\r\n\r\n", "\r\n", "" },
	{ " ", " \r\n", "" },
	{ " \t\r\n", " \t\r\n", "" },
	{ "\r\n \r\n\t \r\n", "\r\n \r\n\t \r\n", "" },
	/* the last line without its end */
	{ "a", "a\r\n", "a\r\n" },
	{ "a \t", "a \t\r\n", "a\r\n" },
	{ "a\r\n\r\nb", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n" },
	/* what is at the end, and what is not */
	{ "a\r\n\r\n \r\n", "a\r\n\r\n \r\n", "a\r\n" },
	{ "\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n" },
	{ "a\r\n \r\n\r\nb\r\n\r\n", "a\r\n \r\n\r\nb\r\n",
	  "a\r\n\r\n\r\nb\r\n" },
	{ "  a  b\tc\t\t\r\n\td\r\n", "  a  b\tc\t\t\r\n\td\r\n",
	  " a b c\r\n d\r\n" },
	/* only CRLF ends a line */
	{ "a\r", "a\r\r\n", "a\r\r\n" },
	{ "a\r\n\r", "a\r\n\r\r\n", "a\r\n\r\r\n" },
	{ "a\rb\r\r\n\r\n", "a\rb\r\r\n", "a\rb\r\r\n" },
	{ "a \r b\r\n", "a \r b\r\n", "a \r b\r\n" },
	{ "a \n\n", "a \n\n\r\n", "a \n\n\r\n" },
	{ "\n", "\n\r\n", "\n\r\n" },
	{ "\r\r\n\r\n", "\r\r\n", "\r\r\n" },
	/* no other octet is a blank */
	{ "a\v\f \xa0\r\n.\r\n", "a\v\f \xa0\r\n.\r\n", "a\v\f \xa0\r\n.\r\n" },
};

static struct sled_buf
message_of(const struct form *form, bool relaxed, size_t limit)
{
	const char *canonical = relaxed ? form->relaxed : form->simple;
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };
	char extra[64], length[32] = "";

	if (limit <= strlen(canonical))
		(void)snprintf(length, sizeof(length), "l=%zu;", limit);
	else
		limit = strlen(canonical);
	(void)snprintf(extra, sizeof(extra), "c=%s; %s",
	               relaxed ? "simple/relaxed" : "relaxed/simple", length);
	add_field(&out, extra, canonical, limit);
	assert_true(sled_buf_addstr(&out, "From: a@example.org\r\n\r\n", &err));
	assert_true(sled_buf_addstr(&out, form->body, &err));
	return out;
}

static void
a_body_has_the_two_forms_of_the_rfc(void **state)
{
	for (size_t i = 0; i < 2 * COUNT(forms); i++) {
		struct sled_buf text =
		    message_of(&forms[i / 2], i % 2 != 0, SIZE_MAX);

		assert_outcome(*state, text.data, HOLDS, "example.org");
		sled_buf_free(&text);
	}
}

static void
any_length_of_a_body_can_be_hashed_alone(void **state)
{
	for (size_t i = 0; i < 2 * COUNT(forms); i++)
		for (size_t limit = 0; limit < 20; limit++) {
			struct sled_buf text =
			    message_of(&forms[i / 2], i % 2 != 0, limit);

			assert_outcome(*state, text.data, HOLDS, "example.org");
			sled_buf_free(&text);
		}
}

static void
it_comes_in_any_pieces(void **state)
{
	struct sled_bodyhash *body = *state;

	for (size_t i = 0; i < 2 * COUNT(forms); i++) {
		struct sled_buf text =
		    message_of(&forms[i / 2], i % 2 != 0, i % 3 ? 3 : SIZE_MAX);

		for (size_t at = 0; at <= text.len; at++) {
			sled_bodyhash_begin(body);
			sled_bodyhash_feed(body,
			                   (struct sled_span){ text.data, at });
			sled_bodyhash_feed(body,
			                   (struct sled_span){ text.data + at,
			                                       text.len - at });
			assert_int_equal(sled_bodyhash_end(body).outcome,
			                 HOLDS);
		}
		sled_bodyhash_begin(body);
		for (size_t at = 0; at < text.len; at++)
			sled_bodyhash_feed(
			    body, (struct sled_span){ text.data + at, 1 });
		assert_int_equal(sled_bodyhash_end(body).outcome, HOLDS);
		sled_buf_free(&text);
	}
}

static void
the_known_hashes_are_told(void **state)
{
	/* A message of no body; then that of the RFC's appendix A. */
	assert_outcome(*state,
	               "DKIM-Signature: " TAGS
	               " bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=\r\n",
	               HOLDS, "example.org");
	assert_outcome(*state,
	               "DKIM-Signature: " TAGS "c=relaxed/relaxed; " OTHER_HASH
	               "\r\n",
	               HOLDS, "example.org");
	assert_outcome(
	    *state,
	    "DKIM-Signature: v=1; a=rsa-sha256; s=brisbane; d=example.com;\r\n"
	    "      c=simple/simple; q=dns/txt; i=joe@football.example.com;\r\n"
	    "      h=Received : From : To : Subject : Date : Message-ID;\r\n"
	    "      bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
	    "      b=AAAA;\r\n"
	    "From: Joe SixPack <joe@football.example.com>\r\n"
	    "\r\n"
	    "Hi.\r\n\r\nWe lost the game. Are you hungry yet?\r\n\r\nJoe.\r\n",
	    HOLDS, "example.com");
}

static void
an_altered_body_differs(void **state)
{
	struct sled_buf text = message_of(&forms[0], true, SIZE_MAX);
	struct sled_err err = { 0 };

	assert_true(sled_buf_addstr(&text, "\r\n \r\n", &err));
	assert_outcome(*state, text.data, HOLDS, "example.org");
	assert_true(sled_buf_addstr(&text, "-- \r\nfooter\r\n", &err));
	assert_outcome(*state, text.data, OTHER, "example.org");
	sled_buf_free(&text);
	text = message_of(&forms[0], true, 8);
	assert_true(sled_buf_addstr(&text, "-- \r\nfooter\r\n", &err));
	assert_outcome(*state, text.data, HOLDS, "example.org");
	sled_buf_free(&text);
}

/* Line ends that wait are a number, also when there are very many. */
static void
a_body_of_line_ends_takes_no_memory(void **state)
{
	enum {
		LINES = 300000
	};
	struct sled_bodyhash *body = *state;
	char *canonical = malloc(2 * LINES + 3);
	struct sled_buf text = { 0 };
	struct sled_err err = { 0 };

	assert_non_null(canonical);
	for (size_t i = 0; i < LINES; i++)
		memcpy(canonical + 2 * i, "\r\n", 2);
	memcpy(canonical + 2 * LINES, "a\r\n", 3);
	add_field(&text, "c=simple/relaxed;", canonical, 2 * LINES + 3);
	add_field(&text, "", canonical, 2);
	assert_true(sled_buf_addstr(&text, "\r\n", &err));
	for (int with_text = 0; with_text < 2; with_text++) {
		sled_bodyhash_begin(body);
		sled_bodyhash_feed(body, sled_buf_span(&text));
		for (size_t i = 0; i < LINES; i++)
			sled_bodyhash_feed(body,
			                   (struct sled_span){ "\r\n", 2 });
		/* The second field is of an empty body, the first is not. */
		if (with_text != 0)
			sled_bodyhash_feed(body, (struct sled_span){ "a", 1 });
		assert_int_equal(sled_bodyhash_end(body).outcome, HOLDS);
	}
	free(canonical);
	sled_buf_free(&text);
}

/* ---- fields ---- */

static void
a_message_without_a_field_has_none(void **state)
{
	static const char *const texts[] = {
		"",
		"\r\n",
		"Subject: a\r\n\r\nDKIM-Signature: " TAGS OTHER_HASH "\r\n",
		"Subject: a\r\n DKIM-Signature: " TAGS OTHER_HASH "\r\n\r\n",
		"X-DKIM-Signature: " TAGS OTHER_HASH "\r\n\r\n",
		"DKIM-Signatures: " TAGS OTHER_HASH "\r\n\r\n",
		"DKIM-Signatur: " TAGS OTHER_HASH "\r\n\r\n",
		"DKIM-Signature " TAGS OTHER_HASH "\r\n\r\n",
		"DKIM-Signature\r\n : " TAGS OTHER_HASH "\r\n\r\n",
		"DomainKey-Signature: " TAGS OTHER_HASH "\r\n\r\n",
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		assert_outcome(*state, texts[i], NONE, "");
}

static void
fields_come_in_many_shapes(void **state)
{
	static const char *const texts[] = {
		"dkim-SIGNATURE \t:" TAGS OTHER_HASH "\r\n\r\nx",
		"A: b\r\nDKIM-Signature: " TAGS OTHER_HASH "\r\n\r\nx",
		"A: b\nDKIM-Signature:\n " TAGS "\n\t" OTHER_HASH "\n\nx",
		"DKIM-Signature: " TAGS OTHER_HASH,
		"DKIM-Signature: " TAGS OTHER_HASH " ; ",
		"DKIM-Signature: " TAGS " unknown= x = y\tz; e=;" OTHER_HASH
		";\r\n\r\n",
		"DKIM-Signature: " TAGS
		" bh\r\n =\r\n 47DEQpj8HBSa +/TImW+5JCeuQ\r\n"
		"\teRkm5NMpJWZG3hSuFU =\r\n\r\nx",
		"DKIM-Signature: v=1; a=ed25519-sha256; d=example.org; s=k;"
		" h=From; b=; l=0000000000000000000000000000000000000000000000"
		"000000000000000000000000000009;" OTHER_HASH "\r\n\r\nx",
		"DKIM-Signature: " TAGS "l=18446744073709551616;" OTHER_HASH
		"\r\n\r\nx",
		"DKIM-Signature: " TAGS "c=relaxed;" OTHER_HASH "\r\n\r\nx",
	};

	for (size_t i = 0; i < COUNT(texts); i++)
		assert_outcome(*state, texts[i], OTHER, "example.org");
}

/* Each is told apart from one that can be judged by nothing but its fault. */
static void
a_field_that_is_not_understood_is_not_judged(void **state)
{
	static const char *const fields[] = {
		"",
		"nonsense",
		"v=1",
		"a=rsa-sha256; d=example.org; h=From;" OTHER_HASH,
		"v=2; a=rsa-sha256; d=example.org; h=From;" OTHER_HASH,
		"v=1; d=example.org; h=From;" OTHER_HASH,
		"v=1; a=rsa-sha1; d=example.org; h=From;" OTHER_HASH,
		"v=1; a=rsa-sha512; d=example.org; h=From;" OTHER_HASH,
		"v=1; a=rsa-sha256; h=From;" OTHER_HASH,
		"v=1; a=rsa-sha256; d=; h=From;" OTHER_HASH,
		"v=1; a=rsa-sha256; d=example.org;" OTHER_HASH,
		TAGS,
		TAGS "bh=",
		TAGS "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
		TAGS "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFUA",
		TAGS "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU==",
		TAGS "bh=47DEQpj8HBSa+-TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		TAGS "bh=2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
		TAGS "c=;" OTHER_HASH,
		TAGS "c=nofws/simple;" OTHER_HASH,
		TAGS "c=simple/;" OTHER_HASH,
		TAGS "c=simple/nofws;" OTHER_HASH,
		TAGS "c=relaxed/simple/simple;" OTHER_HASH,
		TAGS "l=;" OTHER_HASH,
		TAGS "l=-1;" OTHER_HASH,
		TAGS "l=1 1;" OTHER_HASH,
		TAGS "l=00000000000000000000000000000000000000000000000000000"
		     "000000000000000000000000;" OTHER_HASH,
		TAGS OTHER_HASH ";" OTHER_HASH,
		TAGS "x=1; x=2;" OTHER_HASH,
		TAGS ";" OTHER_HASH,
		TAGS "=x;" OTHER_HASH,
		TAGS "1x=x;" OTHER_HASH,
		TAGS "x-y=x;" OTHER_HASH,
		TAGS "x;" OTHER_HASH,
		TAGS "x=\x01;" OTHER_HASH,
		TAGS "x=\x7f;" OTHER_HASH,
		TAGS "x=a\rb;" OTHER_HASH,
	};
	char text[1024];

	for (size_t i = 0; i < COUNT(fields); i++) {
		(void)snprintf(text, sizeof(text),
		               "DKIM-Signature: %s\r\n\r\nx", fields[i]);
		assert_int_equal(find_in(*state, text, strlen(text)).outcome,
		                 UNKNOWN);
		(void)snprintf(
		    text, sizeof(text),
		    "DKIM-Signature: %s\r\nDKIM-Signature: " TAGS OTHER_HASH
		    "\r\n\r\nx",
		    fields[i]);
		assert_outcome(*state, text, OTHER, "example.org");
	}
}

static void
a_field_of_too_many_octets_or_tags_is_not_judged(void **state)
{
	enum {
		ROOM = SLED_BODYHASH_FIELD + 1024
	};

	static const char start[] = "DKIM-Signature:" TAGS OTHER_HASH ";x=";
	size_t name = strlen("DKIM-Signature:");
	char *text = malloc(ROOM);

	assert_non_null(text);
	for (size_t more = 0; more < 2; more++) {
		size_t len = name + SLED_BODYHASH_FIELD + more;

		memset(text, 'x', len);
		memcpy(text, start, strlen(start));
		assert_int_equal(find_in(*state, text, len).outcome,
		                 more == 0 ? OTHER : UNKNOWN);
	}
	for (int more = 0; more < 2; more++) {
		/* TAGS has six, bh is one more */
		int at =
		    snprintf(text, ROOM, "DKIM-Signature:" TAGS OTHER_HASH);

		for (int i = 7; i < SLED_BODYHASH_TAGS + more; i++)
			at +=
			    snprintf(text + at, ROOM - (size_t)at, ";x%d=", i);
		assert_outcome(*state, text, more == 0 ? OTHER : UNKNOWN,
		               more == 0 ? "example.org" : "");
	}
	free(text);
}

static void
add_text(struct sled_buf *out, const char *text)
{
	struct sled_err err = { 0 };

	assert_true(sled_buf_addstr(out, text, &err));
}

static void
one_field_that_holds_is_enough(void **state)
{
	struct sled_buf text = { 0 };

	add_text(&text, "DKIM-Signature: d=a.example; v=1; bh=x\r\n");
	add_text(&text, "DKIM-Signature: v=1; a=rsa-sha256; d=b.example;"
	                "h=From; " OTHER_HASH "\r\n");
	assert_outcome(*state, text.data, OTHER, "b.example");
	add_field(&text, "c=simple/relaxed; l=2;", "body\r\n", 2);
	add_field(&text, "c=simple/relaxed; l=3;", "body\r\n", 3);
	add_text(&text, "DKIM-Signature: v=1; a=rsa-sha256; d=c.example;"
	                "h=From; c=simple/relaxed; l=0;" OTHER_HASH "\r\n");
	add_text(&text, "\r\nbo dy\r\n");
	assert_outcome(*state, text.data, HOLDS, "example.org");
	memcpy(strstr(text.data, "bo dy"), "xo", 2);
	assert_outcome(*state, text.data, HOLDS, "c.example");
	sled_buf_free(&text);
}

static void
fields_beyond_the_eighth_are_not_looked_at(void **state)
{
	for (int others = SLED_BODYHASH_MAX - 1; others <= SLED_BODYHASH_MAX;
	     others++) {
		struct sled_buf text = { 0 };
		struct sled_err err = { 0 };

		for (int i = 0; i < others; i++)
			assert_true(sled_buf_printf(&text, &err,
			                            "DKIM-Signature: " TAGS
			                            "l=%d;" OTHER_HASH "\r\n",
			                            i + 1));
		add_field(&text, "", "body\r\n", 6);
		add_text(&text, "\r\nbody\r\n");
		assert_outcome(*state, text.data,
		               others < SLED_BODYHASH_MAX ? HOLDS : OTHER,
		               "example.org");
		sled_buf_free(&text);
	}
}

static void
the_domain_is_fit_for_a_terminal(void **state)
{
	char text[1024], name[512];
	struct sled_bodyhash_found found;

	assert_outcome(*state,
	               "DKIM-Signature: d=a\xc2\x9b"
	               "b\xff; h=x\r\n\r\n",
	               UNKNOWN, "a\\x9bb\\xff");
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(text, sizeof(text), "DKIM-Signature: d=%s\r\n\r\n",
	               name);
	found = find_in(*state, text, strlen(text));
	assert_int_equal(found.outcome, UNKNOWN);
	assert_int_equal(strlen(found.domain), SLED_BODYHASH_DOMAIN - 1);
	assert_non_null(strstr(found.domain, "a..."));
}

static void
what_was_begun_and_not_ended_leaves_nothing(void **state)
{
	struct sled_bodyhash *body = *state;
	struct sled_buf text = message_of(&forms[0], false, SIZE_MAX);

	for (size_t at = 0; at <= text.len; at++) {
		sled_bodyhash_begin(body);
		sled_bodyhash_feed(body, (struct sled_span){ text.data, at });
		assert_outcome(body, "From: a\r\n\r\nbody\r\n", NONE, "");
		sled_bodyhash_begin(body);
		sled_bodyhash_feed(body, (struct sled_span){ text.data, at });
		assert_outcome(body, text.data, HOLDS, "example.org");
	}
	sled_buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_body_has_the_two_forms_of_the_rfc),
		cmocka_unit_test(any_length_of_a_body_can_be_hashed_alone),
		cmocka_unit_test(it_comes_in_any_pieces),
		cmocka_unit_test(the_known_hashes_are_told),
		cmocka_unit_test(an_altered_body_differs),
		cmocka_unit_test(a_body_of_line_ends_takes_no_memory),
		cmocka_unit_test(a_message_without_a_field_has_none),
		cmocka_unit_test(fields_come_in_many_shapes),
		cmocka_unit_test(a_field_that_is_not_understood_is_not_judged),
		cmocka_unit_test(
		    a_field_of_too_many_octets_or_tags_is_not_judged),
		cmocka_unit_test(one_field_that_holds_is_enough),
		cmocka_unit_test(fields_beyond_the_eighth_are_not_looked_at),
		cmocka_unit_test(the_domain_is_fit_for_a_terminal),
		cmocka_unit_test(what_was_begun_and_not_ended_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
