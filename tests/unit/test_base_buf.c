/* test_base_buf.c - growable bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mailsled/buf.h"

static void
test_added_bytes_stay_in_order_and_ended_by_a_nul(void **state)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		char byte = (char)(i * 7);

		assert_true(sled_buf_add(&buf, &byte, 1, &err));
		assert_int_equal(buf.len, i + 1);
		assert_int_equal(buf.data[buf.len], 0);
	}
	for (unsigned i = 0; i < 5000; i++)
		assert_int_equal(buf.data[i], (char)(i * 7));
	sled_buf_free(&buf);
	assert_null(buf.data);
	assert_int_equal(buf.len + buf.cap, 0);
}

static void
test_text_and_format_are_added_behind(void **state)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };
	char big[500];

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_true(sled_buf_addstr(&buf, "", &err));
	assert_string_equal(buf.data, "");
	assert_true(sled_buf_addstr(&buf, "ab", &err));
	assert_true(sled_buf_printf(&buf, &err, "%d-%s", 42, "c"));
	assert_string_equal(buf.data, "ab42-c");
	assert_true(sled_buf_printf(&buf, &err, "%s", big));
	assert_int_equal(buf.len, 6 + strlen(big));
	assert_string_equal(buf.data + 6, big);
	assert_int_equal(sled_buf_span(&buf).len, buf.len);
	sled_buf_free(&buf);
}

static void
test_shift_drops_the_front_only(void **state)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	sled_buf_shift(&buf, 3);
	assert_true(sled_buf_addstr(&buf, "abcdef", &err));
	sled_buf_shift(&buf, 0);
	sled_buf_shift(&buf, 2);
	assert_string_equal(buf.data, "cdef");
	assert_int_equal(buf.len, 4);
	sled_buf_shift(&buf, 99);
	assert_int_equal(buf.len, 0);
	assert_string_equal(buf.data, "");
	sled_buf_free(&buf);
}

static void
test_reserved_room_is_there_without_moving(void **state)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };
	char *at;

	(void)state;
	assert_true(sled_buf_reserve(&buf, 10000, &err));
	at = buf.data;
	for (unsigned i = 0; i < 10000; i++)
		assert_true(sled_buf_add(&buf, "x", 1, &err));
	assert_ptr_equal(at, buf.data);
	sled_buf_free(&buf);
}

static void
test_a_length_beyond_memory_fails_and_changes_nothing(void **state)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	assert_true(sled_buf_addstr(&buf, "kept", &err));
	assert_false(sled_buf_reserve(&buf, SIZE_MAX - 2, &err));
	assert_int_equal(err.kind, SLED_ERR_NOMEM);
	assert_false(sled_buf_reserve(&buf, SIZE_MAX / 4, &err));
	assert_string_equal(buf.data, "kept");
	assert_int_equal(buf.len, 4);
	sled_buf_free(&buf);
}

static void
test_wipe_leaves_an_empty_buffer(void **state)
{
	struct sled_buf buf = { 0 };
	struct sled_err err = { 0 };

	(void)state;
	sled_buf_wipe(&buf);
	assert_true(sled_buf_addstr(&buf, "secret", &err));
	sled_buf_wipe(&buf);
	assert_null(buf.data);
	assert_int_equal(buf.len + buf.cap, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_added_bytes_stay_in_order_and_ended_by_a_nul),
		cmocka_unit_test(test_text_and_format_are_added_behind),
		cmocka_unit_test(test_shift_drops_the_front_only),
		cmocka_unit_test(test_reserved_room_is_there_without_moving),
		cmocka_unit_test(
		    test_a_length_beyond_memory_fails_and_changes_nothing),
		cmocka_unit_test(test_wipe_leaves_an_empty_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
