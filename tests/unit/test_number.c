#include "base/number.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_int_takes_the_whole_range(void **state)
{
	int64_t n = 1;

	(void)state;
	assert_true(number_int("0", &n));
	assert_int_equal(n, 0);
	assert_true(number_int("-42", &n));
	assert_int_equal(n, -42);
	assert_true(number_int("9223372036854775807", &n));
	assert_true(n == INT64_MAX);
	assert_true(number_int("-9223372036854775808", &n));
	assert_true(n == INT64_MIN);
}

static void test_int_refuses_what_is_not_just_a_number(void **state)
{
	static const char *const bad[] = {"",
	                                  " 1",
	                                  "1 ",
	                                  "+1",
	                                  "-",
	                                  "--1",
	                                  "1e3",
	                                  "0x10",
	                                  "1.0",
	                                  "1\n",
	                                  "ten",
	                                  "9223372036854775808",
	                                  "-9223372036854775809"};
	int64_t n = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(number_int(bad[i], &n));
	assert_int_equal(n, 77);
}

static void test_double_is_the_nearest_double(void **state)
{
	double d;

	(void)state;
	assert_true(number_double("0.7", &d));
	assert_true(d == 0.7);
	assert_true(number_double("-3.25", &d));
	assert_true(d == -3.25);
	assert_true(number_double("12", &d));
	assert_true(d == 12);
	assert_true(number_double("0.000123456789012345", &d));
	assert_true(d == 0.000123456789012345);
	assert_true(number_double("999999999999999", &d));
	assert_true(d == 999999999999999.0);
}

static void test_double_refuses_what_is_not_just_a_number(void **state)
{
	static const char *const bad[] = {"",
	                                  ".5",
	                                  "5.",
	                                  "1,5",
	                                  "1e3",
	                                  "nan",
	                                  "inf",
	                                  "1.2.3",
	                                  " 1",
	                                  "0x1",
	                                  "-",
	                                  "1234567890123456",
	                                  "0.00000000000000000000001"};
	double d = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(number_double(bad[i], &d));
	assert_true(d == 77);
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"1500ms", 1500},  {"30s", 30000},    {"5m", 300000},
	            {"20h", 72000000}, {"2d", 172800000}, {"7", 7}};
	static const char *const bad[] = {"",   "s",    "-5s", "5 s",
	                                  "5S", "1.5s", "5sm", "9223372036854775807h"};
	int64_t ms = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(number_duration(bad[i], &ms));
	assert_int_equal(ms, 77);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(number_duration(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int_takes_the_whole_range),
		cmocka_unit_test(test_int_refuses_what_is_not_just_a_number),
		cmocka_unit_test(test_double_is_the_nearest_double),
		cmocka_unit_test(test_double_refuses_what_is_not_just_a_number),
		cmocka_unit_test(test_durations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
