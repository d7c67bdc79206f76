#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

static void test_empty_buffer_is_an_empty_string(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_string_equal(buf_str(&b), "");
	assert_null(b.data);
	assert_true(buf_ok(&b));
	buf_add(&b, NULL, 0);
	assert_true(buf_ok(&b));
	buf_free(&b);
}

static void test_additions_follow_each_other(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1000);
	buf_add_str(&b, "a");
	buf_add_char(&b, ':');
	buf_add_int(&b, INT64_MIN);
	buf_add(&b, "x\0y", 3);
	buf_addf(&b, "%s=%03d", "n", 7);
	assert_int_equal(b.len, 1 + 1 + 20 + 3 + 5);
	assert_memory_equal(buf_str(&b), "a:-9223372036854775808x\0yn=007", b.len + 1);
	buf_free(&b);
}

static void test_grows_over_many_steps(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100000);
	for (int i = 0; i < 100000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	assert_true(buf_ok(&b));
	assert_int_equal(b.len, 100000);
	assert_int_equal(strlen(buf_str(&b)), 100000);
	for (int i = 0; i < 100000; i++)
		assert_true(b.data[i] == (char)('a' + i % 26));
	assert_true(b.cap <= b.max + 1);
	buf_free(&b);
}

static void test_the_maximum_is_reached_but_not_passed(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	buf_add_str(&b, "12345");
	assert_true(buf_ok(&b));
	assert_string_equal(buf_str(&b), "12345");
	buf_add_char(&b, '6');
	assert_false(buf_ok(&b));
	assert_string_equal(buf_str(&b), "12345");
	buf_free(&b);
}

/* A series of additions is checked once: a later, shorter one must not hide the gap. */
static void test_failure_lasts_until_clear(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	buf_add_str(&b, "123");
	buf_addf(&b, "%s", "too long");
	buf_add_char(&b, '4');
	buf_add_json(&b, "", 0);
	assert_false(buf_ok(&b));
	assert_string_equal(buf_str(&b), "123");
	buf_clear(&b);
	assert_true(buf_ok(&b));
	buf_add_char(&b, '4');
	assert_string_equal(buf_str(&b), "4");
	buf_free(&b);
}

static void test_huge_additions_do_not_wrap_around(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, SIZE_MAX);
	buf_add_char(&b, 'a');
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_false(buf_ok(&b));
	buf_free(&b);
}

static void test_reserved_room_is_terminated_by_str(void **state)
{
	struct buf b;
	char *to;

	(void)state;
	buf_init(&b, 100);
	to = buf_reserve(&b, 80);
	assert_non_null(to);
	memset(to, 'x', 80);
	b.len += 80;
	assert_int_equal(strlen(buf_str(&b)), 80);
	assert_null(buf_reserve(&b, 21));
	buf_free(&b);
}

static void test_consume_drops_the_front(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	buf_consume(&b, 0);
	buf_add_str(&b, "hello world");
	buf_consume(&b, 6);
	assert_string_equal(buf_str(&b), "world");
	assert_int_equal(b.len, 5);
	buf_consume(&b, 5);
	assert_string_equal(buf_str(&b), "");
	buf_free(&b);
}

static void test_take_hands_over_and_leaves_an_empty_buffer(void **state)
{
	struct buf b;
	char *taken;

	(void)state;
	buf_init(&b, 100);
	buf_add_str(&b, "mine");
	taken = buf_take(&b);
	assert_string_equal(taken, "mine");
	assert_string_equal(buf_str(&b), "");
	assert_int_equal(b.max, 100);
	buf_add_str(&b, "other");
	assert_string_equal(taken, "mine");
	mem_free(taken);
	buf_free(&b);
	taken = buf_take(&b);
	assert_string_equal(taken, "");
	mem_free(taken);
}

static void assert_json(const char *text, size_t n, const char *json)
{
	struct buf b;

	buf_init(&b, 1000);
	buf_add_json(&b, text, n);
	assert_string_equal(buf_str(&b), json);
	buf_free(&b);
}

static void test_json_strings(void **state)
{
	(void)state;
	assert_json("", 0, "\"\"");
	assert_json("plain", 5, "\"plain\"");
	assert_json("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
	assert_json("\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"");
	assert_json("\0\x01\x1f\x7f", 4, "\"\xef\xbf\xbd\\u0001\\u001f\\u007f\"");
	assert_json("\xc3\xa4\xf0\x9f\x93\xac", 6, "\"\xc3\xa4\xf0\x9f\x93\xac\"");
	assert_json("a\xff"
	            "b\xc3",
	            4,
	            "\"a\xef\xbf\xbd"
	            "b\xef\xbf\xbd\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_buffer_is_an_empty_string),
		cmocka_unit_test(test_additions_follow_each_other),
		cmocka_unit_test(test_grows_over_many_steps),
		cmocka_unit_test(test_the_maximum_is_reached_but_not_passed),
		cmocka_unit_test(test_failure_lasts_until_clear),
		cmocka_unit_test(test_huge_additions_do_not_wrap_around),
		cmocka_unit_test(test_reserved_room_is_terminated_by_str),
		cmocka_unit_test(test_consume_drops_the_front),
		cmocka_unit_test(test_take_hands_over_and_leaves_an_empty_buffer),
		cmocka_unit_test(test_json_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
