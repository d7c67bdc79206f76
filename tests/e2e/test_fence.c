/* FENCE_REPLICAS: no last byte leaves before replicas know of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/sink.h"
#include "support/tally.h"
#include "support/wait.h"

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

static bool is_in_step(void *master)
{
	char *info = redis_server_text(master, "INFO replication");
	bool yes = strstr(info, "state=online") != NULL;

	free(info);
	return yes;
}

/* The replica falls silent after the last byte has left: the outcome is written again until it has it. A failover
 * that lost it would leave a mail that says `sending` for good, with a job that is done with. */
static void test_an_outcome_is_not_lost(void **state)
{
	struct redis_server *master = redis_server_start_tcp(
		(const char *const[]){"--repl-diskless-sync-delay", "0", NULL});
	struct sink *sink = sink_start();
	struct fleet *f = fleet_around(master);
	struct redis_server *replica;
	struct process *w;
	char port[16];

	(void)state;
	snprintf(port, sizeof(port), "%d", redis_server_port(master));
	replica = redis_server_start_tcp(
		(const char *const[]){"--replicaof", "127.0.0.1", port, NULL});
	wait_until(is_in_step, master, 0);
	fleet_set(f, "FENCE_REPLICAS=1");
	fleet_set(f, "PROVIDER_PRIMARY=%s", sink_dsn(sink, ""));
	w = fleet_worker_ready(f, NULL);
	sink_stay(sink);
	fleet_push_to(f, "done", "hold-dot.x@example.com", "");
	while (sink_copies(sink, "done") == 0)
		wait_loop_for(NULL, 5);
	redis_server_pause(replica);
	sink_go(sink);
	fleet_wait_status(f, "done", "sent");
	process_wait_lines(w, "replicas_missing", 2, 0);
	assert_int_equal(redis_server_int(master, "ZCARD {mail:queue}:leases"), 1);
	redis_server_resume(replica);
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "done", "status", "sent");
	fleet_expect(f, "done", "attempts", "1");
	assert_int_equal(sink_copies(sink, "done"), 1);
	redis_server_do(master, "SET synced 1");
	assert_int_equal(redis_server_int(master, "WAIT 1 0"), 1);
	assert_int_equal(redis_server_int(replica, "HLEN {mail:queue}:jobs"), 0);

	/* It does not come back: after a while the mail is done with all the same. */
	sink_stay(sink);
	fleet_push_to(f, "alone", "hold-dot.y@example.com", "");
	while (sink_copies(sink, "alone") == 0)
		wait_loop_for(NULL, 5);
	redis_server_pause(replica);
	sink_go(sink);
	fleet_wait_settled(f, NULL);
	fleet_expect(f, "alone", "status", "sent");
	redis_server_resume(replica);
	fleet_stop(f, w);
	fleet_free(f);
	sink_free(sink);
	redis_server_free(replica);
	redis_server_free(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_replicas_nothing_leaves),
		cmocka_unit_test(test_missing_replicas_hold_the_backlog),
		cmocka_unit_test(test_an_outcome_is_not_lost),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
