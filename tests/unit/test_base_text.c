/* test_base_text.c - what comes from outside is fit to be shown and stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/clock.h"
#include "mailsled/text.h"

typedef bool text_fn(struct sled_buf *, struct sled_span, struct sled_err *);

static struct sled_span
span(const char *text)
{
	return (struct sled_span){ text, strlen(text) };
}

static void
expect(text_fn *fn, struct sled_span in, const char *want)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };

	assert_true(fn(&out, in, &err));
	assert_string_equal(out.data, want);
	assert_int_equal(out.len, strlen(want));
	sled_buf_free(&out);
}

static void
test_printable_keeps_text_and_escapes_what_acts(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "plain ~", "plain ~" },
		{ "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9b\xb7",
		  "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x9b\xb7" },
		{ "a\x1b[2Jb", "a\\x1b[2Jb" },
		{ "\r\n\t\x7f", "\\x0d\\x0a\\x09\\x7f" },
		{ "\xc2\x9b"
		  "31m",
		  "\\x9b31m" },          /* C1: CSI */
		{ "\xc2\x85", "\\x85" }, /* C1: NEL */
		{ "\xe2\x80\xae"
		  "x",
		  "\\u{202e}x" }, /* RLO */
		{ "\xe2\x81\xa6"
		  "x",
		  "\\u{2066}x" }, /* LRI */
		{ "\xe2\x80\xa8\xe2\x80\xa9", "\\u{2028}\\u{2029}" },
		{ "\xd8\x9c", "\\u{061c}" },          /* ALM */
		{ "\xef\xbb\xbf", "\\u{feff}" },      /* BOM */
		{ "\xf3\xa0\x81\x81", "\\u{e0041}" }, /* a tag */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(sled_text_printable, span(cases[i][0]), cases[i][1]);
	/* Joiners only where letters of such scripts, or pictures, are joined. */
	expect(sled_text_printable, span("\u0645\u06cc\u200c\u062e"),
	       "\u0645\u06cc\u200c\u062e");
	expect(sled_text_printable, span("\U0001f469\u200d\U0001f467"),
	       "\U0001f469\u200d\U0001f467");
	expect(sled_text_printable, span("ad\u200da\u200b"),
	       "ad\\u{200d}a\\u{200b}");
	expect(sled_text_printable, span("\u202e\u200d"),
	       "\\u{202e}\\u{200d}");
	expect(sled_text_printable, (struct sled_span){ "a\0b", 3 }, "a\\x00b");
}

static void
test_printable_escapes_each_byte_that_is_no_utf8(void **state)
{
	static const char *const cases[][2] = {
		{ "\x80", "\\x80" },
		{ "\xff", "\\xff" },
		{ "\xc0\xaf", "\\xc0\\xaf" }, /* overlong "/" */
		{ "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
		{ "\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* a surrogate */
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80" },
		{ "\xe2\x82", "\\xe2\\x82" }, /* cut */
		{ "\xe2"
		  "A\xac",
		  "\\xe2"
		  "A\\xac" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(sled_text_printable, span(cases[i][0]), cases[i][1]);
}

/* Whatever bytes come, what leaves holds none below 0x20, and no DEL. */
static void
test_printable_never_lets_a_control_through(void **state)
{
	struct sled_err err = { 0 };

	(void)state;
	for (unsigned i = 0; i < 0x10000; i++) {
		char in[2] = { (char)(i >> 8), (char)(i & 0xff) };
		struct sled_buf out = { 0 };

		assert_true(sled_text_printable(
		    &out, (struct sled_span){ in, 2 }, &err));
		for (size_t k = 0; k < out.len; k++)
			assert_true((unsigned char)out.data[k] >= 0x20 &&
			            out.data[k] != 0x7f);
		sled_buf_free(&out);
	}
}

static void
test_clip_fits_any_room_and_cuts_no_character(void **state)
{
	static const char in[] = "gr\xc3\xbc\xc3\x9f dich, \xe2\x82\xac\x1b!";
	char out[64];

	(void)state;
	sled_text_clip(out, sizeof(out), span(in));
	assert_string_equal(out, "gr\xc3\xbc\xc3\x9f dich, \xe2\x82\xac\\x1b!");
	for (size_t room = 0; room <= sizeof(out); room++) {
		memset(out, '#', sizeof(out));
		sled_text_clip(out, room, span(in));
		if (room < sizeof(out))
			assert_int_equal(out[room], '#');
		if (room == 0)
			continue;
		assert_true(strlen(out) < room);
		for (size_t i = 0; out[i] != '\0'; i++)
			if (((unsigned char)out[i] & 0xc0) == 0xc0)
				assert_true(
				    ((unsigned char)out[i + 1] & 0xc0) == 0x80);
	}
	sled_text_clip(out, 8, span("0123456789"));
	assert_string_equal(out, "0123...");
	sled_text_clip(out, 11, span("0123456789"));
	assert_string_equal(out, "0123456789");
	sled_text_clip(out, 10, span("0123456789"));
	assert_string_equal(out, "012345...");
	sled_text_clip(out, 7,
	               span("ab\xe2\x82\xac"
	                    "cdefgh"));
	assert_string_equal(out, "ab...");
}

static void
test_html_marks_up_nothing_and_turns_nothing_around(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "plain \xe2\x82\xac\t1\n", "plain \xe2\x82\xac\t1\n" },
		{ "<b a=\"1\" b='2'>&amp;",
		  "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;amp;" },
		{ "]]>", "]]&gt;" },
		{ "\r\x1b\x7f\xc2\x85", "\\x0d\\x1b\\x7f\\x85" },
		{ "\xe2\x80\xae"
		  "x\xe2\x81\xa6",
		  "\\u{202e}x\\u{2066}" },
		{ "\xe2\x80\x8d\xe2\x80\x8c",
		  "\xe2\x80\x8d\xe2\x80\x8c" },             /* ZWJ, ZWNJ */
		{ "\xef\xbf\xbe", "\xef\xbf\xbd" },         /* U+FFFE */
		{ "\xff<", "\xef\xbf\xbd&lt;" },            /* no UTF-8 */
		{ "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd" }, /* overlong < */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(sled_text_html, span(cases[i][0]), cases[i][1]);
	expect(sled_text_html, (struct sled_span){ "a\0b", 3 }, "a\\x00b");
}

static void
test_utf8_replaces_each_stray_byte(void **state)
{
	(void)state;
	expect(sled_text_utf8, span("a\xff\xc3\xbc\xe2\x82z"),
	       "a\xef\xbf\xbd\xc3\xbc\xef\xbf\xbd\xef\xbf\xbdz");
	expect(sled_text_utf8, span("\x1b\n"), "\x1b\n");
	expect(sled_text_utf8, span(""), "");
}

static void
test_percent_makes_one_word_of_anything(void **state)
{
	(void)state;
	expect(sled_text_percent, span(""), "-");
	expect(sled_text_percent, span("-"), "%2D");
	expect(sled_text_percent, span("--"), "--");
	expect(sled_text_percent, span("a b%\t\xff~!"), "a%20b%25%09%FF~!");
	expect(sled_text_percent, (struct sled_span){ "\0", 1 }, "%00");
}

static void
test_percent_comes_back_exactly(void **state)
{
	struct sled_err err = { 0 };

	(void)state;
	for (unsigned i = 0; i < 0x10000; i++) {
		char in[2] = { (char)(i & 0xff), (char)(i >> 8) };
		size_t len = i < 0x100 ? 1 : 2;
		struct sled_buf word = { 0 }, back = { 0 };

		assert_true(sled_text_percent(
		    &word, (struct sled_span){ in, len }, &err));
		for (size_t k = 0; k < word.len; k++)
			assert_true(word.data[k] > 0x20 && word.data[k] < 0x7f);
		assert_true(
		    sled_text_unpercent(&back, sled_buf_span(&word), &err));
		assert_int_equal(back.len, len);
		assert_memory_equal(back.data, in, len);
		sled_buf_free(&word);
		sled_buf_free(&back);
	}
	expect(sled_text_unpercent, span("-"), "");
	expect(sled_text_unpercent, span("%2d"), "-");
}

static void
test_unpercent_refuses_what_is_no_field(void **state)
{
	static const char *const bad[] = { "",         "%",   "%4",  "%4g",
		                           "%g4",      "a b", "a\t", "\x7f",
		                           "\xc3\xbc", "x%" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sled_buf out = { 0 };
		struct sled_err err = { 0 };

		assert_false(sled_text_unpercent(&out, span(bad[i]), &err));
		assert_int_equal(err.kind, SLED_ERR_USAGE);
		sled_buf_free(&out);
	}
}

static void
test_hex_goes_and_comes_back(void **state)
{
	static const uint8_t bytes[] = { 0, 1, 0x7f, 0x80, 0xab, 0xff };
	char hex[2 * sizeof(bytes) + 1];
	uint8_t back[sizeof(bytes)];

	(void)state;
	sled_text_hex(hex, bytes, sizeof(bytes));
	assert_string_equal(hex, "00017f80abff");
	assert_true(sled_text_unhex(back, hex, sizeof(back)));
	assert_memory_equal(back, bytes, sizeof(back));
	assert_true(sled_text_unhex(back, "ABCDEF", 3));
	assert_false(sled_text_unhex(back, "0g", 1));
	assert_false(sled_text_unhex(back, "g0", 1));
	assert_false(sled_text_unhex(back, "00", 2)); /* ends at its NUL */
}

/* RFC 4648, section 10. */
static void
test_base64_matches_the_rfc(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xfe", "+//+" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect(sled_text_base64, span(cases[i][0]), cases[i][1]);
	expect(sled_text_base64, (struct sled_span){ "\0ada\0pw", 7 },
	       "AGFkYQBwdw==");
}

static void
test_u64_takes_digits_up_to_its_limit(void **state)
{
	static const char *const bad[] = {
		"",
		"-1",
		"+1",
		" 1",
		"1 ",
		"0x1",
		"1.0",
		"\xb2",
		"18446744073709551616",
		"18446744073709551620",
		"99999999999999999999",
		"184467440737095516150",
	};
	uint64_t value = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sled_text_u64(span(bad[i]), &value));
	assert_false(sled_text_u64((struct sled_span){ "1\0", 2 }, &value));
	assert_int_equal(value, 7);
	assert_true(sled_text_u64(span("0"), &value));
	assert_int_equal(value, 0);
	assert_true(sled_text_u64(span("000123"), &value));
	assert_int_equal(value, 123);
	assert_true(sled_text_u64(span("18446744073709551615"), &value));
	assert_true(value == UINT64_MAX);
}

static void
test_times_have_two_forms_and_parse_back(void **state)
{
	static const int64_t times[] = { 0, 951782400, 1793491199, 1793491200,
		                         4102444800 };
	char text[SLED_TIME_TEXT];
	int64_t back = 0;

	(void)state;
	sled_clock_rfc3339(1795445431, text);
	assert_string_equal(text, "2026-11-23T14:50:31Z");
	sled_clock_compact(1795445431, text);
	assert_string_equal(text, "20261123T145031Z");
	assert_int_equal(sled_clock_month(1795445431), 12 * 2026 + 10);
	assert_int_equal(sled_clock_month(1793491199), 12 * 2026 + 9);
	assert_int_equal(sled_clock_month(0), 12 * 1970);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		sled_clock_rfc3339(times[i], text);
		assert_true(sled_clock_parse(text, &back));
		assert_true(back == times[i]);
	}
	sled_clock_rfc3339(INT64_MAX, text);
	assert_string_equal(text, "-");
	sled_clock_compact(INT64_MAX, text);
	assert_string_equal(text, "-");
	assert_int_equal(sled_clock_month(INT64_MAX), 0);
	assert_int_equal(sled_clock_month(67767976233532799), 0);
}

static void
test_times_of_any_other_form_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"2026-11-23",
		"2026-11-23 14:50:31Z",
		"2026-11-23T14:50:31",
		"2026-11-23T14:50:31+00:00",
		"2026-11-23T14:50:31Zx",
		" 2026-11-23T14:50:31Z",
		"2026-1-3T14:50:31Z",
		"2026-02-31T14:50:31Z",
		"2026-11-23T24:50:31Z",
		"2026-11-23T14:50:61Z",
		"2026-11-23T14:50:60Z",
	};
	int64_t when = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(sled_clock_parse(bad[i], &when));
	assert_int_equal(when, 7);
}

static void
test_a_clock_before_the_build_is_doubtful(void **state)
{
	(void)state;
	assert_true(sled_clock_doubtful(0));
	assert_true(sled_clock_doubtful(1793491199));
	assert_false(sled_clock_doubtful(1793491200));
	assert_true(sled_clock_ms() <= sled_clock_ms());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_printable_keeps_text_and_escapes_what_acts),
		cmocka_unit_test(
		    test_printable_escapes_each_byte_that_is_no_utf8),
		cmocka_unit_test(test_printable_never_lets_a_control_through),
		cmocka_unit_test(test_clip_fits_any_room_and_cuts_no_character),
		cmocka_unit_test(
		    test_html_marks_up_nothing_and_turns_nothing_around),
		cmocka_unit_test(test_utf8_replaces_each_stray_byte),
		cmocka_unit_test(test_percent_makes_one_word_of_anything),
		cmocka_unit_test(test_percent_comes_back_exactly),
		cmocka_unit_test(test_unpercent_refuses_what_is_no_field),
		cmocka_unit_test(test_hex_goes_and_comes_back),
		cmocka_unit_test(test_base64_matches_the_rfc),
		cmocka_unit_test(test_u64_takes_digits_up_to_its_limit),
		cmocka_unit_test(test_times_have_two_forms_and_parse_back),
		cmocka_unit_test(test_times_of_any_other_form_are_refused),
		cmocka_unit_test(test_a_clock_before_the_build_is_doubtful),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
