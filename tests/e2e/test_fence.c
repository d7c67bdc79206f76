/* FENCE_REPLICAS: no last byte leaves before replicas know of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/tally.h"

/* Too few replicas: the begin is taken back, no attempt is charged, nothing leaves. As soon as
 * there is one, the mail does. */
static void test_without_replicas_nothing_leaves(void **state)
{
	struct fleet *f = fleet_around(redis_server_start_tcp(
		(const char *const[]){"--repl-diskless-sync-delay", "0", NULL}));
	struct redis_server *master = fleet_redis(f), *replica;
	const char *record = fleet_mock(f, "PRIMARY", "latency=0");
	struct process *w;
	struct tally *t;
	char port[16];

	(void)state;
	fleet_set(f, "FENCE_REPLICAS=1");
	w = fleet_worker(f, NULL);
	fleet_push(f, "fenced", "");
	process_wait_lines(w, "replicas_missing", 2, 0); /* and it is tried again */
	fleet_wait_status(f, "fenced", "retrying");
	fleet_expect(f, "fenced", "attempts", "0");
	t = tally_of_record(record);
	assert_int_equal(tally_total(t), 0);
	tally_free(t);

	snprintf(port, sizeof(port), "%d", redis_server_port(master));
	replica = redis_server_start_tcp(
		(const char *const[]){"--replicaof", "127.0.0.1", port, NULL});
	fleet_wait_status(f, "fenced", "sent");
	fleet_expect(f, "fenced", "attempts", "1");
	fleet_wait_settled(f, NULL);
	t = tally_of_record(record);
	assert_int_equal(tally_total(t), 1);
	tally_free(t);
	fleet_stop(f, w);
	redis_server_free(replica);
	fleet_free(f);
	redis_server_free(master);
}

/* While they are away the provider does not see the whole backlog over and over: after the first mails
 * one at a time asks whether they are back. */
static void test_missing_replicas_hold_the_backlog(void **state)
{
	struct fleet *f = fleet_start(NULL);
	struct process *w;

	(void)state;
	fleet_set(f, "FENCE_REPLICAS=1");
	fleet_set(f, "CONCURRENCY=10");
	fleet_push_many(f, NULL, "m", 100, "");
	w = fleet_worker(f, NULL);
	process_wait_lines(w, "replicas_missing", 3, 0);
	/* the ten that were in its hands, and then one for each line more */
	assert_in_range(redis_server_int(fleet_redis(f), "ZCARD {mail:queue}:leases") +
	                        redis_server_int(fleet_redis(f), "ZCARD {mail:queue}:delayed"),
	                1, 30);
	assert_in_range(redis_server_int(fleet_redis(f), "LLEN mail:queue"), 70, 90);
	fleet_stop(f, w);
	fleet_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_replicas_nothing_leaves),
		cmocka_unit_test(test_missing_replicas_hold_the_backlog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
