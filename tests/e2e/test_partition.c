/* Two hosts with workers and one with Redis, and cables between them that are cut, lose what goes one way, and are
 * slow: packets, between real kernels (support/hosts.h). Each time nothing is lost, nobody's last byte leaves after
 * its lease, a second copy has an `unknown` in its timeline, and all is well again by itself.
 *
 *     host a ──── 10.77.3/24 ──── Redis' host ──── 10.77.4/24 ──── host b
 *        └─── 10.77.1/24 ─── the mail server ─── 10.77.2/24 ───┘ */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/fleet.h"
#include "support/hosts.h"
#include "support/sink.h"
#include "support/timelines.h"
#include "support/wait.h"

#define LEASE_MS 1000
#define LONG_LEASE_MS 4000 /* where a worker has to come to its begin within it */
#define TO_WORKER CABLE_TO_A
#define TO_REDIS CABLE_TO_B

struct net {
	struct host *a, *b, *redis;
	struct cable *roads[2], *a_redis, *b_redis;
	struct sink *sink;
	struct fleet *fleet;
};

static void net_make(struct net *n, int lease_ms)
{
	static const char *const redis[] = {"--port",           "6379", "--bind", "0.0.0.0",
	                                    "--protected-mode", "no",   NULL};

	if (!hosts_begin())
		skip();
	*n = (struct net){.a = host_make(), .b = host_make(), .redis = host_make()};
	n->roads[0] = cable_lay(NULL, "10.77.1.1", n->a, "10.77.1.2");
	n->roads[1] = cable_lay(NULL, "10.77.2.1", n->b, "10.77.2.2");
	n->a_redis = cable_lay(n->a, "10.77.3.2", n->redis, "10.77.3.1");
	n->b_redis = cable_lay(n->b, "10.77.4.2", n->redis, "10.77.4.1");
	host_route(n->b, "10.77.1.1", "10.77.2.1");
	n->sink = sink_start_at("10.77.1.1");
	host_enter(n->redis);
	n->fleet = fleet_start(redis);
	host_enter(NULL);
	fleet_set(n->fleet, "LEASE_MS=%d", lease_ms);
	fleet_set(n->fleet, "COMMAND_TIMEOUT=%d", lease_ms);
	fleet_set(n->fleet, "PROVIDER_PRIMARY=%s", sink_dsn(n->sink, ""));
}

static void net_free(struct net *n)
{
	fleet_free(n->fleet);
	sink_free(n->sink);
	cable_free(n->a_redis);
	cable_free(n->b_redis);
	cable_free(n->roads[0]);
	cable_free(n->roads[1]);
	host_free(n->a);
	host_free(n->b);
	host_free(n->redis);
}

/* A worker on one of the hosts; it serves a queue of its own (q:a, q:b), too. */
static struct process *worker_on(struct net *n, struct host *h, const char *queues,
                                 const char *extra)
{
	char redis[64], all[128];
	struct process *p;

	snprintf(redis, sizeof(redis), "REDIS_URL=redis://10.77.%d.1:6379", h == n->a ? 3 : 4);
	snprintf(all, sizeof(all), "QUEUES=%s,q:%c", queues, h == n->a ? 'a' : 'b');
	host_enter(h);
	p = fleet_worker(n->fleet, (const char *const[]){redis, all, extra, NULL});
	host_enter(NULL);
	return p;
}

static void push_to(struct net *n, const char *queue, const char *key, const char *behaves)
{
	char to[96], *job;

	snprintf(to, sizeof(to), "%s.%s@example.com", behaves, key);
	job = fleet_job_to(key, to, "");
	fleet_push_raw(n->fleet, queue, job, strlen(job));
	free(job);
}

/* The worker of this host still runs, and sends again. */
static void works_again(struct net *n, struct process *worker, const char *queue)
{
	char key[32];

	snprintf(key, sizeof(key), "after-%s", queue + strlen("q:"));
	assert_true(process_running(worker));
	push_to(n, queue, key, "ok");
	fleet_wait_status(n->fleet, key, "sent");
	fleet_wait_settled(n->fleet, queue);
}

static void check_mail(struct net *n, const char *key, size_t copies, size_t unknown, bool late)
{
	char *line = fleet_field(n->fleet, key, "late:1");
	struct tally *taken = sink_tally(n->sink);
	bool good = tally_copies(taken, key) == copies && tally_ids(taken, key) == 1 &&
	            timelines_lines(n->fleet, key, "primary", "unknown") == unknown &&
	            timelines_lines(n->fleet, key, "primary", NULL) == unknown + 1 &&
	            (line[0] != '\0') == late;

	if (!good) {
		fleet_show_status(n->fleet, key);
		fail_msg("%s: %zu copies, not %zu", key, tally_copies(taken, key), copies);
	}
	fleet_expect(n->fleet, key, "status", "sent");
	tally_free(taken);
	free(line);
}

/* ---- the link is cut for longer than a lease ----------------------------------------------------------------- */

/* Worker a has one mail before its last byte, and the reply to another to come, when its cable to Redis breaks, in one
 * direction or both. */
static void test_cut(int ways, bool replied_to)
{
	struct net n;
	struct process *a, *b;

	net_make(&n, LONG_LEASE_MS);
	push_to(&n, "q:both", "held", "hold-rcpt-1");
	push_to(&n, "q:both", "released", "hold-dot-1");
	a = worker_on(&n, n.a, "q:both", NULL);
	sink_wait_asked(n.sink, "hold-rcpt-1.held@example.com", 1);
	sink_wait_total(n.sink, 1);
	cable_drop(n.a_redis, ways);
	sink_go(n.sink);
	if (replied_to) { /* what it asks is done, and it does not hear so */
		fleet_wait_status(n.fleet, "held", "sending");
		fleet_wait_status(n.fleet, "released", "sent");
	}
	b = worker_on(&n, n.b, "q:both", NULL);
	fleet_wait_status(n.fleet, "held", "sent");
	fleet_wait_status(n.fleet, "released", "sent");
	fleet_wait_settled(n.fleet, "q:both");
	assert_true(cable_lost(n.a_redis) > 0);
	works_again(&n, b, "q:b");
	cable_mend(n.a_redis);
	works_again(&n, a, "q:a");
	fleet_stop(n.fleet, a);
	fleet_stop(n.fleet, b);
	/* The last byte of `held` never left host a. */
	check_mail(&n, "held", 1, replied_to ? 1 : 0, false);
	check_mail(&n, "released", replied_to ? 1 : 2, replied_to ? 0 : 1, !replied_to);
	net_free(&n);
}

static void test_cut_both_ways(void **state)
{
	(void)state;
	test_cut(TO_WORKER | TO_REDIS, false);
}

static void test_requests_lost(void **state)
{
	(void)state;
	test_cut(TO_REDIS, false);
}

static void test_replies_lost(void **state)
{
	(void)state;
	test_cut(TO_WORKER, true);
}

/* ---- the link is slow ---------------------------------------------------------------------------------------- */

/* The answer to begin is `ok`, and comes when the lease is over. */
static void test_answer_too_late(void **state)
{
	struct net n;
	struct process *a, *b;

	(void)state;
	net_make(&n, LONG_LEASE_MS);
	push_to(&n, "q:both", "held", "hold-rcpt-1");
	a = worker_on(&n, n.a, "q:both", "COMMAND_TIMEOUT=60000");
	sink_wait_asked(n.sink, "hold-rcpt-1.held@example.com", 1);
	cable_delay(n.a_redis, TO_WORKER, 2 * LONG_LEASE_MS);
	sink_go(n.sink);
	fleet_wait_status(n.fleet, "held", "sending");
	b = worker_on(&n, n.b, "q:both", NULL);
	process_wait_line(a, "\"attempt_late\"", 0);
	cable_mend(n.a_redis);
	fleet_wait_status(n.fleet, "held", "sent");
	fleet_wait_settled(n.fleet, "q:both");
	works_again(&n, a, "q:a");
	fleet_stop(n.fleet, a);
	fleet_stop(n.fleet, b);
	check_mail(&n, "held", 1, 1, true);
	net_free(&n);
}

static void test_slow_cables(void **state)
{
	struct process *workers[2];
	struct timelines t;
	struct tally *taken;
	struct net n;

	(void)state;
	net_make(&n, LEASE_MS);
	fleet_set(n.fleet, "LEASE_MS=30000");
	fleet_set(n.fleet, "COMMAND_TIMEOUT=30000");
	cable_delay(n.a_redis, TO_WORKER | TO_REDIS, 40);
	cable_delay(n.b_redis, TO_WORKER | TO_REDIS, 80);
	workers[0] = worker_on(&n, n.a, FLEET_QUEUE, NULL);
	workers[1] = worker_on(&n, n.b, FLEET_QUEUE, NULL);
	fleet_push_many(n.fleet, NULL, "m", 300, "");
	fleet_wait_settled(n.fleet, NULL);
	t = timelines_count(n.fleet, "m", 300);
	assert_int_equal(t.sent, 300);
	assert_int_equal(t.lines, 300);
	taken = sink_tally(n.sink);
	assert_int_equal(tally_keys(taken), 300);
	assert_int_equal(tally_total(taken), 300);
	tally_free(taken);
	works_again(&n, workers[0], "q:a");
	works_again(&n, workers[1], "q:b");
	net_free(&n);
}

/* ---- again and again ------------------------------------------------------------------------------------------ */

#define FLOW 1500
#define RATE "&rate=150/s"

static bool is_past(void *until)
{
	return wait_now_ms() >= *(const int64_t *)until;
}

/* For whoever reads why it failed. */
static void show_not_sent(struct net *n)
{
	for (size_t i = 0; i < FLOW; i++) {
		char key[32], *status;

		snprintf(key, sizeof(key), "f-%zu", i);
		status = fleet_field(n->fleet, key, "status");
		if (strcmp(status, "sent") != 0)
			fleet_show_status(n->fleet, key);
		free(status);
	}
}

/* Both workers hold as many mails as they may, and each in turn is cut off for a lease and a half. */
static void test_cut_again_and_again(void **state)
{
	static const struct {
		bool a;
		int drops, delays;
	} faults[] = {{true, TO_WORKER | TO_REDIS, 0},
	              {false, TO_WORKER, 0},
	              {true, TO_REDIS, 0},
	              {false, 0, TO_WORKER | TO_REDIS},
	              {true, TO_WORKER, 0},
	              {false, TO_WORKER | TO_REDIS, 0}};
	struct process *a, *b;
	struct tally *taken;
	struct net n;

	(void)state;
	net_make(&n, LEASE_MS);
	fleet_set(n.fleet, "PROVIDER_PRIMARY=%s", sink_dsn(n.sink, RATE));
	fleet_set(n.fleet,
	          "MAX_RETRY_ATTEMPTS=20"); /* three unknowns would be the end, and it is held */
	a = worker_on(&n, n.a, FLEET_QUEUE, NULL);
	b = worker_on(&n, n.b, FLEET_QUEUE, NULL);
	fleet_push_many(n.fleet, NULL, "f", FLOW, "");
	sink_wait_total(n.sink, 20);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct cable *c = faults[i].a ? n.a_redis : n.b_redis;
		int64_t until = wait_now_ms() + LEASE_MS * 3 / 2;

		cable_drop(c, faults[i].drops);
		cable_delay(c, faults[i].delays, LEASE_MS * 2);
		wait_until(is_past, &until, 0);
		cable_mend(c);
		sink_wait_total(n.sink, sink_total(n.sink) + 20); /* it goes on */
	}
	fleet_wait_settled(n.fleet, NULL);
	assert_true(redis_server_int(fleet_redis(n.fleet),
	                             "HEXISTS {" FLEET_QUEUE "}:stats adopted:n"));
	works_again(&n, a, "q:a");
	works_again(&n, b, "q:b");
	taken = sink_tally(n.sink);
	show_not_sent(&n);
	assert_int_equal(timelines_count(n.fleet, "f", FLOW).sent, FLOW);
	assert_int_equal(tally_keys(taken), FLOW + 2);
	timelines_check_copies(n.fleet, taken, "f", FLOW);
	printf("%d mails, %zu copies, %zu with an unknown, %zu packets lost\n", FLOW,
	       tally_total(taken) - 2, timelines_count(n.fleet, "f", FLOW).unknown,
	       cable_lost(n.a_redis) + cable_lost(n.b_redis));
	tally_free(taken);
	net_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_both_ways), cmocka_unit_test(test_requests_lost),
		cmocka_unit_test(test_replies_lost),  cmocka_unit_test(test_answer_too_late),
		cmocka_unit_test(test_slow_cables),   cmocka_unit_test(test_cut_again_and_again),
	};

	cmocka_set_test_filter(getenv("TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
