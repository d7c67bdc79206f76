/* requeue.lua: dead letters, tried again or dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

#define KEYS JOBS " " DELAYED " " CLAIMS " " DEAD

static void dead_letter(struct rig *r, const char *id, const char *count)
{
	redis_server_do(rig_server(r), "HSET " JOBS " %s payload-of-%s", id, id);
	redis_server_do(rig_server(r), "ZADD " DEAD " 1764000000000 %s", id);
	if (count)
		redis_server_do(rig_server(r), "HSET " CLAIMS " %s %s", id, count);
}

/* The id stays (a new one would make the job its own duplicate), and the claim count, which fences
 * old claims; adoptions begin anew, or poison would be poison again at once. */
static void test_a_retried_job_is_due_now(void **state)
{
	static const struct {
		const char *before, *after;
	} counts[] = {{NULL, "nil"}, {"1", "1"}, {"3", "3"}, {"5:4", "5"}, {"12:34", "12"}};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct rig *r = rig_begin(state);
		dead_letter(r, "a", counts[i].before);
		dead_letter(r, "other", "7:2");
		long long from = rig_now(r);
		rig_expect_twice(r, "1", "0", SCRIPT_REQUEUE, KEYS, "retry a");
		rig_sees(r, "other", "ZRANGE " DEAD " 0 -1");
		rig_sees(r, "a", "ZRANGE " DELAYED " 0 -1");
		rig_sees(r, "1", "ZCOUNT " DELAYED " %lld %lld", from, (long long)rig_now(r));
		rig_sees(r, "payload-of-a", "HGET " JOBS " a");
		rig_sees(r, counts[i].after, "HGET " CLAIMS " a");
		rig_sees(r, "7:2", "HGET " CLAIMS " other");
	}
}

static void test_a_dropped_job_is_gone(void **state)
{
	struct rig *r = rig_begin(state);

	dead_letter(r, "a", "5:4");
	dead_letter(r, "other", "7");
	rig_expect_twice(r, "1", "0", SCRIPT_REQUEUE, KEYS, "drop a");
	rig_sees(r, "other", "ZRANGE " DEAD " 0 -1");
	rig_sees(r, "other", "HKEYS " JOBS);
	rig_sees(r, "other", "HKEYS " CLAIMS);
	rig_sees(r, "0", "EXISTS " DELAYED);
}

/* Above all not: a job that is in flight or waits, of which somebody has remembered the id. */
static void test_only_what_is_dead_is_touched(void **state)
{
	struct rig *r = rig_begin(state);
	static const char *const actions[] = {"retry", "drop"};

	redis_server_do(rig_server(r), "HSET " JOBS " flying x waiting y");
	redis_server_do(rig_server(r), "HSET " CLAIMS " flying 2:1 waiting 3:1");
	redis_server_do(rig_server(r), "ZADD " LEASES " 9e12 flying");
	redis_server_do(rig_server(r), "ZADD " DELAYED " 9e12 waiting");
	for (size_t i = 0; i < 2; i++) {
		char *before = rig_state(r);
		rig_expect(r, "0 0 0", SCRIPT_REQUEUE, KEYS, "%s flying waiting nobody",
		           actions[i]);
		char *after = rig_state(r);
		assert_string_equal(after, before);
		free(before);
		free(after);
	}
}

static void test_a_batch_is_answered_one_by_one(void **state)
{
	struct rig *r = rig_begin(state);

	dead_letter(r, "a", NULL);
	dead_letter(r, "b", "2");
	rig_expect_twice(r, "1 0 1 0", "0 0 0 0", SCRIPT_REQUEUE, KEYS, "retry a nobody b a");
	rig_sees(r, "2", "ZCARD " DELAYED);
	rig_expect(r, "", SCRIPT_REQUEUE, KEYS, "retry");
}

static void test_full_memory_does_not_stop_it(void **state)
{
	struct rig *r = rig_begin(state);

	dead_letter(r, "a", "5:4");
	dead_letter(r, "b", NULL);
	rig_fill_memory(r, true);
	rig_expect(r, "1", SCRIPT_REQUEUE, KEYS, "retry a");
	rig_expect(r, "1", SCRIPT_REQUEUE, KEYS, "drop b");
	rig_fill_memory(r, false);
	rig_sees(r, "a", "ZRANGE " DELAYED " 0 -1");
	rig_sees(r, "a", "HKEYS " JOBS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_retried_job_is_due_now),
		cmocka_unit_test(test_a_dropped_job_is_gone),
		cmocka_unit_test(test_only_what_is_dead_is_touched),
		cmocka_unit_test(test_a_batch_is_answered_one_by_one),
		cmocka_unit_test(test_full_memory_does_not_stop_it),
	};
	return cmocka_run_group_tests_name("requeue.lua", tests, rig_setup_standalone,
	                                   rig_teardown) +
	       cmocka_run_group_tests_name("requeue.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}
