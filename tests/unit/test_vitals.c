#include "base/vitals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

static void test_of_this_process(void **state)
{
	struct vitals before, after;
	int fd;

	(void)state;
	vitals_read(&before);
	assert_true(before.resident > 0);
	assert_true(before.virtual >= before.resident);
	assert_true(before.open_fds >= 3);
	assert_true(before.max_fds >= before.open_fds);
	/* It began before now, and after 2020. */
	assert_true(before.started_at <= (double)clock_wall_ms() / 1000 + 1);
	assert_true(before.started_at > 1577836800);
	fd = dup(0);
	assert_true(fd >= 0);
	vitals_read(&after);
	close(fd);
	assert_int_equal(after.open_fds, before.open_fds + 1);
	assert_true(after.cpu_s >= before.cpu_s);
	assert_float_equal(after.started_at, before.started_at, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_of_this_process)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
