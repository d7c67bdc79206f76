/* limit.lua: the token bucket of an API client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

#define K "mail:limit:client:x"
#define HOUR                                                                                       \
	INT64_C(3600000000) /* in which one token comes back, µs: none does while a test runs */

static void test_a_bucket_is_emptied(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "2 3600000 0", SCRIPT_LIMIT, K, "%lld 3  1", (long long)HOUR);
	char *answer = rig_call(r, SCRIPT_LIMIT, K, "%lld 3  1 1 1", (long long)HOUR);
	/* two have their tokens; the third waits for one */
	long left, more, first, second, third;
	assert_int_equal(
		sscanf(answer, "%ld %ld %ld %ld %ld", &left, &more, &first, &second, &third), 5);
	assert_int_equal(left, 0);
	assert_in_range(more, 3590000, 3600000);
	assert_int_equal(first, 0);
	assert_int_equal(second, 0);
	assert_in_range(third, 3590000, 3600000);
	free(answer);
	assert_in_range(redis_server_int(rig_server(r), "PTTL " K), 3 * 3590000,
	                3 * 3600000 + 1000);
}

/* A request that does not fit takes nothing, and a smaller one behind it goes. */
static void test_what_does_not_fit_takes_nothing(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "1 3600000 0 -1", SCRIPT_LIMIT, K, "%lld 3  2 4", (long long)HOUR);
	char *answer = rig_call(r, SCRIPT_LIMIT, K, "%lld 3  2 1", (long long)HOUR);
	assert_int_equal(strncmp(answer, "0 ", 2), 0);
	assert_string_equal(strrchr(answer, ' '), " 0");
	free(answer);
}

static void test_nothing_is_written_for_nothing(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect(r, "3 0 -1", SCRIPT_LIMIT, K, "%lld 3  4", (long long)HOUR);
	rig_sees(r, "0", "EXISTS " K);
}

/* Redis's clock has stepped back by days: nobody waits longer than a bucket takes to fill. */
static void test_a_time_far_ahead_is_not_believed(void **state)
{
	struct rig *r = rig_begin(state);

	redis_server_do(rig_server(r), "HSET " K " tat 99999999999999999");
	char *answer = rig_call(r, SCRIPT_LIMIT, K, "%lld 3  1", (long long)HOUR);
	assert_string_equal(answer, "0 3600000 3600000");
	free(answer);
	redis_server_do(rig_server(r), "HSET " K " tat 5");
	rig_expect(r, "2 3600000 0", SCRIPT_LIMIT, K, "%lld 3  1", (long long)HOUR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_bucket_is_emptied),
		cmocka_unit_test(test_what_does_not_fit_takes_nothing),
		cmocka_unit_test(test_nothing_is_written_for_nothing),
		cmocka_unit_test(test_a_time_far_ahead_is_not_believed),
	};
	return cmocka_run_group_tests_name("limit.lua", tests, rig_setup_standalone, rig_teardown) +
	       cmocka_run_group_tests_name("limit.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}
