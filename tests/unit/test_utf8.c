#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_width_of_each_length(void **state)
{
	(void)state;
	assert_int_equal(utf8_width("a", 1), 1);
	assert_int_equal(utf8_width("\0", 1), 1);
	assert_int_equal(utf8_width("\xc3\xa4", 2), 2);
	assert_int_equal(utf8_width("\xe2\x82\xac", 3), 3);
	assert_int_equal(utf8_width("\xf0\x9f\x93\xac", 4), 4);
}

static void test_what_is_no_character(void **state)
{
	static const char *const bad[] = {
		"\x80",             /* a tail alone */
		"\xc3",             /* cut off */
		"\xe2\x82",         /* cut off */
		"\xf0\x9f\x93",     /* cut off */
		"\xc0\xaf",         /* overlong / */
		"\xc1\xbf",         /* overlong */
		"\xe0\x9f\xbf",     /* overlong */
		"\xf0\x8f\xbf\xbf", /* overlong */
		"\xed\xa0\x80",     /* a surrogate */
		"\xf4\x90\x80\x80", /* past U+10FFFF */
		"\xf5\x80\x80\x80",
		"\xff",
		"\xc3(",
		"\xe2\x82(",
		"\xf0\x9f\x93(",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(utf8_width(bad[i], strlen(bad[i])), 0);
	assert_int_equal(utf8_width("", 0), 0);
}

static void test_the_limits_are_characters(void **state)
{
	static const char *const good[] = {"\x7f",         "\xc2\x80",         "\xdf\xbf",
	                                   "\xe0\xa0\x80", "\xed\x9f\xbf",     "\xee\x80\x80",
	                                   "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(utf8_width(good[i], strlen(good[i])), strlen(good[i]));
		assert_true(utf8_valid(good[i], strlen(good[i])));
	}
}

static void test_valid_looks_at_all_of_it(void **state)
{
	(void)state;
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("Gr\xc3\xbc\xc3\x9f", 6));
	assert_false(utf8_valid("Gr\xc3\xbc\xc3", 5));
	assert_false(utf8_valid("abc\xff", 4));
}

static void test_cut_keeps_characters_whole(void **state)
{
	static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xac!"; /* 1 2 3 4 1 */
	static const size_t cuts[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};

	(void)state;
	for (size_t max = 0; max < sizeof(cuts) / sizeof(cuts[0]); max++)
		assert_int_equal(utf8_cut(text, strlen(text), max), cuts[max]);
}

static void test_cut_of_what_is_not_utf8_cuts_anywhere(void **state)
{
	(void)state;
	assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_width_of_each_length),
		cmocka_unit_test(test_what_is_no_character),
		cmocka_unit_test(test_the_limits_are_characters),
		cmocka_unit_test(test_valid_looks_at_all_of_it),
		cmocka_unit_test(test_cut_keeps_characters_whole),
		cmocka_unit_test(test_cut_of_what_is_not_utf8_cuts_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
