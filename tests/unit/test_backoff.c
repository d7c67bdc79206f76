#include "fleet/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The longest and the shortest wait that any random number gives for one try. */
static void range(int64_t tries, int64_t base, int64_t max, int64_t *low, int64_t *high)
{
	*low = INT64_MAX;
	*high = -1;
	for (uint64_t r = 0; r < 5000; r++) {
		int64_t d = backoff_delay(tries, base, max, r);
		*low = d < *low ? d : *low;
		*high = d > *high ? d : *high;
	}
}

static void test_doubles_up_to_the_maximum_with_full_jitter(void **state)
{
	static const struct {
		int64_t tries, high;
	} rows[] = {{1, 100}, {2, 200}, {3, 400}, {4, 800}, {5, 1000}, {6, 1000}, {60, 1000}};
	int64_t low, high;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		range(rows[i].tries, 100, 1000, &low, &high);
		assert_int_equal(low, 0);
		assert_int_equal(high, rows[i].high);
	}
}

static void test_never_overflows(void **state)
{
	(void)state;
	for (int64_t tries = 1; tries < 200; tries++) {
		int64_t d = backoff_delay(tries, 3600000, 86400000, UINT64_MAX);
		assert_true(d >= 0 && d <= 86400000);
		d = backoff_delay(tries, 1, INT64_MAX / 2, UINT64_MAX - 7);
		assert_true(d >= 0);
	}
}

static void test_a_base_over_the_maximum_is_the_maximum(void **state)
{
	int64_t low, high;

	(void)state;
	range(1, 1000, 10, &low, &high);
	assert_int_equal(high, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubles_up_to_the_maximum_with_full_jitter),
		cmocka_unit_test(test_never_overflows),
		cmocka_unit_test(test_a_base_over_the_maximum_is_the_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
