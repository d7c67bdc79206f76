#include "fleet/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_a_bound_belongs_to_its_bucket(void **state)
{
	(void)state;
	assert_int_equal(histogram_bucket(0), 0);
	for (size_t i = 0; i < HISTOGRAM_BOUNDS; i++) {
		int64_t us = histogram_bounds_ms[i] * 1000;

		assert_int_equal(histogram_bucket(us), i);
		assert_int_equal(histogram_bucket(us + 1), i + 1);
	}
	assert_int_equal(histogram_bucket(INT64_MAX), HISTOGRAM_BOUNDS);
}

static void test_quantiles(void **state)
{
	int64_t slots[HISTOGRAM_SLOTS] = {0};

	(void)state;
	assert_true(histogram_quantile_ms(slots, 0.5) < 0);
	slots[HISTOGRAM_SUM] = 12345; /* is no count */
	assert_true(histogram_quantile_ms(slots, 0.5) < 0);
	slots[2] = 10; /* 10 to 25 ms */
	assert_float_equal(histogram_quantile_ms(slots, 0.0), 10, 1e-9);
	assert_float_equal(histogram_quantile_ms(slots, 0.5), 17.5, 1e-9);
	assert_float_equal(histogram_quantile_ms(slots, 1.0), 25, 1e-9);
	slots[0] = 30; /* up to 5 ms */
	assert_int_equal(histogram_count(slots), 40);
	assert_float_equal(histogram_quantile_ms(slots, 0.75), 5, 1e-9);
	assert_float_equal(histogram_quantile_ms(slots, 0.375), 2.5, 1e-9);
	assert_float_equal(histogram_quantile_ms(slots, 0.875), 17.5, 1e-9);
	slots[HISTOGRAM_BUCKETS - 1] = 60; /* past the last bound: that much at least */
	assert_float_equal(histogram_quantile_ms(slots, 0.99), 3600000, 1e-9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bound_belongs_to_its_bucket),
		cmocka_unit_test(test_quantiles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
