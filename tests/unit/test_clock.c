#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <time.h>

static int64_t three_clocks(int clock_id)
{
	switch (clock_id) {
	case CLOCK_REALTIME:
		return 1790000000123456789;
	case CLOCK_BOOTTIME:
		return 5000000999;
	case CLOCK_MONOTONIC:
		return 4000000999;
	}
	return -1;
}

static int reset_source(void **state)
{
	(void)state;
	clock_set_source(NULL);
	return 0;
}

static void test_each_function_reads_its_clock(void **state)
{
	(void)state;
	clock_set_source(three_clocks);
	assert_true(clock_wall_ms() == 1790000000123);
	assert_true(clock_boot_us() == 5000000);
	assert_true(clock_mono_us() == 4000000);
}

static void test_the_real_clocks_run(void **state)
{
	int64_t before, after;

	(void)state;
	clock_set_source(three_clocks);
	clock_set_source(NULL);
	assert_true(clock_wall_ms() / 1000 >= (int64_t)time(NULL) - 60);
	before = clock_mono_us();
	do {
		after = clock_mono_us();
	} while (after == before);
	assert_true(after > before);
	assert_true(clock_boot_us() >= before); /* it also counts suspended time */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_each_function_reads_its_clock, reset_source),
		cmocka_unit_test_teardown(test_the_real_clocks_run, reset_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
