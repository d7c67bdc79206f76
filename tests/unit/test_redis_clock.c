#include "fleet/redis_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"

#define NOW INT64_C(1795514400000)
#define YEAR_US (INT64_C(365) * 86400 * 1000000)

static int64_t boot_ns = INT64_C(5000000000);

static int64_t frozen(int clock_id)
{
	(void)clock_id;
	return boot_ns;
}

static int freeze(void **state)
{
	(void)state;
	clock_set_source(frozen);
	return 0;
}

static int thaw(void **state)
{
	(void)state;
	clock_set_source(NULL);
	return 0;
}

static void test_it_goes_on_by_our_boot_clock(void **state)
{
	struct redis_clock c = {0};

	(void)state;
	redis_clock_heard(&c, NOW);
	assert_int_equal(redis_clock_now(&c), NOW);
	boot_ns += 1500000000;
	assert_int_equal(redis_clock_now(&c), NOW + 1500);
	assert_int_equal(redis_clock_to_boot(&c, NOW + 2500), clock_boot_us() + 1000000);
	assert_int_equal(redis_clock_to_boot(&c, NOW), clock_boot_us() - 1500000);
}

/* A score that somebody else has written into a queue's zset must not make a time that overflows. */
static void test_what_no_clock_says(void **state)
{
	struct redis_clock c = {0};

	(void)state;
	redis_clock_heard(&c, NOW);
	redis_clock_heard(&c, -1);
	redis_clock_heard(&c, INT64_MAX);
	assert_int_equal(redis_clock_now(&c), NOW);
	assert_int_equal(redis_clock_to_boot(&c, INT64_MAX), clock_boot_us() + YEAR_US);
	assert_int_equal(redis_clock_to_boot(&c, INT64_MIN), clock_boot_us());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_it_goes_on_by_our_boot_clock, freeze, thaw),
		cmocka_unit_test_setup_teardown(test_what_no_clock_says, freeze, thaw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
