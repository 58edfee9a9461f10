/* What json.h promises: one valid line, whatever the bytes were. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/json.h"

#define SPAN(s) ((struct sled_span){ s, sizeof(s) - 1 })

static char *
print(struct sled_json *json)
{
	struct sled_err err = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	assert_true(sled_json_print(&json, out, &err));
	assert_null(json);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), len);
	assert_ptr_equal(strchr(text, '\n'), text + len - 1);
	return text;
}

static struct sled_json *
begin(void)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };

	assert_true(sled_json_new(&json, &err));
	return json;
}

static void
members_stand_in_the_order_they_were_put(void **state)
{
	struct sled_json *json = begin();
	char *text;

	(void)state;
	sled_json_text(json, "z", "one");
	sled_json_u64(json, "a", 7);
	sled_json_i64(json, "m", INT64_MIN);
	sled_json_bool(json, "yes", true);
	sled_json_text(json, "none", NULL);
	sled_json_real(json, "s", 0.5);
	text = print(json);
	assert_string_equal(text, "{\"z\":\"one\",\"a\":7,"
	                          "\"m\":-9223372036854775808,\"yes\":true,"
	                          "\"none\":null,\"s\":0.5}\n");
	free(text);
}

static void
every_byte_gives_valid_utf8_without_controls(void **state)
{
	(void)state;
	for (int first = 0; first < 256; first++) {
		struct sled_json *json = begin();
		char bytes[] = { (char)first, 'a', (char)0xc3, (char)0xa9,
			         (char)first };
		char *text;
		json_t *back;

		sled_json_span(json, "s",
		               (struct sled_span){ bytes, sizeof(bytes) });
		text = print(json);
		back = json_loads(text, JSON_ALLOW_NUL, NULL);
		assert_non_null(back);
		if (first < 0x80)
			assert_memory_equal(
			    json_string_value(json_object_get(back, "s")),
			    bytes, sizeof(bytes));
		for (const char *p = text; p[1] != '\0'; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
		json_decref(back);
		free(text);
	}
}

static void
what_a_terminal_acts_on_is_escaped(void **state)
{
	struct sled_json *json = begin();
	char *text;

	(void)state;
	sled_json_span(json, "s",
	               SPAN("\xc2\x9b"
	                    "31m\xe2\x80\xae\xe2\x80\xa8\xf3\xa0\x80\x81\x7f"));
	sled_json_span(json, "t", SPAN("\xd0\x9c\xe2\x82\xac"));
	text = print(json);
	assert_string_equal(text, "{\"s\":\"\\u009b31m\\u202e\\u2028"
	                          "\\udb40\\udc01\\u007f\",\"t\":"
	                          "\"\xd0\x9c\xe2\x82\xac\"}\n");
	free(text);
}

static void
large_numbers_stay_numbers(void **state)
{
	struct sled_json *json = begin();
	char *text;
	json_t *back;

	(void)state;
	sled_json_u64(json, "most", INT64_MAX);
	sled_json_u64(json, "more", UINT64_MAX);
	text = print(json);
	assert_non_null(strstr(text, "\"most\":9223372036854775807"));
	back = json_loads(text, 0, NULL);
	assert_non_null(back);
	assert_true(json_is_number(json_object_get(back, "more")));
	json_decref(back);
	free(text);
}

static void
what_another_printed_is_read(void **state)
{
	struct sled_json *json = NULL;
	struct sled_err err = { 0 };
	uint64_t number = 1;

	(void)state;
	assert_true(sled_json_read(
	    &json, SPAN("{\"a\":\"one\",\"n\":7,\"m\":-1,\"r\":0.5,"
	                "\"list\":[{}],\"none\":null}\n"),
	    &err));
	assert_string_equal(sled_json_get_text(json, "a"), "one");
	assert_null(sled_json_get_text(json, "n"));
	assert_null(sled_json_get_text(json, "none"));
	assert_null(sled_json_get_text(json, "away"));
	assert_true(sled_json_get_u64(json, "n", &number));
	assert_int_equal(number, 7);
	assert_false(sled_json_get_u64(json, "m", &number));
	assert_int_equal(number, 0);
	assert_false(sled_json_get_u64(json, "r", &number));
	assert_false(sled_json_get_u64(json, "a", &number));
	sled_json_free(&json);
}

static void
what_is_no_object_is_refused(void **state)
{
	static const char *const bad[] = { "", "{", "[]", "7", "{} {}",
		                           "{\"a\":1,\"a\":2}",
		                           "{\"a\":\"\xff\"}" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct sled_json *json = NULL;
		struct sled_err err = { 0 };

		assert_false(sled_json_read(
		    &json, (struct sled_span){ bad[i], strlen(bad[i]) }, &err));
		assert_int_equal(err.kind, SLED_ERR_PROTO);
		assert_null(json);
	}
}

static void
a_failed_stream_is_told(void **state)
{
	struct sled_json *json = begin();
	struct sled_err err = { 0 };
	FILE *out = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(out);
	(void)setvbuf(out, NULL, _IONBF, 0);
	assert_false(sled_json_print(&json, out, &err));
	assert_int_equal(err.kind, SLED_ERR_IO);
	assert_null(json);
	(void)fclose(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_stand_in_the_order_they_were_put),
		cmocka_unit_test(every_byte_gives_valid_utf8_without_controls),
		cmocka_unit_test(what_a_terminal_acts_on_is_escaped),
		cmocka_unit_test(large_numbers_stay_numbers),
		cmocka_unit_test(what_another_printed_is_read),
		cmocka_unit_test(what_is_no_object_is_refused),
		cmocka_unit_test(a_failed_stream_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
