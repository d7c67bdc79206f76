/* A provider that takes four leases for each mail, and thousands of mails for it: what a worker takes is bounded, its memory is
 * flat, none of its leases is lost to its own backlog, and the mails of another provider go on beside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/tally.h"
#include "support/wait.h"

#define LEASE_MS 1000
#define CONCURRENCY 40
#define QUEUES 2
#define SLOW 20000 /* mails that wait */
#define FAST 2000
#define ROUNDS 3 /* of the slow provider, each with what the worker may have in its hands */
#ifdef __SANITIZE_ADDRESS__
#define FLAT ((size_t)300 << 20) /* it keeps 256 MB of what was freed */
#else
#define FLAT ((size_t)8 << 20)
#endif

struct scene {
	struct fleet *fleet;
	struct process *worker;
	const char *slow, *fast; /* what was taken */
	size_t most_in_flight, most_memory;
	size_t slow_at_the_end; /* taken, when the last of the fast was */
};

static size_t taken(const char *record)
{
	struct tally *t = tally_of_record(record);
	size_t n = tally_total(t);

	tally_free(t);
	return n;
}

static void look(struct scene *s)
{
	struct redis_server *r = fleet_redis(s->fleet);
	/* both at one moment */
	size_t in_flight = (size_t)redis_server_int(
		r, "EVAL %s 2 {q:slow}:leases {q:fast}:leases",
		"return redis.call('ZCARD', KEYS[1]) + redis.call('ZCARD', KEYS[2])");
	size_t memory = fleet_rss(s->worker);

	if (in_flight > s->most_in_flight)
		s->most_in_flight = in_flight;
	if (memory > s->most_memory)
		s->most_memory = memory;
}

static bool fast_is_done(void *data)
{
	struct scene *s = data;

	look(s);
	return taken(s->fast) >= FAST;
}

static bool slow_has_gone_round(void *data)
{
	struct scene *s = data;

	look(s);
	return taken(s->slow) >= (size_t)ROUNDS * CONCURRENCY / 2;
}

static void test_slow_provider(void **state)
{
	struct scene s = {.fleet = fleet_start(NULL)};
	struct fleet *f = s.fleet;
	size_t memory;

	(void)state;
	fleet_set(f, "LEASE_MS=%d", LEASE_MS);
	fleet_set(f, "CONCURRENCY=%d", CONCURRENCY);
	fleet_set(f, "PROVIDERS=slow,fast");
	fleet_set(f, "QUEUES=q:slow,q:fast");
	s.slow = fleet_mock(f, "SLOW", "latency=4000-4000");
	s.fast = fleet_mock(f, "FAST", "");
	s.worker = fleet_worker_ready(f, NULL);
	memory = fleet_rss(s.worker);
	fleet_push_many(f, "q:slow", "s", SLOW, ",\"provider\":\"slow\"");
	wait_until(slow_has_gone_round, &s, 0); /* its places are full */
	s.slow_at_the_end = taken(s.slow);
	fleet_push_many(f, "q:fast", "f", FAST, ",\"provider\":\"fast\"");
	wait_until(fast_is_done, &s, 0);
	s.slow_at_the_end = taken(s.slow) - s.slow_at_the_end;
	printf("%d mails of the fast provider, %zu of the slow one beside; %zu in flight, %zu KB more memory\n",
	       FAST, s.slow_at_the_end, s.most_in_flight, (s.most_memory - memory) / 1024);
	/* Each of the slow ones that is done was sent once, by one claim: nobody's lease ran out. */
	assert_true(s.slow_at_the_end < FAST / 10);
	/* what a doorbell has moved is taken also when all places are full: one of each queue */
	assert_true(s.most_in_flight <= CONCURRENCY + QUEUES);
	assert_true(s.most_memory < memory + FLAT);
	assert_int_equal(process_count_lines(s.worker, "\"lease_lost\""), 0);
	assert_false(redis_server_int(fleet_redis(f), "HEXISTS {q:slow}:stats adopted:n"));
	assert_int_equal(redis_server_int(fleet_redis(f), "HLEN {q:slow}:claims"), 0);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slow_provider),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
