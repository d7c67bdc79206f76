/* sweep.lua: the housekeeping of a queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

#define KEYS JOBS " " LEASES " " DELAYED " " CLAIMS " " DEAD
#define KEEP 100000000
#define LEASE 30000

static void job(struct rig *r, const char *zset, const char *id, int64_t ms)
{
	redis_server_do(rig_server(r), "HSET " JOBS " %s payload-of-%s", id, id);
	redis_server_do(rig_server(r), "HSET " CLAIMS " %s 2", id);
	if (zset)
		redis_server_do(rig_server(r), "ZADD %s %lld %s", zset,
		                (long long)(rig_now(r) + ms), id);
}

/* FAULTS 7: in jobs with neither lease, nor delay, nor death. */
static void test_an_orphan_is_adopted(void **state)
{
	struct rig *r = rig_begin(state);

	job(r, NULL, "orphan", 0);
	job(r, LEASES, "flying", 20000);
	job(r, LEASES, "expired", -20000); /* claim.lua's business */
	job(r, DELAYED, "waiting", 20000);
	job(r, DEAD, "dead", 0);
	long long from = rig_now(r);
	rig_expect_twice(r, "1 0", "0 0", SCRIPT_SWEEP, KEYS, "%d %d 100", KEEP, LEASE);
	rig_sees(r, "orphan waiting", "ZRANGE " DELAYED " 0 -1");
	rig_sees(r, "1", "ZCOUNT " DELAYED " %lld %lld", from, (long long)rig_now(r));
	rig_sees(r, "2", "HGET " CLAIMS " orphan");
	rig_sees(r, "5", "HLEN " JOBS);
	rig_sees(r, "2", "ZCARD " LEASES);
	rig_sees(r, "1", "ZCARD " DEAD);
}

static void test_old_dead_letters_are_trimmed(void **state)
{
	struct rig *r = rig_begin(state);

	job(r, DEAD, "ancient", -2 * (int64_t)KEEP);
	job(r, DEAD, "old", -KEEP - 1);
	job(r, DEAD, "recent", -KEEP + 600000);
	job(r, DELAYED, "waiting", -2 * (int64_t)KEEP);
	job(r, LEASES, "flying", -2 * (int64_t)KEEP);
	rig_expect_twice(r, "0 2", "0 0", SCRIPT_SWEEP, KEYS, "%d %d 100", KEEP, LEASE);
	rig_sees(r, "recent", "ZRANGE " DEAD " 0 -1");
	static const char *const hashes[] = {JOBS, CLAIMS};
	for (size_t i = 0; i < 2; i++) {
		rig_sees(r, "3", "HLEN %s", hashes[i]);
		rig_sees(r, "0", "HEXISTS %s ancient", hashes[i]);
		rig_sees(r, "0", "HEXISTS %s old", hashes[i]);
	}
	rig_age_queue(r, 600001);
	rig_expect_twice(r, "0 1", "0 0", SCRIPT_SWEEP, KEYS, "%d %d 100", KEEP, LEASE);
	rig_sees(r, "0", "EXISTS " DEAD);
	rig_sees(r, "2", "HLEN " JOBS);
}

static void test_an_empty_queue(void **state)
{
	struct rig *r = rig_begin(state);

	rig_expect_twice(r, "0 0", "0 0", SCRIPT_SWEEP, KEYS, "%d %d 100", KEEP, LEASE);
	rig_sees(r, "", "KEYS *");
}

/* FAULTS 32: the clock of a new master is far behind; a lease must not last until it has caught up.
 * What a worker may have written itself stays. */
static void test_leases_of_a_clock_that_stepped_back(void **state)
{
	struct rig *r = rig_begin(state);

	job(r, LEASES, "ahead", 3600000 + LEASE);
	job(r, LEASES, "running", LEASE);
	job(r, LEASES, "longer", 5 * LEASE); /* a worker with a longer lease */
	char *running = redis_server_text(rig_server(r), "ZSCORE " LEASES " running");
	char *longer = redis_server_text(rig_server(r), "ZSCORE " LEASES " longer");
	long long from = rig_now(r);
	rig_expect(r, "0 0", SCRIPT_SWEEP, KEYS, "%d %d 100", KEEP, LEASE);
	char *ahead = redis_server_text(rig_server(r), "ZSCORE " LEASES " ahead");
	assert_in_range(strtoll(ahead, NULL, 10), from + LEASE, rig_now(r) + LEASE);
	rig_sees(r, running, "ZSCORE " LEASES " running");
	rig_sees(r, longer, "ZSCORE " LEASES " longer");
	rig_expect_twice(r, "0 0", "0 0", SCRIPT_SWEEP, KEYS, "%d %d 100", KEEP, LEASE);
	rig_sees(r, ahead, "ZSCORE " LEASES " ahead");
	free(running);
	free(longer);
	free(ahead);
}

static void test_it_looks_at_so_many_at_most(void **state)
{
	struct rig *r = rig_begin(state);

	for (int i = 0; i < 30; i++) {
		char id[32];
		snprintf(id, sizeof(id), "dead%d", i);
		job(r, DEAD, id, -2 * (int64_t)KEEP - i * 1000000);
		snprintf(id, sizeof(id), "ahead%d", i);
		job(r, LEASES, id, 100 * LEASE);
	}
	rig_expect(r, "0 10", SCRIPT_SWEEP, KEYS, "%d %d 10", KEEP, LEASE);
	rig_sees(r, "20", "ZCARD " DEAD);
	rig_sees(r, "20", "ZCOUNT " LEASES " %lld +inf", (long long)rig_now(r) + 50 * LEASE);
	/* the oldest ones went */
	rig_sees(r, "nil", "ZSCORE " DEAD " dead29");
	for (int i = 0; i < 2; i++)
		rig_expect(r, "0 10", SCRIPT_SWEEP, KEYS, "%d %d 10", KEEP, LEASE);
	rig_sees(r, "0", "ZCARD " DEAD);
}

/* With more jobs than it looks at it takes a sample, and so finds each in the end. */
static void test_orphans_among_many_are_found(void **state)
{
	struct rig *r = rig_begin(state);

	for (int i = 0; i < 200; i++) {
		char id[32];
		snprintf(id, sizeof(id), "flying%d", i);
		job(r, LEASES, id, 20000);
	}
	job(r, NULL, "orphan", 0);
	int rounds = 0;
	while (redis_server_int(rig_server(r), "ZCARD " DELAYED) == 0) {
		char *answer = rig_call(r, SCRIPT_SWEEP, KEYS, "%d %d 20", KEEP, LEASE);
		free(answer);
		assert_true(++rounds <
		            2000); /* one in ten each: never within 2,000 is impossible */
	}
	rig_sees(r, "orphan", "ZRANGE " DELAYED " 0 -1");
	assert_int_equal(rig_commands(r, "HKEYS"), 0);
}

/* FAULTS 16 */
static void test_a_hundred_thousand_jobs_cost_no_more_commands(void **state)
{
	static const char script[] =
		"for i = ARGV[1], ARGV[1] + 999 do "
		"redis.call('HSET', KEYS[1], 'l' .. i, 'leased', 'd' .. i, 'dead') "
		"redis.call('ZADD', KEYS[2], 9e15, 'l' .. i) "
		"redis.call('ZADD', KEYS[3], i, 'd' .. i) end";
	struct rig *r = rig_begin(state);
	size_t cost[2];

	for (int round = 0; round < 2; round++) {
		redis_server_do(rig_server(r), "FLUSHALL");
		rig_watch(r, false);
		for (int i = 0; i < (round == 0 ? 1000 : 100000); i += 1000)
			redis_server_do(rig_server(r), "EVAL %s 3 " JOBS " " LEASES " " DEAD " %d",
			                script, i);
		rig_watch(r, true);
		rig_expect(r, "0 100", SCRIPT_SWEEP, KEYS, "%d %d 100", KEEP, LEASE);
		cost[round] = rig_commands(r, NULL);
		assert_int_equal(rig_commands(r, "HKEYS") + rig_commands(r, "HGETALL"), 0);
	}
	assert_int_equal(cost[0], cost[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_orphan_is_adopted),
		cmocka_unit_test(test_old_dead_letters_are_trimmed),
		cmocka_unit_test(test_an_empty_queue),
		cmocka_unit_test(test_leases_of_a_clock_that_stepped_back),
		cmocka_unit_test(test_it_looks_at_so_many_at_most),
		cmocka_unit_test(test_orphans_among_many_are_found),
		cmocka_unit_test(test_a_hundred_thousand_jobs_cost_no_more_commands),
	};
	return cmocka_run_group_tests_name("sweep.lua", tests, rig_setup_standalone, rig_teardown) +
	       cmocka_run_group_tests_name("sweep.lua on a cluster", tests, rig_setup_cluster,
	                                   rig_teardown);
}
