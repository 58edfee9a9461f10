/* test_serve_page.c - what is foreign is escaped; what is asked for is told. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "cli/read_room.h"

static void
foreign_text_is_escaped_and_ours_is_not(void **state)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };
	struct sled_page page = { &out, &err, false };

	(void)state;
	sled_page_add(&page, "<b>%s</b>%s", "<i>&\"'", (const char *)NULL);
	sled_page_add(&page, "%d %u %zu %%", -7, 8u, (size_t)9);
	sled_page_add(&page, " %ld %llu", LONG_MIN, 18446744073709551615ull);
	sled_page_text(&page, (struct sled_span){ "\xe2\x80\xae<\x1b\xff", 6 });
	sled_page_markup(&page, (struct sled_span){ "<hr>", 4 });
	assert_true(sled_page_ok(&page, true));
	assert_string_equal(
	    out.data, "<b>&lt;i&gt;&amp;&quot;&#39;</b>-7 8 9 % "
		      "-9223372036854775808 18446744073709551615"
		      "\\u{202e}&lt;\\x1b\xef\xbf\xbd<hr>");
	sled_buf_free(&out);
}

static void
after_a_failure_nothing_is_added(void **state)
{
	struct sled_buf out = { 0 };
	struct sled_err err = { 0 };
	struct sled_page page = { &out, &err, false };

	(void)state;
	sled_page_add(&page, "a");
	assert_false(sled_page_ok(&page, false));
	sled_page_add(&page, "b%s", "c");
	assert_false(sled_page_ok(&page, true));
	assert_int_equal(out.len, 1);
	sled_buf_free(&out);
}

static void
addresses_of_messages_are_read(void **state)
{
	static const struct {
		const char *path, *id;
		enum sled_room_part part;
		size_t file;
	} good[] = {
		{ "home/17", "home/17", SLED_ROOM_WHOLE, 0 },
		{ "home/17/html", "home/17", SLED_ROOM_HTML, 0 },
		{ "home/17/raw", "home/17", SLED_ROOM_RAW, 0 },
		{ "home/17/part/3", "home/17", SLED_ROOM_FILE, 2 },
		{ "3f9a0c51d2e8", "3f9a0c51d2e8", SLED_ROOM_WHOLE, 0 },
		{ "3f9a0c51d2e8/raw", "3f9a0c51d2e8", SLED_ROOM_RAW, 0 },
	};
	static const char *const bad[] = {
		"",           "/",           "home/17/",     "home/17/x",
		"home/17/part/", "home/17/part/0", "home/17/part/x",
		"home/17/part/1/2", "/17",     "home/17html",  "home//17",
		"home/17/part/99999999999999999999",
	};
	struct sled_room_at at;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_true(sled_room_at(good[i].path, &at));
		assert_string_equal(at.id, good[i].id);
		assert_int_equal(at.part, good[i].part);
		assert_int_equal(at.file, good[i].file);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (sled_room_at(bad[i], &at))
			fail_msg("taken: %s", bad[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_text_is_escaped_and_ours_is_not),
		cmocka_unit_test(after_a_failure_nothing_is_added),
		cmocka_unit_test(addresses_of_messages_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
