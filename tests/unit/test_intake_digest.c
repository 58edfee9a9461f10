/* test_intake_digest.c - the same message, however it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/hash.h"
#include "mailsled/intake.h"

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define BARE(text)                     \
	{                              \
		text, sizeof(text) - 1 \
	}
#define SPAN(text) ((struct sled_span)BARE(text))

/* A digest whose values outlive the intake. */
struct result {
	struct sled_digest digest;
	char from[SLED_FIELD_MAX + 1], subject[SLED_FIELD_MAX + 1];
	char date[SLED_FIELD_MAX + 1];
};

static void
copy(char *out, struct sled_span in)
{
	assert_in_range(in.len, 0, SLED_FIELD_MAX);
	if (in.len > 0)
		memcpy(out, in.data, in.len);
	out[in.len] = '\0';
}

static void
feed(struct sled_intake *intake, const char *data, size_t len)
{
	struct sled_err err = { 0 };

	assert_true(
	    sled_intake_feed(intake, (struct sled_span){ data, len }, &err));
}

static struct result
finish(struct sled_intake *intake)
{
	struct result result = { .digest = sled_intake_end(intake) };

	copy(result.from, result.digest.from);
	copy(result.subject, result.digest.subject);
	copy(result.date, result.digest.date);
	return result;
}

static struct sled_intake *
fresh(void)
{
	struct sled_intake *intake = NULL;
	struct sled_err err = { 0 };

	assert_true(sled_intake_new(&intake, &err));
	return intake;
}

static struct result
digest_of(struct sled_span message)
{
	struct sled_intake *intake = fresh();
	struct result result;

	feed(intake, message.data, message.len);
	result = finish(intake);
	sled_intake_free(&intake);
	return result;
}

static void
assert_hash_of(const struct sled_hash *found, struct sled_span bytes)
{
	struct sled_sha256 *sha = NULL;
	struct sled_err err = { 0 };
	struct sled_hash hash;

	assert_true(sled_sha256_new(&sha, &err));
	sled_sha256_add(sha, bytes.data, bytes.len);
	hash = sled_sha256_end(sha);
	sled_sha256_free(&sha);
	assert_memory_equal(found, &hash, sizeof(hash));
}

static void
assert_same(const struct result *a, const struct result *b)
{
	assert_memory_equal(&a->digest.sha256, &b->digest.sha256,
	                    sizeof(a->digest.sha256));
	assert_memory_equal(&a->digest.head_sha256, &b->digest.head_sha256,
	                    sizeof(a->digest.head_sha256));
	assert_int_equal(a->digest.octets, b->digest.octets);
	assert_int_equal(a->digest.lines, b->digest.lines);
	assert_int_equal(a->digest.head_octets, b->digest.head_octets);
	assert_string_equal(a->from, b->from);
	assert_string_equal(a->subject, b->subject);
	assert_string_equal(a->date, b->date);
}

/* MESSAGE's header block counts as if it were HEAD. */
static void
assert_head(struct sled_span message, struct sled_span head)
{
	struct result result = digest_of(message);

	assert_int_equal(result.digest.head_octets, head.len);
	assert_hash_of(&result.digest.head_sha256, head);
	assert_int_equal(result.digest.octets, message.len);
	assert_hash_of(&result.digest.sha256, message);
}

static void
rewritten_fields_do_not_count(void **state)
{
	static const char *const names[] = {
		"Status",     "X-Status",
		"X-Keywords", "X-UID",
		"X-UIDL",     "X-IMAPbase",
		"X-IMAP",     "Content-Length",
		"Lines",      "X-Expire-Timestamp",
		"STATUS",     "x-imapBASE",
		"status ",    "LINES\t",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		char text[256] = "Subject: a\r\n";

		strcat(text, names[i]);
		strcat(text, ": RO\r\n\tmore: of it\r\n  and more\r\n"
		             "To: b\r\n c\r\n\r\nbody\r\n");
		assert_head((struct sled_span){ text, strlen(text) },
		            SPAN("Subject: a\r\nTo: b\r\n c\r\n"));
	}
}

static void
other_fields_do_count(void **state)
{
	static const char *const heads[] = {
		"Statu: x\r\n",
		"X-Status-: x\r\n",
		"Status\r\n",
		" Status: x\r\n",
		"X-UIDLX: x\r\n",
		"X-Expire-Timestamps: x\r\n",
		"From joe Status: x\r\n",
		"To: Status: x\r\n",
		": x\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(heads); i++) {
		char text[256] = "";

		strcat(text, heads[i]);
		strcat(text, "\r\nbody\r\n");
		assert_head((struct sled_span){ text, strlen(text) },
		            (struct sled_span){ heads[i], strlen(heads[i]) });
	}
}

static void
line_ends_of_any_kind_count_as_crlf(void **state)
{
	(void)state;
	assert_head(SPAN("A: 1\r\nB: 2\r\n\r\nx"), SPAN("A: 1\r\nB: 2\r\n"));
	assert_head(SPAN("A: 1\nB: 2\n\nx"), SPAN("A: 1\r\nB: 2\r\n"));
	assert_head(SPAN("A: 1\nB: 2\r\n\nx"), SPAN("A: 1\r\nB: 2\r\n"));
	/* No empty line, and not even an end of the last. */
	assert_head(SPAN("A: 1\r\nB: 2\r\n"), SPAN("A: 1\r\nB: 2\r\n"));
	assert_head(SPAN("A: 1\r\nB: 2"), SPAN("A: 1\r\nB: 2\r\n"));
	assert_head(SPAN("A: 1\r\nB: 2\r"), SPAN("A: 1\r\nB: 2\r\r\n"));
	/* A CR that ends no line is an octet like others. */
	assert_head(SPAN("A: 1\r2\r\n\r\nx"), SPAN("A: 1\r2\r\n"));
	assert_head(SPAN("A: 1\r\r\n\r\nx"), SPAN("A: 1\r\r\n"));
	assert_head(SPAN("A: 1\r\n\r\r\nB: 2\r\n\r\nx"),
	            SPAN("A: 1\r\n\r\r\nB: 2\r\n"));
	assert_head(SPAN("\rA: 1\r\n\r\nx"), SPAN("\rA: 1\r\n"));
}

static void
no_header_proves_nothing(void **state)
{
	static const struct sled_span messages[] = {
		{ "", 0 },
		{ "\r\n", 2 },
		{ "\nA: 1\r\n", 7 },
		{ "\r\nA: 1\r\n\r\n", 10 },
		{ "Status: RO\r\n\r\nx", 15 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(messages); i++)
		assert_head(messages[i], SPAN(""));
}

static void
the_body_never_counts_as_head(void **state)
{
	static const char head[] = "Subject: a\r\nStatus: O\r\n\r\n";
	struct result bare = digest_of(SPAN(head));
	static const char *const bodies[] = {
		"x", "\r\n", "Subject: b\r\n", "\r", "\n\nStatus: x\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bodies); i++) {
		char text[128] = "";
		struct result whole;

		strcat(text, head);
		strcat(text, bodies[i]);
		whole = digest_of((struct sled_span){ text, strlen(text) });
		assert_memory_equal(&whole.digest.head_sha256,
		                    &bare.digest.head_sha256,
		                    sizeof(bare.digest.head_sha256));
		assert_int_equal(whole.digest.head_octets, 12);
		assert_string_equal(whole.subject, "a");
	}
}

static void
lines_are_crlf_pairs(void **state)
{
	(void)state;
	assert_int_equal(digest_of(SPAN("")).digest.lines, 0);
	assert_int_equal(digest_of(SPAN("a\r\nb\nc\r\r\n\r\n\r")).digest.lines,
	                 3);
	assert_int_equal(
	    digest_of(SPAN("A: b\r\n\r\nc\r\n\n\n\r\n")).digest.lines, 4);
}

static void
values_are_unfolded_and_the_first_counts(void **state)
{
	struct result r = digest_of(
	    SPAN("From nobody Mon Nov 23 14:50:31 2026\r\n"
	         "FROM : \"A\" <a@b>\r\n"
	         "subject:\r\n\t=?utf-8?q?x?=\r\n  two\xff \r\n\tthree  \r\n"
	         "Date:Mon, 23 Nov 2026 14:50:31 +0000\n"
	         "Subject: other\r\n more\r\nFrom: other\r\n\r\nDate: no\r\n"));

	(void)state;
	assert_string_equal(r.from, "\"A\" <a@b>");
	assert_string_equal(r.subject, "=?utf-8?q?x?=  two\xff \tthree");
	assert_string_equal(r.date, "Mon, 23 Nov 2026 14:50:31 +0000");
	r = digest_of(SPAN("Subject:\r\nSubject: late\r\n\r\n"));
	assert_string_equal(r.subject, "");
	assert_string_equal(r.from, "");
}

static void
long_lines_are_hashed_whole_and_kept_in_part(void **state)
{
	static char text[70000 + 64];
	struct result r;
	size_t len;

	(void)state;
	memcpy(text, "Subject: ", 9);
	memset(text + 9, 'x', 70000);
	len = 9 + 70000;
	memcpy(text + len, "\r\nA: b\r\n", 8);
	assert_head((struct sled_span){ text, len + 8 },
	            (struct sled_span){ text, len + 8 });
	r = digest_of((struct sled_span){ text, len + 8 });
	assert_int_equal(strlen(r.subject), SLED_FIELD_MAX);
	/* A name without end is no field. */
	memset(text, 'n', len);
	assert_head((struct sled_span){ text, len + 8 },
	            (struct sled_span){ text, len + 8 });
}

static const struct sled_span corpus[] = {
	BARE("From x Mon Nov 23 14:50:31\r\nSubject: a\r\n b\r\nStatus: RO\r\n"
	     "\tx\r\nX-UIDL \t: 1\r\nTo: me\r\r\nDate: d\n\rFrom: f\r\n\r\n"
	     "body\r\n.\r\nSubject: z\n\r\n"),
	BARE("A: 1\r\nLines: 3\r\nB: 2\r"),
	BARE("no colon here at all, and longer than any name\r\n\r\n\r\r\n\n"),
	BARE("\r\n\r\nx"),
	BARE("Subject:\r\n \r\n\t\r\n x\r\nStatus:\r\n\r\n"),
};

static void
digests_do_not_depend_on_splits(void **state)
{
	struct sled_intake *intake = fresh();

	(void)state;
	for (size_t i = 0; i < COUNT(corpus); i++) {
		struct sled_span m = corpus[i];
		struct result whole = digest_of(m), part;

		for (size_t cut = 0; cut <= m.len; cut++) {
			sled_intake_begin(intake);
			feed(intake, m.data, cut);
			feed(intake, m.data + cut, m.len - cut);
			part = finish(intake);
			assert_same(&part, &whole);
		}
		for (size_t size = 1; size < 8; size++) {
			sled_intake_begin(intake);
			for (size_t at = 0; at < m.len; at += size)
				feed(intake, m.data + at,
				     m.len - at < size ? m.len - at : size);
			part = finish(intake);
			assert_same(&part, &whole);
		}
	}
	sled_intake_free(&intake);
}

static void
an_abandoned_message_leaves_no_trace(void **state)
{
	struct sled_intake *intake = fresh();

	(void)state;
	for (size_t i = 0; i < COUNT(corpus); i++)
		for (size_t cut = 0; cut <= corpus[0].len; cut++) {
			struct result clean = digest_of(corpus[i]), after;

			sled_intake_begin(intake);
			feed(intake, corpus[0].data, cut);
			sled_intake_begin(intake);
			feed(intake, corpus[i].data, corpus[i].len);
			after = finish(intake);
			assert_same(&after, &clean);
		}
	sled_intake_free(&intake);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rewritten_fields_do_not_count),
		cmocka_unit_test(other_fields_do_count),
		cmocka_unit_test(line_ends_of_any_kind_count_as_crlf),
		cmocka_unit_test(no_header_proves_nothing),
		cmocka_unit_test(the_body_never_counts_as_head),
		cmocka_unit_test(lines_are_crlf_pairs),
		cmocka_unit_test(values_are_unfolded_and_the_first_counts),
		cmocka_unit_test(long_lines_are_hashed_whole_and_kept_in_part),
		cmocka_unit_test(digests_do_not_depend_on_splits),
		cmocka_unit_test(an_abandoned_message_leaves_no_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
